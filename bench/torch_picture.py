#!/usr/bin/env python3
"""Milliseconds a picture in PyTorch eager with NVIDIA's own StyleGAN2-ADA code, same weights and seeds as bench_picture.

usage: torch_picture.py ADA_CHECKOUT GENERATOR.safetensors [--threads 2] [--batch 1] [--runs 9] [--unfused] [--save PICTURE.npy]
ADA_CHECKOUT is a checkout of the public repository NVlabs/stylegan2-ada-pytorch.  Weights are loaded outside the timing.
"""
import argparse
import json
import struct
import sys
import time

import numpy as np
import torch


def read(path):
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    meta = header.pop("__metadata__")
    arrays = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        arrays[name] = torch.from_numpy(np.frombuffer(data[begin:end], np.float32).reshape(t["shape"]).copy())
    return arrays, meta


p = argparse.ArgumentParser()
p.add_argument("ada")
p.add_argument("generator")
p.add_argument("--threads", type=int, default=2)
p.add_argument("--batch", type=int, default=1)
p.add_argument("--runs", type=int, default=9)
p.add_argument("--unfused", action="store_true")
p.add_argument("--save")
a = p.parse_args()
sys.path.insert(0, a.ada)
from training.networks import Generator  # noqa: E402  (the checkout's own module)

torch.set_num_threads(a.threads)
weights, meta = read(a.generator)
res = int(meta["resolution"])
channels = [int(c) for c in meta["channels"].split(",")]
g = Generator(z_dim=int(meta["z_dim"]), c_dim=0, w_dim=int(meta["w_dim"]), img_resolution=res, img_channels=int(meta["img_channels"]),
              mapping_kwargs=dict(num_layers=int(meta["mapping_layers"])),
              synthesis_kwargs=dict(channel_base=channels[-1] * res, channel_max=max(channels),
                                    conv_clamp=None if meta["conv_clamp"] == "none" else float(meta["conv_clamp"]))).eval()
missing = g.load_state_dict(weights, strict=False)
assert not missing.unexpected_keys and all("resample_filter" in k for k in missing.missing_keys), missing
times = []
with torch.no_grad():
    for r in range(-2, a.runs):
        z = torch.from_numpy(np.concatenate([np.random.RandomState((r + 2) * a.batch + b).randn(1, g.z_dim) for b in range(a.batch)])).float()
        start = time.perf_counter()
        img = g(z, None, truncation_psi=0.7, noise_mode="const", force_fp32=True, fused_modconv=not a.unfused)
        if r >= 0:
            times.append((time.perf_counter() - start) * 1e3 / a.batch)
        elif a.save and r == -2:
            np.save(a.save, img.numpy())
times.sort()
print(f"picture,{res},torch {torch.__version__} eager{' unfused' if a.unfused else ''},threads {a.threads},batch {a.batch},"
      f"median {times[len(times) // 2]:.3f} ms,min {times[0]:.3f},max {times[-1]:.3f}")
