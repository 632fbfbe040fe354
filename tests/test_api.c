/* test_api.c: the public library: what its handles give is what the inside gives, threads and handles do not disturb each other, a
 * progress callback stops, wrong arguments are refused; nothing of the process is changed. */
#include <locale.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deeplab/deeplab.h"
#include "dgan/datasetgan.h"
#include "dgan/deeplab.h"
#include "nn/file.h"
#include "tests/t.h"
#include "tests/tiny_run.h"
#include "tests/tiny_interp.h"
#include "tests/tiny_set.h"

#define GREY "tests/golden/stylegan2_grey.safetensors"
enum { RES_MAX = 64, SAMPLES = 12, SAMPLE_BYTES = RES_MAX * RES_MAX * (4 + 1 + 4) + 64 };

static const char *folder;
static char interp_rgb[DG_PATH], interp_grey[DG_PATH], task[DG_PATH];

static void make_files(void)
{
    nn_err err = { 0 };
    dg_interp in = { 0 };
    folder = t_folder("api");
    sg_model *rgb = tiny_generator(nn_kernels_pick("auto", &err)), *grey = sg_open(GREY, nn_kernels_pick("auto", &err), &err);
    if (!grey) t_fail("%s", err.msg);
    nn_format(interp_rgb, sizeof interp_rgb, "%s", tiny_path(folder, "rgb.safetensors"));
    nn_format(interp_grey, sizeof interp_grey, "%s", tiny_path(folder, "grey.safetensors"));
    tiny_interp(&in, interp_rgb, rgb, "tiny", "middle", 7);
    dg_interp_close(&in);
    tiny_interp(&in, interp_grey, grey, "grey", "middle", 8);
    dg_interp_close(&in);
    char set[DG_PATH - 16];
    nn_format(set, sizeof set, "%s", tiny_path(folder, "set"));
    tiny_set_make(set, rgb);
    nn_format(task, sizeof task, "%s/task.json", set);
    sg_close(rgb);
    sg_close(grey);
}

/* ---- what the handles give ------------------------------------------------------------------------------------------- */

