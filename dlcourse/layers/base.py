"""What a layer is.

    y  = layer.forward(x, training)     what it computes
    dx = layer.backward(dy)             the chain rule: dz always means d(loss)/dz

`backward` uses what the last `forward` left behind, and *overwrites* the layer's gradient windows (dW, db, …):
there is nothing to reset between steps. One layer object therefore belongs at one place in one network.

Shapes: (..., batch, features) or (..., batch, height, width, channels). The dots are the optional lanes.

Memory. `self.keep` holds arrays that are used again at every training step: `out=self.keep.y`. Outside the
training loop every `keep.…` is None, and `out=None` means what it always means: make a new array. Kept arrays
lie feature by feature in memory, so a product and a sum over the batch run along contiguous numbers.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from dlcourse.backend import Array, xp
from dlcourse.initializers import Initializer, Shape
from dlcourse.parameters import Parameters, Window


class Nothing:
    """Has every attribute, and each is None."""

    def __getattr__(self, name: str) -> None:
        return None


NOTHING = Nothing()


class Layer:
    """The interface of every layer. A subclass writes setup, forward and backward."""

    keep: Any = NOTHING
    frozen = False  # a frozen layer does not learn and computes as it does after training
    needs_dx = True  # the training loop spares the first layer's dx: nobody is there to receive it
    input_shape: Shape
    output_shape: Shape
    windows: dict[str, Window]
    W: Array
    dW: Array

    def setup(self, input_shape: Shape) -> Shape:
        """Declare the parameters for inputs of this shape (without batch); return the shape of the output."""
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError

    def reset(self) -> None:
        """Forget what was learned outside theta: running statistics. (Windows are initialized by Parameters.)"""

    def reseed(self, seed: np.random.SeedSequence) -> None:
        """Start the layer's dice anew, if it has any."""

    def buffers(self, rows: int) -> dict[str, Shape]:
        """Names and shapes of the arrays worth keeping between training steps of `rows` examples."""
        return {"y": (rows, *self.output_shape), "dx": (rows, *self.input_shape)}

    # What follows is bookkeeping, the same for every layer.

    def prepare(self, input_shape: Shape) -> Shape:
        """Forget earlier windows, then setup."""
        self.windows, self.input_shape = {}, tuple(input_shape)
        self.output_shape = self.setup(self.input_shape)
        return self.output_shape

    def build(self, input_shape: Shape, *, seed: int = 0, lanes: int | None = None, dtype: Any = "float32") -> Shape:
        """Make a layer that stands alone ready for use: `prepare`, and parameters of its own, initialized.

        (A network prepares its layers and gives them windows onto one common theta.)
        """
        self.prepare(input_shape)
        self.parameters = Parameters([self], lanes, dtype)
        self.parameters.initialize(seed)
        return self.output_shape

    def declare(self, name: str, shape: Shape, init: Initializer, decays: bool = False) -> None:
        """Ask for a parameter: `self.name` and its gradient `self.dname` become windows of this shape."""
        self.windows[name] = Window(name, shape, init, decays)

    def bind(self, parameters: Parameters) -> None:
        """Look through the windows onto this theta and this grad from now on."""
        self.keep = NOTHING
        for name, window in self.windows.items():
            setattr(self, name, parameters.view(parameters.theta, window))
            setattr(self, "d" + name, parameters.view(parameters.grad, window))

    def reserve(self, rows: int, lanes_in: Shape, lanes: Shape, dtype: Any) -> Shape:
        """Keep arrays for training steps of `rows` examples; return the lanes of the output, () or (lanes,).

        Lanes appear with the first layer that has parameters. An array called x… has the lanes of the input,
        the others those of the output; one called …1 starts as ones, the others as zeros.
        """
        lanes_out = lanes if self.windows else lanes_in
        if lanes_out == lanes:
            self.keep = SimpleNamespace()
            for name, shape in self.buffers(rows).items():
                lead = lanes_in if name.startswith("x") else lanes
                setattr(self.keep, name, kept(lead, shape, dtype, fill=int(name.endswith("1"))))
        return lanes_out

    def release(self) -> None:
        self.keep = NOTHING


def kept(lanes: Shape, shape: Shape, dtype: Any, fill: int) -> Array:
    """An array to write into again and again. (rows, features) lies feature by feature, images as written."""
    if len(shape) != 2 or xp.backend_name != "numpy":  # CuPy's products want rows and would copy
        return xp.full((*lanes, *shape), fill, dtype)
    rows, features = shape
    return xp.full((*lanes, features, rows), fill, dtype).swapaxes(-1, -2)
