/* test_label.c: labelling against the literal algorithm (upsample every map, concatenate, run every member on every pixel)
 * in double, against the golden of the same in PyTorch, and its promises: votes, bounds, the same bytes for any cut. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/label.h"
#include "nn/rng.h"
#include "tests/t.h"

#define GOLDEN "tests/golden/label.safetensors"

/* A random interpreter and random maps. */
typedef struct {
    dg_interp in;
    sg_tap_info tap[SG_TAPS_MAX];
    real *number;                    /* all numbers of the interpreter */
    real *planar[SG_TAPS_MAX];
    nn_dim res;
} scene;

static const real *draw(real **at, nn_dim n, uint64_t seed, double scale, double shift, bool positive)
{
    real *p = *at;
    t_randn(p, n, seed);
    for (nn_dim i = 0; i < n; i++) p[i] = (real)(positive ? exp(p[i] * scale + shift) : p[i] * scale + shift);
    *at += n;
    return p;
}

/* sizes: pairs (channels, size) ended by 0. */
static void make_scene(scene *s, const nn_dim *sizes, nn_dim res, int members, nn_dim h1, nn_dim h2, int K, uint64_t seed)
{
    *s = (scene){ .res = res };
    dg_interp *in = &s->in;
    *in = (dg_interp){ .members = members, .classes = K, .h1 = h1, .h2 = h2 };
    for (; sizes[0]; sizes += 2) {
        sg_tap_info *t = &s->tap[in->tap_count];
        *t = (sg_tap_info){ .c = sizes[0], .h = sizes[1], .w = sizes[1] };
        s->planar[in->tap_count] = nn_alloc((size_t)(t->c * t->h * t->w) * sizeof(real), "map", NULL);
        t_randn(s->planar[in->tap_count], t->c * t->h * t->w, seed + 100 + (uint64_t)in->tap_count);
        in->tap_channels[in->tap_count++] = t->c;
        in->D += t->c;
    }
    const nn_dim D = in->D, M = members;
    real *p = s->number = nn_alloc((size_t)(2 * D + M * (h1 * (D + 5) + h2 * (h1 + 5) + K * (h2 + 1))) * sizeof *p, "interpreter", NULL);
    in->mean = draw(&p, D, seed + 1, 0.5, 0.5, false);
    in->std = draw(&p, D, seed + 2, 0.3, 0.0, true);
    in->w1 = draw(&p, M * h1 * D, seed + 3, 1.0 / sqrt((double)D), 0.0, false);
    in->b1 = draw(&p, M * h1, seed + 4, 0.3, 0.0, false);
    in->g1 = draw(&p, M * h1, seed + 5, 0.3, 1.0, false);
    in->e1 = draw(&p, M * h1, seed + 6, 0.3, 0.0, false);
    in->m1 = draw(&p, M * h1, seed + 7, 0.2, 0.4, false);
    in->v1 = draw(&p, M * h1, seed + 8, 0.3, -1.0, true);
    in->w2 = draw(&p, M * h2 * h1, seed + 9, 1.0 / sqrt((double)h1), 0.0, false);
    in->b2 = draw(&p, M * h2, seed + 10, 0.3, 0.0, false);
    in->g2 = draw(&p, M * h2, seed + 11, 0.3, 1.0, false);
    in->e2 = draw(&p, M * h2, seed + 12, 0.3, 0.0, false);
    in->m2 = draw(&p, M * h2, seed + 13, 0.2, 0.4, false);
    in->v2 = draw(&p, M * h2, seed + 14, 0.3, -1.0, true);
    in->w3 = draw(&p, M * K * h2, seed + 15, 1.5 / sqrt((double)h2), 0.0, false);
    in->b3 = draw(&p, M * K, seed + 16, 0.3, 0.0, false);
}

static void free_scene(scene *s)
{
    for (int i = 0; i < s->in.tap_count; i++) nn_free(s->planar[i]);
    nn_free(s->number);
}

/* ---- the literal algorithm, in double --------------------------------------------------------------------------------- */

