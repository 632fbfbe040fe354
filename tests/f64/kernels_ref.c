#include "tests/f64/names.h"
#include "nn/kernels_ref.c"
