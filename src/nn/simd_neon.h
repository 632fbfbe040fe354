/* simd_neon.h: vectors of 4 floats (NEON as of AArch64: with fused multiply-add).  See fast_gemm.h for how the fast rows are built. */
#include <arm_neon.h>

enum { VW = 4, MR = 8 };            /* 8 x 2 accumulators, 2 vectors of B, 8 numbers of A: 26 of 32 registers (12 x 2: gcc spills) */
#define TILE_SWITCH_MR TILE_SWITCH_8
typedef float32x4_t vf;
static inline vf vf_set1(float a) { return vdupq_n_f32(a); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }             /* a*b + c */
static inline vf vf_fma_read(const float *a, vf b, vf c) { return vf_fma(vf_set1(*a), b, c); }
/* When one is NaN the second operand comes back, which FMAX and FMAXNM do not promise: keep the number that may be NaN second. */
static inline vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vf vf_positive(vf a, vf b) { return vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(a), vreinterpretq_u32_f32(b))); }     /* a > 0 ? b : 0 */
static inline vf vf_round(vf a) { return vrndnq_f32(a); }
static inline vf vf_scale2(vf a, vf n)          /* a * 2^n, n whole, -126 <= n <= 127 */
{
    const int32x4_t e = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(e, 23)));
}
static inline float vf_sum(vf a) { return vaddvq_f32(a); }
static inline void vf_sum4(float to[4], vf a, vf b, vf c, vf d) { vst1q_f32(to, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))); }
/* to = a[0], b[0], a[1], b[1], ...: 2 VW numbers. */
static inline void vf_store_zip(float *to, vf a, vf b) { vst2q_f32(to, (float32x4x2_t){ { a, b } }); }
static inline float sf_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
