"""DDRM and SNIPS as their authors published them, as loops in Python with ONNX Runtime, for `make bench-posterior`.

Both work in the coordinates of the singular value decomposition of the operator, from numpy. The settings are those of
the authors' code. For DDRM that is bahjat-kawar/ddrm, functions/denoising.py, efficient_generalized_steps (commit
32b6b3cc), with etaA and etaC equal to eta; for SNIPS bahjat-kawar/snips_torch, models/__init__.py,
general_anneal_Langevin_dynamics (39678339). Singular values below 1e-3 count as 0, and SNIPS ends without a denoising
step. The noise levels are those of the caller, because the authors' belong to their own networks.
"""

import numpy as np

import lines
from onnxruntime_loop import Peer

ZERO = 1e-3


class Measured:
    """y = A x + noise in the coordinates of V: singular values s, one for each element of x, and U'y."""

    def __init__(self, rows, values, std):
        u, s, self.vt = np.linalg.svd(np.array(rows))
        size = self.vt.shape[0]
        self.std, self.s, self.y = std, np.zeros(size), np.zeros(size)
        s[s < ZERO] = 0
        self.s[: len(s)] = s
        self.y[: len(s)] = (u.T @ np.array(values))[: len(s)]


def ddrm(denoised, rng, m, chains, sigmas, eta, eta_b):
    """Equations 4 to 8 of Kawar et al. 2022 (arXiv 2201.11793) in the variance-exploding scaling of its appendix."""
    known = m.s > 0
    ratio, target = np.zeros_like(m.s), np.zeros_like(m.s)
    ratio[known], target[known] = m.std / m.s[known], m.y[known] / m.s[known]
    top = sigmas[0]
    noisy = known & (m.s * top > m.std)
    left = np.where(noisy, np.sqrt(np.maximum(top**2 - ratio**2, 0)), top)
    x = np.where(noisy, target, 0) + left * rng.standard_normal((chains, m.s.size))
    for sigma, after in zip(sigmas, [*sigmas[1:], 0.0]):
        d = denoised(x, sigma)
        z = rng.standard_normal(x.shape)
        moved = d + np.sqrt(1 - eta**2) * after * (x - d) / sigma + eta * after * z
        less, more = known & (m.s * after < m.std), known & (m.s * after > m.std)
        if less.any():
            error = (m.y - m.s * d)[:, less] / m.std
            moved[:, less] = d[:, less] + np.sqrt(1 - eta**2) * after * error + eta * after * z[:, less]
        spread = np.sqrt(after**2 - (eta_b * ratio[more]) ** 2)
        moved[:, more] = eta_b * target[more] + (1 - eta_b) * d[:, more] + spread * z[:, more]
        x = moved
    return x


def snips(denoised, rng, m, start, sigmas, steps_per_level, step_lr):
    """Algorithm 1 of Kawar et al. 2021 (arXiv 2105.14951)."""
    x = start
    known = m.s > 0
    for sigma in sigmas:
        noisy, clear = known & (m.s * sigma > m.std), known & (m.s * sigma < m.std)
        step = np.full_like(m.s, sigma**2)
        step[noisy] -= (m.std / m.s[noisy]) ** 2
        step[clear] *= 1 - (m.s[clear] * sigma / m.std) ** 2
        step *= step_lr / sigmas[-1] ** 2
        scale = np.zeros_like(m.s)
        scale[noisy | clear] = m.s[noisy | clear] / np.abs(m.s**2 * sigma**2 - m.std**2)[noisy | clear]
        for _ in range(steps_per_level):
            score = (denoised(x, sigma) - x) / sigma**2
            gradient = scale * (m.y - m.s * x) + np.where(noisy, 0, score)
            x = x + step * gradient + np.sqrt(2 * step) * rng.standard_normal(x.shape)
    return x


class Posterior(Peer):
    def draw(self, method, rows, values, std, shape, chains, seed, threads, settings):
        """Draws chains given y = rows x + noise, and returns them one after the other."""
        self.threads(threads)
        rng, m = np.random.default_rng(seed), Measured(rows, values, std)

        def denoised(coordinates, sigma):
            x = (coordinates @ m.vt).reshape(chains, *shape).astype(np.float32)
            score = self.score(x, np.full(chains, sigma, np.float32))
            return (x.astype(np.float64) + sigma**2 * score.astype(np.float64)).reshape(chains, -1) @ m.vt.T

        if method == "ddrm":
            x = ddrm(denoised, rng, m, chains, **settings)
        else:
            start = settings["sigmas"][0] * rng.standard_normal((chains, m.s.size))
            x = snips(denoised, rng, m, start, **settings)
        return {"x": (x @ m.vt).reshape(-1).tolist()}


if __name__ == "__main__":
    lines.serve(Posterior())
