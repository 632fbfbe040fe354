#include "tests/f64/names.h"
#include "tests/map_differences.c"
