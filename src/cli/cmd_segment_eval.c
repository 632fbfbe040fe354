/* cmd_segment_eval.c: datasetgan segment eval: a network against labelled photographs, at the truth's size, one confusion matrix a fold. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/segment.h"

static const char NAME[] = "segment eval";

typedef struct {
    const char *net, *images, *labels, *task, *view, *central, *json, *kernels;
    int64_t folds, threads;
    double adapt;
    bool no_flips, force;
} job;

typedef struct { int count; dl_class class_at[NN_VOID]; dg_map map; nn_confusion *fold; int folds; } result;      /* fold[folds]: all of them */

/* ---- scores ----------------------------------------------------------------------------------------------------------------------------- */

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

/* *lost: not enough memory for a part of it. */
static json_t *scores_json(const result *r, const nn_confusion *m, nn_scores *s, bool *lost)
{
    json_t *classes = json_array(), *confusion = json_array();
    nn_confusion_scores(m, s);
    for (int k = 0; k < r->count; k++) {
        json_t *line = json_array();
        for (int i = 0; i < r->count; i++) *lost |= json_array_append_new(line, json_integer((json_int_t)m->count[k * r->count + i])) != 0;
        *lost |= json_array_append_new(confusion, line) != 0;
        *lost |= json_array_append_new(classes, json_pack("{s:i, s:s, s:o}", "id", k, "name", r->class_at[k].name, "iou", number(s->iou[k]))) != 0;
    }
    json_t *v = json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "miou", number(s->miou), "official_miou", number(s->official), "foreground_iou", number(s->foreground),
                     "pixel_accuracy", number(s->accuracy), "folds", json_null(), "pixels", (json_int_t)s->pixels, "classes", classes, "confusion", confusion);
    *lost |= !v;
    return v;
}

/* Mean and deviation (n - 1) of the folds' mIoU. */
static void spread(const double *v, int n, double *mean, double *sd)
{
    double sum = 0.0, square = 0.0;
    /* analyze: the callers fill n numbers */
    for (int i = 0; i < n; i++) sum += v[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++) square += (v[i] - *mean) * (v[i] - *mean);
    *sd = n > 1 ? sqrt(square / (n - 1)) : NAN;
}

static nn_status report(const job *j, const result *r, nn_err *err)
{
    nn_scores *s = nn_alloc(sizeof *s, "scores", err);
    if (!s) return NN_ENOMEM;
    double miou[64], mean, sd;
    bool lost = false;
    json_t *folds = json_array();
    for (int f = 0; f < r->folds; f++) {
        lost |= json_array_append_new(folds, scores_json(r, &r->fold[f], s, &lost)) != 0;
        miou[f] = s->miou;
    }
    json_t *all = scores_json(r, &r->fold[r->folds], s, &lost);
    for (int k = 0; k < r->count; k++) printf("%-16s  %.4f\n", r->class_at[k].name, s->iou[k]);
    printf("%-16s  %.4f\n%-16s  %.4f\n%-16s  %.4f\n", "mIoU", s->miou, "not class 0", s->foreground, "pixel accuracy", s->accuracy);
    if (r->folds > 1) {
        spread(miou, r->folds, &mean, &sd);
        printf("mIoU of %d folds  %.4f, sd %.4f\n", r->folds, mean, sd);
        lost |= json_object_set_new(all, "fold_mean", number(mean)) || json_object_set_new(all, "fold_sd", number(sd)) || json_object_set(all, "folds", folds);
    }
    json_decref(folds);
    if (j->json && lost) nn_fail(err, NN_ENOMEM, "%s: not enough memory for the scores", j->json);
    else if (j->json) cli_write_json(j->json, all, j->force, err);
    json_decref(all);
    nn_free(s);
    return err->status;
}

/* ---- the pictures ------------------------------------------------------------------------------------------------------------------------- */

static nn_status score_one(const job *j, dl_predictor *p, const cli_files *f, size_t i, result *r, nn_err *err)
{
    char path[CLI_PATH];
    nn_image im = { 0 }, truth = { 0 };
    nn_status s = nn_path_join(path, sizeof path, f->folder, f->names.name[i], err);
    if (!s) s = nn_picture_read(path, &im, err);
    if (!s) s = cli_read_label(&truth, j->labels, f->names.name[i], r->count, im.width, im.height, err);
    const nn_dim pixels = im.width * im.height;
    uint8_t *label = s ? NULL : nn_alloc((size_t)pixels, "a label map", err);
    if (!s && !label) s = NN_ENOMEM;
    if (!s) s = dl_predict(p, &im, label, NULL, NULL, err);
    for (nn_dim q = 0; q < pixels && !s; q++) label[q] = r->map.map[label[q]];
    if (!s) s = nn_confusion_add(&r->fold[i % (size_t)r->folds], truth.pixels, label, pixels, err);
    if (!s) s = nn_confusion_add(&r->fold[r->folds], truth.pixels, label, pixels, err);
    nn_image_free(&im);
    nn_image_free(&truth);
    nn_free(label);
    return s;
}

