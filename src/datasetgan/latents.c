/* latents.c: latents of annotated pictures that no seed gives: of other tools' pictures, of projected photographs. */
#include "datasetgan/latents.h"

#include <math.h>
#include <string.h>

enum { FILES_MAX = 1000 };

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static nn_status get_space(const dg_reader *r, const char *place, const json_t *v, dg_space *out)
{
    static const char *const name[] = { "z", "w", "w+" };
    const char *text = json_string_value(v);
    for (int i = 0; i < 3; i++) if (text && !strcmp(text, name[i])) { *out = (dg_space)i; return NN_OK; }
    return dg_refuse(r, place, "\"z\", \"w\" or \"w+\"", v);
}

static nn_status check_numbers(const dg_latents *f, nn_err *err)
{
    uint64_t count = 1;
    if (f->numbers.rank != 2 && f->numbers.rank != 3)
        return nn_fail(err, NN_ESHAPE, "%s: expected latents of the shape (rows, numbers) or (rows, layers, numbers), found %d sizes", f->path, f->numbers.rank);
    for (int d = 0; d < f->numbers.rank; d++) count *= f->numbers.dim[d];             /* nn_npy has all of them: no overflow */
    for (uint64_t i = 0; i < count; i++)
        if (!isfinite(f->numbers.data[i]))
            return nn_fail(err, NN_EFORMAT, "%s: row %ju: a number is not finite", f->path, (uintmax_t)(i / (count / f->numbers.dim[0])));
    return NN_OK;
}

nn_status dg_latents_read(dg_latents *f, nn_err *err)
{
    const nn_status s = nn_npz_read(f->path, *f->array ? f->array : NULL, &f->numbers, err);
    return s ? s : check_numbers(f, err);
}

/* Index of the file's numbers, which are read when they are not there yet. */
static nn_status find_file(dg_task *t, const char *path, const char *array, int *index, nn_err *err)
{
    for (int i = 0; i < t->latents_count; i++)
        if (!strcmp(t->latents[i].path, path) && !strcmp(t->latents[i].array, array)) { *index = i; return NN_OK; }
    if (t->latents_count == FILES_MAX) return nn_fail(err, NN_EFORMAT, "%s: expected at most %d files of latents", t->path, FILES_MAX);
    dg_latents *more = nn_alloc((size_t)(t->latents_count + 1) * sizeof *more, "latents of task.json", err);
    if (!more) return NN_ENOMEM;
    if (t->latents_count) memcpy(more, t->latents, (size_t)t->latents_count * sizeof *more);
    nn_free(t->latents);
    t->latents = more;
    dg_latents *f = &more[t->latents_count];
    *f = (dg_latents){ .numbers = { 0 } };
    nn_format(f->path, sizeof f->path, "%s", path);
    nn_format(f->array, sizeof f->array, "%s", array);
    *index = t->latents_count++;
    return dg_latents_read(f, err);
}

nn_status dg_latent_read(dg_task *t, const dg_reader *r, const char *place, const json_t *v, const char *folder, dg_item *it)
{
    char part[80], path[DG_PATH], array[DG_NAME] = "";
    nn_status s = json_is_object(v) ? NN_OK : dg_refuse(r, place, "an object", v);
    nn_format(part, sizeof part, "%s.file", place);
    if (!s) s = dg_get_path(r, part, json_object_get(v, "file"), folder, path);
    nn_format(part, sizeof part, "%s.array", place);
    if (!s && json_object_get(v, "array")) s = dg_get_text(r, part, json_object_get(v, "array"), array, sizeof array);
    nn_format(part, sizeof part, "%s.space", place);
    if (!s) s = get_space(r, part, json_object_get(v, "space"), &it->space);
    if (!s) s = find_file(t, path, array, &it->latents, r->err);
    const uint64_t *dim = s ? NULL : t->latents[it->latents].numbers.dim;
    int64_t row = 0;
    nn_format(part, sizeof part, "%s.row", place);
    if (!s && dim[0] == 0) s = nn_fail(r->err, NN_ESHAPE, "%s: holds no latents", path);
    if (!s) s = dg_get_whole(r, part, json_object_get(v, "row"), 0, (int64_t)(dim[0] - 1 < UINT32_MAX ? dim[0] - 1 : UINT32_MAX), &row);
    it->seed = (uint32_t)row;
    return s;
}

