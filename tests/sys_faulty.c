/* sys_faulty.c: sys.c with failures on request, linked in its place (the program datasetgan-faulty, test_file).
 *
 * DATASETGAN_FAULT="kind:n:error[+]": the n-th call of that kind (from 1) fails with that errno; with + every later one too.
 * Kinds: open read write fsync close rename exchange unlink mkdir rmdir opendir readdir truncate lock free alloc json jpeg crypto (the last three: allocations of
 * jansson, libjpeg and libcrypto, which makes none; libpng's are among ours).
 * Errors: names as ENOSPC, EIO; SHORT moves half of what was asked (read, write) and succeeds; END reads nothing, as of a file that became
 * shorter; FLIP changes a bit of what is read; KILL ends the process as SIGKILL does, before the call.
 * Counting starts anew whenever the text changes, so that a test can walk n in one process.  A test that includes this file may set
 * sys_watch to see every call that succeeded.
 * DATASETGAN_COUNTS: how often each kind was called, a line a kind on stderr at the end.
 * DATASETGAN_PLACES: of each kind, the numbers of its calls that come first, second and last from a place: a stack of return addresses.  What
 * a call that fails leaves to be undone is given by its place, and by whether there was something before and is something after it.
 * DATASETGAN_NO_EXCHANGE: the file system cannot exchange two names.
 * DATASETGAN_LEAKS: a process that ends with memory of ours or of these libraries, or files of ours open, says so and ends with status 99. */
#define _GNU_SOURCE                              /* renameat2 */
#include "nn/sys.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
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

static const char *const kind_names[] = { "open", "read", "write", "fsync", "close", "rename", "exchange", "unlink", "mkdir", "rmdir", "opendir", "readdir", "truncate", "lock", "free", "alloc",
                                          "json", "jpeg", "crypto" };
enum { KINDS = sizeof kind_names / sizeof *kind_names };
static long called[KINDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- places --------------------------------------------------------------------------------------------------------- */

enum { PLACES = 1 << 14, DEPTH = 64 };
static struct { uint64_t stack; int kind; long first, second, last; } place[PLACES];       /* a table of open addresses; first 0: empty */

static void note_place(int kind)
{
    void *frame[DEPTH];
    uint64_t stack = 0xcbf29ce484222325u + (uint64_t)kind;                                     /* FNV-1a over the addresses */
    const int frames = backtrace(frame, DEPTH);
    for (int i = 0; i < frames; i++) stack = (stack ^ (uint64_t)(uintptr_t)frame[i]) * 0x100000001b3u;
    size_t at = (stack ^ stack >> 32) % PLACES;
    for (size_t tries = 0; place[at].first && (place[at].stack != stack || place[at].kind != kind); at = (at + 1) % PLACES)
        if (++tries == PLACES) { fprintf(stderr, "more than %d places\n", PLACES); abort(); }
    if (!place[at].first) { place[at].stack = stack; place[at].kind = kind; place[at].first = called[kind]; }
    else if (!place[at].second) place[at].second = called[kind];
    place[at].last = called[kind];
}

static void print_places(void)
{
    for (int k = 0; k < KINDS; k++) {
        fputs(kind_names[k], stderr);
        for (size_t i = 0; i < PLACES; i++) {
            if (!place[i].first || place[i].kind != k) continue;
            fprintf(stderr, " %ld", place[i].first);
            if (place[i].second) fprintf(stderr, " %ld", place[i].second);
            if (place[i].last > place[i].second && place[i].second) fprintf(stderr, " %ld", place[i].last);
        }
        fputc('\n', stderr);
    }
}

/* ---- failures on request -------------------------------------------------------------------------------------------- */

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
    const bool places_wanted = getenv("DATASETGAN_PLACES") != NULL;
    const char *now = getenv(FAULT_VARIABLE);
    if (!now) now = "";
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kind_names[i], kind)) continue;
        called[i]++;
        if (places_wanted) note_place(i);
    }
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

static void *counted_alloc(const char *kind, size_t size)
{
    void *p = fails(kind) ? NULL : malloc(size);
    if (p) count(&live_blocks, 1);
    return p;
}

static void counted_free(void *p)
{
    if (p) count(&live_blocks, -1);
    free(p);
}

static void *json_alloc(size_t size) { return counted_alloc("json", size); }

static void *crypto_alloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return counted_alloc("crypto", size);
}

static void *crypto_realloc(void *old, size_t size, const char *file, int line)
{
    if (!old) return crypto_alloc(size, file, line);
    return fails("crypto") ? NULL : realloc(old, size);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    counted_free(p);
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
    return counted_alloc("jpeg", size);
}
void *jpeg_get_large(void *cinfo, size_t size) { return jpeg_get_small(cinfo, size); }
void jpeg_free_small(void *cinfo, void *p, size_t size)
{
    (void)cinfo, (void)size;
    counted_free(p);
}
void jpeg_free_large(void *cinfo, void *p, size_t size) { jpeg_free_small(cinfo, p, size); }

__attribute__((constructor)) static void begin(void)
{
    json_set_alloc_funcs(json_alloc, counted_free);
    if (!CRYPTO_set_mem_functions(crypto_alloc, crypto_realloc, crypto_free)) {
        fprintf(stderr, "libcrypto has allocated already\n");
        abort();
    }
}

__attribute__((destructor)) static void end(void)
{
    for (int i = 0; getenv("DATASETGAN_COUNTS") && i < KINDS; i++) fprintf(stderr, "%s %ld\n", kind_names[i], called[i]);
    if (getenv("DATASETGAN_PLACES")) print_places();
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

void nn_sys_begin_sync(int fd) { (void)fd; }

int nn_sys_rename(const char *from, const char *to)
{
    return seen(fails("rename") ? -1 : rename(from, to), (sys_call){ .kind = "rename", .fd = -1, .path = from, .to = to });
}

int nn_sys_exchange(const char *a, const char *b)
{
    if (getenv("DATASETGAN_NO_EXCHANGE")) { errno = EINVAL; return -1; }
    const int rc = fails("exchange") ? -1 : renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
    return seen(rc, (sys_call){ .kind = "exchange", .fd = -1, .path = a, .to = b });
}

int nn_sys_unlink(const char *path) { return seen(fails("unlink") ? -1 : unlink(path), (sys_call){ .kind = "unlink", .fd = -1, .path = path }); }
int nn_sys_mkdir(const char *path, unsigned mode)
{
    return seen(fails("mkdir") ? -1 : mkdir(path, (mode_t)mode), (sys_call){ .kind = "mkdir", .fd = -1, .path = path });
}
int nn_sys_rmdir(const char *path) { return seen(fails("rmdir") ? -1 : rmdir(path), (sys_call){ .kind = "rmdir", .fd = -1, .path = path }); }

DIR *nn_sys_opendir(const char *path)
{
    DIR *d = fails("opendir") ? NULL : opendir(path);
    if (d) count(&live_files, 1);
    return d;
}

const char *nn_sys_readdir(DIR *d)
{
    if (fails("readdir")) return NULL;
    errno = 0;
    const struct dirent *e = readdir(d);
    return e ? e->d_name : NULL;
}

void nn_sys_closedir(DIR *d)
{
    count(&live_files, -1);
    (void)closedir(d);
}

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
