// taps.cpp: the library from C++: the largest number in every feature map of a picture.
//
// c++ taps.cpp $(pkg-config --cflags --libs datasetgan) -o taps
// ./taps GENERATOR SEED
#include <dgan/stylegan.h>
#include <stdio.h>
#include <stdlib.h>

struct Drawer {
    dgan_error err = {};
    dgan_generator *generator;
    dgan_drawer *drawer;
    explicit Drawer(const char *path) : generator(dgan_generator_open(path, nullptr, &err)), drawer(dgan_drawer_open(generator, 1, 1, &err)) {}
    ~Drawer() { dgan_drawer_close(drawer); dgan_generator_release(generator); }
    Drawer(const Drawer &) = delete;
    Drawer &operator=(const Drawer &) = delete;
};

int main(int argc, char **argv)
{
    if (argc != 3) { fprintf(stderr, "usage: taps GENERATOR SEED\n"); return 2; }
    Drawer d(argv[1]);
    const uint32_t seed = static_cast<uint32_t>(strtoul(argv[2], nullptr, 10));
    dgan_draw draw = DGAN_DRAW_INIT;
    draw.psi = 1.0;
    dgan_draw_seeds(d.drawer, &seed, 1, &draw, &d.err);
    dgan_map m;
    for (int i = 0; i < dgan_generator_taps(d.generator) && dgan_tap_map(d.drawer, 0, i, &m, &d.err) == DGAN_OK; i++) {
        dgan_tap tap;
        dgan_generator_tap(d.generator, i, &tap, &d.err);
        float largest = m.data[0];
        for (int64_t c = 0; c < m.channels; c++)
            for (int64_t y = 0; y < m.height; y++)
                for (int64_t x = 0; x < m.width; x++) {
                    const float v = m.data[c / 16 * m.block + c % 16 * m.channel + y * m.row + x * m.column];
                    if (v > largest) largest = v;
                }
        printf("%-12s %lld x %lld x %lld, largest %.4f\n", tap.name, (long long)tap.channels, (long long)tap.height, (long long)tap.width, largest);
    }
    if (d.err.status) fprintf(stderr, "taps: %s\n", d.err.message);
    return d.err.status != DGAN_OK;
}
