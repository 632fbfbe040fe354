/* maps_conv.c: convolution of pixel-major maps as matrix products.
 *
 * Of a row of output pixels, tap row ky reads one row of input pixels.  With dilation 1 the ks*cin numbers that a pixel needs lie side
 * by side, and the next pixel's begin stride*cin later: the left operand of a product is the input row itself, zeros beside it.
 * Those padded rows are copied to a thread's own room ("slots"), `group` output rows at a time; nothing is multiplied out.
 *
 *     slot:  [ 0 .. | pixel 0 | pixel 1 | ... | 0 .. ]       A(m,k) = slot[m*stride*cin + k],  k < ks*cin
 *
 * On narrow maps such products are a few pixels tall, and all weights would run through the cache for every row: there ("in blocks") a tap's
 * input pixels of several rows are copied side by side, and the products add up tap by tap.  The order of a sum is the same.
 *
 * dL/dx is the same sum over dy with the weights turned round, dy's pixels `stride` apart with zeros between.
 * dL/dw is A^T dy, added up over the rows of a chunk; the chunks' sums are added in their order.  In blocks, rows whose tap lies outside the
 * map are left out, and one tap's weights for 128 inputs are a piece of work. */
#include <omp.h>
#include <string.h>

#include "nn/maps.h"

enum { PANEL = 32, CHUNKS = 16, CHUNK_PIXELS = 1024, SLOT_NUMBERS = 48 * 1024, PLAIN_ROWS = 256 };
enum { NARROW = 16, NARROW_MANY = 64, MANY_WEIGHTS = 192 * 1024, BLOCK_PIXELS = 256, BLOCK_NUMBERS = 256 * 1024, PIECE = 128 };
static const nn_dim chunk_numbers_max = 24 * 1024 * 1024;

static nn_dim panels(nn_dim cout) { return (cout + PANEL - 1) / PANEL; }
static nn_dim rounded(nn_dim n) { return (n + NN_CB - 1) / NN_CB * NN_CB; }

/* What runs through the slots: forward on x, or backward on dy (insert > 1: zeros between its pixels). */
typedef struct {
    nn_dim n, h, w, c, oh, ow, o, ks, stride, pad, dilation, insert;
    bool blocks;
    nn_dim slot, group, slots;       /* numbers of a slot; output rows at a time; slots they need */
} plan;

static plan make_plan(nn_dim n, nn_dim h, nn_dim w, nn_dim c, nn_dim oh, nn_dim ow, nn_dim o, nn_dim ks, nn_dim stride, nn_dim pad,
                      nn_dim dilation, nn_dim insert)
{
    plan p = { n, h, w, c, oh, ow, o, ks, stride, pad, dilation, insert, ow <= (ks * ks * c * o < MANY_WEIGHTS ? NARROW : NARROW_MANY), 0, 1, ks };
    if (p.blocks) {
        while (p.group < oh && (p.group + 1) * ow <= BLOCK_PIXELS && (p.group + 1) * ow * c <= BLOCK_NUMBERS) p.group++;
        p.slots = 1;
        p.slot = rounded(p.group * ow * c);
        return p;
    }
    p.slot = rounded(((ow - 1) * stride + dilation * (ks - 1) + 1) * c);
    if (dilation == 1) {
        while (p.group < oh && (p.group * stride + ks) * p.slot <= SLOT_NUMBERS && p.group < 8) p.group++;
        p.slots = (p.group - 1) * stride + ks;
    }
    return p;
}

static plan forward_plan(const nn_conv2d *s)
{
    return make_plan(s->n, s->h, s->w, s->cin, nn_conv2d_out(s, s->h), nn_conv2d_out(s, s->w), s->cout, s->ks, s->stride, s->pad, s->dilation, 1);
}

