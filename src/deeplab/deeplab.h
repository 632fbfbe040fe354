/* deeplab.h: the downstream segmentation network: files, training, prediction.
 *
 * The paper's proof (Zhang et al. 2021, § 4): a network trained on what the factory labelled, tested on real photographs.  Batches come
 * through a callback, so this folder knows nothing of generators (cli joins them). */
#ifndef DL_DEEPLAB_H
#define DL_DEEPLAB_H

#include "deeplab/augment.h"
#include "deeplab/net.h"
#include "nn/image.h"
#include "nn/json.h"
#include "nn/metrics.h"

typedef struct { char name[128]; uint8_t rgb[3]; } dl_class;

/* A trained network: what its file holds (docs/FILES.md). */
typedef struct {
    dl_net net;
    nn_dim size;                     /* pictures it was trained on: size x size */
    int class_count;
    dl_class class_at[NN_VOID];
    json_t *training;                /* settings and learning curve; may be NULL */
} dl_model;
nn_status dl_model_read(dl_model *m, const char *path, nn_err *err);
nn_status dl_model_write(const dl_model *m, const char *path, nn_err *err);
void dl_model_close(dl_model *m);

/* Take a network's numbers from any safetensors file with torch's names, such as convert/ writes from a torchvision state dict.  Tensors
 * that are missing or of another shape stay as they are when `partial` (a classifier for other classes, a backbone alone); *taken counts
 * the others.  Otherwise every one must be there.  A file that says it is of another network: NN_EINVAL.  NN_EFORMAT, NN_ESHAPE. */
nn_status dl_weights_read(dl_net *n, const char *path, bool partial, nn_dim *taken, nn_err *err);

/* ---- training --------------------------------------------------------------------------------------------------------------------- */

typedef struct { bool (*report)(void *user, const char *what, double done, double total, double value); void *user; } dl_progress;

/* Samples of an endless stream: number first .. first + n - 1.  What out points to stays valid until the next call. */
typedef struct { nn_status (*fetch)(void *user, uint64_t first, nn_dim n, dl_sample *out, nn_err *err); void *user; } dl_source;

typedef struct {
    nn_dim batch;                    /* at least 2 */
    int64_t steps;
    double minutes;                  /* above 0: stop after that long whatever the steps; the one exception to equal bytes */
    const char *optimiser;           /* "adam" (decoupled decay) or "sgd" (momentum 0.9, torch's) */
    const char *schedule;            /* "cosine" (after a warm-up of 5 %), "poly" (power 0.9) or "constant" */
    double lr, decay;
    double average;                  /* decay of the moving average of weights and statistics; 0: the last ones are the result */
    dl_augmentation augment;
    uint64_t seed;
    int64_t validate_every;          /* steps between validations; 0: at the end */
    int64_t keep_every;              /* steps between calls of `keep`, with m->net as it would be the result of so many steps; 0: none */
    nn_status (*keep)(void *user, int64_t step, nn_err *err);
    void *keep_user;
    int threads;
} dl_train_options;

/* Train m->net (initialised by the caller) and leave the averaged weights in it.  Every 100 steps, at the end and when stopped, the state goes
 * to `checkpoint`; a checkpoint of the same `settings` is gone on from, and the result has the same bytes; another one is NN_EEXISTS
 * unless `replace`, naming a setting that differs.  lock: nn_file_lock's of the checkpoint, or -1.  val (may have fetch NULL) is val_count samples whose mIoU goes into the curve.  The learning curve is put into `curve`
 * (a JSON array: [step, loss, mIoU or null]).  A loss that is not finite: NN_EINVAL, the last checkpoint stays.  NN_ECANCEL when told to. */
nn_status dl_train(dl_model *m, const nn_kernels *k, const dl_train_options *o, const dl_source *train, const dl_source *val, nn_dim val_count,
                   const json_t *settings, const char *checkpoint, int *lock, bool replace, json_t *curve, const dl_progress *p, nn_err *err);
/* Remove the checkpoint of a run with these settings, where a kill has left it behind its network. */
void dl_checkpoint_forget(const char *path, const json_t *settings);

