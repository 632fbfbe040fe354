/* official.c: annotated pictures as DatasetGAN's code keeps them (its make_training_data.py and train_interpreter.py) become an annotation set.
 *
 * image_{i}.jpg is what the released code drew, image_mask{i}.npy its labels, latent_stylegan1.npy the z of all pictures.  Picture 0 of
 * make_training_data.py is the mean picture and has no z, so that picture i belongs to latent i - 1; train_interpreter.py takes latent i for
 * mask i.  Which of the two holds in a folder is found by drawing both. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "datasetgan/folder.h"
#include "datasetgan/import.h"
#include "datasetgan/latents.h"
#include "nn/hash.h"
#include "nn/jpeg.h"

enum { PICTURES_MAX = 100000, SHIFTS = 2 };

static const char *const top[] = { "task.json", "images", "labels", "latents", NULL };
static const dg_folder_kind set_kind = { "import.json", "imported annotation set", top };

typedef struct {
    const dg_official_options *o;
    const sg_model *m;
    dg_task task;
    nn_dim count;                    /* masks, pictures */
    nn_dim width, height, factor;    /* of the pictures; our pixels a side for one of theirs */
    nn_dim x0, y0;                   /* where they lie in ours, reduced */
    nn_npy z, average;               /* (N,z) or (N,layers,w); the mean of w, rank 0: not there */
    bool own_average;                /* the folder's mean is not the generator's: z become w+ by the folder's */
    nn_dim rows;                     /* row 0: the mean picture; row k + 1: latent k */
    real *ws;                        /* (rows,num_ws,w_dim) */
    double *trial[SHIFTS];           /* (count) PSNR when picture i belongs to latent i - shift; -1: there is none */
    int shift;
    sg_work *work;
    real *reduced;                   /* (channels,height/factor,res/factor) */
    nn_image picture, small, label;  /* ours; ours at their size; labels of ours */
    nn_bytes *drawn;                 /* (rows) the file of ours, of as many as there is room for */
    size_t drawn_bytes;
    nn_hash *hash;
    uint64_t problems;
} job;

static nn_status problem(job *j, nn_err *e, nn_err *err)
{
    if (e->status == NN_ENOMEM || e->status == NN_EIO) return nn_fail(err, e->status, "%s", e->msg);
    j->problems++;
    if (j->o->problem) j->o->problem(j->o->user, e->msg);
    *e = (nn_err){ 0 };
    return NN_OK;
}

/* ---- the folder's files --------------------------------------------------------------------------------------------------- */

static nn_status name_at(const job *j, const char *form, nn_dim i, char path[DG_PATH], nn_err *err)
{
    char name[64];
    nn_format(name, sizeof name, "%s", form);
    char *number = strchr(name, '#');
    nn_format(number, sizeof name - (size_t)(number - name), "%td%s", i, strchr(form, '#') + 1);
    return nn_path_join(path, DG_PATH, j->o->in, name, err);
}

/* image_{i}.jpg as released, or a PNG in its place. */
static nn_status picture_path(const job *j, nn_dim i, char path[DG_PATH], nn_err *err)
{
    nn_status s = name_at(j, "image_#.jpg", i, path, err);
    if (!s && !nn_path_exists(path)) {
        s = name_at(j, "image_#.png", i, path, err);
        if (!s && !nn_path_exists(path)) s = nn_fail(err, NN_EFORMAT, "%s: neither it nor a .jpg is there: without picture %td its latent cannot be found", path, i);
    }
    return s;
}

