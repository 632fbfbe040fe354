/* export.h: what the formats share.  Private to src/datasetgan. */
#ifndef DG_EXPORT_H
#define DG_EXPORT_H

#include "datasetgan/folder.h"
#include "datasetgan/outline.h"
#include "datasetgan/rle.h"
#include "datasetgan/set.h"

typedef struct dg_export_format dg_export_format;
typedef struct dg_npz dg_npz;
typedef struct {
    const dg_export_format *format;
    const dg_export_options *o;
    dg_set set;
    dg_folder folder;
    uint64_t first[DG_SPLITS_MAX + 1];           /* number of a split's first sample; first[splits] = set.count */
    nn_stage list;                               /* one text file a split, written as the format likes */
    nn_stage shard;                              /* webdataset */
    uint64_t annotations;                        /* coco: written so far */
    dg_rle rle;                                  /* coco */
    dg_outline outline;                          /* yolo-seg, coco, labelme */
    uint8_t *mask;                               /* (height,width): coco: a part; labelme: what the shapes paint */
    dg_npz *npz;
    bool *drop;                                  /* the samples left out; NULL: none */
    bool list_open, list_used, shard_open;         /* list_used: coco: an annotation stands in it */
} dg_export_job;

/* A sample on its way out. */
typedef struct { const dg_sample *sample; const dg_pair *pair; const char *line; size_t size; uint64_t number; char key[16]; } dg_export_item;

/* Formats are called split by split: open, its samples in order, close. */
struct dg_export_format {
    const char *name;
    nn_status (*begin)(dg_export_job *x, nn_err *err);
    nn_status (*open)(dg_export_job *x, int split, nn_err *err);
    nn_status (*sample)(dg_export_job *x, int split, const dg_export_item *it, nn_err *err);
    nn_status (*close)(dg_export_job *x, int split, nn_err *err);
};
const char *dg_split_name(int split);            /* train, val, test */
/* One value of a list, which is taken over, after a comma unless it is the first; and any text. */
nn_status dg_export_value(nn_stage *to, bool first, json_t *v, nn_err *err);
nn_status dg_export_text(nn_stage *to, const char *text, nn_err *err);
extern const dg_export_format dg_export_coco, dg_export_webdataset, dg_export_yolo, dg_export_labelme, dg_export_npz;
void dg_npz_abort(dg_npz *z);                     /* NULL: nothing */

#endif
