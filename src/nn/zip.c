/* zip.c: zip archives.  The directory at the end is what counts; local headers only say where a record's data begins. */
#include "nn/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "nn/sys.h"

enum { END = 22, CENTRAL = 46, LOCAL = 30, COMMENT_MAX = 65535, DEFLATE_MOST = 1032 };
static const uint8_t END_MARK[4] = "PK\5\6", CENTRAL_MARK[4] = "PK\1\2", LOCAL_MARK[4] = "PK\3\4";

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

static nn_status damaged(const nn_zip *z, nn_err *err, const char *what, uint64_t at)
{
    return nn_fail(err, NN_EFORMAT, "%s: damaged zip: %s at byte %" PRIu64, z->path, what, at);
}

/* ---- the directory -------------------------------------------------------------------------------------------------- */

/* The end record: the last one whose comment ends with the file.  -1: none. */
static ptrdiff_t find_end(const nn_bytes *f)
{
    const ptrdiff_t size = (ptrdiff_t)f->size;
    for (ptrdiff_t at = size - END; at >= 0 && at >= size - END - COMMENT_MAX; at--)
        if (!memcmp(f->data + at, END_MARK, 4) && at + END + (ptrdiff_t)u16(f->data + at + 20) == size) return at;
    return -1;
}

/* A relative name that stays inside a folder, of printable bytes. */
static bool good_name(const char *name)
{
    if (!*name || *name == '/' || strchr(name, '\\')) return false;
    for (const char *p = name; *p; p++) if ((unsigned char)*p < 32 || *p == 127) return false;
    for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || !p[2])) return false;
    return true;
}

/* Where the data begins: behind the local header, whose name and extra field have lengths of their own. */
static nn_status find_data(const nn_zip *z, nn_zip_entry *e, uint64_t local, uint64_t directory, nn_err *err)
{
    const uint8_t *p = z->file.data + local;
    if (local + LOCAL > directory || memcmp(p, LOCAL_MARK, 4)) return damaged(z, err, "expected a record's header", local);
    e->begin = local + LOCAL + u16(p + 26) + u16(p + 28);
    if (e->begin > directory || e->packed > directory - e->begin) return damaged(z, err, "a record that does not fit", local);
    return NN_OK;
}

static nn_status read_entry(nn_zip *z, uint64_t *at, uint64_t end, uint64_t directory, nn_err *err)
{
    const uint8_t *p = z->file.data + *at;
    if (*at > end || end - *at < CENTRAL || memcmp(p, CENTRAL_MARK, 4)) return damaged(z, err, "expected a directory entry", *at);
    const uint32_t flags = u16(p + 8), method = u16(p + 10), name = u16(p + 28), rest = u16(p + 30) + u16(p + 32);
    nn_zip_entry e = { .packed = u32(p + 20), .size = u32(p + 24), .crc = u32(p + 16), .deflated = method == 8 };
    const uint64_t local = u32(p + 42);
    if (end - *at - CENTRAL < (uint64_t)name + rest) return damaged(z, err, "a directory entry cut short", *at);
    if (name >= sizeof e.name) return damaged(z, err, "a name of more than 255 bytes", *at);
    memcpy(e.name, p + CENTRAL, name);
    if (strlen(e.name) != name || !good_name(e.name)) return damaged(z, err, "a name that is no path inside a folder", *at);
    *at += CENTRAL + name + rest;
    if (e.name[name - 1] == '/') return NN_OK;
    if (e.packed == UINT32_MAX || e.size == UINT32_MAX || local == UINT32_MAX)
        return nn_fail(err, NN_EFORMAT, "%s: record '%s': zip64 is not supported (4 GB or more)", z->path, e.name);
    if (flags & 1) return nn_fail(err, NN_EFORMAT, "%s: record '%s' is encrypted", z->path, e.name);
    if (method != 0 && method != 8)
        return nn_fail(err, NN_EFORMAT, "%s: record '%s': expected stored or deflated, found compression %u", z->path, e.name, method);
    if (!e.deflated && e.size != e.packed)
        return nn_fail(err, NN_EFORMAT, "%s: record '%s': stored %" PRIu64 " bytes for %" PRIu64, z->path, e.name, e.packed, e.size);
    if (e.size > e.packed * DEFLATE_MOST)
        return nn_fail(err, NN_EFORMAT, "%s: record '%s': %" PRIu64 " bytes cannot be packed into %" PRIu64, z->path, e.name, e.size, e.packed);
    const nn_status s = find_data(z, &e, local, directory, err);
    if (!s) z->entry[z->count++] = e;
    return s;
}

static int by_begin(const void *a, const void *b)
{
    const nn_zip_entry *x = *(const nn_zip_entry *const *)a, *y = *(const nn_zip_entry *const *)b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}
static int by_name(const void *a, const void *b) { return strcmp((*(const nn_zip_entry *const *)a)->name, (*(const nn_zip_entry *const *)b)->name); }

/* Bytes are never shared: a small file that unpacks to much by pointing at one record many times is refused. */
static nn_status check_entries(const nn_zip *z, nn_err *err)
{
    const nn_zip_entry **row = nn_alloc(z->count * sizeof *row, "zip directory", err);
    if (!row) return NN_ENOMEM;
    nn_status s = NN_OK;
    for (size_t i = 0; i < z->count; i++) row[i] = &z->entry[i];
    if (z->count) qsort(row, z->count, sizeof *row, by_begin);
    for (size_t i = 1; i < z->count && !s; i++)
        if (row[i - 1]->begin + row[i - 1]->packed > row[i]->begin)
            s = nn_fail(err, NN_EFORMAT, "%s: records '%s' and '%s' overlap", z->path, row[i - 1]->name, row[i]->name);
    if (z->count) qsort(row, z->count, sizeof *row, by_name);
    for (size_t i = 1; i < z->count && !s; i++)
        if (!strcmp(row[i - 1]->name, row[i]->name)) s = nn_fail(err, NN_EFORMAT, "%s: record '%s' is there twice", z->path, row[i]->name);
    nn_free(row);
    return s;
}

