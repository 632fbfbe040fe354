/* net.c: forward, backward and Adam of one pixel classifier.  Single-threaded: members of an ensemble run side by side. */
#include "datasetgan/net.h"

#include <math.h>
#include <string.h>

static const double init_sd = 0.02;         /* train_interpreter.py init_weights('normal', 0.02) */

/* Inputs of the output layer. */
static nn_dim top_width(dg_net_size s) { return s.h2 ? s.h2 : s.h1 ? s.h1 : s.D; }
static nn_dim weight_count(dg_net_size s) { return s.D * s.h1 + s.h1 * s.h2 + top_width(s) * s.K; }

nn_dim dg_net_param_count(dg_net_size s)
{
    return weight_count(s) + 3 * s.h1 + 3 * s.h2 + s.K;
}

dg_params dg_params_at(real *at, dg_net_size s)
{
    dg_params p;
    p.w1 = at;
    p.w2 = p.w1 + s.D * s.h1;
    p.w3 = p.w2 + s.h1 * s.h2;
    p.b1 = p.w3 + top_width(s) * s.K;
    p.g1 = p.b1 + s.h1;
    p.e1 = p.g1 + s.h1;
    p.b2 = p.e1 + s.h1;
    p.g2 = p.b2 + s.h2;
    p.e2 = p.g2 + s.h2;
    p.b3 = p.e2 + s.h2;
    return p;
}

/* Runs twice: with an arena that only measures, then with one that has memory. */
static void lay_out(dg_net *n, nn_arena *a)
{
    const dg_net_size s = n->size;
    const nn_dim B = n->batch, P = n->param_count, taps = B * 4 * n->shared.maps;
    n->state = nn_take_real(a, n->state_count);
    n->grad = nn_take_real(a, P);
    n->r1 = nn_take_real(a, B * s.h1);
    n->n1 = nn_take_real(a, B * s.h1);
    n->da1 = nn_take_real(a, B * s.h1);
    n->dn1 = nn_take_real(a, B * s.h1);
    n->r2 = nn_take_real(a, B * s.h2);
    n->n2 = nn_take_real(a, B * s.h2);
    n->da2 = nn_take_real(a, B * s.h2);
    n->dn2 = nn_take_real(a, B * s.h2);
    n->logit = nn_take_real(a, B * s.K);
    n->dlogit = nn_take_real(a, B * s.K);
    n->z = nn_take_real(a, n->shared.positions * s.h1);
    n->dz = nn_take_real(a, n->shared.positions * s.h1);
    n->tap = nn_take(a, (size_t)taps * sizeof *n->tap);
    n->first = nn_take(a, (size_t)n->shared.positions * sizeof *n->first);
    n->tap_row = nn_take(a, (size_t)taps * sizeof *n->tap_row);
    n->tap_weight = nn_take_real(a, taps);
    n->mean1 = nn_take_real(a, s.h1);
    n->rstd1 = nn_take_real(a, s.h1);
    n->mean2 = nn_take_real(a, s.h2);
    n->rstd2 = nn_take_real(a, s.h2);
    n->w2t = nn_take_real(a, s.h2 * s.h1);
    n->w3t = nn_take_real(a, s.h1 ? s.K * top_width(s) : 0);
    n->ones = nn_take_real(a, B);
}

static void set_size(dg_net *n, dg_net_size size, nn_dim batch, dg_shared shared)
{
    n->shared = shared;
    n->size = size;
    n->batch = batch;
    n->param_count = dg_net_param_count(size);
    n->result_count = n->param_count + 2 * (size.h1 + size.h2);
    n->state_count = n->result_count + 2 * n->param_count;
}

size_t dg_net_bytes(dg_net_size size, nn_dim batch, dg_shared shared)
{
    dg_net n;
    nn_arena measure = { 0 };
    set_size(&n, size, batch, shared);
    lay_out(&n, &measure);
    return measure.used;
}

