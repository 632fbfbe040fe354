/* net.c: building a network: nodes, offsets of their numbers, initial values, names. */
#include "deeplab/net.h"

#include <math.h>
#include <string.h>

#include "nn/rng.h"

nn_status dl_net_begin(dl_net *n, const char *kind, nn_dim classes, nn_err *err)
{
    *n = (dl_net){ .classes = classes, .room = 512, .aux = -1 };
    nn_format(n->kind, sizeof n->kind, "%s", kind);
    n->node = nn_alloc((size_t)n->room * sizeof *n->node, "segmentation network", err);
    if (!n->node) return NN_ENOMEM;
    n->node[n->node_count++] = (dl_node){ .op = DL_INPUT, .c = 3 };
    return NN_OK;
}

static dl_node *add(dl_net *n, dl_op op, int in, nn_dim c)
{
    NN_ASSERT(n->node_count < n->room && in < n->node_count);
    dl_node *d = &n->node[n->node_count++];
    *d = (dl_node){ .op = op, .in_count = 1, .in = { in }, .c = c, .ks = 1, .stride = 1, .dilation = 1, .like = -1 };
    return d;
}

static nn_dim channels(const dl_net *n, int node) { return n->node[node].c; }
static int last(const dl_net *n) { return n->node_count - 1; }

int dl_conv(dl_net *n, const char *name, int in, nn_dim c, nn_dim ks, nn_dim stride, nn_dim dilation, bool bias)
{
    dl_node *d = add(n, DL_CONV, in, c);
    nn_format(d->name, sizeof d->name, "%s", name);
    d->ks = ks;
    d->stride = stride;
    d->dilation = dilation;
    d->pad = dilation * (ks - 1) / 2;
    d->bias = bias;
    d->weight = n->param_count;
    n->param_count += ks * ks * channels(n, in) * c;
    d->shift = n->param_count;
    if (bias) n->param_count += c;
    return last(n);
}

int dl_norm(dl_net *n, const char *name, int in, int residual, bool relu)
{
    const nn_dim c = channels(n, in);
    dl_node *d = add(n, DL_NORM, in, c);
    nn_format(d->name, sizeof d->name, "%s", name);
    d->relu = relu;
    if (residual >= 0) d->in[d->in_count++] = residual;
    d->weight = n->param_count;
    d->shift = d->weight + c;
    d->stat = n->stat_count;
    n->param_count += 2 * c;
    n->stat_count += 2 * c;
    return last(n);
}

int dl_relu(dl_net *n, int in) { add(n, DL_RELU, in, channels(n, in)); return last(n); }
int dl_avgpool(dl_net *n, int in) { add(n, DL_AVGPOOL, in, channels(n, in)); return last(n); }

int dl_maxpool(dl_net *n, int in, nn_dim ks, nn_dim stride, nn_dim pad)
{
    dl_node *d = add(n, DL_MAXPOOL, in, channels(n, in));
    d->ks = ks;
    d->stride = stride;
    d->pad = pad;
    return last(n);
}

int dl_resize(dl_net *n, int in, int like)
{
    add(n, DL_RESIZE, in, channels(n, in))->like = like;
    return last(n);
}

int dl_dropout(dl_net *n, int in, double p)
{
    add(n, DL_DROPOUT, in, channels(n, in))->p = p;
    return last(n);
}

int dl_concat(dl_net *n, const int *in, int count)
{
    NN_ASSERT(count >= 1 && count <= DL_INPUTS);
    nn_dim c = 0;
    for (int i = 0; i < count; i++) c += channels(n, in[i]);
    dl_node *d = add(n, DL_CONCAT, in[0], c);
    d->in_count = count;
    memcpy(d->in, in, (size_t)count * sizeof *in);
    return last(n);
}

nn_status dl_net_finish(dl_net *n, int out, int aux, nn_err *err)
{
    n->out = out;
    n->aux = aux;
    n->param = nn_alloc((size_t)(n->param_count + n->stat_count) * sizeof(real), "segmentation network", err);
    if (!n->param) { dl_net_close(n); return NN_ENOMEM; }
    n->stat = n->param + n->param_count;
    return NN_OK;
}

void dl_net_close(dl_net *n)
{
    nn_free(n->node);
    nn_free(n->param);
    *n = (dl_net){ .aux = -1 };
}

void dl_net_init(dl_net *n, uint64_t seed)
{
    memset(n->param, 0, (size_t)(n->param_count + n->stat_count) * sizeof *n->param);
    for (int i = 0; i < n->node_count; i++) {
        const dl_node *d = &n->node[i];
        if (d->op == DL_CONV) {
            const nn_dim count = d->ks * d->ks * n->node[d->in[0]].c * d->c;
            const double sd = sqrt(2.0 / (double)(d->ks * d->ks * d->c));
            for (nn_dim j = 0; j < count; j++) n->param[d->weight + j] = (real)(sd * nn_rng_normal(seed, NN_RNG_INIT, (uint32_t)i, (uint64_t)j));
        } else if (d->op == DL_NORM) {
            for (nn_dim c = 0; c < d->c; c++) n->param[d->weight + c] = n->stat[d->stat + d->c + c] = 1;
        }
    }
}

/* ---- tensors ---------------------------------------------------------------------------------------------------------------- */

static nn_dim tensors_of(const dl_node *d) { return d->op == DL_CONV ? 1 + d->bias : d->op == DL_NORM ? 4 : 0; }

nn_dim dl_tensor_count(const dl_net *n)
{
    nn_dim count = 0;
    for (int i = 0; i < n->node_count; i++) count += tensors_of(&n->node[i]);
    return count;
}

dl_tensor dl_tensor_at(const dl_net *n, nn_dim i)
{
    int j = 0;
    for (; i >= tensors_of(&n->node[j]); j++) i -= tensors_of(&n->node[j]);
    const dl_node *d = &n->node[j];
    static const char *const part[] = { "weight", "bias", "running_mean", "running_var" };
    dl_tensor t = { .count = d->c, .trained = i < 2 };
    nn_format(t.name, sizeof t.name, "%s.%s", d->name, part[i]);
    t.at = i == 0 ? n->param + d->weight : i == 1 ? n->param + d->shift : n->stat + d->stat + (i - 2) * d->c;
    if (d->op != DL_CONV || i > 0) return t;
    t.decays = true;
    t.ks = d->ks;
    t.cin = n->node[d->in[0]].c;
    t.cout = d->c;
    t.count = t.ks * t.ks * t.cin * t.cout;
    return t;
}
