/* report.c: what the user sees while a command runs and when it stops. */
#include "cli/cli.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- messages ----------------------------------------------------------------------------------------------------- */

int cli_fail(const char *command, const nn_err *err)
{
    cli_progress_end();
    if (err->status == NN_ECANCEL) return CLI_EXIT_INTERRUPTED;
    fprintf(stderr, "datasetgan%s%s: %s%s\n", command ? " " : "", command ? command : "", err->msg,
            err->status == NN_EEXISTS ? " (--force replaces it)" : "");
    return err->status == NN_EINVAL ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
}

void cli_warn(const char *command, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cli_progress_end();
    fprintf(stderr, "datasetgan %s: warning: %s\n", command, text);
}

/* ---- interrupts --------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
    (void)number;
    if (interrupts) _exit(CLI_EXIT_INTERRUPTED);        /* the second one: nothing is half-written, files appear by rename */
    interrupts = 1;
}

void cli_catch_interrupts(void)
{
    struct sigaction act = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

bool cli_interrupted(void) { return interrupts != 0; }

void cli_print_resume(int argc, char **argv)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
    cli_progress_end();
    fprintf(stderr, "interrupted; to go on:");
    for (int i = 0; i < argc; i++) {
        const bool quote = !*argv[i] || argv[i][strspn(argv[i], plain)];
        fputs(quote ? " '" : " ", stderr);
        for (const char *p = argv[i]; *p; p++) {
            if (*p == '\'') fputs("'\\''", stderr);
            else fputc(*p, stderr);
        }
        if (quote) fputc('\'', stderr);
    }
    fputc('\n', stderr);
}

/* ---- progress ----------------------------------------------------------------------------------------------------- */

static struct {
    double start, start_done, last_draw, last_done, total;
    bool on_screen;
} line;

static void format_time(char *out, size_t size, double sec)
{
    const long s = (long)fmin(ceil(sec), 359999.0);
    if (s >= 3600) nn_format(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else nn_format(out, size, "%ld:%02ld", s / 60, s % 60);
}

void cli_progress(const char *what, double done, double total, const char *note)
{
    if (!isatty(STDERR_FILENO)) return;
    const double now = cli_seconds();
    /* Another job: what a resumed run found finished does not count towards its rate. */
    if (total != line.total || done < line.last_done || line.start == 0.0) {
        line.start = now;
        line.start_done = done;
        line.total = total;
        line.last_draw = 0.0;
    }
    line.last_done = done;
    if (now - line.last_draw < 0.1 && done < total) return;
    line.last_draw = now;

    char left[32] = "", rate[32] = "";
    const double per_sec = (done - line.start_done) / (now - line.start);
    if (per_sec > 0.0 && isfinite(per_sec)) {
        nn_format(rate, sizeof rate, "  %.3g/s", per_sec);
        char t[24];
        format_time(t, sizeof t, (total - done) / per_sec);
        nn_format(left, sizeof left, "  %s left", t);
    }
    fprintf(stderr, "\r%s  %.0f/%.0f%s%s%s%s\033[K", what, done, total, rate, left, *note ? "  " : "", note);
    fflush(stderr);
    line.on_screen = true;
}

void cli_progress_end(void)
{
    if (line.on_screen) fputs("\r\033[K", stderr);
    memset(&line, 0, sizeof line);
}

bool cli_progress_report(void *user, const char *what, double done, double total, double value)
{
    char note[64] = "";
    if (user && isfinite(value)) nn_format(note, sizeof note, "%s %.4g", (const char *)user, value);
    cli_progress(what, done, total, note);
    return !cli_interrupted();
}
