"""Is it drawn from this law? Means and deviations cannot say: a Laplace draw has those of a normal one.

Draws are sorted, and counted below the quantiles of the law. In a table, for what is left to chance:

    across={
        "its draws follow the normal law": lambda given, got: follow(
            (w, normal(math.sqrt(2 / fan_in_of(g.shape)))) for g, w in zip(given, got, strict=True)),
        "every number throws its own die": lambda given, got: dice(got[0] == 0, given[0].rate),
    }

A right answer is refused with a probability below 1e-9, whatever its number of draws. Another law is noticed when there
are enough of them: of those with the same mean and deviation, uniform and Laplace instead of normal take 8,000 draws,
fewer points (two, three) a few hundred. So pool: `follow` takes all calls together, each with a law of its own.
Draws that may not be counted (the zeros of a sparse start) are left out by the table: w[w != 0].
"""

import math
from collections.abc import Callable, Iterable
from functools import cache
from statistics import NormalDist

import numpy as np

Law = Callable[[float], float]  # the quantile function: of a share, the value below which so many draws lie

RISK = 1e-10  # of refusing right draws, for each of the few tests below
TAILS = [0.5**n for n in range(7, 13)]
LEVELS = np.array(sorted([*(n / 64 for n in range(1, 64)), *TAILS, *(1 - p for p in TAILS)]))
SLACK = 1e-6  # of a bound, for draws that were rounded to float32


def uniform(low: float, high: float) -> Law:
    return lambda share: low + (high - low) * share


def normal(deviation: float, mean: float = 0.0) -> Law:
    return lambda share: mean + deviation * standard(share)


def truncated(deviation: float, at: float = 2.0) -> Law:
    """A normal draw of this deviation, thrown again while it is more than `at` deviations from 0."""
    outside = NormalDist().cdf(-at)
    return lambda share: deviation * min(max(standard(outside + (1 - 2 * outside) * share), -at), at)


@cache
def standard(share: float) -> float:
    return NormalDist().inv_cdf(share) if 0 < share < 1 else math.copysign(math.inf, share - 0.5)


def follow(draws: Iterable[tuple[np.ndarray, Law]]) -> bool:
    """Do the draws of each pair follow its law, all pairs taken together? Neither another law nor one too even.

    The number of draws below a quantile is binomial. Chernoff's bound says how far it may be off at all levels at once.
    """
    below, total = np.zeros(len(LEVELS)), 0
    for values, law in draws:
        sorted_draws = np.sort(np.asarray(values, float).ravel())
        if not within(sorted_draws, law(0.0), law(1.0)):
            return False
        below += np.searchsorted(sorted_draws, [law(float(p)) for p in LEVELS])
        total += sorted_draws.size
    if total == 0:
        return False
    far = total * divergence(below / total, LEVELS) > math.log(2 * len(LEVELS) / RISK)
    return not far.any() and not too_even(np.diff(below, prepend=0), total * np.diff(LEVELS, prepend=0))


def within(sorted_draws: np.ndarray, low: float, high: float) -> bool:
    if not sorted_draws.size:
        return True
    slack = SLACK * max(abs(v) for v in (low, high, 0.0) if math.isfinite(v))
    return bool(np.isfinite(sorted_draws).all() and low - slack <= sorted_draws[0] and sorted_draws[-1] <= high + slack)


def divergence(seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How unlikely a share is: of n throws it is seen with a probability below exp(−n · this) (Kullback, Leibler)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(p > 0, p * np.log(p / q), 0.0) for p, q in ((seen, expected), (1 - seen, 1 - expected))]
    return np.asarray(sum(parts))


def too_even(seen: np.ndarray, expected: np.ndarray, spread: float = 1.0) -> bool:
    """Counts that lie closer to what is expected than chance lets them: laid out, not drawn.

    The sum of squares over their variance, expected · spread, is χ² of so many degrees; Chernoff again, from below.
    Only for counts of which many are expected, where χ² is true.
    """
    use = expected >= 10
    degrees = int(use.sum())
    if degrees < 30:
        return False
    share = float(np.sum((seen - expected)[use] ** 2 / (expected[use] * spread))) / degrees
    return share == 0 or (share < 1 and degrees / 2 * (share - 1 - math.log(share)) > -math.log(RISK))


def dice(fallen: np.ndarray, rate: float) -> bool:
    """Was a die thrown for every place of `fallen`, (rows, columns) of True and False, each True with this rate?

    As many as there may be, not the same number in every row or column, and no pattern: laid over itself at any other
    place, it agrees with itself no more than by chance. For 2,000 places or more.
    """
    fallen = np.asarray(fallen, bool)
    if fallen.size * divergence(np.array(fallen.mean()), np.array(rate)) > math.log(2 / RISK):
        return False
    for counts, places in ((fallen.sum(0), len(fallen)), (fallen.sum(1), fallen.shape[1])):
        if too_even(counts, np.full(len(counts), places * rate), 1 - rate):
            return False
    return likeness(fallen - fallen.mean()) < 0.25


def likeness(pattern: np.ndarray) -> float:
    """The largest correlation of a pattern with itself, pushed in any way and round the edges."""
    spectrum = np.abs(np.fft.fft2(pattern)) ** 2
    shifted = np.fft.ifft2(spectrum).real.ravel()
    return float(np.abs(shifted[1:]).max() / shifted[0]) if shifted[0] > 0 else 1.0
