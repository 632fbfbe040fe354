/* import_join.c: several classes of a task as one: what --merge does to an imported set. */
#include <string.h>

#include "datasetgan/fields.h"
#include "datasetgan/import.h"

enum { MERGE_BYTES_MAX = 1 << 20 };

/* The old classes of one new one get its id; each may be taken once. */
static nn_status take_members(const dg_import *x, const dg_reader *r, const char *name, const json_t *list, uint8_t id, bool taken[NN_VOID], dg_join *m)
{
    if (!json_is_array(list) || !json_array_size(list)) return dg_refuse(r, name, "a list of classes of the task", list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const int old = json_is_string(v) ? dg_import_class(x, json_string_value(v)) : -1;
        if (old < 0) return dg_refuse(r, name, "classes of the task", v);
        if (taken[old]) return nn_fail(r->err, NN_EFORMAT, "%s: %s: class \"%s\" is named twice", r->path, name, x->task.class_at[old].name);
        taken[old] = true;
        m->map[old] = id;
        if (id != NN_VOID && i == 0) memcpy(m->class_at[id].rgb, x->task.class_at[old].rgb, 3);
    }
    return NN_OK;
}

nn_status dg_join_read(const dg_import *x, const char *path, dg_join *m, nn_err *err)
{
    const dg_reader r = { path, err };
    bool taken[NN_VOID] = { false };
    json_t *v = nn_json_read(path, MERGE_BYTES_MAX, err), *list;
    const char *name;
    nn_status s = !v ? err->status : json_is_object(v) ? NN_OK : dg_refuse(&r, "top level", "{ \"NEW\": [\"OLD\", ...], ... }", v);
    m->class_count = 0;
    if (!s) json_object_foreach(v, name, list) {
        const bool ignored = !strcmp(name, "__ignore__");
        json_t *text = json_string(name);
        if (!s && m->class_count == NN_VOID) s = nn_fail(err, NN_EFORMAT, "%s: expected at most %d classes", path, NN_VOID);
        if (!s && !ignored) s = dg_get_text(&r, "a name", text, m->class_at[m->class_count].name, DG_NAME);
        if (!s) s = take_members(x, &r, name, list, ignored ? NN_VOID : (uint8_t)m->class_count, taken, m);
        m->class_count += !ignored;
        json_decref(text);
    }
    for (int c = 0; c < x->task.class_count && !s; c++)
        if (!taken[c]) s = nn_fail(err, NN_EFORMAT, "%s: class \"%s\" of the task is in no list; \"__ignore__\" takes what is to be void", path, x->task.class_at[c].name);
    if (!s && m->class_count < 2) s = nn_fail(err, NN_EFORMAT, "%s: expected 2 classes or more, found %d", path, m->class_count);
    json_decref(v);
    return s;
}

/* A view by the new ids; NULL: the merge joins what it keeps apart. */
static json_t *merged_view(const dg_join *m, const json_t *view, int old_count, bool *ok)
{
    int to[NN_VOID];
    const json_t *map = json_object_get(view, "map");
    json_t *list = json_array();
    for (int c = 0; c < m->class_count; c++) to[c] = -1;
    for (int c = 0; c < old_count; c++) {
        if (m->map[c] == NN_VOID) continue;
        const int id = (int)json_integer_value(json_array_get(map, (size_t)c));
        int *at = &to[m->map[c]];
        if (*at >= 0 && *at != id) { json_decref(list); return NULL; }
        *at = id;
    }
    for (int c = 0; c < m->class_count; c++) *ok = json_array_append_new(list, json_integer(to[c])) == 0 && *ok;
    json_t *v = nn_json_copy(view);
    *ok = json_object_set_new(v, "map", list) == 0 && *ok;
    return v;
}

nn_status dg_join_task(const dg_join *m, json_t *task, int old_count, nn_err *err)
{
    json_t *views = json_object_get(task, "views"), *kept = json_object(), *view;
    const char *name;
    bool ok = kept != NULL;
    if (ok && json_is_object(views)) json_object_foreach(views, name, view) {
        json_t *v = merged_view(m, view, old_count, &ok);
        if (v) ok = json_object_set_new(kept, name, v) == 0 && ok;
    }
    ok = ok && (!views || json_object_set(task, "views", kept) == 0) && json_object_set_new(task, "classes", dg_put_classes(m->class_at, m->class_count)) == 0;
    json_decref(kept);
    return ok ? NN_OK : nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
}

void dg_join_label(const dg_join *m, nn_image *label)
{
    for (nn_dim p = 0; p < label->width * label->height; p++)
        if (label->pixels[p] != NN_VOID) label->pixels[p] = m->map[label->pixels[p]];
}
