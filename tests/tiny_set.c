/* tiny_set.c: see tiny_set.h. */
#include "tests/tiny_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

static void must(nn_status s, const nn_err *err)
{
    if (s == NN_OK) return;
    t_fail("tiny set: %s", err->msg);
    exit(t_done());
}

const char *tiny_path(const char *folder, const char *name)
{
    static char path[8][512];
    static int turn;
    turn = (turn + 1) % 8;
    nn_format(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

void tiny_write(const char *path, const void *data, size_t size)
{
    nn_err err = { 0 };
    must(nn_file_write(path, data, size, &err), &err);
}

sg_model *tiny_generator(const nn_kernels *k)
{
    nn_err err = { 0 };
    sg_model *m = sg_open(TINY_GENERATOR, k, &err);
    must(m ? NN_OK : err.status, &err);
    return m;
}

static void write_item(const char *folder, int i, const nn_image *picture)
{
    nn_err err = { 0 };
    nn_image label;
    char name[64];
    must(nn_image_make(&label, picture->width, picture->height, 1, &err), &err);
    for (nn_dim p = 0; p < picture->width * picture->height; p++) {
        const uint8_t green = picture->pixels[p * picture->channels + 1];
        label.pixels[p] = i == 0 && p % picture->width < 5 ? NN_VOID : (uint8_t)(green < 100 ? 0 : green < 150 ? 1 : 2);
    }
    nn_format(name, sizeof name, "images/%d.png", i);
    must(nn_png_write(tiny_path(folder, name), picture, NULL, &err), &err);
    nn_format(name, sizeof name, "labels/%d.png", i);
    must(nn_png_write(tiny_path(folder, name), &label, NULL, &err), &err);
    nn_image_free(&label);
}

void tiny_set_make(const char *folder, const sg_model *m)
{
    const sg_options draw = { 0.75, 5, SG_NOISE_CONST, 0 };
    const sg_config *c = sg_get_config(m);
    nn_err err = { 0 };
    char text[4096];
    int n = snprintf(text, sizeof text, "{ \"name\": \"tiny\", \"generator\": { \"file\": \"g.safetensors\", \"sha256\": \"%s\", \"psi\": 0.75, "
        "\"cutoff\": 5, \"noise\": \"const\" },\n  \"classes\": [ { \"id\": 0, \"name\": \"dark\", \"color\": \"#000000\" },\n    { \"id\": 1, "
        "\"name\": \"middle\", \"color\": \"#E6194b\" }, { \"id\": 2, \"name\": \"light\", \"color\": \"#ffffff\" } ],\n  \"views\": { \"two\": "
        "{ \"classes\": [ \"rest\", \"light\" ], \"map\": [ 0, 0, 1 ] } },\n  \"kept\": [ 1, 2 ],\n  \"items\": [\n", sg_identity(m));
    must(nn_dir_make(tiny_path(folder, "images"), &err), &err);
    must(nn_dir_make(tiny_path(folder, "labels"), &err), &err);
    sg_work *wk = sg_work_open(m, 1, false, 1, &err);
    nn_image picture;
    must(wk ? NN_OK : err.status, &err);
    must(nn_image_make(&picture, c->resolution, c->height, c->img_channels, &err), &err);
    for (int i = 0; i < TINY_ITEMS; i++) {
        const uint32_t seed = (uint32_t)(TINY_SEED + i);
        sg_draw(m, wk, &seed, 1, &draw, NULL);
        nn_image_from_planar(&picture, sg_picture(wk, 0));
        write_item(folder, i, &picture);
        n += snprintf(text + n, sizeof text - (size_t)n, "    { \"image\": \"images/%d.png\", \"label\": \"labels/%d.png\", \"seed\": %u, "
            "\"split\": \"%s\" }%s\n", i, i, seed, i == TINY_ITEMS - 1 ? "test" : "train", i == TINY_ITEMS - 1 ? "" : ",");
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "  ] }\n");
    tiny_write(tiny_path(folder, "task.json"), text, (size_t)n);
    nn_image_free(&picture);
    sg_work_close(wk);
}
