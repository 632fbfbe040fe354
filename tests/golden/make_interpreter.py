"""Golden of the interpreter's training: ten steps of one pixel classifier in PyTorch float64.

    python tests/golden/make_interpreter.py tests/golden/interpreter.safetensors

Batches, random initial values of every parameter (none is 0 or 1, so that a dropped term shows), every gradient of the first
step, the loss of each step, parameters, running statistics and Adam's moments after the last.  AdamW decays weights only; the rate
and beta1 follow torch's OneCycleLR, whose values are kept too.  A second gradient has dropout, with the masks of our own
counter-based generator, written down here once more.
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F
import st

D, H1, H2, K, B, STEPS, LAST = 40, 24, 12, 6, 48, 10, 29
LR, DECAY, DROP1, DROP2, DROP_STEP, DROP_SEED = 4e-3, 0.05, 0.4, 0.2, 7, 0x123456789ABCDEF
torch.set_num_threads(1)
draw, out = st.Draw(3, 32), {}


def philox(seed, purpose, step, index):
    """Philox4x32-10 (Salmon et al. 2011); counter = (index low, index high, step, purpose)."""
    c, key, m32 = [index & 0xFFFFFFFF, index >> 32, step, purpose], [seed & 0xFFFFFFFF, seed >> 32], 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ key[0], p1 & m32, (p0 >> 32) ^ c[3] ^ key[1], p0 & m32]
        key = [(key[0] + 0x9E3779B9) & m32, (key[1] + 0xBB67AE85) & m32]
    return c


def mask(layer, p, rows, width):
    """Four numbers a block, element by element of the (rows, width) array; zero where the word is below p * 2**32."""
    words = [w for i in range((rows * width + 3) // 4) for w in philox(DROP_SEED, 4, DROP_STEP, (layer << 48) + i)][:rows * width]
    return torch.tensor(np.where(np.array(words) < p * 2.0 ** 32, 0.0, 1.0 / (1.0 - p)).reshape(rows, width))


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1, self.norm1 = torch.nn.Linear(D, H1), torch.nn.BatchNorm1d(H1)
        self.layer2, self.norm2 = torch.nn.Linear(H1, H2), torch.nn.BatchNorm1d(H2)
        self.layer3 = torch.nn.Linear(H2, K)

    def forward(self, x, mask1=1.0, mask2=1.0):
        x = self.norm1(F.relu(self.layer1(x))) * mask1
        return self.layer3(self.norm2(F.relu(self.layer2(x))) * mask2)


def set_initial(net):
    for name, t in net.state_dict().items():
        if name in initial:
            t.copy_(torch.tensor(initial[name]))


def put(prefix, tensors):
    for name, t in tensors:
        out[f"{prefix}.{name}"] = t.detach().numpy()


net = Classifier().double()
scale = {"layer1.weight": D ** -0.5, "layer2.weight": H1 ** -0.5, "layer3.weight": H2 ** -0.5}
initial = {}
for name, t in net.state_dict().items():
    if name.endswith("num_batches_tracked"):
        continue
    a = draw(*t.shape, scale=scale.get(name, 0.3), shift=1.0 if name in ("norm1.weight", "norm2.weight") else 0.0)
    initial[name] = draw.round(np.abs(a) + 0.1) if name.endswith("running_var") else a
    out[f"init.{name}"] = initial[name]
out["x"] = draw(STEPS, B, D)
label = draw.rs.randint(0, K, (STEPS, B))
out["label"] = label.astype(np.float64)

# ---- one gradient with dropout, from the initial values
set_initial(net)
net.train()
x, y = torch.tensor(out["x"]), torch.tensor(label)
loss = F.cross_entropy(net(x[0], mask(1, DROP1, B, H1), mask(2, DROP2, B, H2)), y[0])
loss.backward()
out["dropped.loss"] = np.array([loss.item()])
put("dropped", ((n, p.grad) for n, p in net.named_parameters()))

# ---- ten steps
net = Classifier().double()
set_initial(net)
net.train()
weights = [p for n, p in net.named_parameters() if n.startswith("layer") and n.endswith("weight")]
others = [p for n, p in net.named_parameters() if not (n.startswith("layer") and n.endswith("weight"))]
adam = torch.optim.AdamW([{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=LR,
                         betas=(0.9, 0.999), eps=1e-8)
cycle = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=LR, total_steps=STEPS)
losses = []
for s in range(STEPS):
    rows = LAST if s == STEPS - 1 else B                    # the last batch of an epoch is smaller
    adam.zero_grad()
    loss = F.cross_entropy(net(x[s, :rows]), y[s, :rows])
    loss.backward()
    if s == 0:
        put("grad", ((n, p.grad) for n, p in net.named_parameters()))
    losses.append(loss.item())
    adam.step()
    cycle.step() if s < STEPS - 1 else None
out["loss"] = np.array(losses)
put("final", ((n, t) for n, t in net.state_dict().items() if not n.endswith("num_batches_tracked")))
for n, p in net.named_parameters():
    out[f"moment1.{n}"], out[f"moment2.{n}"] = adam.state[p]["exp_avg"].numpy(), adam.state[p]["exp_avg_sq"].numpy()

# ---- the schedule, at two lengths
for total in (10, 37):
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    adam = torch.optim.Adam([p], lr=LR, betas=(0.9, 0.999))
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=LR, total_steps=total)
    values = []
    for s in range(total):
        values.append([adam.param_groups[0]["lr"], adam.param_groups[0]["betas"][0]])
        p.grad = torch.zeros_like(p)
        adam.step()
        cycle.step() if s < total - 1 else None
    out[f"schedule.{total}"] = np.array(values)

st.write(sys.argv[1], out, torch=torch.__version__)
