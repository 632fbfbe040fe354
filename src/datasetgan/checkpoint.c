/* checkpoint.c: what a training run is (its settings), and the file that resumes it. */
#include <string.h>
#include <sys/stat.h>

#include "datasetgan/fields.h"
#include "datasetgan/latents.h"
#include "datasetgan/train.h"
#include "nn/sys.h"
#include "nn/hash.h"

enum { TRAINER = 1 };                       /* raised when the same settings would give other numbers */
#define KIND "training checkpoint"

/* ---- settings ------------------------------------------------------------------------------------------------------ */

/* SHA-256 over seeds, annotated pixels and their classes, latents: an outline moved by one pixel is another run. */
static json_t *annotation_hash(const dg_features *f, const dg_task *t, const char *split, nn_err *err)
{
    char hex[NN_HASH_HEX];
    nn_hash *h = nn_hash_open(err);
    if (!h) return NULL;
    nn_hash_add(h, f->seed, (size_t)f->seed_count * sizeof *f->seed);
    nn_hash_add(h, f->pixel, (size_t)f->pixel_count * sizeof *f->pixel);
    nn_hash_add(h, f->label, (size_t)f->pixel_count);
    for (nn_dim i = 0; i < t->item_count; i++) {
        const dg_item *it = &t->item[i];
        if (it->latents < 0 || strcmp(it->split, split)) continue;
        nn_dim count;
        const real *latent = dg_latent_at(t, it, &count);
        const uint8_t space = (uint8_t)it->space;
        nn_hash_add(h, &space, 1);
        nn_hash_add(h, &it->seed, sizeof it->seed);            /* random noise is drawn from it */
        nn_hash_add(h, latent, (size_t)count * sizeof *latent);
    }
    nn_hash_close(h, hex);
    json_t *s = json_string(hex);
    if (!s) nn_fail(err, NN_ENOMEM, "training settings: not enough memory");
    return s;
}

static json_t *tap_list(const dg_features *f, const sg_model *m)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; ok && i < f->tap_count; i++) ok = json_array_append_new(list, json_string(sg_tap_at(m, f->tap[i])->name)) == 0;
    if (ok) return list;
    json_decref(list);
    return NULL;
}

/* A setting, if it is on; whether it could be put there. */
static bool put(json_t *s, bool on, const char *key, json_t *value)
{
    if (on) return json_object_set_new(s, key, value) == 0;
    json_decref(value);
    return true;
}

static json_int_t written_width(nn_dim width) { return width == DG_NO_LAYER ? 0 : (json_int_t)width; }

json_t *dg_train_settings(const dg_train_options *o, const dg_features *f, const dg_task *t, const char *split, const sg_model *m,
                          nn_err *err)
{
    json_t *hash = annotation_hash(f, t, split, err);
    if (!hash) return NULL;
    json_t *s = json_pack("{s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:f, s:f, s:s, s:f, s:f, s:f, s:b, s:b}",
        "trainer", TRAINER, "recipe", o->recipe, "members", o->members, "seed", (json_int_t)o->seed, "batch", (json_int_t)o->batch,
        "width1", written_width(o->h1), "width2", written_width(o->h2), "epochs", o->epochs, "lr", o->lr,
        "schedule", o->one_cycle ? "one-cycle" : "constant", "decay", o->decay, "dropout1", o->dropout1, "dropout2", o->dropout2,
        "standardise", (int)o->standardise, "official_stop", (int)o->official_stop);
    /* Only where they are on: files of before these settings existed are still recognised. */
    const bool ok = put(s, o->half, "features", json_string("float16")) && put(s, o->z_stream, "latents", json_string("stream"))
                 && put(s, o->min_pixels > 0, "min_pixels", json_integer((json_int_t)o->min_pixels))
                 && put(s, o->largest_label, "classes_known", json_string("largest label + 1"))
                 && put(s, o->feature_noise > 0, "feature_noise", json_real(o->feature_noise))
                 && put(s, o->class_weights > 0, "class_weights", json_real(o->class_weights))
                 && put(s, o->init != NULL, "init", json_string(o->init ? o->init->identity : ""));
    json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o}",
        "kernels", f->k->name, "generator", sg_identity(m), "task", t->name, "split", split, "pictures", (json_int_t)f->pictures,
        "pixels", (json_int_t)f->pixel_count, "annotations", hash, "taps", tap_list(f, m),
        "classes", dg_put_classes(t->class_at, t->class_count), "draw", dg_put_draw(&t->draw));
    if (!s || !ok || !data || json_object_update(s, data)) {
        nn_fail(err, NN_ENOMEM, "training settings: not enough memory");
        json_decref(s);
        s = NULL;
    }
    json_decref(data);
    return s;
}

