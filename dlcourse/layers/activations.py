"""What stands between two dense layers, so that they are more than one. Element by element, simple → hard."""

import math
from typing import Annotated

from dlcourse.backend import Array, erf, to_device, xp
from dlcourse.initializers import Shape
from dlcourse.layers.base import Layer
from dlcourse.settings import not_negative, settings


@settings
class ReLU(Layer):
    """The rectifier (Nair & Hinton 2010).

    y = max(x, 0)
    dx = dy where y > 0, else 0
    """

    def buffers(self, rows: int) -> dict[str, Shape]:
        of = (rows, *self.output_shape)
        return {"zero": of, "one1": of, **super().buffers(rows)}  # a single 0 is compared three times slower than many

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = xp.maximum(x, 0 if self.keep.zero is None else self.keep.zero, out=self.keep.y)
        return self.y

    def backward(self, dy: Array) -> Array:
        passes = xp.minimum(self.y, 1 if self.keep.one1 is None else self.keep.one1, out=self.keep.dx)
        passes = xp.ceil(passes, out=self.keep.dx)  # 1 where y > 0, else 0; xp.sign takes twice as long
        return xp.multiply(dy, passes, out=self.keep.dx)


@settings
class LeakyReLU(Layer):
    """A rectifier that lets a little through, so no unit is ever dead (Maas, Hannun & Ng 2013).

    y = x where x > 0, else slope · x
    dx = dy · (1 where x > 0, else slope)
    """

    slope: Annotated[float, not_negative, "0.01 is the usual one."] = 0.01

    def forward(self, x: Array, training: bool = False) -> Array:
        self.slopes = xp.where(x > 0, x.dtype.type(1), to_device(self.slope, x.dtype))
        return xp.multiply(x, self.slopes, out=self.keep.y)

    def backward(self, dy: Array) -> Array:
        return xp.multiply(dy, self.slopes, out=self.keep.dx)


@settings
class Sigmoid(Layer):
    """The logistic curve.

    y = 1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2        the second form never overflows
    dx = dy · y (1 − y)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = xp.tanh(x * 0.5, out=self.keep.y)
        self.y *= 0.5
        self.y += 0.5
        return self.y

    def backward(self, dy: Array) -> Array:
        dx = xp.multiply(self.y, self.y, out=self.keep.dx)
        dx = xp.subtract(self.y, dx, out=dx)
        return xp.multiply(dy, dx, out=self.keep.dx)


@settings
class Tanh(Layer):
    """The hyperbolic tangent.

    y = tanh(x)
    dx = dy · (1 − y²)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = xp.tanh(x, out=self.keep.y)
        return self.y

    def backward(self, dy: Array) -> Array:
        dx = xp.multiply(self.y, self.y, out=self.keep.dx)
        dx = xp.subtract(1, dx, out=dx)
        return xp.multiply(dy, dx, out=self.keep.dx)


@settings
class GELU(Layer):
    """A smooth rectifier: x times the chance that a normal draw lies below it (Hendrycks & Gimpel 2016,
    arXiv:1606.08415), exact, not the tanh approximation.

    y = x Φ(x)                  Φ(x) = (1 + erf(x/√2)) / 2
    dx = dy · (Φ(x) + x φ(x))   φ(x) = e^(−x²/2) / √(2π)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.below = x, 0.5 * (1 + erf(x * math.sqrt(0.5)))
        return xp.multiply(x, self.below, out=self.keep.y)

    def backward(self, dy: Array) -> Array:
        density = xp.exp(-0.5 * self.x * self.x) / math.sqrt(2 * math.pi)
        return xp.multiply(dy, self.below + self.x * density, out=self.keep.dx)


@settings
class Flatten(Layer):
    """(batch, height, width, channels) → (batch, features): the same numbers in one row."""

    def setup(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def forward(self, x: Array, training: bool = False) -> Array:
        return x.reshape((*x.shape[: -len(self.input_shape)], *self.output_shape))

    def backward(self, dy: Array) -> Array:
        return dy.reshape((*dy.shape[:-1], *self.input_shape))