static nn_status read_latents(job *j, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    char path[DG_PATH];
    nn_status s = nn_path_join(path, sizeof path, j->o->latents ? j->o->latents : j->o->in, "latent_stylegan1.npy", err);
    if (!s) s = nn_npz_read(path, NULL, &j->z, err);
    const uint64_t *d = j->z.dim;
    if (!s && !(j->z.rank == 2 && d[1] == (uint64_t)c->z_dim) && !(j->z.rank == 3 && d[1] >= (uint64_t)c->num_ws && d[2] == (uint64_t)c->w_dim))
        return nn_fail(err, NN_ESHAPE, "%s: expected (pictures, %td) z or (pictures, %td or more, %td) w+ as the generator's, found %d sizes, the last %ju", path,
                       c->z_dim, c->num_ws, c->w_dim, j->z.rank, (uintmax_t)(j->z.rank ? d[j->z.rank - 1] : 0));
    if (s) return s;
    if (j->o->average) nn_format(path, sizeof path, "%s", j->o->average);
    else s = nn_path_join(path, sizeof path, j->o->latents ? j->o->latents : j->o->in, "avg_latent_stylegan1.npy", err);
    if (s || (!j->o->average && !nn_path_exists(path))) return s;
    s = nn_npz_read(path, NULL, &j->average, err);
    const uint64_t *a = j->average.dim;
    const int r = j->average.rank;
    if (!s && (r < 1 || a[r - 1] != (uint64_t)c->w_dim || (r > 1 && a[r - 2] < (uint64_t)c->num_ws) || (r > 2 && (r > 3 || a[0] != 1))))
        return nn_fail(err, NN_ESHAPE, "%s: expected (%td or more layers, %td), found %d sizes, the last %ju", path, c->num_ws, c->w_dim, r, (uintmax_t)(r ? a[r - 1] : 0));
    return s;
}

/* The mean of w at a layer, and whether it is the generator's but for rounding. */
static const real *average_at(const job *j, nn_dim layer)
{
    const nn_dim w = sg_get_config(j->m)->w_dim;
    return j->average.data + (j->average.rank > 1 ? layer * w : 0);
}

/* ws of every row.  z: lerp towards the mean on the layers below the cutoff.  (models/stylegan1.py Truncation) */
static nn_status make_rows(job *j, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    const nn_dim size = c->num_ws * c->w_dim, N = (nn_dim)j->z.dim[0];
    const sg_options raw = { .psi = 1.0, .cutoff = -1 }, none = { .psi = 0.0, .cutoff = -1 };
    const sg_options *draw = &j->task.draw;
    const nn_dim cutoff = draw->cutoff < 0 || draw->cutoff > c->num_ws ? c->num_ws : draw->cutoff;
    j->rows = 1 + (N < j->count ? N : j->count);
    j->ws = nn_alloc((size_t)(j->rows * size) * sizeof *j->ws, "latents of the pictures", err);
    if (!j->ws) return NN_ENOMEM;
    dg_latent_ws(j->m, j->ws, j->ws, DG_SPACE_W, &none);               /* psi 0: the generator's mean, whatever w is */
    double off = 0.0, most = 0.0;
    for (nn_dim i = 0; j->average.data && i < size; i++) {
        const double mean = average_at(j, i / c->w_dim)[i % c->w_dim];
        off = fmax(off, fabs(mean - j->ws[i]));
        most = fmax(most, fabs(mean));
        j->ws[i] = (real)mean;
    }
    j->own_average = off > 1e-4 * most;
    for (nn_dim k = 0; k + 1 < j->rows; k++) {
        real *ws = j->ws + (k + 1) * size;
        const real *latent = j->z.data + k * (nn_dim)(j->z.dim[1] * (j->z.rank == 3 ? j->z.dim[2] : 1));
        const bool final = j->z.rank == 3;
        dg_latent_ws(j->m, ws, latent, final ? DG_SPACE_WPLUS : DG_SPACE_Z, j->own_average ? &raw : draw);
        for (nn_dim i = 0; !final && j->own_average && i < cutoff * c->w_dim; i++) ws[i] = (real)(j->ws[i] + draw->psi * (ws[i] - j->ws[i]));
    }
    for (nn_dim i = 0; i < j->rows * size; i++)
        if (!isfinite(j->ws[i])) return nn_fail(err, NN_EFORMAT, "%s: row %td of the latents is not finite", j->o->in, i / size);
    return NN_OK;
}

