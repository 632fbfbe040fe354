/* fast_winograd_up.h: up-convolutions of large maps: Winograd's F(3,2) on the phases of the transposed convolution.
 *
 * Along one axis three pixels of x give three even and three odd numbers of t (the transposed convolution before its filter):
 *
 *     even:  t[2i]   = w[2] x[i-1] + w[0] x[i]       two taps:  F(3,2), 4 products instead of 6
 *     odd:   t[2i+1] = w[1] x[i]                     one tap:   3 products
 *
 * so a tile of 3x3 pixels takes 7x7 = 49 products to 6x6 numbers of t instead of 81.  Points 1, -1, 0, infinity: the transforms
 * are additions (docs/NUMERICS.md § 6).  An axis has 5 kinds of products: the four of F(3,2) and the odd tap, whose weight
 * serves three pixels; so 25 matrices U serve 49 slots:
 *
 *     slot, down and across:   0  1  2  3 | 4  5  6         kind:  0  1  2  3 | 4
 *                              1 -1  0 inf  odd taps
 *
 * Stage 0, a unit is a band of rows of tiles and all output channels (a part of them on small maps).  It goes by steps, of some rows
 * of tiles, or of a piece of one, and a step by rows of slots, so that what a row needs stays in the second-level cache:
 *   1. V[slot][C/16][tile][16] = the row's 7 values of every tile and channel of x * style
 *   2. M[slot][tile][cout]     = sum over channels of V[slot] U[kind]
 *   3. t[panel][row][column][NR] = M across: six columns of one row of t: an odd row, or one of the four that make the three even
 *      ones: the first two points come first, and their sum waits in S for the others
 *   4. the FIR filter over what a step has completed, then the epilogue: of t no more is there than the step's rows and those
 *      above them that the filter still reads.  Rows near the band above or below are kept for the next stage
 * Stage 1, a unit is a panel and a seam between two bands: step 4 for the rows that need t of both. */

enum { UP_TILE = 3, UP_SIDE = 7, UP_ODD = 4, UP_KINDS = 5, UP_T = 2 * UP_TILE };
enum { UP_BAND = 3 };               /* rows of tiles in a band, at least: UP_T UP_BAND rows of t, more than a filter reaches over a seam */

/* Where it wins (measured, bench/LOG.md): enough channels to pay for the transforms. */
static bool is_winograd_up(const nn_conv_shape *s)
{
    return s->ks == 3 && s->up == 2 && s->h >= 8 && s->w >= 8 && s->cin >= 32 && s->cout >= 16;
}

/* t has one even row and column more than x; t_width is what the filter reads. */
static nn_dim up_across(const nn_conv_shape *s) { return (s->w + UP_TILE) / UP_TILE; }
static nn_dim up_down(const nn_conv_shape *s) { return (s->h + UP_TILE) / UP_TILE; }
static nn_dim up_rows(const nn_conv_shape *s) { return 2 * s->h + 1; }

/* Tiles of a step, about: what a row of slots needs, with U, finds room in the caches (measured on one machine each, bench/LOG.md).  Whole rows of tiles,
 * or near-equal pieces of one. */
enum { UP_ABOUT = VW < 16 ? 36 : 64 };
static nn_dim nearest_times(nn_dim n, nn_dim of) { return n < of ? 1 : (n + of / 2) / of; }
static nn_dim up_lines(const nn_conv_shape *s) { return nn_at_most(nearest_times(UP_ABOUT, up_across(s)), up_down(s)); }
static nn_dim up_pieces(const nn_conv_shape *s) { return nearest_times(up_across(s), UP_ABOUT); }
/* Steps of so many rows of tiles, which share them out; no step has more than up_lines_most. */
static nn_dim up_steps(const nn_conv_shape *s, nn_dim rows) { return nearest_times(rows, up_lines(s)); }
static nn_dim up_lines_most(const nn_conv_shape *s) { return nn_at_most(up_lines(s) + up_lines(s) / 2, up_down(s)); }
static nn_dim up_group(const nn_conv_shape *s) { return up_lines_most(s) * ((up_across(s) + up_pieces(s) - 1) / up_pieces(s)); }

