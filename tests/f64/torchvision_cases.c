#include "tests/f64/names.h"
#include "tests/torchvision_cases.c"
