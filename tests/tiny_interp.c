/* tiny_interp.c: see tiny_interp.h. */
#include "tests/tiny_interp.h"

#include <stdlib.h>

#include "deeplab/deeplab.h"
#include "tests/t.h"

void tiny_interp(dg_interp *out, const char *path, const sg_model *m, const char *task_name, const char *class1, uint64_t seed)
{
    enum { M = 3, H1 = 16, H2 = 8, K = 3 };
    uint32_t annotated[] = { 12, 4, 3, 60, 1 };
    nn_err err = { 0 };
    dg_interp in = { .members = M, .classes = K, .h1 = H1, .h2 = H2, .tap_count = sg_tap_count(m), .draw = { 0.7, -1, SG_NOISE_CONST, 0 },
                     .seed_count = 5, .seed = annotated,
                     .class_at = { { "dark", { 0, 0, 0 } }, { "", { 230, 25, 75 } }, { "light", { 255, 255, 255 } } } };
    for (int i = 0; i < in.tap_count; i++) {
        nn_format(in.tap[i], sizeof in.tap[i], "%s", sg_tap_at(m, i)->name);
        in.D += in.tap_channels[i] = sg_tap_at(m, i)->c;
    }
    nn_format(in.generator, sizeof in.generator, "%s", sg_identity(m));
    nn_format(in.task_name, sizeof in.task_name, "%s", task_name);
    nn_format(in.class_at[1].name, sizeof in.class_at[1].name, "%s", class1);
    const struct { const real **at; nn_dim n; double scale, shift; } part[] = {
        { &in.mean, in.D, 0.1, 0 }, { &in.std, in.D, 0, 1 }, { &in.w1, M * H1 * in.D, 0.2, 0 }, { &in.b1, M * H1, 0.3, 0 },
        { &in.g1, M * H1, 0.2, 1 }, { &in.e1, M * H1, 0.2, 0 }, { &in.m1, M * H1, 0.2, 0.4 }, { &in.v1, M * H1, 0, 0.5 },
        { &in.w2, M * H2 * H1, 0.3, 0 }, { &in.b2, M * H2, 0.3, 0 }, { &in.g2, M * H2, 0.2, 1 }, { &in.e2, M * H2, 0.2, 0 },
        { &in.m2, M * H2, 0.2, 0.4 }, { &in.v2, M * H2, 0, 0.5 }, { &in.w3, M * K * H2, 0.5, 0 }, { &in.b3, M * K, 0.3, 0 },
    };
    enum { PARTS = sizeof part / sizeof *part };
    real *number[PARTS];
    for (int i = 0; i < PARTS; i++) {
        number[i] = nn_alloc((size_t)part[i].n * sizeof(real), "test", &err);
        t_randn(number[i], part[i].n, seed + (uint64_t)i);
        for (nn_dim j = 0; j < part[i].n; j++) number[i][j] = (real)(number[i][j] * part[i].scale + part[i].shift);
        *part[i].at = number[i];
    }
    nn_status s = dg_interp_write(&in, "{}", path, &err);
    for (int i = 0; i < PARTS; i++) nn_free(number[i]);
    if (!s) s = dg_interp_open(out, path, &err);
    if (!s) return;
    t_fail("tiny interpreter: %s", err.msg);
    exit(t_done());
}

void tiny_network(const char *path)
{
    nn_err err = { 0 };
    dl_model m = { .size = 32, .class_count = 3, .class_at = { { "rest", { 0, 0, 0 } }, { "left", { 1, 2, 3 } }, { "right", { 4, 5, 6 } } } };
    const dl_choice c = { "light", 3, 8, 16, 0, false };
    if (dl_net_open(&m.net, &c, &err) == NN_OK) {
        dl_net_init(&m.net, 1);
        dl_model_write(&m, path, &err);
    }
    dl_model_close(&m);
    t_check(!err.status, "a network: %s", err.msg);
}
