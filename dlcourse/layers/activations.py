"""What stands between two dense layers, so that they are more than one. Element by element, simple → hard."""

import math
from typing import Annotated

from dlcourse.backend import Array, erf, xp
from dlcourse.initializers import Shape
from dlcourse.layers.base import Layer
from dlcourse.settings import not_negative, settings


@settings
class ReLU(Layer):
    """The rectifier (Nair & Hinton 2010).

    y = max(x, 0)
    dx = dy where y > 0, else 0
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return xp.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0)


@settings
class LeakyReLU(Layer):
    """A rectifier that lets a little through, so no unit is ever dead (Maas, Hannun & Ng 2013).

    y = x where x > 0, else slope · x
    dx = dy · (1 where x > 0, else slope)
    """

    slope: Annotated[float, not_negative, "0.01 is the usual one."] = 0.01

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return xp.where(x > 0, x, self.slope * x)

    def backward(self, dy: Array) -> Array:
        return xp.where(self.x > 0, dy, self.slope * dy)


@settings
class Sigmoid(Layer):
    """The logistic curve.

    y = 1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2        the second form never overflows
    dx = dy · y (1 − y)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = (1 + xp.tanh(x / 2)) / 2
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * self.y * (1 - self.y)


@settings
class Tanh(Layer):
    """The hyperbolic tangent.

    y = tanh(x)
    dx = dy · (1 − y²)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.y = xp.tanh(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y**2)


@settings
class GELU(Layer):
    """A smooth rectifier: x times the chance that a normal draw lies below it (Hendrycks & Gimpel 2016,
    arXiv:1606.08415), exact, not the tanh approximation.

    y = x Φ(x)                  Φ(x) = (1 + erf(x/√2)) / 2
    dx = dy · (Φ(x) + x φ(x))   φ(x) = e^(−x²/2) / √(2π)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.Phi = x, (1 + erf(x / math.sqrt(2))) / 2
        return x * self.Phi

    def backward(self, dy: Array) -> Array:
        phi = xp.exp(-(self.x**2) / 2) / math.sqrt(2 * math.pi)
        return dy * (self.Phi + self.x * phi)


@settings
class Flatten(Layer):
    """(batch, height, width, channels) → (batch, features): the same numbers in one row."""

    def setup(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def forward(self, x: Array, training: bool = False) -> Array:
        return x.reshape((*x.shape[: -len(self.input_shape)], *self.output_shape))

    def backward(self, dy: Array) -> Array:
        return dy.reshape((*dy.shape[:-1], *self.input_shape))
