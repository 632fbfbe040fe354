/* test_dataset.c: what a run writes, and what it refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/hash.h"
#include "tests/t.h"
#include "tests/tiny_interp.h"
#include "tests/tiny_run.h"
#include "tests/tiny_set.h"

static tiny_runs runs;
static char whole[512];                          /* an uninterrupted run of TINY_MANY samples */

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
    sg_draw(runs.model, wk, &s->seed, 1, &runs.interp.draw, NULL);
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
    tiny_watcher w = { 0 };
    dg_dataset_result r;
    static const uint32_t seed[] = { 2, 5, 6, 7, 8, 9, 10, 11, 13 };     /* 3, 4 and 12 are annotated */
    const char *out = tiny_path(runs.folder, "contents/below");
    char path[512], manifest[600];
    nn_format(path, sizeof path, "%s", out);
    nn_format(manifest, sizeof manifest, "%s/metadata.jsonl", path);
    t_status(tiny_run(&runs, path, 9, 4, &w, &r, &err), NN_OK, &err, NULL, "contents");
    t_check(r.written == 9 && r.resumed == 0, "contents: written %ju, resumed %ju", (uintmax_t)r.written, (uintmax_t)r.resumed);
    t_check(w.in_order && w.last == 9 && w.calls == 3, "contents: progress after every batch");

    sg_work *wk = sg_work_open(runs.model, 1, true, 1, &err);
    dg_labeller *l = dg_labeller_open(&runs.interp, runs.model, 1, &err);
    dg_manifest m;
    if (!wk || !l || dg_manifest_open(&m, manifest, &err)) { t_fail("%s", err.msg); return; }
    size_t n = 0, size;
    for (const char *line; !dg_manifest_next(&m, &line, &size, &err) && line; n++) {
        dg_sample s;
        if (dg_manifest_parse(&s, line, size, runs.interp.class_at, 3, "line", &err)) { t_fail("%s", err.msg); break; }
        t_check(n < 9 && s.seed == seed[n < 9 ? n : 0], "contents: line %zu: seed %u", n + 1, (unsigned)s.seed);
        check_sample(path, wk, l, &s);
    }
    t_check(n == 9 && !m.torn, "contents: nine lines");
    dg_manifest_close(&m);
    dg_labeller_close(l);
    sg_work_close(wk);

    nn_bytes b = tiny_read(path, "metadata.jsonl");
    t_check(!memcmp(b.data, "{\"file_name\":\"images/0000000002.png\",\"mask_file_name\":\"labels/0000000002.png\",\"seed\":2,\"uncertainty\":0.", 100),
            "contents: keys in order");
    nn_bytes_free(&b);
    b = tiny_read(path, "classes.json");
    t_check(contains(&b, "\"#e6194b\"") && contains(&b, "\"void\": 255"), "classes.json");
    nn_bytes_free(&b);
    b = tiny_read(path, "run.json");
    t_check(contains(&b, sg_identity(runs.model)) && contains(&b, runs.interp.identity) && contains(&b, sg_get_kernels(runs.model)->name)
            && contains(&b, "\"version\": \"test\"") && contains(&b, "\"libpng\"") && contains(&b, "\"zlib\""), "run.json: the tuple");
    t_check(!contains(&b, runs.folder), "run.json: no path");
    nn_bytes_free(&b);
    t_status(tiny_run(&runs, path, 9, 4, &w, &r, &err), NN_OK, &err, NULL, "contents: again");
    t_check(r.written == 0 && r.resumed == 9, "contents: a finished run has nothing to do");
}

/* dg_draw draws what a run stores: a network that is trained online sees the same pictures. */
static void test_varied(void)
{
    enum { RES = 32, N = 6 };
    static const uint32_t seed[N] = { 2, 5, 6, 7, 8, 9 };
    nn_err err = { 0 };
    dg_dataset_result r;
    char path[512], name[DG_SAMPLE_PATH];
    nn_format(path, sizeof path, "%s/varied", runs.folder);
    dg_dataset_options o = tiny_options(&runs, path, N, 4);
    o.vary = (dg_vary_options){ .psi_range = true, .psi_to = 1.25, .mix = 0.5 };
    t_status(dg_dataset(runs.model, &runs.interp, &o, NULL, &r, &err), NN_OK, &err, NULL, "varied");
    sg_work *wk = sg_work_open(runs.model, N, false, 2, &err), *plain = sg_work_open(runs.model, N, false, 2, &err);
    real *room = nn_alloc(dg_draw_room(runs.model, N) * sizeof *room, "latents", &err);
    dg_draw(runs.model, wk, seed, N, &o.draw, &o.vary, room);
    sg_draw(runs.model, plain, seed, N, &o.draw, NULL);
    for (nn_dim i = 0; i < N; i++) {
        nn_image picture = { 0 }, stored = { 0 };
        nn_image_make(&picture, RES, RES, 3, &err);
        nn_image_from_planar(&picture, sg_picture(wk, i));
        dg_sample_path(name, "images", seed[i]);
        if (nn_png_read(tiny_path(path, name), &stored, &err)) { t_fail("%s", err.msg); return; }
        t_same(stored.pixels, picture.pixels, 3 * RES * RES, "seed %u, psi and style mixed: the stored picture is the drawn one", (unsigned)seed[i]);
        nn_image_from_planar(&picture, sg_picture(plain, i));
        t_check(memcmp(stored.pixels, picture.pixels, 3 * RES * RES) != 0, "seed %u: another psi, another picture", (unsigned)seed[i]);
        nn_image_free(&picture);
        nn_image_free(&stored);
    }
    dg_draw(runs.model, wk, seed, N, &o.draw, &(dg_vary_options){ 0 }, room);
    t_same(sg_picture(wk, N - 1), sg_picture(plain, N - 1), 3 * RES * RES * sizeof(real), "nothing varied: as sg_draw");
    nn_free(room);
    sg_work_close(wk);
    sg_work_close(plain);
}

