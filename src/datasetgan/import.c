/* import.c: labels from other tools become an annotation set.  Everything is read and painted once to find all problems, and,
 * when there are none, once more to be written; so memory holds one picture at a time, and of those that were drawn the files. */
#include "datasetgan/import.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "datasetgan/fields.h"
#include "datasetgan/folder.h"
#include "nn/hash.h"
#include "nn/sys.h"

enum { PNG_BYTES_MAX = 1 << 30 };

static const char *const top[] = { "task.json", "images", "labels", "latents", NULL };
static const dg_folder_kind set_kind = { "import.json", "imported annotation set", top };

nn_status dg_import_problem(dg_import *x, nn_err *e, nn_err *err)
{
    if (e->status == NN_ENOMEM || e->status == NN_EIO) return nn_fail(err, e->status, "%s", e->msg);
    x->problems++;
    if (x->o->problem) x->o->problem(x->o->user, e->msg);
    *e = (nn_err){ 0 };
    return NN_OK;
}

/* ---- items by stem ------------------------------------------------------------------------------------------------------ */

nn_status dg_import_stem(char out[256], const char *path, nn_err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    const size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    if (length == 0 || length > 240) return nn_fail(err, NN_EFORMAT, "%s: expected a file name of 1 to 240 bytes", path);
    nn_format(out, length + 1, "%s", name);
    return NN_OK;
}

