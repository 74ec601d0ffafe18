"""Calls a running server with Triton's own Python client: list, inspect, infer, stream, and be refused.

usage: check.py HOST:PORT MODEL
"""

import importlib.metadata
import queue
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

N, SEED = 1000, 7


def tensor(name, value, datatype):
    t = triton.InferInput(name, list(value.shape), datatype)
    t.set_data_from_numpy(value)
    return t


def count(n):
    return tensor("num_samples", np.array([n], dtype=np.int64), "INT64")


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
    assert server.name == "langevin" and "model_stream_infer" in server.extensions
    index = {m.name: m.state for m in client.get_model_repository_index().models}
    assert index[model] == "READY" and index[model + ".score"] == "READY", index
    metadata = client.get_model_metadata(model)
    outputs = {o.name: (o.datatype, list(o.shape)) for o in metadata.outputs}
    shape = outputs["samples"][1][1:]
    assert outputs["samples"][0] == "FP32" and {i.name for i in metadata.inputs} == {"num_samples", "init"}
    config = client.get_model_config(model).config
    assert config.name == model and all(i.optional for i in config.input)
    assert config.model_transaction_policy.decoupled
    return shape


def infer(client, model, shape):
    result = client.infer(model, [count(N)], request_id="a1", parameters={"seed": SEED})
    x = result.as_numpy("samples")
    response = result.get_response()
    assert x.shape == (N, *shape) and np.isfinite(x).all() and response.id == "a1"
    assert response.parameters["seed"].uint64_param == SEED
    again = client.infer(model, [count(N)], parameters={"seed": SEED}).as_numpy("samples")
    assert (x == again).all(), "the same seed gave other samples"
    return x


def score(client, model, x):
    sigma = np.full([len(x)], 0.5, dtype=np.float32)
    s = client.infer(model + ".score", [tensor("x", x, "FP32"), tensor("sigma", sigma, "FP32")]).as_numpy("score")
    assert s.shape == x.shape and np.isfinite(s).all()


def stream(client, model, x):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    client.async_stream_infer(model, [count(N)], request_id="b2", parameters={"seed": SEED, "stream_every": 100},
                              enable_empty_final_response=True)
    previews, parts, final = 0, [], False
    while not final:
        result, error = answers.get(timeout=60)
        assert error is None, error
        response = result.get_response()
        assert response.id == "b2"
        final = response.parameters["triton_final_response"].bool_param
        if response.parameters["kind"].string_param == "preview":
            previews += 1
        else:
            parts.append(result.as_numpy("samples"))
    assert previews >= 2 and (np.concatenate(parts) == x).all(), "the stream gave other samples than the call"
    client.async_stream_infer(model, [count(-1)])  # an error in the stream, which continues
    result, error = answers.get(timeout=60)
    assert result is None and "1 to" in error.message(), error
    client.async_stream_infer(model, [count(3)])
    result, error = answers.get(timeout=60)
    assert error is None and result.as_numpy("samples").shape[0] == 3
    client.stop_stream()
    return previews


def main():
    address, model = sys.argv[1:]
    client = triton.InferenceServerClient(address)
    shape = inspect(client, model)
    x = infer(client, model, shape)
    score(client, model, x[:10])
    previews = stream(client, model, x)
    refused(lambda: client.infer("nobody", [count(1)]), "nobody")
    refused(lambda: client.infer(model, [count(1)], parameters={"strides": 3}), "strides", "stream_every")
    refused(lambda: client.infer(model, [tensor("init", np.zeros((2, 99), np.float32), "FP32")]), "init", "99")
    done = client.get_inference_statistics(model).model_stats[0].inference_stats
    assert done.success.count >= 4 and done.fail.count >= 3, done
    client.unload_model(model)
    refused(lambda: client.infer(model, [count(1)]), model)
    client.load_model(model)
    assert (client.infer(model, [count(N)], parameters={"seed": SEED}).as_numpy("samples") == x).all()
    refused(lambda: client.load_model(model, config="{}"), "config")
    client.close()
    version = importlib.metadata.version("tritonclient")
    print(f"ok  tritonclient {version}: {N} samples of {model}, {previews} previews, {done.fail.count} refusals")


if __name__ == "__main__":
    main()
