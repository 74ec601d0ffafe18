"""Reads commands from standard input and answers on standard output, one JSON object per line."""

import json
import sys
import time

import numpy as np


def serve(peer):
    """Serves a peer: an object with load(path), threads(n), score(x, sigma), anneal(...) and describe().

    A peer that compiles for the arguments of anneal does so in warm(...), which is not timed."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # so that nothing else writes to the answers
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = answer_to(peer, command)
        except Exception as error:  # the other side decides what to do about it
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def answer_to(peer, command):
    match command.pop("do"):
        case "describe":
            return {"text": peer.describe()}
        case "load":
            peer.load(command["path"])
            return {}
        case "score":
            x = np.array(command["x"], np.float32).reshape(command["shape"])
            score = peer.score(x, np.array(command["sigma"], np.float32))
            return {"score": score.reshape(-1).tolist()}
        case "anneal":
            peer.threads(command.pop("threads"))
            repeat = command.pop("repeat")
            if hasattr(peer, "warm"):
                peer.warm(**command)
            return timed(repeat, lambda: peer.anneal(**command))
        case "draw":
            return peer.draw(**command)
        case "begin":
            return peer.begin(**command)
        case "train":
            return peer.train(**command)
        case "mode":
            peer.mode(**command)
            return {}
        case "product":
            return peer.product(**command)
        case "products":
            return peer.products(**command)
        case other:
            raise ValueError(f"no such command: {other}")


def timed(repeat, work):
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    return {"seconds": time.perf_counter() - start}
