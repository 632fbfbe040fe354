#include "tests/f64/names.h"
#include "stylegan/work.c"
