/* weights.c: opening a generator.  A table says which tensor, of which shape, fills which slot of the model; once all are
 * bound they move from the file's memory into the model's own, convolution weights in the kernels' packing. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stylegan/model.h"

static const double SQRT2 = 1.4142135623730951;

void sg_table_add(sg_table *t, const real **slot, sg_dims d, bool repacked, const char *fmt, ...)
{
    NN_ASSERT(t->count < SG_TENSORS_MAX);
    nn_want *w = &t->want[t->count];
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->name[t->count], sizeof t->name[0], fmt, args);
    va_end(args);
    *w = (nn_want){ .name = t->name[t->count], .rank = d.rank, .slot = slot };
    for (int i = 0; i < d.rank; i++) w->dim[i] = (uint64_t)d.dim[i];
    t->repacked[t->count++] = repacked;
}

void sg_add_tap(sg_model *m, nn_dim c, nn_dim res, const char *part, sg_place place, int layer, unsigned sets)
{
    const int i = m->tap_total++;
    NN_ASSERT(i < SG_TAPS_MAX && (!(sets & SG_SET_DEFAULT) || i == m->tap_count));      /* the default ones come first */
    m->tap_count += sets & SG_SET_DEFAULT;
    m->tap[i] = (sg_tap_info){ .c = c, .h = res, .w = res, .sets = sets };
    nn_format(m->tap[i].name, sizeof m->tap[i].name, "b%td.%s", res, part);
    m->source[i].place = place;
    m->source[i].layer = layer;
}

/* A filter's size is the file's choice: (fh,fw), each 1 to 16. */
static nn_status add_filter(sg_table *t, const nn_st *f, const real **slot, nn_dim *fh, nn_dim *fw, nn_dim res, const char *part, nn_err *err)
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
    sg_table_add(t, slot, SG_DIMS2(*fh, *fw), false, "%s", name);
    return NN_OK;
}

static void add_affine(sg_table *t, sg_dense *a, nn_dim cin, nn_dim w_dim, nn_dim res, const char *part)
{
    sg_table_add(t, &a->weight, SG_DIMS2(cin, w_dim), false, "synthesis.b%td.%s.affine.weight", res, part);
    sg_table_add(t, &a->bias, SG_DIMS1(cin), false, "synthesis.b%td.%s.affine.bias", res, part);
}

/* The next 3x3 convolution of the network: conv0 doubles the size of its input, conv1 keeps it. */
static nn_status add_layer(sg_table *t, const nn_st *f, sg_model *m, nn_dim res, nn_dim cin, nn_dim cout, int up, nn_err *err)
{
    const char *part = up == 2 ? "conv0" : "conv1";
    sg_layer *l = &m->layer[m->layer_count];
    *l = (sg_layer){ .c = cout, .res = res };
    l->conv.shape = (nn_conv_shape){ .cin = cin, .cout = cout, .h = res / up, .w = res / up, .ks = 3, .up = up };
    sg_add_tap(m, cout, res, part, SG_OUTPUT, m->layer_count++, SG_SET_DEFAULT | SG_SET_EDITGAN);

    sg_table_add(t, &l->weight, SG_DIMS4(cout, cin, 3, 3), true, "synthesis.b%td.%s.weight", res, part);
    sg_table_add(t, &l->bias, SG_DIMS1(cout), false, "synthesis.b%td.%s.bias", res, part);
    sg_table_add(t, &l->noise, SG_DIMS2(res, res), false, "synthesis.b%td.%s.noise_const", res, part);
    sg_table_add(t, &l->strength, SG_DIMS0, false, "synthesis.b%td.%s.noise_strength", res, part);
    add_affine(t, &l->affine, cin, m->config.w_dim, res, part);
    return up == 1 ? NN_OK
                   : add_filter(t, f, &l->conv.shape.filter, &l->conv.shape.fh, &l->conv.shape.fw, res, "conv0.", err);
}

