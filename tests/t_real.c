/* t_real.c: the part of the test harness that handles numbers.  tests/f64 compiles it once more, in double. */
#define _GNU_SOURCE 1          /* MAP_ANONYMOUS */
#include "tests/t.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/rng.h"

double t_units(const real *got, const real *want, nn_dim n, nn_dim *at)
{
    const double eps = sizeof(real) == 4 ? FLT_EPSILON : DBL_EPSILON;
    double square = 0.0, worst = 0.0;
    *at = 0;
    for (nn_dim i = 0; i < n; i++) square += (double)want[i] * want[i];
    const double rms = sqrt(square / (double)(n > 0 ? n : 1));
    for (nn_dim i = 0; i < n; i++) {
        const double size = fmax(fabs((double)want[i]), rms), diff = fabs((double)got[i] - (double)want[i]);
        double e = diff == 0.0 ? 0.0 : diff / (eps * size);
        if (!isfinite((double)got[i]) || !isfinite((double)want[i])) e = INFINITY;      /* inf in want would make any diff small */
        if (e > worst) { worst = e; *at = i; }
    }
    return worst;
}

bool t_close(const real *got, const real *want, nn_dim n, double units, const char *fmt, ...)
{
    nn_dim at;
    const double worst = t_units(got, want, n, &at);
    char detail[160];
    const bool ok = !(worst > units) && n > 0;
    nn_format(detail, sizeof detail, ok ? "%.3g / %g units" : "%.3g / %g units, worst at %td: got %.9g, want %.9g",
              worst, units, at, n ? (double)got[at] : 0.0, n ? (double)want[at] : 0.0);
    va_list args;
    va_start(args, fmt);
    t_report(ok, true, detail, fmt, args);
    va_end(args);
    return ok;
}

/* [guard page][ ... numbers ... ][guard page] */
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
    int i = 0;
    while (i < 64 && guards[i].map) i++;
    NN_ASSERT(i < 64);             /* more guarded buffers open than t.h allows */
    guards[i] = (guarded){ map, size, p };
    return p;
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
