/* cmd_eval.c: datasetgan eval: IoU per class, mean IoU and pixel accuracy from one confusion matrix over everything scored. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char NAME[] = "eval";

typedef struct {
    const char *generator, *task, *split, *interpreter, *kernels, *precision, *vote;      /* annotated generated pictures */
    const char *pred, *truth, *view;                                   /* two folders of label maps */
    const char *metric, *json, *calibration;
    cli_draw draw;
    int64_t threads;
    bool force, split_given;
} job;

typedef struct {
    const dg_class *class_at;
    int count;
    nn_confusion confusion;
    nn_scores scores;
    dg_calibration calibration;
    bool official, mismatch;         /* mismatch: a stored picture is not the one that its seed gives, or other classes */
} result;

/* What the chosen metric says of a class that is in neither truth nor prediction: nothing, or 0. */
static double class_iou(const result *r, int k)
{
    return isnan(r->scores.iou[k]) && r->official ? 0.0 : r->scores.iou[k];
}

static double mean_iou(const result *r) { return r->official ? r->scores.official : r->scores.miou; }

static void print_scores(const result *r)
{
    int width = (int)strlen("pixel accuracy"), absent = 0;
    for (int k = 0; k < r->count; k++) if ((int)strlen(r->class_at[k].name) > width) width = (int)strlen(r->class_at[k].name);
    for (int k = 0; k < r->count; k++) {
        const double iou = class_iou(r, k);
        absent += isnan(r->scores.iou[k]);
        if (isnan(iou)) printf("%-*s  absent\n", width, r->class_at[k].name);
        else printf("%-*s  %.4f\n", width, r->class_at[k].name, iou);
    }
    printf("%-*s  %.4f", width, "mIoU", mean_iou(r));
    if (r->official) printf("  (official: mean over all %d classes, absent ones count 0)", r->count);
    else if (absent) printf("  (mean over %d classes; absent ones are in neither truth nor prediction)", r->count - absent);
    printf("\n%-*s  %.4f\n%-*s  %llu\n", width, "pixel accuracy", r->scores.accuracy, width, "pixels", (unsigned long long)r->scores.pixels);
}

/* ---- JSON: no paths and no times, so that equal results are equal files ------------------------------------------------- */

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *scores_json(const job *j, const result *r, const char *task, const char *interpreter)
{
    json_t *classes = json_array(), *confusion = json_array();
    bool ok = true;
    for (int k = 0; k < r->count; k++) {
        json_t *line = json_array();
        for (int i = 0; i < r->count; i++) ok = json_array_append_new(line, json_integer((json_int_t)r->confusion.count[k * r->count + i])) == 0 && ok;
        ok = json_array_append_new(confusion, line) == 0 && ok;
        ok = json_array_append_new(classes, json_pack("{s:i,s:s,s:o}", "id", k, "name", r->class_at[k].name, "iou", number(class_iou(r, k)))) == 0 && ok;
    }
    json_t *v = json_pack("{s:i,s:s,s:s,s:s?,s:s?,s:s?,s:o,s:o,s:I,s:o,s:o}", "format", 1, "task", task, "metric", j->metric,
                     "split", j->pred ? NULL : j->split, "interpreter", interpreter, "view", j->view, "miou", number(mean_iou(r)),
                     "pixel_accuracy", number(r->scores.accuracy), "pixels", (json_int_t)r->scores.pixels, "classes", classes,
                     "confusion", confusion);
    ok = ok && v && (!j->vote || json_object_set_new(v, "vote", json_string(j->vote)) == 0);
    ok = ok && (!j->precision || json_object_set_new(v, "precision", json_string(j->precision)) == 0);
    if (ok) return v;
    json_decref(v);
    return NULL;
}

static nn_status write_json(const job *j, const result *r, const char *task, const char *interpreter, nn_err *err)
{
    json_t *v = scores_json(j, r, task, interpreter);
    if (!v) return nn_fail(err, NN_ENOMEM, "scores: not enough memory for their JSON");
    cli_write_json(j->json, v, j->force, err);
    json_decref(v);
    return err->status;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n > k && !strcmp(text + n - k, end);
}

static nn_status write_calibration(const job *j, const result *r, const char *task, nn_err *err)
{
    if (ends_with(j->calibration, ".json")) {
        json_t *v = dg_calibration_json(&r->calibration, err);
        if (v) cli_write_json(j->calibration, v, j->force, err);
        json_decref(v);
    } else {
        nn_bytes page = { 0 };
        if (dg_calibration_page(&r->calibration, task, &page, err) == NN_OK) cli_write(j->calibration, page.data, page.size, j->force, err);
        nn_bytes_free(&page);
    }
    return err->status;
}

/* ---- the two forms ---------------------------------------------------------------------------------------------------- */

static nn_status score_task(const job *j, dg_task *t, result *r, char identity[65], nn_err *err)
{
    dg_interp it = { 0 };
    if (dg_interp_open(&it, j->interpreter, err)) return err->status;
    it.vote_mean = j->vote && !strcmp(j->vote, "mean");
    cli_draw_apply(NAME, &j->draw, t->path, &t->draw);
    sg_model *m = cli_open_task_generator(j->generator, t, j->kernels, err);
    if (m && sg_check_options(m, &t->draw, err) == NN_OK && dg_interp_check(&it, m, err) == NN_OK
        && cli_apply_precision(j->precision, m, &it, 0, &t->draw, err) == NN_OK) {
        dg_eval_calibrated(t, j->split, m, &it, &r->confusion, j->calibration ? &r->calibration : NULL, err);
        r->mismatch = err->status == NN_EMISMATCH;
    }
    nn_format(identity, 65, "%s", it.identity);
    sg_close(m);
    dg_interp_close(&it);
    return err->status;
}