nn_dim dg_import_find(const dg_import *x, const char *stem)
{
    nn_dim lo = 0, hi = x->task.item_count;
    while (lo < hi) {
        const nn_dim mid = lo + (hi - lo) / 2;
        if (strcmp(x->item[x->by_stem[mid]].stem, stem) < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo < x->task.item_count && !strcmp(x->item[x->by_stem[lo]].stem, stem) ? x->by_stem[lo] : -1;
}

typedef struct { const char *stem; nn_dim item; } stem_row;
static int by_stem(const void *a, const void *b) { return strcmp(((const stem_row *)a)->stem, ((const stem_row *)b)->stem); }

static nn_status sort_items(dg_import *x, nn_err *err)
{
    const nn_dim n = x->task.item_count;
    x->item = nn_alloc((size_t)n * sizeof *x->item, "import: items", err);
    x->by_stem = x->item ? nn_alloc((size_t)n * sizeof *x->by_stem, "import: items", err) : NULL;
    stem_row *row = x->by_stem ? nn_alloc((size_t)n * sizeof *row, "import: items", err) : NULL;
    nn_status s = row ? NN_OK : NN_ENOMEM;
    for (nn_dim i = 0; i < n && !s; i++) {
        s = dg_import_stem(x->item[i].stem, x->task.item[i].image, err);
        row[i] = (stem_row){ x->item[i].stem, i };
    }
    if (!s) qsort(row, (size_t)n, sizeof *row, by_stem);
    for (nn_dim i = 0; i < n && !s; i++) {
        x->by_stem[i] = row[i].item;
        if (i > 0 && !strcmp(row[i].stem, row[i - 1].stem))
            s = nn_fail(err, NN_EFORMAT, "%s: two items have pictures named '%s'; labels are matched by that name", x->task.path, row[i].stem);
    }
    nn_free(row);
    return s;
}

int dg_import_class(const dg_import *x, const char *name)
{
    for (int c = 0; c < x->task.class_count; c++) if (!strcmp(x->task.class_at[c].name, name)) return c;
    return -1;
}

/* `text` is `name` with its white space left out. */
static bool is_without_space(const char *text, const char *name)
{
    for (; *name; name++)
        if (!strchr(" \t", *name) && *text++ != *name) return false;
    return !*text;
}

/* makesense.ai takes the white space out of the names that it loads (src/logic/import/yolo/YOLOUtils.ts: parseLabelsNamesFromString).
 * -1: none, or two classes. */
static int class_without_space(const dg_import *x, const char *name)
{
    int id = -1;
    for (int c = 0; c < x->task.class_count; c++)
        if (is_without_space(name, x->task.class_at[c].name)) {
            if (id >= 0) return -1;
            id = c;
        }
    return id;
}

int dg_import_label(const dg_import *x, const char *name)
{
    static const char *const background[] = { "background", "_background_" }, *const ignored[] = { "__ignore__", "ignored", "void" };
    int id = dg_import_class(x, name);
    if (id < 0) id = class_without_space(x, name);
    for (size_t i = 0; i < 2 && id < 0; i++) if (!strcmp(name, background[i])) return 0;
    for (size_t i = 0; i < 3 && id < 0; i++) if (!strcmp(name, ignored[i])) return NN_VOID;
    return id;
}

/* ---- files of a folder --------------------------------------------------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

nn_status dg_import_give(dg_import *x, const char *path, const nn_zip_entry *record, const char *tail, nn_err *err)
{
    char stem[256], name[DG_PATH];
    nn_err e = { 0 };
    if (record) nn_format(name, sizeof name, "%s: %s", x->o->in, record->name);
    else nn_format(name, sizeof name, "%s", path);
    if (dg_import_stem(stem, record ? record->name : path, &e)) return dg_import_problem(x, &e, err);
    nn_dim i = dg_import_find(x, stem);
    const size_t length = strlen(stem), cut = strlen(tail);
    if (i < 0 && cut && length > cut && !strcmp(stem + length - cut, tail)) {
        stem[length - cut] = 0;
        i = dg_import_find(x, stem);
    }
    if (i < 0) nn_fail(&e, NN_EMISMATCH, "%s: %s has no picture of this name", name, x->task.path);
    else if (x->item[i].path[0]) nn_fail(&e, NN_EMISMATCH, "%s: '%s' has labels in two files", name, stem);
    else {
        nn_format(x->item[i].path, DG_PATH, "%s", name);
        x->item[i].record = record;
    }
    return e.status ? dg_import_problem(x, &e, err) : NN_OK;
}

static bool has_ending(const void *context, const char *name)
{
    const size_t length = strlen(name);
    for (const char *const *e = context; *e; e++)
        if (length > strlen(*e) && !strcmp(name + length - strlen(*e), *e)) return name[0] != '.';
    return false;
}

nn_status dg_import_names(nn_names *out, const char *folder, const char *const *endings, nn_err *err)
{
    return nn_dir_list(out, folder, has_ending, endings, err);
}

nn_status dg_import_list(dg_import *x, const char *folder, const char *ending, const char *tail, nn_err *err)
{
    nn_names names;
    nn_status s = dg_import_names(&names, folder, (const char *const[]){ ending, NULL }, err);
    for (size_t i = 0; i < names.count && !s; i++) {
        char path[DG_PATH];
        s = nn_path_join(path, sizeof path, folder, names.name[i], err);
        if (!s && !same_file(path, x->task.path)) s = dg_import_give(x, path, NULL, tail, err);
    }
    nn_names_free(&names);
    return s;
}

/* ---- one item ---------------------------------------------------------------------------------------------------------------- */

typedef struct { bool labelled, kept; nn_bytes png; nn_image picture, label; } piece;

static void free_piece(piece *p)
{
    nn_bytes_free(&p->png);
    nn_image_free(&p->picture);
    nn_image_free(&p->label);
}

/* Picture and label of item i; neither labelled nor kept: it has none.  Problems leave x->problems higher. */
static nn_status make_piece(dg_import *x, nn_dim i, piece *p, nn_err *err)
{
    const dg_item *it = &x->task.item[i];
    nn_err e = { 0 };
    *p = (piece){ .labelled = x->item[i].path[0] || x->item[i].coco };
    p->kept = !p->labelled && it->label[0] && nn_path_exists(it->label);
    if (!p->labelled && !p->kept) return NN_OK;
    if (!nn_path_exists(it->image)) {
        nn_fail(&e, NN_EFORMAT, "%s: the picture is missing", it->image);
        return dg_import_problem(x, &e, err);
    }
    p->png = x->item[i].drawn;
    x->item[i].drawn = (nn_bytes){ 0 };
    if (x->work && !p->png.data) {
        const nn_status drawn = dg_import_draw(x, i, &p->picture, &p->png, err);
        if (drawn || !p->picture.pixels) return drawn;
    } else if ((!p->png.data && nn_file_read(it->image, PNG_BYTES_MAX, &p->png, &e))
               || nn_png_decode(p->png.data, p->png.size, false, it->image, &p->picture, &e))
        return dg_import_problem(x, &e, err);
    nn_status s = NN_OK;
    if (p->kept) s = dg_item_label(&x->task, it, p->picture.width, p->picture.height, &p->label, &e) ? dg_import_problem(x, &e, err) : NN_OK;
    else s = nn_image_make(&p->label, p->picture.width, p->picture.height, 1, err);
    if (!s && !p->kept) s = x->source->paint(x, i, &p->label, err);
    if (!s && x->merging && p->label.pixels) dg_join_label(&x->merge, &p->label);
    return s;
}

static void keep_drawing(dg_import *x, nn_dim i, piece *p)
{
    if (!x->work || p->png.size > DG_DRAWN_BYTES_MAX - x->drawn_bytes) return;
    x->drawn_bytes += p->png.size;
    x->item[i].drawn = p->png;
    p->png = (nn_bytes){ 0 };
}

/* ---- first reading: problems, and what the set's bytes depend on ------------------------------------------------------------- */

static nn_status check_all(dg_import *x, dg_import_result *r, char content[65], nn_err *err)
{
    char *line = nn_json_line(x->json_out, err);
    nn_hash *h = line ? nn_hash_open(err) : NULL;
    nn_status s = h ? NN_OK : NN_ENOMEM;
    if (h) nn_hash_add(h, line, strlen(line));
    for (int i = 0; h && i < x->task.latents_count; i++) {
        const nn_npy *a = &x->task.latents[i].numbers;
        uint64_t count = 1;
        for (int d = 0; d < a->rank; d++) count *= a->dim[d];
        nn_hash_add(h, a->data, (size_t)count * sizeof *a->data);
    }
    for (nn_dim i = 0; i < x->task.item_count && !s; i++) {
        piece p;
        s = make_piece(x, i, &p, err);
        r->labelled += p.labelled;
        r->kept += p.kept;
        r->left_out += !p.labelled && !p.kept;
        if (!s && p.label.pixels) {
            nn_hash_add(h, x->item[i].stem, strlen(x->item[i].stem) + 1);
            nn_hash_add(h, p.png.data, p.png.size);
            nn_hash_add(h, p.label.pixels, (size_t)(p.label.width * p.label.height));
            keep_drawing(x, i, &p);
        }
        free_piece(&p);
    }
    x->measured = true;
    if (h) nn_hash_close(h, content);
    nn_free(line);
    if (!s && x->problems)
        s = nn_fail(err, x->unlike ? NN_EMISMATCH : NN_EFORMAT, "%s: %ju problem%s; nothing was written", x->o->in, (uintmax_t)x->problems, x->problems == 1 ? "" : "s");
    if (!s && !r->labelled) s = nn_fail(err, NN_EINVAL, "%s: no labels for the pictures of %s", x->o->in, x->task.path);
    return s;
}

/* ---- second reading: the set ---------------------------------------------------------------------------------------------------- */

/* generator.file is relative to task.json: to the new one. */
static nn_status move_generator(const dg_import *x, const dg_folder *f, json_t *task, nn_err *err)
{
    const char *file = x->o->generator ? x->o->generator : x->task.generator;
    json_t *g = json_object_get(task, "generator");
    char way[DG_PATH];
    if (x->o->m && json_object_set_new(g, "sha256", json_string(sg_identity(x->o->m)))) return nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!file[0] || !nn_path_exists(file)) return NN_OK;
    const nn_status s = dg_folder_way(f, file, way, err);
    if (!s && json_object_set_new(g, "file", json_string(way))) return nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    return s;
}

/* "latents/N.npy" (or .npz): where the set keeps file N of the task's latents. */
static void latents_name(const dg_import *x, char name[40], int n)
{
    const char *dot = strrchr(x->task.latents[n].path, '.');
    nn_format(name, 40, "latents/%d%s", n, dot && !strcmp(dot, ".npz") ? ".npz" : ".npy");
}

static nn_status write_latents(const dg_import *x, const dg_folder *f, nn_err *err)
{
    nn_status s = x->task.latents_count ? dg_folder_make(f, "latents", err) : NN_OK;
    for (int i = 0; i < x->task.latents_count && !s; i++) {
        char name[40];
        nn_bytes b = { 0 };
        latents_name(x, name, i);
        s = nn_file_read(x->task.latents[i].path, PTRDIFF_MAX, &b, err);
        if (!s) s = dg_folder_add(f, name, b.data, b.size, err);
        nn_bytes_free(&b);
    }
    return s;
}

static nn_status write_piece(const dg_import *x, const dg_folder *f, nn_dim i, const piece *p, json_t *items, nn_err *err)
{
    char image[300], label[300];
    nn_palette palette = { .count = 256 };
    nn_bytes png = { 0 };
    const int classes = x->merging ? x->merge.class_count : x->task.class_count;
    for (int c = 0; c < 256; c++) memcpy(palette.rgb[c], c >= classes ? (const uint8_t[]){ 224, 224, 192 } : x->merging ? x->merge.class_at[c].rgb : x->task.class_at[c].rgb, 3);
    nn_format(image, sizeof image, "images/%s.png", x->item[i].stem);
    nn_format(label, sizeof label, "labels/%s.png", x->item[i].stem);
    nn_status s = dg_folder_add(f, image, p->png.data, p->png.size, err);
    if (!s) s = nn_png_encode(&p->label, &palette, &png, err);
    if (!s) s = dg_folder_add(f, label, png.data, png.size, err);
    nn_bytes_free(&png);
    json_t *item = nn_json_copy(json_array_get(json_object_get(x->task.json, "items"), (size_t)i));
    if (!s && (!item || json_object_set_new(item, "image", json_string(image)) || json_object_set_new(item, "label", json_string(label))
               || json_array_append(items, item))) s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!s && x->task.item[i].latents >= 0) {
        char name[40];
        latents_name(x, name, x->task.item[i].latents);
        if (json_object_set_new(json_object_get(item, "latent"), "file", json_string(name))) s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    }
    json_decref(item);
    return s;
}

