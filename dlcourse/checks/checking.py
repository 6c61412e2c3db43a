"""`check(name, answer)`: run the learner's function on fresh inputs, here and now, and say what came of it."""

import difflib
import inspect
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.checks import progress
from dlcourse.checks.curves import draw
from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.faults import safe
from dlcourse.checks.forms import distance
from dlcourse.checks.judge import judge
from dlcourse.checks.plain import kind_of
from dlcourse.checks.questions import spend
from dlcourse.checks.reach import fingerprint, strangers
from dlcourse.checks.report import Finding, Report
from dlcourse.checks.runner import Answer, opened, run, trusted
from dlcourse.checks.tables import exercises, look_in
from dlcourse.checks.tools import put_back
from dlcourse.checks.touch import touched
from dlcourse.settings import unknown_name
from dlcourse.workspace import UserError

SECONDS = 5.0
_tries: dict[str, list[int]] = {}  # of this session: the answers that failed, by what they are made of; a hint for each


class CheckFailed(AssertionError):
    """Only where nbgrader runs the notebook: there a cell that shows its report quietly would count as right."""


def check(name: str, answer: Any) -> Report:
    """Is `answer` a solution of the exercise `name`? Says what holds, what does not, and which mistake it looks like.

    answer: the function itself, not called; for a question also the pair (ticket, letter). The inputs are new ones
    every time. It never raises: errors and endless loops in the answer are findings too. Each further answer brings a
    further hint, up to three. What is solved in a notebook is kept for `dlcourse progress`.
    """
    try:
        look_in(Path.cwd())
        report = examine(name, answer)
    except UserError as error:
        words = "the lecturer's own exercises can be read"
        report = Report(safe(lambda: str(name)), safe(lambda: str(name)), (Finding(False, words, str(error)),))
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
        report = examine_function(exercise, answer, secrets.randbelow(1 << 32) if seed is None else seed)
    if report:
        _tries.pop(name, None)
    elif report.begun:
        report = with_hint(report, exercise, fingerprint(answer))
    return progress.record(report, exercise)


def examine_function(exercise: Exercise, function: Any, seed: int) -> Report:
    words = f"it is a function, {exercise.signature}"
    problem = ""
    changed = put_back()
    calls = exercise.calls(np.random.default_rng(seed))
    if not callable(function) or isinstance(function, type):
        problem = f"This is {as_words(function)}. Give the function itself, without brackets after its name."
    elif not takes(function, calls[0]):
        problem = f"It must take {len(exercise.parameters)} arguments: {', '.join(exercise.parameters)}."
    if problem:
        return Report(exercise.name, exercise.title, (Finding(False, words, problem),), out_of=exercise.points)
    with touched() as files:
        answers = run(function, calls, SECONDS)
    changed += put_back()
    report = judge(exercise, calls, answers, seed)
    report = replace(report, missing=missing_when_graded(exercise, function, files, bool(report)))
    if exercise.curve and not report and not any(answer.kind for answer in answers):
        report = replace(report, picture=picture(exercise, function, calls, answers))
    if changed:
        words = f"This notebook had changed {', '.join(changed)}. For the check, and from here on, it is as it was."
        report = replace(report, note=f"{report.note}\n{words}".strip())
    return report


def inputs(name: str, seed: int, number: int) -> list[Any]:
    """What a check gave to the function in one of its calls, to try it again: `adam_step(*inputs("adam_step", 7, 0))`.

    Raises SettingError for a name that is no exercise.
    """
    known = {key: entry for key, entry in exercises().items() if isinstance(entry, Exercise)}
    if name not in known:
        unknown_name("inputs.name", name, known)
    return [opened(value) for value in known[name].calls(np.random.default_rng(seed))[number]]


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


def picture(exercise: Exercise, function: Any, calls: list[tuple], answers: list[Answer]) -> str:
    """The curve through the first call that is wrong."""
    place = exercise.parameters.index(exercise.curve) if exercise.curve in exercise.parameters else -1
    right = trusted(exercise.reference, calls)
    wrong = [c for c, a, b in zip(calls, answers, right, strict=True) if not distance(a.value, b.value) <= 1e-5]
    if place < 0 or not wrong:
        return ""
    others = [call[place] for call in calls if repr(call[place + 1 :]) == repr(wrong[0][place + 1 :])]
    return draw(exercise, function, wrong[0], max(others))


def missing_when_graded(exercise: Exercise, function: Any, files: list[str], passed: bool) -> str:
    """What works here, and will not where the answer is graded."""
    absent = {name: place for name, place in strangers(function).items() if name != "dlcourse" or not exercise.library}
    said = [f"no {name} ({place})" for name, place in absent.items()]
    said += [f"no {', no '.join(files)}"] if files else []
    start = "It passes here, but while" if passed else "While"
    words = f"{start} grading there is {', '.join(said)}: Python and NumPy are all there is." if said else ""
    named = vars(sys.modules["__main__"]).get(exercise.name) if progress.in_notebook() else function
    if named is not function:
        words += f" What is graded is the function that is called {exercise.name}; this is another one."
    return words.strip()


def with_hint(report: Report, exercise: Exercise | Question, answer: int) -> Report:
    tried = _tries.setdefault(exercise.name, [])
    if answer not in tried:
        tried.append(answer)
    number = min(tried.index(answer), len(exercise.hints) - 1)
    more = "" if number + 1 == len(exercise.hints) else " (A new answer brings the next one.)"
    return replace(report, hint=f"Hint {number + 1} of {len(exercise.hints)}: {exercise.hints[number]}{more}")


def unknown(name: Any, answer: Any) -> Report:
    if type(name) is not str:
        words = 'The first argument is the name of an exercise, a text: check("momentum_step", momentum_step).'
        return Report("", "check", (Finding(False, words),))
    close = difflib.get_close_matches(name, exercises(), 1)
    meant = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(exercises())}."
    return Report(name[:80], name[:80], (Finding(False, "there is an exercise of this name", meant),))
