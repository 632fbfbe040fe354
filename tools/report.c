/* report.c: report.html (one file, no network) and report.md of what tools/reproduce.sh left.  Numbers come from the JSON files that
 * 'datasetgan segment eval' wrote; nothing is computed from predictions here.
 * usage: report OUT TASK VIEW FOLD0       OUT/runs.tsv: METHOD DRAW all|fold|checkpoints NAME */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/datasetgan.h"
#include "datasetgan/page.h"
#include "deeplab/deeplab.h"
#include "nn/jpeg.h"
#include "nn/json.h"

enum { METHODS = 16, VALUES = 64, POINTS = 128, COLUMNS = 12, ROWS = 24, CELL = 96, CLASSES = 8, PATH = 4096, SHOWN = 6, SHOWN_PX = 300 };

/* Scores of one network on one set of photographs. */
typedef struct { double miou, official, foreground, iou[CLASSES]; } scores;
typedef struct { double at, miou; int count; } point;
/* What is known of one method: its folds, or its draws (draw d on fold d). */
typedef struct {
    char name[48], net[64];          /* net: of draw 0 */
    bool by_draw, checkpoints;
    int count, fold[VALUES];
    scores value[VALUES];
    scores all;                      /* by_draw: not known */
    int point_count;
    point curve[POINTS];
} method;

typedef struct { int columns, rows; char cell[ROWS][COLUMNS][CELL]; } table;

typedef struct {
    const char *out;
    int classes, method_count;
    dg_map view;
    method at[METHODS];
    bool drawn[VALUES];              /* folds that the draws are scored on */
    nn_err err;
} report;

/* ---- reading ------------------------------------------------------------------------------------------------------------------------- */

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

static void read_runs(report *r)
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

/* ---- numbers as text ------------------------------------------------------------------------------------------------------------------- */

enum { OF_MIOU = -3, OF_OFFICIAL = -2, OF_FOREGROUND = -1 };

static double which(const scores *s, int of) { return of == OF_MIOU ? s->miou : of == OF_OFFICIAL ? s->official : of == OF_FOREGROUND ? s->foreground : s->iou[of]; }

/* Mean and deviation (n - 1) over folds or draws; only those whose fold is in `only` unless NULL. */
static int spread(const method *m, int of, const bool *only, double *mean, double *sd)
{
    double sum = 0.0, square = 0.0;
    int n = 0;
    for (int i = 0; i < m->count; i++)
        if (!only || only[m->fold[i]]) {
            sum += which(&m->value[i], of);
            n++;
        }
    *mean = n ? sum / n : NAN;
    for (int i = 0; i < m->count; i++)
        if (!only || only[m->fold[i]]) square += (which(&m->value[i], of) - *mean) * (which(&m->value[i], of) - *mean);
    *sd = n > 1 ? sqrt(square / (n - 1)) : NAN;
    return n;
}

static void put_spread(char to[CELL], const method *m, int of, const bool *only)
{
    double mean, sd;
    const int n = spread(m, of, only, &mean, &sd);
    if (n > 1) nn_format(to, CELL, "%.4f ± %.4f", mean, sd);
    else if (n) nn_format(to, CELL, "%.4f", mean);
    else nn_format(to, CELL, "–");
}

