/* augment.c: training samples.
 *
 * Order: geometry (picture and class probabilities are sampled bilinearly at the same places, so borders become soft targets), parts of
 * another picture (crowded fields, cells that touch), optical densities, then blur, colour, noise and JPEG, as in a camera.  Stains absorb
 * light: what a dye does is a factor on the optical density -log(intensity / background), Beer and Lambert's law, and that is where
 * laboratories differ.  As the classes of every pixel are known here, each gets a factor of its own: pale or dark cytoplasm, red cells with
 * or without a pale middle; and factors that change slowly over the picture, as a smear is thick here and thin there. */
#include "deeplab/augment.h"

#include <math.h>
#include <string.h>

#include "nn/jpeg.h"
#include "nn/metrics.h"
#include "nn/rng.h"

const real dl_input_mean[3] = { (real)(0.485 * 255), (real)(0.456 * 255), (real)(0.406 * 255) };      /* torchvision.transforms presets */
const real dl_input_sd[3] = { (real)(0.229 * 255), (real)(0.224 * 255), (real)(0.225 * 255) };

/* Before a loop: gcc's -O2 turns it into vectors only when told to; clang does so anyway, and its sanitizer build stops where it cannot. */
#if defined(__clang__)
#define IN_VECTORS
#else
#define IN_VECTORS _Pragma("omp simd")
#endif

enum { GRID = 6, CLASSES_MAX = 256 };
static const double STEADY = 0.4;         /* share of class_stain that a steady class has */

void dl_augment_default(dl_augmentation *a, double strength)
{
    *a = (dl_augmentation){ .turn = strength > 0, .zoom_low = pow(0.75, strength), .zoom_high = pow(1.6, strength), .shift = 0.12 * strength,
                            .warp = 0.03 * strength, .colour = strength, .stain = 0.2 * strength, .class_stain = 0.4 * strength, .uneven = 0.4 * strength,
                            .blur = 1.2 * strength, .noise = 5.0 * strength,
                            .paste = strength > 0 ? 0.7 : 0.0 };
}

/* ---- random numbers of one sample ---------------------------------------------------------------------------------------------------- */

typedef struct { uint64_t seed, at; uint32_t step; } dice;
static double uniform(dice *d) { return nn_rng_uniform(d->seed, NN_RNG_AUGMENT, d->step, d->at++); }
static double between(dice *d, double lo, double hi) { return lo + (hi - lo) * uniform(d); }
static double normal(dice *d) { return nn_rng_normal(d->seed, NN_RNG_AUGMENT, d->step, d->at++); }

/* ---- geometry ------------------------------------------------------------------------------------------------------------------------ */

/* Two smooth functions of the place in the picture: independent normal numbers on a grid, cubic between. */
typedef struct { double a[GRID * GRID], b[GRID * GRID]; } field;
typedef struct { double m[4], cx, cy, tx, ty; field bend; bool warped; } geometry;

static void draw_field(field *f, dice *d, double sd_a, double sd_b)
{
    for (int i = 0; i < GRID * GRID; i++) {
        f->a[i] = sd_a * normal(d);
        f->b[i] = sd_b * normal(d);
    }
}

/* Source = m (output - middle) + middle of the source + shift + displacement.  zoom > 1 shows less of the picture, larger. */
static void draw_geometry(geometry *g, dice *d, const dl_augmentation *a, nn_dim h, nn_dim w, const dl_sample *from)
{
    const double zoom = a->zoom_high > a->zoom_low ? exp(between(d, log(a->zoom_low), log(a->zoom_high))) : 1.0;
    const double angle = a->turn ? between(d, 0.0, 6.283185307179586) : 0.0, flip = a->turn && uniform(d) < 0.5 ? -1.0 : 1.0;
    const double sy = (double)from->h / (double)h / zoom, sx = (double)from->w / (double)w / zoom;
    g->m[0] = sx * flip * cos(angle);
    g->m[1] = -sx * flip * sin(angle);
    g->m[2] = sy * sin(angle);
    g->m[3] = sy * cos(angle);
    g->cx = 0.5 * (double)(w - 1);
    g->cy = 0.5 * (double)(h - 1);
    g->tx = 0.5 * (double)(from->w - 1) + between(d, -a->shift, a->shift) * (double)from->w;
    g->ty = 0.5 * (double)(from->h - 1) + between(d, -a->shift, a->shift) * (double)from->h;
    const double size = between(d, 0.0, 1.0) * a->warp;
    g->warped = size > 0;
    if (g->warped) draw_field(&g->bend, d, size * (double)from->w, size * (double)from->h);
}

