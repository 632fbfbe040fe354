#!/usr/bin/env python3
"""A StyleGAN2 (skip) generator of any size with random weights, in the form convert/ writes: for benchmarks only.

usage: random_generator.py OUT.safetensors RESOLUTION [--fmaps 1.0] [--mapping-layers 8]
RESOLUTION 256, fmaps 1 is config-f at 256x256: channels min(32768*fmaps/res, 512).  Every tensor is random, none at its
initial value, scaled so that pictures are in range.  Needs NumPy.
"""
import argparse
import json
import struct

import numpy as np


def tensors(resolution, fmaps, mapping_layers, width=512):
    rng = np.random.default_rng(1)
    out = {}
    channels = {r: min(int(32768 * fmaps) // r, 512) for r in (4 << k for k in range(11)) if r <= resolution}

    def add(name, *shape, scale=1.0, mean=0.0):
        out[name] = (rng.standard_normal(shape) * scale + mean).astype(np.float32)

    for i in range(mapping_layers):
        add(f"mapping.fc{i}.weight", width, width, scale=100.0)
        add(f"mapping.fc{i}.bias", width, scale=10.0)
    add("mapping.w_avg", width, scale=0.2)
    fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    before = 0
    for r, c in channels.items():
        b = f"synthesis.b{r}"
        if r == 4:
            add(f"{b}.const", c, 4, 4)
        layers = [("conv1", c, c, 3)] if r == 4 else [("conv0", before, c, 3), ("conv1", c, c, 3)]
        for name, cin, cout, ks in layers:
            add(f"{b}.{name}.weight", cout, cin, ks, ks)
            add(f"{b}.{name}.bias", cout, scale=0.1)
            add(f"{b}.{name}.noise_const", r, r)
            add(f"{b}.{name}.noise_strength", scale=0.1)
            add(f"{b}.{name}.affine.weight", cin, width)
            add(f"{b}.{name}.affine.bias", cin, scale=0.1, mean=1.0)
            if name == "conv0":
                out[f"{b}.{name}.resample_filter"] = fir
        add(f"{b}.torgb.weight", 3, c, 1, 1, scale=0.2)
        add(f"{b}.torgb.bias", 3, scale=0.05)
        add(f"{b}.torgb.affine.weight", c, width)
        add(f"{b}.torgb.affine.bias", c, scale=0.1, mean=1.0)
        if r > 4:
            out[f"{b}.resample_filter"] = fir
        before = c
    meta = dict(format="1", kind="generator", network="stylegan2", architecture="skip", resolution=resolution, z_dim=width,
                w_dim=width, mapping_layers=mapping_layers, mapping_lr_multiplier="0.01", img_channels=3,
                num_ws=2 * len(channels), channels=",".join(map(str, channels.values())), conv_clamp="none", c_dim=0, noise="const")
    return out, {k: str(v) for k, v in meta.items()}


def write(path, arrays, meta):
    header, at = {"__metadata__": meta}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            f.write(a.tobytes())


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("resolution", type=int)
    p.add_argument("--fmaps", type=float, default=1.0)
    p.add_argument("--mapping-layers", type=int, default=8)
    a = p.parse_args()
    write(a.out, *tensors(a.resolution, a.fmaps, a.mapping_layers))
