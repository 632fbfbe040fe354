/* maps.h: operations of convolutional networks that are trained here, on pixel-major maps.
 *
 * A map of a batch is (N,H,W,C), dense: the C channels of a pixel side by side.  So a map is also a matrix (N*H*W, C), and
 * what ops.h defines on (B,C) (batch norm, softmax, ReLU) holds for maps as it stands.  Convolution weights are
 * (ks,ks,cin,cout): the right operand of a product; files hold torch's (cout,cin,ks,ks) (nn_conv2d_to_torch).
 *
 * The _ref functions are the definitions, in plain loops with sums in double; the others compute the same through the
 * row's products (kernels.h) with any number of threads: threads share out outputs or chunks whose number depends on the
 * sizes alone, so the bytes do not depend on the threads.  Every _bwd ADDS into the gradients it is given; NULL skips one. */
#ifndef NN_MAPS_H
#define NN_MAPS_H

#include "nn/kernels.h"

/* ---- convolution: y[o] = b[o] + sum x[y*stride + ky*dilation - pad, ...] w[ky,kx,i,o], zeros outside ----------------- */

typedef struct { nn_dim n, h, w, cin, cout, ks, stride, pad, dilation; } nn_conv2d;
nn_dim nn_conv2d_out(const nn_conv2d *s, nn_dim in);         /* output rows of `in` input rows (torch.nn.Conv2d) */

/* x (n,h,w,cin), y (n,oh,ow,cout), b (cout) or NULL. */
void nn_conv2d_fwd_ref(real *y, const real *x, const real *w, const real *b, const nn_conv2d *s);
void nn_conv2d_bwd_ref(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w, const nn_conv2d *s);

/* The same through products.  room: nn_conv2d_room numbers.  dx is WRITTEN unless add; dw and db are added to. */
nn_dim nn_conv2d_room(const nn_conv2d *s, int threads);
void nn_conv2d_fwd(const nn_kernels *k, real *y, const real *x, const real *w, const real *b, const nn_conv2d *s, real *room, int threads);
void nn_conv2d_bwd_input(const nn_kernels *k, real *dx, bool add, const real *dy, const real *w, const nn_conv2d *s, real *room, int threads);
void nn_conv2d_bwd_weight(const nn_kernels *k, real *dw, real *db, const real *dy, const real *x, const nn_conv2d *s, real *room, int threads);

/* Between (ks,ks,cin,cout) and torch's (cout,cin,ks,ks). */
void nn_conv2d_to_torch(real *to, const real *from, nn_dim cin, nn_dim cout, nn_dim ks);
void nn_conv2d_from_torch(real *to, const real *from, nn_dim cin, nn_dim cout, nn_dim ks);

/* ---- batch norm of maps, with what follows it -------------------------------------------------------------------------- */

/* y = act(batchnorm(x) + add), act = ReLU or nothing; add (B,C) or NULL is a residual.  Batch statistics, eps 1e-5, as
 * nn_batchnorm_fwd_ref; run = (1 - momentum)*run + momentum*(mean, unbiased variance).  B >= 2.  mean, rstd (C) are written for the way
 * back.  room: nn_norm_room numbers.  y may be x only where no way back follows. */
typedef struct { nn_dim B, C; bool relu; } nn_norm;
nn_dim nn_norm_room(const nn_norm *s);
void nn_norm_fwd(const nn_kernels *k, real *y, real *mean, real *rstd, real *run_mean, real *run_var, const real *x, const real *add,
                 const real *gamma, const real *beta, const nn_norm *s, real *room, int threads);
/* dy becomes dL/d(before act): masked in place where relu.  dx is written unless add_dx; dadd is added to; NULL skips. */
void nn_norm_bwd(const nn_kernels *k, real *dx, bool add_dx, real *dadd, real *dgamma, real *dbeta, real *dy, const real *y, const real *x,
                 const real *mean, const real *rstd, const real *gamma, const nn_norm *s, real *room, int threads);
/* With running statistics.  y may be x. */
void nn_norm_infer(const nn_kernels *k, real *y, const real *x, const real *add, const real *gamma, const real *beta, const real *run_mean,
                   const real *run_var, const nn_norm *s, real *room, int threads);

/* ---- pools, resizing, dropout: one form each, sums in index order -------------------------------------------------------- */

typedef struct { nn_dim n, h, w, c; } nn_map;
static inline nn_dim nn_map_numbers(nn_map m) { return m.n * m.h * m.w * m.c; }

/* Largest of ks x ks, outside ignored (torch.nn.MaxPool2d).  at (the output's size): which of the ks*ks, the first of equals; NaN wins. */
void nn_maxpool_fwd(real *y, uint8_t *at, const real *x, nn_map in, nn_dim ks, nn_dim stride, nn_dim pad, int threads);
void nn_maxpool_bwd(real *dx, const real *dy, const uint8_t *at, nn_map in, nn_dim ks, nn_dim stride, nn_dim pad, int threads);

/* y (n,1,1,c) = mean over a picture's pixels (torch.nn.AdaptiveAvgPool2d(1)). */
void nn_avgpool_fwd(real *y, const real *x, nn_map in, int threads);
void nn_avgpool_bwd(real *dx, const real *dy, nn_map in, int threads);

/* Bilinear, align_corners=False, as nn_bilinear_ref: (n,h,w,c) -> (n,oh,ow,c). */
void nn_resize_fwd(const nn_kernels *k, real *y, const real *x, nn_map in, nn_dim oh, nn_dim ow, int threads);
void nn_resize_bwd(const nn_kernels *k, real *dx, const real *dy, nn_map in, nn_dim oh, nn_dim ow, int threads);

/* y = x * m, m 0 with probability p, else 1/(1-p); the mask is a function of (seed, step, layer, index), so that the way back draws it
 * again: the same call on dy.  y may be x. */
void nn_dropout(real *y, const real *x, nn_dim count, double p, uint64_t seed, uint32_t step, uint32_t layer, int threads);

/* Mean cross-entropy against target probabilities t (B,K), weight[b] >= 0 each (rows of weight 0 are left out):
 * loss = sum_b weight (-sum_k t log p) / sum_b weight; dlogit is written.  0 when nothing has weight. */
double nn_soft_ce(real *dlogit, const real *logit, const real *t, const real *weight, nn_dim B, nn_dim K, int threads);

#endif
