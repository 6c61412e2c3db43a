"""The fully connected layer."""

from typing import Annotated, Any

from dlcourse.backend import Array
from dlcourse.initializers import MSRA, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.parameters import Window
from dlcourse.settings import Rule, count, refuse, settings

initializer = Rule("be an initializer: init(shape, rng) -> array", callable)
Init = Annotated[Any, initializer, "Xavier() or MSRA(), say: with the brackets."]


@settings
class Dense(Layer):
    """Every unit sees every input.

    y = x W + b
    dW = xᵀ dy        db = Σ dy over the batch        dx = dy Wᵀ

    x (..., batch, inputs) · W (inputs, units) · b (1, units) · y (..., batch, units).
    """

    units: Annotated[int, count, "It is the number of outputs."]
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    def setup(self, input_shape: Shape) -> Shape:
        one_axis(self, input_shape)
        self.declare("W", (input_shape[0], self.units), self.weight_init, decays=True)
        self.declare("b", (1, self.units), self.bias_init)
        return (self.units,)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: Array) -> Array:
        self.dW = self.x.mT @ dy
        self.db = dy.sum(axis=-2, keepdims=True)
        return dy @ self.W.mT

    def example_gradients(self, dy: Array) -> list[tuple[Window, Array]]:
        """dWᵢ = xᵢᵀ dyᵢ and dbᵢ = dyᵢ for every example i."""
        return [(self.windows["W"], self.x[:, :, None] * dy[:, None, :]), (self.windows["b"], dy)]


def one_axis(layer: Layer, input_shape: Shape) -> None:
    if len(input_shape) != 1:
        name = type(layer).__name__
        refuse(f"{name}.input_shape", "have one axis, (features,)", input_shape, f"Put Flatten() before {name}.")
