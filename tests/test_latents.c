/* test_latents.c: a set whose pictures are named by latents equals the same set by seeds: pictures, training, scores. */
#include <stdio.h>
#include <string.h>

#include "datasetgan/features.h"
#include "tests/t.h"
#include "tests/tiny_set.h"

static char folder[256];
static sg_model *model;

/* z, w and w+ of the tiny set's seeds, w+ after truncation and with a layer too many. */
static void write_latents(void)
{
    const sg_config *c = sg_get_config(model);
    const sg_options draw = { 0.75, 5, SG_NOISE_CONST, 0 };
    const nn_dim layers = c->num_ws + 1;
    float z[TINY_ITEMS * 64], w[TINY_ITEMS * 64], ws[TINY_ITEMS * 16 * 64] = { 0 };
    nn_err err = { 0 };
    NN_ASSERT(c->z_dim <= 64 && c->w_dim <= 64 && layers <= 16);
    for (nn_dim i = 0; i < TINY_ITEMS; i++) {
        sg_z(model, (uint32_t)(TINY_SEED + i), z + i * c->z_dim);
        sg_mapping(model, w + i * c->w_dim, z + i * c->z_dim, 1, 0);
        sg_truncate(model, ws + i * layers * c->w_dim, w + i * c->w_dim, 1, &draw);
    }
    nn_npy_write(tiny_path(folder, "z.npy"), z, 2, (const uint64_t[]){ TINY_ITEMS, (uint64_t)c->z_dim }, &err);
    nn_npy_write(tiny_path(folder, "w.npy"), w, 2, (const uint64_t[]){ TINY_ITEMS, (uint64_t)c->w_dim }, &err);
    nn_npy_write(tiny_path(folder, "ws.npy"), ws, 3, (const uint64_t[]){ TINY_ITEMS, (uint64_t)layers, (uint64_t)c->w_dim }, &err);
    t_status(err.status, NN_OK, &err, NULL, "latents: %s", err.msg);
}

/* task.json of the tiny set with a latent in place of each seed; text of items in order. */
static void write_task(const char *name, const char *const latent[TINY_ITEMS])
{
    nn_err err = { 0 };
    json_t *v = nn_json_read(tiny_path(folder, "task.json"), 1 << 20, &err);
    if (!v) { t_fail("%s", err.msg); return; }
    for (size_t i = 0; i < TINY_ITEMS; i++) {
        json_t *item = json_array_get(json_object_get(v, "items"), i);
        json_object_del(item, "seed");
        json_object_set_new(item, "latent", nn_json_parse(latent[i], strlen(latent[i]), "latent", &err));
    }
    nn_json_write(tiny_path(folder, name), v, &err);
    json_decref(v);
    t_status(err.status, NN_OK, &err, NULL, "%s: %s", name, err.msg);
}

static const char *const spaces[TINY_ITEMS] = {
    "{\"file\":\"z.npy\",\"row\":0,\"space\":\"z\"}", "{\"file\":\"w.npy\",\"row\":1,\"space\":\"w\"}",
    "{\"file\":\"ws.npy\",\"row\":2,\"space\":\"w+\"}", "{\"file\":\"z.npy\",\"row\":3,\"space\":\"z\"}",
};

static dg_train_options options(void)
{
    dg_train_options o;
    nn_err err = { 0 };
    dg_train_recipe(&o, "default", TINY_CLASSES, &err);
    o.members = 2;
    o.epochs = 0.2;
    o.h1 = 16;
    o.h2 = 8;
    return o;
}

/* Train on the set and score the result on its test picture.  Every picture is compared with its PNG on the way. */
static void run(const char *task, const char *out, dg_interp *in, nn_confusion *c)
{
    nn_err err = { 0 };
    dg_task t;
    const dg_train_options o = options();
    if (!t_status(dg_task_read(&t, tiny_path(folder, task), &err), NN_OK, &err, NULL, "%s: %s", task, err.msg)) return;
    t_status(dg_train(&t, "train", model, &o, NULL, 0, tiny_path(folder, out), NULL, &err), NN_OK, &err, NULL, "train on %s: %s", task, err.msg);
    t_status(dg_train(&t, "train", model, &o, NULL, 0, tiny_path(folder, out), NULL, &err), NN_OK, &err, NULL, "and again: %s", err.msg);
    t_status(dg_interp_open(in, tiny_path(folder, out), &err), NN_OK, &err, NULL, "%s: %s", out, err.msg);
    t_status(dg_eval_task(&t, "test", model, in, c, &err), NN_OK, &err, NULL, "score %s: %s", task, err.msg);
    dg_task_free(&t);
}

