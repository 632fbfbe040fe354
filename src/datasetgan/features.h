/* features.h: the annotated pictures as training sees them: feature maps at their own size, pixels gathered when wanted.
 * Private to datasetgan.
 *
 * A pixel's D numbers are never stored: 16 pictures of 128 x 128 pixels x 864 numbers would be 0.9 GB, their maps are 64 MB. */
#ifndef DG_FEATURES_H
#define DG_FEATURES_H

#include "datasetgan/datasetgan.h"

/* Where an output row or column reads: two source positions and the weight of the second (nn_bilinear_at). */
typedef struct { nn_dim i0, i1; real t; } dg_at;

/* Without interpolation (torch.nn.Upsample, mode nearest): the source position that holds the output's upper left corner. */
static inline void dg_nearest_at(nn_dim o, nn_dim in, nn_dim out, nn_dim *i0, nn_dim *i1, double *t)
{
    *i0 = *i1 = o * in / out;
    *t = 0.0;
}

/* Neighbouring taps of one size, channels last: (h, w, c). */
typedef struct { nn_dim c, h, w, offset; dg_at *row, *col; } dg_map_group;      /* offset: numbers of a picture before it */

typedef struct {
    const nn_kernels *k;
    nn_dim res, top, height, size;                   /* maps are upsampled to (res,res); size = height*res pixels of it are the picture */
    nn_dim D, pictures, picture_count;          /* picture_count: numbers of one picture's maps */
    bool half;                                       /* gathered numbers are rounded to float16: the released code keeps its features so */
    int tap_count, group_count;
    int tap[SG_TAPS_MAX];                            /* index of the generator's tap */
    dg_map_group group[SG_TAPS_MAX];
    real *maps;                                      /* group by group, in each picture by picture: dg_group_map */
    real *mean, *std;                                /* (D): 0 and 1 until dg_features_standardise */
    nn_dim pixel_count;
    uint32_t *pixel;                                 /* annotated pixels, picture*size + y*res + x; void ones are left out */
    uint8_t *label;                                  /* (pixel_count) */
    nn_dim seed_count;                               /* of the pictures that have one */
    uint32_t *seed;                                  /* (seed_count) */
} dg_features;

/* Choose the maps and read the labels of every item of the split: enough to know what is trained on. */
nn_status dg_features_open(dg_features *f, const dg_task *t, const char *split, const sg_model *m, const char *const *tap_names,
                           int tap_count, nn_err *err);
/* Draw the items, compare each with its stored picture, keep the chosen maps. */
nn_status dg_features_draw(dg_features *f, const dg_task *t, const char *split, const sg_model *m, nn_err *err);
/* Classes 1 to 49 of fewer than min_pixels pixels in a picture become class 0 there.  (train_interpreter.py prepare_data, "delete small
 * annotation error") */
nn_status dg_features_clean(dg_features *f, nn_dim min_pixels, nn_err *err);
void dg_features_close(dg_features *f);

/* Positions of group g's maps, in all pictures; a picture's map: (h, w, c). */
static inline nn_dim dg_group_positions(const dg_features *f, int g) { return f->pictures * f->group[g].h * f->group[g].w; }
static inline real *dg_group_map(const dg_features *f, int g, nn_dim picture)
{
    const dg_map_group *q = &f->group[g];
    return f->maps + f->pictures * q->offset + picture * q->h * q->w * q->c;
}

/* x (n, D without the channels of groups [0, first)) = the features of pixel list entries at[0..n): four bilinear taps a map. */
void dg_features_gather(const dg_features *f, int first, const uint32_t *at, nn_dim n, real *x);
/* position, weight (n, groups, 4): those taps of the groups [0, groups).  Positions count through each group's pictures, one group after the other. */
void dg_features_taps(const dg_features *f, int groups, const uint32_t *at, nn_dim n, int32_t *position, real *weight);

/* Mean and standard deviation of each feature over the annotated pixels (1 for a constant feature), folded into the maps once:
 * bilinear weights sum to 1, so standardised maps gather to standardised features. */
nn_status dg_features_standardise(dg_features *f, nn_err *err);
/* The same with an earlier interpreter's statistics. */
void dg_features_standardise_as(dg_features *f, const real *mean, const real *std);

#endif
