"""Trains the benchmark's networks in eager PyTorch, as the official NCSN code trains its networks: draw rows,
levels and noise, compute the loss, its gradient, an Adam step and the moving average of the weights. Networks are
functions of a dictionary of weights, which come from the folder that Langevin's side wrote."""

import json
import math
import pathlib

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F

import lines


def dense(w, name, x):
    return torch.addmm(w[name + ".bias"], x, w[name + ".weight"])


def conv(w, name, x, dilation=1):
    """A convolution that keeps the size, with a bias if there is one."""
    weight = w[name + ".weight"]
    return F.conv2d(x, weight, w.get(name + ".bias"), padding=weight.shape[2] // 2 * dilation, dilation=dilation)


def toy(w, settings, x, sigma):
    sigma = sigma[:, None]
    r = sigma + settings["scale"]
    h = F.silu(dense(w, "dense1", torch.cat([x, sigma], 1) / r))
    h = torch.tanh(dense(w, "dense2", h))
    return (dense(w, "dense3", h) - x) / (r * r)


def unet(w, settings, x, sigma):
    """The small U-Net of training/nn/unet.go, for one channel."""
    std, column = settings["std"], sigma[:, None, None, None]
    r = torch.sqrt(column * column + std * std)
    scaled = (x - settings["mean"]) / r
    frequencies = torch.tensor([2 * math.pi / (64 * (1 / 32) ** (i / 15)) for i in range(16)])
    angle = torch.log(sigma)[:, None] * frequencies
    embedding = F.silu(dense(w, "embed", torch.cat([torch.sin(angle), torch.cos(angle)], 1)))

    def modulated(name, h):
        rms = torch.sqrt((h * h).mean((1, 2, 3), keepdim=True) + 1e-5)
        scale, shift = (dense(w, f"{name}.{part}", embedding)[:, :, None, None] for part in ("scale", "shift"))
        return h * ((scale + 1) / rms) + shift

    def blocks(stage, h):
        for i in range(1, settings["blocks"] + 1):
            name = f"{stage}{i}"
            inner = F.silu(conv(w, name + ".conv1", F.silu(modulated(name, h))))
            h = h + conv(w, name + ".conv2", inner)
        return h

    outer = blocks("fine", conv(w, "in", F.pixel_unshuffle(scaled, 2)))
    h = blocks("coarse", conv(w, "down", F.avg_pool2d(outer, 2)))
    h = F.interpolate(conv(w, "up", h), scale_factor=2, mode="nearest")
    h = blocks("merged", outer + h)
    f = F.pixel_shuffle(conv(w, "out", F.silu(modulated("out", h))), 2)
    return (std / column * f - scaled) / r


def ncsn(w, settings, x, sigma):
    """CondRefineNetDilated, the network of Song & Ermon (2019)."""
    level = torch.argmin((sigma[:, None] - torch.tensor(settings["sigmas"])).abs(), 1)

    def norm(name, x):
        gamma, alpha, beta = (w[f"{name}.{part}"][level][:, :, None, None] for part in ("gamma", "alpha", "beta"))
        means = x.mean((2, 3), keepdim=True)
        m, v = means.mean(1, keepdim=True), means.var(1, keepdim=True)
        return gamma * (F.instance_norm(x) + (means - m) / torch.sqrt(v + 1e-5) * alpha) + beta

    def residual(name, x, down, dilation):
        h = conv(w, name + ".conv1", F.elu(norm(name + ".norm1", x)), dilation)
        h = conv(w, name + ".conv2", F.elu(norm(name + ".norm2", h)), dilation)
        if not down:
            return x + h
        shortcut = conv(w, name + ".shortcut", x, dilation)
        return shortcut + h if dilation > 1 else F.avg_pool2d(shortcut, 2) + F.avg_pool2d(h, 2)

    def units(name, x, blocks):
        for i in range(1, blocks + 1):
            h = x
            for j in (1, 2):
                part = f"{name}.{i}.{j}"
                h = conv(w, part + ".conv", F.elu(norm(part + ".norm", h)))
            x = h + x
        return x

    def fused(name, inputs):
        size = inputs[0].shape[2:]
        parts = (conv(w, f"{name}{i}.conv", norm(f"{name}{i}.norm", x)) for i, x in enumerate(inputs, 1))
        return sum(F.interpolate(h, size, mode="bilinear", align_corners=True) for h in parts)

    def refine(name, inputs, blocks):
        h = [units(f"{name}.adapt{i}", x, 2) for i, x in enumerate(inputs, 1)]
        x = path = F.elu(fused(name + ".fuse", h) if len(h) > 1 else h[0])
        for i in (1, 2):
            path = conv(w, f"{name}.crp.{i}.conv", F.avg_pool2d(norm(f"{name}.crp.{i}.norm", path), 5, 1, 2))
            x = x + path
        return units(name + ".out", x, blocks)

    h, results = conv(w, "in", 2 * x - 1), []
    for i, dilation in ((1, 1), (2, 1), (3, 2), (4, 4)):
        h = residual(f"res{i}.2", residual(f"res{i}.1", h, i > 1, dilation), False, dilation)
        results.append(h)
    h = refine("refine1", results[3:], 1)
    for i in (2, 3, 4):
        h = refine(f"refine{i}", [results[4 - i], h], 3 if i == 4 else 1)
    return conv(w, "out.conv", F.elu(norm("out.norm", h)))


class Training:
    """A training in progress."""

    def __init__(self, folder, layout):
        self.settings = json.loads((folder / "settings.json").read_text())
        self.network = {"toy": toy, "unet": unet, "ncsn": ncsn}[self.settings["network"]]
        self.layout = layout
        self.weights = self.read(folder / "model.onnx")
        self.first = [p.detach().clone() for p in self.weights.values()]
        self.average = [p.detach().clone() for p in self.weights.values()]
        o = self.settings["optimizer"]
        self.ema = o["ema"]
        self.adam = torch.optim.Adam(
            self.weights.values(), o["learning_rate"], (o["beta1"], o["beta2"]), o["epsilon"], foreach=True
        )
        self.batches = self.read_batches(folder / "batches.bin")
        self.rows = torch.cat([x for x, *_ in self.batches])
        self.sigmas, self.loss_weights = (torch.tensor(self.settings[k]) for k in ("sigmas", "weights"))

    def placed(self, tensor):
        return tensor.to(memory_format=self.layout) if tensor.dim() == 4 else tensor

    def read(self, path):
        """The parameters in the file, without its constants."""
        tensors = {t.name: onnx.numpy_helper.to_array(t).copy() for t in onnx.load(path).graph.initializer}
        return {name: self.placed(torch.tensor(tensors[name])).requires_grad_() for name in self.settings["parameters"]}

    def read_batches(self, path):
        n, shape = self.settings["rows"], self.settings["shape"]
        dim = math.prod(shape)
        all_batches = torch.from_numpy(np.fromfile(path, "<f4")).split(n * (2 * dim + 2))
        split = (b.split([n * dim, n * dim, n, n]) for b in all_batches)
        return [(self.placed(x.view(n, *shape)), self.placed(z.view(n, *shape)), s, w) for x, z, s, w in split]

    def step(self, x, z, sigma, weight):
        std = sigma.view(-1, *[1] * (x.dim() - 1))
        score = self.network(self.weights, self.settings, x + std * z, sigma)
        loss = (0.5 * (std * score + z).square().flatten(1).sum(1) * weight).mean()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        with torch.no_grad():
            parameters = list(self.weights.values())
            torch._foreach_mul_(self.average, self.ema)
            torch._foreach_add_(self.average, parameters, alpha=1 - self.ema)
        return loss.item()

    def draw(self):
        n = self.settings["rows"]
        x = self.rows[torch.randint(len(self.rows), (n,))]
        level = torch.randint(len(self.sigmas), (n,))
        return x, torch.randn_like(x), self.sigmas[level], self.loss_weights[level]

    def begin(self):
        """The losses of the given batches, and how far they move the averaged weights."""
        losses = [self.step(*batch) for batch in self.batches]
        moved = sum((a - b).double().square().sum() for a, b in zip(self.average, self.first))
        return {"losses": losses, "moved": math.sqrt(moved)}


class Peer:
    def begin(self, folder):
        self.folder, self.trainings = pathlib.Path(folder), {}
        return self.training("contiguous").begin()

    def training(self, layout):
        if layout not in self.trainings:
            formats = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
            self.trainings[layout] = Training(self.folder, formats[layout])
        return self.trainings[layout]

    def train(self, layout, threads, repeat):
        torch.set_num_threads(threads)
        training = self.training(layout)
        return lines.timed(repeat, lambda: training.step(*training.draw()))

    def describe(self):
        capability = [line.strip("- ") for line in torch.__config__.show().splitlines() if "capability" in line]
        return f"PyTorch {torch.__version__} ({', '.join(['eager'] + capability)})"


lines.serve(Peer())
