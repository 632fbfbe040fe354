/* disk.c: see disk.h. */
#include "tests/disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nn/file.h"
#include "tests/t.h"

enum { NAMES = 4096, FILES = 4096, FDS = 256, PATH = 512, FOLDER = -1, NOTHING = -2 };

typedef struct { char *byte[2]; size_t size[2]; } content;       /* [0] as asked for, [1] as synced */
typedef struct { char path[PATH]; int file[2]; } name;           /* a file's number, FOLDER or NOTHING: as asked for, as synced */
struct disk {
    name *at;
    int names, files;
    content *file;
    int fd[FDS];                                                 /* file number, or FOLDER */
    char folder[FDS][PATH];                                      /* of an open folder */
};

disk *disk_open(void)
{
    disk *d = calloc(1, sizeof *d);
    d->at = calloc(NAMES, sizeof *d->at);
    d->file = calloc(FILES, sizeof *d->file);
    return d;
}

void disk_close(disk *d)
{
    for (int i = 0; i < d->files; i++) for (int k = 0; k < 2; k++) free(d->file[i].byte[k]);
    free(d->file);
    free(d->at);
    free(d);
}

static name *find(const disk *d, const char *path)
{
    for (int i = 0; i < d->names; i++) if (!strcmp(d->at[i].path, path)) return &d->at[i];
    return NULL;
}

static name *find_or_make(disk *d, const char *path)
{
    name *n = find(d, path);
    if (n) return n;
    NN_ASSERT(d->names < NAMES && strlen(path) < PATH);
    n = &d->at[d->names++];
    nn_format(n->path, PATH, "%s", path);
    n->file[0] = n->file[1] = NOTHING;
    return n;
}

void disk_mkdir(disk *d, const char *path) { find_or_make(d, path)->file[0] = FOLDER; }

void disk_file(disk *d, int fd, const char *path, bool create, bool cut)
{
    NN_ASSERT(fd >= 0 && fd < FDS);
    name *n = create ? find_or_make(d, path) : find(d, path);
    nn_format(d->folder[fd], PATH, "%s", path);
    d->fd[fd] = n ? n->file[0] : FOLDER;                         /* a folder from before the recording, or a file only read */
    if (n && n->file[0] == NOTHING && create) {
        NN_ASSERT(d->files < FILES);
        d->fd[fd] = n->file[0] = d->files++;
    }
    if (cut && d->fd[fd] >= 0) d->file[d->fd[fd]].size[0] = 0;
}

static void set(content *c, int which, const void *data, size_t size)
{
    c->byte[which] = realloc(c->byte[which], size + 1);
    if (size) memmove(c->byte[which], data, size);
    c->size[which] = size;
}

void disk_write(disk *d, int fd, const void *data, size_t size)
{
    if (fd < 3 || d->fd[fd] < 0) return;
    content *c = &d->file[d->fd[fd]];
    c->byte[0] = realloc(c->byte[0], c->size[0] + size + 1);
    memcpy(c->byte[0] + c->size[0], data, size);
    c->size[0] += size;
}

void disk_truncate(disk *d, int fd, int64_t size)
{
    if (d->fd[fd] >= 0 && (size_t)size < d->file[d->fd[fd]].size[0]) d->file[d->fd[fd]].size[0] = (size_t)size;
}

/* path stands in this folder itself. */
static bool is_in(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

void disk_fsync(disk *d, int fd)
{
    if (d->fd[fd] >= 0) {
        content *c = &d->file[d->fd[fd]];
        set(c, 1, c->byte[0], c->size[0]);
        return;
    }
    for (int i = 0; i < d->names; i++) if (is_in(d->at[i].path, d->folder[fd])) d->at[i].file[1] = d->at[i].file[0];
}

void disk_shut(disk *d, int fd) { if (fd >= 0 && fd < FDS) d->fd[fd] = FOLDER; }

void disk_rename(disk *d, const char *from, const char *to)
{
    name *target = find_or_make(d, to), *source = find(d, from);
    NN_ASSERT(source && source->file[0] >= 0);                   /* folders are not renamed in a dataset run */
    target->file[0] = source->file[0];
    source->file[0] = NOTHING;
}

void disk_unlink(disk *d, const char *path)
{
    name *n = find(d, path);
    if (n) n->file[0] = NOTHING;
}

/* ---- what is left ------------------------------------------------------------------------------------------------------ */

static int what(const name *n, disk_model model) { return n->file[model == DISK_STRICT]; }

static size_t left(const content *c, disk_model model, const char **byte)
{
    const bool all = model == DISK_KILL;
    *byte = c->byte[all ? 0 : 1];
    if (model != DISK_TORN || c->size[0] <= c->size[1]) return c->size[all ? 0 : 1];
    *byte = c->byte[0];                                          /* files here only grow between syncs */
    return (c->size[0] + c->size[1]) / 2;
}

uint64_t disk_state(const disk *d, disk_model model)
{
    uint64_t h = 1469598103934665603u;                           /* FNV-1a */
    for (int i = 0; i < d->names; i++) {
        const int f = what(&d->at[i], model);
        const char *byte = NULL;
        const size_t size = f >= 0 ? left(&d->file[f], model, &byte) : 0;
        if (f == NOTHING) continue;
        for (const char *p = d->at[i].path; *p; p++) h = (h ^ (uint8_t)*p) * 1099511628211u;
        for (size_t k = 0; k < size; k++) h = (h ^ (uint8_t)byte[k]) * 1099511628211u;
        h = (h ^ size) * 1099511628211u;
    }
    return h;
}

/* Every folder above is there too. */
static bool reachable(const disk *d, const name *n, disk_model model, const char *root)
{
    char path[PATH];
    nn_format(path, PATH, "%s", n->path);
    while (strlen(path) > strlen(root)) {
        const name *at = find(d, path);
        if (!at || what(at, model) == NOTHING) return false;
        *strrchr(path, '/') = '\0';
    }
    const name *at = find(d, root);
    return at && what(at, model) == FOLDER;
}

void disk_restore(const disk *d, disk_model model, const char *root, const char *to)
{
    for (int pass = 0; pass < 2; pass++)                         /* folders, then files; names are in the order they were made */
        for (int i = 0; i < d->names; i++) {
            const name *n = &d->at[i];
            const int f = what(n, model);
            const char *byte = NULL;
            char path[2 * PATH];
            if (strncmp(n->path, root, strlen(root)) || !reachable(d, n, model, root)) continue;
            nn_format(path, sizeof path, "%s%s", to, n->path + strlen(root));
            nn_err err = { 0 };
            if (pass == 0 && f == FOLDER && nn_dir_make(path, &err)) t_fail("%s", err.msg);
            if (pass == 0 || f < 0) continue;
            const size_t size = left(&d->file[f], model, &byte);
            nn_stage s;
            nn_stage_open(&s, path, &err);
            nn_stage_add(&s, byte, size, &err);
            if (nn_stage_close(&s, &err) || nn_file_commit(path, &err)) t_fail("%s", err.msg);
        }
}
