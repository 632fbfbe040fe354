/* fast_gemm.h: the register tile under every product, and the matrix product.
 *
 * How the fast rows are built: kernels_avx512.c, kernels_avx2.c, kernels_neon.c and kernels_portable.c each name a vector type
 * (simd_*.h) and include the fast_*.h files, which are written once over it.  Nothing here is public.
 *
 *            B(k, 0..NR)                 A tile of mr <= MR rows (pixels, matrix rows) by nv <= 2 vectors of columns (output
 *          [ vector 0 | vector 1 ]       channels) stays in registers while k runs; every step loads two vectors of B and
 *   A(0,k)   acc[0][0]  acc[0][1]        broadcasts one number of A per row.  A is read where it lies.
 *   A(1,k)   acc[1][0]  acc[1][1]        Each output number is one chain of fused multiply-adds in the order of k, whatever
 *    ...        ...        ...           the tile it falls in: tiles, threads and batches cannot change a bit. */

enum { NR = 2 * VW };
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef struct { vf v[MR][2]; } tile;

/* t += A(0..mr, 0..k) * B: a points at A(0,0); row and elem are A's strides; B's rows are ldb apart. */
INLINE void tile_add(tile *t, int mr, int nv, nn_dim k, const float *a, nn_dim row, nn_dim elem, const float *b, nn_dim ldb)
{
    for (nn_dim i = 0; i < k; i++, a += elem, b += ldb) {
        const vf b0 = vf_load(b), b1 = nv > 1 ? vf_load(b + VW) : b0;
        UNROLL for (int p = 0; p < mr; p++) {
            const vf x = vf_set1(a[p * row]);
            t->v[p][0] = vf_fma(x, b0, t->v[p][0]);
            if (nv > 1) t->v[p][1] = vf_fma(x, b1, t->v[p][1]);
        }
    }
}

INLINE void tile_zero(tile *t, int mr, int nv)
{
    UNROLL for (int p = 0; p < mr; p++) for (int v = 0; v < nv; v++) t->v[p][v] = vf_set1(0.0f);
}

/* Call body(m, n) with compile-time m = mr <= MR, n = nv <= 2, so that the tile stays in registers. */
#define TILE_CASE(m, n, body) case 2 * (m) + (n) - 1: body(m, n); break;
#define TILE_ROWS(m, body) TILE_CASE(m, 1, body) TILE_CASE(m, 2, body)
#define TILE_SWITCH_4(body) TILE_ROWS(1, body) TILE_ROWS(2, body) TILE_ROWS(3, body) TILE_ROWS(4, body)
#define TILE_SWITCH_6(body) TILE_SWITCH_4(body) TILE_ROWS(5, body) TILE_ROWS(6, body)
#define TILE_SWITCH_8(body) TILE_SWITCH_6(body) TILE_ROWS(7, body) TILE_ROWS(8, body)
#define TILE_SWITCH_14(body) TILE_SWITCH_8(body) TILE_ROWS(9, body) TILE_ROWS(10, body) TILE_ROWS(11, body) TILE_ROWS(12, body) \
    TILE_ROWS(13, body) TILE_ROWS(14, body)
#define TILE_SWITCH(mr, nv, body) switch (2 * (mr) + (nv) - 1) { TILE_SWITCH_MR(body) default: NN_ASSERT(false); }

/* Near-equal pieces of n rows, none above MR: better filled than MR, MR, ..., rest. */
static inline nn_dim piece_rows(nn_dim n) { const nn_dim pieces = (n + MR - 1) / MR; return (n + pieces - 1) / pieces; }

/* ---- matrix product ---------------------------------------------------------------------------------------------- */

enum { KC = 256 };                  /* k steps per pass: KC x NR floats of B stay in the first-level cache */

typedef struct { nn_dim k, row, block, elem, ldb, ldc; const float *a, *b; float *c; bool add; } gemm_job;

INLINE void gemm_tile(const gemm_job *g, int mr, int nv, nn_dim elem)
{
    tile t;
    if (g->add) { UNROLL for (int p = 0; p < mr; p++) for (int v = 0; v < nv; v++) t.v[p][v] = vf_load(g->c + p * g->ldc + v * VW); }
    else tile_zero(&t, mr, nv);
    nn_dim k = 0;
    if (g->block == NN_CB * elem) tile_add(&t, mr, nv, g->k, g->a, g->row, elem, g->b, g->ldb);
    else for (; k < g->k; k += NN_CB)
        tile_add(&t, mr, nv, g->k - k < NN_CB ? g->k - k : NN_CB, g->a + k / NN_CB * g->block, g->row, elem, g->b + k * g->ldb, g->ldb);
    UNROLL for (int p = 0; p < mr; p++) for (int v = 0; v < nv; v++) vf_store(g->c + p * g->ldc + v * VW, t.v[p][v]);
}

