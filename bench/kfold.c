/* kfold.c: k-fold validation of training settings on the pictures of one split, by the product's own path: train an
 * interpreter on the other folds, label the held-out pictures, one confusion matrix over all of them.
 *
 *   kfold GENERATOR TASK SPLIT FOLDS [key=value ...]
 *
 * Keys: recipe (first, default "default"), members, seed, batch, h1, h2, epochs, lr, decay, dropout1, dropout2, standardise,
 * one_cycle, official_stop, seeds (repeat with so many seeds, default 1).  Folds are a fixed shuffle of the split's pictures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "datasetgan/datasetgan.h"
#include "nn/rng.h"
#include "nn/sys.h"

/* Processor time of all threads: other work on the machine does not change it much. */
static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* 0: no such key. */
static int set_option(dg_train_options *o, int *seeds, const char *text, nn_err *err)
{
    const char *equals = strchr(text, '=');
    if (!equals) return 0;
    const size_t n = (size_t)(equals - text);
    const double v = atof(equals + 1);
#define KEY(name) (n == strlen(name) && !strncmp(text, name, n))
    if (KEY("recipe")) return dg_train_recipe(o, equals + 1, 2, err) == NN_OK;
    else if (KEY("members")) o->members = (int)v;
    else if (KEY("seed")) o->seed = (uint64_t)v;
    else if (KEY("seeds")) *seeds = (int)v;
    else if (KEY("batch")) o->batch = (nn_dim)v;
    else if (KEY("h1")) o->h1 = (nn_dim)v;
    else if (KEY("h2")) o->h2 = (nn_dim)v;
    else if (KEY("epochs")) o->epochs = v;
    else if (KEY("lr")) o->lr = v;
    else if (KEY("decay")) o->decay = v;
    else if (KEY("dropout1")) o->dropout1 = v;
    else if (KEY("dropout2")) o->dropout2 = v;
    else if (KEY("standardise")) o->standardise = v != 0.0;
    else if (KEY("one_cycle")) o->one_cycle = v != 0.0;
    else if (KEY("official_stop")) o->official_stop = v != 0.0;
    else return 0;
#undef KEY
    return 1;
}

/* One fold: pictures whose turn it is are held out.  Adds to the matrix and to the seconds of training. */
static nn_status run_fold(dg_task *t, const sg_model *m, const dg_train_options *o, const nn_dim *turn, int folds, int fold,
                          nn_confusion *matrix, double *seconds, nn_err *err)
{
    char path[64];
    nn_format(path, sizeof path, "build/kfold-%ld.safetensors", (long)getpid());
    for (nn_dim i = 0; i < t->item_count; i++)
        nn_format(t->item[i].split, sizeof t->item[i].split, "%s", turn[i] < 0 ? "other" : turn[i] % folds == fold ? "held" : "train");
    const double start = cpu_seconds();
    nn_status s = dg_train(t, "train", m, o, NULL, 0, path, NULL, err);
    *seconds += cpu_seconds() - start;
    dg_interp in = { 0 };
    nn_confusion *held = nn_alloc(sizeof *held, "confusion matrix", err);
    if (!s) s = held ? dg_interp_open(&in, path, err) : NN_ENOMEM;
    if (!s) s = dg_eval_task(t, "held", m, &in, held, err);
    for (int i = 0; i < matrix->classes * matrix->classes && !s; i++) matrix->count[i] += held->count[i];
    nn_free(held);
    dg_interp_close(&in);
    nn_sys_unlink(path);
    return s;
}

static nn_status run_folds(dg_task *t, const sg_model *m, const dg_train_options *o, const nn_dim *turn, int folds, double *miou, nn_err *err)
{
    nn_confusion *matrix = nn_alloc(sizeof *matrix, "confusion matrix", err);
    if (!matrix) return NN_ENOMEM;
    matrix->classes = t->class_count;
    double seconds = 0.0;
    nn_status s = NN_OK;
    for (int fold = 0; fold < folds && !s; fold++) s = run_fold(t, m, o, turn, folds, fold, matrix, &seconds, err);
    if (!s) {
        nn_scores sc;
        nn_confusion_scores(matrix, &sc);
        printf("seed %llu: mIoU %.4f (", (unsigned long long)o->seed, sc.miou);
        for (int c = 0; c < t->class_count; c++) printf("%s%.4f", c ? " " : "", sc.iou[c]);
        printf("), accuracy %.4f, %.1f CPU seconds of training\n", sc.accuracy, seconds);
        fflush(stdout);
        *miou = sc.miou;
    }
    nn_free(matrix);
    return s;
}

static nn_status run(int argc, char **argv, nn_err *err)
{
    dg_task t;
    dg_train_options o;
    int seeds = 1;
    nn_status s = dg_task_read(&t, argv[2], err);
    if (s) return s;
    const nn_kernels *k = nn_kernels_pick("auto", err);
    sg_model *m = k ? sg_open(argv[1], k, err) : NULL;
    nn_dim *turn = nn_alloc((size_t)t.item_count * sizeof *turn, "folds", err);
    uint32_t *order = nn_alloc((size_t)t.item_count * sizeof *order, "folds", err);
    if (!m || !turn || !order) return err->status;

    dg_train_recipe(&o, "default", t.class_count, err);
    for (int i = 5; i < argc && !s; i++)
        if (!set_option(&o, &seeds, argv[i], err)) s = nn_fail(err, NN_EINVAL, "unknown setting '%s'", argv[i]);
    const int folds = atoi(argv[4]);
    nn_rng_shuffle(0, NN_RNG_FOLD, 0, order, (uint32_t)t.item_count);
    nn_dim next = 0;
    for (nn_dim i = 0; i < t.item_count; i++) {
        const nn_dim at = order[i];
        turn[at] = strcmp(t.item[at].split, argv[3]) ? -1 : next++;
    }
    if (!s && (folds < 2 || next < folds)) s = nn_fail(err, NN_EINVAL, "expected 2 to %td folds, found %s", next, argv[4]);

    double sum = 0.0, square = 0.0;
    for (int i = 0; i < seeds && !s; i++, o.seed++) {
        double miou = 0.0;
        s = run_folds(&t, m, &o, turn, folds, &miou, err);
        sum += miou;
        square += miou * miou;
    }
    const double mean = sum / seeds;
    if (!s && seeds > 1) printf("mean %.4f, sd %.4f\n", mean, sqrt(fmax(0.0, (square - sum * mean) / (seeds - 1))));
    nn_free(turn);
    nn_free(order);
    sg_close(m);
    dg_task_free(&t);
    return s;
}

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    if (argc < 5) {
        fprintf(stderr, "usage: kfold GENERATOR TASK SPLIT FOLDS [key=value ...]\n");
        return 2;
    }
    if (run(argc, argv, &err)) fprintf(stderr, "kfold: %s\n", err.msg);
    return err.status != NN_OK;
}
