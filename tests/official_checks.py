"""The checks of test_official.sh.  Last line "N passed, N failed, N skipped"; exit 1 when one failed.

tests/golden/official/ holds classifiers with random weights as DatasetGAN's code saves them, official_want.safetensors what that
code, taken out of its repository's history, makes of the features of seed 7 (float64).
"""
import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys

import numpy as np

import convert_files
from convert_files import CONVERT, GOLDEN, NIGHTLY, ROOT, Name, Reduce, check, count, tensor, torch_zip
from dialect_checks import read_png, read_safetensors
from errors import Refused                      # the converter's; found through convert_files
import interpreter

TMP = convert_files.TMP = os.path.join(ROOT, 'build', 'tmp', 'official')
TASK, GENERATOR = os.path.join(GOLDEN, 'official_task.json'), os.path.join(GOLDEN, 'stylegan2_rgb.safetensors')
FOLDER = os.path.join(GOLDEN, 'official')
UNITS = 64                                      # float32 rounding units of a divergence; printed as they are


def convert(folder, *options, out='i.safetensors', task=TASK, generator=GENERATOR):
    p = subprocess.run([sys.executable, os.path.join(CONVERT, 'interpreter.py'), folder, os.path.join(TMP, out), '--task', task,
                        '--generator', generator, '--force', *options], capture_output=True, text=True)
    return p.returncode, p.stdout, p.stderr


def run(interpreter, kernels):
    out = os.path.join(TMP, 'labels')
    shutil.rmtree(out, ignore_errors=True)
    p = subprocess.run([PROGRAM, 'label', '--votes', '--interpreter', interpreter, '--generator', GENERATOR, '--seeds', '7', '--out', out, '--kernels', kernels],
                       capture_output=True, text=True)
    if p.returncode:
        return None
    with open(os.path.join(out, 'metadata.jsonl')) as f:
        score = json.loads(f.read())['uncertainty']
    return read_png(out + '/labels/0000000007.png')[..., 0], np.load(out + '/uncertainty/0000000007.npy'), score, np.load(out + '/votes/0000000007.npy')


def test_same():
    """Labels, divergences and score, after and before the fix of 2021, features enlarged by either rule."""
    want, worst = read_safetensors(os.path.join(GOLDEN, 'official_want.safetensors')), 0.0
    for mode, (when, uncertainty) in itertools.product(('bilinear', 'nearest'), (('after', 'probabilities'), ('before', 'logits'))):
        rc, out, err = convert(FOLDER, '--upsample', mode, '--uncertainty', uncertainty)
        check(rc == 0 and 'wrote' in out and 'knows 5 of the task\'s 6 classes' in err and err.count('\n') == 1, 'converted: %r %r' % (out, err))
        for kernels in ('ref', 'auto'):
            got = run(os.path.join(TMP, 'i.safetensors'), kernels)
            where = '%s, %s, %s' % (mode, when, kernels)
            if got is None:
                check(False, '%s: it runs' % where)
                continue
            label, js, score, votes = got
            key = '%s.%s.' % (mode, when)
            sure = want[mode + '.gap'] > 1e-4
            check((label == want[key + 'label'])[sure].all() and sure.mean() > 0.99, '%s: %d labels differ' % (where, (label != want[key + 'label']).sum()))
            check(votes.dtype == np.uint16 and (votes == want[mode + '.votes'])[:, sure].all() and (votes.sum(0) == 4).all(),
                  '%s: votes differ at %d pixels' % (where, (votes != want[mode + '.votes']).any(0).sum()))
            units = np.abs(js - want[key + 'js']).max() / 2.0 ** -24
            check(units <= UNITS, '%s: divergence off by %.1f units of 1' % (where, units))
            check(abs(score - want[key + 'score'][0]) <= UNITS * 2.0 ** -24, '%s: score %.9g, expected %.9g' % (where, score, want[key + 'score'][0]))
            worst = max(worst, units)
    print('  ok   divergence, in units of 2^-24: %.1f / %d' % (worst, UNITS))


def test_tensors():
    """Every tensor matters: doubling it in a converted file changes the result."""
    import safetensors
    convert(FOLDER)
    meta, tensors = safetensors.read(os.path.join(TMP, 'i.safetensors'))
    changed = os.path.join(TMP, 'changed.safetensors')
    right = run(os.path.join(TMP, 'i.safetensors'), 'auto')
    for name in tensors:
        safetensors.write(changed, meta, dict(tensors, **{name: tensors[name] * 2 + np.float32(0.5)}), True)
        got = run(changed, 'auto')
        check(got is not None and np.abs(got[1] - right[1]).max() > 1e-3, '%s changed nothing' % name)


