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
    ok = ok && (in->precision == NN_FP32 || json_object_set_new(v, "precision", json_string("bf16")) == 0);
    ok = ok && (!o->shard.of || json_object_set_new(v, "shard", json_pack("{s:I, s:I, s:I}", "index", (json_int_t)o->shard.index, "of",
                                                              (json_int_t)o->shard.of, "count", (json_int_t)o->count)) == 0);
    if (ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "run.json: not enough memory");
    return NULL;
}

nn_status dg_run_compare(const char *path, const json_t *found, const json_t *wanted, nn_err *err)
{
    char text[NN_JSON_DIFFERENCES];
    if (!json_is_object(found)) return nn_fail(err, NN_EFORMAT, "%s: expected an object", path);
    if (!nn_json_differences(found, wanted, text)) return NN_OK;
    return nn_fail(err, NN_EMISMATCH, "%s: this folder holds another run: %s", path, text);
}
