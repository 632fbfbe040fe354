#include "tests/f64/names.h"
#include "tests/golden.c"
