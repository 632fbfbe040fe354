/* dgan/datasetgan.h: train a style interpreter, label pictures, stream a labelled dataset.  Includes the other public headers. */
#ifndef DGAN_DATASETGAN_H
#define DGAN_DATASETGAN_H

#include <dgan/stylegan.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- interpreters: read-only, counted --------------------------------------------------------------------------------- */

typedef struct dgan_interpreter dgan_interpreter;

/* Open an interpreter written by dgan_train or 'datasetgan train'.  NULL on failure. */
DGAN_API dgan_interpreter *dgan_interpreter_open(const char *path, dgan_error *err);
/* One more owner; returns in.  One owner less; the last one frees it. */
DGAN_API dgan_interpreter *dgan_interpreter_retain(dgan_interpreter *in);
DGAN_API void dgan_interpreter_release(dgan_interpreter *in);

/* Number of classes; name (NULL for a wrong i) and colour of class i; identity of the interpreter and of its generator. */
DGAN_API int dgan_interpreter_classes(const dgan_interpreter *in);
DGAN_API const char *dgan_interpreter_class(const dgan_interpreter *in, int i, uint8_t rgb[3]);
DGAN_API const char *dgan_interpreter_identity(const dgan_interpreter *in);
DGAN_API const char *dgan_interpreter_generator(const dgan_interpreter *in);
/* How the annotated pictures were drawn, which is how pictures to label should be. */
DGAN_API int dgan_interpreter_draw(const dgan_interpreter *in, dgan_draw *out, dgan_error *err);

/* ---- training --------------------------------------------------------------------------------------------------------- */

/* Numbers below 0 mean the recipe's own; the recipes are "default", "paper" and "official".  A width of 0: no such hidden layer, and none
 * above it.  split NULL: "train".  replace: an existing interpreter and the checkpoint of another training are replaced.  Start with
 * DGAN_TRAIN_INIT. */
typedef struct {
    size_t size;
    const char *recipe, *split;
    uint64_t seed;
    int64_t members, batch, width1, width2;
    double epochs, lr, decay, dropout1, dropout2;
    int64_t replace;
} dgan_train_options;
#define DGAN_TRAIN_INIT { sizeof(dgan_train_options), "default", NULL, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0 }

/* Train on an annotation set (task.json) and write the interpreter `out`.  Every annotated picture is drawn again and compared first.
 * `out`.part keeps what a stopped call has done; the same call goes on with it and ends with the same bytes.  An `out` of the same
 * training is DGAN_OK at once.  o NULL: DGAN_TRAIN_INIT; progress NULL: none. */
DGAN_API int dgan_train(dgan_generator *g, const char *task, const char *out, const dgan_train_options *o, dgan_progress progress,
                        void *user, dgan_error *err);

/* ---- labelling -------------------------------------------------------------------------------------------------------- */

/* An interpreter made ready for one generator; DGAN_EMISMATCH when they do not belong together. */
typedef struct dgan_labeller dgan_labeller;
DGAN_API dgan_labeller *dgan_labeller_open(dgan_generator *g, dgan_interpreter *in, dgan_error *err);
DGAN_API void dgan_labeller_close(dgan_labeller *l);

/* Label picture n of a drawer of the same generator, opened with keep_taps.  label (height,width): class of each pixel.  May be NULL:
 * divergence (height,width), the members' disagreement in nats (any
 * sign for interpreters converted from the first releases of DatasetGAN's code); probability (classes,height,width), their mean; uncertainty, one number for
 * the picture. */
DGAN_API int dgan_label(dgan_labeller *l, const dgan_drawer *d, int n, uint8_t *label, float *divergence, float *probability,
                        double *uncertainty, dgan_error *err);

/* ---- datasets --------------------------------------------------------------------------------------------------------- */

/* Samples from first_seed on, annotated seeds left out; count 0: as many as there are seeds.  Of these the stream gives the numbers
 * shard, shard + shards, ...: what one of several workers takes.  batch: pictures drawn at once.  draw NULL: as the annotated
 * pictures.  Start with DGAN_STREAM_INIT. */
typedef struct { size_t size; uint64_t first_seed, count, shard, shards; int batch; const dgan_draw *draw; } dgan_stream_options;
#define DGAN_STREAM_INIT { sizeof(dgan_stream_options), 0, 0, 0, 1, 4, NULL }

/* Labelled samples one after another.  A sample is a function of its seed: the same one that 'datasetgan dataset' writes.
 * o NULL: DGAN_STREAM_INIT. */
typedef struct dgan_stream dgan_stream;
typedef struct { uint32_t seed; double uncertainty; } dgan_sample;
DGAN_API dgan_stream *dgan_stream_open(dgan_generator *g, dgan_interpreter *in, const dgan_stream_options *o, dgan_error *err);
DGAN_API void dgan_stream_close(dgan_stream *s);
/* The next sample, written to memory of yours, each of which may be NULL: picture (height,width,channels), label (height,width), divergence
 * (height,width).  DGAN_OK, DGAN_END, or what failed. */
DGAN_API int dgan_stream_next(dgan_stream *s, uint8_t *picture, uint8_t *label, float *divergence, dgan_sample *out, dgan_error *err);

/* Write `count` samples from first_seed on as a dataset folder, as 'datasetgan dataset' does; the same call goes on with a folder
 * that a stopped one left.  draw and progress may be NULL. */
DGAN_API int dgan_dataset(dgan_generator *g, dgan_interpreter *in, const char *out, uint64_t first_seed, uint64_t count,
                          const dgan_draw *draw, dgan_progress progress, void *user, dgan_error *err);

#ifdef __cplusplus
}
#endif
#endif
