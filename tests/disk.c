/* disk.c: see disk.h. */
#include "tests/disk.h"

#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "tests/t.h"

enum { NODES = 4096, FDS = 256, PATH = 512, NAME = 96, NOBODY = -1, TOP = 0 };
enum { ASKED, SYNCED, LATE, STATES };                            /* LATE: as synced, without what was removed since */

typedef struct { char name[NAME]; int node; } entry;
typedef struct { entry *at; int count; } list;
typedef struct { bool folder; char *byte[2]; size_t size[2]; list in[STATES]; } node;
struct disk {
    node *at;
    int nodes, fd[FDS];                                          /* fd: node or NOBODY */
};

static int make_node(disk *d, bool folder)
{
    NN_ASSERT(d->nodes < NODES);
    d->at[d->nodes].folder = folder;
    return d->nodes++;
}

disk *disk_open(void)
{
    disk *d = calloc(1, sizeof *d);
    d->at = calloc(NODES, sizeof *d->at);
    for (int i = 0; i < FDS; i++) d->fd[i] = NOBODY;
    make_node(d, true);
    return d;
}

void disk_close(disk *d)
{
    for (int i = 0; i < d->nodes; i++) {
        for (int k = 0; k < 2; k++) free(d->at[i].byte[k]);
        for (int k = 0; k < STATES; k++) free(d->at[i].in[k].at);
    }
    free(d->at);
    free(d);
}

/* ---- names ------------------------------------------------------------------------------------------------------------- */

static entry *find(const list *l, const char *name)
{
    for (int i = 0; i < l->count; i++) if (!strcmp(l->at[i].name, name)) return &l->at[i];
    return NULL;
}

static void put(list *l, const char *name, int to)
{
    entry *e = find(l, name);
    if (!e) {
        NN_ASSERT(strlen(name) < NAME);
        l->at = realloc(l->at, (size_t)(l->count + 1) * sizeof *l->at);
        e = &l->at[l->count++];
        nn_format(e->name, NAME, "%s", name);
    }
    e->node = to;
}

static void take(list *l, const char *name)
{
    entry *e = find(l, name);
    if (e) *e = l->at[--l->count];
}

static void copy(list *to, const list *from)
{
    to->count = 0;
    for (int i = 0; i < from->count; i++) put(to, from->at[i].name, from->at[i].node);
}

/* The folder above path, and the name in it.  Folders that no call made are from before the recording: synced long ago. */
static node *above(disk *d, const char *path, const char **name)
{
    int at = TOP;
    for (const char *end; (end = strchr(path, '/')) != NULL; path = end + 1) {
        char part[NAME];
        NN_ASSERT(end - path < NAME);
        nn_format(part, (size_t)(end - path) + 1, "%s", path);
        if (!*part) continue;
        const entry *e = find(&d->at[at].in[ASKED], part);
        const int next = e ? e->node : make_node(d, true);
        for (int k = 0; k < STATES && !e; k++) put(&d->at[at].in[k], part, next);
        at = next;
    }
    *name = path;
    return &d->at[at];
}

static void make_entry(disk *d, const char *path, bool folder)
{
    const char *name;
    node *up = above(d, path, &name);
    if (!find(&up->in[ASKED], name)) put(&up->in[ASKED], name, make_node(d, folder));
}

void disk_mkdir(disk *d, const char *path) { make_entry(d, path, true); }

void disk_file(disk *d, int fd, const char *path, bool create, bool cut)
{
    const char *name;
    NN_ASSERT(fd >= 0 && fd < FDS);
    if (create) make_entry(d, path, false);
    const node *up = above(d, path, &name);
    const entry *e = find(&up->in[ASKED], name);
    d->fd[fd] = e ? e->node : NOBODY;                            /* from before the recording, and only read */
    if (cut && e) d->at[e->node].size[0] = 0;
}

void disk_rename(disk *d, const char *from, const char *to)
{
    const char *old, *new;
    node *source = above(d, from, &old), *target = above(d, to, &new);
    const entry *e = find(&source->in[ASKED], old);
    NN_ASSERT(e);
    put(&target->in[ASKED], new, e->node);
    take(&source->in[ASKED], old);
}

void disk_exchange(disk *d, const char *a, const char *b)
{
    const char *x, *y;
    node *one = above(d, a, &x), *other = above(d, b, &y);
    entry *e = find(&one->in[ASKED], x), *f = find(&other->in[ASKED], y);
    NN_ASSERT(e && f);
    const int held = e->node;
    e->node = f->node;
    f->node = held;
}

