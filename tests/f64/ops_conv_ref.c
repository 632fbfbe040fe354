#include "tests/f64/names.h"
#include "nn/ops_conv_ref.c"
