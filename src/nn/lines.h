/* lines.h: pictures a row at a time, for those that memory does not hold. */
#ifndef NN_LINES_H
#define NN_LINES_H

#include "nn/file.h"
#include "nn/image.h"

enum { NN_LINES_MAX = 1 << 20 };                /* largest width or height */

/* A PNG or JPEG file of at most NN_LINES_MAX a side, told apart by its first bytes; the same pixels as of nn_picture_read.  An interlaced PNG, a JPEG
 * in several scans or one that its EXIF orientation turns has its last rows all over the file: it is read whole, with nn_picture_read's limits. */
typedef struct nn_lines nn_lines;
nn_lines *nn_lines_open(const char *path, nn_err *err);                                /* NULL: NN_EIO, NN_EFORMAT, NN_ENOMEM */
nn_image nn_lines_size(const nn_lines *r);                                             /* width, height and channels; no pixels */
/* The next row, width * channels bytes, height times.  A file that ends early or is damaged is refused when its place is reached: NN_EFORMAT. */
nn_status nn_lines_next(nn_lines *r, uint8_t *row, nn_err *err);
void nn_lines_close(nn_lines *r);                                                      /* takes NULL */

/* A PNG into an open stage, the bytes that nn_png_encode makes of the whole.  size: width, height and channels.  The stage stays the caller's. */
typedef struct nn_png_writer nn_png_writer;
nn_png_writer *nn_png_writer_open(nn_stage *to, const nn_image *size, const nn_palette *palette, nn_err *err);
nn_status nn_png_writer_add(nn_png_writer *w, const uint8_t *row, nn_err *err);      /* NN_EINVAL: an index without a colour; NN_EIO, NN_ENOMEM */
nn_status nn_png_writer_end(nn_png_writer *w, nn_err *err);                          /* after the last row */
void nn_png_writer_close(nn_png_writer *w);                                          /* takes NULL */

/* ---- between lines.c and the decoders ---------------------------------------------------------------------------------------------------- */

/* A file's bytes: [from,end) are at hand, `left` more come in pieces of `source` (NULL: none do) through `room`.  status: of the last piece. */
enum { NN_FEED_ROOM = 1 << 16 };
typedef struct { const uint8_t *from, *end; uint64_t left; nn_source *source; uint8_t *room; nn_status status; nn_err *err; } nn_feed;
/* More bytes at hand: false at the end, and when they cannot be read. */
bool nn_feed_more(nn_feed *f);

/* streams false: this picture has to be read whole, and only close may follow. */
typedef struct nn_png_reader nn_png_reader;
nn_png_reader *nn_png_reader_open(const nn_feed *feed, const char *name, nn_image *size, bool *streams, nn_err *err);
nn_status nn_png_reader_next(nn_png_reader *r, uint8_t *row, nn_err *err);
void nn_png_reader_close(nn_png_reader *r);
typedef struct nn_jpeg_reader nn_jpeg_reader;
nn_jpeg_reader *nn_jpeg_reader_open(const nn_feed *feed, const char *name, nn_image *size, bool *streams, nn_err *err);
nn_status nn_jpeg_reader_next(nn_jpeg_reader *r, uint8_t *row, nn_err *err);
void nn_jpeg_reader_close(nn_jpeg_reader *r);

#endif
