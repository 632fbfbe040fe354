/* test_dataset.c: what a run writes, and that it ends with the same bytes whatever happens on the way: batches, threads, stops,
 * kills, failing calls, torn files.  Linked with the faulty door (sys_faulty.c is this program's sys.c). */
#include "tests/sys_faulty.c"

#include <dirent.h>
#include <math.h>
#include <omp.h>
#include <sys/wait.h>

#include "datasetgan/dataset.h"
#include "datasetgan/label.h"
#include "nn/hash.h"
#include "tests/t.h"
#include "tests/tiny_interp.h"
#include "tests/tiny_set.h"

static const char *folder;
static sg_model *model;
static dg_interp interp;
static char whole[512];                          /* an uninterrupted run of MANY samples */
enum { MANY = 70, FIRST = 2 };                   /* two groups; annotated seeds (tiny_interp.c) on the way */

/* ---- running, comparing ----------------------------------------------------------------------------------------------- */

typedef struct { int calls, stop_at; double last; bool in_order; } watcher;

static bool watch(void *user, const char *what, double done, double total, double value)
{
    watcher *w = user;
    w->in_order = (w->calls == 0 || (w->in_order && done > w->last)) && done <= total && value >= 0 && *what;
    w->last = done;
    return ++w->calls != w->stop_at;
}

static dg_dataset_options options(const char *out, uint64_t count, nn_dim batch)
{
    return (dg_dataset_options){ .count = count, .first_seed = FIRST, .draw = interp.draw, .batch = batch, .out = out, .version = "test" };
}

static nn_status run(const char *out, uint64_t count, nn_dim batch, watcher *w, dg_dataset_result *r, nn_err *err)
{
    const dg_dataset_options o = options(out, count, batch);
    const dg_progress p = { watch, w };
    dg_dataset_result own;
    *err = (nn_err){ 0 };
    return dg_dataset(model, &interp, &o, w ? &p : NULL, r ? r : &own, err);
}

static void must_run(const char *out, uint64_t count, nn_dim batch, const char *what)
{
    nn_err err;
    t_status(run(out, count, batch, NULL, NULL, &err), NN_OK, &err, NULL, "%s", what);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Every file below `path` with the hash of its bytes, sorted: one text.  Free with free(). */
static char *describe(const char *path)
{
    enum { ROW = 160 };
    static const char *const part[] = { ".", "images", "labels" };
    char (*row)[ROW] = calloc(1024, ROW), *text;
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        DIR *d = opendir(tiny_path(path, part[i]));
        for (const struct dirent *e; d && (e = readdir(d)) && n < 1024;) {
            char name[64], hex[NN_HASH_HEX];
            nn_bytes b;
            nn_err err = { 0 };
            nn_format(name, sizeof name, "%s/%.50s", part[i], e->d_name);
            if (e->d_name[0] == '.' || nn_path_is_dir(tiny_path(path, name))) continue;
            if (nn_file_read(tiny_path(path, name), 1 << 26, &b, &err) || nn_hash_once(b.data, b.size, hex, &err)) t_fail("%s", err.msg);
            nn_bytes_free(&b);
            nn_format(row[n++], ROW, "%s %s\n", name, hex);
        }
        if (d) closedir(d);
    }
    qsort(row, n, ROW, by_text);
    text = calloc(n + 1, ROW);
    for (size_t i = 0; i < n; i++) strcat(text, row[i]);
    free(row);
    return text;
}

static void same_run(const char *a, const char *b, const char *what)
{
    char *x = describe(a), *y = describe(b);
    size_t at = 0;
    while (x[at] && x[at] == y[at]) at++;
    while (at > 0 && x[at - 1] != '\n') at--;
    t_check(!strcmp(x, y), "%s: %s differs from %s at '%.90s' / '%.90s'", what, a, b, x + at, y + at);
    free(x);
    free(y);
}

