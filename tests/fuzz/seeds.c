/* Small valid files for the fuzzers to start from.  usage: seeds FOLDER (a folder a target is made below it) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "nn/image.h"
#include "nn/npy.h"
#include "nn/safetensors.h"

static char path[4096];
static nn_err err;

static const char *at(const char *folder, const char *kind, const char *name)
{
    char sub[4096];
    if (nn_path_join(sub, sizeof sub, folder, kind, &err) == NN_OK && nn_dir_make(sub, &err) == NN_OK)
        nn_path_join(path, sizeof path, sub, name, &err);
    return path;
}

int main(int argc, char **argv)
{
    if (argc != 2) { fprintf(stderr, "usage: seeds FOLDER\n"); return 2; }
    const char *to = argv[1], *json = "{\"name\":\"x\",\"list\":[1,2.5,-3e-4,true,null],\"deep\":{\"a\":[[[\"\\u00e9\\n\"]]]}}";
    const float x[6] = { 1, 2, 3, -4.5f };
    const uint16_t half[2] = { 0x3c00, 1 };
    const uint64_t dim[2] = { 2, 3 };
    const nn_st_tensor t[] = { { "a", NN_F32, 2, { 2, 3 }, x }, { "h", NN_F16, 1, { 2 }, half }, { "u", NN_U8, 0, { 0 }, half }, { "e", NN_F64, 1, { 0 }, x } };
    const nn_st_pair m[] = { { "network", "stylegan2" }, { "resolution", "128" } };
    nn_st_write(at(to, "safetensors", "four"), t, 4, m, 2, &err);
    nn_st_write(at(to, "safetensors", "none"), NULL, 0, NULL, 0, &err);
    nn_npy_write(at(to, "npy", "matrix"), x, 2, dim, &err);
    nn_npy_write(at(to, "npy", "scalar"), x, 0, NULL, &err);
    nn_file_write(at(to, "json", "object"), json, strlen(json), &err);
    static const struct { const char *kind, *name, *text; } text[] = {
        { "labelmap", "cvat", "# label:color_rgb:parts:actions\na:0,0,0::\nb:128,0,0::part:\n" }, { "labelmap", "ours", "a:0,0,0\n" },
        { "labelme", "shapes", "{\"shapes\":[{\"label\":\"b\",\"points\":[[1,1],[7,1.5],[4,6]]},{\"label\":\"__ignore__\",\"points\":[[0,0],[3,3]],"
          "\"shape_type\":\"rectangle\"},{\"label\":\"b\",\"points\":[[4,4],[6,5]],\"shape_type\":\"circle\"},{\"label\":\"a\",\"points\":[[4,4]],"
          "\"shape_type\":\"point\"},{\"label\":\"b\",\"points\":[[0,6],[8,0],[8,6]],\"shape_type\":\"linestrip\"}],\"imageWidth\":9,\"imageHeight\":7}" },
        { "labelme", "mask", "{\"shapes\":[{\"label\":\"b\",\"points\":[[0,0],[0,0]],\"shape_type\":\"mask\",\"mask\":\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgABCLqwAAAAAABJRU5ErkJggg==\"}]}" },
        { "coco", "all", "{\"images\":[{\"id\":3,\"file_name\":\"p.png\",\"width\":9,\"height\":7}],\"categories\":[{\"id\":1,\"name\":\"b\"}],\"annotations\":["
          "{\"image_id\":3,\"category_id\":1,\"segmentation\":[[1,1,7,1.5,4,6]]},{\"image_id\":3,\"category_id\":1,\"segmentation\":{\"size\":[7,9],\"counts\":[3,60]}},"
          "{\"image_id\":3,\"category_id\":1,\"segmentation\":{\"size\":[7,9],\"counts\":\"3l1\"}}]}" },
    };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) nn_file_write(at(to, text[i].kind, text[i].name), text[i].text, strlen(text[i].text), &err);
    nn_bytes zip = { 0 };
    if (nn_file_read("tests/golden/one_deflated.npz", 1 << 20, &zip, &err) == NN_OK) nn_file_write(at(to, "zip", "npz"), zip.data, zip.size, &err);
    nn_bytes_free(&zip);
    if (nn_file_read("tests/golden/cvat.zip", 1 << 20, &zip, &err) == NN_OK) nn_file_write(at(to, "cvat", "three"), zip.data, zip.size, &err);
    nn_bytes_free(&zip);
    for (const char *const *name = (const char *const[]){ "plain", "turned6", "cmyk", "grey", "one", NULL }; *name; name++) {
        char from[64];
        nn_bytes jpeg = { 0 };
        nn_format(from, sizeof from, "tests/golden/photos/%s.jpg", *name);
        if (nn_file_read(from, 1 << 20, &jpeg, &err) == NN_OK) nn_file_write(at(to, "jpeg", *name), jpeg.data, jpeg.size, &err);
        nn_bytes_free(&jpeg);
    }
    static uint8_t pixels[9 * 7 * 4];
    nn_palette p = { .count = 3 };
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i % 3);
    for (nn_dim channels = 1; channels <= 4; channels++) {
        const nn_image im = { 9, 7, channels == 2 ? 1 : channels, pixels };
        char name[8];
        nn_format(name, sizeof name, "%td", channels);
        nn_png_write(at(to, "png", name), &im, channels == 2 ? &p : NULL, &err);
    }
    if (err.status != NN_OK) fprintf(stderr, "seeds: %s\n", err.msg);
    return err.status != NN_OK;
}
