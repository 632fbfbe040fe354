/* golden.h: numbers made by another program, and room for ours.  A test reads one file of goldens at a time. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "tests/t.h"

/* Each ends the test program with a failure when it cannot do its work: nothing after it would mean anything. */
void golden_open(const char *path);
void golden_close(void);
/* The numbers of the tensor of that name, as real; it must have `count` of them, whatever its shape. */
const real *golden(nn_dim count, const char *fmt, ...) NN_PRINTF(2, 3);

/* A guarded buffer (free with t_guarded_free) that starts as a copy of `from`, or as NaN when that is NULL. */
real *golden_room(nn_dim n, const real *from);

#endif
