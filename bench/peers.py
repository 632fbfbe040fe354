#!/usr/bin/env python3
"""The same StyleGAN2 pictures by other CPU runtimes, timed in turn with ours in one run.

usage: peers.py GENERATOR.safetensors BENCH_PICTURE [--peers torch,torch-const,compile,onnxruntime,openvino] [--threads 2]
                [--batch 1] [--rounds 5] [--cpu] [--ada CHECKOUT]

Peers (float32, weights loaded and graphs compiled outside the timing):
  nvidia       NVIDIA's own code in PyTorch eager, from --ada, a checkout of the public repository stylegan2-ada-pytorch
  torch        the same algorithm in PyTorch eager: weights modulated for every picture, grouped convolution
  torch-const  PyTorch eager with activations modulated instead, so that weights are constant; channels_last
  compile      torch-const under torch.compile
  onnxruntime, openvino   torch-const exported to ONNX: dynamic weights would cripple them
--cpu compares processor time of all threads instead of wall time: use it with --threads 1 on a busy machine.
Every round times each peer once (median of 3 calls) and ours once; the best time of each peer counts.
Prints a table of the best and median milliseconds a picture, the ratio to ours, and the largest difference of the pictures.
"""
import argparse
import json
import struct
import subprocess
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F


def read(path):
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    meta = header.pop("__metadata__")
    return {n: torch.from_numpy(np.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], np.float32).reshape(t["shape"]).copy())
            for n, t in header.items()}, meta


def fir(x, f, pad, gain):
    """Filter every channel: pad, then correlate with the filter, which __init__ has flipped."""
    channels = int(x.shape[1])
    k = (f * gain)[None, None].expand(channels, 1, *f.shape)
    return F.conv2d(F.pad(x, pad), k, groups=channels)


