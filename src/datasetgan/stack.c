/* stack.c: members' results as an interpreter's tensors, and back. */
#include <string.h>

#include "datasetgan/train.h"

/* The tensors of one member. */
typedef struct { real *w1, *b1, *g1, *e1, *m1, *v1, *w2, *b2, *g2, *e2, *m2, *v2, *w3, *b3; } tensors;

/* Copy a member's (in,out) weight into the file's (out,in). */
static void put_weight(real *to, const real *w, nn_dim in, nn_dim out)
{
    for (nn_dim i = 0; i < in; i++) for (nn_dim o = 0; o < out; o++) to[o * in + i] = w[i * out + o];
}

static void take_weight(real *to, const real *w, nn_dim in, nn_dim out)
{
    for (nn_dim i = 0; i < in; i++) for (nn_dim o = 0; o < out; o++) to[i * out + o] = w[o * in + i];
}

static void put(real *to, const real *from, nn_dim n) { memcpy(to, from, (size_t)n * sizeof *to); }

/* ---- networks without hidden layers ---------------------------------------------------------------------------------- */

/* The file's networks have two hidden layers.  One with fewer is written as the network of that form that computes the same:
 * x = relu(x) - relu(-x), so the output layer is written twice, once with its sign turned, and layer 3 takes the difference. */
static void put_both_signs(real *to, real *bias, const real *w, const real *b, nn_dim in, nn_dim K)
{
    for (nn_dim k = 0; k < K; k++) {
        for (nn_dim i = 0; i < in; i++) {
            to[k * in + i] = w[i * K + k];
            to[(K + k) * in + i] = -w[i * K + k];
        }
        bias[k] = b[k];
        bias[K + k] = -b[k];
    }
}

/* A batch norm that changes nothing: sqrt(var + 1e-5) = 1. */
static void put_no_norm(real *gamma, real *var, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) {
        gamma[i] = 1;
        var[i] = (real)(1.0 - 1e-5);
    }
}

static void put_output(const tensors *t, const dg_params *p, dg_net_size s)
{
    const nn_dim n = 2 * s.K;
    if (s.h1 == 0) {
        put_both_signs(t->w1, t->b1, p->w3, p->b3, s.D, s.K);
        put_no_norm(t->g1, t->v1, n);
        for (nn_dim i = 0; i < n; i++) t->w2[i * n + i] = 1;
    } else put_both_signs(t->w2, t->b2, p->w3, p->b3, s.h1, s.K);
    put_no_norm(t->g2, t->v2, n);
    for (nn_dim k = 0; k < s.K; k++) {
        t->w3[k * n + k] = 1;
        t->w3[k * n + s.K + k] = -1;
    }
}

/* ---- all members ----------------------------------------------------------------------------------------------------- */

/* Logit of a class that the network does not know: its probability is exp(-1e4 - anything), 0, and no vote falls on it. */
static const real ABSENT = (real)-1e4;

static void put_member(const tensors *t, const real *state, dg_net_size s, nn_dim classes)
{
    const dg_params p = dg_params_at((real *)(uintptr_t)state, s);
    const real *run1 = state + dg_net_param_count(s), *run2 = run1 + 2 * s.h1;
    if (s.h1) {
        put_weight(t->w1, p.w1, s.D, s.h1);
        put(t->b1, p.b1, s.h1);
        put(t->g1, p.g1, s.h1);
        put(t->e1, p.e1, s.h1);
        put(t->m1, run1, s.h1);
        put(t->v1, run1 + s.h1, s.h1);
    }
    if (s.h2) {
        put_weight(t->w2, p.w2, s.h1, s.h2);
        put(t->b2, p.b2, s.h2);
        put(t->g2, p.g2, s.h2);
        put(t->e2, p.e2, s.h2);
        put(t->m2, run2, s.h2);
        put(t->v2, run2 + s.h2, s.h2);
        put_weight(t->w3, p.w3, s.h2, s.K);                     /* the rest is 0 */
        put(t->b3, p.b3, s.K);
    } else put_output(t, &p, s);
    for (nn_dim k = s.K; k < classes; k++) t->b3[k] = ABSENT;
}

static real *take_all(nn_arena *a, const real **slot, nn_dim members, nn_dim each)
{
    real *p = nn_take_real(a, members * each);
    *slot = p;
    return p;
}

void dg_stack_members(dg_interp *in, const dg_member *member, dg_net_size s, nn_arena *a)
{
    const nn_dim M = in->members, K = in->classes, D = s.D;
    const nn_dim h1 = in->h1 = s.h1 ? s.h1 : 2 * s.K, h2 = in->h2 = s.h2 ? s.h2 : 2 * s.K;
    const tensors t = {
        .w1 = take_all(a, &in->w1, M, D * h1), .b1 = take_all(a, &in->b1, M, h1), .g1 = take_all(a, &in->g1, M, h1),
        .e1 = take_all(a, &in->e1, M, h1), .m1 = take_all(a, &in->m1, M, h1), .v1 = take_all(a, &in->v1, M, h1),
        .w2 = take_all(a, &in->w2, M, h1 * h2), .b2 = take_all(a, &in->b2, M, h2), .g2 = take_all(a, &in->g2, M, h2),
        .e2 = take_all(a, &in->e2, M, h2), .m2 = take_all(a, &in->m2, M, h2), .v2 = take_all(a, &in->v2, M, h2),
        .w3 = take_all(a, &in->w3, M, h2 * K), .b3 = take_all(a, &in->b3, M, K),
    };
    for (nn_dim i = 0; a->base && i < M; i++) {
        const tensors one = {
            t.w1 + i * D * h1, t.b1 + i * h1, t.g1 + i * h1, t.e1 + i * h1, t.m1 + i * h1, t.v1 + i * h1,
            t.w2 + i * h1 * h2, t.b2 + i * h2, t.g2 + i * h2, t.e2 + i * h2, t.m2 + i * h2, t.v2 + i * h2, t.w3 + i * h2 * K, t.b3 + i * K,
        };
        put_member(&one, member[i].state, s, K);
    }
}

void dg_unstack_member(real *state, const dg_interp *in, nn_dim i, dg_net_size s)
{
    const dg_params p = dg_params_at(state, s);
    real *run1 = state + dg_net_param_count(s), *run2 = run1 + 2 * s.h1;
    NN_ASSERT(in->D == s.D && in->h1 == s.h1 && in->h2 == s.h2 && s.K <= in->classes && i < in->members);
    take_weight(p.w1, in->w1 + i * s.D * s.h1, s.D, s.h1);
    take_weight(p.w2, in->w2 + i * s.h1 * s.h2, s.h1, s.h2);
    take_weight(p.w3, in->w3 + i * s.h2 * in->classes, s.h2, s.K);
    put(p.b1, in->b1 + i * s.h1, s.h1);
    put(p.g1, in->g1 + i * s.h1, s.h1);
    put(p.e1, in->e1 + i * s.h1, s.h1);
    put(p.b2, in->b2 + i * s.h2, s.h2);
    put(p.g2, in->g2 + i * s.h2, s.h2);
    put(p.e2, in->e2 + i * s.h2, s.h2);
    put(p.b3, in->b3 + i * in->classes, s.K);
    put(run1, in->m1 + i * s.h1, s.h1);
    put(run1 + s.h1, in->v1 + i * s.h1, s.h1);
    put(run2, in->m2 + i * s.h2, s.h2);
    put(run2 + s.h2, in->v2 + i * s.h2, s.h2);
}
