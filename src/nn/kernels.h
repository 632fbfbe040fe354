/* kernels.h: the operations that have a fast form, as rows of one table.
 *
 * `ref` is the definition (ops.h).  Every other row computes the same functions; docs/NUMERICS.md states each one's
 * allowance in rounding units and tests/test_kernels.c walks all rows.  One row is chosen at start and used throughout;
 * within a row every output number is computed by the same sum in the same order whatever the thread count, the batch and
 * the tile, so the bytes are the same too.
 *
 * Kernels hold no OpenMP and allocate nothing: the nn_ layers at the end of this file share out units and scratch. */
#ifndef NN_KERNELS_H
#define NN_KERNELS_H

#include "nn/ops.h"

/* How a row stores the feature maps of one picture.  PLANAR: (C,H,W).  BLOCKED: (ceil(C/16), H, W, 16): sixteen channels
 * of a pixel side by side; the channels that pad C to a multiple of 16 are zero.  Batches are pictures one after another. */
enum { NN_CB = 16 };
typedef enum { NN_PLANAR, NN_BLOCKED } nn_layout;
static inline nn_dim nn_channels_padded(nn_dim c) { return (c + NN_CB - 1) / NN_CB * NN_CB; }
static inline nn_dim nn_map_count(nn_layout l, nn_dim c, nn_dim h, nn_dim w) { return (l == NN_BLOCKED ? nn_channels_padded(c) : c) * h * w; }
static inline nn_dim nn_map_at(nn_layout l, nn_dim h, nn_dim w, nn_dim c, nn_dim y, nn_dim x)      /* index of one number */
{
    return l == NN_BLOCKED ? (((c / NN_CB) * h + y) * w + x) * NN_CB + c % NN_CB : (c * h + y) * w + x;
}

/* One modulated convolution of a StyleGAN2 layer: size of its input map, kernel 1 or 3, up 1 or 2 (2: transposed
 * convolution, then the FIR filter with gain 4 and pads (1,1): the output is 2h x 2w).  threads: how many will share the units of one
 * picture, 0 if many pictures' go together; only how many units there are hangs on it (nn_conv_run sets it). */
typedef struct { nn_dim cin, cout, h, w, ks, up; nn_dim fh, fw; const real *filter; int threads; } nn_conv_shape;

/* What one picture brings.  y = act((conv(x * style[i]) * demod[o]) + noise*strength + bias[o]), as nn_bias_act_ref. */
typedef struct {
    const real *x;                 /* the row's layout */
    real *y;                       /* the row's layout; must not overlap x */
    const real *style;             /* (cin) */
    const real *demod;             /* (cout), NULL: no demodulation */
    const real *noise;             /* (h_out, w_out), NULL: none */
    const real *bias;              /* (cout), NULL: none */
    double strength, slope, gain, clamp;
} nn_conv_job;

/* Left operand of a product by strides, so that planar maps, blocked maps, matrices and transposed matrices all serve:
 * A(m,k) = at[m*row + (k/16)*block + (k%16)*elem].  A plain row-major matrix is { a, lda, 16, 1 }. */
typedef struct { const real *at; nn_dim row, block, elem; } nn_rows;
static inline nn_rows nn_rows_matrix(const real *a, nn_dim lda) { return (nn_rows){ a, lda, NN_CB, 1 }; }
static inline nn_rows nn_rows_transposed(const real *a, nn_dim lda) { return (nn_rows){ a, 1, NN_CB * lda, lda }; }
static inline nn_rows nn_rows_map(nn_layout l, const real *map, nn_dim h, nn_dim w, nn_dim y, nn_dim x)   /* rows = pixels from (y,x) on */
{
    return l == NN_BLOCKED ? (nn_rows){ map + (y * w + x) * NN_CB, NN_CB, h * w * NN_CB, 1 }
                           : (nn_rows){ map + y * w + x, 1, NN_CB * h * w, h * w };
}

/* Products C(m,n) = A(m,k) B(k,n) with B, a layer's weights, packed once.  NN_BF16: of numbers rounded to bf16 (half.h), summed in fp32. */
typedef enum { NN_FP32, NN_BF16, NN_PRECISIONS } nn_precision;
typedef struct {
    nn_dim (*packed)(nn_dim k, nn_dim n);                                          /* numbers of a packed operand */
    void   (*pack)(real *packed, const real *b, nn_dim ldb, nn_dim k, nn_dim n);
    /* add, bias: as in nn_kernels.gemm.  packed: 64-byte aligned. */
    void   (*multiply)(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const real *packed, real *c, nn_dim ldc, bool add, const real *bias);
} nn_products;

