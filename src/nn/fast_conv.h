/* fast_conv.h: direct modulated convolution on blocked maps (C/16, H, W, 16), without im2col.
 *
 * A unit of work is one panel of NR output channels by one band of output rows.  Input rows are multiplied by the style on
 * their way into a small ring of zero-padded rows, so that weights stay constant, are packed once and serve every picture:
 *
 *     ring row:  (C/16, W + 2, 16)      [0 | x*s of pixel 0 | ... | pixel W-1 | 0]  per 16 channels
 *     packed:    (panel, C/16, tap, 16, NR)   the order in which the tile reads it
 *
 * up 1: out[y, x] = sum over channel blocks, then taps (ky,kx), then the 16 channels.
 * up 2: the transposed convolution t (2H+1 rows for a 3x3 kernel) by phase: row and column of t are even or odd, and only the
 *       kernel rows and columns of that parity meet a pixel (2x2, 2x1, 1x2, 1x1 taps: nine products a pixel, not 36).  Rows
 *       of t go to a second ring; the FIR filter reads it, down first, then across.
 * Everything after the sum (demodulation, noise, bias, leaky ReLU, gain, clamp) happens before the tile leaves. */

enum { RING_X = 4, FIR_MAX = 16, RING_T = 16, CHUNK = 32 };      /* rows kept of x and of t (powers of two); FIR columns at a time */

/* What follows the packed weights: the filter as two vectors when it is their product, flipped and with its gain. */
typedef struct { float separable, fy[FIR_MAX], fx[FIR_MAX], f[FIR_MAX * FIR_MAX]; } fir;

static nn_dim conv_panels(const nn_conv_shape *s) { return (nn_channels_padded(s->cout) + NR - 1) / NR; }
static nn_dim conv_blocks(const nn_conv_shape *s) { return nn_channels_padded(s->cin) / NN_CB; }
static nn_dim conv_weights(const nn_conv_shape *s) { return nn_channels_padded(s->cout) * nn_channels_padded(s->cin) * s->ks * s->ks; }

/* Vectors of channels in a panel: the last one may be half. */
static int panel_vectors(const nn_conv_shape *s, nn_dim panel)
{
    const nn_dim left = nn_channels_padded(s->cout) - panel * NR;
    return left > VW ? 2 : 1;
}

static nn_dim direct_packed(const nn_conv_shape *s)
{
    NN_ASSERT((s->ks == 1 || s->ks == 3) && (s->up == 1 || s->up == 2));
    NN_ASSERT(s->up == 1 || (s->fh >= 1 && s->fh <= FIR_MAX && s->fw >= 1 && s->fw <= FIR_MAX));
    return conv_weights(s) + (s->up == 2 ? (nn_dim)(sizeof(fir) / sizeof(float)) : 0);
}

/* f = fy x fx?  From row and column sums, which are exact for [1,3,3,1]/8 x [1,3,3,1]/8. */
static void fir_prepare(fir *out, const nn_conv_shape *s)
{
    memset(out, 0, sizeof *out);
    double row[FIR_MAX] = { 0 }, col[FIR_MAX] = { 0 }, sum = 0.0, size = 0.0;
    for (nn_dim y = 0; y < s->fh; y++)
        for (nn_dim x = 0; x < s->fw; x++) {
            const double v = s->filter[y * s->fw + x];
            row[y] += v;
            col[x] += v;
            sum += v;
            size += fabs(v);
            out->f[(s->fh - 1 - y) * s->fw + s->fw - 1 - x] = (float)(4.0 * v);      /* a true convolution flips; gain up^2 */
        }
    bool separable = fabs(sum) > 0.1 * size;
    for (nn_dim y = 0; y < s->fh; y++)
        for (nn_dim x = 0; x < s->fw; x++)
            if (separable && fabs(row[y] * col[x] / sum - s->filter[y * s->fw + x]) > 1e-7 * size) separable = false;
    out->separable = separable;
    for (nn_dim y = 0; separable && y < s->fh; y++) out->fy[s->fh - 1 - y] = (float)(2.0 * row[y] / sum);
    for (nn_dim x = 0; separable && x < s->fw; x++) out->fx[s->fw - 1 - x] = (float)(2.0 * col[x]);
}

