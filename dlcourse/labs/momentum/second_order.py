"""The labs of 02_momentum on curvature: how long each rule stays at a saddle, and where Newton's rule ends."""

import math
from functools import cache
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

import dlcourse as dl
from dlcourse import surfaces
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import RATE, nameless
from dlcourse.labs.momentum.race import COURSES, RULES, WINDOW
from dlcourse.plots import Board, curve, name_axes, panels, path, pixels
from dlcourse.surfaces import Saddle, Surface

# A saddle: how long does each rule stay?

STAY = 300  # steps
LEFT = 1.0  # who is as far from the ridge as this has left


class NoisySaddle(Saddle):
    """A saddle whose gradient is wrong by chance, as that of a batch is."""

    def __init__(self, noise: float, seed: int):
        self.noise, self.rng = noise, np.random.default_rng(seed)

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        wrong_x, wrong_y = (self.noise * self.rng.normal(size=2)).tolist() if self.noise else (0.0, 0.0)
        return x + wrong_x, wrong_y - y


def leave(distance: float, learning_rate: float, noise: float, seed: int) -> Any:
    start = (-1.8, distance)
    walks = {
        name: surfaces.descend(NoisySaddle(noise, seed), rule(learning_rate), start, STAY)
        for name, rule in RULES.items()
    }
    return {**walks, "Newton": surfaces.newton_path(NoisySaddle(noise, seed), start, STAY)}


def left_at(points: np.ndarray) -> int | None:
    """The first step as far from the ridge as LEFT."""
    out = np.abs(points[:, 1]) >= LEFT
    return int(out.argmax()) if out.any() else None


def draw_leave(figure: Any, walks: Any) -> None:
    art = figure.art
    if not figure.axes:
        above, away, board = panels(figure, 1, 3, width_ratios=[1.0, 1.2, 0.7])
        dl.plots.contours(above, surfaces.saddle)
        above.set_title("The saddle from above", loc="left")
        name_axes(away, "step", "distance from the ridge, |y|", "How far to the side", log=True)
        away.set(xlim=(0, STAY), ylim=(1e-13, 10))
        art.paths = {name: path(above, "", name) for name in walks}
        art.away = {name: curve(away, "", name, linewidth=1.6) for name in walks}
        art.board = Board(board, list(walks), "Left at step")
        for each in art.paths.values():
            each.marks = 12
    for name, points in walks.items():
        art.paths[name].set_points(points)
        side = np.maximum(np.abs(points[:, 1]), 1e-14)
        end = left_at(points) or len(side)
        art.away[name].set_data(np.arange(len(side))[: end + 1], side[: end + 1])
    nameless(*art.paths.values())
    left = [(n if n is not None else math.inf, name) for name, n in ((k, left_at(p)) for k, p in walks.items())]
    art.board.set_ranking([(name, str(n) if n < math.inf else f"> {STAY}") for n, name in sorted(left)])


def describe_leave(walks: Any, settings: dict[str, Any]) -> str:
    left = {name: left_at(points) for name, points in walks.items()}
    words = [
        f"{name} leaves at step {left[name]}" if left[name] is not None else f"{name} not yet"
        for name in ("SGD", "Momentum", "Adam")
    ]
    gone = sum(n is not None for n in left.values())
    return (
        f"Start {settings['distance']:g} from the ridge, η = {settings['learning_rate']:g}, "
        f"noise {settings['noise']:g}: {', '.join(words)}. In {STAY} steps {gone} of {len(left)} rules get away."
    )


def saddle() -> Lab:
    """All rules beside the ridge of a saddle."""
    return Lab(
        leave,
        draw_leave,
        describe=describe_leave,
        alt="Left, a saddle with paths. Middle, distance from the ridge against the step, log scale. Right, a ranking.",
        figure_size=(10.5, 4.0),
        ghost=False,
        distance=Choice([0.0, 1e-12, 1e-9, 1e-6, 1e-3, 0.1], 1e-6, label="distance from the ridge"),
        learning_rate=Slider(1e-3, 1.0, 0.1, log=True, label=RATE),
        noise=Choice([0.0, 1e-9, 1e-6, 1e-3, 0.1], 0.0, label="noise of the gradient"),
        seed=Seed(),
    )


# Newton's rule: where does it end?

