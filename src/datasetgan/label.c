/* label.c: from feature maps to labels, without hypercolumns.
 *
 * The paper upsamples all maps F_i to the picture's size, concatenates them and applies W1.  Both are linear and act on
 * different axes, so W1 * concat(up(F_i)) = sum_i up(W_i * F_i): the product runs at each map's own size, and only its h1
 * results are upsampled (docs/METHOD.md).  The picture is cut into tiles of a fixed size; whatever a tile needs stays in the
 * cache, threads share out tiles, and no sum depends on who computes it.
 *
 *   level    all maps of one size.  A level below the picture's size is upsampled: SHARED levels are multiplied once for
 *            the whole picture, TILED ones for each tile's own region (memory).  FULL levels go straight into the tile.
 *            A level larger than the picture is REDUCED first, as the released code does (utils.Interpolate).
 *   hidden   what the first layer gives, before bias and ReLU: h1 numbers a pixel, of one member. */
#include "datasetgan/label.h"
#include "datasetgan/features.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { TILE_H = 32, TILE_W = 32, STRIP_H = 8 };      /* hidden numbers of a strip: 8*32*128*4 = 131 kB, half a small L2 */
enum { SHARED_PIXELS = 256 };                        /* rows of a shared level in one unit of work */

typedef struct { int32_t i0, i1; real t; } position;                            /* nn_bilinear_at */
typedef enum { SHARED, TILED, FULL, REDUCED } level_kind;
typedef struct {
    level_kind kind;
    nn_dim h, w;
    nn_dim region_h, region_w;       /* most rows and columns of the level that one tile touches */
    position *y, *x;                 /* (height), (res) */
    real *hidden;                    /* SHARED: (members,h,w,h1) */
    nn_dim chunk_rows, chunk_first, chunk_count;      /* SHARED: units of work */
} level_plan;
typedef struct { nn_dim c, first; int level, index; } tap_plan;                 /* first: its first feature; index: in the model */

/* One thread's memory. */
typedef struct {
    real *region[SG_TAPS_MAX];       /* TILED level: (region_h, region_w, h1) */
    real *line[SG_TAPS_MAX];         /* SHARED or TILED level: one picture row, not yet upsampled in x: (region_w, h1) */
    real *reduced[SG_TAPS_MAX];      /* map of a REDUCED level: (tile, c) */
    real *hidden, *second, *logit, *prob;             /* (strip, h1) (strip, h2) (strip, K) (strip, K) */
    real *sum;                       /* (tile, K) probabilities of the members so far; of_logits: their logits */
    double *entropy;                 /* (tile) */
    uint16_t *votes;                 /* (tile, K) */
} thread_room;

struct dg_labeller {
    const nn_kernels *k;
    bool nearest, of_logits, vote_mean;      /* dg_interp */
    int threads, members, tap_count, level_count;
    dg_frame frame;
    nn_dim D, h1, h2, K, chunks;
    nn_dim Kw;                       /* K padded with zero weights to whole vectors of every row: a product without edges */
    tap_plan tap[SG_TAPS_MAX];
    level_plan level[SG_TAPS_MAX];
    real *w1, *b1, *w2, *b2, *w3, *b3;                /* (members,D,h1) (members,h1) (members,h1,h2) ... right operands */
    float *divergence;               /* (height,res), for callers that do not want it */
    uint32_t *order;                 /* dg_uncertainty */
    thread_room *room;               /* (threads) */
};

typedef struct { nn_dim y0, y1, x0, x1; } rect;

static nn_dim at_most(nn_dim a, nn_dim b) { return a < b ? a : b; }
static nn_dim tiles_across(const dg_labeller *l) { return (l->frame.res + TILE_W - 1) / TILE_W; }
static nn_dim tile_count(const dg_labeller *l) { return tiles_across(l) * ((l->frame.height + TILE_H - 1) / TILE_H); }
static bool upsampled(const level_plan *v) { return v->kind == SHARED || v->kind == TILED; }

/* ---- plan, memory, weights ------------------------------------------------------------------------------------------ */

