/* features.c: draw the annotated pictures, keep their maps channels last, gather pixels, standardise. */
#include "datasetgan/features.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "nn/half.h"

/* ---- which maps ---------------------------------------------------------------------------------------------------- */

/* K of "last-K": 0 for other names. */
static int last_count(const char *name)
{
    int n = 0;
    if (strncmp(name, "last-", 5)) return 0;
    for (const char *p = name + 5; *p; p++) {
        if (*p < '0' || *p > '9' || n > SG_TAPS_MAX) return 0;
        n = 10 * n + (*p - '0');
    }
    return n;
}

static bool is_named(const sg_model *m, int tap, const char *name)
{
    const int last = last_count(name);
    if (!last || !sg_tap_is(sg_tap_at(m, tap), "default")) return sg_tap_is(sg_tap_at(m, tap), name);
    int after = 0;
    for (int j = tap; j < sg_tap_total(m); j++) after += sg_tap_is(sg_tap_at(m, j), "default");
    return after <= last;
}

static bool is_chosen(const sg_model *m, int tap, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) if (is_named(m, tap, names[i])) return true;
    return false;
}

nn_status dg_choose_taps(const sg_model *m, const char *const *names, int count, int *tap, int *chosen, nn_err *err)
{
    for (int i = 0; i < count; i++) {
        bool known = false;
        for (int j = 0; j < sg_tap_total(m); j++) known |= is_named(m, j, names[i]);
        if (!known) return nn_fail(err, NN_EINVAL, "the generator has no feature map '%.64s'; it has %s to %s", names[i],
                                   sg_tap_at(m, 0)->name, sg_tap_at(m, sg_tap_count(m) - 1)->name);
        for (int j = 0; j < i; j++)
            if (!strcmp(names[i], names[j])) return nn_fail(err, NN_EINVAL, "feature map '%.64s' is named twice", names[i]);
    }
    *chosen = 0;
    for (int j = 0; j < sg_tap_total(m); j++)
        if (names ? is_chosen(m, j, names, count) : sg_tap_is(sg_tap_at(m, j), "default")) tap[(*chosen)++] = j;
    return *chosen ? NN_OK : nn_fail(err, NN_EINVAL, "no feature map is chosen");
}

static nn_status choose_taps(dg_features *f, const sg_model *m, const char *const *names, int count, nn_err *err)
{
    const nn_status s = dg_choose_taps(m, names, count, f->tap, &f->tap_count, err);
    for (int i = 0; i < f->tap_count && !s; i++) {
        const sg_tap_info *tap = sg_tap_at(m, f->tap[i]);
        f->D += tap->c;
        dg_map_group *last = f->group_count ? &f->group[f->group_count - 1] : NULL;
        if (last && last->h == tap->h && last->w == tap->w) last->c += tap->c;       /* one gather serves both maps */
        else f->group[f->group_count++] = (dg_map_group){ .c = tap->c, .h = tap->h, .w = tap->w };
        f->picture_count += tap->c * tap->h * tap->w;
    }
    return s;
}

static nn_status make_tables(dg_features *f, nn_err *err)
{
    nn_dim offset = 0;
    for (int g = 0; g < f->group_count; g++) {
        dg_map_group *q = &f->group[g];
        q->offset = offset;
        offset += q->c * q->h * q->w;
        q->row = nn_alloc((size_t)(f->height + f->res) * sizeof *q->row, "bilinear positions", err);
        if (!q->row) return NN_ENOMEM;
        q->col = q->row + f->height;
        double t;
        for (nn_dim o = 0; o < f->height; o++) {
            nn_bilinear_at(f->top + o, q->h, f->res, &q->row[o].i0, &q->row[o].i1, &t);
            q->row[o].t = (real)t;
        }
        for (nn_dim o = 0; o < f->res; o++) {
            nn_bilinear_at(o, q->w, f->res, &q->col[o].i0, &q->col[o].i1, &t);
            q->col[o].t = (real)t;
        }
    }
    return NN_OK;
}

/* ---- what the pictures bring --------------------------------------------------------------------------------------- */

