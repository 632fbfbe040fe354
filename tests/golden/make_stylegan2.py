#!/usr/bin/env python3
"""Goldens of whole StyleGAN2 networks, drawn by the official stylegan2-ada-pytorch code on a CPU.

    make_stylegan2.py ADA [BLOOD]       ADA: a checkout of NVlabs/stylegan2-ada-pytorch; BLOOD: the shared blood data

Writes beside itself
    stylegan2_{rgb,grey,rgba,res,orig,wide}.safetensors         small generators, through torch.save and convert/
    stylegan2_{rgb,grey,rgba,res,orig,wide}_want.safetensors    per case: z, w, ws, every tap, picture (F64), picture as uint8
    stylegan2_blood.safetensors                   five seeds of the bundled generator: z, w (F64), pictures (U8); needs BLOOD
    convert_*.pt                                  tiny torch files for tests/test_convert.sh
and with BLOOD checks that the official code draws every stored annotation picture within 1 level.

The official sources are not changed.  They name float32 where they mean "the full-precision type" (networks.py casts z, ws and
the blocks to it, upfirdn2d asserts it), so for float64 the name torch.float32 is bound to float64 inside those four modules.
Every tensor is random, also those that training starts at zero (noise strengths, biases, w_avg), and each filter is another
one, neither symmetric nor separable: a swapped, flipped or forgotten tensor shows.  All numbers are float32 values, so the
converted file and the float64 run hold the same network.

Made with stylegan2-ada-pytorch d72cc7d, torch 2.13.0 (CPU), NumPy 2.4.6.  A second run gives the same bytes, except the three legacy
convert_*.pt, whose storage keys are memory addresses.
"""
import argparse
import collections
import json
import os
import struct
import subprocess
import sys
import tempfile
import types
import zlib

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
CONVERT = os.path.join(HERE, '..', '..', 'convert')
sys.path.insert(0, CONVERT)
sys.dont_write_bytecode = True
import safetensors              # noqa: E402  (the project's own)


class Float64Torch(types.ModuleType):
    """torch, with float32 meaning float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def official(ada):
    sys.path.insert(0, ada)
    sys.modules.setdefault('requests', types.ModuleType('requests'))        # dnnlib imports it for downloads
    import training.networks as networks
    return networks


def set_double(networks, on):
    from torch_utils.ops import bias_act, conv2d_resample, upfirdn2d
    for module in (networks, bias_act, conv2d_resample, upfirdn2d):
        module.torch = Float64Torch('torch') if on else torch


def randomise(g, seed):
    """Every parameter and buffer random, in module order; float32 values."""
    rng = np.random.RandomState(seed)
    for name, t in list(g.named_parameters()) + list(g.named_buffers()):
        x = rng.randn(*t.shape) if t.ndim else np.array(rng.randn())
        if name.startswith('mapping.embed'):
            pass
        elif name.endswith('resample_filter'):            # sums to 1 in the mean, as setup_filter's do
            x = np.abs(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 + 0.03 * x)
            x /= x.sum()
        elif name.startswith('mapping.fc'):
            x *= 100 if name.endswith('weight') else 30     # lr_multiplier 0.01 undoes it
        elif name.endswith('affine.bias'):
            x = 1 + 0.3 * x
        elif name.endswith('.bias'):
            x *= 0.3
        elif name.endswith('noise_strength'):
            x = 0.4 + 0.1 * x
        elif name.endswith('torgb.weight'):
            x *= 0.25
            x[0] *= 6 if '.b8.' in name and g.img_channels > 1 else 1          # so that torgb's own clamp acts somewhere
        with torch.no_grad():
            t.copy_(torch.from_numpy(np.asarray(x, np.float32)))


def to_uint8(img):
    """generate.py's rule."""
    return (img.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8).numpy()


