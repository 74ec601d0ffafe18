"""Draws samples of a model by the samplers of diffusers, in Python with ONNX Runtime, and writes them.

diffusers samples a discrete, variance-preserving process of pictures in [-1, 1]. Our networks know pictures in [low,
high] with noise sigma added. Both are the same process in other units: if abar is the product of 1 - beta, the state is
sqrt(abar) (2 (x - low)/(high - low) - 1), and the noise in it sqrt((1 - abar)/abar) (high - low)/2. The betas are linear
from the model's smallest sigma to its largest one."""

import time

import diffusers
import numpy as np
import torch

import lines
from onnxruntime_loop import Peer

TIMES = 1000  # as DDPM has


def betas(first, last):
    """Returns linear betas from which the noise, in units of the data, goes from first to last."""
    begin = first**2 / (1 + first**2)  # then abar = 1 - begin = 1/(1 + first²)
    low, high = begin, 0.5
    for _ in range(100):  # by bisection; more beta is more noise
        end = (low + high) / 2
        signal = np.prod(1 - np.linspace(begin, end, TIMES))
        low, high = (end, high) if (1 - signal) / signal < last**2 else (low, end)
    return np.linspace(begin, end, TIMES)


def sampler(kind, trained):
    common = {"trained_betas": trained, "prediction_type": "epsilon"}
    match kind:
        case "DDPM":
            return diffusers.DDPMScheduler(**common)
        case "DDIM":
            return diffusers.DDIMScheduler(**common)
        case "DPM-Solver++ (2M)":
            return diffusers.DPMSolverMultistepScheduler(**common)
        case "SDE-DPM-Solver++ (2M)":
            return diffusers.DPMSolverMultistepScheduler(**common, algorithm_type="sde-dpmsolver++")
        case "DPM-Solver++ (2M), Karras":
            return diffusers.DPMSolverMultistepScheduler(**common, use_karras_sigmas=True)
        case "UniPC":
            return diffusers.UniPCMultistepScheduler(**common)
    raise ValueError(f"no such sampler: {kind}")


def noise_over_signal(rule, i, t):
    """Returns the noise of step i at time t, in units of the signal. Solvers may step between the times."""
    if hasattr(rule, "sigmas"):
        return float(rule.sigmas[i])
    signal = float(rule.alphas_cumprod[t])
    return ((1 - signal) / signal) ** 0.5


class Diffusers(Peer):
    @torch.no_grad()
    def draw(self, settings, chains, shape, seed, threads, out):
        self.threads(threads)
        torch.set_num_threads(threads)
        sigmas, low, high = settings["sigmas"], settings["low"], settings["high"]
        half = (high - low) / 2  # the length of diffusers' unit in ours
        rule = sampler(settings["kind"], betas(sigmas[-1] / half, sigmas[0] / half))
        rule.set_timesteps(settings["steps"])
        noise = torch.Generator().manual_seed(seed)
        evaluations = 0
        began = time.perf_counter()
        x = torch.randn(chains, *shape, generator=noise) * rule.init_noise_sigma
        for i, t in enumerate(rule.timesteps):
            relative = noise_over_signal(rule, i, t)
            sigma = np.float32(relative * half)
            pictures = (x.numpy() * np.float32((1 + relative**2) ** 0.5) + 1) * np.float32(half) + np.float32(low)
            score = self.score(pictures, np.full(chains, sigma, np.float32))
            evaluations += 1
            x = rule.step(torch.from_numpy(-sigma * score), t, x, **self.noise(rule, noise)).prev_sample
        seconds = time.perf_counter() - began
        np.save(out, (x.numpy() + 1) * np.float32(half) + np.float32(low))
        return {"seconds": seconds, "evaluations": evaluations}

    def noise(self, rule, generator):
        """Only samplers that may add noise take its generator."""
        return {} if isinstance(rule, diffusers.UniPCMultistepScheduler) else {"generator": generator}

    def describe(self):
        return f"diffusers {diffusers.__version__}, PyTorch {torch.__version__}"


if __name__ == "__main__":
    lines.serve(Diffusers())
