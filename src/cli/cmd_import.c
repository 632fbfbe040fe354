/* cmd_import.c: datasetgan import: labels from other tools become an annotation set. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char NAME[] = "import";

static void print_problem(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "datasetgan %s: %s\n", NAME, line);
}

static void print_measured(void *user, const char *picture, nn_dim latent, double psnr)
{
    (void)user;
    if (latent < 0) printf("%s: the mean picture, PSNR %.1f dB\n", picture, psnr);
    else printf("%s: latent %td, PSNR %.1f dB\n", picture, latent, psnr);
}

/* What only --from official takes. */
typedef struct { const char *generator, *latents, *average, *kernels; double min_psnr; int64_t threads; bool given[6]; } official;

static int import_official(const dg_import_options *o, const official *w, nn_err *err)
{
    const dg_official_options f = { .in = o->in, .task = o->task, .out = o->out, .generator = w->generator, .latents = w->latents, .average = w->average,
                                    .min_psnr = w->min_psnr, .replace = o->replace, .measured = print_measured, .problem = print_problem };
    dg_task t = { 0 };
    dg_official_result r = { 0 };
    cli_threads(w->threads);
    sg_model *m = dg_task_read(&t, o->task, err) == NN_OK ? cli_open_task_generator(w->generator, &t, w->kernels, err) : NULL;
    if (m && sg_check_options(m, &t.draw, err) == NN_OK) dg_import_official(m, &f, &r, err);
    sg_close(m);
    dg_task_free(&t);
    if (err->status != NN_OK) {
        const int failed = cli_fail(NAME, err);
        return err->status == NN_EMISMATCH ? CLI_EXIT_MISMATCH : failed;
    }
    printf("%llu pictures in %s%s\n", (unsigned long long)r.pictures, o->out, r.already ? ", there already" : "");
    if (r.shift) puts("picture 0 is the mean picture; picture i belongs to latent i - 1");
    if (r.own_average) puts("the folder's mean of w is not the generator's: the latents are kept as w+, truncated by the folder's");
    return CLI_EXIT_OK;
}

int cmd_import(int argc, char **argv)
{
    dg_import_options o = { .problem = print_problem };
    official w = { .kernels = "auto", .min_psnr = 20.0 };
    const cli_opt opt[] = {
        { "from", CLI_CHOICE, &o.from, 0, 0, DG_IMPORT_SOURCES "|official", true,
          "what wrote the labels; png: label maps, pixel = class id; official: DatasetGAN's own image_mask0.npy and image_0.jpg, ...", NULL },
        { "in", CLI_STR, &o.in, 0, 0, "PATH", true, 
          "the labels: a folder of files named as their pictures (png: or + _label); coco: the JSON file; cvat, voc: folder or zip", NULL },
        { "task", CLI_STR, &o.task, 0, 0, "FILE", true, "task.json with the classes and the pictures; its own labels stay where PATH has none", NULL },
        { "out", CLI_STR, &o.out, 0, 0, "DIR", true, "folder of the annotation set to make; it appears when all is written", NULL },
        { "classes", CLI_STR, &o.classes, 0, 0, "FILE", false, "class names instead of the task's, a line each, as 'prepare' takes them", NULL },
        { "merge", CLI_STR, &o.merge, 0, 0, "FILE", false, "join classes: JSON, { \"NEW\": [\"OLD\", ...], ... }; \"__ignore__\" makes void", NULL },
        { "colours", CLI_STR, &o.colours, 0, 0, "FILE", false, "png: read colours, not ids, by this list, NAME:R,G,B a line (as labelmap.txt)", NULL },
        { "generator", CLI_STR, &w.generator, 0, 0, "FILE", false, "official: generator (default: the task's, else the bundled one)", &w.given[0] },
        { "latents", CLI_STR, &w.latents, 0, 0, "DIR", false, "official: folder of latent_stylegan1.npy and avg_latent_stylegan1.npy (default: PATH)", &w.given[1] },
        { "average", CLI_STR, &w.average, 0, 0, "FILE", false, "official: the mean of w under another name", &w.given[2] },
        { "min-psnr", CLI_REAL, &w.min_psnr, 0, 100, NULL, false, "official: refuse pictures that differ more from what the generator draws, dB (default: 20)", &w.given[3] },
        { "kernels", CLI_STR, &w.kernels, 0, 0, "NAME", false, "official: a row that 'datasetgan info' lists (default: auto)", &w.given[4] },
        { "threads", CLI_INT, &w.threads, 0, 1024, NULL, false, "official: threads (default: 0, all cores)", &w.given[5] },
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another imported set in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Make an annotation set from labels drawn with other tools. All problems are listed before anything is written.", opt,
                             sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    dg_import_result r = { 0 };
    const bool released = !strcmp(o.from, "official");
    for (size_t i = 0; i < sizeof w.given / sizeof *w.given; i++)
        if (w.given[i] && !released) nn_fail(&err, NN_EINVAL, "--generator, --latents, --average, --min-psnr, --kernels and --threads go with --from official");
    if (released && (o.classes || o.merge || o.colours)) nn_fail(&err, NN_EINVAL, "--classes, --merge and --colours do not go with --from official");
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (released) return import_official(&o, &w, &err);
    dg_import_set(&o, &r, &err);
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    printf("%llu pictures in %s%s\nlabels: %llu imported, %llu of the task kept; %llu pictures without labels left out\n",
           (unsigned long long)(r.labelled + r.kept), o.out, r.already ? ", there already" : "", (unsigned long long)r.labelled,
           (unsigned long long)r.kept, (unsigned long long)r.left_out);
    return CLI_EXIT_OK;
}