/* One number of the hypercolumn image: map i, channel c, at picture position (y,x). */
static double upsampled(const scene *s, int i, nn_dim c, nn_dim y, nn_dim x)
{
    const sg_tap_info *t = &s->tap[i];
    const real *plane = s->planar[i] + c * t->h * t->w;
    nn_dim y0, y1, x0, x1;
    double ty, tx;
    nn_bilinear_at(y, t->h, s->res, &y0, &y1, &ty);
    nn_bilinear_at(x, t->w, s->res, &x0, &x1, &tx);
    return (1 - ty) * ((1 - tx) * plane[y0 * t->w + x0] + tx * plane[y0 * t->w + x1])
         + ty * ((1 - tx) * plane[y1 * t->w + x0] + tx * plane[y1 * t->w + x1]);
}

/* y = BN(relu(W x + b)). */
static void layer(double *y, const double *x, const real *w, const real *b, const real *g, const real *e, const real *m, const real *v,
                  nn_dim in, nn_dim out)
{
    for (nn_dim o = 0; o < out; o++) {
        double sum = b[o];
        for (nn_dim i = 0; i < in; i++) sum += w[o * in + i] * x[i];
        sum = sum <= 0 ? 0 : sum;
        y[o] = g ? (sum - m[o]) / sqrt(v[o] + 1e-5) * g[o] + e[o] : sum;
    }
}

static double entropy(const double *p, int K)
{
    double h = 0.0;
    for (int c = 0; c < K; c++) if (p[c] > 0) h -= p[c] * log(p[c]);
    return h;
}

typedef struct { real *mean; real *divergence; uint8_t *label; double *gap; double uncertainty; } literal;

static int by_size(const void *a, const void *b) { const double x = *(const double *)a, y = *(const double *)b; return (x > y) - (x < y); }

static void literal_pixel(const scene *s, const double *column, literal *out, nn_dim p, double *work)
{
    const dg_interp *in = &s->in;
    const int K = in->classes;
    const nn_dim h1 = in->h1, h2 = in->h2, D = in->D, hw = s->res * s->res;
    double *a = work, *b = a + h1, *q = b + h2, *mean = q + K, spread = 0.0;
    int *votes = calloc((size_t)K, sizeof *votes);
    out->gap[p] = INFINITY;
    memset(mean, 0, (size_t)K * sizeof *mean);
    for (int m = 0; m < in->members; m++) {
        layer(a, column, in->w1 + m * h1 * D, in->b1 + m * h1, in->g1 + m * h1, in->e1 + m * h1, in->m1 + m * h1, in->v1 + m * h1, D, h1);
        layer(b, a, in->w2 + m * h2 * h1, in->b2 + m * h2, in->g2 + m * h2, in->e2 + m * h2, in->m2 + m * h2, in->v2 + m * h2, h1, h2);
        double top = -INFINITY, sum = 0.0;
        int best = 0;
        for (int c = 0; c < K; c++) {
            q[c] = in->b3[m * K + c];
            for (nn_dim i = 0; i < h2; i++) q[c] += in->w3[(m * K + c) * h2 + i] * b[i];
            if (q[c] > top) { top = q[c]; best = c; }
        }
        for (int c = 0; c < K; c++) if (c != best) out->gap[p] = fmin(out->gap[p], top - q[c]);
        for (int c = 0; c < K; c++) sum += q[c] = exp(q[c] - top);
        for (int c = 0; c < K; c++) { q[c] /= sum; mean[c] += q[c] / in->members; }
        spread += entropy(q, K) / in->members;
        votes[best]++;
    }
    int best = 0;
    for (int c = 0; c < K; c++) {
        out->mean[c * hw + p] = (real)mean[c];
        if (votes[c] > votes[best]) best = c;
    }
    out->label[p] = (uint8_t)best;
    out->divergence[p] = (real)fmax(entropy(mean, K) - spread, 0.0);
    free(votes);
}

