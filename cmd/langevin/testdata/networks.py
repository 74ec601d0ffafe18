"""Writes small networks of every kind as ONNX, with inputs and what PyTorch computes for them, for TestTorch.

    python3 cmd/langevin/testdata/networks.py FOLDER

FOLDER gets NAME.onnx and cases.json, a list of {"name", "args", "x", "sigma", "denoised", "given"}: the flags of
`langevin models import`, and rows of samples with noise of standard deviation sigma, perhaps with classes, and with
their denoised samples. These are computed by the formulas of each kind's authors, in their own coordinates.
"""

import importlib.util
import json
import math
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

import torch
from torch import nn

SHAPE = (1, 8, 8)
ROWS = 16
DDPM = ["--process", "vp", "--betas", "0.0001:0.02", "--time", "steps:1000", "--range=-1,1"]


def script(name):
    path = pathlib.Path(__file__).resolve().parents[3] / "docs" / name
    spec = importlib.util.spec_from_file_location("script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


checkpoint = script("import_checkpoint.py")


class Net(nn.Module):
    """Two convolutions around a norm, shifted by an embedding of the noise level times scale."""

    def __init__(self, scale=1.0, out=1, channels=16):
        super().__init__()
        self.scale = scale
        self.register_buffer("frequencies", torch.exp(torch.linspace(-3, 1, channels // 2)))
        self.embed = nn.Linear(channels, channels)
        self.first, self.last = nn.Conv2d(1, channels, 3, padding=1), nn.Conv2d(channels, out, 3, padding=1)
        self.norm = nn.GroupNorm(4, channels)

    def forward(self, x, level):
        angle = level.to(torch.float32)[:, None] * self.scale * self.frequencies
        shift = self.embed(nn.functional.silu(torch.cat([angle.sin(), angle.cos()], 1)))
        return self.last(nn.functional.silu(self.norm(self.first(x) + shift[:, :, None, None])))


class ClassNet(nn.Module):
    """A network of each of some classes, and one of none."""

    def __init__(self, classes, scale):
        super().__init__()
        self.net, self.table = Net(scale), nn.Embedding(classes + 1, 1)

    def forward(self, x, level, c):
        return self.net(x + self.table(c)[:, :, None, None], level)


class Denoiser(nn.Module):
    """EDM's whole denoiser of a network (Karras et al. 2022, table 1)."""

    def __init__(self, net, std=0.5):
        super().__init__()
        self.net, self.std = net, std

    def forward(self, x, sigma):
        s = sigma[:, None, None, None]
        total = s**2 + self.std**2
        f = self.net(x / total.sqrt(), sigma.log() / 4)
        return self.std**2 / total * x + s * self.std / total.sqrt() * f


def rows(sigma):
    return sigma[:, None, None, None]


def spread(first, last):
    """Returns sigmas in geometric steps."""
    return torch.exp(torch.linspace(math.log(first), math.log(last), ROWS, dtype=torch.float64))


def beta_integral(t):
    return 0.1 * t + 0.5 * 19.9 * t * t


def integral_time(b):
    """Solves beta_integral(t) = b by bisection."""
    low, high = torch.zeros_like(b), torch.ones_like(b)
    for _ in range(80):
        middle = (low + high) / 2
        below = beta_integral(middle) < b
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


def vp(net, x, sigma):
    """Score SDE: score = -net(x_t, 999 t)/std."""
    b = torch.log1p(sigma**2)
    t, mean, std = integral_time(b), torch.exp(-b / 2), torch.sqrt(-torch.expm1(-b))
    score = -net(rows(mean) * x, t * 999) / rows(std)
    return (rows(mean) * x + rows(std) ** 2 * score) / rows(mean)


def sub_vp(net, x, sigma):
    b = 2 * torch.asinh(sigma / 2)
    t, mean, std = integral_time(b), torch.exp(-b / 2), -torch.expm1(-b)
    score = -net(rows(mean) * x, t * 999) / rows(std)
    return (rows(mean) * x + rows(std) ** 2 * score) / rows(mean)


def v_cosine(net, x, sigma):
    """v-diffusion: alpha = cos(pi t/2), and x0 = alpha x_t - s v."""
    t = torch.atan(sigma) * 2 / math.pi
    alpha, s = torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)
    return rows(alpha) * (rows(alpha) * x) - rows(s) * net(rows(alpha) * x, t)


def x0_snr(net, x, sigma):
    """A network of x0 that takes the logarithm of the signal-to-noise ratio."""
    alpha = torch.rsqrt(1 + sigma**2)
    return net(rows(alpha) * x, torch.log(alpha**2 / (sigma * alpha) ** 2))


def flow(net, x, sigma):
    """Flow matching: x_t = (1-t) x0 + t e, and net is e - x0 at 1000 t."""
    t = sigma / (1 + sigma)
    xt = rows(1 - t) * x
    return xt - rows(t) * net(xt, t * 1000)


def rectified(net, x, sigma):
    """Rectified flow's code: z_t = t x0 + (1-t) e, and net is x0 - e."""
    t = 1 / (1 + sigma)
    z = rows(t) * x
    return z + rows(1 - t) * net(z, t)


def edm(net, x, sigma):
    return Denoiser(net)(x, sigma)


def ve_time(net, x, sigma):
    """A VE network of the score that takes t of sigma = 0.01 (50/0.01)^t."""
    return x + rows(sigma) ** 2 * net(x, torch.log(sigma / 0.01) / math.log(50 / 0.01))


def stepped(cumulative, computes):
    """Returns the denoiser of a network that takes steps, and sigmas of some of them.

    cumulative is the product of 1 - beta up to each step.
    """
    sigmas = torch.sqrt((1 - cumulative) / cumulative)
    chosen = torch.linspace(len(sigmas) * 0.97, 0, ROWS).long()

    def denoise(net, x, sigma):
        a = rows(cumulative[chosen])
        xt = a.sqrt() * x
        out = net(xt, chosen)[:, :1]
        if computes == "v":
            return a.sqrt() * xt - (1 - a).sqrt() * out
        return (xt - (1 - a).sqrt() * out) / a.sqrt()

    return denoise, sigmas[chosen]


def ddpm_table():
    return torch.cumprod(1 - torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64), 0)


def cosine_table():
    def signal(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - signal((k + 1) / 1000) / signal(k / 1000), 0.999) for k in range(1000)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), 0)


