"""Rows of tables: in the units of their columns, with words and gaps, and as the numbers that the API has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from langevin.arrays import Floats

Value: TypeAlias = str | int | float
Rows: TypeAlias = npt.NDArray[Any] | Sequence[Sequence[Any]] | Sequence[Mapping[str, Any]]

_SHOWN = 20  # words that an error lists


@dataclass(frozen=True)
class Column:
    """A column of a table. ``kind`` is number, integer, category or constant.

    Samples have the indices of the ``words`` of a category or a constant, and numbers of ``values`` if it has none.
    """

    name: str
    kind: str
    unit: str
    decimals: int
    words: tuple[str, ...]
    values: tuple[float, ...]

    def value(self, x: float) -> Value:
        """Returns what a number of a sample stands for: a word, or the shortest number with the same float32."""
        if self.words and 0 <= x < len(self.words):
            return self.words[int(x)]
        number = float(str(np.float32(x)))
        return int(number) if self.kind == "integer" and number.is_integer() else number

    def number(self, value: Any) -> float:
        """Returns the number of a sample that stands for a value, as value returns it.

        The case of a word may differ if only one word is like it. The number of a word stands for itself.
        """
        if self.words and isinstance(value, str | bool | np.bool_):
            return float(self._index(str(value)))
        try:
            if not isinstance(value, str):
                return float(value)
        except TypeError:
            pass
        raise ValueError(f"{value!r}: want a number")

    def _index(self, word: str) -> int:
        if word in self.words:
            return self.words.index(word)
        alike = [i for i, w in enumerate(self.words) if w.casefold() == word.casefold()]
        if len(alike) != 1:
            more = f" or one of {len(self.words) - _SHOWN} more" if len(self.words) > _SHOWN else ""
            raise ValueError(f"{word!r}: want {' or '.join(map(repr, self.words[:_SHOWN]))}{more}")
        return alike[0]


def in_words(columns: Sequence[Column], x: Floats) -> list[dict[str, Value]]:
    """Returns rows of numbers with a value for the name of each column."""
    return [{c.name: c.value(v) for c, v in zip(columns, row, strict=True)} for row in x]


def by_column(columns: Sequence[Column], x: Floats) -> dict[str, list[Value]]:
    """Returns the values of each column by its name."""
    rows = in_words(columns, x)
    return {c.name: [row[c.name] for row in rows] for c in columns}


def read(columns: Sequence[Column], rows: Rows) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns the numbers of rows, and which are known. The others, None or NaN in rows or not in them, are 0."""
    x = np.zeros((len(rows), len(columns)), dtype=np.float32)
    known = np.zeros(x.shape, dtype=bool)
    for i, row in enumerate(rows):
        for j, (column, value) in enumerate(zip(columns, _values(columns, i, row), strict=True)):
            if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
                continue
            try:
                x[i, j], known[i, j] = column.number(value), True
            except ValueError as error:
                raise ValueError(f"row {i}: column {column.name!r} is {error}") from None
    return x, known


def _values(columns: Sequence[Column], i: int, row: Any) -> list[Any]:
    """Returns the values of row i in the order of the columns."""
    names = [c.name for c in columns]
    if isinstance(row, Mapping):
        if unknown := [name for name in row if name not in names]:
            raise ValueError(f"row {i} has a column {unknown[0]!r}: want {', '.join(map(repr, names))}")
        return [row.get(name) for name in names]
    values = list(row)
    if len(values) != len(names):
        raise ValueError(f"row {i} has {len(values)} values: want {len(names)}, for {', '.join(map(repr, names))}")
    return values
