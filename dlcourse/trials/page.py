"""A trial on the page: the claim, what you expect of it, then what was found, and new luck for those who doubt it."""

import asyncio
import html
import inspect
import secrets
from collections.abc import Iterator
from typing import Any

import ipywidgets
import numpy as np

from dlcourse.labs.frame import Frame, LabBox
from dlcourse.labs.picture import encode
from dlcourse.labs.screen import Screen
from dlcourse.plots.style import new_figure, settle, styled
from dlcourse.trials import picture
from dlcourse.trials.outcome import CONFIRMED, DEPENDS, REFUTED, Effect, holds, percent

EXPECTED = {CONFIRMED: "It holds nearly always", DEPENDS: "It depends", REFUTED: "It hardly ever holds"}
PATIENCE = 4.0  # seconds that a press of New luck may take
MOST = 12  # designs of one press


class TrialPage:
    """The widget and what its buttons do. `box` is what a cell shows."""

    def __init__(self, trial: Any):
        self.trial = trial
        self.fresh: list[tuple[dict[str, Any], Effect]] = []
        self.running: Any = None
        self.screen = Screen()
        self.claim = ipywidgets.HTML(claim_words(trial))
        self.answer = ipywidgets.HTML()
        self.code_area = ipywidgets.HTML()
        self.code_area.add_class("dlcourse-code")
        self.question = row([ipywidgets.HTML("<b>What do you expect?</b>"), *self.choices()])
        self.luck = button("New luck", "random", "Try a few designs that nobody has tried", self.on_luck)
        self.code = ipywidgets.ToggleButton(description="Code", icon="code", tooltip="The experiment")
        self.code.layout.width = "auto"
        self.code.observe(self.on_code, "value")
        self.found = ipywidgets.VBox([self.answer, self.screen, row([self.luck, self.code]), self.code_area])
        self.found.layout.display = "none"
        self.box = LabBox([self.claim, self.question, self.found])
        self.box.add_class("dlcourse-trial")
        self.put()

    def choices(self) -> list[Any]:
        made = [
            button(words, "", "What you expect", lambda _, verdict=verdict: self.unfold(verdict))
            for verdict, words in EXPECTED.items()
        ]
        return [*made, button("Show me", "eye", "Without a guess", lambda _: self.unfold(""))]

    def unfold(self, expected: str) -> None:
        """The result, after the guess; right or not, it is said."""
        found = self.trial.stored.outcome.verdict
        if expected:
            said = ", and so it is" if expected == found else f". The verdict: {found}"
            self.answer.value = f"<p>You expected “{EXPECTED[expected]}”{said}.</p>"
        self.question.layout.display = "none"
        self.found.layout.display = ""

    # the picture

    def put(self) -> None:
        """Draw what is known, and say it."""
        outcome = self.trial.stored.outcome
        figure = new_figure(9.0, 3.0)
        with styled():
            picture.draw(figure, self.trial, outcome, self.fresh)
            settle(figure)
            figure.canvas.draw()
        png = encode(np.asarray(figure.canvas.buffer_rgba()))  # type: ignore[attr-defined]
        finding = self.finding()
        alt = f"{picture.alt_text(self.trial, outcome, len(self.fresh))} {finding}"
        settings = {"trial": self.trial.name, "fresh": len(self.fresh)}
        self.box.frame = Frame(png, alt, finding, settings)
        self.screen.show(png, alt, finding, settings)

    def finding(self) -> str:
        """Verdict, share, on what it depends, size; then what fresh designs say."""
        outcome = self.trial.stored.outcome
        words = f"{outcome.verdict.capitalize()}: it holds in {outcome.holds} of {outcome.designs} designs"
        words += f" ({percent(outcome.interval)} % of all)"
        if outcome.verdict == DEPENDS:
            words += f", {outcome.depends_on}" if outcome.depends_on else ", and no single factor decides where"
        words += f". Effect: {outcome.size}; the median, and nine designs in ten."
        if self.fresh:
            held = holds([effect for _, effect in self.fresh], self.trial.tolerance, self.trial.margin)
            words += f" With new luck it held in {held.sum()} of {len(held)}."
        return words

    # new luck

    def on_luck(self, _: Any) -> None:
        if self.running is not None and not self.running.done():
            return
        try:
            self.running = asyncio.get_running_loop().create_task(self.try_fresh())
        except RuntimeError:  # no event loop: a plain script
            for _design in self.fresh_designs():
                pass
            self.put()

    async def try_fresh(self) -> None:
        self.luck.disabled = True
        try:
            for done, wanted in self.fresh_designs():
                self.luck.description = f"{done} of {wanted} …"
                self.put()
                await asyncio.sleep(0.01)  # the picture goes out, and other controls have their turn
        except Exception as error:
            self.screen.problem = f"{type(error).__name__}: {error}"
        finally:
            self.luck.disabled, self.luck.description = False, "New luck"

    def fresh_designs(self) -> Iterator[tuple[int, int]]:
        """Run some, as many as patience allows; after each, how many are done of how many."""
        seed = secrets.randbelow(10**6)
        wanted = int(max(1, min(MOST, PATIENCE // max(self.trial.stored.seconds, 1e-3))))
        for number in range(wanted):
            design = self.trial.design(seed, number)
            effect: Effect = self.trial.try_design(design)
            self.fresh.append((design, effect))
            yield number + 1, wanted

    def on_code(self, change: Any) -> None:
        lines = html.escape(inspect.getsource(self.trial.experiment)) if change["new"] else ""
        self.code_area.value = f"<pre tabindex='0'>{lines}</pre>" if lines else ""


def page(trial: Any) -> LabBox:
    return TrialPage(trial).box


def claim_words(trial: Any) -> str:
    parts = [f"<p class='dlcourse-claim'>On trial: <b>“{html.escape(trial.claim)}”</b></p>"]
    parts.append(
        f"<p class='dlcourse-sides'>Compared: {html.escape(trial.sides)}. Measured: {html.escape(trial.measure)}.</p>"
    )
    return "".join(parts)


def row(children: list[Any]) -> ipywidgets.HBox:
    box = ipywidgets.HBox(children)
    box.add_class("dlcourse-buttons")
    return box


def button(words: str, icon: str, tooltip: str, action: Any) -> ipywidgets.Button:
    made = ipywidgets.Button(description=words, icon=icon, tooltip=tooltip)
    made.layout.width = "auto"
    made.on_click(action)
    return made
