/* test_parts.c: parts of a label map, and the one in the middle (src/deeplab/parts.c), on maps that can be read. */
#include <string.h>

#include "deeplab/deeplab.h"
#include "tests/t.h"

enum { LONGEST = 64 };
static const bool two_three[NN_VOID + 1] = { [2] = true, [3] = true };

/* rows: digits are classes, 'v' is void; w letters a row. */
static void read_map(uint8_t *label, const char *rows)
{
    for (; *rows; rows++) *label++ = *rows == 'v' ? NN_VOID : (uint8_t)(*rows - '0');
}

static void central(const char *before, const char *after, nn_dim w, const char *what)
{
    uint8_t got[LONGEST], want[LONGEST];
    const nn_dim n = (nn_dim)strlen(before);
    nn_err err = { 0 };
    NN_ASSERT(n <= LONGEST && strlen(after) == strlen(before));
    read_map(got, before);
    read_map(want, after);
    t_status(dl_keep_central(got, n / w, w, two_three, &err), NN_OK, &err, NULL, "%s", what);
    t_same(got, want, (size_t)n, "%s", what);
}

/* Row by row as by filling: maps of few and of many parts. */
static void row_by_row(nn_dim h, nn_dim w, int classes, uint32_t noise, int again)
{
    enum { MOST = 4096 };
    static uint8_t label[MOST], mark[MOST];
    static nn_dim stack[MOST];
    nn_dim count[NN_VOID + 1], largest[NN_VOID + 1], want_count[NN_VOID + 1] = { 0 }, want_largest[NN_VOID + 1] = { 0 };
    nn_err err = { 0 };
    NN_ASSERT(h * w <= MOST);
    for (nn_dim p = 0; p < h * w; p++) {
        noise = noise * 1664525 + 1013904223;
        const bool same = p && (noise >> 28) < (uint32_t)again;                    /* runs */
        const uint32_t drawn = (noise >> 16) % 16 == 0 ? NN_VOID : (noise >> 20) % (uint32_t)classes;
        label[p] = same ? label[p - 1] : (uint8_t)drawn;
    }
    memset(mark, 0, sizeof mark);
    for (nn_dim p = 0; p < h * w; p++) {
        if (mark[p]) continue;
        bool of[NN_VOID + 1] = { false };
        of[label[p]] = true;
        const nn_dim size = dl_part(mark, stack, label, h, w, of, p);
        want_count[label[p]]++;
        if (size > want_largest[label[p]]) want_largest[label[p]] = size;
    }
    dl_parts *parts = dl_parts_open(w, &err);
    for (nn_dim y = 0; parts && y < h; y++) dl_parts_add(parts, label + y * w);
    if (parts) dl_parts_end(parts, count, largest);
    else t_fail("%s", err.msg);
    t_same(count, want_count, sizeof count, "numbers of parts, %td x %td, %d classes", h, w, classes);
    t_same(largest, want_largest, sizeof largest, "largest parts, %td x %td, %d classes", h, w, classes);
    dl_parts_close(parts);
}

int main(void)
{
    central("20000" "00300" "00000" "00022",
            "00000" "00300" "00000" "00000", 5, "the part over the middle stays");
    central("22011" "02311" "00020" "00002",
            "22011" "02311" "00020" "00002", 5, "classes join, and by corners");
    central("20010" "00013" "00113" "10003",
            "00010" "00013" "00113" "10003", 5, "others stay as they are");
    central("20001" "v00v1" "00001" "00000",
            "20001" "v00v1" "00001" "00000", 5, "void is no class, and stays");
    central("2000" "0000" "0000" "0003",
            "2000" "0000" "0000" "0000", 4, "of equals the first row's");
    central("3000" "0020",
            "0000" "0020", 4, "the nearest part, though another comes first");
    central("00" "11", "00" "11", 2, "nothing to keep");
    central("3", "3", 1, "one pixel");

    uint8_t label[12], mark[12] = { 0 };
    nn_dim stack[12];
    read_map(label, "2302" "0200" "2000");
    t_check(dl_part(mark, stack, label, 3, 4, two_three, 0) == 4, "pixels of the first part");
    t_check(mark[1] && mark[5] && mark[8] && !mark[3] && !mark[2], "the first part's pixels are marked");
    t_check(dl_part(mark, stack, label, 3, 4, two_three, 3) == 1 && mark[3], "a part of one pixel");

    for (uint32_t i = 0; i < 40; i++) row_by_row(1 + i * 7 % 64, 1 + i * 11 % 64, 1 + (int)(i % 5), i, (int)(i * 3 % 16));
    return t_done();
}