/* Predictions in the task's ids are mapped to the view; a network that was trained in the view's ids needs no map. */
static nn_status set_classes(const job *j, const dl_model *m, result *r, nn_err *err)
{
    if (cli_classes(j->task, j->view, r->class_at, &r->count, &r->map, err)) return err->status;
    dl_class task[NN_VOID];
    int count;
    if (cli_classes(j->task, NULL, task, &count, NULL, err)) return err->status;
    if (m->class_count == count) return NN_OK;
    if (m->class_count != r->count) return nn_fail(err, NN_EMISMATCH, "%s: %d classes, the task has %d, the view %d", j->net, m->class_count, count, r->count);
    for (int i = 0; i < r->count; i++) r->map.map[i] = (uint8_t)i;
    return NN_OK;
}

static nn_status run(const job *j, int threads, nn_err *err)
{
    dl_model m;
    cli_files f = { 0 };
    static result r;
    dl_predict_options o = { .flips = !j->no_flips, .adapt = j->adapt, .threads = threads };
    const nn_kernels *k = nn_kernels_pick(j->kernels, err);
    if (!k || dl_model_read(&m, j->net, err)) return err->status;
    bool central[NN_VOID + 1] = { false };
    if (j->central) o.central = central;
    r.folds = (int)j->folds;
    nn_status s = cli_named_classes("central", j->central, &m, central, err);
    if (!s) s = set_classes(j, &m, &r, err);
    if (!s) s = cli_list_pictures(&f, j->images, err);
    if (!s && f.names.count < (size_t)r.folds) s = nn_fail(err, NN_EINVAL, "%s: expected a picture a fold at least, found %zu", j->images, f.names.count);
    r.fold = s ? NULL : nn_alloc((size_t)(r.folds + 1) * sizeof *r.fold, "scores", err);
    for (int i = 0; r.fold && i <= r.folds; i++) r.fold[i].classes = r.count;
    dl_predictor *p = r.fold ? dl_predictor_open(&m, k, &o, err) : NULL;
    for (size_t i = 0; p && i < f.names.count && !err->status; i++) {
        score_one(j, p, &f, i, &r, err);
        if (!cli_progress_report(NULL, "picture", (double)(i + 1), (double)f.names.count, 0)) nn_fail(err, NN_ECANCEL, "stopped");
    }
    cli_progress_end();
    if (p && !err->status) report(j, &r, err);
    dl_predictor_close(p);
    nn_free(r.fold);
    cli_files_free(&f);
    dl_model_close(&m);
    return err->status;
}

int cmd_segment_eval(int argc, char **argv)
{
    job j = { .kernels = "auto", .folds = 1 };
    const cli_opt opt[] = {
        { "net", CLI_STR, &j.net, 0, 0, "FILE", true, "network, written by 'datasetgan segment train'", NULL },
        { "images", CLI_STR, &j.images, 0, 0, "DIR", true, "photographs", NULL },
        { "labels", CLI_STR, &j.labels, 0, 0, "DIR", true, "their label maps, STEM.png or STEM_label.png", NULL },
        { "task", CLI_STR, &j.task, 0, 0, "FILE", false, "classes and views, task.json (default: the bundled one)", NULL },
        { "view", CLI_STR, &j.view, 0, 0, "NAME", false, "the truth is in the ids of this view; predictions are mapped to it", NULL },
        { "folds", CLI_INT, &j.folds, 1, 63, NULL, false, "also score picture i in fold i mod N, and their mean and sd (default: 1)", NULL },
        { "adapt", CLI_REAL, &j.adapt, 0, 1, NULL, false, "as 'segment predict' (default: 0)", NULL },
        { "central", CLI_STR, &j.central, 0, 0, "CLASS,...|all", false, "as 'segment predict'", NULL },
        { "no-flips", CLI_FLAG, &j.no_flips, 0, 0, NULL, false, "as 'segment predict'", NULL },
        { "json", CLI_STR, &j.json, 0, 0, "FILE", false, "also write the scores and confusion matrices", NULL },
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &j.threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace an existing JSON file of other content", NULL },
    };
    const int rc = cli_parse(NAME, "Score a network on labelled photographs, at their own size. Void pixels (255) of the truth are left out.", opt,
                             sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    const double start = cli_seconds();
    if (run(&j, cli_threads(j.threads), &err) != NN_OK) {
        const int failed = cli_fail(NAME, &err);
        return err.status == NN_EMISMATCH ? CLI_EXIT_MISMATCH : failed;
    }
    printf("(%.1f s, peak memory %.0f MB)\n", cli_seconds() - start, (double)cli_peak_bytes() / 1e6);
    return CLI_EXIT_OK;
}
