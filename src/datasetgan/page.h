/* page.h: HTML as it is written: texts from files escaped, numbers with a point in every locale.  Private to src/datasetgan and tools. */
#ifndef DG_PAGE_H
#define DG_PAGE_H

#include "nn/base.h"
#include "nn/file.h"

/* write receives the text in pieces; what fails in it is its own affair. */
typedef struct { void (*write)(void *user, const char *text, size_t size); void *user; size_t used; char text[8192]; } dg_page;
void dg_page_flush(dg_page *p);
void dg_page_put(dg_page *p, const char *text);
void dg_page_putf(dg_page *p, const char *fmt, ...) NN_PRINTF(2, 3);            /* at most 1023 bytes; no reals */
void dg_page_put_escaped(dg_page *p, const char *text);
void dg_page_put_decimal(dg_page *p, double v, int digits);
void dg_page_put_base64(dg_page *p, const uint8_t *data, size_t size);

/* A page's `write` for a page in memory, user = dg_page_memory, whose status says whether there was enough. */
typedef struct { nn_bytes out; size_t room; nn_status status; nn_err *err; } dg_page_memory;
void dg_page_to_memory(void *user, const char *text, size_t size);

#endif
