/* json.c: strict JSON on jansson. */
#include "nn/json.h"

#include <string.h>

#include "nn/file.h"

enum { DEPTH_MAX = 64 };

/* Counted before parsing, so that a hostile file cannot make the parser recurse far.  Brackets inside strings do not count.
 * longest: bytes of the longest string, name or number. */
static nn_status check_depth(const char *text, size_t size, const char *name, size_t *longest, nn_err *err)
{
    int depth = 0;
    size_t begin = 0;
    bool in_string = false;
    *longest = 0;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = false;
        } else {
            if (c == '"') in_string = true;
            if (strchr("\"{}[],: \t\r\n", c)) begin = i;
            if (c == '{' || c == '[') {
                if (++depth > DEPTH_MAX)
                    return nn_fail(err, NN_EFORMAT, "%s: JSON nested deeper than %d at byte %zu", name, DEPTH_MAX, i);
            } else if ((c == '}' || c == ']') && depth > 0) depth--;
        }
        if (i - begin > *longest) *longest = i - begin;
    }
    return NN_OK;
}

/* jansson (2.14) drops a character in silence when the buffer that collects a token cannot grow (lex_save ignores what
 * strbuffer_append_byte returns).  So the text is read as the second of two values of a list; the first is a string longer than every
 * token of the text.  When that one arrives whole, the buffer has grown to what the rest needs.  Growth happens at powers of two:
 * the string's end must not stand at one, for jansson would not find it.  NULL: not two values, or no memory. */
static json_t *parse_padded(const char *text, size_t size, size_t longest, const char *name, nn_err *err)
{
    size_t pad = 16, at = 0;
    while (pad < longest + 4) pad *= 2;
    pad += 5;                                                /* with its two quotes: 7 more than a power of two */
    char *padded = nn_alloc(pad + size + 16, name, err);
    if (!padded) return NULL;
    memcpy(padded, "[\"", 2);
    memset(padded + 2, 'x', pad);
    memcpy(padded + 2 + pad, "\",\n", 3);
    at = pad + 5;
    memcpy(padded + at, text, size);
    padded[at + size] = ']';
    json_t *both = json_loadb(padded, at + size + 1, JSON_REJECT_DUPLICATES, NULL), *value = NULL;
    nn_free(padded);
    if (json_array_size(both) == 2 && json_string_length(json_array_get(both, 0)) == pad) value = json_incref(json_array_get(both, 1));
    json_decref(both);
    if (json_is_object(value) || json_is_array(value)) return value;
    json_decref(value);
    return NULL;
}

json_t *nn_json_parse(const char *text, size_t size, const char *name, nn_err *err)
{
    nn_err own = { 0 };
    size_t longest;
    if (!err) err = &own;
    if (check_depth(text, size, name, &longest, err) != NN_OK) return NULL;
    json_t *value = parse_padded(text, size, longest, name, err);
    if (value || err->status) return value;
    json_error_t e;
    value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);                /* once more, for what is wrong and where */
    const bool valid = value != NULL;
    json_decref(value);
    if (valid || json_error_code(&e) == json_error_out_of_memory || !e.text[0])    /* jansson says nothing where its first allocation fails */
        nn_fail(err, NN_ENOMEM, "%s: not enough memory to read JSON", name);
    else nn_fail(err, NN_EFORMAT, "%s: line %d, column %d: not valid JSON: %s", name, e.line, e.column, e.text);
    return NULL;
}

json_t *nn_json_copy(const json_t *v)
{
    json_t *copy = json_deep_copy(v);
    if (json_equal(copy, v)) return copy;
    json_decref(copy);
    return NULL;
}

nn_status nn_json_number(const char *text, const char *name, double *out, nn_err *err)
{
    char list[80];
    nn_err own = { 0 };
    const bool fits = strlen(text) + 3 <= sizeof list;
    if (fits) nn_format(list, sizeof list, "[%s]", text);
    json_t *v = fits ? nn_json_parse(list, strlen(list), name, &own) : NULL;
    const json_t *only = json_array_size(v) == 1 ? json_array_get(v, 0) : NULL;
    const bool ok = json_is_number(only);
    if (ok) *out = json_number_value(only);
    json_decref(v);
    if (ok) return NN_OK;
    return own.status == NN_ENOMEM ? nn_fail(err, NN_ENOMEM, "%s", own.msg) : nn_fail(err, NN_EFORMAT, "%s: expected a number, found '%.64s'", name, text);
}

