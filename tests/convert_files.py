"""What convert_checks.py stands on: counted checks, an alarm for anything that a file makes Python do, and torch files made by hand."""
import os
import random
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOLDEN, CONVERT = os.path.join(ROOT, 'tests', 'golden'), os.path.join(ROOT, 'convert')
TMP = os.path.join(ROOT, 'build', 'tmp', 'convert')
NIGHTLY = bool(os.environ.get('NIGHTLY'))       # all 1,000 mutants and the file of 1 GB (make nightly)
sys.path.insert(0, CONVERT)
sys.dont_write_bytecode = True

import numpy as np                              # noqa: E402
import convert                                  # noqa: E402
import torchfile                                # noqa: E402
from errors import Refused                      # noqa: E402

count = {'passed': 0, 'failed': 0, 'skipped': 0}


def check(good, what):
    count['passed' if good else 'failed'] += 1
    if not good:
        print('FAILED %s' % what)


def skip(what):
    count['skipped'] += 1
    print(' skip: %s' % what)


# ---- alarm: nothing in a file may make the interpreter do anything -----------------------------------------------------

alarms, listening = [], False
HARMLESS = {'open', 'mmap.__new__', 'os.scandir', 'os.listdir', 'object.__getattr__', 'object.__setattr__', 'marshal.loads', 'array.__new__',
            'cpython._PySys_ClearAuditHooks', 'builtins.id', 'gc.get_objects', 'code.__new__', 'sys._getframe'}


def listen(event, args):
    """Any event but plain reads is an alarm: exec, compile, import, os.system, subprocess, sockets, pickle.find_class, ..."""
    if not listening:
        return
    if event == 'open' and (args[1] is None or not set(str(args[1])) & set('wax+')):
        return
    if event not in HARMLESS or event == 'open':
        alarms.append((event, repr(args)[:100]))


sys.addaudithook(listen)


def attempt(path, read=None):
    """What the converter, or another reader, says in this process: '' converted, a text when refused.  Any other exception is a failure."""
    global listening
    stderr, sys.stderr = sys.stderr, open(os.devnull, 'w')
    start, alarms[:], listening = time.process_time(), [], True     # not the clock: others may use the machine
    try:
        (read or convert.convert)(path)
        said = ''
    except Refused as e:
        said = str(e)
    except BaseException as e:
        said = 'EXCEPTION %s: %s' % (type(e).__name__, str(e)[:200])
    finally:
        listening = False
        sys.stderr.close()
        sys.stderr = stderr
    seconds = time.process_time() - start
    if alarms:
        said = 'ALARM %s' % alarms[0:2]
    if seconds > 10:
        said = 'TOO SLOW: %.1f s' % seconds
    return said


# ---- memory: no file may take over 1 GB more than Python itself had -------------------------------------------------------

NO_LIMIT = resource.getrlimit(resource.RLIMIT_AS)


def limit_memory():
    """1 GB from here on: what a length that is believed asks for shows as MemoryError."""
    with open('/proc/self/statm') as f:
        now = int(f.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30), NO_LIMIT[1]))


def lift_limit():
    """For a child that reads large files or is our program: AddressSanitizer reserves terabytes."""
    resource.setrlimit(resource.RLIMIT_AS, NO_LIMIT)


