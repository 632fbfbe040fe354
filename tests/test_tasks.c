/* test_tasks.c: the paper's tasks in tasks/: each file is one that the program reads, and says what the paper's tables say. */
#include <string.h>

#include "tests/t.h"
#include "datasetgan/datasetgan.h"
#include "nn/json.h"

static const struct {
    const char *file;
    int classes;
    nn_dim cutoff, width, height, features;
    struct { const char *name, *view; int classes; int64_t annotated; double paper; } bench[4];
} want[] = {
    { "car-20", 20, 8, 512, 384, 5056,
      { { "Car-20", NULL, 20, 16, 62.33 }, { "ADE-Car-12", "ade-car-12", 12, 16, 45.64 }, { "ADE-Car-5", "car-5", 6, 16, 57.77 },
        { "PASCAL-Car-5", "car-5", 6, 25, 0 } } },
    { "face-34", 34, 8, 1024, 1024, 5088, { { "Face-34", NULL, 34, 16, 53.46 }, { "CelebA-Mask-8", "celeba-mask-8", 8, 16, 70.01 } } },
    { "bird-11", 11, 8, 1024, 1024, 5088, { { "Bird-11", NULL, 11, 30, 36.76 } } },
    { "cat-16", 16, 7, 256, 256, 4992, { { "Cat-16", NULL, 16, 30, 31.26 } } },
    { "bedroom-19", 19, 7, 256, 256, 4992, { { "Bedroom-19", NULL, 19, 40, 36.83 } } },
    { "bedroom-28", 28, 7, 256, 256, 4992, { { "Bedroom-28", NULL, 28, 40, 0 } } },
};

static const char *text(const json_t *o, const char *key) { const char *s = json_string_value(json_object_get(o, key)); return s ? s : ""; }
static json_int_t whole(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }

static void check_benchmarks(const dg_task *t, size_t k)
{
    const json_t *list = json_object_get(t->json, "benchmarks");
    nn_err err = { 0 };
    size_t count = 0;
    for (; count < 4 && want[k].bench[count].name; count++) {
        const json_t *b = json_array_get(list, count);
        const char *view = want[k].bench[count].view;
        dg_map v = { .class_count = t->class_count };
        if (view) t_status(dg_task_view(t, view, &v, &err), NN_OK, &err, NULL, "%s: view %s: %s", t->path, view, err.msg);
        t_check(!strcmp(text(b, "name"), want[k].bench[count].name) && (!view || !strcmp(text(b, "view"), view)), "%s: benchmark %zu: its name and view", t->path, count);
        t_check(v.class_count == want[k].bench[count].classes, "%s: %s has %d classes", t->path, text(b, "name"), v.class_count);
        t_check(whole(b, "annotated") == want[k].bench[count].annotated && whole(b, "synthetic") == 10000, "%s: %s: annotated and synthetic pictures", t->path, text(b, "name"));
        t_check(json_number_value(json_object_get(json_object_get(b, "mIoU"), "paper")) == want[k].bench[count].paper, "%s: %s: the paper's mIoU", t->path, text(b, "name"));
        const json_t *rule = json_object_get(b, "rule");
        t_check(!strcmp(text(rule, "metric"), "official") && (whole(rule, "folds") == 5) == (whole(json_object_get(b, "test"), "pictures") == 20),
                "%s: %s: five folds of the sets of 20 pictures", t->path, text(b, "name"));
    }
    t_check(json_array_size(list) == count, "%s: %zu benchmarks", t->path, json_array_size(list));
}

int main(void)
{
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        char path[128];
        nn_err err = { 0 };
        dg_task t;
        nn_format(path, sizeof path, "tasks/%s.json", want[k].file);
        if (!t_status(dg_task_read(&t, path, &err), NN_OK, &err, NULL, "%s: %s", path, err.msg)) continue;
        const json_t *p = json_object_get(t.json, "picture");
        t_check(!strcmp(t.name, want[k].file) && t.class_count == want[k].classes && t.item_count == 0, "%s: name and classes", path);
        t_check(!strcmp(t.class_at[0].name, "background") && t.class_at[0].rgb[0] == 255, "%s: class 0 is the white background", path);
        t_check(t.draw.psi == 0.7 && t.draw.cutoff == want[k].cutoff && t.draw.noise == SG_NOISE_RANDOM, "%s: how it is drawn", path);
        t_check(whole(p, "width") == want[k].width && whole(p, "height") == want[k].height && whole(p, "features") == want[k].features
                && whole(p, "top") * 2 + whole(p, "height") == whole(p, "width"), "%s: its pictures", path);
        check_benchmarks(&t, k);
        dg_task_free(&t);
    }
    return t_done();
}
