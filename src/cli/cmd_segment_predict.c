/* cmd_segment_predict.c: datasetgan segment predict: label maps of photographs, at their own size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/segment.h"

static const char NAME[] = "segment predict";

typedef struct {
    const char *net, *in, *out, *csv, *scale, *central, *kernels;
    int64_t tile, threads;
    double adapt, confidence;
    bool overlay, probs, no_flips, force;
} job;

/* ---- the table: a row a picture and class -------------------------------------------------------------------------------------------------- */

typedef struct { char *text; size_t size, room; } table;

static nn_status add_text(table *t, const char *line, nn_err *err)
{
    const size_t n = strlen(line);
    if (t->size + n + 1 > t->room) {
        char *larger = nn_alloc(2 * t->room + n + 4096, "a table", err);
        if (!larger) return NN_ENOMEM;
        if (t->size) memcpy(larger, t->text, t->size);
        nn_free(t->text);
        t->text = larger;
        t->room = 2 * t->room + n + 4096;
    }
    memcpy(t->text + t->size, line, n + 1);
    t->size += n;
    return NN_OK;
}

/* Parts of a class: their number, and the largest.  mark, stack: one a pixel. */
static nn_dim parts_of(const uint8_t *label, nn_dim h, nn_dim w, int id, uint8_t *mark, nn_dim *stack, nn_dim *largest)
{
    bool of[NN_VOID + 1] = { false };
    nn_dim parts = 0;
    of[id] = true;
    *largest = 0;
    memset(mark, 0, (size_t)(h * w));
    for (nn_dim p = 0; p < h * w; p++) {
        if (label[p] != id || mark[p]) continue;
        const nn_dim size = dl_part(mark, stack, label, h, w, of, p);
        parts++;
        if (size > *largest) *largest = size;
    }
    return parts;
}

/* A field in quotes where it has to be. */
static void quoted(char *out, size_t size, const char *text)
{
    size_t n = 0;
    if (!strpbrk(text, ",\"\n\r")) { nn_format(out, size, "%s", text); return; }
    out[n++] = '"';
    for (; *text && n + 4 < size; text++) {
        if (*text == '"') out[n++] = '"';
        out[n++] = *text;
    }
    out[n++] = '"';
    out[n] = '\0';
}

static nn_status add_rows(table *t, const dl_model *m, const char *name, const nn_image *im, const uint8_t *label, nn_err *err)
{
    const nn_dim pixels = im->width * im->height;
    char file[600], class[300], line[1400];
    uint8_t *mark = nn_alloc((size_t)pixels, "parts", err);
    nn_dim *stack = nn_alloc((size_t)pixels * sizeof *stack, "parts", err);
    nn_status s = mark && stack ? NN_OK : NN_ENOMEM;
    quoted(file, sizeof file, name);
    for (int k = 0; k < m->class_count && !s; k++) {
        nn_dim count = 0, largest;
        uint64_t sum[3] = { 0 };
        for (nn_dim p = 0; p < pixels; p++) {
            if (label[p] != k) continue;
            count++;
            for (int c = 0; c < 3; c++) sum[c] += im->pixels[p * im->channels + (im->channels < 3 ? 0 : c)];
        }
        const nn_dim parts = parts_of(label, im->height, im->width, k, mark, stack, &largest);
        const double n = count ? (double)count : 1.0;
        quoted(class, sizeof class, m->class_at[k].name);
        nn_format(line, sizeof line, "%s,%d,%s,%td,%.6f,%td,%td,%.1f,%.1f,%.1f,%.1f\n", file, k, class, count, (double)count / (double)pixels, parts, largest,
                  parts ? (double)count / (double)parts : 0.0, (double)sum[0] / n, (double)sum[1] / n, (double)sum[2] / n);
        s = add_text(t, line, err);
    }
    nn_free(mark);
    nn_free(stack);
    return s;
}

/* ---- one picture ------------------------------------------------------------------------------------------------------------------------------- */

static nn_status write_png(const job *j, const char *stem, const char *tail, const nn_image *im, const nn_palette *palette, nn_err *err)
{
    char name[300], path[CLI_PATH];
    nn_bytes b = { 0 };
    nn_format(name, sizeof name, "%s%s", stem, tail);
    if (!nn_path_join(path, sizeof path, j->out, name, err) && !nn_png_encode(im, palette, &b, err)) cli_write(path, b.data, b.size, j->force, err);
    nn_bytes_free(&b);
    return err->status;
}

