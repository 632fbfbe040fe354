/* test_crop.c: a generator whose file keeps rows 16 to 111 of 128, as the paper's cars keep 64 to 447 of 512.  Everything about it
 * is the same rows of the whole generator: pictures, features, and what each command writes. */
#define _GNU_SOURCE 1          /* memmem */
#include "tests/t.h"

#include <string.h>

#include "datasetgan/choose.h"
#include "datasetgan/features.h"
#include "nn/image.h"
#include "nn/npy.h"
#include "tests/program.h"
#include "tests/tiny_set.h"

#define WHOLE "tests/golden/stylegan1_a.safetensors"
enum { RES = 128, TOP = 16, ROWS = 96, KEPT = RES * ROWS, SPLIT_ITEMS = TINY_ITEMS - 1, META_MAX = 32, TENSORS_MAX = 128 };

/* The golden with other metadata; NULL: without the key. */
static void write_cropped(const char *path, const char *top, const char *rows)
{
    nn_st f;
    nn_err err = { 0 };
    nn_st_pair meta[META_MAX];
    nn_st_tensor tensor[TENSORS_MAX];
    if (nn_st_open(&f, WHOLE, &err)) { t_fail("%s", err.msg); return; }
    size_t n = f.meta_count;
    NN_ASSERT(n + 2 <= META_MAX && f.count <= TENSORS_MAX);
    memcpy(meta, f.meta, n * sizeof *meta);
    if (top) meta[n++] = (nn_st_pair){ "crop_top", top };
    if (rows) meta[n++] = (nn_st_pair){ "crop_rows", rows };
    for (size_t i = 0; i < f.count; i++) {
        tensor[i] = (nn_st_tensor){ .name = f.entry[i].name, .dtype = f.entry[i].dtype, .rank = f.entry[i].rank, .data = f.data + f.entry[i].begin };
        memcpy(tensor[i].dim, f.entry[i].dim, sizeof tensor[i].dim);
    }
    t_status(nn_st_write(path, tensor, f.count, meta, n, &err), NN_OK, &err, NULL, "%s", err.msg);
    nn_st_close(&f);
}

static void refuses(const char *folder, const char *top, const char *rows, const char *key)
{
    nn_err err = { 0 };
    const char *path = tiny_path(folder, "bad.safetensors");
    write_cropped(path, top, rows);
    sg_model *m = sg_open(path, &nn_kernels_ref, &err);
    t_status(err.status, NN_EFORMAT, &err, key, "rows %s from %s on", rows ? rows : "none", top ? top : "none");
    sg_close(m);
}

static void test_pictures(const sg_model *whole, const sg_model *part)
{
    enum { N = 3 };
    const uint32_t seed[N] = { 4, 5, 6 };
    const sg_options draw = { 0.8, 8, SG_NOISE_RANDOM, 0 };
    nn_err err = { 0 };
    sg_work *a = sg_work_open(whole, N, true, 1, &err), *b = sg_work_open(part, N, true, 1, &err), *lean = sg_work_open(part, N, false, 1, &err);
    if (!a || !b || !lean) { t_fail("%s", err.msg); return; }
    t_check(strcmp(sg_identity(whole), sg_identity(part)) != 0, "a crop is part of the identity");
    for (int turn = 0; turn < 2; turn++) {                /* the second finds the rows of the first moved */
        sg_draw(whole, a, seed, N, &draw, NULL);
        sg_draw(part, b, seed, N, &draw, NULL);
        sg_draw(part, lean, seed, N, &draw, NULL);
    }
    for (nn_dim n = 0; n < N; n++) {
        for (nn_dim c = 0; c < 3; c++) {
            const real *want = sg_picture(a, n) + (c * RES + TOP) * RES;
            t_same(sg_picture(b, n) + c * KEPT, want, KEPT * sizeof(real), "picture %td, channel %td", n, c);
            t_same(sg_picture(lean, n) + c * KEPT, want, KEPT * sizeof(real), "picture %td, channel %td, without taps", n, c);
        }
        for (int i = 0; i < sg_tap_total(part); i++) {
            const sg_tap_info *t = sg_tap_at(part, i);
            t_same(sg_tap(b, n, i), sg_tap(a, n, i), (size_t)nn_map_count(sg_get_kernels(part)->layout, t->c, t->h, t->w) * sizeof(real), "tap %s", t->name);
        }
    }
    sg_work_close(a);
    sg_work_close(b);
    sg_work_close(lean);
}