/* Bands of a map: one for one thread, a few for each of several; not too few tiles each; of channels that are too few to share out, as many for every
 * thread. */
enum { UP_SHARES = 8, UP_LEAST = 32, UP_FEW = 2 };       /* bands a thread, tiles, panels */
static nn_dim up_bands(const nn_conv_shape *s)
{
    const nn_dim most = nn_at_most(up_down(s) / UP_BAND, up_across(s) * up_down(s) / UP_LEAST), threads = s->threads;
    if (most < 1 || threads == 1) return 1;
    const nn_dim bands = threads ? nn_at_most(most, threads * UP_SHARES) : most;
    return threads && threads < bands && conv_panels(s) <= UP_FEW ? bands - bands % threads : bands;
}
/* The first row of tiles of band b, of t, and the first row of the output that it filters: those before need t above. */
static nn_dim up_line(const nn_conv_shape *s, nn_dim b) { return up_down(s) * b / up_bands(s); }
static nn_dim up_first(const nn_conv_shape *s, nn_dim b) { return UP_T * up_line(s, b); }
static nn_dim up_pad(nn_dim taps) { return (taps + 1) / 2 - 1; }
static nn_dim up_own(const nn_conv_shape *s, nn_dim b) { return b == 0 ? 0 : b == up_bands(s) ? 2 * s->h : up_first(s, b) + up_pad(s->fh); }
/* And the first row of output that waits for more of t than `rows` rows of tiles give: of a band, for the seam below it. */
static nn_dim up_ready(const nn_conv_shape *s, nn_dim rows) { return rows == up_down(s) ? 2 * s->h : UP_T * rows + up_pad(s->fh) - (s->fh - 1); }

static nn_dim up_parts(const nn_conv_shape *s) { return panel_parts(s, up_bands(s)); }
static nn_dim up_part_panels(const nn_conv_shape *s) { return (conv_panels(s) + up_parts(s) - 1) / up_parts(s); }
static nn_dim up_matrix(const nn_conv_shape *s) { return nn_channels_padded(s->cin) * nn_channels_padded(s->cout); }
static nn_dim up_v_slot(const nn_conv_shape *s) { return nn_channels_padded(s->cin) * up_group(s) + FREQ_PAD; }
static nn_dim up_m_row(const nn_conv_shape *s) { return up_part_panels(s) * NR; }
static nn_dim up_m_slot(const nn_conv_shape *s) { return up_m_row(s) * up_group(s) + FREQ_PAD; }
static nn_dim up_t_row(const nn_conv_shape *s) { return t_width(s) * NR; }
/* Rows of t that are there at once: a step's, and those above that the filter still reads. */
static nn_dim up_t_rows(const nn_conv_shape *s) { return UP_T * up_lines_most(s) + s->fh - 1; }
static nn_dim up_t_panel(const nn_conv_shape *s) { return up_t_rows(s) * up_t_row(s); }
/* The rows of t that a seam keeps of the band above, and of the one below. */
static nn_dim up_kept(const nn_conv_shape *s) { return (s->fh - 1) * up_t_row(s); }
static nn_dim up_shared(const nn_conv_shape *s) { return conv_panels(s) * (up_bands(s) - 1) * 2 * up_kept(s); }
static nn_dim up_packed(const nn_conv_shape *s) { return UP_KINDS * UP_KINDS * up_matrix(s) + (nn_dim)(sizeof(fir) / sizeof(float)); }
static nn_dim up_units(const nn_conv_shape *s, int stage) { return stage == 0 ? up_bands(s) * up_parts(s) : (up_bands(s) - 1) * conv_panels(s); }

static nn_dim up_scratch(const nn_conv_shape *s)
{
    return up_t_row(s) + up_part_panels(s) * up_t_panel(s) + UP_SIDE * up_v_slot(s) + (UP_SIDE + UP_T) * up_m_slot(s);
}

