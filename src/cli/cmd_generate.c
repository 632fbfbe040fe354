/* cmd_generate.c: datasetgan generate: one PNG per seed, and on request a contact sheet, feature maps and latents.
 *
 * DIR/run.json records what the pictures were drawn with.  A folder with the same record is gone on with; one with another
 * record is refused, so that two runs never mix in one folder. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "nn/image.h"
#include "nn/json.h"
#include "nn/npy.h"
#include "nn/sys.h"

static const char NAME[] = "generate";
enum { META = 8 };             /* the last, class, only of conditional generators */

typedef struct {
    const char *out, *taps, *taps_set, *save_w;
    cli_seeds seeds;
    sg_options draw;
    int64_t batch;
    int threads;
    nn_dim cols, rows;               /* contact sheet, 0: none */
    bool force;
    const sg_model *model;
} job;

/* ---- the folder ----------------------------------------------------------------------------------------------------- */

static nn_status picture_path(const job *j, uint32_t seed, char out[CLI_PATH], nn_err *err)
{
    char name[32];
    nn_format(name, sizeof name, "seed%04lu.png", (unsigned long)seed);
    return nn_path_join(out, CLI_PATH, j->out, name, err);
}

static json_t *settings(const job *j, nn_err *err)
{
    json_t *s = json_pack("{s:i,s:s,s:s,s:s,s:s,s:f,s:o,s:s}", "format", 1, "command", NAME, "version", CLI_VERSION,
                          "generator", sg_identity(j->model), "kernels", sg_get_kernels(j->model)->name, "psi", j->draw.psi,
                          "cutoff", j->draw.cutoff < 0 ? json_null() : json_integer(j->draw.cutoff),
                          "noise", cli_noise_name(j->draw.noise));
    if (s && sg_get_config(j->model)->c_dim && json_object_set_new(s, "class", json_integer(j->draw.class_id))) { json_decref(s); s = NULL; }
    if (!s) nn_fail(err, NN_ENOMEM, "settings of the run: not enough memory");
    return s;
}

/* NN_OK and *same = false when the folder has no record; NN_EMISMATCH naming the first difference. */
static nn_status compare_record(const char *path, const json_t *want, bool *same, nn_err *err)
{
    *same = false;
    if (!nn_path_exists(path)) return NN_OK;
    json_t *found = nn_json_read(path, 1 << 20, err);
    if (!found) return err->status;
    const char *key;
    json_t *value;
    *same = json_is_object(found);
    if (!*same) nn_fail(err, NN_EMISMATCH, "%s: expected the record of a run, found something else", path);
    json_object_foreach((json_t *)want, key, value) {
        const json_t *other = json_object_get(found, key);
        if (!*same || (other && json_equal(value, other))) continue;
        enum { SHOW = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) };
        char *a = json_dumps(value, SHOW), *b = other ? json_dumps(other, SHOW) : NULL;
        nn_fail(err, NN_EMISMATCH, "%s: the folder holds another run: %s: expected %s, found %s; choose another --out, or --force", path,
                key, a ? a : "?", b ? b : "nothing");
        free(a);
        free(b);
        *same = false;
    }
    json_decref(found);
    return err->status;
}

static bool is_wanted(const cli_seeds *s, const char *name)
{
    char mine[32];
    for (size_t i = 0; i < s->count; i++) {
        nn_format(mine, sizeof mine, "seed%04lu.png", (unsigned long)s->at[i]);
        if (!strcmp(mine, name)) return true;
    }
    return false;
}

static bool is_picture_name(const char *name)
{
    if (strncmp(name, "seed", 4)) return false;
    const size_t digits = strspn(name + 4, "0123456789");
    return digits >= 4 && !strcmp(name + 4 + digits, ".png");
}

/* Pictures in a folder without our record: those of other seeds would later pass for this run's, so they are never
 * adopted; those of our seeds are removed with --force. */
