/* test_memory.c: the peak that `info` states before a run against what the kernel measured of it; and that it does not grow with a run. */
#include "tests/t.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/program.h"
#include "tests/tiny_run.h"

static char folder[300];

/* "COMMAND: peak 18 MB with 2 threads and batch 1, 21 MB with batch 2; each further picture of a batch 2.4 MB" of info's output: the peak for a batch. */
static double stated(const char *files, int threads, const char *command, int batch)
{
    char out[400], text[1024], want[64];
    double peak = NAN;
    nn_format(out, sizeof out, "%s/info", folder);
    program_run(out, "info --threads %d %s", threads, files);
    FILE *f = fopen(out, "r");
    NN_ASSERT(f);
    nn_format(want, sizeof want, "%s: peak ", command);
    while (fgets(text, sizeof text, f)) {
        const char *at = strstr(text, want), *each = strstr(text, "of a batch ");
        const char *many = strstr(text, "batch 1, ");
        if (!at) continue;
        peak = strtod(batch > 1 && many ? many + 9 : at + strlen(want), NULL);
        if (batch > threads) peak += (batch - threads) * (each ? strtod(each + 11, NULL) : NAN);
    }
    fclose(f);
    return peak;
}

/* The promise is max(10 %, 20 MB); held here to 10 MB, because the bundle's runs take no more than 20 themselves. */
static void compare(double said, double measured, const char *what, int threads, int batch)
{
    t_limit(fabs(said - measured / 1e6), fmax(0.10 * measured / 1e6, 10.0), "%s, %d threads, batch %d: info said %.0f MB, measured %.0f MB; off by",
            what, threads, batch, said, measured / 1e6);
}

/* Bytes in memory that belong to no file, counted page by page: what statm and ru_maxrss say is off by up to 32 pages a processor, and of a file's pages
 * the kernel brings in as many as it likes. */
static double own_bytes(void)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f)) if (!strncmp(line, "Anonymous:", 10)) kb = strtol(line + 10, NULL, 10);
    if (f) fclose(f);
    return (double)kb * 1024;
}

static bool keep_highest(void *user, const char *what, double done, double total, double value)
{
    (void)what, (void)done, (void)total, (void)value;
    *(double *)user = fmax(*(double *)user, own_bytes());
    return true;
}

/* A run of many samples takes no more memory than one of 100, but for freed blocks that the C library keeps at hand: at most 7 of each of 64 sizes up to 1032
 * bytes, 230 kB a thread, reached little by little.  A line of the manifest that stayed would be 850 kB. */
static void flat_in_count(void)
{
    tiny_runs t;
    double peak[2] = { 0, 0 };
    const uint64_t count[2] = { 100, 1500 };
    const int threads = omp_get_max_threads();
    nn_err err = { 0 };
    omp_set_num_threads(1);
    tiny_runs_open(&t, "memory_flat");
    for (int i = 0; i < 2; i++) {
        const dg_progress p = { keep_highest, &peak[i] };
        const dg_dataset_options o = tiny_options(&t, tiny_fresh(&t, i ? "many" : "few"), count[i], 4);
        dg_dataset_result r;
        t_status(dg_dataset(t.model, &t.interp, &o, &p, &r, &err), NN_OK, &err, NULL, "a run of %d samples", (int)count[i]);
        keep_highest(&peak[i], NULL, 0, 0, 0);
    }
    if (peak[0] > 0) t_limit((peak[1] - peak[0]) / 1024, 256, "peak of %d samples, %.0f kB, over that of %d, kB", (int)count[1], peak[1] / 1024, (int)count[0]);
    else t_skip("memory: /proc/self/smaps_rollup cannot be read");
    tiny_runs_close(&t);
    omp_set_num_threads(threads);
}

int main(int argc, char **argv)
{
    NN_ASSERT(argc > 0);
    program_find(argv[0]);
    if (strstr(program_path(), "sanitize")) {
        t_skip("memory: AddressSanitizer's own shadow is counted");
        return t_done();
    }
    nn_format(folder, sizeof folder, "%s", t_folder("memory"));
    const char *generator = "weights/blood128/generator.safetensors", *task = "weights/blood128/annotations/task.json", *null = "/dev/null";
    static const struct { int threads, batch; } at[] = { { 1, 1 }, { 2, 1 }, { 2, 32 } };
    for (int i = 0; i < 3; i++) {
        const int t = at[i].threads, b = at[i].batch;
        const double peak = program_run(null, "generate --seeds 0-%d --out %s/g%d --threads %d --batch %d", b - 1, folder, i, t, b);
        compare(stated(generator, t, "generate", b), peak, "generate", t, b);
    }
    char interpreter[400];
    nn_format(interpreter, sizeof interpreter, "%s/i", folder);
    const double peak = program_run(null, "train --task %s --epochs 0.01 --out %s --threads 2", task, interpreter);
    compare(stated(task, 2, "train", 1), peak, "train 10 members", 2, 1024);
    for (int i = 0; i < 3; i++) {
        const int t = at[i].threads, b = at[i].batch;
        const double used = program_run(null, "dataset --interpreter %s --count %d --out %s/d%d --threads %d --batch %d", interpreter, b, folder, i, t, b);
        compare(stated(interpreter, t, "dataset", b), used, "dataset with 10 members", t, b);
    }
    flat_in_count();
    return t_done();
}
