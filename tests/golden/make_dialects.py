#!/usr/bin/env python3
"""Files of other programs for tests/test_convert.sh, and what those programs draw with them, in float64 on a CPU.

    make_dialects.py ADA SG3 ROS        checkouts of NVlabs/stylegan2-ada-pytorch, NVlabs/stylegan3, rosinality/stylegan2-pytorch

Writes beside itself
    dialect_ada.pkl       a training snapshot as stylegan2-ada-pytorch pickles it (G, D, G_ema); conv_clamp acts
    dialect_sg3.pkl       the same of stylegan3's code for a StyleGAN2, grey, protocol 3, no conv_clamp
    dialect_ros.pt        rosinality, as convert_weight.py saves it (g_ema, latent_avg)
    dialect_trained.pt    another network as train.py saves it (no latent_avg; optimizers and args beside)
    dialect_e4e.pt        the network of dialect_ros.pt as pSp / e4e keep it (decoder., latent_avg [n, w])
    dialect_tf.pkl        (G, D, Gs) as the TensorFlow code pickles them, protocol 4, old NumPy names
    dialect_{tfres,tflod,tfembed}.pkl  the same as a resnet with LabelConcat, grown (ToRGB_lod), orig with LabelEmbed
    dialect_{adares,adaorig}.pkl       stylegan2-ada-pytorch: resnet with 3 classes, orig
    dialects_want.safetensors      per file: z (F64), w, taps (F32), picture as uint8; for trained also its estimated mean

Judges.  ada, sg3: the official code itself.  rosinality: its own model.py, with its channel table narrowed (it starts at 512
channels) and its CUDA extensions left unbuilt, which its CPU path does not use.  TensorFlow: it does not run here; its pickle is
synthesised in the same structure, and its judge is the float64 NumPy network below, written from the papers and the format
notes; stylegan2-ada-pytorch's legacy.py, which converts such pickles, must agree with it to 1e-7.

Every tensor is random, none at its initial value, every filter another one, neither symmetric nor separable.  The pickles'
module_src, where the official writer puts its source code, is replaced by a remark: no line of it is in this repository.

Made with stylegan2-ada-pytorch d72cc7d, stylegan3 c233a91, stylegan2-pytorch bef283a, torch 2.13.0 (CPU), NumPy 2.4.6.  A second
run gives the same numbers; the bytes of .pkl and legacy .pt differ in their storage keys, which are memory addresses.
"""
import argparse
import collections
import importlib
import os
import pickle
import re
import subprocess
import sys
import tempfile
import types

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True
import make_stylegan2 as small      # noqa: E402
import tf_pickle                    # noqa: E402
safetensors = small.safetensors

PSI, SEED = 0.7, 5


def at(name):
    return os.path.join(HERE, 'dialect_' + name)


def z_of(n):
    return np.random.RandomState(SEED).randn(1, n).astype(np.float32).astype(np.float64)


def record(out, name, z, w, taps, img):
    """img (1, C, H, W) and taps in float64."""
    assert img.dtype == np.float64 and img.std() > 0.15 and np.mean(np.abs(img) > 1) < 0.4, (img.dtype, img.std(), np.mean(np.abs(img) > 1))
    out[name + '.z'], out[name + '.w'] = z, w[0]
    out[name + '.uint8'] = np.clip(img[0].transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8)
    for k, t in taps.items():
        out['%s.tap.%s' % (name, k)] = t[0].astype(np.float32)
    print('%s: picture sd %.2f, %.1f %% outside' % (name, img.std(), 100 * np.mean(np.abs(img) > 1)))


# ---- stylegan2-ada-pytorch and stylegan3 -------------------------------------------------------------------------------

def networks_of(repo, networks):
    """The module training/NETWORKS.py of a checkout; modules it wants beside torch, and does not need to draw, are empty."""
    sys.path.insert(0, repo)
    sys.modules.setdefault('requests', types.ModuleType('requests'))
    versions = sys.modules.setdefault('pkg_resources', types.ModuleType('pkg_resources'))
    versions.parse_version = lambda v: tuple(int(n) for n in re.findall(r'[0-9]+', v)[:2])
    return importlib.import_module('training.' + networks)


