/* segnet_cases.c: whole segmentation networks: finite differences of the loss in every kind of tensor (in double), and with the rows of
 * kernels: threads change no bit, a batch's pictures do not meet at inference.  Compiled in float and in double. */
#include <math.h>
#include <string.h>

#include "deeplab/net.h"
#include "tests/golden.h"

void segnet_cases(const nn_kernels *k);

enum { N = 2, H = 32, W = 40, K = 3, PIXELS = N * H * W };
static const bool is_double = sizeof(real) == 8;

/* Every operation once: residual, dilation, both pools, resizing, joining, dropout, ReLU, an auxiliary head. */
static nn_status open_small(dl_net *n, nn_err *err)
{
    if (dl_net_begin(n, "small", K, err)) return NN_ENOMEM;
    int x = dl_norm(n, "a.norm", dl_conv(n, "a.conv", 0, 6, 7, 2, 1, false), -1, true);
    const int a = dl_maxpool(n, x, 3, 2, 1);
    x = dl_norm(n, "b.norm", dl_conv(n, "b.conv", a, 5, 3, 1, 2, false), -1, true);
    x = dl_norm(n, "c.norm", dl_conv(n, "c.conv", x, 6, 3, 1, 1, false), a, true);
    const int c = x;
    const int mean = dl_resize(n, dl_norm(n, "d.norm", dl_conv(n, "d.conv", dl_avgpool(n, x), 4, 1, 1, 1, false), -1, true), x);
    const int strided = dl_resize(n, dl_relu(n, dl_conv(n, "e.conv", x, 3, 3, 2, 1, true)), x);
    const int all[] = { c, mean, strided };
    x = dl_dropout(n, dl_concat(n, all, 3), 0.3);
    return dl_net_finish(n, dl_conv(n, "out", x, K, 1, 1, 1, true), dl_conv(n, "aux", a, K, 1, 1, 1, true), err);
}

static void randomise(dl_net *n)
{
    dl_net_init(n, 3);
    for (nn_dim i = 0; i < dl_tensor_count(n); i++) {
        const dl_tensor t = dl_tensor_at(n, i);
        real *noise = golden_room(t.count, NULL);
        t_randn(noise, t.count, (uint64_t)(100 + i));
        for (nn_dim j = 0; j < t.count && !t.ks; j++) t.at[j] = (real)(t.at[j] + 0.2 * noise[j]);
        for (nn_dim j = 0; j < t.count && strstr(t.name, "running_var"); j++) t.at[j] = (real)(0.3 + fabs((double)t.at[j]));
        t_guarded_free(noise);
    }
}

static void batch(dl_work *wk, real *target, real *weight)
{
    t_randn(dl_work_input(wk), 3 * PIXELS, 7);
    for (nn_dim p = 0; p < PIXELS; p++) {
        weight[p] = p % 11 != 5;
        for (int k = 0; k < K; k++) target[p * K + k] = (real)((p / 7 + p / W / 5) % K == k ? 0.7 : 0.15);
    }
}

/* (L(p+h) - L(p-h)) / 2h of a few numbers of every trained tensor.  Differences that carry a ReLU or a maximum over are few: the middle of a
 * tensor's errors is judged as well as most of them. */
static void differences(dl_net *n, dl_work *wk, const char *what)
{
    enum { EACH = 3 };
    static real target[PIXELS * K], weight[PIXELS];
    real *grad = golden_room(n->param_count, NULL), *scratch = golden_room(n->param_count, NULL);
    const double h = 1e-6;
    int bad = 0, checked = 0;
    batch(wk, target, weight);
    dl_gradient(&nn_kernels_ref, n, wk, target, weight, grad, 5, 2);
    for (nn_dim i = 0; i < dl_tensor_count(n); i++) {
        const dl_tensor t = dl_tensor_at(n, i);
        if (!t.trained) continue;
        const real *g = grad + (t.at - n->param);
        double square = 0.0;
        for (nn_dim j = 0; j < t.count; j++) square += (double)g[j] * g[j];
        const double rms = sqrt(square / (double)t.count);
        for (nn_dim j = 0; j < t.count; j += 1 + t.count / EACH) {
            const real kept = t.at[j];
            t.at[j] = (real)(kept + h);
            const double up = dl_gradient(&nn_kernels_ref, n, wk, target, weight, scratch, 5, 2);
            t.at[j] = (real)(kept - h);
            const double down = dl_gradient(&nn_kernels_ref, n, wk, target, weight, scratch, 5, 2);
            t.at[j] = kept;
            const double e = fabs((up - down) / (2 * h) - g[j]) / fmax(fabs((double)g[j]), rms + 1e-6);
            bad += !(e <= 1e-5);
            checked++;
        }
    }
    t_limit(bad, 0.05 * checked, "double: finite differences of %s, %d numbers: those beyond 1e-5", what, checked);
    t_guarded_free(grad);
    t_guarded_free(scratch);
}