/* The shortcut of a resnet block: 1x1 convolution, then up-sampling; the same sum as a transposed convolution of kernel 1. */
static nn_status add_skip(sg_table *t, const nn_st *f, sg_layer *l, nn_dim res, nn_dim cin, nn_dim cout, nn_err *err)
{
    *l = (sg_layer){ .c = cout, .res = res };
    l->conv.shape = (nn_conv_shape){ .cin = cin, .cout = cout, .h = res / 2, .w = res / 2, .ks = 1, .up = 2 };
    sg_table_add(t, &l->weight, SG_DIMS4(cout, cin, 1, 1), true, "synthesis.b%td.skip.weight", res);
    return add_filter(t, f, &l->conv.shape.filter, &l->conv.shape.fh, &l->conv.shape.fw, res, "skip.", err);
}

static void add_rgb(sg_table *t, sg_model *m, nn_dim level, nn_dim res, nn_dim cin)
{
    const sg_config *c = &m->config;
    sg_rgb *r = &m->rgb[level];
    r->shape = (nn_conv_shape){ .cin = cin, .cout = c->img_channels, .h = res, .w = res, .ks = 1, .up = 1 };
    sg_table_add(t, &r->weight, SG_DIMS4(c->img_channels, cin, 1, 1), false, "synthesis.b%td.torgb.weight", res);
    sg_table_add(t, &r->bias, SG_DIMS1(c->img_channels), false, "synthesis.b%td.torgb.bias", res);
    add_affine(t, &r->affine, cin, c->w_dim, res, "torgb");
}

static nn_status describe_synthesis(sg_table *t, const nn_st *f, sg_model *m, nn_err *err)
{
    const sg_config *c = &m->config;
    const bool pictures = !strcmp(c->architecture, "skip"), shortcuts = !strcmp(c->architecture, "resnet");
    for (nn_dim level = 0; level < c->levels; level++) {
        const nn_dim res = (nn_dim)4 << level, cin = level ? c->channels[level - 1] : 0, cout = c->channels[level];
        sg_rgb *r = &m->rgb[level];
        if (level > 0 && (add_layer(t, f, m, res, cin, cout, 2, err)
                          || (shortcuts && add_skip(t, f, &m->skip[level], res, cin, cout, err))
                          || (pictures && add_filter(t, f, &r->filter, &r->fh, &r->fw, res, "", err)))) return err->status;
        if (add_layer(t, f, m, res, cout, cout, 1, err)) return err->status;
        if (pictures || level == c->levels - 1) add_rgb(t, m, level, res, cout);
    }
    sg_add_tap(m, c->channels[0], 4, "const", SG_INPUT, 0, SG_SET_EDITGAN);
    return NN_OK;
}

/* Sizes of every layer from the configuration, and the table of all tensors, in network order. */
static nn_status describe(sg_table *t, const nn_st *f, sg_model *m, nn_err *err)
{
    const sg_config *c = &m->config;
    if (c->c_dim) sg_table_add(t, &m->embed.weight, SG_DIMS2(c->embed_dim, c->c_dim), false, "mapping.embed.weight");
    if (c->c_dim && !c->concat) sg_table_add(t, &m->embed.bias, SG_DIMS1(c->embed_dim), false, "mapping.embed.bias");
    for (nn_dim i = 0; i < c->mapping_layers; i++) {
        const nn_dim out = sg_mapping_out(c, i);
        sg_table_add(t, &m->fc[i].weight, SG_DIMS2(out, i ? c->mapping_width : c->z_dim + c->embed_dim), false, "mapping.fc%td.weight", i);
        sg_table_add(t, &m->fc[i].bias, SG_DIMS1(out), false, "mapping.fc%td.bias", i);
    }
    sg_table_add(t, &m->w_avg, SG_DIMS1(c->w_dim), false, "mapping.w_avg");
    sg_table_add(t, &m->constant, SG_DIMS3(c->channels[0], 4, 4), true, "synthesis.b4.const");
    m->one = !strcmp(c->network, "stylegan1");
    if (!m->one) return describe_synthesis(t, f, m, err);
    sg_describe1(t, m);
    return NN_OK;
}

static nn_dim numbers(const nn_want *w)
{
    nn_dim n = 1;
    for (int i = 0; i < w->rank; i++) n *= (nn_dim)w->dim[i];
    return n;
}

