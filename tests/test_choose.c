/* test_choose.c: which pictures are chosen: one of each kind, the most central first, the same for any number of threads. */
#include "tests/t.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "datasetgan/choose.h"
#include "datasetgan/classes.h"
#include "nn/file.h"

/* Five kinds of four rows in 3 dimensions; kind 0 lies in the middle, and row 4k + 1 in the middle of kind k. */
static void make_kinds(real x[20][3])
{
    static const real centre[5][3] = { { 0, 0, 0 }, { 9, 0, 0 }, { -9, 0, 1 }, { 0, 9, 0 }, { 0, -9, -1 } };
    static const real off[4][3] = { { 1, 0, 0 }, { 0, 0, 0 }, { -1, 0, 0 }, { 0, 1, 0 } };
    for (int i = 0; i < 20; i++) for (int d = 0; d < 3; d++) x[i][d] = centre[i / 4][d] + off[i % 4][d];
}

static void test_kinds(void)
{
    real x[20][3];
    nn_dim chosen[20];
    nn_err err = { 0 };
    bool seen[5] = { false };
    make_kinds(x);
    t_status(dg_choose_spread(&x[0][0], 20, 3, 5, chosen, &err), NN_OK, &err, NULL, "choose 5 of 20: %s", err.msg);
    t_check(chosen[0] < 4, "the most central kind first, found row %td", chosen[0]);
    for (int i = 0; i < 5; i++) {
        t_check(!seen[chosen[i] / 4], "kind %td is chosen twice", chosen[i] / 4);
        seen[chosen[i] / 4] = true;
    }
    bool all[20] = { false };
    make_kinds(x);
    t_status(dg_choose_spread(&x[0][0], 20, 3, 20, chosen, &err), NN_OK, &err, NULL, "choose all: %s", err.msg);
    for (int i = 0; i < 20; i++) {
        t_check(!all[chosen[i]], "row %td is chosen twice", chosen[i]);
        all[chosen[i]] = true;
    }
}

/* Equal rows: nothing is gained after the first, and none is taken twice; columns that do not vary count nothing. */
static void test_equal_rows(void)
{
    real x[4][2] = { { 7, 1 }, { 7, 1 }, { 7, 1 }, { 7, 1 } };
    nn_dim chosen[3];
    nn_err err = { 0 };
    t_status(dg_choose_spread(&x[0][0], 4, 2, 3, chosen, &err), NN_OK, &err, NULL, "equal rows: %s", err.msg);
    t_check(chosen[0] == 0 && chosen[1] == 1 && chosen[2] == 2, "equal rows in order, found %td %td %td", chosen[0], chosen[1], chosen[2]);
}

/* The literal definition: try every row, add up all distances, keep the best. */
static void test_against_definition(void)
{
    enum { N = 60, D = 7, K = 9 };
    static real x[N * D], y[N * D];
    nn_dim chosen[K], other[K];
    nn_err err = { 0 };
    t_randn(x, N * D, 4);
    memcpy(y, x, sizeof x);
    omp_set_num_threads(1);
    dg_choose_spread(x, N, D, K, chosen, &err);            /* x is standardised now */
    omp_set_num_threads(3);
    dg_choose_spread(y, N, D, K, other, &err);
    omp_set_num_threads(1);
    t_same(other, chosen, sizeof chosen, "three threads choose the same");
    for (int k = 0; k < K; k++) {
        double least = INFINITY, ours = INFINITY;
        for (int c = 0; c < N; c++) {
            double sum = 0.0;
            for (int i = 0; i < N; i++) {
                double nearest = INFINITY;
                for (int j = 0; j <= k; j++) {
                    const nn_dim row = j < k ? chosen[j] : c;
                    double d = 0.0;
                    for (int e = 0; e < D; e++) d += pow((double)x[i * D + e] - x[row * D + e], 2);
                    nearest = fmin(nearest, d);
                }
                sum += nearest;
            }
            least = fmin(least, sum);
            if (c == chosen[k]) ours = sum;
        }
        t_limit(ours / least - 1.0, 1e-6, "choice %d: what is left beside the best row", k);
    }
}

/* ---- class lists ---------------------------------------------------------------------------------------------------------- */

static nn_status read_classes(const char *text, dg_class c[NN_VOID], int *count, nn_err *err)
{
    char path[300];
    nn_format(path, sizeof path, "%s/classes.txt", t_folder("choose"));
    nn_file_write(path, text, strlen(text), err);
    return dg_classes_read(path, c, count, err);
}

