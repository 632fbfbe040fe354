/* cmd_sweep.c: datasetgan sweep: which training settings are best on this annotation set, measured. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char NAME[] = "sweep";

typedef struct { const char *generator, *task, *recipe, *kernels; cli_draw draw; dg_sweep_options o; double best; char best_settings[DG_SWEEP_TEXT]; } job;

static void print_row(void *user, const dg_sweep_row *row)
{
    job *j = user;
    char sd[16] = "     -", seconds[24] = "measured before";
    cli_progress_end();
    if (isfinite(row->sd)) nn_format(sd, sizeof sd, "%.4f", row->sd);
    if (!row->known) nn_format(seconds, sizeof seconds, "%.1f", row->cpu_seconds);
    printf("%.4f  %6s  %.4f   %s  (%s)\n", row->miou, sd, row->accuracy, *row->settings ? row->settings : "the recipe", seconds);
    fflush(stdout);
    if (row->miou > j->best) {
        j->best = row->miou;
        memcpy(j->best_settings, row->settings, sizeof j->best_settings);
    }
}

static nn_status run(job *j, nn_err *err)
{
    dg_task t = { 0 };
    char bundled[CLI_PATH];
    const char *path = j->task;
    const uint64_t seed = j->o.base.seed;
    if (!path && cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_TASK, err) == NN_OK) path = bundled;
    if (!path || dg_task_read(&t, path, err)) return err->status;
    cli_draw_apply(NAME, &j->draw, t.path, &t.draw);
    sg_model *m = dg_train_recipe(&j->o.base, j->recipe, t.class_count, err) ? NULL : cli_open_task_generator(j->generator, &t, j->kernels, err);
    j->o.base.seed = seed;
    const dg_progress p = { cli_progress_report, (void *)"loss" };
    if (m && sg_check_options(m, &t.draw, err) == NN_OK) {
        printf("mIoU        sd  accuracy  settings  (CPU seconds)\n");
        dg_sweep(&t, m, &j->o, &p, err);
    }
    cli_progress_end();
    sg_close(m);
    dg_task_free(&t);
    return err->status;
}

int cmd_sweep(int argc, char **argv)
{
    enum { GRID_MAX = 16 };
    const char *grid[GRID_MAX];
    job j = { .recipe = "default", .kernels = "auto", .best = -1.0, .o = { .split = "train", .grid = grid, .row = print_row } };
    int64_t folds = 4, repeats = 1, threads = 0, seed = 0;
    const cli_opt opt[] = {
        { "out", CLI_STR, &j.o.out, 0, 0, "FILE", true, "scores as JSON, a row more after each setting", NULL },
        { "task", CLI_STR, &j.task, 0, 0, "FILE", false, "annotation set, task.json (default: the bundled one)", NULL },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator (default: the task's, else the bundled one)", NULL },
        { "split", CLI_STR, &j.o.split, 0, 0, "NAME", false, "pictures of the set to train and validate on (default: train)", NULL },
        { "folds", CLI_INT, &folds, 2, 1000, NULL, false, "parts of the pictures, each held out once (default: 4)", NULL },
        { "repeats", CLI_INT, &repeats, 1, 1000, NULL, false, "repeat with so many seeds (default: 1)", NULL },
        { "seed", CLI_INT, &seed, 0, 9007199254740992.0, NULL, false, "the first of them (default: 0)", NULL },
        { "recipe", CLI_CHOICE, &j.recipe, 0, 0, "default|paper|official", false, "settings that the grid changes (default: default)", NULL },
        CLI_DRAW_OPTIONS(j.draw, "the task's"),
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "force", CLI_FLAG, &j.o.replace, 0, 0, NULL, false, "replace another sweep's scores", NULL },
    };
    const int rc = cli_parse(NAME, "Score training settings by k-fold validation on an annotation set. Arguments KEY=VALUE,VALUE,... span a grid; keys: "
                             DG_SWEEP_KEYS ". The same command goes on with a sweep that was stopped.",
                             opt, sizeof opt / sizeof *opt, argc, argv, grid, GRID_MAX, &j.o.grid_count);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    j.o.user = &j;
    cli_threads(threads);
    j.o.folds = (int)folds;
    j.o.repeats = (int)repeats;
    j.o.base.seed = (uint64_t)seed;
    if (run(&j, &err) != NN_OK) return err.status == NN_EMISMATCH ? (cli_fail(NAME, &err), CLI_EXIT_MISMATCH) : cli_fail(NAME, &err);
    printf("best: %s (mIoU %.4f)\n", *j.best_settings ? j.best_settings : "the recipe", j.best);
    return CLI_EXIT_OK;
}
