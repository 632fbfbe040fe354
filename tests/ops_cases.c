/* ops_cases.c: every definition of ops.h against goldens by PyTorch and the official stylegan2-ada in float64.
 *  Compiled twice: in float for test_ops, in double (tests/f64) as the judge's own trial.
 *
 * Tolerances (docs/NUMERICS.md): sums are in double, so in float only the roundings to float on the way to a result count:
 * `stores`.  In double the order of a sum differs from PyTorch's: 2 + 2*sqrt(length of the longest sum).  The float run reads
 * inputs that float holds exactly, the double run full doubles. */
#include <math.h>
#include <string.h>

#include "nn/metrics.h"      /* NN_VOID */
#include "nn/ops.h"
#include "tests/golden.h"

void ops_cases(const char *ops_file, const char *stylegan_file);

#define IN (sizeof(real) == 4 ? "float" : "double")

static double limit(double stores, nn_dim longest_sum) { return sizeof(real) == 4 ? stores : 2.0 + 2.0 * sqrt((double)longest_sum); }

/* ---- convolutions and resampling ----------------------------------------------------------------------------------- */

static void conv2d(void)
{
    static const struct { nn_dim cin, h, w, cout, ks, stride, pad, dil; } c[] = {
        { 3, 9, 7, 5, 3, 1, 1, 1 }, { 19, 5, 3, 4, 1, 1, 0, 1 }, { 2, 9, 8, 3, 3, 2, 1, 1 }, { 3, 7, 11, 2, 3, 1, 2, 2 },
        { 2, 5, 6, 3, 3, 1, 0, 1 }, { 2, 11, 9, 3, 5, 3, 3, 2 },
    };
    for (int i = 0; i < (int)(sizeof c / sizeof *c); i++) {
        const nn_dim reach = c[i].dil * (c[i].ks - 1) + 1, taps = c[i].cin * c[i].ks * c[i].ks;
        const nn_dim oh = (c[i].h + 2 * c[i].pad - reach) / c[i].stride + 1, ow = (c[i].w + 2 * c[i].pad - reach) / c[i].stride + 1;
        const nn_dim n = c[i].cout * oh * ow;
        real *y = golden_room(n, NULL);
        nn_conv2d_ref(y, golden(c[i].cin * c[i].h * c[i].w, "conv%d.x", i), golden(c[i].cout * taps, "conv%d.w", i),
                      c[i].cin, c[i].h, c[i].w, c[i].cout, c[i].ks, c[i].stride, c[i].pad, c[i].dil);
        t_close(y, golden(n, "conv%d.y", i), n, limit(1, taps), "%s conv2d %d", IN, i);
        t_guarded_free(y);
    }
}

static void conv2d_up2(void)
{
    static const struct { nn_dim cin, h, w, cout, ks; } c[] = { { 3, 5, 4, 4, 3 }, { 4, 3, 5, 3, 1 }, { 2, 1, 3, 2, 4 } };
    for (int i = 0; i < (int)(sizeof c / sizeof *c); i++) {
        const nn_dim taps = c[i].cin * c[i].ks * c[i].ks, n = c[i].cout * (2 * c[i].h - 2 + c[i].ks) * (2 * c[i].w - 2 + c[i].ks);
        real *y = golden_room(n, NULL);
        nn_conv2d_up2_ref(y, golden(c[i].cin * c[i].h * c[i].w, "up%d.x", i), golden(c[i].cout * taps, "up%d.w", i),
                          c[i].cin, c[i].h, c[i].w, c[i].cout, c[i].ks);
        t_close(y, golden(n, "up%d.y", i), n, limit(1, taps), "%s conv2d_up2 %d", IN, i);
        t_guarded_free(y);
    }
}

static void upfirdn2d(void)
{
    enum { PLANES = 2, H = 7, W = 5 };
    static const struct { nn_resample r; nn_dim fh, fw; double gain; } c[] = {
        { { 1, 1, 1, 1, 1, 1 }, 4, 4, 4 }, { { 2, 1, 2, 1, 2, 1 }, 4, 4, 4 }, { { 1, 2, 1, 2, 2, 1 }, 4, 4, 1 },
        { { 3, 2, 4, -1, -2, 5 }, 5, 3, 2.5 }, { { 2, 3, -1, 3, 2, -2 }, 2, 6, 1 }, { { 1, 1, 0, 0, 0, 0 }, 1, 1, 0.5 },
    };
    for (int i = 0; i < (int)(sizeof c / sizeof *c); i++) {
        const nn_resample r = c[i].r;
        const nn_dim oh = (H * r.up + r.py0 + r.py1 - c[i].fh) / r.down + 1, ow = (W * r.up + r.px0 + r.px1 - c[i].fw) / r.down + 1;
        const nn_dim n = PLANES * oh * ow;
        real *y = golden_room(n, NULL);
        nn_upfirdn2d_ref(y, golden(PLANES * H * W, "upfirdn%d.x", i), golden(c[i].fh * c[i].fw, "upfirdn%d.f", i), PLANES, H, W,
                         c[i].fh, c[i].fw, r, c[i].gain);
        t_close(y, golden(n, "upfirdn%d.y", i), n, limit(1, c[i].fh * c[i].fw), "%s upfirdn2d %d", IN, i);
        t_guarded_free(y);
    }
}

