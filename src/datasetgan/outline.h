/* outline.h: the parts of a mask as one closed path each, for formats that know polygons only.  Private to src/datasetgan and its tests. */
#ifndef DG_OUTLINE_H
#define DG_OUTLINE_H

#include "datasetgan/raster.h"

typedef struct {
    nn_dim width, height;
    int *part;                       /* (width + 2) * (height + 2), with a frame of one pixel: 0 outside, else the part's number */
    nn_dim *stack, *first;           /* the same size; first: (parts + 1) the cells where parts begin */
    dg_corner *path;                 /* the part's path, `count` points at pixels, `room` of them */
    size_t count, room;
    int parts;
} dg_outline;
nn_status dg_outline_make(dg_outline *o, nn_dim width, nn_dim height, nn_err *err);
void dg_outline_free(dg_outline *o);

/* Number the parts (pixels of id that touch by side or corner), 1.. in the order of their first pixels. */
void dg_outline_find(dg_outline *o, const uint8_t *label, uint8_t id);
/* The path along the outermost pixels of a part.  A hole is reached over a bridge of the part's own pixels and walked round, so
 * that one polygon, filled with its border, is exactly the part.  At least 3 points, the last ones repeated.  NN_ENOMEM. */
nn_status dg_outline_trace(dg_outline *o, int part, nn_err *err);

/* The same with the parts of every class, 1.. in the order of their first pixels; and which pixel that is (y * width + x). */
void dg_outline_find_all(dg_outline *o, const uint8_t *label);
nn_dim dg_outline_first(const dg_outline *o, int part);
/* 1 where the part is, 0 elsewhere: height rows of width. */
void dg_outline_mask(const dg_outline *o, int part, uint8_t *mask);
/* The path along a part's outermost pixels alone, holes left filled.  At least 3 points.  NN_ENOMEM. */
nn_status dg_outline_border(dg_outline *o, int part, nn_err *err);
/* The path along the edges between pixels, as corners 0 .. width and 0 .. height: of the part and then of its holes, with a way to
 * each one and back.  The pixels that it winds round an odd number of times, as pycocotools fills polygons, are exactly the part. */
nn_status dg_outline_edges(dg_outline *o, int part, nn_err *err);

#endif