static void test_drawing(void)
{
    enum { N = 3 };
    const uint32_t seed[N] = { 5, 6, 4000000000u };
    dgan_error err = { 0 };
    nn_err own = { 0 };
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err);
    dgan_drawer *d = dgan_drawer_open(g, N, 1, &err);
    sg_model *m = tiny_generator(nn_kernels_pick("auto", &own));
    sg_work *wk = sg_work_open(m, N, true, 1, &own);
    if (!d || !wk) { t_fail("%s%s", err.message, own.msg); return; }
    const sg_config *c = sg_get_config(m);
    const nn_dim pixels = c->resolution * c->resolution, each_ws = c->num_ws * c->w_dim;
    const sg_options o = { .psi = 0.5, .cutoff = 4, .noise = SG_NOISE_RANDOM };
    dgan_draw draw = DGAN_DRAW_INIT;
    draw.psi = 0.5;
    draw.cutoff = 4;
    draw.noise = DGAN_NOISE_RANDOM;
    t_check(dgan_generator_resolution(g) == c->resolution && dgan_generator_channels(g) == c->img_channels && dgan_generator_z_dim(g) == c->z_dim
            && dgan_generator_w_dim(g) == c->w_dim && dgan_generator_num_ws(g) == c->num_ws && dgan_generator_taps(g) == sg_tap_count(m)
            && dgan_generator_bytes(g) > 0 && !strcmp(dgan_generator_identity(g), sg_identity(m))
            && !strcmp(dgan_generator_kernels(g), sg_get_kernels(m)->name), "a generator's getters");

    sg_draw(m, wk, seed, N, &o, NULL);
    float *held = nn_alloc((size_t)(N * (each_ws + pixels * 4)) * sizeof *held, "test", NULL), *picture = held + N * each_ws;
    t_check(dgan_draw_seeds(d, seed, N, &draw, &err) == DGAN_OK, "draw by seed: %s", err.message);
    for (int n = 0; n < N; n++) {
        const size_t bytes = (size_t)(c->img_channels * pixels) * sizeof(float);
        t_same(dgan_picture(d, n), sg_picture(wk, n), bytes, "picture %d", n);
        memcpy((char *)picture + (size_t)n * bytes, dgan_picture(d, n), bytes);
        memcpy(held + n * each_ws, dgan_ws(d, n), (size_t)each_ws * sizeof *held);
    }
    /* By ws, in another order, and by z: the same pictures. */
    t_check(dgan_draw_ws(d, held + each_ws, 1, &draw, seed + 1, &err) == DGAN_OK, "draw by ws: %s", err.message);
    t_same(dgan_picture(d, 0), picture + c->img_channels * pixels, (size_t)(c->img_channels * pixels) * sizeof(float), "by ws");
    t_check(!dgan_picture(d, 1) && !dgan_ws(d, 1), "a picture that was not drawn");
    float *z = nn_alloc((size_t)c->z_dim * sizeof *z, "test", NULL);
    sg_z(m, seed[2], z);
    t_check(dgan_draw_z(d, z, 1, &draw, seed + 2, &err) == DGAN_OK, "draw by z: %s", err.message);
    t_same(dgan_picture(d, 0), picture + 2 * c->img_channels * pixels, (size_t)(c->img_channels * pixels) * sizeof(float), "by z");

    /* A map where it lies, and copied. */
    for (int i = 0; i < dgan_generator_taps(g); i++) {
        dgan_map map;
        dgan_tap tap;
        t_check(dgan_generator_tap(g, i, &tap, &err) == DGAN_OK && !strcmp(tap.name, sg_tap_at(m, i)->name), "tap %d", i);
        float *copy = nn_alloc((size_t)(tap.channels * tap.height * tap.width) * sizeof *copy, "test", NULL);
        t_check(dgan_tap_map(d, 0, i, &map, &err) == DGAN_OK && dgan_tap_copy(d, 0, i, copy, &err) == DGAN_OK, "tap %d: %s", i, err.message);
        bool same = true;
        for (int64_t ch = 0; ch < map.channels; ch++)
            for (int64_t y = 0; y < map.height; y++)
                for (int64_t x = 0; x < map.width; x++)
                    same = same && copy[(ch * map.height + y) * map.width + x] == map.data[ch / 16 * map.block + ch % 16 * map.channel + y * map.row + x * map.column];
        t_check(same, "tap %d: the map and its copy", i);
        nn_free(copy);
    }
    nn_free(z);
    nn_free(held);
    dgan_generator_release(g);           /* the drawer still has it */
    t_check(dgan_draw_seeds(d, seed, 1, NULL, &err) == DGAN_OK, "a drawer outlives the caller's hold on its generator");
    dgan_drawer_close(d);
    sg_work_close(wk);
    sg_close(m);
}

/* One stream's samples, one after another in out (SAMPLES * SAMPLE_BYTES, zeroed). */
typedef struct { const char *generator_path, *interpreter_path; dgan_generator *shared; uint8_t *out; dgan_error err; } work;

static void *run_stream(void *user)
{
    work *w = user;
    dgan_stream_options o = DGAN_STREAM_INIT;
    o.count = SAMPLES;
    dgan_generator *g = w->shared ? dgan_generator_retain(w->shared) : dgan_generator_open(w->generator_path, NULL, &w->err);
    dgan_interpreter *in = dgan_interpreter_open(w->interpreter_path, &w->err);
    dgan_stream *s = dgan_stream_open(g, in, &o, &w->err);
    dgan_interpreter_release(in);
    dgan_generator_release(g);
    uint8_t *to = w->out;
    dgan_sample sample;
    for (; dgan_stream_next(s, to, to + 4 * RES_MAX * RES_MAX, (float *)(void *)(to + 5 * RES_MAX * RES_MAX), &sample, &w->err) == DGAN_OK; to += SAMPLE_BYTES) {
        memcpy(to + 9 * RES_MAX * RES_MAX, &sample.seed, sizeof sample.seed);
        memcpy(to + 9 * RES_MAX * RES_MAX + 8, &sample.uncertainty, sizeof sample.uncertainty);
    }
    dgan_stream_close(s);
    return NULL;
}

