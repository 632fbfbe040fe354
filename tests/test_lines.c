/* test_lines.c: pictures row by row (src/nn/lines.c) against the same pictures at once: pixels, refusals, and the bytes of a PNG that is written. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "nn/jpeg.h"
#include "nn/lines.h"
#include "tests/t.h"

static const char *folder;

/* Rows of path below one another; NULL where it is refused. */
static uint8_t *read_lines(const char *path, nn_image *size, nn_err *err)
{
    nn_lines *l = nn_lines_open(path, err);
    if (!l) return NULL;
    *size = nn_lines_size(l);
    const nn_dim bytes = size->width * size->channels;
    uint8_t *all = malloc((size_t)(bytes * size->height));
    for (nn_dim y = 0; y < size->height && !err->status; y++) nn_lines_next(l, all + y * bytes, err);
    nn_lines_close(l);
    if (!err->status) return all;
    free(all);
    return NULL;
}

/* Both ways agree on the file: the same pixels, or both refuse it with a line that names it. */
static void same_both_ways(const char *path)
{
    nn_err one = { 0 }, two = { 0 };
    nn_image im = { 0 }, size = { 0 };
    const nn_status s = nn_picture_read(path, &im, &one);
    uint8_t *lines = read_lines(path, &size, &two);
    if (s) t_check(!lines && two.status == s && strstr(two.msg, path) && !strchr(two.msg, '\n'), "%s: refused row by row, too: %s", path, two.msg);
    else if (!lines) t_fail("%s: row by row: %s", path, two.msg);
    else if (size.width != im.width || size.height != im.height || size.channels != im.channels || size.pixels) t_fail("%s: another size", path);
    else t_same(lines, im.pixels, (size_t)(im.width * im.height * im.channels), "%s row by row", path);
    free(lines);
    nn_image_free(&im);
}

static void each_of(const char *from)
{
    char path[600];
    DIR *d = opendir(from);
    struct dirent *e;
    int files = 0;
    while (d && (e = readdir(d))) {
        nn_format(path, sizeof path, "%s/%s", from, e->d_name);
        if (e->d_name[0] == '.' || nn_path_is_dir(path)) continue;
        same_both_ways(path);
        files++;
    }
    if (d) closedir(d);
    t_check(files > 0, "%s: no files", from);
}

/* A picture of noise and flat parts, larger than what is read at a time. */
static nn_image made(nn_dim w, nn_dim h, nn_dim channels)
{
    nn_image im;
    nn_err err = { 0 };
    uint32_t noise = 7;
    if (nn_image_make(&im, w, h, channels, &err)) t_fail("%s", err.msg);
    for (nn_dim i = 0; i < w * h * channels; i++) {
        noise = noise * 1664525 + 1013904223;
        im.pixels[i] = i / 1000 % 3 ? (uint8_t)(noise >> 24) : 90;
    }
    return im;
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    nn_err err = { 0 };
    t_status(nn_file_write(path, bytes, size, &err), NN_OK, &err, NULL, "%s", path);
}

/* Cut short at many places, and with a byte changed: both ways agree. */
static void damaged(const nn_bytes *b, const char *ending)
{
    char path[300];
    nn_format(path, sizeof path, "%s/damaged.%s", folder, ending);
    uint8_t *copy = malloc(b->size);
    for (size_t i = 0; i < 40; i++) {
        memcpy(copy, b->data, b->size);
        const size_t at = i < 20 ? i * 7 : b->size * (i - 20) / 20 + 11;
        if (i % 2) copy[at] ^= 0x10;
        write_bytes(path, copy, i % 2 ? b->size : at);
        same_both_ways(path);
    }
    free(copy);
}

/* What comes after the last row counts too. */
static void without_end(const nn_bytes *b, const char *ending)
{
    char path[300];
    nn_format(path, sizeof path, "%s/without_end.%s", folder, ending);
    for (size_t less = 1; less <= 13; less += 3) {
        write_bytes(path, b->data, b->size - less);
        same_both_ways(path);
    }
}

