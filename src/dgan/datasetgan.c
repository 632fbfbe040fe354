/* datasetgan.c: interpreters, training, labelling and dataset folders behind the public header. */
#include "dgan/handles.h"

#include <omp.h>
#include <string.h>
#include <unistd.h>

/* ---- interpreters ---------------------------------------------------------------------------------------------------- */

dgan_interpreter *dgan_interpreter_open(const char *path, dgan_error *err)
{
    nn_err own = { 0 };
    if (!path) { dgan_refuse(err, "interpreter: expected a path, found NULL"); return NULL; }
    dgan_interpreter *in = nn_alloc(sizeof *in, path, &own);
    if (in) {
        atomic_init(&in->owners, 1);
        if (dg_interp_open(&in->interp, path, &own) == NN_OK) return in;
        nn_free(in);
    }
    dgan_give(err, &own);
    return NULL;
}

dgan_interpreter *dgan_interpreter_retain(dgan_interpreter *in)
{
    if (in) atomic_fetch_add(&in->owners, 1);
    return in;
}

void dgan_interpreter_release(dgan_interpreter *in)
{
    if (!in || atomic_fetch_sub(&in->owners, 1) > 1) return;
    dg_interp_close(&in->interp);
    nn_free(in);
}

int dgan_interpreter_classes(const dgan_interpreter *in) { return in ? in->interp.classes : 0; }
const char *dgan_interpreter_identity(const dgan_interpreter *in) { return in ? in->interp.identity : NULL; }
const char *dgan_interpreter_generator(const dgan_interpreter *in) { return in ? in->interp.generator : NULL; }

const char *dgan_interpreter_class(const dgan_interpreter *in, int i, uint8_t rgb[3])
{
    if (!in || i < 0 || i >= in->interp.classes) return NULL;
    if (rgb) memcpy(rgb, in->interp.class_at[i].rgb, 3);
    return in->interp.class_at[i].name;
}

int dgan_interpreter_draw(const dgan_interpreter *in, dgan_draw *out, dgan_error *err)
{
    if (!in || !out) return dgan_refuse(err, "interpreter_draw: NULL argument");
    const sg_options *o = &in->interp.draw;
    const int noise = o->noise == SG_NOISE_CONST ? DGAN_NOISE_CONST : o->noise == SG_NOISE_NONE ? DGAN_NOISE_NONE : DGAN_NOISE_RANDOM;
    dgan_draw known = DGAN_DRAW_INIT;
    if (dgan_take(&known, sizeof known, out, "draw", err)) return DGAN_EINVAL;
    const size_t given = out->size;
    known = (dgan_draw){ given, o->psi, o->cutoff, noise, (int)o->class_id };
    memcpy(out, &known, given < sizeof known ? given : sizeof known);
    return DGAN_OK;
}

/* ---- training -------------------------------------------------------------------------------------------------------- */

/* What was given replaces the recipe's own; a width of 0 is a choice, too. */
static void own_or(double *recipe, double given) { if (!(given < 0)) *recipe = given; }
static void own_or_dim(nn_dim *recipe, int64_t given) { if (given >= 0) *recipe = (nn_dim)given; }
static void own_or_width(nn_dim *recipe, int64_t given) { own_or_dim(recipe, given); if (given == 0) *recipe = DG_NO_LAYER; }

static nn_status train(sg_model *m, const char *task, const char *out, const dgan_train_options *d, const dg_progress *p, nn_err *err)
{
    dg_task t = { 0 };
    dg_train_options o;
    if (dg_task_read(&t, task, err)) return err->status;
    if (sg_check_options(m, &t.draw, err) == NN_OK && dg_train_recipe(&o, d->recipe ? d->recipe : "default", t.class_count, err) == NN_OK) {
        nn_dim members = o.members;
        own_or_dim(&members, d->members > 1 << 20 ? 1 << 20 : d->members);      /* far beyond what is allowed, and an int */
        o.members = (int)members;
        o.seed = d->seed;
        own_or_dim(&o.batch, d->batch);
        own_or_width(&o.h1, d->width1);
        own_or_width(&o.h2, d->width2);
        own_or(&o.epochs, d->epochs);
        own_or(&o.lr, d->lr);
        own_or(&o.decay, d->decay);
        own_or(&o.dropout1, d->dropout1);
        own_or(&o.dropout2, d->dropout2);
        o.replace = d->replace != 0;
        dg_train(&t, d->split ? d->split : "train", m, &o, NULL, 0, out, p, err);
    }
    dg_task_free(&t);
    return err->status;
}

