#include "tests/f64/names.h"
#include "tests/segnet_cases.c"
