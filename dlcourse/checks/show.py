"""Inputs and answers in words: to be read, and to be pasted into a cell."""

import itertools
import re
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.runner import Function, Seed

WHOLE = 64  # numbers of a call that is written out


def show_call(exercise: Exercise, call: tuple, place: tuple[int, int] | None = None) -> str:
    """One line that makes the call again when it is pasted.

    place: the seed of the check and the number of the call in it, for calls that are too long to be written out.
    """
    names = exercise.parameters
    if weight(call) <= WHOLE:
        given = [f"{name} = {literal(value)}" for name, value in zip(names, call, strict=True)]
        return "; ".join([*given, f"{exercise.name}({', '.join(names)})"])
    if place is not None:
        return f'{exercise.name}(*dl.checks.inputs("{exercise.name}", {place[0]}, {place[1]}))'
    return ", ".join(f"{name} = {show(value)}" for name, value in zip(names, call, strict=True))


def weight(value: Any) -> int:
    if isinstance(value, tuple | list):
        return sum(map(weight, value))
    if isinstance(value, Function):
        return 1 + sum(map(weight, value.constants.values()))
    return int(np.size(value)) if isinstance(value, np.ndarray) else 1


def literal(value: Any) -> str:
    """Python that makes the value, number by number."""
    if isinstance(value, Seed):
        return f"np.random.default_rng({value.number})"
    if isinstance(value, Function):
        source = value.source if not value.constants else f"lambda {', '.join(value.constants)}: {value.source}"
        constants = ", ".join(map(literal, value.constants.values()))
        return f"({source})({constants})" if constants else source
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return f"np.zeros({value.shape}, np.{value.dtype.name})"
        usual = value.dtype in (np.dtype(float), np.dtype(int), np.dtype(bool))
        return f"np.array({literal(value.tolist())}{'' if usual else f', np.{value.dtype.name}'})"
    if isinstance(value, np.generic):
        return literal(value.item())
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return re.sub(r"^(-?)(nan|inf)$", r"\1np.\2", repr(value)) if isinstance(value, float) else repr(value)


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
