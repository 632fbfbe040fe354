/* task.c: annotation sets: task.json, its views, the label maps and pictures that it names. */
#include <string.h>

#include "datasetgan/datasetgan.h"
#include "datasetgan/latents.h"

enum { TASK_BYTES_MAX = 64 << 20, ITEMS_MAX = 1000000 };

/* ---- the parts of task.json -------------------------------------------------------------------------------------- */

static nn_status read_generator(dg_task *t, const dg_reader *r, const char *folder)
{
    const json_t *g = json_object_get(t->json, "generator");
    if (!json_is_object(g)) return dg_refuse(r, "generator", "an object", g);

    const json_t *file = json_object_get(g, "file"), *sha = json_object_get(g, "sha256");
    char rel[DG_PATH];
    nn_status s;
    if (file && ((s = dg_get_text(r, "generator.file", file, rel, sizeof rel))
                 || (s = nn_path_join(t->generator, sizeof t->generator, folder, rel, r->err)))) return s;
    if (sha) {
        const char *hex = json_string_value(sha);
        if (!hex || (*hex && (strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64)))
            return dg_refuse(r, "generator.sha256", "\"\" or 64 lower-case hexadecimal digits", sha);
        nn_format(t->generator_sha256, sizeof t->generator_sha256, "%s", hex);
    }

    return dg_get_draw(r, "generator", g, &t->draw);
}

/* Open-addressed set of the seeds and latents seen so far: a set of a million items is checked in one pass. */
static bool item_is_new(uint64_t *slot, size_t mask, const dg_item *it)
{
    const uint64_t key = ((uint64_t)(it->latents + 1) << 32 | it->seed) + 1;
    size_t i = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
    for (; slot[i]; i = (i + 1) & mask) if (slot[i] == key) return false;
    slot[i] = key;
    return true;
}

static nn_status read_item(dg_task *t, dg_item *it, const dg_reader *r, const json_t *v, size_t i, const char *folder)
{
    char place[64];
    nn_status s;
    nn_format(place, sizeof place, "items[%zu]", i);
    if (!json_is_object(v)) return dg_refuse(r, place, "an object", v);
    nn_format(place, sizeof place, "items[%zu].image", i);
    if ((s = dg_get_path(r, place, json_object_get(v, "image"), folder, it->image))) return s;
    nn_format(place, sizeof place, "items[%zu].label", i);
    if ((s = dg_get_path(r, place, json_object_get(v, "label"), folder, it->label))) return s;
    nn_format(place, sizeof place, "items[%zu].split", i);
    if ((s = dg_get_text(r, place, json_object_get(v, "split"), it->split, sizeof it->split))) return s;
    nn_format(place, sizeof place, "items[%zu].latent", i);
    it->latents = -1;
    if (json_object_get(v, "latent") && json_object_get(v, "seed"))
        return nn_fail(r->err, NN_EFORMAT, "%s: items[%zu]: expected \"seed\" or \"latent\", found both", r->path, i);
    if (json_object_get(v, "latent")) return dg_latent_read(t, r, place, json_object_get(v, "latent"), folder, it);
    nn_format(place, sizeof place, "items[%zu].seed", i);
    int64_t seed;
    if ((s = dg_get_whole(r, place, json_object_get(v, "seed"), 0, UINT32_MAX, &seed))) return s;
    it->seed = (uint32_t)seed;
    return NN_OK;
}