static int level_of(dg_labeller *l, nn_dim h, nn_dim w)
{
    int i = 0;
    while (i < l->level_count && (l->level[i].h != h || l->level[i].w != w)) i++;
    if (i == l->level_count) l->level[l->level_count++] = (level_plan){ .h = h, .w = w };
    return i;
}

/* Of positions `from` to `to` of `out`, in tiles. */
static nn_dim widest_region(nn_dim in, nn_dim out, nn_dim from, nn_dim to, nn_dim tile)
{
    nn_dim widest = 0;
    for (nn_dim o = from; o < to; o += tile) {
        nn_dim first, last, other;
        double t;
        nn_bilinear_at(o, in, out, &first, &other, &t);
        nn_bilinear_at(at_most(o + tile, to) - 1, in, out, &other, &last, &t);
        if (last - first + 1 > widest) widest = last - first + 1;
    }
    return widest;
}

static void plan_level(dg_labeller *l, level_plan *v, size_t shared_bytes)
{
    const double bytes = (double)l->members * (double)(v->h * v->w * l->h1) * sizeof(real);
    const dg_frame f = l->frame;
    v->region_h = widest_region(v->h, f.res, f.top, f.top + f.height, TILE_H);
    v->region_w = widest_region(v->w, f.res, 0, f.res, TILE_W);
    v->kind = v->h == f.res && v->w == f.res ? FULL : v->h > f.res || v->w > f.res ? REDUCED
            : bytes <= (double)shared_bytes ? SHARED : TILED;
    if (v->kind != SHARED) return;
    v->chunk_rows = v->w < SHARED_PIXELS ? SHARED_PIXELS / v->w : 1;
    v->chunk_count = (v->h + v->chunk_rows - 1) / v->chunk_rows;
    v->chunk_first = l->chunks;
    l->chunks += v->chunk_count;
}

static void plan(dg_labeller *l, const dg_interp *in, const nn_kernels *k, const sg_tap_info *tap, dg_frame frame, size_t shared_bytes,
                 int threads)
{
    *l = (dg_labeller){ .k = k, .threads = threads, .members = in->members, .frame = frame, .D = in->D, .h1 = in->h1, .h2 = in->h2,
                        .nearest = in->nearest, .of_logits = in->of_logits, .vote_mean = in->vote_mean, .K = in->classes, .Kw = (in->classes + 15) / 16 * 16, .tap_count = in->tap_count };
    for (int i = 0; i < l->tap_count; i++) {
        l->tap[i] = (tap_plan){ .c = tap[i].c, .level = level_of(l, tap[i].h, tap[i].w), .index = i };
        if (i) l->tap[i].first = l->tap[i - 1].first + l->tap[i - 1].c;
    }
    for (int i = 0; i < l->level_count; i++) plan_level(l, &l->level[i], shared_bytes);
}

static thread_room place_room(const dg_labeller *l, nn_arena *a)
{
    enum { TILE = TILE_H * TILE_W, STRIP = STRIP_H * TILE_W };
    thread_room r = { 0 };
    for (int i = 0; i < l->level_count; i++) {
        const level_plan *v = &l->level[i];
        if (v->kind == TILED) r.region[i] = nn_take_real(a, v->region_h * v->region_w * l->h1);
        if (upsampled(v)) r.line[i] = nn_take_real(a, v->region_w * l->h1);
    }
    for (int i = 0; i < l->tap_count; i++)
        if (l->level[l->tap[i].level].kind == REDUCED) r.reduced[i] = nn_take_real(a, TILE * l->tap[i].c);
    r.hidden = nn_take_real(a, STRIP * l->h1);
    r.second = nn_take_real(a, STRIP * l->h2);
    r.logit = nn_take_real(a, STRIP * l->Kw);
    r.prob = nn_take_real(a, STRIP * l->K);
    r.sum = nn_take_real(a, TILE * l->K);
    r.entropy = nn_take(a, TILE * sizeof *r.entropy);
    r.votes = nn_take(a, (size_t)(TILE * l->K) * sizeof *r.votes);
    return r;
}