def official(repo, networks, name, protocol, others, seed, class_id=None, c_dim=0, **kwargs):
    """Pickle a snapshot, draw with its G_ema; for the caller to record."""
    networks = networks_of(repo, networks)
    from torch_utils import persistence
    import dnnlib
    small.set_double(networks, False)
    g = networks.Generator(c_dim=c_dim, **kwargs).eval().requires_grad_(False)
    small.randomise(g, seed)
    snapshot = {'training_set_kwargs': dnnlib.EasyDict(class_name='training.dataset.ImageFolderDataset', use_labels=False),
                'G': None, 'D': None, 'G_ema': g, 'augment_pipe': None}
    if others:
        snapshot['G'] = networks.Generator(c_dim=0, **kwargs)
        snapshot['D'] = networks.Discriminator(c_dim=0, img_resolution=kwargs['img_resolution'], img_channels=kwargs['img_channels'],
                                               channel_base=64, channel_max=4)
    for c in persistence._decorators:
        c._orig_module_src = '# The source of the module, left out of this test file.\n'
    with open(at(name), 'wb') as f:
        pickle.dump(snapshot, f, protocol)
    small.set_double(networks, True)
    z = z_of(g.z_dim)
    _, ws, taps, img = small.draw(networks, g.double(), z, PSI, None, 'const', class_id=class_id)
    layers = [m for n, m in g.synthesis.named_modules() if n.endswith(('.conv0', '.conv1', '.torgb'))]
    if layers[0].conv_clamp:
        hits = {k: (t.abs() == layers[0].conv_clamp).double().mean().item() for k, t in taps.items()}
        print(name, 'clamped', hits)
        assert max(hits.values()) > 0.003 and not others or sum(v for k, v in hits.items() if 'torgb' in k) > 0
    return z, ws[:, 0].numpy(), {k: t.numpy() for k, t in taps.items() if not k.endswith('torgb')}, img.numpy()


def ada(repo):
    return official(repo, 'networks', 'ada.pkl', None, True, 47, z_dim=7, w_dim=9, img_resolution=16, img_channels=3,
                    mapping_kwargs=dict(num_layers=3, lr_multiplier=0.02),
                    synthesis_kwargs=dict(channel_base=100, channel_max=10, conv_clamp=2.75))


def sg3(repo):
    return official(repo, 'networks_stylegan2', 'sg3.pkl', 3, False, 5, z_dim=6, w_dim=8, img_resolution=8, img_channels=1,
                    mapping_kwargs=dict(num_layers=2), channel_base=60, channel_max=9, conv_clamp=None)


def adares(repo):
    return official(repo, 'networks', 'adares.pkl', None, False, 48, class_id=2, c_dim=3, z_dim=7, w_dim=9, img_resolution=8, img_channels=3,
                    mapping_kwargs=dict(num_layers=2), synthesis_kwargs=dict(channel_base=60, channel_max=8, conv_clamp=1.5, architecture='resnet'))


def adaorig(repo):
    return official(repo, 'networks', 'adaorig.pkl', None, False, 49, z_dim=7, w_dim=9, img_resolution=8, img_channels=3,
                    mapping_kwargs=dict(num_layers=8), synthesis_kwargs=dict(channel_base=60, channel_max=8, architecture='orig'))


# ---- rosinality --------------------------------------------------------------------------------------------------------

def rosinality_code(repo, narrow=(('4: 512,', '4: 7,'), ('8: 512,', '8: 6,'), ('16: 512,', '16: 5,'))):
    import torch.utils.cpp_extension as extension
    extension.load = lambda *a, **k: None
    sys.path.insert(0, repo)
    with open(os.path.join(repo, 'model.py')) as f:
        text = f.read()
    for line, other in narrow:
        assert text.count(line) >= 1
        text = text.replace(' ' + line, ' ' + other)
    module = types.ModuleType('rosinality')
    exec(compile(text, 'model.py', 'exec'), module.__dict__)
    return module


