"""Draws samples of a model by the loop of the official NCSN code, in Python with ONNX Runtime, and writes them."""

import time

import numpy as np

import lines
from onnxruntime_loop import Peer, anneal


class Ncsn(Peer):
    def draw(self, settings, chains, shape, seed, threads, out):
        """Anneals, and ends with the noise-free step, as NCSNv2 does."""
        self.threads(threads)
        sigmas = settings["sigmas"]
        began = time.perf_counter()
        x = anneal(self.session, np.random.default_rng(seed), chains, shape, **settings)
        level = np.full(chains, sigmas[-1], np.float32)
        x = x + np.float32(sigmas[-1] ** 2) * self.score(x, level)
        seconds = time.perf_counter() - began
        np.save(out, x.astype(np.float32))
        return {"seconds": seconds, "evaluations": len(sigmas) * settings["steps_per_level"] + 1}


if __name__ == "__main__":
    lines.serve(Ncsn())
