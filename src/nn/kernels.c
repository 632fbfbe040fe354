/* kernels.c: the table of rows of this architecture and the choice among them. */
#include "nn/kernels.h"

#include <string.h>

/* Slowest first; `auto` takes the last usable one. */
static const nn_kernels *const table[] = {
    &nn_kernels_ref, &nn_kernels_portable,
#if defined(__x86_64__)
    &nn_kernels_avx2, &nn_kernels_avx512, &nn_kernels_amx,
#elif defined(__aarch64__)
    &nn_kernels_neon,
#endif
};

int nn_kernels_count(void) { return (int)(sizeof table / sizeof *table); }

const nn_kernels *nn_kernels_at(int i) { return table[i]; }

const nn_kernels *nn_kernels_pick(const char *name, nn_err *err)
{
    char usable[128] = "auto";
    const nn_kernels *best = NULL;
    for (int i = 0; i < nn_kernels_count(); i++) {
        if (!table[i]->usable()) continue;
        nn_format(usable + strlen(usable), sizeof usable - strlen(usable), ", %s", table[i]->name);
        if (!strcmp(name, "auto") || !strcmp(name, table[i]->name)) best = table[i];
    }
    if (!best) nn_fail(err, NN_EINVAL, "kernels '%s': expected one of %s", name, usable);
    return best;
}