/* Taps of one phase of the transposed convolution: kernel indices of the given parity. */
static nn_dim phase_taps(nn_dim ks, nn_dim parity) { return (ks + 1 - parity) / 2; }

static float *pack_taps(const nn_conv_shape *s, const float *weight, float *at, nn_dim panel, nn_dim ky0, nn_dim kx0, nn_dim step)
{
    const nn_dim wide = panel_vectors(s, panel) * VW;
    for (nn_dim cb = 0; cb < conv_blocks(s); cb++)
        for (nn_dim ky = ky0; ky < s->ks; ky += step)
            for (nn_dim kx = kx0; kx < s->ks; kx += step)
                for (nn_dim i = cb * NN_CB; i < (cb + 1) * NN_CB; i++)
                    for (nn_dim o = panel * NR; o < panel * NR + wide; o++)
                        *at++ = i < s->cin && o < s->cout ? weight[((o * s->cin + i) * s->ks + ky) * s->ks + kx] : 0.0f;
    return at;
}

static void direct_pack(const nn_conv_shape *s, const float *weight, float *packed)
{
    float *at = packed;
    for (nn_dim panel = 0; panel < conv_panels(s); panel++) {
        if (s->up == 1) at = pack_taps(s, weight, at, panel, 0, 0, 1);
        else for (nn_dim phase = 0; phase < 4; phase++) at = pack_taps(s, weight, at, panel, phase / 2, phase % 2, 2);
    }
    if (s->up == 2) { fir f; fir_prepare(&f, s); memcpy(at, &f, sizeof f); }
}

static nn_dim ring_row(const nn_conv_shape *s) { return conv_blocks(s) * (s->w + 2) * NN_CB; }
static nn_dim t_width(const nn_conv_shape *s) { return 2 * s->w + s->fw - 1; }          /* columns of t that the filter reads */

static nn_dim direct_scratch(const nn_conv_shape *s)
{
    return RING_X * ring_row(s) + (s->up == 2 ? RING_T * t_width(s) * NR : 0) + NN_CB;
}

/* Bands: enough units for a few dozen threads where the panels alone are few, and never so thin that the rows computed twice
 * (three rows of t a band) cost more than a few percent. */
static nn_dim conv_bands(const nn_conv_shape *s)
{
    const nn_dim most = s->h / (s->up == 2 ? 16 : 8), want = (16 + conv_panels(s) - 1) / conv_panels(s);
    return most < 1 ? 1 : most < want ? most : want;
}

static nn_dim direct_units(const nn_conv_shape *s, int stage) { return stage ? 0 : conv_panels(s) * conv_bands(s); }

/* ---- epilogue: per channel numbers of a panel, zero in the channels that pad; the others as vectors ------------------- */

typedef struct { float demod[NR], strength[NR], bias[NR], slope[VW], gain[VW], low[VW], high[VW]; } epilogue;

static void epilogue_prepare(epilogue *e, const nn_conv_shape *s, const nn_conv_job *j, nn_dim panel)
{
    for (nn_dim i = 0; i < NR; i++) {
        const nn_dim o = panel * NR + i;
        const bool real_channel = o < s->cout;
        e->demod[i] = !real_channel ? 0.0f : j->demod ? j->demod[o] : 1.0f;
        e->strength[i] = real_channel && j->noise ? (float)j->strength : 0.0f;
        e->bias[i] = real_channel && j->bias ? j->bias[o] : 0.0f;
    }
    NN_ASSERT(j->slope <= 1.0);                          /* max(v, slope*v) is the leaky ReLU */
    vf_store(e->slope, vf_set1((float)j->slope));
    vf_store(e->gain, vf_set1((float)j->gain));
    vf_store(e->low, vf_set1((float)-j->clamp));
    vf_store(e->high, vf_set1((float)j->clamp));
}

