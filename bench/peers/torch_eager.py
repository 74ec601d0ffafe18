"""Samples the benchmark's networks in eager PyTorch, as the official NCSN code samples its networks: one loop over
levels and steps, a new tensor of noise at each step, no gradients. The weights come from the .onnx file.

    torch_eager.py [DEVICE]"""

import sys
import time

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F
from torch import nn

import lines


class Toy(nn.Module):
    """The toys' network: s = (G - x)/r², with G a 3-layer network of (x, sigma)/r and r = sigma + scale."""

    def __init__(self, weights):
        super().__init__()
        self.scale = float(weights["scale"])
        self.dense = nn.ModuleList(linear(weights, f"dense{i}") for i in (1, 2, 3))

    def forward(self, x, sigma):
        sigma = sigma[:, None]
        r = sigma + self.scale
        h = F.silu(self.dense[0](torch.cat([x, sigma], 1) / r))
        h = torch.tanh(self.dense[1](h))
        return (self.dense[2](h) - x) / (r * r)


def linear(weights, name):
    weight = weights[name + ".weight"]
    layer = nn.Linear(*weight.shape)
    layer.weight.data.copy_(weight.T)
    layer.bias.data.copy_(weights[name + ".bias"])
    return layer


class Activation(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.norm = nn.InstanceNorm2d(len(weights[name + ".scale"]), affine=True)
        self.norm.weight.data.copy_(weights[name + ".scale"])
        self.norm.bias.data.copy_(weights[name + ".shift"])

    def forward(self, x):
        return F.silu(self.norm(x))


def conv(weights, name, dilation=1):
    weight = weights[name + ".weight"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=dilation, dilation=dilation)
    layer.weight.data.copy_(weight)
    layer.bias.data.copy_(weights[name + ".bias"])
    return layer


class Block(nn.Module):
    def __init__(self, weights, name, dilation=1):
        super().__init__()
        parts = (f(weights, f"{name}.{i}", *d) for i in (1, 2) for f, d in ((Activation, ()), (conv, (dilation,))))
        self.body = nn.Sequential(*parts)

    def forward(self, x):
        return x + self.body(x)


class Image(nn.Module):
    """The residual network of networks/image.go."""

    def __init__(self, weights):
        super().__init__()
        self.stem = conv(weights, "stem")
        self.outer = nn.Sequential(Block(weights, "outer1"), Block(weights, "outer2"))
        inner = [Block(weights, f"inner{i}", d) for i, d in zip(range(1, 6), (1, 1, 2, 2, 4))]
        self.inner = nn.Sequential(conv(weights, "down"), *inner)
        self.up = conv(weights, "up")
        self.head = nn.Sequential(Block(weights, "outer3"), Activation(weights, "head"), conv(weights, "head"))

    def forward(self, x, sigma):
        skip = self.outer(self.stem(x))
        h = self.inner(F.avg_pool2d(skip, 2))
        h = self.up(F.interpolate(h, scale_factor=2, mode="nearest")) + skip
        return self.head(h) / sigma[:, None, None, None]


class NormPlus(nn.Module):
    """InstanceNorm++ as in the official code."""

    def __init__(self, weights, name):
        super().__init__()
        parts = ("gamma", "alpha", "beta")
        self.gamma, self.alpha, self.beta = (nn.Parameter(weights[f"{name}.{part}"]) for part in parts)

    def forward(self, x):
        means = x.mean((2, 3), keepdim=True)
        m, v = means.mean(1, keepdim=True), means.var(1, keepdim=True)
        h = F.instance_norm(x) + (means - m) / torch.sqrt(v + 1e-5) * self.alpha
        return self.gamma * h + self.beta


def bare(weights, name, dilation=1):
    """A convolution with the size of its weight, and with a bias if there is one."""
    weight, bias = weights[name + ".weight"], weights.get(name + ".bias")
    size = weight.shape[2]
    layer = nn.Conv2d(
        weight.shape[1], weight.shape[0], size, padding=size // 2 * dilation, dilation=dilation, bias=bias is not None
    )
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


class Residual(nn.Module):
    def __init__(self, weights, name, down=False, dilation=1):
        super().__init__()
        norms = [NormPlus(weights, f"{name}.norm{i}") for i in (1, 2)]
        convs = [bare(weights, f"{name}.conv{i}", dilation) for i in (1, 2)]
        self.body = nn.Sequential(norms[0], nn.ELU(), convs[0], norms[1], nn.ELU(), convs[1])
        self.shortcut = bare(weights, name + ".shortcut", dilation) if down else nn.Identity()
        self.halve = down and dilation == 1

    def forward(self, x):
        h, shortcut = self.body(x), self.shortcut(x)
        if self.halve:
            return F.avg_pool2d(shortcut, 2) + F.avg_pool2d(h, 2)
        return shortcut + h


class Units(nn.Module):
    def __init__(self, weights, name, blocks):
        super().__init__()
        parts = ([bare(weights, f"{name}.{i}.{j}.conv") for j in (1, 2)] for i in range(1, blocks + 1))
        self.blocks = nn.ModuleList(nn.Sequential(nn.ELU(), a, nn.ELU(), b) for a, b in parts)

    def forward(self, x):
        for block in self.blocks:
            x = block(x) + x
        return x


class Refine(nn.Module):
    def __init__(self, weights, name, inputs, blocks):
        super().__init__()
        self.adapt = nn.ModuleList(Units(weights, f"{name}.adapt{i}", 2) for i in range(1, inputs + 1))
        self.fuse = nn.ModuleList(bare(weights, f"{name}.fuse{i}.conv") for i in range(1, inputs + 1) if inputs > 1)
        self.pool = nn.ModuleList(bare(weights, f"{name}.crp.{i}.conv") for i in (1, 2))
        self.out = Units(weights, name + ".out", blocks)

    def forward(self, *inputs):
        h = [adapt(x) for adapt, x in zip(self.adapt, inputs)]
        if self.fuse:
            size = h[0].shape[2:]
            h = [F.interpolate(f(x), size, mode="bilinear", align_corners=True) for f, x in zip(self.fuse, h)]
        x = path = F.elu(sum(h))
        for layer in self.pool:
            path = layer(F.max_pool2d(path, 5, 1, 2))
            x = x + path
        return self.out(x)


class NCSNv2(nn.Module):
    """The network of Song & Ermon (2020) for 32x32 images."""

    def __init__(self, weights):
        super().__init__()
        self.stem = bare(weights, "in")
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(weights, f"res{i}.1", i > 1, d), Residual(weights, f"res{i}.2", False, d))
            for i, d in ((1, 1), (2, 1), (3, 2), (4, 4))
        )
        self.refine = nn.ModuleList(
            Refine(weights, f"refine{i}", 1 + (i > 1), 3 if i == 4 else 1) for i in (1, 2, 3, 4)
        )
        self.head = nn.Sequential(NormPlus(weights, "out.norm"), nn.ELU(), bare(weights, "out.conv"))

    def forward(self, x, sigma):
        h = self.stem(2 * x - 1)
        results = []
        for stage in self.stages:
            h = stage(h)
            results.append(h)
        h = self.refine[0](results[3])
        for refine, result in zip(self.refine[1:], reversed(results[:3])):
            h = refine(result, h)
        return self.head(h) / sigma[:, None, None, None]


