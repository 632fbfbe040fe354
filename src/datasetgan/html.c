/* html.c: index.html, page2.html, ...: a finished run to look at in a browser, without a server, from any place. */
#include <inttypes.h>
#include <string.h>

#include "datasetgan/dataset.h"
#include "datasetgan/page.h"

/* A page being written.  The stage keeps the first failure, so only its end is checked. */
typedef struct { nn_stage stage; nn_err *err; } target;

static void add(void *user, const char *text, size_t size)
{
    target *t = user;
    nn_stage_add(&t->stage, text, size, t->err);
}

static void page_name(char out[32], uint64_t number)
{
    if (number == 1) nn_format(out, 32, "index.html");
    else nn_format(out, 32, "page%" PRIu64 ".html", number);
}

static uint64_t page_count(const dg_summary *all) { return (all->samples + DG_PAGE - 1) / DG_PAGE; }

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem 1.5rem;max-width:1500px;background:#fafafa;color:#222}\n"
    "h1{font-size:1.4rem;margin:0 0 .2rem}\n"
    "ul.classes{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}\n"
    ".swatch{display:inline-block;width:1em;height:1em;border:1px solid #888;vertical-align:-.15em;margin-right:.4em}\n"
    ".samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:14px}\n"
    "figure{margin:0;padding:6px;background:#fff;border:1px solid #ddd}\n"
    "figure div{display:grid;grid-template-columns:1fr 1fr;gap:4px}\n"
    "img{width:100%;display:block;image-rendering:pixelated}\n"
    "figcaption{font-size:.8rem;color:#555;padding-top:3px}\n"
    "nav{margin:1rem 0;line-height:2}nav a,nav b{padding:0 .35em}\n";

static void put_nav(dg_page *p, uint64_t number, const dg_summary *all)
{
    const uint64_t pages = page_count(all);
    if (pages < 2) return;
    dg_page_put(p, "<nav>Pages");
    for (uint64_t i = 1; i <= pages; i++) {
        /* The neighbourhood, the ends, and every hundredth: a long run has thousands of pages. */
        if (pages > 40 && i > 2 && i + 2 <= pages && i % 100 && (i + 5 < number || i > number + 5)) continue;
        char name[32];
        page_name(name, i);
        if (i == number) dg_page_putf(p, "<b>%" PRIu64 "</b>\n", i);
        else dg_page_putf(p, "<a href=\"%s\">%" PRIu64 "</a>\n", name, i);
    }
    dg_page_put(p, "</nav>\n");
}

static void put_head(dg_page *p, const dg_look *look, uint64_t number, const dg_summary *all)
{
    dg_page_put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    dg_page_put_escaped(p, look->task);
    dg_page_put(p, "</title>\n<style>\n");
    dg_page_put(p, STYLE);
    dg_page_put(p, "</style>\n</head>\n<body>\n<h1>");
    dg_page_put_escaped(p, look->task);
    dg_page_putf(p, "</h1>\n<p>%" PRIu64 " labelled samples, page %" PRIu64 " of %" PRIu64 ". Mean uncertainty ", all->samples, number, page_count(all));
    dg_page_put_decimal(p, all->uncertainty, 4);
    dg_page_put(p, " nats. <a href=\"metadata.jsonl\">metadata.jsonl</a> <a href=\"classes.json\">classes.json</a> <a href=\"run.json\">run.json</a> "
           "<a href=\"preview.png\">preview.png</a></p>\n<ul class=\"classes\">\n");
    for (int c = 0; c < look->classes; c++) {
        const uint8_t *rgb = look->class_at[c].rgb;
        dg_page_putf(p, "<li><span class=\"swatch\" style=\"background:#%02x%02x%02x\"></span>%d ", rgb[0], rgb[1], rgb[2], c);
        dg_page_put_escaped(p, look->class_at[c].name);
        dg_page_put(p, " (");
        dg_page_put_decimal(p, all->pixels ? 100.0 * (double)all->by_class[c] / (double)all->pixels : 0.0, 2);
        dg_page_put(p, " % of the pixels)</li>\n");
    }
    dg_page_put(p, "</ul>\n");
    put_nav(p, number, all);
    dg_page_put(p, "<div class=\"samples\">\n");
}

