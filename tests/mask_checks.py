"""Hostile masks both ways.  Out: a dataset folder whose label maps are holes, single pixels, touching parts, one class everywhere, noise, for
tests/export_checks.py to judge.  In: random shapes and run lengths as pycocotools and labelme write them, against the label maps that they make of them.
usage: mask_checks.py DATASETGAN DATASET-FOLDER EMPTY-FOLDER [COUNT]      (tests/exports.sh)"""
import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
from PIL import Image, __version__ as pillow

import judges

program, dataset, out = sys.argv[1:4]
count = int(sys.argv[4]) if len(sys.argv) > 4 else 150
rng = np.random.default_rng(9)


def label_map(kind, h, w, classes):
    """A label map that a format could get wrong."""
    y, x = np.mgrid[:h, :w]
    if kind == 0:                                                    # one class everywhere
        return np.full((h, w), rng.integers(0, classes))
    if kind == 1:                                                    # rings in rings, down to a hole of one pixel
        return (np.maximum(abs(y - h // 2), abs(x - w // 2)) // rng.integers(1, 4)) % classes
    if kind == 2:                                                    # single pixels, also at the corners
        m = np.where(rng.random((h, w)) < 0.05, rng.integers(1, classes, (h, w)), 0)
        m[0, 0], m[-1, -1], m[0, -1], m[-1, 0] = 1, 2 % classes, 1, 2 % classes
        return m
    if kind == 3:                                                    # parts that touch by corners alone
        return (x // (step := rng.integers(1, 4)) + y // step) % 2 * rng.integers(1, classes)
    if kind == 4:                                                    # boxes side by side, of equal and other classes
        return (y // 5 * 3 + x // 7) % classes
    if kind == 5:                                                    # lines of one pixel: combs, bridges
        return np.where((x % 4 == 0) | (y == h // 2), 1, np.where(y % 6 == 1, 2 % classes, 0))
    if kind == 6:                                                    # one class with holes of all sizes
        m = np.ones((h, w), int)
        for k in range(1, 6):
            m[2 * k * k % h:2 * k * k % h + k, 3 * k * k % w:3 * k * k % w + k] = 0
        return m
    return rng.integers(0, classes, (h, w))                          # noise


def hostile_dataset():
    """The pictures stay; labels, counts and hashes are others."""
    to = out + '/hostile'
    os.makedirs(to + '/images'), os.makedirs(to + '/labels')
    names = [c['name'] for c in json.load(open(dataset + '/classes.json'))['classes']]
    for f in ('run.json', 'classes.json', 'index.html'):
        open(f'{to}/{f}', 'wb').write(open(f'{dataset}/{f}', 'rb').read())
    with open(to + '/metadata.jsonl', 'w') as lines:
        for i, line in enumerate(open(dataset + '/metadata.jsonl')):
            s = json.loads(line)
            picture = open(f'{dataset}/{s["file_name"]}', 'rb').read()
            open(f'{to}/{s["file_name"]}', 'wb').write(picture)
            pixels = np.array(Image.open(io.BytesIO(picture)))
            m = label_map(i % 8, *pixels.shape[:2], len(names)).astype(np.uint8)
            im = Image.fromarray(m)
            im.putpalette(bytes(range(256)) * 3)
            im.save(f'{to}/{s["mask_file_name"]}')
            counts = json.dumps({n: int((m == k).sum()) for k, n in enumerate(names)}, separators=(',', ':'))
            line = re.sub(r'"pixels":\{[^}]*\}', lambda _: '"pixels":' + counts, line)
            line = re.sub(r'"sha256":"\w*"', f'"sha256":"{hashlib.sha256(pixels.tobytes() + m.tobytes()).hexdigest()}"', line)
            lines.write(re.sub(r'"mask_sha256":"\w*"', f'"mask_sha256":"{hashlib.sha256(open(to + "/" + s["mask_file_name"], "rb").read()).hexdigest()}"', line))
    subprocess.run([program, 'verify', to, '--pixels'], check=True, stdout=subprocess.DEVNULL)


NAMES = ['ground', 'one', 'two', 'three', 'four']


def task(name, sizes):
    """Pictures of these sizes, nothing drawn by a generator: import looks at names and sizes."""
    folder = f'{out}/{name}'
    os.makedirs(folder + '/images')
    items = []
    for i, (h, w) in enumerate(sizes):
        Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)).save(f'{folder}/images/p{i}.png')
        items.append(dict(image=f'images/p{i}.png', label=f'labels/p{i}.png', seed=i, split='train'))
    json.dump(dict(name=name, generator=dict(sha256='', psi=0.7, cutoff=None, noise='const'), items=items,
                   classes=[dict(id=k, name=n, color='#%02x0000' % k) for k, n in enumerate(NAMES)]), open(folder + '/task.json', 'w'))
    return folder


def imported(folder, source, path, *more):
    subprocess.run([program, 'import', '--from', source, '--in', path, '--task', folder + '/task.json', '--out', folder + '/set', *more], check=True,
                   stdout=subprocess.DEVNULL)
    return lambda i: np.array(Image.open(f'{folder}/set/labels/p{i}.png'))


def corners(h, w, most=12):
    """A polygon: whole, half and any coordinates, crossing itself, partly outside, doubled corners."""
    n, kind = int(rng.integers(3, most)), int(rng.integers(0, 4))
    if kind == 0:
        return rng.uniform(-6, [w + 6, h + 6], (n, 2)).round(2)
    if kind == 1:
        return rng.integers(0, [w + 1, h + 1], (n, 2)).astype(float)
    if kind == 2:
        return np.cumsum(rng.integers(-3, 4, (2 * n, 2)), 0) * 0.5 + [w // 2, h // 2]
    a = np.sort(rng.random(n)) * 2 * np.pi
    return (np.stack([w / 2, h / 2], -1) + rng.uniform(1, max(h, w), (n, 1)) * np.stack([np.cos(a), np.sin(a)], 1)).round(3)


def sizes():
    return [(int(rng.integers(1, 40)), int(rng.integers(1, 40))) for _ in range(count)]


def coco_in():
    """Polygons, compressed and plain run lengths, crowds: in the file's order, as annToMask paints them."""
    from pycocotools import mask as M
    from pycocotools.coco import COCO
    shape, annotations = sizes(), []
    folder = task('coco', shape)
    for i, (h, w) in enumerate(shape):
        for k in range(int(rng.integers(1, 6))):
            kind = int(rng.integers(0, 3))
            m = np.asfortranarray(label_map(int(rng.integers(0, 8)), h, w, 2), np.uint8)
            if kind == 0:
                seg = [corners(h, w).ravel().tolist() for _ in range(int(rng.integers(1, 4)))]
            elif kind == 1:
                seg = M.encode(m)
                seg['counts'] = seg['counts'].decode()
            else:
                flat = m.ravel(order='F')
                runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])).tolist()
                seg = dict(size=[h, w], counts=([0] if flat[0] else []) + runs)
            annotations.append(dict(id=len(annotations) + 1, image_id=i + 1, category_id=int(rng.integers(1, len(NAMES))), segmentation=seg, iscrowd=int(kind == 2)))
    json.dump(dict(images=[dict(id=i + 1, file_name=f'p{i}.jpg', height=h, width=w) for i, (h, w) in enumerate(shape)], annotations=annotations,
                   categories=[dict(id=k, name=n) for k, n in enumerate(NAMES)]), open(folder + '/in.json', 'w'))
    got, c = imported(folder, 'coco', folder + '/in.json'), COCO(folder + '/in.json')
    for i, (h, w) in enumerate(shape):
        want = np.zeros((h, w), np.uint8)
        for a in c.imgToAnns[i + 1]:
            want[c.annToMask(a) > 0] = a['category_id']
        assert (got(i) == want).all(), f'p{i}: {(got(i) != want).sum()} pixels'
    return f'{len(annotations)} annotations, every pixel'


def png64(m):
    b = io.BytesIO()
    Image.fromarray(m.astype(np.uint8) * 255).save(b, 'PNG')
    return base64.b64encode(b.getvalue()).decode()


def labelme_in():
    """labelme's own label maps.  polygon, rectangle and mask: every pixel; the other kinds are counted."""
    import labelme
    from labelme.utils import shapes_to_label
    off = total = 0
    for exact in (True, False):
        shape = sizes()
        folder = task('labelme' + str(int(exact)), shape)
        os.makedirs(folder + '/in')
        want = []
        for i, (h, w) in enumerate(shape):
            shapes, seen = [], []
            for k in range(int(rng.integers(1, 7))):
                kind = ('polygon', 'rectangle', 'mask')[k % 3] if exact else ('circle', 'point', 'line', 'linestrip')[k % 4]
                n = {'polygon': 0, 'rectangle': 2, 'circle': 2, 'point': 1, 'line': 2, 'linestrip': int(rng.integers(2, 6)), 'mask': 2}[kind]
                points, mask = (corners(h, w) if not n else rng.uniform(-3, [w + 3, h + 3], (n, 2)).round(2)), None
                if kind == 'mask':
                    a = [int(rng.integers(0, w)), int(rng.integers(0, h))]
                    b = [int(rng.integers(a[0], w)), int(rng.integers(a[1], h))]
                    points, mask = np.array([a, b], float), label_map(int(rng.integers(0, 8)), b[1] - a[1] + 1, b[0] - a[0] + 1, 2) > 0
                label = [*NAMES, '_background_'][int(rng.integers(0, len(NAMES) + 1))]
                shapes.append(dict(label=label, points=points.tolist(), group_id=None, shape_type=kind, flags={}, mask=None if mask is None else png64(mask)))
                seen.append(dict(shapes[-1], mask=mask))
            json.dump(dict(version=labelme.__version__, flags={}, shapes=shapes, imagePath=f'../images/p{i}.png', imageData=None, imageHeight=h, imageWidth=w),
                      open(f'{folder}/in/p{i}.json', 'w'))
            want.append(shapes_to_label((h, w), seen, {n: k for k, n in enumerate(NAMES)} | {'_background_': 0})[0])
        got = imported(folder, 'labelme', folder + '/in')
        for i, (h, w) in enumerate(shape):
            wrong = int((got(i) != want[i]).sum())
            assert not (exact and wrong), f'p{i}: {wrong} pixels'
            off, total = off + wrong, total + (0 if exact else h * w)
    assert off <= total / 1000
    return f'labelme {labelme.__version__}, Pillow {pillow}: polygons, rectangles, masks in every pixel; of circles, points, lines {off} of {total} pixels differ'


hostile_dataset()
judges.call((coco_in, labelme_in), lambda judge: judge())