/* A copy of a finished or unfinished run to damage. */
static const char *copy_run(const char *from, const char *name)
{
    static char to[512], command[2048];
    nn_format(to, sizeof to, "%s/%s", folder, name);
    nn_format(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", to, from, to);
    t_check(system(command) == 0, "%s", command);
    return to;
}

static bool exists(const char *path, const char *name) { return nn_path_exists(tiny_path(path, name)); }

static nn_bytes read_file(const char *path, const char *name)
{
    nn_bytes b = { 0 };
    nn_err err = { 0 };
    if (nn_file_read(tiny_path(path, name), 1 << 26, &b, &err)) t_fail("%s", err.msg);
    return b;
}

static bool contains(const nn_bytes *b, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= b->size; i++) if (!memcmp(b->data + i, text, n)) return true;
    return false;
}

/* ---- what is written ---------------------------------------------------------------------------------------------------- */

static void check_sample(const char *out, sg_work *wk, dg_labeller *l, const dg_sample *s)
{
    enum { RES = 32, HW = RES * RES };
    char name[DG_SAMPLE_PATH], hex[NN_HASH_HEX];
    uint8_t label[HW], both[4 * HW];
    nn_err err = { 0 };
    nn_image picture, stored, map;
    dg_labels labels = { .label = label };
    sg_draw(model, wk, &s->seed, 1, &interp.draw, NULL);
    dg_label(l, wk, 0, &labels);
    nn_image_make(&picture, RES, RES, 3, &err);
    nn_image_from_planar(&picture, sg_picture(wk, 0));
    dg_sample_path(name, "images", s->seed);
    if (nn_png_read(tiny_path(out, name), &stored, &err)) t_fail("%s", err.msg);
    t_same(stored.pixels, picture.pixels, 3 * HW, "seed %u: the stored picture is the drawn one", (unsigned)s->seed);
    dg_sample_path(name, "labels", s->seed);
    if (nn_png_read_labels(tiny_path(out, name), &map, &err)) t_fail("%s", err.msg);
    t_same(map.pixels, label, HW, "seed %u: the stored label map is the computed one", (unsigned)s->seed);
    t_check(s->uncertainty == labels.uncertainty, "seed %u: uncertainty in the manifest", (unsigned)s->seed);
    uint64_t count[3] = { 0 };
    for (int p = 0; p < HW; p++) count[label[p]]++;
    t_check(count[0] == s->pixels[0] && count[1] == s->pixels[1] && count[2] == s->pixels[2], "seed %u: pixels by class", (unsigned)s->seed);
    memcpy(both, picture.pixels, 3 * HW);
    memcpy(both + 3 * HW, label, HW);
    nn_hash_once(both, sizeof both, hex, &err);
    t_check(!strcmp(hex, s->sha256), "seed %u: hash of the decoded pixels", (unsigned)s->seed);
    nn_image_free(&picture);
    nn_image_free(&stored);
    nn_image_free(&map);
}

static void test_contents(void)
{
    nn_err err = { 0 };
    watcher w = { 0 };
    dg_dataset_result r;
    static const uint32_t seed[] = { 2, 5, 6, 7, 8, 9, 10, 11, 13 };     /* 3, 4 and 12 are annotated */
    const char *out = tiny_path(folder, "contents/below");
    char path[512], manifest[600];
    nn_format(path, sizeof path, "%s", out);
    nn_format(manifest, sizeof manifest, "%s/metadata.jsonl", path);
    t_status(run(path, 9, 4, &w, &r, &err), NN_OK, &err, NULL, "contents");
    t_check(r.written == 9 && r.resumed == 0, "contents: written %ju, resumed %ju", (uintmax_t)r.written, (uintmax_t)r.resumed);
    t_check(w.in_order && w.last == 9 && w.calls == 3, "contents: progress after every batch");

    sg_work *wk = sg_work_open(model, 1, true, 1, &err);
    dg_labeller *l = dg_labeller_open(&interp, model, 1, &err);
    dg_manifest m;
    if (!wk || !l || dg_manifest_open(&m, manifest, &err)) { t_fail("%s", err.msg); return; }
    size_t n = 0, size;
    for (const char *line; !dg_manifest_next(&m, &line, &size, &err) && line; n++) {
        dg_sample s;
        if (dg_manifest_parse(&s, line, size, interp.class_at, 3, "line", &err)) { t_fail("%s", err.msg); break; }
        t_check(n < 9 && s.seed == seed[n < 9 ? n : 0], "contents: line %zu: seed %u", n + 1, (unsigned)s.seed);
        check_sample(path, wk, l, &s);
    }
    t_check(n == 9 && !m.torn, "contents: nine lines");
    dg_manifest_close(&m);
    dg_labeller_close(l);
    sg_work_close(wk);

    nn_bytes b = read_file(path, "metadata.jsonl");
    t_check(!memcmp(b.data, "{\"file_name\":\"images/0000000002.png\",\"mask_file_name\":\"labels/0000000002.png\",\"seed\":2,\"uncertainty\":0.", 100),
            "contents: keys in order");
    nn_bytes_free(&b);
    b = read_file(path, "classes.json");
    t_check(contains(&b, "\"#e6194b\"") && contains(&b, "\"void\": 255"), "classes.json");
    nn_bytes_free(&b);
    b = read_file(path, "run.json");
    t_check(contains(&b, sg_identity(model)) && contains(&b, interp.identity) && contains(&b, sg_get_kernels(model)->name)
            && contains(&b, "\"version\": \"test\"") && contains(&b, "\"libpng\"") && contains(&b, "\"zlib\""), "run.json: the tuple");
    t_check(!contains(&b, folder), "run.json: no path");
    nn_bytes_free(&b);
    t_status(run(path, 9, 4, &w, &r, &err), NN_OK, &err, NULL, "contents: again");
    t_check(r.written == 0 && r.resumed == 9, "contents: a finished run has nothing to do");
}

