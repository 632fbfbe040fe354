/* data.c: whole datasets: drawing, labelling, PNG, manifest, fsync; and a training step of the segmentation networks. */
#include <dirent.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "datasetgan/datasetgan.h"
#include "deeplab/deeplab.h"
#include "nn/file.h"

/* ---- dataset ---------------------------------------------------------------------------------------------------------------------- */

enum { BATCH = 8 };

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    if (!d) { (void)unlink(path); return; }
    for (const struct dirent *e; (e = readdir(d));) {
        char inner[1024];
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        nn_format(inner, sizeof inner, "%s/%s", path, e->d_name);
        remove_all(inner);
    }
    closedir(d);
    (void)rmdir(path);
}

double bench_dataset_once(const sg_model *m, const dg_interp *in, uint64_t count, const char *out)
{
    nn_err err = { 0 };
    dg_dataset_result result;
    const dg_dataset_options o = { .count = count, .draw = in->draw, .batch = BATCH, .out = out, .version = "bench" };
    remove_all(out);
    const double from = bench_clock(omp_get_max_threads());
    dg_dataset(m, in, &o, NULL, &result, &err);
    const double seconds = bench_clock(omp_get_max_threads()) - from;
    remove_all(out);
    bench_fail(&err);
    return seconds;
}

void bench_datasets(void)
{
    enum { RUNS = 3 };
    const char *name = "bundle 128; 10 members";
    const uint64_t count = bench_chosen.quick ? 32 : 128;
    char interpreter[BENCH_PATH], out[BENCH_PATH];
    if (!bench_wanted("dataset", name, true)) return;
    nn_format(out, sizeof out, "%s/bench-dataset", bench_chosen.folder);
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int t = 0; t < bench_chosen.thread_count; t++) {
            bench_drawing d = bench_drawing_open(BENCH_BUNDLE, bench_chosen.row[r], 1, false, bench_chosen.threads[t]);
            bench_run run[RUNS];
            nn_err err = { 0 };
            dg_interp in;
            bench_bundle_interpreter(d.m, interpreter);
            dg_interp_open(&in, interpreter, &err);
            bench_fail(&err);
            bench_row row = { .work = "dataset", .k = bench_chosen.row[r], .threads = bench_chosen.threads[t], .units = (double)count, .error = NAN,
                              .cost = bench_cost_add(bench_picture_cost(d.m, BATCH), bench_label_cost(&in, d.m), 1),
                              .note = "a sample; the bound knows nothing of PNG and fsync" };
            nn_format(row.name, sizeof row.name, "%s", name);
            const double cpu = bench_cpu();
            for (int i = 0; i < RUNS; i++) {
                run[i].peak = bench_peak_now(row.threads) / 2;
                run[i].seconds = bench_dataset_once(d.m, &in, count, out);
                run[i].peak += bench_peak_now(row.threads) / 2;
            }
            bench_report(&row, run, RUNS, bench_cpu() - cpu);
            dg_interp_close(&in);
            bench_drawing_close(&d);
        }
}

/* ---- segmentation networks ---------------------------------------------------------------------------------------------------------- */

/* Forward, towards the weights and towards the input (not for the first layer, which reads the picture). */
static bench_cost net_cost(const dl_net *n, nn_dim batch, nn_dim size)
{
    bench_cost all = { .algorithm = "" };
    nn_dim *side = bench_alloc((size_t)n->node_count * sizeof *side);
    for (int i = 0; i < n->node_count; i++) {
        const dl_node *d = &n->node[i];
        const nn_dim in = d->in_count ? side[d->in[0]] : size;
        side[i] = d->op == DL_INPUT ? size : d->op == DL_AVGPOOL ? 1 : d->op == DL_RESIZE ? side[d->like] : in;
        if (d->op == DL_CONV || d->op == DL_MAXPOOL) side[i] = (in + 2 * d->pad - d->dilation * (d->ks - 1) - 1) / d->stride + 1;
        if (d->op == DL_MAXPOOL) side[i] = (in + 2 * d->pad - d->ks) / d->stride + 1;
        if (d->op != DL_CONV) continue;
        const double macs = (double)(batch * side[i] * side[i] * d->c * d->ks * d->ks * n->node[d->in[0]].c), ways = d->in[0] ? 3 : 2;
        const double maps = (double)(batch * (side[i] * side[i] * d->c + in * in * n->node[d->in[0]].c));
        all = bench_cost_add(all, (bench_cost){ 2 * ways * macs, ways * macs, ways * sizeof(real) * maps, NULL }, 1);
    }
    nn_free(side);
    return all;
}

