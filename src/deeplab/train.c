/* train.c: the training loop: batches, optimiser, average, checkpoints. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "deeplab/deeplab.h"
#include "nn/sys.h"

enum { CHECKPOINT_STEPS = 100 };
static const double warm_up = 0.05, sgd_momentum = 0.9;
#define KIND "segmentation checkpoint"

typedef struct {
    const nn_kernels *k;
    const dl_train_options *o;
    dl_model *m;
    dl_work *work, *val_work;
    nn_dim numbers;                  /* param + stat */
    real *grad, *m1, *m2, *mean;     /* gradient; Adam's moments (SGD: velocity in m1); the average of param and stat */
    real *x, *target, *weight;       /* one batch */
    real *room;                      /* augmentation, one a thread */
    dl_sample *sample;
    int64_t step;
    double started, last_loss_sum;
    int64_t last_loss_count;
    json_t *curve;
} trainer;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- room ------------------------------------------------------------------------------------------------------------------------------- */

static nn_status open_trainer(trainer *t, bool validates, nn_err *err)
{
    const dl_train_options *o = t->o;
    const nn_dim size = t->m->size, pixels = o->batch * size * size, K = t->m->net.classes, P = t->m->net.param_count;
    t->numbers = P + t->m->net.stat_count;
    t->work = dl_work_open(&t->m->net, o->batch, size, size, true, o->threads, err);
    if (t->work && validates) t->val_work = dl_work_open(&t->m->net, o->batch, size, size, false, o->threads, err);
    t->grad = nn_alloc((size_t)(3 * P + t->numbers) * sizeof(real), "training state", err);
    t->target = nn_alloc((size_t)(pixels * (K + 1)) * sizeof(real), "a batch", err);
    t->room = nn_alloc((size_t)(dl_augment_room(size, size, K) * o->threads) * sizeof(real), "augmentation", err);
    t->sample = nn_alloc((size_t)o->batch * sizeof *t->sample, "a batch", err);
    if (!t->work || (validates && !t->val_work) || !t->grad || !t->target || !t->room || !t->sample) return NN_ENOMEM;
    t->m1 = t->grad + P;
    t->m2 = t->m1 + P;
    t->mean = t->m2 + P;
    t->weight = t->target + pixels * K;
    t->x = dl_work_input(t->work);
    memcpy(t->mean, t->m->net.param, (size_t)t->numbers * sizeof(real));
    return NN_OK;
}

static void close_trainer(trainer *t)
{
    dl_work_close(t->work);
    dl_work_close(t->val_work);
    nn_free(t->grad);
    nn_free(t->target);
    nn_free(t->room);
    nn_free(t->sample);
}

/* ---- checkpoint --------------------------------------------------------------------------------------------------------------------------- */

static nn_status write_checkpoint(const trainer *t, const json_t *settings, const char *path, int *lock, nn_err *err)
{
    const uint64_t P = (uint64_t)t->m->net.param_count, all = (uint64_t)t->numbers;
    const int64_t progress[2] = { t->step, t->last_loss_count };
    json_t *line = json_pack("{s:O, s:O}", "settings", settings, "curve", t->curve);
    char *text = line ? nn_json_line(line, err) : NULL;
    json_decref(line);
    if (!text) return nn_fail(err, NN_ENOMEM, "%s: not enough memory", path);
    const nn_st_tensor tensor[] = {
        { "progress", NN_I64, 1, { 2 }, progress }, { "loss", NN_F64, 1, { 1 }, &t->last_loss_sum }, { "numbers", NN_F32, 1, { all }, t->m->net.param },
        { "average", NN_F32, 1, { all }, t->mean }, { "moment1", NN_F32, 1, { P }, t->m1 }, { "moment2", NN_F32, 1, { P }, t->m2 },
    };
    const nn_st_pair meta[] = { { "kind", KIND }, { "format", "1" }, { "state", text } };
    const nn_status s = nn_st_write_locked(path, tensor, sizeof tensor / sizeof *tensor, meta, 3, lock, err);
    nn_free(text);
    return s;
}

