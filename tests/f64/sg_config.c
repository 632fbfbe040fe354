#include "tests/f64/names.h"
#include "stylegan/config.c"
