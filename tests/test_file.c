/* test_file.c: whole files, and what is left behind when any call fails.  Linked with the faulty door (sys_faulty.c is
 * part of this program, so sys.c is not taken from the library); test_sys.c tests the real one. */
#include "tests/sys_faulty.c"
#include "tests/t.h"

#include "nn/file.h"
#include "nn/hash.h"
#include "nn/json.h"
#include "nn/npy.h"
#include "nn/safetensors.h"
#include "nn/image.h"

static char folder[256], path[300], temporary[310];

static void set_fault(const char *kind, int n, const char *error)
{
    char spec[64];
    nn_format(spec, sizeof spec, "%s:%d:%s", kind, n, error);
    setenv(FAULT_VARIABLE, spec, 1);
}

static void no_fault(void) { setenv(FAULT_VARIABLE, "", 1); }

/* The file holds exactly this text. */
static bool holds(const char *file, const char *text)
{
    nn_bytes b;
    if (nn_file_read(file, 1 << 20, &b, NULL) != NN_OK) return false;
    const bool same = b.size == strlen(text) && !memcmp(b.data, text, b.size);
    nn_bytes_free(&b);
    return same;
}

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- plain use ---------------------------------------------------------------------------------------------------- */

static void test_plain(void)
{
    nn_err err = { 0 };
    nn_bytes b;
    t_status(nn_file_write(path, "hello", 5, &err), NN_OK, &err, NULL, "write: %s", err.msg);
    t_check(holds(path, "hello") && !nn_path_exists(temporary), "the file holds what was written, no temporary is left");
    t_status(nn_file_write(path, "", 0, &err), NN_OK, &err, NULL, "write nothing");
    t_check(holds(path, ""), "an empty file");
    nn_file_write(path, "12345", 5, NULL);
    t_status(nn_file_read(path, 5, &b, &err), NN_OK, &err, NULL, "read at the limit");
    t_check((uintptr_t)b.data % 64 == 0, "64-byte aligned");
    nn_bytes_free(&b);
    t_status(nn_file_read(path, 4, &b, &err), NN_EFORMAT, &err, "expected at most 4 bytes, found 5", "above the limit");
    t_check(!b.data, "nothing is returned");
    err = (nn_err){ 0 };
    t_status(nn_file_read(folder, 100, &b, &err), NN_EIO, &err, "expected a file, found a folder", "a folder");
    err = (nn_err){ 0 };
    t_status(nn_file_read("/dev/zero", 100, &b, &err), NN_EIO, &err, "expected a regular file", "a device");
    err = (nn_err){ 0 };
    char fifo[300];
    nn_path_join(fifo, sizeof fifo, folder, "fifo", NULL);
    NN_ASSERT(mkfifo(fifo, 0600) == 0);
    t_status(nn_file_read(fifo, 100, &b, &err), NN_EIO, &err, "expected a regular file", "a pipe does not block");
    err = (nn_err){ 0 };
    t_status(nn_file_write(folder, "x", 1, &err), NN_EIO, &err, "rename: Is a directory", "onto a folder");
    nn_file_write(path, "one\n", 4, NULL);
    err = (nn_err){ 0 };
    t_status(nn_file_append(path, "two\nthr", 7, &err), NN_OK, &err, NULL, "append");
    t_check(holds(path, "one\ntwo\nthr"), "appended");
    t_status(nn_file_cut(path, 8, &err), NN_OK, &err, NULL, "cut");
    t_check(holds(path, "one\ntwo\n"), "a torn line is cut off");
    t_check(symlink("/dev/null", temporary) == 0, "a link in the temporary's place");
    t_status(nn_file_write(path, "x", 1, &err), NN_EIO, &err, "file.txt.tmp: open: ", "is not followed");
    unlink(temporary);
    t_check(nn_file_write(temporary, "left by a killed run", 20, NULL) == NN_OK, "a temporary is left over");
    t_status(nn_file_write(path, "x", 1, &err), NN_OK, NULL, NULL, "write over it");
    t_check(holds(path, "x"), "nothing of the old temporary stays");
}

