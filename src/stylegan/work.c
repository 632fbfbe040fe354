/* work.c: the memory that drawing needs, laid out in two passes. */
#include "stylegan/model.h"

static nn_dim larger(nn_dim a, nn_dim b) { return a > b ? a : b; }

/* Feature maps: each layer its own, or in turn two that fit the largest, because a layer reads only the one before it.  A resnet
 * block's last layer is drawn while its input is still needed: three in turn. */
static void lay_out_maps(sg_work *wk, nn_arena *a)
{
    const sg_model *m = wk->model;
    const int turns = sg_turns(m);
    nn_dim need[3] = { 0, 0, 0 }, raw = 0, sums = 0;
    real *shared[3] = { NULL, NULL, NULL };
    for (int i = 0; i < m->layer_count; i++) {
        const sg_layer *l = &m->layer[i];
        const nn_dim n = wk->max_batch * nn_map_count(m->kernels->layout, l->c, l->res, l->res);
        if (!sg_is_alone(m, i)) need[i % turns] = larger(need[i % turns], n);
        if (!m->one) continue;
        raw = larger(raw, n);
        sums = larger(sums, nn_norm_scratch(l->c, l->res * l->res));
    }
    for (int t = 0; t < turns && !wk->keep_taps; t++) shared[t] = nn_take_real(a, need[t]);
    real *const any_raw = nn_take_real(a, raw);
    for (int i = 0; i < m->layer_count; i++) {
        const sg_layer *l = &m->layer[i];
        const nn_dim n = wk->max_batch * nn_map_count(m->kernels->layout, l->c, l->res, l->res);
        wk->map[i] = wk->keep_taps ? nn_take_real(a, n) : sg_is_alone(m, i) ? NULL : shared[i % turns];
        wk->raw[i] = m->one && wk->keep_taps && i % 2 ? nn_take_real(a, n) : any_raw;
    }
    wk->sums = nn_take(a, (size_t)sums * sizeof *wk->sums);
}

/* A lane but its threads and scratch. */
static sg_lane take_lane(const sg_work *wk, nn_arena *a, nn_dim jobs)
{
    const sg_model *m = wk->model;
    const int turns = sg_turns(m);
    sg_lane lane = { 0 };
    nn_dim need[3] = { 0, 0, 0 }, skip = 0;
    for (int i = 0; i < m->layer_count; i++) {
        const sg_layer *l = &m->layer[i];
        const nn_dim one = nn_map_count(m->kernels->layout, l->c, l->res, l->res);
        if (turns == 3) skip = larger(skip, one);
        if (sg_is_alone(m, i) && !wk->keep_taps) need[i % turns] = larger(need[i % turns], one);
    }
    for (int t = 0; t < turns; t++) lane.turn[t] = nn_take_real(a, need[t]);
    lane.skip = nn_take_real(a, skip);
    lane.job = nn_take(a, (size_t)jobs * sizeof *lane.job);
    return lane;
}

/* What convolving any layer with so many threads needs. */
static nn_dim scratch_of(const sg_model *m, int threads)
{
    nn_dim most = 0;
    for (int i = 0; i < m->layer_count; i++)
        if (m->layer[i].conv.packed) most = larger(most, nn_conv_scratch(m->kernels, &m->layer[i].conv.shape, threads));
    for (nn_dim l = 0; l < m->config.levels; l++)
        if (m->skip[l].conv.packed) most = larger(most, nn_conv_scratch(m->kernels, &m->skip[l].conv.shape, threads));
    return most;
}

static void lay_out_lanes(sg_work *wk, nn_arena *a)
{
    const sg_model *m = wk->model;
    const bool side_by_side = wk->threads > 1 && wk->max_batch >= wk->threads && !m->one && sg_first_alone(m) < m->config.levels;
    const nn_dim one = (scratch_of(m, 1) + NN_CB) / NN_CB * NN_CB;         /* whole cache lines */
    wk->lone_threads = side_by_side ? wk->threads : 0;
    wk->lane = nn_take(a, (size_t)(1 + wk->lone_threads) * sizeof *wk->lane);
    real *const scratch = nn_take_real(a, larger(scratch_of(m, wk->threads), wk->lone_threads * one));      /* by one or the other, never both */
    sg_lane lane = take_lane(wk, a, wk->max_batch);
    lane.threads = wk->threads;
    lane.scratch = scratch;
    if (a->base) wk->lane[0] = lane;
    for (int t = 1; t <= wk->lone_threads; t++) {
        if (t > 1) lane = take_lane(wk, a, 1);           /* the first has what all together have: they never draw at once */
        lane.threads = 1;
        if (!a->base) continue;
        lane.scratch = scratch + (t - 1) * one;
        wk->lane[t] = lane;
    }
}

