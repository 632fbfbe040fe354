/* options.c: the strict option parser: one table per command is its documentation, its parser and its checks. */
#include "cli/cli.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/sys.h"

enum { OPTIONS_MAX = 64, NAME_MAX_CHARS = 32, HELP_COLUMN = 26, HELP_WIDTH = 110 };
static const size_t SEEDS_MAX = (size_t)1 << 24;

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* Decimal digits, optionally signed, nothing else; false also when they do not fit. */
static bool read_int(const char *s, int64_t *out)
{
    const bool minus = *s == '-';
    if (*s == '-' || *s == '+') s++;
    if (!digit(*s)) return false;
    int64_t v = 0;                           /* kept negative: INT64_MIN has no positive twin */
    for (; digit(*s); s++) {
        const int d = *s - '0';
        if (v < (INT64_MIN + d) / 10) return false;
        v = v * 10 - d;
    }
    if (*s || (!minus && v == INT64_MIN)) return false;
    *out = minus ? v : -v;
    return true;
}

/* [sign] digits [. digits] [e [sign] digits]: the form is checked by hand because strtod also takes nan, inf and hex, and
 * converted under the C locale because strtod otherwise asks the user's for its decimal point. */
static bool read_real(const char *text, double *out)
{
    const char *s = text;
    if (*s == '-' || *s == '+') s++;
    const char *first = s;
    while (digit(*s)) s++;
    size_t digits = (size_t)(s - first);
    if (*s == '.') for (s++; digit(*s); s++) digits++;
    if (!digits) return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '-' || *s == '+') s++;
        if (!digit(*s)) return false;
        while (digit(*s)) s++;
    }
    if (*s) return false;
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) return false;
    const locale_t before = uselocale(c);
    const double v = strtod(text, NULL);
    uselocale(before);
    freelocale(c);
    if (!isfinite(v)) return false;
    *out = v;
    return true;
}

/* One seed at *s, which moves past it. */
static bool read_seed(const char **s, uint32_t *out)
{
    uint64_t v = 0;
    if (!digit(**s)) return false;
    for (; digit(**s); (*s)++) {
        v = v * 10 + (uint64_t)(**s - '0');
        if (v > UINT32_MAX) return false;
    }
    *out = (uint32_t)v;
    return true;
}

