"""Samples the benchmark's networks in eager PyTorch, in the way that the official NCSN code samples its own: one loop
over levels and steps, a fresh tensor of noise at each step, no gradients. The weights are those in the .onnx file."""

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


class Peer:
    def load(self, path):
        graph = onnx.load(path).graph
        # A copy, since the file's own bytes cannot be written to.
        weights = {t.name: torch.tensor(onnx.numpy_helper.to_array(t).copy()) for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                weights[node.output[0]] = torch.tensor(onnx.numpy_helper.to_array(node.attribute[0].t).copy())
        network = {"toy": Toy, "image": Image}[graph.name]
        self.network = network(weights).eval()

    def threads(self, n):
        torch.set_num_threads(n)

    @torch.no_grad()
    def score(self, x, sigma):
        return self.network(torch.from_numpy(x), torch.from_numpy(sigma)).numpy()

    @torch.no_grad()
    def anneal(self, chains, shape, sigmas, steps_per_level, step_lr, low, high):
        x = low + (high - low) * torch.rand(chains, *shape)
        for sigma in sigmas:
            level = torch.full((chains,), sigma)
            step_size = step_lr * (sigma / sigmas[-1]) ** 2
            for _ in range(steps_per_level):
                noise = torch.randn_like(x) * np.sqrt(2 * step_size)
                grad = self.network(x, level)
                x = x + step_size * grad + noise
        return x

    def describe(self):
        capability = [line.strip() for line in torch.__config__.show().splitlines() if "capability" in line]
        return f"PyTorch {torch.__version__} ({', '.join(['eager'] + capability).replace('- ', '')})"


lines.serve(Peer())