static nn_status write_set(dg_import *x, const dg_folder *f, nn_err *err)
{
    json_t *task = nn_json_copy(x->json_out), *items = json_array();
    nn_status s = task && items ? NN_OK : nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!s) s = dg_folder_make(f, "images", err);
    if (!s) s = dg_folder_make(f, "labels", err);
    if (!s) s = write_latents(x, f, err);
    for (nn_dim i = 0; i < x->task.item_count && !s; i++) {
        piece p;
        s = make_piece(x, i, &p, err);
        if (!s && x->problems) s = nn_fail(err, NN_EIO, "%s: changed while it was read", x->o->in);
        if (!s && p.label.pixels) s = write_piece(x, f, i, &p, items, err);
        free_piece(&p);
    }
    if (!s && json_object_set(task, "items", items)) s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!s) s = move_generator(x, f, task, err);
    if (!s) s = dg_folder_add_json(f, "task.json", task, err);
    json_decref(items);
    json_decref(task);
    return s;
}

static const dg_import_source *find_source(const char *name, nn_err *err)
{
    const dg_import_source *const all[] = { &dg_import_labelme, &dg_import_png, &dg_import_coco, &dg_import_cvat, &dg_import_voc };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) if (!strcmp(all[i]->name, name)) return all[i];
    nn_fail(err, NN_EINVAL, "import: there is no source '%.40s'", name);
    return NULL;
}