class Generator(torch.nn.Module):
    """w_avg-truncated StyleGAN2, skip architecture, constant noise.  const: modulate activations, not weights."""

    def __init__(self, weights, meta, const):
        super().__init__()
        self.const = const
        self.res = int(meta["resolution"])
        self.layers = int(meta["mapping_layers"])
        self.lr = float(meta["mapping_lr_multiplier"])
        self.names = {}
        for name, t in weights.items():
            flat = name.replace(".", "_")
            if name.endswith("resample_filter"):
                t = t.flip([0, 1]).contiguous()
            if const and t.dim() == 4:
                t = t.to(memory_format=torch.channels_last)
            self.register_buffer(flat, t)
        self.num_ws = int(meta["num_ws"])

    def p(self, name):
        return getattr(self, name.replace(".", "_"))

    def mapping(self, z):
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.layers):
            w, b = self.p(f"mapping.fc{i}.weight"), self.p(f"mapping.fc{i}.bias")
            x = F.leaky_relu(F.linear(x, w * (self.lr / w.shape[1] ** 0.5), b * self.lr), 0.2) * 2 ** 0.5
        return self.p("mapping.w_avg").lerp(x, 0.7)

    def style(self, name, w):
        a, b = self.p(f"{name}.affine.weight"), self.p(f"{name}.affine.bias")
        return F.linear(w, a / a.shape[1] ** 0.5, b)

    def conv(self, x, w, style, up, f, demodulate=True):
        n, cin = style.shape
        cout, ks = w.shape[0], w.shape[2]
        demod = (torch.einsum("ni,oi->no", style.square(), w.square().sum([2, 3])) + 1e-8).rsqrt() if demodulate else None
        if self.const:
            x = x * style[:, :, None, None]
            x = F.conv_transpose2d(x, w.transpose(0, 1), stride=2) if up else F.conv2d(x, w, padding=ks // 2)
            if up:
                x = fir(x, f, (1, 1, 1, 1), 4.0)
            return x * demod[:, :, None, None] if demodulate else x
        m = w[None] * style[:, None, :, None, None]
        if demodulate:
            m = m * demod[:, :, None, None, None]
        x = x.reshape(1, n * cin, *x.shape[2:])
        if up:
            x = F.conv_transpose2d(x, m.transpose(1, 2).reshape(n * cin, cout, ks, ks), stride=2, groups=n)
            x = fir(x, f, (1, 1, 1, 1), 4.0)
        else:
            x = F.conv2d(x, m.reshape(n * cout, cin, ks, ks), padding=ks // 2, groups=n)
        return x.reshape(n, cout, *x.shape[2:])

    def layer(self, x, name, w, up):
        x = self.conv(x, self.p(f"{name}.weight"), self.style(name, w), up, self.p(f"{name}.resample_filter") if up else None)
        x = x + self.p(f"{name}.noise_const") * self.p(f"{name}.noise_strength") + self.p(f"{name}.bias")[None, :, None, None]
        return F.leaky_relu(x, 0.2) * 2 ** 0.5

    def forward(self, z):
        w = self.mapping(z)
        img, r = None, 4
        x = self.p("synthesis.b4.const")[None].repeat(z.shape[0], 1, 1, 1)
        if self.const:
            x = x.to(memory_format=torch.channels_last)
        while r <= self.res:
            b = f"synthesis.b{r}"
            if r > 4:
                x = self.layer(x, f"{b}.conv0", w, True)
            x = self.layer(x, f"{b}.conv1", w, False)
            rgb = self.p(f"{b}.torgb.weight")
            y = self.conv(x, rgb, self.style(f"{b}.torgb", w) / rgb.shape[1] ** 0.5, False, None, demodulate=False)
            y = y + self.p(f"{b}.torgb.bias")[None, :, None, None]
            if img is not None:
                n, c, h = (int(d) for d in img.shape[:3])
                wide = F.pad(img.reshape(n, c, h, 1, h, 1), (0, 1, 0, 0, 0, 1)).reshape(n, c, 2 * h, 2 * h)
                y = y + fir(wide, self.p(f"{b}.resample_filter"), (2, 1, 2, 1), 4.0)
            img, r = y, r * 2
        return img


def nvidia(ada, weights, meta):
    sys.path.insert(0, ada)
    from training.networks import Generator as G  # the checkout's own module
    channels = [int(c) for c in meta["channels"].split(",")]
    g = G(z_dim=int(meta["z_dim"]), c_dim=0, w_dim=int(meta["w_dim"]), img_resolution=int(meta["resolution"]),
          img_channels=int(meta["img_channels"]), mapping_kwargs=dict(num_layers=int(meta["mapping_layers"])),
          synthesis_kwargs=dict(channel_base=channels[-1] * int(meta["resolution"]), channel_max=max(channels))).eval()
    assert not g.load_state_dict(weights, strict=False).unexpected_keys
    return lambda z: g(z, None, truncation_psi=0.7, noise_mode="const", force_fp32=True)


def peer(name, weights, meta, a):
    z = torch.zeros(a.batch, int(meta["z_dim"]))
    if name == "nvidia":
        return nvidia(a.ada, weights, meta)
    if name == "torch":
        return Generator(weights, meta, False).eval()
    g = Generator(weights, meta, True).eval()
    if name == "torch-const":
        return g
    if name == "compile":
        return torch.compile(g)
    path = f"/tmp/peers-{meta['resolution']}-{a.batch}.onnx"
    torch.onnx.export(g, (z,), path, input_names=["z"], output_names=["img"], opset_version=17, dynamo=False)
    if name == "onnxruntime":
        import onnxruntime as ort
        o = ort.SessionOptions()
        o.intra_op_num_threads = a.threads
        s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        return lambda z: torch.from_numpy(s.run(None, {"z": z.numpy()})[0])
    import openvino as ov
    c = ov.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": a.threads, "INFERENCE_PRECISION_HINT": "f32"})
    return lambda z: torch.from_numpy(c([z.numpy()])[0])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("generator")
    p.add_argument("bench_picture")
    p.add_argument("--peers", default="torch,torch-const")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--kernels", default="auto")
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--ada")
    a = p.parse_args()
    clock = time.process_time if a.cpu else time.perf_counter
    torch.set_num_threads(a.threads)
    weights, meta = read(a.generator)
    z = torch.from_numpy(np.concatenate([np.random.RandomState(s).randn(1, int(meta["z_dim"])) for s in range(a.batch)])).float()
    peers, times, pictures = {}, {"ours": []}, {}
    with torch.no_grad():
        for name in a.peers.split(","):
            try:
                peers[name] = peer(name, weights, meta, a)
                for _ in range(2):
                    pictures[name] = peers[name](z).clone()
                times[name] = []
            except Exception as e:  # a peer that cannot be had is a row that says so
                print(f"{name}: not run: {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}")
                peers.pop(name, None)
        for _ in range(a.rounds):
            line = subprocess.run([a.bench_picture, a.generator, a.kernels, str(a.threads), str(a.batch), "3"], capture_output=True,
                                  text=True, check=True).stdout
            times["ours"].append(float(line.split("cpu " if a.cpu else "median ")[1].split()[0]))
            for name, run in peers.items():
                calls = []
                for _ in range(3):
                    start = clock()
                    run(z)
                    calls.append((clock() - start) * 1e3 / a.batch)
                times[name].append(sorted(calls)[1])
    first = next(iter(pictures.values()), None)
    best = min(times["ours"])
    print(f"| {meta['resolution']} px, batch {a.batch}, {a.threads} threads{', processor time' if a.cpu else ''} | best ms | median ms | best / ours | largest difference (sd of the picture) |")
    print("|---|---|---|---|---|")
    for name, t in times.items():
        diff = f"{((pictures[name] - first).abs().max() / first.std()).item():.1e}" if name in pictures else ""
        print(f"| {name} | {min(t):.2f} | {sorted(t)[len(t) // 2]:.2f} | {min(t) / best:.2f} | {diff} |")


if __name__ == "__main__":
    main()
