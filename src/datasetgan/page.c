/* page.c: see page.h. */
#include "datasetgan/page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dg_page_flush(dg_page *p)
{
    p->write(p->user, p->text, p->used);
    p->used = 0;
}

void dg_page_put(dg_page *p, const char *text)
{
    for (; *text; text++) {
        if (p->used == sizeof p->text) dg_page_flush(p);
        p->text[p->used++] = *text;
    }
}

void dg_page_putf(dg_page *p, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    dg_page_put(p, text);
}

/* Class and task names come from files. */
void dg_page_put_escaped(dg_page *p, const char *text)
{
    for (; *text; text++) {
        const char one[2] = { *text, 0 };
        dg_page_put(p, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '"' ? "&quot;" : *text == '\'' ? "&#39;" : one);
    }
}

void dg_page_put_decimal(dg_page *p, double v, int digits)
{
    uint64_t unit = 1;
    for (int i = 0; i < digits; i++) unit *= 10;
    if (v < 0) {
        dg_page_put(p, "-");
        v = -v;
    }
    const uint64_t n = (uint64_t)(v * (double)unit + 0.5);
    if (digits == 0) dg_page_putf(p, "%" PRIu64, n);
    else dg_page_putf(p, "%" PRIu64 ".%0*" PRIu64, n / unit, digits, n % unit);
}

void dg_page_put_base64(dg_page *p, const uint8_t *data, size_t size)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? (uint32_t)data[i + 2] : 0);
        const char four[5] = { digit[bits >> 18], digit[bits >> 12 & 63], left > 1 ? digit[bits >> 6 & 63] : '=', left > 2 ? digit[bits & 63] : '=', 0 };
        dg_page_put(p, four);
    }
}

void dg_page_to_memory(void *user, const char *text, size_t size)
{
    dg_page_memory *m = user;
    if (!m->status) m->status = nn_bytes_append(&m->out, &m->room, text, size, "a page", m->err);
}
