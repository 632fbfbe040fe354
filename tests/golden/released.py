"""DatasetGAN's released interpreter, run from a clone of nv-tlabs/datasetGAN_release: its own lines, taken out of the clone's history.

None of them is copied here.  Needs PyTorch and SciPy.  `git` below is the clone's git directory.
"""
import ast
import subprocess
import types

import numpy as np
import scipy.stats
import torch
from torch import nn
from torch.distributions import Categorical

AFTER, BEFORE = '588c5e9', '77562d4'            # the last commit, and the last one before the fix of issue 27
_FILE = 'datasetGAN/train_interpreter.py'


def _source(git, commit, path):
    return ast.parse(subprocess.check_output(['git', '--git-dir', git, 'show', commit + ':' + path], text=True))


def _find(tree, kind, name):
    return next(n for n in ast.walk(tree) if isinstance(n, kind) and n.name == name)


def _run(nodes, names):
    exec(compile(ast.Module(list(nodes), []), 'released', 'exec'), names)


def names(git):
    """{name: object}: pixel_classifier, oht_to_scalar and what they stand on."""
    out = {'nn': nn, 'np': np, 'torch': torch}
    _run([_find(_source(git, AFTER, _FILE), ast.ClassDef, 'pixel_classifier')], out)
    _run([_find(_source(git, AFTER, 'utils/utils.py'), ast.FunctionDef, 'oht_to_scalar')], out)
    return out


def classifier(names, features, classes):
    """A pixel_classifier of which every parameter and running statistic is random (torch's generator)."""
    net = names['pixel_classifier'](numpy_class=classes, dim=features)
    net.init_weights()
    with torch.no_grad():
        for name, t in net.state_dict().items():
            if name.endswith('running_var'):
                t.copy_(torch.rand(t.shape) + 0.3)
            elif name.endswith('weight') and t.dim() == 2:
                t.copy_(torch.randn(t.shape) * 1.2 / t.shape[1] ** 0.5)
            elif t.dtype == torch.float32:
                t.copy_(torch.randn(t.shape) * 0.3 + (1.0 if name in ('layers.2.weight', 'layers.5.weight') else 0.1))
    return net


def save(net, path, zipped=True):
    """As train_interpreter.py saves one member."""
    torch.save({'model_state_dict': nn.DataParallel(net).state_dict()}, path, _use_new_zipfile_serialization=zipped)


def sampling(git, commit):
    """The statements of generate_data's loop between the features and the label map."""
    loop = next(n for n in ast.walk(_find(_source(git, commit, _FILE), ast.FunctionDef, 'generate_data'))
                if isinstance(n, ast.For) and getattr(n.target, 'id', '') == 'i')
    text = [ast.unparse(s) for s in loop.body]
    first = next(i for i, t in enumerate(text) if t.startswith('affine_layers = affine_layers.reshape'))
    last = next(i for i, t in enumerate(text) if t.startswith('img_seg_final = scipy.stats.mode'))
    return loop.body[first:last + 1]


def score(statements, js):
    """The score of a whole picture from its divergences (pixels), by the statement that the code has for it."""
    space = {'js': js}
    _run([s for s in statements if ast.unparse(s).startswith('top_k = ')], space)
    return space['top_k'].item()


def segment(statements, names, members, columns, classes):
    """What the statements make of features (D, H, W): label (H, W), votes (classes, H, W), divergences (H*W), score, and the gap between
    the two largest logits of the member that is nearest to a tie (H, W); not of BEFORE, which adds the others' logits into the first's."""
    d, h, w = columns.shape
    space = dict(names, args={'dim': [h, w, d], 'model_num': len(members)}, classifier_list=members, affine_layers=columns,
                 softmax_f=nn.Softmax(dim=1), Categorical=Categorical, scipy=types.SimpleNamespace(stats=scipy.stats), entropy_calculate=[])
    with torch.no_grad():
        _run(statements, space)
    chosen = np.concatenate(space['seg_mode_ensemble'], -1)
    two = torch.stack(space['all_seg']).topk(2, -1).values
    return types.SimpleNamespace(label=space['img_seg_final'], votes=np.stack([(chosen == k).sum(-1) for k in range(classes)]), js=space['js'],
                                 score=space['top_k'].item(), gap=(two[..., 0] - two[..., 1]).min(0).values.numpy().reshape(h, w))
