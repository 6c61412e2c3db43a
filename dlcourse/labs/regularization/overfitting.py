"""The labs of 04_regularization that show the illness: moons, few digits, labels that are wrong, and when to stop."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import NullLocator

import dlcourse as dl
from dlcourse.labs.ahead import lane_of, lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import loss_and_share
from dlcourse.labs.regularization import scarce
from dlcourse.plots import PALETTE, curve, name_axes, panels, pixels, spread_labels
from dlcourse.plots.style import styled

ROOM = 1.42  # of an axis for the names behind its curves
LEAST, MOST = 1e-3, 20.0  # nats: what the pictures of a loss can show
EXAMPLES, UNITS = "examples", "hidden units"
VIEW = (-2.6, 2.6, -2.5, 2.5)
TWO = LinearSegmentedColormap.from_list("two classes", ["#9BCBEB", "white", "#F5CE82"])  # paler than the points


class Curves:
    """Loss and accuracy on two sets of data, as training goes on."""

    def __init__(self, network: Any, **data: Any):
        self.network, self.data = network, data
        self.epochs: list[float] = []
        self.loss: dict[str, list[float]] = {name: [] for name in data}
        self.right: dict[str, list[float]] = {name: [] for name in data}

    def look(self, epoch: float) -> "Curves":
        """Take both measures now."""
        self.epochs.append(epoch)
        for name, data in self.data.items():
            loss, right = loss_and_share(self.network, data)
            self.loss[name].append(loss)
            self.right[name].append(right)
        return self

    def lane(self, number: int) -> "Curves":
        """Those of one lane, with its network."""
        one = Curves(self.network.lane(number), **self.data)
        one.epochs, one.loss, one.right = self.epochs, lane_of(self.loss, number), lane_of(self.right, number)
        return one

    def lowest(self, name: str) -> int:
        """Where the loss was lowest: which of the looks."""
        return int(np.argmin(np.nan_to_num(self.loss[name], nan=np.inf)))


def watch(curves: Curves, optimizer: Any, train: Any, epochs: int, batch_size: int, seed: int, **fit: Any) -> Any:
    """Train, and look after every epoch."""
    fit |= {"epochs": epochs, "batch_size": batch_size, "seed": seed}
    steps = dl.training_steps(curves.network, dl.SoftmaxCrossEntropy(), optimizer, train, **fit)
    yield curves.look(0)
    for step in steps:
        if step.ends_epoch:
            yield curves.look(step.epoch + 1)


def draw_loss(figure: Any, ax: Any, names: dict[str, str], epochs: int) -> None:
    name_axes(ax, "epoch", "loss (nats)", "Loss", log=True)
    ax.set(xlim=(0, ROOM * epochs), ylim=(5e-4, 20), xticks=np.arange(0, epochs + 1, epochs // 5))
    figure.art.loss = {name: curve(ax, words, name, marker="") for name, words in names.items()}


def draw_right(figure: Any, ax: Any, names: dict[str, str], epochs: int) -> None:
    name_axes(ax, "epoch", "share", "Read correctly")
    ax.set(xlim=(0, ROOM * epochs), ylim=(0, 1.03), xticks=np.arange(0, epochs + 1, epochs // 5))
    figure.art.right = {name: curve(ax, words, name, marker="") for name, words in names.items()}


def show(figure: Any, curves: Curves) -> None:
    """Move the curves that were drawn."""
    for kind, low, high in (("loss", LEAST, MOST), ("right", 0.0, 1.0)):
        lines = getattr(figure.art, kind, {})
        for name, line in lines.items():
            line.set_data(curves.epochs, np.clip(getattr(curves, kind)[name], low, high))
        spread_labels(list(lines.values()))


def course(curves: Curves, new: str, what: str) -> str:
    """The loss on new examples so far: where it was lowest, and what it is at the last look."""
    best = curves.lowest(new)
    lowest, now = (curves.loss[new][look] for look in (best, -1))
    words = f"The loss on {what} was lowest after epoch {curves.epochs[best]}, {lowest:.2f} nats, and is {now:.2f} now."
    if best == len(curves.epochs) - 1:
        words = f"The loss on {what} is lowest now, {now:.2f} nats."
    return words + beyond(curves)


def beyond(curves: Curves) -> str:
    """What the picture cannot show of the losses, in words."""
    losses = np.nan_to_num(np.concatenate([np.ravel(each) for each in curves.loss.values()]), nan=np.inf)
    ends = [f"{end:g}" for end, passed in ((LEAST, losses.min() < LEAST), (MOST, losses.max() > MOST)) if passed]
    return f" A loss beyond {' or '.join(ends)} is drawn there." if ends else ""


# Noisy moons: the border itself


def fit_moons(examples: int, units: int, strength: float, seed: int) -> Iterator[Any]:
    train, test = (dl.datasets.moons(n, noise=0.35, seed=s) for n, s in ((examples, seed), (1000, 1000)))
    layers = [dl.Dense(units), dl.ReLU(), dl.Dense(units), dl.ReLU(), dl.Dense(2)]
    network = dl.Network(layers, input_shape=(2,), seed=seed, lanes=lanes_of(strength))
    curves, penalty = Curves(network, train=train, test=test[:400]), [dl.L2(strength)]
    steps = dl.training_steps(
        network, dl.SoftmaxCrossEntropy(), dl.Adam(0.02), train, epochs=200, batch_size=examples, regularizers=penalty
    )
    for step in steps:
        if step.epoch % 10 == 9 or step.epoch in (0, 2, 5):
            yield train, curves.look(step.epoch + 1)


def map_of(network: Any) -> np.ndarray:
    """How probable class 1 is, all over the view."""
    x, y = np.meshgrid(np.linspace(*VIEW[:2], 105), np.linspace(*VIEW[2:], 101))
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype("float32")
    scores = dl.to_host(network.predict(points))
    network.predict(points[:1])  # a layer keeps its last batch: not this large one, in every run that the lab keeps
    return (1 / (1 + np.exp(np.clip(scores[:, 0] - scores[:, 1], -50, 50)))).reshape(x.shape)


def draw_moons(figure: Any, state: Any) -> None:
    train, curves = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1, 1.15])
        art.map = pixels(left, np.zeros((2, 2)), cmap=TWO, origin="lower", extent=VIEW)
        left.set(xlim=VIEW[:2], ylim=VIEW[2:], xlabel="x", ylabel="y")
        left.set_title("What it answers where", loc="left")
        left.grid(False)
        left.set_gid("no-ghost")
        with styled():
            edge: Any = {"markeredgecolor": "white", "markersize": 6.5, "linestyle": ""}
            looks = {"o": PALETTE["blue"], "s": PALETTE["vermillion"]}
            art.points = [left.plot([], [], marker=m, color=c, **edge)[0] for m, c in looks.items()]
        draw_loss(figure, right, {"train": "these points", "test": "new points"}, 200)
    art.map.set_data(map_of(curves.network))
    for label, points in enumerate(art.points):
        points.set_data(*train.x[train.y == label].T)
    show(figure, curves)


def describe_moons(state: Any, settings: dict[str, Any]) -> str:
    train, curves = state
    share, new = curves.right["train"][-1], scarce.percent(curves.right["test"][-1])
    return (
        f"After {curves.epochs[-1]} epochs {round(share * len(train))} of these {len(train)} points are on the right "
        f"side, and {new} of the new ones. {course(curves, 'test', 'new points')}"
    )


def moons() -> Lab:
    """A network with two hidden layers on a few noisy points, and the border that it draws."""
    return Lab(
        fit_moons,
        draw_moons,
        describe=describe_moons,
        lanes=["strength"],
        alt="Left, a map of the answers with the points. Right, loss on these and on new points by epoch, log scale.",
        figure_size=(9.0, 3.8),
        examples=Slider(10, 200, 100, step=10, label=EXAMPLES),
        units=Choice([1, 2, 4, 8, 16, 32], 32, label=UNITS),
        strength=Slider(1e-5, 0.1, 1e-5, log=True, label="penalty λ (L2)"),
        seed=Seed(),
    )


# Few digits, and labels that are wrong


def fit_digits(examples: int, wrong: float, units: int, seed: int, epochs: int = 40) -> Iterator[Any]:
    train, test = scarce.digits(examples, wrong, seed)
    network = dl.Network(scarce.dense(units), input_shape=(64,), seed=seed)
    curves = Curves(network, train=train, test=test[:500])
    return watch(curves, dl.Adam(0.01), train, epochs=epochs, batch_size=max(10, examples // 4), seed=seed)


def few(examples: int, units: int, seed: int) -> Iterator[Any]:
    yield from fit_digits(examples, 0.0, units, seed)


def memorize(wrong: float, units: int, epochs: int, seed: int) -> Iterator[Any]:
    for curves in fit_digits(100, wrong, units, seed, epochs):
        yield curves, epochs


def draw_digits(figure: Any, curves: Any) -> None:
    if not figure.axes:
        names, (left, right) = {"train": "these digits", "test": "new digits"}, panels(figure, 1, 2)
        draw_loss(figure, left, names, 40)
        draw_right(figure, right, names, 40)
    show(figure, curves)


def draw_memory(figure: Any, state: Any) -> None:
    curves, _ = state
    new = not figure.axes
    draw_digits(figure, curves)
    for ax in figure.axes if new else ():  # 40 epochs and 500 on one axis
        ax.set(xscale="log", xlim=(1, 500 * 12), xlabel="epoch, log scale", xticks=[1, 10, 100, 500])
        ax.set_xticklabels(["1", "10", "100", "500"])
        ax.xaxis.set_minor_locator(NullLocator())


def describe_digits(curves: Any, settings: dict[str, Any]) -> str:
    given, new = (scarce.percent(curves.right[name][-1]) for name in ("train", "test"))
    return (
        f"After {curves.epochs[-1]} epochs it knows {given} of the {settings['examples']} labels it was given and "
        f"reads {new} of the new digits. {course(curves, 'test', 'new digits')}"
    )


def digits() -> Lab:
    """From few digits to many: the gap between those it has seen and those it has not."""
    return Lab(
        few,
        draw_digits,
        describe=describe_digits,
        alt="Left, loss by epoch on the digits it learns from and on new ones, log scale. Right, share read correctly.",
        examples=Choice([10, 30, 100, 300, 1000], 30, label=EXAMPLES),
        units=Choice([4, 16, 64, 128], 64, label=UNITS),
        seed=Seed(),
    )


def describe_labels(state: Any, settings: dict[str, Any]) -> str:
    curves, _ = state
    given, new = (scarce.percent(curves.right[name][-1]) for name in ("train", "test"))
    return (
        f"With {settings['wrong']:.0%} of the labels drawn by lot it knows {given} of the 100 labels after "
        f"{curves.epochs[-1]} epochs, and reads {new} of the new digits. Who guesses reads about 10%.{beyond(curves)}"
    )


def random_labels() -> Lab:
    """Labels drawn by lot have nothing to say. A network learns them all the same."""
    return Lab(
        memorize,
        draw_memory,
        describe=describe_labels,
        alt="Left, loss by epoch on the labels it was given and on new digits, log scale. Right, share read correctly.",
        wrong=Slider(0.0, 1.0, 1.0, step=0.05, label="share by lot"),
        units=Choice([4, 16, 64, 128], 128, label=UNITS),
        epochs=Choice([40, 150, 500], 40, label="epochs"),
        seed=Seed(),
    )


# When to stop