static nn_status write_results(const job *j, const dl_model *m, const char *stem, const nn_image *im, uint8_t *label, const real *prob, nn_err *err)
{
    nn_palette palette = { .count = j->confidence > 0 ? NN_VOID + 1 : m->class_count };
    const nn_image map = { im->width, im->height, 1, label };
    for (int k = 0; k < m->class_count; k++) memcpy(palette.rgb[k], m->class_at[k].rgb, 3);
    nn_status s = write_png(j, stem, ".png", &map, &palette, err);
    if (!s && j->overlay) {
        nn_image both;
        s = nn_image_make(&both, im->width, im->height, 3, err);
        if (!s) {
            cli_overlay(both.pixels, im, label, m->class_at, m->class_count);
            s = write_png(j, stem, "_overlay.png", &both, NULL, err);
            nn_image_free(&both);
        }
    }
    if (!s && j->probs) {
        char name[300], path[CLI_PATH];
        const uint64_t dim[] = { (uint64_t)im->height, (uint64_t)im->width, (uint64_t)m->class_count };
        nn_format(name, sizeof name, "%s_probs.npy", stem);
        s = nn_path_join(path, sizeof path, j->out, name, err);
        if (!s) s = cli_write_npy(path, prob, 3, dim, j->force, err);
    }
    return s;
}

/* Pixels whose class has a lower probability than `least` become void. */
static void drop_unsure(uint8_t *label, const real *prob, nn_dim pixels, nn_dim K, double least)
{
    /* analyze: the caller asks for probabilities where it drops pixels by them */
    for (nn_dim p = 0; p < pixels; p++) if ((double)prob[p * K + label[p]] < least) label[p] = NN_VOID;
}

static nn_status predict_one(const job *j, dl_predictor *p, const dl_model *m, const cli_files *f, size_t i, table *t, nn_err *err)
{
    char path[CLI_PATH], stem[256];
    nn_image im = { 0 };
    nn_status s = nn_path_join(path, sizeof path, f->folder, f->names.name[i], err);
    if (!s) s = nn_picture_read(path, &im, err);
    const nn_dim pixels = im.width * im.height;
    uint8_t *label = s ? NULL : nn_alloc((size_t)pixels, "a label map", err);
    const bool wanted = j->probs || j->confidence > 0;
    real *prob = s || !wanted ? NULL : nn_alloc((size_t)(pixels * m->class_count) * sizeof *prob, "probabilities", err);
    if (!s && (!label || (wanted && !prob))) s = NN_ENOMEM;
    cli_stem(stem, f->names.name[i]);
    if (!s) s = dl_predict(p, &im, label, prob, NULL, err);
    if (!s && j->confidence > 0) drop_unsure(label, prob, pixels, m->class_count, j->confidence);
    if (!s) s = write_results(j, m, stem, &im, label, prob, err);
    if (!s && j->csv) s = add_rows(t, m, f->names.name[i], &im, label, err);
    nn_image_free(&im);
    nn_free(label);
    nn_free(prob);
    return s;
}

/* ---- the command ----------------------------------------------------------------------------------------------------------------------------------- */

static nn_status parse_scale(const char *text, double *scale, nn_err *err)
{
    char *end;
    *scale = 0;
    if (!strcmp(text, "fit")) return NN_OK;
    *scale = strtod(text, &end);
    if (*end || !isfinite(*scale) || *scale < 1e-3 || *scale > 100)
        return nn_fail(err, NN_EINVAL, "option --scale: expected fit, or a number from 0.001 to 100, found %.64s", text);
    return NN_OK;
}

