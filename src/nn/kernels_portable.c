/* kernels_portable.c: the row `portable`: the fast algorithms on any processor. */
#include "nn/half.h"
#include "nn/kernels.h"
#include "nn/metrics.h"

#include <math.h>
#include <string.h>

#include "nn/simd_portable.h"
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
const nn_kernels nn_kernels_portable = FAST_ROW("portable", usable, gemm, FAST_PRODUCTS);
