/* test_outline.c: paths of parts: filled with their border they are the part, holes, thin and single pixels included.  Filling here:
 * the pixels of the path's lines, and those that a path winds round an odd number of times. */
#include <stdlib.h>
#include <string.h>

#include "datasetgan/outline.h"
#include "tests/t.h"

enum { SIDE = 24 };

static int sign(int v) { return (v > 0) - (v < 0); }

static void fill(const dg_outline *o, uint8_t *to)
{
    for (int y = 0; y < (int)o->height; y++)
        for (int x = 0; x < (int)o->width; x++) {
            int crossed = 0;                                   /* edges right of the pixel that cross its row, upper end excluded */
            for (size_t i = 0; i < o->count; i++) {
                const dg_corner a = o->path[i], b = o->path[(i + 1) % o->count];
                if ((a.y > y) == (b.y > y)) continue;
                crossed += a.x + sign(b.x - a.x) * abs(y - a.y) > x;     /* all edges go level, upright or at 45 degrees */
            }
            if (crossed % 2) to[y * o->width + x] = 1;
        }
    for (size_t i = 0; i < o->count; i++) {
        const dg_corner a = o->path[i], b = o->path[(i + 1) % o->count];
        const int dx = b.x - a.x, dy = b.y - a.y, n = abs(dx) > abs(dy) ? abs(dx) : abs(dy);
        t_check(dx == 0 || dy == 0 || abs(dx) == abs(dy), "edges have one of eight directions");
        for (int k = 0; k <= n; k++) to[(a.y + sign(dy) * k) * o->width + a.x + sign(dx) * k] = 1;
    }
}

/* All parts of the mask of 7s: disjoint, each connected path fills its part; returns their number. */
static int check(const uint8_t *label, nn_dim w, nn_dim h, const char *what, int trial)
{
    dg_outline o;
    uint8_t sum[SIDE * SIDE] = { 0 };
    int overlaps = 0, wrong = 0;
    NN_ASSERT(dg_outline_make(&o, w, h, NULL) == NN_OK);
    dg_outline_find(&o, label, 7);
    for (int p = 1; p <= o.parts; p++) {
        uint8_t one[SIDE * SIDE] = { 0 };
        t_status(dg_outline_trace(&o, p, NULL), NN_OK, NULL, NULL, "%s %d", what, trial);
        t_check(o.count >= 3, "%s %d: at least three points", what, trial);
        fill(&o, one);
        for (nn_dim i = 0; i < w * h; i++) {
            overlaps += one[i] && sum[i];
            sum[i] |= one[i];
        }
    }
    for (nn_dim i = 0; i < w * h; i++) wrong += sum[i] != (label[i] == 7);
    t_check(!overlaps && !wrong, "%s %d, %td x %td: %d pixels wrong, %d in two parts", what, trial, w, h, wrong, overlaps);
    const int parts = o.parts;
    dg_outline_free(&o);
    return parts;
}

