/* dataset.c: a run that can be killed at any moment and goes on where it stopped.
 *
 * A sample is a pure function of (generator, interpreter, settings, seed).  Samples are committed in groups: every file of
 * the group is staged under a temporary name, then all are synced, then all are renamed, then both folders are synced, and only then
 * do the group's lines go into metadata.jsonl.  So a listed sample is whole, and what an interrupted group left behind is
 * removed when the run goes on.  index.html comes last: it marks a finished run. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "datasetgan/fields.h"
#include "datasetgan/set.h"
#include "nn/sys.h"

enum { JSON_BYTES_MAX = 256 << 20 };             /* run.json lists the skipped seeds */

/* What a file takes on disk beyond its bytes, at least: blocks are of 4096 bytes on every common file system. */
enum { BLOCK = 4096 };

typedef struct {
    const sg_model *m;
    const dg_interp *in;
    const dg_dataset_options *o;
    char run[DG_PATH], manifest[DG_PATH], images[DG_PATH], labels[DG_PATH], index[DG_PATH];
    dg_seeds seeds;                  /* the next one */
    uint64_t count, done;            /* of this shard: samples wanted; in the manifest or staged */
    uint64_t bytes;                  /* of files staged */
    dg_sampler sampler;
    dg_sample group[DG_GROUP];       /* staged, not yet committed */
    int staged, group_size;
    int lock;                        /* of the folder; -1: none */
} dataset;

static nn_status check_options(dataset *d, nn_err *err)
{
    const dg_dataset_options *o = d->o;
    uint64_t begin, end;
    if (o->count < 1 || o->batch < 1) return nn_fail(err, NN_EINVAL, "dataset: count and batch: expected at least 1");
    if (o->count > (uint64_t)UINT32_MAX + 1) return nn_fail(err, NN_EINVAL, "dataset: count: expected at most 2^32, found %ju", (uintmax_t)o->count);
    if (o->shard.of && (o->shard.index < 1 || o->shard.index > o->shard.of || o->shard.of > o->count))
        return nn_fail(err, NN_EINVAL, "dataset: shard %u/%u: expected 1/1 to N/N with N at most the %ju samples", (unsigned)o->shard.index,
                       (unsigned)o->shard.of, (uintmax_t)o->count);
    dg_shard_range(o->shard, o->count, &begin, &end);
    d->count = end - begin;
    nn_status s = dg_vary_check(&o->vary, err);
    if (!s) s = dg_seeds_open(&d->seeds, d->in->seed, dg_seeds_skipped(d->in, &o->vary), o->first_seed, err);
    if (s) return s;
    if (!dg_seeds_suffice(&d->seeds, o->count))
        return nn_fail(err, NN_EINVAL, "dataset: %ju samples from seed %ju on: seeds end at %ju", (uintmax_t)o->count, (uintmax_t)o->first_seed,
                       (uintmax_t)UINT32_MAX);
    dg_seeds_seek(&d->seeds, begin);
    return NN_OK;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------- */

static nn_status make_paths(dataset *d, nn_err *err)
{
    const struct { char *path; const char *name; } part[] = {
        { d->run, "run.json" }, { d->manifest, "metadata.jsonl" }, { d->images, "images" }, { d->labels, "labels" }, { d->index, "index.html" },
    };
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        const nn_status s = nn_path_join(part[i].path, DG_PATH - DG_SAMPLE_PATH, d->o->out, part[i].name, err);
        if (s) return s;
        if (i > 0 && !nn_path_exists(d->run) && nn_path_exists(part[i].path))
            return nn_fail(err, NN_EMISMATCH, "%s: the folder holds '%s' but no run.json: it is not a dataset run, choose another", d->o->out, part[i].name);
    }
    return NN_OK;
}

/* run.json first: from then on the folder belongs to this run. */
static nn_status claim_folder(dataset *d, nn_err *err)
{
    char above[DG_PATH];
    const bool fresh = !nn_path_exists(d->o->out);
    nn_status s = make_paths(d, err);
    if (!s) s = nn_dir_make(d->o->out, err);
    if (!s && fresh) s = nn_path_folder(above, sizeof above, d->o->out, err);
    if (!s && fresh) s = nn_dir_sync(above, err);
    if (!s) s = nn_dir_lock(&d->lock, d->o->out, err);
    json_t *wanted = s ? NULL : dg_run_describe(d->m, d->in, d->o, err), *found = NULL;
    if (!s && !wanted) s = NN_ENOMEM;
    if (!s && nn_path_exists(d->run)) {
        found = nn_json_read(d->run, JSON_BYTES_MAX, err);
        s = found ? dg_run_compare(d->run, found, wanted, err) : NN_EFORMAT;
    } else if (!s) s = nn_json_write(d->run, wanted, err);
    json_decref(found);
    json_decref(wanted);
    return s;
}

