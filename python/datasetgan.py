"""datasetgan.py: the library from Python: draw, read feature maps, train, label, stream samples.

One file, no build step: ctypes and NumPy.  It looks for libdatasetgan.so in $DATASETGAN_LIBRARY, below the prefix that this file is
installed in, in the build folder of the source tree, and where the system's linker looks.

    import datasetgan as dg
    generator = dg.Generator("generator.safetensors")
    drawer = generator.drawer(batch=2)
    drawer.draw([3, 7])
    drawer.picture(0)                    # (height, width, channels) bytes, a new array
    drawer.planar(0)                     # (channels, height, width) float32, the library's own memory
    for sample in dg.Stream(generator, dg.Interpreter("i.safetensors"), count=100):
        sample.picture, sample.label     # new arrays, which the library wrote into

Arrays that show the library's own memory keep it alive and are overwritten by the drawer's next drawing.  Objects are independent;
one object belongs to one thread at a time, except generators and interpreters.  After fork() a child must not use what its parent
opened, nor the library at all when the parent has drawn; give worker pools multiprocessing_context="spawn".
"""
import ctypes
import ctypes.util
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np

ABI = 0
STATUS = ["ok", "io", "format", "shape", "memory", "argument", "mismatch", "exists", "cancelled", "end"]
NOISE = {"const": 0, "none": 1, "random": 2}
END = 9


class Error(Exception):
    """What the library refused, as one line.  `status` is one of STATUS."""

    def __init__(self, code, message):
        super().__init__(message)
        self.status = STATUS[code] if 0 <= code < len(STATUS) else str(code)


# ---- structures and functions of the public headers ---------------------------------------------------------------------

class _Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", ctypes.c_char * 1024)]


class _Tap(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("channels", c_int64), ("height", c_int64), ("width", c_int64)]


class _Map(ctypes.Structure):
    _fields_ = [("data", c_void_p)] + [(n, c_int64) for n in ("channels", "height", "width", "block", "channel", "row", "column")]


class _Draw(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("psi", c_double), ("cutoff", c_int64), ("noise", c_int), ("class_id", c_int)]


class _Train(ctypes.Structure):
    _fields_ = ([("size", c_size_t), ("recipe", c_char_p), ("split", c_char_p), ("seed", c_uint64)]
                + [(n, c_int64) for n in ("members", "batch", "width1", "width2")]
                + [(n, c_double) for n in ("epochs", "lr", "decay", "dropout1", "dropout2")] + [("replace", c_int64)])


class _StreamOptions(ctypes.Structure):
    _fields_ = ([("size", c_size_t)] + [(n, c_uint64) for n in ("first_seed", "count", "shard", "shards")]
                + [("batch", c_int), ("draw", POINTER(_Draw))])


class _Sample(ctypes.Structure):
    _fields_ = [("seed", c_uint32), ("uncertainty", c_double)]


class _Segment(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("scale", c_double), ("tile", c_int64), ("flips", c_int64), ("adapt", c_double)]


