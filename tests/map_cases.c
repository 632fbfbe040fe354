/* map_cases.c: the operations of maps.h against PyTorch (tests/golden/make_maps.py), forward and every gradient: the definitions, and each
 * row of kernels with one and with three threads.  Compiled in float and in double (there with finite differences too).
 *
 * Tolerances: docs/NUMERICS.md § 10.  Sums run over at most ks*ks*cin numbers forward and n*oh*ow backward. */
#include <math.h>
#include <string.h>

#include "nn/maps.h"
#include "tests/golden.h"

void map_cases(const nn_kernels *k);

static const bool is_double = sizeof(real) == 8;
static double units(nn_dim longest) { return 4.0 + 3.0 * sqrt((double)longest); }

/* ---- convolution --------------------------------------------------------------------------------------------------------- */

static const nn_conv2d conv_case[] = {                             /* make_maps.py CONV */
    { 2, 7, 9, 5, 6, 3, 1, 1, 1 }, { 2, 9, 8, 3, 34, 7, 2, 3, 1 }, { 2, 6, 7, 20, 17, 3, 2, 1, 1 }, { 1, 11, 10, 4, 5, 3, 1, 2, 2 },
    { 2, 5, 4, 18, 33, 1, 1, 0, 1 }, { 2, 6, 5, 7, 8, 1, 2, 0, 1 }, { 1, 5, 6, 6, 4, 3, 1, 12, 12 }, { 3, 16, 5, 4, 3, 3, 1, 1, 1 },
    { 1, 8, 21, 5, 6, 3, 1, 1, 1 }, { 1, 9, 19, 4, 5, 3, 1, 2, 2 }, { 1, 7, 40, 3, 8, 7, 2, 3, 1 },
};
enum { CONVS = sizeof conv_case / sizeof *conv_case };

typedef struct { nn_dim in, out, weights, pixels; const real *x, *w, *b, *dy; } conv_data;

static conv_data conv_inputs(int i)
{
    const nn_conv2d *s = &conv_case[i];
    conv_data d = { .in = s->n * s->h * s->w * s->cin, .weights = s->ks * s->ks * s->cin * s->cout };
    d.pixels = s->n * nn_conv2d_out(s, s->h) * nn_conv2d_out(s, s->w);
    d.out = d.pixels * s->cout;
    d.x = golden(d.in, "conv%d.x", i);
    d.w = golden(d.weights, "conv%d.w", i);
    d.b = golden(s->cout, "conv%d.b", i);
    d.dy = golden(d.out, "conv%d.dy", i);
    return d;
}

static void conv_compare(int i, const conv_data *d, const char *row, const real *y, const real *dx, const real *dw, const real *db)
{
    const nn_conv2d *s = &conv_case[i];
    t_close(y, golden(d->out, "conv%d.y", i), d->out, units(s->ks * s->ks * s->cin), "%s: conv %d", row, i);
    t_close(dx, golden(d->in, "conv%d.dx", i), d->in, units(s->ks * s->ks * s->cout), "%s: conv %d dx", row, i);
    t_close(dw, golden(d->weights, "conv%d.dw", i), d->weights, units(d->pixels), "%s: conv %d dw", row, i);
    t_close(db, golden(s->cout, "conv%d.db", i), s->cout, units(d->pixels), "%s: conv %d db", row, i);
}

/* Against the definition alone: several chunks, in blocks and by rows, 1x1; more inputs than a piece; many weights on a wider map. */
static const nn_conv2d large_case[] = {
    { 9, 16, 16, 3, 4, 3, 1, 2, 2 }, { 2, 33, 35, 6, 5, 3, 1, 1, 1 }, { 2, 33, 35, 5, 6, 1, 1, 0, 1 }, { 1, 2, 20, 150, 146, 3, 1, 1, 1 },
    { 1, 3, 36, 140, 160, 3, 2, 1, 1 }, { 1, 4, 5, 260, 9, 1, 1, 0, 1 }, { 1, 13, 14, 130, 7, 3, 1, 12, 12 },
};

