"""A training step against PyTorch's on the same network, batch and number of threads: processor time, one step of ours, one of theirs, and so on.
Prints a row a case: median of each and the ratio.

    python bench/bench_step.py build/release/bench_step [--threads 1] [--steps 7] [CASE ...]        CASE: NET:SIZE:BATCH
"""
import argparse
import statistics
import subprocess
import time

import torch
from torch import nn
import torch.nn.functional as F

CASES = 'light:128:16', 'light:128:4', 'resnet50:128:4', 'resnet50:256:2'
CLASSES = 4


def block(c_in, c, stride=1):
    return nn.Sequential(nn.Conv2d(c_in, c, 3, stride, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True))


class Light(nn.Module):
    """src/deeplab/nets.c open_light."""

    def __init__(self, w=32, levels=4):
        super().__init__()
        self.stem = block(3, w, 2)
        self.down = nn.ModuleList(block(w * max(i, 1), w * (i + 1)) for i in range(levels))
        self.middle = block(levels * w, levels * w)
        self.up = nn.ModuleList(nn.Sequential(block((i + 2) * w + (i + 1) * w, (i + 1) * w), block((i + 1) * w, (i + 1) * w)) for i in range(levels - 1))
        self.classifier = nn.Conv2d(w, CLASSES, 1)

    def forward(self, x):
        size, skips = x.shape[2:], []
        x = self.stem(x)
        for i, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        x = self.middle(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([F.interpolate(x, size=skips[i].shape[2:], mode='bilinear'), skips[i]], 1))
        return F.interpolate(self.classifier(x), size=size, mode='bilinear')


def build(name):
    if name == 'light':
        return Light()
    from torchvision.models import segmentation
    net = getattr(segmentation, 'deeplabv3_' + name)(weights=None, weights_backbone=None, num_classes=CLASSES)

    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)['out']
    return Logits()


class Peer:
    def __init__(self, name, size, batch, channels_last):
        torch.manual_seed(1)
        form = torch.channels_last if channels_last else torch.contiguous_format
        self.net = build(name).train().to(memory_format=form)
        self.x = torch.randn(batch, 3, size, size).to(memory_format=form)
        p = torch.arange(batch * size * size)
        self.label = ((p // 7 + p // size // 9) % CLASSES).reshape(batch, size, size)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-4)
        self.numbers = sum(p.numel() for p in self.net.parameters())

    def step(self):
        start = time.process_time()
        self.adam.zero_grad()
        F.cross_entropy(self.net(self.x), self.label).backward()
        self.adam.step()
        return time.process_time() - start


class Ours:
    def __init__(self, program, name, size, batch, threads):
        self.p = subprocess.Popen([program, name, str(size), str(batch), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self):
        self.p.stdin.write('\n')
        self.p.stdin.flush()
        return float(self.p.stdout.readline().split()[0])

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def main():
    p = argparse.ArgumentParser(description='A training step of ours and of PyTorch, alternating: processor time.')
    p.add_argument('program')
    p.add_argument('cases', nargs='*', default=CASES)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--steps', type=int, default=7)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    print('PyTorch %s, %d thread%s, processor seconds a step: median of %d after one that does not count' % (torch.__version__, a.threads, 's' * (a.threads > 1), a.steps))
    print('%-16s %10s %10s %14s %22s' % ('net:size:batch', 'ours', 'torch', 'channels last', 'ratio to the faster'))
    for case in a.cases:
        name, size, batch = case.split(':')
        runs = [Ours(a.program, name, int(size), int(batch), a.threads)] + [Peer(name, int(size), int(batch), last) for last in (False, True)]
        seconds = [[r.step() for r in runs] for _ in range(a.steps + 1)][1:]
        ours, plain, last = (statistics.median(s) for s in zip(*seconds))
        print('%-16s %10.3f %10.3f %14.3f %22.2f' % (case, ours, plain, last, ours / min(plain, last)), flush=True)
        runs[0].close()


main()
