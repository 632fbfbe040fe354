/* sweep.c: k-fold validation of training settings on the pictures of one split, by the product's own path: train an
 * interpreter on the other folds, label the held-out pictures, one confusion matrix over all of them. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "datasetgan/train.h"
#include "nn/rng.h"
#include "nn/sys.h"

enum { POINTS_MAX = 10000, KEYS_MAX = 16, VALUE = 48 };
#define KIND "sweep"

/* ---- settings by name ------------------------------------------------------------------------------------------------ */

typedef struct { const char *key; size_t key_size; const char *value[POINTS_MAX / 100]; size_t size[POINTS_MAX / 100]; int count; } axis;
typedef struct { dg_train_options o; char tap[VALUE]; } point;

static nn_status number(const char *key, const char *text, double *out, nn_err *err)
{
    nn_err own = { 0 };
    const nn_status s = nn_json_number(text, key, out, &own);
    if (s == NN_ENOMEM) return nn_fail(err, s, "%s", own.msg);
    return s ? nn_fail(err, NN_EINVAL, "%s=%s: expected a number", key, text) : NN_OK;
}

static nn_status choice(const char *key, const char *text, const char *const *name, int count, double *out, nn_err *err)
{
    for (int i = 0; i < count; i++) if (!strcmp(text, name[i])) { *out = i; return NN_OK; }
    return nn_fail(err, NN_EINVAL, "%s=%s: expected %s or %s%s%s", key, text, name[0], name[1], count > 2 ? " or " : "", count > 2 ? name[2] : "");
}

/* Out of range what is no whole number: dg_train refuses it. */
static double whole(double v) { return v >= 0.0 && v < 1e9 && v == floor(v) ? v : 1e9; }

static nn_status set(point *p, const char *key, const char *text, int classes, nn_err *err)
{
    static const char *const standardise[] = { "off", "on" }, *const schedule[] = { "constant", "one-cycle" }, *const stop[] = { "epochs", "official" };
    static const char *const weights[] = { "none", "root", "balanced" };
    dg_train_options *o = &p->o;
    double v = 0.0;
    if (!strcmp(key, "recipe")) {
        const uint64_t seed = o->seed;
        const nn_status s = dg_train_recipe(o, text, classes, err);
        o->seed = seed;
        return s;
    }
    if (!strcmp(key, "taps-set")) { nn_format(p->tap, sizeof p->tap, "%s", text); return NN_OK; }
    nn_status s = !strcmp(key, "standardise") ? choice(key, text, standardise, 2, &v, err)
                : !strcmp(key, "schedule") ? choice(key, text, schedule, 2, &v, err)
                : !strcmp(key, "stop") ? choice(key, text, stop, 2, &v, err)
                : !strcmp(key, "class-weights") ? choice(key, text, weights, 3, &v, err) : number(key, text, &v, err);
    if (s) return s;
    if (!strcmp(key, "standardise")) o->standardise = v != 0.0;
    else if (!strcmp(key, "schedule")) o->one_cycle = v != 0.0;
    else if (!strcmp(key, "stop")) o->official_stop = v != 0.0;
    else if (!strcmp(key, "class-weights")) o->class_weights = v / 2.0;
    else if (!strcmp(key, "members")) o->members = (int)whole(v);
    else if (!strcmp(key, "batch")) o->batch = (nn_dim)whole(v);
    else if (!strcmp(key, "width1")) o->h1 = v == 0.0 ? DG_NO_LAYER : (nn_dim)whole(v);
    else if (!strcmp(key, "width2")) o->h2 = v == 0.0 ? DG_NO_LAYER : (nn_dim)whole(v);
    else if (!strcmp(key, "epochs")) o->epochs = v;
    else if (!strcmp(key, "lr")) o->lr = v;
    else if (!strcmp(key, "decay")) o->decay = v;
    else if (!strcmp(key, "dropout1")) o->dropout1 = v;
    else if (!strcmp(key, "dropout2")) o->dropout2 = v;
    else if (!strcmp(key, "feature-noise")) o->feature_noise = v;
    else return nn_fail(err, NN_EINVAL, "there is no setting '%.32s'; expected one of " DG_SWEEP_KEYS, key);
    return NN_OK;
}

