"""The fully connected layer."""

from typing import Annotated, Any

from dlcourse.backend import Array, xp
from dlcourse.initializers import MSRA, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.parameters import Parameters
from dlcourse.settings import Rule, count, refuse, settings

initializer = Rule("be an initializer: init(shape, rng) -> array", callable)
Init = Annotated[Any, initializer, "Xavier() or MSRA(), say: with the brackets."]


@settings
class Dense(Layer):
    """Every unit sees every input.

    y = x W + b
    dW = xᵀ dy        db = Σ dy over the batch        dx = dy Wᵀ

    x (..., batch, inputs) · W (inputs, units) · b (1, units) · y (..., batch, units).

    W and b lie one above the other in theta, so that [x 1] [W; b] is both lines of the first formula in one
    product, and [x 1]ᵀ dy is dW with db under it.
    """

    units: Annotated[int, count, "It is the number of outputs."]
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    def setup(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            refuse("Dense.input_shape", "have one axis, (features,)", input_shape, "Put Flatten() before Dense.")
        self.declare("W", (input_shape[0], self.units), self.weight_init, decays=True)
        self.declare("b", (1, self.units), self.bias_init)
        return (self.units,)

    def bind(self, parameters: Parameters) -> None:
        super().bind(parameters)
        both = self.windows["W"], self.windows["b"]
        self.Wb = parameters.view(parameters.theta, *both)
        self.dWb = parameters.view(parameters.grad, *both)

    def buffers(self, rows: int) -> dict[str, Shape]:
        return {"x1": (rows, self.input_shape[0] + 1), **super().buffers(rows)}

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x1 = with_ones(x, out=self.keep.x1)  # (..., batch, inputs + 1)
        return xp.matmul(self.x1, self.Wb, out=self.keep.y)

    def backward(self, dy: Array) -> Array:
        xp.matmul(self.x1.mT, dy, out=self.dWb)
        return xp.matmul(dy, self.W.mT, out=self.keep.dx) if self.needs_dx else None


def with_ones(x: Array, out: Array | None = None) -> Array:
    """x and, as the last column of out, ones: what the bias is multiplied by."""
    if out is None:
        out = xp.ones((*x.shape[:-1], x.shape[-1] + 1), x.dtype)
    out[..., :-1] = x
    return out
