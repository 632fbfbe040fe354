/* test_metrics.c: confusion matrix and scores, by hand-computed examples. */
#include <math.h>
#include <string.h>

#include "nn/metrics.h"
#include "tests/t.h"

static nn_confusion m, before;
static nn_scores s;

/* Four classes; class 3 is nowhere, class 2 only predicted.
 *              predicted 0  1  2
 *   truth 0              3  1  0     IoU 0 = 3 / (4 + 5 - 3) = 1/2
 *   truth 1              2  1  1     IoU 1 = 1 / (4 + 2 - 1) = 1/5
 *                                    IoU 2 = 0 / 1 = 0            */
static void by_hand(void)
{
    static const uint8_t truth[]      = { 0, 0, 0, 0, 1, 1, 1, 1, NN_VOID, NN_VOID };
    static const uint8_t prediction[] = { 0, 0, 0, 1, 0, 0, 1, 2, 1, 250 };
    nn_err err = { 0 };
    memset(&m, 0, sizeof m);
    m.classes = 4;
    t_status(nn_confusion_add(&m, truth, prediction, 6, &err), NN_OK, &err, NULL, "first part");
    t_status(nn_confusion_add(&m, truth + 6, prediction + 6, 4, &err), NN_OK, &err, NULL, "second part, with void");
    t_check(m.count[0 * 4 + 1] == 1 && m.count[1 * 4 + 0] == 2, "rows are the truth, columns the prediction");
    nn_confusion_scores(&m, &s);
    t_check(s.pixels == 8, "void pixels are left out: 8 pixels");
    t_limit(fabs(s.iou[0] - 0.5), 1e-15, "IoU of class 0 is 1/2");
    t_limit(fabs(s.iou[1] - 0.2), 1e-15, "IoU of class 1 is 1/5");
    t_check(s.iou[2] == 0.0, "a class only predicted has IoU 0");
    t_check(isnan(s.iou[3]), "a class that is nowhere has no IoU");
    t_limit(fabs(s.miou - 0.7 / 3), 1e-15, "mIoU: mean over the three classes present");
    t_limit(fabs(s.accuracy - 0.5), 1e-15, "accuracy is 4/8");
    t_limit(fabs(s.foreground - 0.4), 1e-15, "all but class 0 as one: 2/5");
    t_limit(fabs(s.official - (3 / (6 + 1e-8) + 1 / (5 + 1e-8)) / 4), 1e-15, "official mean: over all four, absent ones count 0");
}

static void refused(void)
{
    static const uint8_t good[] = { 0, 1, 2 }, bad[] = { 0, 1, 3 };
    nn_err err = { 0 };
    memset(&m, 0, sizeof m);
    m.classes = 3;
    before = m;
    t_status(nn_confusion_add(&m, bad, good, 3, &err), NN_EINVAL, &err, "truth of pixel 2: expected a class below 3 or 255 (void), found 3", "truth out of range");
    t_same(&m, &before, sizeof m, "a refused picture adds nothing");
    err = (nn_err){ 0 };
    t_status(nn_confusion_add(&m, good, bad, 3, &err), NN_EINVAL, &err, "prediction of pixel 2: expected a class below 3, found 3", "prediction out of range");
    t_same(&m, &before, sizeof m, "a refused prediction adds nothing");
    nn_confusion_scores(&m, &s);
    t_check(isnan(s.miou) && isnan(s.accuracy) && s.official == 0.0 && s.pixels == 0, "no pixel: no mIoU, no accuracy");
}

/* 256 classes leave no room for void: 255 is a class of its own only as a prediction. */
static void largest(void)
{
    static const uint8_t truth[] = { 254, 254, NN_VOID }, prediction[] = { 254, 255, 0 };
    nn_err err = { 0 };
    memset(&m, 0, sizeof m);
    m.classes = NN_CLASSES_MAX;
    t_status(nn_confusion_add(&m, truth, prediction, 3, &err), NN_OK, &err, NULL, "256 classes");
    nn_confusion_scores(&m, &s);
    t_check(s.iou[254] == 0.5 && s.iou[255] == 0.0 && s.pixels == 2, "256 classes: the last cells of the matrix");
}

int main(void)
{
    by_hand();
    refused();
    largest();
    return t_done();
}