/* Where nothing is demodulated: one number for all weights, gain/sqrt(fan-in).  ([SG1] get_weight; [ADA] Conv2dLayer) */
static void take_scale(sg_layer *l, nn_arena *a, double gain)
{
    const nn_conv_shape *s = &l->conv.shape;
    real *scale = nn_take_real(a, s->cout);
    for (nn_dim o = 0; scale && o < s->cout; o++) scale[o] = (real)(gain / sqrt((double)(s->cin * s->ks * s->ks)));
    l->scale = scale;
}

/* A layer's blocks in the arena, to be filled from the file's weights once everything has its place. */
typedef struct { sg_layer *layer; real *packed, *square; } packing;

static packing take_convolution(sg_layer *l, const nn_kernels *k, nn_arena *a, bool squares)
{
    const nn_conv_shape *s = &l->conv.shape;
    packing p = { .layer = l };
    if (l->weight) l->conv.packed = p.packed = nn_take_real(a, k->conv_packed(s));
    if (squares) l->square = p.square = nn_take_real(a, s->cout * s->cin);
    return p;
}

static void pack(const packing *p, const nn_kernels *k)
{
    const nn_conv_shape *s = &p->layer->conv.shape;
    if (!p->packed) return;
    k->conv_pack(s, p->layer->weight, p->packed);
    if (p->square) nn_square_sum_ref(p->square, p->layer->weight, s->cin, s->cout, s->ks);
    p->layer->weight = NULL;
}

static void take_ones(sg_model *m, nn_arena *a)
{
    nn_dim widest = 0;
    for (nn_dim l = 0; l < m->config.levels; l++) widest = m->config.channels[l] > widest ? m->config.channels[l] : widest;
    real *ones = nn_take_real(a, widest);
    for (nn_dim i = 0; ones && i < widest; i++) ones[i] = 1;
    m->ones = ones;
}

/* Measured with an empty arena, then run again to move everything in.  Filters move before weights are packed, because a
 * kernel may fold them in. */
static void take_over(sg_model *m, const sg_table *t, nn_arena *a)
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
    take_ones(m, a);
    packing to_do[SG_LAYERS_MAX + SG_LEVELS_MAX];
    int n = 0;
    for (int i = 0; i < m->layer_count; i++) {
        to_do[n++] = take_convolution(&m->layer[i], k, a, !m->one);
        if (m->one) take_scale(&m->layer[i], a, SQRT2);
    }
    for (nn_dim i = 0; i < m->config.levels; i++) {
        sg_layer *l = &m->skip[i];
        if (!l->weight) continue;
        to_do[n++] = take_convolution(l, k, a, false);
        take_scale(l, a, 1.0 / SQRT2);                    /* the block's output is the sum over sqrt(2) ([ADA] SynthesisBlock) */
    }
    #pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < n; i++) pack(&to_do[i], k);
}

/* What makes a generator the generator it is; wording, dates and sources in the metadata are left out. */
static const char *const identity_keys[] = {
    "network", "architecture", "resolution", "z_dim", "w_dim", "mapping_layers", "mapping_lr_multiplier", "img_channels",
    "num_ws", "channels", "conv_clamp", "c_dim", "label_mode", "norm_eps", "crop_top", "crop_rows",
};

static nn_status fill(sg_model *m, sg_table *t, nn_st *f, nn_err *err)
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
    sg_table *t = nn_alloc(sizeof *t, f->path, err);
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
int sg_tap_count(const sg_model *m) { return m->tap_count; }
int sg_tap_total(const sg_model *m) { return m->tap_total; }
size_t sg_model_bytes(const sg_model *m) { return m->bytes; }

const sg_tap_info *sg_tap_at(const sg_model *m, int i)
{
    NN_ASSERT(i >= 0 && i < m->tap_total);
    return &m->tap[i];
}

bool sg_tap_is(const sg_tap_info *t, const char *name)
{
    static const struct { const char *name; unsigned set; } named[] = {
        { "default", SG_SET_DEFAULT }, { "released", SG_SET_RELEASED }, { "paper", SG_SET_PAPER }, { "editgan", SG_SET_EDITGAN },
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) if (!strcmp(name, named[i].name)) return t->sets & named[i].set;
    return !strcmp(name, t->name);
}
