"""Golden of a DeepLab-v3 of torchvision with random weights: predictions, the loss and every gradient of the first of five SGD steps, the
losses of all, a few numbers of every tensor after the last.

    python tests/golden/make_segment.py tests/golden/segment.safetensors      (needs torchvision)

resnet50, output stride 8, auxiliary head, 2 pictures of 17 x 25, in float64.  Weights come from hashed.py.  Dropout is off (p = 0), as its masks differ.
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models.segmentation import deeplabv3_resnet50
import st
from hashed import fill, numbers

torch.set_num_threads(2)
N, CLASSES, H, W, STEPS, LR, DECAY = 2, 4, 17, 25, 5, 0.0001, 0.0005


net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True).double()
for m in net.modules():
    if isinstance(m, torch.nn.Dropout):
        m.p = 0.0
fill(net)
out = {}
x = torch.tensor(numbers(1, N * H * W * 3, 4.0).reshape(N, H, W, 3)).permute(0, 3, 1, 2)
label = torch.tensor(np.array([[(r // 9 + c // 11 + n) % CLASSES for r in range(H) for c in range(W)] for n in range(N)]).reshape(N, H, W))
net.eval()
with torch.no_grad():
    out["predict"] = net(x)["out"].permute(0, 2, 3, 1).contiguous().numpy()[:, ::4, ::4]
net.train()
sgd = torch.optim.SGD([{"params": [p for p in net.parameters() if p.dim() == 4], "weight_decay": DECAY},
                       {"params": [p for p in net.parameters() if p.dim() != 4], "weight_decay": 0.0}], lr=LR, momentum=0.9)
losses = []
for s in range(STEPS):
    sgd.zero_grad()
    y = net(x)
    loss = F.cross_entropy(y["out"], label) + 0.5 * F.cross_entropy(y["aux"], label)
    loss.backward()
    losses.append(loss.item())
    if s == 0:
        for n, p in net.named_parameters():
            g = p.grad.reshape(-1)
            out[f"grad.{n}"] = np.concatenate([g[::max(1, g.numel() // 24)][:24].numpy(), [g.norm().item() / g.numel() ** 0.5]])
    sgd.step()
out["loss"] = np.array(losses)
for n, t in net.state_dict().items():
    if not n.endswith("num_batches_tracked"):
        t = t.reshape(-1)
        out[f"final.{n}"] = t[::max(1, t.numel() // 8)][:8].numpy()
st.write(sys.argv[1], out, torch=torch.__version__)
