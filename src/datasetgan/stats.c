/* stats.c: what a dataset holds: classes, uncertainty, near doubles, examples. */
#include "datasetgan/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    dg_stats *s;
    dg_set set;
    uint32_t *seed;                  /* (count) */
    double *uncertainty;             /* (count) */
    uint8_t *cell;                   /* (count,DG_CELLS) */
    uint64_t *order;                 /* (count): numbers by rising uncertainty, then seed */
} survey;

/* ---- doubles --------------------------------------------------------------------------------------------------------------- */

void dg_cells(const nn_image *im, uint8_t cell[DG_CELLS])
{
    for (nn_dim i = 0; i < DG_CELLS; i++) {
        const nn_dim y0 = i / DG_CELLS_SIDE * im->height / DG_CELLS_SIDE, x0 = i % DG_CELLS_SIDE * im->width / DG_CELLS_SIDE;
        nn_dim y1 = (i / DG_CELLS_SIDE + 1) * im->height / DG_CELLS_SIDE, x1 = (i % DG_CELLS_SIDE + 1) * im->width / DG_CELLS_SIDE;
        if (y1 == y0) y1++;                                    /* smaller than the grid: cells share pixels */
        if (x1 == x0) x1++;
        double sum = 0.0;
        for (nn_dim y = y0; y < y1; y++)
            for (nn_dim x = x0; x < x1; x++) {
                const uint8_t *p = im->pixels + (y * im->width + x) * im->channels;
                sum += im->channels < 3 ? p[0] : 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];      /* Rec. 601 luma */
            }
        cell[i] = (uint8_t)(sum / (double)((y1 - y0) * (x1 - x0)) + 0.5);
    }
}

typedef struct { int sum; uint64_t number; } by_brightness;

static int darker_first(const void *a, const void *b)
{
    const by_brightness *x = a, *y = b;
    if (x->sum != y->sum) return x->sum - y->sum;
    return (x->number > y->number) - (x->number < y->number);
}

/* Sum of differences; above `limit` any number above it. */
static int difference(const uint8_t *a, const uint8_t *b, int limit)
{
    int sum = 0;
    for (int i = 0; i < DG_CELLS && sum <= limit; i += 64)
        for (int k = i; k < i + 64; k++) sum += abs(a[k] - b[k]);
    return sum;
}

/* Keep the DG_STATS_DOUBLES closest, of equals the lower seeds. */
static void keep_double(dg_stats *s, uint32_t a, uint32_t b, int sum)
{
    const dg_double d = { a < b ? a : b, a < b ? b : a, (double)sum / DG_CELLS };
    int at = s->double_count;
    while (at > 0) {
        const dg_double *o = &s->doubles[at - 1];
        if (o->distance < d.distance || (o->distance == d.distance && (o->a < d.a || (o->a == d.a && o->b < d.b)))) break;
        at--;
    }
    if (at == DG_STATS_DOUBLES) return;
    const int last = s->double_count < DG_STATS_DOUBLES ? s->double_count++ : DG_STATS_DOUBLES - 1;
    memmove(&s->doubles[at + 1], &s->doubles[at], (size_t)(last - at) * sizeof d);
    s->doubles[at] = d;
}

/* Pictures whose mean brightness is too far apart cannot be near: sorted by it, each is compared with a few neighbours. */
nn_status dg_find_doubles(dg_stats *s, const uint8_t *cell, const uint32_t *seed, uint64_t n, nn_err *err)
{
    const int near_sum = (int)(DG_STATS_NEAR * DG_CELLS);
    by_brightness *at = nn_alloc((size_t)n * sizeof *at, "stats: pictures by brightness", err);
    if (!at) return NN_ENOMEM;
    for (uint64_t i = 0; i < n; i++) {
        at[i].number = i;
        for (int k = 0; k < DG_CELLS; k++) at[i].sum += cell[i * DG_CELLS + (uint64_t)k];
    }
    qsort(at, (size_t)n, sizeof *at, darker_first);
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t k = i + 1; k < n; k++) {
            int limit = s->double_count < DG_STATS_DOUBLES ? 255 * DG_CELLS : (int)(s->doubles[DG_STATS_DOUBLES - 1].distance * DG_CELLS);
            if (limit < near_sum) limit = near_sum;
            if (at[k].sum - at[i].sum > limit) break;
            const int sum = difference(cell + at[i].number * DG_CELLS, cell + at[k].number * DG_CELLS, limit);
            if (sum > limit) continue;
            if (sum <= near_sum) s->near++;
            keep_double(s, seed[at[i].number], seed[at[k].number], sum);
        }
    nn_free(at);
    return NN_OK;
}

/* ---- one walk over the set ------------------------------------------------------------------------------------------------------ */

