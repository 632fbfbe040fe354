/* fast_amx.h: products of the row `amx`: fp32 results from tiles of bf16 (Intel AMX).
 *
 * AMX multiplies a tile of 16 x 32 bf16 by one of 32 x 16 and adds to 16 x 16 fp32, sixteen times as much a cycle as fp32 multiply-adds do.  A
 * bf16 is a float's upper half: 8 of its 24 significant bits.  So every float is split, with nothing lost, into three:
 *
 *      x = h + m + l          h = x to 8 bits, m = x - h to 8 bits, l = x - h - m
 *
 * and of a product's nine terms those six are added that a float could tell apart: h l', h m', m m', m h', l h', h h'.  What is left out is below
 * half a last place of the product (docs/NUMERICS.md § 6).  32 steps of one term are summed from zero, and their sum is added to the
 * accumulator at once: fewer roundings than a chain of multiply-adds.
 *
 *      A tile, 16 rows x 32 steps:  row p = (A(p,0) A(p,16)) (A(p,1) A(p,17)) ... 16 pairs       any order of steps will do that both
 *      B tile, 32 steps x 16 cols:  row i = (B(i,0) B(i+16,0)) (B(i,1) B(i+16,1)) ...            operands share; this one needs no shuffles
 *
 * 2 x 2 tiles of results, 32 x 32 numbers, stay in the registers; the other four registers hold two tiles of A's and two of B's.  A tile takes
 * sixteen cycles in a unit of its own, so meanwhile the next 32 rows of A are split.  Each output is one chain over the steps in order,
 * whatever tile it falls in.  Parts below 2^-126 count as zero; numbers from 2^128 (1 - 2^-9) on give NaN. */

enum { TILE = 16, STEPS = 32, TILE_NUMBERS = TILE * STEPS };             /* rows or columns of a tile, its steps, its bf16 (1 kB) */
enum { PAIR = 2 * TILE, PAIR_NUMBERS = 2 * TILE_NUMBERS };               /* split operands come in pairs of tiles, one behind the other */
enum { WHOLE = 3, ROUNDED = 1 };                        /* parts of a number: all three, or h alone (NN_BF16) */
enum { AMX_KC = 256, AMX_NC = 128 };                    /* steps and columns of a pass: its operands stay in the second-level cache */

/* All eight registers: 16 rows of 64 bytes. */
static void tiles_open(void)
{
    const struct { uint8_t palette, start, zero[14]; uint16_t bytes[16]; uint8_t rows[16]; } all __attribute__((aligned(64))) = {
        .palette = 1, .bytes = { 64, 64, 64, 64, 64, 64, 64, 64 }, .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };
    _tile_loadconfig(&all);
}

/* ---- splitting ------------------------------------------------------------------------------------------------------ */

/* x to the nearest bf16 (halves away from zero), as a float. */
INLINE __m512i upper(__m512 x)
{
    return _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)), _mm512_set1_epi32(-0x10000));
}
/* The same where h is all that there is: NaN stays one.  (Of three parts l has what is left of it.) */
INLINE __m512i rounded(__m512 x)
{
    return _mm512_mask_mov_epi32(upper(x), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
}
/* 16 pairs of bf16: the upper halves of low and of high. */
INLINE __m512i pairs(__m512i low, __m512i high) { return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(low, 16), high); }

/* One row of a tile: `to` is its place in the part h; the others follow a pair of tiles apart. */
INLINE void split(int parts, uint16_t *to, vf low, vf high)
{
    if (parts == ROUNDED) { _mm512_store_si512(to, pairs(rounded(low), rounded(high))); return; }
    UNROLL for (int q = 0; q < 2; q++) {
        const __m512i l = upper(low), h = upper(high);
        _mm512_store_si512(to + q * PAIR_NUMBERS, pairs(l, h));
        low = _mm512_sub_ps(low, _mm512_castsi512_ps(l));
        high = _mm512_sub_ps(high, _mm512_castsi512_ps(h));
    }
    _mm512_store_si512(to + 2 * PAIR_NUMBERS, pairs(_mm512_castps_si512(low), _mm512_castps_si512(high)));
}

/* n numbers, 16 at most, and zeros. */
INLINE __mmask16 mask_of(nn_dim n)
{
    const unsigned mask = n >= TILE ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u;
    return (__mmask16)mask;
}
INLINE vf load_some(const float *p, nn_dim n) { return _mm512_maskz_loadu_ps(mask_of(n), p); }

static nn_dim blocks_in(nn_dim k) { return (k + STEPS - 1) / STEPS; }

