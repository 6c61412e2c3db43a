"""The labs of 03_batch_normalization on batches: training against prediction, and the shift that does not matter."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.ahead import lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import loss_and_share
from dlcourse.labs.momentum.balls import RATE
from dlcourse.labs.normalization.networks import ACTIVATIONS
from dlcourse.layers.base import Layer
from dlcourse.plots import curve, look, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

# Training and prediction

RUN, EVERY, CHANNEL = 120, 5, 5  # steps; how many between two looks at the new digits; the unit that is watched
TOP = 30.0  # nats: what is higher is drawn here
MODES = {"in training": "train", "new digits": "test"}


def two_modes(batch_size: int, decay: float, learning_rate: float, seed: int) -> Iterator[Any]:
    """Losses as training sees them and, every 5 steps, on new digits; one unit's batch means and its running mean."""
    train, test = dl.datasets.digits()
    norm = dl.BatchNorm(decay=decay)
    layers = [dl.Dense(32), norm, dl.ReLU(), dl.Dense(32), dl.BatchNorm(decay=decay), dl.ReLU(), dl.Dense(10)]
    net = dl.Network(layers, input_shape=(64,), seed=seed, lanes=lanes_of(learning_rate))
    loss = dl.SoftmaxCrossEntropy()
    seen, new, right, means, before = [], [], 0.0, [], np.zeros(())
    options: Any = {"epochs": 22, "batch_size": batch_size, "seed": seed}  # enough for RUN steps of 256
    for step in dl.training_steps(net, loss, dl.SGD(learning_rate), train, **options):
        running = dl.to_host(norm.running_mean)[..., 0, CHANNEL].astype(float)
        means.append(((running - decay * before) / (1 - decay), running))  # the batch's own, from what it changed
        before = running
        seen.append(dl.to_host(step.loss).copy())
        if step.number % EVERY == EVERY - 1:
            value, right = loss_and_share(net, test)
            new.append(value)
        yield seen, new, right, means
        if step.number == RUN - 1:
            return


def smooth(values: Any, width: int = 15) -> np.ndarray:
    """Each value with up to 14 before it, averaged."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    at = np.arange(1, len(sums))
    first = np.maximum(at - width, 0)
    return (sums[at] - sums[first]) / (at - first)


def draw_modes(figure: Any, state: Any) -> None:
    seen, new, _right, means = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.35, 1])
        name_axes(left, "step", "loss (nats)", "The same net with two kinds of statistics", log=True)
        left.set(xlim=(0, 165), ylim=(0.08, 50), xticks=range(0, RUN + 1, 20))
        art.losses = [curve(left, name, method, linewidth=1.8) for name, method in MODES.items()]
        name_axes(right, "step", "mean of one unit", "Line: running mean; dots: batches")
        right.set(xlim=(0, RUN), ylim=(-2.5, 2.5))
        with styled():
            art.dots = right.plot([], [], "o", color=look("train")["color"], markersize=3, alpha=0.6)[0]
            art.running = right.plot([], [], color=look("test")["color"], linewidth=2.2)[0]
    art.losses[0].set_data(np.arange(1, len(seen) + 1), np.clip(smooth(seen), 0.08, TOP))
    art.losses[1].set_data(EVERY * np.arange(1, len(new) + 1), np.clip(new, 0.08, TOP))
    batch, running = np.array(means).T
    art.dots.set_data(np.arange(1, len(batch) + 1), batch)
    art.running.set_data(np.arange(1, len(running) + 1), running)
    spread_labels(art.losses)


def describe_modes(state: Any, settings: dict[str, Any]) -> str:
    seen, new, right, means = state
    if not np.isfinite(seen).all():
        step = int(np.argmin(np.isfinite(seen)))
        return f"Diverged: the loss is no number from step {step} on. Lower η."
    end = smooth(seen)[-1]
    batch, running = (np.std(part[len(part) // 2 :]) for part in np.array(means).T)
    text = f"After {len(seen)} steps training sees {nats(end)}"
    if new:
        text += f", prediction on new digits {nats(new[-1])} ({right:.0%} read)"
    swings = f"±{batch:.2g} from batch to batch, its running mean by ±{running:.2g}"
    return f"{text}. In the second half one unit's mean swings by {swings}."


def nats(loss: float) -> str:
    """As the picture shows it: above TOP it is drawn at its edge."""
    return f"{loss:.2f} nats" if loss <= TOP else f"more than {TOP:g} nats"


def train_predict() -> Lab:
    """Small batches: what training sees, and what prediction makes of it."""
    return Lab(
        two_modes,
        draw_modes,
        describe=describe_modes,
        lanes=["learning_rate"],
        alt="Left, loss in training and prediction against the step, log scale. Right, batch means and running mean.",
        figure_size=(9.0, 3.4),
        batch_size=Choice([2, 3, 4, 8, 16, 64, 256], 4, label="batch size"),
        decay=Slider(0.0, 0.99, 0.9, step=0.01, label="decay of the statistics"),
        learning_rate=Slider(1e-3, 3.0, 0.1, log=True, label=RATE),
        seed=Seed(),
    )


# The shift that does not matter


class Jolt(Layer):
    """A random scale around 1 and shift around 0 of every unit, new at each step of training; size 0 leaves x as it is.

    With `watch` it remembers three quantiles of one unit at each step. x, y (batch, units).
    """

    def __init__(self, size: float, watch: bool = False):
        self.size, self.watch = size, watch

    def reset(self) -> None:
        self.rng = np.random.default_rng(0)
        self.seen: list[np.ndarray] = []
        self.factor: Any = 1.0

    def forward(self, x: Any, training: bool = False) -> Any:
        self.factor = np.float32(1.0)
        if not training:
            return x
        if self.size:
            shape = (1, x.shape[-1])
            self.factor = self.rng.uniform(1.0 - self.size / 2, 1.0 + self.size / 2, shape).astype(x.dtype)
            x = x * self.factor + self.rng.uniform(-self.size, self.size, shape).astype(x.dtype)
        if self.watch:
            self.seen.append(np.quantile(x[..., CHANNEL], [0.15, 0.5, 0.85], axis=-1))
        return x

    def backward(self, dy: Any) -> Any:
        return dy * self.factor


NETS = {"without": "without", "only jolts": "without, jolted", "batch": "batch norm", "jolted": "batch norm, jolted"}
LOOKS = {"without": "without", "only jolts": "jolted", "batch": "batchnorm", "jolted": "batchnormjolted"}
HIGHEST = 10.0  # nats: the picture ends here


def jolted_net(norm: str, activation: str, jolt: float, seed: Any = 0, lanes: int | None = None) -> dl.Network:
    """Three hidden layers; in the jolted ones the input of every activation is shaken at each step."""
    layers: list[Any] = []
    for place in range(3):
        normal = [dl.BatchNorm()] if norm in ("batch", "jolted") else []
        shaker = Jolt(jolt if "jolt" in norm else 0.0, watch=place == 2)
        layers += [dl.Dense(32), *normal, shaker, ACTIVATIONS[activation]()]
    return dl.Network([*layers, dl.Dense(10)], input_shape=(64,), seed=seed, lanes=lanes)


def shake(activation: str, learning_rate: float, jolt: float, seed: Any, lanes: int | None = None) -> Any:
    """Losses (nets, steps) and what goes into one unit of the last activation, (nets, steps, 3 quantiles)."""
    train, _ = dl.datasets.digits()
    options: Any = {"epochs": 4, "batch_size": 64, "seed": 0 if lanes else seed}
    losses, quantiles = [], []
    for norm in NETS:
        net = jolted_net(norm, activation, jolt, seed, lanes)
        losses.append(dl.fit(net, dl.SoftmaxCrossEntropy(), dl.SGD(learning_rate), train, **options).loss)
        quantiles.append(np.moveaxis(np.array(net.layers[-3].seen), 1, -1))
    return np.array(losses), np.array(quantiles)


def wander(quantiles: np.ndarray) -> np.ndarray:
    """How far the middle of a unit's input moves from one step to the next, in widths of its distribution."""
    width = (quantiles[..., 2] - quantiles[..., 0]).mean(axis=1)
    return np.abs(np.diff(quantiles[..., 1], axis=1)).mean(axis=1) / np.maximum(width, 1e-12)


