/* test_interp.c: the interpreter's file: written and read back, refused when anything is wrong, its identity. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"
#include "tests/tiny_set.h"

enum { M = 2, D = 5, H1 = 4, H2 = 3, K = 2, TENSORS = 16, KEYS = 12 };
static const char *folder;

static const char GENERATOR[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static real numbers[4096];

/* An interpreter of random numbers; variances and scales are positive. */
static void make(dg_interp *in, uint32_t seed[2])
{
    memset(in, 0, sizeof *in);
    t_randn(numbers, 4096, 3);
    for (int i = 0; i < 4096; i++) numbers[i] = (real)(fabs((double)numbers[i]) + 0.01);
    in->members = M;
    in->classes = K;
    in->D = D;
    in->h1 = H1;
    in->h2 = H2;
    in->tap_count = 2;
    strcpy(in->tap[0], "b4.conv1");
    strcpy(in->tap[1], "b8.conv0");
    in->tap_channels[0] = 2;
    in->tap_channels[1] = 3;
    in->class_at[0] = (dg_class){ "back \"ground\"", { 0, 0, 0 } };
    in->class_at[1] = (dg_class){ "cell", { 1, 254, 16 } };
    strcpy(in->generator, GENERATOR);
    strcpy(in->task_name, "a task");
    in->draw = (sg_options){ 0.7, -1, SG_NOISE_NONE, 0 };
    seed[0] = 4294967295u;
    seed[1] = 0;
    in->seed = seed;
    in->seed_count = 2;
    const real **slot[] = { &in->mean, &in->std, &in->w1, &in->b1, &in->g1, &in->e1, &in->m1, &in->v1, &in->w2, &in->b2, &in->g2,
                            &in->e2, &in->m2, &in->v2, &in->w3, &in->b3 };
    for (int i = 0; i < TENSORS; i++) *slot[i] = numbers + 200 * i;
}

static void test_round_trip(void)
{
    nn_err err = { 0 };
    dg_interp a, b;
    uint32_t seed[2];
    make(&a, seed);
    if (dg_interp_write(&a, "{\"x\":1}", tiny_path(folder, "i"), &err) || dg_interp_open(&b, tiny_path(folder, "i"), &err)) { t_fail("%s", err.msg); return; }
    t_check(b.members == M && b.classes == K && b.D == D && b.h1 == H1 && b.h2 == H2, "sizes");
    t_check(b.tap_count == 2 && !strcmp(b.tap[1], "b8.conv0") && b.tap_channels[1] == 3, "feature maps");
    t_check(!strcmp(b.class_at[0].name, "back \"ground\"") && b.class_at[1].rgb[1] == 254, "classes");
    t_check(!strcmp(b.generator, GENERATOR) && !strcmp(b.task_name, "a task") && strlen(b.identity) == 64, "names");
    t_check(b.draw.psi == 0.7 && b.draw.cutoff < 0 && b.draw.noise == SG_NOISE_NONE, "psi, cutoff, noise");
    t_check(b.seed_count == 2 && b.seed[0] == 4294967295u && b.seed[1] == 0, "seeds");
    const struct { const char *name; const real *a, *b; nn_dim n; } tensor[] = {
        { "mean", a.mean, b.mean, D }, { "std", a.std, b.std, D }, { "w1", a.w1, b.w1, M * H1 * D }, { "b1", a.b1, b.b1, M * H1 },
        { "g1", a.g1, b.g1, M * H1 }, { "e1", a.e1, b.e1, M * H1 }, { "m1", a.m1, b.m1, M * H1 }, { "v1", a.v1, b.v1, M * H1 },
        { "w2", a.w2, b.w2, M * H2 * H1 }, { "b2", a.b2, b.b2, M * H2 }, { "g2", a.g2, b.g2, M * H2 }, { "e2", a.e2, b.e2, M * H2 },
        { "m2", a.m2, b.m2, M * H2 }, { "v2", a.v2, b.v2, M * H2 }, { "w3", a.w3, b.w3, M * K * H2 }, { "b3", a.b3, b.b3, M * K } };
    static const char *const name[TENSORS] = { "features.mean", "features.std", "layer1.weight", "layer1.bias", "norm1.weight", "norm1.bias",
        "norm1.running_mean", "norm1.running_var", "layer2.weight", "layer2.bias", "norm2.weight", "norm2.bias", "norm2.running_mean",
        "norm2.running_var", "layer3.weight", "layer3.bias" };
    for (int i = 0; i < TENSORS; i++) {
        const nn_st_entry *e = nn_st_find(&b.file, name[i]);
        const size_t bytes = (size_t)tensor[i].n * sizeof(real);
        t_same(tensor[i].b, tensor[i].a, bytes, "tensor %s", tensor[i].name);
        if (e && e->end - e->begin == bytes) t_same(b.file.data + e->begin, tensor[i].a, bytes, "%s in the file is %s", name[i], tensor[i].name);
        else t_fail("the file has %s with %zu bytes", name[i], bytes);
    }
    dg_interp_close(&b);
}

