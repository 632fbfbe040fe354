/* test_misuse.c: no call of the public library ends the program, whatever it is given: every combination of NULL, numbers out of range,
 * structures of a wrong size, handles of another generator or in the wrong order ends with a status and one line, or works.  A dead
 * program is the failure this test is after; it also has to be told why a call was refused, and that the same handles still work. */
#include <math.h>
#include <string.h>

#include "dgan/datasetgan.h"
#include "dgan/deeplab.h"
#include "nn/file.h"
#include "tests/t.h"
#include "tests/tiny_interp.h"
#include "tests/tiny_set.h"

#define GREY "tests/golden/stylegan2_grey.safetensors"
#define EACH(type, name, ...) for (const type *name##_at = (const type[]){ __VA_ARGS__ }, *name = name##_at; \
                                   name < name##_at + sizeof((const type[]){ __VA_ARGS__ }) / sizeof(type); name++)
typedef const char *text;
typedef dgan_drawer *drawer;
typedef const dgan_draw *manner;
enum { RES = 64, ROOM = RES * RES * 4 };

static const char *folder;
static char interp_path[DG_PATH], task[DG_PATH];
static dgan_error err;
static int refusals, successes;

/* What every call has to hold to: a status that the error repeats, and one line of text when it is a failure. */
static int came(int status, const char *call)
{
    const bool failed = status != DGAN_OK && status != DGAN_END;
    t_check(status >= DGAN_OK && status <= DGAN_END && err.status == (failed ? status : DGAN_OK), "%s: status %d, the error's %d", call, status, err.status);
    t_check(failed == (*err.message != '\0') && !strchr(err.message, '\n'), "%s: status %d with the message \"%s\"", call, status, err.message);
    *(failed ? &refusals : &successes) += 1;
    err = (dgan_error){ 0 };
    return status;
}
/* A handle, or NULL and a reason. */
static void *opened(void *handle, const char *call)
{
    came(handle ? DGAN_OK : err.status ? err.status : -1, call);
    return handle;
}

static dgan_interpreter *interpreter(void)
{
    dgan_interpreter *in = dgan_interpreter_open(interp_path, &err);
    if (!in) t_fail("%s", err.message);
    return in;
}

static void make_files(void)
{
    nn_err own = { 0 };
    dg_interp in = { 0 };
    char set[DG_PATH - 16];
    folder = t_folder("misuse");
    sg_model *m = tiny_generator(nn_kernels_pick("auto", &own));
    nn_format(interp_path, sizeof interp_path, "%s", tiny_path(folder, "i.safetensors"));
    tiny_interp(&in, interp_path, m, "tiny", "middle", 7);
    dg_interp_close(&in);
    nn_format(set, sizeof set, "%s", tiny_path(folder, "set"));
    tiny_set_make(set, m);
    nn_format(task, sizeof task, "%s/task.json", set);
    sg_close(m);
}

/* ---- files that are none --------------------------------------------------------------------------------------------- */

static void test_paths(void)
{
    static char long_path[8000];
    memset(long_path, 'a', sizeof long_path - 1);
    EACH(text, path, NULL, "", "/", "no\nsuch\nfile", long_path, "tests", task, "tests/golden") {
        t_check(!opened(dgan_generator_open(*path, NULL, &err), "generator_open"), "a generator from %.20s", *path);
        t_check(!opened(dgan_interpreter_open(*path, &err), "interpreter_open"), "an interpreter from %.20s", *path);
        t_check(!opened(dgan_segmenter_open(*path, NULL, NULL, &err), "segmenter_open"), "a network from %.20s", *path);
        t_check(!dgan_generator_open(*path, NULL, NULL) && !dgan_interpreter_open(*path, NULL), "and nobody asks why");
    }
    t_check(!opened(dgan_generator_open(TINY_GENERATOR, "", &err), "generator_open"), "kernels without a name");
    t_check(!opened(dgan_generator_open(interp_path, NULL, &err), "generator_open"), "an interpreter is no generator");
    t_check(!opened(dgan_interpreter_open(TINY_GENERATOR, &err), "interpreter_open"), "a generator is no interpreter");

    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err);
    dgan_interpreter *in = interpreter();
    dgan_train_options o = DGAN_TRAIN_INIT;
    o.epochs = 0.01;
    /* Below a file nothing can be made, whoever runs this. */
    EACH(text, path, NULL, "", TINY_GENERATOR "/x", TINY_GENERATOR "/no\nsuch", long_path) {
        t_check(came(dgan_train(g, *path, tiny_path(folder, "none"), &o, NULL, NULL, &err), "train: task") != DGAN_OK, "a task from %.20s", *path);
        t_check(came(dgan_train(g, task, *path, &o, NULL, NULL, &err), "train: out") != DGAN_OK, "an interpreter to %.20s", *path);
        t_check(came(dgan_dataset(g, in, *path, 0, 1, NULL, NULL, NULL, &err), "dataset: out") != DGAN_OK, "a dataset to %.20s", *path);
    }
    t_check(!nn_path_exists(tiny_path(folder, "none")), "nothing is written");
    dgan_interpreter_release(in);
    dgan_generator_release(g);
}

