"""Computes the scores of NCSN++ and DDPM++ with PyTorch in float64, for TestTorch.

    python3 training/nn/testdata/plusplus.py FOLDER

FOLDER has cases.json, a list of networks with their settings, weights and inputs, and gets scores.json, a list of the
scores. This is a second implementation of the paper's networks and of the coordinates of its processes.
"""

import json
import math
import pathlib
import sys

import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)


def float32(values):
    """Returns float32 numbers, which JSON has with few digits, as float64."""
    return torch.tensor(values, dtype=torch.float32).double()


def up_fir_down(x, up, down, before, behind, gain):
    """Inserts zeros, pads, filters with 1, 3, 3, 1 in both directions, and keeps every down-th element."""
    n, c, h, w = x.shape
    spread = torch.zeros(n, c, h, up, w, up)
    spread[:, :, :, 0, :, 0] = x
    padded = F.pad(spread.reshape(n, c, h * up, w * up), (before, behind, before, behind))
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(taps, taps).expand(c, 1, 4, 4) * gain
    return F.conv2d(padded, kernel, groups=c)[:, :, ::down, ::down]


def beta_integral(t):
    return 0.1 * t + 9.95 * t * t


def marginal(process, t):
    """Returns the mean's factor and the standard deviation of a process at time t."""
    decay = -torch.expm1(-beta_integral(t))
    return torch.exp(-beta_integral(t) / 2), decay.sqrt() if process == "vp" else decay


def time_of(process, sigma):
    """Finds the time at which a process has a standard deviation of sigma times its mean's factor."""
    low, high = torch.zeros_like(sigma), torch.ones_like(sigma)
    for _ in range(100):
        middle = (low + high) / 2
        mean, std = marginal(process, middle)
        below = std / mean < sigma
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


class Network:
    def __init__(self, case):
        self.settings, self.weights = case["settings"], {}
        for part in case["weights"]:
            self.weights[part["name"]] = float32(part["values"]).reshape(part["shape"])

    def linear(self, name, x):
        return x @ self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def conv(self, name, x, stride=1, padding=None):
        kernel = self.weights[name + ".weight"]
        padding = kernel.shape[-1] // 2 if padding is None else padding
        return F.conv2d(x, kernel, self.weights[name + ".bias"], stride=stride, padding=padding)

    def norm(self, name, x):
        scale, shift = self.weights[name + ".weight"].flatten(), self.weights[name + ".bias"].flatten()
        return F.group_norm(x, min(x.shape[1] // 4, 32), scale, shift, eps=1e-6)

    def half(self, x):
        return up_fir_down(x, 1, 2, 1, 1, 1) if self.settings["fir"] else F.avg_pool2d(x, 2)

    def twice(self, x):
        return up_fir_down(x, 2, 1, 2, 1, 4) if self.settings["fir"] else F.interpolate(x, scale_factor=2)

    def block(self, name, x, resize=lambda x: x):
        h = self.conv(name + ".conv1", resize(F.silu(self.norm(name + ".norm1", x))))
        h = h + self.linear(name + ".embed", F.silu(self.embedding))[:, :, None, None]
        h = self.conv(name + ".conv2", F.silu(self.norm(name + ".norm2", h)))
        x = resize(x)
        if name + ".skip.weight" in self.weights:
            x = self.conv(name + ".skip", x)
        return (x + h) / math.sqrt(2)

    def attend(self, name, x):
        if name + ".norm.weight" not in self.weights:
            return x
        h = self.norm(name + ".norm", x)
        q, k, v = (self.conv(f"{name}.heads.{part}", h) for part in ("query", "key", "value"))
        scores = torch.einsum("nchw,ncij->nhwij", q, k) / math.sqrt(x.shape[1])
        weights = scores.flatten(3).softmax(3).reshape(scores.shape)
        return (x + self.conv(name + ".out", torch.einsum("nhwij,ncij->nchw", weights, v))) / math.sqrt(2)

    def embed(self, level, given):
        if self.settings["fourier"]:
            angle = torch.log(level)[:, None] * torch.tensor(self.settings["fourier"])
        else:
            half = self.settings["channels"] // 2
            angle = level[:, None] * torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
        h = torch.cat([angle.sin(), angle.cos()], 1)
        self.embedding = self.linear("embed2", F.silu(self.linear("embed1", h)))
        if given:
            self.embedding = self.embedding + self.weights["given_embedding.weight"][given]

    def forward(self, x, level, given):
        s = self.settings
        self.embed(level, given)
        if not s["centred"]:
            x = 2 * x - 1
        pyramid, stack = x, [self.conv("in", x)]
        for i in range(1, s["stages"] + 1):
            for j in range(1, s["blocks"] + 1):
                h = self.block(f"down{i}.{j}", stack[-1])
                stack.append(self.attend(f"down{i}.{j}.attention", h))
            if i == s["stages"]:
                break
            h = self.block(f"down{i}.half", stack[-1], self.half)
            if s["input"] == "input_skip":
                pyramid = self.half(pyramid)
                h = h + self.conv(f"down{i}.input", pyramid)
            elif s["input"] == "residual":
                wide = up_fir_down(pyramid, 1, 1, 2, 2, 1)
                h = pyramid = (self.conv(f"down{i}.input", wide, stride=2, padding=0) + h) / math.sqrt(2)
            stack.append(h)
        h = self.block("middle.2", self.attend("middle.attention", self.block("middle.1", stack[-1])))
        total = None
        for i in range(s["stages"], 0, -1):
            for j in range(1, s["blocks"] + 2):
                h = self.block(f"up{i}.{j}", torch.cat([h, stack.pop()], 1))
            h = self.attend(f"up{i}.attention", h)
            if s["output"]:
                part = self.conv(f"up{i}.output", F.silu(self.norm(f"up{i}.output.norm", h)))
                total = part if total is None else self.twice(total) + part
            if i > 1:
                h = self.block(f"up{i}.twice", h, self.twice)
        return total if s["output"] else self.conv("out", F.silu(self.norm("out.norm", h)))

    def score(self, x, sigma, given):
        """Returns the score of data with noise of standard deviation sigma."""
        process, levels = self.settings["process"], self.settings["levels"]
        rows = sigma[:, None, None, None]
        number = None
        if levels:
            number = (sigma[:, None] - torch.tensor(levels)).abs().argmin(1).double()
        if process == "ve":
            return self.forward(x, sigma if number is None else number, given) / rows
        t = time_of(process, sigma)
        mean, std = (v[:, None, None, None] for v in marginal(process, t))
        score = -self.forward(mean * x, 999 * t if number is None else number, given) / std
        return mean * score


def main(folder):
    torch.set_num_threads(1)
    scores = []
    for case in json.loads((folder / "cases.json").read_text()):
        x = float32(case["x"]).reshape(-1, *case["shape"])
        with torch.no_grad():
            y = Network(case).score(x, float32(case["sigma"]), [int(c) for c in case["given"] or []])
        scores.append(y.flatten().tolist())
    (folder / "scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
