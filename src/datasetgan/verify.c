/* verify.c: a dataset folder against what its manifest says. */
#include <stdlib.h>
#include <string.h>

#include "datasetgan/set.h"
#include "nn/hash.h"

enum { FILE_BYTES_MAX = 1 << 30 };
static const char *const folders[2] = { "images", "labels" };

typedef struct {
    const dg_verify_options *o;
    dg_verify_result *r;
    dg_set set;
    uint32_t *seed;                  /* (set.count), ascending */
} verify;

static void problem(verify *v, const char *line)
{
    v->r->problems++;
    if (v->o->problem) v->o->problem(v->o->user, line);
}

/* ---- a sample ------------------------------------------------------------------------------------------------------------------ */

/* The files' bytes. */
static nn_status check_bytes(verify *v, const dg_sample *sample, nn_err *err)
{
    nn_status s = NN_OK;
    for (int i = 0; i < 2 && !s; i++) {
        char name[DG_SAMPLE_PATH], path[DG_PATH], hex[NN_HASH_HEX], text[DG_PATH + 128];
        nn_bytes b = { 0 };
        nn_err unread = { 0 };
        dg_sample_path(name, folders[i], sample->seed);
        if ((s = nn_path_join(path, sizeof path, v->set.folder, name, err)) != NN_OK) break;
        if (nn_file_read(path, FILE_BYTES_MAX, &b, &unread)) {
            if (unread.status == NN_ENOMEM) s = nn_fail(err, NN_ENOMEM, "%s", unread.msg);
            else problem(v, unread.msg);
        } else if (!(s = nn_hash_once(b.data, b.size, hex, err)) && strcmp(hex, sample->file_sha256[i])) {
            nn_format(text, sizeof text, "%s: sha256 %.12s..., expected %.12s...", path, hex, sample->file_sha256[i]);
            problem(v, text);
        }
        nn_bytes_free(&b);
    }
    return s;
}

/* What the files show. */
static nn_status check_pixels(verify *v, const dg_sample *sample, nn_err *err)
{
    dg_pair pair;
    nn_err bad = { 0 };
    uint64_t count[NN_VOID] = { 0 };
    char text[DG_PATH + 256];
    if (dg_pair_read(&pair, &v->set, sample, &bad)) {
        if (bad.status == NN_ENOMEM) return nn_fail(err, NN_ENOMEM, "%s", bad.msg);
        problem(v, bad.msg);
        return NN_OK;
    }
    for (nn_dim i = 0; i < v->set.width * v->set.height; i++) count[pair.label.pixels[i]]++;       /* ids were checked */
    for (int c = 0; c < v->set.class_count; c++) {
        if (count[c] == sample->pixels[c]) continue;
        nn_format(text, sizeof text, "%s: seed %u: '%s' has %ju pixels, expected %ju as listed", v->set.manifest, (unsigned)sample->seed,
                  v->set.class_at[c].name, (uintmax_t)count[c], (uintmax_t)sample->pixels[c]);
        problem(v, text);
    }
    dg_pair_free(&pair);
    return NN_OK;
}

static nn_status check_samples(verify *v, const dg_progress *p, nn_err *err)
{
    dg_walk w;
    nn_status s = dg_walk_open(&w, &v->set, err);
    if (s) return s;
    while (v->r->samples < v->set.count && dg_walk_next(&w, &s, err)) {
        v->seed[v->r->samples++] = w.sample.seed;
        const bool hashed = *w.sample.file_sha256[0] && *w.sample.file_sha256[1];
        s = v->o->pixels || !hashed ? check_pixels(v, &w.sample, err) : check_bytes(v, &w.sample, err);
        if (!s && p && p->report && !p->report(p->user, "sample", (double)v->r->samples, (double)v->set.count, 0.0))
            s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %ju of %ju samples", v->set.folder, (uintmax_t)v->r->samples, (uintmax_t)v->set.count);
    }
    dg_walk_close(&w);
    return s;
}