/* "lr=1e-3,4e-3" */
static nn_status parse_axis(axis *a, const char *text, nn_err *err)
{
    const char *equals = strchr(text, '=');
    *a = (axis){ .key = text, .key_size = equals ? (size_t)(equals - text) : 0 };
    if (!equals || a->key_size == 0 || a->key_size >= VALUE) return nn_fail(err, NN_EINVAL, "'%.64s': expected KEY=VALUE,VALUE,...", text);
    for (const char *p = equals + 1;;) {
        const size_t n = strcspn(p, ",");
        if (n == 0 || n >= VALUE || a->count == POINTS_MAX / 100)
            return nn_fail(err, NN_EINVAL, "'%.64s': expected 1 to %d values of 1 to %d letters, commas between them", text, POINTS_MAX / 100, VALUE - 1);
        a->value[a->count] = p;
        a->size[a->count++] = n;
        p += n;
        if (!*p++) return NN_OK;
    }
}

/* Point `index` of the grid, the last axis fastest; a recipe first, as it sets all. */
static nn_status make_point(point *p, const axis *a, int axes, nn_dim index, const dg_train_options *base, int classes, char text[DG_SWEEP_TEXT], nn_err *err)
{
    char key[KEYS_MAX][VALUE], value[KEYS_MAX][VALUE];
    *p = (point){ .o = *base };
    text[0] = 0;
    for (int i = axes - 1; i >= 0; i--) {
        const int v = (int)(index % a[i].count);
        index /= a[i].count;
        nn_format(key[i], VALUE, "%.*s", (int)a[i].key_size, a[i].key);
        nn_format(value[i], VALUE, "%.*s", (int)a[i].size[v], a[i].value[v]);
    }
    nn_status s = NN_OK;
    for (int recipe = 1; recipe >= 0; recipe--)
        for (int i = 0; i < axes && !s; i++) if ((strcmp(key[i], "recipe") == 0) == (recipe == 1)) s = set(p, key[i], value[i], classes, err);
    for (int i = 0; i < axes; i++) {
        const size_t used = strlen(text);
        nn_format(text + used, DG_SWEEP_TEXT - used, "%s%s=%s", i ? " " : "", key[i], value[i]);
    }
    return s;
}

/* ---- folds ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const dg_sweep_options *o;
    const sg_model *m;
    const dg_progress *progress;
    dg_task task;                    /* the caller's with other splits */
    nn_dim *turn;                    /* (items) -1: of another split */
    nn_confusion *all, *held;
    char scratch[DG_PATH];
} sweep;

/* Pictures whose turn it is are held out; the rest of the split trains. */
static nn_status run_fold(sweep *w, const point *p, int fold, nn_err *err)
{
    dg_interp in = { 0 };
    const char *tap = p->tap;
    for (nn_dim i = 0; i < w->task.item_count; i++)
        nn_format(w->task.item[i].split, sizeof w->task.item[i].split, "%s", w->turn[i] < 0 ? "other" : w->turn[i] % w->o->folds == fold ? "held" : "train");
    nn_status s = dg_train(&w->task, "train", w->m, &p->o, *tap ? &tap : NULL, *tap ? 1 : 0, w->scratch, w->progress, err);
    if (!s) s = dg_interp_open(&in, w->scratch, err);
    if (!s) s = dg_eval_task(&w->task, "held", w->m, &in, w->held, err);
    for (int i = 0; i < w->all->classes * w->all->classes && !s; i++) w->all->count[i] += w->held->count[i];
    dg_interp_close(&in);
    if (!s) nn_sys_unlink(w->scratch);
    return s;
}

/* A setting's scores: the mean over repeats with other seeds, and their deviation. */
static nn_status run_point(sweep *w, point *p, dg_sweep_row *row, nn_err *err)
{
    double sum = 0.0, square = 0.0, accuracy = 0.0, iou[NN_VOID] = { 0 };
    const int n = w->o->repeats;
    nn_status s = NN_OK;
    for (int i = 0; i < n && !s; i++, p->o.seed++) {
        nn_scores sc;
        memset(w->all, 0, sizeof *w->all);
        w->all->classes = w->task.class_count;
        for (int fold = 0; fold < w->o->folds && !s; fold++) s = run_fold(w, p, fold, err);
        if (s) return s;
        nn_confusion_scores(w->all, &sc);
        sum += sc.miou;
        square += sc.miou * sc.miou;
        accuracy += sc.accuracy;
        for (int c = 0; c < w->task.class_count; c++) iou[c] += sc.iou[c];
    }
    row->miou = sum / n;
    row->sd = n > 1 ? sqrt(fmax(0.0, (square - sum * row->miou) / (n - 1))) : NAN;
    row->accuracy = accuracy / n;
    for (int c = 0; c < w->task.class_count; c++) row->iou[c] = iou[c] / n;
    return s;
}

