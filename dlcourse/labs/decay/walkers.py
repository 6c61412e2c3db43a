"""The labs of 05_decay where the minimum is known: a constant rate rattles around it, and exactly how far."""

import math
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import MOMENTUM, RATE, nameless
from dlcourse.labs.momentum.minibatches import POINTS, SURFACE, line_data
from dlcourse.plots import contours, curve, event, name_axes, panels, path, spread_labels

# A constant rate rattles, a falling one settles

START = (-0.6, 1.2)
PASSES = 15


def walk(learning_rate: Any, batch_size: int, seed: int, data: Any = None, passes: int = PASSES) -> np.ndarray:
    """The weights of a line through 64 points, after every step of plain descent in small batches."""
    x, y = line_data() if data is None else data
    rng, rule, w = np.random.default_rng(seed), dl.SGD(learning_rate), np.array(START)
    points = [w.copy()]
    for _ in range(passes):
        for batch in np.array_split(rng.permutation(POINTS), POINTS // batch_size):
            points.append(rule.step(w, x[batch].T @ (x[batch] @ w - y[batch]) / len(batch)).copy())
    return np.array(points)


def settle(learning_rate: float, decay_rate: float, batch_size: int, seed: int) -> Any:
    falling = dl.InverseTimeDecay(learning_rate, decay_steps=POINTS // batch_size, decay_rate=decay_rate)
    return batch_size, walk(learning_rate, batch_size, seed), walk(falling, batch_size, seed)


def distances(points: np.ndarray, best: Any = SURFACE.minima[0]) -> np.ndarray:
    return np.linalg.norm(points - best, axis=1)


def draw_settle(figure: Any, state: Any) -> None:
    batch_size, constant, falling = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.1, 1])
        contours(left, SURFACE)
        left.set(xlabel="slope", ylabel="height", title="")
        left.set_title("The weights' way over the loss", loc="left")
        name_axes(right, "pass over the data", "distance", "Distance to the best line", log=True)
        right.set(xlim=(0, 20), ylim=(1e-3, 6), xticks=range(0, 16, 5))
        art.paths = [path(left, "", "sgd"), path(left, "", "schedule")]
        art.curves = [curve(right, "constant", "sgd"), curve(right, "falling", "schedule")]
        for each in art.paths:
            each.ring.set_visible(False)
        for each in (*art.paths, *art.curves):
            each.line.set(marker="", linewidth=1.1)
        for each in art.paths:
            each.halo.set(marker="", linewidth=2.2)
    nameless(*art.paths)
    for points, seen, line in zip((constant, falling), art.paths, art.curves, strict=True):
        seen.set_points(np.clip(points, -1e3, 1e3))
        away = distances(points)
        away = np.where(away > 1e-3, np.minimum(away, 1e3), np.nan)  # lower, it is there
        line.set_data(np.arange(len(points)) * batch_size / POINTS, away)
    spread_labels(art.curves)


