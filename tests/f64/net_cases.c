#include "tests/f64/names.h"
#include "tests/net_cases.c"
