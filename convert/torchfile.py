"""The two containers of torch.save: zip (torch 1.6 and later) and legacy (five pickles and raw storages).

Sources: torch/serialization.py and caffe2/serialize/inline_container.cc of PyTorch; docs/MODELS.md lists what is accepted.
Tensors stay symbolic (storage, offset, shape, strides) until `numbers` is asked for one, so a file's optimizer state or
discriminator costs nothing.
"""
import io
import struct
import zipfile

import numpy as np

import symbolic
from errors import Refused, quoted

MAGIC, PROTOCOL = 0x1950a86a20f9469cfc6c, 1001          # torch/serialization.py: MAGIC_NUMBER, PROTOCOL_VERSION

# torch.<name>Storage: bytes of a number, and how NumPy reads it.  bfloat16 has no NumPy type: upper half of a float32.
STORAGES = {
    'FloatStorage': '<f4', 'DoubleStorage': '<f8', 'HalfStorage': '<f2', 'BFloat16Storage': '<u2',
    'LongStorage': '<i8', 'IntStorage': '<i4', 'ShortStorage': '<i2', 'CharStorage': '|i1', 'ByteStorage': '|u1',
    'BoolStorage': '|b1',
}
FLOATS = ('FloatStorage', 'DoubleStorage', 'HalfStorage', 'BFloat16Storage')

# Names that carry data here (resolved below or in symbolic.py) ...
_REBUILD = ('torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_tensor')
_PARAMETER = ('torch._utils._rebuild_parameter', 'torch.nn.parameter.Parameter')
ALLOWED = set(symbolic.RESOLVE) | set(_REBUILD) | set(_PARAMETER) | {'torch.' + s for s in STORAGES} | {
    # ... and names that training scripts leave beside the weights: harmless, never read.
    'argparse.Namespace', 'torch.device', 'torch.Size', 'torch.float32', 'torch.float16', 'torch.float64',
    'numpy.dtype', 'numpy.ndarray', 'numpy.core.multiarray.scalar', 'numpy.core.multiarray._reconstruct',
    'numpy._core.multiarray.scalar', 'numpy._core.multiarray._reconstruct', 'builtins.set', '__builtin__.set',
}


class Tensor:
    """A tensor as the file describes it; offset and strides count numbers, not bytes."""

    def __init__(self, storage, offset, shape, stride):
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    @property
    def count(self):
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def type(self):
        return self.storage.type[:-len('Storage')].lower()


class Storage:
    """`count` numbers of one type; `read()` gives exactly their bytes."""

    def __init__(self, type_, key, count):
        self.type, self.key, self.count, self.read = type_, key, count, None

    @property
    def bytes(self):
        return self.count * np.dtype(STORAGES[self.type]).itemsize


