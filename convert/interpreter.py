#!/usr/bin/env python3
"""Convert the interpreters that DatasetGAN's code saved (model_0.pth .. model_9.pth) to the project's safetensors form.

The classes, their colours and how pictures are drawn come from a task.json (tasks/ holds those of the paper), the feature maps from
the generator.  The pickles are read as data and never executed.
Exit status: 0 written, 1 refused with one line on stderr, 2 bad usage.
"""
import argparse
import json
import os
import re
import sys

sys.dont_write_bytecode = True

try:
    import numpy as np
except ImportError:
    sys.exit('convert: NumPy is missing: apt-get install python3-numpy')

import convert
import safetensors
import torchfile
from errors import Refused, quoted

MEMBERS_MAX, TASK_MAX, CLASSES_MAX = 1000, 64 << 20, 255
ABSENT = np.float32(-1e4)       # logit of a class that the network does not know: exp(-1e4 - anything it can be beside) is 0
# Ours, theirs (train_interpreter.py pixel_classifier: Linear ReLU BatchNorm Linear ReLU BatchNorm Linear).
PARTS = [('layer1', 0, ('weight', 'bias')), ('norm1', 2, ('weight', 'bias', 'running_mean', 'running_var')),
         ('layer2', 3, ('weight', 'bias')), ('norm2', 5, ('weight', 'bias', 'running_mean', 'running_var')),
         ('layer3', 6, ('weight', 'bias'))]


def find_files(folder):
    """model_0.pth, model_1.pth, ... as far as they go; a gap is an error."""
    try:
        names = os.listdir(folder)
    except OSError as e:
        raise Refused('%s: %s' % (folder, e.strerror)) from None
    found = {int(m.group(1)): n for n in names for m in [re.fullmatch(r'model_(\d{1,4})\.pth', n)] if m}
    if not found:
        raise Refused('%s: no model_0.pth in it' % folder)
    missing = [i for i in range(len(found)) if i not in found]
    if missing or len(found) > MEMBERS_MAX:
        raise Refused('%s: expected model_0.pth to model_%d.pth, found no model_%d.pth' % (folder, len(found) - 1, (missing or [0])[0]))
    return [os.path.join(folder, found[i]) for i in range(len(found))]


def read_member(path):
    """{our name: float32 array} of one classifier."""
    f = convert.load(path)
    strange = f.globals - torchfile.ALLOWED
    if strange:
        raise Refused('%s: the pickle refers to %s, which no interpreter needs: refused, nothing was run' % (path, quoted(min(strange))))
    node = f.root.get('model_state_dict', f.root) if isinstance(f.root, dict) else None
    tensors = torchfile.entries(f, node)
    prefix = next((p for p in ('module.layers.', 'layers.') if p + '0.weight' in tensors), None)
    if prefix is None:
        raise Refused('%s: no layers.0.weight in it: not an interpreter of DatasetGAN' % path)
    out, used = {}, set()
    for ours, theirs, names in PARTS:
        for name in names:
            key = '%s%d.%s' % (prefix, theirs, name)
            if key not in tensors:
                raise Refused('%s: tensor %s is missing' % (path, quoted(key)))
            out[ours + '.' + name] = f.numbers(tensors[key], key)
            used.add(key)
    extra = sorted(k for k in tensors if k not in used and not k.endswith('.num_batches_tracked'))
    if extra:
        raise Refused('%s: tensor %s belongs to no interpreter of DatasetGAN' % (path, quoted(extra[0])))
    check_shapes(path, out)
    return out


def check_shapes(path, m):
    if m['layer1.weight'].ndim != 2 or m['layer2.weight'].ndim != 2 or m['layer3.weight'].ndim != 2:
        raise Refused('%s: a weight is no matrix' % path)
    (h1, d), (h2, k) = m['layer1.weight'].shape, (m['layer2.weight'].shape[0], m['layer3.weight'].shape[0])
    want = {'layer1.weight': (h1, d), 'layer2.weight': (h2, h1), 'layer3.weight': (k, h2), 'layer3.bias': (k,)}
    for name, a in m.items():
        shape = want.get(name, (h1,) if name.split('.')[0].endswith('1') else (h2,))
        if a.shape != shape:
            raise Refused('%s: %s: expected the shape %s, found %s' % (path, name, list(shape), list(a.shape)))
        if name.endswith('running_var') and (a < 0).any():
            raise Refused('%s: %s: a variance is negative' % (path, name))


def read_task(path):
    try:
        with open(path, 'rb') as f:
            text = f.read(TASK_MAX + 1)
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror)) from None
    try:
        task = json.loads(text)
        classes = sorted(({'id': c['id'], 'name': c['name'], 'color': c['color'].lower()} for c in task['classes']), key=lambda c: c['id'])
        good = [c['id'] for c in classes] == list(range(len(classes))) and 2 <= len(classes) <= CLASSES_MAX
        draw = {'psi': task['generator']['psi'], 'cutoff': task['generator'].get('cutoff'), 'noise': task['generator']['noise']}
        if not good or not isinstance(task['name'], str):
            raise ValueError('classes are not numbered 0, 1, ...')
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Refused('%s: no task.json (docs/FILES.md): %s' % (path, quoted(str(e)))) from None
    return task['name'], classes, draw


