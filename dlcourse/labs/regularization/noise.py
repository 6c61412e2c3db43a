"""The labs of 04_regularization where chance helps: units left out, and pictures changed."""

from functools import lru_cache
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.datasets import Dataset
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.regularization import scarce
from dlcourse.plots import curve, look, name_axes, panels, pixels, spread_labels
from dlcourse.plots.style import styled

# Dropout and DropConnect

SHOWN = 16  # examples of a batch whose masks are shown
METHODS = {"Dropout": "dropout", "DropConnect": "dropconnect"}


def thinned(method: str, rate: Any, units: int = 64) -> list[Any]:
    """One hidden layer. Dropout leaves out its units, DropConnect the weights that lead away from them."""
    if method == "Dropout":
        return scarce.dense(units, dl.Dropout(rate))
    return [dl.Dense(units), dl.ReLU(), dl.DropConnectDense(10, rate)]


def leave_out(method: str, rate: float, learning_rate: float, job: str, seed: int) -> Any:
    """The same training twice, as two lanes: nothing is left out, or the share `rate`."""
    train, test = scarce.job(job, seed)
    test = test[:500]
    network = dl.Network(thinned(method, scarce.block(0.0, rate)), train.x.shape[1:], seed=[seed] * 2, lanes=2)
    epochs, seen = 600 * 25 // len(train), []
    more: Any = {"epochs": epochs, "batch_size": 25, "seed": seed}
    steps = dl.training_steps(network, dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, 0.9), train, **more)
    for step in steps:
        if step.number % 25 == 0:
            seen.append((step.number, share_right(network, test)))
    reads = dl.to_host(network.predict(test.x)).argmax(axis=-1) == test.y
    seen.append((step.number + 1, reads.mean(axis=-1)))
    at, right = (np.array(each) for each in zip(*seen, strict=True))
    return method, mask(method, rate, train), at, right, (reads, share_right(network, train))


def mask(method: str, rate: float, train: Dataset) -> np.ndarray:
    """What one batch leaves out: 1 where a unit, or a weight, is gone. (64, SHOWN) or (64, 10)."""
    network = dl.Network(thinned(method, rate), train.x.shape[1:])
    network.forward(train.x[:SHOWN], training=True)
    drops = network.layers[-2 if method == "Dropout" else -1]
    gone = ~dl.to_host(drops.m if method == "Dropout" else drops.M)
    return gone if method == "DropConnect" else gone.T


def draw_left_out(figure: Any, state: Any) -> None:
    method, gone, steps, right, _ = state
    art = figure.art
    if not figure.axes:
        left, curves = panels(figure, 1, 2, width_ratios=[0.75, 1.5])
        art.note = left.text(0, 1.03, "", transform=left.transAxes, fontsize=13)
        art.note.set_in_layout(False)  # else what is said first would decide where the axes are
        left.set(xlim=(0, 1), ylim=(64.5, 0.5), xticks=[], yticks=[1, 16, 32, 48, 64], ylabel="hidden unit")
        left.set_title(" ")
        left.grid(False)
        left.set_gid("no-ghost")
        art.map = pixels(left, np.zeros((64, SHOWN)), 0, 1.4, cmap="Greys", extent=(0, 1, 64.5, 0.5))
        left.set_aspect("auto")
        name_axes(curves, "step", "share", "New examples read correctly")
        curves.set(xlim=(0, 870), ylim=(0, 1.03), xticks=range(0, 601, 150))
        art.lines = {
            name: curve(curves, words, name)
            for name, words in {"without": "without", "dropout": "with", "dropconnect": "with"}.items()
        }
    art.map.set_data(gone)
    art.note.set_text("Left out, for 16 digits" if method == "Dropout" else "Left out, weights to 10 outputs")
    with_it = METHODS[method]
    for name, line in art.lines.items():
        shown = name in ("without", with_it)
        line.set_data(steps if shown else [], right[:, int(name == with_it)] if shown else [])
    spread_labels(list(art.lines.values()))


