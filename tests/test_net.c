/* test_net.c: the pixel classifier in float with every row of kernels and in double (cases: net_cases.c), and the schedule. */
#include "datasetgan/train.h"
#include "tests/golden.h"

void net_cases(const nn_kernels *k);
void net64_cases(const void *row);           /* NULL: the row `ref` in double */

/* Rate and beta1 of every step, as torch's OneCycleLR gives them; in units of float, for the golden is read as such. */
static void test_schedule(int total)
{
    const real *want = golden(2 * total, "schedule.%d", total);
    real got[2 * 64];
    const dg_train_options o = { .lr = 4e-3, .one_cycle = true, .decay = 0.25 };
    for (int s = 0; s < total; s++) {
        const nn_adam a = dg_train_schedule(&o, s, total);
        got[2 * s] = (real)a.lr;
        got[2 * s + 1] = (real)a.beta1;
        t_check(a.step == s + 1 && a.beta2 == 0.999 && a.eps == 1e-8 && a.decay == 0.25, "schedule: step %d has Adam's other settings", s);
    }
    for (int s = 0; s < total; s++) {
        t_close(got + 2 * s, want + 2 * s, 1, 1, "schedule: rate of step %d of %d", s, total);
        t_close(got + 2 * s + 1, want + 2 * s + 1, 1, 1, "schedule: beta1 of step %d of %d", s, total);
    }
}

static void test_schedule_edges(void)
{
    const dg_train_options constant = { .lr = 1e-3 }, cycle = { .lr = 1e-3, .one_cycle = true };
    const nn_adam a = dg_train_schedule(&constant, 17, 20);
    t_check(a.lr == 1e-3 && a.beta1 == 0.9 && a.step == 18, "schedule: constant");
    for (int total = 1; total < 5; total++)
        for (int s = 0; s < total; s++) {
            const double lr = dg_train_schedule(&cycle, s, total).lr;
            t_check(lr > 0.0 && lr <= 1e-3, "schedule: step %d of %d has a rate in (0, peak], found %g", s, total, lr);
        }
}

static void test_member_seeds(void)
{
    bool all = true;
    for (int a = 0; a < 40; a++)
        for (int b = 0; b < a; b++) all &= dg_member_seed((uint64_t)a / 8, a % 8) != dg_member_seed((uint64_t)b / 8, b % 8);
    t_check(all, "members of runs with neighbouring seeds have seeds of their own");
}

int main(void)
{
    for (int i = 0; i < nn_kernels_count(); i++) {
        if (nn_kernels_at(i)->usable()) net_cases(nn_kernels_at(i));
        else t_skip("net/%s: not on this CPU", nn_kernels_at(i)->name);
    }
    golden_open("tests/golden/interpreter.safetensors");
    test_schedule(10);
    test_schedule(37);
    test_schedule_edges();
    test_member_seeds();
    golden_close();
    net64_cases(NULL);
    return t_done();
}
