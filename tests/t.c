/* t.c: the test harness of t.h. */
#define _GNU_SOURCE 1          /* MAP_ANONYMOUS */
#include "tests/t.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nn/rng.h"

static int passed, failed, skipped;

static bool result(bool ok, bool print, const char *detail, const char *fmt, va_list args)
{
    ok ? passed++ : failed++;
    if (!ok || print) {
        printf("%s ", ok ? "  ok  " : "FAILED");
        vprintf(fmt, args);
        printf("%s%s\n", *detail ? ": " : "", detail);
        fflush(stdout);
    }
    return ok;
}

#define RESULT(ok, print, detail) \
    do { va_list args; va_start(args, fmt); result(ok, print, detail, fmt, args); va_end(args); } while (0)

void t_check(bool cond, const char *fmt, ...) { RESULT(cond, false, ""); }
void t_fail(const char *fmt, ...) { RESULT(false, true, ""); }

void t_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    skipped++;
    printf(" skip  ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

bool t_close(const real *got, const real *want, nn_dim n, double units, const char *fmt, ...)
{
    const double eps = sizeof(real) == 4 ? FLT_EPSILON : DBL_EPSILON;
    double square = 0.0, worst = 0.0;
    nn_dim at = 0;
    for (nn_dim i = 0; i < n; i++) square += (double)want[i] * want[i];
    const double rms = sqrt(square / (double)(n > 0 ? n : 1));
    for (nn_dim i = 0; i < n; i++) {
        const double size = fmax(fabs((double)want[i]), rms), diff = fabs((double)got[i] - (double)want[i]);
        double e = diff == 0.0 ? 0.0 : diff / (eps * size);
        if (isnan(e) || isnan((double)got[i]) || isnan((double)want[i])) e = INFINITY;
        if (e > worst) { worst = e; at = i; }
    }
    char detail[160];
    const bool ok = !(worst > units) && n > 0;
    nn_format(detail, sizeof detail, ok ? "%.3g / %g units" : "%.3g / %g units, worst at %td: got %.9g, want %.9g",
              worst, units, at, n ? (double)got[at] : 0.0, n ? (double)want[at] : 0.0);
    RESULT(ok, true, detail);
    return ok;
}

bool t_limit(double value, double limit, const char *fmt, ...)
{
    char detail[80];
    const bool ok = value <= limit;
    nn_format(detail, sizeof detail, "%.6g / %g", value, limit);
    RESULT(ok, true, detail);
    return ok;
}

bool t_same(const void *got, const void *want, size_t bytes, const char *fmt, ...)
{
    const unsigned char *a = got, *b = want;
    size_t at = 0;
    while (at < bytes && a[at] == b[at]) at++;
    char detail[80] = "";
    if (at < bytes) nn_format(detail, sizeof detail, "first difference at byte %zu of %zu: got %02x, want %02x", at, bytes, a[at], b[at]);
    RESULT(at == bytes, false, detail);
    return at == bytes;
}

bool t_status(nn_status got, nn_status want, const nn_err *err, const char *part, const char *fmt, ...)
{
    const char *msg = err ? err->msg : "";
    bool ok = got == want;
    if (ok && want != NN_OK && err) ok = *msg && !strchr(msg, '\n') && (!part || strstr(msg, part)) && err->status == want;
    char detail[1400];
    nn_format(detail, sizeof detail, "status %d, expected %d with \"%s\"; message: %s", got, want, part ? part : "", msg);
    RESULT(ok, false, detail);
    return ok;
}

int t_done(void)
{
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed || passed + skipped == 0;
}

/* [guard page][ ... numbers ... ][guard page]; the size of the whole mapping is kept in the first bytes of a second one. */
typedef struct { void *map; size_t size; real *p; } guarded;
static guarded guards[64];

real *t_guarded(nn_dim n, bool at_end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size_t)n * sizeof(real);
    const size_t body = (bytes + page - 1) / page * page, size = body + 2 * page;
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NN_ASSERT(map != MAP_FAILED);
    NN_ASSERT(!mprotect(map, page, PROT_NONE) && !mprotect(map + page + body, page, PROT_NONE));
    real *p = (real *)(map + page + (at_end ? body - bytes : 0));
    memset(map + page, 0xff, body);
    for (int i = 0; i < 64; i++)
        if (!guards[i].map) { guards[i] = (guarded){ map, size, p }; return p; }
    NN_ASSERT(!"too many guarded buffers");
    return NULL;
}

void t_guarded_free(real *p)
{
    for (int i = 0; i < 64; i++)
        if (guards[i].p == p) { munmap(guards[i].map, guards[i].size); guards[i] = (guarded){ 0 }; return; }
}

bool t_all_nan(const real *p, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) if (!isnan((double)p[i])) return false;
    return true;
}

void t_randn(real *p, nn_dim n, uint64_t seed)
{
    for (nn_dim i = 0; i < n; i++) p[i] = (real)nn_rng_normal(seed, NN_RNG_TEST, 0, (uint64_t)i);
}

const char *t_folder(const char *name)
{
    static char path[256];
    char command[600];
    nn_format(path, sizeof path, "build/tmp/%s-%ld", name, (long)getpid());
    nn_format(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", path, path);
    NN_ASSERT(system(command) == 0);
    return path;
}
