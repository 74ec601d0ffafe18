"""Samples a model in Python with ONNX Runtime: the server's graph, noise from numpy, one call per step."""

import threading
import time

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
            self.sessions = {key: open_session(*key)}  # the idle thread pool of another session would spin
        self.session = self.sessions[key]

    def score(self, x, sigma):
        return self.session.run(["score"], {"x": x, "sigma": sigma})[0]

    def anneal(self, **schedule):
        return anneal(self.session, self.rng, **schedule)

    def products(self, size, threads, repeat):
        """Multiplies in several threads at once, each with its own session, to measure what the machine can do."""
        x = self.rng.uniform(-1, 1, (size, size)).astype(np.float32)
        sessions = [open_session(self.path, 1) for _ in range(threads)]
        start = threading.Barrier(threads + 1)

        def work(session):
            session.run(["score"], {"x": x})  # allocates its buffers
            start.wait()
            for _ in range(repeat):
                session.run(["score"], {"x": x})

        workers = [threading.Thread(target=work, args=(session,)) for session in sessions]
        for worker in workers:
            worker.start()
        start.wait()
        began = time.perf_counter()
        for worker in workers:
            worker.join()
        return {"seconds": time.perf_counter() - began}

    def describe(self):
        return f"onnxruntime {ort.__version__}, numpy {np.__version__}"


if __name__ == "__main__":
    lines.serve(Peer())
