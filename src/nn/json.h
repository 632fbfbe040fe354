/* json.h: strict reading and stable writing of JSON, on jansson.
 *
 * Strict: duplicate keys are refused, nesting is at most 64 deep, the text is UTF-8, nothing follows the value.
 * Stable: keys keep their order, reals carry 17 digits, the same value gives the same bytes in any locale. */
#ifndef NN_JSON_H
#define NN_JSON_H

#include <jansson.h>
#include "nn/base.h"

/* Parse text[0..size).  `name` is what error lines call it (a path).  NULL and NN_EFORMAT with line and column. */
json_t *nn_json_parse(const char *text, size_t size, const char *name, nn_err *err);
/* A number on its own, in any locale: strtod takes the decimal point from the program's.  NN_EFORMAT, NN_ENOMEM. */
nn_status nn_json_number(const char *text, const char *name, double *out, nn_err *err);
/* A file; a byte order mark before the text is passed over. */
json_t *nn_json_read(const char *path, size_t max_bytes, nn_err *err);

/* A deep copy that holds all of v; NULL: not enough memory (or v is NULL).  jansson's own leaves out what it could not put in. */
json_t *nn_json_copy(const json_t *v);

/* Indented text with a final newline, written as nn_file_write does. */
nn_status nn_json_write(const char *path, const json_t *value, nn_err *err);
/* One compact line without newline; NULL: NN_ENOMEM.  Free with nn_free. */
char *nn_json_line(const json_t *value, nn_err *err);

/* The keys of two objects, "a.b" in nested ones, whose values differ: how many, and what they are, as
 * "KEY is X there, Y in this command; KEY is ..."; what text has no room for is counted in its end. */
enum { NN_JSON_DIFFERENCES = 480 };
int nn_json_differences(const json_t *there, const json_t *here, char text[NN_JSON_DIFFERENCES]);

#endif
