/* Any bytes as a NumPy file: every number that the shape promises is there. */
#include "nn/npy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nn_npy a;
    nn_err err = { 0 };
    const nn_status status = nn_npy_parse(&a, data, size, "fuzz", &err);
    fuzz_check(status, &err);
    if (status == NN_OK) {
        uint64_t count = 1;
        for (int d = 0; d < a.rank; d++) NN_ASSERT(nn_mul_u64(&count, a.dim[d]));
        volatile real sum = 0;
        for (uint64_t i = 0; i < count; i++) sum = sum + a.data[i];
    }
    nn_npy_free(&a);
    return 0;
}