static void test_pages(void)
{
    nn_err err = { 0 };
    char path[512];
    nn_format(path, sizeof path, "%s", tiny_path(folder, "pages"));
    must_run(path, 401, 64, "pages");
    t_check(exists(path, "page2.html") && exists(path, "page3.html") && !exists(path, "page4.html"), "401 samples: three pages");
    nn_bytes b = read_file(path, "index.html");
    t_check(contains(&b, "401 labelled samples, page 1 of 3") && contains(&b, "<a href=\"page3.html\">3</a>"), "index.html: its title and neighbours");
    t_check(contains(&b, "src=\"images/0000000002.png\"") && contains(&b, "src=\"labels/0000000002.png\"") && !contains(&b, folder), "index.html: relative paths");
    t_check(contains(&b, "1 &lt;b&gt;&amp;&quot;&#39; (") && !contains(&b, "<b>&"), "index.html: escaped names");
    t_check(contains(&b, "<h1>cells &amp; &lt;more&gt;</h1>") && contains(&b, "background:#e6194b"), "index.html: the task and the colours");
    int figures = 0;
    for (size_t i = 0; i + 8 < b.size; i++) figures += !memcmp(b.data + i, "<figure>", 8);
    t_check(figures == DG_PAGE, "index.html: 200 samples, found %d", figures);
    nn_bytes_free(&b);
    b = read_file(path, "page3.html");
    t_check(contains(&b, "page 3 of 3") && contains(&b, "<a href=\"index.html\">1</a>") && contains(&b, "seed 406, uncertainty 0."), "page3.html: the last sample");
    nn_bytes_free(&b);

    nn_image sheet, first, label;
    if (nn_png_read(tiny_path(path, "preview.png"), &sheet, &err) || nn_png_read(tiny_path(path, "images/0000000006.png"), &first, &err)
        || nn_png_read_labels(tiny_path(path, "labels/0000000006.png"), &label, &err)) { t_fail("%s", err.msg); return; }
    t_check(sheet.width == 4 + 4 * 69 && sheet.height == 4 + 6 * 36, "preview.png: 4 x 6 samples of 32 + 1 + 32 px, found %td x %td", sheet.width, sheet.height);
    /* Seed 6 is the third sample (2, 5, 6): picture at column 4 + 2*69, its overlay 33 further. */
    bool same = true, mixed = true;
    for (nn_dim p = 0; p < 32 * 32; p++)
        for (nn_dim c = 0; c < 3; c++) {
            const uint8_t *at = sheet.pixels + ((4 + p / 32) * sheet.width + 142 + p % 32) * 3 + c;
            const int v = first.pixels[p * 3 + c];
            same = same && at[0] == v;
            mixed = mixed && at[33 * 3] == (v + interp.class_at[label.pixels[p]].rgb[c] + 1) / 2;
        }
    t_check(same && mixed, "preview.png: picture and overlay");
    nn_image_free(&sheet);
    nn_image_free(&first);
    nn_image_free(&label);
}