/* 16 x 16 pairs, rows to columns: 2 x 2 and 4 x 4 inside the quarters of a register, then the quarters. */
INLINE void transpose_pairs(uint16_t *tile_of)
{
    __m512i *row = (__m512i *)(void *)tile_of, a[TILE], b[TILE];
    UNROLL for (int i = 0; i < TILE; i += 2) {
        a[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
    UNROLL for (int i = 0; i < TILE; i += 4)
        UNROLL for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm512_unpacklo_epi64(a[i + j], a[i + j + 2]);
            b[i + 2 * j + 1] = _mm512_unpackhi_epi64(a[i + j], a[i + j + 2]);
        }
    UNROLL for (int i = 0; i < TILE; i += 8)
        UNROLL for (int j = 0; j < 4; j++) {
            a[i + j] = _mm512_shuffle_i32x4(b[i + j], b[i + j + 4], 0x88);
            a[i + j + 4] = _mm512_shuffle_i32x4(b[i + j], b[i + j + 4], 0xdd);
        }
    UNROLL for (int j = 0; j < 8; j++) {
        row[j] = _mm512_shuffle_i32x4(a[j], a[j + 8], 0x88);
        row[j + 8] = _mm512_shuffle_i32x4(a[j], a[j + 8], 0xdd);
    }
}

/* Up to PAIR rows of A to be split, k steps: to (block, part, 32 rows, 32). */
typedef struct { uint16_t *to; nn_dim m, k; nn_rows a; } left_part;

/* Rows [r0, r1) of the PAIR of block l.  Of an A whose rows lie side by side (transposed) these are pairs of steps, turned when the last of a tile is
 * there; the next block's steps are too far apart for the processor to see that they will be wanted. */
INLINE void split_rows(int parts, const left_part *p, nn_dim l, nn_dim r0, nn_dim r1)
{
    const nn_dim left = p->k - l * STEPS, block = p->a.block;
    const float *from = p->a.at + l * (STEPS / NN_CB) * block;
    uint16_t *to = p->to + l * parts * PAIR_NUMBERS + r0 * STEPS;
    if (p->a.elem == 1) {
        from += nn_at_most(r0, p->m - 1) * p->a.row;
        for (nn_dim r = r0; r < r1; r++, to += STEPS) {
            if (left >= STEPS) split(parts, to, vf_load(from), vf_load(from + block));
            else split(parts, to, load_some(from, left), load_some(from + block, left - NN_CB));
            if (r + 1 < p->m) from += p->a.row;
        }
        return;
    }
    for (nn_dim r = r0; r < r1; r++, to += STEPS) {
        const nn_dim i = r & (TILE - 1), first = r & TILE, m = p->m - first;
        const float *step = from + i * p->a.elem + first;
        __builtin_prefetch(step + 2 * block);
        __builtin_prefetch(step + 3 * block);
        if (left >= STEPS && m >= TILE) split(parts, to, vf_load(step), vf_load(step + block));
        else split(parts, to, load_some(step, i < left ? m : 0), load_some(step + block, i + NN_CB < left ? m : 0));
        if (i == TILE - 1) UNROLL for (int q = 0; q < parts; q++) transpose_pairs(to - i * STEPS + q * PAIR_NUMBERS);
    }
}

/* Numbers of a PAIR of rows or columns of k steps. */
static nn_dim pair_numbers(int parts, nn_dim k) { return blocks_in(k) * parts * PAIR_NUMBERS; }

/* to (pair, block, part, 2 tiles, 16 pairs of steps, 16 columns, 2) = k steps of n columns, rows of b ldb apart. */
INLINE void split_columns(int parts, uint16_t *to, nn_dim n, nn_dim k, const float *b, nn_dim ldb)
{
    const nn_dim next = pair_numbers(parts, k);
    for (nn_dim l = 0; l < k; l += STEPS, to += parts * PAIR_NUMBERS)
        for (nn_dim i = 0; i < TILE; i++)
            for (nn_dim j = 0; j < n; j += TILE) {
                const float *from = b + (l + i) * ldb + j;
                split(parts, to + j / PAIR * next + j % PAIR * STEPS + i * STEPS, load_some(from, l + i < k ? n - j : 0),
                      load_some(from + TILE * ldb, l + i + TILE < k ? n - j : 0));
            }
}

/* ---- products of tiles ---------------------------------------------------------------------------------------------- */

/* c = a PAIR of rows times one of columns, `blocks` blocks of steps, + (add ? c : 0): of both operands mt and nt tiles, 1 or 2.  Meanwhile rows
 * [first, first + share) of the PAIR `ahead` are split. */
typedef struct { nn_dim blocks; const uint16_t *a, *b; float *c; nn_dim ldc; bool add; const left_part *ahead; nn_dim first, share; } tile_job;

INLINE void tile_block(int parts, int mt, int nt, const tile_job *job)
{
    const tile_job g = *job;
    const uint16_t *a = g.a, *b = g.b;
    const nn_dim terms = parts == WHOLE ? 6 : 1;
    const size_t line = (size_t)g.ldc * sizeof *g.c;
    #define LOAD_A(part) do { _tile_loadd(4, a + (part) * PAIR_NUMBERS, 64); if (mt > 1) _tile_loadd(5, a + (part) * PAIR_NUMBERS + TILE_NUMBERS, 64); } while (0)
    #define LOAD_B(part) do { _tile_loadd(6, b + (part) * PAIR_NUMBERS, 64); if (nt > 1) _tile_loadd(7, b + (part) * PAIR_NUMBERS + TILE_NUMBERS, 64); } while (0)
    #define TERM(t) do { \
            _tile_dpbf16ps(0, 4, 6); \
            if (nt > 1) _tile_dpbf16ps(1, 4, 7); \
            if (mt > 1) _tile_dpbf16ps(2, 5, 6); \
            if (mt > 1 && nt > 1) _tile_dpbf16ps(3, 5, 7); \
            split_rows(parts, g.ahead, l, g.first + (t) * g.share / terms, g.first + ((t) + 1) * g.share / terms); \
        } while (0)
    if (g.add) {
        _tile_loadd(0, g.c, line);
        if (nt > 1) _tile_loadd(1, g.c + TILE, line);
        if (mt > 1) _tile_loadd(2, g.c + TILE * g.ldc, line);
        if (mt > 1 && nt > 1) _tile_loadd(3, g.c + TILE * g.ldc + TILE, line);
    } else {
        _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    }
    for (nn_dim l = 0; l < g.blocks; l++, a += parts * PAIR_NUMBERS, b += parts * PAIR_NUMBERS) {
        if (parts == ROUNDED) { LOAD_A(0); LOAD_B(0); TERM(0); continue; }
        LOAD_A(0); LOAD_B(2); TERM(0);                  /* h l' */
        LOAD_B(1); TERM(1);                             /* h m' */
        LOAD_A(1); TERM(2);                             /* m m' */
        LOAD_B(0); TERM(3);                             /* m h' */
        LOAD_A(2); TERM(4);                             /* l h' */
        LOAD_A(0); TERM(5);                             /* h h' */
    }
    _tile_stored(0, g.c, line);
    if (nt > 1) _tile_stored(1, g.c + TILE, line);
    if (mt > 1) _tile_stored(2, g.c + TILE * g.ldc, line);
    if (mt > 1 && nt > 1) _tile_stored(3, g.c + TILE * g.ldc + TILE, line);
    #undef LOAD_A
    #undef LOAD_B
    #undef TERM
}