static plan backward_plan(const nn_conv2d *s)
{
    NN_ASSERT(s->dilation * (s->ks - 1) >= s->pad);
    return make_plan(s->n, nn_conv2d_out(s, s->h), nn_conv2d_out(s, s->w), s->cout, s->h, s->w, s->cin, s->ks, 1,
                     s->dilation * (s->ks - 1) - s->pad, s->dilation, s->stride);
}

/* A 1x1 convolution that skips nothing is one product over all pixels. */
static bool plain(const plan *p) { return p->ks == 1 && p->stride == 1 && p->insert == 1 && p->pad == 0; }

static nn_dim packed_numbers(const plan *p) { return panels(p->o) * PANEL * p->ks * p->ks * p->c; }
static nn_dim plan_room(const plan *p, int threads) { return packed_numbers(p) + p->slots * p->slot * threads; }

static nn_dim weight_numbers(const nn_conv2d *s) { return s->ks * s->ks * s->cin * s->cout; }

/* A chunk's own sum costs a pass over all weights, so it has pixels enough to be worth it. */
static nn_dim chunks(const nn_conv2d *s)
{
    const nn_dim fit = nn_at_most(chunk_numbers_max / weight_numbers(s), s->n * nn_conv2d_out(s, s->h) * nn_conv2d_out(s, s->w) / CHUNK_PIXELS);
    return fit < 1 ? 1 : nn_at_most(fit, CHUNKS);
}

/* Numbers that a thread needs beside the parts for dL/dw. */
static nn_dim weight_room(const plan *f) { return f->blocks ? BLOCK_PIXELS * (PIECE + f->o) : f->slots * f->slot; }

nn_dim nn_conv2d_room(const nn_conv2d *s, int threads)
{
    const plan f = forward_plan(s), b = backward_plan(s);
    nn_dim most = plan_room(&f, threads), other = plan_room(&b, threads);
    if (other > most) most = other;
    other = weight_room(&f) * threads + chunks(s) * weight_numbers(s);
    return rounded(most > other ? most : other);
}

/* ---- weights, rows ---------------------------------------------------------------------------------------------------- */

/* (taps, c, o) in panels of 32 outputs: (panel, taps, c, 32). */
static void pack_forward(real *to, const real *w, const plan *p)
{
    const nn_dim K = p->ks * p->ks * p->c;
    for (nn_dim j = 0; j < p->o; j += PANEL, to += K * PANEL)
        for (nn_dim k = 0; k < K; k++) memcpy(to + k * PANEL, w + k * p->o + j, (size_t)nn_at_most(PANEL, p->o - j) * sizeof *to);
}

/* The same of the turned weights: tap t becomes last - t, inputs and outputs change places.  w (taps, p->o, p->c). */
static void pack_backward(real *to, const real *w, const plan *p)
{
    const nn_dim taps = p->ks * p->ks;
    for (nn_dim j = 0; j < p->o; j += PANEL, to += taps * p->c * PANEL)
        for (nn_dim t = 0; t < taps; t++) {
            const real *from = w + (taps - 1 - t) * p->o * p->c;
            for (nn_dim i = 0; i < nn_at_most(PANEL, p->o - j); i++)
                for (nn_dim c = 0; c < p->c; c++) to[(t * p->c + c) * PANEL + i] = from[(j + i) * p->c + c];
        }
}

/* The input row that slot number `at` of the group of output row y0 holds; -1: zeros. */
static nn_dim slot_row(const plan *p, nn_dim y0, nn_dim at)
{
    const nn_dim y = y0 * p->stride + at * p->dilation - p->pad;
    return y < 0 || y % p->insert || y / p->insert >= p->h ? -1 : y / p->insert;
}