class Cases:
    def __init__(self, folder):
        self.folder, self.all = pathlib.Path(folder), []

    def add(self, name, args, net, denoise, sigma, whole=False):
        """Exports a network, and computes the denoised samples of some rows in float64, with the network in float32."""
        checkpoint.export(net, str(self.folder / f"{name}.onnx"), SHAPE, whole)
        self.expect(name, args, net, denoise, sigma)

    def expect(self, name, args, net, denoise, sigma, given=None):
        noise = torch.randn(ROWS, *SHAPE, dtype=torch.float64)
        x = (torch.rand(ROWS, *SHAPE, dtype=torch.float64) * 2 - 1 + rows(sigma) * noise).float().double()
        sigma = sigma.float().double()

        def evaluate(xt, level):
            level = level if level.dtype == torch.long else level.float()
            return net(xt.float(), level, *([] if given is None else [given])).double()

        with torch.no_grad():
            denoised = denoise(evaluate, x, sigma)
        self.all.append({"name": name, "args": args, "x": x.flatten().tolist(), "sigma": sigma.tolist(),
                         "denoised": denoised.flatten().tolist(), "given": [] if given is None else given.tolist()})


def kinds(cases):
    range_ = "--range=-1,1"
    middle, whole = spread(80, 0.01), True
    ve = ["--sigmas", "50:0.01:100"]
    cases.add("ve-time", ve + ["--time", "continuous"], Net(), ve_time, spread(50, 0.01))
    cases.add("edm-denoiser", ve + ["--output", "denoised"], Denoiser(Net()), lambda net, x, s: net(x, s), middle)
    cases.add("edm", ["--process", "edm", range_], Net(), edm, spread(80, 0.002))
    cases.add("vp", ["--process", "vp", "--betas", "0.1:20", "--time", "continuous:999", range_], Net(0.01), vp,
              spread(150, 0.02))
    cases.add("sub-vp", ["--process", "sub_vp", "--time", "continuous:999", range_], Net(0.01), sub_vp, middle)
    cases.add("v-cosine", ["--process", "cosine", "--cosine-offset", "0", "--output", "v", range_], Net(4), v_cosine,
              middle)
    cases.add("x0-snr", ["--process", "cosine", "--time", "log_sigma:-2", "--output", "denoised", range_], Net(),
              x0_snr, middle)
    cases.add("flow", ["--process", "flow", "--time", "continuous:1000", range_], Net(0.01), flow, middle)
    cases.add("rectified", ["--process", "flow", "--time", "continuous:1:0", "--output", "minus_v", range_], Net(4),
              rectified, middle)
    for computes in ("noise", "v"):
        args = DDPM + ["--output", computes]
        cases.add("ddpm-" + computes, args, Net(0.01), *stepped(ddpm_table(), computes), whole)
        cases.add("ddpm-float-" + computes, args, Net(0.01), *stepped(ddpm_table(), computes))
    args = ["--process", "cosine", "--time", "steps:1000", "--learned-variance", range_]
    cases.add("improved-ddpm", args, Net(0.01, out=2), *stepped(cosine_table(), "noise"), whole)


