/* test_json.c: what strict JSON refuses, and that what is written is the same in every locale. */
#include "tests/t.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "nn/json.h"

static void test_refused(void)
{
    static const struct { const char *text, *part; } bad[] = {
        { "", "x.json: line 1, column 0: not valid JSON" }, { "{\"a\":1,\"a\":2}", "duplicate object key" }, { "{\"b\":{\"a\":1,\"a\":1}}", "duplicate" },
        { "{\"a\":1} {}", "line 1, column 9" }, { "[1,2,]", "not valid JSON" }, { "[01]", "not valid JSON" }, { "[.5]", "not valid JSON" }, { "[1.]", "not valid JSON" },
        { "[NaN]", "not valid JSON" }, { "[Infinity]", "not valid JSON" }, { "[1e999]", "real number overflow" }, { "['a']", "not valid JSON" },
        { "[\"\xc3\"]", "not valid JSON" }, { "[\"\xed\xa0\x80\"]", "not valid JSON" }, { "[\"\\ud800\"]", "not valid JSON" }, { "[\"a\\u0000\"]", "not valid JSON" },
        { "[\"\n\"]", "not valid JSON" }, { "\xef\xbb\xbf{}", "not valid JSON" }, { "{\n  \"a\": 1,\n  b\n}", "line 3, column 3" }, { "[tru]", "not valid JSON" },
        { "[1 /* no */]", "not valid JSON" }, { "{\"a\" 1}", "not valid JSON" }, { "[99999999999999999999]", "too big integer" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nn_err err = { 0 };
        json_t *v = nn_json_parse(bad[i].text, strlen(bad[i].text), "x.json", &err);
        t_status(v ? NN_OK : err.status, NN_EFORMAT, &err, bad[i].part, "refused: %s", bad[i].text);
        json_decref(v);
    }
}

static void test_depth(void)
{
    char text[400];
    for (int depth = 64; depth <= 65; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        nn_err err = { 0 };
        json_t *v = nn_json_parse(text, 2 * (size_t)depth, "x", &err);
        if (depth == 64) t_check(v != NULL, "64 deep is read");
        else t_status(v ? NN_OK : err.status, NN_EFORMAT, &err, "deeper than 64 at byte 64", "65 deep");
        json_decref(v);
    }
    nn_err err = { 0 };
    const size_t n = 1 << 20;
    char *many = malloc(n);
    memset(many, '{', n);
    json_t *v = nn_json_parse(many, n, "x", &err);
    t_status(v ? NN_OK : err.status, NN_EFORMAT, &err, "deeper than 64", "a million brackets");
    /* Brackets inside strings and closed ones do not count. */
    char *at = many;
    *at++ = '[';
    for (int i = 0; i < 100; i++) at += sprintf(at, "\"[[\\\"[{\",[[]],");
    at += sprintf(at, "0]");
    err = (nn_err){ 0 };
    v = nn_json_parse(many, (size_t)(at - many), "x", &err);
    t_check(v != NULL, "brackets in strings: %s", err.msg);
    json_decref(v);
    free(many);
}

/* The same text under a locale with a decimal comma, when the system has one. */
static void test_write(const char *locale)
{
    char path[300];
    nn_err err = { 0 };
    nn_format(path, sizeof path, "%s/a.json", t_folder("json"));
    json_t *v = json_pack("{s:f, s:f, s:f, s:I, s:s, s:[i,i], s:n, s:b}", "z", 0.1, "whole", 2.0, "tiny", 1e-300, "big", (json_int_t)4294967295, "text", "h\xc3\xa9\n",
                          "list", 1, 2, "none", "yes", 1);
    const char *line = "{\"z\":0.10000000000000001,\"whole\":2.0,\"tiny\":1e-300,\"big\":4294967295,\"text\":\"h\xc3\xa9\\n\",\"list\":[1,2],\"none\":null,\"yes\":true}";
    char *got = nn_json_line(v, &err);
    t_check(got && !strcmp(got, line), "%s: one line, order kept, 17 digits: %s", locale, got);
    nn_free(got);
    t_status(nn_json_write(path, v, &err), NN_OK, &err, NULL, "write");
    nn_bytes b = { 0 };
    nn_file_read(path, 1 << 16, &b, &err);
    t_check(b.size > 10 && b.data[b.size - 1] == '\n' && b.data[b.size - 2] == '}' && !memcmp(b.data, "{\n  \"z\": 0.10000000000000001,\n", 29),
            "%s: indented, ends with one newline", locale);
    nn_bytes_free(&b);
    json_t *back = nn_json_read(path, 1 << 16, &err);
    t_check(back && json_equal(v, back), "%s: comes back equal: %s", locale, err.msg);
    json_decref(back);
    json_decref(v);
    t_check(!nn_json_read(path, 10, &err) && err.status == NN_EFORMAT, "%s: a file above the limit", locale);
}

/* Editors of Windows begin a file with a byte order mark. */
static void test_mark(void)
{
    static const struct { const char *text; bool good; } c[] = {
        { "\xef\xbb\xbf{\"a\": 1}\r\n", true }, { "\xef\xbb\xbf", false }, { "\xef\xbb\xbf\xef\xbb\xbf{}", false }, { "\xef\xbb{}", false }, { "{\xef\xbb\xbf}", false },
    };
    char path[300];
    nn_format(path, sizeof path, "%s/mark.json", t_folder("json_mark"));
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        nn_err err = { 0 };
        t_status(nn_file_write(path, c[i].text, strlen(c[i].text), &err), NN_OK, &err, NULL, "write");
        json_t *v = nn_json_read(path, 1 << 16, &err);
        t_check(c[i].good ? json_integer_value(json_object_get(v, "a")) == 1 : !v && err.status == NN_EFORMAT, "file %zu with a byte order mark: %s", i, err.msg);
        json_decref(v);
    }
}

/* A decimal comma: an installed locale, or one made here from the system's sources. */
static const char *comma_locale(void)
{
    static const char *names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "da_DK.UTF-8" };
    for (int i = 0; i < 3; i++) if (setlocale(LC_ALL, names[i])) return names[i];
    char command[600];
    const char *folder = t_folder("locale");
    nn_format(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >build/tmp/localedef.log 2>&1", folder);
    if (system(command)) return NULL;
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") ? "de_DE.UTF-8 (made for the test)" : NULL;
}

/* A number on its own, read alike in every locale. */
static void test_number(const char *locale)
{
    static const char *const not_one[] = { "", "x", "1,2", "1 2", "[1]", "\"1\"", "0,5", "1e999",
        "1000000000000000000000000000000000000000000000000000000000000000000000000000000000" };
    double v = 0.0;
    nn_err err = { 0 };
    setlocale(LC_ALL, locale);
    t_check(!nn_json_number("-2.5e-1", "x", &v, &err) && v == -0.25, "%s: -2.5e-1 is %g", locale, v);
    for (size_t i = 0; i < sizeof not_one / sizeof *not_one; i++) {
        err = (nn_err){ 0 };
        t_check(nn_json_number(not_one[i], "x", &v, &err) == NN_EFORMAT && v == -0.25, "%s: '%s' is no number: %s", locale, not_one[i], err.msg);
    }
}

int main(void)
{
    test_refused();
    test_depth();
    test_write("C");
    test_number("C");
    test_mark();
    const char *comma = comma_locale();
    if (comma) {
        test_write(comma);
        test_number(comma);
    } else t_skip("decimal comma: no such locale on this system, and none could be made");
    t_check(!comma || !strcmp(localeconv()->decimal_point, ","), "the locale has a decimal comma");
    return t_done();
}