static nn_status add_label(dg_features *f, const dg_task *t, const dg_item *it, nn_dim picture, nn_err *err)
{
    nn_image label;
    const nn_status s = dg_item_label(t, it, f->res, f->height, &label, err);
    if (s) return s;
    for (nn_dim p = 0; p < f->size; p++) {
        if (label.pixels[p] == NN_VOID) continue;
        f->pixel[f->pixel_count] = (uint32_t)(picture * f->size + p);
        f->label[f->pixel_count++] = label.pixels[p];
    }
    nn_image_free(&label);
    return NN_OK;
}

/* One tap of a picture into its group, at its place among the group's channels. */
static void add_map(real *group, const dg_map_group *q, nn_dim first, const sg_tap_info *tap, const real *map, nn_layout layout)
{
    #pragma omp parallel for if (tap->c * tap->h * tap->w > NN_PARALLEL_MIN)
    for (nn_dim y = 0; y < tap->h; y++)
        for (nn_dim x = 0; x < tap->w; x++)
            for (nn_dim c = 0; c < tap->c; c++)
                group[(y * q->w + x) * q->c + first + c] = map[nn_map_at(layout, tap->h, tap->w, c, y, x)];
}

static void add_maps(dg_features *f, const sg_model *m, const sg_work *wk, nn_dim picture)
{
    int g = 0;
    nn_dim first = 0;
    for (int i = 0; i < f->tap_count; i++) {
        const sg_tap_info *tap = sg_tap_at(m, f->tap[i]);
        if (first == f->group[g].c) { g++; first = 0; }
        add_map(dg_group_map(f, g, picture), &f->group[g], first, tap, sg_tap(wk, 0, f->tap[i]),
                f->k->layout);
        first += tap->c;
    }
}

static nn_status add_labels(dg_features *f, const dg_task *t, const char *split, nn_err *err)
{
    nn_status s = NN_OK;
    nn_dim picture = 0;
    for (nn_dim i = 0; i < t->item_count && !s; i++) {
        if (strcmp(t->item[i].split, split)) continue;
        s = add_label(f, t, &t->item[i], picture, err);
        if (t->item[i].latents < 0) f->seed[f->seed_count++] = t->item[i].seed;
        picture++;
    }
    if (!s && f->pixel_count < 2)
        s = nn_fail(err, NN_EINVAL, "%s: split \"%.32s\": expected at least 2 pixels that are not void, found %td", t->path, split, f->pixel_count);
    return s;
}

static nn_status allocate(dg_features *f, const dg_task *t, const char *split, nn_err *err)
{
    for (nn_dim i = 0; i < t->item_count; i++) f->pictures += !strcmp(t->item[i].split, split);
    const nn_dim pixels = f->pictures * f->size;
    if (f->pictures == 0) return nn_fail(err, NN_EINVAL, "%s: no item has split \"%.32s\"", t->path, split);
    if (pixels > UINT32_MAX)
        return nn_fail(err, NN_EINVAL, "%s: split \"%.32s\" has %td pixels; at most %u can be trained on", t->path, split, pixels, UINT32_MAX);
    f->pixel = nn_alloc((size_t)pixels * sizeof *f->pixel, "annotated pixels", err);
    f->label = nn_alloc((size_t)pixels, "annotated pixels", err);
    f->seed = nn_alloc((size_t)f->pictures * sizeof *f->seed, "annotated seeds", err);
    f->mean = nn_alloc((size_t)f->D * sizeof *f->mean, "feature statistics", err);
    f->std = nn_alloc((size_t)f->D * sizeof *f->std, "feature statistics", err);
    if (!f->pixel || !f->label || !f->seed || !f->mean || !f->std) return NN_ENOMEM;
    for (nn_dim i = 0; i < f->D; i++) f->std[i] = 1;
    return NN_OK;
}

nn_status dg_features_open(dg_features *f, const dg_task *t, const char *split, const sg_model *m, const char *const *tap_names,
                           int tap_count, nn_err *err)
{
    memset(f, 0, sizeof *f);
    f->k = sg_get_kernels(m);
    const sg_config *c = sg_get_config(m);
    f->res = c->resolution;
    f->top = c->top;
    f->height = c->height;
    f->size = f->height * f->res;
    nn_status s = dg_task_check_generator(t, m, err);
    if (!s) s = choose_taps(f, m, tap_names, tap_names ? tap_count : 0, err);
    if (!s) s = make_tables(f, err);
    if (!s) s = allocate(f, t, split, err);
    if (!s) s = add_labels(f, t, split, err);
    if (s) dg_features_close(f);
    return s;
}

