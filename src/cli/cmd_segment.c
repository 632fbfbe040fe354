/* cmd_segment.c: datasetgan segment: its three commands, and the folders of pictures that they read. */
#include "cli/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/hash.h"

static const struct { const char *name; int (*run)(int, char **); const char *about; } command[] = {
    { "train",   cmd_segment_train,   "train a segmentation network on a dataset, or online from a generator" },
    { "predict", cmd_segment_predict, "label photographs" },
    { "eval",    cmd_segment_eval,    "score a network on labelled photographs" },
};
enum { COMMANDS = sizeof command / sizeof *command };

int cmd_segment(int argc, char **argv)
{
    const bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
    for (int i = 0; argc > 1 && i < COMMANDS; i++) if (!strcmp(argv[1], command[i].name)) return command[i].run(argc - 1, argv + 1);
    if (help) {
        puts("usage: datasetgan segment COMMAND [OPTIONS]      (datasetgan segment COMMAND --help lists them)\n");
        for (int i = 0; i < COMMANDS; i++) printf("  %-10s %s\n", command[i].name, command[i].about);
        return CLI_EXIT_OK;
    }
    nn_err err = { 0 };
    nn_fail(&err, NN_EINVAL, "expected train, predict or eval, found %.64s", argc > 1 ? argv[1] : "nothing");
    return cli_fail("segment", &err);
}

/* ---- names ------------------------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    if (n <= m) return false;
    for (size_t i = 0; i < m; i++) {
        const char c = name[n - m + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != end[i]) return false;
    }
    return true;
}

static bool is_picture(const void *context, const char *name)
{
    (void)context;
    return *name != '.' && strlen(name) < 250 && (ends_with(name, ".png") || ends_with(name, ".jpg") || ends_with(name, ".jpeg"))
        && !ends_with(name, "_label.png");
}

void cli_stem(char out[256], const char *name)
{
    nn_format(out, 256, "%s", name);
    char *dot = strrchr(out, '.');
    if (dot) *dot = '\0';
}

static nn_status check_stems(const cli_files *f, nn_err *err)
{
    char a[256], b[256];
    for (size_t i = 1; i < f->names.count; i++) {
        cli_stem(a, f->names.name[i - 1]);
        cli_stem(b, f->names.name[i]);
        if (!strcmp(a, b)) return nn_fail(err, NN_EFORMAT, "%s: %s and %s have one stem", f->folder, f->names.name[i - 1], f->names.name[i]);
    }
    return NN_OK;
}

nn_status cli_list_pictures(cli_files *f, const char *path, nn_err *err)
{
    *f = (cli_files){ 0 };
    if (!nn_path_is_dir(path)) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        if (!nn_path_exists(path)) return nn_fail(err, NN_EIO, "%s: no such file or folder", path);
        if (strlen(name) >= 256 || nn_path_folder(f->folder, sizeof f->folder, path, err)) return nn_fail(err, NN_EINVAL, "%s: the name is too long", path);
        return nn_names_add(&f->names, name, err);
    }
    nn_format(f->folder, sizeof f->folder, "%s", path);
    const nn_status s = nn_dir_list(&f->names, path, is_picture, NULL, err);
    if (s) return s;
    if (!f->names.count) return nn_fail(err, NN_EINVAL, "%s: expected pictures (.png, .jpg), found none", path);
    return check_stems(f, err);
}

void cli_files_free(cli_files *f) { nn_names_free(&f->names); }

/* ---- labelled pictures --------------------------------------------------------------------------------------------------------------------- */

