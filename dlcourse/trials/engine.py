"""A claim on trial: tried on designs drawn from all that it is meant for, not on one that was picked.

    @trial(
        claim="Momentum needs fewer steps than plain descent.",
        space={"kappa": Log(2, 1e4, "κ"), "angle": Uniform(0, 90, "angle")},
        sides="momentum and plain descent, each at its own best settings",
        measure="steps to a thousandth of the distance, and kept",
        unit="% fewer",
    )
    def momentum_saves_steps(kappa, angle, seed):
        ...
        return 100 * (1 - ball / hiker)

The function is one design of the experiment. It takes the factors, and `seed` for whatever else is left to chance, and
returns the effect: above 0 if the claim is right; one number, or one for each of several seeds, paired.
"""

import inspect
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dlcourse.settings import check, count, refuse, whole
from dlcourse.sweeps import Failure, sweep
from dlcourse.trials import results
from dlcourse.trials.outcome import Effect, Outcome, effect, judge
from dlcourse.trials.space import Space, draw

STORED_SEED = 0


@dataclass(frozen=True)
class Trial:
    """A claim, and the experiment that tries it.

    claim      one sentence, no stronger than the space
    space      for every factor that the claim does not fix, the range it is meant for
    sides      what is compared with what; all that the claim does not name is tuned for each side alone
    measure    one number; unit: what it is counted in
    tolerance  the claim holds where the effect exceeds this, and its noise
    margin     for claims of "no difference": it holds where effect and noise stay within
    designs    how many the stored result has
    """

    experiment: Callable[..., Any]
    claim: str
    space: Space
    sides: str
    measure: str
    unit: str
    tolerance: float = 0.0
    margin: float | None = None
    designs: int = 100
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.experiment.__name__)
        asked = set(inspect.signature(self.experiment).parameters)
        if asked - {"seed"} != set(self.space):
            refuse(f"{self.name}.space", f"name what the experiment takes, {sorted(asked)}", list(self.space), "")
        if asked & {"effect", "noise"}:
            refuse(
                f"{self.name}.space", "leave effect and noise to the results", list(self.space), "Rename the factor."
            )

    def design(self, seed: int, number: int) -> dict[str, Any]:
        """The factors of one design, and its seed."""
        return draw(self.space, seed, number)

    def try_design(self, design: dict[str, Any]) -> Effect:
        """Run the experiment once. Runs that diverge do so without warnings."""
        takes = inspect.signature(self.experiment).parameters
        with np.errstate(all="ignore"):
            return effect(self.experiment(**{name: value for name, value in design.items() if name in takes}))

    def judge(self, designs: list[dict[str, Any]], effects: list[Any]) -> Outcome:
        """The outcome; a Failure in the place of an effect is counted and left out."""
        tried = [(one, found) for one, found in zip(designs, effects, strict=True) if not isinstance(found, Failure)]
        if not tried:
            raise RuntimeError(f"{self.name}: all {len(designs)} designs failed. The first: {effects[0]}")
        kept, found = zip(*tried, strict=True)
        rule: dict[str, Any] = {"tolerance": self.tolerance, "margin": self.margin, "unit": self.unit}
        return judge(self.space, kept, found, **rule, failed=len(designs) - len(tried))

    def run(
        self,
        fresh: int | None = None,
        designs: int | None = None,
        executor: Executor | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Try it anew, on designs of the seed `fresh` (None: those of the stored result); nothing is stored.

        executor, progress: as in dl.sweep.
        """
        seed = STORED_SEED if fresh is None else check("run.fresh", whole, fresh, "Any number from 0 on.")
        n = self.designs if designs is None else check("run.designs", count, designs, "36 is the least for a verdict.")
        tasks: list[dict[str, Any]] = [{"name": self.name, "design": self.design(seed, number)} for number in range(n)]
        effects = sweep(try_one if executor else self.here, tasks, executor=executor, progress=progress)
        return self.judge([task["design"] for task in tasks], effects)

    def here(self, name: str, design: dict[str, Any]) -> Effect:
        return self.try_design(design)

    @cached_property
    def stored(self) -> results.Stored:
        """What `python -m dlcourse.trials` has found and kept."""
        return results.load(self.name)

    def show(self) -> Any:
        """On the page: the claim, what you expect, then a dot for every design, and new luck."""
        from dlcourse.trials.page import page  # here: it brings the widgets along

        return page(self)

    def __repr__(self) -> str:
        return f"Trial({self.name}: “{self.claim}”)"


def try_one(name: str, design: dict[str, Any]) -> Effect:
    """For other processes, which know a trial by its name."""
    from dlcourse.trials import TRIALS

    return TRIALS[name].try_design(design)


def timed(name: str, design: dict[str, Any]) -> tuple[Effect, float]:
    """The effect, and the seconds that it took."""
    start = time.perf_counter()
    return try_one(name, design), time.perf_counter() - start


def trial(**parts: Any) -> Callable[[Callable[..., Any]], Trial]:
    """The decorator that makes a Trial of an experiment."""
    return lambda experiment: Trial(experiment, **parts)
