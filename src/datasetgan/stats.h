/* stats.h: the inside of dg_stats.  Private to src/datasetgan and its tests. */
#ifndef DG_STATS_H
#define DG_STATS_H

#include "datasetgan/set.h"

/* Doubles: pictures reduced to SIDE x SIDE grey cells; the distance of two is the mean difference of their cells in levels. */
enum { DG_CELLS_SIDE = 16, DG_CELLS = DG_CELLS_SIDE * DG_CELLS_SIDE };
void dg_cells(const nn_image *im, uint8_t cell[DG_CELLS]);
/* Fill doubles, closest first, and near.  cell: (n,DG_CELLS).  NN_ENOMEM. */
nn_status dg_find_doubles(dg_stats *s, const uint8_t *cell, const uint32_t *seed, uint64_t n, nn_err *err);

/* Which samples the page shows: numbers ascending, at most DG_STATS_SHOWN; returns how many.  order: all samples by rising
 * uncertainty. */
nn_dim dg_choose_shown(const dg_stats *s, const uint64_t *order, uint64_t number[DG_STATS_SHOWN]);
/* The page as text, at most DG_PAGE_BYTES_MAX where thumbnails of 8 pixels would fit. */
enum { DG_PAGE_BYTES_MAX = 10000000 };
nn_status dg_stats_write_page(const dg_stats *s, const dg_set *set, const uint64_t *shown, nn_dim count, nn_bytes *out, nn_err *err);

#endif