/* Runs twice (nn_arena). */
static void place(dg_labeller *l, nn_arena *a)
{
    for (int i = 0; i < l->level_count; i++) {
        level_plan *v = &l->level[i];
        v->y = nn_take(a, (size_t)l->frame.height * sizeof *v->y);
        v->x = nn_take(a, (size_t)l->frame.res * sizeof *v->x);
        if (v->kind == SHARED) v->hidden = nn_take_real(a, l->members * v->h * v->w * l->h1);
    }
    l->w1 = nn_take_real(a, l->members * l->D * l->h1);
    l->b1 = nn_take_real(a, l->members * l->h1);
    l->w2 = nn_take_real(a, l->members * l->h1 * l->h2);
    l->b2 = nn_take_real(a, l->members * l->h2);
    l->w3 = nn_take_real(a, l->members * l->h2 * l->Kw);
    l->b3 = nn_take_real(a, l->members * l->K);
    const nn_dim pixels = l->frame.height * l->frame.res;
    l->divergence = nn_take(a, (size_t)pixels * sizeof *l->divergence);
    l->order = nn_take(a, (size_t)(2 * pixels) * sizeof *l->order);
    l->room = nn_take(a, (size_t)l->threads * sizeof *l->room);
    for (int t = 0; t < l->threads; t++) {
        const thread_room r = place_room(l, a);
        if (a->base) l->room[t] = r;
    }
}

/* One layer as a right operand: w (out,in) -> (in,out), each input scaled and shifted before the layer, in double:
 * W (s*x + t) + b = (W diag s) x + (W t + b). */
static void fold(real *right, nn_dim ld, real *bias, const real *w, const real *b, const double *scale, const double *shift, nn_dim in,
                 nn_dim out)
{
    for (nn_dim o = 0; o < out; o++) {
        double sum = b[o];
        for (nn_dim i = 0; i < in; i++) {
            right[i * ld + o] = (real)(w[o * in + i] * scale[i]);
            sum += w[o * in + i] * shift[i];
        }
        bias[o] = (real)sum;
    }
}

/* Batch norm at inference as scale and shift; it stands after the ReLU, so it belongs to the next layer's input. */
static void norm_as_scale(double *scale, double *shift, const real *gamma, const real *beta, const real *mean, const real *var, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) {
        scale[i] = gamma[i] / sqrt((double)var[i] + 1e-5);             /* torch.nn.BatchNorm1d's eps */
        shift[i] = beta[i] - mean[i] * scale[i];
    }
}

static nn_status fold_weights(dg_labeller *l, const dg_interp *in, nn_err *err)
{
    const nn_dim D = l->D, h1 = l->h1, h2 = l->h2, K = l->K, widest = D > h1 ? (D > h2 ? D : h2) : h1 > h2 ? h1 : h2;
    double *scale = nn_alloc((size_t)(2 * widest) * sizeof *scale, "folding the interpreter", err);
    if (!scale) return err ? err->status : NN_ENOMEM;
    double *shift = scale + widest;
    for (nn_dim m = 0; m < l->members; m++) {
        /* Standardisation (x - mean)/std.  The mean goes into the bias: its cancellation costs |mean|/std of a rounding unit,
         * a few at most, where subtracting it from the maps would cost a pass over them (docs/METHOD.md has the figures). */
        for (nn_dim d = 0; d < D; d++) {
            scale[d] = 1.0 / in->std[d];
            shift[d] = -in->mean[d] * scale[d];
        }
        fold(l->w1 + m * D * h1, h1, l->b1 + m * h1, in->w1 + m * h1 * D, in->b1 + m * h1, scale, shift, D, h1);
        norm_as_scale(scale, shift, in->g1 + m * h1, in->e1 + m * h1, in->m1 + m * h1, in->v1 + m * h1, h1);
        fold(l->w2 + m * h1 * h2, h2, l->b2 + m * h2, in->w2 + m * h2 * h1, in->b2 + m * h2, scale, shift, h1, h2);
        norm_as_scale(scale, shift, in->g2 + m * h2, in->e2 + m * h2, in->m2 + m * h2, in->v2 + m * h2, h2);
        fold(l->w3 + m * h2 * l->Kw, l->Kw, l->b3 + m * K, in->w3 + m * K * h2, in->b3 + m * K, scale, shift, h2, K);
    }
    nn_free(scale);
    return NN_OK;
}

