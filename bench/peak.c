/* peak.c: what this machine can do: fused multiply-adds per second and bytes per second.
 *
 * FMA: 12 independent chains of the widest vectors that the rows "avx512", "avx2" and "neon" use.  Bandwidth: the better of
 * reading and of STREAM's triad (McCalpin 1995: 12 bytes an element), on arrays that no cache holds. */
#include <omp.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "bench/bench.h"

enum { CHAINS = 12, TRIES = 5 };
static volatile float sink;                              /* keeps results from being left out */

#define CHAIN_LOOP(type, set1, fma)                                                                                  \
    type a[CHAINS], x = set1(1.0000001f), y = set1(1e-9f);                                                           \
    for (int i = 0; i < CHAINS; i++) a[i] = set1((float)i);                                                          \
    for (long k = 0; k < n; k++) {                                                                                   \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = fma(a[i], x, y);                            \
    }                                                                                                                \
    type sum = a[0];                                                                                                 \
    for (int i = 1; i < CHAINS; i++) sum += a[i];                                                                    \
    return sum[0];

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float chains16(long n) { CHAIN_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps) }
__attribute__((target("avx2,fma"))) static float chains8(long n) { CHAIN_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps) }
#endif
typedef float four __attribute__((vector_size(16)));
static four four_set1(float v) { return (four){ v, v, v, v }; }
#if defined(__aarch64__)
static four four_fma(four a, four x, four y) { return vfmaq_f32(a, x, y); }        /* FMLA adds to its own operand: no move */
#else
static four four_fma(four a, four x, four y) { return a * x + y; }       /* in two steps: -ffp-contract=off */
#endif
static float chains4(long n) { CHAIN_LOOP(four, four_set1, four_fma) }

/* The best of TRIES runs of n steps. */
static double best_rate(int threads, long n)
{
    float (*chains)(long) = chains4;
    double width = 4, best = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) { chains = chains16; width = 16; }
    else if (__builtin_cpu_supports("fma")) { chains = chains8; width = 8; }
#endif
    for (int r = 0; r < TRIES; r++) {
        const double from = bench_clock(threads);
        #pragma omp parallel num_threads(threads)
        { const float v = chains(n); if (v == 12345.0f) sink = v; }
        const double rate = 2.0 * CHAINS * width * (double)n * threads / (bench_clock(threads) - from);
        if (rate > best) best = rate;
    }
    return best;
}
double bench_fma_peak(int threads) { return best_rate(threads, 4000000); }
double bench_peak_now(int threads) { return best_rate(threads, 100000); }

/* One thread's share of `count` vectors. */
static float read_part(const four *p, long from, long to)
{
    four a[8] = { four_set1(0) };
    for (long i = from; i + 8 <= to; i += 8) for (int j = 0; j < 8; j++) a[j] += p[i + j];
    for (int j = 1; j < 8; j++) a[0] += a[j];
    return a[0][0];
}

static void triad_part(four *restrict a, const four *restrict b, const four *restrict c, long from, long to)
{
    const four s = four_set1(3.0f);
    for (long i = from; i < to; i++) a[i] = b[i] + s * c[i];
}

double bench_bandwidth(int threads)
{
    enum { ARRAYS = 3 };
    const long bytes = bench_chosen.quick ? 96L << 20 : 288L << 20, n = bytes / (long)sizeof(four);     /* of one array */
    four *a[ARRAYS];
    double best = 0;
    for (int i = 0; i < ARRAYS; i++) a[i] = bench_alloc((size_t)bytes);
    for (int r = 0; r <= 2 * TRIES; r++) {               /* the first only touches the pages */
        const bool triad = r % 2 == 0;
        const double from = bench_clock(threads);
        #pragma omp parallel num_threads(threads)
        {
            const long me = omp_get_thread_num(), all = omp_get_num_threads(), lo = n * me / all, hi = n * (me + 1) / all;
            if (triad) triad_part(a[0], a[1], a[2], lo, hi);
            else for (int i = 0; i < ARRAYS; i++) { const float v = read_part(a[i], lo, hi); if (v == 12345.0f) sink = v; }
        }
        const double rate = (double)(ARRAYS * bytes) / (bench_clock(threads) - from);
        if (r > 0 && rate > best) best = rate;
    }
    for (int i = 0; i < ARRAYS; i++) nn_free(a[i]);
    return best;
}
