"""The labs of 01_initialization that train: weights as pictures, twins, and every start side by side."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.plots import curve, name_axes, panels, pixels, spread_labels
from dlcourse.plots.style import styled

# What the labs call them. LSUV starts from rotations and then looks at data.
STARTS: dict[str, Any] = {
    "zeros": dl.Zeros(),
    "constant": dl.Constant(0.1),
    "Gaussian": dl.Gaussian(std=0.01),
    "uniform": dl.Uniform(0.0, 1.0),
    "unit ball": dl.PositiveUnitball(),
    "sparse": dl.Sparse(15, std=0.26),  # 15 · 0.26² ≈ 1: as much variance as Xavier, in few weights
    "Xavier": dl.Xavier(),
    "MSRA": dl.MSRA(),
    "orthogonal": dl.Orthogonal(),
    "LSUV": dl.Orthogonal(),
}
ACTIVATIONS: dict[str, Any] = {"tanh": dl.Tanh, "sigmoid": dl.Sigmoid, "ReLU": dl.ReLU}
RATE = "learning rate η"


def number(value: float) -> str:
    """A size in two digits, however small: 0.65, 1.2e-09, 0."""
    if 100 <= value < 1e4:
        return f"{value:.0f}"
    return f"{value:.2g}" if 1e-3 <= value < 100 or not value else f"{value:.0e}"


BIASES = ("0", "−½ ΣW")


def centre(network: Any) -> None:
    """b = −½ ΣW in every dense layer but the first: it takes off the ½ of sigmoids, which are ½ + ½ tanh(z/2)."""
    for layer in [layer for layer in network.layers if isinstance(layer, dl.Dense)][1:]:
        layer.b[...] = -layer.W.sum(axis=-2, keepdims=True) / 2


def layers_from(start: Any, activation: str, widths: Any) -> list[Any]:
    """Hidden layers of these widths and one for the ten digits, all begun with this start."""
    init = STARTS.get(start, start)
    hidden = [layer for width in widths for layer in (dl.Dense(width, init), ACTIVATIONS[activation]())]
    return [*hidden, dl.Dense(10, init)]


def network(
    start: Any,
    activation: str,
    widths: Any,
    *,
    seed: int = 0,
    dtype: str = "float32",
    scale: float = 1.0,
    bias: str = "0",
) -> Any:
    """A network for the digits with hidden layers of these widths, all of it begun with this start, times scale."""
    made = dl.Network(layers_from(start, activation, widths), input_shape=(64,), seed=seed, dtype=dtype)
    if start == "LSUV":
        dl.lsuv(made, dl.datasets.digits()[0].x[:256], seed=seed)
    made.parameters.theta *= scale
    if bias != "0":
        centre(made)
    return made


def side_by_side(starts: Any, activation: str, widths: Any, seeds: Any = (0,), **options: Any) -> Any:
    """One network with a lane for every start (a name, or an initializer) and seed: all seeds of the first, then on."""
    every = [network(start, activation, widths, seed=seed, **options) for start in starts for seed in seeds]
    layers = layers_from(starts[0], activation, widths)
    lanes = dl.Network(layers, input_shape=(64,), lanes=len(every), dtype=every[0].parameters.dtype)
    for lane, one in enumerate(every):
        lanes.parameters.theta[lane] = one.parameters.theta
    return lanes


def train(starts: Any, activation: str, widths: Any, seeds: Any = (0,), *, data: Any = None, **more: Any) -> Any:
    """Train these starts side by side on the digits.

    Returns the network, the loss after every epoch (epochs, starts, seeds) and the share of new digits that are read
    (starts, seeds). more: epochs, learning_rate, batch_size, order (the seed of the batches), dtype, scale, bias.
    """
    digits, test = dl.datasets.digits()
    options = {name: more[name] for name in ("scale", "bias") if name in more}
    net = side_by_side(starts, activation, widths, seeds, dtype=more.get("dtype", "float64"), **options)
    rule = dl.Momentum(more.get("learning_rate", 0.1), 0.9)
    run = {"epochs": more.get("epochs", 10), "batch_size": more.get("batch_size", 64), "seed": more.get("order", 0)}
    history = dl.fit(net, dl.SoftmaxCrossEntropy(), rule, data or digits, **run)
    shape = (len(starts), len(seeds))
    return net, history.train_loss.reshape(-1, *shape), share_right(net, test).reshape(shape)


# The weights themselves

SIDE = 4  # pictures in a row
FRAME = (1e-3, 50.0)  # losses that the pictures show


def learn_weights(start: str, activation: str, scale: float, seed: int) -> Iterator[Any]:
    digits, _ = dl.datasets.digits()
    # float64: in float32 one column of a product may be rounded otherwise than the next, and twins drift apart
    net = network(start, activation, [SIDE * SIDE], seed=seed, dtype="float64")
    net.parameters.theta *= scale
    before, losses = net.layers[0].W.copy(), []
    loss, optimizer = dl.SoftmaxCrossEntropy(), dl.Momentum(0.1, 0.9)
    for step in dl.training_steps(net, loss, optimizer, digits, epochs=10, batch_size=64, seed=seed):
        losses.append(float(step.loss))
        yield before, net, losses


def each_its_own(W: np.ndarray) -> np.ndarray:
    """Every unit's weights as shares of its own largest, so that no loud unit makes the others pale."""
    largest = np.abs(W).max(axis=0)
    shown = np.isfinite(largest) & (largest > 0)
    return np.divide(W, largest, where=shown, out=np.zeros_like(W))