/* Where positions `first` to `first + n - 1` of `out` read. */
static void fill_positions(position *at, nn_dim n, nn_dim first, nn_dim in, nn_dim out, bool nearest)
{
    for (nn_dim i = 0, o = first; i < n; i++, o++) {
        nn_dim i0, i1;
        double t;
        if (nearest && in < out) dg_nearest_at(o, in, out, &i0, &i1, &t);
        else nn_bilinear_at(o, in, out, &i0, &i1, &t);
        at[i] = (position){ (int32_t)i0, (int32_t)i1, (real)t };
    }
}

dg_labeller *dg_labeller_make(const dg_interp *in, const nn_kernels *k, const sg_tap_info *tap, dg_frame frame, size_t shared_bytes,
                              int threads, nn_err *err)
{
    NN_ASSERT(threads >= 1 && frame.height >= 1 && frame.top + frame.height <= frame.res && in->tap_count >= 1 && in->tap_count <= SG_TAPS_MAX && in->members <= UINT16_MAX);
    dg_labeller want;
    plan(&want, in, k, tap, frame, shared_bytes, threads);
    nn_arena a = { 0 };
    nn_take(&a, sizeof want);
    place(&want, &a);
    a = (nn_arena){ .base = nn_alloc(a.used, "labelling", err) };
    if (!a.base) return NULL;
    dg_labeller *l = nn_take(&a, sizeof *l);
    *l = want;
    place(l, &a);
    for (int i = 0; i < l->level_count; i++) {
        fill_positions(l->level[i].y, frame.height, frame.top, l->level[i].h, frame.res, in->nearest);
        fill_positions(l->level[i].x, frame.res, 0, l->level[i].w, frame.res, in->nearest);
    }
    if (fold_weights(l, in, err) == NN_OK) return l;
    dg_labeller_close(l);
    return NULL;
}

void dg_labeller_close(dg_labeller *l) { nn_free(l); }

static dg_frame frame_of(const sg_model *m)
{
    const sg_config *c = sg_get_config(m);
    return (dg_frame){ c->resolution, c->top, c->height };
}

/* The model's taps that the interpreter reads, in its order.  index (SG_TAPS_MAX). */
static void find_taps(const dg_interp *in, const sg_model *m, sg_tap_info *tap, int *index)
{
    for (int i = 0; i < in->tap_count; i++) {
        int j = 0;
        while (j < sg_tap_total(m) && strcmp(sg_tap_at(m, j)->name, in->tap[i]) != 0) j++;
        NN_ASSERT(j < sg_tap_total(m));                                /* dg_interp_check has looked */
        tap[i] = *sg_tap_at(m, j);
        index[i] = j;
    }
}

dg_labeller *dg_labeller_open(const dg_interp *in, const sg_model *m, int threads, nn_err *err)
{
    sg_tap_info tap[SG_TAPS_MAX];
    int index[SG_TAPS_MAX];
    if (dg_interp_check(in, m, err) != NN_OK) return NULL;
    find_taps(in, m, tap, index);
    dg_labeller *l = dg_labeller_make(in, sg_get_kernels(m), tap, frame_of(m), DG_SHARED_BYTES, threads, err);
    for (int i = 0; l && i < in->tap_count; i++) l->tap[i].index = index[i];
    return l;
}

size_t dg_labeller_bytes(const dg_interp *in, const sg_model *m, int threads)
{
    sg_tap_info tap[SG_TAPS_MAX];
    int index[SG_TAPS_MAX];
    dg_labeller want;
    nn_arena a = { 0 };
    find_taps(in, m, tap, index);
    plan(&want, in, sg_get_kernels(m), tap, frame_of(m), DG_SHARED_BYTES, threads);
    nn_take(&a, sizeof want);
    place(&want, &a);
    return a.used;
}

/* ---- first layer ---------------------------------------------------------------------------------------------------- */

