"""What a layer is.

    y  = layer.forward(x, training)     what it computes
    dx = layer.backward(dy)             the chain rule: dz always means d(loss)/dz

`backward` uses what the last `forward` left behind, and *overwrites* the layer's gradient windows (dW, db, …):
there is nothing to reset between steps. One layer object therefore belongs at one place in one network.

Shapes: (..., batch, features) or (..., batch, height, width, channels). The dots are the optional lanes.

Nothing here holds a piece of theta: `layer.W` looks through the window whenever it is used, and `layer.W = …` writes
through it. So copies, pickles and assignments stay in step with theta.
"""

import copy
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dlcourse.backend import Array, floating, is_array, to_device, xp
from dlcourse.initializers import Initializer, Shape
from dlcourse.parameters import Parameters, Window
from dlcourse.settings import is_column, refuse


def on_floats(forward: Any) -> Any:
    """Whole numbers become floats at the door of a layer: what x was counted in decides nothing."""

    @functools.wraps(forward)
    def wrapped(layer: Any, x: Any, *args: Any, **kwargs: Any) -> Array:
        return forward(layer, floating(x), *args, **kwargs)

    return wrapped


class View:
    """A layer's `W` or `dW`: its window onto theta or grad, looked through whenever it is used."""

    def __init__(self, name: str, vector: str):
        self.name, self.vector = name, vector

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        if layer is None:
            return self
        if layer.parameters is None or self.name not in layer.windows:
            name = "d" * (self.vector == "grad") + self.name
            raise AttributeError(f"{type(layer).__name__} has no {name} before it is part of a network")
        parameters = layer.parameters
        return parameters.view(getattr(parameters, self.vector), layer.windows[self.name])

    def __set__(self, layer: Any, value: Any) -> None:
        fill(self.__get__(layer), value, f"{type(layer).__name__}.{'d' * (self.vector == 'grad')}{self.name}")


class Memory:
    """What a layer learns outside theta: one array for good; to assign it is to write into it."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        return self if layer is None else layer.memory[self.name]

    def __set__(self, layer: Any, value: Any) -> None:
        fill(layer.memory[self.name], value, f"{type(layer).__name__}.{self.name}")


def fill(array: Array, value: Any, what: str) -> None:
    """array[...] = value; refused in words where the shapes do not fit."""
    shape = np.shape(value) if not hasattr(value, "shape") else value.shape
    if len(shape) > array.ndim or any(n not in (1, m) for n, m in zip(shape[::-1], array.shape[::-1], strict=False)):
        refuse(what, f"have the shape {array.shape}", shape, "What is assigned is written into that array.")
    array[...] = to_device(value, array.dtype)


class Layer:
    """The interface of every layer. A subclass writes setup, forward and backward."""

    children: "tuple[Layer, ...]" = ()  # the layers inside this one, if it is made of others
    frozen = False  # a frozen layer does not learn and computes as it does after training
    in_network = False  # a layer remembers its last batch, so it has one place in one network
    setting_axes: int | None = None  # of what a setting for each lane meets, without lanes; None: of a batch
    given: dict[str, Any] | None = None  # its attributes as they were before a network prepared it
    parameters: Any = None
    input_shape: Shape
    output_shape: Shape
    windows: dict[str, Window]
    starts: dict[str, tuple[Shape, float]]
    memory: dict[str, Array]

    if TYPE_CHECKING:  # what `declare` and `remember` make: W, dW, running_mean …
        running_mean: Array
        running_var: Array

        def __getattr__(self, name: str) -> Array: ...

    def __init_subclass__(cls) -> None:
        if "forward" in vars(cls):
            cls.forward = on_floats(cls.forward)  # type: ignore[method-assign]

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
        for name, (_, start) in self.starts.items():
            self.memory[name][...] = start

    def reseed(self, seed: np.random.SeedSequence) -> None:
        """Start the layer's dice anew, if it has any."""

    def state(self) -> dict[str, Array]:
        """What it and its children learned outside theta, by name: the arrays themselves, lanes first."""
        learned = dict(self.memory)
        for number, child in enumerate(self.children):
            learned |= {f"{number}.{name}": array for name, array in child.state().items()}
        return learned

    # What follows is bookkeeping, the same for every layer.

    def prepare(self, input_shape: Shape) -> Shape:
        """Forget earlier windows, then setup."""
        self.given = dict(vars(self)) if self.given is None else self.given
        self.windows, self.starts, self.memory, self.input_shape = {}, {}, {}, tuple(input_shape)
        self.output_shape = self.setup(self.input_shape)
        return self.output_shape

    def build(self, input_shape: Shape, *, seed: int = 0, lanes: int | None = None, dtype: Any = "float32") -> Shape:
        """Make a layer that stands alone ready for use: `prepare`, and parameters of its own, initialized.

        (A network prepares its layers and gives them windows onto one common theta.)
        """
        self.prepare(input_shape)
        Parameters([self], lanes, dtype).initialize(seed)
        self.reset()
        self.reseed(np.random.SeedSequence(seed))
        return self.output_shape

    def declare(self, name: str, shape: Shape, init: Initializer, decays: bool = False) -> None:
        """Ask for a parameter: `self.name` and its gradient `self.dname` become windows of this shape."""
        self.windows[name] = Window(name, shape, init, decays)
        self.look_through(name, View(name, "theta"))
        self.look_through("d" + name, View(name, "grad"))

    def remember(self, name: str, shape: Shape, start: float) -> None:
        """Ask for an array outside theta, `self.name`, which `reset` fills with start: a running mean, say."""
        self.starts[name] = (shape, start)
        self.look_through(name, Memory(name))

    def look_through(self, name: str, view: View | Memory) -> None:
        if not isinstance(getattr(type(self), name, None), type(view)):
            setattr(type(self), name, view)

    def bind(self, parameters: Parameters) -> None:
        """Look through the windows onto this theta and this grad from now on."""
        self.parameters = parameters
        axes = len(self.input_shape) + 1 if self.setting_axes is None else self.setting_axes
        for name, column in self.columns().items():
            if column.ndim < 3 or len(column) != parameters.lanes:
                rule = f"have one value for each of lanes={parameters.lanes}"
                refuse(f"{type(self).__name__}.{name}", rule, column, "A column inside a layer is (lanes, 1, 1).")
            setattr(self, name, column.reshape(-1, *[1] * axes))
        for name, (shape, start) in self.starts.items():
            if name not in self.memory:  # a second look through the windows forgets nothing
                self.memory[name] = xp.full((*parameters.lead, *shape), start, parameters.dtype)

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
