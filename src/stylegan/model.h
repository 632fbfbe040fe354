/* model.h: what the files of src/stylegan share.  Not for callers: they use stylegan.h.
 *
 * Layer i counts the 3x3 convolutions in network order: b4.conv1, b8.conv0, b8.conv1, b16.conv0, ...  The same number is the
 * layer's row of ws, its tap and its random noise.  ToRGB of level l (4 << l pixels) reads ws[2l + 1], which it shares with the
 * next block's conv0.  ([ADA] networks.py SynthesisNetwork.forward)
 * In a StyleGAN1 layer 0 is the constant input, which has an epilogue and a style of its own: layer i is b{4<<i/2}.input or .conv0
 * when i is even, .conv1 when it is odd, and reads ws[i].  ([SG1] networks_stylegan.py G_synthesis) */
#ifndef SG_MODEL_H
#define SG_MODEL_H

#include "nn/base.h"
#include "stylegan/stylegan.h"

enum { SG_LAYERS_MAX = 2 * SG_LEVELS_MAX };
enum { SG_DIM_MAX = 4096, SG_CHANNELS_MAX = 8192, SG_MAPPING_MAX = 64, SG_FILTER_MAX = 16, SG_FORMAT = 1 };

typedef struct { const real *weight, *bias; } sg_dense;                  /* (out,in), (out) */

typedef struct {
    nn_dim c, res;               /* of the output */
    nn_conv conv;                /* .packed NULL: none (the constant input of StyleGAN1) */
    const real *weight;          /* (cout,cin,3,3) while loading, NULL once packed */
    const real *square;          /* StyleGAN2, (cout,cin): sum of weight^2 over the kernel */
    const real *scale;           /* where nothing is demodulated, (cout): the number that all weights are multiplied by */
    const real *blur;            /* StyleGAN1 conv0, (3,3) */
    sg_dense affine;             /* StyleGAN2: (cin,w_dim); StyleGAN1: (2c,w_dim), first all scales, then all shifts */
    const real *bias;            /* (c) */
    const real *noise;           /* (res,res) */
    const real *strength;        /* StyleGAN2: one number; StyleGAN1: (c) */
} sg_layer;

typedef struct {
    nn_conv_shape shape;
    const real *weight, *bias;   /* (img_channels,cin), (img_channels) */
    sg_dense affine;             /* (cin,w_dim) */
    const real *filter;          /* (fh,fw): upsamples the picture of the level before; NULL where none is */
    nn_dim fh, fw;
} sg_rgb;

/* Where a tap's numbers lie: the output of a layer, its convolution before noise and activation, or the constant input. */
typedef enum { SG_OUTPUT, SG_RAW, SG_INPUT } sg_place;

struct sg_model {
    sg_config config;
    const nn_kernels *kernels;
    char identity[65];
    bool one;                    /* a StyleGAN1 */
    sg_dense embed;              /* (embed_dim,c_dim), conditional networks only; bias NULL: LabelConcat */
    sg_dense fc[SG_MAPPING_MAX];
    const real *w_avg;           /* (w_dim) */
    const real *constant;        /* (channels[0],4,4), in the kernels' layout once loaded */
    const real *ones;            /* StyleGAN1 and resnet: style of a convolution that has none, as many as the widest input */
    int layer_count;             /* 2*levels - 1; StyleGAN1: 2*levels */
    sg_layer layer[SG_LAYERS_MAX];
    sg_layer skip[SG_LEVELS_MAX];        /* resnet: 1x1 convolution and up-sampling of a block's input; .conv, .weight, .scale only */
    int tap_count, tap_total;
    sg_tap_info tap[SG_TAPS_MAX];
    struct { sg_place place; int layer; } source[SG_TAPS_MAX];
    sg_rgb rgb[SG_LEVELS_MAX];   /* .weight NULL: none at this level */
    void *memory;                /* holds every array above */
    size_t bytes;
};

/* Width of mapping layer i. */
static inline nn_dim sg_mapping_out(const sg_config *c, nn_dim i) { return i == c->mapping_layers - 1 ? c->w_dim : c->mapping_width; }

/* What threads that draw together have to themselves. */
typedef struct {
    int threads;
    real *scratch;                       /* nn_conv_scratch of any layer */
    real *skip;                          /* resnet: one picture's share of the widest block */
    real *turn[3];                       /* without keep_taps: maps of a picture whose level is drawn alone, in turn */
    nn_conv_job *job;                    /* (batch), of a lone thread (1) */
} sg_lane;

