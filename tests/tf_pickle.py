"""Pickles with the structure of the official TensorFlow ones, without TensorFlow: for the golden script and convert_checks.

A Network stands for dnnlib.tflib.network.Network; the writer names it so, and NumPy's functions as an old or a new NumPy would.
"""
import io
import pickle
import re


class Network:
    def __init__(self, name, function, variables, components=None, **static_kwargs):
        self.__dict__.update(version=4, name=name, static_kwargs=static_kwargs, components=components or {}, build_module_src='',
                             build_func_name=function, variables=variables)


class EasyDict(dict):
    pass


NAMES = {'Network': 'dnnlib.tflib.network', 'EasyDict': 'dnnlib.util'}


class Writer(pickle._Pickler):                  # Python's own form of the pickler: its save_global can be replaced
    def __init__(self, file, protocol, core):
        super().__init__(file, protocol)
        self.core = core

    def save_global(self, obj, name=None):
        name = name or obj.__qualname__
        module = pickle.whichmodule(obj, name)
        module = NAMES.get(name, module) if module == __name__ else re.sub(r'^numpy\._?core', self.core, module)
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + ('%s\n%s\n' % (module, name)).encode())
        self.memoize(obj)

    def save_type(self, obj):
        self.save_global(obj)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = save_type
    dispatch[type(len)] = dispatch[type(lambda: 0)] = save_global


def dumps(root, protocol=4, core='numpy.core'):
    out = io.BytesIO()
    Writer(out, protocol, core).dump(root)
    return out.getvalue()


class Call:
    """Pickled as a call that unpickling would make."""

    def __init__(self, function, args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args
