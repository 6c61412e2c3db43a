"""A notebook and the calls of its exercises in, plain answers out, whatever the notebook does.

A cell or an exercise that brings the worker down, or keeps it longer than it may, is left out, and a new worker is
asked the rest. So each costs itself, and what was answered stays answered. What became of them is told as well: it may
have been the machine's fault, and whoever asks will want to try again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlcourse.checks.runner import Answer
from dlcourse.grading.sandbox import Sandbox
from dlcourse.grading.worker_process import Clock, Died, Process, as_bytes

KINDS = ("", "todo", "error", "time", "value")
VOIDS = 2  # workers that an exercise may lose to the machine before it is left for another time
PATIENT = 10.0  # times as long may a worker itself wait, where only the clock of the learner shall decide
WORDS = {
    "ended": "It ended Python itself: exit, a crash, or far too much memory.",
    "time": "was still running when its time was up. An endless loop?",
    "flood": "It sent what is no answer.",
}
MACHINES = {  # no doing of the learner's
    "killed": "its process was killed from outside",
    "stopped": "its process or the grader stood still for a while",
    "starved": "the machine was too busy to let it run",
}


@dataclass
class Outcome:
    """What came of a notebook: answers by exercise, the cells that define each, and why it could not be read.

    ends: the cells (by number) and exercises that came to a bad end. void: the exercises that the machine left without
    an answer, and how.
    """

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    definitions: dict[str, int] = field(default_factory=dict)
    unreadable: str = ""
    ends: dict[int | str, str] = field(default_factory=dict)
    void: dict[str, str] = field(default_factory=dict)


class Unreadable(Exception):
    pass


def ask(
    content: bytes,
    calls: Mapping[str, Sequence[tuple]],
    sandbox: Sandbox,
    library: bool = False,
    until: float = math.inf,
    clock: Clock | None = None,
    patient: bool = False,
) -> Outcome:
    """The answers to all calls, by exercise; raises NoSandbox where a worker does not even start.

    until: the moment on the clock at which the whole submission must be done, whatever a notebook alone may take.
    """
    outcome, clock = Outcome({name: [] for name in calls}), clock or Clock()
    left, voids = list(calls), 0
    until = min(until, clock.now() + sandbox.limits.total)
    while left and clock.now() < until:
        with Process(sandbox, library, clock) as process:
            session = Session(process, outcome, until, patient)
            try:
                session.read_notebook(content, list(calls))
                left.sort(key=session.order.index)
                while left:
                    session.answer(left[0], calls[left[0]])
                    left.pop(0)
                    voids = 0
            except Unreadable as error:
                outcome.unreadable = str(error)
                return outcome
            except Died as death:
                kind = session.blame(death.kind)
                if kind in MACHINES:
                    outcome.answers[left[0]].clear()  # it is asked again from its first call
                    voids += 1
                    if voids == VOIDS:
                        outcome.void[left.pop(0)], voids = MACHINES[kind], 0
                elif session.cell is not None:
                    outcome.ends[session.cell] = kind
                else:
                    outcome.ends[left[0]] = kind
                    outcome.answers[left.pop(0)].append(last_word(kind))
    for name in left:
        outcome.ends[name] = "time"
        outcome.answers[name].append(last_word("time"))
    return outcome


def last_word(kind: str) -> Answer:
    return Answer(kind="time" if kind == "time" else "error", problem=WORDS[kind])


class Session:
    """One worker's life. `cell` is the one that is running, while cells run, `entered` the last that began."""

    def __init__(self, process: Process, outcome: Outcome, until: float, patient: bool = False):
        self.process, self.outcome, self.until = process, outcome, until
        self.limits, self.clock, self.patient = process.sandbox.limits, process.clock, patient
        self.cell: int | None = None
        self.entered = -1
        self.stops = self.clock.stops
        self.order: list[str] = []

    def within(self, seconds: float) -> float:
        """The end of a wait: the worker keeps the time itself and gets a little longer before it is killed."""
        self.stops = self.clock.stops
        return min(self.clock.now() + seconds + self.limits.grace, self.until)

    def own(self, seconds: float) -> float:
        return seconds * PATIENT if self.patient else seconds

    def blame(self, kind: str) -> str:
        """Time that ran out while somebody stood still is nobody's fault."""
        return "stopped" if kind == "time" and self.clock.stops > self.stops else kind

    def read_notebook(self, content: bytes, names: list[str]) -> None:
        """Runs the cells, but for those that came to a bad end before."""
        ends, seconds = self.outcome.ends, self.limits.cells
        skip = [cell for cell in ends if isinstance(cell, int)]
        until = self.within(seconds)
        own = self.own(seconds)
        self.process.send({"notebook": as_bytes(content), "names": names, "skip": skip, "seconds": own}, until)
        reply = self.process.receive(until)
        if "unreadable" in reply:
            raise Unreadable(text(reply["unreadable"]))
        found = reply.get("definitions")
        if isinstance(found, dict):
            self.outcome.definitions.update({name: found[name] for name in names if type(found.get(name)) is int})
        order = reply.get("order")
        self.order = order if isinstance(order, list) and sorted(map(str, order)) == sorted(names) else names

    def answer(self, name: str, calls: Sequence[tuple]) -> None:
        """First come the cells that have not run yet and stand above its answer."""
        answers = self.outcome.answers[name]
        until = self.within(self.limits.seconds)
        request = {"name": name, "calls": list(calls), "seconds": self.own(self.limits.seconds)}
        self.process.send(request, until)
        while len(answers) <= len(calls):
            reply = self.process.receive(until)
            if "cell" in reply or "late" in reply:
                until = self.within(self.follow(reply))
                continue
            if type(reply.get("end")) is str and reply["end"] == name:
                return
            answer = believed(reply.get("answer"))
            if answer.kind == "time" and self.blame("time") != "time":
                raise Died("stopped")
            answers.append(answer)
            if answer.kind == "time" or answer.problem.startswith("MemoryError"):
                self.outcome.ends[name] = answer.kind
        raise Died("flood")

    def follow(self, reply: dict[str, Any]) -> float:
        """A cell begins, or comes to its end, late or not; their numbers rise. The seconds that what comes may take."""
        number = reply.get("cell")
        if type(number) is int and self.cell is None and self.entered < number < 1000:
            self.cell = self.entered = number
            return self.limits.cells
        if number is not None or self.cell is None:
            raise Died("flood")
        if "late" in reply:
            if self.blame("time") != "time":
                raise Died("stopped")
            self.outcome.ends[self.cell] = "time"
        self.cell = None
        return self.limits.seconds


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
