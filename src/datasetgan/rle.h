/* rle.h: run lengths of a mask as COCO writes them.  Private to src/datasetgan and its tests.
 *
 * Pixels are taken column by column; runs alternate, the first counts pixels outside (it may be 0).  (cocodataset/cocoapi
 * common/maskApi.c: the format; FORMATS: "RLE") */
#ifndef DG_RLE_H
#define DG_RLE_H

#include "nn/base.h"

typedef struct { uint32_t *run; size_t count; char *text; nn_dim width, height; } dg_rle;    /* room for any mask of this size */
nn_status dg_rle_make(dg_rle *r, nn_dim width, nn_dim height, nn_err *err);
void dg_rle_free(dg_rle *r);

/* The pixels of a label map (width x height) that equal id. */
void dg_rle_of_label(dg_rle *r, const uint8_t *label, uint8_t id);
/* Write id where the mask is; other pixels are left alone. */
void dg_rle_paint(const dg_rle *r, uint8_t *label, uint8_t id);
/* Box x, y, width, height (all 0 for an empty mask) and number of pixels. */
void dg_rle_measure(const dg_rle *r, nn_dim box[4], uint64_t *area);

/* The compressed text, in r->text. */
void dg_rle_write(dg_rle *r);
/* Read compressed text, or n plain counts.  NN_EFORMAT when the runs do not cover the mask exactly.  where: "file: place". */
nn_status dg_rle_read(dg_rle *r, const char *text, const char *where, nn_err *err);
nn_status dg_rle_check(const dg_rle *r, const char *where, nn_err *err);

#endif
