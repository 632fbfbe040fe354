/* outline.c: the parts of a mask as one closed path each.
 *
 * Borders are followed as in Suzuki and Abe 1985 (appendix I, step 3): parts are 8-connected, holes 4-connected. */
#include "datasetgan/outline.h"

#include <string.h>

enum { HOLE = -1, OUTSIDE = -2 };                /* marks of pixels around the part at hand */

static nn_dim stride(const dg_outline *o) { return o->width + 2; }
static nn_dim cells(const dg_outline *o) { return (o->width + 2) * (o->height + 2); }

nn_status dg_outline_make(dg_outline *o, nn_dim width, nn_dim height, nn_err *err)
{
    *o = (dg_outline){ .width = width, .height = height, .room = 64 };
    o->part = nn_alloc((size_t)cells(o) * sizeof *o->part, "parts of a mask", err);
    o->stack = o->part ? nn_alloc((size_t)cells(o) * sizeof *o->stack, "parts of a mask", err) : NULL;
    o->first = o->stack ? nn_alloc((size_t)cells(o) * sizeof *o->first, "parts of a mask", err) : NULL;
    o->path = o->first ? nn_alloc(o->room * sizeof *o->path, "a path", err) : NULL;
    if (o->path) return NN_OK;
    dg_outline_free(o);
    return NN_ENOMEM;
}

void dg_outline_free(dg_outline *o)
{
    nn_free(o->part);
    nn_free(o->stack);
    nn_free(o->first);
    nn_free(o->path);
    *o = (dg_outline){ 0 };
}

/* The eight neighbours, turning from the left: left, upper left, up, ... */
static nn_dim neighbour(const dg_outline *o, int turn)
{
    const nn_dim s = stride(o), step[8] = { -1, -1 - s, -s, 1 - s, 1, 1 + s, s, s - 1 };
    return step[turn & 7];
}

/* Change the connected cells of value `from` around `at` to `to`; every: how many turns apart neighbours are (1: eight, 2: four). */
static void flood(dg_outline *o, nn_dim at, int from, int to, int every)
{
    nn_dim n = 0;
    o->stack[n++] = at;
    o->part[at] = to;
    while (n) {
        const nn_dim cell = o->stack[--n];
        for (int t = 0; t < 8; t += every) {
            const nn_dim next = cell + neighbour(o, t);
            if (next < 0 || next >= cells(o) || o->part[next] != from) continue;
            o->part[next] = to;
            o->stack[n++] = next;
        }
    }
}

/* Number the marked cells: parts of equal marks, which are NEW or below. */
enum { NEW = -3 };
static void number_parts(dg_outline *o)
{
    o->parts = 0;
    for (nn_dim c = 0; c < cells(o); c++)
        if (o->part[c] <= NEW) {
            flood(o, c, o->part[c], ++o->parts, 1);
            o->first[o->parts] = c;
        }
}

static nn_dim cell_of(const dg_outline *o, nn_dim pixel) { return (pixel / o->width + 1) * stride(o) + pixel % o->width + 1; }

void dg_outline_find(dg_outline *o, const uint8_t *label, uint8_t id)
{
    memset(o->part, 0, (size_t)cells(o) * sizeof *o->part);
    for (nn_dim i = 0; i < o->width * o->height; i++) if (label[i] == id) o->part[cell_of(o, i)] = NEW;
    number_parts(o);
}

void dg_outline_find_all(dg_outline *o, const uint8_t *label)
{
    memset(o->part, 0, (size_t)cells(o) * sizeof *o->part);
    for (nn_dim i = 0; i < o->width * o->height; i++) o->part[cell_of(o, i)] = NEW - label[i];
    number_parts(o);
}

nn_dim dg_outline_first(const dg_outline *o, int part)
{
    const nn_dim c = o->first[part];
    return (c / stride(o) - 1) * o->width + c % stride(o) - 1;
}

void dg_outline_mask(const dg_outline *o, int part, uint8_t *mask)
{
    for (nn_dim i = 0; i < o->width * o->height; i++) mask[i] = o->part[cell_of(o, i)] == part;
}

/* ---- one part ------------------------------------------------------------------------------------------------------------ */

static dg_corner pixel_of(const dg_outline *o, nn_dim cell) { return (dg_corner){ (int)(cell % stride(o)) - 1, (int)(cell / stride(o)) - 1 }; }

static nn_status push(dg_outline *o, dg_corner p, nn_err *err)
{
    if (o->count == o->room) {
        dg_corner *more = nn_alloc(2 * o->room * sizeof *more, "a path", err);
        if (!more) return NN_ENOMEM;
        memcpy(more, o->path, o->count * sizeof *more);
        nn_free(o->path);
        o->path = more;
        o->room *= 2;
    }
    o->path[o->count++] = p;
    return NN_OK;
}

/* Append the border that begins at `start`, which has a cell outside the part at `turn`.  The start comes first and once. */
static nn_status follow(dg_outline *o, int part, nn_dim start, int turn, nn_err *err)
{
    int t = 0;
    while (t < 8 && o->part[start + neighbour(o, turn + t)] != part) t++;
    if (t == 8) return push(o, pixel_of(o, start), err);       /* a single pixel */
    const nn_dim last = start + neighbour(o, turn + t);        /* where the walk will come back from */
    nn_dim at = start;
    int back = turn + t;                                       /* the turn from `at` to where it came from */
    for (;;) {
        nn_status s = push(o, pixel_of(o, at), err);
        if (s) return s;
        int next = back - 1;
        while (o->part[at + neighbour(o, next)] != part) next--;
        const nn_dim to = at + neighbour(o, next);
        if (to == start && at == last) return NN_OK;
        back = next + 4;
        at = to;
    }
}