def mosaic(W: np.ndarray) -> np.ndarray:
    """(64, 16) weights as 4 × 4 pictures of 8 × 8, each unit's own, with gaps of NaN."""
    canvas = np.full((SIDE, 9, SIDE, 9), np.nan)
    canvas[:, :8, :, :8] = W.T.reshape(SIDE, SIDE, 8, 8).transpose(0, 2, 1, 3)
    return canvas.reshape(9 * SIDE, 9 * SIDE)[:-1, :-1]


def draw_weights(figure: Any, state: Any) -> None:
    before, net, losses = state
    art = figure.art
    if not figure.axes:
        first, last, course = panels(figure, 1, 3, width_ratios=[1, 1, 1.25])
        for ax, title in ((first, "Before training"), (last, "After")):
            ax.set_title(title, loc="left")
            ax.set_axis_off()
            ax.set_gid("no-ghost")
        art.pictures = [pixels(ax, mosaic(before), -1.0, 1.0, cmap="RdBu_r") for ax in (first, last)]
        art.notes = [ax.text(0.5, -0.03, "", transform=ax.transAxes, ha="center", va="top") for ax in (first, last)]
        for note in art.notes:
            note.set_in_layout(False)
        name_axes(course, "step", "loss (nats)", "Loss on each batch", log=True)
        course.set(xlim=(0, 230), ylim=FRAME)
        art.loss = curve(course, "", "train", linewidth=1.2)
    for picture, note, W in zip(art.pictures, art.notes, (before, net.layers[0].W), strict=True):
        largest = np.abs(W).max(axis=0)
        picture.set_data(mosaic(each_its_own(W)))
        note.set_text(
            "no numbers" if not np.isfinite(largest).all() else "all zero" if not largest.any()
            else f"largest weight of a unit:\n{number(largest.min())} to {number(largest.max())}"
        )  # fmt: skip
    art.loss.set_data(np.arange(len(losses)), np.clip(losses, *FRAME))


def different(columns: np.ndarray) -> int:
    """How many columns differ from all before them by more than a thousandth of the longest."""
    length = float(np.linalg.norm(columns, axis=0).max()) or 1.0
    kept: list[np.ndarray] = []
    for column in columns.T:
        if all(np.linalg.norm(column - other) > 1e-3 * length for other in kept):
            kept.append(column)
    return len(kept)


def movement(before: np.ndarray, after: np.ndarray) -> str:
    """How far weights have gone since the start."""
    moved, length = float(np.linalg.norm(after - before)), float(np.linalg.norm(before))
    if not moved:
        return "Not one of these weights has moved"
    if not length:
        return "They came out of nothing"
    return f"Training moved the weights by {number(moved / length)} times their length"


def describe_weights(state: Any, settings: dict[str, Any]) -> str:
    before, net, losses = state
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        return f"Diverged: the loss is no number from step {step} on. Take a smaller scale than {settings['scale']:g}."
    units = different(net.layers[0].W)
    kinds = "16 hidden units, all different" if units == 16 else f"16 hidden units, of {units} kind{'s' * (units > 1)}"
    right = share_right(net, dl.datasets.digits()[1])
    above = f" At its highest the loss was {number(max(losses))}, above the picture." if max(losses) > FRAME[1] else ""
    return (
        f"{settings['start']}: {kinds}. {movement(before, net.layers[0].W)}. {right:.1%} of the new digits are read."
        f"{above}"
    )


def weights() -> Lab:
    """What every hidden unit looks for in a digit, before and after training."""
    return Lab(
        learn_weights,
        draw_weights,
        describe=describe_weights,
        alt="Sixteen small pictures of first-layer weights before training, sixteen after, and the loss, log scale.",
        figure_size=(9.0, 3.3),
        start=Choice(list(STARTS), "Xavier", label="start"),
        activation=Choice(list(ACTIVATIONS), "tanh", label="activation"),
        scale=Slider(0.01, 10.0, 1.0, log=True, label="scale"),
        seed=Seed(),
    )