static nn_status bind_state(trainer *t, nn_st *f, nn_err *err)
{
    const uint64_t P = (uint64_t)t->m->net.param_count, all = (uint64_t)t->numbers;
    const real *numbers, *average, *moment1, *moment2;
    const nn_want want[] = { { "numbers", 1, { all }, &numbers }, { "average", 1, { all }, &average }, { "moment1", 1, { P }, &moment1 },
                             { "moment2", 1, { P }, &moment2 } };
    const nn_st_entry *progress = nn_st_find(f, "progress"), *loss = nn_st_find(f, "loss");
    int64_t at[2];
    if (!progress || progress->dtype != NN_I64 || progress->end - progress->begin != sizeof at || !loss || loss->dtype != NN_F64
        || loss->end - loss->begin != sizeof t->last_loss_sum) return nn_fail(err, NN_EFORMAT, "%s: expected 'progress' and 'loss'", f->path);
    if (nn_st_bind(f, want, 4, false, err)) return err ? err->status : NN_EFORMAT;
    memcpy(at, f->data + progress->begin, sizeof at);
    memcpy(&t->last_loss_sum, f->data + loss->begin, sizeof t->last_loss_sum);
    if (at[0] < 0 || at[1] < 0 || !isfinite(t->last_loss_sum)) return nn_fail(err, NN_EFORMAT, "%s: 'progress' makes no sense", f->path);
    t->step = at[0];
    t->last_loss_count = at[1];
    memcpy(t->m->net.param, numbers, (size_t)all * sizeof(real));
    memcpy(t->mean, average, (size_t)all * sizeof(real));
    memcpy(t->m1, moment1, (size_t)P * sizeof(real));
    memcpy(t->m2, moment2, (size_t)P * sizeof(real));
    return NN_OK;
}

/* What a checkpoint says of its run; NULL where the file is none. */
static json_t *read_state(const nn_st *f, const char *path, nn_err *err)
{
    const char *kind = nn_st_meta(f, "kind"), *text = nn_st_meta(f, "state");
    return kind && text && !strcmp(kind, KIND) ? nn_json_parse(text, strlen(text), path, err) : NULL;
}

void dl_checkpoint_forget(const char *path, const json_t *settings)
{
    nn_st f;
    int lock;
    if (!nn_path_exists(path) || nn_file_lock(&lock, path, NULL)) return;              /* another process works on it */
    json_t *state = nn_st_open(&f, path, NULL) == NN_OK ? read_state(&f, path, NULL) : NULL;
    if (state && json_equal(json_object_get(state, "settings"), settings)) nn_sys_unlink(path);
    json_decref(state);
    nn_st_close(&f);
    nn_file_unlock(lock, path);
}

static nn_status read_checkpoint(trainer *t, const json_t *settings, const char *path, bool replace, nn_err *err)
{
    nn_st f;
    nn_err own = { 0 };
    struct stat st;
    if (stat(path, &st) || (S_ISREG(st.st_mode) && st.st_size == 0)) return NN_OK;               /* none, or its lock alone */
    nn_status s = nn_st_open(&f, path, &own);
    json_t *state = s ? NULL : read_state(&f, path, &own);
    const json_t *curve = json_object_get(state, "curve"), *there = json_object_get(state, "settings");
    char text[NN_JSON_DIFFERENCES];
    const bool known = json_is_array(curve) && json_is_object(there), same = known && nn_json_differences(there, settings, text) == 0;
    if (own.status == NN_ENOMEM || own.status == NN_EIO) s = nn_fail(err, own.status, "%s", own.msg);      /* nothing is said of what it holds */
    else if (same) {
        s = bind_state(t, &f, err);
        if (!s && json_array_extend(t->curve, (json_t *)curve)) s = nn_fail(err, NN_ENOMEM, "%s: not enough memory", path);
    } else if (replace) s = NN_OK;                                       /* the first checkpoint written replaces it */
    else if (known) s = nn_fail(err, NN_EEXISTS, "%s: the checkpoint belongs to a run with other settings (%s)", path, text);
    else s = nn_fail(err, NN_EEXISTS, "%s: is in the way and is no checkpoint of a segmentation network", path);
    json_decref(state);
    nn_st_close(&f);
    return s;
}

/* ---- one step ------------------------------------------------------------------------------------------------------------------------------- */

/* Part of the run that is done, 0 to 1. */
static double fraction(const trainer *t)
{
    const double by_steps = (double)t->step / (double)t->o->steps;
    const double by_time = t->o->minutes > 0 ? (seconds() - t->started) / (60.0 * t->o->minutes) : 0.0;
    return fmin(1.0, fmax(by_steps, by_time));
}

static double rate(const trainer *t)
{
    const double f = fraction(t), lr = t->o->lr;
    if (!strcmp(t->o->schedule, "constant")) return lr;
    if (!strcmp(t->o->schedule, "poly")) return lr * pow(1.0 - f, 0.9);   /* Chen et al. 2017, § 4.1 */
    if (f < warm_up) return lr * (f + 0.5 / (double)t->o->steps) / warm_up;
    return 0.5 * lr * (1.0 + cos(3.141592653589793 * (f - warm_up) / (1.0 - warm_up)));
}

/* v = 0.9 v + g + decay w, w -= lr v (torch.optim.SGD). */
static void sgd(real *w, real *v, const real *g, nn_dim n, double lr, double decay)
{
    for (nn_dim i = 0; i < n; i++) {
        v[i] = (real)(sgd_momentum * v[i] + g[i] + decay * w[i]);
        w[i] = (real)(w[i] - lr * v[i]);
    }
}

