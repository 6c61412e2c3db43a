"""The lab engine without a browser: controls, pictures, frames, code, and the order of jobs on the event loop."""

import asyncio
import gc
import io
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from ipywidgets import FloatLogSlider, FloatSlider, IntSlider
from matplotlib.figure import Figure
from nbclient import NotebookClient
from PIL import Image
from toy_labs import chapter_labs, describe_ramp, draw_ramp, failing, move, ramp, ramp_lab, same, shown, unpack

from dlcourse import SGD, SoftmaxCrossEntropy, datasets, training_steps
from dlcourse.labs import Choice, Lab, Seed, Slider, Switch, start
from dlcourse.labs.controls import control
from dlcourse.labs.picture import Painter, encode, leaves, still
from dlcourse.plots import new_figure, panels, styled
from dlcourse.settings import SettingError


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# Controls


@pytest.mark.parametrize(
    "given, kind, value",
    [
        ((0.0, 1.0, 0.25), Slider, 0.25),
        ((0, 10, 3), Slider, 3),
        ((0.5, 1.0), Slider, 0.5),
        ([4, 8, 16], Choice, 4),
        (["relu", "tanh"], Choice, "relu"),
        (True, Switch, True),
        (False, Switch, False),
        (Seed(3), Slider, 3),
    ],
)
def test_short_forms(given, kind, value):
    made = control("width", given)
    assert type(made) is kind and made.value == value and type(made.value) is type(value)
    assert made.setting(made.widget("width").value) == value


@pytest.mark.parametrize("given", [1, 0.5, "relu", None, (), (1,), (1, 2, 3, 4), [], {"a": 1}])
def test_what_is_no_control_is_refused_by_name(given):
    with pytest.raises(SettingError, match=r"Lab\.width must be a control"):
        control("width", given)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Slider(0.0, 1.0, 2.0), r"Slider\.value must lie in \[0\.0, 1\.0\]"),
        (lambda: Slider(0.0, 1.0, float("nan")), r"Slider\.value must lie in"),
        (lambda: Slider("low", "high", "value"), r"Slider\.value must lie in"),
        (lambda: Slider(1.0, 0.0, 0.5), r"Slider\.high must be above low"),
        (lambda: Slider(1.0, 1.0, 1.0), r"Slider\.high must be above low"),
        (lambda: Slider(0.0, 1.0, 0.5, log=True), r"Slider\.low must be above 0 on a logarithmic scale"),
        (lambda: Slider(0.0, 1.0, 0.5, step=-0.1), r"Slider\.step must be a number above 0"),
        (lambda: Slider(0.0, 1.0, 0.5, step=0.0), r"Slider\.step must be a number above 0"),
        (lambda: Slider(0.0, 1.0, 0.5, lable="η"), r"Slider\.lable .* Did you mean label\?"),
        (lambda: Choice([1, 2], 3), r"must be one of \[1, 2\]"),
        (lambda: Choice([], 3), r"must be one of \[\]"),
        (lambda: Switch("on"), r"must be True or False"),
    ],
)
def test_bad_controls_say_what_is_wrong(make, words):
    with pytest.raises(SettingError, match=words):
        make()


@pytest.mark.parametrize(
    "slider, kind, value",
    [
        (Slider(0.0, 1.0, 0.333, step=0.1), FloatSlider, 0.3),
        (Slider(0, 100, 12, step=5), IntSlider, 10),
        (Slider(0, 11, 11, step=4), IntSlider, 11),  # the nearest step, 12, lies beyond the end
        (Slider(0, 1, 1, step=0.1), FloatSlider, 1),  # whole ends, broken steps
        (Slider(0.9, 0.9999, 0.9996, step=0.0001), FloatSlider, 0.9996),  # three digits would make it 1
        (Slider(0.0, 5000.0, 1234.0, step=1.0), FloatSlider, 1234.0),
        (Slider(1e-3, 1.0, 0.03, log=True), FloatLogSlider, 0.0316),
        (Slider(1e-3, 10**0.5, 10**0.5, log=True), FloatLogSlider, 3.16),
        (Slider(1, 1000, 10, log=True), FloatLogSlider, 10.0),
    ],
)
def test_a_slider_starts_on_its_grid(slider, kind, value):
    widget = slider.widget("rate")
    assert type(widget) is kind and slider.value == value
    assert slider.setting(widget.value) == value
    assert slider.check("rate", slider.setting(widget.value)) == value
    assert widget.value == pytest.approx(slider.shown(value), rel=1e-12)


