/* stylegan.c: generators and drawers behind the public header. */
#include "dgan/handles.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include <unistd.h>

/* ---- generators ------------------------------------------------------------------------------------------------------ */

dgan_generator *dgan_generator_open(const char *path, const char *kernels, dgan_error *err)
{
    nn_err own = { 0 };
    if (!path) { dgan_refuse(err, "generator: expected a path, found NULL"); return NULL; }
    const nn_kernels *k = nn_kernels_pick(kernels ? kernels : "auto", &own);
    dgan_generator *g = k ? nn_alloc(sizeof *g, path, &own) : NULL;
    if (g) {
        *g = (dgan_generator){ .owners = 1, .process = getpid(), .model = sg_open(path, k, &own) };
        if (g->model) return g;
        nn_free(g);
    }
    dgan_give(err, &own);
    return NULL;
}

dgan_generator *dgan_generator_retain(dgan_generator *g)
{
    if (g) atomic_fetch_add(&g->owners, 1);
    return g;
}

void dgan_generator_release(dgan_generator *g)
{
    if (!g || atomic_fetch_sub(&g->owners, 1) > 1) return;
    sg_close(g->model);
    nn_free(g);
}

int64_t dgan_generator_resolution(const dgan_generator *g) { return g ? sg_get_config(g->model)->resolution : 0; }
int64_t dgan_generator_height(const dgan_generator *g) { return g ? sg_get_config(g->model)->height : 0; }
int64_t dgan_generator_channels(const dgan_generator *g) { return g ? sg_get_config(g->model)->img_channels : 0; }
int64_t dgan_generator_z_dim(const dgan_generator *g) { return g ? sg_get_config(g->model)->z_dim : 0; }
int64_t dgan_generator_w_dim(const dgan_generator *g) { return g ? sg_get_config(g->model)->w_dim : 0; }
int64_t dgan_generator_num_ws(const dgan_generator *g) { return g ? sg_get_config(g->model)->num_ws : 0; }
int64_t dgan_generator_classes(const dgan_generator *g) { return g ? sg_get_config(g->model)->c_dim : 0; }
int dgan_generator_taps(const dgan_generator *g) { return g ? sg_tap_count(g->model) : 0; }
size_t dgan_generator_bytes(const dgan_generator *g) { return g ? sg_model_bytes(g->model) : 0; }
const char *dgan_generator_identity(const dgan_generator *g) { return g ? sg_identity(g->model) : NULL; }
const char *dgan_generator_kernels(const dgan_generator *g) { return g ? sg_get_kernels(g->model)->name : NULL; }

int dgan_generator_tap(const dgan_generator *g, int i, dgan_tap *out, dgan_error *err)
{
    if (!g || !out) return dgan_refuse(err, "generator_tap: NULL argument");
    if (i < 0 || i >= sg_tap_count(g->model)) return dgan_refuse(err, "tap: expected 0 to %d, found %d", sg_tap_count(g->model) - 1, i);
    const sg_tap_info *t = sg_tap_at(g->model, i);
    *out = (dgan_tap){ t->name, t->c, t->h, t->w };
    return DGAN_OK;
}

/* ---- drawing --------------------------------------------------------------------------------------------------------- */

int dgan_take_draw(sg_options *out, const dgan_draw *o, const sg_options *otherwise, const sg_model *m, dgan_error *err)
{
    static const sg_noise noise[] = { SG_NOISE_CONST, SG_NOISE_NONE, SG_NOISE_RANDOM };
    nn_err own = { 0 };
    dgan_draw d = DGAN_DRAW_INIT;
    *out = *otherwise;
    if (o && dgan_take(&d, sizeof d, o, "draw", err)) return DGAN_EINVAL;
    if (!isfinite(d.psi)) return dgan_refuse(err, "draw: psi: expected a finite number, found %g", d.psi);
    if (d.noise < DGAN_NOISE_CONST || d.noise > DGAN_NOISE_RANDOM) return dgan_refuse(err, "draw: noise: expected 0 to 2, found %d", d.noise);
    if (o) *out = (sg_options){ .psi = d.psi, .cutoff = d.cutoff < 0 ? -1 : (nn_dim)d.cutoff, .noise = noise[d.noise], .class_id = d.class_id };
    sg_check_options(m, out, &own);
    return dgan_give(err, &own);
}

