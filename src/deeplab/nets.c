/* nets.c: the architectures. */
#include "deeplab/net.h"

#include <string.h>

/* ---- light: a U-Net whose first and last level work at half the picture's size --------------------------------------------- */

static int conv_norm(dl_net *n, const char *name, int in, nn_dim c, nn_dim stride)
{
    char part[DL_NAME];
    nn_format(part, sizeof part, "%s.conv", name);
    const int x = dl_conv(n, part, in, c, 3, stride, 1, false);
    nn_format(part, sizeof part, "%s.norm", name);
    return dl_norm(n, part, x, -1, true);
}

/* Widths w, 2w, 3w, 4w at 1/2, 1/4, 1/8, 1/16 of the picture; one convolution a level on the way down, two on the way up after joining
 * the level's own map.  Logits at half size: the loss resizes them. */
static nn_status open_light(dl_net *n, nn_dim classes, nn_dim w, nn_err *err)
{
    enum { LEVELS = 4 };
    char name[DL_NAME];
    int skip[LEVELS];
    if (dl_net_begin(n, "light", classes, err)) return NN_ENOMEM;
    n->width = w;
    n->output_stride = 2;
    int x = conv_norm(n, "stem", 0, w, 2);
    for (int l = 0; l < LEVELS; l++) {
        if (l) x = dl_maxpool(n, x, 2, 2, 0);
        nn_format(name, sizeof name, "down%d", l);
        x = skip[l] = conv_norm(n, name, x, (l + 1) * w, 1);
    }
    x = conv_norm(n, "middle", x, LEVELS * w, 1);
    for (int l = LEVELS - 2; l >= 0; l--) {
        const int both[] = { dl_resize(n, x, skip[l]), skip[l] };
        x = dl_concat(n, both, 2);
        nn_format(name, sizeof name, "up%d.0", l);
        x = conv_norm(n, name, x, (l + 1) * w, 1);
        nn_format(name, sizeof name, "up%d.1", l);
        x = conv_norm(n, name, x, (l + 1) * w, 1);
    }
    return dl_net_finish(n, dl_conv(n, "classifier", x, classes, 1, 1, 1, true), -1, err);
}

/* ---- ResNet (He et al. 2015) as torchvision's models/resnet.py, DeepLab-v3 (Chen et al. 2017) as models/segmentation/deeplabv3.py ---- */

typedef struct { const char *kind; bool bottleneck; int blocks[4]; } resnet;
static const resnet resnets[] = {
    { "resnet18", false, { 2, 2, 2, 2 } }, { "resnet34", false, { 3, 4, 6, 3 } },
    { "resnet50", true, { 3, 4, 6, 3 } }, { "resnet101", true, { 3, 4, 23, 3 } },
};

static int named_conv(dl_net *n, const char *prefix, const char *part, int in, nn_dim c, nn_dim ks, nn_dim stride, nn_dim dilation)
{
    char name[DL_NAME];
    nn_format(name, sizeof name, "%s.%s", prefix, part);
    return dl_conv(n, name, in, c, ks, stride, dilation, false);
}

static int named_norm(dl_net *n, const char *prefix, const char *part, int in, int residual, bool relu)
{
    char name[DL_NAME];
    nn_format(name, sizeof name, "%s.%s", prefix, part);
    return dl_norm(n, name, in, residual, relu);
}

/* A residual block.  torchvision strides the 3x3 convolution of a bottleneck, and its basic block has no dilation: ours has. */
static int block(dl_net *n, const resnet *r, const char *name, int in, nn_dim planes, nn_dim stride, nn_dim dilation, bool project)
{
    const nn_dim out = r->bottleneck ? 4 * planes : planes;
    int x = in;
    if (r->bottleneck) {
        x = named_norm(n, name, "bn1", named_conv(n, name, "conv1", x, planes, 1, 1, 1), -1, true);
        x = named_norm(n, name, "bn2", named_conv(n, name, "conv2", x, planes, 3, stride, dilation), -1, true);
        x = named_conv(n, name, "conv3", x, out, 1, 1, 1);
    } else {
        x = named_norm(n, name, "bn1", named_conv(n, name, "conv1", x, planes, 3, stride, dilation), -1, true);
        x = named_conv(n, name, "conv2", x, out, 3, 1, dilation);
    }
    const int shortcut = project ? named_norm(n, name, "downsample.1", named_conv(n, name, "downsample.0", in, out, 1, stride, 1), -1, false) : in;
    return named_norm(n, name, r->bottleneck ? "bn3" : "bn2", x, shortcut, true);
}

