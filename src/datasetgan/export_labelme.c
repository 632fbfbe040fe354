/* export_labelme.c: LabelMe's JSON beside each picture, so that a person can correct it, and a task.json to import it by: a polygon a part, painted
 * from the outside in.
 *
 * labelme paints later shapes over earlier ones.  So a part needs no holes: what lies in them comes after it, because its first
 * pixel does.  Background that reaches the picture's border is what nothing covers.  The shapes are painted here as labelme would;
 * pixels that come out wrong (classes that cross by corners) follow as one mask a class. */
#include "datasetgan/export.h"

#include <string.h>

#include "datasetgan/classes.h"
#include "datasetgan/fields.h"

static nn_status labelme_begin(dg_export_job *x, nn_err *err)
{
    nn_bytes text = { 0 };
    nn_status s = dg_outline_make(&x->outline, x->set.width, x->set.height, err);
    if (!s && (x->mask = nn_alloc((size_t)(x->set.width * x->set.height), "what the shapes paint", err)) == NULL) s = NN_ENOMEM;
    if (!s) s = dg_labels_txt_write(x->set.class_at, x->set.class_count, &text, err);
    if (!s) s = dg_folder_add(&x->folder, "labels.txt", text.data, text.size, err);
    nn_bytes_free(&text);
    return s;
}

/* ---- task.json: the pictures as a set without labels, into which import takes the corrected shapes -------------------------------- */

/* How every picture was drawn; NULL: each in its own way, or from no seed of its own, which a set cannot say. */
static json_t *common_draw(const json_t *run)
{
    const json_t *settings = json_object_get(run, "settings"), *vary = json_object_get(settings, "vary");
    const bool plain = !json_is_number(json_object_get(vary, "psi_to")) && json_number_value(json_object_get(vary, "mix")) == 0.0
                       && json_number_value(json_object_get(vary, "augment")) == 0.0 && !json_object_get(vary, "z_stream");
    return plain ? json_object_get(settings, "draw") : NULL;
}

/* All but the items, which follow sample by sample. */
static nn_status begin_task(dg_export_job *x, nn_err *err)
{
    const json_t *run = x->set.run, *view;
    while ((view = json_object_get(run, "run")) != NULL) run = view;                   /* a view holds the record of what it is a view of */
    json_t *draw = common_draw(run), *sha256 = json_object_get(run, "generator");
    if (!draw || !json_is_string(sha256)) return NN_OK;
    json_t *generator = json_pack("{s:O}", "sha256", sha256);
    const bool ok = generator && json_object_update(generator, draw) == 0;
    json_t *head = ok ? json_pack("{s:s, s:O, s:o}", "name", "exported", "generator", generator, "classes", dg_put_classes(x->set.class_at, x->set.class_count)) : NULL;
    char *line = head ? nn_json_line(head, err) : NULL;
    nn_status s = line ? dg_folder_open(&x->folder, &x->list, "task.json", err) : nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    x->list_open = !s;
    /* analyze: nn_fail returns the status it is given, so line is there when s is 0 */
    if (!s) s = nn_stage_add(&x->list, line, strlen(line) - 1, err);
    if (!s) s = dg_export_text(&x->list, ",\"items\":[", err);
    nn_free(line);
    json_decref(head);
    json_decref(generator);
    return s;
}

static nn_status add_item(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    char image[40], label[40];
    nn_format(image, sizeof image, "%s/%s.png", dg_split_name(split), it->key);
    nn_format(label, sizeof label, "labels/%s.png", it->key);
    return dg_export_value(&x->list, it->number == 0, json_pack("{s:s, s:s, s:I, s:s}", "image", image, "label", label, "seed", (json_int_t)it->sample->seed,
                           "split", dg_split_name(split)), err);
}

static nn_status labelme_open(dg_export_job *x, int split, nn_err *err)
{
    const nn_status s = dg_folder_make(&x->folder, dg_split_name(split), err);
    return s || split ? s : begin_task(x, err);
}

static const char *name_of(const dg_export_job *x, int id) { return id ? x->set.class_at[id].name : "_background_"; }

/* points and mask are taken over. */
static bool add_shape(json_t *shapes, const char *label, const char *type, json_t *points, json_t *mask)
{
    return json_array_append_new(shapes, json_pack("{s:s, s:o, s:n, s:s, s:s, s:{}, s:o}", "label", label, "points", points, "group_id", "description", "",
                                                   "shape_type", type, "flags", "mask", mask)) == 0;
}

