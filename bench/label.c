/* label.c: labelling a drawn picture, beyond drawing it and with it; interpreters to do it with. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "datasetgan/datasetgan.h"
#include "nn/file.h"

void bench_bundle_interpreter(const sg_model *m, char path[BENCH_PATH])
{
    nn_err err = { 0 };
    dg_task t = { 0 };
    dg_train_options o;
    nn_format(path, BENCH_PATH, "%s/bench-interpreter.safetensors", bench_chosen.folder);
    dg_task_read(&t, BENCH_TASK, &err);
    bench_fail(&err);
    dg_train_recipe(&o, "default", t.class_count, &err);
    o.epochs = 0.1;
    o.replace = true;
    dg_interp old;
    nn_err missing = { 0 };
    const bool there = nn_path_exists(path) && dg_interp_open(&old, path, &missing) == NN_OK;
    bool fits = false;
    if (there) {
        nn_err other = { 0 };
        fits = dg_interp_check(&old, m, &other) == NN_OK;
        dg_interp_close(&old);
    }
    if (!fits) dg_train(&t, "train", m, &o, NULL, 0, path, NULL, &err);
    dg_task_free(&t);
    bench_fail(&err);
}

void bench_write_interpreter(const sg_model *m, const bench_interpreter *of, const char *path)
{
    nn_err err = { 0 };
    const char *const names[] = { of->taps };
    int tap[SG_TAPS_MAX], count = 0;
    dg_choose_taps(m, names, 1, tap, &count, &err);
    bench_fail(&err);
    dg_interp in = { .members = of->members, .classes = of->classes, .h1 = of->h1, .h2 = of->h2, .tap_count = count, .draw = { .psi = 0.7, .cutoff = -1 } };
    for (int i = 0; i < count; i++) {
        const sg_tap_info *t = sg_tap_at(m, tap[i]);
        nn_format(in.tap[i], sizeof in.tap[i], "%s", t->name);
        in.tap_channels[i] = t->c;
        in.D += t->c;
    }
    for (int i = 0; i < of->classes; i++) nn_format(in.class_at[i].name, sizeof in.class_at[i].name, "class %d", i);
    nn_format(in.generator, sizeof in.generator, "%s", sg_identity(m));
    nn_format(in.task_name, sizeof in.task_name, "benchmark");
    const nn_dim M = of->members, h1 = of->h1, h2 = of->h2, K = of->classes;
    real *zero = bench_alloc((size_t)(in.D + M * (h1 + h2 + K)) * sizeof *zero), *one = bench_alloc((size_t)(in.D + M * (h1 + h2)) * sizeof *one);
    for (nn_dim i = 0; i < in.D + M * (h1 + h2); i++) one[i] = 1;
    real *w1 = bench_random(M * h1 * in.D, 1 / sqrt((double)in.D)), *w2 = bench_random(M * h2 * h1, 1 / sqrt((double)h1));
    real *w3 = bench_random(M * K * h2, 1 / sqrt((double)h2));
    in.mean = in.b1 = in.e1 = in.m1 = in.b2 = in.e2 = in.m2 = in.b3 = zero;
    in.std = in.g1 = in.v1 = in.g2 = in.v2 = one;
    in.w1 = w1, in.w2 = w2, in.w3 = w3;
    dg_interp_write(&in, "{}", path, &err);
    nn_free(zero), nn_free(one), nn_free(w1), nn_free(w2), nn_free(w3);
    bench_fail(&err);
}

/* The method's own arithmetic: products at each map's size, mixing of what they give, the other layers, softmax and entropy (about 10 steps
 * a class). */
bench_cost bench_label_cost(const dg_interp *in, const sg_model *m)
{
    const sg_config *c = sg_get_config(m);
    const double px = (double)(c->height * c->resolution), M = in->members, h1 = (double)in->h1, h2 = (double)in->h2, K = in->classes;
    double macs = px * (h1 * h2 + h2 * K), mixed = 0, numbers = 0;
    nn_dim last = 0;
    for (int i = 0; i < in->tap_count; i++)
        for (int j = 0; j < sg_tap_total(m); j++) {
            const sg_tap_info *t = sg_tap_at(m, j);
            if (strcmp(t->name, in->tap[i])) continue;
            const double own = t->h > c->resolution ? px : (double)(t->h * t->w);
            macs += own * (double)t->c * h1;
            numbers += (double)(t->c * t->h * t->w);
            if (t->h < c->resolution && t->h != last) mixed += h1 * 2 * (px + px * (double)t->w / (double)c->resolution);     /* x, then y */
            last = t->h;
        }
    return (bench_cost){ 2 * M * macs, M * (macs + mixed + px * (2 * h1 + 2 * h2 + 10 * K)), sizeof(real) * (numbers + M * h1 * (double)in->D),
                         "taps at their own size" };
}

typedef struct { bench_drawing d; dg_interp in; dg_labeller *l; dg_labels out; bool draw; } labelling;

