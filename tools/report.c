/* report.c: report.html (one file, no network) and report.md of what tools/reproduce.sh left.  Numbers come from the JSON files that
 * 'datasetgan segment eval' wrote (report_read.c); nothing is computed from predictions here.
 * usage: report OUT TASK VIEW FOLD0       OUT/runs.tsv: METHOD DRAW all|fold|checkpoints NAME */
#include <stdio.h>
#include <string.h>

#include "tools/report.h"

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
    report_heading(d, "Settings");
    dg_page_put(&d->page, d->html ? "<pre>" : "```\n");
    if (copy) report_words(d, copy);
    dg_page_put(&d->page, d->html ? "</pre>\n" : "```\n");
    nn_free(copy);
    nn_bytes_free(&text);
}

static void put_text(doc *d, report *r, const char *fold0)
{
    static table t;
    report_scores_table(r, &t, false);
    if (t.rows > 1) report_put_table(d, &t);
    if (t.rows > 1) report_paragraph(d, SCORES_ARE);
    report_scores_table(r, &t, true);
    if (t.rows > 1) {
        report_heading(d, "The paper's protocol");
        report_put_table(d, &t);
        report_paragraph(d, PAPER_IS);
    }
    report_heading(d, "Beside other figures");
    report_known_table(&t);
    report_put_table(d, &t);
    report_paragraph(d, "The paper's are of other tasks and networks: only the order of the methods and the distances between them compare.");
    report_paper_table(&t);
    report_put_table(d, &t);
    report_heading(d, "Learning curves");
    if (d->html) report_put_chart(d, r);
    report_curve_table(r, &t);
    report_put_table(d, &t);
    report_paragraph(d, CURVES_ARE);
    if (d->html) report_put_rows(d, r, fold0);
    report_heading(d, "Time");
    report_times_table(r, &t);
    report_put_table(d, &t);
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
    if (!s) report_read_runs(&r);
    if (!r.err.status && !write_doc(&r, "report.md", false, argv[4])) write_doc(&r, "report.html", true, argv[4]);
    dg_task_free(&task);
    return r.err.status ? fprintf(stderr, "report: %s\n", r.err.msg), 1 : 0;
}