/* Where a row of ws stands in the set: z as they came, everything else as w+.  Returns the space; random noise is drawn from the row. */
static dg_space place_of(const job *j, nn_dim row, uint32_t *in_file)
{
    const bool as_z = row > 0 && j->z.rank == 2 && !j->own_average;
    *in_file = (uint32_t)(as_z ? row - 1 : row);
    return as_z ? DG_SPACE_Z : DG_SPACE_WPLUS;
}

/* ---- pictures --------------------------------------------------------------------------------------------------------------- */

static nn_status draw_row(job *j, nn_dim row, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    uint32_t seed;
    place_of(j, row, &seed);
    sg_synthesis(j->m, j->work, j->ws + row * c->num_ws * c->w_dim, 1, j->task.draw.noise, &seed);
    const real *from = sg_picture(j->work, 0);
    nn_image_from_planar(&j->picture, from);
    if (j->factor == 1) { memcpy(j->small.pixels, j->picture.pixels, (size_t)(c->height * c->resolution * c->img_channels)); return NN_OK; }
    /* 1024 to 512: bilinear without antialiasing is the mean of each 2 x 2.  (utils.Interpolate) */
    nn_bilinear_ref(j->reduced, from, c->img_channels, c->height, c->resolution, j->small.height, j->small.width);
    nn_image_from_planar(&j->small, j->reduced);
    return err->status;
}

static nn_status keep_row(job *j, nn_dim row, nn_err *err)
{
    nn_bytes *png = &j->drawn[row];
    const nn_status s = j->drawn_bytes < DG_DRAWN_BYTES_MAX ? nn_png_encode(&j->picture, NULL, png, err) : NN_OK;
    j->drawn_bytes += png->size;
    return s;
}

/* PSNR of the drawn picture's part that the folder's shows. */
static nn_status measure(const job *j, nn_dim i, double *psnr, nn_err *err)
{
    char path[DG_PATH];
    nn_image im = { 0 };
    nn_status s = picture_path(j, i, path, err);
    if (!s) s = nn_picture_read(path, &im, err);
    if (!s && (im.width != j->width || im.height != j->height || im.channels != j->small.channels))
        s = nn_fail(err, NN_ESHAPE, "%s: expected %td x %td with %td channels as picture 0, found %td x %td with %td", path, j->width, j->height, j->small.channels,
                    im.width, im.height, im.channels);
    const nn_dim row = j->width * j->small.channels, step = j->small.width * j->small.channels;
    if (!s) *psnr = dg_psnr(im.pixels, row, j->small.pixels + j->y0 * step + j->x0 * j->small.channels, step, j->height, row);
    nn_image_free(&im);
    return s;
}

/* Sizes from the first picture: the generator's, half of it (1024 to 512), or rows cut from it (cars: 64 to 447 of 512). */
static nn_status find_sizes(job *j, nn_err *err)
{
    const nn_dim res = sg_get_config(j->m)->resolution, rows = sg_get_config(j->m)->height, channels = sg_get_config(j->m)->img_channels;
    char path[DG_PATH];
    nn_image im = { 0 };
    nn_status s = NN_OK;
    for (; j->count < PICTURES_MAX && !s; j->count++) {
        s = name_at(j, "image_mask#.npy", j->count, path, err);
        if (!s && !nn_path_exists(path)) break;
    }
    if (!s && j->count == 0) s = nn_fail(err, NN_EINVAL, "%s: no image_mask0.npy in it", j->o->in);
    if (!s) s = picture_path(j, 0, path, err);
    if (!s) s = nn_picture_read(path, &im, err);
    j->width = im.width;
    j->height = im.height;
    j->factor = im.width * 2 == res ? 2 : 1;
    nn_image_free(&im);
    if (s) return s;
    const nn_dim side = res / j->factor, high = rows / j->factor;
    if (j->width != side || j->height > high || (high - j->height) % 2)
        return nn_fail(err, NN_ESHAPE, "%s: expected %td x %td pixels as the generator draws, half of that, or rows from its middle, found %td x %td", path, res, rows,
                       j->width, j->height);
    j->y0 = (high - j->height) / 2;
    j->work = sg_work_open(j->m, 1, false, omp_get_max_threads(), err);
    j->reduced = j->work ? nn_alloc((size_t)(side * high * channels) * sizeof *j->reduced, "a picture", err) : NULL;
    if (!j->reduced) return err->status;
    s = nn_image_make(&j->picture, res, rows, channels, err);
    if (!s) s = nn_image_make(&j->small, side, high, channels, err);
    return s ? s : nn_image_make(&j->label, res, rows, 1, err);
}