static const char *title(const method *m)
{
    static char text[CELL];
    static const struct { const char *name, *title; } known[] = {
        { "ours", "DatasetGAN (ours)" }, { "transfer", "transfer: the annotated generated pictures alone" }, { "semi", "semi-supervised: pseudo-labels" },
        { "supervised-all", "fully supervised, every real picture of the other folds" }, { "paper", "the paper's protocol: checkpoint chosen by each fold" } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (!strcmp(m->name, known[i].name)) return known[i].title;
    if (!strncmp(m->name, "supervised-", 11)) nn_format(text, sizeof text, "fully supervised, k = %s real picture%s", m->name + 11, strcmp(m->name + 11, "1") ? "s" : "");
    else nn_format(text, sizeof text, "%s", m->name);
    return text;
}

static void put_cell(table *t, int row, int column, const char *text) { nn_format(t->cell[row][column], CELL, "%s", text); }

static void start_table(table *t, const char *const *head, int columns)
{
    *t = (table){ .columns = columns, .rows = 1 };
    for (int i = 0; i < columns; i++) put_cell(t, 0, i, head[i]);
}

static void add_row(const report *r, table *t, const method *m, bool paired)
{
    const int row = t->rows++;
    int column = 0;
    put_cell(t, row, column++, title(m));
    put_spread(t->cell[row][column++], m, OF_MIOU, NULL);
    put_spread(t->cell[row][column++], m, OF_OFFICIAL, NULL);
    for (int k = 0; k < r->classes; k++) put_spread(t->cell[row][column++], m, k, NULL);
    put_spread(t->cell[row][column++], m, OF_FOREGROUND, NULL);
    if (paired) put_spread(t->cell[row][column++], m, OF_MIOU, r->drawn);
}

static void scores_table(const report *r, table *t, bool checkpoints)
{
    const char *head[COLUMNS] = { "Trained on", "mIoU (standard)", "mIoU (official)" };
    int n = 3;
    for (int k = 0; k < r->classes; k++) head[n++] = r->view.class_at[k].name;
    head[n++] = "whole cell";
    if (!checkpoints) head[n++] = "mIoU, same folds as the draws";
    start_table(t, head, n);
    for (int i = 0; i < r->method_count && t->rows < ROWS; i++) if (r->at[i].checkpoints == checkpoints) add_row(r, t, &r->at[i], !checkpoints);
}

/* Zhang et al. 2021, table 1 (mIoU, percent); later: "Ours-Fix" of the released code's README, September 2021. */
static void paper_table(table *t)
{
    static const char *const rows[][9] = {
        { "The paper's table 1 (mIoU, %)", "ADE-Car-12", "ADE-Car-5", "Car-20", "CelebA-Mask-8", "Face-34", "Bird-11", "Cat-16", "Bedroom-19" },
        { "transfer learning", "24.85", "44.92", "33.91 ± 0.57", "62.83", "45.77 ± 1.51", "21.33 ± 1.32", "21.58 ± 0.61", "22.52 ± 1.57" },
        { "semi-supervised", "28.68", "45.07", "44.51 ± 0.94", "63.36", "48.17 ± 0.66", "25.04 ± 0.29", "24.85 ± 0.35", "30.15 ± 0.52" },
        { "DatasetGAN (paper)", "45.64", "57.77", "62.33 ± 0.55", "70.01", "53.46 ± 1.21", "36.76 ± 2.11", "31.26 ± 0.71", "36.83 ± 0.54" },
        { "DatasetGAN (released code, 2021)", "47.87", "–", "67.53 ± 2.58", "–", "54.55 ± 0.25", "–", "32.63 ± 0.68", "–" } };
    start_table(t, rows[0], 9);
    for (int i = 1; i < 5; i++, t->rows++) for (int c = 0; c < 9; c++) put_cell(t, i, c, rows[i][c]);
}

/* ../shared/data/README.md: one run of an independent PyTorch programme on the same photographs, and floors without any training. */
static void known_table(table *t)
{
    static const char *const rows[][6] = {
        { "White blood cells, other figures (one run each)", "background", "cytoplasm", "nucleus", "mIoU", "whole cell" },
        { "reference run: DatasetGAN", ".924", ".599", ".872", ".798", ".771" }, { "reference run: transfer", ".932", ".626", ".887", ".815", ".791" },
        { "reference run: 1 real picture (44 others)", ".831", ".398", ".856", ".695", ".590" },
        { "reference run: 4 real pictures (44 others)", ".967", ".783", ".930", ".893", ".880" },
        { "reference run: 16 real pictures (44 others)", ".978", ".847", ".904", ".910", ".923" },
        { "no training: threshold on green", "–", "–", ".76", "–", ".43" }, { "no training: centred disc", "–", "–", "–", "–", ".68" } };
    start_table(t, rows[0], 6);
    for (int i = 1; i < 8; i++, t->rows++) for (int c = 0; c < 6; c++) put_cell(t, i, c, rows[i][c]);
}

/* "NAME<tab>SECONDS<tab>PROCESSOR SECONDS" a line; steps of one kind (up to the first '-') together. */
static void times_table(report *r, table *t)
{
    static const char *const head[] = { "Step", "runs", "seconds", "processor seconds" };
    char path[PATH], line[256];
    double wall[ROWS] = { 0 }, cpu[ROWS] = { 0 };
    int runs[ROWS] = { 0 };
    start_table(t, head, 4);
    nn_format(path, sizeof path, "%s/times.tsv", r->out);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        char name[CELL];
        double a, b;
        int row = 1;
        if (sscanf(line, "%95s %lf %lf", name, &a, &b) != 3) continue;
        name[strcspn(name, "-")] = '\0';
        while (row < t->rows && strcmp(t->cell[row][0], name)) row++;
        if (row == ROWS) continue;
        if (row == t->rows) { put_cell(t, row, 0, name); t->rows++; }
        wall[row] += a;
        cpu[row] += b;
        runs[row]++;
    }
    if (f) fclose(f);
    for (int row = 1; row < t->rows; row++) {
        nn_format(t->cell[row][1], CELL, "%d", runs[row]);
        nn_format(t->cell[row][2], CELL, "%.0f", wall[row]);
        nn_format(t->cell[row][3], CELL, "%.0f", cpu[row]);
    }
}

