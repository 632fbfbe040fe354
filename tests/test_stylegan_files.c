/* test_stylegan_files.c: generator files that are not what they should be: one line each, naming what and where. */
#include "tests/t.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "stylegan/stylegan.h"

#define GOOD "tests/golden/stylegan2_grey.safetensors"

static nn_st good;                       /* z 12, w 9, one mapping layer, channels 14,12,6, 16 px, grey, no clamp */
static char path[300];

/* The good file's metadata and tensors, for a test to change before writing them to `path`. */
typedef struct { nn_st_pair meta[32]; size_t meta_count; nn_st_tensor tensor[64]; size_t count; } draft;

static draft draft_good(void)
{
    draft d = { .meta_count = good.meta_count, .count = good.count };
    NN_ASSERT(good.meta_count < 32 && good.count < 64);
    memcpy(d.meta, good.meta, good.meta_count * sizeof *d.meta);
    for (size_t i = 0; i < good.count; i++) {
        const nn_st_entry *e = &good.entry[i];
        d.tensor[i] = (nn_st_tensor){ e->name, e->dtype, e->rank, { 0 }, good.data + e->begin };
        memcpy(d.tensor[i].dim, e->dim, sizeof e->dim);
    }
    return d;
}

static nn_st_tensor *find(draft *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++) if (!strcmp(d->tensor[i].name, name)) return &d->tensor[i];
    t_fail("the good file has no tensor '%s'", name);
    exit(t_done());
}

/* Write the draft and open it: it must be refused with `part` in the line. */
static void refused(const draft *d, nn_status status, const char *part, const char *what)
{
    nn_err err = { 0 };
    if (nn_st_write(path, d->tensor, d->count, d->meta, d->meta_count, &err)) { t_fail("%s: %s", what, err.msg); return; }
    sg_model *m = sg_open(path, &nn_kernels_ref, &err);
    t_status(m ? NN_OK : err.status, status, &err, part, "%s", what);
    t_check(m || strstr(err.msg, path), "%s: the line names the file: %s", what, err.msg);
    t_check(!sg_open(path, &nn_kernels_ref, NULL), "%s: also where nobody listens", what);
    sg_close(m);
}

typedef struct { const char *key, *value, *part; } change;          /* value NULL: the key is missing */

static void refuse_change(const change *c, nn_status status)
{
    draft d = draft_good();
    size_t at = 0;
    char what[100];
    while (at < d.meta_count && strcmp(d.meta[at].key, c->key)) at++;
    if (at == d.meta_count) { t_fail("the good file has no '%s'", c->key); return; }
    if (c->value) d.meta[at].value = c->value;
    else d.meta[at] = d.meta[--d.meta_count];
    nn_format(what, sizeof what, "%s = %s", c->key, c->value ? c->value : "(missing)");
    refused(&d, status, c->part, what);
}

