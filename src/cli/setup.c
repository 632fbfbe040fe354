/* setup.c: what every command needs before it starts: the bundle, threads, the generator, how pictures are drawn. */
#include "cli/cli.h"

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nn/file.h"

nn_status cli_bundled(char *out, size_t size, const char *name, nn_err *err)
{
    /* build/<config>/datasetgan of the source tree, then PREFIX/bin/datasetgan. */
    static const char *const above[] = { "../../weights", "../share/datasetgan" };
    char exe[CLI_PATH], folder[CLI_PATH], base[CLI_PATH];
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n < 0) return nn_fail(err, NN_EIO, "/proc/self/exe: cannot find this program's folder: %s", strerror(errno));
    exe[n] = '\0';
    if (nn_path_folder(folder, sizeof folder, exe, err)) return err->status;
    for (size_t i = 0; i < sizeof above / sizeof *above; i++) {
        if (nn_path_join(base, sizeof base, folder, above[i], err) || nn_path_join(out, size, base, name, err)) return err->status;
        if (nn_path_exists(out)) return NN_OK;
    }
    return nn_fail(err, NN_EIO, "bundled file %s: neither %s/../../weights nor %s/../share/datasetgan has it", name, folder, folder);
}

int cli_threads(int64_t wanted)
{
    const int n = wanted > 0 ? (int)wanted : omp_get_max_threads();      /* OMP_NUM_THREADS, or the cores that there are */
    omp_set_dynamic(0);                      /* as many as asked for: memory is laid out for this number */
    omp_set_num_threads(n);
    return n;
}

size_t cli_peak_bytes(void)
{
    /* Not getrusage: its maximum lives on through exec, so a large parent would be counted. */
    size_t kilobytes = 0;
    char text[256];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(text, sizeof text, f)) if (!strncmp(text, "VmHWM:", 6)) { kilobytes = strtoul(text + 6, NULL, 10); break; }
    fclose(f);
    return kilobytes * 1024;
}

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *cli_noise_name(sg_noise n) { return n == SG_NOISE_CONST ? "const" : n == SG_NOISE_NONE ? "none" : "random"; }

void cli_draw_apply(const char *command, const cli_draw *d, const char *source, sg_options *o)
{
    if (d->psi_given) {
        if (source && d->psi != o->psi) cli_warn(command, "--psi %g replaces %g of %s", d->psi, o->psi, source);
        o->psi = d->psi;
    }
    if (d->cutoff_given) {
        if (source && d->cutoff != o->cutoff) {
            char was[32] = "all layers";
            if (o->cutoff >= 0) nn_format(was, sizeof was, "%td", o->cutoff);
            cli_warn(command, "--cutoff %td replaces %s of %s", (nn_dim)d->cutoff, was, source);
        }
        o->cutoff = (nn_dim)d->cutoff;
    }
    if (d->class_given) {
        if (source && d->class_id != o->class_id) cli_warn(command, "--class %td replaces %td of %s", (nn_dim)d->class_id, o->class_id, source);
        o->class_id = (nn_dim)d->class_id;
    }
    if (d->noise_given) {
        const sg_noise n = !strcmp(d->noise, "const") ? SG_NOISE_CONST : !strcmp(d->noise, "none") ? SG_NOISE_NONE : SG_NOISE_RANDOM;
        if (source && n != o->noise) cli_warn(command, "--noise %s replaces %s of %s", d->noise, cli_noise_name(o->noise), source);
        o->noise = n;
    }
}

sg_model *cli_open_generator(const char *path, const char *kernels, nn_err *err)
{
    char bundled[CLI_PATH];
    const nn_kernels *k = nn_kernels_pick(kernels, err);
    if (!k) return NULL;
    if (!path) {
        if (cli_bundled(bundled, sizeof bundled, CLI_BUNDLED_GENERATOR, err)) return NULL;
        path = bundled;
    }
    return sg_open(path, k, err);
}

sg_model *cli_open_task_generator(const char *path, const dg_task *t, const char *kernels, nn_err *err)
{
    return cli_open_generator(path ? path : *t->generator && nn_path_exists(t->generator) ? t->generator : NULL, kernels, err);
}

nn_status cli_apply_precision(const char *precision, const sg_model *m, dg_interp *in, uint32_t seed, const sg_options *draw, nn_err *err)
{
    dg_precision_effect e;
    in->precision = precision && !strcmp(precision, "bf16") ? NN_BF16 : NN_FP32;
    if (in->precision == NN_FP32 || dg_precision_measure(m, in, seed, draw, &e, err)) return err->status;
    printf("%s: of picture %lu, %llu of %llu labels differ from fp32's; mean probabilities by %.2g at most, %.2g on average\n", precision, (unsigned long)seed,
           (unsigned long long)e.differ, (unsigned long long)e.pixels, e.largest, e.average);
    return NN_OK;
}

nn_status cli_split_taps(cli_names *n, const char *list, nn_err *err)
{
    n->count = 0;
    if (!list) return NN_OK;
    if (strlen(list) >= sizeof n->text) return nn_fail(err, NN_EINVAL, "option --taps-set: the list is too long");
    nn_format(n->text, sizeof n->text, "%s", list);
    for (char *p = n->text; p;) {
        char *comma = strchr(p, ',');
        if (comma) *comma++ = '\0';
        if (!*p || n->count == SG_TAPS_MAX)
            return nn_fail(err, NN_EINVAL, "option --taps-set: expected 1 to %d names such as b4.conv1,b8.conv0", SG_TAPS_MAX);
        n->at[n->count++] = p;
        p = comma;
    }
    return NN_OK;
}
