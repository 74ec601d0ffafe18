"""Calls a running server with Triton's own Python client for HTTP: inspect, infer in every form, and be refused.

usage: http_check.py HOST:PORT MODEL
"""

import importlib.metadata
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

N, SEED = 100, 7


def tensor(name, value, datatype, binary=True):
    t = triton.InferInput(name, list(value.shape), datatype)
    t.set_data_from_numpy(value, binary_data=binary)
    return t


def count(n, binary=True):
    return tensor("num_samples", np.array([n], dtype=np.int64), "INT64", binary)


def refused(call, *words):
    try:
        call()
    except InferenceServerException as e:
        assert all(w in e.message() for w in words), e.message()
        return
    raise AssertionError(f"not refused: want {words}")


def inspect(client, model):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    server = client.get_server_metadata()
    assert server["name"] == "langevin" and "binary_tensor_data" in server["extensions"]
    metadata = client.get_model_metadata(model)
    outputs = {o["name"]: (o["datatype"], o["shape"]) for o in metadata["outputs"]}
    assert outputs["samples"][0] == "FP32" and {i["name"] for i in metadata["inputs"]} == {"num_samples", "init"}
    return outputs["samples"][1][1:]


def infer(client, model, shape):
    result = client.infer(model, [count(N)], request_id="a1", parameters={"seed": SEED})
    x = result.as_numpy("samples")
    assert x.shape == (N, *shape) and np.isfinite(x).all() and result.get_response()["id"] == "a1"
    assert result.get_response()["parameters"]["seed"] == SEED
    for binary_in in (True, False):
        for binary_out in (True, False):
            outputs = [triton.InferRequestedOutput("samples", binary_data=binary_out)]
            again = client.infer(model, [count(N, binary_in)], outputs=outputs, parameters={"seed": SEED})
            assert (again.as_numpy("samples") == x).all(), (binary_in, binary_out)
    for method in ("gzip", "deflate"):
        again = client.infer(model, [count(N)], parameters={"seed": SEED}, request_compression_algorithm=method,
                             response_compression_algorithm=method)
        assert (again.as_numpy("samples") == x).all(), method
    return x


def score(client, model, x):
    sigma = np.full([len(x)], 0.5, dtype=np.float32)
    inputs = [tensor("x", x, "FP32"), tensor("sigma", sigma, "FP32")]
    s = client.infer(model + ".score", inputs).as_numpy("score")
    inputs = [tensor("x", x, "FP32", False), tensor("sigma", sigma, "FP32")]  # one of them in the JSON
    again = client.infer(model + ".score", inputs).as_numpy("score")
    assert s.shape == x.shape and np.isfinite(s).all() and (s == again).all()


def main():
    address, model = sys.argv[1:]
    client = triton.InferenceServerClient(address)
    shape = inspect(client, model)
    x = infer(client, model, shape)
    score(client, model, x[:10])
    assert not client.is_model_ready("nobody")
    refused(lambda: client.infer("nobody", [count(1)]), "nobody")
    refused(lambda: client.infer(model, [count(1)], parameters={"strides": 3}), "strides", "stream_every")
    refused(lambda: client.infer(model, [tensor("init", np.zeros((2, 99), np.float32), "FP32")]), "init", "99")
    refused(lambda: client.infer(model, [count(0)]), "1 to")
    client.close()
    version = importlib.metadata.version("tritonclient")
    print(f"ok  tritonclient {version} over HTTP: {N} samples of {model} in 7 forms, 5 refusals")


if __name__ == "__main__":
    main()
