/* import.h: what the sources of labels share.  Private to src/datasetgan. */
#ifndef DG_IMPORT_H
#define DG_IMPORT_H

#include "datasetgan/classes.h"
#include "nn/zip.h"

/* Files of drawn pictures that stay in memory from the reading that compares them to the one that writes; the others are drawn again. */
enum { DG_DRAWN_BYTES_MAX = 1 << 28 };

typedef struct dg_import dg_import;
typedef struct {
    char stem[256];
    char path[DG_PATH];              /* labels for it from outside, or what messages call them; "" when there are none */
    const nn_zip_entry *record;      /* where they are in a zip; NULL: in the file */
    json_t *coco;                    /* the same out of one file: import_coco.c */
    nn_bytes drawn;                  /* with a generator: the picture, kept from the first reading for the second */
} dg_import_item;

typedef struct {
    const char *name;
    /* Find the labels of every item; problems are reported, a status is what ends the work. */
    nn_status (*find)(dg_import *x, nn_err *err);
    /* Paint the labels of item i into im (one channel, zeroed, of the picture's size). */
    nn_status (*paint)(dg_import *x, nn_dim i, nn_image *im, nn_err *err);
} dg_import_source;

/* --merge: the classes of the set to make, and the new id of each of the task's. */
typedef struct { int class_count; dg_class class_at[NN_VOID]; uint8_t map[NN_VOID]; } dg_join;
/* { "NEW": ["OLD", ...], ... }, in the order of the new ids; every class of the task is in one list; those of "__ignore__" become void. */
nn_status dg_join_read(const dg_import *x, const char *path, dg_join *m, nn_err *err);
/* Put the new classes there, and the views by their ids; a view that keeps apart what is joined goes. */
nn_status dg_join_task(const dg_join *m, json_t *task, int old_count, nn_err *err);
void dg_join_label(const dg_join *m, nn_image *label);

struct dg_import {
    const dg_import_options *o;
    const dg_import_source *source;
    dg_task task;
    dg_import_item *item;            /* (task.item_count) */
    nn_dim *by_stem;                 /* (task.item_count): items in the order of their stems */
    json_t *json;                    /* coco: the file */
    json_t *json_out;                /* task.json of the set, but for its items: classes merged */
    nn_zip zip;                      /* cvat, voc: the file, when it is one */
    size_t colours;                  /* cvat, voc, png: the list of classes that the labels come with */
    dg_class colour[NN_VOID];
    bool coloured[NN_VOID];          /* it has one */
    int colour_id[NN_VOID];          /* its class in the task, -1: none */
    bool merging;
    dg_join merge;
    sg_work *work;                   /* with a generator: for one picture */
    size_t drawn_bytes;              /* of all that are kept */
    bool measured;                   /* every picture was compared and told */
    bool unlike;                     /* one is not what the generator draws */
    uint64_t problems;
};

/* Report and count a problem; e is cleared.  NN_OK; or, when the system refused memory or a file, that failure, put into err. */
nn_status dg_import_problem(dg_import *x, nn_err *e, nn_err *err);
/* File name without folder and ending; NN_EFORMAT when it is empty or long. */
nn_status dg_import_stem(char out[256], const char *path, nn_err *err);
/* The item of this stem; -1: none. */
nn_dim dg_import_find(const dg_import *x, const char *stem);
/* Class id of a name, -1: none.  The second also takes a class's name without its white space, and the words that tools have for the
 * background and for void, where the task has no class of that name: background, _background_; __ignore__, ignored, void. */
int dg_import_class(const dg_import *x, const char *name);
int dg_import_label(const dg_import *x, const char *name);
/* Give a file of labels (record: in x->zip; path is not used then) to the item of its stem, or of its stem without `tail` (may be ""). */
nn_status dg_import_give(dg_import *x, const char *path, const nn_zip_entry *record, const char *tail, nn_err *err);
/* The same with each file of a folder that ends in `ending`. */
nn_status dg_import_list(dg_import *x, const char *folder, const char *ending, const char *tail, nn_err *err);

/* Names of a folder's files that end in one of `endings` (the last NULL), hidden ones left out, sorted as bytes.  Free them after a failure, too. */
nn_status dg_import_names(nn_names *out, const char *folder, const char *const *endings, nn_err *err);

/* import_pictures.c.  The pictures of o->pictures as the task's items, by the rows of o->latents. */
nn_status dg_import_elsewhere(dg_import *x, nn_err *err);
/* The generator's own picture of item i, compared with the file's; a problem when it is another. */
nn_status dg_import_draw(dg_import *x, nn_dim i, nn_image *picture, nn_bytes *png, nn_err *err);
/* PSNR of `rows` rows of `row` bytes each, that lie a_step and b_step bytes apart: 10 log10(255^2 / mean squared difference); 100 when equal. */
double dg_psnr(const uint8_t *a, nn_dim a_step, const uint8_t *b, nn_dim b_step, nn_dim rows, nn_dim row);

extern const dg_import_source dg_import_labelme, dg_import_coco, dg_import_png, dg_import_cvat, dg_import_voc;

#endif
