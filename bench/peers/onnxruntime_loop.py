"""Samples a model in Python by ONNX Runtime: the same graph as the server's, noise by numpy, one call a step."""

import numpy as np
import onnxruntime as ort

import lines


def open_session(path, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def anneal(session, rng, chains, shape, sigmas, steps_per_level, step_lr, low, high):
    x = rng.uniform(low, high, (chains, *shape)).astype(np.float32)
    for sigma in sigmas:
        level = np.full(chains, sigma, np.float32)
        a = np.float32(step_lr * (sigma / sigmas[-1]) ** 2)
        c = np.sqrt(2 * a)
        for _ in range(steps_per_level):
            (score,) = session.run(["score"], {"x": x, "sigma": level})
            x = x + a * score + c * rng.standard_normal(x.shape, np.float32)
    return x


class Peer:
    def __init__(self):
        self.sessions = {}
        self.rng = np.random.default_rng(1)

    def load(self, path):
        self.path = path
        self.threads(1)

    def threads(self, n):
        key = self.path, n
        if key not in self.sessions:
            self.sessions = {key: open_session(*key)}  # an idle pool of threads would spin beside a busy one
        self.session = self.sessions[key]

    def score(self, x, sigma):
        return self.session.run(["score"], {"x": x, "sigma": sigma})[0]

    def anneal(self, **schedule):
        return anneal(self.session, self.rng, **schedule)

    def product(self, size):
        if not hasattr(self, "x"):
            self.x = self.rng.uniform(-1, 1, (size, size)).astype(np.float32)
        return self.session.run(["score"], {"x": self.x})

    def describe(self):
        return f"onnxruntime {ort.__version__}, numpy {np.__version__}"


if __name__ == "__main__":
    lines.serve(Peer())