/* Every picture against both latents that it may have; the better sum of the two decides for all of them. */
static nn_status find_shift(job *j, nn_err *err)
{
    nn_status s = NN_OK;
    double sum[SHIFTS] = { 0 };
    for (int t = 0; t < SHIFTS && !s; t++) {
        j->trial[t] = nn_alloc((size_t)j->count * sizeof **j->trial, "PSNR of the pictures", err);
        if (!j->trial[t]) s = NN_ENOMEM;
        for (nn_dim i = 0; i < j->count && !s; i++) j->trial[t][i] = -1.0;
    }
    if (!s && !(j->drawn = nn_alloc((size_t)j->rows * sizeof *j->drawn, "the pictures", err))) s = NN_ENOMEM;
    for (nn_dim row = 0; row < j->rows && !s; row++) {
        s = draw_row(j, row, err);
        if (!s) s = keep_row(j, row, err);
        for (int t = 0; t < SHIFTS && !s; t++) {
            const nn_dim i = row - 1 + t;
            if (i >= 0 && i < j->count) s = measure(j, i, &j->trial[t][i], err);
        }
    }
    for (int t = 0; t < SHIFTS && !s; t++) for (nn_dim i = 0; i < j->count; i++) sum[t] += j->trial[t][i];
    j->shift = sum[1] > sum[0];
    for (nn_dim i = 0; i < j->count && !s; i++) {
        char path[DG_PATH];
        nn_err e = { 0 };
        char item[32] = "the mean picture";
        const double psnr = j->trial[j->shift][i];
        if (i >= j->shift) nn_format(item, sizeof item, "latent %td", i - j->shift);
        if ((s = picture_path(j, i, path, err))) break;
        if (psnr < 0.0) nn_fail(&e, NN_EMISMATCH, "%s: there are only %ju latents", path, (uintmax_t)j->z.dim[0]);
        else if (j->o->measured) j->o->measured(j->o->user, path, item, psnr);
        if (psnr >= 0.0 && psnr < j->o->min_psnr)
            nn_fail(&e, NN_EMISMATCH, "%s: PSNR %.1f dB against what the generator draws for %s, expected at least %g: picture, latent and generator do "
                    "not belong together", path, psnr, item, j->o->min_psnr);
        if (e.status) s = problem(j, &e, err);
    }
    return s;
}

/* ---- labels ----------------------------------------------------------------------------------------------------------------- */

