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

/* t += A(0..mr, 0..k) * B: a points at A(0,0); row and elem are A's strides; B's rows are ldb apart.  Where row is
 * known when compiled, the numbers of two rows of three are read twice, by what multiplies with them: as many instructions fewer for readings that cost
 * nothing (with an index they would be two instructions again). */
INLINE void tile_add(tile *t, int mr, int nv, nn_dim k, const float *a, nn_dim row, nn_dim elem, const float *b, nn_dim ldb)
{
    for (nn_dim i = 0; i < k; i++, a += elem, b += ldb) {
        const vf b0 = vf_load(b), b1 = nv > 1 ? vf_load(b + VW) : b0;
        UNROLL for (int p = 0; p < mr; p++) {
            if (nv > 1 && p % 3 < 2 && __builtin_constant_p(row)) {
                t->v[p][0] = vf_fma_read(a + p * row, b0, t->v[p][0]);
                t->v[p][1] = vf_fma_read(a + p * row, b1, t->v[p][1]);
                continue;
            }
            const vf x = vf_set1(a[p * row]);
            t->v[p][0] = vf_fma(x, b0, t->v[p][0]);
            if (nv > 1) t->v[p][1] = vf_fma(x, b1, t->v[p][1]);
        }
    }
}

INLINE void tile_zero(tile *t, int mr, int nv)
{
    UNROLL for (int p = 0; p < mr; p++) UNROLL for (int v = 0; v < nv; v++) t->v[p][v] = vf_set1(0.0f);
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

/* m rows in tiles of nearly equal height: the first `tall` of low + 1 rows, the others of low.  A rest of one row or two would wait for its own sums. */
typedef struct { nn_dim count, low, tall; } tiling;
static inline tiling tiles_of(nn_dim m)
{
    const nn_dim count = (m + MR - 1) / MR;
    return (tiling){ count, m / count, m % count };
}

/* Rows of the tallest. */
static inline nn_dim piece_rows(nn_dim n) { const tiling t = tiles_of(n); return t.low + (t.tall > 0); }

/* ---- matrix product ---------------------------------------------------------------------------------------------- */

/* Steps, columns, rows (about) of a pass: KC x NR floats of B stay in the first-level cache, KC x MC of A in the second.  KC x (NC + MC) floats on
 * the stack, under a product of bf16 KC x MC more (fast_products.h), are the most that any function here has there (src/cli/main.c grow_stack). */
enum { KC = 256, NC = 128, MC = 96 };
enum { NB = 32 };                          /* rows of B so wide lie near one another */

/* `tiles` tiles one under another, in one function: one begins while the numbers of the one above are on their way.  down: from a tile of A to the
 * next; 0: where the rows go on.  a and c advance. */
typedef struct { nn_dim tiles, k, row, block, elem, down, ldb, ldc; const float *a, *b, *bias; float *c; bool add; } gemm_job;

INLINE void gemm_tile(gemm_job *job, int mr, int nv, nn_dim elem)
{
    gemm_job g = *job;                     /* what is stored through c might be the job itself, for all that the compiler knows */
    const nn_dim down = g.down ? g.down : mr * g.row;
    for (; g.tiles > 0; g.tiles--, g.a += down, g.c += mr * g.ldc) {
        tile t;
        if (g.add) { UNROLL for (int p = 0; p < mr; p++) UNROLL for (int v = 0; v < nv; v++) t.v[p][v] = vf_load(g.c + p * g.ldc + v * VW); }
        else tile_zero(&t, mr, nv);
        if (g.block == NN_CB * elem) tile_add(&t, mr, nv, g.k, g.a, g.row, elem, g.b, g.ldb);
        else for (nn_dim k = 0; k < g.k; k += NN_CB)
            tile_add(&t, mr, nv, nn_at_most(NN_CB, g.k - k), g.a + k / NN_CB * g.block, g.row, elem, g.b + k * g.ldb, g.ldb);
        if (g.bias)
            UNROLL for (int v = 0; v < nv; v++) {
                const vf b = vf_load(g.bias + v * VW);
                UNROLL for (int p = 0; p < mr; p++) t.v[p][v] = vf_max(vf_set1(0.0f), vf_add(t.v[p][v], b));
            }
        UNROLL for (int p = 0; p < mr; p++) UNROLL for (int v = 0; v < nv; v++) vf_store(g.c + p * g.ldc + v * VW, t.v[p][v]);
    }
    job->a = g.a;
    job->c = g.c;
}

static void gemm_tiles(gemm_job *g, nn_dim mr, int nv)
{
    #define BODY_UNIT(m, n) gemm_tile(g, m, n, 1)
    #define BODY(m, n) gemm_tile(g, m, n, g->elem)
    if (g->elem == 1) { TILE_SWITCH(mr, nv, BODY_UNIT) } else { TILE_SWITCH(mr, nv, BODY) }
    #undef BODY_UNIT
    #undef BODY
}

/* g's next mr rows of n columns, n no multiple of a vector: a padded copy. */
static void gemm_edge(gemm_job *g, nn_dim mr, nn_dim n)
{
    float edge[MR * NR] __attribute__((aligned(64))) = { 0 }, bias[NR] = { 0 };
    gemm_job padded = *g;
    padded.tiles = 1;
    padded.c = edge;
    padded.ldc = NR;
    if (g->bias) padded.bias = memcpy(bias, g->bias, (size_t)n * sizeof *bias);
    for (nn_dim p = 0; g->add && p < mr; p++) memcpy(edge + p * NR, g->c + p * g->ldc, (size_t)n * sizeof *edge);
    gemm_tiles(&padded, mr, n > VW ? 2 : 1);
    for (nn_dim p = 0; p < mr; p++) memcpy(g->c + p * g->ldc, edge + p * NR, (size_t)n * sizeof *edge);
    g->a = padded.a;
    g->c += mr * g->ldc;
}

/* g's columns [0, n) of one panel, n <= NR, k <= KC.  A ragged panel of B is a padded copy. */
static void gemm_panel(gemm_job *g, nn_dim m, nn_dim n)
{
    const tiling t = tiles_of(m);
    if (n % VW) {
        for (nn_dim i = 0; i < t.count; i++) gemm_edge(g, t.low + (i < t.tall), n);
        return;
    }
    g->tiles = t.tall;
    if (t.tall) gemm_tiles(g, t.low + 1, n > VW ? 2 : 1);
    g->tiles = t.count - t.tall;
    gemm_tiles(g, t.low, n > VW ? 2 : 1);
}

/* Columns [first, n) of B as panels (KC,NR) one after another, zeros behind the last column.  Row by row, as they lie in memory, so that the processor sees
 * what will be wanted. */
static void pack_panels(float *panels, nn_dim first, nn_dim n, nn_dim k, const float *b, nn_dim ldb)
{
    for (nn_dim i = 0; i < k; i++, b += ldb)
        for (nn_dim j = first; j < n; j += NR) {
            float *to = panels + j * KC + i * NR;
            if (n - j >= NR) {
                vf_store(to, vf_load(b + j));
                vf_store(to + VW, vf_load(b + j + VW));
                continue;
            }
            for (nn_dim l = 0; l < NR; l++) to[l] = j + l < n ? b[j + l] : 0.0f;
        }
}

/* to (tile,k,MR) = the rows of A, those of a tile side by side; one step of all tiles after the other, as a step's numbers lie together (a transposed
 * matrix).  The processor does not see by itself that the next block's steps will be wanted: they are too far apart. */
static void gather_rows(float *to, nn_dim m, nn_dim k, nn_rows a)
{
    const tiling t = tiles_of(m);
    for (nn_dim l = 0; l < k; l++, to += MR) {
        const float *from = a.at + l / NN_CB * a.block + l % NN_CB * a.elem;
        for (nn_dim i = 0; i < t.count; i++) {
            const nn_dim rows = t.low + (i < t.tall);
            if (l + NN_CB < k) __builtin_prefetch(from + a.block);
            if (a.row == 1 && rows == MR) memcpy(to + i * k * MR, from, MR * sizeof *to);
            else for (nn_dim p = 0; p < rows; p++) to[i * k * MR + p] = from[p * a.row];
            from += rows * a.row;
        }
    }
}

/* A whose numbers of one row are far apart (a transposed matrix, a planar map): every step of k would touch another page, once
 * a panel, so a tile's rows are copied side by side first.  (864 x 128 x 1024: 58 to 121 GFLOP/s)  Steps within half a page
 * that read rows side by side do better without (dw of a convolution, 32 channels: 102 to 128 GFLOP/s). */
enum { NEAR = 512 };
static bool far_apart(nn_rows a) { return a.elem != 1 && (a.row != 1 || a.elem > NEAR); }

/* k <= KC, n <= NC.  Panels of rows far apart are copied once, as they are read m / MR times and would push each other out of the
 * first-level cache; A comes in blocks that stay in the second while the panels go by (Goto & van de Geijn 2008). */
static void gemm_block(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add, const float *bias)
{
    float panels[KC * NC] __attribute__((aligned(64))), gathered[KC * MC] __attribute__((aligned(64)));
    const bool copied = m > 4 * MR && ldb > NB, far = far_apart(a);
    if (copied || n % NR) pack_panels(panels, copied ? 0 : n / NR * NR, n, k, b, ldb);
    for (nn_dim i = 0; i < m; i += MC / MR * MR) {
        const nn_dim rows = nn_at_most(MC / MR * MR, m - i);
        nn_rows part = { a.at + i * a.row, a.row, a.block, a.elem };
        if (far) {
            gather_rows(gathered, rows, k, part);
            part = (nn_rows){ gathered, 1, NN_CB * MR, MR };
        }
        for (nn_dim j = 0; j < n; j += NR) {
            const nn_dim width = nn_at_most(NR, n - j);
            const bool own = copied || width < NR;
            gemm_job g = { .k = k, .row = part.row, .block = part.block, .elem = part.elem, .down = far ? k * MR : 0, .ldb = own ? NR : ldb, .ldc = ldc,
                           .a = part.at, .b = own ? panels + j * KC : b + j, .bias = bias ? bias + j : NULL, .c = c + i * ldc + j, .add = add };
            gemm_panel(&g, rows, width);
        }
    }
}

static void gemm(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *b, nn_dim ldb, float *c, nn_dim ldc, bool add, const float *bias)
{
    for (nn_dim l = 0; l < k || l == 0; l += KC) {      /* KC is a multiple of NN_CB, so a's blocks stay whole */
        const nn_rows part = { a.at + l / NN_CB * a.block, a.row, a.block, a.elem };
        for (nn_dim j = 0; j < n; j += NC)
            gemm_block(m, n - j < NC ? n - j : NC, k - l < KC ? k - l : KC, part, b + l * ldb + j, ldb, c + j, ldc, add || l > 0,
                       bias && k - l <= KC ? bias + j : NULL);
    }
}
