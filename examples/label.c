/* label.c: train an interpreter, label one picture, say what share of it each class has.
 *
 * cc label.c $(pkg-config --cflags --libs datasetgan) -o label
 * ./label PREFIX/share/datasetgan/blood128 interpreter.safetensors 7 [EPOCHS] */
#include <dgan/datasetgan.h>
#include <stdio.h>
#include <stdlib.h>

/* A long call asks now and then; anything but 0 stops it, and the same call goes on from there. */
static int progress(void *user, const char *what, double done, double total, double loss)
{
    (void)user;
    if (done == total) printf("trained: %s, loss %.3f\n", what, loss);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) { fprintf(stderr, "usage: label BUNDLE INTERPRETER SEED [EPOCHS]\n"); return 2; }
    char generator[1024], task[1024];
    snprintf(generator, sizeof generator, "%s/generator.safetensors", argv[1]);
    snprintf(task, sizeof task, "%s/annotations/task.json", argv[1]);
    const uint32_t seed = (uint32_t)strtoul(argv[3], NULL, 10);

    /* A call that is given the NULL of one that failed does nothing and keeps the first error: one check at the end is enough. */
    dgan_error err = { 0 };
    dgan_train_options o = DGAN_TRAIN_INIT;
    dgan_draw draw = DGAN_DRAW_INIT;
    if (argc > 4) { o.epochs = strtod(argv[4], NULL); o.members = 2; }
    dgan_generator *g = dgan_generator_open(generator, NULL, &err);
    dgan_train(g, task, argv[2], &o, progress, NULL, &err);
    dgan_interpreter *in = dgan_interpreter_open(argv[2], &err);
    dgan_interpreter_draw(in, &draw, &err);
    dgan_drawer *d = dgan_drawer_open(g, 1, 1, &err);
    dgan_draw_seeds(d, &seed, 1, &draw, &err);
    dgan_labeller *l = dgan_labeller_open(g, in, &err);
    const size_t pixels = (size_t)(dgan_generator_resolution(g) * dgan_generator_height(g));
    uint8_t *label = malloc(pixels + 1);
    double uncertainty = 0;
    if (label && dgan_label(l, d, 0, label, NULL, NULL, &uncertainty, &err) == DGAN_OK) {
        size_t count[256] = { 0 };
        for (size_t i = 0; i < pixels; i++) count[label[i]]++;
        for (int c = 0; c < dgan_interpreter_classes(in); c++)
            printf("%-16s %5.1f %%\n", dgan_interpreter_class(in, c, NULL), 100.0 * (double)count[c] / (double)pixels);
        printf("uncertainty %.4f nats\n", uncertainty);
    }
    free(label);
    dgan_labeller_close(l);
    dgan_drawer_close(d);
    dgan_interpreter_release(in);
    dgan_generator_release(g);
    if (err.status) fprintf(stderr, "label: %s\n", err.message);
    return err.status != DGAN_OK;
}
