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


class Centred(dl.Dense):
    """A layer behind sigmoids that takes off their mean: b = −½ ΣW, so that ½ + ½ tanh(z/2) comes in as ½ tanh(z/2)."""

    def reset(self) -> None:
        super().reset()
        self.b[...] = -self.W.sum(axis=-2, keepdims=True) / 2


def network(start: Any, activation: str, widths: Any, *, seed: int = 0, dtype: str = "float32") -> Any:
    """A network for the digits with hidden layers of these widths, all of it begun with this start."""
    init, layers = STARTS.get(start, start), []
    for width in widths:
        layers += [dl.Dense(width, init), ACTIVATIONS[activation]()]
    made = dl.Network([*layers, dl.Dense(10, init)], input_shape=(64,), seed=seed, dtype=dtype)
    if start == "LSUV":
        dl.lsuv(made, dl.datasets.digits()[0].x[:256], seed=seed)
    return made


def side_by_side(starts: Any, activation: str, widths: Any, seeds: Any = (0,), dtype: str = "float32") -> Any:
    """One network with a lane for every start (a name, or an initializer) and seed: all seeds of the first, then on."""
    every = [network(start, activation, widths, seed=seed, dtype=dtype) for start in starts for seed in seeds]
    lanes = dl.Network(every[0].layers, input_shape=(64,), lanes=len(every), dtype=dtype)
    for lane, one in enumerate(every):
        lanes.parameters.theta[lane] = one.parameters.theta
    return lanes


def train(starts: Any, activation: str, widths: Any, seeds: Any = (0,), *, data: Any = None, **more: Any) -> Any:
    """Train these starts side by side on the digits.

    Returns the network, the loss after every epoch (epochs, starts, seeds) and the share of new digits that are read
    (starts, seeds). more: epochs, learning_rate, batch_size, dtype, order (the seed of the batches).
    """
    digits, test = dl.datasets.digits()
    net = side_by_side(starts, activation, widths, seeds, more.get("dtype", "float64"))
    rule = dl.Momentum(more.get("learning_rate", 0.1), 0.9)
    run = {"epochs": more.get("epochs", 10), "batch_size": more.get("batch_size", 64), "seed": more.get("order", 0)}
    history = dl.fit(net, dl.SoftmaxCrossEntropy(), rule, data or digits, **run)
    shape = (len(starts), len(seeds))
    return net, history.train_loss.reshape(-1, *shape), share_right(net, test).reshape(shape)


# The weights themselves

SIDE = 4  # pictures in a row


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
        course.set(xlim=(0, 230), ylim=(1e-3, 20))
        art.loss = curve(course, "", "train", linewidth=1.2)
    for picture, note, W in zip(art.pictures, art.notes, (before, net.layers[0].W), strict=True):
        largest = float(np.abs(W).max())
        picture.set_data(mosaic(W / largest if 0 < largest < np.inf else np.zeros_like(W)))
        note.set_text(f"red +{largest:.2g}, blue −{largest:.2g}" if 0 < largest < np.inf else "all zero")
    art.loss.set_data(np.arange(len(losses)), np.clip(losses, 1e-3, 20))


def different(columns: np.ndarray) -> int:
    """How many columns differ from all before them by more than a thousandth of the longest."""
    length = float(np.linalg.norm(columns, axis=0).max()) or 1.0
    kept: list[np.ndarray] = []
    for column in columns.T:
        if all(np.linalg.norm(column - other) > 1e-3 * length for other in kept):
            kept.append(column)
    return len(kept)


def describe_weights(state: Any, settings: dict[str, Any]) -> str:
    before, net, losses = state
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        return f"Diverged: the loss is no number from step {step} on. Scale {settings['scale']:g} is too large."
    units = different(net.layers[0].W)
    kinds = "16 hidden units, all different" if units == 16 else f"16 hidden units, of {units} kind{'s' * (units > 1)}"
    moved = float(np.linalg.norm(net.layers[0].W - before))
    length = float(np.linalg.norm(before))
    change = "They never moved" if moved <= 1e-5 * length else "They came out of nothing" if not length else ""
    change = change or f"Training moved the weights by {moved / length:.2g} times their length"
    right = share_right(net, dl.datasets.digits()[1])
    return f"{settings['start']}: {kinds}. {change}. {right:.1%} of the new digits are read."


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