static void conv_large(const nn_kernels *k, const char *row)
{
    for (size_t i = 0; i < sizeof large_case / sizeof *large_case; i++) {
        const nn_conv2d *s = &large_case[i];
        const nn_dim in = s->n * s->h * s->w * s->cin, weights = s->ks * s->ks * s->cin * s->cout, pixels = s->n * nn_conv2d_out(s, s->h) * nn_conv2d_out(s, s->w);
        const nn_dim size[] = { pixels * s->cout, in, weights };
        real *x = golden_room(in, NULL), *w = golden_room(weights, NULL), *dy = golden_room(size[0], NULL), *out[3][3], *room = golden_room(nn_conv2d_room(s, 3), NULL);
        t_randn(x, in, 1 + i);
        t_randn(w, weights, 20 + i);
        t_randn(dy, size[0], 40 + i);
        for (int v = 0; v < 3; v++) {                              /* the definition, one thread, three */
            for (int p = 0; p < 3; p++) out[v][p] = golden_room(size[p], NULL);
            memset(out[v][1], 0, (size_t)in * sizeof *x);
            memset(out[v][2], 0, (size_t)weights * sizeof *x);
            if (!v) {
                nn_conv2d_fwd_ref(out[v][0], x, w, NULL, s);
                nn_conv2d_bwd_ref(out[v][1], out[v][2], NULL, dy, x, w, s);
                continue;
            }
            nn_conv2d_fwd(k, out[v][0], x, w, NULL, s, room, v == 1 ? 1 : 3);
            nn_conv2d_bwd_input(k, out[v][1], false, dy, w, s, room, v == 1 ? 1 : 3);
            nn_conv2d_bwd_weight(k, out[v][2], NULL, dy, x, s, room, v == 1 ? 1 : 3);
        }
        const nn_dim longest[] = { s->ks * s->ks * s->cin, s->ks * s->ks * s->cout, pixels };
        for (int p = 0; p < 3; p++) {
            t_close(out[1][p], out[0][p], size[p], units(longest[p]), "%s: large conv %zu, %d", row, i, p);
            t_same(out[2][p], out[1][p], (size_t)size[p] * sizeof *x, "%s: large conv %zu, %d, three threads", row, i, p);
            for (int v = 0; v < 3; v++) t_guarded_free(out[v][p]);
        }
        real *const all[] = { x, w, dy, room };
        for (int p = 0; p < 4; p++) t_guarded_free(all[p]);
    }
}

static void conv_run(int i, const nn_kernels *k, const char *row, int threads)
{
    const nn_conv2d *s = &conv_case[i];
    const conv_data d = conv_inputs(i);
    real *y = golden_room(d.out, NULL), *dx = golden_room(d.in, NULL), *dw = golden_room(d.weights, NULL), *db = golden_room(s->cout, NULL);
    real *room = golden_room(nn_conv2d_room(s, threads), NULL);
    memset(dw, 0, (size_t)d.weights * sizeof *dw);
    memset(db, 0, (size_t)s->cout * sizeof *db);
    if (k) {
        nn_conv2d_fwd(k, y, d.x, d.w, d.b, s, room, threads);
        nn_conv2d_bwd_input(k, dx, false, d.dy, d.w, s, room, threads);
        nn_conv2d_bwd_weight(k, dw, db, d.dy, d.x, s, room, threads);
    } else {
        memset(dx, 0, (size_t)d.in * sizeof *dx);
        nn_conv2d_fwd_ref(y, d.x, d.w, d.b, s);
        nn_conv2d_bwd_ref(dx, dw, db, d.dy, d.x, d.w, s);
    }
    conv_compare(i, &d, row, y, dx, dw, db);
    if (k) {                                                       /* adding, and other numbers of threads: the same bits */
        real *again = golden_room(d.in, NULL), *dw3 = golden_room(d.weights, NULL), *room3 = golden_room(nn_conv2d_room(s, 3), NULL);
        for (nn_dim j = 0; j < d.in; j++) again[j] = 1;
        nn_conv2d_bwd_input(k, again, true, d.dy, d.w, s, room3, 3);
        for (nn_dim j = 0; j < d.in; j++) dx[j] += 1;
        t_close(again, dx, d.in, units(s->ks * s->ks * s->cout), "%s: conv %d dx added", row, i);
        memset(dw3, 0, (size_t)d.weights * sizeof *dw3);
        nn_conv2d_bwd_weight(k, dw3, NULL, d.dy, d.x, s, room3, 3);
        t_same(dw3, dw, (size_t)d.weights * sizeof *dw, "%s: conv %d dw, three threads", row, i);
        real *y3 = golden_room(d.out, NULL);
        nn_conv2d_fwd(k, y3, d.x, d.w, d.b, s, room3, 3);
        t_same(y3, y, (size_t)d.out * sizeof *y, "%s: conv %d, three threads", row, i);
        t_guarded_free(y3);
        t_guarded_free(again);
        t_guarded_free(dw3);
        t_guarded_free(room3);
    }
    real *const all[] = { y, dx, dw, db, room };
    for (int p = 0; p < 5; p++) t_guarded_free(all[p]);
}

