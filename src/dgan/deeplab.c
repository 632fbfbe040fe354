/* deeplab.c: the segmentation network behind the public header. */
#include "dgan/deeplab.h"

#include <omp.h>
#include <string.h>
#include <unistd.h>

#include "deeplab/deeplab.h"
#include "dgan/handles.h"

struct dgan_segmenter { pid_t process; dl_model model; dl_predictor *predictor; };

static int take_options(dl_predict_options *out, const dgan_segment_options *o, dgan_error *err)
{
    dgan_segment_options d = DGAN_SEGMENT_INIT;
    if (o && dgan_take(&d, sizeof d, o, "segment", err)) return DGAN_EINVAL;
    if (!(d.scale == 0 || (d.scale >= 1e-3 && d.scale <= 100))) return dgan_refuse(err, "segmenter: scale: expected 0, or 0.001 to 100, found %g", d.scale);
    if (d.tile < 64 || d.tile > 4096) return dgan_refuse(err, "segmenter: tile: expected 64 to 4096, found %lld", (long long)d.tile);
    if (!(d.adapt >= 0 && d.adapt <= 1)) return dgan_refuse(err, "segmenter: adapt: expected 0 to 1, found %g", d.adapt);
    *out = (dl_predict_options){ d.scale, (nn_dim)d.tile, d.flips != 0, d.adapt, omp_get_max_threads(), NULL };
    return DGAN_OK;
}

dgan_segmenter *dgan_segmenter_open(const char *path, const char *kernels, const dgan_segment_options *o, dgan_error *err)
{
    nn_err own = { 0 };
    dl_predict_options how;
    if (!path) { dgan_refuse(err, "segmenter: expected a path, found NULL"); return NULL; }
    if (take_options(&how, o, err)) return NULL;
    const nn_kernels *k = nn_kernels_pick(kernels ? kernels : "auto", &own);
    dgan_segmenter *s = k ? nn_alloc(sizeof *s, path, &own) : NULL;
    if (s && dl_model_read(&s->model, path, &own) == NN_OK) {
        s->process = getpid();
        s->predictor = dl_predictor_open(&s->model, k, &how, &own);
        if (s->predictor) return s;
        dl_model_close(&s->model);
    }
    nn_free(s);
    dgan_give(err, &own);
    return NULL;
}

void dgan_segmenter_close(dgan_segmenter *s)
{
    if (!s) return;
    dl_predictor_close(s->predictor);
    dl_model_close(&s->model);
    nn_free(s);
}

int dgan_segmenter_classes(const dgan_segmenter *s) { return s ? s->model.class_count : 0; }
int64_t dgan_segmenter_size(const dgan_segmenter *s) { return s ? s->model.size : 0; }

const char *dgan_segmenter_class(const dgan_segmenter *s, int i, uint8_t rgb[3])
{
    if (!s || i < 0 || i >= s->model.class_count) return NULL;
    if (rgb) memcpy(rgb, s->model.class_at[i].rgb, 3);
    return s->model.class_at[i].name;
}

int dgan_segment(dgan_segmenter *s, const uint8_t *picture, int64_t height, int64_t width, int channels, uint8_t *label, float *probability,
                 dgan_progress progress, void *user, dgan_error *err)
{
    nn_err own = { 0 };
    if (!s || !picture || !label) return dgan_refuse(err, "segment: NULL argument");
    const int refused = dgan_check_process(s->process, "segmenter", err);
    if (refused) return refused;
    if (height < 1 || width < 1 || height > NN_IMAGE_MAX || width > NN_IMAGE_MAX || channels < 1 || channels > 4)
        return dgan_refuse(err, "segment: expected 1 to %d pixels a side and 1 to 4 channels, found %lldx%lld with %d", NN_IMAGE_MAX, (long long)width,
                           (long long)height, channels);
    const nn_image im = { (nn_dim)width, (nn_dim)height, channels, (uint8_t *)(uintptr_t)picture };        /* only read */
    dgan_listener l = { progress, user };
    const dl_progress p = { dgan_report, &l };
    dl_predict(s->predictor, &im, label, probability, &p, &own);
    return dgan_give(err, &own);
}
