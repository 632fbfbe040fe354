/* cmd_segment_train.c: datasetgan segment train: from a folder of labelled pictures, or online from a generator and an interpreter. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "cli/segment.h"
#include "nn/rng.h"
#include "nn/sys.h"

static const char NAME[] = "segment train";

typedef struct {
    const char *dataset, *images, *labels, *more_images, *more_labels, *generator, *interpreter, *task, *view, *val, *out, *net, *weights, *kernels, *optimiser, *schedule, *paste_class, *steady_class;
    cli_draw draw;
    dg_vary_options vary;
    int64_t limit, size, width, stride, steps, batch, seed, threads, every, keep_every, first_seed, jpeg;
    double epochs, minutes, more_share, lr, decay, average, strength, stain, class_stain, uneven, warp, zoom_low, zoom_high, blur, noise, paste;
    bool epochs_given, steps_given, soft, aux, force, images_given;
} job;

/* ---- sources ----------------------------------------------------------------------------------------------------------------------------- */

/* A folder, shuffled anew for every pass. */
typedef struct { cli_labelled l; uint32_t *order; uint64_t pass; bool shuffled; uint64_t seed; } folder_source;

static nn_status fetch_folder(void *user, uint64_t first, nn_dim n, dl_sample *out, nn_err *err)
{
    folder_source *f = user;
    const uint64_t count = (uint64_t)f->l.count;
    (void)err;
    for (nn_dim i = 0; i < n; i++) {
        const uint64_t at = first + (uint64_t)i, pass = at / count;
        nn_dim which = (nn_dim)(at % count);
        if (f->order && (!f->shuffled || f->pass != pass)) {
            nn_rng_shuffle(f->seed, NN_RNG_SHUFFLE, (uint32_t)pass, f->order, (uint32_t)count);
            f->pass = pass;
            f->shuffled = true;
        }
        if (f->order) which = (nn_dim)f->order[which];
        const nn_dim pixels = f->l.size * f->l.size;
        out[i] = (dl_sample){ f->l.size, f->l.size, f->l.rgb + 3 * which * pixels, f->l.label + which * pixels, NULL };
    }
    return NN_OK;
}

static nn_status open_folder(folder_source *f, const char *images, const char *labels, int classes, const job *j, bool shuffle, nn_err *err)
{
    *f = (folder_source){ .seed = (uint64_t)j->seed };
    nn_status s = cli_labelled_read(&f->l, images, labels, classes, (nn_dim)j->size, shuffle ? j->limit : 0, err);
    if (!s && shuffle && !(f->order = nn_alloc((size_t)f->l.count * sizeof *f->order, "an order", err))) s = NN_ENOMEM;
    return s;
}

static void close_folder(folder_source *f)
{
    cli_labelled_free(&f->l);
    nn_free(f->order);
}

/* Two folders, the second of which gives `share` of the samples, spread evenly. */
typedef struct { folder_source *first, *second; double share; } mixed_source;

static nn_status fetch_mixed(void *user, uint64_t first, nn_dim n, dl_sample *out, nn_err *err)
{
    const mixed_source *m = user;
    nn_status s = NN_OK;
    for (nn_dim i = 0; i < n && !s; i++) {
        const uint64_t at = first + (uint64_t)i, before = (uint64_t)((double)at * m->share), after = (uint64_t)((double)(at + 1) * m->share);
        s = after > before ? fetch_folder(m->second, before, 1, &out[i], err) : fetch_folder(m->first, at - before, 1, &out[i], err);
    }
    return s;
}

/* Drawn and labelled on the way: seeds first_seed, first_seed + 1, ... without the annotated ones. */
typedef struct {
    dg_interp in;
    sg_model *m;
    sg_work *work;
    dg_labeller *labeller;
    sg_options draw;
    dg_vary_options vary;
    real *room;                      /* dg_draw_room */
    dg_seeds seeds;
    nn_dim batch, size;              /* samples are size x size, whatever shape the pictures have */
    bool soft;
    uint8_t *rgb, *label;            /* (batch,size,size,3), (batch,size,size) */
    real *prob, *mean, *turned;      /* (batch,size,size,K); of one picture (K,height,width) and (height,width,K) */
    nn_image one, one_label;
} online_source;

