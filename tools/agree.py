#!/usr/bin/env python3
"""How far our drawing is from the original's, dialect by dialect, at full width: the rows of docs/MODELS.md.

    agree.py [--code FOLDER] [--program build/release/datasetgan] [--resolution 1024] [--threads 1] DIALECT ... | all

For each dialect a generator with random weights, every tensor random, is made and saved by the public code of that dialect, converted
by convert/, and drawn by PROGRAM and by that code: once in float64, which judges, and once in float32, to say what the code's own
rounding is worth.  Levels are of 255; units are rounding units of float32, eps * max(|want|, rms(want)) (docs/NUMERICS.md).  Time is
processor time (one thread, loading and writing included), memory the largest resident set.  Exit 1 when a picture is more than one
level off, or w or a map further off than the limits of docs/NUMERICS.md, section 7.  DIALECT interpreter: agree_interpreter.py.

FOLDER (default build/code) holds checkouts of the repositories in CODE, below; what is missing is cloned from --origin.
Needs PyTorch and Pillow; all dialects at 1024 px take about a quarter of an hour on a quiet machine, and 6 GB.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, 'tests', 'golden'), os.path.join(ROOT, 'tests'), os.path.join(ROOT, 'convert')]
sys.dont_write_bytecode = True
import make_dialects as dialects            # noqa: E402
import make_stylegan1 as one                # noqa: E402
import make_stylegan2 as two                # noqa: E402
import safetensors                          # noqa: E402
import tf_network                           # noqa: E402
import tf_pickle                            # noqa: E402

CODE = {'ada': ('NVlabs/stylegan2-ada-pytorch', 'd72cc7d'), 'sg3': ('NVlabs/stylegan3', 'c233a91'),
        'ros': ('rosinality/stylegan2-pytorch', 'bef283a'), 'port': ('nv-tlabs/datasetGAN_release', '588c5e9')}
SEED, PSI, CUTOFF, EPS = tf_network.SEED, tf_network.PSI, 8, 2.0 ** -23
# A sum of n products in float32 is a random walk: WALK * sqrt(n) units of its result, and the worst of all numbers of the maps TAIL times
# as far.  Winograd's transforms let it grow by WINOGRAD.  docs/NUMERICS.md derives the three.
WALK, TAIL, WINOGRAD = 0.15, 6, 2.9


def checkout(key, folder, origin):
    repo, commit = CODE[key]
    path = os.path.join(folder, repo.split('/')[1])
    if not os.path.isdir(path):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as part:           # a clone that fails half-way leaves nothing
            subprocess.run(['git', 'clone', '-q', '--no-checkout', '%s/%s' % (origin, repo), part + '/clone'], check=True)
            subprocess.run(['git', '-C', part + '/clone', 'checkout', '-q', commit], check=True)
            os.rename(part + '/clone', path)
    head = subprocess.run(['git', '-C', path, 'rev-parse', 'HEAD'], capture_output=True, text=True, check=True).stdout
    if not head.startswith(commit):
        sys.exit('agree: %s: expected commit %s of %s, found %s' % (path, commit, repo, head[:7]))
    return path


# ---- the dialects.  Each writes its file into a folder and gives (file, judges): functions of real (np.float64 or np.float32) that
# ---- return w (rows of truncated w), {tap: (C, H, W)}, picture (C, H, W); a judge that has one precision only gives None for float32.

def z_of(real, n=512):
    return tf_network.z_of(n).astype(real)


def channels_of(resolution, base):
    return {r: min(base // r, 512) for r in (4 << k for k in range(11)) if r <= resolution}


def judge_ada(networks, g, class_id=None):
    def draw(real):
        two.set_double(networks, real is np.float64)
        own = g.double() if real is np.float64 else g.float()
        _, ws, taps, img = two.draw(networks, own, z_of(real), PSI, None, 'const', class_id=class_id)
        return ws[0].numpy(), {k: t[0].numpy() for k, t in taps.items() if not k.endswith('torgb')}, img[0].numpy()
    return draw


def ada_network(networks, resolution, architecture, classes, seed=77, clamp=256, flat=False):
    """Config-f; in stylegan3's code the synthesis settings stand flat."""
    synthesis = dict(channel_base=32768, channel_max=512, architecture=architecture, conv_clamp=clamp)
    g = networks.Generator(z_dim=512, c_dim=classes, w_dim=512, img_resolution=resolution, img_channels=3, mapping_kwargs=dict(num_layers=8),
                           **(synthesis if flat else dict(synthesis_kwargs=synthesis))).eval().requires_grad_(False)
    two.randomise(g, seed)
    return g


