"""A setting with a value for each lane, in formulas written for one number.

    lr = Column([[0.1], [0.2]])         two lanes
    1 - lr                              a column again, computed as Python computes with numbers
    lr * grad                           an array: lane k of grad, (lanes, P), times lr[k]

A formula that holds for a number holds for a column as it stands, and each lane of it is what the number alone would
have given, bit for bit: like a Python number, a column takes the dtype of an array only where it meets one, and a power
is Python's (NumPy rounds `beta**t` otherwise). Settings become columns when they are assigned (see settings.py).
"""

import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np


class Column(np.ndarray):
    """float64, (lanes, 1); inside a layer (lanes, 1, …, 1), with as many axes as a batch has with its lanes.

    Meeting an array with more axes than its own it stretches to (lanes, 1, …, 1): lanes come first in both.
    Raises ValueError where it meets an array of another number of lanes.
    """

    __array_ufunc__ = None  # type: ignore[assignment]  # an array on the left leaves the arithmetic to the operators below

    def __new__(cls, values: Any) -> "Column":
        return np.array(values, float).view(cls)

    def beside(self, array: Any) -> Any:
        """The column as an array like this one: of its dtype, as many axes, on its device."""
        if self.ndim == 2 <= array.ndim and len(array) != len(self):
            raise ValueError(f"a column of {len(self)} lanes meets an array of shape {array.shape}")
        axes = max(array.ndim, self.ndim)
        values = np.asarray(self).reshape(-1, *[1] * (axes - 1))
        dtype = array.dtype if array.dtype.kind == "f" else None
        home = sys.modules[type(array).__module__.partition(".")[0]]
        return getattr(home, "asarray", np.asarray)(values, dtype)

    def __repr__(self) -> str:
        return repr(np.asarray(self))


def power(base: Any, exponent: Any) -> np.ndarray:
    pairs = np.broadcast(base, exponent)
    return np.array([float(b) ** float(e) for b, e in pairs]).reshape(pairs.shape)


def two_sided(of_numbers: Callable[..., Any], of_arrays: Callable[..., Any]) -> tuple[Any, Any]:
    """The operator with the column on the left, and with the column on the right."""

    def left(self: Column, other: Any) -> Any:
        if getattr(other, "ndim", 0) and not isinstance(other, Column):
            return of_arrays(self.beside(other), other)
        return Column(of_numbers(np.asarray(self), np.asarray(other)))

    def right(self: Column, other: Any) -> Any:
        if getattr(other, "ndim", 0) and not isinstance(other, Column):
            return of_arrays(other, self.beside(other))
        return Column(of_numbers(np.asarray(other), np.asarray(self)))

    return left, right


for name in ("add", "sub", "mul", "truediv", "pow"):
    operation = getattr(operator, name)
    left, right = two_sided(power if name == "pow" else operation, operation)
    setattr(Column, f"__{name}__", left)
    setattr(Column, f"__r{name}__", right)
for name in ("lt", "le", "gt", "ge", "eq", "ne"):  # Python turns array < column into column > array
    operation = getattr(operator, name)
    setattr(Column, f"__{name}__", two_sided(operation, operation)[0])
Column.__neg__ = lambda self: -1 * self  # type: ignore[assignment,method-assign,return-value]
