"""The labs of 01_initialization that do not train: what the first pass forward and the first pass back meet."""

from itertools import pairwise
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import variance
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.initialization.starts import BIASES, STARTS, centre, number
from dlcourse.labs.lab import Lab
from dlcourse.plots import curve, name_axes, panels, pixels, spread_labels
from dlcourse.plots.style import styled

LAYERS, WIDTH = 10, 100
ACTIVATIONS: dict[str, Any] = {"linear": None, "tanh": dl.Tanh, "sigmoid": dl.Sigmoid, "ReLU": dl.ReLU}
DOTTED: Any = {"color": "#333333", "linestyle": ":", "linewidth": 1.6, "zorder": 3}


def standard_digits(count: int = 200) -> np.ndarray:
    """Digits whose 64 pixels have mean 0 and mean square 1, all taken together."""
    x = dl.datasets.digits()[0].x[:count].astype(float)
    return (x - x.mean()) / x.std()


def tower(init: Any, activation: str, widths: Any, **network: Any) -> tuple[Any, list[int]]:
    """Dense layers of these widths, each with its activation, and the places of their outputs."""
    layers: list[Any] = []
    ends = []
    for width in widths:
        layers.append(dl.Dense(width, init))
        if make := ACTIVATIONS.get(activation, getattr(dl, activation, None)):
            layers.append(make())
        ends.append(len(layers) - 1)
    return dl.Network(layers, input_shape=(64,), **{"dtype": "float64", **network}), ends


def pass_through(net: Any, x: Any, dy: Any) -> tuple[list[Any], list[Any]]:
    """x and every layer's output; and the gradient at each of these places, for dy after the last layer."""
    signals, gradients = [x], [dy]
    for layer in net.layers:
        signals.append(layer.forward(signals[-1]))
    for layer in reversed(net.layers):
        gradients.append(layer.backward(gradients[-1]))
    return signals, gradients[::-1]


def size(signal: Any, axis: Any = None) -> Any:
    """The root of the mean square."""
    return np.sqrt(np.mean(np.square(signal, dtype=float), axis=axis))


# Ten layers


def ten_layers(start: str, activation: str, scale: float, seed: int, bias: str = "0") -> Any:
    """Every layer's output, the input first, and the sizes of the gradients there."""
    x = standard_digits()
    net, ends = tower(STARTS[start], activation, [WIDTH] * LAYERS, seed=seed)
    if start == "LSUV":
        dl.lsuv(net, x, seed=seed)
    net.parameters.theta *= scale
    if bias != "0":
        centre(net)
    dy = np.random.default_rng(seed).normal(size=(len(x), WIDTH))
    signals, gradients = pass_through(net, x, dy)
    places = [0, *[end + 1 for end in ends]]
    return [signals[place] for place in places], np.array([size(gradients[place]) for place in places])


def expected(start: str, activation: str, scale: float, bias: str = "0") -> tuple[Any, Any] | None:
    """Sizes of signal and gradient in wide layers, where the weights' mean is 0 and nobody looked at the data."""
    shapes = [(64, WIDTH), *[(WIDTH, WIDTH)] * (LAYERS - 1)]
    of_weight = [variance.weight_variance(STARTS[start], shape) for shape in shapes]
    if start == "LSUV" or None in of_weight or (bias != "0" and activation != "sigmoid"):
        return None
    gains, back = (
        np.array([scale**2 * v * shape[side] for v, shape in zip(of_weight, shapes, strict=True)])  # type: ignore[operator]
        for side in (0, 1)
    )
    if bias == "0":
        return variance.forward(activation, gains) ** 0.5, variance.backward(activation, gains, back) ** 0.5
    # σ(z) = ½ + ½ t with t = tanh(z/2), and z = ½ t W once b = −½ ΣW has taken off the ½: layers of tanh, gain/16
    gains = gains / np.array([4.0] + [16.0] * (LAYERS - 1))
    of_tanh = variance.forward("tanh", gains)
    of_signal = np.append(1.0, (1.0 + of_tanh[1:]) / 4.0)
    return of_signal**0.5, variance.backward("tanh", gains, back / 16.0) ** 0.5