typedef struct nn_kernels {
    const char *name;              /* "ref", "portable", "avx2", "avx512", "amx", "neon" */
    bool (*usable)(void);          /* on this processor */
    nn_layout layout;

    /* Modulated convolution: pack once at load, then the units of a picture in any order, each with its own scratch; those of
     * stage 1, if there are any, after all of stage 0, whose results they read from the picture's `shared` numbers. */
    nn_dim (*conv_packed)(const nn_conv_shape *s);                      /* numbers in the packed weights */
    void   (*conv_pack)(const nn_conv_shape *s, const real *weight, real *packed);
    nn_dim (*conv_scratch)(const nn_conv_shape *s);                     /* numbers of scratch a unit needs */
    nn_dim (*conv_shared)(const nn_conv_shape *s);                      /* numbers the units of a picture share */
    nn_dim (*conv_units)(const nn_conv_shape *s, int stage);            /* pieces of work in one picture; stage 1: may be none */
    void   (*conv_unit)(const nn_conv_shape *s, const real *packed, const nn_conv_job *j, int stage, nn_dim unit, real *scratch, real *shared);

    /* ToRGB: img[c,p] (planar (cout,h,w)) = clamp(sum_i x[i,p]*style[i]*w[c,i] + b[c]) + (add ? img[c,p] : 0), for the rows
     * [y0, y1).  cout <= 4. */
    void (*to_rgb)(const nn_conv_shape *s, real *img, const real *x, const real *w, const real *style, const real *b,
                   double clamp, bool add, nn_dim y0, nn_dim y1);

    /* Skip image: y = upfirdn2d(x, filter, up 2, pads (2,1), gain 4) of one plane (h,w) -> (2h,2w).  Filter fh,fw <= 16. */
    void (*upsample2)(real *y, const real *x, const real *f, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw);

    /* StyleGAN1, one group of NN_CB channels (the last may be partly padding) of a map of c channels; see the layers below. */
    void (*blur3)(real *y, const real *x, const real *f, const real *b, nn_dim c, nn_dim h, nn_dim w, nn_dim group, nn_dim y0, nn_dim y1);
    /* y = lrelu(x + noise[p]*strength[i]), sum[i] = sum of y, over the pixels [p0, p1).  noise may be NULL.  y may be x. */
    void (*noise_act)(real *y, const real *x, const real *noise, const real *strength, nn_dim c, nn_dim hw, nn_dim group,
                      nn_dim p0, nn_dim p1, double slope, double sum[NN_CB]);
    /* sum[i] = sum of (x - mean[i])^2. */
    void (*square_dev)(const real *x, const double mean[NN_CB], nn_dim c, nn_dim hw, nn_dim group, nn_dim p0, nn_dim p1, double sum[NN_CB]);
    /* x = (x - mean[i])*gain[i] + shift[i]. */
    void (*rescale)(real *x, const double mean[NN_CB], const double gain[NN_CB], const double shift[NN_CB], nn_dim c, nn_dim hw,
                    nn_dim group, nn_dim p0, nn_dim p1);

    /* y[o] of one row as nn_dense_ref with n = 1, for outputs [o0, o1). */
    void (*dense)(real *y, const real *x, const real *w, const real *b, nn_dim in, nn_dim o0, nn_dim o1,
                  double wgain, double bgain, double slope, double gain);

    /* C(m,n) = sum_k A(m,k)*B(k,n) + (add ? C(m,n) : 0), then, where bias (n) is not NULL, relu(C + bias).  B row-major with ldb, C with
     * ldc.  k may be 0.  Single-threaded. */
    void (*gemm)(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const real *b, nn_dim ldb, real *c, nn_dim ldc, bool add, const real *bias);

    /* y[i] = (add ? y[i] : 0) + w[0]*x[0][i] + w[1]*x[1][i] + ... of `terms`, in this order. */
    void (*mix)(real *y, const real *const *x, const real *w, int terms, nn_dim n, bool add);
    /* y (rows,n): y[r][i] = sum over t < terms of w[r][t] * x[at[r][t] + i], in this order; at and w (rows,terms).  Interpolation of a row of
     * pixels with n channels. */
    void (*mix_rows)(real *y, nn_dim rows, nn_dim n, const real *x, const int32_t *at, const real *w, int terms);

    /* Training of the interpreter (ops.h): x (B,C) row-major. */
    void (*relu_bwd)(real *dx, const real *dy, const real *y, nn_dim n);          /* dx = y > 0 ? dy : 0 (written); y = relu output */
    void (*batchnorm_fwd)(real *y, real *mean, real *rstd, real *run_mean, real *run_var, const real *x, const real *gamma,
                          const real *beta, nn_dim B, nn_dim C);
    void (*batchnorm_bwd)(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                          const real *rstd, const real *gamma, nn_dim B, nn_dim C);   /* dx written, dgamma and dbeta added */
    double (*softmax_ce)(real *dlogit, const real *logit, const uint8_t *label, nn_dim B, nn_dim K);
    bool (*adam)(real *param, real *m, real *v, const real *grad, nn_dim count, const nn_adam *o);

    /* One member's opinions on n pixels (src/datasetgan/label.c).  x_c = logit[p*ld + c] + b[c], q = softmax(x), best the lowest of the largest:
     *   sum[c*plane + p] += of_logits ? x_c : q_c    spread[p] += sum_c q_c (x_best - x_c)    total[p] *= sum_c exp(x_c - x_best)    votes[p*K + best]++
     * so the entropies of the members so far add up to spread + log total: no term is negative, nothing cancels.  K <= 255. */
    void (*vote)(real *sum, nn_dim plane, double *spread, double *total, uint16_t *votes, const real *logit, nn_dim ld, const real *b, nn_dim n,
                 nn_dim K, bool of_logits);

    /* Batch norm of maps in pieces (maps_norm.c): n rows of x (n,C).  stats: mean and sum of squared differences from it.
     * apply: y = x*scale + shift (+ add, may be NULL), then ReLU; y may be x.  mask: dy = y > 0 ? dy : 0 in place (y NULL: as it
     * is); sum = column sums of dy, sum_x = of dy*(x - mean), written.  dx: dx = (add ? dx : 0) + a*dy + b*(x - mean) + c. */
    void (*norm_stats)(real *mean, real *square, const real *x, nn_dim n, nn_dim C);
    void (*norm_apply)(real *y, const real *x, const real *add, const real *scale, const real *shift, nn_dim n, nn_dim C, bool relu);
    void (*norm_mask)(real *sum, real *sum_x, real *dy, const real *y, const real *x, const real *mean, nn_dim n, nn_dim C);
    void (*norm_dx)(real *dx, const real *dy, const real *x, const real *mean, const real *a, const real *b, const real *c, nn_dim n, nn_dim C,
                    bool add);

    nn_products product[NN_PRECISIONS];
} nn_kernels;

