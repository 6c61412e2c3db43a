"""One submission to its results: fresh calls, answers out of the sandbox, the judge's word. Each task stands alone.

    attempt(Task(student, files, exercises, seed)) -> the results that are beyond doubt, and the next task for the rest
    grade(task) -> one Result for each exercise, after as many attempts as that takes

A task is plain data and may be sent to any process or machine that has dlcourse; it holds one student's files and a
seed made for this student from the secret.

No points are lost by accident: where a cell or an exercise ended Python or took too long, its result is in doubt until
the same happens to it once more, in a fresh worker, alone. What the machine did (a worker killed from outside, a grader
that stood still, a judge that was interrupted) settles nothing, however often it happens: then there is no grade.
"""

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from dlcourse.checks import Exercise, Finding, Question, Report, exercises, judge
from dlcourse.checks.runner import Answer
from dlcourse.grading.answers import Outcome, ask
from dlcourse.grading.sandbox import Limits, Sandbox, keep_private
from dlcourse.grading.worker_process import GAP, Clock

PATIENCE = 120.0  # seconds beyond what a submission may take, for a machine that is busy
ATTEMPTS = 5  # at a submission: the first, one that confirms, and some for what others do to it
JUDGED = 5
JUDGING = threading.Lock()  # the references run with the standard output of the whole process turned away

End = tuple[str, int | str]  # a file, and the cell or exercise in it that ended Python or took too long


@dataclass(frozen=True)
class Task:
    """exercises: the names to grade. files: the notebooks handed in, name and content. problem: why there are none.

    ends: the cells and exercises of a file that came to a bad end in an attempt before. tried: how often.
    """

    student: str
    exercises: tuple[str, ...]
    seed: bytes
    files: tuple[tuple[str, bytes], ...] = ()
    problem: str = ""
    digest: str = ""
    limits: Limits = field(default_factory=Limits)
    safe: bool = True
    ends: frozenset[End] = frozenset()
    tried: int = 0

    @property
    def last(self) -> bool:
        return self.tried >= ATTEMPTS - 1


