#include "tests/f64/names.h"
#include "deeplab/nets.c"