static work new_work(const char *generator, const char *interpreter, dgan_generator *shared)
{
    return (work){ .generator_path = generator, .interpreter_path = interpreter, .shared = shared, .out = nn_alloc((size_t)SAMPLES * SAMPLE_BYTES, "test", NULL) };
}

static void together(work *a, work *b)
{
    pthread_t t;
    if (pthread_create(&t, NULL, run_stream, a)) { t_fail("no thread"); return; }
    run_stream(b);
    pthread_join(t, NULL);
    t_check(!a->err.status && !b->err.status, "two threads: %s%s", a->err.message, b->err.message);
}

static void test_threads(void)
{
    enum { BYTES = SAMPLES * SAMPLE_BYTES };
    work alone[2] = { new_work(TINY_GENERATOR, interp_rgb, NULL), new_work(GREY, interp_grey, NULL) };
    for (int i = 0; i < 2; i++) { run_stream(&alone[i]); t_check(!alone[i].err.status, "a stream: %s", alone[i].err.message); }
    t_check(memcmp(alone[0].out, alone[1].out, BYTES) != 0, "two models give different samples");
    work both[2] = { new_work(TINY_GENERATOR, interp_rgb, NULL), new_work(GREY, interp_grey, NULL) };
    together(&both[0], &both[1]);
    for (int i = 0; i < 2; i++) t_same(both[i].out, alone[i].out, BYTES, "two threads, two models: %d", i);
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, NULL);
    work shared[2] = { new_work(NULL, interp_rgb, g), new_work(NULL, interp_rgb, g) };
    together(&shared[0], &shared[1]);
    for (int i = 0; i < 2; i++) t_same(shared[i].out, alone[0].out, BYTES, "two threads, one model's weights: %d", i);
    dgan_generator_release(g);
    for (int i = 0; i < 2; i++) { nn_free(alone[i].out); nn_free(both[i].out); nn_free(shared[i].out); }
}

/* Shards of a stream are the stream; its seeds are those of a dataset run. */
static void test_shards(void)
{
    static const uint32_t want[] = { 0, 2, 5, 6, 7, 8, 9, 10, 11, 13 };        /* 1, 3, 4, 12 are annotated */
    enum { N = sizeof want / sizeof *want };
    dgan_error err = { 0 };
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err);
    dgan_interpreter *in = dgan_interpreter_open(interp_rgb, &err);
    for (uint64_t shards = 1; shards <= 3; shards += 2)
        for (uint64_t k = 0; k < shards; k++) {
            dgan_stream_options o = DGAN_STREAM_INIT;
            o.count = N;
            o.shard = k;
            o.shards = shards;
            o.batch = 2;
            dgan_stream *s = dgan_stream_open(g, in, &o, &err);
            dgan_sample sample = { 0 };
            uint64_t i = k;
            for (; dgan_stream_next(s, NULL, NULL, NULL, &sample, &err) == DGAN_OK; i += shards)
                t_check(i < N && sample.seed == want[i], "shard %d of %d: seed %u", (int)k, (int)shards, (unsigned)sample.seed);
            t_check(i >= N && i < N + shards && !err.status, "shard %d of %d ends after all: %s", (int)k, (int)shards, err.message);
            t_check(dgan_stream_next(s, NULL, NULL, NULL, &sample, &err) == DGAN_END, "and stays at its end");
            dgan_stream_close(s);
        }
    dgan_interpreter_release(in);
    dgan_generator_release(g);
}

/* ---- training and datasets: progress, cancel, the same bytes ----------------------------------------------------------- */

typedef struct { int calls, stop_at; } watcher;
static int watch(void *user, const char *what, double done, double total, double value)
{
    watcher *w = user;
    if (!what || done > total || !(value == value)) t_fail("progress: %s %g of %g: %g", what ? what : "NULL", done, total, value);
    return ++w->calls == w->stop_at;
}

static dgan_train_options small_training(void)
{
    dgan_train_options o = DGAN_TRAIN_INIT;
    o.members = 2;
    o.batch = 64;
    o.width1 = 16;
    o.width2 = 8;
    o.epochs = 1;
    return o;
}