static nn_status clear_stranger(const void *context, const char *name, nn_err *err)
{
    const job *j = context;
    char path[CLI_PATH];
    if (!is_picture_name(name) || nn_path_join(path, sizeof path, j->out, name, err)) return err->status;
    if (!is_wanted(&j->seeds, name)) return nn_fail(err, NN_EMISMATCH, "%s is a picture of another run; choose another --out", path);
    if (cli_refuse_existing(path, j->force, err) == NN_OK && nn_sys_unlink(path)) nn_fail(err, NN_EIO, "%s: cannot remove it", path);
    return err->status;
}

/* Make the folder ready and ours alone: afterwards it holds this run's record, and every picture in it is this run's. */
static nn_status open_folder(const job *j, int *lock, nn_err *err)
{
    char path[CLI_PATH];
    if (nn_dir_make(j->out, err) || nn_dir_lock(lock, j->out, err) || nn_path_join(path, sizeof path, j->out, "run.json", err)) return err->status;
    json_t *want = settings(j, err);
    if (!want) return err->status;
    bool same;
    if (compare_record(path, want, &same, err) == NN_EMISMATCH && j->force) *err = (nn_err){ 0 };
    if (err->status == NN_OK && !same && nn_dir_each(j->out, clear_stranger, j, err) == NN_OK) nn_json_write(path, want, err);
    json_decref(want);
    return err->status;
}

/* ---- contact sheet: made of the pictures on disk, so that a resumed run need not draw them again ------------------------ */

static nn_status write_grid(const job *j, nn_err *err)
{
    const sg_config *c = sg_get_config(j->model);
    const nn_dim width = c->resolution, height = c->height, ch = c->img_channels;
    nn_image sheet = { 0 };
    nn_bytes png = { 0 };
    char path[CLI_PATH];
    nn_image_make(&sheet, j->cols * width, j->rows * height, ch, err);
    for (size_t i = 0; i < j->seeds.count && err->status == NN_OK; i++) {
        nn_image one = { 0 };
        if (picture_path(j, j->seeds.at[i], path, err) || nn_png_read(path, &one, err)) break;
        const nn_dim x0 = (nn_dim)i % j->cols * width, y0 = (nn_dim)i / j->cols * height;
        if (one.width != width || one.height != height || one.channels != ch)
            nn_fail(err, NN_ESHAPE, "%s: expected %tdx%td with %td channels, found %tdx%td with %td", path, width, height, ch, one.width,
                    one.height, one.channels);
        else for (nn_dim y = 0; y < height; y++)
            memcpy(sheet.pixels + ((y0 + y) * sheet.width + x0) * ch, one.pixels + y * width * ch, (size_t)(width * ch));
        nn_image_free(&one);
    }
    if (err->status == NN_OK && nn_png_encode(&sheet, NULL, &png, err) == NN_OK
        && nn_path_join(path, sizeof path, j->out, "grid.png", err) == NN_OK)
        cli_write(path, png.data, png.size, j->force, err);
    nn_bytes_free(&png);
    nn_image_free(&sheet);
    return err->status;
}

/* ---- latents: ws (seeds, num_ws, w_dim) as the synthesis reads them, after truncation ---------------------------------- */

static nn_status write_latents(const job *j, nn_err *err)
{
    const sg_config *c = sg_get_config(j->model);
    const nn_dim n = (nn_dim)j->seeds.count;
    const uint64_t dim[3] = { j->seeds.count, (uint64_t)c->num_ws, (uint64_t)c->w_dim };
    const size_t bytes = (size_t)(n * c->num_ws * c->w_dim) * sizeof(real);
    real *z = nn_alloc((size_t)(n * c->z_dim) * sizeof(real), "z of all seeds", err);
    real *w = nn_alloc((size_t)(n * c->w_dim) * sizeof(real), "w of all seeds", err);
    real *ws = nn_alloc(bytes, "w of all layers and seeds", err);
    if (z && w && ws) {
        for (nn_dim i = 0; i < n; i++) sg_z(j->model, j->seeds.at[i], z + i * c->z_dim);
        sg_mapping(j->model, w, z, n, j->draw.class_id);
        sg_truncate(j->model, ws, w, n, &j->draw);
        cli_write_npy(j->save_w, ws, 3, dim, j->force, err);
    }
    nn_free(z);
    nn_free(w);
    nn_free(ws);
    return err->status;
}

