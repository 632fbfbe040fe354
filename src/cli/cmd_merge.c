/* cmd_merge.c: datasetgan merge: the shards of a run become the run. */
#include "cli/cli.h"

#include <stdio.h>

static const char NAME[] = "merge";
enum { SHARDS_MAX = 10000 };

int cmd_merge(int argc, char **argv)
{
    static const char *in[SHARDS_MAX];
    dg_merge_options o = { .in = in };
    const cli_opt opt[] = {
        { "out", CLI_STR, &o.out, 0, 0, "DIR", true, "folder of the whole run to make; it appears when all is written", NULL },
    };
    const int rc = cli_parse(NAME, "Join the folders of all shards of a run (arguments; any order). The result has the bytes of the same run without --shard: a shard that is "
                             "missing, there twice, unfinished or of another run is refused, and every sample is checked against its hash.",
                             opt, sizeof opt / sizeof *opt, argc, argv, in, SHARDS_MAX, &o.count);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    bool already = false;
    uint64_t samples = 0;
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_merge(&o, &p, &samples, &already, &err);
    cli_progress_end();
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    printf("%llu samples of %zu shards in %s%s\n", (unsigned long long)samples, o.count, o.out, already ? ", there already" : "");
    return CLI_EXIT_OK;
}
