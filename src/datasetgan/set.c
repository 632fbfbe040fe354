/* set.c: reading a dataset folder, a run's or a view's. */
#include "datasetgan/set.h"

#include <string.h>

#include "datasetgan/fields.h"
#include "nn/hash.h"

enum { RUN_BYTES_MAX = 256 << 20, CLASSES_BYTES_MAX = 1 << 20, PNG_BYTES_MAX = 1 << 30 };

/* ---- the folder ------------------------------------------------------------------------------------------------------- */

static nn_status read_run(dg_set *s, nn_err *err)
{
    char path[DG_PATH];
    nn_status st = nn_path_join(path, sizeof path, s->folder, "run.json", err);
    if (!st && !nn_path_exists(path)) return nn_fail(err, NN_EINVAL, "%s: expected a dataset folder, found no run.json in it", s->folder);
    s->run = st ? NULL : nn_json_read(path, RUN_BYTES_MAX, err);
    if (!s->run) return st ? st : NN_EFORMAT;
    const dg_reader r = { path, err };
    const json_t *kind = json_object_get(s->run, "kind"), *picture = json_object_get(s->run, "picture");
    const char *text = json_string_value(kind);
    const bool view = text && !strcmp(text, DG_VIEW_KIND);
    int64_t w = 0, h = 0, c = 0, format = 0;
    if (!text || (!view && strcmp(text, "dataset run"))) return dg_refuse(&r, "kind", "\"dataset run\" or \"" DG_VIEW_KIND "\"", kind);
    st = dg_get_whole(&r, "format", json_object_get(s->run, "format"), 1, 1, &format);
    if (!st) st = dg_get_whole(&r, "picture.width", json_object_get(picture, "width"), 1, NN_IMAGE_MAX, &w);
    if (!st) st = dg_get_whole(&r, "picture.height", json_object_get(picture, "height"), 1, NN_IMAGE_MAX, &h);
    if (!st) st = dg_get_whole(&r, "picture.channels", json_object_get(picture, "channels"), 1, 4, &c);
    s->width = (nn_dim)w;
    s->height = (nn_dim)h;
    s->channels = (nn_dim)c;
    s->finished = view;
    return st;
}

static nn_status read_classes(dg_set *s, nn_err *err)
{
    char path[DG_PATH];
    nn_status st = nn_path_join(path, sizeof path, s->folder, "classes.json", err);
    json_t *v = st ? NULL : nn_json_read(path, CLASSES_BYTES_MAX, err);
    if (!v) return st ? st : NN_EFORMAT;
    const dg_reader r = { path, err };
    st = dg_get_classes(&r, "classes", json_object_get(v, "classes"), s->class_at, &s->class_count);
    json_decref(v);
    return st;
}

static nn_status check_manifest(dg_set *s, nn_err *err)
{
    dg_walk w;
    nn_hash *h = nn_hash_open(err);
    nn_status st = h ? dg_walk_open(&w, s, err) : NN_ENOMEM;
    if (!st) {
        int64_t last = -1;
        while (dg_walk_next(&w, &st, err)) {
            if (w.sample.seed <= last) {
                st = nn_fail(err, NN_EFORMAT, "%s: line %ju: expected a seed above %lld, found %u", s->manifest, (uintmax_t)w.file.lines,
                             (long long)last, (unsigned)w.sample.seed);
                break;
            }
            last = w.sample.seed;
            s->count++;
            nn_hash_add(h, w.line, w.size);
        }
        dg_walk_close(&w);
    }
    if (h) nn_hash_close(h, s->manifest_sha256);
    if (!st && s->count == 0) st = nn_fail(err, NN_EINVAL, "%s: lists no samples", s->manifest);
    return st;
}

nn_status dg_set_open(dg_set *s, const char *folder, nn_err *err)
{
    memset(s, 0, sizeof *s);
    if (strlen(folder) + 64 > DG_PATH)
        return nn_fail(err, NN_EINVAL, "%.80s...: path of %zu bytes, expected at most %d", folder, strlen(folder), DG_PATH - 64);
    nn_format(s->folder, sizeof s->folder, "%s", folder);
    nn_status st = nn_path_join(s->manifest, sizeof s->manifest, folder, "metadata.jsonl", err);
    if (!st) st = nn_path_join(s->index, sizeof s->index, folder, "index.html", err);
    if (!st) st = read_run(s, err);
    if (!st) st = read_classes(s, err);
    if (!st) st = check_manifest(s, err);
    s->finished = s->finished || nn_path_exists(s->index);
    if (st) dg_set_close(s);
    return st;
}