static void metadata(void)
{
    static const change wrong[] = {
        { "kind", NULL, "'kind'" }, { "kind", "interpreter", "expected 'generator', found 'interpreter'" },
        { "format", NULL, "'format'" }, { "format", "2", "later version" }, { "format", "0", "'format'" },
        { "format", "1.5", "'format'" }, { "network", "stylegan3", "'stylegan3'" },
        { "architecture", "resnet", "skip.resample_filter" }, { "architecture", "other", "'skip' or 'orig' or 'resnet', found 'other'" },
        { "architecture", NULL, "'architecture'" },
        { "resolution", NULL, "'resolution'" }, { "resolution", "1099511627776", "'1099511627776'" },
        { "resolution", "12", "power of 2" }, { "resolution", "2", "'2'" }, { "resolution", "-16", "'-16'" },
        { "resolution", "99999999999999999999", "'resolution'" }, { "resolution", "8", "'num_ws'" },
        { "resolution", "sixteen", "'sixteen'" }, { "z_dim", "0", "'z_dim'" }, { "z_dim", "4611686018427387904", "'z_dim'" },
        { "w_dim", "4097", "'w_dim'" }, { "mapping_layers", "0", "'mapping_layers'" },
        { "mapping_layers", "1000000000", "'mapping_layers'" }, { "mapping_layers", "2", "mapping.fc1.weight" },
        { "img_channels", "2", "1, 3 or 4, found 2" }, { "img_channels", "5", "'img_channels'" },
        { "num_ws", "7", "expected 6" }, { "num_ws", NULL, "'num_ws'" },
        { "c_dim", "10", "label_mode" }, { "c_dim", "4097", "'c_dim'" }, { "c_dim", NULL, "'c_dim'" }, { "c_dim", "-1", "'c_dim'" },
        { "channels", "14,12", "expected 3 numbers" }, { "channels", "14,12,6,6", "expected 3 numbers" },
        { "channels", "", "expected 3 numbers" }, { "channels", "14,12,", "expected 3 numbers" },
        { "channels", "14,,6", "expected 3 numbers" }, { "channels", "14,12,6 ", "expected 3 numbers" },
        { "channels", "14,0,6", "expected 3 numbers" }, { "channels", "14,-12,6", "expected 3 numbers" },
        { "channels", "14,12,6\n", "expected 3 numbers" }, { "channels", "14,12,99999999999999999999999", "expected 3 numbers" },
        { "channels", "14,12,8193", "expected 3 numbers" }, { "channels", "1,1,1,1,1,1,1,1,1,1,1,1,1", "expected 3 numbers" },
        { "channels", NULL, "'channels'" }, { "conv_clamp", NULL, "'conv_clamp'" },
        { "conv_clamp", "-256", "above 0 or 'none'" }, { "conv_clamp", "0", "above 0" }, { "conv_clamp", "nan", "'nan'" },
        { "conv_clamp", "1e999", "'1e999'" }, { "conv_clamp", "inf", "'inf'" }, { "conv_clamp", "", "''" },
        { "conv_clamp", "1,5", "'1,5'" }, { "conv_clamp", "1],[2", "'1],[2'" }, { "conv_clamp", "None", "'None'" },
        { "mapping_lr_multiplier", "none", "above 0, found 'none'" }, { "mapping_lr_multiplier", "0,01", "'0,01'" },
        { "mapping_lr_multiplier", NULL, "'mapping_lr_multiplier'" },
    }, other_tensors[] = {
        { "z_dim", "13", "mapping.fc0.weight" }, { "w_dim", "8", "mapping.fc0.weight" },
        { "img_channels", "3", "torgb.weight" }, { "channels", "14,12,7", "synthesis.b16.conv0" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) refuse_change(&wrong[i], NN_EFORMAT);
    for (size_t i = 0; i < sizeof other_tensors / sizeof *other_tensors; i++) refuse_change(&other_tensors[i], NN_ESHAPE);
}

/* A StyleGAN1: its own keys, and each of its tensors missed. */
static void stylegan1(void)
{
    static const change wrong[] = {
        { "norm_eps", NULL, "'norm_eps'" }, { "norm_eps", "0", "above 0" }, { "norm_eps", "none", "above 0, found 'none'" },
        { "architecture", "skip", "expected 'orig', found 'skip'" }, { "truncation_cutoff", "7", "'truncation_cutoff'" },
        { "truncation_cutoff", "-1", "'truncation_cutoff'" }, { "network", "stylegan2", "'conv_clamp'" }, { "num_ws", "5", "expected 6" },
    };
    nn_err err = { 0 };
    nn_st kept = good;
    if (nn_st_open(&good, "tests/golden/stylegan1_b.safetensors", &err)) { t_fail("%s", err.msg); good = kept; return; }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) refuse_change(&wrong[i], NN_EFORMAT);
    for (size_t i = 0; i < good.count; i++) {
        draft d = draft_good();
        const char *name = d.tensor[i].name;
        d.tensor[i] = d.tensor[--d.count];
        refused(&d, NN_EFORMAT, name, "a tensor of a StyleGAN1 is missing");
    }
    draft d = draft_good();
    find(&d, "synthesis.b8.conv0.blur_filter")->dim[0] = 1;
    find(&d, "synthesis.b8.conv0.blur_filter")->dim[1] = 9;
    refused(&d, NN_ESHAPE, "blur_filter", "a blur of another shape");
    nn_st_close(&good);
    good = kept;
}

