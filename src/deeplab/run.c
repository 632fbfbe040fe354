/* run.c: a network forward and backward. */
#include <string.h>

#include "deeplab/net.h"

static const double aux_weight = 0.5;                    /* torchvision references/segmentation/train.py criterion */

typedef struct {
    nn_dim h, w;
    real *y, *dy;                    /* (n,h,w,c); dy only for training */
    uint8_t *at;                     /* DL_MAXPOOL */
    real *mean, *rstd;               /* DL_NORM */
    bool ready;                      /* dy holds something already */
} slot;

struct dl_work {
    const dl_net *net;
    nn_dim n, h, w;
    bool train;
    int threads;
    slot *at;                        /* (node_count) */
    real *logits, *dlogits;          /* (n,h,w,K) */
    real *room;
};

/* ---- room ---------------------------------------------------------------------------------------------------------------------- */

static nn_conv2d conv_shape(const dl_net *net, const slot *at, const dl_node *d, nn_dim n)
{
    const dl_node *in = &net->node[d->in[0]];
    const slot *s = &at[d->in[0]];
    return (nn_conv2d){ n, s->h, s->w, in->c, d->c, d->ks, d->stride, d->pad, d->dilation };
}

static nn_map map_of(const dl_net *net, const slot *at, int node, nn_dim n) { return (nn_map){ n, at[node].h, at[node].w, net->node[node].c }; }

static void size_of(const dl_net *net, slot *at, int i, nn_dim h, nn_dim w)
{
    const dl_node *d = &net->node[i];
    const slot *in = &at[d->in[0]];
    slot *s = &at[i];
    s->h = in->h;
    s->w = in->w;
    if (d->op == DL_INPUT) { s->h = h; s->w = w; }
    else if (d->op == DL_AVGPOOL) s->h = s->w = 1;
    else if (d->op == DL_RESIZE) { s->h = at[d->like].h; s->w = at[d->like].w; }
    else if (d->op == DL_CONV) {
        const nn_conv2d c = conv_shape(net, at, d, 1);
        s->h = nn_conv2d_out(&c, c.h);
        s->w = nn_conv2d_out(&c, c.w);
    } else if (d->op == DL_MAXPOOL) {
        s->h = (in->h + 2 * d->pad - d->ks) / d->stride + 1;
        s->w = (in->w + 2 * d->pad - d->ks) / d->stride + 1;
    }
}

/* Runs twice (nn_arena).  wk->at must be there. */
static void place(dl_work *wk, nn_arena *a)
{
    const dl_net *net = wk->net;
    nn_dim room = 0;
    for (int i = 0; i < net->node_count; i++) {
        const dl_node *d = &net->node[i];
        slot *s = &wk->at[i];
        size_of(net, wk->at, i, wk->h, wk->w);
        const nn_dim numbers = wk->n * s->h * s->w * d->c;
        nn_dim need = 0;
        s->y = nn_take_real(a, numbers);
        if (wk->train && i) s->dy = nn_take_real(a, numbers);
        if (d->op == DL_MAXPOOL) s->at = nn_take(a, (size_t)numbers);
        if (d->op == DL_NORM) {
            const nn_norm norm = { wk->n * s->h * s->w, d->c, d->relu };
            s->mean = nn_take_real(a, d->c);
            s->rstd = nn_take_real(a, d->c);
            need = nn_norm_room(&norm);
        } else if (d->op == DL_CONV) {
            const nn_conv2d c = conv_shape(net, wk->at, d, wk->n);
            need = nn_conv2d_room(&c, wk->threads);
        }
        if (need > room) room = need;
    }
    const nn_dim all = wk->n * wk->h * wk->w * net->classes;
    wk->logits = nn_take_real(a, all);
    if (wk->train) wk->dlogits = nn_take_real(a, all);
    wk->room = nn_take_real(a, room);
}