/* ---- the rest of the folder ------------------------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b) { const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; return (x > y) - (x < y); }

/* "0000000012.png" of a listed seed. */
static bool listed(const verify *v, const char *name)
{
    char again[DG_SAMPLE_PATH];
    const uint32_t seed = (uint32_t)strtoul(name, NULL, 10);
    dg_sample_path(again, "", seed);
    return !strcmp(again + 1, name) && bsearch(&seed, v->seed, (size_t)v->set.count, sizeof seed, by_value);
}

typedef struct { verify *v; const char *folder; } a_folder;

static nn_status check_name(const void *context, const char *name, nn_err *err)
{
    const a_folder *f = context;
    char text[DG_PATH + 300];
    (void)err;
    if (listed(f->v, name)) return NN_OK;
    nn_format(text, sizeof text, "%s/%.255s: no line of metadata.jsonl lists it", f->folder, name);
    problem(f->v, text);
    return NN_OK;
}

/* An unfinished run may hold what its next start removes. */
static nn_status check_strangers(verify *v, nn_err *err)
{
    for (int i = 0; i < 2 && v->set.finished; i++) {
        char path[DG_PATH];
        nn_status s = nn_path_join(path, sizeof path, v->set.folder, folders[i], err);
        if (!s) s = nn_dir_each(path, check_name, &(a_folder){ v, path }, err);
        if (s) return s;
    }
    return NN_OK;
}

/* A run's seeds have no holes. */
static nn_status check_seeds(verify *v, nn_err *err)
{
    const json_t *settings = json_object_get(v->set.run, "settings"), *skipped = json_object_get(settings, "skipped_seeds");
    const json_t *shard = json_object_get(v->set.run, "shard"), *of = json_object_get(shard, "of"), *index = json_object_get(shard, "index");
    uint64_t begin = 0, end = UINT64_MAX;
    char text[DG_PATH + 128];
    dg_seeds seeds;
    if (!settings) return NN_OK;                                       /* a view */
    const nn_dim n = (nn_dim)json_array_size(skipped);
    uint32_t *annotated = nn_alloc((size_t)n * sizeof *annotated, "annotated seeds", err);
    if (!annotated) return NN_ENOMEM;
    for (nn_dim i = 0; i < n; i++) annotated[i] = (uint32_t)json_integer_value(json_array_get(skipped, (size_t)i));
    const json_int_t count = json_integer_value(json_object_get(shard, "count")), parts = json_integer_value(of), number = json_integer_value(index);
    if (shard && parts > 0 && number > 0 && number <= parts && count > 0)
        dg_shard_range((dg_shard){ (uint32_t)number, (uint32_t)parts }, (uint64_t)count, &begin, &end);
    nn_status s = dg_seeds_open(&seeds, annotated, n, (uint64_t)json_integer_value(json_object_get(settings, "first_seed")), err);
    if (!s) dg_seeds_seek(&seeds, begin);
    for (uint64_t i = 0; i < v->set.count && !s; i++) {
        const uint32_t seed = dg_seeds_take(&seeds);
        if (v->seed[i] == seed) continue;
        nn_format(text, sizeof text, "%s: line %ju: expected seed %u, found %u", v->set.manifest, (uintmax_t)i + 1, (unsigned)seed, (unsigned)v->seed[i]);
        problem(v, text);
        break;
    }
    if (!s && shard && v->set.finished && v->set.count != end - begin) {
        nn_format(text, sizeof text, "%s: lists %ju samples, expected %ju", v->set.manifest, (uintmax_t)v->set.count, (uintmax_t)(end - begin));
        problem(v, text);
    }
    dg_seeds_close(&seeds);
    nn_free(annotated);
    return s;
}

nn_status dg_verify(const dg_verify_options *o, const dg_progress *p, dg_verify_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    verify v = { .o = o, .r = r };
    *r = (dg_verify_result){ 0 };
    nn_status s = dg_set_open(&v.set, o->dataset, err);
    if (s) return s;
    r->unfinished = !v.set.finished;
    v.seed = nn_alloc((size_t)v.set.count * sizeof *v.seed, "verify: the seeds", err);
    s = v.seed ? check_samples(&v, p, err) : NN_ENOMEM;
    if (!s) s = check_strangers(&v, err);
    if (!s) s = check_seeds(&v, err);
    nn_free(v.seed);
    dg_set_close(&v.set);
    return s;
}
