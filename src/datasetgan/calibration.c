/* calibration.c: is a class that the ensemble calls 90 % likely right nine times out of ten?  (Guo et al., On Calibration of Modern
 * Neural Networks, ICML 2017: reliability diagram, expected calibration error) */
#include "datasetgan/calibration.h"

#include <inttypes.h>
#include <math.h>

#include "datasetgan/page.h"

void dg_calibration_add(dg_calibration *c, const uint8_t *truth, const uint8_t *label, const float *mean, int classes, nn_dim pixels)
{
    for (nn_dim p = 0; p < pixels; p++) {
        if (truth[p] == NN_VOID) continue;
        const double confidence = fmin(fmax(mean[label[p] * pixels + p], 0.0), 1.0);
        const int place = (int)(confidence * DG_CALIBRATION_BINS), bin = place < DG_CALIBRATION_BINS ? place : DG_CALIBRATION_BINS - 1;
        c->pixels++;
        c->count[bin]++;
        c->right[bin] += truth[p] == label[p];
        c->confidence[bin] += confidence;
        for (int k = 0; k < classes; k++) {
            const double d = mean[k * pixels + p] - (k == truth[p] ? 1.0 : 0.0);
            c->brier += d * d;
        }
    }
}

void dg_calibration_finish(dg_calibration *c)
{
    double gap = 0.0;
    for (int b = 0; b < DG_CALIBRATION_BINS; b++) {
        if (!c->count[b]) continue;
        gap += fabs((double)c->right[b] - c->confidence[b]);
        c->confidence[b] /= (double)c->count[b];
    }
    c->ece = c->pixels ? gap / (double)c->pixels : NAN;
    c->brier = c->pixels ? c->brier / (double)c->pixels : NAN;
}

static double accuracy(const dg_calibration *c, int b) { return (double)c->right[b] / (double)c->count[b]; }
static double share(const dg_calibration *c, int b) { return (double)c->count[b] / (double)c->pixels; }

json_t *dg_calibration_json(const dg_calibration *c, nn_err *err)
{
    json_t *bins = json_array();
    bool ok = bins != NULL;
    for (int b = 0; b < DG_CALIBRATION_BINS; b++) {
        const bool some = c->count[b] > 0;
        json_t *v = json_pack("{s:f, s:f, s:I, s:o, s:o}", "from", (double)b / DG_CALIBRATION_BINS, "to", (b + 1.0) / DG_CALIBRATION_BINS, "pixels",
                              (json_int_t)c->count[b], "confidence", some ? json_real(c->confidence[b]) : json_null(), "accuracy",
                              some ? json_real(accuracy(c, b)) : json_null());
        ok = json_array_append_new(bins, v) == 0 && ok;
    }
    json_t *v = json_pack("{s:i, s:s, s:I, s:f, s:f, s:o}", "format", 1, "kind", "calibration", "pixels", (json_int_t)c->pixels, "ece", c->ece, "brier",
                          c->brier, "bins", bins);
    if (ok && v) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "calibration: not enough memory");
    return NULL;
}

/* ---- the page -------------------------------------------------------------------------------------------------------------- */

enum { SIDE = 420, LEFT = 60, TOP = 20, SHARES = 90, GAP = 46 };        /* of the plot, in SVG units */

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;margin:24px;max-width:60em;color:#222;background:#fff}\n"
    "table{border-collapse:collapse}td,th{padding:2px 14px 2px 0;text-align:right}svg{width:100%;max-width:540px;height:auto}\n"
    "text{font:12px system-ui,sans-serif;fill:#444}\n";

static void put_rect(dg_page *p, double x, double y, double w, double h, const char *fill)
{
    const double at[4] = { x, y, w, h };
    static const char *const name[4] = { "<rect x=\"", "\" y=\"", "\" width=\"", "\" height=\"" };
    for (int i = 0; i < 4; i++) {
        dg_page_put(p, name[i]);
        dg_page_put_decimal(p, at[i], 2);
    }
    dg_page_putf(p, "\" fill=\"%s\"/>\n", fill);
}

