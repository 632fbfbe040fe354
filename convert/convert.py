#!/usr/bin/env python3
"""Convert a trained generator, or a segmentation network of torchvision, to the project's safetensors form.

The file's pickle is read as data and never executed; no deep-learning library is needed (Python 3.9+ and NumPy).
Exit status: 0 written (or listed), 1 refused with one line on stderr, 2 bad usage.
"""
import argparse
import hashlib
import json
import mmap
import os
import sys

sys.dont_write_bytecode = True              # leaves no __pycache__ in an installed or read-only tree

try:
    import numpy                            # noqa: F401  (asked here so that its absence is one line)
except ImportError:
    sys.exit('convert: NumPy is missing: apt-get install python3-numpy')

import plainpickle
import resnet
import safetensors
import stylegan2
import symbolic
import torchfile
from dialects import DIALECTS, unsupported
from errors import Refused, quoted

SUPPORTED = 'supported: ' + ', '.join(d.NAME for d in DIALECTS)
CONFIG_MAX = 1 << 20


def not_supported(where, what):
    return Refused('%s: %s: not supported yet (%s)' % (where, what, SUPPORTED))


def kind_of_bytes(data):
    """A name for a file that is no pickle and no zip."""
    if len(data) == 0:
        return 'an empty file'
    data, size = bytes(data[:512]), len(data)
    if size > 9 and data[8:9] == b'{' and int.from_bytes(data[:8], 'little') <= size - 8:
        return 'a safetensors file already'
    for start, what in ((b'\x89HDF', 'an HDF5 file'), (b'\x89PNG', 'a PNG picture'), (b'\xff\xd8\xff', 'a JPEG picture'),
                        (b'\x1f\x8b', 'a gzip file'), (b'\x93NUMPY', 'a NumPy file'), (b'GGUF', 'a GGUF file'),
                        (b'version https://git-lfs', 'a Git LFS pointer, not the file itself'), (b'<', 'a text or web page')):
        if data.startswith(start):
            return what
    if data[257:262] == b'ustar':
        return 'a tar file (torch before 0.4 wrote such)'
    return 'not a file of a known kind'


def open_file(data, name):
    """A torchfile.File (plainpickle.File when there is no container), or Refused with what the file is."""
    if data[:4] == b'PK\x03\x04':
        return torchfile.open_zip(data, name)
    if data[:1] != b'\x80':
        raise Refused('%s: %s (%s)' % (name, kind_of_bytes(data), SUPPORTED))
    reader = symbolic.Reader(data, name)
    root = reader.load()
    if root == torchfile.MAGIC and type(root) is int:
        return torchfile.open_legacy(data, name)
    return plainpickle.File(name, root, reader.globals, len(data) - reader.at)


def refuse_hostile(name, strange, known_as):
    """Recognised networks are named; then any global that no generator file needs is an error by itself."""
    if known_as:
        raise not_supported(name, known_as)
    if strange:
        raise Refused('%s: the pickle refers to %s, which no supported file needs: refused, nothing was run'
                      % (name, quoted(min(strange))))


def read_config(path):
    """config.json beside the input, or None."""
    try:
        with open(path, 'rb') as f:
            text = f.read(CONFIG_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror)) from None

    def unique(pairs):
        if len({k for k, _ in pairs}) != len(pairs):
            raise ValueError('a key appears twice')
        return dict(pairs)
    try:
        if len(text) > CONFIG_MAX:
            raise ValueError('longer than 1 MiB')
        value = json.loads(text, object_pairs_hook=unique)
        if not isinstance(value, dict):
            raise ValueError('expected an object')
    except (ValueError, RecursionError) as e:
        raise Refused('%s: %s' % (path, quoted(str(e), 100))) from None
    return value


def load(path):
    """The opened torchfile.File of the input.  The file is mapped, not read: what no tensor of the generator needs (a discriminator,
    optimizer state) costs no memory, however large it is."""
    try:
        with open(path, 'rb') as f:
            data = memoryview(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)) if os.fstat(f.fileno()).st_size else b''
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror)) from None
    return open_file(data, path)


def sha256_of(path):
    h = hashlib.sha256()
    try:
        with open(path, 'rb') as f:
            for part in iter(lambda: f.read(1 << 20), b''):
                h.update(part)
    except OSError as e:
        raise Refused('%s: %s' % (path, e.strerror)) from None
    return h.hexdigest()


def choose(f):
    """The dialect that the file speaks, or Refused with what it is instead."""
    dialect = next((d for d in DIALECTS if d.match(f)), None)
    allowed = torchfile.ALLOWED | getattr(dialect, 'GLOBALS', set())
    refuse_hostile(f.name, f.globals - allowed, None if dialect else unsupported.of_file(f))
    if dialect and f.surplus:
        raise Refused('%s: %d bytes after the pickle' % (f.name, f.surplus))
    if not dialect:
        raise Refused('%s: a %s file without the tensors of a known network (%s)' % (f.name, f.kind, SUPPORTED))
    return dialect


