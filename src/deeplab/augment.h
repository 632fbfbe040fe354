/* augment.h: one training sample out of a labelled picture: geometry, stain, optics.  Everything random is a function of (seed, step,
 * index), so neither threads nor a restart can change it.  Private to src/deeplab and its tests. */
#ifndef DL_AUGMENT_H
#define DL_AUGMENT_H

#include "nn/base.h"

/* A labelled picture: rgb (h,w,3); label (h,w) with 255 as void, or soft (h,w,K) probabilities; memory is the caller's. */
typedef struct { nn_dim h, w; const uint8_t *rgb, *label; const real *soft; } dl_sample;

/* Strengths; all 0 and zoom 1, 1: the picture as it is.  dl_augment_default fills the recipe's, which has no JPEG. */
typedef struct {
    bool turn;                       /* flips and any rotation */
    double zoom_low, zoom_high;      /* log-uniform */
    double shift;                    /* share of the size, both ways */
    double warp;                     /* elastic: sd of the displacements of a 6 x 6 grid, share of the size */
    double colour;                   /* brightness, contrast, gamma and white balance */
    double stain;                    /* optical density of the whole picture, by channel: log-sd */
    double class_stain;              /* optical density of each class by itself: log-sd; and levelled towards the class's mean */
    int steady_class;                /* 0: none; a class whose density varies less than the others', as nuclei, which every stain darkens */
    double uneven;                   /* optical density from place to place: log-sd of slow functions, one for odd and one for even classes */
    double blur;                     /* largest Gaussian sd, pixels of the sample */
    double noise;                    /* largest sd of Gaussian noise, of 255 */
    double paste;                    /* how often another picture's parts of paste_class are put on this one's class 0, twice at most */
    int paste_class;                 /* 0: none */
    int jpeg;                        /* 0: none; half of the samples lose what JPEG of a quality from this (1 to 100) to 100 loses */
} dl_augmentation;
void dl_augment_default(dl_augmentation *a, double strength);         /* strength scales every one; 0: none */

/* Input normalisation: x = (byte - mean) / sd of ImageNet (torchvision's), so that its weights fit. */
extern const real dl_input_mean[3], dl_input_sd[3];

/* x (h,w,3) normalised, target (h,w,K), weight (h,w): 1, or 0 where most of a pixel is void.  other: where parts are pasted from, NULL:
 * nowhere.  room: dl_augment_room numbers.  NN_ENOMEM, with JPEG alone; its losses depend on the version of libjpeg. */
nn_dim dl_augment_room(nn_dim h, nn_dim w, nn_dim K);
nn_status dl_augment(real *x, real *target, real *weight, nn_dim h, nn_dim w, nn_dim K, const dl_sample *from, const dl_sample *other,
                     const dl_augmentation *a, uint64_t seed, uint32_t step, uint32_t index, real *room, nn_err *err);

#endif