static void tensors(void)
{
    draft d = draft_good();
    for (size_t i = 0; i < good.count; i++) {                       /* each one is missed */
        d = draft_good();
        const char *name = d.tensor[i].name;
        d.tensor[i] = d.tensor[--d.count];
        refused(&d, NN_EFORMAT, name, "a tensor is missing");
    }
    d = draft_good();
    d.tensor[d.count] = d.tensor[0];
    d.tensor[d.count++].name = "synthesis.b16.skip.weight";
    refused(&d, NN_EFORMAT, "synthesis.b16.skip.weight", "a tensor too many");

    d = draft_good();
    nn_st_tensor *t = find(&d, "synthesis.b8.conv0.weight");        /* (12,14,3,3): in and out exchanged */
    t->dim[0] = 14;
    t->dim[1] = 12;
    refused(&d, NN_ESHAPE, "synthesis.b8.conv0.weight", "a transposed weight");

    d = draft_good();
    find(&d, "synthesis.b8.conv1.noise_strength")->rank = 1;        /* [1] instead of [] */
    find(&d, "synthesis.b8.conv1.noise_strength")->dim[0] = 1;
    refused(&d, NN_ESHAPE, "synthesis.b8.conv1.noise_strength", "a number as a list");

    d = draft_good();
    t = find(&d, "synthesis.b8.conv1.noise_const");
    t->dtype = NN_I32;
    refused(&d, NN_ESHAPE, "synthesis.b8.conv1.noise_const", "whole numbers");

    d = draft_good();
    t = find(&d, "synthesis.b16.conv0.resample_filter");            /* 4x4 as 16 */
    t->rank = 1;
    t->dim[0] = 16;
    refused(&d, NN_ESHAPE, "synthesis.b16.conv0.resample_filter", "a filter of one dimension");
    t->rank = 0;
    t->data = find(&d, "synthesis.b8.conv1.noise_strength")->data;
    refused(&d, NN_ESHAPE, "synthesis.b16.conv0.resample_filter", "a filter of no dimension");
    static const float large[17 * 4];
    *t = (nn_st_tensor){ t->name, NN_F32, 2, { 17, 4 }, large };
    refused(&d, NN_ESHAPE, "found 2 of 17, 4", "a filter too large");
    *t = (nn_st_tensor){ t->name, NN_F32, 2, { 4, 0 }, large };
    refused(&d, NN_ESHAPE, "found 2 of 4, 0", "an empty filter");

    static const float odd[3] = { NAN, INFINITY, -INFINITY };
    for (int i = 0; i < 3; i++) {
        float w_avg[9] = { 0 };
        w_avg[8] = odd[i];
        d = draft_good();
        find(&d, "mapping.w_avg")->data = w_avg;
        refused(&d, NN_EFORMAT, "mapping.w_avg", "a number that is none");
    }
}

/* Other files.  (What safetensors itself refuses is in test_safetensors.c.) */
static void no_generators(void)
{
    nn_err err = { 0 };
    t_check(!sg_open("build/tmp/no-such-file", &nn_kernels_ref, &err), "a missing file");
    t_status(err.status, NN_EIO, &err, "no-such-file", "a missing file");
    err = (nn_err){ 0 };
    t_check(!sg_open("tests/golden/stylegan2_grey_want.safetensors", &nn_kernels_ref, &err), "goldens are no generator");
    t_status(err.status, NN_EFORMAT, &err, "'kind'", "goldens are no generator");
    err = (nn_err){ 0 };
    t_check(!sg_open("tests/test_stylegan_files.c", &nn_kernels_ref, &err), "a source file is no generator");
    t_status(err.status, NN_EFORMAT, &err, "not a safetensors file", "a source file is no generator");
    sg_close(NULL);
    sg_work_close(NULL);
}

