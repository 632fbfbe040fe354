/* rng.h: the two sources of random numbers.
 *
 * 1. z comes from NumPy's legacy generator, so that a seed means the same picture as in NVIDIA's tools.
 * 2. Everything else (initialisation, shuffles, dropout, noise) comes from a counter-based generator: a number is a pure
 *    function of (seed, purpose, step, index), so neither threads nor a restart can change it. */
#ifndef NN_RNG_H
#define NN_RNG_H

#include "nn/base.h"

/* numpy.random.RandomState(seed): MT19937 seeded by init_genrand (Matsumoto & Nishimura 1998/2002), and randn by the polar
 * method with a cached second value (numpy/random/src/legacy/legacy-distributions.c: legacy_gauss).  Bit-equal to NumPy in
 * double, given the same libm (log, sqrt). */
typedef struct { uint32_t word[624]; int at; bool has_gauss; double gauss; } nn_numpy_rng;
void   nn_numpy_seed(nn_numpy_rng *r, uint32_t seed);
uint32_t nn_numpy_u32(nn_numpy_rng *r);
double nn_numpy_uniform(nn_numpy_rng *r);      /* [0,1), 53 bits: random_sample() */
double nn_numpy_randn(nn_numpy_rng *r);

/* What a random number is for; a new use gets a new number, never a reused one. */
typedef enum {
    NN_RNG_NOISE = 1, NN_RNG_INIT = 2, NN_RNG_SHUFFLE = 3, NN_RNG_DROPOUT = 4, NN_RNG_AUGMENT = 5, NN_RNG_FOLD = 6,
    NN_RNG_VARY = 7, NN_RNG_FEATURES = 8,
    NN_RNG_TEST = 100
} nn_rng_purpose;

/* Four 32-bit words of Philox4x32-10 (Salmon et al. 2011) with key = (seed low, seed high) and counter =
 * (index low, index high, step, purpose). */
void   nn_rng_block(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index, uint32_t out[4]);
/* One value per index.  uniform: (0,1), 32 bits, never 0 or 1.  normal: Box-Muller on words 0 and 1, in double. */
double nn_rng_uniform(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index);
double nn_rng_normal(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index);
/* Unbiased whole number in [0, n), n >= 1. */
uint64_t nn_rng_below(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint64_t index, uint64_t n);
/* order[0..n) = a permutation of 0..n-1 (Fisher-Yates). */
void   nn_rng_shuffle(uint64_t seed, nn_rng_purpose purpose, uint32_t step, uint32_t *order, uint32_t n);

#endif