/* ---- feature maps: one tensor (seeds, C, H, W) per tap, planar, and the list of seeds ----------------------------------- */

typedef struct {
    real *tap[SG_TAPS_MAX];
    int64_t *seeds;
    nn_st_pair meta[META];
    int meta_count;
    char psi[32], cutoff[32], class_id[32];
    cli_names names;
    int chosen[SG_TAPS_MAX], count;      /* the generator's taps that the file holds */
} taps;

static nn_status open_taps(const job *j, taps *t, nn_err *err)
{
    const sg_model *m = j->model;
    nn_format(t->psi, sizeof t->psi, "%.17g", j->draw.psi);
    nn_format(t->cutoff, sizeof t->cutoff, "%td", j->draw.cutoff);
    nn_format(t->class_id, sizeof t->class_id, "%td", j->draw.class_id);
    const nn_st_pair meta[META] = {
        { "format", "1" }, { "kind", "taps" }, { "generator", sg_identity(m) }, { "kernels", sg_get_kernels(m)->name },
        { "psi", t->psi }, { "cutoff", t->cutoff }, { "noise", cli_noise_name(j->draw.noise) },
        { "class", t->class_id },
    };
    memcpy(t->meta, meta, sizeof meta);
    t->meta_count = sg_get_config(m)->c_dim ? META : META - 1;
    t->seeds = nn_alloc(j->seeds.count * sizeof *t->seeds, "list of seeds", err);
    if (!t->seeds) return err->status;
    for (size_t i = 0; i < j->seeds.count; i++) t->seeds[i] = j->seeds.at[i];
    if (cli_split_taps(&t->names, j->taps_set, err)) return err->status;
    return dg_choose_taps(m, j->taps_set ? t->names.at : NULL, t->names.count, t->chosen, &t->count, err);
}

static void close_taps(taps *t)
{
    for (int i = 0; i < SG_TAPS_MAX; i++) nn_free(t->tap[i]);
    nn_free(t->seeds);
}

/* The file holds what this command writes: same settings, same seeds in the same order. */
static bool taps_there(const job *j, const taps *t, nn_err *err)
{
    nn_st f = { 0 };
    nn_err unreadable = { 0 };
    bool same = nn_st_open(&f, j->taps, &unreadable) == NN_OK && f.count == (size_t)t->count + 1;
    for (int i = 0; same && i < t->count; i++) same = nn_st_find(&f, sg_tap_at(j->model, t->chosen[i])->name) != NULL;
    for (int i = 0; same && i < t->meta_count; i++) {
        const char *v = nn_st_meta(&f, t->meta[i].key);
        same = v && !strcmp(v, t->meta[i].value);
    }
    const nn_st_entry *e = same ? nn_st_find(&f, "seeds") : NULL;
    const size_t bytes = j->seeds.count * sizeof *t->seeds;
    same = e && e->end - e->begin == bytes && !memcmp(f.data + e->begin, t->seeds, bytes);
    nn_st_close(&f);
    if (unreadable.status == NN_ENOMEM) nn_fail(err, NN_ENOMEM, "%s", unreadable.msg);      /* nothing is said of what it holds */
    return same;
}

static nn_status alloc_taps(const job *j, taps *t, nn_err *err)
{
    for (int i = 0; i < t->count; i++) {
        const sg_tap_info *s = sg_tap_at(j->model, t->chosen[i]);
        t->tap[i] = nn_alloc((size_t)(s->c * s->h * s->w) * j->seeds.count * sizeof(real), "feature maps of all seeds", err);
        if (!t->tap[i]) return err->status;
    }
    return NN_OK;
}

static void keep_taps(const job *j, const sg_work *wk, taps *t, size_t at, nn_dim n)
{
    for (int i = 0; i < t->count; i++) {
        const sg_tap_info *s = sg_tap_at(j->model, t->chosen[i]);
        nn_map_to_planar(sg_get_kernels(j->model)->layout, t->tap[i] + (nn_dim)at * s->c * s->h * s->w, sg_tap(wk, n, t->chosen[i]), s->c, s->h, s->w);
    }
}

