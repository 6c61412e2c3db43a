"""From answers to a report: each property in turn, then the known mistake whose answers these are.

    judge(exercise, calls, answers) -> Report

The answers are plain data and may come from anywhere, from another process too; nothing of the learner's runs here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.forms import apart, fit, measures, parts, unwrap
from dlcourse.checks.naming import Naming
from dlcourse.checks.questions import judge_question
from dlcourse.checks.regimes import where_wrong
from dlcourse.checks.report import UNWRITTEN, Finding, Report
from dlcourse.checks.runner import Answer, trusted
from dlcourse.checks.show import show_call, show_outputs, show_pair

TODO = "Nothing here yet: put your code in place of the line that raises NotImplementedError."
LEFT_ALONE = "it leaves what it was given as it was"


def judge(
    exercise: Exercise | Question, calls: Sequence[tuple], answers: Sequence[Answer], seed: int | None = None
) -> Report:
    """What the answers are worth, and why. It neither gives hints nor keeps a record.

    seed: of the generator that the calls were drawn from, where a learner may draw them again.
    """
    if isinstance(exercise, Question):
        return judge_question(exercise, answers)
    with np.errstate(all="ignore"):
        right = trusted(exercise.reference, calls)
        findings = tuple(examine(exercise, calls, answers, right, seed))
        passed = all(finding.passed for finding in findings)
        mistake, perhaps = "", False
        if not passed:
            seen = lambda theirs: marks(tuple(examine(exercise, calls, theirs, right)))  # noqa: E731
            mistake, perhaps = Naming(exercise, calls, answers, right, seen).name()
    last = answers[-1] if answers else Answer()
    notes = [f"It printed: {last.printed.strip()!r}"] if last.printed.strip() else []
    notes += [f"NumPy or Python warned: {last.warned}"] if last.warned and not passed else []
    points = exercise.points if passed else 0
    note = "\n".join(notes)
    return Report(exercise.name, exercise.title, findings, mistake, "", points, exercise.points, note, perhaps)


def marks(findings: Sequence[Finding]) -> dict[str, bool]:
    """Which held. What was changed in place has its own sentence and stands in no mistake's way."""
    return {finding.words: finding.passed for finding in findings if finding.words != LEFT_ALONE}


def examine(
    exercise: Exercise,
    calls: Sequence[tuple],
    answers: Sequence[Answer],
    right: Sequence[Answer],
    seed: int | None = None,
) -> Iterator[Finding]:
    """The findings one after the other; where one makes the next ones pointless, it is the last."""
    given = Given(exercise, calls, seed)
    bad = next((n for n, answer in enumerate(answers) if answer.kind), None)
    if bad is not None:
        yield failure(exercise, answers[bad], given(bad))
        return
    if len(answers) != len(calls):
        yield Finding(False, "it runs", "It ended in the middle, without an answer.")
        return
    yield Finding(True, "it runs")

    form = f"it returns {', '.join(exercise.returns)}" if exercise.returns else "what it returns has the right shape"
    fitted = []
    for number, (answer, truth) in enumerate(zip(answers, right, strict=True)):
        got, problem = fit(exercise, answer.value, truth.value)
        if problem:
            yield Finding(False, form, problem, given=given(number))
            return
        fitted.append(got)
    yield Finding(True, form)

    for number, got in enumerate(fitted):
        if not all(np.isfinite(part).all() for part in got):
            shown = show_outputs(exercise, got)
            yield Finding(False, "its numbers are finite", given=given(number), got=shown)
            return
    yield Finding(True, "its numbers are finite")
    yield from properties(exercise, calls, fitted, given)
    yield from values(exercise, calls, fitted, [parts(truth.value) for truth in right], given)
    changed = sorted({place for answer in answers for place in answer.changed})
    names = ", ".join(exercise.parameters[place] for place in changed if place < len(exercise.parameters))
    detail = "" if not changed else f"{names} changed. Compute new arrays: `a = a + b` makes one, `a += b` does not."
    yield Finding(not changed, LEFT_ALONE, detail)


class Given:
    """What was given in a call, by its number, as a line to paste."""

    def __init__(self, exercise: Exercise, calls: Sequence[tuple], seed: int | None):
        self.exercise, self.calls, self.seed = exercise, calls, seed

    def __call__(self, number: int) -> str:
        place = None if self.seed is None else (self.seed, number)
        return show_call(self.exercise, self.calls[number], place)


def failure(exercise: Exercise, answer: Answer, given: str) -> Finding:
    if answer.kind == "todo":
        return Finding(False, UNWRITTEN, TODO)
    if answer.kind == "value":
        return Finding(
            False, f"it returns {', '.join(exercise.returns) or 'numbers'}", f"It returned {answer.problem}", given
        )
    words = "it comes to an end" if answer.kind == "time" else "it runs"
    return Finding(False, words, f"It {answer.problem}" if answer.kind == "time" else answer.problem, given)


# Properties and values


def properties(exercise: Exercise, calls: Sequence[tuple], got: Sequence[tuple], given: Given) -> Iterator[Finding]:
    for words, test in exercise.properties.items():
        broken = next((n for n in range(len(calls)) if not holds(test, exercise, calls[n], got[n])), None)
        if broken is None:
            yield Finding(True, words)
        else:
            shown = show_outputs(exercise, got[broken])
            yield Finding(False, words, given=given(broken), got=shown)
    everything = [exercise.given(call) for call in calls], [unwrap(g) for g in got]
    for words, test in exercise.across.items():
        yield Finding(bool(test(*everything)), words)


def holds(test: Any, exercise: Exercise, call: tuple, got: tuple) -> bool:
    return bool(np.all(test(exercise.given(call), unwrap(got))))


def values(
    exercise: Exercise, calls: Sequence[tuple], got: Sequence[tuple], right: Sequence[tuple], given: Given
) -> Iterator[Finding]:
    """Every output beside the right one; for an answer left to chance, every measure of it."""
    tables = [
        [measures(exercise, call, answer) for call, answer in zip(calls, side, strict=True)] for side in (got, right)
    ]
    shown = -1
    for name in tables[0][0]:
        ours, theirs = ([row[name] for row in table] for table in tables)
        wrong = [n for n in range(len(calls)) if not apart(exercise, ours[n], theirs[n]) <= exercise.tolerance]
        agrees = "agree" if name.endswith("es") else "agrees"
        words = f"{name} is as it should be" if exercise.measure else f"{name} {agrees} with the formula"
        if not wrong:
            yield Finding(True, words)
            continue
        n = min(wrong, key=lambda n: sum(np.size(a) for a in calls[n]))
        line = given(n) if n != shown else ""  # the same inputs need not be read twice
        mine, its = show_pair(ours[n], theirs[n])
        its = f"about {its}, as a right answer drew it" if exercise.measure and not isinstance(theirs[n], str) else its
        yield Finding(False, words, where_wrong(exercise, calls, wrong), line, mine, its)
        shown = n
