/* bench_conv.c: modulated convolutions of real layer shapes, each kernel row.
 *
 * GFLOP/s counts a direct convolution: 2*9*cin*cout*h*w, with h x w the input of an up-convolution and the output otherwise.
 * usage: bench_conv [ROW [THREADS]]; prints CSV. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/kernels.h"

static int by_size(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static void bench(const nn_kernels *k, nn_dim cin, nn_dim cout, nn_dim hw, nn_dim up, int threads)
{
    static const real fir[16] = { 1, 3, 3, 1, 3, 9, 9, 3, 3, 9, 9, 3, 1, 3, 3, 1 };
    real filter[16];
    for (int i = 0; i < 16; i++) filter[i] = fir[i] / 64;
    const nn_conv_shape s = { cin, cout, hw, hw, 3, up, 4, 4, filter };
    const nn_dim weights = cout * cin * 9, in = nn_map_count(k->layout, cin, hw, hw), out = nn_map_count(k->layout, cout, hw * up, hw * up);
    real *w = nn_alloc((size_t)weights * sizeof *w, "weights", NULL), *packed = nn_alloc((size_t)k->conv_packed(&s) * sizeof *w, "packed", NULL);
    real *x = nn_alloc((size_t)in * sizeof *w, "x", NULL), *y = nn_alloc((size_t)out * sizeof *w, "y", NULL);
    real *scratch = nn_alloc((size_t)nn_conv_scratch(k, &s, threads) * sizeof *w, "scratch", NULL);
    real *one = nn_alloc((size_t)(cin > cout ? cin : cout) * sizeof *w, "styles", NULL);
    if (!w || !packed || !x || !y || !scratch || !one) { fprintf(stderr, "bench_conv: not enough memory\n"); exit(1); }
    for (nn_dim i = 0; i < weights; i++) w[i] = (real)((double)(i * 7919 % 1000) / 500.0 - 1.0);
    for (nn_dim i = 0; i < in; i++) x[i] = (real)((double)(i * 104729 % 1000) / 500.0 - 1.0);
    for (nn_dim i = 0; i < cin || i < cout; i++) one[i] = 1;
    k->conv_pack(&s, w, packed);
    const nn_conv c = { s, packed };
    const nn_conv_job j = { .x = x, .y = y, .style = one, .demod = one, .bias = one, .slope = 0.2, .gain = sqrt(2.0), .clamp = INFINITY };
    const double work = 18.0 * (double)(cin * cout * hw * hw);
    enum { RUNS = 9 };
    double t[RUNS];
    nn_conv_run(k, &c, &j, 1, scratch, threads);
    for (int r = 0; r < RUNS; r++) {
        const double from = omp_get_wtime();
        nn_conv_run(k, &c, &j, 1, scratch, threads);
        t[r] = omp_get_wtime() - from;
    }
    qsort(t, RUNS, sizeof *t, by_size);
    printf("conv3x3%s,%td,%td,%td,%s,%d,%.3f,%.3f,%.1f\n", up == 2 ? "_up" : "", cin, cout, hw, k->name, threads, t[RUNS / 2] * 1e3,
           (t[RUNS - 1] - t[0]) * 1e3, work / t[RUNS / 2] / 1e9);
    fflush(stdout);
    nn_free(w); nn_free(packed); nn_free(x); nn_free(y); nn_free(scratch); nn_free(one);
}

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    const nn_kernels *k = nn_kernels_pick(argc > 1 ? argv[1] : "auto", &err);
    if (!k) { fprintf(stderr, "bench_conv: %s\n", err.msg); return 2; }
    const int threads = argc > 2 ? atoi(argv[2]) : omp_get_max_threads();
    printf("op,cin,cout,hw,kernel,threads,median_ms,spread_ms,gflops\n");
    static const nn_dim shape[][4] = {      /* StyleGAN2 config-f and the bundle: cin, cout, input size, up */
        { 512, 512, 4, 1 }, { 512, 512, 4, 2 }, { 512, 512, 8, 1 }, { 512, 512, 16, 1 }, { 512, 512, 16, 2 }, { 512, 512, 32, 1 },
        { 512, 512, 32, 2 }, { 512, 512, 64, 1 }, { 512, 256, 64, 2 }, { 256, 256, 128, 1 }, { 256, 128, 128, 2 }, { 128, 128, 256, 1 },
        { 128, 64, 256, 2 }, { 64, 64, 512, 1 }, { 64, 32, 512, 2 }, { 32, 32, 1024, 1 },
        { 128, 128, 16, 1 }, { 128, 64, 16, 2 }, { 64, 64, 32, 1 }, { 64, 32, 32, 2 }, { 32, 32, 64, 1 }, { 32, 16, 64, 2 }, { 16, 16, 128, 1 },
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) bench(k, shape[i][0], shape[i][1], shape[i][2], shape[i][3], threads);
    return 0;
}
