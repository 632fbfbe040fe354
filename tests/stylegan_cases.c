/* stylegan_cases.c: small generators, every tensor of them random, against the official stylegan2-ada code and DatasetGAN's port of
 * StyleGAN1 in float64 (tests/golden/make_stylegan2.py, make_stylegan1.py): w from z, ws from w, every tap and the picture from ws. */
#include "tests/stylegan_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

#define IN (sizeof(real) == 4 ? "float" : "double")

/* ---- a case --------------------------------------------------------------------------------------------------------- */

static const real *bind(sg_golden *g, const char *prefix, const char *what, nn_want w)
{
    char name[64];
    const real *numbers = NULL;
    nn_err err = { 0 };
    nn_format(name, sizeof name, "%s.%s", prefix, what);
    w.name = name;
    w.slot = &numbers;
    if (nn_st_bind(&g->file, &w, 1, false, &err)) t_fail("golden: %s", err.msg);
    return numbers;
}

static const char *meta(const sg_golden *g, const char *prefix, const char *key)
{
    char name[32];
    nn_format(name, sizeof name, "%s.%s", prefix, key);
    const char *text = nn_st_meta(&g->file, name);
    if (!text) t_fail("golden: metadata %s is missing", name);
    return text ? text : "";
}

/* Without the constant input, which comes last. */
static int taps_drawn(const sg_model *m)
{
    return sg_tap_total(m) - !strcmp(sg_tap_at(m, sg_tap_total(m) - 1)->name, "b4.const");
}

