/* test_augment.c: JPEG among the augmentations: which samples lose something, and that it is what libjpeg takes. */
#include <math.h>
#include <string.h>

#include "deeplab/augment.h"
#include "nn/jpeg.h"
#include "tests/t.h"

enum { H = 43, W = 50, K = 2, NUMBERS = 3 * H * W, MANY = 24 };

static uint8_t picture[NUMBERS], label[H * W];
static real target[H * W * K], weight[H * W];

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
    static real room[(3 + K + 1) * H * W];
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

int main(void)
{
    make_picture();
    samples();
    ends();
    return t_done();
}
