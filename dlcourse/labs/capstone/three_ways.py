"""The three ways to improve a model, on trial on MNIST-1D: structure, start, learning rule. Eight networks, one cube.

shares = three_ways.cube(seeds=range(4))        # (2, 2, 2, seeds): percent of the validation lines
three_ways.gains(shares)                        # what each way buys in each of its four contexts
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.capstone import lines
from dlcourse.labs.controls import Choice
from dlcourse.labs.lab import Lab
from dlcourse.labs.regularization import scarce
from dlcourse.plots import look, name_axes, on_white, panels
from dlcourse.plots.style import styled

EXAMPLES, BATCH, EPOCHS = 1000, 50, 15
STEPS = EPOCHS * EXAMPLES // BATCH
WAYS = ["structure", "start", "rule"]
POOR_STARTS = ["Gaussian 0.01", "uniform (0, 1)", "orthogonal"]
RULES: dict[str, Any] = {
    "SGD, η = 0.01": lambda: dl.SGD(0.01),
    "SGD, η = 0.1": lambda: dl.SGD(0.1),
    "Momentum, η = 0.03": lambda: dl.Momentum(0.03, 0.9),
}
SEEDS = 3


def better_rule() -> Any:
    return dl.Adam(dl.CosineDecay(0.02, STEPS))


@lru_cache(maxsize=128)
def reads(structure: str, start: str, rule: str | None, seeds: int = SEEDS) -> np.ndarray:
    """Percent of the validation lines, (seeds,): networks that differ in their start side by side, as lanes."""
    train, validation, _ = lines.parts(EXAMPLES)
    network = lines.network(structure, start, seed=list(range(seeds)), lanes=seeds)
    optimizer = RULES[rule]() if rule else better_rule()
    with np.errstate(all="ignore"):
        dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, train, epochs=EPOCHS, batch_size=BATCH)
        return np.asarray(lines.read(network, validation))


def corners(structure: str = lines.MLP, start: str = "Gaussian 0.01", rule: str = "SGD, η = 0.1") -> Iterator[Any]:
    """The eight networks one after the other: (which of the three are improved, percent by seed)."""
    for improved in sorted(product((0, 1), repeat=3), key=sum):
        better, good, fast = improved
        yield improved, reads(lines.CNN if better else structure, "He" if good else start, None if fast else rule)


def cube(**settings: Any) -> np.ndarray:
    """All eight, (structure, start, rule, seed): index 1 is the improved one."""
    shares = np.full((2, 2, 2, SEEDS), np.nan)
    for improved, percent in corners(**settings):
        shares[improved] = percent
    return shares


def gains(shares: np.ndarray) -> np.ndarray:
    """Points that each way buys, (3, 4): the mean over seeds, in each of the four states of the other two."""
    mean = shares.mean(axis=-1)
    return np.array([np.diff(mean, axis=axis).ravel() for axis in range(3)])


def climb(structure: str, start: str, rule: str) -> Iterator[Any]:
    shares = np.full((2, 2, 2, SEEDS), np.nan)
    for improved, percent in corners(structure, start, rule):
        shares[improved] = percent
        yield shares.copy()


def draw(figure: Any, shares: np.ndarray) -> None:
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.35, 1])
        name_axes(left, "how many of the three are improved", "validation lines read, %", "Six ways up")
        left.set(xlim=(-0.3, 3.3), ylim=(0, 80), xticks=range(4))
        name_axes(right, "points bought", "", "What each way buys, in four contexts")
        right.set(xlim=(-30, 75), ylim=(2.6, -0.6), yticks=range(3), yticklabels=WAYS)
        right.axvline(0, color="#888888", linewidth=1)
        with styled():
            art.edges = {}
            for improved, way in product(product((0, 1), repeat=3), range(3)):
                if not improved[way]:
                    (art.edges[improved, way],) = left.plot([], [], linewidth=2, **{**look(WAYS[way]), "marker": ""})
            (art.nodes,) = left.plot([], [], "o", color="#333333", markersize=8)
            (art.seeds,) = left.plot([], [], "o", color="#999999", markersize=3)
            art.dots = [right.plot([], [], linestyle="", markersize=9, **bare(way), alpha=0.65)[0] for way in WAYS]
            (art.means,) = right.plot([], [], "|", color="black", markersize=26, markeredgewidth=2)
            art.words = [
                right.text(74, row - 0.28, "", ha="right", color=on_white(look(WAYS[row])["color"])) for row in range(3)
            ]
        for row, label in enumerate(right.get_yticklabels()):
            label.set_color(on_white(look(WAYS[row])["color"]))
    mean = shares.mean(axis=-1)
    for (improved, way), line in art.edges.items():
        up = tuple(1 if axis == way else value for axis, value in enumerate(improved))
        line.set_data([sum(improved), sum(improved) + 1], [mean[improved], mean[up]])
    count = np.indices((2, 2, 2)).sum(axis=0)
    art.nodes.set_data(count.ravel(), mean.ravel())
    art.seeds.set_data(np.repeat(count.ravel(), SEEDS), shares.ravel())
    points = gains(shares)
    for row, (dots, words) in enumerate(zip(art.dots, art.words, strict=True)):
        dots.set_data(points[row], [row] * 4)
        known = np.isfinite(points[row]).all()
        words.set_text(f"{scarce.signed(points[row].mean())} on average" if known else "")
    art.means.set_data(points.mean(axis=1), range(3))


def bare(way: str) -> dict[str, Any]:
    """The look of a way, without the line."""
    return {name: value for name, value in look(way).items() if name != "linestyle"}


def describe(shares: np.ndarray, settings: dict[str, Any]) -> str:
    mean, points = shares.mean(axis=-1), gains(shares)
    if not np.isfinite(mean).all():
        return f"{int(np.isfinite(mean).sum())} of 8 networks are trained."
    alone, noise = [points[way][0] for way in range(3)], noise_of(shares)
    total = mean[1, 1, 1] - mean[0, 0, 0]
    words = ", ".join(f"{way} {scarce.signed(gain)}" for way, gain in zip(WAYS, alone, strict=True))
    return (
        f"From {mean[0, 0, 0]:.0f}% to {mean[1, 1, 1]:.0f}%: all three buy {scarce.signed(total)} points. Each alone, "
        f"from the bottom: {words}; these add up to {scarce.signed(sum(alone))}. Gains below {noise:.0f} are noise of "
        f"{SEEDS} seeds and {len(lines.parts(EXAMPLES)[1])} lines."
    )


def noise_of(shares: np.ndarray) -> float:
    """Twice the standard error of a gain: of the mean over seeds, and of a share that so many lines tell; both ends."""
    share, seeds = shares.mean(axis=-1) / 100, shares.var(axis=-1, ddof=1).mean() / SEEDS
    by_lines = 1e4 * (share * (1 - share)).mean() / len(lines.parts(EXAMPLES)[1])
    return float(2 * np.sqrt(2 * (seeds + by_lines)))


def three_ways() -> Lab:
    """Structure, start and rule, each poor or improved: eight networks, and six ways from the worst to the best."""
    return Lab(
        climb,
        draw,
        describe=describe,
        alt="Left, accuracy against the number of improvements, eight networks joined by edges. Right, points bought.",
        figure_size=(10.0, 3.9),
        ghost=False,
        structure=Choice([lines.LOGISTIC, lines.MLP, "deep MLP"], lines.MLP, label="structure before"),
        start=Choice(POOR_STARTS, "Gaussian 0.01", label="start before"),
        rule=Choice(list(RULES), "SGD, η = 0.01", label="rule before"),
    )
