/* file.c: whole files and the staging of new ones. */
#include "nn/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nn/sys.h"

/* One read or write call moves at most this much: Linux stops at 2 GB anyway, and progress stays interruptible. */
enum { CHUNK = 1 << 26 };

/* "path: call: reason", from errno. */
static nn_status io_error(nn_err *err, const char *path, const char *call)
{
    return nn_fail(err, NN_EIO, "%s: %s: %s", path, call, strerror(errno));
}

nn_status nn_bytes_make(nn_bytes *b, size_t size, const char *what, nn_err *err)
{
    *b = (nn_bytes){ 0 };
    const size_t room = size < 64 ? 64 : (size + 63) / 64 * 64;
    uint8_t *p = room < size ? NULL : nn_sys_alloc(64, room);
    if (!p) return nn_fail(err, NN_ENOMEM, "%s: not enough memory for %.1f MB", what, (double)size / 1e6);
    *b = (nn_bytes){ p, size };
    return NN_OK;
}

void nn_bytes_free(nn_bytes *b)
{
    nn_sys_free(b->data);
    *b = (nn_bytes){ 0 };
}

nn_status nn_bytes_append(nn_bytes *b, size_t *room, const void *from, size_t size, const char *what, nn_err *err)
{
    if (size > *room - b->size) {
        nn_bytes larger;
        const nn_status s = nn_bytes_make(&larger, 2 * *room + size, what, err);
        if (s != NN_OK) return s;
        *room = larger.size;
        larger.size = b->size;
        /* analyze: nn_fail returns the status it is given, so there is memory when s is NN_OK */
        if (b->size) memcpy(larger.data, b->data, b->size);
        nn_bytes_free(b);
        *b = larger;
    }
    memcpy(b->data + b->size, from, size);
    b->size += size;
    return NN_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

nn_status nn_source_open(nn_source *s, const char *path, nn_err *err)
{
    *s = (nn_source){ -1, 0, path };
    s->fd = nn_sys_open(path, O_RDONLY | O_NONBLOCK, 0);      /* a pipe without a writer must not block the program */
    if (s->fd < 0) return io_error(err, path, "open");
    struct stat st;
    nn_status status = NN_OK;
    if (fstat(s->fd, &st)) status = io_error(err, path, "fstat");
    else if (S_ISDIR(st.st_mode)) status = nn_fail(err, NN_EIO, "%s: expected a file, found a folder", path);
    else if (!S_ISREG(st.st_mode)) status = nn_fail(err, NN_EIO, "%s: expected a regular file, found a device or pipe", path);
    else s->size = (uint64_t)st.st_size;
    if (status != NN_OK) nn_source_close(s);
    return status;
}

nn_status nn_source_read(nn_source *s, void *buf, size_t count, nn_err *err)
{
    uint8_t *to = buf;
    while (count > 0) {
        const ssize_t n = nn_sys_read(s->fd, to, count < CHUNK ? count : CHUNK);
        if (n < 0) return io_error(err, s->path, "read");
        if (n == 0) return nn_fail(err, NN_EIO, "%s: became shorter while it was read", s->path);
        to += n;
        count -= (size_t)n;
    }
    return NN_OK;
}

nn_status nn_source_end(nn_source *s, nn_err *err)
{
    uint8_t extra;
    const ssize_t n = nn_sys_read(s->fd, &extra, 1);
    if (n < 0) return io_error(err, s->path, "read");
    return n == 0 ? NN_OK : nn_fail(err, NN_EIO, "%s: became longer while it was read", s->path);
}

void nn_source_close(nn_source *s)
{
    if (s->fd >= 0) nn_sys_close(s->fd);
    s->fd = -1;
}

nn_status nn_file_read(const char *path, size_t max_bytes, nn_bytes *out, nn_err *err)
{
    *out = (nn_bytes){ 0 };
    nn_source s;
    nn_status status = nn_source_open(&s, path, err);
    if (status != NN_OK) return status;
    if (s.size > max_bytes)
        status = nn_fail(err, NN_EFORMAT, "%s: expected at most %zu bytes, found %ju", path, max_bytes, (uintmax_t)s.size);
    else status = nn_bytes_make(out, (size_t)s.size, path, err);
    if (status == NN_OK) status = nn_source_read(&s, out->data, out->size, err);
    if (status == NN_OK) status = nn_source_end(&s, err);
    nn_source_close(&s);
    if (status != NN_OK) nn_bytes_free(out);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* All of data to fd, however little each call takes; `name` is for messages. */
static nn_status write_all(int fd, const char *name, const void *data, size_t size, nn_err *err)
{
    const uint8_t *from = data;
    while (size > 0) {
        const ssize_t n = nn_sys_write(fd, from, size < CHUNK ? size : CHUNK);
        if (n < 0) return io_error(err, name, "write");
        if (n == 0) return nn_fail(err, NN_EIO, "%s: write: took no bytes", name);
        from += n;
        size -= (size_t)n;
    }
    return NN_OK;
}

static nn_status temporary_name(char *out, size_t size, const char *path, nn_err *err)
{
    if (strlen(path) + sizeof ".tmp" > size)
        return nn_fail(err, NN_EINVAL, "%.100s...: path of %zu bytes is too long", path, strlen(path));
    nn_format(out, size, "%s.tmp", path);
    return NN_OK;
}

nn_status nn_stage_open(nn_stage *s, const char *path, nn_err *err)
{
    s->fd = -1;
    s->status = temporary_name(s->path, sizeof s->path, path, err);
    if (s->status != NN_OK) return s->status;
    /* A temporary left by a killed run is overwritten; a link put in its place is not followed. */
    s->fd = nn_sys_open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
    if (s->fd < 0) s->status = io_error(err, s->path, "open");
    return s->status;
}

/* Keep the first failure and leave nothing behind. */
static nn_status stage_failed(nn_stage *s, nn_status status)
{
    nn_stage_abort(s);
    s->status = status;
    return status;
}

nn_status nn_stage_add(nn_stage *s, const void *data, size_t size, nn_err *err)
{
    if (s->status != NN_OK) return s->status;
    const nn_status status = write_all(s->fd, s->path, data, size, err);
    return status == NN_OK ? NN_OK : stage_failed(s, status);
}

/* The temporary is written. */
static nn_status stage_end(nn_stage *s, bool sync, nn_err *err)
{
    if (s->status != NN_OK) return s->status;
    if (!sync) nn_sys_begin_sync(s->fd);
    else if (nn_sys_fsync(s->fd)) return stage_failed(s, io_error(err, s->path, "fsync"));
    const int rc = nn_sys_close(s->fd);
    s->fd = -1;
    return rc == 0 ? NN_OK : stage_failed(s, io_error(err, s->path, "close"));
}

nn_status nn_stage_close(nn_stage *s, nn_err *err) { return stage_end(s, true, err); }

void nn_stage_abort(nn_stage *s)
{
    if (s->status != NN_OK) return;                            /* never opened, or gone already */
    if (s->fd >= 0) nn_sys_close(s->fd);
    nn_sys_unlink(s->path);
    s->fd = -1;
    s->status = NN_EIO;
}

nn_status nn_stage_publish(nn_stage *s, const char *path, nn_err *err)
{
    char folder[sizeof s->path];
    nn_status status = nn_stage_close(s, err);
    if (status == NN_OK) status = nn_file_commit(path, err);
    if (status == NN_OK) status = nn_path_folder(folder, sizeof folder, path, err);
    return status == NN_OK ? nn_dir_sync(folder, err) : status;
}

nn_status nn_stage_publish_locked(nn_stage *s, const char *path, int *lock, nn_err *err)
{
    if (*lock < 0 || s->status != NN_OK) return nn_stage_publish(s, path, err);
    int next = nn_sys_open(s->path, O_RDONLY, 0);
    if (next < 0) return stage_failed(s, io_error(err, s->path, "open"));
    const bool locked = nn_sys_lock(next) == 0;               /* nobody else looks at a temporary */
    const nn_status status = nn_stage_publish(s, path, err);
    if (status || !locked) {
        nn_sys_close(next);
        next = -1;
    }
    if (status) return status;
    nn_sys_close(*lock);
    *lock = next;
    return NN_OK;
}

nn_status nn_file_stage(const char *path, const void *data, size_t size, nn_err *err)
{
    nn_stage s;
    nn_stage_open(&s, path, err);
    nn_stage_add(&s, data, size, err);
    return stage_end(&s, false, err);
}

nn_status nn_file_settle(const char *path, nn_err *err)
{
    char name[4096];
    nn_status status = temporary_name(name, sizeof name, path, err);
    if (status != NN_OK) return status;
    const int fd = nn_sys_open(name, O_WRONLY | O_NOFOLLOW, 0);
    if (fd < 0) return io_error(err, name, "open");
    if (nn_sys_fsync(fd)) status = io_error(err, name, "fsync");
    if (nn_sys_close(fd) && status == NN_OK) status = io_error(err, name, "close");
    return status;
}

nn_status nn_file_commit(const char *path, nn_err *err)
{
    char from[4096];
    const nn_status status = temporary_name(from, sizeof from, path, err);
    if (status != NN_OK) return status;
    if (nn_sys_rename(from, path) == 0) return NN_OK;
    io_error(err, path, "rename");
    nn_sys_unlink(from);
    return NN_EIO;
}

void nn_file_unstage(const char *path)
{
    char name[4096];
    if (temporary_name(name, sizeof name, path, NULL) == NN_OK) nn_sys_unlink(name);
}

nn_status nn_file_write(const char *path, const void *data, size_t size, nn_err *err)
{
    nn_stage s;
    nn_stage_open(&s, path, err);
    nn_stage_add(&s, data, size, err);
    return nn_stage_publish(&s, path, err);
}

nn_status nn_dir_sync(const char *path, nn_err *err)
{
    const int fd = nn_sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return io_error(err, path, "open");
    /* Some file systems (network, FUSE) cannot sync a folder and say EINVAL: they order renames themselves. */
    const nn_status status = nn_sys_fsync(fd) && errno != EINVAL ? io_error(err, path, "fsync") : NN_OK;
    nn_sys_close(fd);
    return status;
}

nn_status nn_file_append(const char *path, const void *data, size_t size, nn_err *err)
{
    char folder[4096];
    const bool fresh = !nn_path_exists(path);
    nn_status status = nn_path_folder(folder, sizeof folder, path, err);
    if (status != NN_OK) return status;
    const int fd = nn_sys_open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0) return io_error(err, path, "open");
    struct stat st;
    if (fstat(fd, &st)) status = io_error(err, path, "fstat");
    const bool begun = status == NN_OK;
    if (status == NN_OK) status = write_all(fd, path, data, size, err);
    if (status == NN_OK && nn_sys_fsync(fd)) status = io_error(err, path, "fsync");
    if (status != NN_OK && begun) (void)nn_sys_truncate(fd, st.st_size);
    if (nn_sys_close(fd) && status == NN_OK) status = io_error(err, path, "close");
    return status == NN_OK && fresh ? nn_dir_sync(folder, err) : status;
}

nn_status nn_file_cut(const char *path, int64_t length, nn_err *err)
{
    const int fd = nn_sys_open(path, O_WRONLY, 0);
    if (fd < 0) return io_error(err, path, "open");
    nn_status status = NN_OK;
    if (nn_sys_truncate(fd, length)) status = io_error(err, path, "truncate");
    else if (nn_sys_fsync(fd)) status = io_error(err, path, "fsync");
    if (nn_sys_close(fd) && status == NN_OK) status = io_error(err, path, "close");
    return status;
}

/* ---- folders and paths -------------------------------------------------------------------------------------------- */

nn_status nn_dir_lock(int *lock, const char *path, nn_err *err)
{
    *lock = nn_sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (*lock < 0) return io_error(err, path, "open");
    if (nn_sys_lock(*lock) == 0) return NN_OK;
    const bool busy = errno == EWOULDBLOCK;
    nn_sys_close(*lock);
    *lock = -1;
    return busy ? nn_fail(err, NN_EIO, "%s: another process is working in this folder", path) : NN_OK;
}

nn_status nn_dir_each(const char *path, nn_visit *visit, const void *context, nn_err *err)
{
    DIR *d = nn_sys_opendir(path);
    if (!d) return io_error(err, path, "opendir");
    const char *name;
    nn_status s = NN_OK;
    while (!s && (name = nn_sys_readdir(d)) != NULL)
        if (strcmp(name, ".") && strcmp(name, "..")) s = visit(context, name, err);
    if (!s && errno) s = io_error(err, path, "readdir");
    nn_sys_closedir(d);
    return s;
}

nn_status nn_names_add(nn_names *n, const char *name, nn_err *err)
{
    if (n->count == n->room) {
        const size_t room = 2 * n->room + 64;
        char **more = nn_alloc(room * sizeof *more, "file names", err);
        if (!more) return NN_ENOMEM;
        if (n->count) memcpy(more, n->name, n->count * sizeof *more);
        nn_free(n->name);
        n->name = more;
        n->room = room;
    }
    char *copy = nn_alloc(strlen(name) + 1, "a file name", err);
    if (!copy) return NN_ENOMEM;
    strcpy(copy, name);
    n->name[n->count++] = copy;
    return NN_OK;
}

void nn_names_free(nn_names *n)
{
    for (size_t i = 0; i < n->count; i++) nn_free(n->name[i]);
    nn_free(n->name);
    *n = (nn_names){ 0 };
}

typedef struct { nn_names *out; nn_wanted *wanted; const void *context; } choice;

static nn_status take_wanted(const void *context, const char *name, nn_err *err)
{
    const choice *c = context;
    return c->wanted(c->context, name) ? nn_names_add(c->out, name, err) : NN_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

nn_status nn_dir_list(nn_names *out, const char *path, nn_wanted *wanted, const void *context, nn_err *err)
{
    *out = (nn_names){ 0 };
    const choice c = { out, wanted, context };
    const nn_status s = nn_dir_each(path, take_wanted, &c, err);
    if (out->count) qsort(out->name, out->count, sizeof *out->name, by_name);
    return s;
}

void nn_dir_unlock(int lock) { if (lock >= 0) nn_sys_close(lock); }

static bool is_empty_file(int fd, const char *path)
{
    struct stat held, there;
    return !fstat(fd, &held) && !lstat(path, &there) && held.st_ino == there.st_ino && held.st_dev == there.st_dev && S_ISREG(held.st_mode) && held.st_size == 0;
}

nn_status nn_file_lock(int *lock, const char *path, nn_err *err)
{
    struct stat held, there;
    *lock = nn_sys_open(path, O_RDONLY | O_CREAT, 0666);
    if (*lock < 0) return io_error(err, path, "open");
    const bool locked = nn_sys_lock(*lock) == 0;
    /* Its holder may have replaced or removed it between our two calls. */
    const bool busy = locked ? fstat(*lock, &held) || lstat(path, &there) || held.st_ino != there.st_ino || held.st_dev != there.st_dev : errno == EWOULDBLOCK;
    if (locked && !busy) return NN_OK;
    if (!locked && !busy && is_empty_file(*lock, path)) nn_sys_unlink(path);
    nn_sys_close(*lock);
    *lock = -1;
    return busy ? nn_fail(err, NN_EIO, "%s: another process is working on it", path) : NN_OK;
}

void nn_file_unlock(int lock, const char *path)
{
    if (lock < 0) return;
    if (is_empty_file(lock, path)) nn_sys_unlink(path);
    nn_sys_close(lock);
}

bool nn_path_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool nn_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Make one folder; fine when there is one. */
static nn_status make_one(const char *path, nn_err *err)
{
    if (nn_sys_mkdir(path, 0777) == 0 || (errno == EEXIST && nn_path_is_dir(path))) return NN_OK;
    if (errno == EEXIST || errno == ENOTDIR)
        return nn_fail(err, NN_EIO, "%s: expected a folder, found a file in the way", path);
    return io_error(err, path, "mkdir");
}

nn_status nn_dir_make(const char *path, nn_err *err)
{
    char part[4096];
    if (!*path || strlen(path) >= sizeof part)
        return nn_fail(err, NN_EINVAL, "'%.100s': a folder's path has 1 to %zu bytes, found %zu", path, sizeof part - 1, strlen(path));
    nn_status status = NN_OK;
    for (const char *end = path; status == NN_OK && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        nn_format(part, (size_t)(end - path) + 1, "%s", path);
        status = make_one(part, err);
    }
    return status;
}

nn_status nn_path_join(char *out, size_t size, const char *folder, const char *name, nn_err *err)
{
    const bool alone = !*folder || !strcmp(folder, ".") || *name == '/';
    const char *between = alone || folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (alone) folder = "";
    const size_t need = strlen(folder) + strlen(between) + strlen(name) + 1;
    if (need > size) return nn_fail(err, NN_EINVAL, "%s%s%s: path of %zu bytes, expected at most %zu", folder, between, name, need, size);
    nn_format(out, size, "%s%s%s", folder, between, name);
    return NN_OK;
}

nn_status nn_path_folder(char *out, size_t size, const char *path, nn_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *from = slash ? path : ".";
    const size_t length = !slash ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (length + 1 > size) return nn_fail(err, NN_EINVAL, "%s: folder of %zu bytes, expected at most %zu", path, length, size - 1);
    nn_format(out, length + 1, "%s", from);
    return NN_OK;
}