/* Catmull-Rom between the second and the third of four numbers, as c0 + c1 t + c2 t^2 + c3 t^3. */
static void cubic(double c[4], double p0, double p1, double p2, double p3)
{
    c[0] = p1;
    c[1] = 0.5 * (p2 - p0);
    c[2] = 0.5 * (2 * p0 - 5 * p1 + 4 * p2 - p3);
    c[3] = 0.5 * (3 * (p1 - p2) + p3 - p0);
}
static double cubic_at(const double c[4], double t) { return c[0] + t * (c[1] + t * (c[2] + t * c[3])); }

/* One row of a field: a cubic for each piece of it, found once, so that a pixel takes three products. */
enum { PIECES = GRID - 3 };
typedef struct { double a[PIECES][4], b[PIECES][4]; } field_row;

static double grid_at(const double *grid, nn_dim y, nn_dim h, int x)
{
    const double at = (double)y / (double)h * PIECES;
    const int i = (int)at;
    double c[4];
    cubic(c, grid[i * GRID + x], grid[(i + 1) * GRID + x], grid[(i + 2) * GRID + x], grid[(i + 3) * GRID + x]);
    return cubic_at(c, at - i);
}

static void row_of(field_row *r, const field *f, nn_dim y, nn_dim h)
{
    double a[GRID], b[GRID];
    for (int x = 0; x < GRID; x++) {
        a[x] = grid_at(f->a, y, h, x);
        b[x] = grid_at(f->b, y, h, x);
    }
    for (int i = 0; i < PIECES; i++) {
        cubic(r->a[i], a[i], a[i + 1], a[i + 2], a[i + 3]);
        cubic(r->b[i], b[i], b[i + 1], b[i + 2], b[i + 3]);
    }
}

/* Rows are worked on in spans of pixels. */
enum { SPAN = 64 };

/* Both functions at columns [x, x + n) of w are added to a and b. */
static void add_field(const field_row *r, nn_dim x, nn_dim n, nn_dim w, double *a, double *b)
{
    const double scale = PIECES / (double)w;
    for (nn_dim i = 0; i < n;) {
        const nn_dim piece = (x + i) * PIECES / w, end = nn_at_most(n, ((piece + 1) * w + PIECES - 1) / PIECES - x);
        IN_VECTORS
        for (nn_dim j = i; j < end; j++) {
            const double t = (double)(x + j) * scale - (double)piece;
            a[j] += cubic_at(r->a[piece], t);
            b[j] += cubic_at(r->b[piece], t);
        }
        i = end;
    }
}

/* Beyond the border the picture is mirrored. */
static nn_dim mirrored(nn_dim i, nn_dim n)
{
    if (i >= 0 && i < n) return i;                          /* nearly always: no division */
    if (n == 1) return 0;
    const nn_dim period = 2 * (n - 1);
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
}

/* floor */
static nn_dim below(double v) { const nn_dim i = (nn_dim)v; return (double)i > v ? i - 1 : i; }

/* The four pixels around a source position, and their weights. */
typedef struct { nn_dim at[4]; real w[4]; } corners;

static corners corners_of(const dl_sample *from, double sy, double sx)
{
    const nn_dim y = below(sy), x = below(sx), h = from->h, w = from->w;
    const double ty = sy - (double)y, tx = sx - (double)x;
    const nn_dim top = mirrored(y, h) * w, low = mirrored(y + 1, h) * w, left = mirrored(x, w), right = mirrored(x + 1, w);
    return (corners){ { top + left, top + right, low + left, low + right },
                      { (real)((1 - ty) * (1 - tx)), (real)((1 - ty) * tx), (real)(ty * (1 - tx)), (real)(ty * tx) } };
}

