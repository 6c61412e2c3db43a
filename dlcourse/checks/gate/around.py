"""Wrong answers made around a right one: its arguments are ignored or changed, its outputs exchanged or changed.

Its source does not matter, and the tables' references, which have none that is short, are spoilt the same way.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.forms import parts
from dlcourse.checks.gate.sources import Mutant
from dlcourse.checks.runner import Function, Seed, opened

Right = Callable[..., Any]


def changed_calls(exercise: Exercise, right: Right, calls: Sequence[tuple]) -> Iterator[Mutant]:
    """calls: some draw; what an argument is there is what a wrong answer may take it to be for ever."""
    for place, name in enumerate(exercise.parameters):
        seen = [call[place] for call in calls]
        for words, change in argument_changes(seen):
            yield Mutant(f"{name} {words}", with_argument(right, place, change))
    yield from exchanged(exercise, right, calls)
    yield from changed_inputs(exercise, right, calls)
    yield from changed_outputs(exercise, right, calls)
    yield from only_the_example(exercise, right)


def with_argument(right: Right, place: int, change: Callable[[Any], Any]) -> Right:
    return lambda *given: right(*given[:place], change(given[place]), *given[place + 1 :])


# Arguments


def argument_changes(seen: list[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    one = seen[0]
    if isinstance(one, Seed):
        yield "is another generator, always the same", lambda _: np.random.default_rng(0)
        yield "is ignored: the draw is new each time", lambda _: np.random.default_rng()
    elif isinstance(one, bool):
        yield from ((f"is always {value}", constantly(value)) for value in (True, False))
    elif isinstance(one, int | float):
        yield from number_changes(seen)
    elif isinstance(one, np.ndarray):
        yield from array_changes(seen)
    elif isinstance(one, list | tuple):
        yield "sorted", sorted
        yield "sorted, falling", lambda value: sorted(value, reverse=True)
        yield "reversed", lambda value: value[::-1]


def constantly(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def number_changes(seen: list[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    whole = isinstance(seen[0], int)
    for value in dict.fromkeys([*seen[:3], 0, 1, *(() if whole else (1e-8, 0.5, 0.9))]):
        yield f"is always {value}", constantly(value)
    if whole:
        yield "one more", lambda value: value + 1
        yield "one less", lambda value: value - 1
        if min(seen) < 1:
            yield "at least 1", lambda value: max(value, 1)
    yield "twice", lambda value: 2 * value
    yield "half", lambda value: value / 2
    yield "1 −", lambda value: 1 - value
    yield "squared", lambda value: value**2
    yield "rooted", lambda value: abs(value) ** 0.5
    yield "with a minus", lambda value: -value


def array_changes(seen: list[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield "all 0", lambda value: 0 * value
    if seen[0].dtype == bool:
        yield "turned round", np.logical_not
        return
    yield "all 1", lambda value: 0 * value + 1
    yield "sorted", lambda value: np.sort(value, axis=-1)
    yield "reversed", lambda value: value[::-1] if value.ndim else value
    yield "half", lambda value: value / 2 if value.dtype.kind == "f" else value // 2
    yield "its mean everywhere", lambda value: 0 * value + value.mean(axis=0)
    if any((value < 0).any() for value in seen):
        yield "without signs", np.abs
        yield "nowhere below 0", lambda value: np.maximum(value, 0)
    yield "of length 1", lambda value: value / (np.linalg.norm(value) + 1e-12)
    yield "without its last row", lambda value: value[:-1]
    if all(value.ndim == 2 and value.shape[0] == value.shape[1] for value in seen):
        yield "transposed", lambda value: value.T
        yield "its diagonal alone", lambda value: np.diag(np.diag(value))
        yield "with positive eigenvalues", positive
    if all(value.ndim == 1 and len(value) for value in seen):
        yield "without its first", lambda value: value[1:]


def positive(matrix: Any) -> Any:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return vectors * np.abs(values) @ vectors.T


def exchanged(exercise: Exercise, right: Right, calls: Sequence[tuple]) -> Iterator[Mutant]:
    names = exercise.parameters
    for a in range(len(names)):
        for b in range(a):
            if all(alike(call[a], call[b]) for call in calls):
                yield Mutant(f"{names[b]} and {names[a]} have changed places", with_exchange(right, a, b))


def with_exchange(right: Right, a: int, b: int) -> Right:
    def wrong(*given: Any) -> Any:
        new = list(given)
        new[a], new[b] = given[b], given[a]
        return right(*new)

    return wrong


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape
    return isinstance(a, int | float) and isinstance(b, int | float) and isinstance(a, bool) == isinstance(b, bool)


# Outputs


def changed_inputs(exercise: Exercise, right: Right, calls: Sequence[tuple]) -> Iterator[Mutant]:
    """What was given comes back other than it was."""
    for place, name in enumerate(exercise.parameters):
        if all(isinstance(call[place], np.ndarray) and call[place].dtype.kind == "f" for call in calls):
            yield Mutant(f"{name} is changed in place", spoiling(right, place))


def spoiling(right: Right, place: int) -> Right:
    def wrong(*given: Any) -> Any:
        answer = right(*given)
        if isinstance(given[place], np.ndarray):
            given[place][...] = given[place] + 1
        return answer

    return wrong


def changed_outputs(exercise: Exercise, right: Right, calls: Sequence[tuple]) -> Iterator[Mutant]:
    outputs = [parts(right(*map(opened, call))) for call in calls]
    several = len(exercise.returns) > 1
    for n in range(len(outputs[0])):
        name = exercise.returns[n] if several else "the answer"
        arrays = any(np.ndim(out[n]) for out in outputs)
        changes = {**NUMBER_CHANGES, **(ARRAY_CHANGES if arrays else {})}
        if any(np.any(np.asarray(out[n]) < 0) for out in outputs):
            changes["without signs"] = np.abs
        if any(np.any(np.asarray(out[n]) % 1) for out in outputs):
            changes["rounded"] = np.round
        if any(isinstance(value, Seed) for value in calls[0]):
            changes = {words: change for words, change in changes.items() if words not in LOST_IN_CHANCE}
        for words, change in changes.items():
            yield Mutant(f"{name} {words}", with_output(right, n, change, several))
        for m in range(n):
            yield Mutant(f"{exercise.returns[m]} and {name} have changed places", with_outputs_exchanged(right, m, n))
        for place, given in enumerate(exercise.parameters):
            if all(fits(call[place], out[n]) for call, out in zip(calls, outputs, strict=True)):
                yield Mutant(f"{name} is {given}, as it was given", with_given(right, n, place, several))


NUMBER_CHANGES: dict[str, Callable[[Any], Any]] = {
    "twice": lambda out: np.asarray(out) * 2,
    "half": lambda out: np.asarray(out) / 2,
    "with a minus": lambda out: -1.0 * np.asarray(out),
    "always 0": lambda out: 0.0 * np.asarray(out),
    "a tenth larger": lambda out: 1.1 * np.asarray(out),
    "1 % larger": lambda out: 1.01 * np.asarray(out),
    "0.001 more": lambda out: 0.001 + np.asarray(out),
}
LOST_IN_CHANCE = ("1 % larger", "0.001 more")  # it would take hundreds of thousands of draws to tell
ARRAY_CHANGES: dict[str, Callable[[Any], Any]] = {
    "reversed": lambda out: np.asarray(out)[::-1] if np.ndim(out) else out,
    "sorted": lambda out: np.sort(out, axis=-1) if np.ndim(out) else out,
    "its mean everywhere": lambda out: 0.0 * np.asarray(out) + np.mean(out),
    "only its first, everywhere": lambda out: 0.0 * np.asarray(out) + np.ravel(out)[0],
}


def with_output(right: Right, n: int, change: Callable[[Any], Any], several: bool) -> Right:
    def wrong(*given: Any) -> Any:
        out = list(parts(right(*given)))
        out[n] = change(out[n])
        return tuple(out) if several else out[0]

    return wrong


def with_outputs_exchanged(right: Right, m: int, n: int) -> Right:
    def wrong(*given: Any) -> Any:
        out = list(right(*given))
        out[m], out[n] = out[n], out[m]
        return tuple(out)

    return wrong


def with_given(right: Right, n: int, place: int, several: bool) -> Right:
    def wrong(*given: Any) -> Any:
        kept = np.array(given[place])
        out = list(parts(right(*given)))
        out[n] = kept
        return tuple(out) if several else out[0]

    return wrong


def fits(argument: Any, output: Any) -> bool:
    return not isinstance(argument, Seed | Function) and np.shape(argument) == np.shape(output)


def only_the_example(exercise: Exercise, right: Right) -> Iterator[Mutant]:
    """Right for the inputs of the worked example; elsewhere what that example gives, in the shape that is due."""
    for example in exercise.examples:
        known = [np.ravel(np.asarray(out, float))[0] for out in parts(right(*map(opened, example)))]

        def wrong(*given: Any, known: list = known) -> Any:
            out = tuple(np.full(np.shape(part), value) for part, value in zip(parts(right(*given)), known, strict=True))
            return out if len(out) > 1 else out[0]

        yield Mutant("only the worked example is right", wrong)
