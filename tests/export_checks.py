"""The exports as their consumers' own libraries read them, against the dataset pixel for pixel: pycocotools, torchvision, PIL, cv2, webdataset,
datasets, labelme, numpy, and with --heavy mmsegmentation, Ultralytics and Datumaro, CVAT's own reader and writer.  A library that is not installed is skipped and counted.
usage: export_checks.py DATASETGAN DATASET-FOLDER EMPTY-FOLDER [--heavy]    (make test needs no Python; make exports runs it)"""
import glob
import io
import json
import subprocess
import sys
import types

import judges

try:
    import numpy as np
    from PIL import Image
except ImportError as e:
    print(f' skip  exports: {e}\n0 passed, 0 failed, 1 skipped')
    sys.exit(0)

heavy = '--heavy' in sys.argv
program, dataset, out = sys.argv[1:4]
lines = [json.loads(l) for l in open(dataset + '/metadata.jsonl')]
label = {l['seed']: np.array(Image.open(f'{dataset}/{l["mask_file_name"]}')) for l in lines}
picture = {l['seed']: np.array(Image.open(f'{dataset}/{l["file_name"]}')) for l in lines}
names = [c['name'] for c in json.load(open(dataset + '/classes.json'))['classes']]
splits = ('train', 'val', 'test')
for form in ('voc', 'coco', 'yolo-seg', 'hf', 'webdataset', 'labelme', 'npz', 'coco --parts', 'coco --polygons', 'coco --parts --polygons'):
    subprocess.run([program, 'export', '--dataset', dataset, '--format', *form.split(), '--out', f'{out}/{form.replace(" ", "")}', '--split', '0.7/0.2/0.1'],
                   check=True, stdout=subprocess.DEVNULL)


def same(seed, image, mask, seen):
    assert (np.array(image) == picture[seed]).all() and (np.array(mask) == label[seed]).all(), seed
    assert seed not in seen
    seen.add(seed)


def voc(seen):
    for split in splits:
        for key in open(f'{out}/voc/ImageSets/Segmentation/{split}.txt').read().split():
            mask = Image.open(f'{out}/voc/SegmentationClass/{key}.png')
            assert mask.mode == 'P' and mask.getpalette()[765:768] == [224, 224, 192]      # VOC's void
            same(int(key), Image.open(f'{out}/voc/JPEGImages/{key}.png'), mask, seen)


def coco(seen, form='coco'):
    from pycocotools import mask as M
    from pycocotools.coco import COCO
    for split in splits:
        c = COCO(f'{out}/{form}/annotations/instances_{split}.json')
        for i in c.getImgIds():
            im = c.imgs[i]
            mask = np.zeros((im['height'], im['width']), np.uint8)
            for a in c.imgToAnns[i]:
                m = c.annToMask(a)
                assert not mask[m > 0].any(), 'two annotations share a pixel'
                mask[m > 0] = a['category_id']
                r = M.encode(np.asfortranarray(m))
                assert M.area(r) == a['area'] and list(M.toBbox(r)) == a['bbox']
                if form in ('coco', 'coco--parts'):
                    assert r['counts'].decode() == a['segmentation']['counts']             # the text that they would write
            same(im['seed'], Image.open(f'{out}/coco/{split}/{im["file_name"]}'), mask, seen)


def coco_parts(seen):
    """Every annotation is one part: as many as cv2 finds, and each connected."""
    import cv2
    from pycocotools.coco import COCO
    coco(seen, 'coco--parts')
    for split in splits:
        c = COCO(f'{out}/coco--parts/annotations/instances_{split}.json')
        for a in c.anns.values():
            assert cv2.connectedComponents(c.annToMask(a), connectivity=8)[0] == 2
        for i in c.imgs:
            for k in range(1, len(names)):
                want = cv2.connectedComponents((label[c.imgs[i]['seed']] == k).astype(np.uint8), connectivity=8)[0] - 1
                assert len(c.getAnnIds(imgIds=i, catIds=k)) == want


def coco_polygons(seen):
    coco(seen, 'coco--polygons')


def coco_parts_polygons(seen):
    coco(seen, 'coco--parts--polygons')


def torchvision(seen):
    """CocoDetection hands out the picture and its annotations; their masks are pycocotools'."""
    from torchvision.datasets import CocoDetection
    for split in splits:
        d = CocoDetection(f'{out}/coco--parts--polygons/{split}', f'{out}/coco--parts--polygons/annotations/instances_{split}.json')
        for k, (image, anns) in enumerate(d):
            mask = np.zeros(image.size[::-1], np.uint8)
            for a in anns:
                mask[d.coco.annToMask(a) > 0] = a['category_id']
            same(d.coco.imgs[d.ids[k]]['seed'], image if picture[d.coco.imgs[d.ids[k]]['seed']].ndim == 3 else image.convert('L'), mask, seen)


def labelme(seen):
    from labelme.utils import img_b64_to_arr, shapes_to_label
    ids = {n: i for i, n in enumerate(names)} | {'_background_': 0}
    words = open(f'{out}/labelme/labels.txt').read().split('\n')
    assert words == ['__ignore__', '_background_', *names[1:], '']
    polygons = masks = 0
    for path in sorted(glob.glob(f'{out}/labelme/*/*.json')):
        v = json.load(open(path))
        for s in v['shapes']:
            if s['shape_type'] == 'mask':
                s['mask'] = img_b64_to_arr(s['mask']).astype(bool)
                masks += 1
            polygons += s['shape_type'] == 'polygon'
        mask, _ = shapes_to_label((v['imageHeight'], v['imageWidth']), v['shapes'], ids)
        same(int(path[-15:-5]), Image.open(path[:-15] + v['imagePath']), mask, seen)
    print(f'labelme: {polygons} polygons, {masks} masks that correct them')


