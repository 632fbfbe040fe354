"""CVAT's "Segmentation mask 1.1" of three of the bundle's label maps, as its exporter lays it out (datumaro's voc_segmentation with
apply_colormap: RGB PNGs, a labelmap with its comment line), in folders and colours of its own; one file deflated, one stored.
usage: make_cvat.py ANNOTATIONS-FOLDER OUT.zip      (pillow 13.0.0)"""
import io
import sys
import zipfile

import numpy as np
from PIL import Image

folder, out = sys.argv[1:]
colour = {0: (0, 0, 0), 1: (250, 50, 83), 2: (51, 221, 255), 3: (36, 179, 83)}
names = ['background', 'red blood cell', 'cytoplasm', 'nucleus']
with zipfile.ZipFile(out, 'w') as z:
    def put(name, data, kind):
        z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, kind)

    put('labelmap.txt', '# label:color_rgb:parts:actions\n' + ''.join(f'{n}:{",".join(map(str, colour[i]))}::\n' for i, n in reversed(list(enumerate(names)))) + 'unused:9,9,9::\n', 8)
    put('ImageSets/Segmentation/default.txt', 'seed0042\nseed0065\nseed1000\n', 0)
    for k, seed in enumerate((42, 65, 1000)):
        label = np.array(Image.open(f'{folder}/labels/seed{seed:04d}.png'))
        rgb = np.zeros((*label.shape, 3), np.uint8)
        for i, c in colour.items():
            rgb[label == i] = c
        f = io.BytesIO()
        Image.fromarray(rgb).save(f, format='PNG', optimize=True)
        put(f'SegmentationClass/{"" if k else "deeper/"}seed{seed:04d}.png', f.getvalue(), 8 if k else 0)
        put(f'SegmentationObject/seed{seed:04d}.png', f.getvalue(), 0)
