/* simd_portable.h: vectors of 4 floats in the compiler's own vector types: SSE2, NEON, or plain numbers, as the target has. */
#include <math.h>
#include <string.h>

enum { VW = 4, MR = 4 };            /* 4 x 2 accumulators: fits 16 registers */
#define TILE_SWITCH_MR TILE_SWITCH_4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
static inline vf vf_set1(float a) { return (vf){ a, a, a, a }; }
static inline vf vf_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
static inline void vf_store(float *p, vf a) { memcpy(p, &a, sizeof a); }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_sqrt(vf a) { return (vf){ sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3]) }; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }                      /* two roundings: -ffp-contract=off */
static inline vf vf_fma_read(const float *a, vf b, vf c) { return vf_fma(vf_set1(*a), b, c); }
static inline vf vf_pick(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
/* When one is NaN the second operand comes back: keep the number that may be NaN second. */
static inline vf vf_max(vf a, vf b) { return vf_pick((vi)(a > b), a, b); }
static inline vf vf_min(vf a, vf b) { return vf_pick((vi)(a < b), a, b); }
static inline vf vf_positive(vf a, vf b) { return (vf)((vi)(a > (vf){ 0 }) & (vi)b); }     /* a > 0 ? b : 0 */
static inline vf vf_round(vf a)                 /* to nearest even, |a| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction */
{
    const vf big = vf_set1(12582912.0f);
    return (a + big) - big;
}
static inline vf vf_scale2(vf a, vf n)          /* a * 2^n, n whole, -126 <= n <= 127; NaN must not be converted to a whole number */
{
    const vu bits = (vu)(n + vf_set1(12582912.0f)) - 0x4b400000u;      /* the last bits of 1.5 * 2^23 + n are n */
    /* analyze: each lane has 32 bits; gcc takes 23 for a shift of something smaller */
    return a * (vf)((bits + 127u) << 23);
}
static inline float vf_sum(vf a) { return (a[0] + a[1]) + (a[2] + a[3]); }
static inline void vf_sum4(float to[4], vf a, vf b, vf c, vf d)
{
    to[0] = vf_sum(a);
    to[1] = vf_sum(b);
    to[2] = vf_sum(c);
    to[3] = vf_sum(d);
}
/* to = a[0], b[0], a[1], b[1], ...: 2 VW numbers. */
static inline void vf_store_zip(float *to, vf a, vf b)
{
    for (int i = 0; i < VW; i++) { to[2 * i] = a[i]; to[2 * i + 1] = b[i]; }
}
static inline float sf_fma(float a, float b, float c) { return a * b + c; }
