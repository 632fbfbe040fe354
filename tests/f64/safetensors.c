#include "tests/f64/names.h"
#include "nn/safetensors.c"