static nn_status keep_sample(online_source *o, nn_dim i, dl_sample *out, nn_err *err)
{
    const nn_dim pixels = o->one.height * o->one.width, kept = o->size * o->size, K = o->in.classes;
    uint8_t *rgb = o->rgb + 3 * i * kept, *label = o->label + i * kept;
    real *prob = o->soft ? o->prob + i * kept * K : NULL;
    nn_image_from_planar(&o->one, sg_picture(o->work, i));
    dg_labels labels = { .label = o->one_label.pixels, .mean = o->mean };
    dg_label(o->labeller, o->work, i, &labels);
    nn_status s = cli_fit_picture(rgb, &o->one, o->size, err);
    if (!s) s = cli_fit_label(label, &o->one_label, (int)K, o->size, err);
    for (nn_dim p = 0; p < pixels && prob; p++) for (nn_dim k = 0; k < K; k++) o->turned[p * K + k] = o->mean[k * pixels + p];
    if (!s && prob) s = dl_resize_picture(prob, o->turned, o->one.height, o->one.width, K, o->size, o->size, err);
    *out = (dl_sample){ o->size, o->size, rgb, label, prob };
    return s;
}

static nn_status fetch_online(void *user, uint64_t first, nn_dim n, dl_sample *out, nn_err *err)
{
    online_source *o = user;
    uint32_t seed[256] = { 0 };
    nn_status s = NN_OK;
    dg_seeds_seek(&o->seeds, first);
    for (nn_dim i = 0; i < n; i++) seed[i] = dg_seeds_take(&o->seeds);
    dg_draw(o->m, o->work, seed, n, &o->draw, &o->vary, o->room);
    for (nn_dim i = 0; i < n && !s; i++) s = keep_sample(o, i, &out[i], err);
    return s;
}

static nn_status open_online(online_source *o, const job *j, int threads, nn_err *err)
{
    *o = (online_source){ .batch = (nn_dim)j->batch, .size = (nn_dim)j->size, .soft = j->soft, .vary = j->vary };
    if (dg_interp_open(&o->in, j->interpreter, err)) return err->status;
    if (dg_seeds_open(&o->seeds, o->in.seed, o->in.seed_count, (uint64_t)j->first_seed, err)) return err->status;
    if (!dg_seeds_suffice(&o->seeds, (uint64_t)(j->steps * j->batch)))
        return nn_fail(err, NN_EINVAL, "--first-seed %jd: %jd steps of %jd pictures: seeds end at %ju", (intmax_t)j->first_seed, (intmax_t)j->steps,
                       (intmax_t)j->batch, (uintmax_t)UINT32_MAX);
    o->draw = o->in.draw;
    cli_draw_apply(NAME, &j->draw, j->interpreter, &o->draw);
    o->m = cli_open_generator(j->generator, j->kernels, err);
    if (!o->m || sg_check_options(o->m, &o->draw, err)) return err->status;
    const sg_config *c = sg_get_config(o->m);
    const nn_dim pixels = c->height * c->resolution, kept = o->batch * o->size * o->size, K = o->in.classes;
    o->labeller = dg_labeller_open(&o->in, o->m, threads, err);
    if (o->labeller) o->work = sg_work_open(o->m, o->batch, true, threads, err);
    if (!o->work || nn_image_make(&o->one, c->resolution, c->height, c->img_channels, err) || nn_image_make(&o->one_label, c->resolution, c->height, 1, err))
        return err->status;
    if ((o->rgb = nn_alloc((size_t)(4 * kept), "a batch", err)) == NULL) return err->status;
    if ((o->room = nn_alloc(dg_draw_room(o->m, o->batch) * sizeof *o->room, "latents of a batch", err)) == NULL) return err->status;
    o->label = o->rgb + 3 * kept;
    if (!o->soft) return NN_OK;
    if ((o->prob = nn_alloc((size_t)((kept + 2 * pixels) * K) * sizeof *o->prob, "a batch", err)) == NULL) return err->status;
    o->mean = o->prob + kept * K;
    o->turned = o->mean + pixels * K;
    return NN_OK;
}

