/* fast_winograd.h: 3x3 convolution of large maps by Winograd's F(4x4, 3x3): 36 products for 16 outputs instead of 144.
 *
 *   Y = A^T [ (G g G^T) . (B^T d B) ] A      d: 6x6 input tile, g: 3x3 kernel, Y: 4x4 outputs
 *   (Winograd 1980; Lavin & Gray 2016)  Points 0, +-P, +-Q, infinity with P = 3/4, Q = 3/2: all constants are exact in binary,
 *   and rounding grows by 5.1 (rms) and 8.8 (worst of the 16 outputs) over a direct sum; the usual +-1, +-2 give 10.8 and 31
 *   (docs/NUMERICS.md derives it).
 *
 * A unit is a group of tiles, in row order, and all output channels (a part of them on small maps):
 *   1. V[f][C/16][tile][16] = B^T (x * style) B      the 36 values of every tile and channel
 *   2. M[f][tile][cout]     = sum over channels of V[f] U[f]: 36 small products; V[f] and a panel of U[f] sit in the
 *                             second-level cache
 *   3. y = epilogue(A^T M A)
 * U[f][panel][C][NR] = G g G^T is made at load, in double.  Tiles are independent: groups cannot change a bit. */

static const double P = 0.75, Q = 1.5, P2 = 0.5625, Q2 = 2.25;         /* and their squares */
enum { WINOGRAD_LEAST = 8, FREQ = 36, FREQ_PAD = NN_CB };                   /* FREQ_PAD: frequencies start on different cache sets */

/* Where it wins (measured, bench/LOG.md): enough tiles to use U again, and enough channels to pay for the transforms. */
static bool is_winograd(const nn_conv_shape *s)
{
    return s->ks == 3 && s->up == 1 && s->h >= WINOGRAD_LEAST && s->w >= WINOGRAD_LEAST && s->cin >= 16 && s->cout >= 16;
}

static nn_dim winograd_across(const nn_conv_shape *s) { return (s->w + 3) / 4; }
static nn_dim winograd_tiles(const nn_conv_shape *s) { return winograd_across(s) * ((s->h + 3) / 4); }
/* Tiles of a unit.  U is read once a unit, so more tiles save memory traffic (64 against 32: 7 % of a 256 px picture, one thread), but V and M of fewer
 * stay in the second-level cache; small maps keep enough units for the threads.  (bench/LOG.md) */
static nn_dim winograd_group(const nn_conv_shape *s)
{
    const nn_dim tiles = winograd_tiles(s), groups = (tiles + 35) / 36;
    return tiles < 256 ? (tiles + groups - 1) / groups : s->cin > 64 ? 60 : 36;
}
static nn_dim winograd_groups(const nn_conv_shape *s) { return (winograd_tiles(s) + winograd_group(s) - 1) / winograd_group(s); }
/* Small maps have few groups: threads share out the panels, too, at the price of making V once a part: as many parts as give all threads the same, or
 * nearly.  Of pictures that go together each part's weights serve all before the next part's. */
static nn_dim panel_parts(const nn_conv_shape *s, nn_dim groups)
{
    const nn_dim threads = s->threads ? s->threads : 4;
    nn_dim parts = 1;
    while (parts < conv_panels(s) && groups * parts % threads && groups * parts < 4 * threads) parts++;
    return parts;
}
static nn_dim winograd_packed(const nn_conv_shape *s) { return FREQ * nn_channels_padded(s->cin) * nn_channels_padded(s->cout); }
static nn_dim winograd_units(const nn_conv_shape *s, int stage) { return stage ? 0 : winograd_groups(s) * panel_parts(s, winograd_groups(s)); }
static nn_dim v_freq(const nn_conv_shape *s) { return nn_channels_padded(s->cin) * winograd_group(s) + FREQ_PAD; }
static nn_dim m_freq(const nn_conv_shape *s) { return nn_channels_padded(s->cout) * winograd_group(s) + FREQ_PAD; }
static nn_dim winograd_scratch(const nn_conv_shape *s) { return FREQ * (v_freq(s) + m_freq(s)); }