static void open_features(dg_features *f, dg_task *t, const char *folder, const sg_model *m)
{
    nn_err err = { 0 };
    tiny_set_make(folder, m);
    nn_status s = dg_task_read(t, tiny_path(folder, "task.json"), &err);
    if (!s) s = dg_features_open(f, t, "train", m, NULL, 0, &err);
    if (!s) s = dg_features_draw(f, t, "train", m, &err);
    t_status(s, NN_OK, &err, NULL, "features: %s", err.msg);
}

/* Annotated pixels of both sets: the labels are made from the pictures, so those of the part are among those of the whole. */
static void test_features(const char *folder, const sg_model *whole, const sg_model *part)
{
    dg_task t[2];
    dg_features f[2];
    char set[2][256];
    nn_format(set[0], sizeof set[0], "%s", tiny_path(folder, "whole"));
    nn_format(set[1], sizeof set[1], "%s", tiny_path(folder, "part"));
    open_features(&f[0], &t[0], set[0], whole);
    open_features(&f[1], &t[1], set[1], part);
    t_check(f[1].pixel_count == SPLIT_ITEMS * KEPT - 5 * ROWS, "annotated pixels: %td", f[1].pixel_count);
    real *want = nn_alloc((size_t)f[0].D * sizeof *want, "", NULL), *got = nn_alloc((size_t)f[1].D * sizeof *got, "", NULL);
    uint32_t at = 0;
    nn_dim wrong = 0, looked = 0;
    for (uint32_t i = 0; i < f[1].pixel_count; i += 97, looked++) {
        const nn_dim p = f[1].pixel[i], y = p % KEPT / RES + TOP, there = p / KEPT * RES * RES + y * RES + p % RES;
        while (at < f[0].pixel_count && f[0].pixel[at] < there) at++;
        if (at == f[0].pixel_count || f[0].pixel[at] != there) { t_fail("pixel %td of the part is not in the whole", p); break; }
        dg_features_gather(&f[0], 0, &at, 1, want);
        dg_features_gather(&f[1], 0, &i, 1, got);
        wrong += f[0].label[at] != f[1].label[i] || memcmp(want, got, (size_t)f[0].D * sizeof *want) != 0;
    }
    t_check(looked > 300 && wrong == 0, "features and labels: %td of %td pixels differ", wrong, looked);
    nn_free(want);
    nn_free(got);
    for (int i = 0; i < 2; i++) { dg_features_close(&f[i]); dg_task_free(&t[i]); }
}

/* What `prepare` compares pictures by: each map enlarged to the picture (nearest), its mean over the rows that are kept. */
static void test_picture_features(const sg_model *part)
{
    const sg_options draw = { 0.8, 8, SG_NOISE_CONST, 0 };
    const uint32_t seed[2] = { 4, 5 };
    nn_dim size, at = 0;
    nn_err err = { 0 };
    const nn_dim D = dg_picture_features_size(part, &size);
    sg_work *work = sg_work_open(part, 2, true, 1, &err);
    real *map = nn_alloc((size_t)(size + 2 * D) * sizeof *map, "", NULL), *got = map + size, *want = got + D;
    if (!work || !map) { t_fail("%s", err.msg); return; }
    sg_draw(part, work, seed, 2, &draw, NULL);
    dg_picture_features(part, work, 1, got, map);
    for (int i = 0; i < sg_tap_count(part); i++) {
        const sg_tap_info *t = sg_tap_at(part, i);
        nn_map_to_planar(sg_get_kernels(part)->layout, map, sg_tap(work, 1, i), t->c, t->h, t->w);
        for (nn_dim c = 0; c < t->c; c++) {
            double sum = 0.0;
            for (nn_dim y = TOP; y < TOP + ROWS; y++)
                for (nn_dim x = 0; x < RES; x++) sum += map[(c * t->h + y * t->h / RES) * t->w + x * t->w / RES];
            want[at + c] = (real)(sum / KEPT);
        }
        at += t->c;
    }
    t_close(got, want, at, 1, "means of maps over the rows kept");
    t_check(at == D, "features: %td of %td", at, D);
    nn_free(map);
    sg_work_close(work);
}

