"""The envelope of 06_capstone: why the part that chose a run is no measure of it any more."""

from functools import lru_cache
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.capstone import lines
from dlcourse.labs.controls import Choice, Slider
from dlcourse.labs.lab import Lab
from dlcourse.plots import curve, name_axes, panels, spread_labels
from dlcourse.plots.style import styled

RUNS = 64
DRAWS = 200  # of the lines that choose, over which the right panel takes the mean


@lru_cache(maxsize=1)
def runs() -> np.ndarray:
    """64 networks, alike but for the seed, side by side: which of 2000 new lines each reads, (64, 2000).

    They have learned from a thousand others: an MLP, Adam at 0.01, 5 epochs.
    """
    train, *new = lines.parts(1000)
    network = lines.network(lines.MLP, seed=list(range(RUNS)), lanes=RUNS)
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Adam(0.01), train, epochs=5, batch_size=50)
    return np.concatenate([dl.to_host(network.predict(part.x)).argmax(axis=-1) == part.y for part in new], axis=1)


def split(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The 2000 lines drawn apart anew: what each run reads of `count` that choose, and of 1000 others; percent."""
    right = runs()[:, rng.permutation(2000)]
    return 100 * right[:, :count].mean(axis=1), 100 * right[:, 1000:].mean(axis=1)


@lru_cache(maxsize=8)
def promises(count: int) -> tuple[np.ndarray, np.ndarray]:
    """What the best of 1, 2, … 64 runs reads of the lines that chose it, and of others; percent, means over draws."""
    rng, said, true = np.random.default_rng(1), [], []
    for _ in range(DRAWS):
        (score, other), order = split(count, rng), rng.permutation(RUNS)
        best = [order[int(score[order[:tries]].argmax())] for tries in range(1, RUNS + 1)]
        said.append(score[best])
        true.append(other[best])
    return np.mean(said, axis=0), np.mean(true, axis=0)


def choose(tries: int, count: int) -> Any:
    scores = split(count, np.random.default_rng(0))
    return [score[:tries] for score in scores], promises(count), tries


def draw(figure: Any, state: Any) -> None:
    (score, true), (said, reads), tries = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2)
        name_axes(
            left, "lines that choose, read in %", "other lines, read in %", "Each dot a run; the ring is the chosen one"
        )
        left.set(xlim=(20, 62), ylim=(32, 48))
        name_axes(right, "runs tried", "the best reads, %", "On average, for so many tries")
        right.set(xlim=(0, 100), ylim=(36, 56), xticks=[1, 16, 32, 48, 64], yticks=range(36, 57, 4))
        with styled():
            left.plot([20, 62], [20, 62], ":", color="#555555", linewidth=1.5)
            (art.dots,) = left.plot([], [], "o", color="#777777", markersize=6, alpha=0.7)
            (art.best,) = left.plot(
                [], [], "o", color="black", markersize=13, markerfacecolor="none", markeredgewidth=2
            )
            art.here = right.axvline(1, color="#555555", linestyle=":", linewidth=1.5)
        art.said, art.reads = curve(right, "choosing lines", "validation"), curve(right, "other lines", "test")
    art.dots.set_data(score, true)
    best = int(score.argmax())
    art.best.set_data(score[best : best + 1], true[best : best + 1])
    art.said.set_data(np.arange(1, RUNS + 1), said)
    art.reads.set_data(np.arange(1, RUNS + 1), reads)
    spread_labels([art.said, art.reads])
    art.here.set_xdata([tries, tries])


def describe(state: Any, settings: dict[str, Any]) -> str:
    (score, true), (said, reads), tries = state
    best, gap = int(score.argmax()), said[tries - 1] - reads[tries - 1]
    place = int((true > true[best]).sum()) + 1
    promise = f"{gap:.1f} points too high" if gap >= 0.5 else "kept"
    chosen = f"The best of {tries} reads" if tries > 1 else "The only run reads"
    rank = f", place {place} of {tries}" if tries > 1 else ""
    return (
        f"{chosen} {score[best]:.0f}% of the {settings['count']} lines that chose it, and {true[best]:.1f}% of a "
        f"thousand others{rank}. On average, what the best of {tries} promises is {promise}."
    )


def choosing() -> Lab:
    """How many runs are tried, and how many lines choose among them."""
    return Lab(
        choose,
        draw,
        describe=describe,
        alt="Left, each run by accuracy on choosing and other lines. Right, both for the best run, by number of tries.",
        figure_size=(9.0, 3.6),
        ghost=False,
        tries=Slider(1, RUNS, 32, label="runs tried"),
        count=Choice([50, 100, 200, 500, 1000], 100, label="lines that choose"),
    )