static void bilinear(void)
{
    enum { PLANES = 2 };
    static const struct { nn_dim h, w, oh, ow; } c[] = {
        { 5, 7, 10, 14 }, { 5, 7, 13, 9 }, { 8, 6, 4, 3 }, { 9, 11, 4, 5 }, { 1, 1, 3, 2 }, { 4, 3, 4, 3 },
    };
    for (int i = 0; i < (int)(sizeof c / sizeof *c); i++) {
        const nn_dim n = PLANES * c[i].oh * c[i].ow;
        real *y = golden_room(n, NULL);
        nn_bilinear_ref(y, golden(PLANES * c[i].h * c[i].w, "bilinear%d.x", i), PLANES, c[i].h, c[i].w, c[i].oh, c[i].ow);
        /* PyTorch rounds in/out before it multiplies, so its weights are off by up to eps times the position. */
        const double allowed = limit(1, 4) + (sizeof(real) == 4 ? 0.0 : (double)(c[i].h + c[i].w));
        t_close(y, golden(n, "bilinear%d.y", i), n, allowed, "%s bilinear %d", IN, i);
        t_guarded_free(y);
    }
    bool inside = true;
    for (nn_dim in = 1; in < 40; in++)
        for (nn_dim out = 1; out < 40; out++)
            for (nn_dim o = 0; o < out; o++) {
                nn_dim i0, i1;
                double t;
                nn_bilinear_at(o, in, out, &i0, &i1, &t);
                inside = inside && i0 >= 0 && i1 < in && (i1 == i0 + 1 || (i1 == i0 && i0 == in - 1)) && t >= 0.0 && t < 1.0;
            }
    t_check(inside, "%s bilinear_at: two neighbours inside the input and a weight in [0,1)", IN);
}

/* ---- mapping, activation, whole layers ---------------------------------------------------------------------------- */

static void pixel_norm(void)
{
    enum { ROWS = 3, DIM = 37, N = ROWS * DIM };
    const real *x = golden(N, "pixel_norm.x");
    real *y = golden_room(N, NULL), *self = golden_room(N, x);
    nn_pixel_norm_ref(y, x, ROWS, DIM);
    nn_pixel_norm_ref(self, self, ROWS, DIM);
    t_close(y, golden(N, "pixel_norm.y"), N, limit(1, DIM), "%s pixel_norm", IN);
    t_same(self, y, N * sizeof *y, "%s pixel_norm: in place", IN);
    t_guarded_free(y);
    t_guarded_free(self);
}

static void dense(void)
{
    enum { ROWS = 3, INPUTS = 19, OUTPUTS = 23, N = ROWS * OUTPUTS };
    real *y = golden_room(N, NULL), *other = golden_room(N, NULL), zero[OUTPUTS] = { 0 };
    for (int affine = 0; affine < 2; affine++) {
        const char *name = affine ? "affine" : "mapping";
        const double lr = affine ? 1.0 : 0.01, slope = affine ? 1.0 : 0.2, gain = affine ? 1.0 : sqrt(2.0);
        const real *x = golden(ROWS * INPUTS, "%s.x", name), *w = golden(OUTPUTS * INPUTS, "%s.w", name), *b = golden(OUTPUTS, "%s.b", name);
        nn_dense_ref(y, x, w, b, ROWS, INPUTS, OUTPUTS, lr / sqrt(INPUTS), lr, slope, gain);
        t_close(y, golden(N, "%s.y", name), N, limit(1, INPUTS), "%s dense %s", IN, name);
        nn_dense_ref(y, x, w, NULL, ROWS, INPUTS, OUTPUTS, 0.3, lr, slope, gain);
        nn_dense_ref(other, x, w, zero, ROWS, INPUTS, OUTPUTS, 0.3, lr, slope, gain);
        t_same(other, y, N * sizeof *y, "%s dense %s: no bias is a bias of zero", IN, name);
    }
    t_guarded_free(y);
    t_guarded_free(other);
}