def draw_shake(figure: Any, state: Any) -> None:
    losses, quantiles = state
    art = figure.art
    if not figure.axes:
        left, *bands = panels(figure, 1, 5, width_ratios=[2.6, 1, 1, 1, 1])
        name_axes(left, "step", "loss (nats)", "Loss, mean of 15 steps", log=True)
        left.set(xlim=(0, 190), ylim=(0.08, HIGHEST), xticks=range(0, 93, 23))
        art.losses = [curve(left, NETS[norm], LOOKS[norm], linewidth=1.8) for norm in NETS]
        art.bands = []
        for ax, norm, title in zip(bands, NETS, ("Without", "… jolted", "Batch norm", "… jolted"), strict=True):
            name_axes(ax, "step", "", title)
            ax.set(xlim=(0, 92), ylim=(-4, 4), xticks=[0, 46, 92], yticks=range(-4, 5, 2))
            color = look(LOOKS[norm])["color"]
            widths = (0.9, 1.8, 0.9)
            art.bands.append([ax.plot([], [], color=color, linewidth=w)[0] for w in widths])
        bands[0].set_ylabel("one unit's 15, 50, 85 %")
    for line, values in zip(art.losses, losses, strict=True):
        line.set_data(np.arange(1, len(values) + 1), np.clip(smooth(values), 0.08, HIGHEST))
    for lines, held in zip(art.bands, quantiles, strict=True):
        for line, values in zip(lines, held.T, strict=True):
            line.set_data(np.arange(1, len(values) + 1), values)
    spread_labels(art.losses)


def describe_shake(state: Any, settings: dict[str, Any]) -> str:
    losses, quantiles = state
    words = []
    for name, values in zip(NETS.values(), losses, strict=True):
        end = smooth(values)[-1]
        above = f"{name} more than {HIGHEST:g}, above the picture" if end > HIGHEST else f"{name} {end:.2f}"
        words.append(above if np.isfinite(end) else f"{name} lost, its loss is no number")
    text = f"Loss over the last 15 steps, in nats: {'; '.join(words)}."
    still, shaken = wander(quantiles)[2:]
    if not np.isfinite([still, shaken]).all():
        return text
    return f"{text} With jolts the unit's input wanders {shaken / still:.1f} times as much as behind batch norm alone."


def shift() -> Lab:
    """Distributions that are shaken behind the batch norm, and what it costs."""
    return Lab(
        shake,
        draw_shake,
        describe=describe_shake,
        alt="Left, four loss curves against the step, log scale. Right, quantiles of one unit's input in each net.",
        figure_size=(10.5, 3.6),
        activation=Choice(list(ACTIVATIONS), "sigmoid", label="activation"),
        learning_rate=Slider(1e-2, 3.0, 0.3, log=True, label=RATE),
        jolt=Slider(0.0, 2.0, 1.0, step=0.1, label="size of the jolts"),
        seed=Seed(),
    )
