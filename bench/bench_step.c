/* bench_step.c: processor time of training steps, one at a time, on request: bench_step.py alternates them with PyTorch's.
 *
 * usage: bench_step NET SIZE BATCH THREADS
 * Reads lines, does a step for each, prints its seconds of processor time and the loss.
 * A step: loss and every gradient of a batch (auxiliary head off), then Adam on all weights.  Making the batch is not in it. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "deeplab/net.h"
#include "nn/rng.h"

enum { CLASSES = 4 };

static void fill(real *x, real *target, real *weight, nn_dim pixels, nn_dim size)
{
    for (nn_dim i = 0; i < 3 * pixels; i++) x[i] = (real)nn_rng_normal(1, NN_RNG_AUGMENT, 0, (uint64_t)i);
    for (nn_dim p = 0; p < pixels; p++) {
        weight[p] = 1;
        target[p * CLASSES + (p / 7 + p / size / 9) % CLASSES] = 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) return fprintf(stderr, "usage: bench_step NET SIZE BATCH THREADS\n"), 2;
    const nn_dim size = atoi(argv[2]), batch = atoi(argv[3]), pixels = batch * size * size;
    const int threads = atoi(argv[4]);
    if (size < 1 || batch < 1 || threads < 1) return fprintf(stderr, "bench_step: expected SIZE, BATCH and THREADS from 1 on\n"), 2;
    nn_err err = { 0 };
    dl_net net;
    const nn_kernels *k = nn_kernels_pick("auto", &err);
    if (!k || dl_net_open(&net, &(dl_choice){ .kind = argv[1], .classes = CLASSES, .output_stride = 8 }, &err)) return fprintf(stderr, "%s\n", err.msg), 1;
    dl_net_init(&net, 1);
    dl_work *work = dl_work_open(&net, batch, size, size, true, threads, &err);
    real *state = nn_alloc((size_t)(3 * net.param_count) * sizeof *state, "state", &err), *target = nn_alloc((size_t)(pixels * (CLASSES + 1)) * sizeof *target, "batch", &err);
    if (!work || !state || !target) return fprintf(stderr, "%s\n", err.msg), 1;
    real *grad = state, *m1 = state + net.param_count, *m2 = m1 + net.param_count;
    fill(dl_work_input(work), target, target + pixels * CLASSES, pixels, size);
    for (int step = 0; getchar() != EOF; step++) {
        const double start = bench_cpu();
        const double loss = dl_gradient(k, &net, work, target, target + pixels * CLASSES, grad, 1, (uint32_t)step);
        k->adam(net.param, m1, m2, grad, net.param_count, &(nn_adam){ 1e-4, 0.9, 0.999, 1e-8, 0, step + 1 });
        printf("%.6f %.6f\n", bench_cpu() - start, loss);
        fflush(stdout);
    }
    dl_work_close(work);
    dl_net_close(&net);
    nn_free(state);
    nn_free(target);
    return 0;
}