def npz(seen):
    """As ddpm-segmentation's train_deeplab.py takes it: three arrays in this order; then Image.fromarray of each picture."""
    at = 0
    for split in splits:
        images, labels, uncertainty = np.load(f'{out}/npz/{split}.npz').values()
        assert images.dtype == labels.dtype == np.uint8 and len(images) == len(labels) == len(uncertainty)
        for image, mask, u in zip(images, labels, uncertainty):
            l = lines[at]
            at += 1
            want = picture[l['seed']]
            assert u == l['uncertainty'] and (np.array(Image.fromarray(image)) == (want if want.ndim == 3 else np.repeat(want[..., None], 3, 2))[..., :3]).all()
            same(l['seed'], picture[l['seed']], mask, seen)


def yolo(seen):
    """As Ultralytics makes masks of polygons: float32 times the size, cut to whole pixels, cv2.fillPoly."""
    import cv2
    for split in splits:
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


def mmseg(seen):
    """mmsegmentation's own dataset class on the voc layout: LoadAnnotations hands out the indices."""
    import mmcv
    try:
        import mmcv.ops
    except ImportError:                                              # mmcv-lite: without its compiled operations, of which mmseg's losses import one
        sys.modules['mmcv.ops'] = types.SimpleNamespace(point_sample=None)
    from mmseg.datasets import BaseSegDataset
    from mmseg.datasets.transforms import LoadAnnotations
    for split in splits:
        d = BaseSegDataset(ann_file=f'ImageSets/Segmentation/{split}.txt', img_suffix='.png', seg_map_suffix='.png', data_root=f'{out}/voc',
                           data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'), metainfo=dict(classes=names), pipeline=[dict(type=LoadAnnotations)])
        for k in range(len(d)):
            r = d[k]
            same(int(r['img_path'][-14:-4]), Image.open(r['img_path']), r['gt_seg_map'], seen)


def ultralytics(seen):
    """Its own loader on the yolo-seg layout: boxes, polygons and the masks that training would see."""
    from ultralytics.data import YOLODataset
    from ultralytics.data.utils import check_det_dataset, polygon2mask
    data = check_det_dataset(f'{out}/yolo-seg/data.yaml')
    for split in splits:
        d = YOLODataset(img_path=f'{out}/yolo-seg/images/{split}', data=data, task='segment', augment=False, imgsz=128)
        for l in d.labels:
            h, w = l['shape']
            mask = np.zeros((h, w), np.uint8)
            texts = open(l['im_file'].replace('/images/', '/labels/')[:-4] + '.txt').read().splitlines()
            assert len(texts) >= len(l['cls'])
            for c, s in zip(l['cls'], l['segments']):
                one = polygon2mask((h, w), [(s * np.array([w, h], np.float32)).reshape(-1)])
                mask[one > 0] = int(c[0]) + 1
            seed = int(l['im_file'][-14:-4])
            same(seed, Image.open(l['im_file']), mask, seen)


def datumaro(seen):
    """CVAT's "Segmentation mask 1.1" is Datumaro's voc_segmentation (cvat/apps/dataset_manager/formats/mask.py).  It reads our voc layout; and what it writes of that,
    as a zip with colours, void and object masks, comes back through import --from cvat."""
    import shutil
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset
    d = Dataset.import_from(f'{out}/voc', 'voc_segmentation')
    words = [c.name for c in d.categories()[AnnotationType.label].items]
    assert [w for w in words if w in names] == names, words
    for item in d:
        mask = np.zeros(label[int(item.id)].shape, np.uint8)
        for a in item.annotations:
            mask[a.image > 0] = names.index(words[a.label])
        same(int(item.id), picture[int(item.id)], mask, seen)
    colours = {c['name']: [tuple(bytes.fromhex(c['color'][1:])), [], []] for c in json.load(open(dataset + '/classes.json'))['classes']}
    d.export(f'{out}/cvat', 'voc_segmentation', save_media=False, apply_colormap=True, label_map=colours)
    shutil.make_archive(f'{out}/cvat', 'zip', f'{out}/cvat')
    task = dict(name='t', generator=dict(sha256='', psi=0.7, cutoff=None, noise='const'), classes=json.load(open(dataset + '/classes.json'))['classes'],
                items=[dict(image=f'images/{l["seed"]:010d}.png', label='none.png', seed=l['seed'], split='train') for l in lines])
    shutil.copytree(dataset + '/images', out + '/images')
    json.dump(task, open(out + '/task.json', 'w'))
    for path in (f'{out}/cvat', f'{out}/cvat.zip'):
        subprocess.run([program, 'import', '--from', 'cvat', '--in', path, '--task', out + '/task.json', '--out', path + '.set'], check=True, stdout=subprocess.DEVNULL)
        for s in label:
            assert (np.array(Image.open(f'{path}.set/labels/{s:010d}.png')) == label[s]).all(), s


def samples_of(judge):
    found = set()
    judge(found)
    assert found == set(label), f'{len(found)} of {len(label)} samples'
    return f'{len(found)} samples equal'


judges.call((voc, coco, coco_parts, coco_polygons, coco_parts_polygons, torchvision, yolo, webdataset, hf, labelme, npz)
             + ((mmseg, ultralytics, datumaro) if heavy else ()), samples_of)
