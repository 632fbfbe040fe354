/* file.h: whole files, read and written so that nothing is ever half there. */
#ifndef NN_FILE_H
#define NN_FILE_H

#include "nn/base.h"

typedef struct { uint8_t *data; size_t size; } nn_bytes;     /* data is owned; free with nn_bytes_free */
nn_status nn_bytes_make(nn_bytes *b, size_t size, const char *what, nn_err *err);    /* 64-byte aligned, NOT zeroed */
void nn_bytes_free(nn_bytes *b);

/* Append to bytes that grow: *room of them are b's own, b->size are in use; both start at 0.  NN_ENOMEM leaves b as it was. */
nn_status nn_bytes_append(nn_bytes *b, size_t *room, const void *from, size_t size, const char *what, nn_err *err);

/* Read all of a regular file of at most max_bytes.  NN_EIO (missing, a folder, unreadable), NN_EFORMAT (too large),
 * NN_ENOMEM.  A file that changes size while it is read is an error. */
nn_status nn_file_read(const char *path, size_t max_bytes, nn_bytes *out, nn_err *err);

/* Write a file so that `path` is either the old one or the whole new one: temporary name in the same folder
 * (path + ".tmp"), write, fsync, rename, fsync of the folder.  On failure the temporary is removed. */
nn_status nn_file_write(const char *path, const void *data, size_t size, nn_err *err);

/* The parts of it, for committing files in groups: stage writes path + ".tmp" and sends it on its way to the disk; settle waits until it is there (by
 * then those of a group mostly are: waiting for each before the next is written took 3.5 ms a sample of a dataset, this .8); commit renames it.  The
 * caller then syncs the folder once.  nn_file_unstage removes a staged temporary and never fails loudly. */
nn_status nn_file_stage(const char *path, const void *data, size_t size, nn_err *err);
nn_status nn_file_settle(const char *path, nn_err *err);
nn_status nn_file_commit(const char *path, nn_err *err);
void      nn_file_unstage(const char *path);
nn_status nn_dir_sync(const char *path, nn_err *err);

/* Staging in pieces, for files too large to hold twice.  The first failure is kept: later calls do nothing and return it,
 * and the temporary is gone.  close fsyncs and leaves the temporary for nn_file_commit; abort removes it. */
typedef struct { int fd; nn_status status; char path[4096]; } nn_stage;              /* path of the temporary */
nn_status nn_stage_open(nn_stage *s, const char *path, nn_err *err);
nn_status nn_stage_add(nn_stage *s, const void *data, size_t size, nn_err *err);
nn_status nn_stage_close(nn_stage *s, nn_err *err);
void      nn_stage_abort(nn_stage *s);
nn_status nn_stage_publish(nn_stage *s, const char *path, nn_err *err);   /* close, commit, sync the folder */
/* The same by the holder of nn_file_lock: what is staged is locked before it takes its place, so that no moment is without a lock. */
nn_status nn_stage_publish_locked(nn_stage *s, const char *path, int *lock, nn_err *err);

/* Reading in pieces.  open refuses what is not a regular file; read delivers exactly `count` bytes or fails; close checks
 * nothing and takes a closed one (fd -1). */
typedef struct { int fd; uint64_t size; const char *path; } nn_source;
nn_status nn_source_open(nn_source *s, const char *path, nn_err *err);
nn_status nn_source_read(nn_source *s, void *buf, size_t count, nn_err *err);
nn_status nn_source_end(nn_source *s, nn_err *err);                        /* NN_EIO when bytes are left: it grew */
void      nn_source_close(nn_source *s);

/* Append to a file (created when missing, its folder then synced) and fsync it; used for manifests.  A failure cuts off what was
 * added.  Not atomic: after a kill the reader repairs a torn last line with nn_file_cut. */
nn_status nn_file_append(const char *path, const void *data, size_t size, nn_err *err);
nn_status nn_file_cut(const char *path, int64_t length, nn_err *err);

/* Calls visit with each name in a folder but "." and "..", in the file system's order, until one call fails. */
typedef nn_status nn_visit(const void *context, const char *name, nn_err *err);
nn_status nn_dir_each(const char *path, nn_visit *visit, const void *context, nn_err *err);
/* The names that are wanted (context: handed on), sorted as bytes: the same on every file system.  Free them after a failure, too. */
typedef struct { char **name; size_t count, room; } nn_names;
typedef bool nn_wanted(const void *context, const char *name);
nn_status nn_dir_list(nn_names *out, const char *path, nn_wanted *wanted, const void *context, nn_err *err);
nn_status nn_names_add(nn_names *n, const char *name, nn_err *err);
void      nn_names_free(nn_names *n);

/* Make a folder and its parents; an existing folder is fine, a regular file in the way is NN_EIO. */
nn_status nn_dir_make(const char *path, nn_err *err);
/* A folder that one process works in at a time: NN_EIO when another has it.  The lock stands on the folder itself, leaves no
 * file, and ends with the process.  lock: give it to nn_dir_unlock; -1 where the file system has no locks. */
nn_status nn_dir_lock(int *lock, const char *path, nn_err *err);
void      nn_dir_unlock(int lock);
/* The same for a file, which is made, empty, where it is missing; an empty one is removed with its lock. */
nn_status nn_file_lock(int *lock, const char *path, nn_err *err);
void      nn_file_unlock(int lock, const char *path);
bool nn_path_exists(const char *path);
bool nn_path_is_dir(const char *path);

/* out = folder/name ("" or "." as folder gives name; an absolute name stands alone).  NN_EINVAL if it does not fit. */
nn_status nn_path_join(char *out, size_t size, const char *folder, const char *name, nn_err *err);
/* out = the folder part of path, "." when there is none. */
nn_status nn_path_folder(char *out, size_t size, const char *path, nn_err *err);

#endif