json_t *nn_json_read(const char *path, size_t max_bytes, nn_err *err)
{
    nn_bytes b;
    if (nn_file_read(path, max_bytes, &b, err) != NN_OK) return NULL;
    const size_t mark = b.size >= 3 && !memcmp(b.data, "\xef\xbb\xbf", 3) ? 3 : 0;        /* editors of Windows write one */
    json_t *value = nn_json_parse((const char *)b.data + mark, b.size - mark, path, err);
    nn_bytes_free(&b);
    return value;
}

/* Text of value with `extra` zero bytes after it; NULL: no memory. */
static char *dump(const json_t *value, size_t flags, size_t extra, size_t *size, nn_err *err)
{
    flags |= JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY;
    *size = json_dumpb(value, NULL, 0, flags);
    char *text = *size ? nn_alloc(*size + extra, "JSON text", err) : NULL;
    if (!*size) nn_fail(err, NN_ENOMEM, "JSON text: not enough memory to write a value");
    if (!text || json_dumpb(value, text, *size, flags) == *size) return text;      /* jansson takes memory here, too */
    nn_free(text);
    nn_fail(err, NN_ENOMEM, "JSON text: not enough memory to write a value");
    return NULL;
}

nn_status nn_json_write(const char *path, const json_t *value, nn_err *err)
{
    size_t size;
    char *text = dump(value, JSON_INDENT(2), 1, &size, err);
    if (!text) return NN_ENOMEM;
    text[size] = '\n';
    const nn_status status = nn_file_write(path, text, size + 1, err);
    nn_free(text);
    return status;
}

char *nn_json_line(const json_t *value, nn_err *err)
{
    size_t size;
    return dump(value, JSON_COMPACT, 1, &size, err);      /* nn_alloc's zeros end the text */
}

/* ---- what differs ------------------------------------------------------------------------------------------------------ */

typedef struct { char *text; size_t used; int count, left_out; } differences;

static void add_difference(differences *d, const char *key, const json_t *there, const json_t *here)
{
    enum { END = 32 };                                    /* room for "; and 1000000 more" */
    char one[320];
    char *t = there ? nn_json_line(there, NULL) : NULL, *h = here ? nn_json_line(here, NULL) : NULL;
    nn_format(one, sizeof one, "%s%s is %.80s there, %.80s in this command", d->count ? "; " : "", key, t ? t : "absent", h ? h : "absent");
    nn_free(t);
    nn_free(h);
    d->count++;
    if (d->left_out || d->used + strlen(one) + END > NN_JSON_DIFFERENCES) { d->left_out++; return; }
    nn_format(d->text + d->used, NN_JSON_DIFFERENCES - d->used, "%s", one);
    d->used += strlen(one);
}

/* prefix: the key of the objects themselves, with a point, or "". */
static void find_differences(differences *d, const char *prefix, const json_t *there, const json_t *here)
{
    const char *key;
    json_t *v, *w;
    char name[128];
    json_object_foreach((json_t *)(uintptr_t)here, key, w) {
        v = json_object_get(there, key);
        const bool inside = json_is_object(v) && json_is_object(w);
        nn_format(name, sizeof name, "%s%.40s%s", prefix, key, inside ? "." : "");
        if (inside) find_differences(d, name, v, w);
        else if (!v || !json_equal(v, w)) add_difference(d, name, v, w);
    }
    json_object_foreach((json_t *)(uintptr_t)there, key, v) {
        nn_format(name, sizeof name, "%s%.40s", prefix, key);
        if (!json_object_get(here, key)) add_difference(d, name, v, NULL);
    }
}

int nn_json_differences(const json_t *there, const json_t *here, char text[NN_JSON_DIFFERENCES])
{
    differences d = { .text = text };
    text[0] = '\0';
    find_differences(&d, "", there, here);
    if (d.left_out) nn_format(text + d.used, NN_JSON_DIFFERENCES - d.used, "; and %d more", d.left_out);
    return d.count;
}
