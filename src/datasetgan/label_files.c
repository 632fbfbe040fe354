/* label_files.c: pictures of chosen seeds with all that the interpreter says of them, for people and their scripts. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "datasetgan/dataset.h"
#include "datasetgan/fields.h"
#include "datasetgan/folder.h"
#include "datasetgan/set.h"
#include "nn/hash.h"
#include "nn/npy.h"

static const char *const top[] = { "images", "labels", "uncertainty", "heat", "overlays", "metadata.jsonl", "classes.json", NULL };
static const dg_folder_kind labels_kind = { "run.json", "label run", top };

typedef struct {
    const sg_model *m;
    const dg_interp *in;
    const dg_label_options *o;
    dg_folder folder;
    nn_stage manifest;
    sg_work *work;
    dg_labeller *labeller;
    nn_image picture, label, heat, overlay;
    float *divergence;               /* (res,res) */
    double highest;                  /* what a divergence can be at most */
} job;

/* Black, red, yellow, white, by the square root: most divergences are far below the highest that is possible. */
static void paint_heat(const job *j)
{
    for (nn_dim i = 0; i < j->label.width * j->label.height; i++) {
        const double v = 3.0 * fmin(sqrt(fmax(j->divergence[i], 0.0f) / j->highest), 1.0);
        for (int c = 0; c < 3; c++) j->heat.pixels[3 * i + c] = (uint8_t)(255.0 * fmin(fmax(v - c, 0.0), 1.0) + 0.5);
    }
}

static void paint_overlay(const job *j)
{
    const nn_dim channels = j->picture.channels;
    for (nn_dim i = 0; i < j->label.width * j->label.height; i++)
        for (int c = 0; c < 3; c++)
            j->overlay.pixels[3 * i + c] = dg_mix(j->picture.pixels[i * channels + (channels < 3 ? 0 : c)], j->in->class_at[j->label.pixels[i]].rgb[c]);
}

/* hex (NULL: not wanted): the file's hash. */
static nn_status add_png(const job *j, const char *folder, uint32_t seed, const nn_image *im, const nn_palette *palette, char *hex, nn_err *err)
{
    char name[DG_SAMPLE_PATH];
    nn_bytes png = { 0 };
    dg_sample_path(name, folder, seed);
    nn_status s = nn_png_encode(im, palette, &png, err);
    if (!s && hex) s = nn_hash_once(png.data, png.size, hex, err);
    if (!s) s = dg_folder_add(&j->folder, name, png.data, png.size, err);
    nn_bytes_free(&png);
    return s;
}

static nn_status add_npy(const job *j, uint32_t seed, nn_err *err)
{
    char name[48], path[DG_PATH];
    const uint64_t dim[2] = { (uint64_t)j->label.height, (uint64_t)j->label.width };
    nn_format(name, sizeof name, "uncertainty/%010u.npy", (unsigned)seed);
    const nn_status s = dg_folder_path(&j->folder, path, name, err);
    return s ? s : nn_npy_write(path, j->divergence, 2, dim, err);
}

/* Everything of picture n of the last drawing. */
static nn_status write_one(job *j, nn_dim n, uint32_t seed, nn_err *err)
{
    dg_labels l = { .label = j->label.pixels, .divergence = j->divergence };
    dg_sample sample = { .seed = seed };
    nn_palette palette = { .count = j->in->classes };
    for (int c = 0; c < j->in->classes; c++) memcpy(palette.rgb[c], j->in->class_at[c].rgb, 3);
    nn_image_from_planar(&j->picture, sg_picture(j->work, n));
    dg_label(j->labeller, j->work, n, &l);
    sample.uncertainty = l.uncertainty;
    sample.uncertainty_mean = dg_mean_divergence(j->divergence, j->label.width * j->label.height);
    if (!isfinite(l.uncertainty)) return nn_fail(err, NN_EFORMAT, "seed %u: the features of this picture are not finite", (unsigned)seed);
    for (nn_dim i = 0; i < j->label.width * j->label.height; i++) sample.pixels[j->label.pixels[i]]++;
    paint_heat(j);
    paint_overlay(j);
    nn_status s = dg_pair_hash(&j->picture, &j->label, sample.sha256, err);
    if (!s) s = add_png(j, "images", seed, &j->picture, NULL, sample.file_sha256[0], err);
    if (!s) s = add_png(j, "labels", seed, &j->label, &palette, sample.file_sha256[1], err);
    if (!s) s = add_png(j, "heat", seed, &j->heat, NULL, NULL, err);
    if (!s) s = add_png(j, "overlays", seed, &j->overlay, NULL, NULL, err);
    if (!s) s = add_npy(j, seed, err);
    char *line = s ? NULL : dg_manifest_line(&sample, j->in->class_at, j->in->classes, err);
    if (!s) s = line ? nn_stage_add(&j->manifest, line, strlen(line), err) : NN_ENOMEM;
    nn_free(line);
    return s;
}

