"""What a StyleGAN2 generator consists of, under the names of stylegan2-ada-pytorch.

Dialects translate a file's tensors to these names; this module derives the hyper-parameters from the shapes and says
which tensors the network reads (training/networks.py of NVlabs/stylegan2-ada-pytorch).
"""
import re

import numpy as np

from errors import Refused, quoted, shown

# 4 .. 4096 px and so on: src/stylegan/model.h has the same bounds.
LEVELS_MAX, MAPPING_MAX, DIM_MAX, CHANNELS_MAX, FILTER_MAX = 11, 64, 4096, 8192, 16
_FC = re.compile(r'mapping\.fc(0|[1-9][0-9]?)\.(weight|bias)$')
_BLOCK = re.compile(r'synthesis\.b([1-9][0-9]{0,5})\.(.+)$')
# Registered by every layer, read only where something is resampled: b4 has no picture to enlarge, conv1 does not enlarge.
_UNREAD = re.compile(r'synthesis\.(b4|b[0-9]+\.conv1)\.resample_filter$')
_UNREAD_BUT_SKIP = re.compile(r'synthesis\.b[0-9]+\.resample_filter$')


class Config:
    """Hyper-parameters.  Everything but conv_clamp and mapping_lr_multiplier follows from the tensors; `stated` has those of
    the two that the file itself states, `notes` what a user should know, `more` metadata for people; `finish(config, tensors)`,
    when there is one, is called after a config.json was read."""
    conv_clamp, mapping_lr_multiplier, stated, finish = None, 0.01, (), None
    network, architecture, c_dim, label_mode = 'stylegan2', 'skip', 0, None
    crop = None                     # (first row, rows) of what is drawn that are the picture

    def __init__(self):
        self.notes, self.more = [], {}

    def apply(self, given, tensors, where):
        apply_config(self, given, tensors, where)

    def crop_rows(self, top, rows, where):
        apply_crop(self, top, rows, where)

    def metadata(self):
        own = {'label_mode': self.label_mode} if self.c_dim else {}
        if self.crop:
            own.update(crop_top=str(self.crop[0]), crop_rows=str(self.crop[1]))
        return {
            **self.more, **own,
            'format': '1', 'kind': 'generator', 'network': self.network, 'architecture': self.architecture,
            'resolution': str(self.resolution), 'z_dim': str(self.z_dim), 'w_dim': str(self.w_dim),
            'mapping_layers': str(self.mapping_layers), 'mapping_lr_multiplier': number(self.mapping_lr_multiplier),
            'img_channels': str(self.img_channels), 'num_ws': str(self.num_ws),
            'channels': ','.join(str(c) for c in self.channels),
            'conv_clamp': 'none' if self.conv_clamp is None else number(self.conv_clamp), 'c_dim': str(self.c_dim), 'noise': 'const',
        }


def summary(metadata):
    """A converted generator in one line."""
    last = 'norm_eps' if 'norm_eps' in metadata else 'conv_clamp'
    return ('%s %s, %s px, z %s, w %s, %s mapping layers, %s picture channels, %s classes, channels %s, %s %s'
            % (*(metadata[k] for k in ('network', 'architecture', 'resolution', 'z_dim', 'w_dim', 'mapping_layers', 'img_channels', 'c_dim', 'channels')),
               last, metadata[last]))


def number(value):
    """The shortest decimal that reads back as the same double; whole numbers without a point."""
    return str(int(value)) if float(value) == int(value) and abs(value) < 2**53 else repr(float(value))


