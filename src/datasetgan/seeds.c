/* seeds.c: which seeds a run draws: all from the first on, without the annotated ones. */
#include <stdlib.h>
#include <string.h>

#include "datasetgan/dataset.h"

static int by_value(const void *a, const void *b) { const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; return (x > y) - (x < y); }

nn_status dg_seeds_open(dg_seeds *s, const uint32_t *annotated, nn_dim count, uint64_t first, nn_err *err)
{
    *s = (dg_seeds){ .count = count, .first = first, .next = first };
    s->skip = nn_alloc((size_t)count * sizeof *s->skip, "annotated seeds", err);
    if (!s->skip) return NN_ENOMEM;
    if (count) memcpy(s->skip, annotated, (size_t)count * sizeof *s->skip);
    qsort(s->skip, (size_t)count, sizeof *s->skip, by_value);
    return NN_OK;
}

/* Number `index`, from 0, of the seeds from `from` on. */
static uint64_t nth(const dg_seeds *s, uint64_t from, uint64_t index)
{
    uint64_t seed = from + index;
    for (nn_dim i = 0; i < s->count; i++)
        if (s->skip[i] >= from && s->skip[i] <= seed && (i == 0 || s->skip[i] != s->skip[i - 1])) seed++;
    return seed;
}

void dg_seeds_seek(dg_seeds *s, uint64_t index) { s->next = nth(s, s->first, index); }

void dg_seeds_close(dg_seeds *s)
{
    nn_free(s->skip);
    s->skip = NULL;
}

static bool annotated_seed(const dg_seeds *s)
{
    const uint32_t key = (uint32_t)s->next;
    return s->next <= UINT32_MAX && bsearch(&key, s->skip, (size_t)s->count, sizeof key, by_value);
}

uint32_t dg_seeds_take(dg_seeds *s)
{
    while (annotated_seed(s)) s->next++;
    return (uint32_t)s->next++;
}

bool dg_seeds_suffice(const dg_seeds *s, uint64_t count)
{
    const uint64_t limit = (uint64_t)UINT32_MAX + 1;
    if (s->next >= limit || count > limit - s->next) return false;
    return count == 0 || nth(s, s->next, count - 1) < limit;
}

void dg_shard_range(dg_shard shard, uint64_t count, uint64_t *begin, uint64_t *end)
{
    *begin = shard.of ? count * (shard.index - 1) / shard.of : 0;
    *end = shard.of ? count * shard.index / shard.of : count;
}
