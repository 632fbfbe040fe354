/* cli.h: the command line: strict options, progress, exit codes.  Only this folder prints. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "nn/base.h"
#include "datasetgan/datasetgan.h"
#include "dgan/nn.h"

enum { CLI_EXIT_OK = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2, CLI_EXIT_MISMATCH = 3, CLI_EXIT_INTERRUPTED = 130 };
enum { CLI_RUN = -1 };                       /* cli_parse: go on */
enum { CLI_PATH = 1024 };
#define CLI_VERSION DGAN_VERSION

/* ---- options.c: the strict parser --------------------------------------------------------------------------------- */

typedef enum { CLI_STR, CLI_INT, CLI_REAL, CLI_FLAG, CLI_SEEDS, CLI_CHOICE } cli_type;
/* Seeds in the order given, ranges expanded: "3,7,10-20".  At most 2^24 of them, each 0 .. 2^32-1, none twice. */
typedef struct { uint32_t *at; size_t count; } cli_seeds;

/* One row per option.  place: const char ** (STR, CHOICE), int64_t * (INT), double * (REAL, finite only), bool * (FLAG),
 * cli_seeds * (SEEDS).  lo, hi: inclusive range of INT and REAL.  choices: "const|none|random" for CHOICE; for STR what the
 * value is, as --help names it ("FILE").  given (may be NULL) is set when the option was on the command line. */
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
 * "--name value" and "--name=value" are the same; an option given twice is an error; "--" ends the options.
 * Numbers are read the same in any locale, must be whole and finite, and out of range is an error that names the range.
 * rest (may be NULL): receives the arguments that are no options (at most max_rest); NULL: any is an error. */
int cli_parse(const char *command, const char *about, const cli_opt *opt, size_t count, int argc, char **argv,
              const char **rest, size_t max_rest, size_t *rest_count);
void cli_seeds_free(cli_seeds *s);
/* Number of the name nearest to `word` by edit distance (swapped neighbours count once), the first of equals. */
size_t cli_nearest(const char *word, const char *const *name, size_t count);

/* ---- report.c: messages, progress, interrupts --------------------------------------------------------------------- */

/* Print "datasetgan COMMAND: MESSAGE" on stderr and return the exit code of the status: EINVAL 2, ECANCEL 130 (nothing is
 * printed: main says how to go on), else 1. */
int cli_fail(const char *command, const nn_err *err);
void cli_warn(const char *command, const char *fmt, ...) NN_PRINTF(2, 3);

/* Progress on stderr, only when it is a terminal, at most ten times a second: "what  done/total  rate  time left  note". */
void cli_progress(const char *what, double done, double total, const char *note);
void cli_progress_end(void);
/* dg_progress's callback, user = what `value` is ("loss", NULL: not shown): draws the line; false after Ctrl-C or SIGTERM. */
bool cli_progress_report(void *user, const char *what, double done, double total, double value);
/* For commands that report progress: Ctrl-C and SIGTERM are remembered, cli_interrupted says whether one came, a second one ends at
 * once.  Other commands die of the first: they leave nothing half-written either way. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);
/* One line: how to go on with an interrupted command, quoted for the shell. */
void cli_print_resume(int argc, char **argv);

/* ---- setup.c: what every command needs before it starts ----------------------------------------------------------- */

/* Path of a bundled file: weights/NAME of the source tree this binary was built in, or PREFIX/share/datasetgan/NAME. */
nn_status cli_bundled(char *out, size_t size, const char *name, nn_err *err);
#define CLI_BUNDLED_GENERATOR "blood128/generator.safetensors"
#define CLI_BUNDLED_TASK      "blood128/annotations/task.json"
/* Set the thread count (0: all cores of this process's affinity mask) and return it. */
int cli_threads(int64_t wanted);
/* Bytes of memory this process has needed at most so far (Linux VmHWM); 0 when the system does not say. */
size_t cli_peak_bytes(void);
double cli_seconds(void);                    /* a clock that only goes forward */

/* psi, cutoff, noise and class, as four options that share rows in every command. */
typedef struct {
    double psi;
    int64_t cutoff, class_id;
    const char *noise;
    bool psi_given, cutoff_given, noise_given, class_given;
} cli_draw;
#define CLI_DRAW_OPTIONS(d, psi_default) \
    { "psi", CLI_REAL, &(d).psi, -HUGE_VAL, HUGE_VAL, NULL, false, "truncation: 0 the mean picture, 1 none (default: " psi_default ")", &(d).psi_given }, \
    { "cutoff", CLI_INT, &(d).cutoff, 0, 1000, NULL, false, "truncate only the first N layers (default: what task, interpreter or generator says, else all)", &(d).cutoff_given }, \
    { "class", CLI_INT, &(d).class_id, 0, 4095, NULL, false, "class of a conditional generator, from 0", &(d).class_given }, \
    { "noise", CLI_CHOICE, &(d).noise, 0, 0, "const|none|random", false, "noise inputs: the file's, none, or drawn from the seed (default: const)", &(d).noise_given }
/* Put the options that were given into o, with a warning where they differ from what `source` says (NULL: no source). */
void cli_draw_apply(const char *command, const cli_draw *d, const char *source, sg_options *o);
const char *cli_noise_name(sg_noise n);

/* --precision of labelling.  Where it is not fp32, picture `seed` is labelled both ways and what differs is printed. */
#define CLI_PRECISION_OPTION(place) \
    { "precision", CLI_CHOICE, &(place), 0, 0, "fp32|bf16", false, "of labelling's products: bf16 is faster on kernels 'amx', and what it changes is measured and printed (default: fp32)", NULL }
nn_status cli_apply_precision(const char *precision, const sg_model *m, dg_interp *in, uint32_t seed, const sg_options *draw, nn_err *err);

/* --taps-set: "b4.conv1,b8.conv0" (NULL: no names) as dg_choose_taps takes it. */
typedef struct { char text[SG_TAPS_MAX * 24]; const char *at[SG_TAPS_MAX]; int count; } cli_names;
nn_status cli_split_taps(cli_names *n, const char *list, nn_err *err);

/* Pick the kernel row and open the generator: `path`, or the bundled one when NULL. */
sg_model *cli_open_generator(const char *path, const char *kernels, nn_err *err);
/* The same for a task: `path`, or the file that the task names where that exists, or the bundled one. */
sg_model *cli_open_task_generator(const char *path, const dg_task *t, const char *kernels, nn_err *err);

/* ---- output.c: an existing output is replaced only with --force ---------------------------------------------------- */

/* Write a file.  One that exists with the same bytes is left alone (the command was run before); with other bytes it is
 * NN_EEXISTS unless force. */
nn_status cli_write(const char *path, const void *data, size_t size, bool force, nn_err *err);
nn_status cli_publish(nn_stage *stage, const char *path, bool force, nn_err *err);            /* the same of a staged file; the stage is gone then */
nn_status cli_write_json(const char *path, const json_t *value, bool force, nn_err *err);      /* equal values instead of equal bytes */
nn_status cli_write_npy(const char *path, const real *data, int rank, const uint64_t *dim, bool force, nn_err *err);           /* of 4-byte floats */
/* NN_EEXISTS when path exists and force is off. */
nn_status cli_refuse_existing(const char *path, bool force, nn_err *err);

int cmd_info(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_dataset(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_prepare(int argc, char **argv);
int cmd_label(int argc, char **argv);
int cmd_filter(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_segment(int argc, char **argv);

#endif
