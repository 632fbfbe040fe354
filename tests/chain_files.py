"""The files that docs/REPRODUCE.md's chains begin with, made up: small StyleGAN1 of 512, 1024 and 256 px with random weights as lernapparat's
files keep them, and DatasetGAN's released folder beside them, without its pictures.  usage: chain_files.py FOLDER"""
import os
import struct
import sys
import zlib

import numpy as np

import convert_files
from convert_files import tensor, torch_zip

OUT = convert_files.TMP = os.path.abspath(sys.argv[1])
# checkpoint, resolution, folder of masks, folder of latents, its mean, height of a mask, classes
SETS = (('cars-512x384', 512, 'car_processed', 'car_20', 'avg_latent_stylegan1.npy', 384, 20),
        ('celebahq-1024x1024', 1024, 'face_processed', 'face_34', 'avg_latent_stylegan1.npy', 1024, 34),
        ('cats-256x256', 256, 'cat_processed', 'cat_16', 'avg_latent_cat.npy', 256, 16))
C, W, SEEDS = 4, 512, (3, 4)


def network(resolution, rng):
    """{name: array} of the port's state dict; noise is weak, so that a picture is found again under other noise."""
    def epilogue(name):
        return {name + 'top_epi.noise.weight': 0.002 * rng.randn(C), name + 'style_mod.lin.weight': 0.5 * rng.randn(2 * C, W), name + 'style_mod.lin.bias': rng.randn(2 * C)}

    def convolution(name):
        return {name + 'weight': rng.randn(C, C, 3, 3), name + 'bias': 0.5 * rng.randn(C)}
    net = {}
    for i in range(8):
        net.update({'g_mapping.dense%d.weight' % i: 100 * rng.randn(W, W), 'g_mapping.dense%d.bias' % i: 30 * rng.randn(W)})
    for r in (4 << k for k in range(int(np.log2(resolution)) - 1)):
        at = 'g_synthesis.blocks.%dx%d.' % (r, r)
        if r == 4:
            net.update({at + 'const': rng.randn(1, C, 4, 4), at + 'bias': rng.randn(C), **convolution(at + 'conv.')})
        else:
            net.update({**convolution(at + 'conv0_up.'), at + 'conv0_up.intermediate.kernel': np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16, **convolution(at + 'conv1.')})
        net.update({**epilogue(at + 'epi1.'), **epilogue(at + 'epi2.')})
    net.update({'g_synthesis.torgb.weight': 0.5 * rng.randn(3, C, 1, 1), 'g_synthesis.torgb.bias': 0.1 * rng.randn(3)})
    return {k: np.float32(a) for k, a in net.items()}


def grey_png(path, a):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    with open(path, 'wb') as f:
        f.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>2I5B', a.shape[1], a.shape[0], 8, 0, 0, 0, 0)) +
                chunk(b'IDAT', zlib.compress(np.insert(a, 0, 0, 1).tobytes())) + chunk(b'IEND', b''))


os.makedirs(OUT)
for name, resolution, masks, latents, average, height, classes in SETS:
    net = network(resolution, np.random.RandomState(7))
    torch_zip('karras2019stylegan-%s.for_g_all.pt' % name, {k: tensor(str(i), a.shape) for i, (k, a) in enumerate(net.items())},
              {str(i): a.tobytes() for i, a in enumerate(net.values())})
    masks, latents = (os.path.join(OUT, 'dataset_release', *p) for p in (('annotation', 'training_data', masks), ('training_latent', latents)))
    os.makedirs(masks)
    os.makedirs(latents)
    np.save(os.path.join(latents, average), np.repeat(np.float32(0.2 * np.random.RandomState(9).randn(W))[None], 18, 0))
    np.save(os.path.join(latents, 'latent_stylegan1.npy'), np.stack([np.random.RandomState(s).randn(W) for s in SEEDS]))
    for i in range(len(SEEDS)):
        np.save(os.path.join(masks, 'image_mask%d.npy' % i), np.roll(np.repeat(np.uint8(np.arange(resolution) * classes // resolution)[None], height, 0), 17 * i, 1))

for i in range(5):                              # the test set: labels of the pictures that test_chain.sh puts there
    os.makedirs(os.path.join(OUT, 'test', 'images'), exist_ok=True)
    os.makedirs(os.path.join(OUT, 'test', 'labels'), exist_ok=True)
    grey_png(os.path.join(OUT, 'test', 'labels', 'image_%d.png' % i), np.uint8(np.random.RandomState(i).randint(0, 20, (384, 512))))
