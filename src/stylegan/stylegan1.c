/* stylegan1.c: the network that the paper uses.  (Karras 2019; [SG1] training/networks_stylegan.py G_synthesis)
 *
 * A layer: convolution, in conv0 up-sampling and blur; then noise, bias, leaky ReLU, instance norm, style, in this order.  The bias
 * is added before the noise here, as DatasetGAN's port does (its tap conv1_raw has the bias and no noise); the sum is the same.
 *
 * Up-sampling is one code path.  [SG1] enlarges by nearest neighbour and convolves, or from 128 pixels on uses a transposed
 * convolution whose 4x4 kernel is the 3x3 one summed over four shifts of a pixel.  Both are a transposed convolution of stride 2,
 * then a 2x2 box, cut to 2h x 2w as TensorFlow's SAME does: the first with its kernel reversed, which convert/ sees to.  Only then
 * comes the blur, and beyond the cut it sees zeros: one pass over [1,3,3,1], as StyleGAN2 has it, would be wrong along the borders. */
#include <math.h>
#include <string.h>

#include "stylegan/model.h"

static const double SLOPE = 0.2;
static const real BOX[4] = { (real)0.25, (real)0.25, (real)0.25, (real)0.25 };      /* the kernel's up-sampling has gain 4 */

/* ---- what a file must hold ------------------------------------------------------------------------------------------ */

/* Epilogue i of the network; cin 0: the constant input's, which has no convolution. */
static void add_layer(sg_table *t, sg_model *m, nn_dim res, nn_dim cin, nn_dim c, int up)
{
    const char *part = !cin ? "input" : up == 2 ? "conv0" : "conv1";
    const nn_dim w_dim = m->config.w_dim;
    const int i = m->layer_count++;
    sg_layer *l = &m->layer[i];
    *l = (sg_layer){ .c = c, .res = res };
    if (cin) {
        l->conv.shape = (nn_conv_shape){ .cin = cin, .cout = c, .h = res / up, .w = res / up, .ks = 3, .up = up };
        if (up == 2) { l->conv.shape.fh = l->conv.shape.fw = 2; l->conv.shape.filter = BOX; }
        sg_table_add(t, &l->weight, SG_DIMS4(c, cin, 3, 3), true, "synthesis.b%td.%s.weight", res, part);
    }
    if (up == 2) sg_table_add(t, &l->blur, SG_DIMS2(3, 3), false, "synthesis.b%td.conv0.blur_filter", res);
    sg_table_add(t, &l->bias, SG_DIMS1(c), false, "synthesis.b%td.%s.bias", res, part);
    sg_table_add(t, &l->noise, SG_DIMS2(res, res), false, "synthesis.b%td.%s.noise_const", res, part);
    sg_table_add(t, &l->strength, SG_DIMS1(c), false, "synthesis.b%td.%s.noise_strength", res, part);
    sg_table_add(t, &l->affine.weight, SG_DIMS2(2 * c, w_dim), false, "synthesis.b%td.%s.affine.weight", res, part);
    sg_table_add(t, &l->affine.bias, SG_DIMS1(2 * c), false, "synthesis.b%td.%s.affine.bias", res, part);
    if (i % 2) {
        sg_add_tap(m, c, res, "conv1", SG_OUTPUT, i, SG_SET_DEFAULT | SG_SET_RELEASED | SG_SET_PAPER);
        sg_add_tap(m, c, res, "conv1_raw", SG_RAW, i, SG_SET_DEFAULT | SG_SET_RELEASED);
    }
}

void sg_describe1(sg_table *t, sg_model *m)
{
    const sg_config *c = &m->config;
    for (nn_dim level = 0; level < c->levels; level++) {
        const nn_dim res = (nn_dim)4 << level, cout = c->channels[level];
        add_layer(t, m, res, level ? c->channels[level - 1] : 0, cout, level ? 2 : 1);
        add_layer(t, m, res, cout, cout, 1);
    }
    for (int i = 0; i < m->layer_count; i += 2)
        sg_add_tap(m, m->layer[i].c, m->layer[i].res, i ? "conv0" : "input", SG_OUTPUT, i, SG_SET_PAPER);
    const nn_dim last = c->levels - 1, res = c->resolution, cin = c->channels[last];
    sg_rgb *r = &m->rgb[last];
    r->shape = (nn_conv_shape){ .cin = cin, .cout = c->img_channels, .h = res, .w = res, .ks = 1, .up = 1 };
    sg_table_add(t, &r->weight, SG_DIMS4(c->img_channels, cin, 1, 1), false, "synthesis.b%td.torgb.weight", res);
    sg_table_add(t, &r->bias, SG_DIMS1(c->img_channels), false, "synthesis.b%td.torgb.bias", res);
}

