"""Read a pickle without executing it.

A pickle is a program for a small stack machine; two of its instructions (REDUCE, BUILD) run code chosen by the file.
Here they run nothing: GLOBAL yields a Global (a name), REDUCE a Call (a name and its arguments), BUILD attaches a state
to a Call.  The few calls that carry data are resolved in RESOLVE below; everything else stays a node that nobody calls.

Opcodes: protocols 2 to 5 as written by CPython's pickle and by torch.save (Lib/pickletools.py is the specification);
instructions that only protocols 0 and 1, the extension registry or out-of-band buffers use are refused by name.
The reader never recurses, so a deep file cannot exhaust the stack, and every length is checked against the bytes left.
"""
import struct

from errors import Refused


class Global:
    """A module's attribute that the file names.  Never imported."""
    __slots__ = ('name',)

    def __init__(self, name):
        self.name = name


class Call:
    """"Call `function` with `args`, then give the result this state": as data, not done."""
    __slots__ = ('function', 'args', 'state', 'items')

    def __init__(self, function, args):
        self.function, self.args, self.state, self.items = function, args, None, {}

    @property
    def name(self):
        return self.function.name if isinstance(self.function, Global) else '?'


class Persistent:
    """A reference to something outside the pickle (torch: a storage)."""
    __slots__ = ('id',)

    def __init__(self, value):
        self.id = value


class Members:
    """A set or a frozenset: only its members, in the order of the file."""
    __slots__ = ('items',)

    def __init__(self, items):
        self.items = items


def _ordered_dict(args):
    """OrderedDict() of torch's state dicts, or OrderedDict([(k, v), ...]) as Python 2 wrote it."""
    out = {}
    for pair in args[0] if args else ():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise Refused('OrderedDict: expected pairs')
        out[_key(pair[0])] = pair[1]
    return out


def _latin1(args):
    """_codecs.encode(text, 'latin1'): how protocol 2 writes bytes."""
    if len(args) != 2 or not isinstance(args[0], str) or args[1] not in ('latin1', 'latin-1'):
        raise Refused("_codecs.encode: expected (text, 'latin1')")
    try:
        return args[0].encode('latin-1')
    except UnicodeEncodeError:
        raise Refused('_codecs.encode: text is not latin-1') from None


RESOLVE = {'collections.OrderedDict': _ordered_dict, '_codecs.encode': _latin1}

_SCALAR = (str, int, float, bytes, bool, type(None))


def _key(value):
    """A dictionary key: scalars, names, and flat tuples of scalars.  (Hashing anything deeper would recurse.)"""
    if isinstance(value, _SCALAR) or isinstance(value, Global):
        return value
    if isinstance(value, tuple) and all(isinstance(v, _SCALAR) for v in value):
        return value
    raise Refused('a dictionary key is a %s; only scalars are accepted' % type(value).__name__)


class _Mark:
    pass


_MARK = _Mark()
# Instructions that exist and that no supported file needs; for the message.
_OTHERS = {
    b'I': 'INT', b'L': 'LONG', b'F': 'FLOAT', b'S': 'STRING', b'V': 'UNICODE', b'P': 'PERSID', b'g': 'GET', b'p': 'PUT',
    b'l': 'LIST', b'd': 'DICT', b'i': 'INST', b'o': 'OBJ', b'\x82': 'EXT1', b'\x83': 'EXT2', b'\x84': 'EXT4',
    b'\x97': 'NEXT_BUFFER', b'\x98': 'READONLY_BUFFER',
}
_LONG_MAX = 16                # bytes; torch's magic number, the longest legitimate one, has 10
_VIEW_MIN = 4096