static void torch_order(void)
{
    enum { CIN = 5, COUT = 3, KS = 3, ALL = CIN * COUT * KS * KS };
    real w[ALL], there[ALL], back[ALL];
    t_randn(w, ALL, 5);
    nn_conv2d_to_torch(there, w, CIN, COUT, KS);
    nn_conv2d_from_torch(back, there, CIN, COUT, KS);
    t_same(back, w, sizeof w, "weights: to torch's order and back");
    t_check(there[(2 * CIN + 4) * KS * KS + 5] == w[(5 * CIN + 4) * COUT + 2], "weights: torch's (2,4,1,2) is ours (1,2,4,2)");
}

/* ---- batch norm ---------------------------------------------------------------------------------------------------------- */

static void norm(const nn_kernels *k, const char *row, int threads)
{
    enum { B = 2 * 16 * 10, C = 19, N = B * C };
    const nn_norm s = { B, C, true };
    const real *x = golden(N, "norm.x"), *add = golden(N, "norm.add"), *gamma = golden(C, "norm.gamma"), *beta = golden(C, "norm.beta");
    real *y = golden_room(N, NULL), *dy = golden_room(N, golden(N, "norm.dy")), *dx = golden_room(N, NULL), *dadd = golden_room(N, NULL);
    real *run_mean = golden_room(C, golden(C, "norm.run_mean")), *run_var = golden_room(C, golden(C, "norm.run_var"));
    real *room = golden_room(nn_norm_room(&s), NULL);
    real mean[C], rstd[C], dgamma[C] = { 0 }, dbeta[C] = { 0 };
    nn_norm_infer(k, y, x, add, gamma, beta, run_mean, run_var, &s, room, threads);
    t_close(y, golden(N, "norm.infer"), N, 10, "%s: norm, inference", row);
    nn_norm_fwd(k, y, mean, rstd, run_mean, run_var, x, add, gamma, beta, &s, room, threads);
    t_close(y, golden(N, "norm.y"), N, 12, "%s: norm", row);
    t_close(run_mean, golden(C, "norm.new_mean"), C, 4, "%s: norm, running mean", row);
    t_close(run_var, golden(C, "norm.new_var"), C, 8, "%s: norm, running variance", row);
    memset(dadd, 0, N * sizeof *dadd);
    nn_norm_bwd(k, dx, false, dadd, dgamma, dbeta, dy, y, x, mean, rstd, gamma, &s, room, threads);
    t_close(dx, golden(N, "norm.dx"), N, 30, "%s: norm dx", row);
    t_close(dadd, golden(N, "norm.dadd"), N, 1, "%s: norm dadd", row);
    t_close(dgamma, golden(C, "norm.dgamma"), C, 60, "%s: norm dgamma", row);
    t_close(dbeta, golden(C, "norm.dbeta"), C, 60, "%s: norm dbeta", row);
    real *const all[] = { y, dy, dx, dadd, run_mean, run_var, room };
    for (int p = 0; p < 7; p++) t_guarded_free(all[p]);
}

/* ---- pools, resizing, loss, dropout ---------------------------------------------------------------------------------------- */