def test_mutants(sources, number, seed, finish=lambda rng, name, data: data, read=None):
    """Flipped, cut, doubled and spliced files: refused with one line, or converted to finite numbers; nothing runs, nothing takes 1 GB.
    sources: {name: bytes}; finish: what is still to be done to a mutant's bytes; read: another reader than the converter."""
    rng, bad, outcomes = random.Random(seed), [], {'refused': 0, 'converted': 0}
    for i in range(number):
        name = sorted(sources)[i % len(sources)]
        data = bytearray(sources[name])
        limit = len(data) if rng.random() < 0.3 else min(len(data), 6000)       # mostly the pickles, which come first
        for _ in range(rng.choice((1, 1, 2, 8))):
            at, kind = rng.randrange(limit), rng.randrange(5)
            if kind == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at] = rng.choice(b'.(0R}]tuQcbsahXq\x93\x94\x80\x8a\x95\xff\x00')
            elif kind == 2:
                del data[at:at + rng.randrange(1, 40)]
            elif kind == 3:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 20)))
            else:
                data[at:at + 8] = rng.choice((b'\xff' * 8, b'\0' * 8, struct.pack('<q', 2**62)))
            limit = min(limit, len(data) - 1)
        if rng.random() < 0.2 and len(data) > 10:
            del data[rng.randrange(5, len(data)):]
        said = attempt(file('mutant', finish(rng, name, bytes(data))), read)
        if said.startswith(('EXCEPTION', 'ALARM', 'TOO SLOW')) or '\n' in said or len(said) > 600:
            bad.append('%d (%s): %s' % (i, name, said))
        outcomes['refused' if said else 'converted'] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    check(not bad, 'mutants: %s' % bad[:3])
    check(outcomes['refused'] >= number // 2 and outcomes['converted'] >= 3, 'mutants: %s' % outcomes)
    check(peak < 1 << 10, 'mutants: %d MB' % peak)
    print('mutants of %s: %d refused, %d converted, %d MB at most' % (', '.join(sources), outcomes['refused'], outcomes['converted'], peak))


def repaired(data):
    """The zip with the checksums of its records made right in both headers, where the records can be found."""
    out, i = bytearray(data), data.find(b'PK\x01\x02')
    while 0 <= i and out[i:i + 4] == b'PK\x01\x02' and i + 46 <= len(out):
        size, names, extra, comment = struct.unpack_from('<I', out, i + 20)[0], *struct.unpack_from('<HHH', out, i + 28)
        local = struct.unpack_from('<I', out, i + 42)[0]
        if local + 30 <= len(out):
            begin = local + 30 + sum(struct.unpack_from('<HH', out, local + 26))
            crc = struct.pack('<I', zlib.crc32(bytes(out[begin:begin + size])))
            out[i + 16:i + 20] = out[local + 14:local + 18] = crc
        i += 46 + names + extra + comment
    return bytes(out)


def expect(path, part, what):
    """Refused with one line that holds `part` and no more than 600 characters."""
    said = attempt(path).replace(path, 'FILE')             # its name must not answer for the message
    bad = said.startswith(('EXCEPTION', 'ALARM', 'TOO SLOW')) or '\n' in said or len(said) > 600
    check(not bad and said and part in said, '%s: expected a refusal with "%s", got "%s"' % (what, part, said or 'a conversion'))


def file(name, data):
    path = os.path.join(TMP, name)
    with open(path, 'wb') as f:
        f.write(data)
    return path


def golden(name):
    with open(os.path.join(GOLDEN, 'convert_%s.pt' % name), 'rb') as f:
        return f.read()


def run(*args, **options):
    """The command in its own process: (exit status, stdout, stderr)."""
    p = subprocess.run([sys.executable, os.path.join(CONVERT, 'convert.py')] + list(args), capture_output=True, text=True, **options)
    return p.returncode, p.stdout, p.stderr


# ---- writing pickles and torch files by hand ---------------------------------------------------------------------------

class Name:
    def __init__(self, module, name):
        self.module, self.name = module, name


class Reduce:
    def __init__(self, function, *args):
        self.function, self.args = function, args


class Pid:
    def __init__(self, *value):
        self.value = value


class Raw:
    """Instructions as they are."""

    def __init__(self, code):
        self.code = code


def emit(x):
    """Protocol 2 instructions that build x."""
    if isinstance(x, Raw):
        return x.code
    if isinstance(x, Name):
        return ('c%s\n%s\n' % (x.module, x.name)).encode()
    if isinstance(x, Reduce):
        return emit(x.function) + emit(tuple(x.args)) + b'R'
    if isinstance(x, Pid):
        return emit(tuple(x.value)) + b'Q'
    if x is None:
        return b'N'
    if isinstance(x, bool):
        return b'\x88' if x else b'\x89'
    if isinstance(x, int):
        return b'\x8a' + bytes([11]) + x.to_bytes(11, 'little', signed=True)
    if isinstance(x, float):
        return b'G' + struct.pack('>d', x)
    if isinstance(x, bytes):
        return b'B' + struct.pack('<I', len(x)) + x
    if isinstance(x, str):
        return b'X' + struct.pack('<I', len(x.encode())) + x.encode()
    if isinstance(x, tuple):
        return b'(' + b''.join(map(emit, x)) + b't'
    if isinstance(x, list):
        return b'](' + b''.join(map(emit, x)) + b'e'
    if isinstance(x, dict):
        return b'}(' + b''.join(emit(k) + emit(v) for k, v in x.items()) + b'u'
    raise TypeError(type(x))


def pickled(x):
    return b'\x80\x02' + emit(x) + b'.'


def tensor(key, shape, stride=None, offset=0, numel=None, kind='FloatStorage', rebuild='_rebuild_tensor_v2', module='torch'):
    if stride is None:
        stride = tuple(int(np.prod(shape[i + 1:])) for i in range(len(shape)))
    numel = int(np.prod(shape)) if numel is None else numel
    return Reduce(Name('torch._utils', rebuild), Pid('storage', Name(module, kind), key, 'cpu', numel), offset, tuple(shape), stride,
                  False, Reduce(Name('collections', 'OrderedDict')))


def torch_zip(name, root, storages, extra=(), compress=zipfile.ZIP_STORED, force_zip64=False):
    path = os.path.join(TMP, name)
    with zipfile.ZipFile(path, 'w', compress) as z:
        for record, data in [('archive/data.pkl', root if isinstance(root, bytes) else pickled(root))] + list(extra) + [
                ('archive/data/' + k, v) for k, v in storages.items()]:
            with z.open(record, 'w', force_zip64=force_zip64) as f:
                f.write(data)
    return path


def legacy_bytes(root, storages, little=True, magic=torchfile.MAGIC, tail=b'', keys=None):
    data = pickled(magic) + pickled(1001) + pickled({'protocol_version': 1001, 'little_endian': little})
    data += root if isinstance(root, bytes) else pickled(root)
    data += pickled(list(storages) if keys is None else keys)
    for v in storages.values():
        data += struct.pack('<q', len(v) // 4) + v
    return data + tail


def torch_legacy(name, *args, **options):
    return file(name, legacy_bytes(*args, **options))


def tiny(change=None):
    """A correct state dict of a 4x4 StyleGAN2 (grey, 2 channels) and its storages; `change(shapes)` may spoil the shapes."""
    shapes = {'mapping.fc0.weight': (3, 2), 'mapping.fc0.bias': (3,), 'mapping.w_avg': (3,), 'synthesis.b4.const': (2, 4, 4),
              'synthesis.b4.resample_filter': (4, 4), 'synthesis.b4.conv1.weight': (2, 2, 3, 3), 'synthesis.b4.conv1.bias': (2,),
              'synthesis.b4.conv1.noise_const': (4, 4), 'synthesis.b4.conv1.noise_strength': (),
              'synthesis.b4.conv1.affine.weight': (2, 3), 'synthesis.b4.conv1.affine.bias': (2,),
              'synthesis.b4.torgb.weight': (1, 2, 1, 1), 'synthesis.b4.torgb.bias': (1,),
              'synthesis.b4.torgb.affine.weight': (2, 3), 'synthesis.b4.torgb.affine.bias': (2,)}
    if change:
        change(shapes)
    state = {k: tensor(str(i), s) for i, (k, s) in enumerate(shapes.items())}
    rng = np.random.RandomState(0)
    return state, {str(i): rng.randn(int(np.prod(s))).astype('<f4').tobytes() for i, s in enumerate(shapes.values())}


def spoiled(name, value):
    state, storages = tiny()
    state[name] = value
    return state, storages
