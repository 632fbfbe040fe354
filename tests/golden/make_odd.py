"""Pictures of unusual kinds, each beside the same one as plain 8-bit RGB, label maps for them, and headers that claim too much; without Pillow's
writer where it has none (16-bit RGB).

    python tests/golden/make_odd.py tests/golden/odd
"""
import os
import struct
import sys
import zlib

import numpy as np

out = sys.argv[1]
for d in ("odd", "rgb", "labels", "bad"):
    os.makedirs(f"{out}/{d}", exist_ok=True)
rng = np.random.RandomState(1)
y, x = np.mgrid[0:36, 0:44]
rgb = np.stack([60 + 4 * x, 200 - 5 * y, 90 + 2 * x + 2 * y], -1).astype(np.uint8)
rgb[8:24, 10:30] = (150, 30, 160)
grey = rgb[..., 1]


def png(path, a, colour, bits, more=b""):
    """a (h, w, channels) as stored samples."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    h, w = a.shape[:2]
    rows = a.reshape(h, -1).astype(">u2" if bits == 16 else "u1")
    packed = zlib.compress(b"".join(b"\0" + r.tobytes() for r in rows), 9)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, 0)) + more + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def pair(name, a, colour, bits, plain, more=b""):
    png(f"{out}/odd/{name}.png", a, colour, bits, more)
    png(f"{out}/rgb/{name}.png", plain, 2, 8)
    label = np.zeros(plain.shape[:2] + (1,), int)
    label[plain.shape[0] // 4:plain.shape[0] // 2] = 1
    label[-2:] = 255                                                    # void rows
    png(f"{out}/labels/{name}.png", label, 0, 8)


low = rng.randint(0, 256, rgb.shape)
alpha = rng.randint(0, 256, rgb.shape[:2] + (1,))
three = np.repeat(grey[..., None], 3, -1)
pair("deep", rgb.astype(int) * 256 + low, 2, 16, rgb)
pair("deepalpha", np.concatenate([rgb.astype(int) * 256 + low, alpha * 256], -1), 6, 16, rgb)
pair("deepgrey", (grey.astype(int) * 256 + low[..., 0])[..., None], 0, 16, three)
pair("alpha", np.concatenate([rgb, alpha], -1), 6, 8, rgb)
pair("greyalpha", np.concatenate([grey[..., None], alpha], -1), 4, 8, three)
pair("grey", grey[..., None], 0, 8, three)
index, palette = (x // 2 + y) % 60, rng.randint(0, 256, (60, 3)).astype(np.uint8)
data = palette.tobytes()
plte = struct.pack(">I", len(data)) + b"PLTE" + data + struct.pack(">I", zlib.crc32(b"PLTE" + data))
pair("palette", index[..., None], 3, 8, palette[index], plte)
pair("one", rgb[:1, :1].astype(int) * 256, 2, 16, rgb[:1, :1])
png(f"{out}/half24.png", np.repeat(np.arange(32)[None] // 16, 24, 0)[..., None], 0, 8)        # labels of a cropped 32 x 24 picture
png(f"{out}/bad/wide.png", np.zeros((1, 1, 3), int), 2, 8)
whole = bytearray(open(f"{out}/bad/wide.png", "rb").read())
for name, side in (("wide", 30000), ("huge", 16000)):                  # beyond 2^28 pixels; beyond what its bytes can hold
    whole[16:24] = struct.pack(">II", side, side)
    whole[29:33] = struct.pack(">I", zlib.crc32(bytes(whole[12:29])))
    open(f"{out}/bad/{name}.png", "wb").write(whole)
whole = open(f"{out}/odd/deep.png", "rb").read()
open(f"{out}/bad/cut.png", "wb").write(whole[:len(whole) // 2])
