"""Trains a small noise-conditional score network in PyTorch, as NCSN does it, and exports it for `langevin models import`.

The data are two Gaussians at (-2, -2) and (2, 2), the second with twice the weight of the first. The network takes samples
and the index of the noise level, like the published NCSN and NCSNv2 code. It needs torch and nothing else.

    python3 docs/import_ncsn.py out/two.onnx
"""

import sys

import torch
from torch import nn


class ScoreNet(nn.Module):
    """An MLP whose hidden layers are scaled by a factor of the level, and whose output is divided by sigma (NCSNv2)."""

    def __init__(self, sigmas, width=96):
        super().__init__()
        self.register_buffer("sigmas", sigmas)
        self.layers = nn.ModuleList([nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, width)])
        self.scales = nn.ModuleList([nn.Embedding(len(sigmas), width) for _ in self.layers])
        self.last = nn.Linear(width, 2)

    def forward(self, x, y):
        sigma = self.sigmas[y].view(-1, 1)
        h = x / torch.sqrt(1 + sigma * sigma)
        for layer, scale in zip(self.layers, self.scales):
            h = nn.functional.silu(layer(h) * (1 + scale(y)))
        return self.last(h) / sigma


def draw(n):
    mode = (torch.rand(n, 1) < 2 / 3).float() * 2 - 1
    return 2 * mode + 0.5 * torch.randn(n, 2)


def main(path):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sigmas = torch.exp(torch.linspace(torch.log(torch.tensor(8.0)), torch.log(torch.tensor(0.1)), 10))
    net = ScoreNet(sigmas)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for step in range(4000):
        x, y = draw(256), torch.randint(len(sigmas), (256,))
        sigma = sigmas[y].view(-1, 1)
        z = torch.randn_like(x)
        loss = 0.5 * ((sigma * net(x + sigma * z, y) + z) ** 2).sum(1).mean()  # denoising score matching, weight sigma^2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 1000 == 999:
            print(f"step {step + 1}: loss {loss.item():.3f}")
    net.eval()
    torch.onnx.export(
        net, (torch.zeros(2, 2), torch.zeros(2, dtype=torch.long)), path,
        input_names=["samples", "labels"], output_names=["scores"],
        dynamic_axes={name: {0: "N"} for name in ("samples", "labels", "scores")},
    )


if __name__ == "__main__":
    main(sys.argv[1])
