/* train.c: recipes, the schedule, and the loop that trains an ensemble, member beside member. */
#include "datasetgan/train.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nn/sys.h"

enum { SAVE_SECONDS = 10, MEMBERS_MAX = 1000 };

/* ---- recipes (docs/TRAINING.md) ------------------------------------------------------------------------------------ */

/* train_interpreter.py pixel_classifier: wider networks from 32 classes on. */
static void set_widths(dg_train_options *o, int classes)
{
    if (o->h1 == 0) o->h1 = classes < 32 ? 128 : 256;
    if (o->h2 == 0) o->h2 = classes < 32 ? 32 : 128;
    if (o->h1 == DG_NO_LAYER) o->h2 = DG_NO_LAYER;
}

nn_status dg_train_recipe(dg_train_options *o, const char *name, int classes, nn_err *err)
{
    if (!strcmp(name, "default"))
        *o = (dg_train_options){ .members = 10, .batch = 1024, .epochs = 6, .lr = 4e-3, .standardise = true, .one_cycle = true };
    else if (!strcmp(name, "paper"))
        *o = (dg_train_options){ .members = 10, .batch = 64, .epochs = 100, .lr = 1e-3, .official_stop = true };
    else if (!strcmp(name, "official"))
        *o = (dg_train_options){ .members = 10, .batch = 64, .epochs = 100, .lr = 1e-3, .official_stop = true, .half = true, .z_stream = true,
                                 .largest_label = true, .min_pixels = 30 };
    else
        return nn_fail(err, NN_EINVAL, "there is no recipe \"%.32s\"; expected \"default\", \"paper\" or \"official\"", name);
    nn_format(o->recipe, sizeof o->recipe, "%s", name);
    if (!o->largest_label) set_widths(o, classes);
    return NN_OK;
}

void dg_train_start_from(dg_train_options *o, const dg_interp *init)
{
    o->init = init;
    o->members = init->members;
    o->h1 = init->h1;
    o->h2 = init->h2;
    o->standardise = true;
    o->epochs = 0.5;                                      /* docs/TRAINING.md, "Again after a correction" */
    o->lr = 1e-3;
    o->one_cycle = true;
    o->official_stop = false;
}

static nn_status check_options(const dg_train_options *o, nn_err *err)
{
    const struct { const char *name; double value, lo, hi; } range[] = {
        { "members", o->members, 1, MEMBERS_MAX }, { "batch", (double)o->batch, 2, 1 << 20 }, { "width1", (double)o->h1, DG_NO_LAYER, 65536 },
        { "width2", (double)o->h2, DG_NO_LAYER, 65536 }, { "min_pixels", (double)o->min_pixels, 0, 1 << 30 }, { "epochs", o->epochs, 1e-6, 1e6 }, { "lr", o->lr, 1e-12, 1e3 },
        { "decay", o->decay, 0, 1e3 }, { "dropout1", o->dropout1, 0, 0.99 }, { "dropout2", o->dropout2, 0, 0.99 },
        { "feature noise", o->feature_noise, 0, 1e3 }, { "class weights", o->class_weights, 0, 1 },
    };
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= range[i].lo && range[i].value <= range[i].hi))
            return nn_fail(err, NN_EINVAL, "training: %s: expected %g to %g, found %g", range[i].name, range[i].lo, range[i].hi, range[i].value);
    return NN_OK;
}

/* An earlier interpreter that training can go on from: the same generator, classes, and a network of the same form. */
static nn_status check_init(const dg_train_options *o, const dg_task *t, const sg_model *m, nn_err *err)
{
    const dg_interp *in = o->init;
    const nn_status s = dg_interp_check(in, m, err);
    if (s) return s;
    if (o->members > in->members || o->h1 != in->h1 || o->h2 != in->h2 || !o->standardise)
        return nn_fail(err, NN_EINVAL, "%s: a start from it has its widths %td and %td, at most its %d members, and its standardisation", in->file.path,
                       in->h1, in->h2, in->members);
    return dg_interp_check_classes(in, t, err);
}

static double half_cosine(double from, double to, double at) { return to + (from - to) * 0.5 * (1.0 + cos(acos(-1.0) * at)); }