def ada(a, folder, architecture='skip', classes=0, module='networks', key='ada', protocol=None):
    """A training snapshot: G, D, G_ema."""
    import pickle
    networks = dialects.networks_of(a.code[key], module)
    g = ada_network(networks, a.resolution, architecture, classes, flat=key == 'sg3')
    other = ada_network(networks, a.resolution, architecture, classes, 78, flat=key == 'sg3')
    d = networks.Discriminator(c_dim=classes, img_resolution=a.resolution, img_channels=3)
    path = os.path.join(folder, 'network-snapshot.pkl')
    with open(path, 'wb') as f:
        pickle.dump({'training_set_kwargs': {}, 'G': other, 'D': d, 'G_ema': g, 'augment_pipe': None}, f, protocol)
    return path, [judge_ada(networks, g, classes - 1 if classes else None)]


def ada_state(a, folder):
    """A plain state dict, with the one number that its tensors cannot tell beside it."""
    networks = dialects.networks_of(a.code['ada'], 'networks')
    g = ada_network(networks, a.resolution, 'skip', 0, 79)
    path = os.path.join(folder, 'g.pt')
    torch.save(g.state_dict(), path)
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        f.write('{"conv_clamp": 256}')
    return path, [judge_ada(networks, g)]


def ros(a, folder, form='converted'):
    """form: converted (convert_weight.py: g_ema, latent_avg), trained (train.py: everything but latent_avg), inside (pSp, e4e, ReStyle)."""
    model = dialects.rosinality_code(a.code['ros'], ())
    g = model.Generator(a.resolution, 512, 8, channel_multiplier=2).eval().requires_grad_(False)
    dialects.randomise_ros(g, 21)
    average, path = np.float32(0.2 * np.random.RandomState(9).randn(512)), os.path.join(folder, 'g.pt')
    if form == 'converted':
        torch.save({'g_ema': g.state_dict(), 'latent_avg': torch.from_numpy(average)}, path)
    elif form == 'inside':
        state = collections.OrderedDict([('encoder.input_layer.0.weight', torch.ones(64, 3, 3, 3))] + [('decoder.' + k, v) for k, v in g.state_dict().items()])
        torch.save({'state_dict': state, 'latent_avg': torch.from_numpy(average).repeat(g.n_latent, 1), 'opts': {'stylegan_size': a.resolution}}, path)
    else:
        other, d = model.Generator(a.resolution, 512, 8, channel_multiplier=2), model.Discriminator(a.resolution, channel_multiplier=2)
        optimizers = [torch.optim.Adam(m.parameters(), lr=0.002) for m in (other, d)]
        for m, o in zip((other, d), optimizers):
            for p in m.parameters():
                p.grad = 0.01 * p.detach()
            o.step()
        torch.save({'g': other.state_dict(), 'd': d.state_dict(), 'g_ema': g.state_dict(), 'g_optim': optimizers[0].state_dict(),
                    'd_optim': optimizers[1].state_dict(), 'args': argparse.Namespace(size=a.resolution, latent=512, n_mlp=8), 'ada_aug_p': 0.0}, path)
        average = None                                  # estimated, as the converter says
        z = torch.from_numpy(np.random.RandomState(0).randn(10000, 512))
        average = g.double().style(z).mean(0).numpy()

    def draw(real):
        _, w, taps, img = dialects.draw_ros(g.double() if real is np.float64 else g.float(), average.astype(np.float64))
        return w, {k: t[0] for k, t in taps.items()}, img[0]
    return path, [draw]


