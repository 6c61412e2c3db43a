"""What a reader can turn: each control is a description, from which the lab makes a widget.

Slider(0.0, 0.99, 0.9, step=0.01, label="momentum μ")
Slider(1e-3, 1.0, 0.1, log=True, label="learning rate η")
Choice([8, 16, 32], 16, label="width")
Switch(True, label="batch norm")
Seed()
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets

from dlcourse.settings import is_number, refuse, settings


class Control:
    """The interface of every control: `value` at the start, a widget, and the widget's value as a setting."""

    value: Any
    label: str

    def widget(self, name: str) -> ipywidgets.Widget:
        raise NotImplementedError

    def setting(self, shown: Any) -> Any:
        """The setting for what the widget shows."""
        return shown

    def shown(self, setting: Any) -> Any:
        """What the widget shows for this setting."""
        return setting

    def positions(self) -> list[Any]:
        """All settings that it can be put to, in order."""
        raise NotImplementedError

    def check(self, name: str, setting: Any) -> Any:
        """The setting, if this control can be put there."""
        return setting


@settings
class Slider(Control):
    """A number between low and high, in steps; the start value is the step nearest to `value`.

    log: steps of a logarithmic scale, in decades (0.05 by default), each rounded to three significant digits.
    """

    low: float
    high: float
    value: float
    step: float | None = None
    label: str = ""
    log: bool = False

    def __post_init__(self) -> None:
        numbers = all(is_number(v) for v in (self.low, self.high, self.value))
        if numbers and self.low >= self.high:
            refuse("Slider.high", f"be above low, {self.low}", self.high, "Where nothing moves, write the number.")
        if not numbers or not self.low <= self.value <= self.high:
            refuse("Slider.value", f"lie in [{self.low}, {self.high}]", self.value, "It is where the slider starts.")
        if self.log and self.low <= 0:
            refuse("Slider.low", "be above 0 on a logarithmic scale", self.low, "1e-4 is a usual end.")
        if self.step is not None and not (is_number(self.step) and self.step > 0):
            refuse("Slider.step", "be a number above 0", self.step, "Leave it out for a round one.")
        self.whole = not self.log and all(isinstance(v, int) for v in (self.low, self.high, self.value, self.step or 1))
        round_step = 10 ** math.floor(math.log10((self.high - self.low) / 50))  # 50 to 500 of them
        self.step = self.step or (0.05 if self.log else 1 if self.whole else round_step)
        self.digits = max(decimals(self.step), decimals(self.low))  # as many as the places of the grid have
        self.value = self.setting(self.shown(self.value))

    def widget(self, name: str) -> ipywidgets.Widget:
        step: Any = self.step
        label = self.label or name.replace("_", " ")
        common = dict(description=label, tooltip=label, **STYLE)
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            exact = self.shown(self.value)
            return ipywidgets.FloatLogSlider(exact, min=low, max=high, step=step, readout_format=".3g", **common)
        if self.whole:
            return ipywidgets.IntSlider(self.value, self.low, self.high, step, **common)
        digits = f".{self.digits}f"
        return ipywidgets.FloatSlider(
            self.value, min=self.low, max=self.high, step=step, readout_format=digits, **common
        )

    def setting(self, shown: Any) -> Any:
        """Without the noise of floats in the last digits, and never beyond the ends."""
        near = int(shown) if self.whole else float(f"{shown:.3g}") if self.log else round(shown, self.digits + 2)
        return min(max(near, self.low), self.high)

    def shown(self, setting: Any) -> Any:
        """The place on the slider's grid; beside it, the handle would jump."""
        low, value = (math.log10(v) if self.log else v for v in (self.low, setting))
        value = low + round((value - low) / self.step) * self.step  # type: ignore[operator]
        return min(max(10**value if self.log else value, self.low), self.high)

    def positions(self) -> list[Any]:
        low, high = (math.log10(v) if self.log else v for v in (self.low, self.high))
        places = [low + n * self.step for n in range(math.ceil((high - low) / self.step - 1e-9))]  # type: ignore[operator]
        return [*(self.setting(10**place if self.log else place) for place in places), self.setting(self.high)]

    def check(self, name: str, setting: Any) -> Any:
        if not is_number(setting) or not self.low <= setting <= self.high:
            refuse(f"Lab.{name}", f"lie in [{self.low}, {self.high}]", setting, "Those are the ends of its slider.")
        return setting


@settings
class Choice(Control):
    """One of a few."""

    options: Sequence[Any]
    value: Any
    label: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def widget(self, name: str) -> ipywidgets.Widget:
        label = self.label or name.replace("_", " ")
        return ipywidgets.Dropdown(options=list(self.options), value=self.value, description=label, **STYLE)

    def positions(self) -> list[Any]:
        return list(self.options)

    def check(self, name: str, setting: Any) -> Any:
        if setting not in self.options:
            refuse(f"Lab.{name}", f"be one of {list(self.options)}", setting, "Those are its choices.")
        return setting


@settings
class Switch(Control):
    """On or off."""

    value: bool
    label: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def widget(self, name: str) -> ipywidgets.Widget:
        label = self.label or name.replace("_", " ")
        return ipywidgets.Checkbox(value=self.value, description=label, indent=False)

    def positions(self) -> list[Any]:
        return [False, True]

    def check(self, name: str, setting: Any) -> Any:
        if not isinstance(setting, bool):
            refuse(f"Lab.{name}", "be True or False", setting, "It is a switch.")
        return setting


def decimals(number: float) -> int:
    """Digits behind the point: 2 of 0.25."""
    return len(f"{number:.9f}".rstrip("0").partition(".")[2])


def Seed(value: int = 0) -> Slider:
    """Another draw of the dice: 0 … 20."""
    return Slider(0, 20, value, label="seed")


STYLE: Any = {"style": {"description_width": "8.5em"}, "layout": {"width": "29em", "max_width": "100%"}}


def align(widgets: Iterable[ipywidgets.Widget]) -> None:
    """Room for the longest name of a lab's controls in front of each of them, so that none is cut."""
    named = [widget for widget in widgets if hasattr(widget.style, "description_width")]
    room = max([8.5, *(0.6 * len(widget.description) + 0.5 for widget in named)])
    for widget in named:
        widget.style.description_width, widget.layout.width = f"{room:.1f}em", f"{room + 20.5:.1f}em"


def control(name: str, given: Any) -> Control:
    """A control as it is, or made of the usual short form: (low, high), (low, high, value), a list, True or False."""
    if isinstance(given, Control):
        return given
    if isinstance(given, bool):
        return Switch(given)
    if isinstance(given, list) and given:
        return Choice(given, given[0])
    if isinstance(given, tuple) and len(given) in (2, 3):
        low, high, value = (*given, given[0])[:3]
        return Slider(low, high, value)
    refuse(f"Lab.{name}", "be a control, (low, high, value), a list or a bool", given, "Slider(0.0, 1.0, 0.5), say.")
