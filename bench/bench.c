/* bench.c: the benchmark program: options, timing, the table and its CSV. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "nn/json.h"

static const char help[] =
    "usage: bench [--quick] [--cpu] [--only NAME,NAME] [--threads N,N] [--rows ROW,ROW] [--csv FILE] [--folder DIR]\n"
    "       bench --turns WORK ...          one piece of work whenever asked (bench/compare.py); alone it lists them\n"
    "\n"
    "Measures this machine's limits, then layers, products, pictures, labels, training and datasets against them.\n"
    "\n"
    "  --quick      a few rows of each kind, for less time\n"
    "  --cpu        processor time over threads instead of wall time: for a busy machine\n"
    "  --only       rows whose \"work name\" contains one of the names: --only 'conv 512,picture'\n"
    "  --threads    default: 1 and all (--quick: all)\n"
    "  --rows       rows of kernels, or auto, the default\n"
    "  --csv        write the rows there, too\n"
    "  --folder     where random generators lie (bench/random_generator.py) and work files go; default build\n"
    "\n"
    "BENCH_COMMIT in the environment names what was measured.\n";

enum { RUNS_MIN = 3, RUNS_MAX = 199, NAME_WIDTH = 34 };
bench_options bench_chosen = { .folder = "build" };
static double bandwidth[8];                              /* by place in bench_chosen.threads */
static char cpu_name[128] = "unknown";
static const char *commit_name = "unknown";
static FILE *csv;

double bench_clock(int threads) { return bench_chosen.cpu ? bench_cpu() / threads : bench_now(); }

static int by_seconds(const void *a, const void *b)
{
    const double s = ((const bench_run *)a)->seconds, t = ((const bench_run *)b)->seconds;
    return (s > t) - (s < t);
}

void bench_fail(const nn_err *err)
{
    if (err->status == NN_OK) return;
    fprintf(stderr, "bench: %s\n", err->msg);
    exit(1);
}

void *bench_alloc(size_t bytes)
{
    nn_err err = { 0 };
    void *p = nn_alloc(bytes, "a benchmark's data", &err);
    bench_fail(&err);
    return p;
}

real *bench_random(nn_dim count, double sd)
{
    real *x = bench_alloc((size_t)count * sizeof *x);
    uint64_t state = 88172645463325252u;                 /* xorshift (Marsaglia 2003); two uniform numbers added, sd of the sum 2/sqrt(6) */
    for (nn_dim i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const double sum = (double)(state >> 40) / (double)(1 << 24) + (double)(state & 0xffffff) / (double)(1 << 24) - 1.0;
        x[i] = (real)(sum * sd * 2.449489742783178);
    }
    return x;
}

double bench_units(const real *a, const real *b, nn_dim n)
{
    double worst = 0, square = 0;
    for (nn_dim i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;                    /* NaN too */
        square += (double)b[i] * (double)b[i];
    }
    return worst / (sqrt(square / (double)n) * 0x1p-24);
}

bench_cost bench_cost_add(bench_cost a, bench_cost b, double times)
{
    return (bench_cost){ a.direct + times * b.direct, a.slots + times * b.slots, a.bytes + times * b.bytes, a.algorithm ? a.algorithm : b.algorithm };
}

bool bench_wanted(const char *work, const char *name, bool in_quick)
{
    char all[160], list[512];
    if (!bench_chosen.only) return in_quick || !bench_chosen.quick;
    nn_format(all, sizeof all, "%s %s", work, name);
    nn_format(list, sizeof list, "%s", bench_chosen.only);
    for (char *save = NULL, *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) if (strstr(all, one)) return true;
    return false;
}

/* A line of the table, at most 130 columns; a note, and a name too long for its column, have lines of their own. */
static void print_row(const bench_row *row, double ms, double spread, double rate, double of_peak, double of_bandwidth, double of_bound, const char *by)
{
    static char note[160];                               /* the last one printed */
    const char *now = row->note ? row->note : "", *name = row->name;
    if (strcmp(note, now) && *now) printf("(%s)\n", now);
    nn_format(note, sizeof note, "%s", now);
    if (strlen(name) > NAME_WIDTH) { printf("%-8s %s\n", row->work, name); name = ""; }
    printf("%-8s %-*s %-8s %2d %10.3f %4.0f %7.1f %5.2f %5.2f %5.2f %-5s", row->work, NAME_WIDTH, name, row->k->name, row->threads, ms, spread, rate,
           of_peak, of_bandwidth, of_bound, by);
    if (!isnan(row->error)) printf(" %8.3g %s", row->error, row->error_unit);
    printf("\n");
    fflush(stdout);
}

