"""Layers in a row over one theta."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, xp
from dlcourse.initializers import Shape
from dlcourse.layers.base import Layer
from dlcourse.parameters import Parameters
from dlcourse.saving import load_network, save_network
from dlcourse.settings import SettingError, check, check_lane, count, is_list, is_whole, plain, refuse, suggest_names


class Network:
    """Layers in a row: each one's output is the next one's input.

    layers          what it is made of, first to last
    input_shape     of one example, without the batch: (features,) or (height, width, channels)
    seed            where theta starts; a sequence of seeds, one for each lane, gives every lane its own start
    lanes           None, or how many configurations train side by side (theta is then (lanes, P))
    dtype           "float32", or "float64" to check gradients

    Raises SettingError where two layers do not fit, naming both shapes.
    """

    @suggest_names
    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: Shape,
        seed: int | Sequence[int] = 0,
        lanes: int | None = None,
        dtype: Any = "float32",
    ):
        if lanes is not None:
            lanes = check("Network.lanes", count, lanes, "None trains a single configuration.")
        self.layers = check_layers(layers)
        self.input_shape = shape = check_shape(input_shape)
        for number, layer in enumerate(self.layers):
            try:
                shape = layer.prepare(shape)
            except SettingError as error:
                raise SettingError(f"layer {number}, {layer!r}, does not fit: {error}") from None
        self.output_shape = shape
        self.seed, self.lanes = seed, lanes
        self.parameters = Parameters(self.layers, lanes, dtype)
        self.backend = xp.backend_name
        self.outputs: list[Array] = []  # of every layer, in the last pass
        for layer in self.layers:
            for each in layer.walk():
                each.in_network = True
        self.reset()

    def reset(self) -> None:
        """Back to the start that the seed gave."""
        self.parameters.initialize(self.seed)
        for layer in self.layers:
            layer.reset()
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        """Start the dice of dropout and its like anew: the same seed makes the same run."""
        for number, layer in enumerate(self.layers):
            layer.reseed(np.random.SeedSequence([seed, 2, number]))

    def freeze(self, layer: Layer | int) -> None:
        """This layer, or the one with this number, learns no more: its windows of theta stay as they are."""
        layer = self.layers[layer] if isinstance(layer, int) else layer
        if layer not in self.layers:
            refuse(
                "Network.freeze.layer", "be one of the network's layers, or its number", layer, "See network.layers."
            )
        layer.frozen = True
        self.parameters.freeze(layer.windows.values())

    def state(self) -> dict[str, Array]:
        """All that was learned, by name: theta, and what layers keep outside it, as "3.running_mean". No copies."""
        learned = {"theta": self.parameters.theta}
        for number, layer in enumerate(self.layers):
            learned |= {f"{number}.{name}": array for name, array in layer.state().items()}
        return learned

    def load_state(self, state: dict[str, Array]) -> None:
        """Take over what another network like this one learned."""
        for name, array in self.state().items():
            array[...] = state[name]

    def lane(self, number: int) -> "Network":
        """One lane as a network of its own: a copy of what it has learned."""
        check_lane("Network.lane.number", number, self.lanes)
        seeds: Any = self.seed if np.ndim(self.seed) else [self.seed]
        seed = int(seeds[number if len(seeds) > 1 else 0])
        layers = [layer.lane(number) for layer in self.layers]
        one = Network(layers, self.input_shape, seed, dtype=self.parameters.dtype)
        one.load_state({name: array[number] for name, array in self.state().items()})
        for place, layer in enumerate(self.layers):
            if layer.frozen:
                one.freeze(place)
        return one

    def save(self, path: str | Path, optimizer: Any = None) -> None:
        """Write the network, and the optimizer that trains it, to a file, .npz by custom (see dlcourse/saving.py)."""
        save_network(self, path, optimizer)

    @classmethod
    def load(cls, path: str | Path) -> "Network":
        """The network in this file, as it was; load_optimizer(path, network) brings its optimizer back."""
        return load_network(path, cls)

    def forward(self, x: Array, training: bool = False) -> Array:
        """Scores for a batch: (batch, *input_shape) → (batch, outputs), or (lanes, batch, outputs)."""
        return self.run(self.enter(x), training)

    def backward(self, dy: Array) -> Array:
        """The gradient of the last forward pass into every grad window; returns d(loss)/dx."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def example_gradients(self, dy: Array) -> Array:
        """(batch, P): what each example of the last forward pass alone adds to the gradient. Overwrites grad too."""
        rows = xp.zeros((len(dy), self.parameters.size), self.parameters.dtype)
        for layer in reversed(self.layers):
            for window, gradients in layer.example_gradients(dy):
                rows[:, window.start : window.stop] = gradients.reshape(len(dy), -1)
            dy = layer.backward(dy)
        return rows

    def predict(self, x: Array) -> Array:
        """`forward` as it is used after training: no dropout, running statistics."""
        return self.forward(x, training=False)

    def run(self, x: Array, training: bool) -> Array:
        """`forward` without the checks at the door."""
        self.outputs = []
        for layer in self.layers:
            x = layer.forward(x, training and not layer.frozen)
            self.outputs.append(x)
        return x

    def enter(self, x: Any) -> Array:
        """x in the network's dtype, where the network computes; refuses what cannot be its input."""
        if xp.backend_name != self.backend:
            rule = f"be in use still: it was when the network was built, with its arrays on {self.backend}"
            refuse("Network.backend", rule, xp.backend_name, "Build the network after switching.")
        x = to_device(x, self.parameters.dtype)
        if x.shape[-len(self.input_shape) :] != self.input_shape or x.ndim <= len(self.input_shape):
            rule = f"have the shape (batch, {', '.join(map(str, self.input_shape))})"
            refuse("Network.x", rule, x.shape, "The axes after the batch are input_shape.")
        return x

    def summary(self) -> str:
        """One line per layer: what it is, the shape of its output, its number of parameters."""
        rows = [("input", shape_text(self.input_shape), "")]

        def add(layer: Layer, indent: str = "") -> None:
            size = 0 if layer.children else sum(w.stop - w.start for w in layer.windows.values())
            name = indent + type(layer).__name__
            rows.append((name, shape_text(layer.output_shape), f"{size:,}" if size else ""))
            for child in layer.children:
                add(child, indent + "  ")

        for layer in self.layers:
            add(layer)
        rows.append(("total", "", f"{self.parameters.size:,}"))
        return "\n".join(f"{name:<20}{shape:>16}{size:>12}".rstrip() for name, shape, size in rows)

    def __repr__(self) -> str:
        options = f", seed={plain(self.seed)!r}" + (f", lanes={self.lanes}" if self.lanes else "")
        if self.parameters.dtype != np.float32:
            options += f", dtype={self.parameters.dtype.name!r}"
        return f"Network({self.layers!r}, input_shape={self.input_shape}{options})"


def shape_text(shape: Shape) -> str:
    return " × ".join(map(str, shape))


def check_shape(shape: Any) -> Shape:
    if not is_list(shape) or not len(shape) or not all(is_whole(n) and n > 0 for n in shape):
        refuse("Network.input_shape", "be a tuple of whole numbers above 0", shape, "For 64 features: (64,).")
    return tuple(int(n) for n in shape)


def check_layers(layers: Any) -> list[Layer]:
    layers = list(layers)
    if not layers:
        refuse("Network.layers", "hold one layer or more", layers, "Dense(10) is a start.")
    for layer in layers:
        if not isinstance(layer, Layer):
            refuse("Network.layers", "hold layers only", layer, "With brackets: ReLU(), not ReLU.")
    everything = [inner for layer in layers for inner in layer.walk()]
    if len({id(layer) for layer in everything}) < len(everything):
        refuse("Network.layers", "hold each layer once", layers, "A layer remembers its last batch: make a second one.")
    for layer in everything:
        if layer.in_network:
            rule = "be new: a layer has one place in one network"
            refuse("Network.layers", rule, layer, "Make the layers anew for each network, in a function say.")
    return layers
