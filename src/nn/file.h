/* file.h: whole files, read and written so that nothing is ever half there. */
#ifndef NN_FILE_H
#define NN_FILE_H

#include "nn/base.h"

typedef struct { uint8_t *data; size_t size; } nn_bytes;     /* data is owned; free with nn_bytes_free */
void nn_bytes_free(nn_bytes *b);

/* Read all of a regular file of at most max_bytes.  NN_EIO (missing, a folder, unreadable), NN_EFORMAT (too large),
 * NN_ENOMEM.  A file that changes size while it is read is an error. */
nn_status nn_file_read(const char *path, size_t max_bytes, nn_bytes *out, nn_err *err);

/* Write a file so that `path` is either the old one or the whole new one: temporary name in the same folder
 * (path + ".tmp"), write, fsync, rename, fsync of the folder.  On failure the temporary is removed. */
nn_status nn_file_write(const char *path, const void *data, size_t size, nn_err *err);

/* The two halves, for committing files in groups: stage writes and fsyncs path + ".tmp"; commit renames it.  The
 * caller then syncs the folder once.  nn_file_unstage removes a staged temporary and never fails loudly. */
nn_status nn_file_stage(const char *path, const void *data, size_t size, nn_err *err);
nn_status nn_file_commit(const char *path, nn_err *err);
void      nn_file_unstage(const char *path);
nn_status nn_dir_sync(const char *path, nn_err *err);

/* Append to a file (created when missing) and fsync it; used for manifests.  Not atomic: the reader repairs a torn
 * last line with nn_file_cut. */
nn_status nn_file_append(const char *path, const void *data, size_t size, nn_err *err);
nn_status nn_file_cut(const char *path, int64_t length, nn_err *err);

/* Make a folder and its parents; an existing folder is fine, a regular file in the way is NN_EIO. */
nn_status nn_dir_make(const char *path, nn_err *err);
bool nn_path_exists(const char *path);
bool nn_path_is_dir(const char *path);

/* out = folder/name ("" or "." as folder gives name; an absolute name stands alone).  NN_EINVAL if it does not fit. */
nn_status nn_path_join(char *out, size_t size, const char *folder, const char *name, nn_err *err);
/* out = the folder part of path, "." when there is none. */
nn_status nn_path_folder(char *out, size_t size, const char *path, nn_err *err);

#endif
