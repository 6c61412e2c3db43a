"""From answers to a report: each property in turn, then the known mistake whose answers these are.

    judge(exercise, calls, answers) -> Report

The answers are plain data and may come from anywhere, from another process too; nothing of the learner's runs here.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.questions import judge_question
from dlcourse.checks.report import UNWRITTEN, Finding, Report
from dlcourse.checks.runner import Answer, run
from dlcourse.checks.usual import usual_mistakes

TODO = "Nothing here yet: put your code in place of the line that raises NotImplementedError."
LEFT_ALONE = "it leaves what it was given as it was"

# Errors that everyone meets once, in NumPy's words, and what they mean here.
ERRORS = {
    "truth value of an array": "A question about a whole array has many answers. `if`, `min` and `max` want one: take "
    "np.where, np.minimum or np.maximum.",
    "could not be broadcast": "The shapes of two arrays do not fit. Did a sum or a mean lose an axis? keepdims=True "
    "keeps it.",
    "mismatch in its core dimension": "In a @ b the last axis of a meets the last but one of b, and they differ here.",
    "Singular matrix": "This matrix has no inverse: there are directions about which it says nothing. Is something "
    "missing on its diagonal?",
    "Generator' object has no attribute": "rng is one of NumPy's generators: it has rng.random, "
    "rng.uniform, rng.normal, rng.choice, rng.permutation.",
    "only length-1 arrays": "A function of math takes one number. Those of NumPy take arrays: np.exp, np.sqrt.",
    "only 0-dimensional arrays": "A function of math takes one number. Those of NumPy take arrays: np.exp, np.sqrt.",
}


def judge(exercise: Exercise | Question, calls: Sequence[tuple], answers: Sequence[Answer]) -> Report:
    """What the answers are worth, and why. It neither gives hints nor keeps a record."""
    if isinstance(exercise, Question):
        return judge_question(exercise, answers)
    with np.errstate(all="ignore"):
        right = run(exercise.reference, calls)
        findings = tuple(examine(exercise, calls, answers, right))
        passed = all(finding.passed for finding in findings)
        mistake = "" if passed else name_mistake(exercise, calls, answers, right, marks(findings))
    last = answers[-1] if answers else Answer()
    notes = [f"It printed: {last.printed.strip()!r}"] if last.printed.strip() else []
    notes += [f"NumPy or Python warned: {last.warned}"] if last.warned and not passed else []
    points = exercise.points if passed else 0
    note = "\n".join(notes)
    return Report(exercise.name, exercise.title, findings, mistake, "", points, exercise.points, note)


def marks(findings: Sequence[Finding]) -> tuple[bool, ...]:
    """Which held. What was changed in place has its own sentence and stands in no mistake's way."""
    return tuple(finding.passed for finding in findings if finding.words != LEFT_ALONE)


def examine(
    exercise: Exercise, calls: Sequence[tuple], answers: Sequence[Answer], right: Sequence[Answer]
) -> Iterator[Finding]:
    """The findings one after the other; where one makes the next ones pointless, it is the last."""
    bad = next((n for n, answer in enumerate(answers) if answer.kind), None)
    if bad is not None:
        yield failure(exercise, calls[bad], answers[bad], right[bad])
        return
    if len(answers) != len(calls):
        yield Finding(False, "it runs", "It ended in the middle, without an answer.")
        return
    yield Finding(True, "it runs")

    form = f"it returns {', '.join(exercise.returns)}" if exercise.returns else "what it returns has the right shape"
    fitted = []
    for call, answer, truth in zip(calls, answers, right, strict=True):
        got, problem = fit(exercise, answer.value, truth.value)
        if problem:
            yield Finding(False, form, problem, given=show_call(exercise, call))
            return
        fitted.append(got)
    yield Finding(True, form)

    for call, got in zip(calls, fitted, strict=True):
        if not all(np.isfinite(part).all() for part in got):
            shown = show_outputs(exercise, got)
            yield Finding(False, "its numbers are finite", given=show_call(exercise, call), got=shown)
            return
    yield Finding(True, "its numbers are finite")
    yield from properties(exercise, calls, fitted)
    yield from values(exercise, calls, fitted, [parts(truth.value) for truth in right])
    changed = sorted({place for answer in answers for place in answer.changed})
    names = ", ".join(exercise.parameters[place] for place in changed if place < len(exercise.parameters))
    detail = "" if not changed else f"{names} changed. Compute new arrays: `a = a + b` makes one, `a += b` does not."
    yield Finding(not changed, LEFT_ALONE, detail)


