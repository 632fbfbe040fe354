/* fast_style.h: StyleGAN1's blur and epilogue on blocked maps (C/16, H, W, 16): channels in lanes, pixels one after another.
 * The channels that pad a block stay zero: bias, strength, gain and shift are zero there. */

/* The numbers of a group's channels, zero in the padding; NULL: all zero. */
static void group_load(float out[NN_CB], const float *from, nn_dim c, nn_dim group)
{
    for (nn_dim i = 0; i < NN_CB; i++) out[i] = from && group * NN_CB + i < c ? from[group * NN_CB + i] : 0.0f;
}

static void blur3(float *y, const float *x, const float *f, const float *b, nn_dim c, nn_dim h, nn_dim w, nn_dim group, nn_dim y0, nn_dim y1)
{
    const float *map = x + group * h * w * NN_CB;
    float bias[NN_CB];
    group_load(bias, b, c, group);
    for (nn_dim oy = y0; oy < y1; oy++)
        for (nn_dim ox = 0; ox < w; ox++) {
            vf sum[NN_CB / VW];
            for (int v = 0; v < NN_CB / VW; v++) sum[v] = vf_load(bias + v * VW);
            for (nn_dim ky = oy == 0 ? 1 : 0; ky < (oy == h - 1 ? 2 : 3); ky++)
                for (nn_dim kx = ox == 0 ? 1 : 0; kx < (ox == w - 1 ? 2 : 3); kx++) {
                    const vf k = vf_set1(f[ky * 3 + kx]);
                    const float *at = map + ((oy + ky - 1) * w + ox + kx - 1) * NN_CB;
                    for (int v = 0; v < NN_CB / VW; v++) sum[v] = vf_fma(vf_load(at + v * VW), k, sum[v]);
                }
            float *to = y + (group * h * w + oy * w + ox) * NN_CB;
            for (int v = 0; v < NN_CB / VW; v++) vf_store(to + v * VW, sum[v]);
        }
}

/* Sums of SPAN pixels in float, then in double: the rounding of a mean does not grow with the map. */
enum { SPAN = 32 };

static void add_lanes(double sum[NN_CB], vf part[NN_CB / VW])
{
    float lane[NN_CB];
    for (int v = 0; v < NN_CB / VW; v++) vf_store(lane + v * VW, part[v]);
    for (int i = 0; i < NN_CB; i++) sum[i] += lane[i];
}

static void noise_act(float *y, const float *x, const float *noise, const float *strength, nn_dim c, nn_dim hw, nn_dim group,
                      nn_dim p0, nn_dim p1, double slope, double sum[NN_CB])
{
    const vf leak = vf_set1((float)slope);
    float of[NN_CB];
    group_load(of, strength, c, group);
    for (int i = 0; i < NN_CB; i++) sum[i] = 0.0;
    for (nn_dim from = p0; from < p1; from += SPAN) {
        const nn_dim to = p1 - from < SPAN ? p1 : from + SPAN;
        vf part[NN_CB / VW];
        for (int v = 0; v < NN_CB / VW; v++) part[v] = vf_set1(0.0f);
        for (nn_dim p = from; p < to; p++) {
            const vf z = vf_set1(noise ? noise[p] : 0.0f);
            for (int v = 0; v < NN_CB / VW; v++) {
                const vf a = vf_fma(z, vf_load(of + v * VW), vf_load(x + (group * hw + p) * NN_CB + v * VW));
                const vf act = vf_max(vf_mul(a, leak), a);
                vf_store(y + (group * hw + p) * NN_CB + v * VW, act);
                part[v] = vf_add(part[v], act);
            }
        }
        add_lanes(sum, part);
    }
}

static void square_dev(const float *x, const double mean[NN_CB], nn_dim c, nn_dim hw, nn_dim group, nn_dim p0, nn_dim p1, double sum[NN_CB])
{
    (void)c;
    float m[NN_CB];
    for (int i = 0; i < NN_CB; i++) { m[i] = (float)mean[i]; sum[i] = 0.0; }
    for (nn_dim from = p0; from < p1; from += SPAN) {
        const nn_dim to = p1 - from < SPAN ? p1 : from + SPAN;
        vf part[NN_CB / VW];
        for (int v = 0; v < NN_CB / VW; v++) part[v] = vf_set1(0.0f);
        for (nn_dim p = from; p < to; p++)
            for (int v = 0; v < NN_CB / VW; v++) {
                const vf d = vf_sub(vf_load(x + (group * hw + p) * NN_CB + v * VW), vf_load(m + v * VW));
                part[v] = vf_fma(d, d, part[v]);
            }
        add_lanes(sum, part);
    }
}

static void rescale(float *x, const double mean[NN_CB], const double gain[NN_CB], const double shift[NN_CB], nn_dim c, nn_dim hw,
                    nn_dim group, nn_dim p0, nn_dim p1)
{
    (void)c;
    float m[NN_CB], g[NN_CB], s[NN_CB];
    for (int i = 0; i < NN_CB; i++) { m[i] = (float)mean[i]; g[i] = (float)gain[i]; s[i] = (float)shift[i]; }
    for (nn_dim p = p0; p < p1; p++)
        for (int v = 0; v < NN_CB / VW; v++) {
            float *at = x + (group * hw + p) * NN_CB + v * VW;
            vf_store(at, vf_fma(vf_sub(vf_load(at), vf_load(m + v * VW)), vf_load(g + v * VW), vf_load(s + v * VW)));
        }
}
