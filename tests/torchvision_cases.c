/* torchvision_cases.c: DeepLab-v3 with random weights and an auxiliary head against PyTorch in double: on ResNet-50 torchvision's
 * (tests/golden/make_segment.py), on ResNet-18 and 34 the same graph built from torch.nn (make_resnet.py).  Predictions in float and in
 * double; loss, every gradient and steps of SGD in double alone.  In float a
 * network this deep with random weights says nothing: PyTorch's own float32 gradients are 0.9 % from its float64 ones (4 pictures of
 * 25 x 33; more on smaller ones), as rounding carries ReLUs over.  The float rows are judged operation by operation (map_cases.c). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "deeplab/net.h"
#include "tests/golden.h"

void torchvision_cases(const nn_kernels *k, const char *kind, bool trains);

enum { CLASSES = 4, H = 17, W = 25, N = 2, STEPS = 5, PIXELS = N * H * W };

/* What a golden holds, and limits.  ResNet-18 and 34: what PyTorch's own float64 numbers move when those of its input are multiplied by
 * 1 + 1e-14 normal() (make_resnet.py prints it).  50: ten times what its losses move when the whole input is multiplied by 1 + 1e-14: 6e-15,
 * 9e-12, 4e-8, 9e-6, 2e-2, as batch norm of two pooled values makes the steps chaotic. */
typedef struct { const char *kind, *file; nn_dim stride, picks; int steps; double gradient, loss[STEPS]; } judged;
static const judged nets[] = {
    { "resnet18", "resnet18", 8, 8, 2, 1.6e-11, { 2.0e-14, 1.2e-13 } },
    { "resnet34", "resnet34", 16, 8, 2, 4.8e-10, { 1.1e-13, 2.3e-11 } },
    { "resnet50", "segment", 8, 24, STEPS, 1e-9, { 6e-14, 9e-11, 4e-7, 9e-5, 2e-1 } },
};

/* hashed.py numbers */
static double number(uint32_t i, uint64_t j, double scale, double shift)
{
    uint32_t h = (uint32_t)(j * 2654435761u + (uint64_t)i * 40503u + 12345u);
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return ((double)(h >> 16) / 65536.0 - 0.5) * scale + shift;
}

static bool ends(const char *name, const char *end) { const size_t n = strlen(name), m = strlen(end); return n >= m && !strcmp(name + n - m, end); }

static void fill(dl_net *n)
{
    for (nn_dim i = 0; i < dl_tensor_count(n); i++) {
        const dl_tensor t = dl_tensor_at(n, i);
        uint32_t id = 7 * (uint32_t)strlen(t.name);
        for (const char *c = t.name; *c; c++) id += (unsigned char)*c;
        if (!t.ks) {
            for (nn_dim j = 0; j < t.count; j++) t.at[j] = (real)number(id, (uint64_t)j, 0.5, ends(t.name, "weight") || ends(t.name, "running_var") ? 1 : 0);
            continue;
        }
        const double scale = pow(2.0, nearbyint(log2(sqrt(24.0 / (double)(t.cin * t.ks * t.ks)))));
        real *w = nn_alloc((size_t)t.count * sizeof *w, "w", NULL);
        for (nn_dim j = 0; j < t.count; j++) w[j] = (real)number(id, (uint64_t)j, scale, 0);
        nn_conv2d_from_torch(t.at, w, t.cin, t.cout, t.ks);
        nn_free(w);
    }
}

/* Number j of a tensor in torch's order. */
static real in_torch(const dl_tensor *t, const real *at, nn_dim j)
{
    if (!t->ks) return at[j];
    const nn_dim taps = t->ks * t->ks, tap = j % taps, i = j / taps % t->cin, o = j / taps / t->cin;
    return at[(tap * t->cin + i) * t->cout + o];
}

/* The picked numbers of a tensor and their golden: the largest error against the larger of |want| and the tensor's rms. */
static double worst_of(const dl_tensor *t, const real *at, const real *want, nn_dim picks, double rms)
{
    double worst = 0.0;
    const nn_dim step = t->count / picks > 1 ? t->count / picks : 1;
    for (nn_dim p = 0; p < picks && p * step < t->count; p++) {
        const double e = fabs((double)in_torch(t, at, p * step) - want[p]) / fmax(fabs((double)want[p]), rms);
        if (!(e <= worst)) worst = e;
    }
    return worst;
}

static nn_dim at_most(nn_dim a, nn_dim b) { return a < b ? a : b; }

