"""A notebook and the calls of its exercises in, plain answers out, whatever the notebook does.

A cell or an exercise that brings the worker down, or keeps it longer than it may, is left out, and a new worker is
asked the rest. So each costs itself, and what was answered stays answered.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlcourse.checks.runner import Answer
from dlcourse.grading.sandbox import Sandbox
from dlcourse.grading.worker_process import Died, Process, as_bytes

KINDS = ("", "todo", "error", "time", "value")
STARTS = 6  # workers for one notebook, at most
WORDS = {
    "ended": "It ended Python itself: exit, a crash, or far too much memory.",
    "time": "was still running when its time was up. An endless loop?",
    "flood": "It sent what is no answer.",
}


@dataclass
class Outcome:
    """What came of a notebook: answers by exercise, the cells that define each, and why it could not be read."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    definitions: dict[str, int] = field(default_factory=dict)
    unreadable: str = ""


class Unreadable(Exception):
    pass


def ask(
    content: bytes,
    calls: Mapping[str, Sequence[tuple]],
    sandbox: Sandbox,
    library: bool = False,
    until: float = math.inf,
) -> Outcome:
    """The answers to all calls, by exercise; raises NoSandbox where a worker does not even start.

    until: the moment at which the whole submission must be done, whatever a notebook alone may take.
    """
    outcome = Outcome({name: [] for name in calls})
    left = list(calls)
    skip: list[int] = []
    until = min(until, time.monotonic() + sandbox.limits.total)
    for _ in range(STARTS):
        try:
            with Process(sandbox, library) as process:
                session = Session(process, outcome, until)
                try:
                    session.read_notebook(content, left, skip)
                    while left:
                        session.answer(left[0], calls[left[0]])
                        left.pop(0)
                    return outcome
                except Died as death:
                    if session.cell is not None:
                        skip.append(session.cell)
                    elif left:
                        outcome.answers[left.pop(0)].append(last_word(death.kind))
        except Unreadable as error:
            outcome.unreadable = str(error)
            return outcome
        if time.monotonic() >= until or not left:
            break
    for name in left:
        outcome.answers[name].append(last_word("time" if time.monotonic() >= until else "ended"))
    return outcome


def last_word(kind: str) -> Answer:
    return Answer(kind="time" if kind == "time" else "error", problem=WORDS[kind])


class Session:
    """One worker's life. `cell` is the one that is running, while cells run, `entered` the last that began."""

    def __init__(self, process: Process, outcome: Outcome, until: float):
        self.process, self.outcome, self.until = process, outcome, until
        self.limits = process.sandbox.limits
        self.cell: int | None = None
        self.entered = -1

    def within(self, seconds: float) -> float:
        """The end of a wait: the worker keeps the time itself and gets a little longer before it is killed."""
        return min(time.monotonic() + seconds + self.limits.grace, self.until)

    def read_notebook(self, content: bytes, names: list[str], skip: list[int]) -> None:
        seconds = self.limits.cells
        until = self.within(seconds)
        request = {"notebook": as_bytes(content), "names": names, "skip": skip, "seconds": seconds}
        self.process.send(request, until)
        reply = self.process.receive(until)
        if "unreadable" in reply:
            raise Unreadable(text(reply["unreadable"]))
        found = reply.get("definitions")
        if isinstance(found, dict):
            self.outcome.definitions.update({name: found[name] for name in names if type(found.get(name)) is int})
        order = reply.get("order")
        if isinstance(order, list) and sorted(map(str, order)) == sorted(names):
            names[:] = order

    def answer(self, name: str, calls: Sequence[tuple]) -> None:
        answers = self.outcome.answers[name]
        until = self.within(self.limits.cells + self.limits.seconds)
        self.process.send({"name": name, "calls": list(calls), "seconds": self.limits.seconds}, until)
        while len(answers) <= len(calls):
            reply = self.process.receive(until)
            if "cell" in reply:
                self.enter(reply["cell"])
                continue
            if type(reply.get("end")) is str and reply["end"] == name:
                return
            answers.append(believed(reply.get("answer")))
        raise Died("flood")

    def enter(self, number: Any) -> None:
        """A cell begins; their numbers rise. None: they have all come to an end, and the function is called."""
        if number is None and self.cell is not None:
            self.cell = None
        elif type(number) is int and self.entered < number < 1000:
            self.cell = self.entered = number
        else:
            raise Died("flood")


def believed(reply: Any) -> Answer:
    """An answer of the right form, whatever came; its value is left to the judge."""
    if not isinstance(reply, dict) or type(reply.get("kind")) is not str or reply["kind"] not in KINDS:
        raise Died("flood")
    places = reply.get("changed")
    changed = tuple(n for n in places if type(n) is int and 0 <= n < 100) if isinstance(places, tuple) else ()
    words = {key: text(reply.get(key)) for key in ("problem", "printed", "warned")}
    return Answer(value=plain(reply.get("value")), kind=reply["kind"], changed=changed, **words)


def plain(value: Any) -> Any:
    """Arrays, texts and tuples of these, as the runner makes them; what sends anything else is no worker any more."""
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, str):
        return text(value)
    if value is None or hasattr(value, "dtype"):
        return value
    raise Died("flood")


def text(value: Any) -> str:
    """Printable and short. Lone surrogates could not be written to any file, control characters should not be."""
    if not isinstance(value, str):
        return ""
    value = value[:2000].encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() or c == "\n" else " " for c in value)
