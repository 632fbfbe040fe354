/* layers.c: kernels shared out over threads.  Threads take whole units and never split a sum. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "nn/kernels.h"

/* What one thread needs, in whole cache lines. */
static nn_dim conv_share(const nn_kernels *k, const nn_conv_shape *s) { return (k->conv_scratch(s) + NN_CB) / NN_CB * NN_CB; }

/* Fewer threads, fewer and larger units: enough for one is enough for any number. */
nn_dim nn_conv_scratch(const nn_kernels *k, const nn_conv_shape *s, int threads)
{
    nn_conv_shape alone = *s;
    alone.threads = 1;
    return conv_share(k, &alone) * threads + k->conv_shared(s);
}

void nn_conv_run(const nn_kernels *k, const nn_conv *c, const nn_conv_job *job, nn_dim n, real *scratch, int threads)
{
    /* A unit's weights serve all pictures of the batch before the next unit's.  With two stages pictures go one by one: what their
     * units share is there once. */
    const int stages = k->conv_units(&c->shape, 1) > 0 ? 2 : 1;
    const nn_dim together = stages > 1 ? 1 : n;
    nn_conv_shape s = c->shape;
    s.threads = together > 1 ? 0 : threads;
    const nn_dim share = conv_share(k, &s);
    #pragma omp parallel num_threads(threads) if (threads > 1)
    for (nn_dim first = 0; first < n; first += together)
        for (int stage = 0; stage < stages; stage++) {
            const nn_dim units = k->conv_units(&s, stage);
            #pragma omp for schedule(dynamic)
            for (nn_dim u = 0; u < units * together; u++)
                k->conv_unit(&s, c->packed, &job[first + u % together], stage, u / together, scratch + omp_get_thread_num() * share,
                             scratch + threads * share);
        }
}

void nn_dense_run(const nn_kernels *k, real *y, const real *x, const real *w, const real *b, nn_dim n, nn_dim in, nn_dim out,
                  double wgain, double bgain, double slope, double gain)
{
    enum { PIECE = 32 };                        /* outputs a unit: 64 kB of weights for 512 inputs */
    const nn_dim pieces = (out + PIECE - 1) / PIECE;
    #pragma omp parallel for schedule(static) if (in * out * n > NN_PARALLEL_MIN)
    for (nn_dim p = 0; p < pieces; p++) {
        const nn_dim o0 = p * PIECE, o1 = o0 + PIECE < out ? o0 + PIECE : out;
        for (nn_dim r = 0; r < n; r++) k->dense(y + r * out, x + r * in, w, b, in, o0, o1, wgain, bgain, slope, gain);
    }
}

void nn_to_rgb_run(const nn_kernels *k, const nn_conv_shape *s, real *img, const real *x, const real *w, const real *style,
                   const real *b, double clamp, bool add)
{
    #pragma omp parallel for schedule(static) if (s->cin * s->h * s->w > NN_PARALLEL_MIN)
    for (nn_dim y = 0; y < s->h; y++) k->to_rgb(s, img, x, w, style, b, clamp, add, y, y + 1);
}

void nn_upsample2_run(const nn_kernels *k, real *y, const real *x, const real *f, nn_dim planes, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw)
{
    #pragma omp parallel for schedule(static) if (planes * h * w > NN_PARALLEL_MIN)
    for (nn_dim p = 0; p < planes; p++) k->upsample2(y + p * 4 * h * w, x + p * h * w, f, h, w, fh, fw);
}

void nn_blur3_run(const nn_kernels *k, real *y, const real *x, const real *f, const real *b, nn_dim c, nn_dim h, nn_dim w)
{
    enum { ROWS = 16 };
    const nn_dim groups = (c + NN_CB - 1) / NN_CB, bands = (h + ROWS - 1) / ROWS;
    #pragma omp parallel for schedule(static) if (c * h * w > NN_PARALLEL_MIN)
    for (nn_dim u = 0; u < groups * bands; u++) {
        const nn_dim y0 = u % bands * ROWS;
        k->blur3(y, x, f, b, c, h, w, u / bands, y0, y0 + ROWS < h ? y0 + ROWS : h);
    }
}