nn_status cli_read_label(nn_image *out, const char *folder, const char *picture, int classes, nn_dim width, nn_dim height, nn_err *err)
{
    char stem[256], name[272], path[CLI_PATH];
    cli_stem(stem, picture);
    nn_format(name, sizeof name, "%s_label.png", stem);
    if (nn_path_join(path, sizeof path, folder, name, err)) return err->status;
    if (!nn_path_exists(path)) {
        nn_format(name, sizeof name, "%s.png", stem);
        if (nn_path_join(path, sizeof path, folder, name, err)) return err->status;
    }
    nn_status s = nn_png_read_labels(path, out, err);
    if (!s && (out->width != width || out->height != height))
        s = nn_fail(err, NN_ESHAPE, "%s: expected %td x %td as the picture, found %td x %td", path, width, height, out->width, out->height);
    for (nn_dim p = 0; !s && p < width * height; p++)
        if (out->pixels[p] >= classes && out->pixels[p] != NN_VOID)
            s = nn_fail(err, NN_EFORMAT, "%s: class id %d: expected 0..%d or 255 (void)", path, out->pixels[p], classes - 1);
    return s;
}

nn_status cli_fit_label(uint8_t *to, const nn_image *label, int classes, nn_dim size, nn_err *err)
{
    const nn_dim pixels = label->width * label->height, K = classes + 1;
    /* analyze: the label map is one that was read */
    if (label->width == size && label->height == size) { memcpy(to, label->pixels, (size_t)pixels); return NN_OK; }
    real *share = nn_alloc((size_t)((pixels + size * size) * K) * sizeof *share, "a label map", err);
    if (!share) return NN_ENOMEM;
    for (nn_dim p = 0; p < pixels; p++) share[p * K + (label->pixels[p] == NN_VOID ? classes : label->pixels[p])] = 1;
    const nn_status s = dl_resize_picture(share + pixels * K, share, label->height, label->width, K, size, size, err);
    if (!s) dl_argmax(to, share + pixels * K, size * size, K);
    for (nn_dim p = 0; p < size * size && !s; p++) if (to[p] == classes) to[p] = NN_VOID;
    nn_free(share);
    return s;
}

nn_status cli_fit_picture(uint8_t *to, const nn_image *im, nn_dim size, nn_err *err)
{
    const nn_dim pixels = im->width * im->height;
    if (im->width == size && im->height == size && im->channels == 3) { memcpy(to, im->pixels, (size_t)(3 * pixels)); return NN_OK; }
    real *x = nn_alloc((size_t)(3 * (pixels + size * size)) * sizeof *x, "a picture", err), *y = x ? x + 3 * pixels : NULL;
    if (!x) return NN_ENOMEM;
    /* analyze: an index */
    for (nn_dim i = 0; i < 3 * pixels; i++) x[i] = im->pixels[i / 3 * im->channels + (im->channels < 3 ? 0 : i % 3)];
    const nn_status s = dl_resize_picture(y, x, im->height, im->width, 3, size, size, err);
    for (nn_dim i = 0; i < 3 * size * size && !s; i++) to[i] = (uint8_t)(y[i] + (real)0.5);
    nn_free(x);
    return s;
}

static nn_status read_one(cli_labelled *l, nn_dim i, nn_hash *hash, const char *images, const char *labels, const char *name, int classes, nn_err *err)
{
    char path[CLI_PATH];
    nn_image picture = { 0 }, label = { 0 };
    nn_status s = nn_path_join(path, sizeof path, images, name, err);
    if (!s) s = nn_picture_read(path, &picture, err);
    if (!s) s = cli_read_label(&label, labels, name, classes, picture.width, picture.height, err);
    if (!s) {
        nn_hash_add(hash, name, strlen(name) + 1);
        nn_hash_add(hash, picture.pixels, (size_t)(picture.width * picture.height * picture.channels));
        nn_hash_add(hash, label.pixels, (size_t)(label.width * label.height));
        s = cli_fit_picture(l->rgb + 3 * i * l->size * l->size, &picture, l->size, err);
    }
    if (!s) s = cli_fit_label(l->label + i * l->size * l->size, &label, classes, l->size, err);
    nn_image_free(&picture);
    nn_image_free(&label);
    return s;
}

