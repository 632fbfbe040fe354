/* label_files.c: pictures of chosen seeds with all that the interpreter says of them, for people and their scripts. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "datasetgan/dataset.h"
#include "datasetgan/fields.h"
#include "datasetgan/folder.h"
#include "datasetgan/latents.h"
#include "datasetgan/set.h"
#include "nn/half.h"
#include "nn/hash.h"
#include "nn/npy.h"

static const char *const top[] = { "images", "labels", "uncertainty", "heat", "overlays", "probabilities", "votes", "metadata.jsonl", "classes.json", NULL };
enum { ALWAYS = 5, PROBABILITIES = ALWAYS, VOTES };              /* folders in `top` */
static const dg_folder_kind labels_kind = { "run.json", "label run", top };

/* An .npy of (K,height,width) numbers of 16 bits in the making: header, then the numbers little-endian. */
typedef struct { char *bytes; size_t header; } class_maps;

typedef struct {
    const sg_model *m;
    const dg_interp *in;
    const dg_label_options *o;
    dg_folder folder;
    nn_stage manifest;
    sg_work *work;
    dg_labeller *labeller;
    nn_image picture, label, heat, overlay;
    float *divergence;               /* (height,width) */
    float *mean;                     /* (K,height,width), or NULL */
    uint16_t *votes;                 /* (K,height,width), or NULL */
    class_maps probabilities, voted; /* mean as float16; votes */
    dg_task named;                   /* latents: a task that holds them */
    dg_latents latents;
    size_t count;
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

static size_t map_numbers(const job *j) { return (size_t)j->in->classes * (size_t)(j->label.width * j->label.height); }

static void put(class_maps *a, size_t i, uint16_t v)
{
    a->bytes[a->header + 2 * i] = (char)(v & 255);
    a->bytes[a->header + 2 * i + 1] = (char)(v >> 8);
}

static nn_status add_maps(const job *j, const class_maps *a, int folder, uint32_t seed, nn_err *err)
{
    char name[48];
    nn_format(name, sizeof name, "%s/%010u.npy", top[folder], (unsigned)seed);
    return dg_folder_add(&j->folder, name, a->bytes, a->header + 2 * map_numbers(j), err);
}

static nn_status add_probabilities(job *j, uint32_t seed, nn_err *err)
{
    for (size_t i = 0; i < map_numbers(j); i++) put(&j->probabilities, i, nn_half_from_float(j->mean[i]));
    return add_maps(j, &j->probabilities, PROBABILITIES, seed, err);
}

static nn_status add_votes(job *j, uint32_t seed, nn_err *err)
{
    for (size_t i = 0; i < map_numbers(j); i++) put(&j->voted, i, j->votes[i]);
    return add_maps(j, &j->voted, VOTES, seed, err);
}

/* Everything of picture n of the last drawing. */
static nn_status write_one(job *j, nn_dim n, uint32_t seed, nn_err *err)
{
    dg_labels l = { .label = j->label.pixels, .divergence = j->divergence, .mean = j->mean, .votes = j->votes };
    dg_sample sample = { .seed = seed };
    nn_palette palette = { .count = j->in->classes };
    for (int c = 0; c < j->in->classes; c++) memcpy(palette.rgb[c], j->in->class_at[c].rgb, 3);
    nn_image_from_planar(&j->picture, sg_picture(j->work, n));
    dg_label(j->labeller, j->work, n, &l);
    sample.uncertainty = l.uncertainty;
    sample.uncertainty_mean = dg_mean_divergence(j->divergence, j->label.width * j->label.height);
    if (!isfinite(l.uncertainty)) return nn_fail(err, NN_EFORMAT, "%s %u: the features of this picture are not finite", j->o->latents ? "latent" : "seed", (unsigned)seed);
    for (nn_dim i = 0; i < j->label.width * j->label.height; i++) sample.pixels[j->label.pixels[i]]++;
    paint_heat(j);
    paint_overlay(j);
    nn_status s = dg_pair_hash(&j->picture, &j->label, sample.sha256, err);
    if (!s) s = add_png(j, "images", seed, &j->picture, NULL, sample.file_sha256[0], err);
    if (!s) s = add_png(j, "labels", seed, &j->label, &palette, sample.file_sha256[1], err);
    if (!s) s = add_png(j, "heat", seed, &j->heat, NULL, NULL, err);
    if (!s) s = add_png(j, "overlays", seed, &j->overlay, NULL, NULL, err);
    if (!s) s = add_npy(j, seed, err);
    if (!s && j->mean) s = add_probabilities(j, seed, err);
    if (!s && j->votes) s = add_votes(j, seed, err);
    char *line = s ? NULL : dg_manifest_line(&sample, j->in->class_at, j->in->classes, err);
    if (!s) s = line ? nn_stage_add(&j->manifest, line, strlen(line), err) : NN_ENOMEM;
    nn_free(line);
    return s;
}

static nn_status open_maps(const job *j, class_maps *a, const char *descr, nn_err *err)
{
    char header[NN_NPY_HEADER];
    const uint64_t dim[3] = { (uint64_t)j->in->classes, (uint64_t)j->label.height, (uint64_t)j->label.width };
    a->header = nn_npy_header(header, descr, 3, dim);
    a->bytes = nn_alloc(a->header + 2 * map_numbers(j), "maps of each class", err);
    if (!a->bytes) return NN_ENOMEM;
    memcpy(a->bytes, header, a->header);
    return NN_OK;
}

static nn_status open_class_maps(job *j, nn_err *err)
{
    nn_status s = NN_OK;
    if (j->o->probabilities) {
        j->mean = nn_alloc(map_numbers(j) * sizeof *j->mean, "class probabilities", err);
        s = j->mean ? open_maps(j, &j->probabilities, "<f2", err) : NN_ENOMEM;
    }
    if (!s && j->o->votes) {
        j->votes = nn_alloc(map_numbers(j) * sizeof *j->votes, "votes", err);
        s = j->votes ? open_maps(j, &j->voted, "<u2", err) : NN_ENOMEM;
    }
    return s;
}

static nn_status open_workshop(job *j, nn_err *err)
{
    const sg_config *cfg = sg_get_config(j->m);
    const nn_dim width = cfg->resolution, height = cfg->height;
    const int threads = omp_get_max_threads();
    j->highest = log((double)(j->in->members < j->in->classes ? j->in->members : j->in->classes));
    if (j->highest <= 0.0) j->highest = 1.0;                   /* one member never disagrees */
    j->work = sg_work_open(j->m, j->o->batch, true, threads, err);
    j->labeller = j->work ? dg_labeller_open(j->in, j->m, threads, err) : NULL;
    j->divergence = j->labeller ? nn_alloc((size_t)(width * height) * sizeof *j->divergence, "a map of uncertainties", err) : NULL;
    nn_status s = j->divergence ? NN_OK : err->status;
    if (!s) s = nn_image_make(&j->picture, width, height, cfg->img_channels, err);
    if (!s) s = nn_image_make(&j->label, width, height, 1, err);
    if (!s) s = open_class_maps(j, err);
    if (!s) s = nn_image_make(&j->heat, width, height, 3, err);
    return s ? s : nn_image_make(&j->overlay, width, height, 3, err);
}

static void close_workshop(job *j)
{
    nn_image_free(&j->picture);
    nn_image_free(&j->label);
    nn_image_free(&j->heat);
    nn_image_free(&j->overlay);
    nn_free(j->divergence);
    nn_free(j->mean);
    nn_free(j->votes);
    nn_free(j->probabilities.bytes);
    nn_free(j->voted.bytes);
    nn_npy_free(&j->latents.numbers);
    dg_labeller_close(j->labeller);
    sg_work_close(j->work);
}

/* What a picture is called by: its seed, or its row. */
static uint32_t number(const job *j, size_t i) { return j->o->latents ? (uint32_t)i : j->o->seed[i]; }

static nn_status draw(job *j, size_t first, nn_dim n, nn_err *err)
{
    enum { BATCH_MAX = 256 };
    const dg_item *at[BATCH_MAX];
    dg_item *item;
    if (!j->o->latents) {
        sg_draw(j->m, j->work, j->o->seed + first, n, &j->o->draw, NULL);
        return NN_OK;
    }
    NN_ASSERT(n <= BATCH_MAX);
    item = nn_alloc((size_t)n * sizeof *item, "latents of a batch", err);
    if (!item) return NN_ENOMEM;
    for (nn_dim i = 0; i < n; i++) {
        item[i].seed = (uint32_t)(first + (size_t)i);
        item[i].space = j->o->space;
        at[i] = &item[i];
    }
    const nn_status s = dg_items_draw(&j->named, at, n, j->m, j->work, err);
    nn_free(item);
    return s;
}

static nn_status write_all(job *j, const dg_progress *p, nn_err *err)
{
    const dg_label_options *o = j->o;
    nn_status s = open_workshop(j, err);
    for (int i = 0; i <= VOTES && !s; i++)
        if (i < ALWAYS || (i == PROBABILITIES ? o->probabilities : o->votes)) s = dg_folder_make(&j->folder, top[i], err);
    json_t *v = s ? NULL : json_pack("{s:o, s:i}", "classes", dg_put_classes(j->in->class_at, j->in->classes), "void", NN_VOID);
    if (!s) s = v ? dg_folder_add_json(&j->folder, "classes.json", v, err) : nn_fail(err, NN_ENOMEM, "classes.json: not enough memory");
    json_decref(v);
    if (!s) s = dg_folder_open(&j->folder, &j->manifest, "metadata.jsonl", err);
    if (s) return s;
    for (size_t done = 0; done < j->count && !s;) {
        const size_t left = j->count - done;
        const nn_dim n = left < (size_t)o->batch ? (nn_dim)left : o->batch;
        s = draw(j, done, n, err);
        for (nn_dim i = 0; i < n && !s; i++) s = write_one(j, i, number(j, done + (size_t)i), err);
        done += (size_t)n;
        if (!s && p && p->report && !p->report(p->user, "picture", (double)done, (double)j->count, 0.0))
            s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %zu of %zu pictures", o->out, done, j->count);
    }
    if (s) nn_stage_abort(&j->manifest);
    return s ? s : dg_folder_close(&j->folder, &j->manifest, "metadata.jsonl", err);
}

/* Latents are known by their numbers: the file may be anywhere. */
static json_t *describe_latents(const job *j, nn_err *err)
{
    static const char *const space[] = { "z", "w", "w+" };
    const nn_npy *a = &j->latents.numbers;
    char hex[NN_HASH_HEX];
    size_t n = 1;
    for (int d = 0; d < a->rank; d++) n *= (size_t)a->dim[d];
    if (nn_hash_once(a->data, n * sizeof *a->data, hex, err)) return NULL;
    return json_pack("{s:s, s:I, s:s}", "space", space[j->o->space], "rows", (json_int_t)j->count, "sha256", hex);
}

static json_t *describe_seeds(const job *j)
{
    json_t *seeds = json_array();
    for (size_t i = 0; seeds && i < j->count; i++)
        if (json_array_append_new(seeds, json_integer(j->o->seed[i]))) { json_decref(seeds); return NULL; }
    return seeds;
}

/* A dataset's record with the list of seeds, or the latents. */
static json_t *describe(const job *j, nn_err *err)
{
    const dg_dataset_options like = { .draw = j->o->draw, .version = j->o->version };
    json_t *v = dg_run_describe(j->m, j->in, &like, err), *of = j->o->latents ? describe_latents(j, err) : describe_seeds(j);
    bool ok = v && of && json_object_set_new(v, "kind", json_string(labels_kind.kind)) == 0;
    ok = ok && json_object_set_new(v, "settings", json_pack("{s:O, s:o}", j->o->latents ? "latents" : "seeds", of, "draw", dg_put_draw(&j->o->draw))) == 0;
    if (ok && j->o->probabilities) ok = json_object_set_new(v, "probabilities", json_true()) == 0;
    if (ok && j->o->votes) ok = json_object_set_new(v, "votes", json_true()) == 0;
    json_decref(of);
    if (ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "run.json: not enough memory");
    return NULL;
}

static nn_status read_latents(job *j, nn_err *err)
{
    const dg_label_options *o = j->o;
    if (strlen(o->latents) >= sizeof j->latents.path || (o->array && strlen(o->array) >= sizeof j->latents.array))
        return nn_fail(err, NN_EINVAL, "%.64s...: the path or the array's name is too long", o->latents);
    nn_format(j->latents.path, sizeof j->latents.path, "%s", o->latents);
    nn_format(j->latents.array, sizeof j->latents.array, "%s", o->array ? o->array : "");
    nn_status s = dg_latents_read(&j->latents, err);
    j->named = (dg_task){ .draw = o->draw, .latents_count = 1, .latents = &j->latents };
    const dg_item first = { .space = o->space };
    if (!s) s = dg_latent_check(&j->named, &first, j->m, err);
    const uint64_t rows = s ? 0 : j->latents.numbers.dim[0];
    if (!s && (rows < 1 || rows > UINT32_MAX)) s = nn_fail(err, NN_ESHAPE, "%s: expected 1 to %u rows, found %ju", o->latents, UINT32_MAX, (uintmax_t)rows);
    j->count = (size_t)rows;
    return s;
}

nn_status dg_label_pictures(const sg_model *m, const dg_interp *in, const dg_label_options *o, const dg_progress *p, dg_label_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    job j = { .m = m, .in = in, .o = o, .count = o->count };
    nn_status s = dg_interp_check(in, m, err);
    if (!s && o->latents) s = read_latents(&j, err);
    if (!s && (j.count < 1 || o->batch < 1 || o->batch > 256)) s = nn_fail(err, NN_EINVAL, "label: expected at least 1 seed and a batch of 1 to 256");
    json_t *record = s ? NULL : describe(&j, err);
    if (!s) s = record ? dg_folder_begin(&j.folder, &labels_kind, o->out, record, o->replace, err) : NN_ENOMEM;
    *r = (dg_label_result){ j.count, j.folder.done };
    if (!s && !j.folder.done) s = write_all(&j, p, err);
    close_workshop(&j);
    json_decref(record);
    return dg_folder_end(&j.folder, s, err);
}
