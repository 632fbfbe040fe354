"""The checks of test_convert.sh.  Last line "N passed, N failed, N skipped"; exit 1 when one failed.

tests/golden/convert_*.pt were written by PyTorch (make_stylegan2.py); everything hostile is made here, byte by byte.
"""
import hashlib
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np

import convert_files
from convert_files import (CONVERT, GOLDEN, NIGHTLY, ROOT, TMP, Name, Pid, Raw, Reduce, attempt, check, convert, count, emit, expect, file,
                           golden, lift_limit, pickled, repaired, run, skip, spoiled, tensor, tiny, torch_legacy, torch_zip)
import convert_nets
import symbolic                                 # found through convert_files

BLOOD = os.path.join(ROOT, '..', 'shared', 'data', 'blood')


# ---- 1. the same network in every container and form -------------------------------------------------------------------

def test_forms():
    """Zip, legacy, one shared storage with offsets and transposed strides, half, double, Parameters: the same numbers."""
    _, want, _ = convert.convert(os.path.join(GOLDEN, 'convert_zip.pt'))
    for form in ('legacy', 'shared_zip', 'shared_legacy', 'half', 'double', 'parameters'):
        meta, got, notes = convert.convert(os.path.join(GOLDEN, 'convert_%s.pt' % form))
        same = got.keys() == want.keys() and all(got[k].dtype == np.float32 and got[k].shape == want[k].shape
                                                 and got[k].tobytes() == want[k].tobytes() for k in want)
        check(same, 'convert_%s.pt holds the numbers of convert_zip.pt' % form)
        check(notes[0].count('resample_filter') == 3, '%s: three filters that nobody reads are named' % form)
    check((meta['resolution'], meta['z_dim'], meta['w_dim'], meta['mapping_layers'], meta['channels'], meta['num_ws'])
          == ('8', '3', '4', '2', '5,5', '4'), 'hyper-parameters from shapes')
    # Every number is distinct enough that a wrong stride or offset cannot pass: known values, read without our code.
    legacy = golden('legacy')
    for name in ('mapping.fc1.weight', 'synthesis.b8.conv0.weight'):
        check(want[name].tobytes() in legacy, '%s is in the legacy file as it is' % name)

    for name, make in (('tiny.pt', torch_zip), ('tiny_legacy.pt', torch_legacy)):
        state, storages = tiny()
        said = attempt(make(name, state, storages))
        check(said == '', '%s made by hand converts: %s' % (name, said))
    state, storages = tiny()
    check(attempt(torch_zip('zip64.pt', state, storages, force_zip64=True)) == '', 'ZIP64 records convert')
    check(attempt(torch_zip('order.pt', state, storages, extra=[('archive/byteorder', b'little')])) == '', 'byteorder little')

    # bfloat16 widens exactly; an old rebuild function; strides of a permuted kernel.
    state, storages = tiny()
    state['mapping.fc0.bias'] = tensor('b', (3,), kind='BFloat16Storage')
    storages['b'] = struct.pack('<3H', 0x3f80, 0xc000, 0x3dcc)
    old = tensor('2', (3,), rebuild='_rebuild_tensor')
    old.args = old.args[:4]
    state['mapping.w_avg'] = old
    state['synthesis.b4.const'] = tensor('3', (2, 4, 4), (1, 2, 8))
    path = torch_zip('forms.pt', state, storages)
    check(attempt(path) == '', 'bfloat16, old rebuild and permuted strides convert')
    got = convert.convert(path)[1]
    check(got['mapping.fc0.bias'].tolist() == [1.0, -2.0, 0.099609375], 'bfloat16 numbers')
    flat = np.frombuffer(storages['3'], '<f4')
    check((got['synthesis.b4.const'] == flat.reshape(4, 4, 2).transpose(2, 1, 0)).all(), 'strides are honoured')


# ---- 2. hostile pickles ------------------------------------------------------------------------------------------------

