/* import.h: one set of one picture in memory's file system, and any bytes as labels for it.  Nothing is written: `out` is in the way, which is found
 * after everything was read. */
#ifndef FUZZ_IMPORT_H
#define FUZZ_IMPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "datasetgan/datasetgan.h"
#include "tests/fuzz/fuzz.h"

static char fuzz_folder[] = "/dev/shm/datasetgan-fuzz-XXXXXX";

static inline const char *fuzz_at(const char *name)
{
    static char path[4][128];
    static int turn;
    char *p = path[turn++ % 4];
    nn_format(p, sizeof path[0], "%s/%s", fuzz_folder, name);
    return p;
}

static inline void fuzz_put(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(fuzz_at(name), "w");
    NN_ASSERT(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static inline void fuzz_problem(void *user, const char *line)
{
    (void)user;
    NN_ASSERT(*line && !strchr(line, '\n'));
}

static inline void fuzz_prepare(void)
{
    static const char task[] = "{\"name\":\"t\",\"generator\":{\"sha256\":\"\",\"psi\":0.7,\"cutoff\":null,\"noise\":\"const\"},"
        "\"classes\":[{\"id\":0,\"name\":\"a\",\"color\":\"#000000\"},{\"id\":1,\"name\":\"b\",\"color\":\"#800000\"}],"
        "\"items\":[{\"image\":\"p.png\",\"label\":\"none.png\",\"seed\":1,\"split\":\"train\"}]}";
    static uint8_t pixels[9 * 7 * 3];
    const nn_image im = { 9, 7, 3, pixels };
    if (strstr(fuzz_folder, "XXXXXX") == NULL) return;
    NN_ASSERT(mkdtemp(fuzz_folder) && mkdir(fuzz_at("in"), 0700) == 0);
    fuzz_put("task.json", task, sizeof task - 1);
    fuzz_put("out", "", 0);
    NN_ASSERT(nn_png_write(fuzz_at("p.png"), &im, NULL, NULL) == NN_OK);
}

/* The labels are bytes in a file of this name; `in`: what --in would be. */
static inline void fuzz_import(const char *from, const char *in, const char *name, const uint8_t *data, size_t size)
{
    nn_err err = { 0 };
    dg_import_result r;
    fuzz_prepare();
    fuzz_put(name, data, size);
    char path[3][128];
    nn_format(path[0], sizeof path[0], "%s", fuzz_at(in));
    nn_format(path[1], sizeof path[1], "%s", fuzz_at("task.json"));
    nn_format(path[2], sizeof path[2], "%s", fuzz_at("out"));
    const dg_import_options o = { .from = from, .in = path[0], .task = path[1], .out = path[2], .problem = fuzz_problem };
    const nn_status s = dg_import_set(&o, &r, &err);
    NN_ASSERT(s != NN_OK);
    fuzz_check(s, &err);
    NN_ASSERT(s != NN_EMISMATCH || (r.labelled && !r.problems));           /* all was right: then `out` is in the way */
}

#endif
