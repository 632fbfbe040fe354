/* calibration.h: gathering dg_calibration.  Private to src/datasetgan and its tests. */
#ifndef DG_CALIBRATION_H
#define DG_CALIBRATION_H

#include "datasetgan/datasetgan.h"

/* Add the pixels of a picture whose truth is not void.  truth, label: (pixels); mean: (classes,pixels) probabilities. */
void dg_calibration_add(dg_calibration *c, const uint8_t *truth, const uint8_t *label, const float *mean, int classes, nn_dim pixels);
/* Sums to means, and the scores. */
void dg_calibration_finish(dg_calibration *c);

#endif
