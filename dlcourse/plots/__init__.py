"""Pictures: host arrays in, matplotlib artists out. Every artist is made once and moved by `set_data`.

style      one palette, one look per method, figures without pyplot, alt text
curves     loss against step, with the name at the end of the line
surfaces   contours of a loss and the paths that rules take over it
pixels     a map or a picture as coloured squares
layers     digits with their predictions, histograms of what a layer holds
board      a ranking: names in their looks, first to last
"""

from dlcourse.plots.board import Board
from dlcourse.plots.curves import Curve, curve, event, ghost, name_axes, spread_labels
from dlcourse.plots.layers import DigitGrid, fill_histogram, histogram
from dlcourse.plots.pixels import Pixels, pixels
from dlcourse.plots.style import METHOD, PALETTE, Still, look, new_figure, on_white, panels, settle, styled
from dlcourse.plots.surfaces import Path, contours, path

__all__ = [
    "METHOD",
    "PALETTE",
    "Board",
    "Curve",
    "DigitGrid",
    "Path",
    "Pixels",
    "Still",
    "contours",
    "curve",
    "event",
    "fill_histogram",
    "ghost",
    "histogram",
    "look",
    "name_axes",
    "new_figure",
    "on_white",
    "panels",
    "path",
    "pixels",
    "settle",
    "spread_labels",
    "styled",
]