static void close_online(online_source *o)
{
    dg_seeds_close(&o->seeds);
    nn_free(o->rgb);
    nn_free(o->room);
    nn_free(o->prob);
    nn_image_free(&o->one);
    nn_image_free(&o->one_label);
    sg_work_close(o->work);
    dg_labeller_close(o->labeller);
    sg_close(o->m);
    dg_interp_close(&o->in);
}

/* ---- settings ------------------------------------------------------------------------------------------------------------------------------ */

static json_t *describe_options(const job *j, const dl_train_options *o)
{
    const dl_augmentation *a = &o->augment;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:s, s:s, s:f, s:f, s:f, s:I, s:I, s:s?, s:{s:b, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i}}",
        "net", j->net, "width", (json_int_t)j->width, "output_stride", (json_int_t)j->stride, "size", (json_int_t)j->size, "steps", (json_int_t)o->steps,
        "minutes", o->minutes, "optimiser", o->optimiser, "schedule", o->schedule, "lr", o->lr, "decay", o->decay, "average", o->average,
        "batch", (json_int_t)o->batch, "seed", (json_int_t)o->seed, "view", j->view, "augment", "turn", (int)a->turn, "zoom_low", a->zoom_low,
        "zoom_high", a->zoom_high, "shift", a->shift, "warp", a->warp, "colour", a->colour, "stain", a->stain, "class_stain", a->class_stain, "uneven", a->uneven, "blur", a->blur,
        "noise", a->noise, "paste", a->paste, "paste_class", a->paste_class,
        "steady_class", a->steady_class);
}

static json_t *describe_source(const job *j, const folder_source *f, const folder_source *more, const online_source *o)
{
    if (j->more_images)
        return json_pack("{s:s, s:I, s:s, s:I, s:f}", "pictures", f->l.sha256, "count", (json_int_t)f->l.count, "more_pictures", more->l.sha256, "more_count",
                         (json_int_t)more->l.count, "more_share", j->more_share);
    if (!j->interpreter) return json_pack("{s:s, s:I}", "pictures", f->l.sha256, "count", (json_int_t)f->l.count);
    json_t *v = json_pack("{s:s, s:s, s:f, s:I, s:s, s:I, s:b}", "generator", sg_identity(o->m), "interpreter", o->in.identity, "psi", o->draw.psi, "cutoff",
                     (json_int_t)o->draw.cutoff, "noise", cli_noise_name(o->draw.noise), "first_seed", (json_int_t)o->seeds.first, "soft", (int)o->soft);
    bool ok = v != NULL;
    if (ok && o->vary.psi_range) ok = !json_object_set_new(v, "psi_to", json_real(o->vary.psi_to));
    if (ok && o->vary.mix > 0) ok = !json_object_set_new(v, "mix", json_real(o->vary.mix));
    if (ok) return v;
    json_decref(v);
    return NULL;
}

/* What the result depends on. */
static json_t *describe(const job *j, const dl_train_options *o, const folder_source *f, const folder_source *more, const online_source *on, const folder_source *val,
                        const char *weights, nn_err *err)
{
    json_t *v = describe_options(j, o), *source = describe_source(j, f, more, on);
    bool ok = v && source && !json_object_set(v, "source", source) && !json_object_set_new(v, "kernels", json_string(nn_kernels_pick(j->kernels, err)->name));
    if (ok && j->jpeg) ok = !json_object_set_new(json_object_get(v, "augment"), "jpeg", json_integer(j->jpeg));
    if (ok && j->weights) ok = !json_object_set_new(v, "weights", json_string(weights));
    if (ok && val->l.count) ok = !json_object_set_new(v, "validation", json_string(val->l.sha256));
    json_decref(source);
    if (ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "training settings: not enough memory");
    return NULL;
}

