/* label.c: from feature maps to labels, without hypercolumns.
 *
 * The paper upsamples all maps F_i to the picture's size, concatenates them and applies W1.  Both are linear and act on
 * different axes, so W1 * concat(up(F_i)) = sum_i up(W_i * F_i): the product runs at each map's own size, and only its h1
 * results are upsampled (docs/METHOD.md).  The picture is cut into tiles of a fixed size; whatever a tile needs stays in the
 * cache, threads share out tiles, and no sum depends on who computes it.
 *
 *   level    all maps of one size.  A level below the picture's size is upsampled: SHARED levels are multiplied once for
 *            the whole picture, TILED ones for each tile's own region (memory).  The maps of FULL levels are laid side by side, a
 *            tile's at a time; a level larger than the picture is REDUCED to that, as the released code does (utils.Interpolate).
 *   hidden   what the first layer gives, before bias and ReLU: h1 numbers a pixel, of one member.
 *   strip    some rows of a tile, as many as a small cache holds the hidden numbers of.
 *
 * Weights are packed right operands of products (nn_products), those of layer 1 one for each level. */
#include "datasetgan/label.h"
#include "datasetgan/features.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { TILE_MIN = 32, TILE_MAX = 128 };              /* side of a tile: larger ones compute fewer borders of TILED levels twice */
enum { STRIP_BYTES = 256 << 10, STRIP_ROWS = 8 };    /* hidden numbers of a strip: a small L2 */
enum { PIXELS = 256 };                               /* of a level in one product, about: its weights are read once for all of them */
enum { FLUSH = 100 };                                /* members whose totals are multiplied: 255^100 is a double */

typedef struct { int32_t i0, i1; real t; } position;                            /* nn_bilinear_at */
typedef enum { SHARED, TILED, FULL, REDUCED } level_kind;
typedef struct {
    level_kind kind;
    nn_dim h, w;
    nn_dim c, first, packed;         /* channels of its maps together; their place among the inputs of layer 1 by levels, and among its packed weights */
    nn_dim region_h, region_w;       /* most rows and columns of the level that one tile touches */
    position *y, *x;                 /* (height), (res) */
    nn_dim line;                     /* SHARED, TILED: where its line starts among a thread's */
    real *hidden;                    /* SHARED: (members,h,w,h1) */
    nn_dim chunk_rows, chunk_first, chunk_count;      /* SHARED: units of work */
} level_plan;
typedef struct { nn_dim c, first, at; int level, index; } tap_plan;      /* first: its first feature; at: within its level; index: in the model */

/* One thread's memory. */
typedef struct {
    real *region[SG_TAPS_MAX];       /* TILED level: (rows, columns, h1) of what the tile touches */
    real *lines;                     /* one picture row of the SHARED and TILED levels, not yet upsampled in x: (region_w, h1) each */
    real *own[SG_TAPS_MAX];          /* FULL or REDUCED level: its maps at the tile's pixels, (tile, c) */
    real *pixels;                    /* maps of one level side by side, of as many pixels as one product takes: (pixels, c) */
    real *hidden, *second, *logit;   /* (strip, h1) (strip, h2) (strip, Kw) */
    real *sum;                       /* (K, plane) probabilities of the members so far; of_logits: their logits */
    double *entropy, *total;         /* (tile), see nn_kernels.vote: the entropies' sum is entropy + log total */
    uint16_t *votes;                 /* (tile, K) */
    real *one;                       /* (K) of one pixel */
} thread_room;

