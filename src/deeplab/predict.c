/* predict.c: class probabilities of a picture of any size. */
#include <math.h>
#include <string.h>

#include "deeplab/deeplab.h"

enum { MIN_SIDE = 32 };                 /* four halvings must leave something */

/* ---- resizing ------------------------------------------------------------------------------------------------------------------------------ */

/* y (lines, out, c) = x (lines, in, c) along the middle axis: triangle of half-width max(1, in/out), normalised inside the picture. */
static void resize_axis(real *y, const real *x, nn_dim lines, nn_dim in, nn_dim out, nn_dim c)
{
    const double ratio = (double)in / (double)out, reach = ratio > 1.0 ? ratio : 1.0;
    for (nn_dim o = 0; o < out; o++) {
        const double middle = ((double)o + 0.5) * ratio;
        nn_dim first = (nn_dim)floor(middle - reach), last = (nn_dim)ceil(middle + reach);
        if (first < 0) first = 0;
        if (last > in) last = in;
        double total = 0.0;
        for (nn_dim i = first; i < last; i++) total += fmax(0.0, 1.0 - fabs((double)i + 0.5 - middle) / reach);
        for (nn_dim l = 0; l < lines; l++) {
            real *to = y + (l * out + o) * c;
            for (nn_dim j = 0; j < c; j++) to[j] = 0;
            for (nn_dim i = first; i < last; i++) {
                const real w = (real)(fmax(0.0, 1.0 - fabs((double)i + 0.5 - middle) / reach) / total);
                const real *from = x + (l * in + i) * c;
                for (nn_dim j = 0; j < c; j++) to[j] += w * from[j];
            }
        }
    }
}

nn_status dl_resize_picture(real *y, const real *x, nn_dim h, nn_dim w, nn_dim c, nn_dim oh, nn_dim ow, nn_err *err)
{
    real *half = nn_alloc((size_t)(h * ow * c) * sizeof *half, "resizing a picture", err);
    if (!half) return NN_ENOMEM;
    resize_axis(half, x, h, w, ow, c);
    resize_axis(y, half, 1, h, oh, ow * c);
    nn_free(half);
    return NN_OK;
}

/* ---- one window ------------------------------------------------------------------------------------------------------------------------------- */

enum { SHAPES = 2, VARIANTS = 4 };       /* upright and turned by a quarter; four of the eight flips and turns keep the shape */

struct dl_predictor {
    const dl_model *m;
    const nn_kernels *k;
    dl_predict_options o;
    nn_dim h, w;                         /* working size that `work` is laid out for */
    dl_work *work[SHAPES];
};

dl_predictor *dl_predictor_open(const dl_model *m, const nn_kernels *k, const dl_predict_options *o, nn_err *err)
{
    dl_predictor *p = nn_alloc(sizeof *p, "prediction", err);
    if (p) *p = (dl_predictor){ .m = m, .k = k, .o = *o };
    return p;
}

void dl_predictor_close(dl_predictor *p)
{
    if (!p) return;
    for (int i = 0; i < SHAPES; i++) dl_work_close(p->work[i]);
    nn_free(p);
}

static nn_status lay_out(dl_predictor *p, nn_dim h, nn_dim w, nn_err *err)
{
    if (p->work[0] && p->h == h && p->w == w) return NN_OK;
    p->h = h;
    p->w = w;
    for (int i = 0; i < SHAPES; i++) {
        dl_work_close(p->work[i]);
        p->work[i] = i && !p->o.flips ? NULL : dl_work_open(&p->m->net, p->o.flips ? VARIANTS : 1, i ? w : h, i ? h : w, false, p->o.threads, err);
    }
    if (p->work[0] && (p->work[1] || !p->o.flips)) return NN_OK;
    p->h = 0;                                        /* the next picture tries again */
    return NN_ENOMEM;
}

/* The pixel of an (h,w) map that pixel (y,x) of variant v shows: bit 0 mirrors, bit 1 turns upside down, bit 2 exchanges the axes
 * (then y runs over w and x over h). */
