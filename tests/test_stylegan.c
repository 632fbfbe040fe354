/* test_stylegan.c: generators against the official code, the bundle against its stored pictures, and what must not change a
 * byte: threads, batch, order, memory. */
#include "tests/stylegan_cases.c"

#include <omp.h>

#include "nn/file.h"
#include "nn/image.h"
#include "nn/json.h"
#include "nn/rng.h"
#include "stylegan/model.h"

#define SMALL "tests/golden/stylegan2_rgb.safetensors"
#define BUNDLE "weights/blood128/generator.safetensors"
#define ANNOTATIONS "weights/blood128/annotations/"

void sg64_golden_cases(const char *name, const nn_kernels *k);

static sg_model *model(const char *path, const nn_kernels *k)
{
    nn_err err = { 0 };
    sg_model *m = sg_open(path, k, &err);
    if (m) return m;
    t_fail("%s: %s", path, err.msg);
    exit(t_done());
}

static sg_work *work(const sg_model *m, nn_dim batch, bool keep_taps, int threads)
{
    nn_err err = { 0 };
    sg_work *wk = sg_work_open(m, batch, keep_taps, threads, &err);
    if (wk) return wk;
    t_fail("%s", err.msg);
    exit(t_done());
}

static nn_dim picture_count(const sg_model *m)
{
    const sg_config *c = sg_get_config(m);
    return c->img_channels * c->resolution * c->resolution;
}

static void goldens(void)
{
    static const char *const names[] = { "stylegan2_rgb", "stylegan2_grey", "stylegan2_rgba", "stylegan2_res", "stylegan2_orig", "stylegan2_wide", "stylegan1_a", "stylegan1_b",
                                         "stylegan1_grey", "stylegan1_rgba" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sg64_golden_cases(names[i], NULL);
        for (int r = 0; r < nn_kernels_count(); r++) {
            const nn_kernels *k = nn_kernels_at(r);
            if (k->usable()) sg_golden_cases(names[i], k);
            else t_skip("golden %s/%s: not on this processor", names[i], k->name);
        }
    }
}

/* ---- the golden sees every tensor ----------------------------------------------------------------------------------- */

/* Zero a tensor, or move its last number by a tenth of the tensor's rms. */
static void spoil(float *x, uint64_t n, bool zero)
{
    double square = 0.0;
    for (uint64_t i = 0; i < n; i++) square += (double)x[i] * x[i];
    if (zero) memset(x, 0, n * sizeof *x);
    else x[n - 1] += (float)(0.1 * sqrt(square / (double)n));
}

static void every_tensor_counts(const char *name)
{
    char path[128];
    nn_err err = { 0 };
    nn_bytes file;
    nn_st whole, st;
    sg_golden g;
    nn_format(path, sizeof path, "tests/golden/%s.safetensors", name);
    sg_model *m = model(path, &nn_kernels_ref);
    const bool open = sg_golden_open(&g, name, "a", m);
    sg_close(m);
    if (!open || nn_file_read(path, 1 << 24, &file, &err) || nn_st_parse(&whole, file.data, file.size, path, &err)) {
        t_fail("spoilt tensors: %s", err.msg);
        return;
    }
    double least = INFINITY;
    const char *which = "";
    for (size_t i = 0; i < 2 * whole.count; i++) {
        const nn_st_entry *e = &whole.entry[i / 2];
        uint8_t *at = file.data + file.size - whole.data_bytes + e->begin;
        const size_t bytes = e->end - e->begin;
        float *x = nn_alloc(bytes, "test", NULL);
        memcpy(x, at, bytes);
        spoil(x, bytes / sizeof *x, i % 2);
        memcpy(at, x, bytes);
        m = !nn_st_parse(&st, file.data, file.size, "spoilt", &err) ? sg_load(&st, &nn_kernels_ref, &err) : NULL;
        const double worst = m ? sg_golden_worst(&g, m) : 0.0;
        t_check(worst > 1.0, "%s, %s: the golden turns red (%g of the limit) %s", e->name, i % 2 ? "zero" : "one number moved", worst, err.msg);
        if (worst < least) { least = worst; which = e->name; }
        sg_close(m);
        nn_st_close(&st);
        nn_free(x);
        memcpy(at, whole.data + e->begin, bytes);
    }
    printf("  ok   %s: %zu tensors spoilt in two ways; the least visible, %s, is %.0f limits off\n", name, whole.count, which, least);
    sg_golden_close(&g);
    nn_st_close(&whole);
    nn_bytes_free(&file);
}