typedef struct { uint8_t *rgb, *label; nn_dim size; double last, peak; bench_run *run; int count, most, threads; } steps;

static nn_status fetch(void *user, uint64_t first, nn_dim n, dl_sample *out, nn_err *err)
{
    const steps *s = user;
    (void)first, (void)err;
    for (nn_dim i = 0; i < n; i++) out[i] = (dl_sample){ s->size, s->size, s->rgb, s->label, NULL };
    return NN_OK;
}

static bool step_done(void *user, const char *what, double done, double total, double value)
{
    steps *s = user;
    const double seconds = bench_clock(s->threads) - s->last, peak = bench_peak_now(s->threads);
    (void)what, (void)done, (void)total, (void)value;
    if (s->last > 0 && s->count < s->most) s->run[s->count++] = (bench_run){ seconds, (s->peak + peak) / 2 };        /* the first step is not timed */
    s->peak = peak;
    s->last = bench_clock(s->threads);
    return true;
}

static void bench_segment(const char *kind, nn_dim batch, nn_dim size, bool quick)
{
    enum { STEPS = 6, CLASSES = 4 };
    char name[96], checkpoint[BENCH_PATH];
    nn_format(name, sizeof name, "%s %td batch %td", kind, size, batch);
    if (!bench_wanted("segment", name, quick)) return;
    nn_format(checkpoint, sizeof checkpoint, "%s/bench-segment.part", bench_chosen.folder);
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int t = 0; t < bench_chosen.thread_count; t++) {
            nn_err err = { 0 };
            bench_run run[STEPS];
            dl_model m = { .size = size, .class_count = CLASSES };
            const int threads = bench_chosen.threads[t];
            steps s = { bench_alloc((size_t)(3 * size * size)), bench_alloc((size_t)(size * size)), size, 0, 0, run, 0, STEPS, threads };
            for (nn_dim i = 0; i < 3 * size * size; i++) s.rgb[i] = (uint8_t)(i * 7919 % 251);
            for (nn_dim i = 0; i < size * size; i++) s.label[i] = (uint8_t)(i / 37 % CLASSES);
            omp_set_num_threads(threads);
            dl_net_open(&m.net, &(dl_choice){ kind, CLASSES, 16, 0, 0, false }, &err);
            bench_fail(&err);
            dl_net_init(&m.net, 1);
            dl_train_options o = { .batch = batch, .steps = STEPS + 1, .optimiser = "adam", .schedule = "cosine", .lr = 1e-3, .average = 0.99, .threads = threads };
            dl_augment_default(&o.augment, 1.0);
            json_t *curve = json_array(), *settings = json_object();
            const double cpu = bench_cpu();
            int lock = -1;                               /* too few steps for a checkpoint */
            dl_train(&m, bench_chosen.row[r], &o, &(dl_source){ fetch, &s }, NULL, 0, settings, checkpoint, &lock, true, curve,
                     &(dl_progress){ step_done, &s }, &err);
            bench_fail(&err);
            bench_row row = { .work = "segment", .k = bench_chosen.row[r], .threads = threads, .units = 1, .cost = net_cost(&m.net, batch, size), .error = NAN,
                              .note = "a training step with augmentation" };
            nn_format(row.name, sizeof row.name, "%s", name);
            bench_report(&row, run, s.count, (bench_cpu() - cpu) * STEPS / (STEPS + 1));
            json_decref(curve);
            json_decref(settings);
            dl_net_close(&m.net);
            nn_free(s.rgb), nn_free(s.label);
        }
}

void bench_segments(void)
{
    bench_segment("light", 8, 128, true);
    bench_segment("resnet18", 4, 128, false);
    bench_segment("resnet50", 2, 256, false);
}
