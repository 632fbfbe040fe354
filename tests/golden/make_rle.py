"""Masks and what pycocotools says of them: one line a mask: width height pixels(row by row) text x y w h area.
usage: make_rle.py > rle.txt      (pycocotools 2.0.11)"""
import numpy as np
from pycocotools import mask as M

rng = np.random.default_rng(9)
masks = [np.zeros((1, 1)), np.ones((1, 1)), np.zeros((5, 7)), np.ones((5, 7)), np.ones((1, 40)), np.ones((40, 1))]
for h, w, y, x in ((5, 7, 0, 0), (5, 7, 4, 6), (5, 7, 2, 3), (5, 7, 4, 0), (5, 7, 0, 6)):         # one pixel
    m = np.zeros((h, w)); m[y, x] = 1; masks.append(m)
for h, w in ((8, 8), (3, 50), (50, 3), (64, 64), (33, 70)):                                       # noise, blobs, holes
    masks.append(rng.random((h, w)) < 0.5)
    masks.append(rng.random((h, w)) < 0.03)
    yy, xx = np.mgrid[:h, :w]
    d = np.hypot(yy - h / 2, xx - w / 2)
    masks.append((d < min(h, w) / 2) & (d > min(h, w) / 5))
big = np.zeros((300, 300)); big[150:, 299] = 1; big[0, 0] = 1; masks.append(big)                  # runs of many digits
for m in masks:
    m = np.asarray(m, np.uint8)
    r = M.encode(np.asfortranarray(m))
    box = [int(v) for v in M.toBbox(r)]
    print(m.shape[1], m.shape[0], ''.join(map(str, m.ravel())), r['counts'].decode(), *box, int(M.area(r)))
