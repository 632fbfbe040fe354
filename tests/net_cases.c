/* net_cases.c: the pixel classifier against ten training steps of PyTorch in float64 (tests/golden/make_interpreter.py), and
 * against finite differences.  Compiled in float for every row of kernels, and in double (tests/f64) for the row `ref`.
 *
 * Tolerances (docs/NUMERICS.md).  A gradient passes three products, two batch norms and as many ways back: the sum of those
 * roundings is about 4 sqrt(D + B + h1 + ...) = 50 units; three times that is allowed, in either precision.  Adam divides a
 * gradient by its own size, so parameters move by a share of the rate and stay closer than the gradients are. */
#include <math.h>
#include <string.h>

#include "datasetgan/net.h"
#include "datasetgan/train.h"
#include "tests/golden.h"

void net_cases(const nn_kernels *k);

enum { D = 40, H1 = 24, H2 = 12, K = 6, B = 48, STEPS = 10, LAST = 29 };       /* make_interpreter.py */
static const dg_net_size size = { D, H1, H2, K };
static const dg_train_options recipe = { .lr = 4e-3, .decay = 0.05, .one_cycle = true };
static const bool is_double = sizeof(real) == 8;

/* Every tensor of the network: name as in PyTorch, where it lies, whether ours is (in,out) and theirs (out,in). */
typedef struct { const char *name; real *at, *grad, *m, *v; nn_dim in, out; } tensor;
enum { PARAMS = 10, TENSORS = 14 };

static void list(const dg_net *n, tensor t[TENSORS])
{
    const dg_params *p = &n->p;
    const tensor all[TENSORS] = {
        { .name = "layer1.weight", .at = p->w1, .in = D, .out = H1 }, { .name = "layer1.bias", .at = p->b1, .in = 1, .out = H1 },
        { .name = "norm1.weight", .at = p->g1, .in = 1, .out = H1 },  { .name = "norm1.bias", .at = p->e1, .in = 1, .out = H1 },
        { .name = "layer2.weight", .at = p->w2, .in = H1, .out = H2 }, { .name = "layer2.bias", .at = p->b2, .in = 1, .out = H2 },
        { .name = "norm2.weight", .at = p->g2, .in = 1, .out = H2 },  { .name = "norm2.bias", .at = p->e2, .in = 1, .out = H2 },
        { .name = "layer3.weight", .at = p->w3, .in = H2, .out = K }, { .name = "layer3.bias", .at = p->b3, .in = 1, .out = K },
        { .name = "norm1.running_mean", .at = n->run_mean1, .in = 1, .out = H1 },
        { .name = "norm1.running_var", .at = n->run_var1, .in = 1, .out = H1 },
        { .name = "norm2.running_mean", .at = n->run_mean2, .in = 1, .out = H2 },
        { .name = "norm2.running_var", .at = n->run_var2, .in = 1, .out = H2 },
    };
    memcpy(t, all, sizeof all);
    for (int i = 0; i < PARAMS; i++) {
        t[i].grad = n->grad + (t[i].at - n->param);
        t[i].m = n->m + (t[i].at - n->param);
        t[i].v = n->v + (t[i].at - n->param);
    }
}

static void transposed(real *to, const real *from, nn_dim rows, nn_dim cols)
{
    for (nn_dim r = 0; r < rows; r++) for (nn_dim c = 0; c < cols; c++) to[c * rows + r] = from[r * cols + c];
}

static void compare(const real *ours, const tensor *t, const char *prefix, double units, const char *row)
{
    real theirs[D * H1];
    transposed(theirs, golden(t->in * t->out, "%s.%s", prefix, t->name), t->out, t->in);
    t_close(ours, theirs, t->in * t->out, units, "%s: %s.%s", row, prefix, t->name);
}

static void set_initial(dg_net *n)
{
    tensor t[TENSORS];
    memset(n->state, 0, (size_t)n->state_count * sizeof *n->state);
    list(n, t);
    for (int i = 0; i < TENSORS; i++) transposed(t[i].at, golden(t[i].in * t[i].out, "init.%s", t[i].name), t[i].out, t[i].in);
}

static void batch(int s, const real **x, uint8_t label[B])
{
    *x = golden(STEPS * B * D, "x") + s * B * D;
    const real *y = golden(STEPS * B, "label") + s * B;
    for (int i = 0; i < B; i++) label[i] = (uint8_t)y[i];
}

static void compare_loss(double got, double want, double units, const char *row, const char *what)
{
    const real g = (real)got, w = (real)want;
    t_close(&g, &w, 1, units, "%s: %s", row, what);
}

