#!/usr/bin/env python3
"""Goldens of whole StyleGAN1 networks, drawn by DatasetGAN's PyTorch port on a CPU in float64.

    make_stylegan1.py PORT              PORT: models/stylegan1.py of nv-tlabs/datasetGAN_release

Writes beside itself
    stylegan1_{a,b,c}.pt and avg_latent_stylegan1.npy    small generators as the port keeps them (the folder dialect_stylegan1_*)
    stylegan1_{a,b}.safetensors         the same through convert/
    stylegan1_{a,b}_want.safetensors    z, w, ws, every tap, picture (F64)

TensorFlow's own network does not run here; its judges are this port (which its authors checked against it), and for TensorFlow's
pickles the float64 NumPy network in make_dialects.py, which this script holds against the port, up-sampling on both sides of 128
pixels included.  The port is not changed: mapping layers of another width are its own class MyLinear; instance norm's eps is the
attribute of torch's module (1e-5 as the port has it; 1e-8, NVIDIA's, in b); noise is set through NoiseLayer.noise.  Every tensor is
random, and blur filters are neither symmetric nor separable.
"""
import importlib.util
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
CONVERT = os.path.join(HERE, '..', '..', 'convert')
sys.path.insert(0, CONVERT)
sys.dont_write_bytecode = True
import convert                  # noqa: E402  (the project's own)
import safetensors              # noqa: E402

# resolution, fmap_base, fmap_max, w, mapping layers, psi, cutoff, eps.  a reaches both up-sampling paths.
NETS = {'a': (128, 192, 10, 12, 3, 0.7, 8, 1e-5), 'b': (16, 40, 18, 10, 8, 0.5, 3, 1e-8)}


def port(path):
    spec = importlib.util.spec_from_file_location('port', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(code, resolution, base, most, width, layers):
    mapping = code.G_mapping()
    parts = [('pixel_norm', code.PixelNormLayer())]
    for i in range(layers):
        parts += [('dense%d' % i, code.MyLinear(width, width, gain=np.sqrt(2), lrmul=0.01, use_wscale=True)),
                  ('dense%d_act' % i, torch.nn.LeakyReLU(0.2))]
    mapping._modules.clear()
    for name, part in parts:
        mapping.add_module(name, part)
    synthesis = code.G_synthesis(dlatent_size=width, resolution=resolution, fmap_base=base, fmap_max=most)
    return torch.nn.Sequential(__import__('collections').OrderedDict([('g_mapping', mapping), ('g_synthesis', synthesis)]))


def randomise(g, seed):
    rng = np.random.RandomState(seed)
    for name, t in g.state_dict(keep_vars=True).items():
        x = rng.randn(*t.shape)
        if name.endswith('.kernel'):
            x = np.abs(np.outer([1, 2, 1], [1, 2, 1]) / 16 + 0.02 * x)
            x = np.round(x / x.sum() * 2**16) / 2**16
        elif name.startswith('g_mapping.'):
            x *= 100 if name.endswith('weight') else 30
        elif name.endswith('noise.weight'):
            x = 0.3 + 0.2 * x
        elif name.endswith('torgb.weight'):
            x *= 0.5
        elif name.endswith('style_mod.lin.bias'):
            x *= 0.3
        elif name.endswith('bias'):
            x *= 0.5
        t.data.copy_(torch.from_numpy(np.asarray(x, np.float32)))


def draw(code, g, tensors, z, average, psi, cutoff, eps, noise=True):
    """(w, ws, {tap: array}, picture) in float64, with the converted file's noise."""
    g = g.double().eval()
    layers, taps, hooks = [], {}, []
    for name, m in g.named_modules():
        if isinstance(m, code.NoiseLayer):
            layers.append(m)
        if isinstance(m, torch.nn.InstanceNorm2d):
            m.eps = eps
    names = sorted((k[10:-12] for k in tensors if k.endswith('.noise_const')), key=lambda k: (int(k[1:].split('.')[0]), k.endswith('conv1')))
    for m, name in zip(layers, names):
        m.noise = torch.from_numpy(tensors['synthesis.%s.noise_const' % name].astype(np.float64) * noise)[None, None]
    for r, block in g.g_synthesis.blocks.items():
        r = r.split('x')[0]
        for epilogue, tap in (('epi1', 'input' if r == '4' else 'conv0'), ('epi2', 'conv1')):
            hooks.append(getattr(block, epilogue).register_forward_hook(
                lambda m, i, o, name='b%s.%s' % (r, tap): taps.__setitem__(name, o.numpy().copy())))
        hooks.append((block.conv if r == '4' else block.conv1).register_forward_hook(
            lambda m, i, o, name='b%s.conv1_raw' % r: taps.__setitem__(name, o.numpy().copy())))
    with torch.no_grad():
        every = g.g_mapping(torch.from_numpy(z.astype(np.float64)))[:, :len(names)]
        ws = code.Truncation(torch.from_numpy(average.astype(np.float64)), 'cpu', cutoff, psi)(every)
        img, listed = g.g_synthesis(ws)
    for h in hooks:
        h.remove()
    for got, want in zip(listed, (taps['b%d.%s' % (4 << i, t)] for i in range(len(names) // 2) for t in ('conv1', 'conv1_raw'))):
        assert np.array_equal(got.numpy(), want)          # the maps that DatasetGAN uses, in its order
    return every[:, 0].numpy(), ws.numpy(), taps, img.numpy()


def main():
    torch.set_num_threads(1)
    code = port(sys.argv[1])
    for seed, (name, (resolution, base, most, width, layers, psi, cutoff, eps)) in enumerate(NETS.items()):
        g = build(code, resolution, base, most, width, layers)
        randomise(g, 52 + seed)
        average = np.float32(0.3 * np.random.RandomState(60 + seed).randn(width))
        folder = os.path.join(HERE, 'dialect_stylegan1_' + name)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, 'g.for_g_all.pt')
        torch.save(g.state_dict(), path, _use_new_zipfile_serialization=name == 'a')
        np.save(os.path.join(folder, 'avg_latent_stylegan1.npy'), np.repeat(average[None], 18, 0))
        meta, tensors, _ = convert.convert(path)
        assert meta['norm_eps'] == '1e-05'
        meta['norm_eps'] = repr(eps)
        generator = os.path.join(HERE, 'stylegan1_%s.safetensors' % name)
        safetensors.write(generator, meta, tensors, force=True)

        seeds = (5, 9) if name == 'b' else (5,)
        z = np.concatenate([np.random.RandomState(s).randn(1, width) for s in seeds]).astype(np.float32)
        w, ws, taps, img = draw(code, g, tensors, z, average, psi, cutoff, eps)
        out = {'a.z': z, 'a.w': w, 'a.ws': ws, 'a.picture': img}
        out.update({'a.tap.' + k: a for k, a in taps.items()})
        print('%s: picture sd %.2f, %.1f %% beyond 1' % (name, img.std(), 100 * (np.abs(img) > 1).mean()))
        safetensors.write(os.path.join(HERE, 'stylegan1_%s_want.safetensors' % name),
                          {'a.psi': repr(psi), 'a.cutoff': str(cutoff), 'a.noise': 'const'}, out, force=True)


if __name__ == '__main__':
    main()
