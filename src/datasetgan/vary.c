/* vary.c: samples that are drawn a little otherwise, each by its own seed: truncation, style mixing, light and colour. */
#include <math.h>
#include <string.h>

#include "datasetgan/dataset.h"
#include "nn/rng.h"

/* What the numbers of a sample are for: the counter's step. */
enum { PSI, MIX, MIX_SEED, MIX_LAYER, BRIGHTNESS, CONTRAST, SATURATION, GAMMA };

static double uniform(uint32_t seed, uint32_t use, double lo, double hi) { return lo + (hi - lo) * nn_rng_uniform(seed, NN_RNG_VARY, use, 0); }

nn_status dg_vary_check(const dg_vary_options *o, nn_err *err)
{
    if (o->psi_range && !isfinite(o->psi_to)) return nn_fail(err, NN_EINVAL, "psi-to: expected a finite number");
    if (!(o->mix >= 0 && o->mix <= 1)) return nn_fail(err, NN_EINVAL, "mix: expected a probability from 0 to 1, found %g", o->mix);
    if (!(o->augment >= 0 && o->augment < 1)) return nn_fail(err, NN_EINVAL, "augment: expected a strength from 0 to below 1, found %g", o->augment);
    return NN_OK;
}

void dg_vary_choose(dg_vary *v, const dg_vary_options *o, double psi, nn_dim num_ws, uint32_t seed)
{
    *v = (dg_vary){ .psi_given = o->psi_range, .psi = psi, .mix_given = o->mix > 0, .augment_given = o->augment > 0,
                     .stream_given = o->one_stream, .z_stream = o->z_stream };
    if (o->psi_range) v->psi = uniform(seed, PSI, psi, o->psi_to);
    if (o->mix > 0 && uniform(seed, MIX, 0, 1) < o->mix && num_ws > 1) {
        v->mix_from = 1 + (nn_dim)nn_rng_below(seed, NN_RNG_VARY, MIX_LAYER, 0, (uint64_t)(num_ws - 1));
        v->mix_seed = (uint32_t)nn_rng_below(seed, NN_RNG_VARY, MIX_SEED, 0, (uint64_t)UINT32_MAX + 1);
    }
    if (o->augment > 0) {
        const double lo = 1 - o->augment, hi = 1 + o->augment;
        v->brightness = uniform(seed, BRIGHTNESS, lo, hi);
        v->contrast = uniform(seed, CONTRAST, lo, hi);
        v->saturation = uniform(seed, SATURATION, lo, hi);
        v->gamma = uniform(seed, GAMMA, lo, hi);
    }
}

/* ws of z truncated by psi. */
static void truncated(const sg_model *m, const sg_options *o, double psi, const real *z, real *w, real *ws)
{
    sg_options draw = *o;
    draw.psi = psi;
    sg_mapping(m, w, z, 1, draw.class_id);
    sg_truncate(m, ws, w, 1, &draw);
}

void dg_vary_ws(const sg_model *m, const sg_options *draw, const dg_vary *v, const real *z, real *ws, real *room)
{
    const sg_config *c = sg_get_config(m);
    const nn_dim from = v->mix_from * c->w_dim;
    real *w = room + c->z_dim, *second = w + c->w_dim;
    truncated(m, draw, v->psi, z, w, ws);
    if (!v->mix_from) return;
    sg_z(m, v->mix_seed, room);
    truncated(m, draw, v->psi, room, w, second);
    memcpy(ws + from, second + from, (size_t)(c->num_ws * c->w_dim - from) * sizeof *ws);
}

size_t dg_draw_room(const sg_model *m, nn_dim batch)
{
    const sg_config *c = sg_get_config(m);
    return (size_t)(2 * c->z_dim + c->w_dim + (batch + 1) * c->num_ws * c->w_dim);
}

dg_draw_parts dg_draw_split(const sg_model *m, real *all)
{
    const sg_config *c = sg_get_config(m);
    real *const room = all + c->z_dim;
    return (dg_draw_parts){ all, room, room + c->z_dim + c->w_dim + c->num_ws * c->w_dim };
}

void dg_draw(const sg_model *m, sg_work *wk, const uint32_t *seed, nn_dim n, const sg_options *draw, const dg_vary_options *o, real *room)
{
    const sg_config *c = sg_get_config(m);
    const dg_draw_parts part = dg_draw_split(m, room);
    if (!dg_vary_latents(o)) { sg_draw(m, wk, seed, n, draw, NULL); return; }
    for (nn_dim i = 0; i < n; i++) {
        dg_vary v;
        dg_vary_choose(&v, o, draw->psi, c->num_ws, seed[i]);
        sg_z(m, seed[i], part.z);
        dg_vary_ws(m, draw, &v, part.z, part.ws + i * c->num_ws * c->w_dim, part.room);
    }
    sg_synthesis(m, wk, part.ws, n, draw->noise, seed);
}

static uint8_t to_level(double x) { return (uint8_t)(255.0 * fmin(fmax(x, 0.0), 1.0) + 0.5); }

void dg_vary_picture(nn_image *im, const dg_vary *v)
{
    if (!v->augment_given) return;
    double curve[256];
    for (int i = 0; i < 256; i++) curve[i] = ((pow(i / 255.0, v->gamma) - 0.5) * v->contrast + 0.5) * v->brightness;
    for (nn_dim p = 0; p < im->width * im->height; p++) {
        uint8_t *at = im->pixels + p * im->channels;
        if (im->channels < 3) {
            at[0] = to_level(curve[at[0]]);
            continue;
        }
        const double r = curve[at[0]], g = curve[at[1]], b = curve[at[2]], grey = 0.299 * r + 0.587 * g + 0.114 * b;      /* Rec. 601 luma */
        at[0] = to_level(grey + v->saturation * (r - grey));
        at[1] = to_level(grey + v->saturation * (g - grey));
        at[2] = to_level(grey + v->saturation * (b - grey));
    }
}

/* ---- as JSON ----------------------------------------------------------------------------------------------------------- */

json_t *dg_vary_put_options(const dg_vary_options *o)
{
    json_t *to = o->psi_range ? json_real(o->psi_to) : json_null();
    json_t *v = json_pack("{s:o, s:f, s:f}", "psi_to", to, "mix", o->mix, "augment", o->augment);
    if (!v || !o->one_stream || json_object_set_new(v, "z_stream", json_integer(o->z_stream)) == 0) return v;
    json_decref(v);
    return NULL;
}

bool dg_vary_put(json_t *line, const dg_vary *v)
{
    bool ok = true;
    if (v->stream_given) ok = json_object_set_new(line, "z_stream", json_integer(v->z_stream)) == 0;
    if (v->psi_given) ok = json_object_set_new(line, "psi", json_real(v->psi)) == 0 && ok;
    if (v->mix_given) {
        json_t *mix = v->mix_from ? json_pack("{s:I, s:I}", "seed", (json_int_t)v->mix_seed, "from_layer", (json_int_t)v->mix_from) : json_null();
        ok = json_object_set_new(line, "mix", mix) == 0 && ok;
    }
    if (v->augment_given)
        ok = json_object_set_new(line, "augment", json_pack("{s:f, s:f, s:f, s:f}", "brightness", v->brightness, "contrast", v->contrast, "saturation",
                                                            v->saturation, "gamma", v->gamma)) == 0 && ok;
    return ok;
}
