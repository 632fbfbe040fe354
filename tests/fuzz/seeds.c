/* Small valid files for the fuzzers to start from.  usage: seeds FOLDER (png/ jpeg/ json/ npy/ zip/ safetensors/ are made below it) */
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
    nn_bytes zip = { 0 };
    if (nn_file_read("tests/golden/one_deflated.npz", 1 << 20, &zip, &err) == NN_OK) nn_file_write(at(to, "zip", "npz"), zip.data, zip.size, &err);
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
