/* import_coco.c: COCO's JSON: polygons, run lengths as text or list; painted in the file's order, pixels as pycocotools'. */
#include "datasetgan/import.h"

#include <math.h>
#include <string.h>

#include "datasetgan/fields.h"
#include "datasetgan/raster.h"
#include "datasetgan/rle.h"

enum { JSON_BYTES_MAX = 1 << 30, CORNERS_MAX = 1000000 };

/* ---- what belongs to which picture --------------------------------------------------------------------------------------- */

/* A table of the file ("images", "categories") by id: { "7": index }.  NULL: a failure, or a problem that was counted. */
static json_t *by_id(dg_import *x, const char *table, nn_err *err)
{
    nn_err e = { 0 };
    const dg_reader r = { x->o->in, &e };
    json_t *list = json_object_get(x->json, table), *out = json_object(), *one;
    size_t n;
    if (!json_is_array(list)) dg_refuse(&r, table, "a list", list);
    json_array_foreach(list, n, one) {
        char key[32], place[64];
        int64_t id;
        nn_format(place, sizeof place, "%s[%zu].id", table, n);
        if (e.status || dg_get_whole(&r, place, json_object_get(one, "id"), INT64_MIN, INT64_MAX, &id)) break;
        nn_format(key, sizeof key, "%lld", (long long)id);
        if (json_object_get(out, key)) nn_fail(&e, NN_EFORMAT, "%s: %s: id %s is used twice", r.path, place, key);
        else if (json_object_set_new(out, key, json_integer((json_int_t)n))) nn_fail(&e, NN_ENOMEM, "%s: not enough memory", r.path);
    }
    if (!e.status) return out;
    json_decref(out);
    dg_import_problem(x, &e, err);
    return NULL;
}

static const json_t *look_up(const dg_reader *r, const json_t *table, const json_t *map, const json_t *one, size_t n, const char *key)
{
    char place[64], text[32];
    int64_t id;
    nn_format(place, sizeof place, "annotations[%zu].%s", n, key);
    if (dg_get_whole(r, place, json_object_get(one, key), INT64_MIN, INT64_MAX, &id)) return NULL;
    nn_format(text, sizeof text, "%lld", (long long)id);
    const json_t *index = json_object_get(map, text);
    if (!index) dg_refuse(r, place, "an id that the file lists", json_object_get(one, key));
    return index ? json_array_get(table, (size_t)json_integer_value(index)) : NULL;
}

/* Each picture of the file to the item of its name: { "image", "list": [ { "n", "class", "segmentation" } ] }. */
static nn_status give_images(dg_import *x, nn_err *err)
{
    json_t *one;
    size_t n;
    json_array_foreach(json_object_get(x->json, "images"), n, one) {
        nn_err e = { 0 };
        const dg_reader r = { x->o->in, &e };
        char place[64], stem[256], file[DG_PATH];
        nn_format(place, sizeof place, "images[%zu].file_name", n);
        nn_dim i = -1;
        if (!dg_get_text(&r, place, json_object_get(one, "file_name"), file, sizeof file) && !dg_import_stem(stem, file, &e)
            && (i = dg_import_find(x, stem)) < 0) dg_refuse(&r, place, "the name of a picture of the task", json_object_get(one, "file_name"));
        if (!e.status && x->item[i].coco) nn_fail(&e, NN_EFORMAT, "%s: %s: a second picture called '%s'", r.path, place, stem);
        if (!e.status && !(x->item[i].coco = json_pack("{s:O, s:[]}", "image", one, "list"))) nn_fail(&e, NN_ENOMEM, "%s: not enough memory", r.path);
        if (e.status && dg_import_problem(x, &e, err)) return err->status;
    }
    return NN_OK;
}

static nn_status give_annotation(dg_import *x, const json_t *image_of, const json_t *category_of, json_t *one, size_t n, nn_err *err)
{
    nn_err e = { 0 };
    const dg_reader r = { x->o->in, &e };
    const json_t *image = look_up(&r, json_object_get(x->json, "images"), image_of, one, n, "image_id");
    const json_t *category = image ? look_up(&r, json_object_get(x->json, "categories"), category_of, one, n, "category_id") : NULL;
    if (!category) return dg_import_problem(x, &e, err);
    const json_t *name = json_object_get(category, "name");
    const int id = json_is_string(name) ? dg_import_label(x, json_string_value(name)) : -1;
    char place[64], stem[256];
    nn_format(place, sizeof place, "annotations[%zu]: its category", n);
    if (id < 0 && dg_refuse(&r, place, "a class of the task", name)) return dg_import_problem(x, &e, err);
    if (!json_is_string(json_object_get(image, "file_name")) || dg_import_stem(stem, json_string_value(json_object_get(image, "file_name")), &e)) return NN_OK;
    const nn_dim i = dg_import_find(x, stem);                  /* else a problem of its picture, counted there */
    if (i >= 0 && x->item[i].coco
        && json_array_append_new(json_object_get(x->item[i].coco, "list"), json_pack("{s:I, s:i, s:O?}", "n", (json_int_t)n, "class", id, "segmentation",
                                 json_object_get(one, "segmentation"))))
        return nn_fail(err, NN_ENOMEM, "%s: not enough memory", x->o->in);
    return NN_OK;
}