static literal literal_make(const scene *s)
{
    const dg_interp *in = &s->in;
    const nn_dim hw = s->res * s->res;
    literal o = { nn_alloc((size_t)(hw * in->classes) * sizeof(real), "", NULL), nn_alloc((size_t)hw * sizeof(real), "", NULL),
                  nn_alloc((size_t)hw, "", NULL), nn_alloc((size_t)hw * sizeof(double), "", NULL), 0 };
    double *column = nn_alloc((size_t)(in->D + in->h1 + in->h2 + 2 * in->classes) * sizeof *column, "", NULL);
    double *sorted = nn_alloc((size_t)hw * sizeof *sorted, "", NULL);
    for (nn_dim p = 0; p < hw; p++) {
        nn_dim d = 0;
        for (int i = 0; i < in->tap_count; i++)
            for (nn_dim c = 0; c < s->tap[i].c; c++, d++)
                column[d] = (upsampled(s, i, c, p / s->res, p % s->res) - in->mean[d]) / in->std[d];
        literal_pixel(s, column, &o, p, column + in->D);
        sorted[p] = o.divergence[p];
    }
    qsort(sorted, (size_t)hw, sizeof *sorted, by_size);
    const nn_dim top = hw / 10;
    for (nn_dim p = hw - top; p < hw; p++) o.uncertainty += sorted[p] / (double)top;
    nn_free(sorted);
    nn_free(column);
    return o;
}

static void literal_free(literal *o)
{
    nn_free(o->mean);
    nn_free(o->divergence);
    nn_free(o->label);
    nn_free(o->gap);
}

/* ---- running the labeller ---------------------------------------------------------------------------------------------- */

typedef struct { dg_labels out; nn_dim hw, K; } result;

static result run_rows(const scene *s, const nn_kernels *k, nn_dim top, nn_dim height, size_t shared_bytes, int threads)
{
    const nn_dim hw = height * s->res, K = s->in.classes;
    real *map[SG_TAPS_MAX];
    nn_err err = { 0 };
    result r = { { (uint8_t *)t_guarded((hw + 3) / 4, true), t_guarded(hw, true), t_guarded(hw * K, true), NULL, -1 }, hw, K };
    for (int i = 0; i < s->in.tap_count; i++) {
        const sg_tap_info *t = &s->tap[i];
        map[i] = t_guarded(nn_map_count(k->layout, t->c, t->h, t->w), true);
        nn_map_from_planar(k->layout, map[i], s->planar[i], t->c, t->h, t->w);
    }
    dg_labeller *l = dg_labeller_make(&s->in, k, s->tap, (dg_frame){ s->res, top, height }, shared_bytes, threads, &err);
    t_check(l != NULL, "labeller opens: %s", err.msg);
    if (l) dg_label_maps(l, (const real *const *)map, &r.out);
    dg_labeller_close(l);
    for (int i = 0; i < s->in.tap_count; i++) t_guarded_free(map[i]);
    return r;
}

static result run(const scene *s, const nn_kernels *k, size_t shared_bytes, int threads)
{
    return run_rows(s, k, 0, s->res, shared_bytes, threads);
}

static void free_result(result *r)
{
    t_guarded_free((real *)r->out.label);
    t_guarded_free(r->out.divergence);
    t_guarded_free(r->out.mean);
}

static void same_results(const result *a, const result *b, const char *what)
{
    t_same(a->out.label, b->out.label, (size_t)a->hw, "%s: labels", what);
    t_same(a->out.divergence, b->out.divergence, (size_t)a->hw * sizeof(real), "%s: divergences", what);
    t_same(a->out.mean, b->out.mean, (size_t)(a->hw * a->K) * sizeof(real), "%s: mean probabilities", what);
    t_same(&a->out.uncertainty, &b->out.uncertainty, sizeof(double), "%s: uncertainty", what);
}

