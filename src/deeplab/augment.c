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

/* Both functions at column x of w are added to *a and *b. */
static void add_field(const field_row *r, nn_dim x, nn_dim w, double *a, double *b)
{
    const double at = (double)x / (double)w * PIECES;
    const int i = (int)at;
    *a += cubic_at(r->a[i], at - i);
    *b += cubic_at(r->b[i], at - i);
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

/* rgb (3) and class masses (K + 1, the last is void) at a source position. */
static void sample_at(real *rgb, double *mass, const dl_sample *from, nn_dim K, double sy, double sx)
{
    const nn_dim y = below(sy), x = below(sx);
    const double ty = sy - (double)y, tx = sx - (double)x;
    double sum[3] = { 0 };
    memset(mass, 0, (size_t)(K + 1) * sizeof *mass);
    for (int c = 0; c < 4; c++) {
        const double w = (c & 2 ? ty : 1 - ty) * (c & 1 ? tx : 1 - tx);
        const nn_dim p = mirrored(y + (c >> 1), from->h) * from->w + mirrored(x + (c & 1), from->w);
        for (int i = 0; i < 3; i++) sum[i] += w * from->rgb[3 * p + i];
        if (from->soft) for (nn_dim k = 0; k < K; k++) mass[k] += w * from->soft[p * K + k];
        else mass[from->label[p] == NN_VOID ? K : from->label[p]] += w;
    }
    for (int i = 0; i < 3; i++) rgb[i] = (real)sum[i];
}

static void sample_all(real *rgb, real *target, real *weight, nn_dim h, nn_dim w, nn_dim K, const dl_sample *from, const geometry *g)
{
    double mass[CLASSES_MAX + 1];
    field_row bend;
    for (nn_dim y = 0; y < h; y++) {
        if (g->warped) row_of(&bend, &g->bend, y, h);
        for (nn_dim x = 0; x < w; x++) {
            const nn_dim p = y * w + x;
            const double ox = (double)x - g->cx, oy = (double)y - g->cy;
            double sx = g->m[0] * ox + g->m[1] * oy + g->tx, sy = g->m[2] * ox + g->m[3] * oy + g->ty;
            if (g->warped) add_field(&bend, x, w, &sx, &sy);
            sample_at(rgb + 3 * p, mass, from, K, sy, sx);
            const double known = 1.0 - mass[K];
            weight[p] = known > 0.5;
            for (nn_dim k = 0; k < K; k++) target[p * K + k] = (real)(known > 0.5 ? mass[k] / known : 0.0);
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

static void stain(real *rgb, const real *target, nn_dim h, nn_dim w, nn_dim K, dice *d, const dl_augmentation *a, real *room)
{
    const nn_dim pixels = h * w;
    double bg[3];
    dye y;
    field slow = { { 0 }, { 0 } };
    real *od = room;
    draw_dye(&y, K, d, a);
    if (a->uneven > 0) draw_field(&slow, d, a->uneven, a->uneven);
    for (int c = 0; c < 3; c++) bg[c] = background(rgb, pixels, c);
    densities(od, rgb, pixels, bg);
    class_means(y.mean, od, target, pixels, K);
    field_row row;
    for (nn_dim p = 0; p < pixels; p++) {
        double u[2] = { 1.0, 1.0 };
        if (a->uneven > 0) {
            double log_u[2] = { 0.0, 0.0 };
            if (p % w == 0) row_of(&row, &slow, p / w, h);
            add_field(&row, p % w, w, &log_u[0], &log_u[1]);
            for (int i = 0; i < 2; i++) u[i] = expf((float)log_u[i]);
        }
        for (int c = 0; c < 3; c++) {
            double sum = 0.0, mass = 0.0;
            for (nn_dim k = 0; k < K; k++) {
                const double t = target[p * K + k];
                if (t <= 0) continue;
                mass += t;
                sum += t * (k ? u[k % 2] : 1.0) * y.factor[3 * k + c] * ((1 - y.flat[k]) * od[3 * p + c] + y.flat[k] * y.mean[3 * k + c]);
            }
            if (mass > 0) rgb[3 * p + c] = (real)((bg[c] + 1.0) * expf((float)(-sum / mass)) - 1.0);
        }
    }
}

/* ---- optics ------------------------------------------------------------------------------------------------------------------------------ */

enum { REACH = 4, TAPS = 2 * REACH + 1 };

static void weighted(real *to, const real *const at[TAPS], const real g[TAPS], nn_dim n)
{
    for (nn_dim j = 0; j < n; j++) {
        real sum = 0;
        for (int i = 0; i < TAPS; i++) sum += g[i] * at[i][j];
        to[j] = sum;
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
    for (nn_dim i = 0; i < 3 * pixels; i++) {
        const double v = rgb[i] > 0 ? 255 * powf(rgb[i] / 255, (float)gamma) : 0;
        rgb[i] = (real)(v * gain[i % 3] + offset[i % 3]);
    }
}

/* Noise of a camera: the sum of a random word's four bytes is close to normal (excess kurtosis -0.3), and one block of words serves four
 * numbers.  Then the limits of a byte. */
static void add_noise(real *rgb, nn_dim pixels, dice *d, double sd)
{
    static const double mean = 4 * 127.5, spread = 147.80054127099807;                    /* sqrt(4 (256^2 - 1) / 12) */
    uint32_t word[4] = { 0 };
    for (nn_dim i = 0; i < 3 * pixels; i++) {
        double v = rgb[i];
        if (sd > 0) {
            if (i % 4 == 0) nn_rng_block(d->seed, NN_RNG_AUGMENT, d->step, d->at++, word);
            const uint32_t b = word[i % 4];
            v += sd / spread * ((b & 255) + (b >> 8 & 255) + (b >> 16 & 255) + (b >> 24) - mean);
        }
        rgb[i] = (real)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static real normalised(double level, nn_dim i) { return (real)((level - dl_input_mean[i % 3]) / dl_input_sd[i % 3]); }

/* What is left of a normalised sample after JPEG. */
static nn_status lose_to_jpeg(real *x, nn_dim h, nn_dim w, int quality, nn_err *err)
{
    nn_image before = { 0 }, after = { 0 };
    nn_bytes file = { 0 };
    nn_status s = nn_image_make(&before, w, h, 3, err);
    for (nn_dim i = 0; i < 3 * h * w && !s; i++) before.pixels[i] = (uint8_t)(x[i] * dl_input_sd[i % 3] + dl_input_mean[i % 3] + (real)0.5);
    if (!s) s = nn_jpeg_encode(&before, quality, &file, err);
    if (!s) s = nn_jpeg_decode(file.data, file.size, "a sample", &after, err);
    for (nn_dim i = 0; i < 3 * h * w && !s; i++) x[i] = normalised(after.pixels[i], i);
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
    for (nn_dim i = 0; i < 3 * pixels; i++) x[i] = normalised(x[i], i);
    if (a->jpeg <= 0 || uniform(&d) >= 0.5) return NN_OK;
    return lose_to_jpeg(x, h, w, a->jpeg + (int)((101 - a->jpeg) * uniform(&d)), err);
}