nn_status dg_net_open(dg_net *n, const nn_kernels *k, dg_net_size size, nn_dim batch, dg_shared shared, nn_err *err)
{
    memset(n, 0, sizeof *n);
    set_size(n, size, batch, shared);
    n->k = k;
    n->block = nn_alloc(dg_net_bytes(size, batch, shared), "pixel classifier", err);
    if (!n->block) return NN_ENOMEM;
    nn_arena place = { n->block, 0 };
    lay_out(n, &place);

    n->param = n->state;
    n->run_mean1 = n->param + n->param_count;
    n->run_var1 = n->run_mean1 + size.h1;
    n->run_mean2 = n->run_var1 + size.h1;
    n->run_var2 = n->run_mean2 + size.h2;
    n->m = n->run_var2 + size.h2;
    n->v = n->m + n->param_count;
    n->p = dg_params_at(n->param, size);
    n->d = dg_params_at(n->grad, size);
    for (nn_dim i = 0; i < batch; i++) n->ones[i] = 1;
    return NN_OK;
}

void dg_net_close(dg_net *n)
{
    if (!n) return;
    nn_free(n->block);
    memset(n, 0, sizeof *n);
}

/* ---- initialisation ----------------------------------------------------------------------------------------------- */

static void fill(real *x, nn_dim n, real value) { for (nn_dim i = 0; i < n; i++) x[i] = value; }

static void init_weight(real *w, nn_dim in, nn_dim out, uint64_t seed, uint32_t layer)
{
    for (nn_dim o = 0; o < out; o++)
        for (nn_dim i = 0; i < in; i++)
            w[i * out + o] = (real)(init_sd * nn_rng_normal(seed, NN_RNG_INIT, layer, (uint64_t)(o * in + i)));
}

void dg_net_init(dg_net *n, uint64_t seed)
{
    const dg_net_size s = n->size;
    memset(n->state, 0, (size_t)n->state_count * sizeof *n->state);
    init_weight(n->p.w1, s.D, s.h1, seed, 1);
    init_weight(n->p.w2, s.h1, s.h2, seed, 2);
    init_weight(n->p.w3, top_width(s), s.K, seed, 3);
    fill(n->p.g1, s.h1, 1);
    fill(n->p.g2, s.h2, 1);
    fill(n->run_var1, s.h1, 1);
    fill(n->run_var2, s.h2, 1);
}

/* ---- one step ----------------------------------------------------------------------------------------------------- */

/* x *= mask / (1 - p), mask 0 with probability p.  The backward pass is the same product, so the mask is drawn again instead
 * of kept.  One Philox block serves four numbers. */
static void dropout(real *x, nn_dim n, double p, const dg_step *o, uint64_t layer)
{
    if (p <= 0.0) return;
    const double limit = p * 4294967296.0;
    const real keep = (real)(1.0 / (1.0 - p));
    for (nn_dim i = 0; i < n; i += 4) {
        uint32_t word[4];
        nn_rng_block(o->seed, NN_RNG_DROPOUT, (uint32_t)o->adam.step, (layer << 48) + (uint64_t)(i / 4), word);
        for (nn_dim j = 0; j < 4 && i + j < n; j++) x[i + j] = word[j] < limit ? 0 : x[i + j] * keep;
    }
}

/* C (m,n) = A (m,k) B (k,n), with a bias relu(A B + bias); A B with A stored as (k,m).  Sums over rows are products with ones. */
static void product(const nn_kernels *k, real *c, const real *a, const real *b, const real *bias, nn_dim m, nn_dim inner, nn_dim n)
{
    k->gemm(m, n, inner, nn_rows_matrix(a, inner), b, n, c, n, false, bias);
}
static void product_at(const nn_kernels *k, real *c, const real *a, const real *b, nn_dim m, nn_dim inner, nn_dim n)
{
    k->gemm(m, n, inner, nn_rows_transposed(a, m), b, n, c, n, false, NULL);
}

static void transpose(real *t, const real *x, nn_dim rows, nn_dim cols)
{
    for (nn_dim r = 0; r < rows; r++) for (nn_dim c = 0; c < cols; c++) t[c * rows + r] = x[r * cols + c];
}

/* ---- layer 1 (net.h dg_rows) */

/* Features that rows bring gathered: the last of D. */
static nn_dim own_features(const dg_net *n, const dg_rows *x)
{
    nn_dim D = n->size.D;
    for (int i = 0; i < x->map_count; i++) D -= x->map[i].c;
    return D;
}