nn_status dg_features_draw(dg_features *f, const dg_task *t, const char *split, const sg_model *m, nn_err *err)
{
    f->maps = nn_alloc((size_t)(f->pictures * f->picture_count) * sizeof *f->maps, "feature maps of the annotated pictures", err);
    if (!f->maps) return NN_ENOMEM;
    sg_work *wk = sg_work_open(m, 1, true, omp_get_max_threads(), err);
    nn_status s = wk ? NN_OK : NN_ENOMEM;
    nn_dim picture = 0;
    for (nn_dim i = 0; i < t->item_count && !s; i++) {
        if (strcmp(t->item[i].split, split)) continue;
        const dg_item *it = &t->item[i];
        s = dg_items_draw(t, &it, 1, m, wk, err);
        if (!s) s = dg_item_check_picture(t, it, m, sg_picture(wk, 0), err);
        if (!s) add_maps(f, m, wk, picture++);
    }
    sg_work_close(wk);
    return s;
}

void dg_features_close(dg_features *f)
{
    if (!f) return;
    for (int g = 0; g < f->group_count; g++) nn_free(f->group[g].row);
    nn_free(f->maps);
    nn_free(f->pixel);
    nn_free(f->label);
    nn_free(f->seed);
    nn_free(f->mean);
    nn_free(f->std);
    memset(f, 0, sizeof *f);
}

nn_status dg_features_clean(dg_features *f, nn_dim min_pixels, nn_err *err)
{
    enum { CLEANED = 50 };
    const nn_dim size = f->size;
    if (min_pixels <= 0) return NN_OK;
    nn_dim *count = nn_alloc((size_t)(f->pictures * NN_VOID) * sizeof *count, "pixels of each class", err);
    if (!count) return NN_ENOMEM;
    for (nn_dim i = 0; i < f->pixel_count; i++) count[f->pixel[i] / size * NN_VOID + f->label[i]]++;
    for (nn_dim i = 0; i < f->pixel_count; i++)
        if (f->label[i] < CLEANED && count[f->pixel[i] / size * NN_VOID + f->label[i]] < min_pixels) f->label[i] = 0;
    nn_free(count);
    return NN_OK;
}

/* ---- gather -------------------------------------------------------------------------------------------------------- */

/* Entry i of the pixel list. */
typedef struct { nn_dim picture, y, x; } place;
static inline place place_of(const dg_features *f, uint32_t i)
{
    /* analyze: every caller fills the entries that it names */
    const nn_dim p = f->pixel[i], picture = p / f->size, y = (p - picture * f->size) / f->res;
    return (place){ picture, y, p - picture * f->size - y * f->res };
}

/* Four taps of a map: positions in it and their weights. */
typedef struct { nn_dim at[4]; real weight[4]; } taps;
static inline taps taps_of(const dg_map_group *q, place p)
{
    const dg_at r = q->row[p.y], c = q->col[p.x];
    return (taps){ { r.i0 * q->w + c.i0, r.i0 * q->w + c.i1, r.i1 * q->w + c.i0, r.i1 * q->w + c.i1 },
                   { (1 - r.t) * (1 - c.t), (1 - r.t) * c.t, r.t * (1 - c.t), r.t * c.t } };
}

static void gather_map(const dg_features *f, int g, place p, real *out)
{
    const dg_map_group *q = &f->group[g];
    const real *map = dg_group_map(f, g, p.picture);
    const taps t = taps_of(q, p);
    if (t.weight[0] == 1) {                               /* a map of the picture's size */
        memcpy(out, map + t.at[0] * q->c, (size_t)q->c * sizeof *out);
        return;
    }
    const real *const corner[4] = { map + t.at[0] * q->c, map + t.at[1] * q->c, map + t.at[2] * q->c, map + t.at[3] * q->c };
    f->k->mix(out, corner, t.weight, 4, q->c, false);
}

void dg_features_gather(const dg_features *f, int first, const uint32_t *at, nn_dim n, real *x)
{
    real *out = x;
    for (nn_dim i = 0; i < n; i++) {
        const place p = place_of(f, at[i]);
        for (int g = first; g < f->group_count; g++) {
            gather_map(f, g, p, out);
            out += f->group[g].c;
        }
    }
    for (real *v = x; f->half && v < out; v++) *v = nn_half_to_float(nn_half_from_float((float)*v));
}

