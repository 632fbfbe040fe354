/* train.c: steps of the interpreter's training: gathering a batch, forward, backward, Adam; members side by side, one a thread. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "bench/bench.h"
#include "datasetgan/train.h"

typedef struct { dg_net net; dg_batch batch; uint32_t *order; } member;
struct bench_trainer {
    dg_features f;
    bench_training_of of;
    int threads;
    int64_t step;
    dg_net_size size;
    member *member;
};

/* Maps as StyleGAN1 has them at 512 px, "released" taps (5056 numbers a pixel), with random numbers: 2.1 GB. */
static void make_car(dg_features *f, const nn_kernels *k)
{
    enum { RES = 512, PICTURES = 16, CLASSES = 20, LEVELS = 8 };
    f->k = k;
    f->res = f->height = RES;
    f->size = RES * RES;
    f->pictures = PICTURES;
    f->group_count = LEVELS;
    for (int l = 0; l < LEVELS; l++) {
        const nn_dim hw = (nn_dim)4 << l, c = 16384 / hw < 512 ? 16384 / hw : 512;
        dg_map_group *g = &f->group[l];
        *g = (dg_map_group){ .c = 2 * c, .h = hw, .w = hw, .offset = f->picture_count, .row = bench_alloc(2 * RES * sizeof *g->row) };
        g->col = g->row + RES;
        for (nn_dim o = 0; o < RES; o++) {
            double t;
            nn_bilinear_at(o, hw, RES, &g->row[o].i0, &g->row[o].i1, &t);
            g->row[o].t = (real)t;
            g->col[o] = g->row[o];
        }
        f->picture_count += g->c * hw * hw;
        f->D += g->c;
    }
    f->maps = bench_alloc((size_t)(PICTURES * f->picture_count) * sizeof *f->maps);
    real *one = bench_random(f->picture_count, 1);
    for (int l = 0; l < LEVELS; l++)
        for (nn_dim p = 0; p < PICTURES; p++)
            memcpy(dg_group_map(f, l, p), one + f->group[l].offset, (size_t)(f->group[l].c * f->group[l].h * f->group[l].w) * sizeof *one);
    nn_free(one);
    f->pixel_count = PICTURES * f->size;
    f->pixel = bench_alloc((size_t)f->pixel_count * sizeof *f->pixel);
    f->label = bench_alloc((size_t)f->pixel_count);
    for (nn_dim i = 0; i < f->pixel_count; i++) { f->pixel[i] = (uint32_t)i; f->label[i] = (uint8_t)(i / 97 % CLASSES); }
}

static void draw_bundle(dg_features *f, const nn_kernels *k, int *classes)
{
    nn_err err = { 0 };
    dg_task t = { 0 };
    bench_drawing d = bench_drawing_open(BENCH_BUNDLE, k, 1, true, omp_get_max_threads());
    nn_status s = dg_task_read(&t, BENCH_TASK, &err);
    if (!s) s = dg_features_open(f, &t, "train", d.m, NULL, 0, &err);
    if (!s) s = dg_features_draw(f, &t, "train", d.m, &err);
    if (!s) s = dg_features_standardise(f, &err);
    *classes = t.class_count;
    dg_task_free(&t);
    bench_drawing_close(&d);
    bench_fail(&err);
}

bench_trainer *bench_trainer_open(const bench_training_of *of, const nn_kernels *k, int threads)
{
    nn_err err = { 0 };
    bench_trainer *t = bench_alloc(sizeof *t);
    int classes = 20;
    *t = (bench_trainer){ .of = *of, .threads = threads };
    if (of->car) make_car(&t->f, k);
    else draw_bundle(&t->f, k, &classes);
    t->size = (dg_net_size){ t->f.D, 128, 32, classes };
    t->member = bench_alloc((size_t)threads * sizeof *t->member);
    const dg_shared shared = dg_batch_shared(&t->f, of->batch, t->size.h1, false);
    for (int i = 0; i < threads; i++) {
        member *m = &t->member[i];
        dg_net_open(&m->net, k, t->size, of->batch, shared, &err);
        dg_batch_open(&m->batch, &t->f, of->batch, shared, &err);
        bench_fail(&err);
        dg_net_init(&m->net, (uint64_t)i);
        m->order = bench_alloc((size_t)t->f.pixel_count * sizeof *m->order);
        nn_rng_shuffle((uint64_t)i, NN_RNG_SHUFFLE, 0, m->order, (uint32_t)t->f.pixel_count);
    }
    return t;
}

