/* test_raster.c: shapes against labelme's and pycocotools' own masks (tests/golden/make_raster.py), pixel for pixel. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "datasetgan/raster.h"
#include "tests/t.h"

#define GOLDEN "tests/golden/raster.txt"
enum { CORNERS = 64, PIXELS = 1024 };

static void test_golden(void)
{
    FILE *f = fopen(GOLDEN, "r");
    char kind[16], bits[PIXELS];
    int w, h, n, lines = 0;
    if (!f) { t_fail(GOLDEN ": missing"); return; }
    while (fscanf(f, "%15s %d %d %d", kind, &w, &h, &n) == 4) {
        dg_corner p[CORNERS];
        double xy[2 * CORNERS];
        uint8_t pixels[PIXELS], mask[PIXELS] = { 0 }, scratch[PIXELS];
        const dg_canvas c = { pixels, w, h };
        bool ok = n <= CORNERS && w * h < PIXELS;
        for (int i = 0; ok && i < 2 * n; i++) ok = fscanf(f, "%lf", &xy[i]) == 1;
        for (int i = 0; ok && i < n; i++) p[i] = (dg_corner){ (int)xy[2 * i], (int)xy[2 * i + 1] };
        if (!ok || fscanf(f, "%1023s", bits) != 1) { t_fail("%s: line %d", GOLDEN, lines + 1); break; }
        memset(pixels, 9, sizeof pixels);
        lines++;
        if (!strcmp(kind, "coco")) {
            dg_raster_coco(w, h, xy, (size_t)n, mask, scratch);
            for (int i = 0; i < w * h; i++) if (mask[i]) pixels[i] = 200;
        } else if (!strcmp(kind, "circle") || !strcmp(kind, "point"))
            dg_raster_circle(&c, xy[0], xy[1], kind[0] == 'c' ? sqrt((xy[0] - xy[2]) * (xy[0] - xy[2]) + (xy[1] - xy[3]) * (xy[1] - xy[3])) : 5.0, 200);
        else if (!strncmp(kind, "line", 4)) {
            for (int i = 1; i < n; i++) t_status(dg_raster_line(&c, p[i - 1], p[i], 10, 200, NULL), NN_OK, NULL, NULL, "shape %d", lines);
        } else if (!strcmp(kind, "rectangle")) dg_raster_rectangle(&c, p[0], p[1], 200);
        else t_status(dg_raster_polygon(&c, p, (size_t)n, 200, NULL), NN_OK, NULL, NULL, "shape %d", lines);
        int wrong = 0;
        for (int i = 0; i < w * h; i++) wrong += pixels[i] != (bits[i] == '1' ? 200 : 9);
        t_check(wrong == 0, "shape %d, %s of %d corners on %d x %d: %d pixels differ", lines, kind, n, w, h, wrong);
        t_check(pixels[w * h] == 9, "shape %d: nothing written past the end", lines);
    }
    fclose(f);
    t_check(lines == 870, "870 shapes, found %d", lines);
}

/* Far outside, and the largest coordinates allowed: no overflow, no pixel wrong. */
static void test_limits(void)
{
    enum { FAR = DG_COORDINATE_MAX };
    uint8_t pixels[16] = { 0 };
    const dg_canvas c = { pixels, 4, 4 };
    const dg_corner all[4] = { { -FAR, -FAR }, { FAR, -FAR }, { FAR, FAR }, { -FAR, FAR } }, one[1] = { { 2, 2 } };
    const dg_corner none[3] = { { -FAR, FAR }, { FAR, FAR }, { 0, FAR - 5 } };
    dg_raster_circle(&c, FAR, FAR, FAR, 7);
    dg_raster_line(&c, (dg_corner){ FAR, -FAR }, (dg_corner){ FAR, FAR }, 10, 7, NULL);
    for (int i = 0; i < 16; i++) t_check(pixels[i] == 0, "pixel %d: circle and line are elsewhere", i);
    dg_raster_circle(&c, FAR, FAR, 2.0 * FAR, 7);
    for (int i = 0; i < 16; i++) t_check(pixels[i] == 7, "pixel %d: inside the largest circle", i);
    memset(pixels, 0, sizeof pixels);
    dg_raster_polygon(&c, none, 3, 7, NULL);
    dg_raster_polygon(&c, one, 1, 7, NULL);
    int painted = 0;
    for (int i = 0; i < 16; i++) painted += pixels[i];
    t_check(painted == 0, "outside: nothing is painted");
    dg_raster_polygon(&c, all, 4, 1, NULL);
    for (int i = 0; i < 16; i++) painted += pixels[i];
    t_check(painted == 16, "around the picture: all is painted, found %d", painted);
    dg_raster_rectangle(&c, all[0], (dg_corner){ FAR, -1 }, 2);
    dg_raster_rectangle(&c, (dg_corner){ FAR, 0 }, (dg_corner){ 4, FAR }, 2);
    for (int i = 0; i < 16; i++) painted += pixels[i] == 2;
    t_check(painted == 16, "rectangles above and right of the picture: nothing is painted");
    dg_raster_rectangle(&c, all[2], all[0], 3);
    painted = 0;
    for (int i = 0; i < 16; i++) painted += pixels[i] == 3;
    t_check(painted == 16, "rectangles: the last one covers everything, found %d", painted);
}

int main(void)
{
    test_golden();
    test_limits();
    return t_done();
}
