/* set.h: reading a dataset folder (docs/FILES.md), a run's or a view's.  Private to src/datasetgan and its tests. */
#ifndef DG_SET_H
#define DG_SET_H

#include "datasetgan/dataset.h"
#include "datasetgan/folder.h"

#define DG_VIEW_KIND "dataset view"

typedef struct {
    char folder[DG_PATH], manifest[DG_PATH], index[DG_PATH];
    char manifest_sha256[65];        /* of metadata.jsonl as far as it is whole */
    json_t *run;                     /* run.json */
    int class_count;
    dg_class class_at[NN_VOID];
    nn_dim width, height, channels;
    uint64_t count;
    bool finished;
    const bool *skip;                /* NULL, or (of the manifest's lines) samples that walks pass over; the caller's, who also lowers count */
} dg_set;
/* Every line of the manifest is read and checked: whole, seeds ascending.  A torn last line is left out. */
nn_status dg_set_open(dg_set *s, const char *folder, nn_err *err);
void dg_set_close(dg_set *s);
/* Put a copy of classes.json there. */
nn_status dg_set_add_classes(const dg_set *s, const dg_folder *to, nn_err *err);

/* The samples in order; line ends with its newline. */
typedef struct {
    const dg_set *set;
    dg_manifest file;
    dg_sample sample;
    uint64_t at;                     /* lines read */
    const char *line;                /* valid until the next call */
    size_t size;
} dg_walk;
nn_status dg_walk_open(dg_walk *w, const dg_set *set, nn_err *err);
/* False at the end or on failure, which *status says. */
bool dg_walk_next(dg_walk *w, nn_status *status, nn_err *err);
void dg_walk_close(dg_walk *w);

/* A sample's two files, as stored and decoded: sizes, ids, and the hash that the manifest gives are checked. */
typedef struct { nn_bytes picture_png, label_png; nn_image picture, label; } dg_pair;
nn_status dg_pair_read(dg_pair *p, const dg_set *set, const dg_sample *sample, nn_err *err);
void dg_pair_free(dg_pair *p);

/* What dg_filter leaves out: drop (of set->count lines), nn_free it also after a failure. */
nn_status dg_filter_choose(const dg_set *set, const dg_filter_options *o, bool **drop, dg_filter_result *r, nn_err *err);

/* The hash of a sample: the decoded picture, then the label map, row by row. */
nn_status dg_pair_hash(const nn_image *picture, const nn_image *label, char hex[65], nn_err *err);

#endif
