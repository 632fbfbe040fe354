"""Polygons and rectangles and their masks by labelme and Pillow, polygons (coco) by pycocotools: one line a shape: kind width height corners x y ... pixels(row by row).
usage: make_raster.py > raster.txt      (labelme 6.3.1, pillow 13.0.0, pycocotools 2.0.11)"""
import numpy as np
from labelme.utils import shape_to_mask
from pycocotools import mask as M

rng = np.random.default_rng(3)


def put(kind, w, h, p):
    mask = shape_to_mask((h, w), np.asarray(p, float).tolist(), kind)
    print(kind, w, h, len(p), *(int(v) for v in np.asarray(p).ravel()), ''.join(str(int(v)) for v in mask.ravel()))


for i in range(400):
    w, h, n = int(rng.integers(1, 24)), int(rng.integers(1, 24)), int(rng.integers(3, 12))
    if i % 5 == 0:                                                   # crossing itself, partly outside
        p = rng.integers(-8, [w + 8, h + 8], (n, 2))
    elif i % 5 == 1:                                                 # doubled corners, level edges, one pixel
        p = rng.integers(0, [max(1, w // 3), max(1, h // 3)], (n, 2)) * 2
    elif i % 5 == 2:                                                 # a star around the middle, as people draw
        a = np.sort(rng.random(n)) * 2 * np.pi
        p = np.trunc(np.stack([w / 2, h / 2], -1) + rng.uniform(1, 12, (n, 1)) * np.stack([np.cos(a), np.sin(a)], 1))
    elif i % 5 == 3:                                                 # a walk of small steps: touching parts, holes
        p = np.cumsum(rng.integers(-3, 4, (2 * n, 2)), 0) + [w // 2, h // 2]
    else:                                                            # steps along the axes
        p = [(w // 2, h // 2)]
        for k in range(n):
            p.append((int(rng.integers(0, w)), p[-1][1]) if k % 2 else (p[-1][0], int(rng.integers(0, h))))
    put('polygon', w, h, p)
for i in range(30):
    w, h = int(rng.integers(1, 12)), int(rng.integers(1, 12))
    put('rectangle', w, h, rng.integers(-4, [w + 4, h + 4], (2, 2)))
for i in range(200):
    w, h, n = int(rng.integers(1, 24)), int(rng.integers(1, 24)), int(rng.integers(3, 10))
    if i % 4 == 0:
        p = rng.uniform(-8, [w + 8, h + 8], (n, 2)).round(2)
    elif i % 4 == 1:
        p = rng.integers(0, [max(1, w // 2), max(1, h // 2)], (n, 2)) * 2.0
    elif i % 4 == 2:                                                 # half pixels, first corner repeated
        p = np.cumsum(rng.integers(-3, 4, (2 * n, 2)), 0) * 0.5 + [w // 2, h // 2]
        p = np.concatenate([p, p[:1]])
    else:
        a = np.sort(rng.random(n)) * 2 * np.pi
        p = (np.stack([w / 2, h / 2], -1) + rng.uniform(1, 12, (n, 1)) * np.stack([np.cos(a), np.sin(a)], 1)).round(3)
    mask = M.decode(M.frPyObjects([p.ravel().tolist()], h, w))[..., 0]
    print('coco', w, h, len(p), *(float(v) for v in p.ravel()), ''.join(str(int(v)) for v in mask.ravel()))
for i in range(240):
    w, h = int(rng.integers(1, 31)), int(rng.integers(1, 31))
    kind = ('circle', 'point', 'line', 'linestrip')[i % 4]
    n = {'circle': 2, 'point': 1, 'line': 2, 'linestrip': int(rng.integers(2, 6))}[kind]
    p = rng.uniform(-3, [w + 3, h + 3], (n, 2)).round(2)
    if kind == 'circle':                                             # whole, half and any radii, from none at all to larger than the picture
        p[1] = p[0] + (rng.integers(0, 24, 2) / 2 if i % 3 else rng.uniform(-9, 9, 2).round(3))
    if kind == 'linestrip' and i % 8 == 3:
        p[-1] = p[-2]                                                # a segment without length
    mask = shape_to_mask((h, w), p.tolist(), kind)
    print(kind, w, h, n, *(float(v) for v in p.ravel()), ''.join(str(int(v)) for v in mask.ravel()))
