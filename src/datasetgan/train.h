/* train.h: what the training loop and its checkpoints share.  Private to datasetgan. */
#ifndef DG_TRAIN_H
#define DG_TRAIN_H

#include "datasetgan/batch.h"

/* What is known of one member: nothing yet (state NULL), on the way (all of a net's state), or done (its result only). */
typedef struct {
    real *state;
    int64_t step;                    /* steps taken */
    bool done;
    double best;                     /* official stop rule: lowest single-batch loss, batches since */
    int64_t stale;
} dg_member;

/* Everything that decides the bytes of the result, as a JSON object: the file's "training" and the checkpoint's identity. */
json_t *dg_train_settings(const dg_train_options *o, const dg_features *f, const dg_task *t, const char *split, const sg_model *m,
                          nn_err *err);

/* The finished file: NN_OK and *done when it has these settings, NN_EEXISTS when it has others. */
nn_status dg_train_finished(const char *path, const json_t *settings, bool *done, nn_err *err);

/* An interpreter's tensors from its members' states: in->members and in->classes (of which the network may know only the first s.K) are
 * given; widths and weights are set.  Called twice (nn_arena); the arena's memory starts as zeros. */
void dg_stack_members(dg_interp *in, const dg_member *member, dg_net_size s, nn_arena *a);
/* The way back for member i of an interpreter with these sizes: parameters and running statistics of a net's state. */
void dg_unstack_member(real *state, const dg_interp *in, nn_dim i, dg_net_size s);

/* Checkpoint: settings and every member.  Reading allocates the states; a missing or empty file leaves the members
 * as they are.  lock: nn_file_lock's, or -1. */
nn_status dg_checkpoint_write(const char *path, int *lock, const json_t *settings, const dg_member *member, int count, dg_net_size size, nn_err *err);
nn_status dg_checkpoint_read(const char *path, const json_t *settings, bool replace, dg_member *member, int count, dg_net_size size,
                             nn_err *err);
/* Remove a checkpoint of these settings that a run left behind when it died between its result and this. */
void dg_checkpoint_forget(const char *path, const json_t *settings);

/* Adam's settings for a step (from 0) of total.  One cycle as torch.optim.lr_scheduler.OneCycleLR by default: the rate rises
 * from lr/25 to lr over the first 0.3 and falls to lr/25e4, both along half a cosine, while beta1 goes 0.95, 0.85, 0.95. */
nn_adam dg_train_schedule(const dg_train_options *o, int64_t step, int64_t total);

/* The released code's rule (train_interpreter.py): from the fifth epoch on (epoch counts from 0), stop after 51 batches in a row
 * whose loss is no new minimum.  Called with the loss of every batch. */
bool dg_official_stop(dg_member *m, int64_t epoch, double loss);

/* The seed of a member's random numbers. */
uint64_t dg_member_seed(uint64_t seed, int member);

#endif
