/* fast_maps.h: the small operations around the convolutions: ToRGB, the skip image, dense layers, weighted sums. */

/* A vector of p[0..n) with zeros behind the end. */
static inline vf load_part(const float *p, nn_dim n)
{
    if (n >= VW) return vf_load(p);
    float part[VW] = { 0 };
    for (nn_dim i = 0; i < n; i++) part[i] = p[i];
    return vf_load(part);
}

enum { RGB_PIXELS = 4, RGB_OUT = 4, RGB_STRIP = 64, RGB_WIDE = RGB_STRIP + RGB_PIXELS };      /* the last pixel of a strip writes behind it */

/* Channels i to i + VW of n pixels; part: fewer, the last. */
INLINE void rgb_channels(vf sum[RGB_OUT][RGB_PIXELS], const nn_conv_shape *s, const float *x, const float *w, const float *style, nn_dim p0, nn_dim i,
                         int n, int outs, bool part)
{
    const vf m = part ? load_part(style + i, s->cin - i) : vf_load(style + i);
    const float *at = x + (i / NN_CB * s->h * s->w + p0) * NN_CB + i % NN_CB;
    UNROLL for (int c = 0; c < outs; c++) {
        const float *row = w + c * s->cin + i;
        const vf k = vf_mul(part ? load_part(row, s->cin - i) : vf_load(row), m);
        UNROLL for (int p = 0; p < n; p++) sum[c][p] = vf_fma(vf_load(at + p * NN_CB), k, sum[c][p]);
    }
}

/* v[c] = the sums of n pixels from p0 on, which run over the channels in lanes and are added across at the end.  n and outs are constants where it
 * is called; all RGB_PIXELS numbers of v[c] are written. */
INLINE void rgb_pixels(const nn_conv_shape *s, const float *x, const float *w, const float *style, nn_dim p0, int n, int outs, float v[RGB_OUT][RGB_WIDE], nn_dim at_v)
{
    vf sum[RGB_OUT][RGB_PIXELS];
    UNROLL for (int c = 0; c < RGB_OUT; c++) UNROLL for (int p = 0; p < RGB_PIXELS; p++) sum[c][p] = vf_set1(0.0f);
    nn_dim i = 0;
    for (; i + VW <= s->cin; i += VW) rgb_channels(sum, s, x, w, style, p0, i, n, outs, false);
    if (i < s->cin) rgb_channels(sum, s, x, w, style, p0, i, n, outs, true);
    UNROLL for (int c = 0; c < outs; c++) vf_sum4(v[c] + at_v, sum[c][0], sum[c][1], sum[c][2], sum[c][3]);
}

/* Bias, clamp, and the image below. */
static void rgb_finish(float *img, const float *v, nn_dim n, float bias, float limit, bool add)
{
    nn_dim i = 0;
    for (; i + VW <= n; i += VW) {
        const vf a = vf_min(vf_set1(limit), vf_max(vf_set1(-limit), vf_add(vf_load(v + i), vf_set1(bias))));
        vf_store(img + i, add ? vf_add(a, vf_load(img + i)) : a);
    }
    for (; i < n; i++) {
        float a = v[i] + bias;
        a = a > limit ? limit : a < -limit ? -limit : a;
        img[i] = add ? a + img[i] : a;
    }
}

static void to_rgb(const nn_conv_shape *s, float *img, const float *x, const float *w, const float *style, const float *b,
                   double clamp, bool add, nn_dim y0, nn_dim y1)
{
    const nn_dim end = y1 * s->w;
    for (nn_dim p = y0 * s->w; p < end; p += RGB_STRIP) {
        const nn_dim n = nn_at_most(RGB_STRIP, end - p);
        float v[RGB_OUT][RGB_WIDE];
        nn_dim i = 0;
        #define CASE(outs) case outs: \
            for (; i + RGB_PIXELS <= n; i += RGB_PIXELS) rgb_pixels(s, x, w, style, p + i, RGB_PIXELS, outs, v, i); \
            for (; i < n; i++) rgb_pixels(s, x, w, style, p + i, 1, outs, v, i); \
            break;
        switch (s->cout) { CASE(1) CASE(2) CASE(3) CASE(4) default: NN_ASSERT(false); }
        #undef CASE
        for (nn_dim c = 0; c < s->cout; c++) rgb_finish(img + c * s->h * s->w + p, v[c], n, b[c], (float)clamp, add);
    }
}