typedef struct { const char *out; dgan_error err; } training;
static void *run_training(void *user)
{
    training *t = user;
    watcher w = { 0 };
    const dgan_train_options o = small_training();
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &t->err);
    dgan_train(g, task, t->out, &o, watch, &w, &t->err);
    dgan_generator_release(g);
    return NULL;
}

static void same_files(const char *a, const char *b, const char *what)
{
    nn_bytes x = { 0 }, y = { 0 };
    const bool read = nn_file_read(a, 1 << 26, &x, NULL) == NN_OK && nn_file_read(b, 1 << 26, &y, NULL) == NN_OK;
    t_check(read && x.size == y.size && memcmp(x.data, y.data, x.size) == 0, "%s: the same bytes", what);
    nn_bytes_free(&x);
    nn_bytes_free(&y);
}

static void test_training(void)
{
    char path[4][DG_PATH];
    for (int i = 0; i < 4; i++) nn_format(path[i], sizeof path[i], "%s/trained%d.safetensors", folder, i);
    training one = { path[0], { 0 } }, a = { path[1], { 0 } }, b = { path[2], { 0 } };
    run_training(&one);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_training, &a)) { t_fail("no thread"); return; }
    run_training(&b);
    pthread_join(thread, NULL);
    t_check(!one.err.status && !a.err.status && !b.err.status, "training: %s%s%s", one.err.message, a.err.message, b.err.message);
    same_files(path[0], path[1], "two trainings at once: the first");
    same_files(path[0], path[2], "two trainings at once: the second");

    dgan_error err = { 0 };
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err);
    const dgan_train_options o = small_training();
    watcher w = { .stop_at = 5 };
    t_check(dgan_train(g, task, path[3], &o, watch, &w, &err) == DGAN_ECANCEL && err.status == DGAN_ECANCEL, "training stops on request: %s", err.message);
    t_check(!nn_path_exists(path[3]), "a stopped training leaves no interpreter");
    err = (dgan_error){ 0 };
    t_check(dgan_train(g, task, path[3], &o, NULL, NULL, &err) == DGAN_OK, "and goes on: %s", err.message);
    same_files(path[0], path[3], "a training that was stopped");
    dgan_generator_release(g);
}

static void test_dataset(void)
{
    char whole[DG_PATH], stopped[DG_PATH];
    dgan_error err = { 0 };
    nn_format(whole, sizeof whole, "%s/whole", folder);
    nn_format(stopped, sizeof stopped, "%s/stopped", folder);
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err);
    dgan_interpreter *in = dgan_interpreter_open(interp_rgb, &err);
    t_check(dgan_dataset(g, in, whole, 2, 9, NULL, NULL, NULL, &err) == DGAN_OK, "a dataset: %s", err.message);
    watcher w = { .stop_at = 1 };
    t_check(dgan_dataset(g, in, stopped, 2, 9, NULL, watch, &w, &err) == DGAN_ECANCEL, "a dataset stops on request");
    err = (dgan_error){ 0 };
    t_check(dgan_dataset(g, in, stopped, 2, 9, NULL, watch, &w, &err) == DGAN_OK, "and goes on: %s", err.message);
    tiny_same_run(whole, stopped, "a dataset that was stopped");
    dgan_interpreter_release(in);
    dgan_generator_release(g);
}

/* ---- the process: OpenMP's settings, locale and signal handlers stay as the program set them --------------------------- */

enum { SIGNALS = 65 };
typedef struct { int threads, dynamic, levels, chunk; omp_sched_t schedule; char locale[256]; struct sigaction action[SIGNALS]; bool known[SIGNALS]; } settings;

static settings process_settings(void)
{
    settings s = { .threads = omp_get_max_threads(), .dynamic = omp_get_dynamic(), .levels = omp_get_max_active_levels() };
    omp_get_schedule(&s.schedule, &s.chunk);
    nn_format(s.locale, sizeof s.locale, "%s", setlocale(LC_ALL, NULL));
    for (int i = 1; i < SIGNALS; i++) s.known[i] = sigaction(i, NULL, &s.action[i]) == 0;
    return s;
}

