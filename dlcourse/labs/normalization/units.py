"""The labs of 03_batch_normalization on one unit: its values before and after, and its weights on their rays."""

import math
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import RATE, nameless
from dlcourse.plots import contours, curve, fill_histogram, histogram, look, name_axes, panels, path
from dlcourse.plots.style import styled

# One unit, before and after

UNITS = {"a pixel": 20, "another pixel": 35, "a pixel that is always 0": 0}
GAINS, SHIFTS = ("one", "σ", "√(σ² + ε)"), ("zero", "μ")


def values_of(unit: str) -> np.ndarray:
    """What one unit holds for all 1437 digits, (1437, 1): a pixel, or a unit of a hidden layer before its ReLU.

    Pixels are stored in steps of 1/16; a draw within the step undoes the rounding, so that histograms have no gaps.
    """
    train, _ = dl.datasets.digits()
    if unit in UNITS:
        pixel = train.x[:, UNITS[unit], None].astype(float)
        return pixel + np.random.default_rng(0).uniform(-1 / 32, 1 / 32, pixel.shape) * (pixel.max() > 0)
    net = dl.Network([dl.Dense(32), dl.ReLU(), dl.Dense(32)], input_shape=(64,), dtype="float64")
    return dl.to_host(net.predict(train.x))[:, 3:4]


def normalize(unit: str, gain: str, shift: str, eps: float, rows: str) -> Any:
    x = values_of(unit)
    batch, others = x[:256], x[256:]
    norm = dl.BatchNorm(eps=eps)
    norm.build((1,), dtype="float64")
    mean, variance = batch.mean(), batch.var()
    norm.gamma[...] = {"one": 1.0, "σ": math.sqrt(variance), "√(σ² + ε)": math.sqrt(variance + eps)}[gain]
    norm.beta[...] = mean if shift == "μ" else 0.0
    y = norm.forward(batch, training=True)
    if rows != "this batch":
        batch = others[:256]
        y = norm.forward(batch, training=True)
    return batch[:, 0], y[:, 0]


EDGES = np.linspace(-3.5, 3.5, 57)


def draw_unit(figure: Any, state: Any) -> None:
    x, y = state
    art = figure.art
    if not figure.axes:
        before, after, line = panels(figure, 1, 3, width_ratios=[1, 1, 0.9])
        for ax, name in ((before, "Before: x"), (after, "After: y (dashed: bell)")):
            name_axes(ax, "value", "share of the batch", name)
            ax.set(xlim=(-3.5, 3.5), ylim=(0, 0.4))
        after.set_ylabel("")
        art.bars = [histogram(before, EDGES, method="without"), histogram(after, EDGES, method="batchnorm")]
        width = EDGES[1] - EDGES[0]
        with styled():
            after.plot(EDGES, width * np.exp(-(EDGES**2) / 2) / math.sqrt(2 * math.pi), "k--", linewidth=1.3)
            ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
            art.means = [
                ax.text(0.97, 0.93, "", transform=ax.transAxes, ha="right", va="top", fontsize=12, bbox=ground)
                for ax in (before, after)
            ]
            line.plot([-4, 4], [-4, 4], color="#999999", linewidth=1.2, linestyle=":")
            line.text(2.7, 3.2, "y = x", color="#666666", ha="right", fontsize=11)
            art.dots = line.plot([], [], "o", color=look("batchnorm")["color"], markersize=4)[0]
        name_axes(line, "x", "y", "y against x")
        line.set(xlim=(-4, 4), ylim=(-4, 4))
    for bars, text, values in zip(art.bars, art.means, (x, y), strict=True):
        fill_histogram(bars, values)
        text.set_text(f"mean {tidy(values.mean())}\ndeviation {tidy(values.std())}")
    art.dots.set_data(x, y)


def tidy(value: float) -> str:
    """Three digits, and no minus before a zero."""
    return f"{0.0 if abs(value) < 5e-4 else value:.3f}"