void bench_trainer_steps(void *trainer)
{
    bench_trainer *t = trainer;
    const nn_dim batch = t->of.batch;
    #pragma omp parallel for schedule(static, 1) num_threads(t->threads)
    for (int i = 0; i < t->threads; i++)
        for (int64_t s = t->step; s < t->step + BENCH_STEPS; s++) {
            member *m = &t->member[i];
            const dg_step o = { .adam = { .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = s + 1 } };
            dg_batch_fill(&m->batch, m->order + s * batch % (t->f.pixel_count - batch), batch);
            const double loss = dg_net_step(&m->net, &m->batch.rows, m->batch.label, batch, &o);
            NN_ASSERT(isfinite(loss));
        }
    t->step += BENCH_STEPS;
}

void bench_trainer_close(bench_trainer *t)
{
    for (int i = 0; i < t->threads; i++) {
        dg_net_close(&t->member[i].net);
        dg_batch_close(&t->member[i].batch);
        nn_free(t->member[i].order);
    }
    nn_free(t->member);
    dg_features_close(&t->f);
    nn_free(t);
}

/* GFLOP/s: as if every feature were gathered.  Its own work: forward and the weights' gradient of layer 1, which has no way back, at the small maps'
 * positions and for the gathered features; three products of the others.  Four taps a gathered number and, there and back, a number of layer 1 from the
 * small maps; about 12 steps a parameter in Adam, which reads four numbers and writes three. */
static bench_cost step_cost(const bench_trainer *t)
{
    const double B = (double)t->of.batch, D = (double)t->size.D, h1 = (double)t->size.h1, h2 = (double)t->size.h2, K = (double)t->size.K;
    const double rest = B * (3 * h1 * h2 + 3 * h2 * K), P = D * h1 + h1 * h2 + h2 * K;
    const dg_batch *batch = &t->member[0].batch;
    const double own = (double)batch->D;
    const int maps = batch->rows.map_count;
    double products = B * own;
    for (int g = 0; g < maps; g++) products += (double)(batch->map[g].n * batch->map[g].c);
    return (bench_cost){ 2 * (2 * B * D * h1 + rest), 2 * products * h1 + rest + 4 * B * own + 2 * 4 * B * maps * h1 + 12 * P,
                         sizeof(real) * (B * own + 7 * P), maps ? "small maps at their own size" : "gathered pixels" };
}

static void bench_one(const char *name, bool car, nn_dim batch, bool quick)
{
    if (!bench_wanted("train", name, quick)) return;
    for (int r = 0; r < bench_chosen.row_count; r++)
        for (int i = 0; i < bench_chosen.thread_count; i++) {
            const int threads = bench_chosen.threads[i];
            char note[96];
            bench_trainer *t = bench_trainer_open(&(bench_training_of){ car, batch }, bench_chosen.row[r], threads);
            nn_format(note, sizeof note, "a step of one member; an epoch of 10 members has %td", 10 * (t->f.pixel_count / batch));
            bench_row row = { .work = "train", .k = bench_chosen.row[r], .threads = threads, .units = threads * BENCH_STEPS, .cost = step_cost(t), .error = NAN, .note = note };
            nn_format(row.name, sizeof row.name, "%s batch %td", name, batch);
            bench_measure(&row, bench_trainer_steps, t);
            bench_trainer_close(t);
        }
}

void bench_trainings(void)
{
    bench_one("bundle 864-128-32-4", false, 1024, true);
    bench_one("bundle 864-128-32-4", false, 64, false);
    bench_one("Car-20 5056-128-32-20", true, 1024, false);
    bench_one("Car-20 5056-128-32-20", true, 64, false);
}