/* ---- NULL handles ---------------------------------------------------------------------------------------------------- */

static void test_nothing(void)
{
    t_check(!dgan_generator_resolution(NULL) && !dgan_generator_height(NULL) && !dgan_generator_channels(NULL) && !dgan_generator_z_dim(NULL)
            && !dgan_generator_w_dim(NULL) && !dgan_generator_num_ws(NULL) && !dgan_generator_classes(NULL) && !dgan_generator_taps(NULL)
            && !dgan_generator_bytes(NULL) && !dgan_generator_identity(NULL) && !dgan_generator_kernels(NULL) && !dgan_generator_retain(NULL)
            && !dgan_picture(NULL, 0) && !dgan_ws(NULL, 0) && !dgan_interpreter_classes(NULL) && !dgan_interpreter_class(NULL, 0, NULL)
            && !dgan_interpreter_identity(NULL) && !dgan_interpreter_generator(NULL) && !dgan_interpreter_retain(NULL)
            && !dgan_segmenter_classes(NULL) && !dgan_segmenter_class(NULL, 0, NULL) && !dgan_segmenter_size(NULL), "getters of NULL");
    dgan_generator_release(NULL);
    dgan_drawer_close(NULL);
    dgan_interpreter_release(NULL);
    dgan_labeller_close(NULL);
    dgan_stream_close(NULL);
    dgan_segmenter_close(NULL);
    uint8_t bytes[4];
    float number[4] = { 0 };
    const uint32_t seed = 1;
    came(dgan_draw_seeds(NULL, &seed, 1, NULL, &err), "draw_seeds");
    came(dgan_draw_z(NULL, number, 1, NULL, NULL, &err), "draw_z");
    came(dgan_draw_ws(NULL, number, 1, NULL, NULL, &err), "draw_ws");
    came(dgan_picture_bytes(NULL, 0, bytes, &err), "picture_bytes");
    came(dgan_tap_map(NULL, 0, 0, &(dgan_map){ 0 }, &err), "tap_map");
    came(dgan_tap_copy(NULL, 0, 0, number, &err), "tap_copy");
    came(dgan_generator_tap(NULL, 0, &(dgan_tap){ 0 }, &err), "generator_tap");
    came(dgan_interpreter_draw(NULL, &(dgan_draw)DGAN_DRAW_INIT, &err), "interpreter_draw");
    came(dgan_train(NULL, task, "unused", NULL, NULL, NULL, &err), "train");
    came(dgan_label(NULL, NULL, 0, bytes, NULL, NULL, NULL, &err), "label");
    came(dgan_stream_next(NULL, bytes, bytes, NULL, NULL, &err), "stream_next");
    came(dgan_dataset(NULL, NULL, "unused", 0, 1, NULL, NULL, NULL, &err), "dataset");
    came(dgan_segment(NULL, bytes, 1, 1, 3, bytes, NULL, NULL, NULL, &err), "segment");
    t_check(dgan_draw_seeds(NULL, &seed, 1, NULL, NULL) == DGAN_EINVAL && dgan_segment(NULL, bytes, 1, 1, 3, bytes, NULL, NULL, NULL, NULL) == DGAN_EINVAL, "no error wanted");
}