static void test_paths(void)
{
    static const struct { const char *folder, *name, *want; } joins[] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { ".", "b", "b" }, { "", "b", "b" }, { "a", "/b", "/b" }, { "/", "b", "/b" }, { "a", "", "a/" },
    };
    static const struct { const char *path, *want; } folders[] = {
        { "a/b", "a" }, { "b", "." }, { "/b", "/" }, { "a/b/c", "a/b" }, { "", "." }, { "a/", "a" },
    };
    char out[64], deep[300], under[320];
    nn_err err = { 0 };
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        nn_status s = nn_path_join(out, sizeof out, joins[i].folder, joins[i].name, NULL);
        t_check(s == NN_OK && !strcmp(out, joins[i].want), "join '%s' '%s' = '%s', expected '%s'", joins[i].folder, joins[i].name, out, joins[i].want);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        nn_status s = nn_path_folder(out, sizeof out, folders[i].path, NULL);
        t_check(s == NN_OK && !strcmp(out, folders[i].want), "folder of '%s' = '%s', expected '%s'", folders[i].path, out, folders[i].want);
    }
    t_check(nn_path_join(out, 4, "a", "b", NULL) == NN_OK, "an exact fit");
    t_status(nn_path_join(out, 3, "a", "b", &err), NN_EINVAL, &err, "path of 4 bytes", "one too long");
    err = (nn_err){ 0 };
    t_status(nn_path_folder(out, 3, "abc/d", &err), NN_EINVAL, &err, "folder of 3 bytes", "folder too long");
    err = (nn_err){ 0 };
    nn_format(deep, sizeof deep, "%s/d/e//f/", folder);
    t_status(nn_dir_make(deep, &err), NN_OK, &err, NULL, "make folders: %s", err.msg);
    t_check(nn_path_is_dir(deep), "they are there");
    t_status(nn_dir_make(deep, &err), NN_OK, &err, NULL, "again");
    nn_format(under, sizeof under, "%s/sub", path);
    t_status(nn_dir_make(path, &err), NN_EIO, &err, "expected a folder, found a file in the way", "a file is in the way");
    err = (nn_err){ 0 };
    t_status(nn_dir_make(under, &err), NN_EIO, &err, "expected a folder, found a file in the way", "below a file");
    err = (nn_err){ 0 };
    t_status(nn_dir_make("", &err), NN_EINVAL, &err, NULL, "no path");
}

static void test_hash(void)
{
    char hex[NN_HASH_HEX];
    nn_hash_once("abc", 3, hex, NULL);        /* FIPS 180-2, appendix B.1 */
    t_check(!strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "SHA-256 of abc is %s", hex);
    nn_hash *h = nn_hash_open(NULL);
    nn_hash_add(h, "a", 1);
    nn_hash_add(h, "", 0);
    nn_hash_add(h, "bc", 2);
    char pieces[NN_HASH_HEX];
    nn_hash_close(h, pieces);
    t_check(!strcmp(hex, pieces), "the same in pieces");
    nn_hash_close(nn_hash_open(NULL), NULL);
}

/* ---- every way out ------------------------------------------------------------------------------------------------- */

static nn_status act_write(nn_err *err) { return nn_file_write(path, "new", 3, err); }

static nn_status act_json(nn_err *err)
{
    json_t *v = json_pack("{s:f}", "x", 0.5);
    const nn_status s = nn_json_write(path, v, err);
    json_decref(v);
    return s;
}

static nn_status act_npy(nn_err *err)
{
    const float x[2] = { 1, 2 };
    const uint64_t dim[1] = { 2 };
    return nn_npy_write(path, x, 1, dim, err);
}

static nn_status act_safetensors(nn_err *err)
{
    const float x[2] = { 1, 2 };
    const nn_st_tensor t[] = { { "a", NN_F32, 1, { 2 }, x }, { "b", NN_F32, 1, { 1 }, x } };
    const nn_st_pair m[] = { { "k", "v" } };
    return nn_st_write(path, t, 2, m, 1, err);
}

static nn_status act_png(nn_err *err)
{
    uint8_t pixels[12] = { 1, 2, 3 };
    const nn_image im = { 2, 2, 3, pixels };
    return nn_png_write(path, &im, NULL, err);
}

/* Walk every failure of one writer: the old file stays as it was (or, once renamed, the new one is whole), no temporary
 * and no open descriptor are left, and the message names file, call and reason. */
