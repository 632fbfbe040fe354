/* handles.h: what is behind the public handles, and the ways of refusing a call.  Private to src/dgan.
 *
 * The public functions check every argument, so that nothing a program passes reaches an NN_ASSERT. */
#ifndef DGAN_HANDLES_H
#define DGAN_HANDLES_H

#include <stdatomic.h>
#include <sys/types.h>

#include "datasetgan/datasetgan.h"
#include "dgan/datasetgan.h"

struct dgan_generator { atomic_size_t owners; pid_t process; sg_model *model; };
struct dgan_interpreter { atomic_size_t owners; dg_interp interp; };
struct dgan_drawer {
    dgan_generator *generator;
    pid_t process;
    sg_work *work;
    float *ws, *w;                   /* (batch,num_ws,w_dim), (batch,w_dim) */
    int batch, drawn;                /* drawn: pictures of the last drawing */
    bool keep_taps;
};

/* Hand our error over; returns its status.  An error that stands there already stays. */
int dgan_give(dgan_error *err, const nn_err *own);
/* DGAN_EINVAL with this text; or, when err holds the failure that made a handle NULL, that failure. */
int dgan_refuse(dgan_error *err, const char *fmt, ...) NN_PRINTF(2, 3);
/* DGAN_EINVAL when the handle of this process came here through a fork. */
int dgan_check_process(pid_t process, const char *handle, dgan_error *err);

/* The public callback (call may be NULL), and what the library calls in its place; user: a listener. */
typedef struct { dgan_progress call; void *user; } dgan_listener;
bool dgan_report(void *user, const char *what, double done, double total, double value);

/* Copy a caller's structure of `given` bytes (its first member) over our `size` bytes of defaults.  A shorter one comes from an older
 * header; a longer one must be zero where we know nothing of, so such structures grow by whole eight bytes: padding at their end would
 * be noise. */
int dgan_take(void *ours, size_t size, const void *theirs, const char *name, dgan_error *err);
/* Options of a drawing as the generator takes them; o NULL: `otherwise`. */
int dgan_take_draw(sg_options *out, const dgan_draw *o, const sg_options *otherwise, const sg_model *m, dgan_error *err);

#endif
