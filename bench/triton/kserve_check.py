"""Drive a running server with KServe's own Python clients: inspect, infer in every form, and be refused.

usage: kserve_check.py HOST:PORT MODEL URL
"""

import asyncio
import importlib.metadata
import logging
import sys

import grpc
import httpx
import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

N, SEED = 100, 7


def tensor(name, value, datatype, binary=True):
    t = InferInput(name, list(value.shape), datatype)
    t.set_data_from_numpy(value, binary_data=binary)
    return t


def count(n, binary=True):
    return tensor("num_samples", np.array([n], dtype=np.int64), "INT64", binary)


async def refused(call, *words):
    try:
        await call
    except grpc.RpcError as e:
        assert e.code() == grpc.StatusCode.INVALID_ARGUMENT, e.code()
        assert all(w in e.details() for w in words), e.details()
        return
    raise AssertionError(f"not refused: want {words}")


async def drive(client, model):
    assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready(model)

    def ask(inputs, name=model, **more):
        return client.infer(InferRequest(name, inputs, **more))

    answer = await ask([count(N)], request_id="a1", parameters={"seed": SEED})
    x = answer.outputs[0].as_numpy()
    assert answer.id == "a1" and x.shape[0] == N and np.isfinite(x).all()
    typed = await ask([count(N, binary=False)], parameters={"seed": SEED})
    assert (typed.outputs[0].as_numpy() == x).all(), "typed contents gave other samples than raw ones"
    wanted = RequestedOutput("samples", {"binary_data": True})
    again = await ask([count(N)], parameters={"seed": SEED, "binary_data_output": True}, request_outputs=[wanted])
    assert (again.outputs[0].as_numpy() == x).all(), "the same seed gave other samples"
    sigma = np.full([N], 0.5, dtype=np.float32)
    score = await ask([tensor("x", x, "FP32"), tensor("sigma", sigma, "FP32")], name=model + ".score")
    assert score.outputs[0].as_numpy().shape == x.shape
    shared = count(1)
    shared.parameters["shared_memory_region"] = "region"
    await refused(ask([shared]), "inputs[0].parameters.shared_memory_region", "send the contents")
    await refused(ask([count(1)], parameters={"sequence_id": 4}), "sequence_id is 4", "there are no sequences")
    await refused(ask([count(0)]), "1 to")
    return x


async def drive_rest(client, url, model, x):
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, model) and not await client.is_model_ready(url, "nobody")

    def ask(inputs, name=model, **more):
        return client.infer(url, InferRequest(name, inputs, **more), model_name=name)

    for binary in (True, False):
        for parameters in ({}, {"binary_data_output": True}):
            answer = await ask([count(N, binary)], parameters={"seed": SEED, **parameters})
            assert (answer.outputs[0].as_numpy() == x).all(), "REST gave other samples than gRPC"
    sigma = np.full([N], 0.5, dtype=np.float32)
    score = await ask([tensor("x", x, "FP32"), tensor("sigma", sigma, "FP32", False)], name=model + ".score")
    assert score.outputs[0].as_numpy().shape == x.shape
    try:
        await ask([count(0)])
    except httpx.HTTPStatusError as e:
        assert e.response.status_code == 400 and "1 to" in str(e), e
        return
    raise AssertionError("not refused")


async def main():
    logging.getLogger("kserve.trace").disabled = True  # it logs every refusal with its stack
    address, model, url = sys.argv[1:]
    async with InferenceGRPCClient(address) as client:
        x = await drive(client, model)
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        await drive_rest(client, url, model, x)
    print(f"ok  kserve {importlib.metadata.version('kserve')}: {N} samples of {model}, typed and raw, over gRPC and "
          "REST, 4 refusals")


if __name__ == "__main__":
    asyncio.run(main())
