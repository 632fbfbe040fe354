"""The exports as their consumers' own libraries read them, against the dataset pixel for pixel: pycocotools, PIL, cv2, webdataset, datasets.
usage: export_checks.py DATASETGAN DATASET-FOLDER EMPTY-FOLDER    (by hand; make test needs no Python)"""
import glob
import io
import json
import subprocess
import sys

import numpy as np
from PIL import Image
from pycocotools import mask as M
from pycocotools.coco import COCO

program, dataset, out = sys.argv[1:]
lines = [json.loads(l) for l in open(dataset + '/metadata.jsonl')]
label = {l['seed']: np.array(Image.open(f'{dataset}/{l["mask_file_name"]}')) for l in lines}
picture = {l['seed']: np.array(Image.open(f'{dataset}/{l["file_name"]}')) for l in lines}
for form in ('voc', 'coco', 'yolo-seg', 'hf', 'webdataset'):
    subprocess.run([program, 'export', '--dataset', dataset, '--format', form, '--out', f'{out}/{form}', '--split', '0.7/0.2/0.1'], check=True)


def same(seed, image, mask, seen):
    assert (np.array(image) == picture[seed]).all() and (np.array(mask) == label[seed]).all(), seed
    assert seed not in seen
    seen.add(seed)


def voc(seen):
    for split in ('train', 'val', 'test'):
        for key in open(f'{out}/voc/ImageSets/Segmentation/{split}.txt').read().split():
            mask = Image.open(f'{out}/voc/SegmentationClass/{key}.png')
            assert mask.mode == 'P' and mask.getpalette()[765:768] == [224, 224, 192]      # VOC's void
            same(int(key), Image.open(f'{out}/voc/JPEGImages/{key}.png'), mask, seen)


def coco(seen):
    for split in ('train', 'val', 'test'):
        c = COCO(f'{out}/coco/annotations/instances_{split}.json')
        for i in c.getImgIds():
            im = c.imgs[i]
            mask = np.zeros((im['height'], im['width']), np.uint8)
            for a in c.imgToAnns[i]:
                m = c.annToMask(a)
                mask[m > 0] = a['category_id']
                r = a['segmentation']
                assert M.area(r) == a['area'] and list(M.toBbox(r)) == a['bbox']
                assert M.encode(np.asfortranarray(m))['counts'].decode() == r['counts']    # the text that they would write
            same(im['seed'], Image.open(f'{out}/coco/{split}/{im["file_name"]}'), mask, seen)


def yolo(seen):
    """As Ultralytics makes masks of polygons: float32 times the size, cut to whole pixels, cv2.fillPoly."""
    import cv2
    for split in ('train', 'val', 'test'):
        for path in sorted(glob.glob(f'{out}/yolo-seg/labels/{split}/*.txt')):
            key = path.split('/')[-1][:-4]
            mask = np.zeros(label[int(key)].shape, np.uint8)
            h, w = mask.shape
            for line in open(path):
                c, *xy = line.split()
                p = np.array(xy, np.float32).reshape(-1, 2) * np.array([w, h], np.float32)
                assert len(p) >= 3 and (np.array(xy, float) <= 1).all()
                one = np.zeros(mask.shape, np.uint8)
                cv2.fillPoly(one, [p.astype(np.int32)], 1)
                assert not (mask[one > 0]).any(), 'two parts share a pixel'
                mask[one > 0] = int(c) + 1
            same(int(key), Image.open(f'{out}/yolo-seg/images/{split}/{key}.png'), mask, seen)


def webdataset(seen):
    import webdataset as wds
    for shard in sorted(glob.glob(f'{out}/webdataset/*/*.tar')):
        for s in wds.WebDataset(shard, shardshuffle=False):
            same(json.loads(s['json'])['seed'], Image.open(io.BytesIO(s['png'])), Image.open(io.BytesIO(s['mask.png'])), seen)


def hf(seen):
    import datasets
    for split in datasets.load_dataset('imagefolder', data_dir=f'{out}/hf', cache_dir=f'{out}/cache').values():
        for row in split:
            same(row['seed'], row['image'], row['mask'], seen)


for judge in (voc, coco, yolo, webdataset, hf):
    found = set()
    judge(found)
    assert found == set(label), judge.__name__
    print(f'{judge.__name__}: {len(found)} samples equal')