static void on_signal(int number) { (void)number; }

/* Drawing, labelling, training and a dataset, as a program does that has chosen all of it otherwise than it was at the start. */
static void test_process(void)
{
    const settings start = process_settings();
    const struct sigaction own = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
    omp_set_num_threads(3);
    omp_set_dynamic(1);
    omp_set_max_active_levels(2);
    omp_set_schedule(omp_sched_guided, 7);
    setlocale(LC_ALL, "C.UTF-8");
    sigaction(SIGTERM, &own, NULL);
    sigaction(SIGINT, &own, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    const settings before = process_settings();
    t_check(before.threads == 3 && before.dynamic && before.action[SIGTERM].sa_handler == on_signal, "the settings are taken");

    char path[DG_PATH], set[DG_PATH];
    uint8_t label[RES_MAX * RES_MAX];
    const uint32_t seed = 3;
    dgan_error err = { 0 };
    const dgan_train_options o = small_training();
    nn_format(path, sizeof path, "%s/process.safetensors", folder);
    nn_format(set, sizeof set, "%s/process", folder);
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err);
    dgan_train(g, task, path, &o, NULL, NULL, &err);
    dgan_interpreter *in = dgan_interpreter_open(path, &err);
    dgan_drawer *d = dgan_drawer_open(g, 1, 1, &err);
    dgan_labeller *l = dgan_labeller_open(g, in, &err);
    dgan_draw_seeds(d, &seed, 1, NULL, &err);
    dgan_label(l, d, 0, label, NULL, NULL, NULL, &err);
    dgan_dataset(g, in, set, 0, 2, NULL, NULL, NULL, &err);
    t_check(!err.status, "a program of its own settings: %s", err.message);
    dgan_labeller_close(l);
    dgan_drawer_close(d);
    dgan_interpreter_release(in);
    dgan_generator_release(g);

    const settings after = process_settings();
    t_check(after.threads == before.threads && after.dynamic == before.dynamic && after.levels == before.levels, "OpenMP's threads are the program's");
    t_check(after.schedule == before.schedule && after.chunk == before.chunk, "OpenMP's schedule is the program's");
    t_check(!strcmp(after.locale, before.locale), "locale: expected %s, found %s", before.locale, after.locale);
    for (int i = 1; i < SIGNALS; i++)
        t_check(before.known[i] == after.known[i] && (!before.known[i] || (before.action[i].sa_handler == after.action[i].sa_handler
                && before.action[i].sa_flags == after.action[i].sa_flags)), "the handler of signal %d is the program's", i);

    omp_set_num_threads(start.threads);
    omp_set_dynamic(start.dynamic);
    omp_set_max_active_levels(start.levels);
    omp_set_schedule(start.schedule, start.chunk);
    setlocale(LC_ALL, "C");
    sigaction(SIGTERM, &start.action[SIGTERM], NULL);
    sigaction(SIGINT, &start.action[SIGINT], NULL);
    sigaction(SIGPIPE, &start.action[SIGPIPE], NULL);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------------- */

static void refused(int got, int want, dgan_error *err, const char *part)
{
    t_check(got == want && err->status == want && strstr(err->message, part) && !strchr(err->message, '\n'), "expected status %d and \"%s\", found %d: %s", want,
            part, got, err->message);
    *err = (dgan_error){ 0 };
}

static void test_refusals(void)
{
    dgan_error err = { 0 };
    uint8_t bytes[RES_MAX * RES_MAX * 4];
    const uint32_t seed[2] = { 1, 2 };
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err), *grey = dgan_generator_open(GREY, "ref", &err);
    dgan_interpreter *in = dgan_interpreter_open(interp_rgb, &err);
    dgan_drawer *d = dgan_drawer_open(g, 2, 0, &err), *other = dgan_drawer_open(grey, 1, 1, &err);
    dgan_labeller *l = dgan_labeller_open(g, in, &err);
    t_check(d && other && l && !err.status, "handles: %s", err.message);

    /* The first failure goes through a whole chain of calls. */
    dgan_generator *none = dgan_generator_open("/nowhere/g.safetensors", NULL, &err);
    dgan_stream *s = dgan_stream_open(none, in, NULL, &err);
    refused(dgan_stream_next(s, NULL, NULL, NULL, NULL, &err), DGAN_EIO, &err, "/nowhere/g.safetensors");
    dgan_stream_close(s);
    dgan_generator_release(none);
    dgan_generator_open(TINY_GENERATOR, "sse9", &err);
    refused(err.status, DGAN_EINVAL, &err, "sse9");
    dgan_labeller_open(grey, in, &err);
    refused(err.status, DGAN_EMISMATCH, &err, "generator");

    dgan_draw draw = DGAN_DRAW_INIT;
    refused(dgan_draw_seeds(NULL, seed, 1, NULL, &err), DGAN_EINVAL, &err, "NULL");
    refused(dgan_draw_seeds(d, seed, 3, NULL, &err), DGAN_EINVAL, &err, "1 to 2");
    draw.psi = (double)NAN;
    refused(dgan_draw_seeds(d, seed, 1, &draw, &err), DGAN_EINVAL, &err, "psi");
    draw = (dgan_draw)DGAN_DRAW_INIT;
    draw.cutoff = 1000;
    refused(dgan_draw_seeds(d, seed, 1, &draw, &err), DGAN_EINVAL, &err, "cutoff");
    draw = (dgan_draw)DGAN_DRAW_INIT;
    draw.class_id = 1;
    refused(dgan_draw_seeds(d, seed, 1, &draw, &err), DGAN_EINVAL, &err, "class");
    draw.size = 0;
    refused(dgan_draw_seeds(d, seed, 1, &draw, &err), DGAN_EINVAL, &err, "size 0");
    refused(dgan_picture_bytes(d, 0, bytes, &err), DGAN_EINVAL, &err, "picture");
    t_check(dgan_draw_seeds(d, seed, 2, NULL, NULL) == DGAN_OK, "no error wanted");
    refused(dgan_label(l, d, 0, bytes, NULL, NULL, NULL, &err), DGAN_EINVAL, &err, "keep_taps");
    dgan_map map;
    refused(dgan_tap_map(d, 0, 0, &map, &err), DGAN_EINVAL, &err, "keep_taps");
    dgan_draw_seeds(other, seed, 1, NULL, &err);
    refused(dgan_label(l, other, 0, bytes, NULL, NULL, NULL, &err), DGAN_EINVAL, &err, "different generators");
    refused(dgan_tap_map(other, 0, 99, &map, &err), DGAN_EINVAL, &err, "tap");
    dgan_train_options o = DGAN_TRAIN_INIT;
    o.recipe = "secret";
    refused(dgan_train(g, task, "unused", &o, NULL, NULL, &err), DGAN_EINVAL, &err, "recipe");
    o = small_training();
    o.members = INT64_MAX;
    refused(dgan_train(g, task, "unused", &o, NULL, NULL, &err), DGAN_EINVAL, &err, "members");
    dgan_stream_options so = DGAN_STREAM_INIT;
    so.shards = 0;
    dgan_stream_open(g, in, &so, &err);
    refused(err.status, DGAN_EINVAL, &err, "shard");

    /* Structures of other headers: an older one lacks the last member, a newer one has one that is set. */
    struct { dgan_draw draw; int64_t more; } newer = { DGAN_DRAW_INIT, 0 };
    newer.draw.size = sizeof newer;
    t_check(dgan_draw_seeds(d, seed, 1, &newer.draw, &err) == DGAN_OK, "a newer structure with nothing new in it");
    newer.more = 1;
    refused(dgan_draw_seeds(d, seed, 1, &newer.draw, &err), DGAN_EINVAL, &err, "newer");
    draw = (dgan_draw)DGAN_DRAW_INIT;
    draw.size = offsetof(dgan_draw, noise);
    draw.noise = 77;
    t_check(dgan_draw_seeds(d, seed, 1, &draw, &err) == DGAN_OK, "an older structure");

    const pid_t child = fork();
    if (child == 0) _exit(dgan_draw_seeds(d, seed, 1, NULL, &err) == DGAN_EINVAL && strstr(err.message, "fork") ? 0 : 1);
    int status = 1;
    t_check(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "a fork's use of a handle is refused");

    dgan_labeller_close(l);
    dgan_drawer_close(d);
    dgan_drawer_close(other);
    dgan_interpreter_release(in);
    dgan_generator_release(g);
    dgan_generator_release(grey);
}