dl_work *dl_work_open(const dl_net *net, nn_dim n, nn_dim h, nn_dim w, bool train, int threads, nn_err *err)
{
    const size_t slots = (size_t)net->node_count * sizeof(slot);
    slot *measure = nn_alloc(slots, "room for a segmentation network", err);
    if (!measure) return NULL;
    dl_work want = { .net = net, .n = n, .h = h, .w = w, .train = train, .threads = threads, .at = measure };
    nn_arena a = { 0 };
    nn_take(&a, sizeof want);
    nn_take(&a, slots);
    place(&want, &a);
    a = (nn_arena){ .base = nn_alloc(a.used, "room for a segmentation network", err) };
    if (a.base) {
        dl_work *wk = nn_take(&a, sizeof want);
        *wk = want;
        wk->at = nn_take(&a, slots);
        place(wk, &a);
    }
    nn_free(measure);
    return (dl_work *)a.base;
}

void dl_work_close(dl_work *wk) { nn_free(wk); }
real *dl_work_input(dl_work *wk) { return wk->at[0].y; }
const real *dl_work_logits(const dl_work *wk) { return wk->logits; }
const real *dl_work_node(const dl_work *wk, int node) { return wk->at[node].y; }

/* ---- forward --------------------------------------------------------------------------------------------------------------------- */

typedef struct { const nn_kernels *k; const dl_net *net; dl_work *wk; nn_dim n; bool train; double share; uint64_t seed; uint32_t step; } pass;

static void copy_channels(real *to, nn_dim ldt, const real *from, nn_dim ldf, nn_dim c, nn_dim rows, int threads)
{
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && rows * c > NN_PARALLEL_MIN)
    for (nn_dim r = 0; r < rows; r++) memcpy(to + r * ldt, from + r * ldf, (size_t)c * sizeof *to);
}

static void forward_norm(const pass *p, int i)
{
    const dl_node *d = &p->net->node[i];
    slot *s = &p->wk->at[i];
    const nn_norm shape = { p->n * s->h * s->w, d->c, d->relu };
    const real *x = p->wk->at[d->in[0]].y, *add = d->in_count > 1 ? p->wk->at[d->in[1]].y : NULL;
    const real *gamma = p->net->param + d->weight, *beta = p->net->param + d->shift;
    real *mean = p->net->stat + d->stat, *var = mean + d->c;
    if (p->share > 0 && shape.B >= 2) {
        nn_norm_fwd(p->k, s->y, s->mean, s->rstd, NULL, NULL, x, NULL, gamma, beta, &shape, p->wk->room, p->wk->threads);
        for (nn_dim c = 0; c < d->c; c++) {
            s->mean[c] = (real)((1.0 - p->share) * mean[c] + p->share * s->mean[c]);
            s->rstd[c] = (real)((1.0 - p->share) * var[c] + p->share / ((double)s->rstd[c] * s->rstd[c]));      /* now a variance */
        }
        mean = s->mean;
        var = s->rstd;
    }
    if (p->train) nn_norm_fwd(p->k, s->y, s->mean, s->rstd, mean, var, x, add, gamma, beta, &shape, p->wk->room, p->wk->threads);
    else nn_norm_infer(p->k, s->y, x, add, gamma, beta, mean, var, &shape, p->wk->room, p->wk->threads);
}

