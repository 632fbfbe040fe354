/* choose.h: which of many pictures are worth a person's time.  Private to src/datasetgan and its tests. */
#ifndef DG_CHOOSE_H
#define DG_CHOOSE_H

#include "datasetgan/datasetgan.h"

/* Features (D = channels of the default taps) of picture n of the workspace's last drawing: the mean of every channel over what lies
 * in the picture's rows (a map's row on their edge counts by its share).  scratch: as large as the largest tap. */
void dg_picture_features(const sg_model *m, const sg_work *wk, nn_dim n, real *features, real *scratch);
nn_dim dg_picture_features_size(const sg_model *m, nn_dim *scratch);

/* Choose k of n rows of x (n,D), which is standardised in place, so that the squared distances of all rows to their nearest
 * chosen one have the smallest sum that a greedy choice finds: the first row is the most central, each next one lowers the sum
 * most, the first of equals.  (Kaufman and Rousseeuw 1990, the BUILD step of partitioning around medoids; the sum is submodular, so
 * greedy is within 1 - 1/e of the best.)  Memory n * n floats.  chosen (k), in the order of choosing.  NN_ENOMEM. */
nn_status dg_choose_spread(real *x, nn_dim n, nn_dim D, nn_dim k, nn_dim *chosen, nn_err *err);

#endif