/* The table, slowest first: the rows that this architecture may have.  auto = the last usable one. */
int nn_kernels_count(void);
const nn_kernels *nn_kernels_at(int i);
/* By name, or "auto".  NULL and NN_EINVAL naming the usable rows when unknown or not usable here. */
const nn_kernels *nn_kernels_pick(const char *name, nn_err *err);
extern const nn_kernels nn_kernels_ref, nn_kernels_portable, nn_kernels_avx2, nn_kernels_avx512, nn_kernels_amx, nn_kernels_neon;

/* ---- layers: they share units out over OpenMP threads (the team size is OpenMP's own setting) -------------------- */

typedef struct { nn_conv_shape shape; const real *packed; } nn_conv;
/* One picture a job; n jobs.  scratch: nn_conv_scratch(k, shapes.., threads) numbers. */
nn_dim nn_conv_scratch(const nn_kernels *k, const nn_conv_shape *s, int threads);
void nn_conv_run(const nn_kernels *k, const nn_conv *c, const nn_conv_job *job, nn_dim n, real *scratch, int threads);
void nn_dense_run(const nn_kernels *k, real *y, const real *x, const real *w, const real *b, nn_dim n, nn_dim in, nn_dim out,
                  double wgain, double bgain, double slope, double gain);
void nn_to_rgb_run(const nn_kernels *k, const nn_conv_shape *s, real *img, const real *x, const real *w, const real *style,
                   const real *b, double clamp, bool add);
void nn_upsample2_run(const nn_kernels *k, real *y, const real *x, const real *f, nn_dim planes, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw);

/* y = x correlated with f (3,3), zero padding, + b[c].  One picture, c channels of (h,w). */
void nn_blur3_run(const nn_kernels *k, real *y, const real *x, const real *f, const real *b, nn_dim c, nn_dim h, nn_dim w);
/* The epilogue of a StyleGAN1 layer, bias excepted: v = lrelu(x + noise[p]*strength[i]), then instance norm and style
 *   y[i,p] = (v[i,p] - mean_i) / sqrt(var_i + eps) * (1 + style[i]) + style[c + i],   var biased, over all pixels of a channel
 * noise (hw) or NULL, strength (c), style (2c).  sums: nn_norm_scratch doubles.  y may be x.  Sums are cut into pieces of a fixed
 * size and added in order.  (Karras 2019 eq. 1; [SG1] networks_stylegan.py layer_epilogue) */
nn_dim nn_norm_scratch(nn_dim c, nn_dim hw);
void nn_style_norm_run(const nn_kernels *k, real *y, const real *x, const real *noise, const real *strength, const real *style,
                       nn_dim c, nn_dim hw, double slope, double eps, double *sums);

/* Between layouts: dst planar (c,h,w). */
void nn_map_to_planar(nn_layout from, real *dst, const real *map, nn_dim c, nn_dim h, nn_dim w);
void nn_map_from_planar(nn_layout to, real *map, const real *src, nn_dim c, nn_dim h, nn_dim w);

#endif
