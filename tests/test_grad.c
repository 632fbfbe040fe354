/* test_grad.c: finite differences, in double, of every backward pass and of the whole interpreter.
 *
 * The loss of a case is sum(r * y) with random r, so that the upstream gradient dL/dy is r and never ones.  Each number x gets
 * (L(x+h) - L(x-h)) / 2h; the error is relative to max(|gradient|, rms of the gradient), compared with its sign.
 * h = 1e-5: the truncation h^2/6 L''' and the rounding eps |L| / h are both near 1e-10.  Limit 1e-7. */
#include "tests/f64/names.h"

#include <math.h>
#include <string.h>

#include "nn/metrics.h"      /* NN_VOID */
#include "nn/ops.h"
#include "tests/t.h"

static const double step = 1e-5, allowed = 1e-7;

typedef double (*loss_fn)(void);

static void check(const char *what, real *x, const real *gradient, nn_dim n, loss_fn loss)
{
    double square = 0.0, worst = 0.0;
    for (nn_dim i = 0; i < n; i++) square += gradient[i] * gradient[i];
    const double rms = sqrt(square / (double)n);
    t_check(rms > 1e-3, "%s: the gradient is not all zero", what);
    for (nn_dim i = 0; i < n; i++) {
        const real kept = x[i];
        x[i] = kept + step;
        const double up = loss();
        x[i] = kept - step;
        const double down = loss();
        x[i] = kept;
        const double e = fabs((up - down) / (2.0 * step) - gradient[i]) / fmax(fabs(gradient[i]), rms);
        worst = isnan(e) ? INFINITY : fmax(worst, e);
    }
    t_limit(worst, allowed, "%s", what);
}