static void set_augmentation(const job *j, dl_augmentation *a)
{
    dl_augment_default(a, j->strength);
    a->jpeg = (int)j->jpeg;
    const struct { double given; double *to; } own[] = { { j->stain, &a->stain }, { j->class_stain, &a->class_stain }, { j->uneven, &a->uneven }, { j->warp, &a->warp }, { j->blur, &a->blur },
        { j->noise, &a->noise }, { j->zoom_low, &a->zoom_low }, { j->zoom_high, &a->zoom_high }, { j->paste, &a->paste } };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) if (own[i].given >= 0) *own[i].to = own[i].given;
}

static nn_status set_classes(const job *j, const dl_model *m, dl_augmentation *a, nn_err *err)
{
    const nn_status s = cli_named_class("paste-class", j->paste_class, m, &a->paste_class, err);
    return s != NN_OK ? s : cli_named_class("steady-class", j->steady_class, m, &a->steady_class, err);
}

/* An output with the same settings is finished; one with others is in the way. */
static nn_status finished(const char *path, const json_t *settings, bool *done, nn_err *err)
{
    dl_model m;
    *done = false;
    if (!nn_path_exists(path)) return NN_OK;
    char text[NN_JSON_DIFFERENCES] = "it is no segmentation network";
    nn_err own = { 0 };
    if (dl_model_read(&m, path, &own) == NN_OK) {
        const json_t *there = json_object_get(m.training, "settings");
        *done = json_is_object(there) && nn_json_differences(there, settings, text) == 0;
        if (!json_is_object(there)) nn_format(text, sizeof text, "it does not say how it was trained");
        dl_model_close(&m);
    }
    if (own.status == NN_ENOMEM || own.status == NN_EIO) return nn_fail(err, own.status, "%s", own.msg);
    return *done ? NN_OK : nn_fail(err, NN_EEXISTS, "%s: exists and is not the result of this run (%s)", path, text);
}

/* ---- a sheet of predictions -------------------------------------------------------------------------------------------------------------------- */

/* OUT's stem + .sheet.png: rows of picture, its label, the network's; a source gives a batch at most. */
static nn_status write_sheet(const dl_model *m, const nn_kernels *k, const dl_source *source, nn_dim batch, int threads, const char *out, nn_err *err)
{
    enum { ROWS = 6, FIRST = 0 };
    const nn_dim rows = batch < ROWS ? batch : ROWS;
    const dl_predict_options o = { .threads = threads };
    dl_sample sample[ROWS];
    char path[CLI_PATH];
    nn_image sheet = { 0 };
    const nn_dim n = m->size;
    if (source->fetch(source->user, FIRST, rows, sample, err) || nn_image_make(&sheet, 3 * n, rows * n, 3, err)) return err->status;
    dl_predictor *p = dl_predictor_open(m, k, &o, err);
    uint8_t *row = nn_alloc((size_t)(4 * n * n), "a sheet", err);
    for (nn_dim r = 0; r < rows && p && row && !err->status; r++) {
        nn_image picture = { sample[r].w, sample[r].h, 3, (uint8_t *)sample[r].rgb };
        if (picture.width != n || picture.height != n || dl_predict(p, &picture, row + 3 * n * n, NULL, NULL, err)) break;
        for (int part = 0; part < 3; part++) {
            if (part) cli_overlay(row, &picture, part == 1 ? sample[r].label : row + 3 * n * n, m->class_at, m->class_count);
            else memcpy(row, picture.pixels, (size_t)(3 * n * n));
            for (nn_dim y = 0; y < n; y++) memcpy(sheet.pixels + ((r * n + y) * 3 * n + part * n) * 3, row + 3 * y * n, (size_t)(3 * n));
        }
    }
    nn_format(path, sizeof path, "%s.sheet.png", out);
    if (!err->status) nn_png_write(path, &sheet, NULL, err);
    dl_predictor_close(p);
    nn_free(row);
    nn_image_free(&sheet);
    return err->status;
}

