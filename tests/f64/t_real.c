#include "tests/f64/names.h"
#include "tests/t_real.c"
