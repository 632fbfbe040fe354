/* fast_winograd_up.h: up-convolutions of large maps: Winograd's F(3,2) on the phases of the transposed convolution.
 *
 * Along one axis three pixels of x give three even and three odd numbers of t (the transposed convolution before its filter):
 *
 *     even:  t[2i]   = w[2] x[i-1] + w[0] x[i]       two taps:  F(3,2), 4 products instead of 6
 *     odd:   t[2i+1] = w[1] x[i]                     one tap:   3 products
 *
 * so a tile of 3x3 pixels takes 7x7 = 49 products to 6x6 numbers of t instead of 81.  Points 0, 1, -1, infinity: the transforms
 * are additions (docs/NUMERICS.md § 6).  An axis has 5 kinds of products: the four of F(3,2) and the odd tap, whose weight
 * serves three pixels; so 25 matrices U serve 49 slots:
 *
 *     slot (i,j) of a tile's 7x7:   0..3 | 4..6      kind:  0..3 | 4       slots of one kind lie side by side
 *
 * Stage 0, a unit is a group of tiles, in row order, and all output channels (a part of them on small maps):
 *   1. V[slot][C/16][tile][16] = the 49 values of every tile and channel of x * style
 *   2. M[slot][tile][cout]     = sum over channels of V[slot] U[kind]
 *   3. t[panel][row][column][NR], shared by the units = the tiles of M
 * Stage 1, a unit is a panel and a band of rows: the FIR filter over t, then the epilogue. */

enum { UP_TILE = 3, UP_SIDE = 7, UP_SLOTS = 49, UP_ODD = 4, UP_KINDS = 5, UP_BAND = 16 };

/* Where it wins (measured, bench/LOG.md): enough channels to pay for the transforms; above 256 x 256 pixels t is too large to
 * stay in any cache on its way to the filter. */
static bool is_winograd_up(const nn_conv_shape *s)
{
    return s->ks == 3 && s->up == 2 && s->h >= 8 && s->w >= 8 && s->h * s->w <= 256 * 256 && s->cin >= 32 && s->cout >= 16;
}

/* t has one even row and column more than x; t_width is what the filter reads. */
static nn_dim up_across(const nn_conv_shape *s) { return (s->w + UP_TILE) / UP_TILE; }
static nn_dim up_tiles(const nn_conv_shape *s) { return up_across(s) * ((s->h + UP_TILE) / UP_TILE); }
/* Tiles of a unit, at most: V and M of a few, with U, t and the other threads', find room in the last cache; AVX-512 did better with more where U is
 * large (measured on one machine each, bench/LOG.md). */
static nn_dim up_most(const nn_conv_shape *s) { return VW < 16 ? 6 * 6 : s->cin >= 512 ? 64 : 32; }
static nn_dim up_groups(const nn_conv_shape *s) { return (up_tiles(s) + up_most(s) - 1) / up_most(s); }
static nn_dim up_group(const nn_conv_shape *s) { return (up_tiles(s) + up_groups(s) - 1) / up_groups(s); }
static nn_dim up_parts(const nn_conv_shape *s) { return panel_parts(s, up_groups(s)); }
static nn_dim up_part_panels(const nn_conv_shape *s) { return (conv_panels(s) + up_parts(s) - 1) / up_parts(s); }
static nn_dim up_matrix(const nn_conv_shape *s) { return nn_channels_padded(s->cin) * nn_channels_padded(s->cout); }
static nn_dim up_v_slot(const nn_conv_shape *s) { return nn_channels_padded(s->cin) * up_group(s) + FREQ_PAD; }
static nn_dim up_m_row(const nn_conv_shape *s) { return up_part_panels(s) * NR; }
static nn_dim up_m_slot(const nn_conv_shape *s) { return up_m_row(s) * up_group(s) + FREQ_PAD; }
static nn_dim up_rows(const nn_conv_shape *s) { return 2 * s->h + 1; }
static nn_dim up_panel(const nn_conv_shape *s) { return up_rows(s) * t_width(s) * NR; }
static nn_dim up_shared(const nn_conv_shape *s) { return conv_panels(s) * up_panel(s); }
static nn_dim up_bands(const nn_conv_shape *s) { return (2 * s->h + UP_BAND - 1) / UP_BAND; }
static nn_dim up_packed(const nn_conv_shape *s) { return UP_KINDS * UP_KINDS * up_matrix(s) + (nn_dim)(sizeof(fir) / sizeof(float)); }
static nn_dim up_units(const nn_conv_shape *s, int stage) { return stage == 0 ? up_groups(s) * up_parts(s) : conv_panels(s) * up_bands(s); }

