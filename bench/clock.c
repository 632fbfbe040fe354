/* clock.c: the clocks of the benchmark programs. */
#include <time.h>

#include "bench/bench.h"

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_now(void) { return seconds_of(CLOCK_MONOTONIC); }

double bench_cpu(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }
