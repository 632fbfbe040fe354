/* simd_avx2.h: vectors of 8 floats (AVX2 + FMA).  See fast_gemm.h for how the fast rows are built. */
#include <immintrin.h>

enum { VW = 8, MR = 6 };            /* 6 x 2 accumulators, 2 vectors of B, 1 broadcast: 15 of 16 registers */
#define TILE_SWITCH_MR TILE_SWITCH_6
typedef __m256 vf;
static inline vf vf_set1(float a) { return _mm256_set1_ps(a); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }      /* a*b + c */
static inline vf vf_fma_read(const float *a, vf b, vf c) { return vf_fma(vf_set1(*a), b, c); }
/* When one is NaN the second operand comes back: keep the number that may be NaN second. */
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_positive(vf a, vf b) { return _mm256_and_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ), b); }     /* a > 0 ? b : 0 */
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale2(vf a, vf n)          /* a * 2^n, n whole, -126 <= n <= 127 */
{
    const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}
static inline float vf_sum(vf a)
{
    const __m128 q = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps(d, d, 1)));
}
static inline void vf_sum4(float to[4], vf a, vf b, vf c, vf d)
{
    const __m256 q = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(q), _mm256_extractf128_ps(q, 1)));
}
/* to = a[0], b[0], a[1], b[1], ...: 2 VW numbers. */
static inline void vf_store_zip(float *to, vf a, vf b)
{
    const __m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b);
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(to + VW, _mm256_permute2f128_ps(low, high, 0x31));
}
static inline float sf_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