def test_code():
    """Files that ask for code: refused, nothing runs (the audit hook listens), the proof file never appears."""
    proof = os.path.join(TMP, 'executed')
    bomb = Reduce(Name('os', 'system'), 'touch ' + proof)
    file('hostile_module.py', ('open(%r, "w")\n' % proof).encode())
    sys.path.append(TMP)
    cases = {
        'import': (Reduce(Name('hostile_module', 'x')), 'hostile_module.x'),
        'reduce': (bomb, 'os.system'),
        'inside the state dict': (spoiled('x', bomb)[0], 'os.system'),
        'eval': (Reduce(Name('builtins', 'eval'), "open(%r,'w')" % proof), 'builtins.eval'),
        'instance': (Raw(b'cposix\nsystem\n' + emit(('touch ' + proof,)) + b'\x81'), 'posix.system'),
        'build': (Raw(emit(Reduce(Name('subprocess', 'Popen'), 'true')) + emit({'a': 1}) + b'b'), 'subprocess.Popen'),
        'getattr': (Reduce(Name('builtins', 'getattr'), Name('os', 'system'), '__call__'), 'builtins.getattr'),
        'stack global': (Raw(emit('nt') + emit('system') + b'\x93' + emit(('touch ' + proof,)) + b'R'), 'nt.system'),
        'storage type': ({'mapping.fc0.weight': tensor('0', (3, 2), module='os', kind='system'), 'synthesis.b4.conv1.weight': 0}, 'os.system'),
        'dictionary key': ({Name('os', 'system'): 1}, 'os.system'),
        'load from bytes': (spoiled('x', Reduce(Name('torch.storage', '_load_from_bytes'), 'x'))[0], '_load_from_bytes'),
    }
    stateful, (_, storages) = ('inside the state dict', 'load from bytes'), tiny()
    for what, (root, part) in cases.items():
        expect(torch_zip('code.pt', root, storages), part, 'zip, ' + what)
        expect(torch_legacy('code_legacy.pt', root, storages if what in stateful else {}), part, 'legacy, ' + what)
        expect(file('code.pkl', pickled(root)), 'pickle' if what == 'storage type' else part, 'bare pickle, ' + what)
    expect(file('proto0.pkl', b"cos\nsystem\n(S'touch " + proof.encode() + b"'\ntR."), 'not a file of a known kind', 'protocol 0')
    for code in (b'(S\'a\'\ni', b'(o', b'P0\n', b'\x82\x01', b'\x97'):
        expect(file('opcode.pkl', b'\x80\x02' + code + b'.'), 'is not supported', 'instruction %r' % code)
    expect(file('opcode.pkl', b'\x80\x02\xff.'), '0xff is no instruction', 'unknown instruction')
    expect(file('opcode.pkl', b'\x80\x09N.'), 'protocol 9', 'future protocol')
    sys.path.remove(TMP)
    check(not os.path.exists(proof), 'no file was made by a pickle')


def test_shapes_of_pickles():
    """Cycles, depth and lengths: one line each, at once."""
    _, storages = tiny()
    start = b'\x80\x02'
    cycle = start + b'}q\x00(' + emit('mapping.fc0.weight') + b'h\x00' + emit('synthesis.b4.conv1.weight') + b'h\x00u.'
    expect(torch_zip('cycle.pt', cycle, storages), 'expected synthesis blocks', 'dictionary inside itself')
    loop = start + b']q\x00(h\x00h\x00e.'
    expect(torch_legacy('cycle_legacy.pt', loop, {}), 'without the tensors', 'list inside itself, legacy')
    expect(file('cycle.pkl', loop), 'a pickle file without', 'list inside itself, bare')
    deep = 100000
    for what, code in (('lists', b']' * deep + b'a' * (deep - 1)), ('tuples', b'N' + b'\x85' * deep),
                       ('dictionaries', b'}K\x01' * deep + b'N' + b's' * deep)):
        expect(torch_zip('deep.pt', start + code + b'.', storages), 'without the tensors', 'deep %s, zip' % what)
        expect(torch_legacy('deep.pt', start + code + b'.', {}), '', 'deep %s, legacy' % what)
    expect(torch_zip('key.pt', start + b'}N' + b'\x85' * deep + b'Ns.', storages), 'dictionary key', 'deep tuple as a key')
    expect(torch_zip('key.pt', start + b'}]Ns.', storages), 'dictionary key', 'list as a key')
    expect(torch_zip('deep.pt', start + emit('0') + b'\x85' * deep + b'Q.', storages), 'without the tensors', 'deep persistent id')
    laughs = start + b']q\x00' + b''.join(b'0](' + b'h\x00' * 10 + b'eq\x00' for _ in range(60)) + b'.'
    expect(torch_zip('laughs.pt', laughs, storages), 'without the tensors', '10^60 lists by reference, zip')
    expect(torch_legacy('laughs.pt', laughs, {}), 'without the tensors', '10^60 lists by reference, legacy')

    huge = {'text': b'X\xff\xff\xff\xff', 'long text': b'\x8d' + b'\xff' * 8, 'bytes': b'B\xff\xff\xff\x7f', 'long bytes': b'\x8e' + b'\xff' * 8,
            'whole number': b'\x8b\xff\xff\xff\x7f', 'negative whole number': b'\x8b\xff\xff\xff\xff', 'frame': b'\x95' + b'\xff' * 8,
            'array': b'\x96' + b'\xff' * 7 + b'\x7f', 'string': b'T\xff\xff\xff\xff', 'name': b'c' + b'x' * 5000}
    said = {'whole number': 'expected at most 16', 'negative whole number': 'expected at most 16', 'frame': 'longer than the file',
            'string': 'a text of -1 bytes', 'name': 'no end'}
    for what, code in huge.items():
        expect(file('huge.pkl', start + code), said.get(what, 'bytes announced'), 'huge %s' % what)
        expect(torch_zip('huge.pt', start + code + b'.', storages), said.get(what, 'bytes announced'), 'huge %s, zip' % what)
    for n in range(1, 9):
        expect(file('cut.pkl', start + b'\x8d' + b'\0' * (n - 1)), 'bytes announced', 'a length cut after %d bytes' % (n - 1))
    for what, code, part in (('memo', b'h\x07.', 'memo 7'), ('stack', b'0.', 'empty'), ('mark', b't.', 'no mark'), ('stop', b'N', 'before STOP'),
                             ('left over', b'NN.', 'left over'), ('reduce', b'NNR.', 'expected a tuple'), ('setitem', b'NNNs.', 'needs another'),
                             ('append', b'NNa.', 'needs another'), ('build', b'NNb.', 'needs another'), ('odd', b'}(Nu.', 'without a value'),
                             ('put', b'q\x00.', 'nothing to remember'), ('utf-8', b'X\x01\x00\x00\x00\xff.', 'UTF-8'), ('global', b'NN\x93.', 'no text'),
                             ('ordered', emit(Reduce(Name('collections', 'OrderedDict'), [3])) + b'.', 'pairs'),
                             ('latin', emit(Reduce(Name('_codecs', 'encode'), '\u20ac', 'latin1')) + b'.', 'latin-1'), ('nothing', b'', 'before STOP')):
        expect(file('bad.pkl', start + code), part, 'bad %s' % what)
    reader = symbolic.Reader(start + emit({'a': [1, -5, (True, None, 'x')]}) + b'.', 'x')
    check(reader.load() == {'a': [1, -5, (True, None, 'x')]} and not reader.globals, 'a plain pickle reads back')


