"""LabelMe files for three pictures of the bundle and the label maps that labelme makes of them.
usage: make_labelme.py OUT-FOLDER      (labelme 6.3.1, pillow 13.0.0)"""
import base64
import io
import json
import sys

import numpy as np
from PIL import Image
from labelme.utils import shapes_to_label

out = sys.argv[1]
rng = np.random.default_rng(5)
names = {'_background_': 0, 'red blood cell': 1, 'cytoplasm': 2, 'nucleus': 3, '__ignore__': 255}


def star(n, r):
    a = np.sort(rng.random(n)) * 2 * np.pi
    p = rng.uniform(20, 108, 2) + rng.uniform(3, r, (n, 1)) * np.stack([np.cos(a), np.sin(a)], 1)
    return np.round(p, 3).tolist()


def mask_shape(label):
    x, y, w, h = (int(v) for v in rng.integers(1, 60, 4))
    m = rng.random((h, w)) < 0.7
    f = io.BytesIO()
    Image.fromarray(m.astype(np.uint8) * 255).save(f, format='PNG')
    return m, dict(label=label, points=[[x + 0.7, y + 0.2], [x + w - 1 + 0.5, y + h - 1]], shape_type='mask', mask=base64.b64encode(f.getvalue()).decode())


for seed in (42, 65, 1000):
    labels = list(names)
    shapes, arrays = [], []
    for k in range(14):
        label = labels[int(rng.integers(0, 5))]
        m = None
        if k % 5 == 0:
            s = dict(label=label, points=np.round(rng.uniform(0, 128, (2, 2)), 2).tolist(), shape_type='rectangle')
        elif k % 5 == 1:
            m, s = mask_shape(label)
        elif k % 5 == 2:
            s = dict(label=label, points=star(4, 30), shape_type='oriented_rectangle')
        else:
            s = dict(label=label, points=star(int(rng.integers(3, 20)), 50), shape_type='polygon')
        shapes.append(s | dict(group_id=None, description='', flags={}) | ({} if m is not None else dict(mask=None)))
        arrays.append(s if m is None else s | dict(mask=m))
    label, _ = shapes_to_label((128, 128), arrays, names)
    with open(f'{out}/seed{seed:04d}.json', 'w') as f:
        json.dump(dict(version='6.3.1', flags={}, shapes=shapes, imagePath=f'seed{seed:04d}.png', imageData=None, imageHeight=128, imageWidth=128), f)
    Image.fromarray(label.astype(np.uint8)).save(f'{out}/seed{seed:04d}.png')
