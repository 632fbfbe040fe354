/* merge.c: the shards of a run joined to the run itself. */
#include <string.h>

#include "datasetgan/fields.h"
#include "datasetgan/folder.h"
#include "datasetgan/set.h"

static const char *const top[] = { "images", "labels", "metadata.jsonl", "classes.json", "preview.png", "index.html", NULL };
static const dg_folder_kind run_kind = { "run.json", "dataset run", top };

typedef struct { dg_set set; dg_shard shard; uint64_t count; } part;
typedef struct {
    const dg_merge_options *o;
    part *at;                        /* (o->count), in the order given */
    size_t opened;
    part **by_index;                 /* (shards) */
    json_t *run;                     /* run.json of the whole */
    uint32_t *annotated;
    nn_dim annotated_count;
    uint64_t first_seed, count;
    dg_folder folder;
} merge;

/* ---- what the parts are ------------------------------------------------------------------------------------------------------ */

static nn_status read_shard(part *p, nn_err *err)
{
    char path[DG_PATH];
    nn_status s = nn_path_join(path, sizeof path, p->set.folder, "run.json", err);
    const dg_reader r = { path, err };
    const json_t *v = json_object_get(p->set.run, "shard"), *kind = json_object_get(p->set.run, "kind");
    int64_t index = 0, of = 0, count = 0;
    if (s) return s;
    if (strcmp(json_string_value(kind), run_kind.kind)) return dg_refuse(&r, "kind", "\"dataset run\"", kind);
    if (!v) return nn_fail(err, NN_EMISMATCH, "%s: no shard: expected a folder of 'datasetgan dataset --shard'", p->set.folder);
    s = dg_get_whole(&r, "shard.of", json_object_get(v, "of"), 1, UINT32_MAX, &of);
    if (!s) s = dg_get_whole(&r, "shard.index", json_object_get(v, "index"), 1, of, &index);
    if (!s) s = dg_get_whole(&r, "shard.count", json_object_get(v, "count"), of, (int64_t)UINT32_MAX + 1, &count);
    p->shard = (dg_shard){ (uint32_t)index, (uint32_t)of };
    p->count = (uint64_t)count;
    if (!s && !p->set.finished) s = nn_fail(err, NN_EMISMATCH, "%s: the run of this shard has not ended", p->set.folder);
    return s;
}

/* Its record without "shard"; NULL: NN_ENOMEM. */
static json_t *whole_record(const part *p, nn_err *err)
{
    json_t *v = nn_json_copy(p->set.run);
    if (v && json_object_del(v, "shard") == 0) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "run.json: not enough memory");
    return NULL;
}

/* The same run, but for the number of the shard. */
static nn_status check_record(const merge *m, const part *p, nn_err *err)
{
    char path[DG_PATH];
    nn_status s = nn_path_join(path, sizeof path, p->set.folder, "run.json", err);
    json_t *v = s ? NULL : whole_record(p, err);
    if (!s) s = v ? dg_run_compare(path, v, m->run, err) : NN_ENOMEM;
    json_decref(v);
    const part *first = &m->at[0];
    if (!s && (p->shard.of != first->shard.of || p->count != first->count))
        s = nn_fail(err, NN_EMISMATCH, "%s: shard %u/%u of %ju samples; %s is %u/%u of %ju", p->set.folder, (unsigned)p->shard.index,
                    (unsigned)p->shard.of, (uintmax_t)p->count, first->set.folder, (unsigned)first->shard.index, (unsigned)first->shard.of,
                    (uintmax_t)first->count);
    if (!s && (p->set.class_count != first->set.class_count
               || memcmp(p->set.class_at, first->set.class_at, (size_t)first->set.class_count * sizeof *first->set.class_at)))
        s = nn_fail(err, NN_EMISMATCH, "%s: classes.json differs from that of %s", p->set.folder, first->set.folder);
    return s;
}