void dg_latents_free(dg_task *t)
{
    for (int i = 0; i < t->latents_count; i++) nn_npy_free(&t->latents[i].numbers);
    nn_free(t->latents);
    t->latents = NULL;
    t->latents_count = 0;
}

/* ---- using ------------------------------------------------------------------------------------------------------------ */

const real *dg_latent_at(const dg_task *t, const dg_item *it, nn_dim *count)
{
    const nn_npy *a = &t->latents[it->latents].numbers;
    *count = (nn_dim)(a->dim[1] * (a->rank == 3 ? a->dim[2] : 1));
    return a->data + (nn_dim)it->seed * *count;
}

void dg_latent_ws(const sg_model *m, real *ws, const real *latent, dg_space space, const sg_options *o)
{
    const sg_config *c = sg_get_config(m);
    real *w = ws + (c->num_ws - 1) * c->w_dim;             /* the last row is written last: room for w until then */
    if (space == DG_SPACE_WPLUS) memcpy(ws, latent, (size_t)(c->num_ws * c->w_dim) * sizeof *ws);
    else if (space == DG_SPACE_W) sg_truncate(m, ws, latent, 1, o);
    else {
        sg_mapping(m, w, latent, 1, o->class_id);
        sg_truncate(m, ws, w, 1, o);
    }
}

nn_status dg_latent_check(const dg_task *t, const dg_item *it, const sg_model *m, nn_err *err)
{
    const sg_config *c = sg_get_config(m);
    const nn_npy *a = &t->latents[it->latents].numbers;
    const uint64_t dim = (uint64_t)(it->space == DG_SPACE_Z ? c->z_dim : c->w_dim), layers = (uint64_t)c->num_ws;
    if (it->space != DG_SPACE_WPLUS) {
        if (a->rank == 2 && a->dim[1] == dim) return NN_OK;
        return nn_fail(err, NN_EMISMATCH, "%s: expected (rows, %ju) as the generator's %s, found %d sizes, the last %ju", t->latents[it->latents].path,
                       (uintmax_t)dim, it->space == DG_SPACE_Z ? "z" : "w", a->rank, (uintmax_t)a->dim[a->rank - 1]);
    }
    if (a->rank == 3 && a->dim[1] >= layers && a->dim[2] == dim) return NN_OK;
    return nn_fail(err, NN_EMISMATCH, "%s: expected (rows, %ju or more layers, %ju) as the generator's w+, found %d sizes, the last %ju",
                   t->latents[it->latents].path, (uintmax_t)layers, (uintmax_t)dim, a->rank, (uintmax_t)a->dim[a->rank - 1]);
}

const char *dg_item_name(const dg_task *t, const dg_item *it, char text[DG_ITEM_NAME])
{
    const char *file = it->latents < 0 ? NULL : strrchr(t->latents[it->latents].path, '/');
    if (it->latents < 0) nn_format(text, DG_ITEM_NAME, "seed %u", (unsigned)it->seed);
    else nn_format(text, DG_ITEM_NAME, "latent %u of %.60s", (unsigned)it->seed, file ? file + 1 : t->latents[it->latents].path);
    return text;
}

nn_status dg_items_draw(const dg_task *t, const dg_item *const *item, nn_dim n, const sg_model *m, sg_work *wk, nn_err *err)
{
    const sg_config *c = sg_get_config(m);
    real *z = nn_alloc((size_t)(c->z_dim + n * c->num_ws * c->w_dim) * sizeof *z, "latents of annotated pictures", err);
    uint32_t *seed = z ? nn_alloc((size_t)n * sizeof *seed, "latents of annotated pictures", err) : NULL;
    real *const ws = z ? z + c->z_dim : NULL;
    nn_status s = seed ? NN_OK : NN_ENOMEM;
    for (nn_dim i = 0; i < n && !s; i++) {
        nn_dim count;
        const bool seeded = item[i]->latents < 0;
        seed[i] = item[i]->seed;
        if (seeded) sg_z(m, item[i]->seed, z);
        else s = dg_latent_check(t, item[i], m, err);
        if (!s) dg_latent_ws(m, ws + i * c->num_ws * c->w_dim, seeded ? z : dg_latent_at(t, item[i], &count), seeded ? DG_SPACE_Z : item[i]->space, &t->draw);
    }
    if (!s) sg_synthesis(m, wk, ws, n, t->draw.noise, seed);
    nn_free(z);
    nn_free(seed);
    return s;
}
