/* picture.c: milliseconds a picture: mapping and synthesis of fresh seeds, weights loaded outside the timing. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "nn/file.h"
#include "stylegan/model.h"

enum { BATCH_MAX = 64 };

static bench_cost conv_cost(const nn_kernels *k, const nn_conv_shape *s, int batch)
{
    bench_cost c = bench_conv_cost(k, s);
    c.bytes -= sizeof(real) * (double)k->conv_packed(s) * (1.0 - 1.0 / batch);
    return c;
}

/* All layers, each by its own algorithm; maps are written and read once a layer. */
bench_cost bench_picture_cost(const sg_model *m, int batch)
{
    const sg_config *c = &m->config;
    bench_cost all = { .algorithm = "" };
    for (int i = 0; i < m->layer_count; i++) {
        const sg_layer *l = &m->layer[i];
        const double map = (double)(l->c * l->res * l->res);
        if (l->conv.packed) all = bench_cost_add(all, conv_cost(m->kernels, &l->conv.shape, batch), 1);
        if (m->one) all = bench_cost_add(all, (bench_cost){ 0, map * (8 + (l->blur ? 9 : 0)), 2 * map * sizeof(real), NULL }, 1);
    }
    for (nn_dim v = 0; v < c->levels; v++) {
        const sg_rgb *r = &m->rgb[v];
        const double px = (double)(r->shape.h * r->shape.w), macs = px * (double)(r->shape.cin * r->shape.cout);
        if (m->skip[v].conv.packed) all = bench_cost_add(all, conv_cost(m->kernels, &m->skip[v].conv.shape, batch), 1);
        if (!r->weight) continue;
        const double filter = r->filter ? 4 * px * (double)r->shape.cout : 0, maps = px * (double)(r->shape.cin + r->shape.cout);
        all = bench_cost_add(all, (bench_cost){ 2 * macs, macs + filter, sizeof(real) * maps, NULL }, 1);
    }
    return all;
}

bench_drawing bench_drawing_open(const char *path, const nn_kernels *k, int batch, bool keep_taps, int threads)
{
    nn_err err = { 0 };
    bench_drawing d = { .batch = batch };
    NN_ASSERT(batch >= 1 && batch <= BATCH_MAX);
    omp_set_num_threads(threads);
    d.m = sg_open(path, k, &err);
    if (d.m) d.wk = sg_work_open(d.m, batch, keep_taps, threads, &err);
    bench_fail(&err);
    return d;
}

void bench_drawing_close(bench_drawing *d)
{
    sg_work_close(d->wk);
    sg_close(d->m);
}

void bench_draw(void *drawing)
{
    static const sg_options o = { .psi = 0.7, .cutoff = -1, .noise = SG_NOISE_CONST, 0 };
    bench_drawing *d = drawing;
    uint32_t seed[BATCH_MAX];
    for (int b = 0; b < d->batch; b++) seed[b] = d->next++;
    sg_draw(d->m, d->wk, seed, d->batch, &o, NULL);
}

/* Of seed 0 against the row ref, in the picture's standard deviation. */
static double picture_error(const char *path, bench_drawing *d)
{
    bench_drawing ref = bench_drawing_open(path, &nn_kernels_ref, 1, false, omp_get_max_threads());
    bench_draw(&ref);
    d->next = 0;
    bench_draw(d);
    const sg_config *c = sg_get_config(d->m);
    const nn_dim n = c->img_channels * c->height * c->resolution;
    const real *a = sg_picture(d->wk, 0), *b = sg_picture(ref.wk, 0);
    double worst = 0, sum = 0, square = 0;
    for (nn_dim i = 0; i < n; i++) {
        const double diff = fabs((double)a[i] - (double)b[i]);
        if (!(diff <= worst)) worst = diff;
        sum += b[i];
        square += (double)b[i] * (double)b[i];
    }
    bench_drawing_close(&ref);
    return worst / sqrt(square / (double)n - sum / (double)n * (sum / (double)n));
}

static void bench_generator(const char *name, const char *path, int batch, bool quick, bool judged)
{
    char full[96];
    nn_format(full, sizeof full, "%s batch %d", name, batch);
    if (!bench_wanted("picture", full, quick)) return;
    if (!nn_path_exists(path)) { printf("picture  %s: %s is not there (make bench makes it; needs python3 with NumPy)\n", full, path); return; }
    for (int r = 0; r < bench_chosen.row_count; r++) {
        double error = NAN;
        for (int t = 0; t < bench_chosen.thread_count; t++) {
            bench_drawing d = bench_drawing_open(path, bench_chosen.row[r], batch, false, bench_chosen.threads[t]);
            if (judged && t == 0) error = picture_error(path, &d);
            bench_row row = { .work = "picture", .k = bench_chosen.row[r], .threads = bench_chosen.threads[t], .units = batch,
                              .cost = bench_picture_cost(d.m, batch), .error = error, .error_unit = "sd" };
            nn_format(row.name, sizeof row.name, "%s", full);
            bench_measure(&row, bench_draw, &d);
            bench_drawing_close(&d);
        }
    }
}

/* From nothing to the first picture: the file read (from the page cache), weights checked and packed, memory touched, one picture drawn. */
typedef struct { const char *path; const nn_kernels *k; int threads; } first_run;
static void run_first(void *user)
{
    const first_run *r = user;
    bench_drawing d = bench_drawing_open(r->path, r->k, 1, false, r->threads);
    bench_draw(&d);
    bench_drawing_close(&d);
}

static void bench_first(const char *name, const char *path)
{
    if (!bench_wanted("first", name, false) || !nn_path_exists(path)) return;
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int t = 0; t < bench_chosen.thread_count; t++) {
            first_run f = { path, bench_chosen.row[r], bench_chosen.threads[t] };
            bench_drawing d = bench_drawing_open(path, f.k, 1, false, f.threads);
            bench_row row = { .work = "first", .k = f.k, .threads = f.threads, .units = 1, .cost = bench_picture_cost(d.m, 1), .error = NAN,
                              .note = "a picture, opening with it; the bound is the picture's" };
            bench_drawing_close(&d);
            nn_format(row.name, sizeof row.name, "%s", name);
            bench_measure(&row, run_first, &f);
        }
}

void bench_pictures(void)
{
    static const struct { const char *name, *file; int batch; bool quick; } all[] = {
        { "bundle 128", NULL, 1, true }, { "bundle 128", NULL, 16, true }, { "config-f 256", "random256", 1, true }, { "config-f 256", "random256", 8, false },
        { "base-16384 256", "half256", 1, false }, { "config-f 512", "random512", 1, false }, { "config-f 1024", "random1024", 1, false },
        { "StyleGAN1 1024", "stylegan1-1024", 1, false },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char path[512];
        nn_format(path, sizeof path, "%s/%s.safetensors", bench_chosen.folder, all[i].file ? all[i].file : "");
        bench_generator(all[i].name, all[i].file ? path : BENCH_BUNDLE, all[i].batch, all[i].quick, !all[i].file && all[i].batch == 1);
        if (!strcmp(all[i].name, "config-f 1024")) bench_first(all[i].name, path);
    }
}
