/* cmd_stats.c: datasetgan stats: what a dataset holds, as text, JSON and one page to look at. */
#include "cli/cli.h"

#include <stdio.h>

static const char NAME[] = "stats";

static void print_text(const dg_stats *s)
{
    static const char bar[] = "########################################";
    uint64_t most = 1;
    printf("%llu sample%s of %td x %td pixels\n\n%-24s %10s %12s   %s\n", (unsigned long long)s->samples, s->samples == 1 ? "" : "s", s->width, s->height, "class", "pixels", "in samples",
           "most of it in seeds");
    for (int c = 0; c < s->class_count; c++) {
        printf("%-24s %8.2f %% %10.1f %%  ", s->class_at[c].name, 100.0 * (double)s->class_pixels[c] / (double)s->pixels,
               100.0 * (double)s->class_samples[c] / (double)s->samples);
        for (int i = 0; i < s->example_count[c] && i < 4; i++) printf(" %u", (unsigned)s->example[c][i].seed);
        putchar('\n');
    }
    printf("\nuncertainty: mean %.5f, median %.5f, nine tenths below %.5f, highest %.5f nats (seed %u)\n", s->mean, s->quantile[DG_STATS_QUANTILES / 2],
           s->quantile[DG_STATS_QUANTILES - 2], s->quantile[DG_STATS_QUANTILES - 1], (unsigned)s->highest_seed);
    for (int i = 0; i < DG_STATS_BINS; i++) if (s->bin[i] > most) most = s->bin[i];
    for (int i = 0; i < DG_STATS_BINS; i++)
        printf("%10.5f%s %7llu %.*s\n", s->bin_from + i * s->bin_width, i == DG_STATS_BINS - 1 ? "+" : " ", (unsigned long long)s->bin[i], (int)(40 * s->bin[i] / most), bar);
    printf("\nnear doubles: %llu pairs differ by at most %g levels as 16 x 16 grey cells", (unsigned long long)s->near, DG_STATS_NEAR);
    for (int i = 0; i < s->double_count && i < 4; i++)
        printf("%s seeds %u and %u (%.2f)", i ? "," : "; closest:", (unsigned)s->doubles[i].a, (unsigned)s->doubles[i].b, s->doubles[i].distance);
    putchar('\n');
}

int cmd_stats(int argc, char **argv)
{
    const char *dataset = NULL, *json = NULL, *html = NULL;
    bool force = false;
    size_t count = 0;
    const cli_opt opt[] = {
        { "json", CLI_STR, &json, 0, 0, "FILE", false, "write the numbers as JSON", NULL },
        { "html", CLI_STR, &html, 0, 0, "FILE", false, "write one page with up to 300 thumbnails, filters by class and uncertainty; it needs no network", NULL },
        { "force", CLI_FLAG, &force, 0, 0, NULL, false, "replace existing files", NULL },
    };
    const int rc = cli_parse(NAME, "Say what a dataset folder (argument) holds: class frequencies, a histogram of uncertainty, near doubles, examples of each class.",
                             opt, sizeof opt / sizeof *opt, argc, argv, &dataset, 1, &count);
    if (rc != CLI_RUN) return rc;

    static dg_stats s;                           /* lists of examples: some hundred kilobytes */
    nn_err err = { 0 };
    nn_bytes page = { 0 };
    if (count != 1) {
        nn_fail(&err, NN_EINVAL, "expected the dataset's folder");
        return cli_fail(NAME, &err);
    }
    cli_catch_interrupts();
    const dg_progress p = { cli_progress_report, NULL };
    dg_stats_make(&s, dataset, html ? &page : NULL, &p, &err);
    cli_progress_end();
    json_t *numbers = err.status == NN_OK && json ? dg_stats_json(&s, &err) : NULL;
    if (numbers) cli_write_json(json, numbers, force, &err);
    if (err.status == NN_OK && html) cli_write(html, page.data, page.size, force, &err);
    json_decref(numbers);
    nn_bytes_free(&page);
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    if (s.unfinished) cli_warn(NAME, "%s: the run has not ended", dataset);
    print_text(&s);
    return CLI_EXIT_OK;
}
