/* export.c: a dataset folder in the forms that trainers read: the run over its samples, and the forms that are only copies. */
#include "datasetgan/export.h"

#include <string.h>

#include "datasetgan/classes.h"

#define SPLIT_WHOLE UINT64_C(1000000000)

static const char RECORD[] = "export.json", KIND[] = "dataset export";
static const char *const top[] = { "JPEGImages", "SegmentationClass", "ImageSets", "labelmap.txt", "annotations", "train", "val", "test",
                                   "classes.json",
                                   "images", "labels", "data.yaml", "labels.txt", "train.npz", "val.npz", "test.npz",
                                   "task.json", NULL };
static const dg_folder_kind kind = { RECORD, KIND, top };

const char *dg_split_name(int split)
{
    static const char *const name[DG_SPLITS_MAX] = { "train", "val", "test" };
    /* analyze: every split is one of the three */
    return name[split];
}

/* ---- lists of JSON ------------------------------------------------------------------------------------------------------ */

nn_status dg_export_value(nn_stage *to, bool first, json_t *v, nn_err *err)
{
    char *line = v ? nn_json_line(v, err) : NULL;
    /* analyze: nn_fail returns the status it is given, so line is there when s is 0 */
    nn_status s = line ? NN_OK : nn_fail(err, NN_ENOMEM, "export: not enough memory");
    if (!s) s = nn_stage_add(to, first ? "\n" : ",\n", first ? 1 : 2, err);
    /* analyze: as above */
    if (!s) s = nn_stage_add(to, line, strlen(line), err);
    nn_free(line);
    json_decref(v);
    return s;
}

nn_status dg_export_text(nn_stage *to, const char *text, nn_err *err) { return nn_stage_add(to, text, strlen(text), err); }

/* ---- splits ----------------------------------------------------------------------------------------------------------- */

/* A decimal number 0 < x <= 1 in billionths, exact; NULL: not one. */
static const char *read_fraction(const char *text, uint64_t *out)
{
    uint64_t whole = 0, unit = SPLIT_WHOLE;
    const char *p = text;
    for (; *p >= '0' && *p <= '9' && whole < 10; p++) whole = whole * 10 + (uint64_t)(*p - '0');
    *out = whole * SPLIT_WHOLE;
    if (*p == '.') for (p++; *p >= '0' && *p <= '9' && unit > 1; p++) *out += (uint64_t)(*p - '0') * (unit /= 10);
    return p > text && *out > 0 && *out <= SPLIT_WHOLE ? p : NULL;
}

nn_status dg_split_parse(dg_split *s, const char *text, nn_err *err)
{
    uint64_t sum = 0;
    *s = (dg_split){ 0 };
    const char *p = text;
    while (p && s->count < DG_SPLITS_MAX) {
        p = read_fraction(p, &s->part[s->count]);
        if (!p) break;
        sum += s->part[s->count++];
        if (!*p && sum == SPLIT_WHOLE) return NN_OK;
        p = *p == '/' ? p + 1 : NULL;
    }
    return nn_fail(err, NN_EINVAL, "split '%.40s': expected up to %d parts (train/val/test) above 0 that add up to 1, as 0.9/0.1", text, DG_SPLITS_MAX);
}

/* Samples are independent draws, so the splits are the first, second and third part of the list. */
static nn_status cut_splits(dg_export_job *x, nn_err *err)
{
    const dg_split *p = &x->o->split;
    uint64_t sum = 0;
    for (int i = 0; i < p->count; i++) {
        sum += p->part[i];
        x->first[i + 1] = (x->set.count * sum + SPLIT_WHOLE / 2) / SPLIT_WHOLE;      /* count <= 2^32: no overflow */
        if (x->first[i + 1] == x->first[i])
            return nn_fail(err, NN_EINVAL, "split: %s would be empty: the dataset has only %ju samples", dg_split_name(i), (uintmax_t)x->set.count);
    }
    return NN_OK;
}

/* ---- voc: also what mmsegmentation and CVAT read ------------------------------------------------------------------------ */

static nn_status voc_begin(dg_export_job *x, nn_err *err)
{
    static const char *const folder[] = { "JPEGImages", "SegmentationClass", "ImageSets/Segmentation" };
    dg_class in_voc[NN_VOID];
    nn_bytes map = { 0 };
    for (int i = 0; i < x->set.class_count; i++) {
        in_voc[i] = x->set.class_at[i];
        dg_voc_colour(i, in_voc[i].rgb);
    }
    nn_status s = dg_labelmap_write(in_voc, x->set.class_count, &map, err);
    if (!s) s = dg_folder_add(&x->folder, "labelmap.txt", map.data, map.size, err);
    nn_bytes_free(&map);
    for (int i = 0; i < 3 && !s; i++) s = dg_folder_make(&x->folder, folder[i], err);
    return s;
}