static nn_status run(const job *j, bool *mismatch, nn_err *err)
{
    dg_task t = { 0 };
    dg_map view;
    static result r;                                           /* half a megabyte of confusion matrix */
    r.official = !strcmp(j->metric, "official");
    char bundled[CLI_PATH], identity[65] = "";
    const char *path = j->task;
    if (!path && cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_TASK, err) == NN_OK) path = bundled;
    if (!path || dg_task_read(&t, path, err)) return err->status;
    r.class_at = t.class_at;
    r.count = t.class_count;
    if (!j->pred) score_task(j, &t, &r, identity, err);
    else if (!j->view || dg_task_view(&t, j->view, &view, err) == NN_OK) {
        if (j->view) { r.class_at = view.class_at; r.count = view.class_count; }
        dg_eval_folders(j->pred, j->truth, t.class_count, j->view ? &view : NULL, &r.confusion, err);
    }
    if (err->status == NN_OK) {
        nn_confusion_scores(&r.confusion, &r.scores);
        if (j->json) write_json(j, &r, t.name, *identity ? identity : NULL, err);
        if (j->calibration && err->status == NN_OK) write_calibration(j, &r, t.name, err);
        if (err->status == NN_OK) print_scores(&r);
        if (err->status == NN_OK && j->calibration) printf("calibration: expected error %.4f, Brier score %.4f\n", r.calibration.ece, r.calibration.brier);
    }
    *mismatch = r.mismatch;
    dg_task_free(&t);
    /* analyze: what r points to is not read after this; the program runs one command */
    return err->status;
}

/* Which form is meant, and that nothing of the other one is given. */
static nn_status check_form(const job *j, nn_err *err)
{
    if (j->pred || j->truth) {
        if (!j->pred || !j->truth) return nn_fail(err, NN_EINVAL, "--pred and --truth go together: two folders of label maps");
        if (j->interpreter || j->generator || j->vote || j->precision || j->calibration || j->split_given || j->draw.psi_given || j->draw.cutoff_given || j->draw.noise_given || j->draw.class_given)
            return nn_fail(err, NN_EINVAL, "--pred and --truth score folders: --interpreter, --generator, --split, --vote, --precision, --calibration, --psi, --cutoff, --class and --noise "
                           "do not go with them");
        return NN_OK;
    }
    if (j->calibration && !ends_with(j->calibration, ".html") && !ends_with(j->calibration, ".json"))
        return nn_fail(err, NN_EINVAL, "--calibration %.64s: expected a name that ends with .html or .json", j->calibration);
    if (!j->interpreter) return nn_fail(err, NN_EINVAL, "expected --interpreter FILE, or --pred DIR and --truth DIR");
    if (j->view) return nn_fail(err, NN_EINVAL, "--view goes with --pred and --truth");
    return NN_OK;
}

int cmd_eval(int argc, char **argv)
{
    job j = { .split = "test", .kernels = "auto", .metric = "standard" };
    const cli_opt opt[] = {
        { "task", CLI_STR, &j.task, 0, 0, "FILE", false, "annotation set, task.json (default: the bundled one)", NULL },
        { "interpreter", CLI_STR, &j.interpreter, 0, 0, "FILE", false, "score this interpreter on the set's generated pictures", NULL },
        { "split", CLI_STR, &j.split, 0, 0, "NAME", false, "pictures of the set to score (default: test)", &j.split_given },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator (default: the task's, else the bundled one)", NULL },
        { "vote", CLI_CHOICE, &j.vote, 0, 0, "majority|mean", false, "a pixel's label: the class of most members, or of the highest mean probability (default: majority)", NULL },
        CLI_DRAW_OPTIONS(j.draw, "the task's"),
        { "pred", CLI_STR, &j.pred, 0, 0, "DIR", false, "score the label maps of this folder", NULL },
        { "truth", CLI_STR, &j.truth, 0, 0, "DIR", false, "against those of this one; pairs have one stem, or truth's is pred's + _label", NULL },
        { "view", CLI_STR, &j.view, 0, 0, "NAME", false, "map predictions to this view of the task; the truth is in its ids already", NULL },
        { "metric", CLI_CHOICE, &j.metric, 0, 0, "standard|official", false,
          "standard: mean over the classes present; official: as the released code, absent classes count 0 (default: standard)", NULL },
        { "calibration", CLI_STR, &j.calibration, 0, 0, "FILE", false, "also write whether the labels' probabilities hold: .html (reliability diagram) or .json", NULL },
        { "json", CLI_STR, &j.json, 0, 0, "FILE", false, "also write the scores and the confusion matrix", NULL },
        CLI_PRECISION_OPTION(j.precision),
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &j.threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace an existing JSON file of other content", NULL },
    };
    const int rc = cli_parse(NAME, "Score an interpreter on the annotated pictures of a split, or one folder of label maps against another. "
                             "Void pixels (255) of the truth are left out.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    const double start = cli_seconds();
    cli_threads(j.threads);
    bool mismatch = false;
    if (check_form(&j, &err) == NN_OK) run(&j, &mismatch, &err);
    if (err.status == NN_OK) {
        printf("(%.1f s, peak memory %.0f MB)\n", cli_seconds() - start, (double)cli_peak_bytes() / 1e6);
        return CLI_EXIT_OK;
    }
    const int failed = cli_fail(NAME, &err);
    return mismatch ? CLI_EXIT_MISMATCH : failed;
}
