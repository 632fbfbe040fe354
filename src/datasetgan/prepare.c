/* prepare.c: pictures for a person to annotate, with what annotation tools want to find beside them. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/choose.h"
#include "datasetgan/classes.h"
#include "datasetgan/fields.h"
#include "datasetgan/folder.h"

/* Of many pictures the most uncertain POOL for each one wanted are kept, then spread decides: uncertainty alone picks many of one
 * kind.  (Zhdanov 2019, Diverse mini-batch active learning, arXiv 1901.05954: the filter before the clustering) */
enum { POOL = 4, FROM_MAX = 20000 };

static const char *const top[] = { "images", "task.json", "labels.txt", "labelmap.txt", NULL };
static const dg_folder_kind prepared_kind = { "prepare.json", "pictures to annotate", top };

typedef struct {
    const sg_model *m;
    const dg_interp *in;             /* NULL: none */
    const dg_prepare_options *o;
    const dg_progress *progress;
    int class_count;
    dg_class class_at[NN_VOID];
    dg_folder folder;
    uint32_t *seed;                  /* the pictures to make */
    size_t count;
} job;

/* ---- choosing ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    nn_dim n, D;
    uint32_t *seed;                  /* (n) */
    real *x;                         /* (n,D) */
    double *uncertainty;             /* (n), with an interpreter */
    real *scratch;
    uint8_t *label;
    float *divergence;
    sg_work *work;
    dg_labeller *labeller;
} candidates;

static void close_candidates(candidates *c)
{
    nn_free(c->seed);
    nn_free(c->x);
    nn_free(c->uncertainty);
    nn_free(c->scratch);
    nn_free(c->label);
    nn_free(c->divergence);
    dg_labeller_close(c->labeller);
    sg_work_close(c->work);
}

static bool annotated(const job *j, uint32_t seed)
{
    for (nn_dim i = 0; j->in && i < j->in->seed_count; i++) if (j->in->seed[i] == seed) return true;
    return false;
}

static nn_status open_candidates(const job *j, candidates *c, nn_err *err)
{
    const nn_dim pixels = sg_get_config(j->m)->resolution * sg_get_config(j->m)->height;
    const int threads = omp_get_max_threads();
    nn_dim scratch;
    c->D = dg_picture_features_size(j->m, &scratch);
    c->n = j->o->from;
    if ((c->seed = nn_alloc((size_t)c->n * sizeof *c->seed, "seeds to choose from", err)) == NULL
        || (c->x = nn_alloc((size_t)(c->n * c->D) * sizeof *c->x, "features of the pictures to choose from", err)) == NULL
        || (c->uncertainty = nn_alloc((size_t)c->n * sizeof *c->uncertainty, "uncertainties", err)) == NULL
        || (c->scratch = nn_alloc((size_t)scratch * sizeof *c->scratch, "a feature map", err)) == NULL
        || (c->label = nn_alloc((size_t)pixels, "a label map", err)) == NULL
        || (c->divergence = nn_alloc((size_t)pixels * sizeof *c->divergence, "a map of uncertainties", err)) == NULL
        || (c->work = sg_work_open(j->m, j->o->batch, true, threads, err)) == NULL
        || (j->in && (c->labeller = dg_labeller_open(j->in, j->m, threads, err)) == NULL)) return err->status;
    uint64_t seed = j->o->first_seed;
    for (nn_dim i = 0; i < c->n; i++, seed++) {
        while (annotated(j, (uint32_t)seed)) seed++;
        if (seed > UINT32_MAX) return nn_fail(err, NN_EINVAL, "prepare: there are no %td seeds from %u on", c->n, (unsigned)j->o->first_seed);
        c->seed[i] = (uint32_t)seed;
    }
    return NN_OK;
}

static nn_status report(const job *j, const char *what, nn_dim done, nn_dim total, nn_err *err)
{
    if (!j->progress || !j->progress->report || j->progress->report(j->progress->user, what, (double)done, (double)total, 0.0)) return NN_OK;
    return nn_fail(err, NN_ECANCEL, "%s: interrupted after %td of %td %ss", j->o->out, done, total, what);
}

static nn_status draw_candidates(const job *j, candidates *c, nn_err *err)
{
    nn_status s = NN_OK;
    for (nn_dim done = 0; done < c->n && !s;) {
        const nn_dim n = c->n - done < j->o->batch ? c->n - done : j->o->batch;
        sg_draw(j->m, c->work, c->seed + done, n, &j->o->draw, NULL);
        for (nn_dim i = 0; i < n; i++, done++) {
            dg_picture_features(j->m, c->work, i, c->x + done * c->D, c->scratch);
            if (!j->in) continue;
            dg_labels l = { .label = c->label, .divergence = c->divergence };
            dg_label(c->labeller, c->work, i, &l);
            c->uncertainty[done] = l.uncertainty;
        }
        s = report(j, "candidate", done, c->n, err);
    }
    for (nn_dim i = 0; i < c->n * c->D && !s; i++)
        if (!isfinite(c->x[i])) s = nn_fail(err, NN_EFORMAT, "seed %u: the features of this picture are not finite", (unsigned)c->seed[i / c->D]);
    return s;
}