class Reader:
    """Reads pickles one after another from `data`; `at` is the position, `globals` every name met."""

    def __init__(self, data, where, at=0):
        self.data, self.where, self.at, self.globals = data, where, at, set()

    def _fail(self, text):
        raise Refused('%s: pickle, byte %d: %s' % (self.where, self.at, text))

    def _skip(self, count):
        if count > len(self.data) - self.at:
            self._fail('%d bytes announced, %d left' % (count, len(self.data) - self.at))
        self.at += count

    def _take(self, count):
        self._skip(count)
        return bytes(self.data[self.at - count:self.at])

    def _number(self, fmt):
        return struct.unpack('<' + fmt, self._take(struct.calcsize('<' + fmt)))[0]

    def _text(self, count):
        try:
            return str(self._take(count), 'utf-8', 'surrogatepass')
        except UnicodeDecodeError:
            self._fail('text is not UTF-8')

    def _line(self):
        count = bytes(self.data[self.at:self.at + 1024]).find(b'\n')
        if count < 0:
            self._fail('a name has no end')
        text = self._text(count)
        self.at += 1
        return text

    def _pop(self):
        if not self.stack or self.stack[-1] is _MARK:
            self._fail('the stack is empty')
        return self.stack.pop()

    def _top(self, kind, what):
        if not self.stack or not isinstance(self.stack[-1], kind):
            self._fail('%s needs another object below it' % what)
        return self.stack[-1]

    def _pop_mark(self):
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1:]
                del self.stack[i:]
                return items
        self._fail('no mark on the stack')

    def _name(self, module, name):
        if not isinstance(module, str) or not isinstance(name, str):
            self._fail('a global is named by something that is no text')
        full = module + '.' + name
        self.globals.add(full)
        return Global(full)

    def _call(self, function, args):
        if not isinstance(args, tuple):
            self._fail('arguments are a %s, expected a tuple' % type(args).__name__)
        if isinstance(function, Global) and function.name in RESOLVE:
            try:
                return RESOLVE[function.name](args)
            except Refused as e:
                self._fail(str(e))
        return Call(function, args)

    def _set_items(self, items):
        target = self._top((dict, Call), 'SETITEMS')
        if len(items) % 2:
            self._fail('a dictionary has a key without a value')
        out = target.items if isinstance(target, Call) else target
        for key, value in zip(items[0::2], items[1::2]):
            try:
                out[_key(key)] = value
            except Refused as e:
                self._fail(str(e))

    def _append(self, items):
        target = self._top((list, Call), 'APPENDS')
        if isinstance(target, Call):
            target.items.setdefault('', []).extend(items)
        else:
            target.extend(items)

    def _build(self, state):
        target = self._top((Call, dict, Members), 'BUILD')
        if isinstance(target, Call):
            target.state = state
        # A state given to a plain dictionary is an attribute of an OrderedDict (torch: _metadata); nobody reads it.

    def _memo(self, index):
        if index not in self.memo:
            self._fail('memo %d was never written' % index)
        return self.memo[index]

    def _put(self, index):
        if not self.stack or self.stack[-1] is _MARK:
            self._fail('nothing to remember')
        self.memo[index] = self.stack[-1]

    def load(self):
        """One pickle, up to its STOP."""
        self.stack, self.memo = [], {}
        while True:
            if self.at >= len(self.data):
                self._fail('ends before STOP')
            code = self._take(1)
            if code == b'.':
                break
            action = _ACTIONS.get(code)
            if action is None:
                name = _OTHERS.get(code)
                self._fail('instruction %s is not supported' % name if name else 'byte 0x%02x is no instruction' % code[0])
            action(self)
        value = self._pop()
        if self.stack:
            self._fail('%d objects are left over' % len(self.stack))
        return value


def _proto(r):
    version = r._number('B')
    if not 2 <= version <= 5:
        r._fail('protocol %d, expected 2 to 5' % version)


def _frame(r):
    if r._number('Q') > len(r.data) - r.at:
        r._fail('a frame is longer than the file')


def _long(r, count):
    if not 0 <= count <= _LONG_MAX:
        r._fail('a whole number of %d bytes, expected at most %d' % (count, _LONG_MAX))
    r.stack.append(int.from_bytes(r._take(count), 'little', signed=True))


