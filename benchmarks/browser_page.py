"""One job, one picture, several ways from the slider to the screen: what browser.py opens as a notebook.

Momentum on moons: 1000 points, 2-32-32-2 with ReLU, batches of 64, 300 steps. The picture shows the loss, the network's
opinion on a 100 x 100 map, and a histogram of 25,600 activations of its last hidden layer on that map. The slider has
201 learning rates. Every picture carries its slider position as the colour of a small block in the lower left corner,
so that the browser can tell which one it is looking at.
"""

import base64
from itertools import pairwise
from typing import Any
from unittest import mock

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np

import dlcourse as dl
from dlcourse.labs import Lab, Slider, lab
from dlcourse.labs.screen import Screen
from dlcourse.plots import curve, fill_histogram, histogram, name_axes, panels, pixels

POSITIONS, START = 201, 20
RATES = np.logspace(-3, 0, POSITIONS)
DATA = dl.datasets.moons(1000, noise=0.2)
SIDE = np.linspace(-2.5, 2.5, 100, dtype=np.float32)
MAP = np.stack([axis.ravel() for axis in np.meshgrid(SIDE, SIDE)], axis=1)  # (10000, 2)
EXTENT = (-2.5, 2.5, -2.5, 2.5)
LAYERS = (2, 32, 32, 2)


def train(position: int) -> Any:
    """The job with the library: position, 300 losses, 100 x 100 scores for class 1, hidden activations."""
    hidden = [layer for units in LAYERS[1:-1] for layer in (dl.Dense(units), dl.ReLU())]
    network = dl.Network([*hidden, dl.Dense(LAYERS[-1])], input_shape=(2,))
    optimizer = dl.Momentum(float(RATES[position]), 0.9)
    history = dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, DATA, epochs=20, batch_size=64, drop_last=True)
    scores = network.predict(MAP)
    hidden = network.layers[-2].y.ravel(order="K")[:25_600]
    return position, history.loss, np.tanh(scores[:, 1] - scores[:, 0]).reshape(100, 100), hidden


def train_usual(position: int) -> Any:
    """The job as it is usually written: NumPy in float64, a dictionary of arrays, one loop over its names."""
    rng = np.random.default_rng(0)
    p = {f"W{i}": rng.normal(0, np.sqrt(2 / n), (n, m)) for i, (n, m) in enumerate(pairwise(LAYERS))}
    p |= {f"b{i}": np.zeros(m) for i, m in enumerate(LAYERS[1:])}
    velocity = {name: np.zeros_like(value) for name, value in p.items()}
    x, y = DATA.x.astype(float), DATA.y
    losses = []
    for _ in range(20):
        order = rng.permutation(len(x))
        for start in range(0, 960, 64):
            batch = order[start : start + 64]
            a0 = x[batch]
            a1 = np.maximum(0, a0 @ p["W0"] + p["b0"])
            a2 = np.maximum(0, a1 @ p["W1"] + p["b1"])
            z = a2 @ p["W2"] + p["b2"]
            q = np.exp(z - z.max(axis=1, keepdims=True))
            q /= q.sum(axis=1, keepdims=True)
            losses.append(-np.log(q[np.arange(64), y[batch]] + 1e-12).mean())
            q[np.arange(64), y[batch]] -= 1
            d2 = q / 64
            d1 = d2 @ p["W2"].T * (a2 > 0)
            d0 = d1 @ p["W1"].T * (a1 > 0)
            grad = {"W0": a0.T @ d0, "W1": a1.T @ d1, "W2": a2.T @ d2}
            grad |= {"b0": d0.sum(axis=0), "b1": d1.sum(axis=0), "b2": d2.sum(axis=0)}
            for name in p:
                velocity[name] = 0.9 * velocity[name] - RATES[position] * grad[name]
                p[name] += velocity[name]
    a = np.maximum(0, np.maximum(0, MAP @ p["W0"] + p["b0"]) @ p["W1"] + p["b1"])
    scores = a @ p["W2"] + p["b2"]
    return position, np.array(losses), np.tanh(scores[:, 1] - scores[:, 0]).reshape(100, 100), a.ravel()[:25_600]


# the picture


def block(figure: Any, position: int) -> Any:
    """The position, for the browser to read."""
    color = (position / 255, 1.0, 0.0)
    return figure.add_artist(plt.Rectangle((0, 0), 0.03, 0.08, transform=figure.transFigure, color=color))


