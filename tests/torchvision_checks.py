"""Networks between torchvision and this program, both ways, with random weights; needs torch and torchvision (tools/nightly.sh, and where
`make test` finds them).

There: torch.save (zip and legacy) -> convert.py -> segment predict: the probabilities of torchvision's own model.
Back:  segment train -> the file's tensors into torchvision's model with strict=True: the probabilities of segment predict.
Last line "N passed, N failed, N skipped"; exit 1 when one failed.

    python tests/torchvision_checks.py build/release/datasetgan
"""
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'convert'))
import safetensors                              # the converter's

try:
    import torch
    import torchvision
    from torchvision.models.segmentation import deeplabv3_resnet50
except (ImportError, RuntimeError) as e:
    print(' skip: torchvision: %s' % str(e).split('\n')[0])
    print('0 passed, 0 failed, 1 skipped')
    sys.exit(0)

PROGRAM = os.path.abspath(sys.argv[1])
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
TMP = os.path.join(ROOT, 'build', 'tmp', 'torchvision')
PICTURES = os.path.join(ROOT, 'weights', 'blood128', 'annotations')
# float32 carries ReLUs over in a network this deep (torchvision_cases.c): PyTorch's own float32 is measured beside ours.
TIMES = 4
count = {'passed': 0, 'failed': 0}


def check(good, what):
    count['passed' if good else 'failed'] += 1
    if not good:
        print('FAILED %s' % what)


def run(*args):
    p = subprocess.run([str(a) for a in args], cwd=ROOT, capture_output=True, text=True)
    check(p.returncode == 0, '%s: %s' % (args[1], p.stderr.strip()))
    return p.stdout + p.stderr


def tool(*args):
    return run(PROGRAM, *args)


def model(classes, aux):
    return deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=classes, aux_loss=aux).eval()


def shake(net, seed):
    """Every tensor random, at a scale that keeps maps alive."""
    g = torch.Generator().manual_seed(seed)
    for name, t in net.state_dict().items():
        if t.dim() == 4:
            t.copy_(torch.randn(t.shape, generator=g) * (2.0 / t[0].numel()) ** 0.5)
        elif t.dim() == 1:
            t.copy_(torch.randn(t.shape, generator=g) * 0.1 + (1.0 if name.endswith(('weight', 'running_var')) else 0.0))
            if name.endswith('running_var'):
                t.abs_().add_(0.1)


def pictures(n):
    from PIL import Image
    names = sorted(os.listdir(os.path.join(PICTURES, 'images')))[:n]
    x = np.stack([np.asarray(Image.open(os.path.join(PICTURES, 'images', m)).convert('RGB')) for m in names])
    x = (x / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    folder = os.path.join(TMP, 'in')
    os.makedirs(folder, exist_ok=True)
    for m in names:
        with open(os.path.join(PICTURES, 'images', m), 'rb') as f, open(os.path.join(folder, m), 'wb') as g:
            g.write(f.read())
    return folder, [m[:-4] for m in names], torch.tensor(x).permute(0, 3, 1, 2)


def compare(net, file, what):
    """segment predict's probabilities against the model's in double; the model's own in float say how near one can be."""
    folder, stems, x = pictures(2)
    out = os.path.join(TMP, 'out')
    tool('segment', 'predict', '--net', file, '--in', folder, '--out', out, '--probs', '--no-flips', '--force')
    got = np.stack([np.load('%s/%s_probs.npy' % (out, s)) for s in stems])
    with torch.no_grad():
        single = net.float()(x.float())['out'].softmax(1).permute(0, 2, 3, 1).numpy()
        want = net.double()(x)['out'].softmax(1).permute(0, 2, 3, 1).numpy()
    if got.shape != want.shape:
        got = got.transpose(0, 2, 3, 1)
    worst, own = np.abs(got - want).max(), np.abs(single - want).max()
    print('%-40s probabilities within %.2e; torch in float32 %.2e; they reach from %.3f to %.3f' % (what, worst, own, want.min(), want.max()))
    check(worst <= TIMES * max(own, 2e-7) and np.ptp(want, (0, 1, 2)).max() > 0.2, '%s: probabilities' % what)


def there():
    net = model(5, True)
    shake(net, 1)
    with open(os.path.join(TMP, 'config.json'), 'w') as f:
        f.write('{"size": 128}')
    for legacy in (False, True):
        saved, file = os.path.join(TMP, 'net.pth'), os.path.join(TMP, 'net.safetensors')
        torch.save({'model': net.state_dict()} if legacy else net.state_dict(), saved, _use_new_zipfile_serialization=not legacy)
        run(sys.executable, 'convert/convert.py', saved, file, '--force')
        compare(net, file, 'converted, %s' % ('legacy' if legacy else 'zip'))
        net.float()
    saved = os.path.join(TMP, 'backbone.pth')
    resnet = torchvision.models.resnet34(weights=None)
    torch.save(resnet.state_dict(), saved)
    said = run(sys.executable, 'convert/convert.py', saved, file, '--force')
    check("'fc.bias'" in said, 'fc is listed')
    said = tool('segment', 'train', '--images', PICTURES + '/images', '--labels', PICTURES + '/labels', '--limit', 2, '--net', 'resnet34', '--size', 32, '--batch', 2,
                '--steps', 1, '--lr', 1e-12, '--decay', 0, '--average', 0, '--weights', file, '--out', os.path.join(TMP, 'r34.safetensors'), '--force')
    _, got = safetensors.read(os.path.join(TMP, 'r34.safetensors'))
    same = [n for n, t in resnet.state_dict().items() if n.endswith('.weight') and not n.startswith('fc.') and
            np.abs(got['backbone.' + n] - t.numpy()).max() <= 1e-9]
    check(len(same) == sum(n.endswith('.weight') and not n.startswith('fc.') for n in resnet.state_dict()), 'training starts from the backbone: %s' % said)


def back():
    """Also with another network than a random one: two steps move every tensor."""
    file = os.path.join(TMP, 'back.safetensors')
    tool('segment', 'train', '--images', PICTURES + '/images', '--labels', PICTURES + '/labels', '--limit', 2, '--net', 'resnet50', '--aux', '--size', 128,
         '--batch', 2, '--steps', 2, '--lr', 2e-4, '--out', file, '--force')
    metadata, tensors = safetensors.read(file)
    net = model(4, True)
    net.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in tensors.items()}, strict=True)
    compare(net, file, 'trained here, read by torchvision')
    check(metadata['net'] == 'resnet50', 'the metadata')


def main():
    os.makedirs(TMP, exist_ok=True)
    torch.set_num_threads(2)
    there()
    back()
    print('%(passed)d passed, %(failed)d failed, 0 skipped' % count)
    return 1 if count['failed'] else 0


sys.exit(main())