struct dg_labeller {
    const nn_kernels *k;
    const nn_products *product;
    bool nearest, of_logits, vote_mean;      /* dg_interp */
    int threads, members, tap_count, level_count;
    dg_frame frame;
    nn_dim D, h1, h2, K, chunks;
    nn_dim Kw;                       /* K padded with zero weights to whole vectors of every row: a product without edges */
    nn_dim line_numbers;
    int terms;                       /* of a pixel of the lines: two a level */
    int32_t *column;                 /* (res, terms) where among the lines a pixel's terms start, */
    real *share;                     /* and what they are multiplied by */
    int last_own;                    /* the last level of the picture's size or larger; -1: none */
    nn_dim tile, strip, plane;       /* a tile's side, a strip's rows; numbers between the classes of `sum`: no power of two */
    tap_plan tap[SG_TAPS_MAX];
    level_plan level[SG_TAPS_MAX];
    nn_dim w1_numbers, w2_numbers, w3_numbers;        /* of one member's packed weights */
    real *w1, *b1, *w2, *b2, *w3, *b3;                /* members times that, (members,h1), ... */
    float *divergence;               /* (height,res), for callers that do not want it */
    uint32_t *order;                 /* dg_uncertainty */
    thread_room *room;               /* (threads) */
};

typedef struct { nn_dim y0, y1, x0, x1; } rect;

static nn_dim tiles_across(const dg_labeller *l) { return (l->frame.res + l->tile - 1) / l->tile; }
static nn_dim tile_count(const dg_labeller *l) { return tiles_across(l) * ((l->frame.height + l->tile - 1) / l->tile); }
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
        nn_bilinear_at(nn_at_most(o + tile, to) - 1, in, out, &other, &last, &t);
        if (last - first + 1 > widest) widest = last - first + 1;
    }
    return widest;
}

static nn_dim rows_at_once(nn_dim w) { return w < PIXELS ? PIXELS / w : 1; }

static void plan_level(dg_labeller *l, level_plan *v, size_t shared_bytes)
{
    const double bytes = (double)l->members * (double)(v->h * v->w * l->h1) * sizeof(real);
    const dg_frame f = l->frame;
    v->region_h = widest_region(v->h, f.res, f.top, f.top + f.height, l->tile);
    v->region_w = widest_region(v->w, f.res, 0, f.res, l->tile);
    v->kind = v->h == f.res && v->w == f.res ? FULL : v->h > f.res || v->w > f.res ? REDUCED
            : bytes <= (double)shared_bytes ? SHARED : TILED;
    if (v->kind != SHARED) return;
    v->chunk_rows = rows_at_once(v->w);
    v->chunk_count = (v->h + v->chunk_rows - 1) / v->chunk_rows;
    v->chunk_first = l->chunks;
    l->chunks += v->chunk_count;
}

static void plan(dg_labeller *l, const dg_interp *in, const nn_kernels *k, const sg_tap_info *tap, dg_frame frame, size_t shared_bytes,
                 int threads)
{
    *l = (dg_labeller){ .k = k, .product = &k->product[in->precision], .threads = threads, .members = in->members, .frame = frame, .D = in->D, .h1 = in->h1, .h2 = in->h2,
                        .nearest = in->nearest, .of_logits = in->of_logits, .vote_mean = in->vote_mean, .K = in->classes, .Kw = (in->classes + 15) / 16 * 16, .tap_count = in->tap_count };
    for (l->tile = TILE_MIN; l->tile < TILE_MAX && 8 * l->tile <= frame.res; l->tile *= 2) { }        /* sixteen tiles at least: work for threads */
    l->plane = l->tile * l->tile + 16;
    l->strip = STRIP_BYTES / (l->tile * l->h1 * (nn_dim)sizeof(real));
    l->strip = l->strip < 1 ? 1 : nn_at_most(l->strip, STRIP_ROWS);
    nn_dim first = 0;
    for (int i = 0; i < l->tap_count; i++) {
        level_plan *v = &l->level[level_of(l, tap[i].h, tap[i].w)];
        l->tap[i] = (tap_plan){ .c = tap[i].c, .first = first, .at = v->c, .level = (int)(v - l->level), .index = i };
        v->c += tap[i].c;
        first += tap[i].c;
    }
    first = 0;
    for (int i = 0; i < l->level_count; i++) {
        level_plan *v = &l->level[i];
        v->first = first;
        v->packed = l->w1_numbers;
        first += v->c;
        l->w1_numbers += l->product->packed(v->c, l->h1);
    }
    l->w2_numbers = l->product->packed(l->h1, l->h2);
    l->w3_numbers = l->product->packed(l->h2, l->Kw);
    l->last_own = -1;
    for (int i = 0; i < l->level_count; i++) {
        level_plan *v = &l->level[i];
        plan_level(l, v, shared_bytes);
        if (!upsampled(v)) { l->last_own = i; continue; }
        v->line = l->line_numbers;
        l->line_numbers += v->region_w * l->h1;
        l->terms += 2;
    }
}

