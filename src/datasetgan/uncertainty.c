/* uncertainty.c: how much the members disagree, per pixel and per picture. */
#include "datasetgan/label.h"

#include <math.h>
#include <string.h>

double dg_divergence(const real *sum, nn_dim K, double entropy, int members)
{
    double of_mean = 0.0;
    for (nn_dim c = 0; c < K; c++) {
        const double p = (double)sum[c] / members;
        if (p != 0.0) of_mean -= p * log(p);                   /* 0 log 0 = 0; NaN travels */
    }
    const double js = of_mean - entropy / members;
    return js <= 0.0 ? 0.0 : js;
}

/* Floats >= 0 sort like their bits, so four passes of a counting sort order them, ties and NaN included. */
double dg_uncertainty(const float *divergence, nn_dim n, uint32_t *scratch)
{
    uint32_t *from = scratch, *to = scratch + n;
    memcpy(from, divergence, (size_t)n * sizeof *from);
    for (int shift = 0; shift < 32; shift += 8) {
        nn_dim start[257] = { 0 };
        for (nn_dim i = 0; i < n; i++) start[(from[i] >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) start[b + 1] += start[b];
        for (nn_dim i = 0; i < n; i++) to[start[from[i] >> shift & 255]++] = from[i];
        uint32_t *const sorted = to;
        to = from;
        from = sorted;
    }
    const nn_dim top = n / 10 > 0 ? n / 10 : 1;
    double sum = 0.0;
    for (nn_dim i = n - top; i < n; i++) {
        float d;
        memcpy(&d, &from[i], sizeof d);
        sum += d;
    }
    return sum / (double)top;
}