static void ten_steps(dg_net *n, const char *row)
{
    tensor t[TENSORS];
    uint8_t label[B];
    const real *x, *loss = golden(STEPS, "loss");
    set_initial(n);
    list(n, t);
    for (int s = 0; s < STEPS; s++) {
        const dg_step step = { .adam = dg_train_schedule(&recipe, s, STEPS) };
        char what[24];
        batch(s, &x, label);
        nn_format(what, sizeof what, "loss %d", s);
        compare_loss(dg_net_step(n, &(dg_rows){ .own = x }, label, s == STEPS - 1 ? LAST : B, &step), (double)loss[s], 5, row, what);
        for (int i = 0; s == 0 && i < PARAMS; i++) compare(t[i].grad, &t[i], "grad", 150, row);
    }
    for (int i = 0; i < TENSORS; i++) compare(t[i].at, &t[i], "final", 20, row);
    for (int i = 0; i < PARAMS; i++) compare(t[i].m, &t[i], "moment1", 200, row);
    for (int i = 0; i < PARAMS; i++) compare(t[i].v, &t[i], "moment2", 200, row);
}

static const dg_step dropped = { .adam = { .step = 7 }, .dropout1 = 0.4, .dropout2 = 0.2, .seed = UINT64_C(0x123456789ABCDEF) };

static void dropout(dg_net *n, const char *row)
{
    tensor t[TENSORS];
    uint8_t label[B];
    const real *x;
    set_initial(n);
    list(n, t);
    batch(0, &x, label);
    compare_loss(dg_net_gradient(n, &(dg_rows){ .own = x }, label, B, &dropped), (double)*golden(1, "dropped.loss"), 5, row, "dropped.loss");
    for (int i = 0; i < PARAMS; i++) compare(t[i].grad, &t[i], "dropped", 150, row);
}

/* (L(p+h) - L(p-h)) / 2h of every parameter.  A parameter whose steps carry some ReLU across 0 has no derivative there: it is
 * left out, and those must be few. */
static void finite_differences(dg_net *n, const dg_step *o, const char *what)
{
    enum { ACTIVE = B * (H1 + H2) };
    const double h = 1e-6;
    uint8_t label[B], active[3][ACTIVE];
    const real *x;
    real *gradient = golden_room(n->param_count, NULL);
    if (n->size.h2) set_initial(n);
    else {                                                /* no golden file for these: numbers of an order like theirs */
        dg_net_init(n, 7);
        for (nn_dim i = 0; i < n->param_count; i++) n->param[i] += (real)(0.2 * nn_rng_normal(7, NN_RNG_TEST, 1, (uint64_t)i));
    }
    const nn_dim first = B * n->size.h1, second = B * n->size.h2;
    memset(active, 0, sizeof active);
    batch(1, &x, label);
    dg_net_gradient(n, &(dg_rows){ .own = x }, label, B, o);
    memcpy(gradient, n->grad, (size_t)n->param_count * sizeof *gradient);
    double square = 0.0, worst = 0.0;
    for (nn_dim i = 0; i < n->param_count; i++) square += (double)gradient[i] * gradient[i];
    const double rms = sqrt(square / (double)n->param_count);
    int crossed = 0;
    for (nn_dim i = 0; i < n->param_count; i++) {
        double loss[3];
        const real held = n->param[i];
        for (int side = 0; side < 3; side++) {
            n->param[i] = held + (real)((side - 1) * h);
            loss[side] = dg_net_gradient(n, &(dg_rows){ .own = x }, label, B, o);
            for (nn_dim j = 0; j < first; j++) active[side][j] = n->r1[j] > 0;
            for (nn_dim j = 0; j < second; j++) active[side][first + j] = n->r2[j] > 0;
        }
        n->param[i] = held;
        if (memcmp(active[0], active[1], ACTIVE) || memcmp(active[2], active[1], ACTIVE)) { crossed++; continue; }
        const double e = fabs((loss[2] - loss[0]) / (2.0 * h) - (double)gradient[i]) / fmax(fabs((double)gradient[i]), rms);
        if (!(e <= worst)) worst = e;
    }
    t_limit(worst, 1e-7, "double: finite differences of the network%s, %td parameters", what, n->param_count);
    t_limit(crossed, 0.02 * (double)n->param_count, "double: parameters left out%s", what);
    t_guarded_free(gradient);
}

static const real weight[K] = { (real)0.25, 1, (real)3.5, (real)0.75, 2, 1 };

