/* raster.c: polygons as Pillow and as pycocotools fill them.
 *
 * Pillow (12 to 13, ImageDraw.polygon with fill) goes row by row.  A row's crossings with the edges are sorted and taken in
 * pairs; a pixel belongs to a pair when its centre lies between them, half a pixel counting as inside at both ends.  Level
 * edges are painted as they are.  Two rules go beyond that, and are needed to agree in every pixel:
 *   - an edge that ends in a row above the polygon's last one counts there twice, so that corners keep the pairing even;
 *   - where an edge and an earlier one meet in a sharp corner, so that its tip would stand alone beside the rest, the
 *     crossing is moved to one pixel beside the next row's.
 * Arithmetic is in float in Pillow's order, because roundings decide which pixel is meant. */
#include "datasetgan/raster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int x0, y0, top, bottom, left, right; float slope; } edge;
typedef struct { edge *at; size_t count; float *crossing; } outline;

static int smaller(int a, int b) { return a < b ? a : b; }
static int larger(int a, int b) { return a > b ? a : b; }

static void paint_row(const dg_canvas *c, int y, int from, int to, uint8_t id)
{
    if (y < 0 || y >= c->height) return;
    from = larger(from, 0);
    to = smaller(to, (int)c->width - 1);
    for (int x = from; x <= to; x++) c->pixels[y * c->width + x] = id;
}

static edge make_edge(dg_corner a, dg_corner b)
{
    return (edge){ a.x, a.y, smaller(a.y, b.y), larger(a.y, b.y), smaller(a.x, b.x), larger(a.x, b.x),
                   a.y == b.y ? 0.0f : (float)(b.x - a.x) / (float)(b.y - a.y) };
}

/* A level edge that goes on in the direction of the level edge before it lengthens that one.  The closing edge is left out
 * when the last corner repeats the first. */
static void make_outline(outline *o, const dg_corner *p, size_t n)
{
    o->count = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (i > 0 && p[i].y == p[i + 1].y && p[i].y == p[i - 1].y) {
            if (p[i + 1].x > p[i].x && p[i].x > p[i - 1].x) { o->at[o->count - 1].right = p[i + 1].x; continue; }
            if (p[i + 1].x < p[i].x && p[i].x < p[i - 1].x) { o->at[o->count - 1].left = p[i + 1].x; continue; }
        }
        o->at[o->count++] = make_edge(p[i], p[i + 1]);
    }
    if (p[n - 1].x != p[0].x || p[n - 1].y != p[0].y) o->at[o->count++] = make_edge(p[n - 1], p[0]);
}

static float crossing_of(const edge *e, int y) { return (float)(y - e->y0) * e->slope + (float)e->x0; }
static bool reaches(const edge *e, int y) { return y >= e->top && y <= e->bottom; }

/* x, the crossing of edge i with row y where that edge ends, moved to the rest of the shape when it is the tip of a corner
 * that an earlier edge shares. */
static float join_corner(const outline *o, size_t i, int y, float x)
{
    const edge *e = &o->at[i];
    const int next = y + (y == e->bottom ? -1 : 1);
    for (size_t k = 0; k < i; k++) {
        const edge *f = &o->at[k];
        if (f->top == f->bottom || f->slope == 0.0f || (y != f->top && y != f->bottom)) continue;
        if (roundf(x) != roundf(crossing_of(f, y)) || !reaches(f, next)) continue;
        const float a = crossing_of(e, next), b = crossing_of(f, next);
        if (x > a + 1 && x > b + 1) return roundf(fmaxf(a, b)) + 1;
        if (x < a - 1 && x < b - 1) return roundf(fminf(a, b)) - 1;
        return x;
    }
    return x;
}

static int by_value(const void *a, const void *b) { const float x = *(const float *)a, y = *(const float *)b; return (x > y) - (x < y); }

/* The first and last pixel between two crossings: halves go away from zero at the left end and towards it at the right. */
static int first_pixel(float x) { return x >= 0 ? (int)floor(x + 0.5f) : (int)-floor(fabs(x) + 0.5); }
static int last_pixel(float x) { return x >= 0 ? (int)ceil(x - 0.5f) : (int)-ceil(fabs(x) - 0.5); }