static void walk_writer(const char *name, nn_status (*act)(nn_err *))
{
    static const struct { const char *kind, *error, *reason; } faults[] = {
        { "open", "EMFILE", "open: Too many open files" }, { "write", "ENOSPC", "write: No space left on device" }, { "write", "EIO", "write: Input/output error" },
        { "fsync", "EIO", "fsync: Input/output error" }, { "close", "EIO", "close: Input/output error" }, { "rename", "EIO", "rename: Input/output error" },
        { "alloc", "ENOMEM", "not enough memory" },
    };
    const int before = open_files();
    no_fault();
    act(NULL);
    nn_bytes good;
    NN_ASSERT(nn_file_read(path, 1 << 20, &good, NULL) == NN_OK);
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        int n = 1, failures = 0;
        for (;; n++) {
            nn_err err = { 0 };
            no_fault();
            nn_file_write(path, "old", 3, NULL);
            set_fault(faults[f].kind, n, faults[f].error);
            const nn_status s = act(&err);
            no_fault();
            if (s == NN_OK) break;
            failures++;
            const bool old = holds(path, "old");
            nn_bytes b = { 0 };
            nn_file_read(path, 1 << 20, &b, NULL);
            const bool whole = b.size == good.size && !memcmp(b.data, good.data, b.size);
            nn_bytes_free(&b);
            t_check(s == (strcmp(faults[f].kind, "alloc") ? NN_EIO : NN_ENOMEM) && err.status == s && strstr(err.msg, faults[f].reason),
                    "%s, %s %d: status %d, message: %s", name, faults[f].kind, n, s, err.msg);
            t_check(old || whole, "%s, %s %d: the file is neither the old nor the new one", name, faults[f].kind, n);
            t_check(!nn_path_exists(temporary), "%s, %s %d: the temporary is left", name, faults[f].kind, n);
            if (n > 200) break;
        }
        /* Once for the file and once for its folder (which is closed without being asked how it went). */
        const char *kind = faults[f].kind;
        const int want = !strcmp(kind, "open") || !strcmp(kind, "fsync") ? 2 : !strcmp(kind, "close") || !strcmp(kind, "rename") ? 1 : -1;
        t_check(n <= 200 && (want < 0 ? failures || !strcmp(kind, "alloc") : failures == want), "%s: %s failed %d times, expected %d", name, kind, failures, want);
    }
    for (int n = 1; n <= 6; n++) {
        nn_err err = { 0 };
        set_fault("write", n, n % 2 ? "SHORT" : "SHORT+");
        t_status(act(&err), NN_OK, &err, NULL, "%s: short writes: %s", name, err.msg);
        no_fault();
        nn_bytes b = { 0 };
        nn_file_read(path, 1 << 20, &b, NULL);
        t_check(b.size == good.size && !memcmp(b.data, good.data, b.size), "%s: short writes give the same file", name);
        nn_bytes_free(&b);
    }
    static const char *kinds[] = { "open", "write", "fsync", "close" };
    for (int k = 0; k < 4; k++) {
        nn_err err = { 0 };
        set_fault(kinds[k], 1, "EINTR");
        t_status(act(&err), NN_OK, &err, NULL, "%s: %s interrupted: %s", name, kinds[k], err.msg);
    }
    no_fault();
    nn_bytes_free(&good);
    t_check(open_files() == before, "%s: %d descriptors are left open", name, open_files() - before);
}

/* Reading: every failure is reported, nothing leaks, short reads do not matter. */
static nn_status read_bytes(nn_err *err)
{
    nn_bytes b;
    const nn_status s = nn_file_read(path, 1 << 20, &b, err);
    nn_bytes_free(&b);
    return s;
}

static nn_status read_json(nn_err *err)
{
    json_t *v = nn_json_read(path, 1 << 20, err);
    json_decref(v);
    return v ? NN_OK : err->status;
}

static nn_status read_npy(nn_err *err)
{
    nn_npy a;
    const nn_status s = nn_npy_read(path, &a, err);
    nn_npy_free(&a);
    return s;
}

static nn_status read_safetensors(nn_err *err)
{
    nn_st f;
    const real *a = NULL, *b = NULL;
    const nn_want want[] = { { "a", 1, { 2 }, &a }, { "b", 1, { 1 }, &b } };
    nn_status s = nn_st_open(&f, path, err);
    if (s == NN_OK) s = nn_st_bind(&f, want, 2, true, err);
    nn_st_close(&f);
    return s;
}

static nn_status read_png(nn_err *err)
{
    nn_image im;
    const nn_status s = nn_png_read(path, &im, err);
    nn_image_free(&im);
    return s;
}

