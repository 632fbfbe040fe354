/* sys_faulty.c: sys.c with failures on request, linked in its place (the program datasetgan-faulty, test_file).
 *
 * DATASETGAN_FAULT="kind:n:error[+]": the n-th call of that kind (from 1) fails with that errno; with + every later one too.
 * Kinds: open read write fsync close rename unlink mkdir rmdir truncate lock free alloc json jpeg (jansson's and libjpeg's allocations).
 * Errors: names as ENOSPC, EIO; SHORT moves half of what was asked (read, write) and succeeds; END reads nothing, as of a file that became
 * shorter; FLIP changes a bit of what is read; KILL ends the process as SIGKILL does, before the call.
 * Counting starts anew whenever the text changes, so that a test can walk n in one process.  A test that includes this file may set
 * sys_watch to see every call that succeeded.
 * DATASETGAN_COUNTS: how often each kind was called, a line a kind on stderr at the end.
 * DATASETGAN_LEAKS: a process that ends with memory of ours, jansson's or libjpeg's, or files of ours open, says so and ends with status 99. */
#include "nn/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FAULT_VARIABLE "DATASETGAN_FAULT"
enum { NONE = 0, SHORT = -1, KILL = -2, END = -3, FLIP = -4 };

static const struct { const char *name; int value; } errors[] = {
    { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EINTR", EINTR }, { "ENOMEM", ENOMEM }, { "EACCES", EACCES }, { "EMFILE", EMFILE },
    { "EROFS", EROFS }, { "EDQUOT", EDQUOT }, { "EXDEV", EXDEV }, { "ENOENT", ENOENT }, { "EINVAL", EINVAL }, { "EFBIG", EFBIG },
    { "ENOSYS", ENOSYS }, { "EEXIST", EEXIST }, { "EPERM", EPERM }, { "ENOTSUP", ENOTSUP }, { "ENOLCK", ENOLCK }, { "EAGAIN", EAGAIN },
    { "SHORT", SHORT }, { "KILL", KILL }, { "END", END }, { "FLIP", FLIP },
};

static const char *const kind_names[] = { "open", "read", "write", "fsync", "close", "rename", "unlink", "mkdir", "rmdir", "truncate", "lock", "free", "alloc",
                                          "json", "jpeg" };
static long called[sizeof kind_names / sizeof *kind_names];
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
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) if (!strcmp(kind_names[i], kind)) called[i]++;
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

/* What a test sees of a call: kind, the descriptor (or -1), one or two paths, data. */
typedef struct { const char *kind; int fd, flags; const char *path, *to; const void *data; int64_t size; } sys_call;
static void (*sys_watch)(const sys_call *c);
static bool sys_no_disk;                         /* fsync does nothing: tests that do not lose power need not wait for the disk */

static int seen(int rc, sys_call c)
{
    if (sys_watch && rc >= 0) sys_watch(&c);
    return rc;
}

/* ---- leaks ---------------------------------------------------------------------------------------------------------- */

static long live_blocks, live_files;             /* atomic: GCC's and clang's builtins */
static void count(long *n, long by) { __atomic_add_fetch(n, by, __ATOMIC_RELAXED); }

static void *json_alloc(size_t size)
{
    void *p = fails("json") ? NULL : malloc(size);
    if (p) count(&live_blocks, 1);
    return p;
}

static void json_release(void *p)
{
    if (p) count(&live_blocks, -1);
    free(p);
}

/* libjpeg has no hooks, but it gets its memory from four functions of its own that a program may have instead (jmemsys.h; a cinfo comes
 * first, which is of no interest here). */
#define IN_PLACE_OF_JPEG __attribute__((visibility("default")))
IN_PLACE_OF_JPEG void *jpeg_get_small(void *cinfo, size_t size);
IN_PLACE_OF_JPEG void *jpeg_get_large(void *cinfo, size_t size);
IN_PLACE_OF_JPEG void jpeg_free_small(void *cinfo, void *p, size_t size);
IN_PLACE_OF_JPEG void jpeg_free_large(void *cinfo, void *p, size_t size);
void *jpeg_get_small(void *cinfo, size_t size)
{
    (void)cinfo;
    void *p = fails("jpeg") ? NULL : malloc(size);
    if (p) count(&live_blocks, 1);
    return p;
}
void *jpeg_get_large(void *cinfo, size_t size) { return jpeg_get_small(cinfo, size); }
void jpeg_free_small(void *cinfo, void *p, size_t size)
{
    (void)cinfo, (void)size;
    json_release(p);
}
void jpeg_free_large(void *cinfo, void *p, size_t size) { jpeg_free_small(cinfo, p, size); }

