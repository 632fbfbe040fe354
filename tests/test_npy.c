/* test_npy.c: NumPy files: bytes equal to numpy.save's, what is read, what is refused. */
#include "tests/t.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/file.h"
#include "nn/npy.h"

enum { ROOM = 1024 };

/* Magic, version, length, header text, data. */
static size_t make(uint8_t *out, int version, const char *header, const void *data, size_t size)
{
    const size_t n = strlen(header), word = version == 1 ? 2 : 4;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    for (size_t i = 0; i < word; i++) out[8 + i] = (uint8_t)(n >> 8 * i);
    memcpy(out + 8 + word, header, n);
    memcpy(out + 8 + word + n, data, size);
    return 8 + word + n + size;
}

/* What numpy 2 writes for these arrays: the text, spaces and a newline up to byte 128, then the numbers. */
static void test_write(void)
{
    static const struct { int rank; uint64_t dim[3]; const char *shape; } cases[] = {
        { 0, { 0 }, "()" }, { 1, { 1 }, "(1,)" }, { 2, { 2, 3 }, "(2, 3)" }, { 3, { 0, 3, 7 }, "(0, 3, 7)" },
    };
    const float x[6] = { 1, 2, 3, 4, 5, -6.5f };
    char path[300];
    nn_format(path, sizeof path, "%s/a.npy", t_folder("npy"));
    for (int i = 0; i < 4; i++) {
        nn_err err = { 0 };
        size_t count = 1;
        for (int d = 0; d < cases[i].rank; d++) count *= (size_t)cases[i].dim[d];
        uint8_t want[ROOM];
        char header[200];
        const int n = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", cases[i].shape);
        memset(header + n, ' ', sizeof header - (size_t)n);
        header[117] = '\n';
        header[118] = '\0';
        const size_t size = make(want, 1, header, x, count * 4);
        t_status(nn_npy_write(path, x, cases[i].rank, cases[i].dim, &err), NN_OK, &err, NULL, "write: %s", err.msg);
        nn_bytes b = { 0 };
        nn_file_read(path, ROOM, &b, &err);
        t_check(b.size == size, "%s: %zu bytes, expected %zu", cases[i].shape, b.size, size);
        t_same(b.data, want, b.size < size ? b.size : size, "%s: the bytes of numpy.save", cases[i].shape);
        nn_bytes_free(&b);
        nn_npy a;
        if (!t_status(nn_npy_read(path, &a, &err), NN_OK, &err, NULL, "read back: %s", err.msg)) continue;
        int wrong = a.rank != cases[i].rank || memcmp(a.dim, cases[i].dim, (size_t)a.rank * sizeof *a.dim);
        for (size_t j = 0; j < count; j++) wrong += a.data[j] != x[j];
        t_check(!wrong, "%s comes back", cases[i].shape);
        nn_npy_free(&a);
    }
}

static void test_read(void)
{
    const double d[2] = { 0.1, -INFINITY };
    const float s[2] = { 0.1f, 1e-40f };
    static const struct { int version, wide; const char *header; } good[] = {
        { 1, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n" }, { 2, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1)}" },
        { 3, 0, "{\"shape\":(1,2,),\"descr\":\"<f4\",\"fortran_order\":False}  \n" }, { 1, 0, "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }" },
    };
    for (int i = 0; i < 4; i++) {
        uint8_t file[ROOM];
        nn_npy a;
        nn_err err = { 0 };
        const size_t size = make(file, good[i].version, good[i].header, good[i].wide ? (const void *)d : s, good[i].wide ? 16 : 8);
        if (!t_status(nn_npy_parse(&a, file, size, "x.npy", &err), NN_OK, &err, NULL, "read %s: %s", good[i].header, err.msg)) continue;
        t_check(a.data[0] == (good[i].wide ? (real)d[0] : s[0]) && a.data[1] == (good[i].wide ? (real)d[1] : s[1]), "values of %s", good[i].header);
        nn_npy_free(&a);
    }
}

