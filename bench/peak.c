/* peak.c: what this machine can do: fused multiply-adds per second and bytes per second, one thread and all.
 *
 * FMA: 12 independent chains of the widest vectors that the rows "avx512" and "avx2" use.  Bandwidth: sum of 256 MB.
 * usage: peak; prints CSV: what,threads,value,unit */
#include <immintrin.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((target("avx512f"))) static float fma512(long n)
{
    __m512 a[12], x = _mm512_set1_ps(1.0000001f), y = _mm512_set1_ps(1e-9f);
    for (int i = 0; i < 12; i++) a[i] = _mm512_set1_ps((float)i);
    for (long k = 0; k < n; k++) {
        #pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = _mm512_fmadd_ps(a[i], x, y);
    }
    for (int i = 1; i < 12; i++) a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_reduce_add_ps(a[0]);
}

__attribute__((target("avx2,fma"))) static float fma256(long n)
{
    __m256 a[12], x = _mm256_set1_ps(1.0000001f), y = _mm256_set1_ps(1e-9f);
    for (int i = 0; i < 12; i++) a[i] = _mm256_set1_ps((float)i);
    for (long k = 0; k < n; k++) {
        #pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = _mm256_fmadd_ps(a[i], x, y);
    }
    for (int i = 1; i < 12; i++) a[0] = _mm256_add_ps(a[0], a[i]);
    return _mm256_cvtss_f32(a[0]);
}

static volatile float sink;

static double fma_rate(int threads, int width)
{
    const long n = 40000000 / 12;
    double best = 1e30;
    for (int r = 0; r < 7; r++) {
        const double t = omp_get_wtime();
        #pragma omp parallel num_threads(threads)
        { const float v = width == 16 ? fma512(n) : fma256(n); if (v == 12345.0f) sink = v; }
        const double s = omp_get_wtime() - t;
        if (s < best) best = s;
    }
    return 2.0 * 12.0 * width * (double)n * threads / best / 1e9;
}

static double read_rate(int threads, const float *p, long n)
{
    double best = 1e30;
    for (int r = 0; r < 5; r++) {
        const double t = omp_get_wtime();
        double sum = 0.0;
        #pragma omp parallel for num_threads(threads) reduction(+ : sum) schedule(static)
        for (long block = 0; block < n / 65536; block++) {
            __m128 a[8];
            for (int i = 0; i < 8; i++) a[i] = _mm_setzero_ps();
            for (long k = 0; k < 65536; k += 32)
                for (int i = 0; i < 8; i++) a[i] = _mm_add_ps(a[i], _mm_load_ps(p + block * 65536 + k + 4 * i));
            for (int i = 1; i < 8; i++) a[0] = _mm_add_ps(a[0], a[i]);
            sum += (double)_mm_cvtss_f32(a[0]);
        }
        sink = (float)sum;
        const double s = omp_get_wtime() - t;
        if (s < best) best = s;
    }
    return (double)n * 4.0 / best / 1e9;
}

int main(void)
{
    const int all = omp_get_max_threads();
    const long n = 64 << 20;
    float *p = aligned_alloc(64, (size_t)n * sizeof *p);
    if (!p) { fprintf(stderr, "peak: not enough memory for 256 MB\n"); return 1; }
    for (long i = 0; i < n; i++) p[i] = 1.0f;
    printf("what,threads,value,unit\n");
    for (int t = 1; t <= all; t = t < all ? all : all + 1) {
        if (__builtin_cpu_supports("avx512f")) printf("fma_avx512,%d,%.1f,GFLOP/s\n", t, fma_rate(t, 16));
        if (__builtin_cpu_supports("fma")) printf("fma_avx2,%d,%.1f,GFLOP/s\n", t, fma_rate(t, 8));
        printf("read,%d,%.1f,GB/s\n", t, read_rate(t, p, n));
    }
    free(p);
    return 0;
}
