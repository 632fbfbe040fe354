/* t.c: the test harness of t.h. */
#include "tests/t.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int passed, failed, skipped;

bool t_report(bool ok, bool print, const char *detail, const char *fmt, va_list args)
{
    ok ? passed++ : failed++;
    if (!ok || print) {
        printf("%s ", ok ? "  ok  " : "FAILED");
        vprintf(fmt, args);
        printf("%s%s\n", *detail ? ": " : "", detail);
        fflush(stdout);
    }
    return ok;
}

#define RESULT(ok, print, detail) \
    do { va_list args; va_start(args, fmt); t_report(ok, print, detail, fmt, args); va_end(args); } while (0)

void t_check(bool cond, const char *fmt, ...) { RESULT(cond, false, ""); }
void t_fail(const char *fmt, ...) { RESULT(false, true, ""); }

bool t_emulated(void) { return getenv("EMULATED") != NULL; }

bool t_left_to_native(const char *what)
{
    if (t_emulated()) t_skip("%s: left to native runs", what);
    return t_emulated();
}

void t_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    skipped++;
    printf(" skip  ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

bool t_limit(double value, double limit, const char *fmt, ...)
{
    char detail[80];
    const bool ok = value <= limit;
    nn_format(detail, sizeof detail, "%.6g / %g", value, limit);
    RESULT(ok, true, detail);
    return ok;
}

bool t_same(const void *got, const void *want, size_t bytes, const char *fmt, ...)
{
    const unsigned char *a = got, *b = want;
    size_t at = 0;
    while (at < bytes && a[at] == b[at]) at++;
    char detail[80] = "";
    if (at < bytes) nn_format(detail, sizeof detail, "first difference at byte %zu of %zu: got %02x, want %02x", at, bytes, a[at], b[at]);
    RESULT(at == bytes, false, detail);
    return at == bytes;
}

bool t_status(nn_status got, nn_status want, const nn_err *err, const char *part, const char *fmt, ...)
{
    const char *msg = err ? err->msg : "";
    bool ok = got == want;
    if (ok && want != NN_OK && err) ok = *msg && !strchr(msg, '\n') && (!part || strstr(msg, part)) && err->status == want;
    char detail[1400];
    nn_format(detail, sizeof detail, "status %d, expected %d with \"%s\"; message: %s", got, want, part ? part : "", msg);
    RESULT(ok, false, detail);
    return ok;
}

int t_done(void)
{
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed || passed + skipped == 0;
}

const char *t_folder(const char *name)
{
    static char path[256];
    char command[600];
    nn_format(path, sizeof path, "build/tmp/%s-%ld", name, (long)getpid());
    nn_format(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", path, path);
    NN_ASSERT(system(command) == 0);
    return path;
}
