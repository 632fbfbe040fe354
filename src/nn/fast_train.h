/* fast_train.h: the interpreter's operations between its products: the way back through the activation, batch norm, softmax, Adam.
 * x is (B,C) row-major, so vectors run over the C columns and sums over the batch stay in index order. */

static void relu_bwd(float *dx, const float *dy, const float *y, nn_dim n)
{
    nn_dim i = 0;
    for (; i + VW <= n; i += VW) vf_store(dx + i, vf_positive(vf_load(y + i), vf_load(dy + i)));
    for (; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

/* Up to VW columns of row r, the last group padded with zeros; and vector v of several, part: the last group. */
static inline vf column(const float *x, nn_dim r, nn_dim C, nn_dim c) { return load_part(x + r * C + c, C - c); }
INLINE vf column_of(const float *x, nn_dim r, nn_dim C, nn_dim c, int v, bool part)
{
    return part ? column(x, r, C, c) : vf_load(x + r * C + c + v * VW);
}
static inline void store_part(float *p, nn_dim n, vf v)
{
    if (n >= VW) { vf_store(p, v); return; }
    float part[VW];
    vf_store(part, v);
    for (nn_dim i = 0; i < n; i++) p[i] = part[i];
}

/* sum[v] of term over the rows, 64 rows at a time, so that a long batch loses no more bits than a short one. */
enum { WIDE = 4 };                                        /* vectors of columns: whole lines of memory, and sums that need not wait for one another */
#define ROW_SUM(sum, B, nv, term) do { \
        for (int v = 0; v < (nv); v++) sum[v] = vf_set1(0.0f); \
        for (nn_dim r0_ = 0; r0_ < (B); r0_ += 64) { \
            vf part_[WIDE]; \
            UNROLL for (int v = 0; v < (nv); v++) part_[v] = vf_set1(0.0f); \
            for (nn_dim r = r0_; r < (B) && r < r0_ + 64; r++) UNROLL for (int v = 0; v < (nv); v++) part_[v] = vf_add(part_[v], (term)); \
            for (int v = 0; v < (nv); v++) sum[v] = vf_add(sum[v], part_[v]); \
        } \
    } while (0)

typedef struct { float *y, *mean, *rstd, *run_mean, *run_var; const float *x, *gamma, *beta; nn_dim B, C; } norm_job;

INLINE void norm_columns(const norm_job *g, nn_dim c, int nv, bool part)
{
    const nn_dim B = g->B, C = g->C;
    const vf inv = vf_set1(1.0f / (float)B);
    vf sum[WIDE], mu[WIDE], scale[WIDE], shift[WIDE];
    ROW_SUM(sum, B, nv, column_of(g->x, r, C, c, v, part));
    for (int v = 0; v < nv; v++) mu[v] = vf_mul(sum[v], inv);
    ROW_SUM(sum, B, nv, vf_mul(vf_sub(column_of(g->x, r, C, c, v, part), mu[v]), vf_sub(column_of(g->x, r, C, c, v, part), mu[v])));
    for (int v = 0; v < nv; v++) {
        const nn_dim at = c + v * VW, n = C - at;
        const vf rs = vf_div(vf_set1(1.0f), vf_sqrt(vf_add(vf_mul(sum[v], inv), vf_set1(1e-5f))));
        store_part(g->mean + at, n, mu[v]);
        store_part(g->rstd + at, n, rs);
        if (g->run_mean) {
            const vf keep = vf_set1(0.9f), take = vf_set1(0.1f), unbiased = vf_div(sum[v], vf_set1((float)(B - 1)));
            store_part(g->run_mean + at, n, vf_fma(take, mu[v], vf_mul(keep, load_part(g->run_mean + at, n))));
            store_part(g->run_var + at, n, vf_fma(take, unbiased, vf_mul(keep, load_part(g->run_var + at, n))));
        }
        scale[v] = vf_mul(rs, load_part(g->gamma + at, n));
        shift[v] = load_part(g->beta + at, n);
    }
    for (nn_dim r = 0; r < B; r++)
        UNROLL for (int v = 0; v < nv; v++) {
            const vf y = vf_fma(vf_sub(column_of(g->x, r, C, c, v, part), mu[v]), scale[v], shift[v]);
            if (part) store_part(g->y + r * C + c, C - c, y);
            else vf_store(g->y + r * C + c + v * VW, y);
        }
}

/* columns(g, c, vectors, part) for all columns. */
#define EACH_COLUMN(columns, g) do { \
        nn_dim c_ = 0; \
        for (; c_ + WIDE * VW <= (g)->C; c_ += WIDE * VW) columns(g, c_, WIDE, false); \
        for (; c_ + VW <= (g)->C; c_ += VW) columns(g, c_, 1, false); \
        if (c_ < (g)->C) columns(g, c_, 1, true); \
    } while (0)

