"""What dialects share."""


class Generator:
    """config (stylegan2.Config), tensors {name: float32 array}, dropped: one text per tensor that the network never reads."""

    def __init__(self, config, tensors, dropped):
        self.config, self.tensors, self.dropped = config, tensors, dropped


def entries(f, node):
    """The tensors of a state dict: {name: torchfile.Tensor}.  Entries of other kinds are left out."""
    out = {}
    if isinstance(node, dict):
        for key, value in node.items():
            t = f.tensor(value) if isinstance(key, str) else None
            if t is not None:
                out[key] = t
    return out
