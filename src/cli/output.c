/* output.c: an existing output is replaced only with --force; what is already there as it should be is left alone. */
#include "cli/cli.h"

#include <string.h>

#include "nn/file.h"
#include "nn/npy.h"

nn_status cli_refuse_existing(const char *path, bool force, nn_err *err)
{
    if (force || !nn_path_exists(path)) return NN_OK;
    return nn_fail(err, NN_EEXISTS, "%s exists and is not what this command writes", path);
}

nn_status cli_write(const char *path, const void *data, size_t size, bool force, nn_err *err)
{
    if (nn_path_exists(path) && !force) {
        nn_bytes old = { 0 };
        if (nn_file_read(path, SIZE_MAX / 2, &old, err)) return err->status;
        const bool same = old.size == size && !memcmp(old.data, data, size);
        nn_bytes_free(&old);
        return same ? NN_OK : cli_refuse_existing(path, false, err);
    }
    return nn_file_write(path, data, size, err);
}

/* Two files of the same bytes? */
static nn_status compare_files(const char *a, const char *b, bool *same, nn_err *err)
{
    nn_source one = { .fd = -1 }, two = { .fd = -1 };
    enum { PIECE = 1 << 16 };
    uint8_t *piece = nn_alloc(2 * PIECE, "comparing files", err);
    nn_status s = piece ? nn_source_open(&one, a, err) : NN_ENOMEM;
    if (!s) s = nn_source_open(&two, b, err);
    *same = !s && one.size == two.size;
    for (uint64_t at = 0; *same && !s && at < one.size; at += PIECE) {
        const size_t n = one.size - at < PIECE ? (size_t)(one.size - at) : PIECE;
        s = nn_source_read(&one, piece, n, err);
        if (!s) s = nn_source_read(&two, piece + PIECE, n, err);
        *same = !s && !memcmp(piece, piece + PIECE, n);
    }
    nn_source_close(&one);
    nn_source_close(&two);
    nn_free(piece);
    return s;
}

nn_status cli_publish(nn_stage *stage, const char *path, bool force, nn_err *err)
{
    bool same;
    nn_status s;
    if (!nn_path_exists(path) || force) {
        s = nn_stage_publish(stage, path, err);
        stage->status = NN_EIO;                          /* nothing is left to abort */
        return s;
    }
    s = nn_stage_close(stage, err);
    if (!s) s = compare_files(stage->path, path, &same, err);
    if (!s && !same) s = cli_refuse_existing(path, false, err);
    nn_stage_abort(stage);
    return s;
}

nn_status cli_write_json(const char *path, const json_t *value, bool force, nn_err *err)
{
    if (nn_path_exists(path) && !force) {
        nn_err unreadable = { 0 };
        json_t *old = nn_json_read(path, (size_t)1 << 30, &unreadable);
        const bool same = old && json_equal(old, value);
        json_decref(old);
        if (unreadable.status == NN_ENOMEM) return nn_fail(err, NN_ENOMEM, "%s", unreadable.msg);
        return same ? NN_OK : cli_refuse_existing(path, false, err);
    }
    return nn_json_write(path, value, err);
}

nn_status cli_write_npy(const char *path, const real *data, int rank, const uint64_t *dim, bool force, nn_err *err)
{
    if (nn_path_exists(path) && !force) {
        nn_npy old = { 0 };
        nn_err unreadable = { 0 };
        size_t bytes = sizeof *data;
        for (int d = 0; d < rank; d++) bytes *= dim[d];
        const bool same = nn_npy_read(path, &old, &unreadable) == NN_OK && old.rank == rank && !memcmp(old.dim, dim, (size_t)rank * sizeof *dim)
                          && !memcmp(old.data, data, bytes);
        nn_npy_free(&old);
        if (unreadable.status == NN_ENOMEM) return nn_fail(err, NN_ENOMEM, "%s", unreadable.msg);
        return same ? NN_OK : cli_refuse_existing(path, false, err);
    }
    return nn_npy_write(path, data, rank, dim, err);
}
