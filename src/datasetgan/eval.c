/* eval.c: score labels against truth: on a set's own annotated pictures, and between two folders of label maps. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/calibration.h"

/* ---- annotated generated pictures ------------------------------------------------------------------------------------ */

enum { BATCH = 4 };

typedef struct { const dg_task *t; const sg_model *m; sg_work *work; dg_labeller *labeller; uint8_t *label; float *mean; nn_confusion *out; dg_calibration *cal; } scoring;

static nn_status score_item(const scoring *s, const dg_item *it, nn_dim n, nn_err *err)
{
    const nn_dim width = sg_get_config(s->m)->resolution, height = sg_get_config(s->m)->height;
    nn_image truth = { 0 };
    dg_labels labels = { .label = s->label, .mean = s->mean };
    nn_status st = dg_item_check_picture(s->t, it, s->m, sg_picture(s->work, n), err);
    if (!st) st = dg_item_label(s->t, it, width, height, &truth, err);
    if (!st) {
        dg_label(s->labeller, s->work, n, &labels);
        st = nn_confusion_add(s->out, truth.pixels, labels.label, width * height, err);
        if (s->cal) dg_calibration_add(s->cal, truth.pixels, labels.label, s->mean, s->t->class_count, width * height);
    }
    nn_image_free(&truth);
    return st;
}

nn_status dg_eval_task(const dg_task *t, const char *split, const sg_model *m, const dg_interp *in, nn_confusion *out, nn_err *err)
{
    return dg_eval_calibrated(t, split, m, in, out, NULL, err);
}

nn_status dg_eval_calibrated(const dg_task *t, const char *split, const sg_model *m, const dg_interp *in, nn_confusion *out, dg_calibration *cal,
                             nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    memset(out, 0, sizeof *out);
    out->classes = t->class_count;
    nn_status s = dg_task_check_generator(t, m, err);
    if (!s) s = dg_interp_check(in, m, err);
    if (!s) s = dg_interp_check_classes(in, t, err);
    if (s) return s;

    const nn_dim pixels = sg_get_config(m)->resolution * sg_get_config(m)->height;
    const int threads = omp_get_max_threads();
    scoring job = { .t = t, .m = m, .out = out, .cal = cal };
    job.work = sg_work_open(m, BATCH, true, threads, err);
    job.labeller = job.work ? dg_labeller_open(in, m, threads, err) : NULL;
    job.label = job.labeller ? nn_alloc((size_t)pixels, "a label map", err) : NULL;
    if (cal && job.label) job.mean = nn_alloc((size_t)(in->classes * pixels) * sizeof *job.mean, "class probabilities", err);
    if (cal) memset(cal, 0, sizeof *cal);
    s = err->status;
    nn_dim scored = 0;
    for (nn_dim i = 0; i < t->item_count && !s;) {
        const dg_item *item[BATCH];
        nn_dim n = 0;
        for (; i < t->item_count && n < BATCH; i++) if (!strcmp(t->item[i].split, split)) item[n++] = &t->item[i];
        if (n) s = dg_items_draw(t, item, n, m, job.work, err);
        for (nn_dim j = 0; j < n && !s; j++) s = score_item(&job, item[j], j, err);
        scored += n;
    }
    if (!s && !scored) s = nn_fail(err, NN_EINVAL, "%s: no item has the split \"%.64s\"", t->path, split);
    if (!s && cal) dg_calibration_finish(cal);
    nn_free(job.label);
    nn_free(job.mean);
    dg_labeller_close(job.labeller);
    sg_work_close(job.work);
    return s;
}

/* ---- two folders of label maps --------------------------------------------------------------------------------------- */

/* A label map S.png or S_label.png; key is S.  Where a folder has both, S.png is the picture and S_label.png its label. */
typedef struct { char key[256], file[256]; bool suffixed; } label_file;
typedef struct { label_file *at; size_t count; } listing;

static bool read_name(label_file *out, const char *file)
{
    static const char png[] = ".png", suffix[] = "_label";
    const size_t length = strlen(file);
    if (length < sizeof png || length >= sizeof out->file || file[0] == '.' || strcmp(file + length - (sizeof png - 1), png)) return false;
    nn_format(out->file, sizeof out->file, "%s", file);
    nn_format(out->key, sizeof out->key, "%.*s", (int)(length - (sizeof png - 1)), file);
    const size_t stem = strlen(out->key), tail = sizeof suffix - 1;
    out->suffixed = stem > tail && !strcmp(out->key + stem - tail, suffix);
    if (out->suffixed) out->key[stem - tail] = 0;
    return true;
}