# Twins


# Every start side by side

EPOCHS = 10
RACE = (1e-3, 100.0)  # losses that the picture shows
GUESSING = np.log(10)  # 2.30 nats: the surprise of who takes ten digits for equally likely


def race(activation: str, depth: int, learning_rate: float, scale: float, bias: str, seed: int) -> Any:
    digits, _ = dl.datasets.digits()
    few = dl.datasets.Dataset(digits.x[:600], digits.y[:600])
    more = {"epochs": EPOCHS, "learning_rate": learning_rate, "batch_size": 32, "order": seed, "dtype": "float32"}
    more |= {"scale": scale, "bias": bias}
    _, losses, right = train(list(STARTS), activation, [32] * depth, [seed], data=few, **more)
    return losses[:, :, 0], right[:, 0]  # (epochs, starts), (starts,)


def draw_race(figure: Any, state: Any) -> None:
    losses, right = state
    art = figure.art
    if not figure.axes:
        course, ends = panels(figure, 1, 2, width_ratios=[1.5, 1])
        name_axes(course, "epoch", "loss (nats)", "Ten starts, one network, the same data", log=True)
        course.set(xlim=(1, 13), ylim=RACE, xticks=range(1, 11))  # ten names fit where ten curves are stuck
        art.curves = [curve(course, name, linewidth=1.6) for name in STARTS]
        name_axes(ends, "new digits read (%)", "", "Where they end")
        ends.set(xlim=(0, 100), ylim=(len(STARTS) - 0.5, -0.5), yticks=range(len(STARTS)), yticklabels=list(STARTS))
        with styled():
            looks = [dl.plots.look(name) for name in STARTS]
            art.bars = ends.barh(range(len(STARTS)), [0.0] * len(STARTS), color=[a["color"] for a in looks], height=0.6)
        ends.axvline(10, color="#555555", linestyle=":", linewidth=1.5)
        ends.text(11, -0.45, "guessing", fontsize=10, color="#555555", va="top")
    for each, bar, values, share in zip(art.curves, art.bars, losses.T, right, strict=True):
        shown = np.where(np.isfinite(values), np.clip(values, *RACE), RACE[1])
        each.set_data(np.arange(1, EPOCHS + 1), shown)
        bar.set_width(100 * float(share))
    spread_labels(art.curves)


def below_guessing(losses: np.ndarray) -> np.ndarray:
    """So far: a loss clearly below a guesser's."""
    return losses < GUESSING - 0.1


def above_guessing(losses: np.ndarray) -> np.ndarray:
    """Sure of what is wrong, if only at times; or broken, with a loss that is no number."""
    return ~(losses < GUESSING + 0.1)


def describe_race(state: Any, settings: dict[str, Any]) -> str:
    losses, right = state
    names, last = np.array(list(STARTS)), losses[-1]
    low, high = below_guessing(last), above_guessing(last)
    off = ~((losses >= RACE[0]) & (losses <= RACE[1])).all(axis=0)
    words = [f"{settings['activation']}, {settings['depth']} hidden: after {EPOCHS} epochs "]
    words[0] += (
        f"{int(low.sum()) or 'none'} of the ten {'are' if low.sum() != 1 else 'is'} well below a guesser's loss."
    )
    groups = {"About at it": ~low & ~high, "Well above it": high, "Off the picture at times": off}
    words += [f"{what}: {'all' if who.all() else ', '.join(names[who])}." for what, who in groups.items() if who.any()]
    if low.any():
        best = int(np.argmin(np.where(low, last, np.inf)))
        words.append(
            f"In this run the lowest loss is {names[best]}'s, {last[best]:.2g} nats; it reads {right[best]:.0%}."
        )
    return " ".join(words)


def starts() -> Lab:
    """All starts of the chapter as lanes of one training."""
    return Lab(
        race,
        draw_race,
        describe=describe_race,
        alt="Left, loss against epoch for ten starts, log scale. Right, bars: the share of new digits each one reads.",
        figure_size=(9.0, 3.8),
        ghost=False,
        activation=Choice(list(ACTIVATIONS), "tanh", label="activation"),
        depth=Slider(1, 8, 3, label="hidden layers"),
        learning_rate=Slider(1e-3, 1.0, 0.0316, log=True, label=RATE),
        scale=Slider(0.1, 10.0, 1.0, log=True, label="scale"),
        bias=Choice(list(BIASES), "0", label="bias b"),
        seed=Seed(),
    )