static void test_pages(void)
{
    nn_err err = { 0 };
    char path[512];
    nn_format(path, sizeof path, "%s", tiny_path(runs.folder, "pages"));
    tiny_must_run(&runs, path, 401, 64, "pages");
    t_check(tiny_exists(path, "page2.html") && tiny_exists(path, "page3.html") && !tiny_exists(path, "page4.html"), "401 samples: three pages");
    nn_bytes b = tiny_read(path, "index.html");
    t_check(contains(&b, "401 labelled samples, page 1 of 3") && contains(&b, "<a href=\"page3.html\">3</a>"), "index.html: its title and neighbours");
    t_check(contains(&b, "src=\"images/0000000002.png\"") && contains(&b, "src=\"labels/0000000002.png\"") && !contains(&b, runs.folder), "index.html: relative paths");
    t_check(contains(&b, "1 &lt;b&gt;&amp;&quot;&#39; (") && !contains(&b, "<b>&"), "index.html: escaped names");
    t_check(contains(&b, "<h1>cells &amp; &lt;more&gt;</h1>") && contains(&b, "background:#e6194b"), "index.html: the task and the colours");
    int figures = 0;
    for (size_t i = 0; i + 8 < b.size; i++) figures += !memcmp(b.data + i, "<figure>", 8);
    t_check(figures == DG_PAGE, "index.html: 200 samples, found %d", figures);
    nn_bytes_free(&b);
    b = tiny_read(path, "page3.html");
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
            mixed = mixed && at[33 * 3] == (v + runs.interp.class_at[label.pixels[p]].rgb[c] + 1) / 2;
        }
    t_check(same && mixed, "preview.png: picture and overlay");
    nn_image_free(&sheet);
    nn_image_free(&first);
    nn_image_free(&label);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------- */

static void refuse(const char *path, const dg_dataset_options *o, const dg_interp *in, nn_status want, const char *part, const char *what)
{
    nn_err err = { 0 };
    dg_dataset_result r;
    char *before = tiny_describe(path);
    t_status(dg_dataset(runs.model, in, o, NULL, &r, &err), want, &err, part, "%s", what);
    char *after = tiny_describe(path);
    t_check(!strcmp(before, after), "%s: nothing was changed", what);
    free(before);
    free(after);
}

