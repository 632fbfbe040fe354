/* golden.c: goldens of golden.h.  tests/f64 compiles it once more, in double. */
#include "tests/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/safetensors.h"

static nn_st file;

void golden_open(const char *path)
{
    nn_err err = { 0 };
    if (nn_st_open(&file, path, &err) == NN_OK) return;
    t_fail("goldens: %s", err.msg);
    exit(t_done());
}

void golden_close(void) { nn_st_close(&file); }

const real *golden(nn_dim count, const char *fmt, ...)
{
    char name[64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    const real *numbers = NULL;
    nn_err err = { 0 };
    const nn_st_entry *e = nn_st_find(&file, name);
    nn_dim found = 1;
    if (e) {
        nn_want want = { name, e->rank, { 0 }, &numbers };
        for (int d = 0; d < e->rank; d++) found *= (nn_dim)(want.dim[d] = e->dim[d]);
        nn_st_bind(&file, &want, 1, false, &err);
    }
    if (numbers && found == count) return numbers;
    t_fail("golden %s: expected %td numbers, found %td %s", name, count, e ? found : 0, err.msg);
    exit(t_done());
}

real *golden_room(nn_dim n, const real *from)
{
    real *p = t_guarded(n, true);
    if (from) memcpy(p, from, (size_t)n * sizeof *p);
    return p;
}
