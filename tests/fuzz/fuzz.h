/* fuzz.h: what every fuzz target asks of a reader (libFuzzer, make fuzz). */
#ifndef FUZZ_H
#define FUZZ_H

#include <string.h>

#include "nn/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Accepted without a message, or refused with one that is one line and has the same status. */
static inline void fuzz_check(nn_status status, const nn_err *err)
{
    NN_ASSERT(status == err->status);
    NN_ASSERT((status == NN_OK) == !*err->msg && !strchr(err->msg, '\n'));
}

#endif
