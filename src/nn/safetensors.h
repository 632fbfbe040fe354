/* safetensors.h: the project's file format for weights, interpreters, taps and goldens.
 *
 * u64 little-endian N, N bytes of JSON {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {text: text}},
 * then the numbers, little-endian, row-major; offsets count from the first number byte.
 * Everything is checked before anything is used: entries must tile the data section exactly (no hole, overlap or
 * surplus), sizes must not overflow, keys must be unique, the header at most 100 MB (the public library's limit). */
#ifndef NN_SAFETENSORS_H
#define NN_SAFETENSORS_H

#include "nn/base.h"

enum { NN_RANK_MAX = 8 };
typedef enum { NN_F16, NN_F32, NN_F64, NN_I64, NN_I32, NN_U8 } nn_dtype;      /* others are refused, by name */
const char *nn_dtype_name(nn_dtype t);      /* "F32" */
size_t nn_dtype_bytes(nn_dtype t);

typedef struct {
    const char *name;
    nn_dtype dtype;
    int rank;
    uint64_t dim[NN_RANK_MAX];
    uint64_t begin, end;                    /* bytes within the data section */
} nn_st_entry;

typedef struct { const char *key, *value; } nn_st_pair;

typedef struct {
    const char *path;                       /* as given, for messages */
    size_t count;
    const nn_st_entry *entry;               /* sorted by name (memcmp order) */
    size_t meta_count;
    const nn_st_pair *meta;                 /* in the file's order */
    const uint8_t *data;                    /* the data section, 64-byte aligned */
    uint64_t data_bytes;
    void *impl;
} nn_st;

/* Read and check a file.  On failure *f is empty and closing it is harmless. */
nn_status nn_st_open(nn_st *f, const char *path, nn_err *err);
nn_status nn_st_parse(nn_st *f, const void *bytes, size_t size, const char *name, nn_err *err);   /* copies; for fuzzing */
void nn_st_close(nn_st *f);

const nn_st_entry *nn_st_find(const nn_st *f, const char *name);     /* NULL when absent */
const char *nn_st_meta(const nn_st *f, const char *key);             /* NULL when absent */

/* A metadata value as a whole number in [lo, hi]; NN_EFORMAT naming file and key when absent or otherwise. */
nn_status nn_st_meta_dim(const nn_st *f, const char *key, nn_dim lo, nn_dim hi, nn_dim *out, nn_err *err);

/* One row per tensor a model needs: name, exact shape, and the place that receives the numbers. */
typedef struct { const char *name; int rank; uint64_t dim[NN_RANK_MAX]; const real **slot; } nn_want;

/* Fill every slot, or none and explain.  F16, F32 and F64 tensors are accepted and converted to `real` (memory owned by
 * f).  Every value must be finite.  exact: the file must hold no other tensor.  NN_EFORMAT, NN_ESHAPE, NN_ENOMEM. */
nn_status nn_st_bind(nn_st *f, const nn_want *want, size_t count, bool exact, nn_err *err);

/* Writing: entries in the order given; the header is padded with spaces to a multiple of 8.  Atomic, as nn_file_write. */
typedef struct { const char *name; nn_dtype dtype; int rank; uint64_t dim[NN_RANK_MAX]; const void *data; } nn_st_tensor;
nn_status nn_st_write(const char *path, const nn_st_tensor *tensor, size_t count, const nn_st_pair *meta, size_t meta_count,
                      nn_err *err);
/* The same for a file that its writer holds with nn_file_lock. */
nn_status nn_st_write_locked(const char *path, const nn_st_tensor *tensor, size_t count, const nn_st_pair *meta, size_t meta_count,
                      int *lock, nn_err *err);

/* Identity: SHA-256 over the metadata pairs whose keys are listed (in the order listed, absent ones skipped) and over all
 * tensors in name order: name, dtype, shape, bytes.  Rewording other metadata or reordering the file changes nothing.
 * docs/FILES.md gives the exact byte stream. */
nn_status nn_st_identity(const nn_st *f, const char *const *keys, size_t key_count, char hex[65], nn_err *err);

#endif
