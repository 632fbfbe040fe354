/* maps.c: convolutions of the segmentation networks, forward and both ways back, against their definition. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "bench/bench.h"
#include "nn/maps.h"

typedef struct { const nn_kernels *k; nn_conv2d s; real *x, *y, *w, *dw, *room; int threads; } map_run;
static void forward(void *user) { map_run *r = user; nn_conv2d_fwd(r->k, r->y, r->x, r->w, NULL, &r->s, r->room, r->threads); }
static void back_input(void *user) { map_run *r = user; nn_conv2d_bwd_input(r->k, r->x, false, r->y, r->w, &r->s, r->room, r->threads); }
static void back_weight(void *user) { map_run *r = user; nn_conv2d_bwd_weight(r->k, r->dw, NULL, r->y, r->x, &r->s, r->room, r->threads); }

/* dst (rows, few) = the first `few` of `all` columns. */
static real *columns(const real *src, nn_dim rows, nn_dim all, nn_dim few)
{
    real *dst = bench_alloc((size_t)(rows * few) * sizeof *dst);
    for (nn_dim r = 0; r < rows; r++) memcpy(dst + r * few, src + r * all, (size_t)few * sizeof *dst);
    return dst;
}

/* Forward and weights: a few output channels by the definition.  Towards the input all output channels meet, so a few input channels. */
static double error_of(const map_run *r, void (*way)(void *))
{
    const nn_conv2d *s = &r->s;
    enum { FEW = 2 };
    const nn_dim oh = nn_conv2d_out(s, s->h), ow = nn_conv2d_out(s, s->w), in = s->n * s->h * s->w, out = s->n * oh * ow, taps = s->ks * s->ks;
    const nn_dim fi = s->cin < FEW ? s->cin : FEW, fo = s->cout < FEW ? s->cout : FEW;
    nn_conv2d few = *s;
    double units;
    if (way == back_input) {
        few.cin = fi;
        real *w = bench_alloc((size_t)(taps * fi * s->cout) * sizeof *w), *dx = bench_alloc((size_t)(in * fi) * sizeof *dx), *got = columns(r->x, in, s->cin, fi);
        for (nn_dim t = 0; t < taps; t++) memcpy(w + t * fi * s->cout, r->w + t * s->cin * s->cout, (size_t)(fi * s->cout) * sizeof *w);
        nn_conv2d_bwd_ref(dx, NULL, NULL, r->y, NULL, w, &few);
        units = bench_units(got, dx, in * fi);
        nn_free(w), nn_free(dx), nn_free(got);
        return units;
    }
    few.cout = fo;
    real *w = columns(r->w, taps * s->cin, s->cout, fo), *y = columns(r->y, out, s->cout, fo);
    if (way == forward) {
        real *want = bench_alloc((size_t)(out * fo) * sizeof *want);
        nn_conv2d_fwd_ref(want, r->x, w, NULL, &few);
        units = bench_units(y, want, out * fo);
        nn_free(want);
    } else {
        real *dw = bench_alloc((size_t)(taps * s->cin * fo) * sizeof *dw), *got = columns(r->dw, taps * s->cin, s->cout, fo);
        nn_conv2d_bwd_ref(NULL, dw, NULL, y, r->x, w, &few);
        units = bench_units(got, dw, taps * s->cin * fo);
        nn_free(dw), nn_free(got);
    }
    nn_free(w), nn_free(y);
    return units;
}

static void bench_layer(const char *note, const nn_conv2d *s, const nn_kernels *k, int threads, bool quick)
{
    static const struct { const char *name; void (*way)(void *); } ways[] = { { "", forward }, { " dx", back_input }, { " dw", back_weight } };
    const nn_dim oh = nn_conv2d_out(s, s->h), ow = nn_conv2d_out(s, s->w), in = s->n * s->h * s->w * s->cin, out = s->n * oh * ow * s->cout;
    const nn_dim weights = s->ks * s->ks * s->cin * s->cout;
    const double macs = (double)(s->n * oh * ow) * (double)weights;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        bench_row row = { .work = "segconv", .k = k, .threads = threads, .units = 1, .error_unit = "units", .note = note,
                          .cost = { 2 * macs, macs, sizeof(real) * (double)(in + out + weights), "" } };
        nn_format(row.name, sizeof row.name, "%td-%td %td k%td s%td d%td n%td%s", s->cin, s->cout, s->h, s->ks, s->stride, s->dilation, s->n, ways[i].name);
        if (!bench_wanted(row.work, row.name, quick)) continue;
        map_run r = { k, *s, bench_random(in, 1), bench_random(out, 1), bench_random(weights, 1), bench_alloc((size_t)weights * sizeof(real)),
                      bench_alloc((size_t)nn_conv2d_room(s, threads) * sizeof(real)), threads };
        ways[i].way(&r);
        row.error = error_of(&r, ways[i].way);
        bench_measure(&row, ways[i].way, &r);
        nn_free(r.x), nn_free(r.y), nn_free(r.w), nn_free(r.dw), nn_free(r.room);
    }
}

void bench_maps(void)
{
    static const struct { nn_conv2d s; bool quick; const char *note; } all[] = {      /* n h w cin cout ks stride pad dilation */
        { { 4, 64, 64, 32, 32, 3, 1, 1, 1 }, true, "light, down0" }, { { 4, 16, 16, 64, 96, 3, 1, 1, 1 }, false, "light, down2" },
        { { 4, 64, 64, 96, 32, 3, 1, 1, 1 }, false, "light, up0.0" }, { { 1, 128, 128, 64, 64, 3, 1, 1, 1 }, false, "ResNet-50 layer1, 512 px" },
        { { 1, 64, 64, 512, 128, 1, 1, 0, 1 }, false, "ResNet-50 layer2" }, { { 1, 32, 32, 256, 256, 3, 1, 1, 1 }, false, "ResNet-50 layer3" },
        { { 1, 32, 32, 512, 512, 3, 1, 2, 2 }, false, "ResNet-50 layer4, output stride 16" }, { { 1, 32, 32, 2048, 256, 3, 1, 6, 6 }, false, "ASPP" },
    };
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int t = 0; t < bench_chosen.thread_count; t++) {
            omp_set_num_threads(bench_chosen.threads[t]);
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) bench_layer(all[i].note, &all[i].s, bench_chosen.row[r], bench_chosen.threads[t], all[i].quick);
        }
}
