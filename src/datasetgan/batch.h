/* batch.h: the rows of a training step: labels, and features from the annotated pictures' maps.  Private to datasetgan.
 *
 * Interpolation and layer 1 are linear and may change places.  A map that has, in all pictures, no more positions than a batch has rows is not gathered:
 * layer 1 is computed at its positions, and what comes out is interpolated, h1 numbers a row instead of the map's channels (net.h dg_rows).  With 16
 * pictures and 1,024 rows these are the maps of 4 and 8 px, two fifths of a generator's features. */
#ifndef DG_BATCH_H
#define DG_BATCH_H

#include "datasetgan/features.h"
#include "datasetgan/net.h"

typedef struct {
    const dg_features *f;
    dg_small_map map[SG_TAPS_MAX];
    dg_rows rows;
    nn_dim D;                               /* features gathered a row */
    real *x, *weight;                       /* (rows, D), (rows, maps, 4) */
    int32_t *position;                      /* (rows, maps, 4) */
    uint8_t *label;                         /* (rows) */
} dg_batch;

/* Which maps are not gathered for at most `rows` rows and a layer 1 of h1 units: what dg_net_open and dg_batch_open take.  all: every map is gathered
 * (whoever changes gathered numbers needs that). */
dg_shared dg_batch_shared(const dg_features *f, nn_dim rows, nn_dim h1, bool all);

/* The maps of f are drawn. */
nn_status dg_batch_open(dg_batch *b, const dg_features *f, nn_dim rows, dg_shared s, nn_err *err);
void dg_batch_close(dg_batch *b);
size_t dg_batch_bytes(const dg_features *f, nn_dim rows, dg_shared s);

/* The pixel list's entries at[0..n): b->rows and b->label. */
void dg_batch_fill(dg_batch *b, const uint32_t *at, nn_dim n);

#endif