/* ---- drawing and labelling ------------------------------------------------------------------------------------------- */

static void test_drawers(dgan_generator *g)
{
    static uint8_t bytes[ROOM];
    static float z[4096], copy[64 * RES * RES];
    const uint32_t seed[3] = { 1, 2, 3 };
    EACH(int, batch, INT32_MIN, -1, 0, 1, 3, 4097, INT32_MAX) {
        dgan_drawer *d = opened(dgan_drawer_open(g, *batch, *batch == 3, &err), "drawer_open");
        t_check((d != NULL) == (*batch == 1 || *batch == 3), "a drawer for %d", *batch);
        if (!d) continue;
        /* Results before anything is drawn. */
        t_check(!dgan_picture(d, 0) && !dgan_ws(d, 0), "nothing is drawn yet");
        EACH(int, n, INT32_MIN, -1, 0, 1, 2, 3, INT32_MAX) {
            t_check(came(dgan_picture_bytes(d, *n, bytes, &err), "picture_bytes, not drawn") == DGAN_EINVAL, "picture %d of none", *n);
            t_check(came(dgan_tap_copy(d, *n, 0, copy, &err), "tap_copy, not drawn") == DGAN_EINVAL, "a tap of picture %d of none", *n);
        }
        EACH(double, psi, -1e300, -1, 0, 0.7, 1e30, 1e300, (double)INFINITY, (double)NAN)
            EACH(int64_t, cutoff, INT64_MIN, -1, 0, 2, 1000, INT64_MAX)
                EACH(int, noise, -1, DGAN_NOISE_CONST, DGAN_NOISE_RANDOM, 3, INT32_MAX)
                    EACH(int, class_id, INT32_MIN, -1, 0, 1) {
                        const dgan_draw o = { sizeof o, *psi, *cutoff, *noise, *class_id };
                        /* Much of it once is enough: what is refused costs nothing. */
                        if (*psi != 0.7 && *cutoff != -1) continue;
                        came(dgan_draw_seeds(d, seed, 1, &o, &err), "draw_seeds");
                        came(dgan_draw_z(d, z, 1, &o, NULL, &err), "draw_z");
                        came(dgan_draw_ws(d, z, 1, &o, seed, &err), "draw_ws");
                    }
        EACH(size_t, size, 0, 1, sizeof(size_t), sizeof(dgan_draw) - 1, sizeof(dgan_draw), 1 << 17, SIZE_MAX) {
            dgan_draw o = DGAN_DRAW_INIT;
            o.size = *size;
            came(dgan_draw_seeds(d, seed, 1, &o, &err), "draw_seeds, sizes");
        }
        EACH(int, n, INT32_MIN, -1, 0, 1, 2, 3, 4, INT32_MAX) {
            came(dgan_draw_seeds(d, seed, *n, NULL, &err), "draw_seeds, number");
            came(dgan_draw_z(d, z, *n, NULL, NULL, &err), "draw_z, number");
            came(dgan_draw_ws(d, z, *n, NULL, NULL, &err), "draw_ws, number");
        }
        EACH(float, bad, NAN, INFINITY, -INFINITY, 3e38f) {
            z[1] = *bad;
            came(dgan_draw_z(d, z, 1, NULL, NULL, &err), "draw_z, numbers");
            came(dgan_draw_ws(d, z, 1, NULL, NULL, &err), "draw_ws, numbers");
            came(dgan_picture_bytes(d, 0, bytes, &err), "picture_bytes, numbers");
            z[1] = 0;
        }
        came(dgan_draw_seeds(d, NULL, 1, NULL, &err), "draw_seeds, NULL");
        t_check(dgan_picture_bytes(d, 0, bytes, NULL) == (dgan_picture(d, 0) ? DGAN_OK : DGAN_EINVAL), "what is there after a refused drawing");
        came(dgan_draw_seeds(d, seed, 1, NULL, &err), "draw_seeds");
        came(dgan_picture_bytes(d, 0, NULL, &err), "picture_bytes, NULL");
        EACH(int, tap, INT32_MIN, -1, 0, 99, INT32_MAX) {
            came(dgan_tap_map(d, 0, *tap, &(dgan_map){ 0 }, &err), "tap_map, taps");
            came(dgan_tap_copy(d, 0, *tap, copy, &err), "tap_copy, taps");
            came(dgan_generator_tap(g, *tap, &(dgan_tap){ 0 }, &err), "generator_tap, taps");
        }
        came(dgan_tap_map(d, 0, 0, NULL, &err), "tap_map, NULL");
        came(dgan_tap_copy(d, 0, 0, NULL, &err), "tap_copy, NULL");
        came(dgan_generator_tap(g, 0, NULL, &err), "generator_tap, NULL");
        dgan_drawer_close(d);
    }
}