def failure(exercise: Exercise, call: tuple, answer: Answer, right: Answer) -> Finding:
    given = show_call(exercise, call)
    if answer.kind == "todo":
        return Finding(False, UNWRITTEN, TODO)
    if answer.kind == "value":
        return Finding(
            False, f"it returns {', '.join(exercise.returns) or 'numbers'}", f"It returned {answer.problem}", given
        )
    words = "it comes to an end" if answer.kind == "time" else "it runs"
    return Finding(False, words, f"It {answer.problem}" if answer.kind == "time" else answer.problem, given)


# Form


def parts(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def fit(exercise: Exercise, value: Any, truth: Any) -> tuple[tuple[np.ndarray, ...], str]:
    """The answer in the form of the truth, one array for each output; or what is wrong with its form."""
    names, wanted = exercise.returns or ("it",), parts(truth)
    if isinstance(truth, tuple):
        if isinstance(value, np.ndarray) and value.ndim and len(value) == len(truth):
            value = tuple(map(np.asarray, value))
        if not isinstance(value, tuple) or len(value) != len(truth):
            return (), f"It must return {len(truth)} things, {', '.join(names)}; got {form(value)}."
    got = []
    for name, one, want in zip(names, parts(value) if isinstance(truth, tuple) else (value,), wanted, strict=True):
        one = as_one(one)
        if not isinstance(one, np.ndarray) or one.dtype.kind not in "biuf":
            return (), f"{name} must be {form(want)}; got {form(one)}."
        if want.ndim == 0 and one.size == 1:
            one = one.reshape(())
        if one.shape != want.shape:
            return (), f"{name} must be {form(want)}; got {form(one)}."
        got.append(one.astype(float))
    return tuple(got), ""


def as_one(value: Any) -> Any:
    """A list of numbers, or of lists of them, as an array."""
    try:
        return np.array(value, dtype=float) if isinstance(value, tuple) else value
    except (ValueError, TypeError):
        return value


def form(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, tuple):
        return f"{len(value)} things"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return "something else"
    if value.ndim == 0:
        return "a number"
    return f"an array of shape {value.shape}"


# Properties and values


def properties(exercise: Exercise, calls: Sequence[tuple], got: Sequence[tuple]) -> Iterator[Finding]:
    for words, test in exercise.properties.items():
        broken = next((n for n in range(len(calls)) if not holds(test, exercise, calls[n], got[n])), None)
        if broken is None:
            yield Finding(True, words)
        else:
            shown = show_outputs(exercise, got[broken])
            yield Finding(False, words, given=show_call(exercise, calls[broken]), got=shown)
    everything = [exercise.given(call) for call in calls], [unwrap(g) for g in got]
    for words, test in exercise.across.items():
        yield Finding(bool(test(*everything)), words)


def unwrap(got: tuple) -> Any:
    return got[0] if len(got) == 1 else got


def holds(test: Any, exercise: Exercise, call: tuple, got: tuple) -> bool:
    return bool(np.all(test(exercise.given(call), unwrap(got))))


def values(exercise: Exercise, calls: Sequence[tuple], got: Sequence[tuple], right: Sequence[tuple]) -> Any:
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
        given = show_call(exercise, calls[n]) if n != shown else ""  # the same inputs need not be read twice
        yield Finding(False, words, "", given, *show_pair(ours[n], theirs[n]))
        shown = n


def measures(exercise: Exercise, call: tuple, got: tuple) -> dict[str, Any]:
    if exercise.measure:
        return exercise.measure(exercise.given(call), unwrap(got))
    return dict(zip(exercise.returns or ("it",), got, strict=True))


def apart(exercise: Exercise, a: Any, b: Any) -> float:
    """Measures are of the size 1, or 0 where that is what they should be."""
    return distance(a, b, 1.0 if exercise.measure else 1e-8)


def distance(a: Any, b: Any, least: float = 1e-8) -> float:
    """The largest difference, as a share of the largest number in b, or of `least` if that is larger."""
    if not (are_numbers(a) and are_numbers(b)):
        return 0.0 if isinstance(a, str) and isinstance(b, str) and a == b else np.inf
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return np.inf
    both_nan = np.isnan(a) & np.isnan(b)
    scale = max(float(np.abs(b[np.isfinite(b)]).max(initial=0.0)), least)
    off = np.abs(np.where(both_nan | (a == b), 0.0, a - b)).max(initial=0.0) / scale
    return float(off) if not np.isnan(off) else np.inf


def are_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | int | float) and np.asarray(value).dtype.kind in "biuf"