/* Another order, more metadata: the same network.  One other number: another. */
static void identity_and_config(void)
{
    nn_err err = { 0 };
    draft d = draft_good();
    sg_model *a = sg_open(GOOD, &nn_kernels_ref, &err);
    nn_st_tensor first = d.tensor[0];
    d.tensor[0] = d.tensor[d.count - 1];
    d.tensor[d.count - 1] = first;
    d.meta[d.meta_count++] = (nn_st_pair){ "comment", "made elsewhere" };
    nn_st_write(path, d.tensor, d.count, d.meta, d.meta_count, &err);
    sg_model *b = sg_open(path, &nn_kernels_ref, &err);
    if (!a || !b) { t_fail("%s", err.msg); return; }
    t_same(sg_identity(a), sg_identity(b), 65, "order and comments leave the identity alone");
    const sg_config *c = sg_get_config(a);
    t_check(c->resolution == 16 && c->levels == 3 && c->z_dim == 12 && c->w_dim == 9 && c->mapping_layers == 1 && c->img_channels == 1
            && c->num_ws == 6 && c->channels[0] == 14 && c->channels[1] == 12 && c->channels[2] == 6 && isinf(c->conv_clamp)
            && c->mapping_lr_multiplier == 0.01 && !strcmp(c->network, "stylegan2") && !strcmp(c->architecture, "skip"), "configuration");
    static const char *const name[] = { "b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1" };
    static const nn_dim size[][2] = { { 14, 4 }, { 12, 8 }, { 12, 8 }, { 6, 16 }, { 6, 16 } };
    t_check(sg_tap_count(a) == 5, "five taps");
    for (int i = 0; i < 5 && i < sg_tap_count(a); i++) {
        const sg_tap_info *t = sg_tap_at(a, i);
        t_check(!strcmp(t->name, name[i]) && t->c == size[i][0] && t->h == size[i][1] && t->w == size[i][1], "tap %d: %s", i, t->name);
    }
    sg_close(b);

    for (size_t i = 0; i < d.meta_count; i++) {                     /* every architecture key counts; clamp is one that fits any tensors */
        if (strcmp(d.meta[i].key, "conv_clamp")) continue;
        d.meta[i].value = "256";
        nn_st_write(path, d.tensor, d.count, d.meta, d.meta_count, &err);
        b = sg_open(path, &nn_kernels_ref, &err);
        t_check(b && strcmp(sg_identity(a), sg_identity(b)) && sg_get_config(b)->conv_clamp == 256, "another clamp, another identity %s", err.msg);
        sg_close(b);
        d.meta[i].value = "none";
    }
    float changed[9];
    nn_st_tensor *w_avg = find(&d, "mapping.w_avg");
    memcpy(changed, w_avg->data, sizeof changed);
    changed[3] += 1e-6f;
    w_avg->data = changed;
    nn_st_write(path, d.tensor, d.count, d.meta, d.meta_count, &err);
    b = sg_open(path, &nn_kernels_ref, &err);
    t_check(b && strcmp(sg_identity(a), sg_identity(b)), "one other number, another identity %s", err.msg);
    sg_close(b);
    sg_close(a);
}

int main(void)
{
    nn_err err = { 0 };
    nn_format(path, sizeof path, "%s/bad.safetensors", t_folder("stylegan"));
    if (nn_st_open(&good, GOOD, &err)) t_fail("%s", err.msg);
    else {
        metadata();
    stylegan1();
        tensors();
        no_generators();
        identity_and_config();
    }
    nn_st_close(&good);
    return t_done();
}
