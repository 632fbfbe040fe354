/* test_task.c: what task.json may say, views, label maps, and a generator that does not belong to the set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"
#include "tests/tiny_set.h"

static const char *folder;
static sg_model *model;

static void test_good(void)
{
    nn_err err = { 0 };
    dg_task t;
    if (!t_status(dg_task_read(&t, tiny_path(folder, "task.json"), &err), NN_OK, &err, NULL, "a good task.json: %s", err.msg)) return;
    t_check(!strcmp(t.name, "tiny") && t.class_count == 3 && t.item_count == TINY_ITEMS, "name and counts");
    t_check(!strcmp(t.class_at[1].name, "middle") && t.class_at[1].rgb[0] == 0xe6 && t.class_at[1].rgb[1] == 0x19 && t.class_at[1].rgb[2] == 0x4b, "a class");
    t_check(t.draw.psi == 0.75 && t.draw.cutoff == 5 && t.draw.noise == SG_NOISE_CONST, "psi, cutoff, noise");
    t_check(!strcmp(t.generator, tiny_path(folder, "g.safetensors")) && !strcmp(t.generator_sha256, sg_identity(model)), "generator");
    t_check(t.item[3].seed == TINY_SEED + 3 && !strcmp(t.item[3].split, "test") && !strcmp(t.item[3].label, tiny_path(folder, "labels/3.png")), "an item");
    t_check(json_array_size(json_object_get(t.json, "kept")) == 2, "unknown keys are kept");

    dg_map v;
    t_status(dg_task_view(&t, "two", &v, &err), NN_OK, &err, NULL, "a view");
    t_check(v.class_count == 2 && v.map[0] == 0 && v.map[1] == 0 && v.map[2] == 1 && !strcmp(v.class_at[1].name, "light"), "the view's map and names");
    t_check(v.class_at[0].rgb[0] == 0 && v.class_at[1].rgb[2] == 255, "a view's class has the colour of the first class it holds");
    t_status(dg_task_view(&t, "none", &v, &err), NN_EINVAL, &err, "there is no view \"none\"", "a view that is not there");
    dg_task_free(&t);
}

/* The good file with `from` (found once at least) replaced by `to`. */
static void write_variant(const char *path, const char *from, const char *to)
{
    static char text[65536];
    nn_bytes good;
    nn_err err = { 0 };
    if (nn_file_read(tiny_path(folder, "task.json"), 1 << 20, &good, &err)) { t_fail("%s", err.msg); return; }
    char *at = NULL;
    for (size_t i = 0; i + strlen(from) <= good.size && !at; i++)
        if (!memcmp(good.data + i, from, strlen(from))) at = (char *)good.data + i;
    t_check(at != NULL, "the good file holds %s", from);
    if (at) {
        const int n = snprintf(text, sizeof text, "%.*s%s%.*s", (int)(at - (char *)good.data), (char *)good.data, to,
                               (int)((char *)good.data + good.size - at - strlen(from)), at + strlen(from));
        tiny_write(path, text, (size_t)n);
    }
    nn_bytes_free(&good);
}