def outline(shapes, where, fc=_FC):
    """What both StyleGANs' shapes say in the same way: (shape(name, rank), resolutions of the blocks, number of mapping layers)."""
    def shape(name, rank):
        if name not in shapes:
            raise Refused('%s: tensor %s is missing' % (where, quoted(name)))
        if len(shapes[name]) != rank:
            raise Refused('%s: tensor %s: expected %d dimensions, found shape %s'
                          % (where, quoted(name), rank, list(shapes[name])))
        return shapes[name]

    blocks = sorted({int(m.group(1)) for m in map(_BLOCK.match, shapes) if m})
    if not blocks or blocks != [4 << i for i in range(len(blocks))] or len(blocks) > LEVELS_MAX:
        raise Refused('%s: expected synthesis blocks 4, 8, 16, ... up to at most %d, found %s'
                      % (where, 4 << (LEVELS_MAX - 1), blocks[:12] or 'none'))
    layers = {int(m.group(1)) for m in map(fc.match, shapes) if m}
    if not layers or layers != set(range(len(layers))) or len(layers) > MAPPING_MAX:
        raise Refused('%s: expected mapping layers fc0, fc1, ... without a gap, found %s' % (where, sorted(layers) or 'none'))
    return shape, blocks, len(layers)


def check_sizes(c, where):
    """Every size of a Config within what the program takes."""
    for what, values, most in (('z_dim', [c.z_dim], DIM_MAX), ('w_dim', [c.w_dim, c.mapping_width], DIM_MAX), ('c_dim', [c.c_dim + 1], DIM_MAX),
                               ('channels', c.channels, CHANNELS_MAX)):
        for value in values:
            if not 1 <= value <= most:
                raise Refused('%s: %s of %d; 1 to %d are supported' % (where, what, value, most))
    if c.img_channels not in (1, 3, 4):
        raise Refused('%s: pictures of %d channels; 1, 3 and 4 are supported' % (where, c.img_channels))


def derive(shapes, where):
    """Config from {name: shape}; the architecture follows from which blocks have a ToRGB or a skip."""
    shape, blocks, layers = outline(shapes, where)
    c = Config()
    c.resolution, c.mapping_layers, c.num_ws = blocks[-1], layers, 2 * len(blocks)
    (c.mapping_width, c.z_dim), c.w_dim = shape('mapping.fc0.weight', 2), shape('mapping.w_avg', 1)[0]
    if 'mapping.embed.weight' in shapes:
        rows, c.c_dim = shape('mapping.embed.weight', 2)
        c.label_mode, c.z_dim = 'embed' if 'mapping.embed.bias' in shapes else 'concat', c.z_dim - rows
    if c.label_mode == 'concat' and rows != c.z_dim:
        raise Refused('%s: a class of %d numbers, expected as many as z has, %d' % (where, rows, c.z_dim))
    if any('synthesis.b%d.skip.weight' % b in shapes for b in blocks):
        c.architecture = 'resnet'
    elif len(blocks) > 1 and not any('synthesis.b%d.torgb.weight' % b in shapes for b in blocks[:-1]):
        c.architecture = 'orig'
    c.img_channels = shape('synthesis.b%d.torgb.weight' % c.resolution, 4)[0]
    c.channels = [shape('synthesis.b%d.conv1.weight' % b, 4)[0] for b in blocks]
    check_sizes(c, where)
    return c


