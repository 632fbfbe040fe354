/* fast_products.h: products with a packed right operand, over the matrix product: panels of 32 columns, each in one piece, since rows that are a power
 * of two apart would push each other out of the cache. */

enum { PRODUCT_PANEL = 32 };

static nn_dim product_packed(nn_dim k, nn_dim n) { return k * n; }

static void product_pack(float *packed, const float *b, nn_dim ldb, nn_dim k, nn_dim n)
{
    for (nn_dim j = 0; j < n; j += PRODUCT_PANEL) {
        const nn_dim width = nn_at_most(PRODUCT_PANEL, n - j);
        for (nn_dim i = 0; i < k; i++) memcpy(packed + j * k + i * width, b + i * ldb + j, (size_t)width * sizeof *b);
    }
}

/* `steps` of the operand's k steps, from `first` on. */
static void product_steps(nn_dim m, nn_dim n, nn_dim k, nn_dim first, nn_dim steps, nn_rows a, const float *packed, float *c, nn_dim ldc, bool add,
                          const float *bias)
{
    for (nn_dim j = 0; j < n; j += PRODUCT_PANEL) {
        const nn_dim width = nn_at_most(PRODUCT_PANEL, n - j);
        gemm(m, width, steps, a, packed + j * k + first * width, width, c + j, ldc, add, bias ? bias + j : NULL);
    }
}

static void product_multiply(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *packed, float *c, nn_dim ldc, bool add, const float *bias)
{
    product_steps(m, n, k, 0, k, a, packed, c, ldc, add, bias);
}

/* The same of numbers rounded to bf16, computed in fp32. */
static void product_pack_bf16(float *packed, const float *b, nn_dim ldb, nn_dim k, nn_dim n)
{
    product_pack(packed, b, ldb, k, n);
    for (nn_dim i = 0; i < k * n; i++) packed[i] = nn_bf16_round(packed[i]);
}

static void product_multiply_bf16(nn_dim m, nn_dim n, nn_dim k, nn_rows a, const float *packed, float *c, nn_dim ldc, bool add, const float *bias)
{
    float rounded[KC * MC];
    for (nn_dim i = 0; i < m; i += MC)
        for (nn_dim l = 0; l < k || l == 0; l += KC) {
            const nn_dim rows = nn_at_most(MC, m - i), steps = nn_at_most(KC, k - l);
            const float *from = a.at + i * a.row + l / NN_CB * a.block;
            for (nn_dim p = 0; p < rows; p++)
                for (nn_dim s = 0; s < steps; s++) rounded[p * steps + s] = nn_bf16_round(from[p * a.row + s / NN_CB * a.block + s % NN_CB * a.elem]);
            product_steps(rows, n, k, l, steps, nn_rows_matrix(rounded, steps), packed, c + i * ldc, ldc, add || l > 0, k - l <= KC ? bias : NULL);
        }
}

#define FAST_PRODUCTS { { product_packed, product_pack, product_multiply }, { product_packed, product_pack_bf16, product_multiply_bf16 } }