/* Strides become dilations from the level on that would pass the output stride (replace_stride_with_dilation): a level's first block
 * keeps the dilation from before.  Returns the last level; *third is the one before it. */
static int backbone(dl_net *n, const resnet *r, nn_dim output_stride, int *third)
{
    int x = named_norm(n, "backbone", "bn1", named_conv(n, "backbone", "conv1", 0, 64, 7, 2, 1), -1, true);
    x = dl_maxpool(n, x, 3, 2, 1);
    nn_dim stride_so_far = 4, dilation = 1;
    for (int level = 0; level < 4; level++) {
        if (level == 3) *third = x;
        nn_dim stride = level ? 2 : 1, first = dilation;
        if (stride_so_far * stride > output_stride) { dilation *= stride; stride = 1; }
        stride_so_far *= stride;
        for (int b = 0; b < r->blocks[level]; b++) {
            char name[DL_NAME];
            nn_format(name, sizeof name, "backbone.layer%d.%d", level + 1, b);
            x = block(n, r, name, x, (nn_dim)64 << level, b ? 1 : stride, b ? dilation : first, !b && (level || r->bottleneck));
        }
    }
    return x;
}

/* Atrous spatial pyramid pooling: 1x1, three dilated 3x3, and the picture's mean; then the head's 3x3 and the classifier. */
static int head(dl_net *n, int in, nn_dim rate, nn_dim classes)
{
    static const char *const branch[] = { "classifier.0.convs.1", "classifier.0.convs.2", "classifier.0.convs.3" };
    int all[5];
    all[0] = named_norm(n, "classifier.0.convs.0", "1", named_conv(n, "classifier.0.convs.0", "0", in, 256, 1, 1, 1), -1, true);
    for (int i = 0; i < 3; i++) all[i + 1] = named_norm(n, branch[i], "1", named_conv(n, branch[i], "0", in, 256, 3, 1, (i + 1) * rate), -1, true);
    const int mean = named_conv(n, "classifier.0.convs.4", "1", dl_avgpool(n, in), 256, 1, 1, 1);
    all[4] = dl_resize(n, named_norm(n, "classifier.0.convs.4", "2", mean, -1, true), in);
    int x = named_norm(n, "classifier.0.project", "1", named_conv(n, "classifier.0.project", "0", dl_concat(n, all, 5), 256, 1, 1, 1), -1, true);
    x = dl_dropout(n, x, 0.5);
    x = named_norm(n, "classifier", "2", named_conv(n, "classifier", "1", x, 256, 3, 1, 1), -1, true);
    return dl_conv(n, "classifier.4", x, classes, 1, 1, 1, true);
}

static int aux_head(dl_net *n, int in, nn_dim classes)
{
    const nn_dim c = n->node[in].c / 4;
    const int x = named_norm(n, "aux_classifier", "1", named_conv(n, "aux_classifier", "0", in, c, 3, 1, 1), -1, true);
    return dl_conv(n, "aux_classifier.4", dl_dropout(n, x, 0.1), classes, 1, 1, 1, true);
}

static nn_status open_deeplab(dl_net *n, const resnet *r, const dl_choice *c, nn_err *err)
{
    int third = 0;
    if (dl_net_begin(n, r->kind, c->classes, err)) return NN_ENOMEM;
    n->output_stride = c->output_stride;
    n->rate = c->rate ? c->rate : !r->bottleneck ? 2 : c->output_stride == 8 ? 12 : 6;      /* Chen et al. 2017, § 4.1: doubled at stride 8 */
    const int last = backbone(n, r, c->output_stride, &third), out = head(n, last, n->rate, c->classes);
    return dl_net_finish(n, out, c->aux ? aux_head(n, third, c->classes) : -1, err);
}

nn_status dl_net_open(dl_net *n, const dl_choice *c, nn_err *err)
{
    *n = (dl_net){ .aux = -1 };
    if (!strcmp(c->kind, "light")) return open_light(n, c->classes, c->width ? c->width : 32, err);
    for (size_t i = 0; i < sizeof resnets / sizeof *resnets; i++)
        if (!strcmp(c->kind, resnets[i].kind)) return open_deeplab(n, &resnets[i], c, err);
    return nn_fail(err, NN_EINVAL, "network '%.24s': expected one of " DL_NETS, c->kind);
}