static nn_status read_items(dg_task *t, const dg_reader *r, const char *folder)
{
    const json_t *list = json_object_get(t->json, "items");
    const size_t count = json_array_size(list);
    if (!json_is_array(list)) return dg_refuse(r, "items", "a list", list);
    if (count > ITEMS_MAX)
        return nn_fail(r->err, NN_EFORMAT, "%s: items: expected at most %d of them, found %zu", r->path, ITEMS_MAX, count);
    size_t slots = 4;
    while (slots < 2 * count) slots *= 2;
    uint64_t *seen = nn_alloc(slots * sizeof *seen, "seeds of task.json", r->err);
    t->item = nn_alloc(count * sizeof *t->item, "items of task.json", r->err);
    nn_status s = seen && t->item ? NN_OK : NN_ENOMEM;
    for (size_t i = 0; i < count && !s; i++) {
        dg_item *it = &t->item[i];
        s = read_item(t, it, r, json_array_get(list, i), i, folder);
        char name[DG_ITEM_NAME];
        if (!s && !item_is_new(seen, slots - 1, it))
            s = nn_fail(r->err, NN_EFORMAT, "%s: items[%zu].%s: %s is used twice", r->path, i, it->latents < 0 ? "seed" : "latent", dg_item_name(t, it, name));
        t->item_count++;
    }
    nn_free(seen);
    return s;
}

nn_status dg_task_read(dg_task *t, const char *path, nn_err *err)
{
    memset(t, 0, sizeof *t);
    const dg_reader r = { path, err };
    char folder[DG_PATH];
    nn_status s = nn_path_folder(folder, sizeof folder, path, err);
    if (s) return s;
    if (strlen(path) >= sizeof t->path) return nn_fail(err, NN_EINVAL, "%.64s...: the path is longer than %d bytes", path, DG_PATH - 1);
    nn_format(t->path, sizeof t->path, "%s", path);
    t->json = nn_json_read(path, TASK_BYTES_MAX, err);
    if (!t->json) return err ? err->status : NN_EFORMAT;
    if (!json_is_object(t->json)) s = dg_refuse(&r, "top level", "an object", t->json);
    if (!s) s = dg_get_text(&r, "name", json_object_get(t->json, "name"), t->name, sizeof t->name);
    if (!s) s = read_generator(t, &r, folder);
    if (!s) s = dg_get_classes(&r, "classes", json_object_get(t->json, "classes"), t->class_at, &t->class_count);
    if (!s) s = read_items(t, &r, folder);
    if (s) dg_task_free(t);
    return s;
}

void dg_task_free(dg_task *t)
{
    if (!t) return;
    json_decref(t->json);
    nn_free(t->item);
    dg_latents_free(t);
    memset(t, 0, sizeof *t);
}

/* ---- two sets as one ------------------------------------------------------------------------------------------------ */

static nn_status check_same_kind(const dg_task *t, const dg_task *more, nn_err *err)
{
    const sg_options *a = &t->draw, *b = &more->draw;
    for (int c = 0; c < t->class_count || c < more->class_count; c++) {
        const char *want = c < t->class_count ? t->class_at[c].name : NULL, *found = c < more->class_count ? more->class_at[c].name : NULL;
        if (!want || !found || strcmp(want, found))
            return nn_fail(err, NN_EMISMATCH, "%s: class %d: expected \"%s\" as in %s, found \"%s\"", more->path, c, want ? want : "none", t->path, found ? found : "none");
    }
    if (t->generator_sha256[0] && more->generator_sha256[0] && strcmp(t->generator_sha256, more->generator_sha256))
        return nn_fail(err, NN_EMISMATCH, "%s: drawn by generator %.12s, %s by %.12s", more->path, more->generator_sha256, t->path, t->generator_sha256);
    if (a->psi != b->psi || a->cutoff != b->cutoff || a->noise != b->noise || a->class_id != b->class_id)
        return nn_fail(err, NN_EMISMATCH, "%s: its pictures were drawn with other settings (psi, cutoff, noise, class) than those of %s", more->path, t->path);
    return NN_OK;
}

