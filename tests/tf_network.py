"""StyleGAN2 in TensorFlow's form: networks with random weights to pickle, and what they draw, in float64 NumPy.

The judge `draw` is written from the papers and the format notes.  stylegan2-ada-pytorch's legacy.py, which reads such pickles (but for
ToRGB_lod), and its network agree with it to 1e-7 (golden/make_dialects.py).  No PyTorch here: test_dialects.sh stands on it.
"""
import collections

import numpy as np

import tf_pickle

PSI, SEED = 0.7, 5


def z_of(n):
    return np.random.RandomState(SEED).randn(1, n).astype(np.float32).astype(np.float64)


KERNEL = [1.0, 2.5, 3.5, 1.0]              # sums to 8: the filter is exact in float32
LABELS, CLASS = 3, 1
Sizes = collections.namedtuple('Sizes', 'channels width latent layers clamp')
SMALL = Sizes({4: 10, 8: 8, 16: 4}, 9, 11, 2, 3.5)


def networks(architecture='skip', label=None, grown=False, seed=31, sizes=SMALL):
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


def draw(v, sizes=SMALL):
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