static nn_dim up_scratch(const nn_conv_shape *s)
{
    const nn_dim products = UP_SLOTS * (up_v_slot(s) + up_m_slot(s)), zero_row = t_width(s) * NR;
    return products > zero_row ? products : zero_row;
}

/* First slot of kind (a,b) and how many there are; slot of position (i,j). */
INLINE int up_first(int a, int b) { return a < UP_ODD ? UP_SIDE * a + b : UP_SIDE * UP_ODD + UP_TILE * b; }
INLINE int up_count(int a, int b) { return (a < UP_ODD ? 1 : UP_TILE) * (b < UP_ODD ? 1 : UP_TILE); }
INLINE int up_slot(int i, int j)
{
    if (i < UP_ODD) return UP_SIDE * i + j;
    return j < UP_ODD ? up_first(UP_ODD, j) + i - UP_ODD : up_first(UP_ODD, UP_ODD) + (i - UP_ODD) * UP_TILE + j - UP_ODD;
}

static void up_pack(const nn_conv_shape *s, const float *weight, float *packed)
{
    static const double G[UP_KINDS][3] = { { 0, 0, 1 }, { 0.5, 0, 0.5 }, { -0.5, 0, 0.5 }, { 1, 0, 0 }, { 0, 1, 0 } };
    const nn_dim cin = nn_channels_padded(s->cin), matrix = up_matrix(s);
    for (nn_dim panel = 0; panel < conv_panels(s); panel++) {
        const nn_dim wide = panel_vectors(s, panel) * VW;
        for (nn_dim i = 0; i < cin; i++) {
            float *at = packed + panel * NR * cin + i * wide;
            double g[9][NR] = { { 0 } }, row[3][NR], u[NR];
            gather_taps(g, s, weight, panel, i);
            for (int a = 0; a < UP_KINDS; a++) {
                for (int x = 0; x < 3; x++)
                    for (int o = 0; o < NR; o++) row[x][o] = G[a][0] * g[x][o] + G[a][1] * g[3 + x][o] + G[a][2] * g[6 + x][o];
                for (int b = 0; b < UP_KINDS; b++) {
                    for (int o = 0; o < NR; o++) u[o] = row[0][o] * G[b][0] + row[1][o] * G[b][1] + row[2][o] * G[b][2];
                    for (nn_dim o = 0; o < wide; o++) at[(a * UP_KINDS + b) * matrix + o] = (float)u[o];
                }
            }
        }
    }
    fir f;
    fir_prepare(&f, s);
    memcpy(packed + UP_KINDS * UP_KINDS * matrix, &f, sizeof f);
}

/* The seven values of an axis from its four pixels. */
INLINE void up_in(vf o[UP_SIDE], const vf d[4])
{
    o[0] = vf_sub(d[0], d[2]);
    o[1] = vf_add(d[1], d[2]);
    o[2] = vf_sub(d[2], d[1]);
    o[3] = vf_sub(d[3], d[1]);
    o[4] = d[1];
    o[5] = d[2];
    o[6] = d[3];
}

/* The three even numbers of t of an axis from their four products. */
INLINE void up_even(vf o[UP_TILE], vf m0, vf m1, vf m2, vf m3)
{
    const vf sum = vf_add(m1, m2);
    o[0] = vf_add(m0, sum);
    o[1] = vf_sub(m1, m2);
    o[2] = vf_add(sum, m3);
}

