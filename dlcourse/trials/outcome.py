"""From effects, one for each design, to a verdict: how often it holds, with its interval; on what; how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from dlcourse.settings import is_number
from dlcourse.trials.space import Space, label

CONFIRMED, REFUTED, DEPENDS, UNDECIDED = "confirmed", "refuted", "it depends", "undecided"
OFTEN, RARELY = 0.9, 0.1  # shares of all designs that the 95 % interval must clear
ENOUGH = 36  # designs: with fewer, the interval clears neither even if all agree


class Effect(NamedTuple):
    """What one design says: the mean over its seeds, and the noise of that mean, half of its 95 % interval."""

    mean: float
    noise: float


class Size(NamedTuple):
    """The median effect, and the range of nine designs in ten."""

    median: float
    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        space = "" if self.unit in ("%", "×") else " "
        return f"{number(self.median, sign=True)}{space}{self.unit} ({number(self.low)} to {number(self.high)})"


class Split(NamedTuple):
    """The one factor that tells best where a claim holds: so many of so many on this side of the border, and else."""

    factor: str
    words: str  # "above κ = 25", "with sigmoid"
    others: str  # "below", "with the others"
    border: Any
    here: tuple[int, int]
    there: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.words}: {self.here[0]} of {self.here[1]}; {self.others}: {self.there[0]} of {self.there[1]}"


@dataclass(frozen=True)
class Outcome:
    """What a trial found.

    verdict      "confirmed" if the interval of the share lies above 90 %, "refuted" if below 10 %, else "it depends";
                 "undecided" where the designs are too few to tell
    holds        in how many of the `designs` the claim held
    interval     95 % interval of the share of all designs in which it holds (Clopper and Pearson 1934)
    size         the effect: its median, and the range of nine designs in ten
    split        the factor whose split explains most of where it holds, None where none does or nothing depends;
                 `depends_on` is the same in words
    """

    verdict: str
    holds: int
    designs: int
    interval: tuple[float, float]
    size: Size
    split: Split | None = None
    failed: int = 0

    @property
    def depends_on(self) -> str:
        return str(self.split) if self.split else ""

    def __str__(self) -> str:
        words = f"{self.verdict}, holds in {self.holds} of {self.designs} designs ({percent(self.interval)} %)"
        words += f", size {self.size}"
        if self.verdict == DEPENDS:
            words += f"; {self.depends_on or 'none of its factors decides it'}"
        return words + (f"; {self.failed} designs failed" if self.failed else "")

    def differs_from(self, stored: "Outcome") -> bool:
        """Another verdict, or too few designs for one and yet too many against the stored one."""
        low, high = self.interval
        if self.verdict == UNDECIDED:
            return (stored.verdict == CONFIRMED and high < OFTEN) or (stored.verdict == REFUTED and low > RARELY)
        return self.verdict != stored.verdict


def effect(values: Any) -> Effect:
    """Of an effect for each seed, or of a single number that leaves nothing to chance."""
    from scipy.special import stdtrit  # here: stored outcomes are shown without it

    per_seed = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(per_seed).all():
        raise ValueError(f"a trial's effect must be finite; got {per_seed}. Count what diverged, or bound it.")
    n = len(per_seed)
    noise = float(stdtrit(n - 1, 0.975) * per_seed.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return Effect(float(per_seed.mean()), noise)


def judge(
    space: Space,
    designs: Sequence[dict[str, Any]],
    effects: Sequence[Effect],
    *,
    unit: str,
    tolerance: float = 0.0,
    margin: float | None = None,
    failed: int = 0,
) -> Outcome:
    """The outcome of these designs and their effects."""
    held = holds(effects, tolerance, margin)
    found = interval(int(held.sum()), len(held))
    split = deciding_split(space, designs, held) if 0 < held.sum() < len(held) else None
    verdict = verdict_of(found, len(held))
    median, low, high = np.quantile([each.mean for each in effects], (0.5, 0.05, 0.95)).tolist()
    size = Size(median, low, high, unit)
    return Outcome(verdict, int(held.sum()), len(held), found, size, split if verdict == DEPENDS else None, failed)


def holds(effects: Sequence[Effect], tolerance: float = 0.0, margin: float | None = None) -> np.ndarray:
    """In which designs: more than the tolerance and beyond the noise; for "no difference", within the margin."""
    mean, noise = np.array([tuple(each) for each in effects]).reshape(-1, 2).T
    return np.abs(mean) + noise <= margin if margin is not None else mean - noise > tolerance


def interval(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of which k in n were seen (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    low = float(betaincinv(k, n - k + 1, 0.025)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
    return low, high


def verdict_of(share: tuple[float, float], designs: int) -> str:
    low, high = share
    if low >= OFTEN:
        return CONFIRMED
    if high <= RARELY:
        return REFUTED
    return DEPENDS if designs >= ENOUGH or (low > RARELY and high < OFTEN) else UNDECIDED


def deciding_split(space: Space, designs: Sequence[dict[str, Any]], held: np.ndarray) -> Split | None:
    """The split of one factor that explains most of where it held; None if chance does as well (5 %, all splits tried).

    Measured by the likelihood ratio of two shares against one, G; at least a tenth of the designs on either side.
    """
    from scipy.special import chdtrc

    tried = [split for name in space for split in splits(space, name, [each[name] for each in designs], held)]
    if not tried:
        return None
    best = max(tried, key=lambda split: likelihood_ratio(split.here, split.there))
    return best if chdtrc(1, likelihood_ratio(best.here, best.there)) * len(tried) < 0.05 else None


def splits(space: Space, name: str, values: list[Any], held: np.ndarray) -> list[Split]:
    """All ways to part the designs by this factor: above and below a border, or one kind and the others."""
    found, least, words = [], max(3, len(held) // 10), label(space, name)
    if all(is_number(value) for value in values):
        order = sorted(set(values))
        for below, above in pairwise(order):
            border = roundest(below, above)
            found.append(parted(name, f"above {words} = {border:g}", "below", border, np.array(values) > below, held))
    else:
        for kind in dict.fromkeys(values):
            here = np.array([value == kind for value in values])
            found.append(
                parted(name, f"with {words} {kind}" if space[name].label else f"with {kind}", "else", kind, here, held)
            )
    return [split for split in found if min(split.here[1], split.there[1]) >= least]


def parted(name: str, words: str, others: str, border: Any, here: np.ndarray, held: np.ndarray) -> Split:
    counts = [(int(held[side].sum()), int(side.sum())) for side in (here, ~here)]
    return Split(name, words, others, border, *counts)


def likelihood_ratio(*parts: tuple[int, int]) -> float:
    """G = 2 Σ n ln(n / expected) over holds and fails of each part."""
    table = np.array([(k, n - k) for k, n in parts], dtype=float)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(
        2 * np.sum(table * np.log(np.where(table > 0, table, 1) / np.where(expected > 0, expected, 1)), where=table > 0)
    )


def roundest(below: float, above: float) -> float:
    """The number with the fewest digits that the lower of two neighbours does not exceed, and the upper does."""
    for digits in range(1, 17):
        candidate = float(f"{(below + above) / 2:.{digits}g}")
        if below <= candidate < above:
            return candidate
    return below


def number(value: float, sign: bool = False) -> str:
    """Three digits at most, with a true minus."""
    text = f"{value:+.3g}" if sign else f"{value:.3g}"
    if "e" in text and 1e-3 <= abs(value) < 1e6:
        text = f"{value:+.0f}" if sign else f"{value:.0f}"
    return text.replace("-", "−")


def percent(share: tuple[float, float]) -> str:
    return f"{100 * share[0]:.0f}–{100 * share[1]:.0f}"
