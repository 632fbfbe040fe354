/* test_import_half.c: import --from official where the folder's pictures are half as large as the generator's (the released code keeps
 * 1024 px networks at 512), or rows from their middle (cars: 384 of 512): labels cover what the pictures show, the rest is void. */
#define _GNU_SOURCE 1          /* memmem */
#include "tests/t.h"

#include <string.h>

#include "nn/file.h"
#include "nn/image.h"
#include "nn/npy.h"
#include "tests/program.h"
#include "tests/tiny_set.h"

enum { RES = 32, HALF = RES / 2, CUT = 4, COUNT = 3 };

/* drawn: the generator's numbers, before they are cut to bytes; the released code reduces those. */
typedef struct { uint8_t label[COUNT][RES * RES]; nn_image picture[COUNT]; real drawn[COUNT][3 * RES * RES]; } set;

/* The tiny set's pictures with other labels: of column and row, so that a moved or mirrored one shows. */
static void make_set(const char *folder, const sg_model *m, set *s)
{
    const sg_options draw = { 0.75, 5, SG_NOISE_CONST, 0 };            /* tiny_set_make's */
    const uint32_t seed[COUNT] = { TINY_SEED, TINY_SEED + 1, TINY_SEED + 2 };
    nn_err err = { 0 };
    sg_work *work = sg_work_open(m, COUNT, false, 1, &err);
    if (!work) { t_fail("%s", err.msg); return; }
    sg_draw(m, work, seed, COUNT, &draw, NULL);
    nn_image label;
    char name[64];
    t_status(nn_image_make(&label, RES, RES, 1, &err), NN_OK, &err, NULL, "%s", err.msg);
    for (int i = 0; i < COUNT; i++) {
        for (int p = 0; p < RES * RES; p++) s->label[i][p] = label.pixels[p] = (uint8_t)((p % RES * 5 / 3 + p / RES * 3 + i) / 7 % TINY_CLASSES);
        nn_format(name, sizeof name, "set/labels/%d.png", i);
        t_status(nn_png_write(tiny_path(folder, name), &label, NULL, &err), NN_OK, &err, NULL, "%s", err.msg);
        nn_format(name, sizeof name, "set/images/%d.png", i);
        t_status(nn_png_read(tiny_path(folder, name), &s->picture[i], &err), NN_OK, &err, NULL, "%s", err.msg);
        memcpy(s->drawn[i], sg_picture(work, i), sizeof s->drawn[i]);
    }
    sg_work_close(work);
    nn_image_free(&label);
}

/* Rows first .. first + rows - 1 of the set's pictures, every `f` pixels of a side made one; the masks as the pictures, or whole. */
static void write_folder(const char *folder, const char *name, const set *s, int f, int first, int rows, bool whole_masks)
{
    const nn_dim w = RES / f, h = rows / f, step = whole_masks ? 1 : f;
    const uint64_t dim[2] = { (uint64_t)(rows / step), (uint64_t)(RES / step) };
    nn_err err = { 0 };
    nn_image im;
    char file[96];
    float mask[RES * RES];
    real reduced[3 * RES * RES];
    t_status(nn_image_make(&im, w, h, 3, &err), NN_OK, &err, NULL, "%s", err.msg);
    t_status(nn_dir_make(tiny_path(folder, name), &err), NN_OK, &err, NULL, "%s", err.msg);
    for (int i = 0; i < COUNT; i++) {
        for (nn_dim p = 0; p < 3 * w * h; p++) {
            double sum = 0.0;
            for (int k = 0; k < f * f; k++) sum += s->drawn[i][(p / w / h * RES + p / w % h * f + k / f + first) * RES + p % w * f + k % f];
            reduced[p] = (real)(sum / (f * f));
        }
        nn_image_from_planar(&im, reduced);
        nn_format(file, sizeof file, "%s/image_%d.png", name, i);
        t_status(nn_png_write(tiny_path(folder, file), &im, NULL, &err), NN_OK, &err, NULL, "%s", err.msg);
        for (nn_dim y = 0; y < rows / step; y++)
            for (nn_dim x = 0; x < RES / step; x++) mask[y * (RES / step) + x] = s->label[i][(y * step + first) * RES + x * step];
        nn_format(file, sizeof file, "%s/image_mask%d.npy", name, i);
        t_status(nn_npy_write(tiny_path(folder, file), mask, 2, dim, &err), NN_OK, &err, NULL, "%s", err.msg);
    }
    nn_image_free(&im);
}

