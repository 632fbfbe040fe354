"""Networks of torchvision through the converter (part of convert_checks.py): every tensor random, in both containers, wrapped and bare; odd and
hostile ones.  Numbers come from one storage that all tensors share at different places, so files stay small.  What torchvision itself reads and
predicts: tests/torchvision_checks.py.
"""
import json
import os
import struct

import numpy as np

import convert_files
from convert_files import NIGHTLY, Name, Reduce, attempt, check, convert, expect, file, run, tensor, torch_legacy, torch_zip
import resnet                                   # found through convert_files

STORE = np.random.RandomState(3).randn(4718592 + 8192).astype('<f4')        # the largest tensor, and room to begin elsewhere
SIZES = 10240, 600000, len(STORE)                # three storages: a zip's record is read whole for every tensor in it


def numbers(i, name, shape):
    """(key of the storage, its size, first number, the array)"""
    count, at = int(np.prod(shape)), i * 11
    size = next(s for s in SIZES if at + count <= s)
    a = STORE[at:at + count].reshape(shape)
    return ('v%d' if name.endswith('running_var') else 's%d') % size, size, at, np.abs(a) if name.endswith('running_var') else a


STORAGES = {'s%d' % s: STORE[:s].tobytes() for s in SIZES}
STORAGES.update({'v10240': np.abs(STORE[:10240]).tobytes(), 'c': struct.pack('<q', 7)})


def network(net, classes, aux, plain=False, prefix=''):
    """(state dict, storages, {our name: numbers}); plain: a ResNet's file, with fc."""
    state, want = {}, {}
    for i, (name, shape) in enumerate(resnet.wanted(net, classes, aux).items()):
        key = prefix + (name[len('backbone.'):] if plain else name)
        storage, size, at, want[name] = numbers(i, name, shape)
        state[key] = tensor(storage, shape, offset=at, numel=size)
        if storage[0] == 'v':
            state[key.replace('running_var', 'num_batches_tracked')] = tensor('c', (), numel=1, kind='LongStorage')
    if plain:
        width = 2048 if resnet.NETS[net][1] else 512
        state[prefix + 'fc.weight'], state[prefix + 'fc.bias'] = (random(s) for s in ((1000, width), (1000,)))
    return state, STORAGES, want


def random(shape):
    return tensor('s%d' % SIZES[2], shape, numel=SIZES[2])


def same(got, want):
    return got.keys() == want.keys() and all(got[k].dtype == np.float32 and got[k].shape == want[k].shape and got[k].tobytes() == want[k].tobytes() for k in want)


def test_nets():
    cases = (('resnet18', 0, False, True, '', None), ('resnet34', 0, False, True, 'module.', 'state_dict'), ('resnet50', 21, True, False, '', None),
             ('resnet101', 34, False, False, 'module.', 'model_state_dict'), ('resnet101', 0, False, True, '', 'model'), ('resnet18', 3, False, False, '', 'model'))
    for net, classes, aux, plain, prefix, wrap in cases[:6 if NIGHTLY else 4]:
        state, storages, want = network(net, classes, aux, plain, prefix)
        what = '%s, %d classes%s' % (net, classes, ', aux' * aux)
        meta, got, notes = convert.convert(torch_zip('net.pth', {wrap: state, 'epoch': 3} if wrap else state, storages))
        check(same(got, want), '%s: every number under its name' % what)
        check(meta['net'] == net and meta['kind'] == ('segmentation network' if classes else 'network weights'), '%s: metadata %s' % (what, meta))
        check(any('num_batches_tracked' in n for n in notes) and any("'fc.weight'" in n for n in notes) == plain and len(notes) == 1, '%s: what is left out: %s' % (what, notes))
        if classes:
            names = [c['name'] for c in json.loads(meta['classes'])]
            check(len(names) == classes and (names[15] == 'person' if classes == 21 else names[1] == 'class 1') and meta['aux'] == '01'[aux],
                  '%s: classes %s' % (what, names))
    # The storage of counters has numbers of 8 bytes, which the legacy writer of these tests does not know.
    state, storages, want = network('resnet18', 0, False, True)
    bare = {k: v for k, v in state.items() if not k.endswith('tracked')}
    _, got, _ = convert.convert(torch_legacy('net.pth', bare, {k: v for k, v in storages.items() if k != 'c'}))
    check(same(got, want), 'resnet18 from a legacy file')


