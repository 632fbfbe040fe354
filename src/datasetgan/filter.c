/* filter.c: a view of a dataset: the same files without the samples whose labels are least to be trusted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/folder.h"
#include "datasetgan/set.h"

static const char *const top[] = { "images", "labels", "metadata.jsonl", "classes.json", NULL };
static const dg_folder_kind view_kind = { "run.json", DG_VIEW_KIND, top };

typedef struct { double score; uint64_t number; } candidate;

typedef struct {
    const dg_filter_options *o;
    dg_set set;
    dg_folder folder;
    uint64_t least[NN_VOID];         /* pixels that a sample must have, by class */
    bool *drop;                      /* (set.count) */
} filter;

/* ---- "nucleus=20,cytoplasm=50" ------------------------------------------------------------------------------------------- */

static nn_status bad_least(const char *part, const char *why, nn_err *err)
{
    return nn_fail(err, NN_EINVAL, "min-pixels '%.80s': %s", part, why);
}

static nn_status read_least(filter *f, nn_err *err)
{
    const char *p = f->o->min_pixels;
    while (p && *p) {
        const char *end = p + strcspn(p, ","), *equals = memchr(p, '=', (size_t)(end - p));
        if (!equals || equals + 1 == end) return bad_least(p, "expected CLASS=NUMBER, and commas between several", err);
        uint64_t n = 0;
        for (const char *d = equals + 1; d < end; d++) {
            if (*d < '0' || *d > '9' || n > UINT32_MAX) return bad_least(p, "expected a whole number of pixels", err);
            n = n * 10 + (uint64_t)(*d - '0');
        }
        int c = 0;
        const size_t length = (size_t)(equals - p);
        while (c < f->set.class_count && (strlen(f->set.class_at[c].name) != length || memcmp(f->set.class_at[c].name, p, length))) c++;
        if (c == f->set.class_count) return bad_least(p, "the dataset has no class of this name", err);
        f->least[c] = n;
        p = *end ? end + 1 : end;
    }
    return NN_OK;
}

/* ---- who leaves ------------------------------------------------------------------------------------------------------------ */

/* The most uncertain first; of equals the later seed. */
static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->number < y->number) - (x->number > y->number);
}

static bool has_least(const filter *f, const dg_sample *s)
{
    for (int c = 0; c < f->set.class_count; c++) if (s->pixels[c] < f->least[c]) return false;
    return true;
}

static const char *score_name(const dg_filter_options *o) { return o->score ? o->score : "top10"; }

/* NAN: the line does not say. */
static double score_of(const filter *f, const dg_sample *s)
{
    const char *name = score_name(f->o);
    if (!strcmp(name, "top10")) return s->uncertainty;
    return s->uncertainty_mean * (!strcmp(name, "sum") ? (double)(f->set.width * f->set.height) : 1.0);
}

static nn_status choose(filter *f, dg_filter_result *r, nn_err *err)
{
    dg_walk w;
    candidate *list = nn_alloc((size_t)f->set.count * sizeof *list, "filter: the samples' uncertainties", err);
    f->drop = list ? nn_alloc((size_t)f->set.count * sizeof *f->drop, "filter: the samples", err) : NULL;
    nn_status s = f->drop ? dg_walk_open(&w, &f->set, err) : NN_ENOMEM;
    uint64_t left = 0, number = 0;
    if (!s) {
        for (; number < f->set.count && dg_walk_next(&w, &s, err); number++) {
            const double score = score_of(f, &w.sample);
            f->drop[number] = !has_least(f, &w.sample);
            if (!f->drop[number]) list[left++] = (candidate){ score, number };
            if (isnan(score)) s = nn_fail(err, NN_EFORMAT, "%s: line %ju: no uncertainty_mean, which the score '%s' needs", f->set.manifest,
                                          (uintmax_t)w.file.lines, score_name(f->o));
        }
        dg_walk_close(&w);
    }
    if (!s) {
        const uint64_t most = (uint64_t)(f->o->drop * (double)left + 0.5);
        qsort(list, (size_t)left, sizeof *list, by_score);
        for (uint64_t i = 0; i < most && i < left; i++) f->drop[list[i].number] = true;
        *r = (dg_filter_result){ .samples = f->set.count, .poor = f->set.count - left, .uncertain = most < left ? most : left,
                                 .unfinished = !f->set.finished };
        r->kept = r->samples - r->poor - r->uncertain;
        if (r->kept) r->highest = list[most].score;
        else s = nn_fail(err, NN_EINVAL, "filter: none of the %ju samples would be left", (uintmax_t)f->set.count);
    }
    nn_free(list);
    return s;
}