static nn_status read_directory(nn_zip *z, nn_err *err)
{
    const nn_bytes *f = &z->file;
    const ptrdiff_t at = find_end(f);
    if (at < 0) return nn_fail(err, NN_EFORMAT, "%s: expected a zip archive, found no directory at its end", z->path);
    const uint8_t *p = f->data + at;
    const uint32_t disk = u16(p + 4), first_disk = u16(p + 6), here = u16(p + 8), count = u16(p + 10);
    const uint64_t size = u32(p + 12), begin = u32(p + 16);
    if (count == 65535 || size == UINT32_MAX || begin == UINT32_MAX)
        return nn_fail(err, NN_EFORMAT, "%s: zip64 is not supported (65535 records or 4 GB)", z->path);
    if (disk || first_disk || here != count) return nn_fail(err, NN_EFORMAT, "%s: a zip of several disks is not supported", z->path);
    if (begin + size != (uint64_t)at) return damaged(z, err, "the directory does not end where its end record begins", (uint64_t)at);
    z->entry = nn_alloc(count * sizeof *z->entry, "zip directory", err);
    nn_status s = z->entry ? NN_OK : NN_ENOMEM;
    uint64_t next = begin;
    for (uint32_t i = 0; i < count && !s; i++) s = read_entry(z, &next, begin + size, begin, err);
    if (!s && next != begin + size) s = damaged(z, err, "bytes after the last directory entry", next);
    return s ? s : check_entries(z, err);
}

static nn_status finish(nn_zip *z, nn_status s, nn_err *err)
{
    if (!s) s = read_directory(z, err);
    if (s) nn_zip_close(z);
    return s;
}

nn_status nn_zip_open(nn_zip *z, const char *path, nn_err *err)
{
    *z = (nn_zip){ .count = 0 };
    nn_format(z->path, sizeof z->path, "%s", path);
    return finish(z, nn_file_read(path, PTRDIFF_MAX, &z->file, err), err);
}

nn_status nn_zip_parse(nn_zip *z, const void *bytes, size_t size, const char *name, nn_err *err)
{
    *z = (nn_zip){ .count = 0 };
    nn_format(z->path, sizeof z->path, "%s", name);
    const nn_status s = nn_bytes_make(&z->file, size, name, err);
    if (!s && size) memcpy(z->file.data, bytes, size);
    return finish(z, s, err);
}

void nn_zip_close(nn_zip *z)
{
    nn_bytes_free(&z->file);
    nn_free(z->entry);
    *z = (nn_zip){ .count = 0 };
}

const nn_zip_entry *nn_zip_find(const nn_zip *z, const char *name)
{
    for (size_t i = 0; i < z->count; i++) if (!strcmp(z->entry[i].name, name)) return &z->entry[i];
    return NULL;
}

/* ---- a record --------------------------------------------------------------------------------------------------------- */

static voidpf take(voidpf user, uInt count, uInt size) { (void)user; return nn_sys_alloc(64, (size_t)count * size); }
static void give(voidpf user, voidpf p) { (void)user; nn_sys_free(p); }

/* All of the record, and exactly as many bytes as it claims. */
static nn_status inflate_all(const nn_zip *z, const nn_zip_entry *e, uint8_t *to, nn_err *err)
{
    uint8_t none;                                          /* zlib refuses a null output, also for no bytes */
    /* analyze: nothing is written to `none`: avail_out is 0 where `to` is NULL */
    z_stream s = { .next_in = z->file.data + e->begin, .avail_in = (uInt)e->packed, .next_out = to ? to : &none, .avail_out = (uInt)e->size,
                   .zalloc = take, .zfree = give };
    const int opened = inflateInit2(&s, -MAX_WBITS);       /* no zlib header in zip */
    if (opened != Z_OK) return nn_fail(err, NN_ENOMEM, "%s: record '%s': not enough memory to unpack it", z->path, e->name);
    const int rc = inflate(&s, Z_FINISH);
    const bool good = rc == Z_STREAM_END && s.avail_out == 0 && s.avail_in == 0, memory = rc == Z_MEM_ERROR;
    inflateEnd(&s);
    if (memory) return nn_fail(err, NN_ENOMEM, "%s: record '%s': not enough memory to unpack it", z->path, e->name);
    return good ? NN_OK : nn_fail(err, NN_EFORMAT, "%s: record '%s': its packed bytes do not unpack to %" PRIu64, z->path, e->name, e->size);
}

nn_status nn_zip_get(const nn_zip *z, const nn_zip_entry *e, nn_bytes *out, nn_err *err)
{
    *out = (nn_bytes){ 0 };
    nn_status s = nn_bytes_make(out, (size_t)e->size, e->name, err);
    if (!s && e->deflated) s = inflate_all(z, e, out->data, err);
    else if (!s && e->size) memcpy(out->data, z->file.data + e->begin, (size_t)e->size);
    if (!s && crc32(0, e->size ? out->data : NULL, (uInt)e->size) != e->crc)
        s = nn_fail(err, NN_EFORMAT, "%s: record '%s': its CRC is wrong: the archive is damaged", z->path, e->name);
    if (s) nn_bytes_free(out);
    return s;
}