enum { NORM_PIECE = 4096 };                     /* pixels whose sum one thread takes: 256 kB of a blocked map */

static nn_dim norm_pieces(nn_dim hw) { return (hw + NORM_PIECE - 1) / NORM_PIECE; }

nn_dim nn_norm_scratch(nn_dim c, nn_dim hw) { return (c + NN_CB - 1) / NN_CB * (norm_pieces(hw) + 2) * NN_CB; }

/* out[i] = (the pieces' sums, in order) / hw. */
static void mean_of_pieces(double out[NN_CB], const double *sums, nn_dim pieces, nn_dim hw)
{
    for (int i = 0; i < NN_CB; i++) {
        double total = 0.0;
        for (nn_dim q = 0; q < pieces; q++) total += sums[q * NN_CB + i];
        out[i] = total / (double)hw;
    }
}

void nn_style_norm_run(const nn_kernels *k, real *y, const real *x, const real *noise, const real *strength, const real *style,
                       nn_dim c, nn_dim hw, double slope, double eps, double *sums)
{
    const nn_dim groups = (c + NN_CB - 1) / NN_CB, pieces = norm_pieces(hw), units = groups * pieces;
    double *mean = sums + units * NN_CB, *var = mean + groups * NN_CB;
    for (nn_dim i = 0; i < (units + 2 * groups) * NN_CB; i++) sums[i] = 0.0;      /* a kernel may leave padding out */
    #define PIECE(u) (u) / pieces, (u) % pieces * NORM_PIECE, ((u) % pieces + 1) * NORM_PIECE < hw ? ((u) % pieces + 1) * NORM_PIECE : hw
    #pragma omp parallel for schedule(static) if (c * hw > NN_PARALLEL_MIN)
    for (nn_dim u = 0; u < units; u++) k->noise_act(y, x, noise, strength, c, hw, PIECE(u), slope, sums + u * NN_CB);
    for (nn_dim g = 0; g < groups; g++) mean_of_pieces(mean + g * NN_CB, sums + g * pieces * NN_CB, pieces, hw);
    #pragma omp parallel for schedule(static) if (c * hw > NN_PARALLEL_MIN)
    for (nn_dim u = 0; u < units; u++) k->square_dev(y, mean + u / pieces * NN_CB, c, hw, PIECE(u), sums + u * NN_CB);
    for (nn_dim g = 0; g < groups; g++) mean_of_pieces(var + g * NN_CB, sums + g * pieces * NN_CB, pieces, hw);
    #pragma omp parallel for schedule(static) if (c * hw > NN_PARALLEL_MIN)
    for (nn_dim u = 0; u < units; u++) {
        const nn_dim first = u / pieces * NN_CB;
        double gain[NN_CB] = { 0 }, shift[NN_CB] = { 0 };
        for (nn_dim i = 0; i < NN_CB && first + i < c; i++) {
            gain[i] = (1.0 + style[first + i]) / sqrt(var[first + i] + eps);
            shift[i] = style[c + first + i];
        }
        k->rescale(y, mean + first, gain, shift, c, hw, PIECE(u));
    }
    #undef PIECE
}

void nn_map_to_planar(nn_layout from, real *dst, const real *map, nn_dim c, nn_dim h, nn_dim w)
{
    if (from == NN_PLANAR) { memcpy(dst, map, (size_t)(c * h * w) * sizeof *dst); return; }
    for (nn_dim i = 0; i < c; i++)
        for (nn_dim p = 0; p < h * w; p++) dst[i * h * w + p] = map[(i / NN_CB * h * w + p) * NN_CB + i % NN_CB];
}

void nn_map_from_planar(nn_layout to, real *map, const real *src, nn_dim c, nn_dim h, nn_dim w)
{
    if (to == NN_PLANAR) { memcpy(map, src, (size_t)(c * h * w) * sizeof *map); return; }
    for (nn_dim i = 0; i < nn_channels_padded(c); i++)
        for (nn_dim p = 0; p < h * w; p++)
            map[(i / NN_CB * h * w + p) * NN_CB + i % NN_CB] = i < c ? src[i * h * w + p] : 0;
}
