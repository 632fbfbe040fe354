/* metrics.c: confusion matrix, IoU, accuracy. */
#include "nn/metrics.h"

#include <math.h>

/* Two passes, so that a bad picture adds nothing. */
nn_status nn_confusion_add(nn_confusion *m, const uint8_t *truth, const uint8_t *prediction, nn_dim n, nn_err *err)
{
    const int classes = m->classes;
    NN_ASSERT(classes >= 1 && classes <= NN_CLASSES_MAX);
    for (nn_dim i = 0; i < n; i++) {
        if (truth[i] == NN_VOID) continue;
        if (truth[i] >= classes)
            return nn_fail(err, NN_EINVAL, "confusion matrix: truth of pixel %td: expected a class below %d or %d (void), found %d",
                           i, classes, NN_VOID, truth[i]);
        if (prediction[i] >= classes)
            return nn_fail(err, NN_EINVAL, "confusion matrix: prediction of pixel %td: expected a class below %d, found %d",
                           i, classes, prediction[i]);
    }
    for (nn_dim i = 0; i < n; i++)
        if (truth[i] != NN_VOID) m->count[truth[i] * classes + prediction[i]]++;
    return NN_OK;
}

void nn_confusion_scores(const nn_confusion *m, nn_scores *s)
{
    const int classes = m->classes;
    uint64_t right = 0, pixels = 0, front = 0;                    /* front: not class 0 in truth and prediction */
    double sum = 0.0, official = 0.0;
    int present = 0;
    for (int c = 0; c < classes; c++) {
        const uint64_t both = m->count[c * classes + c];
        uint64_t in_truth = 0, in_prediction = 0;
        for (int o = 0; o < classes; o++) {
            in_truth += m->count[c * classes + o];
            in_prediction += m->count[o * classes + c];
            if (c && o) front += m->count[c * classes + o];
        }
        const uint64_t either = in_truth + in_prediction - both;
        s->iou[c] = either ? (double)both / (double)either : NAN;
        if (either) {
            sum += s->iou[c];
            present++;
        }
        official += (double)both / (1e-8 + (double)either);    /* datasetGAN_release, test_deeplab_cross_validation.py */
        right += both;
        pixels += in_truth;
    }
    s->miou = present ? sum / present : NAN;
    s->accuracy = pixels ? (double)right / (double)pixels : NAN;
    const uint64_t any = pixels - m->count[0];                    /* not class 0 in one of them */
    s->foreground = any ? (double)front / (double)any : NAN;
    s->official = official / classes;
    s->pixels = pixels;
}
