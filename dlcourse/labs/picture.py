"""A frame, not a figure: the way from a matplotlib figure to bytes on the screen, in milliseconds.

    painter = Painter(figure)
    png = encode(painter.pixels(lambda: draw(figure, state)))

Drawing axes, ticks and words anew costs ten times what moving a line does. So the painter keeps a picture of
everything that stays, puts it back, and draws only the artists that `draw` has touched: matplotlib marks those
as stale. When something else has changed, limits or a new artist, it draws everything once and starts over.
"""

import io
import struct
import textwrap
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.spines import Spine
from matplotlib.text import Text
from PIL import Image

from dlcourse.plots.style import settle, styled


class Painter:
    """Draws frame after frame of one figure in place."""

    def __init__(self, figure: Figure):
        self.figure, self.canvas = figure, figure.canvas
        self.moving: list[Artist] = []
        self.scenery: Any = None  # the picture without the moving artists
        self.scene = object()  # which scenery: another one for every new one
        self.known: set[Artist] = set()
        self.axes: list[Axes] = []
        self.behind: list[LineCollection] = []  # the curves of a sweep
        self.bare: list[list[float]] = []  # axes with the gid "no-ghost": two pictures on top of each other are none

    def pixels(self, draw: Callable[[], None]) -> np.ndarray:
        """The picture after draw(), as (height, width, 4) bytes; a view that the next frame overwrites."""
        with styled():
            draw()
            if self.scenery is None or self.scene_changed():
                self.set_scene(draw)
            self.canvas.restore_region(self.scenery)  # type: ignore[attr-defined]
            renderer = self.canvas.get_renderer()  # type: ignore[attr-defined]
            for artist in self.moving:
                artist.draw(renderer)
                artist.stale = False
        return np.asarray(self.canvas.buffer_rgba())  # type: ignore[attr-defined]

    def stand_behind(self, draws: Sequence[Callable[[], None]]) -> bool:
        """Put the curves of other states behind those of the present one, the first light, the last dark.

        An empty list takes them away. The present state has to be drawn anew afterwards. False: there are none.
        """
        if not draws and not self.behind:
            return False
        if self.scenery is None and draws:
            self.pixels(draws[0])  # nobody knows yet what moves
        for curves in self.behind:
            if curves.axes is not None:
                curves.remove()
        paths: dict[Line2D, list[np.ndarray]] = {line: [] for line in self.moving if is_curve(line)}
        with styled():
            for draw in draws:
                draw()
                for line, found in paths.items():
                    found.append(points_of(line).copy())
        self.behind = [fan(line, found) for line, found in paths.items() if len({xy.tobytes() for xy in found}) > 1]
        self.scenery = None
        return bool(self.behind)

    def set_scene(self, draw: Callable[[], None]) -> None:
        """Find out which artists move, and keep a picture of all that stays."""
        moved = {*self.moving, *(a for a in self.known if a.stale)}  # a text that is the same twice has moved now
        self.lay_out()
        self.calm()
        draw()  # a second time: what is stale after it is what this lab moves
        self.lay_out()
        self.known = set(leaves(self.figure))
        moving = {a for a in self.known if a.stale} | (self.known & moved)
        self.moving = with_cover(leaves(self.figure), moving)
        for artist in self.known:
            artist.set_animated(artist in self.moving)
        self.canvas.draw()
        if labels_are_cut(self.figure):  # longer numbers have pushed them out
            self.axes = []
            self.lay_out()
            self.canvas.draw()
        self.bare = [share_of(ax) for ax in self.figure.axes if ax.get_gid() == "no-ghost"]
        self.calm()
        self.scenery = self.canvas.copy_from_bbox(self.figure.bbox)  # type: ignore[attr-defined]
        self.scene = object()

    def calm(self) -> None:
        """Nothing is stale. (A drawing leaves what is empty, hidden or switched off as it was.)"""
        grounds = [part for ax in self.figure.axes for part in (ax.xaxis, ax.yaxis, ax.patch)]
        for artist in [*leaves(self.figure), *grounds]:
            artist.stale = False

    def lay_out(self) -> None:
        """Make room for labels once; again only if the axes are others, for a draw that clears its figure."""
        if self.figure.axes != self.axes:
            self.figure.set_layout_engine("constrained")
            settle(self.figure)
            self.axes = self.figure.axes

    def scene_changed(self) -> bool:
        """Has something changed that is not among the moving artists?"""
        now = list(leaves(self.figure))
        if len(now) != len(self.known) or any(a not in self.known for a in now):
            return True
        return any(a.stale and a not in self.moving for a in now) or any(
            part.stale for ax in self.figure.axes for part in (ax.xaxis, ax.yaxis, ax.patch)
        )