/* Write the file again with one metadata value replaced (NULL: left out) or added, one tensor left out or one added. */
static void write_variant(const char *to, const char *key, const char *value, const char *tensor, bool add)
{
    static const char *const keys[KEYS] = { "kind", "format", "task", "generator", "members", "width1", "width2", "taps", "classes", "draw", "seeds", "training" };
    nn_err err = { 0 };
    nn_st f;
    nn_st_tensor all[TENSORS + 1];
    nn_st_pair meta[KEYS + 1];
    size_t count = 0, pairs = 0;
    bool known = !key;
    if (nn_st_open(&f, tiny_path(folder, "i"), &err)) { t_fail("%s", err.msg); return; }
    t_check(f.count == TENSORS, "the file has %d tensors, found %zu", TENSORS, f.count);
    for (size_t i = 0; i < f.count; i++) {
        const nn_st_entry *e = &f.entry[i];
        if (tensor && !strcmp(e->name, tensor)) continue;
        all[count] = (nn_st_tensor){ .name = e->name, .dtype = e->dtype, .rank = e->rank, .data = f.data + e->begin };
        memcpy(all[count++].dim, e->dim, sizeof e->dim);
    }
    if (add) all[count++] = (nn_st_tensor){ "surplus", NN_F32, 1, { 1 }, numbers };
    for (int i = 0; i < KEYS; i++) {
        const char *v = key && !strcmp(keys[i], key) ? value : nn_st_meta(&f, keys[i]);
        t_check(nn_st_meta(&f, keys[i]) != NULL, "the file has the key %s", keys[i]);
        if (v) meta[pairs++] = (nn_st_pair){ keys[i], v };
        known = known || !strcmp(keys[i], key);
    }
    if (!known) meta[pairs++] = (nn_st_pair){ key, value };
    if (nn_st_write(to, all, count, meta, pairs, &err)) t_fail("%s", err.msg);
    nn_st_close(&f);
}

