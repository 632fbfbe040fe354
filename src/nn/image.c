/* image.c: PNG through libpng, which reports errors by longjmp: each function that calls setjmp holds no local of its own
 * that changes, so nothing is clobbered and the caller frees everything. */
#include "nn/image.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>
#include <zlib.h>

#include "nn/lines.h"
#include "nn/sys.h"

enum { PIXELS_MAX = 1 << 28, FILE_MAX = 1 << 30, CHUNK_MAX = 8000000 };

/* Measured on the 24 annotated pictures (128x128 RGB) and their labels, ms and bytes a picture, one core:
 *   pictures: all filters, level 9          11.7   23781    labels: no filter, level 9       2.02   1477
 *             all filters, level 6          4.9   23942             no filter, level 6       0.23   1522
 *             Paeth, level 1                1.0   26952             no filter, level 1       0.10   2166
 *             Paeth, run lengths            0.9   23620             no filter, run lengths   0.09   1704
 * Photographs hold no long matches for deflate to find: its Huffman stage does the work, and runs cover flat areas. */
enum { LEVEL = 1, STRATEGY = Z_RLE };

/* What libpng's callbacks see, in either direction. */
typedef struct {
    png_structp png;
    png_infop info;
    const char *name;
    nn_err *err;
    nn_status status;
    bool no_memory;
    nn_feed in;                        /* reading: what is left */
    nn_bytes out;                      /* writing: bytes so far, in `room`, or */
    size_t room;
    nn_stage *stage;                   /* a file */
} coder;