/* The mask at the picture's size, as cv2.resize with INTER_NEAREST, laid into ours; what the picture does not show is void. */
static nn_status lay_mask(job *j, nn_dim i, nn_err *err)
{
    char path[DG_PATH];
    nn_npy a = { 0 };
    nn_status s = name_at(j, "image_mask#.npy", i, path, err);
    if (!s) s = nn_npz_read(path, NULL, &a, err);
    nn_dim size[2] = { 0 }, sizes = 0;
    for (int d = 0; d < a.rank; d++) if (a.dim[d] != 1) { if (sizes < 2) size[sizes] = (nn_dim)a.dim[d]; sizes++; }
    if (!s && (sizes != 2 || size[0] < 1 || size[1] < 1)) s = nn_fail(err, NN_ESHAPE, "%s: expected labels of the shape (height, width), found %d sizes", path, a.rank);
    memset(j->label.pixels, NN_VOID, (size_t)(j->label.width * j->label.height));
    const nn_dim f = j->factor;
    for (nn_dim y = 0; y < j->height * f && !s; y++)
        for (nn_dim x = 0; x < j->width * f && !s; x++) {
            const nn_dim row = y / f * size[0] / j->height, column = x / f * size[1] / j->width;
            const real id = a.data[row * size[1] + column];
            if (!(id >= 0 && id < (real)j->task.class_count && id == (real)(int)id))
                s = nn_fail(err, NN_EFORMAT, "%s: class id %g at column %td, row %td; expected 0..%d", path, (double)id, column, row, j->task.class_count - 1);
            else j->label.pixels[(y + j->y0 * f) * j->label.width + x + j->x0 * f] = (uint8_t)id;
        }
    nn_npy_free(&a);
    return s;
}

/* ---- the set ---------------------------------------------------------------------------------------------------------------- */

static nn_status hash_all(job *j, nn_err *err)
{
    char *line = nn_json_line(j->task.json, err);
    j->hash = line ? nn_hash_open(err) : NULL;
    nn_status s = j->hash ? NN_OK : NN_ENOMEM;
    const sg_config *c = sg_get_config(j->m);
    if (!s) {
        nn_hash_add(j->hash, line, strlen(line));
        nn_hash_add(j->hash, sg_identity(j->m), 64);
        nn_hash_add(j->hash, &j->shift, sizeof j->shift);
        nn_hash_add(j->hash, j->ws, (size_t)(j->rows * c->num_ws * c->w_dim) * sizeof *j->ws);
    }
    for (nn_dim i = 0; i < j->count && !s; i++) {
        nn_err e = { 0 };
        if (lay_mask(j, i, &e)) s = problem(j, &e, err);
        else nn_hash_add(j->hash, j->label.pixels, (size_t)(j->label.width * j->label.height));
    }
    nn_free(line);
    return s;
}

static nn_status add_item(job *j, const dg_folder *f, nn_dim i, json_t *items, nn_err *err)
{
    char image[48], label[48];
    uint32_t row;
    nn_palette palette = { .count = 256 };
    for (int c = 0; c < 256; c++) memcpy(palette.rgb[c], c < j->task.class_count ? j->task.class_at[c].rgb : (const uint8_t[]){ 224, 224, 192 }, 3);
    const nn_dim at = i + 1 - j->shift;
    const dg_space space = place_of(j, at, &row);
    nn_bytes *drawn = &j->drawn[at], png = { 0 };
    nn_format(image, sizeof image, "images/image_%td.png", i);
    nn_format(label, sizeof label, "labels/image_%td.png", i);
    nn_status s = lay_mask(j, i, err);
    if (!s && !drawn->data && !(s = draw_row(j, at, err))) s = nn_png_encode(&j->picture, NULL, drawn, err);
    if (!s) s = dg_folder_add(f, image, drawn->data, drawn->size, err);
    if (!s) s = nn_png_encode(&j->label, &palette, &png, err);
    if (!s) s = dg_folder_add(f, label, png.data, png.size, err);
    nn_bytes_free(&png);
    nn_bytes_free(drawn);
    if (s) return s;
    json_t *v = json_pack("{s:s, s:s, s:{s:s, s:I, s:s}, s:s}", "image", image, "label", label, "latent", "file", space == DG_SPACE_Z ? "latents/z.npy" : "latents/w.npy",
                          "row", (json_int_t)row, "space", space == DG_SPACE_Z ? "z" : "w+", "split", "train");
    return json_array_append_new(items, v) ? nn_fail(err, NN_ENOMEM, "task.json: not enough memory") : NN_OK;
}

