/* cli.h: the command line: strict options, progress, exit codes.  Only this folder prints. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "nn/base.h"

enum { CLI_EXIT_OK = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2, CLI_EXIT_MISMATCH = 3, CLI_EXIT_INTERRUPTED = 130 };
enum { CLI_RUN = -1 };                       /* cli_parse: go on */
#define CLI_VERSION "0.1.0"

typedef enum { CLI_STR, CLI_INT, CLI_REAL, CLI_FLAG, CLI_SEEDS, CLI_CHOICE } cli_type;
/* Seeds in the order given, ranges expanded: "3,7,10-20".  At most 2^24 of them, each 0 .. 2^32-1. */
typedef struct { uint32_t *at; size_t count; } cli_seeds;

/* One row per option.  place: const char ** (STR, CHOICE), int64_t * (INT), double * (REAL, finite only), bool * (FLAG),
 * cli_seeds * (SEEDS).  lo, hi: inclusive range of INT and REAL.  choices: "const|none|random" for CHOICE.
 * given (may be NULL) is set when the option was on the command line. */
typedef struct {
    const char *name;
    cli_type type;
    void *place;
    double lo, hi;
    const char *choices;
    bool required;
    const char *help;                        /* "what it is (default: ...)"; the range is added by --help itself */
    bool *given;
} cli_opt;

/* Parse argv[1..].  Unknown option: one line with the nearest name, returns 2.  --help prints to stdout, returns 0.
 * Numbers are read the same in any locale, must be whole and finite, and out of range is an error that names the range.
 * rest (may be NULL): receives the arguments that are no options (at most max_rest); NULL: any is an error. */
int cli_parse(const char *command, const char *about, const cli_opt *opt, size_t count, int argc, char **argv,
              const char **rest, size_t max_rest, size_t *rest_count);
void cli_seeds_free(cli_seeds *s);

/* Errors: "datasetgan COMMAND: MESSAGE" on stderr; the exit code of a status (MISMATCH -> 3, EINVAL -> 2, ECANCEL -> 130, else 1). */
int cli_fail(const char *command, const nn_err *err);
void cli_warn(const char *command, const char *fmt, ...) NN_PRINTF(2, 3);

/* Progress on stderr, only when it is a terminal, at most ten times a second: "what  done/total  rate  time left  value". */
void cli_progress(const char *what, double done, double total, const char *unit, const char *note);
void cli_progress_end(void);
/* dg_progress's callback: draws the line, returns false after Ctrl-C or SIGTERM. */
bool cli_progress_report(void *user, const char *what, double done, double total, double value);
/* Install the handlers; cli_interrupted says whether one came.  A second Ctrl-C ends at once. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);
/* "To go on: datasetgan ..." with shell quoting, for an interrupted run. */
void cli_print_resume(int argc, char **argv);

/* Path of a bundled file (weights/NAME): beside the executable's tree, or PREFIX/share/datasetgan.  NULL-terminated in out. */
nn_status cli_bundled(char *out, size_t size, const char *name, nn_err *err);
/* Set the thread count (0: all cores of this process's affinity mask) and return it. */
int cli_threads(int64_t wanted);

int cmd_info(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_dataset(int argc, char **argv);
int cmd_eval(int argc, char **argv);

#endif
