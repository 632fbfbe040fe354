/* config.c: metadata of a generator file -> sg_config, every value checked. */
#include <math.h>
#include <string.h>

#include "nn/json.h"
#include "stylegan/model.h"

static nn_status read_text(const nn_st *f, const char *key, const char **out, nn_err *err)
{
    *out = nn_st_meta(f, key);
    return *out ? NN_OK : nn_fail(err, NN_EFORMAT, "%s: metadata '%s' is missing: expected a generator made by convert/", f->path, key);
}

/* A key with one of a few supported values, the list of which ends in NULL. */
static nn_status read_word(const nn_st *f, const char *key, const char *const *want, char *out, size_t size, nn_err *err)
{
    const char *found;
    char list[64] = "";
    if (read_text(f, key, &found, err)) return NN_EFORMAT;
    for (int i = 0; want[i]; i++) {
        if (!strcmp(found, want[i])) { nn_format(out, size, "%s", found); return NN_OK; }
        const size_t used = strlen(list);
        nn_format(list + used, sizeof list - used, "%s'%s'", i ? " or " : "", want[i]);
    }
    return nn_fail(err, NN_EFORMAT, "%s: metadata '%s': expected %s, found '%.64s': others are not supported", f->path, key, list, found);
}

/* A number above 0, or where `none` is allowed the word for infinity. */
static nn_status read_positive(const nn_st *f, const char *key, bool none, double *out, nn_err *err)
{
    const char *text;
    if (read_text(f, key, &text, err)) return NN_EFORMAT;
    if (none && !strcmp(text, "none")) { *out = INFINITY; return NN_OK; }
    nn_err own = { 0 };
    const nn_status s = nn_json_number(text, f->path, out, &own);
    if (s == NN_ENOMEM) return nn_fail(err, s, "%s", own.msg);
    if (!s && *out > 0.0) return NN_OK;
    return nn_fail(err, NN_EFORMAT, "%s: metadata '%s': expected a number above 0%s, found '%.64s'", f->path, key,
                   none ? " or 'none'" : "", text);
}

/* "512,512,256": one whole number a level. */
static nn_status read_channels(const nn_st *f, sg_config *c, nn_err *err)
{
    const char *text, *p;
    nn_dim count = 0;
    if (read_text(f, "channels", &text, err)) return NN_EFORMAT;
    for (p = text; count < SG_LEVELS_MAX; p++) {
        nn_dim v = 0;
        for (; *p >= '0' && *p <= '9' && v <= SG_CHANNELS_MAX; p++) v = 10 * v + (*p - '0');
        if (v < 1 || v > SG_CHANNELS_MAX) break;
        c->channels[count++] = v;
        if (*p != ',') break;
    }
    if (*p == '\0' && count == c->levels) return NN_OK;
    return nn_fail(err, NN_EFORMAT, "%s: metadata 'channels': expected %td numbers from 1 to %d for resolution %td, found '%.64s'",
                   f->path, c->levels, SG_CHANNELS_MAX, c->resolution, text);
}

static nn_status read_sizes(const nn_st *f, sg_config *c, nn_err *err)
{
    const nn_dim largest = (nn_dim)4 << (SG_LEVELS_MAX - 1);
    if (nn_st_meta_dim(f, "resolution", 4, largest, &c->resolution, err)
        || nn_st_meta_dim(f, "z_dim", 1, SG_DIM_MAX, &c->z_dim, err) || nn_st_meta_dim(f, "w_dim", 1, SG_DIM_MAX, &c->w_dim, err)
        || nn_st_meta_dim(f, "mapping_layers", 1, SG_MAPPING_MAX, &c->mapping_layers, err)
        || nn_st_meta_dim(f, "img_channels", 1, 4, &c->img_channels, err)
        || nn_st_meta_dim(f, "num_ws", 1, SG_LAYERS_MAX, &c->num_ws, err)
        || nn_st_meta_dim(f, "c_dim", 0, SG_DIM_MAX, &c->c_dim, err)) return NN_EFORMAT;

    while ((nn_dim)4 << c->levels <= c->resolution) c->levels++;
    if ((nn_dim)4 << (c->levels - 1) != c->resolution)
        return nn_fail(err, NN_EFORMAT, "%s: metadata 'resolution': expected a power of 2 from 4 to %td, found %td", f->path,
                       largest, c->resolution);
    if (c->img_channels == 2)
        return nn_fail(err, NN_EFORMAT, "%s: metadata 'img_channels': expected 1, 3 or 4, found 2", f->path);
    if (c->num_ws != 2 * c->levels)
        return nn_fail(err, NN_EFORMAT, "%s: metadata 'num_ws': expected %td for resolution %td, found %td", f->path,
                       2 * c->levels, c->resolution, c->num_ws);
    return NN_OK;
}

