/* file.c: a network's file, safetensors with torch's names. */
#include <string.h>

#include "deeplab/deeplab.h"

#define KIND "segmentation network"

/* ---- classes ------------------------------------------------------------------------------------------------------------------------ */

static json_t *put_classes(const dl_model *m, nn_err *err)
{
    json_t *list = json_array();
    bool ok = list;
    for (int i = 0; i < m->class_count; i++) {
        char colour[8];
        const uint8_t *c = m->class_at[i].rgb;
        nn_format(colour, sizeof colour, "#%02x%02x%02x", c[0], c[1], c[2]);
        json_t *one = json_pack("{s:i, s:s, s:s}", "id", i, "name", m->class_at[i].name, "color", colour);
        ok = one && ok && !json_array_append(list, one);
        json_decref(one);
    }
    if (ok) return list;
    json_decref(list);
    nn_fail(err, NN_ENOMEM, "classes: not enough memory");
    return NULL;
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static bool get_class(dl_class *to, const json_t *v, int id)
{
    const char *name = json_string_value(json_object_get(v, "name")), *colour = json_string_value(json_object_get(v, "color"));
    const json_t *number = json_object_get(v, "id");
    if (!name || !*name || strlen(name) >= sizeof to->name || !colour || strlen(colour) != 7 || *colour != '#') return false;
    if (!json_is_integer(number) || json_integer_value(number) != id) return false;
    for (const char *c = name; *c; c++) if ((unsigned char)*c < 32) return false;
    for (int i = 0; i < 3; i++) {
        const int high = hex(colour[1 + 2 * i]), low = hex(colour[2 + 2 * i]);
        if (high < 0 || low < 0) return false;
        to->rgb[i] = (uint8_t)(16 * high + low);
    }
    nn_format(to->name, sizeof to->name, "%s", name);
    return true;
}

static nn_status get_classes(dl_model *m, const char *text, const char *path, nn_err *err)
{
    json_t *list = text ? nn_json_parse(text, strlen(text), path, err) : NULL;
    const size_t n = json_array_size(list);
    nn_status s = NN_OK;
    if (!list || n < 2 || n > NN_VOID) s = nn_fail(err, NN_EFORMAT, "%s: metadata 'classes': expected a list of 2 to %d classes", path, NN_VOID);
    for (size_t i = 0; i < n && !s; i++)
        if (!get_class(&m->class_at[i], json_array_get(list, i), (int)i))
            s = nn_fail(err, NN_EFORMAT, "%s: metadata 'classes': expected id %zu, a name and a colour '#rrggbb'", path, i);
    m->class_count = (int)n;
    json_decref(list);
    return s;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------------------- */

static void set_dims(uint64_t dim[NN_RANK_MAX], int *rank, const dl_tensor *t)
{
    *rank = t->ks ? 4 : 1;
    dim[0] = (uint64_t)(t->ks ? t->cout : t->count);
    dim[1] = (uint64_t)t->cin;
    dim[2] = dim[3] = (uint64_t)t->ks;
}

static bool has_shape(const nn_st_entry *e, const dl_tensor *t)
{
    uint64_t dim[NN_RANK_MAX] = { 0 };
    int rank;
    set_dims(dim, &rank, t);
    return e && e->rank == rank && !memcmp(e->dim, dim, (size_t)rank * sizeof *dim);
}

static void keep(const dl_tensor *t, const real *from)
{
    if (t->ks) nn_conv2d_from_torch(t->at, from, t->cin, t->cout, t->ks);
    else memcpy(t->at, from, (size_t)t->count * sizeof *from);
}

static nn_status read_numbers(dl_net *n, nn_st *f, bool partial, nn_dim *taken, nn_err *err)
{
    const nn_dim count = dl_tensor_count(n);
    nn_want *want = nn_alloc((size_t)count * sizeof *want, "tensors", err);
    dl_tensor *tensor = nn_alloc((size_t)count * sizeof *tensor, "tensors", err);
    const real **at = nn_alloc((size_t)count * sizeof *at, "tensors", err);
    nn_status s = want && tensor && at ? NN_OK : NN_ENOMEM;
    nn_dim used = 0;
    for (nn_dim i = 0; i < count && !s; i++) {
        tensor[used] = dl_tensor_at(n, i);
        if (partial && !has_shape(nn_st_find(f, tensor[used].name), &tensor[used])) continue;
        want[used] = (nn_want){ .name = tensor[used].name, .slot = &at[used] };
        set_dims(want[used].dim, &want[used].rank, &tensor[used]);
        used++;
    }
    if (!s) s = nn_st_bind(f, want, (size_t)used, false, err);
    for (nn_dim i = 0; i < used && !s; i++) keep(&tensor[i], at[i]);
    if (taken) *taken = used;
    nn_free(want);
    nn_free(tensor);
    nn_free(at);
    return s;
}

nn_status dl_weights_read(dl_net *n, const char *path, bool partial, nn_dim *taken, nn_err *err)
{
    nn_st f;
    nn_status s = nn_st_open(&f, path, err);
    const char *net = s ? NULL : nn_st_meta(&f, "net");
    if (net && strcmp(net, n->kind)) s = nn_fail(err, NN_EINVAL, "%s: numbers of the network '%.24s', expected '%s'", path, net, n->kind);
    if (!s) s = read_numbers(n, &f, partial, taken, err);
    if (!s && partial && taken && !*taken) s = nn_fail(err, NN_EFORMAT, "%s: no tensor fits the network '%s'", path, n->kind);
    nn_st_close(&f);
    return s;
}

/* ---- the whole file --------------------------------------------------------------------------------------------------------------------- */

static nn_status read_model(dl_model *m, nn_st *f, nn_err *err)
{
    const char *kind = nn_st_meta(f, "kind"), *net = nn_st_meta(f, "net"), *training = nn_st_meta(f, "training");
    dl_choice c = { 0 };
    nn_dim aux = 0, format = 0;
    if (!kind || strcmp(kind, KIND)) return nn_fail(err, NN_EFORMAT, "%s: expected a %s, found %.64s", f->path, KIND, kind ? kind : "no 'kind'");
    nn_status s = nn_st_meta_dim(f, "format", 1, 1, &format, err);
    if (!s) s = nn_st_meta_dim(f, "size", 16, 4096, &m->size, err);
    if (!s) s = nn_st_meta_dim(f, "output_stride", 1, 32, &c.output_stride, err);
    if (!s) s = nn_st_meta_dim(f, "width", 0, 1024, &c.width, err);
    if (!s) s = nn_st_meta_dim(f, "rate", 0, 64, &c.rate, err);
    if (!s) s = nn_st_meta_dim(f, "aux", 0, 1, &aux, err);
    if (!s) s = get_classes(m, nn_st_meta(f, "classes"), f->path, err);
    if (s) return s;
    c.kind = net ? net : "";
    c.classes = m->class_count;
    c.aux = aux == 1;
    s = dl_net_open(&m->net, &c, err);
    if (!s) s = read_numbers(&m->net, f, false, NULL, err);
    if (!s && training) m->training = nn_json_parse(training, strlen(training), f->path, err);
    return !s && training && !m->training ? NN_EFORMAT : s;
}

nn_status dl_model_read(dl_model *m, const char *path, nn_err *err)
{
    *m = (dl_model){ 0 };
    nn_st f;
    nn_status s = nn_st_open(&f, path, err);
    if (!s) s = read_model(m, &f, err);
    nn_st_close(&f);
    if (s) dl_model_close(m);
    return s;
}

void dl_model_close(dl_model *m)
{
    dl_net_close(&m->net);
    json_decref(m->training);
    *m = (dl_model){ 0 };
}

static nn_status write_tensors(const dl_model *m, const char *path, const nn_st_pair *meta, size_t metas, nn_err *err)
{
    const nn_dim count = dl_tensor_count(&m->net);
    dl_tensor *tensor = nn_alloc((size_t)count * sizeof *tensor, "tensors", err);
    nn_st_tensor *out = nn_alloc((size_t)count * sizeof *out, "tensors", err);
    real *turned = nn_alloc((size_t)m->net.param_count * sizeof *turned, "tensors", err);
    nn_status s = tensor && out && turned ? NN_OK : NN_ENOMEM;
    for (nn_dim i = 0; i < count && !s; i++) {
        dl_tensor *t = &tensor[i];
        *t = dl_tensor_at(&m->net, i);
        real *to = turned + (t->at - m->net.param);
        if (t->ks) nn_conv2d_to_torch(to, t->at, t->cin, t->cout, t->ks);
        out[i] = (nn_st_tensor){ .name = t->name, .dtype = NN_F32, .data = t->ks ? to : t->at };
        set_dims(out[i].dim, &out[i].rank, t);
    }
    if (!s) s = nn_st_write(path, out, (size_t)count, meta, metas, err);
    nn_free(tensor);
    nn_free(out);
    nn_free(turned);
    return s;
}

nn_status dl_model_write(const dl_model *m, const char *path, nn_err *err)
{
    char size[24], stride[24], width[24], rate[24];
    nn_format(size, sizeof size, "%td", m->size);
    nn_format(stride, sizeof stride, "%td", m->net.output_stride);
    nn_format(width, sizeof width, "%td", m->net.width);
    nn_format(rate, sizeof rate, "%td", m->net.rate);
    json_t *list = put_classes(m, err);
    char *classes = list ? nn_json_line(list, err) : NULL, *training = list && m->training ? nn_json_line(m->training, err) : NULL;
    json_decref(list);
    nn_status s = NN_ENOMEM;
    if (classes && (training || !m->training)) {
        const nn_st_pair meta[] = { { "kind", KIND }, { "format", "1" }, { "net", m->net.kind }, { "size", size }, { "output_stride", stride },
            { "width", width }, { "rate", rate }, { "aux", m->net.aux >= 0 ? "1" : "0" }, { "classes", classes }, { "training", training } };
        s = write_tensors(m, path, meta, sizeof meta / sizeof *meta - !training, err);
    }
    nn_free(classes);
    nn_free(training);
    return s;
}
