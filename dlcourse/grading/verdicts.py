"""From the answers of one notebook to reports, and how far each can be believed."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dlcourse.checks import Exercise, Finding, Question, Report, judge
from dlcourse.checks.runner import Answer
from dlcourse.grading.answers import Outcome, ask
from dlcourse.grading.sandbox import Sandbox
from dlcourse.grading.tasks import HANDED_IN, End, Task, allowed, draws
from dlcourse.grading.worker_process import GAP, Clock

JUDGED = 5  # times, where the judge was interrupted
JUDGING = threading.Lock()  # the references run with the standard output of the whole process turned away


@dataclass(frozen=True)
class Verdict:
    """A report, and what stands against believing it. ends: the bad ends that it may hang on.

    empty: nothing is written there. place: of the file. remark: for the table.
    """

    report: Report
    doubt: str = ""
    ends: frozenset[End] = frozenset()
    empty: bool = False
    place: int = 0
    remark: str = ""


def grade_notebook(
    file: tuple[str, bytes], asked: Mapping[str, Exercise | Question], task: Task, clock: Clock
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
                report = with_notes(report, outcome)
                if outcome.unreadable:
                    report = missing(asked[name], outcome.unreadable)
                verdicts[name] = weighed(report, interrupted, outcome, file[0], task)
    return verdicts


def weighed(report: Report, interrupted: str, outcome: Outcome, file: str, task: Task) -> Verdict:
    """Is the report beyond doubt? Whatever passed is; the rest must not hang on anything that happened only once."""
    empty = bool(outcome.unreadable) or not report.begun or not outcome.definitions.get(report.name)
    if report.passed or outcome.unreadable:
        return Verdict(report, empty=empty and not report.passed)
    if report.name in outcome.void:
        return Verdict(report, outcome.void[report.name])
    ends = frozenset((file, what) for what in outcome.ends if isinstance(what, int) or what == report.name)
    surprise = bool(ends - task.ends) and not task.last
    return Verdict(report, interrupted or ("it must end that way twice" if surprise else ""), ends, empty)


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


def with_notes(report: Report, outcome: Outcome) -> Report:
    cells = outcome.definitions.get(report.name, 0)
    return noted(report, f"{cells} cells define it; the last one counts.") if cells > 1 else report


def noted(report: Report, words: str) -> Report:
    return replace(report, note="\n".join(filter(None, [report.note, words])))


def missing(exercise: Exercise | Question, problem: str) -> Report:
    findings = (Finding(False, HANDED_IN, problem),)
    return Report(exercise.name, exercise.title, findings, out_of=exercise.points)
