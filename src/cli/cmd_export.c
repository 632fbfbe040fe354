/* cmd_export.c: datasetgan export: a dataset in the forms that trainers read. */
#include "cli/cli.h"

#include <stdio.h>

static const char NAME[] = "export";

int cmd_export(int argc, char **argv)
{
    dg_export_options o = { 0 };
    const char *split = "1";
    const cli_opt opt[] = {
        { "dataset", CLI_STR, &o.dataset, 0, 0, "DIR", true, "folder of 'datasetgan dataset' or 'datasetgan filter'", NULL },
        { "format", CLI_CHOICE, &o.format, 0, 0, DG_EXPORT_FORMATS, true, "what to write", NULL },
        { "out", CLI_STR, &o.out, 0, 0, "DIR", true, "folder to make; it appears when all is written", NULL },
        { "split", CLI_STR, &split, 0, 0, "PARTS", false, "train/val/test parts in the order of seeds, as 0.9/0.1 (default: 1, all train)", NULL },
        { "parts", CLI_FLAG, &o.parts, 0, 0, NULL, false, "coco: an annotation for each connected part instead of each class", NULL },
        { "polygons", CLI_FLAG, &o.polygons, 0, 0, NULL, false, "coco: polygons along the edges of pixels instead of run lengths", NULL },
        { "drop", CLI_REAL, &o.drop, 0, 1, NULL, false, "leave out this part of the samples, the most uncertain first, as 'filter' does (default: 0)", NULL },
        { "score", CLI_CHOICE, &o.score, 0, 0, DG_SCORES, false, "uncertainty for --drop, as in 'filter' (default: top10)", NULL },
        { "min-pixels", CLI_STR, &o.min_pixels, 0, 0, "CLASS=N,...", false, "leave out samples with fewer pixels of a class", NULL },
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another export in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Write a dataset as Pascal VOC (mmsegmentation, CVAT), COCO, YOLO-seg, Hugging Face imagefolder, WebDataset, LabelMe or npz. Every sample "
                             "is checked against its recorded hash.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_export_result r = { 0 };
    if (dg_split_parse(&o.split, split, &err) == NN_OK) dg_export(&o, &p, &r, &err);
    cli_progress_end();
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (r.unfinished) cli_warn(NAME, "%s: the run has not ended; the %llu samples listed so far were taken", o.dataset, (unsigned long long)r.of);
    printf("%llu samples in %s (%s)%s\n", (unsigned long long)r.samples, o.out, o.format, r.already ? ", there already" : "");
    if (r.of != r.samples) printf("left out: %llu of %llu\n", (unsigned long long)(r.of - r.samples), (unsigned long long)r.of);
    return CLI_EXIT_OK;
}