/* u = G g G^T for one input channel and NR output channels; g[tap][lane]. */
static void winograd_kernel(double u[FREQ][NR], double g[9][NR])
{
    /* Row of point x: (1, x, x^2) / product of its distances to the other points. */
    const double at0 = 1.0 / (P2 * Q2), at_p = 1.0 / (2.0 * P2 * (P2 - Q2)), at_q = 1.0 / (2.0 * Q2 * (Q2 - P2));
    const double G[6][3] = { { at0, 0, 0 }, { at_p, P * at_p, P2 * at_p }, { at_p, -P * at_p, P2 * at_p },
                             { at_q, Q * at_q, Q2 * at_q }, { at_q, -Q * at_q, Q2 * at_q }, { 0, 0, 1 } };
    double row[6][3][NR];
    for (int a = 0; a < 6; a++)
        for (int b = 0; b < 3; b++)
            for (int o = 0; o < NR; o++) row[a][b][o] = G[a][0] * g[b][o] + G[a][1] * g[3 + b][o] + G[a][2] * g[6 + b][o];
    for (int a = 0; a < 6; a++)
        for (int b = 0; b < 6; b++)
            for (int o = 0; o < NR; o++) u[a * 6 + b][o] = row[a][0][o] * G[b][0] + row[a][1][o] * G[b][1] + row[a][2][o] * G[b][2];
}

/* g[tap][lane] of input channel i, zeros where they pad. */
static void gather_taps(double g[9][NR], const nn_conv_shape *s, const float *weight, nn_dim panel, nn_dim i)
{
    for (nn_dim o = 0; i < s->cin && o < NR && panel * NR + o < s->cout; o++)
        for (int t = 0; t < 9; t++) g[t][o] = weight[((panel * NR + o) * s->cin + i) * 9 + t];
}

static void winograd_pack(const nn_conv_shape *s, const float *weight, float *packed)
{
    const nn_dim cin = nn_channels_padded(s->cin), cout = nn_channels_padded(s->cout);
    for (nn_dim panel = 0; panel < conv_panels(s); panel++) {
        const nn_dim wide = panel_vectors(s, panel) * VW;
        for (nn_dim i = 0; i < cin; i++) {
            double g[9][NR] = { { 0 } }, u[FREQ][NR];
            gather_taps(g, s, weight, panel, i);
            winograd_kernel(u, g);
            for (nn_dim f = 0; f < FREQ; f++)
                for (nn_dim o = 0; o < wide; o++) packed[f * cin * cout + panel * NR * cin + i * wide + o] = (float)u[f][o];
        }
    }
}

/* o = B^T d along one axis: row of point x holds the coefficients of the product of (z - y) over the other points y. */
INLINE void winograd_in(vf o[6], const vf d[6])
{
    const vf p2 = vf_set1((float)-P2), q2 = vf_set1((float)-Q2), both = vf_set1((float)(P2 * Q2)), sum = vf_set1((float)-(P2 + Q2));
    const vf even_p = vf_fma(q2, d[2], d[4]), odd_p = vf_mul(vf_set1((float)P), vf_fma(q2, d[1], d[3]));
    const vf even_q = vf_fma(p2, d[2], d[4]), odd_q = vf_mul(vf_set1((float)Q), vf_fma(p2, d[1], d[3]));
    o[0] = vf_fma(both, d[0], vf_fma(sum, d[2], d[4]));
    o[1] = vf_add(even_p, odd_p);
    o[2] = vf_sub(even_p, odd_p);
    o[3] = vf_add(even_q, odd_q);
    o[4] = vf_sub(even_q, odd_q);
    o[5] = vf_fma(both, d[1], vf_fma(sum, d[3], d[5]));
}

/* o = A^T m along one axis: row i holds the i-th powers of the points. */
INLINE void winograd_out(vf o[4], const vf m[6])
{
    const vf sp = vf_add(m[1], m[2]), dp = vf_sub(m[1], m[2]), sq = vf_add(m[3], m[4]), dq = vf_sub(m[3], m[4]);
    o[0] = vf_add(m[0], vf_add(sp, sq));
    o[1] = vf_fma(vf_set1((float)P), dp, vf_mul(vf_set1((float)Q), dq));
    o[2] = vf_fma(vf_set1((float)P2), sp, vf_mul(vf_set1((float)Q2), sq));
    o[3] = vf_fma(vf_set1((float)(P * P2)), dp, vf_fma(vf_set1((float)(Q * Q2)), dq, m[5]));
}

