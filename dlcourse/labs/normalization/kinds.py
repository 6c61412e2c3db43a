"""The labs of 03_batch_normalization that compare: before or after the activation; batch, layer, group, weight norm."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.ahead import lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import loss_and_share
from dlcourse.labs.momentum.balls import RATE
from dlcourse.labs.normalization.networks import ACTIVATIONS, METHODS, NAMES, SCALE, build, trace
from dlcourse.plots import look, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

# Before or after the activation

STARTS, PLACES = 6, ("without", "batch", "after")
HIGHEST = 5.0  # nats: what is higher is drawn here


def in_places(activation: str, learning_rate: float, depth: int) -> Any:
    train, test = dl.datasets.digits()
    histories = []
    for norm in PLACES:
        net = build(norm, depth=depth, activation=activation, lanes=STARTS, seed=range(STARTS))
        loss, rule = dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, 0.9)
        histories.append(dl.fit(net, loss, rule, train, validation=test, epochs=3, batch_size=64))
    return np.array([h.train_loss for h in histories]), np.array([h.validation_accuracy[-1] for h in histories])


def draw_places(figure: Any, state: Any) -> None:
    losses, right = state
    art = figure.art
    names = {"without": "without", "batch": "before", "after": "after"}
    if not figure.axes:
        left, ends = panels(figure, 1, 2, width_ratios=[1.3, 1])
        name_axes(left, "epoch", "loss (nats), 5 at most", "Training loss, six starts each", log=True)
        left.set(xlim=(0.9, 3.7), ylim=(0.02, 8), xticks=range(1, 4))
        name_axes(ends, "batch norm and activation", "share", "New digits read, every start")
        ends.set(xlim=(-0.6, 2.6), ylim=(0, 1.02), xticks=range(3), xticklabels=names.values())
        looks = [look(METHODS[name]) for name in PLACES]
        art.middle = trace(left, PLACES)
        for line, name in zip(art.middle, names.values(), strict=True):
            line.text.set_text(name)
        with styled():
            styles = [{"color": each["color"], "linewidth": 0.8, "alpha": 0.5} for each in looks]
            art.lines = [[left.plot([], [], **style)[0] for _ in range(STARTS)] for style in styles]
            art.ends = [ends.plot([], [], each["marker"], color=each["color"], alpha=0.7)[0] for each in looks]
    epochs = np.arange(1, 4)
    for place in range(3):
        values = np.clip(np.nan_to_num(losses[place], nan=np.inf), 0.02, HIGHEST)
        art.middle[place].set_data(epochs, np.median(values, axis=1))
        for line, each in zip(art.lines[place], values.T, strict=True):
            line.set_data(epochs, each)
        art.ends[place].set_data(place + np.linspace(-0.25, 0.25, STARTS), right[place])
    spread_labels(art.middle)


def describe_places(state: Any, settings: dict[str, Any]) -> str:
    losses, right = state
    end, share = np.median(losses[:, -1], axis=1), np.median(right, axis=1)
    words = [
        f"{name} {loss:.2f} nats and {each:.0%} read" if loss <= HIGHEST else f"{name} more than {HIGHEST:g} nats"
        for name, loss, each in zip(("without", "before", "after"), end, share, strict=True)
    ]
    return f"Median of six starts after three epochs, {settings['activation']}: {words[1]}; {words[2]}; {words[0]}."


def placement() -> Lab:
    """Batch norm before the activation, after it, or not at all."""
    return Lab(
        in_places,
        draw_places,
        describe=describe_places,
        alt="Left, training loss of six starts each against the epoch, log scale. Right, the digits that each reads.",
        figure_size=(9.0, 3.4),
        activation=Choice(list(ACTIVATIONS), "ReLU", label="activation"),
        learning_rate=Slider(1e-3, 1.0, 0.01, log=True, label=RATE),
        depth=Choice([1, 2, 4], 4, label="hidden layers"),
    )


# The relatives

FAMILY = ("without", "batch", "layer", "group", "weight")


def train_family(batch_size: int, learning_rate: float, scale: float, seed: int) -> Iterator[Any]:
    """Five nets, a hundred steps beside each other: after every ten, the loss on new digits and the share read."""
    train, test = dl.datasets.digits()
    lanes = lanes_of(learning_rate, scale)
    options: Any = {"epochs": 10, "batch_size": batch_size, "seed": seed}
    nets = [build(norm, depth=3, scale=scale, seed=seed, lanes=lanes) for norm in FAMILY]
    loss, rule = dl.SoftmaxCrossEntropy, dl.Momentum
    runs = [dl.training_steps(net, loss(), rule(learning_rate, 0.9), train, **options) for net in nets]
    losses = []
    for steps in islice(zip(*runs, strict=True), 100):
        if steps[0].number % 10 == 9:
            new, right = zip(*(loss_and_share(net, test) for net in nets), strict=True)
            losses.append(list(new))
            yield losses, list(right)


def draw_family(figure: Any, state: Any) -> None:
    losses = np.array(state[0]).T
    art = figure.art
    if not figure.axes:
        (ax,) = panels(figure)
        name_axes(ax, "step", "loss (nats), 10 at most", "Loss on new digits, three hidden layers", log=True)
        ax.set(xlim=(0, 125), ylim=(0.08, 20), xticks=range(0, 101, 20))
        art.lines = trace(ax, FAMILY)
        for line in art.lines:
            line.marks = 10
    for line, values in zip(art.lines, losses, strict=True):
        line.set_data(10 * np.arange(1, len(values) + 1), np.clip(values, 0.08, 10))
    spread_labels(art.lines)


def describe_family(state: Any, settings: dict[str, Any]) -> str:
    losses, right = state
    words = [
        f"{NAMES[name]} {share:.0%}" if np.isfinite(values[-1]) else f"{NAMES[name]} diverges"
        for name, values, share in zip(FAMILY, np.array(losses).T, right, strict=True)
    ]
    steps = f"{10 * len(losses)} steps of {settings['batch_size']} examples"
    return f"New digits read after {steps}: {', '.join(words)}."


def relatives() -> Lab:
    """Batch, layer, group and weight norm on the same net."""
    return Lab(
        train_family,
        draw_family,
        describe=describe_family,
        lanes=["learning_rate", "scale"],
        alt="Five curves: loss on new digits against the step, log scale, one for each kind of normalization.",
        figure_size=(9.0, 3.8),
        batch_size=Choice([2, 4, 8, 16, 64, 128], 64, label="batch size"),
        learning_rate=Slider(1e-3, 3.0, 0.03, log=True, label=RATE),
        scale=Slider(1e-3, 1e3, 1.0, log=True, label=SCALE),
        seed=Seed(),
    )