/* --classes: other names and colours for the task's ids.  Its views go with their ids; those of names in parts come. */
static nn_status replace_classes(dg_import *x, nn_err *err)
{
    nn_status s = dg_classes_read(x->o->classes, x->task.class_at, &x->task.class_count, err);
    if (!s && (json_object_set_new(x->task.json, "classes", dg_put_classes(x->task.class_at, x->task.class_count))
               || json_object_set_new(x->task.json, "views", dg_level_views(x->task.class_at, x->task.class_count))))
        s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    return s;
}

/* --add: the pictures of another set, which has the same classes. */
static nn_status add_set(dg_import *x, nn_err *err)
{
    dg_task more;
    nn_status s = dg_task_read(&more, x->o->add, err);
    if (!s) s = dg_task_append(&x->task, &more, err);
    dg_task_free(&more);
    return s;
}

static nn_status open_generator(dg_import *x, nn_err *err)
{
    if (!x->o->m) return x->o->latents ? nn_fail(err, NN_EINVAL, "import: pictures made elsewhere are compared with what a generator draws, found none") : NN_OK;
    nn_status s = dg_task_check_generator(&x->task, x->o->m, err);
    if (!s) s = sg_check_options(x->o->m, &x->task.draw, err);
    if (!s && !(x->work = sg_work_open(x->o->m, 1, false, omp_get_max_threads(), err))) s = err->status;
    return s;
}

