"""Goldens of the released interpreters: DatasetGAN's own classifier and its own sampling loop, with random weights.

    python tests/golden/make_official.py datasetGAN_release.git build/release/datasetgan tests/golden

Needs PyTorch, SciPy, and a clone of datasetGAN_release; its lines are taken out of the clone's history and run, none is copied here.
Feature maps are those that `datasetgan generate --taps` gives for seed 7 of stylegan2_rgb.safetensors.  Writes
  official/model_0.pth ..      classifiers as the released code saves them: torch zip, the last one in the legacy form
  official_want.safetensors    votes (6 classes: those of the task), label map, Jensen-Shannon map and score of the code after September 2021 ("after") and of its first
                               release ("before"), each also with features enlarged by nearest ("nearest"), all in float64
Every parameter and running statistic is random.
"""
import ast
import copy
import os
import subprocess
import sys
import tempfile
import types

import numpy as np
import scipy.stats
import torch
from torch import nn
from torch.distributions import Categorical

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'convert'))
import safetensors
import st

CLONE, PROGRAM, OUT = sys.argv[1:4]
AFTER, BEFORE = '588c5e9', '77562d4'            # the last commit, and the last one before the fix of issue 27
RES, MEMBERS, KNOWN = 32, 4, 5
torch.set_num_threads(1)
torch.manual_seed(3)


def source(commit, path):
    return ast.parse(subprocess.check_output(['git', '--git-dir', CLONE, 'show', commit + ':' + path], text=True))


def find(tree, kind, name):
    return next(n for n in ast.walk(tree) if isinstance(n, kind) and n.name == name)


def run(nodes, names):
    exec(compile(ast.Module(list(nodes), []), 'released', 'exec'), names)


def sampling(commit):
    """The statements of generate_data's loop between the features and the label map."""
    loop = next(n for n in ast.walk(find(source(commit, 'datasetGAN/train_interpreter.py'), ast.FunctionDef, 'generate_data'))
                if isinstance(n, ast.For) and getattr(n.target, 'id', '') == 'i')
    text = [ast.unparse(s) for s in loop.body]
    first = next(i for i, t in enumerate(text) if t.startswith('affine_layers = affine_layers.reshape'))
    last = next(i for i, t in enumerate(text) if t.startswith('img_seg_final = scipy.stats.mode'))
    return loop.body[first:last + 1]


def features():
    """The generator's maps of seed 7, in order, float32."""
    with tempfile.TemporaryDirectory() as t:
        subprocess.check_call([PROGRAM, 'generate', '--generator', os.path.join(OUT, 'stylegan2_rgb.safetensors'), '--seeds', '7', '--psi', '0.7',
                               '--kernels', 'ref', '--taps', t + '/t.safetensors', '--out', t + '/pictures'], stdout=subprocess.DEVNULL)
        taps = safetensors.read(t + '/t.safetensors')[1]
    order = ['b4.conv1'] + ['b%d.conv%d' % (r, i) for r in (8, 16, 32) for i in (0, 1)]
    return [torch.tensor(taps[n].copy()) for n in order]


names = {'nn': nn, 'np': np, 'torch': torch}
tree = source(AFTER, 'datasetGAN/train_interpreter.py')
run([find(tree, ast.ClassDef, 'pixel_classifier')], names)
run([find(source(AFTER, 'utils/utils.py'), ast.FunctionDef, 'oht_to_scalar')], names)

maps = features()
D = sum(m.shape[1] for m in maps)
members = []
os.makedirs(OUT + '/official', exist_ok=True)
for i in range(MEMBERS):
    net = names['pixel_classifier'](numpy_class=KNOWN, dim=D)
    net.init_weights()
    with torch.no_grad():
        for name, t in net.state_dict().items():
            if name.endswith('running_var'):
                t.copy_(torch.rand(t.shape) + 0.3)
            elif name.endswith('weight') and t.dim() == 2:
                t.copy_(torch.randn(t.shape) * 1.2 / t.shape[1] ** 0.5)
            elif t.dtype == torch.float32:
                t.copy_(torch.randn(t.shape) * 0.3 + (1.0 if name in ('layers.2.weight', 'layers.5.weight') else 0.1))
    net = nn.DataParallel(net)
    torch.save({'model_state_dict': net.state_dict()}, OUT + '/official/model_%d.pth' % i, _use_new_zipfile_serialization=i + 1 < MEMBERS)
    members.append(copy.deepcopy(net.module).double().eval())

want = {}
for mode in ('bilinear', 'nearest'):
    columns = torch.cat([nn.Upsample(scale_factor=RES / m.shape[-1], mode=mode)(m.double()) for m in maps], 1)[0]
    for when, commit in (('after', AFTER), ('before', BEFORE)):
        space = dict(names, args={'dim': [RES, RES, D], 'model_num': MEMBERS}, classifier_list=members, affine_layers=columns.clone(),
                     softmax_f=nn.Softmax(dim=1), Categorical=Categorical, scipy=types.SimpleNamespace(stats=scipy.stats), entropy_calculate=[])
        with torch.no_grad():
            run(sampling(commit), space)
        want['%s.%s.label' % (mode, when)] = space['img_seg_final'].astype(np.float64)
        if when == 'after':                     # the same before: what members chose was not changed
            chosen = np.concatenate(space['seg_mode_ensemble'], -1)
            want[mode + '.votes'] = np.stack([(chosen == k).sum(-1) for k in range(KNOWN + 1)]).astype(np.float64)
        want['%s.%s.js' % (mode, when)] = space['js'].numpy().reshape(RES, RES)
        want['%s.%s.score' % (mode, when)] = np.array([space['top_k'].item()])
    with torch.no_grad():                       # how near the closest decision of any member is to a tie
        logits = torch.stack([m(columns.reshape(D, -1).T) for m in members])
    two = logits.topk(2, -1).values
    want[mode + '.gap'] = (two[..., 0] - two[..., 1]).min(0).values.numpy().reshape(RES, RES)
for name, a in want.items():
    print(name, a.shape, a.min(), a.max())
print('classes', np.bincount(want['bilinear.after.label'].astype(int).ravel(), minlength=KNOWN))
st.write(OUT + '/official_want.safetensors', want, torch=torch.__version__)