/* Step 1 for one tile and one vector of channels; the tile's first pixel is (y,x0), its four rows and columns start one before. */
INLINE void up_tile_in(const nn_conv_shape *s, const float *x, vf style, nn_dim y, nn_dim x0, float *v, nn_dim slot)
{
    vf mid[UP_SIDE][4];
    UNROLL for (int b = 0; b < 4; b++) {
        vf d[4], o[UP_SIDE];
        const nn_dim px = x0 - 1 + b;
        UNROLL for (int a = 0; a < 4; a++) {
            const nn_dim py = y - 1 + a;
            const bool inside = py >= 0 && py < s->h && px >= 0 && px < s->w;
            d[a] = inside ? vf_mul(vf_load(x + (py * s->w + px) * NN_CB), style) : vf_set1(0.0f);
        }
        up_in(o, d);
        UNROLL for (int a = 0; a < UP_SIDE; a++) mid[a][b] = o[a];
    }
    UNROLL for (int a = 0; a < UP_SIDE; a++) {
        vf o[UP_SIDE];
        up_in(o, mid[a]);
        UNROLL for (int b = 0; b < UP_SIDE; b++) vf_store(v + up_slot(a, b) * slot, o[b]);
    }
}

/* One row of a tile's products across: six numbers of a row of t, or of a row that F(3,2) still has to join. */
INLINE void up_across_out(vf o[2 * UP_TILE], const float *m, nn_dim slot, int row)
{
    vf even[UP_TILE];
    up_even(even, vf_load(m + up_slot(row, 0) * slot), vf_load(m + up_slot(row, 1) * slot), vf_load(m + up_slot(row, 2) * slot),
            vf_load(m + up_slot(row, 3) * slot));
    UNROLL for (int k = 0; k < UP_TILE; k++) {
        o[2 * k] = even[k];
        o[2 * k + 1] = vf_load(m + up_slot(row, UP_ODD + k) * slot);
    }
}

/* Step 3 for one tile and one vector of channels: rows x columns (at most 6 x 6) numbers of t, t_row apart. */
INLINE void up_tile_out(const float *m, nn_dim slot, float *t, nn_dim t_row, nn_dim rows, nn_dim columns)
{
    vf mid[UP_ODD][2 * UP_TILE];
    UNROLL for (int a = 0; a < UP_ODD; a++) up_across_out(mid[a], m, slot, a);
    UNROLL for (int c = 0; c < 2 * UP_TILE; c++) {
        vf even[UP_TILE];
        if (c >= columns) break;
        up_even(even, mid[0][c], mid[1][c], mid[2][c], mid[3][c]);
        UNROLL for (int k = 0; k < UP_TILE; k++) if (2 * k < rows) vf_store(t + 2 * k * t_row + c * NR, even[k]);
    }
    UNROLL for (int k = 0; k < UP_TILE; k++) {
        vf odd[2 * UP_TILE];
        if (2 * k + 1 >= rows) break;
        up_across_out(odd, m, slot, UP_ODD + k);
        UNROLL for (int c = 0; c < 2 * UP_TILE; c++) if (c < columns) vf_store(t + (2 * k + 1) * t_row + c * NR, odd[c]);
    }
}

/* Step 2: all products of n tiles and the panels [p0, p1).  Slots of a kind share its weights, as many at a time as stay in the
 * second-level cache with V while the panels go by. */
enum { UP_CACHE = 256 << 10 };

static void up_products(const nn_conv_shape *s, const float *u, nn_dim n, nn_dim p0, nn_dim p1, const float *v, float *m)
{
    const nn_dim fit = UP_CACHE / ((nn_dim)sizeof *v * up_v_slot(s)), most = fit < 1 ? 1 : fit;
    for (int kind = 0; kind < UP_KINDS * UP_KINDS; kind++) {
        const int a = kind / UP_KINDS, b = kind % UP_KINDS, first = up_first(a, b), end = first + up_count(a, b);
        for (nn_dim slot = first; slot < end; slot += most)
            for (nn_dim panel = p0; panel < p1; panel++) {
                const int nv = panel_vectors(s, panel);
                const float *at = u + kind * up_matrix(s) + panel * NR * nn_channels_padded(s->cin);
                const slot_job g = { .group = up_group(s), .n = n, .count = nn_at_most(most, end - slot), .v_slot = up_v_slot(s), .m_slot = up_m_slot(s),
                                     .m_row = up_m_row(s), .v = v + slot * up_v_slot(s), .u = at,
                                     .next = at + nv * VW * nn_channels_padded(s->cin), .m = m + slot * up_m_slot(s) + (panel - p0) * NR };
                winograd_panel(s, &g, nv);
            }
    }
}

