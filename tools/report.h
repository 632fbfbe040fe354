/* report.h: what the parts of the report (report*.c) share. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include "datasetgan/datasetgan.h"
#include "datasetgan/page.h"
#include "nn/json.h"

enum { METHODS = 16, VALUES = 64, POINTS = 128, COLUMNS = 12, ROWS = 24, CELL = 96, CLASSES = 8, PATH = 4096 };

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

/* ---- report_read.c: OUT's files ---- */

/* runs.tsv, and the scores and checkpoints that it names; a failure is r->err. */
void report_read_runs(report *r);

/* ---- report_tables.c ---- */

enum { OF_MIOU = -3, OF_OFFICIAL = -2, OF_FOREGROUND = -1 };            /* a score; 0 and up: the IoU of that class */

/* Mean and deviation (n - 1) over folds or draws; only those whose fold is in `only` unless NULL.  Returns how many. */
int report_spread(const method *m, int of, const bool *only, double *mean, double *sd);
/* A method in words; valid until the next call. */
const char *report_title(const method *m);
/* Methods that chose a checkpoint, or the others. */
void report_scores_table(const report *r, table *t, bool checkpoints);
void report_curve_table(const report *r, table *t);
void report_times_table(const report *r, table *t);
/* Figures from elsewhere: the paper's table 1, and ../shared/data/README.md. */
void report_paper_table(table *t);
void report_known_table(table *t);

/* ---- report_page.c: one text, two forms ---- */

typedef struct { dg_page page; dg_page_memory memory; bool html; } doc;

void report_words(doc *d, const char *text);
void report_heading(doc *d, const char *text);
void report_paragraph(doc *d, const char *text);
void report_put_table(doc *d, const table *t);
/* HTML only: learning curves as SVG; rows of photograph, truth, ours and the best of the others from the folder of fold 0. */
void report_put_chart(doc *d, const report *r);
void report_put_rows(doc *d, report *r, const char *folder);

#endif
