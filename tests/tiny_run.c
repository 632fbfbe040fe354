/* tiny_run.c: see tiny_run.h. */
#include "tests/tiny_run.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "nn/hash.h"
#include "tests/t.h"
#include "tests/tiny_interp.h"
#include "tests/tiny_set.h"

void tiny_runs_open(tiny_runs *t, const char *name)
{
    nn_err err = { 0 };
    t->folder = t_folder(name);
    t->model = tiny_generator(nn_kernels_pick("auto", &err));
    tiny_interp(&t->interp, tiny_path(t->folder, "i.safetensors"), t->model, "cells & <more>", "<b>&\"'", 7);
}

void tiny_runs_close(tiny_runs *t)
{
    dg_interp_close(&t->interp);
    sg_close(t->model);
}

static bool watch(void *user, const char *what, double done, double total, double value)
{
    tiny_watcher *w = user;
    w->in_order = (w->calls == 0 || (w->in_order && done > w->last)) && done <= total && value >= 0 && *what;
    w->last = done;
    return ++w->calls != w->stop_at;
}

dg_dataset_options tiny_options(const tiny_runs *t, const char *out, uint64_t count, nn_dim batch)
{
    return (dg_dataset_options){ .count = count, .first_seed = TINY_FIRST, .draw = t->interp.draw, .batch = batch, .out = out, .version = "test" };
}

nn_status tiny_run(const tiny_runs *t, const char *out, uint64_t count, nn_dim batch, tiny_watcher *w, dg_dataset_result *r, nn_err *err)
{
    const dg_dataset_options o = tiny_options(t, out, count, batch);
    const dg_progress p = { watch, w };
    dg_dataset_result own;
    *err = (nn_err){ 0 };
    return dg_dataset(t->model, &t->interp, &o, w ? &p : NULL, r ? r : &own, err);
}

void tiny_must_run(const tiny_runs *t, const char *out, uint64_t count, nn_dim batch, const char *what)
{
    nn_err err;
    t_status(tiny_run(t, out, count, batch, NULL, NULL, &err), NN_OK, &err, NULL, "%s", what);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

char *tiny_describe(const char *path)
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

void tiny_same_run(const char *a, const char *b, const char *what)
{
    char *x = tiny_describe(a), *y = tiny_describe(b);
    size_t at = 0;
    while (x[at] && x[at] == y[at]) at++;
    while (at > 0 && x[at - 1] != '\n') at--;
    t_check(!strcmp(x, y), "%s: %s differs from %s at '%.90s' / '%.90s'", what, a, b, x + at, y + at);
    free(x);
    free(y);
}

const char *tiny_fresh(const tiny_runs *t, const char *name)
{
    static char path[512], command[600];
    nn_format(path, sizeof path, "%s/%s", t->folder, name);
    nn_format(command, sizeof command, "rm -rf '%s'", path);
    t_check(system(command) == 0, "%s", command);
    return path;
}

const char *tiny_copy(const tiny_runs *t, const char *from, const char *name)
{
    const char *to = tiny_fresh(t, name);
    char command[2048];
    nn_format(command, sizeof command, "cp -r '%s' '%s'", from, to);
    t_check(system(command) == 0, "%s", command);
    return to;
}

bool tiny_exists(const char *path, const char *name) { return nn_path_exists(tiny_path(path, name)); }

nn_bytes tiny_read(const char *path, const char *name)
{
    nn_bytes b = { 0 };
    nn_err err = { 0 };
    if (nn_file_read(tiny_path(path, name), 1 << 26, &b, &err)) t_fail("%s", err.msg);
    return b;
}
