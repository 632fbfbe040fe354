/* cmd_import.c: datasetgan import: labels from other tools become an annotation set. */
#include "cli/cli.h"

#include <stdio.h>

static const char NAME[] = "import";

static void print_problem(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "datasetgan %s: %s\n", NAME, line);
}

int cmd_import(int argc, char **argv)
{
    dg_import_options o = { .problem = print_problem };
    const cli_opt opt[] = {
        { "from", CLI_CHOICE, &o.from, 0, 0, DG_IMPORT_SOURCES, true, "what wrote the labels; png: label maps, pixel = class id", NULL },
        { "in", CLI_STR, &o.in, 0, 0, "PATH", true, 
          "the labels: a folder of files named as their pictures (png: or + _label); coco: the JSON file; cvat, voc: folder or zip", NULL },
        { "task", CLI_STR, &o.task, 0, 0, "FILE", true, "task.json with the classes and the pictures; its own labels stay where PATH has none", NULL },
        { "out", CLI_STR, &o.out, 0, 0, "DIR", true, "folder of the annotation set to make; it appears when all is written", NULL },
        { "classes", CLI_STR, &o.classes, 0, 0, "FILE", false, "class names instead of the task's, a line each, as 'prepare' takes them", NULL },
        { "merge", CLI_STR, &o.merge, 0, 0, "FILE", false, "join classes: JSON, { \"NEW\": [\"OLD\", ...], ... }; \"__ignore__\" makes void", NULL },
        { "colours", CLI_STR, &o.colours, 0, 0, "FILE", false, "png: read colours, not ids, by this list, NAME:R,G,B a line (as labelmap.txt)", NULL },
        { "force", CLI_FLAG, &o.replace, 0, 0, NULL, false, "replace another imported set in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Make an annotation set from labels drawn with other tools. All problems are listed before anything is written.", opt,
                             sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    dg_import_result r = { 0 };
    dg_import_set(&o, &r, &err);
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    printf("%llu pictures in %s%s\nlabels: %llu imported, %llu of the task kept; %llu pictures without labels left out\n",
           (unsigned long long)(r.labelled + r.kept), o.out, r.already ? ", there already" : "", (unsigned long long)r.labelled,
           (unsigned long long)r.kept, (unsigned long long)r.left_out);
    return CLI_EXIT_OK;
}
