/* net.h: segmentation networks as a list of operations, run forward and backward in that order and its reverse.
 *
 * A dl_net is an architecture with its numbers; a dl_work is room to run it on batches of one size.  Maps are pixel-major
 * (nn/maps.h).  Numbers lie in two blocks: `param` is trained, `stat` holds the running means and variances of batch norms.
 * Names and shapes in files are torch's (docs/FILES.md), so that torchvision's state dicts fit the networks that it has too. */
#ifndef DL_NET_H
#define DL_NET_H

#include "nn/maps.h"
#include "nn/safetensors.h"

enum { DL_INPUTS = 5, DL_NAME = 64 };
typedef enum { DL_INPUT, DL_CONV, DL_NORM, DL_RELU, DL_MAXPOOL, DL_AVGPOOL, DL_RESIZE, DL_CONCAT, DL_DROPOUT } dl_op;

/* One operation; nodes are numbered in the order they were added, and read only earlier ones. */
typedef struct {
    dl_op op;
    int in_count, in[DL_INPUTS];     /* DL_NORM: in[1] is the residual that is added before the ReLU */
    char name[DL_NAME];              /* of the numbers, as torch's module: "backbone.conv1"; "" when it has none */
    nn_dim c;                        /* channels it gives */
    nn_dim ks, stride, pad, dilation;
    bool bias, relu;                 /* DL_CONV; DL_NORM */
    double p;                        /* DL_DROPOUT */
    int like;                        /* DL_RESIZE: takes the size of this node */
    nn_dim weight, shift, stat;      /* offsets: weight or gamma, bias or beta (in param); mean, then variance (in stat) */
} dl_node;

typedef struct dl_net {
    char kind[24];                   /* "light", "resnet50", ... */
    nn_dim classes, output_stride, width, rate;
    int node_count, room;
    dl_node *node;
    int out, aux;                    /* nodes that give logits; aux is -1 where there is none */
    nn_dim param_count, stat_count;
    real *param, *stat;
} dl_net;

/* Building: begin, nodes (every call returns the new one's number), finish. */
nn_status dl_net_begin(dl_net *n, const char *kind, nn_dim classes, nn_err *err);
int dl_conv(dl_net *n, const char *name, int in, nn_dim c, nn_dim ks, nn_dim stride, nn_dim dilation, bool bias);    /* pad: same size at stride 1 */
int dl_norm(dl_net *n, const char *name, int in, int residual, bool relu);                /* residual -1: none */
int dl_relu(dl_net *n, int in);
int dl_maxpool(dl_net *n, int in, nn_dim ks, nn_dim stride, nn_dim pad);
int dl_avgpool(dl_net *n, int in);
int dl_resize(dl_net *n, int in, int like);
int dl_concat(dl_net *n, const int *in, int count);
int dl_dropout(dl_net *n, int in, double p);
nn_status dl_net_finish(dl_net *n, int out, int aux, nn_err *err);                        /* allocates param and stat */
void dl_net_close(dl_net *n);

/* The networks by name: "light" and "resnet18", 34, 50, 101 with a DeepLab-v3 head (nets.c).  output_stride (DeepLab): 8 or 16. */
#define DL_NETS "light|resnet18|resnet34|resnet50|resnet101"
typedef struct {
    const char *kind;
    nn_dim classes, output_stride;
    nn_dim width;                    /* light: channels of its first level, 0: 32 */
    nn_dim rate;                     /* DeepLab: ASPP's rates are rate, 2 rate, 3 rate; 0: 12 at stride 8, 6 at 16, 2 for resnet18 and 34 */
    bool aux;                        /* DeepLab: the auxiliary head */
} dl_choice;
nn_status dl_net_open(dl_net *n, const dl_choice *c, nn_err *err);
/* Convolutions: normal with variance 2/(ks^2 cout) (He et al. 2015, as torchvision's ResNet); batch norm 1 and 0; biases 0. */
void dl_net_init(dl_net *n, uint64_t seed);

/* ---- running ------------------------------------------------------------------------------------------------------------ */

typedef struct dl_work dl_work;
/* For batches of n pictures (n,h,w,3).  train: keeps what the way back needs.  NULL: NN_ENOMEM. */
dl_work *dl_work_open(const dl_net *net, nn_dim n, nn_dim h, nn_dim w, bool train, int threads, nn_err *err);
void dl_work_close(dl_work *wk);
real *dl_work_input(dl_work *wk);                       /* (n,h,w,3), to be filled */
const real *dl_work_logits(const dl_work *wk);          /* (n,h,w,K), at the input's size, of the last run */
const real *dl_work_node(const dl_work *wk, int node);

/* Inference on the first n pictures of the batch, with running statistics. */
void dl_forward(const nn_kernels *k, const dl_net *net, dl_work *wk, nn_dim n);
/* The same with batch norm's statistics moved towards those of this batch: mean and variance = (1 - share)*running + share*batch
 * (Schneider et al. 2020, adaptation to a shifted domain without labels). */
void dl_forward_adapted(const nn_kernels *k, const dl_net *net, dl_work *wk, nn_dim n, double share);

/* One training pass over the whole batch: loss (mean cross-entropy at the input's size against target (n,h,w,K), weight (n,h,w)) + 0.5 of
 * the auxiliary head's; grad (param_count) is written; running statistics move.  seed, step: of dropout. */
double dl_gradient(const nn_kernels *k, dl_net *net, dl_work *wk, const real *target, const real *weight, real *grad, uint64_t seed, uint32_t step);

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

/* Every tensor of the network by torch's name, in the network's order: visit returns false to stop.  count numbers at `at`; ks 0: as it
 * stands; otherwise a convolution (ks,ks,cin,cout) here, (cout,cin,ks,ks) in the file. */
typedef struct { char name[DL_NAME + 24]; real *at; nn_dim count, cin, cout, ks; bool trained, decays; } dl_tensor;
nn_dim dl_tensor_count(const dl_net *n);
dl_tensor dl_tensor_at(const dl_net *n, nn_dim i);

#endif
