"""The labs of 01_initialization on better draws: rotations, and a start that looks at the data."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import variance
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.initialization.signals import DOTTED, LAYERS, beyond, size, standard_digits, tower
from dlcourse.labs.initialization.starts import number
from dlcourse.labs.lab import Lab
from dlcourse.plots import curve, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

# Rotations: all that happens to small changes of the input, as singular values

SIDE = 64
FLOOR = 1e-14
LOOKS = {"independent": "xavier", "rotations": "orthogonal"}


def stretch(net: Any, x: np.ndarray) -> np.ndarray:
    """The singular values of d(output)/d(input) at one input, largest first."""
    outputs = np.eye(net.output_shape[0])
    net.forward(np.repeat(x, len(outputs), axis=0))  # one row for each output asked for
    return np.linalg.svd(net.backward(outputs), compute_uv=False)


def rotate(depth: int, activation: str, seed: int) -> Any:
    gain = 2.0 if activation == "ReLU" else 1.0
    x = standard_digits(50)[-1:]
    rules = {"independent": dl.Gaussian(std=(gain / SIDE) ** 0.5), "rotations": dl.Orthogonal(gain**0.5)}
    values = {name: stretch(tower(rule, activation, [SIDE] * depth, seed=seed)[0], x) for name, rule in rules.items()}
    return depth, activation, values


def draw_rotate(figure: Any, state: Any) -> None:
    depth, activation, values = state
    art = figure.art
    if not figure.axes:
        (ax,) = panels(figure)
        title = "What a network does to 64 directions; dotted: theory, for linear layers"
        name_axes(ax, "direction, most stretched first", "stretch", title, log=True)
        ax.set(xlim=(1, 76), ylim=(FLOOR, 1e3), xticks=[1, *range(8, 65, 8)])
        art.curves = {name: curve(ax, name, LOOKS[name]) for name in values}
        with styled():
            (art.theory,) = ax.plot([], [], **DOTTED)
    places = np.arange(1, SIDE + 1)
    for name, stretches in values.items():
        art.curves[name].set_data(places, np.where(stretches > FLOOR, stretches, np.nan))
    law = variance.spectrum(SIDE, depth) if activation == "linear" else np.full(SIDE, np.nan)
    art.theory.set_data(places, law)
    spread_labels(list(art.curves.values()))


def describe_rotate(state: Any, settings: dict[str, Any]) -> str:
    depth, activation, values = state
    kept = {name: int((stretches > 0.01 * stretches[0]).sum()) for name, stretches in values.items()}
    return (
        f"{activation}, {depth} layer{'s' * (depth > 1)}: directions stretched by a hundredth of the largest stretch "
        f"or more: {kept['independent']} of {SIDE} with independent weights, {kept['rotations']} with rotations. "
        f"The largest: {number(float(values['independent'][0]))} and {number(float(values['rotations'][0]))}."
    )


def directions() -> Lab:
    """Random matrices and rotations, multiplied: how many directions are left?"""
    return Lab(
        rotate,
        draw_rotate,
        describe=describe_rotate,
        alt="Two curves: the stretch of 64 directions, sorted, log scale, for independent draws and rotations.",
        depth=Slider(1, 30, 10, label="layers"),
        activation=Choice(["linear", "tanh", "ReLU"], "linear", label="activation"),
        seed=Seed(),
    )


# Measure instead of deriving


def fit_scale(activation: str, examples: int, seed: int) -> Any:
    """Deviations of z at each of ten layers, on digits that LSUV did not see: before, after, and between digits."""
    digits = standard_digits(500)
    net, _ = tower(dl.Orthogonal(), activation, [SIDE] * LAYERS, seed=seed)
    before = deviations(net, digits[300:])
    dl.lsuv(net, digits[:examples], seed=seed)
    return before, *[deviations(net, digits[300:], axis) for axis in (None, 0)]


def deviations(net: Any, x: np.ndarray, axis: int | None = None) -> np.ndarray:
    """For every dense layer the deviation of z: of all numbers, or (axis 0) between examples, unit by unit."""
    found = []
    for layer in net.layers:
        x = layer.forward(x)
        if isinstance(layer, dl.Dense):
            found.append(float(size(x - x.mean(axis=axis, keepdims=axis is not None))))
    return np.array(found)


NAMES = {"before": "orthogonal", "LSUV": "lsuv", "between digits": "activations"}


def draw_fit(figure: Any, state: Any) -> None:
    art = figure.art
    if not figure.axes:
        (ax,) = panels(figure)
        name_axes(ax, "layer", "deviation of z", "Ten layers before and after LSUV, on new digits", log=True)
        ax.set(xlim=(1, 12), ylim=(1e-6, 30), xticks=range(1, LAYERS + 1))
        ax.axhspan(0.9, 1.1, color="#DDDDDD", linewidth=0)
        art.curves = [curve(ax, name, method) for name, method in NAMES.items()]
    for line, values in zip(art.curves, state, strict=True):
        line.set_data(np.arange(1, LAYERS + 1), np.maximum(values, 1e-6))
    spread_labels(art.curves)


def describe_fit(state: Any, settings: dict[str, Any]) -> str:
    before, after, between = state
    spans = [f"between {number(v.min())} and {number(v.max())}" for v in (before, after)]
    seen = settings["examples"]
    return (
        f"{settings['activation']}: rotations alone give deviations {spans[0]}. After LSUV on {seen} "
        f"digit{'s' * (seen > 1)} they are {spans[1]} on new ones. Between digits, unit by unit, layer {LAYERS} has "
        f"{number(between[-1])}{beyond(between[-1], 1e-6, 30)}."
    )


def measured() -> Lab:
    """LSUV on ten layers of any activation."""
    return Lab(
        fit_scale,
        draw_fit,
        describe=describe_fit,
        alt="Three curves against the layer, log scale: deviation of z before and after LSUV, and between digits.",
        activation=Choice(["ReLU", "LeakyReLU", "GELU", "tanh", "sigmoid"], "ReLU", label="activation"),
        examples=Choice([1, 4, 16, 64, 256], 64, label="digits LSUV sees"),
        seed=Seed(),
    )
