/* bench_gemm.c: the interpreter's matrix products, each kernel row, beside OpenBLAS when compiled with -DWITH_BLAS.
 *
 * One thread each (members of an ensemble train side by side), calls in turn, processor time.
 * usage: bench_gemm [ROW]; prints CSV.   cc -O2 -DWITH_BLAS -fopenmp -Isrc bench/bench_gemm.c LIB -lopenblas -lm */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nn/kernels.h"

#ifdef WITH_BLAS
#include <cblas.h>
#endif

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static void bench(const nn_kernels *k, const char *what, nn_dim m, nn_dim n, nn_dim depth, bool transposed)
{
    enum { RUNS = 15 };
    real *a = nn_alloc((size_t)(m * depth) * sizeof *a, "a", NULL), *b = nn_alloc((size_t)(depth * n) * sizeof *a, "b", NULL);
    real *c = nn_alloc((size_t)(m * n) * sizeof *a, "c", NULL);
    if (!a || !b || !c) { fprintf(stderr, "bench_gemm: not enough memory\n"); exit(1); }
    for (nn_dim i = 0; i < m * depth; i++) a[i] = (real)((double)(i % 97) / 97 - 0.5);
    for (nn_dim i = 0; i < depth * n; i++) b[i] = (real)((double)(i % 89) / 89 - 0.5);
    double ours[RUNS], blas[RUNS];
    for (int r = 0; r < RUNS; r++) {
        double from = cpu_ms();
        k->gemm(m, n, depth, transposed ? nn_rows_transposed(a, m) : nn_rows_matrix(a, depth), b, n, c, n, false);
        ours[r] = cpu_ms() - from;
        blas[r] = 0;
#ifdef WITH_BLAS
        from = cpu_ms();
        cblas_sgemm(CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)depth, 1, a,
                    (int)(transposed ? m : depth), b, (int)n, 0, c, (int)n);
        blas[r] = cpu_ms() - from;
#endif
    }
    qsort(ours, RUNS, sizeof *ours, by_size);
    qsort(blas, RUNS, sizeof *blas, by_size);
    const double work = 2e-6 * (double)(m * n * depth);
    printf("%s,%td,%td,%td,%s,%.3f,%.1f", what, m, n, depth, k->name, ours[RUNS / 2], work / ours[RUNS / 2]);
    if (blas[RUNS / 2] > 0) printf(",%.3f,%.1f", blas[RUNS / 2], work / blas[RUNS / 2]);
    printf("\n");
    nn_free(a); nn_free(b); nn_free(c);
}

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    const nn_kernels *k = nn_kernels_pick(argc > 1 ? argv[1] : "auto", &err);
    if (!k) { fprintf(stderr, "bench_gemm: %s\n", err.msg); return 2; }
#ifdef WITH_BLAS
    openblas_set_num_threads(1);
#endif
    printf("what,m,n,k,kernel,ms,gflops,openblas_ms,openblas_gflops\n");
    bench(k, "forward 1, bundle", 1024, 128, 864, false);
    bench(k, "weights 1, bundle", 864, 128, 1024, true);
    bench(k, "forward 1, 1024 px", 1024, 256, 6080, false);
    bench(k, "weights 1, 1024 px", 6080, 256, 1024, true);
    bench(k, "forward 2", 1024, 32, 128, false);
    bench(k, "forward 1, paper's batch", 64, 128, 864, false);
    bench(k, "weights 1, paper's batch", 864, 128, 64, true);
    return 0;
}
