"""Which mistake is it? A name is given when every answer is that mistake's; to a near miss it says "perhaps"."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.forms import apart, as_one, distance, fit, measures, parts
from dlcourse.checks.runner import Answer, run, trusted
from dlcourse.checks.usual import usual_mistakes

SAME = 1e-6  # of draws: the same dice, thrown in the same order
MOST = 0.75  # of the calls
ALIKE = 2.2  # Kolmogorov and Smirnov: of two samples of one law, once in ten thousand they are further apart

# Errors that everyone meets once, in NumPy's words, and what they mean here.
ERRORS = {
    "truth value of an array": "A question about a whole array has many answers. `if`, `min` and `max` want one: take "
    "np.where, np.minimum or np.maximum.",
    "could not be broadcast": "The shapes of two arrays do not fit. Where a sum or a mean has lost an axis, "
    "keepdims=True keeps it.",
    "mismatch in its core dimension": "In a @ b the last axis of a meets the last but one of b, and they differ here.",
    "Singular matrix": "This matrix has no inverse: there are directions about which it says nothing. Is something "
    "missing on its diagonal?",
    "Generator' object has no attribute": "rng is one of NumPy's generators: it has rng.random, "
    "rng.uniform, rng.normal, rng.choice, rng.permutation.",
    "only length-1 arrays": "A function of math takes one number. Those of NumPy take arrays: np.exp, np.sqrt.",
    "only 0-dimensional arrays": "A function of math takes one number. Those of NumPy take arrays: np.exp, np.sqrt.",
}


class Naming:
    """The answers to be named. marks: which properties hold for answers; a mistake must fail in the same places."""

    def __init__(
        self,
        exercise: Exercise,
        calls: Sequence[tuple],
        answers: Sequence[Answer],
        right: Sequence[Answer],
        marks: Callable[[Sequence[Answer]], dict[str, bool]],
    ):
        self.exercise, self.calls, self.answers, self.right, self.marks = exercise, calls, answers, right, marks
        self.seen = marks(answers)

    def name(self) -> tuple[str, bool]:
        """The sentence of the known mistake, and whether it is only perhaps this one."""
        last = self.answers[-1] if self.answers else Answer(kind="todo")
        if last.kind in ("todo", "time") or all(self.seen.values()):  # all that is wrong is what was changed in place
            return "", False
        alike = self.among(self.exercise.mistakes.items())
        if alike and alike[0][1]:
            return alike[0][0], False
        known = next((words for error, words in ERRORS.items() if last.kind == "error" and error in last.problem), "")
        if known or last.kind:
            return known, False
        usual = self.among(usual_mistakes(self.exercise, self.calls))
        if usual and usual[0][1]:
            return usual[0][0], False
        near = alike[0][0] if alike else self.nearest()
        return near, bool(near)

    def among(self, mistakes: Iterable[tuple[str, Callable[..., Any]]]) -> list[tuple[str, bool]]:
        """Those that every answer agrees with, and whether it is surely them; the sure ones first.

        Draws that only come from the same law are perhaps a mistake's; surely they are its own if they are the same, or
        if the mistake is that they are never the same.
        """
        found = []
        for sentence, function in mistakes:
            first = run(function, self.calls[:1], 1.0)
            if not self.same(self.answers[:1], first):
                continue
            theirs = trusted(function, self.calls)
            if self.same(self.answers, theirs) and self.marks(theirs) == self.seen:
                by_chance = self.exercise.measure and not identical(self.answers, theirs)
                sure = not by_chance or not identical(theirs, trusted(function, self.calls))
                found.append((sentence, sure))
            elif self.exercise.measure and self.mostly(theirs):
                found.append((sentence, False))
        return sorted(found, key=lambda pair: not pair[1])

    def nearest(self) -> str:
        """The mistake that gives more than half of the wrong outputs."""
        if self.exercise.measure:
            return ""
        shares = [
            (share(self.exercise, self.calls, self.answers, run(function, self.calls, 1.0), self.right), sentence)
            for sentence, function in self.exercise.mistakes.items()
        ]
        most, sentence = max(shares, default=(0.0, ""))
        return sentence if most > 0.5 else ""

    def mostly(self, theirs: Sequence[Answer]) -> bool:
        """Draws of the same laws, of which a measure here and there is another by chance."""
        if len(theirs) != len(self.answers) or any(answer.kind for answer in (*self.answers, *theirs)):
            return False
        marks = self.marks(theirs)
        if any(marks.get(words) != self.seen.get(words) for words in self.exercise.across):
            return False
        each = list(zip(self.calls, self.answers, theirs, self.right, strict=True))
        agreeing = sum(agree(self.exercise, *four) for four in each)
        return agreeing >= MOST * len(each) and all(alike(a.value, b.value) for _, a, b, _ in each)

    def same(self, ours: Sequence[Answer], theirs: Sequence[Answer]) -> bool:
        return same(self.exercise, self.calls, ours, theirs, self.right)


def same(exercise: Exercise, calls: Any, ours: Sequence[Answer], theirs: Sequence[Answer], right: Any) -> bool:
    """Are two lists of answers the same; for what is left to chance, draws of one law?"""
    if len(ours) != len(theirs):
        return False
    for call, a, b, truth in zip(calls, ours, theirs, right, strict=False):
        if a.kind or b.kind:
            return a.kind == b.kind and a.problem.partition("\n")[0] == b.problem.partition("\n")[0]
        if not (agree(exercise, call, a, b, truth) and (not exercise.measure or alike(a.value, b.value))):
            return False
    return True


def agree(exercise: Exercise, call: tuple, a: Answer, b: Answer, truth: Answer) -> bool:
    one, other = comparable(exercise, call, a, truth), comparable(exercise, call, b, truth)
    return one.keys() == other.keys() and all(
        apart(exercise, one[name], other[name]) <= exercise.tolerance for name in other
    )


def comparable(exercise: Exercise, call: tuple, answer: Answer, truth: Answer) -> dict[Any, Any]:
    """By the names of the outputs or measures; by number where the form is wrong."""
    got, problem = fit(exercise, answer.value, truth.value)
    if problem:
        found = answer.value if isinstance(truth.value, tuple) else (answer.value,)
        return dict(enumerate(map(as_one, parts(found))))
    return measures(exercise, call, got)


def share(exercise: Exercise, calls: Any, ours: Sequence[Answer], theirs: Sequence[Answer], right: Any) -> float:
    """Of the outputs that are wrong, so many are this mistake's. One alone says nothing."""
    wrong = hit = 0
    for call, a, b, truth in zip(calls, ours, theirs, right, strict=False):
        if a.kind or b.kind:
            return 0.0
        one, other, wanted = (comparable(exercise, call, each, truth) for each in (a, b, truth))
        for name in wanted.keys() & one.keys():
            if apart(exercise, one[name], wanted[name]) > exercise.tolerance:
                wrong += 1
                hit += name in other and apart(exercise, one[name], other[name]) <= exercise.tolerance
    return hit / wrong if hit > 1 else 0.0


def identical(ours: Sequence[Answer], theirs: Sequence[Answer]) -> bool:
    """The same numbers at the same places."""
    pairs = zip(ours, theirs, strict=True)
    return all(
        len(parts(a.value)) == len(parts(b.value))
        and all(distance(as_one(x), as_one(y)) <= SAME for x, y in zip(parts(a.value), parts(b.value), strict=True))
        for a, b in pairs
    )


def alike(a: Any, b: Any) -> bool:
    """Could the numbers of two answers be draws of one law?"""
    for x, y in zip(parts(a), parts(b), strict=False):
        if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.size and y.size):
            continue
        one, other = np.sort(x, None), np.sort(y, None)
        places = np.concatenate([one, other])
        gap = np.abs(np.searchsorted(one, places, "right") / x.size - np.searchsorted(other, places, "right") / y.size)
        if gap.max() * np.sqrt(x.size * y.size / (x.size + y.size)) > ALIKE:
            return False
    return True
