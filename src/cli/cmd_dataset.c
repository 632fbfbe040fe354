/* cmd_dataset.c: datasetgan dataset: any number of pictures with their label maps. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/file.h"
#include "nn/sys.h"

static const char NAME[] = "dataset";

typedef struct {
    const char *generator, *interpreter, *kernels, *precision, *vote;
    cli_draw draw;
    dg_dataset_options o;
    const char *shard, *format;
    bool force;
} job;

/* ---- --force: remove another run's files, and nothing else ------------------------------------------------------------ */

/* Samples ("images/0000000012.png"), HTML pages, and what writing them left behind. */
static bool is_sample(const char *name)
{
    return strspn(name, "0123456789") == 10 && (!strcmp(name + 10, ".png") || !strcmp(name + 10, ".png.tmp"));
}

static bool is_page(const char *name)
{
    if (strncmp(name, "page", 4)) return false;
    const char *rest = name + 4 + strspn(name + 4, "0123456789");
    return rest > name + 4 && (!strcmp(rest, ".html") || !strcmp(rest, ".html.tmp"));
}

typedef struct { const char *folder; bool (*matches)(const char *name); } removal;

static nn_status remove_one(const void *context, const char *name, nn_err *err)
{
    const removal *r = context;
    char path[CLI_PATH];
    if (r->matches(name) && nn_path_join(path, sizeof path, r->folder, name, err) == NN_OK && nn_sys_unlink(path))
        nn_fail(err, NN_EIO, "%s: cannot remove it: %s", path, strerror(errno));
    return err->status;
}

static nn_status remove_matching(const char *out, const char *name, bool (*matches)(const char *), nn_err *err)
{
    char folder[CLI_PATH];
    if (nn_path_join(folder, sizeof folder, out, name, err) || !nn_path_is_dir(folder)) return err->status;
    return nn_dir_each(folder, remove_one, &(removal){ folder, matches }, err);
}

/* A folder of samples goes with them; one that holds something else stays, and the run will say that it is in the way. */
static nn_status remove_samples(const char *out, const char *name, nn_err *err)
{
    char path[CLI_PATH];
    if (remove_matching(out, name, is_sample, err) == NN_OK && nn_path_join(path, sizeof path, out, name, err) == NN_OK) (void)nn_sys_rmdir(path);
    return err->status;
}

static nn_status remove_named(const char *out, const char *name, nn_err *err)
{
    char path[CLI_PATH];
    if (nn_path_join(path, sizeof path, out, name, err) == NN_OK && nn_sys_unlink(path) && errno != ENOENT)
        nn_fail(err, NN_EIO, "%s: cannot remove it: %s", path, strerror(errno));
    return err->status;
}

/* The mark of a finished run goes first and the record last: killed in between, the folder is an unfinished run. */
static nn_status remove_run(const char *out, nn_err *err)
{
    char path[CLI_PATH];
    int lock;
    if (nn_path_join(path, sizeof path, out, "run.json", err) || !nn_path_exists(path) || nn_dir_lock(&lock, out, err)) return err->status;
    json_t *run = nn_json_read(path, (size_t)1 << 30, err);
    const char *kind = json_string_value(json_object_get(run, "kind"));
    if (run && (!kind || strcmp(kind, "dataset run"))) nn_fail(err, NN_EMISMATCH, "%s is no dataset run's; choose another --out", path);
    json_decref(run);
    static const char *const first[] = { "index.html", "metadata.jsonl" }, *const last[] = { "classes.json", "preview.png", "run.json" };
    for (size_t i = 0; i < 2 && err->status == NN_OK; i++) remove_named(out, first[i], err);
    if (err->status == NN_OK) remove_samples(out, "images", err);
    if (err->status == NN_OK) remove_samples(out, "labels", err);
    if (err->status == NN_OK) remove_matching(out, ".", is_page, err);
    for (size_t i = 0; i < 3 && err->status == NN_OK; i++) remove_named(out, last[i], err);
    nn_dir_unlock(lock);
    return err->status;
}

/* ---- what is printed ---------------------------------------------------------------------------------------------------- */

static double megabytes(uint64_t bytes) { return (double)bytes / 1e6; }