def describe_left_out(state: Any, settings: dict[str, Any]) -> str:
    method, _, _, right, ((without, with_it), learned) = state
    gain = scarce.compared(*scarce.paired(with_it, without))
    return (
        f"{method}, p = {settings['rate']:.2f}, η = {settings['learning_rate']:g}: {scarce.percent(right[-1, 1])} "
        f"of the new examples read, without it {scarce.percent(right[-1, 0])}: {gain}. Of the labels it was "
        f"given it knows {scarce.percent(learned[1])}, without it {scarce.percent(learned[0])}."
    )


def dropout() -> Lab:
    """Half of a network, another half for every example: what is left out, and what it is good for."""
    return Lab(
        leave_out,
        draw_left_out,
        describe=describe_left_out,
        alt="Left, a map of what one batch leaves out. Right, share of new examples read by step, without and with.",
        figure_size=(9.0, 3.6),
        method=Choice(list(METHODS), "Dropout", label="method"),
        rate=Slider(0.0, 0.95, 0.5, step=0.05, label="rate p, left out"),
        learning_rate=Slider(0.005, 0.05, 0.05, log=True, label="learning rate η"),
        job=Choice(list(scarce.JOBS), "wrong digits", label="job"),
        seed=Seed(),
    )


# Augmentation: the pictures, and the points gained in each of six worlds

KINDS = ["flip", "crop", "rotation", "zoom", "colour jitter", "crop and rotation"]
WORLDS: dict[str, Any] = {
    "as they were learned": dl.Compose(),
    "mirrored": dl.HorizontalFlip(1.0),
    "moved by a pixel": dl.RandomCrop(1),
    "turned up to 30°": dl.RandomRotation(30),
    "half to 1½ times as large": dl.RandomZoom(0.5, 1.5),
    "in other inks": dl.tint,
}
LEARN = 100  # digits
INK = np.array([1.0, 0.5, 0.02], "float32")  # orange: red is 1, so a picture's red part is the grey one
TEST = 400


def augmentation(kind: str, strength: float) -> Any:
    """One of the kinds, from strength 0, nothing, to 1, as far as the worlds go. A crop knows whole pixels only."""
    if kind == "colour jitter":
        return dl.ColorJitter(strength, 0.0)
    crop = [dl.RandomCrop(1)] if strength else []
    kinds: dict[str, list[Any]] = {
        "flip": [dl.HorizontalFlip(strength / 2)],
        "crop": crop,
        "rotation": [dl.RandomRotation(30 * strength)],
        "zoom": [dl.RandomZoom(1 - strength / 2, 1 + strength / 2)],
        "crop and rotation": [*crop, dl.RandomRotation(30 * strength)],
    }
    step = dl.Compose(*kinds[kind])
    return lambda images, rng: step(images[..., :1], rng) * INK  # one channel costs a third of three


@lru_cache(maxsize=21)
def worlds(seed: int) -> tuple[Dataset, list[Dataset]]:
    """Digits in orange ink to learn from, and the same test in each of the worlds, (n, 8, 8, 3)."""
    train, test = (Dataset(d.x.reshape(-1, 8, 8, 1), d.y) for d in scarce.digits(LEARN, 0.0, seed))
    test, rng = test[:TEST], np.random.default_rng(seed)
    seen = [world(test.x if world is dl.tint else test.x * INK, rng) for world in WORLDS.values()]
    return Dataset(train.x * INK, train.y), [Dataset(x.astype("float32"), test.y) for x in seen]


def read_worlds(augment: Any, seed: int, epochs: int = 60) -> np.ndarray:
    """Train on the hundred digits, changed anew in every batch; which are read in each world, (worlds, TEST)."""
    train, tests = worlds(seed)
    layers = [dl.Flatten(), *scarce.dense(48)]
    network = dl.Network(layers, input_shape=(8, 8, 3), seed=seed)
    dl.fit(
        network, dl.SoftmaxCrossEntropy(), dl.Momentum(0.05, 0.9), train,
        epochs=epochs, batch_size=25, seed=seed, augment=augment,
    )  # fmt: skip
    return np.array([dl.to_host(network.predict(test.x)).argmax(axis=-1) == test.y for test in tests])