nn_status cli_labelled_read(cli_labelled *l, const char *images, const char *labels, int classes, nn_dim size, int64_t limit, nn_err *err)
{
    cli_files f;
    *l = (cli_labelled){ .size = size };
    nn_status s = cli_list_pictures(&f, images, err);
    nn_hash *hash = s ? NULL : nn_hash_open(err);
    l->count = limit > 0 && (size_t)limit < f.names.count ? (nn_dim)limit : (nn_dim)f.names.count;
    if (!s && hash) {
        l->rgb = nn_alloc((size_t)(4 * l->count * size * size), "labelled pictures", err);
        l->label = l->rgb ? l->rgb + 3 * l->count * size * size : NULL;
    }
    if (!s && (!hash || !l->rgb)) s = NN_ENOMEM;
    for (nn_dim i = 0; i < l->count && !s; i++) s = read_one(l, i, hash, f.folder, labels, f.names.name[i], classes, err);
    if (hash) nn_hash_close(hash, l->sha256);
    cli_files_free(&f);
    return s;
}

void cli_labelled_free(cli_labelled *l)
{
    nn_free(l->rgb);
    *l = (cli_labelled){ 0 };
}

/* ---- classes, colours ------------------------------------------------------------------------------------------------------------------------ */

nn_status cli_classes(const char *task, const char *view, dl_class out[NN_VOID], int *count, dg_map *map, nn_err *err)
{
    char bundled[CLI_PATH];
    dg_task t = { 0 };
    dg_map own;
    if (!task && cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_TASK, err)) return err->status;
    nn_status s = dg_task_read(&t, task ? task : bundled, err);
    if (!map) map = &own;
    if (!s && view) s = dg_task_view(&t, view, map, err);
    const dg_class *from = view ? map->class_at : t.class_at;
    if (!s) *count = view ? map->class_count : t.class_count;
    for (int i = 0; !s && i < *count; i++) {
        nn_format(out[i].name, sizeof out[i].name, "%s", from[i].name);
        memcpy(out[i].rgb, from[i].rgb, 3);
    }
    for (int i = 0; !s && !view && i < *count; i++) map->map[i] = (uint8_t)i;
    dg_task_free(&t);
    return s;
}

nn_status cli_named_class(const char *option, const char *name, const dl_model *m, int *to, nn_err *err)
{
    if (!name) return NN_OK;
    for (int i = 1; i < m->class_count; i++) {
        char id[16];
        nn_format(id, sizeof id, "%d", i);
        if (!strcmp(m->class_at[i].name, name) || (!*to && !strcmp(id, name))) *to = i;
    }
    return *to ? NN_OK : nn_fail(err, NN_EINVAL, "option --%s: no class but the first is called '%.64s' or has that id", option, name);
}

nn_status cli_named_classes(const char *option, const char *names, const dl_model *m, bool of[NN_VOID + 1], nn_err *err)
{
    nn_status s = NN_OK;
    if (names && !strcmp(names, "all")) {
        for (int i = 1; i < m->class_count; i++) of[i] = true;
        return NN_OK;
    }
    for (const char *p = names; p && !s;) {
        char name[sizeof m->class_at->name];
        const size_t n = strcspn(p, ",");
        int id = 0;
        nn_format(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), p);
        s = cli_named_class(option, name, m, &id, err);
        of[id] = !s;
        p = p[n] ? p + n + 1 : NULL;
    }
    return s;
}

void cli_overlay(uint8_t *rgb, const nn_image *picture, const uint8_t *label, const dl_class *class_at, int classes)
{
    for (nn_dim p = 0; p < picture->width * picture->height; p++)
        for (int c = 0; c < 3; c++) {
            const int v = picture->pixels[p * picture->channels + (picture->channels < 3 ? 0 : c)];
            rgb[3 * p + c] = (uint8_t)(label[p] < classes ? (v + class_at[label[p]].rgb[c] + 1) / 2 : v);
        }
}
