/* ops_train_ref.c: definitions of the interpreter's operations, forward and backward, and of its optimiser. */
#include <math.h>

#include "nn/metrics.h"      /* NN_VOID */
#include "nn/ops.h"

static const double bn_eps = 1e-5, bn_momentum = 0.1;      /* torch.nn.BatchNorm1d's defaults */

/* ---- linear and ReLU --------------------------------------------------------------------------------------------- */

void nn_linear_fwd_ref(real *y, const real *x, const real *w, const real *b, nn_dim B, nn_dim D, nn_dim O)
{
    for (nn_dim n = 0; n < B; n++)
        for (nn_dim o = 0; o < O; o++) {
            double sum = 0.0;
            for (nn_dim d = 0; d < D; d++) sum += (double)x[n * D + d] * w[o * D + d];
            y[n * O + o] = (real)(b ? sum + b[o] : sum);
        }
}

void nn_linear_bwd_ref(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w, nn_dim B, nn_dim D, nn_dim O)
{
    if (dx)
        for (nn_dim n = 0; n < B; n++)
            for (nn_dim d = 0; d < D; d++) {
                double sum = 0.0;
                for (nn_dim o = 0; o < O; o++) sum += (double)dy[n * O + o] * w[o * D + d];
                dx[n * D + d] = (real)(dx[n * D + d] + sum);
            }
    for (nn_dim o = 0; o < O && dw; o++)
        for (nn_dim d = 0; d < D; d++) {
            double sum = 0.0;
            for (nn_dim n = 0; n < B; n++) sum += (double)dy[n * O + o] * x[n * D + d];
            dw[o * D + d] = (real)(dw[o * D + d] + sum);
        }
    for (nn_dim o = 0; o < O && db; o++) {
        double sum = 0.0;
        for (nn_dim n = 0; n < B; n++) sum += dy[n * O + o];
        db[o] = (real)(db[o] + sum);
    }
}

void nn_relu_fwd_ref(real *y, const real *x, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) y[i] = x[i] <= 0 ? 0 : x[i];      /* this way round NaN is not hidden */
}

void nn_relu_bwd_ref(real *dx, const real *dy, const real *x, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) if (!(x[i] <= 0)) dx[i] += dy[i];
}

/* ---- batch norm ---------------------------------------------------------------------------------------------------- */

void nn_batchnorm_fwd_ref(real *y, real *mean, real *rstd, real *run_mean, real *run_var, const real *x, const real *gamma,
                          const real *beta, nn_dim B, nn_dim C)
{
    NN_ASSERT(B >= 2);                                     /* one row has no unbiased variance */
    for (nn_dim c = 0; c < C; c++) {
        double mu = 0.0, square = 0.0;
        for (nn_dim n = 0; n < B; n++) mu += x[n * C + c];
        mu /= (double)B;
        for (nn_dim n = 0; n < B; n++) square += (x[n * C + c] - mu) * (x[n * C + c] - mu);
        const double scale = 1.0 / sqrt(square / (double)B + bn_eps);
        for (nn_dim n = 0; n < B; n++) y[n * C + c] = (real)((x[n * C + c] - mu) * scale * gamma[c] + beta[c]);
        mean[c] = (real)mu;
        rstd[c] = (real)scale;
        if (!run_mean) continue;
        run_mean[c] = (real)((1.0 - bn_momentum) * run_mean[c] + bn_momentum * mu);
        run_var[c] = (real)((1.0 - bn_momentum) * run_var[c] + bn_momentum * square / (double)(B - 1));
    }
}

