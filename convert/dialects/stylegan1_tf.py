"""The official TensorFlow pickles of StyleGAN1: the container of stylegan2_tf, Network version 2 or 3.

Sources: dnnlib/tflib/network.py and training/networks_stylegan.py of NVlabs/stylegan.  Each layer has Noise/weight (one a channel)
and StyleMod (dense, first all scales, then all shifts); Gs was trained by growing, and of its ToRGB_lod* only lod0 draws the picture
when `lod` is 0.
"""
import re

import numpy as np

import plainpickle
import stylegan1
import stylegan2
from dialects import stylegan2_tf as tf
from errors import Refused, quoted, shown
from rename import Source

NAME = 'official TensorFlow pickle of StyleGAN1'
GLOBALS = tf.GLOBALS

_MUST = {
    'use_styles': (True,), 'const_input_layer': (True,), 'use_noise': (True,), 'use_wscale': (True,), 'use_pixel_norm': (False,),
    'use_instance_norm': (True,), 'nonlinearity': ('lrelu',), 'mapping_nonlinearity': ('lrelu',), 'normalize_latents': (True,),
}
_FREE = {
    'latent_size', 'dlatent_size', 'label_size', 'mapping_layers', 'mapping_fmaps', 'num_channels', 'resolution', 'fmap_base',
    'fmap_decay', 'fmap_max', 'truncation_psi', 'truncation_psi_val', 'truncation_cutoff_val', 'dlatent_avg_beta', 'style_mixing_prob',
    'dlatent_broadcast', 'randomize_noise', 'dtype', 'structure', 'is_training', 'is_validation', 'is_template_graph', 'force_clean_graph',
}
_READ = {'mapping_lrmul': 0.01, 'truncation_cutoff': 8, 'fused_scale': 'auto', 'blur_filter': (1, 2, 1)}


def match(f):
    return tf.match(f) and tf.mentions(f, '/StyleMod/')


def _settings(f, networks):
    """{setting: value} of the four that are read; a component repeats those that reach it."""
    out = {}
    for prefix, state in sorted(networks.items()):
        for key, value in plainpickle.table(state['static_kwargs']).items():
            where = '%s: Gs/%s' % (f.name, prefix)
            if key in _READ:
                value = [f.plain(v) for v in value[:9]] if isinstance(value, (list, tuple)) else f.plain(value)
                if key in out and out[key] != value:
                    raise Refused('%s: %s is stated in two ways' % (where, key))
                out[key] = value
            elif key in _MUST:
                value = f.plain(value)
                if not any(type(value) is type(v) and value == v for v in _MUST[key]):
                    raise Refused('%s: %s is %s, expected %s: not supported' % (where, key, shown(value), ' or '.join(map(repr, _MUST[key]))))
            elif key not in _FREE:
                raise Refused('%s: setting %s is unknown: a variant that is not supported' % (where, quoted(key)))
    out = {**_READ, **out}
    fused = out['fused_scale']
    if fused != 'auto' and type(fused) is not bool:
        raise Refused("%s: fused_scale is %s, expected True, False or 'auto'" % (f.name, shown(fused)))
    cutoff = out['truncation_cutoff']
    if cutoff is not None and not (type(cutoff) is int and 0 <= cutoff <= 2 * stylegan2.LEVELS_MAX):
        raise Refused('%s: truncation_cutoff is %s, expected a number of layers' % (f.name, shown(cutoff)))
    return out


def _blur(f, taps):
    """_blur2d: the outer product over its sum, as a correlation; [] or None: no blur."""
    if not taps:
        return np.float64([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    if not (isinstance(taps, (list, tuple)) and len(taps) == 3 and all(type(t) in (int, float) and abs(t) < 1e6 for t in taps) and abs(sum(taps)) > 1e-6):
        raise Refused('%s: blur_filter: expected 3 numbers, found %s' % (f.name, shown(taps)))
    k = np.outer(taps, taps).astype(np.float64)
    return k / k.sum()


def _layers(names, fused):
    """{our name: Source}.  Which numbers there are comes from the file; `stylegan1.derive` finds gaps."""
    out = {'mapping.w_avg': Source('dlatent_avg', 1, (0,)), 'synthesis.b4.const': Source('synthesis/4x4/Const/const', 4, (1, 2, 3))}

    def layer(ours, theirs, noise, change=None, convolution=True):
        if convolution:
            out[ours + 'weight'] = Source(theirs + 'weight', 4, (3, 2, 0, 1), change)
        out[ours + 'bias'] = Source(theirs + 'bias', 1, (0,))
        out[ours + 'noise_const'] = Source('synthesis/noise%d' % noise, 4, (2, 3))
        out[ours + 'noise_strength'] = Source(theirs + 'Noise/weight', 1, (0,))
        out[ours + 'affine.weight'] = Source(theirs + 'StyleMod/weight', 2, (1, 0))
        out[ours + 'affine.bias'] = Source(theirs + 'StyleMod/bias', 1, (0,))

    tf.add_mapping(out, names)
    blocks = tf.numbers(names, r'synthesis/([0-9]{1,5})x\1/.*')
    for r in blocks:
        ours, theirs, level = 'synthesis.b%d.' % r, 'synthesis/%dx%d/' % (r, r), max(r.bit_length() - 3, 0)
        if r == 4:
            layer(ours + 'input.', theirs + 'Const/', 0, convolution=False)
        else:
            layer(ours + 'conv0.', theirs + 'Conv0_up/', 2 * level, stylegan1.upsampling(r, fused))
            out[ours + 'conv0.blur_filter'] = Source('blur_filter', 2, (0, 1))
        layer(ours + 'conv1.', theirs + ('Conv/' if r == 4 else 'Conv1/'), 2 * level + 1)
    last = 'synthesis.b%d.torgb.' % max(blocks, default=4)
    out[last + 'weight'] = Source('synthesis/ToRGB_lod0/weight', 4, (3, 2, 0, 1))
    out[last + 'bias'] = Source('synthesis/ToRGB_lod0/bias', 1, (0,))
    return out


def convert(f):
    networks = tf.networks_of(f)
    variables = tf.variables_of(f, networks)
    version = f.plain(networks['']['version']) if 'version' in networks[''] else None
    if type(version) is not int or version < 2:
        raise Refused('%s: a Network of version %s, expected 2 or later' % (f.name, shown(version)))
    tf.check_components(f, networks, ('G_synthesis',))
    tf.check_lod(f, variables)
    settings = _settings(f, networks)
    sources = _layers(variables, settings['fused_scale'])
    tf.check_spare(f, variables, sources, 'StyleGAN1', r'synthesis/(ToRGB_lod[1-9][0-9]?/(weight|bias)|lod)')
    variables['blur_filter'] = _blur(f, settings['blur_filter'])
    found = {n: a.shape for n, a in variables.items()}
    c, out = stylegan1.translated(f, sources, found, lambda n: tf.floats(f, variables[n], n))
    c.norm_eps, c.cutoff = stylegan1.NORM_EPS['tensorflow'], settings['truncation_cutoff']
    c.mapping_lr_multiplier = stylegan2.positive(settings['mapping_lrmul'], 'mapping_lrmul', f.name)
    c.stated = ('conv_clamp', 'mapping_lr_multiplier')
    used = {s.name for s in sources.values()}
    return c, out, [n for n in variables if n not in used and n != 'blur_filter']


listing = tf.listing
