"""Goldens of DeepLab-v3 on ResNet-18 (stride 8) and ResNet-34 (stride 16), which torchvision does not have, as its basic block has no dilation: the same
graph built from torch.nn, in float64, with random weights: predictions, loss and every gradient of one step of SGD, the loss after it.

    python tests/golden/make_resnet.py resnet18 tests/golden/resnet18.safetensors      (needs torch alone; resnet34 likewise)

2 pictures of 17 x 25, auxiliary head, ASPP's rates 2, 4, 6.  Weights come from hashed.py.  Prints how far losses,
predictions and gradients move at most when each number of the input is multiplied by 1 + 1e-14 normal(), four times: the test's limits.
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
import st
from hashed import fill, numbers

torch.set_num_threads(1)
N, CLASSES, H, W, LR, DECAY, RATE, PICKS = 2, 4, 17, 25, 0.0001, 0.0005, 2, 8
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
STRIDE = {"resnet18": 8, "resnet34": 16}


def conv(cin, cout, k, stride=1, dilation=1, bias=False):
    return nn.Conv2d(cin, cout, k, stride, dilation * (k - 1) // 2, dilation, bias=bias)


class Block(nn.Module):
    """He et al. 2015, figure 5 left; both convolutions dilated, the first by what its level came with."""

    def __init__(self, cin, cout, stride, first, dilation):
        super().__init__()
        self.conv1, self.bn1 = conv(cin, cout, 3, stride, first), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = conv(cout, cout, 3, 1, dilation), nn.BatchNorm2d(cout)
        if cin != cout or stride != 1:
            self.downsample = nn.Sequential(conv(cin, cout, 1, stride), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Backbone(nn.Module):
    def __init__(self, blocks, output_stride):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        cin, at, dilation = 64, 4, 1
        for level, count in enumerate(blocks):
            cout, stride, first = 64 << level, 2 if level else 1, dilation
            if at * stride > output_stride:
                dilation, stride = dilation * stride, 1
            at *= stride
            layer = [Block(cin, cout, stride, first, first)] + [Block(cout, cout, 1, dilation, dilation) for _ in range(count - 1)]
            setattr(self, "layer%d" % (level + 1), nn.Sequential(*layer))
            cin = cout

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        third = self.layer3(self.layer2(self.layer1(x)))
        return third, self.layer4(third)


class Pooled(nn.Sequential):
    def forward(self, x):
        return super().forward(x).expand(-1, -1, *x.shape[2:])      # one pixel made large: bilinear or not is the same


class ASPP(nn.Module):
    def __init__(self, cin):
        super().__init__()
        def part(k, dilation=1):
            return nn.Sequential(conv(cin, 256, k, 1, dilation), nn.BatchNorm2d(256), nn.ReLU())
        self.convs = nn.ModuleList([part(1)] + [part(3, (i + 1) * RATE) for i in range(3)]
                                   + [Pooled(nn.AdaptiveAvgPool2d(1), conv(cin, 256, 1), nn.BatchNorm2d(256), nn.ReLU())])
        self.project = nn.Sequential(conv(5 * 256, 256, 1), nn.BatchNorm2d(256), nn.ReLU())

    def forward(self, x):
        return self.project(torch.cat([c(x) for c in self.convs], 1))


class DeepLab(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.backbone = Backbone(BLOCKS[kind], STRIDE[kind])
        self.classifier = nn.Sequential(ASPP(512), conv(256, 256, 3), nn.BatchNorm2d(256), nn.ReLU(), conv(256, CLASSES, 1, bias=True))
        self.aux_classifier = nn.Sequential(conv(256, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Identity(), conv(64, CLASSES, 1, bias=True))

    def forward(self, x):
        third, last = self.backbone(x)
        return [F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=False) for y in (self.classifier(last), self.aux_classifier(third))]


def run(kind, factor):
    """{name: numbers}; factor: of every number of the input."""
    net, out = DeepLab(kind).double(), {}
    fill(net)
    x = torch.tensor(numbers(1, N * H * W * 3, 4.0).reshape(N, H, W, 3)).permute(0, 3, 1, 2) * factor
    label = torch.tensor([[[(r // 9 + c // 11 + n) % CLASSES for c in range(W)] for r in range(H)] for n in range(N)])
    with torch.no_grad():
        out["predict"] = net.eval()(x)[0].permute(0, 2, 3, 1).contiguous().numpy()[:, ::4, ::4]
    net.train()
    sgd = torch.optim.SGD([{"params": [p for p in net.parameters() if p.dim() == 4], "weight_decay": DECAY},
                           {"params": [p for p in net.parameters() if p.dim() != 4], "weight_decay": 0.0}], lr=LR, momentum=0.9)
    losses = []
    for s in range(2):
        sgd.zero_grad()
        y, aux = net(x)
        loss = F.cross_entropy(y, label) + 0.5 * F.cross_entropy(aux, label)
        losses.append(loss.item())
        if s:
            break
        loss.backward()
        for n, p in net.named_parameters():
            g = p.grad.reshape(-1)
            out[f"grad.{n}"] = np.concatenate([g[::max(1, g.numel() // PICKS)][:PICKS].numpy(), [g.norm().item() / g.numel() ** 0.5]])
        sgd.step()
    out["loss"] = np.array(losses)
    return out


kind = sys.argv[1]
out, worst = run(kind, 1.0), {"loss": np.zeros(2), "predict": 0.0, "grad": 0.0}
for seed in range(4):
    torch.manual_seed(seed)
    for name, a in run(kind, 1.0 + 1e-14 * torch.randn(N, 3, H, W, dtype=torch.float64)).items():
        b, what = out[name], name.split(".")[0]
        scale = b if what == "loss" else np.maximum(np.abs(b), b[-1] if what == "grad" else np.sqrt((b ** 2).mean()))
        off = np.abs((a - b) / scale)
        worst[what] = np.maximum(worst[what], off if what == "loss" else off.max())
print("moved:", worst)
st.write(sys.argv[2], out, torch=torch.__version__)