static void batchnorm_fwd(float *y, float *mean, float *rstd, float *run_mean, float *run_var, const float *x,
                          const float *gamma, const float *beta, nn_dim B, nn_dim C)
{
    const norm_job g = { y, mean, rstd, run_mean, run_var, x, gamma, beta, B, C };
    EACH_COLUMN(norm_columns, &g);
}

/* dx = gamma*rstd * (dy - mean(dy) - xhat*mean(dy*xhat)), xhat = (x - mean)*rstd. */
typedef struct { float *dx, *dgamma, *dbeta; const float *dy, *x, *mean, *rstd, *gamma; nn_dim B, C; } norm_back_job;

INLINE void norm_back_columns(const norm_back_job *g, nn_dim c, int nv, bool part)
{
    const nn_dim B = g->B, C = g->C;
    const vf inv = vf_set1(1.0f / (float)B);
    vf mu[WIDE], rs[WIDE], db[WIDE], dg[WIDE], scale[WIDE];
    for (int v = 0; v < nv; v++) {
        mu[v] = load_part(g->mean + c + v * VW, C - c - v * VW);
        rs[v] = load_part(g->rstd + c + v * VW, C - c - v * VW);
    }
    ROW_SUM(db, B, nv, column_of(g->dy, r, C, c, v, part));
    ROW_SUM(dg, B, nv, vf_mul(column_of(g->dy, r, C, c, v, part), vf_mul(vf_sub(column_of(g->x, r, C, c, v, part), mu[v]), rs[v])));
    for (int v = 0; v < nv; v++) {
        const nn_dim at = c + v * VW, n = C - at;
        store_part(g->dbeta + at, n, vf_add(load_part(g->dbeta + at, n), db[v]));
        store_part(g->dgamma + at, n, vf_add(load_part(g->dgamma + at, n), dg[v]));
        scale[v] = vf_mul(load_part(g->gamma + at, n), rs[v]);
        db[v] = vf_mul(db[v], inv);
        dg[v] = vf_mul(dg[v], inv);
    }
    for (nn_dim r = 0; r < B; r++)
        UNROLL for (int v = 0; v < nv; v++) {
            const vf xhat = vf_mul(vf_sub(column_of(g->x, r, C, c, v, part), mu[v]), rs[v]);
            const vf dx = vf_mul(scale[v], vf_sub(vf_sub(column_of(g->dy, r, C, c, v, part), db[v]), vf_mul(xhat, dg[v])));
            if (part) store_part(g->dx + r * C + c, C - c, dx);
            else vf_store(g->dx + r * C + c + v * VW, dx);
        }
}

static void batchnorm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                          const float *rstd, const float *gamma, nn_dim B, nn_dim C)
{
    const norm_back_job g = { dx, dgamma, dbeta, dy, x, mean, rstd, gamma, B, C };
    EACH_COLUMN(norm_back_columns, &g);
}

/* exp(x) for x <= 0: x = n ln2 + r, |r| <= ln2/2, e^r by its Taylor polynomial of degree 7 (remainder 5e-9 relative), then
 * times 2^n.  ln2 is taken off in two pieces (Cody & Waite).  Below -87 the result is under the normal range: 0.  NaN stays. */
static inline vf exp_negative(vf x)
{
    static const float taylor[] = { 1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f };
    const vf low = vf_set1(-87.0f), in = vf_max(low, x);                 /* NaN comes through */
    const vf n = vf_round(vf_mul(in, vf_set1(1.44269504f)));
    const vf r = vf_fma(n, vf_set1(1.42860677e-6f), vf_fma(n, vf_set1(-0.693148613f), in));       /* ln2 = 0.693148613 - 1.42860677e-6 */
    vf p = vf_set1(taylor[0]);
    for (int i = 1; i < 8; i++) p = vf_fma(p, r, vf_set1(taylor[i]));
    const vf y = vf_scale2(p, n);
    return vf_add(vf_positive(vf_sub(x, low), y), vf_mul(vf_set1(0.0f), y));        /* 0 * NaN carries NaN */
}

static void softmax(float *p, const float *x, nn_dim B, nn_dim K)
{
    for (nn_dim r = 0; r < B; r++) {
        float top = x[r * K];
        for (nn_dim k = 1; k < K; k++) if (x[r * K + k] > top) top = x[r * K + k];
        for (nn_dim k = 0; k < K; k++) p[r * K + k] = x[r * K + k] - top;
    }
    for (nn_dim i = 0; i < B * K; i += VW) store_part(p + i, B * K - i, exp_negative(load_part(p + i, B * K - i)));
    for (nn_dim r = 0; r < B; r++) {
        float sum = 0.0f;
        for (nn_dim k = 0; k < K; k++) sum += p[r * K + k];
        for (nn_dim k = 0; k < K; k++) p[r * K + k] /= sum;
    }
}