/* Classes: how many numbers one adds to z, and how the two are normalised. */
static nn_status read_classes(const nn_st *f, sg_config *c, nn_err *err)
{
    static const char *const modes[] = { "embed", "concat", NULL };
    char mode[16];
    if (!c->c_dim) return NN_OK;
    if (read_word(f, "label_mode", modes, mode, sizeof mode, err)) return NN_EFORMAT;
    c->concat = !strcmp(mode, "concat");
    const nn_st_entry *e = nn_st_find(f, "mapping.embed.weight");
    if (!e || e->rank != 2 || e->dim[0] < 1 || e->dim[0] > (uint64_t)(SG_DIM_MAX - c->z_dim))
        return nn_fail(err, e ? NN_ESHAPE : NN_EFORMAT, "%s: tensor 'mapping.embed.weight': expected 2 dimensions, the first from 1 to %td%s",
                       f->path, SG_DIM_MAX - c->z_dim, e ? "" : ", found no such tensor");
    c->embed_dim = (nn_dim)e->dim[0];
    return NN_OK;
}

/* A whole number that may be missing. */
static nn_status read_optional(const nn_st *f, const char *key, nn_dim hi, nn_dim *out, nn_err *err)
{
    return nn_st_meta(f, key) ? nn_st_meta_dim(f, key, 0, hi, out, err) : NN_OK;
}

/* The mapping's layers but the last have the width that the first one's tensor has. */
static nn_status read_mapping(const nn_st *f, sg_config *c, nn_err *err)
{
    const nn_st_entry *e = nn_st_find(f, "mapping.fc0.weight");
    c->mapping_width = c->w_dim;
    if (!e || e->rank != 2 || c->mapping_layers == 1) return NN_OK;      /* the table of tensors says it */
    if (e->dim[0] < 1 || e->dim[0] > SG_DIM_MAX)
        return nn_fail(err, NN_ESHAPE, "%s: tensor 'mapping.fc0.weight': expected 1 to %d rows, found %llu", f->path, SG_DIM_MAX,
                       (unsigned long long)e->dim[0]);
    c->mapping_width = (nn_dim)e->dim[0];
    return NN_OK;
}

/* The rows that a picture has; absent: all. */
static nn_status read_rows(const nn_st *f, sg_config *c, nn_err *err)
{
    c->height = c->resolution;
    if (!nn_st_meta(f, "crop_top") && !nn_st_meta(f, "crop_rows")) return NN_OK;
    if (nn_st_meta_dim(f, "crop_top", 0, c->resolution - 1, &c->top, err)) return NN_EFORMAT;
    return nn_st_meta_dim(f, "crop_rows", 1, c->resolution - c->top, &c->height, err);
}

nn_status sg_config_read(const nn_st *f, sg_config *c, nn_err *err)
{
    static const char *const kinds[] = { "generator", NULL }, *const networks[] = { "stylegan2", "stylegan1", NULL };
    static const char *const any[] = { "skip", "orig", "resnet", NULL };
    nn_dim format;
    char kind[16];
    *c = (sg_config){ .cutoff = -1, .conv_clamp = INFINITY };
    if (read_word(f, "kind", kinds, kind, sizeof kind, err) || nn_st_meta_dim(f, "format", 1, PTRDIFF_MAX, &format, err)) return NN_EFORMAT;
    if (format > SG_FORMAT)
        return nn_fail(err, NN_EFORMAT, "%s: metadata 'format': expected at most %d, found %td: the file is from a later version",
                       f->path, SG_FORMAT, format);
    if (read_word(f, "network", networks, c->network, sizeof c->network, err)) return NN_EFORMAT;
    const bool one = !strcmp(c->network, "stylegan1");
    if (read_word(f, "architecture", one ? (const char *const[]){ "orig", NULL } : any, c->architecture, sizeof c->architecture, err)
        || read_sizes(f, c, err) || read_mapping(f, c, err) || read_rows(f, c, err) || read_channels(f, c, err) || read_classes(f, c, err)
        || read_positive(f, "mapping_lr_multiplier", false, &c->mapping_lr_multiplier, err)
        || read_optional(f, "truncation_cutoff", c->num_ws, &c->cutoff, err)) return err->status;
    return one ? read_positive(f, "norm_eps", false, &c->norm_eps, err) : read_positive(f, "conv_clamp", true, &c->conv_clamp, err);
}