static nn_status run(const job *j, size_t *count, int threads, nn_err *err)
{
    dl_model m;
    cli_files f = { 0 };
    table t = { 0 };
    dl_predict_options o = { .tile = (nn_dim)j->tile, .flips = !j->no_flips, .adapt = j->adapt, .threads = threads };
    const nn_kernels *k = nn_kernels_pick(j->kernels, err);
    if (!k || parse_scale(j->scale, &o.scale, err) || dl_model_read(&m, j->net, err)) return err->status;
    bool central[NN_VOID + 1] = { false };
    if (j->central) o.central = central;
    nn_status s = cli_named_classes("central", j->central, &m, central, err);
    if (!s) s = cli_list_pictures(&f, j->in, err);
    if (!s) s = nn_dir_make(j->out, err);
    dl_predictor *p = s ? NULL : dl_predictor_open(&m, k, &o, err);
    if (!s && j->csv) add_text(&t, "picture,class_id,class,pixels,share,parts,largest_part,mean_part,red,green,blue\n", err);
    for (size_t i = 0; p && i < f.names.count && !err->status; i++) {
        predict_one(j, p, &m, &f, i, &t, err);
        if (!cli_progress_report(NULL, "picture", (double)(i + 1), (double)f.names.count, 0)) nn_fail(err, NN_ECANCEL, "stopped");
    }
    if (p && !err->status && j->csv) cli_write(j->csv, t.text, t.size, j->force, err);
    *count = f.names.count;
    cli_progress_end();
    dl_predictor_close(p);
    cli_files_free(&f);
    nn_free(t.text);
    dl_model_close(&m);
    return err->status;
}

int cmd_segment_predict(int argc, char **argv)
{
    job j = { .kernels = "auto", .scale = "fit", .tile = 256 };
    const cli_opt opt[] = {
        { "net", CLI_STR, &j.net, 0, 0, "FILE", true, "network, written by 'datasetgan segment train'", NULL },
        { "in", CLI_STR, &j.in, 0, 0, "PATH", true, "a picture (.png, .jpg) or a folder of them", NULL },
        { "out", CLI_STR, &j.out, 0, 0, "DIR", true, "folder for STEM.png (class ids, at the picture's size), made when missing", NULL },
        { "overlay", CLI_FLAG, &j.overlay, 0, 0, NULL, false, "also STEM_overlay.png: half picture, half class colour", NULL },
        { "probs", CLI_FLAG, &j.probs, 0, 0, NULL, false, "also STEM_probs.npy: probabilities (H,W,K)", NULL },
        { "csv", CLI_STR, &j.csv, 0, 0, "FILE", false, "also a table: pixels, share, parts, mean colour by picture and class", NULL },
        { "scale", CLI_STR, &j.scale, 0, 0, "fit|S", false, "fit: the whole picture at the training size; S: work at S x its size, in tiles (default: fit)", NULL },
        { "tile", CLI_INT, &j.tile, 64, 4096, NULL, false, "--scale S: pixels of a tile (default: 256)", NULL },
        { "adapt", CLI_REAL, &j.adapt, 0, 1, NULL, false, "share of each picture's own statistics in batch norm (default: 0)", NULL },
        { "central", CLI_STR, &j.central, 0, 0, "CLASS,...|all", false, "of these classes' parts keep the one nearest to the middle, the rest becomes the first class (default: none)", NULL },
        { "min-confidence", CLI_REAL, &j.confidence, 0, 1, NULL, false, "pixels of a lower probability become void, 255: pseudo-labels to train on (default: 0)", NULL },
        { "no-flips", CLI_FLAG, &j.no_flips, 0, 0, NULL, false, "one pass instead of the mean over 8 flips and turns", NULL },
        { "kernels", CLI_STR, &j.kernels, 0, 0, "NAME", false, "a row that 'datasetgan info' lists (default: auto)", NULL },
        { "threads", CLI_INT, &j.threads, 0, 1024, NULL, false, "threads (default: 0, all cores)", NULL },
        { "force", CLI_FLAG, &j.force, 0, 0, NULL, false, "replace existing files of other content", NULL },
    };
    const int rc = cli_parse(NAME, "Label photographs with a trained network.", opt, sizeof opt / sizeof *opt, argc, argv, NULL, 0, NULL);
    if (rc != CLI_RUN) return rc;

    nn_err err = { 0 };
    size_t count = 0;
    cli_catch_interrupts();
    const double start = cli_seconds();
    if (run(&j, &count, cli_threads(j.threads), &err) != NN_OK) return cli_fail(NAME, &err);
    printf("%zu pictures in %s (%.1f s, peak memory %.0f MB)\n", count, j.out, cli_seconds() - start, (double)cli_peak_bytes() / 1e6);
    return CLI_EXIT_OK;
}
