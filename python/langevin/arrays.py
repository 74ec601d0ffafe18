"""Conversion between numpy arrays and the tensors of the API."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from langevin import api

Floats: TypeAlias = npt.NDArray[np.float32]

_Given = api.message("Given")
_Tensor = api.message("Tensor")


def tensor(rows: npt.ArrayLike) -> Any:
    """Returns a tensor with one row for each element of the first axis."""
    values = np.asarray(rows, dtype="<f4")
    if values.ndim < 2:
        raise ValueError(f"rows must have at least 2 axes, the first of which counts them: the shape is {values.shape}")
    return _Tensor(shape=values.shape, data=values.tobytes())


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
