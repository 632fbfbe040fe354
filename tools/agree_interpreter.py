"""The row of published interpreters for tools/agree.py: DatasetGAN's model_0.pth ... model_9.pth on its car network, at full width.

A StyleGAN1 of 512 x 512 px (5056 numbers a pixel, rows 64 to 447) and ten of the released code's own classifiers with random
weights, every tensor random, are saved as that code saves them, converted, and label the picture of one seed.  The judge is the
released code: its generator, its classifier, the statements of its generate_data (tests/golden/released.py), in float64; the same in
float32 says what its own rounding is worth.  Features are enlarged for BAND rows at a time: for all rows they are 8 GB.
"""
import copy
import json
import os
import subprocess
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn

import convert
import make_stylegan1 as one
import released
from tf_network import PSI, SEED, z_of

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIZE, TOP, ROWS, BAND, MEMBERS, CLASSES, CUTOFF = 512, 64, 384, 64, 10, 20, 8
TASK = os.path.join(ROOT, 'tasks', 'car-20.json')
HEAD = ('| Interpreter | Files, MB | Converting: s, MB | One picture drawn and labelled: s, MB | Labels apart, of 196,608 | Votes apart, the widest gap | '
        'Divergence, score: units of 2^-24 | The released code in float32: the same |\n|---|---|---|---|---|---|---|---|')


def make(code, names, network, average, folder):
    """The files as they are published; the features' names in the code's order, the members."""
    torch.save(network.state_dict(), os.path.join(folder, 'g.for_g_all.pt'))
    np.save(os.path.join(folder, 'avg_latent_stylegan1.npy'), np.repeat(average[None], 18, 0))
    maps = ['b%d.%s' % (4 << level, tap) for level in range(8) for tap in ('conv1', 'conv1_raw')]
    features = 2 * sum(min(16384 // (4 << level), 512) for level in range(8))
    torch.manual_seed(3)
    members = [released.classifier(names, features, CLASSES) for _ in range(MEMBERS)]
    for i, m in enumerate(members):
        released.save(m, os.path.join(folder, 'model_%d.pth' % i))
    return maps, members


def enlarged(m, first):
    """BAND rows of the map (1, C, h, w) enlarged as the code does it; of the others only what these are made of is computed."""
    scale = SIZE // m.shape[-1]
    begin = max(0, first // scale - 1)
    part = nn.Upsample(scale_factor=SIZE / m.shape[-1], mode='bilinear')(m[:, :, begin:(first + BAND) // scale + 2])
    return part[0, :, first - begin * scale:first - begin * scale + BAND].clone()


def judged(real, draw, maps, members, statements, names):
    """(label, votes, divergences, score, gap) of the released code in one precision."""
    taps, parts = draw(real)[1], []
    nets = [copy.deepcopy(m).to(torch.float64 if real is np.float64 else torch.float32).eval() for m in members]
    native = [torch.from_numpy(taps[m])[None] for m in maps]
    for first in range(TOP, TOP + ROWS, BAND):
        columns = torch.cat([enlarged(m, first) for m in native])
        parts.append(released.segment(statements, names, nets, columns, CLASSES))
        del columns
    js = torch.cat([p.js for p in parts])
    return (np.concatenate([p.label for p in parts]), np.concatenate([p.votes for p in parts], 1), js.numpy().reshape(ROWS, SIZE),
            released.score(statements, js), np.concatenate([p.gap for p in parts]))


def distance(got, want):
    """(labels apart, votes apart, the widest gap where one is apart, units of the divergence, units of the score)."""
    votes = (got[1] != want[1]).any(0)
    return (int((got[0] != want[0]).sum()), int(votes.sum()), float(want[4][votes].max(initial=0)), np.abs(got[2] - want[2]).max() * 2.0 ** 24,
            abs(got[3] - want[3]) * 2.0 ** 24)


def row(folder, git, port, draw_of, a, measured):
    """port: (module, network, average); draw_of(noise): a function of the precision that gives (ws, taps, picture)."""
    names, statements = released.names(git), released.sampling(git, released.AFTER)
    maps, members = make(port[0], names, port[1], port[2], folder)
    at = lambda name: os.path.join(folder, name)
    run = [sys.executable, os.path.join(ROOT, 'convert', 'convert.py'), at('g.for_g_all.pt'), at('g.safetensors'), '--rows', '%d..%d' % (TOP, TOP + ROWS - 1)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = {'file_mb': sum(os.path.getsize(at('model_%d.pth' % i)) for i in range(MEMBERS)) / 1e6}
    out['convert'] = measured(sys.executable, os.path.join(ROOT, 'convert', 'interpreter.py'), folder, at('i.safetensors'), '--task', TASK, '--generator', at('g.safetensors'))
    out['label'] = measured(a.program, 'label', '--votes', '--interpreter', at('i.safetensors'), '--generator', at('g.safetensors'), '--seeds', str(SEED),
                            '--psi', repr(PSI), '--noise', 'const', '--threads', '1', '--kernels', a.kernels, '--out', at('out'))
    with open(at('out/metadata.jsonl')) as f:
        score = json.loads(f.read())['uncertainty']
    name = '%010d' % SEED
    with Image.open(at('out/labels/%s.png' % name)) as picture:
        ours = np.asarray(picture), np.load(at('out/votes/%s.npy' % name)), np.load(at('out/uncertainty/%s.npy' % name)), score
    draw = draw_of({k: t for k, t in convert.convert(at('g.for_g_all.pt'))[1].items() if k.endswith('.noise_const')})
    exact = judged(np.float64, draw, maps, members, statements, names)
    out['ours'], out['classes'] = distance(ours, exact), len(np.unique(exact[0]))
    out['theirs'] = distance(judged(np.float32, draw, maps, members, statements, names), exact)
    return out


def shown(r):
    def numbers(d):
        return '%d | %d, %.1e | %.0f, %.1f' % d
    return '| `interpreter` | %.0f | %.1f, %.0f | %.1f, %.0f | %s | %s |' % (r['file_mb'], *r['convert'], *r['label'], numbers(r['ours']),
                                                                         numbers(r['theirs']).replace(' | ', '; '))


def good(r):
    """Nothing further off than 4 times what the released code's float32 is, at least the 64 units of tests/test_official.sh."""
    (_, _, gap, js, score), (_, _, own_gap, own_js, own_score) = r['ours'], r['theirs']
    return r['classes'] > 5 and js <= max(64, 4 * own_js) and score <= max(64, 4 * own_score) and gap <= max(1e-4, 4 * own_gap)
