/* test_eval.c: scores of labels against truth: which pixels, which classes, which files. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasetgan/calibration.h"
#include "tests/t.h"
#include "tests/tiny_interp.h"
#include "tests/tiny_set.h"

static const char *folder;
static nn_confusion matrix;
static nn_scores scores;

/* ---- two folders ------------------------------------------------------------------------------------------------------ */

/* A label map of one row, a digit a pixel, 'v' for void. */
static void put(const char *in, const char *name, const char *pixels)
{
    nn_err err = { 0 };
    nn_image im;
    char path[600];
    nn_format(path, sizeof path, "%s/%s", folder, in);
    if (nn_dir_make(path, &err) || nn_image_make(&im, (nn_dim)strlen(pixels), 1, 1, &err)) { t_fail("%s", err.msg); return; }
    for (nn_dim i = 0; i < im.width; i++) im.pixels[i] = pixels[i] == 'v' ? NN_VOID : (uint8_t)(pixels[i] - '0');
    if (nn_png_write(tiny_path(path, name), &im, NULL, &err)) t_fail("%s", err.msg);
    nn_image_free(&im);
}

static nn_status eval(const char *pred, const char *truth, int classes, const dg_map *map, nn_err *err)
{
    char p[600], t[600];
    nn_format(p, sizeof p, "%s/%s", folder, pred);
    nn_format(t, sizeof t, "%s/%s", folder, truth);
    *err = (nn_err){ 0 };
    const nn_status s = dg_eval_folders(p, t, classes, map, &matrix, err);
    if (!s) nn_confusion_scores(&matrix, &scores);
    return s;
}

static void test_folders(void)
{
    nn_err err;
    put("p", "a.png", "0011220");
    put("t", "a.png", "0012v20");
    put("p", "b.png", "11");
    put("t", "b_label.png", "10");
    t_status(eval("p", "t", 4, NULL, &err), NN_OK, &err, NULL, "two folders");
    /* Truth 0: 0 0 0 . 0 -> predictions 0 0 0 1; truth 1: 1 1 -> 1 1; truth 2: 2 2 -> 1 2; void: one pixel. */
    t_check(matrix.classes == 4 && scores.pixels == 8, "void is left out: %ju pixels", (uintmax_t)scores.pixels);
    t_check(matrix.count[0] == 3 && matrix.count[1] == 1 && matrix.count[5] == 2 && matrix.count[9] == 1 && matrix.count[10] == 1, "one matrix over both pairs");
    t_check(scores.iou[0] == 0.75 && scores.iou[1] == 0.5 && scores.iou[2] == 0.5 && isnan(scores.iou[3]), "IoU, absent class");
    t_limit(fabs(scores.miou - 1.75 / 3), 1e-15, "mIoU over the classes present");
    t_limit(fabs(scores.official - 1.75 / 4), 1e-8, "official: an absent class counts 0");
    t_check(scores.accuracy == 0.75, "pixel accuracy");
}

static void test_view(void)
{
    const dg_map map = { .class_count = 2, .map = { 0, 0, 1 } };
    nn_err err;
    put("vp", "a.png", "012012");
    put("vt", "a.png", "0010v1");
    t_status(eval("vp", "vt", 3, &map, &err), NN_OK, &err, NULL, "view");
    t_check(matrix.classes == 2 && scores.pixels == 5 && scores.accuracy == 1.0, "the map applies to predictions, not to the truth");
    put("vt", "a.png", "001002");
    t_status(eval("vp", "vt", 3, &map, &err), NN_EFORMAT, &err, "vt/a.png: class id 2 at column 5, row 0: expected 0..1 or 255", "a truth outside the view");
    put("vt", "a.png", "001001");
    put("vp", "a.png", "013012");
    t_status(eval("vp", "vt", 3, &map, &err), NN_EFORMAT, &err, "vp/a.png: class id 3 at column 2, row 0: expected 0..2", "a prediction outside the task");
    put("vp", "a.png", "01v012");
    t_status(eval("vp", "vt", 3, &map, &err), NN_EFORMAT, &err, "class id 255", "a void prediction");
}