/* ---- prediction -------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double scale;                    /* 0: fit, the whole picture resized so that its longer side is the training size; otherwise the factor to work at, in tiles */
    nn_dim tile;                     /* pixels of a tile at the working scale */
    bool flips;                      /* mean over the 8 flips and quarter turns */
    double adapt;                    /* 0: the running statistics of training; above: this share of the picture's own (Nado et al. 2020) */
    int threads;
    const bool *central;             /* NULL, or classes of which dl_keep_central leaves one part in label; the caller's while the predictor is open */
} dl_predict_options;

/* A predictor keeps its room from one picture to the next of the same size.  NULL: NN_ENOMEM. */
typedef struct dl_predictor dl_predictor;
dl_predictor *dl_predictor_open(const dl_model *m, const nn_kernels *k, const dl_predict_options *o, nn_err *err);
void dl_predictor_close(dl_predictor *p);
/* label (h,w) and, unless NULL, class probabilities prob (h,w,K) of a picture at its own size.  A grey picture is read as RGB, alpha is
 * left out.  In tiles memory does not grow with the picture beyond label and prob.  progress (may be NULL) hears of each tile; NN_ECANCEL
 * when it says so. */
nn_status dl_predict(dl_predictor *p, const nn_image *picture, uint8_t *label, real *prob, const dl_progress *progress, nn_err *err);
/* The same in tiles (scale > 0), for pictures that memory does not hold; `central` is left out, which asks for all of a picture.  next gives rows of width * channels bytes, top to bottom; band takes
 * `rows` of them from row y on, with their labels, which are its to change, and, where `wanted`, probabilities (rows, width, K).  Memory grows with the width and
 * the tile, not with the height. */
typedef struct { nn_dim width, height, channels; nn_status (*next)(void *user, uint8_t *row, nn_err *err); void *user; } dl_rows;
typedef struct { nn_dim y, rows; const uint8_t *pixels; uint8_t *label; const real *prob; } dl_band;
typedef struct { bool wanted; nn_status (*band)(void *user, const dl_band *b, nn_err *err); void *user; } dl_bands;
nn_status dl_predict_rows(dl_predictor *p, const dl_rows *from, const dl_bands *to, const dl_progress *progress, nn_err *err);
/* The class of every pixel, ties to the lowest. */
void dl_argmax(uint8_t *label, const real *prob, nn_dim pixels, nn_dim K);

/* Pixels of label (h,w) that hang together with pixel `from` by sides and corners through the classes in `of`: their number; they are set
 * in mark (h,w), which must be 0 there before.  stack: h*w. */
nn_dim dl_part(uint8_t *mark, nn_dim *stack, const uint8_t *label, nn_dim h, nn_dim w, const bool of[NN_VOID + 1], nn_dim from);
/* Of a label map that comes row by row, by sides and corners: how many parts each class has, and the pixels of its largest. */
typedef struct dl_parts dl_parts;
dl_parts *dl_parts_open(nn_dim width, nn_err *err);                                     /* NULL: NN_ENOMEM */
void dl_parts_add(dl_parts *p, const uint8_t *label);
void dl_parts_end(dl_parts *p, nn_dim count[NN_VOID + 1], nn_dim largest[NN_VOID + 1]);  /* after the last row */
void dl_parts_close(dl_parts *p);                                                       /* takes NULL */
/* Of the parts that the classes in `of` form together, only the one with the pixel nearest to the picture's middle stays (the first row's of
 * equals); the others become class 0.  For photographs that show neighbours of what was meant.  NN_ENOMEM. */
nn_status dl_keep_central(uint8_t *label, nn_dim h, nn_dim w, const bool of[NN_VOID + 1], nn_err *err);

/* Resize (h,w,c) with a triangle that widens when it shrinks (antialiased, as Pillow's BILINEAR and torch's antialias=True). */
nn_status dl_resize_picture(real *y, const real *x, nn_dim h, nn_dim w, nn_dim c, nn_dim oh, nn_dim ow, nn_err *err);

#endif
