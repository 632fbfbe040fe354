/* import.h: what the sources of labels share.  Private to src/datasetgan. */
#ifndef DG_IMPORT_H
#define DG_IMPORT_H

#include "datasetgan/datasetgan.h"

typedef struct dg_import dg_import;
typedef struct {
    char stem[256];
    char path[DG_PATH];              /* labels for it from outside; "" when there are none */
    json_t *coco;                    /* the same out of one file: import_coco.c */
} dg_import_item;

typedef struct {
    const char *name;
    /* Find the labels of every item; problems are reported, a status is what ends the work. */
    nn_status (*find)(dg_import *x, nn_err *err);
    /* Paint the labels of item i into im (one channel, zeroed, of the picture's size). */
    nn_status (*paint)(dg_import *x, nn_dim i, nn_image *im, nn_err *err);
} dg_import_source;

struct dg_import {
    const dg_import_options *o;
    const dg_import_source *source;
    dg_task task;
    dg_import_item *item;            /* (task.item_count) */
    nn_dim *by_stem;                 /* (task.item_count): items in the order of their stems */
    json_t *json;                    /* coco: the file */
    uint64_t problems;
};

/* Report and count a problem; e is cleared.  NN_OK; or, when the system refused memory or a file, that failure, put into err. */
nn_status dg_import_problem(dg_import *x, nn_err *e, nn_err *err);
/* File name without folder and ending; NN_EFORMAT when it is empty or long. */
nn_status dg_import_stem(char out[256], const char *path, nn_err *err);
/* The item of this stem; -1: none. */
nn_dim dg_import_find(const dg_import *x, const char *stem);
/* Class id of a name, -1: none. */
int dg_import_class(const dg_import *x, const char *name);
/* Give each file of the folder that ends in `ending` to the item of its stem, or of its stem without `tail` (may be ""). */
nn_status dg_import_list(dg_import *x, const char *ending, const char *tail, nn_err *err);

extern const dg_import_source dg_import_labelme, dg_import_coco;

#endif
