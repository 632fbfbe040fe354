/* export_npz.c: one .npz a split, as ddpm-segmentation's train_deeplab.py loads it: arr_0 pictures (N,H,W,3), arr_1 label maps (N,H,W),
 * arr_2 uncertainties (N).  (yandex-research/ddpm-segmentation generate_dataset.py save_samples; numpy.savez)
 *
 * A zip of stored arrays, written front to back: sizes and sums follow each array and stand again in the directory at the end, with
 * 64-bit fields only where the others are too small.  (PKWARE APPNOTE.TXT 6.3: 4.3.7, 4.3.9, 4.3.12, 4.3.14 to 4.3.16, 4.5.3) */
#include "datasetgan/export.h"

#include <string.h>
#include <zlib.h>

#include "nn/npy.h"
#include "nn/sys.h"

enum { ARRAYS = 3, CHUNK = 1 << 20, NAME = 9 };              /* NAME: of "arr_0.npy" */
#define FULL UINT32_C(0xffffffff)                            /* a 32-bit field that does not hold its number */

typedef struct { uint64_t offset, size; uint32_t crc; } record;
struct dg_npz {
    nn_stage out, labels;            /* label maps wait in a file of their own until all pictures are written */
    bool out_open, labels_open;
    uint64_t at, count;              /* bytes of the zip so far; samples of the split */
    record array[ARRAYS];
    int arrays;
    double *uncertainty;             /* (count) */
    uint64_t taken;
    uint8_t *rgb;                    /* (H,W,3) */
};

void dg_npz_abort(dg_npz *z)
{
    if (!z) return;
    if (z->out_open) nn_stage_abort(&z->out);
    if (z->labels_open) nn_stage_abort(&z->labels);
    nn_free(z->uncertainty);
    nn_free(z->rgb);
    nn_free(z);
}

/* ---- the zip ------------------------------------------------------------------------------------------------------------------ */

typedef struct { uint8_t at[96]; size_t size; } fields;

static void put(fields *f, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) f->at[f->size++] = (uint8_t)(v >> 8 * i);
}

static void put_name(fields *f, int array)
{
    nn_format((char *)f->at + f->size, NAME + 1, "arr_%d.npy", array);
    f->size += NAME;
}

static nn_status add_bytes(dg_npz *z, const void *data, size_t size, nn_err *err)
{
    z->at += size;
    return nn_stage_add(&z->out, data, size, err);
}

static nn_status add_fields(dg_npz *z, const fields *f, nn_err *err) { return add_bytes(z, f->at, f->size, err); }

static nn_status add_numbers(dg_npz *z, const void *data, size_t size, nn_err *err)
{
    record *r = &z->array[z->arrays - 1];
    r->crc = (uint32_t)crc32_z(r->crc, data, size);
    r->size += size;
    return add_bytes(z, data, size, err);
}

/* Version 4.5, sizes later (bit 3), stored, no time (1980-01-01); sizes that follow have 64 bits (field 1 of the extra ones). */
static nn_status begin_array(dg_npz *z, const char *descr, int rank, const uint64_t *dim, nn_err *err)
{
    fields f = { .size = 0 };
    char header[NN_NPY_HEADER];
    z->array[z->arrays] = (record){ .offset = z->at };
    put(&f, 0x04034b50, 4); put(&f, 45, 2); put(&f, 8, 2); put(&f, 0, 2); put(&f, 0, 2); put(&f, 0x21, 2);
    put(&f, 0, 4); put(&f, FULL, 4); put(&f, FULL, 4); put(&f, NAME, 2); put(&f, 20, 2);
    put_name(&f, z->arrays++);
    put(&f, 1, 2); put(&f, 16, 2); put(&f, 0, 8); put(&f, 0, 8);
    const nn_status s = add_fields(z, &f, err);
    return s ? s : add_numbers(z, header, nn_npy_header(header, descr, rank, dim), err);
}

static nn_status end_array(dg_npz *z, nn_err *err)
{
    const record *r = &z->array[z->arrays - 1];
    fields f = { .size = 0 };
    put(&f, 0x08074b50, 4); put(&f, r->crc, 4); put(&f, r->size, 8); put(&f, r->size, 8);
    return add_fields(z, &f, err);
}

static nn_status add_entry(dg_npz *z, int array, nn_err *err)
{
    const record *r = &z->array[array];
    const bool large = r->size >= FULL, far = r->offset >= FULL;
    const int extra = 16 * large + 8 * far;
    fields f = { .size = 0 };
    put(&f, 0x02014b50, 4); put(&f, 45, 2); put(&f, 45, 2); put(&f, 8, 2); put(&f, 0, 2); put(&f, 0, 2); put(&f, 0x21, 2);
    put(&f, r->crc, 4); put(&f, large ? FULL : r->size, 4); put(&f, large ? FULL : r->size, 4); put(&f, NAME, 2); put(&f, extra ? (uint64_t)extra + 4 : 0, 2);
    put(&f, 0, 2); put(&f, 0, 2); put(&f, 0, 2); put(&f, 0, 4); put(&f, far ? FULL : r->offset, 4);
    put_name(&f, array);
    if (extra) { put(&f, 1, 2); put(&f, (uint64_t)extra, 2); }
    if (large) { put(&f, r->size, 8); put(&f, r->size, 8); }
    if (far) put(&f, r->offset, 8);
    return add_fields(z, &f, err);
}