static void same_bits(const nn_kernels *k, dl_net *n, const char *row, const char *what)
{
    static real target[PIXELS * K], weight[PIXELS];
    nn_err err = { 0 };
    real *grad[2] = { golden_room(n->param_count, NULL), golden_room(n->param_count, NULL) }, *stat = golden_room(n->stat_count, n->stat);
    double loss[2];
    for (int i = 0; i < 2; i++) {
        memcpy(n->stat, stat, (size_t)n->stat_count * sizeof *stat);
        dl_work *wk = dl_work_open(n, N, H, W, true, i ? 3 : 1, &err);
        if (!wk) { t_fail("%s", err.msg); break; }
        batch(wk, target, weight);
        loss[i] = dl_gradient(k, n, wk, target, weight, grad[i], 5, 2);
        dl_work_close(wk);
    }
    t_check(loss[0] == loss[1] && isfinite(loss[0]), "%s: %s: loss with 1 and 3 threads: %.17g and %.17g", row, what, loss[0], loss[1]);
    t_same(grad[0], grad[1], (size_t)n->param_count * sizeof(real), "%s: %s: gradient with 1 and 3 threads", row, what);
    t_guarded_free(grad[0]);
    t_guarded_free(grad[1]);
    t_guarded_free(stat);
}

/* At inference a picture's logits do not depend on its neighbour in the batch, and adapting by a share of 0 changes nothing. */
static void inference(const nn_kernels *k, dl_net *n, const char *row, const char *what)
{
    nn_err err = { 0 };
    dl_work *two = dl_work_open(n, N, H, W, false, 1, &err), *one = dl_work_open(n, 1, H, W, false, 2, &err);
    if (!two || !one) { t_fail("%s", err.msg); return; }
    t_randn(dl_work_input(two), 3 * PIXELS, 7);
    memcpy(dl_work_input(one), dl_work_input(two) + 3 * H * W, 3 * H * W * sizeof(real));
    dl_forward(k, n, two, N);
    dl_forward(k, n, one, 1);
    t_same(dl_work_logits(one), dl_work_logits(two) + H * W * K, H * W * K * sizeof(real), "%s: %s: alone and in a batch", row, what);
    dl_forward_adapted(k, n, one, 1, 1.0);
    t_check(memcmp(dl_work_logits(one), dl_work_logits(two) + H * W * K, H * W * K * sizeof(real)), "%s: %s: adapting does something", row, what);
    dl_work_close(two);
    dl_work_close(one);
}

static void one_net(const nn_kernels *k, dl_net *n, const char *row, const char *what)
{
    nn_err err = { 0 };
    randomise(n);
    if (is_double) {
        dl_work *wk = dl_work_open(n, N, H, W, true, 1, &err);
        if (wk) differences(n, wk, what);
        else t_fail("%s", err.msg);
        dl_work_close(wk);
    }
    same_bits(k, n, row, what);
    inference(k, n, row, what);
}

void segnet_cases(const nn_kernels *k)
{
    if (!k) k = &nn_kernels_ref;
    const char *row = is_double ? "double" : k->name;
    nn_err err = { 0 };
    dl_net n;
    if (open_small(&n, &err) == NN_OK) one_net(k, &n, row, "every operation");
    else t_fail("%s", err.msg);
    dl_net_close(&n);
    if (dl_net_open(&n, &(dl_choice){ .kind = "light", .classes = K, .width = 4 }, &err) == NN_OK) one_net(k, &n, row, "light");
    else t_fail("%s", err.msg);
    dl_net_close(&n);
}