static void print_plan(void *user, uint64_t samples, uint64_t bytes, uint64_t room)
{
    (void)user;
    char have[64] = "";
    if (room != UINT64_MAX) nn_format(have, sizeof have, "; %.0f MB are free", megabytes(room));
    cli_progress_end();
    printf("%llu samples to make: about %.1f MB on disk%s\n", (unsigned long long)samples, megabytes(bytes), have);
    fflush(stdout);
}

/* it: the names of the classes. */
static void print_summary(const job *j, const dg_interp *it, const dg_dataset_result *r, double sec)
{
    const dg_summary *all = &r->summary;
    printf("%llu samples in %s, %llu of them made now (%.1f s", (unsigned long long)(r->written + r->resumed), j->o.out, (unsigned long long)r->written, sec);
    if (r->written) printf(", %.3g/s, %.1f MB", (double)r->written / sec, megabytes(r->bytes));
    printf("; peak memory %.1f MB)\nuncertainty: mean %.4g nats, highest %.4g (seed %u)\npixels:", megabytes(cli_peak_bytes()), all->uncertainty,
           all->highest, (unsigned)all->highest_seed);
    for (int c = 0; c < it->classes; c++)
        printf("%s %s %.2f %%", c ? "," : "", it->class_at[c].name, 100.0 * (double)all->by_class[c] / (double)all->pixels);
    putchar('\n');
}