static nn_status add_directory(dg_npz *z, nn_err *err)
{
    const uint64_t begin = z->at;
    nn_status s = NN_OK;
    for (int i = 0; i < z->arrays && !s; i++) s = add_entry(z, i, err);
    const uint64_t end = z->at, size = end - begin;
    fields f = { .size = 0 };
    if (begin >= FULL) {                                       /* the end in 64 bits, and where it is */
        put(&f, 0x06064b50, 4); put(&f, 44, 8); put(&f, 45, 2); put(&f, 45, 2); put(&f, 0, 4); put(&f, 0, 4);
        put(&f, ARRAYS, 8); put(&f, ARRAYS, 8); put(&f, size, 8); put(&f, begin, 8);
        put(&f, 0x07064b50, 4); put(&f, 0, 4); put(&f, end, 8); put(&f, 1, 4);
        if (!s) s = add_fields(z, &f, err);
        f.size = 0;
    }
    put(&f, 0x06054b50, 4); put(&f, 0, 2); put(&f, 0, 2); put(&f, ARRAYS, 2); put(&f, ARRAYS, 2); put(&f, size, 4);
    put(&f, begin >= FULL ? FULL : begin, 4); put(&f, 0, 2);
    return s ? s : add_fields(z, &f, err);
}

/* ---- a split ------------------------------------------------------------------------------------------------------------------- */

static void file_name(char out[24], int split) { nn_format(out, 24, "%s.npz", dg_split_name(split)); }

static nn_status npz_begin(dg_export_job *x, nn_err *err) { (void)x; (void)err; return NN_OK; }

static nn_status npz_open(dg_export_job *x, int split, nn_err *err)
{
    char name[24];
    const uint64_t n = x->first[split + 1] - x->first[split], dim[4] = { n, (uint64_t)x->set.height, (uint64_t)x->set.width, 3 };
    dg_npz *z = nn_alloc(sizeof *z, "an archive", err);
    if (!z) return NN_ENOMEM;
    x->npz = z;
    z->count = n;
    z->uncertainty = nn_alloc((size_t)n * sizeof *z->uncertainty, "uncertainties", err);
    z->rgb = z->uncertainty ? nn_alloc((size_t)(dim[1] * dim[2] * 3), "a picture", err) : NULL;
    nn_status s = z->rgb ? NN_OK : NN_ENOMEM;
    file_name(name, split);
    if (!s) s = dg_folder_open(&x->folder, &z->out, name, err);
    z->out_open = !s;
    if (!s) s = dg_folder_open(&x->folder, &z->labels, "labels", err);
    z->labels_open = z->out_open && !s;
    return s ? s : begin_array(z, "|u1", 4, dim, err);
}

static nn_status npz_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    (void)split;
    dg_npz *z = x->npz;
    const nn_image *im = &it->pair->picture;
    const nn_dim pixels = im->width * im->height;
    for (nn_dim i = 0; i < pixels; i++)                        /* grey three times; alpha is left out */
        for (int c = 0; c < 3; c++) z->rgb[3 * i + c] = im->pixels[i * im->channels + (im->channels < 3 ? 0 : c)];
    z->uncertainty[z->taken++] = it->sample->uncertainty;
    const nn_status s = add_numbers(z, z->rgb, (size_t)pixels * 3, err);
    return s ? s : nn_stage_add(&z->labels, it->pair->label.pixels, (size_t)pixels, err);
}

/* The label maps that waited, after the pictures. */
static nn_status add_labels(dg_npz *z, nn_err *err)
{
    nn_source from = { .fd = -1 };
    nn_bytes b = { 0 };
    nn_status s = nn_stage_close(&z->labels, err);
    if (!s) s = nn_source_open(&from, z->labels.path, err);
    if (!s) s = nn_bytes_make(&b, CHUNK, "label maps", err);
    for (uint64_t left = from.size; left && !s;) {
        const size_t n = left < CHUNK ? (size_t)left : CHUNK;
        s = nn_source_read(&from, b.data, n, err);
        if (!s) s = add_numbers(z, b.data, n, err);
        left -= n;
    }
    nn_bytes_free(&b);
    nn_source_close(&from);
    return s;
}

static nn_status npz_close(dg_export_job *x, int split, nn_err *err)
{
    char name[24];
    dg_npz *z = x->npz;
    const uint64_t dim[3] = { z->count, (uint64_t)x->set.height, (uint64_t)x->set.width };
    nn_status s = end_array(z, err);
    if (!s) s = begin_array(z, "|u1", 3, dim, err);
    if (!s) s = add_labels(z, err);
    if (!s) s = end_array(z, err);
    if (!s) s = begin_array(z, "<f8", 1, dim, err);
    if (!s) s = add_numbers(z, z->uncertainty, (size_t)z->count * sizeof *z->uncertainty, err);
    if (!s) s = end_array(z, err);
    if (!s) s = add_directory(z, err);
    if (s) return s;
    file_name(name, split);
    z->out_open = false;
    s = dg_folder_close(&x->folder, &z->out, name, err);
    dg_npz_abort(z);                                           /* the label maps' own file goes */
    x->npz = NULL;
    return s;
}

const dg_export_format dg_export_npz = { "npz", npz_begin, npz_open, npz_sample, npz_close };
