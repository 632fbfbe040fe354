/* tiny_set.h: a small annotation set for tests: pictures of a golden's generator, labelled by their brightness. */
#ifndef TINY_SET_H
#define TINY_SET_H

#include "datasetgan/datasetgan.h"

#define TINY_GENERATOR "tests/golden/stylegan2_rgb.safetensors"
enum { TINY_ITEMS = 4, TINY_CLASSES = 3, TINY_SEED = 100 };

/* Write task.json, images/ and labels/ below folder: TINY_ITEMS pictures from TINY_SEED on, the last of split "test".  The left
 * columns of the first label are void.  Ends the program when it cannot. */
void tiny_set_make(const char *folder, const sg_model *m);
sg_model *tiny_generator(const nn_kernels *k);

/* folder/name, in one of a few buffers that take turns. */
const char *tiny_path(const char *folder, const char *name);
void tiny_write(const char *path, const void *data, size_t size);

#endif
