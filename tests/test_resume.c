/* test_resume.c: a run ends with the same bytes whatever happens on the way: batches, threads, stops, kills, failing calls,
 * torn files.  Linked with the faulty door (sys_faulty.c is this program's sys.c). */
#include "tests/sys_faulty.c"

#include <omp.h>
#include <sys/wait.h>

#include "tests/t.h"
#include "tests/tiny_run.h"
#include "tests/tiny_set.h"

static tiny_runs runs;
static char whole[512], few[512];                /* uninterrupted runs of TINY_MANY and of FEW samples */

/* ---- the same bytes ------------------------------------------------------------------------------------------------------- */

static void test_batches(void)
{
    static const nn_dim batch[] = { 1, 3, 100 };
    for (int threads = 1; threads <= 2; threads++)
        for (size_t i = 0; i < 3; i++) {
            char path[512], what[64];
            nn_format(what, sizeof what, "batch %td, %d threads", batch[i], threads);
            nn_format(path, sizeof path, "%s/b%td-%d", runs.folder, batch[i], threads);
            omp_set_num_threads(threads);
            tiny_must_run(&runs, path, TINY_MANY, batch[i], what);
            tiny_same_run(path, whole, what);
        }
    omp_set_num_threads(1);
}

static void test_stops(void)
{
    static const int stop[] = { 1, 4, 9, 10, 13, 14 };                   /* batches of 7, the ninth cut to 1 at the group's end */
    for (size_t i = 0; i < sizeof stop / sizeof *stop; i++) {
        tiny_watcher w = { .stop_at = stop[i] };
        dg_dataset_result r, again;
        nn_err err;
        char path[512], what[64];
        nn_format(what, sizeof what, "stopped after call %d", stop[i]);
        nn_format(path, sizeof path, "%s/stop%d", runs.folder, stop[i]);
        const nn_status s = tiny_run(&runs, path, TINY_MANY, 7, &w, &r, &err);
        if (w.calls < stop[i]) { t_check(s == NN_OK && w.calls == 11, "%s: never reached", what); continue; }
        if (w.last == TINY_MANY) t_status(s, NN_OK, &err, NULL, "%s: nothing was left to do", what);
        else t_status(s, NN_ECANCEL, &err, "interrupted after", "%s", what);
        t_check(r.written == (uint64_t)w.last, "%s: all drawn samples are kept: %ju", what, (uintmax_t)r.written);
        t_status(tiny_run(&runs, path, TINY_MANY, 5, NULL, &again, &err), NN_OK, &err, NULL, "%s: resumed", what);
        t_check(again.resumed == r.written && again.written + again.resumed == TINY_MANY, "%s: resumed at %ju", what, (uintmax_t)again.resumed);
        tiny_same_run(path, whole, what);
    }
}

static void test_longer(void)
{
    char path[512];
    nn_format(path, sizeof path, "%s/longer", runs.folder);
    tiny_must_run(&runs, path, 9, 4, "longer: first 9");
    tiny_must_run(&runs, path, TINY_MANY, 4, "longer: then all");
    tiny_same_run(path, whole, "9 samples, then 70, are 70");
}

/* What a kill or a power cut may leave behind. */
static void test_leftovers(void)
{
    nn_err err;
    tiny_watcher w = { .stop_at = 9 };
    char half[512];
    nn_format(half, sizeof half, "%s/half", runs.folder);
    t_status(tiny_run(&runs, half, TINY_MANY, 7, &w, NULL, &err), NN_ECANCEL, &err, NULL, "leftovers: an unfinished run");
    nn_bytes list = tiny_read(half, "metadata.jsonl");
    const size_t line = strlen((const char *)list.data) ? (size_t)((const char *)memchr(list.data, '\n', list.size) - (const char *)list.data) + 1 : 0;
    t_check(line > 100 && tiny_exists(half, "images/0000000068.png") && !tiny_exists(half, "images/0000000069.png"), "leftovers: 63 samples, seeds 2 to 68");

    char *text = calloc(list.size + 1000, 1);
    const char *path = tiny_copy(&runs, half, "torn");
    tiny_write(tiny_path(path, "metadata.jsonl"), list.data, list.size - 20);
    tiny_must_run(&runs, path, TINY_MANY, 8, "torn last line");
    tiny_same_run(path, whole, "torn last line");

    path = tiny_copy(&runs, half, "zeros");                                      /* the file grew, its last page was never written */
    memcpy(text, list.data, list.size);
    memset(text + list.size - line - line / 2, 0, line + line / 2);
    tiny_write(tiny_path(path, "metadata.jsonl"), text, list.size + 500);
    tiny_must_run(&runs, path, TINY_MANY, 8, "zeros at the end");
    tiny_same_run(path, whole, "zeros at the end");

    path = tiny_copy(&runs, half, "broken");                                     /* a lost page in the middle of the last group */
    memcpy(text, list.data, list.size);
    memset(text + list.size - 5 * line, 0, 100);
    tiny_write(tiny_path(path, "metadata.jsonl"), text, list.size);
    tiny_must_run(&runs, path, TINY_MANY, 8, "broken line in the last group");
    tiny_same_run(path, whole, "broken line in the last group");

    path = tiny_copy(&runs, half, "orphans");
    tiny_write(tiny_path(path, "images/0000000071.png"), "x", 1);        /* renamed, not listed */
    tiny_write(tiny_path(path, "labels/0000000071.png"), "x", 1);
    tiny_write(tiny_path(path, "images/0000000074.png"), "x", 1);
    tiny_write(tiny_path(path, "images/0000000080.png"), "x", 1);        /* the same of a longer run */
    tiny_write(tiny_path(path, "labels/0000000080.png"), "x", 1);
    tiny_write(tiny_path(path, "labels/0000000090.png.tmp"), "x", 1);    /* staged by it */
    tiny_write(tiny_path(path, "index.html"), "old", 3);                 /* of a shorter one */
    tiny_must_run(&runs, path, TINY_MANY, 8, "unlisted files");
    tiny_same_run(path, whole, "unlisted files");

    path = tiny_copy(&runs, whole, "unlisted");
    remove(tiny_path(path, "metadata.jsonl"));
    tiny_must_run(&runs, path, TINY_MANY, 8, "the list was lost");
    tiny_same_run(path, whole, "the list was lost");

    path = tiny_copy(&runs, whole, "pages-lost");
    remove(tiny_path(path, "index.html"));
    remove(tiny_path(path, "preview.png"));
    tiny_must_run(&runs, path, TINY_MANY, 8, "killed before the pages");
    tiny_same_run(path, whole, "killed before the pages");
    free(text);
    nn_bytes_free(&list);
}