dgan_drawer *dgan_drawer_open(dgan_generator *g, int batch, int keep_taps, dgan_error *err)
{
    if (!g) { dgan_refuse(err, "drawer: the generator is NULL"); return NULL; }
    if (dgan_check_process(g->process, "generator", err)) return NULL;
    if (batch < 1 || batch > 4096) { dgan_refuse(err, "drawer: batch: expected 1 to 4096, found %d", batch); return NULL; }
    nn_err own = { 0 };
    const sg_config *c = sg_get_config(g->model);
    const nn_dim each_ws = c->num_ws * c->w_dim;
    dgan_drawer *d = nn_alloc(sizeof *d, "drawer", &own);
    if (d) {
        *d = (dgan_drawer){ .generator = dgan_generator_retain(g), .process = getpid(), .batch = batch, .keep_taps = keep_taps != 0 };
        d->ws = nn_alloc((size_t)(batch * (each_ws + c->w_dim)) * sizeof *d->ws, "styles", &own);
        d->work = d->ws ? sg_work_open(g->model, batch, d->keep_taps, omp_get_max_threads(), &own) : NULL;
        if (d->work) { d->w = d->ws + batch * each_ws; return d; }
        dgan_drawer_close(d);
    }
    dgan_give(err, &own);
    return NULL;
}

void dgan_drawer_close(dgan_drawer *d)
{
    if (!d) return;
    sg_work_close(d->work);
    nn_free(d->ws);
    dgan_generator_release(d->generator);
    nn_free(d);
}

static bool all_finite(const float *x, nn_dim n)
{
    for (nn_dim i = 0; i < n; i++) if (!isfinite(x[i])) return false;
    return true;
}

/* What all three ways of drawing have to hold to.  Afterwards nothing is drawn until they say so. */
static int begin(dgan_drawer *d, const void *from, int n, const dgan_draw *o, sg_options *out, dgan_error *err)
{
    const sg_options usual = { .psi = 0.7, .cutoff = -1, .noise = SG_NOISE_CONST };
    if (!d || !from) return dgan_refuse(err, "draw: NULL argument");
    const int refused = dgan_check_process(d->process, "drawer", err);
    if (refused) return refused;
    if (n < 1 || n > d->batch) return dgan_refuse(err, "draw: expected 1 to %d pictures, found %d", d->batch, n);
    d->drawn = 0;
    return dgan_take_draw(out, o, &usual, d->generator->model, err);
}

int dgan_draw_seeds(dgan_drawer *d, const uint32_t *seeds, int n, const dgan_draw *o, dgan_error *err)
{
    sg_options draw;
    const int refused = begin(d, seeds, n, o, &draw, err);
    if (refused) return refused;
    sg_draw(d->generator->model, d->work, seeds, n, &draw, d->ws);
    d->drawn = n;
    return DGAN_OK;
}

static int synthesise(dgan_drawer *d, int n, const sg_options *draw, const uint32_t *noise_seeds, dgan_error *err)
{
    /* analyze: begin fills it; a refused call returns a status that is not 0 */
    if (draw->noise == SG_NOISE_RANDOM && !noise_seeds) return dgan_refuse(err, "draw: random noise: expected seeds for it, found NULL");
    sg_synthesis(d->generator->model, d->work, d->ws, n, draw->noise, noise_seeds);
    d->drawn = n;
    return DGAN_OK;
}