__attribute__((constructor)) static void begin(void) { json_set_alloc_funcs(json_alloc, json_release); }

__attribute__((destructor)) static void end(void)
{
    for (size_t i = 0; getenv("DATASETGAN_COUNTS") && i < sizeof kind_names / sizeof *kind_names; i++) fprintf(stderr, "%s %ld\n", kind_names[i], called[i]);
    if (!getenv("DATASETGAN_LEAKS") || (live_blocks == 0 && live_files == 0)) return;
    fprintf(stderr, "leak: %ld blocks of memory, %ld open files\n", live_blocks, live_files);
    _exit(99);
}

/* ---- the calls ------------------------------------------------------------------------------------------------------ */

int nn_sys_open(const char *path, int flags, unsigned mode)
{
    const int fd = fails("open") ? -1 : open(path, flags | O_CLOEXEC, (mode_t)mode);
    if (fd > 2) count(&live_files, 1);           /* 0 to 2: the program fills them where they were closed */
    return seen(fd, (sys_call){ "open", fd, flags, path, NULL, NULL, 0 });
}

int nn_sys_fsync(int fd)
{
    const int rc = fails("fsync") ? -1 : sys_no_disk ? 0 : fsync(fd);
    return seen(rc, (sys_call){ .kind = "fsync", .fd = fd });
}

int nn_sys_rename(const char *from, const char *to)
{
    return seen(fails("rename") ? -1 : rename(from, to), (sys_call){ .kind = "rename", .fd = -1, .path = from, .to = to });
}

int nn_sys_unlink(const char *path) { return seen(fails("unlink") ? -1 : unlink(path), (sys_call){ .kind = "unlink", .fd = -1, .path = path }); }
int nn_sys_mkdir(const char *path, unsigned mode)
{
    return seen(fails("mkdir") ? -1 : mkdir(path, (mode_t)mode), (sys_call){ .kind = "mkdir", .fd = -1, .path = path });
}
int nn_sys_rmdir(const char *path) { return seen(fails("rmdir") ? -1 : rmdir(path), (sys_call){ .kind = "rmdir", .fd = -1, .path = path }); }
int nn_sys_truncate(int fd, int64_t length)
{
    return seen(fails("truncate") ? -1 : ftruncate(fd, (off_t)length), (sys_call){ .kind = "truncate", .fd = fd, .size = length });
}
int nn_sys_lock(int fd) { return fails("lock") ? -1 : flock(fd, LOCK_EX | LOCK_NB); }

/* SHORT: a disk with room for half a megabyte. */
int nn_sys_free_bytes(const char *path, uint64_t *bytes)
{
    struct statvfs v;
    int e;
    do e = fault("free"); while (e == EINTR);
    if (e > 0) { errno = e; return -1; }
    if (statvfs(path, &v)) return -1;
    *bytes = e == SHORT ? 1 << 19 : (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

ssize_t nn_sys_read(int fd, void *buf, size_t size)
{
    int e;
    do e = fault("read"); while (e == EINTR);
    if (e > 0) { errno = e; return -1; }
    if (e == END) return 0;
    const ssize_t n = read(fd, buf, e == SHORT && size > 1 ? size / 2 : size);
    if (e == FLIP && n > 0) ((unsigned char *)buf)[n / 2] ^= 16;
    return n;
}

ssize_t nn_sys_write(int fd, const void *buf, size_t size)
{
    int e;
    do e = fault("write"); while (e == EINTR);
    if (e > 0) { errno = e; return -1; }
    const ssize_t n = write(fd, buf, e == SHORT && size > 1 ? size / 2 : size);
    if (n > 0) (void)seen(0, (sys_call){ "write", fd, 0, NULL, NULL, buf, n });
    return n;
}

/* The descriptor is closed whatever is reported, as on Linux. */
int nn_sys_close(int fd)
{
    const int e = fault("close");
    const int rc = close(fd);
    if (rc == 0 && fd > 2) count(&live_files, -1);
    (void)seen(rc, (sys_call){ .kind = "close", .fd = fd });
    if (e <= 0 || e == EINTR) return rc;
    errno = e;
    return -1;
}

void *nn_sys_alloc(size_t align, size_t bytes)
{
    void *p = NULL;
    if (fails("alloc") || posix_memalign(&p, align, bytes)) return NULL;
    count(&live_blocks, 1);
    return p;
}

void nn_sys_free(void *p)
{
    if (p) count(&live_blocks, -1);
    free(p);
}
