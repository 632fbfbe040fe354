/* kernels_ref.c: the row `ref`: planar maps, and every kernel a plain composition of the definitions in ops.h. */
#include <math.h>
#include <string.h>

#include "nn/half.h"
#include "nn/kernels.h"

static bool any_cpu(void) { return true; }

/* ---- modulated convolution: one unit is one output channel ------------------------------------------------------- */

static nn_dim conv_packed(const nn_conv_shape *s) { return s->cout * s->cin * s->ks * s->ks; }

static void conv_pack(const nn_conv_shape *s, const real *weight, real *packed)
{
    memcpy(packed, weight, (size_t)conv_packed(s) * sizeof *packed);
}

/* The modulated input, and for up 2 one plane of the transposed convolution. */
static nn_dim conv_scratch(const nn_conv_shape *s)
{
    const nn_dim th = 2 * s->h - 2 + s->ks, tw = 2 * s->w - 2 + s->ks;
    return s->cin * s->h * s->w + (s->up == 2 ? th * tw : 0);
}

static nn_dim conv_shared(const nn_conv_shape *s) { (void)s; return 0; }
static nn_dim conv_units(const nn_conv_shape *s, int stage) { return stage ? 0 : s->cout; }

static void conv_unit(const nn_conv_shape *s, const real *packed, const nn_conv_job *j, int stage, nn_dim o, real *scratch, real *shared)
{
    (void)stage; (void)shared;                          /* all is done in one stage */
    const nn_dim hw = s->h * s->w, out_hw = hw * s->up * s->up;
    const real *w = packed + o * s->cin * s->ks * s->ks;
    real *modulated = scratch, *y = j->y + o * out_hw;

    for (nn_dim i = 0; i < s->cin; i++)
        for (nn_dim p = 0; p < hw; p++) modulated[i * hw + p] = j->x[i * hw + p] * j->style[i];

    if (s->up == 1) {
        nn_conv2d_ref(y, modulated, w, s->cin, s->h, s->w, 1, s->ks, 1, s->ks / 2, 1);
    } else {
        /* [ADA] conv2d_resample.py, up > 1: "same" pads ks/2, plus ((f+1)/2, (f-2)/2) for the filter, less what the
         * transposed convolution has already grown by on either side.  (1, 1) for a 3x3 kernel and a filter of 4. */
        const nn_dim th = 2 * s->h - 2 + s->ks, tw = 2 * s->w - 2 + s->ks, grown = s->ks - 1 - s->ks / 2;
        const nn_resample fir = { 1, 1, (s->fw + 1) / 2 - grown, s->fw / 2 - grown, (s->fh + 1) / 2 - grown, s->fh / 2 - grown };
        real *t = scratch + s->cin * hw;
        nn_conv2d_up2_ref(t, modulated, w, s->cin, s->h, s->w, 1, s->ks);
        nn_upfirdn2d_ref(y, t, s->filter, 1, th, tw, s->fh, s->fw, fir, 4.0);
    }
    nn_bias_act_ref(y, y, j->demod ? j->demod + o : NULL, j->noise, j->strength, j->bias ? j->bias + o : NULL, 1, out_hw,
                    j->slope, j->gain, j->clamp);
}

/* ---- the other kernels ------------------------------------------------------------------------------------------- */

static void to_rgb(const nn_conv_shape *s, real *img, const real *x, const real *w, const real *style, const real *b,
                   double clamp, bool add, nn_dim y0, nn_dim y1)
{
    const nn_dim hw = s->h * s->w;
    for (nn_dim c = 0; c < s->cout; c++)
        for (nn_dim p = y0 * s->w; p < y1 * s->w; p++) {
            double v = 0.0;
            for (nn_dim i = 0; i < s->cin; i++) v += (double)x[i * hw + p] * ((double)style[i] * w[c * s->cin + i]);
            v += b[c];
            v = v > clamp ? clamp : v < -clamp ? -clamp : v;
            img[c * hw + p] = (real)(v + (add ? img[c * hw + p] : 0.0));
        }
}

static void upsample2(real *y, const real *x, const real *f, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw)
{
    const nn_resample r = { 2, 1, (fw + 1) / 2, fw / 2 - 1, (fh + 1) / 2, fh / 2 - 1 };
    nn_upfirdn2d_ref(y, x, f, 1, h, w, fh, fw, r, 4.0);
}

/* ---- StyleGAN1: a group is NN_CB planes, or those that are left ---------------------------------------------------- */

static nn_dim group_end(nn_dim c, nn_dim group) { return (group + 1) * NN_CB < c ? (group + 1) * NN_CB : c; }