/* Networks with fewer hidden layers, and weighted classes. */
static void other_networks(const nn_kernels *k)
{
    static const struct { const char *what; nn_dim h1, h2; double dropout; } net[] = {
        { ", one hidden layer, dropout, class weights", H1, 0, 0.3 }, { ", no hidden layer, class weights", 0, 0, 0.0 } };
    for (size_t i = 0; i < sizeof net / sizeof *net; i++) {
        nn_err err = { 0 };
        dg_net n;
        const dg_step step = { .adam = { .step = 3 }, .dropout1 = net[i].dropout, .seed = 4, .class_weight = weight };
        if (dg_net_open(&n, k, (dg_net_size){ D, net[i].h1, net[i].h2, K }, B, (dg_shared){ 0 }, &err)) { t_fail("%s", err.msg); return; }
        finite_differences(&n, &step, net[i].what);
        dg_net_close(&n);
    }
}

/* Equal weights change nothing; the loss with others is the weighted mean, said once more. */
static void class_weights(dg_net *n, const char *row)
{
    uint8_t label[B];
    const real *x;
    real *plain = golden_room(n->param_count, NULL);
    const real same[K] = { 3, 3, 3, 3, 3, 3 };
    double sum = 0.0, total = 0.0;
    set_initial(n);
    batch(1, &x, label);
    const double loss = dg_net_gradient(n, &(dg_rows){ .own = x }, label, B, &(dg_step){ .adam = { .step = 1 } });
    memcpy(plain, n->grad, (size_t)n->param_count * sizeof *plain);
    compare_loss(dg_net_gradient(n, &(dg_rows){ .own = x }, label, B, &(dg_step){ .adam = { .step = 1 }, .class_weight = same }), loss, 5, row, "equal class weights: loss");
    t_close(n->grad, plain, n->param_count, 150, "%s: equal class weights: gradient", row);
    for (int i = 0; i < B; i++) {
        const real *l = n->logit + i * K;
        double e = 0.0;
        for (int c = 0; c < K; c++) e += exp((double)l[c]);
        sum += (double)weight[label[i]] * (log(e) - (double)l[label[i]]);
        total += (double)weight[label[i]];
    }
    compare_loss(dg_net_gradient(n, &(dg_rows){ .own = x }, label, B, &(dg_step){ .adam = { .step = 1 }, .class_weight = weight }), sum / total, 10, row, "class weights: loss");
    t_guarded_free(plain);
}

/* Two small maps of 7 and 11 positions, which some rows read twice and some positions nobody reads, against the same features gathered. */
enum { MAP1 = 9, MAP2 = 14, AT1 = 7, AT2 = 11, OWN = D - MAP1 - MAP2 };
static const dg_shared shared = { 2, AT1 + AT2, MAP1 + MAP2 };

static void small_maps(dg_net *n, const char *row)
{
    enum { TAPS = 8 };
    uint8_t label[B];
    const real *x;
    real own[B * OWN], gathered[B * D] = { 0 }, map[AT1 * MAP1 + AT2 * MAP2], tap_weight[B * TAPS];
    int32_t position[B * TAPS];
    const dg_small_map maps[2] = { { map, AT1, MAP1 }, { map + AT1 * MAP1, AT2, MAP2 } };
    batch(2, &x, label);
    for (int i = 0; i < AT1 * MAP1 + AT2 * MAP2; i++) map[i] = (real)nn_rng_normal(11, NN_RNG_TEST, 2, (uint64_t)i);
    for (int r = 0; r < B; r++)
        for (int t = 0; t < TAPS; t++) {
            const int second = t >= 4, at = (r * 5 + t * t) % (second ? AT2 - 1 : AT1);
            const real w = (real)(0.1 * (1 + (r + 3 * t) % 7));
            position[r * TAPS + t] = at + second * AT1;
            tap_weight[r * TAPS + t] = w;
            for (int c = 0; c < (second ? MAP2 : MAP1); c++) gathered[r * D + second * MAP1 + c] += w * maps[second].x[at * maps[second].c + c];
        }
    for (int r = 0; r < B; r++) {
        memcpy(own + r * OWN, x + r * D + MAP1 + MAP2, OWN * sizeof *own);
        memcpy(gathered + r * D + MAP1 + MAP2, own + r * OWN, OWN * sizeof *own);
    }
    real *plain = golden_room(n->param_count, NULL);
    set_initial(n);
    const double loss = dg_net_gradient(n, &(dg_rows){ .own = gathered }, label, LAST, &dropped);
    memcpy(plain, n->grad, (size_t)n->param_count * sizeof *plain);
    set_initial(n);
    compare_loss(dg_net_gradient(n, &(dg_rows){ own, 2, maps, position, tap_weight }, label, LAST, &dropped), loss, 5, row, "small maps: loss");
    t_close(n->grad, plain, n->param_count, 150, "%s: small maps: gradient as of gathered features", row);
    t_guarded_free(plain);
}