def port_network(a, resolution=None):
    code = one.port(os.path.join(a.code['port'], 'models', 'stylegan1.py'))
    g = one.build(code, resolution or a.resolution, 8192, 512, 512, 8)
    one.randomise(g, 90)
    return code, g, np.float32(0.2 * np.random.RandomState(91).randn(512))


def judge_port(code, g, noise, average, eps):
    """Its draw(real, True) adds to each convolution's result the random walk of a sum in float32: what every instance norm makes of it, by
    dividing by a channel's deviation, depends on the network and is measured, not derived."""
    def walk(module, _, result):
        step = WALK * EPS * np.sqrt(module.weight[0].numel()) * result.square().mean().sqrt()
        return result + step * torch.randn(result.shape, dtype=result.dtype)

    def draw(real, walks=False):
        torch.manual_seed(0)
        hooks = [m.register_forward_hook(walk) for m in g.modules() if walks and isinstance(m, code.MyConv2d)]
        _, ws, taps, img = one.draw(code, g, noise, z_of(real)[:1], average, PSI, CUTOFF, eps, real=real)
        for h in hooks:
            h.remove()
        return ws[0], {k: t[0] for k, t in taps.items()}, img[0]
    draw.walks = True
    return draw


def lernapparat(a, folder):
    """No noise in the file: the judge takes what the converter made from its recorded seed."""
    import convert
    code, g, average = port_network(a)
    path = os.path.join(folder, 'g.for_g_all.pt')
    torch.save(g.state_dict(), path)
    np.save(os.path.join(folder, 'avg_latent_stylegan1.npy'), np.repeat(average[None], 18, 0))
    noise = {k: t for k, t in convert.convert(path)[1].items() if k.endswith('.noise_const')}
    return path, [judge_port(code, g, noise, average, 1e-5)]


def tf1(a, folder):
    """The port's network in TensorFlow's layout; judged by the port with TensorFlow's 1e-8 and by NumPy."""
    code, g, average = port_network(a)
    for k, t in g.state_dict().items():                 # TensorFlow has one blur filter, [1, 2, 1]
        if k.endswith('.kernel'):
            t.copy_(torch.tensor(np.outer([1, 2, 1], [1, 2, 1]) / 16))
    rng, channels = np.random.RandomState(92), channels_of(a.resolution, 8192)
    noise = {'synthesis.b%d.%s.noise_const' % (r, p): np.float32(rng.randn(r, r)) for r in channels
             for p in (('input' if r == 4 else 'conv0'), 'conv1')}
    v = one.variables_of(g, noise, average)
    path = os.path.join(folder, 'karras2019stylegan.pkl')
    with open(path, 'wb') as f:
        f.write(one.tf_dumps(v, CUTOFF, 4, 'numpy.core', num_channels=3, resolution=a.resolution, label_size=0))

    def numpy_judge(real):
        return one.numpy_draw(v, z_of(real)[0], PSI, CUTOFF) if real is np.float64 else None
    return path, [judge_port(code, g, noise, average, 1e-8), numpy_judge]


def tf2(a, folder, architecture='skip', grown=False):
    """Judged by NumPy, and by legacy.py and the network of stylegan2-ada-pytorch, which read all but ToRGB_lod."""
    sizes = tf_network.Sizes(channels_of(a.resolution, 32768), 512, 512, 8, None)
    *networks_, variables = tf_network.networks(architecture, None, grown, 35, sizes)
    path = os.path.join(folder, 'stylegan2.pkl')
    with open(path, 'wb') as f:
        f.write(tf_pickle.dumps(tuple(networks_), 4))

    def numpy_judge(real):
        if real is not np.float64:
            return None
        _, w, taps, img = tf_network.draw(variables, sizes)
        return w, {k: t[0] for k, t in taps.items()}, img[0]
    return path, ([] if grown else [judge_ada(*dialects.through_legacy(a.code['ada'], path))]) + [numpy_judge]


