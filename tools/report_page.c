/* report_page.c: paragraphs and tables as Markdown or HTML; curves and rows of pictures, HTML alone. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deeplab/deeplab.h"
#include "nn/jpeg.h"
#include "tools/report.h"

enum { SHOWN = 6, SHOWN_PX = 300 };

void report_words(doc *d, const char *text)
{
    if (d->html) dg_page_put_escaped(&d->page, text);
    else dg_page_put(&d->page, text);
}

void report_heading(doc *d, const char *text)
{
    dg_page_put(&d->page, d->html ? "<h2>" : "## ");
    report_words(d, text);
    dg_page_put(&d->page, d->html ? "</h2>\n" : "\n\n");
}

void report_paragraph(doc *d, const char *text)
{
    if (d->html) dg_page_put(&d->page, "<p>");
    report_words(d, text);
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

void report_put_table(doc *d, const table *t)
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

void report_put_chart(doc *d, const report *r)
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
        if (!strcmp(m->name, "ours") || !nn_path_is_dir(path) || !report_spread(m, OF_MIOU, m->by_draw ? r->drawn : NULL, &mean, &sd) || !(mean > most)) continue;
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

void report_put_rows(doc *d, report *r, const char *folder)
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
    report_heading(d, "Pictures");
    report_paragraph(d, "Evenly chosen from fold 0, which no network below has seen: photograph, truth, ours, and the best of the others.");
    dg_page_put(&d->page, "<table class=\"rows\"><tr><th>photograph</th><th>truth</th><th>");
    dg_page_put_escaped(&d->page, report_title(shown[0]));
    if (shown[1]) dg_page_put(&d->page, "</th><th>");
    if (shown[1]) dg_page_put_escaped(&d->page, report_title(shown[1]));
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
