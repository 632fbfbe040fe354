/* stylegan.h: pre-trained StyleGAN generators: open, draw, read the taps.
 *
 * A *tap* is one feature map at its own resolution, named after the module that makes it ("b64.conv0").
 * A model is read-only once open and may be shared by threads; a workspace belongs to one caller at a time. */
#ifndef SG_STYLEGAN_H
#define SG_STYLEGAN_H

#include "nn/kernels.h"
#include "nn/safetensors.h"

enum { SG_LEVELS_MAX = 11, SG_TAPS_MAX = 3 * SG_LEVELS_MAX };         /* 4 .. 4096 px; StyleGAN1 has three taps a level */

typedef struct {
    char network[32];                /* "stylegan2", "stylegan1" */
    char architecture[16];           /* "skip", "orig", "resnet"; a StyleGAN1 is "orig" */
    nn_dim resolution, z_dim, w_dim, mapping_layers, img_channels, num_ws, levels;
    nn_dim mapping_width;            /* of all mapping layers but the last, which has w_dim */
    nn_dim top, height;              /* a picture is rows top .. top + height - 1 of what the network draws: all, but for the paper's cars */
    nn_dim channels[SG_LEVELS_MAX];  /* of the block at 4 << level */
    double mapping_lr_multiplier;    /* scales weights and biases of the mapping at run time */
    double conv_clamp;               /* INFINITY: none */
    double norm_eps;                 /* StyleGAN1: of the instance norm; 1e-8 in NVIDIA's code, 1e-5 in DatasetGAN's */
    nn_dim c_dim, embed_dim;         /* classes (0: none), and the numbers that a class adds to z */
    bool concat;                     /* z and class are normalised together (TensorFlow's LabelConcat), else each by itself */
    nn_dim cutoff;                   /* what truncation_cutoff means when a user says nothing; -1: all layers */
} sg_config;

/* Sets of taps that have a name. */
enum { SG_SET_DEFAULT = 1, SG_SET_RELEASED = 2, SG_SET_PAPER = 4, SG_SET_EDITGAN = 8 };
typedef struct { char name[24]; nn_dim c, h, w; unsigned sets; } sg_tap_info;

typedef struct sg_model sg_model;
/* Open a generator written by convert/ (docs/FILES.md).  NULL and err: NN_EIO, NN_EFORMAT, NN_ESHAPE, NN_ENOMEM. */
sg_model *sg_open(const char *path, const nn_kernels *k, nn_err *err);
/* The same from a file already read; the model keeps nothing of it. */
sg_model *sg_load(nn_st *f, const nn_kernels *k, nn_err *err);
void sg_close(sg_model *m);
const sg_config *sg_get_config(const sg_model *m);
const nn_kernels *sg_get_kernels(const sg_model *m);
const char *sg_identity(const sg_model *m);              /* 64 hex digits */
/* The default taps in network order, and behind them, up to sg_tap_total, those that only other sets have.
 *   StyleGAN2  default   outputs of every conv0 and conv1 after activation and clamp (b4 has no conv0; in a resnet, conv1 is the
 *                        block's output, its skip included)
 *              "editgan" the default and the constant input ("b4.const"): 6016 channels at 512 px, 6080 at 1024
 *   StyleGAN1  default, "released"  as DatasetGAN's code takes them: per level "conv1", the output of the second epilogue, and
 *                        "conv1_raw", the second convolution with its bias: 4992, 5056, 5088 channels at 256, 512, 1024 px
 *              "paper"   as the paper draws them: the output of every epilogue ("b4.input", "conv0", "conv1") */
int sg_tap_count(const sg_model *m);
int sg_tap_total(const sg_model *m);
const sg_tap_info *sg_tap_at(const sg_model *m, int i);
/* Does `name` mean this tap: its own name, or that of a set it is in ("default" too)? */
bool sg_tap_is(const sg_tap_info *t, const char *name);

typedef enum { SG_NOISE_CONST, SG_NOISE_NONE, SG_NOISE_RANDOM } sg_noise;
typedef struct {
    double psi;                      /* truncation: w = w_avg + psi*(w - w_avg) */
    nn_dim cutoff;                   /* for the first `cutoff` of the num_ws layers; negative: all */
    sg_noise noise;
    nn_dim class_id;                 /* of a conditional generator, 0 to c_dim - 1; ignored otherwise */
} sg_options;
/* NN_EINVAL when the cutoff lies beyond the generator's layers or the class beyond its classes. */
nn_status sg_check_options(const sg_model *m, const sg_options *o, nn_err *err);

/* Room for drawing up to max_batch pictures at once with up to `threads` threads.  keep_taps: every tap stays readable
 * after drawing; otherwise memory is reused.  sg_work_bytes states the size without allocating. */
typedef struct sg_work sg_work;
sg_work *sg_work_open(const sg_model *m, nn_dim max_batch, bool keep_taps, int threads, nn_err *err);
void sg_work_close(sg_work *wk);
size_t sg_work_bytes(const sg_model *m, nn_dim max_batch, bool keep_taps, int threads);
size_t sg_model_bytes(const sg_model *m);

/* z (z_dim) of a seed: numpy.random.RandomState(seed).randn(1, z_dim) as float32. */
void sg_z(const sg_model *m, uint32_t seed, real *z);
/* w (n, w_dim) from z (n, z_dim) of one class: pixel norm, then the mapping layers.  No truncation.  Any n. */
void sg_mapping(const sg_model *m, real *w, const real *z, nn_dim n, nn_dim class_id);
/* ws (n, num_ws, w_dim) from w (n, w_dim). */
void sg_truncate(const sg_model *m, real *ws, const real *w, nn_dim n, const sg_options *o);
/* Draw n <= max_batch pictures from ws.  seeds (n): for random noise only, may be NULL otherwise.  Cannot fail. */
void sg_synthesis(const sg_model *m, sg_work *wk, const real *ws, nn_dim n, sg_noise noise, const uint32_t *seeds);
/* All four steps for a list of seeds; ws_out (n,num_ws,w_dim) or NULL. */
void sg_draw(const sg_model *m, sg_work *wk, const uint32_t *seeds, nn_dim n, const sg_options *o, real *ws_out);

/* Results of the last call, valid until the next: planar picture (img_channels, height, resolution); tap in the
 * kernels' layout, whole whatever rows the picture has. */
const real *sg_picture(const sg_work *wk, nn_dim n);
const real *sg_tap(const sg_work *wk, nn_dim n, int tap);            /* keep_taps only */

#endif