/* Are all four pixels of one class, as nearly everywhere? */
static bool one_class(const dl_sample *from, const corners *c)
{
    const uint8_t *label = from->label;
    return !from->soft && label[c->at[0]] == label[c->at[1]] && label[c->at[0]] == label[c->at[2]] && label[c->at[0]] == label[c->at[3]];
}

/* The class probabilities there; weight 0 where most of it is void. */
static void classes_at(real *target, real *weight, const dl_sample *from, nn_dim K, const corners *c)
{
    if (one_class(from, c)) {                               /* no sums */
        const uint8_t own = from->label[c->at[0]];
        memset(target, 0, (size_t)K * sizeof *target);
        *weight = own != NN_VOID;
        if (own != NN_VOID) target[own] = 1;
        return;
    }
    double mass[CLASSES_MAX + 1];                           /* the last is void */
    memset(mass, 0, (size_t)(K + 1) * sizeof *mass);
    for (int i = 0; i < 4; i++) {
        const nn_dim p = c->at[i];
        if (from->soft) for (nn_dim k = 0; k < K; k++) mass[k] += c->w[i] * from->soft[p * K + k];
        else mass[from->label[p] == NN_VOID ? K : from->label[p]] += c->w[i];
    }
    const double known = 1.0 - mass[K];
    *weight = known > 0.5;
    for (nn_dim k = 0; k < K; k++) target[k] = (real)(known > 0.5 ? mass[k] / known : 0.0);
}

static void sample_all(real *rgb, real *target, real *weight, nn_dim h, nn_dim w, nn_dim K, const dl_sample *from, const geometry *g)
{
    double sy[SPAN], sx[SPAN];
    field_row bend;
    for (nn_dim y = 0; y < h; y++) {
        const double oy = (double)y - g->cy;
        if (g->warped) row_of(&bend, &g->bend, y, h);
        for (nn_dim x = 0; x < w; x += SPAN) {
            const nn_dim n = nn_at_most(SPAN, w - x);
            for (nn_dim i = 0; i < n; i++) {
                const double ox = (double)(x + i) - g->cx;
                sx[i] = g->m[0] * ox + g->m[1] * oy + g->tx;
                sy[i] = g->m[2] * ox + g->m[3] * oy + g->ty;
            }
            if (g->warped) add_field(&bend, x, n, w, sx, sy);
            for (nn_dim i = 0; i < n; i++) {
                const nn_dim p = y * w + x + i;
                const corners c = corners_of(from, sy[i], sx[i]);
                const uint8_t *v0 = from->rgb + 3 * c.at[0], *v1 = from->rgb + 3 * c.at[1], *v2 = from->rgb + 3 * c.at[2], *v3 = from->rgb + 3 * c.at[3];
                for (int j = 0; j < 3; j++) rgb[3 * p + j] = c.w[0] * v0[j] + c.w[1] * v1[j] + c.w[2] * v2[j] + c.w[3] * v3[j];
                classes_at(target + p * K, weight + p, from, K, &c);
            }
        }
    }
}

/* ---- stain ----------------------------------------------------------------------------------------------------------------------------- */

/* The background's level of a channel: the 90th percentile of every 7th pixel, to a sixteenth of a level. */
static double background(const real *rgb, nn_dim pixels, int channel)
{
    enum { STEPS = 16, LEVELS = 256 * STEPS };
    uint32_t count[LEVELS] = { 0 };
    nn_dim n = 0, passed = 0, level = 0;
    for (nn_dim p = 0; p < pixels; p += 7, n++) count[(int)(rgb[3 * p + channel] * STEPS)]++;
    while ((passed += count[level]) <= (n - 1) * 9 / 10) level++;
    return level > STEPS ? (double)level / STEPS : 1;
}

/* od (pixels,3) = -log((v + 1) / (background + 1)). */
static void densities(real *od, const real *rgb, nn_dim pixels, const double bg[3])
{
    real scale[3];
    for (int c = 0; c < 3; c++) scale[c] = (real)(1 / (bg[c] + 1));
    for (nn_dim p = 0; p < pixels; p++) for (int c = 0; c < 3; c++) od[3 * p + c] = -logf((rgb[3 * p + c] + 1) * scale[c]);
}

