/* cmd_train.c: datasetgan train: an interpreter from an annotation set. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/file.h"

static const char NAME[] = "train";

/* Settings of the recipe that were given on their own. */
typedef struct {
    int64_t members, seed, batch, width1, width2;
    double epochs, lr, decay, dropout1, dropout2, feature_noise;
    const char *standardise, *schedule, *stop, *class_weights;
    bool members_given, batch_given, width1_given, width2_given, epochs_given, lr_given, decay_given, dropout1_given, dropout2_given;
} choices;

typedef struct {
    const char *generator, *task, *split, *out, *recipe, *taps, *init, *kernels;
    choices own;
    cli_draw draw;
    bool force;
} job;

static void apply_choices(const choices *c, dg_train_options *o)
{
    o->seed = (uint64_t)c->seed;
    o->feature_noise = c->feature_noise;
    if (c->class_weights) o->class_weights = !strcmp(c->class_weights, "balanced") ? 1.0 : !strcmp(c->class_weights, "root") ? 0.5 : 0.0;
    if (c->members_given) o->members = (int)c->members;
    if (c->batch_given) o->batch = (nn_dim)c->batch;
    if (c->width1_given) o->h1 = c->width1 ? (nn_dim)c->width1 : DG_NO_LAYER;
    if (c->width2_given) o->h2 = c->width2 ? (nn_dim)c->width2 : DG_NO_LAYER;
    if (c->epochs_given) o->epochs = c->epochs;
    if (c->lr_given) o->lr = c->lr;
    if (c->decay_given) o->decay = c->decay;
    if (c->dropout1_given) o->dropout1 = c->dropout1;
    if (c->dropout2_given) o->dropout2 = c->dropout2;
    if (c->standardise) o->standardise = !strcmp(c->standardise, "on");
    if (c->schedule) o->one_cycle = !strcmp(c->schedule, "one-cycle");
    if (c->stop) o->official_stop = !strcmp(c->stop, "official");
}

static nn_status train(const job *j, dg_task *t, const sg_model *m, const dg_interp *it, nn_err *err)
{
    dg_train_options o;
    cli_names names;
    if (cli_split_taps(&names, j->taps, err) || dg_train_recipe(&o, j->recipe, t->class_count, err)) return err->status;
    if (it) dg_train_start_from(&o, it);
    apply_choices(&j->own, &o);
    o.replace = j->force;
    const dg_progress p = { cli_progress_report, (void *)"loss" };
    return dg_train(t, j->split, m, &o, j->taps ? names.at : NULL, names.count, j->out, &p, err);
}

static nn_status run(const job *j, nn_err *err)
{
    dg_task t = { 0 };
    dg_interp it = { 0 };
    char bundled[CLI_PATH];
    const char *path = j->task;
    if (!path && cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_TASK, err) == NN_OK) path = bundled;
    if (j->init && dg_interp_open(&it, j->init, err)) return err->status;
    if (!path || dg_task_read(&t, path, err)) { dg_interp_close(&it); return err->status; }
    cli_draw_apply(NAME, &j->draw, t.path, &t.draw);
    sg_model *m = cli_open_task_generator(j->generator, &t, j->kernels, err);
    if (m && sg_check_options(m, &t.draw, err) == NN_OK) train(j, &t, m, j->init ? &it : NULL, err);
    cli_progress_end();
    sg_close(m);
    dg_task_free(&t);
    dg_interp_close(&it);
    return err->status;
}