static void test_labellers(dgan_generator *g, dgan_generator *grey, dgan_interpreter *in)
{
    static uint8_t label[ROOM];
    static float number[ROOM * 8], ws[4096];
    const uint32_t seed = 1;
    EACH(int, i, INT32_MIN, -1, 3, INT32_MAX) t_check(!dgan_interpreter_class(in, *i, label), "class %d", *i);
    EACH(size_t, size, 0, 1, sizeof(size_t), SIZE_MAX) came(dgan_interpreter_draw(in, &(dgan_draw){ .size = *size }, &err), "interpreter_draw, sizes");
    came(dgan_interpreter_draw(in, NULL, &err), "interpreter_draw, NULL");
    opened(dgan_labeller_open(NULL, in, &err), "labeller_open");
    opened(dgan_labeller_open(g, NULL, &err), "labeller_open");
    opened(dgan_labeller_open(grey, in, &err), "labeller_open, another generator");
    dgan_labeller *l = dgan_labeller_open(g, in, &err);
    dgan_drawer *fresh = dgan_drawer_open(g, 1, 1, &err), *blind = dgan_drawer_open(g, 1, 0, &err), *other = dgan_drawer_open(grey, 1, 1, &err);
    dgan_drawer *good = dgan_drawer_open(g, 1, 1, &err), *endless = dgan_drawer_open(g, 1, 1, &err);
    dgan_draw_seeds(blind, &seed, 1, NULL, &err);
    dgan_draw_seeds(other, &seed, 1, NULL, &err);
    dgan_draw_seeds(good, &seed, 1, NULL, &err);
    for (int i = 0; i < 4096; i++) ws[i] = 3e38f;                  /* maps that are not numbers */
    dgan_draw_ws(endless, ws, 1, NULL, NULL, &err);
    t_check(!err.status, "handles: %s", err.message);
    EACH(drawer, d, NULL, fresh, blind, other, good, endless)
        EACH(int, n, INT32_MIN, -1, 0, 1, INT32_MAX)
            for (int given = 0; given < 16; given++) {
                double uncertainty;
                const int got = came(dgan_label(l, *d, *n, given & 1 ? label : NULL, given & 2 ? number : NULL, given & 4 ? number + ROOM : NULL,
                                                given & 8 ? &uncertainty : NULL, &err), "label");
                t_check(got != DGAN_OK || ((*d == good || *d == endless) && *n == 0 && given & 1), "label, picture %d, pointers %d", *n, given);
                t_check(got == DGAN_OK || !(*d == good && *n == 0 && given & 1), "a right call after wrong ones");
            }
    dgan_drawer_close(fresh);
    dgan_drawer_close(blind);
    dgan_drawer_close(other);
    dgan_drawer_close(good);
    dgan_drawer_close(endless);
    dgan_labeller_close(l);
}