/* to = n numbers of a row of w from column x0 on, which may begin before it; zeros outside.  Whole vectors are written. */
static void padded_row(float *to, const float *row, nn_dim w, nn_dim x0, nn_dim n)
{
    for (nn_dim i = 0; i < n; i += VW) vf_store(to + i, vf_set1(0.0f));
    const nn_dim end = nn_at_most(n, w - x0);
    nn_dim i = x0 < 0 ? -x0 : 0;
    for (; i + VW <= end; i += VW) vf_store(to + i, vf_load(row + x0 + i));
    for (; i < end; i++) to[i] = row[x0 + i];
}

/* By phase: output (2y+r, 2x+c) meets only the filter entries of one parity per axis.  A row of one phase is a sum of input rows, each shifted and times
 * a number, so vectors run over x; both phases go out interleaved. */
static void upsample2(float *y, const float *x, const float *f, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw)
{
    enum { PART = 64, EDGE = 8, ROWS = FIR_MAX / 2 };     /* a phase has at most 8 rows and reads at most 8 columns outside */
    const nn_dim pad_y = (fh + 1) / 2, pad_x = (fw + 1) / 2;
    for (nn_dim oy = 0; oy < 2 * h; oy++, y += 2 * w)
        for (nn_dim x0 = 0; x0 < w; x0 += PART) {
            const nn_dim n = nn_at_most(PART, w - x0);
            float in[ROWS][EDGE + PART + VW + EDGE + VW];
            const float *k[ROWS];                         /* the filter's row, flipped: from its end down */
            nn_dim rows = 0;
            /* Zero-inserted row r = oy + a - pad_y is input row r/2 when r is even; column likewise. */
            for (nn_dim a = (oy + pad_y) & 1; a < fh; a += 2) {
                const nn_dim iy = (oy + a - pad_y) / 2;
                if (oy + a < pad_y || iy >= h) continue;
                k[rows] = f + (fh - a) * fw - 1;
                padded_row(in[rows++], x + iy * w, w, x0 - EDGE, n + VW + 2 * EDGE);
            }
            for (nn_dim i = 0; i < n; i += VW) {
                vf phase[2];
                UNROLL for (nn_dim c = 0; c < 2; c++) {
                    const nn_dim b0 = (c + pad_x) & 1;
                    vf sum = vf_set1(0.0f);
                    for (nn_dim r = 0; r < rows; r++) {
                        const float *at = in[r] + EDGE + i + (c + b0 - pad_x) / 2;
                        for (nn_dim b = b0; b < fw; b += 2, at++) sum = vf_fma(vf_set1(4.0f * k[r][-b]), vf_load(at), sum);
                    }
                    phase[c] = sum;
                }
                float *out = y + 2 * (x0 + i), both[2 * VW];
                vf_store_zip(i + VW <= n ? out : both, phase[0], phase[1]);
                for (nn_dim p = 0; i + VW > n && p < 2 * (n - i); p++) out[p] = both[p];
            }
        }
}

