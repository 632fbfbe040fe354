/* torchvision_cases.c: DeepLab-v3 on ResNet-50 (stride 8, auxiliary head) with random weights against torchvision in double
 * (tests/golden/make_segment.py): predictions in float and in double; loss, every gradient and steps of SGD in double alone.  In float a
 * network this deep with random weights says nothing: PyTorch's own float32 gradients are 0.9 % from its float64 ones (4 pictures of
 * 25 x 33; more on smaller ones), as rounding carries ReLUs over.  The float rows are judged operation by operation (map_cases.c). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "deeplab/net.h"
#include "tests/golden.h"

void torchvision_cases(const nn_kernels *k, int steps);

enum { CLASSES = 4, H = 17, W = 25, N = 2, STEPS = 5, PIXELS = N * H * W };

/* make_segment.py numbers */
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

/* Ten times what PyTorch's own float64 losses move when its input is multiplied by 1 + 1e-14 (6e-15, 9e-12, 4e-8, 9e-6, 2e-2: batch norm of
 * two pooled values makes the steps chaotic). */
static const double step_limit[STEPS] = { 6e-14, 9e-11, 4e-7, 9e-5, 2e-1 };

static nn_dim at_most(nn_dim a, nn_dim b) { return a < b ? a : b; }

static void compare_gradients(const dl_net *n, const real *grad)
{
    double worst = 0.0, worst_norm = 0.0;
    for (nn_dim i = 0; i < dl_tensor_count(n); i++) {
        const dl_tensor t = dl_tensor_at(n, i);
        if (!t.trained) continue;
        const nn_dim picks = at_most(24, t.count);
        const real *g = grad + (t.at - n->param), *want = golden(picks + 1, "grad.%s", t.name);
        double square = 0.0;
        for (nn_dim j = 0; j < t.count; j++) square += (double)g[j] * g[j];
        const double rms = want[picks], e = worst_of(&t, g, want, 24, rms), en = fabs(sqrt(square / (double)t.count) - rms) / rms;
        if (!(e <= worst)) worst = e;
        if (!(en <= worst_norm)) worst_norm = en;
    }
    t_limit(worst, 1e-9, "torchvision: every gradient of step 0, parts of max(|g|, rms)");
    t_limit(worst_norm, 1e-9, "torchvision: the size of every gradient of step 0");
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

static void predictions(const nn_kernels *k, const dl_net *n)
{
    enum { ROWS = 5, COLS = 7, COUNT = N * ROWS * COLS * CLASSES };
    nn_err err = { 0 };
    dl_work *wk = dl_work_open(n, N, H, W, false, 2, &err);
    if (!wk) { t_fail("%s", err.msg); return; }
    static real got[COUNT];
    for (nn_dim j = 0; j < 3 * PIXELS; j++) dl_work_input(wk)[j] = (real)number(1, (uint64_t)j, 4.0, 0);
    dl_forward(k, n, wk, N);
    for (nn_dim p = 0; p < N * ROWS * COLS; p++)
        memcpy(got + p * CLASSES, dl_work_logits(wk) + ((p / (ROWS * COLS) * H + p / COLS % ROWS * 4) * W + p % COLS * 4) * CLASSES, CLASSES * sizeof(real));
    t_close(got, golden(COUNT, "predict"), COUNT, 400, "torchvision: predictions with random weights");
    dl_work_close(wk);
}

static void train(const nn_kernels *k, dl_net *n, int steps)
{
    static real target[PIXELS * CLASSES], weight[PIXELS];
    nn_err err = { 0 };
    const real *want = golden(STEPS, "loss");
    dl_work *wk = dl_work_open(n, N, H, W, true, 2, &err);
    real *grad = nn_alloc((size_t)n->param_count * sizeof *grad, "gradient", &err), *velocity = nn_alloc((size_t)n->param_count * sizeof *grad, "velocity", &err);
    if (!wk || !grad || !velocity) { t_fail("%s", err.msg); return; }
    for (nn_dim j = 0; j < 3 * PIXELS; j++) dl_work_input(wk)[j] = (real)number(1, (uint64_t)j, 4.0, 0);
    for (nn_dim p = 0; p < PIXELS; p++) {
        weight[p] = 1;
        target[p * CLASSES + (p / W % H / 9 + p % W / 11 + p / (H * W)) % CLASSES] = 1;
    }
    for (int s = 0; s < steps; s++) {
        const double loss = dl_gradient(k, n, wk, target, weight, grad, 0, 0);
        t_limit(fabs(loss - want[s]) / fabs((double)want[s]), step_limit[s], "torchvision: loss of step %d", s);
        if (!s) compare_gradients(n, grad);
        sgd(n, velocity, grad);
    }
    dl_work_close(wk);
    nn_free(grad);
    nn_free(velocity);
}

/* steps 0: predictions alone. */
void torchvision_cases(const nn_kernels *k, int steps)
{
    if (!k) k = &nn_kernels_ref;
    nn_err err = { 0 };
    dl_net n;
    golden_open("tests/golden/segment.safetensors");
    if (dl_net_open(&n, &(dl_choice){ .kind = "resnet50", .classes = CLASSES, .output_stride = 8, .aux = true }, &err)) { t_fail("%s", err.msg); return; }
    for (int i = 0; i < n.node_count; i++) if (n.node[i].op == DL_DROPOUT) n.node[i].p = 0;
    fill(&n);
    predictions(k, &n);
    if (steps) train(k, &n, steps);
    dl_net_close(&n);
    golden_close();
}