/* Step 3 for one tile of one panel, and the zeros left and right of t. */
static void up_put(const nn_conv_shape *s, nn_dim tile_y, nn_dim tile_x, const float *m, float *t, int nv)
{
    const nn_dim pad = (s->fw + 1) / 2 - 1, width = t_width(s), t_row = width * NR;
    const nn_dim end = 2 * s->w + 1 < width - pad ? 2 * s->w + 1 : width - pad;           /* columns of t that the filter reads */
    const nn_dim rows = up_rows(s) - 6 * tile_y, columns = end - 6 * tile_x, lines = rows < 6 ? rows : 6;
    t += 6 * tile_y * t_row;
    for (int lane = 0; lane < nv; lane++)
        up_tile_out(m + lane * VW, up_m_slot(s), t + (pad + 6 * tile_x) * NR + lane * VW, t_row, lines, columns);
    for (nn_dim r = 0; r < lines && tile_x == 0; r++) memset(t + r * t_row, 0, (size_t)(pad * NR) * sizeof *t);
    for (nn_dim r = 0; r < lines && tile_x == up_across(s) - 1; r++)
        memset(t + r * t_row + (pad + end) * NR, 0, (size_t)((width - pad - end) * NR) * sizeof *t);
}

static void up_group_unit(const nn_conv_shape *s, const float *u, const nn_conv_job *j, nn_dim unit, float *v, float *t)
{
    const nn_dim group = up_group(s), across = up_across(s), first = unit / up_parts(s) * group, left = up_tiles(s) - first;
    const nn_dim n = left < group ? left : group, p0 = unit % up_parts(s) * up_part_panels(s);
    const nn_dim p1 = p0 + up_part_panels(s) < conv_panels(s) ? p0 + up_part_panels(s) : conv_panels(s);
    float *m = v + UP_SLOTS * up_v_slot(s);
    for (nn_dim cb = 0; cb < conv_blocks(s); cb++) {
        float style[NN_CB];
        block_style(style, s, j, cb);
        for (nn_dim i = 0; i < n; i++)
            for (nn_dim c = 0; c < NN_CB; c += VW)
                up_tile_in(s, j->x + cb * s->h * s->w * NN_CB + c, vf_load(style + c), (first + i) / across * UP_TILE, (first + i) % across * UP_TILE,
                           v + (cb * group + i) * NN_CB + c, up_v_slot(s));
    }
    up_products(s, u, n, p0, p1, v, m);
    for (nn_dim panel = p0; panel < p1; panel++)
        for (nn_dim i = 0; i < n; i++)
            up_put(s, (first + i) / across, (first + i) % across, m + i * up_m_row(s) + (panel - p0) * NR, t + panel * up_panel(s), panel_vectors(s, panel));
}

static void up_filter_unit(const nn_conv_shape *s, const fir *f, const nn_conv_job *j, nn_dim unit, float *zero, const float *shared)
{
    const nn_dim panel = unit / up_bands(s), y0 = unit % up_bands(s) * UP_BAND, pad = (s->fh + 1) / 2 - 1, t_row = t_width(s) * NR;
    const float *map = shared + panel * up_panel(s);
    epilogue e;
    epilogue_prepare(&e, s, j, panel);
    memset(zero, 0, (size_t)t_row * sizeof *zero);
    for (nn_dim y = y0; y < y0 + UP_BAND && y < 2 * s->h; y++) {
        const float *t[FIR_MAX];
        for (nn_dim a = 0; a < s->fh; a++) {
            const nn_dim row = y - pad + a;
            t[a] = row < 0 || row >= up_rows(s) ? zero : map + row * t_row;
        }
        filter_row(s, j, &e, f, t, panel, y);
    }
}

static void up_unit(const nn_conv_shape *s, const float *packed, const nn_conv_job *j, int stage, nn_dim unit, float *scratch, float *shared)
{
    if (stage == 0) { up_group_unit(s, packed, j, unit, scratch, shared); return; }
    fir f;
    memcpy(&f, packed + UP_KINDS * UP_KINDS * up_matrix(s), sizeof f);
    up_filter_unit(s, &f, j, unit, scratch, shared);
}