static void comes_back(const char *folder, const char *name, const set *s, int f, int first, int rows)
{
    nn_err err = { 0 };
    char file[96];
    program_run(tiny_path(folder, "out"), "import --from official --in %s/%s --latents %s/of/latent --generator %s --task %s/set/task.json --min-psnr 40 --out %s/%s.set",
                folder, name, folder, TINY_GENERATOR, folder, folder, name);
    for (int i = 0; i < COUNT; i++) {
        nn_image im = { 0 };
        nn_format(file, sizeof file, "%s.set/labels/image_%d.png", name, i);
        const nn_status read = nn_png_read_labels(tiny_path(folder, file), &im, &err);
        int wrong = 0;
        for (int y = 0; y < RES && !read; y++)
            for (int x = 0; x < RES; x++) {
                const int want = y < first || y >= first + rows ? NN_VOID : s->label[i][y / f * f * RES + x / f * f];
                wrong += im.pixels[y * RES + x] != want;
            }
        t_check(!read && im.width == RES && im.height == RES && wrong == 0, "%s: label %d: %d pixels differ %s", name, i, wrong, err.msg);
        nn_image_free(&im);
        nn_format(file, sizeof file, "%s.set/images/image_%d.png", name, i);
        const nn_status drawn = nn_png_read(tiny_path(folder, file), &im, &err);
        t_check(!drawn && !memcmp(im.pixels, s->picture[i].pixels, (size_t)(3 * RES * RES)), "%s: picture %d is the generator's own, whole %s", name, i, err.msg);
        nn_image_free(&im);
    }
}

int main(int argc, char **argv)
{
    static set s;
    nn_err err = { 0 };
    const char *folder = t_folder("half");
    char set_folder[256];
    (void)argc;
    program_find(argv[0]);
    sg_model *m = tiny_generator(nn_kernels_pick("auto", &err));
    t_status(nn_dir_make(tiny_path(folder, "set"), &err), NN_OK, &err, NULL, "%s", err.msg);
    nn_format(set_folder, sizeof set_folder, "%s/set", folder);
    tiny_set_make(set_folder, m);
    make_set(folder, m, &s);
    sg_close(m);
    program_run(tiny_path(folder, "out"), "export --format official --task %s/set/task.json --generator %s --out %s/of", folder, TINY_GENERATOR, folder);

    static const struct { const char *name; int f, first, rows; bool whole_masks; } form[] = {
        { "whole", 1, 0, RES, false }, { "half", 2, 0, RES, false }, { "half_with_whole_masks", 2, 0, RES, true },
        { "rows", 1, CUT, RES - 2 * CUT, false }, { "half_rows", 2, CUT, RES - 2 * CUT, false } };
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        write_folder(folder, form[i].name, &s, form[i].f, form[i].first, form[i].rows, form[i].whole_masks);
        comes_back(folder, form[i].name, &s, form[i].f, form[i].first, form[i].rows);
    }
    /* The void rows are left out of training and of the score. */
    program_run(tiny_path(folder, "out"), "train --task %s/rows.set/task.json --generator %s --members 1 --epochs 1 --batch 64 --width1 8 --width2 8 --out %s/i", folder,
                TINY_GENERATOR, folder);
    program_run(tiny_path(folder, "out"), "eval --task %s/rows.set/task.json --split train --generator %s --interpreter %s/i", folder, TINY_GENERATOR, folder);
    nn_bytes said = { 0 };
    t_check(!nn_file_read(tiny_path(folder, "out"), 1 << 16, &said, &err) && memmem(said.data, said.size, "pixels          2304", 20), "%d rows of %d are scored %s",
            RES - 2 * CUT, RES, err.msg);
    nn_bytes_free(&said);
    for (int i = 0; i < COUNT; i++) nn_image_free(&s.picture[i]);
    return t_done();
}
