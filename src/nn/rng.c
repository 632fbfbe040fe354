/* rng.c: NumPy's legacy generator and Philox. */
#include "nn/rng.h"

#include <math.h>

/* ---- NumPy: MT19937 (Matsumoto & Nishimura 1998; the seeding of 2002) ------------------------------------------- */

enum { MT_N = 624, MT_M = 397 };

void nn_numpy_seed(nn_numpy_rng *r, uint32_t seed)
{
    r->word[0] = seed;
    for (uint32_t i = 1; i < MT_N; i++) r->word[i] = 1812433253u * (r->word[i - 1] ^ (r->word[i - 1] >> 30)) + i;
    r->at = MT_N;                       /* all used up: the first draw makes new ones */
    r->has_gauss = false;
    r->gauss = 0.0;
}

static void mt_refill(uint32_t *word)
{
    for (int i = 0; i < MT_N; i++) {
        const uint32_t y = (word[i] & 0x80000000u) | (word[(i + 1) % MT_N] & 0x7fffffffu);
        word[i] = word[(i + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
}

uint32_t nn_numpy_u32(nn_numpy_rng *r)
{
    if (r->at == MT_N) {
        mt_refill(r->word);
        r->at = 0;
    }
    uint32_t y = r->word[r->at++];      /* tempering */
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double nn_numpy_uniform(nn_numpy_rng *r)
{
    const uint32_t high = nn_numpy_u32(r) >> 5, low = nn_numpy_u32(r) >> 6;      /* 27 + 26 bits, high first */
    return ((double)high * 67108864.0 + (double)low) / 9007199254740992.0;       /* 2^26, 2^53 */
}

/* Marsaglia's polar method makes two values; the one from the *second* uniform is handed out first. */
double nn_numpy_randn(nn_numpy_rng *r)
{
    if (r->has_gauss) {
        r->has_gauss = false;
        return r->gauss;
    }
    double x1, x2, r2;
    do {
        x1 = 2.0 * nn_numpy_uniform(r) - 1.0;
        x2 = 2.0 * nn_numpy_uniform(r) - 1.0;
        r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1.0 || r2 == 0.0);
    const double f = sqrt(-2.0 * log(r2) / r2);
    r->gauss = f * x1;
    r->has_gauss = true;
    return f * x2;
}

/* ---- Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") -------------------------- */

void nn_rng_block(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index, uint32_t out[4])
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = step, c3 = (uint32_t)purpose;
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)c0 * 0xd2511f53u, p1 = (uint64_t)c2 * 0xcd9e8d57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        key0 += 0x9e3779b9u;            /* golden ratio */
        key1 += 0xbb67ae85u;            /* sqrt(3) - 1 */
    }
    out[0] = c0; out[1] = c1; out[2] = c2; out[3] = c3;
}

/* The middle of one of 2^32 equal parts of (0,1): never 0, so its logarithm is finite. */
static double unit_interval(uint32_t word) { return ((double)word + 0.5) / 4294967296.0; }

double nn_rng_uniform(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index)
{
    uint32_t word[4];
    nn_rng_block(seed, purpose, step, index, word);
    return unit_interval(word[0]);
}

double nn_rng_normal(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index)
{
    const double two_pi = 6.283185307179586;
    uint32_t word[4];
    nn_rng_block(seed, purpose, step, index, word);
    return sqrt(-2.0 * log(unit_interval(word[0]))) * cos(two_pi * unit_interval(word[1]));
}

uint64_t nn_rng_below(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index, uint64_t n)
{
    NN_ASSERT(n >= 1);
    const uint64_t surplus = (UINT64_MAX % n + 1) % n;      /* 2^64 mod n values at the top would favour small results */
    for (;;) {
        uint32_t word[4];
        nn_rng_block(seed, purpose, step, index, word);
        const uint64_t draw = (uint64_t)word[1] << 32 | word[0];
        if (draw <= UINT64_MAX - surplus) return draw % n;
        index = (uint64_t)word[3] << 32 | word[2];          /* go on at a place nobody else is likely to use */
    }
}

void nn_rng_shuffle(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; i-- > 1; ) {
        const uint32_t j = (uint32_t)nn_rng_below(seed, purpose, step, i, (uint64_t)i + 1);
        const uint32_t held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}
