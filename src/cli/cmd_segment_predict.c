/* cmd_segment_predict.c: datasetgan segment predict: label maps of photographs, at their own size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/segment.h"
#include "nn/npy.h"
#include "nn/lines.h"

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

/* What the table says of a picture, gathered row by row. */
typedef struct { nn_dim pixels[NN_VOID + 1]; uint64_t sum[NN_VOID + 1][3]; dl_parts *parts; } tally;

static void tally_row(tally *t, const uint8_t *pixel, nn_dim channels, const uint8_t *label, nn_dim width)
{
    dl_parts_add(t->parts, label);
    for (nn_dim x = 0; x < width; x++, pixel += channels) {
        t->pixels[label[x]]++;
        for (int c = 0; c < 3; c++) t->sum[label[x]][c] += pixel[channels < 3 ? 0 : c];
    }
}

static nn_status add_rows(table *t, const dl_model *m, const char *name, const nn_image *size, const tally *of, nn_err *err)
{
    char file[600], class[300], line[1400];
    nn_dim parts[NN_VOID + 1], largest[NN_VOID + 1];
    nn_status s = NN_OK;
    dl_parts_end(of->parts, parts, largest);
    quoted(file, sizeof file, name);
    for (int k = 0; k < m->class_count && !s; k++) {
        const nn_dim count = of->pixels[k];
        const double n = count ? (double)count : 1.0;
        quoted(class, sizeof class, m->class_at[k].name);
        nn_format(line, sizeof line, "%s,%d,%s,%td,%.6f,%td,%td,%.1f,%.1f,%.1f,%.1f\n", file, k, class, count, (double)count / (double)(size->width * size->height),
                  parts[k], largest[k], parts[k] ? (double)count / (double)parts[k] : 0.0, (double)of->sum[k][0] / n, (double)of->sum[k][1] / n, (double)of->sum[k][2] / n);
        s = add_text(t, line, err);
    }
    return s;
}

/* ---- one picture ------------------------------------------------------------------------------------------------------------------------------- */

/* A PNG on its way to a file. */
typedef struct { nn_stage stage; nn_png_writer *png; char path[CLI_PATH]; } png_out;

/* Everything that is made of a picture, band by band.  Opened files are staged: none has its name before all are whole. */
typedef struct {
    const job *j;
    const dl_model *m;
    nn_image size;
    png_out map, both;                           /* labels; --overlay */
    nn_stage probs;
    char probs_path[CLI_PATH];
    uint8_t *row;                                /* --overlay: a row of it */
    tally tally;                                 /* --csv */
} results;

static nn_status open_stage(nn_stage *stage, char path[CLI_PATH], const job *j, const char *stem, const char *tail, nn_err *err)
{
    char name[300];
    nn_format(name, sizeof name, "%s%s", stem, tail);
    return nn_path_join(path, CLI_PATH, j->out, name, err) ? err->status : nn_stage_open(stage, path, err);
}

static nn_status open_png(png_out *o, const results *r, const char *stem, const char *tail, nn_dim channels, const nn_palette *palette, nn_err *err)
{
    const nn_image size = { r->size.width, r->size.height, channels, NULL };
    if (open_stage(&o->stage, o->path, r->j, stem, tail, err)) return err->status;
    o->png = nn_png_writer_open(&o->stage, &size, palette, err);
    return o->png ? NN_OK : err->status;
}

static nn_status open_results(results *r, const char *stem, nn_image size, nn_err *err)
{
    const job *j = r->j;
    const dl_model *m = r->m;
    nn_palette palette = { .count = j->confidence > 0 ? NN_VOID + 1 : m->class_count };
    for (int k = 0; k < m->class_count; k++) memcpy(palette.rgb[k], m->class_at[k].rgb, 3);
    r->size = size;
    if (open_png(&r->map, r, stem, ".png", 1, &palette, err)) return err->status;
    if (j->overlay) {
        r->row = nn_alloc((size_t)(3 * size.width), "a row", err);
        if (!r->row || open_png(&r->both, r, stem, "_overlay.png", 3, NULL, err)) return err->status;
    }
    if (j->probs) {
        char header[NN_NPY_HEADER];
        const uint64_t dim[] = { (uint64_t)size.height, (uint64_t)size.width, (uint64_t)m->class_count };
        const size_t n = nn_npy_header(header, "<f4", 3, dim);
        if (open_stage(&r->probs, r->probs_path, j, stem, "_probs.npy", err) || nn_stage_add(&r->probs, header, n, err)) return err->status;
    }
    if (j->csv && !(r->tally.parts = dl_parts_open(size.width, err))) return err->status;
    return NN_OK;
}

/* Pixels whose class has a lower probability than `least` become void. */
static void drop_unsure(uint8_t *label, const real *prob, nn_dim pixels, nn_dim K, double least)
{
    /* analyze: the caller asks for probabilities where it drops pixels by them */
    for (nn_dim p = 0; p < pixels; p++) if ((double)prob[p * K + label[p]] < least) label[p] = NN_VOID;
}

