/* stylegan_cases.h: small generators against what the official code drew with them in float64.  Compiled in both precisions. */
#ifndef STYLEGAN_CASES_H
#define STYLEGAN_CASES_H

#include "stylegan/stylegan.h"

/* One case of tests/golden/<name>_want.safetensors ("a", "b", "c"): what was asked for, and what came out.  Case c
 * mixes styles: row i of its one picture's ws comes from the i-th z. */
typedef struct {
    nn_st file;
    nn_dim zs, n;                        /* rows of z and w; pictures */
    sg_options draw;
    const real *z, *w, *ws, *picture, *tap[SG_TAPS_MAX];
} sg_golden;

bool sg_golden_open(sg_golden *g, const char *name, const char *prefix, const sg_model *m);
void sg_golden_close(sg_golden *g);

/* How far model m is from the case: the largest error as a multiple of its limit; infinite when a number is not finite. */
double sg_golden_worst(const sg_golden *g, const sg_model *m);

/* All cases of a generator with kernel row k (NULL: ref), each tensor printed as worst/limit. */
void sg_golden_cases(const char *name, const nn_kernels *k);

#endif
