"""Trains posteriors with the package sbi for TestSBI, and judges samples of them.

    python3 cmd/langevin/testdata/posteriors.py export FOLDER
    python3 cmd/langevin/testdata/posteriors.py judge FOLDER

export writes NAME.onnx of every kind of network and of noise, and cases.json as networks.py does: with random weights,
and trained ones for two tasks of SBIBM (Lueckmann et al. 2021). tasks.json has observations of these tasks, and
FOLDER/NAME-sbi-OBSERVATION.npy samples of sbi itself given each. judge reads FOLDER/NAME-SAMPLER-OBSERVATION.npy and
prints the accuracy of the two-sample test of sbi with exact samples of the posterior, as JSON by file.
"""

import copy
import importlib.util
import json
import math
import pathlib
import sys
import time
import warnings

sys.dont_write_bytecode = True
warnings.filterwarnings("ignore")

import numpy
import torch
from sbi.inference import NPSE
from sbi.neural_nets import posterior_score_nn
from sbi.utils import BoxUniform
from sbi.utils.metrics import c2st

SIMULATIONS = 100_000  # the largest budget of SBIBM
BATCH = 1000
OBSERVATIONS = 5
JUDGED = 2000  # samples
ROWS = 16


def script(name):
    path = pathlib.Path(__file__).resolve().parents[3] / "docs" / name
    spec = importlib.util.spec_from_file_location("script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exporter = script("import_sbi.py")


class GaussianLinear:
    """theta ~ N(0, 0.1 I) in ten dimensions, x ~ N(theta, 0.1 I), so that theta given x is N(x/2, 0.05 I)."""

    name = "gaussian_linear"
    prior = torch.distributions.MultivariateNormal(torch.zeros(10), 0.1 * torch.eye(10))

    def simulate(self, theta):
        return theta + math.sqrt(0.1) * torch.randn_like(theta)

    def posterior(self, x, n):
        return x / 2 + math.sqrt(0.05) * torch.randn(n, 10)


class TwoMoons:
    """x is a point of a crescent, moved by -|theta_1 + theta_2| and theta_2 - theta_1 over the root of two.

    The crescent's density does not depend on theta, and the map from theta to the movement has a constant determinant
    on each side of theta_1 = -theta_2. So theta given x is what moves a random point of the crescent to x, on either
    side with probability 1/2, where such a theta is in the prior's square.
    """

    name = "two_moons"
    prior = BoxUniform(-torch.ones(2), torch.ones(2))

    def crescent(self, n):
        angle, radius = (torch.rand(n) - 0.5) * math.pi, 0.1 + 0.01 * torch.randn(n)
        return torch.stack([radius * torch.cos(angle) + 0.25, radius * torch.sin(angle)], 1)

    def simulate(self, theta):
        moved = torch.stack([-(theta[:, 0] + theta[:, 1]).abs(), theta[:, 1] - theta[:, 0]], 1)
        return self.crescent(len(theta)) + moved / math.sqrt(2)

    def posterior(self, x, n):
        kept = torch.empty(0, 2)
        while len(kept) < n:
            moved = (x - self.crescent(n)) * math.sqrt(2)
            total = moved[:, 0] * (2 * torch.randint(2, (n,)) - 1)
            theta = torch.stack([total - moved[:, 1], total + moved[:, 1]], 1) / 2
            kept = torch.cat([kept, theta[(moved[:, 0] <= 0) & (theta.abs() <= 1).all(1)]])
        return kept[:n]


TASKS = [GaussianLinear(), TwoMoons()]


def case(estimator, name, folder):
    """Exports an estimator, and returns rows for it with the denoised parameters that sbi computes in float64."""
    exporter.export(estimator, str(folder / (name + ".onnx")))
    args = exporter.flags(estimator)
    first, last, _ = (float(v) for v in args[args.index("--sigmas") + 1].split(":"))
    exact = copy.deepcopy(estimator).double().eval()
    sigma = torch.exp(torch.linspace(math.log(last), math.log(first), ROWS, dtype=torch.float64)).float()
    x = (estimator.mean_0 + estimator.std_0 * torch.randn(ROWS, *estimator.input_shape)
         + sigma[:, None] * torch.randn(ROWS, *estimator.input_shape))
    given = torch.randn(ROWS, *estimator.condition_shape)
    times = torch.tensor([exporter.time_of(exact, s) for s in sigma.double().tolist()], dtype=torch.float64)
    torch.set_default_dtype(torch.float64)  # of what sbi makes on the way
    with torch.no_grad():
        scale = exact.mean_t_fn(times)
        scaled = scale * x.double()
        score = exact(scaled, given.double(), times)
        denoised = (scaled + exact.std_fn(times) ** 2 * score) / scale
    torch.set_default_dtype(torch.float32)
    return {"name": name, "args": args, "x": x.flatten().tolist(), "sigma": sigma.tolist(),
            "given": given.flatten().tolist(), "denoised": denoised.flatten().tolist()}


def random(net, sde):
    """Returns an estimator that was not trained, with no weights that are zero."""
    theta = torch.tensor([3.0, -1.0]) + torch.tensor([2.0, 0.5]) * torch.randn(500, 2)
    estimator = posterior_score_nn(model=net, sde_type=sde)(theta, 5 + torch.randn(500, 3))
    for p in estimator.parameters():
        if p.requires_grad and p.abs().max() == 0:
            torch.nn.init.normal_(p, std=0.1)
    return estimator


def train(task):
    """Returns the trained estimator, and the posterior with the sampler of sbi."""
    theta = task.prior.sample((SIMULATIONS,))
    begin = time.time()
    inference = NPSE(prior=task.prior, show_progress_bars=False).append_simulations(theta, task.simulate(theta))
    estimator = inference.train(training_batch_size=BATCH, max_num_epochs=150)
    print(f"\n{task.name}: {SIMULATIONS} simulations, trained in {time.time() - begin:.0f} s")
    return estimator, inference.build_posterior(estimator)


def export(folder):
    torch.manual_seed(0)
    cases = [case(random(net, sde), f"{net}-{sde}", folder)
             for net in ("mlp", "ada_mlp", "transformer") for sde in ("ve", "vp", "subvp")]
    tasks = []
    for task in TASKS:
        estimator, posterior = train(task)
        cases.append(case(estimator, task.name, folder))
        observations = task.simulate(task.prior.sample((OBSERVATIONS,)))
        for i, x in enumerate(observations):
            own = posterior.sample((JUDGED,), x=x, show_progress_bars=False)
            numpy.save(folder / f"{task.name}-sbi-{i}.npy", own.numpy())
        tasks.append({"name": task.name, "observations": observations.tolist()})
    (folder / "cases.json").write_text(json.dumps(cases))
    (folder / "tasks.json").write_text(json.dumps(tasks))


def judge(folder):
    """Compares samples with exact ones. Those outside the prior are left out, as sbi does it."""
    observations = {t["name"]: t["observations"] for t in json.loads((folder / "tasks.json").read_text())}
    found = {}
    torch.manual_seed(1)
    for task in TASKS:
        for path in sorted(folder.glob(f"{task.name}-*.npy")):
            x = torch.tensor(observations[task.name][int(path.stem.split("-")[-1])])
            samples = torch.from_numpy(numpy.load(path))
            inside = samples[torch.isfinite(task.prior.log_prob(samples))] if task.name == "two_moons" else samples
            n = min(JUDGED, len(inside))
            found[path.name] = float(c2st(task.posterior(x, n), inside[:n], classifier="mlp"))
    print(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"export": export, "judge": judge}[sys.argv[1]](pathlib.Path(sys.argv[2]))