static nn_status order_parts(merge *m, nn_err *err)
{
    const uint32_t of = m->at[0].shard.of;
    char missing[256] = "";
    size_t used = 0;
    uint32_t holes = 0;
    m->by_index = nn_alloc((size_t)of * sizeof *m->by_index, "merge: the shards", err);
    if (!m->by_index) return NN_ENOMEM;
    for (size_t i = 0; i < m->o->count; i++) {
        part **place = &m->by_index[m->at[i].shard.index - 1];
        if (*place)
            return nn_fail(err, NN_EMISMATCH, "%s: shard %u/%u is in %s, too", m->at[i].set.folder, (unsigned)m->at[i].shard.index, (unsigned)of,
                           (*place)->set.folder);
        *place = &m->at[i];
    }
    for (uint32_t k = 0; k < of; k++) {
        if (m->by_index[k]) continue;
        if (used + 16 < sizeof missing) nn_format(missing + used, sizeof missing - used, "%s%u", holes ? ", " : "", (unsigned)k + 1);
        used = strlen(missing);
        holes++;
    }
    return holes ? nn_fail(err, NN_EMISMATCH, "merge: %u of %u shards are missing: %s", (unsigned)holes, (unsigned)of, missing) : NN_OK;
}

static nn_status read_settings(merge *m, nn_err *err)
{
    const dg_reader r = { m->at[0].set.folder, err };
    const json_t *settings = json_object_get(m->run, "settings"), *skipped = json_object_get(settings, "skipped_seeds"), *v;
    int64_t first = 0, seed = 0;
    size_t i;
    nn_status s = dg_get_whole(&r, "settings.first_seed", json_object_get(settings, "first_seed"), 0, UINT32_MAX, &first);
    if (!s && !json_is_array(skipped)) s = dg_refuse(&r, "settings.skipped_seeds", "a list of seeds", skipped);
    if (!s && !json_is_string(json_object_get(m->run, "task"))) s = dg_refuse(&r, "task", "a name", json_object_get(m->run, "task"));
    if (s) return s;
    m->first_seed = (uint64_t)first;
    m->annotated_count = (nn_dim)json_array_size(skipped);
    m->annotated = nn_alloc((size_t)m->annotated_count * sizeof *m->annotated, "annotated seeds", err);
    if (!m->annotated) return NN_ENOMEM;
    json_array_foreach(skipped, i, v) {
        if ((s = dg_get_whole(&r, "settings.skipped_seeds", v, 0, UINT32_MAX, &seed)) != NN_OK) return s;
        m->annotated[i] = (uint32_t)seed;
    }
    return NN_OK;
}

/* Every part lists exactly the seeds that are its own. */
static nn_status check_seeds(const merge *m, const part *p, nn_err *err)
{
    uint64_t begin, end;
    dg_seeds seeds;
    dg_walk w;
    dg_shard_range(p->shard, p->count, &begin, &end);
    nn_status s = dg_seeds_open(&seeds, m->annotated, m->annotated_count, m->first_seed, err);
    if (s) return s;
    dg_seeds_seek(&seeds, begin);
    if (p->set.count != end - begin)
        s = nn_fail(err, NN_EMISMATCH, "%s: lists %ju samples, expected %ju", p->set.manifest, (uintmax_t)p->set.count, (uintmax_t)(end - begin));
    if (!s && (s = dg_walk_open(&w, &p->set, err)) == NN_OK) {
        while (dg_walk_next(&w, &s, err)) {
            const uint32_t seed = dg_seeds_take(&seeds);
            if (w.sample.seed == seed) continue;
            s = nn_fail(err, NN_EMISMATCH, "%s: line %ju: expected seed %u, found %u", p->set.manifest, (uintmax_t)w.file.lines, (unsigned)seed,
                        (unsigned)w.sample.seed);
            break;
        }
        dg_walk_close(&w);
    }
    dg_seeds_close(&seeds);
    return s;
}