/* Markers that nobody reads, each longer than a piece of the file. */
static void with_comments(const nn_bytes *b)
{
    enum { COMMENTS = 3, LENGTH = 65535 };
    char path[300];
    const size_t more = COMMENTS * (size_t)(LENGTH + 2);
    uint8_t *copy = calloc(b->size + more, 1);
    memcpy(copy, b->data, 2);
    for (int i = 0; i < COMMENTS; i++) memcpy(copy + 2 + i * (LENGTH + 2), (uint8_t[]){ 0xff, 0xfe, LENGTH >> 8, LENGTH & 255 }, 4);
    memcpy(copy + 2 + more, b->data + 2, b->size - 2);
    nn_format(path, sizeof path, "%s/comments.jpg", folder);
    write_bytes(path, copy, b->size + more);
    same_both_ways(path);
    free(copy);
}

static void test_large(void)
{
    static const nn_dim channels[] = { 1, 3, 4 };
    char path[300];
    for (int i = 0; i < 3; i++) {
        nn_image im = made(331, 409, channels[i]);
        nn_bytes b = { 0 };
        nn_err err = { 0 };
        t_status(nn_png_encode(&im, NULL, &b, &err), NN_OK, &err, NULL, "encode");
        t_check(b.size > NN_FEED_ROOM, "more than one piece: %zu bytes", b.size);
        nn_format(path, sizeof path, "%s/large%td.png", folder, channels[i]);
        write_bytes(path, b.data, b.size);
        same_both_ways(path);
        if (i == 1) damaged(&b, "png");
        without_end(&b, "png");
        nn_bytes_free(&b);
        if (i < 2) {
            t_status(nn_jpeg_encode(&im, 97, &b, &err), NN_OK, &err, NULL, "encode");
            t_check(b.size > NN_FEED_ROOM, "more than one piece: %zu bytes", b.size);
            nn_format(path, sizeof path, "%s/large%td.jpg", folder, channels[i]);
            write_bytes(path, b.data, b.size);
            same_both_ways(path);
            if (i == 1) damaged(&b, "jpg");
            without_end(&b, "jpg");
            with_comments(&b);
            nn_bytes_free(&b);
        }
        nn_image_free(&im);
    }
}

/* Row by row a PNG has the bytes of nn_png_encode. */
static void test_writer(void)
{
    nn_palette palette = { .count = 200 };
    for (int i = 0; i < 200; i++) palette.rgb[i][1] = (uint8_t)i;
    static const nn_dim channels[] = { 1, 1, 3, 4 };
    char path[300];
    for (int i = 0; i < 4; i++) {
        nn_image im = made(257, 63, channels[i]);
        nn_bytes want = { 0 }, got = { 0 };
        nn_stage stage;
        nn_err err = { 0 };
        const nn_palette *colours = i ? NULL : &palette;
        if (colours) for (nn_dim p = 0; p < im.width * im.height; p++) im.pixels[p] %= 200;
        t_status(nn_png_encode(&im, colours, &want, &err), NN_OK, &err, NULL, "encode");
        nn_format(path, sizeof path, "%s/written%d.png", folder, i);
        nn_stage_open(&stage, path, &err);
        nn_png_writer *w = nn_png_writer_open(&stage, &im, colours, &err);
        for (nn_dim y = 0; w && y < im.height; y++) nn_png_writer_add(w, im.pixels + y * im.width * im.channels, &err);
        if (w) nn_png_writer_end(w, &err);
        nn_png_writer_close(w);
        nn_stage_publish(&stage, path, &err);
        t_status(nn_file_read(path, 1 << 24, &got, &err), NN_OK, &err, NULL, "written row by row: %s", err.msg);
        t_check(got.size == want.size, "as many bytes: %zu, expected %zu", got.size, want.size);
        if (got.size == want.size) t_same(got.data, want.data, got.size, "a PNG row by row");
        if (colours) {
            memset(im.pixels, 200, (size_t)im.width);
            nn_stage_open(&stage, path, &err);
            w = nn_png_writer_open(&stage, &im, colours, &err);
            t_status(nn_png_writer_add(w, im.pixels, &err), NN_EINVAL, &err, "below 200, found 200", "an index without a colour");
            nn_png_writer_close(w);
            nn_stage_abort(&stage);
        }
        nn_bytes_free(&want);
        nn_bytes_free(&got);
        nn_image_free(&im);
    }
}

int main(void)
{
    folder = t_folder("lines");
    each_of("tests/golden/photos");
    each_of("tests/golden/odd/odd");
    each_of("tests/golden/odd/bad");
    each_of("tests/golden/odd/labels");
    each_of("tests/golden/odd");
    same_both_ways("nowhere.png");
    same_both_ways("README.md");
    same_both_ways("tests");
    test_large();
    test_writer();
    return t_done();
}