def _tuple(count):
    def action(r):
        items = [r._pop() for _ in range(count)]
        r.stack.append(tuple(reversed(items)))
    return action


def _push(value):
    return lambda r: r.stack.append(value)


def _number(fmt):
    return lambda r: r.stack.append(r._number(fmt))


def _float(r):
    r.stack.append(struct.unpack('>d', r._take(8))[0])


def _text(fmt):
    return lambda r: r.stack.append(r._text(r._number(fmt)))


def _bytes(fmt):
    """Long ones are views of the file: a generator's numbers stay in memory once."""
    def action(r):
        count = r._number(fmt)
        if count < _VIEW_MIN:
            r.stack.append(r._take(count))
        else:
            r._skip(count)
            r.stack.append(memoryview(r.data)[r.at - count:r.at])
    return action


def _string(fmt):
    """Python 2's byte strings: text to us, byte for byte."""
    def action(r):
        count = r._number(fmt)
        if count < 0:
            r._fail('a text of %d bytes' % count)
        r.stack.append(str(r._take(count), 'latin-1'))
    return action


def _reduce(r):
    args, function = r._pop(), r._pop()
    r.stack.append(r._call(function, args))


def _newobj_ex(r):
    kwargs, args, function = r._pop(), r._pop(), r._pop()
    call = r._call(function, args)
    if isinstance(call, Call) and isinstance(kwargs, dict):
        call.items.update(kwargs)
    r.stack.append(call)


def _global(r):
    module = r._line()
    r.stack.append(r._name(module, r._line()))


def _stack_global(r):
    name, module = r._pop(), r._pop()
    r.stack.append(r._name(module, name))


def _set_item(r):
    value, key = r._pop(), r._pop()
    r._set_items([key, value])


def _append_one(r):
    item = r._pop()
    r._append([item])


def _add_items(r):
    items = r._pop_mark()
    r._top(Members, 'ADDITEMS').items.extend(items)


def _build(r):
    state = r._pop()
    r._build(state)


def _dup(r):
    value = r._pop()
    r.stack += [value, value]


_ACTIONS = {
    b'\x80': _proto, b'\x95': _frame, b'(': _push(_MARK), b'0': lambda r: r._pop(), b'1': lambda r: r._pop_mark(), b'2': _dup,
    b'N': _push(None), b'\x88': _push(True), b'\x89': _push(False),
    b'J': _number('i'), b'K': _number('B'), b'M': _number('H'), b'G': _float,
    b'\x8a': lambda r: _long(r, r._number('B')), b'\x8b': lambda r: _long(r, r._number('i')),
    b'X': _text('I'), b'\x8c': _text('B'), b'\x8d': _text('Q'), b'T': _string('i'), b'U': _string('B'),
    b'B': _bytes('I'), b'C': _bytes('B'), b'\x8e': _bytes('Q'), b'\x96': _bytes('Q'),
    b')': _push(()), b']': lambda r: r.stack.append([]), b'}': lambda r: r.stack.append({}),
    b'\x8f': lambda r: r.stack.append(Members([])), b'\x91': lambda r: r.stack.append(Members(r._pop_mark())),
    b'\x85': _tuple(1), b'\x86': _tuple(2), b'\x87': _tuple(3), b't': lambda r: r.stack.append(tuple(r._pop_mark())),
    b'a': _append_one, b'e': lambda r: r._append(r._pop_mark()), b's': _set_item, b'u': lambda r: r._set_items(r._pop_mark()),
    b'\x90': _add_items,
    b'c': _global, b'\x93': _stack_global, b'R': _reduce, b'\x81': _reduce, b'\x92': _newobj_ex, b'b': _build,
    b'Q': lambda r: r.stack.append(Persistent(r._pop())),
    b'q': lambda r: r._put(r._number('B')), b'r': lambda r: r._put(r._number('I')), b'\x94': lambda r: r._put(len(r.memo)),
    b'h': lambda r: r.stack.append(r._memo(r._number('B'))), b'j': lambda r: r.stack.append(r._memo(r._number('I'))),
}