static void fill_slots(real *slots, const real *picture, const plan *p, nn_dim y0, nn_dim rows)
{
    const nn_dim used = p->dilation == 1 ? (rows - 1) * p->stride + p->ks : p->ks;
    const nn_dim width = p->slot / p->c;
    for (nn_dim a = 0; a < used; a++) {
        real *slot = slots + a * p->slot;
        const nn_dim y = slot_row(p, y0, a);
        if (y < 0) { memset(slot, 0, (size_t)p->slot * sizeof *slot); continue; }
        const real *row = picture + y * p->w * p->c;
        if (p->insert == 1) {
            const nn_dim last = nn_at_most(p->w, width - p->pad);
            memset(slot, 0, (size_t)(p->pad * p->c) * sizeof *slot);
            memcpy(slot + p->pad * p->c, row, (size_t)(last * p->c) * sizeof *slot);
            memset(slot + (p->pad + last) * p->c, 0, (size_t)(p->slot - (p->pad + last) * p->c) * sizeof *slot);
            continue;
        }
        memset(slot, 0, (size_t)p->slot * sizeof *slot);
        for (nn_dim x = 0; x < p->w && p->pad + x * p->insert < width; x++)
            memcpy(slot + (p->pad + x * p->insert) * p->c, row + x * p->c, (size_t)p->c * sizeof *slot);
    }
}

/* Does tap column kx meet any pixel of a row? */
static bool column_meets(const plan *p, nn_dim kx)
{
    return kx * p->dilation - p->pad <= (p->w - 1) * p->insert && (p->ow - 1) * p->stride + kx * p->dilation - p->pad >= 0;
}

/* ---- forward, and backward to the input -------------------------------------------------------------------------------- */

static void one_row(const nn_kernels *k, real *y, const real *slots, const real *packed, const plan *p, nn_dim y0, nn_dim r, bool add)
{
    const nn_dim K = p->ks * p->ks * p->c, step = p->stride * p->c;
    for (nn_dim j = 0; j < p->o; j += PANEL, packed += K * PANEL) {
        const nn_dim n = nn_at_most(PANEL, p->o - j);
        bool more = add;
        for (nn_dim ky = 0; ky < p->ks; ky++) {
            const nn_dim at = p->dilation == 1 ? r * p->stride + ky : ky;
            if (slot_row(p, y0, at) < 0) continue;
            const real *slot = slots + at * p->slot, *w = packed + ky * p->ks * p->c * PANEL;
            if (p->dilation == 1) {
                k->gemm(p->ow, n, p->ks * p->c, nn_rows_matrix(slot, step), w, PANEL, y + j, p->o, more, NULL);
                more = true;
                continue;
            }
            for (nn_dim kx = 0; kx < p->ks; kx++) {
                if (!column_meets(p, kx)) continue;
                k->gemm(p->ow, n, p->c, nn_rows_matrix(slot + kx * p->dilation * p->c, step), w + kx * p->c * PANEL, PANEL, y + j, p->o, more, NULL);
                more = true;
            }
        }
        for (nn_dim x = 0; x < p->ow && !more; x++) memset(y + x * p->o + j, 0, (size_t)n * sizeof *y);
    }
}

/* The input row that tap row ky of output row y reads; -1: none. */
static nn_dim tap_row(const plan *p, nn_dim y, nn_dim ky)
{
    const nn_dim at = y * p->stride + ky * p->dilation - p->pad;
    return at < 0 || at % p->insert || at / p->insert >= p->h ? -1 : at / p->insert;
}

/* to (rows*ow, c): what tap (ky,kx) of output rows [y0, y0 + rows) reads of a picture, zeros outside. */
static void gather_tap(real *to, const real *picture, const plan *p, nn_dim y0, nn_dim rows, nn_dim ky, nn_dim kx)
{
    const nn_dim shift = kx * p->dilation - p->pad, c = p->c, step = p->stride;
    for (nn_dim r = 0; r < rows; r++, to += p->ow * c) {
        const nn_dim y = tap_row(p, y0 + r, ky);
        if (y < 0) { memset(to, 0, (size_t)(p->ow * c) * sizeof *to); continue; }
        const real *row = picture + y * p->w * c;
        for (nn_dim x = 0; x < p->ow; x++) {
            const nn_dim at = x * step + shift;
            if (at < 0 || at % p->insert || at / p->insert >= p->w) memset(to + x * c, 0, (size_t)c * sizeof *to);
            else memcpy(to + x * c, row + at / p->insert * c, (size_t)c * sizeof *to);
        }
    }
}