static nn_status find_coco(dg_import *x, nn_err *err)
{
    x->json = nn_json_read(x->o->in, JSON_BYTES_MAX, err);
    if (!x->json) return err->status;
    json_t *image_of = by_id(x, "images", err), *category_of = image_of ? by_id(x, "categories", err) : NULL, *one;
    nn_status s = err->status;
    if (!s && category_of) s = give_images(x, err);
    size_t n;
    if (category_of) json_array_foreach(json_object_get(x->json, "annotations"), n, one)
        if (!s) s = give_annotation(x, image_of, category_of, one, n, err);
    json_decref(image_of);
    json_decref(category_of);
    return s;
}

/* ---- one annotation ---------------------------------------------------------------------------------------------------------- */

typedef struct { const dg_canvas *c; uint8_t *mask, *scratch; dg_rle rle; const char *place; dg_reader r; } painter;

/* [x, y, x, y, ...]: joined with what the mask holds. */
static nn_status add_polygon(painter *p, const json_t *list)
{
    const size_t n = json_array_size(list) / 2;
    if (!json_is_array(list) || json_array_size(list) % 2 || n < 3 || n > CORNERS_MAX)
        return dg_refuse(&p->r, p->place, "polygons of 3 or more points, [x, y, x, y, ...]", list);
    double *xy = nn_alloc(2 * n * sizeof *xy, "the points of a polygon", p->r.err);
    if (!xy) return NN_ENOMEM;
    nn_status s = NN_OK;
    for (size_t i = 0; i < 2 * n && !s; i++) {
        const json_t *v = json_array_get(list, i);
        xy[i] = json_number_value(v);
        if (!json_is_number(v) || !(fabs(xy[i]) <= DG_COORDINATE_MAX)) s = dg_refuse(&p->r, p->place, "numbers within 1048576 pixels", v);
    }
    if (!s) dg_raster_coco(p->c->width, p->c->height, xy, n, p->mask, p->scratch);
    nn_free(xy);
    return s;
}

static nn_status read_runs(painter *p, const json_t *v)
{
    const json_t *size = json_object_get(v, "size"), *counts = json_object_get(v, "counts");
    const nn_dim w = p->c->width, h = p->c->height;
    if (json_integer_value(json_array_get(size, 0)) != h || json_integer_value(json_array_get(size, 1)) != w)
        return nn_fail(p->r.err, NN_ESHAPE, "%s: %s.size: expected [%td, %td] as the picture", p->r.path, p->place, h, w);
    char where[DG_PATH + 96];
    nn_format(where, sizeof where, "%s: %s", p->r.path, p->place);
    nn_status s = dg_rle_make(&p->rle, w, h, p->r.err);
    if (s) return s;
    if (json_is_string(counts)) s = dg_rle_read(&p->rle, json_string_value(counts), where, p->r.err);
    else if (json_array_size(counts) < 1 || json_array_size(counts) > (size_t)(w * h) + 1) s = dg_refuse(&p->r, p->place, "counts, a text or a list", counts);
    else {
        for (size_t i = 0; i < json_array_size(counts) && !s; i++) {
            int64_t run;
            s = dg_get_whole(&p->r, p->place, json_array_get(counts, i), 0, w * h, &run);
            p->rle.run[p->rle.count++] = (uint32_t)(s ? 0 : run);
        }
        if (!s) s = dg_rle_check(&p->rle, where, p->r.err);
    }
    if (!s) dg_rle_paint(&p->rle, p->mask, 1);
    dg_rle_free(&p->rle);
    return s;
}

static nn_status paint_annotation(const dg_canvas *c, const json_t *a, painter *p)
{
    const json_t *v = json_object_get(a, "segmentation");
    const nn_dim pixels = c->width * c->height;
    const uint8_t id = (uint8_t)json_integer_value(json_object_get(a, "class"));
    memset(p->mask, 0, (size_t)pixels);
    nn_status s = NN_OK;
    if (json_is_object(v)) s = read_runs(p, v);
    else if (!json_is_array(v)) s = dg_refuse(&p->r, p->place, "polygons or run lengths", v);
    for (size_t i = 0; i < json_array_size(v) && !s; i++) s = add_polygon(p, json_array_get(v, i));
    for (nn_dim i = 0; i < pixels && !s; i++) if (p->mask[i]) c->pixels[i] = id;
    return s;
}

static nn_status paint_coco(dg_import *x, nn_dim i, nn_image *im, nn_err *err)
{
    nn_err e = { 0 };
    char place[64];
    const dg_canvas c = { im->pixels, im->width, im->height };
    const size_t pixels = (size_t)(im->width * im->height);
    const json_t *image = json_object_get(x->item[i].coco, "image");
    json_t *one;
    size_t n;
    painter p = { .c = &c, .place = place, .r = { x->o->in, &e } };
    if (json_integer_value(json_object_get(image, "width")) != im->width || json_integer_value(json_object_get(image, "height")) != im->height) {
        nn_fail(&e, NN_ESHAPE, "%s: picture '%s': expected width %td and height %td as the task's", x->o->in, x->item[i].stem, im->width, im->height);
        return dg_import_problem(x, &e, err);
    }
    p.mask = nn_alloc(pixels, "a mask", err);
    p.scratch = p.mask ? nn_alloc(pixels + 1, "a mask", err) : NULL;
    nn_status s = p.scratch ? NN_OK : NN_ENOMEM;
    json_array_foreach(json_object_get(x->item[i].coco, "list"), n, one) {
        nn_format(place, sizeof place, "annotations[%lld].segmentation", (long long)json_integer_value(json_object_get(one, "n")));
        if (!s && paint_annotation(&c, one, &p)) s = dg_import_problem(x, &e, err);
    }
    nn_free(p.mask);
    nn_free(p.scratch);
    return s;
}

const dg_import_source dg_import_coco = { "coco", find_coco, paint_coco };
