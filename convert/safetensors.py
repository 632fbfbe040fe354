"""Write safetensors files, and compute the identity that src/nn/safetensors.c computes (docs/FILES.md)."""
import hashlib
import json
import os
import struct

import numpy as np

from errors import Refused, quoted

DTYPE = {'<f4': 'F32', '<f8': 'F64', '<f2': 'F16', '|u1': 'U8', '<i8': 'I64', '<i4': 'I32'}

# The keys of a generator that enter its identity, in this order.  sg_identity in src/stylegan uses the same list.
IDENTITY_KEYS = ('network', 'architecture', 'resolution', 'z_dim', 'w_dim', 'mapping_layers', 'mapping_lr_multiplier',
                 'img_channels', 'num_ws', 'channels', 'conv_clamp', 'c_dim', 'label_mode', 'norm_eps', 'crop_top', 'crop_rows')


def _in_name_order(tensors):
    return sorted(tensors.items(), key=lambda item: item[0].encode('utf-8'))


def identity(metadata, tensors, keys=IDENTITY_KEYS):
    """SHA-256 over the listed metadata pairs and all tensors in name order, as 64 hex digits."""
    h = hashlib.sha256()
    for key in keys:
        if key in metadata:
            h.update(key.encode() + b'\0' + metadata[key].encode() + b'\0')
    for name, a in _in_name_order(tensors):
        h.update(name.encode() + b'\0' + DTYPE[a.dtype.str].encode() + b'\0')
        h.update(struct.pack('<Q%dQ' % a.ndim, a.ndim, *a.shape))
        h.update(struct.pack('<Q', a.nbytes))
        h.update(a.tobytes())
    return h.hexdigest()


def read(path):
    """(metadata, tensors) of a file that this project wrote; tensors as they are stored, in the order of the header."""
    try:
        with open(path, 'rb') as f:
            data = f.read()
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror)) from None
    kinds, out, at = {v: k for k, v in DTYPE.items()}, {}, 0
    try:
        size, = struct.unpack_from('<Q', data)
        header = json.loads(data[8:8 + size])
        metadata, start = header.pop('__metadata__', {}), 8 + size
        for name, t in header.items():
            begin, end = t['data_offsets']
            if begin != at or end > len(data) - start:
                raise ValueError('tensor %s is not where it should be' % quoted(name))
            out[name] = np.frombuffer(data[start + begin:start + end], kinds[t['dtype']]).reshape(t['shape'])
            at = end
        if at != len(data) - start or not all(isinstance(v, str) for v in metadata.values()):
            raise ValueError('bytes after the last tensor, or metadata that is no text')
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Refused('%s: not a safetensors file of this project: %s' % (path, quoted(str(e)))) from None
    return metadata, out


def pack(metadata, tensors):
    """The whole file as a list of byte strings; tensors in name order, the header padded to a multiple of 8 bytes."""
    header, at, parts = {'__metadata__': metadata}, 0, []
    for name, a in _in_name_order(tensors):
        header[name] = {'dtype': DTYPE[a.dtype.str], 'shape': list(a.shape), 'data_offsets': [at, at + a.nbytes]}
        at += a.nbytes
        parts.append(a.tobytes())
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=True).encode()
    text += b' ' * (-len(text) % 8)
    return [struct.pack('<Q', len(text)), text] + parts


def write(path, metadata, tensors, force=False):
    """Write `path` whole or not at all: temporary file beside it, fsync, rename.  Replaces a file only with `force`."""
    if os.path.lexists(path) and not force:
        raise Refused('%s: exists already; --force replaces it' % path)
    if os.path.isdir(path):
        raise Refused('%s: is a folder, expected the name of a file' % path)
    folder, temporary = os.path.dirname(path) or '.', path + '.tmp'
    try:
        if os.path.lexists(temporary):          # left by a run that was killed; a link is removed, not followed
            os.unlink(temporary)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(fd, 'wb') as f:
                f.writelines(pack(metadata, tensors))
                f.flush()
                os.fsync(f.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror or e)) from None
