/* npy.h: NumPy .npy files, version 1.0, little-endian, C order, and .npz archives of them. */
#ifndef NN_NPY_H
#define NN_NPY_H

#include "nn/base.h"

typedef struct { int rank; uint64_t dim[8]; real *data; } nn_npy;     /* data is owned; free with nn_npy_free */
/* Reads <f4, <f8 and whole numbers of 1 to 8 bytes (converted to real), C order; version 1, 2 or 3 headers.  NN_EFORMAT otherwise, naming what was found. */
nn_status nn_npy_read(const char *path, nn_npy *out, nn_err *err);
nn_status nn_npy_parse(nn_npy *out, const void *bytes, size_t size, const char *name, nn_err *err);   /* from memory */
/* A file that may also be an .npz (zip.h): `array` names one in it (NULL: the archive holds one, or it is an .npy).  nn_npy_read: NULL.
 * An array of more than 64 MB that was packed to less than a 64th is refused, before it is unpacked: numbers of a generator do not pack so. */
nn_status nn_npz_read(const char *path, const char *array, nn_npy *out, nn_err *err);
void nn_npy_free(nn_npy *a);
/* What stands before the numbers of an array of type descr ("|u1", "<f8"): returns its size, a multiple of 64. */
enum { NN_NPY_HEADER = 512 };
size_t nn_npy_header(char header[NN_NPY_HEADER], const char *descr, int rank, const uint64_t *dim);
/* Writes float32. */
nn_status nn_npy_write(const char *path, const float *data, int rank, const uint64_t *dim, nn_err *err);

#endif