bool sg_golden_open(sg_golden *g, const char *name, const char *prefix, const sg_model *m)
{
    char path[128], tensor[64];
    nn_err err = { 0 };
    const sg_config *c = sg_get_config(m);
    nn_format(path, sizeof path, "tests/golden/%s_want.safetensors", name);
    if (nn_st_open(&g->file, path, &err)) { t_fail("golden: %s", err.msg); return false; }
    nn_format(tensor, sizeof tensor, "%s.z", prefix);
    const nn_st_entry *z = nn_st_find(&g->file, tensor);
    nn_format(tensor, sizeof tensor, "%s.ws", prefix);
    const nn_st_entry *ws = nn_st_find(&g->file, tensor);
    if (!z || !ws) { sg_golden_close(g); return false; }

    const char *noise = meta(g, prefix, "noise");
    const uint64_t n = ws->dim[0], zs = z->dim[0], res = (uint64_t)c->resolution, w_dim = (uint64_t)c->w_dim;
    g->n = (nn_dim)n;
    g->zs = (nn_dim)zs;
    g->draw = (sg_options){ strtod(meta(g, prefix, "psi"), NULL), strtol(meta(g, prefix, "cutoff"), NULL, 10),
                            !strcmp(noise, "none") ? SG_NOISE_NONE : SG_NOISE_CONST,
                            c->c_dim ? strtol(meta(g, prefix, "class"), NULL, 10) : 0 };
    g->z = bind(g, prefix, "z", (nn_want){ .rank = 2, .dim = { zs, (uint64_t)c->z_dim } });
    g->w = bind(g, prefix, "w", (nn_want){ .rank = 2, .dim = { zs, w_dim } });
    g->ws = bind(g, prefix, "ws", (nn_want){ .rank = 3, .dim = { n, (uint64_t)c->num_ws, w_dim } });
    g->picture = bind(g, prefix, "picture", (nn_want){ .rank = 4, .dim = { n, (uint64_t)c->img_channels, res, res } });
    bool all = g->z && g->w && g->ws && g->picture;
    for (int i = 0; i < taps_drawn(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        nn_format(tensor, sizeof tensor, "tap.%s", t->name);
        g->tap[i] = bind(g, prefix, tensor, (nn_want){ .rank = 4, .dim = { n, (uint64_t)t->c, (uint64_t)t->h, (uint64_t)t->w } });
        all = all && g->tap[i];
    }
    if (!all) sg_golden_close(g);
    return all;
}

void sg_golden_close(sg_golden *g) { nn_st_close(&g->file); }

/* ---- comparing ------------------------------------------------------------------------------------------------------ */

/* Limits in rounding units, about four times what is seen.  In double only the order of sums differs from PyTorch's.  In
 * float each layer stores a handful of roundings; the fast rows also sum up to 9*30 products in float.  A StyleGAN1 that is `deep`
 * (12 layers) divides by the deviation of every channel of every layer: what is left of a channel whose numbers are nearly equal
 * carries their rounding, so errors grow by about 1.5 a layer. */
static double limit_of(const nn_kernels *k, const char *what, bool deep)
{
    if (sizeof(real) == 8) return deep ? 1024 : 128;
    const bool exact_sums = k == &nn_kernels_ref;
    return *what == 'w' ? (exact_sums ? 4 : 8) : (exact_sums ? 20 : 80) * (deep ? 8 : 1);
}

/* `walk` calls one of these for each tensor that a model makes. */
typedef struct { const nn_kernels *k; const char *label; double worst; bool deep; } judge;
typedef void compare(judge *j, const char *what, const real *got, const real *want, nn_dim n);

static void print(judge *j, const char *what, const real *got, const real *want, nn_dim n)
{
    t_close(got, want, n, limit_of(j->k, what, j->deep), "%s %s/%s %s", IN, j->label, j->k->name, what);
}

static void collect(judge *j, const char *what, const real *got, const real *want, nn_dim n)
{
    nn_dim at;
    j->worst = fmax(j->worst, t_units(got, want, n, &at) / limit_of(j->k, what, j->deep));
}

static real *room(nn_dim n)
{
    real *p = nn_alloc((size_t)n * sizeof *p, "test", NULL);
    NN_ASSERT(p);
    return p;
}

static void walk(const sg_golden *g, const sg_model *m, compare *each, judge *j)
{
    const sg_config *c = sg_get_config(m);
    const nn_dim n = g->n, zs = g->zs, rows = c->num_ws, size = c->img_channels * c->resolution * c->resolution;
    real *w = room(zs * c->w_dim), *ws = room(zs * rows * c->w_dim);
    sg_mapping(m, w, g->z, zs, g->draw.class_id);
    each(j, "w", w, g->w, zs * c->w_dim);
    sg_truncate(m, ws, g->w, zs, &g->draw);
    if (zs != n)
        for (nn_dim r = 1; r < rows; r++) memcpy(ws + r * c->w_dim, ws + (r * rows + r) * c->w_dim, (size_t)c->w_dim * sizeof *ws);
    each(j, "ws", ws, g->ws, n * rows * c->w_dim);

    sg_work *wk = sg_work_open(m, n, true, 1, NULL);
    NN_ASSERT(wk);
    sg_synthesis(m, wk, g->ws, n, g->draw.noise, NULL);
    for (int i = 0; i < taps_drawn(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        const nn_dim map = t->c * t->h * t->w;
        real *taps = room(n * map);
        for (nn_dim b = 0; b < n; b++) nn_map_to_planar(sg_get_kernels(m)->layout, taps + b * map, sg_tap(wk, b, i), t->c, t->h, t->w);
        each(j, t->name, taps, g->tap[i], n * map);
        nn_free(taps);
    }
    each(j, "picture", sg_picture(wk, 0), g->picture, n * size);
    sg_work_close(wk);
    nn_free(w);
    nn_free(ws);
}

double sg_golden_worst(const sg_golden *g, const sg_model *m)
{
    judge j = { sg_get_kernels(m), "", 0.0, false };
    walk(g, m, collect, &j);
    return j.worst;
}

/* z is rounded to float32 in either precision. */
static void same_z(const sg_golden *g, const sg_model *m, uint32_t seed, const char *label)
{
    const nn_dim n = sg_get_config(m)->z_dim;
    real *z = room(n);
    sg_z(m, seed, z);
    t_same(z, g->z, (size_t)n * sizeof *z, "%s %s: z of seed %u", IN, label, seed);
    nn_free(z);
}

void sg_golden_cases(const char *name, const nn_kernels *k)
{
    char path[128], label[32];
    nn_err err = { 0 };
    nn_format(path, sizeof path, "tests/golden/%s.safetensors", name);
    sg_model *m = sg_open(path, k ? k : &nn_kernels_ref, &err);
    if (!m) { t_fail("%s %s: %s", IN, name, err.msg); return; }
    static const struct { const char *name; int at; uint32_t seed; } one_seed[] = { { "stylegan2_rgb", 1, 2 }, { "stylegan2_grey", 0, 3 }, { "stylegan2_rgba", 0, 4 } };
    for (int i = 0; i < 3; i++) {
        sg_golden g;
        const char *prefix = (const char *[]){ "a", "b", "c" }[i];
        nn_format(label, sizeof label, "%s.%s", name, prefix);
        if (sg_golden_open(&g, name, prefix, m)) {
            judge j = { sg_get_kernels(m), label, 0.0, sg_tap_total(m) > 12 };
            walk(&g, m, print, &j);
            for (int o = 0; o < 3; o++)
                if (!strcmp(one_seed[o].name, name) && one_seed[o].at == i) same_z(&g, m, one_seed[o].seed, label);
            sg_golden_close(&g);
        } else t_check(i > 0 && strcmp(name, "stylegan2_rgb"), "%s %s: the golden file holds the case", IN, label);      /* the others have one each */
    }
    sg_close(m);
}
