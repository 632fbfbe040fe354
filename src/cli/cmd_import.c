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

static void print_measured(void *user, const char *picture, const char *item, double psnr)
{
    (void)user;
    printf("%s: %s, PSNR %.1f dB\n", picture, item, psnr);
}

/* What takes a generator: --from official, --latents, --min-psnr. */
typedef struct { const char *generator, *latents, *space, *average, *kernels; double min_psnr; int64_t threads; bool psnr_given, given[4]; } drawing;

/* The task's generator, on which o and the official import depend.  NULL: err says why. */
static sg_model *open_generator(const char *task, const drawing *w, nn_err *err)
{
    dg_task t = { 0 };
    cli_threads(w->threads);
    sg_model *m = dg_task_read(&t, task, err) == NN_OK ? cli_open_task_generator(w->generator, &t, w->kernels, err) : NULL;
    if (m && sg_check_options(m, &t.draw, err)) { sg_close(m); m = NULL; }
    dg_task_free(&t);
    return m;
}

/* Returns: a picture is not what the generator draws. */
static bool import_official(const dg_import_options *o, const drawing *w, const sg_model *m, nn_err *err)
{
    const dg_official_options f = { .in = o->in, .task = o->task, .out = o->out, .generator = w->generator, .latents = w->latents, .average = w->average,
                                    .min_psnr = w->min_psnr, .replace = o->replace, .measured = print_measured, .problem = print_problem };
    dg_official_result r = { 0 };
    if (dg_import_official(m, &f, &r, err)) return err->status == NN_EMISMATCH;
    printf("%llu pictures in %s%s\n", (unsigned long long)r.pictures, o->out, r.already ? ", there already" : "");
    if (r.shift) puts("picture 0 is the mean picture; picture i belongs to latent i - 1");
    if (r.own_average) puts("the folder's mean of w is not the generator's: the latents are kept as w+, truncated by the folder's");
    return false;
}

static bool import_set(dg_import_options *o, const drawing *w, const sg_model *m, nn_err *err)
{
    static const char *const spaces[] = { "z", "w", "w+" };
    dg_import_result r = { 0 };
    o->m = m;
    o->generator = w->generator;
    o->min_psnr = w->min_psnr;
    o->latents = w->latents;
    o->measured = print_measured;
    for (int i = 0; i < 3; i++) if (!strcmp(w->space, spaces[i])) o->space = (dg_space)i;
    if (dg_import_set(o, &r, err)) return r.unlike;
    printf("%llu pictures in %s%s\nlabels: %llu imported, %llu of the task kept; %llu pictures without labels left out\n",
           (unsigned long long)(r.labelled + r.kept), o->out, r.already ? ", there already" : "", (unsigned long long)r.labelled,
           (unsigned long long)r.kept, (unsigned long long)r.left_out);
    return false;
}

static nn_status check(const dg_import_options *o, const drawing *w, bool released, bool drawn, nn_err *err)
{
    for (size_t i = 0; i < sizeof w->given / sizeof *w->given; i++)
        if (w->given[i] && !drawn) return nn_fail(err, NN_EINVAL, "--generator, --average, --kernels and --threads go with --from official, --latents or --min-psnr");
    if (w->average && !released) return nn_fail(err, NN_EINVAL, "option --average: expected with --from official");
    if (released && (o->classes || o->merge || o->colours || o->add || o->pictures || o->array))
        return nn_fail(err, NN_EINVAL, "--classes, --merge, --colours, --add, --pictures and --array do not go with --from official");
    if (!released && !w->latents != !o->pictures) return nn_fail(err, NN_EINVAL, "options --pictures and --latents: expected both or neither");
    if (o->array && !w->latents) return nn_fail(err, NN_EINVAL, "option --array: expected with --latents");
    return NN_OK;
}

int cmd_import(int argc, char **argv)
{
    dg_import_options o = { .problem = print_problem };
    drawing w = { .kernels = "auto", .space = "z", .min_psnr = 20.0 };
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
        { "add", CLI_STR, &o.add, 0, 0, "FILE", false, "task.json of another set with the same classes, whose pictures and labels come into the new set", NULL },
        { "pictures", CLI_STR, &o.pictures, 0, 0, "DIR", false,
          "pictures made elsewhere (PNG, JPEG) instead of the task's, in the order of their names one for each row of --latents", NULL },
        { "latents", CLI_STR, &w.latents, 0, 0, "PATH", false, "their latents, .npy or .npz; official: folder of latent_stylegan1.npy and avg_latent_stylegan1.npy (default: --in)", NULL },
        { "space", CLI_CHOICE, &w.space, 0, 0, "z|w|w+", false, "what the latents are (default: z)", NULL },
        { "array", CLI_STR, &o.array, 0, 0, "NAME", false, "the latents' array of an .npz (default: its only one)", NULL },
        { "min-psnr", CLI_REAL, &w.min_psnr, 0, 100, NULL, false,
          "draw every picture again, print how near it is, and refuse those below this, dB; the set holds our drawings (default with --latents, official: 20)", &w.psnr_given },
        { "average", CLI_STR, &w.average, 0, 0, "FILE", false, "official: the mean of w under another name", &w.given[1] },
        { "generator", CLI_STR, &w.generator, 0, 0, "FILE", false, "where pictures are drawn: generator (default: the task's, else the bundled one)", &w.given[0] },
        { "kernels", CLI_STR, &w.kernels, 0, 0, "NAME", false, "where pictures are drawn: a row that 'datasetgan info' lists (default: auto)", &w.given[2] },
        { "threads", CLI_INT, &w.threads, 0, 1024, NULL, false, "where pictures are drawn: threads (default: 0, all cores)", &w.given[3] },
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another imported set in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Make an annotation set from labels drawn with other tools. All problems are listed before anything is written.", opt,
                             sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    const bool released = !strcmp(o.from, "official"), drawn = released || w.latents || w.psnr_given;
    check(&o, &w, released, drawn, &err);
    sg_model *m = !err.status && drawn ? open_generator(o.task, &w, &err) : NULL;
    bool unlike = false;
    if (!err.status) unlike = released ? import_official(&o, &w, m, &err) : import_set(&o, &w, m, &err);
    sg_close(m);
    if (err.status == NN_OK) return CLI_EXIT_OK;
    const int failed = cli_fail(NAME, &err);
    return unlike ? CLI_EXIT_MISMATCH : failed;
}