/* Edges as pycocotools fills them: every part exactly.  Borders, outer ones first, as Pillow fills them: all classes of the picture. */
static void check_other_paths(const uint8_t *label, nn_dim w, nn_dim h, const char *what, int trial, int *off)
{
    dg_outline o;
    uint8_t scratch[SIDE * SIDE + 1], painted[SIDE * SIDE] = { 0 };
    int wrong = 0;
    const dg_canvas c = { painted, w, h };
    NN_ASSERT(dg_outline_make(&o, w, h, NULL) == NN_OK);
    dg_outline_find_all(&o, label);
    for (int p = 1; p <= o.parts; p++) {
        double xy[8 * SIDE * SIDE + 64];
        uint8_t one[SIDE * SIDE] = { 0 };
        const uint8_t id = label[dg_outline_first(&o, p)];
        t_status(dg_outline_edges(&o, p, NULL), NN_OK, NULL, NULL, "%s %d: edges", what, trial);
        NN_ASSERT(o.count >= 4 && o.count * 2 <= sizeof xy / sizeof *xy);
        for (size_t i = 0; i < o.count; i++) { xy[2 * i] = o.path[i].x; xy[2 * i + 1] = o.path[i].y; }
        dg_raster_coco(w, h, xy, o.count, one, scratch);
        for (nn_dim y = 0; y < h; y++) for (nn_dim x = 0; x < w; x++) wrong += one[y * w + x] != (o.part[(y + 1) * (w + 2) + x + 1] == p);
        t_status(dg_outline_border(&o, p, NULL), NN_OK, NULL, NULL, "%s %d: border", what, trial);
        dg_raster_polygon(&c, o.path, o.count, id, NULL);
    }
    t_check(!wrong, "%s %d, %td x %td: %d pixels wrong by edges", what, trial, w, h, wrong);
    for (nn_dim i = 0; i < w * h; i++) *off += painted[i] != label[i];
    dg_outline_free(&o);
}

static void draw(uint8_t *to, const char *rows) { for (; *rows; rows++) *to++ = *rows == '#' ? 7 : 2; }

static void test_shapes(void)
{
    static const struct { const char *what, *rows; int w, h, parts; } shape[] = {
        { "nothing", "...", 3, 1, 0 },
        { "one pixel", "....#....", 3, 3, 1 },
        { "all", "############", 4, 3, 1 },
        { "two that touch by a corner", "#..#", 2, 2, 1 },
        { "two apart", "#.#", 3, 1, 2 },
        { "a ring", "####..##..####..", 4, 4, 1 },
        { "a ring with a hole", "####" "#..#" "#..#" "####", 4, 4, 1 },
        { "a hole of one pixel", "###" "#.#" "###", 3, 3, 1 },
        { "holes side by side, one bridge over another's border", "#######" "#.#.#.#" "#######", 7, 3, 1 },
        { "a part in a hole of a part", "#######" "#.....#" "#.###.#" "#.#.#.#" "#.###.#" "#.....#" "#######", 7, 7, 2 },
        { "a diamond: the hole touches by corners", "..#.." ".#.#." "#...#" ".#.#." "..#..", 5, 5, 1 },
        { "a comb", "#.#.#" "#.#.#" "#####", 5, 3, 1 },
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        uint8_t label[SIDE * SIDE];
        draw(label, shape[i].rows);
        const int parts = check(label, shape[i].w, shape[i].h, shape[i].what, 0);
        int off = 0;
        check_other_paths(label, shape[i].w, shape[i].h, shape[i].what, 0, &off);
        /* Where classes cross each other by corners neither lies inside the other: the export adds what is missing as a mask. */
        t_check(off == (strncmp(shape[i].what, "a diamond", 9) ? 0 : 5), "%s: %d pixels off by borders", shape[i].what, off);
        t_check(parts == shape[i].parts, "%s: expected %d parts, found %d", shape[i].what, shape[i].parts, parts);
    }
}

static void test_random(void)
{
    uint32_t state = 7;
    int off = 0, pixels = 0;
    for (int trial = 0; trial < 400; trial++) {
        const nn_dim w = 1 + trial % SIDE, h = 1 + trial * 7 % SIDE;
        uint8_t label[SIDE * SIDE];
        for (nn_dim i = 0; i < w * h; i++) {
            state = state * 1664525u + 1013904223u;
            label[i] = (state >> 24) % 16 < (uint32_t)(trial % 17) ? 7 : (uint8_t)(state >> 30);
        }
        check(label, w, h, "noise", trial);
        check_other_paths(label, w, h, "noise", trial, &off);
        pixels += (int)(w * h);
    }
    t_limit((double)off / pixels, 1e-3, "borders as Pillow fills them, noise: part of the pixels that is off");
}

int main(void)
{
    test_shapes();
    test_random();
    return t_done();
}
