"""Random weights that are not stored: they come from a hash, written down in tests/torchvision_cases.c once more, so that goldens stay small."""
import numpy as np
import torch


def numbers(i, count, scale, shift=0.0):
    """Number j of tensor i: an integer hash, the same in C; exact in float32 (24 bits, scale a power of two)."""
    j = np.arange(count, dtype=np.uint64)
    h = (j * np.uint64(2654435761) + np.uint64(i) * np.uint64(40503) + np.uint64(12345)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(13)
    return ((h >> np.uint64(16)).astype(np.float64) / 65536.0 - 0.5) * scale + shift


def fill(net):
    for n, t in net.state_dict().items():
        if n.endswith("num_batches_tracked"):
            continue
        i = sum(n.encode()) + 7 * len(n)
        if t.dim() == 4:
            a = numbers(i, t.numel(), 2.0 ** round(np.log2(np.sqrt(24.0 / t[0].numel()))))
        else:
            a = numbers(i, t.numel(), 0.5, 1.0 if n.endswith(("weight", "running_var")) else 0.0)
        t.copy_(torch.tensor(a.reshape(t.shape)))