/* Four outputs at a time: their sums over lanes are added across together.  Behind the last the first of the four once more, unused. */
static void dense(float *y, const float *x, const float *w, const float *b, nn_dim in, nn_dim o0, nn_dim o1,
                  double wgain, double bgain, double slope, double gain)
{
    enum { ROWS = 4, CHAINS = 2 };
    for (nn_dim o = o0; o < o1; o += ROWS) {
        const nn_dim n = nn_at_most(ROWS, o1 - o);
        const float *row[ROWS];
        vf sum[ROWS][CHAINS];
        float all[ROWS];
        for (int r = 0; r < ROWS; r++) row[r] = w + (r < n ? o + r : o) * in;
        UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int q = 0; q < CHAINS; q++) sum[r][q] = vf_set1(0.0f);
        nn_dim i = 0;
        for (; i + CHAINS * VW <= in; i += CHAINS * VW)
            UNROLL for (int q = 0; q < CHAINS; q++) {
                const vf v = vf_load(x + i + q * VW);
                UNROLL for (int r = 0; r < ROWS; r++) sum[r][q] = vf_fma(v, vf_load(row[r] + i + q * VW), sum[r][q]);
            }
        for (; i < in; i += VW)
            UNROLL for (int r = 0; r < ROWS; r++) sum[r][0] = vf_fma(load_part(x + i, in - i), load_part(row[r] + i, in - i), sum[r][0]);
        vf_sum4(all, vf_add(sum[0][0], sum[0][1]), vf_add(sum[1][0], sum[1][1]), vf_add(sum[2][0], sum[2][1]), vf_add(sum[3][0], sum[3][1]));
        for (nn_dim r = 0; r < n; r++) {
            const double v = all[r] * wgain + (b ? b[o + r] * bgain : 0.0);
            y[o + r] = (float)(gain * (v < 0.0 ? slope * v : v));
        }
    }
}

/* nv vectors of y stay in registers while the terms go by. */
INLINE void mix_vectors(float *y, const float *const *x, const float *w, int terms, nn_dim i, int nv, bool add)
{
    vf sum[8];
    UNROLL for (int v = 0; v < nv; v++) sum[v] = add ? vf_load(y + i + v * VW) : vf_set1(0.0f);
    for (int t = 0; t < terms; t++) {
        const vf by = vf_set1(w[t]);
        const float *from = x[t] + i;
        UNROLL for (int v = 0; v < nv; v++) sum[v] = vf_fma(by, vf_load(from + v * VW), sum[v]);
    }
    UNROLL for (int v = 0; v < nv; v++) vf_store(y + i + v * VW, sum[v]);
}

static void mix(float *y, const float *const *x, const float *w, int terms, nn_dim n, bool add)
{
    nn_dim i = 0;
    for (; i + 8 * VW <= n; i += 8 * VW) mix_vectors(y, x, w, terms, i, 8, add);
    for (; i + 2 * VW <= n; i += 2 * VW) mix_vectors(y, x, w, terms, i, 2, add);
    for (; i + VW <= n; i += VW) mix_vectors(y, x, w, terms, i, 1, add);
    for (; i < n; i++) {
        float sum = add ? y[i] : 0.0f;
        for (int t = 0; t < terms; t++) sum = sf_fma(w[t], x[t][i], sum);
        y[i] = sum;
    }
}

/* NV vectors of every row before the next: what the rows share of x stays in the first-level cache. */
INLINE void mix_columns(float *y, nn_dim rows, nn_dim n, const float *x, const int32_t *at, const float *w, int terms, nn_dim i, int nv)
{
    for (nn_dim r = 0; r < rows; r++, at += terms, w += terms) {
        vf sum[8];
        UNROLL for (int v = 0; v < nv; v++) sum[v] = vf_set1(0.0f);
        for (int t = 0; t < terms; t++) {
            const vf by = vf_set1(w[t]);
            const float *from = x + at[t] + i;
            UNROLL for (int v = 0; v < nv; v++) sum[v] = vf_fma(by, vf_load(from + v * VW), sum[v]);
        }
        UNROLL for (int v = 0; v < nv; v++) vf_store(y + r * n + i + v * VW, sum[v]);
    }
}

static void mix_rows(float *y, nn_dim rows, nn_dim n, const float *x, const int32_t *at, const float *w, int terms)
{
    nn_dim i = 0;
    for (; i + 8 * VW <= n; i += 8 * VW) mix_columns(y, rows, n, x, at, w, terms, i, 8);
    for (; i + 2 * VW <= n; i += 2 * VW) mix_columns(y, rows, n, x, at, w, terms, i, 2);
    for (; i + VW <= n; i += VW) mix_columns(y, rows, n, x, at, w, terms, i, 1);
    for (; i < n; i++)
        for (nn_dim r = 0; r < rows; r++) {
            float sum = 0.0f;
            for (int t = 0; t < terms; t++) sum = sf_fma(w[r * terms + t], x[at[r * terms + t] + i], sum);
            y[r * n + i] = sum;
        }
}
