"""The labs of 02_momentum on data: the noise of small batches, digits, and the luck of the first draw."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.ahead import lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.momentum.balls import MOMENTUM, RATE, nameless
from dlcourse.plots import contours, curve, name_axes, panels, path
from dlcourse.plots.style import styled

# The noise of small batches: a line through 64 points, two weights, so that the whole loss can be seen

POINTS = 64


def line_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around y = 1.2 u − 0.6 with noise; the inputs are (u, 1), so that the weights are slope and height."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1.0, 2.0, POINTS)
    return np.stack([u, np.ones(POINTS)], axis=1), 1.2 * u - 0.6 + 0.5 * rng.normal(size=POINTS)


class LeastSquares(dl.surfaces.Surface):
    """f(w) = mean((x w − y)²)/2 over the data, as a surface over the two weights."""

    name, bounds = "least squares", (-1.0, 2.5, -2.0, 1.5)

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y = x, y
        self.minima = (tuple(np.linalg.lstsq(x, y, rcond=None)[0].tolist()),)

    def f(self, x: Any, y: Any) -> Any:
        residual = np.multiply.outer(x, self.x[:, 0]) + np.multiply.outer(y, self.x[:, 1]) - self.y
        return (residual**2).mean(axis=-1) / 2


def wander(batch_size: int, learning_rate: float, momentum: float, seed: int) -> Any:
    x, y = line_data()
    rng = np.random.default_rng(seed)
    optimizer = dl.Momentum(learning_rate, momentum)
    w = np.array([-0.6, 1.2])
    points = [w.copy()]
    for _ in range(20):  # epochs
        for batch in np.array_split(rng.permutation(POINTS), POINTS // batch_size):
            gradient = x[batch].T @ (x[batch] @ w - y[batch]) / len(batch)
            points.append(optimizer.step(w, gradient).copy())
    return batch_size, np.array(points)


SURFACE = LeastSquares(*line_data())


def draw_wander(figure: Any, state: Any) -> None:
    batch_size, points = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.1, 1])
        contours(left, SURFACE)
        left.set(xlabel="slope", ylabel="height", title="")
        left.set_title("The loss of all 64 points, and the way", loc="left")
        name_axes(right, "examples seen", "distance", "Distance to the best line", log=True)
        right.set(xlim=(0, 20 * POINTS), ylim=(1e-3, 5))
        art.path = path(left, "way", "momentum")
        nameless(art.path)
        art.distance = curve(right, "", "momentum", marker="")
    art.path.set_points(points)
    crowded = len(points) > 100
    for line in (art.path.line, art.path.halo):
        line.set(marker="" if crowded else "s", linewidth=0.9 if crowded else 1.8)
    away = np.linalg.norm(points - SURFACE.minima[0], axis=1)
    away = np.where(away > 1e-3, np.minimum(away, 1e3), np.nan)  # lower, it is there
    art.distance.set_data(np.arange(len(points)) * batch_size, away)


def describe_wander(state: Any, settings: dict[str, Any]) -> str:
    batch_size, points = state
    away = np.linalg.norm(points - SURFACE.minima[0], axis=1)
    steps = len(points) - 1
    rattle = np.sqrt((away[-max(2, steps // 4) :] ** 2).mean())
    what = "gradient descent on all the data" if batch_size == POINTS else f"batches of {batch_size}"
    first = f"{what[0].upper() + what[1:]}: {steps} steps for 20 passes over the data."
    if not rattle < away[0]:
        return (
            f"{first} η = {settings['learning_rate']:g} is too much: over the last quarter of the steps the weights "
            "are farther off than at the start."
        )
    return f"{first} Over the last quarter of the steps the weights are {rattle:.2g} from the best line."


def noise() -> Lab:
    """Batch, stochastic and mini-batch descent on a loss that can be seen whole."""
    return Lab(
        wander,
        draw_wander,
        describe=describe_wander,
        alt="Left, the loss over slope and height of a line with the weights' way. Right, their distance, log scale.",
        figure_size=(9.0, 3.6),
        batch_size=Choice([1, 2, 4, 8, 16, 32, 64], 1, label="batch size"),
        learning_rate=Slider(0.01, 1.0, 0.1, log=True, label=RATE),
        momentum=Slider(0.0, 0.95, 0.0, step=0.05, label=MOMENTUM),
        seed=Seed(),
    )


# Digits, under batch size too


def train_digits(learning_rate: float, momentum: float, batch_size: int, seed: int) -> Iterator[Any]:
    train, test = dl.datasets.digits()
    layers, lanes = [dl.Dense(32), dl.ReLU(), dl.Dense(10)], lanes_of(learning_rate, momentum)
    network = dl.Network(layers, input_shape=(64,), seed=seed, lanes=lanes)
    loss, optimizer = dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, momentum)
    losses, right = [], [share_right(network, test)]
    for step in dl.training_steps(network, loss, optimizer, train, epochs=5, batch_size=batch_size, seed=seed):
        losses.append(dl.to_host(step.loss).copy())
        if step.ends_epoch:
            right.append(share_right(network, test))
        yield batch_size, losses, right


def draw_training(figure: Any, state: Any) -> None:
    batch_size, losses, right = state
    art = figure.art
    if not figure.axes:
        left, accuracy = panels(figure, 1, 2, width_ratios=[1.4, 1])
        name_axes(left, "examples seen", "loss (nats)", "Loss on each batch, drawn from 0.0001 on", log=True)
        left.set(xlim=(0, 5 * 1437), ylim=(1e-4, 20))
        name_axes(accuracy, "epoch", "share", "New digits read correctly")
        accuracy.set(xlim=(0, 5.8), ylim=(0, 1.02), xticks=range(6))
        art.loss = curve(left, "", "momentum", marker="", linewidth=1.2)
        art.right = curve(accuracy, "", "test", marker="o")
    seen = np.minimum(np.arange(1, len(losses) + 1) * batch_size, 5 * 1437)
    art.loss.set_data(seen, np.clip(losses, 1e-4, 20))
    art.loss.line.set_marker("s" if len(losses) < 30 else "")
    art.right.set_data(np.arange(len(right)), right)


def describe_training(state: Any, settings: dict[str, Any]) -> str:
    batch_size, losses, right = state
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        return f"Diverged: the loss is no number from step {step} on. Lower η or μ, or take a larger batch."
    last = losses[-max(1, len(losses) // 5) :]
    span = f"is {last[0]:.2g}" if len(last) == 1 else f"lies between {min(last):.2g} and {max(last):.2g}"
    return (
        f"{len(losses)} steps of {batch_size} examples: {right[-1]:.1%} of the new digits read. "
        f"In the last fifth of the steps the loss {span} nats."
    )


def digits() -> Lab:
    """The same number of examples in many small steps or in few large ones."""
    return Lab(
        train_digits,
        draw_training,
        describe=describe_training,
        alt="Left, loss on each batch against the examples seen, log scale. Right, share of new digits read.",
        lanes=["learning_rate", "momentum"],
        learning_rate=Slider(1e-3, 10**0.5, 0.1, log=True, label=RATE),
        momentum=Slider(0.0, 0.99, 0.9, step=0.01, label=MOMENTUM),
        batch_size=Choice([4, 16, 64, 256, 1437], 64, label="batch size"),
        seed=Seed(),
    )


# The luck of the first draw

STARTS = 24
LOWEST, HIGHEST = 3e-3, 2.0  # of the axis of losses


def many_starts(learning_rate: float, momentum: float, width: int) -> Any:
    moons = dl.datasets.moons(500, noise=0.15)
    loss, losses = dl.SoftmaxCrossEntropy(), []
    for mu in (0.0, momentum):
        layers = [dl.Dense(width), dl.ReLU(), dl.Dense(2)]
        network = dl.Network(layers, input_shape=(2,), lanes=STARTS, seed=range(STARTS))
        history = dl.fit(network, loss, dl.Momentum(learning_rate, mu), moons, epochs=40, batch_size=50)
        losses.append(history.train_loss)
    return losses


def draw_starts(figure: Any, state: Any) -> None:
    art = figure.art
    looks = [dl.plots.look("sgd"), dl.plots.look("momentum")]
    if not figure.axes:
        axes = panels(figure, 1, 3, width_ratios=[1, 1, 0.8], sharey=True)
        for ax, name in zip(axes, ("Without momentum", "With momentum", "Where they end"), strict=True):
            name_axes(ax, "epoch", "loss (nats)" if ax is axes[0] else "", name, log=ax is axes[0])
        axes[0].set(xlim=(1, 40), ylim=(LOWEST, HIGHEST))
        axes[1].set(xlim=(1, 40))
        axes[2].set(xlim=(-0.5, 1.5), xticks=[0, 1], xticklabels=["without", "with"], xlabel="24 starts")
        axes[1].set_ylabel("")
        axes[2].set_ylabel("")
        with styled():
            art.lines = [
                [ax.plot([], [], color=look["color"], linewidth=1.0, alpha=0.6)[0] for _ in range(STARTS)]
                for ax, look in zip(axes[:2], looks, strict=True)
            ]
            art.ends = [axes[2].plot([], [], look["marker"], color=look["color"], alpha=0.7)[0] for look in looks]
    for place, (lines, losses) in enumerate(zip(art.lines, state, strict=True)):
        for line, values in zip(lines, losses.T, strict=True):
            line.set_data(np.arange(1, len(values) + 1), np.clip(values, LOWEST, HIGHEST))
        art.ends[place].set_data(place + np.linspace(-0.25, 0.25, STARTS), np.clip(losses[-1], LOWEST, HIGHEST))


def describe_starts(state: Any, settings: dict[str, Any]) -> str:
    words = []
    for name, losses in zip(("Without momentum", f"with μ = {settings['momentum']:.2f}"), state, strict=True):
        end = losses[-1]
        lost = int((~np.isfinite(end)).sum())
        range_of = f"between {end.min():.3g} and {end.max():.3g} nats, half of them below {np.median(end):.3g}"
        words.append(f"{name} {lost} of {STARTS} starts diverge" if lost else f"{name} the starts end {range_of}")
    ends = np.concatenate([losses[-1] for losses in state])
    outside = int(((ends < LOWEST) | (ends > HIGHEST)).sum())
    beyond = f" {outside} of the ends lie outside the frame, and are drawn at its edge." if outside else ""
    return "; ".join(words) + "." + beyond


def luck() -> Lab:
    """Twenty-four starts at once, as lanes, without and with momentum."""
    return Lab(
        many_starts,
        draw_starts,
        describe=describe_starts,
        alt="Loss curves of 24 starts without and with momentum, and the losses where they end, log scale.",
        learning_rate=Slider(1e-3, 1.0, 0.1, log=True, label=RATE),
        momentum=Slider(0.0, 0.99, 0.9, step=0.01, label=MOMENTUM),
        width=Choice([2, 4, 8, 16, 32], 16, label="hidden units"),
    )
