/* weights.c: opening a generator.  A table says which tensor, of which shape, fills which slot of the model; once all are
 * bound they move from the file's memory into the model's own, convolution weights in the kernels' packing. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stylegan/model.h"

/* Per layer 7 tensors (with its filter), per level 5, per mapping layer 2, and w_avg and const. */
enum { TENSORS_MAX = 7 * SG_TAPS_MAX + 5 * SG_LEVELS_MAX + 2 * SG_MAPPING_MAX + 2 };

/* What a file must hold.  repacked: the slot's numbers are rewritten on the way in, the others are copied as they are. */
typedef struct {
    size_t count;
    nn_want want[TENSORS_MAX];
    char name[TENSORS_MAX][48];
    bool repacked[TENSORS_MAX];
} table;

typedef struct { int rank; nn_dim dim[4]; } dims;
#define DIMS0 ((dims){ 0, { 0 } })
#define DIMS1(a) ((dims){ 1, { a } })
#define DIMS2(a, b) ((dims){ 2, { a, b } })
#define DIMS3(a, b, c) ((dims){ 3, { a, b, c } })
#define DIMS4(a, b, c, d) ((dims){ 4, { a, b, c, d } })

static void add(table *t, const real **slot, dims d, bool repacked, const char *fmt, ...) NN_PRINTF(5, 6);
static void add(table *t, const real **slot, dims d, bool repacked, const char *fmt, ...)
{
    NN_ASSERT(t->count < TENSORS_MAX);
    nn_want *w = &t->want[t->count];
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->name[t->count], sizeof t->name[0], fmt, args);
    va_end(args);
    *w = (nn_want){ .name = t->name[t->count], .rank = d.rank, .slot = slot };
    for (int i = 0; i < d.rank; i++) w->dim[i] = (uint64_t)d.dim[i];
    t->repacked[t->count++] = repacked;
}

/* A filter's size is the file's choice: (fh,fw), each 1 to 16. */
static nn_status add_filter(table *t, const nn_st *f, const real **slot, nn_dim *fh, nn_dim *fw, nn_dim res, const char *part, nn_err *err)
{
    char name[48];
    nn_format(name, sizeof name, "synthesis.b%td.%sresample_filter", res, part);
    const nn_st_entry *e = nn_st_find(f, name);
    if (!e) return nn_fail(err, NN_EFORMAT, "%s: tensor '%s' is missing", f->path, name);
    if (e->rank != 2 || e->dim[0] < 1 || e->dim[0] > SG_FILTER_MAX || e->dim[1] < 1 || e->dim[1] > SG_FILTER_MAX)
        return nn_fail(err, NN_ESHAPE, "%s: tensor '%s': expected 2 dimensions of 1 to %d, found %d of %llu, %llu", f->path, name,
                       SG_FILTER_MAX, e->rank, e->rank > 0 ? (unsigned long long)e->dim[0] : 0, e->rank > 1 ? (unsigned long long)e->dim[1] : 0);
    *fh = (nn_dim)e->dim[0];
    *fw = (nn_dim)e->dim[1];
    add(t, slot, DIMS2(*fh, *fw), false, "%s", name);
    return NN_OK;
}

static void add_affine(table *t, sg_dense *a, nn_dim cin, nn_dim w_dim, nn_dim res, const char *part)
{
    add(t, &a->weight, DIMS2(cin, w_dim), false, "synthesis.b%td.%s.affine.weight", res, part);
    add(t, &a->bias, DIMS1(cin), false, "synthesis.b%td.%s.affine.bias", res, part);
}

/* The next 3x3 convolution of the network: conv0 doubles the size of its input, conv1 keeps it. */
static nn_status add_layer(table *t, const nn_st *f, sg_model *m, nn_dim res, nn_dim cin, nn_dim cout, int up, nn_err *err)
{
    const char *part = up == 2 ? "conv0" : "conv1";
    sg_tap_info *tap = &m->tap[m->layer_count];
    sg_layer *l = &m->layer[m->layer_count++];
    l->conv.shape = (nn_conv_shape){ .cin = cin, .cout = cout, .h = res / up, .w = res / up, .ks = 3, .up = up };
    *tap = (sg_tap_info){ .c = cout, .h = res, .w = res };
    nn_format(tap->name, sizeof tap->name, "b%td.%s", res, part);

    add(t, &l->weight, DIMS4(cout, cin, 3, 3), true, "synthesis.b%td.%s.weight", res, part);
    add(t, &l->bias, DIMS1(cout), false, "synthesis.b%td.%s.bias", res, part);
    add(t, &l->noise, DIMS2(res, res), false, "synthesis.b%td.%s.noise_const", res, part);
    add(t, &l->strength, DIMS0, false, "synthesis.b%td.%s.noise_strength", res, part);
    add_affine(t, &l->affine, cin, m->config.w_dim, res, part);
    return up == 1 ? NN_OK
                   : add_filter(t, f, &l->conv.shape.filter, &l->conv.shape.fh, &l->conv.shape.fw, res, "conv0.", err);
}

