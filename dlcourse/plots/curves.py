"""Curves against steps: made once, moved by `set_data`, named at the end of the line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dlcourse.plots.style import look, on_white
from dlcourse.settings import refuse

LABEL_GAP = 15.0  # points between two labels


class Curve:
    """A line with its name at the last finite point. `artists` are what a frame has to draw."""

    marks = 6  # along the line, besides the one at its end
    offset = 8.0  # points from the end of the line to its name

    def __init__(self, ax: Axes, label: str, method: str | None = None, **style: Any):
        style = {"markersize": 6.0, "linewidth": 2.0, **look(method or label), **style}
        self.ax = ax
        (self.line,) = ax.plot([], [], label=label, **style)
        self.text = ax.annotate(label, (0.0, 0.0), (8.0, 0.0), textcoords="offset points", va="center")
        self.text.set(fontsize=12, color=on_white(self.line.get_color()), annotation_clip=True, visible=False)
        self.text.set_in_layout(False)  # else where a line ends would decide where the axes are
        self.artists = [self.line, self.text]

    def set_data(self, x: Any, y: Any) -> None:
        """Move the line to x (n,), y (n,); points that are not finite leave a gap."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        if x.ndim != 1 or x.shape != y.shape:
            refuse("Curve.y", f"have the shape of x, {x.shape}, one number per step", y.shape, "Give two lists.")
        self.line.set_data(x, y)
        every = max(1, len(x) // self.marks)
        self.line.set_markevery((max(len(x) - 1, 0) % every, every))
        shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        self.text.set_visible(len(shown) > 0)
        if len(shown):
            self.text.xy = (x[shown[-1]], y[shown[-1]])
            self.text.set_position((self.offset, 0.0))


def curve(ax: Axes, label: str, method: str | None = None, x: Any = (), y: Any = (), **style: Any) -> Curve:
    """A curve in the look of its method (by default the method that `label` names)."""
    made = Curve(ax, label, method, **style)
    made.set_data(x, y)
    ax.relim()
    ax.autoscale_view()
    return made


def ghost(ax: Axes, x: Any = (), y: Any = ()) -> Line2D:
    """A faint grey line behind the others: the run before this one."""
    (line,) = ax.plot(x, y, color="#B0B0B0", linewidth=1.5, linestyle="-", zorder=1.5)
    return line


def event(ax: Axes, text: str) -> Curve:
    """A vertical dotted line with words at its top; `event(...).set_data([step, step], [low, high])` moves it."""
    return Curve(ax, text, color="#555555", linestyle=":", linewidth=1.5, marker="", method="train")


def spread_labels(curves: Sequence[Curve]) -> None:
    """Push the names at the line ends apart, upwards and downwards alike, until none covers another."""
    shown = [c for c in curves if c.text.get_visible()]
    if not shown:
        return
    at = np.array([c.ax.transData.transform(c.text.xy)[1] for c in shown])
    at *= 72.0 / shown[0].ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    order = np.argsort(at, kind="stable")
    for i, y in zip(order, apart(at[order], LABEL_GAP), strict=True):
        shown[i].text.set_position((shown[i].offset, y - at[i]))


def apart(heights: np.ndarray, gap: float) -> np.ndarray:
    """The nearest heights at least `gap` apart (least squares, pool adjacent violators); both are sorted."""
    wish = heights - gap * np.arange(len(heights))  # never falling once they are apart
    pools: list[tuple[float, int]] = []
    for value in wish.tolist():
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return np.repeat([v for v, _ in pools], [n for _, n in pools]) + gap * np.arange(len(heights))


def name_axes(ax: Axes, x: str = "step", y: str = "loss (nats)", title: str = "", log: bool = False) -> None:
    """Labels with units; a logarithmic axis says so."""
    if log:
        ax.set_yscale("log")
        y = f"{y}, log scale"
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title, loc="left")
