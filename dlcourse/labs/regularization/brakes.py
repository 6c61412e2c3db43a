"""The labs of 04_regularization with two small brakes: softer labels, and shorter gradients."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.backend import norm
from dlcourse.datasets import Dataset
from dlcourse.ensembles import softmax
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.momentum.balls import RATE
from dlcourse.labs.regularization import scarce
from dlcourse.plots import curve, fill_histogram, histogram, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

# Label smoothing

CONFIDENCE = np.linspace(0, 1, 21)


def smooth(smoothing: float, job: str, seed: int) -> Any:
    train, test = scarce.job(job, seed)
    network = dl.Network(scarce.dense(), train.x.shape[1:], seed=seed)
    more: Any = {"epochs": 600 * 25 // len(train), "batch_size": 25, "seed": seed}
    dl.fit(network, dl.SoftmaxCrossEntropy(smoothing), dl.Momentum(0.05, 0.9), train, **more)
    scores = dl.to_host(network.predict(test.x))
    sure, right = softmax(scores).max(axis=-1), scores.argmax(axis=-1) == test.y
    return sure, right, float(dl.SoftmaxCrossEntropy().forward(scores, test.y))


def most_probable(smoothing: float, classes: int = 10) -> float:
    """What a network that fits smoothed labels perfectly says of the true class: 1 − s + s/classes."""
    return 1 - smoothing + smoothing / classes


def draw_smooth(figure: Any, state: Any) -> None:
    sure, right, _ = state
    art = figure.art
    if not figure.axes:
        left, middle = panels(figure, 1, 2, width_ratios=[1.4, 1])
        name_axes(left, "how sure it is of its answer", "share of the new examples", "How sure")
        left.set(xlim=(0, 1), ylim=(0, 1))
        art.bars = histogram(left, CONFIDENCE)
        name_axes(middle, "", "share", "Sure, and right")
        middle.set(
            xlim=(-0.6, 1.6), ylim=(0, 1.1), xticks=[0, 1], xticklabels=["how sure,\non average", "how often\nright"]
        )
        with styled():
            (art.pair,) = middle.plot([], [], "s-", color=art.bars.get_facecolor()[:3], markersize=10)
        art.words = [middle.annotate("", (0, 0), (0, 11), textcoords="offset points", ha="center") for _ in range(2)]
        for text in art.words:
            text.set_in_layout(False)
    fill_histogram(art.bars, sure)
    pair = [float(sure.mean()), float(right.mean())]
    art.pair.set_data([0, 1], pair)
    for x, (text, share) in enumerate(zip(art.words, pair, strict=True)):
        text.xy = (x, share)
        text.set_text(f"{share:.0%}")


def describe_smooth(state: Any, settings: dict[str, Any]) -> str:
    sure, right, loss = state
    return (
        f"Smoothing s = {settings['smoothing']:.2f}: on new examples it is {sure.mean():.0%} sure on average, and "
        f"right in {right.mean():.0%}. Its surprise at the true class is {loss:.2f} nats. "
        f"The labels it was given say {most_probable(settings['smoothing']):.0%}."
    )


def smoothing() -> Lab:
    """Labels that are a little less sure make a network that is."""
    return Lab(
        smooth,
        draw_smooth,
        describe=describe_smooth,
        alt="Left, a histogram of how sure the network is of its answers. Right, its mean, and how often it is right.",
        smoothing=Slider(0.0, 0.9, 0.0, step=0.05, label="smoothing s"),
        job=Choice(list(scarce.JOBS), "wavy lines", label="job"),
        seed=Seed(),
    )


# Gradient clipping

BROKEN = 300.0  # times as bright as it should be: one picture of the hundred
LOSSES, LENGTHS = (1e-3, 1e4), (1e-3, 1e6)  # what the pictures can show


def stumble(learning_rate: float, limit: float, seed: int) -> Any:
    """A hundred digits, one of them from a broken camera: lane 0 takes its gradient as it is, lane 1 clips it."""
    train, test = scarce.job("few digits", seed)
    x = train.x.copy()
    x[0] *= BROKEN
    network = dl.Network(scarce.dense(), (64,), seed=[seed] * 2, lanes=2)
    losses, lengths, limits = [], [], scarce.column(1e30, limit)
    loss, rule = dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, 0.9)
    measure = Lengths()
    more: Any = {"epochs": 30, "batch_size": 10, "seed": seed, "regularizers": [measure], "clip_norm": limits}
    for step in dl.training_steps(network, loss, rule, Dataset(x, train.y), **more):
        losses.append(dl.to_host(step.loss).copy())
        lengths.append(measure.last)
    return np.array(losses), np.array(lengths), share_right(network, test), float(np.squeeze(limit))


class Lengths:
    """Stands where a penalty stands and only looks: how long is the gradient, before it is clipped?"""

    last: np.ndarray

    def add_gradient(self, parameters: Any) -> None:
        self.last = dl.to_host(norm(parameters.grad, axis=-1))[:, 0]


def draw_stumble(figure: Any, state: Any) -> None:
    losses, lengths, _, limit = state
    lengths = np.column_stack([lengths[:, 0], np.minimum(lengths[:, 1], limit)])  # as the step takes them
    art = figure.art
    if not figure.axes:
        axes = panels(figure, 1, 2)
        name_axes(axes[0], "step", "loss (nats)", "Loss on each batch", log=True)
        name_axes(axes[1], "step", "length", "How long the gradient is that a step takes", log=True)
        for ax, span in zip(axes, (LOSSES, LENGTHS), strict=True):
            ax.set(xlim=(0, 420), ylim=span, xticks=range(0, 301, 100))
        names = {"as it is": "without", "clipped": "clipped"}
        art.lines = [
            [curve(ax, words, name, marker="", linestyle="-", linewidth=1.2) for words, name in names.items()]
            for ax in axes
        ]
        with styled():
            (art.limit,) = axes[1].plot([], [], ":", color="#555555", linewidth=1.5)
        art.name = axes[1].annotate("c", (4, 1), (0, 3), textcoords="offset points", fontsize=12)
        art.name.set_in_layout(False)
    for lines, values, span in zip(art.lines, (losses, lengths), (LOSSES, LENGTHS), strict=True):
        for line, each in zip(lines, values.T, strict=True):
            line.set_data(np.arange(len(each)), np.clip(each, *span))
        spread_labels(lines)
    art.limit.set_data([0, 300], [limit, limit])
    art.name.xy = (4, limit)


def describe_stumble(state: Any, settings: dict[str, Any]) -> str:
    losses, lengths, right, limit = state
    words = []
    for name, lane in (("As it is", 0), (f"clipped at {settings['limit']:g}", 1)):
        end = losses[:, lane]
        bad = np.flatnonzero(~np.isfinite(end))
        words.append(
            f"{name}, the loss is no number from step {bad[0]} on"
            if len(bad)
            else f"{name}, it reads {right[lane]:.0%}"
        )
    longest = lengths[:, 0][np.isfinite(lengths[:, 0])].max(initial=0.0)
    size = f"{float(f'{longest:.2g}'):,.0f}" if longest > 10 else f"{longest:.1f}"
    cut = np.mean(lengths[:, 1] > limit)
    lost = [f"{low:g}" for low, each in ((LOSSES[0], losses), (LENGTHS[0], lengths)) if np.nanmin(each) < low]
    below = f" What is below {lost[0]} is drawn there." if lost else ""
    return (
        f"{words[0]} of the new digits; {words[1]}. The longest gradient, as it is, has length {size}. "
        f"Clipping shortens {cut:.0%} of the gradients.{below}"
    )


def clipping() -> Lab:
    """One broken picture, and what a limit on the gradient is worth."""
    return Lab(
        stumble,
        draw_stumble,
        describe=describe_stumble,
        alt="Left, loss on each batch, right, length of the gradient, by step, log scales, without and with clipping.",
        learning_rate=Slider(0.003, 0.3, 0.01, log=True, label=RATE),
        limit=Slider(0.1, 100.0, 1.0, log=True, label="limit c of ‖g‖"),
        seed=Seed(),
    )