/* Vectors run over pixels, so the classes of VW pixels are turned into columns first. */
static void vote(float *sum, nn_dim plane, double *spread, double *total, uint16_t *votes, const float *logit, nn_dim ld, const float *b,
                 nn_dim n, nn_dim K, bool of_logits)
{
    float x[NN_VOID][VW];
    NN_ASSERT(K <= NN_VOID);
    memset(x, 0, (size_t)K * sizeof x[0]);
    for (nn_dim p0 = 0; p0 < n; p0 += VW) {
        const nn_dim m = n - p0 < VW ? n - p0 : VW;
        for (nn_dim p = 0; p < m; p++) for (nn_dim c = 0; c < K; c++) x[c][p] = logit[(p0 + p) * ld + c] + b[c];
        vf top = vf_load(x[0]), best = vf_set1(0.0f), all = vf_set1(0.0f), own = vf_set1(0.0f);
        for (nn_dim c = 1; c < K; c++) {
            const vf larger = vf_positive(vf_sub(vf_load(x[c]), top), vf_set1(1.0f));
            best = vf_fma(larger, vf_sub(vf_set1((float)c), best), best);
            top = vf_max(vf_load(x[c]), top);                            /* NaN never wins, as in the definition */
        }
        for (nn_dim c = 0; c < K; c++) {
            const vf below = vf_sub(vf_load(x[c]), top), e = exp_negative(below);
            if (of_logits) store_part(sum + c * plane + p0, m, vf_add(load_part(sum + c * plane + p0, m), vf_load(x[c])));
            all = vf_add(all, e);
            own = vf_fma(e, below, own);
            vf_store(x[c], e);
        }
        const vf share = vf_div(vf_set1(1.0f), all);
        if (!of_logits)
            for (nn_dim c = 0; c < K; c++)
                store_part(sum + c * plane + p0, m, vf_fma(vf_load(x[c]), share, load_part(sum + c * plane + p0, m)));
        float best_of[VW], all_of[VW], own_of[VW];
        vf_store(best_of, best);
        vf_store(all_of, all);
        vf_store(own_of, vf_mul(own, share));
        for (nn_dim p = 0; p < m; p++) {
            spread[p0 + p] -= own_of[p];
            total[p0 + p] *= all_of[p];
            votes[(p0 + p) * K + (nn_dim)best_of[p]]++;
        }
    }
}

static double softmax_ce(float *dlogit, const float *logit, const uint8_t *label, nn_dim B, nn_dim K)
{
    softmax(dlogit, logit, B, K);
    nn_dim rows = 0;
    double loss = 0.0;
    for (nn_dim r = 0; r < B; r++) if (label[r] != NN_VOID) rows++;
    const float inv = rows ? 1.0f / (float)rows : 0.0f;
    for (nn_dim r = 0; r < B; r++) {
        float *d = dlogit + r * K;
        if (label[r] == NN_VOID) { memset(d, 0, (size_t)K * sizeof *d); continue; }
        /* -log p = log(sum) - (logit - top), from the logits: p itself may have underflowed. */
        double top = logit[r * K], sum = 0.0;
        for (nn_dim k = 1; k < K; k++) if (logit[r * K + k] > top) top = logit[r * K + k];
        const float own = d[label[r]];
        if (own > 1e-30f) loss -= log((double)own);
        /* analyze: K >= 1, so sum >= exp(0) */
        else { for (nn_dim k = 0; k < K; k++) sum += exp(logit[r * K + k] - top); loss += log(sum) - (logit[r * K + label[r]] - top); }
        d[label[r]] -= 1.0f;
        for (nn_dim k = 0; k < K; k++) d[k] *= inv;
    }
    return rows ? loss / (double)rows : 0.0;
}

static bool adam(float *param, float *m, float *v, const float *grad, nn_dim count, const nn_adam *o)
{
    const double fix1 = 1.0 - pow(o->beta1, (double)o->step), fix2 = 1.0 - pow(o->beta2, (double)o->step);
    const vf b1 = vf_set1((float)o->beta1), c1 = vf_set1((float)(1.0 - o->beta1)), b2 = vf_set1((float)o->beta2),
             c2 = vf_set1((float)(1.0 - o->beta2)), eps = vf_set1((float)o->eps), keep = vf_set1((float)(1.0 - o->lr * o->decay)),
             rate = vf_set1((float)(o->lr / fix1)), root = vf_set1((float)(1.0 / fix2));
    vf finite = vf_set1(0.0f);                            /* 0 * NaN and 0 * infinity are NaN */
    for (nn_dim i = 0; i < count; i += VW) {
        const nn_dim n = count - i;
        const vf g = load_part(grad + i, n), square = vf_mul(g, g);
        finite = vf_fma(vf_set1(0.0f), square, finite);
        const vf nm = vf_fma(c1, g, vf_mul(b1, load_part(m + i, n)));
        const vf nv = vf_fma(c2, square, vf_mul(b2, load_part(v + i, n)));
        const vf step = vf_div(vf_mul(rate, nm), vf_add(vf_sqrt(vf_mul(nv, root)), eps));
        store_part(m + i, n, nm);
        store_part(v + i, n, nv);
        store_part(param + i, n, vf_sub(vf_mul(load_part(param + i, n), keep), step));
    }
    return vf_sum(finite) == 0.0f;
}