static void on_error(png_structp png, png_const_charp text)
{
    coder *c = png_get_error_ptr(png);
    if (c->in.status) c->status = c->in.status;                /* a file that could not be read, or written, has said so */
    else if (!c->status) c->status = c->no_memory ? nn_fail(c->err, NN_ENOMEM, "%s: not enough memory for a PNG", c->name)
                                                 : nn_fail(c->err, NN_EFORMAT, "%s: PNG error: %s", c->name, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static png_voidp on_alloc(png_structp png, png_alloc_size_t bytes)
{
    void *p = nn_sys_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) ((coder *)png_get_mem_ptr(png))->no_memory = true;
    return p;
}

static void on_free(png_structp png, png_voidp p)
{
    (void)png;
    nn_sys_free(p);
}

/* ---- pictures ----------------------------------------------------------------------------------------------------- */

nn_status nn_image_make(nn_image *im, nn_dim width, nn_dim height, nn_dim channels, nn_err *err)
{
    NN_ASSERT(width > 0 && height > 0 && channels > 0);
    *im = (nn_image){ 0 };
    uint64_t bytes = (uint64_t)width;
    if (!nn_mul_u64(&bytes, (uint64_t)height) || !nn_mul_u64(&bytes, (uint64_t)channels) || bytes > PTRDIFF_MAX)
        return nn_fail(err, NN_EINVAL, "picture of %td x %td: too large", width, height);
    uint8_t *pixels = nn_alloc((size_t)bytes, "picture", err);
    if (!pixels) return NN_ENOMEM;
    *im = (nn_image){ width, height, channels, pixels };
    return NN_OK;
}

void nn_image_free(nn_image *im)
{
    nn_free(im->pixels);
    *im = (nn_image){ 0 };
}

/* Two roundings, as torch's two operations; clamped so that NaN, which compares false, ends at 0. */
static uint8_t to_byte(real x)
{
    real v = x * (real)127.5 + (real)128;
    v = v > 0 ? v : 0;
    v = v < 255 ? v : 255;
    return (uint8_t)v;
}

void nn_image_from_planar(nn_image *im, const real *x)
{
    const nn_dim count = im->width * im->height, channels = im->channels;
    for (nn_dim c = 0; c < channels; c++) {
        const real *from = x + c * count;
        uint8_t *to = im->pixels + c;
        for (nn_dim i = 0; i < count; i++) to[i * channels] = to_byte(from[i]);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static void on_read(png_structp png, png_bytep to, size_t count)
{
    coder *c = png_get_io_ptr(png);
    while (count) {
        if (c->in.from == c->in.end && !nn_feed_more(&c->in)) png_error(png, "it ends early");
        const size_t most = (size_t)(c->in.end - c->in.from), n = count < most ? count : most;
        memcpy(to, c->in.from, n);
        c->in.from += n;
        to += n;
        count -= n;
    }
}

/* Ask libpng for 8-bit samples; returns the channels they will have, 0 when this is no label map. */
static nn_dim choose_format(coder *c, bool labels)
{
    const int depth = png_get_bit_depth(c->png, c->info), type = png_get_color_type(c->png, c->info);
    if (labels) {
        if ((type != PNG_COLOR_TYPE_GRAY && type != PNG_COLOR_TYPE_PALETTE) || depth > 8) return 0;
        png_set_packing(c->png);                               /* 1, 2, 4 bits to bytes, values as they are */
        return 1;
    }
    if (depth == 16) png_set_strip_16(c->png);
    switch (type) {
    case PNG_COLOR_TYPE_GRAY:
        if (depth < 8) png_set_expand_gray_1_2_4_to_8(c->png);
        return 1;
    case PNG_COLOR_TYPE_PALETTE: png_set_palette_to_rgb(c->png); return 3;
    case PNG_COLOR_TYPE_GRAY_ALPHA: png_set_gray_to_rgb(c->png); return 4;
    case PNG_COLOR_TYPE_RGB_ALPHA: return 4;
    default: return 3;
    }
}

static nn_status refuse_labels(coder *c)
{
    const int type = png_get_color_type(c->png, c->info);
    return nn_fail(c->err, NN_EFORMAT, "%s: expected a label map (grey or indexed PNG of at most 8 bits), found %s of %d bits", c->name,
                   type == PNG_COLOR_TYPE_GRAY ? "grey" : type == PNG_COLOR_TYPE_GRAY_ALPHA ? "grey with alpha"
                   : type == PNG_COLOR_TYPE_RGB ? "RGB" : "RGBA", png_get_bit_depth(c->png, c->info));
}

/* Everything up to the first pixel: limits, header, the size of a picture that may have at most `most` pixels and `side` on a side. */
static nn_status read_header(coder *c, bool labels, nn_dim side, nn_dim most, nn_image *size)
{
    if (setjmp(png_jmpbuf(c->png))) return c->status;
    png_set_read_fn(c->png, c, on_read);
    png_set_user_limits(c->png, (png_uint_32)side, (png_uint_32)side);
    png_set_chunk_malloc_max(c->png, CHUNK_MAX);
    /* Colour management, texts, dates and transparency are none of our business: skip them unread. */
    png_set_keep_unknown_chunks(c->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(c->png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep)"tRNS", 1);
    png_read_info(c->png, c->info);

    const nn_dim width = (nn_dim)png_get_image_width(c->png, c->info), height = (nn_dim)png_get_image_height(c->png, c->info);
    if (width * height > most)
        return nn_fail(c->err, NN_EFORMAT, "%s: expected at most %td pixels, found %td x %td", c->name, most, width, height);
    /* Deflate packs at most 1032:1, so a small file that claims a huge picture is refused before memory is taken for it. */
    const nn_dim packed = height * (1 + (nn_dim)png_get_rowbytes(c->png, c->info)), left = c->in.end - c->in.from + (nn_dim)c->in.left;
    if (packed / 1032 > left)
        return nn_fail(c->err, NN_EFORMAT, "%s: expected %td x %td pixels, found %td bytes to hold them", c->name, width, height, left);
    const nn_dim channels = choose_format(c, labels);
    if (!channels) return refuse_labels(c);
    *size = (nn_image){ width, height, channels, NULL };
    return NN_OK;
}

static nn_status read_pixels(coder *c, nn_image *im)
{
    if (setjmp(png_jmpbuf(c->png))) return c->status;
    const int passes = png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    NN_ASSERT(png_get_rowbytes(c->png, c->info) == (size_t)(im->width * im->channels));
    for (int pass = 0; pass < passes; pass++)
        for (nn_dim y = 0; y < im->height; y++) png_read_row(c->png, im->pixels + y * im->width * im->channels, NULL);
    png_read_end(c->png, NULL);
    return NN_OK;
}

static nn_status open_coder(coder *c)
{
    if (c->in.end - c->in.from < 8 || png_sig_cmp(c->in.from, 0, 8))
        return nn_fail(c->err, NN_EFORMAT, "%s: expected a PNG file, found another kind", c->name);
    c->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, c, on_error, on_warning, c, on_alloc, on_free);
    if (c->png) c->info = png_create_info_struct(c->png);
    return c->info ? NN_OK : nn_fail(c->err, NN_ENOMEM, "%s: not enough memory for a PNG", c->name);
}

nn_status nn_png_decode(const void *bytes, size_t size, bool labels, const char *name, nn_image *im, nn_err *err)
{
    *im = (nn_image){ 0 };
    const uint8_t *from = bytes;
    nn_image found = { 0 };
    coder c = { .name = name, .err = err, .in = { .from = from, .end = from + size } };
    nn_status status = open_coder(&c);
    if (status == NN_OK) status = read_header(&c, labels, NN_IMAGE_MAX, PIXELS_MAX, &found);
    if (status == NN_OK) status = nn_image_make(im, found.width, found.height, found.channels, err);
    if (status == NN_OK) status = read_pixels(&c, im);
    png_destroy_read_struct(&c.png, &c.info, NULL);
    if (status != NN_OK) nn_image_free(im);
    return status;
}

/* The same a row at a time. */
struct nn_png_reader { coder c; nn_dim left; };

static nn_status begin_rows(coder *c, nn_dim bytes)
{
    if (setjmp(png_jmpbuf(c->png))) return c->status;
    png_read_update_info(c->png, c->info);
    NN_ASSERT(png_get_rowbytes(c->png, c->info) == (size_t)bytes);
    return NN_OK;
}

nn_png_reader *nn_png_reader_open(const nn_feed *feed, const char *name, nn_image *size, bool *streams, nn_err *err)
{
    nn_png_reader *r = nn_alloc(sizeof *r, "a PNG", err);
    if (!r) return NULL;
    r->c = (coder){ .name = name, .err = err, .in = *feed };
    nn_status status = open_coder(&r->c);
    if (status == NN_OK) status = read_header(&r->c, false, NN_LINES_MAX, PTRDIFF_MAX, size);
    if (status == NN_OK) *streams = png_get_interlace_type(r->c.png, r->c.info) == PNG_INTERLACE_NONE;
    if (status == NN_OK && *streams) status = begin_rows(&r->c, size->width * size->channels);
    r->left = size->height;
    if (status == NN_OK) return r;
    nn_png_reader_close(r);
    return NULL;
}

nn_status nn_png_reader_next(nn_png_reader *r, uint8_t *row, nn_err *err)
{
    r->c.err = r->c.in.err = err;
    if (setjmp(png_jmpbuf(r->c.png))) return r->c.status;
    png_read_row(r->c.png, row, NULL);
    if (--r->left == 0) png_read_end(r->c.png, NULL);
    return NN_OK;
}

void nn_png_reader_close(nn_png_reader *r)
{
    if (!r) return;
    png_destroy_read_struct(&r->c.png, &r->c.info, NULL);
    nn_free(r);
}

static nn_status read_file(const char *path, bool labels, nn_image *im, nn_err *err)
{
    nn_bytes b;
    *im = (nn_image){ 0 };
    nn_status status = nn_file_read(path, FILE_MAX, &b, err);
    if (status == NN_OK) status = nn_png_decode(b.data, b.size, labels, path, im, err);
    nn_bytes_free(&b);
    return status;
}

nn_status nn_png_read(const char *path, nn_image *im, nn_err *err) { return read_file(path, false, im, err); }
nn_status nn_png_read_labels(const char *path, nn_image *im, nn_err *err) { return read_file(path, true, im, err); }

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void on_write(png_structp png, png_bytep from, size_t count)
{
    coder *c = png_get_io_ptr(png);
    if (c->stage) c->status = nn_stage_add(c->stage, from, count, c->err);
    else if (nn_bytes_append(&c->out, &c->room, from, count, c->name, c->err) != NN_OK) c->no_memory = true;
    if (c->status || c->no_memory) png_error(png, "");
}

static void on_flush(png_structp png) { (void)png; }

static nn_status open_writer(coder *c)
{
    c->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, c, on_error, on_warning, c, on_alloc, on_free);
    if (c->png) c->info = png_create_info_struct(c->png);
    return c->info ? NN_OK : nn_fail(c->err, NN_ENOMEM, "%s: not enough memory", c->name);
}

/* Everything before the first row. */
static nn_status write_header(coder *c, const nn_image *size, const nn_palette *palette)
{
    if (setjmp(png_jmpbuf(c->png))) return c->status;
    const int type = palette ? PNG_COLOR_TYPE_PALETTE : size->channels == 1 ? PNG_COLOR_TYPE_GRAY
                   : size->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_write_fn(c->png, c, on_write, on_flush);
    png_set_user_limits(c->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(c->png, c->info, (png_uint_32)size->width, (png_uint_32)size->height, 8, type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette) {
        png_color color[256];
        for (int i = 0; i < palette->count; i++) color[i] = (png_color){ palette->rgb[i][0], palette->rgb[i][1], palette->rgb[i][2] };
        png_set_PLTE(c->png, c->info, color, palette->count);
    }
    png_set_compression_level(c->png, LEVEL);
    png_set_compression_strategy(c->png, STRATEGY);
    png_set_filter(c->png, PNG_FILTER_TYPE_BASE, palette ? PNG_FILTER_NONE : PNG_FILTER_PAETH);
    png_write_info(c->png, c->info);
    return NN_OK;
}

static nn_status write_rows(coder *c, const uint8_t *row, nn_dim rows, nn_dim bytes)
{
    if (setjmp(png_jmpbuf(c->png))) return c->status;
    for (nn_dim y = 0; y < rows; y++) png_write_row(c->png, row + y * bytes);
    return NN_OK;
}

static nn_status write_end(coder *c)
{
    if (setjmp(png_jmpbuf(c->png))) return c->status;
    png_write_end(c->png, NULL);
    return NN_OK;
}

/* An index without a colour would be a file that readers reject. */
static nn_status check_palette(const uint8_t *index, nn_dim count, int colours, nn_err *err)
{
    for (nn_dim i = 0; i < count; i++)
        if (index[i] >= colours) return nn_fail(err, NN_EINVAL, "indexed PNG: expected values below %d, found %d", colours, index[i]);
    return NN_OK;
}

static void check_size(const nn_image *im, const nn_palette *palette)
{
    NN_ASSERT(im->width > 0 && im->height > 0 && (im->channels == 1 || im->channels == 3 || im->channels == 4));
    NN_ASSERT(!palette || (im->channels == 1 && palette->count >= 1 && palette->count <= 256));
}

nn_status nn_png_encode(const nn_image *im, const nn_palette *palette, nn_bytes *out, nn_err *err)
{
    *out = (nn_bytes){ 0 };
    check_size(im, palette);
    nn_status status = palette ? check_palette(im->pixels, im->width * im->height, palette->count, err) : NN_OK;
    if (status != NN_OK) return status;
    coder c = { .name = "PNG to be written", .err = err };
    status = open_writer(&c);
    if (status == NN_OK) status = write_header(&c, im, palette);
    if (status == NN_OK) status = write_rows(&c, im->pixels, im->height, im->width * im->channels);
    if (status == NN_OK) status = write_end(&c);
    png_destroy_write_struct(&c.png, &c.info);
    if (status == NN_OK) *out = c.out;
    else nn_bytes_free(&c.out);
    return status;
}

/* The same a row at a time. */
struct nn_png_writer { coder c; nn_dim bytes; int colours; };

nn_png_writer *nn_png_writer_open(nn_stage *to, const nn_image *size, const nn_palette *palette, nn_err *err)
{
    check_size(size, palette);
    nn_png_writer *w = nn_alloc(sizeof *w, "a PNG", err);
    if (!w) return NULL;
    w->c = (coder){ .name = "PNG to be written", .err = err, .stage = to };
    w->bytes = size->width * size->channels;
    w->colours = palette ? palette->count : 256;
    if (open_writer(&w->c) == NN_OK && write_header(&w->c, size, palette) == NN_OK) return w;
    nn_png_writer_close(w);
    return NULL;
}

nn_status nn_png_writer_add(nn_png_writer *w, const uint8_t *row, nn_err *err)
{
    w->c.err = err;
    const nn_status status = check_palette(row, w->colours < 256 ? w->bytes : 0, w->colours, err);
    return status == NN_OK ? write_rows(&w->c, row, 1, w->bytes) : status;
}

nn_status nn_png_writer_end(nn_png_writer *w, nn_err *err)
{
    w->c.err = err;
    return write_end(&w->c);
}

void nn_png_writer_close(nn_png_writer *w)
{
    if (!w) return;
    png_destroy_write_struct(&w->c.png, &w->c.info);
    nn_free(w);
}

nn_status nn_png_write(const char *path, const nn_image *im, const nn_palette *palette, nn_err *err)
{
    nn_bytes b;
    nn_status status = nn_png_encode(im, palette, &b, err);
    if (status == NN_OK) status = nn_file_write(path, b.data, b.size, err);
    nn_bytes_free(&b);
    return status;
}