static nn_dim shown(int v, nn_dim h, nn_dim w, nn_dim y, nn_dim x)
{
    if (v & 4) { const nn_dim held = y; y = x; x = held; }
    if (v & 1) x = w - 1 - x;
    if (v & 2) y = h - 1 - y;
    return y * w + x;
}

/* prob (h,w,K) = mean of the variants' softmax at the working size. */
static void predict_map(dl_predictor *p, real *prob, const real *x)
{
    const nn_dim h = p->h, w = p->w, pixels = h * w, K = p->m->net.classes;
    const int shapes = p->o.flips ? SHAPES : 1, each = p->o.flips ? VARIANTS : 1;
    memset(prob, 0, (size_t)(pixels * K) * sizeof *prob);
    for (int s = 0; s < shapes; s++) {
        const nn_dim width = s ? h : w;
        real *in = dl_work_input(p->work[s]);
        for (int v = 0; v < each; v++)
            for (nn_dim i = 0; i < pixels; i++) memcpy(in + 3 * (v * pixels + i), x + 3 * shown(4 * s + v, h, w, i / width, i % width), 3 * sizeof *in);
        dl_forward_adapted(p->k, &p->m->net, p->work[s], each, p->o.adapt);
        const real *logit = dl_work_logits(p->work[s]);
        for (int v = 0; v < each; v++)
            for (nn_dim i = 0; i < pixels; i++) {
                real one[NN_CLASSES_MAX], *to = prob + shown(4 * s + v, h, w, i / width, i % width) * K;
                nn_softmax_ref(one, logit + (v * pixels + i) * K, 1, K);
                for (nn_dim c = 0; c < K; c++) to[c] += one[c] / (real)(shapes * each);
            }
    }
}

/* prob (h,w,K) of a window x (h,w,3), worked on at (oh,ow). */
static nn_status predict_window(dl_predictor *p, real *prob, const real *x, nn_dim h, nn_dim w, nn_dim oh, nn_dim ow, nn_err *err)
{
    const nn_dim K = p->m->net.classes;
    real *work = nn_alloc((size_t)(oh * ow * (3 + K)) * sizeof *work, "a window", err);
    nn_status s = work ? lay_out(p, oh, ow, err) : NN_ENOMEM;
    if (!s) s = dl_resize_picture(work, x, h, w, 3, oh, ow, err);
    if (!s) {
        predict_map(p, work + 3 * oh * ow, work);
        s = dl_resize_picture(prob, work + 3 * oh * ow, oh, ow, K, h, w, err);
    }
    nn_free(work);
    return s;
}

/* ---- a picture ---------------------------------------------------------------------------------------------------------------------------------- */

static nn_dim mirrored(nn_dim i, nn_dim n)
{
    if (n == 1) return 0;
    const nn_dim period = 2 * (n - 1);
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
}

/* Rows [first, first + held) of a picture (height rows in all). */
typedef struct { nn_dim width, height, channels, first, held; uint8_t *pixels; } strip;

/* Pixels [y0, y0+h) x [x0, x0+w), mirrored beyond the borders, normalised. */
static void cut_window(real *to, const strip *s, nn_dim y0, nn_dim x0, nn_dim h, nn_dim w)
{
    for (nn_dim y = 0; y < h; y++)
        for (nn_dim x = 0; x < w; x++) {
            const nn_dim row = mirrored(y0 + y, s->height) - s->first;
            const uint8_t *from = s->pixels + (row * s->width + mirrored(x0 + x, s->width)) * s->channels;
            for (int c = 0; c < 3; c++) *to++ = ((real)from[s->channels < 3 ? 0 : c] - dl_input_mean[c]) / dl_input_sd[c];
        }
}

static nn_status tell(const dl_progress *p, double done, double total, nn_err *err)
{
    return !p || p->report(p->user, "tiles", done, total, 0.0) ? NN_OK : nn_fail(err, NN_ECANCEL, "stopped after tile %.0f of %.0f", done, total);
}