static void lay_out(sg_work *wk, nn_arena *a)
{
    const sg_model *m = wk->model;
    const sg_config *c = &m->config;
    const nn_dim n = wk->max_batch, pixels = c->resolution * c->resolution;
    nn_dim widest = 0;

    wk->z = nn_take_real(a, n * c->z_dim);
    wk->w = nn_take_real(a, n * c->w_dim);
    wk->ws = nn_take_real(a, n * c->num_ws * c->w_dim);
    wk->by_layer = nn_take_real(a, n * c->num_ws * c->w_dim);
    for (int i = 0; i < m->layer_count; i++) {
        const sg_layer *l = &m->layer[i];
        const nn_conv_shape *s = &l->conv.shape;
        wk->style[i] = nn_take_real(a, n * (m->one ? 2 * l->c : s->cin));
        wk->demod[i] = m->one ? NULL : nn_take_real(a, n * s->cout);
        widest = larger(widest, s->cin);
    }
    for (nn_dim l = 0; l < c->levels; l++) wk->rgb_style[l] = nn_take_real(a, n * m->rgb[l].shape.cin);
    wk->style_square = nn_take_real(a, n * widest);
    wk->noise = nn_take_real(a, n * pixels);
    wk->image[0] = nn_take_real(a, n * c->img_channels * pixels);
    wk->image[1] = nn_take_real(a, n * c->img_channels * pixels / 4);
    lay_out_lanes(wk, a);
    lay_out_maps(wk, a);
}

/* The workspace itself is the arena's first piece. */
static nn_arena measure(const sg_model *m, nn_dim max_batch, bool keep_taps, int threads, sg_work *wk)
{
    NN_ASSERT(max_batch >= 1 && max_batch <= 1 << 20 && threads >= 1);      /* sizes then fit 64 bits for any model */
    nn_arena a = { 0 };
    *wk = (sg_work){ .model = m, .max_batch = max_batch, .keep_taps = keep_taps, .threads = threads };
    nn_take(&a, sizeof *wk);
    lay_out(wk, &a);
    return a;
}

size_t sg_work_bytes(const sg_model *m, nn_dim max_batch, bool keep_taps, int threads)
{
    sg_work wk;
    return measure(m, max_batch, keep_taps, threads, &wk).used;
}

sg_work *sg_work_open(const sg_model *m, nn_dim max_batch, bool keep_taps, int threads, nn_err *err)
{
    sg_work plan;
    nn_arena a = measure(m, max_batch, keep_taps, threads, &plan);
    a.base = nn_alloc(a.used, "drawing", err);
    if (!a.base) return NULL;
    a.used = 0;
    sg_work *wk = nn_take(&a, sizeof *wk);
    *wk = plan;
    lay_out(wk, &a);
    return wk;
}

void sg_work_close(sg_work *wk) { nn_free(wk); }

const real *sg_picture(const sg_work *wk, nn_dim n)
{
    const sg_config *c = &wk->model->config;
    NN_ASSERT(n >= 0 && n < wk->max_batch);
    return wk->image[0] + n * c->img_channels * c->resolution * c->resolution;
}

const real *sg_tap(const sg_work *wk, nn_dim n, int tap)
{
    const sg_model *m = wk->model;
    const sg_tap_info *t = sg_tap_at(m, tap);
    NN_ASSERT(wk->keep_taps && n >= 0 && n < wk->max_batch);
    if (m->source[tap].place == SG_INPUT) return m->constant;
    const int i = m->source[tap].layer;
    return (m->source[tap].place == SG_RAW ? wk->raw[i] : wk->map[i]) + n * nn_map_count(m->kernels->layout, t->c, t->h, t->w);
}
