/* test_safetensors.c: what is accepted, what is refused and in which words, what is written. */
#include "tests/t.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "nn/safetensors.h"

enum { ROOM = 4096 };

/* A file in memory: header text, then `data` bytes 0, 1, 2, ... */
static size_t make(uint8_t *out, const char *header, size_t data)
{
    const uint64_t n = strlen(header);
    memcpy(out, &n, 8);
    memcpy(out + 8, header, n);
    for (size_t i = 0; i < data; i++) out[8 + n + i] = (uint8_t)i;
    return 8 + n + data;
}

static void test_refused(void)
{
    static const struct { const char *why, *header; size_t data; const char *part; } bad[] = {
        { "empty header", "", 0, "does not start with '{'" },
        { "array", "[]", 0, "does not start with '{'" },
        { "broken JSON", "{\"a\":", 0, "not valid JSON" },
        { "text after", "{} x", 0, "not valid JSON" },
        { "not UTF-8", "{\"\xff\":1}", 0, "not valid JSON" },
        { "NUL in a name", "{\"a\\u0000b\":1}", 0, "not valid JSON" },
        { "duplicate name", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "duplicate" },
        { "duplicate behind an escape", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "duplicate" },
        { "duplicate inside", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "duplicate" },
        { "tensor is a number", "{\"a\":7}", 0, "tensor 'a': expected an object of dtype, shape and data_offsets, found 7" },
        { "missing key", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "expected an object of dtype, shape and data_offsets" },
        { "other key", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"offsets\":[0,1]}}", 1, "data_offsets of two whole numbers, found nothing" },
        { "extra key", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, "expected an object of dtype, shape and data_offsets" },
        { "unknown dtype", "{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "found \"BF16\"" },
        { "dtype number", "{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "expected dtype F16, F32, F64, I64, I32 or U8, found 4" },
        { "negative size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "shape of at most 8 whole numbers, found [-1]" },
        { "real size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, "shape of at most 8 whole numbers" },
        { "text size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]}}", 1, "shape of at most 8 whole numbers" },
        { "huge size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,1]}}", 1, "not valid JSON: too big" },
        { "rank 9", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "at most 8 whole numbers" },
        { "overflow", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "overflows 64 bits" },
        { "overflow by dtype", "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, "overflows 64 bits" },
        { "one offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "data_offsets of two whole numbers" },
        { "negative offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "data_offsets of two whole numbers" },
        { "reversed", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "expected bytes [0,1) for U8 [1], found [1,0)" },
        { "too few bytes for the shape", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,20]}}", 20, "expected bytes [0,24) for F32 [2,3], found [0,20)" },
        { "too many", "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,2]}}", 2, "expected bytes [0,1) for U8 [], found [0,2)" },
        { "hole", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}", 3, "tensor 'b': expected bytes [1,2)" },
        { "hole at the start", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "expected bytes [0,1)" },
        { "overlap", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "tensor 'b': expected bytes [2,4)" },
        { "shared bytes", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "expected bytes [2,4)" },
        { "empty tensor inside another", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", 4, "tensor 'b'" },
        { "surplus", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, "expected 1 bytes of numbers, found 2 (surplus)" },
        { "surplus without tensors", "{}", 1, "expected 0 bytes of numbers, found 1" },
        { "cut short", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "expected 8 bytes of numbers, found 7 (cut short)" },
        { "metadata is a list", "{\"__metadata__\":[]}", 0, "__metadata__: expected an object" },
        { "metadata number", "{\"__metadata__\":{\"format\":1}}", 0, "metadata 'format': expected a text" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t file[ROOM];
        nn_st f;
        nn_err err = { 0 };
        const size_t size = make(file, bad[i].header, bad[i].data);
        t_status(nn_st_parse(&f, file, size, "x.st", &err), NN_EFORMAT, &err, bad[i].part, "refused: %s", bad[i].why);
        t_check(!f.impl && !f.count && !strncmp(err.msg, "x.st: ", 6), "%s: nothing is left, the file is named: %s", bad[i].why, err.msg);
        nn_st_close(&f);
    }
}

static void test_write_read_bind(void)
{
    float a[6] = { 1, 2, 3, 4, 5, -6.5f }, scalar = 0.25f;
    const double d[2] = { 1e-3, 4 };
    const uint16_t h[3] = { 0x3c00, 0x0001, 0xc000 };
    const uint8_t u[3] = { 7, 8, 9 };
    const nn_st_tensor out[] = { { "z.a", NN_F32, 2, { 2, 3 }, a }, { "h", NN_F16, 1, { 3 }, h }, { "none", NN_F32, 2, { 0, 5 }, a },
                                 { "d", NN_F64, 1, { 2 }, d }, { "scalar", NN_F32, 0, { 0 }, &scalar }, { "u", NN_U8, 1, { 3 }, u } };
    const nn_st_pair meta[] = { { "format", "1" }, { "note", "say \"hé\"" }, { "big", "9999999999999999999" }, { "minus", "-3" },
                                { "wraps", "18446744073709551621" } };
    char path[300];
    nn_err err = { 0 };
    nn_st f;
    nn_format(path, sizeof path, "%s/a.safetensors", t_folder("st"));
    t_status(nn_st_write(path, out, 6, meta, 5, &err), NN_OK, &err, NULL, "write");
    nn_bytes b = { 0 };
    nn_file_read(path, 1 << 16, &b, &err);
    t_check(b.size > 8 && b.data[0] % 8 == 0 && b.data[1] < 8, "the header is padded to a multiple of 8");
    nn_bytes_free(&b);
    if (!t_status(nn_st_open(&f, path, &err), NN_OK, &err, NULL, "open: %s", err.msg)) return;
    t_check(f.count == 6 && !strcmp(f.entry[0].name, "d") && !strcmp(f.entry[5].name, "z.a"), "six entries by name");
    t_check((uintptr_t)f.data % 64 == 0, "data is 64-byte aligned");
    t_check(nn_st_meta(&f, "note") && !strcmp(nn_st_meta(&f, "note"), "say \"hé\"") && !nn_st_meta(&f, "absent"), "metadata");
    nn_dim v = 0;
    t_check(nn_st_meta_dim(&f, "format", 1, 1, &v, &err) == NN_OK && v == 1, "metadata number");
    t_check(nn_st_meta_dim(&f, "minus", -5, 5, &v, &err) == NN_OK && v == -3, "negative metadata number");
    t_status(nn_st_meta_dim(&f, "format", 2, 9, &v, &err), NN_EFORMAT, &err, "expected a whole number from 2 to 9, found '1'", "out of range");
    err = (nn_err){ 0 };
    t_status(nn_st_meta_dim(&f, "big", 0, 9, &v, &err), NN_EFORMAT, &err, "found '9999999999999999999'", "too big");
    err = (nn_err){ 0 };
    t_status(nn_st_meta_dim(&f, "wraps", 0, 9, &v, &err), NN_EFORMAT, &err, "found '18446744073709551621'", "2^64 + 5");
    err = (nn_err){ 0 };
    t_status(nn_st_meta_dim(&f, "format", 0, 0, &v, &err), NN_EFORMAT, &err, "expected a whole number from 0 to 0, found '1'", "above the range");
    err = (nn_err){ 0 };
    t_status(nn_st_meta_dim(&f, "note", 0, 9, &v, &err), NN_EFORMAT, &err, "metadata 'note'", "not a number");
    err = (nn_err){ 0 };
    t_status(nn_st_meta_dim(&f, "absent", 0, 9, &v, &err), NN_EFORMAT, &err, "found nothing", "absent");

    const real *pa = NULL, *ph = NULL, *pn = NULL, *pd = NULL, *ps = NULL, *pu = NULL;
    const nn_want want[] = { { "z.a", 2, { 2, 3 }, &pa }, { "h", 1, { 3 }, &ph }, { "none", 2, { 0, 5 }, &pn }, { "d", 1, { 2 }, &pd },
                             { "scalar", 0, { 0 }, &ps }, { "u", 1, { 3 }, &pu } };
    err = (nn_err){ 0 };
    t_status(nn_st_bind(&f, want, 5, true, &err), NN_EFORMAT, &err, "expected 5 tensors, found 6, 'u' among them", "unexpected tensor");
    err = (nn_err){ 0 };
    t_status(nn_st_bind(&f, want, 6, true, &err), NN_ESHAPE, &err, "tensor 'u': expected F16, F32 or F64 [3], found U8 [3]", "a whole-number tensor");
    t_check(!pa && !ph, "a failed bind fills no slot");
    err = (nn_err){ 0 };
    if (t_status(nn_st_bind(&f, want, 5, false, &err), NN_OK, &err, NULL, "bind: %s", err.msg)) {
        t_same(pa, a, sizeof a, "F32 values");
        t_check((const uint8_t *)pa == f.data, "aligned F32 is not copied");
        t_check(pn && ps && *ps == scalar, "scalar and empty");
        t_check(ph[0] == 1.0f && ph[1] == 0x1p-24f && ph[2] == -2.0f, "F16 values");
        t_check(pd[0] == 1e-3f && pd[1] == 4.0f, "F64 values");
        t_check((uintptr_t)ps % sizeof(real) == 0, "every pointer is aligned");
    }
    const nn_want shape[] = { { "z.a", 2, { 3, 2 }, &pa } }, rank[] = { { "z.a", 1, { 2 }, &pa } }, absent[] = { { "q", 1, { 6 }, &pa } };
    err = (nn_err){ 0 };
    t_status(nn_st_bind(&f, shape, 1, false, &err), NN_ESHAPE, &err, "tensor 'z.a': expected F16, F32 or F64 [3,2], found F32 [2,3]", "shape");
    err = (nn_err){ 0 };
    t_status(nn_st_bind(&f, rank, 1, false, &err), NN_ESHAPE, &err, "[2], found F32 [2,3]", "rank");
    err = (nn_err){ 0 };
    t_status(nn_st_bind(&f, absent, 1, false, &err), NN_EFORMAT, &err, "tensor 'q': expected [6], found none", "absent");
    nn_st_close(&f);
    nn_st_close(&f);

    a[4] = INFINITY;
    nn_st_write(path, out, 1, NULL, 0, NULL);
    err = (nn_err){ 0 };
    t_status(nn_st_open(&f, path, &err), NN_OK, &err, NULL, "open");
    t_status(nn_st_bind(&f, want, 1, true, &err), NN_EFORMAT, &err, "tensor 'z.a': expected finite numbers, found element 4 of 6", "not finite");
    nn_st_close(&f);
}

/* Wherever it stands: numbers are looked at 256 at a time, too. */
static void test_not_finite(void)
{
    enum { N = 1000 };
    static const int place[] = { 0, 255, 256, 511, 512, 700, 767, 768, 999 };
    static const float bad[] = { INFINITY, -INFINITY, NAN, -NAN };
    float x[N];
    char path[300];
    const real *bound;
    nn_format(path, sizeof path, "%s/a.safetensors", t_folder("notfinite"));
    const nn_st_tensor out = { "x", NN_F32, 1, { N }, x };
    const nn_want want = { "x", 1, { N }, &bound };
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        char said[64];
        nn_st f;
        nn_err err = { 0 };
        for (int j = 0; j < N; j++) x[j] = j % 2 ? 3.4e38f : -1e-45f;
        x[place[i]] = bad[i % 4];
        nn_st_write(path, &out, 1, NULL, 0, NULL);
        t_status(nn_st_open(&f, path, &err), NN_OK, &err, NULL, "open");
        nn_format(said, sizeof said, "found element %d of 1000 is not", place[i]);
        t_status(nn_st_bind(&f, &want, 1, true, &err), NN_EFORMAT, &err, said, "not finite at %d", place[i]);
        nn_st_close(&f);
    }
}

/* Every half against its definition, (-1)^s 2^(e-15) (1 + f/1024) or (-1)^s 2^-14 f/1024.  (IEEE 754-2008, 3.4) */
static void test_halves(void)
{
    enum { N = 65536 };
    static uint16_t half[N];
    int finite = 0, wrong = 0;
    for (int i = 0; i < N; i++) if ((i >> 10 & 31) != 31) half[finite++] = (uint16_t)i;
    const nn_st_tensor out[] = { { "h", NN_F16, 1, { (uint64_t)finite }, half } };
    char path[300];
    nn_err err = { 0 };
    nn_st f;
    const real *x = NULL;
    const nn_want want[] = { { "h", 1, { (uint64_t)finite }, &x } };
    nn_format(path, sizeof path, "%s/h.safetensors", t_folder("halves"));
    nn_st_write(path, out, 1, NULL, 0, &err);
    nn_st_open(&f, path, &err);
    if (t_status(nn_st_bind(&f, want, 1, true, &err), NN_OK, &err, NULL, "bind halves: %s", err.msg))
        for (int i = 0; i < finite; i++) {
            const int e = half[i] >> 10 & 31, m = half[i] & 1023;
            const double size = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24), v = half[i] & 0x8000 ? -size : size;
            wrong += (double)x[i] != v || !signbit(x[i]) != !signbit(v);
        }
    nn_st_close(&f);
    t_check(!wrong, "%d of %d halves are wrong", wrong, finite);

    const uint16_t bad[] = { 0x7c00, 0xfc00, 0x7e00, 0x7c01 };
    for (int i = 0; i < 4; i++) {
        const nn_st_tensor one[] = { { "h", NN_F16, 0, { 0 }, &bad[i] } };
        const nn_want w[] = { { "h", 0, { 0 }, &x } };
        err = (nn_err){ 0 };
        nn_st_write(path, one, 1, NULL, 0, &err);
        nn_st_open(&f, path, &err);
        t_status(nn_st_bind(&f, w, 1, true, &err), NN_EFORMAT, &err, "finite", "half %04x", bad[i]);
        nn_st_close(&f);
    }
    const double large = 1e39;                 /* finite, but not as a float */
    const nn_st_tensor one[] = { { "h", NN_F64, 0, { 0 }, &large } };
    const nn_want w[] = { { "h", 0, { 0 }, &x } };
    err = (nn_err){ 0 };
    nn_st_write(path, one, 1, NULL, 0, &err);
    nn_st_open(&f, path, &err);
    if (sizeof(real) == 4) t_status(nn_st_bind(&f, w, 1, true, &err), NN_EFORMAT, &err, "does not fit", "a double too large for a float");
    nn_st_close(&f);
}

/* F32 tensors that begin at an odd byte are copied to aligned memory. */
static void test_unaligned(void)
{
    const char *header = "{\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}";
    const float x[2] = { 1.5f, -2 };
    uint8_t file[ROOM];
    const size_t size = make(file, header, 9);
    memcpy(file + size - 8, x, 8);
    nn_st f;
    nn_err err = { 0 };
    const real *a = NULL;
    const nn_want want[] = { { "a", 1, { 2 }, &a } };
    t_status(nn_st_parse(&f, file, size, "x", &err), NN_OK, &err, NULL, "parse: %s", err.msg);
    t_status(nn_st_bind(&f, want, 1, false, &err), NN_OK, &err, NULL, "bind: %s", err.msg);
    t_check((uintptr_t)a % sizeof(real) == 0 && a[0] == x[0] && a[1] == x[1], "an unaligned tensor is copied");
    nn_st_close(&f);
}

/* What other writers may do: spaces after the header, tensors in any order, no tensors, empty names, 8 sizes. */
static void test_accepted(void)
{
    static const struct { const char *header; size_t data, count; } good[] = {
        { "{}", 0, 0 }, { "{}      ", 0, 0 }, { "{\"__metadata__\":{}}", 0, 0 },
        { "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},\"a\":{\"data_offsets\":[0,1],\"shape\":[],\"dtype\":\"U8\"}}", 3, 2 },
        { "{\"\":{\"dtype\":\"I64\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}", 8, 1 },
        { "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"z\":{\"dtype\":\"F64\",\"shape\":[9,0],\"data_offsets\":[2,2]},"
          "\"a\":{\"dtype\":\"I32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 2, 3 },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t file[ROOM];
        nn_st f;
        nn_err err = { 0 };
        t_status(nn_st_parse(&f, file, make(file, good[i].header, good[i].data), "x", &err), NN_OK, &err, NULL, "accepted: %s: %s", good[i].header, err.msg);
        t_check(f.count == good[i].count, "%zu tensors", f.count);
        nn_st_close(&f);
    }
}

/* Every truncation, and every byte of a good file changed to every value: accepted whole or refused in one line. */
static void test_mutants(void)
{
    const char *header = "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
                         "\"b\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[12,16]}}";
    uint8_t file[ROOM];
    const size_t size = make(file, header, 16);
    int odd = 0;
    nn_st f;
    for (size_t n = 0; n < size; n++) {
        nn_err err = { 0 };
        odd += nn_st_parse(&f, file, n, "x.st", &err) != NN_EFORMAT || strncmp(err.msg, "x.st: ", 6) || f.impl;
    }
    t_check(!odd, "%d of %zu truncated files handled in a strange way", odd, size);
    odd = 0;
    for (size_t n = 0; n < size; n++) for (int v = 0; v < 256; v++) {
        nn_err err = { 0 };
        const uint8_t old = file[n];
        file[n] = (uint8_t)v;
        const nn_status s = nn_st_parse(&f, file, size, "x.st", &err);
        uint64_t bytes = 0;
        for (size_t i = 0; i < f.count; i++) bytes += f.entry[i].end - f.entry[i].begin;
        odd += s == NN_OK ? bytes != f.data_bytes : s != NN_EFORMAT || strncmp(err.msg, "x.st: ", 6) || strchr(err.msg, '\n') || f.impl;
        nn_st_close(&f);
        file[n] = old;
    }
    t_check(!odd, "%d changed bytes handled in a strange way", odd);
}

static void test_not_ours(void)
{
    nn_st f;
    nn_err err = { 0 };
    t_status(nn_st_parse(&f, "1234567", 7, "x", &err), NN_EFORMAT, &err, "x: not a safetensors file: expected at least 8 bytes, found 7", "7 bytes");
    err = (nn_err){ 0 };
    t_status(nn_st_parse(&f, "\x89PNG\r\n\x1a\n    ", 12, "x", &err), NN_EFORMAT, &err, "x: not a safetensors file: expected a header of at most 100000000 bytes", "a PNG");
    err = (nn_err){ 0 };
    t_status(nn_st_parse(&f, "\5\0\0\0\0\0\0\0{}", 10, "x", &err), NN_EFORMAT, &err, "expected a header of 5 bytes, found 2", "header longer than the file");
    err = (nn_err){ 0 };
    t_status(nn_st_open(&f, "build/tmp/absent.safetensors", &err), NN_EIO, &err, "build/tmp/absent.safetensors: open: No such file", "missing");
    nn_st_close(&f);
    err = (nn_err){ 0 };
    t_status(nn_st_open(&f, "tests", &err), NN_EIO, &err, "tests: expected a file, found a folder", "a folder");
    static uint8_t deep[300];
    char header[201];
    memset(header, '[', 200);
    memcpy(header, "{\"a\":", 5);
    header[200] = 0;
    err = (nn_err){ 0 };
    t_status(nn_st_parse(&f, deep, make(deep, header, 0), "x", &err), NN_EFORMAT, &err, "nested deeper than 64", "deep JSON");
}

/* The stream of docs/FILES.md, hashed by the Python lines given there. */
static void test_identity(void)
{
    const float a[2] = { 1, 2 };
    const uint8_t u[3] = { 7, 8, 9 };
    const nn_st_tensor ab[] = { { "a", NN_F32, 2, { 1, 2 }, a }, { "b", NN_U8, 1, { 3 }, u } }, ba[] = { ab[1], ab[0] };
    const nn_st_pair one[] = { { "resolution", "128" }, { "note", "x" } }, two[] = { { "note", "other words" }, { "resolution", "128" } };
    static const char *keys[] = { "network", "resolution" };
    char path[300], hex[65], other[65];
    nn_err err = { 0 };
    nn_st f;
    nn_format(path, sizeof path, "%s/id.safetensors", t_folder("identity"));
    nn_st_write(path, ab, 2, one, 2, &err);
    nn_st_open(&f, path, &err);
    t_status(nn_st_identity(&f, keys, 2, hex, &err), NN_OK, &err, NULL, "identity");
    t_check(!strcmp(hex, "4fad297aecc86050203e2a08499965648a2d0858544126f191ed034d81556e14"), "identity is %s", hex);
    nn_st_close(&f);

    nn_st_write(path, ba, 2, two, 2, &err);
    nn_st_open(&f, path, &err);
    nn_st_identity(&f, keys, 2, other, &err);
    t_check(!strcmp(hex, other), "another order and other metadata give the same identity");
    nn_st_identity(&f, keys, 1, other, &err);
    t_check(strcmp(hex, other), "a listed key counts");
    nn_st_close(&f);

    nn_st_tensor changed[3][2] = { { ab[0], ab[1] }, { ab[0], ab[1] }, { ab[0], ab[1] } };
    const float nearly[2] = { 1, 2.0000002f };
    changed[0][0].data = nearly;
    changed[1][0].dim[0] = 2, changed[1][0].dim[1] = 1;
    changed[2][0].name = "a2";
    for (int i = 0; i < 3; i++) {
        nn_st_write(path, changed[i], 2, one, 2, &err);
        nn_st_open(&f, path, &err);
        nn_st_identity(&f, keys, 2, other, &err);
        t_check(strcmp(hex, other), "change %d changes the identity", i);
        nn_st_close(&f);
    }
}

int main(void)
{
    test_accepted();
    test_not_finite();
    test_halves();
    test_unaligned();
    test_mutants();
    test_not_ours();
    test_identity();
    test_refused();
    test_write_read_bind();
    return t_done();
}
