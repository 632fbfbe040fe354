/* map_differences.c: the way back of every operation of maps.h but convolution (map_cases.c) by finite differences: L = sum dy * op(x), (L(x + h) - L(x - h)) / 2h
 * for every number of every input.  Means something in double alone. */
#include <math.h>
#include <string.h>

#include "nn/maps.h"
#include "tests/golden.h"

void map_differences(void);

enum { PARTS = 4, MOST = 512 };
typedef struct op op;
struct op {
    const char *name;
    nn_dim size[PARTS], out;         /* numbers of each input that has a gradient, and of the output */
    void (*forward)(const op *o, real *y, real *const in[PARTS]);
    void (*back)(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS]);
    nn_map map;
    nn_dim oh, ow, ks, stride, pad;
};

/* ---- batch norm: x, residual, gamma, beta ------------------------------------------------------------------------------------- */

enum { B = 24, C = 5 };
static const nn_norm norm = { B, C, true };
static real mean[C], rstd[C], after[B * C], norm_room[4096];

static void norm_forward(const op *o, real *y, real *const in[PARTS])
{
    real run_mean[C] = { 0 }, run_var[C] = { 0 };
    (void)o;
    NN_ASSERT(nn_norm_room(&norm) <= 4096);
    nn_norm_fwd(&nn_kernels_ref, y, mean, rstd, run_mean, run_var, in[0], in[1], in[2], in[3], &norm, norm_room, 1);
}

static void norm_back(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS])
{
    real masked[B * C];
    memcpy(masked, dy, sizeof masked);
    norm_forward(o, after, in);
    nn_norm_bwd(&nn_kernels_ref, d[0], false, d[1], d[2], d[3], masked, after, in[0], mean, rstd, in[2], &norm, norm_room, 1);
}

/* ---- one input ----------------------------------------------------------------------------------------------------------------- */

static uint8_t largest[MOST];
static void max_forward(const op *o, real *y, real *const in[PARTS]) { nn_maxpool_fwd(y, largest, in[0], o->map, o->ks, o->stride, o->pad, 1); }
static void max_back(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS])
{
    real y[MOST];
    max_forward(o, y, in);
    nn_maxpool_bwd(d[0], dy, largest, o->map, o->ks, o->stride, o->pad, 1);
}
static void mean_forward(const op *o, real *y, real *const in[PARTS]) { nn_avgpool_fwd(y, in[0], o->map, 1); }
static void mean_back(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS]) { (void)in; nn_avgpool_bwd(d[0], dy, o->map, 1); }
static void resize_forward(const op *o, real *y, real *const in[PARTS]) { nn_resize_fwd(&nn_kernels_ref, y, in[0], o->map, o->oh, o->ow, 1); }
static void resize_back(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS])
{
    (void)in;
    nn_resize_bwd(&nn_kernels_ref, d[0], dy, o->map, o->oh, o->ow, 1);
}
static void drop_forward(const op *o, real *y, real *const in[PARTS]) { nn_dropout(y, in[0], o->out, 0.5, 9, 3, 2, 1); }
static void drop_back(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS]) { (void)in; nn_dropout(d[0], dy, o->out, 0.5, 9, 3, 2, 1); }

/* Cross-entropy with rows that are left out; its own gradient is of dy = 1. */
enum { ROWS = 20, K = 4 };
static real target[ROWS * K], weight[ROWS];
static void loss_forward(const op *o, real *y, real *const in[PARTS])
{
    real unused[ROWS * K];
    (void)o;
    *y = (real)nn_soft_ce(unused, in[0], target, weight, ROWS, K, 1);
}
static void loss_back(const op *o, real *const d[PARTS], const real *dy, real *const in[PARTS])
{
    (void)o;
    nn_soft_ce(d[0], in[0], target, weight, ROWS, K, 1);
    for (int i = 0; i < ROWS * K; i++) d[0][i] *= dy[0];
}

/* ---- the differences ------------------------------------------------------------------------------------------------------------- */

static double total(const op *o, real *const in[PARTS], const real *dy)
{
    real y[MOST];
    double sum = 0.0;
    o->forward(o, y, in);
    for (nn_dim i = 0; i < o->out; i++) sum += (double)dy[i] * y[i];
    return sum;
}

static void differences(const op *o)
{
    static real x[PARTS][MOST], got[PARTS][MOST], dy[MOST];
    real *const in[PARTS] = { x[0], x[1], x[2], x[3] }, *const d[PARTS] = { got[0], got[1], got[2], got[3] };
    const double h = 1e-5;
    memset(got, 0, sizeof got);
    t_randn(dy, o->out, 11);
    for (int p = 0; p < PARTS; p++) if (o->size[p]) t_randn(x[p], o->size[p], (uint64_t)(20 + p));
    o->back(o, d, dy, in);
    for (int p = 0; p < PARTS && o->size[p]; p++) {
        double worst = 0.0, square = 0.0;
        for (nn_dim j = 0; j < o->size[p]; j++) square += (double)got[p][j] * got[p][j];
        const double rms = sqrt(square / (double)o->size[p]);
        for (nn_dim j = 0; j < o->size[p]; j++) {
            const real kept = x[p][j];
            x[p][j] = (real)(kept + h);
            const double up = total(o, in, dy);
            x[p][j] = (real)(kept - h);
            const double down = total(o, in, dy);
            x[p][j] = kept;
            const double e = fabs((up - down) / (2 * h) - got[p][j]) / fmax(fabs((double)got[p][j]), rms);
            worst = e <= worst ? worst : e;
        }
        t_limit(worst, 1e-7, "double: finite differences of %s, input %d", o->name, p);
    }
}

void map_differences(void)
{
    static const op all[] = {
        { "batch norm, residual, ReLU", { B * C, B * C, C, C }, B * C, norm_forward, norm_back, { 0 }, 0, 0, 0, 0, 0 },
        { "max pool", { 2 * 7 * 9 * 3 }, 2 * 4 * 5 * 3, max_forward, max_back, { 2, 7, 9, 3 }, 4, 5, 3, 2, 1 },
        { "average pool", { 2 * 5 * 7 * 4 }, 2 * 4, mean_forward, mean_back, { 2, 5, 7, 4 }, 0, 0, 0, 0, 0 },
        { "resizing up", { 2 * 3 * 4 * 5 }, 2 * 6 * 7 * 5, resize_forward, resize_back, { 2, 3, 4, 5 }, 6, 7, 0, 0, 0 },
        { "resizing down", { 9 * 11 * 3 }, 4 * 5 * 3, resize_forward, resize_back, { 1, 9, 11, 3 }, 4, 5, 0, 0, 0 },
        { "dropout", { 200 }, 200, drop_forward, drop_back, { 0 }, 0, 0, 0, 0, 0 },
        { "cross-entropy", { ROWS * K }, 1, loss_forward, loss_back, { 0 }, 0, 0, 0, 0, 0 },
    };
    for (int r = 0; r < ROWS; r++) {
        weight[r] = r % 5 != 2;
        for (int k = 0; k < K; k++) target[r * K + k] = (real)(r % K == k ? 0.7 : 0.1);
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) differences(&all[i]);
}