static nn_status make_folders(dataset *d, nn_err *err)
{
    char path[DG_PATH];
    nn_status s = nn_dir_make(d->images, err);
    if (!s) s = nn_dir_make(d->labels, err);
    if (!s) s = nn_path_join(path, sizeof path, d->o->out, "classes.json", err);
    json_t *v = s ? NULL : json_pack("{s:o, s:i}", "classes", dg_put_classes(d->in->class_at, d->in->classes), "void", NN_VOID);
    if (!s && !v) s = nn_fail(err, NN_ENOMEM, "classes.json: not enough memory");
    if (!s) s = nn_json_write(path, v, err);           /* syncs the folder, and so the names of the two above */
    json_decref(v);
    return s;
}

/* The full path of one of a sample's two files. */
static void file_path(const dataset *d, char out[DG_PATH], const char *folder, uint32_t seed)
{
    char name[DG_SAMPLE_PATH];
    dg_sample_path(name, folder, seed);
    NN_ASSERT(nn_path_join(out, DG_PATH, d->o->out, name, NULL) == NN_OK);     /* make_paths left room */
}

/* ---- going on where a run stopped --------------------------------------------------------------------------------------- */

/* A broken line is what a power cut left when it stands in the last group; the run is repeated from there. */
static nn_status cut_broken(dg_manifest *r, const char *path, int64_t offset, nn_err *broken, nn_err *err)
{
    const char *line;
    size_t size;
    const uint64_t first = r->lines;
    nn_status s;
    do s = dg_manifest_next(r, &line, &size, err); while (!s && line);
    if (s) return s;
    if (r->lines - first >= DG_GROUP) return nn_fail(err, broken->status, "%s", broken->msg);
    return nn_file_cut(path, offset, err);
}

static nn_status check_listed(dataset *d, const dg_sample *s, uint64_t line, nn_err *err)
{
    const uint32_t seed = dg_seeds_take(&d->seeds);
    if (line > d->count)
        return nn_fail(err, NN_EMISMATCH, "%s: lists more than the %ju samples asked for", d->manifest, (uintmax_t)d->count);
    if (s->seed != seed)
        return nn_fail(err, NN_EMISMATCH, "%s: line %ju: expected seed %u, found %u: the list was changed", d->manifest, (uintmax_t)line,
                       (unsigned)seed, (unsigned)s->seed);
    const char *const folder[2] = { "images", "labels" };
    for (int i = 0; i < 2; i++) {
        char path[DG_PATH];
        file_path(d, path, folder[i], seed);
        if (!nn_path_exists(path))
            return nn_fail(err, NN_EMISMATCH, "%s: listed in metadata.jsonl but missing; remove metadata.jsonl to draw all samples again", path);
    }
    return NN_OK;
}

static nn_status read_manifest(dataset *d, nn_err *err)
{
    dg_manifest r;
    nn_status s = dg_manifest_open(&r, d->manifest, err);
    while (!s) {
        const int64_t offset = r.offset;
        const char *line;
        size_t size;
        dg_sample sample;
        char where[DG_PATH + 32];
        nn_err broken = { 0 };
        if ((s = dg_manifest_next(&r, &line, &size, err)) || !line) break;
        nn_format(where, sizeof where, "%s: line %ju", d->manifest, (uintmax_t)r.lines);
        if (dg_manifest_parse(&sample, line, size, d->in->class_at, d->in->classes, where, &broken)) {
            s = broken.status == NN_ENOMEM ? nn_fail(err, NN_ENOMEM, "%s", broken.msg) : cut_broken(&r, d->manifest, offset, &broken, err);
            r.torn = false;
            break;
        }
        if (!(s = check_listed(d, &sample, r.lines, err))) d->done++;
    }
    if (!s && r.torn) s = nn_file_cut(d->manifest, r.offset, err);
    dg_manifest_close(&r);
    return s;
}

static nn_status remove_file(const char *path, nn_err *err)
{
    if (nn_sys_unlink(path) == 0 || errno == ENOENT) return NN_OK;
    return nn_fail(err, NN_EIO, "%s: unlink: %s", path, strerror(errno));
}

