/* half.h: numbers of 16 bits: IEEE binary16, which PyTorch and NumPy call float16, and bf16. */
#ifndef NN_HALF_H
#define NN_HALF_H

#include <stdint.h>

/* Exact: every half, subnormals too, is a float. */
float nn_half_to_float(uint16_t h);
/* The nearest half, ties to even; beyond 65504 (from 65520 on) infinity; NaN stays one.  As numpy's astype(float16). */
uint16_t nn_half_from_float(float f);

/* x to the nearest bf16 (bfloat16: a float's upper 16 bits), halves away from zero; NaN stays one.  Inline: numbers by the million. */
static inline float nn_bf16_round(float x)
{
    union { float f; uint32_t u; } v = { x };
    if (x != x) return x;
    v.u = (v.u + 0x8000u) & 0xffff0000u;
    return v.f;
}

#endif
