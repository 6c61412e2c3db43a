"""The positive unit ball: what it keeps from saturation, and what it costs."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import variance
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.initialization.signals import DOTTED, pass_through, size, tower
from dlcourse.labs.initialization.starts import STARTS, number
from dlcourse.labs.lab import Lab
from dlcourse.plots import curve, fill_histogram, histogram, name_axes, spread_labels
from dlcourse.plots.style import styled

RIVALS = ("uniform", "Xavier", "unit ball")
BALL_EDGES = np.linspace(0.0, 1.0, 41)


def ball(units: int, layers: int, seed: int) -> Any:
    """Sigmoid networks on digits: the outputs of the first layer, and how much the units of each layer differ."""
    x = dl.datasets.digits()[0].x[:100].astype(float)
    said, spreads = {}, {}
    for start in RIVALS:
        net, _ = tower(STARTS[start], "sigmoid", [units] * layers, seed=seed)
        signals, _ = pass_through(net, x, np.zeros((len(x), units)))
        said[start] = signals[2]
        spreads[start] = [float(size(z - z.mean(axis=1, keepdims=True))) for z in (x, *signals[1::2])]
    return said, spreads, ball_theory(x, units, layers)


def ball_theory(x: np.ndarray, units: int, layers: int) -> list[float]:
    """The deviation between the units of a unit ball: s / √(3n) at every layer, and the slope of the sigmoid."""
    spread = [float(size(x - x.mean(axis=1, keepdims=True)))]
    level, inputs, fan_in = float(x.mean()), spread[0], x.shape[1]
    for _ in range(layers):
        spread.append(variance.unit_ball_spread(inputs, fan_in))
        level = float(variance.sigmoid(np.array(level)))
        inputs, fan_in = level * (1 - level) * spread[-1], units
    return spread


def draw_ball(figure: Any, state: Any) -> None:
    said, spreads, theory = state
    art = figure.art
    if not figure.axes:
        with styled():
            every = figure.subplot_mosaic([[0, 3], [1, 3], [2, 3]], width_ratios=[1, 1.3])
        axes, chart = [every[row] for row in range(3)], every[3]
        art.bars, art.shares = {}, {}
        for ax, start in zip(axes, RIVALS, strict=True):
            ax.set(xlim=(0, 1), ylim=(0, 1), yticks=[], xticks=[0, 0.5, 1])
            ax.tick_params(labelbottom=start == RIVALS[-1])
            art.bars[start] = histogram(ax, BALL_EDGES, method=start)
            art.shares[start] = ax.text(0.5, 0.9, "", transform=ax.transAxes, va="top", ha="center", fontsize=11)
        axes[0].set_title("Outputs of the first layer, sigmoids", loc="left")
        axes[-1].set_xlabel("output")
        name_axes(chart, "layer", "deviation", "How much the units of a layer differ", log=True)
        chart.set(xlim=(0, 8.4), ylim=(1e-14, 1e2), xticks=range(7))
        art.curves = {start: curve(chart, start) for start in RIVALS}
        with styled():
            (art.theory,) = chart.plot([], [], **DOTTED)
    for start in RIVALS:
        fill_histogram(art.bars[start], said[start])
        art.shares[start].set_text(f"{start}: {saturated(said[start]):.0%} saturated")
        art.curves[start].set_data(np.arange(len(spreads[start])), np.maximum(spreads[start], 1e-14))
    art.theory.set_data(np.arange(len(theory)), theory)
    spread_labels(list(art.curves.values()))


def saturated(outputs: np.ndarray) -> float:
    """The share of sigmoids below 0.05 or above 0.95, where the slope is under a fifth of its best."""
    return float(((outputs < 0.05) | (outputs > 0.95)).mean())


def describe_ball(state: Any, settings: dict[str, Any]) -> str:
    said, spreads, theory = state
    y = said["unit ball"]
    layers = settings["layers"]
    return (
        f"Unit ball: outputs of layer 1 from {y.min():.2f} to {y.max():.2f}, {saturated(y):.0%} saturated; "
        f"with uniform weights {saturated(said['uniform']):.0%} are. Its price: between the units of layer {layers} "
        f"the deviation is {number(spreads['unit ball'][-1])} (theory {number(theory[-1])}); "
        f"with Xavier it is {number(spreads['Xavier'][-1])}."
    )


def unit_ball() -> Lab:
    """What the positive unit ball does for sigmoids, and what it costs."""
    return Lab(
        ball,
        draw_ball,
        describe=describe_ball,
        alt="Left, histograms of the first layer's outputs for three starts. Right, deviation between units, log.",
        figure_size=(9.0, 3.8),
        ghost=False,
        units=Choice([16, 32, 64, 128, 256], 64, label="units in a layer"),
        layers=Slider(1, 6, 3, label="layers"),
        seed=Seed(),
    )
