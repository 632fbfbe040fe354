/* zip.h: zip archives, read whole: records stored or deflated, every one checked against its size and CRC.
 *
 * Refused, each in one line: zip64, encryption, several disks, other compressions, names that leave the folder, records that
 * overlap each other or the directory.  (PKWARE APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12, 4.3.16) */
#ifndef NN_ZIP_H
#define NN_ZIP_H

#include "nn/file.h"

typedef struct { char name[256]; uint64_t begin, packed, size; uint32_t crc; bool deflated; } nn_zip_entry;   /* begin: of the record's data */
typedef struct { char path[1024]; nn_bytes file; size_t count; nn_zip_entry *entry; } nn_zip;    /* in the directory's order; no two names equal */
/* NN_EIO, NN_EFORMAT, NN_ENOMEM; after a failure there is nothing to close.  Folders (names that end in '/') are left out. */
nn_status nn_zip_open(nn_zip *z, const char *path, nn_err *err);
/* The same from memory: bytes are copied; `name` is what messages call it. */
nn_status nn_zip_parse(nn_zip *z, const void *bytes, size_t size, const char *name, nn_err *err);
void nn_zip_close(nn_zip *z);
/* NULL: there is none. */
const nn_zip_entry *nn_zip_find(const nn_zip *z, const char *name);
/* A record's bytes, checked.  What it may claim is bounded by what deflate can do: 1032 bytes for one. */
nn_status nn_zip_get(const nn_zip *z, const nn_zip_entry *e, nn_bytes *out, nn_err *err);

#endif
