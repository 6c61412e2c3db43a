"""`check(name, answer)`: run the learner's function on fresh inputs, here and now, and say what came of it."""

import difflib
import inspect
import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from dlcourse.checks import progress
from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.faults import safe
from dlcourse.checks.judge import judge
from dlcourse.checks.plain import kind_of
from dlcourse.checks.questions import spend
from dlcourse.checks.report import Finding, Report
from dlcourse.checks.runner import run
from dlcourse.checks.tables import exercises
from dlcourse.checks.tools import put_back

SECONDS = 5.0
_tries: Counter[str] = Counter()  # failed checks in this session: so many hints have been shown


class CheckFailed(AssertionError):
    """Only where nbgrader runs the notebook: there a cell that shows its report quietly would count as right."""


def check(name: str, answer: Any) -> Report:
    """Is `answer` a solution of the exercise `name`? Says what holds, what does not, and which mistake it looks like.

    answer: the function itself, not called; for a question also the pair (ticket, letter). The inputs are new ones
    every time. It never raises: errors and endless loops in the answer are findings too. Each further try brings a
    further hint, up to three. What is solved in a notebook is kept for `dlcourse progress`.
    """
    try:
        report = examine(name, answer)
    except Exception as error:
        words = f"The check stumbled over this answer ({type(error).__name__}). It is not solved yet."
        report = Report(safe(lambda: str(name)), safe(lambda: str(name)), (Finding(False, words),))
    if os.environ.get("NBGRADER_EXECUTION") and not report:
        raise CheckFailed(repr(report))
    return report


def examine(name: str, answer: Any, seed: int | None = None) -> Report:
    table = exercises()
    if type(name) is not str or name not in table:
        return unknown(name, answer)
    exercise = table[name]
    if isinstance(exercise, Question):
        given = answer if callable(answer) else lambda: answer
        report = spend(exercise, run(given, [()], SECONDS))
    else:
        report = examine_function(exercise, answer, np.random.default_rng(seed))
    if report:
        _tries[name] = 0
    elif report.begun:
        report = with_hint(report, exercise)
    return progress.record(report, exercise)


def examine_function(exercise: Exercise, function: Any, rng: np.random.Generator) -> Report:
    words = f"it is a function, {exercise.signature}"
    problem = ""
    changed = put_back()
    calls = exercise.calls(rng)
    if not callable(function) or isinstance(function, type):
        problem = f"This is {as_words(function)}. Give the function itself, without brackets after its name."
    elif not takes(function, calls[0]):
        problem = f"It must take {len(exercise.parameters)} arguments: {', '.join(exercise.parameters)}."
    if problem:
        return Report(exercise.name, exercise.title, (Finding(False, words, problem),), out_of=exercise.points)
    answers = run(function, calls, SECONDS)
    changed += put_back()
    report = judge(exercise, calls, answers)
    if changed:
        words = f"This notebook had changed {', '.join(changed)}. For the check, and from here on, it is as it was."
        report = replace(report, note=f"{report.note}\n{words}".strip())
    return report


def as_words(value: Any) -> str:
    if isinstance(value, int | float | np.ndarray | list | tuple):
        return "a result, not a function"
    return kind_of(value).partition(". ")[0]


def takes(function: Any, call: tuple) -> bool:
    try:
        inspect.signature(function).bind(*call)
    except TypeError:
        return False
    except Exception:
        return True  # what cannot be asked is tried
    return True


def with_hint(report: Report, exercise: Exercise | Question) -> Report:
    number = min(_tries[exercise.name], len(exercise.hints) - 1)
    _tries[exercise.name] += 1
    more = "" if number + 1 == len(exercise.hints) else " (Check again for the next one.)"
    return replace(report, hint=f"Hint {number + 1} of {len(exercise.hints)}: {exercise.hints[number]}{more}")


def unknown(name: Any, answer: Any) -> Report:
    if type(name) is not str:
        words = 'The first argument is the name of an exercise, a text: check("momentum_step", momentum_step).'
        return Report("", "check", (Finding(False, words),))
    close = difflib.get_close_matches(name, exercises(), 1)
    meant = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(exercises())}."
    return Report(name[:80], name[:80], (Finding(False, "there is an exercise of this name", meant),))