static void layer1(dg_net *n, const dg_rows *x, nn_dim B)
{
    const nn_dim h1 = n->size.h1, taps = 4 * x->map_count;
    const real *w = n->p.w1;
    real *z = n->z;
    for (int i = 0; i < x->map_count; i++) {
        const dg_small_map *m = &x->map[i];
        product(n->k, z, m->x, w, NULL, m->n, m->c, h1);
        z += m->n * h1;
        w += m->c * h1;
    }
    for (nn_dim t = 0; t < B * taps; t++) n->tap[t] = (int32_t)(x->position[t] * h1);
    if (taps) n->k->mix_rows(n->r1, B, h1, n->z, n->tap, x->weight, (int)taps);
    const nn_dim D = own_features(n, x);
    n->k->gemm(B, h1, D, nn_rows_matrix(x->own, D), w, h1, n->r1, h1, taps > 0, n->p.b1);
}

/* dz[position] = the sum over the taps that read it, in the order of the rows, of weight * dr[row]. */
static void gather_back(dg_net *n, const dg_rows *x, nn_dim B, const real *dr)
{
    const nn_dim h1 = n->size.h1, taps = 4 * x->map_count, positions = n->shared.positions;
    memset(n->first, 0, (size_t)positions * sizeof *n->first);
    for (nn_dim i = 0; i < B * taps; i++) n->first[x->position[i]]++;
    for (nn_dim p = 0, before = 0; p < positions; p++) {
        const int32_t count = n->first[p];
        n->first[p] = (int32_t)before;
        before += count;
    }
    for (nn_dim i = 0; i < B * taps; i++) {
        const int32_t at = n->first[x->position[i]]++;
        n->tap_row[at] = dr + i / taps * h1;
        n->tap_weight[at] = x->weight[i];
    }
    for (nn_dim p = 0, from = 0; p < positions; from = n->first[p], p++)
        n->k->mix(n->dz + p * h1, n->tap_row + from, n->tap_weight + from, (int)(n->first[p] - from), h1, false);
}

static void layer1_back(dg_net *n, const dg_rows *x, nn_dim B, const real *dr)
{
    const nn_dim h1 = n->size.h1;
    real *dw = n->d.w1;
    const real *dz = n->dz;
    if (x->map_count) gather_back(n, x, B, dr);
    for (int i = 0; i < x->map_count; i++) {
        const dg_small_map *m = &x->map[i];
        product_at(n->k, dw, m->x, dz, m->c, m->n, h1);
        dz += m->n * h1;
        dw += m->c * h1;
    }
    product_at(n->k, dw, x->own, dr, own_features(n, x), B, h1);
}

/* ---- forward and backward */

static void forward(dg_net *n, const dg_rows *x, nn_dim B, const dg_step *o)
{
    const nn_kernels *k = n->k;
    const dg_params *p = &n->p;
    const nn_dim h1 = n->size.h1, h2 = n->size.h2, K = n->size.K;
    const real *top = x->own;
    if (h1) {
        layer1(n, x, B);
        k->batchnorm_fwd(n->n1, n->mean1, n->rstd1, n->run_mean1, n->run_var1, n->r1, p->g1, p->e1, B, h1);
        dropout(n->n1, B * h1, o->dropout1, o, 1);
        top = n->n1;
    }
    if (h2) {
        product(k, n->r2, n->n1, p->w2, p->b2, B, h1, h2);
        k->batchnorm_fwd(n->n2, n->mean2, n->rstd2, n->run_mean2, n->run_var2, n->r2, p->g2, p->e2, B, h2);
        dropout(n->n2, B * h2, o->dropout2, o, 2);
        top = n->n2;
    }
    product(k, n->logit, top, p->w3, NULL, B, top_width(n->size), K);
    for (nn_dim i = 0; i < B; i++) for (nn_dim c = 0; c < K; c++) n->logit[i * K + c] += p->b3[c];
}

