"""The .pkl of stylegan2-ada-pytorch, and of stylegan3's code for a StyleGAN2 (torch_utils/persistence.py, training/networks*.py).

G_ema is a tree of persistent objects: the call _reconstruct_persistent_obj with one dictionary that holds the class's name, its
Python source (read by nobody here) and the module's attributes.  Tensors have the project's own names; the two numbers that
shapes cannot tell are attributes, and so is every setting that would make it another network: those are checked.
"""
import re

import plainpickle
import stylegan2
import symbolic
from errors import Refused, quoted, shown

NAME = 'stylegan2-ada-pytorch or stylegan3 pickle of a StyleGAN2'
PERSISTENT = 'torch_utils.persistence._reconstruct_persistent_obj'
GLOBALS = plainpickle.NUMPY | {PERSISTENT, plainpickle.STORAGE, 'dnnlib.util.EasyDict'}
_DEPTH, _COUNT = 6, 4096                # synthesis.b8.conv0.affine is the deepest; 11 blocks have 101 modules

# The class of a module, and what its attributes must be.  A generator with another one is a variant.
_CLASSES = (
    (r'', 'Generator', {}),
    (r'mapping', 'MappingNetwork', {}),
    (r'mapping\.embed', 'FullyConnectedLayer', {'activation': 'linear', 'bias_gain': 1}),
    (r'mapping\.fc[0-9]+', 'FullyConnectedLayer', {'activation': 'lrelu'}),
    (r'synthesis', 'SynthesisNetwork', {}),
    (r'synthesis\.b[0-9]+', 'SynthesisBlock', {}),
    (r'synthesis\.b[0-9]+\.skip', 'Conv2dLayer', {'activation': 'linear', 'up': 2}),
    (r'synthesis\.b[0-9]+\.conv0', 'SynthesisLayer', {'activation': 'lrelu', 'up': 2, 'use_noise': True}),
    (r'synthesis\.b[0-9]+\.conv1', 'SynthesisLayer', {'activation': 'lrelu', 'up': 1, 'use_noise': True}),
    (r'synthesis\.b[0-9]+\.torgb', 'ToRGBLayer', {}),
    (r'synthesis\.b[0-9]+\.(conv[01]|torgb)\.affine', 'FullyConnectedLayer', {'activation': 'linear', 'bias_gain': 1}),
)


def match(f):
    return f.kind == 'pickle' and isinstance(f.root, dict) and _is_object(f.root.get('G_ema'))


def _is_object(node):
    return isinstance(node, symbolic.Call) and node.name == PERSISTENT


def _modules(f):
    """{path: (class name, attributes)} of G_ema and everything below it."""
    out, todo = {}, [('', f.root['G_ema'])]
    while todo:
        path, node = todo.pop()
        where = '%s: G_ema%s' % (f.name, path and '.' + path)
        meta = plainpickle.table(node.args[0]) if _is_object(node) and len(node.args) == 1 else None
        state = plainpickle.table(meta.get('state')) if meta else None
        if state is None or meta.get('type') != 'class' or not isinstance(meta.get('class_name'), str):
            raise Refused('%s: a stylegan2-ada-pytorch or StyleGAN3 pickle, but no persistent object with a class and a state' % where)
        if meta.get('version') != 6 or not all(isinstance(state.get(k), dict) for k in ('_parameters', '_buffers', '_modules')):
            raise Refused('%s: a persistent object of an unknown form (version %s, expected 6)' % (where, shown(meta.get('version'))))
        out[path] = meta['class_name'], state
        for name, child in state['_modules'].items():
            if not isinstance(name, str):
                raise Refused('%s: a module without a name' % where)
            if child is not None:
                below = '%s.%s' % (path, name) if path else name
                if len(out) + len(todo) > _COUNT or below.count('.') >= _DEPTH:
                    raise Refused('%s: more modules, or deeper ones, than a StyleGAN2 has' % where)
                todo.append((below, child))
    return out


def _tensors(f, modules):
    out = {}
    for path, (_, state) in modules.items():
        for group in ('_parameters', '_buffers'):
            for name, node in state[group].items():
                if node is not None:
                    ours = '%s.%s' % (path, name) if path else str(name)
                    t = f.tensor(node)
                    if t is None:
                        raise Refused('%s: G_ema.%s is no tensor' % (f.name, quoted(ours)))
                    out[ours] = t
    return out


def _check_variant(f, modules):
    """Refuse what the network of this project does not compute, by the name that its own code gives it."""
    if 'synthesis.input' in modules:
        raise Refused('%s: a StyleGAN3 generator (%s): not supported yet' % (f.name, quoted(modules['synthesis.input'][0])))
    for path, (kind, state) in modules.items():
        known = next((c for c in _CLASSES if re.fullmatch(c[0], path)), None)
        if known is None or kind != known[1]:
            raise Refused('%s: G_ema.%s is a %s: a variant that is not supported' % (f.name, path, quoted(kind)))
        for key, need in known[2].items():
            value = f.plain(state.get(key))
            if type(value) not in (type(need), float) or value != need:
                raise Refused('%s: G_ema.%s: %s is %s, expected %r: a variant that is not supported'
                              % (f.name, path, key, shown(value), need))


def _one(f, modules, pattern, key, positive=True):
    """The attribute that all modules whose path matches have in common."""
    paths = [p for p in sorted(modules) if re.fullmatch(pattern, p)]
    values = [(p, f.plain(modules[p][1].get(key, ''))) for p in paths]
    for path, value in values:
        if positive and value is not None:
            stylegan2.positive(value, 'G_ema.%s: %s' % (path, key), f.name)
        if value != values[0][1]:
            raise Refused('%s: G_ema.%s: %s is %s, G_ema.%s has %s: a variant that is not supported'
                          % (f.name, path, key, shown(value), values[0][0], shown(values[0][1])))
    return values[0][1]


def convert(f):
    modules = _modules(f)
    _check_variant(f, modules)
    tensors = _tensors(f, modules)
    config, names, dropped = stylegan2.select({n: t.shape for n, t in tensors.items()}, f.name)
    if _one(f, modules, r'synthesis\.b[0-9]+', 'architecture', False) != config.architecture:
        raise Refused('%s: the blocks state another architecture than %s, which the tensors are of' % (f.name, config.architecture))
    config.conv_clamp = _one(f, modules, r'synthesis\.b[0-9]+\.(conv[01]|torgb)', 'conv_clamp')
    config.mapping_lr_multiplier = _one(f, modules, r'mapping\.fc[0-9]+', 'bias_gain')
    config.stated = ('conv_clamp', 'mapping_lr_multiplier')
    for path, key, fact in (('mapping', 'z_dim', config.z_dim), ('mapping', 'w_dim', config.w_dim), ('mapping', 'c_dim', config.c_dim),
                            ('mapping', 'num_ws', config.num_ws), ('synthesis', 'img_resolution', config.resolution), ('synthesis', 'img_channels', config.img_channels)):
        value = f.plain(modules[path][1].get(key))
        if value != fact:
            raise Refused('%s: G_ema.%s: %s is %s, the tensors say %s' % (f.name, path, key, shown(value), fact))
    return config, {n: f.numbers(tensors[n], n) for n in names}, dropped


def listing(f):
    return [(t.type, t.shape, n) for n, t in _tensors(f, _modules(f)).items()]
