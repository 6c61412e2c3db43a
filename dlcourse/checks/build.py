"""Chapter 06: build your own, the whole: the learner's parts, put together, read digits."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from dlcourse.checks.build_parts import HOME, forward, gradient, theta_of
from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between

ENOUGH = 0.94  # of the digits


# fmt: off
@cache
def digits() -> tuple:
    """All of them: pixels, labels, and the label by the pixels."""
    from dlcourse import datasets

    parts = datasets.digits()
    x, y = np.vstack([part.x for part in parts]).astype(np.float64), np.concatenate([part.y for part in parts])
    return x, y, {row.tobytes(): label for row, label in zip(x, y, strict=True)}


def train(x: Any, y: Any, x_new: Any, theta: Any, sizes: Any, order: Any, rate: float, momentum: float, size: int, *,
          after: bool = False, drop: bool = False, shuffle: bool = True, forget: str = "",
          slope: Callable[..., tuple] = gradient, start: bool = False, epochs: int | None = None) -> tuple:
    """Labels of x_new and the losses, with a switch for every way to get it wrong."""
    now, velocity, losses = theta, np.zeros_like(theta), []
    for epoch in order[:epochs] if shuffle else [np.arange(len(x))] * len(order):
        if forget == "epoch":
            velocity = np.zeros_like(theta)
        for place in range(0, len(epoch), size):
            b = epoch[place : place + size]
            if drop and len(b) < size:
                continue
            loss, grad = slope(x[b], y[b], now, sizes)
            velocity = (0 if forget == "step" else momentum) * velocity - rate * grad
            now = now + velocity
            losses.append(slope(x[b], y[b], now, sizes)[0] if after else loss)
    scores = forward(x_new, theta if start else now, sizes)[-1]
    return scores.argmax(axis=1), np.array(losses)


def share_read(given: Any, labels: Any) -> float:
    """Of the new digits. What the true labels are called is seen from those that were given."""
    _, _, label_of = digits()
    names = dict(zip((label_of[row.tobytes()] for row in given.x), given.y, strict=True))
    truth = np.array([names[label_of[row.tobytes()]] for row in given.x_new])
    return float((truth == labels).mean())


def reads_enough(given: Any, got: Any) -> bool:
    return given.sizes[0] != 64 or share_read(given, got[0]) >= ENOUGH


def to_read(rng: np.random.Generator) -> list[tuple]:
    """Small ones, and the digits, under other labels each time: nobody knows those by heart."""
    calls = []
    small = (6, 8, 2, 2, (3, 4, 3)), (7, 9, 3, 3, (2, 3, 3, 2)), (5, 6, 2, 5, (3, 4))
    for n, new, epochs, batch_size, sizes in small:
        y = rng.permutation(np.arange(n) % sizes[-1])
        order = np.stack([rng.permutation(n) for _ in range(epochs)])
        rate, momentum = between(rng, 0.05, 0.2), between(rng, 0.3, 0.8)
        x, x_new = rng.normal(size=(n, sizes[0])), 2 * rng.normal(size=(new, sizes[0]))
        calls.append((x, y, x_new, theta_of(rng, sizes), np.array(sizes), order, rate, momentum, batch_size))
    return [*calls, task_of_digits(rng)]


def task_of_digits(rng: np.random.Generator) -> tuple:
    """Drawn again until a right answer reads enough of them: a start may be a bad one."""
    x, y, _ = digits()
    sizes = np.array((64, 24, 10))
    while True:
        mixed, called = rng.permutation(len(x)), rng.permutation(10)
        known, new = mixed[:1000], mixed[1000:1400]
        order = np.stack([rng.permutation(len(known)) for _ in range(10)])
        task = x[known], called[y[known]], x[new], theta_of(rng, sizes), sizes, order, 0.1, 0.9, 50
        if (train(*task)[0] == called[y[new]]).mean() > ENOUGH + 0.01:
            return task


def turned(**wrong: Any) -> Callable[..., tuple]:
    """The whole, with one thing wrong."""
    return lambda x, y, new, theta, sizes, order, lr, mu, n: train(x, y, new, theta, sizes, order, lr, mu, n, **wrong)


def summed(x: Any, y: Any, theta: Any, sizes: Any) -> tuple:
    return gradient(x, y, theta, sizes, by=1)


def uphill(x: Any, y: Any, theta: Any, sizes: Any) -> tuple:
    loss, slope = gradient(x, y, theta, sizes)
    return loss, -slope


read_digits = Exercise(
    **HOME,
    name="read_digits",
    title="4. All of it: read digits",
    returns=("labels", "losses"),
    points=6,
    draw=to_read,
    examples=[(
        np.array([[1.0], [-1.0]]), np.array([0, 1]), np.array([[2.0], [-3.0]]), np.zeros(4), np.array([1, 2]),
        np.array([[1, 0], [0, 1]]), 0.5, 0.5, 1)],
    reference=lambda x, y, x_new, theta, sizes, order, learning_rate, momentum, batch_size: train(
        x, y, x_new, theta, sizes, order, learning_rate, momentum, batch_size),
    equal={
        "epoch → x": "an epoch has as many examples as x",
        "epoch → y": "an epoch has as many examples as y",
    },
    properties={f"it reads {ENOUGH:.0%} of digits that it has not seen": reads_enough},
    mistakes={
        "order is ignored: each epoch has an order of its own.": turned(shuffle=False),
        "A last batch that is smaller is left out.": turned(drop=True),
        "The loss is measured after each step. Note it before.": turned(after=True),
        "The optimizer is made anew for every step, and forgets its velocity.": turned(forget="step"),
        "The optimizer is made anew for every epoch, and forgets its velocity there.": turned(forget="epoch"),
        "Loss and gradient are sums over the batch: the rate is as many times too large.": turned(slope=summed),
        "It walks uphill.": turned(slope=uphill),
        "The labels are those of the network at its start. Use the theta that was trained.": turned(start=True),
        "Only the first epoch is trained.": turned(epochs=1),
    },
    variants=(
        lambda x, y, x_new, theta, sizes, order, rate, momentum, size: tuple(
            part.tolist() for part in train(x, y, x_new, theta, sizes, order, rate, momentum, size)),
    ),
    hints=(
        "One optimizer for the whole training. Then two loops, over the rows of order and over the batches in each.",
        "In each batch b: loss, gradient = network_gradient(x[b], y[b], theta, sizes); note the loss; a step.",
        "At the end network(x_new, theta, sizes).argmax(axis=1) are the labels.",
    ),
)
# fmt: on

EXERCISES = [read_digits]
