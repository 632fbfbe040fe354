/* test_export.c: the COCO export of a dataset made by hand, byte for byte, and its masks back to the labels. */
#include <stdlib.h>
#include <string.h>

#include "datasetgan/raster.h"
#include "datasetgan/rle.h"
#include "datasetgan/set.h"
#include "tests/t.h"
#include "tests/tiny_set.h"

enum { W = 7, H = 5, N = 5, K = 3 };

static uint8_t label_at(int n, int x, int y)
{
    switch (n) {
        case 0: return 0;                                            /* nothing but background */
        case 1: return 2;                                            /* a class over the whole picture */
        case 2: return x == 6 && y == 4 ? 1 : 0;                     /* one pixel, the last */
        case 3: return (uint8_t)((x > 0 && x < 6 && y > 0 && y < 4 ? 1 : 0) + (x == 3 && y == 2));    /* a hole with another class in it */
        default: return (uint8_t)((x + 2 * y) % K);
    }
}

static void make_dataset(const char *folder)
{
    static const dg_class class_at[K] = { { "background", { 0, 0, 0 } }, { "a \"b\"", { 255, 0, 0 } }, { "zelle \xc3\xa4", { 0, 255, 0 } } };
    static const char run[] = "{\"kind\":\"dataset run\",\"format\":1,\"picture\":{\"width\":7,\"height\":5,\"channels\":3}}";
    nn_err err = { 0 };
    nn_palette palette = { .rgb = { { 0, 0, 0 }, { 255, 0, 0 }, { 0, 255, 0 } }, .count = K };
    nn_image picture, label;
    char text[4096] = "";
    json_t *list = json_pack("{s:[{s:i,s:s,s:s},{s:i,s:s,s:s},{s:i,s:s,s:s}]}", "classes", "id", 0, "name", class_at[0].name, "color", "#000000",
                             "id", 1, "name", class_at[1].name, "color", "#ff0000", "id", 2, "name", class_at[2].name, "color", "#00ff00");
    NN_ASSERT(nn_dir_make(tiny_path(folder, "images"), &err) == NN_OK && nn_dir_make(tiny_path(folder, "labels"), &err) == NN_OK);
    NN_ASSERT(nn_image_make(&picture, W, H, 3, &err) == NN_OK && nn_image_make(&label, W, H, 1, &err) == NN_OK);
    for (int n = 0; n < N; n++) {
        dg_sample s = { .seed = (uint32_t)(n * 7), .uncertainty = 0.25 * n };
        char name[DG_SAMPLE_PATH];
        for (int i = 0; i < W * H; i++) {
            label.pixels[i] = label_at(n, i % W, i / W);
            s.pixels[label.pixels[i]]++;
            for (int c = 0; c < 3; c++) picture.pixels[3 * i + c] = (uint8_t)(i * 5 + 31 * c + n);
        }
        NN_ASSERT(dg_pair_hash(&picture, &label, s.sha256, &err) == NN_OK);
        dg_sample_path(name, "images", s.seed);
        NN_ASSERT(nn_png_write(tiny_path(folder, name), &picture, NULL, &err) == NN_OK);
        dg_sample_path(name, "labels", s.seed);
        NN_ASSERT(nn_png_write(tiny_path(folder, name), &label, &palette, &err) == NN_OK);
        char *line = dg_manifest_line(&s, class_at, K, &err);
        memcpy(text + strlen(text), line, strlen(line) + 1);
        nn_free(line);
    }
    tiny_write(tiny_path(folder, "metadata.jsonl"), text, strlen(text));
    tiny_write(tiny_path(folder, "run.json"), run, strlen(run));
    NN_ASSERT(list && nn_json_write(tiny_path(folder, "classes.json"), list, &err) == NN_OK);
    json_decref(list);
    nn_image_free(&picture);
    nn_image_free(&label);
}

/* Paint a split's masks and compare with the labels; its first sample is number `first`. */
static void check_masks(const char *path, int first, int count)
{
    nn_err err = { 0 };
    json_t *v = nn_json_read(path, 1 << 20, &err);
    t_check((int)json_array_size(json_object_get(v, "images")) == count, "%s: %d pictures", path, count);
    for (int n = first; n < first + count; n++) {
        uint8_t painted[W * H] = { 0 }, want[W * H];
        size_t i;
        json_t *a;
        for (int p = 0; p < W * H; p++) want[p] = label_at(n, p % W, p / W);
        json_array_foreach(json_object_get(v, "annotations"), i, a) {
            dg_rle r;
            if (json_integer_value(json_object_get(a, "image_id")) != n + 1) continue;
            NN_ASSERT(dg_rle_make(&r, W, H, &err) == NN_OK);
            t_status(dg_rle_read(&r, json_string_value(json_object_get(json_object_get(a, "segmentation"), "counts")), path, &err), NN_OK, NULL, NULL,
                     "sample %d", n);
            dg_rle_paint(&r, painted, (uint8_t)json_integer_value(json_object_get(a, "category_id")));
            dg_rle_free(&r);
        }
        t_same(painted, want, W * H, "sample %d: masks", n);
    }
    json_decref(v);
}