static void test_classes(void)
{
    static dg_class c[NN_VOID];
    int n = 0;
    nn_err err = { 0 };
    t_status(read_classes("\xef\xbb\xbf" "background\r\n\nred blood cell #E6194b \nhead***eye***iris\nhead***nose\n #abc\n", c, &n, &err), NN_OK, &err, NULL, "read: %s", err.msg);
    t_check(n == 5 && !strcmp(c[0].name, "background") && !strcmp(c[1].name, "red blood cell") && !strcmp(c[4].name, " #abc"), "names and count %d", n);
    t_check(c[1].rgb[0] == 0xe6 && c[1].rgb[1] == 0x19 && c[1].rgb[2] == 0x4b && c[2].rgb[0] == 0 && c[2].rgb[1] == 128, "colours, given and VOC's");
    json_t *v = dg_level_views(c, n), *one = json_object_get(v, "level1"), *two = json_object_get(v, "level2");
    t_check(json_object_size(v) == 2 && json_array_size(json_object_get(one, "classes")) == 4 && json_array_size(json_object_get(two, "classes")) == 5, "two levels");
    t_check(json_integer_value(json_array_get(json_object_get(one, "map"), 3)) == 2, "head***nose belongs to head");
    t_check(!strcmp(json_string_value(json_array_get(json_object_get(two, "classes"), 2)), "head***eye"), "the second level joins two parts");
    json_decref(v);
    static const struct { const char *text, *part; } bad[] = {
        { "one\n", "expected 2 to 255 class names" }, { "a\nb\na\n", "line 3: name \"a\" is used twice" }, { "a\nb\x01\n", "line 2: expected a string" }, { "a\n\xff\xfe\n", "line 2" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err e = { 0 };
        t_status(read_classes(bad[i].text, c, &n, &e), NN_EFORMAT, &e, bad[i].part, "list %zu", i);
    }
}

static void test_labelmap(void)
{
    static dg_class c[NN_VOID], d[NN_VOID];
    static bool coloured[NN_VOID];
    int n = 0;
    size_t count = 0;
    nn_err err = { 0 };
    nn_bytes b = { 0 };
    read_classes("background\nred cell\nx #010203\n", c, &n, &err);
    t_status(dg_labelmap_write(c, n, &b, &err), NN_OK, &err, NULL, "write: %s", err.msg);
    t_status(dg_labelmap_read((const char *)b.data, b.size, "labelmap.txt", d, coloured, NN_VOID, &count, &err), NN_OK, &err, NULL, "read back: %s", err.msg);
    t_check(count == 3, "3 classes, found %zu", count);
    for (size_t i = 0; i < count; i++) t_check(!strcmp(c[i].name, d[i].name) && !memcmp(c[i].rgb, d[i].rgb, 3), "class %zu comes back", i);
    nn_bytes_free(&b);
    static const char *const good = "# label:color_rgb:parts:actions\r\nb:0,0,0::\nc:255,1,2:left,right:run\nd:1,1,1";
    t_status(dg_labelmap_read(good, strlen(good), "m", d, coloured, NN_VOID, &count, &err), NN_OK, &err, NULL, "CVAT's: %s", err.msg);
    t_check(count == 3 && d[1].rgb[0] == 255 && d[2].rgb[2] == 1, "CVAT's colours");
    t_check(coloured[0] && coloured[1] && coloured[2], "all have a colour");
    static const char *const some = "a:::\nb:9,9,9::\nc::x:", *const none = "a:::\nb:\nc::x:";
    t_status(dg_labelmap_read(some, strlen(some), "m", d, coloured, NN_VOID, &count, &err), NN_OK, &err, NULL, "some without: %s", err.msg);
    t_check(count == 3 && !coloured[0] && coloured[1] && !coloured[2] && d[1].rgb[0] == 9, "a class may have no colour");
    t_status(dg_labelmap_read(none, strlen(none), "m", d, coloured, NN_VOID, &count, &err), NN_OK, &err, NULL, "none has one: %s", err.msg);
    t_check(count == 3 && coloured[0] && coloured[2] && d[0].rgb[0] == 0 && d[1].rgb[0] == 128 && d[2].rgb[1] == 128 && d[2].rgb[0] == 0, "then all have VOC's");
    static const char *const bad[] = { "b\n", "b:0,0\n", "b:0,0,256::\n", "b:0,0,0,0::\n", "b:-1,0,0::\n", "b:,,::\n", "a:::\nb: ::\n", ":::\n", "b:0,0,0::\nb:1,1,1::\n", ":0,0,0::\n", "b: 1,2,3\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err e = { 0 };
        t_status(dg_labelmap_read(bad[i], strlen(bad[i]), "m", d, coloured, NN_VOID, &count, &e), NN_EFORMAT, &e, "m: line", "refused: %s", bad[i]);
    }
    nn_err e = { 0 };
    t_status(dg_labelmap_read(good, strlen(good), "m", d, coloured, 2, &count, &e), NN_EFORMAT, &e, "at most 2", "no room");
    strcpy(c[1].name, "a:b");
    e = (nn_err){ 0 };
    t_status(dg_labelmap_write(c, n, &b, &e), NN_EINVAL, &e, "no ':'", "a name with a colon");
}

int main(void)
{
    test_kinds();
    test_equal_rows();
    test_against_definition();
    test_classes();
    test_labelmap();
    return t_done();
}
