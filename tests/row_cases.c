/* row_cases.c: the row `ref` of the kernel table and the layers over it, against the same goldens as the definitions.
 * The other rows are tested against this one (test_kernels).  Compiled in float and in double, as ops_cases.c. */
#include <math.h>
#include <string.h>

#include "nn/kernels.h"
#include "tests/golden.h"

void row_cases(const char *ops_file, const char *stylegan_file);

#define IN (sizeof(real) == 4 ? "float" : "double")

static const nn_kernels *const ref = &nn_kernels_ref;

/* As in ops_cases.c. */
static double limit(double stores, nn_dim longest_sum) { return sizeof(real) == 4 ? stores : 2.0 + 2.0 * sqrt((double)longest_sum); }

/* ---- generator ------------------------------------------------------------------------------------------------------ */

/* [ADA] SynthesisLayer: modulation, convolution, FIR, demodulation, noise, bias, leaky ReLU, clamp; two pictures at once. */
static void layer(int i, nn_conv_shape s, bool demodulate, double strength)
{
    enum { PICTURES = 2, THREADS = 2 };
    const nn_dim in = s.cin * s.h * s.w, hw = s.h * s.w * s.up * s.up, out = s.cout * hw, taps = s.cin * s.ks * s.ks;
    const real *x = golden(PICTURES * in, "layer%d.x", i), *w = golden(s.cout * taps, "layer%d.w", i);
    const real *style = golden(PICTURES * s.cin, "layer%d.style", i);
    if (s.fh) s.filter = golden(s.fh * s.fw, "layer%d.f", i);

    real *q = golden_room(s.cout * s.cin, NULL), *d = golden_room(PICTURES * s.cout, NULL), *y = golden_room(PICTURES * out, NULL);
    nn_square_sum_ref(q, w, s.cin, s.cout, s.ks);
    for (int n = 0; n < PICTURES; n++) nn_demod_ref(d + n * s.cout, style + n * s.cin, q, s.cin, s.cout);

    real *packed = golden_room(ref->conv_packed(&s), NULL), *scratch = golden_room(nn_conv_scratch(ref, &s, THREADS), NULL);
    ref->conv_pack(&s, w, packed);
    nn_conv_job job[PICTURES];
    for (int n = 0; n < PICTURES; n++)
        job[n] = (nn_conv_job){ x + n * in, y + n * out, style + n * s.cin, demodulate ? d + n * s.cout : NULL,
                                strength != 0.0 ? golden(hw, "layer%d.noise", i) : NULL, golden(s.cout, "layer%d.b", i),
                                strength, 0.2, sqrt(2.0), (double)*golden(1, "layer%d.clamp", i) };
    nn_conv_run(ref, &(nn_conv){ s, packed }, job, PICTURES, scratch, THREADS);
    /* Stored on the way: x*style, the convolution, for up 2 the map before the filter, q, demod, y; the first in every term. */
    t_close(y, golden(PICTURES * out, "layer%d.y", i), PICTURES * out, limit(s.up == 2 ? 8 : 6, taps + s.fh * s.fw), "%s row: layer %d", IN, i);
    real *const all[] = { q, d, y, packed, scratch };
    for (int p = 0; p < 5; p++) t_guarded_free(all[p]);
}

static void layers(void)
{
    layer(0, (nn_conv_shape){ 5, 6, 7, 5, 3, 1, 0, 0, NULL, 0 }, true, 0.25);
    layer(1, (nn_conv_shape){ 6, 5, 5, 3, 3, 2, 4, 4, NULL, 0 }, true, 0.5);
    layer(2, (nn_conv_shape){ 3, 17, 3, 4, 3, 2, 5, 3, NULL, 0 }, true, 0.0);
    layer(3, (nn_conv_shape){ 18, 4, 3, 5, 1, 1, 0, 0, NULL, 0 }, true, 0.125);
    layer(4, (nn_conv_shape){ 4, 3, 4, 4, 3, 1, 0, 0, NULL, 0 }, false, 0.25);
}

