"""Goldens of the generator's operations, by the official stylegan2-ada-pytorch (its CPU reference paths) in float64.

    python tests/golden/make_stylegan_ops.py PATH-TO-stylegan2-ada-pytorch 32 tests/golden/stylegan_ops32.safetensors
    python tests/golden/make_stylegan_ops.py PATH-TO-stylegan2-ada-pytorch 64 tests/golden/stylegan_ops64.safetensors

Made with commit d72cc7d.  Nothing of it is copied here; only these outputs are kept.  Filters are asymmetric and not separable, so that
a missing flip, a transposition or a shifted pad shows; their values are multiples of 1/64, because the official code keeps
filter * gain in float32.  Clamps are chosen to hit about one activation in a hundred.
"""
import sys
import types
import numpy as np
import torch
import st
sys.modules.setdefault("requests", types.ModuleType("requests"))        # dnnlib wants it for downloads; there are none here
sys.path.insert(0, sys.argv[1])
from torch_utils.ops import bias_act, upfirdn2d                                                   # noqa: E402
from training.networks import FullyConnectedLayer, modulated_conv2d, normalize_2nd_moment        # noqa: E402

draw, out = st.Draw(2, int(sys.argv[2])), {}
torch.set_num_threads(1)


def t(a):
    return torch.tensor(a, dtype=torch.float64)


def put(case, **tensors):
    for name, a in tensors.items():
        out[f"{case}.{name}"] = a.detach().numpy() if isinstance(a, torch.Tensor) else np.asarray(a, np.float64)


def fir(h, w):
    return draw.rs.randint(-10, 40, (h, w)) / 64.0


def quantile(a, q):
    return np.float64(np.float32(np.quantile(a.abs().numpy(), q)))


# ---- pixel norm: the last row is small enough for eps to matter
x = draw(3, 37)
x[2] *= 2.0 ** -13
put("pixel_norm", x=x, y=normalize_2nd_moment(t(x)))

# ---- dense: the mapping's layer, and the affine without activation
for name, kw in ("mapping", dict(activation="lrelu", lr_multiplier=0.01)), ("affine", dict(bias_init=1)):
    fc = FullyConnectedLayer(19, 23, **kw).double()
    w, b, x = draw(23, 19, scale=100 if name == "mapping" else 1), draw(23, scale=30, shift=1), draw(3, 19)
    with torch.no_grad():
        fc.weight.copy_(t(w)), fc.bias.copy_(t(b))
    put(name, x=x, w=w, b=b, y=fc(t(x)))

# ---- upfirdn2d: up, down, px0, px1, py0, py1, fh, fw, gain (tests/ops_cases.c has the same list)
for i, (up, down, px0, px1, py0, py1, fh, fw, gain) in enumerate([
        (1, 1, 1, 1, 1, 1, 4, 4, 4), (2, 1, 2, 1, 2, 1, 4, 4, 4), (1, 2, 1, 2, 2, 1, 4, 4, 1), (3, 2, 4, -1, -2, 5, 5, 3, 2.5),
        (2, 3, -1, 3, 2, -2, 2, 6, 1), (1, 1, 0, 0, 0, 0, 1, 1, 0.5)]):
    x, f = draw(2, 7, 5), fir(fh, fw)
    y = upfirdn2d._upfirdn2d_ref(t(x)[None], torch.tensor(f, dtype=torch.float32), up=up, down=down, padding=[px0, px1, py0, py1],
                                 gain=gain)[0]
    put(f"upfirdn{i}", x=x, f=f, y=y)
for i, (fh, fw) in enumerate([(4, 4), (5, 3), (2, 6)]):
    x, f = draw(3, 5, 7), fir(fh, fw)
    put(f"upsample{i}", x=x, f=f, y=upfirdn2d.upsample2d(t(x)[None], torch.tensor(f, dtype=torch.float32))[0])

# ---- everything after a convolution
x, b, noise = draw(5, 3, 7), draw(5), draw(3, 7)
scale = draw.round(b * b)
scaled, act = t(x) * t(scale)[:, None, None], bias_act._bias_act_ref
clamp = quantile(act(scaled + t(noise) * 0.3, t(b), dim=0, act="lrelu"), 0.95)
put("act", x=x, scale=scale, b=b, noise=noise, clamp=[clamp], plain=act(t(x), None, dim=0, act="lrelu", gain=1),
    full=act(scaled + t(noise) * 0.3, t(b), dim=0, act="lrelu", clamp=clamp), linear=act(t(x), None, dim=0, act="linear", clamp=1.0))

# ---- whole layers: two pictures, two styles.  cin, cout, h, w, ks, up, fh, fw, demodulate, noise strength
for i, (cin, cout, h, w, ks, up, fh, fw, demod, strength) in enumerate([
        (5, 6, 7, 5, 3, 1, 0, 0, True, 0.25), (6, 5, 5, 3, 3, 2, 4, 4, True, 0.5), (3, 17, 3, 4, 3, 2, 5, 3, True, 0.0),
        (18, 4, 3, 5, 1, 1, 0, 0, True, 0.125), (4, 3, 4, 4, 3, 1, 0, 0, False, 0.25)]):
    x, weight, style, bias = draw(2, cin, h, w), draw(cout, cin, ks, ks), draw(2, cin, shift=1), draw(cout)
    if i == 0:
        weight[cout - 1] *= 2.0 ** -13                 # eps of the demodulation shows
    noise = draw(h * up, w * up)
    f = fir(fh, fw) if up == 2 else None
    y = modulated_conv2d(t(x), t(weight), t(style), noise=t(noise) * strength, up=up, padding=ks // 2,
                         resample_filter=None if f is None else torch.tensor(f, dtype=torch.float32), demodulate=demod,
                         flip_weight=up == 1)
    clamp = quantile(bias_act.bias_act(y, t(bias), act="lrelu"), 0.99)
    y = bias_act.bias_act(y, t(bias), act="lrelu", clamp=clamp)
    print(f"layer{i}: {np.mean(np.abs(y.numpy()) == clamp):.3f} of the activations at the clamp {clamp:.3f}")
    s = t(style)[:, None, :, None, None] * t(weight)[None]
    put(f"layer{i}", x=x, w=weight, style=style, b=bias, noise=noise, clamp=[clamp], y=y, q=t(weight).square().sum((2, 3)),
        demod=(s.square().sum((2, 3, 4)) + 1e-8).rsqrt(), **({} if f is None else dict(f=f)))

# ---- ToRGB with its clamp, without and with the picture below it
cin, cout, h, w = 19, 3, 5, 7
x, weight, style, bias, below = draw(1, cin, h, w), draw(cout, cin, 1, 1), draw(1, cin, shift=1, scale=.3), draw(cout), draw(cout, h, w)
y = modulated_conv2d(t(x), t(weight), t(style), demodulate=False)
clamp = quantile(y + t(bias)[:, None, None], 0.9)
y = bias_act.bias_act(y, t(bias), clamp=clamp)
print(f"ToRGB: {int((y == clamp).sum())} numbers at the upper clamp, {int((y == -clamp).sum())} at the lower")
put("rgb", x=x[0], w=weight, style=style[0], b=bias, clamp=[clamp], y=y[0], below=below, y_added=y[0] + t(below))

st.write(sys.argv[3], out, made_by="tests/golden/make_stylegan_ops.py", torch=torch.__version__, stylegan2_ada_pytorch="d72cc7d")
