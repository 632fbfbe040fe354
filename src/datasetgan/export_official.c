/* export_official.c: an annotation set as DatasetGAN's code keeps it, for its train_interpreter.py.  official.c reads it back. */
#include <omp.h>
#include <string.h>

#include "datasetgan/folder.h"
#include "datasetgan/latents.h"
#include "nn/hash.h"
#include "nn/jpeg.h"

enum { JPEG_QUALITY = 95 };             /* 35 to 37 dB on the bundle (docs/FILES.md) */
static const char *const top[] = { "annotation", "latent", NULL };
static const dg_folder_kind kind = { "export.json", "dataset export", top };

typedef struct {
    const dg_task *t;
    const sg_model *m;
    bool as_z;                       /* every picture has a z: latents are (N,z), else (N,layers,w), annotation_data_from_w */
    nn_dim size;                     /* numbers of a latent */
    real *latent;                    /* (items,size) */
    real *average;                   /* (layers,w): the mean of w, as avg_latent_stylegan1.npy has it */
    real *mask;                      /* (height,res) */
    sg_work *work;
    nn_image picture;
    nn_hash *hash;
} job;

static nn_status gather_latents(job *j, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    const dg_task *t = j->t;
    const nn_dim ws = c->num_ws * c->w_dim;
    const sg_options mean = { .psi = 0.0, .cutoff = -1 };
    j->as_z = true;
    for (nn_dim i = 0; i < t->item_count; i++) j->as_z = j->as_z && (t->item[i].latents < 0 || t->item[i].space == DG_SPACE_Z);
    j->size = j->as_z ? c->z_dim : ws;
    real *const block = nn_alloc((size_t)(t->item_count * j->size + ws + c->z_dim + c->height * c->resolution) * sizeof *block, "latents of the pictures", err);
    if (!block) return NN_ENOMEM;
    j->latent = block;
    j->average = block + t->item_count * j->size;
    j->mask = j->average + ws;
    real *const z = j->mask + c->height * c->resolution;
    memset(z, 0, (size_t)c->z_dim * sizeof *z);
    dg_latent_ws(j->m, j->average, z, DG_SPACE_Z, &mean);              /* psi 0: whatever z is */
    for (nn_dim i = 0; i < t->item_count; i++) {
        const dg_item *it = &t->item[i];
        const nn_status s = it->latents < 0 ? NN_OK : dg_latent_check(t, it, j->m, err);
        if (s) return s;
        nn_dim count;
        const real *from = it->latents < 0 ? z : dg_latent_at(t, it, &count);
        if (it->latents < 0) sg_z(j->m, it->seed, z);
        if (j->as_z) memcpy(j->latent + i * j->size, from, (size_t)j->size * sizeof *z);
        else dg_latent_ws(j->m, j->latent + i * j->size, from, it->latents < 0 ? DG_SPACE_Z : it->space, &t->draw);
    }
    return NN_OK;
}

/* The label of item i into j->mask.  The released code trains on every pixel, so that there is no value for void. */
static nn_status read_mask(job *j, nn_dim i, nn_err *err)
{
    const dg_item *it = &j->t->item[i];
    const nn_dim width = sg_get_config(j->m)->resolution, height = sg_get_config(j->m)->height;
    nn_image label;
    nn_status s = dg_item_label(j->t, it, width, height, &label, err);
    for (nn_dim p = 0; p < width * height && !s; p++) {
        j->mask[p] = label.pixels[p];
        if (label.pixels[p] == NN_VOID)
            s = nn_fail(err, NN_EFORMAT, "%s: column %td, row %td is void: expected a class id, DatasetGAN's code has no void", it->label, p % width, p / width);
    }
    nn_image_free(&label);
    return s;
}

static nn_status draw_item(job *j, nn_dim i, nn_err *err)
{
    const dg_item *it = &j->t->item[i];
    nn_status s = dg_items_draw(j->t, &it, 1, j->m, j->work, err);
    if (!s) s = dg_item_check_picture(j->t, it, j->m, sg_picture(j->work, 0), err);
    if (!s) nn_image_from_planar(&j->picture, sg_picture(j->work, 0));
    return s;
}

