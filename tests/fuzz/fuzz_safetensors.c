/* Any bytes as a safetensors file: accepted whole and then bound and hashed, or refused in one line. */
#include <string.h>

#include "nn/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nn_st f;
    nn_err err = { 0 };
    char hex[65];
    static const char *keys[] = { "network", "resolution" };
    const nn_status status = nn_st_parse(&f, data, size, "fuzz", &err);
    fuzz_check(status, &err);
    for (size_t i = 0; i < f.count && i < 16; i++) {
        const nn_st_entry *t = &f.entry[i];
        const real *at = NULL;
        nn_want want = { t->name, t->rank, { 0 }, &at };
        memcpy(want.dim, t->dim, sizeof want.dim);
        nn_err e = { 0 };
        fuzz_check(nn_st_bind(&f, &want, 1, f.count == 1, &e), &e);
        NN_ASSERT(nn_st_find(&f, t->name) == t);
    }
    nn_dim v;
    if (status == NN_OK) {
        NN_ASSERT(nn_st_identity(&f, keys, 2, hex, NULL) == NN_OK && strlen(hex) == 64);
        for (size_t i = 0; i < f.meta_count; i++) nn_st_meta_dim(&f, f.meta[i].key, -100, 100, &v, NULL);
    }
    nn_st_close(&f);
    return 0;
}