static void test_other_runs(void)
{
    dg_dataset_options o = tiny_options(&runs, whole, TINY_MANY, 8);
    o.draw.psi = 0.5;
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "settings.draw.psi is 0.69999999999999996 there, 0.5 in this command", "another psi");
    o = tiny_options(&runs, whole, TINY_MANY, 8);
    o.draw.cutoff = 3;
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "settings.draw.cutoff is null there, 3", "another cutoff");
    o.draw = (sg_options){ 0.7, -1, SG_NOISE_NONE, 0 };
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "settings.draw.noise is \"const\" there, \"none\"", "another noise");
    o = tiny_options(&runs, whole, TINY_MANY, 8);
    o.first_seed = 5;
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "settings.first_seed is 2 there, 5", "another first seed");
    o = tiny_options(&runs, whole, TINY_MANY, 8);
    o.version = "0.9";
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "program.version is \"test\" there, \"0.9\"", "another version");
    o = tiny_options(&runs, whole, TINY_MANY - 1, 8);
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "more than the 69 samples", "fewer samples");
    o = tiny_options(&runs, whole, TINY_MANY, 8);
    o.draw = (sg_options){ 0.5, 3, SG_NOISE_NONE, 0 };
    o.vary.mix = 0.25;
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "settings.draw.psi is 0.69999999999999996 there, 0.5 in this command; settings.draw.cutoff is null there, 3 "
           "in this command; settings.draw.noise is \"const\" there, \"none\" in this command; settings.vary.mix is 0.0 there, 0.25 in this command",
           "all that differs is named");
    o.version = "0.9 of a name so long that only a part of what differs has room in the line, and the rest is counted";
    o.first_seed = 9;
    o.vary = (dg_vary_options){ .psi_range = true, .psi_to = 0.75, .mix = 0.25, .augment = 0.125 };
    refuse(whole, &o, &runs.interp, NN_EMISMATCH, "; and ", "what has no room is counted");
    o = tiny_options(&runs, whole, 0, 8);
    refuse(whole, &o, &runs.interp, NN_EINVAL, "count", "no sample");
    o = tiny_options(&runs, whole, UINT32_MAX, 8);
    refuse(whole, &o, &runs.interp, NN_EINVAL, "seeds end at 4294967295", "more samples than seeds");

    dg_interp other;
    tiny_interp(&other, tiny_path(runs.folder, "other.safetensors"), runs.model, "cells & <more>", "<b>&\"'", 77);
    o = tiny_options(&runs, whole, TINY_MANY, 8);
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
    nn_format(path, sizeof path, "%s/foreign", runs.folder);
    dg_dataset_options o = tiny_options(&runs, path, 5, 4);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        nn_dir_make(path, &err);
        if (i < 2) nn_dir_make(tiny_path(path, name[i]), &err);
        else tiny_write(tiny_path(path, name[i]), "mine", 4);
        char part[64];
        nn_format(part, sizeof part, "holds '%s' but no run.json", name[i]);
        refuse(path, &o, &runs.interp, NN_EMISMATCH, part, name[i]);
        remove(tiny_path(path, name[i]));
    }
    tiny_write(tiny_path(path, "run.json"), "{", 1);
    refuse(path, &o, &runs.interp, NN_EFORMAT, "run.json", "a broken run.json");
    tiny_write(tiny_path(path, "run.json"), "[]", 2);
    refuse(path, &o, &runs.interp, NN_EFORMAT, "expected an object", "run.json is a list");
    remove(tiny_path(path, "run.json"));
    tiny_write(tiny_path(path, "notes.txt"), "mine", 4);
    tiny_must_run(&runs, path, 5, 4, "other files in the folder do not matter");

    tiny_write(tiny_path(runs.folder, "file"), "x", 1);
    char below[512];
    nn_format(below, sizeof below, "%s/file/run", runs.folder);
    o = tiny_options(&runs, below, 5, 4);
    refuse(below, &o, &runs.interp, NN_EIO, "file", "an output below a regular file");
    const char *damaged = tiny_copy(&runs, path, "damaged");
    char command[1024];
    nn_format(command, sizeof command, "rm -r '%s/labels' && touch '%s/labels'", damaged, damaged);
    t_check(system(command) == 0, "%s", command);
    o = tiny_options(&runs, damaged, 5, 4);
    refuse(damaged, &o, &runs.interp, NN_EIO, "labels: expected a folder", "a file in the place of labels/");
}

static void test_changed(void)
{
    nn_bytes list = tiny_read(whole, "metadata.jsonl");
    const size_t line = (size_t)((const char *)memchr(list.data, '\n', list.size) - (const char *)list.data) + 1;
    const char *path = tiny_copy(&runs, whole, "changed");
    dg_dataset_options o = tiny_options(&runs, path, TINY_MANY, 8);
    remove(tiny_path(path, "images/0000000007.png"));
    refuse(path, &o, &runs.interp, NN_EMISMATCH, "images/0000000007.png: listed", "a listed picture is gone");

    path = tiny_copy(&runs, whole, "changed");
    tiny_write(tiny_path(path, "metadata.jsonl"), list.data + line, list.size - line);
    refuse(path, &o, &runs.interp, NN_EMISMATCH, "line 1: expected seed 2, found 5", "a line was removed");

    path = tiny_copy(&runs, whole, "changed");
    list.data[line + 3] = 0;
    tiny_write(tiny_path(path, "metadata.jsonl"), list.data, list.size);
    refuse(path, &o, &runs.interp, NN_EFORMAT, "metadata.jsonl: line 2", "a broken line long before the end");
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
        t_status(dg_manifest_parse(&s, bad[i], strlen(bad[i]), runs.interp.class_at, 3, "list: line 1", &err), NN_EFORMAT, &err, "list: line 1", "%s", bad[i]);
    }
}

int main(void)
{
    tiny_runs_open(&runs, "dataset");
    nn_format(whole, sizeof whole, "%s/whole", runs.folder);
    tiny_must_run(&runs, whole, TINY_MANY, 8, "an uninterrupted run");
    test_contents();
    test_varied();
    test_pages();
    test_other_runs();
    test_foreign();
    test_changed();
    tiny_runs_close(&runs);
    return t_done();
}