/* "3/8" */
static nn_status read_shard(const char *text, dg_shard *shard, nn_err *err)
{
    unsigned long value[2] = { 0, 0 };
    const char *p = text;
    for (int i = 0; i < 2; i++) {
        const char *from = p;
        for (; *p >= '0' && *p <= '9' && value[i] < 100000000; p++) value[i] = value[i] * 10 + (unsigned long)(*p - '0');
        if (p == from || *p++ != (i ? '\0' : '/')) return nn_fail(err, NN_EINVAL, "--shard %.40s: expected I/N, such as 3/8", text);
    }
    if (value[0] < 1 || value[0] > value[1]) return nn_fail(err, NN_EINVAL, "--shard %.40s: expected 1/N to N/N", text);
    *shard = (dg_shard){ (uint32_t)value[0], (uint32_t)value[1] };
    return NN_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static nn_status run(job *j, dg_dataset_result *r, nn_err *err)
{
    dg_interp it = { 0 };
    const double start = cli_seconds();
    if (j->shard && read_shard(j->shard, &j->o.shard, err)) return err->status;
    if (dg_interp_open(&it, j->interpreter, err)) return err->status;
    it.vote_mean = !strcmp(j->vote, "mean");
    j->o.draw = it.draw;
    cli_draw_apply(NAME, &j->draw, j->interpreter, &j->o.draw);
    sg_model *m = cli_open_generator(j->generator, j->kernels, err);
    const dg_progress p = { cli_progress_report, (void *)"uncertainty" };
    if (it.z_stream && !j->o.vary.one_stream && !j->o.vary.z_seeds)
        printf("latents are drawn from one stream, --z-stream 0, as the interpreter's recipe has it (--z-seeds: each sample its own seed)\n");
    if (m && sg_check_options(m, &j->o.draw, err) == NN_OK && dg_interp_check(&it, m, err) == NN_OK
        && cli_apply_precision(j->precision, m, &it, (uint32_t)j->o.first_seed, &j->o.draw, err) == NN_OK
        && (!j->force || remove_run(j->o.out, err) == NN_OK)) dg_dataset(m, &it, &j->o, &p, r, err);
    cli_progress_end();
    if (r->unlocked) cli_warn(NAME, "%s cannot be locked on this file system: let no second process write there", j->o.out);
    if (err->status == NN_OK) print_summary(j, &it, r, cli_seconds() - start);
    sg_close(m);
    dg_interp_close(&it);
    return err->status;
}

/* --export: what 'datasetgan export' does without further options, to DIR-FORMAT. */
static nn_status export_run(const job *j, nn_err *err)
{
    char out[CLI_PATH];
    size_t length = strlen(j->o.out);
    while (length > 1 && j->o.out[length - 1] == '/') length--;
    if (length + 16 > sizeof out) return nn_fail(err, NN_EINVAL, "--out: expected at most %zu bytes", sizeof out - 16);
    nn_format(out, sizeof out, "%.*s-%s", (int)length, j->o.out, j->format);
    dg_export_options o = { .dataset = j->o.out, .out = out, .format = j->format, .replace = j->force };
    const dg_progress p = { cli_progress_report, NULL };
    dg_export_result r = { 0 };
    if (dg_split_parse(&o.split, "1", err) == NN_OK) dg_export(&o, &p, &r, err);
    cli_progress_end();
    if (err->status == NN_OK) printf("%llu samples in %s (%s)%s\n", (unsigned long long)r.samples, out, j->format, r.already ? ", there already" : "");
    return err->status;
}

int cmd_dataset(int argc, char **argv)
{
    job j = { .kernels = "auto", .vote = "majority", .o = { .version = CLI_VERSION, .plan = print_plan } };
    int64_t count = 0, first_seed = 0, z_stream = 0, batch = 4, threads = 0;
    const cli_opt opt[] = {
        { "interpreter", CLI_STR, &j.interpreter, 0, 0, "FILE", true, "style interpreter, written by 'datasetgan train'", NULL },
        { "out", CLI_STR, &j.o.out, 0, 0, "DIR", true, "folder of the dataset, made when missing", NULL },
        { "count", CLI_INT, &count, 1, 4294967296.0, NULL, true, "samples to write; annotated seeds are skipped and not counted", NULL },
        { "first-seed", CLI_INT, &first_seed, 0, 4294967295.0, NULL, false, "seed of the first sample (default: 0)", NULL },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator (default: the bundled one)", NULL },
        { "shard", CLI_STR, &j.shard, 0, 0, "I/N", false, "make only part I of N equal parts of the samples; 'datasetgan merge' joins them", NULL },
        { "vote", CLI_CHOICE, &j.vote, 0, 0, "majority|mean", false, "a pixel's label: the class of most members, or of the highest mean probability (default: majority)", NULL },
        CLI_DRAW_OPTIONS(j.draw, "as the annotated pictures"),
        { "psi-to", CLI_REAL, &j.o.vary.psi_to, -HUGE_VAL, HUGE_VAL, NULL, false, "draw each sample's truncation evenly from --psi to this", &j.o.vary.psi_range },
        { "z-stream", CLI_INT, &z_stream, 0, 4294967295.0, NULL, false,
          "latent of sample n: draw n of one stream of this seed, as DatasetGAN's code (default: each sample's own seed, or 0 with an interpreter of --recipe official)", &j.o.vary.one_stream },
        { "z-seeds", CLI_FLAG, &j.o.vary.z_seeds, 0, 0, NULL, false, "latent of sample n: that of seed n, also with an interpreter of --recipe official", NULL },
        { "mix", CLI_REAL, &j.o.vary.mix, 0, 1, NULL, false, "probability that a sample's later layers follow a second seed (default: 0)", NULL },
        { "augment", CLI_REAL, &j.o.vary.augment, 0, 0.99, NULL, false, "vary brightness, contrast, saturation and gamma by up to this part (default: 0)", NULL },
        { "export", CLI_CHOICE, &j.format, 0, 0, DG_EXPORT_FORMATS, false, "afterwards also write DIR-FORMAT, as 'export' does", NULL },
        CLI_PRECISION_OPTION(j.precision),
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "batch", CLI_INT, &batch, 1, 256, NULL, false, "pictures drawn at once (default: 4)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace another run's files in DIR", NULL },
    };
    const int rc = cli_parse(NAME, "Draw pictures and label them: images/, labels/, metadata.jsonl, classes.json, run.json, preview.png and "
                             "index.html. The same command goes on with a run that was stopped and does nothing when all is there.",
                             opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    cli_catch_interrupts();
    dg_dataset_result r = { 0 };
    j.o.count = (uint64_t)count;
    j.o.first_seed = (uint64_t)first_seed;
    j.o.vary.z_stream = (uint32_t)z_stream;
    j.o.batch = (nn_dim)batch;
    cli_threads(threads);
    if (j.o.vary.z_seeds && j.o.vary.one_stream) nn_fail(&err, NN_EINVAL, "option --z-seeds: expected without --z-stream");
    else if (j.format && j.shard) nn_fail(&err, NN_EINVAL, "option --export: expected without --shard; export what 'datasetgan merge' makes");
    else if (run(&j, &r, &err) == NN_OK && j.format) export_run(&j, &err);
    return err.status == NN_OK ? CLI_EXIT_OK : cli_fail(NAME, &err);
}
