/* label.h: the inside of labelling: from tap pointers to labels, without a generator.  Private to src/datasetgan and its tests. */
#ifndef DG_LABEL_H
#define DG_LABEL_H

#include "datasetgan/datasetgan.h"

/* What the maps are upsampled to, (res,res), and the rows top .. top + height - 1 of it that are labelled. */
typedef struct { nn_dim res, top, height; } dg_frame;

/* dg_labeller_open for maps from anywhere: tap[i] is the shape of the interpreter's i-th tap.  Maps may be smaller or larger than
 * the frame.  shared_bytes: the largest level whose first-layer results are
 * kept whole (the results do not depend on it). */
enum { DG_SHARED_BYTES = 64 << 20 };
dg_labeller *dg_labeller_make(const dg_interp *in, const nn_kernels *k, const sg_tap_info *tap, dg_frame frame, size_t shared_bytes,
                              int threads, nn_err *err);
/* dg_label for maps in the kernels' layout; map[i] is the interpreter's i-th tap. */
void dg_label_maps(dg_labeller *l, const real *const *map, dg_labels *out);

/* Jensen-Shannon divergence of `members` distributions over K classes, nats: H(mean) - mean H, 0 where rounding makes it
 * negative.  sum (K): the distributions' sum; entropy: the sum of their entropies.  (PAPER.md 1.3, uncertainty of a pixel) */
double dg_divergence(const real *sum, nn_dim K, double entropy, int members);
/* What the released code computed before September 2021 (its issue 27): the entropy of the mean logits' softmax instead of the mean
 * probabilities', minus the mean entropy.  May be negative.  sum (K): the logits' sum, replaced by those probabilities times members. */
double dg_divergence_of_logits(real *sum, nn_dim K, double entropy, int members);
/* Mean of the largest int(n/10) (at least one) of n divergences, added from the smallest up.  NaN counts as largest.
 * scratch: 2n words.  (released code: the image's score) */
double dg_uncertainty(const float *divergence, nn_dim n, uint32_t *scratch);

#endif
