"""What layers do with the rows of a batch: line them up, add them up.

Sums over a batch are written as products with a row of ones (`total(x) @ x`): the same sum, on the fastest road
a processor has, and in the same order for one lane as for many.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, xp
from dlcourse.initializers import Shape
from dlcourse.settings import refuse


def as_rows(array: Array, shape: Shape) -> Array:
    """(..., batch, *shape) → (..., rows, channels): every position of an image is a row. None stays None."""
    if array is None or len(shape) == 1:
        return array
    return array.reshape((*array.shape[: -len(shape) - 1], -1, shape[-1]))


def as_images(rows: Array, shape: Shape) -> Array:
    """Back again: (..., rows, channels) → (..., batch, *shape)."""
    return rows if len(shape) == 1 else rows.reshape((*rows.shape[:-2], -1, *shape))


def total(rows: Array) -> Array:
    """A (1, n) row of ones: `total(x) @ x` is the sum over the rows of x."""
    return constant_row(xp.backend_name, rows.shape[-2], 1.0, rows.dtype)


def average(rows: Array) -> Array:
    """A (1, n) row of 1/n: `average(x) @ x` is the mean over the rows of x."""
    return constant_row(xp.backend_name, rows.shape[-2], 1 / max(rows.shape[-2], 1), rows.dtype)


@lru_cache(maxsize=64)
def constant_row(backend: str, n: int, value: float, dtype: Any) -> Array:
    return xp.full((1, n), value, dtype)


def per_lane(setting: Any, axes: int, dtype: Any) -> Any:
    """A number as it is; a column, one value per lane, as (lanes, 1, …, 1) for arrays of so many axes and a lane's."""
    if not isinstance(setting, np.ndarray):
        return setting
    return to_device(setting.reshape(-1, *[1] * axes), dtype)


def floats_only(layer: Any, x: Array) -> None:
    """Whole numbers cannot hold a deviation from their mean."""
    if x.dtype.kind != "f":
        refuse(f"{type(layer).__name__}.x", "hold floating-point numbers", x.dtype.name, 'Use x.astype("float32").')
