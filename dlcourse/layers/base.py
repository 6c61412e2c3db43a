"""What a layer is.

    y  = layer.forward(x, training)     what it computes
    dx = layer.backward(dy)             the chain rule: dz always means d(loss)/dz

`backward` uses what the last `forward` left behind, and *overwrites* the layer's gradient windows (dW, db, …):
there is nothing to reset between steps. One layer object therefore belongs at one place in one network.

Shapes: (..., batch, features) or (..., batch, height, width, channels). The dots are the optional lanes.

Memory. `self.keep` holds arrays that are used again at every training step: `out=self.keep.y`. Outside the
training loop every `keep.…` is None, and `out=None` means what it always means: make a new array. Kept arrays
lie feature by feature in memory, so a product and a sum over the batch run along contiguous numbers; images, and
rows as wide as a whole image, lie as they are written.
"""

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from dlcourse.backend import Array, is_array, xp
from dlcourse.initializers import Initializer, Shape
from dlcourse.parameters import Parameters, Window
from dlcourse.settings import is_column, refuse

WIDE = 512  # from so many features on, copying a row beats copying a column, and products do not care


class Nothing:
    """Has every attribute, and each is None."""

    def __getattr__(self, name: str) -> None:
        return None


NOTHING = Nothing()


class Layer:
    """The interface of every layer. A subclass writes setup, forward and backward."""

    children: "tuple[Layer, ...]" = ()  # the layers inside this one, if it is made of others
    keep: Any = NOTHING
    frozen = False  # a frozen layer does not learn and computes as it does after training
    needs_dx = True  # the training loop spares the first layer's dx: nobody is there to receive it
    memory: tuple[str, ...] = ()  # names of the arrays it learns outside theta: running statistics
    given: dict[str, Any] | None = None  # its attributes as they were before a network prepared it
    input_shape: Shape
    output_shape: Shape
    windows: dict[str, Window]
    W: Array
    dW: Array
    b: Array
    db: Array

    def setup(self, input_shape: Shape) -> Shape:
        """Declare the parameters for inputs of this shape (without batch); return the shape of the output."""
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError

    def example_gradients(self, dy: Array) -> list[tuple[Window, Array]]:
        """The gradient of each window for each example, (batch, *shape). Only some layers can tell them apart."""
        if self.windows:
            rule = "be a layer whose examples do not mix and whose gradients are kept apart, such as Dense"
            refuse("Network.example_gradients.layer", rule, self, "Natural gradients take dense networks.")
        return []

    def reset(self) -> None:
        """Theta was just drawn (by Parameters): set what depends on it, forget what was learned outside it."""

    def reseed(self, seed: np.random.SeedSequence) -> None:
        """Start the layer's dice anew, if it has any."""

    def state(self) -> dict[str, Array]:
        """What it and its children learned outside theta, by name: the arrays themselves, lanes first."""
        learned = {name: getattr(self, name) for name in self.memory}
        for number, child in enumerate(self.children):
            learned |= {f"{number}.{name}": array for name, array in child.state().items()}
        return learned

    def buffers(self, rows: int) -> dict[str, Shape]:
        """Names and shapes of the arrays worth keeping between training steps of `rows` examples."""
        return {"y": (rows, *self.output_shape), "dx": (rows, *self.input_shape)}

    # What follows is bookkeeping, the same for every layer.

    def prepare(self, input_shape: Shape) -> Shape:
        """Forget earlier windows, then setup."""
        self.given = dict(vars(self)) if self.given is None else self.given
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
        self.reset()
        self.reseed(np.random.SeedSequence(seed))
        return self.output_shape

    def declare(self, name: str, shape: Shape, init: Initializer, decays: bool = False) -> None:
        """Ask for a parameter: `self.name` and its gradient `self.dname` become windows of this shape."""
        self.windows[name] = Window(name, shape, init, decays)

    def bind(self, parameters: Parameters) -> None:
        """Look through the windows onto this theta and this grad from now on."""
        self.keep = NOTHING
        for name, column in self.columns().items():
            if column.shape != (*parameters.lead, 1, 1):
                rule = f"have one value for each of lanes={parameters.lanes}"
                refuse(f"{type(self).__name__}.{name}", rule, column, "A column inside a layer is (lanes, 1, 1).")
        for name, window in self.windows.items():
            setattr(self, name, parameters.view(parameters.theta, window))
            setattr(self, "d" + name, parameters.view(parameters.grad, window))

    def reserve(self, rows: int, lanes_in: Shape, lanes: Shape, dtype: Any) -> Shape:
        """Keep arrays for training steps of `rows` examples; return the lanes of the output, () or (lanes,).

        Lanes appear with the first layer that has parameters, or a setting for each lane. An array called x… has
        the lanes of the input, the others those of the output; one called …1 starts as ones, the others as zeros.
        """
        lanes_out = lanes if self.windows or self.columns() else lanes_in
        if lanes_out == lanes:
            self.keep = SimpleNamespace()
            for name, shape in self.buffers(rows).items():
                lead = lanes_in if name.startswith("x") else lanes
                setattr(self.keep, name, kept(lead, shape, dtype, fill=int(name.endswith("1"))))
        return lanes_out

    def read_from(self, before: "Layer") -> None:
        """In training the layer before may write its output straight to where this one keeps its input."""

    def release(self) -> None:
        self.keep = NOTHING

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in getattr(self, "__dataclass_fields__", ())}

    def columns(self) -> dict[str, np.ndarray]:
        """Those settings that have a value for each lane."""
        return {name: value for name, value in self.settings().items() if is_column(value)}

    def lane(self, number: int) -> "Layer":
        """A layer like this one before a network prepared it; where settings are columns, with those of this lane.

        Its own __init__ is not called again. What was set since goes along, but no windows and no batch.
        """
        given, now = vars(self) if self.given is None else self.given, vars(self)
        own = {n: then if is_array(now[n]) and not is_array(then) else now[n] for n, then in given.items() if n in now}
        own |= {name: value[number].item() for name, value in self.columns().items()}
        one = object.__new__(type(self))
        inside = {id(child): child.lane(number) for child in self.children}  # in the place of each, by whatever name
        vars(one).update(copy.deepcopy(own, inside))
        return one

    def walk(self) -> "Iterator[Layer]":
        """This layer and all that are inside it."""
        yield self
        for child in self.children:
            yield from child.walk()


def kept(lanes: Shape, shape: Shape, dtype: Any, fill: int) -> Array:
    """An array to write into again and again. (rows, features) lies feature by feature, images as written."""
    if not by_feature(shape):
        return xp.full((*lanes, *shape), fill, dtype)
    rows, features = shape
    return xp.full((*lanes, features, rows), fill, dtype).swapaxes(-1, -2)


def by_feature(shape: Shape) -> bool:
    """Does a batch of this shape lie feature by feature? CuPy's products want rows and would copy it back."""
    return len(shape) == 2 and shape[1] < WIDE and xp.backend_name == "numpy"