/* A step that meets what is not finite says so. */
static void refused_step(dg_net *n, const real *x, const char *row, const char *what)
{
    uint8_t label[B];
    const real *ignored;
    const dg_step step = { .adam = dg_train_schedule(&recipe, 0, STEPS) };
    batch(0, &ignored, label);
    const double loss = dg_net_step(n, &(dg_rows){ .own = x }, label, B, &step);
    t_check(isnan(loss), "%s: %s ends the step with NaN, found loss %g", row, what, loss);
}

static void not_finite(dg_net *n, const char *row)
{
    enum { COLUMN = 3 };
    real *x = golden_room(B * D, golden(STEPS * B * D, "x"));
    set_initial(n);
    x[5 * D + COLUMN] = NAN;
    refused_step(n, x, row, "a feature that is NaN");
    set_initial(n);
    x[5 * D + COLUMN] = INFINITY;
    refused_step(n, x, row, "a feature that is infinite");
    if (is_double) {                                      /* a finite loss whose gradient overflows: the column has no weight yet */
        set_initial(n);
        x[5 * D + COLUMN] = (real)1e200;
        for (int i = 0; i < H1; i++) n->p.w1[COLUMN * H1 + i] = 0;
        refused_step(n, x, row, "a gradient that overflows");
    }
    t_guarded_free(x);
}

static void initialisation(dg_net *n, const char *row)
{
    const uint64_t seed = 99;
    memset(n->state, 0xff, (size_t)n->state_count * sizeof *n->state);
    dg_net_init(n, seed);
    const struct { const char *name; const real *w; nn_dim in, out; } layer[] = {
        { "1", n->p.w1, D, H1 }, { "2", n->p.w2, H1, H2 }, { "3", n->p.w3, H2, K } };
    for (uint32_t l = 0; l < 3; l++) {
        bool same = true;
        for (nn_dim o = 0; o < layer[l].out; o++)
            for (nn_dim i = 0; i < layer[l].in; i++)
                same &= layer[l].w[i * layer[l].out + o] == (real)(0.02 * nn_rng_normal(seed, NN_RNG_INIT, l + 1, (uint64_t)(o * layer[l].in + i)));
        t_check(same, "%s: weights of layer %s come from their own numbers", row, layer[l].name);
    }
    const struct { const char *name; const real *at; nn_dim n; real value; } rest[] = {
        { "bias 1", n->p.b1, H1, 0 }, { "gamma 1", n->p.g1, H1, 1 }, { "beta 1", n->p.e1, H1, 0 }, { "bias 2", n->p.b2, H2, 0 },
        { "gamma 2", n->p.g2, H2, 1 }, { "beta 2", n->p.e2, H2, 0 }, { "bias 3", n->p.b3, K, 0 }, { "mean 1", n->run_mean1, H1, 0 },
        { "var 1", n->run_var1, H1, 1 }, { "mean 2", n->run_mean2, H2, 0 }, { "var 2", n->run_var2, H2, 1 },
        { "moments", n->m, 2 * n->param_count, 0 } };
    for (size_t r = 0; r < sizeof rest / sizeof *rest; r++) {
        bool same = true;
        for (nn_dim i = 0; i < rest[r].n; i++) same &= rest[r].at[i] == rest[r].value;
        t_check(same, "%s: %s starts at %g", row, rest[r].name, (double)rest[r].value);
    }
}

void net_cases(const nn_kernels *k)
{
    if (!k) k = &nn_kernels_ref;
    const char *row = is_double ? "double" : k->name;
    nn_err err = { 0 };
    dg_net n;
    golden_open("tests/golden/interpreter.safetensors");
    if (dg_net_open(&n, k, size, B, shared, &err)) { t_fail("%s: %s", row, err.msg); return; }
    ten_steps(&n, row);
    dropout(&n, row);
    initialisation(&n, row);
    not_finite(&n, row);
    class_weights(&n, row);
    small_maps(&n, row);
    if (is_double) {
        finite_differences(&n, &(dg_step){ .adam = { .step = 1 } }, "");
        finite_differences(&n, &dropped, ", dropout");
        finite_differences(&n, &(dg_step){ .adam = { .step = 1 }, .class_weight = weight }, ", class weights");
        other_networks(k);
    }
    dg_net_close(&n);
    golden_close();
}
