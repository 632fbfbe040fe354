/* import_labelme.c: LabelMe's JSON: its shapes, painted as labelme paints them; later shapes go over earlier. */
#include "datasetgan/import.h"

#include <math.h>
#include <string.h>

#include "datasetgan/fields.h"
#include "datasetgan/raster.h"

enum { JSON_BYTES_MAX = 512 << 20, CORNERS_MAX = 1000000 };
enum { LINE_WIDTH = 10, POINT_RADIUS = 5 };                  /* labelme.utils.shape_to_mask: line_width, point_size */

/* A shape while it is read: every problem of it names the file and "shapes[N]". */
typedef struct {
    dg_reader r;
    char place[64];
    const json_t *json;
    int id;
    size_t count;
    dg_corner *corner;               /* (count), cut towards zero to whole pixels, as Pillow does */
    double exact[2][2];              /* the first two as they are */
} shape;

static nn_status refuse(const shape *s, const char *part, const char *expected, const json_t *found)
{
    char place[96];
    nn_format(place, sizeof place, "%s.%s", s->place, part);
    return dg_refuse(&s->r, place, expected, found);
}

static nn_status read_class(const dg_import *x, shape *s)
{
    const json_t *label = json_object_get(s->json, "label");
    const char *name = json_string_value(label);
    s->id = name ? dg_import_label(x, name) : -1;
    return s->id >= 0 ? NN_OK : refuse(s, "label", "a class of the task, _background_ or __ignore__", label);
}

static nn_status read_corners(shape *s)
{
    const json_t *list = json_object_get(s->json, "points");
    s->count = json_array_size(list);
    if (!json_is_array(list) || s->count < 1 || s->count > CORNERS_MAX) return refuse(s, "points", "a list of 1 to 1000000 points", list);
    s->corner = nn_alloc(s->count * sizeof *s->corner, "the points of a shape", s->r.err);
    if (!s->corner) return NN_ENOMEM;
    for (size_t i = 0; i < s->count; i++) {
        const json_t *p = json_array_get(list, i);
        double at[2];
        for (size_t k = 0; k < 2; k++) {
            const json_t *v = json_array_size(p) == 2 ? json_array_get(p, k) : NULL;
            char part[48];
            nn_format(part, sizeof part, "points[%zu]", i);
            at[k] = json_number_value(v);
            if (!json_is_number(v) || !(fabs(at[k]) <= DG_COORDINATE_MAX)) return refuse(s, part, "[x, y], within 1048576 pixels", v ? v : p);
        }
        s->corner[i] = (dg_corner){ (int)at[0], (int)at[1] };
        if (i < 2) memcpy(s->exact[i], at, sizeof at);
    }
    return NN_OK;
}

/* ---- masks: a PNG in base64 in the box of two points, both included ------------------------------------------------------------ */

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, without line breaks.  False when it is not that. */
static bool read_base64(const char *text, uint8_t *out, size_t *size)
{
    size_t length = strlen(text), n = 0;
    if (length % 4) return false;
    for (int pad = 0; pad < 2 && length && text[length - 1] == '='; pad++) length--;
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < length; i++) {
        const int d = base64_digit(text[i]);
        if (d < 0) return false;
        bits = (bits << 6 | (uint32_t)d) & 0xffffff;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[n++] = (uint8_t)(bits >> have);
    }
    *size = n;
    return true;
}

static nn_status paint_mask(const shape *s, const dg_canvas *c)
{
    const json_t *v = json_object_get(s->json, "mask");
    const char *text = json_string_value(v);
    if (!text) return refuse(s, "mask", "a PNG in base64", v);
    const dg_corner a = s->corner[0], b = s->corner[1];
    char name[DG_PATH + 96];
    nn_format(name, sizeof name, "%s: %s.mask", s->r.path, s->place);
    uint8_t *bytes = nn_alloc(strlen(text) + 1, "a mask", s->r.err);
    size_t size = 0;
    nn_image im = { 0 };
    nn_status st = !bytes ? NN_ENOMEM : read_base64(text, bytes, &size) ? NN_OK : refuse(s, "mask", "a PNG in base64", NULL);
    if (!st) st = nn_png_decode(bytes, size, true, name, &im, s->r.err);
    if (!st && (a.x < 0 || a.y < 0 || b.x >= c->width || b.y >= c->height || im.width != b.x - a.x + 1 || im.height != b.y - a.y + 1))
        st = nn_fail(s->r.err, NN_ESHAPE, "%s: %td x %td pixels in the box %d,%d to %d,%d of a picture of %td x %td", name, im.width, im.height,
                     a.x, a.y, b.x, b.y, c->width, c->height);
    for (nn_dim i = 0; !st && i < im.width * im.height; i++)
        if (im.pixels[i]) c->pixels[(a.y + i / im.width) * c->width + a.x + i % im.width] = (uint8_t)s->id;
    nn_image_free(&im);
    nn_free(bytes);
    return st;
}

/* ---- the other kinds ------------------------------------------------------------------------------------------------------------ */