/* Rows of a picture are those of the whole one, whatever tiles they fall into. */
static void compare_rows(const scene *s, const nn_kernels *k, const result *whole, const char *name)
{
    const nn_dim top = s->res / 7, height = s->res - top - s->res / 3, hw = height * s->res;
    result part = run_rows(s, k, top, height, DG_SHARED_BYTES, 2), tiled = run_rows(s, k, top, height, 0, 1);
    same_results(&part, &tiled, "rows, no level kept whole");
    t_same(part.out.label, whole->out.label + top * s->res, (size_t)hw, "%s: labels of rows", name);
    t_same(part.out.divergence, whole->out.divergence + top * s->res, (size_t)hw * sizeof(real), "%s: divergences of rows", name);
    for (nn_dim c = 0; c < whole->K; c++)
        t_same(part.out.mean + c * hw, whole->out.mean + c * whole->hw + top * s->res, (size_t)hw * sizeof(real), "%s: probabilities of rows", name);
    free_result(&part);
    free_result(&tiled);
}

/* A probability is off by about the logits' rounding error: the longest sum has D terms of random sign, so sqrt(D)
 * units, through two more layers; measured under half of this. */
static double allowance(const scene *s) { return 8.0 * sqrt((double)s->in.D); }

static void compare(const scene *s, const literal *want, const result *got, const char *name)
{
    nn_dim wrong = 0;
    double worst = 0.0;
    t_close(got->out.mean, want->mean, got->hw * got->K, allowance(s), "%s: mean probabilities", name);
    for (nn_dim p = 0; p < got->hw; p++) {
        wrong += got->out.label[p] != want->label[p] && want->gap[p] > 1e-4;     /* a vote closer than that may fall either way */
        const double d = fabs((double)got->out.divergence[p] - (double)want->divergence[p]);
        if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
    t_check(wrong == 0, "%s: labels: %td of %td pixels differ", name, wrong, got->hw);
    t_limit(worst / FLT_EPSILON, allowance(s), "%s: divergence, absolute, in eps", name);
    t_limit(fabs(got->out.uncertainty - want->uncertainty) / FLT_EPSILON, allowance(s), "%s: uncertainty, absolute, in eps", name);
}

/* Every usable row, and the reference row on blocked maps. */
static int rows(nn_kernels *at, int max)
{
    int n = 0;
    at[n++] = nn_kernels_ref;
    at[n] = nn_kernels_ref;
    at[n].name = "ref, blocked maps";
    at[n++].layout = NN_BLOCKED;
    for (int i = 0; i < nn_kernels_count() && n < max; i++) {
        const nn_kernels *k = nn_kernels_at(i);
        if (strcmp(k->name, "ref") == 0) continue;
        if (k->usable()) at[n++] = *k;
        else t_skip("label/%s: not on this processor", k->name);
    }
    return n;
}

/* The vote by mean probability: where two means are equal, the lower class. */
static void check_mean_vote(scene *s, const nn_kernels *k, const char *name)
{
    nn_dim wrong = 0;
    s->in.vote_mean = true;
    result got = run(s, k, DG_SHARED_BYTES, 2);
    s->in.vote_mean = false;
    for (nn_dim p = 0; p < got.hw; p++) {
        nn_dim best = 0;
        for (nn_dim c = 1; c < got.K; c++) if (got.out.mean[c * got.hw + p] > got.out.mean[best * got.hw + p]) best = c;
        wrong += got.out.mean[best * got.hw + p] > got.out.mean[got.out.label[p] * got.hw + p];
    }
    t_check(wrong == 0, "%s: vote by mean probability: %td of %td pixels have a likelier class", name, wrong, got.hw);
    free_result(&got);
}

/* Products of bf16: the same bytes for any threads and any way to share levels, near the exact ones and not the same. */
static void check_bf16(scene *s, const nn_kernels *k, const literal *want, const char *name)
{
    s->in.precision = NN_BF16;
    result got = run(s, k, DG_SHARED_BYTES, 2), tiled = run(s, k, 0, 1);
    s->in.precision = NN_FP32;
    same_results(&got, &tiled, "bf16, no level kept whole");
    double worst = 0;
    for (nn_dim i = 0; i < got.hw * got.K; i++) {
        const double d = fabs((double)got.out.mean[i] - (double)want->mean[i]);
        if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
    /* Three layers of numbers off by 2^-9, of random sign; measured up to 6 of these. */
    t_limit(worst / 0x1p-9, 16, "%s: mean probabilities of bf16, in 2^-9", name);
    t_check(worst > 0x1p-14, "%s: bf16 is not fp32", name);
    free_result(&got);
    free_result(&tiled);
}

static void test_against_literal(void)
{
    static const struct { const char *name; nn_dim res; int members; nn_dim h1, h2; int K; nn_dim size[16]; } set[] = {
        { "whole tiles",      64, 3, 24, 10, 5, { 20, 4, 17, 8, 33, 16, 6, 32, 7, 64, 5, 64 } },
        { "odd everything",   45, 2, 19,  7, 3, { 5, 3, 18, 7, 16, 13, 3, 23, 1, 45 } },
        { "larger maps",      20, 4, 16,  8, 4, { 9, 10, 4, 20, 21, 40, 3, 33 } },
        { "one small map",    33, 1, 32, 16, 2, { 40, 4 } },
        { "only full size",   40, 2,  8,  8, 34, { 3, 40, 17, 40 } },
    };
    nn_kernels row[8];
    const int row_count = rows(row, 8);
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
        scene s;
        make_scene(&s, set[i].size, set[i].res, set[i].members, set[i].h1, set[i].h2, set[i].K, 1000 * (i + 1));
        literal want = literal_make(&s);
        for (int k = 0; k < row_count; k++) {
            char name[96];
            nn_format(name, sizeof name, "label/%s/%s", row[k].name, set[i].name);
            result got = run(&s, &row[k], DG_SHARED_BYTES, 2), tiled = run(&s, &row[k], 0, 1), third = run(&s, &row[k], 1 << 14, 3);
            compare(&s, &want, &got, name);
            same_results(&got, &tiled, "no level kept whole, 1 thread");
            same_results(&got, &third, "some levels kept whole, 3 threads");
            compare_rows(&s, &row[k], &got, name);
            free_result(&got);
            free_result(&tiled);
            free_result(&third);
            check_mean_vote(&s, &row[k], name);
            check_bf16(&s, &row[k], &want, name);
        }
        literal_free(&want);
        free_scene(&s);
    }
}

static void test_golden(void)
{
    enum { RES = 40, M = 3, H1 = 24, H2 = 10, K = 5, TAPS = 6, D = 92, HW = RES * RES };
    static const nn_dim size[TAPS][2] = { { 20, 5 }, { 17, 10 }, { 33, 10 }, { 6, 20 }, { 7, 40 }, { 9, 80 } };
    scene s = { .in = { .members = M, .classes = K, .D = D, .h1 = H1, .h2 = H2, .tap_count = TAPS }, .res = RES };
    dg_interp *in = &s.in;
    const real *map[TAPS], *label, *divergence, *mean, *uncertainty;
    nn_st f;
    nn_err err = { 0 };
    nn_want want[32] = {
        { "mean", 1, { D }, &in->mean }, { "std", 1, { D }, &in->std },
        { "w1", 3, { M, H1, D }, &in->w1 }, { "b1", 2, { M, H1 }, &in->b1 }, { "g1", 2, { M, H1 }, &in->g1 },
        { "e1", 2, { M, H1 }, &in->e1 }, { "m1", 2, { M, H1 }, &in->m1 }, { "v1", 2, { M, H1 }, &in->v1 },
        { "w2", 3, { M, H2, H1 }, &in->w2 }, { "b2", 2, { M, H2 }, &in->b2 }, { "g2", 2, { M, H2 }, &in->g2 },
        { "e2", 2, { M, H2 }, &in->e2 }, { "m2", 2, { M, H2 }, &in->m2 }, { "v2", 2, { M, H2 }, &in->v2 },
        { "w3", 3, { M, K, H2 }, &in->w3 }, { "b3", 2, { M, K }, &in->b3 },
        { "label", 2, { RES, RES }, &label }, { "divergence", 2, { RES, RES }, &divergence },
        { "mean_p", 3, { K, RES, RES }, &mean }, { "uncertainty", 1, { 1 }, &uncertainty },
        { "map0", 3, { 20, 5, 5 }, &map[0] }, { "map1", 3, { 17, 10, 10 }, &map[1] }, { "map2", 3, { 33, 10, 10 }, &map[2] },
        { "map3", 3, { 6, 20, 20 }, &map[3] }, { "map4", 3, { 7, 40, 40 }, &map[4] }, { "map5", 3, { 9, 80, 80 }, &map[5] },
    };
    if (nn_st_open(&f, GOLDEN, &err) != NN_OK || nn_st_bind(&f, want, 26, true, &err) != NN_OK) {
        t_fail("%s", err.msg);
        nn_st_close(&f);
        return;
    }
    for (int i = 0; i < TAPS; i++) {
        s.tap[i] = (sg_tap_info){ .c = size[i][0], .h = size[i][1], .w = size[i][1] };
        s.planar[i] = (real *)(uintptr_t)map[i];
    }
    literal judge = literal_make(&s);
    t_close(judge.mean, mean, K * HW, 2, "golden: literal mean probabilities");
    t_close(judge.divergence, divergence, HW, 4, "golden: literal divergences");
    nn_kernels row[8];
    for (int k = 0, n = rows(row, 8); k < n; k++) {
        result got = run(&s, &row[k], DG_SHARED_BYTES, 2);
        nn_dim wrong = 0;
        for (nn_dim p = 0; p < HW; p++) wrong += got.out.label[p] != (uint8_t)label[p];      /* closest logits: 7e-4 apart */
        t_check(wrong == 0, "golden/%s: %td labels differ", row[k].name, wrong);
        t_close(got.out.mean, mean, K * HW, allowance(&s), "golden/%s: mean probabilities", row[k].name);
        t_limit(fabs(got.out.uncertainty - *uncertainty) / FLT_EPSILON, allowance(&s), "golden/%s: uncertainty, in eps", row[k].name);
        free_result(&got);
    }
    literal_free(&judge);
    nn_st_close(&f);
}

/* Members that give fixed logits: only b3 counts. */
static void test_votes(void)
{
    static const real logit[4][4] = { { 0, 1, 9, 0 }, { 0, 9, 1, 0 }, { 0, 9, 1, 9 }, { 0, 0, 9, 9 } };    /* argmax 2, 1, 1, 2 */
    static const struct { int members; uint8_t label; const char *why; } want[] = {
        { 1, 2, "one member" }, { 2, 1, "one vote each: the lowest class" }, { 3, 1, "two to one" }, { 4, 1, "two to two" },
    };
    const nn_dim size[] = { 4, 8, 0 };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        scene s;
        make_scene(&s, size, 16, want[i].members, 8, 8, 4, 7);
        memset((real *)(uintptr_t)s.in.w3, 0, (size_t)(want[i].members * 4 * 8) * sizeof(real));
        memcpy((real *)(uintptr_t)s.in.b3, logit, (size_t)(want[i].members * 4) * sizeof(real));
        result got = run(&s, &nn_kernels_ref, DG_SHARED_BYTES, 1);
        bool all = true;
        for (nn_dim p = 0; p < got.hw; p++) all = all && got.out.label[p] == want[i].label;
        t_check(all, "votes: %s: expected class %d, found %d", want[i].why, want[i].label, got.out.label[0]);
        free_result(&got);
        free_scene(&s);
    }
}

