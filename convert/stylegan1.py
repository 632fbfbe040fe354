"""What a StyleGAN1 generator consists of (Karras 2019; training/networks_stylegan.py of NVlabs/stylegan), under the project's names.

Layer i of 2*levels has an epilogue: noise, bias, leaky ReLU, instance norm, style.  Layer 0 is the constant ("b4.input"), the others
are convolutions ("b4.conv1", "b8.conv0", "b8.conv1", ...).  Kernels of conv0 are stored as those of a transposed convolution of
stride 2: as they are where the file's program uses one, reversed in both directions where it enlarges and then convolves.
"""
import re

import numpy as np

import stylegan2
from errors import Refused, quoted
from rename import flipped
from stylegan2 import number

NORM_EPS = {'tensorflow': 1e-8, 'pytorch': 1e-5}        # instance_norm of NVlabs/stylegan; torch.nn.InstanceNorm2d
FUSED_FROM = 128                                        # output pixels from which fused_scale='auto' uses a transposed convolution
_FC = re.compile(r'mapping\.fc(0|[1-9][0-9]?)\.weight$')
NOISE_SEED = 0


class Config(stylegan2.Config):
    """As of a StyleGAN2; norm_eps takes the place of conv_clamp."""
    network, architecture, norm_eps, cutoff, noise = 'stylegan1', 'orig', 1e-8, 8, 'const'

    def metadata(self):
        out = super().metadata()
        del out['conv_clamp']
        out.update(norm_eps=number(self.norm_eps), noise=self.noise)
        if self.cutoff is not None:
            out['truncation_cutoff'] = str(min(self.cutoff, self.num_ws))
        return out


def parts(resolution):
    """The module of the project that each layer is, in order."""
    out = ['b4.input', 'b4.conv1']
    for level in range(1, resolution.bit_length() - 2):
        out += ['b%d.conv0' % (4 << level), 'b%d.conv1' % (4 << level)]
    return out


def derive(shapes, where):
    """Config from {name: shape}, without w_avg and noise, which some dialects lack.  Every shape is checked."""
    shape, blocks, layers = stylegan2.outline(shapes, where, _FC)
    c = Config()
    c.resolution, c.mapping_layers, c.num_ws = blocks[-1], layers, 2 * len(blocks)
    first = shape('mapping.fc0.weight', 2)
    c.w_dim, (c.mapping_width, c.z_dim) = shape('mapping.fc%d.weight' % (layers - 1), 2)[0], first
    if 'mapping.embed.weight' in shapes:
        rows, c.c_dim = shape('mapping.embed.weight', 2)
        c.label_mode, c.z_dim = 'concat', first[1] - rows
    c.img_channels = shape('synthesis.b%d.torgb.weight' % c.resolution, 4)[0]
    c.channels = [shape('synthesis.b%d.conv1.weight' % b, 4)[0] for b in blocks]
    stylegan2.check_sizes(c, where)
    return c


def wanted(c):
    """{name: shape} of every tensor the network reads."""
    out = {'mapping.w_avg': (c.w_dim,), 'synthesis.b4.const': (c.channels[0], 4, 4)}
    if c.c_dim:
        out['mapping.embed.weight'] = (c.z_dim, c.c_dim)
    for i in range(c.mapping_layers):
        rows = c.w_dim if i == c.mapping_layers - 1 else c.mapping_width
        out['mapping.fc%d.weight' % i] = (rows, c.mapping_width if i else c.z_dim * (2 if c.c_dim else 1))
        out['mapping.fc%d.bias' % i] = (rows,)
    for i, part in enumerate(parts(c.resolution)):
        name, r, n = 'synthesis.%s.' % part, 4 << i // 2, c.channels[i // 2]
        if i:
            out[name + 'weight'] = (n, c.channels[(i - 1) // 2], 3, 3)
        if i and i % 2 == 0:
            out[name + 'blur_filter'] = (3, 3)
        out.update({name + 'bias': (n,), name + 'noise_const': (r, r), name + 'noise_strength': (n,),
                    name + 'affine.weight': (2 * n, c.w_dim), name + 'affine.bias': (2 * n,)})
    out['synthesis.b%d.torgb.weight' % c.resolution] = (c.img_channels, c.channels[-1], 1, 1)
    out['synthesis.b%d.torgb.bias' % c.resolution] = (c.img_channels,)
    return out


def translated(f, sources, found, load, missing=()):
    """(config, tensors): as stylegan2.translated; the names in `missing` are filled in by the dialect."""
    shapes = {}
    for ours, source in sources.items():
        if source.name not in found:
            raise Refused('%s: tensor %s is missing' % (f.name, quoted(source.name)))
        shapes[ours] = source.shape(found[source.name], f.name)
    c = derive(shapes, f.name)
    for name, need in wanted(c).items():
        if name in shapes and tuple(shapes[name]) != need:
            raise Refused('%s: tensor %s: expected shape %s, found %s' % (f.name, quoted(sources[name].name), list(need), list(shapes[name])))
        if name not in shapes and not name.endswith(tuple(missing)):
            raise Refused('%s: tensor %s is missing' % (f.name, quoted(name)))
    surplus = [n for n in shapes if n not in wanted(c)]
    if surplus:
        raise Refused('%s: tensor %s is no part of a StyleGAN1: a variant that is not supported' % (f.name, quoted(sources[surplus[0]].name)))
    return c, {n: s.numbers(load(s.name)) for n, s in sources.items()}


def upsampling(resolution, fused):
    """The change that a conv0 kernel needs; fused: 'auto', True or False as in [SG1]."""
    return None if (fused is True or (fused == 'auto' and resolution >= FUSED_FROM)) else flipped


def made_noise(c, tensors):
    """Noise for a file that has none, from a recorded seed; said so in the metadata."""
    rng = np.random.RandomState(NOISE_SEED)
    for i, part in enumerate(parts(c.resolution)):
        r = 4 << i // 2
        tensors['synthesis.%s.noise_const' % part] = rng.randn(r, r).astype(np.float32)
    c.noise = 'made: numpy.random.RandomState(%d).randn, layer after layer' % NOISE_SEED
    c.notes.append('the file holds no constant noise (its program draws new noise for every picture); some was made from seed %d' % NOISE_SEED)