def describe_unit(state: Any, settings: dict[str, Any]) -> str:
    x, y = state
    apart = float(np.abs(y - x).max())
    void = "y is x again, to the last digit" if apart < 1e-12 else f"y differs from x by up to {apart:.2g}"
    plain = {"one": "1", "zero": "0"}
    gain, shift = (plain.get(settings[name], settings[name]) for name in ("gain", "shift"))
    learned = f"γ = {gain} and β = {shift}"
    return f"After: mean {tidy(y.mean())}, deviation {tidy(y.std())}. With {learned} {void}."


def one_unit() -> Lab:
    """What batch norm does to the values of one unit, and how it can be undone."""
    return Lab(
        normalize,
        draw_unit,
        describe=describe_unit,
        alt="Histograms of one unit before and after batch norm, with a bell curve; and after against before.",
        figure_size=(9.0, 3.4),
        unit=Choice(["a hidden unit", *UNITS], "a pixel", label="unit"),
        gain=Choice(list(GAINS), "one", label="γ"),
        shift=Choice(list(SHIFTS), "zero", label="β"),
        eps=Choice([1e-8, 1e-5, 1e-3, 1e-1], 1e-5, label="ε"),
        rows=Choice(["this batch", "the next batch"], "this batch", label="applied to"),
    )


# Two weights: the loss that does not know their length

POINTS, WALK = 64, 400