def draw(networks, g, z, psi, cutoff, noise, mixed=False, class_id=None):
    """w, ws, taps {name: tensor} (those of torgb too: before the skip branch is added) and the picture of the official network,
    in the dtype that is bound to float32."""
    taps, hooks = collections.OrderedDict(), []
    for name, module in g.synthesis.named_modules():
        if name.endswith(('.conv0', '.conv1', '.torgb')):
            hooks.append(module.register_forward_hook(lambda m, i, o, name=name: taps.__setitem__(name, o.clone())))
        elif hasattr(module, 'skip'):               # a resnet block's output, its shortcut included, stands for its last layer
            hooks.append(module.register_forward_hook(lambda m, i, o, name=name: taps.__setitem__(name + '.conv1', o[0].clone())))
    with torch.no_grad():
        z = torch.from_numpy(z)
        c = None if class_id is None else torch.eye(g.c_dim, dtype=z.dtype)[[class_id] * len(z)]
        w = g.mapping(z, c, truncation_psi=1)[:, 0]
        ws = g.mapping(z, c, truncation_psi=psi, truncation_cutoff=cutoff)
        if mixed:
            ws = torch.stack([ws[i, i] for i in range(g.num_ws)])[None]
        img = g.synthesis(ws, noise_mode=noise, force_fp32=True)
    for h in hooks:
        h.remove()
    return w, ws, taps, img


