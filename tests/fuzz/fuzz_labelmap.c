/* Any bytes as labelmap.txt: names and colours, or one line why not. */
#include "datasetgan/classes.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dg_class c[NN_VOID];
    bool coloured[NN_VOID];
    size_t count = 0;
    nn_err err = { 0 };
    const nn_status s = dg_labelmap_read((const char *)data, size, "fuzz", c, coloured, NN_VOID, &count, &err);
    fuzz_check(s, &err);
    for (size_t i = 0; s == NN_OK && i < count; i++) NN_ASSERT(c[i].name[0] && strlen(c[i].name) < DG_NAME);
    return 0;
}