@lru_cache(maxsize=21)
def unchanged(seed: int) -> np.ndarray:
    return read_worlds(None, seed)


def change(kind: str, strength: float, seed: int) -> Any:
    augment = augmentation(kind, strength)
    train, _ = worlds(seed)
    rng = np.random.default_rng(seed)
    pictures = np.concatenate([train.x[:4], *(augment(train.x[:4], rng) for _ in range(4))])
    return pictures, unchanged(seed), read_worlds(augment, seed)


def draw_change(figure: Any, state: Any) -> None:
    pictures, before, after = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1, 1.15])
        left.set_title("Four digits, each as it is and changed", loc="left")
        left.set_gid("no-ghost")
        left.set_axis_off()
        art.picture = pixels(left, np.zeros((35, 46, 3)))
        name_axes(right, "share read correctly", "", "Read without ● and with ▲, in six worlds")
        right.set(xlim=(0, 1.02), ylim=(5.6, -0.6), yticks=range(6), yticklabels=list(WORLDS))
        with styled():
            art.gains = [right.plot([], [], color="#888888", linewidth=2.0, zorder=1)[0] for _ in WORLDS]
            art.dots = [
                right.plot([], [], look(name)["marker"], color=look(name)["color"], markersize=9)[0]
                for name in ("without", "augmented")
            ]
            art.names = [
                right.annotate("", (0, 0), (0, 9), textcoords="offset points", ha="center", fontsize=11) for _ in WORLDS
            ]
        for text in art.names:
            text.set_in_layout(False)
    tiles = np.ones((4, 9, 5, 9, 3), "float32")
    tiles[:, :8, :, :8] = pictures.reshape(5, 4, 8, 8, 3).transpose(1, 2, 0, 3, 4).clip(0, 1)
    rows = np.insert(tiles.reshape(36, 45, 3)[:35], 9, 1.0, axis=1)
    art.picture.set_data(rows)
    before, after = before.mean(axis=-1), after.mean(axis=-1)
    for world, (a, b) in enumerate(zip(before, after, strict=True)):
        art.gains[world].set_data([a, b], [world, world])
        art.names[world].set_text(scarce.signed(100 * (b - a)))
        art.names[world].xy = ((a + b) / 2, world)
    for dots, values in zip(art.dots, (before, after), strict=True):
        dots.set_data(values, range(6))


def describe_change(state: Any, settings: dict[str, Any]) -> str:
    _, before, after = state
    gains = [scarce.paired(*pair) for pair in zip(after, before, strict=True)]
    best = 1 + int(np.argmax([gain for gain, _ in gains[1:]]))
    most = (
        f"Most it buys where digits are {list(WORLDS)[best]}: {scarce.compared(*gains[best])}."
        if gains[best][0] > gains[best][1]
        else "In no other world does it buy more than the noise."
    )
    return (
        f"{settings['kind'].capitalize()}, strength {settings['strength']:.1f}: of {TEST} digits as they were learned "
        f"it reads {after[0].mean():.0%}, without it {before[0].mean():.0%}: {scarce.compared(*gains[0])}. {most}"
    )


def pictures() -> Lab:
    """What augmentation does to a picture, and what that is worth where."""
    return Lab(
        change,
        draw_change,
        describe=describe_change,
        alt="Left, digits and four changed copies of each. Right, dots: share read without and with, in six worlds.",
        figure_size=(9.5, 3.8),
        kind=Choice(KINDS, "rotation", label="augmentation"),
        strength=Slider(0.0, 1.0, 1.0, step=0.1, label="strength"),
        seed=Seed(),
    )