class Peer:
    def __init__(self, device):
        self.device = torch.device(device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            sys.exit(f"PyTorch {torch.__version__} has no CUDA here")
        self.networks = {}  # kept, because compiling takes long
        self.mode("fp32", False)

    def mode(self, precision, compiled):
        """Chooses fp32, tf32 or fp16 for the networks that are loaded next."""
        if compiled and not hasattr(torch, "compile"):
            raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        self.dtype = torch.float16 if precision == "fp16" else torch.float32
        self.precision, self.compiled = precision, compiled

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def product(self, size, repeat):
        """Multiplies two matrices at the chosen precision on the device."""
        a, b = (torch.randn(size, size, device=self.device).to(self.dtype) for _ in range(2))
        a @ b
        self.wait()
        began = time.perf_counter()
        for _ in range(repeat):
            a @ b
        self.wait()
        return {"seconds": time.perf_counter() - began}

    def load(self, path):
        key = path, self.precision, self.compiled
        if key not in self.networks:
            self.networks[key] = self.read(path)
        self.network = self.networks[key]

    def read(self, path):
        graph = onnx.load(path).graph
        # A copy, because the bytes of the file cannot be written to.
        weights = {t.name: torch.tensor(onnx.numpy_helper.to_array(t).copy()) for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                weights[node.output[0]] = torch.tensor(onnx.numpy_helper.to_array(node.attribute[0].t).copy())
        network = {"toy": Toy, "image": Image, "ncsnv2": NCSNv2}[graph.name]
        made = network(weights).eval().to(self.device, self.dtype)
        return torch.compile(made) if self.compiled else made

    def threads(self, n):
        torch.set_num_threads(n)

    @torch.no_grad()
    def score(self, x, sigma):
        x, sigma = (torch.from_numpy(v).to(self.device, self.dtype) for v in (x, sigma))
        return self.network(x, sigma).float().cpu().numpy()

    @torch.no_grad()
    def anneal(self, chains, shape, sigmas, steps_per_level, step_lr, low, high):
        x = low + (high - low) * torch.rand(chains, *shape, device=self.device, dtype=self.dtype)
        for sigma in sigmas:
            level = torch.full((chains,), sigma, device=self.device, dtype=self.dtype)
            step_size = step_lr * (sigma / sigmas[-1]) ** 2
            for _ in range(steps_per_level):
                noise = torch.randn_like(x) * np.sqrt(2 * step_size)
                grad = self.network(x, level)
                x = x + step_size * grad + noise
        self.wait()
        return x

    def describe(self):
        capability = [line.strip() for line in torch.__config__.show().splitlines() if "capability" in line]
        return f"PyTorch {torch.__version__} ({', '.join(['eager'] + capability).replace('- ', '')})"


lines.serve(Peer(*sys.argv[1:] or ["cpu"]))
