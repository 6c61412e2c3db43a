"""One look for the whole course: the same colour, dash and marker always mean the same method."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from dlcourse.settings import Rule, check, is_whole, positive, refuse, unknown_name

# Okabe & Ito 2008, "Color Universal Design": eight colours that stay apart for every kind of colour vision.
PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}

RC: Any = {
    "font.size": 12.0,
    "axes.titlesize": 13.0,
    "axes.labelsize": 12.0,
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "legend.fontsize": 11.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "figure.facecolor": "white",
    "image.cmap": "cividis",
}


def contrast(color: Any, other: Any = "white") -> float:
    """The contrast ratio of WCAG 2: 1 (none) to 21. Text asks for 4.5, lines and marks for 3."""
    low, high = sorted((luminance(color), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: Any) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def on_white(color: Any, ratio: float = 4.5) -> str:
    """The same hue, as much darker as it takes to be read on white."""
    red, green, blue = to_rgb(color)
    while contrast((red, green, blue)) < ratio:
        red, green, blue = 0.98 * red, 0.98 * green, 0.98 * blue
    return to_hex((red, green, blue))


def method(color: str, linestyle: Any, marker: str) -> dict[str, Any]:
    return {"color": on_white(PALETTE[color], 3.0), "linestyle": linestyle, "marker": marker}


LONG_DASH, DASH_DOT, DOTS = (0, (6, 2)), (0, (6, 2, 1.5, 2)), (0, (1.5, 1.5))

METHOD = {
    "sgd": method("black", "-", "o"),
    "sgdw": method("black", LONG_DASH, "o"),
    "momentum": method("blue", "-", "s"),
    "nesterov": method("purple", LONG_DASH, "^"),
    "adagrad": method("orange", "-", "D"),
    "adadelta": method("orange", LONG_DASH, "d"),
    "rmsprop": method("green", "-", "v"),
    "adam": method("vermillion", "-", "P"),
    "adamuncorrected": method("vermillion", DOTS, "P"),
    "amsgrad": method("vermillion", LONG_DASH, "X"),
    "adamw": method("vermillion", DASH_DOT, "p"),
    "nadam": method("sky", "-", "*"),
    "angd": method("green", DASH_DOT, "h"),
    "newton": method("purple", DOTS, "x"),
    "schedule": method("purple", "-", "d"),  # beside a constant rate, which looks like plain "sgd"
    "zeros": method("black", DOTS, "x"),
    "constant": method("black", DASH_DOT, "P"),
    "gaussian": method("sky", LONG_DASH, "o"),
    "uniform": method("sky", DOTS, "v"),
    "unitball": method("purple", "-", "p"),
    "sparse": method("orange", DASH_DOT, "X"),
    "xavier": method("blue", LONG_DASH, "D"),
    "msra": method("vermillion", DOTS, "s"),
    "orthogonal": method("green", LONG_DASH, "^"),
    "lsuv": method("green", DOTS, "*"),
    "fanin": method("blue", DASH_DOT, "<"),
    "fanout": method("orange", DOTS, ">"),
    "average": method("purple", LONG_DASH, "o"),
    "activations": method("blue", "-", "o"),
    "gradients": method("vermillion", DASH_DOT, "v"),
    "noisy": method("sky", "-", ""),
    "factor": method("orange", "-", "v"),  # weights times 0.98 in every step
    "l2": method("blue", LONG_DASH, "H"),
    "train": method("blue", "-", ""),
    "validation": method("vermillion", LONG_DASH, ""),
    "test": method("green", DASH_DOT, ""),
    "without": method("black", DASH_DOT, "o"),
    "batchnorm": method("purple", "-", "D"),
    "batchnormafter": method("sky", LONG_DASH, "d"),
    "jolted": method("orange", DOTS, "o"),
    "batchnormjolted": method("vermillion", DOTS, "X"),
    "layernorm": method("green", LONG_DASH, "v"),
    "groupnorm": method("orange", DASH_DOT, "s"),
    "weightnorm": method("blue", LONG_DASH, "^"),
    "dropout": method("purple", LONG_DASH, "D"),
    "dropconnect": method("orange", LONG_DASH, "P"),
    "augmented": method("sky", "-", "^"),
    "member": method("sky", DASH_DOT, "o"),
    "vote": method("purple", "-", "s"),
    "meanweights": method("orange", DASH_DOT, "D"),
    "clipped": method("purple", DASH_DOT, "v"),
    "structure": method("purple", "-", "8"),
    "start": method("orange", LONG_DASH, "^"),
    "rule": method("sky", DASH_DOT, "h"),
}


def look(name: str) -> dict[str, Any]:
    """Colour, dash and marker of a method, however its name is written. Raises SettingError for one unknown."""
    if not isinstance(name, str):
        refuse("look.method", "be a name", name, f"There are: {', '.join(METHOD)}.")
    key = name.lower().replace(" ", "").replace("_", "").replace("-", "")
    if key not in METHOD:
        unknown_name(f"look.{key}", name, METHOD)
    return dict(METHOD[key])


def house() -> dict[str, Any]:
    """The course's look on matplotlib's own defaults, but for what decides where pictures go."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        elsewhere = ("backend", "interactive", "toolbar", "webagg", "tk.", "savefig.directory", "date.epoch")
        return {name: value for name, value in dict.items(matplotlib.rcParams) if not name.startswith(elsewhere)}