/* A folder may hold pictures beside their labels, as shared/data/blood/real does. */
static void test_pairs(void)
{
    nn_err err;
    nn_image rgb;
    put("qp", "001.png", "01");
    put("qt", "001_label.png", "01");
    if (nn_image_make(&rgb, 5, 5, 3, &err)) return;
    nn_png_write(tiny_path(tiny_path(folder, "qt"), "001.png"), &rgb, NULL, &err);
    t_status(eval("qp", "qt", 2, NULL, &err), NN_OK, &err, NULL, "001.png beside 001_label.png is the picture");
    tiny_write(tiny_path(tiny_path(folder, "qt"), "notes.txt"), "x", 1);
    t_status(eval("qp", "qt", 2, NULL, &err), NN_OK, &err, NULL, "other files do not matter");
    t_check(scores.accuracy == 1.0 && scores.pixels == 2, "the label was read");
    put("qp", "002_label.png", "01");
    t_status(eval("qp", "qt", 2, NULL, &err), NN_EINVAL, &err, "qp/002_label.png: expected 002.png or 002_label.png in", "a prediction without truth");
    t_status(eval("qt", "qp", 2, NULL, &err), NN_EINVAL, &err, "qp/002_label.png: expected", "a truth without prediction");
    put("qt", "000.png", "01");
    t_status(eval("qp", "qt", 2, NULL, &err), NN_EINVAL, &err, "qt/000.png: expected", "the first of two lone files");
    put("qt", "002.png", "011");
    put("qp", "000_label.png", "01");
    t_status(eval("qp", "qt", 2, NULL, &err), NN_ESHAPE, &err, "qp/002_label.png: expected 3 x 1 as ", "another size");
    nn_png_write(tiny_path(tiny_path(folder, "qt"), "002.png"), &rgb, NULL, &err);
    t_check(eval("qp", "qt", 2, NULL, &err) == NN_EFORMAT && strstr(err.msg, "002.png"), "a truth in colours: %s", err.msg);
    t_status(eval("qp", "nowhere", 2, NULL, &err), NN_EIO, &err, "nowhere: opendir", "a missing folder");
    nn_dir_make(tiny_path(folder, "empty"), &err);
    t_status(eval("empty", "qt", 2, NULL, &err), NN_EINVAL, &err, "empty: expected label maps", "an empty folder");
    nn_image_free(&rgb);
}

/* ---- annotated pictures ------------------------------------------------------------------------------------------------ */

/* The same by hand, one picture at a time. */
static void by_hand(const dg_task *t, const char *split, const sg_model *m, const dg_interp *in, nn_confusion *out)
{
    nn_err err = { 0 };
    const nn_dim res = sg_get_config(m)->resolution;
    sg_work *wk = sg_work_open(m, 1, true, 1, &err);
    dg_labeller *l = dg_labeller_open(in, m, 1, &err);
    uint8_t *label = nn_alloc((size_t)(res * res), "test", &err);
    memset(out, 0, sizeof *out);
    out->classes = t->class_count;
    for (nn_dim i = 0; i < t->item_count && !err.status; i++) {
        dg_labels labels = { .label = label };
        nn_image truth;
        if (strcmp(t->item[i].split, split)) continue;
        sg_draw(m, wk, &t->item[i].seed, 1, &t->draw, NULL);
        dg_label(l, wk, 0, &labels);
        if (dg_item_label(t, &t->item[i], res, res, &truth, &err)) break;
        nn_confusion_add(out, truth.pixels, label, res * res, &err);
        nn_image_free(&truth);
    }
    if (err.status) t_fail("%s", err.msg);
    nn_free(label);
    dg_labeller_close(l);
    sg_work_close(wk);
}