/* The same lines from bottom to top.  The features need no gradient. */
static void backward(dg_net *n, const dg_rows *x, nn_dim B, const dg_step *o)
{
    const nn_kernels *k = n->k;
    const dg_params *p = &n->p, *d = &n->d;
    const nn_dim h1 = n->size.h1, h2 = n->size.h2, K = n->size.K;
    const nn_dim width = top_width(n->size);
    product_at(k, d->w3, h2 ? n->n2 : h1 ? n->n1 : x->own, n->dlogit, width, B, K);
    product(k, d->b3, n->ones, n->dlogit, NULL, 1, B, K);
    if (!h1) return;
    transpose(n->w3t, p->w3, width, K);
    product(k, h2 ? n->dn2 : n->dn1, n->dlogit, n->w3t, NULL, B, K, width);

    if (h2) {
        dropout(n->dn2, B * h2, o->dropout2, o, 2);
        k->batchnorm_bwd(n->da2, d->g2, d->e2, n->dn2, n->r2, n->mean2, n->rstd2, p->g2, B, h2);
        k->relu_bwd(n->dn2, n->da2, n->r2, B * h2);           /* dn2 from here on: gradient before the ReLU */
        product_at(k, d->w2, n->n1, n->dn2, h1, B, h2);
        product(k, d->b2, n->ones, n->dn2, NULL, 1, B, h2);
        transpose(n->w2t, p->w2, h1, h2);
        product(k, n->dn1, n->dn2, n->w2t, NULL, B, h2, h1);
    }

    dropout(n->dn1, B * h1, o->dropout1, o, 1);
    k->batchnorm_bwd(n->da1, d->g1, d->e1, n->dn1, n->r1, n->mean1, n->rstd1, p->g1, B, h1);
    k->relu_bwd(n->dn1, n->da1, n->r1, B * h1);
    layer1_back(n, x, B, n->dn1);
    product(k, d->b1, n->ones, n->dn1, NULL, 1, B, h1);
}

/* torch.nn.CrossEntropyLoss(weight): sum w[y] ce / sum w[y].  dlogit holds the gradient of the plain mean over the rows. */
static double weigh(dg_net *n, const uint8_t *label, nn_dim B, const real *weight)
{
    const nn_dim K = n->size.K;
    double total = 0.0, loss = 0.0;
    for (nn_dim i = 0; i < B; i++) total += weight[label[i]];
    for (nn_dim i = 0; i < B; i++) {
        const real *x = n->logit + i * K;
        const double w = weight[label[i]] / total;
        double max = x[0], sum = 0.0;
        for (nn_dim c = 1; c < K; c++) if (x[c] > max) max = x[c];
        for (nn_dim c = 0; c < K; c++) sum += exp(x[c] - max);
        /* analyze: K >= 1, so sum >= exp(0) */
        loss += w * (log(sum) - (x[label[i]] - max));
        for (nn_dim c = 0; c < K; c++) n->dlogit[i * K + c] = (real)(n->dlogit[i * K + c] * (w * (double)B));
    }
    return loss;
}

double dg_net_gradient(dg_net *n, const dg_rows *x, const uint8_t *label, nn_dim rows, const dg_step *o)
{
    NN_ASSERT(rows >= 2 && rows <= n->batch && x->map_count <= n->shared.maps);
    const nn_dim weights = weight_count(n->size);
    memset(n->grad + weights, 0, (size_t)(n->param_count - weights) * sizeof *n->grad);     /* batchnorm_bwd adds */
    forward(n, x, rows, o);
    double loss = n->k->softmax_ce(n->dlogit, n->logit, label, rows, n->size.K);
    if (o->class_weight) loss = weigh(n, label, rows, o->class_weight);
    backward(n, x, rows, o);
    return loss;
}

double dg_net_step(dg_net *n, const dg_rows *x, const uint8_t *label, nn_dim rows, const dg_step *o)
{
    const double loss = dg_net_gradient(n, x, label, rows, o);

    const nn_dim weights = weight_count(n->size);
    nn_adam rest = o->adam;
    rest.decay = 0.0;
    const bool decaying = n->k->adam(n->param, n->m, n->v, n->grad, weights, &o->adam);
    const bool others = n->k->adam(n->param + weights, n->m + weights, n->v + weights, n->grad + weights, n->param_count - weights, &rest);
    return decaying && others && isfinite(loss) ? loss : NAN;
}
