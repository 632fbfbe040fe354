/* test_rng.c: NumPy's legacy generator bit for bit, Philox against its published vectors, and what is built on it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "nn/rng.h"
#include "nn/safetensors.h"
#include "tests/t.h"

static const uint32_t seeds[] = { 0, 1, 42, 2147483648u, 4294967295u };

/* The doubles of a golden as they are stored: binding would convert them. */
static const uint8_t *stored(const nn_st *f, uint32_t seed, const char *part, size_t count)
{
    char name[40];
    nn_format(name, sizeof name, "%" PRIu32 ".%s", seed, part);
    const nn_st_entry *e = nn_st_find(f, name);
    const bool fits = e && e->dtype == NN_F64 && e->end - e->begin == count * sizeof(double);
    t_check(fits, "golden %s holds %zu doubles", name, count);
    return fits ? f->data + e->begin : NULL;
}

/* tests/golden/make_randn.py */
static void numpy_randn(void)
{
    enum { FIRST = 601, SKIP = 100000, LATER = 16, MIXED = 10 };
    nn_st f = { 0 };
    nn_err err = { 0 };
    if (nn_st_open(&f, "tests/golden/randn.safetensors", &err) != NN_OK) { t_fail("%s", err.msg); return; }
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        double first[FIRST], later[LATER], mixed[MIXED];
        nn_numpy_rng r;
        nn_numpy_seed(&r, seeds[s]);
        for (int i = 0; i < FIRST; i++) first[i] = nn_numpy_randn(&r);
        for (int i = 0; i < SKIP; i++) nn_numpy_randn(&r);
        for (int i = 0; i < LATER; i++) later[i] = nn_numpy_randn(&r);

        nn_numpy_seed(&r, seeds[s]);         /* uniforms in between leave the cached value of the pair where it is */
        static const char order[MIXED + 1] = "nnnuunnunn";
        for (int i = 0; i < MIXED; i++) mixed[i] = order[i] == 'n' ? nn_numpy_randn(&r) : nn_numpy_uniform(&r);

        const uint8_t *want_first = stored(&f, seeds[s], "first", FIRST), *want_later = stored(&f, seeds[s], "later", LATER);
        const uint8_t *want_mixed = stored(&f, seeds[s], "mixed", MIXED);
        if (want_first) t_same(first, want_first, sizeof first, "RandomState(%" PRIu32 ").randn: the first %d", seeds[s], FIRST);
        if (want_later) t_same(later, want_later, sizeof later, "RandomState(%" PRIu32 ").randn: after %d", seeds[s], FIRST + SKIP);
        if (want_mixed) t_same(mixed, want_mixed, sizeof mixed, "RandomState(%" PRIu32 "): randn and random_sample mixed", seeds[s]);
    }
    nn_st_close(&f);
}

/* The first words for seed 5489 (mt19937ar.c's default).  Seeding in the middle of a pair forgets the second value. */
static void numpy_words(void)
{
    static const uint32_t want[5] = { 3499211612u, 581869302u, 3890346734u, 3586334585u, 545404204u };
    nn_numpy_rng r;
    uint32_t got[5];
    nn_numpy_seed(&r, 5489);
    for (int i = 0; i < 5; i++) got[i] = nn_numpy_u32(&r);
    t_same(got, want, sizeof want, "MT19937 with seed 5489");
    nn_numpy_seed(&r, 7);
    const double first = nn_numpy_randn(&r);
    nn_numpy_seed(&r, 7);
    t_check(nn_numpy_randn(&r) == first, "seeding drops the cached second value");
}

