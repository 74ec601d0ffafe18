"""Samples a model in Python with OpenVINO: the server's graph, noise from numpy, one call per step.

    openvino_loop.py f32|bf16"""

import sys

import numpy as np
import openvino

import lines
import onnxruntime_loop


class Session:
    """Evaluates a model for one number of rows, which OpenVINO's compiler knows."""

    def __init__(self, core, path, rows, threads, precision):
        model = core.read_model(path)
        model.reshape({port.any_name: [rows, *list(port.partial_shape)[1:]] for port in model.inputs})
        compiled = core.compile_model(
            model, "CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1}
        )
        self.request = compiled.create_infer_request()

    def run(self, _, inputs):
        return [self.request.infer(inputs, share_inputs=True)[0]]


class Peer:
    def __init__(self, precision):
        self.core = openvino.Core()
        self.precision = precision
        self.key, self.count = None, 1
        self.rng = np.random.default_rng(1)

    def load(self, path):
        self.path = path

    def threads(self, n):
        self.count = n

    def session(self, rows):
        key = self.path, rows, self.count
        if key != self.key:
            self.key, self.kept = key, Session(self.core, *key, self.precision)
        return self.kept

    def score(self, x, sigma):
        return self.session(len(x)).run(None, {"x": x, "sigma": sigma})[0]

    def anneal(self, chains, **schedule):
        return onnxruntime_loop.anneal(self.session(chains), self.rng, chains, **schedule)

    def warm(self, chains, **schedule):
        """Compiles the network for this number of rows."""
        self.session(chains)

    def describe(self):
        return f"OpenVINO {openvino.__version__.split('-')[0]}, {self.precision}"


if __name__ == "__main__":
    lines.serve(Peer(*sys.argv[1:]))
