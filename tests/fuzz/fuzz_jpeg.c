/* Any bytes as a JPEG: a whole picture, or refused in one line. */
#include "nn/jpeg.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nn_image im;
    nn_err err = { 0 };
    const nn_status status = nn_jpeg_decode(data, size, "fuzz", &im, &err);
    fuzz_check(status, &err);
    NN_ASSERT((status == NN_OK) == (im.pixels != NULL));
    if (status == NN_OK) NN_ASSERT(im.width >= 1 && im.height >= 1 && (im.channels == 1 || im.channels == 3));
    nn_image_free(&im);
    return 0;
}