static void print_head(void)
{
    printf("\nms: median; the rest of the best run.\nGFLOP/s in direct count; peak: its part of the FMA peak; bytes: part of the bandwidth; bound: part of the bound, which `by` names\n"
           "%-8s %-*s %-8s %2s %10s %4s %7s %5s %5s %5s %-5s %8s\n", "work", NAME_WIDTH, "name", "row", "t", "ms", "+-%", "GFLOP/s", "peak", "bytes", "bound",
           "by", "error");
}

void bench_report(bench_row *row, bench_run *run, int count, double cpu)
{
    int at = 0;
    double peak = 0;
    while (at + 1 < bench_chosen.thread_count && bench_chosen.threads[at] != row->threads) at++;
    for (int i = 0; i < count; i++) if (run[i].peak > peak) peak = run[i].peak;
    qsort(run, (size_t)count, sizeof *run, by_seconds);
    const double t = run[count / 2].seconds / row->units, best = run[0].seconds / row->units, worst = run[count - 1].seconds / row->units;
    const double by_fma = 2.0 * row->cost.slots / peak, by_bytes = row->cost.bytes / bandwidth[at], bound = by_fma > by_bytes ? by_fma : by_bytes;
    const double of_peak = row->cost.direct / best / peak, of_bandwidth = row->cost.bytes / best / bandwidth[at];
    print_row(row, t * 1e3, 50.0 * (worst - best) / t, row->cost.direct / best / 1e9, of_peak, of_bandwidth, bound / best, by_fma > by_bytes ? "FMA" : "bytes");
    if (!csv) return;
    fprintf(csv, "%s,\"%s\",%s,%s,%s,%d,%d,%.6f,%.6f,%.6f,%.6f,%.3f,%.3f,%.4f,%.4f,%s,%.4f,", commit_name, cpu_name, row->work, row->name, row->k->name,
            row->threads, count, t * 1e3, best * 1e3, worst * 1e3, cpu / count / row->units * 1e3, row->cost.direct / best / 1e9, peak / 1e9, of_peak,
            of_bandwidth, by_fma > by_bytes ? "fma" : "bytes", bound / best);
    if (!isnan(row->error)) fprintf(csv, "%.4g", row->error);
    fprintf(csv, ",%s,%s,\"%s\"\n", row->error_unit ? row->error_unit : "", row->cost.algorithm ? row->cost.algorithm : "", row->note ? row->note : "");
    fflush(csv);
}

void bench_measure(bench_row *row, void (*work)(void *user), void *user)
{
    const double budget = bench_chosen.quick ? 0.1 : 1.0;
    bench_run run[RUNS_MAX];
    double cpu = 0, from = bench_clock(row->threads);
    work(user);
    const double first = bench_clock(row->threads) - from;
    const int inner = first < 2e-4 ? (int)(2e-4 / (first + 1e-8)) + 1 : 1;        /* the clock's step and its cost stay out of it */
    int n = 0;
    const double start = bench_now();
    double before = bench_peak_now(row->threads);
    while (n < RUNS_MIN || (n < RUNS_MAX && bench_now() - start < budget)) {
        const double cpu_from = bench_cpu();
        from = bench_clock(row->threads);
        for (int i = 0; i < inner; i++) work(user);
        const double seconds = (bench_clock(row->threads) - from) / inner;
        cpu += bench_cpu() - cpu_from;
        const double after = bench_peak_now(row->threads);
        run[n++] = (bench_run){ seconds, (before + after) / 2 };
        before = after;
    }
    bench_report(row, run, n, cpu / inner);
}

/* ---- options ------------------------------------------------------------------------------------------------------------------ */

static void read_cpu_name(void)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon) continue;
        nn_format(cpu_name, sizeof cpu_name, "%.*s x%d", (int)strcspn(colon + 2, "\n"), colon + 2, omp_get_num_procs());
        break;
    }
    if (f) fclose(f);
}

