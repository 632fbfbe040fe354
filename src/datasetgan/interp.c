/* interp.c: the interpreter's file: write, read, check against a generator.  docs/FILES.md, "interpreter". */
#include <string.h>

#include "datasetgan/datasetgan.h"
#include "datasetgan/fields.h"

#define KIND "interpreter"
enum { FORMAT = 1, MEMBERS_MAX = 1000, WIDTH_MAX = 65536, TENSORS = 16 };

/* What the identity covers besides the tensors: all that a label depends on.  Renaming the task orphans no dataset. */
static const char *const identity_key[] = { "generator", "taps", "classes", "draw", "seeds", "upsample", "divergence" };

/* One row per tensor, in file order; the slot is a member of dg_interp. */
static void tensor_table(dg_interp *in, nn_want want[TENSORS])
{
    const uint64_t m = (uint64_t)in->members, d = (uint64_t)in->D, h1 = (uint64_t)in->h1, h2 = (uint64_t)in->h2, k = (uint64_t)in->classes;
    const nn_want table[TENSORS] = {
        { "features.mean", 1, { d }, &in->mean },         { "features.std", 1, { d }, &in->std },
        { "layer1.weight", 3, { m, h1, d }, &in->w1 },    { "layer1.bias", 2, { m, h1 }, &in->b1 },
        { "norm1.weight", 2, { m, h1 }, &in->g1 },        { "norm1.bias", 2, { m, h1 }, &in->e1 },
        { "norm1.running_mean", 2, { m, h1 }, &in->m1 },  { "norm1.running_var", 2, { m, h1 }, &in->v1 },
        { "layer2.weight", 3, { m, h2, h1 }, &in->w2 },   { "layer2.bias", 2, { m, h2 }, &in->b2 },
        { "norm2.weight", 2, { m, h2 }, &in->g2 },        { "norm2.bias", 2, { m, h2 }, &in->e2 },
        { "norm2.running_mean", 2, { m, h2 }, &in->m2 },  { "norm2.running_var", 2, { m, h2 }, &in->v2 },
        { "layer3.weight", 3, { m, k, h2 }, &in->w3 },    { "layer3.bias", 2, { m, k }, &in->b3 },
    };
    memcpy(want, table, sizeof table);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static json_t *put_taps(const dg_interp *in)
{
    json_t *list = json_array();
    for (int i = 0; i < in->tap_count; i++)
        if (json_array_append_new(list, json_pack("{s:s, s:I}", "name", in->tap[i], "channels", (json_int_t)in->tap_channels[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *put_seeds(const dg_interp *in)
{
    json_t *list = json_array();
    for (nn_dim i = 0; i < in->seed_count; i++)
        if (json_array_append_new(list, json_integer(in->seed[i]))) { json_decref(list); return NULL; }
    return list;
}

static char *take_line(json_t *v, nn_err *err)
{
    if (!v) nn_fail(err, NN_ENOMEM, "interpreter: not enough memory for its metadata");
    char *line = v ? nn_json_line(v, err) : NULL;
    json_decref(v);
    return line;
}

nn_status dg_interp_write(const dg_interp *in, const char *training, const char *path, nn_err *err)
{
    char format[24], members[24], classes[24], h1[24], h2[24];
    nn_format(format, sizeof format, "%d", FORMAT);
    nn_format(members, sizeof members, "%d", in->members);
    nn_format(classes, sizeof classes, "%d", in->classes);
    nn_format(h1, sizeof h1, "%td", in->h1);
    nn_format(h2, sizeof h2, "%td", in->h2);
    char *line[4] = { take_line(put_taps(in), err), take_line(dg_put_classes(in->class_at, in->classes), err),
                      take_line(dg_put_draw(&in->draw), err), take_line(put_seeds(in), err) };
    const nn_st_pair meta[] = {
        { "kind", KIND }, { "format", format }, { "task", in->task_name }, { "generator", in->generator },
        { "members", members }, { "width1", h1 }, { "width2", h2 }, { "taps", line[0] }, { "classes", line[1] },
        { "draw", line[2] }, { "seeds", line[3] }, { "training", training },
    };
    const struct { bool on; nn_st_pair said; } rare[] = {      /* keys that are there only where they say something */
        { in->nearest, { "upsample", "nearest" } }, { in->of_logits, { "divergence", "logits" } }, { in->z_stream, { "latents", "stream" } } };
    enum { ALWAYS = sizeof meta / sizeof *meta, RARE = sizeof rare / sizeof *rare };
    nn_st_pair used[ALWAYS + RARE];
    size_t count = ALWAYS;
    memcpy(used, meta, sizeof meta);
    for (int i = 0; i < RARE; i++) if (rare[i].on) used[count++] = rare[i].said;
    nn_want want[TENSORS];
    nn_st_tensor tensor[TENSORS];
    dg_interp copy = *in;                                 /* the table points into what it describes; nothing is changed */
    tensor_table(&copy, want);
    for (int i = 0; i < TENSORS; i++) {
        tensor[i] = (nn_st_tensor){ .name = want[i].name, .dtype = NN_F32, .rank = want[i].rank, .data = *want[i].slot };
        memcpy(tensor[i].dim, want[i].dim, sizeof tensor[i].dim);
    }
    nn_status s = NN_ENOMEM;
    if (line[0] && line[1] && line[2] && line[3])
        s = nn_st_write(path, tensor, TENSORS, used, count, err);
    for (int i = 0; i < 4; i++) nn_free(line[i]);
    return s;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static const char *need_meta(const nn_st *f, const char *key, nn_err *err)
{
    const char *text = nn_st_meta(f, key);
    if (!text) nn_fail(err, NN_EFORMAT, "%s: metadata key '%s' is missing", f->path, key);
    return text;
}

/* A metadata value that is JSON itself. */
static json_t *json_meta(const nn_st *f, const char *key, nn_err *err)
{
    const char *text = need_meta(f, key, err);
    char name[DG_PATH + 64];
    nn_format(name, sizeof name, "%s: metadata '%s'", f->path, key);
    return text ? nn_json_parse(text, strlen(text), name, err) : NULL;
}

static nn_status read_kind(const nn_st *f, nn_err *err)
{
    const char *kind = nn_st_meta(f, "kind");
    if (!kind || strcmp(kind, KIND))
        return nn_fail(err, NN_EFORMAT, "%s: expected an interpreter (metadata kind \"" KIND "\"), found %s%.64s", f->path,
                       kind ? "kind " : "no kind", kind ? kind : "");
    nn_dim format;
    const nn_status s = nn_st_meta_dim(f, "format", 1, 1000000, &format, err);
    if (!s && format > FORMAT)
        return nn_fail(err, NN_EFORMAT, "%s: interpreter format %td is newer than this program, which reads up to %d", f->path, format, FORMAT);
    return s;
}

static nn_status read_taps(dg_interp *in, const dg_reader *r, nn_err *err)
{
    json_t *list = json_meta(&in->file, "taps", err);
    const size_t count = json_array_size(list);
    nn_status s = list ? NN_OK : NN_EFORMAT;
    if (!s && (count < 1 || count > SG_TAPS_MAX)) s = dg_refuse(r, "taps", "a list of 1 to 22 feature maps", list);
    in->D = 0;
    for (size_t i = 0; i < count && !s; i++) {
        const json_t *v = json_array_get(list, i);
        char place[48];
        int64_t channels = 0;
        nn_format(place, sizeof place, "taps[%zu].name", i);
        s = dg_get_text(r, place, json_object_get(v, "name"), in->tap[i], sizeof in->tap[i]);
        for (size_t j = 0; j < i && !s; j++)
            if (!strcmp(in->tap[i], in->tap[j])) s = nn_fail(err, NN_EFORMAT, "%s: %s: '%s' is named twice", r->path, place, in->tap[i]);
        nn_format(place, sizeof place, "taps[%zu].channels", i);
        if (!s) s = dg_get_whole(r, place, json_object_get(v, "channels"), 1, WIDTH_MAX, &channels);
        in->tap_channels[i] = (nn_dim)channels;
        in->D += (nn_dim)channels;
    }
    in->tap_count = (int)count;
    json_decref(list);
    return s;
}

static nn_status read_seeds(dg_interp *in, const dg_reader *r, nn_err *err)
{
    json_t *list = json_meta(&in->file, "seeds", err);
    nn_status s = list ? NN_OK : NN_EFORMAT;
    if (!s && !json_is_array(list)) s = dg_refuse(r, "seeds", "a list", list);
    in->seed_count = s ? 0 : (nn_dim)json_array_size(list);
    in->seed = s ? NULL : nn_alloc((size_t)in->seed_count * sizeof *in->seed, "annotated seeds", err);
    if (!s && !in->seed) s = NN_ENOMEM;
    for (nn_dim i = 0; i < in->seed_count && !s; i++) {
        int64_t seed = 0;
        s = dg_get_whole(r, "seeds", json_array_get(list, (size_t)i), 0, UINT32_MAX, &seed);
        in->seed[i] = (uint32_t)seed;
    }
    json_decref(list);
    return s;
}

/* A key that says either of two things, the first by its absence too. */
static nn_status read_choice(const nn_st *f, const char *key, const char *usual, const char *other, bool *is_other, nn_err *err)
{
    const char *text = nn_st_meta(f, key);
    *is_other = text && !strcmp(text, other);
    if (!text || *is_other || !strcmp(text, usual)) return NN_OK;
    return nn_fail(err, NN_EFORMAT, "%s: metadata '%s': expected \"%s\" or \"%s\", found \"%.64s\"", f->path, key, usual, other, text);
}

static nn_status read_meta(dg_interp *in, nn_err *err)
{
    const dg_reader r = { in->file.path, err };
    nn_dim members = 0;
    nn_status s = read_kind(&in->file, err);
    const char *task = s ? NULL : need_meta(&in->file, "task", err);
    const char *generator = task ? need_meta(&in->file, "generator", err) : NULL;
    if (!generator) return NN_EFORMAT;
    if (strlen(generator) != 64 || strspn(generator, "0123456789abcdef") != 64)
        return nn_fail(err, NN_EFORMAT, "%s: metadata 'generator': expected 64 lower-case hexadecimal digits, found \"%.70s\"", r.path, generator);
    nn_format(in->generator, sizeof in->generator, "%s", generator);
    nn_format(in->task_name, sizeof in->task_name, "%s", task);
    if ((s = nn_st_meta_dim(&in->file, "members", 1, MEMBERS_MAX, &members, err))
        || (s = nn_st_meta_dim(&in->file, "width1", 1, WIDTH_MAX, &in->h1, err))
        || (s = nn_st_meta_dim(&in->file, "width2", 1, WIDTH_MAX, &in->h2, err))
        || (s = read_choice(&in->file, "upsample", "bilinear", "nearest", &in->nearest, err))
        || (s = read_choice(&in->file, "divergence", "probabilities", "logits", &in->of_logits, err))
        || (s = read_choice(&in->file, "latents", "seeds", "stream", &in->z_stream, err)) || (s = read_taps(in, &r, err))) return s;
    in->members = (int)members;

    json_t *classes = json_meta(&in->file, "classes", err), *draw = classes ? json_meta(&in->file, "draw", err) : NULL;
    s = draw ? NN_OK : NN_EFORMAT;
    if (!s) s = dg_get_classes(&r, "classes", classes, in->class_at, &in->classes);
    if (!s) s = dg_get_draw(&r, "draw", draw, &in->draw);
    json_decref(classes);
    json_decref(draw);
    return s ? s : read_seeds(in, &r, err);
}

/* Values that arithmetic relies on: a scale of 0 or a negative variance would make every label NaN. */
static nn_status check_values(const dg_interp *in, nn_err *err)
{
    for (nn_dim i = 0; i < in->D; i++)
        if (!(in->std[i] > 0))
            return nn_fail(err, NN_EFORMAT, "%s: tensor 'features.std': element %td: expected more than 0, found %g", in->file.path, i, (double)in->std[i]);
    for (int layer = 1; layer <= 2; layer++) {
        const real *var = layer == 1 ? in->v1 : in->v2;
        const nn_dim n = in->members * (layer == 1 ? in->h1 : in->h2);
        for (nn_dim i = 0; i < n; i++)
            if (!(var[i] >= 0))
                return nn_fail(err, NN_EFORMAT, "%s: tensor 'norm%d.running_var': element %td: expected at least 0, found %g", in->file.path,
                               layer, i, (double)var[i]);
    }
    return NN_OK;
}

nn_status dg_interp_open(dg_interp *in, const char *path, nn_err *err)
{
    memset(in, 0, sizeof *in);
    nn_want want[TENSORS];
    nn_status s = nn_st_open(&in->file, path, err);
    if (!s) s = read_meta(in, err);
    if (!s) s = nn_st_identity(&in->file, identity_key, sizeof identity_key / sizeof *identity_key, in->identity, err);
    if (!s) {
        tensor_table(in, want);
        s = nn_st_bind(&in->file, want, TENSORS, true, err);
    }
    if (!s) s = check_values(in, err);
    if (s) dg_interp_close(in);
    return s;
}

void dg_interp_close(dg_interp *in)
{
    if (!in) return;
    nn_st_close(&in->file);
    nn_free(in->seed);
    memset(in, 0, sizeof *in);
}

nn_status dg_interp_check(const dg_interp *in, const sg_model *m, nn_err *err)
{
    if (strcmp(in->generator, sg_identity(m)))
        return nn_fail(err, NN_EMISMATCH, "%s: the interpreter was trained on generator %s, this one is %s", in->file.path, in->generator,
                       sg_identity(m));
    for (int i = 0; i < in->tap_count; i++) {
        const sg_tap_info *tap = NULL;
        for (int j = 0; j < sg_tap_total(m); j++)
            if (!strcmp(sg_tap_at(m, j)->name, in->tap[i])) tap = sg_tap_at(m, j);
        if (!tap) return nn_fail(err, NN_EMISMATCH, "%s: the interpreter reads feature map '%s', which this generator has not", in->file.path, in->tap[i]);
        if (tap->c != in->tap_channels[i])
            return nn_fail(err, NN_EMISMATCH, "%s: feature map '%s': the interpreter expects %td channels, the generator has %td", in->file.path,
                           in->tap[i], in->tap_channels[i], tap->c);
    }
    return NN_OK;
}

nn_status dg_interp_check_classes(const dg_interp *in, const dg_task *t, nn_err *err)
{
    if (in->classes != t->class_count)
        return nn_fail(err, NN_EMISMATCH, "%s: the set has %d classes, the interpreter %s has %d", t->path, t->class_count, in->file.path, in->classes);
    for (int c = 0; c < in->classes; c++)
        if (strcmp(in->class_at[c].name, t->class_at[c].name))
            return nn_fail(err, NN_EMISMATCH, "%s: class %d is '%s' in the set, '%s' in the interpreter %s", t->path, c, t->class_at[c].name,
                           in->class_at[c].name, in->file.path);
    return NN_OK;
}