DIALECTS = {                                            # name: (repositories, function, class to draw)
    'tf1': (('port',), tf1, None),
    'tf2': (('ada',), tf2, None), 'tf2-orig': (('ada',), lambda a, f: tf2(a, f, 'orig'), None),
    'tf2-resnet': (('ada',), lambda a, f: tf2(a, f, 'resnet'), None), 'tf2-lod': ((), lambda a, f: tf2(a, f, 'orig', True), None),
    'ada': (('ada',), ada, None), 'ada-orig': (('ada',), lambda a, f: ada(a, f, 'orig', 3), 2),
    'ada-resnet': (('ada',), lambda a, f: ada(a, f, 'resnet', 3), 2),
    'sg3': (('sg3',), lambda a, f: ada(a, f, module='networks_stylegan2', key='sg3', protocol=3), None),
    'lernapparat': (('port',), lernapparat, None),
    'rosinality': (('ros',), ros, None), 'rosinality-trained': (('ros',), lambda a, f: ros(a, f, 'trained'), None),
    'e4e': (('ros',), lambda a, f: ros(a, f, 'inside'), None), 'state-dict': (('ada',), ada_state, None),
}


# ---- measuring -----------------------------------------------------------------------------------------------------------

# In a small process of its own: a child's largest resident set starts with that of the process it was forked from.
METER = ('import json, os, subprocess, sys\n'
         'p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n'
         'status, u = os.wait4(p.pid, 0)[1:]\n'
         'print(json.dumps([status, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024]))')


def measured(*command):
    """(processor seconds, MB)."""
    status, seconds, mb = json.loads(subprocess.run([sys.executable, '-c', METER, *command], capture_output=True, text=True, check=True).stdout)
    if status:
        sys.exit('agree: failed: %s' % ' '.join(command))
    return seconds, mb


def units(got, want):
    want = np.asarray(want, np.float64)
    return (np.abs(got - want) / (EPS * np.maximum(np.abs(want), np.sqrt(np.mean(want ** 2))))).max()


def distance(ours, want):
    """(levels, numbers that differ, units of w, units of the worst map)."""
    levels = np.abs(ours[2].astype(int) - to_uint8(want[2]).astype(int))
    return int(levels.max()), int((levels > 0).sum()), units(ours[0], want[0]), max(units(ours[1][k], t) for k, t in want[1].items() if k in ours[1])


def limits(tensors, judge, exact, taps):
    """Units of w and of the worst map: TAIL of the walk through every layer.  A StyleGAN2 hands a relative error on as it is."""
    def walk(pattern):
        return WALK * TAIL * np.sqrt(sum(np.prod(t.shape[1:]) for k, t in tensors.items() if re.fullmatch(pattern, k)))
    if not hasattr(judge, 'walks'):
        return walk(r'mapping\.fc.*weight'), WINOGRAD * walk(r'synthesis\.b[0-9]+\.conv[01]\.weight')
    walked = judge(np.float64, True)[1]
    return walk(r'mapping\.fc.*weight'), WINOGRAD * max(units(walked[k], exact[1][k]) for k in taps)


def to_uint8(img):
    return np.clip(img.transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8)


def row(name, a):
    repos, make, class_id = DIALECTS[name]
    a.code = {k: checkout(k, a.folder, a.origin) for k in repos}
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory(dir=a.scratch) as folder:
        path, judges = make(a, folder)
        generator, out = os.path.join(folder, 'g.safetensors'), os.path.join(folder, 'out')
        out_of = dict(dialect=name, file_mb=os.path.getsize(path) / 1e6)
        out_of['convert'] = measured(sys.executable, os.path.join(ROOT, 'convert', 'convert.py'), path, generator)
        os.unlink(path)
        command = [a.program, 'generate', '--generator', generator, '--seeds', str(SEED), '--psi', repr(PSI), '--noise', 'const', '--threads', '1',
                   '--out', out, '--kernels', a.kernels] + ([] if class_id is None else ['--class', str(class_id)])
        out_of['draw'] = measured(*command)
        subprocess.run(command + ['--force', '--taps', folder + '/taps.safetensors', '--save-w', folder + '/w.npy'], check=True, stdout=subprocess.DEVNULL)
        taps = {k: t[0] for k, t in safetensors.read(folder + '/taps.safetensors')[1].items() if t.ndim == 4}
        with Image.open('%s/seed%04d.png' % (out, SEED)) as picture:
            ours = np.load(folder + '/w.npy')[0], taps, np.asarray(picture)
        # TemporaryDirectory goes when all is compared: taps are mapped
        exact = [j(np.float64) for j in judges]
        assert all(set(taps) <= set(want[1]) for want in exact)
        out_of['ours'] = tuple(max(p) for p in zip(*(distance(ours, want) for want in exact)))
        out_of['sd'], out_of['limits'] = float(exact[0][2].std()), limits(safetensors.read(generator)[1], judges[0], exact[0], taps)
        own = judges[0](np.float32)
        if own is not None:
            out_of['theirs'] = distance((own[0], own[1], to_uint8(own[2])), (exact[0][0], {k: exact[0][1][k] for k in taps}, exact[0][2]))
    return out_of


