/* safetensors.c: reading, checking, binding, writing.  (The format: huggingface/safetensors README, "Format".) */
#include "nn/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "nn/half.h"
#include "nn/hash.h"
#include "nn/json.h"
#include "nn/sys.h"

/* Numbers go from file to memory as they are, and a file's size is a size_t. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(size_t) == 8, "this program needs a 64-bit little-endian machine");

enum { HEADER_MAX = 100000000, SHAPE_TEXT = 24 * NN_RANK_MAX };
#define NN_REAL (sizeof(real) == 4 ? NN_F32 : NN_F64)

typedef struct block { struct block *next; } block;       /* numbers follow at + 64 */
typedef struct { nn_bytes data; char *text; nn_st_entry *entry; nn_st_pair *meta; block *converted; } st_impl;

static const struct { const char *name; size_t bytes; } dtypes[] = {
    [NN_F16] = { "F16", 2 }, [NN_F32] = { "F32", 4 }, [NN_F64] = { "F64", 8 },
    [NN_I64] = { "I64", 8 }, [NN_I32] = { "I32", 4 }, [NN_U8] = { "U8", 1 },
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

const char *nn_dtype_name(nn_dtype t) { return dtypes[t].name; }
size_t nn_dtype_bytes(nn_dtype t) { return dtypes[t].bytes; }

/* "[3,4]" for messages. */
static const char *shape_text(char out[SHAPE_TEXT], int rank, const uint64_t *dim)
{
    size_t at = 1;
    nn_format(out, SHAPE_TEXT, "[");
    for (int d = 0; d < rank; d++) {
        nn_format(out + at, SHAPE_TEXT - at, d ? ",%" PRIu64 : "%" PRIu64, dim[d]);
        at += strlen(out + at);
    }
    nn_format(out + at, SHAPE_TEXT - at, "]");
    return out;
}

/* Bytes of a tensor; false when they do not fit 64 bits. */
static bool tensor_bytes(nn_dtype dtype, int rank, const uint64_t *dim, uint64_t *bytes)
{
    *bytes = nn_dtype_bytes(dtype);
    for (int d = 0; d < rank; d++) if (!nn_mul_u64(bytes, dim[d])) return false;
    return true;
}

/* ---- the header --------------------------------------------------------------------------------------------------- */

static nn_status bad_tensor(const nn_st *f, const char *name, const char *expected, const json_t *found, nn_err *err)
{
    char *text = found ? json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    nn_fail(err, NN_EFORMAT, "%s: tensor '%.100s': expected %s, found %.100s", f->path, name, expected, text ? text : "nothing");
    free(text);
    return NN_EFORMAT;
}

static bool whole_number(const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

/* One value of the header object into t; t->name is set. */
static nn_status parse_entry(const nn_st *f, nn_st_entry *t, const json_t *value, nn_err *err)
{
    if (!json_is_object(value) || json_object_size(value) != 3)
        return bad_tensor(f, t->name, "an object of dtype, shape and data_offsets", value, err);
    const json_t *dtype = json_object_get(value, "dtype"), *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");

    int type = 0;
    while (type < DTYPES && (!json_is_string(dtype) || strcmp(json_string_value(dtype), dtypes[type].name))) type++;
    if (type == DTYPES) return bad_tensor(f, t->name, "dtype F16, F32, F64, I64, I32 or U8", dtype, err);
    t->dtype = (nn_dtype)type;

    if (!json_is_array(shape) || json_array_size(shape) > NN_RANK_MAX)
        return bad_tensor(f, t->name, "a shape of at most 8 whole numbers", shape, err);
    t->rank = (int)json_array_size(shape);
    for (int d = 0; d < t->rank; d++)
        if (!whole_number(json_array_get(shape, (size_t)d), &t->dim[d]))
            return bad_tensor(f, t->name, "a shape of at most 8 whole numbers", shape, err);

    if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !whole_number(json_array_get(offsets, 0), &t->begin)
        || !whole_number(json_array_get(offsets, 1), &t->end))
        return bad_tensor(f, t->name, "data_offsets of two whole numbers", offsets, err);
    return NN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const nn_st_entry *)a)->name, ((const nn_st_entry *)b)->name);
}

