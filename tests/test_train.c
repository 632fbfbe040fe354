/* test_train.c: gathering, training, resuming: the same bytes whatever happens on the way, and every refusal in one line. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/train.h"
#include "nn/half.h"
#include "tests/t.h"
#include "tests/tiny_set.h"

static const char *folder;
static sg_model *model;
static dg_task task;

/* ---- gathering ------------------------------------------------------------------------------------------------------ */

/* Every tap brought to the picture's size and concatenated, literally. */
static void literal(const sg_model *m, const sg_work *wk, nn_layout layout, nn_dim res, real *columns)
{
    nn_dim first = 0;
    for (int i = 0; i < sg_tap_count(m); i++) {
        const sg_tap_info *tap = sg_tap_at(m, i);
        real *planar = t_guarded(tap->c * tap->h * tap->w, true);
        nn_map_to_planar(layout, planar, sg_tap(wk, 0, i), tap->c, tap->h, tap->w);
        nn_bilinear_ref(columns + first * res * res, planar, tap->c, tap->h, tap->w, res, res);
        t_guarded_free(planar);
        first += tap->c;
    }
}

static void test_gather(const nn_kernels *k)
{
    nn_err err = { 0 };
    sg_model *m = tiny_generator(k);
    const nn_dim res = sg_get_config(m)->resolution;
    dg_features f;
    sg_work *wk = sg_work_open(m, 1, true, 1, &err);
    if (!wk || dg_features_open(&f, &task, "train", m, NULL, 0, &err) || dg_features_draw(&f, &task, "train", m, &err)) { t_fail("%s", err.msg); return; }
    real *columns = t_guarded(f.D * res * res, true), *want = t_guarded(f.D * res * res, true), *got = t_guarded(f.D * res * res, true);
    const nn_dim void_pixels = 5 * res;                   /* tiny_set.c: five columns of the first picture */
    t_check(f.pictures == TINY_ITEMS - 1 && f.pixel_count == f.pictures * res * res - void_pixels, "%s: pixels that are void are left out", k->name);
    for (nn_dim picture = 0; picture < 2; picture++) {
        nn_dim n = 0, first = -1;
        uint32_t at[32 * 32];
        sg_draw(m, wk, &f.seed[picture], 1, &task.draw, NULL);
        literal(m, wk, k->layout, res, columns);
        for (nn_dim i = 0; i < f.pixel_count; i++) {
            if (f.pixel[i] / (res * res) != picture) continue;
            if (first < 0) first = i;
            for (nn_dim d = 0; d < f.D; d++) want[n * f.D + d] = columns[d * res * res + f.pixel[i] % (res * res)];
            at[n++] = (uint32_t)i;
        }
        dg_features_gather(&f, 0, at, n, got);
        t_check(n == res * res - (picture == 0 ? void_pixels : 0) && f.pixel[first] == picture * res * res + (picture == 0 ? 5 : 0), "%s: the pixels of picture %td", k->name, picture);
        t_close(got, want, n * f.D, 4, "%s: gathered pixels of picture %td equal upsampled maps", k->name, picture);
    }
    t_guarded_free(columns); t_guarded_free(want); t_guarded_free(got);
    dg_features_close(&f);
    sg_work_close(wk);
    sg_close(m);
}

/* A batch's rows are the features: what it gathers, and what its taps say of the maps that it leaves where they lie. */
static void check_rows(const dg_features *f, const dg_batch *b, const uint32_t *at, nn_dim n, const char *what)
{
    real *want = t_guarded(n * f->D, true), *got = t_guarded(n * f->D, true);
    memset(got, 0, (size_t)(n * f->D) * sizeof *got);
    dg_features_gather(f, 0, at, n, want);
    bool labels = true;
    for (nn_dim r = 0; r < n; r++) {
        real *row = got + r * f->D;
        nn_dim before = 0;
        for (int g = 0; g < b->rows.map_count; g++) {
            const dg_small_map *m = &b->rows.map[g];
            for (nn_dim t = (r * b->rows.map_count + g) * 4, end = t + 4; t < end; t++)
                for (nn_dim c = 0; c < m->c; c++) row[c] += b->rows.weight[t] * m->x[(b->rows.position[t] - before) * m->c + c];
            before += m->n;
            row += m->c;
        }
        memcpy(row, b->rows.own + r * b->D, (size_t)b->D * sizeof *row);
        labels &= b->label[r] == f->label[at[r]];
    }
    t_close(got, want, n * f->D, 4, "batch, %s: rows are the pixels' features", what);
    t_check(labels, "batch, %s: labels", what);
    t_guarded_free(want); t_guarded_free(got);
}

