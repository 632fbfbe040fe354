/* folder.h: a folder of results that appears whole or not at all.  Private to src/datasetgan.
 *
 * Everything is written below OUT.tmp, whose first file is a record of what is made; the finished folder is synced and
 * renamed to OUT.  A left-over OUT.tmp is removed only when it carries a record, an OUT in the way only with `replace`, when
 * it carries a record of the same kind and nothing at its top that such folders do not hold.  It stays whole until the new one is there:
 * the two exchange their names at once, and then the old one is removed.  On a file system that cannot exchange names the old one
 * waits as OUT.old.tmp between two renames; killed there, the next command for this OUT puts it back.  OUT.tmp is locked while a process
 * works in it: another is refused. */
#ifndef DG_FOLDER_H
#define DG_FOLDER_H

#include "datasetgan/datasetgan.h"

typedef struct {
    const char *record;              /* file name of the record */
    const char *kind;                /* its "kind" */
    const char *const *top;          /* what may stand at the top of such a folder besides the record; ends with NULL */
} dg_folder_kind;

typedef struct {
    const dg_folder_kind *kind;
    char out[DG_PATH], part[DG_PATH], old[DG_PATH];      /* OUT, OUT.tmp, OUT.old.tmp */
    bool done;                       /* OUT is there with the same record: nothing is left to do */
    bool begun;
    bool replaces;                   /* OUT is there, and goes when the new one is whole */
    bool resume;
    bool kept;                       /* resume: OUT.tmp was there with the same record */
    int lock;                        /* of OUT.tmp */
} dg_folder;

/* NN_EEXISTS when OUT is there with another record and not to be replaced; NN_EMISMATCH when it is something else. */
nn_status dg_folder_begin(dg_folder *f, const dg_folder_kind *kind, const char *out, const json_t *record, bool replace, nn_err *err);
/* The same for folders worth resuming: an interrupted OUT.tmp of the same record stays, and its whole files are not written again. */
nn_status dg_folder_resume(dg_folder *f, const dg_folder_kind *kind, const char *out, const json_t *record, bool replace, nn_err *err);
/* name is a path below the folder.  A folder's parents are made with it. */
nn_status dg_folder_path(const dg_folder *f, char path[DG_PATH], const char *name, nn_err *err);
nn_status dg_folder_make(const dg_folder *f, const char *name, nn_err *err);
nn_status dg_folder_add(const dg_folder *f, const char *name, const void *data, size_t size, nn_err *err);
nn_status dg_folder_add_json(const dg_folder *f, const char *name, const json_t *value, nn_err *err);
/* Files written in pieces: open with dg_folder_open; dg_folder_close commits. */
nn_status dg_folder_open(const dg_folder *f, nn_stage *s, const char *name, nn_err *err);
nn_status dg_folder_close(const dg_folder *f, nn_stage *s, const char *name, nn_err *err);
/* The way from the finished folder to a file elsewhere, relative. */
nn_status dg_folder_way(const dg_folder *f, const char *file, char way[DG_PATH], nn_err *err);
/* Publish, or (status: why not) remove what was begun, unless it was interrupted and can be resumed.  Returns status, or what failed. */
nn_status dg_folder_end(dg_folder *f, nn_status status, nn_err *err);

#endif