LOW, HIGH = 1e-14, 1e6
EDGES = np.linspace(-2.5, 2.5, 42)


def draw_ten(figure: Any, state: Any) -> None:
    signals, gradients, theory = state
    art = figure.art
    if not figure.axes:
        picture, sizes = panels(figure, 1, 2, width_ratios=[1, 1.25])
        extent = (0.5, LAYERS + 0.5, EDGES[0], EDGES[-1])
        art.map = pixels(picture, np.zeros((41, LAYERS)), cmap="Blues", origin="lower", extent=extent)
        picture.set_aspect("auto")
        picture.grid(False)
        picture.set_gid("no-ghost")
        name_axes(picture, "layer", "activation", "What the units say; dark is often")
        picture.set(xlim=extent[:2], ylim=extent[2:], xticks=range(1, LAYERS + 1))
        name_axes(sizes, "layer (0: the input)", "size", "Size of the signals; dotted: theory", log=True)
        sizes.set(xlim=(0, 14.2), ylim=(LOW / 3, 3 * HIGH), xticks=range(0, LAYERS + 1, 2))
        sizes.set_yticks(10.0 ** np.arange(-14, 7, 4))
        sizes.axhspan(0.4, 2.5, color="#DDDDDD", linewidth=0)
        art.sizes = [curve(sizes, name) for name in ("activations", "gradients")]
        with styled():
            art.theory = [sizes.plot([], [], **DOTTED)[0] for _ in range(2)]
    columns = [np.histogram(np.clip(s, EDGES[0], EDGES[-1]), EDGES)[0] for s in signals[1:]]
    art.map.set_data(np.sqrt(np.stack([c / c.max() for c in columns], axis=1)))
    layers, measured = np.arange(LAYERS + 1), (np.array([size(s) for s in signals]), gradients)
    for line, law, values, law_values in zip(art.sizes, art.theory, measured, theory or (None, None), strict=True):
        line.set_data(layers, np.clip(values, LOW, HIGH))
        line.text.set_position((8.0, 0.0))
        law.set_data(*((layers, np.clip(law_values, LOW, HIGH)) if law_values is not None else ([], [])))
    art.sizes[1].text.xy = (LAYERS, 1.0)
    spread_labels(art.sizes)


def fate(ratio: float) -> str:
    """What became of a size of 1. Kept: in the grey band."""
    return "kept" if 0.4 <= ratio <= 2.5 else "gone" if not ratio else "shrunk" if ratio < 1 else "grown"


def beyond(value: float, low: float, high: float) -> str:
    """The remark that a picture from low to high cannot show this value where it is."""
    return ", below the picture" if value < low else ", above the picture" if value > high else ""


def describe_ten(state: Any, settings: dict[str, Any]) -> str:
    signals, gradients, _ = state
    forth, back = [
        f"{number(value)} in layer {layer} ({fate(value)}{beyond(value, LOW, HIGH)})"
        for value, layer in ((float(size(signals[-1])), LAYERS), (float(gradients[1]), 1))
    ]
    bias = f", b = {settings['bias']}" if settings["bias"] != "0" else ""
    return (
        f"{settings['start']}, {settings['activation']}, scale {settings['scale']:g}{bias}: forward, a size of 1 "
        f"becomes {forth}; back, a gradient of size 1 in layer {LAYERS} becomes {back}."
    )


def run_ten(start: str, activation: str, scale: float, bias: str, seed: int) -> Any:
    return *ten_layers(start, activation, scale, seed, bias), expected(start, activation, scale, bias)


def through_ten_layers() -> Lab:
    """Activations and gradients of ten layers, for any start, activation and scale."""
    return Lab(
        run_ten,
        draw_ten,
        describe=describe_ten,
        alt="Left, a histogram of activations for each of ten layers. Right, sizes of activations and gradients, log.",
        figure_size=(9.0, 3.8),
        start=Choice(list(STARTS), "Gaussian", label="start"),
        activation=Choice(list(ACTIVATIONS), "tanh", label="activation"),
        scale=Slider(0.1, 10.0, 1.0, log=True, label="scale"),
        bias=Choice(list(BIASES), "0", label="bias b"),
        seed=Seed(),
    )


# Fan-in against fan-out

