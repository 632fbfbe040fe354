#!/usr/bin/env python3
"""Goldens of whole StyleGAN1 networks, drawn by DatasetGAN's PyTorch port on a CPU in float64.

    make_stylegan1.py PORT              PORT: models/stylegan1.py of nv-tlabs/datasetGAN_release

Writes beside itself
    dialect_stylegan1_{a,b}/            small generators as the port keeps them, with avg_latent_stylegan1.npy
    dialect_tf1.pkl, dialect_tf1f.pkl   others as TensorFlow pickles them; the second with classes and fused_scale=True
    dialects1_want.safetensors          seed 5 of b, tf1 and tf1f: w, taps (F32), picture as uint8
    stylegan1_{a,b,grey,rgba}.safetensors       the same, and two more, through convert/
    stylegan1_{a,b,grey,rgba}_want.safetensors  z, w, ws, every tap, picture (F64)

TensorFlow's own network does not run here; its judges are this port (which its authors checked against it), and for TensorFlow's
pickles the float64 NumPy network below, written from the paper and TensorFlow's layout; it draws the port's network a, with
up-sampling on both sides of 128 pixels, within 1e-9 of the port.  The port is not changed: mapping layers of another width are its own class MyLinear; instance norm's eps is the
attribute of torch's module (1e-5 as the port has it; 1e-8, NVIDIA's, in b); noise is set through NoiseLayer.noise.  Every tensor is
random, and blur filters are neither symmetric nor separable.
"""
import importlib.util
import os
import sys
import tempfile

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
CONVERT = os.path.join(HERE, '..', '..', 'convert')
sys.path[:0] = [CONVERT, os.path.dirname(HERE)]
sys.dont_write_bytecode = True
import convert                  # noqa: E402  (the project's own)
import safetensors              # noqa: E402
import tf_pickle                # noqa: E402

# resolution, fmap_base, fmap_max, w, mapping layers, psi, cutoff, eps, picture channels, width of the inner mapping layers.  a reaches
# both up-sampling paths.
NETS = {'a': (128, 192, 10, 12, 3, 0.7, 8, 1e-5, 3, 12), 'b': (16, 40, 18, 10, 8, 0.5, 3, 1e-8, 3, 10),
        'grey': (8, 24, 9, 6, 3, 0.7, 4, 1e-8, 1, 11), 'rgba': (8, 24, 9, 7, 2, 1.2, 2, 1e-5, 4, 5)}


