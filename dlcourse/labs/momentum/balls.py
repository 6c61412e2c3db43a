"""The labs of 02_momentum on surfaces: a ball in a valley, in a double well, and one that looks ahead."""

import math
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Slider
from dlcourse.labs.lab import Lab
from dlcourse.plots import contours, curve, event, name_axes, panels, path, spread_labels

RATE = "learning rate η"
MOMENTUM = "momentum μ"


def show_curve(line: Any, y: Any, low: float = -math.inf) -> None:
    """y against the step, up to where it sinks below `low` for good: there the axes end."""
    above = np.flatnonzero(np.asarray(y) > low)
    end = above[-1] + 1 if len(above) else 0
    line.set_data(np.arange(end), np.where(y > low, y, np.nan)[:end])


def nameless(*curves: Any) -> None:
    """Take the names away where lines end at the same place; the panel beside has them."""
    for each in curves:
        each.text.set_text("")


# A ball in a valley


def roll(learning_rate: float, momentum: float) -> Any:
    ball = dl.surfaces.descend(dl.surfaces.ravine, dl.Momentum(learning_rate, momentum), steps=60)
    hiker = dl.surfaces.descend(dl.surfaces.ravine, dl.SGD(learning_rate), steps=60)
    return ball, hiker


def draw_roll(figure: Any, state: Any) -> None:
    if not figure.axes:
        set_valley(figure, {"ball": "momentum", "hiker": "sgd"}, (1e-7, 1e3), xlim=(0, 80), xticks=range(0, 61, 20))
    show_walks(figure, state, low=1e-9)


def set_valley(figure: Any, walkers: dict[str, str], heights: tuple[float, float], **steps: Any) -> None:
    """The valley from above, and beside it the height against the step, for walkers name → method."""
    art = figure.art
    valley, height = panels(figure, 1, 2, width_ratios=[1.5, 1])
    contours(valley, dl.surfaces.ravine)
    valley.set_title("The valley from above", loc="left")
    name_axes(height, "step", "height", "How high they stand", log=True)
    height.set(ylim=heights, **steps)
    art.paths = [path(valley, name, method) for name, method in walkers.items()]
    nameless(*art.paths)
    art.heights = [curve(height, name, method) for name, method in walkers.items()]


def show_walks(figure: Any, walks: Any, low: float) -> None:
    """Move every walker's path, and its height as far as it stays above `low`."""
    art = figure.art
    for points, seen, line in zip(walks, art.paths, art.heights, strict=True):
        seen.set_points(points)
        show_curve(line, dl.surfaces.ravine.value(points), low)
    spread_labels(art.heights)


def describe_roll(state: Any, settings: dict[str, Any]) -> str:
    ball, hiker = state
    eta, mu = settings["learning_rate"], settings["momentum"]
    steep = dl.surfaces.ravine.curvature_y
    if climbs_out(dl.Momentum(eta, mu)):
        return (
            f"Diverged: the ball climbs out of the valley. Across it λ = {steep:g}, so ηλ = {eta * steep:.2f}; "
            f"the limit is 2(1 + μ) = {2 * (1 + mu):.2f}."
        )
    away = f"the ball is {np.linalg.norm(ball[-1]):.2g} from the lowest point"
    other = f"the hiker {np.linalg.norm(hiker[-1]):.2g}"
    if climbs_out(dl.SGD(eta)):
        other = "the hiker climbs out of the valley"
    swings = np.abs(ball[-20:, 1]).max()
    return f"μ = {mu:.2f}: after 60 steps {away}, {other}. In its last 20 steps the ball swings {swings:.2g} across."


def climbs_out(rule: Any) -> bool:
    """Does this rule diverge in the ravine? Exact: its rate is beyond the limit of the steepest direction."""
    steep, eta = dl.surfaces.ravine.curvature_y, rule.learning_rate
    mu = getattr(rule, "momentum", 0.0)
    limit = theory.nesterov_stability_limit if isinstance(rule, dl.Nesterov) else theory.stability_limit
    return eta > limit(mu, steep) * (1 + 1e-9)


