/* test_kernels.c: every row of the kernel table against the definition.
 *
 * Allowances (docs/NUMERICS.md): a sum of n products in float is off by about sqrt(n)/2 rounding units of the size of its
 * partial sums; c = 4 leaves room for the worst of a whole map.  Outputs lie against inaccessible pages, filled with NaN. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "nn/half.h"
#include "nn/kernels.h"
#include "nn/metrics.h"
#include "nn/rng.h"
#include "tests/t.h"

static double sum_units(nn_dim n) { return 4.0 * sqrt((double)n) + 8.0; }

static real *randn(nn_dim n, uint64_t seed)
{
    real *p = t_guarded(n, true);
    t_randn(p, n, seed);
    return p;
}

/* ---- convolution --------------------------------------------------------------------------------------------------- */

typedef struct { nn_dim cin, cout, h, w, ks, up, fh, fw; bool separable, demod, noise, bias; double clamp; } conv_case;

static void run_conv(const nn_kernels *k, const nn_conv_shape *s, const real *weight, const nn_conv_job *job, const real *x, real *y)
{
    const nn_dim out_h = s->h * s->up, out_w = s->w * s->up;
    real *packed = t_guarded(k->conv_packed(s), true), *map = t_guarded(nn_map_count(k->layout, s->cin, s->h, s->w), true);
    real *out = t_guarded(nn_map_count(k->layout, s->cout, out_h, out_w), true), *scratch = t_guarded(k->conv_scratch(s), true), *shared = t_guarded(k->conv_shared(s), true);
    k->conv_pack(s, weight, packed);
    nn_map_from_planar(k->layout, map, x, s->cin, s->h, s->w);
    nn_conv_job j = *job;
    j.x = map;
    j.y = out;
    for (int stage = 0; stage < 2; stage++)
        for (nn_dim u = k->conv_units(s, stage) - 1; u >= 0; u--) k->conv_unit(s, packed, &j, stage, u, scratch, shared);
    nn_map_to_planar(k->layout, y, out, s->cout, out_h, out_w);
    for (nn_dim c = s->cout; k->layout == NN_BLOCKED && c < nn_channels_padded(s->cout); c++)
        for (nn_dim p = 0; p < out_h * out_w; p++)
            if (out[nn_map_at(k->layout, out_h, out_w, c, p / out_w, p % out_w)] != 0.0f) { t_fail("%s: channel %td that pads is not zero", k->name, c); p = out_h * out_w; }
    t_guarded_free(packed); t_guarded_free(map); t_guarded_free(out); t_guarded_free(scratch); t_guarded_free(shared);
}

static void test_conv(const conv_case *c)
{
    real *filter = randn(c->fh * c->fw, 7), *weight = randn(c->cout * c->cin * c->ks * c->ks, 1), *x = randn(c->cin * c->h * c->w, 2);
    const nn_dim out = c->h * c->w * c->up * c->up;
    real *style = randn(c->cin, 3), *demod = randn(c->cout, 4), *noise = randn(out, 5), *bias = randn(c->cout, 6);
    real *want = t_guarded(c->cout * out, true), *got = t_guarded(c->cout * out, true), *shared = t_guarded(c->cout * out, true);
    if (c->separable)
        for (nn_dim a = 0; a < c->fh; a++) for (nn_dim b = 0; b < c->fw; b++)
            filter[a * c->fw + b] = (real)((1.0 + (double)a) * (2.0 + (double)(b * b)) / 40.0);
    const nn_conv_shape s = { c->cin, c->cout, c->h, c->w, c->ks, c->up, c->fh, c->fw, filter, 0 };
    const nn_conv_job job = { .style = style, .demod = c->demod ? demod : NULL, .noise = c->noise ? noise : NULL,
                              .bias = c->bias ? bias : NULL, .strength = 0.3, .slope = 0.2, .gain = sqrt(2.0), .clamp = c->clamp };
    run_conv(&nn_kernels_ref, &s, weight, &job, x, want);
    for (int i = 1; i < nn_kernels_count(); i++) {
        const nn_kernels *k = nn_kernels_at(i);
        if (!k->usable()) { t_skip("conv/%s: not on this CPU", k->name); continue; }
        run_conv(k, &s, weight, &job, x, got);
        /* Winograd grows rounding, docs/NUMERICS.md § 6: F(4,3) and F(3,2). */
        const double grown = c->ks != 3 ? 1 : c->up == 1 ? (c->h >= 8 && c->w >= 8 && c->cin >= 16 && c->cout >= 16 ? 4 : 1) : c->h >= 8 && c->w >= 8 && c->cin >= 32 && c->cout >= 16 ? 2 : 1;
        t_close(got, want, c->cout * out, grown * sum_units(c->cin * c->ks * c->ks + c->fh * c->fw), "conv %tdx%td %td->%td %tdx%td up%td fir%tdx%td%s/%s",
                c->ks, c->ks, c->cin, c->cout, c->h, c->w, c->up, c->fh, c->fw, c->separable ? "" : "(not separable)", k->name);
        static const int threads[] = { 1, 2, 3, 16 };
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            nn_conv_shape cut = s;
            cut.threads = threads[t];
            run_conv(k, &cut, weight, &job, x, shared);
            t_same(shared, got, (size_t)(c->cout * out) * sizeof *got, "conv %td->%td %tdx%td up%td/%s: cut for %d threads", c->cin, c->cout, c->h, c->w, c->up, k->name, threads[t]);
        }
    }
    real *const all[] = { filter, weight, x, style, demod, noise, bias, want, got, shared };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* Tile, band and panel edges must not show: one picture of a wide map, each row computed again in a narrower neighbour. */