static void test_segmenters(void)
{
    static uint8_t picture[40 * 40 * 4], label[40 * 40];
    static float chance[40 * 40 * 3];
    const char *path = tiny_path(folder, "network.safetensors");
    tiny_network(path);
    EACH(double, scale, -1, 0, 1e-4, 101, (double)NAN, (double)INFINITY)
        EACH(int64_t, tile, INT64_MIN, 0, 63, 256, 4097, INT64_MAX)
            EACH(double, adapt, -1, 0, 2, (double)NAN) {
                const dgan_segment_options o = { sizeof o, *scale, *tile, 0, *adapt };
                dgan_segmenter *s = opened(dgan_segmenter_open(path, NULL, &o, &err), "segmenter_open");
                t_check((s != NULL) == (*scale == 0 && *tile == 256 && *adapt == 0), "scale %g, tile %lld, adapt %g", *scale, (long long)*tile, *adapt);
                dgan_segmenter_close(s);
            }
    EACH(size_t, size, 0, 1, sizeof(size_t), 1 << 17, SIZE_MAX) opened(dgan_segmenter_open(path, NULL, &(dgan_segment_options){ .size = *size }, &err), "segmenter_open, sizes");
    dgan_segment_options quick = DGAN_SEGMENT_INIT;
    quick.flips = 0;
    dgan_segmenter *s = opened(dgan_segmenter_open(path, NULL, &quick, &err), "segmenter_open");
    EACH(int, i, INT32_MIN, -1, 3, INT32_MAX) t_check(!dgan_segmenter_class(s, *i, label), "class %d", *i);
    EACH(int64_t, height, INT64_MIN, -1, 0, 1, 40, INT64_MAX)
        EACH(int64_t, width, INT64_MIN, 0, 1, 40, INT64_MAX)
            EACH(int, channels, INT32_MIN, 0, 1, 2, 3, 4, 5, INT32_MAX)
                for (int given = 0; given < 8; given++) {
                    const bool right = (given & 3) == 3 && *height > 0 && *height <= 40 && *width > 0 && *width <= 40 && *channels >= 1 && *channels <= 4;
                    if (right && *height * *width > 1 && *channels != 3) continue;                  /* test_api.c looks at these */
                    const int got = came(dgan_segment(s, given & 1 ? picture : NULL, *height, *width, *channels, given & 2 ? label : NULL,
                                                      given & 4 ? chance : NULL, NULL, NULL, &err), "segment");
                    t_check((got == DGAN_OK) == right, "segment, %lldx%lld, %d channels, pointers %d", (long long)*width, (long long)*height, *channels, given);
                }
    dgan_segmenter_close(s);
}

/* ---- streams, datasets, training ------------------------------------------------------------------------------------- */

static void test_streams(dgan_generator *g, dgan_generator *grey, dgan_interpreter *in)
{
    const dgan_draw wild = { sizeof wild, (double)NAN, -1, DGAN_NOISE_CONST, 0 }, wrong = { .size = 1 }, loud = { sizeof loud, 1e300, -1, DGAN_NOISE_RANDOM, 0 };
    opened(dgan_stream_open(NULL, in, NULL, &err), "stream_open");
    opened(dgan_stream_open(g, NULL, NULL, &err), "stream_open");
    opened(dgan_stream_open(grey, in, NULL, &err), "stream_open, another generator");
    EACH(uint64_t, first, 0, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX)
        EACH(uint64_t, shard, 0, 1, UINT64_MAX)
            EACH(uint64_t, shards, 0, 1, 2, UINT64_MAX)
                EACH(int, batch, INT32_MIN, 0, 1, 4097)
                    EACH(manner, draw, NULL, &wild, &wrong, &loud) {
                        const dgan_stream_options o = { sizeof o, *first, 1, *shard, *shards, *batch, *draw };
                        dgan_stream *s = opened(dgan_stream_open(g, in, &o, &err), "stream_open");
                        for (int i = 0; s && i < 3; i++) came(dgan_stream_next(s, NULL, NULL, NULL, NULL, &err), "stream_next, also after the end");
                        dgan_stream_close(s);
                    }
    EACH(size_t, size, 0, 1, sizeof(size_t), 1 << 17, SIZE_MAX) {
        dgan_stream_options o = DGAN_STREAM_INIT;
        o.size = *size;
        t_check(!opened(dgan_stream_open(g, in, &o, &err), "stream_open, sizes"), "size %zu", *size);
    }
    char out[DG_PATH];
    nn_format(out, sizeof out, "%s/refused", folder);
    came(dgan_dataset(g, NULL, out, 0, 1, NULL, NULL, NULL, &err), "dataset, NULL");
    came(dgan_dataset(grey, in, out, 0, 1, NULL, NULL, NULL, &err), "dataset, another generator");
    EACH(uint64_t, first, 0, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX)
        EACH(uint64_t, count, 0, UINT64_MAX, (uint64_t)UINT32_MAX + 2)
            t_check(came(dgan_dataset(g, in, out, *first, *count, NULL, NULL, NULL, &err), "dataset, counts") == DGAN_EINVAL, "that many");
    EACH(manner, draw, &wild, &wrong, &loud) came(dgan_dataset(g, in, out, 0, 1, *draw, NULL, NULL, &err), "dataset, how to draw");
}