/* Step 1 for one tile and one vector of channels: x points at channel lane 0 of pixel (0,0), (y,x0) is the tile's corner.
 * whole: all of it lies inside. */
INLINE void winograd_tile_in(const nn_conv_shape *s, const float *x, vf style, nn_dim y, nn_dim x0, float *v, nn_dim freq, bool whole)
{
    vf mid[6][6];
    UNROLL for (int b = 0; b < 6; b++) {
        vf d[6], o[6];
        const nn_dim px = x0 - 1 + b;
        UNROLL for (int a = 0; a < 6; a++) {
            const nn_dim py = y - 1 + a;
            const bool inside = whole || (py >= 0 && py < s->h && px >= 0 && px < s->w);
            d[a] = inside ? vf_mul(vf_load(x + (py * s->w + px) * NN_CB), style) : vf_set1(0.0f);
        }
        winograd_in(o, d);
        UNROLL for (int a = 0; a < 6; a++) mid[a][b] = o[a];
    }
    UNROLL for (int a = 0; a < 6; a++) {
        vf o[6];
        winograd_in(o, mid[a]);
        UNROLL for (int b = 0; b < 6; b++) vf_store(v + (a * 6 + b) * freq, o[b]);
    }
}

/* Step 3 for one tile and one vector of channels. */
INLINE void winograd_tile_out(const nn_conv_shape *s, const nn_conv_job *j, const epilogue *e, int lane, nn_dim channel,
                              nn_dim y, nn_dim x0, const float *m, nn_dim freq, bool whole)
{
    vf mid[4][6];
    UNROLL for (int b = 0; b < 6; b++) {
        vf d[6], o[4];
        UNROLL for (int a = 0; a < 6; a++) d[a] = vf_load(m + (a * 6 + b) * freq);
        winograd_out(o, d);
        UNROLL for (int a = 0; a < 4; a++) mid[a][b] = o[a];
    }
    float *out = map_vector(j->y, s->h * s->w, y * s->w + x0, channel);
    const float *noise = j->noise ? j->noise + y * s->w + x0 : NULL;
    UNROLL for (int a = 0; a < 4; a++) {
        vf o[4];
        if (!whole && y + a >= s->h) break;
        winograd_out(o, mid[a]);
        UNROLL for (int b = 0; b < 4; b++)
            if (whole || x0 + b < s->w) vf_store(out + (a * s->w + b) * NN_CB, epilogue_apply(epilogue_load(e, lane), o[b], noise ? noise[a * s->w + b] : 0.0f));
    }
}

/* The products of one panel: `count` slots of n tiles each, all with the weights u.  Rows of V lie NN_CB apart, of M m_row. */
typedef struct { nn_dim group, n, count, v_slot, m_slot, m_row; const float *v, *u, *next; float *m; } slot_job;

/* Step 2 for `pieces` pieces of mr tiles, from tile i on, of every slot and one panel: m = V[f] U[f].  The weights of the next panel come from far away:
 * each piece fetches its part of them into the second-level cache, LINE floats at a time, between the channel blocks.  (bench/LOG.md)  Returns what to
 * fetch next. */
enum { LINE = 16 };
INLINE const float *winograd_products(const nn_conv_shape *s, const slot_job *g, const float *next, nn_dim part, nn_dim i, nn_dim pieces, int mr, int nv)
{
    const nn_dim blocks = conv_blocks(s);
    const float *const u = g->u;
    for (nn_dim slot = 0; slot < g->count; slot++) {
        const float *v = g->v + slot * g->v_slot + i * NN_CB;
        float *m = g->m + slot * g->m_slot + i * g->m_row;
        for (nn_dim k = 0; k < pieces; k++, v += mr * NN_CB, m += mr * g->m_row) {
            tile t;
            tile_zero(&t, mr, nv);
            for (nn_dim cb = 0; cb < blocks; cb++, next += part) {
                for (nn_dim l = 0; l < part; l += LINE) __builtin_prefetch(next + l, 0, 2);
                tile_add(&t, mr, nv, NN_CB, v + cb * g->group * NN_CB, NN_CB, 1, u + cb * NN_CB * nv * VW, nv * VW);
            }
            UNROLL for (int p = 0; p < mr; p++) UNROLL for (int l = 0; l < nv; l++) vf_store(m + p * g->m_row + l * VW, t.v[p][l]);
        }
    }
    return next;
}