INLINE void multiply_tiles(int parts, bool two_rows, bool two_columns, const tile_job *g)
{
    if (two_rows && two_columns) tile_block(parts, 2, 2, g);
    else if (two_rows) tile_block(parts, 2, 1, g);
    else if (two_columns) tile_block(parts, 1, 2, g);
    else tile_block(parts, 1, 1, g);
}

/* c (m,n) = relu(c + bias). */
static void activate(float *c, nn_dim ldc, nn_dim m, nn_dim n, const float *bias)
{
    for (nn_dim j = 0; j < n; j += TILE) {
        const __mmask16 some = mask_of(n - j);
        const vf b = _mm512_maskz_loadu_ps(some, bias + j);
        for (nn_dim i = 0; i < m; i++) {
            float *at = c + i * ldc + j;
            _mm512_mask_storeu_ps(at, some, vf_max(vf_set1(0.0f), vf_add(_mm512_maskz_loadu_ps(some, at), b)));
        }
    }
}

/* to (m,n) = from (m,n). */
static void copy_some(float *to, nn_dim ld_to, const float *from, nn_dim ld_from, nn_dim m, nn_dim n)
{
    for (nn_dim i = 0; i < m; i++) memcpy(to + i * ld_to, from + i * ld_from, (size_t)n * sizeof *to);
}