/* Sizes of every layer from the configuration, and the table of all tensors, in network order. */
static nn_status describe(table *t, const nn_st *f, sg_model *m, nn_err *err)
{
    const sg_config *c = &m->config;
    for (nn_dim i = 0; i < c->mapping_layers; i++) {
        add(t, &m->fc[i].weight, DIMS2(c->w_dim, i ? c->w_dim : c->z_dim), false, "mapping.fc%td.weight", i);
        add(t, &m->fc[i].bias, DIMS1(c->w_dim), false, "mapping.fc%td.bias", i);
    }
    add(t, &m->w_avg, DIMS1(c->w_dim), false, "mapping.w_avg");
    add(t, &m->constant, DIMS3(c->channels[0], 4, 4), true, "synthesis.b4.const");
    for (nn_dim level = 0; level < c->levels; level++) {
        const nn_dim res = (nn_dim)4 << level, cout = c->channels[level];
        sg_rgb *r = &m->rgb[level];
        if (level > 0 && (add_layer(t, f, m, res, c->channels[level - 1], cout, 2, err)
                          || add_filter(t, f, &r->filter, &r->fh, &r->fw, res, "", err))) return err->status;
        if (add_layer(t, f, m, res, cout, cout, 1, err)) return err->status;
        r->shape = (nn_conv_shape){ .cin = cout, .cout = c->img_channels, .h = res, .w = res, .ks = 1, .up = 1 };
        add(t, &r->weight, DIMS4(c->img_channels, cout, 1, 1), false, "synthesis.b%td.torgb.weight", res);
        add(t, &r->bias, DIMS1(c->img_channels), false, "synthesis.b%td.torgb.bias", res);
        add_affine(t, &r->affine, cout, c->w_dim, res, "torgb");
    }
    return NN_OK;
}

static nn_dim numbers(const nn_want *w)
{
    nn_dim n = 1;
    for (int i = 0; i < w->rank; i++) n *= (nn_dim)w->dim[i];
    return n;
}

/* Measured with an empty arena, then run again to move everything in.  Filters move before weights are packed, because a
 * kernel may fold them in. */
static void take_over(sg_model *m, const table *t, nn_arena *a)
{
    const nn_kernels *k = m->kernels;
    for (size_t i = 0; i < t->count; i++) {
        if (t->repacked[i]) continue;
        const nn_dim n = numbers(&t->want[i]);
        real *copy = nn_take_real(a, n);
        if (!copy) continue;
        memcpy(copy, *t->want[i].slot, (size_t)n * sizeof *copy);
        *t->want[i].slot = copy;
    }
    const nn_dim c0 = m->config.channels[0];
    real *map = nn_take_real(a, nn_map_count(k->layout, c0, 4, 4));
    if (map) {
        nn_map_from_planar(k->layout, map, m->constant, c0, 4, 4);
        m->constant = map;
    }
    for (int i = 0; i < m->layer_count; i++) {
        sg_layer *l = &m->layer[i];
        const nn_conv_shape *s = &l->conv.shape;
        real *packed = nn_take_real(a, k->conv_packed(s)), *square = nn_take_real(a, s->cout * s->cin);
        if (!packed) continue;
        k->conv_pack(s, l->weight, packed);
        nn_square_sum_ref(square, l->weight, s->cin, s->cout, s->ks);
        l->conv.packed = packed;
        l->square = square;
        l->weight = NULL;
    }
}

/* What makes a generator the generator it is; wording, dates and sources in the metadata are left out. */
static const char *const identity_keys[] = {
    "network", "architecture", "resolution", "z_dim", "w_dim", "mapping_layers", "mapping_lr_multiplier", "img_channels",
    "num_ws", "channels", "conv_clamp", "c_dim",
};

static nn_status fill(sg_model *m, table *t, nn_st *f, nn_err *err)
{
    nn_arena arena = { 0 };
    if (sg_config_read(f, &m->config, err) || describe(t, f, m, err) || nn_st_bind(f, t->want, t->count, true, err)
        || nn_st_identity(f, identity_keys, sizeof identity_keys / sizeof *identity_keys, m->identity, err)) return err->status;
    take_over(m, t, &arena);
    m->memory = nn_alloc(arena.used, f->path, err);
    if (!m->memory) return err->status;
    m->bytes = sizeof *m + arena.used;
    arena = (nn_arena){ .base = m->memory };
    take_over(m, t, &arena);
    return NN_OK;
}

sg_model *sg_load(nn_st *f, const nn_kernels *k, nn_err *err)
{
    nn_err own = { 0 };                                   /* the caller may pass NULL; here the status decides */
    if (!err) err = &own;
    sg_model *m = nn_alloc(sizeof *m, f->path, err);
    table *t = nn_alloc(sizeof *t, f->path, err);
    if (m) m->kernels = k;
    const bool ok = m && t && fill(m, t, f, err) == NN_OK;
    nn_free(t);
    if (ok) return m;
    sg_close(m);
    return NULL;
}

sg_model *sg_open(const char *path, const nn_kernels *k, nn_err *err)
{
    nn_st file;
    if (nn_st_open(&file, path, err) != NN_OK) return NULL;
    sg_model *m = sg_load(&file, k, err);
    nn_st_close(&file);
    return m;
}

void sg_close(sg_model *m)
{
    if (!m) return;
    nn_free(m->memory);
    nn_free(m);
}

const sg_config *sg_get_config(const sg_model *m) { return &m->config; }
const nn_kernels *sg_get_kernels(const sg_model *m) { return m->kernels; }
const char *sg_identity(const sg_model *m) { return m->identity; }
int sg_tap_count(const sg_model *m) { return m->layer_count; }
size_t sg_model_bytes(const sg_model *m) { return m->bytes; }

const sg_tap_info *sg_tap_at(const sg_model *m, int i)
{
    NN_ASSERT(i >= 0 && i < m->layer_count);
    return &m->tap[i];
}
