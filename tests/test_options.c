/* test_options.c: the option parser: every type, every refusal, the same numbers in any locale. */
#include "tests/t.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

typedef struct {
    const char *text, *choice;
    int64_t whole;
    double real_number;
    bool flag, whole_given;
    cli_seeds seeds;
} values;

static char message[4096];           /* what the last parse printed, stdout and stderr together */

/* Parse a command line of words separated by blanks; its output goes to `message`. */
static int parse(values *v, const char *line, const char **rest, size_t max_rest, size_t *rest_count)
{
    const cli_opt opt[] = {
        { "text", CLI_STR, &v->text, 0, 0, "FILE", false, "a text", NULL },
        { "noise", CLI_CHOICE, &v->choice, 0, 0, "const|none|random", false, "a choice", NULL },
        { "whole", CLI_INT, &v->whole, -5, 9007199254740992.0, NULL, false, "a whole number", &v->whole_given },
        { "real", CLI_REAL, &v->real_number, -HUGE_VAL, HUGE_VAL, NULL, false, "a real number", NULL },
        { "flag", CLI_FLAG, &v->flag, 0, 0, NULL, false, "a flag", NULL },
        { "seeds", CLI_SEEDS, &v->seeds, 0, 0, NULL, false, "seeds", NULL },
        { "share", CLI_REAL, &v->real_number, 0, 1, NULL, false, "a share", NULL },
    };
    static char text[4096];
    char *argv[32] = { "test" };
    int argc = 1;
    nn_format(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;

    char path[300];
    nn_format(path, sizeof path, "%s/out", t_folder("options"));
    fflush(stdout);
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    NN_ASSERT(freopen(path, "w", stderr) && dup2(fileno(stderr), STDOUT_FILENO) >= 0);
    const int rc = cli_parse("test", "About.", opt, sizeof opt / sizeof *opt, argc, argv, rest, max_rest, rest_count);
    fflush(stdout);
    fflush(stderr);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    FILE *f = fopen(path, "r");
    NN_ASSERT(f);
    message[fread(message, 1, sizeof message - 1, f)] = '\0';
    fclose(f);
    return rc;
}

static void accepts(values *v, const char *line)
{
    *v = (values){ .whole = 77 };
    t_check(parse(v, line, NULL, 0, NULL) == CLI_RUN && !*message, "'%s' is accepted silently: %s", line, message);
}

/* Refused with exit code 2 and one line that holds `part`. */
static void refuses(const char *line, const char *part)
{
    values v = { 0 };
    const int rc = parse(&v, line, NULL, 0, NULL);
    const char *newline = strchr(message, '\n');
    t_check(rc == CLI_EXIT_USAGE, "'%s' is refused with 2, got %d", line, rc);
    t_check(newline && !newline[1] && !strncmp(message, "datasetgan test: ", 17) && strstr(message, part),
            "'%s': one line with \"%s\", got: %s", line, part, message);
    cli_seeds_free(&v.seeds);
}

static void test_values(void)
{
    values v;
    accepts(&v, "--text a.b --noise none --whole 12 --real 0.5 --flag");
    t_check(!strcmp(v.text, "a.b") && !strcmp(v.choice, "none") && v.whole == 12 && v.real_number == 0.5 && v.flag && v.whole_given, "values arrive");
    accepts(&v, "--text=x=y --noise=const --whole=-5 --real=-1e-3");
    t_check(!strcmp(v.text, "x=y") && v.whole == -5 && v.real_number == -1e-3 && !v.flag, "--name=value: everything after the first =");
    accepts(&v, "--real -2");
    t_check(v.real_number == -2 && v.whole == 77 && !v.whole_given, "a negative number is a value; what is not given is left alone");
    accepts(&v, "--whole 9007199254740992 --real .5");
    t_check(v.whole == 9007199254740992 && v.real_number == 0.5, "largest whole number; a real without leading digit");
    accepts(&v, "--whole +7 --real 5.");
    t_check(v.whole == 7 && v.real_number == 5, "a plus sign; a real without digits after the point");
    accepts(&v, "--text -");
    t_check(!strcmp(v.text, "-"), "a lone dash is a value");
    accepts(&v, "");
    t_check(v.whole == 77, "nothing given");
}

static void test_seeds(void)
{
    values v;
    accepts(&v, "--seeds 3,7,10-12,0,4294967295");
    const uint32_t want[] = { 3, 7, 10, 11, 12, 0, 4294967295u };
    t_check(v.seeds.count == 7 && !memcmp(v.seeds.at, want, sizeof want), "seeds in the order given, ranges expanded");
    cli_seeds_free(&v.seeds);
    accepts(&v, "--seeds 4294967295-4294967295");
    t_check(v.seeds.count == 1 && v.seeds.at[0] == 4294967295u, "a range of one at the very end");
    cli_seeds_free(&v.seeds);
    accepts(&v, "--seeds 1-16777216");
    t_check(v.seeds.count == 16777216, "2^24 seeds");
    cli_seeds_free(&v.seeds);
    static const char *const bad[] = { "x", "1,", ",1", "1,,2", "1-", "-1", "2-1", "1-2-3", "1.5", "1e3", "4294967296", "0-4294967295", "0-16777216",
                                       "1;2", "0x10", "99999999999999999999", "+1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64];
        nn_format(line, sizeof line, "--seeds=%s", bad[i]);
        refuses(line, "expected seeds such as 3,7,10-20");
    }
    refuses("--seeds 1,5-9,7", "seed 7 is named twice");
}

static void test_refusals(void)
{
    refuses("--real nan", "expected a finite number, found 'nan'");
    refuses("--real NaN", "found 'NaN'");
    refuses("--real inf", "found 'inf'");
    refuses("--real 1e999", "expected a finite number, found '1e999'");
    refuses("--real 0x1p3", "found '0x1p3'");
    refuses("--real 1,5", "found '1,5'");
    refuses("--real 1e", "found '1e'");
    refuses("--real .", "found '.'");
    refuses("--real 1.5x", "found '1.5x'");
    refuses("--share 1.0001", "expected a number from 0 to 1, found '1.0001'");
    refuses("--share -0.1", "expected a number from 0 to 1");
    refuses("--whole 1.5", "expected a whole number from -5 to 9007199254740992, found '1.5'");
    refuses("--whole 1e3", "found '1e3'");
    refuses("--whole -6", "found '-6'");
    refuses("--whole 9007199254740993", "found '9007199254740993'");
    refuses("--whole 9223372036854775808", "found '9223372036854775808'");
    refuses("--whole -9223372036854775809", "found");
    refuses("--whole 18446744073709551617", "found '18446744073709551617'");
    refuses("--whole 5x", "found '5x'");
    refuses("--whole=", "the value is empty");
    refuses("--text=", "the value is empty");
    refuses("--noise cons", "expected one of const|none|random, found 'cons'");
    refuses("--noise const|none", "found 'const|none'");
    refuses("--flag=1", "takes no value");
    refuses("--text", "option --text needs a value (--text FILE)");
    refuses("--text --flag", "option --text needs a value");
    refuses("--whole 1 --whole 1", "option --whole is given twice");
    refuses("--flag --flag", "option --flag is given twice");
    refuses("stray", "unexpected argument 'stray'");
    refuses("-whole 1", "unknown option -whole; options start with two dashes");
}

static void test_names(void)
{
    refuses("--sedes 1", "unknown option --sedes; the nearest is --seeds");
    refuses("--noize=none", "unknown option --noize; the nearest is --noise");
    refuses("--wholes 1", "nearest is --whole");
    refuses("--hepl", "nearest is --help");
    refuses("--flag-that-is-much-longer-than-any-name-there-is", "nearest is");
    refuses("--Whole 1", "unknown option --Whole");
    static const char *const name[] = { "train", "eval", "dataset" };
    t_check(cli_nearest("tarin", name, 3) == 0 && cli_nearest("evla", name, 3) == 1 && cli_nearest("datset", name, 3) == 2, "nearest command");
    static const char *const swap[] = { "abxx", "ba" };
    t_check(cli_nearest("ab", swap, 2) == 1, "swapped neighbours count once");
}

static void test_rest_and_help(void)
{
    const char *rest[2];
    size_t n = 0;
    values v = { 0 };
    t_check(parse(&v, "a --flag b", rest, 2, &n) == CLI_RUN && n == 2 && !strcmp(rest[0], "a") && !strcmp(rest[1], "b") && v.flag, "files among options");
    t_check(parse(&v, "-- --flag", rest, 2, &n) == CLI_RUN && n == 1 && !strcmp(rest[0], "--flag"), "-- ends the options");
    t_check(parse(&v, "a b c", rest, 2, &n) == CLI_EXIT_USAGE && strstr(message, "more than 2 files"), "too many files");
    t_check(parse(&v, "--whole 3 --help", NULL, 0, NULL) == CLI_EXIT_OK, "--help ends with 0");
    t_check(strstr(message, "usage: datasetgan test [OPTIONS]\n") && strstr(message, "--noise const|none|random")
            && strstr(message, "; -5 to 9007199254740992") && strstr(message, "a share; 0 to 1"), "--help names options and ranges: %s", message);
}

static void test_required(void)
{
    const char *text = NULL;
    const cli_opt opt[] = { { "out", CLI_STR, &text, 0, 0, "DIR", true, "a folder", NULL } };
    char *argv[] = { "test", NULL };
    const int err = dup(STDERR_FILENO);
    NN_ASSERT(freopen("/dev/null", "w", stderr));
    const int rc = cli_parse("test", "About.", opt, 1, 1, argv, NULL, 0, NULL);
    fflush(stderr);
    dup2(err, STDERR_FILENO);
    close(err);
    t_check(rc == CLI_EXIT_USAGE, "a required option that is missing is refused");
}

/* A locale whose decimal point is a comma: an installed one, or one compiled for this test. */
static bool comma_locale(void)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8")) return true;
    char command[600], folder[300];
    nn_format(folder, sizeof folder, "%s", t_folder("locale"));
    nn_format(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", folder);
    (void)!system(command);                        /* also returns 1 for mere warnings: whether it worked shows below */
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void test_locale(void)
{
    if (!comma_locale()) { t_skip("options under a comma locale: no such locale and no localedef"); return; }
    t_check(strtod("0,5", NULL) == 0.5, "the locale has a decimal comma");
    values v;
    accepts(&v, "--real 0.25 --whole 1000");
    t_check(v.real_number == 0.25 && v.whole == 1000, "0.25 is a quarter under a comma locale, got %g", v.real_number);
    refuses("--real 0,25", "found '0,25'");
    t_check(strtod("0,5", NULL) == 0.5, "the caller's locale is as before");
    setlocale(LC_ALL, "C");
}

int main(void)
{
    test_values();
    test_seeds();
    test_refusals();
    test_names();
    test_rest_and_help();
    test_required();
    test_locale();
    return t_done();
}
