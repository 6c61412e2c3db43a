"""The form of an answer, and how far it is from the right one."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise


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


def unwrap(got: tuple) -> Any:
    return got[0] if len(got) == 1 else got


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
