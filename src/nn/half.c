/* half.c: float16 to float32 and back. */
#include "nn/half.h"

#include <math.h>
#include <string.h>

float nn_half_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ff;
    if (exponent == 0) {                                            /* zero or subnormal: fraction * 2^-24 */
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    const uint32_t bits = sign | (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t nn_half_from_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & INT32_MAX;
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00);               /* NaN */
    if (size >= 0x47800000) return (uint16_t)(sign | 0x7c00);              /* 65536 and above */
    if (size >= 0x38800000) {                                              /* normal: drop 13 bits, ties to even; a carry may reach infinity */
        const uint32_t up = 0xfff + (size >> 13 & 1);
        return (uint16_t)(sign | ((size - 0x38000000 + up) >> 13));
    }
    /* Subnormal, a multiple of 2^-24: nearbyint rounds ties to even in the default mode. */
    return (uint16_t)(sign | (uint32_t)nearbyintf(fabsf(f) * 16777216.0f));
}