static void choose_rows(char *list)
{
    nn_err err = { 0 };
    for (char *save = NULL, *one = strtok_r(list, ",", &save); one && bench_chosen.row_count < 8; one = strtok_r(NULL, ",", &save)) {
        bench_chosen.row[bench_chosen.row_count++] = nn_kernels_pick(one, &err);
        bench_fail(&err);
    }
}

static void choose_threads(char *list)
{
    for (char *save = NULL, *one = strtok_r(list, ",", &save); one && bench_chosen.thread_count < 8; one = strtok_r(NULL, ",", &save)) {
        double n = 0;
        if (nn_json_number(one, "--threads", &n, NULL) || n < 1 || n > 1024 || n != floor(n)) {
            fprintf(stderr, "bench: --threads: expected whole numbers from 1 to 1024, found %s\n", one);
            exit(2);
        }
        bench_chosen.threads[bench_chosen.thread_count++] = (int)n;
    }
}

static void read_options(int argc, char **argv)
{
    char every[] = "auto", counts[32];
    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--quick")) { bench_chosen.quick = true; continue; }
        if (!strcmp(argv[i], "--cpu")) { bench_chosen.cpu = true; continue; }
        if (value && !strcmp(argv[i], "--only")) bench_chosen.only = value;
        else if (value && !strcmp(argv[i], "--csv")) bench_chosen.csv = value;
        else if (value && !strcmp(argv[i], "--folder")) bench_chosen.folder = value;
        else if (value && !strcmp(argv[i], "--rows")) choose_rows(value);
        else if (value && !strcmp(argv[i], "--threads")) choose_threads(value);
        else { fprintf(stderr, "bench: %s: no such option, or no value for it; --help lists them\n", argv[i]); exit(2); }
        i++;
    }
    if (!bench_chosen.row_count) choose_rows(every);
    const int all = omp_get_max_threads();
    nn_format(counts, sizeof counts, all > 1 && !bench_chosen.quick ? "1,%d" : "%d", all);
    if (!bench_chosen.thread_count) choose_threads(counts);
}

static void write_machine(const char *name, int threads, double value)
{
    if (csv) fprintf(csv, "%s,\"%s\",machine,%s,,%d,,,,,,%.2f,,,,,,,,,\n", commit_name, cpu_name, name, threads, value);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--turns")) return bench_turns(argc - 2, argv + 2);
    if (argc > 1 && !strcmp(argv[1], "--help")) return fputs(help, stdout) < 0;
    read_options(argc, argv);
    read_cpu_name();
    if (getenv("BENCH_COMMIT")) commit_name = getenv("BENCH_COMMIT");
    if (bench_chosen.csv && !(csv = fopen(bench_chosen.csv, "w"))) { fprintf(stderr, "bench: cannot write %s\n", bench_chosen.csv); return 1; }
    if (csv) fprintf(csv, "commit,cpu,work,name,kernel,threads,runs,median_ms,min_ms,max_ms,cpu_ms,gflops,peak_gflops,of_peak,of_bandwidth,bound_by,of_bound,error,"
                          "error_unit,algorithm,note\n");
    printf("%s\n", cpu_name);
    for (int i = 0; i < bench_chosen.thread_count; i++) {
        const double peak = bench_fma_peak(bench_chosen.threads[i]);
        bandwidth[i] = bench_bandwidth(bench_chosen.threads[i]);
        printf("%d thread%s: FMA peak %.1f GFLOP/s, bandwidth %.1f GB/s\n", bench_chosen.threads[i], bench_chosen.threads[i] > 1 ? "s" : "", peak / 1e9,
               bandwidth[i] / 1e9);
        write_machine("FMA peak GFLOP/s", bench_chosen.threads[i], peak / 1e9);
        write_machine("bandwidth GB/s", bench_chosen.threads[i], bandwidth[i] / 1e9);
    }
    print_head();
    void (*const group[])(void) = { bench_convolutions, bench_maps, bench_products, bench_pictures, bench_labels, bench_trainings,
                                     bench_datasets, bench_segments };
    for (size_t g = 0; g < sizeof group / sizeof *group; g++) group[g]();
    if (csv) fclose(csv);
    return 0;
}
