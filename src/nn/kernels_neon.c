/* kernels_neon.c: the row `neon`: blocked maps, NEON, which every AArch64 processor has. */
#include "nn/half.h"
#include "nn/kernels.h"
#include "nn/metrics.h"

#if defined(__aarch64__)

#include <math.h>
#include <string.h>

#include "nn/simd_neon.h"
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

static bool usable(void) { return true; }

#include "nn/fast_row.h"
const nn_kernels nn_kernels_neon = FAST_ROW("neon", usable, gemm, FAST_PRODUCTS);

#endif