@pytest.mark.parametrize(
    "low, step, digits", [(0.0, 0.25, 2), (0.0, 0.1, 1), (0.125, 0.5, 3), (0.0, 50.0, 0), (1e-4, 1e-4, 4)]
)
def test_a_readout_shows_every_place_of_the_grid(low, step, digits):
    assert Slider(low, 1000.0, low, step=step).widget("rate").readout_format == f".{digits}f"


@pytest.mark.parametrize("slider", [Slider(0.0, 0.99, 0.9, step=0.01), Slider(0.12345, 0.66666, 0.3, log=True), Seed()])
def test_the_ends_of_a_slider_can_be_reached(slider):
    widget = slider.widget("rate")
    for end in (slider.low, slider.high):
        widget.value = end
        setting = slider.setting(widget.value)
        assert slider.low <= slider.check("rate", setting) <= slider.high
        assert setting == pytest.approx(end, rel=5e-3)


def test_settings_are_free_of_float_noise():
    slider = Slider(0.0, 1.0, 0.0, step=0.1)
    assert [slider.setting(0.1 * k) for k in range(11)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_labels_name_the_widgets():
    assert Slider(0.0, 1.0, 0.5, label="momentum μ").widget("momentum").description == "momentum μ"
    for given in ((0.0, 1.0), (0, 5), [1, 2], True, Slider(0.1, 1.0, 0.1, log=True)):
        assert control("hidden_units", given).widget("hidden_units").description == "hidden units"


# The painter


def busy(figure, state):
    """Two crossing lines of equal rank, words on top and beside; a key that is absent leaves its artist alone."""
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2)
        left.set(xlim=(0, 10), ylim=(0, 10))
        (art.below,) = left.plot([], [], linewidth=8)
        (art.above,) = left.plot([0, 10], [5, 5], linewidth=8)
        art.note = left.text(5, 5, "on top", fontsize=20, zorder=9)
        art.image = right.imshow(np.zeros((4, 4)), vmin=0, vmax=1)
        right.set_axis_off()
        art.caption = figure.text(0.5, 0.98, "", va="top")
    art.below.set_data([0, 10], [state["height"], 10 - state["height"]])
    if "above" in state:
        art.above.set_ydata([state["above"]] * 2)
    if "note" in state:
        art.note.set_text(state["note"])
    if "image" in state:
        art.image.set_data(np.full((4, 4), state["image"]))
    if "caption" in state:
        art.caption.set_text(state["caption"])
    if "ground" in state:
        figure.axes[0].set_facecolor(state["ground"])
    if "edge" in state:
        figure.axes[0].spines["left"].set_color(state["edge"])


FULL = {"height": 3, "above": 6, "note": "here", "image": 0.7, "caption": "last", "ground": "white", "edge": "black"}


class Easel:
    """A painter with a figure and a draw function."""

    def __init__(self, draw, size=(4, 2)):
        figure = new_figure(*size)
        figure.art = SimpleNamespace()
        self.draw, self.painter = draw, Painter(figure)

    def paint(self, *states):
        for state in states:
            pixels = self.painter.pixels(lambda state=state: self.draw(self.painter.figure, state))[..., :3].copy()
        return pixels

    def paint_all(self):
        """What matplotlib makes of the figure as it is, without any shortcut."""
        figure = self.painter.figure
        for artist in leaves(figure):
            artist.set_animated(False)
        with styled():
            figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba())[..., :3]


