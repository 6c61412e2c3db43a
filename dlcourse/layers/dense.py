"""The fully connected layer."""

from typing import Annotated, Any

from dlcourse.backend import Array, xp
from dlcourse.initializers import MSRA, Shape, Zeros
from dlcourse.layers.base import Layer
from dlcourse.parameters import Parameters, Window
from dlcourse.settings import Rule, count, refuse, settings

initializer = Rule("be an initializer: init(shape, rng) -> array", callable)
Init = Annotated[Any, initializer, "Xavier() or MSRA(), say: with the brackets."]


class Affine(Layer):
    """What layers of the form x W + b share.

    W and b lie one above the other in theta, so that [x 1] [W; b] is x W + b in one product, and [x 1]ᵀ dy is
    dW with db under it.
    """

    def bind(self, parameters: Parameters) -> None:
        super().bind(parameters)
        W, b = self.windows["W"], self.windows["b"]
        both = (*parameters.lead, -1, W.shape[-1])
        self.Wb = parameters.theta[..., W.start : b.stop].reshape(both)  # (..., inputs + 1, units)
        self.dWb = parameters.grad[..., W.start : b.stop].reshape(both)
        self.product = xp.matmul if parameters.lead else xp.dot  # the same for matrices; dot is quicker to start


@settings
class Dense(Affine):
    """Every unit sees every input.

    y = x W + b
    dW = xᵀ dy        db = Σ dy over the batch        dx = dy Wᵀ

    x (..., batch, inputs) · W (inputs, units) · b (1, units) · y (..., batch, units).
    """

    units: Annotated[int, count, "It is the number of outputs."]
    weight_init: Init = MSRA()
    bias_init: Init = Zeros()

    shared = None  # the input, if the layer before writes it straight into [x 1]

    def setup(self, input_shape: Shape) -> Shape:
        one_axis(self, input_shape)
        self.declare("W", (input_shape[0], self.units), self.weight_init, decays=True)
        self.declare("b", (1, self.units), self.bias_init)
        return (self.units,)

    def buffers(self, rows: int) -> dict[str, Shape]:
        return {"x1": (rows, self.input_shape[0] + 1), **super().buffers(rows)}

    def read_from(self, before: Layer) -> None:
        y, x1 = getattr(before.keep, "y", None), self.keep.x1
        if y is not None and x1 is not None and y.shape == x1[..., :-1].shape:
            before.keep.y = self.shared = x1[..., :-1]

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x1 = self.keep.x1 if x is self.shared else with_ones(x, out=self.keep.x1)  # (..., batch, inputs + 1)
        return xp.matmul(self.x1, self.Wb, out=self.keep.y)

    def backward(self, dy: Array) -> Array:
        self.product(self.x1.mT, dy, out=self.dWb)
        return xp.matmul(dy, self.W.mT, out=self.keep.dx) if self.needs_dx else None

    def example_gradients(self, dy: Array) -> list[tuple[Window, Array]]:
        """dWᵢ = xᵢᵀ dyᵢ and dbᵢ = dyᵢ for every example i."""
        x = self.x1[..., :-1]
        return [(self.windows["W"], x[:, :, None] * dy[:, None, :]), (self.windows["b"], dy)]


def with_ones(x: Array, out: Array | None = None) -> Array:
    """x and, as the last column of out, ones: what the bias is multiplied by."""
    if out is None:
        out = xp.ones((*x.shape[:-1], x.shape[-1] + 1), x.dtype)
    out[..., :-1] = x
    return out


def one_axis(layer: Layer, input_shape: Shape) -> None:
    if len(input_shape) != 1:
        name = type(layer).__name__
        refuse(f"{name}.input_shape", "have one axis, (features,)", input_shape, f"Put Flatten() before {name}.")