static void class_means(double *mean, const real *od, const real *target, nn_dim pixels, nn_dim K)
{
    double mass[CLASSES_MAX] = { 0 };
    memset(mean, 0, (size_t)(3 * K) * sizeof *mean);
    for (nn_dim p = 0; p < pixels; p++)
        for (nn_dim k = 0; k < K; k++) {
            const double t = target[p * K + k];
            if (t <= 0) continue;
            mass[k] += t;
            for (int c = 0; c < 3; c++) mean[3 * k + c] += t * od[3 * p + c];
        }
    for (nn_dim k = 0; k < K; k++) for (int c = 0; c < 3; c++) mean[3 * k + c] /= mass[k] > 0 ? mass[k] : 1.0;
}

/* od' = sum_k t_k f_k,c u_k((1 - flat_k) od + flat_k mean_k): class 0 is mostly bare glass and keeps its own.  u: the two slow functions, by
 * turns, so that neighbouring classes pale in different places. */
typedef struct { double factor[3 * CLASSES_MAX], flat[CLASSES_MAX], mean[3 * CLASSES_MAX]; } dye;

static void draw_dye(dye *y, nn_dim K, dice *d, const dl_augmentation *a)
{
    double whole[3];
    const double common = a->stain * normal(d);
    for (int c = 0; c < 3; c++) whole[c] = exp(common + 0.5 * a->stain * normal(d));
    for (nn_dim k = 0; k < K; k++) {
        const double strength = !k ? 0.0 : k == a->steady_class ? STEADY * a->class_stain : a->class_stain, own = strength * normal(d);
        for (int c = 0; c < 3; c++) y->factor[3 * k + c] = whole[c] * exp(own + 0.3 * strength * normal(d));
        y->flat[k] = strength > 0 ? uniform(d) : 0.0;
    }
}

/* The two slow functions at columns [x, x + n) of row y, u[0] = 1 before them for class 0. */
static void slow_factors(real u[3][SPAN], const field_row *slow, nn_dim x, nn_dim n, nn_dim w)
{
    double log_u[2][SPAN] = { { 0 }, { 0 } };
    if (slow) add_field(slow, x, n, w, log_u[0], log_u[1]);
    for (nn_dim i = 0; i < n; i++) {
        u[0][i] = 1;
        for (int j = 0; j < 2; j++) u[1 + j][i] = slow ? expf((float)log_u[j][i]) : 1;
    }
}

static void stain(real *rgb, const real *target, nn_dim h, nn_dim w, nn_dim K, dice *d, const dl_augmentation *a, real *room)
{
    const nn_dim pixels = h * w;
    const bool uneven = a->uneven > 0;
    double bg[3];
    dye y;
    field slow = { { 0 }, { 0 } };
    field_row row;
    real *od = room, own[CLASSES_MAX][3], flat[CLASSES_MAX][3], u[3][SPAN];      /* a class's density: own od + flat */
    draw_dye(&y, K, d, a);
    if (uneven) draw_field(&slow, d, a->uneven, a->uneven);
    for (int c = 0; c < 3; c++) bg[c] = background(rgb, pixels, c);
    densities(od, rgb, pixels, bg);
    class_means(y.mean, od, target, pixels, K);
    for (nn_dim k = 0; k < K; k++)
        for (int c = 0; c < 3; c++) {
            own[k][c] = (real)(y.factor[3 * k + c] * (1 - y.flat[k]));
            flat[k][c] = (real)(y.factor[3 * k + c] * y.flat[k] * y.mean[3 * k + c]);
        }
    for (nn_dim p = 0; p < pixels; p++) {
        const nn_dim x = p % w;
        if (x == 0 && uneven) row_of(&row, &slow, p / w, h);
        if (x % SPAN == 0) slow_factors(u, uneven ? &row : NULL, x, nn_at_most(SPAN, w - x), w);
        real sum[3] = { 0 }, mass = 0;
        for (nn_dim k = 0; k < K; k++) {
            const real t = target[p * K + k], f = t * u[k ? 1 + k % 2 : 0][x % SPAN];
            if (t <= 0) continue;
            mass += t;
            for (int c = 0; c < 3; c++) sum[c] += f * (own[k][c] * od[3 * p + c] + flat[k][c]);
        }
        for (int c = 0; c < 3 && mass > 0; c++) rgb[3 * p + c] = (real)(bg[c] + 1) * expf((float)(-sum[c] / mass)) - 1;
    }
}

