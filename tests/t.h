/* t.h: the test harness.  A test program calls its tests from main and ends with `return t_done();`.
 *
 * Every check prints one line only when it fails, except numeric ones, which always print worst/limit so that drift shows
 * before it fails.  The last line is "N passed, N failed, N skipped"; exit status 1 when one failed. */
#ifndef T_H
#define T_H

#include <stdarg.h>

#include "nn/base.h"

/* Passes when cond holds; the text says what was expected. */
void t_check(bool cond, const char *fmt, ...) NN_PRINTF(2, 3);
/* |got - want| <= units * eps(real) * max(|want|, rms(want)) for all n numbers; NaN and infinity fail.  Prints worst/limit. */
bool t_close(const real *got, const real *want, nn_dim n, double units, const char *fmt, ...) NN_PRINTF(5, 6);
/* The largest |got - want| / (eps(real) * max(|want|, rms(want))), and where; infinite when any number is not finite. */
double t_units(const real *got, const real *want, nn_dim n, nn_dim *at);
/* A figure against a limit, printed: passes when !(value > limit) and value is a number. */
bool t_limit(double value, double limit, const char *fmt, ...) NN_PRINTF(3, 4);
/* The same bytes. */
bool t_same(const void *got, const void *want, size_t bytes, const char *fmt, ...) NN_PRINTF(4, 5);
/* Status equals `want` and err's text holds `part` (NULL: any) and is one line. */
bool t_status(nn_status got, nn_status want, const nn_err *err, const char *part, const char *fmt, ...) NN_PRINTF(5, 6);
void t_skip(const char *fmt, ...) NN_PRINTF(1, 2);        /* expected skip: counted, green */
/* EMULATED, set by tools/arm64.sh and tools/analyze.sh: the processor is a program, 20 times as slow (qemu, valgrind).  left_to_native counts an expected skip then. */
bool t_emulated(void);
bool t_left_to_native(const char *what);
void t_fail(const char *fmt, ...) NN_PRINTF(1, 2);
int  t_done(void);
/* Count a result; print it when it failed or `print` asks for it.  The checks above end here, those in double too. */
bool t_report(bool ok, bool print, const char *detail, const char *fmt, va_list args);

/* Buffers whose n numbers are followed and preceded by an inaccessible page, so that a write or read past either end
 * (at_end: the end is exact; otherwise the start is) crashes.  Filled with NaN. */
real *t_guarded(nn_dim n, bool at_end);
void t_guarded_free(real *p);
bool t_all_nan(const real *p, nn_dim n);
/* Deterministic standard normal test numbers (at most 64 guarded buffers are open at once). */
void t_randn(real *p, nn_dim n, uint64_t seed);
/* A fresh empty folder below build/tmp (the run script clears it). */
const char *t_folder(const char *name);

#endif