#define LATENT(file, row, space) "\"latent\": { \"file\": \"" file "\", \"row\": " row ", \"space\": \"" space "\" }"
#define ITEM0 "\"image\": \"images/0.png\""
static const struct { const char *from, *to; nn_status status; const char *part; } bad[] = {
    { "{ \"name\": \"tiny\"", "{ \"name\": 7", NN_EFORMAT, "name: expected a string of 1 to 127 bytes of printable text, found 7" },
    { "\"name\": \"tiny\",", "", NN_EFORMAT, "name: expected a string of 1 to 127 bytes of printable text, found nothing" },
    { "\"tiny\"", "\"ti\\nny\"", NN_EFORMAT, "name: expected a string" },
    { "\"tiny\"", "\"\"", NN_EFORMAT, "name: expected a string" },
    { "\"generator\": {", "\"generator\": [], \"g\": {", NN_EFORMAT, "generator: expected an object, found a list" },
    { "\"generator\":", "\"generators\":", NN_EFORMAT, "generator: expected an object, found nothing" },
    { "\"psi\": 0.75", "\"psi\": \"0.75\"", NN_EFORMAT, "generator.psi: expected a finite number, found \"0.75\"" },
    { "\"psi\": 0.75", "\"psi\": null", NN_EFORMAT, "generator.psi: expected a finite number, found null" },
    { "\"cutoff\": 5", "\"cutoff\": -1", NN_EFORMAT, "generator.cutoff: expected a whole number 0..4096, found -1" },
    { "\"cutoff\": 5", "\"cutoff\": 5.5", NN_EFORMAT, "generator.cutoff: expected a whole number" },
    { "\"const\"", "\"loud\"", NN_EFORMAT, "generator.noise: expected \"const\", \"none\" or \"random\", found \"loud\"" },
    { "\"sha256\": \"", "\"sha256\": \"0", NN_EFORMAT, "generator.sha256: expected \"\" or 64 lower-case hexadecimal digits" },
    { "\"sha256\": \"", "\"sha256\": 1, \"x\": \"", NN_EFORMAT, "generator.sha256: expected" },
    { "\"classes\": [ {", "\"classes\": {}, \"c\": [ {", NN_EFORMAT, "classes: expected a list, found an object" },
    { "\"classes\": [ {", "\"classes\": [], \"c\": [ {", NN_EFORMAT, "classes: expected 2 to 255 of them, found 0" },
    { "\"id\": 1", "\"id\": 0", NN_EFORMAT, "classes[1].id: id 0 is used twice" },
    { "\"id\": 2", "\"id\": 3", NN_EFORMAT, "classes[2].id: expected a whole number 0..2, found 3" },
    { "\"id\": 2", "\"id\": true", NN_EFORMAT, "classes[2].id: expected a whole number 0..2, found true" },
    { "\"middle\"", "\"dark\"", NN_EFORMAT, "classes[1].name: name \"dark\" is used twice" },
    { "\"#ffffff\"", "\"#fffff\"", NN_EFORMAT, "classes[2].color: expected a colour \"#rrggbb\", found \"#fffff\"" },
    { "\"#ffffff\"", "\"white\"", NN_EFORMAT, "classes[2].color" },
    { "\"#ffffff\"", "\"#gfffff\"", NN_EFORMAT, "classes[2].color" },
    { "\"items\": [", "\"items\": 3, \"i\": [", NN_EFORMAT, "items: expected a list, found 3" },
    { "\"items\": [", "\"items\": [ 4,", NN_EFORMAT, "items[0]: expected an object, found 4" },
    { "\"seed\": 101", "\"seed\": 100", NN_EFORMAT, "items[1].seed: seed 100 is used twice" },
    { "\"seed\": 101", "\"seed\": -1", NN_EFORMAT, "items[1].seed: expected a whole number 0..4294967295, found -1" },
    { "\"seed\": 101", "\"seed\": 4294967296", NN_EFORMAT, "items[1].seed: expected a whole number" },
    { "\"seed\": 101", "\"seed\": 101.0", NN_EFORMAT, "items[1].seed: expected a whole number" },
    { "\"seed\": 101", "\"seed\": 101, \"latent\": { }", NN_EFORMAT, "items[1]: expected \"seed\" or \"latent\", found both" },
    { "\"seed\": 101", "\"latent\": 3", NN_EFORMAT, "items[1].latent: expected an object, found 3" },
    { "\"seed\": 101", LATENT("l.npy", "0", "z"), NN_EIO, "l.npy" },
    { "\"seed\": 101", LATENT("../z.npy", "0", "z"), NN_EFORMAT, "items[1].latent.file: expected a path inside the folder" },
    { "\"seed\": 101", LATENT("z.npy", "0", "y"), NN_EFORMAT, "items[1].latent.space: expected \"z\", \"w\" or \"w+\", found \"y\"" },
    { "\"seed\": 101", LATENT("z.npy", "4", "z"), NN_EFORMAT, "items[1].latent.row: expected a whole number 0..3, found 4" },
    { "\"seed\": 101", LATENT("nan.npy", "0", "z"), NN_EFORMAT, "nan.npy: row 3: a number is not finite" },
    { "\"seed\": 101", LATENT("flat.npy", "0", "z"), NN_ESHAPE, "flat.npy: expected latents of the shape (rows, numbers) or (rows, layers, numbers), found 1 sizes" },
    { "\"seed\": 101", LATENT("none.npy", "0", "z"), NN_ESHAPE, "none.npy: holds no latents" },
    { "\"seed\": 101", "\"latent\": { \"file\": \"z.npy\", \"array\": \"z\", \"row\": 0, \"space\": \"z\" }", NN_EFORMAT, "z.npy: expected an .npz archive" },
    { "\"seed\": 101, \"split\": \"train\" }", LATENT("z.npy", "1", "z") ", \"split\": \"train\" }, { \"image\": \"a\", \"label\": \"a\", " LATENT("z.npy", "1", "z") ", \"split\": \"x\" }",
      NN_EFORMAT, "items[2].latent: latent 1 of z.npy is used twice" },
    { "\"split\": \"test\"", "\"split\": null", NN_EFORMAT, "items[3].split: expected a string of 1 to 31 bytes of printable text, found null" },
    { ITEM0, "\"image\": \"/etc/passwd\"", NN_EFORMAT, "items[0].image: expected a path inside the folder of task.json, found \"/etc/passwd\"" },
    { ITEM0, "\"image\": \"../0.png\"", NN_EFORMAT, "items[0].image: expected a path inside the folder" },
    { ITEM0, "\"image\": \"images/../../0.png\"", NN_EFORMAT, "items[0].image: expected a path inside the folder" },
    { ITEM0, "\"image\": \"images/..\"", NN_EFORMAT, "items[0].image: expected a path inside the folder" },
    { ITEM0, "\"image\": \"\"", NN_EFORMAT, "items[0].image: expected a string" },
    { ITEM0, "\"image\": [\"a\"]", NN_EFORMAT, "items[0].image: expected a string of 1 to 1023 bytes of printable text, found a list" },
    { "\"label\": \"labels/0.png\",", "", NN_EFORMAT, "items[0].label: expected a string of 1 to 1023 bytes of printable text, found nothing" },
    { "{ \"name\"", "{ \"name\": \"again\", \"name\"", NN_EFORMAT, "not valid JSON: duplicate" },
    { "{ \"name\"", "[ \"name\"", NN_EFORMAT, "not valid JSON" },
};

