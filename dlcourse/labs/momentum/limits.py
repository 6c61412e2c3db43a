"""The labs of 02_momentum where the theory is exact: how fast at best, and how far one can push it."""

import math
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Choice, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import MOMENTUM, show_curve
from dlcourse.plots import curve, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

# How fast at best


GOAL = 1e-3


def race(condition: float) -> Any:
    valley = dl.surfaces.Ravine(1.0, condition)
    eta, mu = theory.best_momentum(1.0, condition)
    hiker = dl.SGD(theory.best_gradient_descent(1.0, condition))
    ball = dl.Momentum(eta, mu)
    steps = next(steps for steps in (300, 1000, 3000, 10_000, 40_000) if steps >= 4 * condition)
    paths = [dl.surfaces.descend(valley, rule, start=(1.0, 1.0), steps=steps) for rule in (hiker, ball)]
    return condition, *[np.linalg.norm(points, axis=1) / math.sqrt(2) for points in paths]


def draw_race(figure: Any, state: Any) -> None:
    condition, hiker, ball = state
    art, last = figure.art, len(hiker) - 1
    if not figure.axes:
        (ax,) = panels(figure)
        name_axes(
            ax, "step", "distance", "Distance to the minimum, each rule at its best; dotted: the exact rate", log=True
        )
        ax.set(ylim=(1e-8, 100))
        art.hiker, art.ball = curve(ax, "gradient descent", "sgd"), curve(ax, "momentum", "momentum")
        with styled():
            art.theory = [ax.plot([], [], ":", color="#777777", linewidth=1.5, zorder=1.9)[0] for _ in range(2)]
    if figure.axes[0].get_xlim() != (0, 4 / 3 * last):  # axes that are set are drawn anew
        figure.axes[0].set(xlim=(0, 4 / 3 * last), xticks=np.linspace(0, last, 6 if last % 1000 else 5))
    steps = np.unique(np.linspace(0, last, 301).astype(int))
    for line, rate, rule, values in zip(
        art.theory, (theory.gradient_descent_rate, theory.momentum_rate), (art.hiker, art.ball), (hiker, ball),
        strict=True,
    ):  # fmt: skip
        rule.set_data(steps, np.where(values > 4e-8, values, np.nan)[steps])
        line.set_data(steps, np.maximum(rate(condition) ** steps, 1e-30))
    spread_labels([art.hiker, art.ball])


def steps_to(distance: np.ndarray, goal: float = GOAL) -> int:
    """The step from which on the distance stays below the goal, in a run that is long enough to tell."""
    return int(np.flatnonzero(distance > goal)[-1]) + 1


def describe_race(state: Any, settings: dict[str, Any]) -> str:
    condition, hiker, ball = state
    slow, fast = theory.gradient_descent_rate(condition), theory.momentum_rate(condition)
    most, few = steps_to(hiker), steps_to(ball)
    return (
        f"κ = {condition:g}: in the long run a step leaves {slow:.4f} of the distance to gradient descent, {fast:.4f} "
        f"to momentum. A thousandth of the way is left after {most} steps and {few}: {most / few:.1f} times fewer."
    )


def best_rates() -> Lab:
    """Gradient descent and momentum, both at their best, in valleys from round to narrow."""
    return Lab(
        race,
        draw_race,
        describe=describe_race,
        alt="Two curves: distance to the minimum against the step, log scale, with dotted lines of the exact rates.",
        condition=Slider(2.5, 10_000.0, 25.0, step=0.1, log=True, label="narrowness κ"),
    )


# The edge


def shake(rule: str, product: float, momentum: float) -> Any:
    optimizer = dl.Momentum(product, momentum) if rule == "momentum" else dl.Nesterov(product, momentum)
    points = dl.surfaces.descend(dl.surfaces.bowl, optimizer, start=(1.0, 0.0), steps=100)
    return rule, product, momentum, np.abs(points[:, 0])


def factor(rule: str, product: Any, momentum: Any) -> Any:
    """What a step multiplies the error by, in the long run, where the curvature is 1."""
    exact = theory.error_factor if rule == "momentum" else theory.nesterov_error_factor
    return np.vectorize(exact)(product, momentum, 1.0)


def limit(rule: str, momentum: float) -> float:
    bound = theory.stability_limit if rule == "momentum" else theory.nesterov_stability_limit
    return bound(momentum, 1.0)


PRODUCTS, MOMENTA = np.linspace(0.01, 4.2, 90), np.linspace(0.0, 0.99, 60)
MAPS = {rule: factor(rule, *np.meshgrid(PRODUCTS, MOMENTA)) for rule in ("momentum", "nesterov")}
LIMITS = {rule: [limit(rule, mu) for mu in MOMENTA] for rule in MAPS}


def draw_shake(figure: Any, state: Any) -> None:
    rule, product, momentum, error = state
    art = figure.art
    if not figure.axes:
        chart, run = panels(figure, 1, 2, width_ratios=[1.1, 1])
        extent = (0.0, 4.2, 0.0, 0.99)
        art.map = chart.imshow(MAPS[rule], extent=extent, origin="lower", aspect="auto", vmin=0.3, vmax=1.3, alpha=0.6)
        (art.edge,) = chart.plot([], [], color="black", linewidth=2.5)
        (art.here,) = chart.plot([], [], "o", color="white", markeredgecolor="black", markersize=11, clip_on=False)
        art.here.set_markeredgewidth(2)
        chart.grid(False)
        name_axes(chart, "ηλ, rate × curvature", MOMENTUM, "Factor per step; right of the line it diverges")
        chart.set(xlim=(0, 4.2), ylim=(0, 0.99))
        figure.colorbar(art.map, ax=chart, label="factor")
        name_axes(run, "step", "distance", "A run there; dotted: theory", log=True)
        run.set(xlim=(0, 100), ylim=(1e-8, 1e8))
        art.run = curve(run, "", "momentum")
        art.run.line.set_marker("")
        art.law = run.plot([], [], ":", color="#777777", linewidth=1.5)[0]
    art.map.set_data(MAPS[rule])
    art.edge.set_data(LIMITS[rule], MOMENTA)
    art.here.set_data([product], [momentum])
    show_curve(art.run, error, 1e-12)
    art.law.set_data(np.arange(101), factor(rule, product, momentum) ** np.arange(101))


def describe_shake(state: Any, settings: dict[str, Any]) -> str:
    rule, product, momentum, _error = state
    bound, each = limit(rule, momentum), float(factor(rule, product, momentum))
    formula = "2(1 + μ)" if rule == "momentum" else "(2 + 2μ)/(1 + 2μ)"
    if math.isclose(product, bound):
        return f"ηλ = {product:.2f} is exactly the limit {formula}: in the long run the error stays as it is."
    side, sign = ("converges", "below") if each < 1 else ("diverges", "above")
    at = f"ηλ = {product:.2f} is {sign} the limit {formula} = {bound:.2f}"
    return f"{at}: it {side}, in the long run {each:.3f} times the error a step."


def stability() -> Lab:
    """The map of all settings of momentum and Nesterov's rule, and a run at one of them."""
    return Lab(
        shake,
        draw_shake,
        describe=describe_shake,
        alt="Left, a map of the factor per step over ηλ and μ with the edge of stability. Right, a run, log scale.",
        figure_size=(9.0, 3.6),
        rule=Choice(["momentum", "nesterov"], "momentum", label="rule"),
        product=Slider(0.02, 4.2, 2.5, step=0.02, label="ηλ"),
        momentum=Slider(0.0, 0.99, 0.9, step=0.01, label=MOMENTUM),
    )