/* ---- the view --------------------------------------------------------------------------------------------------------------- */

/* run.json of the view: what was asked, of what, and the record of the run itself. */
static json_t *describe(const filter *f, const dg_filter_result *r, nn_err *err)
{
    json_t *least = json_object();
    bool ok = least != NULL;
    for (int c = 0; c < f->set.class_count; c++)
        if (f->least[c]) ok = json_object_set_new(least, f->set.class_at[c].name, json_integer((json_int_t)f->least[c])) == 0 && ok;
    json_t *v = json_pack("{s:s, s:i, s:O, s:{s:f, s:s, s:o}, s:I, s:I, s:s, s:O}", "kind", DG_VIEW_KIND, "format", 1, "picture",
                          json_object_get(f->set.run, "picture"), "filter", "drop", f->o->drop, "score", score_name(f->o), "min_pixels", least, "samples",
                          (json_int_t)r->kept, "of", (json_int_t)r->samples, "dataset", f->set.manifest_sha256, "run", f->set.run);
    if (v && ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "run.json: not enough memory");
    return NULL;
}

static nn_status copy_sample(const filter *f, const dg_walk *w, nn_stage *manifest, nn_err *err)
{
    dg_pair pair;
    char name[DG_SAMPLE_PATH];
    nn_status s = dg_pair_read(&pair, &f->set, &w->sample, err);
    if (s) return s;
    dg_sample_path(name, "images", w->sample.seed);
    s = dg_folder_add(&f->folder, name, pair.picture_png.data, pair.picture_png.size, err);
    dg_sample_path(name, "labels", w->sample.seed);
    if (!s) s = dg_folder_add(&f->folder, name, pair.label_png.data, pair.label_png.size, err);
    dg_pair_free(&pair);
    return s ? s : nn_stage_add(manifest, w->line, w->size, err);
}

static nn_status write_view(const filter *f, const dg_progress *p, uint64_t kept, nn_err *err)
{
    dg_walk w;
    nn_stage manifest;
    uint64_t done = 0;
    nn_status s = dg_set_add_classes(&f->set, &f->folder, err);
    if (!s) s = dg_folder_make(&f->folder, "images", err);
    if (!s) s = dg_folder_make(&f->folder, "labels", err);
    if (!s) s = dg_folder_open(&f->folder, &manifest, "metadata.jsonl", err);
    if (s) return s;
    s = dg_walk_open(&w, &f->set, err);
    for (uint64_t i = 0; i < f->set.count && dg_walk_next(&w, &s, err); i++) {
        if (f->drop[i]) continue;
        s = copy_sample(f, &w, &manifest, err);
        if (!s && p && p->report && !p->report(p->user, "sample", (double)++done, (double)kept, 0.0))
            s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %ju of %ju samples", f->o->out, (uintmax_t)done, (uintmax_t)kept);
    }
    dg_walk_close(&w);
    if (s) nn_stage_abort(&manifest);
    return s ? s : dg_folder_close(&f->folder, &manifest, "metadata.jsonl", err);
}

nn_status dg_filter_choose(const dg_set *set, const dg_filter_options *o, bool **drop, dg_filter_result *r, nn_err *err)
{
    *drop = NULL;
    if (!(o->drop >= 0.0 && o->drop < 1.0)) return nn_fail(err, NN_EINVAL, "drop: expected a part from 0 to below 1, found %g", o->drop);
    filter f = { .o = o, .set = *set };
    nn_status s = read_least(&f, err);
    if (!s) s = choose(&f, r, err);
    *drop = f.drop;
    return s;
}

nn_status dg_filter(const dg_filter_options *o, const dg_progress *p, dg_filter_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    *r = (dg_filter_result){ 0 };
    if (!(o->drop >= 0.0 && o->drop < 1.0)) return nn_fail(err, NN_EINVAL, "drop: expected a part from 0 to below 1, found %g", o->drop);
    filter f = { .o = o };
    nn_status s = dg_set_open(&f.set, o->dataset, err);
    if (!s) s = read_least(&f, err);
    if (!s) s = choose(&f, r, err);
    json_t *record = s ? NULL : describe(&f, r, err);
    if (!s) s = record ? dg_folder_resume(&f.folder, &view_kind, o->out, record, o->replace, err) : NN_ENOMEM;
    if (!s && !f.folder.done) s = write_view(&f, p, r->kept, err);
    s = dg_folder_end(&f.folder, s, err);
    r->already = f.folder.done;
    json_decref(record);
    nn_free(f.drop);
    dg_set_close(&f.set);
    return s;
}
