/* bench_picture.c: milliseconds a picture: mapping and synthesis of fresh seeds, weights loaded outside the timing.
 *
 * usage: bench_picture GENERATOR [ROW [THREADS [BATCH [RUNS]]]]; prints one line of CSV. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "stylegan/stylegan.h"

/* Processor time of all threads: what a shared machine disturbs least. */
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

int main(int argc, char **argv)
{
    enum { RUNS_MAX = 1000, BATCH_MAX = 64 };
    nn_err err = { 0 };
    if (argc < 2) { fprintf(stderr, "usage: bench_picture GENERATOR [ROW [THREADS [BATCH [RUNS]]]]\n"); return 2; }
    const nn_kernels *k = nn_kernels_pick(argc > 2 ? argv[2] : "auto", &err);
    const int threads = argc > 3 ? atoi(argv[3]) : omp_get_max_threads(), batch = argc > 4 ? atoi(argv[4]) : 1;
    const int runs = argc > 5 ? atoi(argv[5]) : 9;
    if (batch < 1 || batch > BATCH_MAX || runs < 1 || runs > RUNS_MAX || threads < 1) { fprintf(stderr, "bench_picture: batch 1..64, runs 1..1000\n"); return 2; }
    omp_set_num_threads(threads);
    sg_model *m = k ? sg_open(argv[1], k, &err) : NULL;
    sg_work *wk = m ? sg_work_open(m, batch, false, threads, &err) : NULL;
    if (!wk) { fprintf(stderr, "bench_picture: %s\n", err.msg); return 1; }

    const sg_options o = { .psi = 0.7, .cutoff = -1, .noise = SG_NOISE_CONST, 0 };
    uint32_t seed[BATCH_MAX];
    double t[RUNS_MAX], cpu[RUNS_MAX];
    for (int r = -2; r < runs; r++) {                       /* two to warm up */
        for (int b = 0; b < batch; b++) seed[b] = (uint32_t)((r + 2) * batch + b);
        const double from = omp_get_wtime(), cpu_from = cpu_ms();
        sg_draw(m, wk, seed, batch, &o, NULL);
        if (r < 0) continue;
        t[r] = (omp_get_wtime() - from) * 1e3 / batch;
        cpu[r] = (cpu_ms() - cpu_from) / batch;
    }
    qsort(t, (size_t)runs, sizeof *t, by_size);
    qsort(cpu, (size_t)runs, sizeof *cpu, by_size);
    printf("picture,%td,%s,threads %d,batch %d,median %.3f ms,min %.3f,max %.3f,cpu %.3f\n", sg_get_config(m)->resolution, k->name, threads, batch,
           t[runs / 2], t[0], t[runs - 1], cpu[runs / 2]);
    sg_work_close(wk);
    sg_close(m);
    return 0;
}
