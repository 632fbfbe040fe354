/* test_memory.c: the peak that `info` states before a run against what the kernel measured of it, as users run both. */
#define _GNU_SOURCE 1          /* wait4 */
#include "tests/t.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char program[512], folder[300];

/* Run the program with words separated by blanks; stdout goes to a file of the test's folder.  Peak in MB; NaN: it failed. */
static double run(const char *line, const char *out)
{
    static char text[2048];
    char *argv[32] = { program };
    int argc = 1, status;
    struct rusage use;
    nn_format(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    fflush(stdout);
    const pid_t pid = fork();
    NN_ASSERT(pid >= 0);
    if (!pid) {
        const int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0) _exit(99);
        execv(program, argv);
        _exit(99);
    }
    NN_ASSERT(wait4(pid, &status, 0, &use) == pid);
    t_check(WIFEXITED(status) && !WEXITSTATUS(status), "'%s' succeeds", line);
    return WIFEXITED(status) && !WEXITSTATUS(status) ? (double)use.ru_maxrss * 1024 / 1e6 : NAN;
}

/* "COMMAND: peak 18 MB ... each further picture of a batch 2.4 MB" of info's output: the peak for a batch. */
static double stated(const char *files, int threads, const char *command, int batch)
{
    char line[2048], out[400], text[1024], want[64];
    double peak = NAN;
    nn_format(out, sizeof out, "%s/info", folder);
    nn_format(line, sizeof line, "info --threads %d %s", threads, files);
    run(line, out);
    FILE *f = fopen(out, "r");
    NN_ASSERT(f);
    nn_format(want, sizeof want, "%s: peak ", command);
    while (fgets(text, sizeof text, f)) {
        const char *at = strstr(text, want), *each = strstr(text, "of a batch ");
        if (at) peak = strtod(at + strlen(want), NULL) + (batch > 1 ? (batch - 1) * (each ? strtod(each + 11, NULL) : NAN) : 0.0);
    }
    fclose(f);
    return peak;
}

static void compare(double said, double measured, const char *what)
{
    t_limit(fabs(said - measured), fmax(0.10 * measured, 20.0), "%s: info said %.0f MB, measured %.0f MB; off by MB", what, said, measured);
}

int main(int argc, char **argv)
{
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    NN_ASSERT(slash);
    nn_format(program, sizeof program, "%.*s/../datasetgan", (int)(slash - argv[0]), argv[0]);
    nn_format(folder, sizeof folder, "%s", t_folder("memory"));
    if (strstr(program, "asan")) {
        t_skip("memory: AddressSanitizer's own shadow is counted");
        return t_done();
    }
    const char *generator = "weights/blood128/generator.safetensors", *task = "weights/blood128/annotations/task.json";
    char line[2048], null[] = "/dev/null", what[160], interpreter[400];
    static const struct { int threads, batch; } at[] = { { 1, 1 }, { 2, 1 }, { 2, 32 } };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        nn_format(line, sizeof line, "generate --seeds 0-%d --out %s/g%zu --threads %d --batch %d", at[i].batch - 1, folder, i, at[i].threads, at[i].batch);
        nn_format(what, sizeof what, "generate, %d threads, batch %d", at[i].threads, at[i].batch);
        compare(stated(generator, at[i].threads, "generate", at[i].batch), run(line, null), what);
    }
    nn_format(interpreter, sizeof interpreter, "%s/i", folder);
    nn_format(line, sizeof line, "train --task %s --epochs 0.01 --out %s --threads 2", task, interpreter);
    compare(stated(task, 2, "train", 1), run(line, null), "train, 2 threads, 10 members");
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        nn_format(line, sizeof line, "dataset --interpreter %s --count %d --out %s/d%zu --threads %d --batch %d", interpreter, at[i].batch, folder, i,
                  at[i].threads, at[i].batch);
        nn_format(what, sizeof what, "dataset, %d threads, batch %d, 10 members", at[i].threads, at[i].batch);
        compare(stated(interpreter, at[i].threads, "dataset", at[i].batch), run(line, null), what);
    }
    return t_done();
}
