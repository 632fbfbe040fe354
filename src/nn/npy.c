/* npy.c: NumPy arrays.  (The format: numpy.lib.format, "Format Version 1.0".) */
#include "nn/npy.h"

#include <inttypes.h>
#include <string.h>

#include "nn/file.h"
#include "nn/zip.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers go from file to memory as they are");

enum { RANK_MAX = 8, PREFIX = 6, HEADER_MAX = 65535, ALIGN = 64, UNPACKED_MOST = 64, UNPACKED_FREE = 64 << 20 };
static const char magic[PREFIX + 1] = "\x93NUMPY";

/* ---- the header: a Python dictionary of three entries ------------------------------------------------------------- */

/* What is left of the header's text; good turns false at the first thing that is not expected and stays so. */
typedef struct { const char *at, *end; bool good; } text;

static void skip_spaces(text *t) { while (t->at < t->end && (*t->at == ' ' || *t->at == '\n')) t->at++; }

static bool next_is(text *t, char c)
{
    skip_spaces(t);
    return t->good && t->at < t->end && *t->at == c;
}

static bool accept(text *t, char c)
{
    const bool is = next_is(t, c);
    t->at += is;
    return is;
}

static void expect(text *t, char c) { t->good = accept(t, c); }

/* A quoted word without escapes. */
static void parse_word(text *t, char *out, size_t size)
{
    const char quote = next_is(t, '"') ? '"' : '\'';
    size_t n = 0;
    expect(t, quote);
    while (t->good && t->at < t->end && *t->at != quote && n + 1 < size) out[n++] = *t->at++;
    out[n] = '\0';
    expect(t, quote);
}

static bool parse_bool(text *t)
{
    skip_spaces(t);
    const size_t left = (size_t)(t->end - t->at);
    const bool is = left >= 4 && !memcmp(t->at, "True", 4), is_not = left >= 5 && !memcmp(t->at, "False", 5);
    t->good = t->good && (is || is_not);
    if (t->good) t->at += is ? 4 : 5;
    return is;
}

static void parse_shape(text *t, nn_npy *out)
{
    expect(t, '(');
    while (t->good && !next_is(t, ')')) {
        uint64_t v = 0;
        const char *from = t->at;
        for (; t->at < t->end && *t->at >= '0' && *t->at <= '9' && v < INT64_MAX / 10; t->at++) v = v * 10 + (uint64_t)(*t->at - '0');
        t->good = t->at > from && out->rank < RANK_MAX;
        if (t->good) out->dim[out->rank++] = v;
        if (t->good && !accept(t, ',')) break;
    }
    expect(t, ')');
}

typedef struct { char descr[16]; bool fortran; int seen; } npy_header;