/* ---- failing calls and kills ---------------------------------------------------------------------------------------------- */

static bool no_temporaries(const char *path)
{
    char *all = tiny_describe(path);
    const bool none = !strstr(all, ".tmp ");
    free(all);
    return none;
}

/* A short run in groups of two: every call of these kinds fails once, and the run is killed before every one. */
enum { FEW = 6, GROUP = 2 };
static const char *const kind[] = { "write", "fsync", "rename", "mkdir", "unlink", "open", "close" };
enum { WALKED = sizeof kind / sizeof *kind, EVERY_CALL = 3, CALLS_MAX = 200 };  /* the rest only in part: they come between the same steps */

static nn_status run_few(const char *path, const char *fault_text, dg_dataset_result *r, nn_err *err)
{
    const dg_dataset_options o = tiny_options(&runs, path, FEW, 2);
    *err = (nn_err){ 0 };
    setenv(FAULT_VARIABLE, fault_text, 1);
    const nn_status s = dg_dataset_in_groups(runs.model, &runs.interp, &o, GROUP, NULL, r, err);
    setenv(FAULT_VARIABLE, "", 1);
    return s;
}

static void test_failing_calls(void)
{
    int failed = 0;
    for (int i = 0; i < WALKED; i++)
        for (int at = 1; at < CALLS_MAX; at += i < EVERY_CALL ? 1 : 7) {
            const char *path = tiny_fresh(&runs, "fail");
            char what[64];
            nn_err err;
            dg_dataset_result r;
            nn_format(what, sizeof what, "%s:%d:ENOSPC", kind[i], at);
            if (run_few(path, what, &r, &err) == NN_OK) {            /* past the last call, or one whose failure does not matter */
                tiny_same_run(path, few, what);
                if (strcmp(kind[i], "unlink") || at > 40) break;
                continue;
            }
            failed++;
            t_status(err.status, NN_EIO, &err, "No space left", "%s", what);
            t_check(no_temporaries(path), "%s: a temporary was left", what);
            t_status(run_few(path, "", &r, &err), NN_OK, &err, NULL, "%s: resumed", what);
            tiny_same_run(path, few, what);
        }
    t_check(failed > 50, "%d calls failed", failed);
    printf("  ok   %d failing calls\n", failed);
}

static void test_kills(void)
{
    int killed = 0, listed[FEW + 1] = { 0 };
    for (int i = 0; i < WALKED; i++)
        for (int at = 1; at < CALLS_MAX; at += i < EVERY_CALL ? 1 : 7) {
            const char *path = tiny_fresh(&runs, "kill");
            char what[64];
            nn_err err;
            dg_dataset_result r;
            int status = 0;
            nn_format(what, sizeof what, "%s:%d:KILL", kind[i], at);
            const pid_t child = fork();
            if (child == 0) _exit(run_few(path, what, &r, &err) == NN_OK ? 0 : 1);
            t_check(child > 0 && waitpid(child, &status, 0) == child, "%s: fork", what);
            if (WIFEXITED(status)) break;                            /* past the last call */
            t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: killed", what);
            t_status(run_few(path, "", &r, &err), NN_OK, &err, NULL, "%s: resumed", what);
            tiny_same_run(path, few, what);
            killed++;
            listed[r.resumed]++;
        }
    t_check(killed > 60 && listed[0] && listed[2] && listed[4] && listed[6], "%d kills at 0, 2, 4 and 6 listed samples", killed);
    printf("  ok   %d kills, with 0, 2, 4, 6 samples listed: %d, %d, %d, %d times\n", killed, listed[0], listed[2], listed[4], listed[6]);
}

int main(void)
{
    omp_set_num_threads(1);                      /* until the last fork: a child has no other threads than its own */
    tiny_runs_open(&runs, "resume");
    nn_format(whole, sizeof whole, "%s/whole", runs.folder);
    nn_format(few, sizeof few, "%s/few", runs.folder);
    tiny_must_run(&runs, whole, TINY_MANY, 8, "an uninterrupted run");
    tiny_must_run(&runs, few, FEW, 8, "an uninterrupted short run");
    test_kills();
    test_failing_calls();
    test_stops();
    test_longer();
    test_leftovers();
    test_batches();
    tiny_runs_close(&runs);
    return t_done();
}
