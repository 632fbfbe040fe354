/* jpeg.c: JPEG through libjpeg, which reports errors by calling back: as in image.c, functions that call setjmp hold no local of
 * their own that changes. */
#include "nn/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "nn/lines.h"

enum { PIXELS_MAX = 1 << 28, FILE_MAX = 1 << 30, EXIF = JPEG_APP0 + 1, EXIF_MAX = 65533 };

typedef struct {
    struct jpeg_decompress_struct d;
    struct jpeg_compress_struct e;
    struct jpeg_error_mgr mgr;
    jmp_buf back;
    const char *name;
    nn_err *err;
    nn_status status;
    nn_feed in;                      /* reading in pieces: what is left, through `pieces` */
    struct jpeg_source_mgr pieces;
    nn_image size;
    uint8_t *line;                   /* CMYK: a row of four channels */
    unsigned char *made;             /* encoding: libjpeg's own memory */
    unsigned long made_size;
    int how;                         /* orientation */
} coder;

static void on_error(j_common_ptr d)
{
    coder *c = d->client_data;
    char text[JMSG_LENGTH_MAX];
    c->mgr.format_message(d, text);
    c->status = c->in.status ? c->in.status : nn_fail(c->err, d->err->msg_code == JERR_OUT_OF_MEMORY ? NN_ENOMEM : NN_EFORMAT, "%s: JPEG error: %s", c->name, text);
    longjmp(c->back, 1);
}

/* Warnings are damage that libjpeg would paint over: a file that ends early, bytes that are no Huffman code. */
static void on_message(j_common_ptr d, int level) { if (level < 0) on_error(d); }

static void on_output(j_common_ptr d) { (void)d; }

/* ---- EXIF orientation: a TIFF in an APP1 marker ------------------------------------------------------------------------------------------- */

static unsigned number(const uint8_t *p, int bytes, bool little)
{
    unsigned v = 0;
    for (int i = 0; i < bytes; i++) v |= (unsigned)p[i] << 8 * (little ? i : bytes - 1 - i);
    return v;
}

/* 1 to 8; 1 (upright) where the marker is not EXIF or makes no sense. */
static int orientation(const struct jpeg_marker_struct *m)
{
    enum { HEAD = 6, TIFF = 8, ENTRY = 12, ORIENTATION = 0x112, SHORT = 3 };
    for (; m; m = m->next) {
        const uint8_t *t = m->data + HEAD;
        if (m->marker != EXIF || m->data_length < HEAD + TIFF || memcmp(m->data, "Exif\0", HEAD)) continue;
        const size_t size = m->data_length - HEAD;
        const bool little = t[0] == 'I';
        const size_t first = number(t + 4, 4, little);
        if (first + 2 > size || first + 2 < first) continue;
        const unsigned entries = number(t + first, 2, little);
        for (size_t i = 0; i < entries && first + 2 + (i + 1) * ENTRY <= size; i++) {
            const uint8_t *e = t + first + 2 + i * ENTRY;
            const unsigned value = number(e + 8, 2, little);
            if (number(e, 2, little) == ORIENTATION && number(e + 2, 2, little) == SHORT && value >= 1 && value <= 8) return (int)value;
        }
    }
    return 1;
}

/* Where pixel (y,x) of the upright picture lies in the stored one (h,w): EXIF 2.3, tag 0x112.  From 5 on rows and columns change places. */
static nn_dim stored(int how, nn_dim h, nn_dim w, nn_dim y, nn_dim x)
{
    static const bool flip_y[] = { 0, 0, 0, 1, 1, 0, 1, 1, 0 }, flip_x[] = { 0, 0, 1, 1, 0, 0, 0, 1, 1 };
    const nn_dim sy = how >= 5 ? x : y, sx = how >= 5 ? y : x;
    return (flip_y[how] ? h - 1 - sy : sy) * w + (flip_x[how] ? w - 1 - sx : sx);
}

static nn_status turn_upright(nn_image *im, int how, nn_err *err)
{
    nn_image up;
    if (how == 1) return NN_OK;
    const nn_dim h = im->height, w = im->width, c = im->channels;
    const nn_status s = nn_image_make(&up, how >= 5 ? h : w, how >= 5 ? w : h, c, err);
    if (s) return s;
    for (nn_dim y = 0; y < up.height; y++)
        for (nn_dim x = 0; x < up.width; x++) memcpy(up.pixels + (y * up.width + x) * c, im->pixels + stored(how, h, w, y, x) * c, (size_t)c);
    nn_image_free(im);
    *im = up;
    return NN_OK;
}

