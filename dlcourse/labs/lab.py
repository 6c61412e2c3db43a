"""The lab engine: controls → run → draw → one picture, the newest setting always first.

    def run(learning_rate, momentum): ...           # returns a state, or yields states as training goes on
    def draw(figure, state): ...                    # makes artists once, then moves them
    def describe(state, settings): ...              # the finding, a sentence

    Lab(run, draw, describe=describe, learning_rate=Slider(1e-3, 1, 0.1, log=True), momentum=(0.0, 0.99)).show()

A change of a control asks for a new picture. When and in which order they are made is the business of jobs.py.
"""

import html
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np

from dlcourse.labs.code import reproduce
from dlcourse.labs.controls import Control, align, control
from dlcourse.labs.frame import Frame, LabBox, Shot
from dlcourse.labs.jobs import Jobs
from dlcourse.labs.picture import Painter, encode
from dlcourse.labs.screen import Screen
from dlcourse.labs.sweep import Sweep
from dlcourse.labs.words import typeset
from dlcourse.plots.style import new_figure
from dlcourse.settings import refuse, unknown_name

PAUSE = 0.7  # seconds without a change after which the picture on the screen becomes the ghost of the next


class Lab:
    """A picture that follows its controls.

    run(**settings)            returns a state, or yields states: then Play shows them one after the other. A state
                               is kept: another call must not change it
    draw(figure, state)        the first time the figure is empty: make axes and artists; keep them in figure.art,
                               and only move them (set_data, set_text …) afterwards
    describe(state, settings)  the finding in a sentence, without NaN
    alt                        what the picture is: kind of chart, axes. The finding is added to it.
    ghost                      False if an earlier run behind the present one would only confuse
    lanes                      controls of which run also takes a column, (lanes, 1), and then returns all lanes in
                               one state, on the last axis (see ahead.lane_of): their range is trained side by side
    controls                   name=Slider(…), Choice(…), Switch(…) or a short form; the names are run's

    An exception in one of the three is shown in the lab with the settings that caused it; the lab stays alive.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        draw: Callable[[Any, Any], None],
        *,
        describe: Callable[[Any, dict[str, Any]], str],
        alt: str = "",
        figure_size: tuple[float, float] = (9.0, 3.2),
        ghost: bool = True,
        lanes: Sequence[str] = (),
        **controls: Any,
    ):
        self.run, self.draw, self.describe = run, draw, describe
        self.alt, self.figure_size, self.has_ghost = alt, figure_size, ghost
        self.jobs = Jobs(self)
        self.controls: dict[str, Control] = {name: control(name, given) for name, given in controls.items()}
        try:
            inspect.signature(run).bind(**self.controls)
        except TypeError as error:
            refuse("Lab.controls", f"be what run takes ({error})", list(controls), "Give one control per argument.")
        for name in lanes:
            if name not in self.controls:
                unknown_name("Lab.lanes", name, self.controls)
        self.lanes = lanes
        self.new_picture()

    # one frame, without any widget

    def new_picture(self) -> None:
        """An empty figure, with limits that have not grown yet."""
        figure = new_figure(*self.figure_size)
        figure.art = Art()  # type: ignore[attr-defined]
        self.painter = Painter(figure)

    def settings(self, **given: Any) -> dict[str, Any]:
        """All settings: those given, the others as the lab starts."""
        for name in given:
            if name not in self.controls:
                unknown_name(f"Lab.{name}", given[name], self.controls)
        return {name: c.check(name, given.get(name, c.value)) for name, c in self.controls.items()}

    def states(self, settings: dict[str, Any]) -> Iterator[Any]:
        """What run returns, or yields. A run that diverges says so in its finding, not by warnings."""
        with np.errstate(all="ignore"):
            result = self.run(**settings)
            if inspect.isgenerator(result):
                yield from result
            else:
                yield result

    def last_frame(self, **given: Any) -> Frame:
        """The frame that the lab ends with at these settings. Raises what run, draw or describe raise."""
        settings = self.settings(**given)
        state = None
        for state in self.states(settings):  # noqa: B007 - the last one counts
            pass
        return self.frame(state, settings)

    def finding(self, state: Any, settings: dict[str, Any]) -> str:
        """What `describe` says, with numbers as a book sets them."""
        return typeset(str(self.describe(state, settings)))

    def frame(self, state: Any, settings: dict[str, Any]) -> Frame:
        with np.errstate(all="ignore"):
            finding = self.finding(state, settings)
            png = encode(self.pixels(state))
        return Frame(png, f"{self.alt} {finding}".strip(), finding, settings)

    def shot(self, state: Any, settings: dict[str, Any]) -> Shot:
        return Shot(state, self.frame(state, settings), self.painter.scene)

    def pixels(self, state: Any) -> np.ndarray:
        try:
            return self.painter.pixels(lambda: self.draw(self.painter.figure, state))
        except Exception:
            self.new_picture()  # the next one does not start from half a figure
            raise

    def code(self, **given: Any) -> str:
        """Lines that make the same run from these settings, ready to be pasted into a cell."""
        return reproduce(self.run, self.settings(**given))

    # on the page

    def show(self) -> LabBox:
        """The lab as a widget, with its first picture."""
        self.jobs.begin()
        self.new_picture()
        self.screen, self.sweep = Screen(), Sweep(self)
        self.widgets = {name: c.widget(name) for name, c in self.controls.items()}
        align(self.widgets.values())
        self.shown: Shot | None = None  # what is on the screen
        self.ghost: Shot | None = None
        self.touched: str | None = None  # the control that was moved last
        self.changed = 0.0
        self.screen.on_msg(self.on_approach)
        for widget in self.widgets.values():
            widget.observe(self.on_change, "value")
        rows = [self.box(list(self.widgets.values()), "dlcourse-controls"), self.screen, *self.make_buttons()]
        page = LabBox(rows)
        page.add_class("dlcourse-lab")
        self.page, self.standing = page, self.present()
        self.jobs.at_once(self.standing)
        return page

    def box(self, children: list[Any], name: str) -> ipywidgets.HBox:
        box = ipywidgets.HBox(children)
        box.add_class(name)
        return box

    def make_buttons(self) -> list[Any]:
        self.play_button = ipywidgets.Button(description="Play", icon="play", tooltip="Show training as it happens")
        self.pin_button = ipywidgets.ToggleButton(description="Pin", icon="thumb-tack", tooltip="Keep this run behind")
        self.reset_button = ipywidgets.Button(description="Reset", icon="undo", tooltip="Back to the start")
        self.code_button = ipywidgets.ToggleButton(description="Code", icon="code", tooltip="The lines behind it")
        self.code_area = ipywidgets.HTML()
        self.code_area.add_class("dlcourse-code")
        self.play_button.on_click(self.on_play)
        self.reset_button.on_click(self.on_reset)
        self.pin_button.observe(self.on_pin, "value")
        self.code_button.observe(lambda _: self.show_code(), "value")
        buttons = [self.pin_button, self.sweep.button, self.reset_button, self.code_button]
        if inspect.isgeneratorfunction(self.run):
            buttons = [self.play_button, *buttons]
        return [self.box(buttons, "dlcourse-buttons"), self.code_area]

    def present(self) -> dict[str, Any]:
        """The settings that the widgets show."""
        return {name: self.controls[name].setting(widget.value) for name, widget in self.widgets.items()}

    def on_approach(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """The pointer is on a control, or the focus: it may be moved next."""
        if not self.sweep.on:  # a sweep keeps to its control
            self.jobs.approach(list(self.controls)[message["near"]])

    def on_change(self, change: Any) -> None:
        if self.present() == self.standing:
            return  # the browser rounds: 0.9000000000000001 is the 0.9 that it was
        self.standing, self.screen.behind = self.present(), True
        self.touched = next(name for name, widget in self.widgets.items() if widget is change["owner"])
        self.jobs.in_hand = self.touched
        settled = time.monotonic() - self.changed > PAUSE
        self.changed = time.monotonic()
        if settled and not self.pin_button.value:
            self.ghost = self.shown
            if self.has_ghost and self.shown:
                self.screen.leave()
        self.jobs.ask(self.present())

    def on_play(self, _: Any) -> None:
        self.jobs.ask(self.present(), playing=True)

    def on_reset(self, _: Any) -> None:
        self.pin_button.value = self.sweep.button.value = False
        for name, widget in self.widgets.items():
            widget.value = self.controls[name].shown(self.controls[name].value)
        self.new_picture()
        self.ghost = self.shown = None
        self.changed = 0.0  # the next change has a ghost, however soon it comes
        self.show_ghost()
        self.jobs.ask(self.present())

    def on_pin(self, change: Any) -> None:
        self.ghost = self.shown if change["new"] else None  # before the first picture: pinned as soon as it is there
        self.screen.pinned = f"Pinned: {self.ghost.frame.finding}" if self.ghost else ""
        self.show_ghost()

    def renew_ghost(self) -> None:
        """Show the same ghost on axes that have grown."""
        if self.ghost is not None and self.ghost.scene is not self.painter.scene:
            self.show_ghost()

    def show_ghost(self) -> None:
        """Send the earlier run, drawn on the present axes, to stand behind the present one."""
        if self.ghost is None or not self.has_ghost:
            self.screen.set_ghost(b"")
        else:
            self.screen.set_ghost(encode(self.pixels(self.ghost.state)))
            self.ghost = self.ghost._replace(scene=self.painter.scene)

    def show_code(self) -> None:
        lines = html.escape(self.code(**self.present())) if self.code_button.value else ""
        self.code_area.value = f"<pre tabindex='0'>{lines}</pre>" if lines else ""

    # what the jobs call

    def put(self, state: Any, settings: dict[str, Any], kept: Shot | None = None) -> Shot:
        """On the screen with it; the one that was kept will do if nothing has changed behind it."""
        if not self.sweep.fits(settings):
            self.sweep.clear()
        shot = kept if kept and kept.scene is self.painter.scene else self.shot(state, settings)
        self.shown, self.page.frame, frame = shot, shot.frame, shot.frame
        self.screen.bare = self.painter.bare
        self.screen.show(frame.png, frame.alt, frame.finding, settings)
        if self.pin_button.value and self.ghost is None:
            self.on_pin({"new": True})
        if self.code_button.value:
            self.show_code()
        return shot

    def report(self, error: Exception, settings: dict[str, Any]) -> None:
        """Say what went wrong, and where the controls stood."""
        values = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        self.screen.behind = False
        self.screen.problem = f"{type(error).__name__}: {error}\nwith {values}\nMove a control to go on."

    def __repr__(self) -> str:
        return f"Lab({self.run.__name__}, {', '.join(self.controls)})"


class Art:
    """A place for a figure's artists: `figure.art.curve = …`."""
