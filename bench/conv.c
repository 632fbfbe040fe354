/* conv.c: modulated convolutions of the generators' layer shapes, their epilogue and surroundings, each against the definition. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "bench/bench.h"

/* What an algorithm computes for a pixel of its input (up 2) or output (up 1): products of a channel pair, and the steps of its
 * transforms for an input channel (modulation with it) and an output channel (epilogue with it: 7 steps a number; FIR: 8).
 * Known by numbers of packed weights a channel pair.  Steps are counted in the text of fast_winograd.h: 14 a six-point input
 * transform and 12 of them a tile, 12 an output transform and 10 of them; F(6,3) by 30 and 22. */
typedef struct { int packed, up; const char *name; double products, in_steps, out_steps; } algorithm;
static const algorithm known[] = {
    { 9, 1, "direct", 9, 1, 7 },
    { 36, 1, "F(4x4;3x3)", 36.0 / 16, 204.0 / 16, 232.0 / 16 },
    { 64, 1, "F(6x6;3x3)", 64.0 / 36, 544.0 / 36, 308.0 / 36 + 7 },
    { 9, 2, "phases", 9, 1, 60 },
    { 25, 2, "phases F(3;2)", 16.0 / 9 + 2 * 4.0 / 3 + 1, 60.0 / 9, 52.0 / 9 + 60 },
    { 36, 2, "phases F(4;2)", 25.0 / 16 + 2 * 5.0 / 4 + 1, 150.0 / 16, 120.0 / 16 + 60 },
};

bench_cost bench_conv_cost(const nn_kernels *k, const nn_conv_shape *s)
{
    const double pairs = (double)(s->cin * s->cout), pixels = (double)(s->h * s->w), out = pixels * (double)(s->up * s->up);
    const bool padded = k->layout == NN_BLOCKED;
    const double packed = (double)k->conv_packed(s), stored = padded ? (double)(nn_channels_padded(s->cin) * nn_channels_padded(s->cout)) : pairs;
    const int ratio = (int)(packed / stored);
    bench_cost c = { .direct = 18.0 * pairs * pixels, .bytes = sizeof(real) * ((double)s->cin * pixels + (double)s->cout * out + packed), .algorithm = "other" };
    c.slots = pixels * (9 * pairs + (double)s->cin + (double)(s->cout * s->up * s->up) * 7);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const algorithm *a = &known[i];
        if (a->up != s->up || ratio < a->packed || ratio > a->packed + 2) continue;         /* the filter is packed too */
        c.algorithm = a->name;
        c.slots = pixels * (a->products * pairs + a->in_steps * (double)s->cin + a->out_steps * (double)s->cout);
    }
    return c;
}

/* ---- convolutions ---------------------------------------------------------------------------------------------------------------- */

typedef struct { const nn_kernels *k; nn_conv conv; nn_conv_job job; real *scratch; int threads; } conv_run;
static void run_conv(void *user) { conv_run *r = user; nn_conv_run(r->k, &r->conv, &r->job, 1, r->scratch, r->threads); }

/* The first channels of the output once more by the definition: as many as take about a second, at least one. */
static double conv_error(const conv_run *r, const real *weight, const real *planar)
{
    const nn_conv_shape *s = &r->conv.shape;
    const double each = 9.0 * (double)(s->cin * s->h * s->w);
    nn_conv_shape few = *s;
    few.cout = each > 1e8 ? 1 : (nn_dim)(1e8 / each) < 4 ? (nn_dim)(1e8 / each) : 4;
    if (few.cout > s->cout) few.cout = s->cout;
    const nn_kernels *ref = &nn_kernels_ref;
    const nn_dim ho = s->h * s->up, wo = s->w * s->up, count = few.cout * ho * wo;
    real *packed = bench_alloc((size_t)ref->conv_packed(&few) * sizeof *packed), *want = bench_alloc((size_t)count * sizeof *want);
    real *scratch = bench_alloc((size_t)nn_conv_scratch(ref, &few, r->threads) * sizeof *scratch), *got = bench_alloc((size_t)(s->cout * ho * wo) * sizeof *got);
    ref->conv_pack(&few, weight, packed);
    nn_conv_job j = r->job;
    j.x = planar;
    j.y = want;
    nn_conv_run(ref, &(nn_conv){ few, packed }, &j, 1, scratch, r->threads);
    nn_map_to_planar(r->k->layout, got, r->job.y, s->cout, ho, wo);
    const double units = bench_units(got, want, count);
    nn_free(packed), nn_free(want), nn_free(scratch), nn_free(got);
    return units;
}

/* in: networks that have this layer. */
typedef struct { nn_dim cin, cout, hw, up; bool quick; const char *in; } layer;

