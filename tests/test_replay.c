/* test_replay.c: a dataset run's calls are recorded; cut after every one of them, by a kill or a power cut, what is left resumes to
 * the same bytes, and no group is lost whose lines were synced.  So are those of a folder that takes the place of another: the old one
 * is there, or the new one, whole.  Linked with the faulty door (sys_faulty.c is this program's sys.c).
 *
 * DATASETGAN_ALL_FAULTS: a longer run, for `make faults`. */
#include "tests/sys_faulty.c"

#include <omp.h>

#include "tests/disk.h"
#include "tests/t.h"
#include "tests/tiny_run.h"
#include "tests/tiny_set.h"

enum { CALLS_MAX = 4096, GROUP = 2, TEXT = 512 };

/* ---- recording -------------------------------------------------------------------------------------------------------------- */

typedef struct { sys_call c; char path[TEXT], to[TEXT]; char *data; } recorded;
static recorded *call;
static int calls;

static void record(const sys_call *c)
{
    NN_ASSERT(calls < CALLS_MAX);
    recorded *r = &call[calls++];
    r->c = *c;
    nn_format(r->path, TEXT, "%s", c->path ? c->path : "");
    nn_format(r->to, TEXT, "%s", c->to ? c->to : "");
    if (c->data) {
        r->data = malloc((size_t)c->size);
        memcpy(r->data, c->data, (size_t)c->size);
    }
}

static void forget(void)
{
    for (int i = 0; i < calls; i++) free(call[i].data);
    memset(call, 0, CALLS_MAX * sizeof *call);
    calls = 0;
}

static bool is(const recorded *r, const char *kind) { return !strcmp(r->c.kind, kind); }

static void apply(disk *d, const recorded *r)
{
    if (is(r, "open")) disk_file(d, r->c.fd, r->path, r->c.flags & O_CREAT, r->c.flags & O_TRUNC);
    else if (is(r, "write")) disk_write(d, r->c.fd, r->data, (size_t)r->c.size);
    else if (is(r, "truncate")) disk_truncate(d, r->c.fd, r->c.size);
    else if (is(r, "fsync")) disk_fsync(d, r->c.fd);
    else if (is(r, "close")) disk_shut(d, r->c.fd);
    else if (is(r, "rename")) disk_rename(d, r->path, r->to);
    else if (is(r, "exchange")) disk_exchange(d, r->path, r->to);
    else if (is(r, "unlink") || is(r, "rmdir")) disk_unlink(d, r->path);
    else if (is(r, "mkdir")) disk_mkdir(d, r->path);
}

/* ---- the order ---------------------------------------------------------------------------------------------------------------- */

/* The path that descriptor fd had at call `at`. */
static const char *path_of(int at, int fd)
{
    for (int i = at - 1; i >= 0; i--) if (is(&call[i], "open") && call[i].c.fd == fd) return call[i].path;
    return "";
}

