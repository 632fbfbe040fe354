/* net.h: one pixel classifier of the ensemble, D -> h1 -> ReLU -> BN -> h2 -> ReLU -> BN -> K, and its training step.
 * Private to datasetgan.  (DatasetGAN train_interpreter.py pixel_classifier; docs/TRAINING.md)
 *
 * Weights are kept as (in,out), the transpose of the file's (out,in), so that every product of a step reads row-major. */
#ifndef DG_NET_H
#define DG_NET_H

#include "nn/kernels.h"
#include "nn/rng.h"

/* Rows of a step.  Small maps (n positions of c channels; together the first features of D) are not gathered: with S = the sum of their c, W1 = [Wm; Wo],
 *     row r of x W1 = row r of own Wo + sum over its taps of weight * row `position` of (maps Wm)
 * Positions count through the maps, one after the other.  (batch.h) */
typedef struct { const real *x; nn_dim n, c; } dg_small_map;                    /* (n, c) */
typedef struct {
    const real *own;                        /* (rows, D - S) */
    int map_count;
    const dg_small_map *map;
    const int32_t *position;                /* (rows, map_count, 4) */
    const real *weight;                     /* (rows, map_count, 4) */
} dg_rows;
/* The most small maps, their positions and channels in all. */
typedef struct { int maps; nn_dim positions, channels; } dg_shared;

/* A hidden layer of width 0 is not there; h2 is 0 where h1 is. */
typedef struct { nn_dim D, h1, h2, K; } dg_net_size;

/* Pointers into one block of dg_net_param_count numbers: weights first (they alone decay), then biases, gammas g, betas e. */
typedef struct { real *w1, *w2, *w3, *b1, *g1, *e1, *b2, *g2, *e2, *b3; } dg_params;

typedef struct {
    const nn_kernels *k;
    dg_net_size size;
    nn_dim batch;                           /* most rows a step may have */
    dg_shared shared;
    nn_dim param_count, result_count, state_count;
    real *state;                            /* all that training remembers: param, running statistics (the result), Adam's m and v */
    real *param, *m, *v, *grad;             /* (param_count) each */
    real *run_mean1, *run_var1, *run_mean2, *run_var2;
    dg_params p, d;                         /* views of param and grad */
    /* Activations of the last step and their gradients, (batch, width): r after ReLU, n after batch norm (and dropout). */
    real *r1, *n1, *r2, *n2, *logit, *da1, *dn1, *da2, *dn2, *dlogit;
    /* Layer 1 at the small maps' positions, (positions, h1), and its gradient; where a row's taps find it; and the way back: the taps by position, their
     * rows of the gradient and their weights (first[p] = where those of position p end). */
    real *z, *dz, *tap_weight;
    int32_t *tap, *first;
    const real **tap_row;
    real *mean1, *rstd1, *mean2, *rstd2, *w2t, *w3t, *ones;
    char *block;
} dg_net;

/* What a step needs besides pixels.  class_weight: (K) above 0, or NULL.  Dropout (probability of zeroing after each batch norm, inverted scaling) is a function of
 * (seed, step), as everything random here. */
typedef struct { nn_adam adam; double dropout1, dropout2; uint64_t seed; const real *class_weight; } dg_step;

nn_dim dg_net_param_count(dg_net_size s);
dg_params dg_params_at(real *at, dg_net_size s);      /* views of a block of parameters */
size_t dg_net_bytes(dg_net_size s, nn_dim batch, dg_shared shared);
nn_status dg_net_open(dg_net *n, const nn_kernels *k, dg_net_size size, nn_dim batch, dg_shared shared, nn_err *err);
void dg_net_close(dg_net *n);

/* Weights N(0, 0.02), biases 0, gamma 1, beta 0, running mean 0 and variance 1; Adam's moments 0.  The number for weight
 * (o,i) of layer l is nn_rng_normal(seed, NN_RNG_INIT, l, o*in + i). */
void dg_net_init(dg_net *n, uint64_t seed);

/* Forward and backward on the rows x, label (rows) < K, 2 <= rows <= batch: fills grad, moves the running statistics, returns
 * the mean cross-entropy in nats, by class_weight as torch.nn.CrossEntropyLoss(weight) has it. */
double dg_net_gradient(dg_net *n, const dg_rows *x, const uint8_t *label, nn_dim rows, const dg_step *o);

/* Gradient, then Adam; decay reaches the weights only.  When the loss or the gradient is not finite the result is
 * NaN and the state is spoiled. */
double dg_net_step(dg_net *n, const dg_rows *x, const uint8_t *label, nn_dim rows, const dg_step *o);

#endif