/* Half of a tile counts (core), a quarter on each side is context (margin). */
typedef struct { nn_dim core, margin, side, at; } tiling;

static tiling tiles_of(const dl_predict_options *o)
{
    const nn_dim core = (nn_dim)fmax(1.0, floor((double)o->tile / 2 / o->scale)), margin = (nn_dim)ceil((double)o->tile / 4 / o->scale);
    const nn_dim side = core + 2 * margin, at = (nn_dim)floor((double)side * o->scale + 0.5);
    return (tiling){ core, margin, side, at < MIN_SIDE ? MIN_SIDE : at };
}

/* The strip that the tiles from row y on look at: margin above and below, and below the picture's end its mirror image, core + margin high.  2 (core + margin)
 * rows hold both; a picture that is not higher stays whole. */
static nn_status slide(strip *s, const tiling *t, nn_dim y, const dl_rows *from, nn_err *err)
{
    const nn_dim bytes = s->width * s->channels, end = y + t->core + t->margin < s->height ? y + t->core + t->margin : s->height;
    const nn_dim reach = t->core + t->margin, gone = s->height > 2 * reach && y > reach ? y - reach - s->first : 0;
    if (gone > 0) {
        memmove(s->pixels, s->pixels + gone * bytes, (size_t)((s->held - gone) * bytes));
        s->first += gone;
        s->held -= gone;
    }
    for (; s->first + s->held < end; s->held++) if (from->next(from->user, s->pixels + s->held * bytes, err)) return err->status;
    return NN_OK;
}

/* label and prob (NULL: not wanted) of the window's core, into the band's. */
static void put_core(const dl_predictor *p, const dl_band *b, real *prob, const real *window, nn_dim x0, nn_dim width, const tiling *t)
{
    const nn_dim K = p->m->net.classes;
    for (nn_dim y = 0; y < b->rows; y++)
        for (nn_dim x = x0; x < x0 + t->core && x < width; x++) {
            const real *from = window + ((y + t->margin) * t->side + x - x0 + t->margin) * K;
            dl_argmax(b->label + y * width + x, from, 1, K);
            if (prob) memcpy(prob + (y * width + x) * K, from, (size_t)K * sizeof *prob);
        }
}

nn_status dl_predict_rows(dl_predictor *p, const dl_rows *from, const dl_bands *to, const dl_progress *progress, nn_err *err)
{
    NN_ASSERT(p->o.scale > 0);
    const tiling t = tiles_of(&p->o);
    const nn_dim K = p->m->net.classes, w = from->width, h = from->height, most = 2 * (t.core + t.margin);
    const nn_dim band = t.core < h ? t.core : h, held = h > most ? most : h;
    strip s = { w, h, from->channels, 0, 0, nn_alloc((size_t)(held * w * from->channels), "rows of a picture", err) };
    uint8_t *label = nn_alloc((size_t)(band * w), "labels", err);
    real *window = nn_alloc((size_t)(t.side * t.side * (3 + K)) * sizeof *window, "a tile", err), *seen = window ? window + 3 * t.side * t.side : NULL;
    real *prob = to->wanted ? nn_alloc((size_t)(band * w * K) * sizeof *prob, "probabilities", err) : NULL;
    const double tiles = ceil((double)h / (double)t.core) * ceil((double)w / (double)t.core);
    double done = 0.0;
    nn_status status = s.pixels && label && window && (prob || !to->wanted) ? NN_OK : NN_ENOMEM;
    for (nn_dim y = 0; y < h && !status; y += t.core) {
        dl_band b = { y, h - y < t.core ? h - y : t.core, NULL, label, prob };
        status = slide(&s, &t, y, from, err);
        for (nn_dim x = 0; x < w && !status; x += t.core) {
            cut_window(window, &s, y - t.margin, x - t.margin, t.side, t.side);
            status = predict_window(p, seen, window, t.side, t.side, t.at, t.at, err);
            if (status) break;
            put_core(p, &b, prob, seen, x, w, &t);
            status = tell(progress, ++done, tiles, err);
        }
        b.pixels = s.pixels + (y - s.first) * w * s.channels;
        if (!status) status = to->band(to->user, &b, err);
    }
    nn_free(s.pixels);
    nn_free(label);
    nn_free(window);
    nn_free(prob);
    return status;
}