static nn_status open_workshop(job *j, nn_err *err)
{
    const sg_config *cfg = sg_get_config(j->m);
    const nn_dim res = cfg->resolution;
    const int threads = omp_get_max_threads();
    j->highest = log((double)(j->in->members < j->in->classes ? j->in->members : j->in->classes));
    if (j->highest <= 0.0) j->highest = 1.0;                   /* one member never disagrees */
    j->work = sg_work_open(j->m, j->o->batch, true, threads, err);
    j->labeller = j->work ? dg_labeller_open(j->in, j->m, threads, err) : NULL;
    j->divergence = j->labeller ? nn_alloc((size_t)(res * res) * sizeof *j->divergence, "a map of uncertainties", err) : NULL;
    nn_status s = j->divergence ? NN_OK : err->status;
    if (!s) s = nn_image_make(&j->picture, res, res, cfg->img_channels, err);
    if (!s) s = nn_image_make(&j->label, res, res, 1, err);
    if (!s) s = nn_image_make(&j->heat, res, res, 3, err);
    return s ? s : nn_image_make(&j->overlay, res, res, 3, err);
}

static void close_workshop(job *j)
{
    nn_image_free(&j->picture);
    nn_image_free(&j->label);
    nn_image_free(&j->heat);
    nn_image_free(&j->overlay);
    nn_free(j->divergence);
    dg_labeller_close(j->labeller);
    sg_work_close(j->work);
}

static nn_status write_all(job *j, const dg_progress *p, nn_err *err)
{
    const dg_label_options *o = j->o;
    nn_status s = open_workshop(j, err);
    for (int i = 0; i < 5 && !s; i++) s = dg_folder_make(&j->folder, top[i], err);
    json_t *v = s ? NULL : json_pack("{s:o, s:i}", "classes", dg_put_classes(j->in->class_at, j->in->classes), "void", NN_VOID);
    if (!s) s = v ? dg_folder_add_json(&j->folder, "classes.json", v, err) : nn_fail(err, NN_ENOMEM, "classes.json: not enough memory");
    json_decref(v);
    if (!s) s = dg_folder_open(&j->folder, &j->manifest, "metadata.jsonl", err);
    if (s) return s;
    for (size_t done = 0; done < o->count && !s;) {
        const size_t left = o->count - done;
        const nn_dim n = left < (size_t)o->batch ? (nn_dim)left : o->batch;
        sg_draw(j->m, j->work, o->seed + done, n, &o->draw, NULL);
        for (nn_dim i = 0; i < n && !s; i++) s = write_one(j, i, o->seed[done + (size_t)i], err);
        done += (size_t)n;
        if (!s && p && p->report && !p->report(p->user, "picture", (double)done, (double)o->count, 0.0))
            s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %zu of %zu pictures", o->out, done, o->count);
    }
    if (s) nn_stage_abort(&j->manifest);
    return s ? s : dg_folder_close(&j->folder, &j->manifest, "metadata.jsonl", err);
}

/* A dataset's record with the list of seeds. */
static json_t *describe(const job *j, nn_err *err)
{
    const dg_dataset_options like = { .draw = j->o->draw, .version = j->o->version };
    json_t *v = dg_run_describe(j->m, j->in, &like, err), *seeds = json_array();
    bool ok = v && seeds;
    for (size_t i = 0; ok && i < j->o->count; i++) ok = json_array_append_new(seeds, json_integer(j->o->seed[i])) == 0;
    ok = ok && json_object_set_new(v, "kind", json_string(labels_kind.kind)) == 0
         && json_object_set_new(v, "settings", json_pack("{s:O, s:o}", "seeds", seeds, "draw", dg_put_draw(&j->o->draw))) == 0;
    json_decref(seeds);
    if (ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "run.json: not enough memory");
    return NULL;
}

nn_status dg_label_seeds(const sg_model *m, const dg_interp *in, const dg_label_options *o, const dg_progress *p, bool *already, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    job j = { .m = m, .in = in, .o = o };
    if (o->count < 1 || o->batch < 1) return nn_fail(err, NN_EINVAL, "label: seeds and batch: expected at least 1");
    nn_status s = dg_interp_check(in, m, err);
    json_t *record = s ? NULL : describe(&j, err);
    if (!s) s = record ? dg_folder_begin(&j.folder, &labels_kind, o->out, record, o->replace, err) : NN_ENOMEM;
    *already = j.folder.done;
    if (!s && !j.folder.done) s = write_all(&j, p, err);
    close_workshop(&j);
    json_decref(record);
    return dg_folder_end(&j.folder, s, err);
}
