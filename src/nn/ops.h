/* ops.h: the definitions.  Every operation of the networks and of their training, in plain loops that read like its
 * formula, without BLAS, SIMD or threads.  Compiled in float they are the row `ref` of the kernel table; compiled in
 * double (tests/f64) they are the judge.  Sums are in double and in index order.
 *
 * Letters: N pictures, C channels, H W pixels, B pixels of a batch, D features, K classes.  Arrays are dense and row-major,
 * planar (N,C,H,W); convolution weights (out,in,kh,kw); linear weights (out,in).  Unless said otherwise an output must not
 * alias an input, and the functions cannot fail.  Every _bwd ADDS into the gradients it is given; NULL skips one. */
#ifndef NN_OPS_H
#define NN_OPS_H

#include "nn/base.h"

/* ---- generator ------------------------------------------------------------------------------------------------- */

/* y = x * rsqrt(mean(x^2) + 1e-8), each row of x (n, dim).  y may be x.  (Karras 2019; [ADA] networks.py normalize_2nd_moment) */
void nn_pixel_norm_ref(real *y, const real *x, nn_dim n, nn_dim dim);

/* y[n,o] = act(sum_i x[n,i] * (w[o,i] * wgain) + b[o] * bgain), act(v) = gain * (v < 0 ? slope*v : v).
 * x (n,in), w (out,in), b (out) or NULL.  slope 1, gain 1: no activation.  ([ADA] FullyConnectedLayer; the mapping's lr
 * multiplier is in wgain and bgain, its sqrt(2) in gain) */
void nn_dense_ref(real *y, const real *x, const real *w, const real *b, nn_dim n, nn_dim in, nn_dim out,
                  double wgain, double bgain, double slope, double gain);

/* y[o] = sum_i sum_k x[i, p*stride + k*dilation - pad] * w[o,i,k]: correlation, zero padding, one picture.
 * x (cin,h,w) -> y (cout, (h + 2 pad - dilation (ks-1) - 1)/stride + 1, ...). */
void nn_conv2d_ref(real *y, const real *x, const real *w, nn_dim cin, nn_dim h, nn_dim wid, nn_dim cout, nn_dim ks,
                   nn_dim stride, nn_dim pad, nn_dim dilation);

/* Transposed convolution, stride 2, no padding: y[o, 2p + k] += x[i,p] * w[o,i,k].  y (cout, 2h-2+ks, 2w-2+ks).
 * w is (out,in,ks,ks) and unflipped, as stylegan2-ada stores it ([ADA] conv2d_resample.py, up > 1). */
void nn_conv2d_up2_ref(real *y, const real *x, const real *w, nn_dim cin, nn_dim h, nn_dim wid, nn_dim cout, nn_dim ks);

/* Up-sample by `up` (zeros between), pad (negative crops), convolve with filter f (fh,fw) (flipped: a true convolution)
 * times gain, keep every `down`-th.  x (planes,h,w) -> y (planes, (h*up + py0 + py1 - fh)/down + 1, ...).
 * ([ADA] upfirdn2d.py) */
typedef struct { nn_dim up, down, px0, px1, py0, py1; } nn_resample;
void nn_upfirdn2d_ref(real *y, const real *x, const real *f, nn_dim planes, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw,
                      nn_resample r, double gain);

/* d[o] = rsqrt(sum_i s[i]^2 * q[o,i] + 1e-8), q[o,i] = sum_k w[o,i,k]^2.  ([ADA] modulated_conv2d, Karras 2020 eq. 3) */
void nn_demod_ref(real *d, const real *style, const real *q, nn_dim cin, nn_dim cout);
void nn_square_sum_ref(real *q, const real *w, nn_dim cin, nn_dim cout, nn_dim ks);

/* y = clamp(gain * lrelu_slope(x*scale[c] + noise[p]*strength + b[c]), +-clamp): everything after a convolution.
 * x (c,hw); scale, noise, b may be NULL; clamp INFINITY: none.  y may be x. */
void nn_bias_act_ref(real *y, const real *x, const real *scale, const real *noise, double strength, const real *b,
                     nn_dim c, nn_dim hw, double slope, double gain, double clamp);

/* Bilinear resize, align_corners=False, edges clamped, no antialias: F.interpolate.  x (planes,h,w) -> y (planes,oh,ow). */
void nn_bilinear_ref(real *y, const real *x, nn_dim planes, nn_dim h, nn_dim w, nn_dim oh, nn_dim ow);

/* The two source positions and the weight of the second for output position o of `out` when the input has `in`:
 * s = max((o + 0.5)*in/out - 0.5, 0), i0 = floor(s), i1 = min(i0 + 1, in - 1), t = s - i0. */
void nn_bilinear_at(nn_dim o, nn_dim in, nn_dim out, nn_dim *i0, nn_dim *i1, double *t);

/* ---- interpreter ----------------------------------------------------------------------------------------------- */

/* y (B,O) = x (B,D) w^T + b, w (O,D), b (O) or NULL. */
void nn_linear_fwd_ref(real *y, const real *x, const real *w, const real *b, nn_dim B, nn_dim D, nn_dim O);
void nn_linear_bwd_ref(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w, nn_dim B, nn_dim D, nn_dim O);

/* NaN travels: x <= 0 ? 0 : x.  y may be x; dx may be dy only with separate meaning, so not. */
void nn_relu_fwd_ref(real *y, const real *x, nn_dim n);
void nn_relu_bwd_ref(real *dx, const real *dy, const real *x, nn_dim n);

/* Batch norm over the rows of x (B,C), training: y = (x - mean)*rstd*gamma + beta, with the biased variance, eps 1e-5;
 * writes mean and rstd (C); when run_mean is not NULL, run = 0.9*run + 0.1*(mean, UNBIASED variance).  B >= 2.
 * (torch.nn.BatchNorm1d, Ioffe & Szegedy 2015 alg. 1) */
void nn_batchnorm_fwd_ref(real *y, real *mean, real *rstd, real *run_mean, real *run_var, const real *x, const real *gamma,
                          const real *beta, nn_dim B, nn_dim C);
void nn_batchnorm_bwd_ref(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                          const real *rstd, const real *gamma, nn_dim B, nn_dim C);
/* Inference: y = (x - run_mean)*rsqrt(run_var + 1e-5)*gamma + beta.  y may be x. */
void nn_batchnorm_infer_ref(real *y, const real *x, const real *gamma, const real *beta, const real *run_mean,
                            const real *run_var, nn_dim B, nn_dim C);

/* p (B,K) = softmax of each row of x, with the row's maximum subtracted.  p may be x. */
void nn_softmax_ref(real *p, const real *x, nn_dim B, nn_dim K);

/* Mean cross-entropy in nats of logit (B,K) against label (B) over the rows whose label is not 255;
 * dlogit = (softmax - onehot)/rows, written (not added), zero on void rows.  0 when every row is void. */
double nn_softmax_ce_ref(real *dlogit, const real *logit, const uint8_t *label, nn_dim B, nn_dim K);

/* Adam as torch.optim.Adam (Kingma & Ba 2015 alg. 1); decay is decoupled (AdamW: param *= 1 - lr*decay first).
 * step counts from 1.  m and v start at zero.  false: a gradient is not finite, or its square is not. */
typedef struct { double lr, beta1, beta2, eps, decay; int64_t step; } nn_adam;
bool nn_adam_ref(real *param, real *m, real *v, const real *grad, nn_dim count, const nn_adam *o);

#endif
