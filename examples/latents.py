"""latents.py: from one seed's styles to another's, and what the interpreter says of the pictures between.

usage: latents.py GENERATOR INTERPRETER SEED SEED       (datasetgan.py on the Python path; NumPy)
"""
import sys

import numpy as np

import datasetgan as dg


def main():
    generator, interpreter = dg.Generator(sys.argv[1]), dg.Interpreter(sys.argv[2])
    drawer, labeller = generator.drawer(batch=2), dg.Labeller(generator, interpreter)
    drawer.draw([int(sys.argv[3]), int(sys.argv[4])], **interpreter.draw)
    a, b = drawer.ws(0).copy(), drawer.ws(1).copy()          # the next drawing would overwrite them
    for t in np.linspace(0, 1, 5, dtype=np.float32):
        drawer.draw_ws((1 - t) * a + t * b)
        found = labeller.label(drawer)
        shares = np.bincount(found.label.ravel(), minlength=len(interpreter.classes)) / found.label.size
        print(f"{t:.2f}  " + ", ".join(f"{name} {share:.1%}" for name, share in zip(interpreter.classes, shares)) + f", uncertainty {found.uncertainty:.4f}")


if __name__ == "__main__":
    main()