def valley() -> Lab:
    """Momentum and plain descent from the same place, with the same learning rate."""
    return Lab(
        roll,
        draw_roll,
        describe=describe_roll,
        alt="Left, a valley from above with two paths. Right, their heights against the step, log scale.",
        figure_size=(9.0, 3.6),
        learning_rate=Slider(0.001, 0.2, 0.03, step=0.001, label=RATE),
        momentum=Slider(0.0, 0.99, 0.9, step=0.01, label=MOMENTUM),
    )


# A ball in a double well

WALL = -1.9  # where it starts


def fall(learning_rate: float, momentum: float, depth: float, tilt: float) -> Any:
    well = dl.surfaces.DoubleWell(depth, tilt)
    points = dl.surfaces.descend(well, dl.Momentum(learning_rate, momentum), start=(WALL, 0.0), steps=150)
    height = well.value(points)
    speed = np.diff(points[:, 0], prepend=points[0, 0])
    return well, points[:, 0], height, height + speed**2 / (2 * learning_rate)


def draw_fall(figure: Any, state: Any) -> None:
    well, x, height, energy = state
    art = figure.art
    if not figure.axes:
        profile, bill = panels(figure, 1, 2, width_ratios=[1.1, 1])
        name_axes(profile, "x", "height f(x)", "Where the ball goes")
        name_axes(bill, "step", "energy", "What it has left to climb with")
        for ax in (profile, bill):  # one digit takes as much room as two: the axes stay where they are
            ax.yaxis.set_major_formatter(lambda height, _: f"{height:2.0f}".replace(" ", "\u2007"))
        profile.set(xlim=(-2.3, 2.3))
        bill.set(xlim=(0, 260), xticks=range(0, 151, 50))
        (art.ground,) = profile.plot([], [], color="#555555", linewidth=2)
        (art.trail,) = profile.plot([], [], "o-", color=dl.plots.look("momentum")["color"], markersize=4, linewidth=0.8)
        (art.ball,) = profile.plot([], [], "o", color=dl.plots.look("momentum")["color"], markersize=13)
        art.height, art.energy = curve(bill, "height", "sgd", marker=""), curve(bill, "height + motion", "momentum")
        art.energy.line.set_marker("")
        art.bar = event(bill, "the pass")
    top = max(9.0, 3.0 * math.ceil(1.05 * well.value(WALL, 0.0) / 3.0))  # where the ball starts is in the picture
    for ax in figure.axes:
        if ax.get_ylim() != (-top / 9, top):  # axes that are set are drawn anew
            ax.set_ylim(-top / 9, top)
    ground = np.linspace(-2.3, 2.3, 200)
    art.ground.set_data(ground, well.value(ground, 0.0 * ground))
    art.trail.set_data(x, height)
    art.ball.set_data(x[-1:], height[-1:])
    show_curve(art.height, height)
    show_curve(art.energy, energy)
    pass_height = well.value(-well.tilt, 0.0)
    art.bar.set_data([0, 150], [pass_height, pass_height])
    spread_labels([art.height, art.energy, art.bar])


