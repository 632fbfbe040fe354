#include "tests/f64/names.h"
#include "nn/maps_norm.c"