/* k steps, AMX_KC at most, of a product with a split right operand, whose pairs of columns lie next_b apart. */
INLINE void amx_pass(int parts, nn_dim m, nn_dim n, nn_dim k, nn_rows a, const uint16_t *b, nn_dim next_b, float *c, nn_dim ldc, bool add, const float *bias)
{
    float edge[PAIR * PAIR] __attribute__((aligned(64))) = { 0 };      /* whole tiles of results that are not */
    uint16_t left[2][PAIR * AMX_KC * WHOLE] __attribute__((aligned(64)));
    const nn_dim blocks = blocks_in(k), columns = (n + PAIR - 1) / PAIR, share = (PAIR + columns - 1) / columns;
    left_part part = { left[0], nn_at_most(PAIR, m), k, a };
    for (nn_dim l = 0; l < blocks; l++) split_rows(parts, &part, l, 0, part.m > TILE ? PAIR : TILE);
    for (nn_dim i = 0; i < m; i += PAIR) {
        const uint16_t *now = part.to;
        const nn_dim rows = part.m;
        part.a.at += PAIR * a.row;
        part.m = nn_at_most(PAIR, m - i - PAIR);
        part.to = left[(i / PAIR + 1) % 2];
        const nn_dim wanted = part.m <= 0 ? 0 : part.m > TILE ? PAIR : TILE;
        for (nn_dim j = 0, first = 0; j < n; j += PAIR) {
            const nn_dim width = nn_at_most(PAIR, n - j), last = nn_at_most(first + share, wanted);
            const bool whole = rows % TILE == 0 && width % TILE == 0;
            float *to = c + i * ldc + j;
            if (!whole && add) copy_some(edge, PAIR, to, ldc, rows, width);
            multiply_tiles(parts, rows > TILE, width > TILE,
                           &(tile_job){ blocks, now, b + j / PAIR * next_b, whole ? to : edge, whole ? ldc : PAIR, add, &part, first, last - first });
            if (!whole) copy_some(to, ldc, edge, PAIR, rows, width);
            if (bias) activate(to, ldc, rows, width, bias + j);
            first = last;
        }
    }
}

/* A's steps from l on. */
static nn_rows steps_from(nn_rows a, nn_dim l) { return (nn_rows){ a.at + l / NN_CB * a.block, a.row, a.block, a.elem }; }

static void gemm_amx(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add, const float *bias)
{
    uint16_t right[AMX_NC * AMX_KC * WHOLE] __attribute__((aligned(64)));
    if (k < STEPS || (a.elem != 1 && a.row != 1)) { gemm(m, n, k, a, b, ldb, c, ldc, add, bias); return; }
    tiles_open();
    for (nn_dim l = 0; l < k; l += AMX_KC)
        for (nn_dim j = 0; j < n; j += AMX_NC) {
            const nn_dim steps = nn_at_most(AMX_KC, k - l), columns = nn_at_most(AMX_NC, n - j);
            split_columns(WHOLE, right, columns, steps, b + l * ldb + j, ldb);
            amx_pass(WHOLE, m, columns, steps, steps_from(a, l), right, pair_numbers(WHOLE, steps), c + j, ldc, add || l > 0,
                     bias && k - l <= AMX_KC ? bias + j : NULL);
        }
    _tile_release();
}

/* ---- a right operand split once ---------------------------------------------------------------------------------------- */

INLINE nn_dim amx_packed(int parts, nn_dim k, nn_dim n) { return (n + PAIR - 1) / PAIR * pair_numbers(parts, k) / 2; }       /* two bf16 a float's room */

INLINE void amx_multiply(int parts, nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *packed, float *c, nn_dim ldc, bool add, const float *bias)
{
    const uint16_t *b = (const uint16_t *)(const void *)packed;
    NN_ASSERT(a.elem == 1 || a.row == 1);
    tiles_open();
    for (nn_dim l = 0; l < k || l == 0; l += AMX_KC)
        amx_pass(parts, m, n, nn_at_most(AMX_KC, k - l), steps_from(a, l), b + l / STEPS * parts * PAIR_NUMBERS, pair_numbers(parts, k), c, ldc, add || l > 0,
                 k - l <= AMX_KC ? bias : NULL);
    _tile_release();
}

static nn_dim whole_packed(nn_dim k, nn_dim n) { return amx_packed(WHOLE, k, n); }
static void whole_pack(float *packed, const float *b, nn_dim ldb, nn_dim k, nn_dim n) { split_columns(WHOLE, (uint16_t *)(void *)packed, n, k, b, ldb); }
static void whole_multiply(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *packed, float *c, nn_dim ldc, bool add, const float *bias)
{
    amx_multiply(WHOLE, m, n, k, a, packed, c, ldc, add, bias);
}
static nn_dim rounded_packed(nn_dim k, nn_dim n) { return amx_packed(ROUNDED, k, n); }
static void rounded_pack(float *packed, const float *b, nn_dim ldb, nn_dim k, nn_dim n) { split_columns(ROUNDED, (uint16_t *)(void *)packed, n, k, b, ldb); }
static void rounded_multiply(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *packed, float *c, nn_dim ldc, bool add, const float *bias)
{
    amx_multiply(ROUNDED, m, n, k, a, packed, c, ldc, add, bias);
}

#define AMX_PRODUCTS { { whole_packed, whole_pack, whole_multiply }, { rounded_packed, rounded_pack, rounded_multiply } }
