"""The official TensorFlow pickles of StyleGAN2 and StyleGAN2-ADA: a tuple (G, D, Gs) of dnnlib.tflib.network.Network.

Sources: dnnlib/tflib/network.py and training/networks_stylegan2.py of NVlabs/stylegan2, legacy.py of stylegan2-ada-pytorch.
A Network is its state: settings in static_kwargs, components, and variables as a list of (name, NumPy array).  Gs, the moving
average, is read.  Dense weights are [in, out]; kernels are [h, w, in, out], those of up-sampling convolutions reversed in both
directions (TensorFlow flips them inside its operation); a style bias lacks the 1 that is added at run time.
"""
import re

import numpy as np

import plainpickle
import stylegan2
import symbolic
from errors import Refused, quoted, shown
from rename import Source, flipped

NAME = 'official TensorFlow pickle of StyleGAN2'
NETWORK = 'dnnlib.tflib.network.Network'
GLOBALS = plainpickle.NUMPY | {NETWORK, 'dnnlib.util.EasyDict'}

# Settings of G_main, G_mapping and G_synthesis that choose another network, with the value(s) of the one that is supported.
_MUST = {
    'normalize_latents': (True,), 'mapping_nonlinearity': ('lrelu',), 'nonlinearity': ('lrelu',),
    'use_noise': (True,), 'mapping_func': ('G_mapping',), 'synthesis_func': ('G_synthesis_stylegan2', 'G_synthesis', 'G_synthesis_stylegan_revised'),
    'architecture': ('orig', 'skip', 'resnet'),
}
# Settings that follow from the tensors, or matter to training and to the TensorFlow program only.
_FREE = {
    'label_size', 'latent_size', 'dlatent_size', 'mapping_layers', 'mapping_fmaps', 'num_channels', 'resolution', 'fmap_base', 'fmap_decay',
    'fmap_min', 'fmap_max', 'label_fmaps', 'truncation_psi', 'truncation_cutoff', 'truncation_psi_val', 'truncation_cutoff_val',
    'dlatent_avg_beta', 'w_avg_beta', 'style_mixing_prob', 'dlatent_broadcast', 'randomize_noise', 'dtype', 'fused_modconv', 'num_fp16_res', 'structure',
    'is_training', 'is_validation', 'is_template_graph', 'return_dlatents',
}
_READ = {'mapping_lrmul', 'conv_clamp', 'resample_kernel'}
_DEPTH, _COUNT = 3, 64                  # Gs has two components; neither has any


def match(f):
    return (f.kind == 'pickle' and isinstance(f.root, tuple) and len(f.root) == 3
            and all(isinstance(n, symbolic.Call) and n.name == NETWORK for n in f.root))


def _state(f, node, name):
    state = plainpickle.table(node.state) if isinstance(node, symbolic.Call) and node.name == NETWORK else None
    if state is None or not isinstance(state.get('variables'), list) or plainpickle.table(state.get('static_kwargs')) is None \
            or plainpickle.table(state.get('components', {})) is None:
        raise Refused('%s: a TensorFlow pickle of StyleGAN1 or 2, but %s is no Network with static_kwargs, components and variables'
                      % (f.name, name))
    return state


def networks_of(f):
    """{prefix: state} of Gs ('') and its components ('mapping/', 'synthesis/')."""
    out, todo = {}, [('', f.root[2], 0)]
    while todo:
        prefix, node, depth = todo.pop()
        if depth > _DEPTH or len(out) + len(todo) > _COUNT:
            raise Refused('%s: more components, or deeper ones, than a generator has' % f.name)
        state = out[prefix] = _state(f, node, 'Gs/' + prefix)
        for name, child in plainpickle.table(state.get('components', {})).items():
            todo.append((prefix + '%s/' % (name,), child, depth + 1))
    return out


def variables_of(f, networks):
    out = {}
    for prefix, state in networks.items():
        for pair in state['variables']:
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)):
                raise Refused('%s: Gs/%s: a variable is no pair of a name and an array' % (f.name, prefix))
            a = f.array(pair[1])
            if a is None:
                raise Refused('%s: variable %s is no NumPy array' % (f.name, quoted(prefix + pair[0])))
            if prefix + pair[0] in out:
                raise Refused('%s: variable %s appears twice' % (f.name, quoted(prefix + pair[0])))
            out[prefix + pair[0]] = a
    return out