static void bench_layer(const layer *l, const nn_kernels *k, int threads)
{
    static const real fir[16] = { 1, 3, 3, 1, 3, 9, 9, 3, 3, 9, 9, 3, 1, 3, 3, 1 };
    real filter[16];
    for (int i = 0; i < 16; i++) filter[i] = fir[i] / 64;
    const nn_conv_shape s = { l->cin, l->cout, l->hw, l->hw, 3, l->up, 4, 4, filter, 0 };
    bench_row row = { .work = "conv", .k = k, .threads = threads, .units = 1, .error_unit = "units", .note = l->in };
    nn_format(row.name, sizeof row.name, "%td-%td %td%s", l->cin, l->cout, l->hw, l->up == 2 ? " up" : "");
    if (!bench_wanted(row.work, row.name, l->quick)) return;
    const nn_dim in = l->cin * l->hw * l->hw, out_hw = l->hw * l->up, weights = l->cout * l->cin * 9;
    real *planar = bench_random(in, 1), *weight = bench_random(weights, 1), *style = bench_random(l->cin, 0.3), *noise = bench_random(out_hw * out_hw, 1);
    real *bias = bench_random(l->cout, 0.1), *demod = bench_random(l->cout, 0.1);
    for (nn_dim i = 0; i < l->cin; i++) style[i] += 1;
    for (nn_dim i = 0; i < l->cout; i++) demod[i] = (real)((1.0 + (double)demod[i]) / sqrt(9.0 * (double)l->cin));
    real *packed = bench_alloc((size_t)k->conv_packed(&s) * sizeof *packed), *x = bench_alloc((size_t)nn_map_count(k->layout, l->cin, l->hw, l->hw) * sizeof *x);
    real *y = bench_alloc((size_t)nn_map_count(k->layout, l->cout, out_hw, out_hw) * sizeof *y);
    k->conv_pack(&s, weight, packed);
    nn_map_from_planar(k->layout, x, planar, l->cin, l->hw, l->hw);
    conv_run r = { .k = k, .conv = { s, packed }, .threads = threads, .scratch = bench_alloc((size_t)nn_conv_scratch(k, &s, threads) * sizeof *packed) };
    r.job = (nn_conv_job){ .x = x, .y = y, .style = style, .demod = demod, .noise = noise, .strength = 0.1, .bias = bias, .slope = 0.2, .gain = sqrt(2.0),
                           .clamp = INFINITY };
    row.cost = bench_conv_cost(k, &s);
    run_conv(&r);
    row.error = conv_error(&r, weight, planar);
    bench_measure(&row, run_conv, &r);
    nn_free(planar), nn_free(weight), nn_free(style), nn_free(noise), nn_free(bias), nn_free(demod), nn_free(packed), nn_free(x), nn_free(y), nn_free(r.scratch);
}

/* ---- what stands around them ------------------------------------------------------------------------------------------------------ */

typedef struct { const nn_kernels *k; nn_conv_shape s; nn_dim c, hw; real *y, *x, *planar, *w, *style, *b, *strength, *noise; double *sums; } other_run;
static void run_rgb(void *user) { other_run *r = user; nn_to_rgb_run(r->k, &r->s, r->y, r->x, r->w, r->style, r->b, INFINITY, false); }
static void run_up(void *user) { other_run *r = user; nn_upsample2_run(r->k, r->y, r->planar, r->w, 3, r->hw, r->hw, 4, 4); }
static void run_blur(void *user) { other_run *r = user; nn_blur3_run(r->k, r->y, r->x, r->w, r->b, r->c, r->hw, r->hw); }
static void run_dense(void *user) { other_run *r = user; nn_dense_run(r->k, r->y, r->x, r->w, r->b, 1, r->c, r->c, 0.01, 0.01, 0.2, sqrt(2.0)); }
static void run_norm(void *user)
{
    other_run *r = user;
    nn_style_norm_run(r->k, r->y, r->x, r->noise, r->strength, r->style, r->c, r->hw * r->hw, 0.2, 1e-8, r->sums);
}

