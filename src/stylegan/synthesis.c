/* synthesis.c: ws -> picture.  ([ADA] networks.py SynthesisLayer, ToRGBLayer, SynthesisBlock; Karras 2020, eq. 1 to 3)
 *
 * Activations are modulated, not weights: conv(x, w*s)*d = d * conv(x*s, w), so all pictures share the packed weights. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "nn/rng.h"
#include "stylegan/model.h"

static const double SQRT2 = 1.4142135623730951;           /* gain of a leaky ReLU ([ADA] bias_act.py) */
static const double SLOPE = 0.2;
static const double DEMOD_EPS = 1e-8;

/* Demodulation of n pictures.  The fast rows square the styles and use their matrix product; `ref` is the definition. */
static void demodulate(const sg_model *m, real *d, const real *style, const sg_layer *l, real *square, nn_dim n)
{
    const nn_dim cin = l->conv.shape.cin, cout = l->conv.shape.cout;
    if (m->kernels == &nn_kernels_ref) {
        for (nn_dim b = 0; b < n; b++) nn_demod_ref(d + b * cout, style + b * cin, l->square, cin, cout);
        return;
    }
    for (nn_dim i = 0; i < n * cin; i++) square[i] = style[i] * style[i];
    nn_dense_run(m->kernels, d, square, l->square, NULL, n, cin, cout, 1.0, 1.0, 1.0, 1.0);
    for (nn_dim i = 0; i < n * cout; i++) d[i] = (real)(1.0 / sqrt(d[i] + DEMOD_EPS));
}

/* Styles and demodulation of all layers and all pictures, before any pixel is drawn. */
static void make_styles(const sg_model *m, sg_work *wk, const real *ws, nn_dim n)
{
    const sg_config *c = &m->config;
    const double by_w = 1.0 / sqrt((double)c->w_dim);
    for (nn_dim l = 0; l < c->num_ws; l++)
        for (nn_dim b = 0; b < n; b++)
            memcpy(wk->by_layer + (l * n + b) * c->w_dim, ws + (b * c->num_ws + l) * c->w_dim, (size_t)c->w_dim * sizeof *ws);

    for (int i = 0; i < m->layer_count; i++) {
        const sg_layer *l = &m->layer[i];
        nn_dense_run(m->kernels, wk->style[i], wk->by_layer + i * n * c->w_dim, l->affine.weight, l->affine.bias, n, c->w_dim,
                     l->conv.shape.cin, by_w, 1.0, 1.0, 1.0);
        demodulate(m, wk->demod[i], wk->style[i], l, wk->style_square, n);
    }
    for (nn_dim l = 0; l < c->levels; l++) {
        const sg_rgb *r = &m->rgb[l];
        if (!r->weight) continue;
        nn_dense_run(m->kernels, wk->rgb_style[l], wk->by_layer + (2 * l + 1) * n * c->w_dim, r->affine.weight, r->affine.bias, n,
                     c->w_dim, r->shape.cin, by_w, 1.0, 1.0, 1.0 / sqrt((double)r->shape.cin));
    }
}

/* NULL where it would add nothing. */
const real *sg_layer_noise(const sg_model *m, sg_work *wk, int i, nn_dim b, sg_noise noise, const uint32_t *seeds)
{
    const sg_layer *l = &m->layer[i];
    if (noise == SG_NOISE_NONE || (!m->one && *l->strength == 0)) return NULL;
    if (noise == SG_NOISE_CONST) return l->noise;
    const nn_dim pixels = l->res * l->res;
    real *z = wk->noise + b * m->config.resolution * m->config.resolution;        /* pictures drawn side by side are at different layers */
    #pragma omp parallel for if (pixels > NN_PARALLEL_MIN / 16)      /* about 16 times the work of a multiplication */
    for (nn_dim p = 0; p < pixels; p++) z[p] = (real)nn_rng_normal(seeds[b], NN_RNG_NOISE, (uint32_t)i, (uint64_t)p);
    return z;
}

