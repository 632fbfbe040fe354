/* test_bands.c: a picture in tiles and bands (src/deeplab/predict.c) against windows that this test cuts itself, mirrored at the borders, and predicts one by one. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "deeplab/deeplab.h"
#include "nn/lines.h"
#include "tests/t.h"

enum { SIZE = 32, CORE = 16, MARGIN = 8, K = 3 };       /* tiles of 32 at scale 1 are the network's own size */

static nn_dim reflected(nn_dim i, nn_dim n)
{
    while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

static void want_tiles(dl_predictor *fit, const nn_image *im, uint8_t *label, real *prob)
{
    nn_err err = { 0 };
    uint8_t tile_label[SIZE * SIZE];
    static real tile_prob[SIZE * SIZE * K];
    nn_image tile;
    if (nn_image_make(&tile, SIZE, SIZE, im->channels, &err)) { t_fail("%s", err.msg); return; }
    for (nn_dim y0 = 0; y0 < im->height; y0 += CORE)
        for (nn_dim x0 = 0; x0 < im->width; x0 += CORE) {
            for (nn_dim p = 0; p < SIZE * SIZE; p++) {
                const nn_dim y = reflected(y0 - MARGIN + p / SIZE, im->height), x = reflected(x0 - MARGIN + p % SIZE, im->width);
                memcpy(tile.pixels + p * im->channels, im->pixels + (y * im->width + x) * im->channels, (size_t)im->channels);
            }
            t_status(dl_predict(fit, &tile, tile_label, tile_prob, NULL, &err), NN_OK, &err, NULL, "a window");
            for (nn_dim y = y0; y < y0 + CORE && y < im->height; y++)
                for (nn_dim x = x0; x < x0 + CORE && x < im->width; x++) {
                    const nn_dim from = (y - y0 + MARGIN) * SIZE + x - x0 + MARGIN, to = y * im->width + x;
                    label[to] = tile_label[from];
                    memcpy(prob + to * K, tile_prob + from * K, K * sizeof *prob);
                }
        }
    nn_image_free(&tile);
}

/* What the bands bring. */
typedef struct { const nn_image *im; nn_dim row, next; uint8_t *label; real *prob; nn_dim fail_at; } user;

static nn_status next_row(void *of, uint8_t *row, nn_err *err)
{
    user *u = of;
    const nn_dim bytes = u->im->width * u->im->channels;
    if (u->row == u->fail_at) return nn_fail(err, NN_EFORMAT, "row %td is damaged", u->row);
    memcpy(row, u->im->pixels + u->row++ * bytes, (size_t)bytes);
    return NN_OK;
}

static nn_status take(void *of, const dl_band *b, nn_err *err)
{
    user *u = of;
    const nn_dim w = u->im->width, bytes = w * u->im->channels;
    (void)err;
    t_check(b->y == u->next && b->rows > 0, "bands follow one another");
    t_check(!memcmp(b->pixels, u->im->pixels + b->y * bytes, (size_t)(b->rows * bytes)), "a band has its pixels");
    memcpy(u->label + b->y * w, b->label, (size_t)(b->rows * w));
    memcpy(u->prob + b->y * w * K, b->prob, (size_t)(b->rows * w * K) * sizeof *b->prob);
    u->next = b->y + b->rows;
    return NN_OK;
}

static bool stop_at_fifth(void *of, const char *what, double done, double total, double value)
{
    (void)of, (void)what, (void)total, (void)value;
    return done < 5;
}

/* ---- a picture of 37 MB, from file to file, in a fraction of that ----------------------------------------------------------------------- */

enum { TALL_W = 250, TALL_H = 50000, TALL_MB = 15 };

static nn_status next_line(void *of, uint8_t *row, nn_err *err) { return nn_lines_next(of, row, err); }
static nn_status write_band(void *of, const dl_band *b, nn_err *err)
{
    for (nn_dim y = 0; y < b->rows; y++) if (nn_png_writer_add(of, b->label + y * TALL_W, err)) break;
    return err->status;
}
static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void test_tall(const dl_model *m, const char *program)
{
    static uint8_t row[3 * TALL_W];
    char path[300], out[300];
    nn_err err = { 0 };
    nn_stage stage;
    const nn_image size = { TALL_W, TALL_H, 3, NULL }, map = { TALL_W, TALL_H, 1, NULL };
    nn_format(path, sizeof path, "%s/tall.png", t_folder("bands"));
    nn_format(out, sizeof out, "%s.out.png", path);
    nn_stage_open(&stage, path, &err);
    nn_png_writer *w = nn_png_writer_open(&stage, &size, NULL, &err);
    for (nn_dim y = 0; w && y < TALL_H; y++) {
        memset(row, (int)(y / 64 % 256), sizeof row);
        nn_png_writer_add(w, row, &err);
    }
    if (w) nn_png_writer_end(w, &err);
    nn_png_writer_close(w);
    t_status(nn_stage_publish(&stage, path, &err), NN_OK, &err, NULL, "a tall picture: %s", err.msg);

    const dl_predict_options o = { .scale = 0.125, .tile = 64, .threads = 1 };
    dl_predictor *p = dl_predictor_open(m, nn_kernels_pick("auto", &err), &o, &err);
    const long before = peak_kb();
    nn_lines *l = nn_lines_open(path, &err);
    nn_stage_open(&stage, out, &err);
    w = nn_png_writer_open(&stage, &map, NULL, &err);
    const dl_rows from = { TALL_W, TALL_H, 3, next_line, l };
    const dl_bands to = { false, write_band, w };
    if (p && l && w) dl_predict_rows(p, &from, &to, NULL, &err);
    if (w && !err.status) nn_png_writer_end(w, &err);
    nn_png_writer_close(w);
    nn_lines_close(l);
    t_status(nn_stage_publish(&stage, out, &err), NN_OK, &err, NULL, "its labels: %s", err.msg);
    if (strstr(program, "sanitize")) t_skip("memory: AddressSanitizer's own shadow is counted");
    else t_limit((double)(peak_kb() - before) / 1e3, TALL_MB, "MB for a picture of 37 MB");
    dl_predictor_close(p);
}

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    dl_model m = { .size = SIZE, .class_count = K, .class_at = { { "rest", { 0, 0, 0 } }, { "left", { 1, 2, 3 } }, { "right", { 4, 5, 6 } } } };
    if (dl_net_open(&m.net, &(dl_choice){ "light", K, 4, 16, 0, false }, &err)) { t_fail("%s", err.msg); return t_done(); }
    dl_net_init(&m.net, 1);
    test_tall(&m, argc ? argv[0] : "");
    const dl_predict_options fit = { .threads = 1 }, tiles = { .scale = 1, .tile = SIZE, .threads = 1 };
    const nn_kernels *k = nn_kernels_pick("auto", &err);
    dl_predictor *a = dl_predictor_open(&m, k, &fit, &err), *b = dl_predictor_open(&m, k, &tiles, &err);
    static const struct { nn_dim w, h, channels; } size[] = { { 1, 1, 3 }, { 5, 3, 1 }, { 16, 17, 3 }, { 33, 23, 4 }, { 20, 24, 3 }, { 17, 47, 1 }, { 30, 48, 3 }, { 9, 49, 3 },
                                                                { 40, 64, 3 }, { 16, 65, 4 }, { 7, 113, 3 }, { 50, 129, 3 } };
    for (size_t i = 0; a && b && i < sizeof size / sizeof *size; i++) {
        nn_image im;
        const nn_dim w = size[i].w, h = size[i].h, pixels = w * h;
        if (nn_image_make(&im, w, h, size[i].channels, &err)) break;
        uint32_t noise = (uint32_t)i;
        for (nn_dim p = 0; p < pixels * im.channels; p++) im.pixels[p] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
        uint8_t *want = malloc((size_t)pixels), *got = malloc((size_t)pixels);
        real *want_prob = malloc((size_t)(pixels * K) * sizeof *want_prob), *got_prob = malloc((size_t)(pixels * K) * sizeof *got_prob);
        want_tiles(a, &im, want, want_prob);
        user u = { &im, 0, 0, got, got_prob, -1 };
        const dl_rows from = { w, h, im.channels, next_row, &u };
        const dl_bands to = { true, take, &u };
        t_status(dl_predict_rows(b, &from, &to, NULL, &err), NN_OK, &err, NULL, "%td x %td: %s", w, h, err.msg);
        t_check(u.next == h && u.row == h, "%td x %td: all rows", w, h);
        t_same(got, want, (size_t)pixels, "%td x %td: labels", w, h);
        t_same(got_prob, want_prob, (size_t)(pixels * K) * sizeof *got_prob, "%td x %td: probabilities", w, h);
        memset(got, 9, (size_t)pixels);
        t_status(dl_predict(b, &im, got, NULL, NULL, &err), NN_OK, &err, NULL, "in memory");
        t_same(got, want, (size_t)pixels, "%td x %td: labels, the picture in memory", w, h);
        if (h > 100) {
            const dl_progress stop = { stop_at_fifth, NULL };
            u = (user){ &im, 0, 0, got, got_prob, 90 };
            t_status(dl_predict_rows(b, &from, &to, NULL, &err), NN_EFORMAT, &err, "row 90 is damaged", "a damaged row ends it");
            err = (nn_err){ 0 };
            u = (user){ &im, 0, 0, got, got_prob, -1 };
            t_status(dl_predict_rows(b, &from, &to, &stop, &err), NN_ECANCEL, &err, "stopped after tile 5", "it stops when told to");
            err = (nn_err){ 0 };
        }
        nn_image_free(&im);
        free(want); free(got); free(want_prob); free(got_prob);
    }
    t_check(a && b && !err.status, "%s", err.msg);
    dl_predictor_close(a);
    dl_predictor_close(b);
    dl_model_close(&m);
    return t_done();
}