static void test_training(dgan_generator *g, dgan_generator *grey)
{
    dgan_train_options usual = DGAN_TRAIN_INIT;
    usual.members = 1;
    usual.epochs = 0.02;
    usual.batch = 64;
    const char *out = tiny_path(folder, "trained");
    char path[DG_PATH];
    nn_format(path, sizeof path, "%s", out);
    came(dgan_train(grey, task, path, &usual, NULL, NULL, &err), "train, another generator");
    dgan_train_options o = usual;
    #define BAD(member, ...) EACH(double, v, __VA_ARGS__) { o = usual; o.member = *v; \
        t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: " #member) != DGAN_OK, #member " %g", *v); }
    BAD(epochs, 0, 1e300, (double)NAN, (double)INFINITY)
    BAD(lr, 0, 1e300, (double)NAN, (double)INFINITY)
    BAD(decay, 1e300, (double)NAN, (double)INFINITY)
    BAD(dropout1, 1, 1e300, (double)NAN)
    BAD(dropout2, 1, 1e300, (double)NAN)
    #undef BAD
    EACH(int64_t, v, 0, 1001, (int64_t)1 << 32, INT64_MAX) { o = usual; o.members = *v; t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: members") != DGAN_OK, "members"); }
    EACH(int64_t, v, 0, 1, (1 << 20) + 1, INT64_MAX) { o = usual; o.batch = *v; t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: batch") != DGAN_OK, "batch"); }
    EACH(int64_t, v, 65537, INT64_MAX) {
        o = usual;
        o.width1 = *v;
        t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: width1") != DGAN_OK, "width1");
        o = usual;
        o.width2 = *v;
        t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: width2") != DGAN_OK, "width2");
    }
    EACH(text, name, "", "nosuch", "no\nsuch") {
        o = usual;
        o.recipe = *name;
        t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: recipe") != DGAN_OK, "recipe");
        o = usual;
        o.split = *name;
        t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: split") != DGAN_OK, "split");
    }
    EACH(size_t, size, 0, 1, sizeof(size_t), 1 << 17, SIZE_MAX) { o = usual; o.size = *size; came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: size"); }
    t_check(!nn_path_exists(path), "no interpreter came out of it");
    /* No hidden layer at all is right: a linear probe, as the program's --width1 0. */
    o = usual;
    o.width1 = 0;
    t_check(came(dgan_train(g, task, path, &o, NULL, NULL, &err), "train: no hidden layer") == DGAN_OK, "a linear probe");
    dg_interp in = { 0 };
    const nn_status read = dg_interp_open(&in, path, NULL);
    t_check(read == NN_OK && in.h1 == in.h2, "its other two layers only hand on: status %d, widths %td and %td", (int)read, in.h1, in.h2);
    dg_interp_close(&in);
}

int main(void)
{
    make_files();
    dgan_generator *g = dgan_generator_open(TINY_GENERATOR, NULL, &err), *grey = dgan_generator_open(GREY, NULL, &err);
    dgan_interpreter *in = interpreter();
    test_paths();
    test_nothing();
    test_drawers(g);
    test_labellers(g, grey, in);
    test_segmenters();
    test_streams(g, grey, in);
    test_training(g, grey);
    dgan_interpreter_release(in);
    dgan_generator_release(grey);
    dgan_generator_release(g);
    t_check(refusals >= 500 && successes >= 50, "%d calls were refused, %d went through", refusals, successes);
    return t_done();
}