static void has_size(const char *path, nn_dim channels)
{
    nn_image im = { 0 };
    nn_err err = { 0 };
    const nn_status s = channels == 1 ? nn_png_read_labels(path, &im, &err) : nn_png_read(path, &im, &err);
    t_check(!s && im.width == RES && im.height == ROWS && im.channels == channels, "%s: %td x %td with %td channels %s", path, im.width, im.height,
            im.channels, err.msg);
    nn_image_free(&im);
}

static void holds(const char *path, const char *text)
{
    nn_bytes b = { 0 };
    nn_err err = { 0 };
    const nn_status s = nn_file_read(path, 1 << 22, &b, &err);
    t_check(!s && memmem(b.data, b.size, text, strlen(text)), "%s holds %s", path, text);
    nn_bytes_free(&b);
}

static void test_commands(const char *folder)
{
    const char *d = folder, *out = tiny_path(folder, "out");
    nn_npy a = { 0 };
    nn_err err = { 0 };
    program_run(out, "info %s/g.safetensors", d);
    holds(out, "128x96");
    holds(out, "rows 16 to 111 of 128");
    program_run(out, "generate --generator %s/g.safetensors --seeds 3-5 --out %s/gen --grid 2x2 --threads 1", d, d);
    has_size(tiny_path(folder, "gen/seed0004.png"), 3);
    program_run(out, "train --task %s/part/task.json --generator %s/g.safetensors --members 2 --epochs 1 --batch 256 --out %s/i --threads 1", d, d, d);
    program_run(out, "eval --task %s/part/task.json --generator %s/g.safetensors --interpreter %s/i --threads 1", d, d, d);
    holds(out, "mIoU");
    program_run(out, "dataset --generator %s/g.safetensors --interpreter %s/i --count 3 --out %s/set --threads 1", d, d, d);
    holds(tiny_path(folder, "set/run.json"), "\"height\": 96");
    has_size(tiny_path(folder, "set/images/0000000001.png"), 3);
    has_size(tiny_path(folder, "set/labels/0000000001.png"), 1);
    holds(tiny_path(folder, "set/index.html"), "height=\"96\"");
    program_run(out, "verify %s/set --pixels", d);
    program_run(out, "label --generator %s/g.safetensors --interpreter %s/i --seeds 1 --out %s/lab --threads 1", d, d, d);
    has_size(tiny_path(folder, "lab/overlays/0000000001.png"), 3);
    t_check(!nn_npy_read(tiny_path(folder, "lab/uncertainty/0000000001.npy"), &a, &err) && a.rank == 2 && a.dim[0] == ROWS && a.dim[1] == RES, "uncertainty: %s", err.msg);
    nn_npy_free(&a);
    program_run(out, "export --dataset %s/set --format coco --out %s/coco", d, d);
    program_run(out, "segment train --generator %s/g.safetensors --interpreter %s/i --task %s/part/task.json --net light --width 8 --size 96 --batch 8 --steps 2 --soft --out %s/net --threads 1",
                d, d, d, d);
    program_run(out, "segment predict --net %s/net --in %s/gen --out %s/pred --threads 1", d, d, d);
    has_size(tiny_path(folder, "pred/seed0004.png"), 1);
}

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    const char *folder = t_folder("crop");
    const nn_kernels *k = nn_kernels_pick("auto", &err);
    (void)argc;
    program_find(argv[0]);
    write_cropped(tiny_path(folder, "g.safetensors"), "16", "96");
    refuses(folder, "16", NULL, "crop_rows");
    refuses(folder, NULL, "96", "crop_top");
    refuses(folder, "128", "1", "crop_top");
    refuses(folder, "16", "113", "crop_rows");
    refuses(folder, "16", "0", "crop_rows");
    sg_model *whole = sg_open(WHOLE, k, &err), *part = sg_open(tiny_path(folder, "g.safetensors"), k, &err);
    if (!whole || !part) { t_fail("%s", err.msg); return t_done(); }
    test_pictures(whole, part);
    test_features(folder, whole, part);
    test_picture_features(part);
    test_commands(folder);
    sg_close(whole);
    sg_close(part);
    return t_done();
}