/* ---- the same bytes ------------------------------------------------------------------------------------------------------- */

static void test_batches(void)
{
    static const nn_dim batch[] = { 1, 3, 100 };
    for (int threads = 1; threads <= 2; threads++)
        for (size_t i = 0; i < 3; i++) {
            char path[512], what[64];
            nn_format(what, sizeof what, "batch %td, %d threads", batch[i], threads);
            nn_format(path, sizeof path, "%s/b%td-%d", folder, batch[i], threads);
            omp_set_num_threads(threads);
            must_run(path, MANY, batch[i], what);
            same_run(path, whole, what);
        }
    omp_set_num_threads(1);
}

static void test_stops(void)
{
    static const int stop[] = { 1, 4, 9, 10, 13, 14 };                   /* batches of 7, the ninth cut to 1 at the group's end */
    for (size_t i = 0; i < sizeof stop / sizeof *stop; i++) {
        watcher w = { .stop_at = stop[i] };
        dg_dataset_result r, again;
        nn_err err;
        char path[512], what[64];
        nn_format(what, sizeof what, "stopped after call %d", stop[i]);
        nn_format(path, sizeof path, "%s/stop%d", folder, stop[i]);
        const nn_status s = run(path, MANY, 7, &w, &r, &err);
        if (w.calls < stop[i]) { t_check(s == NN_OK && w.calls == 11, "%s: never reached", what); continue; }
        if (w.last == MANY) t_status(s, NN_OK, &err, NULL, "%s: nothing was left to do", what);
        else t_status(s, NN_ECANCEL, &err, "interrupted after", "%s", what);
        t_check(r.written == (uint64_t)w.last, "%s: all drawn samples are kept: %ju", what, (uintmax_t)r.written);
        t_status(run(path, MANY, 5, NULL, &again, &err), NN_OK, &err, NULL, "%s: resumed", what);
        t_check(again.resumed == r.written && again.written + again.resumed == MANY, "%s: resumed at %ju", what, (uintmax_t)again.resumed);
        same_run(path, whole, what);
    }
}

static void test_longer(void)
{
    char path[512];
    nn_format(path, sizeof path, "%s/longer", folder);
    must_run(path, 9, 4, "longer: first 9");
    must_run(path, MANY, 4, "longer: then all");
    same_run(path, whole, "9 samples, then 70, are 70");
}

