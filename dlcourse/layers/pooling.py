"""Layers that make images smaller. They learn nothing. Simple → hard.

x (..., batch, height, width, channels). A window is size × size, windows lie side by side, and what does not fill a
window at the right or the bottom edge is left out (as in PyTorch and Keras).
"""

import functools
from typing import Annotated

from dlcourse.backend import Array, xp
from dlcourse.initializers import Shape
from dlcourse.layers.base import Layer
from dlcourse.settings import count, refuse, settings

Size = Annotated[int, count, "2 halves height and width."]


@settings
class GlobalAveragePool2D(Layer):
    """One number a channel, its mean over the whole image (Lin, Chen & Yan 2013, arXiv:1312.4400).

    y = Σ x / (height · width)
    dx = dy / (height · width) at every position

    x (..., batch, height, width, channels) · y (..., batch, channels).
    """

    def setup(self, input_shape: Shape) -> Shape:
        image(self, input_shape)
        return input_shape[-1:]

    def forward(self, x: Array, training: bool = False) -> Array:
        return x.mean(axis=(-3, -2))

    def backward(self, dy: Array) -> Array:
        height, width, _ = self.input_shape
        return dy[..., None, None, :] * xp.full((height, width, 1), 1 / (height * width), dy.dtype)


class Pool(Layer):
    """What the other two share."""

    size: int

    def setup(self, input_shape: Shape) -> Shape:
        image(self, input_shape)
        height, width, channels = input_shape
        if self.size > min(height, width):
            refuse(f"{type(self).__name__}.size", f"fit into an image of {height} × {width}", self.size, "Take less.")
        return (height // self.size, width // self.size, channels)

    def parts(self, x: Array) -> list[Array]:
        """The first values of all windows, their second values, …: size² views onto x, each in the shape of y."""
        high, wide = (self.size * n for n in self.output_shape[:2])
        corners = [(i, j) for i in range(self.size) for j in range(self.size)]
        return [x[..., i : high : self.size, j : wide : self.size, :] for i, j in corners]

    def no_dx(self, dy: Array) -> Array:
        """Zeros in the shape of x."""
        return xp.zeros_like(dy, shape=(*dy.shape[:-3], *self.input_shape))


@settings
class AveragePool2D(Pool):
    """The mean of each window (LeCun et al. 1989).

    y = Σ x / size²                over the values of a window
    dx = dy / size²                at each of them

    x (..., batch, height, width, channels) · y (..., batch, height // size, width // size, channels).
    """

    size: Size

    def forward(self, x: Array, training: bool = False) -> Array:
        return sum(self.parts(x)) / self.size**2

    def backward(self, dy: Array) -> Array:
        dx = self.no_dx(dy)
        for part in self.parts(dx):
            part[...] = dy / self.size**2
        return dx


@settings
class MaxPool2D(Pool):
    """The largest value of each window.

    y = max x                      over the values of a window
    dx = dy where x is that value, else 0; of several equal ones the first, row by row, gets it (as in PyTorch)

    x (..., batch, height, width, channels) · y (..., batch, height // size, width // size, channels).
    """

    size: Size

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.y = x, functools.reduce(xp.maximum, self.parts(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        dx, searching = self.no_dx(dy), xp.ones_like(self.y, dtype=bool)
        for x, part in zip(self.parts(self.x), self.parts(dx), strict=True):
            found = searching & (x == self.y)
            part[...] = xp.where(found, dy, 0)
            searching = searching & ~found  # windows whose largest value has not come up yet
        return dx


def image(layer: Layer, input_shape: Shape) -> None:
    if len(input_shape) != 3:
        what = f"{type(layer).__name__}.input_shape"
        refuse(what, "have the axes (height, width, channels)", input_shape, "A grey image has 1 channel.")
