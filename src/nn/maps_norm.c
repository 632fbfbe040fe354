/* maps_norm.c: batch norm of maps.  Rows are cut into pieces of a fixed size; statistics of the pieces are joined in their order in
 * double (Chan, Golub & LeVeque 1979), so that neither threads nor long sums cost digits. */
#include <math.h>

#include "nn/maps.h"

enum { ROWS = 256 };
static const double eps = 1e-5, momentum = 0.1;      /* torch.nn.BatchNorm2d's defaults */

static nn_dim pieces(const nn_norm *s) { return (s->B + ROWS - 1) / ROWS; }
static nn_dim rows_of(const nn_norm *s, nn_dim piece) { const nn_dim left = s->B - piece * ROWS; return left < ROWS ? left : ROWS; }

/* Two numbers a piece and channel, then six a channel. */
nn_dim nn_norm_room(const nn_norm *s) { return (2 * pieces(s) + 6) * s->C; }

/* mean and sum of squared differences of all rows: M2 = sum M2_i + sum n_i (mean_i - mean)^2. */
static void join(const nn_norm *s, const real *part, nn_dim c, double *mean, double *square)
{
    double mu = 0.0, sum = 0.0;
    for (nn_dim p = 0; p < pieces(s); p++) mu += (double)rows_of(s, p) * part[2 * p * s->C + c];
    mu /= (double)s->B;
    for (nn_dim p = 0; p < pieces(s); p++) {
        const double off = part[2 * p * s->C + c] - mu;
        sum += part[(2 * p + 1) * s->C + c] + (double)rows_of(s, p) * off * off;
    }
    *mean = mu;
    *square = sum;
}

static void apply(const nn_kernels *k, real *y, const real *x, const real *add, const real *scale, const real *shift, const nn_norm *s, int threads)
{
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < pieces(s); p++) {
        const nn_dim at = p * ROWS * s->C;
        k->norm_apply(y + at, x + at, add ? add + at : NULL, scale, shift, rows_of(s, p), s->C, s->relu);
    }
}

void nn_norm_fwd(const nn_kernels *k, real *y, real *mean, real *rstd, real *run_mean, real *run_var, const real *x, const real *add,
                 const real *gamma, const real *beta, const nn_norm *s, real *room, int threads)
{
    NN_ASSERT(s->B >= 2);
    const nn_dim C = s->C;
    real *scale = room, *shift = room + C, *part = room + 6 * C;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < pieces(s); p++)
        k->norm_stats(part + 2 * p * C, part + (2 * p + 1) * C, x + p * ROWS * C, rows_of(s, p), C);
    for (nn_dim c = 0; c < C; c++) {
        double mu, square;
        join(s, part, c, &mu, &square);
        const double r = 1.0 / sqrt(square / (double)s->B + eps);
        mean[c] = (real)mu;
        rstd[c] = (real)r;
        scale[c] = (real)(r * gamma[c]);
        shift[c] = (real)(beta[c] - mu * r * gamma[c]);
        if (!run_mean) continue;
        run_mean[c] = (real)((1.0 - momentum) * run_mean[c] + momentum * mu);
        run_var[c] = (real)((1.0 - momentum) * run_var[c] + momentum * square / (double)(s->B - 1));
    }
    apply(k, y, x, add, scale, shift, s, threads);
}

/* dx = gamma*rstd * (dy - mean(dy) - (x - mean)*rstd^2*mean(dy*(x - mean))), as nn_batchnorm_bwd_ref. */
void nn_norm_bwd(const nn_kernels *k, real *dx, bool add_dx, real *dadd, real *dgamma, real *dbeta, real *dy, const real *y, const real *x,
                 const real *mean, const real *rstd, const real *gamma, const nn_norm *s, real *room, int threads)
{
    const nn_dim C = s->C;
    real *a = room, *b = room + C, *c0 = room + 2 * C, *one = room + 3 * C, *zero = room + 4 * C, *part = room + 6 * C;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < pieces(s); p++) {
        const nn_dim at = p * ROWS * C;
        k->norm_mask(part + 2 * p * C, part + (2 * p + 1) * C, dy + at, s->relu ? y + at : NULL, x + at, mean, rows_of(s, p), C);
    }
    for (nn_dim c = 0; c < C; c++) {
        double sum = 0.0, sum_x = 0.0;
        for (nn_dim p = 0; p < pieces(s); p++) {
            sum += part[2 * p * C + c];
            sum_x += part[(2 * p + 1) * C + c];
        }
        const double scale = (double)gamma[c] * rstd[c];
        a[c] = (real)scale;
        b[c] = (real)(-scale * rstd[c] * rstd[c] * sum_x / (double)s->B);
        c0[c] = (real)(-scale * sum / (double)s->B);
        one[c] = 1;
        zero[c] = 0;
        if (dgamma) dgamma[c] = (real)(dgamma[c] + sum_x * rstd[c]);
        if (dbeta) dbeta[c] = (real)(dbeta[c] + sum);
    }
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < pieces(s); p++) {
        const nn_dim at = p * ROWS * C, n = rows_of(s, p);
        if (dadd) k->norm_dx(dadd + at, dy + at, x + at, mean, one, zero, zero, n, C, true);
        if (dx) k->norm_dx(dx + at, dy + at, x + at, mean, a, b, c0, n, C, add_dx);
    }
}

void nn_norm_infer(const nn_kernels *k, real *y, const real *x, const real *add, const real *gamma, const real *beta, const real *run_mean,
                   const real *run_var, const nn_norm *s, real *room, int threads)
{
    real *scale = room, *shift = room + s->C;
    for (nn_dim c = 0; c < s->C; c++) {
        const double r = gamma[c] / sqrt(run_var[c] + eps);
        scale[c] = (real)r;
        shift[c] = (real)(beta[c] - run_mean[c] * r);
    }
    apply(k, y, x, add, scale, shift, s, threads);
}