static bool parse_header(text *t, npy_header *h, nn_npy *out)
{
    expect(t, '{');
    while (t->good && !next_is(t, '}')) {
        char key[16];
        parse_word(t, key, sizeof key);
        expect(t, ':');
        const int which = !strcmp(key, "descr") ? 1 : !strcmp(key, "fortran_order") ? 2 : !strcmp(key, "shape") ? 4 : 0;
        t->good = t->good && which && !(h->seen & which);
        h->seen |= which;
        if (which == 1) parse_word(t, h->descr, sizeof h->descr);
        if (which == 2) h->fortran = parse_bool(t);
        if (which == 4) parse_shape(t, out);
        if (t->good && !accept(t, ',')) break;
    }
    expect(t, '}');
    skip_spaces(t);
    return t->good && t->at == t->end && h->seen == 7;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* NumPy's name of a type, and one number of it. */
typedef struct { const char *descr; size_t width; double (*number)(const uint8_t *p); } npy_type;
#define NUMBER(name, type) static double name(const uint8_t *p) { type v; memcpy(&v, p, sizeof v); return (double)v; }
NUMBER(from_f4, float)
NUMBER(from_f8, double)
NUMBER(from_u1, uint8_t)
NUMBER(from_i1, int8_t)
NUMBER(from_u2, uint16_t)
NUMBER(from_i2, int16_t)
NUMBER(from_u4, uint32_t)
NUMBER(from_i4, int32_t)
NUMBER(from_u8, uint64_t)
NUMBER(from_i8, int64_t)
static const npy_type types[] = {
    { "<f4", 4, from_f4 }, { "<f8", 8, from_f8 }, { "|u1", 1, from_u1 }, { "|i1", 1, from_i1 }, { "|b1", 1, from_u1 }, { "<u2", 2, from_u2 },
    { "<i2", 2, from_i2 }, { "<u4", 4, from_u4 }, { "<i4", 4, from_i4 }, { "<u8", 8, from_u8 }, { "<i8", 8, from_i8 },
};

static nn_status convert(nn_npy *out, const uint8_t *from, uint64_t count, const npy_type *type, const char *name, nn_err *err)
{
    out->data = nn_alloc((size_t)count * sizeof(real), name, err);
    if (!out->data) return NN_ENOMEM;
    for (uint64_t i = 0; i < count; i++, from += type->width) out->data[i] = (real)type->number(from);
    return NN_OK;
}

static nn_status parse(nn_npy *out, const uint8_t *at, size_t size, const char *name, nn_err *err)
{
    const uint8_t *end = at + size;
    if (size < PREFIX + 4 || memcmp(at, magic, PREFIX)) return nn_fail(err, NN_EFORMAT, "%s: expected a NumPy .npy file, found another kind", name);
    const int major = at[PREFIX], minor = at[PREFIX + 1];
    if (major < 1 || major > 3 || minor != 0)
        return nn_fail(err, NN_EFORMAT, "%s: expected .npy version 1.0, 2.0 or 3.0, found %d.%d", name, major, minor);
    at += PREFIX + 2;
    const size_t word = major == 1 ? 2 : 4;                    /* bytes of the header's length */
    size_t length = 0;
    for (size_t i = 0; i < word && at + i < end; i++) length |= (size_t)at[i] << 8 * i;
    if ((size_t)(end - at) < word || length > (size_t)(end - at) - word || length > HEADER_MAX)
        return nn_fail(err, NN_EFORMAT, "%s: cut short: expected a header of %zu bytes, found %td", name, length, end - at);
    at += word;

    npy_header h = { .seen = 0 };
    text t = { (const char *)at, (const char *)at + length, true };
    if (!parse_header(&t, &h, out))
        return nn_fail(err, NN_EFORMAT, "%s: expected a header {'descr':, 'fortran_order':, 'shape':} of at most %d sizes, found %.*s", name,
                       RANK_MAX, length < 100 ? (int)length : 100, (const char *)at);
    at += length;
    const npy_type *type = NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) if (!strcmp(h.descr, types[i].descr)) type = &types[i];
    if (!type) return nn_fail(err, NN_EFORMAT, "%s: expected numbers of type '<f4', '<f8' or whole ones, found '%s'", name, h.descr);
    if (h.fortran && out->rank > 1) return nn_fail(err, NN_EFORMAT, "%s: expected C order, found Fortran order", name);

    uint64_t bytes = type->width;
    for (int d = 0; d < out->rank; d++)
        if (!nn_mul_u64(&bytes, out->dim[d])) return nn_fail(err, NN_EFORMAT, "%s: the size of its shape overflows 64 bits", name);
    if (bytes != (uint64_t)(end - at))
        return nn_fail(err, NN_EFORMAT, "%s: expected %" PRIu64 " bytes of numbers, found %td", name, bytes, end - at);
    return convert(out, at, bytes / type->width, type, name, err);
}

nn_status nn_npy_parse(nn_npy *out, const void *bytes, size_t size, const char *name, nn_err *err)
{
    *out = (nn_npy){ 0 };
    const nn_status status = parse(out, bytes, size, name, err);
    if (status != NN_OK) nn_npy_free(out);
    return status;
}