static void pools(int threads)
{
    static const struct { nn_map in; nn_dim ks, stride, pad, oh, ow; } max[] = { { { 2, 6, 8, 5 }, 2, 2, 0, 3, 4 }, { { 2, 7, 9, 18 }, 3, 2, 1, 4, 5 } };
    for (int i = 0; i < 2; i++) {
        const nn_map in = max[i].in;
        const nn_dim out = in.n * max[i].oh * max[i].ow * in.c;
        real *y = golden_room(out, NULL), *dx = golden_room(nn_map_numbers(in), NULL);
        uint8_t at[1024];
        memset(dx, 0, (size_t)nn_map_numbers(in) * sizeof *dx);
        nn_maxpool_fwd(y, at, golden(nn_map_numbers(in), "pool%d.x", i), in, max[i].ks, max[i].stride, max[i].pad, threads);
        nn_maxpool_bwd(dx, golden(out, "pool%d.dy", i), at, in, max[i].ks, max[i].stride, max[i].pad, threads);
        t_close(y, golden(out, "pool%d.y", i), out, 1, "max pool %d", i);
        t_close(dx, golden(nn_map_numbers(in), "pool%d.dx", i), nn_map_numbers(in), 2, "max pool %d dx", i);
        t_guarded_free(y);
        t_guarded_free(dx);
    }
    const real four[4] = { 1, NAN, 7, 7 }, equal[4] = { 3, 7, 7, 7 };
    uint8_t which[2];
    real most[2];
    nn_maxpool_fwd(&most[0], &which[0], four, (nn_map){ 1, 2, 2, 1 }, 2, 2, 0, threads);
    nn_maxpool_fwd(&most[1], &which[1], equal, (nn_map){ 1, 2, 2, 1 }, 2, 2, 0, threads);
    t_check(isnan((double)most[0]) && which[0] == 1 && most[1] == 7 && which[1] == 1, "max pool: NaN wins, and the first of equals");
    const nn_map in = { 2, 5, 7, 18 };
    real y[36], dx[2 * 5 * 7 * 18] = { 0 };
    nn_avgpool_fwd(y, golden(nn_map_numbers(in), "mean.x"), in, threads);
    nn_avgpool_bwd(dx, golden(36, "mean.dy"), in, threads);
    t_close(y, golden(36, "mean.y"), 36, 8, "average pool");
    t_close(dx, golden(nn_map_numbers(in), "mean.dx"), nn_map_numbers(in), 4, "average pool dx");
}

static void resizing(const nn_kernels *k, const char *row, int threads)
{
    static const struct { nn_map in; nn_dim oh, ow; } c[] = { { { 2, 4, 5, 18 }, 8, 10 }, { { 1, 5, 3, 4 }, 13, 17 }, { { 1, 1, 1, 5 }, 6, 4 },
                                                             { { 1, 9, 11, 3 }, 4, 5 } };
    for (int i = 0; i < 4; i++) {
        const nn_dim in = nn_map_numbers(c[i].in), out = c[i].in.n * c[i].oh * c[i].ow * c[i].in.c;
        real *y = golden_room(out, NULL), *dx = golden_room(in, NULL);
        memset(dx, 0, (size_t)in * sizeof *dx);
        nn_resize_fwd(k, y, golden(in, "resize%d.x", i), c[i].in, c[i].oh, c[i].ow, threads);
        nn_resize_bwd(k, dx, golden(out, "resize%d.dy", i), c[i].in, c[i].oh, c[i].ow, threads);
        t_close(y, golden(out, "resize%d.y", i), out, 16, "%s: resize %d", row, i);
        t_close(dx, golden(in, "resize%d.dx", i), in, 32, "%s: resize %d dx", row, i);
        t_guarded_free(y);
        t_guarded_free(dx);
    }
    /* Wider than a kernel's call: one channel, so that the definition's planes are ours. */
    enum { IN = 40, OUT = 150 };
    real x[2 * IN], y[2][3 * OUT];
    for (int i = 0; i < 2 * IN; i++) x[i] = (real)sin(i * i);
    nn_resize_fwd(k, y[0], x, (nn_map){ 1, 2, IN, 1 }, 3, OUT, threads);
    nn_bilinear_ref(y[1], x, 1, 2, IN, 3, OUT);
    t_close(y[0], y[1], 3 * OUT, 16, "%s: resize to %d columns", row, OUT);
}