def wanted(c, shapes):
    """{name: shape} of every tensor the network reads.  Filters keep the size that the file has."""
    out = {'mapping.w_avg': (c.w_dim,)}

    def layer(name, channels_in, channels_out, kernel):
        out[name + '.weight'], out[name + '.bias'] = (channels_out, channels_in, kernel, kernel), (channels_out,)
        out[name + '.affine.weight'], out[name + '.affine.bias'] = (channels_in, c.w_dim), (channels_in,)

    def filter_(name):
        found = tuple(shapes.get(name, ()))
        out[name] = found if len(found) == 2 and max(found) <= FILTER_MAX else (4, 4)

    embedded = shapes['mapping.embed.weight'][0] if c.c_dim else 0
    if c.c_dim:
        out['mapping.embed.weight'] = (embedded, c.c_dim)
        if c.label_mode == 'embed':
            out['mapping.embed.bias'] = (embedded,)
    for i in range(c.mapping_layers):
        rows = c.w_dim if i == c.mapping_layers - 1 else c.mapping_width
        out['mapping.fc%d.weight' % i] = (rows, c.z_dim + embedded if i == 0 else c.mapping_width)
        out['mapping.fc%d.bias' % i] = (rows,)
    out['synthesis.b4.const'] = (c.channels[0], 4, 4)
    for i, channels in enumerate(c.channels):
        r = 4 << i
        block = 'synthesis.b%d.' % r
        for conv in ('conv0', 'conv1')[i == 0:]:
            layer(block + conv, c.channels[i - 1] if conv == 'conv0' else channels, channels, 3)
            out[block + conv + '.noise_const'], out[block + conv + '.noise_strength'] = (r, r), ()
        if c.architecture == 'skip' or r == c.resolution:
            layer(block + 'torgb', channels, c.img_channels, 1)
        if i:
            filter_(block + 'conv0.resample_filter')
        if i and c.architecture == 'skip':
            filter_(block + 'resample_filter')
        if i and c.architecture == 'resnet':
            out[block + 'skip.weight'] = (channels, c.channels[i - 1], 1, 1)
            filter_(block + 'skip.resample_filter')
    return out


def select(shapes, where):
    """(config, names the network reads, names it never reads); every shape is checked."""
    c = derive(shapes, where)
    want = wanted(c, shapes)
    for name, need in want.items():
        if name not in shapes:
            raise Refused('%s: tensor %s is missing' % (where, quoted(name)))
        if tuple(shapes[name]) != need:
            raise Refused('%s: tensor %s: expected shape %s, found %s' % (where, quoted(name), list(need), list(shapes[name])))
    dropped = [n for n in shapes if n not in want]
    for name in dropped:                     # an unknown part of the generator means another network, not a spare tensor
        if name.startswith(('mapping.', 'synthesis.')) and not _UNREAD.match(name) \
                and not (c.architecture != 'skip' and _UNREAD_BUT_SKIP.match(name)):
            raise Refused('%s: tensor %s is no part of a StyleGAN2: a variant that is not supported' % (where, quoted(name)))
    return c, list(want), dropped


