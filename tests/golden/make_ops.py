"""Goldens of the operations that PyTorch itself defines, in float64: convolutions, bilinear, and the interpreter's.

    python tests/golden/make_ops.py 32 tests/golden/ops32.safetensors
    python tests/golden/make_ops.py 64 tests/golden/ops64.safetensors

Upstream gradients are random, never ones: a batch norm whose backward lacks its variance term passes with ones.
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F
import st

draw, out = st.Draw(1, int(sys.argv[1])), {}
torch.set_num_threads(1)


def t(a, grad=False):
    return torch.tensor(a, dtype=torch.float64, requires_grad=grad)


def put(case, **tensors):
    for name, a in tensors.items():
        out[f"{case}.{name}"] = a.detach().numpy() if isinstance(a, torch.Tensor) else np.asarray(a, np.float64)


# ---- convolutions: cin, h, w, cout, ks, stride, pad, dilation (tests/ops_cases.c has the same list)
for i, (cin, h, w, cout, ks, stride, pad, dil) in enumerate([
        (3, 9, 7, 5, 3, 1, 1, 1), (19, 5, 3, 4, 1, 1, 0, 1), (2, 9, 8, 3, 3, 2, 1, 1), (3, 7, 11, 2, 3, 1, 2, 2),
        (2, 5, 6, 3, 3, 1, 0, 1), (2, 11, 9, 3, 5, 3, 3, 2)]):
    x, k = draw(cin, h, w), draw(cout, cin, ks, ks)
    put(f"conv{i}", x=x, w=k, y=F.conv2d(t(x)[None], t(k), stride=stride, padding=pad, dilation=dil)[0])
for i, (cin, h, w, cout, ks) in enumerate([(3, 5, 4, 4, 3), (4, 3, 5, 3, 1), (2, 1, 3, 2, 4)]):
    x, k = draw(cin, h, w), draw(cout, cin, ks, ks)
    put(f"up{i}", x=x, w=k, y=F.conv_transpose2d(t(x)[None], t(k).transpose(0, 1), stride=2)[0])

# ---- bilinear
for i, (h, w, oh, ow) in enumerate([(5, 7, 10, 14), (5, 7, 13, 9), (8, 6, 4, 3), (9, 11, 4, 5), (1, 1, 3, 2), (4, 3, 4, 3)]):
    x = draw(2, h, w)
    put(f"bilinear{i}", x=x, y=F.interpolate(t(x)[None], (oh, ow), mode="bilinear", align_corners=False)[0])

# ---- linear, ReLU; a0, b0, c0: what the gradients hold before (backward adds)
B, D, O = 9, 11, 7
x, w, b, dy = t(draw(B, D), True), t(draw(O, D), True), t(draw(O), True), draw(B, O)
y = F.linear(x, w, b)
y.backward(t(dy))
dx0, dw0, db0 = draw(B, D), draw(O, D), draw(O)
put("linear", x=x, w=w, b=b, y=y, y_nobias=F.linear(x, w), dy=dy, dx0=dx0, dw0=dw0, db0=db0,
    dx=dx0 + x.grad.numpy(), dw=dw0 + w.grad.numpy(), db=db0 + b.grad.numpy())
x, dy, dx0 = t(draw(5, 7), True), draw(5, 7), draw(5, 7)
y = F.relu(x)
y.backward(t(dy))
put("relu", x=x, y=y, dy=dy, dx0=dx0, dx=dx0 + x.grad.numpy())

# ---- batch norm: channels with an offset, and two whose variance is below eps
B, C = 13, 7
scale, shift = np.array([1, 3, .5, 1e-3, 2e-3, 1, 10.]), np.array([0, 2, -1, 0, 0, .3, 5.])
bn = torch.nn.BatchNorm1d(C, dtype=torch.float64)
with torch.no_grad():
    bn.weight.copy_(t(draw(C, shift=1))), bn.bias.copy_(t(draw(C)))
    bn.running_mean.copy_(t(draw(C))), bn.running_var.copy_(t(draw.round(np.abs(draw(C)) + 0.01)))
    bn.running_var[2] = 2.0 ** -18                          # below eps
put("bn", gamma=bn.weight, beta=bn.bias, run_mean0=bn.running_mean.clone(), run_var0=bn.running_var.clone())
for step in 1, 2:
    x, dy = t(draw.round(draw(B, C) * scale + shift), True), draw(B, C)
    dx0, dg0, db0 = draw(B, C), draw(C), draw(C)
    bn.weight.grad = bn.bias.grad = None
    y = bn(x)
    y.backward(t(dy))
    put(f"bn{step}", x=x, y=y, dy=dy, mean=x.mean(0), rstd=(x.var(0, unbiased=False) + 1e-5).rsqrt(),
        run_mean=bn.running_mean.clone(), run_var=bn.running_var.clone(), dx0=dx0, dgamma0=dg0, dbeta0=db0,
        dx=dx0 + x.grad.numpy(), dgamma=dg0 + bn.weight.grad.numpy(), dbeta=db0 + bn.bias.grad.numpy())
bn.running_mean.copy_(t(out["bn.run_mean0"])), bn.running_var.copy_(t(out["bn.run_var0"]))
bn.eval()
x = draw(B, C)
put("bn_infer", x=x, y=bn(t(x)))

# ---- mix: four maps, four weights
x, w, y0 = draw(4, 13), draw(4), draw(13)
put("mix", x=x, w=w, y0=y0, y=t(w) @ t(x), added=t(y0) + t(w) @ t(x))

# ---- softmax and cross-entropy; two void rows, a row far from zero, a row whose first logit is far below the rest
B, K = 11, 5
x = draw(B, K, scale=3)
x[4] = draw.round(x[4] + 1000)
x[5, 0] = -1000
label = draw.rs.randint(0, K, B)
label[[2, 7]], label[5] = 255, 3
logit = t(x, True)
loss = F.cross_entropy(logit, torch.tensor(label), ignore_index=255)
loss.backward()
put("ce", logit=x, label=label, loss=loss.reshape(1), dlogit=logit.grad, softmax=F.softmax(t(x), 1))

# ---- Adam and AdamW: ten steps; small gradients, so that eps shows.  lr, beta1, beta2, eps, decay as in ops_cases.c
for name, kind, kw in [("adam", torch.optim.Adam, dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8)),
                       ("adamw", torch.optim.AdamW, dict(lr=3e-2, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1))]:
    n = 17
    p = t(draw(n), True)
    start, size = p.detach().clone(), np.logspace(0, -8, n)
    grads = np.stack([draw.round(draw(n) * size) for _ in range(10)])
    opt, trail = kind([p], **kw), []
    for g in grads:
        p.grad = t(g)
        opt.step()
        trail.append(p.detach().clone().numpy())
    s = opt.state[p]
    put(name, start=start, grad=grads, param=np.stack(trail), m=s["exp_avg"], v=s["exp_avg_sq"])

st.write(sys.argv[2], out, made_by="tests/golden/make_ops.py", torch=torch.__version__)