def is_curve(artist: Artist) -> TypeGuard[Line2D]:
    """A line that joins points; not single marks, and no white halo."""
    return (
        isinstance(artist, Line2D)
        and artist.get_linestyle() != "None"
        and len(points_of(artist)) > 2
        and min(to_rgb(artist.get_color())) < 1
    )


def points_of(line: Line2D) -> np.ndarray:
    """(points, 2)"""
    return np.asarray(line.get_xydata())


def fan(line: Line2D, paths: list[np.ndarray]) -> LineCollection:
    """Thin curves under the line, in its colour: mixed with white, the first most."""
    whites, width = np.linspace(0.88, 0.25, len(paths))[:, None], max(0.4, min(1.0, 30 / len(paths)))
    colors = whites + (1 - whites) * np.array(to_rgb(line.get_color()))
    curves = LineCollection(paths, colors=colors, linewidths=width, zorder=line.get_zorder() - 0.5)
    assert line.axes
    line.axes.add_collection(curves, autolim=False)
    return curves


def share_of(ax: Axes) -> list[float]:
    """Where axes and their labels are: [left, top, right, bottom] in shares of the figure, from the top left."""
    room = ax.get_tightbbox()
    assert room and ax.figure
    (x0, y0), (x1, y1) = ax.figure.transFigure.inverted().transform(room.padded(3).get_points()).clip(0, 1)
    return [round(float(share), 4) for share in (x0, 1 - y1, x1, 1 - y0)]


def labels_are_cut(figure: Figure) -> bool:
    """Does a label of an axis stick out of the figure?"""
    labels = [axis.label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) if ax.axison and axis.label.get_text()]
    return any(box.x0 < 0 or box.y0 < 0 for box in (label.get_window_extent() for label in labels))


def leaves(figure: Figure) -> list[Artist]:
    """All that a lab may move, in drawing order: artists of its axes, then those of the figure; no axis, no ground."""
    own: list[Artist] = []
    for ax in figure.axes:
        left = (Axis,) if ax.axison else (Axis, Spine)
        children = [a for a in ax.get_children() if not isinstance(a, left) and a is not ax.patch]
        own += sorted(children, key=lambda a: a.get_zorder())
    return own + [a for a in figure.get_children() if not isinstance(a, Axes) and a is not figure.patch]


def with_cover(artists: list[Artist], moving: set[Artist]) -> list[Artist]:
    """The moving ones, and those that lie on top of one: these are drawn again after it."""
    chosen: list[Artist] = []
    below: set[Any] = set()  # axes in which something moves
    for artist in artists:
        on_top = artist.axes in below or (artist.axes is None and bool(below))
        if artist in moving or (on_top and is_seen_inside(artist)):
            chosen.append(artist)
            below.add(artist.axes)
    return chosen


def is_seen_inside(artist: Artist) -> bool:
    if not artist.get_visible() or (isinstance(artist, Text) and not artist.get_text()):
        return False
    return artist.axes is None or artist.axes.bbox.overlaps(artist.get_window_extent())


def encode(pixels: np.ndarray, level: int = 1) -> bytes:
    """A PNG of (height, width, 3 or 4) bytes, without the alpha.

    Each row is stored as its difference to the row above, and runs of equal bytes are counted: five times as
    fast as the usual encoder, for a file a sixth larger. level 9 takes its time and saves a third.
    """
    height, width = pixels.shape[:2]
    rgb = np.empty((height, width, 3), np.uint8)
    for channel in range(3):  # one after the other: four times as fast as all at once
        rgb[..., channel] = pixels[..., channel]
    rows = rgb.reshape(height, width * 3)
    lines = np.empty((height, 1 + width * 3), np.uint8)
    lines[:, 0] = 2  # the filter "up"
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    strategy = zlib.Z_RLE if level == 1 else zlib.Z_DEFAULT_STRATEGY
    squeeze = zlib.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
    data = squeeze.compress(lines.data) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def still(png: bytes, words: str) -> bytes:
    """The picture with the finding written under it, for pages that show nothing but pictures."""
    top = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    lines = textwrap.wrap(words, 94) or [""]
    with styled():
        caption = Figure(figsize=(top.shape[1] / 100, 0.25 + 0.22 * len(lines)), dpi=100)
        canvas = FigureCanvasAgg(caption)
        caption.text(0.01, 0.5, "\n".join(lines), va="center", fontsize=12, linespacing=1.3)
        canvas.draw()
    page = Image.fromarray(np.vstack([top, np.asarray(canvas.buffer_rgba())[..., :3]]))
    file = io.BytesIO()  # 128 colours are enough for a chart, and a third of the bytes
    page.quantize(128, dither=Image.Dither.NONE, kmeans=1).save(file, "png", optimize=True)
    return file.getvalue()