/* y (rows*ow, o) += the sums of output rows [y0, y0 + rows), tap by tap; rows at either end that a tap does not meet are left out. */
static void one_block(const nn_kernels *k, real *y, real *room, const real *picture, const real *packed, const plan *p, nn_dim y0, nn_dim rows)
{
    const nn_dim taps = p->ks * p->ks, K = taps * p->c;
    for (nn_dim t = 0; t < taps; t++) {
        nn_dim first = 0, last = rows;
        while (first < last && tap_row(p, y0 + first, t / p->ks) < 0) first++;
        while (first < last && tap_row(p, y0 + last - 1, t / p->ks) < 0) last--;
        if (first == last || !column_meets(p, t % p->ks)) continue;
        gather_tap(room, picture, p, y0 + first, last - first, t / p->ks, t % p->ks);
        for (nn_dim j = 0; j < p->o; j += PANEL)
            k->gemm((last - first) * p->ow, nn_at_most(PANEL, p->o - j), p->c, nn_rows_matrix(room, p->c), packed + j * K + t * p->c * PANEL, PANEL,
                    y + first * p->ow * p->o + j, p->o, true, NULL);
    }
}

static void start_with_bias(real *y, const real *b, nn_dim rows, nn_dim o)
{
    for (nn_dim r = 0; r < rows; r++) memcpy(y + r * o, b, (size_t)o * sizeof *y);
}

static void all_rows(const nn_kernels *k, real *y, const real *x, const real *packed, const real *b, const plan *p, bool add, real *room, int threads)
{
    const nn_dim groups = (p->oh + p->group - 1) / p->group;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim u = 0; u < p->n * groups; u++) {
        real *slots = room + p->slots * p->slot * omp_get_thread_num();
        const nn_dim n = u / groups, y0 = u % groups * p->group, rows = nn_at_most(p->group, p->oh - y0);
        real *out = y + (n * p->oh + y0) * p->ow * p->o;
        const real *picture = x + n * p->h * p->w * p->c;
        if (b) start_with_bias(out, b, rows * p->ow, p->o);
        if (p->blocks) {
            if (!add && !b) memset(out, 0, (size_t)(rows * p->ow * p->o) * sizeof *out);
            one_block(k, out, slots, picture, packed, p, y0, rows);
            continue;
        }
        fill_slots(slots, picture, p, y0, rows);
        for (nn_dim r = 0; r < rows; r++) one_row(k, out + r * p->ow * p->o, slots, packed, p, y0, r, add || b);
    }
}

static void all_pixels(const nn_kernels *k, real *y, const real *x, const real *packed, const real *b, const plan *p, bool add, int threads)
{
    const nn_dim pixels = p->n * p->h * p->w, pieces = (pixels + PLAIN_ROWS - 1) / PLAIN_ROWS;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim u = 0; u < pieces; u++) {
        const nn_dim m = nn_at_most(PLAIN_ROWS, pixels - u * PLAIN_ROWS);
        real *out = y + u * PLAIN_ROWS * p->o;
        if (b) start_with_bias(out, b, m, p->o);
        for (nn_dim j = 0; j < p->o; j += PANEL)
            k->gemm(m, nn_at_most(PANEL, p->o - j), p->c, nn_rows_matrix(x + u * PLAIN_ROWS * p->c, p->c), packed + j * p->c, PANEL, out + j, p->o, add || b, NULL);
    }
}

static void run(const nn_kernels *k, real *y, const real *x, const real *b, const plan *p, bool add, real *room, int threads)
{
    if (plain(p)) all_pixels(k, y, x, room, b, p, add, threads);
    else all_rows(k, y, x, room, b, p, add, room + packed_numbers(p), threads);
}