nn_status dg_train_finished(const char *path, const json_t *settings, bool *done, nn_err *err)
{
    *done = false;
    if (!nn_path_exists(path)) return NN_OK;
    char text[NN_JSON_DIFFERENCES] = "it is no interpreter";
    nn_err own = { 0 };
    dg_interp in;
    if (dg_interp_open(&in, path, &own) == NN_OK) {
        const char *training = nn_st_meta(&in.file, "training");
        json_t *there = training ? nn_json_parse(training, strlen(training), path, &own) : NULL;
        *done = json_is_object(there) && nn_json_differences(there, settings, text) == 0;
        if (!json_is_object(there)) nn_format(text, sizeof text, "it does not say how it was trained");
        json_decref(there);
        dg_interp_close(&in);
    }
    if (own.status == NN_ENOMEM || own.status == NN_EIO) return nn_fail(err, own.status, "%s", own.msg);
    return *done ? NN_OK : nn_fail(err, NN_EEXISTS, "%s: exists and is not the result of this run (%s)", path, text);
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

typedef struct { char name[24]; } state_name;
enum { PROGRESS = 3 };                       /* step, done, stale */

static nn_dim state_numbers(const dg_member *m, dg_net_size s)
{
    const nn_dim params = dg_net_param_count(s), result = params + 2 * (s.h1 + s.h2);
    return m->done ? result : result + 2 * params;
}

nn_status dg_checkpoint_write(const char *path, int *lock, const json_t *settings, const dg_member *member, int count, dg_net_size size, nn_err *err)
{
    const size_t n = (size_t)count;
    char *line = nn_json_line(settings, err);
    nn_st_tensor *tensor = nn_alloc((n + 2) * sizeof *tensor, "checkpoint", err);
    state_name *name = nn_alloc(n * sizeof *name, "checkpoint", err);
    int64_t *progress = nn_alloc(n * PROGRESS * sizeof *progress, "checkpoint", err);
    double *best = nn_alloc(n * sizeof *best, "checkpoint", err);
    nn_status s = NN_ENOMEM;
    if (line && tensor && name && progress && best) {
        size_t used = 0;
        tensor[used++] = (nn_st_tensor){ "progress", NN_I64, 2, { n, PROGRESS }, progress };
        tensor[used++] = (nn_st_tensor){ "best", NN_F64, 1, { n }, best };
        for (int i = 0; i < count; i++) {
            const dg_member *m = &member[i];
            progress[PROGRESS * i] = m->step;
            progress[PROGRESS * i + 1] = m->done;
            progress[PROGRESS * i + 2] = m->stale;
            best[i] = m->best;
            nn_format(name[i].name, sizeof name[i].name, "member.%03d.state", i);
            if (m->state) tensor[used++] = (nn_st_tensor){ name[i].name, NN_F32, 1, { (uint64_t)state_numbers(m, size) }, m->state };
        }
        const nn_st_pair meta[] = { { "kind", KIND }, { "format", "1" }, { "settings", line } };
        s = nn_st_write_locked(path, tensor, used, meta, sizeof meta / sizeof *meta, lock, err);
    }
    nn_free(line);
    nn_free(tensor);
    nn_free(name);
    nn_free(progress);
    nn_free(best);
    return s;
}

/* The bytes of a tensor that is read as it stands (binding would round float64 to `real`). */
static const void *raw(const nn_st *f, const char *name, nn_dtype dtype, uint64_t numbers, nn_err *err)
{
    const nn_st_entry *e = nn_st_find(f, name);
    if (!e || e->dtype != dtype || e->end - e->begin != numbers * nn_dtype_bytes(dtype)) {
        nn_fail(err, NN_EFORMAT, "%s: tensor '%s': expected %llu numbers of %s", f->path, name, (unsigned long long)numbers, nn_dtype_name(dtype));
        return NULL;
    }
    return f->data + e->begin;
}

static nn_status read_member(nn_st *f, dg_member *m, int i, dg_net_size size, nn_err *err)
{
    char name[24];
    const real *numbers = NULL;
    nn_format(name, sizeof name, "member.%03d.state", i);
    const nn_want want = { name, 1, { (uint64_t)state_numbers(m, size) }, &numbers };
    const nn_status s = nn_st_bind(f, &want, 1, false, err);
    if (s) return s;
    m->state = nn_alloc((size_t)want.dim[0] * sizeof *m->state, "training state", err);
    if (!m->state) return NN_ENOMEM;
    memcpy(m->state, numbers, (size_t)want.dim[0] * sizeof *m->state);
    return NN_OK;
}

static nn_status read_members(nn_st *f, dg_member *member, int count, dg_net_size size, nn_err *err)
{
    const uint8_t *progress = raw(f, "progress", NN_I64, (uint64_t)count * PROGRESS, err), *best = raw(f, "best", NN_F64, (uint64_t)count, err);
    if (!progress || !best) return NN_EFORMAT;
    for (int i = 0; i < count; i++) {
        int64_t at[PROGRESS];
        dg_member *m = &member[i];
        memcpy(at, progress + (size_t)i * sizeof at, sizeof at);
        memcpy(&m->best, best + (size_t)i * sizeof m->best, sizeof m->best);
        /* analyze: 0 or 1, and no member is done before its first step */
        if (at[0] < 0 || at[1] < 0 || at[1] > (at[0] > 0) || at[2] < 0 || m->best != m->best)
            return nn_fail(err, NN_EFORMAT, "%s: progress of member %d makes no sense", f->path, i);
        m->step = at[0];
        m->done = at[1] == 1;
        m->stale = at[2];
        const nn_status s = m->step > 0 ? read_member(f, m, i, size, err) : NN_OK;
        if (s) return s;
    }
    return NN_OK;
}

/* NN_EEXISTS unless the checkpoint was made with these settings. */
static nn_status same_settings(const nn_st *f, const json_t *settings, nn_err *err)
{
    char text[NN_JSON_DIFFERENCES] = "";
    const char *kind = nn_st_meta(f, "kind"), *line = nn_st_meta(f, "settings");
    nn_err own = { 0 };
    json_t *there = kind && !strcmp(kind, KIND) && line ? nn_json_parse(line, strlen(line), f->path, &own) : NULL;
    const bool ours = json_is_object(there), other = ours && nn_json_differences(there, settings, text) > 0;
    json_decref(there);
    if (own.status == NN_ENOMEM) return nn_fail(err, NN_ENOMEM, "%s", own.msg);
    if (!ours) return nn_fail(err, NN_EEXISTS, "%s: is in the way and is no training checkpoint", f->path);
    if (other) return nn_fail(err, NN_EEXISTS, "%s: the checkpoint belongs to a run with other settings (%s)", f->path, text);
    return NN_OK;
}

nn_status dg_checkpoint_read(const char *path, const json_t *settings, bool replace, dg_member *member, int count, dg_net_size size,
                             nn_err *err)
{
    struct stat st;
    if (stat(path, &st) || (S_ISREG(st.st_mode) && st.st_size == 0)) return NN_OK;
    nn_st f;
    nn_err own = { 0 };
    nn_status s = nn_st_open(&f, path, &own);
    if (!s) s = same_settings(&f, settings, &own);
    if (!s) s = read_members(&f, member, count, size, err);
    else if (replace && s != NN_ENOMEM && s != NN_EIO) s = NN_OK;      /* not ours: the first checkpoint written replaces it */
    else s = nn_fail(err, s, "%s", own.msg);
    nn_st_close(&f);
    return s;
}

void dg_checkpoint_forget(const char *path, const json_t *settings)
{
    nn_st f;
    int lock;
    if (!nn_path_exists(path) || nn_file_lock(&lock, path, NULL)) return;              /* another process works on it */
    if (nn_st_open(&f, path, NULL) == NN_OK && same_settings(&f, settings, NULL) == NN_OK) nn_sys_unlink(path);
    nn_st_close(&f);
    nn_file_unlock(lock, path);
}