static json_t *path_points(const dg_outline *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->count && list; i++)
        if (json_array_append_new(list, json_pack("[i,i]", o->path[i].x, o->path[i].y))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static bool at_border(const dg_outline *o, int part)
{
    const nn_dim row = o->width + 2;
    for (nn_dim x = 1; x <= o->width; x++) if (o->part[row + x] == part || o->part[o->height * row + x] == part) return true;
    for (nn_dim y = 1; y <= o->height; y++) if (o->part[y * row + 1] == part || o->part[y * row + o->width] == part) return true;
    return false;
}

static nn_status add_parts(dg_export_job *x, const uint8_t *label, json_t *shapes, nn_err *err)
{
    dg_outline *o = &x->outline;
    const dg_canvas canvas = { x->mask, x->set.width, x->set.height };
    nn_status s = NN_OK;
    memset(x->mask, 0, (size_t)(x->set.width * x->set.height));
    dg_outline_find_all(o, label);
    for (int p = 1; p <= o->parts && !s; p++) {
        const uint8_t id = label[dg_outline_first(o, p)];
        if (id == 0 && at_border(o, p)) continue;
        s = dg_outline_border(o, p, err);
        if (!s) s = dg_raster_polygon(&canvas, o->path, o->count, id, err);
        if (!s && !add_shape(shapes, name_of(x, id), "polygon", path_points(o), json_null())) s = nn_fail(err, NN_ENOMEM, "shapes: not enough memory");
    }
    return s;
}

/* ---- what polygons leave wrong ------------------------------------------------------------------------------------------------ */

/* RFC 4648. */
static char *write_base64(const nn_bytes *b, nn_err *err)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = nn_alloc((b->size + 2) / 3 * 4 + 1, "a mask", err), *to = text;
    for (size_t i = 0; i < b->size && text; i += 3) {
        const size_t n = b->size - i < 3 ? b->size - i : 3;
        const uint32_t v = (uint32_t)b->data[i] << 16 | (n > 1 ? (uint32_t)b->data[i + 1] << 8 : 0) | (n > 2 ? b->data[i + 2] : 0);
        *to++ = digit[v >> 18];
        *to++ = digit[v >> 12 & 63];
        *to++ = n > 1 ? digit[v >> 6 & 63] : '=';
        *to++ = n > 2 ? digit[v & 63] : '=';
    }
    return text;
}

/* The box of the wrong pixels of class id; false: there are none. */
static bool has_wrong(const dg_export_job *x, const uint8_t *label, uint8_t id, int box[4])
{
    box[0] = (int)x->set.width, box[1] = (int)x->set.height, box[2] = box[3] = -1;
    for (int y = 0; y < x->set.height; y++)
        for (int c = 0; c < x->set.width; c++) {
            const nn_dim i = y * x->set.width + c;
            if (label[i] != id || x->mask[i] == id) continue;
            box[0] = c < box[0] ? c : box[0];
            box[1] = y < box[1] ? y : box[1];
            box[2] = c > box[2] ? c : box[2];
            box[3] = y > box[3] ? y : box[3];
        }
    return box[2] >= 0;
}

static nn_status add_mask(dg_export_job *x, const uint8_t *label, uint8_t id, const int box[4], json_t *shapes, nn_err *err)
{
    nn_image im = { 0 };
    nn_bytes png = { 0 };
    char *text = NULL;
    nn_status s = nn_image_make(&im, box[2] - box[0] + 1, box[3] - box[1] + 1, 1, err);
    for (nn_dim i = 0; !s && i < im.width * im.height; i++) {
        const nn_dim p = (box[1] + i / im.width) * x->set.width + box[0] + i % im.width;
        im.pixels[i] = label[p] == id && x->mask[p] != id ? 255 : 0;
    }
    if (!s) s = nn_png_encode(&im, NULL, &png, err);
    if (!s && (text = write_base64(&png, err)) == NULL) s = NN_ENOMEM;
    if (!s && !add_shape(shapes, name_of(x, id), "mask", json_pack("[[i,i],[i,i]]", box[0], box[1], box[2], box[3]), json_string(text)))
        s = nn_fail(err, NN_ENOMEM, "shapes: not enough memory");
    nn_free(text);
    nn_bytes_free(&png);
    nn_image_free(&im);
    return s;
}

/* ---- a sample -------------------------------------------------------------------------------------------------------------------- */

static nn_status labelme_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    char name[64], picture[24];
    const uint8_t *label = it->pair->label.pixels;
    json_t *shapes = json_array();
    nn_format(name, sizeof name, "%s/%s.png", dg_split_name(split), it->key);
    nn_format(picture, sizeof picture, "%s.png", it->key);
    nn_status s = shapes ? dg_folder_add(&x->folder, name, it->pair->picture_png.data, it->pair->picture_png.size, err) : nn_fail(err, NN_ENOMEM, "shapes: not enough memory");
    if (!s) s = add_parts(x, label, shapes, err);
    for (int c = 0; c < x->set.class_count && !s; c++) {
        int box[4];
        if (has_wrong(x, label, (uint8_t)c, box)) s = add_mask(x, label, (uint8_t)c, box, shapes, err);
    }
    json_t *v = s ? NULL : json_pack("{s:s, s:{}, s:O, s:s, s:n, s:I, s:I}", "version", "6.3.1", "flags", "shapes", shapes, "imagePath", picture, "imageData",
                                     "imageHeight", (json_int_t)x->set.height, "imageWidth", (json_int_t)x->set.width);
    nn_format(name, sizeof name, "%s/%s.json", dg_split_name(split), it->key);
    if (!s) s = v ? dg_folder_add_json(&x->folder, name, v, err) : nn_fail(err, NN_ENOMEM, "%s: not enough memory", name);
    json_decref(v);
    json_decref(shapes);
    return s || !x->list_open ? s : add_item(x, split, it, err);
}

static nn_status labelme_close(dg_export_job *x, int split, nn_err *err)
{
    if (!x->list_open || split + 1 < x->o->split.count) return NN_OK;
    const nn_status s = dg_export_text(&x->list, "\n]}\n", err);
    if (s) return s;
    x->list_open = false;
    return dg_folder_close(&x->folder, &x->list, "task.json", err);
}

const dg_export_format dg_export_labelme = { "labelme", labelme_begin, labelme_open, labelme_sample, labelme_close };
