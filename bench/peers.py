"""StyleGAN2 in other CPU runtimes: each peer is a function from z (batch, z_dim) to pictures, weights loaded and graphs compiled before.

  nvidia, nvidia-unfused     NVIDIA's own code in PyTorch eager, from a checkout of the public repository stylegan2-ada-pytorch: fused_modconv
                             on (weights modulated for every picture, grouped convolution) and off
  torch-grouped              the same algorithm as "nvidia", written again
  torch-const, torch-last    activations modulated instead, so that weights are constant; as it stands, and channels_last
  torch-compile              torch-last under torch.compile
  onnxruntime, openvino, mnn, ncnn      torch-const, exported: dynamic weights would cripple them.  ncnn by pnnx, one picture at a time
"""
import json
import os
import struct
import subprocess
import sys

import numpy as np
import torch
from torch.nn import functional as F

DTYPE = {"F32": np.float32, "U8": np.uint8, "I64": np.int64, "F64": np.float64}


def read(path):
    """Tensors and metadata of a safetensors file."""
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    meta = header.pop("__metadata__", {})
    return {n: torch.from_numpy(np.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], DTYPE[t["dtype"]]).reshape(t["shape"]).copy())
            for n, t in header.items()}, meta


class Generator(torch.nn.Module):
    """StyleGAN2, skip architecture, psi 0.7, constant noise.  const: modulate activations, not weights.  taps: also every layer's output."""

    def __init__(self, weights, meta, const, last=False, taps=False):
        super().__init__()
        self.const, self.last, self.taps = const, last, taps
        self.res, self.layers = int(meta["resolution"]), int(meta["mapping_layers"])
        lr = float(meta["mapping_lr_multiplier"])
        for name, t in weights.items():
            if name.startswith("mapping.fc"):            # gains are constants, too
                t = t * (lr / t.shape[1] ** 0.5 if name.endswith("weight") else lr)
            elif name.endswith("affine.weight"):
                t = t / t.shape[1] ** 0.5
            elif name.endswith("noise_const"):
                t = (t * weights[name.replace("noise_const", "noise_strength")])[None, None]
            elif name.endswith("bias") and "affine" not in name:
                t = t[None, :, None, None]
            elif name.endswith("resample_filter"):
                conv = name.replace("resample_filter", "weight")
                channels = weights[conv].shape[0] if conv in weights else 3
                t = (t.flip([0, 1]) if conv in weights else t)[None, None].mul(4).repeat(channels, 1, 1, 1)
            elif t.dim() == 4 and not name.endswith("torgb.weight"):
                self.register_buffer(self.flat(name, "square"), t.square().sum([2, 3]))
                t = t.transpose(0, 1).contiguous() if const and name.endswith("conv0.weight") else t
            if last and t.dim() == 4:
                t = t.to(memory_format=torch.channels_last)
            self.register_buffer(self.flat(name), t)

    @staticmethod
    def flat(*parts):
        return "_".join(parts).replace(".", "_")

    def p(self, *parts):
        return getattr(self, self.flat(*parts))

    def mapping(self, z):
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.layers):
            x = F.leaky_relu(F.linear(x, self.p(f"mapping.fc{i}.weight"), self.p(f"mapping.fc{i}.bias").reshape(-1)), 0.2) * 2 ** 0.5
        return self.p("mapping.w_avg") * 0.3 + x * 0.7

    def conv(self, x, name, style, up):
        n, w = int(style.shape[0]), self.p(name, "weight")
        demod = (F.linear(style.square(), self.p(name, "weight.square")) + 1e-8).rsqrt()
        if self.const:
            x = x * style.reshape(n, -1, 1, 1)
            x = F.conv_transpose2d(x, w, stride=2) if up else F.conv2d(x, w, padding=1)
            if up:
                f = self.p(name, "resample_filter")
                x = F.conv2d(x, f, padding=1, groups=int(f.shape[0]))
            return x * demod.reshape(n, -1, 1, 1)
        cout, cin, ks = w.shape[:3]
        m = w[None] * style[:, None, :, None, None] * demod[:, :, None, None, None]
        x = x.reshape(1, n * cin, *x.shape[2:])
        if up:
            x = F.conv_transpose2d(x, m.transpose(1, 2).reshape(n * cin, cout, ks, ks), stride=2, groups=n)
            x = F.conv2d(x, self.p(name, "resample_filter").repeat(n, 1, 1, 1), padding=1, groups=n * cout)
        else:
            x = F.conv2d(x, m.reshape(n * cout, cin, ks, ks), padding=1, groups=n)
        return x.reshape(n, cout, *x.shape[2:])

    def layer(self, x, name, w, up):
        style = F.linear(w, self.p(name, "affine.weight"), self.p(name, "affine.bias"))
        x = self.conv(x, name, style, up) + self.p(name, "noise_const") + self.p(name, "bias")
        return F.leaky_relu(x, 0.2) * 2 ** 0.5

    def rgb(self, x, name, w):
        weight = self.p(name, "weight")
        style = F.linear(w, self.p(name, "affine.weight"), self.p(name, "affine.bias")) / weight.shape[1] ** 0.5
        return F.conv2d(x * style.reshape(int(w.shape[0]), -1, 1, 1), weight) + self.p(name, "bias")

    def forward(self, z):
        w = self.mapping(z)
        img, r, taps = None, 4, []
        x = self.p("synthesis.b4.const")[None]
        if z.shape[0] > 1:
            x = x.repeat(z.shape[0], 1, 1, 1)
        if self.last:
            x = x.contiguous(memory_format=torch.channels_last)
        while r <= self.res:
            b = f"synthesis.b{r}"
            for part in ("conv0", "conv1")[r == 4:]:
                x = self.layer(x, f"{b}.{part}", w, part == "conv0")
                taps.append(x)
            y = self.rgb(x, f"{b}.torgb", w)
            if img is not None:                          # zeros between, then the filter: a transposed convolution
                y = y + F.conv_transpose2d(img, self.p(f"{b}.resample_filter"), stride=2, padding=1, groups=3)
            img, r = y, r * 2
        return (img, *taps) if self.taps else img