/* Label maps and counts come as whole numbers of every size. */
static void test_whole(void)
{
    static const struct { const char *descr; size_t width; uint8_t bytes[8]; double want; } cases[] = {
        { "|u1", 1, { 200 }, 200 }, { "|i1", 1, { 200 }, -56 }, { "|b1", 1, { 1 }, 1 }, { "<u2", 2, { 1, 255 }, 65281 }, { "<i2", 2, { 1, 255 }, -255 },
        { "<u4", 4, { 0, 0, 0, 255 }, 4278190080.0 }, { "<i4", 4, { 255, 255, 255, 255 }, -1 }, { "<i8", 8, { 34 }, 34 },
        { "<u8", 8, { 0, 0, 0, 0, 0, 0, 0, 128 }, 9223372036854775808.0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t file[ROOM];
        char header[100];
        nn_npy a;
        nn_err err = { 0 };
        nn_format(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (1,)}", cases[i].descr);
        const size_t size = make(file, 1, header, cases[i].bytes, cases[i].width);
        if (!t_status(nn_npy_parse(&a, file, size, "x.npy", &err), NN_OK, &err, NULL, "%s: %s", cases[i].descr, err.msg)) continue;
        t_check(a.data[0] == (real)cases[i].want, "%s: %g, expected %g", cases[i].descr, (double)a.data[0], cases[i].want);
        nn_npy_free(&a);
    }
}

/* Archives that numpy 2.4 wrote: tests/golden/make_npz.py. */
static void test_archive(void)
{
    static const struct { const char *path, *array; nn_status status; const char *part; } cases[] = {
        { "tests/golden/two_stored.npz", "z", NN_OK, NULL }, { "tests/golden/two_deflated.npz", "z", NN_OK, NULL },
        { "tests/golden/one_deflated.npz", NULL, NN_OK, NULL }, { "tests/golden/two_stored.npz", NULL, NN_EFORMAT, "told which; found 2" },
        { "tests/golden/two_stored.npz", "v", NN_EFORMAT, "two_stored.npz: has no array 'v'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nn_npy a;
        nn_err err = { 0 };
        if (!t_status(nn_npz_read(cases[i].path, cases[i].array, &a, &err), cases[i].status, &err, cases[i].part, "%s: %s", cases[i].path, err.msg)
            || cases[i].status) continue;
        int wrong = a.rank != 2 || a.dim[0] != 40 || a.dim[1] != 16;
        for (int j = 0; j < 640 && !wrong; j++) wrong += a.data[j] != (real)(j % 37) / 8;
        t_check(!wrong, "%s: the array of make_npz.py", cases[i].path);
        nn_npy_free(&a);
    }
}

/* A zip bomb: 70,000 bytes that promise to become `size`.  Refused by what the directory says. */
static void test_bomb(uint32_t size, const char *part)
{
    enum { PACKED = 70000, NAME = 5 };
    static uint8_t file[PACKED + 300];
    uint8_t common[26] = { 20, 0, 0, 0, 8 };                /* version, flags, deflated, time, CRC, packed, size, length of the name */
    const uint32_t word[3] = { PACKED, size, NAME };
    for (size_t i = 0; i < 12; i++) common[14 + i] = (uint8_t)(word[i / 4] >> 8 * (i % 4));
    size_t at = 0;
    nn_format((char *)file, sizeof file, "PK\3\4");
    memcpy(file + 4, common, 26);
    memcpy(file + 30, "x.npy", NAME);
    at = 30 + NAME + PACKED;
    const size_t directory = at;
    memcpy(file + at, "PK\1\2\24", 6);
    memcpy(file + at + 6, common, 26);
    memcpy(file + at + 46, "x.npy", NAME);
    at += 46 + NAME;
    memcpy(file + at, "PK\5\6", 4);
    file[at + 8] = file[at + 10] = 1;
    file[at + 12] = 46 + NAME;
    for (size_t i = 0; i < 4; i++) file[at + 16 + i] = (uint8_t)(directory >> 8 * i);
    at += 22;
    char path[300];
    nn_format(path, sizeof path, "%s/bomb.npz", t_folder("npy"));
    nn_err err = { 0 };
    nn_npy a;
    t_status(nn_file_write(path, file, at, &err), NN_OK, &err, NULL, "%s", err.msg);
    t_status(nn_npz_read(path, NULL, &a, &err), NN_EFORMAT, &err, part, "a bomb of %u bytes: %s", size, err.msg);
}

static void test_refused(void)
{
    static const struct { const char *header; size_t data; const char *part; } bad[] = {
        { "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8, "expected numbers of type '<f4', '<f8' or whole ones, found '>f4'" },
        { "{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }", 8, "found '<f2'" },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "found '|O'" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }", 8, "expected C order" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8, "expected 12 bytes of numbers, found 8" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 8, "expected 4 bytes of numbers, found 8" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0, "overflows 64 bits" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551618,), }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (,), }", 0, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,), }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", 8, "at most 8 sizes" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2 }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, }", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 'y'}", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8, "expected a header" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, "expected a header" },
        { "{'descr': '<f4", 0, "expected a header" }, { "", 8, "expected a header" },
    };
    const uint8_t zero[8] = { 0 };
    uint8_t file[ROOM];
    nn_npy a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err err = { 0 };
        t_status(nn_npy_parse(&a, file, make(file, 1, bad[i].header, zero, bad[i].data), "x.npy", &err), NN_EFORMAT, &err, bad[i].part, "refused: %s", bad[i].header);
        t_check(!a.data, "nothing is left");
    }
    nn_err err = { 0 };
    const size_t size = make(file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", zero, 8);
    file[6] = 4;
    t_status(nn_npy_parse(&a, file, size, "x.npy", &err), NN_EFORMAT, &err, "expected .npy version 1.0, 2.0 or 3.0, found 4.0", "a later version");
    err = (nn_err){ 0 };
    t_status(nn_npy_parse(&a, "PK\3\4..........", 14, "x.npy", &err), NN_EFORMAT, &err, "x.npy: expected a NumPy .npy file", "a zip");

    file[6] = 1;
    int odd = 0;
    for (size_t n = 0; n < size; n++) {
        nn_err e = { 0 };
        odd += nn_npy_parse(&a, file, n, "x.npy", &e) != NN_EFORMAT || a.data || (n >= 10 && n < size - 8 && !strstr(e.msg, "cut short"));
    }
    t_check(!odd, "%d of %zu truncated files handled in a strange way", odd, size);
    odd = 0;
    for (size_t n = 0; n < size; n++) for (int v = 0; v < 256; v++) {
        nn_err e = { 0 };
        const uint8_t old = file[n];
        file[n] = (uint8_t)v;
        const nn_status s = nn_npy_parse(&a, file, size, "x.npy", &e);
        odd += s == NN_OK ? !a.data : s != NN_EFORMAT || strncmp(e.msg, "x.npy: ", 7);
        nn_npy_free(&a);
        file[n] = old;
    }
    t_check(!odd, "%d changed bytes handled in a strange way", odd);
}

int main(void)
{
    test_write();
    test_read();
    test_whole();
    test_archive();
    test_bomb(66 << 20, "record 'x.npy': expected at most 64 bytes for one of 70000 packed ones");
    test_bomb(60 << 20, "do not unpack to");                /* what real numbers may take is tried */
    test_refused();
    return t_done();
}