static const float *winograd_pieces(const nn_conv_shape *s, const slot_job *g, const float *next, nn_dim part, nn_dim i, nn_dim pieces, nn_dim mr, int nv)
{
    #define BODY(a, b) next = winograd_products(s, g, next, part, i, pieces, a, b)
    TILE_SWITCH(mr, nv, BODY)
    #undef BODY
    return next;
}

static void winograd_panel(const nn_conv_shape *s, const slot_job *g, int nv)
{
    const tiling t = tiles_of(g->n);
    const nn_dim part = (NN_CB * nv * VW / LINE + t.count * g->count - 1) / (t.count * g->count) * LINE;
    const float *next = g->next;
    if (t.tall) next = winograd_pieces(s, g, next, part, 0, t.tall, t.low + 1, nv);
    winograd_pieces(s, g, next, part, t.tall * (t.low + 1), t.count - t.tall, t.low, nv);
}

static void winograd_unit(const nn_conv_shape *s, const float *u, const nn_conv_job *j, int stage, nn_dim unit, float *v, float *shared)
{
    (void)stage; (void)shared;                          /* all is done in one stage */
    const nn_dim group = winograd_group(s), parts = panel_parts(s, winograd_groups(s)), across = winograd_across(s), first = unit / parts * group;
    const nn_dim left = winograd_tiles(s) - first, n = left < group ? left : group;
    const nn_dim p0 = conv_panels(s) * (unit % parts) / parts, p1 = conv_panels(s) * (unit % parts + 1) / parts;
    const nn_dim cin = nn_channels_padded(s->cin), cout = nn_channels_padded(s->cout);
    float *m = v + FREQ * v_freq(s);

    for (nn_dim cb = 0; cb < conv_blocks(s); cb++) {
        float style[NN_CB];
        block_style(style, s, j, cb);
        for (nn_dim i = 0; i < n; i++) {
            const nn_dim y = (first + i) / across * 4, x = (first + i) % across * 4;
            const bool whole = y >= 1 && x >= 1 && y + 5 <= s->h && x + 5 <= s->w;
            for (nn_dim c = 0; c < NN_CB; c += VW) {
                const float *from = j->x + cb * s->h * s->w * NN_CB + c;
                float *to = v + (cb * group + i) * NN_CB + c;
                if (whole) winograd_tile_in(s, from, vf_load(style + c), y, x, to, v_freq(s), true);
                else winograd_tile_in(s, from, vf_load(style + c), y, x, to, v_freq(s), false);
            }
        }
    }
    for (nn_dim f = 0; f < FREQ; f++)
        for (nn_dim panel = p0; panel < p1; panel++) {
            const float *at = u + (f * cout + panel * NR) * cin;
            const int nv = panel_vectors(s, panel);
            const slot_job g = { .group = group, .n = n, .count = 1, .v_slot = v_freq(s), .m_slot = m_freq(s), .m_row = cout,
                                 .v = v + f * v_freq(s), .u = at, .next = at + nv * VW * cin, .m = m + f * m_freq(s) + panel * NR };
            winograd_panel(s, &g, nv);
        }
    for (nn_dim panel = p0; panel < p1; panel++) {
        epilogue e;
        epilogue_prepare(&e, s, j, panel);
        for (nn_dim i = 0; i < n; i++) {
            const nn_dim y = (first + i) / across * 4, x = (first + i) % across * 4;
            const bool whole = y + 4 <= s->h && x + 4 <= s->w;
            for (int lane = 0; lane < panel_vectors(s, panel); lane++) {
                const nn_dim channel = panel * NR + lane * VW;
                const float *from = m + i * cout + channel;
                if (whole) winograd_tile_out(s, j, &e, lane, channel, y, x, from, m_freq(s), true);
                else winograd_tile_out(s, j, &e, lane, channel, y, x, from, m_freq(s), false);
            }
        }
    }
}