int cmd_train(int argc, char **argv)
{
    job j = { .split = "train", .recipe = "default", .kernels = "auto" };
    choices *c = &j.own;
    int64_t threads = 0;
    const cli_opt opt[] = {
        { "out", CLI_STR, &j.out, 0, 0, "FILE", true, "interpreter to write, .safetensors; FILE.part keeps what an interrupted run has done", NULL },
        { "task", CLI_STR, &j.task, 0, 0, "FILE", false, "annotation set, task.json (default: the bundled one)", NULL },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator (default: the task's, else the bundled one)", NULL },
        { "split", CLI_STR, &j.split, 0, 0, "NAME", false, "pictures of the set to learn from (default: train)", NULL },
        { "recipe", CLI_CHOICE, &j.recipe, 0, 0, "default|paper|official", false, "settings that the options below change one by one (default: default)", NULL },
        { "init", CLI_STR, &j.init, 0, 0, "FILE", false,
          "start from this interpreter: its members, widths and maps; 0.5 epochs at a rate of 1e-3 unless said otherwise", NULL },
        { "members", CLI_INT, &c->members, 1, 1000, NULL, false, "classifiers in the ensemble (default: 10)", &c->members_given },
        { "seed", CLI_INT, &c->seed, 0, 9007199254740992.0, NULL, false, "seed of initialisation, order and dropout (default: 0)", NULL },
        { "epochs", CLI_REAL, &c->epochs, 1e-6, 1e6, NULL, false, "passes over the pixels (default: the recipe's)", &c->epochs_given },
        { "batch", CLI_INT, &c->batch, 2, 1 << 20, NULL, false, "pixels a step (default: the recipe's)", &c->batch_given },
        { "lr", CLI_REAL, &c->lr, 1e-12, 1e3, NULL, false, "learning rate, the peak of a cycle (default: the recipe's)", &c->lr_given },
        { "schedule", CLI_CHOICE, &c->schedule, 0, 0, "constant|one-cycle", false, "of the learning rate (default: the recipe's)", NULL },
        { "decay", CLI_REAL, &c->decay, 0, 1e3, NULL, false, "weight decay (default: the recipe's)", &c->decay_given },
        { "dropout1", CLI_REAL, &c->dropout1, 0, 0.99, NULL, false, "share of the first hidden layer dropped (default: the recipe's)", &c->dropout1_given },
        { "dropout2", CLI_REAL, &c->dropout2, 0, 0.99, NULL, false, "share of the second one (default: the recipe's)", &c->dropout2_given },
        { "feature-noise", CLI_REAL, &c->feature_noise, 0, 1e3, NULL, false, "deviation of normal noise added to the features while training (default: 0)", NULL },
        { "class-weights", CLI_CHOICE, &c->class_weights, 0, 0, "none|root|balanced", false,
          "what a pixel counts: the same, or by its class's frequency to the power -1/2 or -1 (default: none)", NULL },
        { "standardise", CLI_CHOICE, &c->standardise, 0, 0, "on|off", false, "features to mean 0, deviation 1 (default: the recipe's)", NULL },
        { "stop", CLI_CHOICE, &c->stop, 0, 0, "epochs|official", false, "after the epochs, or by the released code's rule (default: the recipe's)", NULL },
        { "width1", CLI_INT, &c->width1, 0, 65536, NULL, false, "first hidden layer; 0: a linear probe (default: 128; 256 from 32 classes on)", &c->width1_given },
        { "width2", CLI_INT, &c->width2, 0, 65536, NULL, false, "second hidden layer; 0: none (default: 32; 128 from 32 classes on)", &c->width2_given },
        { "taps-set", CLI_STR, &j.taps, 0, 0, "NAMES", false,
          "feature maps to use, such as b64.conv0,b64.conv1, or a set: released, paper (StyleGAN1), editgan (StyleGAN2), last-K "
          "(default: released, or every conv0 and conv1)", NULL },
        CLI_DRAW_OPTIONS(j.draw, "the task's"),
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace an existing interpreter", NULL },
    };
    const int rc = cli_parse(NAME, "Train a style interpreter. Every annotated picture is drawn again from its seed and compared with its PNG "
                             "first. The same command goes on with a run that was stopped.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    const double start = cli_seconds();
    cli_threads(threads);
    const bool there = nn_path_exists(j.out) && !j.force;
    if (run(&j, &err) == NN_OK)
        printf("%s%s (%.1f s, peak memory %.0f MB)\n", j.out, there ? " is there already" : " is trained", cli_seconds() - start, (double)cli_peak_bytes() / 1e6);
    if (err.status == NN_OK) return CLI_EXIT_OK;
    const int failed = cli_fail(NAME, &err);
    return err.status == NN_EMISMATCH ? CLI_EXIT_MISMATCH : failed;      /* generator and annotation set do not belong together */
}