static void compare_gradients(const judged *j, const dl_net *n, const real *grad)
{
    double worst = 0.0, worst_norm = 0.0;
    for (nn_dim i = 0; i < dl_tensor_count(n); i++) {
        const dl_tensor t = dl_tensor_at(n, i);
        if (!t.trained) continue;
        const nn_dim picks = at_most(j->picks, t.count);
        const real *g = grad + (t.at - n->param), *want = golden(picks + 1, "grad.%s", t.name);
        double square = 0.0;
        for (nn_dim p = 0; p < t.count; p++) square += (double)g[p] * g[p];
        const double rms = want[picks], e = worst_of(&t, g, want, j->picks, rms), en = fabs(sqrt(square / (double)t.count) - rms) / rms;
        if (!(e <= worst)) worst = e;
        if (!(en <= worst_norm)) worst_norm = en;
    }
    t_limit(worst, j->gradient, "%s: every gradient of step 0, parts of max(|g|, rms)", j->kind);
    t_limit(worst_norm, j->gradient, "%s: the size of every gradient of step 0", j->kind);
}

/* torch.optim.SGD with momentum 0.9; weight decay on convolutions. */
static void sgd(dl_net *n, real *velocity, const real *grad)
{
    for (nn_dim i = 0; i < dl_tensor_count(n); i++) {
        const dl_tensor t = dl_tensor_at(n, i);
        if (!t.trained) continue;
        const nn_dim at = t.at - n->param;
        for (nn_dim j = 0; j < t.count; j++) {
            velocity[at + j] = (real)(0.9 * velocity[at + j] + grad[at + j] + (t.ks ? 0.0005 : 0.0) * t.at[j]);
            t.at[j] = (real)(t.at[j] - 0.0001 * velocity[at + j]);
        }
    }
}

static void predictions(const judged *j, const nn_kernels *k, const dl_net *n)
{
    enum { ROWS = 5, COLS = 7, COUNT = N * ROWS * COLS * CLASSES };
    nn_err err = { 0 };
    dl_work *wk = dl_work_open(n, N, H, W, false, 2, &err);
    if (!wk) { t_fail("%s", err.msg); return; }
    static real got[COUNT];
    for (nn_dim i = 0; i < 3 * PIXELS; i++) dl_work_input(wk)[i] = (real)number(1, (uint64_t)i, 4.0, 0);
    dl_forward(k, n, wk, N);
    for (nn_dim p = 0; p < N * ROWS * COLS; p++)
        memcpy(got + p * CLASSES, dl_work_logits(wk) + ((p / (ROWS * COLS) * H + p / COLS % ROWS * 4) * W + p % COLS * 4) * CLASSES, CLASSES * sizeof(real));
    t_close(got, golden(COUNT, "predict"), COUNT, 400, "%s: predictions with random weights", j->kind);
    dl_work_close(wk);
}

static void train(const judged *j, const nn_kernels *k, dl_net *n)
{
    static real target[PIXELS * CLASSES], weight[PIXELS];
    nn_err err = { 0 };
    const real *want = golden(j->steps, "loss");
    dl_work *wk = dl_work_open(n, N, H, W, true, 2, &err);
    real *grad = nn_alloc((size_t)n->param_count * sizeof *grad, "gradient", &err), *velocity = nn_alloc((size_t)n->param_count * sizeof *grad, "velocity", &err);
    if (!wk || !grad || !velocity) { t_fail("%s", err.msg); return; }
    for (nn_dim i = 0; i < 3 * PIXELS; i++) dl_work_input(wk)[i] = (real)number(1, (uint64_t)i, 4.0, 0);
    for (nn_dim p = 0; p < PIXELS; p++) {
        weight[p] = 1;
        target[p * CLASSES + (p / W % H / 9 + p % W / 11 + p / (H * W)) % CLASSES] = 1;
    }
    for (int s = 0; s < j->steps; s++) {
        const double loss = dl_gradient(k, n, wk, target, weight, grad, 0, 0);
        t_limit(fabs(loss - want[s]) / fabs((double)want[s]), j->loss[s], "%s: loss of step %d", j->kind, s);
        if (!s) compare_gradients(j, n, grad);
        sgd(n, velocity, grad);
    }
    dl_work_close(wk);
    nn_free(grad);
    nn_free(velocity);
}

/* Without `trains` predictions alone. */
void torchvision_cases(const nn_kernels *k, const char *kind, bool trains)
{
    if (!k) k = &nn_kernels_ref;
    nn_err err = { 0 };
    dl_net n;
    char path[64];
    const judged *j = nets;
    while (strcmp(j->kind, kind)) j++;
    nn_format(path, sizeof path, "tests/golden/%s.safetensors", j->file);
    golden_open(path);
    if (dl_net_open(&n, &(dl_choice){ .kind = kind, .classes = CLASSES, .output_stride = j->stride, .aux = true }, &err)) { t_fail("%s", err.msg); return; }
    for (int i = 0; i < n.node_count; i++) if (n.node[i].op == DL_DROPOUT) n.node[i].p = 0;
    fill(&n);
    predictions(j, k, &n);
    if (trains) train(j, k, &n);
    dl_net_close(&n);
    golden_close();
}