static void check_bytes(const char *path, const char *golden)
{
    nn_bytes got = { 0 }, want = { 0 };
    nn_err err = { 0 };
    if (nn_file_read(path, 1 << 20, &got, &err) || nn_file_read(golden, 1 << 20, &want, &err)) t_fail("%s", err.msg);
    else t_check(got.size == want.size && !memcmp(got.data, want.data, got.size), "%s equals %s", path, golden);
    nn_bytes_free(&got);
    nn_bytes_free(&want);
}

static void test_coco(void)
{
    char folder[256], out[256], path[DG_PATH];
    nn_format(folder, sizeof folder, "%s", t_folder("export_set"));          /* t_folder's text lasts until its next call */
    nn_format(out, sizeof out, "%s", t_folder("export_coco"));
    nn_err err = { 0 };
    dg_export_result r;
    dg_export_options o = { .dataset = folder, .out = out, .format = "coco" };
    make_dataset(folder);
    NN_ASSERT(dg_split_parse(&o.split, "0.6/0.4", &err) == NN_OK);
    if (dg_export(&o, NULL, &r, &err)) { t_fail("%s", err.msg); return; }
    t_check(r.samples == N && r.unfinished && !r.already, "export: result");
    nn_format(path, sizeof path, "%s/annotations/instances_train.json", out);
    check_masks(path, 0, 3);
    check_bytes(path, "tests/golden/export_train.json");
    nn_format(path, sizeof path, "%s/annotations/instances_val.json", out);
    check_masks(path, 3, 2);
    check_bytes(path, "tests/golden/export_val.json");
}

/* Export the set made before with one split of 3 and one of 2. */
static bool export_as(dg_export_options *o, const char *format, const char *folder, char out[256])
{
    nn_err err = { 0 };
    dg_export_result r;
    nn_format(out, 256, "%s", t_folder("export_as"));
    *o = (dg_export_options){ .dataset = folder, .out = out, .format = format };
    NN_ASSERT(dg_split_parse(&o->split, "0.6/0.4", &err) == NN_OK);
    return t_status(dg_export(o, NULL, &r, &err), NN_OK, &err, NULL, "%s: %s", format, err.msg);
}

static void test_npz(const char *folder)
{
    static const char *const split[] = { "train", "val" };
    char out[256], path[DG_PATH];
    dg_export_options o;
    int at = 0;
    if (!export_as(&o, "npz", folder, out)) return;
    for (int k = 0; k < 2; k++) {
        nn_npy a[3];
        nn_err err = { 0 };
        int wrong = 0;
        nn_format(path, sizeof path, "%s/%s.npz", out, split[k]);
        for (int i = 0; i < 3; i++) {
            char name[8];
            nn_format(name, sizeof name, "arr_%d", i);
            t_status(nn_npz_read(path, name, &a[i], &err), NN_OK, &err, NULL, "%s %s: %s", path, name, err.msg);
        }
        if (err.status) return;
        const uint64_t n = k ? 2 : 3;
        t_check(a[0].rank == 4 && a[0].dim[0] == n && a[0].dim[1] == H && a[0].dim[2] == W && a[0].dim[3] == 3, "%s: shape of the pictures", split[k]);
        t_check(a[1].rank == 3 && a[1].dim[0] == n && a[1].dim[1] == H && a[1].dim[2] == W && a[2].rank == 1 && a[2].dim[0] == n, "%s: the other shapes", split[k]);
        for (uint64_t s = 0; s < n; s++, at++) {
            wrong += a[2].data[s] != (real)(0.25 * at);
            for (int i = 0; i < W * H; i++) {
                wrong += a[1].data[s * W * H + (uint64_t)i] != label_at(at, i % W, i / W);
                for (int c = 0; c < 3; c++) wrong += a[0].data[(s * W * H + (uint64_t)i) * 3 + (uint64_t)c] != (uint8_t)(i * 5 + 31 * c + at);
            }
        }
        t_check(!wrong, "%s: %d numbers are wrong", split[k], wrong);
        for (int i = 0; i < 3; i++) nn_npy_free(&a[i]);
    }
    nn_format(path, sizeof path, "%s/labels.tmp", out);
    t_check(!nn_path_exists(path), "the label maps' own file is gone");
}