UNITS = 8
GRID = np.stack(np.meshgrid(np.linspace(-2.5, 2.5, 50), np.linspace(-2.5, 2.5, 50)), axis=-1).reshape(-1, 2)


def grow_apart(value: float, noise: float, activation: str, seed: int) -> Iterator[Any]:
    moons = dl.datasets.moons(200, noise=0.15)
    start = dl.Gaussian(value, noise)
    layers = [dl.Dense(UNITS, start), ACTIVATIONS[activation](), dl.Dense(2, dl.Xavier())]
    net = dl.Network(layers, input_shape=(2,), seed=seed, dtype="float64")
    net.layers[2].W[:] = net.layers[2].W[:1]  # every unit speaks with the same voice, too
    paths = [net.layers[0].W.copy()]
    rule, loss = dl.Momentum(0.1, 0.9), dl.SoftmaxCrossEntropy()
    for step in dl.training_steps(net, loss, rule, moons, epochs=400, batch_size=200, seed=seed):
        if step.number % 4 == 3:
            paths.append(net.layers[0].W.copy())
            yield moons, net, np.array(paths), float(step.loss)


def draw_apart(figure: Any, state: Any) -> None:
    moons, net, paths, _ = state
    art = figure.art
    if not figure.axes:
        plane, inside = panels(figure, 1, 2, width_ratios=[1, 1.2])
        extent = (-2.5, 2.5, -2.5, 2.5)
        art.map = pixels(plane, np.zeros((50, 50)), -1.0, 2.0, cmap="RdBu_r", origin="lower", extent=extent)  # pale
        for label, marker, color in ((0, "o", "#053061"), (1, "^", "#67001F")):
            plane.plot(*moons.x[moons.y == label].T, marker, color=color, markersize=4, markeredgewidth=0)
        plane.grid(False)
        plane.set(xlim=extent[:2], ylim=extent[2:], xlabel="input 1", ylabel="input 2")
        plane.set_title("What the network says", loc="left")
        plane.set_gid("no-ghost")
        name_axes(inside, "weight from input 1", "weight from input 2", "The eight hidden units and their ways")
        inside.set(xlim=(-5, 5), ylim=(-5, 5))
        with styled():
            looks: Any = {"color": "#0072B2", "linewidth": 1.2}
            art.ways = [inside.plot([], [], "-", **looks, alpha=0.7)[0] for _ in range(UNITS)]
            (art.begin,) = inside.plot([], [], "o", color="black", markerfacecolor="white", markersize=9, linestyle="")
            (art.ends,) = inside.plot([], [], "o", color="#0072B2", markersize=8, linestyle="", alpha=0.8)
        art.count = inside.text(0.03, 0.95, "", transform=inside.transAxes, va="top", fontsize=13)
    scores = dl.to_host(net.predict(GRID))
    art.map.set_data((1 / (1 + np.exp(np.clip(scores[:, 0] - scores[:, 1], -50, 50)))).reshape(50, 50))
    for unit, way in enumerate(art.ways):
        way.set_data(*paths[:, :, unit].T)
    art.begin.set_data(*paths[0])
    art.ends.set_data(*paths[-1])
    art.count.set_text({1: "all twins", UNITS: "all different"}.get(kinds := kinds_of_units(net), f"{kinds} kinds"))


def kinds_of_units(net: Any) -> int:
    """Units that differ in what comes in or in what goes out."""
    return different(np.concatenate([net.layers[0].W, net.layers[0].b, net.layers[2].W.T]))


