"""What families of exercises share: how their inputs are drawn, and what a gradient is compared with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Settings = Callable[[np.random.Generator, int], tuple]


def updates(memory: str, settings: Settings) -> Callable[[np.random.Generator], list[tuple]]:
    """Inputs of an update rule: theta, its memory, grad, and settings(rng, t), t the number of the step from 1.

    memory has a letter for each array that the rule keeps: "v" may have any sign, "s" is a mean of squares. The first
    call is the first step, with an empty memory; the others come later on the way.
    """

    def draw(rng: np.random.Generator) -> list[tuple]:
        calls = []
        for t, shape in ((1, (3,)), (int(rng.integers(2, 6)), (3,)), (int(rng.integers(6, 30)), (2, 4))):
            kept = [rng.uniform(0.1, 2.0, shape) if m == "s" else rng.normal(size=shape) for m in memory]
            kept = [np.zeros(shape) for _ in memory] if t == 1 else kept
            grad = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 1.5, shape)
            calls.append((rng.normal(size=shape), *kept, grad, *settings(rng, t)))
        return calls

    return draw


def between(rng: np.random.Generator, low: float, high: float, digits: int = 3) -> float:
    """A number that is short enough to read."""
    return round(float(rng.uniform(low, high)), digits)


def along(settings: Settings) -> Callable[[np.random.Generator], list[tuple]]:
    """Inputs of a schedule: a step and settings(rng, n), for n = 0, 1 and 2, of which the second is the length D.

    The steps are the places where rules differ: 0, inside a stretch, its last step, its end, the step after, beyond.
    """

    def draw(rng: np.random.Generator) -> list[tuple]:
        calls = []
        for n in range(3):
            rest = settings(rng, n)
            length = rest[1]
            inside = int(rng.integers(2, length - 2))
            steps = (inside, 0, length - 1, length, length + 1, 2 * length + inside, 3 * length, 5 * length + 1)
            calls += [(step, *rest) for step in steps]
        return calls

    return draw


def batch(rng: np.random.Generator, shape: Sequence[int], spread: float = 1.0, centre: float = 0.0) -> np.ndarray:
    """Activations whose columns differ in mean and spread."""
    scale, shift = rng.uniform(0.5, 2.0, shape[-1]), rng.normal(size=shape[-1])
    return centre + shift + spread * scale * rng.normal(size=tuple(shape))


def same(a: Any, b: Any, tolerance: float = 1e-6) -> bool:
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance))


def finite_differences(value: Callable[[Any], float], at: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """The slope of value in every entry of an array, from both sides; has the shape of `at`."""
    slope = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        nudge = np.zeros_like(at)
        nudge[place] = h
        slope[place] = (value(at + nudge) - value(at - nudge)) / (2 * h)
    return slope