static void list_name(char out[48], int split) { nn_format(out, 48, "ImageSets/Segmentation/%s.txt", dg_split_name(split)); }

static nn_status voc_open(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    list_name(name, split);
    const nn_status s = dg_folder_open(&x->folder, &x->list, name, err);
    x->list_open = !s;
    return s;
}

static nn_status voc_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    (void)split;
    char name[64];
    nn_palette palette = { .count = 256 };
    nn_bytes png = { 0 };
    for (int i = 0; i < 256; i++) dg_voc_colour(i, palette.rgb[i]);
    nn_format(name, sizeof name, "JPEGImages/%s.png", it->key);
    nn_status s = dg_folder_add(&x->folder, name, it->pair->picture_png.data, it->pair->picture_png.size, err);
    if (!s) s = nn_png_encode(&it->pair->label, &palette, &png, err);
    nn_format(name, sizeof name, "SegmentationClass/%s.png", it->key);
    if (!s) s = dg_folder_add(&x->folder, name, png.data, png.size, err);
    nn_bytes_free(&png);
    nn_format(name, sizeof name, "%s\n", it->key);
    return s ? s : nn_stage_add(&x->list, name, strlen(name), err);
}

static nn_status voc_close(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    list_name(name, split);
    x->list_open = false;
    return dg_folder_close(&x->folder, &x->list, name, err);
}

static const dg_export_format export_voc = { "voc", voc_begin, voc_open, voc_sample, voc_close };

/* ---- hf: Hugging Face's imagefolder ------------------------------------------------------------------------------------- */

static nn_status no_begin(dg_export_job *x, nn_err *err) { (void)x; (void)err; return NN_OK; }

static nn_status hf_open(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    nn_format(name, sizeof name, "%s/images", dg_split_name(split));
    nn_status s = dg_folder_make(&x->folder, name, err);
    nn_format(name, sizeof name, "%s/labels", dg_split_name(split));
    if (!s) s = dg_folder_make(&x->folder, name, err);
    nn_format(name, sizeof name, "%s/metadata.jsonl", dg_split_name(split));
    if (!s) s = dg_folder_open(&x->folder, &x->list, name, err);
    x->list_open = !s;
    return s;
}

/* The manifest's lines are imagefolder's: file_name is the picture, mask_file_name becomes the picture column `mask`. */
static nn_status hf_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    char name[64];
    nn_format(name, sizeof name, "%s/images/%s.png", dg_split_name(split), it->key);
    nn_status s = dg_folder_add(&x->folder, name, it->pair->picture_png.data, it->pair->picture_png.size, err);
    nn_format(name, sizeof name, "%s/labels/%s.png", dg_split_name(split), it->key);
    if (!s) s = dg_folder_add(&x->folder, name, it->pair->label_png.data, it->pair->label_png.size, err);
    return s ? s : nn_stage_add(&x->list, it->line, it->size, err);
}

static nn_status hf_close(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    nn_format(name, sizeof name, "%s/metadata.jsonl", dg_split_name(split));
    x->list_open = false;
    return dg_folder_close(&x->folder, &x->list, name, err);
}

static const dg_export_format export_hf = { "hf", no_begin, hf_open, hf_sample, hf_close };

/* ---- the run ------------------------------------------------------------------------------------------------------------ */

static const dg_export_format *find_format(const char *name, nn_err *err)
{
    const dg_export_format *const all[] = { &export_voc, &dg_export_coco, &export_hf, &dg_export_webdataset, &dg_export_yolo,
                                            &dg_export_labelme, &dg_export_npz };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) if (!strcmp(all[i]->name, name)) return all[i];
    nn_fail(err, NN_EINVAL, "export: there is no format '%.40s'", name);
    return NULL;
}