static const struct { const char *key, *value, *tensor; nn_status status; const char *part; } bad[] = {
    { "kind", NULL, NULL, NN_EFORMAT, "expected an interpreter (metadata kind \"interpreter\"), found no kind" },
    { "kind", "generator", NULL, NN_EFORMAT, "expected an interpreter (metadata kind \"interpreter\"), found kind generator" },
    { "format", "2", NULL, NN_EFORMAT, "format 2 is newer than this program, which reads up to 1" },
    { "format", "one", NULL, NN_EFORMAT, "format" }, { "format", NULL, NULL, NN_EFORMAT, "format" },
    { "task", NULL, NULL, NN_EFORMAT, "metadata key 'task' is missing" },
    { "upsample", "cubic", NULL, NN_EFORMAT, "metadata 'upsample': expected \"bilinear\" or \"nearest\", found \"cubic\"" },
    { "divergence", "", NULL, NN_EFORMAT, "metadata 'divergence': expected \"probabilities\" or \"logits\", found \"\"" },
    { "generator", "abc", NULL, NN_EFORMAT, "metadata 'generator': expected 64 lower-case hexadecimal digits, found \"abc\"" },
    { "generator", NULL, NULL, NN_EFORMAT, "metadata key 'generator' is missing" },
    { "members", "0", NULL, NN_EFORMAT, "members" }, { "members", "3", NULL, NN_ESHAPE, "layer1.weight" },
    { "width1", "5", NULL, NN_ESHAPE, "layer1.weight" }, { "width2", "99999999", NULL, NN_EFORMAT, "width2" },
    { "taps", "[]", NULL, NN_EFORMAT, "taps: expected a list of 1 to 22 feature maps" }, { "taps", "[", NULL, NN_EFORMAT, "not valid JSON" },
    { "taps", NULL, NULL, NN_EFORMAT, "metadata key 'taps' is missing" },
    { "taps", "[{\"name\":\"a\",\"channels\":5},{\"name\":\"a\",\"channels\":0}]", NULL, NN_EFORMAT, "taps[1].name: 'a' is named twice" },
    { "taps", "[{\"name\":\"a\",\"channels\":0}]", NULL, NN_EFORMAT, "taps[0].channels: expected a whole number 1..65536, found 0" },
    { "taps", "[{\"name\":\"a123456789012345678901234\",\"channels\":5}]", NULL, NN_EFORMAT, "taps[0].name: expected a string of 1 to 23 bytes" },
    { "taps", "[{\"name\":\"a\",\"channels\":6}]", NULL, NN_ESHAPE, "features.mean" },
    { "classes", "[{\"id\":0,\"name\":\"a\",\"color\":\"#000000\"}]", NULL, NN_EFORMAT, "classes: expected 2 to 255 of them, found 1" },
    { "classes", "{}", NULL, NN_EFORMAT, "classes: expected a list" },
    { "draw", "{\"psi\":1.0,\"cutoff\":null,\"noise\":\"x\"}", NULL, NN_EFORMAT, "draw.noise: expected" },
    { "draw", "[7]", NULL, NN_EFORMAT, "draw.psi: expected a finite number, found nothing" }, { "draw", "7", NULL, NN_EFORMAT, "not valid JSON" },
    { "seeds", "[4294967296]", NULL, NN_EFORMAT, "seeds: expected a whole number 0..4294967295, found 4294967296" },
    { "seeds", "{}", NULL, NN_EFORMAT, "seeds: expected a list, found an object" },
    { NULL, NULL, "layer2.bias", NN_EFORMAT, "layer2.bias" }, { NULL, NULL, "features.std", NN_EFORMAT, "features.std" },
};

static void test_bad(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err err = { 0 };
        dg_interp in;
        write_variant(tiny_path(folder, "bad"), bad[i].key, bad[i].value, bad[i].tensor, false);
        t_status(dg_interp_open(&in, tiny_path(folder, "bad"), &err), bad[i].status, &err, bad[i].part, "metadata %s = %s, without tensor %s",
                 bad[i].key ? bad[i].key : "", bad[i].value ? bad[i].value : "nothing", bad[i].tensor ? bad[i].tensor : "(none)");
        dg_interp_close(&in);
    }
    nn_err err = { 0 };
    dg_interp in;
    write_variant(tiny_path(folder, "bad"), NULL, NULL, NULL, true);
    t_status(dg_interp_open(&in, tiny_path(folder, "bad"), &err), NN_EFORMAT, &err, "surplus", "a tensor too many");
}

