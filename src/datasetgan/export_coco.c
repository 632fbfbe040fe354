/* export_coco.c: COCO JSON, one annotation a class and picture or one a connected part: compressed masks or polygons. */
#include "datasetgan/export.h"

#include <string.h>

static void json_name(char out[48], int split) { nn_format(out, 48, "annotations/instances_%s.json", dg_split_name(split)); }

static nn_status coco_begin(dg_export_job *x, nn_err *err)
{
    nn_status s = dg_rle_make(&x->rle, x->set.width, x->set.height, err);
    if (!s && (x->o->parts || x->o->polygons)) s = dg_outline_make(&x->outline, x->set.width, x->set.height, err);
    if (!s && (x->mask = nn_alloc((size_t)(x->set.width * x->set.height), "a mask", err)) == NULL) s = NN_ENOMEM;
    return s ? s : dg_folder_make(&x->folder, "annotations", err);
}

/* Pictures are numbered from 1 over all splits.  The list of a split comes from a reading of the manifest of its own, so that
 * memory does not grow with it. */
static nn_status add_images(dg_export_job *x, int split, nn_err *err)
{
    dg_walk w;
    nn_status s = dg_walk_open(&w, &x->set, err);
    if (s) return s;
    for (uint64_t i = 0; i < x->first[split + 1] && dg_walk_next(&w, &s, err); i++) {
        char file[32];
        if (i < x->first[split]) continue;
        nn_format(file, sizeof file, "%010u.png", (unsigned)w.sample.seed);
        s = dg_export_value(&x->list, i == x->first[split], json_pack("{s:I, s:s, s:I, s:I, s:I, s:f}", "id", (json_int_t)i + 1, "file_name", file,
                      "width", (json_int_t)x->set.width, "height", (json_int_t)x->set.height, "seed", (json_int_t)w.sample.seed,
                      "uncertainty", w.sample.uncertainty), err);
    }
    dg_walk_close(&w);
    return s;
}

static nn_status coco_open(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    nn_status s = dg_folder_make(&x->folder, dg_split_name(split), err);
    json_name(name, split);
    if (!s) s = dg_folder_open(&x->folder, &x->list, name, err);
    x->list_open = !s;
    if (!s) s = dg_export_text(&x->list, "{\"info\":{\"description\":\"drawn and labelled by datasetgan\"},\"licenses\":[],\"categories\":[", err);
    for (int c = 1; c < x->set.class_count && !s; c++)          /* class 0 is what the masks leave */
        s = dg_export_value(&x->list, c == 1, json_pack("{s:i, s:s, s:s}", "id", c, "name", x->set.class_at[c].name, "supercategory", "thing"), err);
    if (!s) s = dg_export_text(&x->list, "],\"images\":[", err);
    if (!s) s = add_images(x, split, err);
    return s ? s : dg_export_text(&x->list, "],\"annotations\":[", err);
}

/* The outline's parts `from` to `to` as polygons along the edges of their pixels, which pycocotools fills exactly. */
static json_t *make_polygons(dg_export_job *x, int from, int to, nn_err *err)
{
    json_t *list = json_array();
    for (int p = from; p <= to && list; p++) {
        json_t *xy = json_array();
        bool ok = xy && dg_outline_edges(&x->outline, p, err) == NN_OK;
        for (size_t i = 0; i < x->outline.count && ok; i++)
            ok = json_array_append_new(xy, json_integer(x->outline.path[i].x)) == 0 && json_array_append_new(xy, json_integer(x->outline.path[i].y)) == 0;
        if (ok) ok = json_array_append(list, xy) == 0;
        json_decref(xy);
        if (ok) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

static json_t *make_rle(dg_export_job *x)
{
    dg_rle_write(&x->rle);
    return json_pack("{s:[I,I], s:s}", "size", (json_int_t)x->set.height, (json_int_t)x->set.width, "counts", x->rle.text);
}

/* The mask of class id in label; its polygons are parts from..to. */
static nn_status add_annotation(dg_export_job *x, const dg_export_item *it, const uint8_t *label, uint8_t of, int id, int from, int to, nn_err *err)
{
    nn_dim box[4];
    uint64_t area;
    dg_rle_of_label(&x->rle, label, of);
    dg_rle_measure(&x->rle, box, &area);
    json_t *shape = x->o->polygons ? make_polygons(x, from, to, err) : make_rle(x);
    const bool first = !x->list_used;
    x->list_used = true;
    return dg_export_value(&x->list, first, json_pack("{s:I, s:I, s:i, s:o, s:I, s:[I,I,I,I], s:i}", "id", (json_int_t)++x->annotations,
                     "image_id", (json_int_t)it->number + 1, "category_id", id, "segmentation", shape, "area", (json_int_t)area, "bbox",
                     (json_int_t)box[0], (json_int_t)box[1], (json_int_t)box[2], (json_int_t)box[3], "iscrowd", 0), err);
}

static nn_status add_class(dg_export_job *x, const dg_export_item *it, int id, nn_err *err)
{
    const uint8_t *label = it->pair->label.pixels;
    const dg_outline *o = &x->outline;
    nn_status s = NN_OK;
    if (x->o->parts || x->o->polygons) dg_outline_find(&x->outline, label, (uint8_t)id);
    if (!x->o->parts) return add_annotation(x, it, label, (uint8_t)id, id, 1, o->parts, err);
    for (int p = 1; p <= o->parts && !s; p++) {
        dg_outline_mask(o, p, x->mask);
        s = add_annotation(x, it, x->mask, 1, id, p, p, err);
    }
    return s;
}

static nn_status coco_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    char name[64];
    bool present[256] = { false };
    nn_format(name, sizeof name, "%s/%s.png", dg_split_name(split), it->key);
    nn_status s = dg_folder_add(&x->folder, name, it->pair->picture_png.data, it->pair->picture_png.size, err);
    for (nn_dim i = 0; i < x->set.width * x->set.height; i++) present[it->pair->label.pixels[i]] = true;
    for (int c = 1; c < x->set.class_count && !s; c++)
        if (present[c]) s = add_class(x, it, c, err);
    return s;
}

static nn_status coco_close(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    json_name(name, split);
    nn_status s = dg_export_text(&x->list, "]}\n", err);
    x->list_open = x->list_used = false;
    if (s) nn_stage_abort(&x->list);
    return s ? s : dg_folder_close(&x->folder, &x->list, name, err);
}

const dg_export_format dg_export_coco = { "coco", coco_begin, coco_open, coco_sample, coco_close };
