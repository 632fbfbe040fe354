/* mapping.c: seed -> z -> w -> ws.  ([ADA] networks.py MappingNetwork.forward) */
#include <math.h>
#include <string.h>

#include "nn/rng.h"
#include "stylegan/model.h"

static const double SQRT2 = 1.4142135623730951;           /* gain of a leaky ReLU ([ADA] bias_act.py) */
static const double SLOPE = 0.2;

void sg_z(const sg_model *m, uint32_t seed, real *z)
{
    nn_numpy_rng rng;
    nn_numpy_seed(&rng, seed);
    for (nn_dim i = 0; i < m->config.z_dim; i++) z[i] = (real)(float)nn_numpy_randn(&rng);     /* float32 in the judge, too */
}

/* x (rows, z_dim + embed_dim): z and the class side by side, pixel-normalised each by itself, or in a LabelConcat together.
 * ([ADA] MappingNetwork.forward; [SG2] G_mapping) */
static void join_class(const sg_model *m, real *x, const real *z, nn_dim rows, nn_dim class_id)
{
    const sg_config *c = &m->config;
    const nn_dim zs = c->z_dim, es = c->embed_dim, all = zs + es;
    real one_hot[SG_DIM_MAX] = { 0 }, e[SG_DIM_MAX];
    NN_ASSERT(class_id >= 0 && class_id < c->c_dim);
    one_hot[class_id] = 1;
    nn_dense_run(m->kernels, e, one_hot, m->embed.weight, m->embed.bias, 1, c->c_dim, es, c->concat ? 1.0 : 1.0 / sqrt((double)c->c_dim), 1.0, 1.0, 1.0);
    if (!c->concat) nn_pixel_norm_ref(e, e, 1, es);
    for (nn_dim r = 0; r < rows; r++, x += all, z += zs) {
        memcpy(x, z, (size_t)zs * sizeof *x);
        memcpy(x + zs, e, (size_t)es * sizeof *x);
        nn_pixel_norm_ref(x, x, 1, c->concat ? all : zs);
    }
}

/* `rows` rows through all layers.  Both buffers hold SG_DIM_MAX numbers.  StyleGAN1's gain is in its weights, before the bias, and
 * not behind the leaky ReLU.  ([SG1] G_mapping) */
static void map_rows(const sg_model *m, real *w, const real *z, nn_dim rows, nn_dim class_id)
{
    const sg_config *c = &m->config;
    const double lr = c->mapping_lr_multiplier, before = m->one ? SQRT2 : 1.0, behind = m->one ? 1.0 : SQRT2;
    real a[SG_DIM_MAX], b[SG_DIM_MAX], *x = a, *y = b;
    if (c->c_dim) join_class(m, x, z, rows, class_id);
    else nn_pixel_norm_ref(x, z, rows, c->z_dim);
    for (nn_dim i = 0; i < c->mapping_layers; i++) {
        const nn_dim in = i ? c->mapping_width : c->z_dim + c->embed_dim, out = sg_mapping_out(c, i);
        nn_dense_run(m->kernels, y, x, m->fc[i].weight, m->fc[i].bias, rows, in, out, before * lr / sqrt((double)in), lr, SLOPE, behind);
        real *held = x;
        x = y;
        y = held;
    }
    memcpy(w, x, (size_t)(rows * c->w_dim) * sizeof *w);
}

void sg_mapping(const sg_model *m, real *w, const real *z, nn_dim n, nn_dim class_id)
{
    const nn_dim z_dim = m->config.z_dim, w_dim = m->config.w_dim, in = z_dim + m->config.embed_dim;
    const nn_dim inner = m->config.mapping_width, most = in > w_dim ? in : w_dim;
    const nn_dim at_once = SG_DIM_MAX / (most > inner ? most : inner);      /* several rows share each pass over the weights */
    for (nn_dim i = 0; i < n; i += at_once) map_rows(m, w + i * w_dim, z + i * z_dim, n - i < at_once ? n - i : at_once, class_id);
}

nn_status sg_check_options(const sg_model *m, const sg_options *o, nn_err *err)
{
    const nn_dim layers = m->config.num_ws, classes = m->config.c_dim;
    if (classes == 0 && o->class_id != 0)
        return nn_fail(err, NN_EINVAL, "class: the generator has none, found %td", o->class_id);
    if (classes > 0 && (o->class_id < 0 || o->class_id >= classes))
        return nn_fail(err, NN_EINVAL, "class: expected 0 to %td, found %td", classes - 1, o->class_id);
    if (o->cutoff <= layers) return NN_OK;
    return nn_fail(err, NN_EINVAL, "cutoff: expected at most the generator's %td layers, found %td", layers, o->cutoff);
}

void sg_truncate(const sg_model *m, real *ws, const real *w, nn_dim n, const sg_options *o)
{
    const nn_dim num_ws = m->config.num_ws, w_dim = m->config.w_dim;
    const nn_dim cutoff = o->cutoff < 0 ? num_ws : o->cutoff;
    for (nn_dim r = 0; r < n; r++)
        for (nn_dim l = 0; l < num_ws; l++)
            for (nn_dim i = 0; i < w_dim; i++) {
                const double v = w[r * w_dim + i], avg = m->w_avg[i];
                ws[(r * num_ws + l) * w_dim + i] = (real)(l < cutoff ? avg + o->psi * (v - avg) : v);
            }
}