def mentions(f, part):
    """Does a variable of Gs or its components have a name with this part?  Files that are damaged: no."""
    try:
        return any(part in n for n in variables_of(f, networks_of(f)))
    except Refused:
        return False


def check_components(f, networks, functions):
    for prefix in ('mapping/', 'synthesis/'):
        if prefix not in networks:
            raise Refused('%s: Gs has no component %s' % (f.name, prefix[:-1]))
    function = networks['synthesis/'].get('build_func_name')
    if function not in functions:
        raise Refused('%s: Gs/synthesis is built by %s, expected %s' % (f.name, shown(function), ' or '.join(functions)))


def check_lod(f, variables):
    """A network that grew during training draws at full size only when this is 0."""
    for name in ('lod', 'synthesis/lod'):
        if name in variables and not (variables[name].size == 1 and float(variables[name].reshape(-1)[0]) == 0):
            raise Refused('%s: variable %s is not 0: the network is not grown to its full size' % (f.name, quoted(name)))


def check_spare(f, variables, sources, what, unread):
    used = {s.name for s in sources.values()}
    spare = [n for n in variables if n not in used and n.startswith(('mapping/', 'synthesis/')) and not re.fullmatch(unread, n)]
    if spare:
        raise Refused('%s: variable %s is no part of a %s: a variant that is not supported' % (f.name, quoted(spare[0]), what))


def _check_network(f, networks):
    """Name the network when it is not the one that is supported."""
    version = f.plain(networks['']['version']) if 'version' in networks[''] else None
    if type(version) is not int or version < 4:
        raise Refused('%s: a Network of version %s, expected 4 or later (StyleGAN2)' % (f.name, shown(version)))
    check_components(f, networks, _MUST['synthesis_func'])


def _settings(f, networks):
    """The settings of all networks together; a component repeats those that reach it."""
    out = {}
    for prefix in sorted(networks):
        for key, value in plainpickle.table(networks[prefix]['static_kwargs']).items():
            value = f.plain(value)
            if key in ('conv_clamp', 'mapping_lrmul') and value is not None:
                stylegan2.positive(value, key, f.name)
            if key not in _MUST and key not in _FREE and key not in _READ:
                raise Refused('%s: Gs/%s: setting %s is unknown: a variant that is not supported' % (f.name, prefix, quoted(key)))
            if key in _MUST and not any(type(value) is type(v) and value == v for v in _MUST[key]):
                raise Refused('%s: Gs/%s: %s is %s, expected %s: not supported yet'
                              % (f.name, prefix, key, shown(value), ' or '.join(map(repr, _MUST[key]))))
            if key == 'resample_kernel':
                value = _filter(f, value)
            if key in _READ and key in out and not np.array_equal(out[key], value):
                raise Refused('%s: Gs/%s: %s is stated in two ways' % (f.name, prefix, key))
            out[key] = value
    return out


def _filter(f, kernel):
    """upfirdn_2d.py: outer product of a list, divided by the sum."""
    k = f.array(kernel)
    if k is None and isinstance(kernel, (list, tuple, type(None))):
        taps = [f.plain(v) for v in ((1, 3, 3, 1) if kernel is None else kernel)[:stylegan2.FILTER_MAX + 1]]
        k = np.array(taps if len(taps) <= stylegan2.FILTER_MAX and all(type(v) in (int, float) for v in taps) else [], np.float64)
    if k is None or k.dtype.kind not in 'fiu' or k.ndim not in (1, 2) or not 1 <= min(k.shape) or max(k.shape) > stylegan2.FILTER_MAX \
            or not abs(k.astype(np.float64).sum()) > 1e-6:
        raise Refused('%s: resample_kernel: expected at most %d numbers a side' % (f.name, stylegan2.FILTER_MAX))
    k = k.astype(np.float64)
    k = np.outer(k, k) if k.ndim == 1 else k
    return k / k.sum()


def _plus_one(a):
    return a.astype(np.float64) + 1                     # rounded once, by Source


