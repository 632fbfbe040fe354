"""Segmentation networks: torchvision's ResNet-18, 34, 50, 101 (models/resnet.py) and DeepLab-v3 on them (models/segmentation).

    state dict                                  torchvision's files: `conv1.weight`, ..., or `backbone.conv1.weight`, ..., `classifier.0.convs...`
    {'model': state dict, 'optimizer': ...}     its references/segmentation/train.py and references/classification/train.py
    {'model_state_dict': ...}, {'state_dict': ...}      DatasetGAN's train_deeplab.py; others

with `module.` before every name (DataParallel) or without.  A head that is no DeepLab-v3's (`fc`, FCN's) is left out: the file is then a backbone for
`segment train --weights`.
"""
import re

import resnet
from errors import Refused, quoted
from torchfile import entries

NAME = 'ResNet and DeepLab-v3 of torchvision'
_INNER = ('model', 'model_state_dict', 'state_dict')
_FIRST = 'conv1.weight', 'bn1.running_mean', 'layer1.0.conv1.weight', 'layer4.0.conv1.weight'


def _state(f):
    """(the state dict, the prefix of every name, the backbone's prefix behind it)."""
    root = f.root if isinstance(f.root, dict) else {}
    for state in [root] + [root.get(k) for k in _INNER]:
        for prefix in ('', 'module.'):
            for backbone in ('backbone.', ''):
                if isinstance(state, dict) and all(prefix + backbone + n in state for n in _FIRST):
                    return state, prefix, backbone
    return None, '', ''


def match(f):
    return _state(f)[0] is not None


def _ours(name, backbone):
    return name if backbone or name.startswith('fc.') else 'backbone.' + name


def _classes(shapes, where):
    """Classes and whether there is an auxiliary head; 0 when there is no head of DeepLab-v3."""
    if not any(n.startswith('classifier.0.convs.') for n in shapes):
        return 0, False
    classes = (shapes.get('classifier.4.weight') or [0])[0]
    if not 2 <= classes <= resnet.CLASSES_MAX:
        raise Refused('%s: tensor classifier.4.weight: %d classes; 2 to %d are supported' % (where, classes, resnet.CLASSES_MAX))
    return classes, any(n.startswith('aux_classifier.') for n in shapes)


def _left_out(spare):
    """What to list: the counters of batch norms once, the rest by name."""
    counters = [n for n in spare if n.endswith('.num_batches_tracked')]
    rest = [n for n in spare if n not in counters]
    return rest + (['%d x num_batches_tracked' % len(counters)] if counters else [])


def convert(f):
    state, prefix, backbone = _state(f)
    names = {_ours(n[len(prefix):], backbone): (n, t) for n, t in entries(f, state).items() if n.startswith(prefix)}
    shapes = {n: t.shape for n, (_, t) in names.items()}
    net = resnet.which(shapes, f.name)
    classes, aux = _classes(shapes, f.name)
    need = resnet.wanted(net, classes, aux)
    resnet.check(shapes, need, f.name)
    heads = r'.*\.num_batches_tracked' if classes else r'.*\.num_batches_tracked|fc\..*|(aux_)?classifier\..*'
    spare = [n for n in shapes if n not in need]
    strange = [n for n in spare if not re.fullmatch(heads, n)]
    if strange:
        raise Refused('%s: tensor %s is no part of this network: a variant that is not supported' % (f.name, quoted(strange[0])))
    tensors = {n: f.numbers(names[n][1], names[n][0]) for n in need}
    for n, a in tensors.items():
        if n.endswith('running_var') and (a < 0).any():
            raise Refused('%s: tensor %s: a variance is negative' % (f.name, quoted(n)))
    return resnet.Config(net, classes, aux), tensors, _left_out(spare)