static void put_sample(dg_page *p, const dg_sample *s, const dg_look *look)
{
    char image[DG_SAMPLE_PATH], label[DG_SAMPLE_PATH];
    /* analyze: the sample is one that was read */
    dg_sample_path(image, "images", s->seed);
    dg_sample_path(label, "labels", s->seed);
    dg_page_putf(p, "<figure><div><a href=\"%s\"><img src=\"%s\" width=\"%td\" height=\"%td\" loading=\"lazy\" alt=\"picture\"></a>",
                 image, image, look->width, look->height);
    dg_page_putf(p, "<a href=\"%s\"><img src=\"%s\" width=\"%td\" height=\"%td\" loading=\"lazy\" alt=\"label\"></a></div>",
                 label, label, look->width, look->height);
    dg_page_putf(p, "<figcaption>seed %" PRIu32 ", uncertainty ", s->seed);
    dg_page_put_decimal(p, s->uncertainty, 4);
    dg_page_put(p, "</figcaption></figure>\n");
}

static nn_status next_sample(dg_manifest *r, const dg_look *look, dg_sample *s, nn_err *err)
{
    const char *line;
    size_t size;
    const nn_status st = dg_manifest_next(r, &line, &size, err);
    if (st) return st;
    if (!line) return nn_fail(err, NN_EFORMAT, "%s: ends early: the file changed", r->file.path);
    return dg_manifest_parse(s, line, size, look->class_at, look->classes, r->file.path, err);
}

nn_status dg_summarise(const char *out, const dg_look *look, uint64_t samples, dg_summary *all, nn_err *err)
{
    char path[DG_PATH];
    dg_manifest r = { .file = { .fd = -1 } };
    *all = (dg_summary){ .samples = samples };
    nn_status s = nn_path_join(path, sizeof path, out, "metadata.jsonl", err);
    if (!s) s = dg_manifest_open(&r, path, err);
    for (uint64_t i = 0; i < samples && !s; i++) {
        dg_sample sample;
        s = next_sample(&r, look, &sample, err);
        if (s) break;
        /* analyze: next_sample fills it or fails */
        all->uncertainty += sample.uncertainty / (double)samples;
        if (i == 0 || sample.uncertainty > all->highest) {
            all->highest = sample.uncertainty;
            all->highest_seed = sample.seed;
        }
        for (int c = 0; c < look->classes; c++) {
            all->by_class[c] += sample.pixels[c];
            all->pixels += sample.pixels[c];
        }
    }
    dg_manifest_close(&r);
    return s;
}

/* The next page's samples come from `r`, which stands before them. */
static nn_status write_page(const char *out, const dg_look *look, uint64_t number, const dg_summary *all, dg_manifest *r, nn_err *err)
{
    char name[32], path[DG_PATH];
    target t = { .err = err };
    dg_page p = { .write = add, .user = &t };
    page_name(name, number);
    nn_status s = nn_path_join(path, sizeof path, out, name, err);
    if (!s) s = nn_stage_open(&t.stage, path, err);
    if (s) return s;
    put_head(&p, look, number, all);
    for (uint64_t i = (number - 1) * DG_PAGE; i < number * DG_PAGE && i < all->samples && !s; i++) {
        dg_sample sample;
        s = next_sample(r, look, &sample, err);
        if (!s) put_sample(&p, &sample, look);
    }
    dg_page_put(&p, "</div>\n");
    put_nav(&p, number, all);
    dg_page_put(&p, "</body>\n</html>\n");
    dg_page_flush(&p);
    if (s) {
        nn_stage_abort(&t.stage);
        return s;
    }
    return nn_stage_publish(&t.stage, path, err);
}

nn_status dg_html_write(const char *out, const dg_look *look, const dg_summary *all, nn_err *err)
{
    char manifest[DG_PATH];
    nn_status s = nn_path_join(manifest, sizeof manifest, out, "metadata.jsonl", err);
    /* Pages 2.. in one walk over the manifest, then the first page in another. */
    for (int last = 0; last < 2 && !s; last++) {
        dg_manifest r;
        dg_sample skipped;
        s = dg_manifest_open(&r, manifest, err);
        for (uint64_t i = 0; !last && i < DG_PAGE && i < all->samples && !s; i++) s = next_sample(&r, look, &skipped, err);
        for (uint64_t number = last ? 1 : 2; number <= (last ? 1 : page_count(all)) && !s; number++)
            s = write_page(out, look, number, all, &r, err);
        dg_manifest_close(&r);
    }
    return s;
}
