/* cmd_label.c: datasetgan label: chosen pictures with label, uncertainty and overlay. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char NAME[] = "label";

typedef struct { const char *generator, *interpreter, *kernels, *precision, *vote, *space; cli_draw draw; dg_label_options o; } job;

static nn_status run(job *j, dg_label_result *r, nn_err *err)
{
    dg_interp it = { 0 };
    if (dg_interp_open(&it, j->interpreter, err)) return err->status;
    it.vote_mean = !strcmp(j->vote, "mean");
    j->o.draw = it.draw;
    cli_draw_apply(NAME, &j->draw, j->interpreter, &j->o.draw);
    sg_model *m = cli_open_generator(j->generator, j->kernels, err);
    const dg_progress p = { cli_progress_report, NULL };
    const uint32_t first = j->o.count ? j->o.seed[0] : 0;
    if (m && sg_check_options(m, &j->o.draw, err) == NN_OK && cli_apply_precision(j->precision, m, &it, first, &j->o.draw, err) == NN_OK)
        dg_label_pictures(m, &it, &j->o, &p, r, err);
    cli_progress_end();
    sg_close(m);
    dg_interp_close(&it);
    return err->status;
}

int cmd_label(int argc, char **argv)
{
    job j = { .kernels = "auto", .vote = "majority", .space = "w", .o = { .version = CLI_VERSION } };
    cli_seeds seeds = { 0 };
    int64_t batch = 1, threads = 0;
    bool space_given = false;
    const cli_opt opt[] = {
        { "seeds", CLI_SEEDS, &seeds, 0, 0, NULL, false, "seeds to draw and label, such as 3,7,10-20", NULL },
        { "latents", CLI_STR, &j.o.latents, 0, 0, "FILE", false, "or the latents of an .npy or .npz, one picture a row", NULL },
        { "space", CLI_CHOICE, &j.space, 0, 0, "z|w|w+", false, "what the latents are (default: w)", &space_given },
        { "array", CLI_STR, &j.o.array, 0, 0, "NAME", false, "the latents' array of an .npz (default: its only one)", NULL },
        { "probabilities", CLI_FLAG, &j.o.probabilities, 0, 0, NULL, false, "also write probabilities/: the mean probability of each class, .npy of float16", NULL },
        { "votes", CLI_FLAG, &j.o.votes, 0, 0, NULL, false, "also write votes/: how many members chose each class, .npy of 16-bit whole numbers", NULL },
        { "vote", CLI_CHOICE, &j.vote, 0, 0, "majority|mean", false, "a pixel's label: the class of most members, or of the highest mean probability (default: majority)", NULL },
        { "interpreter", CLI_STR, &j.interpreter, 0, 0, "FILE", true, "style interpreter, written by 'datasetgan train'", NULL },
        { "out", CLI_STR, &j.o.out, 0, 0, "DIR", true, "folder to make; it appears when all is written", NULL },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator (default: the bundled one)", NULL },
        CLI_DRAW_OPTIONS(j.draw, "as the annotated pictures"),
        CLI_PRECISION_OPTION(j.precision),
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "batch", CLI_INT, &batch, 1, 256, NULL, false, "pictures drawn at once (default: 1)", NULL },
        { "force", CLI_FLAG, &j.o.replace, 0, 0, NULL, false, "replace another label run in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Draw chosen pictures and show what an interpreter says of them: images/, labels/, uncertainty/ (.npy), heat/, overlays/ and "
                             "metadata.jsonl.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) { cli_seeds_free(&seeds); return rc; }

    nn_err err = { 0 };
    dg_label_result r = { 0 };
    const double start = cli_seconds();
    cli_threads(threads);
    j.o.seed = seeds.at;
    j.o.count = seeds.count;
    j.o.batch = (nn_dim)batch;
    j.o.space = !strcmp(j.space, "z") ? DG_SPACE_Z : !strcmp(j.space, "w") ? DG_SPACE_W : DG_SPACE_WPLUS;
    if (!seeds.count == !j.o.latents) nn_fail(&err, NN_EINVAL, "expected --seeds or --latents, %s", seeds.count ? "not both" : "found neither");
    else if (!j.o.latents && (space_given || j.o.array)) nn_fail(&err, NN_EINVAL, "--space and --array go with --latents");
    else if (run(&j, &r, &err) == NN_OK)
        printf("%zu pictures in %s%s (%.1f s, peak memory %.0f MB)\n", r.pictures, j.o.out, r.already ? ", there already" : "", cli_seconds() - start,
               (double)cli_peak_bytes() / 1e6);
    cli_seeds_free(&seeds);
    return err.status == NN_OK ? CLI_EXIT_OK : cli_fail(NAME, &err);
}
