/* test_rle.c: COCO run lengths against pycocotools' own (tests/golden/make_rle.py), and round trips of random masks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/rle.h"
#include "tests/t.h"

#define GOLDEN "tests/golden/rle.txt"

static void test_golden(void)
{
    static char bits[100000], text[100000];
    uint8_t *label = malloc(sizeof bits), *back = malloc(sizeof bits);
    FILE *f = fopen(GOLDEN, "r");
    int lines = 0;
    ptrdiff_t w, h, want[4];
    uint64_t want_area;
    if (!f) { t_fail(GOLDEN ": missing"); return; }
    while (fscanf(f, "%td %td %99999s %99999s %td %td %td %td %ju", &w, &h, bits, text, &want[0], &want[1], &want[2], &want[3], &want_area) == 9) {
        dg_rle r, q;
        nn_err err = { 0 };
        nn_dim box[4];
        uint64_t area;
        lines++;
        NN_ASSERT(dg_rle_make(&r, w, h, &err) == NN_OK && dg_rle_make(&q, w, h, &err) == NN_OK);
        for (nn_dim i = 0; i < w * h; i++) label[i] = (uint8_t)(bits[i] == '1' ? 7 : i % 5);
        dg_rle_of_label(&r, label, 7);
        dg_rle_write(&r);
        t_check(!strcmp(r.text, text), "mask %d: expected %.60s, found %.60s", lines, text, r.text);
        dg_rle_measure(&r, box, &area);
        t_check(!memcmp(box, want, sizeof box) && area == want_area, "mask %d: box %td %td %td %td, area %ju", lines, box[0], box[1], box[2],
                box[3], (uintmax_t)area);
        t_status(dg_rle_read(&q, text, "golden", &err), NN_OK, NULL, NULL, "mask %d: read", lines);
        memset(back, 3, (size_t)(w * h));
        dg_rle_paint(&q, back, 7);
        bool right = true;
        for (nn_dim i = 0; i < w * h; i++) right = right && back[i] == (bits[i] == '1' ? 7 : 3);
        t_check(right, "mask %d: painted", lines);
        dg_rle_free(&r);
        dg_rle_free(&q);
    }
    fclose(f);
    t_check(lines == 27, "27 masks, found %d", lines);
    free(label);
    free(back);
}

/* Random masks of many densities and sizes: writing and reading gives them back. */
static void test_round_trip(void)
{
    uint32_t state = 1;
    for (int trial = 0; trial < 300; trial++) {
        const nn_dim w = 1 + trial % 19, h = 1 + trial % 23;
        uint8_t label[19 * 23], back[19 * 23] = { 0 };
        dg_rle r;
        nn_err err = { 0 };
        nn_dim box[4], inside = 0;
        uint64_t area, count = 0;
        NN_ASSERT(dg_rle_make(&r, w, h, &err) == NN_OK);
        for (nn_dim i = 0; i < w * h; i++) {
            state = state * 1664525u + 1013904223u;
            label[i] = (state >> 24) % 16 < (uint32_t)(trial % 17);
            count += label[i];
        }
        dg_rle_of_label(&r, label, 1);
        dg_rle_write(&r);
        dg_rle_measure(&r, box, &area);
        r.count = 0;
        t_status(dg_rle_read(&r, r.text, "trip", &err), NN_OK, NULL, NULL, "trip %d", trial);
        dg_rle_paint(&r, back, 1);
        t_same(back, label, (size_t)(w * h), "trip %d: %td x %td", trial, w, h);
        for (nn_dim i = 0; i < w * h; i++)
            inside += label[i] && i % w >= box[0] && i % w < box[0] + box[2] && i / w >= box[1] && i / w < box[1] + box[3];
        t_check(area == count && inside == (nn_dim)count, "trip %d: area and box", trial);
        dg_rle_free(&r);
    }
}

static void test_refused(void)
{
    static const struct { const char *text, *part; } bad[] = {
        { "", "cover" }, { "11", "cover" }, { "S1S1", "cover" }, { "/", "compresses" }, { "0 ", "compresses" }, { "S", "compresses" },
        { "~", "compresses" }, { "oooooooooooooooo0", "cover" }, { "O", "cover" }, { "0S10O", "cover" }, { "oooo7", "cover" }, { "p", "compresses" },
    };
    dg_rle r;
    NN_ASSERT(dg_rle_make(&r, 7, 5, NULL) == NN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err err = { 0 };
        t_status(dg_rle_read(&r, bad[i].text, "f: segmentation", &err), NN_EFORMAT, &err, bad[i].part, "text \"%s\"", bad[i].text);
    }
    char many[200];
    nn_err err = { 0 };
    memset(many, '0', sizeof many);                          /* more runs than pixels */
    many[199] = 0;
    t_status(dg_rle_read(&r, many, "f", &err), NN_EFORMAT, &err, "cover", "too many runs");
    dg_rle_free(&r);
}

int main(void)
{
    test_golden();
    test_round_trip();
    test_refused();
    return t_done();
}