void nn_conv2d_fwd(const nn_kernels *k, real *y, const real *x, const real *w, const real *b, const nn_conv2d *s, real *room, int threads)
{
    const plan p = forward_plan(s);
    pack_forward(room, w, &p);
    run(k, y, x, b, &p, false, room, threads);
}

void nn_conv2d_bwd_input(const nn_kernels *k, real *dx, bool add, const real *dy, const real *w, const nn_conv2d *s, real *room, int threads)
{
    const plan p = backward_plan(s);
    pack_backward(room, w, &p);
    run(k, dx, dy, NULL, &p, add, room, threads);
}

/* ---- backward to the weights -------------------------------------------------------------------------------------------- */

/* dw += A^T dy of output row r of the group.  dw (taps, c, o). */
static void row_weights(const nn_kernels *k, real *dw, const real *dy, const real *slots, const plan *p, nn_dim y0, nn_dim r)
{
    const nn_dim step = p->stride * p->c;
    for (nn_dim ky = 0; ky < p->ks; ky++) {
        const nn_dim at = p->dilation == 1 ? r * p->stride + ky : ky;
        if (slot_row(p, y0, at) < 0) continue;
        const nn_dim pieces = p->dilation == 1 ? 1 : p->ks, m = p->ks / pieces * p->c;
        for (nn_dim kx = 0; kx < pieces; kx++) {
            if (!column_meets(p, kx) && pieces > 1) continue;
            k->gemm(m, p->o, p->ow, nn_rows_transposed(slots + at * p->slot + kx * p->dilation * p->c, step), dy, p->o,
                    dw + (ky * p->ks + kx) * p->c * p->o, p->o, true, NULL);
        }
    }
}

static void chunk_weights(const nn_kernels *k, real *dw, const real *dy, const real *x, const plan *p, nn_dim chunk, nn_dim count, real *slots)
{
    const nn_dim groups = (p->oh + p->group - 1) / p->group, units = p->n * groups;
    for (nn_dim u = units * chunk / count; u < units * (chunk + 1) / count; u++) {
        const nn_dim n = u / groups, y0 = u % groups * p->group, rows = nn_at_most(p->group, p->oh - y0);
        fill_slots(slots, x + n * p->h * p->w * p->c, p, y0, rows);
        for (nn_dim r = 0; r < rows; r++) row_weights(k, dw, dy + (n * p->oh + y0 + r) * p->ow * p->o, slots, p, y0, r);
    }
}

/* A run of output pixels whose tap lies inside the map, copied side by side: x (held, inputs), dy (held, o). */
typedef struct { real *x, *dy; nn_dim held; } run_of_pixels;

/* dw (rows of inputs [i0, i0 + m)) += the run, which is then empty. */
static void add_run(const nn_kernels *k, real *dw, run_of_pixels *run, const plan *p, nn_dim m)
{
    if (run->held) k->gemm(m, p->o, run->held, nn_rows_transposed(run->x, m), run->dy, p->o, dw, p->o, true, NULL);
    run->held = 0;
}

/* dw of tap t and inputs [i0, i0 + m) over output pixels [from, to) of the batch. */
static void piece_weights(const nn_kernels *k, real *dw, const real *dy, const real *x, const plan *p, nn_dim t, nn_dim i0, nn_dim m, nn_dim from, nn_dim to, real *room)
{
    run_of_pixels run = { room, room + BLOCK_PIXELS * PIECE, 0 };
    const nn_dim shift = t % p->ks * p->dilation - p->pad, area = p->oh * p->ow;
    dw += (t * p->c + i0) * p->o;
    for (nn_dim at = from; at < to; at++) {
        const nn_dim y = tap_row(p, at % area / p->ow, t / p->ks), column = at % p->ow * p->stride + shift;
        if (y < 0 || column < 0 || column >= p->w) continue;
        memcpy(run.x + run.held * m, x + ((at / area * p->h + y) * p->w + column) * p->c + i0, (size_t)m * sizeof *run.x);
        memcpy(run.dy + run.held * p->o, dy + at * p->o, (size_t)p->o * sizeof *run.dy);
        if (++run.held == BLOCK_PIXELS) add_run(k, dw, &run, p, m);
    }
    add_run(k, dw, &run, p, m);
}