static bool ends(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* One letter for each step that commits a group: w, s a sample's file written, synced; r renamed; I, L the folders synced; M, S the
 * manifest's lines added, synced. */
static char step(int at)
{
    const recorded *r = &call[at];
    const char *path = r->c.fd >= 0 ? path_of(at, r->c.fd) : r->path;
    if (is(r, "rename")) return ends(path, ".png.tmp") && (strstr(path, "/images/") || strstr(path, "/labels/")) ? 'r' : 0;
    if (ends(path, "metadata.jsonl")) return is(r, "write") ? 'M' : is(r, "fsync") ? 'S' : 0;
    if (ends(path, ".png.tmp") && (strstr(path, "/images/") || strstr(path, "/labels/"))) return is(r, "write") ? 'w' : is(r, "fsync") ? 's' : 0;
    if (is(r, "fsync") && ends(path, "/images")) return 'I';
    if (is(r, "fsync") && ends(path, "/labels")) return 'L';
    return 0;
}

static void check_order(int groups)
{
    char found[CALLS_MAX + 1] = "", wanted[CALLS_MAX + 1] = "";
    size_t n = 0;
    for (int i = 0; i < calls; i++) {
        const char c = step(i);
        if (c) found[n++] = c;
    }
    found[n] = '\0';
    for (int g = 0; g < groups; g++) {
        for (int i = 0; i < 2 * GROUP; i++) strcat(wanted, "w");
        for (int i = 0; i < 2 * GROUP; i++) strcat(wanted, "s");
        for (int i = 0; i < 2 * GROUP; i++) strcat(wanted, "r");
        strcat(wanted, "ILMS");
    }
    t_check(!strcmp(found, wanted), "order of a group's steps: expected %s, found %s", wanted, found);
}

/* ---- cut after every call ------------------------------------------------------------------------------------------------------- */

static tiny_runs runs;

static nn_status run(const char *path, int samples, dg_dataset_result *r, nn_err *err)
{
    const dg_dataset_options o = tiny_options(&runs, path, (uint64_t)samples, GROUP);
    *err = (nn_err){ 0 };
    return dg_dataset_in_groups(runs.model, &runs.interp, &o, GROUP, NULL, r, err);
}

/* The first run writes `before` samples, the recorded one goes on to `samples`.  "Cut after call n" is the state when n calls have ended. */
static void replay(const char *what, int before, int samples)
{
    char source[TEXT], whole[TEXT];
    dg_dataset_result r;
    nn_err err;
    disk *d = disk_open();
    uint64_t last[DISK_MODELS] = { 0 };
    int resumed[DISK_MODELS] = { 0 }, promised = 0;
    nn_format(source, TEXT, "%s/source%d-%d", runs.folder, before, samples);
    nn_format(whole, TEXT, "%s/whole%d", runs.folder, samples);
    tiny_must_run(&runs, whole, (uint64_t)samples, GROUP, "an uninterrupted run");
    forget();
    sys_watch = record;
    if (before) t_status(run(source, before, &r, &err), NN_OK, &err, NULL, "%s: first part", what);
    const int begin = calls;
    t_status(run(source, samples, &r, &err), NN_OK, &err, NULL, "%s: recorded", what);
    sys_watch = NULL;
    tiny_same_run(source, whole, what);
    if (!before) check_order(samples / GROUP);
    for (int n = 0; n <= calls; n++) {
        if (n > 0) {
            apply(d, &call[n - 1]);
            if (step(n - 1) == 'S') promised += GROUP;
        }
        for (int m = 0; m < DISK_MODELS && n >= begin; m++) {
            const uint64_t state = disk_state(d, (disk_model)m);
            if (n > begin && state == last[m]) continue;         /* this call changed nothing that stays */
            last[m] = state;
            if (m == DISK_LATE && state == last[DISK_STRICT]) continue;
            resumed[m]++;
            const char *path = tiny_fresh(&runs, "cut");
            char name[128];
            nn_format(name, sizeof name, "%s, model %d, cut after call %d of %d (%s)", what, m, n, calls, n ? call[n - 1].c.kind : "none");
            disk_restore(d, (disk_model)m, source, path);
            t_status(run(path, samples, &r, &err), NN_OK, &err, NULL, "%s", name);
            t_check(r.resumed >= (uint64_t)promised && r.resumed <= (uint64_t)(promised + GROUP), "%s: %d samples were synced, %ju were kept", name,
                    promised, (uintmax_t)r.resumed);
            tiny_same_run(path, whole, name);
        }
    }
    printf("  ok   %s: %d calls; resumed from %d states after a kill, %d, %d, %d and %d after power cuts\n", what, calls, resumed[DISK_KILL],
           resumed[DISK_STRICT], resumed[DISK_NAMES], resumed[DISK_TORN], resumed[DISK_LATE]);
    t_check(resumed[DISK_KILL] > 8 * (samples - before), "%s: only %d states", what, resumed[DISK_KILL]);
    disk_close(d);
}

/* ---- a folder in the place of another ----------------------------------------------------------------------------------------------- */

/* True: it was there already. */
static bool view(const char *dataset, const char *out, double drop, const char *what)
{
    const dg_filter_options o = { .dataset = dataset, .out = out, .drop = drop, .replace = true };
    dg_filter_result r;
    nn_err err = { 0 };
    t_status(dg_filter(&o, NULL, &r, &err), NN_OK, &err, NULL, "%s", what);
    return r.already;
}

static bool same(const char *a, const char *b)
{
    char *x = tiny_describe(a), *y = tiny_describe(b);
    const bool equal = *x && !strcmp(x, y);
    free(x);
    free(y);
    return equal;
}

/* Half of a dataset's samples were a view, now it has all.  exchange: the file system can give two folders each other's name at once. */
static void replace(const char *what, bool exchange)
{
    char data[TEXT], few[TEXT], all[TEXT], site[TEXT], out[TEXT], at[TEXT], part[TEXT], old[TEXT];
    disk *d = disk_open();
    uint64_t last[DISK_MODELS] = { 0 };
    int states = 0, away = 0;
    nn_format(data, TEXT, "%s/data", runs.folder);
    nn_format(few, TEXT, "%s/few%d", runs.folder, exchange);
    nn_format(all, TEXT, "%s/all%d", runs.folder, exchange);
    nn_format(site, TEXT, "%s/place%d", runs.folder, exchange);
    nn_format(out, TEXT, "%s/v", site);
    tiny_must_run(&runs, data, 4, GROUP, "a run to look at");
    view(data, few, 0.5, "half of it");
    view(data, all, 0.0, "all of it");
    if (nn_dir_make(site, NULL)) t_fail("%s: cannot be made", site);
    if (!exchange) setenv("DATASETGAN_NO_EXCHANGE", "1", 1);
    forget();
    sys_watch = record;
    view(data, out, 0.5, "recorded");
    const int begin = calls;
    view(data, out, 0.0, "recorded");
    sys_watch = NULL;
    for (int n = 0; n <= calls; n++) {
        if (n > 0) apply(d, &call[n - 1]);
        for (int m = 0; m < DISK_MODELS && n >= begin; m++) {
            const uint64_t state = disk_state(d, (disk_model)m);
            if (n > begin && state == last[m]) continue;
            last[m] = state;
            if (m == DISK_LATE && state == last[DISK_STRICT]) continue;
            const char *cut = tiny_fresh(&runs, "cut");
            char name[128];
            nn_format(name, sizeof name, "%s, model %d, cut after call %d of %d (%s)", what, m, n, calls, n ? call[n - 1].c.kind : "none");
            nn_format(at, TEXT, "%s/v", cut);
            nn_format(part, TEXT, "%s/v.tmp", cut);
            nn_format(old, TEXT, "%s/v.old.tmp", cut);
            disk_restore(d, (disk_model)m, site, cut);
            states++;
            if (exchange || nn_path_exists(at)) t_check(same(at, few) || same(at, all), "%s: neither the old one nor the new", name);
            else {
                away++;
                t_check(same(old, few), "%s: the old one is not whole", name);
                t_check(view(data, at, 0.5, name) && same(at, few), "%s: the old one is not put back", name);
            }
            view(data, at, 0.0, name);
            tiny_same_run(at, all, name);
            t_check(!nn_path_exists(part) && !nn_path_exists(old), "%s: something is left beside it", name);
        }
    }
    unsetenv("DATASETGAN_NO_EXCHANGE");
    printf("  ok   %s: %d calls; %d states, in %d of them the old one was away under another name\n", what, calls - begin, states, away);
    t_check(states > 60 && (away > 0) == !exchange, "%s: %d states, %d with the old one away", what, states, away);
    disk_close(d);
}

int main(void)
{
    const bool all = getenv("DATASETGAN_ALL_FAULTS") != NULL;
    omp_set_num_threads(1);                      /* one order of calls */
    sys_no_disk = true;
    call = calloc(CALLS_MAX, sizeof *call);
    tiny_runs_open(&runs, "replay");
    replay("a run", 0, all ? 8 : 4);
    replay("a longer run", all ? 4 : 2, all ? 8 : 4);
    replace("a folder for another", true);
    replace("a folder for another, by two renames", false);
    forget();
    free(call);
    tiny_runs_close(&runs);
    return t_done();
}
