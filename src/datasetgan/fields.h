/* fields.h: the JSON fields that task.json, the interpreter's metadata and a dataset's files share.  Private to datasetgan. */
#ifndef DG_FIELDS_H
#define DG_FIELDS_H

#include "datasetgan/datasetgan.h"

/* Where a message points: every one is "file: place: expected what, found what", status NN_EFORMAT. */
typedef struct { const char *path; nn_err *err; } dg_reader;
nn_status dg_refuse(const dg_reader *r, const char *place, const char *expected, const json_t *found);

/* A string of 1 .. size-1 bytes without control characters (they would break every line and page it is later put on). */
nn_status dg_get_text(const dg_reader *r, const char *place, const json_t *v, char *out, size_t size);
/* A relative path that stays inside `folder`, joined to it. */
nn_status dg_get_path(const dg_reader *r, const char *place, const json_t *v, const char *folder, char out[DG_PATH]);
nn_status dg_get_whole(const dg_reader *r, const char *place, const json_t *v, int64_t lo, int64_t hi, int64_t *out);

/* [ { "id", "name", "color" } ]: 2 to 255 classes, ids 0..n-1 in any order, unique names, colours "#rrggbb". */
nn_status dg_get_classes(const dg_reader *r, const char *place, const json_t *list, dg_class out[NN_VOID], int *count);
json_t *dg_put_classes(const dg_class *c, int count);            /* NULL: not enough memory */

/* { "psi", "cutoff": null or a number of layers, "noise", "class": only when not 0 } */
nn_status dg_get_draw(const dg_reader *r, const char *place, const json_t *v, sg_options *out);
json_t *dg_put_draw(const sg_options *o);

#endif