static void up_pack(const nn_conv_shape *s, const float *weight, float *packed)
{
    static const double G[UP_KINDS][3] = { { 0.5, 0, 0.5 }, { -0.5, 0, 0.5 }, { 0, 0, 1 }, { 1, 0, 0 }, { 0, 1, 0 } };
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

/* The seven values across from four pixels. */
INLINE void up_in(vf o[UP_SIDE], const vf d[4])
{
    o[0] = vf_add(d[2], d[1]);
    o[1] = vf_sub(d[2], d[1]);
    o[2] = vf_sub(d[0], d[2]);
    o[3] = vf_sub(d[3], d[1]);
    o[4] = d[1];
    o[5] = d[2];
    o[6] = d[3];
}

/* The same down: slot a is pixel row `one`, plus `times` pixel row `other`, of the tile's four; the odd taps are one row.  Its row of t, of the tile's
 * six; -1: none yet. */
static const struct { int one, other, times, row; } up_axis[UP_SIDE] = { { 2, 1, 1, -1 }, { 2, 1, -1, 2 }, { 0, 2, -1, 0 }, { 3, 1, -1, 4 },
                                                                        { 1, 1, 0, 1 }, { 2, 2, 0, 3 }, { 3, 3, 0, 5 } };

/* Step 1 for one tile, one row of slots and one vector of channels: x0 is the tile's first column in its pixel rows; one outside the map is NULL.
 * whole: all that is read lies inside. */
INLINE void up_tile_in(const float *one, const float *other, vf times, vf style, nn_dim x0, nn_dim w, float *v, nn_dim slot, bool two, bool whole)
{
    vf d[4], o[UP_SIDE];
    UNROLL for (int b = 0; b < 4; b++) {
        const nn_dim x = x0 - 1 + b, at = x * NN_CB;
        const bool inside = whole || (x >= 0 && x < w);
        d[b] = whole || (inside && one) ? vf_mul(vf_load(one + at), style) : vf_set1(0.0f);
        if (two && (whole || (inside && other))) d[b] = vf_fma(times, vf_mul(vf_load(other + at), style), d[b]);
    }
    up_in(o, d);
    UNROLL for (int j = 0; j < UP_SIDE; j++) vf_store(v + j * slot, o[j]);
}

/* Step 1 for row a, a block of channels and n tiles from `first` on; map: the block's. */
INLINE void up_tiles_in(const nn_conv_shape *s, const float *map, const float style[NN_CB], int a, nn_dim first, nn_dim n, float *v, bool two)
{
    const nn_dim across = up_across(s), slot = up_v_slot(s), w = s->w, h = s->h;
    const vf times = vf_set1((float)up_axis[a].times);
    nn_dim tile_x = first % across, y = first / across * UP_TILE - 1;
    for (nn_dim i = 0; i < n; i++, v += NN_CB) {
        const nn_dim y1 = y + up_axis[a].one, y2 = y + up_axis[a].other, x0 = tile_x * UP_TILE;
        const float *one = y1 >= 0 && y1 < h ? map + y1 * w * NN_CB : NULL, *other = y2 >= 0 && y2 < h ? map + y2 * w * NN_CB : NULL;
        const bool whole = one && other && x0 >= 1 && x0 + UP_TILE <= w;
        for (nn_dim c = 0; c < NN_CB; c += VW) {
            if (whole) up_tile_in(one + c, other + c, times, vf_load(style + c), x0, w, v + c, slot, two, true);
            else up_tile_in(one ? one + c : NULL, other ? other + c : NULL, times, vf_load(style + c), x0, w, v + c, slot, two, false);
        }
        if (++tile_x == across) { tile_x = 0; y += UP_TILE; }
    }
}

static void up_row_in(const nn_conv_shape *s, const nn_conv_job *j, int a, nn_dim first, nn_dim n, float *v)
{
    const nn_dim group = up_group(s) * NN_CB;
    for (nn_dim cb = 0; cb < conv_blocks(s); cb++, v += group) {
        float style[NN_CB];
        block_style(style, s, j, cb);
        const float *map = j->x + cb * s->h * s->w * NN_CB;
        if (a < UP_ODD) up_tiles_in(s, map, style, a, first, n, v, true);
        else up_tiles_in(s, map, style, a, first, n, v, false);
    }
}

/* Step 2 for row a: the panels [p0, p1).  The three odd taps across share their weights. */
static void up_row_products(const nn_conv_shape *s, const float *u, int a, nn_dim n, nn_dim p0, nn_dim p1, const float *v, float *m)
{
    const nn_dim cin = nn_channels_padded(s->cin), row = UP_KINDS * (a < UP_ODD ? a : UP_ODD);
    for (int b = 0; b < UP_KINDS; b++)
        for (nn_dim panel = p0; panel < p1; panel++) {
            const int nv = panel_vectors(s, panel);
            const float *at = u + (row + b) * up_matrix(s) + panel * NR * cin;
            const slot_job g = { .group = up_group(s), .n = n, .count = b < UP_ODD ? 1 : UP_TILE, .v_slot = up_v_slot(s), .m_slot = up_m_slot(s),
                                 .m_row = up_m_row(s), .v = v + b * up_v_slot(s), .u = at, .next = at + nv * VW * cin,
                                 .m = m + b * up_m_slot(s) + (panel - p0) * NR };
            winograd_panel(s, &g, nv);
        }
}

/* Step 3 for one tile, row a of its slots and one vector of channels: `columns` (at most 6) numbers of a row of t; none: t is not written. */
INLINE void up_tile_out(int a, const float *m, float *sum, nn_dim slot, float *t, nn_dim columns)
{
    vf o[UP_T];
    const vf m0 = vf_load(m), m1 = vf_load(m + slot), both = vf_add(m0, m1);
    o[0] = vf_add(vf_load(m + 2 * slot), both);
    o[2] = vf_sub(m0, m1);
    o[4] = vf_add(both, vf_load(m + 3 * slot));
    UNROLL for (int k = 0; k < UP_TILE; k++) o[2 * k + 1] = vf_load(m + (UP_ODD + k) * slot);
    UNROLL for (int c = 0; c < UP_T; c++) {
        if (a < UP_ODD && a > 0) {
            const vf before = vf_load(sum + c * slot);
            if (a == 1) vf_store(sum + c * slot, vf_add(before, o[c]));
            o[c] = a == 1 ? vf_sub(before, o[c]) : vf_add(before, o[c]);
        }
        if (a == 0) vf_store(sum + c * slot, o[c]);
        else if (c < columns) vf_store(t + c * NR, o[c]);
    }
}

/* `rows` rows of one panel's t, the map's row y in place of row y - rows, from row `top` on. */
typedef struct { float *t; nn_dim top, rows; } t_window;
static inline float *t_at(const nn_conv_shape *s, const t_window *w, nn_dim y) { return w->t + (y - w->top) % w->rows * up_t_row(s); }

/* The same of the panel p after. */
static t_window t_panel(const nn_conv_shape *s, const t_window *w, nn_dim p) { return (t_window){ w->t + p * up_t_panel(s), w->top, w->rows }; }

/* Step 3 for row a of n tiles of one panel, and the zeros left and right of t.  kind: a, or UP_ODD. */
INLINE void up_tiles_out(const nn_conv_shape *s, int a, int kind, nn_dim first, nn_dim n, const float *m, float *sum, const t_window *to, int nv)
{
    const nn_dim pad = up_pad(s->fw), t_row = up_t_row(s), across = up_across(s), slot = up_m_slot(s), m_row = up_m_row(s);
    const nn_dim end = nn_at_most(2 * s->w + 1, t_width(s) - pad);           /* columns of t that the filter reads */
    nn_dim tile_x = first % across, y = first / across * UP_T + up_axis[a].row;
    float *row = kind ? t_at(s, to, y) : to->t;           /* row 0 of the slots writes none */
    for (nn_dim i = 0; i < n; i++, m += m_row, sum += m_row) {
        float *at = row + (pad + UP_T * tile_x) * NR;
        const nn_dim columns = end - UP_T * tile_x;
        for (int lane = 0; lane < nv * VW; lane += VW) {
            if (columns >= UP_T) up_tile_out(kind, m + lane, sum + lane, slot, at + lane, UP_T);
            else up_tile_out(kind, m + lane, sum + lane, slot, at + lane, columns);
        }
        if (kind > 0 && tile_x == 0) memset(row, 0, (size_t)(pad * NR) * sizeof *row);
        if (kind > 0 && tile_x == across - 1) memset(row + (pad + end) * NR, 0, (size_t)(t_row - (pad + end) * NR) * sizeof *row);
        if (++tile_x < across) continue;
        tile_x = 0;
        y += UP_T;
        if (kind) row = t_at(s, to, y);
    }
}

static void up_row_out(const nn_conv_shape *s, int a, nn_dim first, nn_dim n, const float *m, float *sum, const t_window *to, int nv)
{
    switch (a) {
        case 0: up_tiles_out(s, a, 0, first, n, m, sum, to, nv); break;
        case 1: up_tiles_out(s, a, 1, first, n, m, sum, to, nv); break;
        case 2: case 3: up_tiles_out(s, a, 2, first, n, m, sum, to, nv); break;
        default: up_tiles_out(s, a, UP_ODD, first, n, m, sum, to, nv);
    }
}

/* How many of a map's tiles need row a of their slots: of the last ones some rows of t lie below the map. */
static nn_dim up_needed(const nn_conv_shape *s, int a)
{
    const nn_dim down = a < 2 ? up_down(s) : (up_rows(s) - up_axis[a].row + UP_T - 1) / UP_T;
    return down * up_across(s);
}

/* Step 4 for rows [y0, y1) and columns [x0, x1) of the output and one panel: some columns of all rows before the next, which read the same of t. */
static void up_filter(const nn_conv_shape *s, const fir *f, const nn_conv_job *j, nn_dim panel, nn_dim y0, nn_dim y1, nn_dim x0, nn_dim x1, const t_window *w,
                      const float *zero)
{
    if (y0 >= y1) return;
    epilogue e;
    epilogue_prepare(&e, s, j, panel);
    for (nn_dim x = x0; x < x1; x += CHUNK)
        for (nn_dim y = y0; y < y1; y++) {
            const float *from[FIR_MAX];
            for (nn_dim a = 0; a < s->fh; a++) {
                const nn_dim row = y - up_pad(s->fh) + a;
                from[a] = row < 0 || row >= up_rows(s) ? zero : t_at(s, w, row);
            }
            filter_row(s, j, &e, f, from, panel, y, x, nn_at_most(CHUNK, x1 - x));
        }
}

/* What the seam above band b (side 1) or below (side 0) keeps of it. */
static float *up_keep(const nn_conv_shape *s, float *shared, nn_dim panel, nn_dim seam, int side)
{
    return shared + ((panel * (up_bands(s) - 1) + seam) * 2 + side) * up_kept(s);
}

/* Of rows [y0, y1) of one panel's t, what the seams above and below the band need. */
static void up_keep_rows(const nn_conv_shape *s, float *shared, nn_dim panel, nn_dim band, nn_dim y0, nn_dim y1, const t_window *w)
{
    const nn_dim row = up_t_row(s), kept = s->fh - 1, below = up_first(s, band + 1) - kept;
    for (nn_dim y = y0; y < y1; y++) {
        if (band > 0 && y - w->top < kept) memcpy(up_keep(s, shared, panel, band - 1, 1) + (y - w->top) * row, t_at(s, w, y), (size_t)row * sizeof *shared);
        if (band + 1 < up_bands(s) && y >= below) memcpy(up_keep(s, shared, panel, band, 0) + (y - below) * row, t_at(s, w, y), (size_t)row * sizeof *shared);
    }
}

/* Steps 1 to 3 for tiles [from, to) and panels [p0, p1), whose windows lie up_t_panel apart. */
static void up_tiles(const nn_conv_shape *s, const float *u, const nn_conv_job *j, nn_dim from, nn_dim to, nn_dim p0, nn_dim p1, const t_window *window, float *v)
{
    float *const m = v + UP_SIDE * up_v_slot(s), *const sum = m + UP_SIDE * up_m_slot(s);
    for (int a = 0; a < UP_SIDE; a++) {
        const nn_dim n = nn_at_most(to, up_needed(s, a)) - from;
        if (n <= 0) continue;
        up_row_in(s, j, a, from, n, v);
        up_row_products(s, u, a, n, p0, p1, v, m);
        for (nn_dim p = 0; p < p1 - p0; p++) {
            const t_window w = t_panel(s, window, p);
            up_row_out(s, a, from, n, m + p * NR, sum + p * NR, &w, panel_vectors(s, p0 + p));
        }
    }
}

static void up_band_unit(const nn_conv_shape *s, const float *u, const fir *f, const nn_conv_job *j, nn_dim unit, float *zero, float *shared)
{
    const nn_dim band = unit / up_parts(s), first = up_line(s, band), rows = up_line(s, band + 1) - first, across = up_across(s);
    const nn_dim p0 = unit % up_parts(s) * up_part_panels(s), p1 = nn_at_most(p0 + up_part_panels(s), conv_panels(s));
    const nn_dim steps = up_steps(s, rows), pieces = up_pieces(s);
    if (p0 >= p1) return;                                /* parts are rounded up */
    const t_window window = { zero + up_t_row(s), up_first(s, band), up_t_rows(s) };
    float *const v = window.t + up_part_panels(s) * up_t_panel(s);
    nn_dim filtered = up_own(s, band);
    for (nn_dim step = 0; step < steps; step++) {
        const nn_dim line = first + rows * step / steps, end = first + rows * (step + 1) / steps, tiles = (end - line) * across, ready = up_ready(s, end);
        nn_dim x0 = 0;
        for (nn_dim piece = 0; piece < pieces; piece++) {
            const nn_dim from = tiles * piece / pieces, to = tiles * (piece + 1) / pieces;
            const nn_dim x1 = piece + 1 == pieces ? 2 * s->w : UP_T * to + up_pad(s->fw) - (s->fw - 1);
            up_tiles(s, u, j, line * across + from, line * across + to, p0, p1, &window, v);
            for (nn_dim panel = p0; panel < p1; panel++) {
                const t_window w = t_panel(s, &window, panel - p0);
                up_filter(s, f, j, panel, filtered, ready, x0, x1, &w, zero);
                if (piece + 1 == pieces) up_keep_rows(s, shared, panel, band, UP_T * line, nn_at_most(UP_T * end, up_rows(s)), &w);
            }
            x0 = x1;
        }
        if (ready > filtered) filtered = ready;
    }
}

static void up_unit(const nn_conv_shape *s, const float *packed, const nn_conv_job *j, int stage, nn_dim unit, float *scratch, float *shared)
{
    fir f;
    memcpy(&f, packed + UP_KINDS * UP_KINDS * up_matrix(s), sizeof f);
    memset(scratch, 0, (size_t)up_t_row(s) * sizeof *scratch);
    if (stage == 0) { up_band_unit(s, packed, &f, j, unit, scratch, shared); return; }
    const nn_dim panel = unit / (up_bands(s) - 1), seam = unit % (up_bands(s) - 1), kept = s->fh - 1;
    const t_window w = { up_keep(s, shared, panel, seam, 0), up_first(s, seam + 1) - kept, 2 * kept };
    up_filter(s, &f, j, panel, up_ready(s, up_line(s, seam + 1)), up_own(s, seam + 1), 0, 2 * s->w, &w, scratch);
}
