/* maps_pool.c: pools, bilinear resizing, dropout and the loss on target probabilities. */
#include <math.h>
#include <string.h>

#include "nn/maps.h"
#include "nn/rng.h"

static nn_dim pooled(nn_dim in, nn_dim ks, nn_dim stride, nn_dim pad) { return (in + 2 * pad - ks) / stride + 1; }

/* ---- pools -------------------------------------------------------------------------------------------------------------- */

/* The input pixel (n picks the picture) behind tap t of output pixel (oy,ox), or -1. */
static nn_dim pool_source(nn_map in, nn_dim oy, nn_dim ox, nn_dim t, nn_dim ks, nn_dim stride, nn_dim pad)
{
    const nn_dim y = oy * stride + t / ks - pad, x = ox * stride + t % ks - pad;
    return y < 0 || y >= in.h || x < 0 || x >= in.w ? -1 : y * in.w + x;
}

void nn_maxpool_fwd(real *y, uint8_t *at, const real *x, nn_map in, nn_dim ks, nn_dim stride, nn_dim pad, int threads)
{
    const nn_dim oh = pooled(in.h, ks, stride, pad), ow = pooled(in.w, ks, stride, pad), C = in.c;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < in.n * oh * ow; p++) {
        const nn_dim n = p / (oh * ow), oy = p / ow % oh, ox = p % ow;
        real *best = y + p * C;
        uint8_t *which = at + p * C;
        bool first = true;
        for (nn_dim t = 0; t < ks * ks; t++) {
            const nn_dim from = pool_source(in, oy, ox, t, ks, stride, pad);
            if (from < 0) continue;
            const real *v = x + (n * in.h * in.w + from) * C;
            if (first) {
                memcpy(best, v, (size_t)C * sizeof *best);
                memset(which, (int)t, (size_t)C);
                first = false;
                continue;
            }
            for (nn_dim c = 0; c < C; c++) {
                const bool wins = (v[c] > best[c]) | (v[c] != v[c]);
                best[c] = wins ? v[c] : best[c];
                which[c] = wins ? (uint8_t)t : which[c];
            }
        }
    }
}

/* Pictures are shared out: windows overlap, so two outputs may add to one input. */
void nn_maxpool_bwd(real *dx, const real *dy, const uint8_t *at, nn_map in, nn_dim ks, nn_dim stride, nn_dim pad, int threads)
{
    NN_ASSERT(ks * ks <= 256);
    const nn_dim oh = pooled(in.h, ks, stride, pad), ow = pooled(in.w, ks, stride, pad), C = in.c;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim n = 0; n < in.n; n++) {
        nn_dim tap[256];                                    /* `at` is a byte */
        for (nn_dim t = 0; t < ks * ks; t++) tap[t] = (t / ks * in.w + t % ks) * C;
        for (nn_dim p = 0; p < oh * ow; p++) {
            const nn_dim corner = (n * in.h * in.w + (p / ow * stride - pad) * in.w + p % ow * stride - pad) * C, from = (n * oh * ow + p) * C;
            for (nn_dim c = 0; c < C; c++) dx[corner + tap[at[from + c]] + c] += dy[from + c];
        }
    }
}

void nn_avgpool_fwd(real *y, const real *x, nn_map in, int threads)
{
    const nn_dim hw = in.h * in.w;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim i = 0; i < in.n * in.c; i++) {
        double sum = 0.0;
        for (nn_dim p = 0; p < hw; p++) sum += x[(i / in.c * hw + p) * in.c + i % in.c];
        y[i] = (real)(sum / (double)hw);
    }
}

void nn_avgpool_bwd(real *dx, const real *dy, nn_map in, int threads)
{
    const nn_dim hw = in.h * in.w;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < in.n * hw; p++)
        for (nn_dim c = 0; c < in.c; c++) dx[p * in.c + c] = (real)(dx[p * in.c + c] + dy[p / hw * in.c + c] / (double)hw);
}

