/* program.c: run the program and measure it. */
#define _GNU_SOURCE 1          /* wait4 */
#include "tests/program.h"

#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[512];

void program_find(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    NN_ASSERT(slash);
    nn_format(path, sizeof path, "%.*s/../datasetgan", (int)(slash - argv0), argv0);
}

const char *program_path(void) { return path; }

double program_run(const char *out, const char *fmt, ...)
{
    char text[2048], *argv[32] = { path };
    int argc = 1, status;
    struct rusage use;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) { NN_ASSERT(argc < 31); argv[argc++] = word; }
    fflush(stdout);
    const pid_t pid = fork();
    NN_ASSERT(pid >= 0);
    if (!pid) {
        const int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0) _exit(99);
        execv(path, argv);
        _exit(99);
    }
    NN_ASSERT(wait4(pid, &status, 0, &use) == pid);
    const bool ok = WIFEXITED(status) && !WEXITSTATUS(status);
    t_check(ok, "datasetgan %s ... succeeds, status %d", argv[1], WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return ok ? (double)use.ru_maxrss * 1024 : NAN;
}
