/* sys.c: the calls themselves.  A signal (a progress timer, a resized terminal) may interrupt any of them: retried here. */
#define _GNU_SOURCE                                     /* madvise, renameat2, sync_file_range */
#include "nn/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int nn_sys_open(const char *path, int flags, unsigned mode)
{
    int fd;
    do fd = open(path, flags | O_CLOEXEC, (mode_t)mode); while (fd < 0 && errno == EINTR);
    return fd;
}

ssize_t nn_sys_read(int fd, void *buf, size_t count)
{
    ssize_t n;
    do n = read(fd, buf, count); while (n < 0 && errno == EINTR);
    return n;
}

ssize_t nn_sys_write(int fd, const void *buf, size_t count)
{
    ssize_t n;
    do n = write(fd, buf, count); while (n < 0 && errno == EINTR);
    return n;
}

int nn_sys_fsync(int fd)
{
    int rc;
    do rc = fsync(fd); while (rc < 0 && errno == EINTR);
    return rc;
}

void nn_sys_begin_sync(int fd) { sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }

/* Never retried: after EINTR Linux has closed the descriptor, and its number may already belong to another thread's file. */
int nn_sys_close(int fd)
{
    const int rc = close(fd);
    return rc < 0 && errno == EINTR ? 0 : rc;
}

int nn_sys_rename(const char *from, const char *to) { return rename(from, to); }
int nn_sys_exchange(const char *a, const char *b) { return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE); }
int nn_sys_unlink(const char *path) { return unlink(path); }
int nn_sys_mkdir(const char *path, unsigned mode) { return mkdir(path, (mode_t)mode); }
int nn_sys_rmdir(const char *path) { return rmdir(path); }

DIR *nn_sys_opendir(const char *path)
{
    DIR *d;
    do d = opendir(path); while (!d && errno == EINTR);
    return d;
}

const char *nn_sys_readdir(DIR *d)
{
    const struct dirent *e;
    do {
        errno = 0;
        e = readdir(d);
    } while (!e && errno == EINTR);
    return e ? e->d_name : NULL;
}

void nn_sys_closedir(DIR *d) { (void)closedir(d); }

int nn_sys_truncate(int fd, int64_t length)
{
    int rc;
    do rc = ftruncate(fd, (off_t)length); while (rc < 0 && errno == EINTR);
    return rc;
}

int nn_sys_lock(int fd)
{
    int rc;
    do rc = flock(fd, LOCK_EX | LOCK_NB); while (rc < 0 && errno == EINTR);
    return rc;
}

int nn_sys_free_bytes(const char *path, uint64_t *bytes)
{
    struct statvfs v;
    int rc;
    do rc = statvfs(path, &v); while (rc < 0 && errno == EINTR);
    if (rc == 0) *bytes = (uint64_t)v.f_bavail * v.f_frsize;
    return rc;
}

/* Large blocks ask for large pages: a 1024 px generator is 370 MB, 90,000 faults of 4 KiB when it is opened, 180 of 2 MiB. */
void *nn_sys_alloc(size_t align, size_t bytes)
{
    enum { LARGE_PAGE = 2 << 20 };
    void *p = NULL;
    const int large = bytes >= 4 * LARGE_PAGE;
    const int rc = posix_memalign(&p, large ? LARGE_PAGE : align, bytes);
    if (rc == 0) {
#ifdef MADV_HUGEPAGE
        if (large) madvise(p, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);     /* a wish: no error counts */
#endif
        return p;
    }
    errno = rc;
    return NULL;
}

void nn_sys_free(void *p) { free(p); }
