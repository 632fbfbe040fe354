/* kernels_avx2.c: the row `avx2`: blocked maps, AVX2 and FMA.  Chosen at run time, so only this file is compiled for it. */
#include "nn/half.h"
#include "nn/kernels.h"
#include "nn/metrics.h"

#if defined(__x86_64__)

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#include "nn/simd_avx2.h"
#include "nn/fast_gemm.h"
#include "nn/fast_products.h"
#include "nn/fast_conv.h"
#include "nn/fast_winograd.h"
#include "nn/fast_winograd_up.h"
#include "nn/fast_conv_pick.h"
#include "nn/fast_maps.h"
#include "nn/fast_style.h"
#include "nn/fast_train.h"
#include "nn/fast_norm.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool usable(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

#include "nn/fast_row.h"
const nn_kernels nn_kernels_avx2 = FAST_ROW("avx2", usable, gemm, FAST_PRODUCTS);

#endif
