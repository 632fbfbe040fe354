/* segment.h: what the three segment commands share. */
#ifndef CLI_SEGMENT_H
#define CLI_SEGMENT_H

#include "cli/cli.h"
#include "deeplab/deeplab.h"
#include "nn/jpeg.h"

/* The pictures of a folder, or one file: names (without folder) in order; a label map STEM_label.png beside STEM.png is no picture. */
typedef struct { char folder[CLI_PATH]; nn_names names; } cli_files;
nn_status cli_list_pictures(cli_files *f, const char *path, nn_err *err);
void cli_files_free(cli_files *f);
/* "STEM" of "STEM.png". */
void cli_stem(char out[256], const char *name);
/* The label map of a picture: labels/STEM.png or labels/STEM_label.png.  Ids below `classes`, or 255. */
nn_status cli_read_label(nn_image *out, const char *folder, const char *picture, int classes, nn_dim width, nn_dim height, nn_err *err);

/* A picture at size x size, whatever its shape: to (size,size,3), grey as RGB.  A label map likewise: class shares resized as the
 * picture is, then the largest; void where it has the largest share.  NN_ENOMEM. */
nn_status cli_fit_picture(uint8_t *to, const nn_image *im, nn_dim size, nn_err *err);
nn_status cli_fit_label(uint8_t *to, const nn_image *label, int classes, nn_dim size, nn_err *err);

/* Labelled pictures of two folders at size x size, in memory.  sha256: over names, pixels and ids as read. */
typedef struct { nn_dim count, size; uint8_t *rgb, *label; char sha256[65]; } cli_labelled;
nn_status cli_labelled_read(cli_labelled *l, const char *images, const char *labels, int classes, nn_dim size, int64_t limit, nn_err *err);
void cli_labelled_free(cli_labelled *l);

/* Classes of a task, or of one of its views.  map (NULL: not wanted; filled with identity without a view). */
nn_status cli_classes(const char *task, const char *view, dl_class out[NN_VOID], int *count, dg_map *map, nn_err *err);

/* An option that names a class other than the first, by name or id; *to stays 0 where name is NULL.  NN_EINVAL. */
nn_status cli_named_class(const char *option, const char *name, const dl_model *m, int *to, nn_err *err);
/* The same for several with commas between them, or "all": every one but the first.  of: set where it is named. */
nn_status cli_named_classes(const char *option, const char *names, const dl_model *m, bool of[NN_VOID + 1], nn_err *err);

/* Half picture, half class colour. */
void cli_overlay(uint8_t *rgb, const nn_image *picture, const uint8_t *label, const dl_class *class_at, int classes);

int cmd_segment_train(int argc, char **argv);
int cmd_segment_predict(int argc, char **argv);
int cmd_segment_eval(int argc, char **argv);

#endif
