/* report_read.c: the JSON files of make reproduce as methods with folds, draws and curves. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report.h"

static json_t *read_json(report *r, const char *folder, const char *name)
{
    char path[PATH];
    nn_format(path, sizeof path, "%s/%s/%s.json", r->out, folder, name);
    return nn_json_read(path, 1 << 24, &r->err);
}

static double number(const json_t *v, const char *key)
{
    const json_t *n = json_object_get(v, key);
    return json_is_number(n) ? json_number_value(n) : NAN;
}

static scores take(const report *r, const json_t *v)
{
    scores s = { number(v, "miou"), number(v, "official_miou"), number(v, "foreground_iou"), { 0 } };
    for (int k = 0; k < r->classes; k++) s.iou[k] = number(json_array_get(json_object_get(v, "classes"), (size_t)k), "iou");
    return s;
}

static void add_value(method *m, int fold, scores s)
{
    if (m->count >= VALUES) return;
    m->fold[m->count] = fold;
    m->value[m->count++] = s;
}

static int by_step(const void *a, const void *b)
{
    const double x = ((const point *)a)->at, y = ((const point *)b)->at;
    return (x > y) - (x < y);
}

/* Steps of the networks on the way, in order. */
static int list_steps(const report *r, const char *name, point out[POINTS])
{
    char path[PATH];
    int n = 0;
    nn_format(path, sizeof path, "%s/curves/%s", r->out, name);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && n < POINTS && (e = readdir(d));) {
        char *end;
        const long step = strtol(e->d_name, &end, 10);
        if (step > 0 && !strcmp(end, ".json")) out[n++] = (point){ (double)step, 0, 0 };
    }
    if (d) closedir(d);
    qsort(out, (size_t)n, sizeof *out, by_step);
    return n;
}

static json_t *read_step(report *r, const char *name, double step)
{
    char file[128];
    nn_format(file, sizeof file, "%s/%.0f", name, step);
    return read_json(r, "curves", file);
}

/* The mean over draws, step by step. */
static void add_curve(report *r, method *m, const char *name)
{
    point step[POINTS];
    const int n = list_steps(r, name, step);
    for (int i = 0; i < n && !r->err.status; i++) {
        json_t *v = read_step(r, name, step[i].at);
        int j = 0;
        while (j < m->point_count && m->curve[j].at != step[i].at) j++;
        if (j == m->point_count && j < POINTS) m->curve[m->point_count++] = (point){ step[i].at, 0, 0 };
        if (j < POINTS && v) {
            m->curve[j].miou += (number(v, "miou") - m->curve[j].miou) / (m->curve[j].count + 1);
            m->curve[j].count++;
        }
        json_decref(v);
    }
}

static void add_confusion(nn_confusion *to, const json_t *v)
{
    const json_t *rows = json_object_get(v, "confusion");
    for (int t = 0; t < to->classes; t++)
        for (int p = 0; p < to->classes; p++)
            to->count[t * to->classes + p] += (uint64_t)json_integer_value(json_array_get(json_array_get(rows, (size_t)t), (size_t)p));
}

/* The paper's choice: each fold in turn chooses the checkpoint (first of equals), which is scored on the other folds together. */
static void choose_checkpoints(report *r, method *m, const char *name)
{
    point step[POINTS];
    static json_t *v[POINTS];
    static nn_confusion c;
    static nn_scores s;
    const int n = list_steps(r, name, step);
    for (int i = 0; i < n; i++) v[i] = read_step(r, name, step[i].at);
    const size_t folds = n && v[0] ? json_array_size(json_object_get(v[0], "folds")) : 0;
    for (size_t f = 0; f < folds && !r->err.status; f++) {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (number(json_array_get(json_object_get(v[i], "folds"), f), "miou") > number(json_array_get(json_object_get(v[best], "folds"), f), "miou")) best = i;
        memset(&c, 0, sizeof c);
        c.classes = r->classes;
        for (size_t g = 0; g < folds; g++) if (g != f) add_confusion(&c, json_array_get(json_object_get(v[best], "folds"), g));
        nn_confusion_scores(&c, &s);
        scores one = { s.miou, s.official, s.foreground, { 0 } };
        for (int k = 0; k < r->classes; k++) one.iou[k] = s.iou[k];
        add_value(m, (int)f, one);
    }
    for (int i = 0; i < n; i++) json_decref(v[i]);
}

static method *find_method(report *r, const char *name)
{
    for (int i = 0; i < r->method_count; i++) if (!strcmp(r->at[i].name, name)) return &r->at[i];
    if (r->method_count == METHODS) return NULL;
    method *m = &r->at[r->method_count++];
    nn_format(m->name, sizeof m->name, "%s", name);
    return m;
}

static void add_run(report *r, const char *name, int draw, const char *kind, const char *net)
{
    method *m = find_method(r, name);
    if (!m) { nn_fail(&r->err, NN_EFORMAT, "runs.tsv: more than %d methods", METHODS); return; }
    if (!m->net[0]) nn_format(m->net, sizeof m->net, "%s", net);
    if (!strcmp(kind, "checkpoints")) {
        m->checkpoints = true;
        choose_checkpoints(r, m, net);
        add_curve(r, m, net);
        return;
    }
    json_t *v = read_json(r, "scores", net);
    if (!v) return;
    if (!strcmp(kind, "fold")) {
        m->by_draw = true;
        if (draw >= 0 && draw < VALUES) r->drawn[draw] = true;
        add_value(m, draw, take(r, v));
    } else {
        m->all = take(r, v);
        for (size_t f = 0; f < json_array_size(json_object_get(v, "folds")); f++) add_value(m, (int)f, take(r, json_array_get(json_object_get(v, "folds"), f)));
    }
    json_decref(v);
    add_curve(r, m, net);
}

void report_read_runs(report *r)
{
    char path[PATH], line[256];
    nn_format(path, sizeof path, "%s/runs.tsv", r->out);
    FILE *f = fopen(path, "r");
    if (!f) { nn_fail(&r->err, NN_EIO, "%s: cannot be read", path); return; }
    while (!r->err.status && fgets(line, sizeof line, f)) {
        char name[48], kind[16], net[64];
        int draw;
        if (sscanf(line, "%47s %d %15s %63s", name, &draw, kind, net) == 4) add_run(r, name, draw, kind, net);
        else nn_fail(&r->err, NN_EFORMAT, "%s: expected METHOD DRAW KIND NAME, found %.64s", path, line);
    }
    fclose(f);
}
