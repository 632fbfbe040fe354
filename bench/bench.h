/* bench.h: what the files of the benchmark program share: choice of rows, timing, cost of a piece of work, one row of the result.
 *
 * Bandwidth is measured once, the peak before and after every run (peak.c).  The bound of a row is the larger of
 *     arithmetic of its algorithm / FMA peak      transforms, filters and epilogues counted: a vector addition takes the slot of an FMA
 *     bytes of its least traffic / bandwidth      every input, weight and output once
 * so `bound / time` says how close to the machine's limit it runs: the best run against the highest peak among the row's, for a
 * processor that is lent out slows down by a third within seconds, by what its neighbours do (products more than chains of FMA in
 * registers: they share load ports and caches, too).  Work whose data stays in a cache may pass the second. */
#ifndef BENCH_H
#define BENCH_H

#include "datasetgan/datasetgan.h"
#include "nn/kernels.h"
#include "stylegan/stylegan.h"

/* What one run computes. */
typedef struct {
    double direct;                   /* flop that GFLOP/s counts: direct convolution, 2 a multiply-add; up-convolutions unmerged, 9*cin*cout*h*w */
    double slots;                    /* numbers that pass a vector unit: multiply-adds, and what transforms, filters and epilogues add */
    double bytes;
    const char *algorithm;
} bench_cost;
bench_cost bench_cost_add(bench_cost a, bench_cost b, double times);          /* a + times*b */

typedef struct {
    const char *work;                /* "conv", "picture", ... */
    char name[96];
    const nn_kernels *k;
    int threads;
    double units;                    /* times are divided by it: pictures of a batch */
    bench_cost cost;                 /* of one unit */
    double error;                    /* NAN: not measured */
    const char *error_unit, *note;
} bench_row;

/* Chosen on the command line. */
typedef struct {
    bool quick;
    bool cpu;                        /* processor time over threads instead of wall time: for a busy machine */
    const char *only, *csv, *folder;
    int thread_count, threads[8], row_count;
    const nn_kernels *row[8];
} bench_options;
extern bench_options bench_chosen;
/* Is this row asked for?  in_quick: it is one of the few of a quick run. */
bool bench_wanted(const char *work, const char *name, bool in_quick);

/* Run work(user) once to warm up, then for a second (0.1 in a quick run), at least three times; print and write the row. */
void bench_measure(bench_row *row, void (*work)(void *user), void *user);
/* The same for runs timed elsewhere, sorted in place; cpu: their processor time in all. */
typedef struct { double seconds, peak; } bench_run;      /* peak: the machine's around it, flop/s */
void bench_report(bench_row *row, bench_run *run, int count, double cpu);
double bench_clock(int threads);     /* what rows are timed with: bench_now, or with cpu bench_cpu over threads */

void bench_fail(const nn_err *err);  /* prints and exits: for what must not go wrong here */
void *bench_alloc(size_t bytes);
real *bench_random(nn_dim count, double sd);             /* normal-like numbers, the same at every call */
/* Largest |a - b| in rounding units of b's root mean square. */
double bench_units(const real *a, const real *b, nn_dim n);

/* clock.c: seconds. */
double bench_now(void);
double bench_cpu(void);              /* processor time of all threads: what a shared machine disturbs least */

/* peak.c */
double bench_fma_peak(int threads);          /* flop/s, the widest vectors of this processor: the best of 40 ms */
double bench_peak_now(int threads);          /* the same within a millisecond */
double bench_bandwidth(int threads);         /* byte/s */

/* conv.c: cost of one layer, its algorithm known by the size of its packed weights. */
bench_cost bench_conv_cost(const nn_kernels *k, const nn_conv_shape *s);

/* The groups of rows. */
void bench_convolutions(void);
void bench_maps(void);
void bench_products(void);
void bench_pictures(void);
void bench_labels(void);
void bench_trainings(void);
void bench_datasets(void);
void bench_segments(void);

/* turns.c: answer "go" on stdin with the time of one run (bench/compare.py). */
int bench_turns(int argc, char **argv);

/* What turns.c uses too. */
typedef struct { sg_model *m; sg_work *wk; int batch; uint32_t next; } bench_drawing;
bench_drawing bench_drawing_open(const char *path, const nn_kernels *k, int batch, bool keep_taps, int threads);      /* threads: OpenMP's too */
void bench_draw(void *drawing);                          /* the next `batch` seeds, as a dataset's pictures */
void bench_drawing_close(bench_drawing *d);
bench_cost bench_picture_cost(const sg_model *m, int batch);           /* of one picture: its batch shares the weights */

/* label.c.  The method's own arithmetic, without drawing. */
bench_cost bench_label_cost(const dg_interp *in, const sg_model *m);
/* bundle: an interpreter of the bundled generator, briefly trained on its annotations, kept in the folder. */
enum { BENCH_PATH = 512 };
void bench_bundle_interpreter(const sg_model *m, char path[BENCH_PATH]);
/* Write an interpreter with random weights. */
typedef struct { const char *taps; nn_dim h1, h2; int classes, members; } bench_interpreter;
void bench_write_interpreter(const sg_model *m, const bench_interpreter *of, const char *path);
#define BENCH_BUNDLE "weights/blood128/generator.safetensors"
#define BENCH_TASK "weights/blood128/annotations/task.json"

/* train.c: `threads` members side by side, BENCH_STEPS steps each: members do not wait for one another, here as in training. */
enum { BENCH_STEPS = 4 };
typedef struct bench_trainer bench_trainer;
typedef struct { bool car; nn_dim batch; } bench_training_of;        /* car: StyleGAN1 512 px, 20 classes, random maps of 16 pictures; else the bundle's set */
bench_trainer *bench_trainer_open(const bench_training_of *of, const nn_kernels *k, int threads);
void bench_trainer_steps(void *trainer);
void bench_trainer_close(bench_trainer *t);

/* data.c: draw, label and write `count` samples into a folder of its own; seconds. */
double bench_dataset_once(const sg_model *m, const dg_interp *in, uint64_t count, const char *out);
#endif