def draw(figure: Any, state: Any) -> None:
    """As a lab draws: artists once, then they move."""
    position, losses, scores, hidden = state
    art = figure.art
    if not figure.axes:
        left, right, last = panels(figure, 1, 3)
        name_axes(last, "activation", "share", "Hidden units")
        last.set(xlim=(0, 8), ylim=(0, 0.2))
        art.bars = histogram(last, np.linspace(0.01, 8, 65))
        name_axes(left, title="Loss on each batch")
        left.set(xlim=(0, 330), ylim=(0, 1.3))
        art.curve = curve(left, "train", "train")
        art.map = pixels(right, scores, -1, 1, cmap="RdBu", extent=EXTENT, origin="lower")
        for label, color in enumerate(("#67001f", "#053061")):
            right.plot(*DATA.x[DATA.y == label].T, "o", markersize=2, color=color)
        right.set_title("Decision")
        art.block = block(figure, position)
    art.curve.set_data(np.arange(len(losses)), losses)
    art.map.set_data(scores)
    fill_histogram(art.bars, hidden)
    art.block.set_color((position / 255, 1.0, 0.0))


def draw_anew(state: Any, contours: bool = False) -> Any:
    """As a notebook usually draws: a new figure. Most show a decision by filled contours, which take longer."""
    position, losses, scores, hidden = state
    figure, (left, right, last) = plt.subplots(1, 3, figsize=(9, 3.2))
    last.hist(hidden, np.linspace(0.01, 8, 65), weights=np.full(hidden.size, 1 / hidden.size))
    last.set(title="Hidden units", xlabel="activation", ylabel="share", ylim=(0, 0.2))
    left.plot(losses)
    left.set(title="Loss on each batch", xlabel="step", ylabel="loss (nats)", ylim=(0, 1.3))
    if contours:
        right.contourf(SIDE, SIDE, scores, 20, cmap="RdBu")
    else:
        right.imshow(scores, "RdBu", vmin=-1, vmax=1, extent=EXTENT, origin="lower", interpolation="nearest")
    right.scatter(*DATA.x.T, c=DATA.y, s=6, cmap="coolwarm")
    right.set_title("Decision")
    plt.tight_layout()
    block(figure, position)
    return figure


# the ways to the screen


def interact(job: Any, contours: bool = False) -> None:
    def show(position: int) -> None:
        draw_anew(job(position), contours)
        plt.show()

    ipywidgets.interact(show, position=ipywidgets.IntSlider(START, 0, POSITIONS - 1))


class NoGhost:
    def on_msg(self, _: Any) -> None:
        pass

    def leave(self) -> None:
        pass

    def haunt(self, png: bytes) -> None:
        pass


class ImageScreen(NoGhost, ipywidgets.Image):
    """In place of the Screen: the image of ipywidgets, which has neither alt text nor words."""

    def show(self, png: bytes, *words: Any) -> None:
        self.value = png


class HTMLScreen(NoGhost, ipywidgets.HTML):
    """In place of the Screen: an <img> in a piece of HTML."""

    def show(self, png: bytes, alt: str, *words: Any) -> None:
        self.value = f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def make_lab(ahead: bool = False) -> Lab:
    """With live training at every position, or with what is trained ahead while nobody waits."""
    slider = Slider(0, POSITIONS - 1, START)
    made = Lab(train, draw, describe=lambda state, _: f"It ends at {state[1][-1]:.3f} nats.", position=slider)
    made.jobs.ready.budget *= ahead
    return made


def engine(screen: Any = Screen, ahead: bool = False) -> Any:
    with mock.patch.object(lab, "Screen", screen):
        return make_lab(ahead).show()


def table() -> Any:
    """The floor: pictures that are ready, to our Screen."""
    ours = make_lab()
    frames = [ours.last_frame(position=position) for position in range(POSITIONS)]
    slider, screen = ipywidgets.IntSlider(START, 0, POSITIONS - 1), Screen()

    def show(change: Any) -> None:
        frame = frames[change["new"]]
        screen.show(frame.png, frame.alt, frame.finding, frame.settings)

    slider.observe(show, "value")
    show({"new": START})
    return ipywidgets.VBox([slider, screen])
