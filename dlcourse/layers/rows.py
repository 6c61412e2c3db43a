"""Images as rows, so that one formula serves both: every position of an image is a row of channels."""

from dlcourse.backend import Array
from dlcourse.initializers import Shape


def as_rows(array: Array, shape: Shape) -> Array:
    """(..., batch, *shape) → (..., rows, channels): every position of an image is a row."""
    return array if len(shape) == 1 else array.reshape((*array.shape[: -len(shape) - 1], -1, shape[-1]))


def as_images(rows: Array, shape: Shape) -> Array:
    """Back again: (..., rows, channels) → (..., batch, *shape)."""
    return rows if len(shape) == 1 else rows.reshape((*rows.shape[:-2], -1, *shape))
