/* classes.c: class names and colours as other tools keep them. */
#include "datasetgan/classes.h"

#include <stdio.h>
#include <string.h>

#include "datasetgan/fields.h"

enum { TEXT_BYTES_MAX = 1 << 20, LINE = DG_NAME + 24 };
static const char SEPARATOR[] = "***";           /* between the parts of a name, as in the released annotations */

void dg_voc_colour(int id, uint8_t rgb[3])
{
    memset(rgb, 0, 3);
    for (int bit = 7; id; bit--, id >>= 3)
        for (int c = 0; c < 3; c++) rgb[c] |= (uint8_t)((id >> c & 1) << bit);
}

/* The next line that is not empty, without its end; NULL: none is left. */
static const char *next_line(const char **at, const char *end, size_t *size, int *number)
{
    while (*at < end) {
        const char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        *at = stop < end ? stop + 1 : end;
        ++*number;
        while (stop > line && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t')) stop--;
        *size = (size_t)(stop - line);
        if (*size) return line;
    }
    return NULL;
}

/* Text of a class as dg_get_text takes it: UTF-8, printable, 1 to 127 bytes; and not there already. */
static nn_status take_name(const dg_reader *r, int line, const char *text, size_t size, dg_class *list, size_t at)
{
    char place[32];
    nn_format(place, sizeof place, "line %d", line);
    json_error_t e;
    json_t *v = json_pack_ex(&e, 0, "s%", text, size);
    if (!v && json_error_code(&e) != json_error_invalid_utf8) return nn_fail(r->err, NN_ENOMEM, "%s: not enough memory", r->path);
    nn_status s = dg_get_text(r, place, v, list[at].name, DG_NAME);
    json_decref(v);
    for (size_t i = 0; i < at && !s; i++)
        if (!strcmp(list[i].name, list[at].name)) s = nn_fail(r->err, NN_EFORMAT, "%s: %s: name \"%s\" is used twice", r->path, place, list[at].name);
    return s;
}

static bool read_colour(const char *text, uint8_t rgb[3])
{
    unsigned v[3];
    if (text[0] != '#' || strspn(text + 1, "0123456789abcdefABCDEF") < 6 || sscanf(text, "#%2x%2x%2x", &v[0], &v[1], &v[2]) != 3) return false;
    for (int i = 0; i < 3; i++) rgb[i] = (uint8_t)v[i];
    return true;
}

nn_status dg_classes_read(const char *path, dg_class out[NN_VOID], int *count, nn_err *err)
{
    nn_bytes b;
    nn_status s = nn_file_read(path, TEXT_BYTES_MAX, &b, err);
    if (s) return s;
    const dg_reader r = { path, err };
    const char *at = (const char *)b.data, *end = at + b.size, *line;
    size_t size;
    int number = 0;
    *count = 0;
    if (b.size >= 3 && !memcmp(at, "\xef\xbb\xbf", 3)) at += 3;          /* Windows editors' mark */
    while (!s && (line = next_line(&at, end, &size, &number)) != NULL) {
        char tail[8] = "";
        if (*count == NN_VOID) s = nn_fail(err, NN_EFORMAT, "%s: line %d: expected at most %d classes", path, number, NN_VOID);
        if (s) break;
        dg_voc_colour(*count, out[*count].rgb);
        if (size > 8 && line[size - 8] == ' ') nn_format(tail, sizeof tail, "%.7s", line + size - 7);
        if (read_colour(tail, out[*count].rgb)) size -= 8;
        s = take_name(&r, number, line, size, out, (size_t)*count);
        ++*count;
    }
    if (!s && *count < 2) s = nn_fail(err, NN_EFORMAT, "%s: expected 2 to %d class names, one a line, found %d", path, NN_VOID, *count);
    nn_bytes_free(&b);
    return s;
}

/* ---- labelmap.txt ---------------------------------------------------------------------------------------------------- */

nn_status dg_labelmap_write(const dg_class *c, int count, nn_bytes *out, nn_err *err)
{
    nn_status s = nn_bytes_make(out, (size_t)count * LINE, "labelmap.txt", err);
    out->size = 0;
    for (int i = 0; i < count && !s; i++) {
        char line[LINE];
        if (strchr(c[i].name, ':')) s = nn_fail(err, NN_EINVAL, "labelmap.txt: class name \"%s\": expected no ':'", c[i].name);
        nn_format(line, sizeof line, "%s:%d,%d,%d::\n", c[i].name, c[i].rgb[0], c[i].rgb[1], c[i].rgb[2]);
        memcpy(out->data + out->size, line, strlen(line));
        out->size += strlen(line);
    }
    if (s) nn_bytes_free(out);
    return s;
}

nn_status dg_labels_txt_write(const dg_class *c, int count, nn_bytes *out, nn_err *err)
{
    static const char own[] = "__ignore__\n_background_\n";
    const nn_status s = nn_bytes_make(out, sizeof own + (size_t)count * LINE, "labels.txt", err);
    out->size = 0;
    for (int i = 0; i < count && !s; i++) {
        char line[LINE];
        nn_format(line, sizeof line, "%s\n", c[i].name);
        const char *text = i ? line : own;
        memcpy(out->data + out->size, text, strlen(text));
        out->size += strlen(text);
    }
    return s;
}

/* "R,G,B" up to `size` bytes. */
static bool read_triple(const char *text, size_t size, uint8_t rgb[3])
{
    char copy[16];
    int v[3], end = 0;
    if (size >= sizeof copy) return false;
    memcpy(copy, text, size);                               /* the text of a file: nothing ends it but its size */
    copy[size] = '\0';
    if (strspn(copy, "0123456789,") < size || sscanf(copy, "%3d,%3d,%3d%n", &v[0], &v[1], &v[2], &end) != 3 || copy[end]) return false;
    for (int i = 0; i < 3; i++) {
        if (v[i] > 255) return false;
        rgb[i] = (uint8_t)v[i];
    }
    return true;
}

nn_status dg_labelmap_read(const char *text, size_t size, const char *name, dg_class *out, bool *coloured, size_t room, size_t *count, nn_err *err)
{
    const dg_reader r = { name, err };
    const char *at = text, *end = text + size, *line;
    size_t length;
    int number = 0;
    bool any = false;
    nn_status s = NN_OK;
    *count = 0;
    while (!s && (line = next_line(&at, end, &length, &number)) != NULL) {
        if (*line == '#') continue;
        const char *colon = memchr(line, ':', length), *colour = colon ? colon + 1 : NULL;
        const char *stop = colour ? memchr(colour, ':', length - (size_t)(colour - line)) : NULL;
        const size_t digits = colour ? (size_t)((stop ? stop : line + length) - colour) : 0;
        if (*count == room) { s = nn_fail(err, NN_EFORMAT, "%s: line %d: expected at most %zu classes", name, number, room); break; }
        memset(out[*count].rgb, 0, 3);
        coloured[*count] = digits > 0;
        any = any || digits;
        if (!colour || (digits && !read_triple(colour, digits, out[*count].rgb)))
            s = nn_fail(err, NN_EFORMAT, "%s: line %d: expected NAME:R,G,B:PARTS:ACTIONS", name, number);
        else s = take_name(&r, number, line, (size_t)(colon - line), out, (*count)++);
    }
    for (size_t i = 0; i < *count && !any; i++) {
        dg_voc_colour((int)i, out[i].rgb);
        coloured[i] = true;
    }
    return s;
}

/* ---- names in parts ---------------------------------------------------------------------------------------------------- */

/* The length of the first `level` parts of a name; of fewer parts: all of it. */
static size_t prefix_of(const char *name, int level)
{
    const char *p = name;
    while (level-- > 0) {
        const char *next = strstr(p, SEPARATOR);
        if (!next) return strlen(name);
        if (level == 0) return (size_t)(next - name);
        p = next + strlen(SEPARATOR);
    }
    return 0;
}

static int parts_of(const char *name)
{
    int n = 1;
    for (const char *p = name; (p = strstr(p, SEPARATOR)) != NULL; p += strlen(SEPARATOR)) n++;
    return n;
}

static json_t *level_view(const dg_class *c, int count, int level)
{
    json_t *names = json_array(), *map = json_array();
    bool ok = names && map;
    for (int i = 0; i < count && ok; i++) {
        const size_t length = prefix_of(c[i].name, level);
        size_t id = 0;
        for (; id < json_array_size(names); id++) {
            const char *is = json_string_value(json_array_get(names, id));
            if (strlen(is) == length && !memcmp(is, c[i].name, length)) break;
        }
        if (id == json_array_size(names)) ok = json_array_append_new(names, json_stringn(c[i].name, length)) == 0;
        ok = ok && json_array_append_new(map, json_integer((json_int_t)id)) == 0;
    }
    json_t *v = ok ? json_pack("{s:O, s:O}", "classes", names, "map", map) : NULL;
    json_decref(names);
    json_decref(map);
    return v;
}

json_t *dg_level_views(const dg_class *c, int count)
{
    int depth = 1;
    for (int i = 0; i < count; i++) if (parts_of(c[i].name) > depth) depth = parts_of(c[i].name);
    json_t *views = json_object();
    for (int level = 1; level < depth && views; level++) {
        char name[16];
        nn_format(name, sizeof name, "level%d", level);
        if (json_object_set_new(views, name, level_view(c, count, level))) {
            json_decref(views);
            return NULL;
        }
    }
    return views;
}
