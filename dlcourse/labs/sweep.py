"""The whole range of one control in one picture: the curves of all its positions, behind the present ones."""

from functools import partial
from typing import Any

import ipywidgets
import numpy as np

from dlcourse.labs.controls import Slider


class Sweep:
    """A lab's sweep, on or off: of the control that the reader has moved last, or else of its first slider."""

    def __init__(self, lab: Any):
        self.lab = lab
        self.behind: Any = None  # what stands there: a control, where the others stand, how many runs
        self.button = ipywidgets.ToggleButton(
            description="Sweep", icon="stream", tooltip="The curves of all positions of one control, behind"
        )
        self.button.observe(self.on_press, "value")

    @property
    def on(self) -> bool:
        return bool(self.button.value)

    def on_press(self, change: Any) -> None:
        if not change["new"]:
            self.clear()
            self.lab.jobs.ask(self.lab.present())
            return
        sliders = [name for name, control in self.lab.controls.items() if isinstance(control, Slider)]
        name = self.lab.touched or next(iter([*sliders, *self.lab.controls]), None)
        if name is not None:
            self.lab.jobs.approach(name)  # trains ahead, and renews

    def line(self, settings: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """What varies along the sweep, and where the other controls stand."""
        name = self.lab.jobs.in_hand
        return name, {other: value for other, value in settings.items() if other != name}

    def fits(self, settings: dict[str, Any]) -> bool:
        """Does what stands behind belong to these settings?"""
        return self.behind is None or self.behind[:2] == self.line(settings)

    def renew(self) -> None:
        """Show what is ready by now, if that is not what stands there."""
        lab, name = self.lab, self.lab.jobs.in_hand
        if not self.on or lab.shown is None or name is None:
            return
        state, settings = lab.shown.state, lab.shown.frame.settings
        every = [settings | {name: value} for value in lab.controls[name].positions()]
        shots = [shot for shot in map(lab.jobs.ready.get, every) if shot]
        behind = (*self.line(settings), len(shots))
        if behind == self.behind:
            return
        with np.errstate(all="ignore"):
            drawn = lab.painter.stand_behind([partial(lab.draw, lab.painter.figure, shot.state) for shot in shots])
        what, words = lab.controls[name].label or name, ""
        if drawn:
            low, high = (shots[end].frame.settings[name] for end in (0, -1))
            words = f"Behind: {what} from {low} (light) to {high} (dark), {len(shots)} runs."
        elif len(shots) == len(every):
            words = f"No curve changes along {what}."
        self.behind, lab.screen.swept = behind, words
        lab.put(state, settings)

    def clear(self) -> None:
        self.lab.painter.stand_behind([])
        self.behind, self.lab.screen.swept = None, ""
