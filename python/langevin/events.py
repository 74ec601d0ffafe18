"""What calls return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from langevin import tables
from langevin.arrays import Doubles, Floats
from langevin.errors import LangevinError
from langevin.tables import Column, Value


def _none() -> Doubles:
    return np.empty(0)


class CollapsedWarning(UserWarning):
    """The weights of particles collapsed: together the samples do not represent the posterior."""


@dataclass(frozen=True)
class Started:
    """The first event of a call: what will be drawn, with every default filled in.

    ``settings`` is the event in the JSON form of the API. It has all that repeats the samples. ``approximate`` says
    that samples only approximate what was asked for, such as the posterior. ``columns`` are those of a table.
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
    columns: tuple[Column, ...] = ()


def same_call(before: Started | None, now: Started) -> Started:
    """Returns the first event of what takes several calls. All samples must be of one model file and engine."""
    if before is None:
        return now
    if (before.digest, before.settings.get("engine")) != (now.digest, now.settings.get("engine")):
        raise LangevinError(f"the server has another file or engine of {before.model} now", code="ABORTED")
    return before


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
    """Samples, one row each, of the chains from ``first_chain`` on. Chunks come in order and without gaps.

    ``effective_sizes`` and ``log_evidences`` have a number for each of them if they have particles, as in Samples.
    """

    first_chain: int
    x: Floats
    effective_sizes: Doubles = field(default_factory=_none)
    log_evidences: Doubles = field(default_factory=_none)


@dataclass(frozen=True)
class Done:
    """The last event: the evaluations of the network, over all chains, and the seconds that the call took.

    With particles it has the least effective size, the log evidence, and how many chains collapsed, as in Samples.
    """

    n: int
    evaluations: int
    elapsed: float
    effective_size: float | None = None
    log_evidence: float | None = None
    collapsed: int = 0


Event: TypeAlias = Started | Progress | Preview | Chunk | Done


@dataclass(frozen=True)
class Samples:
    """Samples, one row each, and what repeats them. numpy takes it as an array.

    With particles, each chain has an effective size, from 1 to the number of particles, and the logarithm of an
    estimate of the density of the measured values. Without, ``effective_sizes`` and ``log_evidences`` are empty.
    """

    x: Floats
    started: Started
    effective_sizes: Doubles = field(default_factory=_none)
    log_evidences: Doubles = field(default_factory=_none)

    @property
    def effective_size(self) -> float | None:
        """The least effective size of all chains, or None without particles. Near 1 a single particle decided."""
        return float(self.effective_sizes.min()) if len(self.effective_sizes) else None

    @property
    def log_evidence(self) -> float | None:
        """The logarithm of the mean of the chains' estimates of the measured values' density, or None."""
        if not len(self.log_evidences):
            return None
        return float(np.logaddexp.reduce(self.log_evidences) - np.log(len(self.log_evidences)))

    @property
    def collapsed(self) -> int:
        """How many chains collapsed: their effective size is below least_effective_size of the measurement."""
        least = self.started.settings.get("measurement", {}).get("least_effective_size", 0)
        return int((self.effective_sizes < least).sum())

    @property
    def approximate(self) -> bool:
        """Whether samples only approximate what was asked for, such as a posterior without particles."""
        return self.started.approximate

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of a table. Empty for other models."""
        return tuple(column.name for column in self.started.columns)

    def rows(self) -> list[dict[str, Value]]:
        """Returns the rows of a table: a value for the name of each column, with words for categories."""
        return tables.in_words(self._table(), self.x)

    def to_dict(self) -> dict[str, list[Value]]:
        """Returns the columns of a table by their names, as pandas.DataFrame takes them."""
        return tables.by_column(self._table(), self.x)

    def _table(self) -> tuple[Column, ...]:
        if not self.started.columns:
            raise ValueError(f"{self.started.model} is no model of a table: see x")
        return self.started.columns

    @property
    def seed(self) -> int:
        """The seed of all noise: the same model, settings and seed give the same samples."""
        return self.started.seed

    def __len__(self) -> int:
        return len(self.x)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.x, dtype=dtype) if copy else np.asarray(self.x, dtype=dtype)


@dataclass(frozen=True)
class Imputed:
    """Rows whose gaps were filled: ``x`` has the shape [draws, rows, columns], in the units of the ``columns``.

    ``known`` says which values of the rows were given. ``seed`` repeats the draws. ``collapsed`` counts those of them
    that had too few particles, as in Samples.
    """

    x: Doubles
    known: npt.NDArray[np.bool_]
    columns: tuple[Column, ...]
    seed: int
    collapsed: int

    def rows(self, draw: int = 0) -> list[dict[str, Value]]:
        """Returns the rows of a draw, as Samples does. Known numbers are as they were given."""
        return tables.in_words(self.columns, self.x[draw], self.known)

    def to_dict(self, draw: int = 0) -> dict[str, list[Value]]:
        """Returns the columns of a draw, as Samples does. Known numbers are as they were given."""
        return tables.by_column(self.columns, self.x[draw], self.known)


@dataclass(frozen=True)
class Model:
    """A model of the server. ``classes`` are the names or numbers of the classes that samples may be given.

    ``columns`` are those of a table. ``description`` is the model in the JSON form of the API.
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
    columns: tuple[Column, ...] = ()

    def table(self) -> tuple[Column, ...]:
        """Returns the columns of a model of a table. Other models have none, which is an error."""
        if not self.columns:
            raise ValueError(f"{self.name} is no model of a table: its samples have shape {list(self.shape)}")
        return self.columns
