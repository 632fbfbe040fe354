/* latents.h: pictures of a set that are named by a latent instead of a seed (docs/FILES.md).  Private to datasetgan. */
#ifndef DG_LATENTS_H
#define DG_LATENTS_H

#include "datasetgan/fields.h"

/* Read an item's "latent": { "file", "row", "space", "array" }.  A file is read once, checked whole and kept by the task. */
nn_status dg_latent_read(dg_task *t, const dg_reader *r, const char *place, const json_t *v, const char *folder, dg_item *it);
void dg_latents_free(dg_task *t);
/* The numbers of a file, checked: 2 or 3 sizes, all finite.  f->path and f->array say which; free f->numbers after a failure too. */
nn_status dg_latents_read(dg_latents *f, nn_err *err);

/* The numbers of a latent item, and how many they are: (z), (w) or (layers, w). */
const real *dg_latent_at(const dg_task *t, const dg_item *it, nn_dim *count);

/* ws (num_ws,w_dim) of a latent.  z is mapped; z and w are truncated as a seed's; w+ is what the synthesis reads.  w+ may have more
 * layers than the generator: the first count (the released code's 18 rows for a network of 14 layers). */
void dg_latent_ws(const sg_model *m, real *ws, const real *latent, dg_space space, const sg_options *o);

/* NN_EMISMATCH when the item's latent has other sizes than the generator's. */
nn_status dg_latent_check(const dg_task *t, const dg_item *it, const sg_model *m, nn_err *err);

#endif
