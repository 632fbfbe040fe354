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
    return t_done();
}