/* ---- the segmentation network ------------------------------------------------------------------------------------------- */

typedef struct { const char *path; int64_t side; const uint8_t *picture; uint8_t *label; dgan_error err; } segmentation;
static void *run_segmenter(void *user)
{
    segmentation *w = user;
    dgan_segment_options o = DGAN_SEGMENT_INIT;
    o.scale = 1.0;
    o.tile = 64;
    dgan_segmenter *s = dgan_segmenter_open(w->path, NULL, &o, &w->err);
    for (int i = 0; i < 3; i++) dgan_segment(s, w->picture, w->side, w->side, 1, w->label, NULL, NULL, NULL, &w->err);
    dgan_segmenter_close(s);
    return NULL;
}

/* Two networks at once, of one file and of pictures of two sizes: as one after another.  Stopped after the second of nine tiles. */
static void test_segmenters(const char *path, const uint8_t *picture)
{
    enum { A = 96, B = 70 };
    static uint8_t alone[2][A * A], both[2][A * A];
    segmentation one = { path, A, picture, alone[0], { 0 } }, two = { path, B, picture, alone[1], { 0 } };
    run_segmenter(&one);
    run_segmenter(&two);
    segmentation a = { path, A, picture, both[0], { 0 } }, b = { path, B, picture, both[1], { 0 } };
    pthread_t t;
    if (pthread_create(&t, NULL, run_segmenter, &a)) { t_fail("no thread"); return; }
    run_segmenter(&b);
    pthread_join(t, NULL);
    t_check(!one.err.status && !two.err.status && !a.err.status && !b.err.status, "segmenters: %s%s", a.err.message, b.err.message);
    t_same(both[0], alone[0], A * A, "two networks at once: the first");
    t_same(both[1], alone[1], B * B, "two networks at once: the second");

    dgan_error err = { 0 };
    dgan_segment_options o = DGAN_SEGMENT_INIT;
    o.scale = 1.0;
    o.tile = 64;
    dgan_segmenter *s = dgan_segmenter_open(path, NULL, &o, &err);
    watcher all = { .stop_at = -1 }, some = { .stop_at = 2 };
    t_check(dgan_segment(s, picture, A, A, 1, both[0], NULL, watch, &all, &err) == DGAN_OK && all.calls == 9, "%d tiles: %s", all.calls, err.message);
    t_check(dgan_segment(s, picture, A, A, 1, both[0], NULL, watch, &some, &err) == DGAN_ECANCEL && err.status == DGAN_ECANCEL && some.calls == 2,
            "stopped after tile %d: %s", some.calls, err.message);
    dgan_segmenter_close(s);
}