static void fill_row(const dg_canvas *c, const outline *o, int y, int bottom, uint8_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < o->count; i++) {
        const edge *e = &o->at[i];
        if (e->top == e->bottom || !reaches(e, y)) continue;
        float x = crossing_of(e, y);
        if (y == e->bottom && y < bottom) o->crossing[n++] = x;
        else if ((y == e->top || y == e->bottom) && e->slope != 0.0f) x = join_corner(o, i, y, x);
        o->crossing[n++] = x;
    }
    qsort(o->crossing, n, sizeof *o->crossing, by_value);
    for (size_t i = 1; i < n; i += 2) paint_row(c, y, first_pixel(o->crossing[i - 1]), last_pixel(o->crossing[i]), id);
}

nn_status dg_raster_polygon(const dg_canvas *c, const dg_corner *corner, size_t n, uint8_t id, nn_err *err)
{
    int top = (int)c->height - 1, bottom = 0;
    outline o = { .at = nn_alloc(n * sizeof *o.at, "a polygon", err) };
    o.crossing = o.at ? nn_alloc(2 * n * sizeof *o.crossing, "a polygon", err) : NULL;
    if (o.crossing) {
        make_outline(&o, corner, n);
        for (size_t i = 0; i < o.count; i++) {
            const edge *e = &o.at[i];
            top = smaller(top, e->top);
            bottom = larger(bottom, e->bottom);
            if (e->top == e->bottom) paint_row(c, e->top, e->left, e->right, id);
        }
        bottom = smaller(bottom, (int)c->height);
        for (int y = larger(top, 0); y <= bottom; y++) fill_row(c, &o, y, bottom, id);
    }
    const nn_status s = o.crossing ? NN_OK : NN_ENOMEM;
    nn_free(o.at);
    nn_free(o.crossing);
    return s;
}

void dg_raster_rectangle(const dg_canvas *c, dg_corner a, dg_corner b, uint8_t id)
{
    const int bottom = smaller(larger(a.y, b.y), (int)c->height - 1);
    for (int y = larger(smaller(a.y, b.y), 0); y <= bottom; y++) paint_row(c, y, smaller(a.x, b.x), larger(a.x, b.x), id);
}

/* ---- lines and circles, as Pillow draws them (ImageDraw.line with a width, ImageDraw.ellipse) ------------------------------- */

/* To the nearest whole number, halves towards zero. */
static int round_down(double v) { return v >= 0 ? (int)ceil(v - 0.5) : (int)-ceil(-v - 0.5); }

nn_status dg_raster_line(const dg_canvas *c, dg_corner a, dg_corner b, int width, uint8_t id, nn_err *err)
{
    const int dx = b.x - a.x, dy = b.y - a.y;
    if (dx == 0 && dy == 0) {
        if (a.x >= 0 && a.x < c->width) paint_row(c, a.y, a.x, a.x, id);
        return NN_OK;
    }
    /* A quad along the segment without caps: of width - 1 steps across, the odd one goes to one side. */
    /* analyze: whole halves, as Pillow takes them */
    const double length = hypot(dx, dy), more = width / 2 / length, less = (width - 1) / 2 / length;
    const dg_corner corner[4] = {
        { a.x - round_down(less * dy), a.y + round_down(more * dx) }, { b.x - round_down(less * dy), b.y + round_down(more * dx) },
        { b.x + round_down(more * dy), b.y - round_down(less * dx) }, { a.x + round_down(more * dy), a.y - round_down(less * dx) },
    };
    return dg_raster_polygon(c, corner, 4, id, err);
}

/* In steps of half a pixel from the middle, so that odd and even diameters are alike, the border goes from the widest place to the
 * top, each time to that of the next points (up, up and inwards, inwards) which lies nearest to the circle x^2 + y^2 = d^2; the
 * first of equals.  A row is as wide as the first point that the border has in it. */
