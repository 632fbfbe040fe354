/* model.h: what the files of src/stylegan share.  Not for callers: they use stylegan.h.
 *
 * Layer i counts the 3x3 convolutions in network order: b4.conv1, b8.conv0, b8.conv1, b16.conv0, ...  The same number is the
 * layer's row of ws, its tap and its random noise.  ToRGB of level l (4 << l pixels) reads ws[2l + 1], which it shares with the
 * next block's conv0.  ([ADA] networks.py SynthesisNetwork.forward) */
#ifndef SG_MODEL_H
#define SG_MODEL_H

#include "stylegan/stylegan.h"

enum { SG_DIM_MAX = 4096, SG_CHANNELS_MAX = 8192, SG_MAPPING_MAX = 64, SG_FILTER_MAX = 16, SG_FORMAT = 1 };

typedef struct { const real *weight, *bias; } sg_dense;                  /* (out,in), (out) */

typedef struct {
    nn_conv conv;
    const real *weight;          /* (cout,cin,3,3) while loading, NULL once packed */
    const real *square;          /* (cout,cin): sum of weight^2 over the kernel */
    sg_dense affine;             /* (cin,w_dim) */
    const real *bias;            /* (cout) */
    const real *noise;           /* (h,w) of the output */
    const real *strength;        /* one number */
} sg_layer;

typedef struct {
    nn_conv_shape shape;
    const real *weight, *bias;   /* (img_channels,cin), (img_channels) */
    sg_dense affine;             /* (cin,w_dim) */
    const real *filter;          /* (fh,fw): upsamples the picture of the level before; NULL at level 0 */
    nn_dim fh, fw;
} sg_rgb;

struct sg_model {
    sg_config config;
    const nn_kernels *kernels;
    char identity[65];
    sg_dense fc[SG_MAPPING_MAX];
    const real *w_avg;           /* (w_dim) */
    const real *constant;        /* (channels[0],4,4), in the kernels' layout once loaded */
    int layer_count;             /* 2*levels - 1 */
    sg_layer layer[SG_TAPS_MAX];
    sg_tap_info tap[SG_TAPS_MAX];
    sg_rgb rgb[SG_LEVELS_MAX];
    void *memory;                /* holds every array above */
    size_t bytes;
};

struct sg_work {
    const sg_model *model;
    nn_dim max_batch;
    bool keep_taps;
    int threads;
    real *z, *w, *ws;                    /* of sg_draw: (batch,z_dim), (batch,w_dim), (batch,num_ws,w_dim) */
    real *by_layer;                      /* ws as (num_ws,batch,w_dim) */
    real *style[SG_TAPS_MAX];            /* (batch,cin) of each layer */
    real *demod[SG_TAPS_MAX];            /* (batch,cout) */
    real *rgb_style[SG_LEVELS_MAX];      /* (batch,cin) */
    real *style_square;                  /* (batch, widest cin) */
    real *noise;                         /* (batch,res,res) random noise of the layer being drawn */
    real *map[SG_TAPS_MAX];              /* (batch, map) output of each layer; two shared ones without keep_taps */
    real *image[2];                      /* (batch,img_channels,r,r): the finished level and the one before, alternating */
    real *scratch;
    nn_conv_job *job;                    /* (batch) */
};

/* Read and check the metadata of a generator file.  NN_EFORMAT. */
nn_status sg_config_read(const nn_st *f, sg_config *c, nn_err *err);

#endif