def nvidia(ada, weights, meta, fused):
    sys.path.insert(0, ada)
    from training.networks import Generator as G  # the checkout's own module
    channels = [int(c) for c in meta["channels"].split(",")]
    g = G(z_dim=int(meta["z_dim"]), c_dim=0, w_dim=int(meta["w_dim"]), img_resolution=int(meta["resolution"]),
          img_channels=int(meta["img_channels"]), mapping_kwargs={"num_layers": int(meta["mapping_layers"])},
          synthesis_kwargs={"channel_base": channels[-1] * int(meta["resolution"]), "channel_max": max(channels)}).eval()
    assert not g.load_state_dict(weights, strict=False).unexpected_keys
    return lambda z: g(z, None, truncation_psi=0.7, noise_mode="const", force_fp32=True, fused_modconv=fused)


def onnx_file(weights, meta, batch, folder, name, taps=False):
    path = f"{folder}/{name}-{batch}{'-taps' if taps else ''}.onnx"
    if not os.path.exists(path):
        torch.onnx.export(Generator(weights, meta, True, taps=taps).eval(), (torch.zeros(batch, int(meta["z_dim"])),), path + ".part", input_names=["z"],
                          opset_version=17, dynamo=False)
        os.rename(path + ".part", path)
    return path


def onnxruntime(path, threads):
    import onnxruntime as ort
    o = ort.SessionOptions()
    o.intra_op_num_threads = threads
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return lambda z: s.run(None, {"z": z.numpy()})[0]


def openvino(path, threads):
    import openvino as ov
    c = ov.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
    return lambda z: c([z.numpy()])[0]


def mnn(path, threads):
    import MNN
    model = path.replace(".onnx", ".mnn")
    if not os.path.exists(model):
        # The converter itself: the command of this name installs a package that reports its use.
        code = "import sys, MNN, _tools; _tools.mnnconvert(sys.argv)"
        subprocess.run([sys.executable, "-c", code, "-f", "ONNX", "--modelFile", path, "--MNNModel", model + ".part", "--bizCode", "x"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
        os.rename(model + ".part", model)
    net = MNN.Interpreter(model)
    session = net.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})

    def run(z):
        x = net.getSessionInput(session)
        x.copyFrom(MNN.Tensor(tuple(z.shape), MNN.Halide_Type_Float, np.ascontiguousarray(z.numpy()), MNN.Tensor_DimensionType_Caffe))
        net.runSession(session)
        y = net.getSessionOutput(session)
        out = MNN.Tensor(y.getShape(), MNN.Halide_Type_Float, np.zeros(y.getShape(), np.float32), MNN.Tensor_DimensionType_Caffe)
        y.copyToHostTensor(out)
        return np.array(out.getNumpyData(), np.float32)
    return run


def ncnn(weights, meta, threads, folder, name):
    import ncnn as nc
    stem = f"{folder}/{name}"
    if not os.path.exists(stem + ".ncnn.param"):
        import pnnx
        traced = Generator(weights, meta, True).eval()
        pnnx.export(traced, stem + ".pt", (torch.zeros(1, int(meta["z_dim"])),), fp16=False, check_trace=False)
    net = nc.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(stem + ".ncnn.param")
    net.load_model(stem + ".ncnn.bin")

    def run(z):
        pictures = []
        for i in range(z.shape[0]):
            with net.create_extractor() as ex:
                ex.input("in0", nc.Mat(z[i:i + 1].numpy(), batch_index=0).clone())
                status, out = ex.extract("out0")
                if status:
                    raise RuntimeError(f"ncnn: status {status}")
                pictures.append(out.numpy(batch_index=0).copy())
        return np.stack(pictures)
    return run


def open_picture(peer, weights, meta, batch, threads, folder, name, ada):
    if peer.startswith("nvidia"):
        if not ada:
            raise RuntimeError("needs ADA=checkout of stylegan2-ada-pytorch")
        return nvidia(ada, weights, meta, peer == "nvidia")
    if peer == "torch-grouped":
        return Generator(weights, meta, False).eval()
    if peer == "torch-const":
        return Generator(weights, meta, True).eval()
    if peer == "torch-last":
        return Generator(weights, meta, True, last=True).eval()
    if peer == "torch-compile":
        return torch.compile(Generator(weights, meta, True, last=True).eval())
    if peer == "ncnn":
        return ncnn(weights, meta, threads, folder, name)
    return {"onnxruntime": onnxruntime, "openvino": openvino, "mnn": mnn}[peer](onnx_file(weights, meta, batch, folder, name), threads)