/* What a kill or a power cut may leave behind. */
static void test_leftovers(void)
{
    nn_err err;
    watcher w = { .stop_at = 9 };
    char half[512];
    nn_format(half, sizeof half, "%s/half", folder);
    t_status(run(half, MANY, 7, &w, NULL, &err), NN_ECANCEL, &err, NULL, "leftovers: an unfinished run");
    nn_bytes list = read_file(half, "metadata.jsonl");
    const size_t line = strlen((const char *)list.data) ? (size_t)((const char *)memchr(list.data, '\n', list.size) - (const char *)list.data) + 1 : 0;
    t_check(line > 100 && exists(half, "images/0000000068.png") && !exists(half, "images/0000000069.png"), "leftovers: 63 samples, seeds 2 to 68");

    char *text = calloc(list.size + 1000, 1);
    const char *path = copy_run(half, "torn");
    tiny_write(tiny_path(path, "metadata.jsonl"), list.data, list.size - 20);
    must_run(path, MANY, 8, "torn last line");
    same_run(path, whole, "torn last line");

    path = copy_run(half, "zeros");                                      /* the file grew, its last page was never written */
    memcpy(text, list.data, list.size);
    memset(text + list.size - line - line / 2, 0, line + line / 2);
    tiny_write(tiny_path(path, "metadata.jsonl"), text, list.size + 500);
    must_run(path, MANY, 8, "zeros at the end");
    same_run(path, whole, "zeros at the end");

    path = copy_run(half, "broken");                                     /* a lost page in the middle of the last group */
    memcpy(text, list.data, list.size);
    memset(text + list.size - 5 * line, 0, 100);
    tiny_write(tiny_path(path, "metadata.jsonl"), text, list.size);
    must_run(path, MANY, 8, "broken line in the last group");
    same_run(path, whole, "broken line in the last group");

    path = copy_run(half, "orphans");
    tiny_write(tiny_path(path, "images/0000000071.png"), "x", 1);        /* renamed, not listed */
    tiny_write(tiny_path(path, "labels/0000000071.png"), "x", 1);
    tiny_write(tiny_path(path, "images/0000000074.png"), "x", 1);
    tiny_write(tiny_path(path, "labels/0000000090.png.tmp"), "x", 1);    /* staged by a longer run */
    tiny_write(tiny_path(path, "index.html"), "old", 3);                 /* of a shorter one */
    tiny_write(tiny_path(path, "run.json.tmp"), "x", 1);
    remove(tiny_path(path, "run.json.tmp"));
    must_run(path, MANY, 8, "unlisted files");
    same_run(path, whole, "unlisted files");

    path = copy_run(whole, "unlisted");
    remove(tiny_path(path, "metadata.jsonl"));
    must_run(path, MANY, 8, "the list was lost");
    same_run(path, whole, "the list was lost");

    path = copy_run(whole, "pages-lost");
    remove(tiny_path(path, "index.html"));
    remove(tiny_path(path, "preview.png"));
    must_run(path, MANY, 8, "killed before the pages");
    same_run(path, whole, "killed before the pages");
    free(text);
    nn_bytes_free(&list);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------- */

static void refuse(const char *path, const dg_dataset_options *o, const dg_interp *in, nn_status want, const char *part, const char *what)
{
    nn_err err = { 0 };
    dg_dataset_result r;
    char *before = describe(path);
    t_status(dg_dataset(model, in, o, NULL, &r, &err), want, &err, part, "%s", what);
    char *after = describe(path);
    t_check(!strcmp(before, after), "%s: nothing was changed", what);
    free(before);
    free(after);
}

static void test_other_runs(void)
{
    dg_dataset_options o = options(whole, MANY, 8);
    o.draw.psi = 0.5;
    refuse(whole, &o, &interp, NN_EMISMATCH, "settings.draw.psi is 0.69999999999999996 there, 0.5 in this command", "another psi");
    o = options(whole, MANY, 8);
    o.draw.cutoff = 3;
    refuse(whole, &o, &interp, NN_EMISMATCH, "settings.draw.cutoff is null there, 3", "another cutoff");
    o.draw = (sg_options){ 0.7, -1, SG_NOISE_NONE };
    refuse(whole, &o, &interp, NN_EMISMATCH, "settings.draw.noise is \"const\" there, \"none\"", "another noise");
    o = options(whole, MANY, 8);
    o.first_seed = 5;
    refuse(whole, &o, &interp, NN_EMISMATCH, "settings.first_seed is 2 there, 5", "another first seed");
    o = options(whole, MANY, 8);
    o.version = "0.9";
    refuse(whole, &o, &interp, NN_EMISMATCH, "program.version is \"test\" there, \"0.9\"", "another version");
    o = options(whole, MANY - 1, 8);
    refuse(whole, &o, &interp, NN_EMISMATCH, "more than the 69 samples", "fewer samples");
    o = options(whole, 0, 8);
    refuse(whole, &o, &interp, NN_EINVAL, "count", "no sample");
    o = options(whole, UINT32_MAX, 8);
    refuse(whole, &o, &interp, NN_EINVAL, "seeds end at 4294967295", "more samples than seeds");

    dg_interp other;
    tiny_interp(&other, tiny_path(folder, "other.safetensors"), model, "cells & <more>", "<b>&\"'", 77);
    o = options(whole, MANY, 8);
    refuse(whole, &o, &other, NN_EMISMATCH, "interpreter is \"", "another interpreter");
    other.generator[5] ^= 1;
    refuse(whole, &o, &other, NN_EMISMATCH, "trained on generator", "an interpreter of another generator");
    dg_interp_close(&other);
}

static void test_foreign(void)
{
    static const char *const name[] = { "images", "labels", "metadata.jsonl", "index.html" };
    nn_err err = { 0 };
    char path[512];
    nn_format(path, sizeof path, "%s/foreign", folder);
    dg_dataset_options o = options(path, 5, 4);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        nn_dir_make(path, &err);
        if (i < 2) nn_dir_make(tiny_path(path, name[i]), &err);
        else tiny_write(tiny_path(path, name[i]), "mine", 4);
        char part[64];
        nn_format(part, sizeof part, "holds '%s' but no run.json", name[i]);
        refuse(path, &o, &interp, NN_EMISMATCH, part, name[i]);
        remove(tiny_path(path, name[i]));
    }
    tiny_write(tiny_path(path, "run.json"), "{", 1);
    refuse(path, &o, &interp, NN_EFORMAT, "run.json", "a broken run.json");
    tiny_write(tiny_path(path, "run.json"), "[]", 2);
    refuse(path, &o, &interp, NN_EFORMAT, "expected an object", "run.json is a list");
    remove(tiny_path(path, "run.json"));
    tiny_write(tiny_path(path, "notes.txt"), "mine", 4);
    must_run(path, 5, 4, "other files in the folder do not matter");

    tiny_write(tiny_path(folder, "file"), "x", 1);
    char below[512];
    nn_format(below, sizeof below, "%s/file/run", folder);
    o = options(below, 5, 4);
    refuse(below, &o, &interp, NN_EIO, "file", "an output below a regular file");
    const char *damaged = copy_run(path, "damaged");
    char command[1024];
    nn_format(command, sizeof command, "rm -r '%s/labels' && touch '%s/labels'", damaged, damaged);
    t_check(system(command) == 0, "%s", command);
    o = options(damaged, 5, 4);
    refuse(damaged, &o, &interp, NN_EIO, "labels: expected a folder", "a file in the place of labels/");
}