static void put_axes(dg_page *p)
{
    dg_page_putf(p, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#999\"/>\n", LEFT, TOP, SIDE, SIDE);
    dg_page_putf(p, "<path d=\"M%d %dL%d %d\" stroke=\"#444\" stroke-dasharray=\"5 4\"/>\n", LEFT, TOP + SIDE, LEFT + SIDE, TOP);
    for (int i = 0; i <= 5; i++) {
        const int x = LEFT + SIDE * i / 5, y = TOP + SIDE - SIDE * i / 5;
        dg_page_putf(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%d.%d</text>\n", x, TOP + SIDE + 16, i / 5, i % 5 * 2);
        dg_page_putf(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d.%d</text>\n", LEFT - 6, y + 4, i / 5, i % 5 * 2);
    }
    dg_page_putf(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">mean probability of the label</text>\n", LEFT + SIDE / 2, TOP + SIDE + 34);
    dg_page_putf(p, "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">share of labels that are right</text>\n", TOP + SIDE / 2);
    dg_page_putf(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">share of pixels, square root</text>\n", LEFT + SIDE / 2, TOP + SIDE + GAP + SHARES + 18);
}

/* Blue: how often labels of these probabilities are right.  Red: from there to the mean of the probabilities. */
static void put_plot(dg_page *p, const dg_calibration *c)
{
    const double w = (double)SIDE / DG_CALIBRATION_BINS;
    dg_page_putf(p, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"reliability diagram\">\n", LEFT + SIDE + 20, TOP + SIDE + GAP + SHARES + 26);
    for (int b = 0; b < DG_CALIBRATION_BINS; b++) {
        if (!c->count[b]) continue;
        const double right = accuracy(c, b), lo = fmin(right, c->confidence[b]), hi = fmax(right, c->confidence[b]), x = LEFT + b * w + 1.0;
        put_rect(p, x, TOP + SIDE * (1.0 - right), w - 2.0, SIDE * right, "#4a7fb5");
        put_rect(p, x, TOP + SIDE * (1.0 - hi), w - 2.0, SIDE * (hi - lo), "rgba(214,60,60,.55)");
        put_rect(p, x, TOP + SIDE + GAP + SHARES * (1.0 - sqrt(share(c, b))), w - 2.0, SHARES * sqrt(share(c, b)), "#999");
    }
    put_axes(p);
    dg_page_put(p, "</svg>\n");
}

static void put_table(dg_page *p, const dg_calibration *c)
{
    dg_page_put(p, "<table>\n<tr><th>probability</th><th>pixels</th><th>mean probability</th><th>right</th></tr>\n");
    for (int b = 0; b < DG_CALIBRATION_BINS; b++) {
        if (!c->count[b]) continue;
        dg_page_put(p, "<tr><td>");
        dg_page_put_decimal(p, (double)b / DG_CALIBRATION_BINS, 3);
        dg_page_put(p, " to ");
        dg_page_put_decimal(p, (b + 1.0) / DG_CALIBRATION_BINS, 3);
        dg_page_putf(p, "</td><td>%" PRIu64 "</td><td>", c->count[b]);
        dg_page_put_decimal(p, c->confidence[b], 4);
        dg_page_put(p, "</td><td>");
        dg_page_put_decimal(p, accuracy(c, b), 4);
        dg_page_put(p, "</td></tr>\n");
    }
    dg_page_put(p, "</table>\n");
}

nn_status dg_calibration_page(const dg_calibration *c, const char *task, nn_bytes *out, nn_err *err)
{
    dg_page_memory memory = { .err = err };
    dg_page page = { .write = dg_page_to_memory, .user = &memory }, *p = &page;
    dg_page_put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Calibration</title>\n<style>\n");
    dg_page_put(p, STYLE);
    dg_page_put(p, "</style>\n</head>\n<body>\n<h1>Calibration: ");
    dg_page_put_escaped(p, task);
    dg_page_putf(p, "</h1>\n<p>%" PRIu64 " annotated pixels. Expected calibration error ", c->pixels);
    dg_page_put_decimal(p, c->ece, 4);
    dg_page_putf(p, " (%d bins), Brier score ", DG_CALIBRATION_BINS);
    dg_page_put_decimal(p, c->brier, 4);
    dg_page_put(p, ".</p>\n<p>Bars on the dashed line: probabilities mean what they say. Red above a bar's end: too sure; red inside it: not sure enough.</p>\n");
    put_plot(p, c);
    put_table(p, c);
    dg_page_put(p, "</body>\n</html>\n");
    dg_page_flush(p);
    if (memory.status) nn_bytes_free(&memory.out);
    else *out = memory.out;
    return memory.status;
}