def read_generator(path):
    """(identity, [(feature map, channels)] in the released code's order)."""
    metadata, tensors = safetensors.read(path)
    try:
        channels = [int(c) for c in metadata['channels'].split(',')]
        network = metadata['network']
    except (KeyError, ValueError):
        raise Refused('%s: no generator of this project' % path) from None
    maps = []
    for level, c in enumerate(channels):
        block = 'b%d.' % (4 << level)
        # [R] models/stylegan1.py G_synthesis.forward: x1 and x of each block.  StyleGAN2: EditGAN's, without the constant input.
        parts = ('conv1', 'conv1_raw') if network == 'stylegan1' else ('conv0', 'conv1') if level else ('conv1',)
        maps += [(block + p, c) for p in parts]
    return safetensors.identity(metadata, tensors), maps, channels[0]


def choose_maps(maps, constant, d, where):
    """The default maps, or EditGAN's, which begin with the constant input."""
    for choice in (maps, [('b4.const', constant)] + maps):
        if sum(c for _, c in choice) == d:
            return choice
    raise Refused('%s: the interpreter reads %d numbers a pixel, the generator makes %d' % (where, d, sum(c for _, c in maps)))


def stack(members, classes):
    """Members side by side; classes that they do not know get a logit that is never chosen and a probability of 0."""
    out = {}
    for name in members[0]:
        a = np.stack([m[name] for m in members])
        lacking = classes - a.shape[1]
        if name.startswith('layer3.') and lacking:
            fill = np.full((len(a), lacking) + a.shape[2:], ABSENT if name.endswith('bias') else 0, np.float32)
            a = np.concatenate([a, fill], 1)
        out[name] = np.ascontiguousarray(a)
    return out


def build(a):
    paths = find_files(a.folder)
    members = [read_member(p) for p in paths]
    for path, m in zip(paths, members):
        for name in m:
            if m[name].shape != members[0][name].shape:
                raise Refused('%s: %s: expected the shape %s of %s, found %s'
                              % (path, name, list(members[0][name].shape), paths[0], list(m[name].shape)))
    name, classes, draw = read_task(a.task)
    identity, maps, constant = read_generator(a.generator)
    known, d = members[0]['layer3.weight'].shape[0], members[0]['layer1.weight'].shape[1]
    if known > len(classes):
        raise Refused('%s: the interpreter has %d classes, %s only %d' % (paths[0], known, a.task, len(classes)))
    maps = choose_maps(maps, constant, d, paths[0])
    tensors = stack(members, len(classes))
    tensors['features.mean'], tensors['features.std'] = np.zeros(d, np.float32), np.ones(d, np.float32)
    line = lambda v: json.dumps(v, separators=(',', ':'), ensure_ascii=False)
    metadata = {
        'kind': 'interpreter', 'format': '1', 'task': name, 'generator': identity, 'members': str(len(members)),
        'width1': str(members[0]['layer1.weight'].shape[0]), 'width2': str(members[0]['layer2.weight'].shape[0]),
        'taps': line([{'name': n, 'channels': c} for n, c in maps]), 'classes': line(classes), 'draw': line(draw), 'seeds': '[]',
        'training': line({'recipe': 'released', 'files': [os.path.basename(p) for p in paths], 'classes': known}),
    }
    metadata['latents'] = 'stream'              # np.random.seed once a run, then randn (train_interpreter.py generate_data)
    if a.upsample != 'bilinear':
        metadata['upsample'] = a.upsample
    if a.uncertainty != 'probabilities':
        metadata['divergence'] = a.uncertainty
    return metadata, tensors, known, len(classes)


def main():
    p = argparse.ArgumentParser(description='Convert DatasetGAN\'s model_0.pth, model_1.pth, ... to one interpreter.')
    p.add_argument('folder', help='the folder that holds them')
    p.add_argument('output', help='file to write, *.safetensors')
    p.add_argument('--task', required=True, help='task.json with the classes and how pictures are drawn')
    p.add_argument('--generator', required=True, help='the converted generator that they were trained on')
    p.add_argument('--upsample', choices=('bilinear', 'nearest'), default='bilinear', help='nearest: trained with the code before June 2021')
    p.add_argument('--uncertainty', choices=('probabilities', 'logits'), default='probabilities',
                   help='logits: scores as the code before September 2021 computed them')
    p.add_argument('--force', action='store_true', help='replace the output when it exists')
    a = p.parse_args()
    metadata, tensors, known, classes = build(a)
    safetensors.write(a.output, metadata, tensors, a.force)
    if known < classes:
        print('convert: note: the interpreter knows %d of the task\'s %d classes: the others are never predicted' % (known, classes), file=sys.stderr)
    print('wrote %s: %s members, %d features -> %s -> %s -> %d classes' % (a.output, metadata['members'], len(tensors['features.mean']),
          metadata['width1'], metadata['width2'], classes))


if __name__ == '__main__':
    sys.exit(convert.run(main))