/* The epilogue of one vector of channels, in registers where there are enough. */
typedef struct { vf demod, strength, bias, slope, gain, low, high; } epilogue_of;
INLINE epilogue_of epilogue_load(const epilogue *e, int v)
{
    return (epilogue_of){ vf_load(e->demod + v * VW), vf_load(e->strength + v * VW), vf_load(e->bias + v * VW),
                          vf_load(e->slope), vf_load(e->gain), vf_load(e->low), vf_load(e->high) };
}

INLINE vf epilogue_apply(epilogue_of e, vf sum, float noise)
{
    vf y = vf_fma(sum, e.demod, vf_fma(vf_set1(noise), e.strength, e.bias));
    y = vf_mul(vf_max(vf_mul(y, e.slope), y), e.gain);
    return vf_min(e.high, vf_max(e.low, y));
}

/* Where vector v of pixel (y,x) of a panel lies in a blocked map of hw pixels. */
static inline float *map_vector(float *map, nn_dim hw, nn_dim pixel, nn_dim channel)
{
    return map + (channel / NN_CB * hw + pixel) * NN_CB + channel % NN_CB;
}

/* ---- rows of x times the style, zero-padded ------------------------------------------------------------------------- */

static void block_style(float style[NN_CB], const nn_conv_shape *s, const nn_conv_job *j, nn_dim cb)
{
    for (nn_dim i = 0; i < NN_CB; i++) style[i] = cb * NN_CB + i < s->cin ? j->style[cb * NN_CB + i] : 0.0f;
}

static void modulate_row(const nn_conv_shape *s, const nn_conv_job *j, nn_dim row, float *out)
{
    const nn_dim pitch = (s->w + 2) * NN_CB, hw = s->h * s->w;
    if (row < 0 || row >= s->h) { memset(out, 0, (size_t)ring_row(s) * sizeof *out); return; }
    for (nn_dim cb = 0; cb < conv_blocks(s); cb++, out += pitch) {
        float style[NN_CB];
        block_style(style, s, j, cb);
        const float *x = j->x + (cb * hw + row * s->w) * NN_CB;
        memset(out, 0, NN_CB * sizeof *out);
        memset(out + pitch - NN_CB, 0, NN_CB * sizeof *out);
        for (nn_dim c = 0; c < NN_CB; c += VW) {
            const vf m = vf_load(style + c);
            for (nn_dim p = 0; p < s->w; p++) vf_store(out + (p + 1) * NN_CB + c, vf_mul(vf_load(x + p * NN_CB + c), m));
        }
    }
}

/* t = sum over the blocks and taps of one tile: row[a] is the ring row of tap row a (rows of them), the taps of a row start at
 * column offset col and are col_step pixels apart (cols of them). */
typedef struct { const float *row[3]; nn_dim rows, col, cols, col_step, blocks, pitch; const float *w; } tap_job;

INLINE void taps_add(tile *t, int mr, int nv, const tap_job *g)
{
    const float *w = g->w;
    for (nn_dim cb = 0; cb < g->blocks; cb++)
        for (nn_dim a = 0; a < g->rows; a++)
            for (nn_dim b = 0; b < g->cols; b++, w += NN_CB * nv * VW)
                tile_add(t, mr, nv, NN_CB, g->row[a] + cb * g->pitch + (g->col + b * g->col_step) * NN_CB, NN_CB, 1, w, nv * VW);
}

/* ---- up 1 ------------------------------------------------------------------------------------------------------------- */

INLINE void same_tile(const nn_conv_shape *s, const nn_conv_job *j, const epilogue *e, const tap_job *g, nn_dim channel,
                      nn_dim pixel, int mr, int nv)
{
    tile t;
    tile_zero(&t, mr, nv);
    taps_add(&t, mr, nv, g);
    UNROLL for (int p = 0; p < mr; p++) {
        const float noise = j->noise ? j->noise[pixel + p] : 0.0f;
        UNROLL for (int v = 0; v < nv; v++)
            vf_store(map_vector(j->y, s->h * s->w, pixel + p, channel + v * VW), epilogue_apply(epilogue_load(e, v), t.v[p][v], noise));
    }
}

