"""Small JPEG files of every kind, made by Pillow, and what Pillow reads from them, upright and in RGB or grey, as PNG.

    python tests/golden/make_photos.py tests/golden/photos
"""
import os, sys
import numpy as np
from PIL import Image, ImageOps

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
y, x = np.mgrid[0:20, 0:28]
rgb = np.stack([60 + 6 * x, 200 - 7 * y, 90 + 3 * x + 2 * y], -1).astype(np.uint8)
rgb[3:9, 4:12] = (200, 30, 60)
im = Image.fromarray(rgb)


def keep(name, picture, **options):
    picture.save(f"{out}/{name}.jpg", quality=95, **options)
    back = ImageOps.exif_transpose(Image.open(f"{out}/{name}.jpg"))
    back.convert("L" if back.mode == "L" else "RGB").save(f"{out}/{name}.png", optimize=True)


keep("plain", im, subsampling=0)
keep("progressive", im, subsampling=2, progressive=True)
keep("grey", im.convert("L"))
keep("cmyk", im.convert("CMYK"))
for turn in range(1, 9):
    exif = Image.Exif()
    exif[0x112] = turn
    keep(f"turned{turn}", im, exif=exif, subsampling=0)
data = open(f"{out}/plain.jpg", "rb").read()
open(f"{out}/cut.jpg", "wb").write(data[: len(data) * 2 // 3])
at = data.index(b"\xff\xc0") + 5
open(f"{out}/huge.jpg", "wb").write(data[:at] + (30000).to_bytes(2, "big") * 2 + data[at + 4:])
open(f"{out}/wide.jpg", "wb").write(data[:at] + (9000).to_bytes(2, "big") * 2 + data[at + 4:])
one = Image.fromarray(rgb[:1, :1])
keep("one", one)
