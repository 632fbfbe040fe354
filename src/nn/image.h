/* image.h: PNG pictures, label maps, and conversion of network output to bytes. */
#ifndef NN_IMAGE_H
#define NN_IMAGE_H

#include "nn/base.h"
#include "nn/file.h"

enum { NN_IMAGE_MAX = 32768 };                 /* largest width or height read; and at most 2^28 pixels */

/* Interleaved rows of bytes: pixels[(y*width + x)*channels + c]; channels 1 grey, 3 RGB, 4 RGBA. */
typedef struct { nn_dim width, height, channels; uint8_t *pixels; } nn_image;
nn_status nn_image_make(nn_image *im, nn_dim width, nn_dim height, nn_dim channels, nn_err *err);   /* zeroed */
void nn_image_free(nn_image *im);

typedef struct { uint8_t rgb[256][3]; int count; } nn_palette;

/* A picture: grey, RGB, RGBA or palette of any bit depth, as 8-bit with 1, 3 or 4 channels (16-bit: high byte; palette: RGB). */
nn_status nn_png_read(const char *path, nn_image *im, nn_err *err);
/* A label map: grey or palette PNG of any bit depth up to 8; pixel = the stored index, never scaled, never expanded. */
nn_status nn_png_read_labels(const char *path, nn_image *im, nn_err *err);

/* The same from memory, labels or not; `name` is for messages. */
nn_status nn_png_decode(const void *bytes, size_t size, bool labels, const char *name, nn_image *im, nn_err *err);

/* Encode into memory (fixed compression settings, no time stamp: equal pixels give equal bytes).  With a palette, im must
 * have one channel and is written as an indexed PNG.  Bytes are owned by the caller. */
nn_status nn_png_encode(const nn_image *im, const nn_palette *palette, nn_bytes *out, nn_err *err);
nn_status nn_png_write(const char *path, const nn_image *im, const nn_palette *palette, nn_err *err);

/* Network output to bytes, as NVIDIA's generate.py: clamp(x*127.5 + 128, 0, 255), truncated.  x is planar
 * (channels,height,width); NaN gives 0.  (stylegan2-ada-pytorch generate.py) */
void nn_image_from_planar(nn_image *im, const real *x);

#endif
