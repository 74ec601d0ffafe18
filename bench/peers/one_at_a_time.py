"""Serves langevin.v1 as a simple Python server would: every request is one batch, and requests run one by one.

    one_at_a_time.py MODEL.onnx MANIFEST.json THREADS

Prints its port. It only supports annealed Langevin dynamics and sends no progress."""

import concurrent.futures
import json
import os
import pathlib
import sys
import tempfile

import grpc
import numpy as np
from grpc_tools import protoc

from onnxruntime_loop import anneal, open_session

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stubs():
    """Generates the protocol's Python modules and imports them."""
    import grpc_tools

    out = tempfile.mkdtemp(prefix="langevin-bench-")
    rules = ROOT / "third_party" / "protovalidate"
    api = sorted((ROOT / "proto" / "langevin" / "v1").glob("*.proto")) + [rules / "buf" / "validate" / "validate.proto"]
    well_known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    folders = [f"-I{ROOT / 'proto'}", f"-I{rules}", f"-I{well_known}"]
    arguments = ["protoc", *folders, f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(arguments + [str(path) for path in api]) != 0:
        sys.exit("one_at_a_time: the API does not compile")
    sys.path.insert(0, out)
    from langevin.v1 import sampling_service_pb2, sampling_service_pb2_grpc

    return sampling_service_pb2, sampling_service_pb2_grpc


pb, rpc = stubs()


class Sampling(rpc.SamplingServiceServicer):
    def __init__(self, session, manifest):
        self.session = session
        self.manifest = manifest

    def Sample(self, request, context):
        m = self.manifest
        n = request.n or 1
        given = request.annealed_langevin
        sigmas = list(given.sigmas) or m["sigmas"]
        steps_per_level = given.steps_per_level or m["sampler"]["steps_per_level"]
        steps = steps_per_level * len(sigmas)
        started = pb.Started(
            model=m["name"], version=1, digest="-", n=n, seed=request.seed, shape=m["shape"], steps=steps
        )
        yield pb.SampleResponse(started=started)
        x = anneal(
            self.session, np.random.default_rng(request.seed), n, m["shape"], sigmas, steps_per_level,
            m["sampler"]["step_lr"], m["prior"]["low"], m["prior"]["high"],
        )
        chunk = pb.Chunk(first_chain=request.first_chain)
        chunk.tensor.shape.extend(x.shape)
        chunk.tensor.data = x.tobytes()
        yield pb.SampleResponse(chunk=chunk)
        yield pb.SampleResponse(done=pb.Done(n=n, nfe=n * steps))


def main(model, manifest, threads):
    with open(manifest) as file:
        service = Sampling(open_session(model, int(threads)), json.load(file))
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=1))
    rpc.add_SamplingServiceServicer_to_server(service, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
