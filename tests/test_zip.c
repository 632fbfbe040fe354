/* test_zip.c: zip archives: what is read, and hostile ones. */
#include "tests/t.h"

#include <string.h>
#include <zlib.h>

#include "nn/zip.h"

enum { ROOM = 4096, FILES = 2 };

/* An archive of two stored records "a.txt" and "d/b.txt", as its parts: tests change one and put it together. */
typedef struct { const char *name, *data; uint32_t crc, packed, size, local; uint16_t flags, method; } piece;
typedef struct { piece file[FILES]; uint32_t count, begin_shift; uint16_t disk; size_t extra; } plan;

static plan good(void)
{
    plan p = { .count = FILES, .file = { { .name = "a.txt", .data = "first" }, { .name = "d/b.txt", .data = "second one" } } };
    for (int i = 0; i < FILES; i++) {
        piece *f = &p.file[i];
        f->size = f->packed = (uint32_t)strlen(f->data);
        f->crc = (uint32_t)crc32(0, (const Bytef *)f->data, f->size);
    }
    p.file[1].local = 30 + 5 + 5;
    return p;
}

static size_t put(uint8_t *to, size_t at, size_t bytes, uint32_t v)
{
    for (size_t i = 0; i < bytes; i++) to[at + i] = (uint8_t)(v >> 8 * i);
    return at + bytes;
}

/* The fields that local header and directory entry share, from the version needed to the extra field's length. */
static size_t put_common(uint8_t *to, size_t at, const piece *f)
{
    at = put(to, at, 2, 20);
    at = put(to, at, 2, f->flags);
    at = put(to, at, 2, f->method);
    at = put(to, at, 4, 0x00210000);                       /* 1 January 1980 */
    at = put(to, at, 4, f->crc);
    at = put(to, at, 4, f->packed);
    at = put(to, at, 4, f->size);
    at = put(to, at, 2, (uint32_t)strlen(f->name));
    return put(to, at, 2, 0);
}

static size_t build(uint8_t to[ROOM], const plan *p)
{
    size_t at = 0;
    for (int i = 0; i < FILES; i++) {
        const piece *f = &p->file[i];
        at = put_common(to, put(to, at, 4, 0x04034b50), f);
        memcpy(to + at, f->name, strlen(f->name));
        at += strlen(f->name);
        memcpy(to + at, f->data, strlen(f->data));
        at += strlen(f->data);
    }
    const size_t directory = at;
    for (int i = 0; i < FILES; i++) {
        const piece *f = &p->file[i];
        at = put_common(to, put(to, put(to, at, 4, 0x02014b50), 2, 20), f);
        memset(to + at, 0, 10);
        at = put(to, at + 10, 4, f->local);
        memcpy(to + at, f->name, strlen(f->name));
        at += strlen(f->name);
    }
    const size_t size = at - directory;
    at = put(to, at, 4, 0x06054b50);
    at = put(to, put(to, at, 2, p->disk), 2, 0);
    at = put(to, put(to, at, 2, p->count), 2, p->count);
    at = put(to, put(to, at, 4, (uint32_t)size), 4, (uint32_t)directory + p->begin_shift);
    at = put(to, at, 2, 0);
    memset(to + at, 0, p->extra);
    return at + p->extra;
}

static void test_good(void)
{
    uint8_t file[ROOM];
    nn_zip z;
    nn_bytes b;
    nn_err err = { 0 };
    const plan p = good();
    if (!t_status(nn_zip_parse(&z, file, build(file, &p), "x.zip", &err), NN_OK, &err, NULL, "a good archive: %s", err.msg)) return;
    t_check(z.count == 2 && !strcmp(z.entry[1].name, "d/b.txt") && nn_zip_find(&z, "a.txt") == z.entry && !nn_zip_find(&z, "b.txt"), "its names");
    if (t_status(nn_zip_get(&z, &z.entry[1], &b, &err), NN_OK, &err, NULL, "a record: %s", err.msg)) {
        t_check(b.size == 10 && !memcmp(b.data, "second one", 10), "its bytes");
        nn_bytes_free(&b);
    }
    nn_zip_close(&z);
    t_status(nn_zip_open(&z, "tests/golden", &err), NN_EIO, &err, NULL, "a folder");
}

