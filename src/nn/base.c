/* base.c: errors, memory, bounded text. */
#include "nn/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/sys.h"

nn_status nn_fail(nn_err *err, nn_status status, const char *fmt, ...)
{
    if (!err || err->status != NN_OK) return status;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    /* One line, printable: names from hostile files may hold anything. */
    for (unsigned char *p = (unsigned char *)err->msg; *p; p++) if (*p < 0x20 || *p == 0x7f) *p = '?';
    err->status = status;
    return status;
}

void nn_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: internal error: %s does not hold; please report this\n", file, line, cond);
    abort();
}

bool nn_mul_u64(uint64_t *a, uint64_t b)
{
    if (b && *a > UINT64_MAX / b) return false;
    *a *= b;
    return true;
}

void *nn_alloc(size_t bytes, const char *what, nn_err *err)
{
    const size_t size = bytes < 64 ? 64 : (bytes + 63) / 64 * 64;
    void *p = size < bytes ? NULL : nn_sys_alloc(64, size);
    if (!p) {
        nn_fail(err, NN_ENOMEM, "%s: not enough memory for %.1f MB", what, (double)bytes / 1e6);
        return NULL;
    }
    memset(p, 0, size);
    return p;
}

void nn_free(void *p) { nn_sys_free(p); }

void *nn_take(nn_arena *a, size_t bytes)
{
    void *p = a->base ? a->base + a->used : NULL;
    a->used += (bytes + 63) / 64 * 64;
    return p;
}

void nn_format(char *out, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(out, size, fmt, args);
    va_end(args);
}