/* With xhat = (x - mean)*rstd:  dx = gamma*rstd * (dy - mean(dy) - xhat*mean(dy*xhat)), as mean and rstd depend on x too. */
void nn_batchnorm_bwd_ref(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                          const real *rstd, const real *gamma, nn_dim B, nn_dim C)
{
    for (nn_dim c = 0; c < C; c++) {
        const double mu = mean[c], scale = rstd[c];
        double sum_dy = 0.0, sum_dy_xhat = 0.0;
        for (nn_dim n = 0; n < B; n++) {
            sum_dy += dy[n * C + c];
            sum_dy_xhat += dy[n * C + c] * ((x[n * C + c] - mu) * scale);
        }
        for (nn_dim n = 0; n < B && dx; n++) {
            const double xhat = (x[n * C + c] - mu) * scale;
            const double inner = dy[n * C + c] - (sum_dy + xhat * sum_dy_xhat) / (double)B;
            dx[n * C + c] = (real)(dx[n * C + c] + gamma[c] * scale * inner);
        }
        if (dgamma) dgamma[c] = (real)(dgamma[c] + sum_dy_xhat);
        if (dbeta) dbeta[c] = (real)(dbeta[c] + sum_dy);
    }
}

void nn_batchnorm_infer_ref(real *y, const real *x, const real *gamma, const real *beta, const real *run_mean,
                            const real *run_var, nn_dim B, nn_dim C)
{
    for (nn_dim n = 0; n < B; n++)
        for (nn_dim c = 0; c < C; c++)
            y[n * C + c] = (real)((x[n * C + c] - (double)run_mean[c]) / sqrt(run_var[c] + bn_eps) * gamma[c] + beta[c]);
}

/* ---- softmax and loss ---------------------------------------------------------------------------------------------- */

/* Maximum of a row and sum of exp(x - maximum).  A NaN anywhere makes the sum NaN. */
static double exp_sum(const real *x, nn_dim K, double *max)
{
    double sum = 0.0;
    *max = x[0];
    for (nn_dim k = 1; k < K; k++) if (x[k] > *max) *max = x[k];
    for (nn_dim k = 0; k < K; k++) sum += exp(x[k] - *max);
    return sum;
}

void nn_softmax_ref(real *p, const real *x, nn_dim B, nn_dim K)
{
    for (nn_dim n = 0; n < B; n++, x += K, p += K) {
        double max;
        const double sum = exp_sum(x, K, &max);
        for (nn_dim k = 0; k < K; k++) p[k] = (real)(exp(x[k] - max) / sum);
    }
}

double nn_softmax_ce_ref(real *dlogit, const real *logit, const uint8_t *label, nn_dim B, nn_dim K)
{
    nn_dim rows = 0;
    for (nn_dim n = 0; n < B; n++) {
        NN_ASSERT(label[n] == NN_VOID || label[n] < K);
        if (label[n] != NN_VOID) rows++;
    }
    double loss = 0.0;
    for (nn_dim n = 0; n < B; n++, logit += K, dlogit += K) {
        if (label[n] == NN_VOID) {
            for (nn_dim k = 0; k < K; k++) dlogit[k] = 0;
            continue;
        }
        double max;
        const double sum = exp_sum(logit, K, &max);
        loss += log(sum) - (logit[label[n]] - max);
        for (nn_dim k = 0; k < K; k++)
            dlogit[k] = (real)((exp(logit[k] - max) / sum - (k == label[n] ? 1.0 : 0.0)) / (double)rows);
    }
    return rows ? loss / (double)rows : 0.0;
}

/* ---- Adam ---------------------------------------------------------------------------------------------------------- */

bool nn_adam_ref(real *param, real *m, real *v, const real *grad, nn_dim count, const nn_adam *o)
{
    const double fix1 = 1.0 - pow(o->beta1, (double)o->step), fix2 = 1.0 - pow(o->beta2, (double)o->step);
    bool finite = true;
    for (nn_dim i = 0; i < count; i++) {
        const double g = grad[i];
        finite &= (bool)isfinite(grad[i] * grad[i]);
        const double first = o->beta1 * m[i] + (1.0 - o->beta1) * g;
        const double second = o->beta2 * v[i] + (1.0 - o->beta2) * g * g;
        const double kept = param[i] * (1.0 - o->lr * o->decay);
        param[i] = (real)(kept - o->lr * (first / fix1) / (sqrt(second / fix2) + o->eps));
        m[i] = (real)first;
        v[i] = (real)second;
    }
    return finite;
}