_PROGRESS = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_double, c_double, c_double)
_E, _D, _P = POINTER(_Error), POINTER(_Draw), c_void_p
_FUNCTIONS = {
    "version": (c_char_p,), "abi": (c_int,), "kernels": (c_char_p, c_int),
    "generator_open": (_P, c_char_p, c_char_p, _E), "generator_release": (None, _P),
    "generator_resolution": (c_int64, _P), "generator_height": (c_int64, _P), "generator_channels": (c_int64, _P), "generator_z_dim": (c_int64, _P),
    "generator_w_dim": (c_int64, _P), "generator_num_ws": (c_int64, _P), "generator_classes": (c_int64, _P),
    "generator_taps": (c_int, _P), "generator_bytes": (c_size_t, _P),
    "generator_identity": (c_char_p, _P), "generator_kernels": (c_char_p, _P), "generator_tap": (c_int, _P, c_int, POINTER(_Tap), _E),
    "drawer_open": (_P, _P, c_int, c_int, _E), "drawer_close": (None, _P),
    "draw_seeds": (c_int, _P, _P, c_int, _D, _E), "draw_z": (c_int, _P, _P, c_int, _D, _P, _E), "draw_ws": (c_int, _P, _P, c_int, _D, _P, _E),
    "picture": (_P, _P, c_int), "ws": (_P, _P, c_int), "picture_bytes": (c_int, _P, c_int, _P, _E),
    "tap_map": (c_int, _P, c_int, c_int, POINTER(_Map), _E), "tap_copy": (c_int, _P, c_int, c_int, _P, _E),
    "interpreter_open": (_P, c_char_p, _E), "interpreter_release": (None, _P), "interpreter_classes": (c_int, _P),
    "interpreter_class": (c_char_p, _P, c_int, POINTER(c_uint8 * 3)), "interpreter_identity": (c_char_p, _P),
    "interpreter_generator": (c_char_p, _P), "interpreter_draw": (c_int, _P, _D, _E),
    "train": (c_int, _P, c_char_p, c_char_p, POINTER(_Train), _PROGRESS, _P, _E),
    "labeller_open": (_P, _P, _P, _E), "labeller_close": (None, _P), "label": (c_int, _P, _P, c_int, _P, _P, _P, POINTER(c_double), _E),
    "stream_open": (_P, _P, _P, POINTER(_StreamOptions), _E), "stream_close": (None, _P),
    "stream_next": (c_int, _P, _P, _P, _P, POINTER(_Sample), _E),
    "segmenter_open": (_P, c_char_p, c_char_p, POINTER(_Segment), _E), "segmenter_close": (None, _P), "segmenter_classes": (c_int, _P),
    "segmenter_class": (c_char_p, _P, c_int, POINTER(c_uint8 * 3)), "segmenter_size": (c_int64, _P),
    "segment": (c_int, _P, _P, c_int64, c_int64, c_int, _P, _P, _PROGRESS, _P, _E),
    "dataset": (c_int, _P, _P, c_char_p, c_uint64, c_uint64, _D, _PROGRESS, _P, _E),
}


def _load():
    here = Path(__file__).resolve().parent
    named = os.environ.get("DATASETGAN_LIBRARY")
    places = [named] if named else [here.parent.parent.parent / f"lib/libdatasetgan.so.{ABI}", here.parent / f"build/release/lib/libdatasetgan.so.{ABI}"]
    found = [str(p) for p in places if Path(p).exists()] or [None if named else ctypes.util.find_library("datasetgan")]
    if not found[0]:
        raise ImportError(f"libdatasetgan.so: not at {' or '.join(map(str, places))}; DATASETGAN_LIBRARY names another place")
    lib = ctypes.CDLL(found[0])
    call = {}
    for name, (result, *arguments) in _FUNCTIONS.items():
        f = call[name] = getattr(lib, "dgan_" + name)
        f.restype, f.argtypes = result, arguments
    if call["abi"]() != ABI:
        raise ImportError(f"{found[0]}: expected ABI {ABI}, found {call['abi']()}")
    return call


_call = _load()
version = _call["version"]().decode()


def _do(name, *arguments):
    """Call a function that ends with a dgan_error; raise what it says."""
    err = _Error()
    result = _call[name](*arguments, byref(err))
    if err.status:
        raise Error(err.status, err.message.decode(errors="replace"))
    return result


def _path(p):
    name = os.fsencode(p)
    if b"\0" in name:
        raise Error(5, "a path holds a zero byte")
    return name


class _Memory:
    """Library memory as NumPy sees it; holds on to whom it belongs to."""

    def __init__(self, owner, address, shape, strides=None):
        self.owner = owner
        self.__array_interface__ = {"data": (address, True), "shape": shape, "strides": strides, "typestr": "<f4", "version": 3}


def _address(array):
    return None if array is None else array.ctypes.data


def _draw(psi, cutoff, noise, class_id=0):
    if noise not in NOISE:
        raise Error(5, f"noise: expected one of {', '.join(NOISE)}, found {noise!r}")
    return _Draw(ctypes.sizeof(_Draw), psi, -1 if cutoff is None else cutoff, NOISE[noise], class_id)


def kernels():
    """Names of the kernel rows that run on this processor."""
    names = []
    while name := _call["kernels"](len(names)):
        names.append(name.decode())
    return names


