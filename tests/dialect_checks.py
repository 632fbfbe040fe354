"""The checks of test_dialects.sh.  Last line "N passed, N failed, N skipped"; exit 1 when one failed.

tests/golden/dialect_* were written by the programs that they belong to, dialects_want.safetensors holds what those drew in
float64 (make_dialects.py names the judges).  Hostile and odd files are made here.
"""
import copy
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zlib

import numpy as np

import convert_files
import tf_network
import tf_pickle
from convert_files import (GOLDEN, NIGHTLY, ROOT, Name, Pid, Raw, Reduce, attempt, check, convert, count, emit, expect, file, legacy_bytes,
                           lift_limit, pickled, run, tensor, torch_legacy, torch_zip)
import safetensors                              # the converter's writer; found through convert_files
from tf_pickle import EasyDict, Network

TMP = convert_files.TMP = os.path.join(ROOT, 'build', 'tmp', 'dialects')
NAMES = {'ada': 'ada.pkl', 'sg3': 'sg3.pkl', 'adares': 'adares.pkl', 'adaorig': 'adaorig.pkl', 'ros': 'ros.pt', 'trained': 'trained.pt',
         'lern': 'stylegan1_b/g.for_g_all.pt', 'tf1': 'tf1.pkl', 'tf1f': 'tf1f.pkl', 'tf': 'tf.pkl', 'tfres': 'tfres.pkl', 'tflod': 'tflod.pkl', 'tfembed': 'tfembed.pkl'}
CLASS = {'adares': 2, 'tfres': 1, 'tfembed': 1, 'tf1f': 1}         # of the conditional ones


def golden(name):
    return os.path.join(GOLDEN, 'dialect_' + name)


# ---- 1. the picture of the program that the file came from -------------------------------------------------------------

def read_safetensors(path):
    with open(path, 'rb') as f:
        data = f.read()
    n = struct.unpack_from('<Q', data)[0]
    head, kinds = json.loads(data[8:8 + n]), {'F32': '<f4', 'F64': '<f8', 'U8': '|u1', 'I64': '<i8'}
    head.pop('__metadata__', None)
    return {k: np.frombuffer(data[8 + n + t['data_offsets'][0]:8 + n + t['data_offsets'][1]], kinds[t['dtype']]).reshape(t['shape'])
            for k, t in head.items()}