/* On its own: inlined into its loops, gcc 12 keeps five of AVX2's twelve accumulators in memory (bench/LOG.md). */
static __attribute__((noinline)) void same_tile_any(const nn_conv_shape *s, const nn_conv_job *j, const epilogue *e, const tap_job *g, nn_dim channel,
                          nn_dim pixel, nn_dim mr, int nv)
{
    #define BODY(m, n) same_tile(s, j, e, g, channel, pixel, m, n)
    TILE_SWITCH(mr, nv, BODY)
    #undef BODY
}

static void conv_same(const nn_conv_shape *s, const float *w, const nn_conv_job *j, nn_dim panel, nn_dim y0, nn_dim y1, float *ring)
{
    const nn_dim half = s->ks / 2, size = ring_row(s), step = piece_rows(s->w);
    const int nv = panel_vectors(s, panel);
    epilogue e;
    epilogue_prepare(&e, s, j, panel);
    for (nn_dim y = y0 - half; y < y0 + half; y++) modulate_row(s, j, y, ring + (y & (RING_X - 1)) * size);
    for (nn_dim y = y0; y < y1; y++) {
        modulate_row(s, j, y + half, ring + ((y + half) & (RING_X - 1)) * size);
        tap_job g = { .rows = s->ks, .cols = s->ks, .col_step = 1, .blocks = conv_blocks(s), .pitch = (s->w + 2) * NN_CB, .w = w };
        for (nn_dim a = 0; a < s->ks; a++) g.row[a] = ring + ((y - half + a) & (RING_X - 1)) * size;
        for (nn_dim x = 0; x < s->w; x += step) {
            const nn_dim mr = s->w - x < step ? s->w - x : step;
            g.col = x + 1 - half;
            same_tile_any(s, j, &e, &g, panel * NR, y * s->w + x, mr, nv);
        }
    }
}

/* ---- up 2 ------------------------------------------------------------------------------------------------------------- */

/* `tiles` tiles side by side, in one function; g's column and out advance. */
INLINE void phase_tiles(tap_job *g, float **out, nn_dim tiles, int mr, int nv)
{
    for (; tiles > 0; tiles--, g->col += mr, *out += mr * 2 * NR) {
        tile t;
        tile_zero(&t, mr, nv);
        taps_add(&t, mr, nv, g);
        UNROLL for (int p = 0; p < mr; p++) UNROLL for (int v = 0; v < nv; v++) vf_store(*out + p * 2 * NR + v * VW, t.v[p][v]);
    }
}

static __attribute__((noinline)) void phase_tiles_any(tap_job *g, float **out, nn_dim tiles, nn_dim mr, int nv)
{
    #define BODY(m, k) phase_tiles(g, out, tiles, m, k)
    if (tiles > 0) TILE_SWITCH(mr, nv, BODY)
    #undef BODY
}

/* Row ty of the transposed convolution, columns shifted by pad so that the filter reads it from 0; zero outside t. */
static void up_row(const nn_conv_shape *s, const float *w, nn_dim ty, nn_dim pad, int nv, const float *ring, float *out)
{
    const nn_dim th = 2 * s->h - 2 + s->ks, tw = 2 * s->w - 2 + s->ks, width = t_width(s), size = ring_row(s);
    memset(out, 0, (size_t)(width * NR) * sizeof *out);
    if (ty < 0 || ty >= th) return;
    const nn_dim pr = ty & 1, tap_rows = phase_taps(s->ks, pr), block = conv_blocks(s) * NN_CB * nv * VW;
    w += pr * block * phase_taps(s->ks, 0) * s->ks;                            /* phases (0,0), (0,1) come before (1,0), (1,1) */
    for (nn_dim pc = 0; pc < 2; pc++) {
        const nn_dim tap_cols = phase_taps(s->ks, pc), n = nn_at_most((tw - pc + 1) / 2, (width - pad - pc + 1) / 2);      /* columns past `width` are cropped */
        /* Kernel row pr + 2a meets pixel row (ty - pr)/2 - a; kernel column pc + 2b meets pixel column q - b. */
        tap_job g = { .rows = tap_rows, .cols = tap_cols, .col = 1, .col_step = -1, .blocks = conv_blocks(s), .pitch = (s->w + 2) * NN_CB, .w = w };
        for (nn_dim a = 0; a < tap_rows; a++) g.row[a] = ring + (((ty - pr) / 2 - a) & (RING_X - 1)) * size;
        if (n > 0 && tap_rows * tap_cols > 0) {
            const tiling t = tiles_of(n);
            float *at = out + (pad + pc) * NR;
            phase_tiles_any(&g, &at, t.tall, t.low + 1, nv);
            phase_tiles_any(&g, &at, t.count - t.tall, t.low, nv);
        }
        w += block * tap_rows * tap_cols;
    }
}