/* ---- optics ------------------------------------------------------------------------------------------------------------------------------ */

enum { REACH = 4, TAPS = 2 * REACH + 1 };

/* to must not overlap what is read. */
static void weighted(real *to, const real *const at[TAPS], const real g[TAPS], nn_dim n)
{
    memset(to, 0, (size_t)n * sizeof *to);
    for (int i = 0; i < TAPS; i++) {
        const real *from = at[i], by = g[i];
        IN_VECTORS
        for (nn_dim j = 0; j < n; j++) to[j] += by * from[j];
    }
}

/* Separable Gaussian, mirrored borders.  room: 3 * (h*w + w + 2*REACH). */
static void blur(real *rgb, nn_dim h, nn_dim w, double sd, real *room)
{
    const nn_dim line = 3 * w;
    const real *at[TAPS];
    real g[TAPS], sum = 0, *wide = room + h * line;
    for (int i = -REACH; i <= REACH; i++) sum += g[i + REACH] = (real)exp(-0.5 * i * i / (sd * sd));
    for (int i = 0; i < TAPS; i++) g[i] /= sum;
    for (nn_dim y = 0; y < h; y++) {                        /* along rows: each with its mirrored ends */
        for (nn_dim x = -REACH; x < w + REACH; x++) memcpy(wide + 3 * (x + REACH), rgb + y * line + 3 * mirrored(x, w), 3 * sizeof *wide);
        for (int i = 0; i < TAPS; i++) at[i] = wide + 3 * i;
        weighted(room + y * line, at, g, line);
    }
    for (nn_dim y = 0; y < h; y++) {
        for (int i = 0; i < TAPS; i++) at[i] = room + mirrored(y + i - REACH, h) * line;
        weighted(rgb + y * line, at, g, line);
    }
}

static void colour(real *rgb, nn_dim pixels, dice *d, double strength)
{
    double gain[3], offset[3];
    const double gamma = exp(0.15 * strength * normal(d)), light = 0.06 * strength * normal(d);
    for (int c = 0; c < 3; c++) {
        gain[c] = exp(light + 0.04 * strength * normal(d));
        offset[c] = 4.0 * strength * normal(d);
    }
    for (nn_dim p = 0; p < pixels; p++, rgb += 3)
        for (int c = 0; c < 3; c++) rgb[c] = (real)((rgb[c] > 0 ? 255 * powf(rgb[c] / 255, (float)gamma) : 0) * gain[c] + offset[c]);
}

/* Noise of a camera: the sum of a random word's four bytes is close to normal (excess kurtosis -0.3), and one block of words serves four
 * numbers. */
static void add_noise(real *rgb, nn_dim pixels, dice *d, double sd)
{
    static const int32_t mean = 510;                                                      /* 4 * 127.5 */
    const real scale = (real)(sd / 147.80054127099807);                                   /* sqrt(4 (256^2 - 1) / 12) */
    for (nn_dim i = 0; i < 3 * pixels && sd > 0; i += 4) {
        uint32_t word[4];
        nn_rng_block(d->seed, NN_RNG_AUGMENT, d->step, d->at++, word);
        for (nn_dim j = 0; j < 4 && i + j < 3 * pixels; j++) {
            const uint32_t pairs = (word[j] & 0xff00ff) + (word[j] >> 8 & 0xff00ff);
            rgb[i + j] += scale * (real)((int32_t)((pairs & 0xffff) + (pairs >> 16)) - mean);
        }
    }
}

static real normalised(real level, int c) { return (level - dl_input_mean[c]) / dl_input_sd[c]; }