/* dst (n,h1) = sum over the maps of level v of W_i * F_i for n pixels from (y,x) on, along the row. */
static void multiply_row(const dg_labeller *l, int v, const real *const *map, nn_dim member, nn_dim y, nn_dim x, nn_dim n, real *dst, bool add)
{
    const level_plan *lv = &l->level[v];
    for (int i = 0; i < l->tap_count; i++) {
        const tap_plan *t = &l->tap[i];
        if (t->level != v) continue;
        l->k->gemm(n, l->h1, t->c, nn_rows_map(l->k->layout, map[i], lv->h, lv->w, y, x),
                   l->w1 + (member * l->D + t->first) * l->h1, l->h1, dst, l->h1, add);
        add = true;
    }
}

/* Rows of a map lie one after another, so a chunk of whole rows is one product. */
static void shared_unit(const dg_labeller *l, const real *const *map, nn_dim unit)
{
    const nn_dim member = unit % l->members, chunk = unit / l->members;
    for (int v = 0; v < l->level_count; v++) {
        const level_plan *lv = &l->level[v];
        if (lv->kind != SHARED || chunk < lv->chunk_first || chunk >= lv->chunk_first + lv->chunk_count) continue;
        const nn_dim y0 = (chunk - lv->chunk_first) * lv->chunk_rows, rows = at_most(lv->chunk_rows, lv->h - y0);
        multiply_row(l, v, map, member, y0, 0, rows * lv->w, lv->hidden + ((member * lv->h + y0) * lv->w) * l->h1, false);
    }
}

static void region_products(const dg_labeller *l, thread_room *r, const real *const *map, nn_dim member, rect tile)
{
    for (int v = 0; v < l->level_count; v++) {
        const level_plan *lv = &l->level[v];
        if (lv->kind != TILED) continue;
        const nn_dim x0 = lv->x[tile.x0].i0, w = lv->x[tile.x1 - 1].i1 - x0 + 1;
        const nn_dim y0 = lv->y[tile.y0].i0, h = lv->y[tile.y1 - 1].i1 - y0 + 1;
        for (nn_dim y = 0; y < h; y++)
            multiply_row(l, v, map, member, y0 + y, x0, w, r->region[v] + y * lv->region_w * l->h1, false);
    }
}

/* Row y of the levels below the picture's size, mixed in y: line[v] starts at the tile's first column. */
static void mix_lines(const dg_labeller *l, thread_room *r, nn_dim member, rect tile, nn_dim y)
{
    for (int v = 0; v < l->level_count; v++) {
        const level_plan *lv = &l->level[v];
        if (!upsampled(lv)) continue;
        const nn_dim x0 = lv->x[tile.x0].i0, w = lv->x[tile.x1 - 1].i1 - x0 + 1;
        const bool whole = lv->kind == SHARED;
        const real *base = whole ? lv->hidden + (member * lv->h * lv->w + x0) * l->h1 : r->region[v];
        const nn_dim y0 = whole ? 0 : lv->y[tile.y0].i0, row = (whole ? lv->w : lv->region_w) * l->h1;
        const position p = lv->y[y];
        const real *a = base + (p.i0 - y0) * row, *b = base + (p.i1 - y0) * row;
        l->k->mix(r->line[v], (const real *const[4]){ a, b, a, a }, (const real[4]){ 1 - p.t, p.t, 0, 0 }, w * l->h1, false);
    }
}