# ---- generators ------------------------------------------------------------------------------------------------------------

class Generator:
    """A StyleGAN generator written by convert/convert.py."""

    def __init__(self, path, kernels=None):
        self._handle = None
        self._handle = _do("generator_open", _path(path), kernels.encode() if kernels else None)
        for name in ("resolution", "height", "channels", "z_dim", "w_dim", "num_ws", "classes", "bytes"):
            setattr(self, name, _call["generator_" + name](self._handle))
        self.identity = _call["generator_identity"](self._handle).decode()
        self.kernels = _call["generator_kernels"](self._handle).decode()
        self.taps = {}                                       # name -> (channels, height, width), in network order
        for i in range(_call["generator_taps"](self._handle)):
            tap = _Tap()
            _do("generator_tap", self._handle, i, byref(tap))
            self.taps[tap.name.decode()] = (tap.channels, tap.height, tap.width)

    def __del__(self):
        if getattr(self, "_handle", None):
            _call["generator_release"](self._handle)

    def drawer(self, batch=1, keep_taps=True):
        return Drawer(self, batch, keep_taps)

    def train(self, task, out, recipe="default", split="train", seed=0, replace=False, progress=None, **settings):
        """Train on an annotation set and write the interpreter `out`; returns it opened.

        settings: members, batch, width1, width2, epochs, lr, decay, dropout1, dropout2, each the recipe's own when left out.
        progress(what, done, total, value): called now and then; an exception or a true result stops the training, which the same
        call goes on with."""
        o = _Train(ctypes.sizeof(_Train), recipe.encode(), split.encode(), seed, replace=replace)
        for name in ("members", "batch", "width1", "width2", "epochs", "lr", "decay", "dropout1", "dropout2"):
            setattr(o, name, settings.pop(name, -1))
        if settings:
            raise TypeError(f"train: unexpected {', '.join(settings)}")
        _with_progress(progress, lambda p: _do("train", self._handle, _path(task), _path(out), byref(o), p, None))
        return Interpreter(out)


def _with_progress(progress, run):
    """run(callback); what the Python callback raised goes on here."""
    raised = []

    def report(_, what, done, total, value):
        try:
            return 1 if progress(what.decode(errors="replace"), done, total, value) else 0
        except BaseException as e:                           # Ctrl-C too: it must not cross C
            raised.append(e)
            return 1

    try:
        run(_PROGRESS(report) if progress else _PROGRESS())
    except Error:
        if raised:
            raise raised[0] from None
        raise