/* A fixed shuffle of the split's pictures. */
static nn_status deal(sweep *w, const dg_task *t, nn_err *err)
{
    nn_dim next = 0;
    uint32_t *order = nn_alloc((size_t)(t->item_count ? t->item_count : 1) * sizeof *order, "folds", err);
    if (!order) return NN_ENOMEM;
    nn_rng_shuffle(0, NN_RNG_FOLD, 0, order, (uint32_t)t->item_count);
    for (nn_dim i = 0; i < t->item_count; i++) {
        const nn_dim at = order[i];
        w->turn[at] = strcmp(t->item[at].split, w->o->split) ? -1 : next++;
    }
    nn_free(order);
    if (w->o->folds >= 2 && w->o->folds <= next) return NN_OK;
    return nn_fail(err, NN_EINVAL, "folds: expected 2 to %td, the pictures of split \"%.32s\", found %d", next, w->o->split, w->o->folds);
}

static nn_status open_sweep(sweep *w, const dg_task *t, nn_err *err)
{
    const size_t n = (size_t)(t->item_count ? t->item_count : 1);
    if (strlen(w->o->out) + sizeof ".fold" + sizeof ".part" > DG_PATH) return nn_fail(err, NN_EINVAL, "%.64s...: the path is too long", w->o->out);
    nn_format(w->scratch, sizeof w->scratch, "%s.fold", w->o->out);
    w->task = *t;
    w->task.item = nn_alloc(n * sizeof *w->task.item, "folds", err);
    w->turn = nn_alloc(n * sizeof *w->turn, "folds", err);
    w->all = nn_alloc(sizeof *w->all, "confusion matrix", err);
    w->held = nn_alloc(sizeof *w->held, "confusion matrix", err);
    if (!w->task.item || !w->turn || !w->all || !w->held) return NN_ENOMEM;
    if (t->item_count) memcpy(w->task.item, t->item, (size_t)t->item_count * sizeof *t->item);
    return deal(w, t, err);
}

/* ---- the file: rows as they are measured --------------------------------------------------------------------------------- */