/* hidden (w,h1) of one picture row of the tile: two levels a mix, then the maps of the picture's own size. */
static void hidden_row(const dg_labeller *l, thread_room *r, const real *const *map, nn_dim member, rect tile, nn_dim y, real *hidden)
{
    const nn_dim h1 = l->h1, w = tile.x1 - tile.x0;
    struct { const position *x; const real *line; } up[SG_TAPS_MAX + 1] = { 0 };
    int ups = 0;
    for (int v = 0; v < l->level_count; v++)
        if (upsampled(&l->level[v])) { up[ups].x = l->level[v].x; up[ups++].line = r->line[v]; }
    mix_lines(l, r, member, tile, y);
    const bool odd = ups % 2;
    if (odd) up[ups] = up[ups - 1];                        /* with weights 0 */
    for (int u = 0; u < ups; u += 2) {
        const real both = odd && u == ups - 1 ? 0 : 1;
        const nn_dim a0 = up[u].x[tile.x0].i0, b0 = up[u + 1].x[tile.x0].i0;
        for (nn_dim x = 0; x < w; x++) {
            const position i = up[u].x[tile.x0 + x], j = up[u + 1].x[tile.x0 + x];
            const real *a = up[u].line, *b = up[u + 1].line;
            l->k->mix(hidden + x * h1, (const real *const[4]){ a + (i.i0 - a0) * h1, a + (i.i1 - a0) * h1,
                                                               b + (j.i0 - b0) * h1, b + (j.i1 - b0) * h1 },
                      (const real[4]){ 1 - i.t, i.t, both * (1 - j.t), both * j.t }, h1, u > 0);
        }
    }
    if (ups == 0) memset(hidden, 0, (size_t)(w * h1) * sizeof *hidden);
    for (int v = 0; v < l->level_count; v++)
        if (l->level[v].kind == FULL) multiply_row(l, v, map, member, y + l->frame.top, tile.x0, w, hidden, true);
    for (int i = 0; i < l->tap_count; i++) {
        const tap_plan *t = &l->tap[i];
        if (!r->reduced[i]) continue;
        l->k->gemm(w, h1, t->c, nn_rows_matrix(r->reduced[i] + (y - tile.y0) * w * t->c, t->c),
                   l->w1 + (member * l->D + t->first) * h1, h1, hidden, h1, true);
    }
}

/* reduced (pixels of the tile, c) of maps larger than the picture. */
static void reduce_maps(const dg_labeller *l, thread_room *r, const real *const *map, rect tile)
{
    for (int i = 0; i < l->tap_count; i++) {
        const level_plan *lv = &l->level[l->tap[i].level];
        real *dst = r->reduced[i];
        if (lv->kind != REDUCED) continue;
        for (nn_dim y = tile.y0; y < tile.y1; y++)
            for (nn_dim x = tile.x0; x < tile.x1; x++) {
                const position p = lv->y[y], q = lv->x[x];
                for (nn_dim c = 0; c < l->tap[i].c; c++) {
                    const real a = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i0, q.i0)];
                    const real b = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i0, q.i1)];
                    const real d = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i1, q.i0)];
                    const real e = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i1, q.i1)];
                    *dst++ = (1 - p.t) * ((1 - q.t) * a + q.t * b) + p.t * ((1 - q.t) * d + q.t * e);
                }
            }
    }
}

/* ---- the rest of the network, votes --------------------------------------------------------------------------------- */

/* Add one member's opinion on n pixels.  With x its logits and q its probabilities, the entropy is
 * sum q (x_max - x) - log q_max: both terms are >= 0, so nothing cancels, and one logarithm a pixel is enough. */
static void add_member(const dg_labeller *l, const thread_room *r, nn_dim first, nn_dim n)
{
    const nn_dim K = l->K;
    for (nn_dim p = 0; p < n; p++) {
        const real *x = r->logit + p * K, *q = r->prob + p * K;
        real *sum = r->sum + (first + p) * K;
        nn_dim best = 0;
        for (nn_dim c = 1; c < K; c++) if (x[c] > x[best]) best = c;   /* ties to the lowest */
        double spread = 0.0;
        for (nn_dim c = 0; c < K; c++) {
            sum[c] += l->of_logits ? x[c] : q[c];
            spread += (double)q[c] * (x[best] - x[c]);
        }
        r->votes[(first + p) * K + best]++;
        r->entropy[first + p] += spread - log((double)q[best]);
    }
}

static void label_strip(const dg_labeller *l, thread_room *r, const real *const *map, nn_dim member, rect tile, nn_dim y0, nn_dim rows)
{
    const nn_kernels *k = l->k;
    const nn_dim w = tile.x1 - tile.x0, n = rows * w, h1 = l->h1, h2 = l->h2, K = l->K;
    for (nn_dim y = 0; y < rows; y++) hidden_row(l, r, map, member, tile, y0 + y, r->hidden + y * w * h1);
    k->bias_relu(r->hidden, r->hidden, l->b1 + member * h1, n, h1);
    k->gemm(n, h2, h1, nn_rows_matrix(r->hidden, h1), l->w2 + member * h1 * h2, h2, r->second, h2, false);
    k->bias_relu(r->second, r->second, l->b2 + member * h2, n, h2);
    k->gemm(n, l->Kw, h2, nn_rows_matrix(r->second, h2), l->w3 + member * h2 * l->Kw, l->Kw, r->logit, l->Kw, false);
    for (nn_dim p = 0; p < n; p++)                         /* rows move towards the front: never onto one not yet read */
        for (nn_dim c = 0; c < K; c++) r->logit[p * K + c] = r->logit[p * l->Kw + c] + l->b3[member * K + c];
    k->softmax(r->prob, r->logit, n, K);
    add_member(l, r, (y0 - tile.y0) * w, n);
}