static void losses(int threads)
{
    enum { B = 90, K = 4 };
    real dx[B * K];
    const real got = (real)nn_soft_ce(dx, golden(B * K, "ce.x"), golden(B * K, "ce.t"), golden(B, "ce.weight"), B, K, threads);
    t_close(&got, golden(1, "ce.loss"), 1, 4, "loss on probabilities");
    t_close(dx, golden(B * K, "ce.dx"), B * K, 10, "loss on probabilities, gradient");
    real none[B] = { 0 };
    t_check(nn_soft_ce(dx, golden(B * K, "ce.x"), golden(B * K, "ce.t"), none, B, K, threads) == 0.0 && dx[7] == 0, "loss: 0 when no row counts");
}

static void dropout(void)
{
    enum { N = 40001 };
    static real x[N], y[N], z[N];
    for (int i = 0; i < N; i++) x[i] = 1;
    nn_dropout(y, x, N, 0.25, 9, 3, 2, 1);
    nn_dropout(z, x, N, 0.25, 9, 3, 2, 3);
    t_same(y, z, sizeof y, "dropout: any number of threads");
    int zero = 0;
    bool scaled = true;
    for (int i = 0; i < N; i++) { zero += y[i] == 0; scaled &= y[i] == 0 || y[i] == (real)(1.0 / 0.75); }
    t_check(scaled && fabs(zero / (double)N - 0.25) < 0.01, "dropout: a quarter is dropped, the rest scaled (%d of %d)", zero, N);
    nn_dropout(z, x, N, 0.25, 9, 4, 2, 1);
    t_check(memcmp(y, z, sizeof y), "dropout: another step, another mask");
}

/* ---- finite differences, in double ------------------------------------------------------------------------------------------ */

/* L = sum dy * conv(x, w, b) against the gradients of the definition. */
static double conv_loss(const real *x, const real *w, const real *b, const conv_data *d, const nn_conv2d *s, real *y)
{
    double sum = 0.0;
    nn_conv2d_fwd_ref(y, x, w, b, s);
    for (nn_dim i = 0; i < d->out; i++) sum += d->dy[i] * y[i];
    return sum;
}

static void conv_differences(int i)
{
    const nn_conv2d *s = &conv_case[i];
    const conv_data d = conv_inputs(i);
    real *part[] = { golden_room(d.in, d.x), golden_room(d.weights, d.w), golden_room(s->cout, d.b) }, *y = golden_room(d.out, NULL);
    const nn_dim size[] = { d.in, d.weights, s->cout };
    const char *const name[] = { "dx", "dw", "db" };
    for (int p = 0; p < 3; p++) {
        const real *want = golden(size[p], "conv%d.%s", i, name[p]);
        double worst = 0.0, square = 0.0;
        for (nn_dim j = 0; j < size[p]; j++) square += (double)want[j] * want[j];
        const double rms = sqrt(square / (double)size[p]), h = 1e-5;
        for (nn_dim j = 0; j < size[p]; j += 1 + size[p] / 100) {
            const real kept = part[p][j];
            part[p][j] = (real)(kept + h);
            const double up = conv_loss(part[0], part[1], part[2], &d, s, y);
            part[p][j] = (real)(kept - h);
            const double down = conv_loss(part[0], part[1], part[2], &d, s, y);
            part[p][j] = kept;
            const double e = fabs((up - down) / (2 * h) - want[j]) / fmax(fabs((double)want[j]), rms);
            worst = e <= worst ? worst : e;
        }
        t_limit(worst, 1e-7, "double: finite differences of conv %d %s", i, name[p]);
    }
    for (int p = 0; p < 3; p++) t_guarded_free(part[p]);
    t_guarded_free(y);
}

void map_cases(const nn_kernels *k)
{
    if (!k) k = &nn_kernels_ref;
    const char *row = is_double ? "double" : k->name;
    conv_large(k, row);
    golden_open("tests/golden/maps.safetensors");
    for (int i = 0; i < CONVS; i++) {
        conv_run(i, k, row, 1);
        if (k == &nn_kernels_ref) conv_run(i, NULL, is_double ? "double definition" : "definition", 1);
        if (is_double) conv_differences(i);
    }
    norm(k, row, 1);
    norm(k, row, 3);
    resizing(k, row, 1);
    resizing(k, row, 3);
    if (k == &nn_kernels_ref) {
        torch_order();
        pools(1);
        pools(3);
        losses(1);
        losses(3);
        dropout();
    }
    golden_close();
}