# Which mistake is it?


def name_mistake(
    exercise: Exercise, calls: Sequence[tuple], answers: Sequence[Answer], right: Sequence[Answer], seen: tuple
) -> str:
    """The sentence of the known mistake that fails in the same places and gives the same answers."""
    if not answers or answers[-1].kind in ("todo", "time"):
        return ""
    own = closest(exercise, exercise.mistakes.items(), calls, answers, right, seen)
    known = (words for error, words in ERRORS.items() if answers[-1].kind == "error" and error in answers[-1].problem)
    words = own or next(known, "")
    if words or answers[-1].kind:
        return words
    return closest(exercise, usual_mistakes(exercise, calls), calls, answers, right, seen)


def closest(
    exercise: Exercise,
    mistakes: Iterable[tuple[str, Callable[..., Any]]],
    calls: Sequence[tuple],
    answers: Sequence[Answer],
    right: Sequence[Answer],
    seen: tuple,
) -> str:
    found: list[tuple[float, int, str]] = []
    for sentence, function in mistakes:
        if furthest(exercise, calls[:1], answers[:1], run(function, calls[:1], 1.0), right) > exercise.tolerance:
            continue
        theirs = run(function, calls)
        off = furthest(exercise, calls, answers, theirs, right)
        if off <= exercise.tolerance and marks(tuple(examine(exercise, calls, theirs, right))) == seen:
            found.append((off, len(found), sentence))
    return min(found)[2] if found else ""


def furthest(
    exercise: Exercise,
    calls: Sequence[tuple],
    ours: Sequence[Answer],
    theirs: Sequence[Answer],
    right: Sequence[Answer],
) -> float:
    """How far two lists of answers are apart at most."""
    if len(ours) != len(theirs):
        return np.inf
    worst = 0.0
    for call, a, b, truth in zip(calls, ours, theirs, right, strict=False):
        if a.kind or b.kind:
            same = a.kind == b.kind and a.problem.partition("\n")[0] == b.problem.partition("\n")[0]
            return worst if same else np.inf
        one, other = comparable(exercise, call, a, truth), comparable(exercise, call, b, truth)
        if one.keys() != other.keys():
            return np.inf
        worst = max(worst, *(apart(exercise, one[name], other[name]) for name in other))
    return worst


def comparable(exercise: Exercise, call: tuple, answer: Answer, truth: Answer) -> dict[Any, Any]:
    """By the names of the outputs or measures; by number where the form is wrong."""
    got, problem = fit(exercise, answer.value, truth.value)
    if problem:
        found = answer.value if isinstance(truth.value, tuple) else (answer.value,)
        return dict(enumerate(map(as_one, parts(found))))
    return measures(exercise, call, got)


# Words


def show_call(exercise: Exercise, call: tuple) -> str:
    return ", ".join(f"{name} = {show(value)}" for name, value in zip(exercise.parameters, call, strict=True))


def show_outputs(exercise: Exercise, got: tuple) -> str:
    names = exercise.returns or ("",)
    return ", ".join(f"{name} = {show(v)}" if name else show(v) for name, v in zip(names, got, strict=True))


def show_pair(got: Any, expected: Any) -> tuple[str, str]:
    """With as many digits as it takes to see the difference."""
    for digits in (4, 6, 9, 15):
        pair = show(got, digits), show(expected, digits)
        if pair[0] != pair[1]:
            break
    return pair


def show(value: Any, digits: int = 4) -> str:
    """A short text for a plain value: small arrays in full, large ones by their corner."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, tuple | list):
        inside = ", ".join(show(v, digits) for v in itertools.islice(value, 6))
        return f"({inside}{', …' if len(value) > 6 else ''})"
    if not isinstance(value, np.ndarray | np.generic | int | float):
        return str(getattr(value, "source", "") or f"a generator, seed {getattr(value, 'number', '?')}")
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array.item():.{digits}g}" if array.dtype.kind == "f" else str(array.item())
    if array.size > 16:
        corner = ", ".join(show(v, digits) for v in array.ravel()[:4])
        return f"array of shape {array.shape}, [{corner}, …]"
    return str(np.array2string(array, separator=", ", formatter={"float_kind": lambda v: f"{v:.{digits}g}"})).replace(
        "\n", ""
    )