static json_t *real_or_null(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static nn_status add_row(json_t *file, const dg_task *t, const dg_sweep_row *row, nn_err *err)
{
    json_t *iou = json_object();
    bool ok = iou != NULL;
    for (int c = 0; c < t->class_count; c++) ok = json_object_set_new(iou, t->class_at[c].name, real_or_null(row->iou[c])) == 0 && ok;
    json_t *v = json_pack("{s:s, s:o, s:o, s:o, s:o}", "settings", row->settings, "miou", real_or_null(row->miou), "sd", real_or_null(row->sd),
                          "pixel_accuracy", real_or_null(row->accuracy), "iou", iou);
    ok = ok && json_array_append(json_object_get(file, "rows"), v) == 0;
    json_decref(v);
    return ok ? NN_OK : nn_fail(err, NN_ENOMEM, "sweep: not enough memory");
}

static void read_row(const json_t *v, const dg_task *t, dg_sweep_row *row)
{
    const json_t *iou = json_object_get(v, "iou"), *sd = json_object_get(v, "sd");
    row->miou = json_number_value(json_object_get(v, "miou"));
    row->sd = json_is_number(sd) ? json_number_value(sd) : NAN;
    row->accuracy = json_number_value(json_object_get(v, "pixel_accuracy"));
    for (int c = 0; c < t->class_count; c++) {
        const json_t *one = json_object_get(iou, t->class_at[c].name);
        row->iou[c] = json_is_number(one) ? json_number_value(one) : NAN;
    }
    row->known = true;
}

/* What is measured: the settings that the grid starts from, on all pictures of the split, and the grid. */
static json_t *describe(const sweep *w, const dg_task *t, nn_err *err)
{
    dg_features f;
    const dg_sweep_options *o = w->o;
    if (dg_features_open(&f, t, o->split, w->m, NULL, 0, err)) return NULL;
    json_t *base = dg_train_settings(&o->base, &f, t, o->split, w->m, err), *grid = json_array();
    dg_features_close(&f);
    bool ok = base && grid;
    for (size_t i = 0; ok && i < o->grid_count; i++) ok = json_array_append_new(grid, json_string(o->grid[i])) == 0;
    if (!ok) {
        if (base) nn_fail(err, NN_ENOMEM, "sweep: not enough memory");
        json_decref(base);
        json_decref(grid);
        return NULL;
    }
    json_t *v = json_pack("{s:s, s:i, s:i, s:i, s:o, s:o, s:[]}", "kind", KIND, "format", 1, "folds", o->folds, "repeats", o->repeats, "grid", grid,
                                 "base", base, "rows");
    if (!v) nn_fail(err, NN_ENOMEM, "sweep: not enough memory");
    return v;
}

/* Rows that an interrupted run of the same command has measured. */
static nn_status take_old(const sweep *w, json_t *file, json_t **rows, nn_err *err)
{
    *rows = NULL;
    if (!nn_path_exists(w->o->out)) return NN_OK;
    nn_err own = { 0 };
    json_t *old = nn_json_read(w->o->out, (size_t)1 << 26, &own), *list = json_incref(json_object_get(old, "rows"));
    const bool has = json_is_array(list), ok = own.status != NN_ENOMEM && (!has || json_object_set_new(old, "rows", json_array()) == 0);
    const bool same = has && ok && json_equal(old, file);
    json_decref(old);
    if (same) { *rows = list; return NN_OK; }
    json_decref(list);
    if (!ok) return nn_fail(err, NN_ENOMEM, "%s: not enough memory to read it", w->o->out);
    if (w->o->replace) return NN_OK;
    if (own.status) return nn_fail(err, own.status, "%s", own.msg);
    return nn_fail(err, NN_EEXISTS, "%s: exists and is not of this sweep", w->o->out);
}

static nn_status run(sweep *w, const dg_task *t, const axis *a, int axes, nn_dim points, json_t *file, const json_t *old, nn_err *err)
{
    nn_status s = NN_OK;
    for (nn_dim i = 0; i < points && !s; i++) {
        point p;
        dg_sweep_row row = { 0 };
        const json_t *measured = json_array_get(old, (size_t)i);
        const clock_t start = clock();
        s = make_point(&p, a, axes, i, &w->o->base, t->class_count, row.settings, err);
        p.o.replace = true;                                    /* the scratch file is ours */
        if (!s && measured) read_row(measured, t, &row);
        else if (!s) s = run_point(w, &p, &row, err);
        row.cpu_seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (!s) s = add_row(file, t, &row, err);
        if (!s && !measured) s = nn_json_write(w->o->out, file, err);
        if (!s && w->o->row) w->o->row(w->o->user, &row);
    }
    return s;
}

nn_status dg_sweep(const dg_task *t, const sg_model *m, const dg_sweep_options *o, const dg_progress *p, nn_err *err)
{
    sweep w = { .o = o, .m = m, .progress = p };
    axis *a = nn_alloc(KEYS_MAX * sizeof *a, "grid", err);
    nn_dim points = 1;
    nn_status s = a ? NN_OK : NN_ENOMEM;
    if (!s && o->grid_count > KEYS_MAX) s = nn_fail(err, NN_EINVAL, "grid: expected at most %d settings, found %zu", KEYS_MAX, o->grid_count);
    if (!s && o->repeats < 1) s = nn_fail(err, NN_EINVAL, "repeats: expected at least 1, found %d", o->repeats);
    for (size_t i = 0; i < o->grid_count && !s; i++) {
        s = parse_axis(&a[i], o->grid[i], err);
        for (size_t j = 0; j < i && !s; j++)
            if (a[i].key_size == a[j].key_size && !memcmp(a[i].key, a[j].key, a[i].key_size)) s = nn_fail(err, NN_EINVAL, "'%.64s': the setting is named twice", o->grid[i]);
        if (!s) points *= a[i].count;
        if (!s && points > POINTS_MAX) s = nn_fail(err, NN_EINVAL, "grid: expected at most %d points", POINTS_MAX);
    }
    for (nn_dim i = 0; i < points && !s; i++) {                /* all of it is read before hours are spent on some */
        point ignored;
        char text[DG_SWEEP_TEXT];
        s = make_point(&ignored, a, (int)o->grid_count, i, &o->base, t->class_count, text, err);
    }
    if (!s) s = open_sweep(&w, t, err);
    json_t *file = s ? NULL : describe(&w, t, err), *old = NULL;
    if (!s) s = file ? take_old(&w, file, &old, err) : err->status;
    if (!s) s = run(&w, t, a, (int)o->grid_count, points, file, old, err);
    json_decref(file);
    json_decref(old);
    nn_free(w.task.item);
    nn_free(w.turn);
    nn_free(w.all);
    nn_free(w.held);
    nn_free(a);
    return s;
}
