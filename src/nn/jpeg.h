/* jpeg.h: JPEG files. */
#ifndef NN_JPEG_H
#define NN_JPEG_H

#include "nn/image.h"

/* A JPEG in memory as grey (1) or RGB (3), turned upright as its EXIF orientation says.  CMYK and YCCK (Adobe's, inverted) become RGB without
 * colour management.  At most NN_IMAGE_MAX a side and 2^28 pixels.  A file that ends early or is damaged is refused: NN_EFORMAT. */
nn_status nn_jpeg_decode(const void *bytes, size_t size, const char *name, nn_image *im, nn_err *err);
/* A grey or RGB picture as JPEG of a quality from 1 to 100, colour at half the size.  Bytes depend on the version of libjpeg; free with nn_bytes_free. */
nn_status nn_jpeg_encode(const nn_image *im, int quality, nn_bytes *out, nn_err *err);
/* A PNG or JPEG file, told apart by its first bytes. */
nn_status nn_picture_read(const char *path, nn_image *im, nn_err *err);

#endif