static void blur3(real *y, const real *x, const real *f, const real *b, nn_dim c, nn_dim h, nn_dim w, nn_dim group, nn_dim y0, nn_dim y1)
{
    for (nn_dim i = group * NN_CB; i < group_end(c, group); i++)
        for (nn_dim oy = y0; oy < y1; oy++)
            for (nn_dim ox = 0; ox < w; ox++) {
                double sum = 0.0;
                for (nn_dim ky = 0; ky < 3; ky++)
                    for (nn_dim kx = 0; kx < 3; kx++) {
                        const nn_dim iy = oy + ky - 1, ix = ox + kx - 1;
                        if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                        sum += (double)x[(i * h + iy) * w + ix] * f[ky * 3 + kx];
                    }
                y[(i * h + oy) * w + ox] = (real)(sum + b[i]);
            }
}

static void noise_act(real *y, const real *x, const real *noise, const real *strength, nn_dim c, nn_dim hw, nn_dim group,
                      nn_dim p0, nn_dim p1, double slope, double sum[NN_CB])
{
    for (nn_dim i = group * NN_CB; i < group_end(c, group); i++) {
        double s = 0.0;
        for (nn_dim p = p0; p < p1; p++) {
            const double v = x[i * hw + p] + (noise ? (double)noise[p] * strength[i] : 0.0);
            y[i * hw + p] = (real)(v < 0.0 ? slope * v : v);
            s += y[i * hw + p];
        }
        sum[i % NN_CB] = s;
    }
}

static void square_dev(const real *x, const double mean[NN_CB], nn_dim c, nn_dim hw, nn_dim group, nn_dim p0, nn_dim p1, double sum[NN_CB])
{
    for (nn_dim i = group * NN_CB; i < group_end(c, group); i++) {
        double s = 0.0;
        for (nn_dim p = p0; p < p1; p++) {
            const double d = x[i * hw + p] - mean[i % NN_CB];
            s += d * d;
        }
        sum[i % NN_CB] = s;
    }
}

static void rescale(real *x, const double mean[NN_CB], const double gain[NN_CB], const double shift[NN_CB], nn_dim c, nn_dim hw,
                    nn_dim group, nn_dim p0, nn_dim p1)
{
    for (nn_dim i = group * NN_CB; i < group_end(c, group); i++)
        for (nn_dim p = p0; p < p1; p++)
            x[i * hw + p] = (real)((x[i * hw + p] - mean[i % NN_CB]) * gain[i % NN_CB] + shift[i % NN_CB]);
}

/* ---- matrices ------------------------------------------------------------------------------------------------------ */

static void dense(real *y, const real *x, const real *w, const real *b, nn_dim in, nn_dim o0, nn_dim o1,
                  double wgain, double bgain, double slope, double gain)
{
    nn_dense_ref(y + o0, x, w + o0 * in, b ? b + o0 : NULL, 1, in, o1 - o0, wgain, bgain, slope, gain);
}

static real as_it_is(real x) { return x; }
static real bf16(real x) { return (real)nn_bf16_round((float)x); }

/* gemm of A's numbers as `of` gives them. */
static void multiply(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const real *b, nn_dim ldb, real *c, nn_dim ldc, bool add, const real *bias, real (*of)(real))
{
    for (nn_dim i = 0; i < m; i++)
        for (nn_dim j = 0; j < n; j++) {
            double sum = add ? c[i * ldc + j] : 0.0;
            for (nn_dim l = 0; l < k; l++)
                sum += (double)of(a.at[i * a.row + l / NN_CB * a.block + l % NN_CB * a.elem]) * b[l * ldb + j];
            if (bias) sum += bias[j];
            c[i * ldc + j] = bias && sum <= 0 ? 0 : (real)sum;
        }
}

static void gemm(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const real *b, nn_dim ldb, real *c, nn_dim ldc, bool add, const real *bias)
{
    multiply(m, n, k, a, b, ldb, c, ldc, add, bias, as_it_is);
}

static nn_dim product_packed(nn_dim k, nn_dim n) { return k * n; }

static void product_pack(real *packed, const real *b, nn_dim ldb, nn_dim k, nn_dim n)
{
    for (nn_dim i = 0; i < k; i++) memcpy(packed + i * n, b + i * ldb, (size_t)n * sizeof *b);
}

static void product_multiply(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const real *packed, real *c, nn_dim ldc, bool add, const real *bias)
{
    gemm(m, n, k, a, packed, n, c, ldc, add, bias);
}

static void product_pack_bf16(real *packed, const real *b, nn_dim ldb, nn_dim k, nn_dim n)
{
    product_pack(packed, b, ldb, k, n);
    for (nn_dim i = 0; i < k * n; i++) packed[i] = bf16(packed[i]);
}

static void product_multiply_bf16(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const real *packed, real *c, nn_dim ldc, bool add, const real *bias)
{
    multiply(m, n, k, a, packed, n, c, ldc, add, bias, bf16);
}