static thread_room place_room(const dg_labeller *l, nn_arena *a)
{
    const nn_dim tile = l->tile * l->tile, strip = l->strip * l->tile;
    nn_dim pixels = 0;
    thread_room r = { 0 };
    for (int i = 0; i < l->level_count; i++) {
        const level_plan *v = &l->level[i];
        if (v->kind == TILED) r.region[i] = nn_take_real(a, v->region_h * v->region_w * l->h1);
        if (!upsampled(v)) r.own[i] = nn_take_real(a, tile * v->c);
        const nn_dim most = v->kind == SHARED ? v->chunk_rows * v->w : v->kind == TILED ? rows_at_once(v->region_w) * v->region_w : 0;
        if (most * v->c > pixels) pixels = most * v->c;
    }
    r.lines = nn_take_real(a, l->line_numbers);
    r.pixels = nn_take_real(a, pixels);
    r.hidden = nn_take_real(a, strip * l->h1);
    r.second = nn_take_real(a, strip * l->h2);
    r.logit = nn_take_real(a, strip * l->Kw);
    r.sum = nn_take_real(a, l->K * l->plane);
    r.one = nn_take_real(a, l->K);
    r.entropy = nn_take(a, (size_t)tile * sizeof *r.entropy);
    r.total = nn_take(a, (size_t)tile * sizeof *r.total);
    r.votes = nn_take(a, (size_t)(tile * l->K) * sizeof *r.votes);
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
    l->column = nn_take(a, (size_t)(l->frame.res * l->terms) * sizeof *l->column);
    l->share = nn_take_real(a, l->frame.res * l->terms);
    l->w1 = nn_take_real(a, l->members * l->w1_numbers);
    l->b1 = nn_take_real(a, l->members * l->h1);
    l->w2 = nn_take_real(a, l->members * l->w2_numbers);
    l->b2 = nn_take_real(a, l->members * l->h2);
    l->w3 = nn_take_real(a, l->members * l->w3_numbers);
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

/* One layer as a right operand: w (out,in) -> right (in,width), zeros behind the last column, each input scaled and shifted before the layer, in
 * double: W (s*x + t) + b = (W diag s) x + (W t + b).  place (in): where inputs go; NULL: where they are. */
static void fold(real *right, nn_dim width, const nn_dim *place, real *bias, const real *w, const real *b, const double *scale, const double *shift,
                 nn_dim in, nn_dim out)
{
    memset(right, 0, (size_t)(in * width) * sizeof *right);
    for (nn_dim o = 0; o < out; o++) {
        double sum = b[o];
        for (nn_dim i = 0; i < in; i++) {
            right[(place ? place[i] : i) * width + o] = (real)(w[o * in + i] * scale[i]);
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

/* What folding needs for a while. */
typedef struct { double *scale, *shift; nn_dim *place; real *right; } fold_room;

static void fold_member(dg_labeller *l, const dg_interp *in, nn_dim m, const fold_room *r)
{
    const nn_dim D = l->D, h1 = l->h1, h2 = l->h2, K = l->K;
    /* Standardisation (x - mean)/std.  The mean goes into the bias: its cancellation costs |mean|/std of a rounding unit,
     * a few at most, where subtracting it from the maps would cost a pass over them (docs/METHOD.md has the figures). */
    for (nn_dim d = 0; d < D; d++) {
        r->scale[d] = 1.0 / in->std[d];
        r->shift[d] = -in->mean[d] * r->scale[d];
    }
    fold(r->right, h1, r->place, l->b1 + m * h1, in->w1 + m * h1 * D, in->b1 + m * h1, r->scale, r->shift, D, h1);
    for (int i = 0; i < l->level_count; i++) {
        const level_plan *v = &l->level[i];
        l->product->pack(l->w1 + m * l->w1_numbers + v->packed, r->right + v->first * h1, h1, v->c, h1);
    }
    norm_as_scale(r->scale, r->shift, in->g1 + m * h1, in->e1 + m * h1, in->m1 + m * h1, in->v1 + m * h1, h1);
    fold(r->right, h2, NULL, l->b2 + m * h2, in->w2 + m * h2 * h1, in->b2 + m * h2, r->scale, r->shift, h1, h2);
    l->product->pack(l->w2 + m * l->w2_numbers, r->right, h2, h1, h2);
    norm_as_scale(r->scale, r->shift, in->g2 + m * h2, in->e2 + m * h2, in->m2 + m * h2, in->v2 + m * h2, h2);
    fold(r->right, l->Kw, NULL, l->b3 + m * K, in->w3 + m * K * h2, in->b3 + m * K, r->scale, r->shift, h2, K);
    l->product->pack(l->w3 + m * l->w3_numbers, r->right, l->Kw, h2, l->Kw);
}

static nn_dim largest(nn_dim a, nn_dim b, nn_dim c) { return a > b ? (a > c ? a : c) : b > c ? b : c; }

/* Runs twice (nn_arena). */
static void place_fold(const dg_labeller *l, fold_room *r, nn_arena *a)
{
    const nn_dim D = l->D, h1 = l->h1, h2 = l->h2, widest = largest(D, h1, h2);
    r->scale = nn_take(a, (size_t)widest * sizeof *r->scale);
    r->shift = nn_take(a, (size_t)widest * sizeof *r->shift);
    r->place = nn_take(a, (size_t)D * sizeof *r->place);
    r->right = nn_take_real(a, largest(D * h1, h1 * h2, h2 * l->Kw));
}

static nn_status fold_weights(dg_labeller *l, const dg_interp *in, nn_err *err)
{
    fold_room r;
    nn_arena a = { 0 };
    place_fold(l, &r, &a);
    char *block = nn_alloc(a.used, "folding the interpreter", err);
    if (!block) return NN_ENOMEM;
    a = (nn_arena){ .base = block };
    place_fold(l, &r, &a);
    for (int i = 0; i < l->tap_count; i++) {
        const tap_plan *t = &l->tap[i];
        for (nn_dim c = 0; c < t->c; c++) r.place[t->first + c] = l->level[t->level].first + t->at + c;
    }
    for (nn_dim m = 0; m < l->members; m++) fold_member(l, in, m, &r);
    nn_free(block);
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

/* What each pixel of a row is the sum of, by the tile that it is in. */
static void fill_columns(dg_labeller *l)
{
    int term = 0;
    for (int i = 0; i < l->level_count; i++) {
        const level_plan *v = &l->level[i];
        if (!upsampled(v)) continue;
        for (nn_dim x = 0; x < l->frame.res; x++) {
            const position at = v->x[x];
            const nn_dim first = v->x[x / l->tile * l->tile].i0, to = x * l->terms + term;
            l->column[to] = (int32_t)(v->line + (at.i0 - first) * l->h1);
            l->column[to + 1] = (int32_t)(v->line + (at.i1 - first) * l->h1);
            l->share[to] = 1 - at.t;
            l->share[to + 1] = at.t;
        }
        term += 2;
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
    fill_columns(l);
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

/* to (n,c): the maps of level v side by side, of n pixels from (y,x) on, along the row.  One product of all their channels is faster than
 * one for each map, and one of neighbouring pixels than one of pixels as they lie. */
static void gather(const dg_labeller *l, int v, const real *const *map, nn_dim y, nn_dim x, nn_dim n, real *to)
{
    const level_plan *lv = &l->level[v];
    for (int i = 0; i < l->tap_count; i++) {
        const tap_plan *t = &l->tap[i];
        if (t->level != v) continue;
        for (nn_dim c = 0; c < t->c; c += NN_CB) {
            const nn_rows from = nn_rows_map(l->k->layout, map[i] + nn_map_at(l->k->layout, lv->h, lv->w, c, 0, 0), lv->h, lv->w, y, x);
            const nn_dim m = nn_at_most(NN_CB, t->c - c);
            real *first = to + t->at + c;
            if (from.elem == 1 && m == NN_CB) for (nn_dim p = 0; p < n; p++) memcpy(first + p * lv->c, from.at + p * from.row, NN_CB * sizeof *first);
            else for (nn_dim p = 0; p < n; p++) for (nn_dim j = 0; j < m; j++) first[p * lv->c + j] = from.at[p * from.row + j * from.elem];
        }
    }
}

/* dst (n,h1) = W1 of level v times n gathered pixels; add, bias: as in nn_products. */
static void multiply(const dg_labeller *l, int v, const real *pixels, nn_dim member, nn_dim n, real *dst, bool add, const real *bias)
{
    const level_plan *lv = &l->level[v];
    l->product->multiply(n, l->h1, lv->c, nn_rows_matrix(pixels, lv->c), l->w1 + member * l->w1_numbers + lv->packed, dst, l->h1, add, bias);
}

/* Rows of a map lie one after another, so a chunk of whole rows is one product. */
static void shared_unit(const dg_labeller *l, const thread_room *r, const real *const *map, nn_dim unit)
{
    const nn_dim member = unit % l->members, chunk = unit / l->members;
    for (int v = 0; v < l->level_count; v++) {
        const level_plan *lv = &l->level[v];
        if (lv->kind != SHARED || chunk < lv->chunk_first || chunk >= lv->chunk_first + lv->chunk_count) continue;
        const nn_dim y0 = (chunk - lv->chunk_first) * lv->chunk_rows, rows = nn_at_most(lv->chunk_rows, lv->h - y0);
        gather(l, v, map, y0, 0, rows * lv->w, r->pixels);
        multiply(l, v, r->pixels, member, rows * lv->w, lv->hidden + ((member * lv->h + y0) * lv->w) * l->h1, false, NULL);
    }
}

static void region_products(const dg_labeller *l, thread_room *r, const real *const *map, nn_dim member, rect tile)
{
    for (int v = 0; v < l->level_count; v++) {
        const level_plan *lv = &l->level[v];
        if (lv->kind != TILED) continue;
        const nn_dim x0 = lv->x[tile.x0].i0, w = lv->x[tile.x1 - 1].i1 - x0 + 1;
        const nn_dim y0 = lv->y[tile.y0].i0, h = lv->y[tile.y1 - 1].i1 - y0 + 1;
        const nn_dim most = rows_at_once(lv->region_w);
        for (nn_dim y = 0; y < h; y += most) {
            const nn_dim rows = nn_at_most(most, h - y);
            for (nn_dim i = 0; i < rows; i++) gather(l, v, map, y0 + y + i, x0, w, r->pixels + i * w * lv->c);
            multiply(l, v, r->pixels, member, rows * w, r->region[v] + y * w * l->h1, false, NULL);
        }
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
        const nn_dim y0 = whole ? 0 : lv->y[tile.y0].i0, row = (whole ? lv->w : w) * l->h1;
        const position p = lv->y[y];
        const real *a = base + (p.i0 - y0) * row, *b = base + (p.i1 - y0) * row;
        l->k->mix(r->lines + lv->line, (const real *const[2]){ a, b }, (const real[2]){ 1 - p.t, p.t }, 2, w * l->h1, false);
    }
}

/* hidden (w,h1) of one picture row of the tile: the levels below the picture's size. */
static void mixed_row(const dg_labeller *l, thread_room *r, nn_dim member, rect tile, nn_dim y, real *hidden)
{
    const nn_dim first = tile.x0 * l->terms;
    mix_lines(l, r, member, tile, y);
    l->k->mix_rows(hidden, tile.x1 - tile.x0, l->h1, r->lines, l->column + first, l->share + first, l->terms);
}

/* hidden (rows,w,h1) of rows of the tile from y0 on: the mixed levels, then the maps at the tile's own pixels, bias and ReLU. */
static void hidden_rows(const dg_labeller *l, thread_room *r, nn_dim member, rect tile, nn_dim y0, nn_dim rows)
{
    const nn_dim w = tile.x1 - tile.x0, n = rows * w, first = (y0 - tile.y0) * w;
    const real *bias = l->b1 + member * l->h1;
    for (nn_dim y = 0; y < rows; y++) mixed_row(l, r, member, tile, y0 + y, r->hidden + y * w * l->h1);
    for (int v = 0; v < l->level_count; v++)
        if (r->own[v]) multiply(l, v, r->own[v] + first * l->level[v].c, member, n, r->hidden, true, v == l->last_own ? bias : NULL);
    if (l->last_own < 0) l->product->multiply(n, l->h1, 0, nn_rows_matrix(r->hidden, l->h1), l->w1, r->hidden, l->h1, true, bias);
}

/* own (pixels of the tile, c): maps of the picture's size side by side. */
static void lay_out_maps(const dg_labeller *l, const thread_room *r, const real *const *map, rect tile)
{
    const nn_dim w = tile.x1 - tile.x0;
    for (int v = 0; v < l->level_count; v++)
        for (nn_dim y = tile.y0; l->level[v].kind == FULL && y < tile.y1; y++)
            gather(l, v, map, y + l->frame.top, tile.x0, w, r->own[v] + (y - tile.y0) * w * l->level[v].c);
}

/* own (pixels of the tile, c) of maps larger than the picture. */
static void reduce_maps(const dg_labeller *l, const thread_room *r, const real *const *map, rect tile)
{
    for (int i = 0; i < l->tap_count; i++) {
        const tap_plan *t = &l->tap[i];
        const level_plan *lv = &l->level[t->level];
        if (lv->kind != REDUCED) continue;
        real *dst = r->own[t->level] + t->at;
        for (nn_dim y = tile.y0; y < tile.y1; y++)
            for (nn_dim x = tile.x0; x < tile.x1; x++, dst += lv->c) {
                const position p = lv->y[y], q = lv->x[x];
                for (nn_dim c = 0; c < t->c; c++) {
                    const real a = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i0, q.i0)];
                    const real b = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i0, q.i1)];
                    const real d = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i1, q.i0)];
                    const real e = map[i][nn_map_at(l->k->layout, lv->h, lv->w, c, p.i1, q.i1)];
                    dst[c] = (1 - p.t) * ((1 - q.t) * a + q.t * b) + p.t * ((1 - q.t) * d + q.t * e);
                }
            }
    }
}

/* ---- the rest of the network, votes --------------------------------------------------------------------------------- */

static void label_strip(const dg_labeller *l, thread_room *r, nn_dim member, rect tile, nn_dim y0, nn_dim rows)
{
    const nn_dim w = tile.x1 - tile.x0, n = rows * w, first = (y0 - tile.y0) * w, h1 = l->h1, h2 = l->h2, K = l->K;
    hidden_rows(l, r, member, tile, y0, rows);
    l->product->multiply(n, h2, h1, nn_rows_matrix(r->hidden, h1), l->w2 + member * l->w2_numbers, r->second, h2, false, l->b2 + member * h2);
    l->product->multiply(n, l->Kw, h2, nn_rows_matrix(r->second, h2), l->w3 + member * l->w3_numbers, r->logit, l->Kw, false, NULL);
    l->k->vote(r->sum + first, l->plane, r->entropy + first, r->total + first, r->votes + first * K, r->logit, l->Kw, l->b3 + member * K, n, K, l->of_logits);
}

static void write_tile(const dg_labeller *l, const thread_room *r, rect tile, const dg_labels *out, float *divergence)
{
    const nn_dim K = l->K, res = l->frame.res, pixels = l->frame.height * res, w = tile.x1 - tile.x0;
    nn_dim p = 0;
    for (nn_dim y = tile.y0; y < tile.y1; y++)
        for (nn_dim x = tile.x0; x < tile.x1; x++, p++) {
            const uint16_t *votes = r->votes + p * K;
            real *sum = r->one;
            double js;
            for (nn_dim c = 0; c < K; c++) sum[c] = r->sum[c * l->plane + p];
            if (l->of_logits) js = dg_divergence_of_logits(sum, K, r->entropy[p], l->members);
            else js = dg_divergence(sum, K, r->entropy[p], l->members);
            divergence[y * res + x] = (float)js;
            nn_dim best = 0;                               /* after the divergence: from here on sum is of probabilities */
            for (nn_dim c = 1; c < K; c++) if (l->vote_mean ? sum[c] > sum[best] : votes[c] > votes[best]) best = c;
            out->label[y * res + x] = (uint8_t)best;
            for (nn_dim c = 0; out->votes && c < K; c++) out->votes[c * pixels + y * res + x] = votes[c];
            for (nn_dim c = 0; l->of_logits && c < K; c++) r->sum[c * l->plane + p] = sum[c];
        }
    for (nn_dim c = 0; out->mean && c < K; c++)
        for (nn_dim y = tile.y0; y < tile.y1; y++) {
            const real *sum = r->sum + c * l->plane + (y - tile.y0) * w;
            float *mean = out->mean + c * pixels + y * res + tile.x0;
            for (nn_dim x = 0; x < w; x++) mean[x] = (float)(sum[x] / (real)l->members);
        }
}

static void add_totals(const thread_room *r, nn_dim n)
{
    for (nn_dim p = 0; p < n; p++) {
        r->entropy[p] += log(r->total[p]);
        r->total[p] = 1;
    }
}

static void label_tile(const dg_labeller *l, thread_room *r, const real *const *map, nn_dim index, const dg_labels *out, float *divergence)
{
    const nn_dim y0 = index / tiles_across(l) * l->tile, x0 = index % tiles_across(l) * l->tile;
    const rect tile = { y0, nn_at_most(y0 + l->tile, l->frame.height), x0, nn_at_most(x0 + l->tile, l->frame.res) };
    const nn_dim n = (tile.y1 - tile.y0) * (tile.x1 - tile.x0);
    memset(r->sum, 0, (size_t)(l->K * l->plane) * sizeof *r->sum);
    memset(r->entropy, 0, (size_t)n * sizeof *r->entropy);
    for (nn_dim p = 0; p < n; p++) r->total[p] = 1;
    memset(r->votes, 0, (size_t)(n * l->K) * sizeof *r->votes);
    lay_out_maps(l, r, map, tile);
    reduce_maps(l, r, map, tile);
    for (nn_dim m = 0; m < l->members; m++) {
        region_products(l, r, map, m, tile);
        for (nn_dim y = tile.y0; y < tile.y1; y += l->strip)
            label_strip(l, r, m, tile, y, nn_at_most(l->strip, tile.y1 - y));
        if (m % FLUSH == FLUSH - 1 || m == l->members - 1) add_totals(r, n);
    }
    write_tile(l, r, tile, out, divergence);
}

void dg_label_maps(dg_labeller *l, const real *const *map, dg_labels *out)
{
    float *const divergence = out->divergence ? out->divergence : l->divergence;
    #pragma omp parallel num_threads(l->threads)
    {
        #pragma omp for schedule(dynamic)
        for (nn_dim u = 0; u < l->chunks * l->members; u++) shared_unit(l, &l->room[omp_get_thread_num()], map, u);
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
