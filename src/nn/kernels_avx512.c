/* kernels_avx512.c: the row `avx512`: blocked maps, AVX-512 as of Skylake (F, VL, BW, DQ); and the row `amx`: the same but for products, which run
 * on AMX's tiles.  Chosen at run time, so only this file is compiled for them. */
#include "nn/cpu.h"
#include "nn/half.h"
#include "nn/kernels.h"
#include "nn/metrics.h"

#if defined(__x86_64__)

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq")
#endif

#include "nn/simd_avx512.h"
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
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,amx-tile,amx-bf16")
#endif

#include "nn/fast_amx.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq");
}

static bool usable_amx(void) { return usable() && nn_cpu_has_tiles(); }

#include "nn/fast_row.h"
const nn_kernels nn_kernels_avx512 = FAST_ROW("avx512", usable, gemm, FAST_PRODUCTS);
const nn_kernels nn_kernels_amx = FAST_ROW("amx", usable_amx, gemm_amx, AMX_PRODUCTS);

#endif
