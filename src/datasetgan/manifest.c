/* manifest.c: metadata.jsonl: one line a sample, in seed order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "datasetgan/dataset.h"
#include "datasetgan/fields.h"

enum { LINE_BYTES_MAX = 1 << 18 };               /* 255 classes of 127-byte names, each byte escaped, take 72 kB */

void dg_sample_path(char out[DG_SAMPLE_PATH], const char *folder, uint32_t seed)
{
    nn_format(out, DG_SAMPLE_PATH, "%s/%010u.png", folder, (unsigned)seed);
}

/* ---- one line ------------------------------------------------------------------------------------------------------ */

static const char *const file_hash[2] = { "file_sha256", "mask_sha256" };

char *dg_manifest_line(const dg_sample *s, const dg_class *class_at, int classes, nn_err *err)
{
    char image[DG_SAMPLE_PATH], label[DG_SAMPLE_PATH];
    dg_sample_path(image, "images", s->seed);
    dg_sample_path(label, "labels", s->seed);
    bool ok = true;
    json_t *pixels = json_object();
    for (int c = 0; c < classes; c++)
        ok = ok && json_object_set_new(pixels, class_at[c].name, json_integer((json_int_t)s->pixels[c])) == 0;
    json_t *v = json_pack("{s:s, s:s, s:I, s:f, s:f, s:o, s:s}", "file_name", image, "mask_file_name", label, "seed", (json_int_t)s->seed,
                          "uncertainty", s->uncertainty, "uncertainty_mean", s->uncertainty_mean, "pixels", pixels, "sha256", s->sha256);
    for (int i = 0; v && i < 2 && *s->file_sha256[i]; i++) ok = json_object_set_new(v, file_hash[i], json_string(s->file_sha256[i])) == 0 && ok;
    ok = v && dg_vary_put(v, &s->vary) && ok;
    char *line = NULL;
    if (v && ok) line = nn_json_line(v, err);
    else nn_fail(err, NN_ENOMEM, "metadata.jsonl: not enough memory for a line");
    json_decref(v);
    if (!line) return NULL;

    const size_t size = strlen(line);
    char *ended = nn_alloc(size + 2, "metadata.jsonl: a line", err);
    if (ended) {
        memcpy(ended, line, size);
        ended[size] = '\n';
    }
    nn_free(line);
    return ended;
}

nn_status dg_manifest_parse(dg_sample *s, const char *line, size_t size, const dg_class *class_at, int classes, const char *where, nn_err *err)
{
    const dg_reader r = { where, err };
    json_t *v = nn_json_parse(line, size, where, err);
    if (!v) return NN_EFORMAT;
    int64_t whole = 0;
    nn_status st = dg_get_whole(&r, "seed", json_object_get(v, "seed"), 0, UINT32_MAX, &whole);
    s->seed = (uint32_t)whole;
    const json_t *uncertainty = json_object_get(v, "uncertainty"), *pixels = json_object_get(v, "pixels");
    if (!st && !json_is_real(uncertainty)) st = dg_refuse(&r, "uncertainty", "a real number", uncertainty);
    s->uncertainty = json_real_value(uncertainty);
    const json_t *mean = json_object_get(v, "uncertainty_mean");
    if (!st && mean && !json_is_real(mean)) st = dg_refuse(&r, "uncertainty_mean", "a real number", mean);
    s->uncertainty_mean = mean ? json_real_value(mean) : NAN;
    if (!st && json_object_size(pixels) != (size_t)classes) st = dg_refuse(&r, "pixels", "one entry for each class", pixels);
    for (int c = 0; c < classes && !st; c++) {
        st = dg_get_whole(&r, class_at[c].name, json_object_get(pixels, class_at[c].name), 0, INT64_MAX, &whole);
        s->pixels[c] = (uint64_t)whole;
    }
    const char *const text[3] = { "file_name", "mask_file_name", "sha256" };
    char want[2][DG_SAMPLE_PATH];
    dg_sample_path(want[0], "images", s->seed);
    dg_sample_path(want[1], "labels", s->seed);
    for (int i = 0; i < 3 && !st; i++) {
        const json_t *t = json_object_get(v, text[i]);
        const char *found = json_string_value(t);
        if (i < 2 && (!found || strcmp(found, want[i]))) st = dg_refuse(&r, text[i], want[i], t);
        if (i == 2 && (!found || strlen(found) != 64)) st = dg_refuse(&r, text[i], "64 hexadecimal digits", t);
        if (i == 2 && !st) nn_format(s->sha256, sizeof s->sha256, "%s", found);
    }
    for (int i = 0; i < 2 && !st; i++) {
        const json_t *t = json_object_get(v, file_hash[i]);
        const char *found = json_string_value(t);
        if (t && (!found || strlen(found) != 64)) st = dg_refuse(&r, file_hash[i], "64 hexadecimal digits", t);
        else nn_format(s->file_sha256[i], sizeof s->file_sha256[i], "%s", found ? found : "");
    }
    json_decref(v);
    return st;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

nn_status dg_manifest_open(dg_manifest *r, const char *path, nn_err *err)
{
    *r = (dg_manifest){ .file = { .fd = -1, .path = path } };
    if (!nn_path_exists(path)) return NN_OK;
    nn_status s = nn_source_open(&r->file, path, err);
    r->buffer = s ? NULL : nn_alloc(LINE_BYTES_MAX, path, err);
    if (!s && !r->buffer) s = NN_ENOMEM;
    r->unread = r->file.size;
    if (s) dg_manifest_close(r);
    return s;
}

nn_status dg_manifest_next(dg_manifest *r, const char **line, size_t *size, nn_err *err)
{
    *line = NULL;
    *size = 0;
    for (;;) {
        const char *at = r->buffer ? r->buffer + r->begin : NULL;
        const char *end = at ? memchr(at, '\n', r->end - r->begin) : NULL;
        if (end) {
            *line = at;
            *size = (size_t)(end - at);
            r->begin += *size + 1;
            r->offset += (int64_t)*size + 1;
            r->lines++;
            return NN_OK;
        }
        if (r->unread == 0) {
            r->torn = r->end > r->begin;
            return NN_OK;
        }
        if (r->begin == 0 && r->end == LINE_BYTES_MAX)
            return nn_fail(err, NN_EFORMAT, "%s: line %ju: longer than %d bytes", r->file.path, (uintmax_t)r->lines + 1, LINE_BYTES_MAX);
        /* analyze: bytes are unread only of a file that is open, and that has a buffer */
        memmove(r->buffer, at, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
        const size_t room = LINE_BYTES_MAX - r->end, n = r->unread < room ? (size_t)r->unread : room;
        const nn_status s = nn_source_read(&r->file, r->buffer + r->end, n, err);
        if (s) return s;
        r->end += n;
        r->unread -= n;
    }
}

void dg_manifest_close(dg_manifest *r)
{
    nn_source_close(&r->file);
    nn_free(r->buffer);
    r->buffer = NULL;
}