def rests(x: np.ndarray, well: Any, rule: Any) -> bool:
    """Has the ball come to rest, for good? It kept near a floor, ever nearer, and the rule converges there."""
    floor = 1.0 if x[-1] > -well.tilt else -1.0
    curvature = well.hessian(floor, 0.0)[0][0]
    away = np.abs(x[-len(x) // 4 :] - floor)
    earlier, later = np.split(away[len(away) % 2 :], 2)
    converges = theory.error_factor(rule.learning_rate, rule.momentum, curvature) < 1
    return bool(converges and away.max() < 0.05 and (later.max() < earlier.max() or later.max() < 1e-6))


def describe_fall(state: Any, settings: dict[str, Any]) -> str:
    well, x, _height, _ = state
    if len(x) <= 150:
        return f"Diverged at step {len(x)}: the walls of this well are too steep for η = {settings['learning_rate']:g}."
    crossings = int((np.diff(np.sign(x + well.tilt)) != 0).sum())
    where = "deep" if x[-1] > -well.tilt else "shallow"
    still = rests(x, well, dl.Momentum(settings["learning_rate"], settings["momentum"]))
    ends = f"rests in the {where} well" if still else f"is still moving, over the {where} well"
    return (
        f"μ = {settings['momentum']:.2f}: the pass is {well.climb:.2f} above the shallow floor. In 150 steps the ball "
        f"crossed it {crossings} time{'s' * (crossings != 1)}; it {ends}."
    )


def double_well() -> Lab:
    """A shallow well, a deep one, and a ball that has to climb the pass between them."""
    return Lab(
        fall,
        draw_fall,
        describe=describe_fall,
        alt="Left, the profile of two wells with a ball. Right, its height and its energy against the step.",
        figure_size=(9.0, 3.6),
        learning_rate=Slider(0.001, 0.04, 0.01, step=0.001, label=RATE),
        momentum=Slider(0.0, 0.99, 0.8, step=0.01, label=MOMENTUM),
        depth=Slider(0.5, 3.0, 1.0, step=0.1, label="depth"),
        tilt=Slider(0.05, 0.6, 0.2, step=0.05, label="tilt"),
    )


# Looking ahead


def arrival(points: np.ndarray, radius: float = 0.1) -> int:
    """The step from which a path stays within `radius` of the origin; the number after its last if it does not."""
    return int(np.flatnonzero(np.linalg.norm(points, axis=1) > radius)[-1]) + 1


SEEN, LOOKED_AT = 120, 1200  # steps in the picture; steps that decide whether it has arrived to stay


def compare(learning_rate: float, momentum: float) -> Any:
    rules = dl.Momentum(learning_rate, momentum), dl.Nesterov(learning_rate, momentum)
    ways = [dl.surfaces.descend(dl.surfaces.ravine, rule, steps=LOOKED_AT) for rule in rules]
    return [way[: SEEN + 1] for way in ways], [arrival(way) for way in ways]


def draw_compare(figure: Any, state: Any) -> None:
    if not figure.axes:
        rules = {"momentum": "momentum", "Nesterov": "nesterov"}
        set_valley(figure, rules, (1e-6, 1e3), xlim=(0, 200), xticks=range(0, 121, 40))
        figure.art.paths[1].line.set_linestyle("--")
        figure.art.paths[1].ring.set_visible(False)  # both start in the same ring
    show_walks(figure, state[0], low=1e-6)


def describe_compare(state: Any, settings: dict[str, Any]) -> str:
    words = []
    for name, rule, points, arrived in zip(("momentum", "Nesterov"), (dl.Momentum, dl.Nesterov), *state, strict=True):
        if climbs_out(rule(**settings)):
            words.append(f"{name} climbs out of the valley")
            continue
        when = f"is still on its way after {SEEN} steps" if arrived > SEEN else f"arrives at step {arrived}"
        words.append(f"{name} swings {np.abs(points[10:, 1]).max():.2g} across the valley after step 10 and {when}")
    return f"{words[0][0].upper()}{words[0][1:]}; {words[1]}."


def look_ahead() -> Lab:
    """Momentum and Nesterov's rule from the same place with the same settings."""
    return Lab(
        compare,
        draw_compare,
        describe=describe_compare,
        alt="Left, a valley from above with two paths. Right, their heights against the step, log scale.",
        figure_size=(9.0, 3.6),
        learning_rate=Slider(0.001, 0.1, 0.02, step=0.001, label=RATE),
        momentum=Slider(0.0, 0.99, 0.95, step=0.01, label=MOMENTUM),
    )
