/* pictures.c: what tools/reproduce.sh does with pictures.
 * usage: pictures cut SIDE COUNT OUT MOSAIC...      COUNT cells of SIDE pixels, spread evenly over the mosaics, as OUT/cNNNNN.png
 *        pictures sheet COLUMNS OUT.png PICTURE...  pictures of one size in rows */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/jpeg.h"

static bool one_colour(const nn_image *im)
{
    for (nn_dim i = im->channels; i < im->width * im->height * im->channels; i++) if (im->pixels[i] != im->pixels[i - im->channels]) return false;
    return true;
}

/* Copy `from` to (y,x) of `to`, grey as RGB; or the part of `from` at (y,x) that is as large as `to`. */
static void paste(nn_image *to, const nn_image *from, nn_dim y0, nn_dim x0)
{
    for (nn_dim y = 0; y < from->height; y++)
        for (nn_dim x = 0; x < from->width; x++)
            for (nn_dim c = 0; c < 3; c++)
                to->pixels[((y0 + y) * to->width + x0 + x) * 3 + c] = from->pixels[(y * from->width + x) * from->channels + (from->channels < 3 ? 0 : c)];
}

static void cut(nn_image *to, const nn_image *from, nn_dim y0, nn_dim x0)
{
    for (nn_dim y = 0; y < to->height; y++)
        for (nn_dim x = 0; x < to->width; x++)
            for (nn_dim c = 0; c < 3; c++)
                to->pixels[(y * to->width + x) * 3 + c] = from->pixels[((y0 + y) * from->width + x0 + x) * from->channels + (from->channels < 3 ? 0 : c)];
}

/* Of every mosaic the same number, a mosaic's evenly spaced; cells of one colour are empty and left out. */
static nn_status cut_mosaics(nn_dim side, nn_dim count, const char *out, char **mosaic, nn_dim mosaics, nn_err *err)
{
    nn_image cell = { 0 };
    nn_status s = nn_dir_make(out, err);
    if (!s) s = nn_image_make(&cell, side, side, 3, err);
    for (nn_dim m = 0, done = 0; m < mosaics && !s; m++) {
        nn_image im = { 0 };
        const nn_dim until = count * (m + 1) / mosaics, wanted = until - done;
        s = nn_picture_read(mosaic[m], &im, err);
        const nn_dim columns = im.width / side, cells = columns * (im.height / side);
        for (nn_dim i = 0; i < wanted && cells && !s; i++, done++) {
            char path[4096];
            const nn_dim at = i * cells / wanted;
            cut(&cell, &im, at / columns * side, at % columns * side);
            if (one_colour(&cell)) continue;
            nn_format(path, sizeof path, "%s/c%05td.png", out, done);
            s = nn_png_write(path, &cell, NULL, err);
        }
        done = until;
        nn_image_free(&im);
    }
    nn_image_free(&cell);
    return s;
}

static nn_status make_sheet(nn_dim columns, const char *out, char **picture, nn_dim count, nn_err *err)
{
    nn_image sheet = { 0 };
    nn_status s = NN_OK;
    for (nn_dim i = 0; i < count && !s; i++) {
        nn_image im = { 0 };
        s = nn_picture_read(picture[i], &im, err);
        if (!s && !i) s = nn_image_make(&sheet, im.width * columns, im.height * ((count + columns - 1) / columns), 3, err);
        const nn_dim y = i / columns * im.height, x = i % columns * im.width;
        if (!s && (x + im.width > sheet.width || y + im.height > sheet.height || im.width * columns != sheet.width))
            s = nn_fail(err, NN_ESHAPE, "%s: expected %td pixels across, found %td", picture[i], sheet.width / columns, im.width);
        if (!s) paste(&sheet, &im, y, x);
        nn_image_free(&im);
    }
    if (!s) s = nn_png_write(out, &sheet, NULL, err);
    nn_image_free(&sheet);
    return s;
}

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    const bool cuts = argc > 5 && !strcmp(argv[1], "cut"), sheets = argc > 4 && !strcmp(argv[1], "sheet");
    const long first = cuts || sheets ? strtol(argv[2], NULL, 10) : 0, count = cuts ? strtol(argv[3], NULL, 10) : 1;
    if (first < 1 || first > 4096 || count < 1 || count > 10000000)
        return fprintf(stderr, "usage: pictures cut SIDE COUNT OUT MOSAIC... | pictures sheet COLUMNS OUT.png PICTURE...\n"), 2;
    if (cuts) cut_mosaics(first, count, argv[4], argv + 5, argc - 5, &err);
    else make_sheet(first, argv[3], argv + 4, argc - 4, &err);
    return err.status ? fprintf(stderr, "pictures: %s\n", err.msg), 1 : 0;
}