/* ---- pixels ---------------------------------------------------------------------------------------------------------------------------------- */

/* A file in pieces, as libjpeg asks for it. */
static void on_begin(j_decompress_ptr d) { (void)d; }

static boolean on_more(j_decompress_ptr d)
{
    coder *c = d->client_data;
    if (!nn_feed_more(&c->in)) {
        if (c->in.status) ERREXIT(d, JERR_FILE_READ);          /* on_error knows better */
        WARNMS(d, JWRN_JPEG_EOF);                              /* which is an error here */
    }
    d->src->next_input_byte = c->in.from;
    d->src->bytes_in_buffer = (size_t)(c->in.end - c->in.from);
    return TRUE;
}

static void on_skip(j_decompress_ptr d, long count)
{
    while (count > (long)d->src->bytes_in_buffer) {
        count -= (long)d->src->bytes_in_buffer;
        on_more(d);
    }
    if (count <= 0) return;
    d->src->next_input_byte += count;
    d->src->bytes_in_buffer -= (size_t)count;
}

/* Everything up to the first pixel, of bytes at hand or, where they are NULL, in pieces. */
static nn_status begin(coder *c, const uint8_t *bytes, size_t size, nn_dim side, nn_dim most)
{
    if (setjmp(c->back)) return c->status;
    jpeg_create_decompress(&c->d);
    c->d.client_data = c;
    if (bytes) jpeg_mem_src(&c->d, bytes, size);
    else {
        c->pieces = (struct jpeg_source_mgr){ c->in.from, (size_t)(c->in.end - c->in.from), on_begin, on_more, on_skip, jpeg_resync_to_restart, on_begin };
        c->d.src = &c->pieces;
    }
    jpeg_save_markers(&c->d, EXIF, EXIF_MAX);
    jpeg_read_header(&c->d, TRUE);
    c->how = orientation(c->d.marker_list);          /* libjpeg frees the markers when it is done */
    const nn_dim w = (nn_dim)c->d.image_width, h = (nn_dim)c->d.image_height;
    if (w < 1 || h < 1 || w > side || h > side || w * h > most)
        return nn_fail(c->err, NN_EFORMAT, "%s: expected at most %td a side and %td pixels, found %td x %td", c->name, side, most, w, h);
    /* A block of 64 pixels takes two bits at least, so a small file cannot claim a huge picture. */
    if (w * h / 64 / 4 > (nn_dim)size)
        return nn_fail(c->err, NN_EFORMAT, "%s: expected %td x %td pixels, found %zu bytes to hold them", c->name, w, h, size);
    c->size = (nn_image){ w, h, c->d.num_components == 1 ? 1 : 3, NULL };
    return NN_OK;
}

static nn_status begin_rows(coder *c)
{
    if (setjmp(c->back)) return c->status;
    const bool four = c->d.num_components == 4;
    c->d.out_color_space = four ? JCS_CMYK : c->d.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    c->d.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&c->d);
    if (four) c->line = nn_alloc((size_t)(4 * c->size.width), "a row of CMYK", c->err);
    return !four || c->line ? NN_OK : NN_ENOMEM;
}

static void cmyk_row(uint8_t *to, const uint8_t *from, nn_dim w, bool inverted)
{
    for (nn_dim i = 0; i < 3 * w; i++) {
        const int ink = from[i / 3 * 4 + i % 3], black = from[i / 3 * 4 + 3];
        to[i] = (uint8_t)(inverted ? (ink * black + 127) / 255 : ((255 - ink) * (255 - black) + 127) / 255);
    }
}

static nn_status read_rows(coder *c, uint8_t *to, nn_dim rows)
{
    if (setjmp(c->back)) return c->status;
    const nn_dim bytes = c->size.width * c->size.channels, first = (nn_dim)c->d.output_scanline;
    while ((nn_dim)c->d.output_scanline < first + rows) {
        uint8_t *row = to + ((nn_dim)c->d.output_scanline - first) * bytes, *at = c->line ? c->line : row;
        if (jpeg_read_scanlines(&c->d, &at, 1) == 1 && c->line) cmyk_row(row, c->line, c->size.width, c->d.saw_Adobe_marker);
    }
    if (c->d.output_scanline == c->d.output_height) jpeg_finish_decompress(&c->d);
    return NN_OK;
}

static void open_coder(coder *c)
{
    c->d.err = jpeg_std_error(&c->mgr);
    c->mgr.error_exit = on_error;
    c->mgr.emit_message = on_message;
    c->mgr.output_message = on_output;
    c->d.client_data = c;
}