int dgan_draw_z(dgan_drawer *d, const float *z, int n, const dgan_draw *o, const uint32_t *noise_seeds, dgan_error *err)
{
    sg_options draw;
    const int refused = begin(d, z, n, o, &draw, err);
    if (refused) return refused;
    const sg_model *m = d->generator->model;
    if (!all_finite(z, n * sg_get_config(m)->z_dim)) return dgan_refuse(err, "draw: z: a number is not finite");
    /* analyze: begin fills draw; a refused call returns a status that is not 0 */
    sg_mapping(m, d->w, z, n, draw.class_id);
    sg_truncate(m, d->ws, d->w, n, &draw);
    return synthesise(d, n, &draw, noise_seeds, err);
}

int dgan_draw_ws(dgan_drawer *d, const float *ws, int n, const dgan_draw *o, const uint32_t *noise_seeds, dgan_error *err)
{
    sg_options draw;
    const int refused = begin(d, ws, n, o, &draw, err);
    if (refused) return refused;
    const sg_config *c = sg_get_config(d->generator->model);
    const nn_dim numbers = n * c->num_ws * c->w_dim;
    if (!all_finite(ws, numbers)) return dgan_refuse(err, "draw: ws: a number is not finite");
    memmove(d->ws, ws, (size_t)numbers * sizeof *ws);
    return synthesise(d, n, &draw, noise_seeds, err);
}

static bool is_drawn(const dgan_drawer *d, int n) { return d && n >= 0 && n < d->drawn; }

/* What the calls that read a drawing begin with. */
static int check_drawn(const dgan_drawer *d, int n, const void *out, const char *call, dgan_error *err)
{
    if (!d || !out) return dgan_refuse(err, "%s: NULL argument", call);
    const int refused = dgan_check_process(d->process, "drawer", err);
    if (refused) return refused;
    return is_drawn(d, n) ? DGAN_OK : dgan_refuse(err, "%s: expected a drawn picture, found picture %d of %d", call, n, d->drawn);
}

const float *dgan_picture(const dgan_drawer *d, int n) { return is_drawn(d, n) ? sg_picture(d->work, n) : NULL; }

const float *dgan_ws(const dgan_drawer *d, int n)
{
    if (!is_drawn(d, n)) return NULL;
    const sg_config *c = sg_get_config(d->generator->model);
    return d->ws + n * c->num_ws * c->w_dim;
}

int dgan_picture_bytes(const dgan_drawer *d, int n, uint8_t *out, dgan_error *err)
{
    const int refused = check_drawn(d, n, out, "picture", err);
    if (refused) return refused;
    const sg_config *c = sg_get_config(d->generator->model);
    nn_image im = { c->resolution, c->height, c->img_channels, out };
    nn_image_from_planar(&im, sg_picture(d->work, n));
    return DGAN_OK;
}

int dgan_tap_map(const dgan_drawer *d, int n, int tap, dgan_map *out, dgan_error *err)
{
    int refused = check_drawn(d, n, out, "tap", err);
    if (refused) return refused;
    if (!d->keep_taps) return dgan_refuse(err, "tap: the drawer was opened without keep_taps");
    dgan_tap t;
    refused = dgan_generator_tap(d->generator, tap, &t, err);
    if (refused) return refused;
    const bool blocked = sg_get_kernels(d->generator->model)->layout == NN_BLOCKED;
    /* analyze: a refused call returns a status that is not 0 */
    const int64_t pixels = t.height * t.width;
    *out = (dgan_map){ sg_tap(d->work, n, tap), t.channels, t.height, t.width, .block = NN_CB * pixels, .channel = blocked ? 1 : pixels,
                       .row = t.width * (blocked ? NN_CB : 1), .column = blocked ? NN_CB : 1 };
    return DGAN_OK;
}

int dgan_tap_copy(const dgan_drawer *d, int n, int tap, float *out, dgan_error *err)
{
    dgan_map map;
    if (!out) return dgan_refuse(err, "tap: NULL argument");
    const int refused = dgan_tap_map(d, n, tap, &map, err);
    if (refused) return refused;
    /* analyze: a refused call returns a status that is not 0 */
    nn_map_to_planar(sg_get_kernels(d->generator->model)->layout, out, map.data, map.channels, map.height, map.width);
    return DGAN_OK;
}
