/* export_tar.c: webdataset: POSIX tar shards of KEY.png, KEY.mask.png, KEY.json. */
#include "datasetgan/export.h"

#include <string.h>

enum { SHARD = 1000, BLOCK = 512 };              /* samples a shard; tar's block */

static const char zeros[2 * BLOCK];

/* POSIX.1-1988 ustar header: numbers in octal text, the sum taken with its own field as blanks.  Owner, group and time are 0. */
static void tar_header(char h[BLOCK], const char *name, size_t size)
{
    memset(h, 0, BLOCK);
    nn_format(h, 100, "%s", name);
    nn_format(h + 100, 8, "%07o", 0644u);
    nn_format(h + 108, 8, "%07o", 0u);
    nn_format(h + 116, 8, "%07o", 0u);
    nn_format(h + 124, 12, "%011llo", (unsigned long long)size);
    nn_format(h + 136, 12, "%011o", 0u);
    h[156] = '0';                                /* a regular file */
    memcpy(h + 257, "ustar\0" "00", 8);
    memset(h + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++) sum += (unsigned char)h[i];
    nn_format(h + 148, 7, "%06o", sum);          /* six digits, NUL, blank */
}

static nn_status add_member(nn_stage *to, const char *name, const void *data, size_t size, nn_err *err)
{
    char h[BLOCK];
    tar_header(h, name, size);
    nn_status s = nn_stage_add(to, h, BLOCK, err);
    if (!s) s = nn_stage_add(to, data, size, err);
    return s || size % BLOCK == 0 ? s : nn_stage_add(to, zeros, BLOCK - size % BLOCK, err);
}

static void shard_name(const dg_export_job *x, char out[48], int split, uint64_t number)
{
    nn_format(out, 48, "%s/%s-%06ju.tar", dg_split_name(split), dg_split_name(split), (uintmax_t)((number - x->first[split]) / SHARD));
}

static nn_status close_shard(dg_export_job *x, int split, uint64_t last, nn_err *err)
{
    char name[48];
    shard_name(x, name, split, last);
    nn_status s = nn_stage_add(&x->shard, zeros, sizeof zeros, err);
    x->shard_open = false;
    if (s) nn_stage_abort(&x->shard);
    return s ? s : dg_folder_close(&x->folder, &x->shard, name, err);
}

static nn_status tar_begin(dg_export_job *x, nn_err *err) { (void)x; (void)err; return NN_OK; }
static nn_status tar_open(dg_export_job *x, int split, nn_err *err) { return dg_folder_make(&x->folder, dg_split_name(split), err); }

/* The manifest's line without the two names: in the shard, the key is the name. */
static char *sample_json(const dg_export_item *it, nn_err *err)
{
    json_t *v = nn_json_parse(it->line, it->size, "metadata.jsonl", err);
    if (!v) return NULL;
    json_object_del(v, "file_name");
    json_object_del(v, "mask_file_name");
    char *text = nn_json_line(v, err);
    json_decref(v);
    return text;
}

static nn_status tar_sample(dg_export_job *x, int split, const dg_export_item *it, nn_err *err)
{
    char name[48];
    nn_status s = NN_OK;
    if ((it->number - x->first[split]) % SHARD == 0) {
        if (x->shard_open) s = close_shard(x, split, it->number - 1, err);
        shard_name(x, name, split, it->number);
        if (!s) s = dg_folder_open(&x->folder, &x->shard, name, err);
        x->shard_open = !s;
    }
    char *text = s ? NULL : sample_json(it, err);
    if (!s && !text) s = NN_ENOMEM;
    nn_format(name, sizeof name, "%s.png", it->key);
    if (!s) s = add_member(&x->shard, name, it->pair->picture_png.data, it->pair->picture_png.size, err);
    nn_format(name, sizeof name, "%s.mask.png", it->key);
    if (!s) s = add_member(&x->shard, name, it->pair->label_png.data, it->pair->label_png.size, err);
    nn_format(name, sizeof name, "%s.json", it->key);
    if (!s) s = add_member(&x->shard, name, text, strlen(text), err);
    nn_free(text);
    return s;
}

static nn_status tar_close(dg_export_job *x, int split, nn_err *err) { return close_shard(x, split, x->first[split + 1] - 1, err); }

const dg_export_format dg_export_webdataset = { "webdataset", tar_begin, tar_open, tar_sample, tar_close };