static void test_bounds(void)
{
    const nn_dim size[] = { 4, 8, 6, 16, 0 };
    scene s;
    make_scene(&s, size, 16, 5, 8, 8, 6, 70);
    result got = run(&s, &nn_kernels_ref, DG_SHARED_BYTES, 1);
    bool inside = true;
    for (nn_dim p = 0; p < got.hw; p++) inside = inside && got.out.divergence[p] >= 0 && got.out.divergence[p] <= (float)log(5.0);
    t_check(inside, "divergence: 0 <= JS <= ln M");
    free_result(&got);

    /* Five members sure of five different classes: JS = ln 5.  (20 nats: the other classes hold 1e-8.) */
    memset((real *)(uintptr_t)s.in.w3, 0, (size_t)(5 * 6 * 8) * sizeof(real));
    for (int i = 0; i < 30; i++) ((real *)(uintptr_t)s.in.b3)[i] = i % 6 == i / 6 ? 20 : 0;
    got = run(&s, &nn_kernels_ref, DG_SHARED_BYTES, 1);
    t_limit(fabs(got.out.divergence[3] - log(5.0)), 5e-7, "divergence: five sure, different members: ln 5");
    free_result(&got);

    /* Five equal members: JS = 0, never below. */
    for (int i = 0; i < 30; i++) ((real *)(uintptr_t)s.in.b3)[i] = (real)0.37 * (real)(i % 6);
    got = run(&s, &nn_kernels_ref, DG_SHARED_BYTES, 1);
    t_check(got.out.divergence[3] >= 0, "divergence: equal members: >= 0");
    t_limit(got.out.divergence[3], 4 * FLT_EPSILON, "divergence: equal members: 0");
    free_result(&got);
    free_scene(&s);

    const real sum[3] = { 2, 0, 0 };
    t_check(dg_divergence(sum, 3, 0.0, 2) == 0.0, "divergence: an impossible class adds nothing");
    t_check(dg_divergence(sum, 3, 1e-9, 2) == 0.0, "divergence: clamped at 0");
    const real half[2] = { 1, 1 };
    t_limit(fabs(dg_divergence(half, 2, 0.0, 2) - log(2.0)), 1e-15, "divergence: two opposite members: ln 2");
}

