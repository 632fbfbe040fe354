/* dgan/stylegan.h: open a generator, draw, read its feature maps (taps). */
#ifndef DGAN_STYLEGAN_H
#define DGAN_STYLEGAN_H

#include <dgan/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- generators: weights, counted ------------------------------------------------------------------------------------ */

typedef struct dgan_generator dgan_generator;

/* Open a generator written by convert/convert.py.  kernels: a name out of dgan_kernels(), or NULL for the best.  NULL on failure. */
DGAN_API dgan_generator *dgan_generator_open(const char *path, const char *kernels, dgan_error *err);
/* One more owner of the same weights; returns g.  Drawers, labellers and streams own their generator too. */
DGAN_API dgan_generator *dgan_generator_retain(dgan_generator *g);
/* One owner less; the last one frees the weights. */
DGAN_API void dgan_generator_release(dgan_generator *g);

/* Width of a picture; its height (the same, but where the generator's file crops it); its channels (1, 3 or 4); lengths of z and w; styles of a picture; classes of a
 * conditional generator (0: none); number of taps; bytes of memory.  0 for NULL. */
DGAN_API int64_t dgan_generator_resolution(const dgan_generator *g);
DGAN_API int64_t dgan_generator_height(const dgan_generator *g);
DGAN_API int64_t dgan_generator_channels(const dgan_generator *g);
DGAN_API int64_t dgan_generator_z_dim(const dgan_generator *g);
DGAN_API int64_t dgan_generator_w_dim(const dgan_generator *g);
DGAN_API int64_t dgan_generator_num_ws(const dgan_generator *g);
DGAN_API int64_t dgan_generator_classes(const dgan_generator *g);
DGAN_API int     dgan_generator_taps(const dgan_generator *g);
DGAN_API size_t  dgan_generator_bytes(const dgan_generator *g);
/* Identity (64 hex digits over weights and architecture) and the kernel row in use.  They live as long as g; NULL for NULL. */
DGAN_API const char *dgan_generator_identity(const dgan_generator *g);
DGAN_API const char *dgan_generator_kernels(const dgan_generator *g);

/* Name ("b64.conv0") and shape of tap i in network order.  The name lives as long as g. */
typedef struct { const char *name; int64_t channels, height, width; } dgan_tap;
DGAN_API int dgan_generator_tap(const dgan_generator *g, int i, dgan_tap *out, dgan_error *err);

/* ---- drawing --------------------------------------------------------------------------------------------------------- */

enum { DGAN_NOISE_CONST, DGAN_NOISE_NONE, DGAN_NOISE_RANDOM };

/* How to draw.  psi: truncation, w = w_avg + psi*(w - w_avg), for the first `cutoff` of the num_ws styles (negative: all).
 * class_id: of a conditional generator, else 0.  Start with DGAN_DRAW_INIT; where a function takes NULL it means that, unless it says
 * otherwise. */
typedef struct { size_t size; double psi; int64_t cutoff; int noise, class_id; } dgan_draw;
#define DGAN_DRAW_INIT { sizeof(dgan_draw), 0.7, -1, DGAN_NOISE_CONST, 0 }

/* Room for drawing up to `batch` pictures at once.  keep_taps: feature maps stay readable (needed for labelling). */
typedef struct dgan_drawer dgan_drawer;
DGAN_API dgan_drawer *dgan_drawer_open(dgan_generator *g, int batch, int keep_taps, dgan_error *err);
DGAN_API void dgan_drawer_close(dgan_drawer *d);

/* Draw n <= batch pictures.  A seed is the picture that NVIDIA's tools draw for it; z (n,z_dim) is mapped and truncated as a seed's;
 * ws (n,num_ws,w_dim) is used as it is (of the options only the noise counts).  noise_seeds (n): for random noise, else NULL. */
DGAN_API int dgan_draw_seeds(dgan_drawer *d, const uint32_t *seeds, int n, const dgan_draw *o, dgan_error *err);
DGAN_API int dgan_draw_z(dgan_drawer *d, const float *z, int n, const dgan_draw *o, const uint32_t *noise_seeds, dgan_error *err);
DGAN_API int dgan_draw_ws(dgan_drawer *d, const float *ws, int n, const dgan_draw *o, const uint32_t *noise_seeds, dgan_error *err);

/* Results of the drawer's last drawing, valid until its next; NULL for an n that was not drawn.  picture: planar (channels,height,width),
 * about -1 to 1; ws: (num_ws,w_dim). */
DGAN_API const float *dgan_picture(const dgan_drawer *d, int n);
DGAN_API const float *dgan_ws(const dgan_drawer *d, int n);
/* The picture as bytes (height,width,channels), rounded as NVIDIA's generate.py does. */
DGAN_API int dgan_picture_bytes(const dgan_drawer *d, int n, uint8_t *out, dgan_error *err);

/* A feature map where it lies.  Number (c,y,x) stands at data[(c/16)*block + (c%16)*channel + y*row + x*column]; channels that fill
 * up the last sixteen are there and zero when `channel` is 1. */
typedef struct { const float *data; int64_t channels, height, width, block, channel, row, column; } dgan_map;
DGAN_API int dgan_tap_map(const dgan_drawer *d, int n, int tap, dgan_map *out, dgan_error *err);
/* The same copied to out (channels,height,width). */
DGAN_API int dgan_tap_copy(const dgan_drawer *d, int n, int tap, float *out, dgan_error *err);

#ifdef __cplusplus
}
#endif
#endif