static void test_task(void)
{
    static nn_confusion want;
    nn_err err = { 0 };
    dg_task t;
    dg_interp in, other;
    sg_model *m = tiny_generator(nn_kernels_pick("auto", &err));
    char set[600];
    nn_format(set, sizeof set, "%s/set", folder);
    tiny_set_make(set, m);
    if (dg_task_read(&t, tiny_path(set, "task.json"), &err)) { t_fail("%s", err.msg); return; }
    tiny_interp(&in, tiny_path(folder, "i.safetensors"), m, "tiny", "middle", 7);
    tiny_interp(&other, tiny_path(folder, "other.safetensors"), m, "tiny", "medium", 7);

    t_status(dg_eval_task(&t, "train", m, &in, &matrix, &err), NN_OK, &err, NULL, "train split");
    by_hand(&t, "train", m, &in, &want);
    t_same(&matrix, &want, sizeof want, "train split: the confusion matrix of three pictures");
    nn_confusion_scores(&matrix, &scores);
    t_check(scores.pixels == 3 * 32 * 32 - 5 * 32, "train split: void is left out");
    t_status(dg_eval_task(&t, "test", m, &in, &matrix, &err), NN_OK, &err, NULL, "test split");
    by_hand(&t, "test", m, &in, &want);
    t_same(&matrix, &want, sizeof want, "test split: the confusion matrix of one picture");
    omp_set_num_threads(3);
    t_status(dg_eval_task(&t, "test", m, &in, &matrix, &err), NN_OK, &err, NULL, "three threads");
    t_same(&matrix, &want, sizeof want, "three threads: the same");

    t_status(dg_eval_task(&t, "valid", m, &in, &matrix, &err), NN_EINVAL, &err, "no item has the split \"valid\"", "an empty split");
    err = (nn_err){ 0 };
    t_status(dg_eval_task(&t, "test", m, &other, &matrix, &err), NN_EMISMATCH, &err, "class 1 is 'middle' in the set, 'medium' in the interpreter", "other classes");
    err = (nn_err){ 0 };
    other.classes = 2;
    t_status(dg_eval_task(&t, "test", m, &other, &matrix, &err), NN_EMISMATCH, &err, "the set has 3 classes, the interpreter", "fewer classes");
    err = (nn_err){ 0 };
    other.generator[3] ^= 1;
    t_status(dg_eval_task(&t, "test", m, &other, &matrix, &err), NN_EMISMATCH, &err, "trained on generator", "an interpreter of another generator");
    err = (nn_err){ 0 };
    t.draw.psi = 0.2;
    t_status(dg_eval_task(&t, "test", m, &in, &matrix, &err), NN_EMISMATCH, &err, "differs from this picture", "pictures drawn otherwise");
    err = (nn_err){ 0 };
    t.generator_sha256[3] ^= 1;
    t_status(dg_eval_task(&t, "test", m, &in, &matrix, &err), NN_EMISMATCH, &err, "was drawn by generator", "a set of another generator");
    dg_interp_close(&in);
    dg_interp_close(&other);
    dg_task_free(&t);
    sg_close(m);
}

/* Five pixels, one void: two at 0.9 of which one is right, one at 0.6 wrong, one at 1.0 right. */
static void test_calibration(void)
{
    static const uint8_t truth[5] = { 0, 1, 1, 1, NN_VOID }, label[5] = { 0, 0, 0, 1, 1 };
    static const float mean[2 * 5] = { 0.9f, 0.9f, 0.6f, 0.0f, 0.3f, 0.1f, 0.1f, 0.4f, 1.0f, 0.7f };
    dg_calibration c = { 0 };
    nn_err err = { 0 };
    nn_bytes page = { 0 };
    dg_calibration_add(&c, truth, label, mean, 2, 5);
    dg_calibration_finish(&c);
    t_check(c.pixels == 4 && c.count[13] == 2 && c.right[13] == 1 && c.count[9] == 1 && c.right[9] == 0 && c.count[14] == 1 && c.right[14] == 1, "bins of 1/15");
    t_limit(fabs(c.confidence[13] - 0.9), 1e-7, "mean confidence of a bin");
    t_limit(fabs(c.ece - (0.8 + 0.6 + 0.0) / 4), 1e-7, "expected calibration error");
    t_limit(fabs(c.brier - (0.02 + 1.62 + 0.72 + 0.0) / 4), 1e-6, "Brier score");
    json_t *v = dg_calibration_json(&c, &err);
    t_check(v && json_array_size(json_object_get(v, "bins")) == 15 && json_number_value(json_object_get(v, "ece")) == c.ece
            && json_is_null(json_object_get(json_array_get(json_object_get(v, "bins"), 0), "accuracy")), "as JSON; an empty bin has no accuracy");
    json_decref(v);
    t_status(dg_calibration_page(&c, "a <b>", &page, &err), NN_OK, &err, NULL, "a page: %s", err.msg);
    char *text = nn_alloc(page.size + 1, "test", &err);
    if (text && page.size) memcpy(text, page.data, page.size);
    t_check(text && strstr(text, "a &lt;b&gt;") && strstr(text, "error 0.3500") && strstr(text, "<td>0.867 to 0.933</td><td>2</td><td>0.9000</td><td>0.5000</td>")
            && !strstr(text, "http") && strstr(text, "</html>"), "the page says so, escaped, and needs no network");
    nn_free(text);
    nn_bytes_free(&page);
}

int main(void)
{
    folder = t_folder("eval");
    test_folders();
    test_view();
    test_pairs();
    test_calibration();
    test_task();
    return t_done();
}
