/* ops_conv_ref.c: definitions of the convolutions and the resampling.  Every output number is one sum over its inputs. */
#include <math.h>

#include "nn/ops.h"

static nn_dim conv_size(nn_dim in, nn_dim ks, nn_dim stride, nn_dim pad, nn_dim dilation)
{
    const nn_dim room = in + 2 * pad - dilation * (ks - 1) - 1;
    NN_ASSERT(room >= 0);
    return room / stride + 1;
}

void nn_conv2d_ref(real *y, const real *x, const real *w, nn_dim cin, nn_dim h, nn_dim wid, nn_dim cout, nn_dim ks,
                   nn_dim stride, nn_dim pad, nn_dim dilation)
{
    const nn_dim oh = conv_size(h, ks, stride, pad, dilation), ow = conv_size(wid, ks, stride, pad, dilation);
    for (nn_dim o = 0; o < cout; o++)
        for (nn_dim oy = 0; oy < oh; oy++)
            for (nn_dim ox = 0; ox < ow; ox++) {
                double sum = 0.0;
                for (nn_dim i = 0; i < cin; i++)
                    for (nn_dim ky = 0; ky < ks; ky++)
                        for (nn_dim kx = 0; kx < ks; kx++) {
                            const nn_dim iy = oy * stride + ky * dilation - pad, ix = ox * stride + kx * dilation - pad;
                            if (iy < 0 || iy >= h || ix < 0 || ix >= wid) continue;
                            sum += (double)x[(i * h + iy) * wid + ix] * w[((o * cin + i) * ks + ky) * ks + kx];
                        }
                y[(o * oh + oy) * ow + ox] = (real)sum;
            }
}

/* The input position that reaches output `at` through tap k of a stride-2 transposed convolution, or -1. */
static nn_dim up2_source(nn_dim at, nn_dim k, nn_dim in)
{
    const nn_dim twice = at - k;
    return twice >= 0 && twice % 2 == 0 && twice / 2 < in ? twice / 2 : -1;
}

void nn_conv2d_up2_ref(real *y, const real *x, const real *w, nn_dim cin, nn_dim h, nn_dim wid, nn_dim cout, nn_dim ks)
{
    const nn_dim oh = 2 * h - 2 + ks, ow = 2 * wid - 2 + ks;
    for (nn_dim o = 0; o < cout; o++)
        for (nn_dim oy = 0; oy < oh; oy++)
            for (nn_dim ox = 0; ox < ow; ox++) {
                double sum = 0.0;
                for (nn_dim i = 0; i < cin; i++)
                    for (nn_dim ky = 0; ky < ks; ky++)
                        for (nn_dim kx = 0; kx < ks; kx++) {
                            const nn_dim iy = up2_source(oy, ky, h), ix = up2_source(ox, kx, wid);
                            if (iy < 0 || ix < 0) continue;
                            sum += (double)x[(i * h + iy) * wid + ix] * w[((o * cin + i) * ks + ky) * ks + kx];
                        }
                y[(o * oh + oy) * ow + ox] = (real)sum;
            }
}

/* The input position that lies at `at` after zeros were put between, or -1 for a zero. */
static nn_dim upsampled_source(nn_dim at, nn_dim up, nn_dim in)
{
    return at >= 0 && at % up == 0 && at / up < in ? at / up : -1;
}

void nn_upfirdn2d_ref(real *y, const real *x, const real *f, nn_dim planes, nn_dim h, nn_dim w, nn_dim fh, nn_dim fw,
                      nn_resample r, double gain)
{
    NN_ASSERT(r.up >= 1 && r.down >= 1);
    const nn_dim room_h = h * r.up + r.py0 + r.py1 - fh, room_w = w * r.up + r.px0 + r.px1 - fw;
    NN_ASSERT(room_h >= 0 && room_w >= 0);
    const nn_dim oh = room_h / r.down + 1, ow = room_w / r.down + 1;
    for (nn_dim c = 0; c < planes; c++)
        for (nn_dim oy = 0; oy < oh; oy++)
            for (nn_dim ox = 0; ox < ow; ox++) {
                double sum = 0.0;
                for (nn_dim ky = 0; ky < fh; ky++)
                    for (nn_dim kx = 0; kx < fw; kx++) {
                        const nn_dim iy = upsampled_source(oy * r.down + ky - r.py0, r.up, h);
                        const nn_dim ix = upsampled_source(ox * r.down + kx - r.px0, r.up, w);
                        if (iy < 0 || ix < 0) continue;
                        sum += (double)x[(c * h + iy) * w + ix] * f[(fh - 1 - ky) * fw + (fw - 1 - kx)];   /* flipped */
                    }
                y[(c * oh + oy) * ow + ox] = (real)(sum * gain);
            }
}

void nn_bilinear_at(nn_dim o, nn_dim in, nn_dim out, nn_dim *i0, nn_dim *i1, double *t)
{
    double s = ((double)o + 0.5) * (double)in / (double)out - 0.5;
    if (s < 0.0) s = 0.0;                   /* the first pixel has no left neighbour */
    *i0 = (nn_dim)floor(s);
    if (*i0 > in - 1) *i0 = in - 1;         /* only if the quotient was rounded up */
    *i1 = *i0 + 1 < in ? *i0 + 1 : in - 1;
    *t = s - (double)*i0;
}

void nn_bilinear_ref(real *y, const real *x, nn_dim planes, nn_dim h, nn_dim w, nn_dim oh, nn_dim ow)
{
    for (nn_dim c = 0; c < planes; c++, x += h * w)
        for (nn_dim oy = 0; oy < oh; oy++)
            for (nn_dim ox = 0; ox < ow; ox++) {
                nn_dim y0, y1, x0, x1;
                double ty, tx;
                nn_bilinear_at(oy, h, oh, &y0, &y1, &ty);
                nn_bilinear_at(ox, w, ow, &x0, &x1, &tx);
                const double top = (1.0 - tx) * x[y0 * w + x0] + tx * x[y0 * w + x1];
                const double bottom = (1.0 - tx) * x[y1 * w + x0] + tx * x[y1 * w + x1];
                *y++ = (real)((1.0 - ty) * top + ty * bottom);
            }
}
