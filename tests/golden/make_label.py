"""Golden for labelling: the released algorithm, literally, in PyTorch float64, on small random maps.

Every map is brought to the picture's size (bilinear, align_corners=False), all are concatenated, each member of the
ensemble runs on every pixel's hypercolumn, the labels are the majority vote, the uncertainty is the Jensen-Shannon
divergence of the members' probabilities.  (datasetGAN_release, train_interpreter.py and make_training_data.py, described in
its README; nothing is copied.)  Usage: make_label.py OUT.safetensors
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

RES, MEMBERS, H1, H2, K = 40, 3, 24, 10, 5
MAPS = [(20, 5), (17, 10), (33, 10), (6, 20), (7, 40), (9, 80)]          # channels, size; the last is larger than the picture


def write(path, tensors):
    """A safetensors file: float32 inputs, float64 results."""
    header, data = {}, b""
    for name, a in tensors.items():
        a = np.ascontiguousarray(a)
        dtype = {"float32": "F32", "float64": "F64"}[a.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def main():
    r = np.random.RandomState(20)
    f32 = lambda *shape, scale=1.0, shift=0.0: (r.standard_normal(shape) * scale + shift).astype(np.float32)
    D = sum(c for c, _ in MAPS)
    t = {f"map{i}": f32(c, s, s, scale=1.0 + 0.2 * i, shift=0.3 * i) for i, (c, s) in enumerate(MAPS)}
    t["mean"], t["std"] = f32(D, scale=0.5, shift=0.5), np.exp(f32(D, scale=0.3))
    t["w1"], t["b1"] = f32(MEMBERS, H1, D, scale=D ** -0.5), f32(MEMBERS, H1, scale=0.3)
    t["w2"], t["b2"] = f32(MEMBERS, H2, H1, scale=H1 ** -0.5), f32(MEMBERS, H2, scale=0.3)
    t["w3"], t["b3"] = f32(MEMBERS, K, H2, scale=1.5 * H2 ** -0.5), f32(MEMBERS, K, scale=0.3)
    for i, n in ((1, H1), (2, H2)):
        t[f"g{i}"], t[f"e{i}"] = f32(MEMBERS, n, scale=0.3, shift=1.0), f32(MEMBERS, n, scale=0.3)
        t[f"m{i}"], t[f"v{i}"] = f32(MEMBERS, n, scale=0.2, shift=0.4), np.exp(f32(MEMBERS, n, scale=0.3) - 1)

    d = {k: torch.from_numpy(v).double() for k, v in t.items()}
    columns = torch.cat([F.interpolate(d[f"map{i}"][None], size=(RES, RES), mode="bilinear", align_corners=False)[0]
                         for i in range(len(MAPS))])                                     # (D, RES, RES)
    x = (columns.reshape(D, -1).T - d["mean"]) / d["std"]
    probs = []
    for m in range(MEMBERS):
        h = F.relu(F.linear(x, d["w1"][m], d["b1"][m]))
        h = F.batch_norm(h, d["m1"][m], d["v1"][m], d["g1"][m], d["e1"][m])
        h = F.relu(F.linear(h, d["w2"][m], d["b2"][m]))
        h = F.batch_norm(h, d["m2"][m], d["v2"][m], d["g2"][m], d["e2"][m])
        probs.append(F.softmax(F.linear(h, d["w3"][m], d["b3"][m]), 1))
    p = torch.stack(probs)                                                               # (MEMBERS, pixels, K)
    entropy = lambda q: -torch.special.xlogy(q, q).sum(-1)
    js = entropy(p.mean(0)) - entropy(p).mean(0)
    votes = F.one_hot(p.argmax(-1), K).sum(0)
    label = (votes == votes.max(-1, keepdim=True).values).int().argmax(-1)               # ties: the lowest class
    top = js.sort().values[-(RES * RES // 10):].mean()
    gap = p.log().topk(2, -1).values
    t["label"] = label.double().numpy().reshape(RES, RES)
    t["divergence"] = js.numpy().reshape(RES, RES)
    t["mean_p"] = p.mean(0).T.contiguous().numpy().reshape(K, RES, RES)
    t["uncertainty"] = top.reshape(1).numpy()
    write(sys.argv[1], t)
    print("classes", np.bincount(label.numpy(), minlength=K), "closest logits", float((gap[..., 0] - gap[..., 1]).min()),
          "divergence", float(js.min()), float(js.max()), "uncertainty", float(top))


if __name__ == "__main__":
    main()
