/* fast_conv_pick.h: the row's convolution: one of three ways, by shape alone. */

typedef struct {
    nn_dim (*packed)(const nn_conv_shape *s), (*scratch)(const nn_conv_shape *s), (*shared)(const nn_conv_shape *s);
    nn_dim (*units)(const nn_conv_shape *s, int stage);
    void (*pack)(const nn_conv_shape *s, const float *weight, float *packed);
    void (*unit)(const nn_conv_shape *s, const float *packed, const nn_conv_job *j, int stage, nn_dim unit, float *scratch, float *shared);
} conv_way;

static nn_dim nothing_shared(const nn_conv_shape *s) { (void)s; return 0; }

static const conv_way *conv_pick(const nn_conv_shape *s)
{
    static const conv_way direct = { direct_packed, direct_scratch, nothing_shared, direct_units, direct_pack, direct_unit };
    static const conv_way same = { winograd_packed, winograd_scratch, nothing_shared, winograd_units, winograd_pack, winograd_unit };
    static const conv_way up = { up_packed, up_scratch, up_shared, up_units, up_pack, up_unit };
    return is_winograd(s) ? &same : is_winograd_up(s) ? &up : &direct;
}

static nn_dim conv_packed(const nn_conv_shape *s) { return conv_pick(s)->packed(s); }
static nn_dim conv_scratch(const nn_conv_shape *s) { return conv_pick(s)->scratch(s); }
static nn_dim conv_shared(const nn_conv_shape *s) { return conv_pick(s)->shared(s); }
static nn_dim conv_units(const nn_conv_shape *s, int stage) { return conv_pick(s)->units(s, stage); }
static void conv_pack(const nn_conv_shape *s, const float *weight, float *packed) { conv_pick(s)->pack(s, weight, packed); }

static void conv_unit(const nn_conv_shape *s, const float *packed, const nn_conv_job *j, int stage, nn_dim unit, float *scratch, float *shared)
{
    conv_pick(s)->unit(s, packed, j, stage, unit, scratch, shared);
}
