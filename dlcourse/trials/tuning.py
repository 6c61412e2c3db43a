"""Fair sides: each gets the same number of tries, and nobody's best lies at the edge of the grid.

best = tuned(loss_at, start=0.1)        # loss_at(rates) → (rates,) or (rates, seeds), lower is better
best.value, best.score
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Tuned(NamedTuple):
    """The best setting, its score (one number, or one a seed), and whether the grid had to end before the best did."""

    value: float
    score: Any
    at_edge: bool = False


def tuned(
    score: Callable[[np.ndarray], Any],
    start: float = 0.1,
    tries: int = 9,
    ratio: float = 2.0,
    low: float = 1e-6,
    high: float = 1e4,
) -> Tuned:
    """The setting with the lowest score on a grid of `tries` around `start`, each `ratio` times the one before.

    While the best lies at an edge, the grid is widened there by half as many tries, down to `low` and up to `high`.
    score takes all settings at once (lanes) and gives one number each, or one for each seed: then the mean decides.
    What is no number counts as infinitely bad.
    """
    exponents = np.arange(tries) - tries // 2
    settings = start * ratio ** exponents.astype(float)
    scores = finite(score(settings))
    while True:
        order = means(scores)
        best = int(order.argmin())
        more = max(2, tries // 2)
        if best == 0 and settings[0] > low * ratio:
            new = settings[0] * ratio ** -np.arange(more, 0, -1.0)
            settings, scores = np.concatenate([new, settings]), np.concatenate([finite(score(new)), scores])
        elif best == len(settings) - 1 and settings[-1] < high / ratio:
            new = settings[-1] * ratio ** np.arange(1.0, more + 1)
            settings, scores = np.concatenate([settings, new]), np.concatenate([scores, finite(score(new))])
        else:
            return Tuned(float(settings[best]), scores[best], best in (0, len(settings) - 1))


def finite(scores: Any) -> np.ndarray:
    return np.nan_to_num(np.asarray(scores, dtype=float), nan=np.inf, posinf=np.inf)


def means(scores: np.ndarray) -> np.ndarray:
    return scores.reshape(len(scores), -1).mean(axis=1)


def reached_and_kept(errors: np.ndarray, goal: float) -> np.ndarray:
    """The first step from which on an error stays at or below the goal; the number of steps if there is none.

    errors: (steps, …). Reaching once and leaving again is not arriving.
    """
    above = ~(errors <= goal)  # what is no number is above
    steps = len(errors)
    last = steps - 1 - above[::-1].argmax(axis=0)
    return np.where(above.any(axis=0), last + 1, 0)