/* "3,7,10-20".  Fills at when it is not NULL; returns how many, 0 when the text is no such list. */
static size_t read_seeds(const char *s, uint32_t *at)
{
    size_t n = 0;
    for (;;) {
        uint32_t a, b;
        if (!read_seed(&s, &a)) return 0;
        b = a;
        if (*s == '-') {
            s++;
            if (!read_seed(&s, &b) || b < a) return 0;
        }
        if ((uint64_t)b - a >= SEEDS_MAX - n) return 0;
        for (uint64_t v = a; v <= b; v++, n++) if (at) at[n] = (uint32_t)v;
        if (!*s) return n;
        if (*s++ != ',') return 0;
    }
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static nn_status parse_seeds(const cli_opt *o, const char *text, nn_err *err)
{
    cli_seeds *s = o->place;
    const size_t n = read_seeds(text, NULL);
    if (!n)
        return nn_fail(err, NN_EINVAL, "option --%s: expected seeds such as 3,7,10-20, each from 0 to 4294967295, at most %zu of them, "
                       "found '%s'", o->name, SEEDS_MAX, text);
    uint32_t *sorted = nn_alloc(n * sizeof *sorted, "seeds", err);
    s->at = nn_alloc(n * sizeof *s->at, "seeds", err);
    if (!sorted || !s->at) { nn_free(sorted); return err->status; }
    s->count = read_seeds(text, s->at);
    memcpy(sorted, s->at, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 1; i < n; i++)
        if (sorted[i] == sorted[i - 1]) {
            nn_fail(err, NN_EINVAL, "option --%s: seed %lu is named twice", o->name, (unsigned long)sorted[i]);
            break;
        }
    nn_free(sorted);
    return err->status;
}

void cli_seeds_free(cli_seeds *s)
{
    nn_free(s->at);
    *s = (cli_seeds){ 0 };
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

/* Edit distance with swaps of neighbours (optimal string alignment).  Longer words count by their first 32 characters. */
static size_t distance(const char *a, const char *b)
{
    size_t d[NAME_MAX_CHARS + 1][NAME_MAX_CHARS + 1];
    const size_t na = strnlen(a, NAME_MAX_CHARS), nb = strnlen(b, NAME_MAX_CHARS);
    for (size_t i = 0; i <= na; i++)
        for (size_t j = 0; j <= nb; j++) {
            if (!i || !j) { d[i][j] = i + j; continue; }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[na][nb];
}

size_t cli_nearest(const char *word, const char *const *name, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) if (distance(word, name[i]) < distance(word, name[best])) best = i;
    return best;
}

/* ---- help ----------------------------------------------------------------------------------------------------------- */

/* What a value may be, for error lines. */

static void describe(const cli_opt *o, char *out, size_t size)
{
    switch (o->type) {
    case CLI_INT: nn_format(out, size, "a whole number from %.0f to %.0f", o->lo, o->hi); break;
    case CLI_REAL:
        if (isinf(o->lo)) nn_format(out, size, "a finite number");
        else nn_format(out, size, "a number from %g to %g", o->lo, o->hi);
        break;
    case CLI_CHOICE: nn_format(out, size, "one of %s", o->choices); break;
    case CLI_SEEDS: nn_format(out, size, "seeds such as 3,7,10-20"); break;
    default: nn_format(out, size, "a value"); break;
    }
}

static const char *value_name(const cli_opt *o)
{
    switch (o->type) {
    case CLI_INT: return "N";
    case CLI_REAL: return "X";
    case CLI_SEEDS: return "LIST";
    case CLI_FLAG: return "";
    default: return o->choices ? o->choices : "TEXT";
    }
}

/* Words of text from column `from` on, broken before HELP_WIDTH. */
static void print_wrapped(const char *text, int at, int from)
{
    for (bool first = true; *text; first = false) {
        const int word = (int)strcspn(text, " ");
        if (first || at + 1 + word > HELP_WIDTH) {
            if (at && (!first || at >= from)) { putchar('\n'); at = 0; }
            at += printf("%*s%.*s", from - at, "", word, text);
        } else at += printf(" %.*s", word, text);
        text += word;
        while (*text == ' ') text++;
    }
    putchar('\n');
}

static void print_help(const char *command, const char *about, const cli_opt *opt, size_t count, bool rest)
{
    printf("usage: datasetgan %s [OPTIONS]%s\n\n", command, rest ? " [FILE...]" : "");
    print_wrapped(about, 0, 0);
    putchar('\n');
    for (size_t i = 0; i < count; i++) {
        char range[80] = "", text[600];
        if (opt[i].type == CLI_INT) nn_format(range, sizeof range, "; %.0f to %.0f", opt[i].lo, opt[i].hi);
        else if (opt[i].type == CLI_REAL && isfinite(opt[i].lo)) nn_format(range, sizeof range, "; %g to %g", opt[i].lo, opt[i].hi);
        nn_format(text, sizeof text, "%s%s%s", opt[i].help, range, opt[i].required ? "; required" : "");
        print_wrapped(text, printf("  --%s %s", opt[i].name, value_name(&opt[i])), HELP_COLUMN);
    }
    print_wrapped("this text", printf("  --help "), HELP_COLUMN);
}

/* ---- parsing ------------------------------------------------------------------------------------------------------ */

static bool is_choice(const char *choices, const char *value, const char **canonical)
{
    const size_t n = strlen(value);
    for (const char *p = choices; *p;) {
        const size_t len = strcspn(p, "|");
        if (len == n && !memcmp(p, value, n)) { *canonical = value; return true; }
        p += len;
        if (*p) p++;
    }
    return false;
}

static nn_status parse_value(const cli_opt *o, const char *value, nn_err *err)
{
    bool ok = true;
    switch (o->type) {
    case CLI_STR: *(const char **)o->place = value; break;
    case CLI_CHOICE: ok = is_choice(o->choices, value, o->place); break;
    case CLI_SEEDS: return parse_seeds(o, value, err);
    case CLI_FLAG: *(bool *)o->place = true; break;
    case CLI_INT: {
        int64_t v;
        ok = read_int(value, &v) && v >= (int64_t)o->lo && v <= (int64_t)o->hi;      /* not as reals: 2^53 + 1 is none */
        if (ok) *(int64_t *)o->place = v;
        break;
    }
    case CLI_REAL: {
        double v;
        ok = read_real(value, &v) && v >= o->lo && v <= o->hi;
        if (ok) *(double *)o->place = v;
        break;
    }
    }
    if (ok) return NN_OK;
    char want[200];
    describe(o, want, sizeof want);
    return nn_fail(err, NN_EINVAL, "option --%s: expected %s, found '%s'", o->name, want, value);
}

static nn_status unknown(const cli_opt *opt, size_t count, const char *arg, size_t len, nn_err *err)
{
    char word[NAME_MAX_CHARS + 1];
    const char *name[OPTIONS_MAX + 1] = { "help" };
    nn_format(word, sizeof word, "%.*s", (int)(len < NAME_MAX_CHARS ? len : NAME_MAX_CHARS), arg);
    for (size_t i = 0; i < count; i++) name[i + 1] = opt[i].name;
    return nn_fail(err, NN_EINVAL, "unknown option --%.*s; the nearest is --%s", (int)(len < 200 ? len : 200), arg,
                   name[cli_nearest(word, name, count + 1)]);
}

/* The option at argv[*i]; moves *i past its value. */
static nn_status parse_option(const cli_opt *opt, size_t count, uint64_t *seen, int argc, char **argv, int *i, nn_err *err)
{
    const char *arg = argv[*i] + 2, *equals = strchr(arg, '=');
    const size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    size_t at = 0;
    while (at < count && (strlen(opt[at].name) != len || memcmp(opt[at].name, arg, len))) at++;
    if (at == count) return unknown(opt, count, arg, len, err);
    const cli_opt *o = &opt[at];
    if (*seen >> at & 1) return nn_fail(err, NN_EINVAL, "option --%s is given twice", o->name);
    *seen |= (uint64_t)1 << at;
    if (o->given) *o->given = true;

    const char *value = equals ? equals + 1 : NULL;
    if (o->type == CLI_FLAG) {
        if (value) return nn_fail(err, NN_EINVAL, "option --%s takes no value, found '%s'", o->name, value);
    } else if (!value) {
        if (*i + 1 >= argc || !strncmp(argv[*i + 1], "--", 2))
            return nn_fail(err, NN_EINVAL, "option --%s needs a value (--%s %s)", o->name, o->name, value_name(o));
        value = argv[++*i];
    }
    if (value && !*value) return nn_fail(err, NN_EINVAL, "option --%s: the value is empty", o->name);
    return parse_value(o, value, err);
}

int cli_parse(const char *command, const char *about, const cli_opt *opt, size_t count, int argc, char **argv,
              const char **rest, size_t max_rest, size_t *rest_count)
{
    NN_ASSERT(count <= OPTIONS_MAX);
    nn_err err = { 0 };
    uint64_t seen = 0;
    size_t n = 0;
    bool options = true;
    for (int i = 1; i < argc && err.status == NN_OK; i++) {
        const char *arg = argv[i];
        if (options && !strcmp(arg, "--")) { options = false; continue; }
        if (options && (!strcmp(arg, "--help") || !strcmp(arg, "-h"))) {
            print_help(command, about, opt, count, rest != NULL);
            return CLI_EXIT_OK;
        }
        if (options && !strncmp(arg, "--", 2)) parse_option(opt, count, &seen, argc, argv, &i, &err);
        else if (options && arg[0] == '-' && arg[1]) nn_fail(&err, NN_EINVAL, "unknown option %s; options start with two dashes", arg);
        else if (!rest) nn_fail(&err, NN_EINVAL, "unexpected argument '%s'", arg);
        else if (n == max_rest) nn_fail(&err, NN_EINVAL, "more than %zu files", max_rest);
        else rest[n++] = arg;
    }
    for (size_t i = 0; i < count && err.status == NN_OK; i++)
        if (opt[i].required && !(seen >> i & 1))
            nn_fail(&err, NN_EINVAL, "option --%s is required (--%s %s)", opt[i].name, opt[i].name, value_name(&opt[i]));
    if (rest_count) *rest_count = n;
    return err.status == NN_OK ? CLI_RUN : cli_fail(command, &err);
}
