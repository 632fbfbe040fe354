/* cmd_export.c: datasetgan export: a dataset in the forms that trainers read. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char NAME[] = "export";

/* What only --format official takes. */
typedef struct { const char *task, *generator, *kernels; int64_t threads; bool given[3]; } official;

static int export_official(const dg_export_options *o, const official *w, nn_err *err)
{
    dg_task t = { 0 };
    dg_export_result r = { 0 };
    cli_threads(w->threads);
    sg_model *m = dg_task_read(&t, w->task, err) == NN_OK ? cli_open_task_generator(w->generator, &t, w->kernels, err) : NULL;
    if (m && sg_check_options(m, &t.draw, err) == NN_OK) dg_export_official(&t, m, o->out, o->replace, &r, err);
    sg_close(m);
    dg_task_free(&t);
    if (err->status != NN_OK) return cli_fail(NAME, err);
    printf("%llu annotated pictures in %s (official)%s\n", (unsigned long long)r.samples, o->out, r.already ? ", there already" : "");
    return CLI_EXIT_OK;
}

static nn_status check_use(const dg_export_options *o, const official *w, const char *split, nn_err *err)
{
    if (!strcmp(o->format, "official")) {
        if (!w->task) return nn_fail(err, NN_EINVAL, "--format official needs --task: it writes an annotation set");
        if (o->dataset || split || o->parts || o->polygons || o->drop > 0.0 || o->score || o->min_pixels)
            return nn_fail(err, NN_EINVAL, "--format official takes --task, --out, --generator, --kernels, --threads and --force");
        return NN_OK;
    }
    if (w->task || w->given[0] || w->given[1] || w->given[2])
        return nn_fail(err, NN_EINVAL, "--task, --generator, --kernels and --threads go with --format official");
    return o->dataset ? NN_OK : nn_fail(err, NN_EINVAL, "option --dataset is required (--dataset DIR)");
}

int cmd_export(int argc, char **argv)
{
    dg_export_options o = { 0 };
    const char *split = NULL;
    official w = { .kernels = "auto" };
    const cli_opt opt[] = {
        { "dataset", CLI_STR, &o.dataset, 0, 0, "DIR", false, "folder of 'datasetgan dataset' or 'datasetgan filter'; required but for official", NULL },
        { "format", CLI_CHOICE, &o.format, 0, 0, DG_EXPORT_FORMATS "|official", true, "what to write; official: a --task as DatasetGAN's own code reads it", NULL },
        { "out", CLI_STR, &o.out, 0, 0, "DIR", true, "folder to make; it appears when all is written", NULL },
        { "split", CLI_STR, &split, 0, 0, "PARTS", false, "train/val/test parts in the order of seeds, as 0.9/0.1 (default: 1, all train)", NULL },
        { "parts", CLI_FLAG, &o.parts, 0, 0, NULL, false, "coco: an annotation for each connected part instead of each class", NULL },
        { "polygons", CLI_FLAG, &o.polygons, 0, 0, NULL, false, "coco: polygons along the edges of pixels instead of run lengths", NULL },
        { "drop", CLI_REAL, &o.drop, 0, 1, NULL, false, "leave out this part of the samples, the most uncertain first, as 'filter' does (default: 0)", NULL },
        { "score", CLI_CHOICE, &o.score, 0, 0, DG_SCORES, false, "uncertainty for --drop, as in 'filter' (default: top10)", NULL },
        { "min-pixels", CLI_STR, &o.min_pixels, 0, 0, "CLASS=N,...", false, "leave out samples with fewer pixels of a class", NULL },
        { "task", CLI_STR, &w.task, 0, 0, "FILE", false, "official: the task.json of an annotation set", NULL },
        { "generator", CLI_STR, &w.generator, 0, 0, "FILE", false, "official: generator (default: the task's, else the bundled one)", &w.given[0] },
        { "kernels", CLI_STR, &w.kernels, 0, 0, "NAME", false, "official: a row that 'datasetgan info' lists (default: auto)", &w.given[1] },
        { "threads", CLI_INT, &w.threads, 0, 1024, NULL, false, "official: threads (default: 0, all cores)", &w.given[2] },
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another export in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Write a dataset as Pascal VOC (mmsegmentation, CVAT), COCO, YOLO-seg, Hugging Face imagefolder, WebDataset, LabelMe or npz, or an annotation set for DatasetGAN's own code. Every sample "
                             "is checked against its recorded hash.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    if (check_use(&o, &w, split, &err) != NN_OK) return cli_fail(NAME, &err);
    if (!strcmp(o.format, "official")) return export_official(&o, &w, &err);
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_export_result r = { 0 };
    if (dg_split_parse(&o.split, split ? split : "1", &err) == NN_OK) dg_export(&o, &p, &r, &err);
    cli_progress_end();
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (r.unfinished) cli_warn(NAME, "%s: the run has not ended; the %llu samples listed so far were taken", o.dataset, (unsigned long long)r.of);
    printf("%llu samples in %s (%s)%s\n", (unsigned long long)r.samples, o.out, o.format, r.already ? ", there already" : "");
    if (r.of != r.samples) printf("left out: %llu of %llu\n", (unsigned long long)(r.of - r.samples), (unsigned long long)r.of);
    return CLI_EXIT_OK;
}
