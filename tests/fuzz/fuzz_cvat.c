/* Any bytes as the zip that CVAT exports, read by colours and by numbers. */
#include "tests/fuzz/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_import("cvat", "in.zip", "in.zip", data, size);
    fuzz_import("voc", "in.zip", "in.zip", data, size);
    return 0;
}
