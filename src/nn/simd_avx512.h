/* simd_avx512.h: vectors of 16 floats (AVX-512F).  See fast_gemm.h for how the fast rows are built. */
#include <immintrin.h>

enum { VW = 16, MR = 14 };          /* 14 x 2 accumulators, 2 vectors of B: 30 of 32 registers */
#define TILE_SWITCH_MR TILE_SWITCH_14
typedef __m512 vf;
static inline vf vf_set1(float a) { return _mm512_set1_ps(a); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }      /* a*b + c */
/* *a * b + c, *a read by the instruction itself.  Not an intrinsic: of two that read the same number compilers make one reading and two that use it. */
static inline vf vf_fma_read(const float *a, vf b, vf c)
{
    __asm__("vfmadd231ps %1%{1to16%}, %2, %0" : "+v"(c) : "m"(*a), "v"(b));
    return c;
}
/* When one is NaN the second operand comes back: keep the number that may be NaN second. */
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_positive(vf a, vf b) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ), b); }  /* a > 0 ? b : 0 */
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }           /* a * 2^n, n whole */
static inline float vf_sum(vf a) { return _mm512_reduce_add_ps(a); }
static inline __m256 vf_halves(vf a) { return _mm256_add_ps(_mm512_castps512_ps256(a), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1))); }
static inline void vf_sum4(float to[4], vf a, vf b, vf c, vf d)
{
    const __m256 q = _mm256_hadd_ps(_mm256_hadd_ps(vf_halves(a), vf_halves(b)), _mm256_hadd_ps(vf_halves(c), vf_halves(d)));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(q), _mm256_extractf128_ps(q, 1)));
}
/* to = a[0], b[0], a[1], b[1], ...: 2 VW numbers. */
static inline void vf_store_zip(float *to, vf a, vf b)
{
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    _mm512_storeu_ps(to, _mm512_permutex2var_ps(a, first, b));
    _mm512_storeu_ps(to + VW, _mm512_permutex2var_ps(a, _mm512_add_epi32(first, _mm512_set1_epi32(8)), b));
}
static inline float sf_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