def describe_apart(state: Any, settings: dict[str, Any]) -> str:
    moons, net, paths, loss = state
    kinds = kinds_of_units(net)
    which = {1: "all eight are twins", UNITS: "no two are alike"}.get(kinds, f"of {kinds} kinds")
    still = " They never left the place where they started." if np.abs(np.ptp(paths, axis=0)).max() < 1e-9 else ""
    right = share_right(net, moons)
    return (
        f"After 400 steps the hidden units: {which}.{still} {right:.0%} of the points are told apart, loss {loss:.3f}."
    )


def twins() -> Lab:
    """Eight hidden units that start alike, or nearly so."""
    return Lab(
        grow_apart,
        draw_apart,
        describe=describe_apart,
        alt="Left, two half-moons and what the network says of the plane. Right, the ways of eight units' weights.",
        figure_size=(9.0, 3.8),
        value=Slider(0.0, 2.0, 0.5, step=0.1, label="they start at"),
        noise=Choice([0.0, 1e-12, 1e-6, 0.001, 0.1, 1.0], 0.0, label="noise, deviation"),
        activation=Choice(list(ACTIVATIONS), "tanh", label="activation"),
        seed=Seed(),
    )


# Every start side by side

EPOCHS = 10


def race(activation: str, depth: int, learning_rate: float, seed: int) -> Any:
    digits, _ = dl.datasets.digits()
    few = dl.datasets.Dataset(digits.x[:600], digits.y[:600])
    more = {"epochs": EPOCHS, "learning_rate": learning_rate, "batch_size": 32, "order": seed, "dtype": "float32"}
    _, losses, right = train(list(STARTS), activation, [32] * depth, [seed], data=few, **more)
    return losses[:, :, 0], right[:, 0]  # (epochs, starts), (starts,)


def draw_race(figure: Any, state: Any) -> None:
    losses, right = state
    art = figure.art
    if not figure.axes:
        course, ends = panels(figure, 1, 2, width_ratios=[1.5, 1])
        name_axes(course, "epoch", "loss (nats)", "Ten starts, one network, the same data", log=True)
        course.set(xlim=(1, 13), ylim=(0.02, 40), xticks=range(1, 11))  # ten names fit where ten curves are stuck
        art.curves = [curve(course, name, linewidth=1.6) for name in STARTS]
        name_axes(ends, "new digits read (%)", "", "Where they end")
        ends.set(xlim=(0, 100), ylim=(len(STARTS) - 0.5, -0.5), yticks=range(len(STARTS)), yticklabels=list(STARTS))
        with styled():
            looks = [dl.plots.look(name) for name in STARTS]
            art.bars = ends.barh(range(len(STARTS)), [0.0] * len(STARTS), color=[a["color"] for a in looks], height=0.6)
        ends.axvline(10, color="#555555", linestyle=":", linewidth=1.5)
        ends.text(11, -0.45, "guessing", fontsize=10, color="#555555", va="top")
    for each, bar, values, share in zip(art.curves, art.bars, losses.T, right, strict=True):
        shown = np.where(np.isfinite(values), np.clip(values, 0.02, 40), 40)
        each.set_data(np.arange(1, EPOCHS + 1), shown)
        bar.set_width(100 * float(share))
    spread_labels(art.curves)


def describe_race(state: Any, settings: dict[str, Any]) -> str:
    losses, right = state
    names = np.array(list(STARTS))
    lost = names[~(losses[-1] < 2.2)]  # who guesses among ten is surprised by ln 10 = 2.30 nats
    stuck = f"{len(lost)} of the ten learn hardly anything ({', '.join(lost)})" if len(lost) else "All ten learn"
    if len(lost) == len(names):
        return f"{settings['activation']}, {settings['depth']} hidden: none of the ten learns anything in 10 epochs."
    best = int(np.nanargmin(losses[-1]))
    end = f"the lowest loss is {names[best]}'s, {losses[-1][best]:.2f} nats, with {right[best]:.0%} of new digits read"
    return f"{settings['activation']}, {settings['depth']} hidden: {stuck}; {end}."


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
        seed=Seed(),
    )
