/* dgan/deeplab.h: label photographs with a network that 'datasetgan segment train' wrote. */
#ifndef DGAN_DEEPLAB_H
#define DGAN_DEEPLAB_H

#include <dgan/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A network with its room for one picture at a time. */
typedef struct dgan_segmenter dgan_segmenter;

/* scale 0: the whole picture, resized so that its longer side is the training size; above, to 100: work at this many times its size, in
 * tiles of `tile` pixels (64 to 4096).  flips: the mean over 8 flips and turns.  adapt: share of the picture's own statistics in batch
 * norm, 0 to 1.  As the options of 'datasetgan segment predict'.  Start with DGAN_SEGMENT_INIT. */
typedef struct { size_t size; double scale; int64_t tile, flips; double adapt; } dgan_segment_options;
#define DGAN_SEGMENT_INIT { sizeof(dgan_segment_options), 0, 256, 1, 0 }

/* Open a network; kernels NULL: "auto"; o NULL: DGAN_SEGMENT_INIT.  NULL on failure. */
DGAN_API dgan_segmenter *dgan_segmenter_open(const char *path, const char *kernels, const dgan_segment_options *o, dgan_error *err);
DGAN_API void dgan_segmenter_close(dgan_segmenter *s);

/* Number of classes, name (NULL for a wrong i) and colour of class i, and the side of the pictures it was trained on. */
DGAN_API int dgan_segmenter_classes(const dgan_segmenter *s);
DGAN_API const char *dgan_segmenter_class(const dgan_segmenter *s, int i, uint8_t rgb[3]);
DGAN_API int64_t dgan_segmenter_size(const dgan_segmenter *s);

/* Label a picture of bytes (height,width,channels): grey, grey and alpha, RGB, RGBA; alpha is left out.  label (height,width): class of
 * each pixel.  probability (height,width,classes) may be NULL.  progress (may be NULL) hears of each tile; a call that it stops has filled
 * the whole rows of tiles until then. */
DGAN_API int dgan_segment(dgan_segmenter *s, const uint8_t *picture, int64_t height, int64_t width, int channels, uint8_t *label,
                          float *probability, dgan_progress progress, void *user, dgan_error *err);

#ifdef __cplusplus
}
#endif
#endif