/* ---- bilinear ------------------------------------------------------------------------------------------------------------ */

enum { ROWS = 8, COLUMNS = 64 };   /* of a unit of work, for which a column's positions are found once; a kernel's call takes so many */

void nn_resize_fwd(const nn_kernels *k, real *y, const real *x, nn_map in, nn_dim oh, nn_dim ow, int threads)
{
    const nn_dim rows = in.n * oh, C = in.c;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim r0 = 0; r0 < rows; r0 += ROWS)
        for (nn_dim o = 0; o < ow; o += COLUMNS) {
            const nn_dim n = rows - r0 < ROWS ? rows - r0 : ROWS, m = ow - o < COLUMNS ? ow - o : COLUMNS;
            nn_dim x0[COLUMNS], x1[COLUMNS];
            double tx[COLUMNS];
            for (nn_dim j = 0; j < m; j++) nn_bilinear_at(o + j, in.w, ow, &x0[j], &x1[j], &tx[j]);
            for (nn_dim r = r0; r < r0 + n; r++) {
                int32_t at[COLUMNS][4];
                real w[COLUMNS][4];
                nn_dim y0, y1;
                double ty;
                nn_bilinear_at(r % oh, in.h, oh, &y0, &y1, &ty);
                for (nn_dim j = 0; j < m; j++) {
                    const nn_dim low = (y1 - y0) * in.w, from[4] = { x0[j], x1[j], low + x0[j], low + x1[j] };          /* from row y0 on */
                    const double by[4] = { (1 - ty) * (1 - tx[j]), (1 - ty) * tx[j], ty * (1 - tx[j]), ty * tx[j] };
                    for (int i = 0; i < 4; i++) {
                        at[j][i] = (int32_t)(from[i] * C);
                        w[j][i] = (real)by[i];
                    }
                }
                k->mix_rows(y + (r * ow + o) * C, m, C, x + (r / oh * in.h + y0) * in.w * C, at[0], w[0], 4);
            }
        }
}

/* The outputs that read an input, and their weights; more than MOST come in several pieces. */
enum { MOST = 40 };
typedef struct { nn_dim at[MOST]; double w[MOST]; int n; nn_dim next, last; } readers;

static void readers_begin(readers *r, nn_dim i, nn_dim in, nn_dim out)
{
    r->next = (i - 1) * out / in - 1 < 0 ? 0 : (i - 1) * out / in - 1;              /* no others do */
    r->last = (i + 2) * out / in + 1 > out - 1 || i == in - 1 ? out - 1 : (i + 2) * out / in + 1;
}

/* The next piece.  False: there is none. */
static bool readers_more(readers *r, nn_dim i, nn_dim in, nn_dim out)
{
    r->n = 0;
    for (; r->next <= r->last && r->n < MOST; r->next++) {
        nn_dim i0, i1;
        double t;
        nn_bilinear_at(r->next, in, out, &i0, &i1, &t);
        const double w = (i0 == i ? 1.0 - t : 0.0) + (i1 == i ? t : 0.0);
        if (!(w > 0)) continue;
        r->at[r->n] = r->next;
        r->w[r->n++] = w;
    }
    return r->n > 0;
}

/* Every input pixel gathers from the outputs that read it: a doubled map has sixteen. */
enum { AT_ONCE = 16 };
static void gather_readers(const nn_kernels *k, real *to, const real *dy, const readers *ys, const readers *xs, nn_dim ow, nn_dim c)
{
    const real *from[AT_ONCE];
    real w[AT_ONCE];
    int held = 0;
    for (int y = 0; y < ys->n; y++)
        for (int x = 0; x < xs->n; x++) {
            from[held] = dy + (ys->at[y] * ow + xs->at[x]) * c;
            w[held++] = (real)(ys->w[y] * xs->w[x]);
            if (held == AT_ONCE) k->mix(to, from, w, AT_ONCE, c, true), held = 0;
        }
    if (held) k->mix(to, from, w, held, c, true);
}