class Drawer:
    """Room for drawing up to `batch` pictures at once."""

    def __init__(self, generator, batch=1, keep_taps=True):
        self._handle = None
        self.generator, self.batch = generator, batch
        self._handle = _do("drawer_open", generator._handle, batch, keep_taps)

    def __del__(self):
        if getattr(self, "_handle", None):
            _call["drawer_close"](self._handle)

    def draw(self, seeds, psi=0.7, cutoff=None, noise="const", class_id=0):
        """The pictures that NVIDIA's tools draw for these seeds."""
        given = np.atleast_1d(np.asarray(seeds))
        if given.size and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() > 0xffffffff):
            raise Error(5, "seeds: expected whole numbers below 2^32")
        held = np.ascontiguousarray(given, np.uint32)
        _do("draw_seeds", self._handle, _address(held), len(held), byref(_draw(psi, cutoff, noise, class_id)))
        return self

    def draw_z(self, z, psi=0.7, cutoff=None, noise="const", noise_seeds=None, class_id=0):
        return self._draw_from("draw_z", z, (self.generator.z_dim,), psi, cutoff, noise, noise_seeds, class_id)

    def draw_ws(self, ws, noise="const", noise_seeds=None):
        """ws is used as it is: no truncation."""
        return self._draw_from("draw_ws", ws, (self.generator.num_ws, self.generator.w_dim), 1.0, None, noise, noise_seeds)

    def _draw_from(self, name, numbers, shape, psi, cutoff, noise, noise_seeds, class_id=0):
        held = np.ascontiguousarray(numbers, np.float32)
        seeds = None if noise_seeds is None else np.ascontiguousarray(noise_seeds, np.uint32)
        if held.shape == shape:
            held = held[None]
        if held.shape[1:] != shape or (seeds is not None and seeds.shape != (len(held),)):
            raise Error(5, f"{name}: expected (n, {', '.join(map(str, shape))}) and n noise seeds, found {held.shape}")
        _do(name, self._handle, _address(held), len(held), byref(_draw(psi, cutoff, noise, class_id)), _address(seeds))
        return self

    def picture(self, n=0):
        """Picture n as bytes, (height, width, channels)."""
        g = self.generator
        out = np.empty((g.height, g.resolution, g.channels), np.uint8)
        _do("picture_bytes", self._handle, n, _address(out))
        return out

    def _own(self, name, n, shape):
        address = _call[name](self._handle, n)
        if not address:
            raise Error(5, f"picture {n} was not drawn")
        return np.asarray(_Memory(self, address, shape))

    def planar(self, n=0):
        """Picture n as the network gives it, (channels, height, width): the library's own memory."""
        g = self.generator
        return self._own("picture", n, (g.channels, g.height, g.resolution))

    def ws(self, n=0):
        """Styles of picture n, (num_ws, w_dim): the library's own memory."""
        return self._own("ws", n, (self.generator.num_ws, self.generator.w_dim))

    def _index(self, name):
        names = list(self.generator.taps)
        if name not in names:
            raise Error(5, f"tap: expected one of {', '.join(names)}, found {name!r}")
        return names.index(name)

    def tap(self, name, n=0):
        """Feature map of picture n, (channels, height, width), a new array."""
        out = np.empty(self.generator.taps[name] if name in self.generator.taps else 0, np.float32)
        _do("tap_copy", self._handle, n, self._index(name), _address(out))
        return out

    def tap_blocks(self, name, n=0):
        """The same without a copy, (channels/16, 16, height, width): the library's own memory.  A last block that has fewer than
        sixteen channels is left out where there is no memory behind it (kernel row ref)."""
        m = _Map()
        _do("tap_map", self._handle, n, self._index(name), byref(m))
        blocks = -(-m.channels // 16) if m.channel == 1 else m.channels // 16
        return np.asarray(_Memory(self, m.data, (blocks, 16, m.height, m.width), tuple(4 * s for s in (m.block, m.channel, m.row, m.column))))


# ---- interpreters and labels --------------------------------------------------------------------------------------------------

class Interpreter:
    """A style interpreter written by Generator.train or 'datasetgan train'."""

    def __init__(self, path):
        self._handle = None
        self._handle = _do("interpreter_open", _path(path))
        self.classes, self.colours = [], []
        for i in range(_call["interpreter_classes"](self._handle)):
            rgb = (c_uint8 * 3)()
            self.classes.append(_call["interpreter_class"](self._handle, i, byref(rgb)).decode(errors="replace"))
            self.colours.append(tuple(rgb))
        self.identity = _call["interpreter_identity"](self._handle).decode()
        self.generator_identity = _call["interpreter_generator"](self._handle).decode()
        draw = _draw(0, None, "const")
        _do("interpreter_draw", self._handle, byref(draw))
        #: how the annotated pictures were drawn: drawer.draw(seeds, **interpreter.draw)
        self.draw = {"psi": draw.psi, "cutoff": None if draw.cutoff < 0 else draw.cutoff, "noise": list(NOISE)[draw.noise], "class_id": draw.class_id}

    def __del__(self):
        if getattr(self, "_handle", None):
            _call["interpreter_release"](self._handle)


class Sample:
    """label (height, width) and, where asked for, picture (height, width, channels), divergence (height, width), probability
    (classes, height, width); uncertainty, one number; seed."""

    def __init__(self, label, picture=None, divergence=None, probability=None, uncertainty=0.0, seed=None):
        self.label, self.picture, self.divergence, self.probability = label, picture, divergence, probability
        self.uncertainty, self.seed = uncertainty, seed


class Labeller:
    """An interpreter made ready for a generator."""

    def __init__(self, generator, interpreter):
        self._handle = None
        self.generator, self.interpreter = generator, interpreter
        self._handle = _do("labeller_open", generator._handle, interpreter._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            _call["labeller_close"](self._handle)

    def label(self, drawer, n=0, divergence=False, probability=False):
        """Label picture n of the drawer's last drawing."""
        shape = self.generator.height, self.generator.resolution
        out = Sample(np.empty(shape, np.uint8), None, np.empty(shape, np.float32) if divergence else None,
                     np.empty((len(self.interpreter.classes), *shape), np.float32) if probability else None)
        uncertainty = c_double()
        _do("label", self._handle, drawer._handle, n, _address(out.label), _address(out.divergence), _address(out.probability), byref(uncertainty))
        out.uncertainty = uncertainty.value
        return out


class Segmenter:
    """A network of 'datasetgan segment train', to label photographs.  The settings are those of 'datasetgan segment predict'."""

    def __init__(self, path, kernels=None, scale=0, tile=256, flips=True, adapt=0):
        self._handle = None
        o = _Segment(ctypes.sizeof(_Segment), scale, tile, flips, adapt)
        self._handle = h = _do("segmenter_open", _path(path), kernels.encode() if kernels else None, byref(o))
        self.size = _call["segmenter_size"](h)
        self.classes, self.colours = [], []
        for i in range(_call["segmenter_classes"](h)):
            rgb = (c_uint8 * 3)()
            self.classes.append(_call["segmenter_class"](h, i, byref(rgb)).decode())
            self.colours.append(tuple(rgb))

    def __del__(self):
        if getattr(self, "_handle", None):
            _call["segmenter_close"](self._handle)

    def label(self, picture, probability=False, progress=None):
        """Label a picture, (height, width) or (height, width, channels) bytes: (height, width), and (height, width, classes) when asked for.
        progress and stopping as in Generator.train."""
        picture = np.ascontiguousarray(picture, np.uint8)
        height, width, *channels = picture.shape
        label = np.empty((height, width), np.uint8)
        chance = np.empty((height, width, len(self.classes)), np.float32) if probability else None
        _with_progress(progress, lambda p: _do("segment", self._handle, _address(picture), height, width, channels[0] if channels else 1,
                                               _address(label), _address(chance), p, None))
        return (label, chance) if probability else label


class Stream:
    """Labelled samples, one after another: those that 'datasetgan dataset' writes.  An iterator; every sample has arrays of its own.

    count None: as many as there are seeds.  Of several workers each takes one of `shards` parts.  The other settings are those of
    Drawer.draw; left out, pictures are drawn as the annotated ones were."""

    def __init__(self, generator, interpreter, count=None, first_seed=0, shard=0, shards=1, batch=4, divergence=False, **draw):
        self._handle = None
        self.generator, self.interpreter, self._divergence = generator, interpreter, divergence
        if count is not None and count < 1:
            raise Error(5, f"count: expected at least 1, found {count}")
        how = _draw(**{**interpreter.draw, **draw})
        o = _StreamOptions(ctypes.sizeof(_StreamOptions), first_seed, count or 0, shard, shards, batch, ctypes.pointer(how))
        self._handle = _do("stream_open", generator._handle, interpreter._handle, byref(o))

    def __del__(self):
        if getattr(self, "_handle", None):
            _call["stream_close"](self._handle)

    def __iter__(self):
        return self

    def __next__(self):
        g, s = self.generator, _Sample()
        picture = np.empty((g.height, g.resolution, g.channels), np.uint8)
        label = np.empty((g.height, g.resolution), np.uint8)
        divergence = np.empty((g.height, g.resolution), np.float32) if self._divergence else None
        if _do("stream_next", self._handle, _address(picture), _address(label), _address(divergence), byref(s)) == END:
            raise StopIteration
        return Sample(label, picture, divergence, None, s.uncertainty, s.seed)


def write_dataset(generator, interpreter, out, count, first_seed=0, progress=None, **draw):
    """A dataset folder, as 'datasetgan dataset' writes it.  progress and stopping as in Generator.train."""
    how = _draw(**{**interpreter.draw, **draw})
    _with_progress(progress, lambda p: _do("dataset", generator._handle, interpreter._handle, _path(out), first_seed, count, byref(how), p, None))