def _layers(names):
    """{our name: Source}.  Which numbers there are comes from the file; `stylegan2.derive` finds gaps."""
    out = {'mapping.w_avg': Source('dlatent_avg', 1, (0,)), 'synthesis.b4.const': Source('synthesis/4x4/Const/const', 4, (1, 2, 3))}

    def layer(ours, theirs, change=None, noise=None):
        out[ours + 'weight'] = Source(theirs + 'weight', 4, (3, 2, 0, 1), change)
        out[ours + 'bias'] = Source(theirs + 'bias', 1, (0,))
        out[ours + 'affine.weight'] = Source(theirs + 'mod_weight', 2, (1, 0))
        out[ours + 'affine.bias'] = Source(theirs + 'mod_bias', 1, (0,), _plus_one)
        if noise is not None:
            out[ours + 'noise_strength'] = Source(theirs + 'noise_strength', 0, ())
            out[ours + 'noise_const'] = Source('synthesis/noise%d' % noise, 4, (2, 3))

    add_mapping(out, names)
    for r in numbers(names, r'synthesis/([0-9]{1,5})x\1/.*'):
        block, theirs, level = 'synthesis.b%d.' % r, 'synthesis/%dx%d/' % (r, r), r.bit_length() - 1
        if r == 4:
            layer(block + 'conv1.', theirs + 'Conv/', noise=0)
        else:
            layer(block + 'conv0.', theirs + 'Conv0_up/', flipped, 2 * level - 5)
            layer(block + 'conv1.', theirs + 'Conv1/', noise=2 * level - 4)
            filters = ['conv0.resample_filter']
            if theirs + 'Skip/weight' in names:
                out[block + 'skip.weight'] = Source(theirs + 'Skip/weight', 4, (3, 2, 0, 1), flipped)
                filters.append('skip.resample_filter')
            elif theirs + 'ToRGB/weight' in names and 'synthesis/4x4/ToRGB/weight' in names:
                filters.append('resample_filter')
            for name in filters:
                out[block + name] = Source('resample_kernel', 2, (0, 1))
        if theirs + 'ToRGB/weight' in names:
            layer(block + 'torgb.', theirs + 'ToRGB/')
    if 'synthesis/ToRGB_lod0/weight' in names:            # configs A to D: grown, so one a size; this one draws the last
        layer('synthesis.b%d.torgb.' % max(numbers(names, r'synthesis/([0-9]{1,5})x\1/.*'), default=4), 'synthesis/ToRGB_lod0/')
    return out


def add_mapping(out, names):
    """LabelConcat has no bias; LabelEmbed (stylegan2-ada) has."""
    for i in numbers(names, r'mapping/Dense([0-9]{1,2})/weight'):
        out['mapping.fc%d.weight' % i] = Source('mapping/Dense%d/weight' % i, 2, (1, 0))
        out['mapping.fc%d.bias' % i] = Source('mapping/Dense%d/bias' % i, 1, (0,))
    for name in ('mapping/LabelConcat/', 'mapping/LabelEmbed/'):
        if name + 'weight' in names:
            out['mapping.embed.weight'] = Source(name + 'weight', 2, (1, 0))
    if 'mapping/LabelEmbed/weight' in names:
        out['mapping.embed.bias'] = Source('mapping/LabelEmbed/bias', 1, (0,))


def numbers(names, pattern):
    return sorted({int(m.group(1)) for m in (re.fullmatch(pattern, n) for n in names) if m})


def convert(f):
    networks = networks_of(f)
    variables = variables_of(f, networks)
    _check_network(f, networks)
    check_lod(f, variables)
    settings = _settings(f, networks)
    sources = _layers(variables)
    check_spare(f, variables, sources, 'StyleGAN2', r'synthesis/(ToRGB_lod[1-9][0-9]?/.*|lod)')
    variables['resample_kernel'] = settings['resample_kernel'] if 'resample_kernel' in settings else _filter(f, None)

    found = {n: a.shape for n, a in variables.items()}
    config, out, dropped = stylegan2.translated(f, sources, found, lambda n: floats(f, variables[n], n))
    stated = settings.get('architecture', config.architecture)
    if stated != config.architecture and 'synthesis/ToRGB_lod0/weight' not in variables:
        raise Refused('%s: architecture is %s, the variables are those of %s' % (f.name, shown(stated), config.architecture))
    config.conv_clamp = settings.get('conv_clamp')
    if settings.get('mapping_lrmul') is not None:
        config.mapping_lr_multiplier = settings['mapping_lrmul']
    config.stated = ('conv_clamp', 'mapping_lr_multiplier')
    return config, out, [n for n in dropped if n != 'resample_kernel']


def floats(f, a, name):
    if a.dtype.kind != 'f':
        raise Refused('%s: variable %s: expected floating point, found %s' % (f.name, quoted(name), a.dtype))
    return f.float32(a, name)


def listing(f):
    return [(a.dtype, a.shape, n) for n, a in variables_of(f, networks_of(f)).items()]