static void curve_table(const report *r, table *t)
{
    const char *head[COLUMNS] = { "Steps" };
    int n = 1;
    const method *longest = NULL;
    for (int i = 0; i < r->method_count && n < COLUMNS; i++) {
        const method *m = &r->at[i];
        if (m->checkpoints || !m->point_count) continue;
        head[n++] = m->name;
        if (!longest || m->point_count > longest->point_count) longest = m;
    }
    start_table(t, head, n);
    for (int p = 0; longest && p < longest->point_count && t->rows < ROWS; p++) {
        const int row = t->rows++;
        int column = 1;
        nn_format(t->cell[row][0], CELL, "%.0f", longest->curve[p].at);
        for (int i = 0; i < r->method_count && column < n; i++) {
            const method *m = &r->at[i];
            if (m->checkpoints || !m->point_count) continue;
            nn_format(t->cell[row][column], CELL, "–");
            for (int q = 0; q < m->point_count; q++)
                if (m->curve[q].at == longest->curve[p].at) nn_format(t->cell[row][column], CELL, "%.4f", m->curve[q].miou);
            column++;
        }
    }
}

/* ---- one text, two forms ------------------------------------------------------------------------------------------------------------------- */

typedef struct { dg_page page; dg_page_memory memory; bool html; } doc;

static void words(doc *d, const char *text)
{
    if (d->html) dg_page_put_escaped(&d->page, text);
    else dg_page_put(&d->page, text);
}

static void heading(doc *d, const char *text)
{
    dg_page_put(&d->page, d->html ? "<h2>" : "## ");
    words(d, text);
    dg_page_put(&d->page, d->html ? "</h2>\n" : "\n\n");
}

static void paragraph(doc *d, const char *text)
{
    if (d->html) dg_page_put(&d->page, "<p>");
    words(d, text);
    dg_page_put(&d->page, d->html ? "</p>\n" : "\n\n");
}

static void md_table(dg_page *p, const table *t)
{
    for (int row = 0; row < t->rows; row++) {
        dg_page_put(p, "|");
        for (int c = 0; c < t->columns; c++) dg_page_putf(p, " %s |", t->cell[row][c]);
        dg_page_put(p, "\n");
        for (int c = 0; c < t->columns && !row; c++) dg_page_put(p, c ? "---|" : "|---|");
        if (!row) dg_page_put(p, "\n");
    }
    dg_page_put(p, "\n");
}

static void html_table(dg_page *p, const table *t)
{
    dg_page_put(p, "<table>\n");
    for (int row = 0; row < t->rows; row++) {
        dg_page_put(p, "<tr>");
        for (int c = 0; c < t->columns; c++) {
            dg_page_put(p, row ? "<td>" : "<th>");
            dg_page_put_escaped(p, t->cell[row][c]);
            dg_page_put(p, row ? "</td>" : "</th>");
        }
        dg_page_put(p, "</tr>\n");
    }
    dg_page_put(p, "</table>\n");
}

static void put_table(doc *d, const table *t)
{
    if (d->html) html_table(&d->page, t);
    else md_table(&d->page, t);
}

/* ---- curves as SVG -------------------------------------------------------------------------------------------------------------------------- */

static const char *const colour[] = { "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222222" };      /* Tol's bright scheme */
enum { CHART_W = 760, CHART_H = 320, LEFT = 40, RIGHT = 250, TOP = 10, BOTTOM = 30 };

