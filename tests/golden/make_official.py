"""Goldens of the released interpreters: DatasetGAN's own classifier and its own sampling loop, with random weights.

    python tests/golden/make_official.py datasetGAN_release.git build/release/datasetgan tests/golden

Needs PyTorch, SciPy, and a clone of datasetGAN_release; its lines are taken out of the clone's history and run, none is copied here.
Feature maps are those that `datasetgan generate --taps` gives for seed 7 of stylegan2_rgb.safetensors.  Writes
  official/model_0.pth ..      classifiers as the released code saves them: torch zip, the last one in the legacy form
  official_want.safetensors    votes (6 classes: those of the task), label map, Jensen-Shannon map and score of the code after September 2021 ("after") and of its first
                               release ("before"), each also with features enlarged by nearest ("nearest"), all in float64
Every parameter and running statistic is random.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'convert'))
import released
import safetensors
import st

CLONE, PROGRAM, OUT = sys.argv[1:4]
RES, MEMBERS, KNOWN = 32, 4, 5
torch.set_num_threads(1)
torch.manual_seed(3)


def features():
    """The generator's maps of seed 7, in order, float32."""
    with tempfile.TemporaryDirectory() as t:
        subprocess.check_call([PROGRAM, 'generate', '--generator', os.path.join(OUT, 'stylegan2_rgb.safetensors'), '--seeds', '7', '--psi', '0.7',
                               '--kernels', 'ref', '--taps', t + '/t.safetensors', '--out', t + '/pictures'], stdout=subprocess.DEVNULL)
        taps = safetensors.read(t + '/t.safetensors')[1]
    order = ['b4.conv1'] + ['b%d.conv%d' % (r, i) for r in (8, 16, 32) for i in (0, 1)]
    return [torch.tensor(taps[n].copy()) for n in order]


names, maps, members, want = released.names(CLONE), features(), [], {}
os.makedirs(OUT + '/official', exist_ok=True)
for i in range(MEMBERS):
    net = released.classifier(names, sum(m.shape[1] for m in maps), KNOWN)
    released.save(net, OUT + '/official/model_%d.pth' % i, zipped=i + 1 < MEMBERS)
    members.append(net.double().eval())

for mode in ('bilinear', 'nearest'):
    columns = torch.cat([nn.Upsample(scale_factor=RES / m.shape[-1], mode=mode)(m.double()) for m in maps], 1)[0]
    for when, commit in (('after', released.AFTER), ('before', released.BEFORE)):
        got = released.segment(released.sampling(CLONE, commit), names, members, columns.clone(), KNOWN + 1)
        want['%s.%s.label' % (mode, when)] = got.label.astype(np.float64)
        want['%s.%s.js' % (mode, when)] = got.js.numpy().reshape(RES, RES)
        want['%s.%s.score' % (mode, when)] = np.array([got.score])
        if when == 'after':                                     # what members chose was not changed
            want[mode + '.votes'], want[mode + '.gap'] = got.votes.astype(np.float64), got.gap
for name, a in want.items():
    print(name, a.shape, a.min(), a.max())
print('classes', np.bincount(want['bilinear.after.label'].astype(int).ravel(), minlength=KNOWN))
st.write(OUT + '/official_want.safetensors', want, torch=torch.__version__)
