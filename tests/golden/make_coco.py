"""A COCO file for three pictures of the bundle and the label maps that pycocotools makes of it.
usage: make_coco.py OUT-FOLDER      (pycocotools 2.0.11)"""
import json
import sys

import numpy as np
from PIL import Image
from pycocotools import mask as M
from pycocotools.coco import COCO

out = sys.argv[1]
rng = np.random.default_rng(6)
names = {31: 'nucleus', 7: 'red blood cell', -2: 'cytoplasm', 4: 'background'}
ids = {'background': 0, 'red blood cell': 1, 'cytoplasm': 2, 'nucleus': 3}


def star(n, r):
    a = np.sort(rng.random(n)) * 2 * np.pi
    p = rng.uniform(10, 118, 2) + rng.uniform(3, r, (n, 1)) * np.stack([np.cos(a), np.sin(a)], 1)
    return np.round(p, 2).ravel().tolist()


images = [dict(id=i, file_name=f'some/folder/seed{s:04d}.jpg', width=128, height=128) for i, s in ((9, 42), (3, 65), (0, 1000))]
annotations = []
for k in range(24):
    yy, xx = np.mgrid[:128, :128]
    c = rng.uniform(10, 118, 2)
    m = np.asfortranarray((np.hypot(yy - c[0], xx - c[1]) < rng.uniform(3, 30)) & (rng.random((128, 128)) < 0.9), np.uint8)
    if k % 4 == 0:
        seg = M.encode(m)
        seg['counts'] = seg['counts'].decode()
    elif k % 4 == 1:
        flat = m.ravel(order='F')
        change = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.concatenate([[0], change, [flat.size]])).tolist()
        seg = dict(size=[128, 128], counts=([0] if flat[0] else []) + runs)
    else:
        seg = [star(int(rng.integers(3, 12)), 40) for _ in range(1 + k % 3)]
    annotations.append(dict(id=k, image_id=[9, 3][k % 2 if k % 5 else 0], category_id=list(names)[int(rng.integers(0, 4))], segmentation=seg, iscrowd=k % 4 // 3))
with open(f'{out}/instances.json', 'w') as f:
    json.dump(dict(images=images, annotations=annotations, categories=[dict(id=i, name=n) for i, n in names.items()]), f)
coco = COCO(f'{out}/instances.json')
for image in images:
    label = np.zeros((128, 128), np.uint8)
    for a in annotations:
        if a['image_id'] == image['id']:
            label[coco.annToMask(a) > 0] = ids[names[a['category_id']]]
    Image.fromarray(label).save(out + '/' + image['file_name'].split('/')[-1].replace('.jpg', '.png'))