/* Random123 (Salmon et al.), kat_vectors, philox4x32 10. */
static void philox_vectors(void)
{
    static const struct { uint64_t seed, index; uint32_t step, purpose, want[4]; } kat[] = {
        { 0, 0, 0, 0, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { 0x299f31d0a4093822, 0x85a308d3243f6a88, 0x13198a2e, 0x03707344, { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < 3; i++) {
        uint32_t got[4];
        nn_rng_block(kat[i].seed, (nn_rng_purpose)kat[i].purpose, kat[i].step, kat[i].index, got);
        t_same(got, kat[i].want, sizeof got, "Philox4x32-10 vector %d", i);
    }
}

static void uniform_and_normal(void)
{
    enum { N = 100000 };
    double sum = 0, sum_n = 0, square_n = 0, cube_n = 0, fourth_n = 0, pair = 0, last = 0;
    bool inside = true;
    for (uint64_t i = 0; i < N; i++) {
        const double u = nn_rng_uniform(9, NN_RNG_TEST, 3, i), n = nn_rng_normal(9, NN_RNG_TEST, 4, i);
        inside = inside && u > 0.0 && u < 1.0 && isfinite(n);
        sum += u;
        sum_n += n;
        square_n += n * n;
        cube_n += n * n * n;
        fourth_n += n * n * n * n;
        pair += n * last;
        last = n;
    }
    /* Five standard errors each: sd of u is 1/sqrt(12); var of n, n^2, n^3, n^4, n*n' is 1, 2, 15, 96, 1. */
    const double root = sqrt((double)N);
    t_check(inside, "uniform stays inside (0,1), normal stays finite");
    t_limit(fabs(sum / N - 0.5), 5 * sqrt(1.0 / 12) / root, "uniform: mean");
    t_limit(fabs(sum_n / N), 5 / root, "normal: mean");
    t_limit(fabs(square_n / N - 1), 5 * sqrt(2.0) / root, "normal: variance");
    t_limit(fabs(cube_n / N), 5 * sqrt(15.0) / root, "normal: third moment");
    t_limit(fabs(fourth_n / N - 3), 5 * sqrt(96.0) / root, "normal: fourth moment");
    t_limit(fabs(pair / N), 5 / root, "normal: neighbours are independent");
    /* The definition, spelled out once. */
    uint32_t w[4];
    nn_rng_block(9, NN_RNG_TEST, 4, 77, w);
    const double two_32 = 4294967296.0, u0 = (w[0] + 0.5) / two_32, u1 = (w[1] + 0.5) / two_32;
    t_check(nn_rng_uniform(9, NN_RNG_TEST, 4, 77) == u0, "uniform is the middle of its word's interval");
    t_check(nn_rng_normal(9, NN_RNG_TEST, 4, 77) == sqrt(-2 * log(u0)) * cos(6.283185307179586 * u1), "normal is Box-Muller on words 0 and 1");
}

static void below_and_shuffle(void)
{
    enum { DRAWS = 60000, SIDES = 6, N = 257 };
    int count[SIDES] = { 0 };
    for (uint64_t i = 0; i < DRAWS; i++) count[nn_rng_below(1, NN_RNG_TEST, 0, i, SIDES)]++;
    double chi2 = 0;
    for (int s = 0; s < SIDES; s++) chi2 += (count[s] - 10000.0) * (count[s] - 10000.0) / 10000.0;
    t_limit(chi2, 25.7, "below(6): chi squared of 60,000 throws, 5 degrees of freedom, p = 1e-4");
    t_check(nn_rng_below(1, NN_RNG_TEST, 0, 5, 1) == 0, "below(1) is 0");

    /* This n refuses a quarter of all draws; a plain remainder would put half of the results into the lowest third. */
    const uint64_t n = ((uint64_t)1 << 63) + ((uint64_t)1 << 62);
    int low = 0;
    bool in_range = true;
    for (uint64_t i = 0; i < 30000; i++) {
        const uint64_t v = nn_rng_below(2, NN_RNG_TEST, 0, i, n);
        in_range = in_range && v < n;
        low += v < n / 3;
    }
    t_check(in_range, "below(3*2^62) stays below");
    t_limit(fabs(low - 10000.0), 5 * sqrt(30000.0 * 2 / 9), "below(3*2^62) is even: a third of the results in the lowest third");

    uint32_t order[N], again[N], other[N];
    bool seen[N] = { false }, all = true;
    nn_rng_shuffle(3, NN_RNG_SHUFFLE, 1, order, N);
    nn_rng_shuffle(3, NN_RNG_SHUFFLE, 1, again, N);
    nn_rng_shuffle(3, NN_RNG_SHUFFLE, 2, other, N);
    for (int i = 0; i < N; i++) if (order[i] < N) seen[order[i]] = true;
    for (int i = 0; i < N; i++) all = all && seen[i];
    t_check(all, "shuffle gives a permutation");
    t_same(again, order, sizeof order, "the same key gives the same order");
    t_check(memcmp(other, order, sizeof order) != 0, "another step gives another order");

    /* Every one of the 24 orders of four, about equally often; a shuffle that draws from all n each time is not even. */
    int orders[256] = { 0 };
    for (uint32_t step = 0; step < 24000; step++) {
        uint32_t o[4];
        nn_rng_shuffle(4, NN_RNG_SHUFFLE, step, o, 4);
        orders[o[0] * 64 + o[1] * 16 + o[2] * 4 + o[3]]++;
    }
    double spread = 0;
    int kinds = 0;
    for (int i = 0; i < 256; i++) if (orders[i]) { kinds++; spread += (orders[i] - 1000.0) * (orders[i] - 1000.0) / 1000.0; }
    t_check(kinds == 24, "shuffle of 4 reaches 24 orders, found %d", kinds);
    t_limit(spread, 56, "shuffle of 4: chi squared, 23 degrees of freedom, p = 1e-4");
    nn_rng_shuffle(4, NN_RNG_SHUFFLE, 0, order, 0);      /* harmless */
}

int main(void)
{
    numpy_randn();
    numpy_words();
    philox_vectors();
    uniform_and_normal();
    below_and_shuffle();
    return t_done();
}