void dg_features_taps(const dg_features *f, int groups, const uint32_t *at, nn_dim n, int32_t *position, real *weight)
{
    for (nn_dim i = 0; i < n; i++) {
        const place p = place_of(f, at[i]);
        nn_dim before = 0;
        for (int g = 0; g < groups; g++) {
            const nn_dim map = before + p.picture * f->group[g].h * f->group[g].w;
            const taps t = taps_of(&f->group[g], p);
            for (int k = 0; k < 4; k++) {
                *position++ = (int32_t)(map + t.at[k]);
                *weight++ = t.weight[k];
            }
            before += dg_group_positions(f, g);
        }
    }
}

/* ---- standardise --------------------------------------------------------------------------------------------------- */

/* A fixed number of pieces, summed in order: the same bits for any number of threads. */
enum { PIECES = 64, PIECE_ROWS = 64 };

static void sum_piece(const dg_features *f, nn_dim piece, real *x, double *sum, double *square)
{
    const nn_dim first = f->pixel_count * piece / PIECES, last = f->pixel_count * (piece + 1) / PIECES;
    for (nn_dim at = first; at < last; at += PIECE_ROWS) {
        const nn_dim rows = last - at < PIECE_ROWS ? last - at : PIECE_ROWS;
        uint32_t index[PIECE_ROWS];
        for (nn_dim i = 0; i < rows; i++) index[i] = (uint32_t)(at + i);
        dg_features_gather(f, 0, index, rows, x);
        for (nn_dim i = 0; i < rows; i++)
            for (nn_dim d = 0; d < f->D; d++) {
                const double v = x[i * f->D + d];
                sum[d] += v;
                square[d] += v * v;
            }
    }
}

static void fold(dg_features *f)
{
    #pragma omp parallel for
    for (nn_dim p = 0; p < f->pictures; p++) {
        nn_dim first = 0;
        for (int g = 0; g < f->group_count; first += f->group[g].c, g++) {
            const dg_map_group *q = &f->group[g];
            real *x = dg_group_map(f, g, p);
            for (nn_dim i = 0; i < q->h * q->w; i++, x += q->c)
                for (nn_dim c = 0; c < q->c; c++) x[c] = (x[c] - f->mean[first + c]) / f->std[first + c];
        }
    }
}

void dg_features_standardise_as(dg_features *f, const real *mean, const real *std)
{
    memcpy(f->mean, mean, (size_t)f->D * sizeof *mean);
    memcpy(f->std, std, (size_t)f->D * sizeof *std);
    fold(f);
}

nn_status dg_features_standardise(dg_features *f, nn_err *err)
{
    const nn_dim D = f->D, threads = omp_get_max_threads();
    double *sums = nn_alloc((size_t)(2 * PIECES * D) * sizeof *sums, "feature statistics", err);
    real *x = nn_alloc((size_t)(threads * PIECE_ROWS * D) * sizeof *x, "feature statistics", err);
    if (!sums || !x) { nn_free(sums); nn_free(x); return NN_ENOMEM; }

    #pragma omp parallel for schedule(dynamic)
    for (nn_dim piece = 0; piece < PIECES; piece++)
        sum_piece(f, piece, x + omp_get_thread_num() * PIECE_ROWS * D, sums + 2 * piece * D, sums + (2 * piece + 1) * D);

    const double n = (double)f->pixel_count;
    for (nn_dim d = 0; d < D; d++) {
        double sum = 0.0, square = 0.0;
        for (nn_dim piece = 0; piece < PIECES; piece++) {
            sum += sums[2 * piece * D + d];
            square += sums[(2 * piece + 1) * D + d];
        }
        const double mean = sum / n, var = square / n - mean * mean;
        f->mean[d] = (real)mean;
        /* A feature that does not vary carries no information; what cancellation leaves of its variance is not a scale. */
        f->std[d] = var > 1e-12 * (mean * mean) && var > 0.0 ? (real)sqrt(var) : 1;
    }
    fold(f);
    nn_free(sums);
    nn_free(x);
    return NN_OK;
}
