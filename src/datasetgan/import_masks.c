/* import_masks.c: labels that are pictures: our own label maps, VOC's palette PNGs, CVAT's "Segmentation mask 1.1", any colours with a
 * list that names them. */
#include "datasetgan/import.h"

#include <string.h>

enum { TEXT_BYTES_MAX = 1 << 20, PNG_BYTES_MAX = 1 << 30, NOWHERE = -1 };
static const char MASKS[] = "SegmentationClass", MAP[] = "labelmap.txt";

/* ---- labelmap.txt: what a colour, or its number, stands for ----------------------------------------------------------------------- */

static nn_status read_map(dg_import *x, const nn_bytes *text, const char *name, nn_err *err)
{
    nn_err e = { 0 };
    size_t n = 0;
    if (dg_labelmap_read((const char *)text->data, text->size, name, x->colour, x->coloured, NN_VOID, &n, &e)) return dg_import_problem(x, &e, err);
    for (size_t i = 0; i < n; i++) {
        x->colour_id[i] = dg_import_label(x, x->colour[i].name);
        for (size_t k = 0; k < i && !e.status; k++)
            if (x->coloured[i] && x->coloured[k] && !memcmp(x->colour[i].rgb, x->colour[k].rgb, 3))
                nn_fail(&e, NN_EFORMAT, "%s: \"%s\" and \"%s\" have the same colour", name, x->colour[k].name, x->colour[i].name);
    }
    x->colours = n;
    return e.status ? dg_import_problem(x, &e, err) : NN_OK;
}

static nn_status read_map_file(dg_import *x, const char *path, nn_err *err)
{
    nn_bytes b = { 0 };
    nn_status s = nn_file_read(path, TEXT_BYTES_MAX, &b, err);
    if (!s) s = read_map(x, &b, path, err);
    nn_bytes_free(&b);
    return s;
}

/* The number of a colour in the list, colours: none.  Neighbours mostly have the same: `hint` is tried first. */
static size_t find_colour(const dg_import *x, const uint8_t rgb[3], size_t hint)
{
    if (hint < x->colours && x->coloured[hint] && !memcmp(rgb, x->colour[hint].rgb, 3)) return hint;
    size_t i = 0;
    while (i < x->colours && (!x->coloured[i] || memcmp(rgb, x->colour[i].rgb, 3))) i++;
    return i;
}

/* ---- one mask -------------------------------------------------------------------------------------------------------------------- */

static nn_status bad_pixel(const dg_import *x, nn_dim i, const nn_image *from, nn_dim p, size_t colour, nn_err *e)
{
    const char *path = x->item[i].path;
    const nn_dim col = p % from->width, row = p / from->width;
    const uint8_t *v = from->pixels + p * from->channels;
    if (colour < x->colours)
        return nn_fail(e, NN_EFORMAT, "%s: column %td, row %td: \"%s\" is no class of the task", path, col, row, x->colour[colour].name);
    if (from->channels == 1) return nn_fail(e, NN_EFORMAT, "%s: class id %d at column %td, row %td: not in the list of classes", path, *v, col, row);
    return nn_fail(e, NN_EFORMAT, "%s: colour #%02x%02x%02x at column %td, row %td: not in the list of classes", path, v[0], v[1], v[2], col, row);
}

/* Of a grey picture all three are its value; alpha is not read. */
static void colour_at(const nn_image *im, nn_dim p, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++) rgb[c] = im->pixels[p * im->channels + (im->channels < 3 ? 0 : c)];
}

static nn_status paint_from(const dg_import *x, nn_dim i, const nn_image *from, bool by_colour, nn_image *im, nn_err *e)
{
    static const uint8_t voc_void[3] = { 224, 224, 192 };
    size_t colour = x->colours;
    if (from->width != im->width || from->height != im->height)
        return nn_fail(e, NN_ESHAPE, "%s: expected %td x %td as the picture, found %td x %td", x->item[i].path, im->width, im->height, from->width, from->height);
    for (nn_dim p = 0; p < im->width * im->height; p++) {
        uint8_t rgb[3];
        int id;
        if (by_colour) {
            colour_at(from, p, rgb);
            colour = find_colour(x, rgb, colour);
            id = colour < x->colours ? x->colour_id[colour] : !memcmp(rgb, voc_void, 3) ? NN_VOID : NOWHERE;
        } else {
            colour = from->pixels[p];
            id = colour < x->colours ? x->colour_id[colour] : colour == NN_VOID ? NN_VOID : NOWHERE;
        }
        if (id == NOWHERE) return bad_pixel(x, i, from, p, colour, e);
        im->pixels[p] = (uint8_t)id;
    }
    return NN_OK;
}