nn_status nn_jpeg_decode(const void *bytes, size_t size, const char *name, nn_image *im, nn_err *err)
{
    *im = (nn_image){ 0 };
    coder c = { .name = name, .err = err };
    open_coder(&c);
    nn_status s = begin(&c, bytes, size, NN_IMAGE_MAX, PIXELS_MAX);
    if (!s) s = begin_rows(&c);
    if (!s) s = nn_image_make(im, c.size.width, c.size.height, c.size.channels, err);
    if (!s) s = read_rows(&c, im->pixels, im->height);
    if (!s) s = turn_upright(im, c.how, err);
    jpeg_destroy_decompress(&c.d);
    nn_free(c.line);
    if (s) nn_image_free(im);
    return s;
}

/* The same a row at a time. */
struct nn_jpeg_reader { coder c; };

nn_jpeg_reader *nn_jpeg_reader_open(const nn_feed *feed, const char *name, nn_image *size, bool *streams, nn_err *err)
{
    nn_jpeg_reader *r = nn_alloc(sizeof *r, "a JPEG", err);
    if (!r) return NULL;
    r->c = (coder){ .name = name, .err = err, .in = *feed };
    open_coder(&r->c);
    nn_status s = begin(&r->c, NULL, (size_t)(feed->end - feed->from) + (size_t)feed->left, NN_LINES_MAX, PTRDIFF_MAX);
    if (!s) *streams = r->c.how == 1 && !jpeg_has_multiple_scans(&r->c.d);       /* progressive ones have */
    if (!s && *streams) s = begin_rows(&r->c);
    *size = r->c.size;
    if (!s) return r;
    nn_jpeg_reader_close(r);
    return NULL;
}

nn_status nn_jpeg_reader_next(nn_jpeg_reader *r, uint8_t *row, nn_err *err)
{
    r->c.err = r->c.in.err = err;
    return read_rows(&r->c, row, 1);
}

void nn_jpeg_reader_close(nn_jpeg_reader *r)
{
    if (!r) return;
    jpeg_destroy_decompress(&r->c.d);
    nn_free(r->c.line);
    nn_free(r);
}

static nn_status write_rows(coder *c, const nn_image *im, int quality)
{
    if (setjmp(c->back)) return c->status;
    jpeg_create_compress(&c->e);
    c->e.client_data = c;
    jpeg_mem_dest(&c->e, &c->made, &c->made_size);
    c->e.image_width = (JDIMENSION)im->width;
    c->e.image_height = (JDIMENSION)im->height;
    c->e.input_components = (int)im->channels;
    c->e.in_color_space = im->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c->e);
    jpeg_set_quality(&c->e, quality, TRUE);
    c->e.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&c->e, TRUE);
    while (c->e.next_scanline < c->e.image_height) {
        uint8_t *row = im->pixels + (nn_dim)c->e.next_scanline * im->width * im->channels;
        jpeg_write_scanlines(&c->e, &row, 1);
    }
    jpeg_finish_compress(&c->e);
    return NN_OK;
}

nn_status nn_jpeg_encode(const nn_image *im, int quality, nn_bytes *out, nn_err *err)
{
    NN_ASSERT((im->channels == 1 || im->channels == 3) && quality >= 1 && quality <= 100);
    *out = (nn_bytes){ 0 };
    coder c = { .name = "a picture", .err = err };
    c.e.err = jpeg_std_error(&c.mgr);
    c.mgr.error_exit = on_error;
    c.mgr.output_message = on_output;
    c.e.client_data = &c;
    nn_status s = write_rows(&c, im, quality);
    jpeg_destroy_compress(&c.e);
    if (!s) out->data = nn_alloc(c.made_size, "a JPEG", err);
    if (out->data) memcpy(out->data, c.made, out->size = c.made_size);
    else if (!s) s = NN_ENOMEM;
    free(c.made);
    return s;
}

nn_status nn_picture_read(const char *path, nn_image *im, nn_err *err)
{
    nn_bytes b;
    *im = (nn_image){ 0 };
    nn_status s = nn_file_read(path, FILE_MAX, &b, err);
    const bool jpeg = !s && b.size >= 3 && b.data[0] == 0xff && b.data[1] == 0xd8 && b.data[2] == 0xff;
    if (!s) s = jpeg ? nn_jpeg_decode(b.data, b.size, path, im, err) : nn_png_decode(b.data, b.size, false, path, im, err);
    nn_bytes_free(&b);
    return s;
}
