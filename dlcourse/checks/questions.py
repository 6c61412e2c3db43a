"""Questions answered by looking. The ticket decides what there is to see, so an answer cannot be passed on."""

import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Question
from dlcourse.checks.report import UNWRITTEN, Finding, Report
from dlcourse.checks.runner import Answer
from dlcourse.settings import unknown_name

TODO = "Nothing here yet: return the number over your picture and a letter, in place of the line that raises."
_spent: dict[tuple[str, int], str] = {}  # tickets of this session that were answered, and with which letter


def question(name: str, ticket: int | None = None) -> "Asked":
    """Ask the question `name` about data of your own; without a ticket, about new ones.

    Raises SettingError for a name that is no question.
    """
    from dlcourse.checks.tables import exercises

    known = {key: entry for key, entry in exercises().items() if isinstance(entry, Question)}
    if name not in known:
        unknown_name(f"question.{name}", name, known)
    return Asked(known[name], secrets.choice(range(1000, 1_000_000)) if ticket is None else int(ticket))


class Asked:
    """A question on show: what is asked, the picture with its words, the number of the ticket."""

    def __init__(self, question: Question, ticket: int):
        self.question, self.ticket = question, ticket

    @cached_property
    def still(self) -> Any:
        from dlcourse.plots import PALETTE, Still, name_axes, new_figure, panels  # matplotlib only to be seen

        ask, curves = self.question, self.question.curves(self.ticket)
        figure = new_figure(9.0, 2.6)
        for ax, (letter, y) in zip(panels(figure, 1, len(curves), sharey=True), curves.items(), strict=True):
            ax.plot(np.arange(len(y)), y, color=PALETTE["blue"])
            name_axes(ax, *ask.axes, letter, ask.log)
            ax.label_outer()
        words = "; ".join(f"{letter}: {', '.join(f'{v:.3g}' for v in milestones(y))}" for letter, y in curves.items())
        return Still(figure, f"Curves of {ask.axes[1]} against {ask.axes[0]}, at every sixth of the way. {words}.")

    def __repr__(self) -> str:
        return f"Ticket {self.ticket}. {self.question.ask}\n{self.still.alt}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        data, facts = self.still._repr_mimebundle_()
        png, alt = data["image/png"], self.still.alt.replace('"', "&quot;")
        picture = f'<img alt="{alt}" src="data:image/png;base64,{png}">'
        page = f"<p><strong>Ticket {self.ticket}.</strong> {self.question.ask}</p>{picture}"
        return {"text/plain": repr(self), "text/html": page}, facts


def milestones(y: np.ndarray) -> np.ndarray:
    return y[np.linspace(0, len(y) - 1, 7).round().astype(int)]


def judge_question(question: Question, answers: Sequence[Answer]) -> Report:
    """Right or wrong for this ticket. A wrong letter is told what it stands for."""
    ticket, letter, problem = read(question, answers)
    if problem == TODO:
        return verdict(question, Finding(False, UNWRITTEN, TODO))
    if problem:
        return verdict(question, Finding(False, "it is a ticket and a letter", problem))
    if letter == question.answer(ticket):
        return verdict(question, Finding(True, f"ticket {ticket}: {letter} it is. {question.kinds[question.right]}"))
    kind = question.order(ticket)[question.letters.index(letter)]
    return verdict(question, Finding(False, f"ticket {ticket}: it is not {letter}"), question.kinds[kind])


def spend(question: Question, answers: Sequence[Answer]) -> Report:
    """As judge_question, but a ticket takes one answer in a session: guessing through the letters is no looking."""
    ticket, letter, problem = read(question, answers)
    if not problem and _spent.setdefault((question.name, ticket), letter) != letter:
        before = _spent[question.name, ticket]
        words = f"This one was answered with {before}. Run the cell of the question again for a new ticket."
        return verdict(question, Finding(False, f"ticket {ticket} is a new one", words))
    return judge_question(question, answers)


def verdict(question: Question, finding: Finding, mistake: str = "") -> Report:
    points = question.points if finding.passed else 0
    return Report(question.name, question.title, (finding,), mistake, "", points, question.points)


def read(question: Question, answers: Sequence[Answer]) -> tuple[int, str, str]:
    """The ticket and the letter, or what is wrong with them."""
    answer = answers[0] if answers else Answer("", "error", "It ended in the middle, without an answer.")
    if answer.kind:
        return 0, "", TODO if answer.kind == "todo" else answer.problem
    example = f'1234, "{question.letters[-1]}"'
    if not isinstance(answer.value, tuple) or len(answer.value) != 2:
        return 0, "", f"Return the number of your ticket and one letter: {example}."
    ticket, letter = answer.value
    ticket = ticket.item() if isinstance(ticket, np.ndarray) and ticket.ndim == 0 else None
    if type(ticket) is not int or not 0 <= ticket < 2**63:
        return 0, "", f"The ticket is the number that stands over the picture: {example}."
    letter = letter.strip().upper() if isinstance(letter, str) else ""
    if len(letter) != 1 or letter not in question.letters:
        return 0, "", f"The letter is one of {', '.join(question.letters)}: {example}."
    return int(ticket), letter, ""