JUMPS = 30  # steps in the picture
KINDS = {"a minimum": "#9CCBE8", "a saddle": "#E9B8D3", "a top": "#F3CE7C", "nowhere": "#FFFFFF"}


def newton_ends(surface: Surface, x: Any, y: Any, steps: int = 150) -> np.ndarray:
    """For every start: which of KINDS Newton's rule is at after so many steps, as a number."""
    x, y = np.array(x, float), np.array(y, float)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            (gx, gy), ((a, b), (_, c)) = surface.df(x, y), surface.d2f(x, y)
            determinant = a * c - b * b
            x, y = x - (c * gx - b * gy) / determinant, y - (a * gy - b * gx) / determinant
        (gx, gy), ((a, b), (_, c)) = surface.df(x, y), surface.d2f(x, y)
        determinant = a * c - b * b
        there = (np.hypot(gx, gy) < 1e-6) & (np.hypot(x, y) < 100.0)  # far away it is flat, too
    kind = np.where(determinant < 0, 1, np.where(a + c > 0, 0, 2))
    return np.where(there, kind, 3)


@cache
def basins(name: str, columns: int = 120, rows: int = 90) -> np.ndarray:
    x0, x1, y0, y1 = WINDOW
    x = x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns
    y = y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows
    return newton_ends(COURSES[name], *np.meshgrid(x, y))


def jump(surface: str, x: float, y: float) -> Any:
    return surface, basins(surface), surfaces.newton_path(COURSES[surface], (x, y), JUMPS)


def draw_jump(figure: Any, state: Any) -> None:
    surface, ends, points = state
    art = figure.art
    if not figure.axes:
        above, slope = panels(figure, 1, 2, width_ratios=[1.3, 1.0])
        colors = ListedColormap(list(KINDS.values()))
        art.map = pixels(above, ends, 0, 3, cmap=colors, origin="lower", extent=WINDOW)
        above.set(xlim=WINDOW[:2], ylim=WINDOW[2:], xlabel="x", ylabel="y")
        above.set_title("Where Newton's rule ends, from each start", loc="left")
        above.grid(False)
        key = [Patch(facecolor=color, edgecolor="#999999", label=kind) for kind, color in KINDS.items()]
        above.legend(
            handles=key, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.17), handlelength=1.0, columnspacing=1.2
        )
        (art.stars,) = above.plot([], [], "*", color="white", markeredgecolor="black", markersize=15, zorder=8)
        art.path = path(above, "", "newton")
        name_axes(slope, "step", "slope, ‖g‖", "How steep it is where it stands", log=True)
        slope.set(xlim=(0, JUMPS), ylim=(1e-16, 1e8))
        art.slope = curve(slope, "", "newton")
    art.map.set_data(ends)
    art.stars.set_data(*np.array(COURSES[surface].minima or np.empty((0, 2))).T)
    art.path.set_points(points)
    steep = np.hypot(*COURSES[surface].gradient(points).T)
    art.slope.set_data(np.arange(len(steep)), np.maximum(steep, 1e-16))


def describe_jump(state: Any, settings: dict[str, Any]) -> str:
    surface, ends, points = state
    shares = {kind: float((ends == number).mean()) for number, kind in enumerate(KINDS)}
    kind = list(KINDS)[int(newton_ends(COURSES[surface], points[-1, 0], points[-1, 1], steps=0))]
    steps = len(points) - 1
    lost = "on its way" if steps == JUMPS else "lost, far away or where H has no inverse,"
    where = lost if kind == "nowhere" else f"at {kind}"
    said = " and ".join(f"{share:.0%} lead to {kind}" for kind, share in shares.items() if share and kind != "nowhere")
    return (
        f"From ({settings['x']:g}, {settings['y']:g}) Newton's rule is {where} after {steps} step{'s' * (steps != 1)}. "
        f"Of all starts in the picture {said}."
    )


def newton() -> Lab:
    """Where Newton's rule ends, for all starts at once."""
    return Lab(
        jump,
        draw_jump,
        describe=describe_jump,
        alt="Left, a map of starts coloured by where Newton's rule ends, and one path. Right, the slope, log scale.",
        figure_size=(9.0, 3.8),
        surface=Choice(list(COURSES), "Beale"),
        x=Slider(-4.0, 4.0, 1.0, step=0.1, label="start x"),
        y=Slider(-3.0, 3.0, 1.5, step=0.1, label="start y"),
    )