static nn_dim output_count(const sg_model *m, const sg_layer *l) { return nn_map_count(m->kernels->layout, l->c, l->res, l->res); }

/* The pictures [first, first + n) of a batch. */
typedef struct { nn_dim first, n; } part;

/* Picture b's map is at + b * step. */
typedef struct { real *at; nn_dim step; } maps;

/* Layer i's maps; of levels drawn alone a lane has one at a time, unless taps are kept. */
static maps maps_of(const sg_model *m, const sg_work *wk, const sg_lane *lane, int i)
{
    if (wk->map[i]) return (maps){ wk->map[i], output_count(m, &m->layer[i]) };
    return (maps){ lane->turn[i % sg_turns(m)], 0 };
}

/* Layer i of some pictures from x, `step` numbers a picture (0: all share one).  `gain` is of the whole layer, 1 but in a resnet. */
static maps draw_layer(const sg_model *m, sg_work *wk, const sg_lane *lane, int i, const real *x, nn_dim step, part p, double gain, sg_noise noise,
                       const uint32_t *seeds)
{
    const sg_layer *l = &m->layer[i];
    const nn_conv_shape *s = &l->conv.shape;
    const maps out = maps_of(m, wk, lane, i);
    for (nn_dim k = 0, b = p.first; k < p.n; k++, b++)
        lane->job[k] = (nn_conv_job){
            .x = x + b * step, .y = out.at + b * out.step, .style = wk->style[i] + b * s->cin, .demod = wk->demod[i] + b * s->cout,
            .noise = sg_layer_noise(m, wk, i, b, noise, seeds), .strength = *l->strength, .bias = l->bias,
            .slope = SLOPE, .gain = SQRT2 * gain, .clamp = m->config.conv_clamp * gain,
        };
    nn_conv_run(m->kernels, &l->conv, lane->job, p.n, lane->scratch, lane->threads);
    return out;
}

/* A resnet's shortcut from the block's input x, added to its last map, one picture at a time.  ([ADA] SynthesisBlock.forward) */
static void add_skip(const sg_model *m, const sg_lane *lane, nn_dim level, const real *x, nn_dim step, maps out, part p)
{
    const sg_layer *l = &m->skip[level];
    const nn_dim map = output_count(m, l);
    for (nn_dim b = p.first; b < p.first + p.n; b++) {
        real *to = out.at + b * out.step;
        lane->job[0] = (nn_conv_job){ .x = x + b * step, .y = lane->skip, .style = m->ones, .demod = l->scale, .slope = 1.0, .gain = 1.0, .clamp = INFINITY };
        nn_conv_run(m->kernels, &l->conv, lane->job, 1, lane->scratch, lane->threads);
        #pragma omp parallel for schedule(static) if (map > NN_PARALLEL_MIN)
        for (nn_dim i = 0; i < map; i++) to[i] += lane->skip[i];
    }
}

/* The picture so far, twice as large, plus this level's share.  The last level lands in image[0]. */
static void draw_rgb(const sg_model *m, sg_work *wk, nn_dim level, maps in, part p)
{
    const sg_rgb *r = &m->rgb[level];
    const nn_conv_shape *s = &r->shape;
    const nn_dim turn = (m->config.levels - 1 - level) % 2, most = m->config.img_channels * m->config.resolution * m->config.resolution;
    const nn_dim step[2] = { most, most / 4 };
    const bool add = r->filter != NULL;                       /* the others draw one picture, at the last level */
    for (nn_dim b = p.first; b < p.first + p.n; b++) {
        real *image = wk->image[turn] + b * step[turn];
        if (add) nn_upsample2_run(m->kernels, image, wk->image[!turn] + b * step[!turn], r->filter, s->cout, s->h / 2, s->w / 2, r->fh, r->fw);
        nn_to_rgb_run(m->kernels, s, image, in.at + b * in.step, r->weight, wk->rgb_style[level] + b * s->cin, r->bias, m->config.conv_clamp, add);
    }
}