def convert(state, conv_clamp, path):
    """torch.save in both containers, both through convert/; they must give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'config.json'), 'w') as f:
            f.write('{"conv_clamp": %s}' % ('null' if conv_clamp is None else repr(conv_clamp)))
        source, results = os.path.join(folder, os.path.basename(path).replace('.safetensors', '.pt')), []
        for new in (False, True):
            torch.save(state, source, _use_new_zipfile_serialization=new)
            subprocess.run([sys.executable, os.path.join(CONVERT, 'convert.py'), source, path, '--force'], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with open(path, 'rb') as f:
                data = f.read()
            results.append(data[8 + int.from_bytes(data[:8], 'little'):])
        assert results[0] == results[1], 'legacy and zip differ'


# name: (prefix, seed of z, count, psi, cutoff, noise).  Count 0: one picture whose row i of ws comes from the i-th of num_ws z,
# so that a layer that reads its neighbour's row shows.
CASES = {
    'rgb': (('a', 1, 2, 0.7, None, 'const'), ('b', 2, 1, 0.5, 3, 'none'), ('c', 8, 0, 0.6, None, 'const')),
    'grey': (('a', 3, 1, 1.3, None, 'const'),),
    'rgba': (('a', 4, 1, 0.7, 2, 'const'),),
    'res': (('a', 6, 1, 0.7, None, 'const'),), 'orig': (('a', 7, 1, 0.7, None, 'const'),),
    'wide': (('a', 5, 1, 0.7, None, 'const'),),
}
NETS = {
    'rgb': dict(z=16, w=24, res=32, ch=3, base=200, max=30, layers=3, clamp=2.75),         # channels 30, 25, 12, 6
    'grey': dict(z=12, w=9, res=16, ch=1, base=100, max=14, layers=1, clamp=None),        # 14, 12, 6
    'res': dict(z=8, w=10, res=16, ch=3, base=100, max=18, layers=2, clamp=1.9, arch='resnet', classes=3),
    'orig': dict(z=8, w=9, res=16, ch=3, base=100, max=14, layers=2, clamp=None, arch='orig'),
    'wide': dict(z=6, w=9, res=8, ch=3, base=56, max=9, layers=3, clamp=2.75, inner=13),
    'rgba': dict(z=7, w=10, res=16, ch=4, base=100, max=20, layers=2, clamp=2.75),        # 20, 12, 6
}


def small(networks, name):
    n = NETS[name]
    set_double(networks, True)
    arch, classes = n.get('arch', 'skip'), n.get('classes', 0)
    class_id = classes - 1 if classes else None
    g = networks.Generator(z_dim=n['z'], c_dim=classes, w_dim=n['w'], img_resolution=n['res'], img_channels=n['ch'],
                           mapping_kwargs=dict(num_layers=n['layers'], layer_features=n.get('inner')),
                           synthesis_kwargs=dict(channel_base=n['base'], channel_max=n['max'], conv_clamp=n['clamp'], architecture=arch))
    g = g.eval().requires_grad_(False).double()
    randomise(g, 1000 + len(name))
    path = os.path.join(HERE, 'stylegan2_%s.safetensors' % name)
    convert({k: v.float() for k, v in g.state_dict().items()}, n['clamp'], path)

    meta, out = {}, {}
    for prefix, seed, count, psi, cutoff, noise in CASES[name]:
        z = np.random.RandomState(seed).randn(count or g.num_ws, n['z']).astype(np.float32).astype(np.float64)
        w, ws, taps, img = draw(networks, g, z, psi, cutoff, noise, mixed=count == 0, class_id=class_id)
        assert img.dtype == torch.float64 and all(t.dtype == torch.float64 for t in taps.values())
        meta.update({prefix + '.psi': repr(psi), prefix + '.cutoff': str(-1 if cutoff is None else cutoff),
                     prefix + '.noise': noise})
        if classes:
            meta[prefix + '.class'] = str(class_id)
        out.update({prefix + '.z': z, prefix + '.w': w.numpy(), prefix + '.ws': ws.numpy(), prefix + '.picture': img.numpy(),
                    prefix + '.uint8': to_uint8(img)})
        limit = n['clamp'] or np.inf
        rgb_hits = sum((taps.pop(k).abs() == limit).sum().item() for k in list(taps) if k.endswith('torgb'))
        out.update({prefix + '.tap.' + k: t.numpy() for k, t in taps.items()})
        every = torch.cat([t.flatten() for t in taps.values()]).abs()
        hit = (every == limit).double().mean().item()
        sd = out[prefix + '.uint8'].std()
        saturated = np.isin(out[prefix + '.uint8'], (0, 255)).mean()
        print('%s %s: clamp hit by %.2f %% (torgb: %d), 99 %% of activations below %.2f, picture sd %.1f levels, %.1f %% at 0 or 255'
              % (name, prefix, 100 * hit, rgb_hits, every.quantile(0.99), sd, 100 * saturated))
        assert sd > 20 and (not n['clamp'] or arch == 'resnet' and hit > 0.003 or 0.003 < hit < 0.04 and rgb_hits > 0)

    # Every tensor that the converter keeps must matter to the first case's picture.
    prefix, seed, count, psi, cutoff, noise = CASES[name][0]
    z, least = out[prefix + '.z'], []
    with open(path, 'rb') as f:
        kept = json.loads(f.read(int.from_bytes(f.read(8), 'little')))
    for key, t in g.state_dict(keep_vars=True).items():
        if key in kept:
            old = t.data.clone()
            t.data[(-1,) * t.ndim] += 0.5 if not key.startswith('mapping.fc') else 50      # one number of it
            change = np.abs(draw(networks, g, z, psi, cutoff, noise, class_id=class_id)[3].numpy() - out[prefix + '.picture']).max()
            t.data.copy_(old)
            least.append((change, key))
    assert len(least) == len(kept) - 1
    print('%s: least visible tensor %s: one number moved by 0.5 changes the picture by %.2g' % ((name,) + min(least)[::-1]))
    assert min(least)[0] > 1e-4
    safetensors.write(os.path.join(HERE, 'stylegan2_%s_want.safetensors' % name), meta, out, force=True)
    return g


def read_png(path):
    """An 8-bit RGB PNG without interlacing as (h, w, 3); the PNG specification's filters 0 to 4."""
    with open(path, 'rb') as f:
        data = f.read()
    at, packed, head = 8, b'', None
    while at < len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        body = data[at + 8:at + 8 + size]
        at += 12 + size
        if kind == b'IHDR':
            head = struct.unpack('>IIBBBBB', body)
        elif kind == b'IDAT':
            packed += body
    w, h = head[:2]
    assert head[2:] == (8, 2, 0, 0, 0), head
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(h, 1 + 3 * w)
    out = np.zeros((h + 1, 3 * w + 3), int)             # a row above and a pixel to the left are zero
    for y in range(h):
        kind, up, line = rows[y, 0], out[y], out[y + 1]
        for x in range(3, 3 * w + 3):
            a, b, c = line[x - 3], up[x], up[x - 3]
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[x] = (rows[y, x - 2] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
    return out[1:, 3:].reshape(h, w, 3)


def blood(networks, folder):
    seeds = (0, 7, 42, 1000, 4294967295)

    def load():
        g = networks.Generator(z_dim=256, c_dim=0, w_dim=256, img_resolution=128, img_channels=3, mapping_kwargs=dict(num_layers=4),
                               synthesis_kwargs=dict(channel_base=2048, channel_max=128, conv_clamp=None))
        g.load_state_dict(torch.load(os.path.join(folder, 'generator', 'blood128.pt'), weights_only=True))
        return g.eval().requires_grad_(False)

    def z_of(seed):
        return np.random.RandomState(seed).randn(1, 256)

    set_double(networks, False)
    g = load()
    pictures = [to_uint8(draw(networks, g, z_of(s), 0.7, None, 'const')[3])[0] for s in seeds]
    with open(os.path.join(folder, 'annotations', 'task.json')) as f:
        items = json.load(f)['items']
    worst, differ = 0, 0
    for item in items:
        got = to_uint8(draw(networks, g, z_of(item['seed']), 0.7, None, 'const')[3])[0].astype(int)
        want = read_png(os.path.join(folder, 'annotations', item['image'])).astype(int)
        worst, differ = max(worst, np.abs(got - want).max()), differ + (got != want).sum()
    print('blood: %d annotation pictures, worst difference %d level(s), %d of %d numbers differ'
          % (len(items), worst, differ, len(items) * got.size))
    assert worst <= 1

    set_double(networks, True)
    g = load().double()
    z = np.concatenate([z_of(s) for s in seeds]).astype(np.float32)
    w, _, _, img = draw(networks, g, z, 0.7, None, 'const')
    exact = to_uint8(img).astype(int)
    d = np.abs(exact - np.stack(pictures))
    print('blood: float32 against float64 drawing: %d of %d numbers differ, by at most %d' % ((d > 0).sum(), d.size, d.max()))
    safetensors.write(os.path.join(HERE, 'stylegan2_blood.safetensors'), {'psi': '0.7', 'cutoff': '-1', 'noise': 'const',
                      'seeds': ','.join(map(str, seeds))}, {'z': z, 'w': w.numpy(), 'pictures': np.stack(pictures)}, force=True)


def fixtures(networks):
    """Tiny torch files: the same network in every shape that a converter must see through."""
    set_double(networks, False)
    g = networks.Generator(z_dim=3, c_dim=0, w_dim=4, img_resolution=8, img_channels=3, mapping_kwargs=dict(num_layers=2),
                           synthesis_kwargs=dict(channel_base=40, channel_max=5)).eval().requires_grad_(False)
    randomise(g, 7)
    for t in list(g.parameters()) + list(g.buffers()):         # half precision holds them exactly
        t.data.copy_(t.data.half().float())
    plain = g.state_dict()

    def shared(state):
        """All tensors in one storage, each at its own offset with a gap, matrices and kernels stored transposed."""
        room = torch.full([sum(t.numel() + 3 for t in state.values())], float('nan'))
        out, at = collections.OrderedDict(), 0
        for k, t in state.items():
            at += 3
            if t.ndim >= 2:
                view = room[at:at + t.numel()].view(tuple(reversed(t.shape))).permute(*reversed(range(t.ndim)))
            else:
                view = room[at:at + t.numel()].view(t.shape)
            view.copy_(t)
            out[k], at = view, at + t.numel()
        return out

    def save(name, state, new=True):
        torch.save(state, os.path.join(HERE, 'convert_%s.pt' % name), _use_new_zipfile_serialization=new)

    save('zip', plain)
    save('legacy', plain, new=False)
    save('shared_zip', shared(plain))
    save('shared_legacy', shared(plain), new=False)
    save('half', {k: v.half() for k, v in plain.items()})
    save('double', {k: v.double() for k, v in plain.items()}, new=False)
    save('parameters', {'G_ema': {k: torch.nn.Parameter(v) for k, v in plain.items()}, 'step': 3, 'D': {'x': torch.zeros(2)}})


def main():
    p = argparse.ArgumentParser()
    p.add_argument('ada')
    p.add_argument('blood', nargs='?')
    p.add_argument('--only', nargs='*', default=[], choices=list(NETS), help='these networks, nothing else')
    a = p.parse_args()
    torch.set_num_threads(1)
    networks = official(a.ada)
    for name in a.only or NETS:
        small(networks, name)
    if a.only:
        return
    fixtures(networks)
    if a.blood:
        blood(networks, a.blood)


if __name__ == '__main__':
    main()