def port(path):
    spec = importlib.util.spec_from_file_location('port', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(code, resolution, base, most, width, layers, channels=3, inner=None):
    mapping = code.G_mapping()
    parts = [('pixel_norm', code.PixelNormLayer())]
    inner = inner or width
    for i in range(layers):
        sizes = inner if i else width, width if i == layers - 1 else inner
        parts += [('dense%d' % i, code.MyLinear(*sizes, gain=np.sqrt(2), lrmul=0.01, use_wscale=True)),
                  ('dense%d_act' % i, torch.nn.LeakyReLU(0.2))]
    mapping._modules.clear()
    for name, part in parts:
        mapping.add_module(name, part)
    synthesis = code.G_synthesis(dlatent_size=width, num_channels=channels, resolution=resolution, fmap_base=base, fmap_max=most)
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


def draw(code, g, tensors, z, average, psi, cutoff, eps, real=np.float64):
    """(w, ws, {tap: array}, picture) in float64 or float32, with the converted file's noise."""
    g = (g.double() if real is np.float64 else g.float()).eval()
    layers, taps, hooks = [], {}, []
    for name, m in g.named_modules():
        if isinstance(m, code.NoiseLayer):
            layers.append(m)
        if isinstance(m, torch.nn.InstanceNorm2d):
            m.eps = eps
    names = sorted((k[10:-12] for k in tensors if k.endswith('.noise_const')), key=lambda k: (int(k[1:].split('.')[0]), k.endswith('conv1')))
    for m, name in zip(layers, names):
        m.noise = torch.from_numpy(tensors['synthesis.%s.noise_const' % name].astype(real))[None, None]
    for r, block in g.g_synthesis.blocks.items():
        r = r.split('x')[0]
        for epilogue, tap in (('epi1', 'input' if r == '4' else 'conv0'), ('epi2', 'conv1')):
            hooks.append(getattr(block, epilogue).register_forward_hook(
                lambda m, i, o, name='b%s.%s' % (r, tap): taps.__setitem__(name, o.numpy().copy())))
        hooks.append((block.conv if r == '4' else block.conv1).register_forward_hook(
            lambda m, i, o, name='b%s.conv1_raw' % r: taps.__setitem__(name, o.numpy().copy())))
    with torch.no_grad():
        every = g.g_mapping(torch.from_numpy(z.astype(real)))[:, :len(names)]
        ws = code.Truncation(torch.from_numpy(average.astype(real)), 'cpu', cutoff, psi)(every)
        img, listed = g.g_synthesis(ws)
    for h in hooks:
        h.remove()
    for got, want in zip(listed, (taps['b%d.%s' % (4 << i, t)] for i in range(len(names) // 2) for t in ('conv1', 'conv1_raw'))):
        assert np.array_equal(got.numpy(), want)          # the maps that DatasetGAN uses, in its order
    return every[:, 0].numpy(), ws.numpy(), taps, img.numpy()


# ---- TensorFlow's layout ----------------------------------------------------------------------------------------------

def variables_of(g, tensors, average):
    """{name: array} as TensorFlow keeps the port's network: dense [in, out], kernels [h, w, in, out], noise of the converted file."""
    v = {'lod': np.float32(0), 'dlatent_avg': average, 'synthesis/lod': np.float32(0)}
    state = {k: t.detach().float().numpy() for k, t in g.state_dict().items()}
    for k, a in state.items():
        parts = k.split('.')
        if parts[0] == 'g_mapping':
            v['mapping/%s/%s' % (parts[1].capitalize(), parts[2])] = a.T
        elif parts[1] == 'torgb':
            v['synthesis/ToRGB_lod0/' + parts[2]] = a.transpose(2, 3, 1, 0) if a.ndim == 4 else a
        elif not k.endswith('kernel'):
            block, rest = parts[2], '.'.join(parts[3:])
            first, second = ('Const', 'Conv') if block == '4x4' else ('Conv0_up', 'Conv1')
            for a_, b in (('epi1.', first + '/'), ('epi2.', second + '/'), ('conv0_up.', 'Conv0_up/'), ('conv1.', 'Conv1/'), ('conv.', 'Conv/'),
                          ('top_epi.noise.weight', 'Noise/weight'), ('style_mod.lin.', 'StyleMod/')):
                rest = rest.replace(a_, b)
            rest = 'Const/' + rest if rest in ('const', 'bias') else rest
            v['synthesis/%s/%s' % (block, rest)] = a.transpose(2, 3, 1, 0) if a.ndim == 4 and rest != 'Const/const' else a.T if a.ndim == 2 else a
    for k in (k for k in tensors if k.endswith('noise_const')):
        r, part = int(k.split('.')[1][1:]), k.split('.')[2]
        v['synthesis/noise%d' % (2 * int(np.log2(r)) - 4 + (part == 'conv1'))] = tensors[k][None, None]
    return v


def numpy_draw(v, z, psi, cutoff, eps=1e-8, fused='auto', blur=None, class_id=0):
    """(ws, {tap: array}, picture) of one z in double."""
    v, z = {k: np.asarray(a, np.float64) for k, a in v.items()}, np.asarray(z, np.float64)
    blur = np.outer([1, 2, 1], [1, 2, 1]) / 16 if blur is None else blur

    def pixel_norm(x):
        return x / np.sqrt(np.mean(x**2) + 1e-8)

    def mix(kernel, x):
        return np.tensordot(kernel, x, (0, 0))

    def correlate(x, w):                                # SAME, w [k, k, in, out]
        n, h = w.shape[0] // 2, x.shape[1]
        y = np.pad(x, ((0, 0), (n, n), (n, n)))
        return sum(mix(w[i, j], y[:, i:i + h, j:j + h]) for i in range(w.shape[0]) for j in range(w.shape[1]))

    def filtered(x):
        y = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        return sum(blur[i, j] * y[:, i:i + x.shape[1], j:j + x.shape[1]] for i in range(3) for j in range(3))

    def enlarge(x, w):
        r = 2 * x.shape[1]
        if fused is False or (fused == 'auto' and r < 128):
            return correlate(x.repeat(2, axis=1).repeat(2, axis=2), w)
        w = np.pad(w, ((1, 1), (1, 1), (0, 0), (0, 0)))
        w = w[1:, 1:] + w[:-1, 1:] + w[1:, :-1] + w[:-1, :-1]
        y = np.zeros((w.shape[3], r + 2, r + 2))       # the gradient of a correlation of stride 2; SAME takes one off every side
        for i in range(4):
            for j in range(4):
                y[:, i:i + r:2, j:j + r:2] += mix(w[i, j], x)
        return y[:, 1:-1, 1:-1]

    def weight(name, gain=np.sqrt(2)):
        w = v[name + '/weight']
        return w * gain / np.sqrt(np.prod(w.shape[:-1]))

    def epilogue(x, name, i):
        x = x + v['synthesis/noise%d' % i][0] * v[name + '/Noise/weight'][:, None, None] + v[name + '/bias'][:, None, None]
        x = np.where(x < 0, 0.2 * x, x)
        x = x - x.mean(axis=(1, 2), keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=(1, 2), keepdims=True) + eps)
        style = ws[i] @ weight(name + '/StyleMod', 1.0) + v[name + '/StyleMod/bias']
        scale, shift = style.reshape(2, -1, 1, 1)
        return x * (scale + 1) + shift

    w = np.concatenate([z, v['mapping/LabelConcat/weight'][class_id]]) if 'mapping/LabelConcat/weight' in v else z
    w = pixel_norm(w)
    for i in range(sum(k.startswith('mapping/Dense') and k.endswith('weight') for k in v)):
        w = w @ weight('mapping/Dense%d' % i) * 0.01 + 0.01 * v['mapping/Dense%d/bias' % i]
        w = np.where(w < 0, 0.2 * w, w)
    layers = sum(k.startswith('synthesis/noise') for k in v)
    ws = np.array([v['dlatent_avg'] + psi * (w - v['dlatent_avg']) if i < cutoff else w for i in range(layers)])
    taps, x = {}, v['synthesis/4x4/Const/const'][0]
    for i in range(layers):
        r = 4 << i // 2
        name = 'synthesis/%dx%d/%s' % (r, r, ('Conv1' if i % 2 else 'Conv0_up') if r > 4 else ('Conv' if i % 2 else 'Const'))
        if i % 2:
            x = correlate(x, weight(name))
            taps['b%d.conv1_raw' % r] = x + v[name + '/bias'][:, None, None]
        elif i:
            x = filtered(enlarge(x, weight(name)))
        x = taps['b%d.%s' % (r, 'conv1' if i % 2 else 'conv0' if i else 'input')] = epilogue(x, name, i)
    return ws, taps, correlate(x, weight('synthesis/ToRGB_lod0', 1.0)) + v['synthesis/ToRGB_lod0/bias'][:, None, None]


def tf_dumps(v, cutoff, protocol, core, **kwargs):
    """(G, D, Gs) of the variables, as TensorFlow pickles them."""
    def network(title, function, prefix, components=None, **more):
        own = [(k[len(prefix):], a) for k, a in v.items() if k.startswith(prefix) and (prefix or '/' not in k)]
        n = tf_pickle.Network(title, function, own, components, **kwargs, **more)
        n.version = 3
        return n
    parts = tf_pickle.EasyDict(synthesis=network('G_synthesis', 'G_synthesis', 'synthesis/'), mapping=network('G_mapping', 'G_mapping', 'mapping/'))
    gs = network('Gs', 'G_style', '', parts, truncation_psi=0.7, truncation_cutoff=cutoff)
    d = tf_pickle.Network('D', 'D_basic', [('4x4/Conv/weight', np.ones((3, 3, 1, 1), np.float32))], num_channels=3)
    return tf_pickle.dumps((gs, d, gs), protocol, core)


def tf_file(name, seed, classes, **settings):
    """Pickle a random network of 16 pixels; what the judge draws with it."""
    rng, width, latent, layers, channels = np.random.RandomState(seed), 9, 7, 3, {4: 9, 8: 7, 16: 5}
    v = {'lod': np.float32(0), 'dlatent_avg': 0.3 * rng.randn(width)}
    if classes:
        v['mapping/LabelConcat/weight'] = rng.randn(classes, latent)
    for i in range(layers):
        n = width if i else latent * (2 if classes else 1)
        v.update({'mapping/Dense%d/weight' % i: 100 * rng.randn(n, width), 'mapping/Dense%d/bias' % i: 30 * rng.randn(width)})
    before, i, s = None, 0, 'synthesis/'
    v[s + 'lod'] = np.float32(0)
    for r, c in channels.items():
        for part in ('Const', 'Conv') if r == 4 else ('Conv0_up', 'Conv1'):
            p = s + '%dx%d/%s/' % (r, r, part)
            v[p + ('const' if part == 'Const' else 'weight')] = rng.randn(1, c, 4, 4) if part == 'Const' else rng.randn(3, 3, before, c)
            v.update({p + 'bias': 0.5 * rng.randn(c), p + 'Noise/weight': 0.3 + 0.2 * rng.randn(c), p + 'StyleMod/weight': rng.randn(width, 2 * c),
                      p + 'StyleMod/bias': 0.3 * rng.randn(2 * c), s + 'noise%d' % i: rng.randn(1, 1, r, r)})
            before, i = c, i + 1
        lod = s + 'ToRGB_lod%d/' % (4 - int(np.log2(r)))
        v.update({lod + 'weight': 0.12 * rng.randn(1, 1, c, 3), lod + 'bias': 0.2 * rng.randn(3)})
    v = {k: np.float32(a) for k, a in v.items()}
    data = tf_dumps(v, 4, 2 if classes else 4, 'numpy.core' if classes else 'numpy._core', num_channels=3, resolution=16, label_size=classes, fmap_base=80,
                    fmap_max=9, latent_size=latent, dlatent_size=width, mapping_layers=layers, mapping_fmaps=width, **settings)
    with open(os.path.join(HERE, 'dialect_%s.pkl' % name), 'wb') as f:
        f.write(data)
    blur = np.outer(settings['blur_filter'], settings['blur_filter']) if 'blur_filter' in settings else None
    z = np.random.RandomState(5).randn(latent).astype(np.float32)
    return numpy_draw(v, z, 0.7, 4, fused=settings.get('fused_scale', 'auto'), blur=blur / blur.sum() if blur is not None else None, class_id=1)


def record(out, name, ws, taps, img):
    print('%s: picture sd %.2f, %.1f %% outside' % (name, img.std(), 100 * np.mean(np.abs(img) > 1)))
    assert img.std() > 0.15 and np.mean(np.abs(img) > 1) < 0.5
    out.update({name + '.w': ws, name + '.uint8': np.clip(img.transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8)})
    out.update({'%s.tap.%s' % (name, k): a.astype(np.float32) for k, a in taps.items() if k.endswith(('conv1', 'raw'))})


def main():
    torch.set_num_threads(1)
    small = {}
    code = port(sys.argv[1])
    for seed, (name, (resolution, base, most, width, layers, psi, cutoff, eps, channels, inner)) in enumerate(NETS.items()):
        g = build(code, resolution, base, most, width, layers, channels, inner)
        randomise(g, 52 + seed)
        average = np.float32(0.3 * np.random.RandomState(60 + seed).randn(width))
        scratch = tempfile.TemporaryDirectory()
        folder = os.path.join(HERE, 'dialect_stylegan1_' + name) if name in 'ab' else scratch.name
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, 'g.for_g_all.pt')
        torch.save(g.state_dict(), path, _use_new_zipfile_serialization=True)
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
        kernels = {k: t for k, t in g.state_dict().items() if k.endswith('.kernel')}
        if name == 'a':
            v = variables_of(g, tensors, average)
            for t in kernels.values():
                t.copy_(next(iter(kernels.values())))
            w, ws, taps, img = draw(code, g, tensors, z, average, psi, cutoff, eps)
            blur = next(iter(kernels.values())).numpy()[0, 0]
            own_ws, own_taps, own = numpy_draw(v, z[0], psi, cutoff, eps, blur=blur)
            off = max([np.abs(own - img[0]).max(), np.abs(own_ws - ws[0]).max()] + [np.abs(own_taps[k] - taps[k][0]).max() for k in taps])
            print('NumPy judge against the port, 128 pixels: %.2g' % off)
            assert off < 1e-9 and len(own_taps) == len(taps)
        elif name == 'b':                           # as converted: eps of the port, cutoff 8
            z = np.random.RandomState(5).randn(1, width).astype(np.float32)
            w, ws, taps, img = draw(code, g, tensors, z, average, 0.7, 8, 1e-5)
            record(small, 'lern', ws[0], {k: a[0] for k, a in taps.items()}, img[0])
    record(small, 'tf1', *tf_file('tf1', 71, 0))
    record(small, 'tf1f', *tf_file('tf1f', 72, 3, fused_scale=True, blur_filter=[1, 2.5, 1.5], mapping_lrmul=0.01))
    safetensors.write(os.path.join(HERE, 'dialects1_want.safetensors'), {'psi': '0.7', 'seed': '5', 'noise': 'const'}, small, force=True)


if __name__ == '__main__':
    main()