/* Numbers that would make every label NaN. */
static void test_values(void)
{
    uint32_t seed[2];
    dg_interp a, in;
    const struct { int tensor, at; real value; const char *part; } value[] = {
        { 1, 2, 0, "'features.std': element 2: expected more than 0, found 0" }, { 1, 0, -1, "'features.std': element 0" },
        { 7, 5, (real)-0.5, "'norm1.running_var': element 5: expected at least 0, found -0.5" }, { 13, 4, -1, "'norm2.running_var': element 4" },
        { 2, 0, NAN, "layer1.weight" } };
    for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
        nn_err err = { 0 };
        make(&a, seed);
        numbers[200 * value[i].tensor + value[i].at] = value[i].value;
        if (dg_interp_write(&a, "{}", tiny_path(folder, "bad"), &err)) t_fail("%s", err.msg);
        t_status(dg_interp_open(&in, tiny_path(folder, "bad"), &err), NN_EFORMAT, &err, value[i].part, "a bad number %zu", i);
        dg_interp_close(&in);
    }
}

static void identity(const char *key, const char *value, char hex[65])
{
    nn_err err = { 0 };
    dg_interp in;
    write_variant(tiny_path(folder, "other"), key, value, NULL, false);
    if (dg_interp_open(&in, tiny_path(folder, "other"), &err)) t_fail("%s", err.msg);
    memcpy(hex, in.identity, 65);
    dg_interp_close(&in);
}

static void test_identity(void)
{
    static const struct { const char *key, *value; bool same; } change[] = {
        { "task", "another name", true }, { "training", "{}", true }, { "seeds", "[1]", false }, { "draw", "{\"psi\":1.0,\"cutoff\":null,\"noise\":\"const\"}", false },
        { "upsample", "nearest", false }, { "divergence", "logits", false },
        { "taps", "[{\"name\":\"b4.conv1\",\"channels\":3},{\"name\":\"b8.conv0\",\"channels\":2}]", false },
        { "generator", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde0", false },
        { "classes", "[{\"id\":0,\"name\":\"a\",\"color\":\"#000000\"},{\"id\":1,\"name\":\"b\",\"color\":\"#000000\"}]", false } };
    char first[65], other[65];
    identity(NULL, NULL, first);
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        identity(change[i].key, change[i].value, other);
        t_check((strcmp(first, other) == 0) == change[i].same, "the identity %s with %s", change[i].same ? "stays" : "changes", change[i].key);
    }
    nn_err err = { 0 };
    dg_interp a;
    uint32_t seed[2];
    make(&a, seed);
    numbers[200 * 15] += 1;                               /* layer3.bias */
    if (dg_interp_write(&a, "{\"x\":1}", tiny_path(folder, "other"), &err) || dg_interp_open(&a, tiny_path(folder, "other"), &err)) t_fail("%s", err.msg);
    t_check(strcmp(first, a.identity) != 0, "the identity changes with a weight");
    dg_interp_close(&a);
}

static void test_check(void)
{
    nn_err err = { 0 };
    dg_interp in;
    uint32_t seed[2];
    sg_model *m = tiny_generator(&nn_kernels_ref);
    make(&in, seed);
    t_status(dg_interp_check(&in, m, &err), NN_EMISMATCH, &err, "was trained on generator 0123456789abcdef", "another generator");
    t_check(strstr(err.msg, sg_identity(m)) != NULL, "both are named: %s", err.msg);
    strcpy(in.generator, sg_identity(m));
    err = (nn_err){ 0 };
    t_status(dg_interp_check(&in, m, &err), NN_EMISMATCH, &err, "feature map 'b4.conv1': the interpreter expects 2 channels, the generator has 30", "other channels");
    in.tap_channels[0] = 30;
    in.tap_channels[1] = 25;
    err = (nn_err){ 0 };
    t_status(dg_interp_check(&in, m, &err), NN_OK, &err, NULL, "its own generator: %s", err.msg);
    strcpy(in.tap[1], "b8.conv2");
    t_status(dg_interp_check(&in, m, &err), NN_EMISMATCH, &err, "feature map 'b8.conv2', which this generator has not", "a map that is not there");
    sg_close(m);
}

int main(void)
{
    static char path[256];
    nn_format(path, sizeof path, "%s", t_folder("interp"));
    folder = path;
    test_round_trip();
    test_bad();
    test_identity();
    test_values();
    test_check();
    return t_done();
}