def rattling(points: np.ndarray, best: Any = SURFACE.minima[0]) -> float:
    """Root mean square of the distance over the last quarter of the steps."""
    away = distances(points[-len(points) // 4 :], best)
    return float(np.sqrt((away**2).mean()))


def describe_settle(state: Any, settings: dict[str, Any]) -> str:
    _, constant, falling = state
    ends = [rattling(points) for points in (constant, falling)]
    eta = settings["learning_rate"]
    last = eta / (1 + PASSES * settings["decay_rate"])
    begin = distances(constant[:1])[0]
    if not ends[0] < begin:
        other = f"{ends[1]:.2g} away" if ends[1] < begin else "farther away, too"
        return (
            f"η = {eta:.3g} is too much for batches of {settings['batch_size']}: over the last quarter of the steps "
            f"the constant rate is farther away than at the start; the rate that falls to {last:.2g} is {other}."
        )
    if not settings["decay_rate"]:
        return f"With decay rate 0 both walkers are one. Over the last quarter of the steps it is {ends[0]:.2g} away."
    return (
        f"Over the last quarter of the steps the constant rate {eta:.3g} is {ends[0]:.2g} away from the best line; "
        f"the rate that falls to {last:.2g} is {ends[1]:.2g} away."
    )


def rattle() -> Lab:
    """The same noisy steps with a constant and with a falling learning rate."""
    return Lab(
        settle,
        draw_settle,
        describe=describe_settle,
        alt="Left, the ways of two learning rates over the loss of a line. Right, their distance from its minimum.",
        figure_size=(9.0, 3.7),
        learning_rate=Slider(0.01, 1.0, 0.2, log=True, label=RATE),
        decay_rate=Slider(0.0, 4.0, 1.0, step=0.1, label="decay rate per pass"),
        batch_size=Choice([1, 2, 4, 8, 16, 32, 64], 1, label="batch size"),
        seed=Seed(),
    )


# How far: the exact law

WALKERS, LONG = 400, 700


def crowd(rates: Any, momentum: float, start: float, seed: int, walkers: int = WALKERS) -> np.ndarray:
    """Mean of θ² over many walkers on θ²/2, each with noise of its own: before each step, and at last."""
    rng = np.random.default_rng(seed)
    theta, velocity, squares = np.full(walkers, start), np.zeros(walkers), [start * start]
    for rate, xi in zip(rates, rng.standard_normal((len(rates), walkers)), strict=True):
        velocity = momentum * velocity - rate * (theta + xi)
        theta = theta + velocity
        squares.append(float(theta @ theta) / walkers)
    return np.array(squares)


def measure(product: float, momentum: float, seed: int) -> Any:
    return product, momentum, crowd([product] * LONG, momentum, 3.0, seed)


PRODUCTS = np.linspace(0.01, 1.95, 98)


def heights(momentum: float) -> np.ndarray:
    """Mean loss above the minimum at each of PRODUCTS."""
    return np.array([theory.rattle(p, 1.0, 1.0, momentum) / 2 for p in PRODUCTS])


PLAIN = heights(0.0)


def draw_measure(figure: Any, state: Any) -> None:
    product, momentum, squares = state
    art = figure.art
    if not figure.axes:
        run, law = panels(figure, 1, 2, width_ratios=[1, 1])
        name_axes(run, "step", "above the minimum", f"Mean loss of {WALKERS} walkers; dotted: the law", log=True)
        run.set(xlim=(0, LONG), ylim=(3e-3, 60))
        name_axes(law, "ηλ, rate × curvature", "above the minimum", "Where they end", log=True)
        law.set(xlim=(0, 2.4), ylim=(3e-3, 60), xticks=[0, 0.5, 1, 1.5, 2])
        art.run = curve(run, "", "sgd", marker="", linewidth=1.2, alpha=0.45)  # the law is seen through it
        art.level = event(run, "")
        art.level.line.set(color="black", linewidth=2.0)
        art.plain = curve(law, "μ = 0", "sgd", PRODUCTS, PLAIN, marker="")
        art.law = curve(law, "with μ", "momentum", marker="")
        (art.here,) = law.plot([], [], "o", color="white", markeredgecolor="black", markersize=11, clip_on=False)
        art.here.set_markeredgewidth(2)
    end = squares[LONG // 2 :].mean() / 2
    art.run.set_data(np.arange(LONG + 1), squares / 2)
    art.level.set_data([0, LONG], [theory.rattle(product, 1.0, 1.0, momentum) / 2] * 2)
    shown = momentum > 0  # without it the curve would hide the other
    art.law.set_data(PRODUCTS, heights(momentum) if shown else np.full(len(PRODUCTS), np.nan))
    art.here.set_data([product], [end])
    spread_labels([art.plain, art.law])


def describe_measure(state: Any, settings: dict[str, Any]) -> str:
    product, momentum, squares = state
    end, exact = squares[LONG // 2 :].mean() / 2, theory.rattle(product, 1.0, 1.0, momentum) / 2
    return (
        f"ηλ = {product:.2f}, μ = {momentum:.2f}: in the second half of the steps the walkers are {end:.3g} above the "
        f"minimum on average. The law says {exact:.3g}."
    )


def law() -> Lab:
    """Many walkers on a parabola with noise in the gradient: how high they rattle, and the exact law."""
    return Lab(
        measure,
        draw_measure,
        describe=describe_measure,
        alt="Left, mean loss of many noisy walkers against the step. Right, the exact law over ηλ. Log scales.",
        product=Slider(0.02, 1.9, 0.3, step=0.02, label="ηλ"),
        momentum=Slider(0.0, 0.95, 0.0, step=0.05, label=MOMENTUM),
        seed=Seed(),
    )


# How fast a rate may fall

FAR, MANY = 10.0, 2000  # where the walkers start; their steps
SHOWN = np.unique(np.geomspace(1, MANY, 160).astype(int))
LEAST = FAR**2 / (1 + FAR**2 * np.arange(MANY + 1))  # what the best schedule there is has left, λ = σ = 1


def power_law(first: float, power: float, steps: int = MANY) -> np.ndarray:
    """η = first / (1 + step)^power."""
    return first / np.arange(1.0, steps + 1) ** power


def fall(first: float, power: float, seed: int) -> Any:
    rates = power_law(first, power)
    exact = theory.mean_squares(rates.tolist(), 1.0, 1.0, FAR**2)
    return rates, np.array(exact), crowd(rates, 0.0, FAR, seed, walkers=100)


def draw_fall(figure: Any, state: Any) -> None:
    rates, exact, seen = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1, 1.3])
        name_axes(left, "step, log scale", "learning rate η", "The rate", log=True)
        name_axes(right, "step, log scale", "distance", "Distance to the minimum, 100 walkers", log=True)
        left.set(xlim=(1, MANY), ylim=(1e-6, 3), xscale="log")
        right.set(xlim=(1, 32 * MANY), ylim=(0.01, 20), xscale="log", xticks=[1, 10, 100, 1000])
        art.rate = curve(left, "", "schedule", marker="")
        art.seen = curve(right, "walkers", "schedule", marker="", linewidth=3.5, alpha=0.4)
        art.exact = curve(right, "exact", "schedule", marker="", linewidth=1.4)
        art.least = event(right, "best possible")
        art.least.set_data(SHOWN, np.sqrt(LEAST[SHOWN]))
    art.rate.set_data(SHOWN, rates[SHOWN - 1])
    for line, squares in ((art.seen, seen), (art.exact, exact)):
        line.set_data(SHOWN, np.clip(np.sqrt(squares[SHOWN]), 0.01, 1e3))
    nameless(art.seen)
    spread_labels([art.exact, art.least])


def describe_fall(state: Any, settings: dict[str, Any]) -> str:
    _, exact, seen = state
    p = settings["power"]
    total = "grows without end" if p <= 1 else "stays finite"
    squares = "stays finite" if p > 0.5 else "grows without end"
    return (
        f"p = {p:.2f}: Ση {total}, Ση² {squares}. After {MANY} steps the walkers are {math.sqrt(seen[-1]):.2g} away "
        f"(calculated: {math.sqrt(exact[-1]):.2g}); the best possible is {math.sqrt(LEAST[-1]):.2g}."
    )


def robbins_monro() -> Lab:
    """Rates that fall like a power of the step: too slowly, too fast, and as the theory asks."""
    return Lab(
        fall,
        draw_fall,
        describe=describe_fall,
        alt="Left, the learning rate against the step. Right, the distance from the minimum. All axes are logarithmic.",
        figure_size=(9.0, 3.5),
        power=Slider(0.0, 2.0, 0.5, step=0.05, label="power p"),
        first=Slider(0.1, 1.9, 1.0, step=0.1, label="first rate c"),
        seed=Seed(),
    )