static nn_status paint_rectangle(const shape *s, const dg_canvas *c)
{
    dg_raster_rectangle(c, s->corner[0], s->corner[1], (uint8_t)s->id);
    return NN_OK;
}

/* A middle and a point of the border. */
static nn_status paint_circle(const shape *s, const dg_canvas *c)
{
    const double *m = s->exact[0], *p = s->exact[1];
    dg_raster_circle(c, m[0], m[1], sqrt((m[0] - p[0]) * (m[0] - p[0]) + (m[1] - p[1]) * (m[1] - p[1])), (uint8_t)s->id);
    return NN_OK;
}

static nn_status paint_point(const shape *s, const dg_canvas *c)
{
    dg_raster_circle(c, s->exact[0][0], s->exact[0][1], POINT_RADIUS, (uint8_t)s->id);
    return NN_OK;
}

static nn_status paint_line(const shape *s, const dg_canvas *c)
{
    nn_status st = NN_OK;
    for (size_t i = 1; i < s->count && !st; i++) st = dg_raster_line(c, s->corner[i - 1], s->corner[i], LINE_WIDTH, (uint8_t)s->id, s->r.err);
    return st;
}

static nn_status paint_polygon(const shape *s, const dg_canvas *c) { return dg_raster_polygon(c, s->corner, s->count, (uint8_t)s->id, s->r.err); }

/* ---- a shape, a file --------------------------------------------------------------------------------------------------------- */

static const struct { const char *name; size_t least, most; const char *expected; nn_status (*paint)(const shape *s, const dg_canvas *c); } kinds[] = {
    { "polygon", 3, CORNERS_MAX, "3 points or more", paint_polygon }, { "oriented_rectangle", 3, CORNERS_MAX, "3 points or more", paint_polygon },
    { "rectangle", 2, 2, "2 points, the rectangle's corners", paint_rectangle }, { "mask", 2, 2, "2 points, the mask's corners", paint_mask },
    { "circle", 2, 2, "2 points, the middle and one of the border", paint_circle }, { "line", 2, 2, "2 points, the line's ends", paint_line },
    { "linestrip", 2, CORNERS_MAX, "2 points or more", paint_line }, { "point", 1, 1, "1 point", paint_point },
};

static nn_status paint_shape(const dg_import *x, shape *s, const dg_canvas *c)
{
    const json_t *type = json_object_get(s->json, "shape_type");
    const char *is = type && !json_is_null(type) ? json_string_value(type) : "polygon";
    if (!json_is_object(s->json)) return dg_refuse(&s->r, s->place, "an object", s->json);
    nn_status st = read_class(x, s);
    if (!st) st = read_corners(s);
    if (st) return st;
    for (size_t k = 0; is && k < sizeof kinds / sizeof *kinds; k++) {
        if (strcmp(is, kinds[k].name)) continue;
        if (s->count < kinds[k].least || s->count > kinds[k].most) return refuse(s, "points", kinds[k].expected, NULL);
        return kinds[k].paint(s, c);
    }
    return refuse(s, "shape_type", "polygon, rectangle, circle, line, linestrip, point or mask", type);
}

static nn_status check_size(const dg_reader *r, const json_t *v, const nn_image *im)
{
    static const char *const key[] = { "imageWidth", "imageHeight" };
    for (int i = 0; i < 2; i++) {
        const json_t *size = json_object_get(v, key[i]);
        const nn_dim want = i ? im->height : im->width;
        char expected[48];
        nn_format(expected, sizeof expected, "%td, as the picture", want);
        if (size && !json_is_null(size) && json_integer_value(size) != want) return dg_refuse(r, key[i], expected, size);
    }
    return NN_OK;
}

static nn_status paint_labelme(dg_import *x, nn_dim i, nn_image *im, nn_err *err)
{
    nn_err e = { 0 };
    const dg_reader r = { x->item[i].path, &e };
    const dg_canvas c = { im->pixels, im->width, im->height };
    json_t *v = nn_json_read(r.path, JSON_BYTES_MAX, &e), *one;
    const json_t *shapes = json_object_get(v, "shapes");
    if (!v || check_size(&r, v, im) || (!json_is_array(shapes) && dg_refuse(&r, "shapes", "a list", shapes))) {
        json_decref(v);
        return dg_import_problem(x, &e, err);
    }
    size_t n;
    nn_status st = NN_OK;
    json_array_foreach((json_t *)(uintptr_t)shapes, n, one) {
        shape s = { .r = r, .json = one };
        nn_format(s.place, sizeof s.place, "shapes[%zu]", n);
        if (!st && paint_shape(x, &s, &c)) st = dg_import_problem(x, &e, err);
        nn_free(s.corner);
    }
    json_decref(v);
    return st;
}

static nn_status find_labelme(dg_import *x, nn_err *err) { return dg_import_list(x, x->o->in, ".json", "", err); }

const dg_import_source dg_import_labelme = { "labelme", find_labelme, paint_labelme };