struct sg_work {
    const sg_model *model;
    nn_dim max_batch;
    bool keep_taps;
    int threads;
    real *z, *w, *ws;                    /* of sg_draw: (batch,z_dim), (batch,w_dim), (batch,num_ws,w_dim) */
    real *by_layer;                      /* ws as (num_ws,batch,w_dim) */
    real *style[SG_LAYERS_MAX];          /* StyleGAN2: (batch,cin) of each layer; StyleGAN1: (batch,2c) */
    real *demod[SG_LAYERS_MAX];          /* StyleGAN2: (batch,cout) */
    real *rgb_style[SG_LEVELS_MAX];      /* (batch,cin) */
    real *style_square;                  /* (batch, widest cin) */
    real *noise;                         /* (batch,res,res) random noise of the layer being drawn */
    real *map[SG_LAYERS_MAX];            /* (batch, map) output of each layer; two shared ones without keep_taps, none of levels drawn alone */
    real *raw[SG_LAYERS_MAX];            /* StyleGAN1, alike: convolution before noise; one shared one without keep_taps, and for conv0 */
    double *sums;                        /* StyleGAN1: nn_norm_scratch */
    real *image[2];                      /* the finished level and the one before, alternating: a picture's (img_channels,r,r) begins where that of the */
                                         /* last level, or of the last but one, would */
    sg_lane *lane;                       /* all threads together, then each of lone_threads */
    int lone_threads;
};

/* StyleGAN2: lower levels are drawn for the whole batch, a unit's weights serving all pictures; from this one on each picture alone: its maps
 * stay in the caches.  As many pictures as there are threads are drawn side by side, a thread each; all threads together draw what is left.  The weights
 * of narrow levels stay in the caches by themselves.  (bench/LOG.md) */
enum { SG_TOGETHER = 3, SG_NARROW = 128 };
static inline nn_dim sg_first_alone(const sg_model *m) { return nn_at_most(SG_TOGETHER - (m->config.channels[0] <= SG_NARROW), m->config.levels); }
/* Maps that layers take in turn. */
static inline int sg_turns(const sg_model *m) { return m->skip[m->config.levels - 1].conv.packed ? 3 : 2; }
/* Is layer i of a level drawn alone?  Layers 2l - 1 and 2l are of level l.  StyleGAN1 draws all levels for the whole batch. */
static inline bool sg_is_alone(const sg_model *m, int i) { return !m->one && (i + 1) / 2 >= sg_first_alone(m); }

/* Read and check the metadata of a generator file.  NN_EFORMAT. */
nn_status sg_config_read(const nn_st *f, sg_config *c, nn_err *err);

/* ---- weights.c: what a file must hold ----------------------------------------------------------------------------- */

/* Per layer 8 tensors (with its filter), per level 6, per mapping layer 2, w_avg, const, and 2 of the classes. */
enum { SG_TENSORS_MAX = 8 * SG_LAYERS_MAX + 6 * SG_LEVELS_MAX + 2 * SG_MAPPING_MAX + 4 };
/* repacked: the slot's numbers are rewritten on the way in, the others are copied as they are. */
typedef struct {
    size_t count;
    nn_want want[SG_TENSORS_MAX];
    char name[SG_TENSORS_MAX][48];
    bool repacked[SG_TENSORS_MAX];
} sg_table;
typedef struct { int rank; nn_dim dim[4]; } sg_dims;
#define SG_DIMS0 ((sg_dims){ 0, { 0 } })
#define SG_DIMS1(a) ((sg_dims){ 1, { a } })
#define SG_DIMS2(a, b) ((sg_dims){ 2, { a, b } })
#define SG_DIMS3(a, b, c) ((sg_dims){ 3, { a, b, c } })
#define SG_DIMS4(a, b, c, d) ((sg_dims){ 4, { a, b, c, d } })
void sg_table_add(sg_table *t, const real **slot, sg_dims d, bool repacked, const char *fmt, ...) NN_PRINTF(5, 6);
/* The next tap of the model, named b{res}.{part}; those of no default set come last. */
void sg_add_tap(sg_model *m, nn_dim c, nn_dim res, const char *part, sg_place place, int layer, unsigned sets);

/* ---- stylegan1.c --------------------------------------------------------------------------------------------------- */

/* Layers, taps and tensors of a StyleGAN1 from its configuration. */
void sg_describe1(sg_table *t, sg_model *m);
/* The styles of all layers, then the picture; arguments as sg_synthesis. */
void sg_synthesis1(const sg_model *m, sg_work *wk, const real *ws, nn_dim n, sg_noise noise, const uint32_t *seeds);
/* synthesis.c, for both: noise of picture b in layer i. */
const real *sg_layer_noise(const sg_model *m, sg_work *wk, int i, nn_dim b, sg_noise noise, const uint32_t *seeds);

#endif