static nn_status paint_mask(dg_import *x, nn_dim i, bool by_colour, nn_image *im, nn_err *err)
{
    const dg_import_item *it = &x->item[i];
    nn_bytes b = { 0 };
    nn_image from = { 0 };
    nn_err e = { 0 };
    nn_status s = it->record ? nn_zip_get(&x->zip, it->record, &b, &e) : nn_file_read(it->path, PNG_BYTES_MAX, &b, &e);
    if (!s) s = nn_png_decode(b.data, b.size, !by_colour, it->path, &from, &e);
    if (!s) s = paint_from(x, i, &from, by_colour, im, &e);
    nn_image_free(&from);
    nn_bytes_free(&b);
    return s ? dg_import_problem(x, &e, err) : NN_OK;
}

/* ---- png: label maps, pixel = class id, or with --colours any colours --------------------------------------------------------------- */

static nn_status find_png(dg_import *x, nn_err *err)
{
    const nn_status s = x->o->colours ? read_map_file(x, x->o->colours, err) : NN_OK;
    return s ? s : dg_import_list(x, x->o->in, ".png", "_label", err);
}

static nn_status paint_png(dg_import *x, nn_dim i, nn_image *im, nn_err *err)
{
    if (x->o->colours) return paint_mask(x, i, true, im, err);
    dg_item it = x->task.item[i];
    nn_image label;
    nn_err e = { 0 };
    nn_format(it.label, sizeof it.label, "%s", x->item[i].path);
    if (dg_item_label(&x->task, &it, im->width, im->height, &label, &e)) return dg_import_problem(x, &e, err);
    memcpy(im->pixels, label.pixels, (size_t)(label.width * label.height));
    nn_image_free(&label);
    return NN_OK;
}

const dg_import_source dg_import_png = { "png", find_png, paint_png };

/* ---- cvat and voc: SegmentationClass/STEM.png and labelmap.txt, in a folder or a zip -------------------------------------------------- */

static nn_status find_in_zip(dg_import *x, nn_err *err)
{
    nn_status s = nn_zip_open(&x->zip, x->o->in, err);
    const nn_zip_entry *map = s ? NULL : nn_zip_find(&x->zip, MAP);
    if (map) {
        char name[DG_PATH];
        nn_bytes b = { 0 };
        nn_format(name, sizeof name, "%s: %s", x->o->in, MAP);
        s = nn_zip_get(&x->zip, map, &b, err);
        if (!s) s = read_map(x, &b, name, err);
        nn_bytes_free(&b);
    }
    for (size_t k = 0; k < x->zip.count && !s; k++) {
        const nn_zip_entry *r = &x->zip.entry[k];
        const size_t length = strlen(r->name), folder = strlen(MASKS);
        if (length > folder + 5 && !strncmp(r->name, MASKS, folder) && r->name[folder] == '/' && !strcmp(r->name + length - 4, ".png"))
            s = dg_import_give(x, NULL, r, "", err);
    }
    return s;
}

static nn_status find_in_folder(dg_import *x, nn_err *err)
{
    char path[DG_PATH];
    nn_status s = nn_path_join(path, sizeof path, x->o->in, MAP, err);
    if (!s && nn_path_exists(path)) s = read_map_file(x, path, err);
    if (!s) s = nn_path_join(path, sizeof path, x->o->in, MASKS, err);
    return s ? s : dg_import_list(x, path, ".png", "", err);
}

static nn_status find_masks(dg_import *x, nn_err *err)
{
    return nn_path_is_dir(x->o->in) ? find_in_folder(x, err) : find_in_zip(x, err);
}

/* CVAT's list is what gives its colours their names. */
static nn_status find_cvat(dg_import *x, nn_err *err)
{
    const nn_status s = find_masks(x, err);
    if (s || x->colours || x->problems) return s;
    return nn_fail(err, NN_EFORMAT, "%s: expected CVAT's 'Segmentation mask 1.1' with %s, found none", x->o->in, MAP);
}

/* Without a list the numbers are the task's own. */
static nn_status find_voc(dg_import *x, nn_err *err)
{
    const nn_status s = find_masks(x, err);
    if (s || x->colours || x->problems) return s;
    x->colours = (size_t)x->task.class_count;
    for (int c = 0; c < x->task.class_count; c++) {
        x->colour[c] = x->task.class_at[c];
        x->colour_id[c] = c;
    }
    return NN_OK;
}

static nn_status paint_cvat(dg_import *x, nn_dim i, nn_image *im, nn_err *err) { return paint_mask(x, i, true, im, err); }
static nn_status paint_voc(dg_import *x, nn_dim i, nn_image *im, nn_err *err) { return paint_mask(x, i, false, im, err); }

const dg_import_source dg_import_cvat = { "cvat", find_cvat, paint_cvat };
const dg_import_source dg_import_voc = { "voc", find_voc, paint_voc };