void dg_set_close(dg_set *s)
{
    json_decref(s->run);
    s->run = NULL;
}

nn_status dg_set_add_classes(const dg_set *s, const dg_folder *to, nn_err *err)
{
    char path[DG_PATH];
    nn_bytes b = { 0 };
    nn_status st = nn_path_join(path, sizeof path, s->folder, "classes.json", err);
    if (!st) st = nn_file_read(path, CLASSES_BYTES_MAX, &b, err);
    if (!st) st = dg_folder_add(to, "classes.json", b.data, b.size, err);
    nn_bytes_free(&b);
    return st;
}

/* ---- its samples ------------------------------------------------------------------------------------------------------ */

nn_status dg_walk_open(dg_walk *w, const dg_set *set, nn_err *err)
{
    *w = (dg_walk){ .set = set };
    return dg_manifest_open(&w->file, set->manifest, err);
}

bool dg_walk_next(dg_walk *w, nn_status *status, nn_err *err)
{
    const dg_set *s = w->set;
    char where[DG_PATH + 32];
    do {
        if (*status || (*status = dg_manifest_next(&w->file, &w->line, &w->size, err)) || !w->line) return false;
    } while (s->skip && s->skip[w->at++]);
    nn_format(where, sizeof where, "%s: line %ju", s->manifest, (uintmax_t)w->file.lines);
    *status = dg_manifest_parse(&w->sample, w->line, w->size, s->class_at, s->class_count, where, err);
    w->size++;                                                 /* the newline stands after it in the buffer */
    return !*status;
}

void dg_walk_close(dg_walk *w) { dg_manifest_close(&w->file); }

nn_status dg_pair_hash(const nn_image *picture, const nn_image *label, char hex[65], nn_err *err)
{
    nn_hash *h = nn_hash_open(err);
    if (!h) return NN_ENOMEM;
    nn_hash_add(h, picture->pixels, (size_t)(picture->width * picture->height * picture->channels));
    nn_hash_add(h, label->pixels, (size_t)(label->width * label->height));
    nn_hash_close(h, hex);
    return NN_OK;
}

static nn_status read_png(const dg_set *set, const char *folder, uint32_t seed, bool label, nn_bytes *png, nn_image *im, char path[DG_PATH], nn_err *err)
{
    char name[DG_SAMPLE_PATH];
    dg_sample_path(name, folder, seed);
    nn_status s = nn_path_join(path, DG_PATH, set->folder, name, err);
    if (!s) s = nn_file_read(path, PNG_BYTES_MAX, png, err);
    if (!s) s = nn_png_decode(png->data, png->size, label, path, im, err);
    const nn_dim channels = label ? 1 : set->channels;
    if (!s && (im->width != set->width || im->height != set->height || im->channels != channels))
        s = nn_fail(err, NN_ESHAPE, "%s: expected %td x %td with %td channels, found %td x %td with %td", path, set->width, set->height, channels,
                    im->width, im->height, im->channels);
    return s;
}

nn_status dg_pair_read(dg_pair *p, const dg_set *set, const dg_sample *sample, nn_err *err)
{
    char picture[DG_PATH], label[DG_PATH], hex[65];
    memset(p, 0, sizeof *p);
    nn_status s = read_png(set, "images", sample->seed, false, &p->picture_png, &p->picture, picture, err);
    if (!s) s = read_png(set, "labels", sample->seed, true, &p->label_png, &p->label, label, err);
    if (!s) s = dg_pair_hash(&p->picture, &p->label, hex, err);
    if (!s && strcmp(hex, sample->sha256))
        s = nn_fail(err, NN_EMISMATCH, "%s: seed %u: picture or label is not the one that was listed: sha256 %.12s..., expected %.12s...",
                    set->manifest, (unsigned)sample->seed, hex, sample->sha256);
    for (nn_dim i = 0; !s && i < set->width * set->height; i++)
        if (p->label.pixels[i] >= set->class_count)
            s = nn_fail(err, NN_EFORMAT, "%s: class id %d at column %td, row %td: expected 0..%d", label, p->label.pixels[i], i % set->width,
                        i / set->width, set->class_count - 1);
    if (s) dg_pair_free(p);
    return s;
}

void dg_pair_free(dg_pair *p)
{
    nn_bytes_free(&p->picture_png);
    nn_bytes_free(&p->label_png);
    nn_image_free(&p->picture);
    nn_image_free(&p->label);
}
