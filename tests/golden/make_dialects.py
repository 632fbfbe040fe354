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
synthesised in the same structure, and its judge is the float64 NumPy network of tests/tf_network.py, written from the papers and
the format notes; stylegan2-ada-pytorch's legacy.py, which converts such pickles, must agree with it to 1e-7.

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
import tf_network                   # noqa: E402
import tf_pickle                    # noqa: E402
from tf_network import PSI, SEED, SMALL, z_of                # noqa: E402
safetensors = small.safetensors


def at(name):
    return os.path.join(HERE, 'dialect_' + name)


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

TF_VARIANTS = {'tfres': ('resnet', 'LabelConcat', False, 32), 'tflod': ('orig', None, True, 33), 'tfembed': ('orig', 'LabelEmbed', False, 34)}


def tensorflow_variants(out):
    for name, how in TF_VARIANTS.items():
        *networks_, variables = tf_network.networks(*how)
        with open(at(name + '.pkl'), 'wb') as f:
            f.write(tf_pickle.dumps(tuple(networks_), 3))
        record(out, name, *tf_network.draw(variables))


def through_legacy(repo, path):
    """stylegan2-ada-pytorch's networks module, and its generator as its own legacy.py makes it of a TensorFlow pickle."""
    networks = networks_of(repo, 'networks')
    import legacy
    small.set_double(networks, False)
    with open(path, 'rb') as f:
        return networks, legacy.convert_tf_generator(legacy._LegacyUnpickler(f).load()[2]).eval().requires_grad_(False)


def tensorflow(repo, out):
    *networks_, variables = tf_network.networks()
    with open(at('tf.pkl'), 'wb') as f:
        f.write(tf_pickle.dumps(tuple(networks_), 4))
    z, w, taps, img = tf_network.draw(variables)
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
