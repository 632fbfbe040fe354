/* fast_norm.h: the pieces of a map's batch norm (kernels.h, norm_*).  Vectors run over the channels; rows are few enough that a
 * second pass over them finds them in the cache, so variances come from differences to the mean. */

static void norm_stats(float *mean, float *square, const float *x, nn_dim n, nn_dim C)
{
    const vf inv = vf_set1(1.0f / (float)n);
    for (nn_dim c = 0; c < C; c += VW) {
        vf sum[1];
        ROW_SUM(sum, n, 1, column(x, r, C, c));
        const vf mu = vf_mul(sum[0], inv);
        ROW_SUM(sum, n, 1, vf_mul(vf_sub(column(x, r, C, c), mu), vf_sub(column(x, r, C, c), mu)));
        store_part(mean + c, C - c, mu);
        store_part(square + c, C - c, sum[0]);
    }
}

static void norm_apply(float *y, const float *x, const float *add, const float *scale, const float *shift, nn_dim n, nn_dim C, bool relu)
{
    const vf low = vf_set1(relu ? 0.0f : -INFINITY);
    for (nn_dim c = 0; c < C; c += VW) {
        const vf s = load_part(scale + c, C - c), t = load_part(shift + c, C - c);
        for (nn_dim r = 0; r < n; r++) {
            vf v = vf_fma(column(x, r, C, c), s, t);
            if (add) v = vf_add(v, column(add, r, C, c));
            store_part(y + r * C + c, C - c, vf_max(low, v));
        }
    }
}

static void norm_mask(float *sum, float *sum_x, float *dy, const float *y, const float *x, const float *mean, nn_dim n, nn_dim C)
{
    for (nn_dim c = 0; c < C; c += VW) {
        const vf mu = load_part(mean + c, C - c);
        vf s = vf_set1(0.0f), sx = s;
        for (nn_dim r0 = 0; r0 < n; r0 += 64) {
            vf part = vf_set1(0.0f), part_x = part;
            for (nn_dim r = r0; r < n && r < r0 + 64; r++) {
                vf d = column(dy, r, C, c);
                if (y) {
                    d = vf_positive(column(y, r, C, c), d);
                    store_part(dy + r * C + c, C - c, d);
                }
                part = vf_add(part, d);
                part_x = vf_fma(d, vf_sub(column(x, r, C, c), mu), part_x);
            }
            s = vf_add(s, part);
            sx = vf_add(sx, part_x);
        }
        store_part(sum + c, C - c, s);
        store_part(sum_x + c, C - c, sx);
    }
}

static void norm_dx(float *dx, const float *dy, const float *x, const float *mean, const float *a, const float *b, const float *c, nn_dim n, nn_dim C,
                    bool add)
{
    for (nn_dim i = 0; i < C; i += VW) {
        const nn_dim left = C - i;
        const vf va = load_part(a + i, left), vb = load_part(b + i, left), vc = load_part(c + i, left), mu = load_part(mean + i, left);
        for (nn_dim r = 0; r < n; r++) {
            vf v = vf_fma(va, column(dy, r, C, i), vf_fma(vb, vf_sub(column(x, r, C, i), mu), vc));
            if (add) v = vf_add(column(dx, r, C, i), v);
            store_part(dx + r * C + i, left, v);
        }
    }
}