static void upsample2(void)
{
    enum { PLANES = 3, H = 5, W = 7, N = PLANES * 4 * H * W };
    static const nn_dim size[][2] = { { 4, 4 }, { 5, 3 }, { 2, 6 } };
    for (int i = 0; i < 3; i++) {
        const nn_dim fh = size[i][0], fw = size[i][1];
        real *y = golden_room(N, NULL);
        nn_upsample2_run(ref, y, golden(PLANES * H * W, "upsample%d.x", i), golden(fh * fw, "upsample%d.f", i),
                         PLANES, H, W, fh, fw);
        t_close(y, golden(N, "upsample%d.y", i), N, limit(1, fh * fw), "%s row: upsample2 %d", IN, i);
        t_guarded_free(y);
    }
}

static void to_rgb(void)
{
    enum { CIN = 19, COUT = 3, H = 5, W = 7, N = COUT * H * W };
    const nn_conv_shape s = { CIN, COUT, H, W, 1, 1, 0, 0, NULL, 0 };
    const real *x = golden(CIN * H * W, "rgb.x"), *w = golden(COUT * CIN, "rgb.w"), *style = golden(CIN, "rgb.style"), *b = golden(COUT, "rgb.b");
    const double clamp = (double)*golden(1, "rgb.clamp");
    real *y = golden_room(N, NULL);
    nn_to_rgb_run(ref, &s, y, x, w, style, b, clamp, false);
    t_close(y, golden(N, "rgb.y"), N, limit(1, CIN), "%s row: to_rgb", IN);
    memcpy(y, golden(N, "rgb.below"), N * sizeof *y);
    nn_to_rgb_run(ref, &s, y, x, w, style, b, clamp, true);
    t_close(y, golden(N, "rgb.y_added"), N, limit(1, CIN), "%s row: to_rgb added to the picture below", IN);
    t_guarded_free(y);
}

static void dense(void)
{
    enum { ROWS = 3, INPUTS = 19, OUTPUTS = 23, N = ROWS * OUTPUTS };
    real *y = golden_room(N, NULL);
    nn_dense_run(ref, y, golden(ROWS * INPUTS, "mapping.x"), golden(OUTPUTS * INPUTS, "mapping.w"), golden(OUTPUTS, "mapping.b"),
                 ROWS, INPUTS, OUTPUTS, 0.01 / sqrt(INPUTS), 0.01, 0.2, sqrt(2.0));
    t_close(y, golden(N, "mapping.y"), N, limit(1, INPUTS), "%s row: dense", IN);
    t_guarded_free(y);
}

/* ---- layouts and products ------------------------------------------------------------------------------------------- */

static void transpose(real *out, const real *in, nn_dim rows, nn_dim cols)
{
    for (nn_dim i = 0; i < rows; i++)
        for (nn_dim j = 0; j < cols; j++) out[j * rows + i] = in[i * cols + j];
}

/* The backward pass of a linear layer as products: dx += dy w (matrix rows) and dw += dy^T x (transposed rows). */
static void gemm_linear(void)
{
    enum { B = 9, D = 11, O = 7 };
    const real *x = golden(B * D, "linear.x"), *w = golden(O * D, "linear.w"), *dy = golden(B * O, "linear.dy");
    real *dx = golden_room(B * D, golden(B * D, "linear.dx0")), *dw = golden_room(O * D, golden(O * D, "linear.dw0"));
    real *y = golden_room(B * O, NULL), *wt = golden_room(D * O, NULL);
    transpose(wt, w, O, D);
    ref->gemm(B, O, D, nn_rows_matrix(x, D), wt, O, y, O, false, NULL);
    t_close(y, golden(B * O, "linear.y_nobias"), B * O, limit(1, D), "%s row: gemm", IN);
    ref->gemm(B, D, O, nn_rows_matrix(dy, O), w, D, dx, D, true, NULL);
    t_close(dx, golden(B * D, "linear.dx"), B * D, limit(1, O), "%s row: gemm, added", IN);
    ref->gemm(O, D, B, nn_rows_transposed(dy, O), x, D, dw, D, true, NULL);
    t_close(dw, golden(O * D, "linear.dw"), O * D, limit(1, B), "%s row: gemm with transposed rows, added", IN);
    real *want = golden_room(B * O, NULL);
    nn_relu_fwd_ref(want, golden(B * O, "linear.y"), B * O);
    ref->gemm(B, O, D, nn_rows_matrix(x, D), wt, O, y, O, false, golden(O, "linear.b"));
    t_close(y, want, B * O, limit(1, D + 1), "%s row: gemm, bias and ReLU", IN);
    real *const all[] = { y, dx, dw, wt, want };
    for (int p = 0; p < 5; p++) t_guarded_free(all[p]);
}

