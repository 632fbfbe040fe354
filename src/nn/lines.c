/* lines.c: which decoder has a file's rows. */
#include "nn/lines.h"

#include <string.h>

#include "nn/jpeg.h"

struct nn_lines {
    nn_image size;
    nn_dim at;                                   /* rows handed out */
    nn_png_reader *png;                          /* one of these three */
    nn_jpeg_reader *jpeg;
    nn_image whole;
    nn_source source;
    uint8_t room[NN_FEED_ROOM];
};

bool nn_feed_more(nn_feed *f)
{
    const size_t n = f->left < NN_FEED_ROOM ? (size_t)f->left : NN_FEED_ROOM;
    if (!f->source || !n || f->status) return false;
    f->status = nn_source_read(f->source, f->room, n, f->err);
    f->from = f->room;
    f->end = f->room + n;
    f->left -= n;
    return !f->status;
}

static nn_status open_rows(nn_lines *r, const char *path, nn_err *err)
{
    bool streams = false;
    if (nn_source_open(&r->source, path, err)) return err->status;
    nn_feed feed = { .left = r->source.size, .source = &r->source, .room = r->room, .err = err };
    if (!nn_feed_more(&feed) && feed.status) return feed.status;
    if (feed.end - feed.from >= 3 && !memcmp(feed.from, "\xff\xd8\xff", 3)) {
        r->jpeg = nn_jpeg_reader_open(&feed, path, &r->size, &streams, err);
        if (!r->jpeg) return err->status;
    } else {
        r->png = nn_png_reader_open(&feed, path, &r->size, &streams, err);
        if (!r->png) return err->status;
    }
    if (streams) return NN_OK;
    nn_png_reader_close(r->png);
    nn_jpeg_reader_close(r->jpeg);
    r->png = NULL;
    r->jpeg = NULL;
    const nn_status s = nn_picture_read(path, &r->whole, err);
    r->size = (nn_image){ r->whole.width, r->whole.height, r->whole.channels, NULL };
    return s;
}

nn_lines *nn_lines_open(const char *path, nn_err *err)
{
    nn_lines *r = nn_alloc(sizeof *r, "a picture", err);
    if (!r) return NULL;
    r->source.fd = -1;
    if (open_rows(r, path, err) == NN_OK) return r;
    nn_lines_close(r);
    return NULL;
}

nn_image nn_lines_size(const nn_lines *r) { return r->size; }

nn_status nn_lines_next(nn_lines *r, uint8_t *row, nn_err *err)
{
    NN_ASSERT(r->at < r->size.height);
    const nn_dim bytes = r->size.width * r->size.channels, at = r->at++;
    if (r->png) return nn_png_reader_next(r->png, row, err);
    if (r->jpeg) return nn_jpeg_reader_next(r->jpeg, row, err);
    memcpy(row, r->whole.pixels + at * bytes, (size_t)bytes);
    return NN_OK;
}

void nn_lines_close(nn_lines *r)
{
    if (!r) return;
    nn_png_reader_close(r->png);
    nn_jpeg_reader_close(r->jpeg);
    nn_image_free(&r->whole);
    nn_source_close(&r->source);
    nn_free(r);
}
