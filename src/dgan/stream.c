/* stream.c: labelled samples one after another, without files. */
#include "dgan/handles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct dgan_stream {
    dgan_interpreter *interpreter;
    dgan_drawer *drawer;
    dgan_labeller *labeller;
    dgan_draw draw;
    uint32_t *skip;                  /* annotated seeds, ascending */
    nn_dim skips;
    uint64_t next, number, count;    /* the next seed and its number; number of the first that is not given */
    uint64_t shard, shards;
    uint32_t *seed;                  /* (batch): drawn, of which `given` have been handed out */
    int drawn, given;
    uint8_t *label;                  /* (height,width) for callers that want none */
};

static int by_value(const void *a, const void *b) { const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; return (x > y) - (x < y); }

/* Fill the drawer's batch with this shard's next seeds; returns how many there are. */
static int take_seeds(dgan_stream *s)
{
    int n = 0;
    for (; n < s->drawer->batch && s->number < s->count && s->next <= UINT32_MAX; s->next++) {
        const uint32_t seed = (uint32_t)s->next;
        if (bsearch(&seed, s->skip, (size_t)s->skips, sizeof seed, by_value)) continue;
        if (s->number++ % s->shards == s->shard) s->seed[n++] = seed;
    }
    return n;
}

static int open_parts(dgan_stream *s, dgan_generator *g, const dgan_stream_options *o, dgan_error *err)
{
    nn_err own = { 0 };
    const dg_interp *in = &s->interpreter->interp;
    const nn_dim pixels = sg_get_config(g->model)->resolution * sg_get_config(g->model)->height;
    sg_options checked;
    s->draw = (dgan_draw)DGAN_DRAW_INIT;
    int refused = o->draw ? dgan_take(&s->draw, sizeof s->draw, o->draw, "draw", err) : dgan_interpreter_draw(s->interpreter, &s->draw, err);
    if (!refused) refused = dgan_take_draw(&checked, &s->draw, &in->draw, g->model, err);
    if (refused) return refused;
    if (!(s->labeller = dgan_labeller_open(g, s->interpreter, err)) || !(s->drawer = dgan_drawer_open(g, o->batch, 1, err)))
        return DGAN_EINVAL;                                            /* err says what it was; opening gives no status */
    s->skips = in->seed_count;
    s->skip = nn_alloc((size_t)s->skips * sizeof *s->skip, "annotated seeds", &own);
    s->seed = s->skip ? nn_alloc((size_t)o->batch * sizeof *s->seed, "seeds of a batch", &own) : NULL;
    s->label = s->seed ? nn_alloc((size_t)pixels, "a label map", &own) : NULL;
    if (!s->label) return dgan_give(err, &own);
    if (s->skips) memcpy(s->skip, in->seed, (size_t)s->skips * sizeof *s->skip);
    qsort(s->skip, (size_t)s->skips, sizeof *s->skip, by_value);
    return DGAN_OK;
}

dgan_stream *dgan_stream_open(dgan_generator *g, dgan_interpreter *in, const dgan_stream_options *o, dgan_error *err)
{
    dgan_stream_options d = DGAN_STREAM_INIT;
    if (!g || !in) { dgan_refuse(err, "stream: the generator or the interpreter is NULL"); return NULL; }
    if (o && dgan_take(&d, sizeof d, o, "stream", err)) return NULL;
    if (d.first_seed > UINT32_MAX || d.shards < 1 || d.shard >= d.shards) {
        dgan_refuse(err, "stream: expected a first seed below 2^32 and shard < shards, found seed %llu, shard %llu of %llu",
                    (unsigned long long)d.first_seed, (unsigned long long)d.shard, (unsigned long long)d.shards);
        return NULL;
    }
    nn_err own = { 0 };
    dgan_stream *s = nn_alloc(sizeof *s, "stream", &own);
    if (!s) { dgan_give(err, &own); return NULL; }
    *s = (dgan_stream){ .interpreter = dgan_interpreter_retain(in), .next = d.first_seed, .count = d.count ? d.count : UINT64_MAX,
                        .shard = d.shard, .shards = d.shards };
    if (open_parts(s, g, &d, err) == DGAN_OK) return s;
    dgan_stream_close(s);
    return NULL;
}

void dgan_stream_close(dgan_stream *s)
{
    if (!s) return;
    dgan_drawer_close(s->drawer);
    dgan_labeller_close(s->labeller);
    dgan_interpreter_release(s->interpreter);
    nn_free(s->skip);
    nn_free(s->seed);
    nn_free(s->label);
    nn_free(s);
}

int dgan_stream_next(dgan_stream *s, uint8_t *picture, uint8_t *label, float *divergence, dgan_sample *out, dgan_error *err)
{
    if (!s) return dgan_refuse(err, "stream_next: the stream is NULL");
    int refused = dgan_check_process(s->drawer->process, "stream", err);
    if (refused) return refused;
    if (s->given == s->drawn) {
        s->given = 0;
        s->drawn = take_seeds(s);
        if (!s->drawn) return DGAN_END;
        refused = dgan_draw_seeds(s->drawer, s->seed, s->drawn, &s->draw, err);
    }
    const int n = s->given++;
    double uncertainty = 0;
    if (!refused) refused = dgan_label(s->labeller, s->drawer, n, label ? label : s->label, divergence, NULL, &uncertainty, err);
    if (!refused && !isfinite(uncertainty)) {
        nn_err own = { 0 };
        nn_fail(&own, NN_EFORMAT, "seed %u: the features of this picture are not finite", (unsigned)s->seed[n]);
        return dgan_give(err, &own);
    }
    if (!refused && picture) refused = dgan_picture_bytes(s->drawer, n, picture, err);
    if (!refused && out) *out = (dgan_sample){ s->seed[n], uncertainty };
    return refused;
}