/* The samples with most pixels of class c, of equals the lower seed. */
static void keep_example(dg_stats *s, int c, uint64_t number, const dg_sample *sample)
{
    dg_ranked *list = s->example[c];
    const dg_ranked r = { number, sample->seed, (double)sample->pixels[c] };
    int at = s->example_count[c];
    if (sample->pixels[c] == 0) return;
    while (at > 0 && list[at - 1].value < r.value) at--;
    if (at == s->per_class) return;
    const int last = s->example_count[c] < s->per_class ? s->example_count[c]++ : s->per_class - 1;
    memmove(&list[at + 1], &list[at], (size_t)(last - at) * sizeof r);
    list[at] = r;
}

static nn_status add_sample(survey *v, uint64_t number, const dg_sample *sample, nn_err *err)
{
    dg_stats *s = v->s;
    dg_pair pair;
    const nn_status st = dg_pair_read(&pair, &v->set, sample, err);
    if (st) return st;
    dg_cells(&pair.picture, v->cell + number * DG_CELLS);
    dg_pair_free(&pair);
    v->seed[number] = sample->seed;
    v->uncertainty[number] = sample->uncertainty;
    for (int c = 0; c < s->class_count; c++) {
        s->class_pixels[c] += sample->pixels[c];
        s->class_samples[c] += sample->pixels[c] > 0;
        s->pixels += sample->pixels[c];
        keep_example(s, c, number, sample);
    }
    return NN_OK;
}

static nn_status read_all(survey *v, const dg_progress *p, nn_err *err)
{
    dg_walk w;
    nn_status s = dg_walk_open(&w, &v->set, err);
    if (s) return s;
    for (uint64_t i = 0; i < v->set.count && dg_walk_next(&w, &s, err); i++) {
        s = add_sample(v, i, &w.sample, err);
        if (!s && p && p->report && !p->report(p->user, "sample", (double)(i + 1), (double)v->set.count, 0.0))
            s = nn_fail(err, NN_ECANCEL, "%s: interrupted after %ju of %ju samples", v->set.folder, (uintmax_t)(i + 1), (uintmax_t)v->set.count);
    }
    dg_walk_close(&w);
    return s;
}

/* ---- uncertainty ------------------------------------------------------------------------------------------------------------------ */

typedef struct { double uncertainty; uint64_t number; } entry;

static int by_uncertainty(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->uncertainty != y->uncertainty) return x->uncertainty < y->uncertainty ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static nn_status rank(survey *v, nn_err *err)
{
    dg_stats *s = v->s;
    const uint64_t n = v->set.count;
    entry *list = nn_alloc((size_t)n * sizeof *list, "stats: samples by uncertainty", err);
    if (!list) return NN_ENOMEM;
    for (uint64_t i = 0; i < n; i++) list[i] = (entry){ v->uncertainty[i], i };
    qsort(list, (size_t)n, sizeof *list, by_uncertainty);
    for (uint64_t i = 0; i < n; i++) {
        v->order[i] = list[i].number;
        s->mean += list[i].uncertainty / (double)n;
    }
    for (int q = 0; q < DG_STATS_QUANTILES; q++)             /* 0, 10, ... 100 %: the nearest rank */
        s->quantile[q] = list[(uint64_t)((double)(n - 1) * q / (DG_STATS_QUANTILES - 1) + 0.5)].uncertainty;
    s->highest_seed = v->seed[list[n - 1].number];
    s->bin_from = s->quantile[0] < 0 ? s->quantile[0] : 0.0;
    /* A few samples are far above the others: 99 of 100 are spread over all bins but the last, which has the rest. */
    s->bin_width = (list[(n - 1) * 99 / 100].uncertainty - s->bin_from) / (DG_STATS_BINS - 1);
    for (uint64_t i = 0; i < n; i++) {
        const double bin = s->bin_width > 0 ? (list[i].uncertainty - s->bin_from) / s->bin_width : 0.0;
        s->bin[bin < DG_STATS_BINS - 1 ? (int)bin : DG_STATS_BINS - 1]++;
    }
    nn_free(list);
    return NN_OK;
}

static int ascending(const void *a, const void *b) { const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b; return (x > y) - (x < y); }

nn_dim dg_choose_shown(const dg_stats *s, const uint64_t *order, uint64_t number[DG_STATS_SHOWN])
{
    nn_dim n = 0;
    for (int c = 0; c < s->class_count; c++) for (int i = 0; i < s->example_count[c]; i++) number[n++] = s->example[c][i].number;
    const uint64_t room = (uint64_t)(DG_STATS_SHOWN - n), spread = s->samples < room ? s->samples : room;
    for (uint64_t i = 0; i < spread; i++) number[n++] = order[spread > 1 ? i * (s->samples - 1) / (spread - 1) : 0];
    qsort(number, (size_t)n, sizeof *number, ascending);
    nn_dim kept = 0;
    for (nn_dim i = 0; i < n; i++) if (kept == 0 || number[kept - 1] != number[i]) number[kept++] = number[i];
    return kept;
}

