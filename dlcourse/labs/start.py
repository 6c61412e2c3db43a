"""The lab of 00_start: a network learns to read digits under its sliders."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.ahead import lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.plots import DigitGrid, curve, name_axes, panels


def train_digits(learning_rate: float, momentum: float, width: int, seed: int) -> Iterator[Any]:
    train, _ = dl.datasets.digits()
    layers, lanes = [dl.Dense(width), dl.ReLU(), dl.Dense(10)], lanes_of(learning_rate, momentum)
    network = dl.Network(layers, input_shape=(64,), seed=seed, lanes=lanes)
    loss = dl.SoftmaxCrossEntropy()
    optimizer = dl.Momentum(learning_rate, momentum)
    losses = []
    for step in dl.training_steps(network, loss, optimizer, train, epochs=10, batch_size=64, seed=seed):
        losses.append(dl.to_host(step.loss).copy())
        yield network, losses


STEPS = 230  # ten epochs of 1437 digits in batches of 64
SHOWN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]  # of the 360 test digits


def draw_digits(figure: Any, state: Any) -> None:
    network, losses = state
    _, test = dl.datasets.digits()
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.1, 1])
        name_axes(left, "step", "loss (nats)", "Loss on each batch", log=True)
        left.set(xlim=(0, STEPS), ylim=(1e-3, 20))
        art.curve = curve(left, "train", "train")
        art.curve.text.set_visible(False)
        right.set_title("Digits it has never seen, and what it reads", loc="left")
        right.set_gid("no-ghost")
        art.digits = DigitGrid(right, rows=3, columns=6)
    art.curve.line.set_data(np.arange(len(losses)), np.clip(losses, 1e-3, 20))
    read = dl.to_host(network.predict(test.x)).argmax(axis=-1)
    art.digits.set_data(test.x[SHOWN], read[SHOWN], test.y[SHOWN])


def describe_digits(state: Any, settings: dict[str, Any]) -> str:
    network, losses = state
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        return (
            f"Diverged: with learning rate {settings['learning_rate']:g} and momentum {settings['momentum']:g} "
            f"the loss is no number from step {step} on. Lower the learning rate."
        )
    _, test = dl.datasets.digits()
    right = share_right(network, test)
    end = float(np.mean(losses[-20:]))
    verdict = f"the loss fell from {losses[0]:.2f} to {end:.3f} nats"
    if end >= 2.2:  # nobody who guesses among ten is less surprised than ln 10 = 2.30
        verdict = "it has hardly begun to learn" if end < losses[0] else "it has learned nothing"
        if dl.activation_statistics(network, test.x)[1].zeros == 1:  # behind its ReLU
            verdict = "all its hidden units are silent on every one of them, and a silent unit gets no gradient"
    return f"After {len(losses)} steps the network reads {right:.1%} of {len(test)} new digits: {verdict}."


def digits() -> Lab:
    """Learning rate, momentum, width and seed of a small network on the handwritten digits."""
    return Lab(
        train_digits,
        draw_digits,
        describe=describe_digits,
        alt="Left, a curve: loss on each batch against the step, log scale. Right: digits with their predictions.",
        lanes=["learning_rate", "momentum"],
        learning_rate=Slider(1e-3, 10**0.5, 0.1, log=True, label="learning rate η"),
        momentum=Slider(0.0, 0.99, 0.9, step=0.01, label="momentum μ"),
        width=Choice([2, 4, 8, 16, 32, 64, 128], 32, label="hidden units"),
        seed=Seed(),
    )