/* The named array of an archive, or its only one. */
static nn_status parse_archive(nn_npy *out, const nn_bytes *file, const char *path, const char *array, nn_err *err)
{
    nn_zip z;
    nn_status s = nn_zip_parse(&z, file->data, file->size, path, err);
    if (s) return s;
    char name[256];
    const nn_zip_entry *e = NULL;
    if (array && strlen(array) < sizeof name - 4) {
        nn_format(name, sizeof name, "%s.npy", array);
        e = nn_zip_find(&z, name);
    }
    if (!array && z.count == 1) e = z.entry;
    nn_bytes b = { 0 };
    if (!e && array) s = nn_fail(err, NN_EFORMAT, "%s: has no array '%.64s'", path, array);
    else if (!e) s = nn_fail(err, NN_EFORMAT, "%s: expected the archive to hold one array, or to be told which; found %zu", path, z.count);
    else if (e->size > UNPACKED_FREE && e->size / UNPACKED_MOST > e->packed)      /* deflate's 1032 for one, times 4 for a byte as a float: a bomb */
        s = nn_fail(err, NN_EFORMAT, "%s: record '%s': expected at most %d bytes for one of %" PRIu64 " packed ones, found %" PRIu64, path, e->name,
                    UNPACKED_MOST, e->packed, e->size);
    else s = nn_zip_get(&z, e, &b, err);
    if (!s) s = nn_npy_parse(out, b.data, b.size, path, err);
    nn_bytes_free(&b);
    nn_zip_close(&z);
    return s;
}

nn_status nn_npz_read(const char *path, const char *array, nn_npy *out, nn_err *err)
{
    nn_bytes b;
    *out = (nn_npy){ 0 };
    nn_status s = nn_file_read(path, PTRDIFF_MAX, &b, err);
    const bool archive = !s && b.size >= 2 && b.data[0] == 'P' && b.data[1] == 'K';
    if (archive) s = parse_archive(out, &b, path, array, err);
    else if (!s && array) s = nn_fail(err, NN_EFORMAT, "%s: expected an .npz archive with the array '%.64s'", path, array);
    else if (!s) s = nn_npy_parse(out, b.data, b.size, path, err);
    nn_bytes_free(&b);
    return s;
}

nn_status nn_npy_read(const char *path, nn_npy *out, nn_err *err) { return nn_npz_read(path, NULL, out, err); }

void nn_npy_free(nn_npy *a)
{
    nn_free(a->data);
    *a = (nn_npy){ 0 };
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

size_t nn_npy_header(char header[NN_NPY_HEADER], const char *descr, int rank, const uint64_t *dim)
{
    char shape[24 * RANK_MAX] = "";
    NN_ASSERT(rank >= 0 && rank <= RANK_MAX);
    for (int d = 0; d < rank; d++) {
        const size_t at = strlen(shape);
        nn_format(shape + at, sizeof shape - at, "%s%" PRIu64 "%s", d ? " " : "", dim[d], d + 1 < rank || rank == 1 ? "," : "");
    }
    /* Magic, version 1.0, length; the text is padded with spaces so that the numbers start at a multiple of 64. */
    const size_t start = PREFIX + 4;
    memcpy(header, magic, PREFIX);
    memset(header + PREFIX, ' ', NN_NPY_HEADER - PREFIX);
    nn_format(header + start, NN_NPY_HEADER - start, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
    const size_t used = start + strlen(header + start), size = (used + 1 + ALIGN - 1) / ALIGN * ALIGN;
    header[used] = ' ';
    header[size - 1] = '\n';
    const size_t length = size - start;
    header[PREFIX] = 1;
    header[PREFIX + 1] = 0;
    header[PREFIX + 2] = (char)(length & 255);
    header[PREFIX + 3] = (char)(length >> 8);
    return size;
}

nn_status nn_npy_write(const char *path, const float *data, int rank, const uint64_t *dim, nn_err *err)
{
    char header[NN_NPY_HEADER];
    uint64_t bytes = sizeof *data;
    for (int d = 0; d < rank; d++) NN_ASSERT(nn_mul_u64(&bytes, dim[d]));
    nn_stage s;
    nn_stage_open(&s, path, err);
    nn_stage_add(&s, header, nn_npy_header(header, "<f4", rank, dim), err);
    nn_stage_add(&s, data, (size_t)bytes, err);
    return nn_stage_publish(&s, path, err);
}