static void put_line(doc *d, const method *m, int number, double most, double low)
{
    const char *stroke = colour[number % 8];
    char text[CELL];
    dg_page_putf(&d->page, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", stroke);
    for (int i = 0; i < m->point_count; i++) {
        nn_format(text, sizeof text, "%.1f,%.1f ", LEFT + m->curve[i].at / most * (CHART_W - LEFT - RIGHT),
                  TOP + (1.0 - (m->curve[i].miou - low) / (1.0 - low)) * (CHART_H - TOP - BOTTOM));
        dg_page_put(&d->page, text);
    }
    const int y = TOP + 12 + 18 * number;
    dg_page_putf(&d->page, "\"/><line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke-width=\"2\" stroke=\"%s\"/><text x=\"%d\" y=\"%d\">", CHART_W - RIGHT + 20,
                 CHART_W - RIGHT + 40, y - 4, y - 4, stroke, CHART_W - RIGHT + 46, y);
    dg_page_put_escaped(&d->page, m->name);
    dg_page_put(&d->page, "</text>\n");
}

static void put_chart(doc *d, const report *r)
{
    double most = 1, low = 1;
    for (int i = 0; i < r->method_count; i++)
        for (int p = 0; p < r->at[i].point_count; p++) {
            if (r->at[i].curve[p].at > most) most = r->at[i].curve[p].at;
            if (r->at[i].curve[p].miou < low) low = r->at[i].curve[p].miou;
        }
    low = fmin(0.9, floor(10 * low) / 10);
    dg_page_putf(&d->page, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-size=\"12\" role=\"img\" aria-label=\"learning curves\">\n", CHART_W, CHART_H, CHART_W, CHART_H);
    for (int tenth = (int)(10 * low + 0.5); tenth <= 10; tenth++) {
        const int y = TOP + (int)((1.0 - (tenth / 10.0 - low) / (1.0 - low)) * (CHART_H - TOP - BOTTOM) + 0.5);
        dg_page_putf(&d->page, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/><text x=\"8\" y=\"%d\">%d.%d</text>\n", LEFT, CHART_W - RIGHT, y, y, y + 4,
                     tenth / 10, tenth % 10);
    }
    for (int i = 0; i < r->method_count; i++) put_line(d, &r->at[i], i, most, low);
    dg_page_putf(&d->page, "<text x=\"%d\" y=\"%d\">0</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f steps</text></svg>\n", LEFT, CHART_H - 8, CHART_W - RIGHT,
                 CHART_H - 8, most);
}

/* ---- rows of pictures ------------------------------------------------------------------------------------------------------------------------ */

/* To SHOWN_PX pixels at most: pictures as segmentation sees them (antialiased), labels by the nearest pixel. */
static nn_status shrink(const nn_image *im, bool label, nn_image *out, nn_err *err)
{
    const nn_dim longest = im->width > im->height ? im->width : im->height, c = im->channels;
    const nn_dim w = longest <= SHOWN_PX ? im->width : (im->width * SHOWN_PX + longest - 1) / longest;
    const nn_dim h = longest <= SHOWN_PX ? im->height : (im->height * SHOWN_PX + longest - 1) / longest;
    real *x = nn_alloc((size_t)((im->width * im->height + w * h) * c) * sizeof *x, "a picture", err), *y = x ? x + im->width * im->height * c : NULL;
    nn_status s = x ? nn_image_make(out, w, h, c, err) : NN_ENOMEM;
    for (nn_dim i = 0; i < im->width * im->height * c && !s; i++) x[i] = im->pixels[i];
    if (!s && !label) s = dl_resize_picture(y, x, im->height, im->width, c, h, w, err);
    for (nn_dim i = 0; i < w * h * c && !s; i++)
        out->pixels[i] = label ? im->pixels[i / w * im->height / h * im->width + i % w * im->width / w] : (uint8_t)(y[i] + (real)0.5);
    nn_free(x);
    return s;
}

static void put_picture(doc *d, report *r, const char *path, bool label, const uint8_t *map)
{
    nn_image im = { 0 }, small = { 0 };
    nn_bytes png = { 0 };
    nn_palette palette = { .count = 256 };
    for (int k = 0; k < r->classes; k++) memcpy(palette.rgb[k], r->view.class_at[k].rgb, 3);
    nn_status s = label ? nn_png_read_labels(path, &im, &r->err) : nn_picture_read(path, &im, &r->err);
    if (!s) s = shrink(&im, label, &small, &r->err);
    for (nn_dim i = 0; i < small.width * small.height && map && !s; i++) small.pixels[i] = map[small.pixels[i]];
    if (!s) s = nn_png_encode(&small, label ? &palette : NULL, &png, &r->err);
    if (!s) {
        dg_page_put(&d->page, "<td><img alt=\"\" src=\"data:image/png;base64,");
        dg_page_put_base64(&d->page, png.data, png.size);
        dg_page_put(&d->page, "\"></td>");
    }
    nn_bytes_free(&png);
    nn_image_free(&im);
    nn_image_free(&small);
}

/* Of the others that have predictions of fold 0, the one of the highest mean on the draws' folds. */
static const method *best_baseline(const report *r)
{
    const method *best = NULL;
    double most = -1, mean, sd;
    for (int i = 0; i < r->method_count; i++) {
        const method *m = &r->at[i];
        char path[PATH];
        nn_format(path, sizeof path, "%s/rows/%s", r->out, m->net);
        if (!strcmp(m->name, "ours") || !nn_path_is_dir(path) || !spread(m, OF_MIOU, m->by_draw ? r->drawn : NULL, &mean, &sd) || !(mean > most)) continue;
        most = mean;
        best = m;
    }
    return best;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* Predictions of ours are in the task's ids when it has more classes than the view. */
static void put_row(doc *d, report *r, const char *folder, const char *stem, const method *const *shown)
{
    char path[PATH];
    uint8_t same[256];
    for (int i = 0; i < 256; i++) same[i] = (uint8_t)i;
    dg_page_put(&d->page, "<tr>");
    nn_format(path, sizeof path, "%s/%s.png", folder, stem);
    put_picture(d, r, path, false, NULL);
    nn_format(path, sizeof path, "%s/%s_label.png", folder, stem);
    put_picture(d, r, path, true, same);
    for (int i = 0; i < 2 && shown[i]; i++) {
        nn_format(path, sizeof path, "%s/rows/%s/%s.png", r->out, shown[i]->net, stem);
        put_picture(d, r, path, true, shown[i]->by_draw ? same : r->view.map);
    }
    dg_page_put(&d->page, "</tr>\n");
}

static void put_rows(doc *d, report *r, const char *folder)
{
    static char stem[4096][64];
    const method *shown[2] = { NULL, best_baseline(r) };
    int n = 0;
    for (int i = 0; i < r->method_count; i++) if (!strcmp(r->at[i].name, "ours")) shown[0] = &r->at[i];
    if (!shown[0]) return;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && n < 4096 && (e = readdir(dir));) {
        const size_t length = strlen(e->d_name);
        if (length > 10 && length < 64 && !strcmp(e->d_name + length - 10, "_label.png")) nn_format(stem[n++], length - 9, "%s", e->d_name);
    }
    if (dir) closedir(dir);
    qsort(stem, (size_t)n, sizeof *stem, by_name);
    heading(d, "Pictures");
    paragraph(d, "Evenly chosen from fold 0, which no network below has seen: photograph, truth, ours, and the best of the others.");
    dg_page_put(&d->page, "<table class=\"rows\"><tr><th>photograph</th><th>truth</th><th>");
    dg_page_put_escaped(&d->page, title(shown[0]));
    if (shown[1]) dg_page_put(&d->page, "</th><th>");
    if (shown[1]) dg_page_put_escaped(&d->page, title(shown[1]));
    dg_page_put(&d->page, "</th></tr>\n");
    const int rows = n < SHOWN ? n : SHOWN;
    for (int i = 0; i < rows && !r->err.status; i++) put_row(d, r, folder, stem[i * n / rows], shown);
    dg_page_put(&d->page, "</table>\n<p>");
    for (int k = 0; k < r->classes; k++) {
        const uint8_t *c = r->view.class_at[k].rgb;
        dg_page_putf(&d->page, "<span class=\"swatch\" style=\"background:#%02x%02x%02x\"></span>", c[0], c[1], c[2]);
        dg_page_put_escaped(&d->page, r->view.class_at[k].name);
        dg_page_put(&d->page, " ");
    }
    dg_page_put(&d->page, "</p>\n");
}

/* ---- the text ----------------------------------------------------------------------------------------------------------------------------------- */

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem 1.5rem;max-width:1300px;background:#fafafa;color:#222}\n"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.4rem 0 .3rem}table{border-collapse:collapse}\n"
    "td,th{padding:.1rem .8rem .1rem 0;text-align:right}td:first-child,th:first-child{text-align:left}pre{white-space:pre-wrap}\n"
    ".rows td{padding:2px}.rows img{width:220px;display:block}.rows th{text-align:left}\n"
    ".swatch{display:inline-block;width:1em;height:1em;border:1px solid #888;vertical-align:-.15em;margin:0 .4em 0 .8em}\n";

static const char SCORES_ARE[] =
    "Every pixel of every photograph counts, at its own size. Picture i is in fold i mod the number of folds. Methods that see no real label: mean ± sd over "
    "the folds. Fully supervised: mean ± sd over draws; draw d learns from k pictures outside fold d and is scored on fold d; the last column shows the other methods on "
    "these folds alone. All networks: the same form, steps, batch and augmentation (settings below), the last averaged weights. mIoU (standard): mean over "
    "the classes present; (official): as the released code, absent classes count 0. Whole cell: everything that is not the first class, as one.";
static const char PAPER_IS[] =
    "A checkpoint an epoch; each fold in turn chooses one, which is scored on all other folds together: mean ± sd over the choices. Real labels choose here, as in the paper; "
    "no flips, no augmentation.";
static const char CURVES_ARE[] =
    "mIoU on the photographs that the method is scored on, one pass without flips, mean over draws. For show: nothing was chosen by it.";

static void put_settings(doc *d, report *r)
{
    char path[PATH];
    nn_bytes text = { 0 };
    nn_format(path, sizeof path, "%s/settings.txt", r->out);
    if (nn_file_read(path, 1 << 20, &text, &r->err)) return;
    char *copy = nn_alloc(text.size + 1, "settings", &r->err);
    if (copy) memcpy(copy, text.data, text.size);
    heading(d, "Settings");
    dg_page_put(&d->page, d->html ? "<pre>" : "```\n");
    if (copy) words(d, copy);
    dg_page_put(&d->page, d->html ? "</pre>\n" : "```\n");
    nn_free(copy);
    nn_bytes_free(&text);
}

static void put_text(doc *d, report *r, const char *fold0)
{
    static table t;
    scores_table(r, &t, false);
    if (t.rows > 1) put_table(d, &t);
    if (t.rows > 1) paragraph(d, SCORES_ARE);
    scores_table(r, &t, true);
    if (t.rows > 1) {
        heading(d, "The paper's protocol");
        put_table(d, &t);
        paragraph(d, PAPER_IS);
    }
    heading(d, "Beside other figures");
    known_table(&t);
    put_table(d, &t);
    paragraph(d, "The paper's are of other tasks and networks: only the order of the methods and the distances between them compare.");
    paper_table(&t);
    put_table(d, &t);
    heading(d, "Learning curves");
    if (d->html) put_chart(d, r);
    curve_table(r, &t);
    put_table(d, &t);
    paragraph(d, CURVES_ARE);
    if (d->html) put_rows(d, r, fold0);
    heading(d, "Time");
    times_table(r, &t);
    put_table(d, &t);
    put_settings(d, r);
}

static nn_status write_doc(report *r, const char *name, bool html, const char *fold0)
{
    char path[PATH];
    doc d = { .html = html, .memory = { .err = &r->err } };
    d.page = (dg_page){ .write = dg_page_to_memory, .user = &d.memory };
    nn_format(path, sizeof path, "%s/%s", r->out, name);
    if (html) dg_page_put(&d.page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>DatasetGAN on real photographs</title>\n<style>\n");
    if (html) dg_page_put(&d.page, STYLE);
    dg_page_put(&d.page, html ? "</style>\n</head>\n<body>\n<h1>DatasetGAN on real photographs</h1>\n" : "# DatasetGAN on real photographs\n\n");
    put_text(&d, r, fold0);
    if (html) dg_page_put(&d.page, "</body>\n</html>\n");
    dg_page_flush(&d.page);
    nn_status s = r->err.status ? r->err.status : d.memory.status;
    if (!s) s = nn_file_write(path, d.memory.out.data, d.memory.out.size, &r->err);
    nn_bytes_free(&d.memory.out);
    return s;
}

int main(int argc, char **argv)
{
    static report r;
    static dg_task task;
    if (argc != 5) return fprintf(stderr, "usage: report OUT TASK VIEW FOLD0\n"), 2;
    r.out = argv[1];
    nn_status s = dg_task_read(&task, argv[2], &r.err);
    if (!s) s = dg_task_view(&task, argv[3], &r.view, &r.err);
    r.classes = r.view.class_count;
    if (!s && r.classes > CLASSES) s = nn_fail(&r.err, NN_EINVAL, "%s: a view of %d classes at most, found %d", argv[2], CLASSES, r.classes);
    if (!s) read_runs(&r);
    if (!r.err.status && !write_doc(&r, "report.md", false, argv[4])) write_doc(&r, "report.html", true, argv[4]);
    dg_task_free(&task);
    return r.err.status ? fprintf(stderr, "report: %s\n", r.err.msg), 1 : 0;
}
