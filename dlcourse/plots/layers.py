"""What a network sees and holds: digits with their predictions, histograms of a layer's numbers."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import StepPatch

from dlcourse.plots.pixels import pixels
from dlcourse.plots.style import PALETTE, look, on_white
from dlcourse.settings import check, count, refuse

RIGHT, WRONG = "#333333", on_white(PALETTE["vermillion"])


class DigitGrid:
    """rows x columns small pictures in one image, the predicted label under each.

    A wrong one has a frame, a cross and the true label besides its colour. `artists` are what a frame has to draw.
    """

    def __init__(self, ax: Axes, rows: int = 2, columns: int = 8, size: int = 8):
        for name, value in {"rows": rows, "columns": columns, "size": size}.items():
            check(f"DigitGrid.{name}", count, value, "2 rows of 8 digits of 8 x 8 pixels are legible.")
        self.rows, self.columns, self.size = rows, columns, size
        self.side, self.down = size + size // 2, size + size // 2 + 1  # pixels from one picture to the next
        shape = (rows * self.down, columns * self.side)
        self.image = pixels(ax, np.zeros(shape), cmap="gray_r")
        self.frames = LineCollection([], colors=WRONG, linewidths=2.0)
        ax.add_collection(self.frames, autolim=False)
        places = [
            (c * self.side + size / 2 - 0.5, r * self.down + size + 0.6) for r in range(rows) for c in range(columns)
        ]
        self.texts = [ax.text(x, y, "", ha="center", va="top", fontsize=11) for x, y in places]
        for text in self.texts:
            text.set_in_layout(False)  # else a wrong answer would move the axes
        self.artists = [self.image, self.frames, *self.texts]
        ax.set(xlim=(-2.0, shape[1] - size / 2 + 1.0), ylim=(shape[0], -2.0))
        ax.set_axis_off()

    def set_data(self, images: Any, predicted: Any, true: Any) -> None:
        """images (n, size, size), (n, size, size, 1) or (n, size²) in [0, 1]; predicted, true (n,) labels.

        Places beyond n stay empty; examples beyond the last place are left out.
        """
        places = self.rows * self.columns
        images, predicted, true = np.asarray(images)[:places], np.asarray(predicted)[:places], np.asarray(true)[:places]
        if not len(images) == len(predicted) == len(true):
            lengths = (len(images), len(predicted), len(true))
            refuse("DigitGrid.images", "be as many as predicted and true labels", lengths, "Cut all three alike.")
        if len(images) and images[0].size != self.size**2:
            refuse("DigitGrid.images", f"have {self.size**2} pixels each", images.shape, "Check the size.")
        self.image.set_data(self.mosaic(images.reshape(-1, self.size, self.size)))
        self.frames.set_segments([self.frame(i) for i in np.flatnonzero(predicted != true).tolist()])
        for text, guess, truth in zip(self.texts, predicted, true, strict=False):
            text.set(text=f"{guess}" if guess == truth else f"✗ {guess} ≠ {truth}")
            text.set_color(RIGHT if guess == truth else WRONG)
        for text in self.texts[len(images) :]:
            text.set_text("")

    def mosaic(self, images: np.ndarray) -> np.ndarray:
        canvas = np.zeros((self.rows, self.down, self.columns, self.side))
        filled = np.zeros((self.rows * self.columns, self.size, self.size))
        filled[: len(images)] = images
        cells = filled.reshape(self.rows, self.columns, self.size, self.size)
        canvas[:, : self.size, :, : self.size] = cells.transpose(0, 2, 1, 3)
        return canvas.reshape(self.rows * self.down, self.columns * self.side)

    def frame(self, place: int) -> list[tuple[float, float]]:
        row, column = divmod(place, self.columns)
        x, y, s = column * self.side - 1.0, row * self.down - 1.0, self.size + 1.0
        return [(x, y), (x + s, y), (x + s, y + s), (x, y + s), (x, y)]


def histogram(ax: Axes, edges: Any, label: str = "", method: str = "train") -> StepPatch:
    """An empty histogram over bins with these edges (bins + 1,); `fill_histogram` gives it numbers."""
    edges = np.asarray(edges, float)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        refuse("histogram.edges", "rise, two or more", edges.shape, "np.linspace(-3, 3, 61) makes 60 bins.")
    color = look(method)["color"]
    return ax.stairs(np.zeros(len(edges) - 1), edges, label=label, fill=True, color=color, alpha=0.6)


def fill_histogram(patch: StepPatch, values: Any) -> float:
    """Show the share of the values in each bin; what lies outside (or is not finite) is returned as a share."""
    values, (_, edges, _) = np.asarray(values, float).ravel(), patch.get_data()
    counts = np.histogram(values[np.isfinite(values)], edges)[0] / max(values.size, 1)
    patch.set_data(counts)
    return 1.0 - float(counts.sum()) if values.size else 0.0
