/* report_tables.c: numbers as text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/report.h"

static double which(const scores *s, int of) { return of == OF_MIOU ? s->miou : of == OF_OFFICIAL ? s->official : of == OF_FOREGROUND ? s->foreground : s->iou[of]; }

int report_spread(const method *m, int of, const bool *only, double *mean, double *sd)
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
    const int n = report_spread(m, of, only, &mean, &sd);
    if (n > 1) nn_format(to, CELL, "%.4f ± %.4f", mean, sd);
    else if (n) nn_format(to, CELL, "%.4f", mean);
    else nn_format(to, CELL, "–");
}

const char *report_title(const method *m)
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
    put_cell(t, row, column++, report_title(m));
    put_spread(t->cell[row][column++], m, OF_MIOU, NULL);
    put_spread(t->cell[row][column++], m, OF_OFFICIAL, NULL);
    for (int k = 0; k < r->classes; k++) put_spread(t->cell[row][column++], m, k, NULL);
    put_spread(t->cell[row][column++], m, OF_FOREGROUND, NULL);
    if (paired) put_spread(t->cell[row][column++], m, OF_MIOU, r->drawn);
}

void report_scores_table(const report *r, table *t, bool checkpoints)
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
void report_paper_table(table *t)
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
void report_known_table(table *t)
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
void report_times_table(const report *r, table *t)
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

void report_curve_table(const report *r, table *t)
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
