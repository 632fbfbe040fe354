/* classes.h: class names and colours as other tools keep them.  Private to src/datasetgan. */
#ifndef DG_CLASSES_H
#define DG_CLASSES_H

#include "datasetgan/datasetgan.h"

/* A text file: a name a line, first the background; " #rrggbb" at the end of a line is its colour, otherwise it has VOC's.  Empty
 * lines are skipped.  NN_EFORMAT with the line. */
nn_status dg_classes_read(const char *path, dg_class out[NN_VOID], int *count, nn_err *err);

/* The colours of the VOC development kit; all differ, so that tools which go by colour read the classes too.  (FORMATS: VOC) */
void dg_voc_colour(int id, uint8_t rgb[3]);

/* CVAT's and Datumaro's labelmap.txt, "NAME:R,G,B::" in order of ids.  nn_bytes_free.  NN_EINVAL: a name with ':'. */
nn_status dg_labelmap_write(const dg_class *c, int count, nn_bytes *out, nn_err *err);
/* Read one: names and colours in the file's order; lines that begin with '#' are skipped.  coloured (room): where the colour stands
 * empty, no pixel of a mask has it; where none has one, all have VOC's.  (datumaro 1.13, voc/format.py: make_voc_categories) */
nn_status dg_labelmap_read(const char *text, size_t size, const char *name, dg_class *out, bool *coloured, size_t room, size_t *count, nn_err *err);

/* labels.txt, what `labelme --labels` takes: its own two words, then the classes from 1 on. */
nn_status dg_labels_txt_write(const dg_class *c, int count, nn_bytes *out, nn_err *err);

/* Views "level1", "level2", ... of names such as head***eye***iris: their first parts, joined.  {} when no name has parts. */
json_t *dg_level_views(const dg_class *c, int count);

#endif
