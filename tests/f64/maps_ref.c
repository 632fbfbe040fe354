#include "tests/f64/names.h"
#include "nn/maps_ref.c"