@dataclass(frozen=True)
class Result:
    """One exercise of one student. digest: of what was handed in. seconds: of the whole submission."""

    student: str
    exercise: str
    digest: str
    report: Report
    safe: bool = True
    seconds: float = 0.0

    def as_facts(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Result":
        report = dict(facts["report"])
        report["findings"] = tuple(Finding(**finding) for finding in report["findings"])
        return cls(**{**facts, "report": Report(**report)})


def students_seed(secret: bytes, student: str, digest: str) -> bytes:
    """What a task carries: it tells nothing of the secret or of anybody else's inputs.

    It hangs on what was handed in, too: whoever learns the inputs of one attempt meets others in the next.
    """
    return hmac.digest(secret, as_utf8(student) + b"\0" + digest.encode(), "sha256")


def draws(seed: bytes, exercise: str) -> np.random.Generator:
    own = hmac.digest(seed, exercise.encode(), "sha256")
    return np.random.default_rng(np.frombuffer(own, np.uint32))


def digest_of(files: Sequence[tuple[str, bytes]], problem: str = "") -> str:
    found = hashlib.sha256(as_utf8(problem))
    for name, content in files:
        found.update(hashlib.sha256(as_utf8(name)).digest() + hashlib.sha256(content).digest())
    return found.hexdigest()[:32]


def as_utf8(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # a file's name may be any bytes


class Undecided(Exception):
    """There is no grade: the message says why."""


@dataclass(frozen=True)
class Attempt:
    """results: what is settled. doubts: why the other exercises are not. again: the task to try for them."""

    results: tuple[Result, ...]
    doubts: Mapping[str, str]
    again: Task


def grade(task: Task) -> list[Result]:
    """A result for each of the task's exercises; raises only where grading itself is at fault."""
    results: dict[str, Result] = {}
    order = task.exercises
    while True:
        tried = attempt(task)
        results.update({result.exercise: result for result in tried.results})
        if not tried.doubts:
            return [results[name] for name in order]
        if task.last:
            raise Undecided(in_words(tried.doubts))
        task = tried.again


def in_words(doubts: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in doubts.items())


def attempt(task: Task) -> Attempt:
    """One try. What is seen to end badly for the first time is left in doubt, and is no surprise the next time."""
    keep_private()
    start, clock, table = time.monotonic(), Clock(), exercises()
    verdicts = {name: Verdict(missing(table[name], task.problem)) for name in task.exercises}
    for place, names, note in shared_out(task):
        asked = {name: table[name] for name in names}
        verdicts.update(grade_notebook(task.files[place], asked, task, clock, note))
    seconds = round(time.monotonic() - start, 3)
    settled = {name: verdict for name, verdict in verdicts.items() if not verdict.doubt}
    results = [
        Result(task.student, name, task.digest, verdict.report, task.safe, seconds) for name, verdict in settled.items()
    ]
    doubts = {name: verdict.doubt for name, verdict in verdicts.items() if verdict.doubt}
    ends = task.ends.union(*(verdict.ends for verdict in verdicts.values()))
    again = replace(task, exercises=tuple(doubts), ends=ends, tried=task.tried + 1)
    return Attempt(tuple(results), doubts, again)


def allowed(task: Task) -> float:
    """Seconds for everything together: who spreads one notebook over many files has no more of them for it."""
    return task.limits.total * len({exercises()[name].notebook for name in task.exercises})


def longest(task: Task) -> float:
    """Seconds after which no result is to be expected any more, starts of workers and the judge's work included."""
    return 4 * allowed(task) + PATIENCE


def shared_out(task: Task) -> list[tuple[int, list[str], str]]:
    """Which file answers for which exercises: the last one, in the order of names, that defines the function."""
    if not task.files:
        return []
    found: dict[str, list[int]] = {}
    for place, (_, content) in enumerate(task.files):
        for name in names_in(content, task.exercises):
            found.setdefault(name, []).append(place)
    for name in task.exercises:  # a worker says of what is in none of them what stands in the last instead
        found.setdefault(name, [len(task.files) - 1])
    shares: dict[tuple[int, str], list[str]] = {}
    for name, places in found.items():
        file = task.files[places[-1]][0]
        note = f"Several files define it; {file} counts, the last by name." if len(places) > 1 else ""
        shares.setdefault((places[-1], note), []).append(name)
    return [(place, names, note) for (place, note), names in sorted(shares.items())]


def names_in(content: bytes, names: Sequence[str]) -> list[str]:
    """The functions that a notebook seems to define, from a look at its text: the worker will know better."""
    text = content.decode("utf-8", "ignore")
    return [name for name in names if is_defined(name, text)]


def is_defined(name: str, text: str) -> bool:
    """Is there `def name` or `name =`? In the first 200 places, that is: a name may stand there a million times."""
    value, at = re.compile(rf"(?<!\w){name} {{0,9}}(?::[^=\n]{{0,99}})?="), -1
    for _ in range(200):
        at = text.find(name, at + 1)
        if at < 0:
            return False
        whole = not re.match(r"\w", text[at + len(name) : at + len(name) + 1])
        if value.match(text, at) or (whole and re.search(r"def {1,9}$", text[max(0, at - 13) : at])):
            return True
    return False


@dataclass(frozen=True)
class Verdict:
    """A report, and what stands against believing it. ends: the bad ends that it may hang on."""

    report: Report
    doubt: str = ""
    ends: frozenset[End] = frozenset()


def grade_notebook(
    file: tuple[str, bytes], asked: Mapping[str, Exercise | Question], task: Task, clock: Clock, note: str = ""
) -> dict[str, Verdict]:
    verdicts = {}
    sandbox = Sandbox(task.limits, task.safe)
    for library in (False, True):
        names = [name for name, exercise in asked.items() if may_use_library(exercise) is library]
        calls = {name: asked[name].calls(draws(task.seed, name)) for name in names}
        if calls:
            outcome = ask(file[1], calls, sandbox, library, allowed(task), clock, patient=bool(task.ends))
            for name in names:
                report, interrupted = reported(asked[name], calls[name], outcome.answers[name])
                report = with_notes(report, outcome, note)
                if outcome.unreadable:
                    report = missing(asked[name], outcome.unreadable)
                verdicts[name] = weighed(report, interrupted, outcome, file[0], task)
    return verdicts


def weighed(report: Report, interrupted: str, outcome: Outcome, file: str, task: Task) -> Verdict:
    """Is the report beyond doubt? Whatever passed is; the rest must not hang on anything that happened only once."""
    if report.passed or outcome.unreadable:
        return Verdict(report)
    if report.name in outcome.void:
        return Verdict(report, outcome.void[report.name])
    ends = frozenset((file, what) for what in outcome.ends if isinstance(what, int) or what == report.name)
    surprise = bool(ends - task.ends) and not task.last
    return Verdict(report, interrupted or ("it must end that way twice" if surprise else ""), ends)


def may_use_library(exercise: Exercise | Question) -> bool:
    return isinstance(exercise, Exercise) and exercise.library


def reported(exercise: Exercise | Question, calls: Sequence[tuple], answers: Sequence[Answer]) -> tuple[Report, str]:
    """The judge's report. Answers can be forged to trip it up; then they are no solution.

    The references run on this process's time: while it stood still, they have not had theirs, and that is said.
    """
    for _ in range(JUDGED):
        with JUDGING:
            began, worked = time.monotonic(), time.thread_time()
            try:
                report = judge(exercise, calls, answers)
            except Exception as error:
                words = f"The answer could not be read ({type(error).__name__})."
                report = Report(exercise.name, exercise.title, (Finding(False, words),), out_of=exercise.points)
            idle = time.monotonic() - began - (time.thread_time() - worked)
        if report.passed or idle < GAP:
            return report.without_answers(), ""
    return report.without_answers(), "the grader was interrupted while it compared"


def with_notes(report: Report, outcome: Outcome, note: str) -> Report:
    cells = outcome.definitions.get(report.name, 0)
    said = [report.note, note]
    said += [f"{cells} cells define it; the last one counts."] if cells > 1 else []
    return replace(report, note="\n".join(filter(None, said)))


def missing(exercise: Exercise | Question, problem: str) -> Report:
    findings = (Finding(False, "it was handed in", problem),)
    return Report(exercise.name, exercise.title, findings, out_of=exercise.points)
