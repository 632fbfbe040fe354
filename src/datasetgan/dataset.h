/* dataset.h: the parts of a dataset run (docs/FILES.md, "dataset").  Private to src/datasetgan and its tests. */
#ifndef DG_DATASET_H
#define DG_DATASET_H

#include "datasetgan/datasetgan.h"
#include "nn/rng.h"

enum { DG_GROUP = 64, DG_PAGE = 200 };           /* samples committed together; samples on an HTML page */

/* How a sample was drawn otherwise (vary.c). */
typedef struct {
    bool stream_given, psi_given, mix_given, augment_given;    /* part of the sample's line */
    double psi;
    uint32_t z_stream, mix_seed;
    nn_dim mix_from;                             /* first layer of the second seed; 0: not mixed */
    double brightness, contrast, saturation, gamma;
} dg_vary;

typedef struct {
    uint32_t seed;
    double uncertainty;
    double uncertainty_mean;                     /* over all pixels; read as NAN when the line has none */
    uint64_t pixels[NN_VOID];                    /* by class */
    char sha256[65];                             /* of the decoded picture, then the label map, row by row */
    char file_sha256[2][65];                     /* of the two files; "": the line has none */
    dg_vary vary;                                /* written, not read */
} dg_sample;

/* ---- seeds.c ------------------------------------------------------------------------------------------------------------ */

/* How many annotated seeds a run skips: in one stream of z a picture's number is no seed. */
static inline nn_dim dg_seeds_skipped(const dg_interp *in, const dg_vary_options *o) { return o->one_stream ? 0 : in->seed_count; }
/* The samples [begin, end) of a run of count that a shard makes. */
void dg_shard_range(dg_shard shard, uint64_t count, uint64_t *begin, uint64_t *end);

/* ---- vary.c --------------------------------------------------------------------------------------------------------------- */

nn_status dg_vary_check(const dg_vary_options *o, nn_err *err);
/* A pure function of the seed. */
void dg_vary_choose(dg_vary *v, const dg_vary_options *o, double psi, nn_dim num_ws, uint32_t seed);
/* Are latents not simply those of the seeds? */
static inline bool dg_vary_latents(const dg_vary_options *o) { return o->one_stream || o->psi_range || o->mix > 0; }
/* ws (num_ws,w_dim) of z (z_dim), truncated by v's psi; style mixing (Karras 2019, 3.1): from v->mix_from on those of a second seed.
 * room: z_dim + w_dim + num_ws*w_dim numbers. */
void dg_vary_ws(const sg_model *m, const sg_options *draw, const dg_vary *v, const real *z, real *ws, real *room);
/* dg_draw_room's numbers: z (z_dim), what dg_vary_ws needs, ws (batch,num_ws,w_dim). */
typedef struct { real *z, *room, *ws; } dg_draw_parts;
dg_draw_parts dg_draw_split(const sg_model *m, real *all);
/* With x a channel from 0 to 1: x^gamma, contrast about 1/2, times brightness, saturation about Rec. 601's grey, rounded.  Alpha stays. */
void dg_vary_picture(nn_image *im, const dg_vary *v);
json_t *dg_vary_put_options(const dg_vary_options *o);
/* Add psi, mix, augment to a line, as far as given. */
bool dg_vary_put(json_t *line, const dg_vary *v);

/* ---- sampler.c ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    dg_sample sample;
    nn_image picture, label;
    nn_bytes picture_png, label_png;             /* free with dg_sampler_free_files */
    nn_err err;
} dg_slot;
typedef struct {
    const sg_model *m;
    const dg_interp *in;
    const dg_dataset_options *o;
    sg_work *work;
    dg_labeller *labeller;
    nn_palette palette;
    nn_dim batch;
    dg_slot *at;                                 /* (batch) */
    uint32_t *seed;                              /* (batch): the caller fills it */
    nn_numpy_rng stream;                         /* one_stream: at the z of picture `next` */
    uint64_t next;
    dg_draw_parts part;                          /* one block that begins with part.z */
    float *divergence;                           /* (height,width) */
} dg_sampler;
/* Close it also when opening failed. */
nn_status dg_sampler_open(dg_sampler *s, const sg_model *m, const dg_interp *in, const dg_dataset_options *o, nn_dim batch, nn_err *err);
void dg_sampler_close(dg_sampler *s);
/* at[0..n) from seed[0..n).  NN_EFORMAT when the features of a picture are not finite. */
nn_status dg_sampler_make(dg_sampler *s, nn_dim n, nn_err *err);
void dg_sampler_free_files(dg_slot *t);
/* Mean over n pixels, added in order. */
double dg_mean_divergence(const float *divergence, nn_dim n);

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
/* NN_EMISMATCH naming every key that differs. */
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

typedef struct { const char *task; const dg_class *class_at; int classes; nn_dim width, height; } dg_look;
/* Of the first `samples` lines. */
nn_status dg_summarise(const char *out, const dg_look *look, uint64_t samples, dg_summary *all, nn_err *err);
/* index.html, page2.html, ...: the index last, as the mark of a finished run. */
nn_status dg_html_write(const char *out, const dg_look *look, const dg_summary *all, nn_err *err);
/* preview.png: the first samples, picture beside overlay. */
nn_status dg_preview_write(const char *out, const dg_look *look, nn_err *err);

#endif
