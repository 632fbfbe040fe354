/* tiny_interp.h: an interpreter with random numbers for the tiny set's generator, and a network. */
#ifndef TINY_INTERP_H
#define TINY_INTERP_H

#include "datasetgan/datasetgan.h"

/* Write it to path and open it: three members, classes "dark", class1, "light", annotated seeds 1, 3, 4, 12, 60.  Ends the
 * program when it cannot. */
void tiny_interp(dg_interp *in, const char *path, const sg_model *m, const char *task_name, const char *class1, uint64_t seed);
/* A segmentation network as it is before training, of classes "rest", "left", "right", for pictures of 32 pixels. */
void tiny_network(const char *path);

#endif
