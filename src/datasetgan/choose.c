/* choose.c: pictures that stand for all others. */
#include "datasetgan/choose.h"

#include <math.h>

nn_dim dg_picture_features_size(const sg_model *m, nn_dim *scratch)
{
    nn_dim D = 0;
    *scratch = 0;
    for (int i = 0; i < sg_tap_count(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        D += t->c;
        if (t->c * t->h * t->w > *scratch) *scratch = t->c * t->h * t->w;
    }
    return D;
}

/* How much of row y of a map lies in the rows that the picture keeps: 0 to resolution, of which a whole row has `resolution`. */
static nn_dim row_share(const sg_config *cfg, nn_dim rows, nn_dim y)
{
    const nn_dim first = y * cfg->resolution, last = first + cfg->resolution, top = cfg->top * rows, bottom = (cfg->top + cfg->height) * rows;
    const nn_dim share = (last < bottom ? last : bottom) - (first > top ? first : top);
    return share > 0 ? share : 0;
}

void dg_picture_features(const sg_model *m, const sg_work *wk, nn_dim n, real *features, real *scratch)
{
    const sg_config *cfg = sg_get_config(m);
    for (int i = 0; i < sg_tap_count(m); i++) {
        const sg_tap_info *t = sg_tap_at(m, i);
        nn_map_to_planar(sg_get_kernels(m)->layout, scratch, sg_tap(wk, n, i), t->c, t->h, t->w);
        for (nn_dim c = 0; c < t->c; c++) {
            double sum = 0.0;
            for (nn_dim y = 0; y < t->h; y++) {
                const double share = (double)row_share(cfg, t->h, y);
                const real *row = scratch + (c * t->h + y) * t->w;
                for (nn_dim x = 0; share > 0.0 && x < t->w; x++) sum += share * row[x];
            }
            *features++ = (real)(sum / (double)(cfg->height * t->h * t->w));
        }
    }
}

/* Each column to mean 0 and variance 1; one that does not vary to 0. */
static void standardise(real *x, nn_dim n, nn_dim D)
{
    #pragma omp parallel for
    for (nn_dim d = 0; d < D; d++) {
        double mean = 0.0, var = 0.0;
        for (nn_dim i = 0; i < n; i++) mean += x[i * D + d];
        mean /= (double)n;
        for (nn_dim i = 0; i < n; i++) var += (x[i * D + d] - mean) * (x[i * D + d] - mean);
        const double scale = var > 0.0 ? 1.0 / sqrt(var / (double)n) : 0.0;
        for (nn_dim i = 0; i < n; i++) x[i * D + d] = (real)((x[i * D + d] - mean) * scale);
    }
}

static void measure_distances(const real *x, nn_dim n, nn_dim D, float *distance)
{
    #pragma omp parallel for schedule(dynamic, 8)
    for (nn_dim i = 0; i < n; i++)
        for (nn_dim j = 0; j < i; j++) {
            double sum = 0.0;
            for (nn_dim d = 0; d < D; d++) sum += ((double)x[i * D + d] - x[j * D + d]) * ((double)x[i * D + d] - x[j * D + d]);
            distance[i * n + j] = distance[j * n + i] = (float)sum;
        }
}

nn_status dg_choose_spread(real *x, nn_dim n, nn_dim D, nn_dim k, nn_dim *chosen, nn_err *err)
{
    NN_ASSERT(k >= 1 && k <= n);
    float *distance = nn_alloc((size_t)(n * n) * sizeof *distance, "distances between all pictures to choose from", err);
    float *nearest = distance ? nn_alloc((size_t)n * sizeof *nearest, "distances to the chosen pictures", err) : NULL;
    double *sum = nearest ? nn_alloc((size_t)n * sizeof *sum, "sums of distances", err) : NULL;
    bool *taken = sum ? nn_alloc((size_t)n * sizeof *taken, "chosen pictures", err) : NULL;
    if (taken) {
        standardise(x, n, D);
        measure_distances(x, n, D, distance);
        for (nn_dim i = 0; i < n; i++) nearest[i] = INFINITY;
        for (nn_dim step = 0; step < k; step++) {
            #pragma omp parallel for
            for (nn_dim c = 0; c < n; c++) {
                sum[c] = 0.0;
                for (nn_dim i = 0; i < n; i++) sum[c] += fminf(nearest[i], distance[c * n + i]);
            }
            nn_dim best = -1;
            for (nn_dim c = 0; c < n; c++) if (!taken[c] && (best < 0 || sum[c] < sum[best])) best = c;
            chosen[step] = best;
            taken[best] = true;
            for (nn_dim i = 0; i < n; i++) nearest[i] = fminf(nearest[i], distance[best * n + i]);
        }
    }
    const nn_status s = taken ? NN_OK : NN_ENOMEM;
    nn_free(distance);
    nn_free(nearest);
    nn_free(sum);
    nn_free(taken);
    return s;
}
