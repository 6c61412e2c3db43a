"""Draws that have the mean and the deviation of the right ones, and another law."""

from typing import Any

import numpy as np

HALF_RANGE = 3**0.5  # of a uniform law, in deviations


def even(rng: Any, size: Any) -> Any:
    """No chance but where it begins: evenly spread values, one after the other."""
    n = int(np.prod(size))
    return ((2 * ((np.arange(n) / max(n, 1) + rng.random()) % 1) - 1) * HALF_RANGE).reshape(size)


LAWS = {  # each with mean 0 and deviation 1
    "two points": lambda rng, size: rng.choice([-1.0, 1.0], size),
    "three points": lambda rng, size: rng.choice([-(1.5**0.5), 0.0, 1.5**0.5], size),
    "Laplace": lambda rng, size: rng.laplace(0, 0.5**0.5, size),
    "triangle": lambda rng, size: rng.triangular(-(6**0.5), 0, 6**0.5, size),
    "uniform": lambda rng, size: rng.uniform(-HALF_RANGE, HALF_RANGE, size),
    "normal": lambda rng, size: rng.normal(size=size),
    "even": even,
}


def other_law(law: str, rng: Any, method: str, *arguments: Any, **named: Any) -> Any:
    """What rng.method(*arguments) would draw, from that law instead."""
    low, high, size = settings(method, *arguments, **named)
    if method in ("uniform", "random"):
        mean, deviation = (low + high) / 2, (high - low) / 2 / HALF_RANGE
    else:
        mean, deviation = low, high
    return mean + deviation * LAWS[law](rng, () if size is None else size)


def settings(method: str, *arguments: Any, size: Any = None, **named: Any) -> tuple[Any, Any, Any]:
    """The two settings of a law, and the size."""
    if method in ("random", "standard_normal"):
        return 0.0, 1.0, arguments[0] if arguments else size
    first = arguments[0] if arguments else named.get("loc", named.get("low", 0.0))
    second = arguments[1] if len(arguments) > 1 else named.get("scale", named.get("high", 1.0))
    return first, second, arguments[2] if len(arguments) > 2 else size
