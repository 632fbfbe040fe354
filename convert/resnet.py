"""What torchvision's ResNets and DeepLab-v3 consist of (models/resnet.py, models/segmentation/deeplabv3.py), under its own names with
`backbone.` before a ResNet's: src/deeplab/nets.c builds the same networks.
"""
import json
import re

from errors import Refused, quoted, shown

# Blocks a level; whether they are bottlenecks.
NETS = {'resnet18': ((2, 2, 2, 2), False), 'resnet34': ((3, 4, 6, 3), False),
        'resnet50': ((3, 4, 6, 3), True), 'resnet101': ((3, 4, 23, 3), True)}
CLASSES_MAX, SIZE = 255, 520            # torchvision's references/segmentation/presets.py evaluates at 520 pixels
VOC = ('__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep '
       'sofa train tvmonitor').split()
_BLOCK = re.compile(r'backbone\.layer([1-4])\.([0-9]{1,2})\.(conv3\.weight)?')
_SETTINGS = {'output_stride': (8, 16), 'rate': range(1, 65), 'size': range(16, 4097)}


class Config:
    """A network's metadata.  `stated`, `notes` and `finish` as stylegan2.Config has them; classes 0: a backbone alone."""
    stated, finish, names = ('conv_clamp',), None, None

    def __init__(self, net, classes, aux):
        self.net, self.classes, self.aux, self.notes = net, classes, aux, []
        self.values = {'output_stride': 8, 'rate': 12 if NETS[net][1] else 2, 'size': SIZE}

    def apply(self, given, tensors, where):
        """output_stride, rate and size from a config.json, and names of classes."""
        for key, allowed in _SETTINGS.items():
            if key in given:
                if type(given[key]) is not int or given[key] not in allowed:
                    raise Refused('%s: %s: expected %s, found %s' % (where, key, '8 or 16' if len(allowed) == 2 else '%d to %d'
                                                                    % (allowed[0], allowed[-1]), shown(given[key])))
                self.values[key] = given[key]
        names = given.get('classes')
        if names is None:
            return
        good = isinstance(names, list) and all(isinstance(n, str) and 0 < len(n.encode('utf-8', 'replace')) < 128 and min(n) >= ' ' for n in names)
        if not good or len(names) != self.classes or len(set(names)) != len(names):
            raise Refused('%s: classes: expected a list of %d different names' % (where, self.classes))
        self.names = names

    def crop_rows(self, top, rows, where):
        raise Refused('%s goes with generators' % where)

    def metadata(self):
        if not self.classes:
            return {'format': '1', 'kind': 'network weights', 'net': self.net}
        names = self.names or (VOC if self.classes == len(VOC) else ['class %d' % i for i in range(self.classes)])
        classes = [{'id': i, 'name': n, 'color': '#%02x%02x%02x' % _colour(i)} for i, n in enumerate(names)]
        return {'format': '1', 'kind': 'segmentation network', 'net': self.net, 'width': '0', 'aux': '1' if self.aux else '0',
                'classes': json.dumps(classes, separators=(',', ':')), **{k: str(v) for k, v in self.values.items()}}


def summary(metadata):
    """A converted network in one line."""
    if metadata['kind'] == 'network weights':
        return '%s, backbone alone, for segment train --weights' % metadata['net']
    return ('%(net)s with the head of DeepLab-v3, %(classes)d classes%(aux)s, output stride %(output_stride)s'
            % {**metadata, 'classes': len(json.loads(metadata['classes'])), 'aux': ', auxiliary head' if metadata['aux'] == '1' else ''})


def _colour(i):
    """PASCAL VOC's colour map: the bits of a class's number, dealt to red, green and blue."""
    rgb = [0, 0, 0]
    for bit in range(8):
        for c in range(3):
            rgb[c] |= (i >> c & 1) << (7 - bit)
        i >>= 3
    return tuple(rgb)


def which(names, where):
    """The network that the tensors' names belong to."""
    blocks, bottleneck = {}, False
    for m in filter(None, map(_BLOCK.match, names)):
        blocks.setdefault(int(m.group(1)), set()).add(int(m.group(2)))
        bottleneck |= m.group(3) is not None
    counts = tuple(len(blocks.get(level, ())) for level in range(1, 5))
    for net, known in NETS.items():
        if known == (counts, bottleneck):
            return net
    raise Refused('%s: a ResNet of %s %sblocks: expected one of %s' % (where, list(counts), 'bottleneck ' if bottleneck else '', ', '.join(NETS)))


def wanted(net, classes, aux):
    """{name: shape} of every tensor; classes 0: the backbone alone."""
    out, (counts, bottleneck) = {}, NETS[net]

    def conv(name, channels_in, channels_out, kernel):
        out[name + '.weight'] = (channels_out, channels_in, kernel, kernel)

    def norm(name, channels):
        out.update(('%s.%s' % (name, end), (channels,)) for end in ('weight', 'bias', 'running_mean', 'running_var'))

    def conv_norm(prefix, conv_name, norm_name, *sizes):
        conv(prefix + conv_name, *sizes)
        norm(prefix + norm_name, sizes[1])

    def last(name, channels):
        conv(name, channels, classes, 1)
        out[name + '.bias'] = (classes,)

    conv_norm('backbone.', 'conv1', 'bn1', 3, 64, 7)
    width = 64
    for level, count in enumerate(counts):
        planes = 64 << level
        full = 4 * planes if bottleneck else planes
        for b in range(count):
            block = 'backbone.layer%d.%d.' % (level + 1, b)
            parts = ((planes, 1), (planes, 3), (full, 1)) if bottleneck else ((planes, 3), (planes, 3))
            x = width
            for i, (c, kernel) in enumerate(parts, 1):
                conv_norm(block, 'conv%d' % i, 'bn%d' % i, x, c, kernel)
                x = c
            if b == 0 and (bottleneck or level):
                conv_norm(block, 'downsample.0', 'downsample.1', width, full, 1)
            width = full
    if classes:
        head = 'classifier.'
        for i in range(4):
            conv_norm(head + '0.convs.%d.' % i, '0', '1', width, 256, 3 if i else 1)
        conv_norm(head + '0.convs.4.', '1', '2', width, 256, 1)
        conv_norm(head + '0.project.', '0', '1', 5 * 256, 256, 1)
        conv_norm(head, '1', '2', 256, 256, 3)
        last(head + '4', 256)
    if aux:
        conv_norm('aux_classifier.', '0', '1', width // 2, width // 8, 3)
        last('aux_classifier.4', width // 8)
    return out


def check(shapes, need, where):
    for name, shape in need.items():
        if name not in shapes:
            raise Refused('%s: tensor %s is missing' % (where, quoted(name)))
        if tuple(shapes[name]) != shape:
            raise Refused('%s: tensor %s: expected the shape %s, found %s' % (where, quoted(name), list(shape), list(shapes[name])))
