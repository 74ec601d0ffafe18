"""What calls return."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from langevin.arrays import Floats


@dataclass(frozen=True)
class Started:
    """The first event of a call: what will be drawn, with every default filled in.

    ``settings`` is the event in the JSON form of the API. It has all that repeats the samples.
    """

    model: str
    version: int
    digest: str
    n: int
    seed: int
    first_chain: int
    shape: tuple[int, ...]
    steps: int
    approximate: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far a call is. ``remaining`` is the estimate of the seconds left, or None while there is none."""

    steps_done: int
    steps_total: int
    chains_done: int
    sigma: float
    elapsed: float
    remaining: float | None


@dataclass(frozen=True)
class Preview:
    """The states of the chains from ``first_chain`` on after ``step`` steps, one row each."""

    step: int
    sigma: float
    first_chain: int
    x: Floats


@dataclass(frozen=True)
class Chunk:
    """Samples, one row each, of the chains from ``first_chain`` on. Chunks come in order and without gaps."""

    first_chain: int
    x: Floats


@dataclass(frozen=True)
class Done:
    """The last event: the evaluations of the network, over all chains, and the seconds that the call took."""

    n: int
    evaluations: int
    elapsed: float


Event: TypeAlias = Started | Progress | Preview | Chunk | Done


@dataclass(frozen=True)
class Samples:
    """Samples, one row each, and what repeats them. numpy takes it as an array."""

    x: Floats
    started: Started

    @property
    def seed(self) -> int:
        """The seed of all noise: the same model, settings and seed give the same samples."""
        return self.started.seed

    def __len__(self) -> int:
        return len(self.x)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.x, dtype=dtype) if copy else np.asarray(self.x, dtype=dtype)


@dataclass(frozen=True)
class Model:
    """A model of the server. ``classes`` are the names or numbers of the classes that samples may be given.

    ``description`` is the model in the JSON form of the API.
    """

    name: str
    version: int
    ready: bool
    error: str
    digest: str
    shape: tuple[int, ...]
    sigmas: tuple[float, ...]
    classes: tuple[str, ...]
    description: Mapping[str, Any]
