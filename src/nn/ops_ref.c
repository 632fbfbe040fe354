/* ops_ref.c: definitions of the generator's operations outside the convolutions. */
#include <math.h>

#include "nn/ops.h"

static const double norm_eps = 1e-8;      /* pixel norm and demodulation: [ADA] training/networks.py */

/* NaN travels: it is not below zero. */
static double leaky(double v, double slope) { return v < 0.0 ? slope * v : v; }

static double square_sum(const real *x, nn_dim n)
{
    double sum = 0.0;
    for (nn_dim i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum;
}

void nn_pixel_norm_ref(real *y, const real *x, nn_dim n, nn_dim dim)
{
    for (nn_dim r = 0; r < n; r++, x += dim, y += dim) {
        const double scale = 1.0 / sqrt(square_sum(x, dim) / (double)dim + norm_eps);
        for (nn_dim i = 0; i < dim; i++) y[i] = (real)(x[i] * scale);
    }
}

void nn_dense_ref(real *y, const real *x, const real *w, const real *b, nn_dim n, nn_dim in, nn_dim out,
                  double wgain, double bgain, double slope, double gain)
{
    for (nn_dim r = 0; r < n; r++)
        for (nn_dim o = 0; o < out; o++) {
            double sum = 0.0;
            for (nn_dim i = 0; i < in; i++) sum += x[r * in + i] * (w[o * in + i] * wgain);
            if (b) sum += b[o] * bgain;
            y[r * out + o] = (real)(gain * leaky(sum, slope));
        }
}

void nn_square_sum_ref(real *q, const real *w, nn_dim cin, nn_dim cout, nn_dim ks)
{
    const nn_dim taps = ks * ks;
    for (nn_dim p = 0; p < cout * cin; p++) q[p] = (real)square_sum(w + p * taps, taps);
}

void nn_demod_ref(real *d, const real *style, const real *q, nn_dim cin, nn_dim cout)
{
    for (nn_dim o = 0; o < cout; o++) {
        double sum = 0.0;
        for (nn_dim i = 0; i < cin; i++) sum += (double)style[i] * style[i] * q[o * cin + i];
        d[o] = (real)(1.0 / sqrt(sum + norm_eps));
    }
}

static double clamp_to(double v, double limit) { return v > limit ? limit : v < -limit ? -limit : v; }

void nn_bias_act_ref(real *y, const real *x, const real *scale, const real *noise, double strength, const real *b,
                     nn_dim c, nn_dim hw, double slope, double gain, double clamp)
{
    for (nn_dim i = 0; i < c; i++)
        for (nn_dim p = 0; p < hw; p++) {
            double v = x[i * hw + p];
            if (scale) v *= scale[i];
            if (noise) v += noise[p] * strength;
            if (b) v += b[i];
            y[i * hw + p] = (real)clamp_to(gain * leaky(v, slope), clamp);
        }
}
