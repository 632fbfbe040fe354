/* test_generate.c: what `generate` writes is what the library draws: pictures, contact sheet, feature maps, latents, each seed in
 * its place, with grey, RGB and RGBA generators. */
#include "tests/t.h"

#include <math.h>
#include <string.h>

#include "nn/image.h"
#include "nn/npy.h"
#include "stylegan/stylegan.h"
#include "tests/program.h"

enum { SEEDS = 5, COLS = 3 };
static const uint32_t seed[SEEDS] = { 7, 3, 12, 4, 100000 };
static const sg_options draw = { 0.8, 3, SG_NOISE_RANDOM, 0 };
static const char options[] = "--seeds 7,3,12,4,100000 --psi 0.8 --cutoff 3 --noise random --batch 2 --grid 3x2";

static void check_latents(const char *folder, const sg_model *m, const real *ws)
{
    const sg_config *c = sg_get_config(m);
    char path[400];
    nn_npy a = { 0 };
    nn_err err = { 0 };
    nn_format(path, sizeof path, "%s/w.npy", folder);
    if (nn_npy_read(path, &a, &err)) { t_fail("%s", err.msg); return; }
    t_check(a.rank == 3 && a.dim[0] == SEEDS && a.dim[1] == (uint64_t)c->num_ws && a.dim[2] == (uint64_t)c->w_dim, "shape of the latents");
    t_same(a.data, ws, (size_t)(SEEDS * c->num_ws * c->w_dim) * sizeof(real), "latents");
    nn_npy_free(&a);
}

/* Row i of the tensor of every tap in the set is seed i's map, planar. */
static void check_taps(const char *folder, const char *set, const sg_model *m, const sg_work *wk)
{
    char path[400];
    nn_st f = { 0 };
    nn_err err = { 0 };
    size_t found = 0;
    nn_format(path, sizeof path, "%s/%s.safetensors", folder, set);
    if (nn_st_open(&f, path, &err)) { t_fail("%s", err.msg); return; }
    for (int i = 0; i < sg_tap_total(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        if (!sg_tap_is(t, set)) continue;
        found++;
        const nn_st_entry *e = nn_st_find(&f, t->name);
        const nn_dim count = t->c * t->h * t->w;
        real *planar = nn_alloc((size_t)count * sizeof *planar, "a map", NULL);
        NN_ASSERT(planar);
        if (!e || e->rank != 4 || e->dim[0] != SEEDS || e->end - e->begin != (uint64_t)(SEEDS * count) * sizeof(real)) t_fail("shape of %s", t->name);
        else for (nn_dim s = 0; s < SEEDS; s++) {
            nn_map_to_planar(sg_get_kernels(m)->layout, planar, sg_tap(wk, s, i), t->c, t->h, t->w);
            t_same(f.data + e->begin + (size_t)(s * count) * sizeof(real), planar, (size_t)count * sizeof(real), "%s of seed %u", t->name, (unsigned)seed[s]);
        }
        nn_free(planar);
    }
    t_check(f.count == found + 1, "one tensor a map, and the seeds");
    nn_st_close(&f);
}

/* Picture i by its name, and cell i of the sheet; the sixth cell is black. */
static void check_pictures(const char *folder, const sg_model *m, const sg_work *wk)
{
    const sg_config *c = sg_get_config(m);
    const nn_dim res = c->resolution, ch = c->img_channels;
    char path[400];
    nn_image sheet = { 0 }, want = { 0 };
    nn_err err = { 0 };
    nn_format(path, sizeof path, "%s/grid.png", folder);
    if (nn_png_read(path, &sheet, &err) || nn_image_make(&want, res, res, ch, &err)) { t_fail("%s", err.msg); return; }
    t_check(sheet.width == COLS * res && sheet.height == 2 * res && sheet.channels == ch, "size of the sheet");
    for (nn_dim i = 0; i < COLS * 2; i++) {
        nn_image one = { 0 };
        if (i < SEEDS) nn_image_from_planar(&want, sg_picture(wk, i));
        else memset(want.pixels, 0, (size_t)(res * res * ch));
        nn_format(path, sizeof path, "%s/seed%04u.png", folder, i < SEEDS ? (unsigned)seed[i] : 0);
        if (i < SEEDS && nn_png_read(path, &one, &err)) { t_fail("%s", err.msg); break; }
        if (i < SEEDS) t_same(one.pixels, want.pixels, (size_t)(res * res * ch), "%s", path);
        bool same = true;
        for (nn_dim y = 0; y < res; y++)
            same = same && !memcmp(sheet.pixels + ((i / COLS * res + y) * sheet.width + i % COLS * res) * ch, want.pixels + y * res * ch, (size_t)(res * ch));
        t_check(same, "cell %td of the sheet", i);
        nn_image_free(&one);
    }
    nn_image_free(&sheet);
    nn_image_free(&want);
}

int main(int argc, char **argv)
{
    NN_ASSERT(argc > 0);
    program_find(argv[0]);
    static const char *const kind[] = { "grey", "rgb", "rgba" };
    for (int k = 0; k < 3; k++) {
        char generator[200], folder[300];
        nn_err err = { 0 };
        nn_format(generator, sizeof generator, "tests/golden/stylegan2_%s.safetensors", kind[k]);
        nn_format(folder, sizeof folder, "%s", t_folder("generate"));
        program_run("/dev/null", "generate %s --generator %s --out %s --taps %s/default.safetensors --save-w %s/w.npy", options, generator, folder, folder, folder);
        program_run("/dev/null", "generate %s --generator %s --out %s --taps %s/b8.conv1.safetensors --taps-set b8.conv1", options, generator, folder, folder);
        sg_model *m = sg_open(generator, nn_kernels_pick("auto", &err), &err);
        sg_work *wk = m ? sg_work_open(m, SEEDS, true, 1, &err) : NULL;
        real *ws = wk ? nn_alloc((size_t)(SEEDS * sg_get_config(m)->num_ws * sg_get_config(m)->w_dim) * sizeof *ws, "ws", &err) : NULL;
        if (!ws) { t_fail("%s", err.msg); continue; }
        sg_draw(m, wk, seed, SEEDS, &draw, ws);
        check_latents(folder, m, ws);
        check_taps(folder, "default", m, wk);
        check_taps(folder, "b8.conv1", m, wk);
        check_pictures(folder, m, wk);
        nn_free(ws);
        sg_work_close(wk);
        sg_close(m);
    }
    return t_done();
}
