"""The labs of 03_batch_normalization that look into all layers: what arrives there, and the gradient going back."""

import math
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.normalization.networks import ACTIVATIONS, METHODS, SCALE, TWINS, build, trace
from dlcourse.plots import look, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

# All layers

LAYERS = 8
BINS = np.linspace(-4, 4, 81)


def through(activation: str, scale: float, steps: int, seed: int) -> Any:
    """What goes into the activation of each layer, for 256 digits: [net][layer], after so many steps of training."""
    train, _ = dl.datasets.digits()
    inputs = []
    for norm in TWINS:
        net = build(norm, depth=LAYERS, activation=activation, scale=scale, seed=seed)
        if steps:
            options: Any = {"epochs": 5, "batch_size": 64, "seed": seed}
            for step in dl.training_steps(net, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), train, **options):
                if step.number == steps - 1:
                    break
        signal, held = net.enter(train.x[:256]), []
        for layer in net.layers:
            if isinstance(layer, ACTIVATIONS[activation]):
                held.append(signal.ravel().copy())
            signal = layer.forward(signal, training=True)
        inputs.append(held)
    return inputs


def draw_through(figure: Any, state: Any) -> None:
    art = figure.art
    if not figure.axes:
        axes = panels(figure, 1, 2, sharey=True)
        names = "Without batch norm", "With batch norm"
        for ax, title in zip(axes, names, strict=True):
            name_axes(ax, "layer", "", title)
            ax.set(xlim=(0.4, LAYERS + 0.8), ylim=(-4, 4.9), xticks=range(1, LAYERS + 1), yticks=range(-4, 5, 2))
            ax.grid(axis="x", visible=False)
        axes[0].set_ylabel("input of the activation")
        with styled():
            art.shapes = [
                [
                    ax.fill([0], [0], color=look(METHODS[norm])["color"], alpha=0.7, linewidth=0)[0]
                    for _ in range(LAYERS)
                ]
                for ax, norm in zip(axes, TWINS, strict=True)
            ]
            art.numbers = [
                [ax.text(n + 1.3, 4.3, "", ha="center", fontsize=10, color="#333333") for n in range(LAYERS)]
                for ax in axes
            ]
        for ax in axes:
            ax.text(0.5, 4.3, "σ:", fontsize=10, color="#333333", ha="left")
    for shapes, numbers, held in zip(art.shapes, art.numbers, state, strict=True):
        for n, (shape, number, values) in enumerate(zip(shapes, numbers, held, strict=True)):
            shape.set_xy(outline(n + 0.7, values))
            number.set_text(short(values.std(dtype=float)))


def outline(x: float, values: np.ndarray) -> np.ndarray:
    """The corners of a histogram that lies on its side at x, (corners, 2); what lies outside piles up at its ends."""
    share = np.histogram(np.clip(values[np.isfinite(values)], BINS[0], BINS[-1]), BINS)[0] / max(1, len(values))
    wide = x + 0.85 * np.minimum(1.0, share / 0.08)
    across = np.concatenate([[x], np.repeat(wide, 2), [x]])
    return np.stack([across, np.concatenate([[-4], np.repeat(BINS, 2)[1:-1], [4]])], axis=1)


def short(value: float) -> str:
    if not math.isfinite(value):
        return "lost"
    if 0.001 <= value < 1000:
        return f"{value:.2f}" if 0.01 <= value < 10 else f"{value:.3g}" if value >= 10 else f"{value:.3f}"
    digit, _, exponent = f"{value:.0e}".partition("e")
    return f"{digit}e{int(exponent)}" if value else "0"


def describe_through(state: Any, settings: dict[str, Any]) -> str:
    plain, normed = ([short(layer.std(dtype=float)) for layer in (held[0], held[-1])] for held in state)
    when = f"After {settings['steps']} steps" if settings["steps"] else "Before training"
    return (
        f"{when}, the deviation of what goes into the activation, first and last layer: "
        f"{plain[0]} and {plain[1]} without batch norm, {normed[0]} and {normed[1]} with it."
    )


def through_layers() -> Lab:
    """The distributions that arrive at the activations of eight layers."""
    return Lab(
        through,
        draw_through,
        describe=describe_through,
        alt="Sideways histograms of the input of each of eight activations, without batch norm left, with it right.",
        figure_size=(9.0, 3.8),
        ghost=False,
        activation=Choice(list(ACTIVATIONS), "ReLU", label="activation"),
        scale=Slider(0.01, 100.0, 0.5, log=True, label=SCALE),
        steps=Choice([0, 10, 100], 0, label="steps of training"),
        seed=Seed(),
    )


# Gradients

