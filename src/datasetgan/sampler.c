/* sampler.c: samples of given seeds: drawn, labelled, measured, encoded.  Nothing here touches the disk. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "datasetgan/label.h"
#include "datasetgan/set.h"
#include "nn/hash.h"

nn_status dg_sampler_open(dg_sampler *s, const sg_model *m, const dg_interp *in, const dg_dataset_options *o, nn_dim batch, nn_err *err)
{
    const sg_config *cfg = sg_get_config(m);
    const int threads = omp_get_max_threads();
    *s = (dg_sampler){ .m = m, .in = in, .o = o, .batch = batch };
    s->palette.count = in->classes;
    for (int c = 0; c < in->classes; c++) memcpy(s->palette.rgb[c], in->class_at[c].rgb, 3);
    s->work = sg_work_open(m, batch, true, threads, err);
    s->labeller = s->work ? dg_labeller_open(in, m, threads, err) : NULL;
    s->at = s->labeller ? nn_alloc((size_t)batch * sizeof *s->at, "dataset: a batch", err) : NULL;
    s->seed = s->at ? nn_alloc((size_t)batch * sizeof *s->seed, "dataset: a batch", err) : NULL;
    real *const latents = s->seed ? nn_alloc(dg_draw_room(m, batch) * sizeof *latents, "dataset: latents of a batch", err) : NULL;
    if (latents) s->part = dg_draw_split(m, latents);
    s->divergence = latents ? nn_alloc((size_t)(cfg->resolution * cfg->height) * sizeof *s->divergence, "a map of uncertainties", err) : NULL;
    nn_status st = s->divergence ? NN_OK : err->status;
    for (nn_dim i = 0; i < batch && !st; i++) {
        st = nn_image_make(&s->at[i].picture, cfg->resolution, cfg->height, cfg->img_channels, err);
        if (!st) st = nn_image_make(&s->at[i].label, cfg->resolution, cfg->height, 1, err);
    }
    return st;
}

void dg_sampler_free_files(dg_slot *t)
{
    nn_bytes_free(&t->picture_png);
    nn_bytes_free(&t->label_png);
}

void dg_sampler_close(dg_sampler *s)
{
    for (nn_dim i = 0; s->at && i < s->batch; i++) {
        nn_image_free(&s->at[i].picture);
        nn_image_free(&s->at[i].label);
        dg_sampler_free_files(&s->at[i]);
    }
    nn_free(s->at);
    nn_free(s->seed);
    nn_free(s->part.z);
    nn_free(s->divergence);
    dg_labeller_close(s->labeller);
    sg_work_close(s->work);
}

/* s->part.z of picture n of the stream.  np.random.seed(start), then randn(1, 512) a picture.  (train_interpreter.py generate_data) */
static void take_z(dg_sampler *s, uint64_t n)
{
    if (n < s->next || s->next == 0) {
        nn_numpy_seed(&s->stream, s->o->vary.z_stream);
        s->next = 0;
    }
    for (; s->next <= n; s->next++)
        for (nn_dim i = 0; i < sg_get_config(s->m)->z_dim; i++) s->part.z[i] = (real)(float)nn_numpy_randn(&s->stream);
}

double dg_mean_divergence(const float *divergence, nn_dim n)
{
    double sum = 0.0;
    for (nn_dim i = 0; i < n; i++) sum += divergence[i];
    return sum / (double)n;
}

/* Count, hash and encode a labelled picture: pure, so the batch is shared out over threads. */
static void finish_sample(const dg_sampler *s, dg_slot *t)
{
    dg_sample *sample = &t->sample;
    memset(sample->pixels, 0, sizeof sample->pixels);
    for (nn_dim p = 0; p < t->label.width * t->label.height; p++) sample->pixels[t->label.pixels[p]]++;
    dg_vary_picture(&t->picture, &sample->vary);
    nn_status st = dg_pair_hash(&t->picture, &t->label, sample->sha256, &t->err);
    if (!st) st = nn_png_encode(&t->picture, NULL, &t->picture_png, &t->err);
    if (!st) st = nn_png_encode(&t->label, &s->palette, &t->label_png, &t->err);
    if (!st) st = nn_hash_once(t->picture_png.data, t->picture_png.size, sample->file_sha256[0], &t->err);
    if (!st) nn_hash_once(t->label_png.data, t->label_png.size, sample->file_sha256[1], &t->err);
}

nn_status dg_sampler_make(dg_sampler *s, nn_dim n, nn_err *err)
{
    for (nn_dim i = 0; i < n; i++) {
        s->at[i].sample.seed = s->seed[i];
        dg_vary_choose(&s->at[i].sample.vary, &s->o->vary, s->o->draw.psi, sg_get_config(s->m)->num_ws, s->seed[i]);
    }
    if (dg_vary_latents(&s->o->vary)) {
        const sg_config *c = sg_get_config(s->m);
        for (nn_dim i = 0; i < n; i++) {
            if (s->o->vary.one_stream) take_z(s, s->seed[i]);
            else sg_z(s->m, s->seed[i], s->part.z);
            dg_vary_ws(s->m, &s->o->draw, &s->at[i].sample.vary, s->part.z, s->part.ws + i * c->num_ws * c->w_dim, s->part.room);
        }
        sg_synthesis(s->m, s->work, s->part.ws, n, s->o->draw.noise, s->seed);
    } else sg_draw(s->m, s->work, s->seed, n, &s->o->draw, NULL);
    for (nn_dim i = 0; i < n; i++) {
        dg_slot *t = &s->at[i];
        dg_labels labels = { .label = t->label.pixels, .divergence = s->divergence };
        nn_image_from_planar(&t->picture, sg_picture(s->work, i));
        dg_label(s->labeller, s->work, i, &labels);
        t->sample.uncertainty = labels.uncertainty;
        t->sample.uncertainty_mean = dg_mean_divergence(s->divergence, t->label.width * t->label.height);
    }
    #pragma omp parallel for schedule(dynamic)
    for (nn_dim i = 0; i < n; i++) finish_sample(s, &s->at[i]);
    for (nn_dim i = 0; i < n; i++) {
        const dg_slot *t = &s->at[i];
        if (t->err.status) return nn_fail(err, t->err.status, "%s", t->err.msg);
        if (!isfinite(t->sample.uncertainty))
            return nn_fail(err, NN_EFORMAT, "seed %u: the features of this picture are not finite", (unsigned)t->sample.seed);
    }
    return NN_OK;
}
