/* test_segnet.c: segmentation networks: cases of segnet_cases.c with every row and in double; their files; PyTorch's
 * DeepLab-v3: predictions; loss, gradients and steps in double of ResNet-18, and with NIGHTLY=1 (make nightly; 20 s) of 34 and 50. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deeplab/deeplab.h"
#include "tests/golden.h"

void segnet_cases(const nn_kernels *k);
void segnet64_cases(const void *row);        /* NULL: the row `ref` in double */
void torchvision_cases(const nn_kernels *k, const char *kind, bool trains);
void torchvision64_cases(const void *row, const char *kind, bool trains);

/* What is written comes back, bit for bit, with torch's names and shapes. */
static void files(void)
{
    const char *folder = t_folder("segnet");
    char path[1024];
    nn_err err = { 0 };
    dl_model m = { .size = 64, .class_count = 2, .class_at = { { "a", { 1, 2, 3 } }, { "b, \"c\"", { 255, 0, 16 } } } }, back;
    nn_format(path, sizeof path, "%s/net.safetensors", folder);
    if (dl_net_open(&m.net, &(dl_choice){ .kind = "resnet18", .classes = 2, .output_stride = 16, .aux = true }, &err)) { t_fail("%s", err.msg); return; }
    dl_net_init(&m.net, 4);
    t_status(dl_model_write(&m, path, &err), NN_OK, &err, NULL, "a network is written");
    t_status(dl_model_read(&back, path, &err), NN_OK, &err, NULL, "and read");
    if (err.status == NN_OK) {
        t_same(back.net.param, m.net.param, (size_t)(m.net.param_count + m.net.stat_count) * sizeof(real), "with the same numbers");
        t_check(back.size == 64 && back.class_count == 2 && !memcmp(back.class_at, m.class_at, 2 * sizeof *m.class_at), "and the same classes");
        nn_st f;
        if (nn_st_open(&f, path, &err) == NN_OK) {
            const nn_st_entry *e = nn_st_find(&f, "backbone.layer2.0.downsample.0.weight");
            t_check(e && e->rank == 4 && e->dim[0] == 128 && e->dim[1] == 64 && e->dim[2] == 1, "downsample has torchvision's name and shape");
            nn_st_close(&f);
        }
        dl_net other;
        nn_dim taken = 0;
        if (dl_net_open(&other, &(dl_choice){ .kind = "resnet18", .classes = 5, .output_stride = 16 }, &err) == NN_OK) {
            t_status(dl_weights_read(&other, path, false, NULL, &err), NN_ESHAPE, &err, "classifier.4", "another number of classes is refused");
            err = (nn_err){ 0 };
            t_status(dl_weights_read(&other, path, true, &taken, &err), NN_OK, &err, NULL, "or taken but for the classifier");
            t_check(taken == dl_tensor_count(&other) - 2, "all tensors but two are taken, found %td of %td", taken, dl_tensor_count(&other));
        }
        dl_net_close(&other);
        dl_model_close(&back);
    }
    dl_model_close(&m);
}

int main(void)
{
    for (int i = 0; i < nn_kernels_count(); i++) {
        if (nn_kernels_at(i)->usable()) segnet_cases(nn_kernels_at(i));
        else t_skip("segnet/%s: not on this CPU", nn_kernels_at(i)->name);
    }
    segnet64_cases(NULL);
    nn_err err = { 0 };
    static const char *const kind[] = { "resnet18", "resnet34", "resnet50" };
    for (int i = 0; i < 3; i++) {
        torchvision_cases(nn_kernels_pick("auto", &err), kind[i], false);
        if (!i || getenv("NIGHTLY")) torchvision64_cases(NULL, kind[i], true);
    }
    files();
    return t_done();
}