/* ---- the call ----------------------------------------------------------------------------------------------------------------------- */

static nn_status survey_set(survey *v, const dg_progress *p, nn_err *err)
{
    dg_stats *s = v->s;
    const size_t n = (size_t)v->set.count;
    s->samples = v->set.count;
    s->unfinished = !v->set.finished;
    s->width = v->set.width;
    s->height = v->set.height;
    s->class_count = v->set.class_count;
    memcpy(s->class_at, v->set.class_at, sizeof s->class_at);
    s->per_class = DG_STATS_EXAMPLES * s->class_count <= DG_STATS_SHOWN * 2 / 3 ? DG_STATS_EXAMPLES : DG_STATS_SHOWN * 2 / 3 / s->class_count;
    if (s->per_class < 1) s->per_class = 1;
    v->seed = nn_alloc(n * sizeof *v->seed, "stats: the samples", err);
    v->uncertainty = v->seed ? nn_alloc(n * sizeof *v->uncertainty, "stats: the samples", err) : NULL;
    v->order = v->uncertainty ? nn_alloc(n * sizeof *v->order, "stats: the samples", err) : NULL;
    v->cell = v->order ? nn_alloc(n * DG_CELLS, "stats: the pictures' brightness", err) : NULL;
    nn_status st = v->cell ? read_all(v, p, err) : NN_ENOMEM;
    if (!st) st = rank(v, err);
    return st ? st : dg_find_doubles(s, v->cell, v->seed, v->set.count, err);
}

nn_status dg_stats_make(dg_stats *s, const char *dataset, nn_bytes *page, const dg_progress *p, nn_err *err)
{
    nn_err own = { 0 };
    if (!err) err = &own;
    survey v = { .s = s };
    uint64_t shown[DG_STATS_SHOWN];
    memset(s, 0, sizeof *s);
    if (page) *page = (nn_bytes){ 0 };
    nn_status st = dg_set_open(&v.set, dataset, err);
    if (st) return st;
    st = survey_set(&v, p, err);
    if (!st && page) st = dg_stats_write_page(s, &v.set, shown, dg_choose_shown(s, v.order, shown), page, err);
    nn_free(v.seed);
    nn_free(v.uncertainty);
    nn_free(v.order);
    nn_free(v.cell);
    dg_set_close(&v.set);
    return st;
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------------------------ */

static json_t *class_json(const dg_stats *s, int c)
{
    json_t *seeds = json_array();
    bool ok = seeds != NULL;
    for (int i = 0; ok && i < s->example_count[c]; i++) ok = json_array_append_new(seeds, json_integer(s->example[c][i].seed)) == 0;
    if (!ok) {
        json_decref(seeds);
        return NULL;
    }
    return json_pack("{s:i, s:s, s:I, s:f, s:I, s:o}", "id", c, "name", s->class_at[c].name, "pixels", (json_int_t)s->class_pixels[c], "share",
                     (double)s->class_pixels[c] / (double)s->pixels, "samples", (json_int_t)s->class_samples[c], "examples", seeds);
}

json_t *dg_stats_json(const dg_stats *s, nn_err *err)
{
    json_t *classes = json_array(), *quantiles = json_array(), *bins = json_array(), *doubles = json_array();
    bool ok = classes && quantiles && bins && doubles;
    for (int c = 0; ok && c < s->class_count; c++) ok = json_array_append_new(classes, class_json(s, c)) == 0;
    for (int i = 0; ok && i < DG_STATS_QUANTILES; i++) ok = json_array_append_new(quantiles, json_real(s->quantile[i])) == 0;
    for (int i = 0; ok && i < DG_STATS_BINS; i++) ok = json_array_append_new(bins, json_integer((json_int_t)s->bin[i])) == 0;
    for (int i = 0; ok && i < s->double_count; i++)
        ok = json_array_append_new(doubles, json_pack("{s:[I,I], s:f}", "seeds", (json_int_t)s->doubles[i].a, (json_int_t)s->doubles[i].b, "distance",
                                                      s->doubles[i].distance)) == 0;
    json_t *v = json_pack("{s:s, s:i, s:I, s:I, s:I, s:o, s:{s:f, s:I, s:o, s:f, s:f, s:o}, s:{s:f, s:I, s:o}}", "kind", "dataset statistics", "format", 1,
                          "samples", (json_int_t)s->samples, "width", (json_int_t)s->width, "height", (json_int_t)s->height, "classes", classes,
                          "uncertainty", "mean", s->mean, "highest_seed", (json_int_t)s->highest_seed, "deciles", quantiles, "bin_from", s->bin_from, "bin_width", s->bin_width,
                          "histogram", bins, "doubles", "near", DG_STATS_NEAR, "pairs", (json_int_t)s->near, "closest", doubles);
    if (v && ok) return v;
    json_decref(v);
    nn_fail(err, NN_ENOMEM, "statistics: not enough memory");
    return NULL;
}
