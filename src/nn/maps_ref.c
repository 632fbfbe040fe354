/* maps_ref.c: the convolution of maps.h as its formula says it. */
#include "nn/maps.h"

nn_dim nn_conv2d_out(const nn_conv2d *s, nn_dim in) { return (in + 2 * s->pad - s->dilation * (s->ks - 1) - 1) / s->stride + 1; }

/* The number of the input pixel that output pixel (oy,ox) reads through tap (ky,kx); -1 outside. */
static nn_dim source(const nn_conv2d *s, nn_dim oy, nn_dim ox, nn_dim ky, nn_dim kx)
{
    const nn_dim y = oy * s->stride + ky * s->dilation - s->pad, x = ox * s->stride + kx * s->dilation - s->pad;
    return y < 0 || y >= s->h || x < 0 || x >= s->w ? -1 : y * s->w + x;
}

void nn_conv2d_fwd_ref(real *y, const real *x, const real *w, const real *b, const nn_conv2d *s)
{
    const nn_dim oh = nn_conv2d_out(s, s->h), ow = nn_conv2d_out(s, s->w), C = s->cin, O = s->cout;
    for (nn_dim n = 0; n < s->n; n++)
        for (nn_dim p = 0; p < oh * ow; p++)
            for (nn_dim o = 0; o < O; o++) {
                double sum = b ? b[o] : 0.0;
                for (nn_dim t = 0; t < s->ks * s->ks; t++) {
                    const nn_dim from = source(s, p / ow, p % ow, t / s->ks, t % s->ks);
                    for (nn_dim i = 0; i < C && from >= 0; i++) sum += (double)x[(n * s->h * s->w + from) * C + i] * w[(t * C + i) * O + o];
                }
                y[(n * oh * ow + p) * O + o] = (real)sum;
            }
}

void nn_conv2d_bwd_ref(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w, const nn_conv2d *s)
{
    const nn_dim oh = nn_conv2d_out(s, s->h), ow = nn_conv2d_out(s, s->w), C = s->cin, O = s->cout;
    for (nn_dim n = 0; n < s->n; n++)
        for (nn_dim p = 0; p < oh * ow; p++) {
            const real *d = dy + (n * oh * ow + p) * O;
            for (nn_dim o = 0; o < O && db; o++) db[o] += d[o];
            for (nn_dim t = 0; t < s->ks * s->ks; t++) {
                const nn_dim from = source(s, p / ow, p % ow, t / s->ks, t % s->ks);
                for (nn_dim i = 0; i < C && from >= 0; i++) {
                    const nn_dim at = (n * s->h * s->w + from) * C + i;
                    double sum = 0.0;
                    for (nn_dim o = 0; o < O; o++) {
                        sum += (double)d[o] * w[(t * C + i) * O + o];
                        if (dw) dw[(t * C + i) * O + o] += d[o] * x[at];
                    }
                    if (dx) dx[at] = (real)(dx[at] + sum);
                }
            }
        }
}