static void all_pieces(const nn_kernels *k, real *part, const real *dy, const real *x, const plan *p, nn_dim count, nn_dim numbers, real *room, int threads)
{
    const nn_dim pixels = p->n * p->oh * p->ow, wide = (p->c + PIECE - 1) / PIECE, units = p->ks * p->ks * wide;
    #pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (nn_dim u = 0; u < count * units; u++) {
        const nn_dim chunk = u / units, i0 = u % wide * PIECE, m = nn_at_most(PIECE, p->c - i0), from = pixels * chunk / count, to = pixels * (chunk + 1) / count;
        real *dw = part + chunk * numbers;
        if (plain(p)) k->gemm(m, p->o, to - from, nn_rows_transposed(x + from * p->c + i0, p->c), dy + from * p->o, p->o, dw + i0 * p->o, p->o, true, NULL);
        else piece_weights(k, dw, dy, x, p, u % units / wide, i0, m, from, to, room + weight_room(p) * omp_get_thread_num());
    }
}

static void bias_gradient(real *db, const real *dy, nn_dim rows, nn_dim o)
{
    for (nn_dim c = 0; c < o; c++) {
        double sum = 0.0;
        for (nn_dim r = 0; r < rows; r++) sum += dy[r * o + c];
        db[c] = (real)(db[c] + sum);
    }
}

void nn_conv2d_bwd_weight(const nn_kernels *k, real *dw, real *db, const real *dy, const real *x, const nn_conv2d *s, real *room, int threads)
{
    const plan p = forward_plan(s);
    const nn_dim count = chunks(s), numbers = weight_numbers(s);
    real *part = count > 1 ? room + weight_room(&p) * threads : dw;
    if (count > 1) memset(part, 0, (size_t)(count * numbers) * sizeof *part);
    if (p.blocks || plain(&p)) all_pieces(k, part, dy, x, &p, count, numbers, room, threads);
    else {
        #pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
        for (nn_dim c = 0; c < count; c++)
            chunk_weights(k, part + c * numbers, dy, x, &p, c, count, room + p.slots * p.slot * omp_get_thread_num());
    }
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && numbers > NN_PARALLEL_MIN)
    for (nn_dim i = 0; i < (count > 1 ? numbers : 0); i++) {
        double sum = 0.0;
        for (nn_dim c = 0; c < count; c++) sum += part[c * numbers + i];
        dw[i] = (real)(dw[i] + sum);
    }
    if (db) bias_gradient(db, dy, p.n * p.oh * p.ow, p.o);
}

/* ---- torch's order ------------------------------------------------------------------------------------------------------ */

void nn_conv2d_to_torch(real *to, const real *from, nn_dim cin, nn_dim cout, nn_dim ks)
{
    for (nn_dim t = 0; t < ks * ks; t++)
        for (nn_dim i = 0; i < cin; i++)
            for (nn_dim o = 0; o < cout; o++) to[(o * cin + i) * ks * ks + t] = from[(t * cin + i) * cout + o];
}

void nn_conv2d_from_torch(real *to, const real *from, nn_dim cin, nn_dim cout, nn_dim ks)
{
    for (nn_dim t = 0; t < ks * ks; t++)
        for (nn_dim i = 0; i < cin; i++)
            for (nn_dim o = 0; o < cout; o++) to[(t * cin + i) * cout + o] = from[(o * cin + i) * ks * ks + t];
}