static nn_status write_taps(const job *j, const taps *t, nn_err *err)
{
    nn_st_tensor tensor[SG_TAPS_MAX + 1];
    const int n = t->count;
    for (int i = 0; i < n; i++) {
        const sg_tap_info *s = sg_tap_at(j->model, t->chosen[i]);
        tensor[i] = (nn_st_tensor){ s->name, NN_F32, 4, { j->seeds.count, (uint64_t)s->c, (uint64_t)s->h, (uint64_t)s->w }, t->tap[i] };
    }
    tensor[n] = (nn_st_tensor){ "seeds", NN_I64, 1, { j->seeds.count }, t->seeds };
    return nn_st_write(j->taps, tensor, (size_t)n + 1, t->meta, (size_t)t->meta_count, err);
}

/* ---- drawing ---------------------------------------------------------------------------------------------------------- */

/* Draw seeds[at[0..n)], write those pictures that are not there, keep the taps when asked to. */
static nn_status draw_batch(const job *j, sg_work *wk, const size_t *at, nn_dim n, taps *t, nn_image *im, size_t *written, nn_err *err)
{
    uint32_t seed[256];
    for (nn_dim i = 0; i < n; i++) seed[i] = j->seeds.at[at[i]];
    sg_draw(j->model, wk, seed, n, &j->draw, NULL);
    for (nn_dim i = 0; i < n; i++) {
        char path[CLI_PATH];
        if (t) keep_taps(j, wk, t, at[i], i);
        if (picture_path(j, seed[i], path, err)) return err->status;
        if (nn_path_exists(path) && !j->force) continue;
        nn_image_from_planar(im, sg_picture(wk, i));
        if (nn_png_write(path, im, NULL, err)) return err->status;
        ++*written;
    }
    return NN_OK;
}

/* Every seed whose picture is missing, or all of them when the taps are wanted. */
static nn_status draw_all(const job *j, taps *t, size_t *written, nn_err *err)
{
    const sg_config *c = sg_get_config(j->model);
    size_t at[256], done = 0;
    nn_dim n = 0;
    nn_image im = { 0 };
    sg_work *wk = NULL;
    for (size_t i = 0; i < j->seeds.count && err->status == NN_OK; i++) {
        char path[CLI_PATH];
        if (picture_path(j, j->seeds.at[i], path, err)) break;
        if (t || j->force || !nn_path_exists(path)) at[n++] = i;
        if (!n || (n < j->batch && i + 1 < j->seeds.count)) continue;
        if (!wk) {                                        /* a finished run needs no room for drawing */
            wk = sg_work_open(j->model, (nn_dim)j->batch, t != NULL, j->threads, err);
            if (!wk || nn_image_make(&im, c->resolution, c->height, c->img_channels, err)) break;
        }
        if (draw_batch(j, wk, at, n, t, &im, written, err)) break;
        done += (size_t)n;
        n = 0;
        if (!cli_progress_report(NULL, "picture", (double)done, (double)j->seeds.count, NAN)) nn_fail(err, NN_ECANCEL, "interrupted");
    }
    nn_image_free(&im);
    sg_work_close(wk);
    cli_progress_end();
    return err->status;
}

static nn_status run(const job *j, size_t *written, nn_err *err)
{
    taps t = { 0 };
    bool draw_taps = false;
    int lock = -1;
    if (j->taps && open_taps(j, &t, err) == NN_OK && (j->force || !nn_path_exists(j->taps) || !taps_there(j, &t, err)))
        draw_taps = cli_refuse_existing(j->taps, j->force, err) == NN_OK && alloc_taps(j, &t, err) == NN_OK;
    if (err->status == NN_OK) open_folder(j, &lock, err);
    if (err->status == NN_OK && j->save_w) write_latents(j, err);
    if (err->status == NN_OK) draw_all(j, draw_taps ? &t : NULL, written, err);
    if (err->status == NN_OK && draw_taps) write_taps(j, &t, err);
    if (err->status == NN_OK && j->cols) write_grid(j, err);
    close_taps(&t);
    nn_dir_unlock(lock);
    return err->status;
}

