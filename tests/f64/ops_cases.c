#include "tests/f64/names.h"
#include "tests/ops_cases.c"
