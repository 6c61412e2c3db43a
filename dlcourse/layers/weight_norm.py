"""Weights in two parts: how they point and how long they are."""

from typing import Annotated

from dlcourse.backend import Array, norm, xp
from dlcourse.initializers import MSRA, Constant, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.layers.dense import Init, one_axis
from dlcourse.settings import count, settings


@settings
class WeightNormDense(Layer):
    """A dense layer that learns length and direction of its weights apart (Salimans & Kingma 2016, arXiv:1602.07868).

    W = g v/‖v‖                    for each unit, ‖v‖ the length of its column
    y = x W + b

    dW = xᵀ dy        db = Σ dy        dx = dy Wᵀ
    dg = Σ dW v/‖v‖                over the inputs
    dv = g/‖v‖ · (dW − dg v/‖v‖)   at right angles to v: a step never shortens v

    x (..., batch, inputs) · v, W (inputs, units) · g, b (1, units) · y (..., batch, units). v is drawn by weight_init
    and g starts as ‖v‖, so that W starts as v: as in PyTorch, whose rows are our columns. A unit with v = 0 has no
    direction: W = 0 there, and dv = 0 (elsewhere both are NaN). v is what weight decay and penalties act on; it
    changes no output, only how fast the direction turns.
    """

    units: Annotated[int, count, "It is the number of outputs."]
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    def setup(self, input_shape: Shape) -> Shape:
        one_axis(self, input_shape)
        self.declare("v", (input_shape[0], self.units), self.weight_init, decays=True)
        self.declare("g", (1, self.units), Constant(1.0))
        self.declare("b", (1, self.units), self.bias_init)
        return (self.units,)

    def reset(self) -> None:
        self.g = norm(self.v, axis=-2)

    def forward(self, x: Array, training: bool = False) -> Array:
        length = norm(self.v, axis=-2)  # (..., 1, units)
        self.length = xp.where(length == 0, xp.inf, length)  # so that v = 0 gives W = 0 and dv = 0
        self.direction = self.v / self.length
        self.x, self.W = x, self.g * self.direction
        return x @ self.W + self.b

    def backward(self, dy: Array) -> Array:
        dW = self.x.mT @ dy
        self.dg = (dW * self.direction).sum(axis=-2, keepdims=True)
        self.dv = self.g / self.length * (dW - self.dg * self.direction)
        self.db = dy.sum(axis=-2, keepdims=True)
        return dy @ self.W.mT
