"""Another program's tensor, brought to the project's form: axes of length 1 dropped, the rest put in order, then the numbers changed.

Only shapes are needed to check a whole network; numbers are touched when all of it fits.
"""
from errors import Refused, quoted


class Source:
    """Tensor `name` of the file: of its `rank` axes those in `keep` stay, in that order; the others must have length 1."""

    def __init__(self, name, rank, keep, change=None):
        self.name, self.rank, self.keep, self.change = name, rank, keep, change

    def shape(self, found, where):
        dropped = [i for i in range(self.rank) if i not in self.keep]
        if len(found) != self.rank or any(found[i] != 1 for i in dropped):
            raise Refused('%s: tensor %s: expected %d dimensions%s, found shape %s'
                          % (where, quoted(self.name), self.rank, ', number %s of length 1' % dropped if dropped else '', list(found)))
        return tuple(found[i] for i in self.keep)

    def numbers(self, a):
        """The array in our form, C order."""
        dropped = [i for i in range(self.rank) if i not in self.keep]
        a = a.transpose(*self.keep, *dropped).reshape(tuple(a.shape[i] for i in self.keep))
        return (self.change(a) if self.change else a).astype('<f4', order='C')


def flipped(a):
    """A kernel of a transposed convolution, whose taps run backwards in the other program."""
    return a[:, :, ::-1, ::-1]
