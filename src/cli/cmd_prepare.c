/* cmd_prepare.c: datasetgan prepare: pictures for a person to annotate. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>

#include "nn/file.h"

static const char NAME[] = "prepare";

typedef struct { const char *generator, *interpreter, *kernels; cli_draw draw; dg_prepare_options o; } job;

static nn_status run(job *j, dg_prepare_result *r, nn_err *err)
{
    char bundled[CLI_PATH];
    dg_interp it = { 0 };
    if (j->interpreter && dg_interp_open(&it, j->interpreter, err)) return err->status;
    if (j->interpreter) j->o.draw = it.draw;
    cli_draw_apply(NAME, &j->draw, j->interpreter, &j->o.draw);
    j->o.generator = j->generator;
    if (!j->generator && cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_GENERATOR, err) == NN_OK) j->o.generator = bundled;
    sg_model *m = err->status ? NULL : cli_open_generator(j->generator, j->kernels, err);
    const dg_progress p = { cli_progress_report, NULL };
    if (m && sg_check_options(m, &j->o.draw, err) == NN_OK) dg_prepare(m, j->interpreter ? &it : NULL, &j->o, &p, r, err);
    cli_progress_end();
    sg_close(m);
    dg_interp_close(&it);
    /* analyze: what j points to is not read after this */
    return err->status;
}

static nn_status check(const job *j, bool choose_given, bool from_given, const cli_seeds *seeds, nn_err *err)
{
    if (seeds->count && (choose_given || from_given || j->interpreter))
        return nn_fail(err, NN_EINVAL, "option --seeds: expected without --choose, --from and --interpreter");
    if (!seeds->count && !choose_given) return nn_fail(err, NN_EINVAL, "expected --seeds or --choose");
    if (!seeds->count && j->o.choose > j->o.from)
        return nn_fail(err, NN_EINVAL, "option --choose: expected at most the %td of --from, found %td", j->o.from, j->o.choose);
    return NN_OK;
}

int cmd_prepare(int argc, char **argv)
{
    job j = { .kernels = "auto", .o = { .draw = { 0.7, -1, SG_NOISE_CONST, 0 } } };
    cli_seeds seeds = { 0 };
    int64_t choose = 16, from = 1000, first_seed = 0, batch = 4, threads = 0;
    bool choose_given = false, from_given = false;
    const cli_opt opt[] = {
        { "classes", CLI_STR, &j.o.classes, 0, 0, "FILE", true, "class names, a line each, first the background; ' #rrggbb' after a name is its colour", NULL },
        { "out", CLI_STR, &j.o.out, 0, 0, "DIR", true, "folder to make; it appears when all is written and is never replaced", NULL },
        { "choose", CLI_INT, &choose, 1, 10000, NULL, false, "choose this many pictures that stand best for all of --from", &choose_given },
        { "from", CLI_INT, &from, 1, 20000, NULL, false, "pictures to choose from; time and memory grow with its square (default: 1000)", &from_given },
        { "first-seed", CLI_INT, &first_seed, 0, 4294967295.0, NULL, false, "first seed to choose from (default: 0)", NULL },
        { "interpreter", CLI_STR, &j.interpreter, 0, 0, "FILE", false,
          "choose among the pictures that this interpreter is least sure of; its annotated ones are left out", NULL },
        { "seeds", CLI_SEEDS, &seeds, 0, 0, NULL, false, "these pictures instead, such as 3,7,10-20", NULL },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator, .safetensors (default: the bundled one)", NULL },
        CLI_DRAW_OPTIONS(j.draw, "0.7, or the interpreter's"),
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "batch", CLI_INT, &batch, 1, 256, NULL, false, "pictures drawn at once (default: 4)", NULL },
    };
    const int rc = cli_parse(NAME, "Make the pictures that a person will annotate: images/, task.json, labels.txt (LabelMe) and labelmap.txt (CVAT).", opt,
                             sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) { cli_seeds_free(&seeds); return rc; }

    nn_err err = { 0 };
    dg_prepare_result r = { 0 };
    cli_catch_interrupts();
    cli_threads(threads);
    j.o.seed = seeds.at;
    j.o.count = seeds.count;
    j.o.choose = (nn_dim)choose;
    j.o.from = (nn_dim)from;
    j.o.first_seed = (uint32_t)first_seed;
    j.o.batch = (nn_dim)batch;
    if (check(&j, choose_given, from_given, &seeds, &err) == NN_OK && run(&j, &r, &err) == NN_OK)
        printf("%zu pictures in %s/images%s\nlabel them with the names of labels.txt, then: datasetgan import --from labelme --in %s/images --task %s/task.json --out SET\n",
               r.pictures, j.o.out, r.already ? ", there already" : "", j.o.out, j.o.out);
    cli_seeds_free(&seeds);
    return err.status == NN_OK ? CLI_EXIT_OK : cli_fail(NAME, &err);
}
