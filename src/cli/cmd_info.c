/* cmd_info.c: datasetgan info: this machine and these files, the first thing in a report about a fault.
 *
 * Memory is stated as the peak of a whole run: what this process needed before any file was opened (program and libraries),
 * plus what opening leaves and the run lays out.  tests/test_cli_memory.sh compares it with measured runs. */
#include "cli/cli.h"

#include <fcntl.h>
#include <math.h>
#include <openssl/crypto.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "nn/file.h"
#include "nn/npy.h"
#include "nn/sys.h"

static const char NAME[] = "info";
enum { FILES_MAX = 256 };

typedef struct { const nn_kernels *kernels; int threads; size_t base; const char *file[FILES_MAX]; size_t count; } info;

static void row(const char *what, const char *fmt, ...) NN_PRINTF(2, 3);

static void row(const char *what, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("  %-14s", what);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
}

static double mb(size_t bytes) { return (double)bytes / 1e6; }

/* ---- this machine --------------------------------------------------------------------------------------------------- */

static void print_cpu(void)
{
    char text[4096], model[128] = "";
    struct utsname u;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !*model && fgets(text, sizeof text, f)) {
        const char *colon = strchr(text, ':');
        if (colon && !strncmp(text, "model name", 10)) nn_format(model, sizeof model, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    if (f) fclose(f);
    row("CPU", "%s (%s)", *model ? model : "unknown", uname(&u) ? "unknown architecture" : u.machine);
}

static void print_machine(const info *in)
{
    printf("datasetgan %s\n", CLI_VERSION);
    print_cpu();
    printf("  %-14s", "kernels");
    for (int i = 0; i < nn_kernels_count(); i++) {
        const nn_kernels *k = nn_kernels_at(i);
        printf("%s%s%s", i ? ", " : "", k->name, k == in->kernels ? " (chosen)" : k->usable() ? "" : " (not on this CPU)");
    }
    putchar('\n');
    row("BLAS", "none (all products use the kernels above)");
    row("threads", "%d", in->threads);
    row("libraries", "libpng %s, zlib %s, jansson %s, %s", png_get_libpng_ver(NULL), zlibVersion(), jansson_version_str(),
        OpenSSL_version(OPENSSL_VERSION));
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static const char *shape_text(char out[96], const nn_st_entry *e)
{
    size_t at = 0;
    for (int d = 0; d < e->rank; d++) {
        nn_format(out + at, 96 - at, "%s%llu", d ? "," : "", (unsigned long long)e->dim[d]);
        at += strlen(out + at);
    }
    if (!e->rank) nn_format(out, 96, "one number");
    return out;
}

/* Count, bytes, and what dtypes; for a file of no known kind also each tensor. */
static void print_tensors(const nn_st *f, bool each)
{
    char types[64] = "";
    for (nn_dtype t = NN_F16; t <= NN_U8; t++)
        for (size_t i = 0; i < f->count; i++)
            if (f->entry[i].dtype == t) { nn_format(types + strlen(types), sizeof types - strlen(types), " %s", nn_dtype_name(t)); break; }
    row("tensors", "%zu, %.2f MB,%s", f->count, mb(f->data_bytes), *types ? types : " none");
    for (size_t i = 0; each && i < f->count; i++) {
        char shape[96];
        row("", "%s  %s (%s)", f->entry[i].name, nn_dtype_name(f->entry[i].dtype), shape_text(shape, &f->entry[i]));
    }
}

static void print_draw(const sg_options *o)
{
    char cutoff[32] = "all layers";
    if (o->cutoff >= 0) nn_format(cutoff, sizeof cutoff, "the first %td layers", o->cutoff);
    char chosen[32] = "";
    if (o->class_id) nn_format(chosen, sizeof chosen, ", class %td", o->class_id);
    row("drawn with", "psi %g on %s, noise %s%s", o->psi, cutoff, cli_noise_name(o->noise), chosen);
}

static void print_classes(const dg_class *c, int count)
{
    printf("  %-14s%d:", "classes", count);
    for (int i = 0; i < count; i++) printf("%s %s", i ? "," : "", c[i].name);
    putchar('\n');
}

/* The most memory that a command takes with a batch of one picture, with as many as are drawn side by side, and what each further one adds.
 * beside: what stands beside the drawing's own; least: what was needed before. */
static void print_memory(const char *command, const sg_model *m, bool taps, int threads, size_t beside, size_t least)
{
    const size_t one = beside + sg_work_bytes(m, 1, taps, threads), many = beside + sg_work_bytes(m, threads, taps, threads);
    const size_t more = beside + sg_work_bytes(m, threads + 1, taps, threads);
    char side_by_side[64] = "";
    if (threads > 1) nn_format(side_by_side, sizeof side_by_side, ", %.0f MB with batch %d", mb(many > least ? many : least), threads);
    row("memory", "%s: peak %.0f MB with %d thread%s and batch 1%s; each further picture of a batch %.1f MB", command, mb(one > least ? one : least), threads,
        threads > 1 ? "s" : "", side_by_side, mb(more - many));
}

static nn_status print_generator(const info *in, const nn_st *f, nn_err *err)
{
    sg_model *m = sg_open(f->path, in->kernels, err);
    if (!m) return err->status;
    const sg_config *c = sg_get_config(m);
    row("kind", "generator");
    printf("  %-14s%s (%s), %tdx%td, %td channel%s, z %td, w %td, %td mapping layer%s, %td layers, maps of", "architecture", c->network,
           c->architecture, c->resolution, c->height, c->img_channels, c->img_channels == 1 ? "" : "s", c->z_dim, c->w_dim,
           c->mapping_layers, c->mapping_layers == 1 ? "" : "s", c->num_ws);
    for (nn_dim l = 0; l < c->levels; l++) printf("%s%td", l ? "," : " ", c->channels[l]);
    printf(" channels");
    if (c->c_dim) printf(", %td classes", c->c_dim);
    if (c->norm_eps > 0.0) printf(", eps %g of the instance norm\n", c->norm_eps);
    else if (isfinite(c->conv_clamp)) printf(", clamp %g\n", c->conv_clamp);
    else puts(", no clamp");
    nn_dim D = 0;
    for (int i = 0; i < sg_tap_count(m); i++) D += sg_tap_at(m, i)->c;
    row("feature maps", "%d, %td numbers a pixel", sg_tap_count(m), D);
    print_tensors(f, false);
    if (c->height < c->resolution) row("pictures", "rows %td to %td of %td", c->top, c->top + c->height - 1, c->resolution);
    row("identity", "%s", sg_identity(m));
    const size_t picture = (size_t)(c->resolution * c->height * c->img_channels) * 2;        /* bytes and their PNG */
    const size_t open = in->base + sg_model_bytes(m);
    print_memory("generate", m, false, in->threads, open + picture, open + (size_t)f->data_bytes);
    sg_close(m);
    return NN_OK;
}

/* The generator an interpreter belongs to, among the files named and the bundled one; NULL when none does. */
static sg_model *find_generator(const info *in, const dg_interp *interp)
{
    char bundled[CLI_PATH];
    nn_err ignored = { 0 };
    const bool has_bundle = cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_GENERATOR, &ignored) == NN_OK;
    for (size_t i = 0; i < in->count + has_bundle; i++) {
        nn_err other = { 0 };
        sg_model *m = sg_open(i < in->count ? in->file[i] : bundled, in->kernels, &other);
        if (m && dg_interp_check(interp, m, &other) == NN_OK) return m;
        sg_close(m);
    }
    return NULL;
}

static nn_status print_interpreter(const info *in, const nn_st *f, nn_err *err)
{
    dg_interp it = { 0 };
    if (dg_interp_open(&it, f->path, err)) return err->status;
    row("kind", "interpreter of task %s", it.task_name);
    row("architecture", "%d members: %td features -> %td -> %td -> %d classes", it.members, it.D, it.h1, it.h2, it.classes);
    print_classes(it.class_at, it.classes);
    printf("  %-14s%d:", "feature maps", it.tap_count);
    for (int i = 0; i < it.tap_count; i++) printf(" %s", it.tap[i]);
    putchar('\n');
    row("trained on", "generator %s; %td annotated seeds, which a dataset leaves out", it.generator, it.seed_count);
    print_draw(&it.draw);
    if (nn_st_meta(f, "training")) row("training", "%s", nn_st_meta(f, "training"));
    print_tensors(f, false);
    row("identity", "%s", it.identity);
    sg_model *m = find_generator(in, &it);
    if (m) {
        print_memory("dataset", m, true, in->threads, in->base + sg_model_bytes(m) + (size_t)f->data_bytes + dg_labeller_bytes(&it, m, in->threads), 0);
    } else row("memory", "name its generator's file too: info states what a dataset run needs");
    sg_close(m);
    dg_interp_close(&it);
    return NN_OK;
}

static nn_status print_safetensors(const info *in, const char *path, nn_err *err)
{
    nn_st f = { 0 };
    if (nn_st_open(&f, path, err)) return err->status;
    const char *kind = nn_st_meta(&f, "kind");
    if (kind && !strcmp(kind, "generator")) print_generator(in, &f, err);
    else if (kind && !strcmp(kind, "interpreter")) print_interpreter(in, &f, err);
    else {
        row("kind", "safetensors, %s", kind ? kind : "no generator and no interpreter");
        print_tensors(&f, true);
    }
    nn_st_close(&f);
    return err->status;
}

static void print_train_memory(const info *in, const dg_task *t)
{
    dg_train_options o;
    nn_err why = { 0 };
    size_t bytes = 0;
    /* analyze: a row was picked before anything is printed */
    sg_model *m = cli_open_task_generator(NULL, t, in->kernels->name, &why);
    if (m && dg_train_recipe(&o, "default", t->class_count, &why) == NN_OK && dg_train_bytes(t, "train", m, &o, in->threads, &bytes, &why) == NN_OK)
        row("memory", "train: peak %.0f MB with %d threads, the default recipe and split \"train\"", mb(in->base + sg_model_bytes(m) + bytes), in->threads);
    else row("memory", "train: cannot be said: %s", why.msg);
    sg_close(m);
}

static nn_status print_task(const info *in, const char *path, nn_err *err)
{
    dg_task t;
    if (dg_task_read(&t, path, err)) return err->status;
    row("kind", "annotation set %s", t.name);
    print_classes(t.class_at, t.class_count);
    printf("  %-14s%td:", "pictures", t.item_count);
    for (nn_dim i = 0; i < t.item_count; i++) {                /* each split once, where it first appears */
        nn_dim first = 0, n = 0;
        while (strcmp(t.item[first].split, t.item[i].split)) first++;
        if (first != i) continue;
        for (nn_dim j = i; j < t.item_count; j++) n += !strcmp(t.item[j].split, t.item[i].split);
        printf("%s %td %s", i ? "," : "", n, t.item[i].split);
    }
    putchar('\n');
    row("generator", "%s, identity %s", *t.generator ? t.generator : "not named", *t.generator_sha256 ? t.generator_sha256 : "not recorded");
    print_draw(&t.draw);
    print_train_memory(in, &t);
    dg_task_free(&t);
    return NN_OK;
}

static nn_status print_png(const char *path, nn_err *err)
{
    nn_image im = { 0 };
    if (nn_png_read(path, &im, err)) return err->status;
    row("kind", "PNG picture, %tdx%td, %td channel%s when read as a picture", im.width, im.height, im.channels, im.channels == 1 ? "" : "s");
    nn_image_free(&im);
    return NN_OK;
}

static nn_status print_npy(const char *path, nn_err *err)
{
    nn_npy a = { 0 };
    if (nn_npy_read(path, &a, err)) return err->status;
    nn_st_entry e = { .rank = a.rank };
    char shape[96];
    memcpy(e.dim, a.dim, sizeof e.dim);
    row("kind", "NumPy array (%s)", shape_text(shape, &e));
    nn_npy_free(&a);
    return NN_OK;
}

/* By content: the first bytes, never the name. */
static nn_status print_file(const info *in, const char *path, nn_err *err)
{
    uint8_t head[8] = { 0 };
    const int fd = nn_sys_open(path, O_RDONLY, 0);
    const ssize_t n = fd < 0 ? 0 : nn_sys_read(fd, head, sizeof head);
    if (fd >= 0) nn_sys_close(fd);
    printf("\n%s\n", path);
    if (n > 0 && !memcmp(head, "\x89PNG\r\n\x1a\n", 8)) return print_png(path, err);
    if (n > 0 && !memcmp(head, "\x93NUMPY", 6)) return print_npy(path, err);
    if (n > 0 && head[0] == '{' && head[7]) return print_task(in, path, err);
    return print_safetensors(in, path, err);                  /* its 8th byte is 0: lengths are small; also says why a file cannot be read at all */
}

int cmd_info(int argc, char **argv)
{
    const char *kernels = "auto";
    int64_t threads = 0;
    info in = { .base = cli_peak_bytes() };
    const cli_opt opt[] = {
        { "kernels", CLI_STR, &kernels, 0, 0, "NAME", false, "the row that memory is stated for (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "the threads that memory is stated for (default: 0, all cores)", NULL },
    };
    const int rc = cli_parse(NAME, "Say what this machine offers, and of each file its kind, architecture, tensors, identity and the memory "
                             "that a run with it needs. Name an interpreter together with its generator.",
                             opt, sizeof opt / sizeof *opt, argc, argv, in.file, FILES_MAX, &in.count);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    in.threads = cli_threads(threads);
    in.kernels = nn_kernels_pick(kernels, &err);
    if (in.kernels) print_machine(&in);
    for (size_t i = 0; i < in.count && err.status == NN_OK; i++) print_file(&in, in.file[i], &err);
    return err.status == NN_OK ? CLI_EXIT_OK : cli_fail(NAME, &err);
}