static void gemm_tile_any(const gemm_job *g, nn_dim mr, int nv)
{
    #define BODY_UNIT(m, n) gemm_tile(g, m, n, 1)
    #define BODY(m, n) gemm_tile(g, m, n, g->elem)
    if (g->elem == 1) { TILE_SWITCH(mr, nv, BODY_UNIT) } else { TILE_SWITCH(mr, nv, BODY) }
    #undef BODY_UNIT
    #undef BODY
}

/* Columns [0, n) of one panel, n <= NR, k <= KC.  A ragged panel goes through padded copies of B and C. */
static void gemm_panel(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add)
{
    float packed[KC * NR] __attribute__((aligned(64)));
    const int nv = n > VW ? 2 : 1;
    const bool ragged = n % VW != 0;
    if (ragged || (m > 4 * MR && ldb > NR)) {           /* narrow rows far apart: copied once, read m / MR times */
        for (nn_dim i = 0; i < k; i++) {
            for (nn_dim j = 0; j < n; j++) packed[i * NR + j] = b[i * ldb + j];
            for (nn_dim j = n; j < nv * VW; j++) packed[i * NR + j] = 0.0f;
        }
        b = packed;
        ldb = NR;
    }
    const nn_dim step = piece_rows(m);
    for (nn_dim i = 0; i < m; i += step) {
        const nn_dim mr = m - i < step ? m - i : step;
        float edge[MR * NR] __attribute__((aligned(64)));
        gemm_job g = { k, a.row, a.block, a.elem, ldb, ldc, a.at + i * a.row, b, c + i * ldc, add };
        if (!ragged) { gemm_tile_any(&g, mr, nv); continue; }
        g.c = edge;
        g.ldc = NR;
        for (nn_dim p = 0; p < mr; p++)
            for (nn_dim j = 0; j < nv * VW; j++) edge[p * NR + j] = add && j < n ? c[(i + p) * ldc + j] : 0.0f;
        gemm_tile_any(&g, mr, nv);
        for (nn_dim p = 0; p < mr; p++)
            for (nn_dim j = 0; j < n; j++) c[(i + p) * ldc + j] = edge[p * NR + j];
    }
}

static void gemm_columns(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add)
{
    for (nn_dim j = 0; j < n; j += NR) gemm_panel(m, n - j < NR ? n - j : NR, k, a, b + j, ldb, c + j, ldc, add);
}

/* to (k,mr) = mr rows of A.  Rows side by side (a transposed matrix) are copied whole: a vector a step where that stays inside. */
static void gather_rows(float *to, nn_dim mr, nn_dim k, nn_rows a)
{
    for (nn_dim l = 0; l < k; l++, to += mr) {
        const float *from = a.at + l / NN_CB * a.block + l % NN_CB * a.elem;
        if (a.row != 1) for (nn_dim p = 0; p < mr; p++) to[p] = from[p * a.row];
        else if (mr == MR) memcpy(to, from, MR * sizeof *to);
        else memcpy(to, from, (size_t)mr * sizeof *to);
    }
}

/* A whose numbers of one row are far apart (a transposed matrix, a planar map): every step of k would touch another page, once
 * a panel, so a tile's rows are copied side by side first.  (864 x 128 x 1024: 58 to 121 GFLOP/s)  Steps within half a page
 * that read rows side by side do better without (dw of a convolution, 32 channels: 102 to 128 GFLOP/s). */
enum { NEAR = 512 };
static bool far_apart(nn_rows a) { return a.elem != 1 && (a.row != 1 || a.elem > NEAR); }

static void gemm_gathered(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add)
{
    float tile_rows[KC * MR] __attribute__((aligned(64)));
    const nn_dim step = piece_rows(m);
    for (nn_dim i = 0; i < m; i += step) {
        const nn_dim mr = m - i < step ? m - i : step;
        gather_rows(tile_rows, mr, k, (nn_rows){ a.at + i * a.row, a.row, a.block, a.elem });
        gemm_columns(mr, n, k, (nn_rows){ tile_rows, 1, NN_CB * mr, mr }, b, ldb, c + i * ldc, ldc, add);
    }
}

static void gemm(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add)
{
    if (k == 0 && !add) for (nn_dim i = 0; i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    for (nn_dim l = 0; l < k; l += KC) {                /* KC is a multiple of NN_CB, so a's blocks stay whole */
        const nn_rows part = { a.at + l / NN_CB * a.block, a.row, a.block, a.elem };
        (far_apart(a) ? gemm_gathered : gemm_columns)(m, n, k - l < KC ? k - l : KC, part, b + l * ldb, ldb, c, ldc, add || l > 0);
    }
}