static bool is_label(const void *context, const char *name)
{
    (void)context;
    label_file one;
    return read_name(&one, name);
}

static int by_key(const void *a, const void *b)
{
    const label_file *x = a, *y = b;
    const int c = strcmp(x->key, y->key);
    return c ? c : (int)y->suffixed - (int)x->suffixed;
}

static nn_status list_labels(listing *out, const char *folder, nn_err *err)
{
    *out = (listing){ 0 };
    nn_names names;
    nn_status s = nn_dir_list(&names, folder, is_label, NULL, err);
    if (!s && !names.count) s = nn_fail(err, NN_EINVAL, "%s: expected label maps (*.png), found none", folder);
    if (!s && !(out->at = nn_alloc(names.count * sizeof *out->at, "a list of label maps", err))) s = NN_ENOMEM;
    for (size_t i = 0; i < names.count && !s; i++) out->count += read_name(&out->at[out->count], names.name[i]);
    nn_names_free(&names);
    if (s) return s;

    qsort(out->at, out->count, sizeof *out->at, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++)
        if (!kept || strcmp(out->at[kept - 1].key, out->at[i].key)) out->at[kept++] = out->at[i];
    out->count = kept;
    return NN_OK;
}

static nn_status check_pairs(const listing *pred, const listing *truth, const char *pred_folder, const char *truth_folder, nn_err *err)
{
    size_t p = 0, t = 0;
    while (p < pred->count && t < truth->count && !strcmp(pred->at[p].key, truth->at[t].key)) { p++; t++; }
    if (p == pred->count && t == truth->count) return NN_OK;
    const bool lone_prediction = t == truth->count || (p < pred->count && strcmp(pred->at[p].key, truth->at[t].key) < 0);
    const label_file *f = lone_prediction ? &pred->at[p] : &truth->at[t];
    return nn_fail(err, NN_EINVAL, "%s/%s: expected %s.png or %s_label.png in %s, found neither", lone_prediction ? pred_folder : truth_folder,
                   f->file, f->key, f->key, lone_prediction ? truth_folder : pred_folder);
}

static nn_status check_ids(const char *path, const nn_image *im, int classes, bool may_be_void, nn_err *err)
{
    for (nn_dim p = 0; p < im->width * im->height; p++) {
        const int id = im->pixels[p];
        if (id >= classes && !(may_be_void && id == NN_VOID))
            return nn_fail(err, NN_EFORMAT, "%s: class id %d at column %td, row %td: expected 0..%d%s", path, id, p % im->width, p / im->width,
                           classes - 1, may_be_void ? " or 255 (void)" : "");
    }
    return NN_OK;
}

static nn_status score_pair(const char *pred_path, const char *truth_path, int classes, const dg_map *map, nn_confusion *out, nn_err *err)
{
    nn_image pred = { 0 }, truth = { 0 };
    nn_status s = nn_png_read_labels(pred_path, &pred, err);
    if (!s) s = nn_png_read_labels(truth_path, &truth, err);
    if (!s && (pred.width != truth.width || pred.height != truth.height))
        s = nn_fail(err, NN_ESHAPE, "%s: expected %td x %td as %s, found %td x %td", pred_path, truth.width, truth.height, truth_path,
                    pred.width, pred.height);
    if (!s) s = check_ids(pred_path, &pred, classes, false, err);
    if (!s) s = check_ids(truth_path, &truth, out->classes, true, err);
    if (!s && map)
        for (nn_dim p = 0; p < pred.width * pred.height; p++) pred.pixels[p] = map->map[pred.pixels[p]];
    if (!s) s = nn_confusion_add(out, truth.pixels, pred.pixels, pred.width * pred.height, err);
    nn_image_free(&pred);
    nn_image_free(&truth);
    return s;
}

nn_status dg_eval_folders(const char *pred, const char *truth, int classes, const dg_map *map, nn_confusion *out, nn_err *err)
{
    memset(out, 0, sizeof *out);
    out->classes = map ? map->class_count : classes;
    listing p, t = { 0 };
    nn_status s = list_labels(&p, pred, err);
    if (!s) s = list_labels(&t, truth, err);
    if (!s) s = check_pairs(&p, &t, pred, truth, err);
    for (size_t i = 0; i < p.count && !s; i++) {
        char pred_path[DG_PATH], truth_path[DG_PATH];
        s = nn_path_join(pred_path, sizeof pred_path, pred, p.at[i].file, err);
        if (!s) s = nn_path_join(truth_path, sizeof truth_path, truth, t.at[i].file, err);
        if (!s) s = score_pair(pred_path, truth_path, classes, map, out, err);
    }
    nn_free(p.at);
    nn_free(t.at);
    return s;
}
