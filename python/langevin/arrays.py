"""Conversion between numpy arrays and the tensors of the API."""

import base64
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from langevin import api

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]

_Given = api.message("Given")
_Tensor = api.message("Tensor")


def tensor(rows: npt.ArrayLike) -> Any:
    """Returns a tensor with one row for each element of the first axis."""
    values = np.asarray(rows, dtype="<f4")
    if values.ndim < 2:
        raise ValueError(f"rows must have at least 2 axes, the first of which counts them: the shape is {values.shape}")
    return _Tensor(shape=values.shape, data=values.tobytes())


def plain(value: Any, of: Any) -> Any:
    """Returns a value of a field in the JSON form of the API, in which arrays may be lists or numpy arrays.

    ``of`` is the descriptor of the field's message, or None. Numbers that are not finite become words, so that it is
    the server that judges them.
    """
    if of is not None and of.full_name == _Tensor.DESCRIPTOR.full_name and not isinstance(value, Mapping):
        numbers = np.asarray(value, dtype="<f4")
        data = base64.b64encode(numbers.tobytes()).decode()
        return {"data": data, "shape": list(numbers.shape)} if numbers.ndim > 1 else {"data": data}
    if isinstance(value, Mapping):
        return {key: _field(v, of, key) for key, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v, of) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value


def _field(value: Any, message: Any, name: str) -> Any:
    """Returns the value of a field of a message as plain does. Masks may have any shape, and 0 and 1."""
    fields = () if message is None else message.fields
    field = next((f for f in fields if name in (f.name, f.json_name)), None)
    if field is not None and field.type == field.TYPE_BOOL and isinstance(value, np.ndarray | list | tuple):
        marks = np.asarray(value)
        if marks.dtype.kind in "biu" and np.isin(marks, (0, 1)).all():
            return marks.astype(bool).ravel().tolist()
    return plain(value, None if field is None else field.message_type)


def array(tensor: Any) -> Floats:
    """Returns the elements of a tensor, in its shape. The array can be written to."""
    return np.frombuffer(bytearray(tensor.data), dtype="<f4").reshape(tuple(tensor.shape))


def condition(given: Any) -> Any:
    """Returns one condition: a class by its number or name, a vector of numbers, or none."""
    if given is None:
        return _Given()
    if isinstance(given, str):
        return _Given(class_name=given)
    values = np.asarray(given)
    if values.ndim == 0 and np.issubdtype(values.dtype, np.integer):
        return _Given(**{"class": int(values)})
    if values.ndim == 1 and np.issubdtype(values.dtype, np.number):
        return _Given(vector={"values": values.astype(float).tolist()})
    raise ValueError(f"a condition must be a class (int or str) or a vector (1 axis of numbers): {given!r}")


def conditions(given: Any) -> list[Any]:
    """Returns one condition for all chains, or one for each: a list of classes, or the rows of a matrix."""
    if isinstance(given, np.ndarray) and (given.ndim == 2 or (given.ndim == 1 and given.dtype.kind in "iuU")):
        return [condition(c.item() if c.ndim == 0 else c) for c in given]
    if isinstance(given, (list, tuple)) and not all(isinstance(c, (float, np.floating)) for c in given):
        return [condition(c) for c in given]
    return [condition(given)]