static void walk_reader(const char *name, nn_status (*write)(nn_err *), nn_status (*act)(nn_err *))
{
    static const struct { const char *kind, *error, *reason; nn_status want; } faults[] = {
        { "open", "EMFILE", "open: Too many open files", NN_EIO }, { "read", "EIO", "read: Input/output error", NN_EIO },
        { "alloc", "ENOMEM", "not enough memory", NN_ENOMEM },
    };
    const int before = open_files();
    no_fault();
    write(NULL);
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        int n = 1;
        for (; n < 200; n++) {
            nn_err err = { 0 };
            set_fault(faults[f].kind, n, faults[f].error);
            const nn_status s = act(&err);
            if (s == NN_OK) break;
            t_status(s, faults[f].want, &err, faults[f].reason, "reading %s, %s %d", name, faults[f].kind, n);
        }
        t_check(n > 1 && n < 200, "reading %s: %s failed %d times", name, faults[f].kind, n - 1);
    }
    nn_err err = { 0 };
    set_fault("read", 1, "SHORT+");
    t_status(act(&err), NN_OK, &err, NULL, "reading %s in small pieces: %s", name, err.msg);
    set_fault("read", 1, "EINTR");
    t_status(act(&err), NN_OK, &err, NULL, "reading %s, interrupted: %s", name, err.msg);
    no_fault();
    t_check(open_files() == before, "reading %s: %d descriptors are left open", name, open_files() - before);
}

static void test_manifest_faults(void)
{
    static const struct { const char *kind, *reason; bool cut; } faults[] = {
        { "open", "open: ", false }, { "write", "write: ", false }, { "fsync", "fsync: ", false }, { "close", "close: ", false },
        { "open", "open: ", true }, { "truncate", "truncate: ", true }, { "fsync", "fsync: ", true }, { "close", "close: ", true },
    };
    const int before = open_files();
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        nn_err err = { 0 };
        set_fault(faults[i].kind, 1, "EIO");
        t_status(faults[i].cut ? nn_file_cut(path, 1, &err) : nn_file_append(path, "x", 1, &err), NN_EIO, &err, faults[i].reason,
                 "%s: %s fails", faults[i].cut ? "cut" : "append", faults[i].kind);
    }
    nn_err err = { 0 };
    set_fault("mkdir", 1, "ENOSPC");
    char sub[300];
    nn_path_join(sub, sizeof sub, folder, "another", NULL);
    t_status(nn_dir_make(sub, &err), NN_EIO, &err, "mkdir: No space", "mkdir fails");
    err = (nn_err){ 0 };
    set_fault("fsync", 1, "EINVAL");
    t_status(nn_dir_sync(folder, &err), NN_OK, &err, NULL, "a file system that cannot sync folders");
    no_fault();
    t_check(open_files() == before, "descriptors are left open");
}

/* A group: all staged, then all committed; an unstaged one leaves nothing. */
static void test_stage(void)
{
    nn_err err = { 0 };
    nn_file_write(path, "old", 3, NULL);
    t_status(nn_file_stage(path, "new", 3, &err), NN_OK, &err, NULL, "stage");
    t_check(holds(path, "old") && holds(temporary, "new"), "staged beside the old file");
    static const char *const kinds[] = { "open", "fsync", "close" };
    for (int k = 0; k < 3; k++) {
        char says[64];
        nn_format(says, sizeof says, "tmp: %s: Input/output error", kinds[k]);
        set_fault(kinds[k], 1, "EIO");
        t_status(nn_file_settle(path, &err), NN_EIO, &err, says, "settle, %s", kinds[k]);
        no_fault();
        err = (nn_err){ 0 };
    }
    t_status(nn_file_settle(path, &err), NN_OK, &err, NULL, "settle");
    t_status(nn_file_commit(path, &err), NN_OK, &err, NULL, "commit");
    t_check(holds(path, "new") && !nn_path_exists(temporary), "committed");
    nn_file_stage(path, "newer", 5, NULL);
    nn_file_unstage(path);
    nn_file_unstage(path);
    t_check(holds(path, "new") && !nn_path_exists(temporary), "unstaged");
    nn_stage s;
    nn_stage_open(&s, path, &err);
    nn_stage_add(&s, "a", 1, &err);
    nn_stage_abort(&s);
    nn_stage_abort(&s);
    t_check(holds(path, "new") && !nn_path_exists(temporary), "aborted");
    t_check(nn_stage_add(&s, "b", 1, NULL) != NN_OK && nn_stage_publish(&s, path, NULL) != NN_OK && holds(path, "new"), "nothing follows an abort");
}