static void test_segmenter(void)
{
    enum { H = 40, W = 56, K = 3 };
    static uint8_t picture[H * W * 4], label[H * W], want[H * W];
    static float chance[H * W * K];
    static real inside[H * W * K];
    char path[DG_PATH];
    dgan_error err = { 0 };
    nn_err own = { 0 };
    nn_format(path, sizeof path, "%s/network.safetensors", folder);
    tiny_network(path);
    for (int i = 0; i < H * W * 4; i++) picture[i] = (uint8_t)(i * 7 + i / 97 * 31);
    dl_model m;
    if (dl_model_read(&m, path, &own)) { t_fail("%s", own.msg); return; }
    const bool few = t_left_to_native("segmentation of other pictures than RGB, and the mean over flips");
    const char *row = few ? "auto" : "ref";
    for (int tiles = 0; tiles < 2; tiles++)
        for (int channels = few ? 3 : 1; channels <= (few ? 3 : 4); channels++) {
            dgan_segment_options o = DGAN_SEGMENT_INIT;
            o.scale = tiles ? 1.0 : 0.0;
            o.tile = 64;
            o.adapt = 0.25;
            o.flips = !few;
            dgan_segmenter *s = dgan_segmenter_open(path, row, &o, &err);
            const dl_predict_options how = { o.scale, 64, !few, 0.25, 1, NULL };
            dl_predictor *p = dl_predictor_open(&m, nn_kernels_pick(row, &own), &how, &own);
            t_check(dgan_segment(s, picture, H, W, channels, label, chance, NULL, NULL, &err) == DGAN_OK, "segment: %s", err.message);
            t_check(p && dl_predict(p, &(nn_image){ W, H, channels, picture }, want, inside, NULL, &own) == NN_OK, "predict: %s", own.msg);
            t_same(label, want, sizeof label, "labels, %d channels", channels);
            t_same(chance, inside, sizeof chance, "probabilities, %d channels", channels);
            dl_predictor_close(p);
            dgan_segmenter_close(s);
        }
    dl_model_close(&m);

    uint8_t rgb[3] = { 0 };
    dgan_segmenter *s = dgan_segmenter_open(path, NULL, NULL, &err);
    t_check(dgan_segmenter_classes(s) == K && dgan_segmenter_size(s) == 32 && !strcmp(dgan_segmenter_class(s, 1, rgb), "left") && rgb[2] == 3
            && !dgan_segmenter_class(s, K, NULL), "a segmenter's getters");
    refused(dgan_segment(s, NULL, H, W, 3, label, NULL, NULL, NULL, &err), DGAN_EINVAL, &err, "NULL");
    refused(dgan_segment(s, picture, H, W, 5, label, NULL, NULL, NULL, &err), DGAN_EINVAL, &err, "1 to 4 channels");
    refused(dgan_segment(s, picture, 0, W, 3, label, NULL, NULL, NULL, &err), DGAN_EINVAL, &err, "pixels a side");
    t_check(dgan_segment(s, picture, H, W, 3, label, NULL, NULL, NULL, &err) == DGAN_OK, "no probabilities wanted: %s", err.message);
    dgan_segmenter_close(s);
    dgan_segment_options o = DGAN_SEGMENT_INIT;
    o.tile = 1;
    dgan_segmenter_open(path, NULL, &o, &err);
    refused(err.status, DGAN_EINVAL, &err, "tile");
    dgan_segmenter_open(interp_rgb, NULL, NULL, &err);
    refused(err.status, DGAN_EFORMAT, &err, "network");
    static uint8_t large[96 * 96];
    for (int i = 0; i < 96 * 96; i++) large[i] = (uint8_t)(i * 5 + i / 96 * 17);
    if (!t_left_to_native("two networks at once")) test_segmenters(path, large);
}

