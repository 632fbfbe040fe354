/* test_image.c: PNG of every kind in and out, label maps, hostile files, conversion of network output. */
#include "tests/t.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "nn/image.h"
#include "nn/json.h"

#define DATA "../shared/data/blood"
static const char *folder;

/* ---- files of every kind, made by libpng itself ------------------------------------------------------------------- */

typedef struct { int type, depth, interlace, transparent; } kind;
enum { W = 37, H = 21 };                       /* odd, so that packed rows end inside a byte */

/* Sample values of pixel (x,y): below 2^depth, and below 200 for a palette. */
static int value_at(kind k, int x, int y, int c)
{
    const int v = (x * 7 + y * 13 + c * 101) * 257 % 65521;
    return k.type == PNG_COLOR_TYPE_PALETTE ? v % (k.depth < 8 ? 1 << k.depth : 200) : v % (1 << k.depth);
}

static int channels_of(int type)
{
    return type == PNG_COLOR_TYPE_RGB ? 3 : type == PNG_COLOR_TYPE_RGB_ALPHA ? 4 : type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : 1;
}

static void make_file(const char *path, kind k)
{
    static uint8_t rows[H][W * 8];
    png_bytep row[H];
    const int channels = channels_of(k.type);
    memset(rows, 0, sizeof rows);
    for (int y = 0; y < H; y++) {
        row[y] = rows[y];
        for (int i = 0; i < W * channels; i++) {
            const int v = value_at(k, i / channels, y, i % channels), bit = i * k.depth;
            if (k.depth == 16) { rows[y][2 * i] = (uint8_t)(v >> 8); rows[y][2 * i + 1] = (uint8_t)v; }
            else rows[y][bit / 8] = (uint8_t)(rows[y][bit / 8] | v << (8 - k.depth - bit % 8));
        }
    }
    FILE *f = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, W, H, k.depth, k.type, k.interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color color[256];
    png_byte alpha[256];
    for (int i = 0; i < 256; i++) { color[i] = (png_color){ (png_byte)i, (png_byte)(255 - i), (png_byte)(i * 3) }; alpha[i] = (png_byte)i; }
    if (k.type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, color, 1 << k.depth);
    png_color_16 key = { .gray = 1, .red = 1, .green = 2, .blue = 3 };
    if (k.transparent) png_set_tRNS(png, info, alpha, k.type == PNG_COLOR_TYPE_PALETTE ? 1 << k.depth : 0, &key);
    png_text text = { .compression = PNG_TEXT_COMPRESSION_zTXt, .key = "Comment", .text = "hello", .text_length = 5 };
    png_set_text(png, info, &text, 1);
    png_set_gAMA(png, info, 1.0);              /* must not change a value */
    png_set_rows(png, info, row);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

/* What nn_png_read promises for a sample. */
static int expected(kind k, int x, int y, int c)
{
    if (k.type == PNG_COLOR_TYPE_PALETTE) {
        const int i = value_at(k, x, y, 0);
        return (uint8_t)(c == 0 ? i : c == 1 ? 255 - i : i * 3);
    }
    if (k.type == PNG_COLOR_TYPE_GRAY_ALPHA) c = c < 3 ? 0 : 1;
    const int v = value_at(k, x, y, c);
    return k.depth == 16 ? v >> 8 : v * 255 / ((1 << k.depth) - 1);
}

static void test_kinds(void)
{
    static const int types[] = { PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_PALETTE, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA, PNG_COLOR_TYPE_GRAY_ALPHA };
    static const char *names[] = { "grey", "palette", "RGB", "RGBA", "grey with alpha" };
    static const int want_channels[] = { 1, 3, 3, 4, 4 };
    char path[300];
    for (int t = 0; t < 5; t++) for (int depth = 1; depth <= 16; depth *= 2) for (int variant = 0; variant < 4; variant++) {
        const kind k = { types[t], depth, variant & 1, variant >> 1 };
        if ((depth < 8 && t > 1) || (depth == 16 && t == 1) || (k.transparent && t > 2)) continue;
        nn_format(path, sizeof path, "%s/kind.png", folder);
        make_file(path, k);
        char name[100];
        nn_format(name, sizeof name, "%s %d bits%s%s", names[t], depth, k.interlace ? ", interlaced" : "", k.transparent ? ", tRNS" : "");
        nn_image im;
        nn_err err = { 0 };
        if (!t_status(nn_png_read(path, &im, &err), NN_OK, &err, NULL, "read %s: %s", name, err.msg)) continue;
        int wrong = 0;
        for (int i = 0; i < W * H * want_channels[t] && im.channels == want_channels[t]; i++)
            wrong += im.pixels[i] != expected(k, i / want_channels[t] % W, i / want_channels[t] / W, i % want_channels[t]);
        t_check(im.width == W && im.height == H && im.channels == want_channels[t] && !wrong, "%s: %d wrong samples, %td channels", name, wrong, im.channels);
        nn_image_free(&im);

        const nn_status labels = nn_png_read_labels(path, &im, &err);
        if (t > 1 || depth == 16) {
            char part[64];
            nn_format(part, sizeof part, "expected a label map (grey or indexed PNG of at most 8 bits), found %s of %d bits", names[t], depth);
            t_status(labels, NN_EFORMAT, &err, part, "%s is no label map", name);
            continue;
        }
        if (!t_status(labels, NN_OK, &err, NULL, "labels from %s: %s", name, err.msg)) continue;
        wrong = 0;
        for (int i = 0; i < W * H; i++) wrong += im.pixels[i] != value_at(k, i % W, i / W, 0);
        t_check(im.channels == 1 && !wrong, "%s as labels: %d values are not the stored index", name, wrong);
        nn_image_free(&im);
    }
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* Header, pixels, end: nothing that could hold a date or a program's name. */
static bool only_pixels(const nn_bytes *b)
{
    for (size_t at = 8; at + 12 <= b->size; at += 12 + png_get_uint_32(b->data + at)) {
        const char *type = (const char *)b->data + at + 4;
        if (memcmp(type, "IHDR", 4) && memcmp(type, "IDAT", 4) && memcmp(type, "IEND", 4)) return false;
    }
    return true;
}

static void test_round_trip(void)
{
    static const nn_dim sizes[][2] = { { 1, 1 }, { 3, 1 }, { 1, 5 }, { 64, 33 } };
    char path[300];
    for (int s = 0; s < 4; s++) for (nn_dim channels = 1; channels <= 4; channels++) {
        if (channels == 2) continue;
        nn_image im, back;
        nn_err err = { 0 };
        nn_bytes a, b;
        t_status(nn_image_make(&im, sizes[s][0], sizes[s][1], channels, &err), NN_OK, &err, NULL, "make");
        const nn_dim n = im.width * im.height * channels;
        for (nn_dim i = 0; i < n; i++) im.pixels[i] = (uint8_t)(i * i * 31 >> 2);
        nn_format(path, sizeof path, "%s/trip.png", folder);
        t_status(nn_png_write(path, &im, NULL, &err), NN_OK, &err, NULL, "write");
        if (t_status(nn_png_read(path, &back, &err), NN_OK, &err, NULL, "read back: %s", err.msg)) {
            t_check(back.width == im.width && back.height == im.height && back.channels == channels, "size comes back");
            t_same(back.pixels, im.pixels, (size_t)n, "%td x %td x %td comes back", im.width, im.height, channels);
            nn_image_free(&back);
        }
        nn_png_encode(&im, NULL, &a, &err);
        nn_png_encode(&im, NULL, &b, &err);
        t_check(a.size == b.size && !memcmp(a.data, b.data, a.size), "equal pixels give equal bytes");
        t_check(only_pixels(&a), "no chunk but header, pixels and end");
        nn_bytes_free(&a);
        nn_bytes_free(&b);
        nn_image_free(&im);
    }
}

static void test_palette(void)
{
    nn_palette p = { .count = 5 };
    for (int i = 0; i < 5; i++) for (int c = 0; c < 3; c++) p.rgb[i][c] = (uint8_t)(i * 50 + c);
    nn_image im, back;
    nn_err err = { 0 };
    char path[300];
    nn_format(path, sizeof path, "%s/palette.png", folder);
    nn_image_make(&im, 16, 9, 1, &err);
    for (int i = 0; i < 16 * 9; i++) im.pixels[i] = (uint8_t)(i % 5);
    t_status(nn_png_write(path, &im, &p, &err), NN_OK, &err, NULL, "write indexed");
    if (t_status(nn_png_read_labels(path, &back, &err), NN_OK, &err, NULL, "read labels: %s", err.msg)) {
        t_same(back.pixels, im.pixels, 16 * 9, "indices come back");
        nn_image_free(&back);
    }
    if (t_status(nn_png_read(path, &back, &err), NN_OK, &err, NULL, "read colours")) {
        int wrong = 0;
        for (int i = 0; i < 16 * 9 * 3; i++) wrong += back.pixels[i] != p.rgb[i / 3 % 5][i % 3];
        t_check(back.channels == 3 && !wrong, "colours come back: %d wrong", wrong);
        nn_image_free(&back);
    }
    im.pixels[100] = 5;
    t_status(nn_png_write(path, &im, &p, &err), NN_EINVAL, &err, "expected values below 5, found 5", "an index without a colour");
    nn_image_free(&im);
}

/* ---- bad files ---------------------------------------------------------------------------------------------------- */

static void test_hostile(void)
{
    const kind k = { PNG_COLOR_TYPE_PALETTE, 4, 1, 1 };
    char path[300];
    nn_bytes b;
    nn_err err = { 0 };
    nn_image im;
    nn_format(path, sizeof path, "%s/good.png", folder);
    make_file(path, k);
    if (nn_file_read(path, 1 << 20, &b, &err) != NN_OK) { t_fail("%s", err.msg); return; }

    int accepted = 0, odd = 0;
    for (size_t n = 0; n < b.size; n++) {                      /* every truncation */
        nn_err e = { 0 };
        const nn_status s = nn_png_decode(b.data, n, n % 2, "cut.png", &im, &e);
        accepted += s == NN_OK;
        odd += s != NN_EFORMAT || strncmp(e.msg, "cut.png: ", 9) || strchr(e.msg, '\n') || im.pixels;
    }
    t_check(!accepted && !odd, "%d of %zu truncated files accepted, %d refused in a strange way", accepted, b.size, odd);

    odd = 0;
    for (size_t n = 0; n < b.size; n++) for (int bit = 0; bit < 8; bit++) {      /* every flipped bit: no crash, no leak, one line */
        nn_err e = { 0 };
        b.data[n] ^= (uint8_t)(1 << bit);
        const nn_status s = nn_png_decode(b.data, b.size, bit % 2, "bit.png", &im, &e);
        odd += s == NN_OK ? !im.pixels : s != NN_EFORMAT || strncmp(e.msg, "bit.png: ", 9) || im.pixels;
        if (s == NN_OK) nn_image_free(&im);
        b.data[n] ^= (uint8_t)(1 << bit);
    }
    t_check(!odd, "%d flipped bits handled in a strange way", odd);
    nn_bytes_free(&b);

    err = (nn_err){ 0 };
    t_status(nn_png_decode("GIF89a........", 14, false, "x.png", &im, &err), NN_EFORMAT, &err, "x.png: expected a PNG file, found another kind", "not a PNG");
    err = (nn_err){ 0 };
    t_status(nn_png_read("build/tmp/absent.png", &im, &err), NN_EIO, &err, "build/tmp/absent.png: open: No such file", "missing");
}

/* A header that claims more than the file can hold, or than anybody should read. */
static void test_bombs(void)
{
    static const struct { png_uint_32 w, h; const char *part; } cases[] = {
        { 30000, 8000, "bytes to hold them" }, { 20000, 20000, "expected at most 268435456 pixels, found 20000 x 20000" },
        { 40000, 1, "PNG error" }, { 0x7fffffff, 0x7fffffff, "PNG error" }, { 0, 5, "PNG error" },
    };
    nn_image im;
    nn_err err = { 0 };
    nn_bytes b;
    nn_image_make(&im, 1, 1, 1, &err);
    nn_png_encode(&im, NULL, &b, &err);
    nn_image_free(&im);
    for (int i = 0; i < 5; i++) {
        uint8_t *size = b.data + 16;
        png_save_uint_32(size, cases[i].w);
        png_save_uint_32(size + 4, cases[i].h);
        /* CRC-32 of the chunk (PNG specification, annex D). */
        uint32_t crc = 0xffffffff;
        for (const uint8_t *p = b.data + 12; p < b.data + 29; p++) {
            crc ^= *p;
            for (int j = 0; j < 8; j++) crc = crc & 1 ? 0xedb88320 ^ crc >> 1 : crc >> 1;
        }
        png_save_uint_32(b.data + 29, ~crc);
        err = (nn_err){ 0 };
        t_status(nn_png_decode(b.data, b.size, false, "bomb.png", &im, &err), NN_EFORMAT, &err, cases[i].part, "a header of %u x %u", cases[i].w, cases[i].h);
    }
    nn_bytes_free(&b);
}

/* ---- network output ----------------------------------------------------------------------------------------------- */

static void test_from_planar(void)
{
    static const struct { real x; int want; } cases[] = {
        { 0, 128 }, { -1, 0 }, { 1, 255 }, { (real)0.999, 255 }, { (real)-0.999, 0 }, { (real)-0.99, 1 }, { (real)0.5, 191 }, { -2, 0 }, { 2, 255 },
        { (real)1e30, 255 }, { (real)-1e30, 0 }, { INFINITY, 255 }, { -INFINITY, 0 }, { NAN, 0 }, { -NAN, 0 }, { (real)(-128.0 / 127.5), 0 },
    };
    for (int i = 0; i < 16; i++) {
        uint8_t byte = 77;
        nn_image im = { 1, 1, 1, &byte };
        nn_image_from_planar(&im, &cases[i].x);
        t_check(byte == cases[i].want, "%g becomes %d, expected %d", (double)cases[i].x, byte, cases[i].want);
    }
    enum { N = 15 };
    real x[3 * N];
    uint8_t bytes[3 * N + 1];
    for (int i = 0; i < 3 * N; i++) x[i] = (real)((i * 5 - 128 + 0.25) / 127.5);
    bytes[3 * N] = 99;
    nn_image im = { 5, 3, 3, bytes };
    nn_image_from_planar(&im, x);
    int wrong = 0;
    for (int p = 0; p < N; p++) for (int c = 0; c < 3; c++) wrong += bytes[p * 3 + c] != (c * N + p) * 5;
    t_check(!wrong && bytes[3 * N] == 99, "planes become interleaved: %d wrong", wrong);
}

/* ---- the real data ------------------------------------------------------------------------------------------------ */

static void test_real_data(void)
{
    nn_err err = { 0 };
    json_t *task = nn_path_is_dir(DATA) ? nn_json_read(DATA "/annotations/task.json", 1 << 20, &err) : NULL;
    if (!task) { t_skip("real pictures: no " DATA); return; }
    size_t i;
    json_t *item;
    int read = 0;
    json_array_foreach(json_object_get(task, "items"), i, item) {
        static const char *keys[] = { "image", "label" };
        nn_image im[2] = { { 0 }, { 0 } };
        for (int k = 0; k < 2; k++) {
            char path[400];
            nn_path_join(path, sizeof path, DATA "/annotations", json_string_value(json_object_get(item, keys[k])), &err);
            if ((k ? nn_png_read_labels : nn_png_read)(path, &im[k], &err) != NN_OK) t_fail("%s", err.msg);
            else read++;
        }
        int above = 0;
        for (nn_dim p = 0; p < im[1].width * im[1].height; p++) above += im[1].pixels[p] > 3;
        t_check(im[0].width == 128 && im[0].height == 128 && im[0].channels == 3 && im[1].width == 128 && im[1].channels == 1 && !above,
                "item %zu: a 128 x 128 RGB picture and a label map of classes 0 to 3", i);
        nn_image_free(&im[0]);
        nn_image_free(&im[1]);
    }
    t_check(read == 48, "24 pictures and 24 label maps were read, found %d", read);
    json_decref(task);

    int seen[3] = { 0 };
    for (int p = 1; p <= 60; p++) {
        char path[400];
        nn_image im = { 0 };
        nn_format(path, sizeof path, DATA "/real/%03d_label.png", p);
        if (nn_png_read_labels(path, &im, &err) != NN_OK) { t_fail("%s", err.msg); break; }
        for (nn_dim j = 0; j < im.width * im.height; j++) {
            if (im.pixels[j] > 2) { t_fail("%s: class %d", path, im.pixels[j]); break; }
            seen[im.pixels[j]]++;
        }
        nn_image_free(&im);
    }
    t_check(seen[0] && seen[1] && seen[2] && seen[0] + seen[1] + seen[2] == 60 * 300 * 300, "60 real label maps of classes 0 to 2");
}

int main(void)
{
    folder = t_folder("image");
    test_kinds();
    test_round_trip();
    test_palette();
    test_hostile();
    test_bombs();
    test_from_planar();
    test_real_data();
    return t_done();
}