static void test_same(void)
{
    static nn_confusion by_seed, by_latent;
    dg_interp a = { 0 }, b = { 0 };
    write_task("spaces.json", spaces);
    run("task.json", "seeds.safetensors", &a, &by_seed);
    run("spaces.json", "latents.safetensors", &b, &by_latent);
    if (!a.w1 || !b.w1) return;
    t_same(a.w1, b.w1, (size_t)(2 * a.h1 * a.D) * sizeof(real), "the same weights by seed and by latent");
    t_same(&by_seed, &by_latent, sizeof by_seed, "the same scores by seed and by latent");
    t_check(a.seed_count == 3 && b.seed_count == 0, "a dataset skips the annotated seeds: %td and %td", a.seed_count, b.seed_count);
    dg_interp_close(&a);
    dg_interp_close(&b);
}

/* Another latent is another picture; other sizes are no latents of this generator; another row is another training run. */
static void test_wrong(void)
{
    static const struct { const char *latent; nn_status status; const char *part; } bad[] = {
        { "{\"file\":\"z.npy\",\"row\":1,\"space\":\"z\"}", NN_EMISMATCH, "latent 1 of z.npy drawn by generator" },
        { "{\"file\":\"w.npy\",\"row\":0,\"space\":\"z\"}", NN_EMISMATCH, "as the generator's z, found 2 sizes, the last" },
        { "{\"file\":\"ws.npy\",\"row\":0,\"space\":\"z\"}", NN_EMISMATCH, "as the generator's z, found 3 sizes" },
        { "{\"file\":\"z.npy\",\"row\":0,\"space\":\"w+\"}", NN_EMISMATCH, "as the generator's w+, found 2 sizes" },
        { "{\"file\":\"small.npy\",\"row\":0,\"space\":\"w\"}", NN_EMISMATCH, "small.npy: expected (rows, " },
    };
    nn_err err = { 0 };
    const float small[2] = { 1, 2 };
    nn_npy_write(tiny_path(folder, "small.npy"), small, 2, (const uint64_t[]){ 2, 1 }, &err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *latent[TINY_ITEMS] = { bad[i].latent, spaces[1], spaces[2], spaces[3] };
        dg_task t;
        const dg_train_options o = options();
        err = (nn_err){ 0 };
        write_task("wrong.json", latent);
        if (!t_status(dg_task_read(&t, tiny_path(folder, "wrong.json"), &err), NN_OK, &err, NULL, "%s", err.msg)) continue;
        t_status(dg_train(&t, "train", model, &o, NULL, 0, tiny_path(folder, "wrong.safetensors"), NULL, &err), bad[i].status, &err, bad[i].part, "%s", bad[i].latent);
        err = (nn_err){ 0 };
        t_status(dg_train(&t, "train", model, &o, NULL, 0, tiny_path(folder, "latents.safetensors"), NULL, &err), NN_EEXISTS, &err, "(annotations is ",
                 "another latent is another run");
        dg_task_free(&t);
    }
}

/* A set made from one by latents has their files, and its pictures are still theirs. */
static void test_imported(void)
{
    char in[300], task[300], out[300];
    nn_err err = { 0 };
    nn_format(in, sizeof in, "%s/labels", folder);
    nn_format(task, sizeof task, "%s/spaces.json", folder);
    nn_format(out, sizeof out, "%s/imported", folder);
    const dg_import_options o = { .from = "png", .in = in, .task = task, .out = out };
    dg_import_result r;
    dg_task t;
    dg_features f;
    if (!t_status(dg_import_set(&o, &r, &err), NN_OK, &err, NULL, "import: %s", err.msg)
        || !t_status(dg_task_read(&t, tiny_path(out, "task.json"), &err), NN_OK, &err, NULL, "its task: %s", err.msg)) return;
    t_check(t.item_count == TINY_ITEMS && t.latents_count == 3 && !strcmp(t.latents[2].path, tiny_path(out, "latents/2.npy")), "it has the latents");
    if (t_status(dg_features_open(&f, &t, "train", model, NULL, 0, &err), NN_OK, &err, NULL, "%s", err.msg))
        t_status(dg_features_draw(&f, &t, "train", model, &err), NN_OK, &err, NULL, "its pictures: %s", err.msg);
    dg_features_close(&f);
    dg_task_free(&t);
}

int main(void)
{
    nn_format(folder, sizeof folder, "%s", t_folder("latents"));
    model = tiny_generator(nn_kernels_pick("auto", NULL));
    tiny_set_make(folder, model);
    write_latents();
    test_same();
    test_wrong();
    test_imported();
    sg_close(model);
    return t_done();
}