/* A picture in memory the same way. */
typedef struct { const nn_image *im; nn_dim row, K; uint8_t *label; real *prob; } in_memory;

static nn_status next_row(void *user, uint8_t *row, nn_err *err)
{
    (void)err;
    in_memory *m = user;
    const nn_dim bytes = m->im->width * m->im->channels;
    memcpy(row, m->im->pixels + m->row++ * bytes, (size_t)bytes);
    return NN_OK;
}

static nn_status keep_band(void *user, const dl_band *b, nn_err *err)
{
    (void)err;
    const in_memory *m = user;
    const nn_dim first = b->y * m->im->width, pixels = b->rows * m->im->width;
    memcpy(m->label + first, b->label, (size_t)pixels);
    /* analyze: probabilities are wanted where there is room for them */
    if (m->prob) memcpy(m->prob + first * m->K, b->prob, (size_t)(pixels * m->K) * sizeof *m->prob);
    return NN_OK;
}

static nn_status predict_tiles(dl_predictor *p, uint8_t *label, real *prob, const nn_image *im, const dl_progress *progress, nn_err *err)
{
    in_memory m = { im, 0, p->m->net.classes, label, prob };
    const dl_rows from = { im->width, im->height, im->channels, next_row, &m };
    const dl_bands to = { prob != NULL, keep_band, &m };
    return dl_predict_rows(p, &from, &to, progress, err);
}

static nn_dim fitted(nn_dim side, nn_dim longest, nn_dim size)
{
    const nn_dim n = (side * size + longest / 2) / longest;
    return n < MIN_SIDE ? MIN_SIDE : n;
}

static nn_status predict_whole(dl_predictor *p, uint8_t *label, real *prob, const nn_image *im, const dl_progress *progress, nn_err *err)
{
    const nn_dim h = im->height, w = im->width, K = p->m->net.classes, longest = h > w ? h : w;
    real *x = nn_alloc((size_t)(3 * h * w) * sizeof *x, "a picture", err), *own = prob ? NULL : nn_alloc((size_t)(K * h * w) * sizeof *own, "probabilities", err);
    nn_status s = x && (prob || own) ? NN_OK : NN_ENOMEM;
    if (!s) {
        cut_window(x, &(strip){ w, h, im->channels, 0, h, im->pixels }, 0, 0, h, w);
        s = predict_window(p, prob ? prob : own, x, h, w, fitted(h, longest, p->m->size), fitted(w, longest, p->m->size), err);
    }
    if (!s) dl_argmax(label, prob ? prob : own, h * w, K);
    if (!s) s = tell(progress, 1.0, 1.0, err);
    nn_free(x);
    nn_free(own);
    return s;
}

nn_status dl_predict(dl_predictor *p, const nn_image *picture, uint8_t *label, real *prob, const dl_progress *progress, nn_err *err)
{
    const nn_status s = p->o.scale > 0 ? predict_tiles(p, label, prob, picture, progress, err) : predict_whole(p, label, prob, picture, progress, err);
    return s || !p->o.central ? s : dl_keep_central(label, picture->height, picture->width, p->o.central, err);
}

void dl_argmax(uint8_t *label, const real *prob, nn_dim pixels, nn_dim K)
{
    for (nn_dim p = 0; p < pixels; p++) {
        nn_dim best = 0;
        for (nn_dim c = 1; c < K; c++) if (prob[p * K + c] > prob[p * K + best]) best = c;
        label[p] = (uint8_t)best;
    }
}