typedef struct { double uncertainty; nn_dim row; } ranked;
static int by_uncertainty(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->uncertainty != y->uncertainty) return x->uncertainty < y->uncertainty ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Leave the pool: the most uncertain rows, in that order. */
static nn_status keep_uncertain(const job *j, candidates *c, nn_err *err)
{
    const nn_dim keep = POOL * j->o->choose < c->n ? POOL * j->o->choose : c->n;
    ranked *list = nn_alloc((size_t)c->n * sizeof *list, "uncertainties", err);
    real *x = list ? nn_alloc((size_t)(keep * c->D) * sizeof *x, "features of the most uncertain pictures", err) : NULL;
    uint32_t *seed = x ? nn_alloc((size_t)keep * sizeof *seed, "seeds of the most uncertain pictures", err) : NULL;
    if (seed) {
        for (nn_dim i = 0; i < c->n; i++) list[i] = (ranked){ c->uncertainty[i], i };
        qsort(list, (size_t)c->n, sizeof *list, by_uncertainty);
        for (nn_dim i = 0; i < keep; i++) {
            memcpy(x + i * c->D, c->x + list[i].row * c->D, (size_t)c->D * sizeof *x);
            seed[i] = c->seed[list[i].row];
        }
        nn_free(c->x);
        nn_free(c->seed);
        c->x = x;
        c->seed = seed;
        c->n = keep;
    } else nn_free(x);
    nn_free(list);
    return seed ? NN_OK : NN_ENOMEM;
}

static int by_value(const void *a, const void *b) { const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; return (x > y) - (x < y); }

static nn_status choose(job *j, nn_err *err)
{
    candidates c = { 0 };
    nn_dim *row = nn_alloc((size_t)j->o->choose * sizeof *row, "chosen pictures", err);
    nn_status s = row ? open_candidates(j, &c, err) : NN_ENOMEM;
    if (!s) s = draw_candidates(j, &c, err);
    if (!s && j->in) s = keep_uncertain(j, &c, err);
    if (!s) s = dg_choose_spread(c.x, c.n, c.D, j->o->choose, row, err);
    for (size_t i = 0; i < j->count && !s; i++) j->seed[i] = c.seed[row[i]];
    if (!s) qsort(j->seed, j->count, sizeof *j->seed, by_value);
    close_candidates(&c);
    nn_free(row);
    return s;
}

/* ---- the folder ---------------------------------------------------------------------------------------------------------- */

static nn_status draw_pictures(job *j, nn_err *err)
{
    const sg_config *cfg = sg_get_config(j->m);
    nn_image im = { 0 };
    sg_work *work = sg_work_open(j->m, j->o->batch, false, omp_get_max_threads(), err);
    nn_status s = work ? nn_image_make(&im, cfg->resolution, cfg->height, cfg->img_channels, err) : err->status;
    for (size_t done = 0; done < j->count && !s;) {
        const nn_dim left = (nn_dim)(j->count - done), n = left < j->o->batch ? left : j->o->batch;
        sg_draw(j->m, work, j->seed + done, n, &j->o->draw, NULL);
        for (nn_dim i = 0; i < n && !s; i++, done++) {
            char name[40];
            nn_bytes png = { 0 };
            nn_image_from_planar(&im, sg_picture(work, i));
            nn_format(name, sizeof name, "images/seed%04u.png", (unsigned)j->seed[done]);
            s = nn_png_encode(&im, NULL, &png, err);
            if (!s) s = dg_folder_add(&j->folder, name, png.data, png.size, err);
            nn_bytes_free(&png);
        }
        if (!s) s = report(j, "picture", (nn_dim)done, (nn_dim)j->count, err);
    }
    nn_image_free(&im);
    sg_work_close(work);
    return s;
}

static nn_status write_text(const job *j, const char *name, nn_status (*write)(const dg_class *c, int count, nn_bytes *out, nn_err *err), nn_err *err)
{
    nn_bytes b = { 0 };
    nn_status s = write(j->class_at, j->class_count, &b, err);
    if (!s) s = dg_folder_add(&j->folder, name, b.data, b.size, err);
    nn_bytes_free(&b);
    return s;
}