static void forward_node(const pass *p, int i)
{
    const dl_node *d = &p->net->node[i];
    dl_work *wk = p->wk;
    slot *s = &wk->at[i];
    const real *x = wk->at[d->in[0]].y;
    const nn_map in = map_of(p->net, wk->at, d->in[0], p->n);
    const nn_dim rows = p->n * s->h * s->w;
    const nn_conv2d conv = conv_shape(p->net, wk->at, d, p->n);
    nn_dim c0 = 0;
    switch (d->op) {
    case DL_INPUT: break;
    case DL_CONV: nn_conv2d_fwd(p->k, s->y, x, p->net->param + d->weight, d->bias ? p->net->param + d->shift : NULL, &conv, wk->room, wk->threads); break;
    case DL_NORM: forward_norm(p, i); break;
    case DL_RELU: nn_relu_fwd_ref(s->y, x, rows * d->c); break;
    case DL_MAXPOOL: nn_maxpool_fwd(s->y, s->at, x, in, d->ks, d->stride, d->pad, wk->threads); break;
    case DL_AVGPOOL: nn_avgpool_fwd(s->y, x, in, wk->threads); break;
    case DL_RESIZE: nn_resize_fwd(p->k, s->y, x, in, s->h, s->w, wk->threads); break;
    case DL_CONCAT:
        for (int j = 0; j < d->in_count; j++) {
            const nn_dim c = p->net->node[d->in[j]].c;
            copy_channels(s->y + c0, d->c, wk->at[d->in[j]].y, c, c, rows, wk->threads);
            c0 += c;
        }
        break;
    case DL_DROPOUT:
        if (p->train) nn_dropout(s->y, x, rows * d->c, d->p, p->seed, p->step, (uint32_t)i, wk->threads);
        else memcpy(s->y, x, (size_t)(rows * d->c) * sizeof *x);
        break;
    }
}

void dl_forward_adapted(const nn_kernels *k, const dl_net *net, dl_work *wk, nn_dim n, double share)
{
    NN_ASSERT(n >= 1 && n <= wk->n);
    const pass p = { .k = k, .net = net, .wk = wk, .n = n, .share = share };
    for (int i = 0; i < net->node_count; i++) forward_node(&p, i);
    nn_resize_fwd(k, wk->logits, wk->at[net->out].y, map_of(net, wk->at, net->out, n), wk->h, wk->w, wk->threads);
}

void dl_forward(const nn_kernels *k, const dl_net *net, dl_work *wk, nn_dim n) { dl_forward_adapted(k, net, wk, n, 0.0); }

/* ---- backward --------------------------------------------------------------------------------------------------------------------- */

/* The gradient of a node that is going to be added to: zeros at first.  NULL for the input. */
static real *added(dl_work *wk, int i)
{
    slot *s = &wk->at[i];
    if (!s->ready && s->dy) memset(s->dy, 0, (size_t)(wk->n * s->h * s->w * wk->net->node[i].c) * sizeof *s->dy);
    s->ready = true;
    return s->dy;
}

static void add_channels(real *to, const real *from, nn_dim ld, nn_dim c, nn_dim rows, int threads)
{
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && rows * c > NN_PARALLEL_MIN)
    for (nn_dim r = 0; r < rows; r++)
        for (nn_dim i = 0; i < c; i++) to[r * c + i] += from[r * ld + i];
}

static void backward_concat(const pass *p, int i)
{
    const dl_node *d = &p->net->node[i];
    dl_work *wk = p->wk;
    const slot *s = &wk->at[i];
    const nn_dim rows = p->n * s->h * s->w;
    nn_dim c0 = 0;
    for (int j = 0; j < d->in_count; j++) {
        slot *in = &wk->at[d->in[j]];
        const nn_dim c = p->net->node[d->in[j]].c;
        if (in->dy && in->ready) add_channels(in->dy, s->dy + c0, d->c, c, rows, wk->threads);
        else if (in->dy) copy_channels(in->dy, c, s->dy + c0, d->c, c, rows, wk->threads);
        in->ready = true;
        c0 += c;
    }
}

static void backward_conv(const pass *p, int i, real *grad)
{
    const dl_node *d = &p->net->node[i];
    dl_work *wk = p->wk;
    slot *in = &wk->at[d->in[0]];
    const nn_conv2d conv = conv_shape(p->net, wk->at, d, p->n);
    nn_conv2d_bwd_weight(p->k, grad + d->weight, d->bias ? grad + d->shift : NULL, wk->at[i].dy, in->y, &conv, wk->room, wk->threads);
    if (in->dy) nn_conv2d_bwd_input(p->k, in->dy, in->ready, wk->at[i].dy, p->net->param + d->weight, &conv, wk->room, wk->threads);
    in->ready = true;
}