static nn_status write_latents(const job *j, const dg_folder *f, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    const bool as_z = j->z.rank == 2 && !j->own_average;
    char path[DG_PATH];
    nn_status s = dg_folder_make(f, "latents", err);
    if (!s) s = dg_folder_path(f, path, "latents/w.npy", err);
    if (!s && (!as_z || j->shift)) s = nn_npy_write(path, j->ws, 3, (const uint64_t[]){ as_z ? 1 : (uint64_t)j->rows, (uint64_t)c->num_ws, (uint64_t)c->w_dim }, err);
    if (!s) s = dg_folder_path(f, path, "latents/z.npy", err);
    return !s && as_z ? nn_npy_write(path, j->z.data, 2, j->z.dim, err) : s;
}

static nn_status write_set(job *j, const dg_folder *f, nn_err *err)
{
    json_t *task = nn_json_copy(j->task.json), *items = json_array(), *g = json_object_get(task, "generator");
    const char *file = j->o->generator ? j->o->generator : *j->task.generator ? j->task.generator : NULL;
    char way[DG_PATH];
    nn_status s = task && items ? NN_OK : nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!s) s = dg_folder_make(f, "images", err);
    if (!s) s = dg_folder_make(f, "labels", err);
    if (!s) s = write_latents(j, f, err);
    if (!s && file) s = dg_folder_way(f, file, way, err);
    for (nn_dim i = 0; i < j->count && !s; i++) s = add_item(j, f, i, items, err);
    if (!s && (json_object_set(task, "items", items) || json_object_set_new(g, "sha256", json_string(sg_identity(j->m)))
               || (file && json_object_set_new(g, "file", json_string(way))))) s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!s) s = dg_folder_add_json(f, "task.json", task, err);
    json_decref(items);
    json_decref(task);
    return s;
}

static void close_job(job *j)
{
    for (int t = 0; t < SHIFTS; t++) nn_free(j->trial[t]);
    for (nn_dim row = 0; j->drawn && row < j->rows; row++) nn_bytes_free(&j->drawn[row]);
    nn_free(j->drawn);
    nn_npy_free(&j->z);
    nn_npy_free(&j->average);
    nn_image_free(&j->picture);
    nn_image_free(&j->small);
    nn_image_free(&j->label);
    nn_free(j->ws);
    nn_free(j->reduced);
    sg_work_close(j->work);
    dg_task_free(&j->task);
}

nn_status dg_import_official(const sg_model *m, const dg_official_options *o, dg_official_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    *r = (dg_official_result){ 0 };
    job j = { .o = o, .m = m };
    dg_folder f = { 0 };
    char content[65] = "";
    nn_status s = dg_task_read(&j.task, o->task, err);
    if (!s) s = dg_task_check_generator(&j.task, m, err);
    if (!s) s = find_sizes(&j, err);
    if (!s) s = read_latents(&j, err);
    if (!s) s = make_rows(&j, err);
    if (!s) s = find_shift(&j, err);
    if (!s) s = hash_all(&j, err);
    if (j.hash) nn_hash_close(j.hash, content);
    if (!s && j.problems) s = nn_fail(err, NN_EMISMATCH, "%s: %ju problem%s; nothing was written", o->in, (uintmax_t)j.problems, j.problems == 1 ? "" : "s");
    json_t *record = s ? NULL : json_pack("{s:s, s:i, s:s, s:s}", "kind", set_kind.kind, "format", 1, "from", "official", "sha256", content);
    if (!s && !record) s = nn_fail(err, NN_ENOMEM, "import.json: not enough memory");
    if (!s) s = dg_folder_begin(&f, &set_kind, o->out, record, o->replace, err);
    if (!s && !f.done) s = write_set(&j, &f, err);
    s = dg_folder_end(&f, s, err);
    *r = (dg_official_result){ .pictures = (uint64_t)j.count, .shift = j.shift, .own_average = j.own_average, .already = f.done };
    json_decref(record);
    close_job(&j);
    return s;
}