def read_png(path):
    """An 8-bit grey, RGB or palette PNG (its indices) as (h, w, channels); the PNG specification's filters."""
    with open(path, 'rb') as f:
        data = f.read()
    at, packed = 8, b''
    while at < len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        if kind == b'IHDR':
            w, h, bits, colour = struct.unpack_from('>IIBB', data, at + 8)
        elif kind == b'IDAT':
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    c = {0: 1, 2: 3, 3: 1}[colour]
    assert bits == 8
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(h, 1 + c * w)
    out = np.zeros((h + 1, c * w + c), int)
    for y in range(h):
        for x in range(c, c * w + c):
            left, up, corner = out[y + 1, x - c], out[y, x], out[y, x - c]
            p = left + up - corner
            paeth = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            out[y + 1, x] = (rows[y, x - c + 1] + (0, left, up, (left + up) // 2, paeth)[rows[y, 0]]) & 255
    return out[1:, c:].reshape(h, w, c)


def off(meta, tensors, want, class_id=None):
    """How far the program's drawing of a converted generator is from the judge's: (levels, worst of w and taps in parts of their
    largest number).  (inf, inf) when it refuses to draw."""
    path, out = os.path.join(TMP, 'drawn.safetensors'), os.path.join(TMP, 'drawn')
    safetensors.write(path, meta, tensors, force=True)
    shutil.rmtree(out, ignore_errors=True)
    p = subprocess.run([PROGRAM, 'generate', '--generator', path, '--seeds', '5', '--psi', '0.7', '--noise', 'const', '--kernels', 'ref',
                        '--threads', '1', *(['--class', str(class_id)] if class_id is not None else []), '--out', out, '--taps', out + '/taps.safetensors', '--save-w', out + '/w.npy'],
                       capture_output=True, text=True, preexec_fn=lift_limit)
    if p.returncode:
        return np.inf, np.inf, p.stderr
    levels = np.abs(read_png(out + '/seed0005.png') - want['uint8'].astype(int)).max()
    pairs, taps = [(np.load(out + '/w.npy')[0], want['w'][None])], read_safetensors(out + '/taps.safetensors')
    pairs += [(taps[k[4:]][0], a) for k, a in want.items() if k.startswith('tap.')]
    assert len(pairs) == len(taps)              # w beside the maps; the seeds are a tensor, too
    return levels, max(np.abs(got - a).max() / np.abs(a).max() for got, a in pairs), ''


WANT, LEVELS, PARTS = {}, 1, 6e-7


def good(result):
    return result[0] <= LEVELS and result[1] <= PARTS


def test_pictures():
    every = {k: a for part in ('dialects', 'dialects1') for k, a in read_safetensors(os.path.join(GOLDEN, part + '_want.safetensors')).items()}
    for name, path in NAMES.items():
        want = WANT[name] = {k[len(name) + 1:]: a for k, a in every.items() if k.startswith(name + '.')}
        said = attempt(golden(path))
        check(said == '', '%s converts: %s' % (path, said))
        meta, tensors, notes = convert.convert(golden(path))
        result = off(meta, tensors, want, CLASS.get(name))
        check(good(result), "dialect_%s: the original's picture: %s levels, w and taps within %.2g %s" % ((path,) + result))
        print('%-8s worst %d level(s), w and maps within %.1e of their largest number' % ((name,) + result[:2]))
        check(not any('conv_clamp' in n for n in notes), '%s: nothing is asked about conv_clamp' % name)
        estimated = [n for n in notes if 'w_avg' in n]
        check(len(estimated) == (name == 'trained') and ('w_avg' in meta) == (name in ('trained', 'lern')),
              '%s: an estimated mean is said once, and only then' % name)
        numbers = (meta.get('conv_clamp', 'eps ' + meta.get('norm_eps', '')), meta['mapping_lr_multiplier'])
        need = {'ada': ('2.75', '0.02'), 'adares': ('1.5', '0.01'), 'lern': ('eps 1e-05', '0.01'), 'tf1': ('eps 1e-08', '0.01'), 'tf1f': ('eps 1e-08', '0.01')}
        check(numbers == need.get(name, ('3.5', '0.01') if name.startswith('tf') else ('none', '0.01')), '%s: conv_clamp, lr_multiplier %s' % (name, numbers))
    meta, tensors, _ = convert.convert(golden('e4e.pt'))
    _, other, _ = convert.convert(golden('ros.pt'))
    check(tensors.keys() == other.keys() and all(tensors[k].tobytes() == other[k].tobytes() for k in other),
          'the decoder of e4e is the network of ros')


def spoil(name, meta, tensors, want, class_id, keys, moved=False):
    """Each tensor of `keys` set to zero, or also one number of it moved, shows in the picture."""
    least = (np.inf, '')
    for key in keys:
        for zero in (True, False)[:1 + moved]:
            spoilt = dict(tensors, **{key: tensors[key] * np.float32(not zero)})
            if not zero:
                a = spoilt[key] = np.array(tensors[key])
                a[(-1,) * a.ndim] += 2 * np.sqrt(np.mean(a**2))
            result = off(meta, spoilt, want, class_id)
            check(not good(result), '%s: %s %s goes unnoticed' % (name, key, 'zeroed' if zero else 'with one number moved'))
            least = min(least, (max(result[0] / LEVELS, result[1] / PARTS), key))
    print('%-18s %d tensors; the least visible, %s, is %.0f limits off' % (name, len(keys), least[1], least[0]))


def test_every_tensor():
    """A file of which one tensor is zero, or one number moved, no longer draws the picture."""
    for name in NAMES if NIGHTLY else ('ada', 'sg3', 'ros', 'tf1f'):
        meta, tensors, _ = convert.convert(golden(NAMES[name]))
        spoil(name, meta, tensors, WANT[name], CLASS.get(name), tensors, name == 'ros')


def test_pairs():
    """Every architecture with every form of a class, from TensorFlow; the same numbers as stylegan2-ada-pytorch keeps them are the same
    network.  By day, of each file the tensors are zeroed that a class adds or another architecture lacks."""
    for architecture, grown in (('skip', False), ('orig', False), ('resnet', False), ('orig', True)):
        for label in (None, 'LabelConcat', 'LabelEmbed'):
            name = '%s, %s' % ('ToRGB_lod' if grown else architecture, label or 'no class')
            *networks, v = tf_network.networks(architecture, label, grown, 41)
            path = file('pair.pkl', tf_pickle.dumps(tuple(networks), 4))
            said = attempt(path)
            check(said == '', '%s converts: %s' % (name, said))
            if said:
                continue
            _, w, taps, img = tf_network.draw(v)
            want = {'tap.' + k: t[0] for k, t in taps.items()}
            want.update(w=w[0], uint8=np.clip(img[0].transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8))
            check(20 < want['uint8'].std() < 110, '%s: a picture that shows something: %.0f' % (name, want['uint8'].std()))
            meta, tensors, _ = convert.convert(path)
            class_id = tf_network.CLASS if label else None
            result = off(meta, tensors, want, class_id)
            check(good(result), "%s: the judge's picture: %s levels, w and taps within %.2g %s" % ((name,) + result))
            own = [k for k in tensors if 'embed' in k or '.skip.' in k or 'torgb' in k or '16.resample' in k]
            spoil(name, meta, tensors, want, class_id, tensors if NIGHTLY else own)
            if label != 'LabelConcat':
                path = ada_file(ada_tree(meta, tensors))
                said = attempt(path)
                got = convert.convert(path)[:2] if said == '' else ({}, {})
                check(got[1].keys() == tensors.keys() and all(got[1][k].tobytes() == tensors[k].tobytes() for k in tensors)
                      and all(got[0][k] == meta[k] for k in meta if not k.startswith('source')), '%s: as a snapshot: %s' % (name, said))


# ---- 2. TensorFlow pickles ---------------------------------------------------------------------------------------------

def tf_networks(order='C', path='tf.pkl'):
    """(G, D, Gs) once more from the golden's numbers."""
    from dialects import stylegan2_tf as dialect
    f = convert.load(golden(path))
    networks = dialect.networks_of(f)

    def network(prefix, name, components=None):
        state = networks[prefix]
        kwargs = {k: f.plain(v) for k, v in dict(state['static_kwargs']).items()}
        variables = [(n, np.array(f.array(a), order=order) if f.array(a).ndim else np.float32(f.array(a))) for n, a in state['variables']]
        made = Network(name, state['build_func_name'], variables, components, **kwargs)
        made.version = state['version']
        return made
    gs = network('', 'Gs', EasyDict(mapping=network('mapping/', 'G_mapping'), synthesis=network('synthesis/', 'G_synthesis')))
    return copy.deepcopy(gs), Network('D', 'D_stylegan2', []), gs


def test_tf_forms():
    _, want, _ = convert.convert(golden('tf.pkl'))
    for order in 'CF':
        root = tf_networks(order)
        for protocol in (2, 3, 4, 5):
            for core in ('numpy.core', 'numpy._core'):
                path, what = file('tf.pkl', tf_pickle.dumps(root, protocol, core)), 'protocol %d, %s, order %s' % (protocol, core, order)
                said = attempt(path)
                got = convert.convert(path)[1] if said == '' else {}
                check(got.keys() == want.keys() and all(got[k].tobytes() == want[k].tobytes() for k in want), 'TensorFlow, %s: %s' % (what, said))


def set_kwargs(**kwargs):
    return lambda g: [n.static_kwargs.update(kwargs) for n in (g, g.components['mapping'], g.components['synthesis'])]


def variable(part, name, value):
    """Add, replace or (None) remove a variable of a component."""
    def change(g):
        n = g.components[part] if part else g
        n.variables = [v for v in n.variables if v[0] != name] + ([] if value is None else [(name, value)])
    return change


def attribute(part, **values):
    return lambda g: (g.components[part] if part else g).__dict__.update(values)


def test_tf_refused():
    one, deep = np.ones((1, 1), np.float32), []
    deep.extend([deep] * 10)                    # a list inside itself, ten times
    cases = (
        (set_kwargs(architecture='resnet'), "architecture is 'resnet'"), (set_kwargs(architecture='orig'), 'orig'),
        (set_kwargs(architecture='other'), 'other'),
        (set_kwargs(normalize_latents=False), 'normalize_latents'), (set_kwargs(nonlinearity='relu'), 'nonlinearity'),
        (set_kwargs(use_noise=False), 'use_noise'),
        (set_kwargs(surprise=1), "setting 'surprise' is unknown"), (set_kwargs(conv_clamp=-1), 'conv_clamp: expected a positive'),
        (set_kwargs(mapping_lrmul='x'), 'mapping_lrmul: expected a positive'),
        (set_kwargs(resample_kernel=[1, -1]), 'resample_kernel'),
        (set_kwargs(resample_kernel=[1] * 99), 'resample_kernel'), (set_kwargs(resample_kernel=[]), 'resample_kernel'),
        (set_kwargs(resample_kernel=deep), 'resample_kernel'), (set_kwargs(resample_kernel=[deep]), 'resample_kernel'),
        (set_kwargs(resample_kernel=np.ones((2, 0), np.float32)), 'resample_kernel'),
        (set_kwargs(architecture=deep), 'architecture is a list'), (set_kwargs(conv_clamp=deep), 'found a list'),
        (set_kwargs(resample_kernel='1331'), 'resample_kernel'),
        (lambda g: g.components['mapping'].static_kwargs.update(conv_clamp=7.0), 'two ways'),
        (attribute('', version=3), 'version'), (attribute('', version='4'), 'version'),
        (attribute('', variables=3), 'no Network'), (attribute('synthesis', static_kwargs=3), 'no Network'),
        (attribute('synthesis', build_func_name='G_synthesis_of_mine'), 'G_synthesis_of_mine'), (variable('synthesis', 'lod', np.float32(1)), 'not 0'),
        (attribute('', components=EasyDict()), 'no component mapping'),
        (variable('synthesis', '4x4/Conv/StyleMod/weight', one), 'expected G_synthesis'),
        (variable('synthesis', 'ToRGB_lod0/weight', one), '16x16/ToRGB/weight'),
        (variable('synthesis', '8x8/Skip/weight', one), 'Skip/weight'), (variable('mapping', 'LabelConcat/weight', one), 'as many as z has'),
        (variable('mapping', 'LabelEmbed/weight', one), 'LabelEmbed/bias'), (variable('synthesis', '4x4/ToRGB/weight', None), '4x4/ToRGB/mod_weight'),
        (variable('synthesis', '8x8/Attention/weight', one), 'no part of a StyleGAN2'),
        (variable('', 'dlatent_avg', None), "'dlatent_avg' is missing"),
        (variable('synthesis', '8x8/Conv1/weight', one), 'expected 4 dimensions'),
        (variable('synthesis', '8x8/Conv1/bias', np.ones(3, np.float32)), 'expected shape [8]'),
        (variable('synthesis', '4x4/Const/const', np.ones((2, 10, 4, 4), np.float32)), 'of length 1'),
        (variable('synthesis', '8x8/Conv1/bias', np.ones(8, int)), 'floating point'),
        (variable('synthesis', '8x8/Conv1/bias', np.full(8, np.nan, np.float32)), 'not finite'),
        (variable('synthesis', '8x8/Conv1/bias', np.ones(8, '>f4')), 'not supported'),
        (variable('synthesis', '8x8/Conv1/bias', 'text'), 'no NumPy array'),
        (variable('synthesis', '8x8/Conv1/bias', np.ones(8, complex)), 'not supported'),
        (lambda g: g.components['mapping'].variables.append(g.components['mapping'].variables[0]), 'appears twice'),
        (lambda g: g.components['mapping'].variables.append(3), 'no pair'), (lambda g: g.components.update(mapping=3), 'no Network'),
        (lambda g: g.components.update(mapping=g), 'deeper'),
    )
    for change, part in cases:
        root = tf_networks()
        change(root[2])
        expect(file('tf.pkl', tf_pickle.dumps(root)), part, 'TensorFlow: %s' % part)
    data = tf_pickle.dumps(tf_networks(), 2)
    expect(file('tf.pkl', data + b'x'), '1 bytes after', 'TensorFlow: bytes after the pickle')
    for n in (10, 500, len(data) // 2, len(data) - 1):
        expect(file('tf.pkl', data[:n]), 'pickle', 'TensorFlow: cut at byte %d' % n)
    hostile = tf_networks()
    hostile[0].static_kwargs['x'] = tf_pickle.Call(os.system, ('touch %s/executed' % TMP,))
    expect(file('tf.pkl', tf_pickle.dumps(hostile)), 'posix.system', 'TensorFlow: os.system in the network that is not read')
    check(not os.path.exists(TMP + '/executed'), 'nothing was executed')

    def raw_array(shape, data, kind='f4', state=(3, '<', None, None, None, -1, -1, 0), parts=None):
        dtype = Raw(emit(Reduce(Name('numpy', 'dtype'), kind, False, True)) + emit(state) + b'b')
        return Raw(emit(Reduce(Name('numpy.core.multiarray', '_reconstruct'), Name('numpy', 'ndarray'),
        (0,), b'b')) + emit(parts or (1, shape, dtype, False, data)) + b'b')

    def raw_file(array):
        state = {'version': 4, 'static_kwargs': {}, 'components': {}, 'variables': [('x', array)]}
        network = Raw(emit(Name('dnnlib.tflib.network', 'Network')) + b')\x81' + emit(state) + b'b')
        return file('tf.pkl', pickled((network, network, network)))
    cases = ((raw_array((3,), b'1234'), 'has 4 bytes'), (raw_array((2**40, 2**40), b''), 'has 0 bytes'),
             (raw_array((-1,), b'1234'), 'impossible'),
             (raw_array((True,), b'1234'), 'impossible'), (raw_array((1,) * 9, b'1234'), 'impossible'),
             (raw_array('x', b'1234'), 'impossible'),
             (raw_array((1,), 5), 'impossible'), (raw_array((1,), b'1234', kind='O'), 'type that is not supported'),
             (raw_array((1,), b'1234', state=(3, '>')), 'not supported'),
             (raw_array((1,), b'1234', state=7), 'not supported'), (raw_array((1,), b'', parts=(1, 2)), 'unknown way'),
             (Reduce(Name('numpy.core.multiarray', 'scalar'), 1), 'unknown way'),
             (Reduce(Name('numpy.core.numeric', '_frombuffer'), b'', 1), 'unknown way'),
             (Reduce(Name('numpy.core.multiarray', 'fromfile'), '/etc/passwd'), 'fromfile'))
    for array, part in cases:
        expect(raw_file(array), part, 'NumPy array: %s' % part)
    network = Reduce(Name('dnnlib.tflib.network', 'Network'))
    expect(file('tf.pkl', pickled((network, network, network))), 'TensorFlow pickle', 'Networks without a state')
    loop = Raw(emit(Name('dnnlib.tflib.network', 'Network')) + b')\x81q\x07' + emit(
        {'version': 4, 'static_kwargs': {}, 'variables': [], 'components': {'a': Raw(b'h\x07'), 'b': Raw(b'h\x07')}}) + b'b')
    expect(file('tf.pkl', pickled((loop, loop, loop))), 'deeper', 'a Network inside itself')


# ---- 3. persistent objects ---------------------------------------------------------------------------------------------

def ada_modules():
    """{path: [class, attributes, parameters]} of an 8x8 grey StyleGAN2 of 2 channels."""
    m = {'': ['Generator', {}, {}], 'mapping': ['MappingNetwork', {'c_dim': 0, 'z_dim': 2, 'w_dim': 3, 'num_ws': 4}, {'w_avg': (3,)}],
         'mapping.fc0': ['FullyConnectedLayer', {'activation': 'lrelu', 'bias_gain': 0.01}, {'weight': (3, 2), 'bias': (3,)}],
         'synthesis': ['SynthesisNetwork', {'img_resolution': 8, 'img_channels': 1}, {}]}

    def layer(path, kind, k, out, noise):
        m[path] = [kind, {'activation': 'lrelu', 'up': 1 + path.endswith('conv0'), 'use_noise': True, 'conv_clamp': 5},
                   {'weight': (out, 2, k, k), 'bias': (out,)}]
        m[path + '.affine'] = ['FullyConnectedLayer', {'activation': 'linear', 'bias_gain': 1}, {'weight': (2, 3), 'bias': (2,)}]
        if noise:
            m[path][2].update(noise_const=(noise, noise), noise_strength=(), resample_filter=(4, 4))
    for r in (4, 8):
        m['synthesis.b%d' % r] = ['SynthesisBlock', {'architecture': 'skip'}, {'resample_filter': (4, 4), **({'const': (2, 4, 4)} if r == 4 else {})}]
        for conv in ('conv0', 'conv1')[r == 4:]:
            layer('synthesis.b%d.%s' % (r, conv), 'SynthesisLayer', 3, 2, r)
        layer('synthesis.b%d.torgb' % r, 'ToRGBLayer', 1, 1, 0)
    return m


def ada_tree(meta, tensors):
    """The modules of stylegan2-ada-pytorch that hold a converted generator's tensors."""
    kinds = {'': 'Generator', 'mapping': 'MappingNetwork', 'fc': 'FullyConnectedLayer', 'embed': 'FullyConnectedLayer', 'affine': 'FullyConnectedLayer',
             'synthesis': 'SynthesisNetwork', 'b': 'SynthesisBlock', 'conv': 'SynthesisLayer', 'torgb': 'ToRGBLayer', 'skip': 'Conv2dLayer'}
    m = {}
    for name, a in tensors.items():
        path = name.rpartition('.')[0]
        above = [path.rsplit('.', i)[0] for i in range(path.count('.') + 1)]
        for p in ['', *reversed(above)]:
            kind = kinds[p.rpartition('.')[2].rstrip('0123456789')]
            linear = p.endswith(('affine', 'embed', 'skip'))
            m.setdefault(p, [kind, {'activation': 'linear' if linear else 'lrelu', 'bias_gain': 1 if linear else float(meta['mapping_lr_multiplier']),
                                    'architecture': meta['architecture'], 'up': 2 if p.endswith(('conv0', 'skip')) else 1, 'use_noise': True,
                                    'conv_clamp': float(meta['conv_clamp'])}, {}])
        m[path][2][name.rpartition('.')[2]] = nested(a.shape, data=a)
    m['mapping'][1].update({k: int(meta[k]) for k in ('c_dim', 'z_dim', 'w_dim', 'num_ws')})
    m['synthesis'][1].update(img_resolution=int(meta['resolution']), img_channels=int(meta['img_channels']))
    return m


def nested(shape, root=None, seed=[0], data=None, **options):
    """A tensor, of random numbers or `data`, whose storage is a legacy torch file in a byte string."""
    n = int(np.prod(shape))
    seed[0] += 1
    data = (np.random.RandomState(seed[0]).rand(n) if data is None else data).astype('<f4').tobytes()
    root = Pid('storage', Name('torch', 'FloatStorage'), '0', 'cpu', n, None) if root is None else root
    t = tensor('0', shape)
    t.args = (Reduce(Name('torch.storage', '_load_from_bytes'), legacy_bytes(root, {'0': data}, **options)),) + t.args[1:]
    return t


def persistent(kind, state, **more):
    return Reduce(Name('torch_utils.persistence', '_reconstruct_persistent_obj'),
                  dict({'type': 'class', 'version': 6, 'module_src': 'raise SystemExit', 'class_name': kind, 'state': state}, **more))


def ada_file(modules, top=lambda g: {'G': None, 'D': None, 'G_ema': g}):
    def build(path):
        kind, attributes, shapes = modules[path]
        below = {p.rpartition('.')[2]: build(p) for p in modules if p and p.rpartition('.')[0] == path}
        tensors = {k: nested(s) if isinstance(s, tuple) else s for k, s in shapes.items()}
        return persistent(kind, dict(attributes, training=False, _parameters=tensors, _buffers={}, _modules=below))
    return file('ada.pkl', pickled(top(build(''))))


def test_ada_refused():
    path = ada_file(ada_modules())
    said = attempt(path)
    check(said == '', 'a pickle made by hand converts: %s' % said)
    if said == '':
        check(convert.convert(path)[0]['conv_clamp'] == '5', 'its conv_clamp')

    def at(path, **attributes):
        return lambda m: m[path][1].update(attributes)

    def kind(path, name):
        return lambda m: m[path].__setitem__(0, name)

    def spoilt(path, name, value):
        return lambda m: m[path][2].update({name: value})
    conv, fc = 'synthesis.b8.conv0', 'mapping.fc0'
    code = Reduce(Name('os', 'system'), 'true')
    cases = (
        (at('synthesis.b8', architecture='resnet'), "architecture is 'resnet'"),
        (at('synthesis.b4', architecture='orig'), "architecture is 'skip', G_ema.synthesis.b4 has 'orig'"),
        (at('mapping', c_dim=10), 'c_dim is'), (at('mapping', z_dim=5), 'z_dim is'),
        (at('synthesis', img_resolution=16), 'img_resolution is'),
        (at(conv, activation='relu'), 'activation is'), (at(conv, up=1), 'up is'), (at(conv, use_noise=False), 'use_noise is'),
        (at(conv, use_noise=1), 'use_noise is'),
        (at(conv, conv_clamp=6), 'conv_clamp is'), (at(conv, conv_clamp=-1), 'conv_clamp: expected a positive'),
        (at(conv, conv_clamp='x'), 'conv_clamp: expected a positive'),
        (at(conv, conv_clamp=None), 'conv_clamp is'), (at(fc, bias_gain=0), 'bias_gain: expected a positive'),
        (at(conv + '.affine', bias_gain=0.5), 'bias_gain is'),
        (lambda m: m[conv][1].pop('conv_clamp'), 'conv_clamp: expected a positive'),
        (lambda m: m[fc][1].pop('bias_gain'), 'bias_gain'),
        (kind(conv, 'FancyLayer'), "is a 'FancyLayer'"), (kind('', 'Discriminator'), "is a 'Discriminator'"),
        (lambda m: m.update({'synthesis.b8.attention': ['Attention', {}, {}]}), "is a 'Attention'"),
        (lambda m: m.update({'synthesis.input': ['SynthesisInput', {}, {}]}), 'StyleGAN3'),
        (lambda m: m.update({'mapping.embed': ['FullyConnectedLayer', {}, {}]}), 'embed: activation is'),
        (lambda m: m.pop('mapping'), 'mapping layers'), (lambda m: m.pop('synthesis.b8.torgb.affine'), 'torgb.affine.weight'),
        (lambda m: m[fc][2].pop('weight'), 'fc0.weight'),
        (lambda m: m.update({'synthesis.' + 'a.' * i + 'a': ['X', {}, {}] for i in range(9)}), 'deeper'),
        (spoilt(conv, 'weight', 5), 'is no tensor'), (spoilt(conv, 'weight', (2, 2, 3, 4)), 'expected shape'),
        (spoilt(conv, 'extra', (2,)), 'no part of a StyleGAN2'),
        (spoilt(conv, 'bias', nested((2,), magic=5)), 'wrong magic number'),
        (spoilt(conv, 'bias', nested((2,), tail=b'x')), '1 bytes after'),
        (spoilt(conv, 'bias', nested((2,), root=[Pid('storage', Name('torch', 'FloatStorage'), '0', 'cpu', 2, None), code])),
         'os.system'),
        (spoilt(conv, 'bias', nested((2,), root={})), 'belongs to no tensor'),
        (spoilt(conv, 'bias', nested((2,), root=[Pid('storage', Name('torch', 'FloatStorage'), '0', 'cpu', 2, None)])), 'holds no storage'),
        (spoilt(conv, 'bias', nested((2,), root=Pid('storage', Name('os', 'system'), '0', 'cpu', 2, None))), 'os.system'),
        (spoilt(conv, 'bias', nested((2,), root=Pid('storage', Name('torch', 'FloatStorage'), '0', 'cpu', 2**40, None))),
         'expected 1099511627776 numbers'),
        (spoilt(conv, 'bias', tensor('0', (2,))), 'outside of it'),
        (spoilt(conv, 'bias', Reduce(Name('torch._utils', '_rebuild_tensor_v2'), code, 0, (2,), (1,))), 'os.system'),
    )
    for change, part in cases:
        m = ada_modules()
        change(m)
        expect(ada_file(m), part, 'persistent objects: %s' % part)
    not_bytes = tensor('0', (2,))
    not_bytes.args = (Reduce(Name('torch.storage', '_load_from_bytes'), 'text'),) + not_bytes.args[1:]
    m = ada_modules()
    m[conv][2]['bias'] = not_bytes
    expect(ada_file(m), 'expected bytes', 'a storage from a text')
    empty = {'_parameters': {}, '_buffers': {}, '_modules': {}}
    for g, part in ((persistent('Generator', empty, version=7), 'version'),
                    (persistent('Generator', empty, type='function'), 'no persistent object'),
                    (persistent('Generator', {}), 'unknown form'), (persistent('Generator', 3), 'no persistent object'),
                    (persistent(3, empty), 'no persistent object'),
                    (Reduce(Name('torch_utils.persistence', '_reconstruct_persistent_obj')), 'no persistent object'),
                    (persistent('Generator', empty), 'missing')):
        expect(file('ada.pkl', pickled({'G_ema': g})), part if part != 'missing' else '', 'persistent objects: %s' % part)
    expect(ada_file(ada_modules(), lambda g: {'D': code, 'G_ema': g}), 'os.system', 'code beside G_ema')
    loop = Raw(b'c' + b'torch_utils.persistence\n_reconstruct_persistent_obj\n}q\x07' + b'(' + emit('_modules') + b'h\x07' + emit('_parameters')
               + b'}' + emit('_buffers') + b'}' + emit('state') + b'h\x07' + emit('version') + emit(6) + emit('type') + emit('class')
               + emit('class_name') + emit('X') + b'u\x85R')
    expect(file('ada.pkl', pickled({'G_ema': loop})), 'no persistent object', 'a state that is its own module list')
    with open(golden('ada.pkl'), 'rb') as f:
        data = f.read()
    expect(file('ada.pkl', data + b'x'), '1 bytes after', 'bytes after the pickle')
    for n in (10, 5000, len(data) // 2, len(data) - 1):
        expect(file('ada.pkl', data[:n]), 'pickle', 'cut at byte %d' % n)


# ---- 4. rosinality -----------------------------------------------------------------------------------------------------

def ros_shapes():
    """An 8x8 network of 2 channels in rosinality's names."""
    s = {'style.1.weight': (3, 3), 'style.1.bias': (3,), 'input.input': (1, 2, 4, 4)}

    def styled(name, rgb=False, up=False):
        s.update({name + 'conv.weight': (1, 3, 2, 1, 1) if rgb else (1, 2, 2, 3, 3), name + 'conv.modulation.weight': (2, 3),
                  name + 'conv.modulation.bias': (2,)})
        s.update({name + 'bias': (1, 3, 1, 1)} if rgb else {name + 'activate.bias': (2,), name + 'noise.weight': (1,)})
        if up:
            s[name + ('upsample.kernel' if rgb else 'conv.blur.kernel')] = (4, 4)
    styled('conv1.')
    styled('to_rgb1.', rgb=True)
    styled('convs.0.', up=True)
    styled('convs.1.')
    styled('to_rgbs.0.', rgb=True, up=True)
    s.update({'noises.noise_%d' % i: (1, 1, 4 << (i + 1) // 2, 4 << (i + 1) // 2) for i in range(3)})
    return s


def ros_file(change=None, top=lambda state: {'g_ema': state}, average=(3,), make=torch_zip, prefix=''):
    shapes = dict(ros_shapes(), latent_avg=average)
    if change:
        change(shapes)
    shapes = {k: s for k, s in shapes.items() if s is not None}
    state = {k: tensor(str(i), s) for i, (k, s) in enumerate(shapes.items())}
    rng = np.random.RandomState(3)
    storages = {str(i): rng.rand(int(np.prod(s))).astype('<f4').tobytes() for i, s in enumerate(shapes.values())}
    mean = state.pop('latent_avg', None)
    root = top({prefix + k: v for k, v in state.items()})
    if mean is not None:
        root['latent_avg'] = mean
    return make('ros.pt', root, {k: v for k, v in storages.items() if make is torch_zip or average or k != str(len(shapes))})


def test_ros():
    for average, said in (((3,), 0), ((1, 3), 0), (None, 1)):
        for make in (torch_zip, torch_legacy):
            for top, prefix in ((lambda s: {'g_ema': s}, ''), (lambda s: dict(s), ''),
                                (lambda s: {'state_dict': s, 'opts': {}}, 'decoder.'), (lambda s: dict(s), 'decoder.')):
                path = ros_file(top=top, average=average, make=make, prefix=prefix)
                error = attempt(path)
                check(error == '', 'rosinality, latent_avg %s, prefix "%s": %s' % (average, prefix, error))
                notes = convert.convert(path)[2] if error == '' else []
                check(sum('10000 z' in n for n in notes) == said, 'rosinality, latent_avg %s: estimated means said: %s' % (average, notes))
    out = os.path.join(TMP, 'trained.safetensors')
    rc, _, err = run(golden('trained.pt'), out)
    check(rc == 0 and err.count('\n') == 1 and 'mapping.w_avg is estimated: mean over 10000 z' in err, 'one note on stderr: %r' % err)
    with open(out, 'rb') as f:
        check(b'"w_avg":"estimated' in f.read(4096), 'and the estimate is in the metadata')

    def plus(name, shape):
        return lambda s: s.update({name: shape})

    def without(name):
        return lambda s: s.pop(name)
    cases = (
        (plus('latent_avg', (4, 3)), 'row 1 differs'), (plus('latent_avg', (4,)), 'expected shape [4, 3]'),
        (plus('latent_avg', (1, 1, 3)), 'expected [w] or [n, w]'),
        (plus('convs.0.attention.weight', (2,)), 'no part of this StyleGAN2'),
        (plus('convs.2.conv.weight', (1, 2, 2, 3, 3)), 'no part of this StyleGAN2'),
        (plus('convs.0.conv.weight', (2, 2, 2, 3, 3)), 'of length 1'),
        (plus('convs.0.conv.weight', (2, 2, 3, 3)), 'expected 5 dimensions'),
        (plus('to_rgb1.conv.weight', (1, 12, 2, 1, 1)), 'expected shape'), (plus('style.3.weight', (3, 3)), 'style.3.bias'),
        (plus('style.1.weight', (3, 2)), ''),
        (without('noises.noise_2'), 'noises.noise_2'), (without('style.1.bias'), 'style.1.bias'),
        (without('to_rgbs.0.upsample.kernel'), 'upsample.kernel'),
        (without('convs.1.noise.weight'), 'convs.1.noise.weight'), (without('input.input'), 'rosinality'),
        (plus('noises.noise_0', (1, 1, 8, 8)), 'expected shape [4, 4]'),
    )
    for change, part in cases:
        if part:
            expect(ros_file(change), part, 'rosinality: %s' % part)
        else:
            check(attempt(ros_file(change)) == '', 'z and w of other sizes convert')
    os.makedirs(TMP + '/config')
    path = shutil.copy(golden('ros.pt'), TMP + '/config/g.pt')
    for text, part in (('{"conv_clamp": 256}', 'the generator itself says None'), ('{"mapping_lr_multiplier": 1}', ''),
                       ('{"conv_clamp": null}', '')):
        file('config/config.json', text.encode())
        said = attempt(path)
        check(part in said if part else said == '', 'config.json beside it, %s: %s' % (text, said))
    path = shutil.copy(golden('ada.pkl'), TMP + '/config/g.pkl')
    for text, part in (('{"conv_clamp": 256}', 'the generator itself says 2.75'), ('{"conv_clamp": null}', 'says 2.75'),
                       ('{"mapping_lr_multiplier": 0.01}', 'says 0.02'),
                       ('{"conv_clamp": 2.75, "resolution": 16}', '')):
        file('config/config.json', text.encode())
        said = attempt(path)
        check(part in said if part else said == '', 'config.json beside it, %s: %s' % (text, said))


# ---- 5. StyleGAN1 ------------------------------------------------------------------------------------------------------

def lern_file(folder, change=None, average=None, names=('avg_latent_stylegan1.npy',)):
    """The golden's tensors once more, changed, as a legacy file in a folder of its own."""
    f = convert.load(golden(NAMES['lern']))
    arrays = {n: f.numbers(t, n) for n, t in convert.torchfile.entries(f, f.root).items()}
    if change:
        change(arrays)
    path = os.path.join(TMP, folder)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for name in names if average is not None else ():
        with open(os.path.join(path, name), 'wb') as out:
            out.write(average)
    return torch_legacy(folder + '/g.for_g_all.pt', {n: tensor(str(i), a.shape) for i, (n, a) in enumerate(arrays.items())},
                        {str(i): a.astype('<f4').tobytes() for i, a in enumerate(arrays.values())})


def npy(a, **options):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(a), **options)
    return out.getvalue()


def test_lern():
    with open(os.path.join(os.path.dirname(golden(NAMES['lern'])), 'avg_latent_stylegan1.npy'), 'rb') as f:
        good_average = f.read()
    w_dim, want = 10, convert.convert(golden(NAMES['lern']))[1]
    for average in (good_average, npy(np.float64(want['mapping.w_avg'])), npy(want['mapping.w_avg'][None, None], version=(2, 0))):
        path = lern_file('lern', average=average)
        said = attempt(path)
        got = convert.convert(path)[1] if said == '' else {}
        check(got.keys() == want.keys() and all(got[k].tobytes() == want[k].tobytes() for k in want), 'lernapparat, legacy container: %s' % said)
    path = lern_file('lern')
    notes = convert.convert(path)[2]
    check(attempt(path) == '' and sum('estimated: mean over 10000 z' in n for n in notes) == 1 and sum('made from seed 0' in n for n in notes) == 1,
          'without an average: estimated, and the noise made: %s' % notes)
    for text, eps in (('{"norm_eps": 1e-8, "network": "stylegan1"}', '1e-08'), ('{"norm_eps": null}', '1e-05')):
        file('lern/config.json', text.encode())
        check(convert.convert(path)[0]['norm_eps'] == eps, 'norm_eps from config.json: %s' % text)
    for text, crop in (('{"crop_top": 2, "crop_rows": 12}', ('2', '12')), ('{"crop_top": 0, "crop_rows": 16}', None)):
        file('lern/config.json', text.encode())
        meta = convert.convert(path)[0]
        check((meta['crop_top'], meta['crop_rows']) == crop if crop else 'crop_top' not in meta, 'rows from config.json: %s' % text)
    check(convert.convert(path, (4, 8))[0]['crop_rows'] == '8', '--rows goes before config.json')
    for text in ('{"crop_top": 2}', '{"crop_rows": 2}', '{"crop_top": 5, "crop_rows": 12}', '{"crop_top": -1, "crop_rows": 2}',
                 '{"crop_top": 0, "crop_rows": 0}', '{"crop_top": 0.0, "crop_rows": 2}', '{"crop_top": false, "crop_rows": 2}'):
        file('lern/config.json', text.encode())
        expect(path, 'crop_top and crop_rows: expected rows of the 16', 'rows from config.json: %s' % text)
    os.unlink(TMP + '/lern/config.json')
    out = os.path.join(TMP, 'rows.safetensors')
    for rows, status, part in (('2..13', 0, 'identity'), ('8..16', 1, '--rows: '), ('9..8', 2, 'FIRST..LAST'), ('1-2', 2, 'FIRST..LAST')):
        rc, text, err = run(path, out, '--rows', rows, '--force')
        check(rc == status and part in text + err, '--rows %s: %d %r' % (rows, rc, err))
        if rc == 0:
            said = subprocess.run([PROGRAM, 'info', out], capture_output=True, text=True, preexec_fn=lift_limit).stdout
            check('rows 2 to 13 of 16' in said and text.split('identity ')[1].strip() in said, 'the program reads --rows, same identity: %s' % said)
    file('lern/config.json', b'{"norm_eps": 0}')
    expect(path, 'norm_eps: expected a positive', 'norm_eps of 0')
    file('lern/config.json', b'{"network": "stylegan2"}')
    expect(path, 'network is', 'a config.json of another network')
    rows = np.ones((18, w_dim), np.float32)
    rows[3, 2] = 2
    for average, part in ((npy(rows), 'rows differ'), (npy(rows[:, :9]), 'length 10'), (npy(np.full(w_dim, np.nan, np.float32)), 'not finite'),
                          (npy(np.ones(w_dim, int)), 'expected a .npy'), (b'', 'expected a .npy'), (good_average[:-1], 'expected a .npy'),
                          (good_average + b'x', 'expected a .npy'), (b'\x93NUMPY\x02\0' + b'\xff' * 8, 'expected a .npy'),
                          (npy(np.zeros((0, w_dim), np.float32)), 'expected a .npy'), (npy(np.array([os.system], object)), 'expected a .npy')):
        expect(lern_file('lern', average=average), part, 'average: %s' % part)
    expect(lern_file('lern', average=good_average, names=('avg_latent_a.npy', 'avg_latent_b.npy')), '2 files', 'two averages')

    def to(name, a):
        return lambda s: s.update({name: a}) if a is not None else s.pop(name)
    one, block = np.ones((1, 1), np.float32), 'g_synthesis.blocks.'
    for change, part in ((to(block + '8x8.conv1.weight', one), 'expected 4 dimensions'), (to(block + '8x8.conv1.bias', None), 'conv1.bias'),
                         (to(block + '8x8.conv0_up.intermediate.kernel', np.ones((1, 1, 5, 5), np.float32)), 'expected shape [3, 3]'),
                         (to(block + '16x16.epi2.style_mod.lin.weight', one), 'expected shape'), (to('g_mapping.dense1.weight', None), 'dense1.bias'),
                         (to('g_synthesis.torgb.weight', np.ones((2, 5, 1, 1), np.float32)), 'pictures of 2 channels'),
                         (to(block + '16x16_seg.x', one), 'no part of this StyleGAN1'), (to(block + '64x64.conv1.bias', np.ones(3)), '64x64.conv0_up.weight'),
                         (to('g_mapping.dense8.weight', one), 'dense8.bias'), (to(block + '4x4.const', np.full((1, 18, 4, 4), np.inf)), 'not finite')):
        expect(lern_file('lern', change), part, 'lernapparat: %s' % part)


def test_tf1_refused():
    cases = (
        (set_kwargs(use_pixel_norm=True), 'use_pixel_norm'), (set_kwargs(use_instance_norm=False), 'use_instance_norm'), (set_kwargs(const_input_layer=False), 'const_input'),
        (set_kwargs(nonlinearity='relu'), 'nonlinearity'), (set_kwargs(surprise=1), "setting 'surprise' is unknown"), (set_kwargs(fused_scale='x'), 'fused_scale'),
        (set_kwargs(blur_filter=[1, 2, 2, 1]), 'blur_filter'), (set_kwargs(blur_filter=[1, -1, 0]), 'blur_filter'), (set_kwargs(blur_filter='121'), 'blur_filter'),
        (set_kwargs(truncation_cutoff=-3), 'truncation_cutoff'), (set_kwargs(mapping_lrmul=0), 'mapping_lrmul'), (attribute('', version=1), 'version'),
        (attribute('synthesis', build_func_name='G_other'), 'G_other'), (variable('', 'lod', np.float32(2)), "'lod' is not 0"),
        (variable('synthesis', 'noise3', None), 'noise3'), (variable('', 'dlatent_avg', None), 'dlatent_avg'),
        (variable('synthesis', '8x8/Conv1/StyleMod/bias', np.ones(7, np.float32)), 'expected shape [14]'),
        (variable('synthesis', 'ToRGB_lod0/weight', None), 'ToRGB_lod0/weight'), (variable('synthesis', '8x8/Other/weight', np.ones(1, np.float32)), 'no part of a StyleGAN1'),
    )
    for change, part in cases:
        root = tf_networks(path='tf1.pkl')
        change(root[2])
        expect(file('tf1.pkl', tf_pickle.dumps(root)), part, 'TensorFlow StyleGAN1: %s' % part)
    _, want, _ = convert.convert(golden('tf1.pkl'))
    for order, protocol, core in (('C', 2, 'numpy.core'), ('F', 3, 'numpy._core'), ('C', 4, 'numpy._core'), ('F', 5, 'numpy.core')):
        path = file('tf1.pkl', tf_pickle.dumps(tf_networks(order, 'tf1.pkl'), protocol, core))
        said = attempt(path)
        got = convert.convert(path)[1] if said == '' else {}
        check(got.keys() == want.keys() and all(got[k].tobytes() == want[k].tobytes() for k in want), 'StyleGAN1, protocol %d, %s, %s: %s' % (protocol, core, order, said))


# ---- 6. mutants --------------------------------------------------------------------------------------------------------

def test_mutants():
    sources = {}
    for name in ('sg3.pkl', 'tf.pkl', 'trained.pt', 'ada.pkl', 'tf1.pkl', 'tfres.pkl', NAMES['lern']):
        with open(golden(name), 'rb') as f:
            sources[name] = f.read()
    convert_files.test_mutants(sources, 600 if NIGHTLY else 100, 2)
    from dialects import lernapparat

    def average(path):
        with open(path, 'rb') as f:
            lernapparat.rows_of(f.read(), path, 3)
    convert_files.test_mutants({'avg_latent.npy': npy(np.ones((3, 3)))}, 300 if NIGHTLY else 60, 3, read=average)


def test_list():
    for name, part in (('ada.pkl', 'synthesis.b16.conv0.affine.weight'), ('tf.pkl', 'synthesis/16x16/Conv0_up/mod_weight'),
                       ('ros.pt', 'convs.0.conv.blur.kernel'),
                       ('e4e.pt', 'decoder.convs.0.conv.blur.kernel')):
        rc, out, err = run(golden(name), '--list')
        check(rc == 0 and part in out and err == '', '--list %s: %r' % (name, err))
    m = ada_modules()
    m['synthesis.input'] = ['SynthesisInput', {}, {'freqs': (2, 2)}]
    rc, out, err = run(ada_file(m), '--list')
    check(rc == 1 and 'synthesis.input.freqs' in out and 'StyleGAN3' in err and err.count('\n') == 1, '--list of a StyleGAN3: %d %r' % (rc, err))


def main():
    shutil.rmtree(TMP, ignore_errors=True)
    os.makedirs(TMP)
    'x'.encode('unicode_escape'), 'x'.encode('cp437')
    attempt(golden('trained.pt'))                                    # lets Python load its own modules before anyone listens
    convert_files.limit_memory()
    for test in (test_pictures, test_every_tensor, test_pairs, test_tf_forms, test_tf_refused, test_ada_refused, test_ros, test_lern, test_tf1_refused, test_mutants, test_list):
        start = time.monotonic()
        try:
            test()
        except Exception as e:
            check(False, '%s stopped: %s: %s' % (test.__name__, type(e).__name__, e))
        print('%-24s %.1f s' % (test.__name__, time.monotonic() - start))
    shutil.rmtree(TMP, ignore_errors=True)
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % count)
    return 1 if count['failed'] else 0


PROGRAM = os.path.abspath(sys.argv[1])
if __name__ == '__main__':
    sys.exit(main())