/* ---- the command ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct { folder_source folder, more, val; mixed_source mixed; online_source online; dl_model model; dl_source train, check; const job *j; } parts;

static nn_status open_network(const job *j, parts *p, nn_err *err)
{
    dl_model *m = &p->model;
    const dl_choice c = { j->net, m->class_count, (nn_dim)j->stride, (nn_dim)j->width, 0, j->aux };
    nn_dim taken = 0;
    m->size = (nn_dim)j->size;
    if (dl_net_open(&m->net, &c, err)) return err->status;
    dl_net_init(&m->net, (uint64_t)j->seed);
    if (!j->weights) return NN_OK;
    if (dl_weights_read(&m->net, j->weights, true, &taken, err)) return err->status;
    printf("%td of %td tensors from %s\n", taken, dl_tensor_count(&m->net), j->weights);
    return NN_OK;
}

static nn_status open_sources(const job *j, parts *p, int threads, nn_err *err)
{
    char images[CLI_PATH], labels[CLI_PATH];
    dl_model *m = &p->model;
    nn_status s = cli_classes(j->task, j->view, m->class_at, &m->class_count, NULL, err);
    if (!s && j->interpreter) {
        s = open_online(&p->online, j, threads, err);
        if (!s && p->online.in.classes != m->class_count)
            s = nn_fail(err, NN_EINVAL, "%s: %d classes: the task has %d", j->interpreter, p->online.in.classes, m->class_count);
        p->train = (dl_source){ fetch_online, &p->online };
    } else if (!s) {
        if (j->dataset && (nn_path_join(images, sizeof images, j->dataset, "images", err) || nn_path_join(labels, sizeof labels, j->dataset, "labels", err)))
            return err->status;
        s = open_folder(&p->folder, j->dataset ? images : j->images, j->dataset ? labels : j->labels, m->class_count, j, true, err);
        p->train = (dl_source){ fetch_folder, &p->folder };
    }
    if (!s && j->more_images) {
        s = open_folder(&p->more, j->more_images, j->more_labels, m->class_count, j, true, err);
        p->mixed = (mixed_source){ &p->folder, &p->more, j->more_share };
        p->train = (dl_source){ fetch_mixed, &p->mixed };
    }
    if (!s && j->val) {
        if (nn_path_join(images, sizeof images, j->val, "images", err) || nn_path_join(labels, sizeof labels, j->val, "labels", err)) return err->status;
        s = open_folder(&p->val, images, labels, m->class_count, j, false, err);
        p->check = (dl_source){ fetch_folder, &p->val };
    }
    return s;
}

/* OUT.stepN: the network as it is on the way. */
static nn_status keep_network(void *user, int64_t step, nn_err *err)
{
    const parts *p = user;
    char path[CLI_PATH];
    nn_format(path, sizeof path, "%s.step%lld", p->j->out, (long long)step);
    return dl_model_write(&p->model, path, err);
}

/* dl_progress's callback, user = the learning curve: its last mIoU stands beside the loss. */
static bool report_step(void *user, const char *what, double done, double total, double loss)
{
    const json_t *curve = user, *miou = json_array_get(json_array_get(curve, json_array_size(curve) - 1), 2);
    char note[96];
    nn_format(note, sizeof note, "loss %.4g", loss);
    if (json_is_real(miou)) nn_format(note + strlen(note), sizeof note - strlen(note), ", validation mIoU %.4f", json_real_value(miou));
    cli_progress(what, done, total, note);
    return !cli_interrupted();
}