/* ---- drawing -------------------------------------------------------------------------------------------------------- */

/* Scales and shifts of all layers of all pictures. */
static void make_styles(const sg_model *m, sg_work *wk, const real *ws, nn_dim n)
{
    const nn_dim w_dim = m->config.w_dim, num_ws = m->config.num_ws;
    for (int i = 0; i < m->layer_count; i++) {
        const sg_dense *a = &m->layer[i].affine;
        for (nn_dim b = 0; b < n; b++) memcpy(wk->by_layer + b * w_dim, ws + (b * num_ws + i) * w_dim, (size_t)w_dim * sizeof *ws);
        nn_dense_run(m->kernels, wk->style[i], wk->by_layer, a->weight, a->bias, n, w_dim, 2 * m->layer[i].c, 1.0 / sqrt((double)w_dim),
                     1.0, 1.0, 1.0);
    }
}

/* Layer i of n pictures up to its bias, into to[]: the constant, or the convolution of the layer before. */
static void convolve(const sg_model *m, sg_work *wk, int i, nn_dim n, real *to)
{
    const sg_layer *l = &m->layer[i], *before = l - 1;
    const nn_layout layout = m->kernels->layout;
    const nn_dim map = nn_map_count(layout, l->c, l->res, l->res), in = i ? nn_map_count(layout, before->c, before->res, before->res) : 0;
    for (nn_dim b = 0; i && b < n; b++)
        wk->lane->job[b] = (nn_conv_job){ .x = wk->map[i - 1] + b * in, .y = to + b * map, .style = m->ones, .demod = l->scale,
                                    .bias = l->blur ? NULL : l->bias, .slope = 1.0, .gain = 1.0, .clamp = INFINITY };
    if (i) nn_conv_run(m->kernels, &l->conv, wk->lane->job, n, wk->lane->scratch, wk->threads);
    for (nn_dim b = 0; !i && b < n; b++)
        for (nn_dim c = 0; c < l->c; c++)
            for (nn_dim p = 0; p < 16; p++) {
                const nn_dim at = nn_map_at(layout, 4, 4, c, p / 4, p % 4);
                to[b * map + at] = m->constant[at] + l->bias[c];
            }
}

static void draw_layer(const sg_model *m, sg_work *wk, int i, nn_dim n, sg_noise noise, const uint32_t *seeds)
{
    const sg_layer *l = &m->layer[i];
    const nn_dim map = nn_map_count(m->kernels->layout, l->c, l->res, l->res);
    real *x = wk->raw[i];
    convolve(m, wk, i, n, x);
    for (nn_dim b = 0; b < n; b++) {
        real *y = wk->map[i] + b * map;
        const real *from = x + b * map;
        if (l->blur) { nn_blur3_run(m->kernels, y, from, l->blur, l->bias, l->c, l->res, l->res); from = y; }
        nn_style_norm_run(m->kernels, y, from, sg_layer_noise(m, wk, i, b, noise, seeds), l->strength, wk->style[i] + b * 2 * l->c, l->c,
                          l->res * l->res, SLOPE, m->config.norm_eps, wk->sums);
    }
}

void sg_synthesis1(const sg_model *m, sg_work *wk, const real *ws, nn_dim n, sg_noise noise, const uint32_t *seeds)
{
    make_styles(m, wk, ws, n);
    for (int i = 0; i < m->layer_count; i++) draw_layer(m, wk, i, n, noise, seeds);

    const sg_rgb *r = &m->rgb[m->config.levels - 1];
    const nn_conv_shape *s = &r->shape;
    const nn_dim map = nn_map_count(m->kernels->layout, s->cin, s->h, s->w), size = s->cout * s->h * s->w;
    real *scale = wk->rgb_style[m->config.levels - 1];
    for (nn_dim i = 0; i < s->cin; i++) scale[i] = (real)(1.0 / sqrt((double)s->cin));
    for (nn_dim b = 0; b < n; b++)
        nn_to_rgb_run(m->kernels, s, wk->image[0] + b * size, wk->map[m->layer_count - 1] + b * map, r->weight, scale, r->bias, INFINITY, false);
}
