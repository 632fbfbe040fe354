/* Any bytes as a JPEG: a whole picture, or refused in one line. */
#include <string.h>

#include "nn/jpeg.h"
#include "nn/lines.h"
#include "tests/fuzz/fuzz.h"

/* Row by row it is the same picture; in several scans, or turned, it has no rows. */
static void by_rows(const uint8_t *data, size_t size, const nn_image *im)
{
    nn_image found;
    bool streams;
    const nn_feed feed = { .from = data, .end = data + size };
    nn_jpeg_reader *r = nn_jpeg_reader_open(&feed, "fuzz", &found, &streams, NULL);
    const nn_dim bytes = im->width * im->channels;
    NN_ASSERT(r && (!streams || (found.width == im->width && found.height == im->height && found.channels == im->channels)));
    uint8_t *row = nn_alloc((size_t)bytes, "row", NULL);
    for (nn_dim y = 0; streams && y < im->height; y++) {
        NN_ASSERT(nn_jpeg_reader_next(r, row, NULL) == NN_OK);
        NN_ASSERT(!memcmp(row, im->pixels + y * bytes, (size_t)bytes));
    }
    nn_free(row);
    nn_jpeg_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nn_image im;
    nn_err err = { 0 };
    const nn_status status = nn_jpeg_decode(data, size, "fuzz", &im, &err);
    fuzz_check(status, &err);
    NN_ASSERT((status == NN_OK) == (im.pixels != NULL));
    if (status == NN_OK) {
        NN_ASSERT(im.width >= 1 && im.height >= 1 && (im.channels == 1 || im.channels == 3));
        by_rows(data, size, &im);
    }
    nn_image_free(&im);
    return 0;
}