static void test_changed(void)
{
    nn_bytes list = read_file(whole, "metadata.jsonl");
    const size_t line = (size_t)((const char *)memchr(list.data, '\n', list.size) - (const char *)list.data) + 1;
    const char *path = copy_run(whole, "changed");
    dg_dataset_options o = options(path, MANY, 8);
    remove(tiny_path(path, "images/0000000007.png"));
    refuse(path, &o, &interp, NN_EMISMATCH, "images/0000000007.png: listed", "a listed picture is gone");

    path = copy_run(whole, "changed");
    tiny_write(tiny_path(path, "metadata.jsonl"), list.data + line, list.size - line);
    refuse(path, &o, &interp, NN_EMISMATCH, "line 1: expected seed 2, found 5", "a line was removed");

    path = copy_run(whole, "changed");
    list.data[line + 3] = 0;
    tiny_write(tiny_path(path, "metadata.jsonl"), list.data, list.size);
    refuse(path, &o, &interp, NN_EFORMAT, "metadata.jsonl: line 2", "a broken line long before the end");
    nn_bytes_free(&list);

    static const char *const bad[] = {
        "[]", "{}", "{\"seed\":5}", "{\"file_name\":1}", "{\"seed\":5,\"uncertainty\":0.5,\"pixels\":{}}",
        "{\"file_name\":\"images/0000000005.png\",\"mask_file_name\":\"labels/0000000006.png\",\"seed\":5,\"uncertainty\":0.5,"
        "\"pixels\":{\"dark\":1,\"<b>&\\\"'\":2,\"light\":3},\"sha256\":\"0\"}",
        "{\"file_name\":\"images/0000000005.png\",\"mask_file_name\":\"labels/0000000005.png\",\"seed\":5,\"uncertainty\":-0.5,"
        "\"pixels\":{\"dark\":1,\"<b>&\\\"'\":2,\"light\":3},\"sha256\":\"0\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dg_sample s;
        nn_err err = { 0 };
        t_status(dg_manifest_parse(&s, bad[i], strlen(bad[i]), interp.class_at, 3, "list: line 1", &err), NN_EFORMAT, &err, "list: line 1", "%s", bad[i]);
    }
}

/* ---- failing calls and kills ---------------------------------------------------------------------------------------------- */

static bool no_temporaries(const char *path)
{
    char *all = describe(path);
    const bool none = !strstr(all, ".tmp ");
    free(all);
    return none;
}

static const char *fresh_folder(const char *name)
{
    static char path[512], command[600];
    nn_format(path, sizeof path, "%s/%s", folder, name);
    nn_format(command, sizeof command, "rm -rf '%s'", path);
    t_check(system(command) == 0, "%s", command);
    return path;
}