static void write_tile(const dg_labeller *l, const thread_room *r, rect tile, const dg_labels *out, float *divergence)
{
    const nn_dim K = l->K, res = l->frame.res, pixels = l->frame.height * res;
    nn_dim p = 0;
    for (nn_dim y = tile.y0; y < tile.y1; y++)
        for (nn_dim x = tile.x0; x < tile.x1; x++, p++) {
            const uint16_t *votes = r->votes + p * K;
            const real *sum = r->sum + p * K;
            double js;
            if (l->of_logits) js = dg_divergence_of_logits(r->sum + p * K, K, r->entropy[p], l->members);
            else js = dg_divergence(r->sum + p * K, K, r->entropy[p], l->members);
            divergence[y * res + x] = (float)js;
            nn_dim best = 0;                               /* after the divergence: from here on sum is of probabilities */
            for (nn_dim c = 1; c < K; c++) if (l->vote_mean ? sum[c] > sum[best] : votes[c] > votes[best]) best = c;
            out->label[y * res + x] = (uint8_t)best;
            for (nn_dim c = 0; out->votes && c < K; c++) out->votes[c * pixels + y * res + x] = votes[c];
            for (nn_dim c = 0; out->mean && c < K; c++) out->mean[c * pixels + y * res + x] = (float)(sum[c] / (real)l->members);
        }
}

static void label_tile(const dg_labeller *l, thread_room *r, const real *const *map, nn_dim index, const dg_labels *out, float *divergence)
{
    const nn_dim y0 = index / tiles_across(l) * TILE_H, x0 = index % tiles_across(l) * TILE_W;
    const rect tile = { y0, at_most(y0 + TILE_H, l->frame.height), x0, at_most(x0 + TILE_W, l->frame.res) };
    const nn_dim n = (tile.y1 - tile.y0) * (tile.x1 - tile.x0);
    memset(r->sum, 0, (size_t)(n * l->K) * sizeof *r->sum);
    memset(r->entropy, 0, (size_t)n * sizeof *r->entropy);
    memset(r->votes, 0, (size_t)(n * l->K) * sizeof *r->votes);
    reduce_maps(l, r, map, tile);
    for (nn_dim m = 0; m < l->members; m++) {
        region_products(l, r, map, m, tile);
        for (nn_dim y = tile.y0; y < tile.y1; y += STRIP_H)
            label_strip(l, r, map, m, tile, y, at_most(STRIP_H, tile.y1 - y));
    }
    write_tile(l, r, tile, out, divergence);
}

void dg_label_maps(dg_labeller *l, const real *const *map, dg_labels *out)
{
    float *const divergence = out->divergence ? out->divergence : l->divergence;
    #pragma omp parallel num_threads(l->threads)
    {
        #pragma omp for schedule(dynamic)
        for (nn_dim u = 0; u < l->chunks * l->members; u++) shared_unit(l, map, u);
        #pragma omp for schedule(dynamic)
        for (nn_dim t = 0; t < tile_count(l); t++) label_tile(l, &l->room[omp_get_thread_num()], map, t, out, divergence);
    }
    out->uncertainty = dg_uncertainty(divergence, l->frame.height * l->frame.res, l->order);
}

void dg_label(dg_labeller *l, const sg_work *wk, nn_dim n, dg_labels *out)
{
    const real *map[SG_TAPS_MAX];
    for (int i = 0; i < l->tap_count; i++) map[i] = sg_tap(wk, n, l->tap[i].index);
    dg_label_maps(l, map, out);
}
