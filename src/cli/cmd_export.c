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
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another export in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Write a dataset as Pascal VOC (mmsegmentation, CVAT), COCO, YOLO-seg, Hugging Face imagefolder or WebDataset. Every sample "
                             "is checked against its recorded hash.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_export_result r = { 0 };
    if (dg_split_parse(&o.split, split, &err) == NN_OK) dg_export(&o, &p, &r, &err);
    cli_progress_end();
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (r.unfinished) cli_warn(NAME, "%s: the run has not ended; the %llu samples listed so far were taken", o.dataset, (unsigned long long)r.samples);
    printf("%llu samples in %s (%s)%s\n", (unsigned long long)r.samples, o.out, o.format, r.already ? ", there already" : "");
    return CLI_EXIT_OK;
}