/* Empty tensors come before the one that begins where they do. */
static int by_place(const void *a, const void *b)
{
    const nn_st_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The byte map must be exact: entries, here sorted by place, tile the data section: no hole, overlap or surplus. */
static nn_status check_layout(const nn_st *f, const nn_st_entry *entry, nn_err *err)
{
    uint64_t at = 0;                                               /* first byte nobody has claimed yet */
    for (size_t i = 0; i < f->count; i++) {
        const nn_st_entry *t = &entry[i];
        uint64_t bytes;
        char shape[SHAPE_TEXT];
        if (!tensor_bytes(t->dtype, t->rank, t->dim, &bytes))
            return nn_fail(err, NN_EFORMAT, "%s: tensor '%.100s': the size of shape %s overflows 64 bits", f->path, t->name,
                           shape_text(shape, t->rank, t->dim));
        if (t->begin != at || t->end < at || t->end - at != bytes)
            return nn_fail(err, NN_EFORMAT, "%s: tensor '%.100s': expected bytes [%" PRIu64 ",%" PRIu64 ") for %s %s, found [%"
                           PRIu64 ",%" PRIu64 ")", f->path, t->name, at, at + bytes, nn_dtype_name(t->dtype),
                           shape_text(shape, t->rank, t->dim), t->begin, t->end);
        at = t->end;
    }
    if (at == f->data_bytes) return NN_OK;
    return nn_fail(err, NN_EFORMAT, "%s: expected %" PRIu64 " bytes of numbers, found %" PRIu64 "%s", f->path, at, f->data_bytes,
                   at > f->data_bytes ? " (cut short)" : " (surplus)");
}

/* Copy a string to *at and advance; returns the copy. */
static const char *keep(char **at, const char *text)
{
    char *copy = *at;
    const size_t size = strlen(text) + 1;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

/* Names and metadata out of the JSON tree, which is freed afterwards.  Decoded text is never longer than the header. */
static nn_status collect(nn_st *f, json_t *root, char *text, nn_err *err)
{
    st_impl *impl = f->impl;
    const char *key, *name;
    json_t *value, *word;
    json_object_foreach(root, key, value) {
        if (strcmp(key, "__metadata__")) {
            nn_st_entry *t = &impl->entry[f->count++];
            t->name = keep(&text, key);
            if (parse_entry(f, t, value, err) != NN_OK) return NN_EFORMAT;
            continue;
        }
        if (!json_is_object(value)) return nn_fail(err, NN_EFORMAT, "%s: __metadata__: expected an object of texts", f->path);
        json_object_foreach(value, name, word) {
            if (!json_is_string(word))
                return nn_fail(err, NN_EFORMAT, "%s: metadata '%.100s': expected a text", f->path, name);
            impl->meta[f->meta_count++] = (nn_st_pair){ keep(&text, name), keep(&text, json_string_value(word)) };
        }
    }
    return NN_OK;
}

static nn_status parse_header(nn_st *f, const char *header, size_t size, nn_err *err)
{
    st_impl *impl = f->impl;
    if (!size || *header != '{') return nn_fail(err, NN_EFORMAT, "%s: not a safetensors file: the header does not start with '{'", f->path);
    json_t *root = nn_json_parse(header, size, f->path, err);
    if (!root) return err ? err->status : NN_EFORMAT;
    const size_t metas = json_object_size(json_object_get(root, "__metadata__"));
    impl->text = nn_alloc(size + 1, f->path, err);
    impl->entry = nn_alloc(json_object_size(root) * sizeof *impl->entry, f->path, err);
    impl->meta = nn_alloc(metas * sizeof *impl->meta, f->path, err);
    nn_status status = impl->text && impl->entry && impl->meta ? collect(f, root, impl->text, err) : NN_ENOMEM;
    json_decref(root);
    if (status != NN_OK) return status;
    f->entry = impl->entry;
    f->meta = impl->meta;
    qsort(impl->entry, f->count, sizeof *impl->entry, by_place);
    status = check_layout(f, impl->entry, err);
    qsort(impl->entry, f->count, sizeof *impl->entry, by_name);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* From file or from memory (then s is NULL): the next `count` bytes. */
typedef struct { nn_source *s; const uint8_t *bytes; } origin;

static nn_status take(origin *o, void *to, size_t count, nn_err *err)
{
    if (o->s) return nn_source_read(o->s, to, count, err);
    memcpy(to, o->bytes, count);
    o->bytes += count;
    return NN_OK;
}

static nn_status load(nn_st *f, origin *o, uint64_t size, nn_err *err)
{
    uint8_t word[8];
    uint64_t length;
    if (size < sizeof word)
        return nn_fail(err, NN_EFORMAT, "%s: not a safetensors file: expected at least 8 bytes, found %" PRIu64, f->path, size);
    nn_status status = take(o, word, sizeof word, err);
    if (status != NN_OK) return status;
    memcpy(&length, word, sizeof length);
    size -= sizeof word;
    if (length > HEADER_MAX)
        return nn_fail(err, NN_EFORMAT, "%s: not a safetensors file: expected a header of at most %d bytes, found a length of %" PRIu64,
                       f->path, HEADER_MAX, length);
    if (length > size)
        return nn_fail(err, NN_EFORMAT, "%s: cut short or not a safetensors file: expected a header of %" PRIu64 " bytes, found %" PRIu64,
                       f->path, length, size);

    nn_bytes header;
    f->data_bytes = size - length;
    status = nn_bytes_make(&header, (size_t)length, f->path, err);
    if (status == NN_OK) status = take(o, header.data, header.size, err);
    if (status == NN_OK) status = parse_header(f, (const char *)header.data, header.size, err);
    nn_bytes_free(&header);
    if (status != NN_OK) return status;

    st_impl *impl = f->impl;
    status = nn_bytes_make(&impl->data, (size_t)f->data_bytes, f->path, err);
    if (status == NN_OK) status = take(o, impl->data.data, impl->data.size, err);
    f->data = impl->data.data;
    return status;
}

static nn_status open_from(nn_st *f, origin *o, uint64_t size, const char *path, nn_err *err)
{
    *f = (nn_st){ .path = path };
    /* One block: the bookkeeping, then the path. */
    st_impl *impl = f->impl = nn_alloc(sizeof *impl + strlen(path) + 1, path, err);
    if (!impl) return NN_ENOMEM;
    f->path = strcpy((char *)(impl + 1), path);
    const nn_status status = load(f, o, size, err);
    if (status != NN_OK) nn_st_close(f);
    return status;
}

nn_status nn_st_open(nn_st *f, const char *path, nn_err *err)
{
    nn_source s;
    *f = (nn_st){ 0 };
    nn_status status = nn_source_open(&s, path, err);
    if (status != NN_OK) return status;
    origin o = { &s, NULL };
    status = open_from(f, &o, s.size, path, err);
    if (status == NN_OK) status = nn_source_end(&s, err);
    nn_source_close(&s);
    if (status != NN_OK) nn_st_close(f);
    return status;
}

nn_status nn_st_parse(nn_st *f, const void *bytes, size_t size, const char *name, nn_err *err)
{
    origin o = { NULL, bytes };
    return open_from(f, &o, size, name, err);
}

void nn_st_close(nn_st *f)
{
    st_impl *impl = f->impl;
    if (impl) {
        while (impl->converted) {
            block *next = impl->converted->next;
            nn_free(impl->converted);
            impl->converted = next;
        }
        nn_bytes_free(&impl->data);
        nn_free(impl->text);
        nn_free(impl->entry);
        nn_free(impl->meta);
        nn_free(impl);
    }
    *f = (nn_st){ 0 };
}

/* ---- looking up --------------------------------------------------------------------------------------------------- */

const nn_st_entry *nn_st_find(const nn_st *f, const char *name)
{
    const nn_st_entry key = { .name = name };
    return f->count ? bsearch(&key, f->entry, f->count, sizeof key, by_name) : NULL;
}

const char *nn_st_meta(const nn_st *f, const char *key)
{
    for (size_t i = 0; i < f->meta_count; i++) if (!strcmp(f->meta[i].key, key)) return f->meta[i].value;
    return NULL;
}

nn_status nn_st_meta_dim(const nn_st *f, const char *key, nn_dim lo, nn_dim hi, nn_dim *out, nn_err *err)
{
    const char *text = nn_st_meta(f, key);
    if (!text) return nn_fail(err, NN_EFORMAT, "%s: metadata '%s': expected a whole number from %td to %td, found nothing", f->path, key, lo, hi);
    /* Digits alone, in a length that cannot overflow: strtoll would take spaces, signs and half a number. */
    const char *digit = text + (*text == '-');
    const size_t length = strlen(digit);
    nn_dim value = 0;
    bool good = length >= 1 && length <= 18 && strspn(digit, "0123456789") == length;
    for (size_t i = 0; good && i < length; i++) value = value * 10 + (digit[i] - '0');
    if (*text == '-') value = -value;
    if (!good || value < lo || value > hi)
        return nn_fail(err, NN_EFORMAT, "%s: metadata '%s': expected a whole number from %td to %td, found '%.100s'", f->path, key, lo, hi, text);
    *out = value;
    return NN_OK;
}

/* ---- binding ------------------------------------------------------------------------------------------------------ */

/* Element i of a tensor as real; the data section gives no alignment. */
static real element(const nn_st *f, const nn_st_entry *t, uint64_t i)
{
    const uint8_t *at = f->data + t->begin + i * nn_dtype_bytes(t->dtype);
    uint16_t half;
    float single;
    double wide;
    switch (t->dtype) {
    case NN_F16: memcpy(&half, at, sizeof half); return (real)nn_half_to_float(half);
    case NN_F32: memcpy(&single, at, sizeof single); return (real)single;
    default:     memcpy(&wide, at, sizeof wide); return (real)wide;
    }
}

static uint64_t elements(const nn_st_entry *t) { return (t->end - t->begin) / nn_dtype_bytes(t->dtype); }

/* The numbers can be used where they lie. */
static bool in_place(const nn_st *f, const nn_st_entry *t)
{
    /* analyze: nn_st_bind asks for tensors that check_want has found */
    return t->dtype == NN_REAL && (uintptr_t)(f->data + t->begin) % sizeof(real) == 0;
}

static bool is_floating(nn_dtype t) { return t == NN_F16 || t == NN_F32 || t == NN_F64; }

/* CHECKED float32 numbers at once: no exponent is all ones. */
enum { CHECKED = 256 };
static bool all_finite(const uint8_t *at)
{
    uint32_t bits[CHECKED], bad = 0;
    memcpy(bits, at, sizeof bits);
    for (int i = 0; i < CHECKED; i++) bad |= (bits[i] & 0x7f800000u) == 0x7f800000u;
    return !bad;
}

/* The first number that is not finite, or does not fit; their count: none. */
static uint64_t first_not_finite(const nn_st *f, const nn_st_entry *t)
{
    const uint64_t n = elements(t);
    uint64_t i = 0;
    for (; i < n; i++) {
        while (t->dtype == NN_F32 && i + CHECKED <= n && all_finite(f->data + t->begin + i * sizeof(float))) i += CHECKED;
        if (i < n && !isfinite(element(f, t, i))) break;
    }
    return i < n ? i : n;
}

static nn_status check_want(const nn_st *f, const nn_want *q, nn_err *err)
{
    char need[SHAPE_TEXT], has[SHAPE_TEXT];
    const nn_st_entry *t = nn_st_find(f, q->name);
    if (!t) return nn_fail(err, NN_EFORMAT, "%s: tensor '%s': expected %s, found none of that name", f->path, q->name,
                           shape_text(need, q->rank, q->dim));
    if (!is_floating(t->dtype) || t->rank != q->rank || memcmp(t->dim, q->dim, (size_t)q->rank * sizeof *q->dim))
        return nn_fail(err, NN_ESHAPE, "%s: tensor '%s': expected F16, F32 or F64 %s, found %s %s", f->path, q->name,
                       shape_text(need, q->rank, q->dim), nn_dtype_name(t->dtype), shape_text(has, t->rank, t->dim));
    const uint64_t n = elements(t), i = first_not_finite(f, t);
    if (i == n) return NN_OK;
    return nn_fail(err, NN_EFORMAT, "%s: tensor '%s': expected finite numbers, found element %" PRIu64 " of %" PRIu64 " is not (or does not fit)", f->path,
                   q->name, i, n);
}

static bool is_wanted(const char *name, const nn_want *want, size_t count)
{
    for (size_t i = 0; i < count; i++) if (!strcmp(want[i].name, name)) return true;
    return false;
}

/* Every wanted tensor is there and there are more: one of the first count + 1 is not wanted. */
static nn_status unexpected(const nn_st *f, const nn_want *want, size_t count, nn_err *err)
{
    size_t i = 0;
    while (i < count && is_wanted(f->entry[i].name, want, count)) i++;
    return nn_fail(err, NN_EFORMAT, "%s: expected %zu tensors, found %zu, '%.100s' among them", f->path, count, f->count, f->entry[i].name);
}

nn_status nn_st_bind(nn_st *f, const nn_want *want, size_t count, bool exact, nn_err *err)
{
    st_impl *impl = f->impl;
    nn_arena room = { 0 };
    nn_take(&room, sizeof(block));
    for (size_t i = 0; i < count; i++) {
        const nn_status status = check_want(f, &want[i], err);
        if (status != NN_OK) return status;
        const nn_st_entry *t = nn_st_find(f, want[i].name);
        /* analyze: check_want has found it */
        if (!in_place(f, t)) nn_take_real(&room, (nn_dim)elements(t));
    }
    if (exact && f->count > count) return unexpected(f, want, count, err);

    block *b = nn_alloc(room.used, f->path, err);
    if (!b) return NN_ENOMEM;
    room = (nn_arena){ (char *)b, 0 };
    nn_take(&room, sizeof(block));
    b->next = impl->converted;
    impl->converted = b;
    for (size_t i = 0; i < count; i++) {
        const nn_st_entry *t = nn_st_find(f, want[i].name);
        if (in_place(f, t)) { *want[i].slot = (const real *)(const void *)(f->data + t->begin); continue; }
        real *to = nn_take_real(&room, (nn_dim)elements(t));
        for (uint64_t j = 0, n = elements(t); j < n; j++) to[j] = element(f, t, j);
        *want[i].slot = to;
    }
    return NN_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* The header's JSON text, padded; NULL and err on failure. */
static char *make_header(const nn_st_tensor *tensor, size_t count, const nn_st_pair *meta, size_t meta_count, size_t *size, nn_err *err)
{
    json_t *root = json_object();
    uint64_t at = 0;
    bool made = root != NULL;
    if (meta_count) {
        json_t *pairs = json_object();
        for (size_t i = 0; i < meta_count; i++) made = !json_object_set_new(pairs, meta[i].key, json_string(meta[i].value)) && made;
        made = !json_object_set_new(root, "__metadata__", pairs) && made;
    }
    for (size_t i = 0; made && i < count; i++) {
        const nn_st_tensor *t = &tensor[i];
        uint64_t bytes;
        NN_ASSERT(t->rank >= 0 && t->rank <= NN_RANK_MAX && !json_object_get(root, t->name));       /* names are unique */
        NN_ASSERT(tensor_bytes(t->dtype, t->rank, t->dim, &bytes) && bytes <= (uint64_t)INT64_MAX - at);
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++) made = !json_array_append_new(shape, json_integer((json_int_t)t->dim[d])) && made;
        json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", nn_dtype_name(t->dtype), "shape", shape,
                                  "data_offsets", (json_int_t)at, (json_int_t)(at + bytes));
        made = !json_object_set_new(root, t->name, entry) && made;
        at += bytes;
    }
    char *text = NULL;
    if (!made) nn_fail(err, NN_ENOMEM, "safetensors header: not enough memory, or a name that is not UTF-8");
    else if ((text = nn_json_line(root, err))) {
        const size_t length = strlen(text);
        char *padded = nn_alloc(length + 8, "safetensors header", err);
        *size = (length + 7) / 8 * 8;
        if (padded) memcpy(memset(padded, ' ', *size), text, length);
        nn_free(text);
        text = padded;
    }
    json_decref(root);
    return text;
}

nn_status nn_st_write(const char *path, const nn_st_tensor *tensor, size_t count, const nn_st_pair *meta, size_t meta_count,
                      nn_err *err)
{
    int unlocked = -1;
    return nn_st_write_locked(path, tensor, count, meta, meta_count, &unlocked, err);
}

nn_status nn_st_write_locked(const char *path, const nn_st_tensor *tensor, size_t count, const nn_st_pair *meta, size_t meta_count,
                             int *lock, nn_err *err)
{
    size_t size;
    char *header = make_header(tensor, count, meta, meta_count, &size, err);
    if (!header) return NN_ENOMEM;
    const uint64_t length = size;
    nn_stage s;
    nn_stage_open(&s, path, err);
    nn_stage_add(&s, &length, sizeof length, err);
    nn_stage_add(&s, header, size, err);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes;
        tensor_bytes(tensor[i].dtype, tensor[i].rank, tensor[i].dim, &bytes);
        nn_stage_add(&s, tensor[i].data, (size_t)bytes, err);
    }
    nn_free(header);
    return nn_stage_publish_locked(&s, path, lock, err);
}

/* ---- identity ----------------------------------------------------------------------------------------------------- */

static void hash_u64(nn_hash *h, uint64_t v) { nn_hash_add(h, &v, sizeof v); }

/* With its NUL, which no name or value can hold (the JSON reader refuses it): texts cannot run into each other. */
static void hash_text(nn_hash *h, const char *text) { nn_hash_add(h, text, strlen(text) + 1); }

nn_status nn_st_identity(const nn_st *f, const char *const *keys, size_t key_count, char hex[65], nn_err *err)
{
    nn_hash *h = nn_hash_open(err);
    if (!h) return NN_ENOMEM;
    for (size_t i = 0; i < key_count; i++) {
        const char *value = nn_st_meta(f, keys[i]);
        if (!value) continue;
        hash_text(h, keys[i]);
        hash_text(h, value);
    }
    for (size_t i = 0; i < f->count; i++) {
        const nn_st_entry *t = &f->entry[i];
        hash_text(h, t->name);
        hash_text(h, nn_dtype_name(t->dtype));
        hash_u64(h, (uint64_t)t->rank);
        for (int d = 0; d < t->rank; d++) hash_u64(h, t->dim[d]);
        hash_u64(h, t->end - t->begin);
        nn_hash_add(h, f->data + t->begin, (size_t)(t->end - t->begin));
    }
    nn_hash_close(h, hex);
    return NN_OK;
}
