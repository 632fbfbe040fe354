/* import_pictures.c: pictures of a set against what the generator draws: those made elsewhere, by their latents, and any others. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/import.h"
#include "datasetgan/latents.h"
#include "nn/jpeg.h"

enum { SAME_PSNR = 100 };

double dg_psnr(const uint8_t *a, nn_dim a_step, const uint8_t *b, nn_dim b_step, nn_dim rows, nn_dim row)
{
    double sum = 0.0;
    for (nn_dim y = 0; y < rows; y++)
        for (nn_dim x = 0; x < row; x++) {
            const int d = a[y * a_step + x] - b[y * b_step + x];
            sum += d * d;
        }
    return sum > 0.0 ? 10.0 * log10(65025.0 * (double)(rows * row) / sum) : SAME_PSNR;
}

/* ---- items of pictures made elsewhere ------------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* As bytes, but runs of digits by the numbers that they are: image_2 before image_10. */
static int by_number(const void *pa, const void *pb)
{
    const char *a = *(char *const *)pa, *b = *(char *const *)pb;
    while (*a && *b) {
        if (!is_digit(*a) || !is_digit(*b)) {
            if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++, b++;
            continue;
        }
        while (*a == '0') a++;
        while (*b == '0') b++;
        size_t n = 0, m = 0;
        while (is_digit(a[n])) n++;
        while (is_digit(b[m])) m++;
        const int order = n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);
        if (order) return order;
        a += n, b += m;
    }
    return (*a != 0) - (*b != 0);
}

static nn_status add_item(dg_import *x, const char *name, nn_dim row, json_t *items, nn_err *err)
{
    static const char *const space[] = { "z", "w", "w+" };
    dg_item *it = &x->task.item[row];
    *it = (dg_item){ .seed = (uint32_t)row, .space = x->o->space, .split = "train" };
    const nn_status s = nn_path_join(it->image, sizeof it->image, x->o->pictures, name, err);
    json_t *latent = s ? NULL : json_pack("{s:s, s:I, s:s}", "file", "", "row", (json_int_t)row, "space", space[x->o->space]);
    if (latent && x->o->array) json_object_set_new(latent, "array", json_string(x->o->array));
    if (s || json_array_append_new(items, latent ? json_pack("{s:s, s:s, s:o, s:s}", "image", name, "label", name, "latent", latent, "split", "train") : NULL))
        return s ? s : nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    return dg_latent_check(&x->task, it, x->o->m, err);
}

/* The task's own items go: it gives classes and how pictures are drawn. */
static nn_status take_latents(dg_import *x, nn_err *err)
{
    dg_task *t = &x->task;
    nn_free(t->item);
    t->item = NULL;
    t->item_count = 0;
    dg_latents_free(t);
    t->latents = nn_alloc(sizeof *t->latents, "latents", err);
    if (!t->latents) return NN_ENOMEM;
    *t->latents = (dg_latents){ .numbers = { 0 } };
    t->latents_count = 1;
    if (strlen(x->o->latents) >= DG_PATH || (x->o->array && strlen(x->o->array) >= DG_NAME)) return nn_fail(err, NN_EINVAL, "--latents: the name is too long");
    nn_format(t->latents->path, DG_PATH, "%s", x->o->latents);
    nn_format(t->latents->array, DG_NAME, "%s", x->o->array ? x->o->array : "");
    return dg_latents_read(t->latents, err);
}

nn_status dg_import_elsewhere(dg_import *x, nn_err *err)
{
    static const char *const endings[] = { ".png", ".jpg", ".jpeg", NULL };
    dg_task *t = &x->task;
    nn_names names = { 0 };
    nn_status s = take_latents(x, err);
    json_t *items = json_array();
    if (!s && (!items || json_object_set(t->json, "items", items))) s = nn_fail(err, NN_ENOMEM, "task.json: not enough memory");
    if (!s) s = dg_import_names(&names, x->o->pictures, endings, err);
    if (!s && names.count != t->latents->numbers.dim[0])
        s = nn_fail(err, NN_EMISMATCH, "%s: expected a picture for each of the %ju latents of %s, found %zu", x->o->pictures, (uintmax_t)t->latents->numbers.dim[0],
                    x->o->latents, names.count);
    if (!s) t->item = nn_alloc(names.count * sizeof *t->item, "items", err);
    if (!s && !t->item) s = NN_ENOMEM;
    if (!s) qsort(names.name, names.count, sizeof *names.name, by_number);
    for (size_t i = 0; i < names.count && !s; i++, t->item_count++) s = add_item(x, names.name[i], (nn_dim)i, items, err);
    nn_names_free(&names);
    json_decref(items);
    return s;
}

/* ---- one picture ------------------------------------------------------------------------------------------------------------- */

/* Told and judged once, in the first of the two readings. */
static nn_status compare(dg_import *x, nn_dim i, const nn_image *drawn, nn_err *e)
{
    const dg_item *it = &x->task.item[i];
    nn_image stored = { 0 };
    char name[DG_ITEM_NAME];
    nn_status s = nn_picture_read(it->image, &stored, e);
    dg_item_name(&x->task, it, name);
    if (!s && (stored.width != drawn->width || stored.height != drawn->height || stored.channels != drawn->channels))
        s = nn_fail(e, NN_EMISMATCH, "%s: expected %td x %td with %td channels as the generator draws %s, found %td x %td with %td", it->image, drawn->width, drawn->height,
                    drawn->channels, name, stored.width, stored.height, stored.channels);
    if (!s) {
        const nn_dim row = drawn->width * drawn->channels;
        const double psnr = dg_psnr(stored.pixels, row, drawn->pixels, row, drawn->height, row);
        if (x->o->measured) x->o->measured(x->o->user, it->image, name, psnr);
        if (psnr < x->o->min_psnr)
            s = nn_fail(e, NN_EMISMATCH, "%s: PSNR %.1f dB against what the generator draws for %s, expected at least %g: picture, latent and generator do not belong "
                        "together", it->image, psnr, name, x->o->min_psnr);
    }
    nn_image_free(&stored);
    return s;
}

nn_status dg_import_draw(dg_import *x, nn_dim i, nn_image *picture, nn_bytes *png, nn_err *err)
{
    const sg_config *c = sg_get_config(x->o->m);
    const dg_item *it = &x->task.item[i];
    nn_err e = { 0 };
    nn_status s = dg_items_draw(&x->task, &it, 1, x->o->m, x->work, &e);
    if (!s) s = nn_image_make(picture, c->resolution, c->height, c->img_channels, &e);
    if (!s) nn_image_from_planar(picture, sg_picture(x->work, 0));
    if (!s && !x->measured) s = compare(x, i, picture, &e);
    if (!s) s = nn_png_encode(picture, NULL, png, &e);
    if (!s) return NN_OK;
    nn_image_free(picture);
    x->unlike = x->unlike || s == NN_EMISMATCH;
    return dg_import_problem(x, &e, err);
}
