"""Two units that begin alike: what parts them, and when."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.initialization.starts import ACTIVATIONS, different, number
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.plots import curve, name_axes, panels, pixels
from dlcourse.plots.style import styled

UNITS, LOOKS = 8, 100
GRID = np.stack(np.meshgrid(np.linspace(-2.5, 2.5, 50), np.linspace(-2.5, 2.5, 50)), axis=-1).reshape(-1, 2)
APART = (1e-16, 1e3)  # distances that the picture shows


def grow_apart(value: float, noise: float, activation: str, steps: int, seed: int) -> Iterator[Any]:
    moons = dl.datasets.moons(200, noise=0.15)
    start = dl.Gaussian(value, noise)
    layers = [dl.Dense(UNITS, start), ACTIVATIONS[activation](), dl.Dense(2, dl.Xavier())]
    net = dl.Network(layers, input_shape=(2,), seed=seed, dtype="float64")
    net.layers[2].W[:] = net.layers[2].W[:1]  # every unit speaks with the same voice, too
    paths, apart = [net.layers[0].W.copy()], [distance(net)]
    rule, loss = dl.Momentum(0.1, 0.9), dl.SoftmaxCrossEntropy()
    for step in dl.training_steps(net, loss, rule, moons, epochs=steps, batch_size=200, seed=seed):
        if step.number % (steps // LOOKS) == steps // LOOKS - 1:
            paths.append(net.layers[0].W.copy())
            apart.append(distance(net))
            yield moons, net, np.array(paths), np.array(apart), float(step.loss)


def numbers_of_units(net: Any) -> np.ndarray:
    """What comes in and what goes out: a column for each hidden unit."""
    return np.concatenate([net.layers[0].W, net.layers[0].b, net.layers[2].W.T])


def distance(net: Any) -> float:
    """Between the two hidden units that are farthest apart."""
    columns = numbers_of_units(net).T
    return float(np.linalg.norm(columns[:, None] - columns, axis=-1).max())


def draw_apart(figure: Any, state: Any) -> None:
    moons, net, paths, apart, _ = state
    art = figure.art
    if not figure.axes:
        plane, inside, growth = panels(figure, 1, 3)
        extent = (-2.5, 2.5, -2.5, 2.5)
        art.map = pixels(plane, np.zeros((50, 50)), -1.0, 2.0, cmap="RdBu_r", origin="lower", extent=extent)  # pale
        for label, marker, color in ((0, "o", "#053061"), (1, "^", "#67001F")):
            plane.plot(*moons.x[moons.y == label].T, marker, color=color, markersize=4, markeredgewidth=0)
        plane.grid(False)
        plane.set(xlim=extent[:2], ylim=extent[2:], xlabel="input 1", ylabel="input 2")
        plane.set_title("What the network says", loc="left")
        plane.set_gid("no-ghost")
        name_axes(inside, "weight from input 1", "weight from input 2", "Eight units and their ways")
        inside.set(xlim=(-12, 12), ylim=(-12, 12))
        name_axes(growth, "share of the steps", "distance", "How far apart", log=True)
        growth.set(xlim=(0, 1), ylim=APART)
        art.apart = curve(growth, "", "train")
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
    art.apart.set_data(np.arange(len(apart)) / LOOKS, np.where(apart > 0, apart, np.nan))
    art.count.set_text({1: "all twins", UNITS: "all different"}.get(kinds := kinds_of_units(net), f"{kinds} kinds"))


def kinds_of_units(net: Any) -> int:
    """Units that differ in what comes in or in what goes out."""
    return different(numbers_of_units(net))


def describe_apart(state: Any, settings: dict[str, Any]) -> str:
    moons, net, paths, apart, loss = state
    kinds = kinds_of_units(net)
    which = {1: "all eight are twins", UNITS: "no two are alike"}.get(kinds, f"they are of {kinds} kinds")
    far = f"{number(apart[-1])} apart at most, {number(apart[0])} at the start" if apart[-1] else "not a digit apart"
    still = "" if np.ptp(paths, axis=0).any() else " They have not moved."
    right = share_right(net, moons)
    told = f"{right:.0%} of the points are told apart, loss {loss:.3f}."
    return f"After {settings['steps']} steps {which}, {far}.{still} {told}"


def twins() -> Lab:
    """Eight hidden units that start alike, or nearly so."""
    return Lab(
        grow_apart,
        draw_apart,
        describe=describe_apart,
        alt="Left, two half-moons and what the network says of the plane. Middle, the ways of eight units' weights. "
        "Right, the largest distance between two units, log scale.",
        figure_size=(10.5, 3.6),
        value=Slider(0.0, 2.0, 0.5, step=0.1, label="they start at"),
        noise=Choice([0.0, 1e-12, 1e-6, 0.001, 0.1, 1.0], 0.0, label="noise, deviation"),
        steps=Choice([100, 400, 1000, 2000, 4000, 10000], 400, label="steps"),
        activation=Choice(list(ACTIVATIONS), "tanh", label="activation"),
        seed=Seed(),
    )
