/* export_yolo.c: YOLO's segmentation format: a text file a picture, one polygon a part. */
#include "datasetgan/export.h"

#include <string.h>

/* "names:" with one class a line.  A JSON string is a YAML string. */
static nn_status add_names(const dg_export_job *x, nn_stage *to, nn_err *err)
{
    nn_status s = nn_stage_add(to, "names:\n", 7, err);
    for (int c = 1; c < x->set.class_count && !s; c++) {
        char line[DG_NAME * 6 + 32];
        json_t *name = json_string(x->set.class_at[c].name);
        char *text = name ? nn_json_line(name, err) : NULL;
        if (!text) s = nn_fail(err, NN_ENOMEM, "data.yaml: not enough memory");
        else nn_format(line, sizeof line, "  %d: %s\n", c - 1, text);
        if (!s) s = nn_stage_add(to, line, strlen(line), err);
        nn_free(text);
        json_decref(name);
    }
    return s;
}

/* Without `path`, the folders are relative to the file.  Ultralytics wants a val: without a split it is train. */
static nn_status yolo_begin(dg_export_job *x, nn_err *err)
{
    nn_status s = dg_outline_make(&x->outline, x->set.width, x->set.height, err);
    if (!s) s = dg_folder_open(&x->folder, &x->list, "data.yaml", err);
    x->list_open = !s;
    for (int i = 0; i < (x->o->split.count > 2 ? 3 : 2) && !s; i++) {
        char line[48];
        nn_format(line, sizeof line, "%s: images/%s\n", dg_split_name(i), dg_split_name(i < x->o->split.count ? i : 0));
        s = nn_stage_add(&x->list, line, strlen(line), err);
    }
    if (!s) s = add_names(x, &x->list, err);
    if (s) return s;
    x->list_open = false;
    return dg_folder_close(&x->folder, &x->list, "data.yaml", err);
}

static nn_status yolo_open(dg_export_job *x, int split, nn_err *err)
{
    char name[48];
    nn_format(name, sizeof name, "images/%s", dg_split_name(split));
    const nn_status s = dg_folder_make(&x->folder, name, err);
    nn_format(name, sizeof name, "labels/%s", dg_split_name(split));
    return s ? s : dg_folder_make(&x->folder, name, err);
}

/* The middle of a pixel as a part of the size: cut back to whole pixels, it is that pixel again. */
static nn_status add_part(const dg_export_job *x, nn_stage *to, int id, nn_err *err)
{
    enum { POINT = 24 };
    const dg_outline *o = &x->outline;
    const size_t room = 8 + o->count * POINT;
    char *line = nn_alloc(room, "a polygon", err);
    if (!line) return NN_ENOMEM;
    nn_format(line, room, "%d", id - 1);
    size_t size = strlen(line);
    for (size_t i = 0; i < o->count; i++) {
        nn_format(line + size, room - size, " %.7f %.7f", (o->path[i].x + 0.5) / (double)o->width, (o->path[i].y + 0.5) / (double)o->height);
        size += strlen(line + size);
    }
    line[size++] = '\n';
    const nn_status s = nn_stage_add(to, line, size, err);
    nn_free(line);
    return s;
}

static nn_status yolo_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    char name[64];
    nn_format(name, sizeof name, "images/%s/%s.png", dg_split_name(split), it->key);
    nn_status s = dg_folder_add(&x->folder, name, it->pair->picture_png.data, it->pair->picture_png.size, err);
    nn_format(name, sizeof name, "labels/%s/%s.txt", dg_split_name(split), it->key);
    if (!s) s = dg_folder_open(&x->folder, &x->list, name, err);
    x->list_open = !s;
    for (int c = 1; c < x->set.class_count && !s; c++) {
        if (it->sample->pixels[c] == 0) continue;
        dg_outline_find(&x->outline, it->pair->label.pixels, (uint8_t)c);
        for (int p = 1; p <= x->outline.parts && !s; p++) {
            s = dg_outline_trace(&x->outline, p, err);
            if (!s) s = add_part(x, &x->list, c, err);
        }
    }
    if (s) return s;
    x->list_open = false;
    return dg_folder_close(&x->folder, &x->list, name, err);
}

static nn_status yolo_close(dg_export_job *x, int split, nn_err *err) { (void)x; (void)split; (void)err; return NN_OK; }

const dg_export_format dg_export_yolo = { "yolo-seg", yolo_begin, yolo_open, yolo_sample, yolo_close };
