"""Mistakes that can be made in any exercise: an argument that plays no part, outputs that have changed places, …

A table lists its own mistakes, with words of its own. Where none of them fits, judge.py looks here. Each of these is
the right answer for other arguments, or the right answer changed, and says so: if every answer agrees, it is true.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise

Named = Iterator[tuple[str, Callable[..., Any]]]


def usual_mistakes(exercise: Exercise, calls: Sequence[tuple]) -> Named:
    yield from outputs(exercise)
    for place, name in enumerate(exercise.parameters):
        seen = [call[place] for call in calls]
        for words, change in argument_mistakes(name, seen):
            yield words, for_other(exercise.reference, place, change)
    yield from exchanged(exercise, calls)


def for_other(reference: Callable[..., Any], place: int, change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *given: reference(*given[:place], change(given[place]), *given[place + 1 :])


# Arguments


def argument_mistakes(name: str, seen: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    one = seen[0]
    if isinstance(one, bool):
        yield f"{name} plays no part: this is what comes out where it is True.", lambda value: True
        yield f"{name} plays no part: this is what comes out where it is False.", lambda value: False
        yield f"{name} is turned round: True is taken for False.", lambda value: not value
    elif isinstance(one, int):
        yield f"It is one too far: this is the answer for {name} + 1.", lambda value: value + 1
        yield f"It is one short: this is the answer for {name} − 1.", lambda value: value - 1
    elif isinstance(one, float):
        yield from number_mistakes(name)
    elif isinstance(one, np.ndarray) and one.dtype.kind == "f":
        yield f"{name} plays no part: this is what comes out where it is 0.", lambda value: 0.0 * value
        yield f"The sign of {name} is turned round.", lambda value: -value
        yield f"{name} is used without its signs.", np.abs
        if all(value.ndim == 2 and value.shape[0] == value.shape[1] for value in seen):
            yield f"{name} is transposed.", lambda value: value.T


def number_mistakes(name: str) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield f"{name} plays no part: this is what comes out where it is 0.", lambda value: 0.0
    yield f"{name} plays no part: this is what comes out where it is 1.", lambda value: 1.0
    yield f"1 − {name} stands where {name} belongs.", lambda value: 1 - value
    yield f"The sign of {name} is turned round.", lambda value: -value
    yield f"{name} is squared: it enters once.", lambda value: value**2
    yield f"A root is taken of {name}: it enters as it is.", lambda value: abs(value) ** 0.5
    yield f"{name} enters twice as large as it should: there is a factor of 2 too much.", lambda value: 2 * value
    yield f"{name} enters half as large as it should: a factor of 2 is missing.", lambda value: value / 2
    yield f"It divides by {name} where it should multiply, or the other way round.", lambda value: 1 / value


def exchanged(exercise: Exercise, calls: Sequence[tuple]) -> Named:
    names = exercise.parameters
    for b in range(len(names)):
        for a in range(b):
            if all(alike(call[a], call[b]) for call in calls):
                yield f"{names[a]} and {names[b]} have changed places.", with_exchanged(exercise.reference, a, b)


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype.kind == b.dtype.kind == "f"
    return isinstance(a, float) and isinstance(b, float)


def with_exchanged(reference: Callable[..., Any], a: int, b: int) -> Callable[..., Any]:
    def wrong(*given: Any) -> Any:
        new = list(given)
        new[a], new[b] = given[b], given[a]
        return reference(*new)

    return wrong


# Outputs

CHANGES: dict[str, Callable[[Any], Any]] = {
    "{} has the wrong sign.": lambda out: -out,
    "{} is twice as large as it should be: is there a factor of 2 too much?": lambda out: 2 * out,
    "{} is half as large as it should be: is a factor of 2 missing?": lambda out: out / 2,
    "{} is cut to whole numbers. In an array of whole numbers there is no place for more: start from floats.": np.trunc,
    "{} is upside down: the first comes last.": lambda out: out[::-1],
    "{} is one too large: counting begins at 0.": lambda out: out + 1,
    "{} is upside down: 1 divided by what it should be.": lambda out: 1 / out,
    "A root is missing: {} is squared.": lambda out: out**2,
}


def outputs(exercise: Exercise) -> Named:
    names = list(exercise.returns) or ["The answer"]
    right = exercise.reference
    if len(names) > 1:
        order = ", ".join(names)
        for b in range(len(names)):
            for a in range(b):
                yield f"{names[a]} and {names[b]} have changed places: return {order}.", swapped(right, a, b)
        for n, name in enumerate(names):
            if name in exercise.parameters:
                place = exercise.parameters.index(name)
                yield f"The {name} that comes back is the one that was given, not the new one.", kept(right, n, place)
        for words, change in list(CHANGES.items())[:3]:
            yield words.format("Everything"), changed(right, range(len(names)), change, several=True)
    for n, name in enumerate(names):
        for words, change in CHANGES.items():
            yield words.format(name), changed(right, [n], change, several=len(names) > 1)


def swapped(right: Callable[..., Any], a: int, b: int) -> Callable[..., Any]:
    def wrong(*given: Any) -> Any:
        out = list(right(*given))
        out[a], out[b] = out[b], out[a]
        return tuple(out)

    return wrong


def kept(right: Callable[..., Any], n: int, place: int) -> Callable[..., Any]:
    return lambda *given: tuple(given[place] if m == n else out for m, out in enumerate(right(*given)))


def changed(right: Callable[..., Any], which: Any, change: Callable[[Any], Any], several: bool) -> Callable[..., Any]:
    def wrong(*given: Any) -> Any:
        if not several:
            return change(np.asarray(right(*given)))
        return tuple(change(np.asarray(out)) if n in which else out for n, out in enumerate(right(*given)))

    return wrong
