/* raster.h: shapes that annotation tools store, as pixels.  Private to src/datasetgan and its tests. */
#ifndef DG_RASTER_H
#define DG_RASTER_H

#include "nn/base.h"

enum { DG_COORDINATE_MAX = 1 << 20 };            /* of a corner, in pixels, either side of 0; a whole number has float's 24 bits */
typedef struct { int x, y; } dg_corner;
typedef struct { uint8_t *pixels; nn_dim width, height; } dg_canvas;

/* Paint a polygon of n >= 1 whole corners as Pillow's ImageDraw.polygon(fill) does, pixel for pixel: what labelme takes for the
 * polygon's mask.  Corners may lie outside.  NN_ENOMEM. */
nn_status dg_raster_polygon(const dg_canvas *c, const dg_corner *corner, size_t n, uint8_t id, nn_err *err);
/* Set the pixels of a polygon (x, y, x, y, ...; within DG_COORDINATE_MAX) in mask (height rows of width) as pycocotools does.
 * scratch: width * height + 1 bytes. */
void dg_raster_coco(nn_dim width, nn_dim height, const double *xy, size_t n, uint8_t *mask, uint8_t *scratch);
/* Both corners included; they may be in any order and lie outside. */
void dg_raster_rectangle(const dg_canvas *c, dg_corner a, dg_corner b, uint8_t id);
/* A segment of a width in pixels, and a disc of points no farther than radius, as Pillow's ImageDraw.line and .ellipse paint them. */
nn_status dg_raster_line(const dg_canvas *c, dg_corner a, dg_corner b, int width, uint8_t id, nn_err *err);
void dg_raster_circle(const dg_canvas *c, double x, double y, double radius, uint8_t id);

#endif
