/* program.h: tests that run the program itself, as a user does. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "tests/t.h"

/* Where the program of this test's build folder is: argv[0]/../../datasetgan. */
void program_find(const char *argv0);
const char *program_path(void);
/* Run it with words separated by blanks, stdout to the file `out`, and require exit status 0.  Peak memory in bytes, as the
 * kernel counted; NaN when it failed. */
double program_run(const char *out, const char *fmt, ...) NN_PRINTF(2, 3);

#endif
