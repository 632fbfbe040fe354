/* dataset.h: the parts of a dataset run (docs/FILES.md, "dataset").  Private to src/datasetgan and its tests. */
#ifndef DG_DATASET_H
#define DG_DATASET_H

#include "datasetgan/datasetgan.h"

enum { DG_GROUP = 64, DG_PAGE = 200 };           /* samples committed together; samples on an HTML page */

typedef struct {
    uint32_t seed;
    double uncertainty;
    uint64_t pixels[NN_VOID];                    /* by class */
    char sha256[65];                             /* of the decoded picture, then the label map, row by row */
} dg_sample;

/* dg_dataset with another group size; the result does not depend on it. */
nn_status dg_dataset_in_groups(const sg_model *m, const dg_interp *in, const dg_dataset_options *o, int group, const dg_progress *p,
                               dg_dataset_result *r, nn_err *err);

/* "images/0000000012.png": ten digits, so that names sort like seeds. */
enum { DG_SAMPLE_PATH = 32 };
void dg_sample_path(char out[DG_SAMPLE_PATH], const char *folder, uint32_t seed);

/* A sample of an overlay: half picture, half class colour. */
static inline uint8_t dg_mix(int picture, uint8_t colour) { return (uint8_t)((picture + colour + 1) / 2); }

/* ---- run.json: all that the bytes of a run depend on ----------------------------------------------------------------- */

/* NULL: NN_ENOMEM. */
json_t *dg_run_describe(const sg_model *m, const dg_interp *in, const dg_dataset_options *o, nn_err *err);
/* NN_EMISMATCH naming the first key that differs. */
nn_status dg_run_compare(const char *path, const json_t *found, const json_t *wanted, nn_err *err);

/* ---- metadata.jsonl -------------------------------------------------------------------------------------------------- */

/* A line with its newline; NULL: NN_ENOMEM.  Free with nn_free. */
char *dg_manifest_line(const dg_sample *s, const dg_class *class_at, int classes, nn_err *err);
/* NN_EFORMAT when the line (without newline) is not one that dg_manifest_line writes.  where: "path: line N". */
nn_status dg_manifest_parse(dg_sample *s, const char *line, size_t size, const dg_class *class_at, int classes, const char *where, nn_err *err);

/* Line by line, in constant memory.  A missing file has no lines. */
typedef struct {
    nn_source file;
    char *buffer;
    size_t begin, end;                           /* bytes of the buffer not yet returned */
    uint64_t unread;                             /* bytes of the file not yet in the buffer */
    uint64_t lines;                              /* returned so far */
    int64_t offset;                              /* of the byte after them */
    bool torn;                                   /* at the end: bytes without a newline are left */
} dg_manifest;
nn_status dg_manifest_open(dg_manifest *r, const char *path, nn_err *err);
/* The next line, valid until the next call; *line NULL at the end. */
nn_status dg_manifest_next(dg_manifest *r, const char **line, size_t *size, nn_err *err);
void dg_manifest_close(dg_manifest *r);

/* ---- what people look at, made from the finished manifest and files --------------------------------------------------- */

/* index.html, page2.html, ...: the index last, as the mark of a finished run. */
nn_status dg_html_write(const char *out, const dg_interp *in, nn_dim res, uint64_t samples, nn_err *err);
/* preview.png: the first samples, picture beside overlay. */
nn_status dg_preview_write(const char *out, const dg_interp *in, nn_err *err);

#endif