/* All labels and pictures are looked at before anything is written. */
static nn_status check_items(job *j, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    nn_status s = NN_OK;
    j->hash = nn_hash_open(err);
    if (!j->hash) return NN_ENOMEM;
    nn_hash_add(j->hash, sg_identity(j->m), 64);
    nn_hash_add(j->hash, j->latent, (size_t)(j->t->item_count * j->size + c->num_ws * c->w_dim) * sizeof *j->latent);   /* and average */
    for (nn_dim i = 0; i < j->t->item_count && !s; i++) {
        s = read_mask(j, i, err);
        if (!s) s = draw_item(j, i, err);
        if (!s) nn_hash_add(j->hash, j->mask, (size_t)(c->height * c->resolution) * sizeof *j->mask);
    }
    return s;
}

static nn_status write_item(job *j, const dg_folder *f, nn_dim i, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    char name[64], path[DG_PATH];
    nn_bytes jpeg = { 0 };
    nn_status s = read_mask(j, i, err);
    nn_format(name, sizeof name, "annotation/image_mask%td.npy", i);
    if (!s) s = dg_folder_path(f, path, name, err);
    if (!s) s = nn_npy_write(path, j->mask, 2, (const uint64_t[]){ (uint64_t)c->height, (uint64_t)c->resolution }, err);
    nn_format(name, sizeof name, "annotation/image_%td.jpg", i);
    if (!s) s = draw_item(j, i, err);
    if (!s) s = nn_jpeg_encode(&j->picture, JPEG_QUALITY, &jpeg, err);
    if (!s) s = dg_folder_add(f, name, jpeg.data, jpeg.size, err);
    nn_bytes_free(&jpeg);
    return s;
}

static nn_status write_all(job *j, const dg_folder *f, nn_err *err)
{
    const sg_config *c = sg_get_config(j->m);
    const uint64_t latent[] = { (uint64_t)j->t->item_count, (uint64_t)(j->as_z ? c->z_dim : c->num_ws), (uint64_t)c->w_dim };
    char path[DG_PATH];
    nn_status s = dg_folder_make(f, "annotation", err);
    if (!s) s = dg_folder_make(f, "latent", err);
    for (nn_dim i = 0; i < j->t->item_count && !s; i++) s = write_item(j, f, i, err);
    if (!s) s = dg_folder_path(f, path, "latent/latent_stylegan1.npy", err);
    if (!s) s = nn_npy_write(path, j->latent, j->as_z ? 2 : 3, latent, err);
    if (!s) s = dg_folder_path(f, path, "latent/avg_latent_stylegan1.npy", err);
    return s ? s : nn_npy_write(path, j->average, 2, (const uint64_t[]){ (uint64_t)c->num_ws, (uint64_t)c->w_dim }, err);
}

nn_status dg_export_official(const dg_task *t, const sg_model *m, const char *out, bool replace, dg_export_result *r, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    *r = (dg_export_result){ 0 };
    const sg_config *c = sg_get_config(m);
    job j = { .t = t, .m = m };
    dg_folder f = { 0 };
    char content[65] = "";
    nn_status s = dg_task_check_generator(t, m, err);
    if (!s && t->item_count == 0) s = nn_fail(err, NN_EINVAL, "%s: there are no pictures in it", t->path);
    if (!s && c->img_channels == 4) s = nn_fail(err, NN_EINVAL, "%s: pictures with alpha cannot be JPEG files", t->path);
    if (!s) s = gather_latents(&j, err);
    if (!s) s = nn_image_make(&j.picture, c->resolution, c->height, c->img_channels, err);
    j.work = s ? NULL : sg_work_open(m, 1, false, omp_get_max_threads(), err);
    if (!s && !j.work) s = err->status;
    if (!s) s = check_items(&j, err);
    if (j.hash) nn_hash_close(j.hash, content);
    json_t *record = s ? NULL : json_pack("{s:s, s:i, s:s, s:s}", "kind", kind.kind, "format", 1, "as", "official", "sha256", content);
    if (!s && !record) s = nn_fail(err, NN_ENOMEM, "export.json: not enough memory");
    if (!s) s = dg_folder_begin(&f, &kind, out, record, replace, err);
    if (!s && !f.done) s = write_all(&j, &f, err);
    s = dg_folder_end(&f, s, err);
    *r = (dg_export_result){ .samples = (uint64_t)t->item_count, .of = (uint64_t)t->item_count, .already = f.done };
    json_decref(record);
    nn_image_free(&j.picture);
    sg_work_close(j.work);
    nn_free(j.latent);
    return s;
}