LOW, HIGH = 1e-10, 1e10


def flow(activation: str, depth: int, scale: float, seed: int) -> Any:
    """For both nets and each hidden layer: the deviation of d(loss)/d(output), and ‖dW‖/‖W‖, before training."""
    train, _ = dl.datasets.digits()
    arriving, turning = [], []
    for norm in TWINS:
        net = build(norm, depth=depth, activation=activation, scale=scale, seed=seed)
        found = dl.activation_statistics(net, train.x[:256], dl.SoftmaxCrossEntropy(), train.y[:256])
        kinds = zip(net.layers, found, strict=True)
        arriving.append([each.gradient_std for layer, each in kinds if isinstance(layer, ACTIVATIONS[activation])])
        hidden = [layer for layer in net.layers[:-1] if isinstance(layer, dl.Dense)]
        turning.append([float(np.linalg.norm(layer.dW) / np.linalg.norm(layer.W)) for layer in hidden])
    return np.array(arriving), np.array(turning)


def growth(width: int, depth: int, seed: int, batch_size: int = 256) -> float:
    """The factor by which the gradient grows from one ReLU layer with batch norm to the layer before it."""
    train, _ = dl.datasets.digits()
    net = build("batch", depth=depth, width=width, seed=seed)
    found = dl.activation_statistics(net, train.x[:batch_size], dl.SoftmaxCrossEntropy(), train.y[:batch_size])
    first, last = found[2 + 3].gradient_std, found[-2].gradient_std  # from the second layer on: pixels are special
    return float((first / last) ** (1 / (depth - 2)))


def draw_flow(figure: Any, state: Any) -> None:
    arriving, turning = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2)
        name_axes(left, "hidden layer", "deviation, within 1e±10", "Gradient that arrives (last layer = 1)", log=True)
        name_axes(right, "hidden layer", "‖dW‖ / ‖W‖", "Gradient over weight, lengths", log=True)
        for ax in (left, right):
            ax.set(
                xlim=(-0.5, 1.04),
                ylim=(LOW / 30, 30 * HIGH),
                xticks=[0, 0.5, 1],
                xticklabels=["first", "middle", "last"],
            )
        art.lines = [*trace(left, TWINS), *trace(right, TWINS)]
        for line in art.lines:
            line.text.set_horizontalalignment("right")
            line.offset = -9.0
            line.marks = 5
    shown = [values / values[-1] if values[-1] > 0 else np.ones(len(values)) for values in arriving]
    for line, values in zip(art.lines, (*shown, *turning), strict=True):
        at = np.linspace(0, 1, len(values))[::-1]  # from the last layer to the first: the name stands where it ends
        line.set_data(at, np.clip(np.nan_to_num(values[::-1], nan=HIGH, posinf=HIGH), LOW, HIGH))
    spread_labels(art.lines[:2])
    spread_labels(art.lines[2:])


def describe_flow(state: Any, settings: dict[str, Any]) -> str:
    arriving, _turning = state
    layers, words = len(arriving[0]) - 1, []
    for values, name in zip(arriving, ("without batch norm", "with it"), strict=True):
        if np.isfinite(values).all() and (values > 0).all():
            ratio = float(values[0] / values[-1])
            words.append(f"{times(ratio)} {name}, {ratio ** (1 / layers):.2f} times a layer")
        else:
            words.append(f"a number out of range {name}")
    text = f"From the last hidden layer back to the first the gradient becomes {words[0]}; {words[1]}."
    if settings["activation"] == "ReLU":
        text += f" The theory for batch norm and ReLU says {theory.relu_batch_norm_growth():.2f}."
    return text


def times(ratio: float) -> str:
    """4 times longer, 460,000 times shorter, 10^12 times shorter."""
    size = max(ratio, 1 / ratio)
    number = (
        f"{size:.2g}" if size < 100 else f"{float(f'{size:.2g}'):,.0f}" if size < 1e6 else f"10^{np.log10(size):.0f}"
    )
    return f"{number} times {'longer' if ratio >= 1 else 'shorter'}"


def gradient_flow() -> Lab:
    """The gradient on its way back through the hidden layers."""
    return Lab(
        flow,
        draw_flow,
        describe=describe_flow,
        alt="Two panels over the hidden layers, log scale: the gradient that arrives, and gradient over weight.",
        figure_size=(9.0, 3.4),
        activation=Choice(list(ACTIVATIONS), "ReLU", label="activation"),
        depth=Choice([5, 10, 20, 50], 20, label="hidden layers"),
        scale=Slider(0.01, 100.0, 0.5, log=True, label=SCALE),
        seed=Seed(),
    )