/* Every allocation of jansson's fails once: no value, or the whole one.  (It shortens tokens that outgrow its buffer in silence.) */
static void test_json_memory(void)
{
    static const char text[] = "{\"name\": \"a text that is longer than sixteen bytes\", \"a name that is longer than thirty-two bytes\": [0.12345678901234567, "
                               "-1234567890123456789, \"sixty-four bytes and more: ................................................................\"]}";
    nn_err err = { 0 };
    json_t *whole = nn_json_parse(text, sizeof text - 1, "whole", &err);
    int refused = 0, n = 1;
    t_check(whole != NULL, "%s", err.msg);
    for (json_t *v = NULL; !v && n < 200; n++) {
        err = (nn_err){ 0 };
        set_fault("json", n, "ENOMEM");
        v = nn_json_parse(text, sizeof text - 1, "text", &err);
        no_fault();
        refused += !v;
        t_check(v ? json_equal(v, whole) : err.status == NN_ENOMEM, "jansson's allocation %d: %s", n, v ? "another value" : err.msg);
        json_decref(v);
        if (v) break;
    }
    t_check(refused > 15 && n < 200, "%d allocations were refused", refused);
    json_decref(whole);
}

/* ---- listing a folder ------------------------------------------------------------------------------------------------ */

static bool has_no_dot(const void *context, const char *name)
{
    ++*(int *)context;
    return !strchr(name, '.');
}

static bool lists(const char *where, int files, const char *first)
{
    nn_names names;
    nn_err err = { 0 };
    int asked = 0;
    const nn_status s = nn_dir_list(&names, where, has_no_dot, &asked, &err);
    bool right = !s && names.count == (size_t)files && !strcmp(names.name[0], first) && asked == files + 1;
    for (size_t i = 1; i < names.count; i++) right = right && strcmp(names.name[i - 1], names.name[i]) < 0;
    nn_names_free(&names);
    return right;
}

/* Each call and allocation of a list fails once: a line, nothing open, nothing to free but what nn_names_free frees. */
static void test_list(void)
{
    enum { FILES = 70 };                                         /* more than fit without growing */
    char sub[300], name[16], file[340];
    nn_path_join(sub, sizeof sub, folder, "list", NULL);
    nn_dir_make(sub, NULL);
    for (int i = 0; i <= FILES; i++) {
        nn_format(name, sizeof name, i == FILES ? ".hidden" : "f%d", i * 37 % FILES);
        nn_path_join(file, sizeof file, sub, name, NULL);
        nn_file_write(file, "", 0, NULL);
    }
    t_check(lists(sub, FILES, "f0"), "a folder's names, sorted, each asked about once");
    const int open = open_files();
    const long blocks = live_blocks, files = live_files;
    static const struct { const char *kind, *error; nn_status status; const char *says; } each[] = {
        { "opendir", "EMFILE", NN_EIO, "list: opendir: Too many open files" }, { "readdir", "EIO", NN_EIO, "list: readdir: Input/output" },
        { "alloc", "ENOMEM", NN_ENOMEM, "memory" },
    };
    for (size_t k = 0; k < sizeof each / sizeof *each; k++) {
        int n = 1;
        for (nn_status s = NN_EIO; s; n++) {
            nn_names names;
            nn_err err = { 0 };
            int asked = 0;
            set_fault(each[k].kind, n, each[k].error);
            s = nn_dir_list(&names, sub, has_no_dot, &asked, &err);
            if (s) t_status(s, each[k].status, &err, each[k].says, "%s %d", each[k].kind, n);
            nn_names_free(&names);
            t_check(live_blocks == blocks && live_files == files && open_files() == open, "%s %d: nothing is left", each[k].kind, n);
        }
        t_check(n == (k == 0 ? 3 : k == 1 ? FILES + 6 : FILES + 4), "%s: %d calls", each[k].kind, n - 2);
    }
    set_fault("opendir", 1, "EINTR");
    t_check(lists(sub, FILES, "f0"), "an interrupted call is repeated");
    set_fault("readdir", 7, "EINTR");
    t_check(lists(sub, FILES, "f0"), "here too");
    no_fault();
}

int main(void)
{
    nn_format(folder, sizeof folder, "%s", t_folder("file"));
    nn_path_join(path, sizeof path, folder, "file.txt", NULL);
    nn_format(temporary, sizeof temporary, "%s.tmp", path);
    test_json_memory();
    test_plain();
    test_paths();
    test_hash();
    test_stage();
    walk_writer("bytes", act_write);
    walk_writer("json", act_json);
    walk_writer("npy", act_npy);
    walk_writer("safetensors", act_safetensors);
    walk_writer("png", act_png);
    walk_reader("bytes", act_write, read_bytes);
    walk_reader("json", act_json, read_json);
    walk_reader("npy", act_npy, read_npy);
    walk_reader("safetensors", act_safetensors, read_safetensors);
    walk_reader("png", act_png, read_png);
    test_manifest_faults();
    test_list();
    return t_done();
}
