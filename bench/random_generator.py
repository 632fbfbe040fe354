#!/usr/bin/env python3
"""A StyleGAN generator of any size with random weights, in the form convert/ writes: for benchmarks and the nightly run.

usage: random_generator.py OUT.safetensors RESOLUTION [--network stylegan1] [--architecture resnet] [--fmaps 1.0] [--mapping-layers 8]
RESOLUTION 256, fmaps 1 is config-f at 256x256: channels min(32768*fmaps/res, 512).  StyleGAN1 has half of that at the same fmaps,
as NVIDIA's networks do.  Every tensor is random, none at its initial value, scaled so that pictures are in range.  Needs NumPy.
"""
import argparse
import json
import struct

import numpy as np


class Tensors(dict):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(1)

    def add(self, name, *shape, scale=1.0, mean=0.0):
        self[name] = (self.rng.standard_normal(shape) * scale + mean).astype(np.float32)


def mapping(out, layers, width):
    for i in range(layers):
        out.add(f"mapping.fc{i}.weight", width, width, scale=100.0)
        out.add(f"mapping.fc{i}.bias", width, scale=10.0)
    out.add("mapping.w_avg", width, scale=0.2)


def stylegan2(out, channels, width, architecture):
    fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    before = 0
    for r, c in channels.items():
        b = f"synthesis.b{r}"
        if r == 4:
            out.add(f"{b}.const", c, 4, 4)
        layers = [("conv1", c, c, 3)] if r == 4 else [("conv0", before, c, 3), ("conv1", c, c, 3)]
        for name, cin, cout, ks in layers:
            out.add(f"{b}.{name}.weight", cout, cin, ks, ks)
            out.add(f"{b}.{name}.bias", cout, scale=0.1)
            out.add(f"{b}.{name}.noise_const", r, r)
            out.add(f"{b}.{name}.noise_strength", scale=0.1)
            out.add(f"{b}.{name}.affine.weight", cin, width)
            out.add(f"{b}.{name}.affine.bias", cin, scale=0.1, mean=1.0)
            if name == "conv0":
                out[f"{b}.{name}.resample_filter"] = fir
        if architecture == "resnet" and r > 4:
            out.add(f"{b}.skip.weight", c, before, 1, 1)
            out[f"{b}.skip.resample_filter"] = fir
        if architecture == "skip" or r == max(channels):
            out.add(f"{b}.torgb.weight", 3, c, 1, 1, scale=0.2)
            out.add(f"{b}.torgb.bias", 3, scale=0.05)
            out.add(f"{b}.torgb.affine.weight", c, width)
            out.add(f"{b}.torgb.affine.bias", c, scale=0.1, mean=1.0)
        if architecture == "skip" and r > 4:
            out[f"{b}.resample_filter"] = fir
        before = c


def stylegan1(out, channels, width):
    before = 0
    for r, c in channels.items():
        for name in ("input", "conv1") if r == 4 else ("conv0", "conv1"):
            b = f"synthesis.b{r}.{name}"
            if name == "input":
                out.add("synthesis.b4.const", c, 4, 4)
            else:
                out.add(f"{b}.weight", c, before, 3, 3)
            if name == "conv0":
                out[f"{b}.blur_filter"] = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
            out.add(f"{b}.bias", c, scale=0.3)
            out.add(f"{b}.noise_const", r, r)
            out.add(f"{b}.noise_strength", c, scale=0.1)
            out.add(f"{b}.affine.weight", 2 * c, width, scale=0.5)
            out.add(f"{b}.affine.bias", 2 * c, scale=0.2)
            before = c
    out.add(f"synthesis.b{r}.torgb.weight", 3, c, 1, 1, scale=0.3)
    out.add(f"synthesis.b{r}.torgb.bias", 3, scale=0.05)


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


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("resolution", type=int)
    p.add_argument("--network", choices=("stylegan2", "stylegan1"), default="stylegan2")
    p.add_argument("--architecture", choices=("skip", "orig", "resnet"), default="skip", help="of a StyleGAN2")
    p.add_argument("--fmaps", type=float, default=1.0)
    p.add_argument("--mapping-layers", type=int, default=8)
    a = p.parse_args()
    width, one = 512, a.network == "stylegan1"
    channels = {r: min(int(32768 * a.fmaps / (2 if one else 1)) // r, 512) for r in (4 << k for k in range(11)) if r <= a.resolution}
    out = Tensors()
    mapping(out, a.mapping_layers, width)
    stylegan1(out, channels, width) if one else stylegan2(out, channels, width, a.architecture)
    meta = dict(format="1", kind="generator", network=a.network, architecture="orig" if one else a.architecture, resolution=a.resolution,
                z_dim=width, w_dim=width, mapping_layers=a.mapping_layers, mapping_lr_multiplier="0.01", img_channels=3,
                num_ws=2 * len(channels), channels=",".join(map(str, channels.values())), c_dim=0, noise="const")
    meta.update({"norm_eps": "1e-08", "truncation_cutoff": "8"} if one else {"conv_clamp": "none"})
    write(a.out, out, {k: str(v) for k, v in meta.items()})


if __name__ == "__main__":
    main()
