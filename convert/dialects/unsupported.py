"""Files that the converter recognises and does not convert yet: one line each, by name.

Only names are looked at (keys, and globals that a pickle mentions); see the formats' own repositories.
"""
import re

_PERSISTENT = 'torch_utils.persistence._reconstruct_persistent_obj'


def _keys(node):
    return {k for k in node if isinstance(k, str)} if isinstance(node, dict) else set()


def _has(keys, pattern):
    return any(re.match(pattern, k) for k in keys)


def of_keys(keys):
    """The network that state-dict keys belong to, or None."""
    rules = (
        (r'synthesis\.L[0-9]+_[0-9]+_[0-9]+\.', 'StyleGAN3 state dict'),
        (r'synthesis\.input\.(freqs|phases|transform)$', 'StyleGAN3 state dict'),
        (r'g_(mapping|synthesis)\.', 'part of a StyleGAN1 state dict of lernapparat / DatasetGAN'),
        (r'decoder\.(convs|style|conv1)\.', 'part of a StyleGAN2 inside a pSp / e4e / ReStyle encoder'),
        (r'(style\.[0-9]+|convs\.[0-9]+\.conv)\.', 'part of a StyleGAN2 state dict of rosinality/stylegan2-pytorch'),
        (r'mapping\.dense0\.linear\.weight$', 'StyleGAN1 of InterFaceGAN'),
        (r'synthesis\.early_layer\.|synthesis\.layer0\.', 'StyleGAN of GenForce'),
        (r'(SE|GE)\.', 'StyleGAN2 of lucidrains/stylegan2-pytorch'),
        (r'mapping\.fc0\.|synthesis\.b4\.', 'part of a stylegan2-ada state dict'),
    )
    for pattern, what in rules:
        if _has(keys, pattern):
            return what
    return None


def of_pickle(root, names):
    """A bare pickle (no torch container): which program wrote it, or None."""
    if any(n.startswith('dnnlib.tflib.network.') for n in names):
        return 'pickle of the official TensorFlow code, but not (G, D, Gs)'
    if _PERSISTENT in names:
        return 'pickle of stylegan2-ada-pytorch or StyleGAN3 without G_ema'
    if {'G_ema'} & _keys(root):
        return 'part of a stylegan2-ada-pytorch or StyleGAN3 snapshot'
    return None


def of_file(f):
    """An opened torch file: the network inside, or None."""
    keys = _keys(f.root)
    inner = {k: _keys(f.root[k]) for k in keys}
    if 'generator_smooth' in keys:
        return 'StyleGAN of GenForce (generator_smooth)'
    if 'GAN' in keys and _has(inner['GAN'], r'(SE|GE|G|S)\.'):
        return 'StyleGAN2 of lucidrains/stylegan2-pytorch'
    if 'g_ema' in keys and _has(inner['g_ema'], r'style\.|convs\.|conv1\.'):
        return 'part of a StyleGAN2 checkpoint of rosinality/stylegan2-pytorch (g_ema)'
    for candidate in [keys] + [inner[k] for k in sorted(inner)]:
        what = of_keys(candidate)
        if what:
            return what
    return of_pickle(f.root, f.globals)
