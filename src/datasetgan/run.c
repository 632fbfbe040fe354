/* run.c: run.json: what a dataset's bytes depend on, and the comparison that refuses another run's folder. */
#include <limits.h>           /* on glibc: defines __GLIBC__ */
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "datasetgan/dataset.h"
#include "datasetgan/fields.h"

enum { FORMAT = 1 };

/* exp and log come from the C library. */
#ifdef __GLIBC__
static const char *libc_name(void) { return gnu_get_libc_version(); }
#else
static const char *libc_name(void) { return "other"; }
#endif

static int by_seed(const void *a, const void *b)
{
    const json_int_t x = json_integer_value(*(json_t *const *)a), y = json_integer_value(*(json_t *const *)b);
    return (x > y) - (x < y);
}

/* The annotated seeds, ascending: a dataset leaves them out. */
static json_t *skipped_seeds(const dg_interp *in, const dg_vary_options *vary)
{
    const nn_dim count = dg_seeds_skipped(in, vary);
    json_t *list = json_array();
    json_t **seed = nn_alloc((size_t)count * sizeof *seed, "annotated seeds", NULL);
    bool ok = list && seed;
    for (nn_dim i = 0; ok && i < count; i++) ok = (seed[i] = json_integer(in->seed[i])) != NULL;
    if (ok) qsort(seed, (size_t)count, sizeof *seed, by_seed);
    for (nn_dim i = 0; seed && i < count; i++) ok = json_array_append_new(list, seed[i]) == 0 && ok;
    nn_free(seed);
    if (ok) return list;
    json_decref(list);
    return NULL;
}

json_t *dg_run_describe(const sg_model *m, const dg_interp *in, const dg_dataset_options *o, nn_err *err)
{
    const sg_config *cfg = sg_get_config(m);
    /* png_get_libpng_ver and its like name the libraries in use, not the headers. */
    json_t *v = json_pack("{s:s, s:i, s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:I, s:I, s:I}, s:{s:I, s:o, s:o, s:o}}",
        "kind", "dataset run", "format", FORMAT,
        "program", "version", o->version, "kernels", sg_get_kernels(m)->name, "libc", libc_name(),
                   "libpng", png_get_libpng_ver(NULL), "zlib", zlibVersion(), "jansson", jansson_version_str(),
        "generator", sg_identity(m), "interpreter", in->identity, "task", in->task_name,
        "picture", "width", (json_int_t)cfg->resolution, "height", (json_int_t)cfg->height, "channels", (json_int_t)cfg->img_channels,
        "settings", "first_seed", (json_int_t)o->first_seed, "draw", dg_put_draw(&o->draw), "vary", dg_vary_put_options(&o->vary), "skipped_seeds", skipped_seeds(in, &o->vary));
    bool ok = v && (!in->vote_mean || json_object_set_new(v, "vote", json_string("mean")) == 0);      /* majority: not named, as before there was a choice */
    ok = ok && (!o->shard.of || json_object_set_new(v, "shard", json_pack("{s:I, s:I, s:I}", "index", (json_int_t)o->shard.index, "of",
                                                              (json_int_t)o->shard.of, "count", (json_int_t)o->count)) == 0);
    if (ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "run.json: not enough memory");
    return NULL;
}

static nn_status differs(const char *path, const char *key, const json_t *found, const json_t *wanted, nn_err *err)
{
    char *f = found ? nn_json_line(found, NULL) : NULL, *w = wanted ? nn_json_line(wanted, NULL) : NULL;
    const nn_status s = nn_fail(err, NN_EMISMATCH, "%s: this folder holds another run: %s is %.80s there, %.80s in this command", path, key,
                                f ? f : "absent", w ? w : "absent");
    nn_free(f);
    nn_free(w);
    return s;
}

/* prefix: the key of the objects themselves, with a point, or "".  Two levels are all there are below the top. */
static nn_status compare(const char *path, const char *prefix, const json_t *found, const json_t *wanted, int depth, nn_err *err)
{
    const char *key;
    json_t *w, *f;
    char name[128];
    json_object_foreach((json_t *)(uintptr_t)wanted, key, w) {
        f = json_object_get(found, key);
        nn_format(name, sizeof name, "%s%.40s", prefix, key);
        if (json_is_object(w) && json_is_object(f) && depth > 0) {
            nn_format(name, sizeof name, "%s%.40s.", prefix, key);
            const nn_status s = compare(path, name, f, w, depth - 1, err);
            if (s) return s;
        } else if (!f || !json_equal(f, w)) return differs(path, name, f, w, err);
    }
    json_object_foreach((json_t *)(uintptr_t)found, key, f) {
        nn_format(name, sizeof name, "%s%.40s", prefix, key);
        if (!json_object_get(wanted, key)) return differs(path, name, f, NULL, err);
    }
    return NN_OK;
}

nn_status dg_run_compare(const char *path, const json_t *found, const json_t *wanted, nn_err *err)
{
    if (!json_is_object(found)) return nn_fail(err, NN_EFORMAT, "%s: expected an object", path);
    return compare(path, "", found, wanted, 2, err);
}