/* A short run in groups of four: every call of these kinds fails once, and the run is killed before every one. */
enum { FEW = 10, GROUP = 4 };
static const char *const kind[] = { "write", "fsync", "rename", "mkdir", "unlink", "open", "close" };
enum { KINDS = sizeof kind / sizeof *kind, EVERY_CALL = 3 };            /* the rest only in part: they come between the same steps */

static nn_status run_few(const char *path, const char *fault_text, dg_dataset_result *r, nn_err *err)
{
    const dg_dataset_options o = options(path, FEW, 3);
    *err = (nn_err){ 0 };
    setenv(FAULT_VARIABLE, fault_text, 1);
    const nn_status s = dg_dataset_in_groups(model, &interp, &o, GROUP, NULL, r, err);
    setenv(FAULT_VARIABLE, "", 1);
    return s;
}

static void test_failing_calls(const char *few)
{
    int failed = 0;
    for (int i = 0; i < KINDS; i++)
        for (int at = 1;; at += i < EVERY_CALL ? 1 : 7) {
            const char *path = fresh_folder("fail");
            char what[64];
            nn_err err;
            dg_dataset_result r;
            nn_format(what, sizeof what, "%s:%d:ENOSPC", kind[i], at);
            if (run_few(path, what, &r, &err) == NN_OK) {            /* past the last call, or one whose failure does not matter */
                same_run(path, few, what);
                if (strcmp(kind[i], "unlink") || at > 40) break;
                continue;
            }
            failed++;
            t_status(err.status, NN_EIO, &err, "No space left", "%s", what);
            t_check(no_temporaries(path), "%s: a temporary was left", what);
            t_status(run_few(path, "", &r, &err), NN_OK, &err, NULL, "%s: resumed", what);
            same_run(path, few, what);
        }
    t_check(failed > 80, "%d calls failed", failed);
    printf("  ok   %d failing calls\n", failed);
}

static void test_kills(const char *few)
{
    int killed = 0, listed[FEW + 1] = { 0 };
    for (int i = 0; i < KINDS; i++)
        for (int at = 1;; at += i < EVERY_CALL ? 1 : 7) {
            const char *path = fresh_folder("kill");
            char what[64];
            nn_err err;
            dg_dataset_result r;
            int status;
            nn_format(what, sizeof what, "%s:%d:KILL", kind[i], at);
            const pid_t child = fork();
            if (child == 0) _exit(run_few(path, what, &r, &err) == NN_OK ? 0 : 1);
            t_check(child > 0 && waitpid(child, &status, 0) == child, "%s: fork", what);
            if (WIFEXITED(status)) break;                            /* past the last call */
            t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: killed", what);
            t_status(run_few(path, "", &r, &err), NN_OK, &err, NULL, "%s: resumed", what);
            same_run(path, few, what);
            killed++;
            listed[r.resumed]++;
        }
    t_check(killed > 100 && listed[0] && listed[4] && listed[8] && listed[10], "%d kills at 0, 4, 8 and 10 listed samples", killed);
    printf("  ok   %d kills, with 0, 4, 8, 10 samples listed: %d, %d, %d, %d times\n", killed, listed[0], listed[4], listed[8], listed[10]);
}

int main(void)
{
    nn_err err = { 0 };
    omp_set_num_threads(1);                      /* until the last fork: a child has no other threads than its own */
    folder = t_folder("dataset");
    model = tiny_generator(nn_kernels_pick("auto", &err));
    tiny_interp(&interp, tiny_path(folder, "i.safetensors"), model, "cells & <more>", "<b>&\"'", 7);
    nn_format(whole, sizeof whole, "%s/whole", folder);
    char few[512];
    nn_format(few, sizeof few, "%s/few", folder);
    must_run(few, FEW, 8, "an uninterrupted short run");
    must_run(whole, MANY, 8, "an uninterrupted run");
    test_kills(few);
    test_contents();
    test_pages();
    test_batches();
    test_stops();
    test_longer();
    test_leftovers();
    test_other_runs();
    test_foreign();
    test_changed();
    test_failing_calls(few);
    dg_interp_close(&interp);
    sg_close(model);
    return t_done();
}