def convert(path, crop=None):
    """(metadata, tensors, notes for the user) of the input file.  crop: first row and number of rows, before what config.json says."""
    f = load(path)
    dialect = choose(f)
    config, tensors, dropped = dialect.convert(f)
    beside = os.path.join(os.path.dirname(path), 'config.json')
    given = read_config(beside) or {}
    config.apply(given, tensors, beside)
    if crop:
        config.crop_rows(*crop, '--rows')
    if config.finish:
        config.finish(config, tensors)
    notes = []
    if dropped:
        notes.append('left out, as the network never reads them: ' + ', '.join(quoted(n, 200) for n in sorted(dropped)))
    notes += config.notes
    if 'conv_clamp' not in given and 'conv_clamp' not in config.stated:
        notes.append('conv_clamp cannot be told from tensors: none is assumed; if the network was trained with one '
                     '(stylegan2-ada-pytorch: 256), say so in config.json beside the input: {"conv_clamp": 256}')
    metadata = config.metadata()
    metadata['source'] = os.path.basename(path).encode('utf-8', 'replace').decode('utf-8')
    metadata['source_sha256'] = sha256_of(path)
    metadata['source_dialect'] = '%s (%s)' % (dialect.NAME, f.kind)
    return metadata, tensors, notes


def list_tensors(path):
    """Every tensor of the input, also of one that is not supported; then what it is."""
    f = load(path)
    print('%s' % f.kind)
    groups = [('', f.root)]
    if isinstance(f.root, dict):
        groups += [(k + ': ', v) for k, v in f.root.items() if isinstance(k, str) and isinstance(v, dict)]
    rows = [(t.type, t.shape, group + name) for group, node in groups for name, t in torchfile.entries(f, node).items()]
    if not rows:
        dialect = choose(f)
        rows = dialect.listing(f) if hasattr(dialect, 'listing') else []
    for kind, shape, name in rows:
        print('%-10s %-22s %s' % (kind, list(shape), quoted(name, 200)))
    choose(f).convert(f)                        # says what it is instead, when it is no network that is supported
    print(choose(f).NAME)


def row_range(text):
    """(first, number) of '64..447'."""
    first, dots, last = text.partition('..')
    if not (dots and all(t.isascii() and t.isdigit() and len(t) < 6 for t in (first, last)) and int(first) <= int(last)):
        raise argparse.ArgumentTypeError('expected FIRST..LAST, found %s' % quoted(text))
    return int(first), int(last) - int(first) + 1


def main():
    p = argparse.ArgumentParser(description='Convert a trained generator or segmentation network to safetensors.', epilog=SUPPORTED)
    p.add_argument('input', help='the network as trained; what shapes cannot tell comes from config.json beside it')
    p.add_argument('output', nargs='?', help='file to write, *.safetensors')
    p.add_argument('--list', action='store_true', help='list the tensors of the input; write nothing')
    p.add_argument('--dry-run', action='store_true', help='check everything, print the result, write nothing')
    p.add_argument('--force', action='store_true', help='replace the output when it exists')
    p.add_argument('--rows', metavar='FIRST..LAST', type=row_range,
                   help='the rows of what is drawn that are the picture: 64..447 for the 512 x 384 cars')
    a = p.parse_args()
    if not a.output and not (a.list or a.dry_run):
        p.error('an output file is needed')
    if a.output and not a.force and not (a.list or a.dry_run) and os.path.lexists(a.output):
        raise Refused('%s: exists already; --force replaces it' % a.output)
    if a.output and os.path.exists(a.output) and os.path.exists(a.input) and os.path.samefile(a.input, a.output):
        raise Refused('%s: is the input itself' % a.output)

    if a.list:
        list_tensors(a.input)
        return
    metadata, tensors, notes = convert(a.input, a.rows)
    if not a.dry_run:
        safetensors.write(a.output, metadata, tensors, a.force)
    for note in notes:
        print('convert: note: %s' % note, file=sys.stderr)
    generator = metadata['kind'] == 'generator'
    print('%s: %s; %d tensors' % ('dry run' if a.dry_run else 'wrote ' + a.output, (stylegan2 if generator else resnet).summary(metadata), len(tensors)))
    print('identity %s' % safetensors.identity(metadata, tensors, *([] if generator else [()])))


def run(main=main):
    """main, or another program's, with every failure as one line."""
    if sys.stdout:                              # None when the caller closed it
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        main()
        print(end='', flush=True)
    except Refused as e:
        text = str(e)
    except MemoryError:
        text = 'not enough memory'
    except KeyboardInterrupt:
        return 130
    except OSError as e:                        # standard output: full disk, closed pipe
        sys.stdout = None
        text = e.strerror or type(e).__name__
    except Exception as e:                      # our mistake; the user still gets one line and no half-written file
        text = 'internal error, please report it: %s: %s' % (type(e).__name__, e)
    else:
        return 0
    print('convert: %s' % text.replace('\n', '\\n'), file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(run())