def classes(cases):
    net = ClassNet(3, 0.01)
    checkpoint.export(net, str(cases.folder / "classes.onnx"), SHAPE, True, True)
    denoise, sigma = stepped(ddpm_table(), "noise")
    cases.expect("classes", DDPM + ["--classes", "3", "--condition-dropped"], net, denoise, sigma,
                 torch.arange(ROWS) % 4)


def diffusers(cases):
    try:
        from diffusers import DDPMScheduler, UNet2DModel
    except ImportError:
        return

    class Sample(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x, step):
            return self.net(x, step).sample

    net = Sample(UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(32, 32),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).eval())
    for name, schedule, flags in (
        ("linear", {"beta_schedule": "linear"}, ["--process", "vp", "--betas", "0.0001:0.02"]),
        ("scaled", {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
         ["--process", "vp_scaled"]),
        ("cosine", {"beta_schedule": "squaredcos_cap_v2"}, ["--process", "cosine"]),
    ):
        table = DDPMScheduler(num_train_timesteps=1000, **schedule).alphas_cumprod.double()
        args = flags + ["--time", "steps:1000", "--output", "noise", "--range=-1,1"]
        cases.add("diffusers-" + name, args, net, *stepped(table, "noise"), True)


def prefixed(prefix, weights):
    return {prefix + name: tensor for name, tensor in weights.items()}


def checkpoints(cases):
    """Saves checkpoints as the papers' repositories do, and exports them with the script of the documents."""
    torch.manual_seed(1)
    raw, ema = Net(), Net()
    trained = {name: p.detach() for name, p in ema.named_parameters()}
    optimizer = torch.optim.Adam(raw.parameters()).state_dict()
    own, average = raw.state_dict(), ema.state_dict()
    network = cases.folder / "network.py"
    network.write_text(f"import sys\nsys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\n"
                       "import networks\n\n\ndef network():\n    return networks.Net()\n")
    for name, saved, net, flags in (
        ("ncsn", [prefixed("module.", own), optimizer], raw, []),
        ("ncsnv2", [prefixed("module.", own), optimizer, 3, 9000, trained], ema, []),
        ("ddim", [prefixed("module.", own), optimizer, 3, 9000, prefixed("module.", trained)], ema,
         ["--steps"]),
        ("score-sde", {"optimizer": optimizer, "model": prefixed("module.", own), "step": 9,
                       "ema": {"decay": 0.999, "num_updates": 9, "shadow_params": list(trained.values())}}, ema, []),
        ("torchcfm", {"net_model": own, "ema_model": average, "optim": optimizer, "step": 9}, ema, []),
        ("denoising-diffusion", {"step": 9, "model": prefixed("model.", own), "opt": optimizer, "ema": {
            **prefixed("online_model.model.", own), **prefixed("ema_model.model.", average),
            "step": torch.tensor(9)}}, ema, []),
        ("guided-diffusion", average, ema, []),
        ("raw", [prefixed("module.", own), optimizer, 3, 9000, trained], raw, ["--raw"]),
    ):
        path = cases.folder / f"{name}.pth"
        torch.save(saved, path)
        checkpoint.main([f"{network}:network", str(cases.folder / f"{name}.onnx"), "--shape", "1,8,8", "--checkpoint",
                         str(path), *flags])
        if "--steps" in flags:
            cases.expect(name, DDPM, net, *stepped(ddpm_table(), "noise"))
        else:
            args = ["--sigmas", "10:0.1:9", "--output", "denoised"]
            cases.expect(name, args, net, lambda net, x, s: net(x, s), spread(10, 0.1))


def main(folder):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cases = Cases(folder)
    kinds(cases)
    classes(cases)
    diffusers(cases)
    checkpoints(cases)
    (cases.folder / "cases.json").write_text(json.dumps(cases.all))


if __name__ == "__main__":
    main(sys.argv[1])