/* By parts and by polygons: masks that are disjoint, add up to the labels, and are connected. */
static void test_coco_forms(const char *folder)
{
    for (int form = 1; form < 4; form++) {
        char out[256], path[DG_PATH];
        nn_err err = { 0 };
        dg_export_result r;
        dg_export_options o;
        size_t i;
        json_t *a;
        nn_format(out, sizeof out, "%s", t_folder("export_form"));
        o = (dg_export_options){ .dataset = folder, .out = out, .format = "coco", .parts = form & 1, .polygons = form & 2 };
        NN_ASSERT(dg_split_parse(&o.split, "1", &err) == NN_OK);
        if (!t_status(dg_export(&o, NULL, &r, &err), NN_OK, &err, NULL, "form %d: %s", form, err.msg)) return;
        nn_format(path, sizeof path, "%s/annotations/instances_train.json", out);
        json_t *v = nn_json_read(path, 1 << 20, &err);
        uint8_t painted[N][W * H] = { 0 };
        int annotations = 0, twice = 0, wrong = 0;
        json_array_foreach(json_object_get(v, "annotations"), i, a) {
            const json_t *shape = json_object_get(a, "segmentation");
            uint8_t mask[W * H] = { 0 }, scratch[W * H + 1];
            const size_t n = (size_t)json_integer_value(json_object_get(a, "image_id")) - 1;
            int area = 0;
            annotations++;
            if (form & 2) {
                size_t k;
                json_t *poly;
                json_array_foreach((json_t *)(uintptr_t)shape, k, poly) {
                    double xy[512];
                    NN_ASSERT(json_array_size(poly) <= 512);
                    for (size_t p = 0; p < json_array_size(poly); p++) xy[p] = json_number_value(json_array_get(poly, p));
                    dg_raster_coco(W, H, xy, json_array_size(poly) / 2, mask, scratch);
                }
                t_check(!(form & 1) || k == 1, "a part is one polygon");
            } else {
                dg_rle l;
                NN_ASSERT(dg_rle_make(&l, W, H, &err) == NN_OK);
                t_status(dg_rle_read(&l, json_string_value(json_object_get(shape, "counts")), path, &err), NN_OK, &err, NULL, "form %d", form);
                dg_rle_paint(&l, mask, 1);
                dg_rle_free(&l);
            }
            for (int p = 0; p < W * H; p++) {
                area += mask[p];
                twice += mask[p] && painted[n][p];
                if (mask[p]) painted[n][p] = (uint8_t)json_integer_value(json_object_get(a, "category_id"));
            }
            t_check(area == json_integer_value(json_object_get(a, "area")), "form %d: area", form);
        }
        for (int n = 0; n < N; n++) for (int p = 0; p < W * H; p++) wrong += painted[n][p] != label_at(n, p % W, p / W);
        t_check(!twice && !wrong, "form %d: %d pixels in two annotations, %d wrong", form, twice, wrong);
        /* Sample 4, stripes of two classes: by class 2, by parts more; the others 0, 1, 1, 2. */
        t_check(form & 1 ? annotations > 6 : annotations == 6, "form %d: %d annotations", form, annotations);
        json_decref(v);
    }
}

static void test_split(void)
{
    static const struct { const char *text; int count; uint64_t first; } good[] = {
        { "1", 1, 1000000000 }, { "1.0", 1, 1000000000 }, { "0.9/0.1", 2, 900000000 }, { ".5/.25/.25", 3, 500000000 }, { "0.000000001/0.999999999", 2, 1 },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        dg_split s;
        nn_err err = { 0 };
        t_status(dg_split_parse(&s, good[i].text, &err), NN_OK, NULL, NULL, "split %s", good[i].text);
        t_check(s.count == good[i].count && s.part[0] == good[i].first, "split %s: %d parts", good[i].text, s.count);
    }
    static const char *const bad[] = { "", "/", "0", "0/1", "1/", "2/-1", "0.5/0.5/0.5", "0.3333333333/0.6666666667", "1e0", "0.5//0.5", "18446744073709551617" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dg_split s;
        nn_err err = { 0 };
        t_status(dg_split_parse(&s, bad[i], &err), NN_EINVAL, &err, "add up to 1", "split '%s'", bad[i]);
    }
}

int main(void)
{
    test_split();
    test_coco();
    char folder[256];
    nn_format(folder, sizeof folder, "%s", t_folder("export_set2"));
    make_dataset(folder);
    test_npz(folder);
    test_coco_forms(folder);
    return t_done();
}