def apply_config(c, given, tensors, where):
    """Take conv_clamp and mapping_lr_multiplier, of a StyleGAN1 also norm_eps, from a config.json; whatever else it states must agree with the tensors."""
    facts = {}
    facts.update((k, getattr(c, k)) for k in ('network', 'architecture', 'c_dim', 'resolution', 'z_dim', 'w_dim', 'mapping_layers', 'img_channels', 'num_ws'))
    for key, fact in facts.items():
        if key in given and (given[key] != fact or isinstance(given[key], bool)):
            raise Refused('%s: %s is %s, the tensors say %s' % (where, key, quoted(repr(given[key])), fact))
    base, most = given.get('channel_base'), given.get('channel_max')
    if base is not None and most is not None:
        if not (type(base) is int and type(most) is int):
            raise Refused('%s: channel_base and channel_max: expected whole numbers' % where)
        says = [min(base // (4 << i), most) for i in range(len(c.channels))]
        if says != c.channels:
            raise Refused('%s: channel_base and channel_max give %s, the tensors have %s' % (where, says, c.channels))
    taps = given.get('resample_filter')
    if taps is not None:
        try:
            f = np.array(taps, dtype=np.float64)
            if f.ndim not in (1, 2) or max(f.shape) > FILTER_MAX:
                raise ValueError
            f = np.outer(f, f) if f.ndim == 1 else f             # torch_utils/ops/upfirdn2d.py: setup_filter
            with np.errstate(all='ignore'):                      # a sum of 0 gives NaN, which agrees with nothing
                f = f / f.sum()
        except (TypeError, ValueError):
            raise Refused('%s: resample_filter: expected at most %d numbers a side' % (where, FILTER_MAX)) from None
        for name, a in tensors.items():
            if name.endswith('resample_filter') and not (a.shape == f.shape and np.allclose(a, f, rtol=0, atol=1e-6)):
                raise Refused('%s: resample_filter differs from tensor %s' % (where, quoted(name)))
    for key in ('conv_clamp', 'mapping_lr_multiplier') + (('norm_eps',) if hasattr(c, 'norm_eps') else ()):
        value = given.get(key)
        if value is not None:
            positive(value, key, where)
        if key in c.stated and key in given and value != getattr(c, key):
            raise Refused('%s: %s is %s, the generator itself says %s' % (where, key, shown(value), shown(getattr(c, key))))
        if value is not None:
            setattr(c, key, value)
    if 'crop_top' in given or 'crop_rows' in given:
        apply_crop(c, given.get('crop_top'), given.get('crop_rows'), where)


def apply_crop(c, top, rows, where):
    """The rows that a picture has: DatasetGAN's cars are rows 64 to 447 of 512."""
    if not (type(top) is int and type(rows) is int and top >= 0 and rows >= 1 and top + rows <= c.resolution):
        raise Refused('%s: crop_top and crop_rows: expected rows of the %d that are drawn, found %s and %s'
                      % (where, c.resolution, shown(top), shown(rows)))
    c.crop = (top, rows) if rows < c.resolution else None


def positive(value, what, where):
    """A hyper-parameter that a file states, checked like one of a config.json."""
    if type(value) not in (int, float) or not 1e-30 < value < 1e30:
        raise Refused('%s: %s: expected a positive number, found %s' % (where, what, shown(value)))
    return value


def translated(f, sources, found, load):
    """What a dialect's `convert` returns, for tensors under other names.  sources: {our name: rename.Source}; found: {name in the
    file: shape}; load(name): its numbers."""
    shapes = {}
    for ours, source in sources.items():
        if source.name not in found:
            raise Refused('%s: tensor %s is missing' % (f.name, quoted(source.name)))
        shapes[ours] = source.shape(found[source.name], f.name)
    config, names, _ = select(shapes, f.name)
    used = {s.name for s in sources.values()}
    return config, {n: sources[n].numbers(load(sources[n].name)) for n in names}, [n for n in found if n not in used]


_MEAN_OF, _PARTS, _MEAN_SEED = 10000, 20, 0


def mean_of_w(config, tensors):
    """The mean of w over many z in double, as the network itself maps them; z is NumPy's RandomState, the same everywhere."""
    rng, lr, total = np.random.RandomState(_MEAN_SEED), config.mapping_lr_multiplier, np.zeros(config.w_dim)
    before, behind = (np.sqrt(2), 1.0) if config.network == 'stylegan1' else (1.0, np.sqrt(2))       # where the gain is
    with np.errstate(over='ignore', invalid='ignore'):
        for _ in range(_PARTS):
            x = rng.randn(_MEAN_OF // _PARTS, config.z_dim)
            x /= np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-8)
            for i in range(config.mapping_layers):
                weight, bias = (tensors['mapping.fc%d.%s' % (i, end)].astype(np.float64) for end in ('weight', 'bias'))
                x = x @ (weight.T * (before * lr / np.sqrt(weight.shape[1]))) + bias * lr
                x = np.where(x < 0, 0.2 * x, x) * behind
            total += x.sum(axis=0)
        return (total / _MEAN_OF).astype(np.float32)


def estimate_mean(config, tensors):
    """The missing mean.  Done last, since config.json may state the mapping's lr_multiplier."""
    tensors['mapping.w_avg'] = mean_of_w(config, tensors)
    if not np.isfinite(tensors['mapping.w_avg']).all():
        raise Refused('no mean of w in the file, and the one over %d z is not finite in float32' % _MEAN_OF)
    text = 'estimated: mean over %d z of numpy.random.RandomState(%d), as the file has none' % (_MEAN_OF, _MEAN_SEED)
    config.more['w_avg'] = text
    config.notes.append('mapping.w_avg is ' + text)
