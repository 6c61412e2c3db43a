"""Labs to play with, and time that passes when a test says so (conftest.py: the fixture `clock`)."""

import importlib
import inspect
import io
import pkgutil

import numpy as np
import pytest
from PIL import Image

import dlcourse.labs
from dlcourse.labs import Lab, Slider
from dlcourse.plots import panels


def ramp(slope, shift=0.0):
    return np.linspace(0.0, slope, 20) + shift


def draw_ramp(figure, y):
    if not figure.axes:
        (ax,) = panels(figure)
        ax.set(xlim=(0, 19), ylim=(-1, 1), xlabel="step")
        ax.tick_params(labelleft=False)  # so that the layout is the same whatever the limits
        (figure.art.line,) = ax.plot([], [])
    (ax,) = figure.axes
    low, high = ax.get_ylim()
    if not low <= y.min() <= y.max() <= high:
        ax.set_ylim(min(low, 2 * y.min()), max(high, 2 * y.max()))
    figure.art.line.set_data(np.arange(len(y)), y)


def describe_ramp(y, settings):
    return f"From {y[0]:.3g} to {y[-1]:.3g} at slope {settings['slope']:g}."


def ramp_lab(**more):
    more = {"slope": Slider(-9.0, 9.0, 0.5, step=0.1), **more}
    return Lab(ramp, draw_ramp, describe=describe_ramp, alt="A line.", figure_size=(4, 2), **more)


def shown(lab):
    """The pixels on the page."""
    return unpack(lab.screen.png)


def unpack(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def same(a, b):
    return a.shape == b.shape and bool((a == b).all())


def failing(place):
    """A lab of which one function fails above slope 1."""

    def check(where, slope):
        if where == place and slope > 1:
            raise ArithmeticError(f"{where} fell over")

    def run(slope):
        check("run", slope)
        return ramp(slope)

    def draw(figure, y):
        if not figure.axes:
            panels(figure)
            check("draw", y[-1])  # half of the figure is there
            (figure.art.line,) = figure.axes[0].plot([], [])
        check("draw", y[-1])
        figure.art.line.set_data(np.arange(len(y)), y)

    def describe(y, settings):
        check("describe", settings["slope"])
        return "Fine."

    return Lab(run, draw, describe=describe, figure_size=(4, 2), slope=(0.0, 2.0, 0.5))


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    perf_counter = time = monotonic


def move(lab, clock, slope, pause=10.0):
    clock.now += pause
    lab.widgets["slope"].value = slope


def chapter_labs():
    """Every function of dlcourse.labs that makes a lab without being told anything."""
    for module in pkgutil.walk_packages(dlcourse.labs.__path__, "dlcourse.labs."):
        for name, make in vars(importlib.import_module(module.name)).items():
            own = inspect.isfunction(make) and make.__module__ == module.name
            if own and make.__annotations__.get("return") is Lab and not inspect.signature(make).parameters:
                yield pytest.param(make, id=f"{module.name.rpartition('.')[2]}.{name}")