/* Styles so weak that demodulation's 1e-8 decides: the fast rows must hold it where the definition does. */
static void weak_styles(void)
{
    nn_err err = { 0 };
    nn_bytes file;
    nn_st st = { 0 };
    if (nn_file_read(SMALL, 1 << 24, &file, &err) || nn_st_parse(&st, file.data, file.size, SMALL, &err)) { t_fail("weak styles: %s", err.msg); return; }
    for (size_t i = 0; i < st.count; i++) {
        const nn_st_entry *e = &st.entry[i];
        if (!strstr(e->name, "affine") || strstr(e->name, "torgb")) continue;
        for (uint64_t at = e->begin; at < e->end; at += sizeof(float)) {
            float x;
            uint8_t *place = file.data + file.size - st.data_bytes + at;
            memcpy(&x, place, sizeof x);
            x *= 1e-5f;
            memcpy(place, &x, sizeof x);
        }
    }
    real *want = NULL;
    for (int r = 0; r < nn_kernels_count(); r++) {
        const nn_kernels *k = nn_kernels_at(r);
        if (!k->usable()) continue;
        nn_st_close(&st);
        sg_model *m = nn_st_parse(&st, file.data, file.size, "weak styles", &err) ? NULL : sg_load(&st, k, &err);
        if (!m) { t_fail("%s", err.msg); break; }
        sg_work *wk = work(m, 1, false, 1);
        sg_draw(m, wk, &(uint32_t){ 5 }, 1, &(sg_options){ 1.0, -1, SG_NOISE_NONE, 0 }, NULL);
        const nn_dim n = picture_count(m);
        if (!want) memcpy(want = room(n), sg_picture(wk, 0), (size_t)n * sizeof *want);
        else t_close(sg_picture(wk, 0), want, n, 80, "weak styles/%s picture", k->name);
        sg_work_close(wk);
        sg_close(m);
    }
    nn_free(want);
    nn_st_close(&st);
    nn_bytes_free(&file);
}

/* ---- the bundle ----------------------------------------------------------------------------------------------------- */

/* Largest difference in levels, and how many numbers differ. */
static int levels_off(const sg_work *wk, nn_dim n, const uint8_t *want, nn_image *im, nn_dim *count)
{
    int worst = 0;
    nn_image_from_planar(im, sg_picture(wk, n));
    for (nn_dim i = 0; i < im->width * im->height * im->channels; i++) {
        const int d = abs(im->pixels[i] - want[i]);
        worst = d > worst ? d : worst;
        *count += d > 0;
    }
    return worst;
}