static void mix(real *y, const real *const *x, const real *w, int terms, nn_dim n, bool add)
{
    for (nn_dim i = 0; i < n; i++) {
        double sum = add ? y[i] : 0.0;
        for (int j = 0; j < terms; j++) sum += (double)w[j] * x[j][i];
        y[i] = (real)sum;
    }
}

static void mix_rows(real *y, nn_dim rows, nn_dim n, const real *x, const int32_t *at, const real *w, int terms)
{
    for (nn_dim r = 0; r < rows; r++)
        for (nn_dim i = 0; i < n; i++) {
            double sum = 0.0;
            for (int j = 0; j < terms; j++) sum += (double)w[r * terms + j] * x[at[r * terms + j] + i];
            y[r * n + i] = (real)sum;
        }
}

static void relu_bwd(real *dx, const real *dy, const real *y, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

static void batchnorm_bwd(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                          const real *rstd, const real *gamma, nn_dim B, nn_dim C)
{
    memset(dx, 0, (size_t)(B * C) * sizeof *dx);
    nn_batchnorm_bwd_ref(dx, dgamma, dbeta, dy, x, mean, rstd, gamma, B, C);
}

static void norm_stats(real *mean, real *square, const real *x, nn_dim n, nn_dim C)
{
    for (nn_dim c = 0; c < C; c++) {
        double mu = 0.0, sum = 0.0;
        for (nn_dim r = 0; r < n; r++) mu += x[r * C + c];
        mu /= (double)n;
        for (nn_dim r = 0; r < n; r++) sum += (x[r * C + c] - mu) * (x[r * C + c] - mu);
        mean[c] = (real)mu;
        square[c] = (real)sum;
    }
}

static void norm_apply(real *y, const real *x, const real *add, const real *scale, const real *shift, nn_dim n, nn_dim C, bool relu)
{
    for (nn_dim i = 0; i < n * C; i++) {
        const double v = (double)x[i] * scale[i % C] + shift[i % C] + (add ? add[i] : 0.0);
        y[i] = (real)(relu && v <= 0 ? 0.0 : v);
    }
}

static void norm_mask(real *sum, real *sum_x, real *dy, const real *y, const real *x, const real *mean, nn_dim n, nn_dim C)
{
    for (nn_dim c = 0; c < C; c++) {
        double s = 0.0, sx = 0.0;
        for (nn_dim i = c; i < n * C; i += C) {
            if (y && !(y[i] > 0)) dy[i] = 0;
            s += dy[i];
            sx += (double)dy[i] * ((double)x[i] - mean[c]);
        }
        sum[c] = (real)s;
        sum_x[c] = (real)sx;
    }
}

static void norm_dx(real *dx, const real *dy, const real *x, const real *mean, const real *a, const real *b, const real *c, nn_dim n, nn_dim C,
                    bool add)
{
    for (nn_dim i = 0; i < n * C; i++) {
        const nn_dim j = i % C;
        dx[i] = (real)((add ? dx[i] : 0.0) + (double)a[j] * dy[i] + (double)b[j] * ((double)x[i] - mean[j]) + c[j]);
    }
}

static void vote(real *sum, nn_dim plane, double *spread, double *total, uint16_t *votes, const real *logit, nn_dim ld, const real *b, nn_dim n,
                 nn_dim K, bool of_logits)
{
    for (nn_dim p = 0; p < n; p++, logit += ld, votes += K) {
        nn_dim best = 0;
        double own = 0.0, all = 0.0;
        for (nn_dim c = 1; c < K; c++) if (logit[c] + b[c] > logit[best] + b[best]) best = c;
        const double top = logit[best] + b[best];
        for (nn_dim c = 0; c < K; c++) all += exp(logit[c] + b[c] - top);
        for (nn_dim c = 0; c < K; c++) {
            const real x = logit[c] + b[c];
            const double q = exp(x - top) / all;
            sum[c * plane + p] += of_logits ? x : (real)q;
            own += q * (top - x);
        }
        spread[p] += own;
        total[p] *= all;
        votes[best]++;
    }
}

const nn_kernels nn_kernels_ref = {
    "ref", any_cpu, NN_PLANAR,
    conv_packed, conv_pack, conv_scratch, conv_shared, conv_units, conv_unit,
    to_rgb, upsample2, blur3, noise_act, square_dev, rescale, dense, gemm, mix, mix_rows,
    relu_bwd, nn_batchnorm_fwd_ref, batchnorm_bwd, nn_softmax_ce_ref, nn_adam_ref, vote,
    norm_stats, norm_apply, norm_mask, norm_dx,
    { { product_packed, product_pack, product_multiply }, { product_packed, product_pack_bf16, product_multiply_bf16 } },
};
