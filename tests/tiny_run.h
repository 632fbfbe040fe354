/* tiny_run.h: dataset runs of the tiny set's generator with a random interpreter, and the comparison of their folders. */
#ifndef TINY_RUN_H
#define TINY_RUN_H

#include "datasetgan/dataset.h"

enum { TINY_FIRST = 2, TINY_MANY = 70 };         /* first seed, annotated ones follow soon; samples of two groups */
typedef struct { const char *folder; sg_model *model; dg_interp interp; } tiny_runs;

/* A fresh folder below build/tmp, the generator, an interpreter whose names need escaping.  Ends the program when it cannot. */
void tiny_runs_open(tiny_runs *t, const char *name);
void tiny_runs_close(tiny_runs *t);

dg_dataset_options tiny_options(const tiny_runs *t, const char *out, uint64_t count, nn_dim batch);
/* Counts the calls of the callback and stops at the stop_at-th. */
typedef struct { int calls, stop_at; double last; bool in_order; } tiny_watcher;
nn_status tiny_run(const tiny_runs *t, const char *out, uint64_t count, nn_dim batch, tiny_watcher *w, dg_dataset_result *r, nn_err *err);
void tiny_must_run(const tiny_runs *t, const char *out, uint64_t count, nn_dim batch, const char *what);

/* Every file of a run with the hash of its bytes, sorted: one text.  Free with free(). */
char *tiny_describe(const char *path);
void tiny_same_run(const char *a, const char *b, const char *what);
/* folder/name, removed, or as a copy of the run `from` to damage.  Valid until the next call. */
const char *tiny_fresh(const tiny_runs *t, const char *name);
const char *tiny_copy(const tiny_runs *t, const char *from, const char *name);
bool tiny_exists(const char *path, const char *name);
nn_bytes tiny_read(const char *path, const char *name);

#endif
