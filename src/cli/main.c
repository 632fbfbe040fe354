/* main.c: the table of commands. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn/sys.h"

static const struct { const char *name; int (*run)(int, char **); const char *about; } command[] = {
    { "info",     cmd_info,     "this machine, these files: kernels, threads, architecture, identity, memory" },
    { "generate", cmd_generate, "draw pictures from a generator" },
    { "prepare",  cmd_prepare,  "make the pictures that a person will annotate" },
    { "import",   cmd_import,   "make an annotation set from LabelMe, COCO, CVAT, VOC or label maps" },
    { "train",    cmd_train,    "train a style interpreter on an annotation set" },
    { "label",    cmd_label,    "draw chosen pictures with label, uncertainty and overlay" },
    { "dataset",  cmd_dataset,  "draw and label any number of pictures" },
    { "sweep",    cmd_sweep,    "score training settings by k-fold validation on an annotation set" },
    { "eval",     cmd_eval,     "score an interpreter, or two folders of label maps" },
    { "merge",    cmd_merge,    "join the shards of a dataset run" },
    { "verify",   cmd_verify,   "check a dataset against its recorded hashes" },
    { "stats",    cmd_stats,    "what a dataset holds: classes, uncertainty, near doubles" },
    { "filter",   cmd_filter,   "leave out the most uncertain samples of a dataset" },
    { "export",   cmd_export,   "write a dataset as VOC, COCO, YOLO-seg, Hugging Face imagefolder, WebDataset, LabelMe, npz" },
    { "segment",  cmd_segment,  "train, use and score a segmentation network on photographs" },
};
enum { COMMANDS = sizeof command / sizeof *command };

static void print_usage(void)
{
    puts("usage: datasetgan COMMAND [OPTIONS]      (datasetgan COMMAND --help lists them)\n\n"
         "A few labelled pictures of a StyleGAN become any number of labelled pictures.\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-10s %s\n", command[i].name, command[i].about);
    puts("\nexit codes: 0 done, 1 failed, 2 wrong usage, 3 a check found a mismatch, 130 interrupted");
}

static int unknown_command(const char *word)
{
    const char *name[COMMANDS];
    nn_err err = { 0 };
    for (int i = 0; i < COMMANDS; i++) name[i] = command[i].name;
    nn_fail(&err, NN_EINVAL, "unknown command '%s'; the nearest is %s", word, name[cli_nearest(word, name, COMMANDS)]);
    return cli_fail(NULL, &err);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        nn_err err = { 0 };
        nn_fail(&err, NN_EINVAL, "expected a command, such as %s; datasetgan --help lists them", command[0].name);
        return cli_fail(NULL, &err);
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) { print_usage(); return CLI_EXIT_OK; }
    if (!strcmp(argv[1], "--version")) { puts("datasetgan " CLI_VERSION); return CLI_EXIT_OK; }
    for (int i = 0; i < COMMANDS; i++) if (!strcmp(argv[1], command[i].name)) return command[i].run(argc - 1, argv + 1);
    return unknown_command(argv[1]);
}

/* A closed descriptor 0, 1 or 2 would be given to the next file opened, and messages would be written into it.  Fill the
 * gap with one that refuses writing: printing then fails and is noticed below. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)nn_sys_open("/dev/null", O_RDONLY, 0);
}

/* OpenMP's waiting threads spin, some 10 ms with GCC's runtime and 200 ms with LLVM's.  On a machine that does other work too they
 * take the time of those they wait for: 200 pictures on 2 busy cores took 22 s, and 3 s with threads that soon sleep; on idle
 * cores it costs about a tenth (300 pictures: 1.8 s, 1.6 s spinning).  The runtimes read their settings before main, so the
 * program starts itself once more with them.  Where the user has set one, nothing is changed. */
static void calm_waiting_threads(char **argv)
{
    static const char *const setting[] = { "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME" };
    for (size_t i = 0; i < sizeof setting / sizeof *setting; i++) if (getenv(setting[i])) return;
    if (!setenv("GOMP_SPINCOUNT", "1000", 1) && !setenv("KMP_BLOCKTIME", "0", 1)) execv("/proc/self/exe", argv);
}

/* The first thread's stack grows as it is used.  Where it cannot, the program crashes; so it grows now, before results take the last of the memory:
 * then running out is a line.  (ulimit -v: tests/test_cli_bad.sh) */
static void grow_stack(void)
{
    enum { ENOUGH = 384 << 10, PAGE = 4096 };
    volatile char stack[ENOUGH];
    for (int i = 0; i < ENOUGH; i += PAGE) stack[i] = 0;
    (void)stack[0];
}

int main(int argc, char **argv)
{
    calm_waiting_threads(argv);
    grow_stack();
    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);                /* a closed pipe is a failed write, reported like any other */
    signal(SIGXFSZ, SIG_IGN);                /* so is a file that reaches the limit of 'ulimit -f' */
    int rc = run(argc, argv);
    if (rc == CLI_EXIT_INTERRUPTED) cli_print_resume(argc, argv);
    if ((fflush(stdout) || ferror(stdout)) && rc == CLI_EXIT_OK) {
        fprintf(stderr, "datasetgan: standard output: cannot write: %s\n", strerror(errno));
        rc = CLI_EXIT_FAILED;
    }
    return rc;
}
