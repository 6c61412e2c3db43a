"""Rates that fall: in stairs, along a power, by a factor, like 1/s."""

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Annotated, Any

from dlcourse.schedules.base import LearningRate, Schedule, Steps, flag, not_negative, positive
from dlcourse.settings import Rule, finite, is_list, is_number, refuse, settings

numbers = Rule("be a list of finite numbers", lambda v: is_list(v) and all(map(is_number, v)))
rising = Rule(
    "be a list of finite numbers, each larger than the one before",
    lambda v: numbers.test(v) and all(a < b for a, b in pairwise(v)),
)
DecayRate = Annotated[float, not_negative, "0.96 is TensorFlow's example."]
Staircase = Annotated[bool, flag, "True falls in steps of decay_steps."]


@settings
class PiecewiseConstantDecay(Schedule):
    """Stairs: one value up to and including each boundary, the next one after it.

    η = values[i], i = how many boundaries are below s

    So step 100 still has the value before boundary 100. There is one value more than boundaries.
    """

    boundaries: Annotated[Any, rising, "They are steps, [1000, 2000] say."]
    values: Annotated[Any, numbers, "They are rates, one more than boundaries: [0.1, 0.01, 0.001] say."]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            rule = f"have one value more than there are boundaries, {len(self.boundaries)}"
            refuse("PiecewiseConstantDecay.values", rule, self.values, "The last one holds after the last boundary.")

    def rate(self, step: int) -> float:
        self.__post_init__()  # again, since either list can have been assigned since
        return self.values[bisect_left(self.boundaries, step)]


@settings
class PolynomialDecay(Schedule):
    """Down to end_learning_rate along a power: a straight line for power 1, a parabola for 2.

    η = (η₀ − end) · (1 − s/D)^power + end

    With cycle, D is stretched to its next multiple D⌈s/D⌉ instead of stopping at D: the rate is `end` at s = D and
    jumps up at D + 1, each time less.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    end_learning_rate: Annotated[float, finite, "0.0001 is usual."] = 0.0001
    power: Annotated[float, positive, "1 is a straight line."] = 1.0
    cycle: Annotated[bool, flag, "True stretches the line again and again."] = False

    def rate(self, step: int) -> float:
        length = self.decay_steps
        if self.cycle:
            length *= max(1, -(-step // length))
        end, done = self.end_learning_rate, min(step, length) / length
        return (self.initial_learning_rate - end) * (1.0 - done) ** self.power + end


@settings
class ExponentialDecay(Schedule):
    """The same factor, decay_rate, for every decay_steps steps.

    η = η₀ · decay_rate^(s/D)

    staircase takes ⌊s/D⌋: all at once, at s = D exactly.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    decay_rate: DecayRate
    staircase: Staircase = False

    def rate(self, step: int) -> float:
        return self.initial_learning_rate * self.decay_rate ** periods(step, self)


@settings
class NaturalExponentialDecay(Schedule):
    """Exponential decay with base e.

    η = η₀ · e^(−decay_rate · s/D)

    staircase takes ⌊s/D⌋. Some texts have e^(−decay_rate · s): that is D = 1.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    decay_rate: DecayRate
    staircase: Staircase = False

    def rate(self, step: int) -> float:
        return self.initial_learning_rate * math.exp(-self.decay_rate * periods(step, self))


@settings
class InverseTimeDecay(Schedule):
    """Down like 1/s in the end, which is what the theory of stochastic descent asks (Robbins & Monro 1951).

    η = η₀ / (1 + decay_rate · s/D)

    staircase takes ⌊s/D⌋.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    decay_rate: DecayRate
    staircase: Staircase = False

    def rate(self, step: int) -> float:
        return self.initial_learning_rate / (1.0 + self.decay_rate * periods(step, self))


def periods(step: int, schedule: Any) -> float:
    """How many decay_steps have passed: s/D, or ⌊s/D⌋ on a staircase."""
    length = schedule.decay_steps
    return step // length if schedule.staircase else step / length