BEFORE = [
    [],
    [{"height": 9}, {"height": 0}],
    [{"height": 1, "above": 2}, {"height": 1}],
    [{"height": 1, "note": ""}, {"height": 2, "note": "another"}],
    [{"height": 1, "image": 0.2}, {"height": 1, "image": 0.9}, {"height": 2}],
    [{"height": 1, "caption": "first"}, {"height": 4, "ground": "yellow", "edge": "red"}],
    [FULL, {"height": 8, "above": 8, "note": "gone"}, {"height": 2}],
]


@pytest.mark.parametrize("before", BEFORE)
def test_a_picture_does_not_depend_on_those_before(before):
    easel = Easel(busy)
    picture = easel.paint(*before, FULL)
    assert same(picture, Easel(busy).paint(FULL))
    assert same(picture, easel.paint_all())


@pytest.mark.parametrize("last", [s[-1] for s in BEFORE[1:]])
def test_every_frame_is_what_matplotlib_draws(last):
    easel = Easel(busy)
    assert same(easel.paint(FULL, {"height": 5}, last), easel.paint_all())


def test_only_moving_artists_and_what_covers_them_are_drawn_again():
    easel = Easel(busy)
    easel.paint({"height": 1}, {"height": 2})
    art, moving = easel.painter.figure.art, easel.painter.moving
    assert {art.below, art.above, art.note} <= set(moving)  # it moves; these lie on top of it
    assert art.image not in moving and art.caption not in moving
    assert all(a.axes is art.below.axes for a in moving)
    scenery = easel.painter.scenery
    easel.paint({"height": 3}, {"height": 4})
    assert easel.painter.scenery is scenery


def test_grown_limits_redraw_the_scene_once():
    easel = Easel(draw_ramp)
    easel.paint(ramp(0.5))
    scenery = easel.painter.scenery
    grown = easel.paint(ramp(8.0))
    assert easel.painter.scenery is not scenery
    scenery = easel.painter.scenery
    small = easel.paint(ramp(0.5))
    assert easel.painter.scenery is scenery and not same(small, grown)
    assert same(small, Easel(draw_ramp).paint(ramp(8.0), ramp(0.5)))


FURNITURE = [("set_title", "Now"), ("set_xticks", [0.1]), ("grid", False), ("set_facecolor", "red")]


@pytest.mark.parametrize("name, value", FURNITURE)
def test_changed_furniture_is_seen(name, value):
    def draw(figure, change):
        if not figure.axes:
            (figure.art.ax,) = panels(figure)
        if change:
            getattr(figure.art.ax, name)(value)

    assert not same(Easel(draw).paint(False), Easel(draw).paint(False, True))


def rebuild(figure, height):
    figure.clear()
    ax = figure.subplots()
    ax.plot([0, 1], [0, height])
    ax.set(ylim=(0, 10), ylabel="a label that needs room", xlabel="another")


def test_a_draw_that_clears_its_figure_works():
    easel = Easel(rebuild)
    picture = easel.paint(1, 9, 4)
    assert same(picture, Easel(rebuild).paint(4)) and not same(picture, Easel(rebuild).paint(5))
    label = easel.painter.figure.axes[0].yaxis.label.get_window_extent()
    assert label.x0 >= 0  # room was made for it


def test_a_label_is_not_pushed_out_by_longer_numbers():
    def draw(figure, high):
        if not figure.axes:
            panels(figure)
            figure.axes[0].set_ylabel("height")
        figure.axes[0].set_ylim(0, high)

    easel = Easel(draw)
    for high in (1, 123456):
        easel.paint(high)
        assert easel.painter.figure.axes[0].yaxis.label.get_window_extent().x0 >= 0


def test_a_draw_that_clears_its_axes_works():
    def draw(figure, height):
        if not figure.axes:
            panels(figure)
        (ax,) = figure.axes
        ax.clear()
        ax.plot([0, 1], [0, height])
        ax.set(ylim=(0, 10))

    assert same(Easel(draw).paint(1, 9, 4), Easel(draw).paint(4))