HOUSE = house()


@contextmanager
def styled() -> Iterator[None]:
    """`with styled(): ...` has the course's look, whatever style the reader has set, and leaves that as it was.

    Every frame of a lab does this, so what was tested once, in `house`, is not tested again: dict.update.
    """
    settings: dict[str, Any] = matplotlib.rcParams  # type: ignore[assignment]
    theirs = dict(dict.items(settings))
    dict.update(settings, HOUSE)
    try:
        yield
    finally:
        dict.update(settings, theirs)


def new_figure(width: float = 9.0, height: float = 3.2, dpi: float = 100.0) -> Figure:
    """An empty figure of width x height inches on an Agg canvas, unknown to pyplot: nothing to close or leak."""
    for name, value in {"width": width, "height": height, "dpi": dpi}.items():
        check(f"new_figure.{name}", positive, value, "9 x 3.2 inches at 100 dpi fit a notebook.")
    with styled():
        figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
    return figure


def panels(figure: Figure, rows: int = 1, columns: int = 1, **subplots: Any) -> list[Axes]:
    """Axes in the course's look, row by row; further keywords go to Figure.subplots."""
    whole = Rule("be a whole number, 1 or more", lambda v: is_whole(v) and v >= 1)
    check("panels.rows", whole, rows, "1 is enough for most pictures.")
    check("panels.columns", whole, columns, "3 fit beside each other.")
    with styled():
        return list(figure.subplots(rows, columns, squeeze=False, **subplots).ravel())


def settle(figure: Figure) -> None:
    """Compute the layout once and keep it, so that later frames neither move nor pay for it."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    figure.set_layout_engine("none")
    for ax in figure.axes:  # the solver's last digits depend on where objects lie in memory, and pixels on them
        left, bottom, width, height = (round(float(share), 9) for share in ax.get_position(original=True).bounds)
        ax.set_position((left, bottom, width, height))
        ax.set_in_layout(True)


class Still:
    """A finished figure with its alt text, shown where a notebook shows a value.

    alt: the kind of chart, its axes, the finding, one number. Raises SettingError if it is missing.
    """

    def __init__(self, figure: Figure, alt: str):
        said = Rule("say what the picture shows", lambda v: isinstance(v, str) and bool(v.strip()))
        self.figure, self.alt = figure, check("Still.alt", said, alt, "Name the chart, its axes and the finding.")

    def __repr__(self) -> str:
        return f"Still({self.alt!r})"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        png = io.BytesIO()
        with styled():
            self.figure.savefig(png, format="png")
        data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}
