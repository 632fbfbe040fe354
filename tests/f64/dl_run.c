#include "tests/f64/names.h"
#include "deeplab/run.c"
