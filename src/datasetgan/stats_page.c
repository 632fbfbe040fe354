/* stats_page.c: the statistics of a dataset as one HTML page that needs nothing else: no network, no other file. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "datasetgan/page.h"
#include "datasetgan/stats.h"

enum { THUMB_PX = 96 };

typedef struct {
    const dg_stats *s;
    const dg_set *set;
    const uint64_t *shown;
    nn_dim count, factor;            /* factor: pictures are reduced by it */
    dg_page page;
    dg_page_memory memory;
    nn_err *err;
} builder;

/* ---- thumbnails --------------------------------------------------------------------------------------------------------------- */

/* Means of factor x factor blocks, what is left at the right and bottom cut off; labels take the middle of each block. */
static nn_status reduce(const nn_image *im, nn_dim factor, bool label, nn_image *out, nn_err *err)
{
    const nn_dim w = im->width / factor, h = im->height / factor, c = im->channels;
    const nn_status s = nn_image_make(out, w, h, c, err);
    if (s) return s;
    for (nn_dim i = 0; i < w * h * c; i++) {
        const nn_dim y = i / (w * c) * factor, x = i / c % w * factor;
        nn_dim sum = 0;
        for (nn_dim k = 0; k < factor * factor && !label; k++) sum += im->pixels[((y + k / factor) * im->width + x + k % factor) * c + i % c];
        out->pixels[i] = (uint8_t)(label ? im->pixels[(y + factor / 2) * im->width + x + factor / 2] : (sum + factor * factor / 2) / (factor * factor));
    }
    return NN_OK;
}

static nn_status put_picture(builder *b, const nn_image *im, bool label, const nn_palette *palette)
{
    nn_image small = { 0 };
    nn_bytes png = { 0 };
    nn_status s = reduce(im, b->factor, label, &small, b->err);
    if (!s) s = nn_png_encode(&small, palette, &png, b->err);
    if (!s) {
        dg_page_put(&b->page, label ? "<img class=\"label\" alt=\"label\" src=\"data:image/png;base64," : "<img alt=\"picture\" src=\"data:image/png;base64,");
        dg_page_put_base64(&b->page, png.data, png.size);
        dg_page_put(&b->page, "\">");
    }
    nn_bytes_free(&png);
    nn_image_free(&small);
    return s;
}

/* The script finds a sample's numbers in its attributes: the uncertainty, and each class's share of the pixels in percent. */
static nn_status put_thumb(builder *b, const dg_sample *sample, const nn_palette *palette)
{
    dg_pair pair;
    dg_page *p = &b->page;
    nn_status s = dg_pair_read(&pair, b->set, sample, b->err);
    if (s) return s;
    dg_page_put(p, "<figure data-u=\"");
    dg_page_put_decimal(p, sample->uncertainty, 6);
    dg_page_put(p, "\" data-share=\"");
    for (int c = 0; c < b->s->class_count; c++) {
        if (c) dg_page_put(p, " ");
        dg_page_put_decimal(p, 100.0 * (double)sample->pixels[c] / (double)(b->s->width * b->s->height), 2);
    }
    dg_page_put(p, "\"><div>");
    s = put_picture(b, &pair.picture, false, NULL);
    if (!s) s = put_picture(b, &pair.label, true, palette);
    dg_page_putf(p, "</div><figcaption>seed %" PRIu32 "<br>", sample->seed);
    dg_page_put_decimal(p, sample->uncertainty, 4);
    dg_page_put(p, " nats</figcaption></figure>\n");
    dg_pair_free(&pair);
    return s;
}

static nn_status put_thumbs(builder *b)
{
    dg_walk w;
    nn_palette palette = { .count = b->s->class_count };
    nn_dim next = 0;
    for (int c = 0; c < b->s->class_count; c++) memcpy(palette.rgb[c], b->s->class_at[c].rgb, 3);
    nn_status s = dg_walk_open(&w, b->set, b->err);
    if (s) return s;
    for (uint64_t i = 0; next < b->count && dg_walk_next(&w, &s, b->err); i++)
        if (b->shown[next] == i) {
            s = put_thumb(b, &w.sample, &palette);
            next++;
        }
    dg_walk_close(&w);
    return s;
}

/* ---- tables ---------------------------------------------------------------------------------------------------------------------- */

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem 1.5rem;max-width:1400px;background:#fafafa;color:#222}\n"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.4rem 0 .3rem}\n"
    "table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:right}td:first-child,th:first-child{text-align:left}\n"
    ".swatch{display:inline-block;width:1em;height:1em;border:1px solid #888;vertical-align:-.15em;margin-right:.4em}\n"
    ".bars{display:flex;align-items:flex-end;height:120px;gap:2px;max-width:640px;border-bottom:1px solid #888}\n"
    ".bars i{flex:1;background:#4477aa}\n"
    ".axis{display:flex;justify-content:space-between;max-width:640px;color:#555;font-size:.8rem}\n"
    "#filter{position:sticky;top:0;background:#fafafa;padding:.5rem 0;border-bottom:1px solid #ddd;display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;z-index:1}\n"
    "#shown{display:grid;grid-template-columns:repeat(auto-fill,minmax(206px,1fr));gap:10px;margin-top:.6rem}\n"
    "figure{margin:0;padding:4px;background:#fff;border:1px solid #ddd}figure[hidden]{display:none}\n"
    "figure div{display:grid;grid-template-columns:1fr 1fr;gap:3px}img{width:100%;display:block;image-rendering:pixelated}\n"
    "figcaption{font-size:.75rem;color:#555}\n";

