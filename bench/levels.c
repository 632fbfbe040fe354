/* levels.c: the largest difference between two PNGs in levels, and how many numbers differ; exit 1 beyond the limit.
 * usage: levels A.png B.png [limit, default 1] */
#include <stdio.h>
#include <stdlib.h>

#include "nn/image.h"

int main(int argc, char **argv)
{
    nn_err err = { 0 };
    nn_image a = { 0 }, b = { 0 };
    if (argc < 3) return fprintf(stderr, "usage: levels A.png B.png [limit]\n"), 2;
    if (nn_png_read(argv[1], &a, &err) || nn_png_read(argv[2], &b, &err)) return fprintf(stderr, "levels: %s\n", err.msg), 2;
    if (a.width != b.width || a.height != b.height || a.channels != b.channels) return fprintf(stderr, "levels: other sizes\n"), 2;
    int worst = 0;
    long differ = 0;
    const nn_dim n = a.width * a.height * a.channels;
    for (nn_dim i = 0; i < n; i++) {
        const int d = abs(a.pixels[i] - b.pixels[i]);
        worst = d > worst ? d : worst;
        differ += d > 0;
    }
    printf("%d level%s, %ld of %td numbers differ\n", worst, worst == 1 ? "" : "s", differ, n);
    nn_image_free(&a);
    nn_image_free(&b);
    return worst > (argc > 3 ? atoi(argv[3]) : 1);
}
