/* parts.c: pixels of a label map that hang together. */
#include <string.h>

#include "deeplab/deeplab.h"

nn_dim dl_part(uint8_t *mark, nn_dim *stack, const uint8_t *label, nn_dim h, nn_dim w, const bool of[NN_VOID + 1], nn_dim from)
{
    nn_dim depth = 0, size = 0;
    mark[from] = 1;
    stack[depth++] = from;
    while (depth) {
        const nn_dim at = stack[--depth], y = at / w, x = at % w;
        size++;
        for (nn_dim j = 0; j < 9; j++) {
            const nn_dim ny = y + j / 3 - 1, nx = x + j % 3 - 1, to = ny * w + nx;
            if (ny < 0 || ny >= h || nx < 0 || nx >= w || mark[to] || !of[label[to]]) continue;
            mark[to] = 1;
            stack[depth++] = to;
        }
    }
    return size;
}

/* The pixel of these classes that is nearest to the picture's middle, -1 where there is none. */
static nn_dim nearest_to_middle(const uint8_t *label, nn_dim h, nn_dim w, const bool of[NN_VOID + 1])
{
    nn_dim best = -1, least = 0;
    for (nn_dim p = 0; p < h * w; p++) {
        const nn_dim dy = 2 * (p / w) + 1 - h, dx = 2 * (p % w) + 1 - w, far = dy * dy + dx * dx;
        if (!of[label[p]] || (best >= 0 && far >= least)) continue;
        best = p;
        least = far;
    }
    return best;
}

nn_status dl_keep_central(uint8_t *label, nn_dim h, nn_dim w, const bool of[NN_VOID + 1], nn_err *err)
{
    const nn_dim from = nearest_to_middle(label, h, w, of);
    if (from < 0) return NN_OK;
    uint8_t *mark = nn_alloc((size_t)(h * w), "parts", err);
    nn_dim *stack = nn_alloc((size_t)(h * w) * sizeof *stack, "parts", err);
    const nn_status s = mark && stack ? NN_OK : NN_ENOMEM;
    if (!s) dl_part(mark, stack, label, h, w, of, from);
    for (nn_dim p = 0; p < h * w && !s; p++) if (of[label[p]] && !mark[p]) label[p] = 0;
    nn_free(mark);
    nn_free(stack);
    return s;
}