/* Parsing, and reading every record, ends in this line. */
static void refused(const plan *p, const char *part)
{
    uint8_t file[ROOM];
    nn_zip z;
    nn_err err = { 0 };
    nn_status s = nn_zip_parse(&z, file, build(file, p), "x.zip", &err);
    for (size_t i = 0; !s && i < z.count; i++) {
        nn_bytes b;
        s = nn_zip_get(&z, &z.entry[i], &b, &err);
        t_check(!s || !b.data, "nothing is left");
        nn_bytes_free(&b);
    }
    t_status(s, NN_EFORMAT, &err, part, "refused: %s", part);
    nn_zip_close(&z);
}

static void test_hostile(void)
{
    plan p = good();
    p.file[0].crc ^= 1;
    refused(&p, "record 'a.txt': its CRC is wrong");
    static const char *const name[] = { "/etc/passwd", "../a", "d/../../a", "d\\a", "a\nb", "" };
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        p = good();
        p.file[1].name = name[i];
        refused(&p, "a name that is no path inside a folder");
    }
    p = good();
    p.file[1].name = "a.txt";
    refused(&p, "record 'a.txt' is there twice");
    p = good();
    p.file[1].local = 0;
    refused(&p, "overlap");
    p = good();
    p.file[1].local = 1;
    refused(&p, "expected a record's header at byte 1");
    p = good();
    p.file[1].packed = p.file[1].size = 11;
    refused(&p, "a record that does not fit at byte 40");
    p = good();
    p.file[0].size = 6;
    refused(&p, "stored 5 bytes for 6");
    p = good();
    p.file[0].method = 8;
    refused(&p, "its packed bytes do not unpack to 5");
    p.file[0].size = 6000;
    refused(&p, "6000 bytes cannot be packed into 5");
    p = good();
    p.file[0].method = 12;
    refused(&p, "expected stored or deflated, found compression 12");
    p = good();
    p.file[0].flags = 1;
    refused(&p, "is encrypted");
    p = good();
    p.file[0].packed = UINT32_MAX;
    refused(&p, "zip64 is not supported");
    p = good();
    p.count = 1;
    refused(&p, "bytes after the last directory entry");
    p.count = 3;
    refused(&p, "expected a directory entry");
    p.count = 65535;
    refused(&p, "zip64 is not supported");
    p = good();
    p.disk = 1;
    refused(&p, "several disks");
    p = good();
    p.begin_shift = 1;
    refused(&p, "the directory does not end where its end record begins");
    p = good();
    p.extra = 1;
    refused(&p, "expected a zip archive, found no directory at its end");
}

/* Every prefix and every changed byte of an archive that NumPy wrote: read, or refused in one line. */
static void test_changed(void)
{
    nn_bytes file;
    nn_err err = { 0 };
    if (!t_status(nn_file_read("tests/golden/one_deflated.npz", 1 << 20, &file, &err), NN_OK, &err, NULL, "%s", err.msg)) return;
    int odd = 0, read = 0;
    for (size_t n = 0; n < file.size; n++) {
        nn_zip z;
        nn_err e = { 0 };
        odd += nn_zip_parse(&z, file.data, n, "x.zip", &e) != NN_EFORMAT || z.entry;
    }
    t_check(!odd, "%d of %zu cut archives handled in a strange way", odd, file.size);
    odd = 0;
    for (size_t n = 0; n < file.size; n++)
        for (int bit = 0; bit < 8; bit++) {
            nn_zip z;
            nn_err e = { 0 };
            file.data[n] ^= (uint8_t)(1 << bit);
            nn_status s = nn_zip_parse(&z, file.data, file.size, "x.zip", &e);
            for (size_t i = 0; !s && i < z.count; i++) {
                nn_bytes b;
                s = nn_zip_get(&z, &z.entry[i], &b, &e);
                nn_bytes_free(&b);
            }
            read += s == NN_OK;
            odd += s && (s != NN_EFORMAT || strncmp(e.msg, "x.zip: ", 7) || strchr(e.msg, '\n'));
            nn_zip_close(&z);
            file.data[n] ^= (uint8_t)(1 << bit);
        }
    t_check(!odd, "%d changed bytes handled in a strange way", odd);
    t_check(read > 0, "dates and names may change");
    nn_bytes_free(&file);
}

int main(void)
{
    test_good();
    test_hostile();
    test_changed();
    return t_done();
}