static int by_float(const void *a, const void *b) { const float x = *(const float *)a, y = *(const float *)b; return (x > y) - (x < y); }

static void test_uncertainty(void)
{
    enum { N = 1237 };
    static float d[N], sorted[N];
    static uint32_t scratch[2 * N];
    for (int i = 0; i < N; i++) d[i] = i % 7 ? (float)nn_rng_uniform(5, NN_RNG_TEST, 0, (uint64_t)i) * 0.7f : 0.25f;
    d[17] = 0;
    memcpy(sorted, d, sizeof d);
    qsort(sorted, N, sizeof *sorted, by_float);
    double sum = 0.0;
    for (int i = N - N / 10; i < N; i++) sum += sorted[i];
    t_check(dg_uncertainty(d, N, scratch) == sum / (N / 10), "uncertainty: mean of the largest int(n/10)");
    t_check(dg_uncertainty(d, 19, scratch) > 0 && dg_uncertainty(d, 5, scratch) > 0, "uncertainty: small pictures: at least one pixel");
    float few[19] = { 0 };
    few[3] = 0.5f;
    t_check(dg_uncertainty(few, 19, scratch) == 0.5, "uncertainty: int(19/10) = 1 pixel");
    for (int i = 0; i < N; i++) d[i] -= 0.4f;                  /* what the code before September 2021 gives may be negative */
    memcpy(sorted, d, sizeof d);
    qsort(sorted, N, sizeof *sorted, by_float);
    sum = 0.0;
    for (int i = N - N / 10; i < N; i++) sum += sorted[i];
    t_check(dg_uncertainty(d, N, scratch) == sum / (N / 10), "uncertainty: some divergences negative");
    for (int i = 0; i < 19; i++) few[i] = -1.0f - (float)i;
    t_check(dg_uncertainty(few, 19, scratch) == -1.0, "uncertainty: all negative");
    few[5] = NAN;
    t_check(isnan(dg_uncertainty(few, 19, scratch)), "uncertainty: NaN travels");
}

int main(void)
{
    test_uncertainty();
    test_votes();
    test_bounds();
    test_against_literal();
    test_golden();
    return t_done();
}
