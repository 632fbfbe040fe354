/* cmd_verify.c: datasetgan verify: is a dataset what its manifest says? */
#include "cli/cli.h"

#include <stdio.h>

static const char NAME[] = "verify";

static void print_problem(void *user, const char *line)
{
    (void)user;
    cli_progress_end();
    puts(line);
}

int cmd_verify(int argc, char **argv)
{
    dg_verify_options o = { .problem = print_problem };
    const char *dataset = NULL;
    size_t count = 0;
    const cli_opt opt[] = {
        { "pixels", CLI_FLAG, &o.pixels, 0, 0, NULL, false, "decode and check pixels and class counts instead of the files' bytes", NULL },
    };
    const int rc = cli_parse(NAME, "Check a dataset folder (argument): every line of metadata.jsonl, every file against its recorded hash, nothing missing, nothing else there. "
                             "Problems are printed, one a line; exit code 3 when there are some.", opt, sizeof opt / sizeof *opt, argc, argv, &dataset, 1, &count);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    if (count != 1) {
        nn_fail(&err, NN_EINVAL, "expected the dataset's folder");
        return cli_fail(NAME, &err);
    }
    dg_verify_result r = { 0 };
    o.dataset = dataset;
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_verify(&o, &p, &r, &err);
    cli_progress_end();
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (r.unfinished) cli_warn(NAME, "%s: the run has not ended", o.dataset);
    printf("%llu samples in %s, %llu problems\n", (unsigned long long)r.samples, o.dataset, (unsigned long long)r.problems);
    if (r.problems == 0) return CLI_EXIT_OK;
    fprintf(stderr, "datasetgan %s: %s: %llu problems\n", NAME, o.dataset, (unsigned long long)r.problems);
    return CLI_EXIT_MISMATCH;
}