int dgan_train(dgan_generator *g, const char *task, const char *out, const dgan_train_options *o, dgan_progress progress, void *user,
               dgan_error *err)
{
    dgan_train_options d = DGAN_TRAIN_INIT;
    nn_err own = { 0 };
    if (!g || !task || !out) return dgan_refuse(err, "train: NULL argument");
    const int refused = dgan_check_process(g->process, "generator", err);
    if (refused) return refused;
    if (o && dgan_take(&d, sizeof d, o, "train", err)) return DGAN_EINVAL;
    dgan_listener l = { progress, user };
    const dg_progress p = { dgan_report, &l };
    train(g->model, task, out, &d, &p, &own);
    return dgan_give(err, &own);
}

/* ---- labelling ------------------------------------------------------------------------------------------------------- */

struct dgan_labeller { dgan_generator *generator; pid_t process; dg_labeller *labeller; };

dgan_labeller *dgan_labeller_open(dgan_generator *g, dgan_interpreter *in, dgan_error *err)
{
    if (!g || !in) { dgan_refuse(err, "labeller: the generator or the interpreter is NULL"); return NULL; }
    if (dgan_check_process(g->process, "generator", err)) return NULL;
    nn_err own = { 0 };
    dgan_labeller *l = nn_alloc(sizeof *l, "labeller", &own);
    dg_labeller *inside = l ? dg_labeller_open(&in->interp, g->model, omp_get_max_threads(), &own) : NULL;
    if (inside) {
        *l = (dgan_labeller){ dgan_generator_retain(g), getpid(), inside };      /* it keeps nothing of the interpreter */
        return l;
    }
    nn_free(l);
    dgan_give(err, &own);
    return NULL;
}

void dgan_labeller_close(dgan_labeller *l)
{
    if (!l) return;
    dg_labeller_close(l->labeller);
    dgan_generator_release(l->generator);
    nn_free(l);
}

int dgan_label(dgan_labeller *l, const dgan_drawer *d, int n, uint8_t *label, float *divergence, float *probability, double *uncertainty,
               dgan_error *err)
{
    if (!l || !d || !label) return dgan_refuse(err, "label: NULL argument");
    const int refused = dgan_check_process(l->process, "labeller", err);
    if (refused) return refused;
    if (l->generator != d->generator) return dgan_refuse(err, "label: the labeller and the drawer belong to different generators");
    if (!d->keep_taps) return dgan_refuse(err, "label: the drawer was opened without keep_taps");
    if (n < 0 || n >= d->drawn) return dgan_refuse(err, "label: expected a drawn picture, found picture %d of %d", n, d->drawn);
    dg_labels out = { .label = label, .divergence = divergence, .mean = probability };
    dg_label(l->labeller, d->work, n, &out);
    if (uncertainty) *uncertainty = out.uncertainty;
    return DGAN_OK;
}

/* ---- a dataset folder ------------------------------------------------------------------------------------------------ */

int dgan_dataset(dgan_generator *g, dgan_interpreter *in, const char *out, uint64_t first_seed, uint64_t count, const dgan_draw *draw,
                 dgan_progress progress, void *user, dgan_error *err)
{
    nn_err own = { 0 };
    if (!g || !in || !out) return dgan_refuse(err, "dataset: NULL argument");
    int refused = dgan_check_process(g->process, "generator", err);
    if (refused) return refused;
    dg_dataset_options o = { .count = count, .first_seed = first_seed, .batch = 4, .out = out, .version = DGAN_VERSION };
    if ((refused = dgan_take_draw(&o.draw, draw, &in->interp.draw, g->model, err)) != DGAN_OK) return refused;
    dg_dataset_result r;
    dgan_listener l = { progress, user };
    const dg_progress p = { dgan_report, &l };
    dg_dataset(g->model, &in->interp, &o, &p, &r, &own);
    return dgan_give(err, &own);
}