class File:
    """An opened torch file: `root` (the symbolic object), `globals` (names met), `kind` (for messages)."""

    def __init__(self, name, kind):
        self.name, self.kind, self.root, self.globals, self.storages, self.surplus = name, kind, None, set(), {}, 0

    def storage(self, pid):
        """The storage that a persistent id names; the same id twice is the same storage."""
        if not (isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == 'storage' and isinstance(pid[1], symbolic.Global)
                and isinstance(pid[2], str) and whole(pid[4])):
            raise Refused('%s: a persistent id is not a torch storage' % self.name)
        type_ = pid[1].name[len('torch.'):] if pid[1].name.startswith('torch.') else pid[1].name
        if type_ not in STORAGES:
            raise Refused('%s: storage %s has the type %s, which is not supported'
                          % (self.name, quoted(pid[2]), quoted(pid[1].name)))
        if len(pid) == 6 and pid[5] is not None:
            raise Refused('%s: storage %s is a view (torch before 0.4), which is not supported' % (self.name, quoted(pid[2])))
        known = self.storages.setdefault(pid[2], Storage(type_, pid[2], pid[4]))
        if (known.type, known.count) != (type_, pid[4]):
            raise Refused('%s: storage %s is described in two ways' % (self.name, quoted(pid[2])))
        return known

    def storage_of(self, node):
        """The storage that a tensor's first argument means."""
        if not isinstance(node, symbolic.Persistent):
            raise Refused('%s: a tensor is described in an unknown way' % self.name)
        return self.storage(node.id)

    def tensor(self, node):
        """The Tensor that a symbolic node describes, or None when it describes none."""
        for _ in range(4):                              # a Parameter wraps a tensor, perhaps more than once
            if not (isinstance(node, symbolic.Call) and node.name in _PARAMETER and node.args):
                break
            node = node.args[0]
        if not (isinstance(node, symbolic.Call) and node.name in _REBUILD):
            return None
        a = node.args
        if len(a) < 4 or not isinstance(a[0], (symbolic.Persistent, symbolic.Call)) or not whole(a[1]):
            raise Refused('%s: a tensor is described in an unknown way' % self.name)
        shape, stride = a[2], a[3]
        if not (isinstance(shape, tuple) and isinstance(stride, tuple) and len(shape) == len(stride) <= 8
                and all(whole(d) for d in shape) and all(whole(s) for s in stride)):
            raise Refused('%s: a tensor has an impossible shape or impossible strides' % self.name)
        return Tensor(self.storage_of(a[0]), a[1], shape, stride)

    def numbers(self, t, name):
        """The numbers of tensor `name` as float32, C order.  Half and bfloat16 are widened (exact), double is rounded."""
        if t.storage.type not in FLOATS:
            raise Refused('%s: tensor %s: expected floating point, found %s' % (self.name, quoted(name), t.type))
        last = t.offset + sum((d - 1) * s for d, s in zip(t.shape, t.stride))      # no stride is negative
        if t.count < 1 or t.count > t.storage.count or last >= t.storage.count:
            raise Refused('%s: tensor %s: shape %s, strides %s from number %d do not fit its storage of %d numbers'
                          % (self.name, quoted(name), list(t.shape), list(t.stride), t.offset, t.storage.count))
        raw = np.frombuffer(t.storage.read(), STORAGES[t.storage.type])
        if t.storage.type == 'BFloat16Storage':
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        size = raw.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(raw[t.offset:], t.shape, [s * size for s in t.stride], writeable=False)
        return self.float32(view, name)

    def float32(self, a, name):
        """Array `a` as float32, C order; every number finite."""
        with np.errstate(over='ignore'):
            out = np.ascontiguousarray(a.astype(np.float32)).reshape(a.shape)
        if not np.isfinite(out).all():
            raise Refused('%s: tensor %s: a number is not finite in float32' % (self.name, quoted(name)))
        return out


def entries(f, node):
    """The tensors of a state dict: {name: Tensor}.  Entries of other kinds are left out."""
    out = {}
    if isinstance(node, dict):
        for key, value in node.items():
            t = f.tensor(value) if isinstance(key, str) else None
            if t is not None:
                out[key] = t
    return out


def whole(value):
    return type(value) is int and 0 <= value < 2**48


class _Mapped(io.RawIOBase):
    """Bytes in memory as a file, without the copy that BytesIO makes."""

    def __init__(self, data):
        super().__init__()
        self.data, self.at = data, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self.at = max(0, offset + (0, self.at, len(self.data))[whence])
        return self.at

    def readinto(self, out):
        part = self.data[self.at:self.at + len(out)]
        out[:len(part)] = part
        self.at += len(part)
        return len(part)


