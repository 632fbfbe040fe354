"""A pickle by itself, as stylegan2-ada-pytorch, StyleGAN3 and the TensorFlow code write their networks.

Numbers come in two forms: NumPy arrays (TensorFlow), and torch storages, each of them a whole legacy torch file inside a byte
string (torch/storage.py: _load_from_bytes).  Either is recognised by the call that would make it; nothing is called.
"""
import numpy as np

import symbolic
import torchfile
from errors import Refused, quoted

STORAGE = 'torch.storage._load_from_bytes'
_CORES = ('numpy.core.', 'numpy._core.')                                    # before and from NumPy 2 on
_RECONSTRUCT = tuple(c + 'multiarray._reconstruct' for c in _CORES)         # protocols 2 to 4
_FROM_BUFFER = tuple(c + 'numeric._frombuffer' for c in _CORES)             # protocol 5
_SCALAR = tuple(c + 'multiarray.scalar' for c in _CORES)
NUMPY = set(_RECONSTRUCT + _FROM_BUFFER + _SCALAR)
_KINDS = {'f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'b1'}


class File(torchfile.File):
    """An opened pickle; tensors, storages and messages as for a torch file."""

    def __init__(self, name, root, names, surplus):
        super().__init__(name, 'pickle')
        self.root, self.globals, self.surplus, self.nested = root, names, surplus, {}

    def storage(self, pid):
        raise Refused('%s: a pickle that refers to something outside of it' % self.name)

    def storage_of(self, node):
        if not (isinstance(node, symbolic.Call) and node.name == STORAGE and len(node.args) == 1):
            return super().storage_of(node)
        if id(node) not in self.nested:                     # the node stays alive in root, so its id stays its own
            self.nested[id(node)] = self._open(node.args[0])
        return self.nested[id(node)]

    def _open(self, data):
        where = '%s: torch file inside the pickle' % self.name
        if not isinstance(data, (bytes, memoryview)):
            raise Refused('%s: expected bytes, found a %s' % (where, type(data).__name__))
        f = torchfile.open_legacy(data, where)
        strange = sorted(f.globals - {'torch.' + s for s in torchfile.STORAGES})
        if strange:
            raise Refused('%s: refers to %s, where only a storage belongs: refused, nothing was run' % (where, quoted(strange[0])))
        if not isinstance(f.root, symbolic.Persistent):
            raise Refused('%s: holds no storage' % where)
        return f.storage(f.root.id)

    def array(self, node):
        """The array or number that NumPy would make of the node, in the file's own type; None when the node is something else."""
        if not isinstance(node, symbolic.Call):
            return None
        a = node.args
        if node.name in _RECONSTRUCT:                       # (1, shape, dtype, Fortran order, bytes)
            if not (isinstance(node.state, tuple) and len(node.state) == 5):
                raise Refused('%s: a NumPy array is described in an unknown way' % self.name)
            _, shape, kind, fortran, data = node.state
        elif node.name in _FROM_BUFFER:                     # bytes, dtype, shape, 'C' or 'F'
            if len(a) != 4 or a[3] not in ('C', 'F'):
                raise Refused('%s: a NumPy array is described in an unknown way' % self.name)
            (data, kind, shape), fortran = a[:3], a[3] == 'F'
        elif node.name in _SCALAR:
            if len(a) != 2:
                raise Refused('%s: a NumPy number is described in an unknown way' % self.name)
            shape, kind, fortran, data = (), a[0], False, a[1]
        else:
            return None
        dtype, count = self._dtype(kind), 1
        if not (isinstance(shape, tuple) and len(shape) <= 8 and all(torchfile.whole(d) for d in shape)
                and isinstance(data, (bytes, memoryview))):
            raise Refused('%s: a NumPy array has an impossible shape or no bytes' % self.name)
        for d in shape:
            count *= d
        if count * dtype.itemsize != len(data):
            raise Refused('%s: a NumPy array of shape %s and type %s has %d bytes' % (self.name, list(shape), dtype, len(data)))
        return np.frombuffer(data, dtype).reshape(shape, order='F' if fortran else 'C')

    def _dtype(self, node):
        """A little-endian dtype from numpy.dtype('f4', ...) with the state (3, '<', ...)."""
        if not (isinstance(node, symbolic.Call) and node.name == 'numpy.dtype' and node.args and isinstance(node.state, tuple)
                and len(node.state) >= 2 and isinstance(node.args[0], str) and node.args[0] in _KINDS and node.state[1] in ('<', '|')):
            raise Refused('%s: a NumPy array of a type that is not supported' % self.name)
        return np.dtype('<' + node.args[0])

    def plain(self, node):
        """A setting: None, a text, a truth value or a number, also when NumPy wrote it.  Anything else: the node."""
        a = self.array(node)
        return a.item() if a is not None and a.ndim == 0 else node


def table(node):
    """A dictionary, also one that the file wraps in dnnlib's EasyDict; None when the node is something else."""
    if isinstance(node, dict):
        return node
    return node.items if isinstance(node, symbolic.Call) and node.name == 'dnnlib.util.EasyDict' and not node.args else None