def randomise_ros(g, seed):
    rng = np.random.RandomState(seed)
    for name, t in list(g.named_parameters()) + list(g.named_buffers()):
        x = rng.randn(*t.shape)
        if name.endswith('kernel'):
            x = np.abs(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 + 0.03 * x)
            x *= 4 / x.sum()
        elif name.startswith('style.'):
            x *= 100 if name.endswith('weight') else 30
        elif name.endswith('modulation.bias'):
            x = 1 + 0.3 * x
        elif name.endswith('bias'):
            x *= 0.3
        elif name.endswith('noise.weight'):
            x = 0.4 + 0.1 * x
        elif name.startswith('to_rgb') and name.endswith('conv.weight'):
            x *= 0.25
        t.data.copy_(torch.from_numpy(np.asarray(x, np.float32)))


def draw_ros(g, latent_avg):
    """In the network's own precision: float64 or float32."""
    taps, hooks, named = {}, [], {'b4.conv1': g.conv1}
    for i, conv in enumerate(g.convs):
        named['b%d.conv%d' % (8 << i // 2, i % 2)] = conv
    for name, m in named.items():
        hooks.append(m.register_forward_hook(lambda m, i, o, name=name: taps.__setitem__(name, o.numpy().copy())))
    z = z_of(g.style_dim)
    own, latent_avg = torch.from_numpy(z).to(g.input.input.dtype), torch.from_numpy(latent_avg).to(g.input.input.dtype)
    with torch.no_grad():
        w = g.style(own)
        img, _ = g([own], truncation=PSI, truncation_latent=latent_avg, randomize_noise=False)
    for h in hooks:
        h.remove()
    return z, (latent_avg + PSI * (w - latent_avg)).numpy(), taps, img.numpy()


def rosinality(repo, out):
    model = rosinality_code(repo)
    rng = np.random.RandomState(9)
    g = model.Generator(16, 10, 3).eval().requires_grad_(False)
    randomise_ros(g, 21)
    average = (0.3 * rng.randn(10)).astype(np.float32)
    state = collections.OrderedDict((k, v.clone()) for k, v in g.state_dict().items())
    torch.save({'g_ema': state, 'latent_avg': torch.from_numpy(average)}, at('ros.pt'))
    inside = collections.OrderedDict([('encoder.input_layer.0.weight', torch.ones(2, 3))] + [('decoder.' + k, v) for k, v in state.items()])
    torch.save({'state_dict': inside, 'latent_avg': torch.from_numpy(average).repeat(g.n_latent, 1),
                'opts': {'stylegan_size': 16}}, at('e4e.pt'))
    record(out, 'ros', *draw_ros(g.double(), average.astype(np.float64)))

    g = model.Generator(8, 8, 2).eval()
    randomise_ros(g, 22)
    other = model.Generator(8, 8, 2)
    optimizer = torch.optim.Adam(other.to_rgb1.parameters(), lr=0.002)
    other.to_rgb1.bias.sum().backward()
    optimizer.step()
    args = argparse.Namespace(path='data', size=8, latent=8, n_mlp=2, lr=0.002)
    torch.save({'g': other.state_dict(), 'd': {'x': torch.ones(1)}, 'g_ema': g.state_dict(), 'g_optim': optimizer.state_dict(),
                'd_optim': optimizer.state_dict(), 'args': args, 'ada_aug_p': 0.0}, at('trained.pt'), _use_new_zipfile_serialization=False)
    g = g.double().requires_grad_(False)
    mean = g.style(torch.from_numpy(np.random.RandomState(0).randn(10000, 8))).mean(0).numpy()
    record(out, 'trained', *draw_ros(g, mean))


# ---- TensorFlow --------------------------------------------------------------------------------------------------------

KERNEL = [1.0, 2.5, 3.5, 1.0]              # sums to 8: the filter is exact in float32
LABELS, CLASS = 3, 1
TFSizes = collections.namedtuple('TFSizes', 'channels width latent layers clamp')
SMALL = TFSizes({4: 10, 8: 8, 16: 4}, 9, 11, 2, 3.5)


def tf_networks(architecture='skip', label=None, grown=False, seed=31, sizes=SMALL):
    """G, D, Gs, and the variables of Gs as TensorFlow names and lays them out, in double."""
    rng = np.random.RandomState(seed)
    channels, width, latent, layers, clamp = sizes
    last = max(channels)
    embedded = {None: 0, 'LabelConcat': latent, 'LabelEmbed': latent - 2}[label]
    v = {'': {'lod': np.float32(0), 'dlatent_avg': 0.3 * rng.randn(width)}, 'mapping/': {}, 'synthesis/': {}}
    for i in range(layers):
        v['mapping/'].update({'Dense%d/weight' % i: 100 * rng.randn(latent + embedded if i == 0 else width, width), 'Dense%d/bias' % i: 30 * rng.randn(width)})
    if label:
        v['mapping/'][label + '/weight'] = rng.randn(LABELS, embedded)
    if label == 'LabelEmbed':
        v['mapping/'][label + '/bias'] = rng.randn(embedded)
    s = v['synthesis/']

    def layer(name, k, channels_in, channels_out, scale=1.0):
        s.update({name + '/weight': scale * rng.randn(k, k, channels_in, channels_out), name + '/mod_weight': rng.randn(width, channels_in),
                  name + '/mod_bias': 0.3 * rng.randn(channels_in), name + '/bias': 0.3 * rng.randn(channels_out)})
        if k == 3:
            s[name + '/noise_strength'] = np.float32(0.4 + 0.1 * rng.randn())
    before = channels[4]
    s['4x4/Const/const'] = rng.randn(1, before, 4, 4)
    for r, c in channels.items():
        at_r = '%dx%d/' % (r, r)
        if r == 4:
            layer(at_r + 'Conv', 3, c, c)
            s['noise0'] = rng.randn(1, 1, 4, 4)
        else:
            layer(at_r + 'Conv0_up', 3, before, c)
            layer(at_r + 'Conv1', 3, c, c)
            for n in (2 * int(np.log2(r)) - 5, 2 * int(np.log2(r)) - 4):
                s['noise%d' % n] = rng.randn(1, 1, r, r)
        if grown:
            layer('ToRGB_lod%d' % np.log2(last // r), 1, c, 3, 0.25 if architecture == 'skip' else 0.8)
        elif architecture == 'skip' or r == last:
            layer(at_r + 'ToRGB', 1, c, 3, 0.25 if architecture == 'skip' else 0.8)
        if architecture == 'resnet' and r > 4:
            s[at_r + 'Skip/weight'] = rng.randn(1, 1, before, c)
        before = c
    if grown:
        s['lod'] = np.float32(0)
    for group in v.values():
        for k in group:                                 # style biases: their + 1 is exact in float32
            group[k] = np.float32(np.round(group[k] * 2**18) / 2**18 if k.endswith('mod_bias') else group[k])
    kwargs = dict(num_channels=3, resolution=last, label_size=LABELS if label else 0, fmap_base=last * channels[last] // 2, fmap_max=channels[4],
                  latent_size=latent, dlatent_size=width, mapping_layers=layers, mapping_fmaps=width, resample_kernel=KERNEL, conv_clamp=clamp)
    kwargs.update({} if grown else dict(architecture=architecture))

    def network(name, function, key, components=None):
        return tf_pickle.Network(name, function, [(k, a) for k, a in v[key].items()], components, **kwargs)
    parts = tf_pickle.EasyDict(synthesis=network('G_synthesis', 'G_synthesis_stylegan_revised' if grown else 'G_synthesis_stylegan2', 'synthesis/'),
                               mapping=network('G_mapping', 'G_mapping', 'mapping/'))
    gs, g = network('Gs', 'G_main', '', parts), network('G', 'G_main', '', parts)
    g.variables = [(k, a + 1) for k, a in g.variables]
    d = tf_pickle.Network('D', 'D_stylegan2', [('4x4/Conv/weight', np.ones((3, 3, 1, 1), np.float32))], num_channels=3)
    return g, d, gs, {p + k: a.astype(np.float64) for p, group in v.items() for k, a in group.items()}


def mix(kernel, x):
    """1 x 1: kernel (I, O), x (I, H, W)."""
    return np.tensordot(kernel, x, (0, 0))


def upfirdn(x, k, up, before, after, gain):
    """Insert zeros, pad, convolve (taps reversed) with k*gain.  x (C, H, W)."""
    c, h, w = x.shape
    y = np.zeros((c, h * up, w * up))
    y[:, ::up, ::up] = x
    y = np.pad(y, ((0, 0), (before, after), (before, after)))
    n, out = k.shape[0], 0
    for i in range(n):
        for j in range(n):
            out = out + gain * k[n - 1 - i, n - 1 - j] * y[:, i:y.shape[1] - n + 1 + i, j:y.shape[2] - n + 1 + j]
    return out


def tf_draw(v, sizes=SMALL):
    """StyleGAN2 in TensorFlow's layout: kernels [h, w, in, out], style = dense + bias + 1, weights scaled by 1/sqrt(fan-in)."""
    clamp = sizes.clamp or np.inf
    k1 = np.array(KERNEL)
    k = np.outer(k1, k1) / k1.sum()**2
    taps = {}

    def act(x, b, gain=1.0):
        x = x + b[:, None, None]
        return np.clip(np.where(x < 0, 0.2 * x, x) * np.sqrt(2) * gain, -clamp * gain, clamp * gain)

    def convolve(x, name, w, up, demodulate):
        p = 'synthesis/' + name
        kernel = v[p + '/weight']
        kernel = kernel / np.sqrt(np.prod(kernel.shape[:3]))
        style = w @ v[p + '/mod_weight'] / np.sqrt(sizes.width) + v[p + '/mod_bias'] + 1
        kernel = kernel * style[None, None, :, None]
        if demodulate:
            kernel = kernel / np.sqrt((kernel**2).sum(axis=(0, 1, 2)) + 1e-8)
        n, (c, h, _) = kernel.shape[0], x.shape
        if not up:
            y = np.pad(x, ((0, 0), (n // 2, n // 2), (n // 2, n // 2)))
            return sum(mix(kernel[i, j], y[:, i:i + h, j:j + h]) for i in range(n) for j in range(n))
        # upsample_conv_2d: the kernel is reversed, and conv2d_transpose (the gradient of a correlation) puts tap (i, j) at 2y+i, 2x+j.
        kernel = kernel[::-1, ::-1]
        y = np.zeros((kernel.shape[3], 2 * h + 1, 2 * h + 1))
        for i in range(3):
            for j in range(3):
                y[:, i:i + 2 * h:2, j:j + 2 * h:2] += mix(kernel[i, j], x)
        return upfirdn(y, k, 1, 1, 1, 4.0)

    def layer(x, name, w, noise, up=False, gain=1.0):
        p = 'synthesis/' + name
        x = convolve(x, name, w, up, True) + v['synthesis/noise%d' % noise][0] * v[p + '/noise_strength']
        return act(x, v[p + '/bias'], gain)

    def torgb(x, name, w):
        return np.clip(convolve(x, name, w, False, False) + v['synthesis/' + name + '/bias'][:, None, None], -clamp, clamp)

    def normalised(x):
        return x / np.sqrt(np.mean(x**2) + 1e-8)

    z = z_of(sizes.latent)
    w = normalised(z[0])
    if 'mapping/LabelConcat/weight' in v:               # z and class are normalised together
        w = normalised(np.concatenate([z[0], v['mapping/LabelConcat/weight'][CLASS]]))
    elif 'mapping/LabelEmbed/weight' in v:
        w = np.concatenate([w, normalised(v['mapping/LabelEmbed/weight'][CLASS] / np.sqrt(LABELS) + v['mapping/LabelEmbed/bias'])])
    for i in range(sizes.layers):
        m = v['mapping/Dense%d/weight' % i]
        w = w @ m * 0.01 / np.sqrt(m.shape[0]) + 0.01 * v['mapping/Dense%d/bias' % i]
        w = np.where(w < 0, 0.2 * w, w) * np.sqrt(2)
    t = v['dlatent_avg'] + PSI * (w - v['dlatent_avg'])
    x = taps['b4.conv1'] = layer(v['synthesis/4x4/Const/const'][0], '4x4/Conv', t, 0)
    skip, resnet = 'synthesis/4x4/ToRGB/weight' in v, 'synthesis/8x8/Skip/weight' in v
    img = torgb(x, '4x4/ToRGB', t) if skip else None
    for i, r in enumerate(list(sizes.channels)[1:]):
        before = x
        x = taps['b%d.conv0' % r] = layer(x, '%dx%d/Conv0_up' % (r, r), t, 2 * i + 1, up=True)
        x = layer(x, '%dx%d/Conv1' % (r, r), t, 2 * i + 2, gain=np.sqrt(0.5) if resnet else 1.0)
        if resnet:
            kernel = v['synthesis/%dx%d/Skip/weight' % (r, r)][0, 0]
            x = x + upfirdn(mix(kernel / np.sqrt(len(kernel)), before), k, 2, 2, 1, 4.0) * np.sqrt(0.5)
        taps['b%d.conv1' % r] = x
        if skip:
            img = upfirdn(img, k, 2, 2, 1, 4.0) + torgb(x, '%dx%d/ToRGB' % (r, r), t)
    if not skip:
        img = torgb(x, 'ToRGB_lod0' if 'synthesis/ToRGB_lod0/weight' in v else '%dx%d/ToRGB' % (r, r), t)
    return z, t[None], {n: a[None] for n, a in taps.items()}, img[None]


TF_VARIANTS = {'tfres': ('resnet', 'LabelConcat', False, 32), 'tflod': ('orig', None, True, 33), 'tfembed': ('orig', 'LabelEmbed', False, 34)}


def tensorflow_variants(out):
    for name, how in TF_VARIANTS.items():
        *networks_, variables = tf_networks(*how)
        with open(at(name + '.pkl'), 'wb') as f:
            f.write(tf_pickle.dumps(tuple(networks_), 3))
        record(out, name, *tf_draw(variables))


def through_legacy(repo, path):
    """stylegan2-ada-pytorch's networks module, and its generator as its own legacy.py makes it of a TensorFlow pickle."""
    networks = networks_of(repo, 'networks')
    import legacy
    small.set_double(networks, False)
    with open(path, 'rb') as f:
        return networks, legacy.convert_tf_generator(legacy._LegacyUnpickler(f).load()[2]).eval().requires_grad_(False)


def tensorflow(repo, out):
    *networks_, variables = tf_networks()
    with open(at('tf.pkl'), 'wb') as f:
        f.write(tf_pickle.dumps(tuple(networks_), 4))
    z, w, taps, img = tf_draw(variables)
    print('tf clamped', {k: np.mean(np.abs(t) == SMALL.clamp) for k, t in taps.items()})
    record(out, 'tf', z, w, taps, img)

    networks, g = through_legacy(repo, at('tf.pkl'))
    small.set_double(networks, True)
    _, other_w, other_taps, other = small.draw(networks, g.double(), z, PSI, None, 'const')
    off = max([np.abs(other.numpy() - img).max(), np.abs(other_w[:, 0].numpy() - w).max()]
              + [np.abs(other_taps[n].numpy() - t).max() for n, t in taps.items()])
    print('tf: NumPy judge against legacy.py and the official network: %.2g' % off)
    assert off < 1e-7           # the only difference: demodulation's 1e-8 beside scaled or unscaled weights


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('ada', 'sg3', 'ros'):
        p.add_argument(name)
    p.add_argument('--only', help=argparse.SUPPRESS)
    a = p.parse_args()
    torch.set_num_threads(1)
    out = {}
    if a.only:                                          # one program a process: their modules have the same names
        name, path = a.only.split('=')
        {'ada': lambda: record(out, 'ada', *ada(a.ada)), 'sg3': lambda: record(out, 'sg3', *sg3(a.sg3)),
         'adares': lambda: record(out, 'adares', *adares(a.ada)), 'adaorig': lambda: record(out, 'adaorig', *adaorig(a.ada)),
         'ros': lambda: rosinality(a.ros, out), 'tf': lambda: tensorflow(a.ada, out), 'variants': lambda: tensorflow_variants(out)}[name]()
        np.savez(path, **out)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ('ada', 'sg3', 'adares', 'adaorig', 'ros', 'tf', 'variants'):
            path = os.path.join(folder, name + '.npz')
            subprocess.run([sys.executable, __file__, a.ada, a.sg3, a.ros, '--only', name + '=' + path], check=True)
            out.update(np.load(path))
    safetensors.write(os.path.join(HERE, 'dialects_want.safetensors'), {'psi': repr(PSI), 'seed': str(SEED), 'noise': 'const'}, out, force=True)


if __name__ == '__main__':
    main()
