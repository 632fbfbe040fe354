/* disk.h: a disk that loses power: what a recorded run of calls would have left at any moment, by what had been synced.
 *
 * Files and folders are nodes, which an open file keeps when it is renamed; names stand in folders.  A file's bytes are safe after its
 * fsync, a name (made, renamed, removed) after its folder's: the least that POSIX and Linux file systems promise. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    DISK_KILL,           /* the process died: all that was asked for is there */
    DISK_STRICT,         /* power went: only what was synced */
    DISK_NAMES,          /* power went: all names, but files only as far as they were synced */
    DISK_TORN,           /* power went: all names, files with half of what was not synced */
    DISK_LATE,           /* power went: what was synced, but removed is what was removed: a disk that does last things first */
    DISK_MODELS
} disk_model;

typedef struct disk disk;
disk *disk_open(void);
void disk_close(disk *d);
/* The calls, in order; fd as the system gave it. */
void disk_mkdir(disk *d, const char *path);
void disk_file(disk *d, int fd, const char *path, bool create, bool cut);     /* open a file or folder */
void disk_write(disk *d, int fd, const void *data, size_t size);             /* at the end */
void disk_truncate(disk *d, int fd, int64_t size);
void disk_fsync(disk *d, int fd);
void disk_shut(disk *d, int fd);
void disk_rename(disk *d, const char *from, const char *to);
void disk_exchange(disk *d, const char *a, const char *b);
void disk_unlink(disk *d, const char *path);                                 /* a file, or an empty folder */
/* A number for what disk_restore would write: equal states have equal numbers. */
uint64_t disk_state(const disk *d, disk_model model);
/* Write it for real: every folder and file below `root` (a path that the calls used), there as `to`. */
void disk_restore(const disk *d, disk_model model, const char *root, const char *to);

#endif
