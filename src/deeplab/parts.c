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

/* ---- all parts of all classes, row by row --------------------------------------------------------------------------------------------------- */

/* A part that reaches the row above has a number below `open`; those that a row begins come after it.  up: the number it was found to be one with. */
typedef struct { nn_dim up, size; uint8_t class; } piece;
struct dl_parts {
    nn_dim width, open;
    nn_dim *above, *now;                         /* the part of each pixel, of the row above and of this one */
    piece *piece;                                /* 2 width: as many as the row above and this one can have */
    nn_dim *renumbered;                          /* 2 width */
    nn_dim count[NN_VOID + 1], largest[NN_VOID + 1];
};

dl_parts *dl_parts_open(nn_dim width, nn_err *err)
{
    dl_parts *p = nn_alloc(sizeof *p, "parts", err);
    if (!p) return NULL;
    p->width = width;
    p->above = nn_alloc((size_t)width * sizeof *p->above, "parts", err);
    p->now = nn_alloc((size_t)width * sizeof *p->now, "parts", err);
    p->piece = nn_alloc((size_t)(2 * width) * sizeof *p->piece, "parts", err);
    p->renumbered = nn_alloc((size_t)(2 * width) * sizeof *p->renumbered, "parts", err);
    if (p->above && p->now && p->piece && p->renumbered) return p;
    dl_parts_close(p);
    return NULL;
}

void dl_parts_close(dl_parts *p)
{
    if (!p) return;
    nn_free(p->above);
    nn_free(p->now);
    nn_free(p->piece);
    nn_free(p->renumbered);
    nn_free(p);
}

static nn_dim root(const piece *p, nn_dim i)
{
    while (p[i].up != i) i = p[i].up;
    return i;
}

/* The part of pixel x is one with part `other`; part < 0: it has none yet. */
static nn_dim join(piece *p, nn_dim part, nn_dim other)
{
    const nn_dim to = root(p, other);
    if (part < 0 || part == to) return to;
    p[part].up = to;
    p[to].size += p[part].size;
    return to;
}

static void finish(dl_parts *p, const piece *one)
{
    p->count[one->class]++;
    if (one->size > p->largest[one->class]) p->largest[one->class] = one->size;
}

/* Parts that end above are counted; the others get the numbers from 0 on. */
static void renumber(dl_parts *p, nn_dim pieces)
{
    nn_dim kept = 0;
    for (nn_dim i = 0; i < pieces; i++) p->renumbered[i] = -1;
    for (nn_dim x = 0; x < p->width; x++) {
        const nn_dim r = root(p->piece, p->now[x]);
        p->now[x] = r;
        p->renumbered[r] = 0;
    }
    for (nn_dim i = 0; i < pieces; i++) {
        if (p->piece[i].up != i) continue;
        if (p->renumbered[i] < 0) { finish(p, &p->piece[i]); continue; }
        p->renumbered[i] = kept;
        p->piece[kept] = (piece){ i, p->piece[i].size, p->piece[i].class };              /* kept <= i: nobody looks at it again */
        kept++;
    }
    for (nn_dim x = 0; x < p->width; x++) p->above[x] = p->renumbered[p->now[x]];
    for (nn_dim i = 0; i < kept; i++) p->piece[i].up = i;
    p->open = kept;
}

void dl_parts_add(dl_parts *p, const uint8_t *label)
{
    nn_dim pieces = p->open;
    for (nn_dim x = 0; x < p->width; x++) {
        nn_dim part = -1;
        for (nn_dim u = x - 1; u <= x + 1 && p->open; u++)
            if (u >= 0 && u < p->width && p->piece[p->above[u]].class == label[x]) part = join(p->piece, part, p->above[u]);
        if (x && label[x - 1] == label[x]) part = join(p->piece, part, p->now[x - 1]);
        if (part < 0) {
            part = pieces++;
            p->piece[part] = (piece){ part, 0, label[x] };
        }
        p->piece[part].size++;
        p->now[x] = part;
    }
    renumber(p, pieces);
}

void dl_parts_end(dl_parts *p, nn_dim count[NN_VOID + 1], nn_dim largest[NN_VOID + 1])
{
    for (nn_dim i = 0; i < p->open; i++) finish(p, &p->piece[i]);
    p->open = 0;
    memcpy(count, p->count, sizeof p->count);
    memcpy(largest, p->largest, sizeof p->largest);
}