def test_no_figure_is_made_per_frame():
    lab = ramp_lab()
    lab.last_frame()
    figures = sum(type(o) is Figure for o in gc.get_objects())
    for slope in (1.0, 2.0, 8.0):
        lab.last_frame(slope=slope)
    assert sum(type(o) is Figure for o in gc.get_objects()) <= figures


def test_labs_leave_pyplot_alone():
    lines = ["import sys", "from dlcourse.labs import start", "start.digits().show()"]
    assert python("\n".join([*lines, "print('matplotlib.pyplot' in sys.modules)"])) == "False"


def python(lines):
    """What these lines print in a new process."""
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# PNG


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 5, 3), (40, 30, 3), (7, 3, 4)])
@pytest.mark.parametrize("level", [1, 9])
def test_png_holds_the_pixels(rng, shape, level):
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(encode(pixels, level)))
    image.verify()  # checksums
    assert image.mode == "RGB" and same(unpack(encode(pixels, level)), pixels[..., :3])


def test_more_patience_makes_a_smaller_png():
    pixels = Easel(busy).paint(FULL)
    assert len(encode(pixels, level=9)) < len(encode(pixels)) < pixels.size / 10


def test_still_adds_the_words_below_the_picture():
    frame = ramp_lab().last_frame()
    top, one, many = unpack(frame.png), unpack(still(frame.png, "A word.")), unpack(still(frame.png, "word " * 60))
    for page in (one, many, unpack(still(frame.png, ""))):  # 128 colours: here and there one is not quite the same
        assert np.abs(page[: len(top)].astype(int) - top).max() <= 16
    assert (one[len(top) :] < 128).any() and len(many) > len(one) > len(top)


# Frames and settings


def test_a_frame_brings_picture_alt_text_and_finding():
    frame = ramp_lab().last_frame(slope=2.0)
    data, about = frame._repr_mimebundle_()
    assert frame.settings == {"slope": 2.0}
    assert data["text/plain"] == frame.finding == "From 0 to 2 at slope 2."
    assert about == {"image/png": {"alt": "A line. From 0 to 2 at slope 2."}} and frame.alt == about["image/png"]["alt"]
    assert frame.finding in repr(frame)


def test_a_lab_saved_on_a_page_is_a_still_picture():
    lab = ramp_lab()
    data, about = lab.show()._repr_mimebundle_()
    assert data["image/png"] == lab.last_frame()._repr_mimebundle_()[0]["image/png"]
    assert data["text/plain"] == lab.screen.finding and about["image/png"]["alt"] == lab.screen.alt
    assert "application/vnd.jupyter.widget-view+json" in data


def test_last_frame_is_what_the_page_shows():
    lab, twin = ramp_lab(), ramp_lab()
    lab.show()
    for slope in (0.5, -3.06, 7.2, 1.98):
        lab.widgets["slope"].value = slope
        frame = twin.last_frame(**lab.present())
        assert lab.screen.png == frame.png and lab.screen.alt == frame.alt and lab.screen.finding == frame.finding


@pytest.mark.parametrize(
    "given, words",
    [
        ({"slop": 1.0}, r"Lab\.slop .* Did you mean slope\?"),
        ({"slope": 10.0}, r"Lab\.slope must lie in \[-9\.0, 9\.0\]"),
        ({"slope": "steep"}, r"Lab\.slope must lie in"),
        ({"slope": float("nan")}, r"Lab\.slope must lie in"),
        ({"shift": 5.0}, r"Lab\.shift must be one of"),
    ],
)
def test_settings_that_no_control_has_are_refused(given, words):
    lab = ramp_lab(shift=[0.0, 1.0])
    for ask in (lab.last_frame, lab.code):
        with pytest.raises(SettingError, match=words):
            ask(**given)


@pytest.mark.parametrize("controls", [{}, {"slope": (0.0, 1.0), "colour": ["red"]}, {"shift": (0.0, 1.0)}])
def test_controls_have_to_be_what_run_takes(controls):
    with pytest.raises(SettingError, match=r"Lab\.controls must be what run takes"):
        Lab(ramp, draw_ramp, describe=describe_ramp, **controls)


