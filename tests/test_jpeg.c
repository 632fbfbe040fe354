/* test_jpeg.c: JPEG files of every kind against what Pillow reads from them (tests/golden/make_photos.py), and files that must be refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/jpeg.h"
#include "tests/t.h"

#define PHOTOS "tests/golden/photos/"

/* Decoders may differ by a level or two in rounding (YCbCr to RGB, smooth upsampling). */
static void same_picture(const char *name, int levels)
{
    char jpg[256], png[256];
    nn_image got = { 0 }, want = { 0 };
    nn_err err = { 0 };
    nn_format(jpg, sizeof jpg, PHOTOS "%s.jpg", name);
    nn_format(png, sizeof png, PHOTOS "%s.png", name);
    t_status(nn_picture_read(jpg, &got, &err), NN_OK, &err, NULL, "%s is read", name);
    t_status(nn_picture_read(png, &want, &err), NN_OK, &err, NULL, "%s.png is read", name);
    const bool size = got.width == want.width && got.height == want.height && got.channels == want.channels;
    t_check(size, "%s: expected %td x %td x %td, found %td x %td x %td", name, want.width, want.height, want.channels, got.width, got.height, got.channels);
    int worst = 0;
    for (nn_dim i = 0; size && i < got.width * got.height * got.channels; i++) {
        const int d = abs(got.pixels[i] - want.pixels[i]);
        if (d > worst) worst = d;
    }
    t_limit(worst, levels, "%s: levels from Pillow's", name);
    nn_image_free(&got);
    nn_image_free(&want);
}

static void refused(const char *name, const char *part)
{
    char path[256];
    nn_image im;
    nn_err err = { 0 };
    nn_format(path, sizeof path, PHOTOS "%s.jpg", name);
    t_status(nn_picture_read(path, &im, &err), NN_EFORMAT, &err, part, "%s is refused", name);
    t_check(!im.pixels, "%s leaves nothing behind", name);
}

/* Every file cut at every length, and with every byte changed: read or refused, never worse (run under ASan). */
static void damaged(const char *name)
{
    char path[256];
    nn_bytes b;
    nn_err err = { 0 };
    nn_format(path, sizeof path, PHOTOS "%s.jpg", name);
    if (nn_file_read(path, 1 << 20, &b, &err)) { t_fail("%s", err.msg); return; }
    int read = 0, no = 0;
    for (size_t i = 0; i < b.size; i += 3)
        for (int how = 0; how < 2; how++) {
            nn_image im;
            err = (nn_err){ 0 };
            const uint8_t held = b.data[i];
            if (how) b.data[i] ^= (uint8_t)(1 + i % 255);
            const nn_status s = nn_jpeg_decode(b.data, how ? b.size : i, name, &im, &err);
            b.data[i] = held;
            read += s == NN_OK;
            no += s != NN_OK && *err.msg && !strchr(err.msg, '\n');
            nn_image_free(&im);
        }
    t_check(read + no == 2 * (int)((b.size + 2) / 3) && no > read / 4, "%s: damaged: %d read, %d refused with a reason", name, read, no);
    nn_bytes_free(&b);
}

int main(void)
{
    static const char *const exact[] = { "plain", "grey", "one", "turned1", "turned2", "turned3", "turned4", "turned5", "turned6", "turned7", "turned8" };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) same_picture(exact[i], 1);
    same_picture("progressive", 2);
    same_picture("cmyk", 2);
    refused("cut", "JPEG error");
    refused("huge", "expected at most");
    refused("wide", "bytes to hold them");
    damaged("turned6");
    damaged("cmyk");
    return t_done();
}
