#include "tests/f64/names.h"
#include "tests/row_cases.c"