/* Within the limits of a byte, as the network takes it. */
static void normalise(real *rgb, nn_dim pixels)
{
    for (nn_dim p = 0; p < pixels; p++, rgb += 3)
        for (int c = 0; c < 3; c++) rgb[c] = normalised(rgb[c] < 0 ? 0 : rgb[c] > 255 ? 255 : rgb[c], c);
}

/* What is left of a normalised sample after JPEG. */
static nn_status lose_to_jpeg(real *x, nn_dim h, nn_dim w, int quality, nn_err *err)
{
    nn_image before = { 0 }, after = { 0 };
    nn_bytes file = { 0 };
    nn_status s = nn_image_make(&before, w, h, 3, err);
    for (nn_dim i = 0; i < 3 * h * w && !s; i++) before.pixels[i] = (uint8_t)(x[i] * dl_input_sd[i % 3] + dl_input_mean[i % 3] + (real)0.5);
    if (!s) s = nn_jpeg_encode(&before, quality, &file, err);
    if (!s) s = nn_jpeg_decode(file.data, file.size, "a sample", &after, err);
    for (nn_dim i = 0; i < 3 * h * w && !s; i++) x[i] = normalised(after.pixels[i], (int)(i % 3));
    nn_bytes_free(&file);
    nn_image_free(&before);
    nn_image_free(&after);
    return s;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------------------- */

/* Where this sample is class 0 and the other, with a geometry of its own, shows the class: the other's pixel and target. */
static void paste(real *rgb, real *target, real *weight, nn_dim h, nn_dim w, nn_dim K, dice *d, const dl_sample *other, const dl_augmentation *a, real *room)
{
    const nn_dim pixels = h * w;
    real *rgb2 = room, *target2 = room + 3 * pixels, *weight2 = target2 + K * pixels;
    geometry g = { 0 };
    draw_geometry(&g, d, a, h, w, other);
    sample_all(rgb2, target2, weight2, h, w, K, other, &g);
    for (nn_dim p = 0; p < pixels; p++) {
        const double share = (double)target[p * K] * target2[p * K + a->paste_class];
        if (!(weight[p] > 0 && weight2[p] > 0 && share > 0)) continue;
        for (int c = 0; c < 3; c++) rgb[3 * p + c] = (real)((1 - share) * rgb[3 * p + c] + share * rgb2[3 * p + c]);
        target[p * K] = (real)(target[p * K] - share);
        target[p * K + a->paste_class] = (real)(target[p * K + a->paste_class] + share);
    }
}

nn_dim dl_augment_room(nn_dim h, nn_dim w, nn_dim K) { return (3 + K + 1) * h * w + 3 * (w + 2 * REACH); }

nn_status dl_augment(real *x, real *target, real *weight, nn_dim h, nn_dim w, nn_dim K, const dl_sample *from, const dl_sample *other,
                     const dl_augmentation *a, uint64_t seed, uint32_t step, uint32_t index, real *room, nn_err *err)
{
    NN_ASSERT(K <= CLASSES_MAX);
    const nn_dim pixels = h * w;
    dice d = { seed, (uint64_t)index << 32, step };
    geometry g = { 0 };
    draw_geometry(&g, &d, a, h, w, from);
    sample_all(x, target, weight, h, w, K, from, &g);
    for (int i = 0; i < 2; i++)
        if (other && a->paste_class > 0 && a->paste_class < K && uniform(&d) < a->paste) paste(x, target, weight, h, w, K, &d, other, a, room);
    if (a->stain > 0 || a->class_stain > 0 || a->uneven > 0) stain(x, target, h, w, K, &d, a, room);
    const double sd = between(&d, 0.0, 1.0) * a->blur;
    if (sd > 0.3) blur(x, h, w, sd, room);                                /* below, nothing of the neighbours is left */
    if (a->colour > 0) colour(x, pixels, &d, a->colour);
    add_noise(x, pixels, &d, uniform(&d) * uniform(&d) * a->noise);
    normalise(x, pixels);
    if (a->jpeg <= 0 || uniform(&d) >= 0.5) return NN_OK;
    return lose_to_jpeg(x, h, w, a->jpeg + (int)((101 - a->jpeg) * uniform(&d)), err);
}