static nn_status write_task(const job *j, nn_err *err)
{
    char way[DG_PATH];
    nn_status s = dg_folder_way(&j->folder, j->o->generator, way, err);
    if (s) return s;
    json_t *items = json_array(), *generator = dg_put_draw(&j->o->draw);
    bool ok = items && generator;
    for (size_t i = 0; i < j->count && ok; i++) {
        char image[40], label[40];
        nn_format(image, sizeof image, "images/seed%04u.png", (unsigned)j->seed[i]);
        nn_format(label, sizeof label, "labels/seed%04u.png", (unsigned)j->seed[i]);
        ok = json_array_append_new(items, json_pack("{s:s, s:s, s:I, s:s}", "image", image, "label", label, "seed", (json_int_t)j->seed[i], "split", "train")) == 0;
    }
    json_t *head = ok ? json_pack("{s:s, s:s}", "file", way, "sha256", sg_identity(j->m)) : NULL;
    ok = head && json_object_update(head, generator) == 0;
    json_t *v = ok ? json_pack("{s:s, s:O, s:o, s:o, s:O}", "name", "prepared", "generator", head, "classes", dg_put_classes(j->class_at, j->class_count),
                               "views", dg_level_views(j->class_at, j->class_count), "items", items) : NULL;
    s = v ? dg_folder_add_json(&j->folder, "task.json", v, err) : nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    json_decref(v);
    json_decref(head);
    json_decref(generator);
    json_decref(items);
    return s;
}

/* What was asked for, not what was chosen: so the same command is recognised before anything is drawn. */
static json_t *describe(const job *j, nn_err *err)
{
    json_t *seeds = j->o->count ? json_array() : NULL, *wanted = NULL;
    bool ok = seeds || !j->o->count;
    for (size_t i = 0; i < j->o->count && ok; i++) ok = json_array_append_new(seeds, json_integer(j->o->seed[i])) == 0;
    if (ok) wanted = seeds ? json_pack("{s:O}", "seeds", seeds)
                   : json_pack("{s:I, s:I, s:I, s:s?}", "choose", (json_int_t)j->o->choose, "from", (json_int_t)j->o->from, "first_seed",
                               (json_int_t)j->o->first_seed, "interpreter", j->in ? j->in->identity : NULL);
    json_t *v = wanted ? json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:O}", "kind", prepared_kind.kind, "format", 1, "generator", sg_identity(j->m), "kernels",
                                   sg_get_kernels(j->m)->name, "draw", dg_put_draw(&j->o->draw), "classes", dg_put_classes(j->class_at, j->class_count),
                                   "pictures", wanted) : NULL;
    json_decref(seeds);
    json_decref(wanted);
    if (!v) nn_fail(err, NN_ENOMEM, "prepare.json: not enough memory");
    return v;
}

static nn_status write_all(job *j, nn_err *err)
{
    j->count = j->o->count ? j->o->count : (size_t)j->o->choose;
    j->seed = nn_alloc(j->count * sizeof *j->seed, "seeds", err);
    nn_status s = j->seed ? NN_OK : NN_ENOMEM;
    if (!s && j->o->count) memcpy(j->seed, j->o->seed, j->count * sizeof *j->seed);
    else if (!s) s = choose(j, err);
    if (!s) s = dg_folder_make(&j->folder, "images", err);
    if (!s) s = draw_pictures(j, err);
    if (!s) s = write_text(j, "labels.txt", dg_labels_txt_write, err);
    if (!s) s = write_text(j, "labelmap.txt", dg_labelmap_write, err);
    return s ? s : write_task(j, err);
}

nn_status dg_prepare(const sg_model *m, const dg_interp *in, const dg_prepare_options *o, const dg_progress *p, dg_prepare_result *r, nn_err *err)
{
    nn_err own = { 0 }, e = { 0 };
    if (!err) err = &own;
    *r = (dg_prepare_result){ .pictures = o->count ? o->count : (size_t)o->choose };
    job j = { .m = m, .in = in, .o = o, .progress = p };
    if (o->batch < 1 || (!o->count && (o->choose < 1 || o->choose > o->from || o->from > FROM_MAX)))
        return nn_fail(err, NN_EINVAL, "prepare: expected seeds, or to choose 1 or more from at most %d pictures, found %td from %td", FROM_MAX, o->choose, o->from);
    nn_status s = in ? dg_interp_check(in, m, err) : NN_OK;
    if (!s) s = dg_classes_read(o->classes, j.class_at, &j.class_count, err);
    json_t *record = s ? NULL : describe(&j, err);
    if (!s && !record) s = NN_ENOMEM;
    if (!s) s = dg_folder_begin(&j.folder, &prepared_kind, o->out, record, false, &e);
    if (e.status == NN_EEXISTS) s = nn_fail(err, NN_EMISMATCH, "%s: holds other pictures, and perhaps labels drawn over them; choose another folder", o->out);
    else if (e.status) nn_fail(err, e.status, "%s", e.msg);
    r->already = j.folder.done;
    if (!s && !j.folder.done) s = write_all(&j, err);
    s = dg_folder_end(&j.folder, s, err);
    nn_free(j.seed);
    json_decref(record);
    return s;
}