static void test_batch(void)
{
    nn_err err = { 0 };
    dg_features f;
    if (dg_features_open(&f, &task, "train", model, NULL, 0, &err) || dg_features_draw(&f, &task, "train", model, &err)) { t_fail("%s", err.msg); return; }
    const uint32_t at[] = { 3, 0, 77, 2000, 1999, (uint32_t)f.pixel_count - 1, 1200 };
    const nn_dim n = sizeof at / sizeof *at, small = f.pictures * f.group[0].h * f.group[0].w, next = f.pictures * f.group[1].h * f.group[1].w;
    const struct { const char *what; nn_dim rows, h1; bool all; int maps; } cases[] = {
        { "one row too few for a map", small - 1, 8, false, 0 }, { "as many as its positions", small, 8, false, 1 }, { "one too few for two", next - 1, 8, false, 1 },
        { "two maps", next, 8, false, 2 }, { "all gathered", next, 8, true, 0 }, { "no layer 1", next, 0, false, 0 },
        { "results beyond 32 bits", next, INT32_MAX / small, false, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dg_batch b;
        if (dg_batch_open(&b, &f, cases[i].rows, dg_batch_shared(&f, cases[i].rows, cases[i].h1, cases[i].all), &err)) { t_fail("%s", err.msg); return; }
        t_check(b.rows.map_count == cases[i].maps, "batch, %s: %d maps left where they lie, found %d", cases[i].what, cases[i].maps, b.rows.map_count);
        dg_batch_fill(&b, at, n);
        check_rows(&f, &b, at, n, cases[i].what);
        dg_batch_close(&b);
    }
    f.half = true;
    t_check(dg_batch_shared(&f, next, 8, false).maps == 0, "batch: features as float16 are all gathered");
    dg_features_close(&f);
}

static void test_standardise(void)
{
    nn_err err = { 0 };
    dg_features raw, std;
    if (dg_features_open(&raw, &task, "train", model, NULL, 0, &err) || dg_features_draw(&raw, &task, "train", model, &err)
        || dg_features_open(&std, &task, "train", model, NULL, 0, &err) || dg_features_draw(&std, &task, "train", model, &err)
        || dg_features_standardise(&std, &err)) { t_fail("%s", err.msg); return; }
    const nn_dim n = raw.pixel_count, D = raw.D;
    uint32_t *all = nn_alloc((size_t)n * sizeof *all, "test", &err);
    for (nn_dim i = 0; i < n; i++) all[i] = (uint32_t)i;
    real *x = t_guarded(n * D, true), *y = t_guarded(n * D, true);
    dg_features_gather(&raw, 0, all, n, x);
    dg_features_gather(&std, 0, all, n, y);
    double worst_mean = 0.0, worst_var = 0.0;
    for (nn_dim d = 0; d < D; d++) {
        double sum = 0.0, square = 0.0;
        for (nn_dim i = 0; i < n; i++) {
            sum += y[i * D + d];
            square += (double)y[i * D + d] * y[i * D + d];
            x[i * D + d] = (x[i * D + d] - std.mean[d]) / std.std[d];
        }
        worst_mean = fmax(worst_mean, fabs(sum / (double)n));
        worst_var = fmax(worst_var, fabs(square / (double)n - 1.0));
    }
    t_limit(worst_mean, 1e-5, "standardised features have mean 0");
    t_limit(worst_var, 1e-5, "and variance 1");
    t_close(y, x, n * D, 40, "folding the statistics into the maps is the same as into the pixels");
    t_guarded_free(x); t_guarded_free(y);
    nn_free(all);
    dg_features_close(&raw);
    dg_features_close(&std);
}

/* ---- training: the same bytes --------------------------------------------------------------------------------------- */

static dg_train_options small_options(void)
{
    dg_train_options o;
    dg_train_recipe(&o, "default", TINY_CLASSES, NULL);
    o.members = 3;
    o.seed = 5;
    o.batch = 256;
    o.h1 = 16;
    o.h2 = 8;
    o.epochs = 2.5;
    o.lr = 0.01;
    return o;
}

/* Asks to stop at the calls listed in `at`, counted over all runs. */
typedef struct { int calls, stops; const int *at; int count; bool odd; } stopper;

static bool stop_at(void *user, const char *what, double done, double total, double value)
{
    stopper *s = user;
    s->calls++;
    s->odd |= !(strstr(what, "member") && done >= 1.0 && done <= total && value > 0.0);
    if (s->stops < s->count && s->calls >= s->at[s->stops]) { s->stops++; return false; }
    return true;
}

static nn_bytes read_all(const char *path)
{
    nn_err err = { 0 };
    nn_bytes b = { 0 };
    if (nn_file_read(path, 1 << 28, &b, &err)) t_fail("%s", err.msg);
    return b;
}

static const char *out_path(const char *name) { return tiny_path(folder, name); }
static nn_status train(const dg_train_options *o, const char *name, const dg_progress *p, nn_err *err)
{
    return dg_train(&task, "train", model, o, NULL, 0, out_path(name), p, err);
}

/* Train with `threads`, interrupted at the calls of `s` and resumed until done; the file must equal `want`. */
static void same_file(const dg_train_options *o, int threads, stopper *s, const nn_bytes *want, const char *what)
{
    const char *const name = "again.safetensors";
    nn_err err = { 0 };
    omp_set_num_threads(threads);
    const dg_progress p = { stop_at, s };
    nn_status status;
    int runs = 0;
    bool half = false, named = true;
    remove(out_path(name));
    do {
        err = (nn_err){ 0 };
        status = train(o, name, &p, &err);
        if (status != NN_ECANCEL) break;
        half |= !nn_path_exists(out_path("again.safetensors.part")) || nn_path_exists(out_path(name));
        named &= strstr(err.msg, "again.safetensors.part") != NULL;
    } while (++runs < 20);
    t_check(!half && named, "%s: after a stop there is a checkpoint, which the message names, and no result", what);
    t_check(!s->odd, "%s: progress names the member, counts up to the total and gives the loss", what);
    t_status(status, NN_OK, &err, NULL, "%s: %s", what, err.msg);
    /* With several threads one run may be asked twice before all have heard. */
    t_check(runs <= s->count && (runs > 0) == (s->count > 0), "%s: stopped %d times, expected %d", what, runs, s->count);
    t_check(!nn_path_exists(out_path("again.safetensors.part")), "%s: no checkpoint is left", what);
    nn_bytes got = read_all(out_path(name));
    t_check(got.size == want->size, "%s: %zu bytes, expected %zu", what, got.size, want->size);
    if (got.size == want->size) t_same(got.data, want->data, got.size, "%s", what);
    nn_bytes_free(&got);
}

static void test_same_bytes(const dg_train_options *o, const char *what, int most_threads)
{
    static const int once[] = { 1 }, late[] = { 29 }, often[] = { 3, 9, 10, 31, 52, 71 };
    char text[96];
    nn_err err = { 0 };
    remove(out_path("first.safetensors"));
    omp_set_num_threads(1);
    if (!t_status(train(o, "first.safetensors", NULL, &err), NN_OK, &err, NULL, "%s: %s", what, err.msg)) return;
    nn_bytes want = read_all(out_path("first.safetensors"));
    for (int threads = 1; threads <= most_threads; threads++) {
        const struct { const int *at; int count; } stop[] = { { once, 0 }, { once, 1 }, { late, 1 }, { often, 6 } };
        for (int i = 0; i < (threads > 2 ? 1 : 4); i++) {
            stopper s = { .at = stop[i].at, .count = stop[i].count };
            nn_format(text, sizeof text, "%s, %d thread(s), stopped %d time(s) from step %d on", what, threads, s.count, s.count ? s.at[0] : 0);
            same_file(o, threads, &s, &want, text);
        }
    }
    nn_bytes_free(&want);
}

typedef struct { double loss[2000]; int count; } losses;
static bool note_loss(void *user, const char *what, double done, double total, double value)
{
    (void)what, (void)done, (void)total;
    losses *l = user;
    if (l->count < 2000) l->loss[l->count++] = value;
    return true;
}

static void test_official_rule(void)
{
    dg_member m = { .best = 1e7 };
    bool early = false;
    for (int i = 0; i < 200; i++) early |= dg_official_stop(&m, i / 50, 0.5 + i);          /* epochs 0 to 3 do not count */
    t_check(!early && m.best == 1e7 && m.stale == 0, "the official rule waits for the fifth epoch");
    int steps = 0;
    do steps++; while (!dg_official_stop(&m, 4, steps == 30 ? 0.9 : steps == 60 ? 0.9 : 1.0) && steps < 1000);
    t_check(steps == 30 + 51, "and stops after 51 losses that are no new minimum: %d steps, expected 81", steps);
}

/* Stopped while it counts those 51, and resumed, it stops at the same step. */
static void test_official_resume(const dg_train_options *o)
{
    losses l = { .count = 0 };
    nn_err err = { 0 };
    const dg_progress p = { note_loss, &l };
    dg_train_options one = *o;
    one.members = 1;
    omp_set_num_threads(1);
    if (train(&one, "stop", &p, &err)) t_fail("%s", err.msg);
    t_check(l.count > 50 + 12 && l.count < 1800, "a run of 1800 steps stops early, after %d", l.count);
    nn_bytes want = read_all(out_path("stop"));
    const int at[] = { l.count - 5 };
    stopper s = { .at = at, .count = 1 };
    same_file(&one, 1, &s, &want, "official stop, resumed near its end");
    nn_bytes_free(&want);
}

static void test_bytes(void)
{
    dg_train_options o = small_options();
    test_same_bytes(&o, "plain", 3);
    o.dropout1 = 0.3;
    o.dropout2 = 0.1;
    o.decay = 0.01;
    test_same_bytes(&o, "dropout and decay", 1);
    o = small_options();
    o.standardise = o.one_cycle = false;
    o.official_stop = true;
    o.epochs = 600;
    o.batch = 1000;                                       /* 2912 pixels: the last batch of an epoch has 912 */
    o.lr = 0.3;                                           /* noisy enough to stop early, whatever the order of a sum */
    test_official_rule();
    test_official_resume(&o);
    test_same_bytes(&o, "official stop", 2);
}

/* ---- the released code's quirks ------------------------------------------------------------------------------------- */

/* numpy.float32(x).astype(float16), and gathered features rounded so. */
static void test_half(void)
{
    static const struct { float x; uint16_t want; } cases[] = {
        { 0.0f, 0 }, { -0.0f, 0x8000 }, { 1.0f, 0x3c00 }, { 0.1f, 0x2e66 }, { -2.5f, 0xc100 }, { 65504.0f, 0x7bff }, { 65519.9f, 0x7bff }, { 65520.0f, 0x7c00 },
        { 1e30f, 0x7c00 }, { -INFINITY, 0xfc00 }, { 2048.0f + 1.0f, 0x6800 }, { 2048.0f + 3.0f, 0x6802 }, { 6.1e-5f, 0x03ff }, { 0x1p-24f, 1 },
        { 0x1p-25f, 0 }, { 0x1.8p-24f, 2 }, { 1e-9f, 0 }, { 6.1035156e-5f, 0x0400 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        t_check(nn_half_from_float(cases[i].x) == cases[i].want, "float16 of %g: %04x, expected %04x", (double)cases[i].x, nn_half_from_float(cases[i].x), cases[i].want);
    int wrong = 0;
    for (uint32_t h = 0; h < 65536; h++) {
        const float x = nn_half_to_float((uint16_t)h);
        wrong += isnan(x) ? (nn_half_from_float(x) & 0x7e00) != 0x7e00 : nn_half_from_float(x) != h;
    }
    t_check(!wrong, "%d of 65536 halves do not come back", wrong);

    dg_features f;
    nn_err err = { 0 };
    if (dg_features_open(&f, &task, "train", model, NULL, 0, &err) || dg_features_draw(&f, &task, "train", model, &err)) { t_fail("%s", err.msg); return; }
    real *x = t_guarded(2 * f.D, true), *y = t_guarded(2 * f.D, true);
    const uint32_t at[2] = { 77, 2000 };
    dg_features_gather(&f, 0, at, 2, x);
    f.half = true;
    dg_features_gather(&f, 0, at, 2, y);
    double worst = 0.0;
    int same = 0;
    for (nn_dim i = 0; i < 2 * f.D; i++) {
        same += x[i] == y[i];
        worst = fmax(worst, fabs(x[i] - y[i]) / fmax(fabs(x[i]), 0x1p-14));
    }
    t_limit(worst, 0x1p-11, "features as float16: off by");
    t_check(same < f.D, "they are rounded");
    t_guarded_free(x); t_guarded_free(y);
    dg_features_close(&f);
}

/* Small classes go to background, picture by picture; the network knows largest label + 1 classes, the file all of them. */
static void test_official(void)
{
    dg_features f;
    nn_err err = { 0 };
    if (!t_status(dg_features_open(&f, &task, "train", model, NULL, 0, &err), NN_OK, &err, NULL, "%s", err.msg)) return;
    nn_dim count[3][3] = { { 0 } }, after[3][3] = { { 0 } }, smallest = 1 << 20;
    for (nn_dim i = 0; i < f.pixel_count; i++) count[f.pixel[i] / 1024][f.label[i]]++;
    for (int p = 0; p < 3; p++) for (int k = 1; k < 3; k++) if (count[p][k] > 0 && count[p][k] < smallest) smallest = count[p][k];
    t_status(dg_features_clean(&f, smallest, &err), NN_OK, &err, NULL, "clean: %s", err.msg);
    for (nn_dim i = 0; i < f.pixel_count; i++) after[f.pixel[i] / 1024][f.label[i]]++;
    t_check(!memcmp(count, after, sizeof count), "a class of just as many pixels stays");
    t_status(dg_features_clean(&f, smallest + 1, &err), NN_OK, &err, NULL, "clean: %s", err.msg);
    memset(after, 0, sizeof after);
    int gone = 0, wrong = 0;
    for (nn_dim i = 0; i < f.pixel_count; i++) after[f.pixel[i] / 1024][f.label[i]]++;
    for (int p = 0; p < 3; p++) for (int k = 1; k < 3; k++) {
        gone += count[p][k] > 0 && after[p][k] == 0;
        wrong += after[p][k] != (count[p][k] <= smallest ? 0 : count[p][k]);
    }
    t_check(gone >= 1 && !wrong, "one of fewer is background in that picture only: %d gone, %d wrong", gone, wrong);
    dg_features_close(&f);

    dg_train_options o;
    dg_interp in;
    t_check(dg_train_recipe(&o, "official", 40, &err) == NN_OK && o.h1 == 0 && o.half && o.min_pixels == 30 && o.official_stop && !o.standardise, "the recipe");
    o.members = 2;
    o.epochs = 0.3;
    o.min_pixels = 1 << 20;                                /* nothing is left but background: the network knows 2 of 3 classes */
    remove(out_path("official.safetensors"));
    if (train(&o, "official.safetensors", NULL, &err) || dg_interp_open(&in, out_path("official.safetensors"), &err)) { t_fail("%s", err.msg); return; }
    t_check(in.classes == TINY_CLASSES && in.h1 == 128 && in.h2 == 32, "widths by the classes found: %td, %td", in.h1, in.h2);
    int absent = 0;
    for (int m = 0; m < 2; m++) {
        absent += in.b3[m * 3 + 2] == (real)-1e4 && in.b3[m * 3 + 1] > (real)-1e3;
        for (nn_dim i = 0; i < 32; i++) absent += in.w3[(m * 3 + 2) * 32 + i] == 0 && in.w3[(m * 3 + 1) * 32 + i] != 0;
    }
    t_check(absent == 2 + 2 * 32, "the class that the network does not know is never chosen: %d", absent);
    dg_interp_close(&in);
    o.half = false;
    t_status(train(&o, "official.safetensors", NULL, &err), NN_EEXISTS, &err, NULL, "without float16 it is another run");
}

/* ---- what comes out ------------------------------------------------------------------------------------------------- */

static void test_result(void)
{
    nn_err err = { 0 };
    dg_train_options o = small_options();
    o.epochs = 10;
    dg_interp in;
    remove(out_path("result.safetensors"));
    if (train(&o, "result.safetensors", NULL, &err) || dg_interp_open(&in, out_path("result.safetensors"), &err)) { t_fail("%s", err.msg); return; }
    t_check(in.members == 3 && in.classes == TINY_CLASSES && in.h1 == 16 && in.h2 == 8 && in.D == 116 && in.tap_count == sg_tap_count(model), "sizes");
    t_check(!strcmp(in.generator, sg_identity(model)) && !strcmp(in.task_name, "tiny") && !strcmp(in.class_at[2].name, "light"), "generator, task, classes");
    t_check(in.seed_count == 3 && in.seed[0] == TINY_SEED && in.seed[2] == TINY_SEED + 2, "the annotated seeds are those of the split");
    t_check(in.draw.psi == 0.75 && in.draw.cutoff == 5 && in.draw.noise == SG_NOISE_CONST, "psi, cutoff and noise");
    t_check(!strcmp(in.tap[0], "b4.conv1") && !strcmp(in.tap[1], "b8.conv0") && in.tap_channels[0] == 30, "feature maps in network order");
    const char *training = nn_st_meta(&in.file, "training");
    t_check(training && strstr(training, "\"recipe\":\"default\"") && strstr(training, "\"batch\":256") && strstr(training, "\"pictures\":3"), "settings: %s", training);
    nn_confusion *c = nn_alloc(sizeof *c, "test", &err);
    nn_scores s;
    if (!c || dg_eval_task(&task, "train", model, &in, c, &err)) t_fail("%s", err.msg);
    else {
        nn_confusion_scores(c, &s);
        t_limit(1.0 - s.accuracy, 0.2, "it has learnt: share of pixels wrong");
    }
    nn_free(c);
    dg_interp_close(&in);
}

/* With a rate that moves nothing, a start from an interpreter ends with its numbers, running statistics aside. */
static void test_init(void)
{
    nn_err err = { 0 };
    dg_train_options o = small_options();
    dg_interp from, in;
    if (train(&o, "from.safetensors", NULL, &err) || dg_interp_open(&from, out_path("from.safetensors"), &err)) { t_fail("%s", err.msg); return; }
    dg_train_start_from(&o, &from);
    o.lr = 1e-12;
    o.epochs = 1e-6;
    if (train(&o, "init.safetensors", NULL, &err) || dg_interp_open(&in, out_path("init.safetensors"), &err)) t_fail("%s", err.msg);
    else {
        const nn_dim M = from.members;
        t_check(in.members == M && in.h1 == from.h1 && in.h2 == from.h2, "sizes of the earlier one");
        t_same(in.mean, from.mean, (size_t)in.D * sizeof(real), "its standardisation: mean");
        t_same(in.std, from.std, (size_t)in.D * sizeof(real), "its standardisation: deviation");
        t_close(in.w1, from.w1, M * in.h1 * in.D, 4, "weights 1");
        t_close(in.w2, from.w2, M * in.h2 * in.h1, 4, "weights 2");
        t_close(in.w3, from.w3, M * in.classes * in.h2, 4, "weights 3");
        t_close(in.g2, from.g2, M * in.h2, 4, "gamma 2");
        t_close(in.b3, from.b3, M * in.classes, 4, "bias 3");
        t_check(memcmp(in.m1, from.m1, (size_t)(M * in.h1) * sizeof(real)) != 0, "running statistics go on");
        dg_interp_close(&in);
    }
    dg_interp_close(&from);
}

/* The file of a linear probe: layer 1 both signs of one linear function, then its difference. */
static void test_probe(void)
{
    nn_err err = { 0 };
    dg_train_options o = small_options();
    dg_interp in;
    o.h1 = DG_NO_LAYER;
    if (train(&o, "probe.safetensors", NULL, &err) || dg_interp_open(&in, out_path("probe.safetensors"), &err)) { t_fail("%s", err.msg); return; }
    const nn_dim n = 2 * TINY_CLASSES;
    bool opposite = true, identity = true, difference = true;
    for (nn_dim m = 0; m < in.members; m++)
        for (nn_dim k = 0; k < TINY_CLASSES; k++) {
            for (nn_dim d = 0; d < in.D; d++) opposite &= in.w1[(m * n + k) * in.D + d] == -in.w1[(m * n + TINY_CLASSES + k) * in.D + d];
            opposite &= in.b1[m * n + k] == -in.b1[m * n + TINY_CLASSES + k];
            for (nn_dim i = 0; i < n; i++) identity &= in.w2[(m * n + k) * n + i] == (real)(i == k);
            for (nn_dim i = 0; i < n; i++) difference &= in.w3[(m * TINY_CLASSES + k) * n + i] == (real)((i == k) - (i == k + TINY_CLASSES));
        }
    t_check(in.h1 == n && in.h2 == n && opposite && identity && difference, "a linear probe as a network with hidden layers");
    nn_confusion *c = nn_alloc(sizeof *c, "test", &err);
    nn_scores s;
    if (!c || dg_eval_task(&task, "train", model, &in, c, &err)) t_fail("%s", err.msg);
    else {
        nn_confusion_scores(c, &s);
        t_limit(1.0 - s.accuracy, 0.3, "a linear probe has learnt: share of pixels wrong");
    }
    nn_free(c);
    dg_interp_close(&in);
}

static void test_taps(void)
{
    const char *const some[] = { "b16.conv0", "b8.conv1", "b32.conv1" }, *const sorted[] = { "b8.conv1", "b16.conv0", "b32.conv1" };
    const char *const twice[] = { "b8.conv1", "b8.conv1" }, *const unknown[] = { "b64.conv0" };
    const dg_train_options o = small_options();
    nn_err err = { 0 };
    dg_interp in;
    t_status(dg_train(&task, "train", model, &o, some, 3, out_path("t1"), NULL, &err), NN_OK, &err, NULL, "some maps: %s", err.msg);
    t_status(dg_train(&task, "train", model, &o, sorted, 3, out_path("t2"), NULL, &err), NN_OK, &err, NULL, "some maps in order: %s", err.msg);
    nn_bytes a = read_all(out_path("t1")), b = read_all(out_path("t2"));
    t_check(a.size == b.size && !memcmp(a.data, b.data, a.size), "the order of the names does not matter");
    nn_bytes_free(&a);
    nn_bytes_free(&b);
    if (dg_interp_open(&in, out_path("t1"), &err)) t_fail("%s", err.msg);
    else t_check(in.tap_count == 3 && in.D == 25 + 12 + 6 && !strcmp(in.tap[0], "b8.conv1") && dg_interp_check(&in, model, &err) == NN_OK, "the file names the maps");
    dg_interp_close(&in);
    t_status(dg_train(&task, "train", model, &o, twice, 2, out_path("t3"), NULL, &err), NN_EINVAL, &err, "'b8.conv1' is named twice", "a map twice");
    err = (nn_err){ 0 };
    t_status(dg_train(&task, "train", model, &o, unknown, 1, out_path("t3"), NULL, &err), NN_EINVAL, &err, "no feature map 'b64.conv0'; it has b4.conv1 to b32.conv1", "an unknown map");
    t_check(!nn_path_exists(out_path("t3")) && !nn_path_exists(out_path("t3.part")), "nothing is written");
}

/* ---- refusals ------------------------------------------------------------------------------------------------------- */

static void test_finished(void)
{
    dg_train_options o = small_options(), other = o;
    other.batch = 128;
    nn_err err = { 0 };
    stopper s = { .count = 0 };
    const dg_progress p = { stop_at, &s };
    if (train(&o, "done", NULL, &err)) t_fail("%s", err.msg);
    nn_bytes first = read_all(out_path("done"));
    t_status(train(&o, "done", &p, &err), NN_OK, &err, NULL, "a finished run is left alone");
    t_check(s.calls == 0, "and nothing is trained");
    t_status(train(&other, "done", NULL, &err), NN_EEXISTS, &err, "batch is 256 there, 128 in this command", "a file of other settings");
    nn_bytes now = read_all(out_path("done"));
    t_check(now.size == first.size && !memcmp(now.data, first.data, now.size), "and is not touched");
    nn_bytes_free(&now);
    other.replace = true;
    err = (nn_err){ 0 };
    t_status(train(&other, "done", NULL, &err), NN_OK, &err, NULL, "replace: %s", err.msg);
    tiny_write(out_path("done"), "something else", 14);
    t_status(train(&o, "done", NULL, &err), NN_EEXISTS, &err, "it is no interpreter", "another kind of file");
    nn_bytes_free(&first);
}

static void test_checkpoint(void)
{
    static const int at[] = { 20 };
    dg_train_options o = small_options(), other = o;
    other.lr = 0.02;
    nn_err err = { 0 };
    stopper s = { .at = at, .count = 1 };
    const dg_progress p = { stop_at, &s };
    t_status(train(&o, "cut", &p, &err), NN_ECANCEL, &err, "the checkpoint", "stopped");
    nn_bytes part = read_all(out_path("cut.part"));
    err = (nn_err){ 0 };
    t_status(train(&other, "cut", NULL, &err), NN_EEXISTS, &err, "belongs to a run with other settings (lr is 0.01", "a checkpoint of other settings");
    err = (nn_err){ 0 };
    tiny_write(out_path("cut.part"), part.data, part.size - 8);
    t_status(train(&o, "cut", NULL, &err), NN_EFORMAT, &err, "cut.part", "a truncated checkpoint");
    err = (nn_err){ 0 };
    tiny_write(out_path("cut.part"), "x", 1);
    t_status(train(&o, "cut", NULL, &err), NN_EFORMAT, &err, "cut.part", "a file in the way");
    t_check(!nn_path_exists(out_path("cut")), "no result");
    other.replace = true;
    err = (nn_err){ 0 };
    tiny_write(out_path("cut.part"), part.data, part.size);
    t_status(train(&other, "cut", NULL, &err), NN_OK, &err, NULL, "replace: %s", err.msg);
    nn_bytes_free(&part);
}

/* One number of the checkpoint's progress table changed: a step without a state, a state without steps, nonsense. */
static void test_hostile_checkpoint(void)
{
    static const int at[] = { 20 };
    static const struct { int64_t step, done, stale; const char *part; } bad[] = {
        { -1, 0, 0, "makes no sense" }, { 3, 2, 0, "makes no sense" }, { 0, 1, 0, "makes no sense" }, { 3, 0, -5, "makes no sense" },
        { 3, 1, 0, "member.000.state" },
    };
    const dg_train_options o = small_options();
    nn_err err = { 0 };
    stopper s = { .at = at, .count = 1 };
    const dg_progress p = { stop_at, &s };
    omp_set_num_threads(1);
    if (train(&o, "bad", &p, &err) != NN_ECANCEL) t_fail("stopped: %s", err.msg);
    nn_bytes part = read_all(out_path("bad.part"));
    const int64_t good[3] = { 20, 0, 0 };
    uint8_t *found = NULL;
    for (size_t i = 0; i + sizeof good <= part.size && !found; i++) if (!memcmp(part.data + i, good, sizeof good)) found = part.data + i;
    if (!found) { t_fail("the checkpoint holds member 0 at step 20"); return; }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(found, &bad[i], sizeof good);
        tiny_write(out_path("bad.part"), part.data, part.size);
        err = (nn_err){ 0 };
        t_status(train(&o, "bad", NULL, &err), i == 4 ? NN_ESHAPE : NN_EFORMAT, &err, bad[i].part, "progress %d %d %d", (int)bad[i].step, (int)bad[i].done, (int)bad[i].stale);
    }
    nn_bytes_free(&part);
}

static void test_edited_label(void)
{
    static const int at[] = { 20 };
    const dg_train_options o = small_options();
    nn_err err = { 0 };
    stopper s = { .at = at, .count = 1 };
    const dg_progress p = { stop_at, &s };
    nn_image label;
    if (train(&o, "edit", &p, &err) != NN_ECANCEL) t_fail("stopped: %s", err.msg);
    err = (nn_err){ 0 };
    if (dg_item_label(&task, &task.item[1], 32, 32, &label, &err)) { t_fail("%s", err.msg); return; }
    label.pixels[40] = (uint8_t)((label.pixels[40] + 1) % TINY_CLASSES);
    nn_png_write(task.item[1].label, &label, NULL, &err);
    t_status(train(&o, "edit", NULL, &err), NN_EEXISTS, &err, "annotations is", "a label edited between two runs");
    label.pixels[40] = (uint8_t)((label.pixels[40] + 2) % TINY_CLASSES);
    nn_png_write(task.item[1].label, &label, NULL, &err);
    err = (nn_err){ 0 };
    t_status(train(&o, "edit", NULL, &err), NN_OK, &err, NULL, "the edit taken back: %s", err.msg);
    nn_image_free(&label);
}

static void test_not_finite(void)
{
    dg_train_options o = small_options();
    o.lr = o.decay = 1000;                                /* each step multiplies the weights by a million */
    nn_err err = { 0 };
    t_status(train(&o, "nan", NULL, &err), NN_EINVAL, &err, "is not finite at step", "a rate of 1000");
    t_check(nn_path_exists(out_path("nan.part")) && !nn_path_exists(out_path("nan")), "the checkpoint is kept, there is no result");
}

static void test_bad_input(void)
{
    dg_train_options o = small_options();
    nn_err err = { 0 };
    t_status(dg_train(&task, "training", model, &o, NULL, 0, out_path("no"), NULL, &err), NN_EINVAL, &err, "no item has split \"training\"", "no such split");
    err = (nn_err){ 0 };
    t_status(dg_train_recipe(&o, "fast", 4, &err), NN_EINVAL, &err, "no recipe \"fast\"; expected \"default\", \"paper\" or \"official\"", "no such recipe");
    static const struct { dg_train_options o; const char *part; } bad[] = {
        { { .members = 0, .batch = 64, .h1 = 4, .h2 = 4, .epochs = 1, .lr = 1 }, "members: expected 1 to 1000, found 0" },
        { { .members = 1, .batch = 1, .h1 = 4, .h2 = 4, .epochs = 1, .lr = 1 }, "batch: expected 2 to" },
        { { .members = 1, .batch = 64, .h1 = -2, .h2 = 4, .epochs = 1, .lr = 1 }, "width1: expected -1 to 65536, found -2" },
        { { .members = 1, .batch = 64, .h1 = 4, .h2 = 4, .epochs = NAN, .lr = 1 }, "epochs: expected" },
        { { .members = 1, .batch = 64, .h1 = 4, .h2 = 4, .epochs = 1, .lr = -1 }, "lr: expected" },
        { { .members = 1, .batch = 64, .h1 = 4, .h2 = 4, .epochs = 1, .lr = 1, .dropout1 = 1 }, "dropout1: expected 0 to 0.99, found 1" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (nn_err){ 0 };
        t_status(train(&bad[i].o, "no", NULL, &err), NN_EINVAL, &err, bad[i].part, "settings %zu", i);
    }
    o = small_options();
    err = (nn_err){ 0 };
    tiny_write(out_path("file"), "x", 1);
    t_status(train(&o, "file/out", NULL, &err), NN_EIO, &err, "file/out.part", "an output below a regular file");
    err = (nn_err){ 0 };
    t_status(train(&o, "absent/out", NULL, &err), NN_EIO, &err, "absent/out.part", "an output folder that is not there");
    t_check(!nn_path_exists(out_path("no")) && !nn_path_exists(out_path("no.part")), "nothing is written");
}

static void test_other_generator(void)
{
    const dg_train_options o = small_options();
    nn_err err = { 0 };
    sg_model *other = sg_open("tests/golden/stylegan2_rgba.safetensors", sg_get_kernels(model), &err);
    if (!other) { t_fail("%s", err.msg); return; }
    dg_task t;
    if (dg_task_read(&t, tiny_path(folder, "task.json"), &err)) { t_fail("%s", err.msg); return; }
    t_status(dg_train(&t, "train", other, &o, NULL, 0, out_path("other"), NULL, &err), NN_EMISMATCH, &err, "they do not belong together", "a generator of another identity");
    t.generator_sha256[0] = '\0';
    err = (nn_err){ 0 };
    dg_item held = t.item[1];
    t.item[1].seed = 7;
    t_status(dg_train(&t, "train", model, &o, NULL, 0, out_path("other"), NULL, &err), NN_EMISMATCH, &err,
             "images/1.png: seed 7 drawn by generator", "a picture that is not its seed's");
    t.item[1] = held;
    t_check(!nn_path_exists(out_path("other")) && !nn_path_exists(out_path("other.part")), "nothing is written");
    dg_task_free(&t);
    sg_close(other);
}

int main(void)
{
    static char path[256];
    nn_err err = { 0 };
    nn_format(path, sizeof path, "%s", t_folder("train"));
    folder = path;
    model = tiny_generator(nn_kernels_pick("auto", &err));
    tiny_set_make(folder, model);
    if (dg_task_read(&task, tiny_path(folder, "task.json"), &err)) { t_fail("%s", err.msg); return t_done(); }
    for (int i = 0; i < nn_kernels_count(); i++) if (nn_kernels_at(i)->usable()) test_gather(nn_kernels_at(i));
    test_batch();
    test_standardise();
    test_result();
    test_bytes();
    test_half();
    test_official();
    test_init();
    test_probe();
    test_taps();
    test_finished();
    test_checkpoint();
    test_hostile_checkpoint();
    test_edited_label();
    test_not_finite();
    test_bad_input();
    test_other_generator();
    dg_task_free(&task);
    sg_close(model);
    return t_done();
}
