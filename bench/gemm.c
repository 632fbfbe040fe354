/* gemm.c: the interpreter's matrix products.  One thread each: members of an ensemble train side by side. */
#include <math.h>

#include "bench/bench.h"

typedef struct { const nn_kernels *k; nn_dim m, n, depth; nn_rows a; real *b, *c; } product;
static void run(void *user) { product *p = user; p->k->gemm(p->m, p->n, p->depth, p->a, p->b, p->n, p->c, p->n, false, NULL); }

/* The first row of C in double. */
static double error_of(const product *p)
{
    double worst = 0, square = 0;
    for (nn_dim o = 0; o < p->n; o++) {
        double sum = 0;
        for (nn_dim i = 0; i < p->depth; i++) sum += (double)p->a.at[i / NN_CB * p->a.block + i % NN_CB * p->a.elem] * (double)p->b[i * p->n + o];
        const double d = fabs(sum - (double)p->c[o]);
        if (!(d <= worst)) worst = d;
        square += sum * sum;
    }
    return worst / (sqrt(square / (double)p->n) * 0x1p-24);
}

static void bench_product(const char *what, nn_dim m, nn_dim n, nn_dim depth, bool transposed, const nn_kernels *k)
{
    const double macs = (double)(m * n * depth);
    bench_row row = { .work = "product", .k = k, .threads = 1, .units = 1, .error_unit = "units",
                      .cost = { 2 * macs, macs, sizeof(real) * (double)(m * depth + depth * n + m * n), "" }, .note = what };
    nn_format(row.name, sizeof row.name, "%tdx%tdx%td%s", m, n, depth, transposed ? " transposed" : "");
    if (!bench_wanted(row.work, row.name, true)) return;
    real *a = bench_random(m * depth, 1);
    product p = { k, m, n, depth, transposed ? nn_rows_transposed(a, m) : nn_rows_matrix(a, depth), bench_random(depth * n, 1),
                  bench_alloc((size_t)(m * n) * sizeof(real)) };
    run(&p);
    row.error = error_of(&p);
    bench_measure(&row, run, &p);
    nn_free(a), nn_free(p.b), nn_free(p.c);
}

void bench_products(void)
{
    for (int r = 0; r < bench_chosen.row_count; r++) {
        const nn_kernels *k = bench_chosen.row[r];
        bench_product("layer 1, bundle", 1024, 128, 864, false, k);
        bench_product("its weights", 864, 128, 1024, true, k);
        bench_product("layer 1, StyleGAN1 512 px", 1024, 128, 5056, false, k);
        bench_product("its weights", 5056, 128, 1024, true, k);
        bench_product("layer 2", 1024, 32, 128, false, k);
        bench_product("layer 1, paper's batch", 64, 128, 5056, false, k);
        bench_product("its weights", 5056, 128, 64, true, k);
    }
}