static nn_status read_task(dg_import *x, nn_err *err)
{
    nn_status s = dg_task_read(&x->task, x->o->task, err);
    if (!s && !x->o->pictures != !x->o->latents) s = nn_fail(err, NN_EINVAL, "--pictures and --latents go together");
    if (!s) s = open_generator(x, err);
    if (!s && x->o->latents) s = dg_import_elsewhere(x, err);
    if (!s && x->o->colours && x->source != &dg_import_png) s = nn_fail(err, NN_EINVAL, "--colours: expected with --from png, found with %s", x->o->from);
    if (!s && x->o->classes) s = replace_classes(x, err);
    if (!s && x->o->add) s = add_set(x, err);
    x->merging = x->o->merge != NULL;
    if (!s && x->merging) s = dg_join_read(x, x->o->merge, &x->merge, err);
    if (!s && (x->json_out = nn_json_copy(x->task.json)) == NULL) s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    return s || !x->merging ? s : dg_join_task(&x->merge, x->json_out, x->task.class_count, err);
}

nn_status dg_import_set(const dg_import_options *o, dg_import_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    *r = (dg_import_result){ 0 };
    dg_import x = { .o = o, .source = find_source(o->from, err) };
    dg_folder f = { 0 };
    char content[65];
    nn_status s = x.source ? read_task(&x, err) : NN_EINVAL;
    if (!s) s = sort_items(&x, err);
    if (!s) s = x.source->find(&x, err);
    if (!s) s = check_all(&x, r, content, err);
    json_t *record = s ? NULL : json_pack("{s:s, s:i, s:s, s:s}", "kind", set_kind.kind, "format", 1, "from", o->from, "sha256", content);
    if (!s && !record) s = nn_fail(err, NN_ENOMEM, "import.json: not enough memory");
    if (!s) s = dg_folder_begin(&f, &set_kind, o->out, record, o->replace, err);
    if (!s && !f.done) s = write_set(&x, &f, err);
    s = dg_folder_end(&f, s, err);
    r->already = f.done;
    r->problems = x.problems;
    r->unlike = x.unlike;
    json_decref(record);
    json_decref(x.json);
    json_decref(x.json_out);
    nn_zip_close(&x.zip);
    for (nn_dim i = 0; x.item && i < x.task.item_count; i++) {
        json_decref(x.item[i].coco);
        nn_bytes_free(&x.item[i].drawn);
    }
    nn_free(x.item);
    nn_free(x.by_stem);
    sg_work_close(x.work);
    dg_task_free(&x.task);
    return s;
}
