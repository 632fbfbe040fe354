"""A state dict with the names of stylegan2-ada-pytorch: what torch.save(G_ema.state_dict()) writes, bare or under 'G_ema'.

The project's own names are the same, so nothing is renamed, transposed, flipped or scaled.
"""
import stylegan2
from torchfile import entries

NAME = 'stylegan2-ada state dict'


def _state(f):
    root = f.root
    return root['G_ema'] if isinstance(root, dict) and isinstance(root.get('G_ema'), dict) else root


def match(f):
    names = _state(f)
    return isinstance(names, dict) and 'mapping.fc0.weight' in names and 'synthesis.b4.conv1.weight' in names


def convert(f):
    tensors = entries(f, _state(f))
    config, names, dropped = stylegan2.select({n: t.shape for n, t in tensors.items()}, f.name)
    return config, {n: f.numbers(tensors[n], n) for n in names}, dropped