/* Weights of convolutions decay, nothing else does. */
static void update(trainer *t, double lr)
{
    dl_net *net = &t->m->net;
    const bool adam = !strcmp(t->o->optimiser, "adam");
    const nn_dim count = dl_tensor_count(net);
    #pragma omp parallel for num_threads(t->o->threads) schedule(dynamic) if (t->o->threads > 1)
    for (nn_dim i = 0; i < count; i++) {
        const dl_tensor w = dl_tensor_at(net, i);
        const nn_dim at = w.at - net->param;
        const double decay = w.decays ? t->o->decay : 0.0;
        if (!w.trained) continue;
        if (adam) t->k->adam(w.at, t->m1 + at, t->m2 + at, t->grad + at, w.count, &(nn_adam){ lr, 0.9, 0.999, 1e-8, decay, t->step + 1 });
        else sgd(w.at, t->m1 + at, t->grad + at, w.count, lr, decay);
    }
    /* The average starts as a plain mean, so that the first steps weigh nothing at the end. */
    const double keep = fmin(t->o->average, (1.0 + (double)t->step) / (10.0 + (double)t->step));
    for (nn_dim i = 0; i < t->numbers; i++) t->mean[i] = (real)(keep * t->mean[i] + (1.0 - keep) * net->param[i]);
}

static nn_status make_batch(trainer *t, const dl_source *source, nn_err *err)
{
    const dl_train_options *o = t->o;
    const nn_dim size = t->m->size, K = t->m->net.classes, pixels = size * size, room = dl_augment_room(size, size, K);
    nn_status s = source->fetch(source->user, (uint64_t)t->step * (uint64_t)o->batch, o->batch, t->sample, err);
    if (s) return s;
    omp_lock_t lock;                     /* not a critical section: that would be one for all trainings of the process */
    omp_init_lock(&lock);
    #pragma omp parallel for num_threads(o->threads) schedule(dynamic) if (o->threads > 1)
    for (nn_dim i = 0; i < o->batch; i++) {
        nn_err own = { 0 };
        if (dl_augment(t->x + 3 * i * pixels, t->target + i * pixels * K, t->weight + i * pixels, size, size, K, &t->sample[i], &t->sample[(i + 1) % o->batch],
                       &o->augment, o->seed, (uint32_t)t->step, (uint32_t)i, t->room + omp_get_thread_num() * room, &own)) {
            omp_set_lock(&lock);
            s = nn_fail(err, own.status, "%s", own.msg);
            omp_unset_lock(&lock);
        }
    }
    omp_destroy_lock(&lock);
    return s;
}

static bool all_finite(const real *x, nn_dim n)
{
    double sum = 0.0;
    for (nn_dim i = 0; i < n; i++) sum += 0.0 * x[i];                     /* NaN and infinity leave NaN */
    return sum == 0.0;
}

static nn_status not_finite(const trainer *t, const char *what, nn_err *err)
{
    return nn_fail(err, NN_EINVAL, "step %lld: %s not finite: a lower --lr may help; the last checkpoint is kept", (long long)t->step, what);
}

/* A loss is finite for some steps after a running variance or a moment has overflowed: no such state becomes a checkpoint or a result. */
static nn_status check_state(const trainer *t, nn_err *err)
{
    const nn_dim P = t->m->net.param_count;
    const bool good = all_finite(t->m->net.param, t->numbers) && all_finite(t->mean, t->numbers) && all_finite(t->m1, P) && all_finite(t->m2, P);
    return good ? NN_OK : not_finite(t, "the network is", err);
}

static nn_status train_step(trainer *t, const dl_source *source, nn_err *err)
{
    const nn_status s = make_batch(t, source, err);
    if (s) return s;
    const double lr = rate(t);
    const double loss = dl_gradient(t->k, &t->m->net, t->work, t->target, t->weight, t->grad, t->o->seed, (uint32_t)t->step);
    if (!isfinite(loss) || !all_finite(t->grad, t->m->net.param_count))
        return not_finite(t, "the loss is", err);
    update(t, lr);
    t->step++;
    t->last_loss_sum += loss;
    t->last_loss_count++;
    return NN_OK;
}

/* ---- validation, the loop --------------------------------------------------------------------------------------------------------------------- */

static void swap_average(trainer *t)
{
    if (t->o->average <= 0) return;
    for (nn_dim i = 0; i < t->numbers; i++) {
        const real held = t->mean[i];
        t->mean[i] = t->m->net.param[i];
        t->m->net.param[i] = held;
    }
}