FANS, STEPS, DRAWS = {"in": "fan in", "out": "fan out", "average": "average"}, 6, 6


def taper(ratio: float, activation: str, seed: int) -> Any:
    widths = [round(64 * ratio ** (layer / STEPS)) for layer in range(STEPS + 1)]
    x = standard_digits(40)
    rng = np.random.default_rng(seed)
    dy = rng.normal(size=(DRAWS, len(x), widths[-1]))
    rule = dl.MSRA if activation == "ReLU" else dl.Xavier
    forth, back = {}, {}
    for fan in FANS:
        seeds = [DRAWS * seed + draw for draw in range(DRAWS)]
        net, ends = tower(rule(fan), activation, widths[1:], lanes=DRAWS, seed=seeds)
        signals, gradients = pass_through(net, x, dy)
        places = [0, *[end + 1 for end in ends]]
        forth[fan] = np.array([size(signals[place]) for place in places])
        back[fan] = np.array([size(gradients[place]) for place in places])
    return widths, activation, forth, back


def taper_theory(widths: list[int], activation: str, fan: str) -> tuple[np.ndarray, np.ndarray]:
    shapes = list(pairwise(widths))
    rule = dl.MSRA(fan) if activation == "ReLU" else dl.Xavier(fan)
    of_weight = [variance.weight_variance(rule, shape) or 0.0 for shape in shapes]
    gains = [v * fan_in for v, (fan_in, _) in zip(of_weight, shapes, strict=True)]
    back = [v * fan_out for v, (_, fan_out) in zip(of_weight, shapes, strict=True)]
    return variance.forward(activation, gains) ** 0.5, variance.backward(activation, gains, back) ** 0.5


def draw_taper(figure: Any, state: Any) -> None:
    widths, activation, forth, back = state
    art = figure.art
    if not figure.axes:
        axes = panels(figure, 1, 2)
        art.curves, art.theory = [], []
        titles = ("Activations, forward; dotted: theory", "Gradients, backward from the last layer")
        for ax, title, ends in zip(axes, titles, ((0, 8.6), (STEPS, -2.6)), strict=True):
            name_axes(ax, "layer", "size", title, log=True)
            ax.set(xlim=ends, ylim=(0.2, 5), xticks=range(STEPS + 1), yticks=[0.25, 0.5, 1, 2, 4])
            ax.set_yticklabels(["0.25", "0.5", "1", "2", "4"])
            ax.minorticks_off()
            art.curves.append({fan: curve(ax, name, name.replace(" ", "")) for fan, name in FANS.items()})
            with styled():
                art.theory.append({fan: ax.plot([], [], **DOTTED)[0] for fan in FANS})
        art.widths = axes[0].text(0.03, 0.03, "", transform=axes[0].transAxes, fontsize=11)
    layers = np.arange(STEPS + 1)
    for fan in FANS:
        theory = taper_theory(widths, activation, fan)
        for place, (order, sizes) in enumerate(((1, forth), (-1, back))):  # a curve ends where its signal arrives
            art.curves[place][fan].set_data(layers[::order], sizes[fan][::order])
            art.theory[place][fan].set_data(layers, theory[place])
    for place in range(2):
        spread_labels(list(art.curves[place].values()))
    art.widths.set_text("units: " + ", ".join(map(str, widths)))


def describe_taper(state: Any, settings: dict[str, Any]) -> str:
    widths, _, forth, back = state
    ends = [f"{forth[fan][-1]:.2f} forward and {back[fan][0]:.2f} back with {name}" for fan, name in FANS.items()]
    return f"From {widths[0]} units to {widths[-1]} in six layers, a size of 1 becomes {', '.join(ends)}."


def fans() -> Lab:
    """Networks that narrow or widen, begun by fan-in, fan-out and average."""
    return Lab(
        taper,
        draw_taper,
        describe=describe_taper,
        alt="Two charts against the layer, log scale: the size of activations and that of gradients for three fans.",
        ratio=Slider(0.25, 4.0, 0.25, step=0.1, log=True, label="last / first width"),
        activation=Choice(["linear", "ReLU"], "linear", label="activation"),
        seed=Seed(),
    )


# The positive unit ball
