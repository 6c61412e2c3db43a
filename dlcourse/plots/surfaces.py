"""A loss of two parameters seen from above, and the paths that rules take over it."""

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet

from dlcourse.plots.curves import Curve
from dlcourse.plots.style import look
from dlcourse.settings import refuse
from dlcourse.surfaces import Surface


def contours(ax: Axes, surface: Surface, bounds: Any = None, resolution: int = 160, levels: int = 18) -> QuadContourSet:
    """Filled contours of a surface, its minima as stars. Dark is low.

    Levels are evenly spaced, or log-spaced where the loss spans several sizes. bounds: (x0, x1, y0, y1), by default
    the surface's own. It is background: draw it once.
    """
    x0, x1, y0, y1 = surface.bounds if bounds is None else bounds
    x, y = np.meshgrid(np.linspace(x0, x1, resolution), np.linspace(y0, y1, resolution))
    z = heights(surface.value(x, y))
    steps = np.linspace(z.min(), z.max(), levels + 1)
    picture = ax.contourf(x, y, z, steps, cmap="cividis", alpha=0.5)
    ax.contour(x, y, z, steps, colors="black", linewidths=0.6, alpha=0.25, linestyles="-")
    for point in surface.minima:
        ax.plot(*point, "*", color="white", markeredgecolor="black", markersize=15, zorder=8, clip_on=True)
    ax.set(xlim=(x0, x1), ylim=(y0, y1), xlabel="x", ylabel="y")
    ax.locator_params(nbins=6)
    ax.grid(False)
    return picture


def heights(z: np.ndarray) -> np.ndarray:
    """z itself, or the logarithm of its height above the floor where half of the map lies in the lowest tenth."""
    low, tenth, half, high = np.quantile(z, [0.0, 0.1, 0.5, 1.0])
    if half - low > 0.1 * (high - low) or tenth == low:
        return z
    return np.log(z - low + 0.1 * (tenth - low))


class Path(Curve):
    """The way of an optimizer over a surface: a ring where it starts, a mark per step, its name where it is."""

    marks = 100

    def __init__(self, ax: Axes, label: str, method: str | None = None):
        method = method or label
        super().__init__(ax, label, method, linewidth=1.8, linestyle="-", markersize=4.5, zorder=5)
        # a white line below costs a thirtieth of what a path effect does
        (self.halo,) = ax.plot([], [], color="white", linewidth=3.4, marker=self.line.get_marker(), zorder=4.9)
        self.halo.set_markersize(6.5)
        self.text.set_path_effects([patheffects.withStroke(linewidth=3.0, foreground="white")])
        self.text.set_zorder(7)
        (self.ring,) = ax.plot([], [], "o", color=look(method)["color"], markersize=11.0, zorder=6)
        self.ring.set(markerfacecolor="white", markeredgewidth=2.5)
        self.artists = [self.halo, self.line, self.ring, self.text]

    def set_points(self, points: Any) -> None:
        """Move the path to points (n, 2), the start first; the name keeps to the inside of the picture."""
        points = np.asarray(points, float)
        if points.ndim != 2 or points.shape[-1] != 2:
            refuse("Path.points", "have shape (n, 2)", points.shape, "Give what descend returns.")
        if len(points):
            right = self.ax.transAxes.inverted().transform(self.ax.transData.transform(points[-1]))[0] > 0.65
            self.offset = -9.0 if right else 9.0
            self.text.set_horizontalalignment("right" if right else "left")
        self.set_data(points[:, 0], points[:, 1])
        self.halo.set_data(points[:, 0], points[:, 1])
        self.halo.set_markevery(self.line.get_markevery())
        self.ring.set_data(points[:1, 0], points[:1, 1])


def path(ax: Axes, label: str, method: str | None = None, points: Any = None) -> Path:
    """The path of an optimizer, in the look of its method."""
    made = Path(ax, label, method)
    if points is not None:
        made.set_points(points)
    return made