static double dot(const real *a, const real *b, nn_dim n)
{
    double sum = 0.0;
    for (nn_dim i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* ---- one operation at a time -------------------------------------------------------------------------------------- */

enum { B = 7, D = 5, O = 6, K = 4 };
static real x[B * D], w[O * D], b[O], y[B * O], r[B * O];
static real gamma_[D], beta[D], mean[D], rstd[D];
static uint8_t label[B];

static double linear_loss(void)
{
    nn_linear_fwd_ref(y, x, w, b, B, D, O);
    return dot(r, y, B * O);
}

static void linear(void)
{
    real dx[B * D] = { 0 }, dw[O * D] = { 0 }, db[O] = { 0 };
    nn_linear_bwd_ref(dx, dw, db, r, x, w, B, D, O);
    check("linear dx", x, dx, B * D, linear_loss);
    check("linear dw", w, dw, O * D, linear_loss);
    check("linear db", b, db, O, linear_loss);
}

static double relu_loss(void)
{
    nn_relu_fwd_ref(y, x, B * D);
    return dot(r, y, B * D);
}

static void relu(void)
{
    real dx[B * D] = { 0 };
    for (int i = 0; i < B * D; i++) x[i] += x[i] < 0 ? -0.1 : 0.1;      /* away from the kink */
    nn_relu_bwd_ref(dx, r, x, B * D);
    check("relu dx", x, dx, B * D, relu_loss);
}

static double batchnorm_loss(void)
{
    nn_batchnorm_fwd_ref(y, mean, rstd, NULL, NULL, x, gamma_, beta, B, D);
    return dot(r, y, B * D);
}

static void batchnorm(void)
{
    real dx[B * D] = { 0 }, dgamma[D] = { 0 }, dbeta[D] = { 0 };
    batchnorm_loss();
    nn_batchnorm_bwd_ref(dx, dgamma, dbeta, r, x, mean, rstd, gamma_, B, D);
    check("batchnorm dx", x, dx, B * D, batchnorm_loss);
    check("batchnorm dgamma", gamma_, dgamma, D, batchnorm_loss);
    check("batchnorm dbeta", beta, dbeta, D, batchnorm_loss);
}

static real logit[B * K], scratch[B * K];

static double ce_loss(void) { return nn_softmax_ce_ref(scratch, logit, label, B, K); }

static void cross_entropy(void)
{
    real dlogit[B * K];
    for (int n = 0; n < B; n++) label[n] = (uint8_t)(n == 3 ? NN_VOID : n % K);
    nn_softmax_ce_ref(dlogit, logit, label, B, K);
    check("cross-entropy dlogit, one void row", logit, dlogit, B * K, ce_loss);
}

/* ---- the interpreter: linear, ReLU, batch norm, linear, ReLU, batch norm, linear, cross-entropy ------------------- */

enum { H1 = 6, H2 = 5, FEATURES = 9, CLASSES = 3, ROWS = 11 };
static struct {
    real x[ROWS * FEATURES];
    real w1[H1 * FEATURES], b1[H1], g1[H1], e1[H1], w2[H2 * H1], b2[H2], g2[H2], e2[H2], w3[CLASSES * H2], b3[CLASSES];
} net, grad;
static real h1[ROWS * H1], a1[ROWS * H1], n1[ROWS * H1], mean1[H1], rstd1[H1];
static real h2[ROWS * H2], a2[ROWS * H2], n2[ROWS * H2], mean2[H2], rstd2[H2];
static real out[ROWS * CLASSES], dout[ROWS * CLASSES];
static uint8_t truth[ROWS];

static double net_loss(void)
{
    nn_linear_fwd_ref(h1, net.x, net.w1, net.b1, ROWS, FEATURES, H1);
    nn_relu_fwd_ref(a1, h1, ROWS * H1);
    nn_batchnorm_fwd_ref(n1, mean1, rstd1, NULL, NULL, a1, net.g1, net.e1, ROWS, H1);
    nn_linear_fwd_ref(h2, n1, net.w2, net.b2, ROWS, H1, H2);
    nn_relu_fwd_ref(a2, h2, ROWS * H2);
    nn_batchnorm_fwd_ref(n2, mean2, rstd2, NULL, NULL, a2, net.g2, net.e2, ROWS, H2);
    nn_linear_fwd_ref(out, n2, net.w3, net.b3, ROWS, H2, CLASSES);
    return nn_softmax_ce_ref(dout, out, truth, ROWS, CLASSES);
}

static void net_backward(void)
{
    real dn2[ROWS * H2] = { 0 }, da2[ROWS * H2] = { 0 }, dh2[ROWS * H2] = { 0 };
    real dn1[ROWS * H1] = { 0 }, da1[ROWS * H1] = { 0 }, dh1[ROWS * H1] = { 0 };
    memset(&grad, 0, sizeof grad);
    nn_linear_bwd_ref(dn2, grad.w3, grad.b3, dout, n2, net.w3, ROWS, H2, CLASSES);
    nn_batchnorm_bwd_ref(da2, grad.g2, grad.e2, dn2, a2, mean2, rstd2, net.g2, ROWS, H2);
    nn_relu_bwd_ref(dh2, da2, h2, ROWS * H2);
    nn_linear_bwd_ref(dn1, grad.w2, grad.b2, dh2, n1, net.w2, ROWS, H1, H2);
    nn_batchnorm_bwd_ref(da1, grad.g1, grad.e1, dn1, a1, mean1, rstd1, net.g1, ROWS, H1);
    nn_relu_bwd_ref(dh1, da1, h1, ROWS * H1);
    nn_linear_bwd_ref(grad.x, grad.w1, grad.b1, dh1, net.x, net.w1, ROWS, FEATURES, H1);
}

static void interpreter(void)
{
    t_randn((real *)&net, (nn_dim)(sizeof net / sizeof(real)), 23);
    for (int i = 0; i < H1; i++) net.g1[i] += 1.5;
    for (int i = 0; i < H2; i++) net.g2[i] += 1.5;
    for (int n = 0; n < ROWS; n++) truth[n] = (uint8_t)(n == 4 ? NN_VOID : n * 7 % CLASSES);
    net_loss();
    net_backward();
    double nearest = INFINITY;
    for (int i = 0; i < ROWS * H1; i++) nearest = fmin(nearest, fabs(h1[i]));
    for (int i = 0; i < ROWS * H2; i++) nearest = fmin(nearest, fabs(h2[i]));
    t_check(nearest > 100 * step, "no hidden number is within reach of ReLU's kink: nearest %g", nearest);

    const struct { const char *name; real *at; const real *gradient; nn_dim n; } part[] = {
        { "interpreter dx", net.x, grad.x, ROWS * FEATURES },
        { "interpreter dw1", net.w1, grad.w1, H1 * FEATURES }, { "interpreter db1", net.b1, grad.b1, H1 },
        { "interpreter dgamma1", net.g1, grad.g1, H1 }, { "interpreter dbeta1", net.e1, grad.e1, H1 },
        { "interpreter dw2", net.w2, grad.w2, H2 * H1 }, { "interpreter db2", net.b2, grad.b2, H2 },
        { "interpreter dgamma2", net.g2, grad.g2, H2 }, { "interpreter dbeta2", net.e2, grad.e2, H2 },
        { "interpreter dw3", net.w3, grad.w3, CLASSES * H2 }, { "interpreter db3", net.b3, grad.b3, CLASSES },
    };
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) check(part[i].name, part[i].at, part[i].gradient, part[i].n, net_loss);
}

int main(void)
{
    t_randn(x, B * D, 11);
    t_randn(w, O * D, 12);
    t_randn(b, O, 13);
    t_randn(r, B * O, 14);
    t_randn(gamma_, D, 15);
    t_randn(beta, D, 16);
    t_randn(logit, B * K, 17);
    linear();
    batchnorm();
    cross_entropy();
    relu();
    interpreter();
    return t_done();
}