/* n <= CHUNK columns of one output row, from x0 on: the filter (fh,fw) over fh rows of t. */
static void fir_row(const nn_conv_shape *s, const nn_conv_job *j, const epilogue *e, const fir *f, const float *const t[FIR_MAX],
                    nn_dim channel, nn_dim y, nn_dim x0, nn_dim n, int nv)
{
    const bool separable = f->separable != 0.0f;
    const nn_dim fh = s->fh, fw = s->fw;
    const nn_dim ow = 2 * s->w, ohw = 4 * s->h * s->w;
    float down[(CHUNK + FIR_MAX) * NR] __attribute__((aligned(64)));
    for (nn_dim x = 0; separable && x < n + fw - 1; x++)
        for (int v = 0; v < nv; v++) {
            vf sum = vf_mul(vf_set1(f->fy[0]), vf_load(t[0] + (x0 + x) * NR + v * VW));
            for (nn_dim a = 1; a < fh; a++) sum = vf_fma(vf_set1(f->fy[a]), vf_load(t[a] + (x0 + x) * NR + v * VW), sum);
            vf_store(down + x * NR + v * VW, sum);
        }
    for (nn_dim x = 0; x < n; x++) {
        const nn_dim pixel = y * ow + x0 + x;
        const float noise = j->noise ? j->noise[pixel] : 0.0f;
        for (int v = 0; v < nv; v++) {
            vf sum = vf_set1(0.0f);
            if (separable)
                for (nn_dim b = 0; b < fw; b++) sum = vf_fma(vf_set1(f->fx[b]), vf_load(down + (x + b) * NR + v * VW), sum);
            else
                for (nn_dim a = 0; a < fh; a++)
                    for (nn_dim b = 0; b < fw; b++)
                        sum = vf_fma(vf_set1(f->f[a * fw + b]), vf_load(t[a] + (x0 + x + b) * NR + v * VW), sum);
            vf_store(map_vector(j->y, ohw, pixel, channel + v * VW), epilogue_apply(epilogue_load(e, v), sum, noise));
        }
    }
}

/* The filter of all published generators has four taps an axis and is a product: n columns of vector v, `down` first and then across, where the last four
 * stay in registers with all that they meet. */
INLINE void fir_columns4(const fir *f, const float *t0, const float *t1, const float *t2, const float *t3, epilogue_of e, const float *noise, nn_dim n, float *out)
{
    float down[(CHUNK + 3) * VW] __attribute__((aligned(64)));
    const vf y0 = vf_set1(f->fy[0]), y1 = vf_set1(f->fy[1]), y2 = vf_set1(f->fy[2]), y3 = vf_set1(f->fy[3]);
    for (nn_dim x = 0; x < n + 3; x++)
        vf_store(down + x * VW, vf_fma(y3, vf_load(t3 + x * NR), vf_fma(y2, vf_load(t2 + x * NR), vf_fma(y1, vf_load(t1 + x * NR), vf_mul(y0, vf_load(t0 + x * NR))))));
    const vf x0 = vf_set1(f->fx[0]), x1 = vf_set1(f->fx[1]), x2 = vf_set1(f->fx[2]), x3 = vf_set1(f->fx[3]);
    vf d0 = vf_load(down), d1 = vf_load(down + VW), d2 = vf_load(down + 2 * VW);
    for (nn_dim x = 0; x < n; x++) {
        const vf d3 = vf_load(down + (x + 3) * VW);
        const vf sum = vf_fma(x3, d3, vf_fma(x2, d2, vf_fma(x1, d1, vf_mul(x0, d0))));
        vf_store(out + x * NN_CB, epilogue_apply(e, sum, noise ? noise[x] : 0.0f));
        d0 = d1;
        d1 = d2;
        d2 = d3;
    }
}