static void bias_act(void)
{
    enum { C = 5, HW = 21, N = C * HW };
    const real *x = golden(N, "act.x"), *scale = golden(C, "act.scale"), *noise = golden(HW, "act.noise"), *b = golden(C, "act.b");
    const double clamp = (double)*golden(1, "act.clamp");
    real *y = golden_room(N, NULL), *self = golden_room(N, x);
    nn_bias_act_ref(y, x, NULL, NULL, 7.0, NULL, C, HW, 0.2, 1.0, INFINITY);
    t_close(y, golden(N, "act.plain"), N, limit(1, 1), "%s bias_act: activation alone", IN);
    nn_bias_act_ref(y, x, NULL, NULL, 7.0, NULL, C, HW, 1.0, 1.0, 1.0);
    t_same(y, golden(N, "act.linear"), N * sizeof *y, "%s bias_act: clamp on both sides", IN);
    nn_bias_act_ref(y, x, scale, noise, 0.3, b, C, HW, 0.2, sqrt(2.0), clamp);
    t_close(y, golden(N, "act.full"), N, limit(1, 1), "%s bias_act: scale, noise, bias, clamp", IN);
    nn_bias_act_ref(self, self, scale, noise, 0.3, b, C, HW, 0.2, sqrt(2.0), clamp);
    t_same(self, y, N * sizeof *y, "%s bias_act: in place", IN);
    self[3] = (real)NAN;
    nn_bias_act_ref(y, self, scale, noise, 0.3, b, C, HW, 0.2, sqrt(2.0), clamp);
    t_check(isnan((double)y[3]) && !isnan((double)y[4]), "%s bias_act: NaN is not clamped away", IN);
    t_guarded_free(y);
    t_guarded_free(self);
}

/* In layer 0 one output channel's weights are so small that eps decides. */
static void demod(void)
{
    enum { PICTURES = 2 };
    static const struct { nn_dim cin, cout, ks; } c[] = { { 5, 6, 3 }, { 6, 5, 3 }, { 3, 17, 3 }, { 18, 4, 1 }, { 4, 3, 3 } };
    for (int i = 0; i < 5; i++) {
        const nn_dim cin = c[i].cin, cout = c[i].cout, taps = c[i].ks * c[i].ks;
        const real *style = golden(PICTURES * cin, "layer%d.style", i);
        real *q = golden_room(cout * cin, NULL), *d = golden_room(PICTURES * cout, NULL);
        nn_square_sum_ref(q, golden(cout * cin * taps, "layer%d.w", i), cin, cout, c[i].ks);
        for (int n = 0; n < PICTURES; n++) nn_demod_ref(d + n * cout, style + n * cin, q, cin, cout);
        t_close(q, golden(cout * cin, "layer%d.q", i), cout * cin, limit(1, taps), "%s square_sum %d", IN, i);
        t_close(d, golden(PICTURES * cout, "layer%d.demod", i), PICTURES * cout, limit(2, cin * taps), "%s demod %d", IN, i);
        t_guarded_free(q);
        t_guarded_free(d);
    }
}

/* ---- interpreter ----------------------------------------------------------------------------------------------------- */

static void linear(void)
{
    enum { B = 9, D = 11, O = 7 };
    const real *x = golden(B * D, "linear.x"), *w = golden(O * D, "linear.w"), *b = golden(O, "linear.b"), *dy = golden(B * O, "linear.dy");
    real *y = golden_room(B * O, NULL), *dx = golden_room(B * D, golden(B * D, "linear.dx0"));
    real *dw = golden_room(O * D, golden(O * D, "linear.dw0")), *db = golden_room(O, golden(O, "linear.db0"));
    nn_linear_fwd_ref(y, x, w, b, B, D, O);
    t_close(y, golden(B * O, "linear.y"), B * O, limit(1, D), "%s linear", IN);
    nn_linear_fwd_ref(y, x, w, NULL, B, D, O);
    t_close(y, golden(B * O, "linear.y_nobias"), B * O, limit(1, D), "%s linear without bias", IN);
    nn_linear_bwd_ref(dx, NULL, NULL, dy, x, w, B, D, O);      /* one at a time: NULL skips the others */
    nn_linear_bwd_ref(NULL, dw, NULL, dy, x, w, B, D, O);
    nn_linear_bwd_ref(NULL, NULL, db, dy, x, w, B, D, O);
    t_close(dx, golden(B * D, "linear.dx"), B * D, limit(1, O), "%s linear dx", IN);
    t_close(dw, golden(O * D, "linear.dw"), O * D, limit(1, B), "%s linear dw", IN);
    t_close(db, golden(O, "linear.db"), O, limit(1, B), "%s linear db", IN);
    real *const all[] = { y, dx, dw, db };
    for (int p = 0; p < 4; p++) t_guarded_free(all[p]);
}