/* Without scripts all thumbnails are there and the filter is not. */
static const char SCRIPT[] =
    "const f=[...document.querySelectorAll('figure')],id=n=>document.getElementById(n);\n"
    "id('filter').hidden=false;\n"
    "function show(){const c=+id('class').value,part=+id('part').value,lo=+id('lo').value,hi=+id('hi').value;let n=0;\n"
    "for(const e of f){const u=+e.dataset.u,ok=u>=lo&&u<=hi&&(c<0||+e.dataset.share.split(' ')[c]>=part);e.hidden=!ok;n+=ok}\n"
    "id('count').textContent=n+' of '+f.length+' thumbnails'}\n"
    "function sort(){const k=id('sort').value,c=+id('class').value,key=e=>k=='u'?+e.dataset.u:k=='-u'?-e.dataset.u:-e.dataset.share.split(' ')[Math.max(c,0)];\n"
    "const g=k=='seed'?f:[...f].sort((a,b)=>key(a)-key(b));for(const e of g)id('shown').append(e)}\n"
    "for(const n of['class','part','lo','hi','sort'])id(n).addEventListener('input',()=>{sort();show()});show();\n";

static void put_classes(builder *b)
{
    const dg_stats *s = b->s;
    dg_page *p = &b->page;
    dg_page_put(p, "<h2>Classes</h2>\n<table><tr><th>class</th><th>pixels</th><th>in samples</th><th>most of it in seeds</th></tr>\n");
    for (int c = 0; c < s->class_count; c++) {
        const uint8_t *rgb = s->class_at[c].rgb;
        dg_page_putf(p, "<tr><td><span class=\"swatch\" style=\"background:#%02x%02x%02x\"></span>%d ", rgb[0], rgb[1], rgb[2], c);
        dg_page_put_escaped(p, s->class_at[c].name);
        dg_page_put(p, "</td><td>");
        dg_page_put_decimal(p, 100.0 * (double)s->class_pixels[c] / (double)s->pixels, 2);
        dg_page_putf(p, " %%</td><td>%" PRIu64 " (", s->class_samples[c]);
        dg_page_put_decimal(p, 100.0 * (double)s->class_samples[c] / (double)s->samples, 1);
        dg_page_put(p, " %)</td><td>");
        for (int i = 0; i < s->example_count[c]; i++) dg_page_putf(p, "%s%" PRIu32, i ? ", " : "", s->example[c][i].seed);
        dg_page_put(p, "</td></tr>\n");
    }
    dg_page_put(p, "</table>\n");
}

static void put_uncertainty(builder *b)
{
    const dg_stats *s = b->s;
    dg_page *p = &b->page;
    uint64_t most = 1;
    for (int i = 0; i < DG_STATS_BINS; i++) if (s->bin[i] > most) most = s->bin[i];
    dg_page_put(p, "<h2>Uncertainty</h2>\n<p>Mean ");
    dg_page_put_decimal(p, s->mean, 5);
    dg_page_put(p, ", median ");
    dg_page_put_decimal(p, s->quantile[DG_STATS_QUANTILES / 2], 5);
    dg_page_put(p, ", nine tenths below ");
    dg_page_put_decimal(p, s->quantile[DG_STATS_QUANTILES - 2], 5);
    dg_page_put(p, ", highest ");
    dg_page_put_decimal(p, s->quantile[DG_STATS_QUANTILES - 1], 5);
    dg_page_putf(p, " nats (seed %" PRIu32 ").</p>\n<div class=\"bars\">\n", s->highest_seed);
    for (int i = 0; i < DG_STATS_BINS; i++) {
        dg_page_putf(p, "<i title=\"%" PRIu64 " samples from ", s->bin[i]);
        dg_page_put_decimal(p, s->bin_from + i * s->bin_width, 5);
        dg_page_put(p, "\" style=\"height:");
        dg_page_put_decimal(p, 100.0 * (double)s->bin[i] / (double)most, 1);
        dg_page_put(p, "%\"></i>\n");
    }
    dg_page_put(p, "</div><div class=\"axis\"><span>");
    dg_page_put_decimal(p, s->bin_from, s->bin_from < 0 ? 4 : 0);
    dg_page_put(p, "</span><span>");
    dg_page_put_decimal(p, s->bin_from + (DG_STATS_BINS - 1) * s->bin_width, 4);
    dg_page_put(p, " nats and above</span></div>\n");
}