void nn_resize_bwd(const nn_kernels *k, real *dx, const real *dy, nn_map in, nn_dim oh, nn_dim ow, int threads)
{
    const nn_dim blocks = (in.h + ROWS - 1) / ROWS;
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim u = 0; u < in.n * blocks; u++) {
        const nn_dim first = u % blocks * ROWS, n = in.h - first < ROWS ? in.h - first : ROWS;
        readers ys[ROWS], xs;
        for (nn_dim j = 0; j < n; j++) readers_begin(&ys[j], first + j, in.h, oh);
        for (bool more = true; more;) {
            more = false;
            for (nn_dim j = 0; j < n; j++) if (readers_more(&ys[j], first + j, in.h, oh)) more = true;
            for (nn_dim i = 0; more && i < in.w; i++) {
                readers_begin(&xs, i, in.w, ow);
                while (readers_more(&xs, i, in.w, ow))
                    for (nn_dim j = 0; j < n; j++)
                        gather_readers(k, dx + ((u / blocks * in.h + first + j) * in.w + i) * in.c, dy + u / blocks * oh * ow * in.c, &ys[j], &xs, ow, in.c);
            }
        }
    }
}

/* ---- dropout, loss ------------------------------------------------------------------------------------------------------- */

void nn_dropout(real *y, const real *x, nn_dim count, double p, uint64_t seed, uint32_t step, uint32_t layer, int threads)
{
    const double limit = p * 4294967296.0;
    const real keep = (real)(1.0 / (1.0 - p));
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim i = 0; i < count; i += 4) {
        uint32_t word[4];
        nn_rng_block(seed, NN_RNG_DROPOUT, step, ((uint64_t)layer << 48) + (uint64_t)(i / 4), word);
        for (nn_dim j = 0; j < 4 && i + j < count; j++) y[i + j] = word[j] < limit ? 0 : x[i + j] * keep;
    }
}

/* loss and gradient of rows [b0, b1), the gradient still to be divided by the sum of weights. */
static double ce_rows(real *dlogit, const real *logit, const real *t, const real *weight, nn_dim b0, nn_dim b1, nn_dim K)
{
    double loss = 0.0;
    for (nn_dim b = b0; b < b1; b++) {
        const real *x = logit + b * K, *want = t + b * K;
        double max = x[0], sum = 0.0, mass = 0.0;
        for (nn_dim c = 1; c < K; c++) if (x[c] > max) max = x[c];
        real *d = dlogit + b * K;
        for (nn_dim c = 0; c < K; c++) {
            const double e = exp(x[c] - max);
            d[c] = (real)e;
            sum += e;
            mass += want[c];
        }
        /* analyze: K >= 1, so sum >= exp(0) */
        const double w = weight[b], lse = log(sum), share = mass / sum;
        for (nn_dim c = 0; c < K; c++) {
            d[c] = (real)(w > 0 ? w * (share * d[c] - want[c]) : 0.0);
            if (w > 0) loss += w * want[c] * (lse - (x[c] - max));
        }
    }
    return loss;
}

double nn_soft_ce(real *dlogit, const real *logit, const real *t, const real *weight, nn_dim B, nn_dim K, int threads)
{
    enum { PIECES = 64 };
    double loss[PIECES], total = 0.0, sum = 0.0;
    for (nn_dim b = 0; b < B; b++) total += weight[b];
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (nn_dim p = 0; p < PIECES; p++) loss[p] = ce_rows(dlogit, logit, t, weight, B * p / PIECES, B * (p + 1) / PIECES, K);
    const real inv = (real)(total > 0 ? 1.0 / total : 0.0);
    for (int p = 0; p < PIECES; p++) sum += loss[p];
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && B * K > NN_PARALLEL_MIN)
    for (nn_dim i = 0; i < B * K; i++) dlogit[i] *= inv;
    return total > 0 ? sum / total : 0.0;
}
