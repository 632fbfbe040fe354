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

double dg_divergence_of_logits(real *sum, nn_dim K, double entropy, int members)
{
    double top = (double)sum[0] / members, total = 0.0, spread = 0.0;
    for (nn_dim c = 1; c < K; c++) if ((double)sum[c] / members > top) top = (double)sum[c] / members;
    for (nn_dim c = 0; c < K; c++) {
        const double x = (double)sum[c] / members - top, e = exp(x);
        total += e;
        if (e != 0.0) spread -= e * x;                         /* 0 log 0 = 0; NaN travels */
    }
    for (nn_dim c = 0; c < K; c++) sum[c] = (real)(exp((double)sum[c] / members - top) / total * members);
    /* analyze: K >= 1, so total >= exp(0) */
    return spread / total + log(total) - entropy / members;    /* - sum p log p, p = e / total, log p = x - log total */
}

/* Bits of a float in the order of its value: the sign turned round for positive ones, everything for negative ones.  NaN is largest. */
static uint32_t to_order(uint32_t bits) { return (bits & INT32_MAX) > 0x7f800000u ? UINT32_MAX : bits >> 31 ? ~bits : bits | 1u << 31; }
static uint32_t from_order(uint32_t key) { return key >> 31 ? key & INT32_MAX : ~key; }

/* Four passes of a counting sort order them, ties and NaN included. */
double dg_uncertainty(const float *divergence, nn_dim n, uint32_t *scratch)
{
    uint32_t *from = scratch, *to = scratch + n;
    memcpy(from, divergence, (size_t)n * sizeof *from);
    for (nn_dim i = 0; i < n; i++) from[i] = to_order(from[i]);
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
        const uint32_t bits = from_order(from[i]);
        float d;
        memcpy(&d, &bits, sizeof d);
        sum += d;
    }
    return sum / (double)top;
}