static void test_bad(void)
{
    const char *path = tiny_path(folder, "bad.json");
    char held[512];
    nn_format(held, sizeof held, "%s", path);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err err = { 0 };
        dg_task t;
        write_variant(held, bad[i].from, bad[i].to);
        t_status(dg_task_read(&t, held, &err), bad[i].status, &err, bad[i].part, "task.json with %s", bad[i].to);
        t_check(strstr(err.msg, "bad.json") || strstr(err.msg, ".npy"), "the message names the file: %s", err.msg);
        dg_task_free(&t);
    }
    nn_err err = { 0 };
    dg_task t;
    tiny_write(held, "[1]", 3);
    t_status(dg_task_read(&t, held, &err), NN_EFORMAT, &err, "top level: expected an object, found a list", "a list");
    err = (nn_err){ 0 };
    t_status(dg_task_read(&t, tiny_path(folder, "absent.json"), &err), NN_EIO, &err, "absent.json", "no file");
    err = (nn_err){ 0 };
    t_status(dg_task_read(&t, folder, &err), NN_EIO, &err, NULL, "a folder");
}

static void test_accepted(void)
{
    static const struct { const char *from, *to; } good[] = {
        { "\"cutoff\": 5", "\"cutoff\": null" }, { "\"cutoff\": 5,", "" }, { "\"psi\": 0.75", "\"psi\": -2" }, { ITEM0, "\"image\": \"a..b/..c.png\"" },
        { "\"file\": \"g.safetensors\"", "\"file\": \"../other/g.safetensors\"" }, { "\"file\": \"g.safetensors\",", "" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        nn_err err = { 0 };
        dg_task t;
        write_variant(tiny_path(folder, "good.json"), good[i].from, good[i].to);
        t_status(dg_task_read(&t, tiny_path(folder, "good.json"), &err), NN_OK, &err, NULL, "task.json with %s: %s", good[i].to, err.msg);
        if (i < 2) t_check(t.draw.cutoff < 0, "no cutoff means all layers");
        dg_task_free(&t);
    }
}

static void test_views(void)
{
    static const struct { const char *to, *part; } view[] = {
        { "\"map\": [ 0, 0 ]", "views.two.map: expected a list of 3 ids, one for each class, found a list" },
        { "\"map\": [ 0, 0, 2 ]", "views.two.map: expected a whole number 0..1, found 2" },
        { "\"map\": [ 0, 0, -1 ]", "views.two.map: expected a whole number 0..1, found -1" }, { "\"m\": 0", "views.two.map: expected a list of 3 ids" },
    };
    for (size_t i = 0; i < sizeof view / sizeof *view; i++) {
        nn_err err = { 0 };
        dg_task t;
        dg_map v;
        write_variant(tiny_path(folder, "bad.json"), "\"map\": [ 0, 0, 1 ]", view[i].to);
        if (dg_task_read(&t, tiny_path(folder, "bad.json"), &err)) t_fail("%s", err.msg);
        t_status(dg_task_view(&t, "two", &v, &err), NN_EFORMAT, &err, view[i].part, "a view with %s", view[i].to);
        dg_task_free(&t);
    }
}

static void test_labels(dg_task *t, nn_dim res)
{
    nn_err err = { 0 };
    nn_image im;
    if (!t_status(dg_item_label(t, &t->item[0], res, res, &im, &err), NN_OK, &err, NULL, "a good label: %s", err.msg)) return;
    t_check(im.pixels[0] == NN_VOID && im.pixels[5] < TINY_CLASSES, "void and classes are read as they are");

    const char *path = t->item[1].label;
    const uint8_t held = im.pixels[7 * res + 9];
    im.pixels[7 * res + 9] = TINY_CLASSES;
    nn_png_write(path, &im, NULL, &err);
    nn_image other;
    t_status(dg_item_label(t, &t->item[1], res, res, &other, &err), NN_EFORMAT, &err, "class id 3 at column 9, row 7; expected 0..2 or 255 (void)", "an id that is no class");
    im.pixels[7 * res + 9] = held;
    err = (nn_err){ 0 };
    im.height = res - 1;
    nn_png_write(path, &im, NULL, &err);
    t_status(dg_item_label(t, &t->item[1], res, res, &other, &err), NN_ESHAPE, &err, "label of seed 101: expected 32 x 32 as the picture, found 32 x 31", "a label of another size");
    im.height = res;
    nn_image_free(&im);
    err = (nn_err){ 0 };
    tiny_write(path, "no png", 6);
    t_status(dg_item_label(t, &t->item[1], res, res, &other, &err), NN_EFORMAT, &err, "labels/1.png", "a label that is no PNG");
    err = (nn_err){ 0 };
    remove(path);
    t_status(dg_item_label(t, &t->item[1], res, res, &other, &err), NN_EIO, &err, "labels/1.png", "a label that is not there");
}

static void test_pictures(dg_task *t)
{
    nn_err err = { 0 };
    nn_image im;
    sg_work *wk = sg_work_open(model, 1, false, 1, &err);
    const dg_item *it = &t->item[2];
    if (!wk || nn_png_read(it->image, &im, &err)) { t_fail("%s", err.msg); return; }
    sg_draw(model, wk, &it->seed, 1, &t->draw, NULL);
    t_status(dg_item_check_picture(t, it, model, sg_picture(wk, 0), &err), NN_OK, &err, NULL, "a picture equals its PNG: %s", err.msg);

    uint8_t *pixel = &im.pixels[3 * (4 * im.width + 6) + 2];
    const uint8_t held = *pixel;
    for (int d = 1; d <= 2; d++) {
        *pixel = (uint8_t)(held >= 128 ? held - d : held + d);
        err = (nn_err){ 0 };
        nn_png_write(it->image, &im, NULL, &err);
        t_status(dg_item_check_picture(t, it, model, sg_picture(wk, 0), &err), d == 1 ? NN_OK : NN_EMISMATCH, &err,
                 "differs from this picture by up to 2 levels (column 6, row 4; expected at most 1): generator and annotation set", "%d level(s) off", d);
    }
    *pixel = held;
    err = (nn_err){ 0 };
    im.width = 16;
    nn_png_write(it->image, &im, NULL, &err);
    t_status(dg_item_check_picture(t, it, model, sg_picture(wk, 0), &err), NN_EMISMATCH, &err, "the generator draws 32 x 32 with 3 channels, the file has 16 x 32", "another size");
    nn_image_free(&im);
    sg_work_close(wk);

    err = (nn_err){ 0 };
    t_status(dg_task_check_generator(t, model, &err), NN_OK, &err, NULL, "the set's generator");
    t->generator_sha256[0] ^= 1;
    t_status(dg_task_check_generator(t, model, &err), NN_EMISMATCH, &err, "they do not belong together", "another generator");
    t->generator_sha256[0] = '\0';
    err = (nn_err){ 0 };
    t_status(dg_task_check_generator(t, model, &err), NN_OK, &err, NULL, "a set that names no generator");
}

/* Files of latents for `bad`: good, not finite, of one size, empty. */
static void write_latents(void)
{
    float z[8] = { 0 };
    nn_err err = { 0 };
    nn_npy_write(tiny_path(folder, "z.npy"), z, 2, (const uint64_t[]){ 4, 2 }, &err);
    z[6] = NAN;
    nn_npy_write(tiny_path(folder, "nan.npy"), z, 2, (const uint64_t[]){ 4, 2 }, &err);
    nn_npy_write(tiny_path(folder, "flat.npy"), z, 1, (const uint64_t[]){ 4 }, &err);
    nn_npy_write(tiny_path(folder, "none.npy"), z, 2, (const uint64_t[]){ 0, 2 }, &err);
    t_status(err.status, NN_OK, &err, NULL, "latents: %s", err.msg);
}

int main(void)
{
    static char path[256];
    nn_format(path, sizeof path, "%s", t_folder("task"));
    folder = path;
    model = tiny_generator(&nn_kernels_ref);
    tiny_set_make(folder, model);
    write_latents();
    test_good();
    test_bad();
    test_accepted();
    test_views();
    nn_err err = { 0 };
    dg_task t;
    if (dg_task_read(&t, tiny_path(folder, "task.json"), &err)) t_fail("%s", err.msg);
    else { test_labels(&t, 32); test_pictures(&t); }
    dg_task_free(&t);
    sg_close(model);
    return t_done();
}
