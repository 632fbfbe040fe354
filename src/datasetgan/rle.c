/* rle.c: run lengths of a mask as COCO writes them. */
#include "datasetgan/rle.h"

#include <string.h>

/* Of one run: the difference of two numbers below 2^28 (NN_IMAGE pixels) has 29 bits with its sign: six characters. */
enum { TEXT_PER_RUN = 6, PIXELS_MAX = 1 << 28 };

nn_status dg_rle_make(dg_rle *r, nn_dim width, nn_dim height, nn_err *err)
{
    *r = (dg_rle){ .width = width, .height = height };
    NN_ASSERT(width > 0 && height > 0 && width <= PIXELS_MAX / height);
    const size_t runs = (size_t)(width * height) + 1;
    r->run = nn_alloc(runs * sizeof *r->run, "run lengths", err);
    r->text = r->run ? nn_alloc(runs * TEXT_PER_RUN + 1, "run lengths", err) : NULL;
    if (r->text) return NN_OK;
    dg_rle_free(r);
    return NN_ENOMEM;
}

void dg_rle_free(dg_rle *r)
{
    nn_free(r->run);
    nn_free(r->text);
    r->run = NULL;
    r->text = NULL;
}

void dg_rle_of_label(dg_rle *r, const uint8_t *label, uint8_t id)
{
    uint32_t length = 0;
    bool inside = false;
    r->count = 0;
    for (nn_dim x = 0; x < r->width; x++)
        for (nn_dim y = 0; y < r->height; y++) {
            if ((label[y * r->width + x] == id) != inside) {
                r->run[r->count++] = length;
                length = 0;
                inside = !inside;
            }
            length++;
        }
    r->run[r->count++] = length;
}

void dg_rle_paint(const dg_rle *r, uint8_t *label, uint8_t id)
{
    nn_dim at = 0;
    for (size_t i = 0; i < r->count; i++)
        for (nn_dim end = at + r->run[i]; at < end; at++)
            if (i % 2) label[at % r->height * r->width + at / r->height] = id;
}

void dg_rle_measure(const dg_rle *r, nn_dim box[4], uint64_t *area)
{
    nn_dim x0 = r->width, x1 = -1, y0 = r->height, y1 = -1, at = 0;
    *area = 0;
    for (size_t i = 0; i < r->count; i++) {
        const nn_dim first = at, last = at + r->run[i] - 1;
        at += r->run[i];
        if (i % 2 == 0 || r->run[i] == 0) continue;
        const nn_dim from = first / r->height, to = last / r->height;
        const nn_dim top = from == to ? first % r->height : 0, bottom = from == to ? last % r->height : r->height - 1;
        *area += r->run[i];
        if (from < x0) x0 = from;
        if (to > x1) x1 = to;
        if (top < y0) y0 = top;              /* a run over a column's end touches both edges */
        if (bottom > y1) y1 = bottom;
    }
    box[0] = *area ? x0 : 0;
    box[1] = *area ? y0 : 0;
    box[2] = *area ? x1 - x0 + 1 : 0;
    box[3] = *area ? y1 - y0 + 1 : 0;
}

/* Each run as its difference to the one two before (from the fourth on: the third is the first that has one of its kind),
 * five bits a character from the lowest, 0x20: more follow, the last one's 0x10 is the sign. */
void dg_rle_write(dg_rle *r)
{
    char *to = r->text;
    for (size_t i = 0; i < r->count; i++) {
        int64_t v = (int64_t)r->run[i] - (i > 2 ? r->run[i - 2] : 0);
        bool more = true;
        while (more) {
            const int bits = (int)(v & 31);
            v = (v - bits) / 32;
            more = bits & 16 ? v != -1 : v != 0;
            *to++ = (char)(48 + bits + (more ? 32 : 0));
        }
    }
    *to = 0;
}

static nn_status cover(const char *where, nn_err *err)
{
    return nn_fail(err, NN_EFORMAT, "%s: the runs do not cover the picture exactly", where);
}

nn_status dg_rle_read(dg_rle *r, const char *text, const char *where, nn_err *err)
{
    const size_t room = (size_t)(r->width * r->height) + 1;
    const int64_t pixels = r->width * r->height;
    r->count = 0;
    while (*text) {
        int64_t v = 0, unit = 1;
        int bits;
        do {
            bits = (unsigned char)*text++ - 48;
            if (bits < 0 || bits > 63) return nn_fail(err, NN_EFORMAT, "%s: expected run lengths as COCO compresses them", where);
            if (unit > (int64_t)1 << 35) return cover(where, err);
            v += unit * (bits & 31);
            unit *= 32;
        } while (bits & 32);
        if (bits & 16) v -= unit;
        if (r->count > 2) v += r->run[r->count - 2];
        if (v < 0 || v > pixels || r->count == room) return cover(where, err);
        r->run[r->count++] = (uint32_t)v;
    }
    return dg_rle_check(r, where, err);
}

nn_status dg_rle_check(const dg_rle *r, const char *where, nn_err *err)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->count; i++) sum += r->run[i];
    return sum == (uint64_t)(r->width * r->height) ? NN_OK : cover(where, err);
}