def cloud(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points of two overlapping classes in the plane, (64, 2), with labels −1 and 1."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(POINTS) % 2, 1.0, -1.0)
    return rng.normal(size=(POINTS, 2)) + np.outer(labels, [0.7, 0.4]), labels


def unit_loss(w: np.ndarray, x: np.ndarray, labels: np.ndarray) -> tuple[Any, np.ndarray]:
    """The logistic loss of one unit behind a batch norm with γ = 2, ε = 0, and its gradient for the two weights."""
    z = x @ w
    sigma = z.std()
    x_hat = (z - z.mean()) / sigma
    loss = np.logaddexp(0.0, -2.0 * labels * x_hat).mean()
    dy = -2.0 * labels / (1.0 + np.exp(2.0 * labels * x_hat)) / len(x)
    dz = (dy - dy.mean() - x_hat * (dy * x_hat).mean()) / sigma
    return loss, x.T @ dz


class Rays(dl.surfaces.Surface):
    """The loss of that unit over its two weights: the same along every ray from the origin."""

    name, bounds = "rays", (-5.0, 5.0, -5.0, 5.0)

    def __init__(self) -> None:
        self.minima = ()
        self.x, self.labels = cloud()

    def f(self, x: Any, y: Any) -> Any:
        z = np.multiply.outer(x, self.x[:, 0]) + np.multiply.outer(y, self.x[:, 1])
        z -= z.mean(axis=-1, keepdims=True)
        x_hat = z / z.std(axis=-1, keepdims=True)
        return np.logaddexp(0.0, -2.0 * self.labels * x_hat).mean(axis=-1)


def spiral(learning_rate: float, length: float, weight_decay: float, batch_size: int, seed: int) -> Any:
    x, labels = cloud()
    rng = np.random.default_rng(seed)
    w = length * np.array([-0.5, math.sqrt(0.75)])
    points = [w]
    for _ in range(WALK):
        batch = rng.permutation(POINTS)[:batch_size]
        gradient = unit_loss(w, x[batch], labels[batch])[1]
        w = (1 - learning_rate * weight_decay) * w - learning_rate * gradient
        points.append(w)
    return learning_rate, weight_decay, np.array(points)


def turns(points: np.ndarray) -> np.ndarray:
    """The angle of each step as seen from the origin, in degrees."""
    angle = np.arctan2(points[:, 1], points[:, 0])
    return np.abs(np.degrees((np.diff(angle) + math.pi) % (2 * math.pi) - math.pi))


def mean_turn(points: np.ndarray) -> float:
    """The angle whose cosine is the geometric mean of the cosines of the steps, in degrees: what the theorem is about.

    cos(angle) = (1 − ηλ) ‖w‖/‖w′‖ for every step. Over many steps the lengths cancel, if the last is as the first.
    """
    return math.degrees(math.acos(math.exp(np.log(np.cos(np.radians(turns(points)))).mean())))


def rests(learning_rate: float, weight_decay: float, points: np.ndarray) -> bool:
    """Has the length come to rest? The start is forgotten, e^(−4ηλ · steps) of it is left, and what drifts is noise."""
    logs = np.log(np.linalg.norm(points, axis=1))
    waited = 4 * learning_rate * weight_decay * len(logs)
    quarter = len(logs) // 4
    drift = abs(logs[-quarter:].mean() - logs[-2 * quarter : -quarter].mean())
    return bool(waited > 8 and drift < 0.05 + logs[-2 * quarter :].std())


def draw_spiral(figure: Any, state: Any) -> None:
    learning_rate, weight_decay, points = state
    art = figure.art
    if not figure.axes:
        chart, length, turn = panels(figure, 1, 3, width_ratios=[1.05, 1, 1])
        contours(chart, Rays())
        chart.set(xlabel="first weight", ylabel="second weight")
        chart.set_title("The loss, and the way", loc="left")
        name_axes(length, "step", "length", "Length of the weights", log=True)
        name_axes(turn, "step", "degrees", "Turn of each step", log=True)
        for ax in (length, turn):
            ax.set(xlim=(0, WALK))
        length.set(ylim=(0.1, 100))
        turn.set(ylim=(1e-3, 200))
        art.path = path(chart, "weights", "batchnorm")
        art.length = curve(length, "length", "batchnorm", marker="")
        art.turn = turn.plot([], [], ".", color=look("batchnorm")["color"], markersize=3)[0]
        art.rest = turn.plot([], [], ":", color="black", linewidth=2)[0]
        nameless(art.path, art.length)
        for line in (art.path.line, art.path.halo):
            line.set(marker="", linewidth=1.2)
        art.path.halo.set_linewidth(2.5)
    art.path.set_points(points)
    art.length.set_data(np.arange(len(points)), np.clip(np.linalg.norm(points, axis=1), 0.1, 100))
    art.turn.set_data(np.arange(1, len(points)), np.clip(turns(points), 1e-3, 180))
    rest = math.degrees(theory.resting_turn(learning_rate, weight_decay)) if weight_decay else math.nan
    art.rest.set_data([0, WALK], [rest, rest])


def describe_spiral(state: Any, settings: dict[str, Any]) -> str:
    learning_rate, weight_decay, points = state
    begin, end = np.linalg.norm(points[[0, -1]], axis=1)
    text = f"The weights go from length {begin:.2f} to {end:.2f}. The last 100 steps turn them by "
    text += f"{turn:.2g}°" if (turn := mean_turn(points[-101:])) >= 0.01 else "less than 0.01°"
    if not weight_decay:
        return f"{text}, in the mean. Without weight decay they never get shorter."
    rest = math.degrees(theory.resting_turn(learning_rate, weight_decay))
    there = rests(learning_rate, weight_decay, points)
    when = "The length rests" if there else f"The length does not rest yet, after {WALK} steps"
    return f"{text}, in the mean; at rest it is arccos(1 − ηλ) = {rest:.2g}°. {when}."


def on_rays() -> Lab:
    """Two weights before a batch norm: steps at right angles, ever longer weights, ever smaller turns."""
    return Lab(
        spiral,
        draw_spiral,
        describe=describe_spiral,
        alt="Left, the loss over two weights, the same along a ray, and their way. Right, length and turn per step.",
        figure_size=(9.0, 3.4),
        learning_rate=Slider(0.01, 10.0, 1.0, log=True, label=RATE),
        length=Slider(0.2, 4.0, 1.0, step=0.1, label="length at the start"),
        weight_decay=Choice([0.0, 0.001, 0.01, 0.05], 0.0, label="weight decay λ"),
        batch_size=Choice([4, 8, 16, 64], 8, label="batch size"),
        seed=Seed(),
    )
