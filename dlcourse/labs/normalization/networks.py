"""The labs of 03_batch_normalization on whole trainings: with and without, and ten decades of first weights."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.backend import to_device
from dlcourse.labs.ahead import lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.momentum.balls import RATE, nameless
from dlcourse.plots import curve, name_axes, panels, spread_labels

SCALE = "scale of the first weights"
ACTIVATIONS = {"ReLU": dl.ReLU, "tanh": dl.Tanh, "sigmoid": dl.Sigmoid}
NORMS: Any = {"batch": dl.BatchNorm, "layer": dl.LayerNorm, "group": lambda eps: dl.GroupNorm(4, eps)}
NAMES = {
    "without": "without",
    "batch": "batch norm",
    "layer": "layer norm",
    "group": "group norm",
    "weight": "weight norm",
    "after": "batch norm after",
}
METHODS = {name: "without" if name == "without" else f"{name}norm" for name in NAMES} | {"after": "batchnormafter"}


def build(
    norm: str,
    depth: int = 6,
    width: int = 32,
    activation: str = "ReLU",
    scale: Any = 1.0,
    eps: float = 1e-5,
    seed: Any = 0,
    lanes: int | None = None,
) -> dl.Network:
    """`depth` hidden layers for the digits; `norm` is a name of NAMES, "after" a batch norm after each activation.

    scale multiplies the first weights of the hidden layers: a number, or one for each lane.
    """
    layers: list[Any] = []
    for _ in range(depth):
        layers.append(dl.WeightNormDense(width) if norm == "weight" else dl.Dense(width))
        block = [ACTIVATIONS[activation]()]
        if norm in NORMS:
            block.insert(0, NORMS[norm](eps=eps))
        layers += [*block, dl.BatchNorm(eps=eps)] if norm == "after" else block
    network = dl.Network([*layers, dl.Dense(10)], input_shape=(64,), lanes=lanes, seed=seed)
    column = to_device(np.reshape(scale, (-1, 1, 1)), network.parameters.dtype) if np.ndim(scale) else scale
    for layer in network.layers[:-1]:
        for name in {"W", "v", "g"} & layer.windows.keys():
            getattr(layer, name)[...] *= column
    return network


def trained(
    norm: str, learning_rate: Any = 0.1, epochs: int = 3, batch_size: int = 64, examples: int | None = None, **net: Any
) -> Any:
    """(training loss, share of new digits read) after the last epoch; one of each per lane. Momentum is 0.9."""
    train, test = dl.datasets.digits()
    loss, rule = dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, 0.9)
    shape: Any = {"epochs": epochs, "batch_size": batch_size}
    history = dl.fit(build(norm, **net), loss, rule, train[:examples], validation=test, **shape)
    return history.train_loss[-1], history.validation_accuracy[-1]


def trace(axes: Any, names: Any, **style: Any) -> list[Any]:
    """A curve for each of these norms, named at its end."""
    return [curve(axes, NAMES[name], METHODS[name], **style) for name in names]


# The same net, with and without

EPOCHS, STEPS = 5, 115  # of 1437 digits in batches of 64
TWINS = ("without", "batch")


def train_twins(learning_rate: float, scale: float, depth: int, seed: int) -> Iterator[Any]:
    train, test = dl.datasets.digits()
    lanes = lanes_of(learning_rate, scale)
    nets = [build(norm, depth=depth, scale=scale, seed=seed, lanes=lanes) for norm in TWINS]
    options: Any = {"epochs": EPOCHS, "batch_size": 64, "seed": seed}
    loss, rule = dl.SoftmaxCrossEntropy, dl.SGD
    runs = [dl.training_steps(net, loss(), rule(learning_rate), train, **options) for net in nets]
    losses, right = [], [[share_right(net, test) for net in nets]]
    for steps in zip(*runs, strict=True):
        losses.append([dl.to_host(step.loss).copy() for step in steps])
        if steps[0].ends_epoch:
            right.append([share_right(net, test) for net in nets])
        yield losses, right


def draw_twins(figure: Any, state: Any) -> None:
    losses, right = (np.array(part).T for part in state)
    art = figure.art
    if not figure.axes:
        left, accuracy = panels(figure, 1, 2, width_ratios=[1.3, 1])
        name_axes(left, "step", "loss (nats), 20 at most", "Loss on each batch", log=True)
        left.set(xlim=(0, 160), ylim=(0.01, 50), xticks=range(0, STEPS + 1, 23))
        name_axes(accuracy, "epoch", "share", "New digits read correctly")
        accuracy.set(xlim=(0, 5.2), ylim=(0, 1.02), xticks=range(EPOCHS + 1))
        art.losses, art.right = trace(left, TWINS, linewidth=1.5), trace(accuracy, TWINS)
        nameless(*art.right)
    for line, values in zip(art.losses, losses, strict=True):
        line.set_data(np.arange(len(values)), np.clip(values, 0.01, 20))
    for line, values in zip(art.right, right, strict=True):
        line.set_data(np.arange(len(values)), values)
    spread_labels(art.losses)


def describe_twins(state: Any, settings: dict[str, Any]) -> str:
    losses, right = (np.array(part).T for part in state)
    words = []
    for name, values, share in zip(("Without", "With"), losses, right[:, -1], strict=True):
        bad = np.flatnonzero(~np.isfinite(values))
        end = f"the loss is no number from step {bad[0]} on" if len(bad) else f"{share:.1%} of the new digits are read"
        words.append(f"{name} batch norm {end}")
    return f"{losses.shape[1]} steps. {words[1]}. {words[0]}."


def twins() -> Lab:
    """The same deep net with and without batch norm."""
    return Lab(
        train_twins,
        draw_twins,
        describe=describe_twins,
        lanes=["learning_rate", "scale"],
        alt="Left, two curves: loss against the step, log scale. Right, share of new digits read after each epoch.",
        figure_size=(9.0, 3.4),
        learning_rate=Slider(1e-3, 10.0, 0.1, log=True, label=RATE),
        scale=Slider(1e-3, 1e3, 1.0, log=True, label=SCALE),
        depth=Choice([1, 2, 4, 6, 10], 6, label="hidden layers"),
        seed=Seed(),
    )


# Ten decades of initialization

SCALES = np.logspace(-5, 5, 21)
RULES: Any = {"SGD": dl.SGD, "momentum 0.9": lambda rate: dl.Momentum(rate, 0.9), "Adam": dl.Adam}


def over_scales(rule: str, learning_rate: float, depth: int, eps: float) -> Any:
    train, test = dl.datasets.digits()
    signals, right = [], []
    for norm in TWINS:
        net = build(norm, depth=depth, width=24, scale=SCALES, eps=eps, lanes=len(SCALES))
        signals.append(dl.activation_statistics(net, train.x[:256])[-2].std)
        loss, optimizer = dl.SoftmaxCrossEntropy(), RULES[rule](learning_rate)
        dl.fit(net, loss, optimizer, train, epochs=4, batch_size=128)
        right.append(share_right(net, test))
    return np.array(signals), np.array(right)


def draw_scales(figure: Any, state: Any) -> None:
    signals, right = state
    art = figure.art
    if not figure.axes:
        left, after = panels(figure, 1, 2)
        name_axes(
            left,
            f"{SCALE}, log scale",
            "deviation, from 1e−12 to 1e12",
            "Signal in the last layer, before training",
            log=True,
        )
        name_axes(after, f"{SCALE}, log scale", "share", "New digits read after 4 epochs")
        for ax in (left, after):
            ax.set_xscale("log")
            ax.set(xlim=(4e-6, 3e9), xticks=10.0 ** np.arange(-4, 5, 2))
        left.set(ylim=(1e-13, 1e13))
        after.set(ylim=(0, 1.02))
        art.lines = [*trace(left, TWINS), *trace(after, TWINS)]
        for line in art.lines:
            line.marks = len(SCALES)
    for line, values in zip(art.lines, (*np.clip(signals, 1e-12, 1e12), *right), strict=True):
        line.set_data(SCALES, values)
    spread_labels(art.lines[:2])
    spread_labels(art.lines[2:])


def describe_scales(state: Any, settings: dict[str, Any]) -> str:
    signals, right = state
    same = int((np.abs(signals[1] / signals[1, -1] - 1) < 0.05).sum())
    good, plain = (int((each >= 0.8).sum()) for each in (right[1], right[0]))
    return (
        f"21 scales over ten decades. Behind batch norm the first signal is the same, to 5 %, at {same} of them. "
        f"After training, four digits in five or more are read at {good} with batch norm, at {plain} without."
    )


def ten_decades() -> Lab:
    """From weights a hundred thousand times too small to as much too large."""
    return Lab(
        over_scales,
        draw_scales,
        describe=describe_scales,
        alt="Two panels over the scale of the first weights: the signal before training, the digits read after it.",
        figure_size=(9.0, 3.4),
        rule=Choice(list(RULES), "SGD", label="rule"),
        learning_rate=Slider(1e-3, 1.0, 0.1, log=True, label=RATE),
        depth=Choice([1, 2, 4], 4, label="hidden layers"),
        eps=Choice([1e-3, 1e-5, 1e-12], 1e-5, label="ε of batch norm"),
    )