/* An interrupted group left at most its own size of samples that no line lists, whole or staged. */
static nn_status remove_unlisted(dataset *d, nn_err *err)
{
    const uint64_t next = d->seeds.next;
    nn_status s = NN_OK;
    for (int i = 0; i < d->group_size && !s && d->seeds.next <= UINT32_MAX; i++) {
        const uint32_t seed = dg_seeds_take(&d->seeds);
        char path[2][DG_PATH];
        file_path(d, path[0], "images", seed);
        file_path(d, path[1], "labels", seed);
        for (int f = 0; f < 2 && !s; f++) {
            nn_file_unstage(path[f]);
            s = remove_file(path[f], err);
        }
    }
    d->seeds.next = next;
    return s;
}

/* ---- drawing, encoding, committing --------------------------------------------------------------------------------------- */

static nn_status stage_sample(dataset *d, const dg_slot *t, nn_err *err)
{
    char path[2][DG_PATH];
    file_path(d, path[0], "images", t->sample.seed);
    file_path(d, path[1], "labels", t->sample.seed);
    nn_status s = nn_file_stage(path[0], t->picture_png.data, t->picture_png.size, err);
    if (s) return s;
    s = nn_file_stage(path[1], t->label_png.data, t->label_png.size, err);
    if (s) nn_file_unstage(path[0]);
    else d->group[d->staged++] = t->sample;
    d->bytes += t->picture_png.size + t->label_png.size;
    return s;
}

/* How much the samples left will take, from the n that were drawn first, and whether the disk has it. */
static nn_status check_room(dataset *d, nn_dim n, nn_err *err)
{
    uint64_t bytes = 0, room = UINT64_MAX;
    const uint64_t left = d->count - d->done;
    for (nn_dim i = 0; i < n; i++) {
        const dg_slot *t = &d->sampler.at[i];
        char *line = dg_manifest_line(&t->sample, d->in->class_at, d->in->classes, err);
        if (!line) return NN_ENOMEM;
        bytes += (t->picture_png.size + BLOCK - 1) / BLOCK * BLOCK + (t->label_png.size + BLOCK - 1) / BLOCK * BLOCK + strlen(line);
        nn_free(line);
    }
    /* A tenth more: these samples may be smaller than the others. */
    const uint64_t need = (uint64_t)(1.1 * (double)bytes / (double)n * (double)left);
    if (nn_sys_free_bytes(d->o->out, &room)) room = UINT64_MAX;                /* not every file system says */
    if (d->o->plan) d->o->plan(d->o->user, left, need, room);
    if (need <= room) return NN_OK;
    return nn_fail(err, NN_EIO, "%s: %ju samples need about %.1f MB, the disk has %.1f MB free", d->o->out, (uintmax_t)left, (double)need / 1e6,
                   (double)room / 1e6);
}

/* Draw, label, encode and stage n samples. */
static nn_status make_batch(dataset *d, nn_dim n, bool first, nn_err *err)
{
    dg_sampler *sampler = &d->sampler;
    for (nn_dim i = 0; i < n; i++) sampler->seed[i] = dg_seeds_take(&d->seeds);
    nn_status s = dg_sampler_make(sampler, n, err);
    if (!s && first) s = check_room(d, n, err);
    for (nn_dim i = 0; i < n; i++) {
        if (!s) s = stage_sample(d, &sampler->at[i], err);
        dg_sampler_free_files(&sampler->at[i]);
    }
    return s;
}

/* A step of every staged file. */
static nn_status each_staged(dataset *d, nn_status (*act)(const char *, nn_err *), nn_err *err)
{
    static const char *const folders[] = { "images", "labels" };
    nn_status s = NN_OK;
    for (int i = 0; i < 2 * d->staged && !s; i++) {
        char path[DG_PATH];
        file_path(d, path, folders[i % 2], d->group[i / 2].seed);
        s = act(path, err);
    }
    return s;
}

static nn_status unstage(const char *path, nn_err *err)
{
    (void)err;
    nn_file_unstage(path);
    return NN_OK;
}
static void unstage_group(dataset *d)
{
    (void)each_staged(d, unstage, NULL);
    d->staged = 0;
}

