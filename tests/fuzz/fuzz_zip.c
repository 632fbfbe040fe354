/* Any bytes as a zip archive: every record that it lists can be read, or is refused. */
#include "nn/zip.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nn_zip z;
    nn_err err = { 0 };
    const nn_status status = nn_zip_parse(&z, data, size, "fuzz", &err);
    fuzz_check(status, &err);
    for (size_t i = 0; status == NN_OK && i < z.count; i++) {
        nn_bytes b;
        nn_err e = { 0 };
        fuzz_check(nn_zip_get(&z, &z.entry[i], &b, &e), &e);
        nn_bytes_free(&b);
    }
    nn_zip_close(&z);
    return 0;
}