static void fir_row4(const nn_conv_shape *s, const nn_conv_job *j, const epilogue *e, const fir *f, const float *const t[FIR_MAX],
                     nn_dim channel, nn_dim y, nn_dim x0, nn_dim n, int nv)
{
    const nn_dim pixel = y * 2 * s->w + x0;
    for (int v = 0; v < nv; v++) {
        const nn_dim at = x0 * NR + v * VW;
        float *out = map_vector(j->y, 4 * s->h * s->w, pixel, channel + v * VW);
        if (j->noise) fir_columns4(f, t[0] + at, t[1] + at, t[2] + at, t[3] + at, epilogue_load(e, v), j->noise + pixel, n, out);
        else fir_columns4(f, t[0] + at, t[1] + at, t[2] + at, t[3] + at, epilogue_load(e, v), NULL, n, out);
    }
}

/* By either, as the filter is. */
static void filter_row(const nn_conv_shape *s, const nn_conv_job *j, const epilogue *e, const fir *f, const float *const t[FIR_MAX],
                       nn_dim panel, nn_dim y, nn_dim x0, nn_dim n)
{
    const int nv = panel_vectors(s, panel);
    if (f->separable != 0.0f && s->fh == 4 && s->fw == 4) fir_row4(s, j, e, f, t, panel * NR, y, x0, n, nv);
    else fir_row(s, j, e, f, t, panel * NR, y, x0, n, nv);
}

static void conv_up(const nn_conv_shape *s, const float *w, const fir *f, const nn_conv_job *j, nn_dim panel, nn_dim y0, nn_dim y1, float *ring)
{
    const nn_dim size = ring_row(s), t_size = t_width(s) * NR, grown = s->ks - 1 - s->ks / 2;
    const nn_dim pad_x = (s->fw + 1) / 2 - grown, pad_y = (s->fh + 1) / 2 - grown;   /* as kernels_ref.c */
    const int nv = panel_vectors(s, panel);
    float *ring_t = ring + RING_X * size;
    epilogue e;
    epilogue_prepare(&e, s, j, panel);
    nn_dim have_x = (y0 - pad_y) / 2 - 2, have_t = y0 - pad_y - 1;                   /* last rows made */
    for (nn_dim y = y0; y < y1; y++) {
        for (nn_dim ty = have_t + 1; ty <= y - pad_y + s->fh - 1; ty++) {
            const nn_dim need = ty < 0 ? -1 : ty / 2;
            while (have_x < need) { have_x++; modulate_row(s, j, have_x, ring + (have_x & (RING_X - 1)) * size); }
            up_row(s, w, ty, pad_x, nv, ring, ring_t + (ty & (RING_T - 1)) * t_size);
            have_t = ty;
        }
        const float *t[FIR_MAX];
        for (nn_dim a = 0; a < s->fh; a++) t[a] = ring_t + ((y - pad_y + a) & (RING_T - 1)) * t_size;
        for (nn_dim x = 0; x < 2 * s->w; x += CHUNK) filter_row(s, j, &e, f, t, panel, y, x, nn_at_most(CHUNK, 2 * s->w - x));
    }
}

static void direct_unit(const nn_conv_shape *s, const float *packed, const nn_conv_job *j, int stage, nn_dim unit, float *scratch, float *shared)
{
    (void)stage; (void)shared;                          /* all is done in one stage */
    const nn_dim bands = conv_bands(s), panel = unit / bands, band = unit % bands, rows = s->h * s->up;
    const float *w = packed + panel * NR * nn_channels_padded(s->cin) * s->ks * s->ks;
    const nn_dim y0 = rows * band / bands, y1 = rows * (band + 1) / bands;
    if (s->up == 1) { conv_same(s, w, j, panel, y0, y1, scratch); return; }
    fir f;
    memcpy(&f, packed + conv_weights(s), sizeof f);
    conv_up(s, w, &f, j, panel, y0, y1, scratch);
}
