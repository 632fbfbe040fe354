/* folder.c: a folder of results that appears whole or not at all. */
#define _XOPEN_SOURCE 700          /* realpath */
#include "datasetgan/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nn/sys.h"

enum { RECORD_BYTES_MAX = 256 << 20, DEPTH_MAX = 8 };

static nn_status sys_error(const char *path, const char *call, nn_err *err)
{
    return nn_fail(err, NN_EIO, "%s: %s: %s", path, call, strerror(errno));
}

/* ---- all files below a folder ---------------------------------------------------------------------------------------- */

static bool is_link_free_dir(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Call visit for everything below path, folders after what they hold; links are not followed.  `last` (a name at the top, or
 * NULL) is left out. */
typedef struct { const char *path, *last; int depth; nn_status (*visit)(const char *path, bool folder, nn_err *err); } a_walk;

static nn_status walk(const a_walk *w, nn_err *err);

static nn_status walk_one(const void *context, const char *name, nn_err *err)
{
    const a_walk *w = context;
    char below[DG_PATH];
    if (w->last && !strcmp(name, w->last)) return NN_OK;
    nn_status s = nn_path_join(below, sizeof below, w->path, name, err);
    const bool folder = !s && is_link_free_dir(below);
    if (folder) s = walk(&(a_walk){ below, NULL, w->depth + 1, w->visit }, err);
    return s ? s : w->visit(below, folder, err);
}

static nn_status walk(const a_walk *w, nn_err *err)
{
    if (w->depth > DEPTH_MAX) return nn_fail(err, NN_EFORMAT, "%s: folders nested deeper than %d", w->path, DEPTH_MAX);
    return nn_dir_each(w->path, walk_one, w, err);
}

static nn_status remove_one(const char *path, bool folder, nn_err *err)
{
    if ((folder ? nn_sys_rmdir(path) : nn_sys_unlink(path)) && errno != ENOENT) return sys_error(path, folder ? "rmdir" : "unlink", err);
    return NN_OK;
}

static nn_status sync_one(const char *path, bool folder, nn_err *err) { return folder ? nn_dir_sync(path, err) : NN_OK; }

/* The record goes last: killed in between, the rest is still known to be ours. */
static nn_status remove_tree(const dg_folder_kind *kind, const char *path, nn_err *err)
{
    char record[DG_PATH];
    nn_status s = nn_path_join(record, sizeof record, path, kind->record, err);
    if (!s) s = walk(&(a_walk){ path, kind->record, 0, remove_one }, err);
    if (!s) s = remove_one(record, false, err);
    return s ? s : remove_one(path, true, err);
}

/* ---- whose folder it is ---------------------------------------------------------------------------------------------- */

static bool is_stranger(const void *context, const char *name)
{
    const dg_folder_kind *kind = context;
    const size_t length = strlen(kind->record);
    bool known = !strncmp(name, kind->record, length) && (!name[length] || !strcmp(name + length, ".tmp"));
    for (const char *const *t = kind->top; !known && *t; t++) known = !strcmp(name, *t);
    return !known;
}

/* The name of something at the top that does not belong to this kind of folder; "" when there is none. */
static nn_status find_stranger(const dg_folder_kind *kind, const char *path, char name[256], nn_err *err)
{
    nn_names strangers;
    const nn_status s = nn_dir_list(&strangers, path, is_stranger, kind, err);
    nn_format(name, 256, "%s", strangers.count ? strangers.name[0] : "");
    nn_names_free(&strangers);
    return s;
}

static nn_status read_record(const dg_folder_kind *kind, const char *path, json_t **found, nn_err *err)
{
    char record[DG_PATH];
    *found = NULL;
    nn_status s = nn_path_join(record, sizeof record, path, kind->record, err);
    if (s || !nn_path_exists(record)) return s;
    *found = nn_json_read(record, RECORD_BYTES_MAX, err);
    if (!*found) return NN_EFORMAT;
    const char *is = json_string_value(json_object_get(*found, "kind"));
    if (!is || strcmp(is, kind->kind)) {
        json_decref(*found);
        *found = NULL;
    }
    return NN_OK;
}

static nn_status refuse_strangers(const dg_folder *f, nn_err *err)
{
    char stranger[256];
    if (!is_link_free_dir(f->out)) return nn_fail(err, NN_EMISMATCH, "%s: expected a folder or nothing, found a file or link", f->out);
    const nn_status s = find_stranger(f->kind, f->out, stranger, err);
    if (s || !stranger[0]) return s;
    return nn_fail(err, NN_EMISMATCH, "%s: the folder also holds '%s', which is not part of '%s': not replaced", f->out, stranger, f->kind->kind);
}

/* What stands at OUT: nothing or an empty folder (go on), the same (done), another of ours (replace?), a stranger's. */
static nn_status check_out(dg_folder *f, const json_t *wanted, bool replace, nn_err *err)
{
    char stranger[256];
    json_t *found = NULL;
    if (!nn_path_exists(f->out)) return NN_OK;
    if (!is_link_free_dir(f->out)) return nn_fail(err, NN_EMISMATCH, "%s: expected a folder or nothing, found a file or link", f->out);
    nn_status s = read_record(f->kind, f->out, &found, err);
    f->done = !s && found && json_equal(found, wanted);
    if (!s && !f->done) {
        s = find_stranger(f->kind, f->out, stranger, err);
        const bool ours = found || (!stranger[0] && nn_sys_rmdir(f->out) == 0);
        if (!s && !ours) s = nn_fail(err, NN_EMISMATCH, "%s: the folder exists and is not of the kind '%s'; choose another", f->out, f->kind->kind);
        else if (!s && found && !replace)
            s = nn_fail(err, NN_EEXISTS, "%s: the folder holds another '%s'", f->out, f->kind->kind);
        else if (!s && found) s = refuse_strangers(f, err);
    }
    f->replaces = !s && found && !f->done;
    json_decref(found);
    return s;
}

/* A left-over of ours at `path`: it has our record, or it ended before that was there.  It is removed, unless its record is the wanted
 * one (*kept; wanted may be NULL). */
static nn_status clear(const dg_folder *f, const char *path, const json_t *wanted, bool *kept, nn_err *err)
{
    if (!nn_path_exists(path)) return NN_OK;
    char stranger[256] = "a file or link";
    json_t *found = NULL;
    nn_status s = NN_OK;
    const bool folder = is_link_free_dir(path);
    if (folder) s = read_record(f->kind, path, &found, err);
    if (!s && folder && !found) s = find_stranger(f->kind, path, stranger, err);
    const bool ours = found || !stranger[0];
    *kept = wanted && found && json_equal(found, wanted);
    json_decref(found);
    if (!s && !ours) s = nn_fail(err, NN_EMISMATCH, "%s: in the way: holds '%s'; remove it", path, stranger);
    return s || *kept ? s : remove_tree(f->kind, path, err);
}

/* Left-overs beside OUT, by the holder of OUT.tmp's lock.  What a run of before replaced is only waiting for its removal. */
static nn_status clear_parts(dg_folder *f, const json_t *wanted, nn_err *err)
{
    bool ignored;
    int lock = -1;
    nn_status s = is_link_free_dir(f->part) ? nn_dir_lock(&lock, f->part, err) : NN_OK;
    if (!s) s = clear(f, f->part, f->resume ? wanted : NULL, &f->kept, err);
    if (!s) s = clear(f, f->old, NULL, &ignored, err);
    nn_dir_unlock(lock);
    return s;
}

/* A kill between the two renames of replace_out: OUT is not there, what it held is OUT.old.tmp. */
static nn_status put_back(const dg_folder *f, nn_err *err)
{
    json_t *found = NULL;
    int lock = -1;
    if (nn_path_exists(f->out) || !is_link_free_dir(f->old)) return NN_OK;
    nn_status s = read_record(f->kind, f->old, &found, err);
    if (!s && found && is_link_free_dir(f->part)) s = nn_dir_lock(&lock, f->part, err);      /* a process may be just between the two */
    if (!s && found && nn_sys_rename(f->old, f->out)) s = sys_error(f->out, "rename", err);
    nn_dir_unlock(lock);
    json_decref(found);
    return s;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------- */

static nn_status begin(dg_folder *f, const dg_folder_kind *kind, const char *out, const json_t *record, bool replace, bool resume, nn_err *err)
{
    *f = (dg_folder){ .kind = kind, .resume = resume, .lock = -1 };
    size_t length = strlen(out);
    while (length > 1 && out[length - 1] == '/') length--;
    if (length + 64 > DG_PATH) return nn_fail(err, NN_EINVAL, "%.80s...: path of %zu bytes, expected at most %d", out, length, DG_PATH - 64);
    nn_format(f->out, sizeof f->out, "%.*s", (int)length, out);
    nn_format(f->part, sizeof f->part, "%.*s.tmp", (int)length, out);
    nn_format(f->old, sizeof f->old, "%.*s.old.tmp", (int)length, out);
    nn_status s = put_back(f, err);
    if (!s) s = check_out(f, record, replace, err);
    if (f->done) (void)clear_parts(f, NULL, NULL);             /* what is in the way of nothing may stay */
    if (s || f->done) return s;
    s = clear_parts(f, record, err);
    if (!s) s = nn_dir_make(f->part, err);
    if (!s && (s = nn_dir_lock(&f->lock, f->part, err)) != NN_OK) (void)nn_sys_rmdir(f->part);      /* ours: still empty */
    f->begun = !s;
    if (!s && !f->kept) s = dg_folder_add_json(f, kind->record, record, err);
    return s ? dg_folder_end(f, s, err) : NN_OK;
}

nn_status dg_folder_begin(dg_folder *f, const dg_folder_kind *kind, const char *out, const json_t *record, bool replace, nn_err *err)
{
    return begin(f, kind, out, record, replace, false, err);
}

nn_status dg_folder_resume(dg_folder *f, const dg_folder_kind *kind, const char *out, const json_t *record, bool replace, nn_err *err)
{
    return begin(f, kind, out, record, replace, true, err);
}

nn_status dg_folder_path(const dg_folder *f, char path[DG_PATH], const char *name, nn_err *err)
{
    return nn_path_join(path, DG_PATH, f->part, name, err);
}

nn_status dg_folder_make(const dg_folder *f, const char *name, nn_err *err)
{
    char path[DG_PATH];
    const nn_status s = dg_folder_path(f, path, name, err);
    return s ? s : nn_dir_make(path, err);
}

/* A file of these bytes is there: it was renamed, so it was synced. */
static bool holds(const char *path, const void *data, size_t size)
{
    nn_bytes b = { 0 };
    const bool same = nn_path_exists(path) && nn_file_read(path, size, &b, NULL) == NN_OK && b.size == size && !memcmp(b.data, data, size);
    nn_bytes_free(&b);
    return same;
}

nn_status dg_folder_add(const dg_folder *f, const char *name, const void *data, size_t size, nn_err *err)
{
    char path[DG_PATH];
    nn_stage st;
    nn_status s = dg_folder_path(f, path, name, err);
    if (s || (f->kept && holds(path, data, size))) return s;
    nn_stage_open(&st, path, err);
    nn_stage_add(&st, data, size, err);
    return dg_folder_close(f, &st, name, err);
}

nn_status dg_folder_add_json(const dg_folder *f, const char *name, const json_t *value, nn_err *err)
{
    char path[DG_PATH];
    const nn_status s = dg_folder_path(f, path, name, err);
    return s ? s : nn_json_write(path, value, err);
}

nn_status dg_folder_open(const dg_folder *f, nn_stage *st, const char *name, nn_err *err)
{
    char path[DG_PATH];
    const nn_status s = dg_folder_path(f, path, name, err);
    return s ? s : nn_stage_open(st, path, err);
}

nn_status dg_folder_close(const dg_folder *f, nn_stage *st, const char *name, nn_err *err)
{
    char path[DG_PATH];
    nn_status s = nn_stage_close(st, err);
    if (!s) s = dg_folder_path(f, path, name, err);
    return s ? s : nn_file_commit(path, err);
}

/* OUT.tmp takes the place of an OUT in which nobody works; *old: where that is then.  On failure OUT is as it was. */
static nn_status replace_out(const dg_folder *f, const char **old, nn_err *err)
{
    const nn_status s = refuse_strangers(f, err);              /* hours may have gone by since the first look */
    if (s) return s;
    *old = f->part;
    if (nn_sys_exchange(f->part, f->out) == 0) return NN_OK;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return sys_error(f->out, "rename", err);
    *old = f->old;
    if (nn_sys_rename(f->out, f->old)) return sys_error(f->old, "rename", err);
    if (nn_sys_rename(f->part, f->out) == 0) return NN_OK;
    sys_error(f->out, "rename", err);
    (void)nn_sys_rename(f->old, f->out);
    return NN_EIO;
}

/* The folder above is synced before what was replaced goes: a power cut leaves the one or the other. */
static nn_status publish(dg_folder *f, nn_err *err)
{
    char parent[DG_PATH];
    const char *old = NULL;
    int lock = -1;
    nn_status s = nn_path_folder(parent, sizeof parent, f->out, err);
    if (!s && f->replaces) s = nn_dir_lock(&lock, f->out, err);
    if (!s && f->replaces) s = replace_out(f, &old, err);
    else if (!s && nn_sys_rename(f->part, f->out)) s = sys_error(f->out, "rename", err);
    if (s) (void)remove_tree(f->kind, f->part, NULL);
    if (!s) s = nn_dir_sync(parent, err);
    if (!s && old) s = remove_tree(f->kind, old, err);
    nn_dir_unlock(lock);
    return s;
}

nn_status dg_folder_end(dg_folder *f, nn_status status, nn_err *err)
{
    if (!f->begun) return status;
    f->begun = false;
    if (!status) status = walk(&(a_walk){ f->part, NULL, 0, sync_one }, err);
    if (!status) status = nn_dir_sync(f->part, err);
    if (!status) status = publish(f, err);
    else if (!(f->resume && status == NN_ECANCEL)) (void)remove_tree(f->kind, f->part, NULL);
    nn_dir_unlock(f->lock);
    f->lock = -1;
    return status;
}

/* The way from a folder to a file, both absolute. */
static void way_between(char out[DG_PATH], const char *folder, const char *file)
{
    size_t common = 0;
    for (size_t i = 0; folder[i] && folder[i] == file[i]; i++) if (folder[i] == '/') common = i + 1;
    const size_t length = strlen(folder);
    if (!strncmp(folder, file, length) && file[length] == '/') common = length + 1;      /* the file is below the folder */
    out[0] = 0;
    size_t size = 0;
    if (common <= length) {
        for (const char *p = folder + common - 1; p && *p && size + 4 < DG_PATH; p = strchr(p + 1, '/')) {
            nn_format(out + size, DG_PATH - size, "../");
            size += 3;
        }
    }
    nn_format(out + size, DG_PATH - size, "%s", file + common);
}

nn_status dg_folder_way(const dg_folder *f, const char *file, char way[DG_PATH], nn_err *err)
{
    char *to = realpath(file, NULL), *folder = realpath(f->part, NULL);
    const bool ok = to && folder && strlen(to) < DG_PATH / 2 && strlen(folder) < DG_PATH / 2;
    if (ok) {
        folder[strlen(folder) - strlen(".tmp")] = 0;           /* the folder's name when it is done */
        way_between(way, folder, to);
    }
    free(to);
    free(folder);
    return ok ? NN_OK : nn_fail(err, NN_EIO, "%s: cannot resolve the path of this file", file);
}
