"""Where a curve is wrong: at its first step, at a boundary, beyond its end. In a table, for an exercise with a step:

    regimes=SCHEDULE     or, for arguments of other names, {"before it begins": lambda given: given.t < 0, ...}
    curve="step"         the argument along which a wrong curve is drawn beside the right one

Both may stand in what a chapter's exercises share: where there is no such argument they say nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlcourse.checks.exercise import Exercise

LENGTHS = ("decay_steps", "first_decay_steps", "warmup_steps", "total_steps", "steps")  # names of a schedule's length


def length(given: Any) -> float:
    return next((float(getattr(given, name)) for name in LENGTHS if hasattr(given, name)), float("nan"))


def past(given: Any) -> int:
    """How many boundaries lie below the step; −1 where there are none or the step stands on one."""
    boundaries = getattr(given, "boundaries", ())
    return -1 if not len(boundaries) or given.step in boundaries else sum(b < given.step for b in boundaries)


SCHEDULE: Mapping[str, Callable[..., bool]] = {
    "at step 0": lambda given: given.step == 0,
    "on the way": lambda given: 0 < given.step < length(given),
    "at its end": lambda given: given.step == length(given),
    "beyond its end": lambda given: given.step > length(given),
    "at a boundary": lambda given: given.step in getattr(given, "boundaries", ()),
    "before the first boundary": lambda given: given.step > 0 and past(given) == 0,
    "between boundaries": lambda given: 0 < past(given) < len(given.boundaries),
    "after the last boundary": lambda given: past(given) > 0 and past(given) == len(given.boundaries),
}


def where_wrong(exercise: Exercise, calls: Sequence[tuple], wrong: Sequence[int]) -> str:
    """ "Wrong at step 0 and beyond its end; right on the way." Nothing where that tells no difference."""
    found: dict[str, list[str]] = {"Wrong": [], "sometimes wrong": [], "right": []}
    for words, test in exercise.regimes.items():
        try:
            here = [n for n, call in enumerate(calls) if test(exercise.given(call))]
        except AttributeError:  # it has no such argument
            return ""
        if here:
            bad = sum(n in wrong for n in here)
            found["right" if not bad else "Wrong" if bad == len(here) else "sometimes wrong"].append(words)
    if sum(map(bool, found.values())) < 2:
        return ""
    said = "; ".join(f"{verdict} {listed(places)}" for verdict, places in found.items() if places)
    return said[0].upper() + said[1:] + "."


def listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