static nn_status run_with(const job *j, parts *p, int threads, bool *there, nn_err *err)
{
    char part[CLI_PATH], weights[65] = "";
    int lock = -1;
    const nn_kernels *k = nn_kernels_pick(j->kernels, err);
    if (!k || open_sources(j, p, threads, err) || open_network(j, p, err)) return err->status;
    dl_train_options o = { .batch = (nn_dim)j->batch, .steps = j->steps, .minutes = j->minutes, .optimiser = j->optimiser, .schedule = j->schedule, .lr = j->lr,
                           .decay = j->decay, .average = j->average, .seed = (uint64_t)j->seed, .validate_every = j->every, .keep_every = j->keep_every,
                           .keep = keep_network, .keep_user = p, .threads = threads };
    set_augmentation(j, &o.augment);
    if (set_classes(j, &p->model, &o.augment, err)) return err->status;
    if (j->epochs_given && !j->interpreter) o.steps = (int64_t)ceil(j->epochs * (double)p->folder.l.count / (double)j->batch);
    if (j->weights) {
        nn_st f;
        if (nn_st_open(&f, j->weights, err) == NN_OK) nn_st_identity(&f, NULL, 0, weights, err);
        nn_st_close(&f);
    }
    json_t *settings = describe(j, &o, &p->folder, &p->more, &p->online, &p->val, weights, err), *curve = json_array();
    const dl_progress progress = { report_step, curve };
    nn_format(part, sizeof part, "%s.part", j->out);
    nn_status s = settings && curve ? NN_OK : nn_fail(err, NN_ENOMEM, "%s: not enough memory for its settings", j->out);
    if (!s && !j->force) s = finished(j->out, settings, there, err);
    if (!s && *there) dl_checkpoint_forget(part, settings);
    if (!s && !*there) s = nn_file_lock(&lock, part, err);
    if (!s && !*there) s = dl_train(&p->model, k, &o, &p->train, &p->check, p->val.l.count, settings, part, &lock, j->force, curve, &progress, err);
    cli_progress_end();
    if (!s && !*there) {
        p->model.training = json_pack("{s:O, s:O}", "settings", settings, "curve", curve);
        if (!p->model.training) s = nn_fail(err, NN_ENOMEM, "%s: not enough memory for its settings", j->out);
        /* The network last: where it is, all is done. */
        if (!s) s = write_sheet(&p->model, k, p->val.l.count >= 6 ? &p->check : &p->train, o.batch, threads, j->out, err);
        if (!s) s = dl_model_write(&p->model, j->out, err);
        if (!s && nn_path_exists(part)) nn_sys_unlink(part);
        const json_t *last = json_array_get(curve, json_array_size(curve) - 1), *miou = json_array_get(last, 2);
        if (!s) printf("%lld steps, loss %.4f", (long long)json_integer_value(json_array_get(last, 0)), json_real_value(json_array_get(last, 1)));
        if (!s && json_is_real(miou)) printf(", validation mIoU %.4f", json_real_value(miou));
        if (!s) printf("\n");
    }
    nn_file_unlock(lock, part);
    json_decref(settings);
    json_decref(curve);
    return s;
}

static nn_status check_form(const job *j, nn_err *err)
{
    const int sources = !!j->dataset + (j->images || j->labels) + !!j->interpreter;
    if (sources != 1) return nn_fail(err, NN_EINVAL, "expected one of --dataset DIR, --images DIR with --labels DIR, and --interpreter FILE");
    if (!j->interpreter && (!j->dataset && (!j->images || !j->labels))) return nn_fail(err, NN_EINVAL, "--images and --labels go together");
    if (!j->more_images != !j->more_labels) return nn_fail(err, NN_EINVAL, "--more-images and --more-labels go together");
    if (j->more_images && (j->interpreter || j->epochs_given)) return nn_fail(err, NN_EINVAL, "--more-images goes with folders and --steps");
    if (j->interpreter && j->view) return nn_fail(err, NN_EINVAL, "--view goes with folders whose labels are in the view's ids");
    if (j->interpreter && j->epochs_given) return nn_fail(err, NN_EINVAL, "--epochs counts passes over a folder: with --interpreter give --steps");
    if ((j->soft || j->vary.psi_range || j->vary.mix > 0) && !j->interpreter) return nn_fail(err, NN_EINVAL, "--soft, --psi-to and --mix go with --interpreter");
    if (strcmp(j->net, "light") && j->stride != 8 && j->stride != 16) return nn_fail(err, NN_EINVAL, "--output-stride: expected 8 or 16");
    return NN_OK;
}