static nn_status open_parts(merge *m, nn_err *err)
{
    nn_status s = NN_OK;
    m->at = nn_alloc(m->o->count * sizeof *m->at, "merge: the folders", err);
    if (!m->at) return NN_ENOMEM;
    for (; m->opened < m->o->count && !s; m->opened++) {
        part *p = &m->at[m->opened];
        s = dg_set_open(&p->set, m->o->in[m->opened], err);
        if (s) break;
        s = read_shard(p, err);
        if (!s && m->opened == 0) s = (m->run = whole_record(p, err)) ? NN_OK : NN_ENOMEM;
        if (!s) s = check_record(m, p, err);
    }
    if (!s) s = order_parts(m, err);
    if (!s) s = read_settings(m, err);
    m->count = s ? 0 : m->at[0].count;
    for (size_t i = 0; i < m->o->count && !s; i++) s = check_seeds(m, &m->at[i], err);
    return s;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------- */

static nn_status copy_sample(const merge *m, const dg_walk *w, nn_stage *manifest, nn_err *err)
{
    dg_pair pair;
    char name[DG_SAMPLE_PATH];
    nn_status s = dg_pair_read(&pair, w->set, &w->sample, err);
    if (s) return s;
    dg_sample_path(name, "images", w->sample.seed);
    s = dg_folder_add(&m->folder, name, pair.picture_png.data, pair.picture_png.size, err);
    dg_sample_path(name, "labels", w->sample.seed);
    if (!s) s = dg_folder_add(&m->folder, name, pair.label_png.data, pair.label_png.size, err);
    dg_pair_free(&pair);
    return s ? s : nn_stage_add(manifest, w->line, w->size, err);
}

static nn_status copy_parts(const merge *m, nn_stage *manifest, const dg_progress *p, nn_err *err)
{
    nn_status s = NN_OK;
    uint64_t done = 0;
    for (uint32_t k = 0; k < m->at[0].shard.of && !s; k++) {
        dg_walk w;
        if ((s = dg_walk_open(&w, &m->by_index[k]->set, err)) != NN_OK) break;
        while (dg_walk_next(&w, &s, err)) {
            s = copy_sample(m, &w, manifest, err);
            if (!s && p && p->report && !p->report(p->user, "sample", (double)++done, (double)m->count, 0.0))
                s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %ju of %ju samples", m->o->out, (uintmax_t)done, (uintmax_t)m->count);
        }
        dg_walk_close(&w);
    }
    return s;
}

static nn_status write_whole(const merge *m, const dg_progress *p, nn_err *err)
{
    const dg_set *set = &m->by_index[0]->set;
    const dg_look look = { json_string_value(json_object_get(m->run, "task")), set->class_at, set->class_count, set->width, set->height };
    nn_stage manifest;
    dg_summary all;
    nn_status s = dg_set_add_classes(set, &m->folder, err);
    if (!s) s = dg_folder_make(&m->folder, "images", err);
    if (!s) s = dg_folder_make(&m->folder, "labels", err);
    if (!s) s = dg_folder_open(&m->folder, &manifest, "metadata.jsonl", err);
    if (s) return s;
    s = copy_parts(m, &manifest, p, err);
    if (s) nn_stage_abort(&manifest);
    else s = dg_folder_close(&m->folder, &manifest, "metadata.jsonl", err);
    if (!s) s = dg_preview_write(m->folder.part, &look, err);
    if (!s) s = dg_summarise(m->folder.part, &look, m->count, &all, err);
    return s ? s : dg_html_write(m->folder.part, &look, &all, err);
}

/* OUT has the record already: it must be the whole run, not one that goes on. */
static nn_status check_done(const merge *m, nn_err *err)
{
    dg_set set;
    const nn_status s = dg_set_open(&set, m->o->out, err);
    if (s) return s;
    const bool whole = set.finished && set.count == m->count;
    dg_set_close(&set);
    return whole ? NN_OK : nn_fail(err, NN_EMISMATCH, "%s: holds a run of these settings with %ju of the %ju samples; choose another folder", m->o->out,
                                   (uintmax_t)set.count, (uintmax_t)m->count);
}

nn_status dg_merge(const dg_merge_options *o, const dg_progress *p, uint64_t *samples, bool *already, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    merge m = { .o = o };
    *already = false;
    if (o->count < 1) return nn_fail(err, NN_EINVAL, "merge: expected the folders of the shards");
    nn_status s = open_parts(&m, err);
    *samples = m.count;
    if (!s) s = dg_folder_resume(&m.folder, &run_kind, o->out, m.run, false, err);
    *already = !s && m.folder.done;
    if (!s) s = m.folder.done ? check_done(&m, err) : write_whole(&m, p, err);
    s = dg_folder_end(&m.folder, s, err);
    for (size_t i = 0; i < m.opened; i++) dg_set_close(&m.at[i].set);
    nn_free(m.at);
    nn_free(m.by_index);
    nn_free(m.annotated);
    json_decref(m.run);
    return s;
}