/* A 1x1 convolution as a product over a map's pixels, in both layouts; 19 channels: one block and a part. */
static void gemm_map(void)
{
    enum { CIN = 19, COUT = 4, H = 5, W = 3, PADDED = 32, Y = 1, X = 2, FROM = Y * W + X, M = H * W - FROM };
    const real *x = golden(CIN * H * W, "conv1.x"), *want = golden(COUT * H * W, "conv1.y");
    real *wt = golden_room(CIN * COUT, NULL), *got = golden_room(M * COUT, NULL), *turned = golden_room(COUT * M, NULL);
    real *blocked = golden_room(PADDED * H * W, NULL), *back = golden_room(CIN * H * W, NULL), part[COUT * M];
    transpose(wt, golden(COUT * CIN, "conv1.w"), COUT, CIN);
    for (int o = 0; o < COUT; o++) memcpy(part + o * M, want + o * H * W + FROM, M * sizeof *part);

    t_check(nn_map_count(NN_BLOCKED, CIN, H, W) == PADDED * H * W && nn_map_count(NN_PLANAR, CIN, H, W) == CIN * H * W,
            "%s layouts: a blocked map has room for 32 channels", IN);
    nn_map_from_planar(NN_BLOCKED, blocked, x, CIN, H, W);
    bool right = true;
    for (nn_dim c = 0; c < PADDED; c++)
        for (nn_dim p = 0; p < H * W; p++)
            right = right && blocked[nn_map_at(NN_BLOCKED, H, W, c, p / W, p % W)] == (c < CIN ? x[c * H * W + p] : 0);
    t_check(right, "%s layouts: sixteen channels side by side, the channels beyond the last zero", IN);
    nn_map_to_planar(NN_BLOCKED, back, blocked, CIN, H, W);
    t_same(back, x, CIN * H * W * sizeof *x, "%s layouts: blocked and back", IN);

    for (int b = 0; b < 2; b++) {
        const nn_rows rows = nn_rows_map(b ? NN_BLOCKED : NN_PLANAR, b ? blocked : x, H, W, Y, X);
        ref->gemm(M, COUT, CIN, rows, wt, COUT, got, COUT, false, NULL);
        transpose(turned, got, M, COUT);
        t_close(turned, part, COUT * M, limit(1, CIN), "%s row: gemm over the pixels of a %s map", IN, b ? "blocked" : "planar");
    }
    real *const all[] = { wt, got, turned, blocked, back };
    for (int p = 0; p < 5; p++) t_guarded_free(all[p]);
}