def test_seed_is_a_control():
    def dice(seed):
        return np.random.default_rng(seed).normal(size=20)

    lab = Lab(dice, draw_ramp, describe=lambda y, settings: f"seed {settings['seed']}", seed=Seed())
    assert (lab.controls["seed"].value, lab.controls["seed"].low, lab.controls["seed"].high) == (0, 0, 20)
    assert lab.last_frame(seed=1).png != lab.last_frame(seed=2).png
    assert lab.last_frame(seed=1).png == lab.last_frame(seed=1).png


# On the page, without an event loop: every change is answered at once


def test_every_change_brings_a_new_frame():
    lab = ramp_lab()
    lab.show()
    assert lab.screen.finding == "From 0 to 0.5 at slope 0.5."
    before, number = shown(lab), lab.screen.frame
    lab.widgets["slope"].value = 0.9
    assert lab.screen.frame == number + 1 and lab.screen.settings == '{"slope": 0.9}' and not same(shown(lab), before)


def yielding(slope):
    for part in (0.25, 0.5, 1.0):
        yield ramp(slope * part)


def test_run_may_return_or_yield():
    lab = Lab(yielding, draw_ramp, describe=describe_ramp, alt="A line.", figure_size=(4, 2), slope=(-9.0, 9.0, 0.5))
    assert lab.last_frame().png == ramp_lab().last_frame().png
    names = ["Pin", "Sweep", "Reset", "Code"]
    for each, buttons in ((lab, ["Play", *names]), (ramp_lab(), names)):
        row = next(box for box in each.show().children if "dlcourse-buttons" in box._dom_classes)
        assert [b.description for b in row.children] == buttons and all(b.tooltip for b in row.children)


@pytest.mark.parametrize("place", ["run", "draw", "describe"])
@pytest.mark.parametrize("first", [0.5, 2.0])
def test_an_error_is_shown_with_its_settings_and_the_lab_lives_on(place, first):
    lab = failing(place)
    lab.controls["slope"].value = first
    lab.show()
    for slope in (1.5, 0.25, 1.75, 0.75):
        lab.widgets["slope"].value = slope
        if slope > 1:
            assert lab.screen.problem.startswith(f"ArithmeticError: {place} fell over\nwith slope={slope}\n")
        else:
            assert lab.screen.problem == "" and lab.screen.settings == f'{{"slope": {slope}}}'
    with pytest.raises(ArithmeticError):
        lab.last_frame(slope=2.0)
    assert lab.last_frame(slope=0.75).png == failing(place).last_frame(slope=0.75).png


def test_divergence_is_told_without_warnings():
    def run(slope):
        y = np.full(20, 1e308 * slope)
        y[10:] *= 1e10
        return y

    def draw(figure, y):
        if not figure.axes:
            panels(figure)
            (figure.art.line,) = figure.axes[0].plot([], [])
        figure.art.line.set_data(np.arange(20), y - y[0] * 10)

    def describe(y, settings):
        return f"Diverged at step {int(np.argmin(np.isfinite(y)))}; the mean has no value." if np.exp(y).mean() else ""

    lab = Lab(run, draw, describe=describe, slope=(0.5, 1.0))
    lab.show()
    assert lab.screen.problem == "" and lab.screen.finding.startswith("Diverged at step 10")


# Reset, Pin, ghost, Code


def pictures_sent(lab):
    """From now on, keep what the browser has been sent: frame number → picture."""
    lab.show()
    sent = {lab.screen.frame: lab.screen.png}
    lab.screen.observe(lambda _: sent.update({lab.screen.frame: lab.screen.png}), "frame")
    return sent


def ghost(lab, sent):
    """The ghost that the browser shows: a picture that stayed, or one sent for the purpose; b"" if there is none."""
    return sent[lab.screen.left] if lab.screen.left else lab.screen.ghost


