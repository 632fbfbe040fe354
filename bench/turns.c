/* turns.c: one piece of work, run when asked, so that bench/compare.py can time it in turn with others. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "datasetgan/datasetgan.h"

static const char help[] =
    "usage: bench --turns picture GENERATOR ROW THREADS BATCH\n"
    "       bench --turns label GENERATOR INTERPRETER ROW THREADS\n"
    "       bench --turns train bundle|car ROW THREADS BATCH             BENCH_STEPS steps of THREADS members\n"
    "       bench --turns dataset GENERATOR INTERPRETER ROW THREADS COUNT FOLDER\n"
    "       bench --turns interpreter GENERATOR TAPS H1 H2 CLASSES MEMBERS FILE      writes one with random weights, ends\n"
    "       bench --turns bundle-interpreter                             makes build/bench-interpreter.safetensors, ends\n"
    "\n"
    "Answers \"ready\"; then to every line \"go\" with seconds and processor seconds of one run; to \"save FILE\" by writing the\n"
    "results as safetensors: \"picture\" (batch,C,H,W), or the taps of picture 0, \"label\" (H,W) and \"mean\" (K,H,W).\n";

typedef struct {
    bench_drawing d;
    dg_interp in;
    dg_labeller *l;
    dg_labels out;
    bench_trainer *trainer;
    const char *folder;
    uint64_t count;
} turn;

static void run_picture(turn *t) { t->d.next = 0; bench_draw(&t->d); }
static void run_label(turn *t) { dg_label(t->l, t->d.wk, 0, &t->out); }
static void run_train(turn *t) { bench_trainer_steps(t->trainer); }
static void run_dataset(turn *t) { bench_dataset_once(t->d.m, &t->in, t->count, t->folder); }

static void save_picture(turn *t, const char *path)
{
    nn_err err = { 0 };
    const sg_config *c = sg_get_config(t->d.m);
    const nn_st_tensor tensor = { "picture", NN_F32, 4, { (uint64_t)t->d.batch, (uint64_t)c->img_channels, (uint64_t)c->height, (uint64_t)c->resolution }, NULL };
    const nn_dim one = c->img_channels * c->height * c->resolution;
    float *all = bench_alloc((size_t)(t->d.batch * one) * sizeof *all);
    for (int b = 0; b < t->d.batch; b++) memcpy(all + b * one, sg_picture(t->d.wk, b), (size_t)one * sizeof *all);
    nn_st_tensor filled = tensor;
    filled.data = all;
    nn_st_write(path, &filled, 1, NULL, 0, &err);
    bench_fail(&err);
    nn_free(all);
}

static void save_label(turn *t, const char *path)
{
    nn_err err = { 0 };
    nn_st_tensor tensor[SG_TAPS_MAX + 2];
    size_t n = 0;
    const sg_config *c = sg_get_config(t->d.m);
    const uint64_t H = (uint64_t)c->height, W = (uint64_t)c->resolution;
    for (int i = 0; i < t->in.tap_count; i++)
        for (int j = 0; j < sg_tap_total(t->d.m); j++) {
            const sg_tap_info *tap = sg_tap_at(t->d.m, j);
            if (strcmp(tap->name, t->in.tap[i])) continue;
            float *planar = bench_alloc((size_t)(tap->c * tap->h * tap->w) * sizeof *planar);
            nn_map_to_planar(sg_get_kernels(t->d.m)->layout, planar, sg_tap(t->d.wk, 0, j), tap->c, tap->h, tap->w);
            tensor[n++] = (nn_st_tensor){ t->in.tap[i], NN_F32, 3, { (uint64_t)tap->c, (uint64_t)tap->h, (uint64_t)tap->w }, planar };
        }
    const size_t taps = n;
    tensor[n++] = (nn_st_tensor){ "label", NN_U8, 2, { H, W }, t->out.label };
    tensor[n++] = (nn_st_tensor){ "mean", NN_F32, 3, { (uint64_t)t->in.classes, H, W }, t->out.mean };
    nn_st_write(path, tensor, n, NULL, 0, &err);
    for (size_t i = 0; i < taps; i++) nn_free((void *)tensor[i].data);
    bench_fail(&err);
}

static void open_label(turn *t, const char *generator, const char *interpreter, const nn_kernels *k, int threads)
{
    nn_err err = { 0 };
    t->d = bench_drawing_open(generator, k, 1, true, threads);
    const sg_config *c = sg_get_config(t->d.m);
    if (dg_interp_open(&t->in, interpreter, &err) == NN_OK) t->l = dg_labeller_open(&t->in, t->d.m, threads, &err);
    bench_fail(&err);
    const size_t px = (size_t)(c->height * c->resolution);
    t->out = (dg_labels){ .label = bench_alloc(px), .mean = bench_alloc(px * (size_t)t->in.classes * sizeof(float)) };
    bench_draw(&t->d);
}

static const nn_kernels *row_of(const char *name)
{
    nn_err err = { 0 };
    const nn_kernels *k = nn_kernels_pick(name, &err);
    bench_fail(&err);
    return k;
}

static int make_interpreter(int argc, char **argv)
{
    const char *generator = argc == 8 ? argv[1] : BENCH_BUNDLE;
    char path[BENCH_PATH];
    bench_drawing d = bench_drawing_open(generator, row_of("auto"), 1, true, omp_get_max_threads());
    if (argc == 8) bench_write_interpreter(d.m, &(bench_interpreter){ argv[2], atol(argv[3]), atol(argv[4]), atoi(argv[5]), atoi(argv[6]) }, argv[7]);
    else bench_bundle_interpreter(d.m, path);
    bench_drawing_close(&d);
    return 0;
}

int bench_turns(int argc, char **argv)
{
    turn t = { 0 };
    void (*run)(turn *) = NULL;
    void (*save)(turn *, const char *) = NULL;
    const char *what = argc > 0 ? argv[0] : "";
    if ((!strcmp(what, "interpreter") && argc == 8) || (!strcmp(what, "bundle-interpreter") && argc == 1)) return make_interpreter(argc, argv);
    if (!strcmp(what, "picture") && argc == 5) {
        t.d = bench_drawing_open(argv[1], row_of(argv[2]), atoi(argv[4]), false, atoi(argv[3]));
        run = run_picture, save = save_picture;
    } else if (!strcmp(what, "label") && argc == 5) {
        open_label(&t, argv[1], argv[2], row_of(argv[3]), atoi(argv[4]));
        run = run_label, save = save_label;
    } else if (!strcmp(what, "train") && argc == 5) {
        omp_set_num_threads(atoi(argv[3]));
        t.trainer = bench_trainer_open(&(bench_training_of){ !strcmp(argv[1], "car"), atol(argv[4]) }, row_of(argv[2]), atoi(argv[3]));
        run = run_train;
    } else if (!strcmp(what, "dataset") && argc == 7) {
        t.d = bench_drawing_open(argv[1], row_of(argv[3]), 1, false, atoi(argv[4]));
        nn_err err = { 0 };
        dg_interp_open(&t.in, argv[2], &err);
        bench_fail(&err);
        t.count = (uint64_t)atol(argv[5]), t.folder = argv[6];
        run = run_dataset;
    } else {
        const bool asked = argc == 0 || !strcmp(what, "--help");
        fputs(help, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    char line[1024];
    printf("ready\n");
    for (fflush(stdout); fgets(line, sizeof line, stdin); fflush(stdout)) {
        line[strcspn(line, "\n")] = 0;
        if (save && !strncmp(line, "save ", 5)) { save(&t, line + 5); printf("saved\n"); continue; }
        const double from = bench_now(), cpu = bench_cpu();
        run(&t);
        printf("%.9f %.9f\n", bench_now() - from, bench_cpu() - cpu);
    }
    if (t.trainer) bench_trainer_close(t.trainer);
    dg_labeller_close(t.l);
    dg_interp_close(&t.in);
    nn_free(t.out.label), nn_free(t.out.mean);
    if (t.d.m) bench_drawing_close(&t.d);
    return 0;
}
