/* preview.c: preview.png: the first samples of a finished run, each picture beside itself under its label's colours. */
#include <string.h>

#include "datasetgan/dataset.h"

enum { COLUMNS = 4, SAMPLES = 24, GAP = 4, CELL_MAX = 256 };

/* Mean of a factor x factor block of channel c (grey pictures: the one there is). */
static int block_mean(const nn_image *im, nn_dim factor, nn_dim y, nn_dim x, nn_dim c)
{
    int sum = 0;
    for (nn_dim i = 0; i < factor * factor; i++)
        sum += im->pixels[((y * factor + i / factor) * im->width + x * factor + i % factor) * im->channels + (im->channels < 3 ? 0 : c)];
    return (int)((sum + factor * factor / 2) / (factor * factor));
}

/* Picture at (y0,x0) of the sheet, half picture and half class colour right of it. */
static void put_sample(nn_image *sheet, nn_dim y0, nn_dim x0, const nn_image *picture, const nn_image *label, nn_dim factor, const dg_look *look)
{
    const nn_dim w = picture->width / factor, h = picture->height / factor;
    for (nn_dim y = 0; y < h; y++)
        for (nn_dim x = 0; x < w; x++) {
            const int id = label->pixels[y * factor * label->width + x * factor];
            uint8_t *to = sheet->pixels + ((y0 + y) * sheet->width + x0 + x) * 3;
            for (nn_dim c = 0; c < 3; c++) {
                const int v = block_mean(picture, factor, y, x, c);
                to[c] = (uint8_t)v;
                to[(w + 1) * 3 + c] = id < look->classes ? dg_mix(v, look->class_at[id].rgb[c]) : (uint8_t)v;
            }
        }
}

static nn_status read_sample(const char *out, uint32_t seed, nn_image *picture, nn_image *label, nn_err *err)
{
    char name[DG_SAMPLE_PATH], path[DG_PATH];
    dg_sample_path(name, "images", seed);
    nn_status s = nn_path_join(path, sizeof path, out, name, err);
    if (!s) s = nn_png_read(path, picture, err);
    dg_sample_path(name, "labels", seed);
    if (!s) s = nn_path_join(path, sizeof path, out, name, err);
    if (!s) s = nn_png_read_labels(path, label, err);
    if (!s && (picture->width != label->width || picture->height != label->height))
        s = nn_fail(err, NN_ESHAPE, "%s: expected %td x %td as the picture, found %td x %td", path, picture->width, picture->height,
                    label->width, label->height);
    return s;
}

/* The first seeds of the manifest; *count of them. */
static nn_status first_seeds(const char *out, const dg_look *look, uint32_t seed[SAMPLES], nn_dim *count, nn_err *err)
{
    char path[DG_PATH];
    dg_manifest r = { .file = { .fd = -1 } };
    nn_status s = nn_path_join(path, sizeof path, out, "metadata.jsonl", err);
    if (!s) s = dg_manifest_open(&r, path, err);
    for (*count = 0; !s && *count < SAMPLES;) {
        const char *line;
        size_t size;
        dg_sample sample;
        if ((s = dg_manifest_next(&r, &line, &size, err)) || !line) break;
        s = dg_manifest_parse(&sample, line, size, look->class_at, look->classes, path, err);
        if (!s) seed[(*count)++] = sample.seed;
    }
    dg_manifest_close(&r);
    return s;
}

nn_status dg_preview_write(const char *out, const dg_look *look, nn_err *err)
{
    uint32_t seed[SAMPLES];
    nn_dim count = 0, w = 0, h = 0, factor = 1, columns = 0;
    char path[DG_PATH];
    nn_image sheet = { 0 };
    nn_status s = first_seeds(out, look, seed, &count, err);
    for (nn_dim i = 0; i < count && !s; i++) {
        nn_image picture = { 0 }, label = { 0 };
        s = read_sample(out, seed[i], &picture, &label, err);
        if (!s && i == 0) {
            factor = (picture.width + CELL_MAX - 1) / CELL_MAX;
            w = 2 * (picture.width / factor) + 1 + GAP;
            h = picture.height / factor + GAP;
            columns = count < COLUMNS ? count : COLUMNS;
            s = nn_image_make(&sheet, columns * w + GAP, (count + columns - 1) / columns * h + GAP, 3, err);
            if (!s) memset(sheet.pixels, 255, (size_t)(sheet.width * sheet.height * 3));
        }
        if (!s && (picture.width / factor * 2 + 1 + GAP != w || picture.height / factor + GAP != h))
            s = nn_fail(err, NN_ESHAPE, "%s: picture of seed %u has another size than the first", out, (unsigned)seed[i]);
        if (!s) put_sample(&sheet, GAP + i / columns * h, GAP + i % columns * w, &picture, &label, factor, look);
        nn_image_free(&picture);
        nn_image_free(&label);
    }
    if (!s) s = nn_path_join(path, sizeof path, out, "preview.png", err);
    if (!s && count) s = nn_png_write(path, &sheet, NULL, err);
    nn_image_free(&sheet);
    return s;
}
