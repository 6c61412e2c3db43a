"""The race of 02_momentum: every optimizer on a chosen surface, each at the rate that suits it best or all at one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import surfaces
from dlcourse.labs.controls import Choice, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import nameless, show_curve
from dlcourse.plots import Board, contours, curve, name_axes, panels, path
from dlcourse.surfaces import Surface

RULES = {
    "SGD": dl.SGD,
    "Momentum": dl.Momentum,
    "Nesterov": dl.Nesterov,
    "AdaGrad": dl.AdaGrad,
    "RMSProp": dl.RMSProp,
    "AdaDelta": dl.AdaDelta,
    "Adam": dl.Adam,
    "AMSGrad": dl.AMSGrad,
    "Nadam": dl.Nadam,
}
RUNNERS = [*RULES, "ANGD", "Newton"]
RATES = 10.0 ** (np.arange(-20, 9) / 4)  # from 1e-5 to 100, four in a decade
BEST, SAME = "each at its best", "one for all"
STEPS = 300
CLOSE = 0.1  # who stays as near to a minimum as this has arrived


# Trying rates


def trials(surface: Surface, rules: Sequence[Any], start: Any, rates: Any = RATES, steps: int = STEPS) -> np.ndarray:
    """The paths of rules at many rates, all side by side: (steps + 1, rules, rates, 2). Far away is NaN."""
    theta = np.tile(np.asarray(start, float), (len(rules), len(rates), 1))
    optimizers = [rule(rates[:, None]) for rule in rules]
    for optimizer, own in zip(optimizers, theta, strict=True):
        optimizer.start(own)
    points, slopes = np.empty((steps + 1, *theta.shape)), np.empty_like(theta)
    points[0] = theta
    with np.errstate(all="ignore"):
        for step in range(steps):
            slopes[..., 0], slopes[..., 1] = surface.df(theta[..., 0], theta[..., 1])  # once for all of them
            for optimizer, own, slope in zip(optimizers, theta, slopes, strict=True):
                optimizer.step(own, slope)
            points[step + 1] = theta
        points[~(np.abs(points) < surfaces.FAR_AWAY)] = np.nan
    return points


def arrivals(surface: Surface, points: np.ndarray) -> np.ndarray:
    """For paths (steps + 1, ..., 2): the step from which each stays close to a minimum; steps + 1 where it does not."""
    away = np.min([np.hypot(*np.moveaxis(points - place, -1, 0)) for place in surface.minima], axis=0)
    outside = ~(away <= CLOSE)  # NaN is outside
    return np.where(outside.any(axis=0), len(points) - outside[::-1].argmax(axis=0), 0)


def arrival(surface: Surface, points: np.ndarray) -> int:
    """The same for one path, (steps + 1, 2)."""
    return int(arrivals(surface, points[:, None])[0])


def best_runs(
    surface: Surface, rules: Sequence[Any], start: Any, steps: int = STEPS
) -> list[tuple[float, int, np.ndarray]]:
    """For each rule the rate with which it arrives soonest, the step, and the path, (steps + 1, 2) or shorter.

    Where none arrives, it is the rate that ends lowest. A rate that throws it higher than its start does not count,
    if there is another: it may arrive by luck.
    """
    points = trials(surface, rules, start, steps=steps)
    height, arrived = np.nan_to_num(surface.value(points), nan=np.inf), arrivals(surface, points)
    thrown = (height > height[0] * (1 + 1e-9)).any(axis=0)
    runs = []
    for rule, lane in enumerate(np.lexsort([height[-1], arrived, thrown])[:, 0]):
        way = points[:, rule, lane]
        there = np.isfinite(way).all(axis=1)
        end = len(way) if there.all() else int(there.argmin())  # as `descend` ends it
        runs.append((float(RATES[lane]), int(arrived[rule, lane]), way[:end]))
    return runs


# Who knows the curvature needs no rate, or only one


def residual_slopes(surface: Surface, x: float, y: float) -> Any:
    """J for a height that is a sum of squares, ½‖r‖²: the slopes of every residual r, (residuals, 2)."""
    if isinstance(surface, surfaces.Ravine):
        return [[surface.curvature_x**0.5, 0.0], [0.0, surface.curvature_y**0.5]]
    if isinstance(surface, surfaces.Rosenbrock):
        return [[-(2**0.5), 0.0], [-2.0 * 200**0.5 * x, 200**0.5]]
    if isinstance(surface, surfaces.Beale):
        return [[2**0.5 * rx, 2**0.5 * ry] for _, rx, ry, *_ in surface.residuals(x, y)]
    return None


def natural_path(surface: Surface, start: Any, rate: float, steps: int = STEPS) -> np.ndarray:
    """ANGD on a sum of squares: a model whose answers are r, with normal errors, has the Fisher information JᵀJ."""
    theta, rule = np.array(start, float), dl.ANGD(rate, fisher_rate=0.3)
    points = [theta.copy()]
    for _ in range(steps):
        slopes = np.array(residual_slopes(surface, *theta.tolist()))
        rule.step(theta, np.array(surface.df(*theta.tolist())), scores=len(slopes) ** 0.5 * slopes)
        if not np.abs(theta).max() < surfaces.FAR_AWAY:
            break
        points.append(theta.copy())
    return np.array(points)


def best_natural_path(surface: Surface, start: Any) -> np.ndarray:
    """The first to arrive of three rates: all of them a share of the way to go."""

    def when(points: np.ndarray) -> int:
        return arrival(surface, points) if len(points) > STEPS else STEPS + 1

    best = natural_path(surface, start, 1.0)
    for rate in (0.3, 0.1):
        trial = natural_path(surface, start, rate, when(best) - 1) if when(best) else best
        if arrival(surface, trial) < when(best):  # who is not there by then will not be the first
            best = min(best, natural_path(surface, start, rate), key=when)
    return best


# The race

COURSES: dict[str, Surface] = {
    "ravine": surfaces.ravine,
    "Rosenbrock": surfaces.rosenbrock,
    "Beale": surfaces.beale,
    "saddle": surfaces.saddle,
    "double well": surfaces.double_well,
}
WINDOW = (-4.0, 4.0, -3.0, 3.0)
FLOOR = {"saddle": -4.5}  # the lowest place in the window; all others end at 0
LOW, HIGH = 1e-8, 1e5


def run_race(surface: str, x: float, y: float, rates: str, learning_rate: float) -> Any:
    ground, start = COURSES[surface], (x, y)
    paths: dict[str, np.ndarray] = {}
    if rates == BEST and ground.minima:
        runs = best_runs(ground, list(RULES.values()), start)
        paths |= {name: path for name, (_, _, path) in zip(RULES, runs, strict=True)}
    else:
        paths |= {name: surfaces.descend(ground, rule(learning_rate), start, STEPS) for name, rule in RULES.items()}
    paths["Newton"] = surfaces.newton_path(ground, start, STEPS)
    if residual_slopes(ground, x, y):
        paths["ANGD"] = (
            best_natural_path(ground, start) if rates == BEST else natural_path(ground, start, learning_rate)
        )
    return surface, paths


def draw_race(figure: Any, state: Any) -> None:
    surface, paths = state
    art = figure.art
    if not figure.axes:
        above, height, board = panels(figure, 1, 3, width_ratios=[1.3, 1.0, 0.7])
        art.grounds = {name: ground_of(above, COURSES[name]) for name in COURSES}
        above.set_title("The way down from above", loc="left")
        name_axes(height, "step", "height", "How high they are", log=True)
        height.set(xlim=(0, STEPS), ylim=(LOW, HIGH))
        art.paths = {name: path(above, "", name) for name in RUNNERS}
        art.heights = {name: curve(height, "", name, linewidth=1.6) for name in RUNNERS}
        art.board = Board(board, RUNNERS, "Arrived at step")
        for each in art.paths.values():
            each.marks = 12
            each.line.set_linewidth(1.4)
            each.halo.set_linewidth(2.6)
    for name, parts in art.grounds.items():
        if parts[0].get_visible() != (name == surface):
            for part in parts:
                part.set_visible(name == surface)
    for name in RUNNERS:
        points = paths.get(name, np.empty((0, 2)))
        art.paths[name].set_points(points)
        above_floor = COURSES[surface].value(points) - FLOOR.get(surface, 0.0)
        show_curve(art.heights[name], np.minimum(above_floor, 10 * HIGH), LOW)
    nameless(*art.paths.values())
    art.board.set_ranking([(name, words) for name, words, _ in standings(surface, paths)])


def ground_of(ax: Any, surface: Surface) -> list[Any]:
    """Its contours and stars, hidden."""
    before = set(ax.get_children())
    contours(ax, surface, WINDOW)
    parts = [artist for artist in ax.get_children() if artist not in before]
    for part in parts:
        part.set_visible(False)
    return parts


def standings(surface: str, paths: dict[str, np.ndarray]) -> list[tuple[str, str, int]]:
    """(name, result in words, step), the first to arrive first, then those on their way, then those who are lost."""
    rows = []
    for name in RUNNERS:
        if name not in paths:
            rows.append((name, "absent", 5 * STEPS))
            continue
        rows.append((name, *result(surface, paths[name], name)))
    return sorted(rows, key=lambda row: row[2])


def result(surface: str, points: np.ndarray, name: str) -> tuple[str, int]:
    ground = COURSES[surface]
    if surface == "saddle":
        out = np.abs(points[:, 1]) > WINDOW[3]
        return (str(out.argmax()), int(out.argmax())) if out.any() else (f"> {STEPS}", 2 * STEPS)
    arrived = arrival(ground, points)
    if arrived < len(points):
        return str(arrived), arrived
    if (len(points) <= STEPS and name != "Newton") or not np.hypot(*points[-1]) < 100:
        return "far away", 4 * STEPS
    if name == "Newton" and np.hypot(*ground.gradient(points[-1])) < 1e-3:
        return "flat", 3 * STEPS
    return f"> {STEPS}", 2 * STEPS


def describe_race(state: Any, settings: dict[str, Any]) -> str:
    surface, paths = state
    rows = standings(surface, paths)
    there = [f"{name} at step {step}" for name, _, step in rows if step <= STEPS]
    late, flat, lost = ([name for name, _, step in rows if step == n * STEPS] for n in (2, 3, 4))
    deep = [name for name in RUNNERS if name in paths and np.hypot(*(paths[name][-1] - (1.0, 0.0))) <= CLOSE]
    tuned = settings["rates"] == BEST and surface != "saddle"
    rate = "each at its best rate" if tuned else f"all with η = {settings['learning_rate']:g}"
    goal = "to leave the picture" if surface == "saddle" else f"to be within {CLOSE} of a star until step {STEPS}"
    words = [
        f"From ({settings['x']:g}, {settings['y']:g}), {rate}, "
        + (f"first {goal}: {', '.join(there[:3])}." if there else f"nobody manages {goal}."),
        f"In the deep well at step {STEPS}: {', '.join(deep) or 'none'}." if surface == "double well" else "",
        f"Not in {STEPS} steps: {', '.join(late)}." if late else "",
        "Newton ends where it is flat, at no minimum." if flat else "",
        f"More than 100 away: {', '.join(lost)}." if lost else "",
    ]
    return " ".join(filter(None, words))


def course() -> Lab:
    """All optimizers from one place, on five surfaces."""
    return Lab(
        run_race,
        draw_race,
        describe=describe_race,
        alt="Left, a surface and the paths of all optimizers. Middle, their heights, log scale. Right, who came when.",
        figure_size=(10.5, 4.2),
        ghost=False,
        surface=Choice(list(COURSES), "Beale"),
        x=Slider(-4.0, 4.0, 1.0, step=0.1, label="start x"),
        y=Slider(-3.0, 3.0, 1.5, step=0.1, label="start y"),
        rates=Choice([BEST, SAME], BEST, label="learning rates"),
        learning_rate=Slider(1e-4, 1.0, 0.01, log=True, label="η, if one for all"),
    )
