/* json.c: strict JSON on jansson. */
#include "nn/json.h"

#include "nn/file.h"

enum { DEPTH_MAX = 64 };

/* Counted before parsing, so that a hostile file cannot make the parser recurse far.  Brackets inside strings do not count. */
static nn_status check_depth(const char *text, size_t size, const char *name, nn_err *err)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = false;
        } else if (c == '"') in_string = true;
        else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return nn_fail(err, NN_EFORMAT, "%s: JSON nested deeper than %d at byte %zu", name, DEPTH_MAX, i);
        } else if ((c == '}' || c == ']') && depth > 0) depth--;
    }
    return NN_OK;
}

json_t *nn_json_parse(const char *text, size_t size, const char *name, nn_err *err)
{
    if (check_depth(text, size, name, err) != NN_OK) return NULL;
    json_error_t e;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
    if (value) return value;
    if (json_error_code(&e) == json_error_out_of_memory || !e.text[0]) {       /* jansson says nothing where its first allocation fails */
        nn_fail(err, NN_ENOMEM, "%s: not enough memory to read JSON", name);
        return NULL;
    }
    nn_fail(err, NN_EFORMAT, "%s: line %d, column %d: not valid JSON: %s", name, e.line, e.column, e.text);
    return NULL;
}

json_t *nn_json_read(const char *path, size_t max_bytes, nn_err *err)
{
    nn_bytes b;
    if (nn_file_read(path, max_bytes, &b, err) != NN_OK) return NULL;
    json_t *value = nn_json_parse((const char *)b.data, b.size, path, err);
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
