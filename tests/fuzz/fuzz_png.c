/* Any bytes as a PNG, read as a picture and as labels; what is accepted survives being written and read again. */
#include <string.h>
#include <zlib.h>

#include "nn/lines.h"
#include "tests/fuzz/fuzz.h"

static void again(const nn_image *im)
{
    nn_bytes b;
    nn_image back;
    NN_ASSERT(nn_png_encode(im, NULL, &b, NULL) == NN_OK);
    NN_ASSERT(nn_png_decode(b.data, b.size, false, "again", &back, NULL) == NN_OK);
    NN_ASSERT(back.width == im->width && back.height == im->height && back.channels == im->channels);
    NN_ASSERT(!memcmp(back.pixels, im->pixels, (size_t)(im->width * im->height * im->channels)));
    nn_image_free(&back);
    nn_bytes_free(&b);
}

/* Row by row it is the same picture. */
static void by_rows(const uint8_t *data, size_t size, const nn_image *im)
{
    nn_image found;
    bool streams;
    const nn_feed feed = { .from = data, .end = data + size };
    nn_png_reader *r = nn_png_reader_open(&feed, "fuzz", &found, &streams, NULL);
    const nn_dim bytes = im->width * im->channels;
    NN_ASSERT(r && found.width == im->width && found.height == im->height && found.channels == im->channels);
    uint8_t *row = nn_alloc((size_t)bytes, "row", NULL);
    for (nn_dim y = 0; streams && y < im->height; y++) {
        NN_ASSERT(nn_png_reader_next(r, row, NULL) == NN_OK);
        NN_ASSERT(!memcmp(row, im->pixels + y * bytes, (size_t)bytes));
    }
    nn_free(row);
    nn_png_reader_close(r);
}

/* libFuzzer's mutations, with every chunk's CRC put right again: otherwise nothing behind the first change is ever read. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    (void)seed;
    size = LLVMFuzzerMutate(data, size, max_size);
    for (size_t at = 8; at + 12 <= size;) {
        const size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > size - at - 12) break;
        const uint32_t crc = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
        at += 8 + length;
        for (int i = 0; i < 4; i++) data[at++] = (uint8_t)(crc >> (24 - 8 * i));
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int labels = 0; labels < 2; labels++) {
        nn_image im;
        nn_err err = { 0 };
        const nn_status status = nn_png_decode(data, size, labels, "fuzz", &im, &err);
        fuzz_check(status, &err);
        NN_ASSERT((status == NN_OK) == (im.pixels != NULL));
        if (status == NN_OK && im.width * im.height < 1 << 16) again(&im);
        if (status == NN_OK && !labels) by_rows(data, size, &im);
        nn_image_free(&im);
    }
    return 0;
}