void disk_unlink(disk *d, const char *path)
{
    const char *name;
    node *up = above(d, path, &name);
    const entry *e = find(&up->in[ASKED], name), *late = find(&up->in[LATE], name);
    if (e && late && late->node == e->node) take(&up->in[LATE], name);
    take(&up->in[ASKED], name);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------- */

static void add(node *n, int which, const void *data, size_t size)
{
    n->byte[which] = realloc(n->byte[which], n->size[which] + size + 1);
    if (size) memcpy(n->byte[which] + n->size[which], data, size);
    n->size[which] += size;
}

static node *opened(const disk *d, int fd) { return fd >= 0 && fd < FDS && d->fd[fd] != NOBODY ? &d->at[d->fd[fd]] : NULL; }

void disk_write(disk *d, int fd, const void *data, size_t size)
{
    node *n = fd >= 3 ? opened(d, fd) : NULL;
    if (n) add(n, 0, data, size);
}

void disk_truncate(disk *d, int fd, int64_t size)
{
    node *n = opened(d, fd);
    if (n && (size_t)size < n->size[0]) n->size[0] = (size_t)size;
}

void disk_fsync(disk *d, int fd)
{
    node *n = opened(d, fd);
    if (!n) return;
    n->size[1] = 0;
    add(n, 1, n->byte[0], n->size[0]);
    copy(&n->in[SYNCED], &n->in[ASKED]);
    copy(&n->in[LATE], &n->in[ASKED]);
}

void disk_shut(disk *d, int fd) { if (fd >= 0 && fd < FDS) d->fd[fd] = NOBODY; }

/* ---- what is left ------------------------------------------------------------------------------------------------------ */

static const list *names(const node *n, disk_model model) { return &n->in[model == DISK_STRICT ? SYNCED : model == DISK_LATE ? LATE : ASKED]; }

static size_t left(const node *n, disk_model model, const char **byte)
{
    const bool all = model == DISK_KILL;
    *byte = n->byte[all ? 0 : 1];
    if (model != DISK_TORN || n->size[0] <= n->size[1]) return n->size[all ? 0 : 1];
    *byte = n->byte[0];                                          /* files here only grow between syncs */
    return (n->size[0] + n->size[1]) / 2;
}

static uint64_t hash(uint64_t h, const char *byte, size_t size)      /* FNV-1a */
{
    for (size_t i = 0; i < size; i++) h = (h ^ (uint8_t)byte[i]) * 1099511628211u;
    return (h ^ size) * 1099511628211u;
}

static uint64_t hash_node(const disk *d, const node *n, disk_model model)
{
    const char *byte;
    const size_t size = left(n, model, &byte);
    const list *l = names(n, model);
    uint64_t h = hash(1469598103934665603u, byte, size), sum = 0;
    for (int i = 0; i < l->count; i++)                           /* a sum: their order says nothing */
        sum += hash(hash_node(d, &d->at[l->at[i].node], model), l->at[i].name, strlen(l->at[i].name));
    return h ^ sum;
}

uint64_t disk_state(const disk *d, disk_model model) { return hash_node(d, &d->at[TOP], model); }

static void write_node(const disk *d, const node *n, disk_model model, const char *to)
{
    const char *byte;
    const list *l = names(n, model);
    nn_err err = { 0 };
    if (n->folder) {
        if (nn_dir_make(to, &err)) t_fail("%s", err.msg);
        for (int i = 0; i < l->count; i++) {
            char path[2 * PATH];
            nn_format(path, sizeof path, "%s/%s", to, l->at[i].name);
            write_node(d, &d->at[l->at[i].node], model, path);
        }
        return;
    }
    const size_t size = left(n, model, &byte);
    nn_stage s;
    nn_stage_open(&s, to, &err);
    nn_stage_add(&s, byte, size, &err);
    if (nn_stage_close(&s, &err) || nn_file_commit(to, &err)) t_fail("%s", err.msg);
}

void disk_restore(const disk *d, disk_model model, const char *root, const char *to)
{
    int at = TOP;
    for (size_t length; *root; root += length) {
        char part[NAME];
        root += strspn(root, "/");
        length = strcspn(root, "/");
        NN_ASSERT(length < NAME);
        nn_format(part, length + 1, "%s", root);
        const entry *e = find(names(&d->at[at], model), part);
        if (!e) return;
        at = e->node;
    }
    write_node(d, &d->at[at], model, to);
}