/* The group's lines as one piece of text; NULL: NN_ENOMEM. */
static char *group_lines(const dataset *d, size_t *size, nn_err *err)
{
    char *line[DG_GROUP], *text = NULL;
    int n = 0;
    *size = 0;
    while (n < d->staged && (line[n] = dg_manifest_line(&d->group[n], d->in->class_at, d->in->classes, err)) != NULL) *size += strlen(line[n++]);
    if (n == d->staged) text = nn_alloc(*size + 1, "metadata.jsonl: a group of lines", err);
    char *to = text;
    for (int i = 0; i < n; i++) {
        const size_t length = strlen(line[i]);
        if (to) to = (char *)memcpy(to, line[i], length) + length;
        nn_free(line[i]);
    }
    return text;
}

static nn_status commit_group(dataset *d, nn_err *err)
{
    nn_status s = each_staged(d, nn_file_settle, err);
    if (!s) s = each_staged(d, nn_file_commit, err);
    if (!s) s = nn_dir_sync(d->images, err);
    if (!s) s = nn_dir_sync(d->labels, err);
    size_t size = 0;
    char *text = s ? NULL : group_lines(d, &size, err);
    if (!s) s = text ? nn_file_append(d->manifest, text, size, err) : NN_ENOMEM;
    nn_free(text);
    if (!s) d->staged = 0;
    return s;
}

static nn_status make_samples(dataset *d, const dg_progress *p, nn_err *err)
{
    nn_status s = remove_unlisted(d, err);
    if (!s && nn_path_exists(d->index)) {              /* the run is no longer finished, nor after a power cut */
        s = remove_file(d->index, err);
        if (!s) s = nn_dir_sync(d->o->out, err);
    }
    if (!s) s = dg_sampler_open(&d->sampler, d->m, d->in, d->o, d->o->batch < d->group_size ? d->o->batch : d->group_size, err);
    bool go_on = true, first = true;
    while (!s && go_on && d->done < d->count) {
        const uint64_t left = d->count - d->done, room = (uint64_t)(d->group_size - d->staged);
        const nn_dim most = (nn_dim)(left < room ? left : room), n = d->sampler.batch < most ? d->sampler.batch : most;
        s = make_batch(d, n, first, err);
        if (s) break;
        first = false;
        d->done += (uint64_t)n;
        if (p && p->report)
            go_on = p->report(p->user, "sample", (double)d->done, (double)d->count, d->sampler.at[n - 1].sample.uncertainty);
        if (d->staged == d->group_size || d->done == d->count || !go_on) s = commit_group(d, err);
    }
    unstage_group(d);
    dg_sampler_close(&d->sampler);
    if (!s && d->done < d->count)
        s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %ju of %ju samples", d->o->out, (uintmax_t)d->done, (uintmax_t)d->count);
    return s;
}

nn_status dg_dataset(const sg_model *m, const dg_interp *in, const dg_dataset_options *o, const dg_progress *p,
                     dg_dataset_result *r, nn_err *err)
{
    return dg_dataset_in_groups(m, in, o, DG_GROUP, p, r, err);
}

nn_status dg_dataset_in_groups(const sg_model *m, const dg_interp *in, const dg_dataset_options *o, int group, const dg_progress *p,
                               dg_dataset_result *r, nn_err *err)
{
    NN_ASSERT(group >= 1 && group <= DG_GROUP);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    dg_dataset_options asked = *o;
    if (in->z_stream && !asked.vary.z_seeds) asked.vary.one_stream = true;
    dataset d = { .m = m, .in = in, .o = &asked, .group_size = group, .lock = -1 };
    const dg_look look = { in->task_name, in->class_at, in->classes, sg_get_config(m)->resolution, sg_get_config(m)->height };
    nn_err own = { 0 };
    if (!err) err = &own;
    *r = (dg_dataset_result){ 0 };
    nn_status s = dg_interp_check(in, m, err);
    if (!s) s = check_options(&d, err);
    if (!s) s = claim_folder(&d, err);
    if (!s) s = make_folders(&d, err);
    if (!s) s = read_manifest(&d, err);
    r->resumed = d.done;
    if (!s && d.done < d.count) s = make_samples(&d, p, err);
    r->written = s == NN_OK || s == NN_ECANCEL ? d.done - r->resumed : 0;
    if (!s) s = dg_summarise(o->out, &look, d.count, &r->summary, err);
    if (!s && !nn_path_exists(d.index)) {
        s = dg_preview_write(o->out, &look, err);
        if (!s) s = dg_html_write(o->out, &look, &r->summary, err);
    }
    r->unlocked = !s && d.lock < 0;
    nn_dir_unlock(d.lock);
    dg_seeds_close(&d.seeds);
    r->bytes = d.bytes;
    clock_gettime(CLOCK_MONOTONIC, &to);
    r->seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    return s;
}