def test_nets_spoilt():
    """A tensor that is missing, renamed or of another shape is named; so is one too many."""
    state, storages, _ = network('resnet18', 4, True)
    outline = {k: tensor('t', v.args[2], numel=1) for k, v in state.items()}         # no number is looked at before all shapes are right
    place = os.path.join(convert_files.TMP, 'net.pth')
    for name in [n for n in state if not n.endswith('tracked')][::1 if NIGHTLY else 5]:
        said = attempt(torch_zip('net.pth', {k: v for k, v in outline.items() if k != name}, {'t': bytes(4)}))
        first = name.startswith('classifier.4.weight') and '0 classes' in said
        stem = name.endswith('.conv1.weight') and 'blocks' in said
        gone = name.startswith('backbone.') and 'without the tensors of a known network' in said
        check("'%s' is missing" % name in said or first or stem or gone, '%s left out: %s' % (name, said.replace(place, 'FILE')))
    for name, shape, part in (('backbone.layer2.0.conv1.weight', (128, 64, 1, 1), 'expected the shape [128, 64, 3, 3]'),
                              ('backbone.bn1.bias', (65,), 'expected the shape [64]'), ('classifier.4.weight', (1, 256, 1, 1), '1 classes'),
                              ('classifier.4.weight', (300, 256, 1, 1), '300 classes'), ('classifier.4.bias', (5,), 'expected the shape [4]'),
                              ('backbone.layer3.2.conv1.weight', (256, 256, 3, 3), 'blocks'), ('backbone.extra', (1,), 'no part of this network'),
                              ('classifier.5.weight', (1,), 'no part of this network'), ('backbone.layer1.0.conv3.weight', (256, 64, 1, 1), 'bottleneck')):
        expect(torch_zip('net.pth', {**outline, name: tensor('t', shape, numel=1)}, {'t': bytes(4)}), part, '%s of %s' % (name, list(shape)))
    expect(torch_zip('net.pth', {**state, 'backbone.bn1.running_var': random((64,))}, storages), 'a variance is negative', 'variance')
    expect(torch_zip('net.pth', {**outline, 'x': Reduce(Name('os', 'system'), 'true')}, {'t': bytes(4)}), 'os.system', 'a network that asks for os.system')
    nan = dict(storages, v10240=np.full(10240, np.nan, '<f4').tobytes())
    expect(torch_zip('net.pth', state, nan), 'not finite', 'NaN in a network')
    for names, part in ((['a'], 'a list of 4'), (['a', 'b', 'c', 'c'], 'different'), ('abcd', 'a list of 4'), ([1, 2, 3, 4], 'a list of 4')):
        file('config.json', json.dumps({'classes': names}).encode())
        expect(torch_zip('net.pth', state, storages), part, 'classes %s' % names)
    for key, value in (('output_stride', 4), ('rate', 0), ('size', '520'), ('size', 8)):
        file('config.json', json.dumps({key: value}).encode())
        expect(torch_zip('net.pth', state, storages), key, '%s %r' % (key, value))
    file('config.json', json.dumps({'classes': ['a', 'b', 'c', 'd'], 'size': 128, 'output_stride': 16, 'rate': 6}).encode())
    meta, _, _ = convert.convert(torch_zip('net.pth', state, storages))
    os.unlink(os.path.join(convert_files.TMP, 'config.json'))
    check((meta['size'], meta['output_stride'], meta['rate']) == ('128', '16', '6') and '"name":"c"' in meta['classes'], 'config.json is taken: %s' % meta)
    rc, _, err = run(place, place + '.out', '--rows', '1..2')
    check(rc == 1 and '--rows goes with generators' in err, '--rows of a network: %s' % err)
    rc, out, _ = run(place, '--list')
    check(rc == 0 and 'backbone.layer4.1.bn2.running_var' in out and out.endswith('torchvision\n'), '--list')
    rc, out, _ = run(place, place + '.out', '--dry-run')
    check(rc == 0 and '4 classes' in out and not os.path.exists(place + '.out'), '--dry-run: %s' % out)


def head_of_network():
    """The bytes of a ResNet-18 without numbers, to be mutated: whatever it becomes must be refused in one line."""
    state, _, _ = network('resnet18', 0, False, True)
    with open(torch_zip('head.pth', {k: tensor('t', v.args[2], numel=1) for k, v in state.items()}, {'t': bytes(4)}), 'rb') as f:
        return f.read()
