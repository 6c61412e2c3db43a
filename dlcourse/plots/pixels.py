"""Numbers as coloured squares, fast enough to follow a slider."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.transforms import IdentityTransform


class Pixels(AxesImage):
    """An image whose numbers are coloured first, one by one, and enlarged afterwards by indexing; axes are linear.

    matplotlib goes the other way: it enlarges the numbers and then colours every dot of the screen, eight times
    the work. Edges of squares may lie one dot apart from where it draws them.
    """

    def make_image(self, renderer: Any, magnification: float = 1.0, unsampled: bool = False) -> Any:
        colors = self.to_rgba(np.asarray(self.get_array()), bytes=True)  # (rows, columns, 4)
        left, right, bottom, top = self.get_extent()
        (x0, y0), (x1, y1) = self.axes.transData.transform([(left, bottom), (right, top)]) * magnification
        view = np.array(self.axes.bbox.extents) * magnification
        columns, x = places(x0, x1, view[0], view[2], colors.shape[1])
        rows, y = places(y0, y1, view[1], view[3], colors.shape[0])
        if self.origin == "upper":
            rows = colors.shape[0] - 1 - rows
        words = colors.view(np.uint32)[..., 0]  # a colour is moved as one number
        dots = words.take(columns, axis=1).take(rows, axis=0)[..., None].view(np.uint8)
        return dots, x, y, IdentityTransform()


def places(low: float, high: float, first: float, last: float, count: int) -> tuple[np.ndarray, int]:
    """For each dot of the screen: which of `count` squares from low to high it shows. And where the dots start."""
    start, stop = (int(np.ceil(edge - 0.5)) for edge in (max(min(low, high), first), min(max(low, high), last)))
    at = np.arange(start, stop) + 0.5
    return ((at - low) * (count / (high - low))).astype(int).clip(0, count - 1), start


def pixels(ax: Axes, numbers: Any, low: float = 0.0, high: float = 1.0, **style: Any) -> Pixels:
    """`ax.imshow` for pictures that move: `set_data` gives it new numbers (rows, columns) between low and high.

    style: cmap, origin and extent, as imshow takes them.
    """
    image = Pixels(ax, **style)
    image.set_data(numbers)
    image.set_clim(low, high)
    image.set_clip_path(ax.patch)
    image.set_extent(image.get_extent())
    ax.set_aspect("equal")
    ax.add_image(image)
    return image
