#include "tests/f64/names.h"
#include "stylegan/stylegan1.c"
