"""A way round: what layers compute is added to what came in."""

import numpy as np

from dlcourse.backend import Array
from dlcourse.initializers import Shape
from dlcourse.layers.base import Layer
from dlcourse.parameters import Parameters
from dlcourse.settings import SettingError, refuse


class Residual(Layer):
    """Layers that learn only the difference to their input (He et al. 2015, arXiv:1512.03385).

    y = x + f(x)                     f: the layers inside, one after the other
    dx = dy + df                     df = dy taken back through f

    f must give back the shape it gets. However small f is, dx has dy in it: the gradient reaches the first layer.

        Residual(Dense(64), BatchNorm(), ReLU(), Dense(64))

    The parameters of the layers inside are named after their place there: "0.W", "1.gamma".
    """

    def __init__(self, *layers: Layer):
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            refuse("Residual.layers", "be one layer or more", layers, "Residual(Dense(64), ReLU()), say: no list.")
        self.children = layers

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.children

    def setup(self, input_shape: Shape) -> Shape:
        shape = input_shape
        for number, layer in enumerate(self.layers):
            try:
                shape = layer.prepare(shape)
            except SettingError as error:
                raise SettingError(f"layer {number} inside, {layer!r}, does not fit: {error}") from None
            self.windows |= {f"{number}.{name}": window for name, window in layer.windows.items()}
        if shape != input_shape:
            rule = f"give back the shape they get, {input_shape}, to be added to it"
            refuse("Residual.layers", rule, shape, "Give the last one as many units, or filters, as come in.")
        return shape

    def bind(self, parameters: Parameters) -> None:
        super().bind(parameters)
        for layer in self.layers:
            layer.bind(parameters)

    def forward(self, x: Array, training: bool = False) -> Array:
        y = x
        for layer in self.layers:
            y = layer.forward(y, training)
        return x + y

    def backward(self, dy: Array) -> Array:
        dx = dy
        for layer in reversed(self.layers):
            dx = layer.backward(dx)
        return dy + dx

    def reset(self) -> None:
        for layer in self.layers:
            layer.reset()

    def reseed(self, seed: np.random.SeedSequence) -> None:
        for layer, own in zip(self.layers, seed.spawn(len(self.layers)), strict=True):
            layer.reseed(own)

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"
