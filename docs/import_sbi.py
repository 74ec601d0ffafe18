"""Exports the posterior of a trained NPSE of the sbi package, for `langevin models import`.

Train with sbi, and save the estimator or the posterior:

    estimator = NPSE(prior=prior).append_simulations(theta, x).train()
    torch.save(estimator, "posterior.pt")

Then run

    python3 docs/import_sbi.py posterior.pt posterior.onnx

It prints the command that imports the file. The script also takes what `pickle.dump(posterior, file)` wrote. Both forms
are pickles, which can run any code: load only files that you trust.

The network gets parameters theta and observations x in the units of the simulator, because the estimator standardizes
both itself. Its output is the score. The noise is that of the SDE that it was trained with: ve, vp or subvp. The script
needs sbi 0.27 and torch.
"""

import argparse
import copy
import inspect
import math
import pickle
import types

import torch


class Score(torch.nn.Module):
    """The score of an estimator, as its own forward computes it, for one row of theta, time and x each.

    The estimator's forward broadcasts by the shapes that it sees, which an exporter would write into the graph.
    """

    def __init__(self, estimator):
        super().__init__()
        self.estimator = estimator

    def forward(self, theta, time, x):
        e = self.estimator
        mean, std = e.approx_marginal_mean(time), e.approx_marginal_std(time)
        noise = e.std_fn(time)
        observed = e._embedding_net(x.reshape(-1, *e.condition_shape))
        learned = e.net((theta - mean) / std, observed, noise.reshape(-1))
        return -e.mean_t_fn(time) / noise * learned - (theta - mean) / std**2


def embed(self, t, x_emb=None):
    """Does what GlobalEmbeddingMLP.forward of sbi does, with sizes that are known when the graph is written."""
    embedded = self.time_emb(t)
    if x_emb is not None:
        width = int(x_emb.shape[-1])
        cycled = [i % width for i in range(max(width, self.time_emb.embed_dim))]
        embedded = torch.cat([x_emb[..., cycled], embedded], dim=-1)
    embedded = self.input_layer(embedded)
    for block in self.mlp_blocks:
        embedded = block(embedded)
    return self.output_layer(embedded)


def load(path):
    """Returns the estimator in a file of torch.save or pickle.dump, of itself or of its posterior."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=False)
    except (pickle.UnpicklingError, RuntimeError):
        with open(path, "rb") as file:
            saved = pickle.load(file)
    return getattr(saved, "vector_field_estimator", saved).eval()


def check(estimator):
    """Refuses what cannot be exported, with the reason."""
    kinds = ("VEScoreEstimator", "VPScoreEstimator", "SubVPScoreEstimator")
    if type(estimator).__name__ not in kinds:
        raise SystemExit(f"the file has a {type(estimator).__name__}: want the estimator or the posterior of an NPSE")
    if estimator.compose_enabled:
        raise SystemExit("the estimator was trained with compose_standardization, which gives each parameter another "
                         "noise: train without it, which is the default")
    if len(estimator.input_shape) != 1:
        raise SystemExit(f"parameters have shape {tuple(estimator.input_shape)}: want vectors")


def noise_of(estimator, time):
    """Returns the standard deviation of the noise at a time, for parameters that are not scaled down."""
    time = torch.tensor([time], dtype=torch.float64)
    return (estimator.std_fn(time) / estimator.mean_t_fn(time)).item()


def time_of(estimator, sigma):
    """Returns the time at which the noise is sigma, by bisection."""
    low, high = estimator.t_min, estimator.t_max
    for _ in range(60):
        middle = (low + high) / 2
        if noise_of(estimator, middle) < sigma:
            low = middle
        else:
            high = middle
    return low


def flags(estimator, last=None):
    """Returns the flags of `langevin models import` for an estimator.

    The smallest sigma is the one of the training, unless it is below a thousandth of the spread of the parameters.
    """
    center, spread = estimator.mean_0.double(), estimator.std_0.double()
    first, least = noise_of(estimator, estimator.t_max), noise_of(estimator, estimator.t_min)
    last = max(least, 1e-3 * spread.min().item()) if last is None else last
    if not least <= last < first:
        raise SystemExit(f"--last is {last:g}: want at least {least:.3g} and below {first:.3g}")
    levels = 1 + math.ceil(math.log(first / last) / math.log(1.1))
    args = ["--condition-vector", str(math.prod(estimator.condition_shape)), "--output", "score",
            "--input-x", "theta", "--input-level", "time", "--input-condition", "x",
            "--sigmas", f"{first:.9g}:{last:.9g}:{levels}",
            f"--range={(center - 3 * spread).min():.4g},{(center + 3 * spread).max():.4g}",
            "--sampler", "sde", "--sde-steps", "60", "--steps-per-level", "10", "--step-lr", f"{0.05 * last**2:.4g}"]
    if type(estimator).__name__ == "VEScoreEstimator":
        return [*args, "--process", "ve", "--time", f"continuous:{time_of(estimator, last):.9g}:{estimator.t_max:.9g}"]
    process = "vp" if type(estimator).__name__ == "VPScoreEstimator" else "sub_vp"
    return [*args, "--process", process, "--betas", f"{estimator.beta_min:g}:{estimator.beta_max:g}"]


def export(estimator, path):
    """Writes the score as ONNX, after comparing it with the estimator's own."""
    check(estimator)
    estimator = copy.deepcopy(estimator).eval()
    score = Score(estimator)
    width = math.prod(estimator.condition_shape)
    inputs = {"theta": torch.randn(2, *estimator.input_shape), "time": torch.tensor([0.3, 0.6]),
              "x": torch.randn(2, width)}
    with torch.no_grad():
        want = estimator(inputs["theta"], inputs["x"].reshape(2, *estimator.condition_shape), inputs["time"])
        for module in estimator.modules():
            if type(module).__name__ == "GlobalEmbeddingMLP":
                module.forward = types.MethodType(embed, module)
        if not torch.allclose(score(**inputs), want, rtol=1e-4, atol=1e-5):
            raise SystemExit("the score differs from the estimator's own: this release of sbi computes it otherwise")
    dynamic = {name: {0: "N"} for name in (*inputs, "score")}
    # The exporter that newer releases prefer needs another package.
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(score, tuple(inputs.values()), path, input_names=list(inputs), output_names=["score"],
                      dynamic_axes=dynamic, **older)


def main(args=None):
    parser = argparse.ArgumentParser(description="exports the posterior of an NPSE of sbi")
    parser.add_argument("estimator", help="a file that torch.save or pickle.dump wrote")
    parser.add_argument("out", help="the ONNX file to write")
    parser.add_argument("--name", default="posterior", help="of the model in the command that is printed")
    parser.add_argument("--last", type=float, help="smallest sigma of the model's noise schedule")
    o = parser.parse_args(args)
    estimator = load(o.estimator)
    check(estimator)
    command = " ".join(flags(estimator, o.last))
    export(estimator, o.out)
    print(f"langevin models import {o.out} --name {o.name} {command}")


if __name__ == "__main__":
    main()