/* "4x2": columns by rows. */
static nn_status parse_grid(const char *text, job *j, nn_err *err)
{
    int cols = 0, rows = 0, end = 0;
    if (strspn(text, "0123456789x") != strlen(text) || strlen(text) > 11 || sscanf(text, "%5dx%5d%n", &cols, &rows, &end) != 2
        || text[end] || cols < 1 || rows < 1)
        return nn_fail(err, NN_EINVAL, "option --grid: expected COLSxROWS such as 4x2, found '%s'", text);
    j->cols = cols;
    j->rows = rows;
    if ((size_t)cols * (size_t)rows < j->seeds.count)
        nn_fail(err, NN_EINVAL, "option --grid: %s holds %d pictures, %zu seeds are given", text, cols * rows, j->seeds.count);
    return err->status;
}

int cmd_generate(int argc, char **argv)
{
    const char *generator = NULL, *kernels = "auto", *grid = NULL;
    int64_t threads = 0;
    cli_draw draw = { 0 };
    job j = { .batch = 1, .draw = { 0.7, -1, SG_NOISE_CONST, 0 } };
    const cli_opt opt[] = {
        { "seeds", CLI_SEEDS, &j.seeds, 0, 0, NULL, true, "seeds to draw, such as 3,7,10-20", NULL },
        { "out", CLI_STR, &j.out, 0, 0, "DIR", true, "folder for seedNNNN.png and run.json, made when missing", NULL },
        { "generator", CLI_STR, &generator, 0, 0, "FILE", false, "generator, .safetensors (default: the bundled one)", NULL },
        CLI_DRAW_OPTIONS(draw, "0.7"),
        { "grid", CLI_STR, &grid, 0, 0, "COLSxROWS", false, "also one contact sheet, DIR/grid.png, in the order of the seeds", NULL },
        { "taps", CLI_STR, &j.taps, 0, 0, "FILE", false,
          "also every feature map: safetensors, one tensor (seeds,C,H,W) a map; memory grows with the seeds", NULL },
        { "taps-set", CLI_STR, &j.taps_set, 0, 0, "NAMES", false,
          "feature maps for --taps, by name or set: released, paper, editgan, last-6, b4.conv1,b8.conv0 (default: default)", NULL },
        { "save-w", CLI_STR, &j.save_w, 0, 0, "FILE", false, "also the latents after truncation: .npy (seeds,layers,w)", NULL },
        { "kernels", CLI_STR, &kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "batch", CLI_INT, &j.batch, 1, 256, NULL, false, "pictures drawn at once (default: 1)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace existing files", NULL },
    };
    const int rc = cli_parse(NAME, "Draw pictures from a StyleGAN generator: DIR/seedNNNN.png. The same command goes on with a run that "
                             "was stopped and does nothing when all is there.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) { cli_seeds_free(&j.seeds); return rc; }

    nn_err err = { 0 };
    cli_catch_interrupts();
    size_t written = 0;
    const double start = cli_seconds();
    j.threads = cli_threads(threads);
    cli_draw_apply(NAME, &draw, NULL, &j.draw);
    sg_model *model = NULL;
    if (j.taps_set && !j.taps) nn_fail(&err, NN_EINVAL, "--taps-set chooses what --taps writes: --taps is needed");
    else if (!grid || parse_grid(grid, &j, &err) == NN_OK) j.model = model = cli_open_generator(generator, kernels, &err);
    if (model && !draw.cutoff_given) j.draw.cutoff = sg_get_config(model)->cutoff;
    if (model && sg_get_config(model)->c_dim && !draw.class_given)
        nn_fail(&err, NN_EINVAL, "the generator is conditional: --class is needed, 0 to %td", sg_get_config(model)->c_dim - 1);
    if (model && err.status == NN_OK && sg_check_options(model, &j.draw, &err) == NN_OK && run(&j, &written, &err) == NN_OK)
        printf("%zu pictures in %s, %zu of them drawn now (%.1f s, peak memory %.0f MB)\n", j.seeds.count, j.out, written,
               cli_seconds() - start, (double)cli_peak_bytes() / 1e6);
    sg_close(model);
    cli_seeds_free(&j.seeds);
    return err.status == NN_OK ? CLI_EXIT_OK : cli_fail(NAME, &err);
}