def test_reset_goes_back_to_the_start(clock):
    lab = ramp_lab()
    sent = pictures_sent(lab)
    first = lab.screen.png
    move(lab, clock, 8.0)  # the limits grow
    lab.pin_button.value = True
    move(lab, clock, 1.0)
    lab.reset_button.click()
    assert lab.screen.png == first and lab.present() == lab.settings()
    assert ghost(lab, sent) == b"" and lab.screen.pinned == "" and not lab.pin_button.value
    move(lab, clock, 1.0, pause=0.1)
    assert ghost(lab, sent) == first  # the next change has a ghost, however soon it comes


def test_the_ghost_is_the_run_before_the_change(clock):
    lab = ramp_lab()
    sent = pictures_sent(lab)
    assert ghost(lab, sent) == b""
    first = shown(lab)
    for slope in (0.6, 0.7, 0.8):  # one drag
        move(lab, clock, slope, pause=10.0 if slope == 0.6 else 0.1)
        assert same(unpack(ghost(lab, sent)), first)
    last = shown(lab)
    move(lab, clock, 0.2)
    assert same(unpack(ghost(lab, sent)), last)


def test_a_number_rounded_by_the_browser_is_no_change(clock):
    lab = ramp_lab()
    lab.show()
    move(lab, clock, 0.5 + 1e-16 * 3)
    assert lab.widgets["slope"].value != 0.5 and lab.screen.frame == 1 and not lab.screen.left


def test_the_ghost_moves_to_grown_axes(clock):
    lab, twin = ramp_lab(), ramp_lab()
    sent = pictures_sent(lab)
    first = shown(lab)
    move(lab, clock, 8.1)
    twin.last_frame(slope=8.1)
    assert not same(unpack(ghost(lab, sent)), first)
    assert same(unpack(ghost(lab, sent)), unpack(twin.last_frame(slope=0.5).png))
    assert same(shown(lab), unpack(twin.last_frame(slope=8.1).png))


def test_a_pinned_run_stays(clock):
    lab = ramp_lab()
    sent = pictures_sent(lab)
    first = shown(lab)
    lab.pin_button.value = True
    assert lab.screen.pinned == "Pinned: From 0 to 0.5 at slope 0.5."
    for slope in (0.1, 0.9):
        move(lab, clock, slope)
        assert same(unpack(ghost(lab, sent)), first)
    lab.pin_button.value = False
    assert ghost(lab, sent) == b"" and lab.screen.pinned == ""
    last = shown(lab)
    move(lab, clock, 0.3)
    assert same(unpack(ghost(lab, sent)), last)


def test_pin_right_after_reset_pins_the_picture_to_come():
    async def reader():
        lab = ramp_lab()
        lab.show()
        lab.reset_button.click()
        lab.pin_button.value = True  # before the event loop has drawn anything
        await lab.jobs.task
        return lab

    lab = asyncio.run(reader())
    assert lab.screen.pinned == "Pinned: From 0 to 0.5 at slope 0.5."
    assert lab.screen.ghost


def test_a_lab_may_do_without_ghosts(clock):
    lab = ramp_lab(ghost=False)
    sent = pictures_sent(lab)
    for slope in (0.7, 8.0, 0.1):
        move(lab, clock, slope)
        assert ghost(lab, sent) == b"" and lab.screen.problem == ""
    lab.pin_button.value = True
    assert ghost(lab, sent) == b"" and lab.screen.pinned.startswith("Pinned: ")


