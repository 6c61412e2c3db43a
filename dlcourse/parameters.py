"""Every number a network learns, as one vector theta.

    theta   (P,) or (lanes, P)      all weights, biases, gains … one after another
    grad    the same shape          d(loss)/d(theta), overwritten by every backward pass

A layer's `W`, `b`, `dW`, `db` are windows: views onto a stretch of these vectors, in the shape the layer
thinks in. So an optimizer is one line on one vector, a snapshot is `theta.copy()`, and an average of networks
is an average of vectors. To assign theta or grad is to write into them: windows never look at an old vector.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, xp
from dlcourse.initializers import Initializer, Shape, per_lane
from dlcourse.settings import check, refuse, whole


@dataclass
class Window:
    """One named stretch of theta. `decays`: weights shrink under weight decay; biases, gains, shifts do not."""

    name: str
    shape: Shape
    init: Initializer
    decays: bool
    start: int = 0
    frozen: bool = False

    @property
    def stop(self) -> int:
        return self.start + math.prod(self.shape)


class Parameters:
    """theta and grad for a row of layers, and the windows through which each layer sees its part.

    lanes: None, or how many configurations train side by side. dtype: "float32" or "float64".
    """

    def __init__(self, layers: Iterable[Any], lanes: int | None = None, dtype: Any = "float32"):
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):  # half precision loses an ε of 1e-8 altogether
            refuse("Parameters.dtype", "be float32 or float64", dtype.name, 'Use "float32" or "float64".')
        self.layers, self.lanes, self.dtype = list(layers), lanes, dtype
        self.lead: Shape = () if lanes is None else (lanes,)
        self.windows: list[Window] = []
        self.frozen: list[Window] = []
        for layer in self.layers:
            for window in layer.windows.values():
                window.start = self.windows[-1].stop if self.windows else 0
                self.windows.append(window)
        self.vectors = {name: xp.zeros((*self.lead, self.size), dtype) for name in ("theta", "grad")}
        self.bind()

    @property
    def theta(self) -> Array:
        return self.vectors["theta"]

    @theta.setter
    def theta(self, values: Any) -> None:
        self.write("theta", values)

    @property
    def grad(self) -> Array:
        return self.vectors["grad"]

    @grad.setter
    def grad(self, values: Any) -> None:
        self.write("grad", values)

    def write(self, name: str, values: Any) -> None:
        vector = self.vectors[name]
        if values is vector:  # theta -= step: done already
            return
        shape = getattr(values, "shape", np.shape(values))
        if shape not in ((), vector.shape):
            refuse(f"Parameters.{name}", f"have the shape {vector.shape}", shape, "It is written into that vector.")
        vector[...] = to_device(values, self.dtype)

    def bind(self) -> None:
        """Let every layer look at this theta and this grad."""
        for layer in self.layers:
            layer.bind(self)

    @property
    def size(self) -> int:
        """P, the number of parameters of one lane."""
        return self.windows[-1].stop if self.windows else 0

    @cached_property
    def decay_mask(self) -> Array:
        """(P,): 1 on weights, where penalties and weight decay act; 0 on biases, gains, shifts and what is frozen."""
        parts = [np.full(w.stop - w.start, w.decays and not w.frozen, self.dtype) for w in self.windows]
        return to_device(np.concatenate([np.zeros(0, self.dtype), *parts]))

    def weights(self) -> Iterator[Array]:
        """The weight arrays, one after the other, as windows onto theta."""
        return (self.view(self.theta, w) for w in self.windows if w.decays and not w.frozen)

    def freeze(self, windows: Iterable[Window]) -> None:
        """These windows of theta stay as they are from now on."""
        for window in windows:
            window.frozen = True
            self.frozen.append(window)
        self.__dict__.pop("decay_mask", None)

    def still_frozen(self) -> list[tuple[Window, Array]]:
        """What is frozen has no gradient. Returns a copy of it, to be put back after the step."""
        for window in self.frozen:
            self.grad[..., window.start : window.stop] = 0
        return [(window, self.view(self.theta, window).copy()) for window in self.frozen]

    def put_back(self, frozen: list[tuple[Window, Array]]) -> None:
        """No optimizer moves what is frozen: not by an old velocity, nor by mixing the gradient of others in."""
        for window, values in frozen:
            self.view(self.theta, window)[...] = values

    def view(self, vector: Array, window: Window) -> Array:
        """The window onto `vector`."""
        return vector[..., window.start : window.stop].reshape((*self.lead, *window.shape))

    def initialize(self, seed: int | Sequence[int] = 0) -> None:
        """Draw every window anew. A sequence of seeds, one per lane, gives each lane a start of its own."""
        seeds = list(seed) if isinstance(seed, list | tuple | range | np.ndarray) else [seed]
        for each in seeds or [None]:
            check("Network.seed", whole, each, "Give one, or a list with one for each lane.")
        if len(seeds) > 1 and len(seeds) != self.lanes:
            refuse("Network.seed", f"be one number, or one for each of lanes={self.lanes}", seed, "Match the two.")
        rngs = [np.random.default_rng(s) for s in seeds]
        for window in self.windows:
            self.view(self.theta, window)[...] = to_device(per_lane(window.init, window.shape, rngs), self.dtype)

    def __repr__(self) -> str:
        return f"Parameters({self.size} numbers{f' × {self.lanes} lanes' if self.lanes else ''}, {self.dtype.name})"