/* What the row gives against the row ref, all of it. */
static void bench_other(const char *name, bool quick, void (*run)(void *), nn_dim c, nn_dim hw, double macs, double bytes, nn_dim out,
                        const nn_kernels *k, int threads)
{
    bench_row row = { .work = "op", .k = k, .threads = threads, .units = 1, .error_unit = "units", .cost = { 2 * macs, macs, bytes, "" } };
    nn_format(row.name, sizeof row.name, "%s %td %td", name, c, hw);
    if (!bench_wanted(row.work, row.name, quick)) return;
    const nn_dim count = c * hw * hw, most = out > count ? out : count;
    other_run r = { .k = &nn_kernels_ref, .c = c, .hw = hw, .s = { c, 3, hw, hw, 1, 1, 0, 0, NULL, 0 },
                    .planar = bench_random(count < 3 * hw * hw ? 3 * hw * hw : count, 1),
                    .w = bench_random(c * c < 64 ? 64 : c * c, 0.5), .style = bench_random(2 * c, 0.3), .b = bench_random(c < 3 ? 3 : c, 0.1),
                    .strength = bench_random(c, 0.1), .noise = bench_random(hw * hw, 1), .sums = bench_alloc((size_t)nn_norm_scratch(c, hw * hw) * sizeof(double)) };
    real *want = bench_alloc((size_t)most * sizeof *want), *got = bench_alloc((size_t)most * sizeof *got);
    r.x = r.planar;
    r.y = want;
    run(&r);
    const bool map_in = run != run_dense && run != run_up, map_out = run == run_blur || run == run_norm;
    r.k = k;
    if (map_in) {
        r.x = bench_alloc((size_t)nn_map_count(k->layout, c, hw, hw) * sizeof(real));
        nn_map_from_planar(k->layout, r.x, r.planar, c, hw, hw);
    }
    r.y = bench_alloc((size_t)(nn_map_count(k->layout, c, hw, hw) > out ? nn_map_count(k->layout, c, hw, hw) : out) * sizeof(real));
    run(&r);
    if (map_out) nn_map_to_planar(k->layout, got, r.y, c, hw, hw); else memcpy(got, r.y, (size_t)out * sizeof *got);
    row.error = bench_units(got, want, out);
    bench_measure(&row, run, &r);
    if (map_in) nn_free(r.x);
    nn_free(r.y), nn_free(want), nn_free(got), nn_free(r.planar), nn_free(r.w), nn_free(r.style), nn_free(r.b);
    nn_free(r.strength), nn_free(r.noise), nn_free(r.sums);
}

/* Of 1024 px: what config-f and StyleGAN1 do besides convolving. */
static void others(const nn_kernels *k, int threads)
{
    const double px = 1024.0 * 1024.0, f = sizeof(real);
    bench_other("rgb", true, run_rgb, 32, 1024, 3 * 32 * px, f * 35 * px, 3 << 20, k, threads);
    bench_other("upsample", false, run_up, 3, 512, 3 * 4 * px, f * 3 * (px + px / 4), 3 << 20, k, threads);
    bench_other("blur", false, run_blur, 16, 1024, 16 * 9 * px, f * 32 * px, 16 << 20, k, threads);
    bench_other("style norm", false, run_norm, 16, 1024, 16 * 8 * px, f * 33 * px, 16 << 20, k, threads);
    bench_other("dense", true, run_dense, 512, 1, 512 * 512, f * 512 * 514, 512, k, threads);
}

void bench_convolutions(void)
{
    #define F "config-f"                                 /* StyleGAN2 1024 px; its first layers are those of 256 px */
    #define H "base-16384; StyleGAN1"                    /* StyleGAN2 256 px of half the width; StyleGAN1 1024 px */
    #define S "StyleGAN1"
    #define B "bundle"
    static const layer all[] = {
        { 512, 512, 4, 1, false, F "; " H }, { 512, 512, 4, 2, false, F "; " H }, { 512, 512, 8, 1, false, F "; " H }, { 512, 512, 8, 2, false, F "; " H },
        { 512, 512, 16, 1, true, F "; " H }, { 512, 512, 16, 2, false, F "; " H }, { 512, 512, 32, 1, true, F "; " H }, { 512, 512, 32, 2, true, F },
        { 512, 512, 64, 1, true, F }, { 512, 256, 64, 2, true, F }, { 256, 256, 128, 1, true, F }, { 256, 128, 128, 2, true, F }, { 128, 128, 256, 1, true, F },
        { 128, 64, 256, 2, false, F }, { 64, 64, 512, 1, false, F }, { 64, 32, 512, 2, false, F }, { 32, 32, 1024, 1, false, F },
        { 512, 256, 32, 2, false, H }, { 256, 256, 64, 1, false, H }, { 256, 128, 64, 2, false, H }, { 128, 128, 128, 1, false, H }, { 128, 64, 128, 2, false, H },
        { 64, 64, 256, 1, false, H }, { 64, 32, 256, 2, false, S }, { 32, 32, 512, 1, false, S }, { 32, 16, 512, 2, false, S }, { 16, 16, 1024, 1, false, S },
        { 128, 128, 4, 1, false, B }, { 128, 128, 4, 2, false, B }, { 128, 128, 8, 1, false, B }, { 128, 128, 8, 2, false, B }, { 128, 128, 16, 1, true, B },
        { 128, 64, 16, 2, true, B }, { 64, 64, 32, 1, true, B }, { 64, 32, 32, 2, true, B }, { 32, 32, 64, 1, true, B }, { 32, 16, 64, 2, true, B },
        { 16, 16, 128, 1, true, B },
    };
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int t = 0; t < bench_chosen.thread_count; t++) {
            const nn_kernels *k = bench_chosen.row[r];
            const int threads = bench_chosen.threads[t];
            omp_set_num_threads(threads);
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) bench_layer(&all[i], k, threads);
            others(k, threads);
        }
    #undef F
    #undef H
    #undef S
    #undef B
}
