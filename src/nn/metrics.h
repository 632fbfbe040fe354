/* metrics.h: the confusion matrix and the scores read from it, once for the whole project. */
#ifndef NN_METRICS_H
#define NN_METRICS_H

#include "nn/base.h"

enum { NN_CLASSES_MAX = 256, NN_VOID = 255 };

typedef struct { int classes; uint64_t count[NN_CLASSES_MAX * NN_CLASSES_MAX]; } nn_confusion;   /* count[truth*classes + prediction] */

/* Add n pixels.  Pixels whose truth is NN_VOID are left out.  NN_EINVAL with the first class id out of range. */
nn_status nn_confusion_add(nn_confusion *m, const uint8_t *truth, const uint8_t *prediction, nn_dim n, nn_err *err);

typedef struct {
    double iou[NN_CLASSES_MAX];       /* NaN where the class is in neither truth nor prediction */
    double miou;                      /* mean over the classes present in truth or prediction */
    double accuracy;                  /* pixels right / pixels */
    double foreground;                /* IoU of everything that is not class 0, as one: whole cells where class 0 is the background */
    double official;                  /* the released code's mean: absent classes count 0, inter/(1e-8+union) */
    uint64_t pixels;
} nn_scores;
void nn_confusion_scores(const nn_confusion *m, nn_scores *s);

#endif