int cmd_segment_train(int argc, char **argv)
{
    job j = { .net = "light", .kernels = "auto", .optimiser = "adam", .schedule = "cosine", .size = 128, .stride = 8, .steps = 1000, .batch = 16, .lr = 3e-3,
              .decay = 1e-2, .average = 0.99, .strength = 1, .stain = -1, .class_stain = -1, .uneven = -1, .warp = -1, .blur = -1, .noise = -1, .paste = -1, .zoom_low = -1, .zoom_high = -1,
              .more_share = 0.5, .first_seed = 1000000 };
    const cli_opt opt[] = {
        { "out", CLI_STR, &j.out, 0, 0, "FILE", true, "network to write, .safetensors; FILE.part keeps what an interrupted run has done", NULL },
        { "dataset", CLI_STR, &j.dataset, 0, 0, "DIR", false, "learn from DIR/images and DIR/labels, as 'datasetgan dataset' writes them", NULL },
        { "images", CLI_STR, &j.images, 0, 0, "DIR", false, "learn from these pictures", NULL },
        { "labels", CLI_STR, &j.labels, 0, 0, "DIR", false, "and their label maps, STEM.png or STEM_label.png", NULL },
        { "limit", CLI_INT, &j.limit, 1, 1e9, NULL, false, "use the first N of them (default: all)", NULL },
        { "more-images", CLI_STR, &j.more_images, 0, 0, "DIR", false, "learn from these pictures as well (pseudo-labels: segment predict --min-confidence)", NULL },
        { "more-labels", CLI_STR, &j.more_labels, 0, 0, "DIR", false, "and their label maps", NULL },
        { "more-share", CLI_REAL, &j.more_share, 0, 1, NULL, false, "share of the samples that come from them (default: 0.5)", NULL },
        { "interpreter", CLI_STR, &j.interpreter, 0, 0, "FILE", false, "learn online: pictures are drawn and labelled as they are needed", NULL },
        { "generator", CLI_STR, &j.generator, 0, 0, "FILE", false, "generator of --interpreter (default: the bundled one)", NULL },
        { "first-seed", CLI_INT, &j.first_seed, 0, 4294967295.0, NULL, false, "of the pictures drawn online (default: 1000000)", NULL },
        { "soft", CLI_FLAG, &j.soft, 0, 0, NULL, false, "online: learn the ensemble's mean probabilities instead of its vote", NULL },
        CLI_DRAW_OPTIONS(j.draw, "as the annotated pictures"),
        { "psi-to", CLI_REAL, &j.vary.psi_to, -1e6, 1e6, NULL, false, "online: draw each picture's truncation evenly from --psi to this", &j.vary.psi_range },
        { "mix", CLI_REAL, &j.vary.mix, 0, 1, NULL, false, "online: probability that a picture's later layers follow a second seed (default: 0)", NULL },
        { "task", CLI_STR, &j.task, 0, 0, "FILE", false, "names and colours of the classes, task.json (default: the bundled one)", NULL },
        { "view", CLI_STR, &j.view, 0, 0, "NAME", false, "the labels are in the ids of this view of the task", NULL },
        { "val", CLI_STR, &j.val, 0, 0, "DIR", false, "score on DIR/images and DIR/labels as training goes on", NULL },
        { "val-every", CLI_INT, &j.every, 1, 1e9, NULL, false, "steps between scores (default: at the end)", NULL },
        { "keep-every", CLI_INT, &j.keep_every, 1, 1e9, NULL, false, "also write FILE.stepN, the network so far, every N steps (default: none)", NULL },
        { "net", CLI_CHOICE, &j.net, 0, 0, DL_NETS, false, "light, or DeepLab-v3 on a ResNet (default: light)", NULL },
        { "width", CLI_INT, &j.width, 0, 256, NULL, false, "light: channels of the first level, a multiple of 16 is fastest (default: 0: 32)", NULL },
        { "output-stride", CLI_INT, &j.stride, 8, 16, NULL, false, "DeepLab: 8 or 16 (default: 8)", NULL },
        { "aux", CLI_FLAG, &j.aux, 0, 0, NULL, false, "DeepLab: train with the auxiliary head", NULL },
        { "weights", CLI_STR, &j.weights, 0, 0, "FILE", false, "start from these numbers where names and shapes agree", NULL },
        { "size", CLI_INT, &j.size, 32, 1024, NULL, false, "pictures are brought to this many pixels (default: 128)", NULL },
        { "steps", CLI_INT, &j.steps, 1, 1e9, NULL, false, "steps (default: 1000)", &j.steps_given },
        { "epochs", CLI_REAL, &j.epochs, 1e-6, 1e6, NULL, false, "passes over the pictures, instead of --steps", &j.epochs_given },
        { "minutes", CLI_REAL, &j.minutes, 0, 1e6, NULL, false, "stop after that long; the result then depends on the machine (default: 0, no limit)", NULL },
        { "batch", CLI_INT, &j.batch, 2, 256, NULL, false, "pictures a step (default: 16)", NULL },
        { "optimiser", CLI_CHOICE, &j.optimiser, 0, 0, "adam|sgd", false, "(default: adam)", NULL },
        { "schedule", CLI_CHOICE, &j.schedule, 0, 0, "cosine|poly|constant", false, "of the learning rate (default: cosine)", NULL },
        { "lr", CLI_REAL, &j.lr, 1e-12, 1e3, NULL, false, "learning rate, the highest (default: 0.003)", NULL },
        { "decay", CLI_REAL, &j.decay, 0, 1e3, NULL, false, "weight decay of convolutions (default: 0.01)", NULL },
        { "average", CLI_REAL, &j.average, 0, 0.999999, NULL, false, "moving average of weights; 0: the last ones (default: 0.99)", NULL },
        { "augment", CLI_REAL, &j.strength, 0, 4, NULL, false, "strength of all augmentation; 0: none (default: 1)", NULL },
        { "stain", CLI_REAL, &j.stain, 0, 4, NULL, false, "of optical density as a whole (default: 0.2)", NULL },
        { "class-stain", CLI_REAL, &j.class_stain, 0, 4, NULL, false, "of each class's optical density (default: 0.4)", NULL },
        { "steady-class", CLI_STR, &j.steady_class, 0, 0, "NAME", false, "a class whose density varies only 0.4 times as much: one that every stain darkens (default: none)", NULL },
        { "uneven", CLI_REAL, &j.uneven, 0, 4, NULL, false, "of optical density from place to place (default: 0.4)", NULL },
        { "warp", CLI_REAL, &j.warp, 0, 1, NULL, false, "elastic deformation, share of the size (default: 0.03)", NULL },
        { "zoom-low", CLI_REAL, &j.zoom_low, 0.1, 1, NULL, false, "smallest enlargement (default: 0.75)", NULL },
        { "zoom-high", CLI_REAL, &j.zoom_high, 1, 10, NULL, false, "largest enlargement (default: 1.6)", NULL },
        { "blur", CLI_REAL, &j.blur, 0, 3, NULL, false, "largest blur, pixels (default: 1.2)", NULL },
        { "noise", CLI_REAL, &j.noise, 0, 100, NULL, false, "largest noise, of 255 (default: 5)", NULL },
        { "jpeg", CLI_INT, &j.jpeg, 0, 100, NULL, false, "half of the samples lose what JPEG of a quality from N to 100 loses; 0: none (default: 0)", NULL },
        { "paste-class", CLI_STR, &j.paste_class, 0, 0, "NAME", false, "put this class's parts of other pictures on the first class: crowded fields (default: none)", NULL },
        { "paste", CLI_REAL, &j.paste, 0, 1, NULL, false, "how often, twice a picture (default: 0.7)", NULL },
        { "seed", CLI_INT, &j.seed, 0, 9007199254740992.0, NULL, false, "of initialisation, order and augmentation (default: 0)", NULL },
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &j.threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace an existing network", NULL },
    };
    const int rc = cli_parse(NAME, "Train a segmentation network on labelled pictures, or online on what a generator draws and an interpreter labels. The same "
                             "command goes on with a run that was stopped.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    static parts p;
    p.j = &j;
    bool there = false;
    cli_catch_interrupts();
    const double start = cli_seconds();
    const int threads = cli_threads(j.threads);
    if (check_form(&j, &err) == NN_OK) run_with(&j, &p, threads, &there, &err);
    dl_model_close(&p.model);
    close_folder(&p.folder);
    close_folder(&p.more);
    close_folder(&p.val);
    close_online(&p.online);
    if (err.status != NN_OK) return cli_fail(NAME, &err);
    printf("%s%s (%.1f s, peak memory %.0f MB)\n", j.out, there ? " is there already" : " is trained", cli_seconds() - start, (double)cli_peak_bytes() / 1e6);
    return CLI_EXIT_OK;
}