/* Latents of the other set come after the own ones. */
static nn_status append_latents(dg_task *t, dg_task *more, nn_err *err)
{
    if (!more->latents_count) return NN_OK;
    dg_latents *all = nn_alloc((size_t)(t->latents_count + more->latents_count) * sizeof *all, "latents of two sets", err);
    if (!all) return NN_ENOMEM;
    if (t->latents_count) memcpy(all, t->latents, (size_t)t->latents_count * sizeof *all);
    memcpy(all + t->latents_count, more->latents, (size_t)more->latents_count * sizeof *all);
    for (nn_dim i = 0; i < more->item_count; i++) if (more->item[i].latents >= 0) more->item[i].latents += t->latents_count;
    t->latents_count += more->latents_count;
    more->latents_count = 0;
    nn_free(t->latents);
    t->latents = all;
    return NN_OK;
}

nn_status dg_task_append(dg_task *t, dg_task *more, nn_err *err)
{
    const size_t count = (size_t)(t->item_count + more->item_count);
    size_t slots = 4;
    while (slots < 2 * count) slots *= 2;
    nn_status s = check_same_kind(t, more, err);
    uint64_t *seen = s ? NULL : nn_alloc(slots * sizeof *seen, "seeds of two sets", err);
    dg_item *all = seen ? nn_alloc(count * sizeof *all, "items of two sets", err) : NULL;
    if (!s) s = all ? append_latents(t, more, err) : NN_ENOMEM;
    for (nn_dim i = 0; i < t->item_count && !s; i++) (void)item_is_new(seen, slots - 1, &t->item[i]);
    for (nn_dim i = 0; i < more->item_count && !s; i++) {
        char name[DG_ITEM_NAME];
        if (!item_is_new(seen, slots - 1, &more->item[i]))
            s = nn_fail(err, NN_EMISMATCH, "%s: items[%td]: %s is in %s, too", more->path, i, dg_item_name(more, &more->item[i], name), t->path);
        else if (json_array_append(json_object_get(t->json, "items"), json_array_get(json_object_get(more->json, "items"), (size_t)i)))
            s = nn_fail(err, NN_ENOMEM, "%s: not enough memory", t->path);
    }
    nn_free(seen);
    if (s) { nn_free(all); return s; }
    if (t->item_count) memcpy(all, t->item, (size_t)t->item_count * sizeof *all);
    if (more->item_count) memcpy(all + t->item_count, more->item, (size_t)more->item_count * sizeof *all);
    nn_free(t->item);
    t->item = all;
    t->item_count = (nn_dim)count;
    return NN_OK;
}

/* ---- views -------------------------------------------------------------------------------------------------------- */

/* A view's class takes the colour of the first task class that maps to it; grey when none does. */
static void view_colours(const dg_task *t, dg_map *out)
{
    for (int v = 0; v < out->class_count; v++) {
        memset(out->class_at[v].rgb, 128, 3);
        for (int i = t->class_count - 1; i >= 0; i--)
            if (out->map[i] == v) memcpy(out->class_at[v].rgb, t->class_at[i].rgb, 3);
    }
}

nn_status dg_task_view(const dg_task *t, const char *name, dg_map *out, nn_err *err)
{
    memset(out, 0, sizeof *out);
    const dg_reader r = { t->path, err };
    const json_t *view = json_object_get(json_object_get(t->json, "views"), name);
    if (!view) return nn_fail(err, NN_EINVAL, "%s: there is no view \"%.64s\"", t->path, name);
    const json_t *names = json_object_get(view, "classes"), *map = json_object_get(view, "map");
    const size_t count = json_array_size(names);
    char names_at[128], map_at[128];
    nn_format(names_at, sizeof names_at, "views.%.64s.classes", name);
    nn_format(map_at, sizeof map_at, "views.%.64s.map", name);
    if (count < 1 || count > NN_VOID) return dg_refuse(&r, names_at, "a list of 1 to 255 names", names);
    if (json_array_size(map) != (size_t)t->class_count) {
        char expected[64];
        nn_format(expected, sizeof expected, "a list of %d ids, one for each class", t->class_count);
        return dg_refuse(&r, map_at, expected, map);
    }
    out->class_count = (int)count;
    nn_status s = NN_OK;
    for (size_t i = 0; i < count && !s; i++)
        s = dg_get_text(&r, names_at, json_array_get(names, i), out->class_at[i].name, DG_NAME);
    for (size_t i = 0; i < (size_t)t->class_count && !s; i++) {
        int64_t id = 0;
        s = dg_get_whole(&r, map_at, json_array_get(map, i), 0, (int64_t)count - 1, &id);
        out->map[i] = (uint8_t)id;
    }
    if (!s) view_colours(t, out);
    return s;
}

