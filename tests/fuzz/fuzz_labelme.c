/* Any bytes as LabelMe's JSON for a picture of 9 x 7: every problem is one line, and nothing is read or painted outside. */
#include "tests/fuzz/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_import("labelme", "in", "in/p.json", data, size);
    return 0;
}