static void test_conv_bits_do_not_depend_on_tiles(const nn_kernels *k, nn_dim C, nn_dim same)
{
    enum { H = 9, W = 61, CUT = 23 };
    real *weight = randn(C * C * 9, 1), *x = randn(C * H * W, 2), *part = t_guarded(C * H * CUT, true), *style = randn(C, 3);
    real *whole = t_guarded(C * H * W, true), *cut = t_guarded(C * H * CUT, true);
    for (nn_dim r = 0; r < C * H; r++) memcpy(part + r * CUT, x + r * W, CUT * sizeof *x);
    const nn_conv_shape big = { C, C, H, W, 3, 1, 0, 0, NULL, 0 }, small = { C, C, H, CUT, 3, 1, 0, 0, NULL, 0 };
    const nn_conv_job job = { .style = style, .slope = 0.2, .gain = 1.0, .clamp = INFINITY };
    run_conv(k, &big, weight, &job, x, whole);
    run_conv(k, &small, weight, &job, part, cut);
    for (nn_dim r = 0; r < C * H; r++)
        if (!t_same(cut + r * CUT, whole + r * W, (size_t)same * sizeof *cut, "conv/%s: row %td of %td channels has the same bits in a narrower map", k->name, r, C)) break;
    real *const all[] = { weight, x, part, style, whole, cut };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

static void test_gemm(nn_dim m, nn_dim n, nn_dim k, bool transposed, bool add, bool relu)
{
    real *a = randn(m * k, 1), *b = randn(k * n, 2), *c = randn(m * n, 3), *given = randn(n, 4), *bias = relu ? given : NULL, *want = t_guarded(m * n, true), *got = t_guarded(m * n, true);
    const nn_rows rows = transposed ? nn_rows_transposed(a, m) : nn_rows_matrix(a, k);
    memcpy(want, c, (size_t)(m * n) * sizeof *c);
    if (!add) memset(want, 0xff, (size_t)(m * n) * sizeof *c);
    nn_kernels_ref.gemm(m, n, k, rows, b, n, want, n, add, bias);
    for (int i = 1; i < nn_kernels_count(); i++) {
        const nn_kernels *kern = nn_kernels_at(i);
        if (!kern->usable()) { t_skip("gemm/%s: not on this CPU", kern->name); continue; }
        memcpy(got, c, (size_t)(m * n) * sizeof *c);
        if (!add) memset(got, 0xff, (size_t)(m * n) * sizeof *c);      /* NaN: must not be read */
        kern->gemm(m, n, k, rows, b, n, got, n, add, bias);
        t_close(got, want, m * n, sum_units(k), "gemm %tdx%tdx%td%s%s%s/%s", m, n, k, transposed ? " transposed" : "", add ? " add" : "", relu ? " bias, ReLU" : "",
                kern->name);
    }
    real *const all[] = { a, b, c, given, want, got };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* The same with B packed, in each precision; B's rows are PAD further apart than they are long, C's too: what lies between is not touched. */
static void test_product(nn_dim m, nn_dim n, nn_dim k, bool transposed, bool add, bool relu)
{
    enum { PAD = 3 };
    const nn_dim ld = n + PAD;
    real *a = randn(m * k, 1), *b = randn(k * ld, 2), *c = randn(m * ld, 3), *given = randn(n, 4), *want = t_guarded(m * ld, true), *got = t_guarded(m * ld, true);
    const real *bias = relu ? given : NULL;
    const nn_rows rows = transposed ? nn_rows_transposed(a, m) : nn_rows_matrix(a, k);
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (int i = 0; i < nn_kernels_count(); i++) {
            const nn_kernels *kern = nn_kernels_at(i);
            const nn_products *by = &kern->product[p];
            real *to = i ? got : want;
            if (!kern->usable()) { t_skip("product/%s: not on this CPU", kern->name); continue; }
            real *packed = t_guarded(by->packed(k, n), true);
            memcpy(to, c, (size_t)(m * ld) * sizeof *c);
            by->pack(packed, b, ld, k, n);
            by->multiply(m, n, k, rows, packed, to, ld, add, bias);
            t_guarded_free(packed);
            if (i) t_close(got, want, m * ld, sum_units(k), "product %tdx%tdx%td%s%s%s, %s/%s", m, n, k, transposed ? " transposed" : "", add ? " add" : "",
                           relu ? " bias, ReLU" : "", p == NN_BF16 ? "bf16" : "fp32", kern->name);
            bool kept = true;
            for (nn_dim r = 0; r < m; r++) kept &= !memcmp(to + r * ld + n, c + r * ld + n, PAD * sizeof *c);
            t_check(kept, "product %tdx%tdx%td/%s: what lies behind C's rows stays", m, n, k, kern->name);
        }
    real *const all[] = { a, b, c, given, want, got };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* All 24 bits of either operand come through, at every step: a number times one. */
static void test_gemm_bits(const nn_kernels *k)
{
    enum { K = 70, N = 35 };
    real *one = t_guarded(K * N, true), *number = t_guarded(K * K, true), *b = t_guarded(K * N, true), *c = t_guarded(K * N, true);
    nn_dim wrong[2] = { 0, 0 };
    for (nn_dim i = 0; i < K * N; i++) one[i] = 1;
    for (nn_dim i = 0; i < K * K; i++) number[i] = i % (K + 1) ? 0 : (real)ldexp((double)(0xffffff - i * 0x1234 % 0x7fffff), (int)(i % 64) - 44);
    k->gemm(K, N, K, nn_rows_matrix(number, K), one, N, c, N, false, NULL);
    for (nn_dim i = 0; i < K * N; i++) wrong[0] += c[i] != number[i / N * (K + 1)];
    for (nn_dim i = 0; i < K * K; i++) number[i] = i % (K + 1) == 0;
    for (nn_dim i = 0; i < K * N; i++) b[i] = (real)ldexp((double)(0xffffff - i * 0x1234 % 0x7fffff), (int)(i % 64) - 44) * (i % 2 ? 1 : -1);
    k->gemm(K, N, K, nn_rows_matrix(number, K), b, N, c, N, false, NULL);
    for (nn_dim i = 0; i < K * N; i++) wrong[1] += c[i] != b[i];
    t_check(wrong[0] == 0, "gemm/%s: numbers of A times one: %td of %d differ", k->name, wrong[0], K * N);
    t_check(wrong[1] == 0, "gemm/%s: one times numbers of B: %td of %d differ", k->name, wrong[1], K * N);
    real *const all[] = { one, number, b, c };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* NaN travels, whatever its bits: one in A spoils its row, one in B its column, and no other number. */
static void test_product_nan(const nn_kernels *k)
{
    enum { M = 5, N = 20, K = 40, AT = 33 };
    static const uint32_t bits[] = { 0x7fc00000u, 0xffffffffu, 0x7f800001u };
    real *a = randn(M * K, 1), *b = randn(K * N, 2), *c = t_guarded(M * N, true);
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
            for (int side = 0; side < 2; side++) {
                real *at = side ? b + AT * N + 3 : a + 2 * K + AT, *packed = t_guarded(k->product[p].packed(K, N), true);
                const real before = *at;
                memcpy(at, &bits[i], sizeof *at);
                k->product[p].pack(packed, b, N, K, N);
                k->product[p].multiply(M, N, K, nn_rows_matrix(a, K), packed, c, N, false, NULL);
                *at = before;
                nn_dim wrong = 0;
                for (nn_dim j = 0; j < M * N; j++) wrong += isnan(c[j]) != (side ? j % N == 3 : j / N == 2);
                t_check(wrong == 0, "product/%s: NaN %08x of %s: %td numbers are wrong", k->name, (unsigned)bits[i], side ? "B" : "A", wrong);
                t_guarded_free(packed);
            }
    real *const all[] = { a, b, c };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* Rows read straight from a blocked map, and bits that do not depend on m or n. */
static void test_gemm_rows(const nn_kernels *k)
{
    enum { C = 40, H = 5, W = 7, N = 37, P = H * W };
    real *planar = randn(C * P, 1), *map = t_guarded(nn_map_count(k->layout, C, H, W), true), *b = randn(C * N, 2);
    real *want = t_guarded(P * N, true), *got = t_guarded(P * N, true), *one = t_guarded(N, true);
    nn_map_from_planar(k->layout, map, planar, C, H, W);
    nn_kernels_ref.gemm(P, N, C, nn_rows_map(NN_PLANAR, planar, H, W, 0, 0), b, N, want, N, false, NULL);
    k->gemm(P, N, C, nn_rows_map(k->layout, map, H, W, 0, 0), b, N, got, N, false, NULL);
    t_close(got, want, P * N, sum_units(C), "gemm on a map/%s", k->name);
    k->gemm(1, 5, C, nn_rows_map(k->layout, map, H, W, 3, 4), b + 3, N, one, N, false, NULL);
    t_same(one, got + (3 * W + 4) * N + 3, 5 * sizeof *one, "gemm/%s: the bits do not depend on m or n", k->name);
    real *const all[] = { planar, map, b, want, got, one };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

static void test_maps(const nn_kernels *k)
{
    enum { C = 27, H = 5, W = 77, OUT = 4, FH = 4, FW = 5, P = H * W };
    const nn_conv_shape s = { C, OUT, H, W, 1, 1, 0, 0, NULL, 0 };
    real *planar = randn(C * P, 1), *map = t_guarded(nn_map_count(k->layout, C, H, W), true), *w = randn(OUT * C, 2), *style = randn(C, 3);
    real *bias = randn(OUT, 4), *want = randn(OUT * P, 5), *got = randn(OUT * P, 5), *filter = randn(FH * FW, 6);
    nn_map_from_planar(k->layout, map, planar, C, H, W);
    for (int add = 0; add < 2; add++) {
        nn_kernels_ref.to_rgb(&s, want, planar, w, style, bias, 2.0, add, 0, H);
        for (nn_dim y = 0; y < H; y += 2) k->to_rgb(&s, got, map, w, style, bias, 2.0, add, y, y + 2 < H ? y + 2 : H);
        t_close(got, want, OUT * P, sum_units(C), "to_rgb%s/%s", add ? " add" : "", k->name);
    }
    real *up = t_guarded(4 * P, true), *up_want = t_guarded(4 * P, true);
    for (nn_dim fh = 1; fh <= FH; fh++) {
        nn_kernels_ref.upsample2(up_want, planar, filter, H, W, fh, FW);
        k->upsample2(up, planar, filter, H, W, fh, FW);
        t_close(up, up_want, 4 * P, sum_units(fh * FW), "upsample2 %tdx%d/%s", fh, FW, k->name);
    }
    const real *const x[4] = { planar, planar + 61, planar + 122, planar + 300 };
    const real weight[4] = { (real)0.3, (real)-0.2, (real)1.7, (real)0.9 };
    for (int add = 0; add < 2; add++) {
        memcpy(got, bias, OUT * sizeof *got); memcpy(want, bias, OUT * sizeof *got);
        t_randn(got, 61, 9); t_randn(want, 61, 9);
        for (int terms = 1; terms <= 4; terms++) {
            nn_kernels_ref.mix(want, x, weight, terms, 61, add);
            k->mix(got, x, weight, terms, 61, add);
            t_close(got, want, 61, 6, "mix%s, %d terms/%s", add ? " add" : "", terms, k->name);
        }
        nn_kernels_ref.mix(want, x, weight, 4, 8 * 16 + 37, add);             /* eight vectors at once */
        k->mix(got, x, weight, 4, 8 * 16 + 37, add);
        t_close(got, want, 8 * 16 + 37, 6, "mix%s, long/%s", add ? " add" : "", k->name);
    }
    const int32_t at[2][2] = { { 0, 61 }, { 300, 7 } };
    const real by[2][2] = { { (real)0.3, (real)-0.2 }, { (real)1.7, (real)0.9 } };
    for (nn_dim n = 61; n <= 8 * 16 + 2; n += 8 * 16 + 2 - 61)                /* eight vectors at once; a few numbers alone */
        for (int terms = 0; terms <= 2; terms += 2) {
            nn_kernels_ref.mix_rows(want, 2, n, planar, at[0], by[0], terms);
            k->mix_rows(got, 2, n, planar, at[0], by[0], terms);
            t_close(got, want, 2 * n, 4, "mix_rows of %td, %d terms/%s", n, terms, k->name);
        }
    real *const all[] = { planar, map, w, style, bias, want, got, filter, up, up_want };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

static void test_dense(const nn_kernels *k)
{
    enum { IN = 77, OUT = 9 };
    real *x = randn(IN, 1), *w = randn(IN * OUT, 2), *b = randn(OUT, 3), *want = t_guarded(OUT, true), *got = t_guarded(OUT, true);
    nn_kernels_ref.dense(want, x, w, b, IN, 0, OUT, 0.01, 0.5, 0.2, 1.4);
    k->dense(got, x, w, b, IN, 0, 4, 0.01, 0.5, 0.2, 1.4);
    k->dense(got, x, w, b, IN, 4, OUT, 0.01, 0.5, 0.2, 1.4);
    t_close(got, want, OUT, sum_units(IN), "dense/%s", k->name);
    real *const all[] = { x, w, b, want, got };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

static void test_train(const nn_kernels *k)
{
    enum { B = 131, C = 45, N = B * C };                      /* columns: four vectors together, one, a part of one (AVX2) */
    real *x = randn(N, 1), *dy = randn(N, 2), *gamma = randn(C, 3), *beta = randn(C, 4), *want = t_guarded(N, true), *got = t_guarded(N, true);
    real *stat[12];
    for (int i = 0; i < 12; i++) { stat[i] = t_guarded(C, true); for (int c = 0; c < C; c++) stat[i][c] = (real)(1 + c % 3); }
    for (int i = 0; i < N; i++) x[i] += (real)(i % C) / 20;                /* means up to 1.8 sd: after a ReLU they are about that */

    nn_kernels_ref.relu_bwd(want, dy, x, N);
    k->relu_bwd(got, dy, x, N);
    t_close(got, want, N, 0, "relu_bwd/%s", k->name);

    nn_kernels_ref.batchnorm_fwd(want, stat[0], stat[1], stat[2], stat[3], x, gamma, beta, B, C);
    k->batchnorm_fwd(got, stat[4], stat[5], stat[6], stat[7], x, gamma, beta, B, C);
    t_close(got, want, N, 16, "batchnorm_fwd/%s", k->name);
    for (int i = 0; i < 4; i++) t_close(stat[4 + i], stat[i], C, sum_units(B), "batchnorm_fwd statistic %d/%s", i, k->name);
    nn_kernels_ref.batchnorm_bwd(want, stat[8], stat[9], dy, x, stat[0], stat[1], gamma, B, C);
    k->batchnorm_bwd(got, stat[10], stat[11], dy, x, stat[0], stat[1], gamma, B, C);
    t_close(got, want, N, sum_units(B), "batchnorm_bwd dx/%s", k->name);
    t_close(stat[10], stat[8], C, sum_units(B), "batchnorm_bwd dgamma/%s", k->name);
    t_close(stat[11], stat[9], C, sum_units(B), "batchnorm_bwd dbeta/%s", k->name);

    uint8_t label[B];
    for (int i = 0; i < B; i++) label[i] = (uint8_t)(i % 7 == 3 ? NN_VOID : i % C);
    x[5] = 120; x[40] = -120;                                               /* underflow of the others, and of one */
    const double l0 = nn_kernels_ref.softmax_ce(want, x, label, B, C), l1 = k->softmax_ce(got, x, label, B, C);
    t_close(got, want, N, 16, "softmax_ce gradient/%s", k->name);
    t_limit(fabs(l1 - l0) / l0, 1e-6, "softmax_ce loss/%s", k->name);
    x[60] = NAN;
    t_check(isnan(k->softmax_ce(got, x, label, B, C)) && isnan((double)got[60]), "softmax_ce/%s: NaN travels", k->name);

    nn_adam o = { 1e-2, 0.9, 0.999, 1e-8, 0.1, 0 };
    real *p[6];
    for (int i = 0; i < 6; i++) { p[i] = t_guarded(C, true); t_randn(p[i], C, 20 + (uint64_t)(i % 3)); }
    for (int i = 0; i < 6; i++) if (i % 3) memset(p[i], 0, C * sizeof(real));
    for (o.step = 1; o.step <= 10; o.step++) {
        nn_kernels_ref.adam(p[0], p[1], p[2], dy + o.step * C, C, &o);
        t_check(k->adam(p[3], p[4], p[5], dy + o.step * C, C, &o), "adam/%s: finite gradients", k->name);
    }
    for (int i = 0; i < 3; i++) t_close(p[3 + i], p[i], C, 30, "adam 10 steps, %s/%s", i ? i > 1 ? "v" : "m" : "param", k->name);
    static const real odd[] = { NAN, INFINITY, -INFINITY, (real)1e30 };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (nn_dim at = 0; at < C; at += C / 2) {
            const real held = dy[at];
            dy[at] = odd[i];
            t_check(!nn_kernels_ref.adam(p[0], p[1], p[2], dy, C, &o) && !k->adam(p[3], p[4], p[5], dy, C, &o), "adam/%s: a gradient of %g is told", k->name, (double)odd[i]);
            dy[at] = held;
        }
    for (int i = 0; i < 6; i++) t_guarded_free(p[i]);
    for (int i = 0; i < 12; i++) t_guarded_free(stat[i]);
    real *const all[] = { x, dy, gamma, beta, want, got };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* Opinions of two members on 61 pixels: a tie, an absent class (stack.c), a sure pixel, NaN. */
static void test_vote(const nn_kernels *k, nn_dim K, bool of_logits)
{
    enum { N = 61, LD = 48, PLANE = N + 3, MOST = 34 };
    static uint16_t votes[2][N * MOST];
    double spread[2][N] = { 0 }, total[2][N];
    real *logit = randn(N * LD, 1), *b = randn(MOST, 2), *sum[2], *entropy[2];
    memset(votes, 0, sizeof votes);
    for (int i = 0; i < 2; i++) {
        sum[i] = t_guarded(MOST * PLANE, true);
        memset(sum[i], 0, MOST * PLANE * sizeof(real));
        entropy[i] = t_guarded(N, true);
        for (int p = 0; p < N; p++) total[i][p] = 1;
    }
    for (nn_dim c = 0; c < K; c++) b[c] = c % 2 ? b[c] : 0;
    for (nn_dim c = 0; c < K; c++) logit[5 * LD + c] = 3;
    if (K > 2) logit[5 * LD] = logit[5 * LD + 2] = 9;                      /* b is 0 there: a tie */
    if (K > 3) b[3] = (real)-1e4;
    logit[7 * LD + K - 1] = 80;
    for (int member = 0; member < 2; member++) {
        const nn_kernels *const by[2] = { &nn_kernels_ref, k };
        for (int i = 0; i < 2; i++) by[i]->vote(sum[i], PLANE, spread[i], total[i], votes[i], logit, LD, b, N, K, of_logits);
        for (nn_dim j = 0; j < N * LD; j++) logit[j] = j / LD == 5 || j / LD == 7 ? logit[j] : -logit[j];
    }
    for (int i = 0; i < 2; i++) for (int p = 0; p < N; p++) entropy[i][p] = (real)(spread[i][p] + log(total[i][p]));
    t_close(sum[1], sum[0], K * PLANE, 16, "vote/%s: sums, %td classes%s", k->name, K, of_logits ? ", logits" : "");
    t_close(entropy[1], entropy[0], N, 16, "vote/%s: entropy, %td classes", k->name, K);
    t_same(votes[1], votes[0], sizeof votes[0], "vote/%s: votes, %td classes", k->name, K);
    t_check(votes[1][5 * K] == 2, "vote/%s: a tie goes to the lowest", k->name);
    logit[9 * LD] = NAN;
    k->vote(sum[1], PLANE, spread[1], total[1], votes[1], logit, LD, b, N, K, of_logits);
    t_check(isnan((double)sum[1][9]) && isnan(spread[1][9] + log(total[1][9])) && !isnan((double)sum[1][8]), "vote/%s: NaN travels, in its pixel", k->name);
    real *const all[] = { logit, b, sum[0], sum[1], entropy[0], entropy[1] };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t_guarded_free(all[i]);
}

/* By hand: what is already a bf16, below and at half way, carries, the largest, and what is no number. */
static void test_bf16(void)
{
    static const float in[] = { 1, -1, 0, 0x1.00ffp0f, 0x1.01p0f, -0x1.01p0f, 0x1.02fep0f, 0x1.ffp0f, 0x1.fep127f, FLT_MAX, 0x1p-149f },
                       want[] = { 1, -1, 0, 1, 0x1.02p0f, -0x1.02p0f, 0x1.02p0f, 2, 0x1.fep127f, INFINITY, 0 };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) t_check(nn_bf16_round(in[i]) == want[i], "%a as bf16: %a, not %a", in[i], want[i], nn_bf16_round(in[i]));
    t_check(isnan(nn_bf16_round(NAN)) && nn_bf16_round(-INFINITY) == -INFINITY, "NaN and infinity stay");
    static const uint32_t full = 0xffffffffu;
    float odd;
    memcpy(&odd, &full, sizeof odd);
    t_check(isnan(nn_bf16_round(odd)), "a NaN of all bits stays one");
}

int main(void)
{
    test_bf16();
    static const conv_case conv[] = {
        { 16, 16, 4, 4, 3, 1, 0, 0, true, true, true, true, 256.0 },
        { 20, 33, 5, 9, 3, 1, 0, 0, true, true, true, true, 2.0 },
        { 48, 64, 8, 8, 3, 1, 0, 0, true, true, false, true, INFINITY },
        { 3, 7, 17, 31, 3, 1, 0, 0, true, false, true, false, INFINITY },
        { 37, 18, 33, 15, 1, 1, 0, 0, true, true, true, true, 1.0 },
        { 16, 16, 1, 1, 3, 1, 0, 0, true, true, true, true, INFINITY },
        { 16, 32, 4, 4, 3, 2, 4, 4, true, true, true, true, 3.0 },
        { 21, 48, 9, 5, 3, 2, 4, 4, true, true, true, true, INFINITY },
        { 31, 17, 64, 40, 3, 2, 4, 4, true, true, true, true, INFINITY },
        { 80, 15, 13, 9, 3, 2, 4, 4, true, true, true, true, INFINITY },
        { 20, 12, 6, 7, 3, 2, 4, 4, false, true, true, true, 60.0 },
        { 20, 12, 6, 7, 3, 2, 3, 5, false, true, true, true, INFINITY },
        { 20, 12, 33, 7, 3, 2, 12, 6, true, true, true, true, INFINITY },
        { 20, 12, 6, 7, 3, 2, 1, 1, true, true, true, true, INFINITY },
        { 20, 12, 6, 7, 3, 2, 2, 16, false, true, true, true, INFINITY },
        { 20, 12, 6, 7, 1, 2, 4, 4, true, false, false, false, INFINITY },
        { 16, 16, 1, 1, 3, 2, 4, 4, true, true, true, true, INFINITY },
        { 128, 160, 8, 8, 3, 1, 0, 0, true, true, true, true, INFINITY },       /* from here on large enough for Winograd: one group, four parts of the panels, */
        { 33, 32, 9, 31, 3, 1, 0, 0, true, true, true, true, 60.0 },            /* as many as there are panels, */
        { 40, 97, 20, 35, 3, 1, 0, 0, true, false, true, true, INFINITY },      /* two groups, two parts */
        { 32, 32, 32, 32, 3, 1, 0, 0, true, true, true, true, INFINITY },
        { 40, 50, 35, 49, 3, 1, 0, 0, true, true, true, true, 60.0 },
        { 64, 33, 32, 66, 3, 1, 0, 0, true, false, false, false, INFINITY },
        { 32, 32, 66, 67, 3, 1, 0, 0, true, true, true, true, INFINITY },       /* groups of 36 tiles, */
        { 80, 17, 66, 67, 3, 1, 0, 0, true, true, true, true, INFINITY },       /* of 60 tiles */
        { 16, 16, 37, 42, 3, 1, 0, 0, true, true, true, true, INFINITY },       /* the fewest channels */
        { 17, 18, 9, 14, 3, 1, 0, 0, true, true, true, true, 60.0 },
        { 128, 160, 8, 8, 3, 2, 4, 4, true, true, true, true, INFINITY },       /* and of up-convolutions: one band, four parts of the panels, one empty */
        { 67, 70, 17, 30, 3, 2, 4, 4, true, true, true, true, 60.0 },           /* nothing a multiple of 3 or 16, two bands, two parts */
        { 32, 16, 21, 22, 3, 2, 4, 4, true, true, true, true, INFINITY },       /* the fewest channels */
        { 64, 33, 33, 34, 3, 2, 4, 4, true, true, true, true, INFINITY },       /* four bands, */
        { 32, 17, 40, 31, 3, 2, 16, 5, false, true, true, true, INFINITY },     /* whose seams lie below one another with the tallest filter, */
        { 32, 16, 41, 22, 3, 2, 1, 2, true, true, true, true, INFINITY },       /* and are nothing with the lowest */
        { 64, 81, 18, 16, 3, 2, 4, 4, false, false, false, false, INFINITY },
        { 66, 64, 16, 19, 3, 2, 2, 2, true, true, true, true, INFINITY },       /* StyleGAN1's box */
        { 64, 65, 8, 17, 3, 2, 1, 6, false, true, true, true, INFINITY },
        { 64, 65, 20, 8, 3, 2, 5, 1, false, true, true, true, INFINITY },       /* one column: the last of t is not read.  Of the last tile */
        { 64, 32, 9, 9, 3, 2, 4, 1, false, true, true, true, INFINITY },        /* are here 4 columns and 5 rows, then 0 and 1, */
        { 64, 32, 10, 10, 3, 2, 1, 1, true, true, true, true, INFINITY },       /* then 2 and 3 */
        { 512, 32, 26, 26, 3, 2, 4, 4, true, true, true, true, INFINITY },
        { 32, 17, 26, 290, 3, 2, 4, 4, true, true, true, true, INFINITY },      /* steps of pieces of a row, two and three bands, */
        { 32, 16, 20, 290, 3, 2, 12, 7, false, true, true, true, 60.0 },        /* with a large filter */
    };
    for (size_t i = 0; i < sizeof conv / sizeof *conv; i++) test_conv(&conv[i]);
    static const nn_dim mnk[][3] = { { 1, 1, 1 }, { 14, 32, 64 }, { 15, 33, 300 }, { 100, 128, 70 }, { 130, 4, 32 }, { 7, 16, 513 }, { 29, 47, 16 }, { 205, 131, 20 }, { 3, 2, 0 },
        { 600, 33, 37 }, { 530, 16, 300 } };            /* transposed: steps far apart, several blocks of rows */
    for (size_t i = 0; i < sizeof mnk / sizeof *mnk; i++)
        for (int how = 0; how < 8; how++)
            if (mnk[i][2] > 0 || how & 2) {
                test_gemm(mnk[i][0], mnk[i][1], mnk[i][2], how & 1, how & 2, how & 4);
                test_product(mnk[i][0], mnk[i][1], mnk[i][2], how & 1, how & 2, how & 4);
            }
    for (int i = 0; i < nn_kernels_count(); i++) {
        const nn_kernels *k = nn_kernels_at(i);
        if (!k->usable()) { t_skip("%s: not on this CPU", k->name); continue; }
        /* The cut's last column sees zeros where the whole sees pixels: so does, of 16 channels, the last tile of 4x4 outputs. */
        test_conv_bits_do_not_depend_on_tiles(k, 12, 22);
        test_conv_bits_do_not_depend_on_tiles(k, 16, 20);
        test_gemm_rows(k);
        test_gemm_bits(k);
        test_product_nan(k);
        test_maps(k);
        test_dense(k);
        test_train(k);
        static const nn_dim classes[] = { 1, 2, 4, 34 };
        for (int v = 0; v < 8; v++) test_vote(k, classes[v / 2], v % 2);
    }
    nn_err err = { 0 };
    t_check(nn_kernels_pick("nonsense", &err) == NULL && strstr(err.msg, "ref"), "an unknown row is refused, the usable ones named");
    t_check(nn_kernels_pick("auto", NULL) == nn_kernels_at(nn_kernels_count() - 1) || !nn_kernels_at(nn_kernels_count() - 1)->usable(),
            "auto takes the last usable row");
    return t_done();
}