static void mix(void)
{
    enum { N = 13 };
    const real *x = golden(4 * N, "mix.x"), *w = golden(4, "mix.w"), *const four[4] = { x, x + N, x + 2 * N, x + 3 * N };
    const real weight[4] = { w[0], w[1], w[2], w[3] };
    real *y = golden_room(N, NULL);
    ref->mix(y, four, weight, 4, N, false);
    t_close(y, golden(N, "mix.y"), N, limit(1, 4), "%s row: mix", IN);
    memcpy(y, golden(N, "mix.y0"), N * sizeof *y);
    ref->mix(y, four, weight, 4, N, true);
    t_close(y, golden(N, "mix.added"), N, limit(1, 5), "%s row: mix, added", IN);
    /* The same as rows: all four terms; two of them; the other two. */
    const int32_t at[3][4] = { { 0, N, 2 * N, 3 * N }, { N, 3 * N, 0, 0 }, { 2 * N, 0, N, N } };
    const real by[3][4] = { { w[0], w[1], w[2], w[3] }, { w[1], w[3], 0, 0 }, { w[2], w[0], 0, 0 } };
    real *rows = golden_room(3 * N, NULL);
    ref->mix_rows(rows, 3, N, x, at[0], by[0], 4);
    t_close(rows, golden(N, "mix.y"), N, limit(1, 4), "%s row: mix_rows", IN);
    for (int i = 0; i < N; i++) y[i] = rows[N + i] + rows[2 * N + i];
    t_close(y, golden(N, "mix.y"), N, limit(1, 6), "%s row: mix_rows, in two halves", IN);
    t_guarded_free(rows);
    t_guarded_free(y);
}

/* ---- training -------------------------------------------------------------------------------------------------------- */

/* The row differs from the definitions in two ways: bias and ReLU are one, and dx is written where ops.h adds. */
static void training(void)
{
    enum { B = 9, O = 7, N = 13, C = 7 };
    real *y = golden_room(B * O, NULL), *want = golden_room(B * O, NULL), *dx = golden_room(N * C, NULL), *plain = golden_room(N * C, NULL);
    nn_relu_fwd_ref(want, golden(B * O, "linear.y"), B * O);
    memcpy(y, golden(B * O, "linear.y_nobias"), B * O * sizeof *y);
    y[3] = (real)NAN;
    ref->gemm(B, O, 0, nn_rows_matrix(y, O), y, O, y, O, true, golden(O, "linear.b"));
    t_check(isnan((double)y[3]), "%s row: bias and ReLU of an empty product: NaN travels", IN);
    y[3] = want[3];
    t_close(y, want, B * O, limit(2, 2), "%s row: bias and ReLU", IN);

    const real *x = golden(35, "relu.x"), *dy = golden(35, "relu.dy");
    nn_relu_fwd_ref(y, x, 35);
    memset(want, 0, 35 * sizeof *want);
    nn_relu_bwd_ref(want, dy, x, 35);
    ref->relu_bwd(dx, dy, y, 35);
    t_same(dx, want, 35 * sizeof *dx, "%s row: ReLU backward from its output, written", IN);

    real mean[C], rstd[C], zero[C] = { 0 }, dgamma[C] = { 0 }, dbeta[C] = { 0 };
    const real *gamma = golden(C, "bn.gamma"), *bn_x = golden(N * C, "bn1.x"), *bn_dy = golden(N * C, "bn1.dy");
    ref->batchnorm_fwd(plain, mean, rstd, NULL, NULL, bn_x, gamma, zero, N, C);
    ref->batchnorm_bwd(dx, dgamma, dbeta, bn_dy, bn_x, mean, rstd, gamma, N, C);
    memset(plain, 0, N * C * sizeof *plain);
    nn_batchnorm_bwd_ref(plain, NULL, NULL, bn_dy, bn_x, mean, rstd, gamma, N, C);
    t_same(dx, plain, N * C * sizeof *dx, "%s row: batch norm backward writes dx", IN);
    real *const all[] = { y, want, dx, plain };
    for (int p = 0; p < 4; p++) t_guarded_free(all[p]);
}

void row_cases(const char *ops_file, const char *stylegan_file)
{
    golden_open(ops_file);
    gemm_linear();
    gemm_map();
    mix();
    training();
    golden_close();
    golden_open(stylegan_file);
    layers();
    upsample2();
    to_rgb();
    dense();
    golden_close();
}