def open_zip(data, name):
    """A zip of stored records: <folder>/data.pkl, <folder>/data/<key>, <folder>/version[, <folder>/byteorder]."""
    f = File(name, 'torch zip')
    try:
        z = zipfile.ZipFile(io.BufferedReader(_Mapped(data)))
        records = {}
        for info in z.infolist():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
                raise Refused('%s: zip record %s is compressed or encrypted; torch stores records plainly'
                              % (name, quoted(info.filename)))
            if info.filename in records:
                raise Refused('%s: zip record %s appears twice' % (name, quoted(info.filename)))
            records[info.filename] = info
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError, OSError) as e:
        raise Refused('%s: damaged zip: %s' % (name, quoted(str(e)))) from None
    if sum(i.file_size for i in records.values()) > len(data):
        raise Refused('%s: zip records overlap: together they are longer than the file' % name)

    def read(path):
        try:
            return z.read(records[path])                # finds the data through the local header; checks the CRC
        except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError, OSError, RuntimeError) as e:
            raise Refused('%s: zip record %s: %s' % (name, quoted(path), quoted(str(e)))) from None

    pickles = [p for p in records if p.endswith('/data.pkl')]
    if len(pickles) != 1:
        what = 'TorchScript' if any(p.endswith('/constants.pkl') for p in records) else 'no torch file'
        raise Refused('%s: a zip with %d records named data.pkl, expected 1: %s' % (name, len(pickles), what))
    folder = pickles[0][:-len('data.pkl')]
    if folder + 'constants.pkl' in records:
        raise Refused('%s: TorchScript archive: not supported; save the state dict with torch.save' % name)
    if folder + 'byteorder' in records and read(folder + 'byteorder') != b'little':
        raise Refused('%s: numbers are stored with byte order %s, only little is supported'
                      % (name, quoted(read(folder + 'byteorder').decode('latin-1'))))
    reader = symbolic.Reader(read(folder + 'data.pkl'), name)
    f.root, f.globals = reader.load(), reader.globals

    original = f.storage

    def storage(pid):
        s = original(pid)
        path = folder + 'data/' + s.key
        if s.read is None:
            if path not in records or records[path].file_size != s.bytes:
                raise Refused('%s: zip record %s: expected %d bytes, found %s' % (name, quoted(path), s.bytes,
                              records[path].file_size if path in records else 'no record'))
            s.read = lambda: read(path)
        return s
    f.storage = storage
    return f


def open_legacy(data, name):
    """Magic number, protocol, system, object, list of storage keys; then per key: i64 count, the numbers."""
    f = File(name, 'torch legacy')
    r = symbolic.Reader(data, name)
    if r.load() != MAGIC:
        raise Refused('%s: no torch file: wrong magic number' % name)
    if r.load() != PROTOCOL:
        raise Refused('%s: torch legacy file of another protocol than %d' % (name, PROTOCOL))
    system = r.load()
    if not isinstance(system, dict) or system.get('little_endian') is not True:
        raise Refused('%s: numbers are not stored little-endian, which is not supported' % name)
    f.root = r.load()
    keys, f.globals = r.load(), r.globals
    if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys) or len(set(keys)) != len(keys):
        raise Refused('%s: the list of storages is damaged' % name)
    _declare(f, f.root)
    at = r.at
    for key in keys:
        s = f.storages.get(key)
        if s is None:
            raise Refused('%s: storage %s belongs to no tensor, so its size is unknown' % (name, quoted(key)))
        if len(data) - at < 8 or struct.unpack_from('<q', data, at)[0] != s.count or len(data) - at - 8 < s.bytes:
            raise Refused('%s: storage %s, byte %d: expected %d numbers, found another count or the end of the file'
                          % (name, quoted(key), at, s.count))
        s.read = lambda begin=at + 8, end=at + 8 + s.bytes: data[begin:end]
        at += 8 + s.bytes
    if at != len(data):
        raise Refused('%s: %d bytes after the last storage' % (name, len(data) - at))
    missing = [k for k in f.storages if k not in set(keys)]
    if missing:
        raise Refused('%s: storage %s is not in the file' % (name, quoted(missing[0])))
    return f


def _declare(f, root):
    """Meet every storage that the object names (their types give the sizes).  Iterative, each node once: cycles end."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        if isinstance(node, symbolic.Persistent):
            if isinstance(node.id, tuple) and node.id and node.id[0] == 'storage':
                f.storage(node.id)
        elif isinstance(node, dict):
            todo += node.values()
        elif isinstance(node, (list, tuple)):
            todo += node
        elif isinstance(node, symbolic.Members):
            todo += node.items
        elif isinstance(node, symbolic.Call):
            todo += [node.args, node.state, node.items]
        else:
            continue
        seen.add(id(node))
