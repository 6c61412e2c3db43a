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
FRAME = (1e-3, 20.0)  # losses that the picture shows
GUESSING = np.log(10)  # 2.30 nats: the surprise of who takes ten digits for equally likely
SHOWN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]  # of the 360 test digits


def draw_digits(figure: Any, state: Any) -> None:
    network, losses = state
    _, test = dl.datasets.digits()
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.1, 1])
        name_axes(left, "step", "loss (nats)", "Loss on each batch", log=True)
        left.set(xlim=(0, STEPS), ylim=FRAME)
        art.curve = curve(left, "train", "train")
        art.curve.text.set_visible(False)
        right.set_title("Digits it has never seen, and what it reads", loc="left")
        right.set_gid("no-ghost")
        art.digits = DigitGrid(right, rows=3, columns=6)
    art.curve.line.set_data(np.arange(len(losses)), np.clip(losses, *FRAME))
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
    train, test = dl.datasets.digits()
    right, silent = share_right(network, test), silent_units(network, train.x)
    high = f" On the way it rose to {max(losses):.3g}, above the picture." if max(losses) > FRAME[1] else ""
    return (
        f"After {len(losses)} steps the network reads {right:.1%} of {len(test)} new digits: "
        f"{outcome(losses, silent == settings['width'])}.{silence(silent, settings['width'])}{high}"
    )


def outcome(losses: list[Any], all_silent: bool) -> str:
    """What has become of the loss so far: of the mean over the last 20 batches."""
    end = float(np.mean(losses[-20:]))
    if end < GUESSING - 0.1:
        return f"the loss fell from {losses[0]:.2f} to {end:.3f} nats, the mean of the last {len(losses[-20:])} batches"
    if all_silent:
        return "all its hidden units are silent on every digit that it learns from, and a silent unit gets no gradient"
    if end > GUESSING + 0.1:
        return f"a loss of {end:.3g} nats, more than blind guessing has"
    if max(losses) > max(losses[0], GUESSING) + 0.5:
        return f"the loss rose to {max(losses):.3g} nats and is now {end:.2f}, about that of blind guessing"
    return f"so far the loss, {end:.2f} nats, is about that of blind guessing"


def silent_units(network: Any, x: Any) -> int:
    """Hidden units that say 0 to every example."""
    said = dl.to_host(network.layers[1].forward(network.layers[0].forward(network.enter(x))))
    return int((said == 0).all(axis=0).sum())


def silence(silent: int, width: int) -> str:
    if not 0 < silent < width:
        return ""
    return (
        f" Of its {width} hidden units {silent} {'is' if silent == 1 else 'are'} silent on all digits of the training."
    )


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