def member(d=116, h1=128, h2=32, k=5, change=None, prefix='module.layers.'):
    """A classifier as the released code saves it, of zeros but for variances; `change(shapes)` may spoil the shapes."""
    shapes = {'0.weight': (h1, d), '0.bias': (h1,), '3.weight': (h2, h1), '3.bias': (h2,), '6.weight': (k, h2), '6.bias': (k,)}
    for layer, h in (('2', h1), ('5', h2)):
        shapes.update({layer + '.' + n: (h,) for n in ('weight', 'bias', 'running_mean', 'running_var')})
    if change:
        change(shapes)
    storages = {str(i): np.zeros(int(np.prod(s)), '<f4').tobytes() for i, s in enumerate(shapes.values())}
    return {'model_state_dict': {prefix + n: tensor(str(i), s) for i, (n, s) in enumerate(shapes.items())}}, storages


def test_refused():
    def folder(*members):
        path = os.path.join(TMP, 'bad')
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        for i, m in enumerate(members):
            if m:
                torch_zip('bad/model_%d.pth' % i, *m)
        return path

    def refused(path, part, what, task=TASK, generator=GENERATOR):
        try:
            interpreter.build(argparse.Namespace(folder=path, task=task, generator=generator, upsample='bilinear', uncertainty='probabilities'))
            said = 'a conversion'
        except Refused as e:
            said = str(e)
        check(part in said and '\n' not in said, '%s: expected "%s", got %r' % (what, part, said))

    rc, _, err = convert(folder(member(prefix='layers.')))
    check(rc == 0, 'without DataParallel: %r' % err)
    rc, _, err = convert(folder())
    check(rc == 1 and err.startswith('convert: ') and err.count('\n') == 1, 'a refusal is one line: %r' % err)
    refused(folder(), 'no model_0.pth in it', 'an empty folder')
    refused(os.path.join(TMP, 'nowhere'), 'No such file', 'no folder')
    refused(folder(member(), None, member()), 'found no model_1.pth', 'a gap')
    refused(folder(member(d=115)), 'reads 115 numbers a pixel, the generator makes 116', 'another generator')
    refused(folder(member(k=7)), 'has 7 classes', 'more classes than the task')
    refused(folder(member(), member(h2=33)), 'model_1.pth: layer2.weight: expected the shape [32, 128]', 'members that differ')
    refused(folder(member(change=lambda s: s.pop('5.running_var'))), "'module.layers.5.running_var' is missing", 'a tensor missing')
    refused(folder(member(change=lambda s: s.update({'2.bias': (127,)}))), 'norm1.bias: expected the shape [128], found [127]', 'a bias cut short')
    refused(folder(member(change=lambda s: s.update({'3.weight': (32, 127)}))), 'layer2.weight: expected the shape [32, 128]', 'a weight cut short')
    refused(folder(member(change=lambda s: s.update({'8.weight': (5, 5)}))), "'module.layers.8.weight' belongs to no interpreter", 'a layer too many')
    root, storages = member()
    storages['9'] = np.full(128, -1, '<f4').tobytes()                 # 2.running_var stands tenth
    refused(folder((root, storages)), 'running_var: a variance is negative', 'a negative variance')
    root, storages = member()
    storages['0'] = np.full(128 * 116, np.nan, '<f4').tobytes()
    refused(folder((root, storages)), 'not finite', 'NaN')
    root, storages = member()
    root['x'] = Reduce(Name('os', 'system'), 'touch ' + os.path.join(TMP, 'executed'))
    refused(folder((root, storages)), "refers to 'os.system'", 'code')
    check(not os.path.exists(os.path.join(TMP, 'executed')), 'nothing was executed')
    refused(folder(({'a': 1}, {})), 'no layers.0.weight', 'another pickle')
    refused(folder(member()), 'no task.json', 'a task that is none', task=GENERATOR)
    refused(folder(member()), 'not a safetensors file', 'a generator that is none', generator=TASK)


def test_mutants():
    """The members' files changed at random, under the limit of convert_files.limit_memory."""
    sources = {}
    for name in ('model_0.pth', 'model_3.pth'):                         # zip, legacy
        with open(os.path.join(FOLDER, name), 'rb') as f:
            sources[name] = f.read()
    convert_files.TMP, read = TMP, interpreter.read_member
    read(os.path.join(FOLDER, 'model_0.pth'))                           # lets Python load its own modules before anyone listens
    convert_files.limit_memory()
    convert_files.test_mutants(sources, 400 if NIGHTLY else 60, 4, repaired, read)


def repaired(rng, name, data):
    return convert_files.repaired(data) if name == 'model_0.pth' and rng.random() < 0.7 else data


def main():
    shutil.rmtree(TMP, ignore_errors=True)
    os.makedirs(TMP)
    for test in (test_same, test_tensors, test_refused, test_mutants):
        try:
            test()
        except Exception as e:
            check(False, '%s stopped: %s: %s' % (test.__name__, type(e).__name__, e))
    shutil.rmtree(TMP, ignore_errors=True)
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % count)
    return 1 if count['failed'] else 0


PROGRAM = os.path.abspath(sys.argv[1])
if __name__ == '__main__':
    sys.exit(main())