static void relu(void)
{
    enum { N = 35 };
    const real *x = golden(N, "relu.x");
    real *y = golden_room(N, NULL), *self = golden_room(N, x), *dx = golden_room(N, golden(N, "relu.dx0"));
    nn_relu_fwd_ref(y, x, N);
    t_same(y, golden(N, "relu.y"), N * sizeof *y, "%s relu", IN);
    nn_relu_fwd_ref(self, self, N);
    t_same(self, y, N * sizeof *y, "%s relu: in place", IN);
    nn_relu_bwd_ref(dx, golden(N, "relu.dy"), x, N);
    t_close(dx, golden(N, "relu.dx"), N, limit(1, 1), "%s relu dx", IN);
    const real odd[3] = { (real)NAN, (real)-0.0, (real)-INFINITY };
    nn_relu_fwd_ref(y, odd, 3);
    t_check(isnan((double)y[0]) && y[1] == 0 && !signbit((double)y[1]) && y[2] == 0, "%s relu: NaN travels, the rest becomes 0", IN);
    t_guarded_free(y);
    t_guarded_free(self);
    t_guarded_free(dx);
}

/* Two training steps, so that the running statistics meet values that are not where they began; then inference. */
static void batchnorm(void)
{
    enum { B = 13, C = 7, N = B * C };
    const real *gamma = golden(C, "bn.gamma"), *beta = golden(C, "bn.beta");
    const real *run_mean0 = golden(C, "bn.run_mean0"), *run_var0 = golden(C, "bn.run_var0");
    real *y = golden_room(N, NULL), *mean = golden_room(C, NULL), *rstd = golden_room(C, NULL);
    real *run_mean = golden_room(C, run_mean0), *run_var = golden_room(C, run_var0), *again = golden_room(N, NULL);
    for (int step = 1; step <= 2; step++) {
        const real *x = golden(N, "bn%d.x", step), *dy = golden(N, "bn%d.dy", step);
        real *dx = golden_room(N, golden(N, "bn%d.dx0", step));
        real *dgamma = golden_room(C, golden(C, "bn%d.dgamma0", step)), *dbeta = golden_room(C, golden(C, "bn%d.dbeta0", step));
        nn_batchnorm_fwd_ref(again, mean, rstd, NULL, NULL, x, gamma, beta, B, C);
        nn_batchnorm_fwd_ref(y, mean, rstd, run_mean, run_var, x, gamma, beta, B, C);
        t_same(again, y, N * sizeof *y, "%s batchnorm %d: the same without running statistics", IN, step);
        t_close(y, golden(N, "bn%d.y", step), N, limit(1, B), "%s batchnorm %d", IN, step);
        t_close(mean, golden(C, "bn%d.mean", step), C, limit(1, B), "%s batchnorm %d mean", IN, step);
        t_close(rstd, golden(C, "bn%d.rstd", step), C, limit(1, B), "%s batchnorm %d rstd", IN, step);
        t_close(run_mean, golden(C, "bn%d.run_mean", step), C, limit(step, B), "%s batchnorm %d running mean", IN, step);
        t_close(run_var, golden(C, "bn%d.run_var", step), C, limit(step, B), "%s batchnorm %d running variance", IN, step);
        nn_batchnorm_bwd_ref(dx, NULL, NULL, dy, x, mean, rstd, gamma, B, C);
        nn_batchnorm_bwd_ref(NULL, dgamma, NULL, dy, x, mean, rstd, gamma, B, C);
        nn_batchnorm_bwd_ref(NULL, NULL, dbeta, dy, x, mean, rstd, gamma, B, C);
        t_close(dx, golden(N, "bn%d.dx", step), N, limit(3, B), "%s batchnorm %d dx", IN, step);      /* mean, rstd, dx */
        t_close(dgamma, golden(C, "bn%d.dgamma", step), C, limit(3, B), "%s batchnorm %d dgamma", IN, step);
        t_close(dbeta, golden(C, "bn%d.dbeta", step), C, limit(1, B), "%s batchnorm %d dbeta", IN, step);
        t_guarded_free(dx);
        t_guarded_free(dgamma);
        t_guarded_free(dbeta);
    }
    real *self = golden_room(N, golden(N, "bn_infer.x"));
    nn_batchnorm_infer_ref(y, self, gamma, beta, run_mean0, run_var0, B, C);
    t_close(y, golden(N, "bn_infer.y"), N, limit(1, 1), "%s batchnorm inference", IN);
    nn_batchnorm_infer_ref(self, self, gamma, beta, run_mean0, run_var0, B, C);
    t_same(self, y, N * sizeof *y, "%s batchnorm inference: in place", IN);
    real *const all[] = { y, mean, rstd, run_mean, run_var, again, self };
    for (int p = 0; p < 7; p++) t_guarded_free(all[p]);
}