static void run(void *user)
{
    labelling *b = user;
    if (b->draw) bench_draw(&b->d);
    dg_label(b->l, b->d.wk, 0, &b->out);
}

static labelling open_labelling(const char *generator, const char *interpreter, const nn_kernels *k, nn_precision precision, int threads)
{
    nn_err err = { 0 };
    labelling b = { .d = bench_drawing_open(generator, k, 1, true, threads) };
    const sg_config *c = sg_get_config(b.d.m);
    const size_t px = (size_t)(c->height * c->resolution);
    if (dg_interp_open(&b.in, interpreter, &err) == NN_OK) {
        b.in.precision = precision;
        b.l = dg_labeller_open(&b.in, b.d.m, threads, &err);
    }
    bench_fail(&err);
    b.out = (dg_labels){ .label = bench_alloc(px), .mean = bench_alloc(px * (size_t)b.in.classes * sizeof(float)) };
    bench_draw(&b.d);
    return b;
}

static void close_labelling(labelling *b)
{
    nn_free(b->out.label), nn_free(b->out.mean);
    dg_labeller_close(b->l);
    dg_interp_close(&b->in);
    bench_drawing_close(&b->d);
}

/* Mean probabilities of the first picture against the row ref. */
static double error_of(const char *generator, const char *interpreter, const labelling *b)
{
    labelling ref = open_labelling(generator, interpreter, &nn_kernels_ref, NN_FP32, omp_get_max_threads());
    const sg_config *c = sg_get_config(b->d.m);
    double worst = 0;
    run(&ref);
    for (nn_dim i = 0; i < b->in.classes * c->height * c->resolution; i++) {
        const double d = fabs((double)b->out.mean[i] - (double)ref.out.mean[i]);
        if (!(d <= worst)) worst = d;
    }
    close_labelling(&ref);
    return worst;
}

/* One row of the table: kernels, threads, precision; with drawing or without. */
static void bench_one(const char *name, const char *generator, const char *interpreter, const nn_kernels *k, int threads, nn_precision precision, bool draw,
                      bool judged)
{
    labelling b = open_labelling(generator, interpreter, k, precision, threads);
    bench_row row = { .work = draw ? "labelled" : "label", .k = k, .threads = threads, .units = 1, .cost = bench_label_cost(&b.in, b.d.m), .error = NAN };
    nn_format(row.name, sizeof row.name, "%s%s", name, precision == NN_BF16 ? "; bf16" : "");
    run(&b);
    if (judged && !draw) { row.error = error_of(generator, interpreter, &b); row.error_unit = "probability"; }
    omp_set_num_threads(threads);
    b.draw = draw;
    if (draw) row.cost = bench_cost_add(row.cost, bench_picture_cost(b.d.m, 1), 1);
    bench_measure(&row, run, &b);
    close_labelling(&b);
}

/* bf16 only where there are instructions for it. */
static void bench_labelling(const char *name, const char *generator, const char *interpreter, bool quick, bool judged)
{
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int t = 0; t < bench_chosen.thread_count; t++)
            for (int draw = 0; draw < 2; draw++)
                for (int p = NN_FP32; p < (strcmp(bench_chosen.row[r]->name, "amx") ? NN_BF16 : NN_PRECISIONS); p++)
                    if (bench_wanted(draw ? "labelled" : "label", name, quick))
                        bench_one(name, generator, interpreter, bench_chosen.row[r], bench_chosen.threads[t], (nn_precision)p, draw, judged);
}

void bench_labels(void)
{
    char path[BENCH_PATH], generator[BENCH_PATH];
    const char *small = "bundle 128; 864 features; 10 members 128/32; 4 classes", *large = "config-f 512; 6016 features; 10 members 256/128; 34 classes";
    if (bench_wanted("label", small, true) || bench_wanted("labelled", small, true)) {
        bench_drawing d = bench_drawing_open(BENCH_BUNDLE, bench_chosen.row[0], 1, true, omp_get_max_threads());
        bench_bundle_interpreter(d.m, path);
        bench_drawing_close(&d);
        bench_labelling(small, BENCH_BUNDLE, path, true, true);
    }
    if (!bench_wanted("label", large, false) && !bench_wanted("labelled", large, false)) return;
    nn_format(generator, sizeof generator, "%s/random512.safetensors", bench_chosen.folder);
    nn_format(path, sizeof path, "%s/bench-interpreter512.safetensors", bench_chosen.folder);
    if (!nn_path_exists(generator)) { printf("label    %s: %s is not there\n", large, generator); return; }
    bench_drawing d = bench_drawing_open(generator, bench_chosen.row[0], 1, true, omp_get_max_threads());
    bench_write_interpreter(d.m, &(bench_interpreter){ "editgan", 256, 128, 34, 10 }, path);
    bench_drawing_close(&d);
    bench_labelling(large, generator, path, false, false);
}