/* mIoU of the averaged network on the samples as they are. */
static nn_status validate(trainer *t, const dl_source *val, nn_dim count, double *miou, nn_err *err)
{
    const nn_dim size = t->m->size, pixels = size * size, K = t->m->net.classes, B = t->o->batch;
    const dl_augmentation none = { .zoom_low = 1, .zoom_high = 1 };
    nn_confusion *c = nn_alloc(sizeof *c, "scores", err);
    nn_scores *score = nn_alloc(sizeof *score, "scores", err);
    uint8_t *label = nn_alloc((size_t)(2 * pixels), "scores", err);
    nn_status s = c && score && label ? NN_OK : NN_ENOMEM;
    if (c) c->classes = (int)K;
    swap_average(t);
    for (nn_dim first = 0; first < count && !s; first += B) {
        const nn_dim n = count - first < B ? count - first : B;
        if ((s = val->fetch(val->user, (uint64_t)first, n, t->sample, err))) break;
        for (nn_dim i = 0; i < n && !s; i++)
            s = dl_augment(dl_work_input(t->val_work) + 3 * i * pixels, t->target + i * pixels * K, t->weight + i * pixels, size, size, K, &t->sample[i], NULL,
                           &none, 0, 0, 0, t->room, err);
        if (s) break;
        dl_forward(t->k, &t->m->net, t->val_work, n);
        for (nn_dim i = 0; i < n && !s; i++) {
            dl_argmax(label, dl_work_logits(t->val_work) + i * pixels * K, pixels, K);
            dl_argmax(label + pixels, t->target + i * pixels * K, pixels, K);
            for (nn_dim p = 0; p < pixels; p++) if (!(t->weight[i * pixels + p] > 0)) label[pixels + p] = NN_VOID;
            s = nn_confusion_add(c, label + pixels, label, pixels, err);
        }
    }
    swap_average(t);
    if (!s) nn_confusion_scores(c, score);
    *miou = s ? NAN : score->miou;
    nn_free(c);
    nn_free(score);
    nn_free(label);
    return s;
}

static nn_status curve_point(trainer *t, const dl_source *val, nn_dim count, nn_err *err)
{
    double miou = NAN;
    nn_status s = val && val->fetch ? validate(t, val, count, &miou, err) : NN_OK;
    const double loss = t->last_loss_count ? t->last_loss_sum / (double)t->last_loss_count : 0.0;
    json_t *point = json_pack("[I, f, o]", (json_int_t)t->step, loss, isfinite(miou) ? json_real(miou) : json_null());
    if ((!point || json_array_append_new(t->curve, point)) && !s) s = nn_fail(err, NN_ENOMEM, "learning curve: not enough memory");
    t->last_loss_sum = 0.0;
    t->last_loss_count = 0;
    return s;
}

static nn_status keep_network(trainer *t, nn_err *err)
{
    swap_average(t);
    const nn_status s = t->o->keep(t->o->keep_user, t->step, err);
    swap_average(t);
    return s;
}

static nn_status loop(trainer *t, const dl_source *train, const dl_source *val, nn_dim val_count, const json_t *settings, const char *checkpoint,
                      int *lock, const dl_progress *p, nn_err *err)
{
    nn_status s = NN_OK;
    const int64_t every = t->o->validate_every > 0 ? t->o->validate_every : t->o->steps;
    t->started = seconds();
    while (!s && t->step < t->o->steps && fraction(t) < 1.0) {
        s = train_step(t, train, err);
        if (s) break;
        const bool done = t->step == t->o->steps || fraction(t) >= 1.0;
        const bool keeps = t->o->keep_every > 0 && t->step % t->o->keep_every == 0;
        const bool go = !p || p->report(p->user, "step", (double)t->step, (double)t->o->steps, t->last_loss_sum / (double)t->last_loss_count);
        const bool saves = !done && (!go || t->step % CHECKPOINT_STEPS == 0);
        if (done || keeps || saves) s = check_state(t, err);
        if (!s && (done || t->step % every == 0)) s = curve_point(t, val, val_count, err);
        if (!s && keeps) s = keep_network(t, err);
        if (!s && saves) s = write_checkpoint(t, settings, checkpoint, lock, err);
        if (!s && saves && !go) s = nn_fail(err, NN_ECANCEL, "stopped");
    }
    return s;
}

nn_status dl_train(dl_model *m, const nn_kernels *k, const dl_train_options *o, const dl_source *train, const dl_source *val, nn_dim val_count,
                   const json_t *settings, const char *checkpoint, int *lock, bool replace, json_t *curve, const dl_progress *p, nn_err *err)
{
    NN_ASSERT(o->batch >= 2 && o->steps >= 1 && o->threads >= 1);
    trainer t = { .k = k, .o = o, .m = m, .curve = curve };
    nn_status s = open_trainer(&t, val && val->fetch, err);
    if (!s) s = read_checkpoint(&t, settings, checkpoint, replace, err);
    if (!s) s = loop(&t, train, val, val_count, settings, checkpoint, lock, p, err);
    if (!s) swap_average(&t);
    close_trainer(&t);
    return s;
}