static void softmax_ce(void)
{
    enum { B = 11, K = 5, N = B * K };
    const real *x = golden(N, "ce.logit"), *label_numbers = golden(B, "ce.label");
    uint8_t label[B];
    for (int n = 0; n < B; n++) label[n] = (uint8_t)label_numbers[n];
    real *p = golden_room(N, NULL), *self = golden_room(N, x);
    nn_softmax_ref(p, x, B, K);
    t_close(p, golden(N, "ce.softmax"), N, limit(1, K), "%s softmax", IN);
    nn_softmax_ref(self, self, B, K);
    t_same(self, p, N * sizeof *p, "%s softmax: in place", IN);
    const real loss = (real)nn_softmax_ce_ref(p, x, label, B, K);
    t_close(&loss, golden(1, "ce.loss"), 1, limit(1, B * K), "%s cross-entropy", IN);
    t_close(p, golden(N, "ce.dlogit"), N, limit(1, K), "%s cross-entropy dlogit", IN);

    memcpy(self, x, N * sizeof *self);
    self[0] = (real)NAN;
    t_check(isnan(nn_softmax_ce_ref(p, self, label, B, K)), "%s cross-entropy: NaN travels into the loss", IN);
    nn_softmax_ref(p, self, B, K);
    t_check(t_all_nan(p, K) && !isnan((double)p[K]), "%s softmax: NaN fills its row and no other", IN);
    memset(label, NN_VOID, sizeof label);
    const double none = nn_softmax_ce_ref(p, x, label, B, K);
    bool zero = none == 0.0;
    for (int i = 0; i < N; i++) zero = zero && p[i] == 0;
    t_check(zero, "%s cross-entropy: every row void gives loss 0 and gradient 0", IN);
    t_guarded_free(p);
    t_guarded_free(self);
}

static void adam(void)
{
    enum { N = 17, STEPS = 10 };
    static const struct { const char *name; nn_adam o; } c[] = {
        { "adam", { 1e-2, 0.9, 0.999, 1e-8, 0.0, 0 } }, { "adamw", { 3e-2, 0.8, 0.95, 1e-3, 0.1, 0 } },
    };
    for (int i = 0; i < 2; i++) {
        const char *name = c[i].name;
        nn_adam o = c[i].o;
        const real zero[N] = { 0 }, *grad = golden(STEPS * N, "%s.grad", name), *want = golden(STEPS * N, "%s.param", name);
        real *param = golden_room(N, golden(N, "%s.start", name)), *m = golden_room(N, zero), *v = golden_room(N, zero), trail[STEPS * N];
        for (int step = 0; step < STEPS; step++) {
            o.step++;
            nn_adam_ref(param, m, v, grad + step * N, N, &o);
            memcpy(trail + step * N, param, N * sizeof *param);
        }
        t_close(trail, want, STEPS * N, limit(STEPS, STEPS), "%s %s: parameters after each of %d steps", IN, name, STEPS);
        t_close(m, golden(N, "%s.m", name), N, limit(STEPS, STEPS), "%s %s first moment", IN, name);
        t_close(v, golden(N, "%s.v", name), N, limit(STEPS, STEPS), "%s %s second moment", IN, name);
        t_guarded_free(param);
        t_guarded_free(m);
        t_guarded_free(v);
    }
}

void ops_cases(const char *ops_file, const char *stylegan_file)
{
    golden_open(ops_file);
    conv2d();
    conv2d_up2();
    bilinear();
    linear();
    relu();
    batchnorm();
    softmax_ce();
    adam();
    golden_close();
    golden_open(stylegan_file);
    pixel_norm();
    dense();
    upfirdn2d();
    bias_act();
    demod();
    golden_close();
}