def test_no_ghost_lies_over_pictures(clock):
    def draw(figure, y):
        if not figure.axes:
            left, right = panels(figure, 1, 2)
            figure.art.image = right.imshow(np.ones((4, 4)), vmin=0, vmax=1)
            right.set_gid("no-ghost")
            (figure.art.line,) = left.plot([0, 1], [0, 1])
            left.set(ylim=(-9, 9))
        figure.art.line.set_ydata([0, y[-1]])
        figure.art.image.set_data(np.full((4, 4), abs(y[-1]) / 9))

    lab = Lab(ramp, draw, describe=describe_ramp, figure_size=(4, 2), slope=(-9.0, 9.0, 1.0))
    lab.show()
    before = shown(lab)
    move(lab, clock, 5.0)
    ((x0, y0, x1, y1),) = lab.screen.bare
    assert 0.5 < x0 < 0.6 and 0.9 < x1 <= 1 and 0 <= y0 < 0.2 and 0.8 < y1 <= 1
    height, width = before.shape[:2]
    changed = (before != shown(lab)).any(axis=2)
    changed[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)] = False
    assert not changed[:, width // 2 :].any() and changed.any()  # all of the picture is in there, and the line is not


def test_code_follows_the_controls():
    lab = ramp_lab()
    lab.show()
    assert lab.code_area.value == ""
    lab.code_button.value = True
    assert "state = ramp(slope=0.5)" in lab.code_area.value
    lab.widgets["slope"].value = 0.9
    assert "state = ramp(slope=0.9)" in lab.code_area.value
    lab.code_button.value = False
    assert lab.code_area.value == ""


def test_code_escapes_what_html_would_take_for_tags():
    lab = failing("run")  # its source has a ">"
    lab.show()
    lab.code_button.value = True
    assert "slope &gt; 1" in lab.code_area.value


SILENT = "all its hidden units are silent"


def test_a_network_whose_units_are_all_silent_is_told_from_one_that_has_hardly_begun():
    lab = start.digits()
    for given, silent in (({"width": 2}, True), ({"learning_rate": 0.001, "momentum": 0.0}, False)):
        settings = lab.settings(**given)
        *_, state = lab.states(settings)
        assert (SILENT in lab.describe(state, settings)) is silent
        dense, relu = state[0].layers[:2]
        assert relu.forward(dense.forward(datasets.digits()[0].x)).any() == (not silent)


@pytest.mark.parametrize(
    "losses, silent, words",
    [
        ([2.4, *[0.5] * 40], False, "the loss fell from 2.40 to 0.500 nats, the mean of the last 20 batches"),
        ([2.4, *[2.29] * 40], False, "so far the loss, 2.29 nats, is about that of blind guessing"),
        ([2.4, *[2.33] * 40], False, "so far the loss, 2.33 nats, is about that of blind guessing"),
        ([2.4, 9.0, *[2.31] * 40], False, "the loss rose to 9 nats and is now 2.31, about that of blind guessing"),
        ([2.4, *[4.5] * 40], False, "a loss of 4.5 nats, more than blind guessing has"),
        ([2.4, *[2.3] * 40], True, SILENT),
        ([2.2, 2.1], False, "the loss fell from 2.20 to 2.150 nats, the mean of the last 2 batches"),
    ],
)
def test_what_has_become_of_the_loss(losses, silent, words):
    assert start.outcome(losses, silent).startswith(words)


@pytest.mark.parametrize("silent, words", [(0, ""), (4, ""), (1, " 1 is silent"), (3, " 3 are silent")])
def test_silent_units_are_counted(silent, words):
    assert words in start.silence(silent, 4) and bool(start.silence(silent, 4)) == bool(words)


def test_a_broken_rate_is_not_called_a_slow_one():
    """And the finding stays true when the run goes on twice as long."""
    lab = start.digits()
    settings = lab.settings(learning_rate=3.16, momentum=0.0, width=128)
    *_, (network, losses) = lab.states(settings)
    assert "the loss rose to" in lab.describe((network, losses), settings)
    digits = datasets.digits()[0]
    for step in training_steps(network, SoftmaxCrossEntropy(), SGD(3.16), digits, epochs=10, batch_size=64):
        losses.append(step.loss)
    words = lab.describe((network, losses), settings)
    assert "the loss rose to" in words or SILENT in words


def test_code_reproduces_the_numbers_in_a_new_process():
    lab = start.digits()
    given = {"learning_rate": 0.0316, "momentum": 0.5, "width": 8, "seed": 3}
    *_, (_, losses) = lab.states(lab.settings(**given))
    assert python(f"{lab.code(**given)}\nprint(state[1] == {np.array(losses).tolist()})") == "True"


CELLS = [
    "import numpy as np\nfrom math import tau as turn\nfrom dlcourse.labs import Lab\nimport dlcourse as dl",
    'SIZES = {"small": 3, "large": 5}\nnoise = np.zeros(3)\nrate = dl.SGD(0.1)',
    "def helper(n, depth=1):\n    return deeper(n, depth) if n else 0\n\n\n"
    "def deeper(n, depth):\n    return helper(n - 1) + depth * turn",
    "def run(size, rate):\n    noise = np.ones(SIZES[size])\n"
    "    return noise.sum() * rate + helper(4) + dl.SGD(2.0).learning_rate",
    "lab = Lab(run, print, describe=lambda s, _: str(s), size=['small', 'large'], rate=(0.0, 1.0))\n"
    "print(lab.code(size='large', rate=0.3))",
    "print(repr(run('large', 0.3)))",
]


def test_code_of_a_lab_in_a_notebook_brings_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code, number = (cell.outputs[0].text for cell in notebook.cells[-2:])
    assert python(f"{code}\nprint(repr(state))") == number.strip()
    assert "rate = " not in code and "noise = np.zeros" not in code  # names that are run's own


def test_code_takes_along_what_a_factory_has_set():
    factor = 7

    def run(slope):
        return factor * slope

    scope = {}
    exec(Lab(run, print, describe=str, slope=(0.0, 1.0)).code(slope=0.5), scope)
    assert scope["state"] == 3.5


# The labs of the course

AXES_FOLLOW = {  # a control, each for a reason: no one pair of axes shows both ends
    "double_well",  # a well six times as deep
    "best_rates",  # 300 steps or 40,000
}


@pytest.mark.parametrize("make", list(chapter_labs()))
def test_labs_of_the_course(make):
    lab = make()
    assert len(lab.alt.split()) >= 5, "alt: say the kind of chart and its axes"
    seen = []
    for pick in ("low", "value", "high"):
        given = {name: getattr(c, pick, c.value) for name, c in lab.controls.items()}
        settings = {name: lab.controls[name].setting(value) for name, value in given.items()}
        *_, state = lab.states(settings)
        seen.append((state, settings))
        frame, scenery = lab.frame(state, settings), lab.painter.scenery
        assert frame.png == lab.frame(state, settings).png  # drawing leaves a state as it was
        assert not re.search(r"\b(nan|inf)\b", frame.finding, re.IGNORECASE), frame.finding
        assert frame.png == lab.last_frame(**settings).png  # the same settings, the same picture
        assert lab.painter.scenery is scenery, "every frame is drawn anew: something besides its artists changes"
    scene, first = lab.painter.scene, make().last_frame(**seen[0][1])
    for state, settings in seen:
        lab.frame(state, settings)
    assert lab.frame(*seen[0]).png == first.png, "a picture hangs on those before it"
    if make.__name__ not in AXES_FOLLOW:
        assert lab.painter.scene is scene, "another position, another background: more than its artists moves"
    scope = {}
    with np.errstate(all="ignore"):  # one lab begins where training fails
        exec(lab.code(), scope)
    assert lab.finding(scope["state"], lab.settings()) == lab.last_frame().finding


def test_a_picture_that_is_behind_its_controls_says_so_until_the_next_one_comes():
    lab, seen = ramp_lab(), []
    lab.show()
    lab.screen.observe(lambda change: seen.append((change["new"], lab.screen.frame)), "behind")
    before = lab.screen.frame
    lab.widgets["slope"].value = 2.0
    assert seen == [(True, before), (False, before)] and lab.screen.frame == before + 1


def test_a_lab_that_failed_is_not_waiting():
    lab = failing("run")
    lab.show()
    lab.widgets["slope"].value = 2.0
    assert lab.screen.problem and not lab.screen.behind