/* The levels [from, to) of some pictures: conv0 (but at 4x4), conv1, shortcut, picture.  Layer 2l is conv1 of level l. */
static void draw_levels(const sg_model *m, sg_work *wk, const sg_lane *lane, nn_dim from, nn_dim to, part p, sg_noise noise, const uint32_t *seeds)
{
    for (nn_dim level = from; level < to; level++) {
        const int last = 2 * (int)level;
        const bool shortcut = m->skip[level].conv.packed != NULL;
        const maps below = level ? maps_of(m, wk, lane, last - 2) : (maps){ NULL, 0 };
        const real *x = level ? below.at : m->constant;
        const maps first = level ? draw_layer(m, wk, lane, last - 1, x, below.step, p, 1.0, noise, seeds) : below;
        const maps out = draw_layer(m, wk, lane, last, level ? first.at : x, first.step, p, shortcut ? 1.0 / SQRT2 : 1.0, noise, seeds);
        if (shortcut) add_skip(m, lane, level, x, below.step, out, p);
        if (m->rgb[level].weight) draw_rgb(m, wk, level, out, p);
    }
}

static void synthesis2(const sg_model *m, sg_work *wk, const real *ws, nn_dim n, sg_noise noise, const uint32_t *seeds)
{
    const nn_dim alone = sg_first_alone(m), levels = m->config.levels, side_by_side = wk->lone_threads ? n - n % wk->lone_threads : 0;
    make_styles(m, wk, ws, n);
    draw_levels(m, wk, wk->lane, 0, alone, (part){ 0, n }, noise, seeds);
    #pragma omp parallel for num_threads(side_by_side ? wk->lone_threads : 1) schedule(dynamic)
    for (nn_dim b = 0; b < side_by_side; b++) draw_levels(m, wk, &wk->lane[1 + omp_get_thread_num()], alone, levels, (part){ b, 1 }, noise, seeds);
    for (nn_dim b = side_by_side; b < n; b++) draw_levels(m, wk, wk->lane, alone, levels, (part){ b, 1 }, noise, seeds);
}

/* The rows that a picture has, moved together: (img_channels, height, resolution) at the picture's place. */
static void keep_rows(const sg_config *c, sg_work *wk, nn_dim n)
{
    const nn_dim plane = c->resolution * c->resolution, kept = c->height * c->resolution;
    for (nn_dim i = 0; i < n * c->img_channels && kept < plane; i++) {
        real *picture = wk->image[0] + i / c->img_channels * c->img_channels * plane;
        const nn_dim channel = i % c->img_channels;
        memmove(picture + channel * kept, picture + channel * plane + c->top * c->resolution, (size_t)kept * sizeof *picture);
    }
}

void sg_synthesis(const sg_model *m, sg_work *wk, const real *ws, nn_dim n, sg_noise noise, const uint32_t *seeds)
{
    NN_ASSERT(wk->model == m && n >= 1 && n <= wk->max_batch && (noise != SG_NOISE_RANDOM || seeds));
    if (m->one) sg_synthesis1(m, wk, ws, n, noise, seeds);
    else synthesis2(m, wk, ws, n, noise, seeds);
    keep_rows(&m->config, wk, n);
}

void sg_draw(const sg_model *m, sg_work *wk, const uint32_t *seeds, nn_dim n, const sg_options *o, real *ws_out)
{
    NN_ASSERT(n >= 1 && n <= wk->max_batch);
    real *ws = ws_out ? ws_out : wk->ws;
    for (nn_dim b = 0; b < n; b++) sg_z(m, seeds[b], wk->z + b * m->config.z_dim);
    sg_mapping(m, wk->w, wk->z, n, o->class_id);
    sg_truncate(m, ws, wk->w, n, o);
    sg_synthesis(m, wk, ws, n, o->noise, seeds);
}
