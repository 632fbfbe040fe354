#include "tests/f64/names.h"
#include "datasetgan/net.c"
