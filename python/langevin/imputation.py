"""Filling in what is missing in rows of a table."""

import random
from collections.abc import Callable
from concurrent import futures
from typing import Any

import numpy as np

from langevin import api, tables
from langevin.events import Imputed, Model, Samples, same_call

_ROWS_AT_ONCE = 8


def impute(
    sample: Callable[[Any], Samples], model: Model, rows: tables.Rows, draws: int, seed: int | None, particles: int
) -> Imputed:
    """Returns what Client.impute does. ``sample`` makes a call of Sample."""
    columns = model.table()
    if draws < 1:
        raise ValueError(f"draws is {draws}: want at least 1")
    x, known = tables.read(columns, tables.rows_of(rows))
    told = known & np.array([c.kind != "constant" for c in columns])
    seed = random.getrandbits(64) if seed is None else seed

    def fill(i: int) -> Samples:
        """Draws row i by its own chains, so that no row depends on the others."""
        request = api.message("SampleRequest")(
            model=model.name, version=model.version, n=draws, seed=seed, first_chain=i * draws
        )
        if told[i].any():
            request.measurement.mask.seen.extend(told[i].tolist())
            request.measurement.values.values.extend(x[i, told[i]].tolist())
            request.measurement.particles.count = particles
        return sample(request)

    filled = np.repeat(x[np.newaxis], draws, axis=0)
    started, collapsed = None, 0
    gaps = np.flatnonzero(~known.all(axis=1)).tolist()
    with futures.ThreadPoolExecutor(_ROWS_AT_ONCE) as pool:
        try:
            for i, samples in zip(gaps, pool.map(fill, gaps), strict=True):
                started = same_call(started, samples.started)
                filled[:, i] = np.where(known[i], x[i], samples.x)
                collapsed += samples.collapsed
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Imputed(filled, known, columns, seed, collapsed)
