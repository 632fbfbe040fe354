/* batch.c: which maps a batch gathers, and gathering them. */
#include "datasetgan/batch.h"

#include <string.h>

dg_shared dg_batch_shared(const dg_features *f, nn_dim rows, nn_dim h1, bool all)
{
    dg_shared s = { 0 };
    for (int g = 0; g < f->group_count && h1 && !all && !f->half; g++, s.maps++) {
        const nn_dim positions = dg_group_positions(f, g);
        if (positions > rows || (s.positions + positions) * h1 > INT32_MAX) break;
        s.positions += positions;
        s.channels += f->group[g].c;
    }
    return s;
}

/* Runs twice: with an arena that only measures, then with one that has memory. */
static void lay_out(dg_batch *b, nn_arena *a, nn_dim rows, dg_shared s)
{
    b->D = b->f->D - s.channels;
    b->x = nn_take_real(a, rows * b->D);
    b->weight = nn_take_real(a, rows * 4 * s.maps);
    b->position = nn_take(a, (size_t)(rows * 4 * s.maps) * sizeof *b->position);
    b->label = nn_take(a, (size_t)rows);
}

size_t dg_batch_bytes(const dg_features *f, nn_dim rows, dg_shared s)
{
    dg_batch b = { .f = f };
    nn_arena measure = { 0 };
    lay_out(&b, &measure, rows, s);
    return measure.used;
}

nn_status dg_batch_open(dg_batch *b, const dg_features *f, nn_dim rows, dg_shared s, nn_err *err)
{
    *b = (dg_batch){ .f = f };
    nn_arena place = { nn_alloc(dg_batch_bytes(f, rows, s), "gathered features", err), 0 };
    if (!place.base) return NN_ENOMEM;
    lay_out(b, &place, rows, s);
    for (int g = 0; g < s.maps; g++) b->map[g] = (dg_small_map){ dg_group_map(f, g, 0), dg_group_positions(f, g), f->group[g].c };
    b->rows = (dg_rows){ .own = b->x, .map_count = s.maps, .map = b->map, .position = b->position, .weight = b->weight };
    return NN_OK;
}

void dg_batch_close(dg_batch *b)
{
    nn_free(b->x);                          /* the first piece of the block */
    memset(b, 0, sizeof *b);
}

void dg_batch_fill(dg_batch *b, const uint32_t *at, nn_dim n)
{
    const dg_features *f = b->f;
    dg_features_taps(f, b->rows.map_count, at, n, b->position, b->weight);
    dg_features_gather(f, b->rows.map_count, at, n, b->x);
    for (nn_dim i = 0; i < n; i++) b->label[i] = f->label[at[i]];
}