static void backward_norm(const pass *p, int i, real *grad)
{
    const dl_node *d = &p->net->node[i];
    dl_work *wk = p->wk;
    slot *s = &wk->at[i], *in = &wk->at[d->in[0]];
    const nn_norm shape = { p->n * s->h * s->w, d->c, d->relu };
    real *dadd = d->in_count > 1 ? added(wk, d->in[1]) : NULL;
    nn_norm_bwd(p->k, in->dy, in->ready, dadd, grad + d->weight, grad + d->shift, s->dy, s->y, in->y, s->mean, s->rstd, p->net->param + d->weight,
                &shape, wk->room, wk->threads);
    in->ready = true;
}

static void backward_node(const pass *p, int i, real *grad)
{
    const dl_node *d = &p->net->node[i];
    dl_work *wk = p->wk;
    slot *s = &wk->at[i];
    if (d->op == DL_INPUT || !s->ready) return;                      /* nobody's loss depends on it */
    const nn_map in = map_of(p->net, wk->at, d->in[0], p->n);
    const nn_dim numbers = p->n * s->h * s->w * d->c;
    switch (d->op) {
    case DL_INPUT: break;
    case DL_CONV: backward_conv(p, i, grad); break;
    case DL_NORM: backward_norm(p, i, grad); break;
    case DL_RELU: nn_relu_bwd_ref(added(wk, d->in[0]), s->dy, s->y, numbers); break;
    case DL_MAXPOOL: nn_maxpool_bwd(added(wk, d->in[0]), s->dy, s->at, in, d->ks, d->stride, d->pad, wk->threads); break;
    case DL_AVGPOOL: nn_avgpool_bwd(added(wk, d->in[0]), s->dy, in, wk->threads); break;
    case DL_RESIZE: nn_resize_bwd(p->k, added(wk, d->in[0]), s->dy, in, s->h, s->w, wk->threads); break;
    case DL_CONCAT: backward_concat(p, i); break;
    case DL_DROPOUT:
        nn_dropout(s->dy, s->dy, numbers, d->p, p->seed, p->step, (uint32_t)i, wk->threads);
        add_channels(added(wk, d->in[0]), s->dy, d->c, d->c, numbers / d->c, wk->threads);
        break;
    }
}

/* Loss of one head; its gradient goes into the head's node. */
static double head_loss(const pass *p, int node, const real *target, const real *weight, double scale)
{
    dl_work *wk = p->wk;
    const nn_map map = map_of(p->net, wk->at, node, p->n);
    const nn_dim rows = p->n * wk->h * wk->w, K = p->net->classes;
    nn_resize_fwd(p->k, wk->logits, wk->at[node].y, map, wk->h, wk->w, wk->threads);
    const double loss = nn_soft_ce(wk->dlogits, wk->logits, target, weight, rows, K, wk->threads);
    for (nn_dim i = 0; i < rows * K && scale != 1.0; i++) wk->dlogits[i] = (real)(wk->dlogits[i] * scale);
    nn_resize_bwd(p->k, added(wk, node), wk->dlogits, map, wk->h, wk->w, wk->threads);
    return scale * loss;
}

double dl_gradient(const nn_kernels *k, dl_net *net, dl_work *wk, const real *target, const real *weight, real *grad, uint64_t seed, uint32_t step)
{
    NN_ASSERT(wk->train);
    const pass p = { .k = k, .net = net, .wk = wk, .n = wk->n, .train = true, .seed = seed, .step = step };
    memset(grad, 0, (size_t)net->param_count * sizeof *grad);
    for (int i = 0; i < net->node_count; i++) {
        wk->at[i].ready = false;
        forward_node(&p, i);
    }
    double loss = net->aux >= 0 ? head_loss(&p, net->aux, target, weight, aux_weight) : 0.0;
    loss += head_loss(&p, net->out, target, weight, 1.0);
    for (int i = net->node_count; i-- > 0;) backward_node(&p, i, grad);
    return loss;
}
