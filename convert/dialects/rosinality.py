"""StyleGAN2 of rosinality/stylegan2-pytorch (model.py, convert_weight.py, train.py), also as pSp and e4e keep it (`decoder.`).

    {'g_ema': state dict, 'latent_avg': [512]}                      converted from TensorFlow
    {'g', 'd', 'g_ema', 'g_optim', 'd_optim', 'args', ...}          trained with that code: no mean of w
    {'state_dict': {'decoder. ...'}, 'latent_avg': [512] or [n, 512], 'opts'}        pSp, e4e
    state dict                                                      bare: no mean of w

The same network under other names.  Its convolutions scale weights by 1/sqrt(fan-in) and stylegan2-ada's do not; demodulation
divides it out again, but for its 1e-8 (about 1e-8 of a value), so weights stay as stored; ToRGB, which is not demodulated,
scales in both.  Filters carry the gain 4 of up-sampling, and here they do not.
"""
import re

import numpy as np

import stylegan2
from errors import Refused, quoted
from rename import Source
from torchfile import entries

NAME = 'StyleGAN2 of rosinality/stylegan2-pytorch, also inside pSp / e4e'
_CONVERSIONS = {'weight': (5, (1, 2, 3, 4)), 'modulation.weight': (2, (0, 1)), 'modulation.bias': (1, (0,))}


def _state(f):
    """(the state dict, the prefix of the generator's names in it)."""
    root = f.root if isinstance(f.root, dict) else {}
    for state, prefix in ((root.get('g_ema'), ''), (root.get('state_dict'), 'decoder.'), (root, ''), (root, 'decoder.')):
        if isinstance(state, dict) and all(prefix + n in state for n in ('style.1.weight', 'input.input', 'conv1.conv.weight')):
            return state, prefix
    return None, ''


def match(f):
    return _state(f)[0] is not None


def _quarter(a):
    return a / np.float32(4)            # exact


def _layers(found):
    """{our name: Source}.  Which numbers there are comes from the file; `stylegan2.derive` finds gaps."""
    out = {}

    def convolution(ours, theirs):
        for end, (rank, keep) in _CONVERSIONS.items():
            out[ours + end.replace('modulation', 'affine')] = Source(theirs + 'conv.' + end, rank, keep)

    def styled(ours, theirs, noise):
        convolution(ours, theirs)
        out[ours + 'bias'] = Source(theirs + 'activate.bias', 1, (0,))
        out[ours + 'noise_strength'] = Source(theirs + 'noise.weight', 1, ())
        out[ours + 'noise_const'] = Source('noises.noise_%d' % noise, 4, (2, 3))

    def torgb(ours, theirs):
        convolution(ours, theirs)
        out[ours + 'bias'] = Source(theirs + 'bias', 4, (1,))

    for i in _numbers(found, r'style\.([0-9]+)\.weight'):
        out['mapping.fc%d.weight' % (i - 1)] = Source('style.%d.weight' % i, 2, (0, 1))
        out['mapping.fc%d.bias' % (i - 1)] = Source('style.%d.bias' % i, 1, (0,))
    out['synthesis.b4.const'] = Source('input.input', 4, (1, 2, 3))
    styled('synthesis.b4.conv1.', 'conv1.', 0)
    torgb('synthesis.b4.torgb.', 'to_rgb1.')
    for i in _numbers(found, r'to_rgbs\.([0-9]+)\.conv\.weight')[:stylegan2.LEVELS_MAX]:
        block = 'synthesis.b%d.' % (8 << i)
        styled(block + 'conv0.', 'convs.%d.' % (2 * i), 2 * i + 1)
        styled(block + 'conv1.', 'convs.%d.' % (2 * i + 1), 2 * i + 2)
        torgb(block + 'torgb.', 'to_rgbs.%d.' % i)
        out[block + 'conv0.resample_filter'] = Source('convs.%d.conv.blur.kernel' % (2 * i), 2, (0, 1), _quarter)
        out[block + 'resample_filter'] = Source('to_rgbs.%d.upsample.kernel' % i, 2, (0, 1), _quarter)
    return out


def _numbers(found, pattern):
    return sorted(int(m.group(1)) for m in (re.fullmatch(pattern, n) for n in found) if m and len(m.group(1)) < 4)


def _row(t, f):
    """latent_avg as one vector: [w], [1, w], or [n, w] with n equal rows, as pSp and e4e repeat it for every style."""
    a = f.numbers(t, 'latent_avg')
    rows = a.reshape(-1, a.shape[-1]) if a.ndim in (1, 2) else a[None]
    if rows.ndim != 2:
        raise Refused('%s: tensor latent_avg: expected [w] or [n, w], found shape %s' % (f.name, list(a.shape)))
    other = [i for i in range(1, len(rows)) if rows[i].tobytes() != rows[0].tobytes()]
    if other:
        raise Refused('%s: tensor latent_avg: row %d differs from row 0: a generator with one mean for all styles is needed'
                      % (f.name, other[0]))
    return rows[0]


def convert(f):
    state, prefix = _state(f)
    tensors = {n[len(prefix):]: t for n, t in entries(f, state).items() if n.startswith(prefix)}
    average = f.tensor(f.root.get('latent_avg'))
    sources = _layers(tensors)
    used = {s.name for s in sources.values()}
    spare = [n for n in tensors if n not in used and not (state is f.root and n == 'latent_avg')]
    if spare:
        raise Refused('%s: tensor %s is no part of this StyleGAN2: a variant that is not supported'
                      % (f.name, quoted(prefix + spare[0])))

    found = {n: t.shape for n, t in tensors.items()}
    row = _row(average, f) if average else np.zeros(found['style.1.weight'][:1], np.float32)
    found['latent_avg'], sources['mapping.w_avg'] = row.shape, Source('latent_avg', 1, (0,))
    config, out, _ = stylegan2.translated(f, sources, found, lambda n: row if n == 'latent_avg' else f.numbers(tensors[n], prefix + n))
    config.stated = ('conv_clamp',)                     # that code has none
    config.finish = None if average else stylegan2.estimate_mean
    return config, out, []