static json_t *describe(const dg_export_job *x, nn_err *err)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < x->o->split.count; i++) ok = json_array_append_new(list, json_integer((json_int_t)(x->first[i + 1] - x->first[i]))) == 0 && ok;
    json_t *v = json_pack("{s:s, s:i, s:s, s:s, s:I, s:o}", "kind", KIND, "format", 1, "layout", x->format->name, "dataset", x->set.manifest_sha256,
                          "samples", (json_int_t)x->set.count, "splits", list);
    /* Only where they were asked for. */
    ok = v && ok;
    if (ok && x->o->parts) ok = json_object_set_new(v, "parts", json_true()) == 0;
    if (ok && x->o->polygons) ok = json_object_set_new(v, "polygons", json_true()) == 0;
    if (ok && x->drop) ok = json_object_set_new(v, "filter", json_pack("{s:f, s:s, s:s?}", "drop", x->o->drop, "score", x->o->score ? x->o->score : "top10",
                                                                       "min_pixels", x->o->min_pixels)) == 0;
    if (ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "%s: not enough memory", RECORD);
    return NULL;
}

/* Leave out what a filter would; walks pass over it from here on. */
static nn_status filter_set(dg_export_job *x, nn_err *err)
{
    const dg_filter_options f = { .drop = x->o->drop, .score = x->o->score, .min_pixels = x->o->min_pixels };
    dg_filter_result r;
    if (x->o->drop == 0.0 && !x->o->min_pixels) return NN_OK;
    const nn_status s = dg_filter_choose(&x->set, &f, &x->drop, &r, err);
    if (s) return s;
    x->set.skip = x->drop;
    x->set.count = r.kept;
    return NN_OK;
}

static nn_status write_sample(dg_export_job *x, int split, const dg_walk *w, uint64_t number, nn_err *err)
{
    dg_pair pair;
    nn_status s = dg_pair_read(&pair, &x->set, &w->sample, err);
    if (s) return s;
    dg_export_item it = { &w->sample, &pair, w->line, w->size, number, "" };
    nn_format(it.key, sizeof it.key, "%010u", (unsigned)w->sample.seed);
    s = x->format->sample(x, split, &it, err);
    dg_pair_free(&pair);
    return s;
}

static nn_status write_all(dg_export_job *x, const dg_progress *p, nn_err *err)
{
    dg_walk w;
    nn_status s = dg_set_add_classes(&x->set, &x->folder, err);
    if (!s) s = x->format->begin(x, err);
    if (!s) s = dg_walk_open(&w, &x->set, err);
    if (s) return s;
    uint64_t number = 0;
    for (int i = 0; i < x->o->split.count && !s; i++) {
        s = x->format->open(x, i, err);
        while (number < x->first[i + 1] && dg_walk_next(&w, &s, err)) {
            s = write_sample(x, i, &w, number++, err);
            if (!s && p && p->report && !p->report(p->user, "sample", (double)number, (double)x->set.count, 0.0))
                s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %ju of %ju samples", x->o->out, (uintmax_t)number, (uintmax_t)x->set.count);
        }
        if (!s && number < x->first[i + 1]) s = nn_fail(err, NN_EIO, "%s: changed while it was read", x->set.manifest);
        if (!s) s = x->format->close(x, i, err);
    }
    dg_walk_close(&w);
    return s;
}

nn_status dg_export(const dg_export_options *o, const dg_progress *p, dg_export_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    *r = (dg_export_result){ 0 };
    dg_export_job x = { .o = o, .format = find_format(o->format, err) };
    nn_status s = x.format ? dg_set_open(&x.set, o->dataset, err) : NN_EINVAL;
    const uint64_t listed = x.set.count;
    if (!s && (o->parts || o->polygons) && x.format != &dg_export_coco) s = nn_fail(err, NN_EINVAL, "parts and polygons: expected with format coco, found %s", o->format);
    if (!s) s = filter_set(&x, err);
    if (!s) s = cut_splits(&x, err);
    json_t *record = s ? NULL : describe(&x, err);
    if (!s) s = record ? dg_folder_begin(&x.folder, &kind, o->out, record, o->replace, err) : NN_ENOMEM;
    if (!s && !x.folder.done) s = write_all(&x, p, err);
    if (x.list_open) nn_stage_abort(&x.list);
    if (x.shard_open) nn_stage_abort(&x.shard);
    s = dg_folder_end(&x.folder, s, err);
    *r = (dg_export_result){ .samples = x.set.count, .of = listed, .already = x.folder.done, .unfinished = !x.set.finished };
    json_decref(record);
    dg_npz_abort(x.npz);
    nn_free(x.drop);
    nn_free(x.mask);
    dg_rle_free(&x.rle);
    dg_outline_free(&x.outline);
    dg_set_close(&x.set);
    return s;
}