# ---- 3. hostile containers and tensors ---------------------------------------------------------------------------------

def test_zip():
    state, storages = tiny()
    expect(torch_zip('bomb.pt', state, dict(storages, big=b'\0' * 50000000), compress=zipfile.ZIP_DEFLATED), 'compressed', 'deflated bomb')
    expect(torch_zip('big.pt', state, storages, extra=[('archive/byteorder', b'big')]), 'byte order', 'big-endian zip')
    expect(torch_zip('script.pt', state, storages, extra=[('archive/constants.pkl', b'')]), 'TorchScript', 'TorchScript')
    expect(torch_zip('two.pt', state, storages, extra=[('other/data.pkl', b'')]), '2 records named data.pkl', 'two pickles')
    expect(torch_zip('none.pt', state, {}), 'found no record', 'a storage is missing')
    expect(torch_zip('short.pt', state, dict(storages, **{'0': b'1234'})), 'expected 24 bytes', 'a storage is short')
    with zipfile.ZipFile(os.path.join(TMP, 'plain.zip'), 'w') as z:
        z.writestr('hello.txt', 'x')
    expect(os.path.join(TMP, 'plain.zip'), '0 records named data.pkl', 'an ordinary zip')

    path = torch_zip('good.pt', state, storages)
    with open(path, 'rb') as f:
        data = f.read()
    at = data.index(storages['0'])
    expect(file('crc.pt', data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]), 'CRC', 'a flipped bit')
    for n in (4, 30, 500, len(data) // 2, len(data) - 30, len(data) - 1):
        expect(file('cut.pt', data[:n]), '', 'a zip cut at byte %d' % n)
    names = zipfile.ZipFile(path).namelist()
    twice = bytearray(data)                     # rename a record of the directory so that two have one name
    directory = data.index(b'PK\x01\x02')
    i = data.index(names[-1].encode(), directory)
    twice[i:i + len(names[-1])] = names[1 if len(names[1]) == len(names[-1]) else -2].encode()
    expect(file('twice.pt', bytes(twice)), 'twice', 'a record twice')
    overlap = bytearray(data)                   # every directory entry claims the whole file
    i = directory
    while overlap[i:i + 4] == b'PK\x01\x02':
        overlap[i + 20:i + 28] = struct.pack('<II', len(data) - 1000, len(data) - 1000)
        i += 46 + sum(struct.unpack_from('<HHH', overlap, i + 28))
    expect(file('bytes.pt', bytes(overlap)), 'records overlap', 'overlapping records')


def test_legacy():
    state, storages = tiny()
    good = torch_legacy('good_legacy.pt', state, storages)
    with open(good, 'rb') as f:
        data = f.read()
    expect(torch_legacy('l.pt', state, storages, little=False), 'little-endian', 'big-endian legacy')
    expect(torch_legacy('l.pt', state, storages, tail=b'x'), '1 bytes after', 'a surplus byte')
    expect(file('l.pt', data[:-1]), 'storage', 'a missing byte')
    expect(torch_legacy('l.pt', state, storages, magic=5), 'a pickle file without', 'another magic number')
    expect(torch_legacy('l.pt', state, storages, keys=list(storages)[:-1]), 'bytes after', 'a key less')
    expect(torch_legacy('l.pt', state, dict(list(storages.items())[:-1])), 'is not in the file', 'a storage less')
    expect(torch_legacy('l.pt', state, dict(storages, other=b'1234')), 'belongs to no tensor', 'a storage that nobody names')
    expect(torch_legacy('l.pt', state, storages, keys=[1, 2]), 'list of storages', 'keys that are numbers')
    view = tensor('0', (3, 2))
    view.args = (Pid('storage', Name('torch', 'FloatStorage'), '0', 'cpu', 6, ('1', 0, 6)),) + view.args[1:]
    expect(torch_legacy('l.pt', dict(state, **{'mapping.fc0.weight': view}), storages), 'is a view', 'a storage view')


def test_tensors():
    w = 'mapping.fc0.weight'
    cases = (                                   # storages: 0 and i have 24 bytes, 1 has 12, e has 4
        ('behind the end', tensor('0', (3, 2), offset=1), 'do not fit'),
        ('strides too long', tensor('0', (3, 2), (3, 1)), 'do not fit'),
        ('expanded', tensor('e', (3, 2), (0, 0), numel=1), 'do not fit'),
        ('empty', tensor('0', (3, 0), (1, 1), numel=6), 'z_dim of 0'),
        ('huge shape', tensor('0', (2**40, 2**40), (1, 1), numel=6), 'z_dim of 1099511627776'),
        ('huge storage', tensor('0', (3, 2), numel=2**47), 'expected'),
        ('negative offset', tensor('0', (3, 2), offset=-1), 'unknown way'),
        ('negative stride', tensor('0', (3, 2), (-2, 1)), 'impossible'),
        ('negative shape', tensor('0', (-3, -2), (2, 1), numel=6), 'impossible'),
        ('rank mismatch', tensor('0', (3, 2), (1,)), 'impossible'),
        ('nine dimensions', tensor('0', (1,) * 9), 'impossible'),
        ('true as a number', tensor('0', (3, True), (1, 1), numel=6), 'impossible'),
        ('whole numbers', tensor('i', (3, 2), kind='IntStorage'), 'floating point'),
        ('complex', tensor('0', (3, 2), kind='ComplexFloatStorage'), 'ComplexFloatStorage'),
        ('two descriptions', tensor('1', (3, 2), kind='HalfStorage'), 'described in two ways'),
        ('no tensor', 'text', 'is missing'),
        ('another shape', tensor('0', (2, 3)), 'expected shape'),
        ('another rank', tensor('0', (6,)), 'expected 2 dimensions'),
    )
    for what, value, part in cases:
        state, storages = spoiled(w, value)
        expect(torch_zip('t.pt', state, dict(storages, i=b'\0' * 24, e=b'\0' * 4)), part, 'tensor %s' % what)
    for bits, what in ((0x7fc00000, 'NaN'), (0xff800000, 'infinity')):
        state, storages = tiny()
        expect(torch_zip('t.pt', state, dict(storages, **{'1': struct.pack('<3I', bits, 0, 0)})), 'not finite', what)
    state, storages = spoiled('mapping.fc0.bias', tensor('d', (3,), kind='DoubleStorage'))
    expect(torch_zip('t.pt', state, dict(storages, d=struct.pack('<3d', 1e300, 0, 0))), 'not finite', 'a double above float32')


# ---- 4. what a file is -------------------------------------------------------------------------------------------------

def test_networks():
    def without(*names):
        return lambda s: [s.pop(n) for n in names]

    def plus(**shapes):
        return lambda s: s.update({k.replace('__', '.'): v for k, v in shapes.items()})
    cases = (
        (without('mapping.w_avg'), 'mapping.w_avg'), (without('synthesis.b4.conv1.noise_const'), 'noise_const'),
        (without('synthesis.b4.torgb.weight'), 'torgb.weight'),
        (plus(mapping__embed__weight=(3, 4)), 'as many as z has'), (plus(synthesis__b4__skip__weight=(2, 2, 1, 1)), 'no part of'),
        (lambda s: (s.pop('synthesis.b4.torgb.weight'), s.update({'synthesis.b8.torgb.weight': (1, 2, 1, 1)})), 'is missing'),
        (plus(synthesis__b16__conv1__weight=(2, 2, 3, 3)), 'blocks 4, 8'),
        (plus(mapping__fc2__weight=(3, 3)), 'without a gap'), (plus(synthesis__b4__attention__weight=(2,)), 'no part of a StyleGAN2'),
        (plus(synthesis__b4__torgb__weight=(2, 2, 1, 1), synthesis__b4__torgb__bias=(2,)), '2 channels'),
        (plus(synthesis__b4__conv1__affine__bias=(3,)), 'expected shape [2], found [3]'),
    )
    for change, part in cases:
        expect(torch_zip('n.pt', *tiny(change)), part, 'network: %s' % part)
    path = torch_zip('spare.pt', *tiny(plus(D__b4__conv__weight=(2, 2))))
    check(attempt(path) == '' and 'D.b4.conv.weight' in convert.convert(path)[2][0], 'a spare tensor is left out and listed')

    one = tensor('0', (3, 2))
    names = {
        'StyleGAN3': {'synthesis.input.freqs': one, 'synthesis.L0_36_512.weight': one, 'mapping.fc0.weight': one},
        'lernapparat': {'g_mapping.dense0.weight': one}, 'rosinality': {'g_ema': {'style.1.weight': one, 'conv1.conv.weight': one}, 'latent_avg': one},
        'GenForce': {'generator_smooth': {'mapping.dense0.weight': one}}, 'InterFaceGAN': {'mapping.dense0.linear.weight': one},
        'lucidrains': {'GAN': {'SE.net.0.weight': one}, 'version': '1'}, 'pSp': {'state_dict': {'decoder.convs.0.conv.weight': one}, 'latent_avg': one},
        'part of a stylegan2-ada': {'mapping.fc0.weight': one},
    }
    for what, root in list(names.items()) + refused_families(one):
        for make in (torch_zip, torch_legacy):
            expect(make('name.pt', root, {'0': b'\0' * 24}), what, 'recognised: %s' % what)
    network = Reduce(Name('dnnlib.tflib.network', 'Network'))
    expect(file('tf.pkl', b'\x80\x04' + emit((network, network, network)) + b'.'), 'TensorFlow', 'TensorFlow pickle')
    expect(file('ada.pkl', pickled({'G_ema': Reduce(Name('torch_utils.persistence', '_reconstruct_persistent_obj'), {})})),
           'stylegan2-ada-pytorch or StyleGAN3 pickle', 'official pickle')
    for start, part in ((b'', 'empty'), (b'\x89PNG\r\n', 'PNG'), (b'\x89HDF\r\n', 'HDF5'), (b'hello', 'not a file of a known kind'),
                        (b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS'), (struct.pack('<Q', 2) + b'{}', 'safetensors')):
        expect(file('what.bin', start), part, 'kind: %s' % part)
    expect(os.path.join(TMP, 'absent.pt'), 'No such file', 'absent input')
    expect(TMP, 'Is a directory', 'a folder as input')


def refused_families(one):
    """[(what the converter calls it, file)] with the names of whole files: of 16 px networks by their own code (StyleGAN3, GenForce), or
    from its sources (InterFaceGAN, lucidrains)."""
    def names(prefix, *parts):
        return {prefix + p: one for p in parts}
    dense = {'mapping.dense%d.%s' % (i, p): one for i in range(8) for p in ('weight', 'bias')}
    gf1, gf2, ifg = ({'truncation.w_avg': one, 'synthesis.lod': one} for _ in range(3))
    gf1.update(dense), gf2.update(dense)
    gf2['synthesis.early_layer.const'] = gf1['synthesis.layer0.const'] = ifg['synthesis.layer0.first_layer'] = one
    for i in range(6):
        layer = 'synthesis.layer%d.' % i
        gf1.update(names(layer, 'weight', 'bias', 'style.weight', 'style.bias', 'apply_noise.weight', 'apply_noise.noise'))
        gf2.update(names(layer, 'weight', 'bias', 'style.weight', 'style.bias', 'noise_strength', 'noise'))
        ifg.update(names(layer, 'weight' if i == 4 else 'conv.weight', *('epilogue.' + e for e in (
            'apply_noise.weight', 'apply_noise.noise', 'bias', 'style_mod.dense.linear.weight', 'style_mod.dense.wscale.bias'))))
    for i in range(3):
        gf1.update(names('synthesis.output%d.' % i, 'weight', 'bias'))
        gf2.update(names('synthesis.output%d.' % i, 'weight', 'bias', 'style.weight', 'style.bias'))
        ifg.update(names('synthesis.output%d.' % i, 'conv.weight', 'bias'))
    ifg.update({'mapping.dense%d.%s' % (i, p): one for i in range(8) for p in ('linear.weight', 'wscale.bias')})
    luc = {'%s.net.%d.%s' % (s, 2 * i, p): one for s in ('S', 'SE') for i in range(8) for p in ('weight', 'bias')}
    for g in ('G', 'GE'):
        luc.update(names(g + '.', 'initial_block', 'initial_conv.weight', 'initial_conv.bias'))
        for i in range(3):
            luc.update(names('%s.blocks.%d.' % (g, i), *(p + '.' + w for p in ('to_style1', 'to_noise1', 'to_style2', 'to_noise2', 'to_rgb.to_style') for w in ('weight', 'bias'))))
            luc.update(names('%s.blocks.%d.' % (g, i), 'conv1.weight', 'conv2.weight', 'to_rgb.conv.weight'))
    luc.update(names('D.blocks.0.', 'conv_res.weight', 'conv_res.bias', 'net.0.weight', 'net.0.bias'))
    sg3 = names('mapping.', 'w_avg', 'fc0.weight', 'fc0.bias', 'fc1.weight', 'fc1.bias')
    sg3.update(names('synthesis.input.', 'weight', 'transform', 'freqs', 'phases', 'affine.weight', 'affine.bias'))
    for layer in ['L%d_36_16' % i for i in range(14)] + ['L14_16_3']:
        sg3.update(names('synthesis.%s.' % layer, 'weight', 'bias', 'magnitude_ema', 'affine.weight', 'affine.bias', 'up_filter', 'down_filter'))
    return [('StyleGAN of GenForce', {'generator': g, 'discriminator': names('input0.', 'conv.weight', 'bias'), 'generator_smooth': g}) for g in (gf1, gf2)] \
        + [('StyleGAN of GenForce', gf1), ('StyleGAN of GenForce', gf2), ('StyleGAN1 of InterFaceGAN', ifg), ('StyleGAN3', sg3), ('StyleGAN3', {'G_ema': sg3}),
           ('StyleGAN2 of lucidrains', {'GAN': luc, 'version': '1.8.9'}), ('StyleGAN2 of lucidrains', {'GAN': luc, 'version': '1.8.9', 'amp': {}})]


def test_config():
    folder = os.path.join(TMP, 'config')
    os.makedirs(folder)
    path = os.path.join(folder, 'g.pt')
    shutil.copy(os.path.join(GOLDEN, 'convert_zip.pt'), path)

    def config(text):
        file('config/config.json', text.encode())
    for text, clamp in (('{"conv_clamp": 256}', '256'), ('{"conv_clamp": null}', 'none'), ('{"conv_clamp": 0.5, "resolution": 8}', '0.5'),
                        ('{"mapping_lr_multiplier": 0.02}', 'none')):
        config(text)
        meta, tensors, _ = convert.convert(path) if attempt(path) == '' else ({}, {}, [])
        check(meta.get('conv_clamp') == clamp, 'config %s' % text)
    check(meta.get('mapping_lr_multiplier') == '0.02', 'mapping_lr_multiplier from config.json')
    for text, part in (('{"resolution": 16}', "resolution is '16', the tensors say 8"), ('{"network": "stylegan3"}', 'network'),
                       ('{"channel_base": 64, "channel_max": 32}', 'channel_base'), ('{"resample_filter": [1, 2, 1]}', 'resample_filter'),
                       ('{"resample_filter": [[1], [2, 3]]}', 'resample_filter'), ('{"conv_clamp": -1}', 'conv_clamp'),
                       ('{"conv_clamp": 1e999}', 'conv_clamp'), ('{"conv_clamp": NaN}', 'conv_clamp'), ('{"conv_clamp": true}', 'conv_clamp'),
                       ('{"c_dim": false}', 'c_dim'), ('{"a": 1, "a": 2}', 'twice'), ('[]', 'expected an object'), ('{', 'config.json'),
                       ('[' * 100000, 'config.json'), ('{"resample_filter": [' + '1,' * 100000 + '1]}', 'resample_filter'),
                       ('{"conv_clamp": 1' + '0' * 400 + '}', 'conv_clamp'), ('\xff', 'config.json')):
        config(text)
        expect(path, part, 'config %s' % text[:40])


# ---- 5. mutants --------------------------------------------------------------------------------------------

def test_mutants():
    def finish(rng, name, data):                # zips: repaired checksums, to get past them
        return repaired(data) if name not in ('legacy', 'shared_legacy') and rng.random() < 0.7 else data
    sources = {n: golden(n) for n in ('zip', 'legacy', 'shared_zip', 'shared_legacy', 'half')}
    sources['net zip'] = convert_nets.head_of_network()
    convert_files.test_mutants(sources, 480 if NIGHTLY else 120, 1, finish)


# ---- 6. the command ----------------------------------------------------------------------------------------------------

def one_line(result, status, part, what):
    rc, out, err = result
    check(rc == status and part in err and 'Traceback' not in err and (status == 2 or err.count('\n') == 1),
          '%s: expected exit %d and one line with "%s", got %d, %r' % (what, status, part, rc, err[-300:]))


def read_safetensors(path):
    """(metadata, {name: array}) by the format's own rules, without our writer."""
    with open(path, 'rb') as f:
        data = f.read()
    n = struct.unpack_from('<Q', data)[0]
    head = json.loads(data[8:8 + n])
    meta, out, end = head.pop('__metadata__'), {}, 0
    for name, t in head.items():
        begin, end_ = t['data_offsets']
        assert begin == end and t['dtype'] == 'F32', name
        end = end_
        out[name] = np.frombuffer(data[8 + n + begin:8 + n + end], '<f4').reshape(t['shape'])
    assert 8 + n + end == len(data) and n % 8 == 0
    return meta, out


def identity(meta, tensors):
    """The identity once more, written from docs/FILES.md."""
    keys = 'network architecture resolution z_dim w_dim mapping_layers mapping_lr_multiplier img_channels num_ws channels conv_clamp c_dim'
    stream = b''.join(k.encode() + b'\0' + meta[k].encode() + b'\0' for k in keys.split() if k in meta)
    for name in sorted(tensors):
        a = tensors[name]
        stream += name.encode() + b'\0F32\0' + b''.join(struct.pack('<Q', v) for v in (a.ndim,) + a.shape + (4 * a.size,)) + a.tobytes()
    return hashlib.sha256(stream).hexdigest()


def test_large():
    """A large file, most of it a discriminator, converts in the memory of its generator.  The large storage is a hole in the file."""
    state, storages = tiny()
    numbers = 1 << (28 if NIGHTLY else 24)              # 1 GB, 64 MB
    path = torch_legacy('large.pt', {'G_ema': state, 'D': {'x': tensor('large', (numbers,))}}, {**storages, 'large': b''})
    with open(path, 'r+b') as f:                        # the last storage: its count, then zeros
        f.seek(-8, os.SEEK_END)
        f.write(struct.pack('<q', numbers))
        f.truncate(f.tell() + 4 * numbers)
    # The process says its own peak: what wait4 reports began with the memory of this one, which it was forked from.
    run_it = ('import os, runpy, sys\nsys.argv = sys.argv[1:]\nsys.path[0] = os.path.dirname(sys.argv[0])\n'
              'try: runpy.run_path(sys.argv[0], run_name="__main__")\n'
              'except SystemExit as e: sys.stderr.write(open("/proc/self/status").read()) if not e.code else sys.exit(e.code)')
    p = subprocess.run([sys.executable, '-c', run_it, os.path.join(CONVERT, 'convert.py'), path, os.path.join(TMP, 'large.safetensors')],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=lift_limit)
    peak = re.search(r'VmHWM:\s*(\d+) kB', p.stderr)
    peak = int(peak.group(1)) >> 10 if peak else -1
    print('%d MB converted: peak memory %d MB' % (numbers >> 18, peak))
    check(p.returncode == 0 and 0 < peak < (100 if NIGHTLY else 60), 'a large file: exit %d, peak memory %d MB' % (p.returncode, peak))
    os.unlink(path)


def test_command():
    source, out = os.path.join(GOLDEN, 'convert_zip.pt'), os.path.join(TMP, 'out.safetensors')
    rc, text, err = run(source, out)
    check(rc == 0 and 'left out' in err and 'conv_clamp' in err, 'the command converts: %d %r' % (rc, err))
    meta, tensors = read_safetensors(out)
    _, want, _ = convert.convert(source)
    check(tensors.keys() == want.keys() and all((tensors[k] == want[k]).all() for k in want), 'the file holds the tensors')
    check(all(isinstance(v, str) for v in meta.values()) and meta['format'] == '1' and meta['kind'] == 'generator', 'metadata are texts')
    check('identity ' + identity(meta, tensors) in text, 'the printed identity')
    one_line(run(source, out), 1, 'exists already', 'an existing output')
    with open(out, 'rb') as f:
        first = f.read()
    os.truncate(out, 5)
    check(run(source, out, '--force')[0] == 0, '--force replaces')
    with open(out, 'rb') as f:
        check(f.read() == first, 'the same input gives the same bytes')
    victim = file('victim', b'precious')
    os.symlink(victim, out + '.tmp')            # a killed run's left-over, or somebody's trap
    check(run(source, out, '--force')[0] == 0 and not os.path.lexists(out + '.tmp'), 'a left-over temporary file is replaced')
    with open(victim, 'rb') as f:
        check(f.read() == b'precious' and not os.path.islink(out), 'a link in its place is not followed')
    dry = os.path.join(TMP, 'dry.safetensors')
    check(run(source, dry, '--dry-run')[0] == 0 and not os.path.exists(dry), '--dry-run writes nothing')
    rc, text, _ = run(source, '--list')
    check(rc == 0 and 'synthesis.b8.conv0.weight' in text and '[5, 5, 3, 3]' in text, '--list names the tensors')
    one_line(run(source), 2, 'output file', 'no output')
    one_line(run(source, out, '--frobnicate'), 2, '--frobnicate', 'unknown option')
    one_line(run(source, os.path.join(TMP, 'no', 'folder.safetensors')), 1, 'No such file', 'output in an absent folder')
    one_line(run(source, os.path.join(source, 'x.safetensors')), 1, 'Not a directory', 'output below a regular file')
    one_line(run(source, TMP, '--force'), 1, 'folder', 'output is a folder')
    one_line(run(source, source, '--force'), 1, 'the input itself', 'output is the input')
    one_line(run(os.path.join(TMP, 'absent'), dry), 1, 'No such file', 'absent input')

    before = sorted(os.listdir(TMP))            # a full disk: the limit on file sizes fails the write the same way
    limited = run(source, dry, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)))
    check(limited[0] == 1 and 'File too large' in limited[2].splitlines()[-1] and sorted(os.listdir(TMP)) == before,
          'a failed write leaves nothing: %r' % (limited,))
    before = sorted(os.listdir(TMP))
    state, storages = tiny()
    state['x'] = Reduce(Name('os', 'system'), 'touch ' + os.path.join(TMP, 'executed2'))
    one_line(run(torch_zip('evil.pt', state, storages), dry), 1, 'os.system', 'os.system through the command')
    check(not os.path.exists(dry) and not os.path.exists(os.path.join(TMP, 'executed2')), 'nothing ran and nothing was written')

    program = os.path.join(os.environ.get('BUILD', 'build/release'), 'datasetgan')
    if not os.path.exists(os.path.join(ROOT, program)):
        skip('identity against the program: %s is not built' % program)
        return
    p = subprocess.run([program, 'info', out], cwd=ROOT, capture_output=True, text=True, preexec_fn=lift_limit)
    check(p.returncode == 0 and identity(meta, tensors) in p.stdout, 'datasetgan info prints the same identity: %r %r' % (p.stdout[-400:], p.stderr))


# ---- 7. the bundle -----------------------------------------------------------------------------------------------------

def tree(folder):
    out = {}
    for base, _, names in os.walk(folder):
        for n in names:
            with open(os.path.join(base, n), 'rb') as f:
                out[os.path.relpath(os.path.join(base, n), folder)] = f.read()
    return out


def test_bundle():
    bundle = os.path.join(ROOT, 'weights', 'blood128')
    meta, tensors = read_safetensors(os.path.join(bundle, 'generator.safetensors'))
    with open(os.path.join(bundle, 'annotations', 'task.json')) as f:
        task = json.load(f)
    check(task['generator'] == {'file': '../generator.safetensors', 'sha256': identity(meta, tensors), 'psi': 0.7, 'cutoff': None, 'noise': 'const'},
          "task.json names the bundle's generator and its identity")
    files = {i[k] for i in task['items'] for k in ('image', 'label')}
    have = {k[len('annotations/'):] for k in tree(bundle) if k.startswith('annotations/') and k.endswith('.png')}
    check(files == have and len(task['items']) == 24, 'every picture and label of task.json is there, and no other')
    with open(os.path.join(bundle, 'README.md')) as f:
        card = f.read()
    with open(os.path.join(bundle, 'generator.safetensors'), 'rb') as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    check(identity(meta, tensors) in card and digest in card and meta['source_sha256'] in card, 'the card states the hashes')
    check('CC BY 4.0' in card and 'Acevedo' in card and os.path.exists(os.path.join(bundle, 'LICENSE')), 'licence and attribution')

    command = [os.path.join(CONVERT, 'make_bundle.sh')]
    p = subprocess.run(command + [os.path.join(TMP, 'absent'), os.path.join(TMP, 'weights')], capture_output=True, text=True)
    one_line((p.returncode, p.stdout, p.stderr), 1, 'is not there', 'make_bundle without its source')
    if not os.path.isdir(BLOOD):
        skip('the bundle made again: ../shared/data/blood is absent')
        return
    p = subprocess.run(command + [BLOOD, os.path.join(TMP, 'weights')], capture_output=True, text=True)
    check(p.returncode == 0 and tree(os.path.join(TMP, 'weights', 'blood128')) == tree(bundle), 'the bundle is made again byte for byte: %s' % p.stderr)


def main():
    shutil.rmtree(TMP, ignore_errors=True)
    os.makedirs(TMP)
    'x'.encode('unicode_escape'), 'x'.encode('cp437')
    attempt(os.path.join(GOLDEN, 'convert_zip.pt'))                  # lets Python load its own modules before anyone listens
    convert_files.limit_memory()
    for test in (test_forms, test_code, test_shapes_of_pickles, test_zip, test_legacy, test_tensors, test_networks, test_config,
                 test_mutants, convert_nets.test_nets, convert_nets.test_nets_spoilt, test_command, test_large, test_bundle):
        start = time.monotonic()
        try:
            test()
        except Exception as e:
            check(False, '%s stopped: %s: %s' % (test.__name__, type(e).__name__, e))
        print('%-24s %.1f s' % (test.__name__, time.monotonic() - start))
    shutil.rmtree(TMP, ignore_errors=True)
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % count)
    return 1 if count['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
