#include "tests/f64/names.h"
#include "stylegan/synthesis.c"
