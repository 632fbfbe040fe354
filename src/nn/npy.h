/* npy.h: NumPy .npy files, version 1.0, little-endian, C order. */
#ifndef NN_NPY_H
#define NN_NPY_H

#include "nn/base.h"

typedef struct { int rank; uint64_t dim[8]; real *data; } nn_npy;     /* data is owned; free with nn_npy_free */
/* Reads <f4 and <f8 (converted to real), C order; version 1, 2 or 3 headers.  NN_EFORMAT otherwise, naming what was found. */
nn_status nn_npy_read(const char *path, nn_npy *out, nn_err *err);
nn_status nn_npy_parse(nn_npy *out, const void *bytes, size_t size, const char *name, nn_err *err);   /* from memory */
void nn_npy_free(nn_npy *a);
/* Writes float32. */
nn_status nn_npy_write(const char *path, const float *data, int rank, const uint64_t *dim, nn_err *err);

#endif
