"""Golden of the operations of maps.h: PyTorch float64, forward and every gradient, in pixel-major order.

    python tests/golden/make_maps.py tests/golden/maps.safetensors
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F
import st

torch.set_num_threads(1)
draw, out = st.Draw(8, 32), {}
nhwc = lambda t: t.detach().permute(0, 2, 3, 1).numpy()
nchw = lambda a: torch.tensor(np.ascontiguousarray(np.transpose(a, (0, 3, 1, 2)))).requires_grad_()
put = lambda name, t: out.__setitem__(name, nhwc(t))

# n, h, w, cin, cout, ks, stride, pad, dilation: tests/map_cases.c lists the same
CONV = [(2, 7, 9, 5, 6, 3, 1, 1, 1), (2, 9, 8, 3, 34, 7, 2, 3, 1), (2, 6, 7, 20, 17, 3, 2, 1, 1), (1, 11, 10, 4, 5, 3, 1, 2, 2),
        (2, 5, 4, 18, 33, 1, 1, 0, 1), (2, 6, 5, 7, 8, 1, 2, 0, 1), (1, 5, 6, 6, 4, 3, 1, 12, 12), (3, 16, 5, 4, 3, 3, 1, 1, 1),
        (1, 8, 21, 5, 6, 3, 1, 1, 1), (1, 9, 19, 4, 5, 3, 1, 2, 2), (1, 7, 40, 3, 8, 7, 2, 3, 1)]
for i, (n, h, w, ci, co, ks, stride, pad, dil) in enumerate(CONV):
    x, wt, b = draw(n, h, w, ci), draw(ks, ks, ci, co, scale=(ks * ks * ci) ** -0.5), draw(co)
    tx, tw, tb = nchw(x), torch.tensor(wt).requires_grad_(), torch.tensor(b).requires_grad_()
    y = F.conv2d(tx, tw.permute(3, 2, 0, 1), tb, stride, pad, dil)
    dy = draw(*nhwc(y).shape)
    y.backward(nchw(dy).detach())
    out.update({f"conv{i}.x": x, f"conv{i}.w": wt, f"conv{i}.b": b, f"conv{i}.dy": dy, f"conv{i}.y": nhwc(y), f"conv{i}.dx": nhwc(tx.grad),
                f"conv{i}.dw": tw.grad.numpy(), f"conv{i}.db": tb.grad.numpy()})

# Batch norm, + residual, ReLU; 320 rows are two pieces (maps_norm.c).
N, H, W, C = 2, 16, 10, 19
x, res, g, b = draw(N, H, W, C, scale=2.0, shift=3.0), draw(N, H, W, C), draw(C, shift=1.0), draw(C)
rm, rv = draw(C), draw.round(np.abs(draw(C)) + 0.5)
tx, tr, tg, tb = nchw(x), nchw(res), torch.tensor(g).requires_grad_(), torch.tensor(b).requires_grad_()
trm, trv = torch.tensor(rm), torch.tensor(rv)
put("norm.infer", F.relu(F.batch_norm(tx, trm, trv, tg, tb, False) + tr))
y = F.relu(F.batch_norm(tx, trm, trv, tg, tb, True, 0.1) + tr)
dy = draw(N, H, W, C)
y.backward(nchw(dy).detach())
out.update({"norm.x": x, "norm.add": res, "norm.gamma": g, "norm.beta": b, "norm.run_mean": rm, "norm.run_var": rv, "norm.dy": dy, "norm.y": nhwc(y),
            "norm.dx": nhwc(tx.grad), "norm.dadd": nhwc(tr.grad), "norm.dgamma": tg.grad.numpy(), "norm.dbeta": tb.grad.numpy(),
            "norm.new_mean": trm.numpy(), "norm.new_var": trv.numpy()})

# n, h, w, c, ks, stride, pad
for i, (n, h, w, c, ks, stride, pad) in enumerate([(2, 6, 8, 5, 2, 2, 0), (2, 7, 9, 18, 3, 2, 1)]):
    x = draw(n, h, w, c)
    tx = nchw(x)
    y = F.max_pool2d(tx, ks, stride, pad)
    dy = draw(*nhwc(y).shape)
    y.backward(nchw(dy).detach())
    out.update({f"pool{i}.x": x, f"pool{i}.dy": dy, f"pool{i}.y": nhwc(y), f"pool{i}.dx": nhwc(tx.grad)})

x, dy = draw(2, 5, 7, 18), draw(2, 1, 1, 18)
tx = nchw(x)
y = F.adaptive_avg_pool2d(tx, 1)
y.backward(nchw(dy).detach())
out.update({"mean.x": x, "mean.dy": dy, "mean.y": nhwc(y), "mean.dx": nhwc(tx.grad)})

# n, h, w, c, oh, ow
for i, (n, h, w, c, oh, ow) in enumerate([(2, 4, 5, 18, 8, 10), (1, 5, 3, 4, 13, 17), (1, 1, 1, 5, 6, 4), (1, 9, 11, 3, 4, 5)]):
    x, dy = draw(n, h, w, c), draw(n, oh, ow, c)
    tx = nchw(x)
    y = F.interpolate(tx, (oh, ow), mode="bilinear", align_corners=False)
    y.backward(nchw(dy).detach())
    out.update({f"resize{i}.x": x, f"resize{i}.dy": dy, f"resize{i}.y": nhwc(y), f"resize{i}.dx": nhwc(tx.grad)})

# Loss on target probabilities: soft ones in the first half, classes in the second, every fifth row left out.
B, K = 90, 4
x, t = draw(B, K, scale=2.0), np.abs(draw(B, K)) + 0.05
t = draw.round(t / t.sum(1, keepdims=True))
label = draw.rs.randint(0, K, B)
t[B // 2:] = np.eye(K)[label[B // 2:]]
weight = np.where(np.arange(B) % 5 == 4, 0.0, 1.0)
tx = torch.tensor(x).requires_grad_()
loss = (F.cross_entropy(tx, torch.tensor(t), reduction="none") * torch.tensor(weight)).sum() / weight.sum()
hard = torch.tensor(np.where(weight > 0, label, 255))
assert abs(F.cross_entropy(tx[B // 2:], hard[B // 2:], ignore_index=255).item()
           - ((F.cross_entropy(tx, torch.tensor(t), reduction="none") * torch.tensor(weight))[B // 2:].sum() / weight[B // 2:].sum()).item()) < 1e-12
loss.backward()
out.update({"ce.x": x, "ce.t": t, "ce.weight": weight, "ce.loss": np.array([loss.item()]), "ce.dx": tx.grad.numpy()})
st.write(sys.argv[1], out, torch=torch.__version__)