void dg_raster_circle(const dg_canvas *c, double x, double y, double radius, uint8_t id)
{
    const int left = (int)(x - radius), top = (int)(y - radius), w = (int)(x + radius) - left, h = (int)(y + radius) - top;
    const int64_t a2 = (int64_t)w * w, b2 = (int64_t)h * h;
    int u = w, v = h % 2, row = -1;
    for (;;) {
        if (v != row) {
            paint_row(c, top + (h + v) / 2, left + (w - u) / 2, left + (w + u) / 2, id);
            paint_row(c, top + (h - v) / 2, left + (w - u) / 2, left + (w + u) / 2, id);
            row = v;
        }
        if (u == w % 2 && v == h) return;
        const int step[3][2] = { { 0, 2 }, { -2, 2 }, { -2, 0 } };
        double best = INFINITY;
        int to = 0;
        for (int k = 0; k < (u > 1 ? 3 : 1); k++) {
            const double p = u + step[k][0], q = v + step[k][1], off = fabs((double)a2 * q * q + (double)b2 * p * p - (double)a2 * (double)b2);
            if (off < best) { best = off; to = k; }
        }
        u += step[to][0];
        v += step[to][1];
    }
}

/* ---- pycocotools --------------------------------------------------------------------------------------------------------
 * The outline is walked on a grid five times finer, one step of the longer axis at a time.  Where a step enters or leaves the
 * middle of a column, every pixel from that height on, in the order down the columns, changes sides.  (The rule of
 * cocodataset/cocoapi common/maskApi.c, which sorts the places of change instead.) */

typedef struct { nn_dim width, height; uint8_t *change; int u, v; bool begun; } walk;

static void step_to(walk *w, int u, int v)
{
    if (w->begun && u != w->u) {
        const double x = ((u < w->u ? u : u - 1) + 0.5) / 5.0 - 0.5;
        double y = ((v < w->v ? v : w->v) + 0.5) / 5.0 - 0.5;
        if (floor(x) == x && x >= 0 && x <= (double)(w->width - 1)) {
            y = ceil(fmin(fmax(y, 0.0), (double)w->height));
            w->change[(nn_dim)x * w->height + (nn_dim)y] ^= 1;
        }
    }
    w->u = u;
    w->v = v;
    w->begun = true;
}

/* From the smaller end of the longer axis, whichever way the edge is walked, so that both ways meet the same points. */
static void walk_edge(walk *w, int x0, int y0, int x1, int y1)
{
    const int dx = abs(x1 - x0), dy = abs(y1 - y0), steps = larger(dx, dy);
    const bool flat = dx >= dy, flip = flat ? x0 > x1 : y0 > y1;
    const int ax = flip ? x1 : x0, ay = flip ? y1 : y0, bx = flip ? x0 : x1, by = flip ? y0 : y1;
    if (steps == 0) return;
    const double slope = flat ? (double)(by - ay) / dx : (double)(bx - ax) / dy;
    for (int d = 0; d <= steps; d++) {
        const int t = flip ? steps - d : d;
        if (flat) step_to(w, ax + t, (int)(ay + slope * t + 0.5));
        else step_to(w, (int)(ax + slope * t + 0.5), ay + t);
    }
}

void dg_raster_coco(nn_dim width, nn_dim height, const double *xy, size_t n, uint8_t *mask, uint8_t *scratch)
{
    walk w = { .width = width, .height = height, .change = scratch };
    memset(scratch, 0, (size_t)(width * height) + 1);
    for (size_t i = 0; i < n; i++) {
        const double *a = xy + 2 * i, *b = xy + 2 * ((i + 1) % n);
        walk_edge(&w, (int)(5.0 * a[0] + 0.5), (int)(5.0 * a[1] + 0.5), (int)(5.0 * b[0] + 0.5), (int)(5.0 * b[1] + 0.5));
    }
    uint8_t inside = 0;
    for (nn_dim i = 0; i < width * height; i++) {
        inside ^= scratch[i];
        mask[i % height * width + i / height] |= inside;
    }
}
