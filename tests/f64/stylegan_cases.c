#include "tests/f64/names.h"
#include "tests/stylegan_cases.c"
