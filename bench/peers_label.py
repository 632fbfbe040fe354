"""Labelling, training of the interpreter and whole datasets in PyTorch: the official algorithms and the best ones that we know."""
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional as F

import peers


class Interpreter:
    """Members of an interpreter file, batch norms as scale and shift."""

    def __init__(self, path, dtype=torch.float32):
        t, self.meta = peers.read(path)
        t = {n: x.to(dtype) for n, x in t.items()}
        self.mean, self.std = t["features.mean"], t["features.std"]
        self.members = []
        for m in range(t["layer1.weight"].shape[0]):
            norm = []
            for i in "12":
                s = t[f"norm{i}.weight"][m] * (t[f"norm{i}.running_var"][m] + 1e-5).rsqrt()
                norm.append((s, t[f"norm{i}.bias"][m] - t[f"norm{i}.running_mean"][m] * s))
            self.members.append([(t[f"layer{i}.weight"][m], t[f"layer{i}.bias"][m]) for i in "123"] + norm)


def vote(probabilities):
    """Label, mean probability and Jensen-Shannon divergence from an iterator of (K, pixels) or (pixels, K transposed) probabilities."""
    total = entropy = votes = None
    count = 0
    for p in probabilities:
        h = -(p * p.clamp_min(1e-30).log()).sum(0)
        one = F.one_hot(p.argmax(0), p.shape[0])
        total, entropy, votes = (p, h, one) if count == 0 else (total + p, entropy + h, votes + one)
        count += 1
    mean = total / count
    js = -(mean * mean.clamp_min(1e-30).log()).sum(0) - entropy / count
    return votes.argmax(1), mean, js


def official(taps, size, interpreter):
    """Upsample all maps, concatenate, standardise, ten networks on every pixel."""
    x = torch.cat([F.interpolate(t[None], size=size, mode="bilinear", align_corners=False)[0] for t in taps])
    x = x.reshape(x.shape[0], -1).t()
    x = (x - interpreter.mean) / interpreter.std

    def each():
        for (w1, b1), (w2, b2), (w3, b3), (s1, t1), (s2, t2) in interpreter.members:
            h = F.relu(F.linear(x, w1, b1)) * s1 + t1
            h = F.relu(F.linear(h, w2, b2)) * s2 + t2
            yield F.linear(h, w3, b3).softmax(1).t()
    return vote(each())


class Improved:
    """Layer 1 at each map's own size, all maps of a size in one product, then upsampled and added; batch norms and standardisation folded
    into the layers; compiled."""

    def __init__(self, interpreter, taps, size, compiled=True):
        self.size, self.groups, first = size, {}, 0
        for i, t in enumerate(taps):
            self.groups.setdefault(tuple(t.shape[1:]), []).append((i, first, first + t.shape[0]))
            first += t.shape[0]
        self.members = []
        for (w1, b1), (w2, b2), (w3, b3), (s1, t1), (s2, t2) in interpreter.members:
            b1 = b1 - (w1 * (interpreter.mean / interpreter.std)).sum(1)
            w1 = w1 / interpreter.std
            parts = [torch.cat([w1[:, a:b] for _, a, b in g], 1)[:, :, None, None].contiguous() for g in self.groups.values()]
            self.members.append((parts, b1[None, :, None, None], (w2 * s1)[:, :, None, None].contiguous(), b2 + w2 @ t1,
                                 (w3 * s2)[:, :, None, None].contiguous(), b3 + w3 @ t2))
        self.member = torch.compile(self.one) if compiled else self.one

    def one(self, maps, parts, b1, w2, b2, w3, b3):
        hidden = b1
        for x, w in zip(maps, parts):
            y = F.conv2d(x, w)
            hidden = hidden + (y if tuple(y.shape[2:]) == tuple(self.size) else F.interpolate(y, size=self.size, mode="bilinear", align_corners=False))
        return F.conv2d(F.relu(F.conv2d(F.relu(hidden), w2, b2)), w3, b3).softmax(1)[0]

    def __call__(self, taps):
        maps = [torch.cat([taps[i] for i, _, _ in g])[None] for g in self.groups.values()]
        return vote(self.member(maps, *m).flatten(1) for m in self.members)


def trainer(D, h1, h2, K, batch, rows, compiled):
    """A step of one member, as the released code trains it: gather from a matrix of hypercolumns, forward, backward, Adam.  The matrix holds
    `rows` pixels; all of them would not fit."""
    net = torch.nn.Sequential(torch.nn.Linear(D, h1), torch.nn.ReLU(), torch.nn.BatchNorm1d(h1), torch.nn.Linear(h1, h2), torch.nn.ReLU(),
                              torch.nn.BatchNorm1d(h2), torch.nn.Linear(h2, K))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=compiled or None)
    x, y = torch.randn(rows, D), torch.randint(K, (rows,))
    order = torch.randperm(rows)
    forward = torch.compile(lambda a, b: F.cross_entropy(net(a), b)) if compiled else lambda a, b: F.cross_entropy(net(a), b)
    at = 0

    def step():
        nonlocal at
        index = order[at:at + batch]
        at = (at + batch) % (rows - batch)
        optimiser.zero_grad()
        forward(x[index], y[index]).backward()
        optimiser.step()
    return step


def dataset(generator, interpreter, threads, folder, name, count):
    """OpenVINO draws batches of 8 and gives the maps, the improved labelling, Pillow writes both PNGs in threads beside it."""
    import openvino as ov
    from PIL import Image
    weights, meta = peers.read(generator)
    batch, size = 8, (int(meta["resolution"]),) * 2
    net = ov.Core().compile_model(peers.onnx_file(weights, meta, batch, folder, name, taps=True), "CPU",
                                  {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
    draw = lambda z: [np.array(net_out) for net_out in net([z]).values()]
    z_dim = int(meta["z_dim"])
    taps = [torch.from_numpy(t[0]) for t in draw(np.zeros((batch, z_dim), np.float32))[1:]]
    label = Improved(Interpreter(interpreter), taps, size)
    out = f"{folder}/{name}-dataset"

    def run():
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        with ThreadPoolExecutor(threads) as pool:
            jobs = []
            for first in range(0, count, batch):
                z = np.concatenate([np.random.RandomState(first + b).randn(1, z_dim) for b in range(batch)]).astype(np.float32)
                img, *maps = draw(z)
                img = (img * 127.5 + 128).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
                for b in range(batch):
                    found, _, js = label([torch.from_numpy(m[b]) for m in maps])
                    js.flatten().topk(js.numel() // 10).values.mean()
                    labels = Image.fromarray(found.reshape(size).to(torch.uint8).numpy())
                    jobs.append(pool.submit(Image.fromarray(img[b]).save, f"{out}/{first + b}.png"))
                    jobs.append(pool.submit(labels.save, f"{out}/{first + b}_label.png"))
            for j in jobs:
                j.result()
        shutil.rmtree(out)
    return run