nn_adam dg_train_schedule(const dg_train_options *o, int64_t step, int64_t total)
{
    nn_adam a = { .lr = o->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = o->decay, .step = step + 1 };
    if (!o->one_cycle) return a;
    const double first = o->lr / 25.0, last = first / 1e4, peak = 0.3 * (double)total - 1.0, end = (double)total - 1.0;
    const double at = (double)step;
    if (at <= peak) {
        a.lr = half_cosine(first, o->lr, at / peak);
        a.beta1 = half_cosine(0.95, 0.85, at / peak);
    } else {
        const double part = end > peak ? (at - peak) / (end - peak) : 1.0;
        a.lr = half_cosine(o->lr, last, part);
        a.beta1 = half_cosine(0.85, 0.95, part);
    }
    return a;
}

/* SplitMix64's finaliser (Steele et al. 2014) of seed + member * its golden gamma: neighbouring seeds and members share nothing. */
uint64_t dg_member_seed(uint64_t seed, int member)
{
    uint64_t z = seed + (uint64_t)(member + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* ---- the run ------------------------------------------------------------------------------------------------------- */

/* What a thread needs for the member at hand. */
typedef struct { dg_net net; dg_batch batch; uint32_t *order; } worker;

typedef struct {
    const dg_train_options *o;
    const dg_features *f;
    const dg_progress *progress;
    dg_net_size size;
    dg_member *member;               /* what the next checkpoint will hold; changed under the lock only */
    worker *worker;
    int workers;
    int64_t per_epoch, total;        /* steps */
    int64_t steps_done;              /* of all members, for the progress report */
    real class_weight[NN_VOID];      /* where o->class_weights is not 0 */
    const json_t *settings;
    char part[DG_PATH];
    int file_lock;                   /* nn_file_lock of part */
    double saved_at, save_cost;      /* seconds */
    omp_lock_t lock;                 /* not a critical section: that would be one for all trainings of the process */
    bool stop;                       /* cancelled or failed: every member ends at its next step */
    nn_err err;
} training;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool stopping(training *r)
{
    bool stop;
    #pragma omp atomic read
    stop = r->stop;
    return stop;
}

static void stop(training *r)
{
    #pragma omp atomic write
    r->stop = true;
}

static void save(training *r)
{
    const double start = now();
    if (dg_checkpoint_write(r->part, &r->file_lock, r->settings, r->member, r->o->members, r->size, &r->err)) stop(r);
    r->saved_at = now();
    r->save_cost = r->saved_at - start;
}

/* Copy a member's state to where checkpoints are written from; write one when it is due: at the end of a member, and every
 * ten seconds, or less often where writing takes more than a twentieth of the time. */
static void publish(training *r, int i, const dg_member *live, const dg_net *net)
{
    const nn_dim numbers = live->done ? net->result_count : net->state_count;
    omp_set_lock(&r->lock);
    dg_member *to = &r->member[i];
    if (!to->state) to->state = nn_alloc((size_t)net->state_count * sizeof *to->state, "training state", &r->err);
    if (!to->state) {
        stop(r);
    } else {
        real *state = to->state;
        memcpy(state, net->state, (size_t)numbers * sizeof *state);
        *to = *live;
        to->state = state;
        if (live->done || now() - r->saved_at > fmax(SAVE_SECONDS, 20.0 * r->save_cost)) save(r);
    }
    omp_unset_lock(&r->lock);
}

static void report(training *r, int i, int64_t step, double loss)
{
    if (!r->progress || !r->progress->report) return;
    char what[64];
    nn_format(what, sizeof what, "member %d of %d, epoch %lld", i + 1, r->o->members, (long long)(step / r->per_epoch + 1));
    omp_set_lock(&r->lock);
    r->steps_done++;
    if (!r->progress->report(r->progress->user, what, (double)r->steps_done, (double)(r->total * r->o->members), loss)) {
        nn_fail(&r->err, NN_ECANCEL, "training stopped on request; the checkpoint %s resumes it", r->part);
        stop(r);
    }
    omp_unset_lock(&r->lock);
}

bool dg_official_stop(dg_member *m, int64_t epoch, double loss)
{
    if (epoch <= 3) return false;
    if (loss < m->best) { m->best = loss; m->stale = 0; }
    else m->stale++;
    return m->stale > 50;
}

static double train_step(training *r, worker *w, int i, int64_t step)
{
    const dg_features *f = r->f;
    const int64_t first = step % r->per_epoch * r->o->batch, left = f->pixel_count - first;
    const nn_dim rows = left < r->o->batch ? (nn_dim)left : r->o->batch;
    dg_batch_fill(&w->batch, w->order + first, rows);
    const uint64_t seed = dg_member_seed(r->o->seed, i);
    NN_ASSERT(r->o->feature_noise == 0 || w->batch.D == f->D);
    for (nn_dim p = 0; r->o->feature_noise > 0 && p < rows * f->D; p++)
        w->batch.x[p] += (real)(r->o->feature_noise * nn_rng_normal(seed, NN_RNG_FEATURES, (uint32_t)step, (uint64_t)p));
    const dg_step s = { dg_train_schedule(r->o, step, r->total), r->o->dropout1, r->o->dropout2, seed,
                        r->o->class_weights > 0 ? r->class_weight : NULL };
    return dg_net_step(&w->net, &w->batch.rows, w->batch.label, rows, &s);
}

static void train_member(training *r, worker *w, int i)
{
    dg_member live = r->member[i];
    const uint64_t seed = dg_member_seed(r->o->seed, i);
    dg_net_init(&w->net, seed);
    if (r->o->init) dg_unstack_member(w->net.state, r->o->init, i, r->size);
    if (live.state) memcpy(w->net.state, live.state, (size_t)w->net.state_count * sizeof(real));
    double published = now();
    for (int64_t shuffled = -1; !live.done; ) {
        if (stopping(r)) {
            if (live.step > 0) publish(r, i, &live, &w->net);
            return;
        }
        const int64_t epoch = live.step / r->per_epoch;
        if (epoch != shuffled) {
            nn_rng_shuffle(seed, NN_RNG_SHUFFLE, (uint32_t)epoch, w->order, (uint32_t)r->f->pixel_count);
            shuffled = epoch;
        }
        const double loss = train_step(r, w, i, live.step);
        if (!isfinite(loss)) {
            omp_set_lock(&r->lock);
            nn_fail(&r->err, NN_EINVAL, "training: the loss of member %d is not finite at step %lld (rate %g too high?); the last "
                    "checkpoint is kept in %s", i + 1, (long long)live.step + 1, r->o->lr, r->part);
            omp_unset_lock(&r->lock);
            stop(r);
            return;
        }
        live.step++;
        live.done = live.step >= r->total || (r->o->official_stop && dg_official_stop(&live, epoch, loss));
        report(r, i, live.step - 1, loss);
        if (live.done || now() - published > SAVE_SECONDS / 2.0) {
            publish(r, i, &live, &w->net);
            published = now();
        }
    }
}

/* ---- before and after the loop ------------------------------------------------------------------------------------- */

/* Noise is added to gathered numbers. */
static dg_shared shared_maps(const dg_features *f, nn_dim batch, nn_dim h1, const dg_train_options *o)
{
    return dg_batch_shared(f, batch, h1, o->feature_noise > 0);
}

static nn_status open_workers(training *r)
{
    const nn_dim batch = r->o->batch < r->f->pixel_count ? r->o->batch : r->f->pixel_count;
    const dg_shared shared = shared_maps(r->f, batch, r->size.h1, r->o);
    r->workers = omp_get_max_threads() < r->o->members ? omp_get_max_threads() : r->o->members;
    r->worker = nn_alloc((size_t)r->workers * sizeof *r->worker, "training threads", &r->err);
    for (int i = 0; r->worker && i < r->workers; i++) {
        worker *w = &r->worker[i];
        dg_net_open(&w->net, r->f->k, r->size, batch, shared, &r->err);
        dg_batch_open(&w->batch, r->f, batch, shared, &r->err);
        w->order = nn_alloc((size_t)r->f->pixel_count * sizeof *w->order, "order of the pixels", &r->err);
    }
    return r->err.status;
}

static void close_run(training *r)
{
    for (int i = 0; r->worker && i < r->workers; i++) {
        dg_net_close(&r->worker[i].net);
        dg_batch_close(&r->worker[i].batch);
        nn_free(r->worker[i].order);
    }
    for (int i = 0; r->member && i < r->o->members; i++) nn_free(r->member[i].state);
    nn_free(r->worker);
    nn_free(r->member);
}

static nn_status train_members(training *r)
{
    nn_status s = open_workers(r);
    if (s) return s;
    for (int i = 0; i < r->o->members; i++) r->steps_done += r->member[i].step;
    save(r);                                              /* finds out now, not in ten seconds, that nothing can be written there */
    if (r->err.status) return r->err.status;
    /* One member a thread, single-threaded inside: no sum is shared, so the bytes do not depend on the number of threads. */
    #pragma omp parallel for schedule(dynamic, 1) num_threads(r->workers)
    for (int i = 0; i < r->o->members; i++)
        if (!r->member[i].done && !stopping(r)) train_member(r, &r->worker[omp_get_thread_num()], i);
    if (r->err.status) {
        nn_err saving = { 0 };                            /* whatever this says, the first failure is what matters */
        dg_checkpoint_write(r->part, &r->file_lock, r->settings, r->member, r->o->members, r->size, &saving);
    }
    return r->err.status;
}

static nn_status write_result(const training *r, const dg_task *t, const sg_model *m, const char *path, nn_err *err)
{
    const dg_features *f = r->f;
    dg_interp in = { .members = r->o->members, .z_stream = r->o->z_stream, .classes = t->class_count, .D = f->D,
                     .tap_count = f->tap_count, .draw = t->draw, .seed_count = f->seed_count, .seed = f->seed, .mean = f->mean, .std = f->std };
    for (int i = 0; i < f->tap_count; i++) {
        const sg_tap_info *tap = sg_tap_at(m, f->tap[i]);
        nn_format(in.tap[i], sizeof in.tap[i], "%s", tap->name);
        in.tap_channels[i] = tap->c;
    }
    memcpy(in.class_at, t->class_at, sizeof in.class_at);
    nn_format(in.generator, sizeof in.generator, "%s", sg_identity(m));
    nn_format(in.task_name, sizeof in.task_name, "%s", t->name);

    nn_arena measure = { 0 };
    dg_stack_members(&in, r->member, r->size, &measure);
    nn_arena place = { nn_alloc(measure.used, "interpreter", err), 0 };
    char *line = nn_json_line(r->settings, err);
    nn_status s = NN_ENOMEM;
    if (place.base && line) {
        dg_stack_members(&in, r->member, r->size, &place);
        s = dg_interp_write(&in, line, path, err);
    }
    nn_free(line);
    nn_free(place.base);
    return s;
}

static dg_net_size network_size(const dg_train_options *o, nn_dim D, nn_dim K)
{
    return (dg_net_size){ D, o->h1 == DG_NO_LAYER ? 0 : o->h1, o->h2 == DG_NO_LAYER ? 0 : o->h2, K };
}

/* Classes that the network is to know. */
static int known_classes(const dg_train_options *o, const dg_features *f, const dg_task *t)
{
    int largest = 1;                                      /* a network of one class learns nothing; the released code would train it */
    for (nn_dim i = 0; i < f->pixel_count; i++) if (f->label[i] > largest) largest = f->label[i];
    return o->largest_label ? largest + 1 : t->class_count;
}

/* (pixels / (classes present * pixels of the class))^power: 1 on average over the pixels for power 1. */
static void weigh_classes(training *r)
{
    nn_dim count[NN_VOID] = { 0 }, present = 0;
    for (nn_dim i = 0; i < r->f->pixel_count; i++) count[r->f->label[i]]++;
    for (int c = 0; c < NN_VOID; c++) present += count[c] > 0;
    for (int c = 0; c < NN_VOID; c++)
        r->class_weight[c] = count[c] ? (real)pow((double)r->f->pixel_count / ((double)present * (double)count[c]), r->o->class_weights) : 1;
}

static nn_status run(training *r, dg_features *f, const dg_task *t, const char *split, const sg_model *m, const char *out_path, nn_err *err)
{
    const nn_dim batch = r->o->batch, n = f->pixel_count;
    r->size = network_size(r->o, f->D, known_classes(r->o, f, t));
    weigh_classes(r);
    r->per_epoch = n / batch + (n % batch >= 2);          /* batch norm has no variance for one pixel */
    const int64_t total = llround(r->o->epochs * (double)r->per_epoch);
    r->total = total < 1 ? 1 : total;
    r->member = nn_alloc((size_t)r->o->members * sizeof *r->member, "ensemble", err);
    if (!r->member) return NN_ENOMEM;
    for (int i = 0; i < r->o->members; i++) r->member[i].best = 1e7;         /* train_interpreter.py best_loss */

    nn_status s = dg_checkpoint_read(r->part, r->settings, r->o->replace, r->member, r->o->members, r->size, err);
    if (!s) s = dg_features_draw(f, t, split, m, err);
    if (!s && r->o->init) dg_features_standardise_as(f, r->o->init->mean, r->o->init->std);
    else if (!s && r->o->standardise) s = dg_features_standardise(f, err);
    if (!s && (s = train_members(r))) nn_fail(err, s, "%s", r->err.msg);
    if (!s) s = write_result(r, t, m, out_path, err);
    if (!s) nn_sys_unlink(r->part);
    return s;
}

nn_status dg_train(const dg_task *t, const char *split, const sg_model *m, const dg_train_options *o, const char *const *tap_names,
                   int tap_count, const char *out_path, const dg_progress *p, nn_err *err)
{
    dg_features f = { 0 };
    dg_train_options own = *o;
    bool done = false;
    const char *own_taps[SG_TAPS_MAX];
    nn_status s = check_options(o, err);
    if (!s && o->init) s = check_init(o, t, m, err);
    if (!s && o->init && tap_names) s = nn_fail(err, NN_EINVAL, "a start from an earlier interpreter has its feature maps; no others can be chosen");
    for (int i = 0; !s && o->init && i < o->init->tap_count; i++) own_taps[i] = o->init->tap[i];
    if (!s && o->init) {
        tap_names = own_taps;
        tap_count = o->init->tap_count;
    }
    if (!s && !*out_path) s = nn_fail(err, NN_EINVAL, "training: expected a path for the interpreter, found an empty one");
    if (!s && strlen(out_path) + sizeof ".part" > DG_PATH) s = nn_fail(err, NN_EINVAL, "%.64s...: the path is too long", out_path);
    if (!s) s = dg_features_open(&f, t, split, m, tap_names, tap_count, err);
    if (!s) s = dg_features_clean(&f, o->min_pixels, err);
    if (!s) set_widths(&own, known_classes(o, &f, t));
    f.half = o->half;
    json_t *settings = s ? NULL : dg_train_settings(&own, &f, t, split, m, err);
    if (!s && !settings) s = NN_ENOMEM;
    if (!s && !o->replace) s = dg_train_finished(out_path, settings, &done, err);
    training r = { .o = &own, .f = &f, .progress = p, .settings = settings, .file_lock = -1 };
    nn_format(r.part, sizeof r.part, "%s.part", out_path);
    if (!s && done) dg_checkpoint_forget(r.part, settings);
    if (!s && !done) s = nn_file_lock(&r.file_lock, r.part, err);
    if (!s && !done) {
        omp_init_lock(&r.lock);
        s = run(&r, &f, t, split, m, out_path, err);
        close_run(&r);
        omp_destroy_lock(&r.lock);
        nn_file_unlock(r.file_lock, r.part);
    }
    json_decref(settings);
    dg_features_close(&f);
    return s;
}

nn_status dg_train_bytes(const dg_task *t, const char *split, const sg_model *m, const dg_train_options *o, int threads, size_t *bytes, nn_err *err)
{
    dg_features f;
    const nn_status s = dg_features_open(&f, t, split, m, NULL, 0, err);
    if (s) return s;
    dg_train_options own = *o;
    set_widths(&own, t->class_count);
    const dg_net_size size = network_size(&own, f.D, t->class_count);
    const size_t params = (size_t)dg_net_param_count(size), result = params + 2 * (size_t)(size.h1 + size.h2);
    const nn_dim batch = nn_at_most(o->batch, f.pixel_count);
    const size_t pixels = (size_t)f.pixel_count;
    const size_t maps = (size_t)(f.pictures * f.picture_count) * sizeof(real) + pixels * (sizeof *f.pixel + sizeof *f.label);
    const dg_shared shared = shared_maps(&f, batch, size.h1, o);
    const size_t worker_bytes = dg_net_bytes(size, batch, shared) + dg_batch_bytes(&f, batch, shared) + pixels * sizeof(uint32_t);
    const size_t states = (size_t)o->members * (result + 2 * params) * sizeof(real), stacked = (size_t)o->members * result * sizeof(real);
    const size_t drawing = maps + sg_work_bytes(m, 1, true, threads);
    const size_t learning = maps + (size_t)(threads < o->members ? threads : o->members) * worker_bytes + states + stacked;
    *bytes = drawing > learning ? drawing : learning;
    dg_features_close(&f);
    return NN_OK;
}
