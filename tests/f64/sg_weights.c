#include "tests/f64/names.h"
#include "stylegan/weights.c"
