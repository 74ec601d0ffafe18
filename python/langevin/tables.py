"""Rows of tables: in the units of their columns, with words and gaps, and as the numbers that the API has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from langevin.arrays import Doubles, Floats

Value: TypeAlias = str | int | float
Rows: TypeAlias = Any  # an array, an iterable of sequences or dictionaries, a pandas.DataFrame, or one dictionary

_Word: TypeAlias = str | bool | np.bool_
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

    def value(self, x: float, *, given: bool = False) -> Value:
        """Returns what a number of a sample stands for: a word, or the shortest number with the same float32.

        A number that was ``given`` stands for itself. Whole integers, categories and constants are of type int.
        """
        if self.words and 0 <= x < len(self.words):
            return self.words[int(x)]
        number = (float(x) if given else float(str(np.float32(x)))) + 0.0  # which is 0 and not -0
        return int(number) if self.kind != "number" and number.is_integer() else number

    def number(self, value: Any) -> float:
        """Returns the number of a sample that stands for a value, as value returns it.

        The case of a word may differ if only one word is like it. The number of a word stands for itself.
        """
        if self.words and isinstance(value, _Word):
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


def in_words(
    columns: Sequence[Column], x: Floats | Doubles, given: npt.NDArray[np.bool_] | None = None
) -> list[dict[str, Value]]:
    """Returns rows of numbers with a value for the name of each column. ``given`` says which numbers were given."""
    mask = np.zeros(x.shape, dtype=bool) if given is None else given
    return [
        {c.name: c.value(v, given=bool(g)) for c, v, g in zip(columns, row, known, strict=True)}
        for row, known in zip(x, mask, strict=True)
    ]


def by_column(
    columns: Sequence[Column], x: Floats | Doubles, given: npt.NDArray[np.bool_] | None = None
) -> dict[str, list[Value]]:
    """Returns the values of each column by its name. ``given`` says which numbers were given."""
    rows = in_words(columns, x, given)
    return {c.name: [row[c.name] for row in rows] for c in columns}


def rows_of(rows: Rows) -> list[Any] | npt.NDArray[Any]:
    """Returns the rows of anything that has some: an array, an iterable, a pandas.DataFrame, or one dictionary."""
    if isinstance(rows, Mapping):
        return [rows]
    if getattr(rows, "ndim", 0) == 2 and hasattr(rows, "to_dict"):  # a pandas.DataFrame
        return list(rows.to_dict("records"))
    if hasattr(rows, "__array__"):
        return np.asarray(rows)
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise ValueError(f"rows are {rows!r}: want an array, a list of rows, a pandas.DataFrame or a dictionary")
    return list(rows)


def in_units(rows: Iterable[Any]) -> bool:
    """Reports whether rows can only be those of a table: dictionaries, or with words or gaps that are no numbers."""
    return any(
        isinstance(row, Mapping)
        or (isinstance(row, list | tuple | np.ndarray) and any(isinstance(v, _Word) or _is_gap(v) for v in row))
        for row in rows
    )


def read(columns: Sequence[Column], rows: Iterable[Any]) -> tuple[Doubles, npt.NDArray[np.bool_]]:
    """Returns the numbers of rows, and which are known. The others, gaps or not in the rows, are 0."""
    all_rows = list(rows)
    x = np.zeros((len(all_rows), len(columns)))
    known = np.zeros(x.shape, dtype=bool)
    for i, row in enumerate(all_rows):
        for j, (column, value) in enumerate(zip(columns, _values(columns, i, row), strict=True)):
            if _is_gap(value) or (isinstance(value, float | np.floating) and np.isnan(value)):
                continue
            try:
                x[i, j], known[i, j] = column.number(value) + 0.0, True
            except ValueError as error:
                raise ValueError(f"row {i}: column {column.name!r} is {error}") from None
    return x, known


def read_whole(columns: Sequence[Column], rows: Iterable[Any]) -> Doubles:
    """Returns the numbers of rows without gaps."""
    x, known = read(columns, rows)
    if not known.all():
        i, j = np.argwhere(~known)[0]
        raise ValueError(f"row {i}: column {columns[j].name!r} is missing: want a value, which impute draws")
    return x


def _is_gap(value: Any) -> bool:
    """Reports whether a value is None, or is missing in pandas: NA or NaT."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _values(columns: Sequence[Column], i: int, row: Any) -> list[Any]:
    """Returns the values of row i in the order of the columns."""
    names = [c.name for c in columns]
    if isinstance(row, Mapping):
        if unknown := [name for name in row if name not in names]:
            raise ValueError(f"row {i} has a column {unknown[0]!r}: want {', '.join(map(repr, names))}")
        return [row.get(name) for name in names]
    if isinstance(row, str) or not isinstance(row, Iterable):
        raise ValueError(f"row {i} is {row!r}: want a dictionary, or a value for each of {', '.join(map(repr, names))}")
    values = list(row)
    if len(values) != len(names):
        raise ValueError(f"row {i} has {len(values)} values: want {len(names)}, for {', '.join(map(repr, names))}")
    return values
