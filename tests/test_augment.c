/* test_augment.c: the augmentations one by one.  What a sample drew is read off pictures made for that (ramps, a dot, even areas); then everything
 * else about it must follow from the definition in augment.h, computed here again.  JPEG: that it is what libjpeg takes. */
#include <math.h>
#include <string.h>

#include "deeplab/augment.h"
#include "nn/jpeg.h"
#include "nn/metrics.h"
#include "tests/t.h"

enum { H = 43, W = 50, K = 2, NUMBERS = 3 * H * W, MANY = 24 };

static uint8_t picture[NUMBERS], label[H * W];
static real target[H * W * K], weight[H * W], *room;

static void make_picture(void)
{
    for (int i = 0; i < NUMBERS; i++) {
        const double y = i / 3 / W, x = i / 3 % W, v = 128 + 60 * sin(x / (3.0 + i % 3)) + 50 * cos(y / 2.5 + i % 3) + ((int)(x / 7 + y / 5) % 2 ? 25 : -25);
        picture[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/* A sample without any other augmentation. */
static void draw(real *x, int jpeg, uint32_t index)
{
    nn_err err = { 0 };
    const dl_augmentation a = { .zoom_low = 1, .zoom_high = 1, .jpeg = jpeg };
    const dl_sample from = { H, W, picture, label, NULL };
    t_status(dl_augment(x, target, weight, H, W, K, &from, NULL, &a, 7, 3, index, room, &err), NN_OK, &err, NULL, "sample %u", index);
}

static int level(const real *x, int i) { return (int)floor(x[i] * dl_input_sd[i % 3] + dl_input_mean[i % 3] + (real)0.5); }

/* The picture as libjpeg gives it back: are these the sample's levels? */
static bool is_quality(const real *x, int quality)
{
    nn_err err = { 0 };
    nn_bytes file = { 0 };
    nn_image back = { 0 };
    const nn_image im = { W, H, 3, picture };
    bool same = !nn_jpeg_encode(&im, quality, &file, &err) && !nn_jpeg_decode(file.data, file.size, "picture", &back, &err) && back.width == W && back.height == H;
    for (int i = 0; i < NUMBERS && same; i++) same = back.pixels[i] == level(x, i);
    nn_bytes_free(&file);
    nn_image_free(&back);
    return same;
}

/* The qualities from `least` on whose result this is: 0 to 101 - least. */
static int qualities(const real *x, int least)
{
    int found = 0;
    for (int q = least; q <= 100; q++) found += is_quality(x, q);
    return found;
}

static void samples(void)
{
    static real plain[NUMBERS], x[NUMBERS], again[NUMBERS];
    int lost = 0, differ = 0, changed = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        draw(plain, 0, i);
        draw(x, 60, i);
        draw(again, 60, i);
        t_same(x, again, sizeof x, "sample %u once more", i);
        if (!memcmp(x, plain, sizeof x)) continue;
        lost++;
        t_check(qualities(x, 60) >= 1, "sample %u is the picture after JPEG of a quality from 60 to 100", i);
        differ += !is_quality(x, 60) && !is_quality(x, 100);
    }
    t_check(lost > MANY / 5 && lost < MANY * 4 / 5, "about half of the samples are JPEGs: %d of %d", lost, MANY);
    t_check(differ >= lost / 2, "the quality varies: %d of %d lie between the ends", differ, lost);
    for (int i = 0; i < NUMBERS; i++) changed += level(plain, i) != picture[i];
    t_check(!changed, "numbers that a sample without any augmentation changes: %d", changed);
}

/* Quality 1 loses more than 100, and 100 alone is what --jpeg 100 asks for. */
static void ends(void)
{
    static real x[NUMBERS];
    double loss[2] = { 0 };
    for (int end = 0; end < 2; end++)
        for (uint32_t i = 0; i < MANY; i++) {
            draw(x, end ? 100 : 1, i);
            double sum = 0.0;
            for (int j = 0; j < NUMBERS; j++) sum += fabs((double)(level(x, j) - picture[j]));
            if (end && sum > 0) t_check(is_quality(x, 100), "sample %u of quality 100", i);
            loss[end] += sum / NUMBERS / MANY;
        }
    t_check(loss[0] > 2 * loss[1] && loss[1] > 0, "levels lost from quality 1 on: %.2f, at 100: %.2f", loss[0], loss[1]);
}

/* ---- the others, on pictures of one's own ------------------------------------------------------------------------------ */

enum { S = 48, P = S * S, C = 4, SEEDS = 40 };            /* a square sample of four classes */
static uint8_t byte[3 * P], id[P], other_byte[3 * P], other_id[P];
static real out[3 * P], share[P * C], known[P];

static const dl_augmentation none = { .zoom_low = 1, .zoom_high = 1 };

/* Sample `index` of byte and id, back in levels. */
static void augment(const dl_augmentation *a, bool with_other, uint32_t index)
{
    nn_err err = { 0 };
    const dl_sample from = { S, S, byte, id, NULL }, other = { S, S, other_byte, other_id, NULL };
    dl_augment(out, share, known, S, S, C, &from, with_other ? &other : NULL, a, 11, 5, index, room, &err);
    for (int i = 0; i < 3 * P; i++) out[i] = out[i] * dl_input_sd[i % 3] + dl_input_mean[i % 3];
}

static void fill(uint8_t *to, int from, int count, int r, int g, int b)
{
    for (int p = from; p < from + count; p++) { to[3 * p] = (uint8_t)r; to[3 * p + 1] = (uint8_t)g; to[3 * p + 2] = (uint8_t)b; }
}

/* Red tells the column, green the row; class 1 right of the middle and below it. */
static void ramps(void)
{
    for (int p = 0; p < P; p++) {
        fill(byte, p, 1, 5 * (p % S), 5 * (p / S), 0);
        id[p] = p % S >= S / 2 && p / S >= S / 2;
    }
}
static double column(int p) { return out[3 * p] / 5; }
static double row(int p) { return out[3 * p + 1] / 5; }
/* Beyond the border the picture is mirrored. */
static double folded(double v) { return v < 0 ? -v : v > S - 1 ? 2 * (S - 1) - v : v; }
static bool inside(int p) { return column(p) > 0.5 && column(p) < S - 1.5 && row(p) > 0.5 && row(p) < S - 1.5; }

static void geometry(void)
{
    dl_augmentation a = none;
    ramps();
    augment(&a, false, 0);
    double worst = 0;
    for (int i = 0; i < 3 * P; i++) worst = fmax(worst, fabs((double)out[i] - byte[i]));
    t_limit(worst, 1e-4, "nothing asked for: largest difference, levels");

    a = (dl_augmentation){ .turn = true, .zoom_low = 0.5, .zoom_high = 2, .shift = 0.1 };
    int mirrored = 0, enlarged = 0;
    double off = 0, skew = 0, wrong = 0, least = 9, most = 0, far = 0;
    for (uint32_t n = 0; n < SEEDS; n++) {
        augment(&a, false, n);
        /* The map at the middle, by differences of a step. */
        const int m = S / 2 * S + S / 2;
        if (!inside(m) || !inside(m + 1) || !inside(m + S)) continue;
        const double xx = column(m + 1) - column(m), xy = column(m + S) - column(m), yx = row(m + 1) - row(m), yy = row(m + S) - row(m);
        const double zoom = 1 / hypot(xx, yx), shift_x = column(m) + xx * (S / 2 - 0.5 - S / 2) + xy * -0.5 - (S - 1) / 2.0;
        skew = fmax(skew, fmax(fabs(xx * xy + yx * yy), fabs(hypot(xx, yx) - hypot(xy, yy))));
        mirrored += xx * yy - xy * yx < 0;
        enlarged += zoom > 1;
        least = fmin(least, zoom), most = fmax(most, zoom), far = fmax(far, fabs(shift_x));
        for (int p = 0; p < P; p++) {
            if (!inside(p)) continue;
            const double want_x = column(m) + xx * (p % S - S / 2) + xy * (p / S - S / 2);
            off = fmax(off, fabs(column(p) - folded(want_x)));
            const double right = fmin(1, fmax(0, column(p) - (S / 2 - 1))), want = right * fmin(1, fmax(0, row(p) - (S / 2 - 1)));
            wrong = fmax(wrong, fabs(share[p * C + 1] - want) + fabs(share[p * C] - (1 - want)) + fabs(known[p] - 1.0));
        }
    }
    t_limit(off, 2e-3, "turn, zoom and shift are one map of the plane: pixels off");
    t_limit(skew, 1e-3, "without skew");
    t_limit(wrong, 1e-3, "classes move with the picture and are mixed as it is");
    t_check(mirrored > SEEDS / 5 && mirrored < SEEDS * 4 / 5, "about half are mirrored: %d of %d", mirrored, SEEDS);
    t_check(enlarged > SEEDS / 5 && enlarged < SEEDS * 4 / 5 && least > 0.499 && least < 0.7 && most < 2.001 && most > 1.5, "zooms from 0.5 to 2: %d of %d enlarge, %.2f to %.2f",
            enlarged, SEEDS, least, most);
    t_check(far < 0.1001 * S && far > 0.05 * S, "shifts up to a tenth of the picture: %.2f pixels", far);
}

static void warps(void)
{
    dl_augmentation a = none;
    double rough = 0, largest = 0, bent = 0;
    a.warp = 0.06;
    ramps();
    for (uint32_t n = 0; n < SEEDS; n++) {
        augment(&a, false, n);
        for (int p = 1; p < P - 1; p++) {
            if (p % S < S / 4 || p % S > S - S / 4 || !inside(p - 1) || !inside(p) || !inside(p + 1)) continue;
            const double second = column(p + 1) - 2 * column(p) + column(p - 1);
            rough = fmax(rough, fabs(second));
            bent += fabs(second);
            largest = fmax(largest, fabs(column(p) - p % S));
        }
    }
    t_check(largest > 0.06 * S && largest < 6 * 0.06 * S, "a warp moves pixels by some of its sd (2.9): %.2f at most", largest);
    t_check(bent > 1 && rough < 0.5, "smoothly, and not all alike: second differences up to %.3f", rough);
}

/* What the definition says of mirrored borders. */
static int reflected(int i) { return i < 0 ? -i : i >= S ? 2 * (S - 1) - i : i; }

static void blurs(void)
{
    dl_augmentation a = none;
    int drawn = 0;
    double most = 0, worst = 0;
    a.blur = 1.5;
    memset(id, 0, sizeof id);
    for (uint32_t n = 0; n < SEEDS; n++) {
        const int m = S / 2 * S + S / 2;
        memset(byte, 0, sizeof byte);
        fill(byte, m, 1, 255, 255, 255);
        augment(&a, false, n);
        if (out[3 * (m + 1)] <= 0) continue;
        drawn++;
        const double sd = sqrt(-0.5 / log((double)out[3 * (m + 1)] / (double)out[3 * m]));
        double g[9], sum = 0;
        most = fmax(most, sd);
        for (int i = 0; i < 9; i++) sum += g[i] = exp(-0.5 * (i - 4) * (i - 4) / (sd * sd));
        for (int i = 0; i < 3 * P; i++) byte[i] = (uint8_t)(i * 2654435761u >> 24);
        augment(&a, false, n);
        for (int p = 0; p < P; p++)
            for (int c = 0; c < 3; c++) {
                double want = 0;
                for (int i = 0; i < 9; i++)
                    for (int j = 0; j < 9; j++) want += g[i] * g[j] / sum / sum * byte[3 * (reflected(p / S + i - 4) * S + reflected(p % S + j - 4)) + c];
                worst = fmax(worst, fabs(want - out[3 * p + c]));
            }
    }
    t_limit(worst, 0.01, "blur against its definition, borders too: levels");
    t_check(drawn > SEEDS / 2 && most < 1.501 && most > 1.2, "%d of %d blurred, sd up to %.3f of 1.5", drawn, SEEDS, most);
}

static void colours(void)
{
    dl_augmentation a = none;
    double worst = 0, low = 9, high = 0;
    a.colour = 1;
    memset(id, 0, sizeof id);
    for (int p = 0; p < P; p++) fill(byte, p, 1, p % 256, p % 256, p % 256);
    for (uint32_t n = 0; n < SEEDS; n++) {
        augment(&a, false, n);
        for (int c = 0; c < 3; c++) {
            /* offset + gain 255 (v/255)^gamma through three levels; out[3*v + c] is what became of v. */
            const double f[3] = { out[3 * 60 + c], out[3 * 110 + c], out[3 * 160 + c] };
            double lo = 0.2, hi = 5;
            for (int i = 0; i < 60; i++) {
                const double g = (lo + hi) / 2, t0 = pow(60 / 255.0, g), t1 = pow(110 / 255.0, g), t2 = pow(160 / 255.0, g);
                if ((t1 - t0) / (t2 - t0) > (f[1] - f[0]) / (f[2] - f[0])) lo = g;
                else hi = g;
            }
            const double gain = (f[2] - f[0]) / (pow(160 / 255.0, lo) - pow(60 / 255.0, lo)), offset = f[0] - gain * pow(60 / 255.0, lo);
            if (c == 0) { low = fmin(low, lo); high = fmax(high, lo); }
            for (int v = 0; v < 256; v++) {
                const double want = offset + gain * pow(v / 255.0, lo);
                worst = fmax(worst, fabs((want < 0 ? 0 : want > 255 ? 255 : want) - out[3 * v + c]));
            }
        }
    }
    t_limit(worst, 0.05, "colour: one gamma, a gain and an offset a channel: levels");
    t_check(low < 0.9 && low > 0.5 && high > 1.1 && high < 2, "gammas from %.2f to %.2f", low, high);
}

/* Background 240, and an area of each class of three even shades. */
static void shades(void)
{
    fill(byte, 0, P, 240, 235, 230);
    memset(id, 0, sizeof id);
    for (int k = 1; k < C; k++)
        for (int i = 0; i < 3; i++) {
            const int first = (8 * k + 2 * i) * S;
            fill(byte, first, S / 2, 200 - 30 * i - 10 * k, 150 - 25 * i - 5 * k, 180 - 20 * i - 8 * k);
            memset(id + first, k, S / 2);
        }
    fill(byte, 40 * S, S / 2, 120, 110, 100);            /* class 0 that is not bare glass */
}
static double density(const double *bg, int p, int c) { return -log((out[3 * p + c] + 1.0) / (bg[c] + 1)); }
static double density_before(const double *bg, int p, int c) { return -log((byte[3 * p + c] + 1.0) / (bg[c] + 1)); }
static int shade(int k, int i) { return (8 * k + 2 * i) * S; }

static void stains(void)
{
    static const double bg[3] = { 240, 235, 230 };
    dl_augmentation a = none;
    double glass = 0, alike = 0, straight = 0, own = 0, log_of[C] = { 0 };
    shades();
    a.stain = 0.3;
    for (uint32_t n = 0; n < SEEDS; n++) {
        augment(&a, false, n);
        for (int c = 0; c < 3; c++) {
            const double f = density(bg, 40 * S, c) / density_before(bg, 40 * S, c);
            glass = fmax(glass, fabs(out[3 * (S - 1) + c] - bg[c]));
            own += fabs(log(f));
            for (int k = 1; k < C; k++) for (int i = 0; i < 3; i++) alike = fmax(alike, fabs(density(bg, shade(k, i), c) / density_before(bg, shade(k, i), c) - f));
        }
    }
    t_limit(glass, 0.1, "stain leaves bare glass alone: levels");
    t_limit(alike, 2e-3, "a stain multiplies all densities of a channel");
    own /= 3.0 * SEEDS;
    t_check(own > 0.15 && own < 0.45, "its log-sd is about 0.3 * sqrt(1.25): mean size %.3f", own);

    a = (dl_augmentation){ .zoom_low = 1, .zoom_high = 1, .class_stain = 0.5, .steady_class = 2 };
    for (uint32_t n = 0; n < 4 * SEEDS; n++) {
        augment(&a, false, n);
        alike = fmax(alike, fabs(density(bg, 40 * S, 0) / density_before(bg, 40 * S, 0) - 1));
        for (int k = 1; k < C; k++) {
            double mean[2] = { 0 };
            for (int i = 0; i < 3; i++) mean[0] += density(bg, shade(k, i), 1) / 3, mean[1] += density_before(bg, shade(k, i), 1) / 3;
            log_of[k] += pow(log(mean[0] / mean[1]), 2) / (4 * SEEDS);
            /* Levelled towards the mean: straight in the density, less steep than the class's factor, never falling. */
            const double slope = (density(bg, shade(k, 2), 1) - density(bg, shade(k, 0), 1)) / (density_before(bg, shade(k, 2), 1) - density_before(bg, shade(k, 0), 1));
            straight = fmax(straight, fabs(density(bg, shade(k, 0), 1) + slope * (density_before(bg, shade(k, 1), 1) - density_before(bg, shade(k, 0), 1)) - density(bg, shade(k, 1), 1)));
            straight = fmax(straight, slope < -1e-3 || slope > mean[0] / mean[1] + 1e-3 ? 9 : 0);
        }
    }
    t_limit(alike, 2e-3, "class stains leave class 0 alone");
    t_limit(straight, 2e-3, "a class's densities: (1 - flat) density + flat mean, times its factor");
    const double ratio = sqrt(log_of[2] / (0.5 * (log_of[1] + log_of[3])));
    t_check(sqrt(log_of[1]) > 0.4 && sqrt(log_of[1]) < 0.65 && ratio > 0.3 && ratio < 0.5, "log-sd of classes 1, 2, 3: %.3f %.3f (steady: 0.4 as much) %.3f", sqrt(log_of[1]),
            sqrt(log_of[2]), sqrt(log_of[3]));

    a = (dl_augmentation){ .zoom_low = 1, .zoom_high = 1, .uneven = 0.4 };
    fill(byte, 0, P, 240, 235, 230);
    for (int p = 0; p < P; p++) { id[p] = (uint8_t)(p / S < 8 ? 0 : 1 + p % 3); if (id[p]) fill(byte, p, 1, 120, 110, 100); }
    double jump = 0, spread = 0, same = 0, apart = 0;
    for (uint32_t n = 0; n < SEEDS; n++) {
        augment(&a, false, n);
        double lo = 9, hi = -9;
        for (int p = 8 * S; p < P - S; p++) {
            if (p % S > S - 4) continue;
            const double u = log(density(bg, p, 0) / density_before(bg, p, 0));
            lo = fmin(lo, u), hi = fmax(hi, u);
            jump = fmax(jump, fabs(log(density(bg, p + S, 0) / density_before(bg, p + S, 0)) - u));
            if (id[p] == 1) {
                same = fmax(same, fabs(log(density(bg, p + 2, 0) / density_before(bg, p + 2, 0)) - u));        /* class 3 two columns on */
                apart += fabs(log(density(bg, p + 1, 0) / density_before(bg, p + 1, 0)) - u) / P / SEEDS;           /* class 2 beside it */
            }
        }
        spread += (hi - lo) / SEEDS;
    }
    t_check(jump < 0.3 && same < 0.4 && spread > 0.5, "uneven: slow (steps of %.3f, two columns %.3f) and wide (%.2f)", jump, same, spread);
    t_check(apart > 0.03, "even classes have a function of their own: %.3f apart", apart);
}

/* A sample wider than what is worked on at a time: the slow functions run on, and class 0 has neither. */
static void wide(void)
{
    enum { ROWS = 8, COLUMNS = 150, PIXELS = ROWS * COLUMNS };
    static uint8_t rgb[3 * PIXELS], ids[PIXELS];
    static real x[3 * PIXELS], t[PIXELS * C], counts[PIXELS];
    nn_err err = { 0 };
    const dl_augmentation a = { .zoom_low = 1, .zoom_high = 1, .uneven = 0.4 };
    const dl_sample from = { ROWS, COLUMNS, rgb, ids, NULL };
    double jump = 0, least = 9, most = -9, glass = 0;
    real *space = t_guarded(dl_augment_room(ROWS, COLUMNS, C), true);
    memset(rgb, 240, sizeof rgb);
    memset(rgb, 120, 3 * 2 * COLUMNS);
    memset(ids + COLUMNS, 1, COLUMNS);
    for (uint32_t n = 0; n < SEEDS; n++) {
        t_status(dl_augment(x, t, counts, ROWS, COLUMNS, C, &from, NULL, &a, 11, 5, n, space, &err), NN_OK, &err, NULL, "wide sample %u", n);
        double last = 0;
        for (int p = 0; p < 2 * COLUMNS; p++) {
            const double level = x[3 * p] * dl_input_sd[0] + dl_input_mean[0], u = log(log((level + 1) / 241) / log(121 / 241.0));
            if (p < COLUMNS) { glass = fmax(glass, fabs(u)); continue; }
            if (p > COLUMNS) jump = fmax(jump, fabs(u - last));
            least = fmin(least, u), most = fmax(most, u), last = u;
        }
    }
    t_guarded_free(space);
    t_limit(glass, 1e-3, "wide: class 0 keeps its density");
    t_check(jump < 0.06 && most - least > 1, "wide: steps of %.3f in a range of %.2f", jump, most - least);
}

static void pastes(void)
{
    dl_augmentation a = none;
    int times = 0;
    double wrong = 0;
    a.paste = 0.7, a.paste_class = 2;
    fill(byte, 0, P, 200, 200, 200);
    fill(other_byte, 0, P, 50, 60, 70);
    memset(other_id, 1, sizeof other_id);
    for (int p = 0; p < P; p++) {
        id[p] = p % S < S / 2 ? 0 : p / S < S / 2 ? 1 : NN_VOID;
        if (p / S > 10 && p / S < 30) other_id[p] = 2;
    }
    for (uint32_t n = 0; n < SEEDS; n++) {
        augment(&a, true, n);
        double on = 0;
        for (int p = 0; p < P; p++) {
            const double s = share[p * C + 2];
            on += s;
            wrong = fmax(wrong, fabs(known[p] - (id[p] != NN_VOID)));
            if (id[p]) wrong = fmax(wrong, s + fabs(out[3 * p] - 200.0));
            else wrong = fmax(wrong, fabs(share[p * C] + s - 1) + 0.01 * fabs(out[3 * p + 1] - (200 - 140 * s)));
        }
        times += on > 0;
    }
    t_limit(wrong, 1e-3, "pasted: only on class 0, picture and target in the same share");
    t_check(times > SEEDS * 4 / 5 && times < SEEDS, "twice with probability 0.7: %d of %d samples have any", times, SEEDS);
}

static void noises(void)
{
    dl_augmentation a = none;
    double largest = 0, mean = 0, along = 0;
    a.noise = 20;
    memset(id, 0, sizeof id);
    fill(byte, 0, P, 128, 128, 128);
    for (uint32_t n = 0; n < SEEDS; n++) {
        double sum = 0, square = 0, cross = 0;
        augment(&a, false, n);
        for (int i = 0; i < 3 * P; i++) {
            const double d = out[i] - 128.0;
            sum += d, square += d * d;
            if (i) cross += d * (out[i - 1] - 128.0);
        }
        const double sd = sqrt(square / (3 * P));
        largest = fmax(largest, sd);
        mean = fmax(mean, fabs(sum / (3 * P)) / (sd + 0.01));
        along = fmax(along, fabs(cross / square));
    }
    t_check(largest > 8 && largest < 20.3 && mean < 0.06 && along < 0.06, "noise: sd up to %.2f of 20, mean %.3f sd, neighbours %.3f", largest, mean, along);
    fill(byte, 0, P, 2, 128, 253);
    augment(&a, false, 1);
    bool within = true;
    for (int i = 0; i < 3 * P; i++) within = within && out[i] > -1e-3 && out[i] < 255.001;
    t_check(within, "levels stay levels");
}

int main(void)
{
    const nn_dim h = S > (int)H ? (int)S : (int)H, w = S > (int)W ? (int)S : (int)W, numbers = dl_augment_room(h, w, C);
    room = t_guarded(numbers, true);
    make_picture();
    samples();
    ends();
    geometry();
    warps();
    blurs();
    colours();
    stains();
    wide();
    pastes();
    noises();
    t_guarded_free(room);
    return t_done();
}
