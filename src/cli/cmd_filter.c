/* cmd_filter.c: datasetgan filter: a view of a dataset without its most uncertain samples. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char NAME[] = "filter";

int cmd_filter(int argc, char **argv)
{
    dg_filter_options o = { .drop = 0.1, .score = "top10" };
    const cli_opt opt[] = {
        { "dataset", CLI_STR, &o.dataset, 0, 0, "DIR", true, "folder of 'datasetgan dataset', or another view", NULL },
        { "out", CLI_STR, &o.out, 0, 0, "DIR", true, "folder of the view to make; it appears when all is written", NULL },
        { "drop", CLI_REAL, &o.drop, 0, 1, NULL, false, "part of the samples to leave out, the most uncertain first; below 1 (default: 0.1)", NULL },
        { "score", CLI_CHOICE, &o.score, 0, 0, DG_SCORES, false, "uncertainty of a sample: mean of the most uncertain tenth of its pixels, mean or sum of all "
                                                                 "(default: top10)", NULL },
        { "min-pixels", CLI_STR, &o.min_pixels, 0, 0, "CLASS=N,...", false, "before that, leave out samples with fewer pixels of a class", NULL },
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another view in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Copy a dataset without the samples whose labels are least to be trusted. The dataset itself is only read; the view is a "
                             "dataset folder of its own.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_filter_result r = { 0 };
    dg_filter(&o, &p, &r, &err);
    cli_progress_end();
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (r.unfinished) cli_warn(NAME, "%s: the run has not ended; the %llu samples listed so far were taken", o.dataset, (unsigned long long)r.samples);
    printf("%llu of %llu samples in %s%s\nleft out: %llu for their classes, %llu for their uncertainty; highest %s kept %.6g\n",
           (unsigned long long)r.kept, (unsigned long long)r.samples, o.out, r.already ? ", there already" : "", (unsigned long long)r.poor,
           (unsigned long long)r.uncertain, strcmp(o.score, "top10") ? o.score : "uncertainty", r.highest);
    return CLI_EXIT_OK;
}