/* Put the path's points from `begin` on behind the earlier point number k. */
static void move_behind(dg_outline *o, size_t k, size_t begin)
{
    /* Three reversals turn the two stretches round. */
    const size_t range[3][2] = { { k + 1, begin }, { begin, o->count }, { k + 1, o->count } };
    for (int r = 0; r < 3; r++)
        for (size_t a = range[r][0], b = range[r][1]; a + 1 < b; a++) {
            const dg_corner t = o->path[a];
            o->path[a] = o->path[--b];
            o->path[b] = t;
        }
}

/* From the pixel left of the hole's first one the bridge goes left to the next border, which is in the path already: its
 * region begins above, or in this row further left. */
static nn_status add_hole(dg_outline *o, int part, nn_dim first, nn_err *err)
{
    const nn_dim start = first - 1;
    nn_dim end = start;
    while (o->part[end - 1] == part) end--;
    const dg_corner e = pixel_of(o, end), s = pixel_of(o, start);
    size_t k = 0;
    const size_t begin = o->count;
    while (k < begin && (o->path[k].x != e.x || o->path[k].y != e.y)) k++;
    NN_ASSERT(k < begin);
    nn_status st = follow(o, part, start, 4, err);
    if (!st) st = push(o, s, err);
    if (!st && end != start) st = push(o, e, err);
    if (!st) move_behind(o, k, begin);
    return st;
}

/* Drop points between two steps of the same direction. */
static void straighten(dg_outline *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->count; i++) {
        if (n >= 2) {
            const dg_corner a = o->path[n - 2], b = o->path[n - 1], c = o->path[i];
            const int64_t ux = b.x - a.x, uy = b.y - a.y, vx = c.x - b.x, vy = c.y - b.y;
            if (ux * vy == uy * vx && ux * vx + uy * vy > 0) n--;
        }
        o->path[n++] = o->path[i];
    }
    o->count = n;
}

static nn_status finish(dg_outline *o, nn_err *err)
{
    nn_status s = NN_OK;
    straighten(o);
    while (!s && o->count < 3) s = push(o, o->path[o->count - 1], err);
    return s;
}

nn_status dg_outline_trace(dg_outline *o, int part, nn_err *err)
{
    const nn_dim n = cells(o);
    o->count = 0;
    nn_status s = follow(o, part, o->first[part], 0, err);
    int *around = s ? NULL : nn_alloc((size_t)n * sizeof *around, "parts of a mask", err);     /* the parts, put back afterwards */
    if (!s && !around) s = NN_ENOMEM;
    if (!s) {
        memcpy(around, o->part, (size_t)n * sizeof *around);
        for (nn_dim c = 0; c < n; c++) if (o->part[c] != part) o->part[c] = HOLE;
        flood(o, 0, HOLE, OUTSIDE, 2);
        for (nn_dim c = 0; c < n && !s; c++)
            if (o->part[c] == HOLE) {
                s = add_hole(o, part, c, err);
                flood(o, c, HOLE, OUTSIDE, 2);
            }
        memcpy(o->part, around, (size_t)n * sizeof *around);
    }
    nn_free(around);
    return s ? s : finish(o, err);
}

nn_status dg_outline_border(dg_outline *o, int part, nn_err *err)
{
    o->count = 0;
    const nn_status s = follow(o, part, o->first[part], 0, err);
    return s ? s : finish(o, err);
}

/* ---- along the edges ------------------------------------------------------------------------------------------------------- */

/* One loop of edges with the part on its right, from the upper left corner of a cell whose upper edge is one of them.  Upper edges
 * are noted in o->stack. */
static nn_status follow_edges(dg_outline *o, int part, nn_dim cell, nn_err *err)
{
    /* Going right, down, left, up: the step, and the cells ahead on the left and on the right of the corner (x, y), which is the upper
     * left one of cell (x + 1, y + 1) counted with the frame. */
    static const int step[4][2] = { { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } };
    const nn_dim row = stride(o), left[4] = { -row, 0, -1, -1 - row }, right[4] = { 0, -1, -1 - row, -row };
    nn_dim at = cell;                                          /* the cell whose upper left corner it is */
    int go = 0;
    nn_status s = push(o, pixel_of(o, at), err);
    do {
        if (go == 0) o->stack[at] = 1;
        at += step[go][0] + step[go][1] * row;
        if (!s) s = push(o, pixel_of(o, at), err);
        if (o->part[at + right[go]] != part) go = (go + 1) % 4;
        else if (o->part[at + left[go]] == part) go = (go + 3) % 4;
    } while (!s && !(at == cell && go == 0));
    return s;
}

nn_status dg_outline_edges(dg_outline *o, int part, nn_err *err)
{
    const nn_dim row = stride(o), first = o->first[part];
    const dg_corner origin = pixel_of(o, first);
    o->count = 0;
    memset(o->stack, 0, (size_t)cells(o) * sizeof *o->stack);
    nn_status s = follow_edges(o, part, first, err);
    for (nn_dim c = first + 1; c < cells(o) && !s; c++) {
        if (o->part[c] != part || o->part[c - row] == part || o->stack[c]) continue;
        const dg_corner corner = pixel_of(o, c), turn = { corner.x, origin.y };
        s = push(o, turn, err);
        if (!s) s = follow_edges(o, part, c, err);
        if (!s) s = push(o, turn, err);
        if (!s) s = push(o, origin, err);
    }
    if (!s) straighten(o);
    return s;
}
