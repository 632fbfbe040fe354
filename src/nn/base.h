/* base.h: what every file of the project stands on: sizes, the number type, errors, memory.
 *
 * Rules of the whole library: it never prints, exits, or keeps mutable globals.  Bad input, I/O and memory are
 * reported through nn_status and nn_err (last argument); a wrong call by our own code stops at NN_ASSERT. */
#ifndef NN_BASE_H
#define NN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number type.  The program computes in float; the judge (tests/f64) compiles the same reference sources with
 * REAL=double and every public name prefixed by tests/f64/names.h, so that one process holds both. */
#ifndef REAL
#define REAL float
#endif
typedef REAL real;

typedef ptrdiff_t nn_dim;      /* every size and index: products do not overflow int, padding arithmetic may go negative */
static inline nn_dim nn_at_most(nn_dim a, nn_dim b) { return a < b ? a : b; }

typedef enum {
    NN_OK = 0,
    NN_EIO,          /* the system refused: open, read, write, fsync, rename, ...                     */
    NN_EFORMAT,      /* a file is not what it should be                                               */
    NN_ESHAPE,       /* a tensor or picture has another size than expected                            */
    NN_ENOMEM,       /* not enough memory                                                             */
    NN_EINVAL,       /* a caller's choice is out of range                                             */
    NN_EMISMATCH,    /* two things that should agree do not (a picture and its seed, two runs, ...)   */
    NN_EEXISTS,      /* the output exists and replacing it was not asked for                          */
    NN_ECANCEL       /* the caller's callback asked to stop                                           */
} nn_status;

typedef struct { nn_status status; char msg[1024]; } nn_err;

#if defined(__GNUC__)
#define NN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define NN_PRINTF(fmt, args)
#endif

/* Fill err (NULL: nobody listens) with status and one line, "what: expected X, found Y"; returns status.
 * The first failure wins: an err that already holds one is left alone, so a clean-up path cannot hide the cause. */
nn_status nn_fail(nn_err *err, nn_status status, const char *fmt, ...) NN_PRINTF(3, 4);

/* Our own mistakes, never the user's; on in all builds. */
#define NN_ASSERT(cond) ((cond) ? (void)0 : nn_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void nn_assert_failed(const char *cond, const char *file, int line);

/* a *= b; false and untouched on overflow. */
bool nn_mul_u64(uint64_t *a, uint64_t b);

/* 64-byte aligned zeroed memory (bytes 0 gives a valid pointer), or NULL with err naming `what`.  nn_free takes NULL. */
void *nn_alloc(size_t bytes, const char *what, nn_err *err);
void nn_free(void *p);

/* Arena: one block laid out by a function that runs twice.  With base NULL, nn_take only measures and returns NULL;
 * then the caller allocates `used` bytes, resets, and runs the same function again to place.  Every piece is 64-byte
 * aligned. */
typedef struct { char *base; size_t used; } nn_arena;
void *nn_take(nn_arena *a, size_t bytes);
static inline real *nn_take_real(nn_arena *a, nn_dim count) { return (real *)nn_take(a, (size_t)count * sizeof(real)); }

/* Text helpers: bounded, always terminated. */
void nn_format(char *out, size_t size, const char *fmt, ...) NN_PRINTF(3, 4);

/* Below this many numbers an OpenMP region costs more than it saves (measured: about 5 us to start a team). */
enum { NN_PARALLEL_MIN = 16384 };

#endif
