/* dgan/nn.h: what all parts of the library share: versions, errors, progress.  For C and C++ programs outside this tree.
 *
 * Rules of the whole library
 *   - It never prints or exits, and changes neither locale, signal handlers nor OpenMP's settings.  One exception: a broken
 *     invariant inside, which is a bug of ours, aborts with a line on stderr, as assert() does.
 *   - Handles are independent; there are no mutable globals.  Generators and interpreters are read-only once open and may be used
 *     by any number of threads at once; every other handle belongs to one thread at a time.
 *   - Threads are OpenMP's: a handle uses as many as omp_get_max_threads() says where it is opened.  Their number changes no byte
 *     of a result.
 *   - A thread that calls needs 512 KB of stack.
 *   - After a fork() only the parent goes on with its handles: in the child they are refused.  A child of a process that has drawn or
 *     trained must not use the library at all (OpenMP's threads do not survive a fork); start workers by exec or spawn.
 *   - Wrong arguments (NULL, indexes, sizes that the handle knows) end in DGAN_EINVAL.  A NULL handle out of a failed call may be
 *     passed on: the first failure stays in the dgan_error, and closing NULL does nothing.
 *   - Structures that may grow start with their size, which their initialiser fills in; a new library takes the old size. */
#ifndef DGAN_NN_H
#define DGAN_NN_H

#include <stddef.h>
#include <stdint.h>

#define DGAN_VERSION "0.1.0"
/* The number in the shared library's soname.  It grows when a program built against an older header would no longer work. */
#define DGAN_ABI 0

#if defined(__GNUC__)
#define DGAN_API __attribute__((visibility("default")))
#else
#define DGAN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DGAN_OK = 0,
    DGAN_EIO,          /* the system refused: open, read, write, ...                      */
    DGAN_EFORMAT,      /* a file is not what it should be                                 */
    DGAN_ESHAPE,       /* a tensor or picture has another size than expected              */
    DGAN_ENOMEM,       /* not enough memory                                               */
    DGAN_EINVAL,       /* an argument is out of range                                     */
    DGAN_EMISMATCH,    /* two things that should agree do not                             */
    DGAN_EEXISTS,      /* the output exists and replacing it was not asked for            */
    DGAN_ECANCEL,      /* the progress callback asked to stop                             */
    DGAN_END           /* a stream has no more samples; no failure, nothing in the error  */
};

/* Start with { 0 }.  The first failure is kept; later calls leave it alone until you clear it.  message: one line.  Every function
 * takes NULL for it. */
typedef struct { int status; char message[1024]; } dgan_error;

/* Progress of a long call.  value: what `what` is about: a loss, an uncertainty.  Return 0 to go on; anything else stops the call with
 * DGAN_ECANCEL after it saved what resumes it.  Called by one thread at a time, not always the caller's; it must not throw. */
typedef int (*dgan_progress)(void *user, const char *what, double done, double total, double value);

/* The version and ABI number of the library that is running; the macros are those that the program was compiled with. */
DGAN_API const char *dgan_version(void);
DGAN_API int dgan_abi(void);

/* Names of the kernel rows that run on this processor, slowest first; NULL from the end on.  "auto" means the last. */
DGAN_API const char *dgan_kernels(int i);

#ifdef __cplusplus
}
#endif
#endif
