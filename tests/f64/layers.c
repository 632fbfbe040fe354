#include "tests/f64/names.h"
#include "nn/layers.c"
