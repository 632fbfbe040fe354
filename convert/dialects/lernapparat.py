"""StyleGAN1 as lernapparat and DatasetGAN keep it: karras2019stylegan-*.for_g_all.pt, a state dict of the trainable tensors.

Sources: models/stylegan1.py of nv-tlabs/datasetGAN_release, style_gan/pytorch_style_gan.ipynb of lernapparat.  Dense weights are
[out, in], kernels [out, in, h, w]; the scale 1/sqrt(fan-in) is applied at run time, as here.  There is neither constant noise nor a
mean of w: noise is made from a recorded seed, the mean comes from an avg_latent*.npy beside the file, or is estimated.
"""
import os
import re
import struct

import numpy as np

import stylegan1
import stylegan2
from errors import Refused, quoted
from rename import Source
from torchfile import entries

NAME = 'StyleGAN1 of lernapparat / DatasetGAN'
_EPILOGUE = (('noise_strength', 'top_epi.noise.weight', 1, (0,)), ('affine.weight', 'style_mod.lin.weight', 2, (0, 1)),
             ('affine.bias', 'style_mod.lin.bias', 1, (0,)))
_AVERAGE_MAX = 1 << 24
_NPY = re.compile(rb"\{'descr': '(<f4|<f8)', 'fortran_order': False, 'shape': \(([0-9, ]{1,60})\), \} *\n")


def match(f):
    return isinstance(f.root, dict) and 'g_mapping.dense0.weight' in f.root and 'g_synthesis.blocks.4x4.const' in f.root


def _layers(found):
    """{our name: Source}.  Which numbers there are comes from the file; `stylegan1.derive` finds gaps."""
    out = {'synthesis.b4.const': Source('g_synthesis.blocks.4x4.const', 4, (1, 2, 3))}

    def epilogue(ours, theirs):
        for end, tail, rank, keep in _EPILOGUE:
            out[ours + end] = Source(theirs + tail, rank, keep)

    def convolution(ours, theirs, change=None):
        out[ours + 'weight'] = Source(theirs + 'weight', 4, (0, 1, 2, 3), change)
        out[ours + 'bias'] = Source(theirs + 'bias', 1, (0,))

    for i in _numbers(found, r'g_mapping\.dense([0-9]{1,2})\.weight'):
        for end, rank in (('weight', 2), ('bias', 1)):
            out['mapping.fc%d.%s' % (i, end)] = Source('g_mapping.dense%d.%s' % (i, end), rank, tuple(range(rank)))
    blocks = _numbers(found, r'g_synthesis\.blocks\.([0-9]{1,5})x\1\..*')
    for r in blocks:
        ours, theirs = 'synthesis.b%d.' % r, 'g_synthesis.blocks.%dx%d.' % (r, r)
        first = 'input.' if r == 4 else 'conv0.'
        if r == 4:
            out[ours + 'input.bias'] = Source(theirs + 'bias', 1, (0,))
        else:
            convolution(ours + first, theirs + 'conv0_up.', stylegan1.upsampling(r, 'auto'))
            out[ours + 'conv0.blur_filter'] = Source(theirs + 'conv0_up.intermediate.kernel', 4, (2, 3))
        convolution(ours + 'conv1.', theirs + ('conv.' if r == 4 else 'conv1.'))
        epilogue(ours + first, theirs + 'epi1.')
        epilogue(ours + 'conv1.', theirs + 'epi2.')
    for end, rank in (('weight', 4), ('bias', 1)):
        out['synthesis.b%d.torgb.%s' % (max(blocks, default=4), end)] = Source('g_synthesis.torgb.' + end, rank, tuple(range(rank)))
    return out


def _numbers(found, pattern):
    return sorted({int(m.group(1)) for m in (re.fullmatch(pattern, n) for n in found) if m})


def _average(f, w_dim):
    """The mean of w from the one avg_latent*.npy beside the file: (w), or rows of w that are all equal; None when there is none."""
    folder = os.path.dirname(f.name) or '.'
    names = [n for n in sorted(os.listdir(folder)) if re.fullmatch(r'avg_latent.*\.npy', n)]
    if not names:
        return None, None
    if len(names) > 1:
        raise Refused('%s: %d files avg_latent*.npy beside it, expected one: %s' % (f.name, len(names), quoted(', '.join(names), 200)))
    path = os.path.join(folder, names[0])
    try:
        with open(path, 'rb') as file:
            data = file.read(_AVERAGE_MAX + 1)
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror)) from None
    rows = rows_of(data, path, w_dim)
    if not np.isfinite(rows).all():
        raise Refused('%s: a number is not finite' % path)
    if (rows != rows[0]).any():
        raise Refused('%s: its rows differ: a generator with one mean for all layers is needed' % path)
    return rows[0].astype(np.float32), names[0]


def rows_of(data, path, w_dim):
    """(rows, w_dim) of a .npy file (numpy/lib/format.py, versions 1 to 3) of little-endian floats in C order."""
    size = struct.unpack_from('<H' if data[6:7] == b'\1' else '<I', data.ljust(12, b'\0'), 8)[0] if data[:6] == b'\x93NUMPY' else 0
    start = (10 if data[6:7] == b'\1' else 12) + size
    head = _NPY.match(data[10 if data[6:7] == b'\1' else 12:start])
    shape = [int(n) for n in head.group(2).replace(b' ', b'').split(b',') if n] if head else []
    kind = head.group(1).decode() if head else '<f4'
    if not shape or shape[-1] != w_dim or len(data) > _AVERAGE_MAX or len(data) - start != np.dtype(kind).itemsize * int(np.prod(shape, dtype=object)) \
            or len(data) == start:
        raise Refused('%s: expected a .npy of float32 or float64, its last axis of length %d' % (path, w_dim))
    return np.frombuffer(data, kind, offset=start).reshape(-1, w_dim)


def convert(f):
    tensors = entries(f, f.root)
    sources = _layers(tensors)
    used = {s.name for s in sources.values()}
    spare = [n for n in tensors if n not in used and n.startswith(('g_mapping.', 'g_synthesis.'))]
    if spare:
        raise Refused('%s: tensor %s is no part of this StyleGAN1: a variant that is not supported' % (f.name, quoted(spare[0])))
    found = {n: t.shape for n, t in tensors.items()}
    c, out = stylegan1.translated(f, sources, found, lambda n: f.numbers(tensors[n], n), ('w_avg', 'noise_const'))
    c.norm_eps = stylegan1.NORM_EPS['pytorch']
    stylegan1.made_noise(c, out)
    c.stated = ('conv_clamp',)
    average, beside = _average(f, c.w_dim)
    if average is None:
        c.finish = stylegan2.estimate_mean
    else:
        out['mapping.w_avg'], c.more['w_avg'] = average, 'from ' + beside
    return c, out, [n for n in tensors if n not in used]
