/* precision.c: what a reduced precision changes, measured where it is used. */
#include <math.h>
#include <omp.h>

#include "datasetgan/datasetgan.h"

/* Both precisions' answers for picture 0 of wk. */
static nn_status label_twice(const sg_model *m, const dg_interp *in, const sg_work *wk, dg_labels out[2], nn_err *err)
{
    for (int i = 0; i < 2; i++) {
        dg_interp as = *in;
        if (i == 0) as.precision = NN_FP32;
        dg_labeller *l = dg_labeller_open(&as, m, omp_get_max_threads(), err);
        if (!l) return NN_ENOMEM;
        dg_label(l, wk, 0, &out[i]);
        dg_labeller_close(l);
    }
    return NN_OK;
}

nn_status dg_precision_measure(const sg_model *m, const dg_interp *in, uint32_t seed, const sg_options *draw, dg_precision_effect *e, nn_err *err)
{
    const sg_config *c = sg_get_config(m);
    const nn_dim pixels = c->resolution * c->height, numbers = in->classes * pixels;
    *e = (dg_precision_effect){ .pixels = (uint64_t)pixels };
    nn_status s = dg_interp_check(in, m, err);
    if (s) return s;
    sg_work *wk = sg_work_open(m, 1, true, omp_get_max_threads(), err);
    uint8_t *label = wk ? nn_alloc((size_t)(2 * pixels), "label maps", err) : NULL;
    float *mean = label ? nn_alloc((size_t)(2 * numbers) * sizeof *mean, "class probabilities", err) : NULL;
    if (mean) {
        dg_labels out[2] = { { .label = label, .mean = mean }, { .label = label + pixels, .mean = mean + numbers } };
        sg_draw(m, wk, &seed, 1, draw, NULL);
        if (label_twice(m, in, wk, out, err) == NN_OK) {
            for (nn_dim p = 0; p < pixels; p++) e->differ += out[0].label[p] != out[1].label[p];
            for (nn_dim i = 0; i < numbers; i++) {
                const double d = fabs((double)out[0].mean[i] - (double)out[1].mean[i]);
                e->average += d / (double)numbers;
                if (!(d <= e->largest)) e->largest = d;
            }
        }
    }
    nn_free(mean);
    nn_free(label);
    sg_work_close(wk);
    return err->status;
}