static void test_versions(void)
{
    t_check(!strcmp(dgan_version(), DGAN_VERSION) && dgan_abi() == DGAN_ABI, "versions");
    t_check(!strcmp(dgan_kernels(0), "ref") && !dgan_kernels(-1) && !dgan_kernels(99), "kernels");
    dgan_draw draw = DGAN_DRAW_INIT;
    uint8_t rgb[3] = { 0 };
    dgan_interpreter *in = dgan_interpreter_open(interp_rgb, NULL);
    t_check(dgan_interpreter_classes(in) == 3 && !strcmp(dgan_interpreter_class(in, 1, rgb), "middle") && rgb[0] == 230
            && !dgan_interpreter_class(in, 3, NULL) && dgan_interpreter_draw(in, &draw, NULL) == DGAN_OK && draw.psi == 0.7 && draw.cutoff == -1
            && strlen(dgan_interpreter_identity(in)) == 64 && strlen(dgan_interpreter_generator(in)) == 64, "an interpreter's getters");
    dgan_interpreter *again = dgan_interpreter_retain(in);
    dgan_interpreter_release(in);
    t_check(dgan_interpreter_classes(again) == 3, "one owner left");
    dgan_interpreter_release(again);
}

int main(void)
{
    make_files();
    test_versions();
    test_drawing();
    test_threads();
    test_shards();
    test_training();
    test_dataset();
    test_process();
    test_refusals();
    test_segmenter();
    return t_done();
}