/* ---- the files of an item ----------------------------------------------------------------------------------------- */

static nn_status check_label(const dg_task *t, const dg_item *it, nn_dim width, nn_dim height, const nn_image *im, nn_err *err)
{
    char name[DG_ITEM_NAME];
    if (im->width != width || im->height != height)
        return nn_fail(err, NN_ESHAPE, "%s: label of %s: expected %td x %td as the picture, found %td x %td", it->label,
                       dg_item_name(t, it, name), width, height, im->width, im->height);
    for (nn_dim p = 0; p < width * height; p++) {
        const int id = im->pixels[p];
        if (id >= t->class_count && id != NN_VOID)
            return nn_fail(err, NN_EFORMAT, "%s: label of %s: class id %d at column %td, row %td; expected 0..%d or %d (void)",
                           it->label, dg_item_name(t, it, name), id, p % width, p / width, t->class_count - 1, NN_VOID);
    }
    return NN_OK;
}

nn_status dg_item_label(const dg_task *t, const dg_item *it, nn_dim width, nn_dim height, nn_image *out, nn_err *err)
{
    memset(out, 0, sizeof *out);
    nn_status s = nn_png_read_labels(it->label, out, err);
    if (!s) s = check_label(t, it, width, height, out, err);
    if (s) nn_image_free(out);
    return s;
}

nn_status dg_item_check_picture(const dg_task *t, const dg_item *it, const sg_model *m, const real *picture, nn_err *err)
{
    const sg_config *cfg = sg_get_config(m);
    const nn_dim width = cfg->resolution, height = cfg->height, channels = cfg->img_channels;
    nn_image stored = { 0 }, drawn = { 0 };
    char name[DG_ITEM_NAME];
    nn_status s = nn_png_read(it->image, &stored, err);
    if (!s && (stored.width != width || stored.height != height || stored.channels != channels))
        s = nn_fail(err, NN_EMISMATCH, "%s: picture of %s: the generator draws %td x %td with %td channels, the file has %td x %td "
                    "with %td: generator and annotation set do not belong together", it->image, dg_item_name(t, it, name), width, height, channels,
                    stored.width, stored.height, stored.channels);
    if (!s) s = nn_image_make(&drawn, width, height, channels, err);
    if (!s) {
        nn_image_from_planar(&drawn, picture);
        int worst = 0;
        nn_dim at = 0;
        for (nn_dim i = 0; i < width * height * channels; i++) {
            const int d = drawn.pixels[i] - stored.pixels[i], diff = d < 0 ? -d : d;
            if (diff > worst) { worst = diff; at = i / channels; }
        }
        /* One level: float sums in another order may fall on the other side of the truncation to bytes. */
        if (worst > 1)
            s = nn_fail(err, NN_EMISMATCH, "%s: %s drawn by generator %.12s differs from this picture by up to %d levels (column %td, "
                        "row %td; expected at most 1): generator and annotation set %s do not belong together", it->image,
                        dg_item_name(t, it, name), sg_identity(m), worst, at % width, at / width, t->path);
    }
    nn_image_free(&stored);
    nn_image_free(&drawn);
    return s;
}

nn_status dg_task_check_generator(const dg_task *t, const sg_model *m, nn_err *err)
{
    if (!t->generator_sha256[0] || !strcmp(t->generator_sha256, sg_identity(m))) return NN_OK;
    return nn_fail(err, NN_EMISMATCH, "%s: the set was drawn by generator %s, this one is %s: they do not belong together", t->path,
                   t->generator_sha256, sg_identity(m));
}