static nn_status take_band(void *user, const dl_band *b, nn_err *err)
{
    results *r = user;
    const nn_dim w = r->size.width, channels = r->size.channels, K = r->m->class_count;
    if (r->j->confidence > 0) drop_unsure(b->label, b->prob, b->rows * w, K, r->j->confidence);
    if (r->j->probs && nn_stage_add(&r->probs, b->prob, (size_t)(b->rows * w * K) * sizeof *b->prob, err)) return err->status;
    for (nn_dim y = 0; y < b->rows; y++) {
        const uint8_t *label = b->label + y * w, *pixel = b->pixels + y * w * channels;
        if (nn_png_writer_add(r->map.png, label, err)) return err->status;
        if (r->both.png) {
            cli_overlay(r->row, &(nn_image){ w, 1, channels, (uint8_t *)pixel }, label, r->m->class_at, r->m->class_count);
            if (nn_png_writer_add(r->both.png, r->row, err)) return err->status;
        }
        if (r->tally.parts) tally_row(&r->tally, pixel, channels, label, w);
    }
    return NN_OK;
}

static nn_status finish_results(results *r, nn_err *err)
{
    const bool force = r->j->force;
    if (nn_png_writer_end(r->map.png, err) || cli_publish(&r->map.stage, r->map.path, force, err)) return err->status;
    if (r->both.png && (nn_png_writer_end(r->both.png, err) || cli_publish(&r->both.stage, r->both.path, force, err))) return err->status;
    return r->j->probs ? cli_publish(&r->probs, r->probs_path, force, err) : NN_OK;
}

static void close_results(results *r)
{
    nn_png_writer_close(r->map.png);
    nn_png_writer_close(r->both.png);
    nn_stage_abort(&r->map.stage);               /* what is not published by now */
    nn_stage_abort(&r->both.stage);
    nn_stage_abort(&r->probs);
    dl_parts_close(r->tally.parts);
    nn_free(r->row);
}

static nn_status next_row(void *user, uint8_t *row, nn_err *err) { return nn_lines_next(user, row, err); }

/* In tiles: the picture is never in memory as a whole. */
static nn_status predict_in_bands(results *r, dl_predictor *p, const char *path, const char *stem, bool wanted, nn_err *err)
{
    nn_lines *lines = nn_lines_open(path, err);
    if (!lines) return err->status;
    const nn_image size = nn_lines_size(lines);
    const dl_rows from = { size.width, size.height, size.channels, next_row, lines };
    const dl_bands to = { wanted, take_band, r };
    const dl_progress progress = { cli_progress_report, NULL };
    nn_status s = open_results(r, stem, size, err);
    if (!s) s = dl_predict_rows(p, &from, &to, &progress, err);
    nn_lines_close(lines);
    return s;
}

static nn_status predict_at_once(results *r, dl_predictor *p, const char *path, const char *stem, bool wanted, nn_err *err)
{
    nn_image im = { 0 };
    if (nn_picture_read(path, &im, err)) return err->status;
    const nn_dim pixels = im.width * im.height;
    uint8_t *label = nn_alloc((size_t)pixels, "a label map", err);
    real *prob = wanted ? nn_alloc((size_t)(pixels * r->m->class_count) * sizeof *prob, "probabilities", err) : NULL;
    nn_status s = label && (prob || !wanted) ? NN_OK : NN_ENOMEM;
    if (!s) s = dl_predict(p, &im, label, prob, NULL, err);
    if (!s) s = open_results(r, stem, (nn_image){ im.width, im.height, im.channels, NULL }, err);
    if (!s) s = take_band(r, &(dl_band){ 0, im.height, im.pixels, label, prob }, err);
    nn_image_free(&im);
    nn_free(label);
    nn_free(prob);
    return s;
}

static nn_status predict_one(const job *j, dl_predictor *p, const dl_model *m, bool in_bands, const cli_files *f, size_t i, table *t, nn_err *err)
{
    char path[CLI_PATH], stem[256];
    const bool wanted = j->probs || j->confidence > 0;
    results *r = nn_alloc(sizeof *r, "results", err);
    if (!r) return NN_ENOMEM;
    *r = (results){ .j = j, .m = m, .map.stage.status = NN_EIO, .both.stage.status = NN_EIO, .probs.status = NN_EIO };      /* not open */
    cli_stem(stem, f->names.name[i]);
    nn_status s = nn_path_join(path, sizeof path, f->folder, f->names.name[i], err);
    if (!s) s = (in_bands ? predict_in_bands : predict_at_once)(r, p, path, stem, wanted, err);
    if (!s) s = finish_results(r, err);
    if (!s && j->csv) s = add_rows(t, m, f->names.name[i], &r->size, &r->tally, err);
    close_results(r);
    nn_free(r);
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
        predict_one(j, p, &m, o.scale > 0 && !o.central, &f, i, &t, err);
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