HEAD = ('| Dialect | File, MB | Converting: s, MB | One picture: s, MB | Levels | Numbers apart | w, units (limit) | Maps, units (limit) | The original in float32: levels, numbers, w, maps |\n'
        '|---|---|---|---|---|---|---|---|---|')


def shown(r):
    n = '%d, %d, %.0f, %.0f' % r['theirs'] if 'theirs' in r else '–'
    levels, apart, w, maps = r['ours']
    return '| `%s` | %.0f | %.1f, %.0f | %.1f, %.0f | %d | %d | %.0f (%.0f) | %.0f (%.0f) | %s |' % (
        r['dialect'], r['file_mb'], *r['convert'], *r['draw'], levels, apart, w, r['limits'][0], maps, r['limits'][1], n)


def good(r):
    return r['sd'] > 0.15 and r['ours'][0] <= 1 and all(r['ours'][2 + i] <= r['limits'][i] for i in (0, 1))


def interpreter(a):
    """Published interpreters: (head, row, whether they agree)."""
    import agree_interpreter as rows
    a.code = {'port': checkout('port', a.folder, a.origin)}
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory(dir=a.scratch) as folder:
        code, g, average = port_network(a, rows.SIZE)
        r = rows.row(folder, os.path.join(a.code['port'], '.git'), (code, g, average), lambda noise: judge_port(code, g, noise, average, 1e-5), a, measured)
    return rows.HEAD, rows.shown(r), rows.good(r)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('dialects', nargs='+', choices=[*DIALECTS, 'interpreter', 'all'])
    p.add_argument('--code', dest='folder', default=os.path.join(ROOT, 'build', 'code'), help='checkouts (default build/code)')
    p.add_argument('--origin', default='https://github.com', help='where missing ones are cloned from')
    p.add_argument('--program', default=os.path.join(ROOT, 'build', 'release', 'datasetgan'))
    p.add_argument('--resolution', type=int, default=1024)
    p.add_argument('--kernels', default='auto')
    p.add_argument('--threads', type=int, default=1, help="the original's; ours is drawn with one")
    p.add_argument('--scratch', help='folder for temporary files (2 GB)')
    a = p.parse_args()
    names = [*DIALECTS, 'interpreter'] if 'all' in a.dialects else a.dialects
    if names == ['interpreter']:
        head, line, agrees = interpreter(a)
        print(head + '\n' + line)
        return 0 if agrees else 1
    if len(names) == 1:
        r = row(names[0], a)
        print(HEAD + '\n' + shown(r))
        return 0 if good(r) else 1
    print(HEAD, flush=True)
    options, bad = [o for o in sys.argv[1:] if o not in a.dialects], 0
    for name in names:                                  # one program a process: their modules have the same names
        said = subprocess.run([sys.executable, __file__, *options, name], stdout=subprocess.PIPE, text=True)
        bad |= said.returncode != 0
        lines = said.stdout.splitlines() or ['| `%s` | failed |' % name]
        print('\n' + '\n'.join(lines) if name == 'interpreter' else lines[-1], flush=True)
    return int(bad)


if __name__ == '__main__':
    sys.exit(main())
