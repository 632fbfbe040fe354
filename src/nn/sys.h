/* sys.h: the only door to the operating system for files and memory.
 *
 * Product code calls these and never the C library's twins.  Tests link tests/sys_faulty.c in place of sys.c, whose
 * n-th call of a kind fails as DATASETGAN_FAULT says (write:3:ENOSPC), so that every path out of every failure is walked.
 * All return -1 (or NULL) with errno set, as POSIX does; EINTR is retried inside. */
#ifndef NN_SYS_H
#define NN_SYS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int     nn_sys_open(const char *path, int flags, unsigned mode);
ssize_t nn_sys_read(int fd, void *buf, size_t count);
ssize_t nn_sys_write(int fd, const void *buf, size_t count);
int     nn_sys_fsync(int fd);
void    nn_sys_begin_sync(int fd);           /* what was written goes to the disk now: a later fsync waits less.  A wish: no error counts */
int     nn_sys_close(int fd);
int     nn_sys_rename(const char *from, const char *to);
int     nn_sys_exchange(const char *a, const char *b);  /* each gets the other's name at once; EINVAL, ENOSYS: not on this file system */
int     nn_sys_unlink(const char *path);
int     nn_sys_mkdir(const char *path, unsigned mode);
int     nn_sys_rmdir(const char *path);
DIR    *nn_sys_opendir(const char *path);
const char *nn_sys_readdir(DIR *d);                    /* the next name, NULL with errno 0: no more; ends with nn_sys_closedir */
void    nn_sys_closedir(DIR *d);
int     nn_sys_truncate(int fd, int64_t length);
int     nn_sys_lock(int fd);                           /* exclusive, at once or EWOULDBLOCK; ends with the descriptor or the process */
int     nn_sys_free_bytes(const char *path, uint64_t *bytes);       /* that this user may still write on path's file system */
void   *nn_sys_alloc(size_t align, size_t bytes);      /* free with nn_sys_free */
void    nn_sys_free(void *p);

#endif