/* Every tap of the picture just drawn against those of `ref`, which come first and are kept in `taps`. */
static void bundle_taps(const sg_model *m, const sg_work *wk, real *taps)
{
    const nn_kernels *k = sg_get_kernels(m);
    for (int i = 0; i < sg_tap_count(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        const nn_dim n = t->c * t->h * t->w;
        real *planar = room(n);
        nn_map_to_planar(k->layout, planar, sg_tap(wk, 0, i), t->c, t->h, t->w);
        if (k == &nn_kernels_ref) memcpy(taps, planar, (size_t)n * sizeof *taps);
        else t_close(planar, taps, n, i + 1 < sg_tap_count(m) ? 500 : 2000, "bundle/%s %s of seed 0", k->name, t->name);      /* the last map cancels */
        nn_free(planar);
        taps += n;
    }
}

/* Five seeds drawn by the official code: the same z to the bit, the same w, the same picture within a level. */
static void bundle_seeds(const nn_kernels *k, int seeds, real *taps)
{
    static const uint32_t seed[5] = { 0, 7, 42, 1000, 4294967295u };
    nn_err err = { 0 };
    nn_st f;
    const real *z = NULL, *w = NULL;
    const nn_want want[] = { { "z", 2, { 5, 256 }, &z }, { "w", 2, { 5, 256 }, &w } };
    if (nn_st_open(&f, "tests/golden/stylegan2_blood.safetensors", &err) || nn_st_bind(&f, want, 2, false, &err)) { t_fail("%s", err.msg); return; }
    const nn_st_entry *e = nn_st_find(&f, "pictures");
    nn_image im;
    if (!e || e->end - e->begin != 5 * 128 * 128 * 3 || nn_image_make(&im, 128, 128, 3, &err)) { t_fail("golden pictures"); return; }

    sg_model *m = model(BUNDLE, k);
    sg_work *wk = work(m, 1, true, 1);
    real own_z[256], own_w[256];
    int worst = 0;
    nn_dim count = 0;
    for (int i = 0; i < seeds; i++) {
        sg_z(m, seed[i], own_z);
        t_same(own_z, z + i * 256, sizeof own_z, "bundle z of seed %u", seed[i]);
        sg_mapping(m, own_w, own_z, 1, 0);
        t_close(own_w, w + i * 256, 256, 16, "bundle/%s w of seed %u", k->name, seed[i]);
        sg_draw(m, wk, &seed[i], 1, &(sg_options){ 0.7, -1, SG_NOISE_CONST, 0 }, NULL);
        if (i == 0) bundle_taps(m, wk, taps);
        const int off = levels_off(wk, 0, f.data + e->begin + i * 128 * 128 * 3, &im, &count);
        worst = off > worst ? off : worst;
    }
    t_limit(worst, 1, "bundle/%s: levels off the official pictures (%d seeds, %td numbers differ)", k->name, seeds, count);
    sg_work_close(wk);
    sg_close(m);
    nn_image_free(&im);
    nn_st_close(&f);
}

static void bundle_annotations(const nn_kernels *k)
{
    enum { BATCH = 4 };
    nn_err err = { 0 };
    json_t *task = nn_json_read(ANNOTATIONS "task.json", 1 << 20, &err), *items = json_object_get(task, "items");
    sg_model *m = model(BUNDLE, k);
    const char *sha = json_string_value(json_object_get(json_object_get(task, "generator"), "sha256"));
    t_check(sha && !strcmp(sha, sg_identity(m)), "the identity is the one that convert/ wrote into task.json: %s, %s", sha ? sha : "none", sg_identity(m));
    sg_work *wk = work(m, BATCH, false, 1);
    nn_image im = { 0 };
    int worst = 0;
    nn_dim count = 0, drawn = 0;
    if (nn_image_make(&im, 128, 128, 3, &err)) t_fail("%s", err.msg);
    for (size_t i = 0; i + BATCH <= json_array_size(items); i += BATCH) {
        uint32_t seed[BATCH];
        for (size_t b = 0; b < BATCH; b++) seed[b] = (uint32_t)json_integer_value(json_object_get(json_array_get(items, i + b), "seed"));
        sg_draw(m, wk, seed, BATCH, &(sg_options){ 0.7, -1, SG_NOISE_CONST, 0 }, NULL);
        for (size_t b = 0; b < BATCH; b++) {
            char path[256];
            nn_image stored = { 0 };
            nn_format(path, sizeof path, ANNOTATIONS "%s", json_string_value(json_object_get(json_array_get(items, i + b), "image")));
            if (nn_png_read(path, &stored, &err) || stored.width != 128 || stored.height != 128 || stored.channels != 3)
                t_fail("%s: not a 128x128 RGB picture %s", path, err.msg);
            else {
                const int off = levels_off(wk, (nn_dim)b, stored.pixels, &im, &count);
                worst = off > worst ? off : worst;
                drawn++;
            }
            nn_image_free(&stored);
        }
    }
    t_check(drawn == 24, "24 annotated pictures compared: %td %s", drawn, err.msg);
    t_limit(worst, 1, "bundle/%s: levels off the annotated pictures (%td pictures, %td numbers differ)", k->name, drawn, count);
    nn_image_free(&im);
    sg_work_close(wk);
    sg_close(m);
    json_decref(task);
}

/* ---- what must not change a byte ------------------------------------------------------------------------------------ */

/* All taps and the picture of seed s, drawn at position b, one after another. */
static nn_dim gather(const sg_model *m, const sg_work *wk, nn_dim b, real *out)
{
    nn_dim at = 0;
    for (int i = 0; i < sg_tap_count(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        const nn_dim n = nn_map_count(sg_get_kernels(m)->layout, t->c, t->h, t->w);
        if (out) memcpy(out + at, sg_tap(wk, b, i), (size_t)n * sizeof *out);
        at += n;
    }
    if (out) memcpy(out + at, sg_picture(wk, b), (size_t)picture_count(m) * sizeof *out);
    return at + picture_count(m);
}

static void same_bytes(const char *path, const nn_kernels *k, sg_noise noise, nn_dim seeds)
{
    static const uint32_t seed[8] = { 0, 1, 2, 3, 4000000000u, 5, 77, 42 };
    static const struct { nn_dim batch; int threads; uint32_t shuffle; } way[] = { { 1, 2, 0 }, { 3, 1, 1 }, { 3, 2, 2 }, { 8, 1, 3 }, { 8, 2, 4 } };
    const sg_options o = { 0.7, 3, noise, 0 };
    sg_model *m = model(path, k);
    const nn_dim each = gather(m, NULL, 0, NULL), ws_each = sg_get_config(m)->num_ws * sg_get_config(m)->w_dim;
    real *want = room(seeds * each), *want_ws = room(seeds * ws_each), *got = room(each), *ws = room(seeds * ws_each);
    sg_work *wk = work(m, 1, true, 1);
    for (nn_dim i = 0; i < seeds; i++) {
        sg_draw(m, wk, &seed[i], 1, &o, want_ws + i * ws_each);
        gather(m, wk, 0, want + i * each);
    }
    sg_work_close(wk);

    for (int v = 0; v < (int)(sizeof way / sizeof *way); v++) {
        uint32_t order[8], drawn[8];
        nn_rng_shuffle(way[v].shuffle, NN_RNG_TEST, 0, order, (uint32_t)seeds);
        for (nn_dim i = 0; i < seeds; i++) drawn[i] = seed[order[i]];
        omp_set_num_threads(way[v].threads);
        wk = work(m, way[v].batch, true, way[v].threads);
        sg_work *lean = v == 2 ? work(m, way[v].batch, false, way[v].threads) : NULL;
        bool same = true;
        for (nn_dim i = 0; i < seeds; i += way[v].batch) {
            const nn_dim n = seeds - i < way[v].batch ? seeds - i : way[v].batch;
            sg_draw(m, wk, drawn + i, n, &o, ws);
            if (lean) sg_draw(m, lean, drawn + i, n, &o, NULL);
            for (nn_dim b = 0; b < n; b++) {
                const nn_dim s = order[i + b];
                gather(m, wk, b, got);
                same = same && t_same(got, want + s * each, (size_t)each * sizeof *got, "%s/%s noise %d, batch %td, %d threads: taps and picture of seed %u",
                                      path, k->name, noise, way[v].batch, way[v].threads, seed[s])
                    && t_same(ws + b * ws_each, want_ws + s * ws_each, (size_t)ws_each * sizeof *ws, "%s/%s: ws", path, k->name)
                    && (!lean || t_same(sg_picture(lean, b), sg_picture(wk, b), (size_t)picture_count(m) * sizeof *got, "%s/%s: picture without keeping taps",
                                          path, k->name));
            }
        }
        sg_work_close(lean);
        sg_work_close(wk);
    }
    omp_set_num_threads(1);
    nn_free(want);
    nn_free(want_ws);
    nn_free(got);
    nn_free(ws);
    sg_close(m);
}

/* Random noise is constant noise with numbers that depend on seed, layer and pixel alone. */
static void random_noise(void)
{
    const uint32_t seed[2] = { 9, 4294967295u };
    real *noise[2][SG_TAPS_MAX];
    sg_model *m = model(SMALL, &nn_kernels_ref);
    sg_work *wk = work(m, 2, true, 1), *other = work(m, 1, true, 1);
    real *ws = room(2 * sg_get_config(m)->num_ws * sg_get_config(m)->w_dim);
    sg_draw(m, wk, seed, 2, &(sg_options){ 1.0, -1, SG_NOISE_RANDOM, 0 }, ws);
    for (int b = 0; b < 2; b++) {
        for (int i = 0; i < sg_tap_count(m); i++) {
            const nn_dim n = m->tap[i].h * m->tap[i].w;
            noise[b][i] = room(n);
            for (nn_dim p = 0; p < n; p++) noise[b][i][p] = (real)nn_rng_normal(seed[b], NN_RNG_NOISE, (uint32_t)i, (uint64_t)p);
            m->layer[i].noise = noise[b][i];
        }
        sg_draw(m, other, &seed[b], 1, &(sg_options){ 1.0, -1, SG_NOISE_CONST, 0 }, NULL);
        t_same(sg_picture(wk, b), sg_picture(other, 0), (size_t)picture_count(m) * sizeof(real), "random noise of seed %u", seed[b]);
    }
    for (int b = 0; b < 2; b++) for (int i = 0; i < sg_tap_count(m); i++) nn_free(noise[b][i]);
    nn_free(ws);
    sg_work_close(other);
    sg_work_close(wk);
    sg_close(m);
}

static void truncation(void)
{
    sg_model *m = model(SMALL, &nn_kernels_ref);
    const sg_config *c = sg_get_config(m);
    real *w = room(c->w_dim), *ws = room(c->num_ws * c->w_dim);
    const size_t row = (size_t)c->w_dim * sizeof *w;
    t_randn(w, c->w_dim, 1);
    sg_truncate(m, ws, w, 1, &(sg_options){ 0.0, -1, SG_NOISE_NONE, 0 });
    for (nn_dim l = 0; l < c->num_ws; l++) t_same(ws + l * c->w_dim, m->w_avg, row, "psi 0 is the mean, row %td", l);
    sg_truncate(m, ws, w, 1, &(sg_options){ -2.5, 1, SG_NOISE_NONE, 0 });
    real first[64];
    for (nn_dim i = 0; i < c->w_dim; i++) first[i] = (real)(m->w_avg[i] - 2.5 * ((double)w[i] - m->w_avg[i]));
    t_close(ws, first, c->w_dim, 1, "psi -2.5, first row");
    for (nn_dim l = 1; l < c->num_ws; l++) t_same(ws + l * c->w_dim, w, row, "psi acts on rows below the cutoff alone, row %td", l);
    sg_truncate(m, ws, w, 1, &(sg_options){ 0.5, 0, SG_NOISE_NONE, 0 });
    for (nn_dim l = 0; l < c->num_ws; l++) t_same(ws + l * c->w_dim, w, row, "cutoff 0 is no truncation, row %td", l);
    nn_free(w);
    nn_free(ws);
    sg_close(m);
}

static nn_dim channels_of(const sg_model *m, const char *set)
{
    nn_dim n = 0;
    for (int i = 0; i < sg_tap_total(m); i++) if (sg_tap_is(sg_tap_at(m, i), set)) n += sg_tap_at(m, i)->c;
    return n;
}

/* Channels 18, 10, 5 and 14, 12, 6: the released code takes two maps a level, the paper draws both AdaIN outputs. */
static void tap_sets(void)
{
    sg_model *one = model("tests/golden/stylegan1_b.safetensors", &nn_kernels_ref), *two = model("tests/golden/stylegan2_orig.safetensors", &nn_kernels_ref);
    t_check(channels_of(one, "default") == 66 && channels_of(one, "released") == 66 && channels_of(one, "paper") == 66 && channels_of(one, "editgan") == 0,
            "sets of a StyleGAN1: %td, %td, %td", channels_of(one, "default"), channels_of(one, "released"), channels_of(one, "paper"));
    const nn_dim drawn = channels_of(two, "default"), first = sg_get_config(two)->channels[0];
    t_check(channels_of(two, "editgan") == drawn + first && channels_of(two, "paper") == 0, "EditGAN's set is the default and the constant input");
    sg_work *wk = work(two, 2, true, 1);
    sg_draw(two, wk, (const uint32_t[]){ 1, 2 }, 2, &(sg_options){ 1.0, -1, SG_NOISE_CONST, 0 }, NULL);
    const int last = sg_tap_total(two) - 1;
    t_same(sg_tap(wk, 1, last), two->constant, (size_t)(first * 16) * sizeof(real), "%s is the constant input of every picture", sg_tap_at(two, last)->name);
    t_check(sg_get_config(one)->cutoff == 6 && sg_get_config(two)->cutoff == -1, "truncation cutoff: 8 or all layers of a StyleGAN1, all of a StyleGAN2");
    sg_work_close(wk);
    sg_close(one);
    sg_close(two);
}

/* What is stated is what is used, to the last byte: the last map ends where the block does. */
static void stated_memory(void)
{
    for (int r = 0; r < nn_kernels_count(); r++) {
        const nn_kernels *k = nn_kernels_at(r);
        if (!k->usable()) continue;
        sg_model *m = model(SMALL, k);
        for (int keep = 0; keep < 2; keep++) {
            sg_work *wk = work(m, 3, keep, 2);
            const int last = sg_tap_count(m) - 1, first = keep ? last : 1;      /* of two shared maps the odd layers' is laid out last */
            nn_dim n = 0;
            for (int i = first; i <= last; i += 2) {
                const nn_dim map = nn_map_count(k->layout, m->tap[i].c, m->tap[i].h, m->tap[i].w);
                n = map > n && (keep || !sg_is_alone(m, i)) ? map : n;
            }
            const char *end = (const char *)(wk->map[first] + 3 * n);
            const size_t used = (size_t)(end - (const char *)wk), stated = sg_work_bytes(m, 3, keep, 2);
            t_check(used <= stated && stated < used + 64, "%s, keep_taps %d: %zu bytes stated, %zu used", k->name, keep, stated, used);
            sg_work_close(wk);
        }
        for (int i = 0; i < sg_tap_count(m); i++) {           /* the shared maps fit the largest layer, wherever it is */
            const size_t before = sg_work_bytes(m, 3, false, 2);
            m->layer[i].c *= 1000;
            const nn_dim pictures = sg_is_alone(m, i) ? 2 : 3;                 /* side by side; in the batch */
            const size_t map = (size_t)(pictures * nn_map_count(k->layout, m->layer[i].c, m->tap[i].h, m->tap[i].w)) * sizeof(real);
            t_check(sg_work_bytes(m, 3, false, 2) > map && sg_work_bytes(m, 3, false, 2) - before < map, "%s: layer %d the largest", k->name, i);
            m->layer[i].c /= 1000;
        }
        sg_close(m);
    }
}

/* Where the processor is a program every golden is compared with every row, the bundle with one seed; what no processor changes (row ref spoilt), and
 * more of the same, is left to native runs. */
int main(void)
{
    nn_err err = { 0 };
    const nn_kernels *fastest = nn_kernels_pick("auto", &err);
    omp_set_num_threads(1);          /* a second one only where it is what is tested */
    goldens();
    if (!t_left_to_native("spoilt tensors, row ref")) {
        every_tensor_counts("stylegan2_rgb");
        every_tensor_counts("stylegan2_res");
        every_tensor_counts("stylegan2_orig");
        every_tensor_counts("stylegan1_b");
    }
    weak_styles();
    real *taps = room(1 << 21);          /* the bundle's are 864 channels on 11 maps, 1.3 million numbers */
    for (int r = 0; r < nn_kernels_count(); r++) {
        const nn_kernels *k = nn_kernels_at(r);
        if (!k->usable()) continue;
        bundle_seeds(k, k == &nn_kernels_ref || t_emulated() ? 1 : 5, taps);      /* ref is the first row */
        same_bytes(SMALL, k, SG_NOISE_RANDOM, t_emulated() ? 3 : 8);
    }
    nn_free(taps);
    if (!t_left_to_native("annotated pictures of the bundle, and its bytes in batches")) {
        bundle_annotations(fastest);
        same_bytes(BUNDLE, fastest, SG_NOISE_CONST, 3);
    }
    same_bytes("tests/golden/stylegan1_b.safetensors", fastest, SG_NOISE_RANDOM, t_emulated() ? 3 : 8);
    same_bytes("tests/golden/stylegan1_a.safetensors", fastest, SG_NOISE_CONST, t_emulated() ? 1 : 3);        /* sums in several pieces */
    same_bytes("tests/golden/stylegan2_res.safetensors", fastest, SG_NOISE_RANDOM, 3);
    tap_sets();
    random_noise();
    truncation();
    stated_memory();
    return t_done();
}