static void put_doubles(builder *b)
{
    const dg_stats *s = b->s;
    dg_page *p = &b->page;
    dg_page_putf(p, "<h2>Near doubles</h2>\n<p>%" PRIu64 " pairs of pictures differ by at most ", s->near);
    dg_page_put_decimal(p, DG_STATS_NEAR, 0);
    dg_page_putf(p, " levels in the mean when reduced to %d &times; %d grey cells. The closest pairs: ", DG_CELLS_SIDE, DG_CELLS_SIDE);
    for (int i = 0; i < s->double_count; i++) {
        dg_page_putf(p, "%s%" PRIu32 " and %" PRIu32 " (", i ? ", " : "", s->doubles[i].a, s->doubles[i].b);
        dg_page_put_decimal(p, s->doubles[i].distance, 2);
        dg_page_put(p, ")");
    }
    dg_page_put(p, s->double_count ? ".</p>\n" : "none.</p>\n");
}

static void put_filter(builder *b)
{
    const dg_stats *s = b->s;
    dg_page *p = &b->page;
    dg_page_putf(p, "<h2>Samples</h2>\n<p>%td of %" PRIu64 " samples: of each class the %d with most of its pixels, the rest spread evenly over the ranking by "
                    "uncertainty, the least and the most uncertain among them.</p>\n<div id=\"filter\" hidden><label>class <select id=\"class\"><option value=\"-1\">any"
                    "</option>\n", b->count, s->samples, s->per_class);
    for (int c = 0; c < s->class_count; c++) {
        dg_page_putf(p, "<option value=\"%d\">%d ", c, c);
        dg_page_put_escaped(p, s->class_at[c].name);
        dg_page_put(p, "</option>\n");
    }
    dg_page_put(p, "</select></label> <label>at least <input id=\"part\" type=\"number\" min=\"0\" max=\"100\" step=\"any\" value=\"0.01\" size=\"5\"> % of the pixels</label>\n"
                   "<label>uncertainty from <input id=\"lo\" type=\"number\" step=\"any\" size=\"8\" value=\"");
    dg_page_put_decimal(p, s->bin_from < 0 ? s->bin_from - 1e-6 : 0.0, 6);
    dg_page_put(p, "\"></label> <label>to <input id=\"hi\" type=\"number\" step=\"any\" size=\"8\" value=\"");
    dg_page_put_decimal(p, s->quantile[DG_STATS_QUANTILES - 1] + 1e-6, 6);
    dg_page_put(p, "\"></label>\n<label>order <select id=\"sort\"><option value=\"seed\">seed</option><option value=\"-u\">most uncertain first</option>"
                   "<option value=\"u\">least uncertain first</option><option value=\"share\">most of the class first</option></select></label> "
                   "<span id=\"count\"></span></div>\n<div id=\"shown\">\n");
}

static nn_status build(builder *b)
{
    const dg_stats *s = b->s;
    dg_page *p = &b->page;
    b->memory = (dg_page_memory){ .err = b->err };
    *p = (dg_page){ .write = dg_page_to_memory, .user = &b->memory };
    dg_page_put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Dataset statistics</title>\n<style>\n");
    dg_page_put(p, STYLE);
    dg_page_putf(p, "</style>\n</head>\n<body>\n<h1>Dataset statistics</h1>\n<p>%" PRIu64 " labelled sample%s of %td &times; %td pixels.%s</p>\n", s->samples,
                 s->samples == 1 ? "" : "s", s->width, s->height, s->unfinished ? " The run has not ended." : "");
    put_classes(b);
    put_uncertainty(b);
    put_doubles(b);
    put_filter(b);
    const nn_status st = put_thumbs(b);
    dg_page_put(p, "</div>\n<script>\n");
    dg_page_put(p, SCRIPT);
    dg_page_put(p, "</script>\n</body>\n</html>\n");
    dg_page_flush(p);
    return st ? st : b->memory.status;
}

nn_status dg_stats_write_page(const dg_stats *s, const dg_set *set, const uint64_t *shown, nn_dim count, nn_bytes *out, nn_err *err)
{
    const nn_dim side = s->width > s->height ? s->width : s->height, smaller = s->width < s->height ? s->width : s->height;
    builder b = { .s = s, .set = set, .shown = shown, .count = count, .factor = (side + THUMB_PX - 1) / THUMB_PX, .err = err };
    nn_status st = build(&b);
    while (!st && b.memory.out.size > DG_PAGE_BYTES_MAX && 2 * b.factor <= smaller) {
        nn_bytes_free(&b.memory.out);
        b.factor *= 2;
        st = build(&b);
    }
    if (st) nn_bytes_free(&b.memory.out);
    else *out = b.memory.out;
    return st;
}
