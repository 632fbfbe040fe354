/* fields.c: JSON fields, read with the place named in every message, and written back. */
#include <math.h>
#include <string.h>

#include "datasetgan/fields.h"

static const char *kind_of(const json_t *v)
{
    static const char *const name[] = { "an object", "a list", "a string", "a whole number", "a real number", "true", "false", "null" };
    return v ? name[json_typeof(v)] : "nothing";
}

nn_status dg_refuse(const dg_reader *r, const char *place, const char *expected, const json_t *found)
{
    if (json_is_string(found))
        return nn_fail(r->err, NN_EFORMAT, "%s: %s: expected %s, found \"%.64s\"", r->path, place, expected, json_string_value(found));
    if (json_is_number(found))
        return nn_fail(r->err, NN_EFORMAT, "%s: %s: expected %s, found %.17g", r->path, place, expected, json_number_value(found));
    return nn_fail(r->err, NN_EFORMAT, "%s: %s: expected %s, found %s", r->path, place, expected, kind_of(found));
}

nn_status dg_get_text(const dg_reader *r, const char *place, const json_t *v, char *out, size_t size)
{
    char expected[64];
    nn_format(expected, sizeof expected, "a string of 1 to %zu bytes of printable text", size - 1);
    const char *s = json_string_value(v);
    bool ok = s && *s && strlen(s) < size && json_string_length(v) == strlen(s);
    for (const char *p = s; ok && *p; p++) ok = (unsigned char)*p >= 0x20 && *p != 0x7f;
    if (!ok) return dg_refuse(r, place, expected, v);
    nn_format(out, size, "%s", s);
    return NN_OK;
}

nn_status dg_get_path(const dg_reader *r, const char *place, const json_t *v, const char *folder, char out[DG_PATH])
{
    char rel[DG_PATH];
    const nn_status s = dg_get_text(r, place, v, rel, sizeof rel);
    if (s) return s;
    bool inside = rel[0] != '/';
    for (const char *p = rel; inside && p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        inside = !(p[0] == '.' && p[1] == '.' && (p[2] == '/' || !p[2]));
    if (!inside) return dg_refuse(r, place, "a path inside the folder of task.json", v);
    return nn_path_join(out, DG_PATH, folder, rel, r->err);
}

nn_status dg_get_whole(const dg_reader *r, const char *place, const json_t *v, int64_t lo, int64_t hi, int64_t *out)
{
    char expected[64];
    nn_format(expected, sizeof expected, "a whole number %lld..%lld", (long long)lo, (long long)hi);
    if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi) return dg_refuse(r, place, expected, v);
    *out = json_integer_value(v);
    return NN_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static nn_status get_colour(const dg_reader *r, const char *place, const json_t *v, uint8_t rgb[3])
{
    const char *s = json_string_value(v);
    bool ok = s && strlen(s) == 7 && s[0] == '#';
    for (int i = 1; ok && i < 7; i++) ok = hex_digit(s[i]) >= 0;
    if (!ok) return dg_refuse(r, place, "a colour \"#rrggbb\"", v);
    for (int i = 0; i < 3; i++) rgb[i] = (uint8_t)(16 * hex_digit(s[1 + 2 * i]) + hex_digit(s[2 + 2 * i]));
    return NN_OK;
}

nn_status dg_get_classes(const dg_reader *r, const char *place, const json_t *list, dg_class out[NN_VOID], int *count)
{
    const size_t n = json_array_size(list);
    if (!json_is_array(list)) return dg_refuse(r, place, "a list", list);
    if (n < 2 || n > NN_VOID)
        return nn_fail(r->err, NN_EFORMAT, "%s: %s: expected 2 to %d of them, found %zu", r->path, place, NN_VOID, n);
    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(list, i);
        char at[96];
        int64_t id = 0;
        nn_status s;
        nn_format(at, sizeof at, "%s[%zu].id", place, i);
        if ((s = dg_get_whole(r, at, json_object_get(c, "id"), 0, (int64_t)n - 1, &id))) return s;
        dg_class *to = &out[id];
        if (to->name[0]) return nn_fail(r->err, NN_EFORMAT, "%s: %s: id %d is used twice", r->path, at, (int)id);
        nn_format(at, sizeof at, "%s[%zu].name", place, i);
        if ((s = dg_get_text(r, at, json_object_get(c, "name"), to->name, sizeof to->name))) return s;
        for (size_t j = 0; j < n; j++)
            if (&out[j] != to && !strcmp(out[j].name, to->name))
                return nn_fail(r->err, NN_EFORMAT, "%s: %s: name \"%s\" is used twice", r->path, at, to->name);
        nn_format(at, sizeof at, "%s[%zu].color", place, i);
        if ((s = get_colour(r, at, json_object_get(c, "color"), to->rgb))) return s;
    }
    *count = (int)n;
    return NN_OK;
}

json_t *dg_put_classes(const dg_class *c, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        char colour[8];
        nn_format(colour, sizeof colour, "#%02x%02x%02x", c[i].rgb[0], c[i].rgb[1], c[i].rgb[2]);
        if (json_array_append_new(list, json_pack("{s:i, s:s, s:s}", "id", i, "name", c[i].name, "color", colour))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static const struct { const char *name; sg_noise value; } noises[] = {
    { "const", SG_NOISE_CONST }, { "none", SG_NOISE_NONE }, { "random", SG_NOISE_RANDOM },
};

nn_status dg_get_draw(const dg_reader *r, const char *place, const json_t *v, sg_options *out)
{
    const json_t *psi = json_object_get(v, "psi"), *cutoff = json_object_get(v, "cutoff"), *noise = json_object_get(v, "noise");
    char at[96];
    nn_status s;
    nn_format(at, sizeof at, "%s.psi", place);
    if (!json_is_number(psi) || !isfinite(json_number_value(psi))) return dg_refuse(r, at, "a finite number", psi);
    out->psi = json_number_value(psi);
    nn_format(at, sizeof at, "%s.cutoff", place);
    int64_t layers = -1;                                  /* null: all of them */
    if (cutoff && !json_is_null(cutoff) && (s = dg_get_whole(r, at, cutoff, 0, 4096, &layers))) return s;
    out->cutoff = (nn_dim)layers;
    int64_t class_id = 0;                                 /* of a conditional generator; absent: the first, or there are none */
    nn_format(at, sizeof at, "%s.class", place);
    const json_t *chosen = json_object_get(v, "class");
    if (chosen && (s = dg_get_whole(r, at, chosen, 0, 4096, &class_id))) return s;
    out->class_id = (nn_dim)class_id;
    const char *text = json_string_value(noise);
    for (size_t i = 0; i < sizeof noises / sizeof *noises; i++)
        if (text && !strcmp(text, noises[i].name)) { out->noise = noises[i].value; return NN_OK; }
    nn_format(at, sizeof at, "%s.noise", place);
    return dg_refuse(r, at, "\"const\", \"none\" or \"random\"", noise);
}

json_t *dg_put_draw(const sg_options *o)
{
    const char *noise = "";
    for (size_t i = 0; i < sizeof noises / sizeof *noises; i++) if (noises[i].value == o->noise) noise = noises[i].name;
    json_t *cutoff = o->cutoff < 0 ? json_null() : json_integer(o->cutoff);
    json_t *v = json_pack("{s:f, s:o, s:s}", "psi", o->psi, "cutoff", cutoff, "noise", noise);
    if (o->class_id && json_object_set_new(v, "class", json_integer(o->class_id))) { json_decref(v); return NULL; }
    return v;
}
