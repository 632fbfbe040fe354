/* sys_faulty.c: sys.c with failures on request, linked in its place (the program datasetgan-faulty, test_file).
 *
 * DATASETGAN_FAULT="kind:n:error[+]": the n-th call of that kind (from 1) fails with that errno; with + every later one too.
 * Kinds: open read write fsync close rename unlink mkdir rmdir truncate alloc.  Errors: names as ENOSPC, EIO; SHORT moves half of
 * what was asked (read, write) and succeeds; KILL ends the process as SIGKILL does, before the call.
 * Counting starts anew whenever the text changes, so that a test can walk n in one process. */
#include "nn/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAULT_VARIABLE "DATASETGAN_FAULT"
enum { NONE = 0, SHORT = -1, KILL = -2 };

static const struct { const char *name; int value; } errors[] = {
    { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EINTR", EINTR }, { "ENOMEM", ENOMEM }, { "EACCES", EACCES }, { "EMFILE", EMFILE },
    { "EROFS", EROFS }, { "EDQUOT", EDQUOT }, { "EXDEV", EXDEV }, { "ENOENT", ENOENT }, { "EINVAL", EINVAL }, { "EFBIG", EFBIG },
    { "SHORT", SHORT }, { "KILL", KILL },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What happens to this call: NONE, an errno, SHORT.  A text that cannot be read stops the program: a test that
 * asks for a failure by a wrong name must not pass. */
static int fault(const char *kind)
{
    static char text[64], want[16];
    static int at, value;
    static bool onward;
    static long calls;
    int result = NONE;
    pthread_mutex_lock(&lock);
    const char *now = getenv(FAULT_VARIABLE);
    if (!now) now = "";
    if (strcmp(now, text)) {
        char error[16] = "";
        snprintf(text, sizeof text, "%s", now);
        calls = 0;
        want[0] = '\0';
        if (*text) {
            const int fields = sscanf(text, "%15[a-z]:%d:%15[A-Z]", want, &at, error);
            value = NONE;
            for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) if (!strcmp(errors[i].name, error)) value = errors[i].value;
            onward = text[strlen(text) - 1] == '+';
            if (fields != 3 || at < 1 || value == NONE) { fprintf(stderr, FAULT_VARIABLE "=%s: not understood\n", text); abort(); }
        }
    }
    if (*text && !strcmp(kind, want)) {
        calls++;
        if (calls == at || (onward && calls > at)) result = value;
    }
    pthread_mutex_unlock(&lock);
    if (result == KILL) raise(SIGKILL);
    return result;
}

/* For calls of which nothing can be half done.  EINTR is retried, as in sys.c. */
static bool fails(const char *kind)
{
    int e;
    do e = fault(kind); while (e == EINTR);
    if (e <= 0) return false;
    errno = e;
    return true;
}

int nn_sys_open(const char *path, int flags, unsigned mode) { return fails("open") ? -1 : open(path, flags | O_CLOEXEC, (mode_t)mode); }
int nn_sys_fsync(int fd) { return fails("fsync") ? -1 : fsync(fd); }
int nn_sys_rename(const char *from, const char *to) { return fails("rename") ? -1 : rename(from, to); }
int nn_sys_unlink(const char *path) { return fails("unlink") ? -1 : unlink(path); }
int nn_sys_mkdir(const char *path, unsigned mode) { return fails("mkdir") ? -1 : mkdir(path, (mode_t)mode); }
int nn_sys_rmdir(const char *path) { return fails("rmdir") ? -1 : rmdir(path); }
int nn_sys_truncate(int fd, int64_t length) { return fails("truncate") ? -1 : ftruncate(fd, (off_t)length); }

ssize_t nn_sys_read(int fd, void *buf, size_t count)
{
    int e;
    do e = fault("read"); while (e == EINTR);
    if (e > 0) { errno = e; return -1; }
    return read(fd, buf, e == SHORT && count > 1 ? count / 2 : count);
}

ssize_t nn_sys_write(int fd, const void *buf, size_t count)
{
    int e;
    do e = fault("write"); while (e == EINTR);
    if (e > 0) { errno = e; return -1; }
    return write(fd, buf, e == SHORT && count > 1 ? count / 2 : count);
}

/* The descriptor is closed whatever is reported, as on Linux. */
int nn_sys_close(int fd)
{
    const int e = fault("close");
    const int rc = close(fd);
    if (e <= 0 || e == EINTR) return rc;
    errno = e;
    return -1;
}

void *nn_sys_alloc(size_t align, size_t bytes)
{
    void *p = NULL;
    return fails("alloc") || posix_memalign(&p, align, bytes) ? NULL : p;
}

void nn_sys_free(void *p) { free(p); }
